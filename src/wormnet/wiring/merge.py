"""Wirings put together, and cells put together into classes. Both are methods of `Wiring`."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from wormnet.errors import WiringError, unknown
from wormnet.wiring import atlas, check, spelling
from wormnet.wiring.check import CURRENT, GAP
from wormnet.wiring.edit import renaming

if TYPE_CHECKING:
    from wormnet.wiring.core import Wiring


def join(wiring: "Wiring", other: "Wiring", connect: Mapping[str, str] | None = None) -> "Wiring":
    """Put two wirings side by side, or the second one behind the first.

    Inputs of equal name, in whatever spelling, are one input. With `connect`, neurons of the first take the place of
    inputs of the second; the second's layers are then updated after the first's. The outputs are those of the first,
    then those of the second; choose others with `read_out`.

    Args:
        other: its neurons are numbered after those of `wiring`.
        connect: {input of other: neuron of wiring}. What that input sends, the neuron sends.

    Raises: WiringError if a neuron's name is in both, or a connected input injects a current, which no neuron can.

    >>> from wormnet import ncp, random
    >>> eye = random(inputs=8, neurons=6, outputs=2, sparsity=0.5).rename({"n4": "left", "n5": "right"})
    >>> hand = random(inputs=2, neurons=4, outputs=1, sparsity=0.5).rename(lambda name: "hand_" + name)
    >>> eye.join(hand, connect={"hand_in0": "left", "hand_in1": "right"}).read_out("hand_n3")
    Wiring(8 inputs, 10 neurons, 1 output, 54 synapses)
    """
    if not isinstance(other, type(wiring)):
        raise WiringError(f"join is given {check.shortened(other)}; it takes a Wiring.")
    connect = {} if connect is None else connect
    if not isinstance(connect, Mapping):
        raise WiringError(f"connect is {check.shortened(connect)}; it takes {{input of the other: neuron of this}}.")
    connect = {
        atlas.one_of("input of the other wiring", of_other, other.inputs): atlas.one_of(
            "neuron of the first wiring", neuron, wiring.neurons
        )
        for of_other, neuron in connect.items()
    }
    shared = _shared(wiring, other, connect)
    for s in np.flatnonzero(other.kind == CURRENT):
        if (name := other.cells[other.pre[s]]) in connect:
            raise WiringError(
                f"input {name!r} injects a current into {other.cells[other.post[s]]!r}, which a neuron cannot. "
                "Lesion that synapse, or leave the input unconnected."
            )
    stands_for = {**shared, **connect}
    inputs = [*wiring.inputs, *(name for name in other.inputs if name not in stands_for)]
    number = {name: i for i, name in enumerate([*inputs, *wiring.neurons, *other.neurons])}
    ours = np.array([number[name] for name in wiring.cells], np.int64)
    theirs = np.array([number[stands_for.get(name, name)] for name in other.cells], np.int64)
    behind = int(wiring.layers.max(initial=-1)) + 1 if connect else 0
    sources = dict.fromkeys(source for source in (wiring.source, other.source) if source)
    return wiring.replace(
        inputs=inputs,
        neurons=[*wiring.neurons, *other.neurons],
        roles=wiring.roles + other.roles,
        outputs=wiring.outputs + other.outputs,
        layers=np.concatenate([wiring.layers, other.layers + behind]),
        pre=np.concatenate([ours[wiring.pre], theirs[other.pre]]),
        post=np.concatenate([ours[wiring.post], theirs[other.post]]),
        kind=np.concatenate([wiring.kind, other.kind]),
        sign=np.concatenate([wiring.sign, other.sign]),
        count=np.concatenate([wiring.count, other.count]),
        source="; ".join(sources),
    )


def _shared(wiring: "Wiring", other: "Wiring", connect: Mapping[str, str]) -> dict[str, str]:
    """{input of the other: the same input of this}; no other cell is in both."""
    both = atlas.counterparts([name for name in other.cells if name not in connect], wiring.cells)
    inputs, theirs = set(wiring.inputs), set(other.inputs)
    clash = {here: there for there, here in both.items() if here not in inputs or there not in theirs}
    if clash:
        name = min(clash, key=wiring.cell)
        alias = "" if clash[name] == name else f" ({clash[name]!r} in the other)"
        raise WiringError(
            f"{len(clash)} cell(s), the first {name!r}{alias}, are in both wirings, and only inputs are shared by "
            "name. Rename them, other.rename(lambda name: 'b_' + name), or connect the inputs among them."
        )
    for there, here in both.items():
        if there != here:
            spelling.note(there, repr(here))
    return both


def group_by(
    wiring: "Wiring", classes: Mapping[str, str] | Callable[[str], str] | str, *, within: str = "self"
) -> "Wiring":
    """Merge cells into classes, for example AVAL and AVAR into AVA.

    Synapses that come to lie between the same two classes become one per kind: their counts add up; a sign on which
    all agree stays, else it is 0, to be learned. A class is an output if one of its neurons is; it has their role if
    all agree, else "unknown", and the earliest of their layers. Classes are in the order of their first cells.

    Args:
        classes: "class", the worm's classes (muscles by tissue) of cells in whatever spelling; {cell: class}; or a
            function from cell to class, applied to all cells. Cells left out, or without a class in the worm, stay
            alone.
        within: what becomes of chemical synapses inside a class: "self", they become a synapse of the class with
            itself; "drop", they vanish. Gap junctions inside a class vanish: they would carry no current.

    Raises: WiringError for a cell that is not there, or a class that holds inputs and neurons.

    >>> from wormnet import Wiring
    >>> pair = Wiring(1, ["AVAL", "AVAR", "DA1"], pre=[0, 0, 1, 2], post=[1, 2, 3, 3], sign=[1, 1, 1, -1])
    >>> merged = pair.group_by({"AVAL": "AVA", "AVAR": "AVA"})
    >>> merged.neurons, merged.sign, merged.count
    (('AVA', 'DA1'), array([1, 0], dtype=int8), array([2., 2.]))
    >>> pair.group_by("class").neurons
    ('AVA', 'DA')
    """
    if within not in ("self", "drop"):
        raise WiringError(unknown("within", within, ("self", "drop")))
    if isinstance(classes, str):
        if classes != "class":
            raise WiringError(f"classes is {classes!r}; it takes 'class', {{cell: class}}, or a function.")
        classes = {name: of_name for name in wiring.cells if (of_name := atlas.class_of(name))}
    class_of = renaming(wiring, classes)
    inputs = list(dict.fromkeys(class_of[name] for name in wiring.inputs))
    neurons = list(dict.fromkeys(class_of[name] for name in wiring.neurons))
    for name in [name for name in neurons if name in set(inputs)][:1]:
        raise WiringError(f"class {name!r} holds inputs and neurons; a class takes one or the other.")
    number = {name: i for i, name in enumerate([*inputs, *neurons])}
    place = np.array([number[class_of[name]] for name in wiring.cells], np.int64)

    roles: dict[str, set[str]] = {name: set() for name in neurons}
    layers = dict.fromkeys(neurons, wiring.n_neurons)
    for name, role, layer in zip(wiring.neurons, wiring.roles, wiring.layers):
        roles[class_of[name]].add(role)
        layers[class_of[name]] = min(layers[class_of[name]], int(layer))

    pre, post, gap = place[wiring.pre], place[wiring.post], wiring.kind == GAP
    pre, post = np.where(gap, np.minimum(pre, post), pre), np.where(gap, np.maximum(pre, post), post)
    stays = (pre != post) | ~gap & (within == "self")
    synapses = np.stack([pre, post, wiring.kind.astype(np.int64)])[:, stays]
    merged, into = np.unique(synapses, axis=1, return_inverse=True)
    into, n = into.reshape(-1), merged.shape[1]
    lowest, highest = np.ones(n, np.int64), -np.ones(n, np.int64)
    np.minimum.at(lowest, into, wiring.sign[stays])
    np.maximum.at(highest, into, wiring.sign[stays])
    return wiring.replace(
        inputs=inputs,
        neurons=neurons,
        roles=[roles[name].pop() if len(roles[name]) == 1 else "unknown" for name in neurons],
        outputs=list(dict.fromkeys(class_of[name] for name in wiring.outputs)),
        layers=[layers[name] for name in neurons],
        pre=merged[0],
        post=merged[1],
        kind=merged[2],
        sign=np.where(lowest == highest, lowest, 0),
        count=np.bincount(into, wiring.count[stays], minlength=n),
    )
