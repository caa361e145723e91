"""Wiring -> numbers: degrees, density, motifs, paths, small-worldness."""

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wormnet.errors import WiringError, unknown
from wormnet.wiring import check
from wormnet.wiring.check import GAP, KINDS
from wormnet.wiring.core import Wiring
from wormnet.wiring.null import nulls

__all__ = [
    "Degree",
    "clustering",
    "degree",
    "density",
    "motifs",
    "path_length",
    "reachable",
    "reciprocity",
    "small_worldness",
    "to_adjacency",
]


class Degree(NamedTuple):
    """How many synapses each cell receives and sends."""

    received: NDArray[np.int64]
    """(cells,) in the order of `Wiring.cells`; 0 for inputs"""
    sent: NDArray[np.int64]
    """(cells,)"""


def to_adjacency(wiring: Wiring, kind: int | None = None, *, value: str = "count") -> NDArray[np.float64]:
    """The wiring as a matrix: row = cell that sends, column = cell that receives, in the order of `Wiring.cells`.

    A gap junction between two neurons stands in both places. With several kinds their values add up.

    Args:
        kind: CHEMICAL, GAP or CURRENT; None: all.
        value: "count"; "sign" (0 where it is to be learned); "signed", sign times count; or "number" of synapses.

    Returns: (cells, cells).   Raises: WiringError for an unknown kind or value.
    Memory grows with cells squared, as that of `motifs`, `path_length` and `clustering` does with neurons squared.

    >>> to_adjacency(Wiring(1, 2, pre=[0, 1], post=[1, 2], sign=[1, -1], count=[1, 3]), value="signed")
    array([[ 0.,  1.,  0.],
           [ 0.,  0., -3.],
           [ 0.,  0.,  0.]])
    """
    if value not in ("count", "sign", "signed", "number"):
        raise WiringError(unknown("value", value, ("count", "sign", "signed", "number")))
    pre, post, synapse = _edges(wiring, kind)
    count = wiring.count[synapse] if value in ("count", "signed") else np.ones(len(synapse))
    sign = wiring.sign[synapse] if value in ("sign", "signed") else np.ones(len(synapse))
    adjacency = np.zeros((len(wiring.cells),) * 2)
    np.add.at(adjacency, (pre, post), count * sign)
    return adjacency


def degree(wiring: Wiring, kind: int | None = None) -> Degree:
    """How many synapses each cell receives and sends; a gap junction between two neurons counts both ways.

    Args: kind: CHEMICAL, GAP or CURRENT; None: all.

    >>> degree(Wiring(1, 2, pre=[0, 0, 1], post=[1, 2, 2]))
    Degree(received=array([0, 1, 2]), sent=array([2, 1, 0]))
    """
    pre, post, _ = _edges(wiring, kind)
    received, sent = (np.bincount(ends, minlength=len(wiring.cells)).astype(np.int64) for ends in (post, pre))
    return Degree(received, sent)


def density(wiring: Wiring, kind: int | None = None) -> float:
    """The share of the pairs (cell, neuron), a neuron with itself included, along which something is sent.

    density(random(..., sparsity=s)) is 1 - s, up to rounding. NaN without neurons.

    >>> from wormnet import dense
    >>> density(dense(4, 8)), density(dense(4, 8, recurrent=False))
    (1.0, 0.3333333333333333)
    """
    pairs = len(wiring.cells) * wiring.n_neurons
    return len(_pairs(wiring, kind)) / pairs if pairs else math.nan


def reciprocity(wiring: Wiring, kind: int | None = None) -> float:
    """The share of directed pairs of neurons joined one way that also are joined the other way.

    A neuron with itself does not count; gap junctions are reciprocal by nature. NaN if no two neurons are joined.

    >>> reciprocity(Wiring(0, 3, pre=[0, 1, 1], post=[1, 0, 2]))
    0.6666666666666666
    """
    pre, post = np.divmod(_pairs(wiring, kind), len(wiring.cells))
    other = (pre >= wiring.n_inputs) & (pre != post)
    pre, post = pre[other], post[other]
    there, back = pre * len(wiring.cells) + post, post * len(wiring.cells) + pre
    return float(np.isin(there, back).mean()) if len(there) else math.nan


def motifs(wiring: Wiring, kind: int | None = None) -> dict[str, int]:
    """The triad census: how often each of the 16 ways to join three neurons occurs.

    Names as in the social sciences: the number of mutual, one-way and absent pairs, then a letter (Down, Up, Cyclic,
    Transitive). "030T" is the feed-forward loop, "030C" the cycle; all but "003", "012" and "102", whose neurons are
    not all connected, are the 13 motifs of Milo et al. Inputs and synapses of a neuron with itself do not count.

    Source: Holland & Leinhardt 1970, Am. J. Sociol. 76, 492; by matrix products, Moody 1998, Soc. Networks 20, 291;
    Milo et al. 2002, Science 298, 824.

    >>> motifs(Wiring(0, 3, pre=[0, 0, 1], post=[1, 2, 2]))["030T"]
    1
    """
    joined = _joined(wiring, kind)
    mutual = (joined & joined.T).astype(np.float64)
    one_way = (joined & ~joined.T).astype(np.float64)
    absent = 1.0 - np.eye(len(joined)) - mutual - one_way - one_way.T
    down, up, chain = one_way.T @ one_way, one_way @ one_way.T, one_way @ one_way
    census = {
        "003": np.sum(absent @ absent * absent) / 6,
        "012": np.sum(absent @ absent * one_way),
        "102": np.sum(absent @ absent * mutual) / 2,
        "021D": np.sum(down * absent) / 2,
        "021U": np.sum(up * absent) / 2,
        "021C": np.sum(chain * absent),
        "111D": np.sum(mutual @ one_way.T * absent),
        "111U": np.sum(mutual @ one_way * absent),
        "030T": np.sum(chain * one_way),
        "030C": np.sum(chain * one_way.T) / 3,
        "201": np.sum(mutual @ mutual * absent) / 2,
        "120D": np.sum(down * mutual) / 2,
        "120U": np.sum(up * mutual) / 2,
        "120C": np.sum(chain * mutual),
        "210": np.sum(mutual @ mutual * one_way),
        "300": np.sum(mutual @ mutual * mutual) / 6,
    }
    return {name: round(float(number)) for name, number in census.items()}


def reachable(wiring: Wiring, start: Iterable[str] | None = None) -> NDArray[np.bool_]:
    """Which neurons a path of synapses leads to.

    Args: start: names of the cells that paths start from; None: all inputs. A neuron reaches itself only in a loop.
    Returns: (neurons,).   Raises: WiringError for a cell that is not there.

    >>> reachable(Wiring(1, 3, pre=[0, 1], post=[1, 2]))
    array([ True,  True, False])
    """
    if isinstance(start, str):
        raise WiringError(f"start is {start!r}; it takes a list of names: [{start!r}].")
    if start is not None and not isinstance(start, Iterable):
        raise WiringError(f"start is {check.shortened(start)}; it takes a list of names, or None for all inputs.")
    pre, post, _ = _edges(wiring, None)
    post = post[np.argsort(pre, kind="stable")]
    first = np.concatenate([[0], np.cumsum(np.bincount(pre, minlength=len(wiring.cells)))])
    now = np.arange(wiring.n_inputs) if start is None else np.array([wiring.cell(name) for name in start], np.int64)
    reached = np.zeros(len(wiring.cells), bool)
    while len(now):
        n = first[now + 1] - first[now]
        sent_to = post[np.repeat(first[now] - np.cumsum(n) + n, n) + np.arange(n.sum())]
        now = np.unique(sent_to[~reached[sent_to]])
        reached[now] = True
    return reached[wiring.n_inputs :]


def path_length(wiring: Wiring, kind: int | None = None, *, directed: bool = True) -> float:
    """The mean number of synapses on the shortest path, over all ordered pairs of neurons that a path joins.

    Args: kind: CHEMICAL, GAP or CURRENT; None: all.   directed: whether paths must follow the synapses' direction.
    Returns: NaN if no path joins two neurons.

    >>> path_length(Wiring(0, 3, pre=[0, 1], post=[1, 2]))
    1.3333333333333333
    """
    joined = _joined(wiring, kind)
    return _path_length(joined if directed else joined | joined.T)


def clustering(wiring: Wiring, kind: int | None = None) -> float:
    """How often two neurons joined to a third are joined themselves: the mean over the neurons, direction ignored.

    A neuron joined to fewer than two others counts as 0. NaN without neurons.

    Source: Watts & Strogatz 1998, Nature 393, 440-442.

    >>> clustering(Wiring(0, 3, pre=[0, 0, 1], post=[1, 2, 2]))
    1.0
    """
    joined = _joined(wiring, kind)
    return _clustering(joined | joined.T)


def small_worldness(
    wiring: Wiring, kind: int | None = None, *, n: int = 20, null: str = "erdos_renyi", seed: int = 0
) -> float:
    """How much more clustered a wiring is than random ones, at what cost in path length; above 1 is a small world.

        (clustering / clustering of the nulls) / (path length / path length of the nulls)

    Over the neurons, direction ignored; the nulls' values are means over n of them.

    Args: n: number of random wirings, at least 1.   null, seed: as for `nulls`.
    Returns: NaN where one of the four is not defined or 0.
    Source: Humphries & Gurney 2008, PLoS ONE 3, e2051.

    >>> from wormnet import small_world
    >>> small_worldness(small_world(inputs=1, neurons=60, neighbours=6), n=5) > 1
    True
    """
    check.number("n", n, 1)
    undirected = [joined | joined.T for joined in (_joined(w, kind) for w in nulls(wiring, null, n, seed))]
    by_chance = np.mean([_clustering(joined) for joined in undirected])
    length_by_chance = np.mean([_path_length(joined) for joined in undirected])
    length = path_length(wiring, kind, directed=False)
    if not by_chance > 0 or not length > 0:
        return math.nan
    return float(clustering(wiring, kind) / by_chance / (length / length_by_chance))


def _edges(wiring: Wiring, kind: int | None) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """(pre, post, synapse) of all directed edges, post as a cell number."""
    if kind is not None and (isinstance(kind, bool) or kind not in range(len(KINDS))):
        raise WiringError(f"kind is {check.shortened(kind)}; kinds are 0 (chemical), 1 (gap), 2 (current), None (all).")
    synapse = np.arange(wiring.n_synapses) if kind is None else wiring.of_kind(kind)
    back = synapse[(wiring.kind[synapse] == GAP) & (wiring.pre[synapse] >= wiring.n_inputs)]
    pre = np.concatenate([wiring.pre[synapse], wiring.post[back]])
    post = np.concatenate([wiring.post[synapse], wiring.pre[back]])
    return pre, post, np.concatenate([synapse, back])


def _pairs(wiring: Wiring, kind: int | None) -> NDArray[np.int64]:
    """The pairs of cells of which one sends to the other, each once, as sender * cells + receiver."""
    pre, post, _ = _edges(wiring, kind)
    return np.unique(pre * len(wiring.cells) + post)


def _joined(wiring: Wiring, kind: int | None) -> NDArray[np.bool_]:
    """(neurons, neurons) whether one sends to another, without synapses of a neuron with itself."""
    pre, post, _ = _edges(wiring, kind)
    between = pre >= wiring.n_inputs
    joined = np.zeros((wiring.n_neurons,) * 2, bool)
    joined[pre[between] - wiring.n_inputs, post[between] - wiring.n_inputs] = True
    np.fill_diagonal(joined, False)
    return joined


def _path_length(joined: NDArray[np.bool_]) -> float:
    # All starts spread at once, one synapse a turn; the product of matrices counts who reaches whom next.
    step, reached = joined.astype(np.float32), np.eye(len(joined), dtype=bool)
    now, turn, total, pairs = reached, 0, 0, 0
    while now.any():
        turn += 1
        now = (now.astype(np.float32) @ step > 0) & ~reached
        reached = reached | now
        new = int(np.count_nonzero(now))
        total, pairs = total + turn * new, pairs + new
    return total / pairs if pairs else math.nan


def _clustering(joined: NDArray[np.bool_]) -> float:
    if not len(joined):
        return math.nan
    step = joined.astype(np.float64)
    triangles, partners = ((step @ step) * step).sum(axis=1), step.sum(axis=1)
    pairs = partners * (partners - 1)
    return float(np.mean(np.divide(triangles, pairs, out=np.zeros_like(triangles), where=pairs > 0)))
