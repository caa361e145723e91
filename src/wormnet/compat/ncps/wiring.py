"""The wiring that a user of ncps fills, and that all others derive from."""

import inspect
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from wormnet.compat.ncps.drawing import draw_graph, get_graph
from wormnet.compat.ncps.notices import tell
from wormnet.errors import WiringError
from wormnet.wiring.check import number

__all__ = ["Wiring"]


class Wiring:
    """A wiring without synapses, to be filled by `add_synapse` and `add_sensory_synapse`, or by a class of its own.

    Args: units: number of neurons.

    Attributes:
        units, input_dim, output_dim: numbers of neurons, inputs and motor neurons; input_dim is None until it is built.
        adjacency_matrix: (units, units) signs of the synapses [sender, receiver].
        sensory_adjacency_matrix: (inputs, units) likewise; None until it is built.

    >>> wiring = Wiring(3)
    >>> wiring.set_output_dim(1)
    >>> wiring.build(2)
    >>> wiring.add_sensory_synapse(0, 2, polarity=1)
    >>> wiring.add_synapse(2, 0, polarity=-1)
    >>> wiring.synapse_count, wiring.sensory_synapse_count
    (1, 1)
    """

    MATRICES: ClassVar = ("adjacency_matrix", "sensory_adjacency_matrix")

    def __init__(self, units: int):
        self.units = number("units", units, 1)
        self.adjacency_matrix: NDArray[Any] = np.zeros([units, units], dtype=np.int32)
        self.sensory_adjacency_matrix: NDArray[Any] | None = None
        self.input_dim: int | None = None
        self.output_dim: int | None = None

    # -- sizes ---------------------------------------------------------------------------------------------------------

    @property
    def num_layers(self) -> int:
        """In how many layers a CfC updates the neurons."""
        return 1

    def get_neurons_of_layer(self, layer_id: int) -> list[int]:
        """The neurons of a layer, in the order of a CfC's state."""
        return list(range(self.units))

    def get_type_of_neuron(self, neuron_id: int) -> str:
        """ "motor" for those that are read out, else "inter"."""
        return "motor" if neuron_id < (self.output_dim or 0) else "inter"

    @property
    def synapse_count(self) -> int:
        """How many synapses there are between neurons."""
        return int(np.abs(self.adjacency_matrix).sum())

    @property
    def sensory_synapse_count(self) -> int:
        """How many synapses there are from inputs."""
        return int(np.abs(self._built()).sum())

    def set_input_dim(self, input_dim: int) -> None:
        """Set the number of inputs, without synapses."""
        self.input_dim = number("input_dim", input_dim, 0)
        self.sensory_adjacency_matrix = np.zeros([input_dim, self.units], dtype=np.int32)

    def set_output_dim(self, output_dim: int) -> None:
        """Set the number of motor neurons."""
        self.output_dim = number("output_dim", output_dim, 1, self.units, "the number of neurons")

    # -- building ------------------------------------------------------------------------------------------------------

    def is_built(self) -> bool:
        """Whether the number of inputs is known."""
        return self.input_dim is not None

    def build(self, input_dim: int) -> None:
        """Set the number of inputs and draw the synapses that depend on it; a second time nothing is drawn.

        Raises: WiringError if it is built for another number of inputs.
        """
        if self._is_new(input_dim):
            self.set_input_dim(input_dim)

    def _is_new(self, input_dim: int) -> bool:
        """Whether `build` has anything to do."""
        if self.input_dim is None:
            return True
        if self.input_dim != input_dim:
            raise WiringError(
                f"Conflicting input dimensions: this wiring was built for {self.input_dim} inputs and is asked for "
                f"{input_dim}. Layers with different inputs take a wiring each."
            )
        if hasattr(self, "_rng"):
            tell("build")
        return False

    def _built(self) -> NDArray[Any]:
        """The synapses from inputs."""
        if self.sensory_adjacency_matrix is None:
            raise WiringError("the wiring is not built yet: its number of inputs is unknown. Call build(inputs).")
        return self.sensory_adjacency_matrix

    def add_synapse(self, src: int, dest: int, polarity: int) -> None:
        """Join two neurons, or change the sign of their synapse."""
        self._prove_ends(src, "units", self.units, dest, polarity)
        self.adjacency_matrix[src, dest] = polarity

    def add_sensory_synapse(self, src: int, dest: int, polarity: int) -> None:
        """Join an input to a neuron, or change the sign of their synapse. After `build` only."""
        matrix = self._built()
        self._prove_ends(src, "inputs", len(matrix), dest, polarity)
        matrix[src, dest] = polarity

    def _prove_ends(self, src: int, what: str, n: int, dest: int, polarity: int) -> None:
        for word, cell, cells, of in (("from", src, what, n), ("to", dest, "units", self.units)):
            if not 0 <= cell < of:
                raise WiringError(f"a synapse {word} {cell} cannot be; there are {of} {cells}: 0 to {of - 1}.")
        if polarity not in (-1, 1):
            raise WiringError(f"polarity is {polarity!r}; it takes -1 or 1.")

    def erev_initializer(self, shape: Any = None, dtype: Any = None) -> NDArray[Any]:
        """(units, units) reversal potentials that an LTC starts with."""
        return np.copy(self.adjacency_matrix)

    def sensory_erev_initializer(self, shape: Any = None, dtype: Any = None) -> NDArray[Any]:
        """(inputs, units) reversal potentials that an LTC starts with."""
        return np.copy(self._built())

    # -- as data -------------------------------------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """The wiring as plain data."""
        return {"units": self.units, "output_dim": self.output_dim, **self._state()}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "Wiring":
        """The wiring of a configuration, edits included, as an object of the class that is asked.

        Raises: WiringError if the class takes arguments that the configuration lacks.
        """
        takes = inspect.signature(cls).parameters.values()
        given = {one.name: config[one.name] for one in takes if one.name in config}
        lacks = [one.name for one in takes if one.default is one.empty and one.name not in given]
        if lacks:
            raise WiringError(
                f"{cls.__name__} takes {', '.join(lacks)}, which its configuration lacks; give the class a get_config "
                "that returns what its constructor takes."
            )
        wiring = cls(**given)
        if config.get("output_dim") is not None:
            wiring.output_dim = config["output_dim"]
        if config.get("adjacency_matrix") is not None:
            wiring.input_dim = config.get("input_dim")
            for name in cls.MATRICES:
                matrix = config.get(name)
                setattr(wiring, name, None if matrix is None else np.array(matrix))
        return wiring

    def _state(self) -> dict[str, Any]:
        matrices = {name: getattr(self, name) for name in self.MATRICES}
        plain = {name: None if one is None else np.asarray(one).tolist() for name, one in matrices.items()}
        return {**plain, "input_dim": self.input_dim}

    def _drawn_from(self, kind: type["Wiring"], arguments: dict[str, Any]) -> dict[str, Any]:
        """The arguments that draw this wiring, and its matrices if it was edited since."""
        fresh = kind(**arguments)
        if self.input_dim is not None:
            fresh.build(self.input_dim)
        same = all(np.array_equal(getattr(self, name), getattr(fresh, name)) for name in self.MATRICES)
        return arguments if same else {**arguments, **self._state()}

    get_graph = get_graph
    draw_graph = draw_graph
