"""The wirings of `ncps.wirings`: the same synapses from the same seeds.

As in ncps, a wiring is told its number of inputs by `build`, may be edited until a layer is made on it, numbers its
motor neurons first, and keeps its synapses in matrices [sender, receiver] of +1, -1 and 0. The layers take a copy.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wormnet.compat.ncps.wiring import Wiring
from wormnet.errors import WiringError
from wormnet.wiring.check import number, share

__all__ = ["NCP", "AutoNCP", "FullyConnected", "Random", "Wiring"]

MOSTLY_EXCITATORY, EITHER = [-1, 1, 1], [-1, 1]
"""What a sign is drawn from."""


class FullyConnected(Wiring):
    """Every cell sends to every neuron; two synapses in three are excitatory.

    Args:
        units: number of neurons.   output_dim: the first so many are read out; None for all.
        erev_init_seed: of the signs.   self_connections: whether neurons send to themselves.

    >>> wiring = FullyConnected(3, 1, self_connections=False)
    >>> wiring.build(2)
    >>> wiring.synapse_count, wiring.sensory_synapse_count
    (6, 6)
    """

    def __init__(
        self, units: int, output_dim: int | None = None, erev_init_seed: int = 1111, self_connections: bool = True
    ):
        super().__init__(units)
        self.set_output_dim(units if output_dim is None else output_dim)
        self.self_connections, self._erev_init_seed = self_connections, erev_init_seed
        self._rng = np.random.default_rng(erev_init_seed)
        joined = np.ones((units, units), bool) if self_connections else ~np.eye(units, dtype=bool)
        self.adjacency_matrix[joined] = self._rng.choice(MOSTLY_EXCITATORY, joined.sum())

    def build(self, input_dim: int) -> None:
        """See `Wiring.build`."""
        if self._is_new(input_dim):
            self.set_input_dim(input_dim)
            self._built()[:] = self._rng.choice(MOSTLY_EXCITATORY, (input_dim, self.units))

    def get_config(self) -> dict[str, Any]:
        """The arguments, and the matrices of an edited wiring."""
        arguments = {"units": self.units, "output_dim": self.output_dim, "erev_init_seed": self._erev_init_seed}
        return self._drawn_from(FullyConnected, {**arguments, "self_connections": self.self_connections})


class Random(Wiring):
    """Synapses drawn uniformly from all pairs of neurons, and of inputs and neurons; two in three are excitatory.

    Args:
        units: number of neurons.   output_dim: the first so many are read out; None for all.
        sparsity_level: share of the pairs left out, 0 to below 1.   random_seed: of the draw.

    >>> wiring = Random(10, 2, sparsity_level=0.9)
    >>> wiring.build(5)
    >>> wiring.synapse_count, wiring.sensory_synapse_count
    (10, 5)
    """

    def __init__(self, units: int, output_dim: int | None = None, sparsity_level: float = 0.0, random_seed: int = 1111):
        super().__init__(units)
        self.set_output_dim(units if output_dim is None else output_dim)
        if not 0.0 <= sparsity_level < 1.0:
            raise WiringError(f"Invalid sparsity level {sparsity_level!r}; it takes 0 to below 1.")
        self.sparsity_level, self._random_seed = sparsity_level, random_seed
        self._rng = np.random.default_rng(random_seed)
        places = self._draw(units)
        self.adjacency_matrix.flat[places] = self._rng.choice(MOSTLY_EXCITATORY, len(places))

    def _draw(self, senders: int) -> NDArray[np.int64]:
        pairs = senders * self.units
        return self._rng.choice(pairs, int(np.round(pairs * (1 - self.sparsity_level))), replace=False)

    def build(self, input_dim: int) -> None:
        """See `Wiring.build`."""
        if self._is_new(input_dim):
            self.set_input_dim(input_dim)
            places = self._draw(input_dim)
            # ncps draws each of these signs twice and keeps the second.
            self._built().flat[places] = self._rng.choice(MOSTLY_EXCITATORY, (len(places), 2))[:, 1]

    def get_config(self) -> dict[str, Any]:
        """The arguments, and the matrices of an edited wiring."""
        arguments = {"units": self.units, "output_dim": self.output_dim, "sparsity_level": self.sparsity_level}
        return self._drawn_from(Random, {**arguments, "random_seed": self._random_seed})


class NCP(Wiring):
    """A neural circuit policy: inputs -> inter -> command (recurrent) -> motor neurons; half are excitatory.

    Args:
        inter_neurons, command_neurons, motor_neurons: numbers of neurons. Motor neurons are numbered first, then
            command, then inter neurons.
        sensory_fanout, inter_fanout: how many inter neurons each input, command neurons each inter neuron sends to.
        recurrent_command_synapses: how many draws of a synapse between command neurons.
        motor_fanin: how many command neurons each motor neuron receives from.
        seed: of the draw.

    Raises: WiringError for a number that is out of its range.
    Source: Lechner et al. 2020, Nat. Mach. Intell. 2, 642-652; `wormnet.ncp` is the same design.

    >>> wiring = NCP(10, 10, 8, 6, 6, 4, 6)
    >>> wiring.build(20)
    >>> wiring.units, wiring.output_dim, wiring.get_type_of_neuron(8)
    (28, 8, 'command')
    """

    def __init__(
        self,
        inter_neurons: int,
        command_neurons: int,
        motor_neurons: int,
        sensory_fanout: int,
        inter_fanout: int,
        recurrent_command_synapses: int,
        motor_fanin: int,
        seed: int | None = 22222,
    ):
        inter = number("inter_neurons", inter_neurons, 1)
        command = number("command_neurons", command_neurons, 1)
        motor = number("motor_neurons", motor_neurons, 1)
        super().__init__(inter + command + motor)
        self.set_output_dim(motor)
        number("sensory_fanout", sensory_fanout, 0, inter, "the number of inter neurons")
        number("inter_fanout", inter_fanout, 0, command, "the number of command neurons")
        number("motor_fanin", motor_fanin, 0, command, "the number of command neurons")
        number("recurrent_command_synapses", recurrent_command_synapses, 0)
        self._sizes = {"inter_neurons": inter, "command_neurons": command, "motor_neurons": motor}
        self._fans = {
            "sensory_fanout": sensory_fanout,
            "inter_fanout": inter_fanout,
            "recurrent_command_synapses": recurrent_command_synapses,
            "motor_fanin": motor_fanin,
        }
        self._seed = seed
        # The generator of ncps, so that a seed gives its synapses.
        self._rng = np.random.RandomState(seed)
        ends = [0, motor, motor + command, self.units]
        self._layers = [list(range(start, stop)) for start, stop in zip(ends[-2::-1], ends[:0:-1], strict=True)]

    @property
    def num_layers(self) -> int:
        """Three: inter, command and motor neurons."""
        return 3

    def get_neurons_of_layer(self, layer_id: int) -> list[int]:
        """Inter neurons (0), command neurons (1), motor neurons (2)."""
        if layer_id not in range(3):
            raise WiringError(f"Unknown layer {layer_id!r}; it takes 0 (inter), 1 (command) or 2 (motor).")
        return self._layers[layer_id]

    def get_type_of_neuron(self, neuron_id: int) -> str:
        """ "inter", "command" or "motor"."""
        inter, command, _ = self._layers
        return "inter" if neuron_id >= inter[0] else "command" if neuron_id >= command[0] else "motor"

    def build(self, input_dim: int) -> None:
        """See `Wiring.build`."""
        if not self._is_new(input_dim):
            return
        self.set_input_dim(input_dim)
        inter, command, motor = self._layers
        fans = self._fans
        self._choose(range(input_dim), inter, fans["sensory_fanout"], self.add_sensory_synapse)
        self._choose(inter, command, fans["inter_fanout"], self.add_synapse)
        for _ in range(fans["recurrent_command_synapses"]):
            ends = self._rng.choice(command), self._rng.choice(command)
            self.add_synapse(*ends, self._rng.choice(EITHER))
        self._choose(motor, command, fans["motor_fanin"], lambda one, other, sign: self.add_synapse(other, one, sign))

    def _choose(self, ones: Iterable[int], others: list[int], fan: int, join: Any) -> None:
        """Each of `ones` chooses `fan` of the others; each of these that none chose then chooses the mean share."""
        ones, forgotten = list(ones), list(others)
        for one in ones:
            for other in self._rng.choice(others, size=fan, replace=False):
                if other in forgotten:
                    forgotten.remove(other)
                join(one, other, self._rng.choice(EITHER))
        share = int(np.clip(int(len(ones) * fan / len(others)), 1, len(ones))) if ones else 0
        for other in forgotten:
            for one in self._rng.choice(ones, size=share, replace=False) if share else ():
                join(one, other, self._rng.choice(EITHER))

    def get_config(self) -> dict[str, Any]:
        """The arguments, and the matrices of an edited wiring. Asking draws nothing."""
        return self._drawn_from(NCP, {**self._sizes, **self._fans, "seed": self._seed})


class AutoNCP(NCP):
    """A neural circuit policy from its size alone: 40 % of the neurons that are not motor are command neurons.

    Args:
        units: number of neurons.   output_size: how many of them are motor neurons, below units - 2.
        sparsity_level: share of the synapses between neighbouring layers left out, 0 to 1.   seed: of the draw.

    Raises: WiringError for a number that is out of its range.

    >>> wiring = AutoNCP(28, 4)
    >>> wiring.build(20)
    >>> wiring.synapse_count, wiring.sensory_synapse_count
    (84, 140)
    """

    def __init__(self, units: int, output_size: int, sparsity_level: float = 0.5, seed: int | None = 22222):
        number("units", units, 4)
        number("output_size", output_size, 1, units - 3, "below the number of units - 2")
        density = 1.0 - share("sparsity_level", sparsity_level)
        self._output_size, self._sparsity_level = output_size, sparsity_level
        command = max(int(0.4 * (units - output_size)), 1)
        inter = units - output_size - command
        by_command = max(int(command * density), 1)
        super().__init__(
            inter,
            command,
            output_size,
            sensory_fanout=max(int(inter * density), 1),
            inter_fanout=by_command,
            recurrent_command_synapses=max(int(command * density * 2), 1),
            motor_fanin=by_command,
            seed=seed,
        )

    def get_config(self) -> dict[str, Any]:
        """The arguments, and the matrices of an edited wiring."""
        arguments = {"units": self.units, "output_size": self._output_size, "sparsity_level": self._sparsity_level}
        return self._drawn_from(AutoNCP, {**arguments, "seed": self._seed})
