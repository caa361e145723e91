"""The templates of C programs, and what they need to know of a network in some kind of numbers."""

import hashlib
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wormnet._version import __version__
from wormnet.export.network import Network
from wormnet.export.program import Places, Printed, cost_of
from wormnet.export.text import array, commented, render

__all__ = ["PLACES", "Program", "Table", "filled", "integers", "memory"]

PLACES = Places("s->state[{}]", "s->row[{}]", "s->brought[{}]", "in", "in")
UNSIGNED = (("unsigned char", np.uint8), ("unsigned short", np.uint16), ("unsigned", np.uint32))


@dataclass(frozen=True)
class Table:
    """A constant array: its name, its declaration, its numbers as text, and how many bytes it takes."""

    name: str
    declared: str
    numbers: str
    size: int


def integers(name: str, values: NDArray[Any]) -> Table:
    """A table of whole numbers, in the smallest type that holds them."""
    kind, fits = next(one for one in UNSIGNED if values.max(initial=0) <= np.iinfo(one[1]).max)
    declared = f"static const {kind} {name}[{len(values)}]"
    return Table(name, declared, array(values, str), len(values) * np.dtype(fits).itemsize)


@dataclass(frozen=True)
class Program:
    """A network in some kind of numbers.

    Attributes:
        types: real (of states and inputs), sum_type, weight_type, dt_type, time_type, y_type, test_type.
        updates: see `program.printed`.
        tables: those that are not needed are left away.
        times: for each update what it is given as the length of a sub-step.
        reset, before, after: the statements of the reset, and of a step before and after the updates.
        helpers: functions.
        product: one product of a matrix product.
        bias: how an element of a bias begins a sum, with {}.
        own_input: whether inputs are mapped into a room of the instance.
        about: what a comment tells of the numbers.   defines: further lines of the header.   notes: on step().
        test: samples of the self-test.
        state_bytes: of an instance.   measured: see `CSource`.
        ends: of a policy, what the template needs to know of its maps.
    """

    types: dict[str, str]
    updates: list[Printed]
    tables: list[Table]
    times: list[str]
    reset: list[str]
    before: list[str]
    after: list[str]
    helpers: list[str]
    product: str
    bias: str
    own_input: bool
    about: list[str]
    defines: list[str]
    notes: list[str]
    test: dict[str, Any]
    state_bytes: int
    measured: float
    ends: dict[str, Any] | None = None


def memory(
    network: Network, room: tuple[int, int, int], own_input: bool, sizes: tuple[int, int], *, going: bool = False
) -> int:
    """Bytes of an instance: sizes are those of a number and of a sum; going: whether it knows that it has begun."""
    rows, brought, hidden = room
    n, (real, total) = network.layout.wiring.n_neurons, sizes
    first = real * (len(network.initial) + rows) * n
    rest = real * (network.layout.wiring.n_inputs * own_input + 2 * hidden)
    whole, largest = first + rest, real
    if brought:
        # Sums are aligned to their size, and so is the whole.
        whole, largest = first + -first % total + total * brought * n + rest, max(real, total)
    whole += 4 * going
    return whole + -whole % largest


def filled(
    network: Network, name: str, file: str, program: Program, room: tuple[int, int, int]
) -> tuple[str, str, int]:
    """Source, header, and the bytes of the tables."""
    wiring, memory = network.layout.wiring, network.layout.program.memory
    rows, brought, hidden = room
    common = {
        **program.types,
        "file": file,
        "name": name,
        "NAME": name.upper(),
        "title": "a recurrent network of wormnet",
        "fixed": program.types["real"].startswith("int"),
        "n_inputs": wiring.n_inputs,
        "n_outputs": network.n_outputs,
        "n_neurons": wiring.n_neurons,
        "states": commented([one.name for one in network.layout.program.states]),
        "rows": rows,
        "brought": brought,
        "hidden": hidden,
        "own_input": program.own_input,
        "defines": program.defines,
        "step_notes": program.notes,
        "ends": program.ends,
    }
    source = {
        "updates": program.updates,
        "notes": [commented([f"{p.kind}, {p.piece.node.name}"])[0] for p in program.updates],
        "inputs": ["s->input" if program.own_input and p.mapped else "x" for p in program.updates],
        "times": program.times,
        "dense": any(p.kind == "dense" for p in program.updates),
        "reset": program.reset,
        "before": program.before,
        "after": program.after,
        "helpers": program.helpers,
        "product": program.product,
        "bias": program.bias,
        "test": program.test,
    }
    bare = render("network.c.j2", "export.c", {**common, **source, "about": [], "digest": "", "tables": ""})
    used = [one for one in program.tables if re.search(rf"\b{one.name}\b", bare)]
    tables, size = "".join(f"{one.declared} = {one.numbers};\n" for one in used), sum(one.size for one in used)
    digest, cost = f"0x{hashlib.sha256((bare + tables).encode()).hexdigest()[:8]}u", cost_of(network)
    about = commented(
        [
            f"Written by wormnet {__version__} (Apache-2.0). Do not edit; export again.",
            f"Wiring: {wiring}, digest {wiring.digest[:16]}.",
            f"Model: {network.layout.program.model}{', an LSTM cell in front' * memory}.",
            f"Time: one unit of the equation's time is dt = {network.time_unit:g}.",
            f"One sample: {cost.multiply_adds} multiply-adds, {cost.divisions} divisions, {cost.calls} of exp, tanh "
            "and sigmoid.",
            f"Memory: {size} bytes of constants, {program.state_bytes} bytes for each instance.",
            *program.about,
        ]
    )
    names = commented(
        [
            f"Inputs: {', '.join(wiring.inputs)}",
            f"Neurons: {', '.join(wiring.neurons)}",
            f"Read out: {', '.join(wiring.outputs)}{', then a linear map' * (network.linear is not None)}",
        ]
    )
    told = {**common, "digest": digest}
    text = render("network.c.j2", "export.c", {**told, **source, "about": about, "tables": tables})
    return text, render("network.h.j2", "export.c", {**told, "about": about + names}), size
