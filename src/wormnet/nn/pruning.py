"""Take the weakest synapses out of a trained layer, wiring and all."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from wormnet.errors import ArgumentError, shown
from wormnet.nn.recurrent import Recurrent
from wormnet.wiring.core import GAP

__all__ = ["prune"]


def prune(rnn: Recurrent, amount: float) -> Recurrent:
    """The layer on the wiring without its weakest synapses; everything else keeps its trained parameters.

    A synapse is as strong as the magnitude of the parameters that anatomy's counts scale at the start (`counted` of a
    `ParamSpec`): an LTC's conductance, gap_conductance or current; a CT-RNN's weight; the sum of a CfC's
    g_weight and h_weight. All kinds of synapse are compared with one another. Where a model has one weight for every
    pair of cells, all synapses that join the pair are as strong as it, and a gap junction is as strong as the stronger
    of its two directions. Cells stay, also those that nothing reaches any more.

    Args:
        rnn: the layer; it stays as it is. What torch.nn.utils.prune has set to 0 counts as 0.
        amount: a share, 0.0 to 1.0, or how many synapses as a whole number, of those that have such a parameter; others
            stay. Synapses that do nothing at all (an LTC's conductance of exactly 0) go in any case and are counted
            among them.

    Returns: a new layer of the same kind; its parameters are transferred as by `Recurrent.on`.
    Raises: ArgumentError for another amount, or a layer whose model has no parameters of its synapses (a backbone).

    >>> import wormnet
    >>> rnn = wormnet.LTC(wormnet.Wiring(1, ["a", "b"], pre=[0, 1, 2], post=[1, 2, 2]))
    >>> rnn.set_values(conductance=[0.5, 0.0, 0.2])
    >>> prune(rnn, 0.0).wiring.n_synapses, prune(rnn, 2).wiring.n_synapses
    (2, 1)
    """
    if not isinstance(rnn, Recurrent):
        raise ArgumentError(f"prune takes a recurrent layer of wormnet, not {type(rnn).__name__}.")
    strength, idle = _strengths(rnn)
    n = _how_many(amount, int(np.isfinite(strength).sum()))
    # Those that do nothing come first, and of equals those that stand first in the wiring.
    weakest = np.lexsort((strength, ~idle))[: max(n, int(idle.sum()))]
    gone = np.zeros(len(strength), bool)
    gone[weakest] = True
    return rnn.on(rnn.wiring.lesion(synapses=gone))


def _how_many(amount: Any, n: int) -> int:
    if not isinstance(amount, bool):
        if isinstance(amount, (int, np.integer)) and 0 <= amount <= n:
            return int(amount)
        if isinstance(amount, (float, np.floating)) and 0 <= amount <= 1:
            return round(float(amount) * n)
    raise ArgumentError(
        f"amount is {shown(amount)}; it takes a share, 0.0 to 1.0, or a whole number of synapses, 0 to {n}."
    )


def _strengths(rnn: Recurrent) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """(synapses,) how strong each is, infinite where the model does not tell, and whether it does nothing at all."""
    wiring, table = rnn.wiring, rnn._table
    with torch.no_grad():
        values = {name: value.double().cpu().numpy() for name, value in rnn.values().items()}
    of_synapses = {name: spec for name, spec in table.specs.items() if spec.over in table.synapse}
    if wiring.n_synapses and not any(spec.counted for spec in of_synapses.values()):
        raise ArgumentError(f"{rnn.model} has no parameters of single synapses, so none is weaker than another.")
    strength, live = np.full(wiring.n_synapses, np.inf), np.ones(wiring.n_synapses, bool)
    for scope in dict.fromkeys(str(spec.over) for spec in of_synapses.values()):
        mine = {name: spec for name, spec in of_synapses.items() if spec.over == scope}
        counted = [np.abs(values[name]) for name, spec in mine.items() if spec.counted]
        if not counted:
            continue
        each = np.sum(counted, 0)
        if scope == "connection":
            # Of a connection without counted weights the others may still act, as the gate's of a CfC.
            acts = np.any([values[name] != 0 for name in mine], 0)
            _spread(rnn, each, acts, strength, live)
        else:
            strength[table.synapse[scope]], live[table.synapse[scope]] = each, each > 0
    return strength, ~live


def _spread(
    rnn: Recurrent, each: NDArray[np.float64], acts: NDArray[np.bool_], strength: NDArray[Any], live: NDArray[Any]
) -> None:
    """Give what belongs to connections to all the synapses that make them."""
    wiring, links = rnn.wiring, rnn._table.links
    place = {pair: i for i, pair in enumerate(zip(links.pre.tolist(), (links.post + wiring.n_inputs).tolist()))}
    for synapse, (pre, post, kind) in enumerate(zip(wiring.pre.tolist(), wiring.post.tolist(), wiring.kind.tolist())):
        ways = [(pre, post), (post, pre)] if kind == GAP else [(pre, post)]
        found = [place[way] for way in ways if way in place]
        strength[synapse], live[synapse] = max(each[found]), any(acts[found])
