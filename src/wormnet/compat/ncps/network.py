"""A model on a wiring, run on wormnet's engines with the numbers that a module of ncps's form hands in."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wormnet.compat.ncps.notices import tell
from wormnet.engine.constants import kept, shown
from wormnet.engine.dispatch import Choice, choose
from wormnet.engine.layout import Layout, layout_of
from wormnet.engine.program import program_of
from wormnet.engine.samples import Samples, arrange
from wormnet.errors import ShapeError
from wormnet.models import Model
from wormnet.nn.arguments import check_input, check_state
from wormnet.nn.maps import input_map, mapped, seen
from wormnet.wiring.core import Wiring

__all__ = ["Network", "clock"]

BACKEND = "auto"
"""See `wormnet.Recurrent`. Tests ask for "reference"."""


class Network:
    """A model on a wiring, and where in the parameters each of its numbers stands.

    Args:
        wiring, model: what runs.   memory: whether an LSTM cell stands in front.
        place: see `wormnet.nn.convert`; None if the numbers need no picking.
    """

    def __init__(self, wiring: Wiring, model: Model, place: NDArray[np.int64] | None = None, *, memory: bool = False):
        self.wiring, self.model, self.memory = wiring, model, memory
        self._place = place
        self._ready: dict[Any, tuple[Choice, Tensor]] = {}
        self._places: dict[torch.device, Tensor] = {}

    def with_memory(self) -> "Network":
        """The same with an LSTM cell in front."""
        return Network(self.wiring, self.model, self._place, memory=True)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Network":
        return Network(self.wiring, self.model, self._place, memory=self.memory)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (self.wiring, self.model, self._place, self.memory)

    @cached_property
    def _layout(self) -> Layout:
        return layout_of(program_of(self.model, memory=self.memory), self.wiring)

    def prepare(self, like: Tensor) -> tuple[Choice, Tensor]:
        """The engine and the outputs' numbers, on the device of a tensor; made before a call, which may be traced."""
        key = BACKEND, like.device, like.dtype
        if key not in self._ready:
            choice = choose(BACKEND, self._layout, like.device, like.dtype)
            self._ready[key] = choice, kept(self.wiring.output_index, like.device)
        self.place(like.device)
        return self._ready[key]

    def place(self, device: torch.device) -> Tensor | None:
        """Where each number stands, on a device."""
        if self._place is None:
            return None
        if device not in self._places:
            self._places[device] = kept(self._place, device)
        return shown(self._places[device])

    def run(
        self,
        values: Mapping[str, Tensor],
        samples: Samples,
        states: tuple[Tensor, ...],
        lstm: Mapping[str, Tensor] | None = None,
        *,
        training: bool = False,
        sequences: bool = True,
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Outputs (batch, time, outputs), or (batch, outputs) of the last sample alone, and the states after it."""
        choice, outputs = self.prepare(values[next(iter(values))])
        outputs = shown(outputs)
        if not choice.maps:
            samples = samples._replace(x=seen(values, samples.x, memory=lstm is not None))
        coefficients = {**self.model.coefficients(values), **input_map(values), **(lstm or {})}
        y, states = choice.run(coefficients, samples, states, None, outputs, training=training)
        return mapped(values, y if sequences else states[0][:, outputs], "output"), states

    def step(self, cell: Any, x: Tensor, state: Any, elapsed: Any) -> tuple[Tensor, Tensor]:
        """One sample of a cell: x (batch, inputs), state (batch, neurons), elapsed a number, (batch,) or (batch, 1)."""
        stored, width = next(cell.parameters()), self.wiring.n_inputs
        check_input(x, stored, "(batch, {})", width)
        if x.dim() != 2 or x.shape[1] != width:
            raise ShapeError(f"input has shape {tuple(x.shape)}; a cell takes (batch, {width}).")
        if isinstance(elapsed, Tensor) and elapsed.dim():
            if elapsed.shape not in ((len(x),), (len(x), 1)):
                raise ShapeError(
                    f"the elapsed time has shape {tuple(elapsed.shape)}; a cell takes one number, or one for each "
                    f"sequence: ({len(x)},) or ({len(x)}, 1)."
                )
            elapsed = elapsed.reshape(len(x), 1)
        with torch.autocast(x.device.type, enabled=False):
            x = x.to(stored.dtype)
            states = check_state(state, stored, (x.shape[0], self.wiring.n_neurons), ("state",), "state")
            samples = arrange(x[:, None], _never_zero(elapsed, x), None, width)
            y, states = self.run(cell.values(), samples, states, training=cell.training)
        return y[:, 0], states[0]


def _rebuilt(wiring: Wiring, model: Model, place: NDArray[np.int64] | None, memory: bool) -> Network:
    return Network(wiring, model, place, memory=memory)


def clock(timespans: Any, x: Tensor, *, batch_first: bool, sizes: Sequence[int]) -> Any:
    """timespans as `arrange` takes dt: one number, (batch, time), or of a batch's axes any that is 1.

    Args:
        timespans: also with a last axis of 1.
        x: three axes, as the module takes it.   sizes: of the layers that ncps might take the batch for.
    """
    if timespans is None:
        return None
    timespans = torch.as_tensor(timespans, dtype=x.dtype, device=x.device)
    if timespans.dim() == 3:
        if timespans.shape[2] != 1:
            raise ShapeError(
                f"timespans has shape {tuple(timespans.shape)}; a sample has one timespan for all neurons: "
                f"{tuple(x.shape[:2])}, or with a last axis of 1."
            )
        timespans = timespans[:, :, 0]
    batch = timespans.shape[0 if batch_first else 1] if timespans.dim() == 2 else 1
    if not torch.compiler.is_compiling() and batch > 1 and batch in sizes:
        tell("timespans")
    return _never_zero(timespans, x)


def _never_zero(elapsed: Any, like: Tensor) -> Any:
    """No time at all as next to none: an LTC then stays, and a CfC has its gate at the offset, as the equations say."""
    if not isinstance(elapsed, Tensor):
        elapsed = torch.as_tensor(elapsed, dtype=like.dtype, device=like.device)
    return torch.where(elapsed == 0, torch.finfo(like.dtype).tiny ** 0.5, elapsed)
