"""A wiring from the nodes and edges of any graph, or the rows of any table: what all their readers share."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wormnet.errors import ArgumentError, WiringError, shown, unknown
from wormnet.wiring import check
from wormnet.wiring.attributes import Reading, count, kind_and_sign, one_of, whole
from wormnet.wiring.check import GAP, KINDS, ROLES
from wormnet.wiring.core import Wiring
from wormnet.wiring.formats import built, small_enough

__all__ = ["REPEATED", "Cells", "Edges", "Pairs", "assembled", "names_of"]

REPEATED = ("refuse", "add")
Pairs = Iterable[tuple[object, Any]]
"""Attributes: their names and values."""
_NO_NAME = re.compile(r"n?[0-9]+")
_ROLE_WORDS = {"interneuron": "inter", "motor neuron": "motor", "motoneuron": "motor", "sensory neuron": "sensory"}
_ROLE_WORDS |= {"command neuron": "command", "command interneuron": "command"}


@dataclass
class Cells:
    """The cells read so far: names of the inputs, and of each neuron its role and layer; outputs by their rank."""

    inputs: list[str] = field(default_factory=list)
    neurons: dict[str, tuple[str, int]] = field(default_factory=dict)
    outputs: dict[int, str] = field(default_factory=dict)

    def add(self, name: str, found: dict[str, tuple[str, Any]]) -> None:
        """A node by its attributes."""
        cell = one_of(*found["cell"], ("input", "neuron")) if "cell" in found else "neuron"
        if cell == "input":
            # Graphs in which every node has every attribute hold these for an input.
            nothing = {"role": ("input",), "layer": (-1, "-1"), "output": (-1, "-1")}
            extra = [key for key, none in nothing.items() if key in found and found[key][1] not in none]
            if extra:
                raise WiringError(f"it is an input and has {', '.join(extra)}; only neurons do.")
            self.inputs.append(name)
            return
        layer = whole(*found["layer"], 0, 2**62) if "layer" in found else 0
        role = "unknown"
        if "role" in found:
            attribute, value = found["role"]
            said = _ROLE_WORDS.get(value.strip().casefold(), value) if isinstance(value, str) else value
            role = one_of(attribute, said, ROLES)
        self.neurons[name] = role, layer
        if "output" in found and (rank := whole(*found["output"], -1, 2**62)) >= 0:
            if rank in self.outputs:
                raise WiringError(
                    f"{found['output'][0]} is {rank}, and so is that of {check.shortened(self.outputs[rank])}."
                )
            self.outputs[rank] = name

    def make_inputs(self, names: Iterable[str]) -> None:
        """Cells that the caller says are inputs, before those that the graph says are."""
        if isinstance(names, str) or not isinstance(names, Iterable):
            raise ArgumentError(f"inputs is {shown(names)}; it takes a list of names of cells.")
        names = list(names)
        for name in names:
            if not isinstance(name, str) or (name not in self.neurons and name not in self.inputs):
                raise ArgumentError(unknown("input", name, [*self.inputs, *self.neurons]))
            self.neurons.pop(name, None)
        self.outputs = {rank: name for rank, name in self.outputs.items() if name not in set(names)}
        self.inputs = list(dict.fromkeys([*names, *self.inputs]))


class Edges:
    """The synapses read so far, by numbers of their cells, each pair and kind once.

    Args:
        cells: names by number, inputs first.   n_inputs: how many those are.
        repeated: what becomes of a second synapse of one kind from one cell to another: "refuse" or "add".
    """

    def __init__(self, cells: Sequence[str], n_inputs: int, repeated: str):
        if repeated not in REPEATED:
            raise ArgumentError(unknown("repeated", repeated, REPEATED))
        self.cells, self.n_inputs, self.repeated = cells, n_inputs, repeated
        self.columns: tuple[list[int], list[int], list[int], list[int], list[float]] = ([], [], [], [], [])
        self._place: dict[int, int] = {}  # of a (pre, post, kind) among the columns

    def add(self, pre: int, post: int, directed: bool, found: dict[str, tuple[str, Any]]) -> None:
        """An edge by its attributes. Without a direction, a chemical synapse leads both ways, from an input one way."""
        if "directed" in found:
            directed = found["directed"][1]
        kind, sign = kind_and_sign(found)
        weight = count(found)
        if not directed:
            pre, post = (post, pre) if post < self.n_inputs else (pre, post)
            if kind == GAP:
                pre, post = min(pre, post), max(pre, post)
        self._put(pre, post, kind, sign, weight)
        if not directed and kind != GAP and pre >= self.n_inputs and pre != post:
            self._put(post, pre, kind, sign, weight)

    def _put(self, pre: int, post: int, kind: int, sign: int, weight: float) -> None:
        key = (pre * len(self.cells) + post) * len(KINDS) + kind
        at = self._place.setdefault(key, len(self._place))
        if at == len(self.columns[0]):
            for column, value in zip(self.columns, (pre, post, kind, sign, weight)):
                column.append(value)  # pyright: ignore[reportArgumentType]
        elif self.repeated == "refuse":
            raise WiringError(
                f"two {KINDS[kind]} synapses go from {shown(self.cells[pre])} to {shown(self.cells[post])}; a pair has "
                'at most one of each kind. Put several contacts into one count, or have counts added: repeated="add".'
            )
        else:
            signs, counts = self.columns[3:]
            signs[at] = sign if signs[at] == sign else 0
            counts[at] += weight

    def synapses(self) -> dict[str, list[Any]]:
        """The columns of a wiring. A gap junction listed from both ends with equal counts is one."""
        gone = set()
        for at, (pre, post, kind) in enumerate(zip(*self.columns[:3])):
            back = self._place.get((post * len(self.cells) + pre) * len(KINDS) + kind) if kind == GAP else None
            if back is not None and back > at:
                counts = self.columns[4]
                if counts[at] != counts[back]:
                    one, other = shown(self.cells[pre]), shown(self.cells[post])
                    raise WiringError(
                        f"the gap junction of {one} and {other} has count {counts[at]:g} from {one} and "
                        f"{counts[back]:g} from {other}; listed from both ends it takes one count."
                    )
                gone.add(back)
        pre, post, *others = ([value for at, value in enumerate(one) if at not in gone] for one in self.columns)
        for at, (kind, end) in enumerate(zip(others[0], post)):
            if kind == GAP and end < self.n_inputs:
                pre[at], post[at] = end, pre[at]  # it acts on the neuron, whichever end is listed first
        return dict(zip(("pre", "post", "kind", "sign", "count"), (pre, post, *others)))


def assembled(
    cells: Cells,
    edges: Iterable[tuple[str, str, bool, Callable[[], str], Pairs]],
    reading: Reading,
    *,
    repeated: str,
    outputs: Iterable[str] | None,
    source: Any,
    is_ours: bool = False,
) -> Wiring:
    """The wiring of cells and edges.

    Args: edges: sender, receiver, whether it is directed, what to call it in a message, attributes.
    """
    number = {name: place for place, name in enumerate([*cells.inputs, *cells.neurons])}
    found = Edges(list(number), len(cells.inputs), repeated)
    for pre, post, directed, place, attributes in edges:
        try:
            found.add(number[pre], number[post], directed, reading.take(attributes))
        except WiringError as error:
            raise WiringError(f"{place()}: {error}") from None
    synapses = found.synapses()
    small_enough(len(number), len(synapses["pre"]))
    if outputs is None and (cells.outputs or is_ours):
        outputs = [cells.outputs[rank] for rank in sorted(cells.outputs)]
    return built(
        inputs=cells.inputs,
        neurons=list(cells.neurons),
        roles=[role for role, _ in cells.neurons.values()],
        layers=[layer for _, layer in cells.neurons.values()],
        outputs=outputs,
        source=source,
        **synapses,
    )


def names_of(nodes: Mapping[Any, dict[str, tuple[str, Any]]], reading: Reading) -> dict[Any, str]:
    """The name of each node: its own, or an attribute where nodes have but numbers (igraph: n0, Gephi: 12)."""
    numbered = all(map(_is_number, nodes))
    names: dict[Any, str] = {}
    taken: dict[str, Any] = {}
    for node, found in nodes.items():
        attribute, value = found.get("name", ("", None))
        try:
            own = str(node)
        except ValueError:  # a number of too many digits
            raise WiringError(f"node {shown(node)} cannot be written as text; a cell's name is text.") from None
        if value is None or not (numbered or reading.is_given(attribute)):
            names[node] = own
            if value is not None and str(value) != own:
                reading.pass_over(attribute)
        else:
            names[node] = name = str(value)
            if name in taken:
                raise WiringError(
                    f"nodes {shown(taken[name])} and {shown(node)} have one {attribute}, {shown(name)}; names are "
                    f"unique. attributes={{{attribute!r}: None}} names nodes by their ids."
                )
            taken[name] = node
    check.unique(list(names.values()))
    return names


def _is_number(node: object) -> bool:
    if isinstance(node, str):
        return len(node) <= 40 and _NO_NAME.fullmatch(node) is not None
    return isinstance(node, (int, np.integer)) and not isinstance(node, bool)
