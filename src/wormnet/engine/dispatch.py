"""Which engine runs a program, and why."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from wormnet.engine import cpu, gpu, operator
from wormnet.engine.constants import plainly, shown
from wormnet.engine.layout import Layout, layout_of
from wormnet.engine.program import Program
from wormnet.engine.reference import Reference, States
from wormnet.engine.samples import Samples
from wormnet.engine.uniform import uniform_of
from wormnet.errors import ArgumentError, BackendError, unknown
from wormnet.models import Model
from wormnet.models.equation import DenseUpdate
from wormnet.models.spec import Values

__all__ = ["BACKENDS", "Choice", "Run", "check_backend", "choose"]

BACKENDS = ("auto", "reference", "cpu", "gpu")
ENGINES: dict[str, ModuleType] = {"cpu": cpu, "gpu": gpu}

EXACT = (torch.float32, torch.float64)
"""What the kernels compute in; coefficients that are joined in fewer digits would lose some."""

Run = Callable[..., tuple[Tensor, States]]
"""run(coefficients, samples, states, initial, keep, training=...) -> kept (batch, time, kept), states after each
sequence's last sample.

coefficients are what the model makes of its parameters, by name, or what `Choice.pack` made of them. If `Choice.maps`,
those that map inputs are among them, and samples hold x as it is given; otherwise as the synapses see it, and once more
as it was given if an LSTM cell reads that. States and initial (what a start sets, None if there are none) are tuples of
(batch, neurons); keep is None or the neurons whose first state is wanted after every sample.
"""


@dataclass(frozen=True)
class Choice:
    """An engine and the reason for it."""

    name: str
    reason: str
    run: Run = field(compare=False, repr=False)
    uniform: Run | None = field(default=None, compare=False, repr=False)
    """runs calls in which dt is one number, with `Model.uniform_coefficients`; None if `run` does"""
    pack: Callable[[Values], Tensor] | None = field(default=None, compare=False, repr=False)
    """coefficients as one tensor, if run takes that too"""
    maps: bool = field(default=False, compare=False, repr=False)
    """whether run maps the inputs, see `Run`"""

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


def check_backend(backend: str) -> str:
    """The name, or ArgumentError with those that exist."""
    if backend not in BACKENDS:
        raise ArgumentError(unknown("backend", backend, BACKENDS))
    return backend


def choose(
    backend: str,
    layout: Layout,
    device: torch.device,
    dtype: torch.dtype,
    *,
    checkpoint: bool = False,
    model: Model | None = None,
) -> Choice:
    """The engine that runs a program on a wiring, on a device, in a dtype.

    Args:
        backend: a name of BACKENDS; a named one runs or raises, "auto" takes the fastest that can.
        checkpoint: spend time to save memory in the backward pass.
        model: the layer's own, if it may be another than the program's, see `uniform_of`.

    Raises: BackendError if a named engine cannot run this; it says why. ArgumentError if the model computes something
        else where dt is one number.
    """
    reasons = []
    for name in BACKENDS[1:] if backend == "auto" else [backend]:
        reason = _unable(name, layout.program, device, dtype, checkpoint)
        if reason is None and (name != "reference" or backend == name):
            why = "asked for" if backend == name else f"the layer is on {device.type}, in {dtype}"
            if name == "reference":
                return Choice(name, why, _reference(layout, device))
            program = uniform_of(layout, model or layout.program.model) if name == "cpu" and dtype in EXACT else None
            run, uniform = (
                None if one is None else compiled(layout_of(one, layout.wiring, maps=name == "cpu"), checkpoint, device)
                for one in (layout.program, program)
            )
            assert run is not None
            return Choice(name, why, run, uniform, run.pack, bool(run.layout.maps))
        if reason is not None:
            reasons.append(f"not {name}: {reason}")
    if backend == "auto" and not checkpoint:
        return Choice("reference", "; ".join(reasons), _reference(layout, device))
    raise BackendError(f'{"; ".join(reasons)}. Use backend="auto"{" and checkpoint=False" * checkpoint}.')


def _reference(layout: Layout, device: torch.device) -> Reference:
    reference = Reference(layout)
    reference.prepare(device)
    return reference


def _unable(name: str, program: Program, device: torch.device, dtype: torch.dtype, checkpoint: bool) -> str | None:
    if name == "reference":
        return "it keeps all states, so it takes no checkpoint=True" if checkpoint else None
    return ENGINES[name].unable(program, device, dtype)


@dataclass(frozen=True, eq=False)
class Compiled:
    """Runs a program on a wiring by the operators of a device; see `Run`."""

    layout: Layout
    checkpoint: bool
    tables: Tensor
    sizes: list[int]
    places: dict[str, Tensor]
    all_neurons: Tensor

    def pack(self, coefficients: Values) -> Tensor:
        """All coefficients in the order of the layout."""
        return self.layout.pack(coefficients, self.places)

    def __call__(
        self,
        coefficients: Values | Tensor,
        samples: Samples,
        states: States,
        initial: States | None,
        keep: Tensor | None,
        *,
        training: bool = False,
    ) -> tuple[Tensor, States]:
        """Kept, states."""
        x, dt, lengths, starts = samples
        given, (batch, time, _) = x.dtype, x.shape
        p = coefficients if isinstance(coefficients, Tensor) else self.pack(coefficients)
        state = states[0][None] if len(states) == 1 else torch.stack(states)
        first = None if initial is None or starts is None else torch.stack(initial)
        if given != torch.float32 and given != torch.float64:
            p, x, dt, state = p.float(), x.float(), dt.float(), state.float()
            first = None if first is None else first.float()
        keep = shown(self.all_neurons) if keep is None else keep
        tables, sizes = shown(self.tables), self.sizes
        span = -1
        if torch.is_grad_enabled() and (_needs_gradient(p, x, dt, state, first) or _transformed()):
            span = math.isqrt(time - 1) + 1 if self.checkpoint and time > 1 else operator.ALL
        if torch._C._get_tracing_state() is not None:
            span = operator.ALL  # what is traced with gradients, and checked without, serves any number of samples
        dt = dt if dt.shape == (batch, time) else dt.expand(batch, time)
        drop = _dropped(self.layout.program, x, time) if training else None
        kept, last = operator.run(
            *(p, tables, sizes, x, dt, lengths, starts, state, first, drop, keep, self.layout.program.name, span)
        )
        if kept.dtype != given:
            kept, last = kept.to(given), last.to(given)
        # Each state in memory of its own: a change in place, or a loop in a graph, must not touch the others.
        return kept, (last[0],) if len(states) == 1 else tuple(one.clone() for one in last)


def compiled(layout: Layout, checkpoint: bool, device: torch.device) -> Compiled:
    """What runs a layout on a device, with all index tables made: a call may be traced, and makes none."""
    with plainly():
        tables, sizes = operator.device_engine(device.type).encode(layout, device)
        all_neurons = torch.arange(layout.wiring.n_neurons, device=device)
    return Compiled(layout, checkpoint, tables, sizes, layout.places_of(device), all_neurons)


def _needs_gradient(*given: Any) -> bool:
    return any(one is not None and one.requires_grad for one in given)


def _transformed() -> bool:
    """Whether torch.func is at work; what it wraps does not tell whether a gradient will be asked for."""
    return not torch.compiler.is_compiling() and torch._C._are_functorch_transforms_active()


def _dropped(program: Program, x: Tensor, time: int) -> Tensor | None:
    """(hidden layers, batch, time, units) what dropout multiplies hidden units with; None without dropout."""
    for part in program.parts:
        update = part.update
        if isinstance(update, DenseUpdate) and update.hidden and update.dropout:
            shape = (len(update.hidden), x.shape[0], time, update.units)
            return torch.nn.functional.dropout(x.new_ones(shape), update.dropout)
    return None
