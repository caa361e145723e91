"""A layer as an ONNX graph with free batch and time, state in and out."""

import contextlib
import io
import json
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from wormnet._version import __version__
from wormnet.atomic import write_whole
from wormnet.errors import ArgumentError, BackendError, need, unknown
from wormnet.export.network import on_reference
from wormnet.nn.recurrent import Recurrent
from wormnet.paths import checked

__all__ = ["OnnxFile", "onnx"]

FORMS = ("sequence", "step")
TRACED, CHECKED = (2, 5), ((3, 9), (1, 2))
"""Batch and time that a graph is traced at, and those that it is tried at."""


@dataclass(frozen=True)
class OnnxFile:
    """What was written.

    Attributes:
        path: the file.
        inputs, outputs: names of the graph's, in order.
        measured: the largest difference to the layer that onnxruntime has shown; None where it was not asked.
    """

    path: Path
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    measured: float | None


def onnx(
    rnn: Recurrent,
    path: str | os.PathLike[str],
    *,
    form: str = "sequence",
    lengths: bool = False,
    starts: bool = False,
    check: bool = True,
) -> OnnxFile:
    """Write a layer as one ONNX file that runs batches of any size and sequences of any length.

    Inputs of the form "sequence": x (batch, time, inputs), dt (batch, time) as the layer takes it, and `state_NAME`
    (batch, neurons) for each state; if asked for, `lengths` (batch,) of int64 and `starts` (batch, time) of bool.
    Outputs: y (batch, time, outputs) and `new_state_NAME`, from which the next call goes on. The form "step" takes one
    sample: x (batch, inputs), dt (batch,), and gives y (batch, outputs).

    The loop over time is one Scan whose body is the model's own functions. A sequence begins with the model's starting
    state, which is zeros for most; the file's metadata hold it with names, wiring and time unit, as JSON.

    Args:
        rnn: any recurrent layer; it is exported in evaluation mode.
        path: the file, by custom ending in .onnx.
        form: "sequence" or "step".
        lengths, starts: whether the graph takes them, see `Recurrent`; of the form "sequence".
        check: run the graph in onnxruntime at two other sizes, and keep it only if it computes what the layer does.

    Raises: ArgumentError for what does not fit; BackendError if the graph is wrong: then no file is written;
        WormnetError without the packages of `wormnet[export]`; DataError if the file cannot be written.

    >>> import wormnet
    >>> onnx(wormnet.LTC(wormnet.dense(2, 3)), "ltc.onnx", form="loop")
    Traceback (most recent call last):
    wormnet.errors.ArgumentError: unknown form 'loop'. Known: sequence, step.
    """
    if form not in FORMS:
        raise ArgumentError(unknown("form", form, FORMS))
    if form == "step" and (lengths or starts):
        raise ArgumentError("a step is one sample, so it takes neither lengths nor starts.")
    need("onnxscript", "onnxscript", "export.onnx", extra="export")
    library, file = need("onnx", "onnx", "export.onnx", extra="export"), checked(path)
    call = _Call(on_reference(rnn), form, lengths=lengths, starts=starts)
    proto = _traced(call)
    _describe(proto, rnn)
    _tidy(proto.graph)
    prove_free(proto, form)
    library.checker.check_model(proto, full_check=True)
    content = proto.SerializeToString()
    measured = max(_compared(call, content, *size) for size in CHECKED) if check else None
    write_whole(file, content)
    return OnnxFile(file, call.inputs, call.outputs, measured)


class _Call(nn.Module):
    """A layer with all that a graph takes as positional tensors."""

    def __init__(self, rnn: Recurrent, form: str, *, lengths: bool, starts: bool):
        super().__init__()
        self.rnn, self.form = rnn, form
        # Parameters as numbers, and the unit as a tensor: in a graph torch rounds scalars to single precision.
        with torch.no_grad():
            values = rnn.values()
        rnn._values = lambda all_stored: values
        self.time_unit, rnn.time_unit = rnn.time_unit, 1.0
        self.register_buffer("unit", rnn._stored().new_tensor(self.time_unit))
        states = [f"state_{name}" for name in rnn._state_names]
        self.n_states = len(states)
        self.extra = [name for name, wanted in (("lengths", lengths), ("starts", starts)) if wanted]
        self.inputs = ("x", "dt", *states, *self.extra)
        self.outputs = ("y", *(f"new_{name}" for name in states))

    def forward(self, x: Tensor, dt: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        """The outputs in order."""
        state = rest[: self.n_states] if self.n_states > 1 else rest[0]
        more: Any = dict(zip(self.extra, rest[self.n_states :]))
        dt = dt / self.get_buffer("unit")
        if self.form == "step":
            y, new = self.rnn(x[:, None], state, dt[:, None])
            y = y[:, 0]
        else:
            y, new = self.rnn(x, state, dt, **more)
        return (y, *new) if isinstance(new, tuple) else (y, new)

    def given(self, batch: int, time: int) -> tuple[Tensor, ...]:
        """Numbers for all inputs, near to what the layer starts from."""
        rnn, generator = self.rnn, torch.Generator("cpu").manual_seed(batch * 1000 + time)
        like = rnn._stored()

        def drawn(*shape: int) -> Tensor:
            return torch.rand(*shape, generator=generator, dtype=torch.float64, device="cpu").to(like)

        axes = (batch,) if self.form == "step" else (batch, time)
        found = [drawn(*axes, rnn.n_inputs) * 2 - 1, (drawn(*axes) * 0.5 + 0.1) * self.time_unit]
        found += [one + drawn(batch, rnn.wiring.n_neurons) * 0.1 for one in rnn._initial(rnn.values())]
        more = {
            "lengths": torch.randint(0, time + 1, (batch,), generator=generator),
            "starts": torch.rand(batch, time, generator=generator) < 0.3,
        }
        return (*found, *(more[name] for name in self.extra))


def _traced(call: _Call) -> Any:
    """The graph as torch traces it, without what it prints and warns of."""
    batch, time = torch.export.Dim("batch", min=1), torch.export.Dim("time", min=1)
    long = {0: batch} if call.form == "step" else {0: batch, 1: time}
    rest = [long if name == "starts" else {0: batch} for name in call.inputs[2:]]
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), torch.no_grad():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            call,
            call.given(*TRACED),
            dynamo=True,
            dynamic_shapes=(long, long, tuple(rest)),
            input_names=call.inputs,
            output_names=call.outputs,
            external_data=False,
            verbose=False,
        )
    assert program is not None
    return program.model_proto


def _describe(proto: Any, rnn: Recurrent) -> None:
    """Names, wiring and time unit as metadata of the file."""
    wiring = rnn.wiring
    told = {
        "version": __version__,
        "wiring": wiring.digest,
        "model": rnn.model.name,
        "model_options": rnn.model.options,
        "time_unit": rnn.time_unit,
        "inputs": wiring.inputs,
        "neurons": wiring.neurons,
        "outputs": wiring.outputs,
        "initial": [one.tolist() for one in rnn._initial(rnn.values())],
    }
    proto.producer_name, proto.producer_version = "wormnet", __version__
    for name, value in told.items():
        text = value if isinstance(value, str) else json.dumps(value, default=repr)
        proto.metadata_props.add(key=f"wormnet.{name}", value=text)


def _tidy(graph: Any) -> set[str]:
    """Take out where each node came from, most of the file, and numbers that no node takes; gives all names."""
    used = {one.name for one in graph.output}
    for node in graph.node:
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
        used |= set(node.input)
        for attribute in node.attribute:
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                used |= _tidy(inner)
    for one in (*graph.value_info, *graph.input, *graph.output, *graph.initializer):
        one.ClearField("metadata_props")
    kept = [one for one in graph.initializer if one.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    return used


def prove_free(proto: Any, form: str) -> None:
    """Raise BackendError unless batch, and of a sequence time, are free and the loop is a loop."""
    needed = {"step": 1, "sequence": 2}[form]
    for one in proto.graph.input[:2]:
        fixed = [d.dim_value for d in one.type.tensor_type.shape.dim[:needed] if not d.dim_param]
        if fixed:
            raise BackendError(
                f"the traced graph takes {one.name} with a size of {fixed[0]} alone, where batch and time have to be "
                "free; no file was written. A model's functions may not ask for sizes."
            )
    if form == "sequence" and not any(node.op_type == "Scan" for node in proto.graph.node):
        raise BackendError(
            "the traced graph has no loop over time, so it would run one length only; no file was written."
        )


def _compared(call: _Call, content: bytes, batch: int, time: int) -> float:
    """The largest difference between the graph in onnxruntime and the layer. Raises BackendError if it is too large."""
    runtime = need("onnxruntime", "onnxruntime", "export.onnx", extra="export")
    options = runtime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, 1
    given = call.given(batch, time)
    with torch.no_grad():
        expected = [one.numpy() for one in call(*given)]
    try:
        session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        got = session.run(None, {name: one.numpy() for name, one in zip(call.inputs, given, strict=True)})
    except Exception as error:  # onnxruntime's own errors have no class in common
        raise BackendError(
            f"the graph does not run in onnxruntime at batch {batch} and time {time}: {str(error)[:300]}; no file was "
            "written."
        ) from None
    allowed = 1e-9 if call.rnn._stored().dtype == torch.float64 else 1e-5
    worst = max(_difference(one, other) for one, other in zip(got, expected, strict=True))
    if not worst <= allowed * max(1.0, *(float(np.abs(one).max(initial=0.0)) for one in expected)):
        raise BackendError(
            f"the graph differs from the layer by {worst:.2g} at batch {batch} and time {time}; no file was written."
        )
    return worst


def _difference(one: NDArray[Any], other: NDArray[Any]) -> float:
    if one.shape != other.shape:
        return float("inf")
    return float(np.abs(one.astype(np.float64) - other).max(initial=0.0))
