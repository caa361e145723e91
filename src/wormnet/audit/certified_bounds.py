"""Certified bounds of every potential, whatever the inputs within a box."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from wormnet.audit.frozen import frozen
from wormnet.audit.parts import Piece, pieces, values_of
from wormnet.audit.step import advanced, cells, chosen, node, summed
from wormnet.engine.samples import numbers
from wormnet.errors import ArgumentError, ShapeError
from wormnet.models.equation import DenseUpdate
from wormnet.models.interval import FUNCTIONS, Interval, product
from wormnet.nn.recurrent import Recurrent
from wormnet.wiring import atlas

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Bounds", "bounds"]


@dataclass(frozen=True, eq=False)
class Bounds:
    """Between which values potentials and outputs stay.

    Args:
        neurons: names.   low, high: (time, neurons) of the first state after each sample, model units.
        outputs: names of what is read out.   y_low, y_high: (time, outputs).

    >>> Bounds(("a",), [[0.0]], [[1.0]], ("a",), [[0.0]], [[2.0]]).of("a")
    (array([0.]), array([1.]))
    """

    neurons: tuple[str, ...]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    outputs: tuple[str, ...]
    y_low: NDArray[np.float64]
    y_high: NDArray[np.float64]

    def __post_init__(self):
        for name in ("low", "high", "y_low", "y_high"):
            object.__setattr__(self, name, frozen(getattr(self, name)))

    def of(self, neuron: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(time,) twice: the bounds of a neuron. Raises: WiringError if it is not there."""
        if neuron not in self.neurons:
            raise atlas.no_such("neuron", neuron, self.neurons)
        i = self.neurons.index(neuron)
        return self.low[:, i], self.high[:, i]

    def plot(self, *neurons: str, ax: "Axes | None" = None) -> "Axes":
        """Draw the bounds of neurons over time as bands; see `wormnet.plot.bounds`."""
        from wormnet import plot

        return plot.bounds(self, *neurons, ax=ax)


def bounds(
    rnn: Recurrent, low: ArrayLike, high: ArrayLike, *, dt: ArrayLike | None = None, start: Any = None
) -> Bounds:
    r"""Bounds of every potential after every sample, for all inputs with low <= x <= high.

    Intervals go through the layer's own functions, rounded outwards, so the bounds hold for the equation in exact
    arithmetic (a layer computes it within the rounding of its dtype). In conductance-based neurons the semi-implicit
    step is a weighted mean,

        v' = (capacitance v + h drive) / (capacitance + h pull),
        v' <= M  if and only if  capacitance (v - M) + h sum_s (drive_s - M pull_s) <= 0,

    whose terms are each largest at an end of their sender's interval; the least such M is found by Newton's method and
    proved by intervals. So the bounds of a step are exact for independent senders, and never leave the range of v,
    v_leak, reversal and the partners of gap junctions. Other neurons and solvers take the ends of all arguments by
    which a function is monotone (its own derivative tells), and plain intervals otherwise ("rk4": wide). What several
    neurons do together is not followed, so bounds widen with time where neurons excite themselves.

    Args:
        rnn: a layer, in evaluation mode's sense: no dropout.
        low, high: (time, inputs) the box of one sequence, or (inputs,) for one sample.
        dt: a number, or (time,); None for one `time_unit`.
        start: None for the layer's own; or a pair (low, high) of states, each as a call takes it for one sequence.

    Returns: a Bounds; infinite where a solver may divide by 0 or overflow.
    Raises: ShapeError, or ArgumentError where low is above high or not finite.
    Source: Moore 1966, Interval Analysis; intervals through networks: Gowal et al. 2018, arXiv 1810.12715.

    >>> import wormnet
    >>> rnn = wormnet.CTRNN(wormnet.dense(2, 3), backend="reference")
    >>> found = bounds(rnn, -torch.ones(20, 2), torch.ones(20, 2))
    >>> found.low.shape, bool((found.low >= -1).all() and (found.high <= 1).all())
    ((20, 3), True)
    """
    parts = pieces(rnn, FUNCTIONS)
    box, steps = _box(rnn, low, high), None
    time = len(box.lo)
    with torch.no_grad():
        like = rnn._stored()
        x = torch.zeros(time, rnn.n_inputs, dtype=like.dtype, device=like.device)
        given = numbers(dt, like)
        ends = (None, None) if start is None else _pair(start)
        arranged = [rnn._arranged(x, one, given, None, None, None) for one in ends]
        steps = arranged[0][0].dt.double().cpu().numpy() * np.ones((1, time))
        states = []
        for samples, found, _ in arranged:
            found = rnn._at_rest((1, rnn.wiring.n_neurons), samples.x) if found is None else found
            states.append([one[0].double().cpu().numpy() for one in found])
    if any((a > b).any() for a, b in zip(*states)):
        raise ArgumentError("start has a low state above the high one; it takes a pair (low, high).")
    values = values_of(rnn)
    now = [Interval(a, b) for a, b in zip(*states)]
    scale, shift = values.get("input_scale"), values.get("input_shift")
    kept, outputs = [], []
    with np.errstate(all="ignore"):
        for t in range(time):
            raw = box[t]
            x_t = raw if scale is None else raw * scale if shift is None else raw * scale + shift
            for piece in parts:
                now = _advance(piece, now, x_t, raw, float(steps[0, t]))
            kept.append(now[0])
            outputs.append(_output(rnn, values, now[0]))
    names = tuple(f"y{i}" for i in range(rnn.n_outputs)) if rnn.projection is not None else rnn.wiring.outputs
    arrays = [[getattr(one, end) for one in rows] for rows in (kept, outputs) for end in ("lo", "hi")]
    return Bounds(rnn.wiring.neurons, arrays[0], arrays[1], names, arrays[2], arrays[3])  # pyright: ignore


def _pair(start: Any) -> tuple[Any, Any]:
    if not isinstance(start, (tuple, list)) or len(start) != 2:
        raise ArgumentError(f"start is given as {type(start).__name__}; it takes a pair (low, high) of states.")
    return start[0], start[1]


def _box(rnn: Recurrent, low: Any, high: Any) -> Interval:
    ends = []
    for one in (low, high):
        one = one.detach().cpu().numpy() if isinstance(one, torch.Tensor) else one
        try:
            ends.append(np.asarray(one).astype(np.float64, casting="same_kind"))
        except (TypeError, ValueError):
            raise ArgumentError(f"low or high is {type(one).__name__}; they take real numbers.") from None
    n = rnn.n_inputs
    if ends[0].shape != ends[1].shape or ends[0].shape[-1:] != (n,) or ends[0].ndim > 2:
        shapes = f"{ends[0].shape} and {ends[1].shape}"
        raise ShapeError(f"low and high have shapes {shapes}; they take (time, {n}) both, or ({n},) for one sample.")
    if not all(np.isfinite(one).all() for one in ends):
        raise ArgumentError("low or high is not finite everywhere; a box has finite sides.")
    if (ends[0] > ends[1]).any():
        raise ArgumentError(f"low is above high for {int((ends[0] > ends[1]).sum())} inputs; swap them.")
    return Interval(*(one.reshape(-1, n) for one in ends))


def _output(rnn: Recurrent, values: dict[str, Any], v: Interval) -> Interval:
    y = v[rnn.wiring.output_index]
    scale, shift = values.get("output_scale"), values.get("output_shift")
    y = y if scale is None else y * scale if shift is None else y * scale + shift
    if rnn.projection is None:
        return y
    weight, bias = (one.detach().double().cpu().numpy() for one in (rnn.projection.weight, rnn.projection.bias))
    return product(weight, y) + bias


def _advance(piece: Piece, states: list[Interval], x: Interval, raw: Interval, dt: float) -> list[Interval]:
    """One part of a sample."""
    update = piece.part.update
    if isinstance(update, DenseUpdate):
        z = cells(x if update.mapped else raw, states[piece.part.reads[0]])
        for weight, bias in piece.matrices[:-1]:
            z = product(weight, z) + bias
            z = _activated(piece, z)
        weight, bias = piece.matrices[-1]
        full, n = product(weight, z) + bias, len(states[0].lo)
        sums = [full[k * n : (k + 1) * n] for k in range(len(update.sums))]
        return _put(piece, states, node(piece, states, sums, (Interval.of(dt),)))
    if piece.has_solver:
        h = Interval.of(dt) / float(update.unfolds)
        for _ in range(update.unfolds):
            states = advanced(piece, states, x, h)
        return states
    for layer in piece.layers:
        new = node(piece, states, summed(piece, states, x), (Interval.of(dt),))
        states = _put(piece, states, new, layer)
    return states


def _put(piece: Piece, states: list[Interval], new: list[Interval], layer: Any = None) -> list[Interval]:
    result = list(states)
    for k, value in zip(piece.part.states, new):
        ends = [np.array(np.broadcast_to(one, states[k].lo.shape)) for one in (value.lo, value.hi)]
        if layer is not None:
            kept = [states[k].lo.copy(), states[k].hi.copy()]
            for old, one in zip(kept, ends):
                old[layer] = one[layer]
            ends = kept
        result[k] = Interval(*ends)
    return result


def _activated(piece: Piece, z: Interval) -> Interval:
    """A hidden layer's activation, from end to end where it is monotone."""
    if piece.activation is None:
        return z
    plain, slope = piece.activation(z)[:2]
    up, down = chosen(z, Interval.of(slope), 1), chosen(z, Interval.of(slope), -1)
    ends = Interval(Interval.of(piece.activation(down)[0]).lo, Interval.of(piece.activation(up)[0]).hi)
    return ends.within(Interval.of(plain))
