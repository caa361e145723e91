"""A program on a wiring: the only builder of index tables, and the order in which numbers are packed.

Engines hold all coefficients of a program in one flat vector p. For each part, in order: the coefficients of the
neurons as `Part.node_numbers` lists them, each (neurons,); then for each kind of edge its coefficients, each (edges,);
a dense part has, after those of the neurons, weight and bias of every hidden layer and of the sums, row by row. Last,
for an engine that maps the inputs itself, their scale and their shift, each (inputs,), as far as the model has them.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wormnet.engine.constants import kept, shown
from wormnet.engine.program import Part, Program
from wormnet.errors import ArgumentError, unknown
from wormnet.models.equation import DenseUpdate, Edge
from wormnet.models.spec import Values, connections
from wormnet.wiring.core import CHEMICAL, CURRENT, GAP, Wiring

__all__ = ["INPUT_MAP", "Layout", "Place", "Table", "layout_of"]

INPUT_MAP = ("input_scale", "input_shift")
"""The parameters that map inputs, each (inputs,)."""

KINDS = {"chemical": CHEMICAL, "gap": GAP, "current": CURRENT}


@dataclass(frozen=True, eq=False)
class Table:
    """The edges of one kind, sorted by postsynaptic neuron; for each neuron, edges from inputs come first.

    A gap junction between two neurons is two edges with one synapse.
    """

    start: NDArray[np.int64]
    """(neurons + 1,) neuron i receives edges start[i]:start[i + 1]"""
    middle: NDArray[np.int64]
    """(neurons,) of which those up to middle[i] come from inputs"""
    pre: NDArray[np.int64]
    """(edges,) the sender among the inputs, or among the neurons"""
    post: NDArray[np.int64]
    """(edges,) the receiver among the neurons"""
    synapse: NDArray[np.int64] | None
    """(edges,) place of its coefficients among those of its kind; None if they stand in the order of the edges"""
    new: NDArray[np.bool_]
    """(edges,) whether it reads the new state of an earlier layer"""

    @property
    def from_input(self) -> NDArray[np.bool_]:
        """(edges,) whether an input sends."""
        return np.arange(len(self.pre)) < self.middle[self.post]


@dataclass(frozen=True)
class Place:
    """Where a part's numbers stand in p."""

    nodes: int
    """the first coefficient of the neurons"""
    edges: tuple[int, ...]
    """the first coefficient of each kind of edge; of a dense part each weight and each bias"""
    end: int


@dataclass(frozen=True, eq=False)
class Layout:
    """A program on a wiring.

    Attributes:
        program, wiring: of which it is.
        tables: for each part one for each kind of edge; none for a dense part.
        order: (neurons,) the neurons layer by layer.
        layers: (layers + 1,) where each layer begins in it.
        places: for each part.
        size: the length of p.
        maps: the entries of INPUT_MAP packed at the end of p; if there are any, the engine maps the inputs.
    """

    program: Program
    wiring: Wiring
    tables: tuple[tuple[Table, ...], ...]
    order: NDArray[np.int64]
    layers: NDArray[np.int64]
    places: tuple[Place, ...]
    size: int
    maps: tuple[str, ...] = ()

    def sizes(self, part: Part, table: tuple[Table, ...]) -> Iterator[tuple[str | None, tuple[int, ...]]]:
        """Name and shape of every block of p that belongs to a part, in order."""
        n = self.wiring.n_neurons
        for name in part.node_numbers:
            yield name, (n,)
        if isinstance(part.update, DenseUpdate):
            for (weight, bias), (outs, width) in zip(dense_names(part.update), self.widths(part), strict=True):
                yield weight, (outs, width)
                yield bias, (outs,)
            return
        for edge, edges in zip(part.update.edges, table, strict=True):
            for name in edge.coefficients:
                yield name, (len(edges.pre),)

    @cached_property
    def axes(self) -> dict[str, int]:
        """How many axes each coefficient has."""
        blocks = [block for pair in zip(self.program.parts, self.tables, strict=True) for block in self.sizes(*pair)]
        return {name: len(shape) for name, shape in blocks if name is not None}

    def widths(self, part: Part) -> list[tuple[int, int]]:
        """(rows, columns) of every weight of a dense part."""
        return dense_widths(part, self.wiring)

    def __post_init__(self):
        object.__setattr__(self, "_blocks", self._named_blocks())

    def _named_blocks(self) -> list[tuple[str | None, tuple[int, ...]]]:
        """Name and shape of every block of p that has numbers."""
        found = [block for pair in zip(self.program.parts, self.tables) for block in self.sizes(*pair)]
        found += [(name, (self.wiring.n_inputs,)) for name in self.maps]
        return [(name, shape) for name, shape in found if 0 not in shape]

    @property
    def map_places(self) -> tuple[int, ...]:
        """Where scale and shift of the inputs stand in p; -1 for one that does not."""
        first = self.size - len(self.maps) * self.wiring.n_inputs
        return tuple(
            first + self.maps.index(name) * self.wiring.n_inputs if name in self.maps else -1 for name in INPUT_MAP
        )

    def places_of(self, device: torch.device) -> dict[str, Tensor]:
        """For every coefficient that an engine holds in another order than its synapses', where each edge's stands."""
        found = {}
        for part, tables in zip(self.program.parts, self.tables, strict=True):
            named = {} if part.dense else _synapses(part, tables)
            found |= {name: kept(one, device) for name, one in named.items() if one is not None}
        return found

    def pack(self, coefficients: Values, places: Mapping[str, Tensor] | None = None) -> Tensor:
        """p, from what a model makes of its parameters (and the LSTM cell's).

        places: the result of `places_of`, if the caller has kept it.
        Raises: ArgumentError if the model lacks a coefficient, or gives one of another size.
        """
        places = self.places_of(next(iter(coefficients.values())).device) if places is None else places
        found: list[Tensor] = []
        for name, shape in self._blocks:  # pyright: ignore[reportAttributeAccessIssue]
            if name is None:
                found.append(next(iter(coefficients.values())).new_zeros(shape))
                continue
            value = coefficients.get(name)
            if value is None:
                raise ArgumentError(unknown(f"coefficient of {self.program.model.name}", name, coefficients))
            if name in places:
                value = value[shown(places[name])]
            if value.shape != shape:
                raise ArgumentError(
                    f"{self.program.model.name} gives the coefficient {name} as {tuple(value.shape)}; on this wiring "
                    f"it takes {shape}."
                )
            found.append(value if len(shape) == 1 else value.reshape(-1))
        return torch.cat(found) if found else next(iter(coefficients.values())).new_zeros(0)

    def unpack(self, p: Tensor) -> list[tuple[list[Tensor], list[list[Tensor]]]]:
        """For each part the neurons' coefficients, and each kind's (of a dense part, of each layer weight and bias)."""
        at, result = 0, []
        for part, tables in zip(self.program.parts, self.tables, strict=True):
            blocks = []
            for _, shape in self.sizes(part, tables):
                size = math.prod(shape)
                blocks.append(p[at : at + size].reshape(shape))
                at += size
            nodes, rest = blocks[: len(part.node_numbers)], blocks[len(part.node_numbers) :]
            if isinstance(part.update, DenseUpdate):
                groups = [rest[i : i + 2] for i in range(0, len(rest), 2)]
            else:
                groups = []
                for edge in part.update.edges:
                    groups.append(rest[: len(edge.coefficients)])
                    rest = rest[len(edge.coefficients) :]
            result.append((nodes, groups))
        return result


def dense_names(update: DenseUpdate) -> tuple[tuple[str, str], ...]:
    """Weight and bias of every layer, that of the sums last."""
    return (*update.hidden, (update.weight, update.bias))


def dense_widths(part: Part, wiring: Wiring) -> list[tuple[int, int]]:
    """(rows, columns) of every weight of a dense part."""
    update = part.update
    assert isinstance(update, DenseUpdate)
    columns = [wiring.n_inputs + wiring.n_neurons, *[update.units] * len(update.hidden)]
    rows = [*[update.units] * len(update.hidden), len(update.sums) * wiring.n_neurons]
    return list(zip(rows, columns, strict=True))


@lru_cache(maxsize=64)
def layout_of(program: Program, wiring: Wiring, *, maps: bool = False) -> Layout:
    """The layout of a program on a wiring; maps: for an engine that maps the inputs itself, if the model maps them."""
    n, layers = wiring.n_neurons, wiring.layers
    order = np.argsort(layers, kind="stable")
    starts = np.searchsorted(layers[order], np.arange(int(layers.max()) + 2)) if n else np.zeros(1, np.int64)
    starts = np.unique(np.append(starts, n))  # layers without neurons are none
    tables: list[tuple[Table, ...]] = []
    places, at = [], 0
    for part in program.parts:
        if isinstance(part.update, DenseUpdate):
            found: tuple[Table, ...] = ()
            shapes = [(rows * columns, rows) for rows, columns in dense_widths(part, wiring)]
            sizes = [size for pair in shapes for size in pair]
        else:
            found = tuple(_table(edge, part, wiring) for edge in part.update.edges)
            sizes = [len(one.coefficients) * len(t.pre) for one, t in zip(part.update.edges, found, strict=True)]
        nodes, at = at, at + n * len(part.node_numbers)
        starts_at = at + np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        places.append(Place(nodes, tuple(starts_at[:-1].tolist()), int(starts_at[-1])))
        at = int(starts_at[-1])
        tables.append(found)
    known = {spec.name for spec in program.model.params(wiring)} if maps else set()
    mapping = tuple(name for name in INPUT_MAP if name in known)
    size = at + len(mapping) * wiring.n_inputs
    return Layout(program, wiring, tuple(tables), order, starts, tuple(places), size, mapping)


def _table(edge: Edge, part: Part, wiring: Wiring) -> Table:
    n, inputs = wiring.n_neurons, wiring.n_inputs
    if edge.over == "connection":
        links = connections(wiring, own=part.update.own_state)  # pyright: ignore[reportAttributeAccessIssue]
        pre, post, synapse = links.pre, links.post, None
    else:
        csr = wiring.csr(KINDS[edge.over])
        pre, post = csr.pre, csr.post
        synapse = None if np.array_equal(csr.synapse, np.arange(len(pre))) else csr.synapse
    # Senders are sorted, so those from inputs come first.
    from_input = pre < inputs
    start = np.concatenate([[0], np.cumsum(np.bincount(post, minlength=n))]).astype(np.int64)
    middle = start[:-1] + np.bincount(post[from_input], minlength=n)
    sender = np.where(from_input, pre, pre - inputs)
    layered = part.update.layered  # pyright: ignore[reportAttributeAccessIssue]
    new = np.zeros(len(pre), bool)
    if layered:
        new[~from_input] = wiring.layers[sender[~from_input]] < wiring.layers[post[~from_input]]
    return Table(start, middle, sender, post, synapse, new)


def _synapses(part: Part, tables: tuple[Table, ...]) -> dict[str, NDArray[np.int64] | None]:
    found = {}
    for edge, table in zip(part.update.edges, tables, strict=True):  # pyright: ignore[reportAttributeAccessIssue]
        found.update(dict.fromkeys(edge.coefficients, table.synapse))
    return found
