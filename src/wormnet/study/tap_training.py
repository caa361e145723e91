"""Training the touch circuit of a connectome to withdraw from taps, beside the same training of its null models.

The circuit: the sixteen cells of `circuits.touch`, their touch cells clamped as in the tap withdrawal test, and two
read-outs, FWD driven by AVB and REV by AVA. Gap junctions between neurons act both ways. The simulation is the LTC
model in mV, S and F; what it trained is judged by `wiring.tap`, another engine, with the published step.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wormnet.engine.layout import layout_of
from wormnet.engine.program import program_of
from wormnet.engine.reference import Reference
from wormnet.errors import ArgumentError, unknown
from wormnet.models import LTC
from wormnet.models.spec import check_count
from wormnet.wiring import circuits, null, tap
from wormnet.wiring.biophysics import BOUNDS, REST
from wormnet.wiring.core import CHEMICAL, GAP, Wiring
from wormnet.wiring.tap import CHALFIE, DAVIS, HEAD, TAIL, Judgement, Row

__all__ = ["FREEDOMS", "HELD_OUT", "KINDS", "MARGIN", "TRAINED", "Trained", "circuit", "judge", "n_parameters", "train"]

FREEDOMS = ("synapse", "anatomy")
"""What is trained beside capacitance, leak and v_leak of every neuron. "synapse": conductance and slope of every
synapse. "anatomy": one conductance per kind, which counts of the connectome share out, and one slope for all."""

KINDS = ("worm", "rewire", "signs")
"""The wirings that are trained: the worm's, and its null models by the names of `wormnet.nulls`."""

MARGIN = 3.0
"""mV by which every trained row has to hold: what the smallest margin of the published circuit is, rounded."""

SUBSTEPS, PUBLISHED_SUBSTEPS = 20, 200
"""Of the 2 s that are simulated: to follow the gradient, and to tell whether the rows hold, as the test does."""

EVERY = 5
"""Steps of training from one look at whether the rows hold to the next."""

TRAINED = tuple(row for row in tap.ROWS if (row.touched, row.removed) != (HEAD + TAIL, HEAD))
"""The rows of the tap withdrawal test that have a source."""

# Of an effect that is said to vanish, or not to change, this share of the intact response may be left, or changed.
TOLERANCE = 0.1


_head_abolished = Judgement(
    f"at most {TOLERANCE:.0%} of the intact response, which is backward, is left",
    lambda response, intact: response - TOLERANCE * intact,
)
_tail_abolished = Judgement(
    f"at most {TOLERANCE:.0%} of the intact response, which is forward, is left",
    lambda response, intact: TOLERANCE * intact - response,
)
_tail_less = Judgement("less forward than intact", lambda response, intact: intact - response)
_unchanged = Judgement(
    f"within {TOLERANCE:.0%} of the intact response",
    lambda response, intact: TOLERANCE * abs(intact) - abs(response - intact),
)
_reverses_less, _reverses_more = tap.ROWS[5].margin, tap.ROWS[3].margin
_accelerates = tap.ROWS[4].margin
_BOTH = "implied by Chalfie et al. 1985, J. Neurosci. 5, 956"

HELD_OUT = (
    Row("touch at the head", HEAD, ("AVD",), "reverses less", _reverses_less, CHALFIE),
    Row("touch at the head", HEAD, ("AVD", "AVB"), "does not reverse", _head_abolished, _BOTH),
    Row("touch at the tail", TAIL, ("PVC",), "does not accelerate", _tail_abolished, _BOTH),
    Row("tap", HEAD + TAIL, ("PLMR",), "reverses more", _reverses_more, DAVIS),
    Row("tap", HEAD + TAIL, ("PLML",), "as intact", _unchanged, DAVIS),
    Row("tap", HEAD + TAIL, HEAD, "accelerates", _accelerates, ""),
    Row("tap", HEAD + TAIL, ("AVA",), "reverses less", _reverses_less, ""),
    Row("touch at the tail", TAIL, ("AVB",), "accelerates less", _tail_less, ""),
)
"""Rows that are judged after training and not trained on; each against the intact response to the same touch.
The last three are common knowledge for which no readable source was at hand."""

_INTACT = {row.touched: i for i, row in enumerate(TRAINED) if not row.removed}


class Trained(NamedTuple):
    """What training made of a wiring from each random start."""

    steps: NDArray[np.int64]
    """(starts,) the first step, of every fifth, at which all trained rows hold by the margin; -1 if there is none"""
    values: dict[str, NDArray[np.float64]]
    """The parameters (starts, ...) at that step; where there is none, those of the largest smallest margin"""
    best: dict[str, NDArray[np.float64]]
    """The parameters (starts, ...) of the largest smallest margin"""


def circuit(dataset: str = "cook2019", kind: str = "worm", n: int = 1, *, seed: int = 0) -> Iterator[Wiring]:
    """The circuit with its read-outs; or n of one of its null models.

    Signs are those of the published circuit. There each class of cells sends one sign, which here holds for the
    synapses that the published circuit lacks too: AVD and PVC excite, all others inhibit; the read-outs are excited.
    The nulls change the synapses of the clamped circuit, before the read-outs are put on, and so all have the same
    number of parameters.

    >>> next(circuit())
    Wiring(7 inputs, 11 neurons, 2 outputs, 91 synapses, 31 gap junctions)
    """
    if kind not in KINDS:
        raise ArgumentError(unknown("kind of circuit", kind, KINDS))
    signs = {pre: sign for pre, post, sign, _ in circuits.TAP_CHEMICAL if post not in ("FWD", "REV")}
    worm = circuits.touch(dataset, polarity=signs).clamp(*circuits.TAP_SENSORY)
    for wiring in [worm] if kind == "worm" else null.nulls(worm, kind, n, seed):
        most = wiring.count[wiring.of_kind(CHEMICAL)].max()
        whole = wiring.join(Wiring(0, ["FWD", "REV"], roles="motor")).read_out("FWD", "REV")
        for pre, post in (("AVBL", "FWD"), ("AVBR", "FWD"), ("AVAL", "REV"), ("AVAR", "REV")):
            whole = whole.add(pre, post, sign=1, count=most)
        yield whole


def train(wiring: Wiring, freedom: str = "synapse", *, starts: int = 10, steps: int = 100, seed: int = 0) -> Trained:
    """Climb the smallest margin of the trained rows by gradient through the simulation, from random starts.

        maximise  -log sum_rows exp(-margin / 1 mV)  in x,  parameter = low + (high - low) / (1 + exp(-x))

    by Adam (rate 0.2), with the bounds of the published search (`biophysics.BOUNDS`). Starts are uniform within 2 to
    98 % of the bounds. Gradients are those of ten times longer steps than the test's; whether the rows hold is looked
    at with the test's own.

    Args: freedom: what is trained, see `FREEDOMS`.   steps: of the optimiser.   seed: same seed, same starts.
    Raises: ArgumentError for another freedom, or a number that is no count.
    """
    if freedom not in FREEDOMS:
        raise ArgumentError(unknown("freedom", freedom, FREEDOMS))
    check_count("starts", starts, 1)
    check_count("steps", steps, 1)
    free = _starts(wiring, freedom, starts, seed)
    coarse, exact = _simulator(wiring, SUBSTEPS), _simulator(wiring, PUBLISHED_SUBSTEPS)
    optimiser = torch.optim.Adam(free.values(), lr=0.2)
    found = torch.full((starts,), -1)
    highest = torch.full((starts,), -torch.inf, dtype=torch.float64)
    first, best = ({name: x.detach().clone() for name, x in free.items()} for _ in range(2))
    for step in range(steps + 1):
        if step % EVERY == 0 or step == steps:
            with torch.no_grad():
                smallest = exact(_values(wiring, free)).amin(-1)
            higher, open_ = smallest > highest, found < 0
            for name, x in free.items():
                best[name][higher] = x.detach()[higher]
                # The first that holds, and until then the best there is: one that holds is higher than all before.
                first[name][higher & open_] = x.detach()[higher & open_]
            found[open_ & (smallest >= MARGIN)] = step
            highest = torch.maximum(highest, smallest)
        if step < steps:
            optimiser.zero_grad()
            torch.logsumexp(-coarse(_values(wiring, free)), -1).sum().backward()
            optimiser.step()
    values, at_best = ({k: v.numpy() for k, v in _values(wiring, x).items()} for x in (first, best))
    return Trained(found.numpy(), values, at_best)


def judge(wiring: Wiring, values: dict[str, NDArray[np.float64]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The margins (starts, rows) in mV of the trained and of the held-out rows, by the test's own engine and step."""
    response = tap.responses(wiring, values, rows=TRAINED)
    trained = [row.margin(response[..., i], response[..., 0]) for i, row in enumerate(TRAINED)]
    further = tap.responses(wiring, values, rows=HELD_OUT)
    held = [row.margin(further[..., i], response[..., _INTACT[row.touched]]) for i, row in enumerate(HELD_OUT)]
    return np.stack(trained, -1), np.stack(held, -1)


# -- what is trained ---------------------------------------------------------------------------------------------------


def _sizes(wiring: Wiring, freedom: str) -> dict[str, int]:
    n, each = wiring.n_neurons, freedom == "synapse"
    n_chemical, n_gap = len(wiring.of_kind(CHEMICAL)), len(wiring.of_kind(GAP))
    return {
        **dict.fromkeys(("capacitance", "leak", "v_leak"), n),
        **dict.fromkeys(("conductance", "slope"), n_chemical if each else 1),
        "gap_conductance": n_gap if each else 1,
    }


def n_parameters(wiring: Wiring, freedom: str) -> int:
    """How many numbers a wiring has to train."""
    return sum(_sizes(wiring, freedom).values())


def _starts(wiring: Wiring, freedom: str, starts: int, seed: int) -> dict[str, Tensor]:
    """(starts, size) unbounded numbers behind the parameters."""
    rng = np.random.default_rng(seed)
    shares = {name: rng.uniform(0.02, 0.98, (starts, n)) for name, n in _sizes(wiring, freedom).items()}
    return {name: torch.tensor(np.log(share / (1 - share)), requires_grad=True) for name, share in shares.items()}


def _values(wiring: Wiring, free: dict[str, Tensor]) -> dict[str, Tensor]:
    """(starts, ...) the parameters in mV, S and F, within their bounds; of the names of `Biophysical`."""
    chemical, starts = wiring.of_kind(CHEMICAL), len(free["leak"])
    values = {name: low + (high - low) * torch.sigmoid(free[name]) for name, (low, high) in BOUNDS.items()}
    for name, kind in (("conductance", CHEMICAL), ("gap_conductance", GAP)):
        count = wiring.count[wiring.of_kind(kind)]
        if values[name].shape[1] != len(count):
            values[name] = values[name] * torch.tensor(count / count.max())
    values["slope"] = values["slope"].expand(starts, len(chemical))
    values["midpoint"] = torch.full((starts, len(chemical)), -40.0, dtype=torch.float64)
    reversal = torch.tensor(np.where(wiring.sign[chemical] > 0, 0.0, -90.0))
    return {**values, "reversal": reversal.expand(starts, -1)}


def _simulator(wiring: Wiring, substeps: int) -> Callable[[dict[str, Tensor]], Tensor]:
    """A function from parameters (starts, ...) to the margins (starts, rows) of the trained rows."""
    model = LTC(unfolds=substeps, input_map=None, output_map=None)
    layout = layout_of(program_of(model), wiring)
    engine = Reference(layout)
    # Each pair of what is removed and what is touched is simulated once.
    pairs = dict.fromkeys((row.removed, touched) for row in TRAINED for touched in (row.touched, ()))
    place = {pair: i for i, pair in enumerate(pairs)}
    left = [tap.staying(wiring, removed) for removed, _ in pairs]
    stays = {name: torch.tensor(np.stack([one[name] for one in left]), dtype=torch.float64) for name in left[0]}
    x = torch.tensor(np.stack([tap.clamped(wiring, touched) for _, touched in pairs]))
    rest = torch.full((1, wiring.n_neurons), REST, dtype=torch.float64)
    dt = torch.full((1, 1), tap.SECONDS, dtype=torch.float64)
    forward, reverse = (wiring.neurons.index(name) for name in ("FWD", "REV"))

    def movement(p: dict[str, Tensor], stays: dict[str, Tensor], x: Tensor) -> Tensor:
        p = p | {name: p[name] * share for name, share in stays.items()}
        (v,) = engine.step(layout.unpack(layout.pack(model.coefficients(p))), (rest,), x[None], dt)
        return v[0, forward] - v[0, reverse]

    of_all = torch.vmap(torch.vmap(movement, (None, 0, 0)), (0, None, None))

    def margins(p: dict[str, Tensor]) -> Tensor:
        moved = of_all(p, stays, x)
        responses = [moved[:, place[r.removed, r.touched]] - moved[:, place[r.removed, ()]] for r in TRAINED]
        # The rows' margins are arithmetic only, the same on arrays and tensors.
        rows: list[Any] = [row.margin(cast(Any, r), cast(Any, responses[0])) for row, r in zip(TRAINED, responses)]
        return torch.stack(rows, -1)

    return margins
