"""A layout as one tensor of whole numbers that the kernels read: a header of sizes and offsets, then the arrays.

The header has one word for every field below, at a place that depends only on the program, so that kernels written
for a program read the sizes of any wiring. Words of arrays are offsets from the start of the tensor.
"""

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wormnet.engine.layout import Layout, Place, Table, dense_widths
from wormnet.engine.program import Part, Program

__all__ = ["ROW", "Words", "encode", "words_of"]

ROW = 8
"""Most edges in a row. A neuron with more edges has several rows, so that a hub does not hold up the others."""

Ints = NDArray[np.int64]

GLOBAL = (
    "n_inputs",
    "n_neurons",
    "slots",  # evaluations of a sample
    "order",  # the neurons layer by layer
    "rank",  # the place of each neuron in it
    "layers",  # where each layer begins in it
    "n_layers",
    "gather",  # places in p of the numbers that `launch` gathers into q; the place after the last for none
    "n_gather",
)
OF_PART = ("nodes", "unfolds", "units")  # nodes: offset in p
OF_EDGES = (
    "edges",
    "coefficients",  # offset in p
    "sent",  # (edges,) the input, or the place of the presynaptic state among those of a slot and of the next
    "post",  # (edges,)
    # Edges from inputs by receiver: those from input_start[i] to input_end[i], at most input_longest.
    "input_start",
    "input_end",
    "input_longest",
    # Likewise by sender: the numbers of the edges of input i stand in send_edge from send_start[i] on.
    "send_start",
    "send_edge",
    "send_longest",
    # Numbers of the edges from inputs, and from neurons.
    "from_input",
    "n_from_input",
    "from_neuron",
    "n_from_neuron",
    # Edges between neurons in rows by receiver: the k-th neuron of `order` (of the neurons, in a part without layers)
    # has the rows post_first[k] to post_first[k + 1] - 1; post_other (ROW, rows) is as `sent`, -1 after a row's end;
    # post_values is the offset in q of the coefficients (coefficients, ROW, rows).
    "post_rows",
    "post_first",
    "post_longest",
    "post_other",
    "post_values",
    # Likewise by sender, pre_owner (rows,); pre_other is the receiver, plus the number of neurons if it reads the state
    # an evaluation later (which in a part without layers all do, and nothing is added).
    "pre_rows",
    "pre_first",
    "pre_longest",
    "pre_other",
    "pre_owner",
    "pre_values",
)
OF_PRODUCT = ("bias", "forward", "backward")
# bias: offset in p; forward, backward: offsets in q of the weights by sender and by receiver, without those of inputs

Words = dict[tuple[Any, ...], int]
"""The place in the header of (field,), (field, part) or (field, part, kind or matrix)."""


@lru_cache(maxsize=256)
def words_of(program: Program) -> Words:
    """The places in the header; the same for all programs with the same code."""
    names: list[tuple[Any, ...]] = [(field,) for field in GLOBAL]
    for number, part in enumerate(program.parts):
        names += [(field, number) for field in OF_PART]
        update: Any = part.update
        groups = len(update.hidden) + 1 if part.dense else len(update.edges)
        fields = OF_PRODUCT if part.dense else OF_EDGES
        names += [(field, number, group) for group in range(groups) for field in fields]
    return {name: place for place, name in enumerate(names)}


@lru_cache(maxsize=64)
def encode(layout: Layout, device: torch.device | str) -> tuple[Tensor, list[int]]:
    """The tensor, and its header as a list."""
    writer = _Writer(layout)
    # Kept for later calls too, which may need gradients even if this one does not.
    with torch.inference_mode(False):
        return torch.tensor(writer.numbers(), dtype=torch.int32, device=device), writer.header.tolist()


class _Writer:
    def __init__(self, layout: Layout):
        self.layout, self.words = layout, words_of(layout.program)
        self.header = np.zeros(len(self.words), np.int64)
        self.arrays: list[Ints] = []
        self.size = len(self.header)
        self.gathered: list[Ints] = []
        wiring, program = layout.wiring, layout.program
        self.number(wiring.n_inputs, "n_inputs")
        self.number(wiring.n_neurons, "n_neurons")
        self.number(program.rows, "slots")
        self.array(layout.order, "order")
        self.array(np.argsort(layout.order), "rank")
        self.array(layout.layers, "layers")
        self.number(len(layout.layers) - 1, "n_layers")
        for number, (part, tables, place) in enumerate(zip(program.parts, layout.tables, layout.places, strict=True)):
            self.number(place.nodes, "nodes", number)
            self.number(part.unfolds, "unfolds", number)
            if part.dense:
                self.products(number, part, place)
                continue
            for kind, table in enumerate(tables):
                self.edges(number, part, kind, table, place.edges[kind])
        gather = np.concatenate([np.zeros(0, np.int64), *self.gathered])
        self.array(gather, "gather")
        self.number(len(gather), "n_gather")

    def numbers(self) -> Ints:
        return np.concatenate([self.header, *self.arrays])

    def number(self, value: int, *name: Any) -> None:
        self.header[self.words[name]] = value

    def array(self, values: Ints, *name: Any) -> None:
        self.number(self.size, *name)
        self.arrays.append(np.asarray(values, np.int64).reshape(-1))
        self.size += self.arrays[-1].size

    def gather(self, places: Ints, *name: Any) -> None:
        self.number(sum(len(one) for one in self.gathered), *name)
        self.gathered.append(places.reshape(-1))

    def products(self, number: int, part: Part, place: Place) -> None:
        update: Any = part.update
        self.number(update.units, "units", number)
        inputs = self.layout.wiring.n_inputs
        for k, (rows, columns) in enumerate(dense_widths(part, self.layout.wiring)):
            weight = place.edges[2 * k] + np.arange(rows * columns).reshape(rows, columns)
            weight = weight[:, inputs:] if k == 0 else weight
            self.number(place.edges[2 * k + 1], "bias", number, k)
            self.gather(weight.T, "forward", number, k)
            self.gather(weight, "backward", number, k)

    def edges(self, number: int, part: Part, kind: int, table: Table, coefficients: int) -> None:
        update: Any = part.update
        n, inputs, key = self.layout.wiring.n_neurons, self.layout.wiring.n_inputs, (number, kind)
        n_edges, states, from_input = len(table.pre), len(self.layout.program.states), table.from_input
        self.number(n_edges, "edges", *key)
        self.number(coefficients, "coefficients", *key)
        sent = table.pre + np.where(from_input, 0, part.reads[kind] * n + table.new * states * n)
        self.array(sent, "sent", *key)
        self.array(table.post, "post", *key)
        self.array(table.start[:-1], "input_start", *key)
        self.array(table.middle, "input_end", *key)
        self.number(int((table.middle - table.start[:-1]).max(initial=0)), "input_longest", *key)
        for name, chosen in (("from_input", from_input), ("from_neuron", ~from_input)):
            self.array(np.flatnonzero(chosen), name, *key)
            self.number(int(chosen.sum()), f"n_{name}", *key)
        ids = np.flatnonzero(from_input)
        by_sender = ids[np.argsort(table.pre[ids], kind="stable")]
        count = np.bincount(table.pre[ids], minlength=inputs)
        self.array(_starts(count), "send_start", *key)
        self.array(by_sender, "send_edge", *key)
        self.number(int(count.max(initial=0)), "send_longest", *key)
        ids = np.flatnonzero(~from_input)
        place = np.argsort(self.layout.order) if update.layered else np.arange(n)
        late = n * ~table.new if update.layered else np.zeros(n_edges, np.int64)
        for side, owner, other in (("post", table.post, sent), ("pre", table.pre, table.post + late)):
            rows = _Rows(place[owner[ids]], n)
            self.number(rows.n_rows, f"{side}_rows", *key)
            self.array(rows.first, f"{side}_first", *key)
            self.number(rows.longest, f"{side}_longest", *key)
            self.array(np.append(other[ids], -1)[rows.edge], f"{side}_other", *key)
            places = np.arange(len(update.edges[kind].coefficients))[:, None, None] * n_edges + coefficients
            values = np.where(rows.edge < len(ids), places + np.append(ids, 0)[rows.edge], self.layout.size)
            self.gather(values, f"{side}_values", *key)
            if side == "pre":
                self.array(np.argsort(place)[rows.owner], "pre_owner", *key)


class _Rows:
    """Edges in rows of at most `ROW` that share an owner."""

    def __init__(self, owner: Ints, n: int):
        order = np.argsort(owner, kind="stable")
        count = np.bincount(owner, minlength=n)
        n_rows = -(-count // ROW)
        self.first = _starts(n_rows)
        """(owners + 1,)"""
        self.n_rows, self.longest = int(self.first[-1]), int(n_rows.max(initial=0))
        self.edge = np.full((ROW, self.n_rows), len(owner))
        """(ROW, rows) edge numbers; after a row's end one more than the last edge"""
        place = np.arange(len(owner)) - _starts(count)[owner[order]]
        self.edge[place % ROW, self.first[owner[order]] + place // ROW] = order
        self.owner = np.repeat(np.arange(n), n_rows)
        """(rows,)"""


def _starts(count: Ints) -> Ints:
    return np.concatenate([[0], np.cumsum(count)]).astype(np.int64)
