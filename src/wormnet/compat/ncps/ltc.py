"""Liquid time-constant networks in the form of ncps: a dense matrix for each parameter, and masks."""

import copy
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from wormnet.compat.ncps.network import Network
from wormnet.compat.ncps.notices import tell
from wormnet.compat.ncps.sequence import Sequence, check_units
from wormnet.compat.ncps.wirings import FullyConnected, Wiring
from wormnet.errors import ArgumentError, WiringError
from wormnet.models.spec import check_choice, check_count, check_flag
from wormnet.nn.convert import LEAST, ltc_model, ltc_places, ltc_values, ltc_wiring

__all__ = ["LTC", "LTCCell", "built"]

STARTS = {
    "gleak": (0.001, 1.0),
    "vleak": (-0.2, 0.2),
    "cm": (0.4, 0.6),
    "sigma": (3.0, 8.0),
    "mu": (0.3, 0.8),
    "w": (0.001, 1.0),
}
"""The bounds of the uniform distributions that parameters are drawn from, before softplus."""

CONSTRAINED = ("w", "sensory_w", "cm", "gleak")
"""Conductances and capacitances."""


def built(wiring: Wiring, inputs: int | None) -> Wiring:
    """A wiring that is built, for this number of inputs; None if it knows it. Raises WiringError if it cannot be."""
    if inputs is not None and not wiring.is_built():
        wiring.build(inputs)
    elif inputs is not None:
        wiring._is_new(inputs)
    if not wiring.is_built():
        raise WiringError("the number of inputs is unknown; pass it, or call build(inputs) of the wiring.")
    if wiring.output_dim is None:
        raise WiringError("the wiring has no motor neurons; say how many there are: set_output_dim(n).")
    return wiring


class LTCCell(nn.Module):
    """A liquid time-constant cell: one sample at a time. Equation and units: `wormnet.models.LTC`.

    Args:
        wiring: of `wormnet.compat.ncps.wirings`; it is copied.
        in_features: number of inputs; None if the wiring is built.
        input_mapping, output_mapping: "affine" (w x + b), "linear" (w x) or None.
        ode_unfolds: sub-steps of a sample.
        epsilon: added to the sum of all conductances.
        implicit_param_constraints: conductances and capacitances are the softplus of what is trained. If not, they are
            what is trained, and kept from below 0 by `apply_weight_constraints`.

    Parameters have the names and shapes of ncps, (senders, receivers), absent synapses included; the masks are buffers.
    Checkpoints of ncps load, and it loads these.

    Raises: WiringError for a wiring without inputs or outputs, and in `load_state_dict` for weights of another wiring.

    >>> cell = LTCCell(FullyConnected(8, 4), 2)
    >>> output, hx = cell(torch.zeros(3, 2), torch.zeros(3, 8))
    >>> output.shape, hx.shape
    (torch.Size([3, 4]), torch.Size([3, 8]))
    """

    sparsity_mask: Tensor
    sensory_sparsity_mask: Tensor

    def __init__(
        self,
        wiring: Wiring,
        in_features: int | None = None,
        input_mapping: str | None = "affine",
        output_mapping: str | None = "affine",
        ode_unfolds: int = 6,
        epsilon: float = 1e-8,
        implicit_param_constraints: bool = False,
    ):
        super().__init__()
        if not isinstance(wiring, Wiring):
            check_units(wiring)
            raise ArgumentError(f"wiring is {wiring!r}; a cell takes a wiring, for example FullyConnected({wiring!r}).")
        check_choice("input_mapping", input_mapping, ("affine", "linear", None))
        check_choice("output_mapping", output_mapping, ("affine", "linear", None))
        check_count("ode_unfolds", ode_unfolds, 1)
        check_flag("implicit_param_constraints", implicit_param_constraints)
        if isinstance(epsilon, bool) or not isinstance(epsilon, (int, float)) or not epsilon >= 0:
            raise ArgumentError(f"epsilon is {epsilon!r}; it takes a number of 0 or more.")
        self._wiring, self._epsilon = copy.deepcopy(built(wiring, in_features)), float(epsilon)
        self._implicit_param_constraints = implicit_param_constraints
        self._allocate(input_mapping, output_mapping)
        wiring = self._wiring
        mask = np.abs(np.concatenate([wiring._built(), wiring.adjacency_matrix]))
        reversal = np.concatenate([wiring.sensory_erev_initializer(), wiring.erev_initializer()])
        frozen = ltc_wiring(wiring, mask, reversal)
        self.network = Network(frozen, ltc_model(ode_unfolds, input_mapping, output_mapping), ltc_places(frozen))
        self.register_load_state_dict_pre_hook(_check_masks)

    def _allocate(self, input_mapping: str | None, output_mapping: str | None) -> None:
        # In the order of ncps, so that a seed of torch gives its numbers.
        n, inputs = self.state_size, self.sensory_size
        wiring = self._wiring
        for prefix, senders, reversal in (
            ("", n, wiring.erev_initializer()),
            ("sensory_", inputs, wiring.sensory_erev_initializer()),
        ):
            for name in ("gleak", "vleak", "cm") if not prefix else ():
                self._draw(name, (n,), name)
            for name in ("sigma", "mu", "w"):
                self._draw(prefix + name, (senders, n), name)
            self._set(prefix + "erev", torch.as_tensor(reversal, dtype=torch.get_default_dtype()))
        for prefix, matrix in (("", wiring.adjacency_matrix), ("sensory_", wiring._built())):
            mask = torch.as_tensor(np.abs(matrix), dtype=torch.get_default_dtype())
            self.register_buffer(f"{prefix}sparsity_mask", mask)
        for word, mapping, size in (("input", input_mapping, inputs), ("output", output_mapping, self.motor_size)):
            if mapping is not None:
                self._set(f"{word}_w", torch.ones(size))
            if mapping == "affine":
                self._set(f"{word}_b", torch.zeros(size))

    def _draw(self, name: str, shape: tuple[int, ...], start: str) -> None:
        low, high = STARTS[start]
        self._set(name, torch.rand(*shape) * (high - low) + low)

    def _set(self, name: str, value: Tensor) -> None:
        self.register_parameter(name, nn.Parameter(value))

    # -- sizes ---------------------------------------------------------------------------------------------------------

    @property
    def state_size(self) -> int:
        """Number of neurons."""
        return self._wiring.units

    @property
    def layer_sizes(self) -> list[int]:
        """All neurons are one layer."""
        return [self.state_size]

    @property
    def sensory_size(self) -> int:
        """Number of inputs."""
        return len(self._wiring._built())

    @property
    def motor_size(self) -> int:
        """Number of outputs."""
        return self._wiring.output_dim or 0

    @property
    def output_size(self) -> int:
        """Number of outputs."""
        return self.motor_size

    @property
    def synapse_count(self) -> int:
        """How many synapses there are between neurons."""
        return self._wiring.synapse_count

    @property
    def sensory_synapse_count(self) -> int:
        """How many synapses there are from inputs."""
        tell("sensory_synapse_count")
        return self._wiring.sensory_synapse_count

    # -- running -------------------------------------------------------------------------------------------------------

    def _positive(self, value: Tensor) -> Tensor:
        return nn.functional.softplus(value) if self._implicit_param_constraints else value.clamp(min=0.0)

    def values(self) -> dict[str, Tensor]:
        """The parameters as they enter the equation of `wormnet.models.LTC`, differentiable."""
        self._keep_constraints()
        names = (*STARTS, "erev", "sparsity_mask")
        p = {name: getattr(self, name) for name in names}
        p |= {f"sensory_{name}": getattr(self, f"sensory_{name}") for name in ("sigma", "mu", "w", *names[-2:])}
        p |= {one: getattr(self, one) for one in ("input_w", "input_b", "output_w", "output_b") if hasattr(self, one)}
        place = self.network.place(p["w"].device)
        assert place is not None
        return ltc_values(p, place, self._positive, self._epsilon)

    def form(self, *, hold: bool) -> tuple[Any, Any, dict[str, Tensor]]:
        """Wiring, model and values for `wormnet.from_ncps`."""
        values = {name: value.detach().double() for name, value in self.values().items()}
        for name in ("capacitance", "leak", "conductance"):
            values[name] = values[name].clamp(min=LEAST[0])
        return self.network.wiring, self.network.model, values

    def apply_weight_constraints(self) -> None:
        """Set conductances and capacitances that are below 0 to 0, unless they are implicitly above."""
        if not self._implicit_param_constraints:
            with torch.no_grad():
                for name in CONSTRAINED:
                    getattr(self, name).data.clamp_(min=0.0)

    def _keep_constraints(self) -> None:
        """Apply the constraints where they were forgotten: a weight below 0 gets no gradient, so would never return."""
        plainly = not torch.compiler.is_compiling() and torch._C._get_tracing_state() is None
        if self._implicit_param_constraints or not plainly or torch._C._are_functorch_transforms_active():
            return
        # Looking would stop a GPU.
        if self.w.device.type == "cpu":
            if not any(bool((getattr(self, name) < 0).any()) for name in CONSTRAINED):
                return
            tell("constraints")
        self.apply_weight_constraints()

    def forward(self, inputs: Tensor, states: Tensor, elapsed_time: Any = 1.0) -> tuple[Tensor, Tensor]:
        """One sample.

        Args:
            inputs: (batch, inputs).   states: (batch, neurons).
            elapsed_time: since the sample before: a number, (batch,) or (batch, 1).

        Returns: (batch, outputs), and the new states.
        """
        return self.network.step(self, inputs, states, elapsed_time)


def _check_masks(module: Any, state_dict: dict[str, Any], prefix: str, *_: Any) -> None:
    """The masks belong to the wiring; weights of another one are refused."""
    for name in ("sparsity_mask", "sensory_sparsity_mask"):
        given, own = state_dict.get(prefix + name), getattr(module, name)
        if given is None or own.is_meta or given.is_meta or given.shape != own.shape:
            continue
        if not torch.equal(given.to(own), own):
            raise WiringError(
                f"these weights belong to another wiring: its {name} has {int((given != 0).sum())} synapses, that of "
                f"this wiring {int((own != 0).sum())}. Make the wiring as it was made then; or take it from the "
                "checkpoint, wormnet.compat.ncps.wiring_of(state_dict, like=wiring), if ncps built it more than once."
            )


class LTC(Sequence):
    """A liquid time-constant network over sequences: `ncps.torch.LTC` on wormnet's engines.

    Args:
        input_size: number of inputs; None if the wiring is built.
        units: a wiring of `wormnet.compat.ncps.wirings`, or the number of neurons of a fully connected one.
        return_sequences: outputs for every sample, or for the last one alone.
        batch_first: whether the batch stands before the time.
        mixed_memory: put an LSTM cell in front.
        input_mapping, output_mapping, ode_unfolds, epsilon, implicit_param_constraints: see `LTCCell`.

    Call: `forward` tells the shapes.   Source: Hasani et al. 2021, AAAI 35(9), 7657-7666.

    >>> from wormnet.compat.ncps.wirings import AutoNCP
    >>> rnn = LTC(20, AutoNCP(28, 4))
    >>> output, hx = rnn(torch.zeros(2, 3, 20), timespans=torch.ones(2, 3))
    >>> output.shape, hx.shape
    (torch.Size([2, 3, 4]), torch.Size([2, 28]))
    """

    def __init__(
        self,
        input_size: int | None,
        units: Wiring | int,
        return_sequences: bool = True,
        batch_first: bool = True,
        mixed_memory: bool = False,
        input_mapping: str | None = "affine",
        output_mapping: str | None = "affine",
        ode_unfolds: int = 6,
        epsilon: float = 1e-8,
        implicit_param_constraints: bool = True,
    ):
        super().__init__()
        if not isinstance(units, Wiring):
            check_units(units)
        self._wiring = units if isinstance(units, Wiring) else FullyConnected(units)
        self.rnn_cell = LTCCell(
            self._wiring,
            input_size,
            input_mapping,
            output_mapping,
            ode_unfolds,
            epsilon,
            implicit_param_constraints,
        )
        self.input_size = input_size
        self._make(units, mixed_memory=mixed_memory, return_sequences=return_sequences, batch_first=batch_first)

    @property
    def state_size(self) -> int:
        """Number of neurons."""
        return self.rnn_cell.state_size

    @property
    def sensory_size(self) -> int:
        """Number of inputs."""
        return self.rnn_cell.sensory_size

    @property
    def motor_size(self) -> int:
        """Number of outputs."""
        return self.rnn_cell.motor_size

    @property
    def output_size(self) -> int:
        """Number of outputs."""
        return self.rnn_cell.motor_size

    @property
    def synapse_count(self) -> int:
        """How many synapses there are between neurons."""
        return self.rnn_cell.synapse_count

    @property
    def sensory_synapse_count(self) -> int:
        """How many synapses there are from inputs."""
        return self.rnn_cell.sensory_synapse_count
