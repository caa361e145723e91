"""The declared parts of a layer as numbers and functions that any arithmetic can run: NumPy arrays or intervals."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from wormnet.engine.bind import bind
from wormnet.engine.program import Part
from wormnet.errors import ArgumentError
from wormnet.models.equation import DenseUpdate
from wormnet.nn.recurrent import Recurrent

__all__ = ["ON_ARRAYS", "Edges", "Piece", "pieces", "values_of"]

Array = NDArray[np.float64]
Function = Callable[..., Any]


def _sigmoid(x: Any) -> Any:
    return 0.5 * (1.0 + np.tanh(0.5 * x))


ON_ARRAYS: Mapping[str, Function] = {
    "absolute": np.abs,
    "exp": np.exp,
    "sigmoid": _sigmoid,
    "tanh": np.tanh,
    "where_less": lambda a, b, then, otherwise: np.where(np.less(a, b), then, otherwise),
}
"""The elementary functions of models on NumPy arrays."""


@dataclass(frozen=True, eq=False)
class Edges:
    """The edges of one kind in a part.

    Args:
        over: the kind, as of `Edge`.   reads: the state that neurons send.   adds: the numbers of the sums.
        pre: (edges,) the sending cell; inputs come first.   post: (edges,) the receiving neuron.
        coefficients: (edges,) each.   edge, d_edge: as of `Edge`, results always in a tuple.
    """

    over: str
    reads: int
    adds: tuple[int, ...]
    pre: NDArray[np.int64]
    post: NDArray[np.int64]
    coefficients: tuple[Array, ...]
    edge: Function
    d_edge: Function


@dataclass(frozen=True, eq=False)
class Piece:
    """A part of a program with its numbers in double precision.

    Args:
        part: what it is of.   node, d_node: its functions, results always in a tuple.
        capacitances, coefficients, starts: (neurons,) each, those of the states, of the node and of the sums.
        edges: its kinds of edge; none of a dense part.
        matrices: of a dense part weight and bias of every layer.   activation: of its hidden layers.
        stages: with a solver, its stages' `advance`, results in a tuple.
        layers: the neurons that are updated at once, in turn.
    """

    part: Part
    node: Function
    d_node: Function
    capacitances: tuple[Array, ...]
    coefficients: tuple[Array, ...]
    starts: tuple[Array, ...]
    edges: tuple[Edges, ...]
    matrices: tuple[tuple[Array, Array], ...]
    activation: Function | None
    stages: tuple[Function, ...]
    layers: tuple[NDArray[np.int64], ...]

    @property
    def has_solver(self) -> bool:
        """Whether its node gives drive and pull."""
        return bool(self.stages)


def values_of(rnn: Recurrent) -> dict[str, Array]:
    """The parameters of the equation, in double precision."""
    with torch.no_grad():
        return {name: value.detach().double().cpu().numpy() for name, value in rnn.values().items()}


def pieces(rnn: Recurrent, functions: Mapping[str, Function] = ON_ARRAYS) -> list[Piece]:
    """The parts of a layer, whose elementary functions are `functions`."""
    if not isinstance(rnn, Recurrent):
        raise ArgumentError(f"a layer of wormnet (LTC, CfC, ...) is looked into, not {type(rnn).__name__}.")
    layout = rnn._layout
    with torch.no_grad():
        coefficients = {name: one.detach().double().cpu() for name, one in rnn._coefficients(rnn.values()).items()}
        unpacked = layout.unpack(layout.pack(coefficients))
    done: dict[Any, Any] = {}

    def bound(function: Function) -> Function:
        if function not in done:
            done[function] = _in_tuple(bind(function, functions, lambda made: made))
        return done[function]

    found = []
    for part, tables, (nodes, groups) in zip(layout.program.parts, layout.tables, unpacked, strict=True):
        own, update = [one.numpy() for one in nodes], part.update
        edges: list[Edges] = []
        matrices: tuple[tuple[Array, Array], ...] = ()
        stages: tuple[Function, ...] = ()
        activation = None
        n_capacitances = n_layers = 0
        if isinstance(update, DenseUpdate):
            matrices = tuple((weight.numpy(), bias.numpy()) for weight, bias in groups)
            activation = bound(update.activation) if update.activation else None
        else:
            for edge, table, group, reads in zip(update.edges, tables, groups, part.reads, strict=True):
                pre = table.pre + np.where(table.from_input, 0, layout.wiring.n_inputs)
                numbers = tuple(one.numpy() for one in group)
                functions_of_it = bound(edge.edge), bound(edge.d_edge)
                edges.append(Edges(edge.over, reads, part.added(edge), pre, table.post, numbers, *functions_of_it))
            stages = tuple(bound(stage.advance) for stage in update.solver.stages) if update.solver else ()
            n_capacitances, n_layers = len(update.capacitances), len(layout.layers) - 1 if update.layered else 0
        width = n_capacitances + len(update.coefficients)
        layers = tuple(layout.order[layout.layers[i] : layout.layers[i + 1]] for i in range(n_layers))
        found.append(
            Piece(
                *(part, bound(update.node), bound(update.d_node)),
                *(tuple(own[:n_capacitances]), tuple(own[n_capacitances:width]), tuple(own[width:])),
                *(tuple(edges), matrices, activation, stages),
                layers if len(layers) > 1 else (np.arange(layout.wiring.n_neurons),),
            )
        )
    return found


def _in_tuple(function: Function) -> Function:
    def called(*args: Any) -> tuple[Any, ...]:
        result = function(*args)
        return result if isinstance(result, tuple) else (result,)

    called.__name__ = function.__name__
    return called
