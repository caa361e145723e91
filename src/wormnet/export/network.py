"""A layer as numbers and expressions: what every program that is printed from a layer is made of."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from wormnet.engine.dispatch import choose
from wormnet.engine.layout import Layout, Table, dense_names
from wormnet.engine.program import Part
from wormnet.engine.reference import Reference
from wormnet.engine.samples import Samples
from wormnet.errors import ArgumentError, ShapeError
from wormnet.export.expressions import Traced, traced
from wormnet.models.equation import DenseUpdate, Update
from wormnet.nn.recurrent import Recurrent

__all__ = ["Dense", "Direct", "Edges", "Network", "Piece", "Solved", "network_of", "on_reference"]

Array = NDArray[np.float64]
Named = tuple[str, Array]


@dataclass(frozen=True, eq=False)
class Edges:
    """The edges of one kind that inputs send, or that neurons send, sorted by receiver.

    Attributes:
        over: the kind, see `Edge`.
        reads: the number of the state that is read; None if inputs send.
        start: (neurons + 1,) neuron i receives edges start[i]:start[i + 1].
        pre: (edges,) the sender among the inputs, or the neurons.
        coefficients: name and (edges,) values.
        adds: the numbers of the sums that it adds to.
        own: whether every neuron's own state is among the senders.
        function: (u, *coefficients) -> what it adds.
    """

    over: str
    reads: int | None
    start: NDArray[np.int64]
    pre: NDArray[np.int64]
    coefficients: tuple[Named, ...]
    adds: tuple[int, ...]
    own: bool
    function: Traced

    @property
    def post(self) -> NDArray[np.int64]:
        """(edges,) the receiver among the neurons."""
        return np.repeat(np.arange(len(self.start) - 1), np.diff(self.start))


@dataclass(frozen=True, eq=False)
class Piece:
    """One update of a sample.

    Attributes:
        number: its place.
        states: numbers of the states that it sets.
        sums: names.
        starts: for each sum name and (neurons,) values that it begins with; None for 0.
        coefficients: of the neurons, as the node takes them.
        node: see `models.equation.Update`.
    """

    number: int
    states: tuple[int, ...]
    sums: tuple[str, ...]
    starts: tuple[Named | None, ...]
    coefficients: tuple[Named, ...]
    node: Traced


@dataclass(frozen=True, eq=False)
class Solved(Piece):
    """An update under a solver: `brought` sums once per sample what inputs send, `edges` are those among neurons."""

    brought: tuple[Edges, ...]
    edges: tuple[Edges, ...]
    capacitances: tuple[Named, ...]
    stages: tuple[Traced, ...]
    unfolds: int
    bounded: bool


@dataclass(frozen=True, eq=False)
class Direct(Piece):
    """An update without a solver: of the neurons `order[layers[l]:layers[l + 1]]` at a time, edges of inputs first."""

    edges: tuple[Edges, ...]
    order: NDArray[np.int64]
    layers: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Dense(Piece):
    """An update with matrix products: name, weight (rows, columns) and bias of each layer; see `DenseUpdate`."""

    n_inputs: int
    matrices: tuple[tuple[str, Array, Array], ...]
    activation: Traced | None
    reads: int
    mapped: bool


@dataclass(frozen=True, eq=False)
class Network:
    """A layer in evaluation mode, as numbers (of the layer's precision, held in double) and expressions.

    Attributes:
        layout: its program on its wiring.
        single: whether the layer's numbers are those of single precision.
        coefficients: what its edges and nodes take, by name.
        pieces: the updates of a sample, in order.
        initial: for each state (neurons,) what it is before the first sample.
        input_map: None, or scale and shift of the inputs (inputs,).
        read: (outputs of wiring,) the neurons that are read out.
        output_map: None, or scale and shift of what is read out.
        linear: None, or weight (outputs, outputs of wiring) and bias of what comes after: the projection, a head, or
            both in one.
        time_unit: how much of dt is one unit of the equation's time.
    """

    layout: Layout
    single: bool
    coefficients: dict[str, Tensor]
    pieces: tuple[Piece, ...]
    initial: tuple[Array, ...]
    input_map: tuple[Array, Array] | None
    read: NDArray[np.int64]
    output_map: tuple[Array, Array] | None
    linear: tuple[Array, Array] | None
    time_unit: float

    @property
    def n_outputs(self) -> int:
        """The width of y."""
        return len(self.read) if self.linear is None else len(self.linear[1])

    @property
    def matrix(self) -> tuple[Array, Array]:
        """Weight (outputs, outputs of wiring) and bias of `linear` after the output map."""
        assert self.linear is not None
        weight, bias = self.linear
        if self.output_map is None:
            return weight, bias
        return weight * self.output_map[0], bias + weight @ self.output_map[1]

    def run(self, x: Array, dt: Array, dtype: torch.dtype = torch.float64) -> tuple[Array, tuple[Array, ...]]:
        """What the layer gives: x (time, inputs), dt (time,) -> y (time, outputs), and the last states (neurons,)."""
        given = torch.tensor(x, dtype=dtype)
        mapped = given
        if self.input_map is not None:
            scale, shift = (torch.tensor(one, dtype=dtype) for one in self.input_map)
            mapped = torch.addcmul(shift, given, scale)
        if self.layout.program.memory:
            mapped = torch.cat([mapped, given], 1)
        samples = Samples(mapped[None], torch.tensor(dt, dtype=dtype)[None] / self.time_unit)
        start = tuple(torch.tensor(one, dtype=dtype)[None] for one in self.initial)
        coefficients = {name: value.to(dtype) for name, value in self.coefficients.items()}
        with torch.no_grad():
            kept, states = Reference(self.layout)(coefficients, samples, start, None, torch.tensor(self.read))
        y = kept[0].double().numpy()
        y = y if self.output_map is None else y * self.output_map[0] + self.output_map[1]
        y = y if self.linear is None else y @ self.linear[0].T + self.linear[1]
        return y, tuple(one[0].double().numpy() for one in states)


def network_of(rnn: object, head: object = None) -> Network:
    """A layer as numbers and expressions.

    Args: rnn: a layer.   head: None, or what comes after its outputs: a torch.nn.Linear, or weight and bias.
    Raises: ArgumentError for what is no layer, has no numbers, or none that are finite; ShapeError for a head that
        does not fit.
    """
    plain = on_reference(rnn)
    single = plain._stored().dtype != torch.float64
    with torch.no_grad():
        p = {name: value.to(_exact(value)) for name, value in plain.values().items()}
        coefficients = {name: value.double() for name, value in plain._coefficients(p).items()}
        initial = tuple(_numbers(f"the start of {s.name}", one) for s, one in zip(
            plain._layout.program.states, plain._initial(p), strict=True))  # fmt: skip
        maps = [_map(p, word) for word in ("input", "output")]
        packed = plain._layout.unpack(plain._layout.pack(coefficients))
    for name, value in coefficients.items():
        _numbers(name, value)
    wiring = plain.wiring
    if not wiring.n_neurons or not wiring.n_outputs:
        raise ArgumentError(f"{wiring} has no neurons or no outputs, so there is nothing to export.")
    linear = _linear(plain, head)
    pieces = tuple(
        _piece(
            plain._layout, part, [_array(one) for one in nodes], [[_array(one) for one in group] for group in groups]
        )
        for part, (nodes, groups) in zip(plain._layout.program.parts, packed, strict=True)
    )
    return Network(
        *(plain._layout, single, coefficients, pieces, initial, maps[0], wiring.output_index, maps[1], linear),
        plain.time_unit,
    )


def on_reference(rnn: object) -> Recurrent:
    """A copy of a layer on the CPU and the reference engine, in evaluation mode, batch first, with every sample's y."""
    if not isinstance(rnn, Recurrent):
        hint = "; its layer() is one" if hasattr(rnn, "layer") else ""
        raise ArgumentError(f"export takes a recurrent layer of wormnet, not {type(rnn).__name__}{hint}.")
    for name, value in rnn.state_dict().items():
        if value.is_meta:
            raise ArgumentError(f"{name} has no values: the layer is on the device 'meta'.")
    with torch.no_grad():
        plain = copy.deepcopy(rnn)
    plain._backend, plain.checkpoint, plain._choice = "reference", False, None
    plain.batch_first = plain.return_sequences = True
    plain = plain.to("cpu").eval().requires_grad_(False)
    # Half precision is one in name: every program computes in single precision or better.
    plain = plain if plain._stored().dtype in (torch.float32, torch.float64) else plain.float()
    stored = plain._stored()
    plain._choice = (
        (stored.device, stored.dtype, False),
        choose("reference", plain._layout, stored.device, stored.dtype),
    )
    return plain


def _exact(value: Tensor) -> torch.dtype:
    return torch.float64 if value.dtype == torch.float64 else torch.float32


def _array(value: Tensor) -> Array:
    return value.detach().double().numpy()


def _numbers(what: str, value: Tensor) -> Array:
    array = _array(value)
    if not np.isfinite(array).all():
        raise ArgumentError(f"{what} holds {array[~np.isfinite(array)][0]:g}; it takes finite numbers.")
    return array


def _map(p: dict[str, Tensor], word: str) -> tuple[Array, Array] | None:
    """Scale and shift, unless they change nothing."""
    if f"{word}_scale" not in p:
        return None
    scale = _numbers(f"{word}_scale", p[f"{word}_scale"])
    given = p.get(f"{word}_shift")
    shift = np.zeros_like(scale) if given is None else _numbers(f"{word}_shift", given)
    return None if (scale == 1).all() and (shift == 0).all() else (scale, shift)


def _linear(rnn: Recurrent, head: object) -> tuple[Array, Array] | None:
    """The projection and the head, as one weight and bias."""
    found: tuple[Array, Array] | None = None
    if rnn.projection is not None:
        found = _numbers("projection.weight", rnn.projection.weight), _numbers("projection.bias", rnn.projection.bias)
    if head is None:
        return found
    if isinstance(head, nn.Linear):
        bias = head.weight.new_zeros(head.out_features) if head.bias is None else head.bias
        pair: Any = head.weight.cpu(), bias.cpu()
    else:
        pair = head
    try:
        weight, bias = (np.asarray(one.detach() if isinstance(one, Tensor) else one, np.float64) for one in pair)
    except (TypeError, ValueError):
        raise ArgumentError(f"head is {type(head).__name__}; it takes a torch.nn.Linear, or weight and bias.") from None
    if weight.ndim != 2 or weight.shape[1] != rnn.n_outputs or bias.shape != weight.shape[:1] or not len(bias):
        raise ShapeError(
            f"head has weight {weight.shape} and bias {bias.shape}; on this layer it takes (size, {rnn.n_outputs}) and "
            "(size,)."
        )
    for what, one in (("weight", weight), ("bias", bias)):
        _numbers(f"{what} of head", torch.from_numpy(one))
    return (weight, bias) if found is None else (weight @ found[0], weight @ found[1] + bias)


def _piece(layout: Layout, part: Part, nodes: list[Array], groups: list[list[Array]]) -> Piece:
    named: list[Any] = list(zip(part.node_numbers, nodes, strict=True))
    update, width = part.update, len(part.states)
    if isinstance(update, DenseUpdate):
        coefficients = tuple(named)
        node = traced(update.node, width + len(part.sums) + len(coefficients) + 1, width)
        activation = None if update.activation is None else traced(update.activation, 1, 1)
        matrices = tuple((w, *pair) for (w, _), pair in zip(dense_names(update), groups, strict=True))
        dense: Any = (layout.wiring.n_inputs, matrices, activation, part.reads[0], update.mapped)
        none: Any = (None,) * len(part.sums)
        return Dense(part.number, part.states, part.sums, none, coefficients, node, *dense)
    first, own = len(update.capacitances), len(update.coefficients)
    capacitances, coefficients = tuple(named[:first]), tuple(named[first : first + own])
    starts = tuple(None if name is None else (name, value) for name, value in named[first + own :])
    table = layout.tables[part.number]
    sent = {sender: _edges(part, update, table, groups, from_input=sender) for sender in (True, False)}
    common: Any = (part.number, part.states, part.sums, starts, coefficients)
    arguments = width + len(part.sums) + own
    if update.solver is None:
        node = traced(update.node, arguments + 1, width)
        many = update.layered and len(layout.layers) > 2
        everything = np.array([0, layout.wiring.n_neurons])
        order = layout.order if many else np.arange(layout.wiring.n_neurons)
        layers: Any = ((*sent[True], *sent[False]), order, layout.layers if many else everything)
        return Direct(*common, node, *layers)  # pyright: ignore[reportCallIssue]
    node = traced(update.node, arguments, 2 * width)
    stages = tuple(traced(stage.advance, j + 5, 1) for j, stage in enumerate(update.solver.stages))
    solver: Any = (sent[True], sent[False], capacitances, stages, update.unfolds, update.solver.bounded)
    return Solved(*common, node, *solver)  # pyright: ignore[reportCallIssue]


def _edges(
    part: Part, update: Update, tables: Sequence[Table], groups: list[list[Array]], *, from_input: bool
) -> tuple[Edges, ...]:
    found = []
    for kind, (edge, table) in enumerate(zip(update.edges, tables, strict=True)):
        chosen = table.from_input if from_input else ~table.from_input
        if not chosen.any():
            continue
        start = np.concatenate([[0], np.cumsum(np.bincount(table.post[chosen], minlength=len(table.middle)))])
        coefficients = tuple((n, v[chosen]) for n, v in zip(edge.coefficients, groups[kind], strict=True))
        reads = None if from_input else part.reads[kind]
        function = traced(edge.edge, 1 + len(coefficients), len(edge.adds))
        own = update.own_state and not from_input and edge.over == "connection"
        found.append(Edges(edge.over, reads, start, table.pre[chosen], coefficients, part.added(edge), own, function))
    return tuple(found)
