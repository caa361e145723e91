"""What every neuron and every synapse is needed for: lesion them one by one and score what is left."""

import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from wormnet.audit.frozen import frozen
from wormnet.audit.rows import Rows
from wormnet.errors import ArgumentError, BlindOutputWarning, need, unknown
from wormnet.models.spec import check_count
from wormnet.nn.recurrent import Recurrent
from wormnet.wiring import atlas
from wormnet.wiring.core import CURRENT, GAP, Wiring

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Cut", "Lesions", "cut_layer", "cuts", "lesions"]

Score = Callable[[Recurrent], Any]
KINDS = ("neurons", "synapses")


class Cut(NamedTuple):
    """One lesion: its name, "neuron", "chemical", "gap" or "current", and the synapses that go."""

    name: str
    kind: str
    synapses: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Lesions(Rows):
    """The score of a layer after each lesion, the one that changes it most first.

    Args:
        intact: the score of the whole layer.
        names: of the lesions: a neuron, or "pre -> post".   kinds: "neuron", "chemical", "gap" or "current".
        scores: (lesions,) of what is left.   changes: (lesions,) scores minus intact.

    >>> print(Lesions(1.0, ("AVA", "in0 -> AVA"), ("neuron", "chemical"), [3.0, 1.5], [2.0, 0.5]).to_csv(), end="")
    lesion,kind,score,change
    AVA,neuron,3.0,2.0
    in0 -> AVA,chemical,1.5,0.5
    """

    intact: float
    names: tuple[str, ...]
    kinds: tuple[str, ...]
    scores: NDArray[np.float64]
    changes: NDArray[np.float64]

    def __post_init__(self):
        for name in ("scores", "changes"):
            object.__setattr__(self, name, frozen(getattr(self, name)))

    def rows(self) -> list[dict[str, Any]]:
        """A row for each lesion, in order."""
        columns = zip(self.names, self.kinds, self.scores.tolist(), self.changes.tolist(), strict=True)
        return [dict(zip(("lesion", "kind", "score", "change"), one)) for one in columns]

    def plot(self, most: int = 20, ax: "Axes | None" = None) -> "Axes":
        """Draw the largest changes as bars; see `wormnet.plot.lesions`."""
        from wormnet import plot

        return plot.lesions(self, most, ax=ax)


def lesions(
    rnn: Recurrent, score: Score, *, of: str | Iterable[str] = KINDS, cells: Iterable[str] | None = None, jobs: int = 1
) -> Lesions:
    """Lesion every neuron and every synapse, one at a time, and score the layer that is left.

    A lesioned neuron loses all synapses that it sends and receives. If it is an output it is still read out, alone with
    its leak and bias, so y keeps its shape; for all others this is what taking them out does.

    Args:
        rnn: a layer, trained; it stays as it is.
        score: layer -> a number: a loss on a batch, the return of an episode, anything. It is called with layers in
            evaluation mode, once for each lesion and once for the whole; how many sequences it runs at once is its own
            affair. It should not draw random numbers anew: the same data, the same seeds.
        of: "neurons", "synapses" or both.
        cells: only these neurons or classes, and synapses into them; None for all.
        jobs: processes, through joblib; the score is sent to them. 1 for none.

    Returns: a Lesions, sorted; a score that is not finite counts as the largest change.
    Raises: ArgumentError for a score that is no number, WiringError for an unknown cell or a backbone, where no synapse
        can be taken out.

    >>> import wormnet
    >>> _ = torch.manual_seed(0)
    >>> rnn = wormnet.LTC(wormnet.Wiring(1, ["a", "b"], pre=[0, 1], post=[1, 2], sign=1), backend="reference")
    >>> x = torch.ones(1, 20, 1)
    >>> table = lesions(rnn, lambda layer: layer(x)[0][0, -1, 1], of="neurons")
    >>> sorted(table.names), bool((table.changes != 0).all())
    (['a', 'b'], True)
    """
    if not isinstance(rnn, Recurrent):
        raise ArgumentError(f"lesions takes a recurrent layer of wormnet, not {type(rnn).__name__}.")
    if not callable(score):
        raise ArgumentError(f"score is {score!r}; it takes a function of a layer that gives a number.")
    check_count("jobs", jobs, 1)
    chosen = cuts(rnn.wiring, of, cells)
    whole = scored(rnn, score, ())
    if math.isnan(whole):
        raise ArgumentError("the score of the whole layer is nan, to which no change can be told; it takes a number.")
    if jobs == 1:
        found = [scored(rnn, score, (cut,)) for cut in chosen]
    else:
        joblib = need("joblib", "joblib", "lesions in several processes", extra="study")
        found = joblib.Parallel(n_jobs=jobs)(joblib.delayed(scored)(rnn, score, (cut,)) for cut in chosen)
    scores = np.array(found, np.float64)
    changes = scores - whole
    size = np.where(np.isfinite(changes), np.abs(changes), np.inf)
    order = np.argsort(-size, kind="stable")
    names, kinds = (tuple(chosen[i][field] for i in order) for field in (0, 1))
    return Lesions(whole, names, kinds, scores[order], changes[order])  # pyright: ignore[reportArgumentType]


def cuts(wiring: Wiring, of: str | Iterable[str], cells: Iterable[str] | None = None) -> list[Cut]:
    """All single lesions of a wiring."""
    of = (of,) if isinstance(of, str) else tuple(of)
    for one in of:
        if one not in KINDS:
            raise ArgumentError(unknown("kind of lesion", one, KINDS))
    chosen = set(range(wiring.n_inputs, len(wiring.cells)))
    if cells is not None:
        chosen = set()
        for name in [cells] if isinstance(cells, str) else cells:
            its = atlas.named(name, wiring.neurons)
            if not its:
                raise atlas.no_such("neuron", name, wiring.neurons)
            chosen |= {wiring.cell(one) for one in its}
    found = []
    if "neurons" in of:
        for cell in sorted(chosen):
            touching = np.flatnonzero((wiring.pre == cell) | (wiring.post == cell))
            found.append(Cut(wiring.cells[cell], "neuron", tuple(touching.tolist())))
    if "synapses" in of:
        for i in range(wiring.n_synapses):
            if wiring.post[i] in chosen or (wiring.kind[i] == GAP and wiring.pre[i] in chosen):
                found.append(Cut(*_named(wiring, i), (i,)))
    return found


def _named(wiring: Wiring, i: int) -> tuple[str, str]:
    pre, post = wiring.cells[wiring.pre[i]], wiring.cells[wiring.post[i]]
    if wiring.kind[i] == GAP:
        return f"{pre} -- {post}", "gap"
    if wiring.kind[i] == CURRENT:
        return f"{pre} -> {post} (current)", "current"
    return f"{pre} -> {post}", "chemical"


def cut_layer(rnn: Recurrent, chosen: Sequence[Cut]) -> Recurrent:
    """The layer without some synapses, in evaluation mode, drawing nothing from the global generator."""
    gone = sorted({synapse for cut in chosen for synapse in cut.synapses})
    wiring = rnn.wiring.lesion(synapses=np.array(gone, np.int64)) if gone else rnn.wiring
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        # Whether outputs see the newest sample decides nothing here: nothing is learned.
        warnings.simplefilter("ignore", BlindOutputWarning)
        return rnn.on(wiring).eval()


def scored(rnn: Recurrent, score: Score, chosen: Sequence[Cut]) -> float:
    """The score of the layer without some synapses."""
    given = score(cut_layer(rnn, chosen))
    try:
        return float(given.detach() if isinstance(given, torch.Tensor) else given)
    except (TypeError, ValueError, RuntimeError):
        shape = f" of shape {tuple(given.shape)}" if hasattr(given, "shape") else ""
        raise ArgumentError(f"the score is a {type(given).__name__}{shape}; it takes one number.") from None
