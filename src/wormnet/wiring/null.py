"""Wiring -> random wirings that share some of its properties: what a claim about a wiring is measured against."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from wormnet.errors import WiringError, unknown
from wormnet.wiring import atlas, chance, check, edit
from wormnet.wiring.check import CHEMICAL, CURRENT, GAP, KINDS
from wormnet.wiring.core import Wiring, prove_wiring

__all__ = [
    "NULLS",
    "densified",
    "erdos_renyi",
    "nulls",
    "permute_neurons",
    "randomised",
    "register_null",
    "rewire",
    "rewire_classes",
    "shuffle_counts",
    "shuffle_signs",
]

Block = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], bool]
"""Places of synapses that swap among themselves, the cells that may send and receive, whether they act both ways."""


def rewire(wiring: Wiring, seed: int = 0, swaps_per_synapse: float = 10) -> Wiring:
    """Rewire at random so that every cell keeps how many synapses it sends and receives, per kind.

    Swaps turn a -> b, c -> d into a -> d, c -> b, within one kind, and within those from inputs or those between
    neurons. A swap that would double a synapse, or close one on its own neuron, is left out; synapses of a neuron
    with itself stay where they are. Signs and counts stay with the sender, dealt anew over its receivers (a sender's
    transmitter is its own); gap junctions between neurons have no sender, and their counts are dealt over all of
    them. Neurons may end up where no input reaches them.

    Args:
        seed: same seed, same rewiring.
        swaps_per_synapse: about how many swaps succeed per synapse; at 10 what is left of the old wiring is chance.

    Raises: WiringError if a number is out of its range.
    Source: Maslov & Sneppen 2002, Science 296, 910-913. Directed swaps without self-synapses reach all wirings with
    the given degrees, but for a few special ones whose rings of three cannot turn (Roberts & Coolen 2012).

    >>> from wormnet import auto_ncp
    >>> wiring = auto_ncp(inputs=8, neurons=19, outputs=1)
    >>> rewire(wiring) != wiring, rewire(wiring).n_synapses == wiring.n_synapses
    (True, True)
    """
    blocks = []
    for block, from_inputs, mirrored in _blocks(wiring):
        senders = np.arange(wiring.n_inputs) if from_inputs else _neurons(wiring)
        blocks.append((block, senders, _neurons(wiring), mirrored))
    return _rewired(wiring, blocks, seed, swaps_per_synapse, "rewired")


def rewire_classes(wiring: Wiring, seed: int = 0, swaps_per_synapse: float = 10) -> Wiring:
    """Rewire at random so that every cell keeps how many synapses it sends to, and receives from, each class, per kind.

    As `rewire`, but a swap takes synapses between the same two classes only: AVAL and AVAR may trade partners, a
    sensory and a motor neuron may not. What the classes are to each other stays; which of their members is joined to
    which is random. Classes are those of the worm; cells that it does not have are grouped by role, inputs by
    themselves.

    Args, raises: as `rewire`.

    >>> from wormnet import auto_ncp
    >>> wiring = auto_ncp(inputs=8, neurons=19, outputs=1)
    >>> mixed = rewire_classes(wiring)
    >>> mixed != wiring, mixed.group_by(lambda cell: cell.rstrip("0123456789")).n_synapses
    (True, 4)
    """
    words = ["input"] * wiring.n_inputs + list(wiring.roles)
    named = [(word == "input", atlas.class_of(c) or word) for c, word in zip(wiring.cells, words)]
    _, class_of = np.unique([f"{int(is_input)} {name}" for is_input, name in named], return_inverse=True)
    blocks = []
    for places, _, both_ways in _blocks(wiring):
        sending, receiving = class_of[wiring.pre[places]], class_of[wiring.post[places]]
        if both_ways:  # a junction has no direction: its ends in the order of their classes
            sending, receiving = np.minimum(sending, receiving), np.maximum(sending, receiving)
        pairs, which = np.unique(np.stack([sending, receiving]), axis=1, return_inverse=True)
        for k, (sender, receiver) in enumerate(pairs.T):
            block = places[which.reshape(-1) == k]
            cells = np.flatnonzero(class_of == sender), np.flatnonzero(class_of == receiver)
            blocks.append((block, *cells, both_ways and sender == receiver))
    return _rewired(wiring, blocks, seed, swaps_per_synapse, "rewired within classes", lazy=True)


def shuffle_signs(wiring: Wiring, seed: int = 0) -> Wiring:
    """Deal the signs anew over the synapses of each kind that have one; those to be learned (0) stay so.

    >>> from wormnet import dense
    >>> wiring = dense(2, 3)
    >>> int(wiring.sign.sum()), int(shuffle_signs(wiring, seed=1).sign.sum())
    (3, 3)
    """
    rng, sign = check.generator(seed), wiring.sign.copy()
    for kind in range(len(KINDS)):
        signed = np.flatnonzero((wiring.kind == kind) & (sign != 0))
        sign[signed] = rng.permutation(sign[signed])
    return wiring.replace(sign=sign, source=_null(wiring, "signs shuffled", seed))


def shuffle_counts(wiring: Wiring, seed: int = 0) -> Wiring:
    """Deal the counts anew over the synapses of each kind (the kinds' counts are in different units).

    >>> from wormnet import Wiring
    >>> sorted(shuffle_counts(Wiring(1, 2, pre=[0, 0], post=[1, 2], count=[1, 7])).count.tolist())
    [1.0, 7.0]
    """
    rng, count = check.generator(seed), wiring.count.copy()
    for kind in range(len(KINDS)):
        places = wiring.of_kind(kind)
        count[places] = rng.permutation(count[places])
    return wiring.replace(count=count, source=_null(wiring, "counts shuffled", seed))


def erdos_renyi(wiring: Wiring, seed: int = 0) -> Wiring:
    """Draw all synapses anew, uniformly.

    There are as many as before of each kind from inputs, between neurons, and of neurons with themselves; signs and
    counts are dealt anew over each of these groups. Neurons may end up where no input reaches them.

    Source: Erdos & Renyi 1959, Publ. Math. Debrecen 6, 290-297 (the model with a given number of edges).

    >>> from wormnet import auto_ncp
    >>> wiring = auto_ncp(inputs=8, neurons=19, outputs=1)
    >>> erdos_renyi(wiring).n_synapses == wiring.n_synapses
    True
    """
    rng = check.generator(seed)
    pre, post = wiring.pre.copy(), wiring.post.copy()
    sign, count = wiring.sign.copy(), wiring.count.copy()
    n_inputs, n = wiring.n_inputs, wiring.n_neurons
    for block, from_inputs, mirrored in _blocks(wiring):
        with_self = pre[block] == post[block]
        for places, is_self in ((block[with_self], True), (block[~with_self], False)):
            k = len(places)
            if is_self:
                senders = receivers = rng.choice(n, k, replace=False) + n_inputs
            elif from_inputs:
                senders, receivers = np.divmod(rng.choice(n_inputs * n, k, replace=False), n)
                receivers = receivers + n_inputs
            else:
                # Pair p of the n (n - 1) without self: the receiver is the p-th of the others.
                pairs = n * (n - 1)
                if mirrored:
                    # Without a table of them: row i of the upper triangle starts at pair i (2 n - i - 1) / 2.
                    chosen = rng.choice(pairs // 2, k, replace=False)
                    starts = np.arange(n) * (2 * n - np.arange(n) - 1) // 2
                    senders = np.searchsorted(starts[:-1], chosen, side="right") - 1
                    receivers = chosen - starts[senders] + senders + 1 + n_inputs
                    senders = senders + n_inputs
                else:
                    senders, receivers = np.divmod(rng.choice(pairs, k, replace=False), max(n - 1, 1))
                    receivers = receivers + (receivers >= senders) + n_inputs
                    senders = senders + n_inputs
            pre[places], post[places] = senders, receivers
            dealt = rng.permutation(places)
            sign[places], count[places] = wiring.sign[dealt], wiring.count[dealt]
    return wiring.replace(pre=pre, post=post, sign=sign, count=count, source=_null(wiring, "Erdos-Renyi", seed))


def permute_neurons(wiring: Wiring, seed: int = 0) -> Wiring:
    """Let the neurons change places in the network they form, while inputs, outputs and roles stay where they are.

    The network among the neurons stays the same but for the names; which neuron sits where in it, and so what hears
    the inputs and what is read out, is random.

    >>> from wormnet import Wiring
    >>> chain = Wiring(1, 3, pre=[0, 1, 2], post=[1, 2, 3])
    >>> moved = permute_neurons(chain)
    >>> moved.pre[0], moved.n_synapses
    (np.int64(0), 3)
    """
    place = np.arange(len(wiring.cells))
    place[wiring.n_inputs :] = check.generator(seed).permutation(place[wiring.n_inputs :])
    inner = wiring.pre >= wiring.n_inputs
    return wiring.replace(
        pre=np.where(inner, place[wiring.pre], wiring.pre),
        post=np.where(inner, place[wiring.post], wiring.post),
        source=_null(wiring, "neurons permuted", seed),
    )


def randomised(wiring: Wiring, seed: int = 0) -> Wiring:
    """Draw as many chemical synapses anew from all pairs of a cell and a neuron, so that an input reaches every neuron.

    Unlike `erdos_renyi`, it does not keep how many of them inputs send, and leaves no neuron without input. Half of
    the signs are expected to be inhibitory, all counts are 1, and all neurons are updated at once.

    Raises: WiringError for a wiring with gap junctions or currents (take `erdos_renyi`), or with fewer synapses than
        neurons.

    >>> from wormnet import auto_ncp
    >>> wiring = auto_ncp(inputs=8, neurons=19, outputs=1)
    >>> randomised(wiring).n_synapses == wiring.n_synapses
    True
    """
    if len(wiring.of_kind(CHEMICAL)) < wiring.n_synapses:
        raise WiringError("random draws chemical synapses alone; erdos_renyi keeps gap junctions and currents.")
    drawn = chance.random(
        inputs=wiring.n_inputs,
        neurons=wiring.n_neurons,
        outputs=wiring.n_outputs,
        synapses=wiring.n_synapses,
        seed=check.number("seed", seed, 0),
    )
    return _as(wiring, drawn, "random", seed)


def densified(wiring: Wiring, seed: int = 0) -> Wiring:
    """Fewer neurons, every cell sending to all of them, with about as many synapses.

    The number of neurons n brings the number of chemical synapses, (inputs + n) n, nearest to that of the wiring, whose
    gap junctions count twice, since they act both ways. Inputs that inject currents inject as many, into neurons drawn
    at random, and send nothing else. Half of the signs are expected to be inhibitory, all counts are 1. Outputs are as
    many as before, or all n if that is fewer.

    >>> from wormnet import auto_ncp
    >>> wiring = auto_ncp(inputs=8, neurons=19, outputs=1)
    >>> wiring, densified(wiring)
    (Wiring(8 inputs, 19 neurons, 1 output, 87 synapses), Wiring(8 inputs, 6 neurons, 1 output, 84 synapses))
    """
    rng = check.generator(seed)
    current = wiring.of_kind(CURRENT)
    from_inputs = wiring.pre < wiring.n_inputs
    sending = wiring.n_inputs if np.any(from_inputs & (wiring.kind != CURRENT)) else 0
    total = wiring.n_synapses - len(current) + int(np.sum((wiring.kind == GAP) & ~from_inputs))
    n = max(1, round((-sending + (sending**2 + 4 * total) ** 0.5) / 2))
    drawn = chance.dense(sending, n, min(n, wiring.n_outputs), seed=seed)
    if not sending and wiring.n_inputs:
        drawn = drawn.replace(inputs=wiring.inputs, pre=drawn.pre + wiring.n_inputs, post=drawn.post + wiring.n_inputs)
        for sender in np.unique(wiring.pre[current]):
            # It may have had more receivers than there are neurons now.
            mine = current[wiring.pre[current] == sender][:n]
            post = rng.permutation(n)[: len(mine)] + wiring.n_inputs
            sent = np.full(len(mine), sender), post, CURRENT, wiring.sign[mine], wiring.count[mine]
            drawn = edit.appended(drawn, *sent)
    return _as(wiring, drawn, "dense", seed)


def _as(wiring: Wiring, drawn: Wiring, what: str, seed: int) -> Wiring:
    """A drawn wiring with the names of the inputs of the original."""
    same = drawn.n_neurons == wiring.n_neurons
    outputs = [drawn.neurons.index(name) for name in drawn.outputs]
    return drawn.replace(
        inputs=wiring.inputs,
        neurons=wiring.neurons if same else drawn.neurons,
        outputs=outputs,
        source=_null(wiring, what, seed),
    )


NULLS: dict[str, Callable[[Wiring, int], Wiring]] = {
    "rewire": rewire,
    "signs": shuffle_signs,
    "counts": shuffle_counts,
    "erdos_renyi": erdos_renyi,
    "permute": permute_neurons,
    "rewire_classes": rewire_classes,
    "random": randomised,
    "dense": densified,
}
"""The null models by name: for `nulls`, plans of studies and the tap experiment. `register_null` adds one."""


def register_null(name: str, null: Callable[[Wiring, int], Wiring]) -> None:
    """Give a null model of one's own a name, in this process.

    Args:
        name: a Python name.   null: (wiring, seed) -> wiring; same seed, same wiring.

    Raises: WiringError for a name that is taken or none, or for what is no function.

    >>> register_null("mirrored", lambda wiring, seed: wiring.replace(sign=-wiring.sign))
    >>> from wormnet import dense
    >>> int(next(nulls(dense(2, 3), "mirrored", 1)).sign.sum()) == -int(dense(2, 3).sign.sum())
    True
    >>> _ = NULLS.pop("mirrored")
    """
    if not isinstance(name, str) or not name.isidentifier() or not callable(null):
        raise WiringError(
            f"register_null was given {check.shortened(name)} and {check.shortened(null)}; it takes a Python name "
            "and a function (wiring, seed) -> wiring."
        )
    if name in NULLS:
        raise WiringError(f"there is a null model {name!r} already; give yours another name.")
    NULLS[name] = null


def nulls(wiring: Wiring, kind: str, n: int, seed: int = 0) -> Iterator[Wiring]:
    """Yield n random wirings of one null model.

    Args:
        kind: "rewire" (same degrees), "rewire_classes" (same degrees to and from every class), "signs" (same synapses,
            signs dealt anew), "counts" (counts dealt anew), "erdos_renyi" (same number of synapses), "permute" (same
            network, neurons in other places), "random" (same number of synapses, inputs reach every neuron), "dense"
            (fewer neurons, all connected, about as many synapses), or one that `register_null` added.
        n: how many; the first ones are the same whatever n is.   seed: same seed, same wirings.

    Raises: WiringError if there is no such null model, or it is given no wiring.

    >>> from wormnet import auto_ncp
    >>> len(set(nulls(auto_ncp(inputs=8, neurons=19, outputs=1), "rewire", 5)))
    5
    """
    prove_wiring(wiring)
    if not isinstance(kind, str) or kind not in NULLS:
        raise WiringError(unknown("null model", kind, NULLS))
    n, seed = check.number("n", n, 0), check.number("seed", seed, 0)
    # Seeds of their own, so that those of seed 0 and seed 1 are not each other's.
    seeds = (int(np.random.SeedSequence((seed, i)).generate_state(1, np.uint64)[0]) for i in range(n))
    return (NULLS[kind](wiring, its_seed) for its_seed in seeds)


def _null(wiring: Wiring, what: str, seed: int) -> str:
    return f"{wiring.source}; {what}, seed {seed}".removeprefix("; ")


def _blocks(wiring: Wiring) -> Iterator[tuple[NDArray[np.int64], bool, bool]]:
    """(places of synapses, whether inputs send them, whether they act both ways), per kind and sort of sender."""
    from_inputs = wiring.pre < wiring.n_inputs
    for kind in range(len(KINDS)):
        for of_inputs in (True, False):
            places = np.flatnonzero((wiring.kind == kind) & (from_inputs == of_inputs))
            if len(places):
                yield places, of_inputs, kind == GAP and not of_inputs


def _neurons(wiring: Wiring) -> NDArray[np.int64]:
    return np.arange(wiring.n_inputs, len(wiring.cells))


def _rewired(
    wiring: Wiring, blocks: Iterable[Block], seed: int, swaps_per_synapse: float, what: str, *, lazy: bool = False
) -> Wiring:
    if isinstance(swaps_per_synapse, bool) or not isinstance(swaps_per_synapse, (int, float, np.integer, np.floating)):
        raise WiringError(f"swaps_per_synapse is {check.shortened(swaps_per_synapse)}; it takes a number >= 0.")
    if not 0 <= swaps_per_synapse <= 1e6:
        raise WiringError(f"swaps_per_synapse is {swaps_per_synapse}; it takes 0 to 1000000.")
    rng = check.generator(seed)
    pre, post = wiring.pre.copy(), wiring.post.copy()
    sign, count = wiring.sign.copy(), wiring.count.copy()
    for block, senders, receivers, mirrored in blocks:
        block = block[pre[block] != post[block]]
        turned = ~np.isin(pre[block], senders)  # junctions that are stored from the other class
        pre[block], post[block] = np.where(turned, (post[block], pre[block]), (pre[block], post[block]))
        n = len(receivers)
        codes = np.searchsorted(senders, pre[block]) * n + np.searchsorted(receivers, post[block])
        codes = _swapped(rng, codes, senders, receivers, mirrored, swaps_per_synapse, lazy)
        # Dealt in the order of the senders, and within a sender at random.
        codes = codes[np.lexsort((rng.random(len(codes)), np.zeros(len(codes)) if mirrored else codes // n))]
        old = np.argsort(pre[block], kind="stable") if not mirrored else np.arange(len(block))
        pre[block], post[block] = senders[codes // n], receivers[codes % n]
        sign[block], count[block] = sign[block][old], count[block][old]
    return wiring.replace(pre=pre, post=post, sign=sign, count=count, source=_null(wiring, what, seed))


def _swapped(
    rng: np.random.Generator,
    codes: NDArray[np.int64],
    senders: NDArray[np.int64],
    receivers: NDArray[np.int64],
    mirrored: bool,
    swaps_per_synapse: float,
    lazy: bool,
) -> NDArray[np.int64]:
    """Synapses, coded as sender * receivers + receiver, after random swaps that keep all degrees.

    Of synapses and absent synapses the fewer are swapped: both are the same move, and swaps among the fewer fail less
    often. Many disjoint pairs swap at once; a pair whose old or new synapses meet another pair's stays, before and
    after alike, so each step is as likely as its reverse and all wirings become equally likely. `lazy` leaves every
    other swap out: where two synapses are all there are, an even number of swaps would always bring the old ones back.
    """
    shape = len(senders), len(receivers)
    no_self = bool(np.isin(senders, receivers).any())  # classes are the same cells, or have none in common
    n_pairs = shape[0] * (shape[0] - 1) // 2 if mirrored else shape[0] * shape[1] - no_self * len(senders)
    by_absence = n_pairs < 2 * len(codes)
    now = _absent(codes, senders, receivers, mirrored) if by_absence else codes.copy()
    if len(now) < 2:
        return codes
    at_once = min(len(now) // 2, max(n_pairs // 8, 1))
    success = (1 - len(now) / n_pairs) ** 2 * (0.5 if lazy else 1.0)
    n = len(now)
    for _ in range(int(np.ceil(swaps_per_synapse * n / (at_once * success)))):
        chosen = rng.permutation(n)[: 2 * at_once]
        one, two = chosen[:at_once], chosen[at_once:]
        (a, b), (c, d) = np.divmod(now[one], shape[1]), np.divmod(now[two], shape[1])
        if mirrored:
            turn = rng.random(at_once) < 0.5
            c, d = np.where(turn, d, c), np.where(turn, c, d)
        new_one, new_two = _coded(a, d, shape, mirrored), _coded(c, b, shape, mirrored)
        alone = _alone(np.concatenate([now, new_one, new_two]))
        may = alone[one] & alone[two] & alone[n : n + at_once] & alone[n + at_once :]
        if no_self:
            may &= (senders[a] != receivers[d]) & (senders[c] != receivers[b])
        if lazy:
            may &= rng.random(at_once) < 0.5
        now[one[may]], now[two[may]] = new_one[may], new_two[may]
    return _absent(now, senders, receivers, mirrored) if by_absence else now


def _absent(
    codes: NDArray[np.int64], senders: NDArray[np.int64], receivers: NDArray[np.int64], mirrored: bool
) -> NDArray[np.int64]:
    """The pairs that could have a synapse and have none, by a table of all pairs."""
    shape = len(senders), len(receivers)
    free = np.triu(np.ones(shape, bool), 1) if mirrored else senders[:, None] != receivers
    free.flat[codes] = False
    return np.flatnonzero(free)


def _coded(
    pre: NDArray[np.int64], post: NDArray[np.int64], shape: tuple[int, int], mirrored: bool
) -> NDArray[np.int64]:
    if mirrored:
        pre, post = np.minimum(pre, post), np.maximum(pre, post)
    return pre * shape[1] + post


def _alone(codes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which codes occur once."""
    order = np.argsort(codes)
    same = np.diff(codes[order]) == 0
    alone = np.ones(len(codes), bool)
    alone[order[1:][same]] = alone[order[:-1][same]] = False
    return alone
