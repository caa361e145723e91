"""The cells of a wiring by the names that users give: exact, in another spelling, or by class."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from wormnet.errors import WiringError
from wormnet.wiring import atlas, check

if TYPE_CHECKING:
    from wormnet.wiring.core import Wiring

__all__ = ["cell", "cells", "check_once", "neuron", "neurons"]


def cell(wiring: "Wiring", name: object) -> int:
    """The number of one cell."""
    return wiring.cells.index(atlas.one_of("cell", name, wiring.cells))


def neuron(wiring: "Wiring", name: object) -> int:
    """The cell number of one neuron."""
    if isinstance(name, str) and (number := wiring.numbers.get(name, -1)) >= wiring.n_inputs:
        return number
    if isinstance(name, str) and name not in wiring.neurons and atlas.counterparts([name], wiring.inputs):
        raise _is_input(name)
    return wiring.n_inputs + wiring.neurons.index(atlas.one_of("neuron", name, wiring.neurons))


def cells(wiring: "Wiring", verb: str, wanted: Iterable[object]) -> list[int]:
    """The cell numbers of names and classes. `verb`: the method that they are given to."""
    found = []
    for name in wanted:
        _check_single(verb, name)
        of_name = atlas.named(name, wiring.numbers)
        if not of_name:
            raise atlas.no_such("cell", name, wiring.cells)
        found += [wiring.cell(one) for one in of_name]
    return found


def neurons(wiring: "Wiring", verb: str, wanted: Iterable[object]) -> list[str]:
    """The names of the neurons that names and classes stand for: all of a class, or an error."""
    found, inputs = [], set(wiring.inputs)
    for name in wanted:
        _check_single(verb, name)
        of_name = atlas.named(name, wiring.numbers)
        if not of_name:
            raise atlas.no_such("neuron", name, wiring.neurons)
        held = inputs.intersection(of_name)
        if held == set(of_name):
            raise _is_input(name)
        if held:
            first = next(one for one in of_name if one in held)
            left = ", ".join(repr(one) for one in of_name if one not in held)
            raise WiringError(
                f"{name!r} stands for {len(of_name)} cells, of which {len(held)}, the first {first!r}, are inputs; "
                f"{verb} takes neurons. The neurons among them: {left}."
            )
        found += of_name
    return found


def check_once(what: str, names: list[str]) -> None:
    """No neuron is named twice."""
    if len(set(names)) != len(names):
        raise WiringError(f"{what} names a neuron twice: {', '.join(names)}.")


def _is_input(name: object) -> WiringError:
    return WiringError(f"{name!r} is an input; this takes a neuron. Inputs only send.")


def _check_single(verb: str, name: object) -> None:
    """It is no list of names where names are given one by one."""
    if isinstance(name, str) or not isinstance(name, Iterable):
        return
    if verb == "drive":
        raise WiringError(f"drive is given {check.shortened(name)} among the neurons; it takes names, one by one.")
    inside = list(name)
    shown = ", ".join(check.shortened(one) for one in inside[:3]) + (", ..." if len(inside) > 3 else "")
    raise WiringError(
        f"{verb} is given {check.shortened(name)}; it takes names one by one: {verb}({shown}), or {verb}(*names)."
    )
