"""The recurrent layer: a wiring times a neuron model."""

from contextlib import AbstractContextManager, nullcontext, suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from wormnet.engine.constants import fake, kept, shown
from wormnet.engine.dispatch import Choice, Run, check_backend, choose
from wormnet.engine.layout import layout_of
from wormnet.engine.program import program_of
from wormnet.engine.prove import prove_on
from wormnet.engine.reference import States
from wormnet.engine.samples import Samples, arrange, numbers, wrong_width
from wormnet.engine.scan import exporting, scanned
from wormnet.errors import ArgumentError, BackendError, ShapeError
from wormnet.models import Model, named
from wormnet.models.memory import memory_coefficients
from wormnet.models.spec import Values, check_count, check_flag
from wormnet.nn.arguments import check_input, check_state, lifted, lifted_state
from wormnet.nn.describe import Description, describe, parameters_of
from wormnet.nn.maps import input_map, mapped, seen
from wormnet.nn.parameters import Table, remember_wiring
from wormnet.nn.ready import Ready
from wormnet.nn.start import check_time_constants, spread_time_constants, warn_if_blind
from wormnet.nn.transfer import transfer
from wormnet.wiring.core import Wiring

if TYPE_CHECKING:
    from wormnet.engine.cpu.stepper import Stepper

__all__ = ["Recurrent"]

StateLike = Tensor | tuple[Tensor, ...]
"""(batch, neurons), or one for each state of the model"""

AS_IT_IS = nullcontext()

MANY = 256
"""Samples in a call from which on it is worth preparing coefficients for its dt."""


def _own_precision(device: torch.device) -> AbstractContextManager[Any]:
    """Autocast off, where it is on."""
    if not torch._C._is_any_autocast_enabled():
        return AS_IT_IS
    kind = device.type
    on = torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)
    return torch.autocast(kind, enabled=False) if on else AS_IT_IS


def _cast(values: Any, like: Tensor) -> Any:
    fits = not isinstance(values, Tensor) or values.dtype == like.dtype or not values.is_floating_point()
    return values if fits else values.to(like.dtype)


def _holds_numbers(parameter: Tensor) -> bool:
    """Whether there is something to draw: on the meta device and among fake tensors there are shapes alone."""
    return not (parameter.is_meta or fake(parameter))


def _checked_unit(time_unit: Any) -> float:
    """The time unit as a number, or ArgumentError."""
    try:
        unit = float(time_unit)
    except (TypeError, ValueError, OverflowError):
        unit = 0.0
    if isinstance(time_unit, bool) or not 0.0 < unit < float("inf"):
        raise ArgumentError(f"time_unit is {time_unit!r}; it takes a number > 0: how much of dt is one unit of time.")
    return unit


class Recurrent(nn.Module):
    r"""A recurrent layer: the neurons and synapses of a wiring, computing what a model says.

        y, state = rnn(x, state=None, dt=None, lengths=None, *, starts=None, initial=None)

    Args:
        wiring: who is connected to whom.
        model: what a neuron computes: a model of `wormnet.models`, or its name ("ltc", "cfc", "ctrnn").
        mixed_memory: put an LSTM cell of as many cells as there are neurons in front: for every sample
            (h, c) <- LSTM(x, (v, c)), then v <- the model's step from h. The state then has c as its last part.
        proj_size: None, or the width of a linear map after the outputs.
        batch_first: x and y are (batch, time, ...); if False (time, batch, ...), dt per sample likewise.
        return_sequences: y for every sample; if False only after the last one of each sequence, (batch, outputs).
        backend: "auto", "reference", "cpu" or "gpu"; a named engine never falls back. `rnn.backend` tells what runs and
            why.
        checkpoint: in the backward pass recompute states from a few that were kept, so that memory grows with the
            square root of the number of samples.
        time_unit: how much of dt is one unit of the equation's time, 1 unless said otherwise: with dt in seconds and
            samples every 20 ms, time_unit=0.02 lets one sample last one unit, as the published starts expect.
        time_constants: None for the published start; or (low, high): neurons start with effective time constants,
            capacitance / (leak + conductances open at the start), spread log-uniformly between them, in units of the
            equation's time.
        device, dtype: of the parameters, as for torch's layers.

    Call:
        x: (batch, time, inputs), (time, inputs) for one sequence, or a PackedSequence; in the layer's dtype.
        state: (batch, neurons), or (neurons,) for one sequence; a tuple of them if the neurons have several states.
            The state that a call returns resumes the sequence exactly. None: `initial`.
        dt: time since the previous sample, > 0: a number, (batch, 1), (1, time) or (batch, time); (time,) for one
            sequence; None for one `time_unit`.
        lengths: (batch,) how many samples each sequence has; None if all fill the time axis. Past a sequence's end y
            is zero and the state is held. Sequences in a batch are independent.
        starts: (batch, time) booleans, or (time,) for one sequence: where true the state is `initial` before that
            sample. So one row may hold several episodes or recordings.
        initial: like state, what a sequence starts from; None for the model's own (zeros unless it says otherwise).

    Returns: y (batch, time, outputs), and the state after each sequence's last sample.
    Raises: ShapeError for a shape that fits nothing of the above, ArgumentError for a wrong value, type or device.
    Source: Lechner et al. 2020, Nat. Mach. Intell. 2, 642-652; mixed memory: Lechner & Hasani 2020, arXiv 2006.04418.

    Under autocast the layer computes in its parameters' dtype. Parameters that have to stay positive are stored as
    `..._raw`, unconstrained; `values()` returns the values of the equation and `set_values` sets them.

    >>> _ = torch.manual_seed(0)
    >>> rnn = Recurrent(Wiring(2, 3, pre=[0, 1, 2], post=[2, 3, 4]), "ltc")
    >>> y, state = rnn(torch.zeros(5, 7, 2))
    >>> y.shape, state.shape
    (torch.Size([5, 7, 3]), torch.Size([5, 3]))
    """

    def __init__(
        self,
        wiring: Wiring,
        model: Model | str,
        *,
        mixed_memory: bool = False,
        proj_size: int | None = None,
        batch_first: bool = True,
        return_sequences: bool = True,
        backend: str = "auto",
        checkpoint: bool = False,
        time_unit: float = 1.0,
        time_constants: tuple[float, float] | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ):
        super().__init__()
        if not isinstance(wiring, Wiring):
            raise ArgumentError(f"wiring is {type(wiring).__name__}; it takes a Wiring, for example auto_ncp(...).")
        if not isinstance(model, Model) and not isinstance(model, str):
            raise ArgumentError(f"model is {model!r}; it takes a model of wormnet.models, or its name.")
        if proj_size is not None:
            check_count("proj_size", proj_size, 1)
        for name, flag in (
            ("mixed_memory", mixed_memory),
            ("batch_first", batch_first),
            ("return_sequences", return_sequences),
            ("checkpoint", checkpoint),
        ):
            check_flag(name, flag)
        self.wiring = wiring
        self.model = named(model) if isinstance(model, str) else model
        self.model.check(wiring)
        self._layout = layout_of(program_of(self.model, memory=mixed_memory), wiring)
        self.mixed_memory, self.proj_size = mixed_memory, proj_size
        self.batch_first, self.return_sequences = batch_first, return_sequences
        self.time_unit = _checked_unit(time_unit)
        self.time_constants = check_time_constants(time_constants, self.model)
        self._reads_all = wiring.outputs == wiring.neurons
        self._state_names = tuple(state.name for state in self._layout.program.states)
        self._starts_at_zero = all(state.start == 0 for state in self._layout.program.states)
        self._backend, self.checkpoint = check_backend(backend), checkpoint
        self._choice: tuple[Any, Choice] | None = None
        specs = self.model.params(wiring)
        prove_on(self._layout.program, wiring, specs)
        self._table = Table(specs, wiring, own=self._layout.program.own_state)
        self._at: dict[str, Tensor] = {}
        self._read = tuple((name, spec.stored_as, spec) for name, spec in self._table.specs.items())
        self._ready = Ready([self._table.shapes[name] for name in self._table.specs])
        for spec in self._table.specs.values():
            empty = torch.empty(self._table.shapes[spec.name], device=device, dtype=dtype)
            self.register_parameter(spec.stored_as, nn.Parameter(empty))
        self.lstm = nn.LSTMCell(wiring.n_inputs, wiring.n_neurons, device=device, dtype=dtype) if mixed_memory else None
        self.projection = nn.Linear(wiring.n_outputs, proj_size, device=device, dtype=dtype) if proj_size else None
        remember_wiring(self)
        self.reset_parameters()
        self._get_ready()
        warn_if_blind(self._layout)

    def _get_ready(self) -> None:
        """Compute what follows from wiring and device now rather than in a call, which may be traced."""
        self._indices()
        # A named engine may be out of reach until the layer is moved to its device; the call tells.
        with suppress(BackendError):
            _ = self.backend

    def _apply(self, fn: Any, recurse: bool = True) -> "Recurrent":
        """Move or cast: to(), double(), cuda()."""
        super()._apply(fn, recurse)
        self._get_ready()
        return self

    def __getstate__(self) -> dict[str, Any]:
        kept = {name: value for name, value in self.__dict__.items() if name != "_layout"}
        return kept | {"_at": {}, "_choice": None, "_ready": self._ready.forgotten()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._layout = layout_of(program_of(self.model, memory=self.mixed_memory), self.wiring)
        self._get_ready()

    # -- parameters ----------------------------------------------------------------------------------------------------

    def reset_parameters(self) -> None:
        """Draw all parameters anew, from torch's global generator."""
        specs = [spec for spec in self._table.specs.values() if _holds_numbers(getattr(self, spec.stored_as))]
        drawn = {spec.name: self._table.draw(spec) for spec in specs}
        if self.time_constants is not None and len(drawn) == len(self._table.specs):
            drawn |= spread_time_constants(self.model, self.wiring, drawn, self.time_constants)
        self._write({spec.stored_as: self._table.to_stored(spec, drawn[spec.name]) for spec in specs})
        for module in (self.lstm, self.projection):
            if module is not None:
                module.reset_parameters()

    def values(self) -> dict[str, Tensor]:
        """The parameters as they enter the equation, by name, differentiable.

        >>> rnn = Recurrent(Wiring(1, 1, pre=[0], post=[1]), "ltc")
        >>> bool(rnn.values()["capacitance"] > 0)
        True
        """
        return self._values(self._all_stored())

    def _all_stored(self) -> list[Tensor]:
        """What is stored, in the order of the model's parameters."""
        registered: Any = self._parameters
        try:
            return [registered[stored_as] for _, stored_as, _ in self._read]
        except KeyError:  # a pruned or parametrized one is an attribute only
            return [getattr(self, stored_as) for _, stored_as, _ in self._read]

    def _values(self, all_stored: list[Tensor]) -> dict[str, Tensor]:
        at, values = self._indices(), {}
        for (name, _, spec), stored in zip(self._read, all_stored, strict=False):
            if spec.constraint is not None:
                sign = at.get(f"sign_{name}") if spec.constraint == "polarity" else None
                stored = self._table.to_value(spec, stored, sign)
            values[name] = stored
        return values

    def set_values(self, **values: Any) -> None:
        """Set parameters to values of the equation; a single number sets all of that name.

        Raises ArgumentError for an unknown name or a value outside of the parameter's range, ShapeError for a shape
        that does not fit; nothing is set then.

        >>> rnn = Recurrent(Wiring(1, 2, pre=[0], post=[1]), "ltc")
        >>> rnn.set_values(capacitance=1.0, leak=[0.5, 0.25])
        >>> rnn.values()["leak"].tolist()
        [0.5, 0.25]
        """
        self._table.check(values)
        stored = {}
        for name, value in values.items():
            spec = self._table.specs[name]
            full = torch.as_tensor(value, dtype=torch.float64, device="cpu").detach().expand(self._table.shapes[name])
            stored[spec.stored_as] = self._table.to_stored(spec, full)
        self._write(stored)

    def _write(self, stored: dict[str, Tensor]) -> None:
        """Set what is stored, through its parametrization where it has one."""
        for name in stored:
            if name in self._parameters:
                continue
            if not parametrize.is_parametrized(self, name):
                raise ArgumentError(
                    f"{name} is computed anew in every call (is it pruned?), so what is set would be lost; make it a "
                    "parameter again first (torch.nn.utils.prune.remove)."
                )
            parametrizations: Any = self.parametrizations
            for one in parametrizations[name]:
                if not hasattr(one, "right_inverse"):
                    raise ArgumentError(
                        f"{name} is parametrized by {type(one).__name__}, which has no right_inverse, so it cannot be "
                        "set; give it one, or remove it first (torch.nn.utils.parametrize.remove_parametrizations)."
                    )
        with torch.no_grad():
            for name, value in stored.items():
                now = getattr(self, name)
                if name in self._parameters:
                    now.copy_(value)
                else:
                    setattr(self, name, value.to(now))

    def on(self, wiring: Wiring) -> "Recurrent":
        """A layer like this one on an edited wiring: what is lesioned is gone, all else keeps its trained parameters.

        Parameters are transferred by the names of cells and synapses, what is frozen stays frozen; those that are new
        are drawn at random.
        This layer stays as it is.

        Raises: WiringError if the layer has a backbone and the cells are not the same.

        >>> rnn = Recurrent(Wiring(2, ["AVA", "AVB"], pre=[0, 1, 2], post=[2, 3, 3]), "ltc")
        >>> cut = rnn.on(rnn.wiring.lesion("AVA"))
        >>> cut.parameters_of("AVB")["leak"] == rnn.parameters_of("AVB")["leak"]
        True
        """
        first = self._stored()
        new = Recurrent(
            wiring,
            self.model,
            mixed_memory=self.mixed_memory,
            proj_size=self.proj_size,
            batch_first=self.batch_first,
            return_sequences=self.return_sequences,
            backend=self._backend,
            checkpoint=self.checkpoint,
            time_unit=self.time_unit,
            time_constants=self.time_constants,
            device=first.device,
            dtype=first.dtype,
        )
        new.__class__ = parametrize.type_before_parametrizations(self)
        transfer(self, new)
        return new.train(self.training)

    def parameters_of(self, neuron: str) -> dict[str, Any]:
        """What is set at one neuron: its own parameters, and a row for every synapse or connection that it receives.

        Raises WiringError with near names if there is no such neuron.

        >>> rnn = Recurrent(Wiring(["touch"], ["AVA"], pre=[0], post=[1], sign=1), "ltc")
        >>> sorted(rnn.parameters_of("AVA"))
        ['capacitance', 'leak', 'output_scale', 'output_shift', 'receives', 'v_leak']
        >>> rnn.parameters_of("AVA")["receives"][0]["pre"]
        'touch'
        """
        return parameters_of(self.wiring, self._table, self.values(), neuron)

    def describe(self) -> Description:
        """A table of neurons, synapses and parameters; print it, or read its rows."""
        return describe(self.wiring, self.model, self._table, self, str(self.backend))

    # -- sizes ---------------------------------------------------------------------------------------------------------

    @property
    def n_inputs(self) -> int:
        """Width of x."""
        return self.wiring.n_inputs

    @property
    def n_outputs(self) -> int:
        """Width of y."""
        return self.proj_size or self.wiring.n_outputs

    @property
    def backend(self) -> Choice:
        """What runs, and why."""
        stored = self._stored()
        key = (stored.device, stored.dtype, self.checkpoint)
        if self._choice is None or self._choice[0] != key:
            choice = choose(self._backend, self._layout, *key[:2], checkpoint=self.checkpoint, model=self.model)
            if torch.compiler.is_compiling() or torch._C._get_tracing_state() is not None:
                return choice
            self._choice = key, choice
        return self._choice[1]

    def extra_repr(self) -> str:
        """The wiring and the model, for print."""
        return f"{self.wiring}, {self.model}"

    # -- running -------------------------------------------------------------------------------------------------------

    def forward(
        self,
        x: Tensor | PackedSequence,
        state: StateLike | None = None,
        dt: float | Tensor | None = None,
        lengths: Tensor | None = None,
        *,
        starts: Tensor | None = None,
        initial: StateLike | None = None,
    ) -> tuple[Any, StateLike]:
        """Run the sequences; the class tells the shapes."""
        if isinstance(x, PackedSequence):
            return self._packed(x, state, dt, lengths, starts, initial)
        clean = self._reads_padding(lengths)
        samples, states, first = self._arranged(x, state, dt, lengths, starts, initial, clean=clean)
        with _own_precision(samples.x.device):
            p, coefficients, run = self._prepared(samples)
            kept, states = self._scan(p, samples, states, first, self._outputs(), coefficients, run)
            kept = kept if self.return_sequences else states[0][:, self._indices()["outputs"]]
            y = mapped(p, kept, "output")
            y = y if self.projection is None else self.projection(y)
        # What an engine gives is zero past a sequence's end, and on the CPU no gradient is read there.
        if self.return_sequences and not (y is kept and y.device.type == "cpu"):
            valid = samples.valid()
            y = y if valid is None else torch.where(valid[:, :, None], y, torch.zeros_like(y[:1, :1]))
        if x.dim() == 2:
            y, states = y[0], tuple(one[0] for one in states)
        elif self.return_sequences and not self.batch_first:
            y = y.transpose(0, 1)
        return y, states if len(states) > 1 else states[0]  # pyright: ignore[reportGeneralTypeIssues]

    def step(
        self, x: Tensor, state: StateLike | None = None, dt: float | Tensor | None = None
    ) -> tuple[Tensor, StateLike]:
        """One sample: x (batch, inputs) or (inputs,) -> y (batch, outputs), state. dt is a number or (batch,).

        >>> rnn = Recurrent(Wiring(2, 3), "ctrnn")
        >>> y, state = rnn.step(torch.zeros(4, 2))
        >>> y.shape
        torch.Size([4, 3])
        """
        if not isinstance(x, Tensor) or x.dim() not in (1, 2) or x.shape[-1] != self.n_inputs:
            check_input(x, self._stored(), "(batch, {})", self.n_inputs)
            takes = f"(batch, {self.n_inputs}) or ({self.n_inputs},)"
            raise ShapeError(f"x has shape {tuple(x.shape)}; a step takes one sample: {takes}.")
        time = 0 if x.dim() == 1 or not self.batch_first else 1
        dt = numbers(dt, self._stored())
        if dt is not None and dt.dim():
            if x.dim() == 1 or dt.shape not in (x.shape[:1], (x.shape[0], 1)):
                takes = "one number" if x.dim() == 1 else f"one number, or one per sequence: ({x.shape[0]},)"
                raise ShapeError(f"dt has shape {tuple(dt.shape)}; a step takes {takes}.")
            dt = dt.reshape(-1).unsqueeze(time)
        y, new = self(x.unsqueeze(time), state, dt)
        return (y.squeeze(time) if self.return_sequences else y), new

    def stepper(self, batch: int | None = None, *, per_row: bool = False) -> "Stepper":
        """Run sample by sample without torch, for a control loop: step(x, dt) -> y, reset(), state.

        Args:
            batch: None for one sequence, or how many advance at once.
            per_row: let `stepper.update` give each row of the batch parameters of its own: a population.

        It computes what the layer computes, in evaluation mode and with the parameters that the layer has now.

        >>> stepper = Recurrent(Wiring(2, 3, pre=[0, 1], post=[2, 3]), "ltc").stepper()
        >>> stepper.step([0.0, 1.0], dt=0.5).shape, stepper.state.shape
        ((3,), (3,))
        """
        from wormnet.engine.cpu.stepper import Stepper

        if batch is not None:
            check_count("batch", batch, 1)
        with torch.no_grad():
            # NumPy has no bfloat16, and half precision only in name.
            exact = torch.float64 if self._stored().dtype == torch.float64 else torch.float32

            def plain(value: Tensor) -> np.ndarray:
                return value.detach().to("cpu", exact, copy=True).numpy()

            p = self.values()
            maps = [
                None if f"{word}_scale" not in p
                else (plain(p[f"{word}_scale"]), plain(p.get(f"{word}_shift", torch.zeros_like(p[f"{word}_scale"]))))
                for word in ("input", "output")
            ]  # fmt: skip
            projection = None
            if self.projection is not None:
                projection = plain(self.projection.weight), plain(self.projection.bias)
            return Stepper(
                self._layout,
                {name: plain(value) for name, value in self._coefficients(p).items()},
                tuple(plain(one) for one in self._initial(p)),
                dtype=np.float64 if exact == torch.float64 else np.float32,
                batch=batch,
                per_row=per_row,
                input_map=maps[0],
                output_map=maps[1],
                projection=projection,
                time_unit=self.time_unit,
            )

    def trace(
        self,
        x: Tensor,
        state: StateLike | None = None,
        dt: float | Tensor | None = None,
        lengths: Tensor | None = None,
        *,
        starts: Tensor | None = None,
        initial: StateLike | None = None,
    ) -> Tensor:
        """The first state of every neuron after every sample: (batch, time, neurons), or (time, neurons).

        It takes what a call takes.

        >>> rnn = Recurrent(Wiring(2, 3, outputs=[0]), "ctrnn")
        >>> rnn.trace(torch.zeros(4, 7, 2)).shape
        torch.Size([4, 7, 3])
        """
        clean = self._reads_padding(lengths)
        samples, states, first = self._arranged(x, state, dt, lengths, starts, initial, clean=clean)
        with _own_precision(samples.x.device):
            p, coefficients, run = self._prepared(samples)
            kept = self._scan(p, samples, states, first, None, coefficients, run)[0]
        if x.dim() == 2:
            return kept[0]
        return kept if self.batch_first else kept.transpose(0, 1)

    def _coefficients(self, p: Values, dt: Tensor | None = None) -> dict[str, Tensor]:
        """What edges and nodes take; those of calls in which dt is one number if it is given."""
        found = self.model.coefficients(p) if dt is None else self.model.uniform_coefficients(p, dt.reshape(()))
        if self.lstm is not None:
            found |= memory_coefficients(*self.lstm.parameters())
        return found | input_map(p)

    def _prepared(self, samples: Samples) -> tuple[Values, Values | Tensor, Run]:
        """The parameters of the equation, the coefficients, packed if the engine takes them so, and what runs them."""
        uniform = self._uniform(samples)
        if uniform is not None:
            p = self.values()
            return p, self._coefficients(p, samples.dt), uniform
        return (*self._packed_once(), self.backend.run)

    def _packed_once(self) -> tuple[Values, Values | Tensor]:
        pack = None if exporting() else self.backend.pack
        # Values of a subclass may follow from anything; what the LSTM cell makes of its parameters is its own affair.
        own = type(self).values is not Recurrent.values or "values" in vars(self) or self.lstm is not None
        if pack is None or own or torch.is_grad_enabled() or torch.compiler.is_compiling():
            return self._made(self.values(), pack)
        return self._ready(self._all_stored(), lambda stored: self._made(self._values(stored), pack))

    def _made(self, p: Values, pack: Any) -> tuple[Values, Values | Tensor]:
        coefficients = self._coefficients(p)
        return p, coefficients if pack is None else pack(coefficients)

    def _initial(self, p: Values) -> tuple[Tensor, ...]:
        """(neurons,) what each state is before the first sample."""
        like, n = self._stored(), self.wiring.n_neurons
        return tuple(
            p[state.start] if isinstance(state.start, str) else like.new_full((n,), state.start)
            for state in self._layout.program.states
        )

    def _scan(
        self,
        p: Values,
        samples: Samples,
        states: States,
        initial: States | None,
        keep: Tensor | None,
        coefficients: Values | Tensor | None = None,
        run: Run | None = None,
    ) -> tuple[Tensor, States]:
        coefficients = self._coefficients(p) if coefficients is None else coefficients
        graph = exporting()
        if graph or not self.backend.maps:
            samples = samples._replace(x=seen(p, samples.x, memory=self.lstm is not None))
        if graph and not isinstance(coefficients, Tensor):
            return scanned(self._layout, coefficients, samples, states, initial, keep)
        return (run or self.backend.run)(coefficients, samples, states, initial, keep, training=self.training)

    def _reads_padding(self, lengths: Tensor | None) -> bool:
        """Whether the engine reads what stands past a sequence's end; that of the CPU does not."""
        return lengths is not None and self.backend.name != "cpu"

    def _uniform(self, samples: Samples) -> Run | None:
        """What runs samples that all last equally long, where there is something to gain by it; not in a graph."""
        if exporting() or torch.compiler.is_compiling() or torch._C._get_tracing_state() is not None:
            return None
        few = samples.dt.shape != (1, 1) or samples.x.shape[0] * samples.x.shape[1] < MANY
        return None if few else self.backend.uniform

    def _packed(self, x: PackedSequence, state: Any, dt: Any, lengths: Any, *rest: Any) -> tuple[Any, StateLike]:
        if lengths is not None:
            raise ArgumentError("a PackedSequence knows its lengths; pass no `lengths` with it.")
        padded, lengths = pad_packed_sequence(x, batch_first=self.batch_first)
        starts, initial = rest
        y, state = self.forward(padded, state, dt, lengths.to(padded.device), starts=starts, initial=initial)
        if self.return_sequences:
            # In the order of x, also among sequences of equal length, so that y.data stands beside x.data.
            order = torch.arange(len(lengths), device="cpu") if x.sorted_indices is None else x.sorted_indices.cpu()
            y = y.index_select(0 if self.batch_first else 1, order.to(y.device))
            y = pack_padded_sequence(y, lengths[order], batch_first=self.batch_first)
            y = PackedSequence(y.data, y.batch_sizes, x.sorted_indices, x.unsorted_indices)
        return y, state

    def _arranged(
        self, x: Any, state: Any, dt: Any, lengths: Any, starts: Any, initial: Any, *, clean: bool = True
    ) -> tuple[Samples, States, States | None]:
        """What a call is given, checked and batch first: samples, states, and those that a start sets.

        clean: whether x has to be 0 past a sequence's end.
        """
        stored, n_inputs = self._stored(), self.wiring.n_inputs
        check_input(x, stored, "(batch, time, {})", n_inputs)
        if x.dim() == 2:
            if x.shape[1] != n_inputs:
                raise wrong_width(x, n_inputs, batch_first=self.batch_first)
            if lengths is not None:
                raise ArgumentError("x holds one sequence without a batch axis; it takes no `lengths`.")
            x, dt, starts = x[None], lifted(dt, "dt", x.shape[0], stored), lifted(starts, "starts", x.shape[0], None)
            n = self.wiring.n_neurons
            state, initial = lifted_state(state, n, "state"), lifted_state(initial, n, "initial")
            samples = arrange(_cast(x, stored), dt, None, n_inputs, starts=starts, time_unit=self.time_unit)
        else:
            x, dt = _cast(x, stored), _cast(dt, stored)
            samples = arrange(
                *(x, dt, lengths, n_inputs),
                starts=starts,
                batch_first=self.batch_first,
                time_unit=self.time_unit,
                clean=clean,
            )
        shape, names = (samples.x.shape[0], self.wiring.n_neurons), self._state_names
        given = None if initial is None else check_state(initial, stored, shape, names, "initial")
        states = given if state is None else check_state(state, stored, shape, names, "state")
        if samples.starts is None and states is not None:
            return samples, states, None
        rest = self._at_rest(shape, samples.x)
        return samples, rest if states is None else states, None if samples.starts is None else given or rest

    def _at_rest(self, shape: tuple[int, int], x: Tensor) -> States:
        """(batch, neurons) each state before a first sample."""
        # Of x, not of a parameter: a parameter that torch.jit.trace refuses must not be given a shape that it has
        # recorded, or its next trace ends the process.
        zeros = x.new_zeros(shape)
        if self._starts_at_zero:
            return (zeros,) * len(self._state_names)
        return tuple(zeros + one for one in self._initial(self.values()))

    def _outputs(self) -> Tensor | None:
        return None if self._reads_all else self._indices()["outputs"]

    def _stored(self) -> Tensor:
        for one in self._parameters.values():
            return one  # pyright: ignore[reportReturnType]
        # All of them parametrized, pruned or of a replica: attributes only.
        return getattr(self, next(iter(self._table.specs.values())).stored_as)

    def _indices(self) -> dict[str, Tensor]:
        """Index tensors on the parameters' device. They follow from the wiring and so are never saved or loaded."""
        device = self._stored().device
        if not self._at or self._at["outputs"].device != device:  # made outside of any trace, see `_apply`
            arrays = {
                f"sign_{spec.name}": self._table.sign(spec).astype(np.int64)
                for spec in self._table.specs.values()
                if spec.constraint == "polarity"
            }
            arrays["outputs"] = self.wiring.output_index
            at = {name: kept(values, device) for name, values in arrays.items()}
            if torch.compiler.is_compiling() or torch._C._get_tracing_state() is not None:
                return at  # tensors made while a graph is traced belong to the graph
            self._at = at
        if torch.compiler.is_compiling() or not torch._C._len_torch_dispatch_stack():
            return self._at
        return {name: shown(one) for name, one in self._at.items()}
