"""Neural circuit policies: inputs -> inter -> command (recurrent) -> motor."""

import numpy as np
from numpy.typing import NDArray

from wormnet.wiring import check
from wormnet.wiring.core import Wiring
from wormnet.wiring.signature import by_keyword

__all__ = ["auto_ncp", "ncp"]


@by_keyword(
    example="ncp(inputs=8, inter=12, command=6, motor=1, sensory_fanout=6, inter_fanout=4, recurrent_command=6, "
    "motor_fanin=6)",
    ncps={
        "inter_neurons": "inter",
        "command_neurons": "command",
        "motor_neurons": "motor",
        "recurrent_command_synapses": "recurrent_command",
    },
)
def ncp(
    *,
    inputs: int,
    inter: int,
    command: int,
    motor: int,
    sensory_fanout: int,
    inter_fanout: int,
    recurrent_command: int,
    motor_fanin: int,
    seed: int = 0,
) -> Wiring:
    """A neural circuit policy: four layers of cells with sparse random synapses between neighbours.

    1. Every input sends to `sensory_fanout` distinct inter neurons.
    2. Every inter neuron sends to `inter_fanout` distinct command neurons.
    3. `recurrent_command` distinct synapses join command neurons with each other (or with themselves).
    4. Every motor neuron receives from `motor_fanin` distinct command neurons.

    After 1 and 2, a neuron that nothing reached receives from as many random senders as the others do on average;
    after 4, a command neuron that sends to no motor neuron does so to as many as the others do on average. So every
    neuron is reached by an input, and every command neuron has a say. Each synapse is excitatory or inhibitory with
    probability one half.

    Args:
        inputs, inter, command, motor: numbers of cells, each at least 1. The motor neurons are the outputs.
        sensory_fanout: 1 to `inter`.   inter_fanout: 1 to `command`.
        recurrent_command: 0 to `command` squared.   motor_fanin: 1 to `command`.
        seed: same seed, same wiring.

    Returns: a Wiring with cells in0.., inter0.., command0.., motor0.., updated layer by layer in this order.
    Raises: WiringError if a number is out of its range.
    Source: Lechner et al. 2020, Nat. Mach. Intell. 2, 642-652, Algorithms 2-6. The repair after step 4 is that of the
    authors' package, not of the paper.

    >>> ncp(inputs=32, inter=12, command=6, motor=1,
    ...     sensory_fanout=6, inter_fanout=4, recurrent_command=6, motor_fanin=6)
    Wiring(32 inputs, 19 neurons, 1 output, 252 synapses)
    """
    for name, value in (("inputs", inputs), ("inter", inter), ("command", command), ("motor", motor)):
        check.number(name, value, 1)
    check.number("sensory_fanout", sensory_fanout, 1, inter, "the number of inter neurons")
    check.number("inter_fanout", inter_fanout, 1, command, "the number of command neurons")
    check.number("recurrent_command", recurrent_command, 0, command**2, "the number of pairs of command neurons")
    check.number("motor_fanin", motor_fanin, 1, command, "the number of command neurons")

    rng = check.generator(seed)
    into_inter = _fan_out(rng, inputs, inter, sensory_fanout)
    into_command = _fan_out(rng, inter, command, inter_fanout)
    among_command = np.divmod(np.sort(rng.choice(command * command, recurrent_command, replace=False)), command)
    motor_neuron, sender = _fan_out(rng, motor, command, motor_fanin)  # motor neurons choose their senders
    by_sender = np.lexsort((motor_neuron, sender))
    into_motor = sender[by_sender], motor_neuron[by_sender]

    blocks = (into_inter, into_command, among_command, into_motor)
    first_inter, first_command, first_motor = inputs, inputs + inter, inputs + inter + command
    pre_at = (0, first_inter, first_command, first_command)
    post_at = (first_inter, first_command, first_command, first_motor)
    pre = np.concatenate([pre + at for (pre, _), at in zip(blocks, pre_at, strict=True)])
    post = np.concatenate([post + at for (_, post), at in zip(blocks, post_at, strict=True)])
    groups = (("inter", inter), ("command", command), ("motor", motor))
    neurons = [f"{role}{i}" for role, n in groups for i in range(n)]
    return Wiring(
        inputs,
        neurons,
        roles=[role for role, n in groups for _ in range(n)],
        outputs=neurons[-motor:],
        layers=np.repeat([0, 1, 2], [inter, command, motor]),
        pre=pre,
        post=post,
        sign=rng.choice([-1, 1], len(pre)),
        source="Lechner et al. 2020, Nat. Mach. Intell. 2, 642-652",
    )


@by_keyword(
    example="auto_ncp(inputs=8, neurons=19, outputs=2)",
    ncps={"units": "neurons", "output_size": "outputs", "sparsity_level": "sparsity"},
)
def auto_ncp(*, inputs: int, neurons: int, outputs: int, sparsity: float = 0.5, seed: int = 0) -> Wiring:
    """A neural circuit policy from its size alone.

    Of the neurons, `outputs` are motor neurons; 40 % of the rest are command neurons, the others inter neurons. With
    density d = 1 - sparsity, rounded down and at least 1: sensory_fanout = d inter, inter_fanout = d command,
    recurrent_command = 2 d command, motor_fanin = d command.

    Args:
        inputs: at least 1.   neurons: in all, at least outputs + 2.   outputs: at least 1.
        sparsity: share of the possible synapses between neighbouring layers left out, 0 <= sparsity < 1.
        seed: same seed, same wiring.

    Returns: a Wiring, as `ncp` does.   Raises: WiringError if a number is out of its range.
    Source: the rule is that of the `ncps` package (AutoNCP), facts only.

    >>> auto_ncp(inputs=32, neurons=19, outputs=1)
    Wiring(32 inputs, 19 neurons, 1 output, 207 synapses)
    """
    check.number("inputs", inputs, 1)
    check.number("outputs", outputs, 1)
    check.number("neurons", neurons, outputs + 2)
    density = 1.0 - check.sparsity(sparsity)
    command = max(int(0.4 * (neurons - outputs)), 1)
    inter = neurons - outputs - command
    return ncp(
        inputs=inputs,
        inter=inter,
        command=command,
        motor=outputs,
        sensory_fanout=max(int(inter * density), 1),
        inter_fanout=max(int(command * density), 1),
        # Twice the density, but never more synapses than there are pairs (one command neuron has one).
        recurrent_command=min(max(int(2 * command * density), 1), command**2),
        motor_fanin=max(int(command * density), 1),
        seed=seed,
    )


def _fan_out(
    rng: np.random.Generator, senders: int, receivers: int, fan_out: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(pre, post), sorted: each sender to `fan_out` receivers, then the repair of unreached receivers."""
    codes = [sender * receivers + rng.choice(receivers, fan_out, replace=False) for sender in range(senders)]
    fan_in = min(max(round(senders * fan_out / receivers), 1), senders)
    unreached = np.flatnonzero(np.bincount(np.concatenate(codes) % receivers, minlength=receivers) == 0)
    codes += [rng.choice(senders, fan_in, replace=False) * receivers + receiver for receiver in unreached]
    return np.divmod(np.sort(np.concatenate(codes)), receivers)
