"""Whether a layer can learn from a batch: time constants, gates, still neurons, gradients, blind outputs."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wormnet.engine.layout import Table
from wormnet.engine.program import Part
from wormnet.engine.samples import Samples
from wormnet.errors import ArgumentError
from wormnet.models.equation import DenseUpdate, Edge, Update
from wormnet.nn.maps import mapped
from wormnet.nn.recurrent import Recurrent
from wormnet.nn.start import blind_outputs

__all__ = ["Diagnosis", "diagnose", "time_constants_at"]

LOOKED_AT = 2048
"""Samples, spread evenly over the batch, at which time constants and gates are evaluated."""

LINEAR = 0.2
"""A gate is in its linear range where it is at least this share as steep as at its steepest: a sigmoid .05 to .95."""

STILL = 0.001
"""A neuron is still that moves less than this share of what the liveliest neuron does."""

LAGS = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)

WORDS: tuple[tuple[str, str, float, str], ...] = (
    ("tau_per_dt", "<", 0.5, "neurons forget within a sample: the median time constant is {:.2g} samples; "
     "a smaller fan-in, time_constants=(dt, length of a sequence), or a larger time_unit keeps more"),
    ("tau_per_dt", ">", 10, "neurons are slow beside the samples: the median time constant is {:.3g} samples, and "
     "every synapse on the way to an output adds its own; time_unit=dt makes one sample one unit of time"),
    ("tau_per_length", ">", 1, "most neurons outlast a sequence: the median time constant is {:.3g} of its length"),
    ("shut", ">", 0.9, "{:.0%} of the gates are shut: the senders stay below their midpoints; scale the inputs"),
    ("open", ">", 0.9, "{:.0%} of the gates are open: the senders stay above their midpoints; scale the inputs"),
    ("linear", "<", 0.1, "{:.0%} of the gates are in their linear range, so hardly any passes a gradient"),
    ("still", ">", 0.0, "{:.0%} of the neurons never move: no input reaches them, or it does not vary"),
    ("fall5", "<", 1e-3, "the gradient vanishes: five samples back it is {:.1g} of that of the newest"),
    ("fall", ">", 100.0, "the gradient grows towards older samples, up to {:.3g} times that of the newest; clip it"),
    ("blind", ">", 0.0, "{:.0%} of the outputs cannot see the newest sample: take more unfolds, or nearer outputs"),
)  # fmt: skip
"""What is said of a measure (see `_measures`) that is below or above a limit."""


@dataclass(frozen=True)
class Diagnosis:
    """What `diagnose` found. Print it.

    Attributes:
        title: the layer, in one line.
        dt: the median time between samples.
        length: the median duration of a sequence, in the unit of dt.
        time_constants: 10, 50 and 90 % of the neurons' effective time constants, in the unit of dt: capacitance over
            all that pulls on the state, the median over samples. None where the model solves no differential equation.
        gates: shares of the synapses' gates that are "linear", "shut" and "open", over synapses and samples; None where
            no synapse has a gate.
        still: the neurons that never move.
        lags: numbers of samples back.
        gradient: for each lag, the norm of d state after the last sample / d x that many samples before it.
        blind: the outputs that the newest sample cannot reach.
        findings: what is out of the ordinary, in words; empty if nothing is.
    """

    title: str
    dt: float
    length: float
    time_constants: tuple[float, float, float] | None
    gates: dict[str, float] | None
    still: tuple[str, ...]
    lags: tuple[int, ...]
    gradient: tuple[float, ...]
    blind: tuple[str, ...]
    findings: tuple[str, ...]

    def __str__(self) -> str:
        rows = [f"dt {self.dt:.3g}, sequences of {self.length:.3g}"]
        if self.time_constants is not None:
            low, median, high = self.time_constants
            rows.append(f"time constants {median:.3g} ({low:.3g} - {high:.3g} in 10 to 90 % of the neurons)")
        if self.gates is not None:
            rows.append("gates " + ", ".join(f"{share:.0%} {word}" for word, share in self.gates.items()))
        if self.still:
            rows.append(f"{len(self.still)} neurons never move: {_some(self.still)}")
        shown = ", ".join(f"{norm:.2g} ({lag})" for lag, norm in zip(self.lags, self.gradient))
        rows.append(f"gradient by the input (samples back) {shown or 'none'}")
        if self.blind:
            rows.append(f"{len(self.blind)} outputs cannot see the newest sample: {_some(self.blind)}")
        rows += [f"! {finding}" for finding in self.findings] or ["nothing is out of the ordinary"]
        return "\n".join([self.title, *(f"  {row}" for row in rows)])


def diagnose(rnn: Recurrent, x: Tensor, dt: Any = None, lengths: Tensor | None = None) -> Diagnosis:
    """Look whether a layer can learn from a batch, in numbers and in words.

    Args:
        rnn: the layer, which stays as it is; dropout is off while it is looked at.
        x, dt, lengths: as a call of the layer takes them; no PackedSequence.

    Time constants: the model's capacitance over the pull of its node function, at the states of the batch. Gates: any
    kind of synapse whose derivative by what the sender sends varies; the derivative is the model's own `d_edge`, its
    steepest point is searched for, and a gate is linear where it is at least a fifth as steep, else open where the
    synapse does more than at its steepest point, and shut where it does less. Still neurons: those that differ by less
    than a thousandth of the liveliest one, between sequences and within their second halves. Gradients: from four
    random projections of the last state.

    Raises: what a call raises; ArgumentError for what is no recurrent layer, or a batch without a sample.

    >>> import wormnet
    >>> _ = torch.manual_seed(0)
    >>> rnn = wormnet.LTC(wormnet.auto_ncp(inputs=4, neurons=12, outputs=2))
    >>> found = diagnose(rnn, torch.randn(8, 50, 4), dt=0.02)
    >>> print(found.findings[0])
    neurons are slow beside the samples: the median time constant is ...
    """
    if not isinstance(rnn, Recurrent):
        raise ArgumentError(f"diagnose takes a recurrent layer of wormnet, not {type(rnn).__name__}.")
    training = rnn.training
    rnn.eval()
    try:
        samples, states, _ = rnn._arranged(x, None, dt, lengths, None, None)
        batch, time, _ = samples.x.shape
        valid = torch.ones(batch, time, dtype=torch.bool) if samples.lengths is None else samples.valid()
        assert valid is not None
        valid = valid.cpu().numpy()
        if not valid.any():
            raise ArgumentError("the batch holds no sample to look at.")
        with torch.no_grad():
            kept = _states(rnn, samples, states)
            seen = _seen(rnn, samples, kept, valid)
            taus, gates = _time_constants(rnn, seen), _gates(rnn, seen)
        lags, gradient = _gradient(rnn, samples, valid)
    finally:
        rnn.train(training)
    unit, still = rnn.time_unit, _still(rnn, kept[0], valid)
    spans = samples.dt.double().cpu().numpy() * np.ones(valid.shape)
    found: dict[str, Any] = {
        "dt": float(np.median(spans[valid])) * unit,
        "length": float(np.median([row[its].sum() for row, its in zip(spans, valid) if its.any()])) * unit,
        "time_constants": taus and tuple(one * unit for one in taus),
        "gates": gates,
        "still": still,
        "lags": lags,
        "gradient": gradient,
        "blind": tuple(blind_outputs(rnn._layout)),
    }
    return Diagnosis(f"{type(rnn).__name__}({rnn.extra_repr()})", **found, findings=_findings(_measures(rnn, **found)))


def _states(rnn: Recurrent, samples: Samples, states: tuple[Tensor, ...] | None) -> list[Tensor]:
    """(batch, time, neurons) every state after every sample."""
    p = rnn.values()
    if states is None:
        shape = (samples.x.shape[0], rnn.wiring.n_neurons)
        states = rnn._at_rest(shape, rnn._stored())
    if len(states) == 1:
        return [rnn._scan(p, samples, states, None, None)[0]]
    found: list[tuple[Tensor, ...]] = []
    for t in range(samples.x.shape[1]):
        one = Samples(samples.x[:, t : t + 1], samples.dt_at(t))
        states = rnn._scan(p, one, states, None, None)[1]
        found.append(states)
    return [torch.stack(one, 1) for one in zip(*found, strict=True)]


class _Seen(NamedTuple):
    """Some of the samples, with the states after them."""

    x: Tensor
    """(samples, inputs) as synapses see it"""
    states: list[Tensor]
    """(samples, neurons) each"""
    dt: Tensor
    """(samples, 1)"""


def _seen(rnn: Recurrent, samples: Samples, kept: list[Tensor], valid: NDArray[np.bool_]) -> _Seen:
    rows, columns = np.nonzero(valid)
    every = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), LOOKED_AT)).astype(int))
    row, column = (torch.from_numpy(one[every]).to(samples.x.device) for one in (rows, columns))
    x = mapped(rnn.values(), samples.x, "input")[row, column]
    dt = samples.dt.expand(valid.shape)[row, column, None]
    return _Seen(x.double(), [one[row, column].double() for one in kept], dt.double())


class _Kind(NamedTuple):
    """A kind of synapse of a part, with what its functions take."""

    part: Part
    edge: Edge
    table: Table
    coefficients: list[Tensor]
    u: Tensor
    """(samples, edges) what the senders send"""


def _parts(rnn: Recurrent, seen: _Seen) -> Iterator[tuple[Part, list[Tensor], list[_Kind]]]:
    """The parts with synapses: each with its neurons' coefficients and its kinds of synapse."""
    layout = rnn._layout
    coefficients = {name: value.double() for name, value in rnn._coefficients(rnn.values()).items()}
    unpacked = layout.unpack(layout.pack(coefficients))
    for part, tables, (nodes, groups) in zip(layout.program.parts, layout.tables, unpacked, strict=True):
        if isinstance(part.update, DenseUpdate):
            continue
        kinds = []
        for edge, table, group, reads in zip(part.update.edges, tables, groups, part.reads, strict=True):
            cells = torch.cat([seen.x, seen.states[reads]], 1)
            sender = torch.from_numpy(table.pre + np.where(table.from_input, 0, layout.wiring.n_inputs))
            kinds.append(_Kind(part, edge, table, group, cells[:, sender.to(cells.device)]))
        yield part, nodes, kinds


def _tuple(values: Any) -> tuple[Any, ...]:
    return values if isinstance(values, tuple) else (values,)


def time_constants_at(rnn: Recurrent, x: Tensor, dt: Any = None) -> Tensor | None:
    """(samples, neurons) capacitance / pull of the first state, in the unit of dt, at up to 2,048 samples of a batch.

    None where the model solves no differential equation for its first state.
    """
    with torch.no_grad():
        samples, states, _ = rnn._arranged(x, None, dt, None, None, None)
        valid = np.ones(samples.x.shape[:2], np.bool_)
        taus = _taus(rnn, _seen(rnn, samples, _states(rnn, samples, states), valid))
    return None if taus is None else taus * rnn.time_unit


def _time_constants(rnn: Recurrent, seen: _Seen) -> tuple[float, float, float] | None:
    """10, 50 and 90 % over neurons of the median over samples."""
    taus = _taus(rnn, seen)
    if taus is None:
        return None
    if not rnn.wiring.n_neurons:
        return np.nan, np.nan, np.nan
    median = taus.median(0).values.cpu().numpy()
    low, middle, high = np.quantile(median, (0.1, 0.5, 0.9), method="nearest")
    return float(low), float(middle), float(high)


def _taus(rnn: Recurrent, seen: _Seen) -> Tensor | None:
    """(samples, neurons) capacitance / pull of the first state."""
    for part, nodes, kinds in _parts(rnn, seen):
        update = part.update
        if not isinstance(update, Update) or update.solver is None or part.states[0] != 0:
            continue
        width, n = len(part.states), rnn.wiring.n_neurons
        own = nodes[width : width + len(update.coefficients)]
        sums = [one.expand(len(seen.x), n) for one in nodes[width + len(update.coefficients) :]]
        for kind in kinds:
            post = torch.from_numpy(kind.table.post).to(seen.x.device)
            for number, added in zip(part.added(kind.edge), _tuple(kind.edge.edge(kind.u, *kind.coefficients))):
                sums[number] = sums[number].index_add(1, post, added.expand_as(kind.u))
        terms = update.node(*(seen.states[one] for one in part.states), *sums, *own)
        pull = torch.as_tensor(terms[1], dtype=seen.x.dtype, device=seen.x.device).expand(len(seen.x), n)
        return torch.where(pull > 0, nodes[0] / pull, torch.inf)
    return None


def _gates(rnn: Recurrent, seen: _Seen) -> dict[str, float] | None:
    """Shares of gates that are linear, shut and open; None without gates."""
    counts = np.zeros(3)
    for _, _, kinds in _parts(rnn, seen):
        for kind in kinds:
            if not kind.table.pre.size:
                continue
            steepest, most, least = _steepest(kind)
            gated = (most > 0) & (least < 0.999 * most)
            if not bool(gated.any()):
                continue
            linear = _steepness(kind, kind.u) >= LINEAR * most
            more = _effect(kind, kind.u) > _effect(kind, steepest[None])
            for i, chosen in enumerate((linear, ~linear & ~more, ~linear & more)):
                counts[i] += float(chosen[:, gated].sum())
    if not counts.sum():
        return None
    return dict(zip(("linear", "shut", "open"), (counts / counts.sum()).tolist(), strict=True))


def _steepness(kind: _Kind, u: Tensor) -> Tensor:
    """(..., edges) the norm of the derivatives of all that an edge adds by what its sender sends."""
    n, total = len(kind.edge.adds), torch.zeros_like(u)
    for k in range(n):
        adjoints = [torch.ones_like(u) if i == k else torch.zeros_like(u) for i in range(n)]
        total = total + _tuple(kind.edge.d_edge(u, *kind.coefficients, *adjoints))[0] ** 2
    return total.sqrt()


def _effect(kind: _Kind, u: Tensor) -> Tensor:
    """(..., edges) the norm of all that an edge adds."""
    added = [torch.as_tensor(one).expand_as(u) ** 2 for one in _tuple(kind.edge.edge(u, *kind.coefficients))]
    return torch.stack(added).sum(0).sqrt()


def _steepest(kind: _Kind) -> tuple[Tensor, Tensor, Tensor]:
    """(edges,) where each is steepest, how steep it is there, and the least that was met on the search.

    Potentials may be of the order of 1 or of tens of mV, so the search starts on a geometric grid and closes in.
    """
    sizes = np.geomspace(1e-3, 1e4, 400)
    grid = torch.from_numpy(np.concatenate([-sizes[::-1], [0.0], sizes])).to(kind.u)
    points = grid[:, None].expand(len(grid), kind.u.shape[1])
    least = None
    for _ in range(6):
        steep = _steepness(kind, points)
        most, at = steep.max(0)
        least = steep.min(0).values if least is None else least
        low = points.gather(0, (at - 1).clamp(min=0)[None])[0]
        high = points.gather(0, (at + 1).clamp(max=len(points) - 1)[None])[0]
        best = points.gather(0, at[None])[0]
        points = low + (high - low) * torch.linspace(0, 1, 33).to(low)[:, None]
    assert least is not None
    return best, most, least  # pyright: ignore[reportPossiblyUnboundVariable]


def _still(rnn: Recurrent, v: Tensor, valid: NDArray[np.bool_]) -> tuple[str, ...]:
    """The neurons that do not move in the second half of any sequence, when what they started from is forgotten."""
    half = np.arange(valid.shape[1]) >= valid.sum(1, keepdims=True) // 2
    rows = v.double().cpu().numpy()[valid & half]
    moves = rows.max(0) - rows.min(0)
    top = moves.max(initial=0.0)
    return tuple(name for name, its in zip(rnn.wiring.neurons, moves) if its <= STILL * top)


def _gradient(rnn: Recurrent, samples: Samples, valid: NDArray[np.bool_]) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Norms of d state after the last sample / d x, by how many samples back; the root mean square over sequences."""
    x = samples.x.detach().clone().requires_grad_()
    shape, stored = (x.shape[0], rnn.wiring.n_neurons), rnn._stored()
    with torch.enable_grad():
        p = {name: value.detach() for name, value in rnn.values().items()}
        last = rnn._scan(p, samples._replace(x=x), rnn._at_rest(shape, stored), None, None)[1][0]
    generator, total = torch.Generator().manual_seed(0), np.zeros(valid.shape)
    probes = 4
    for probe in range(probes):
        project = torch.randn(shape, generator=generator, device="cpu").to(last)
        found = None
        if last.requires_grad:
            (found,) = torch.autograd.grad(last, x, project, retain_graph=probe < probes - 1, allow_unused=True)
        if found is not None:
            total += found.double().square().sum(2).cpu().numpy() / probes
    n = valid.sum(1)
    lags = tuple(lag for lag in LAGS if lag < n.max())
    norms = []
    for lag in lags:
        rows = np.flatnonzero(n > lag)
        norms.append(float(np.sqrt(total[rows, n[rows] - 1 - lag].mean())))
    return lags, tuple(norms)


def _measures(rnn: Recurrent, **found: Any) -> dict[str, float]:
    """The numbers that words are about."""
    measures = dict(found["gates"] or {})
    if found["time_constants"] is not None:
        measures["tau_per_dt"] = found["time_constants"][1] / found["dt"]
        measures["tau_per_length"] = found["time_constants"][1] / found["length"]
    measures["still"] = len(found["still"]) / max(rnn.wiring.n_neurons, 1)
    measures["blind"] = len(found["blind"]) / max(rnn.wiring.n_outputs, 1)
    lags, norms = found["lags"], found["gradient"]
    if norms and norms[0] > 0:
        measures["fall"] = max(norms) / norms[0]
        if 5 in lags:
            measures["fall5"] = norms[lags.index(5)] / norms[0]
    return measures


def _findings(measures: dict[str, float]) -> tuple[str, ...]:
    """The words of every measure past its limit."""
    found = []
    for name, way, limit, words in WORDS:
        value = measures.get(name)
        if value is not None and (value < limit if way == "<" else value > limit):
            found.append(words.format(value))
    return tuple(found)


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
