"""The tap withdrawal test: does a circuit do what the worm does when touched, whole and with cells removed?"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wormnet.errors import WiringError, unknown
from wormnet.wiring import atlas, check
from wormnet.wiring.biophysics import FULL, REST, Biophysical, Values, simulate
from wormnet.wiring.circuits import TAP_CELLS, TAP_CHEMICAL, TAP_GAP, tap_withdrawal
from wormnet.wiring.core import CHEMICAL, GAP, Wiring

__all__ = ["CELLS", "DRAWN", "ROWS", "Judgement", "Outcome", "Row", "drawn", "responses", "run", "tw_pure"]

CELLS = TAP_CELLS
"""The cells of the published circuit in the order of its files."""

SECONDS = 2.0


@dataclass(frozen=True)
class Judgement:
    """What a row asks of a circuit's responses: a condition in words, and by how many mV it holds.

    Responses are changes of V(forward) - V(reverse), > 0 forward and < 0 backward. "Reverses less" is judged as less
    backward than the intact worm's tap, and so holds at a response above 0 too: no reversal is left.

    >>> less = ROWS[5].margin
    >>> less.condition, less(np.array(0.7), np.array(-3.1)).round(1)
    ('less backward than intact, which is backward', np.float64(3.1))
    """

    condition: str
    by: Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]

    def __call__(self, response: NDArray[np.float64], tap: NDArray[np.float64]) -> NDArray[np.float64]:
        """The mV by which it holds, > 0 if it does; tap: the response of the intact circuit to a tap."""
        return self.by(response, tap)


class Row(NamedTuple):
    """One experiment: what is touched, which cells are gone, and what the worm then does."""

    name: str
    touched: tuple[str, ...]
    removed: tuple[str, ...]
    behaviour: str
    """what the worm was seen to do, in the words of the source"""
    margin: Judgement
    """mV by which the row holds, > 0 if it does, from the response of this row and that of the intact worm to a tap"""
    source: str

    @property
    def judged(self) -> str:
        """What is asked of the response, in words."""
        return self.margin.condition


_reverses = Judgement("backward: response < 0", lambda response, tap: -response)
_accelerates = Judgement("forward: response > 0", lambda response, tap: response)
_reverses_more = Judgement("more backward than intact", lambda response, tap: tap - response)
# Without a reversal there is none to reduce.
_reverses_less = Judgement(
    "less backward than intact, which is backward", lambda response, tap: (response - tap).clip(max=-tap)
)


HEAD, TAIL = ("ALM", "AVM"), ("PLM",)

DAVIS = "Wicks & Rankin 1995, as cited by Davis et al. 2021, eLife 10, e67075"
MAZZOCHETTE = "Mazzochette et al. 2018, Integr. Biol. 10, 450"
CHALFIE = "implied by Chalfie et al. 1985, J. Neurosci. 5, 956, who removed AVD before touch at the head"

ROWS = (
    Row("tap", HEAD + TAIL, (), "reverses", _reverses, "Rankin 1991, J. Comp. Physiol. A 169, 59"),
    Row("touch at the head", HEAD, (), "reverses", _reverses, MAZZOCHETTE),
    Row("touch at the tail", TAIL, (), "accelerates", _accelerates, MAZZOCHETTE),
    Row("tap", HEAD + TAIL, TAIL, "reverses more", _reverses_more, DAVIS),
    Row("tap", HEAD + TAIL, HEAD, "accelerates", _accelerates, "follows from the rows of touch; no table was at hand"),
    Row("tap", HEAD + TAIL, ("AVD",), "reverses less", _reverses_less, CHALFIE),
)
"""The six rows of the test. What each asks of a response is its `judged`."""


class Outcome(NamedTuple):
    """What a circuit did in the six rows; arrays (..., rows)."""

    responses: NDArray[np.float64]
    """mV: change of V(forward) - V(reverse) by the touch; > 0 is forward, < 0 backward"""
    margins: NDArray[np.float64]
    """mV by which each row holds; > 0 if it does"""

    @property
    def passed(self) -> NDArray[np.int64]:
        """(...), how many rows hold."""
        return (self.margins > 0).sum(-1)


def tw_pure() -> Biophysical:
    """The published tap withdrawal circuit with its published weights, and default membranes and slopes.

    Source: Hasani et al. 2020, ICML; weights to two digits.

    >>> run(tw_pure()).responses.round(1)
    array([ -3.1, -19.1,   7.6, -19.3,   8.6,   0.7])
    """
    wiring = tap_withdrawal()
    weight = {(pre, post): w for pre, post, _, w in TAP_CHEMICAL}
    gap = {(pre, post): w for pre, post, w in TAP_GAP}
    ends = [(wiring.cells[i], wiring.cells[j]) for i, j in zip(wiring.pre, wiring.post)]
    chemical, n = wiring.of_kind(CHEMICAL), wiring.n_neurons
    values = {
        "capacitance": np.full(n, 0.05),
        "leak": np.ones(n),
        "v_leak": np.full(n, -70.0),
        "conductance": np.array([weight[ends[s]] for s in chemical]),
        "slope": np.full(len(chemical), 0.1),
        "midpoint": np.full(len(chemical), -40.0),
        "reversal": np.where(wiring.sign[chemical] > 0, 0.0, -90.0),
        "gap_conductance": np.array([gap[ends[s]] for s in wiring.of_kind(GAP)]),
    }
    return Biophysical(wiring, values)


def run(circuit: Biophysical, *, forward: str = "FWD", reverse: str = "REV") -> Outcome:
    """Put a circuit to the six rows.

    Touch cells at rest are at -70 mV, touched ones at -20 mV, for 2 s from rest. The response is the change of
    V(forward) - V(reverse) against the same circuit, with the same cells removed, untouched.

    Args:
        circuit: its inputs are touch cells (PLM, ALM, AVM and others, by name or class; PLML and PLMR are PLM).
        forward, reverse: neurons, or classes whose mean is taken, that stand for the two movements.

    Raises: WiringError if a cell of the test is not there.

    >>> outcome = run(tw_pure())
    >>> int(outcome.passed), outcome.margins.min().round(1)
    (6, np.float64(3.1))
    """
    return _outcome(responses(circuit.wiring, circuit.values, forward=forward, reverse=reverse))


def responses(
    wiring: Wiring,
    values: Values,
    *,
    forward: str = "FWD",
    reverse: str = "REV",
    seconds: float = SECONDS,
    rows: Sequence[Row] = ROWS,
) -> NDArray[np.float64]:
    """(..., rows) mV, the responses in the six rows, or in others.

    `values` may have more axes in front, for many circuits at once.
    """
    ahead, back = (_members(wiring, name, wiring.neurons) for name in (forward, reverse))
    found = []
    for row in rows:
        left = _without(wiring, values, row.removed)
        movement = []
        for touched in (row.touched, ()):
            end = simulate(wiring, left, clamped(wiring, touched), seconds)
            movement.append(end[..., ahead].mean(-1) - end[..., back].mean(-1))
        found.append(movement[0] - movement[1])
    return np.stack(found, axis=-1)


DRAWN = ("signs", "weights")
"""What `drawn` may draw: values on a wiring that stays, where `wormnet.nulls` draws wirings."""


def drawn(
    circuit: Biophysical, kind: str, n: int = 1000, *, seed: int = 0, forward: str = "FWD", reverse: str = "REV"
) -> Outcome:
    """What random circuits with the same wiring do in the six rows: the six alone are weak evidence.

    Args:
        kind: "signs": every chemical synapse excites or inhibits with probability one half, all else as it is.
            "weights": the conductances of all synapses and gap junctions are uniform between 0 and 2 S.
        n: how many.   seed: same seed, same circuits.   forward, reverse: as of `run`.

    Returns: an Outcome with arrays (n, 6).   Raises: WiringError for another kind.
    Source: the range of weights is that of the published random circuits.

    >>> random = drawn(tw_pure(), "signs")
    >>> float((random.passed >= run(tw_pure()).passed).mean())
    0.158
    """
    if kind not in DRAWN:
        raise WiringError(unknown("kind of random circuit", kind, DRAWN))
    rng, n = check.generator(seed), check.number("n", n, 1)
    values = dict(circuit.values)
    if kind == "signs":
        values["reversal"] = rng.choice([0.0, -90.0], (n, len(values["reversal"])))
    else:
        for name in [name for name in values if name.endswith("conductance")]:
            values[name] = rng.uniform(0.0, 2.0, (n, len(values[name])))
    return _outcome(responses(circuit.wiring, values, forward=forward, reverse=reverse))


def clamped(wiring: Wiring, touched: Sequence[str]) -> NDArray[np.float64]:
    """(inputs,) mV, the potentials of the touch cells while these cells or classes are touched."""
    v = np.full(wiring.n_inputs, REST)
    v[[i for name in touched for i in _members(wiring, name, wiring.inputs)]] = FULL
    return v


def staying(wiring: Wiring, removed: Sequence[str]) -> dict[str, NDArray[np.bool_]]:
    """Which conductances are left without these cells or classes: (chemical synapses,) and (gap junctions,)."""
    gone = np.isin(np.arange(len(wiring.cells)), [i for name in removed for i in _members(wiring, name)])
    stays = ~(gone[wiring.pre] | gone[wiring.post])
    return {"conductance": stays[wiring.of_kind(CHEMICAL)], "gap_conductance": stays[wiring.of_kind(GAP)]}


def _outcome(found: NDArray[np.float64]) -> Outcome:
    tap = found[..., 0]
    return Outcome(found, np.stack([row.margin(found[..., i], tap) for i, row in enumerate(ROWS)], axis=-1))


def _members(wiring: Wiring, name: str, among: tuple[str, ...] | None = None) -> list[int]:
    """Places, among all cells or those given, of a cell or of all members of a class."""
    among = wiring.cells if among is None else among
    what = "neuron" if among is wiring.neurons else "input" if among is wiring.inputs else "cell"
    cells = atlas.named(name, wiring.cells)
    found = [among.index(cell) for cell in cells if cell in among]
    if not found:
        raise WiringError(f"the tap test needs {name}: {atlas.no_such(what, name, among, classes=False)}")
    if len(found) < len(cells):
        raise WiringError(
            f"the tap test needs {name}, which stands for {', '.join(cells)} here; some of these are no {what}."
        )
    return found


def _without(wiring: Wiring, values: Values, removed: Sequence[str]) -> Values:
    """The values with the synapses of removed cells silent."""
    left = dict(values)
    for name, stays in staying(wiring, removed).items():
        if name in left:
            left[name] = left[name] * stays
    return left
