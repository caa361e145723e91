"""Why a neuron is where it is: what every synapse added to its drive and pull, and carried into its potential."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wormnet.audit.frozen import frozen
from wormnet.audit.parts import Edges, Piece, pieces, values_of
from wormnet.audit.rows import Rows
from wormnet.errors import ArgumentError
from wormnet.models.equation import DenseUpdate
from wormnet.nn.recurrent import Recurrent
from wormnet.wiring import atlas
from wormnet.wiring.check import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Why", "why"]

Array = NDArray[np.float64]

MEMORY, ITSELF = "(memory)", "(itself)"
"""The names of the two terms that come over no synapse."""


@dataclass(frozen=True, eq=False)
class Why(Rows):
    """What made the potential of a neuron after a sample: exact sums over terms.

    Args:
        neuron, sample: which.
        senders: of each term: "(memory)", the potential from before; "(itself)", what the neuron does without synapses
            (leak, bias); then the sending cell of every synapse or connection that it receives.
        kinds: "memory", "itself", "chemical", "gap", "current" or "connection".
        potential: (terms,) what each carried into the potential; they sum to `after`.
        before, after: the potential before the first sample that is counted, and after the last.
        added: {sum of the model: (evaluations, terms)} what each added to it in every evaluation of the last sample.
        drive, pull: (evaluations, terms) their shares of drive and pull in capacitance dv/dt = drive - pull v; None
            where the model solves no differential equation.

    >>> found = Why("a", 0, ("(memory)", "(itself)", "in0"), ("memory", "itself", "chemical"), [0.0, 0.1, 0.5],
    ...             0.0, 0.6, {}, None, None)
    >>> print(found)
    a after sample 0: 0 -> 0.6
         +0.5  in0 (chemical)
         +0.1  (itself)
           +0  (memory)
    """

    neuron: str
    sample: int
    senders: tuple[str, ...]
    kinds: tuple[str, ...]
    potential: Array
    before: float
    after: float
    added: Mapping[str, Array]
    drive: Array | None
    pull: Array | None

    def __post_init__(self):
        object.__setattr__(self, "potential", frozen(self.potential))
        object.__setattr__(self, "added", {name: frozen(values) for name, values in self.added.items()})
        for name in ("drive", "pull"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, frozen(getattr(self, name)))

    @property
    def order(self) -> tuple[int, ...]:
        """The terms, the one that carried most first."""
        return tuple(np.argsort(-np.abs(self.potential), kind="stable").tolist())

    def rows(self) -> list[dict[str, Any]]:
        """A row for each term, the one that carried most first; drive and pull are means over the evaluations."""
        found = []
        for i in self.order:
            row: dict[str, Any] = {"sender": self.senders[i], "kind": self.kinds[i], "potential": self.potential[i]}
            for name in ("drive", "pull"):
                values = getattr(self, name)
                row |= {} if values is None else {name: values[:, i].mean()}
            found.append({name: one if isinstance(one, str) else float(one) for name, one in row.items()})
        return found

    def plot(self, most: int = 12, ax: "Axes | None" = None) -> "Axes":
        """Draw what each term carried as bars; see `wormnet.plot.why`."""
        from wormnet import plot

        return plot.why(self, most, ax=ax)

    def __str__(self) -> str:
        lines = [f"{self.neuron} after sample {self.sample}: {self.before:.4g} -> {self.after:.4g}"]
        for i in self.order[:12]:
            kind = "" if i < 2 else f" ({self.kinds[i]})"
            lines.append(f"{self.potential[i]:+9.4g}  {self.senders[i]}{kind}")
        return "\n".join(lines + ["..."] * (len(self.senders) > 12))


def why(
    rnn: Recurrent,
    x: Tensor,
    neuron: str,
    sample: int = -1,
    *,
    since: int | None = None,
    state: Any = None,
    dt: Any = None,
) -> Why:
    r"""Which synapses carried a neuron to its potential, exactly.

    In capacitance dv/dt = drive - pull v, drive and pull are sums over synapses, and every solver here is linear in v
    and drive once pull is known. So each synapse s has a potential of its own, charged by its drive and discharged by
    the pull of all, and these sum to v:

        capacitance dv_s/dt = drive_s - pull v_s,   v = sum_s v_s

    Where drive and pull are functions of sums (CTRNN: drive = tanh(total)), they are shared out by integrated gradients
    from no synapse to all of them, which is exact for linear functions and complete for others. Models without a
    differential equation (CfC) have their new state shared out so.

    Args:
        rnn: a layer.
        x: (time, inputs), one sequence.
        neuron: its name.
        sample: after which; negative ones count from the end.
        since: the first sample whose synaptic terms are counted; what was there before is "(memory)". None for the
            sample itself, 0 for the whole sequence.
        state, dt: as a call of the layer takes them for one sequence.

    Returns: a Why. What is summed is computed in double precision from the state before `since`.
    Raises: WiringError for an unknown neuron, ArgumentError for a sample out of range or a model whose neurons mix in
        hidden layers (a backbone), else what a call raises.
    Source: superposition; integrated gradients: Sundararajan, Taly & Yan 2017, ICML, arXiv 1703.01365.

    >>> import wormnet
    >>> rnn = wormnet.LTC(wormnet.Wiring(["light"], ["AVA"], pre=[0], post=[1], sign=1), backend="reference")
    >>> found = why(rnn, torch.ones(5, 1), "AVA", since=0)
    >>> found.senders, bool(abs(found.potential.sum() - found.after) < 1e-12)
    (('(memory)', '(itself)', 'light'), True)
    """
    parts = pieces(rnn)
    _check_sequence(rnn, x)
    if neuron not in rnn.wiring.neurons:
        raise atlas.no_such("neuron", neuron, rnn.wiring.neurons)
    i = rnn.wiring.neurons.index(neuron)
    time = len(x)
    sample = _place("sample", sample, time)
    first = sample if since is None else number("since", since, 0, sample)
    edges = [(piece, its) for piece in parts for its in piece.edges]
    if not edges and any(isinstance(piece.part.update, DenseUpdate) for piece in parts):
        raise ArgumentError(f"{rnn.model.name} mixes all cells in hidden layers here; none of its terms is a synapse.")
    with torch.no_grad():
        samples, states, _ = rnn._arranged(x, state, dt, None, None, None)
        if first:
            before = samples._replace(x=samples.x[:, :first], dt=samples.dt.expand(1, time)[:, :first])
            given = states if states is not None else rnn._at_rest((1, rnn.wiring.n_neurons), samples.x)
            states = rnn._scan(rnn.values(), before, given, None, None)[1]
    assert states is not None
    now = [one[0].double().cpu().numpy() for one in states]
    walk = _Walk(parts, i, edges, now)
    values = values_of(rnn)
    given = samples.x[0].double().cpu().numpy()
    steps = samples.dt.double().cpu().numpy() * np.ones((1, time))
    start = float(now[0][i])
    for t in range(first, sample + 1):
        walk.sample(_mapped(values, given[t]), given[t], float(steps[0, t]))
    cells = rnn.wiring.cells
    senders, kinds = [MEMORY, ITSELF], ["memory", "itself"]
    for _, its in edges:
        for edge in np.flatnonzero(its.post == i):
            senders.append(cells[its.pre[edge]])
            kinds.append(its.over)
    return Why(
        *(neuron, sample, tuple(senders), tuple(kinds), walk.potential, start, float(walk.states[0][i])),
        *({name: np.stack(rows) for name, rows in walk.added.items()}, _stacked(walk.drive), _stacked(walk.pull)),
    )


def _stacked(rows: list[Array]) -> Array | None:
    return np.stack(rows) if rows else None


def _check_sequence(rnn: Recurrent, x: Any) -> None:
    if not isinstance(x, Tensor) or x.dim() != 2 or not len(x):
        given = f"shape {tuple(x.shape)}" if isinstance(x, Tensor) else type(x).__name__
        raise ArgumentError(f"x is given as {given}; one sequence is looked at: a tensor (time, {rnn.n_inputs}).")


def _place(what: str, given: Any, n: int) -> int:
    if isinstance(given, bool) or not isinstance(given, (int, np.integer)) or not -n <= given < n:
        raise ArgumentError(f"{what} is {given!r}; it takes 0 to {n - 1}, or -{n} to -1 from the end.")
    return int(given) % n


def _mapped(p: Mapping[str, Array], x: Array) -> Array:
    return x * p.get("input_scale", 1.0) + p.get("input_shift", 0.0)


class _Walk:
    """Runs a layer sample by sample on arrays, and keeps the terms of one neuron."""

    def __init__(self, parts: list[Piece], i: int, edges: list[tuple[Piece, Edges]], states: list[Array]):
        self.parts, self.i, self.states = parts, i, states
        n_terms = 2
        self.terms: dict[int, slice] = {}
        """of each kind of edge, which terms are its edges into the neuron"""
        for _, its in edges:
            received = int((its.post == i).sum())
            self.terms[id(its)] = slice(n_terms, n_terms + received)
            n_terms += received
        self.n_terms = n_terms
        self.potential = np.zeros(n_terms)
        self.potential[0] = states[0][i]
        self.added: dict[str, list[Array]] = {}
        self.drive: list[Array] = []
        self.pull: list[Array] = []

    def sample(self, x: Array, raw: Array, dt: float) -> None:
        """One sample; what was recorded of the one before is forgotten."""
        self.added, self.drive, self.pull = {}, [], []
        for piece in self.parts:
            before = float(self.states[0][self.i])
            if piece.matrices:
                self._dense(piece, x, raw, dt)
            elif piece.has_solver:
                self._solve(piece, x, dt)
            else:
                self._layers(piece, x, dt)
            if piece.matrices and 0 in piece.part.states and self.states[0][self.i] != before:
                # An LSTM cell sets the potential anew.
                self.potential = np.zeros(self.n_terms)
                self.potential[0] = self.states[0][self.i]

    def _dense(self, piece: Piece, x: Array, raw: Array, dt: float) -> None:
        update = piece.part.update
        assert isinstance(update, DenseUpdate)
        z = np.concatenate([x if update.mapped else raw, self.states[piece.part.reads[0]]])
        for weight, bias in piece.matrices[:-1]:
            z = weight @ z + bias
            z = piece.activation(z)[0] if piece.activation else z
        weight, bias = piece.matrices[-1]
        sums = np.split(weight @ z + bias, len(update.sums))
        own = [self.states[k] for k in piece.part.states]
        self._set(piece, piece.node(*own, *sums, *piece.coefficients, dt))

    def _layers(self, piece: Piece, x: Array, dt: float) -> None:
        for layer in piece.layers:
            sums, terms = self._sums(piece, x, self.states)
            own = [self.states[k] for k in piece.part.states]
            if self.i in layer and 0 in piece.part.states:
                share = self._shared(piece, own, terms, (dt,))
                self.potential = share[piece.part.states.index(0)]
                self._keep(piece, terms)
            new = piece.node(*own, *sums, *piece.coefficients, dt)
            for k, value in zip(piece.part.states, new):
                self.states[k] = self.states[k].copy()
                self.states[k][layer] = np.broadcast_to(value, self.states[k].shape)[layer]

    def _solve(self, piece: Piece, x: Array, dt: float) -> None:
        update, i = piece.part.update, self.i
        h = dt / update.unfolds  # pyright: ignore[reportAttributeAccessIssue]
        mine = piece.part.states.index(0) if 0 in piece.part.states else None
        for _ in range(update.unfolds):  # pyright: ignore[reportAttributeAccessIssue]
            ys, potentials = [self.states], [self.potential]
            for stage in piece.stages:
                sums, terms = self._sums(piece, x, ys[-1])
                own = [ys[-1][k] for k in piece.part.states]
                result = piece.node(*own, *sums, *piece.coefficients)
                new = list(ys[-1])
                for k, state in enumerate(piece.part.states):
                    before = [y[state] for y in ys]
                    value = stage(*before, piece.capacitances[k], result[2 * k], result[2 * k + 1], h)[0]
                    new[state] = np.broadcast_to(value, new[state].shape)
                if mine is not None:
                    share = self._shared(piece, own, terms, ())
                    drive, pull = share[2 * mine], share[2 * mine + 1]
                    c = piece.capacitances[mine][i]
                    potentials.append(np.asarray(stage(*potentials, c, drive, pull.sum(), h)[0]))
                    self._keep(piece, terms)
                    self.drive.append(drive)
                    self.pull.append(pull)
                ys.append(new)
            self.states, self.potential = ys[-1], potentials[-1]

    def _sums(self, piece: Piece, x: Array, states: list[Array]) -> tuple[list[Array], Array]:
        """Every sum (neurons,), and (sums, terms) what each term adds to those of the neuron."""
        sums = [start.copy() for start in piece.starts]
        terms = np.zeros((len(sums), self.n_terms))
        terms[:, 1] = [start[self.i] for start in sums]
        for its in piece.edges:
            u = np.concatenate([x, states[its.reads]])[its.pre]
            mine = its.post == self.i
            for k, value in zip(its.adds, its.edge(u, *its.coefficients)):
                value = np.broadcast_to(value, u.shape)
                np.add.at(sums[k], its.post, value)
                terms[k, self.terms[id(its)]] = value[mine]
        return sums, terms

    def _shared(self, piece: Piece, own: list[Array], terms: Array, last: tuple[float, ...]) -> list[Array]:
        """(terms,) of each result of the node: its value without synapses, and what each synapse made of it."""
        i, n_results = self.i, len(piece.part.states) * (2 if piece.has_solver else 1)
        states = [one[i] for one in own]
        coefficients = [one[i] for one in piece.coefficients]
        start, full = terms[:, 1], terms.sum(1)

        def node(sums: Any) -> tuple[Any, ...]:
            return piece.node(*states, *sums, *coefficients, *last)

        def slopes(sums: Array, k: int) -> Array:
            """(sums, points) the derivative of a result"""
            kept = node(sums)[n_results:]
            ones = [np.ones(sums.shape[1]) if j == k else np.zeros(sums.shape[1]) for j in range(n_results)]
            found = piece.d_node(*states, *coefficients, *kept, *last, *ones)[len(states) : len(states) + len(sums)]
            return np.stack([np.broadcast_to(one, sums.shape[1:]) for one in found])

        bare, whole = node(start), node(full)
        shares = []
        for k in range(n_results):
            share = np.zeros(self.n_terms)
            share[1] = float(bare[k])
            others = terms.copy()
            others[:, :2] = 0.0
            mean = _mean_slope(lambda sums, k=k: slopes(sums, k), start, full, float(whole[k]) - float(bare[k]))
            shares.append(share + mean @ others)
        return shares

    def _keep(self, piece: Piece, terms: Array) -> None:
        for name, row in zip(piece.part.sums, terms, strict=True):
            self.added.setdefault(name, []).append(row)

    def _set(self, piece: Piece, new: tuple[Any, ...]) -> None:
        self.states = list(self.states)
        for k, value in zip(piece.part.states, new):
            self.states[k] = np.broadcast_to(value, self.states[k].shape)


def _mean_slope(slopes: Callable[[Array], Array], start: Array, full: Array, change: float) -> Array:
    """(sums,) the mean gradient on the way from `start` to `full`."""
    way = full - start
    moved = np.flatnonzero(way)
    found = np.zeros(len(way))
    if len(moved) == 1:
        found[moved] = change / way[moved]
    if len(moved) < 2:
        return found
    for n in (1, 8, 32, 128):
        nodes, weights = _quadrature(n)
        found = slopes(start[:, None] + way[:, None] * nodes) @ weights
        if abs(found @ way - change) <= 1e-12 * max(1.0, abs(change)):
            return found
    # At a kink many nodes are too few; what they miss is shared out as the rest.
    return found * (change / (found @ way)) if found @ way else found


@lru_cache(maxsize=8)
def _quadrature(n: int) -> tuple[Array, Array]:
    """Nodes and weights of Gauss and Legendre on 0 to 1."""
    nodes, weights = np.polynomial.legendre.leggauss(n)
    return (nodes + 1) / 2, weights / 2
