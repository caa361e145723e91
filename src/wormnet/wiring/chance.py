"""Wirings without a plan: dense, random, small-world. In each, an input reaches every neuron."""

import numpy as np
from numpy.typing import NDArray

from wormnet.errors import WiringError
from wormnet.wiring import check
from wormnet.wiring.core import Wiring
from wormnet.wiring.signature import by_keyword

__all__ = ["dense", "random", "small_world"]


@by_keyword(
    example="dense(inputs=8, neurons=19, outputs=2)",
    ncps={"units": "neurons", "output_dim": "outputs", "erev_init_seed": "seed"},
)
def dense(inputs: int, neurons: int, outputs: int | None = None, *, seed: int = 0, recurrent: bool = True) -> Wiring:
    """Every cell sends to every neuron, itself included. Each sign is +1 or -1 with probability one half.

    Args:
        inputs: at least 0, without `recurrent` at least 1.   neurons: at least 1.
        outputs: the last so many neurons are the outputs and have the role "motor"; None: all neurons are read out.
        seed: of the signs; same seed, same wiring.
        recurrent: whether neurons send too, or the inputs only.

    Raises: WiringError if a number is out of its range.

    >>> dense(4, 8)
    Wiring(4 inputs, 8 neurons, 8 outputs, 96 synapses)
    >>> dense(4, 8, outputs=2, recurrent=False).outputs
    ('n6', 'n7')
    """
    check.number("inputs", inputs, 0 if recurrent else 1)
    check.number("neurons", neurons, 1)
    codes = np.arange((inputs + neurons if recurrent else inputs) * neurons)
    return _wiring(inputs, neurons, codes, outputs, check.generator(seed), f"dense(seed={seed})")


@by_keyword(
    example="random(inputs=8, neurons=19, outputs=2, sparsity=0.5)",
    ncps={"units": "neurons", "output_dim": "outputs", "sparsity_level": "sparsity", "random_seed": "seed"},
)
def random(
    *,
    inputs: int,
    neurons: int,
    outputs: int | None = None,
    sparsity: float | None = None,
    synapses: int | None = None,
    recurrent: bool = True,
    seed: int = 0,
) -> Wiring:
    """Synapses drawn uniformly from all pairs of a cell and a neuron, itself included, so that inputs reach all.

    The number of synapses is exactly round((1 - sparsity) pairs), pairs = (inputs + neurons) neurons. If the draw
    leaves neurons that no input reaches, synapses without which all the others still are reached move to them.

    Args:
        inputs, neurons: at least 1.
        outputs: the last so many neurons are the outputs and have the role "motor"; None: all neurons are read out.
        sparsity: share of the pairs left out, 0 <= sparsity < 1.   synapses: or how many there are. Give one of both.
        recurrent: False draws from pairs of an input and a neuron only, as for a sparse feed-forward layer.
        seed: same seed, same wiring.

    Raises: WiringError if a number is out of its range, or there are fewer synapses than neurons to be reached.

    >>> random(inputs=8, neurons=20, outputs=2, sparsity=0.9)
    Wiring(8 inputs, 20 neurons, 2 outputs, 56 synapses)
    >>> random(inputs=8, neurons=20, outputs=2, sparsity=0.99)
    Traceback (most recent call last):
    wormnet.errors.WiringError: sparsity 0.99 leaves 6 of 560 synapses, but 20 neurons take at least 20 to be reached \
by an input. Use sparsity <= 0.9642.
    """
    check.number("inputs", inputs, 1)
    check.number("neurons", neurons, 1)
    pairs = (inputs + neurons if recurrent else inputs) * neurons
    if (sparsity is None) == (synapses is None):
        raise WiringError(f"random is given sparsity={sparsity} and synapses={synapses}; it takes one of the two.")
    if synapses is not None:
        number = check.number("synapses", synapses, neurons, pairs, f"from one per neuron to all {pairs} pairs")
        how = f"synapses={synapses}"
    else:
        number = round((1 - check.sparsity(sparsity)) * pairs)
        how = f"sparsity={sparsity}"
    if number < neurons:
        raise WiringError(
            f"sparsity {sparsity} leaves {number} of {pairs} synapses, but {neurons} neurons take at least {neurons} "
            f"to be reached by an input. Use sparsity <= {np.floor((1 - neurons / pairs) * 1e4) / 1e4:g}."
        )
    rng = check.generator(seed)
    codes = np.sort(rng.choice(pairs, number, replace=False, shuffle=False))
    codes = _moved_to_unreached(rng, inputs, neurons, codes, recurrent)
    return _wiring(inputs, neurons, codes, outputs, rng, f"random({how}, seed={seed})")


@by_keyword(example="small_world(inputs=8, neurons=20, outputs=2)")
def small_world(
    *,
    inputs: int,
    neurons: int,
    outputs: int | None = None,
    neighbours: int = 4,
    rewiring: float = 0.1,
    sensory_fanout: int | None = None,
    seed: int = 0,
) -> Wiring:
    """A ring of neurons with shortcuts: most synapses are local, and yet every neuron is a few synapses away.

    Each neuron sends to its `neighbours` nearest on the ring, half of them on either side; with probability
    `rewiring` a synapse goes to a random neuron instead, never to its own and never twice to one. Each input sends
    to `sensory_fanout` random neurons. Shortcuts that cut a neuron off from all inputs are taken back.

    Args:
        inputs: at least 1.   neurons: more than `neighbours`.
        outputs: the last so many neurons are the outputs and have the role "motor"; None: all neurons are read out.
        neighbours: even, at least 2.   rewiring: 0 (a ring) to 1 (random).
        sensory_fanout: 1 to `neurons`; None: as many as `neighbours`.
        seed: same seed, same wiring.

    Raises: WiringError if a number is out of its range.
    Source: Watts & Strogatz 1998, Nature 393, 440-442, here with directed synapses.

    >>> small_world(inputs=2, neurons=20, outputs=1)
    Wiring(2 inputs, 20 neurons, 1 output, 88 synapses)
    """
    check.number("inputs", inputs, 1)
    check.number("neurons", neurons, 3)
    check.number("neighbours", neighbours, 2, neurons - 1, "one less than the neurons")
    if neighbours % 2:
        raise WiringError(f"neighbours is {neighbours}; it takes an even number, half of them on either side.")
    check.share("rewiring", rewiring)
    fan_out = neighbours if sensory_fanout is None else sensory_fanout
    check.number("sensory_fanout", fan_out, 1, neurons, "the number of neurons")

    rng = check.generator(seed)
    steps = np.arange(1, neighbours // 2 + 1)
    ring = (np.arange(neurons)[:, None] + np.concatenate([steps, -steps])) % neurons
    target = ring.copy()
    for sender, receivers in enumerate(target):
        taken = np.sort(np.append(receivers, sender))
        n_others = neurons - len(taken)
        moved = np.flatnonzero(rng.random(neighbours) < rewiring)[:n_others]
        receivers[moved] = _nth_others(rng.choice(n_others, len(moved), replace=False), taken)
    from_inputs = [i * neurons + np.sort(rng.choice(neurons, fan_out, replace=False)) for i in range(inputs)]

    def rebuilt() -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        inner = np.sort(target + (inputs + np.arange(neurons)[:, None]) * neurons, axis=1)
        codes = np.concatenate([*from_inputs, inner.ravel()])
        reached = np.zeros(neurons, bool)
        _spread(_Senders(codes, inputs + neurons, neurons), inputs, np.arange(inputs), reached)
        return codes, reached

    # Each turn takes one shortcut back, and the ring without any is reached in all its parts.
    codes, reached = rebuilt()
    while not reached.all():
        sender, slot = _cut_shortcut(reached, len(steps))
        target[sender, slot] = ring[sender, slot]
        codes, reached = rebuilt()
    return _wiring(inputs, neurons, codes, outputs, rng, f"small_world(rewiring={rewiring}, seed={seed})")


# A synapse is coded as sender * neurons + receiver, a neuron number; a wiring's codes are sorted. Memory so follows the
# number of synapses; a table of all pairs of a fruit fly's 139,000 neurons would take 19 GB.


def _wiring(
    inputs: int, neurons: int, codes: NDArray[np.int64], outputs: int | None, rng: np.random.Generator, source: str
) -> Wiring:
    """The wiring with these synapses and random signs."""
    if outputs is not None:
        check.number("outputs", outputs, 1, neurons, "the number of neurons")
    return Wiring(
        inputs,
        neurons,
        roles="unknown" if outputs is None else ["inter"] * (neurons - outputs) + ["motor"] * outputs,
        outputs=None if outputs is None else range(neurons - outputs, neurons),
        pre=codes // neurons,
        post=codes % neurons + inputs,
        sign=rng.choice([-1, 1], len(codes)),
        source=source,
    )


class _Senders:
    """Synapses by their senders, with some of them out of use."""

    def __init__(self, codes: NDArray[np.int64], cells: int, neurons: int):
        self.codes, self.neurons = codes, neurons
        self.start = np.searchsorted(codes, np.arange(cells + 1) * neurons)
        self.used = np.ones(len(codes), bool)

    def of(self, cells: NDArray[np.int64]) -> NDArray[np.int64]:
        """The places in `codes` of what these cells send, in their order."""
        cells = cells[cells < len(self.start) - 1]
        first, n = self.start[cells], self.start[cells + 1] - self.start[cells]
        places = np.repeat(first - np.concatenate([[0], np.cumsum(n)[:-1]]), n) + np.arange(n.sum())
        return places[self.used[places]]


def _spread(
    senders: _Senders,
    inputs: int,
    cells: NDArray[np.int64],
    reached: NDArray[np.bool_],
    tree: NDArray[np.bool_] | None = None,
) -> None:
    """Mark as reached what these cells reach; with `tree`, mark there the synapse that reached each neuron first."""
    while len(cells):
        places = senders.of(cells)
        receivers = senders.codes[places] % senders.neurons
        places, receivers = places[~reached[receivers]], receivers[~reached[receivers]]
        new, first = np.unique(receivers, return_index=True)
        if tree is not None:
            tree[places[first]] = True
        reached[new] = True
        cells = new + inputs


def _moved_to_unreached(
    rng: np.random.Generator, inputs: int, neurons: int, codes: NDArray[np.int64], recurrent: bool
) -> NDArray[np.int64]:
    """The synapses, with some moved, so that inputs reach every neuron.

    The synapses along which reach spread form a forest with one synapse per reached neuron. Any other may move; there
    is one as long as a neuron is unreached, since there are at least as many synapses as neurons.
    """
    cells = inputs + neurons if recurrent else inputs
    senders = _Senders(codes, cells, neurons)
    tree, reached, new = np.zeros(len(codes), bool), np.zeros(neurons, bool), []
    _spread(senders, inputs, np.arange(inputs), reached, tree)
    while not reached.all():
        receiver = rng.choice(np.flatnonzero(~reached))
        may_send = np.concatenate([np.arange(inputs), np.flatnonzero(reached) + inputs])
        sender = rng.choice(may_send[may_send < cells])
        senders.used[rng.choice(np.flatnonzero(senders.used & ~tree))] = False
        # Part of the forest, like its receiver reached from now on: neither moves nor leads on to anything new.
        new.append(sender * neurons + receiver)
        reached[receiver] = True
        _spread(senders, inputs, np.array([receiver + inputs]), reached, tree)
    return np.sort(np.concatenate([codes[senders.used], np.array(new, np.int64)]))


def _nth_others(places: NDArray[np.int64], taken: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of the whole numbers that are not taken (sorted) those at these places."""
    # Up to taken[i] there are taken[i] - i others.
    return places + np.searchsorted(taken - np.arange(len(taken)), places, side="right")


def _cut_shortcut(reached: NDArray[np.bool_], neighbours: int) -> tuple[int, int]:
    """A reached neuron beside an unreached one on the ring, and the slot of its synapse in that direction."""
    n = len(reached)
    return next(
        beside
        for unreached in np.flatnonzero(~reached).tolist()
        for beside in sorted([((unreached - 1) % n, 0), ((unreached + 1) % n, neighbours)])
        if reached[beside[0]]
    )
