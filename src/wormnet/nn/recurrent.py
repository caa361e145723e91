"""The recurrent layer: a wiring times a neuron model."""

import copy
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from wormnet.errors import ArgumentError, BackendError, ShapeError
from wormnet.kernels.cpu.stepper import Stepper
from wormnet.kernels.dispatch import Choice, check_backend, choose
from wormnet.models import Model, named
from wormnet.models.scan import Samples, arrange, numbers, scan, wrong_width
from wormnet.models.spec import Values, check_count, check_flag
from wormnet.nn.arguments import check_input, check_state
from wormnet.nn.carry import carry
from wormnet.nn.describe import Description, describe, parameters_of
from wormnet.nn.parameters import Table, remember_wiring
from wormnet.wiring.core import Wiring

__all__ = ["Recurrent"]

State = Tensor | tuple[Tensor, Tensor]


AS_IT_IS = nullcontext()


def _own_precision(device: torch.device) -> AbstractContextManager[Any]:
    """Autocast off, where it is on."""
    kind = device.type
    on = torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)
    return torch.autocast(kind, enabled=False) if on else AS_IT_IS


def _cast(values: Any, like: Tensor) -> Any:
    fits = not isinstance(values, Tensor) or values.dtype == like.dtype or not values.is_floating_point()
    return values if fits else values.to(like.dtype)


class Recurrent(nn.Module):
    r"""A recurrent layer: the neurons and synapses of a wiring, computing what a model says.

        y, state = rnn(x, state=None, dt=None, lengths=None)

    Args:
        wiring: who is connected to whom.
        model: what a neuron computes: a model of `wormnet.models`, or its name ("ltc", "cfc", "ctrnn").
        mixed_memory: put an LSTM cell of as many cells as there are neurons in front: for every sample
            (h, c) <- LSTM(x, (v, c)), then v <- the model's step from h. The state then is the pair (v, c).
        proj_size: None, or the width of a linear map behind the outputs.
        batch_first: x and y are (batch, time, ...); if False (time, batch, ...), dt per sample likewise.
        return_sequences: y for every sample; if False only after the last one of each sequence, (batch, outputs).
        backend: "auto", "reference", "cpu" or "gpu"; a named engine never falls back. `rnn.backend` tells what runs and
            why.
        checkpoint: on the way back compute states anew from a few that were kept, so that memory grows with the square
            root of the number of samples, not with the number.
        device, dtype: of the parameters, as for torch's layers.

    Call:
        x: (batch, time, inputs), (time, inputs) for one sequence, or a PackedSequence; in the layer's dtype.
        state: (batch, neurons), (neurons,) for one sequence, or a pair of them with mixed memory; None for zeros.
            The state that a call returns resumes the sequence exactly.
        dt: time since the previous sample, > 0: a number, (batch,) or (batch, time); (time,) for one sequence; None
            for 1.
        lengths: (batch,) how many samples each sequence has; None if all fill the time axis. Behind its end a
            sequence's y is zero and its state stands still; every sequence is computed as if alone.

    Returns: y (batch, time, outputs), and the state after each sequence's last sample.
    Raises: ShapeError for a shape that fits nothing of the above, ArgumentError for a wrong value, type or device.
    Source: Lechner et al. 2020, Nat. Mach. Intell. 2, 642-652; mixed memory: Lechner & Hasani 2020, arXiv 2006.04418.

    Under autocast the layer computes in its parameters' dtype. Parameters that have to stay positive are stored as
    `..._raw`, unconstrained; `values()` gives the numbers of the equation and `set_values` sets them.

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
        self.mixed_memory, self.proj_size = mixed_memory, proj_size
        self.batch_first, self.return_sequences = batch_first, return_sequences
        self._reads_all = wiring.outputs == wiring.neurons
        self._backend, self.checkpoint = check_backend(backend), checkpoint
        self._choice: tuple[Any, Choice] | None = None
        self._table = Table(self.model.params(wiring), wiring, own=self.model.own_state)
        self._at: dict[str, Tensor] = {}
        for spec in self._table.specs.values():
            empty = torch.empty(self._table.shapes[spec.name], device=device, dtype=dtype)
            self.register_parameter(spec.stored_as, nn.Parameter(empty))
        self.lstm = nn.LSTMCell(wiring.n_inputs, wiring.n_neurons, device=device, dtype=dtype) if mixed_memory else None
        self.projection = nn.Linear(wiring.n_outputs, proj_size, device=device, dtype=dtype) if proj_size else None
        remember_wiring(self)
        self.reset_parameters()
        self._get_ready()

    def _get_ready(self) -> None:
        """Find what follows from wiring and device now rather than in a call, which may be traced."""
        self._indices()
        # A named engine may be out of reach until the layer is moved to its device; the call tells.
        with suppress(BackendError):
            _ = self.backend

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_at": {}, "_choice": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._get_ready()

    # -- parameters ----------------------------------------------------------------------------------------------------

    def reset_parameters(self) -> None:
        """Draw all parameters anew, from torch's global generator."""
        specs = [spec for spec in self._table.specs.values() if not getattr(self, spec.stored_as).is_meta]
        self._write({spec.stored_as: self._table.draw(spec) for spec in specs})
        for module in (self.lstm, self.projection):
            if module is not None:
                module.reset_parameters()

    def values(self) -> dict[str, Tensor]:
        """The parameters as they enter the equation, by name, differentiable.

        >>> rnn = Recurrent(Wiring(1, 1, pre=[0], post=[1]), "ltc")
        >>> bool(rnn.values()["capacitance"] > 0)
        True
        """
        at, registered, values = self._indices(), self._parameters, {}
        for name, spec in self._table.specs.items():
            stored = registered.get(spec.stored_as)
            if stored is None:
                stored = getattr(self, spec.stored_as)  # a pruned or parametrized one is an attribute only
            sign = at.get(f"sign_{name}") if spec.constraint == "polarity" else None
            values[name] = stored if spec.constraint is None else self._table.to_true(spec, stored, sign)
        return values

    def set_values(self, **values: Any) -> None:
        """Set parameters by the numbers of the equation; one number sets all of that name.

        Raises ArgumentError for an unknown name or a value outside of the parameter's range, ShapeError for a shape
        that does not fit; nothing is set then.

        >>> rnn = Recurrent(Wiring(1, 2, pre=[0], post=[1]), "ltc")
        >>> rnn.set_values(capacitance=1.0, leak=[0.5, 0.25])
        >>> rnn.values()["leak"].tolist()
        [0.5, 0.25]
        """
        self._table.check(values)
        at, stored = self._indices(), {}
        for name, value in values.items():
            spec = self._table.specs[name]
            full = torch.as_tensor(value, dtype=torch.float64, device="cpu").detach().expand(self._table.shapes[name])
            sign = at.get(f"sign_{name}")
            stored[spec.stored_as] = self._table.to_stored(spec, full, None if sign is None else sign.cpu())
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

        Parameters are carried over by the names of cells and synapses, what is frozen stays frozen; those that are new
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
            device=first.device,
            dtype=first.dtype,
        )
        new.__class__ = parametrize.type_before_parametrizations(self)
        carry(self, new)
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
        key = (stored.device, stored.dtype, self.training, self.checkpoint)
        if self._choice is None or self._choice[0] != key:
            options = {"mixed_memory": self.mixed_memory, "training": self.training, "checkpoint": self.checkpoint}
            self._choice = key, choose(self._backend, self.model, self.wiring, *key[:2], **options)
        return self._choice[1]

    def extra_repr(self) -> str:
        """The wiring and the model, for print."""
        return f"{self.wiring}, {self.model}"

    # -- running -------------------------------------------------------------------------------------------------------

    def forward(
        self,
        x: Tensor | PackedSequence,
        state: State | None = None,
        dt: float | Tensor | None = None,
        lengths: Tensor | None = None,
    ) -> tuple[Any, State]:
        """Run the sequences; the class tells the shapes."""
        if isinstance(x, PackedSequence):
            return self._packed(x, state, dt, lengths)
        samples, states = self._arranged(x, state, dt, lengths)
        with _own_precision(samples.x.device):
            p = self.values()
            kept, states = self._scan(p, samples, states, self._outputs())
            kept = kept if self.return_sequences else states[0][:, self._indices()["outputs"]]
            y = self.model.read_out(p, kept)
            y = y if self.projection is None else self.projection(y)
        if self.return_sequences:
            valid = samples.valid()
            y = y if valid is None else torch.where(valid[:, :, None], y, torch.zeros_like(y))
        if x.dim() == 2:
            y, states = y[0], tuple(one[0] for one in states)
        elif self.return_sequences and not self.batch_first:
            y = y.transpose(0, 1)
        return y, states if self.mixed_memory else states[0]  # pyright: ignore[reportReturnType]

    def step(self, x: Tensor, state: State | None = None, dt: float | Tensor | None = None) -> tuple[Tensor, State]:
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
        y, new = self(x.unsqueeze(time), state, dt)
        return (y.squeeze(time) if self.return_sequences else y), new

    def stepper(self, batch: int | None = None) -> Stepper:
        """Run sample by sample without torch, for a control loop: step(x, dt) -> y, reset(), state.

        Args: batch: None for one sequence, or how many advance at once.
        It computes what the layer computes, in evaluation mode and with the parameters that the layer has now.

        >>> stepper = Recurrent(Wiring(2, 3, pre=[0, 1], post=[2, 3]), "ltc").stepper()
        >>> stepper.step([0.0, 1.0], dt=0.5).shape, stepper.state.shape
        ((3,), (3,))
        """
        if batch is not None:
            check_count("batch", batch, 1)

        def plain(module: nn.Module | None) -> tuple[Any, ...] | None:
            return None if module is None else tuple(one.detach().cpu().numpy() for one in module.parameters())

        with torch.no_grad():
            # NumPy has no bfloat16, and half precision only in name.
            exact = torch.float64 if self._stored().dtype == torch.float64 else torch.float32
            values = {name: value.to("cpu", exact, copy=True).numpy() for name, value in self.values().items()}
            lstm, projection = (plain(copy.deepcopy(one)) for one in (self.lstm, self.projection))
            dtype = np.float64 if exact == torch.float64 else np.float32
            return Stepper(self.wiring, self.model, values, dtype, batch, lstm, projection)  # pyright: ignore[reportArgumentType]

    def trace(
        self,
        x: Tensor,
        state: State | None = None,
        dt: float | Tensor | None = None,
        lengths: Tensor | None = None,
    ) -> Tensor:
        """The state of every neuron after every sample, for what a call takes: (batch, time, neurons), (time, neurons).

        >>> rnn = Recurrent(Wiring(2, 3, outputs=[0]), "ctrnn")
        >>> rnn.trace(torch.zeros(4, 7, 2)).shape
        torch.Size([4, 7, 3])
        """
        samples, states = self._arranged(x, state, dt, lengths)
        with _own_precision(samples.x.device):
            kept = self._scan(self.values(), samples, states, None)[0]
        if x.dim() == 2:
            return kept[0]
        return kept if self.batch_first else kept.transpose(0, 1)

    def _scan(
        self, p: Values, samples: Samples, states: tuple[Tensor, ...], keep: Tensor | None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        run, (x, dt, lengths) = self.backend.run, samples
        if self.lstm is None:
            x = self.model.read_in(p, x)
        if run is not None:
            kept, v = run(self.model, self.wiring, p, x, dt, lengths, states[0], keep)
            return kept, (v,)
        samples, at = Samples(x, dt, lengths), self._indices()
        return scan(self._step(self.model.prepare(p, at), at), states, samples, keep)

    def _step(self, p: Values, at: Values) -> Callable[..., tuple[Tensor, ...]]:
        lstm = self.lstm

        def step(state: tuple[Tensor, ...], x: Tensor, dt: Tensor) -> tuple[Tensor, ...]:
            if lstm is None:
                return (self.model.step(p, at, state[0], x, dt, self.training),)
            h, c = lstm(x, (state[0], state[1]))
            return self.model.step(p, at, h, self.model.read_in(p, x), dt, self.training), c

        return step

    def _packed(self, x: PackedSequence, state: Any, dt: Any, lengths: Any) -> tuple[Any, State]:
        if lengths is not None:
            raise ArgumentError("a PackedSequence knows its lengths; pass no `lengths` with it.")
        padded, lengths = pad_packed_sequence(x, batch_first=self.batch_first)
        y, state = self.forward(padded, state, dt, lengths.to(padded.device))
        if self.return_sequences:
            # In the order of x, also among sequences of equal length, so that y.data stands beside x.data.
            order = torch.arange(len(lengths), device="cpu") if x.sorted_indices is None else x.sorted_indices.cpu()
            y = y.index_select(0 if self.batch_first else 1, order.to(y.device))
            y = pack_padded_sequence(y, lengths[order], batch_first=self.batch_first)
            y = PackedSequence(y.data, y.batch_sizes, x.sorted_indices, x.unsorted_indices)
        return y, state

    def _arranged(self, x: Any, state: Any, dt: Any, lengths: Any) -> tuple[Samples, tuple[Tensor, ...]]:
        """What a call is given, checked and batch first."""
        stored, n_inputs = self._stored(), self.wiring.n_inputs
        check_input(x, stored, "(batch, time, {})", n_inputs)
        if x.dim() == 2:
            if x.shape[1] != n_inputs:
                raise wrong_width(x, n_inputs, batch_first=self.batch_first)
            x, state, dt = self._lifted(x, state, dt, lengths)
            samples = arrange(_cast(x, stored), dt, None, n_inputs)
        else:
            x, dt = _cast(x, stored), _cast(dt, stored)
            samples = arrange(x, dt, lengths, n_inputs, batch_first=self.batch_first)
        shape = (samples.x.shape[0], self.wiring.n_neurons)
        return samples, check_state(state, stored, shape, pair=self.mixed_memory)

    def _lifted(self, x: Tensor, state: Any, dt: Any, lengths: Any) -> tuple[Tensor, Any, Tensor | None]:
        """One sequence as a batch of one."""
        if lengths is not None:
            raise ArgumentError("x holds one sequence without a batch axis; it takes no `lengths`.")
        dt = numbers(dt, self._stored())
        if dt is not None and dt.dim():
            if dt.shape != x.shape[:1]:
                raise ShapeError(
                    f"dt has shape {tuple(dt.shape)}; with one sequence of {x.shape[0]} samples it takes one number, "
                    f"or one per sample: ({x.shape[0]},)."
                )
            dt = dt[None]
        states = state if isinstance(state, tuple) else (state,)
        for one in states:
            if isinstance(one, Tensor) and one.dim() != 1:
                raise ShapeError(
                    f"state has shape {tuple(one.shape)}; with one sequence it takes ({self.wiring.n_neurons},)."
                )
        lifted = tuple(one[None] if isinstance(one, Tensor) else one for one in states)
        return x[None], lifted if isinstance(state, tuple) else lifted[0], dt

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
        if not self._at or self._at["outputs"].device != device:
            arrays = dict(self.model.indices(self.wiring))
            for spec in self._table.specs.values():
                if spec.constraint == "polarity":
                    arrays[f"sign_{spec.name}"] = self._table.sign(spec).astype(np.int64)
            arrays["outputs"] = self.wiring.output_index
            # Kept for later calls too, which may need gradients even if this one does not.
            with torch.inference_mode(False):
                at = {name: torch.tensor(values, device=device) for name, values in arrays.items()}
            if torch.compiler.is_compiling():
                return at  # what is made while a graph is traced belongs to the graph
            self._at = at
        return self._at
