"""Where everything lies in the two arrays of the single-sequence kernel, computed from a layout.

    numbers   p, the maps of inputs and outputs and constants, in the order of the kernel; then scratch: x, mapped
              inputs, y, the rows of states (one for each stage of a sub-step), the states before the sample, a part's
              sums with what inputs bring (base) and with all, and what each edge adds (brought)
    whole     an offset for each of `names_of`, then index tables

Neurons have places in whole blocks of LANES. If a part is updated in layers, each layer begins a block, so that blocks
hold neurons of one layer; the edges of each kind follow the order of their receivers, and each layer's begin a block.
"""

from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wormnet.engine.cpu import LANES
from wormnet.engine.layout import Layout, Table
from wormnet.engine.program import Part, Program

__all__ = ["BAD_DT", "BAD_STATE", "FINE", "SingleTables", "names_of", "tables_of"]

FINE, BAD_DT, BAD_STATE = -1, -2, -3
"""What the kernel returns: FINE; i, if input i is not finite; BAD_DT; BAD_STATE - i, if neuron i would be infinite."""

Whole = NDArray[np.int64]


@cache
def names_of(program: Program) -> tuple[str, ...]:
    """The names of the offsets, in order."""
    names = ["neurons", "inputs", "outputs", "in_scale", "in_shift", "out_scale", "out_shift", "read", "owner"]
    names += ["x", "u", "y", "v", "before", "base", "sums"]
    for i, part in enumerate(program.parts):
        names += [f"{i}.{name}" for name in ("nodes", "unfolds", "groups", "cuts")]
        for sender in (0, 1):
            names += [f"{i}.{sender}.{name}" for name in ("rows", "row_cuts")]
            for k in range(len(part.update.edges)):  # pyright: ignore[reportAttributeAccessIssue]
                names += [f"{i}.{k}.{sender}.{name}" for name in ("p", "size", "pre", "cuts", "brought")]
    return tuple(names)


@dataclass(frozen=True, eq=False)
class SingleTables:
    """The arrays of a layout.

    Attributes:
        whole: see the module.
        source: where each of the first `numbers` comes from, among p, input scale and shift, output scale and shift
            (each as long as there are inputs or outputs), 0 and 1 (in this order).
        size: the length of `numbers`.
        place: (neurons,) of each neuron in a row of `neurons` numbers.
        at: the offsets by name.
    """

    whole: NDArray[np.int32]
    source: Whole
    size: int
    place: Whole
    at: dict[str, int]


@dataclass
class _Builder:
    """The arrays while they grow."""

    zero: int
    """where a 0 stands in what numbers come from; a 1 follows it"""
    numbers: list[Whole] = field(default_factory=list)
    whole: list[Whole] = field(default_factory=list)
    n_numbers: int = 0
    n_whole: int = 0

    def number(self, source: Whole) -> int:
        """Where numbers lie, filled up to whole blocks with 0."""
        at, size = self.n_numbers, in_blocks(len(source))
        self.numbers.append(np.append(source, np.full(size - len(source), self.zero)))
        self.n_numbers += size
        return at

    def table(self, values: Any) -> int:
        """Where whole numbers lie."""
        at, values = self.n_whole, np.asarray(values, np.int64).reshape(-1)
        self.whole.append(values)
        self.n_whole += len(values)
        return at


def in_blocks(n: Any) -> Any:
    """As many numbers, in whole blocks."""
    return (n + LANES - 1) // LANES * LANES


@lru_cache(maxsize=64)
def tables_of(layout: Layout) -> SingleTables:
    """The arrays of a layout whose parts are all sparse."""
    program, wiring = layout.program, layout.wiring
    inputs, outputs, names = wiring.n_inputs, wiring.n_outputs, names_of(program)
    made, at = _Builder(layout.size + 2 * (inputs + outputs), n_whole=len(names)), {}
    place, starts = _places(layout)
    n = int(starts[-1])
    at |= {"neurons": n, "inputs": in_blocks(inputs), "outputs": in_blocks(outputs)}
    first = layout.size
    for name, width in (("in_scale", inputs), ("in_shift", inputs), ("out_scale", outputs), ("out_shift", outputs)):
        at[name], first = made.number(np.arange(first, first + width)), first + width
    at["read"] = made.table(np.pad(place[wiring.output_index], (0, in_blocks(outputs) - outputs)))
    owner = np.full(n, -1)
    owner[place] = np.arange(wiring.n_neurons)
    at["owner"] = made.table(owner)
    brought: dict[str, tuple[int, int]] = {}
    for i, part in enumerate(program.parts):
        _part(made, at, brought, layout, i, place, starts if _layered(part) else np.array([0, n]))
    wide, sums = len(program.states) * n, max((len(part.sums) for part in program.parts), default=0) * n
    room = {"x": at["inputs"], "u": at["inputs"], "y": at["outputs"], "before": wide, "base": sums, "sums": sums}
    room["v"] = max((part.stages for part in program.parts), default=1) * wide
    size = made.n_numbers
    for name, length in room.items():
        at[name], size = size, size + length
    most = 0
    for name, (offset, length) in brought.items():
        at[name], most = size + offset, max(most, offset + length)
    header = np.array([at[name] for name in names])
    whole = np.concatenate([header, *made.whole]).astype(np.int32)
    return SingleTables(whole, np.concatenate(made.numbers), size + most, place, at)


def _layered(part: Part) -> bool:
    return part.update.layered  # pyright: ignore[reportAttributeAccessIssue]


def _places(layout: Layout) -> tuple[Whole, Whole]:
    """The place of each neuron, and where each layer begins and the last one ends."""
    n, layers = layout.wiring.n_neurons, layout.layers
    if not any(_layered(part) for part in layout.program.parts):
        return np.arange(n), np.array([0, in_blocks(n)])
    starts = np.append(0, np.cumsum(in_blocks(np.diff(layers))))
    place = np.empty(n, np.int64)
    place[layout.order] = np.arange(n) + np.repeat(starts[:-1] - layers[:-1], np.diff(layers))
    return place, starts


def _part(
    made: _Builder, at: dict[str, int], brought: dict[str, tuple[int, int]], layout: Layout, i: int, place: Whole,
    groups: Whole,
) -> None:  # fmt: skip
    """The numbers and tables of part i, whose neurons are updated in groups that begin at these places."""
    part, where = layout.program.parts[i], layout.places[i]
    n = len(place)
    for c in range(len(part.node_numbers)):
        # Lanes without a neuron compute with ones, which divides by no zero.
        source = np.full(groups[-1], made.zero + 1)
        source[place] = where.nodes + c * n + np.arange(n)
        first = made.number(source)
        at.setdefault(f"{i}.nodes", first)
    at.setdefault(f"{i}.nodes", 0)
    at |= {f"{i}.unfolds": part.unfolds, f"{i}.groups": len(groups) - 1, f"{i}.cuts": made.table(groups)}
    for sender in (0, 1):
        # What inputs bring is summed up for all neurons at once.
        cuts = groups if sender else groups[[0, -1]]
        rows, offset = np.zeros((groups[-1], 1 + 2 * len(layout.tables[i])), np.int64), 0
        for k, table in enumerate(layout.tables[i]):
            width = len(part.update.edges[k].coefficients)  # pyright: ignore[reportAttributeAccessIssue]
            adds = len(part.added(part.update.edges[k]))  # pyright: ignore[reportAttributeAccessIssue]
            edges, slots, starts = _slots(table, sender, place, cuts)
            size = int(starts[-1])
            name = f"{i}.{k}.{sender}"
            at[f"{name}.size"], at[f"{name}.p"] = size, made.n_numbers
            for c in range(width):
                source = np.full(size, made.zero)
                source[slots] = where.edges[k] + c * len(table.pre) + edges
                made.number(source)
            pre = np.zeros(size, np.int64)
            pre[slots] = place[table.pre[edges]] if sender else table.pre[edges]
            at[f"{name}.pre"], at[f"{name}.cuts"] = made.table(pre), made.table(starts)
            brought[f"{name}.brought"], offset = (offset, adds * size), offset + adds * size
            receiver, begin, count = np.unique(place[table.post[edges]], return_index=True, return_counts=True)
            rows[receiver, 1 + 2 * k], rows[receiver, 2 + 2 * k] = slots[begin], slots[begin + count - 1] + 1
        rows[:, 0] = np.arange(len(rows))
        receivers = np.flatnonzero(rows[:, 2::2].any(1))
        at[f"{i}.{sender}.rows"] = made.table(rows[receivers])
        at[f"{i}.{sender}.row_cuts"] = made.table(np.searchsorted(receivers, cuts))


def _slots(table: Table, sender: int, place: Whole, groups: Whole) -> tuple[Whole, Whole, Whole]:
    """The edges from one kind of sender in the order of their receivers, a slot for each, and the slot that each
    group begins with, and where the last one ends."""
    edges = np.flatnonzero(table.from_input == (sender == 0))
    receiver = place[table.post[edges]]
    edges = edges[np.argsort(receiver, kind="stable")]
    cuts = np.searchsorted(np.sort(receiver), groups)
    counts = np.diff(cuts)
    starts = np.append(0, np.cumsum(in_blocks(counts)))
    return edges, np.arange(len(edges)) + np.repeat(starts[:-1] - cuts[:-1], counts), starts
