"""The loops of a network and the statements in them, for whatever language a writer writes."""

import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from wormnet.export.expressions import Traced
from wormnet.export.network import Dense, Direct, Edges, Network, Piece, Solved
from wormnet.export.statements import Notation

__all__ = [
    "Cost",
    "Floats",
    "Places",
    "Printed",
    "Tables",
    "Value",
    "Writer",
    "cost_of",
    "identifier",
    "printed",
    "room",
]


class Value(NamedTuple):
    """A number as it stands in the source, and what it is, by which a writer finds its format."""

    text: str
    what: Hashable = None


class Writer(Protocol):
    """How a program names and computes what it needs."""

    def table(self, name: str, values: NDArray[Any], index: str) -> Value:
        """An element of a constant table, which the writer keeps; of one that repeats a number, the number."""
        ...

    def integers(self, name: str, values: NDArray[Any]) -> str:
        """The name of a table of whole numbers, which the writer keeps."""
        ...

    def matrix(self, name: str, values: NDArray[Any]) -> str:
        """The name of a table of numbers, row by row, which the writer keeps."""
        ...

    def statements(
        self, where: Hashable, function: Traced, given: Sequence[Value], prefix: str, wanted: Sequence[Hashable]
    ) -> tuple[list[str], list[Value]]:
        """Statements that compute a function, and its results as what is wanted (None: as they come)."""
        ...

    def zero(self, what: Hashable) -> str:
        """Nothing, as the start of a sum."""
        ...

    def converted(self, value: Value, what: Hashable) -> str:
        """A value as something else is held."""
        ...


class Tables:
    """Names constant tables and keeps them in the order in which they are met."""

    def __init__(self):
        self.tables: dict[str, NDArray[Any]] = {}

    def named(self, name: str, values: NDArray[Any]) -> str:
        """The name of a table in the program, by which it is kept."""
        plain = name if name.isascii() else "table"
        for number in range(len(self.tables) + 1):
            found = f"k_{plain}{f'_{number}' if number else ''}"
            if found not in self.tables or np.array_equal(self.tables[found], values):
                self.tables[found] = values
                return found
        raise AssertionError

    def integers(self, name: str, values: NDArray[Any]) -> str:
        """See Writer."""
        return self.named(name, values.astype(np.int64))


class Floats(Tables):
    """Writes floating numbers."""

    def __init__(self, notation: Notation):
        super().__init__()
        self.notation = notation

    def table(self, name: str, values: NDArray[Any], index: str) -> Value:
        """See Writer."""
        if len(values) and (values == values[0]).all():
            return Value(self.notation.number(float(values[0])))
        return Value(f"{self.named(name, values)}[{index}]")

    def matrix(self, name: str, values: NDArray[Any]) -> str:
        """The name of a table of numbers, all of which are kept."""
        return self.named(name, values.reshape(-1))

    def statements(
        self, where: Hashable, function: Traced, given: Sequence[Value], prefix: str, wanted: Sequence[Hashable]
    ) -> tuple[list[str], list[Value]]:
        """See Writer."""
        named = [what is None for what in wanted]
        lines, results = self.notation.statements(function, [one.text for one in given], prefix, named)
        return lines, [Value(one) for one in results]

    def zero(self, what: Hashable) -> str:
        """See Writer."""
        return self.notation.number(0.0)

    def converted(self, value: Value, what: Hashable) -> str:
        """See Writer."""
        return value.text


class Loop(NamedTuple):
    """The edges of one kind into neuron i."""

    start: str
    pre: str
    source: str
    lines: list[str]
    adds: list[tuple[str, str]]
    edges: Edges
    reads_sender: bool


class Sum(NamedTuple):
    """A sum of neuron i: its name in the program, and what it begins with."""

    name: str
    begin: str
    what: Hashable
    needed: bool


class Stage(NamedTuple):
    """One evaluation: edges, the node, and for each state where the result goes and what it is."""

    sums: list[Sum]
    loops: list[Loop]
    lines: list[str]
    sets: list[tuple[int, str]]


class Layer(NamedTuple):
    """A hidden layer of a dense update."""

    weight: str
    bias: str
    width: int
    rows: int
    lines: list[str]
    result: str
    number: int


class Printed(NamedTuple):
    """An update as loops.

    Attributes:
        kind: "solved", "direct" or "dense".
        takes_input, takes_time: whether it needs inputs, and how long the sample lasted.
        piece: the update.
        begin: the sums of a solved update and what they begin with.
        brought: its edges from inputs.
        stages: of a solved update; of another one its node.
        order, layers: tables of a direct update with several layers, else empty.
        n_layers: how many.
        hidden: layers of a dense update.
        weight, bias, width: of its sums.
        copies: (row of the new values, state) after the last stage.
    """

    kind: str
    piece: Piece
    begin: list[Sum]
    brought: list[Loop]
    stages: list[Stage]
    order: str = ""
    layers: str = ""
    n_layers: int = 1
    hidden: tuple[Layer, ...] = ()
    weight: str = ""
    bias: str = ""
    width: int = 0
    source: str = ""
    copies: tuple[tuple[int, int], ...] = ()
    takes_input: bool = False
    takes_time: bool = True

    @property
    def mapped(self) -> bool:
        """Whether it takes the inputs as they are mapped."""
        return not isinstance(self.piece, Dense) or self.piece.mapped

    @property
    def unfolds(self) -> int:
        """How many sub-steps it takes."""
        return self.piece.unfolds if isinstance(self.piece, Solved) else 1

    @property
    def lines(self) -> list[str]:
        """All statements and values."""
        ways = [*self.brought, *(way for stage in self.stages for way in stage.loops)]
        found = [line for way in ways for line in (*way.lines, *(value for _, value in way.adds))]
        found += [line for stage in self.stages for line in (*stage.lines, *(value for _, value in stage.sets))]
        return found + [line for one in self.hidden for line in (*one.lines, one.result)]


def room(updates: list[Printed]) -> tuple[int, int, int]:
    """What a step needs room for: rows of new states, rows of sums brought by inputs, units of the widest layer."""
    rows = max(len(p.stages) * len(p.piece.states) for p in updates)
    brought = max(len(p.begin) if p.brought else 0 for p in updates)
    return rows, brought, max((one.rows for p in updates for one in p.hidden), default=0)


def printed(network: Network, writer: Writer, places: "Places") -> list[Printed]:
    """The updates of a network as loops."""
    found = []
    for piece in network.pieces:
        if isinstance(piece, Solved):
            found.append(_solved(piece, writer, places))
        elif isinstance(piece, Direct):
            found.append(_direct(piece, writer, places))
        else:
            assert isinstance(piece, Dense)
            found.append(_dense(piece, writer, places))
    return found


@dataclass(frozen=True)
class Places:
    """How a language writes where states, new states, collected sums and inputs stand.

    Attributes: state, row, brought: the array of a number {}.   inputs, given: mapped inputs, and inputs as given.
    """

    state: str
    row: str
    brought: str
    inputs: str
    given: str


def _own(piece: Piece, places: Places, stage: int, state: int, index: str = "i") -> Value:
    """A state of a neuron as a stage finds it: what the stage before has made, or what the sub-step begins with."""
    if stage == 0 or state not in piece.states:
        return Value(
            f"{places.state.format(state)}[{index}]" if index else places.state.format(state), ("state", state)
        )
    row = (stage - 1) * len(piece.states) + piece.states.index(state)
    return Value(f"{places.row.format(row)}[{index}]" if index else places.row.format(row), ("state", state))


def _sums(piece: Piece, writer: Writer, brought: Places | None = None) -> list[Sum]:
    found = []
    for k, (name, start) in enumerate(zip(piece.sums, piece.starts, strict=True)):
        what = ("sum", piece.number, k)
        plain = f"sum_{name}" if name.isascii() else f"sum_{k}"
        if brought is not None:
            begin = f"{brought.brought.format(k)}[i]"
        elif start is None:
            begin = writer.zero(what)
        else:
            begin = writer.converted(writer.table(*start, "i"), what)
        found.append(Sum(plain, begin, what, piece.node.takes(len(piece.states) + k)))
    return found


def _loop(
    piece: Piece, edges: Edges, sums: list[Sum], where: tuple[Hashable, ...], writer: Writer, places: Places, stage: int
) -> Loop:
    suffix = "in" if edges.reads is None else "of"
    tag = f"{piece.number}_{edges.over}_{suffix}"
    source = Value(places.inputs, ("input",)) if edges.reads is None else _own(piece, places, stage, edges.reads, "")
    given = [Value("u", source.what)]
    given += [writer.table(f"{name}_{suffix}", values, "e") for name, values in edges.coefficients]
    wanted = [sums[k].what for k in edges.adds]
    lines, results = writer.statements(where, edges.function, given, "a", wanted)
    adds = [(sums[k].name, one.text) for k, one in zip(edges.adds, results, strict=True)]
    start, pre = writer.integers(f"start_{tag}", edges.start), writer.integers(f"pre_{tag}", edges.pre)
    return Loop(start, pre, source.text, lines, adds, edges, edges.function.takes(0))


def _solved(piece: Solved, writer: Writer, places: Places) -> Printed:
    p, width = piece.number, len(piece.states)
    begin = _sums(piece, writer)
    brought = [
        _loop(piece, edges, begin, (p, "brought", kind), writer, places, 0) for kind, edges in enumerate(piece.brought)
    ]
    stages = []
    for j, advance in enumerate(piece.stages):
        sums = _sums(piece, writer, places if piece.brought else None)
        loops = [_loop(piece, edges, sums, (p, "edges", k), writer, places, j) for k, edges in enumerate(piece.edges)]
        given = [_own(piece, places, j, state) for state in piece.states]
        given += [Value(one.name, one.what) for one in sums]
        given += [writer.table(*one, "i") for one in piece.coefficients]
        lines, terms = writer.statements((p, "node"), piece.node, given, "b", [None] * (2 * width))
        sets = []
        for k, state in enumerate(piece.states):
            before = [_own(piece, places, stage, state) for stage in range(j + 1)]
            capacitance = writer.table(*piece.capacitances[k], "i")
            arguments = [*before, capacitance, terms[2 * k], terms[2 * k + 1], Value("h", ("h", p))]
            more, new = writer.statements((p, "stage", j, k), advance, arguments, f"c{k}_", [("state", state)])
            lines = lines + more
            sets.append((j * width + k, new[0].text))
        stages.append(Stage(sums, loops, lines, sets))
    copies = tuple(((len(stages) - 1) * width + k, state) for k, state in enumerate(piece.states))
    return Printed("solved", piece, begin, brought, stages, copies=copies, takes_input=bool(brought))


def _node(piece: Piece, sums: list[Sum], writer: Writer, places: Places) -> tuple[list[str], list[tuple[int, str]]]:
    """The node of an update without a solver."""
    given = [_own(piece, places, 0, state) for state in piece.states]
    given += [Value(one.name, one.what) for one in sums]
    given += [writer.table(*one, "i") for one in piece.coefficients]
    wanted: list[Any] = [("state", state) for state in piece.states]
    lines, new = writer.statements(
        (piece.number, "node"), piece.node, [*given, Value("h", ("h", piece.number))], "b", wanted
    )
    return lines, [(k, one.text) for k, one in enumerate(new)]


def _direct(piece: Direct, writer: Writer, places: Places) -> Printed:
    sums = _sums(piece, writer)
    loops = [
        _loop(piece, edges, sums, (piece.number, "edges", kind), writer, places, 0)
        for kind, edges in enumerate(piece.edges)
    ]
    lines, sets = _node(piece, sums, writer, places)
    many = len(piece.layers) > 2
    order = writer.integers("order", piece.order) if many else ""
    layers = writer.integers("layers", piece.layers) if many else ""
    copies = tuple(enumerate(piece.states))
    stage = [Stage(sums, loops, lines, sets)]
    return Printed(
        *("direct", piece, [], [], stage, order, layers, len(piece.layers) - 1),
        copies=copies,
        takes_input=any(edges.reads is None for edges in piece.edges),
        takes_time=piece.node.takes(piece.node.n_arguments - 1),
    )


def _dense(piece: Dense, writer: Writer, places: Places) -> Printed:
    hidden = []
    for number, (name, weight, bias) in enumerate(piece.matrices[:-1]):
        lines, result = [], "sum"
        if piece.activation is not None:
            wanted = [("hidden", piece.number, number)]
            given = [Value("sum", ("product", piece.number, number))]
            lines, found = writer.statements((piece.number, "activation", number), piece.activation, given, "a", wanted)
            result = found[0].text
        hidden.append(
            Layer(writer.matrix(name, weight), writer.matrix(f"{name}_bias", bias), weight.shape[1], len(bias), lines,
                  result, number)
        )  # fmt: skip
    name, weight, bias = piece.matrices[-1]
    sums = [
        Sum(
            f"sum_{one}" if one.isascii() else f"sum_{k}",
            "",
            ("sum", piece.number, k),
            piece.node.takes(len(piece.states) + k),
        )
        for k, one in enumerate(piece.sums)
    ]
    lines, sets = _node(piece, sums, writer, places)
    source = places.inputs if piece.mapped else places.given
    stage = [Stage(sums, [], lines, sets)]
    return Printed(
        *("dense", piece, [], [], stage),
        hidden=tuple(hidden),
        weight=writer.matrix(name, weight),
        bias=writer.matrix(f"{name}_bias", bias),
        width=weight.shape[1],
        source=source,
        copies=tuple(enumerate(piece.states)),
        takes_input=piece.n_inputs > 0,
        takes_time=piece.node.takes(piece.node.n_arguments - 1),
    )


class Cost(NamedTuple):
    """What one sample takes: an addition to a product is one multiply-add; calls are of exp, tanh and sigmoid."""

    multiply_adds: int
    divisions: int
    calls: int

    def plus(self, other: tuple[int, int, int], times: int = 1) -> "Cost":
        """Both."""
        return Cost(*(mine + times * theirs for mine, theirs in zip(self, other, strict=True)))


def cost_of(network: Network) -> Cost:
    """What one sample costs, from the expressions and the sizes of the tables."""
    n, total = network.layout.wiring.n_neurons, Cost(0, int(network.time_unit != 1.0), 0)

    def of_edges(edges: Edges) -> Cost:
        uses = edges.function.uses
        summed = sum(not (one.op == "multiply" and uses[id(one)] == 1) for one in edges.function.results)
        return Cost(summed, 0, 0).plus(edges.function.cost)

    for piece in network.pieces:
        if isinstance(piece, Solved):
            for edges in piece.brought:
                total = total.plus(of_edges(edges), len(edges.pre))
            for stage in piece.stages:
                for edges in piece.edges:
                    total = total.plus(of_edges(edges), piece.unfolds * len(edges.pre))
                total = total.plus(piece.node.cost, piece.unfolds * n)
                total = total.plus(stage.cost, piece.unfolds * n * len(piece.states))
        elif isinstance(piece, Direct):
            for edges in piece.edges:
                total = total.plus(of_edges(edges), len(edges.pre))
            total = total.plus(piece.node.cost, n)
        elif isinstance(piece, Dense):
            for _, weight, bias in piece.matrices[:-1]:
                total = total.plus((weight.size, 0, 0))
                if piece.activation is not None:
                    total = total.plus(piece.activation.cost, len(bias))
            total = total.plus((piece.matrices[-1][1].size, 0, 0)).plus(piece.node.cost, n)
    if network.input_map is not None:
        total = total.plus((network.layout.wiring.n_inputs, 0, 0))
    if network.linear is not None:
        total = total.plus((network.linear[0].size, 0, 0))
    elif network.output_map is not None:
        total = total.plus((len(network.read), 0, 0))
    return total


def identifier(text: str) -> str:
    """A name that C and JavaScript take, made of any text."""
    plain = re.sub(r"\W", "_", text, flags=re.ASCII)
    return plain if plain and not plain[0].isdigit() else f"net_{plain}"
