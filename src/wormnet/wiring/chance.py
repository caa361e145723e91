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
    sends = np.ones((inputs + neurons if recurrent else inputs, neurons), bool)
    return _wiring(inputs, sends, outputs, check.generator(seed), f"dense(seed={seed})")


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
    sends = np.zeros(pairs, bool)
    sends[rng.choice(pairs, number, replace=False, shuffle=False)] = True
    sends = sends.reshape(-1, neurons)
    _move_to_unreached(rng, inputs, sends)
    return _wiring(inputs, sends, outputs, rng, f"random({how}, seed={seed})")


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
        others = np.setdiff1d(np.arange(neurons), [sender, *receivers])
        moved = np.flatnonzero(rng.random(neighbours) < rewiring)[: len(others)]
        receivers[moved] = rng.choice(others, len(moved), replace=False)
    sends = np.zeros((inputs + neurons, neurons), bool)
    for i in range(inputs):
        sends[i, rng.choice(neurons, fan_out, replace=False)] = True

    def rebuilt() -> NDArray[np.bool_]:
        sends[inputs:] = False
        np.put_along_axis(sends[inputs:], target, True, axis=1)
        reached = np.zeros(neurons, bool)
        _spread(sends, inputs, np.arange(inputs), reached)
        return reached

    # Each turn takes one shortcut back, and the ring without any is reached in all its parts.
    while not (reached := rebuilt()).all():
        cut_off = (ring[:, [0, -len(steps)]] == np.flatnonzero(~reached)[:, None, None]) & reached[:, None]
        _, sender, side = np.argwhere(cut_off)[0]
        slot = 0 if side == 0 else neighbours - len(steps)
        target[sender, slot] = ring[sender, slot]
    return _wiring(inputs, sends, outputs, rng, f"small_world(rewiring={rewiring}, seed={seed})")


def _wiring(
    inputs: int, sends: NDArray[np.bool_], outputs: int | None, rng: np.random.Generator, source: str
) -> Wiring:
    """The wiring of an adjacency (cells that send, neurons), with random signs."""
    neurons = sends.shape[1]
    if outputs is not None:
        check.number("outputs", outputs, 1, neurons, "the number of neurons")
    pre, post = np.nonzero(sends)
    return Wiring(
        inputs,
        neurons,
        roles="unknown" if outputs is None else ["inter"] * (neurons - outputs) + ["motor"] * outputs,
        outputs=None if outputs is None else range(neurons - outputs, neurons),
        pre=pre,
        post=post + inputs,
        sign=rng.choice([-1, 1], len(pre)),
        source=source,
    )


def _spread(
    sends: NDArray[np.bool_],
    inputs: int,
    cells: NDArray[np.int64],
    reached: NDArray[np.bool_],
    tree: NDArray[np.bool_] | None = None,
) -> None:
    """Mark as reached what these cells reach; with `tree`, mark there the synapse that reached each neuron first."""
    while len(cells):
        cells = cells[cells < len(sends)]
        new = np.flatnonzero(sends[cells].any(axis=0) & ~reached)
        if tree is not None and len(new):
            tree[cells[sends[np.ix_(cells, new)].argmax(axis=0)], new] = True
        reached[new] = True
        cells = new + inputs


def _move_to_unreached(rng: np.random.Generator, inputs: int, sends: NDArray[np.bool_]) -> None:
    """Move synapses, in place and their number kept, until inputs reach every neuron.

    The synapses along which reach spread form a forest with one synapse per reached neuron. Any other may move; there
    is one as long as a neuron is unreached, since there are at least as many synapses as neurons.
    """
    tree, reached = np.zeros_like(sends), np.zeros(sends.shape[1], bool)
    _spread(sends, inputs, np.arange(inputs), reached, tree)
    while not reached.all():
        receiver = rng.choice(np.flatnonzero(~reached))
        senders = np.concatenate([np.arange(inputs), np.flatnonzero(reached) + inputs])
        sender = rng.choice(senders[senders < len(sends)])
        spare = rng.choice(np.flatnonzero(sends & ~tree))
        sends.flat[spare] = False
        sends[sender, receiver] = tree[sender, receiver] = reached[receiver] = True
        _spread(sends, inputs, np.array([receiver + inputs]), reached, tree)
