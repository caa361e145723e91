"""A call of the Triton kernels beside the reference, on a CUDA device or in Triton's interpreter on the CPU.

The interpreter is chosen before Triton is imported, so tests/engine/gpu/test_interpreter.py runs these tests in a
process of its own.
"""

import os

import numpy as np
import pytest
import torch
from tolerances import close

from wormnet.engine.gpu import tables
from wormnet.engine.layout import layout_of
from wormnet.engine.program import program_of
from wormnet.engine.reference import Reference
from wormnet.engine.samples import Samples
from wormnet.models import connections
from wormnet.models.memory import memory_coefficients
from wormnet.models.spec import shape_of

# cuBLAS multiplies in a fixed order only if this is set before it starts.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cpu" if INTERPRETED else "cuda"
MARKS = [
    pytest.mark.gpu,
    pytest.mark.skipif(not (INTERPRETED or torch.cuda.is_available()), reason="no CUDA device"),
    pytest.mark.usefixtures("nothing_is_left_to_chance"),
    # The sigmoid lets exp overflow to infinity; NumPy, on which the interpreter computes, says so.
    pytest.mark.filterwarnings("ignore:overflow encountered in"),
    pytest.mark.filterwarnings("ignore:invalid value encountered in"),
]
if INTERPRETED:
    # Shorter rows take the interpreter less time, and small wirings then have neurons of several rows.
    tables.ROW = 2
FREE = ("x", "dt", "state", "initial")
LSTM = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


class Case:
    """The numbers of a call: every tensor that may take a gradient, by name, and the rest."""

    def __init__(
        self, wiring, model, batch, time, seed, *, memory=False, dtype=torch.float64, dt="sample", lengths=True,
        starts=False, keep=True, drop=0.0,
    ):  # fmt: skip
        self.wiring, self.model = wiring, model
        self.program = program_of(model, memory=memory)
        self.layout = layout_of(self.program, wiring)
        random, n, inputs = np.random.default_rng(seed), wiring.n_neurons, wiring.n_inputs

        def put(values):
            return torch.tensor(values, dtype=dtype, device=DEVICE)

        states, shape_of_dt = (len(self.program.states), batch, n), {"one": (1, 1), "sample": (batch, time)}[dt]
        self.tensors = {
            "x": put(random.normal(size=(batch, time, inputs * (1 + memory)))),
            "dt": put(random.uniform(0.05, 1.0, shape_of_dt)).expand(batch, time).clone(),
            "state": put(random.normal(size=states)),
            "initial": put(random.normal(size=states)),
        }
        links = len(connections(wiring, own=any(getattr(one, "own_state", False) for one in model.updates())).pre)
        for spec in model.params(wiring):
            if spec.over in ("input", "output"):
                continue
            shape = shape_of(spec, wiring, links)
            drawn = random.uniform(0.3, 1.5, shape) if spec.constraint == "positive" else random.normal(size=shape)
            scale = 3.0 if spec.name == "slope" else max(1, shape[1]) ** -0.5 if len(shape) == 2 else 1.0
            self.tensors[spec.name] = put(np.abs(drawn) if spec.constraint == "non_negative" else drawn * scale)
        if memory:
            for name, shape in zip(LSTM, ((4 * n, inputs), (4 * n, n), (4 * n,), (4 * n,)), strict=True):
                self.tensors[name] = put(random.normal(size=shape) * 0.5)
        self.lengths = torch.tensor(random.integers(0, time + 1, batch), device=DEVICE) if lengths else None
        self.starts = torch.tensor(random.random((batch, time)) < 0.4, device=DEVICE) if starts else None
        self.keep = torch.tensor(wiring.output_index if keep else np.arange(n), device=DEVICE)
        self.drop = None
        if drop:
            update = self.program.parts[-1].update
            shape = (len(update.hidden), batch, time, update.units)
            self.drop = put((random.random(shape) >= drop) / (1 - drop))
        self.upstream = [put(random.normal(size=(batch, time, len(self.keep)))), put(random.normal(size=states))]

    def to(self, dtype):
        """The same numbers in another dtype."""
        other = object.__new__(Case)
        other.__dict__ = {**self.__dict__, "upstream": [values.to(dtype) for values in self.upstream]}
        other.drop = None if self.drop is None else self.drop.to(dtype)
        other.tensors = {name: values.to(dtype) for name, values in self.tensors.items()}
        return other

    def coefficients(self, tensors):
        """What the program takes, of the tensors that are parameters."""
        own = {name: values for name, values in tensors.items() if name not in (*FREE, *LSTM)}
        lstm = memory_coefficients(*(tensors[name] for name in LSTM)) if LSTM[0] in tensors else {}
        return {**self.model.coefficients(own), **lstm}

    def kernels(self, tensors, lanes, *, span=None, tracked=True):
        """Kept and last, by the kernels; `span` as the operator takes it."""
        from wormnet.engine.gpu import call

        p = self.layout.pack(self.coefficients(tensors))
        given = [tensors[name] for name in FREE]
        span = (tensors["x"].shape[1] if span is None else span) if tracked else -1
        if self.starts is None:
            given[-1] = None
        plain = call.lanes_of
        call.lanes_of = lambda *_: lanes
        try:
            return _Run.apply(self, lanes, span, p, *given)
        finally:
            call.lanes_of = plain

    def reference(self, tensors):
        """Kept and last, by the reference."""
        samples = Samples(tensors["x"], tensors["dt"], self.lengths, self.starts)
        initial = tuple(tensors["initial"]) if self.starts is not None else None
        plain, calls = torch.nn.functional.dropout, iter(range(10**9))

        def dropped(z, *_):
            if self.drop is None:
                return z
            t, layer = divmod(next(calls), len(self.drop))
            return z * self.drop[layer, :, t]

        torch.nn.functional.dropout = dropped
        try:
            kept, last = Reference(self.layout)(
                self.coefficients(tensors), samples, tuple(tensors["state"]), initial, self.keep, training=True
            )
        finally:
            torch.nn.functional.dropout = plain
        return kept, torch.stack(last)

    def outputs_and_gradients(self, run, *, frozen=()):
        """By name; a gradient that nothing depends on is zero."""
        tensors = {name: values.clone().requires_grad_(name not in frozen) for name, values in self.tensors.items()}
        kept, last = run(tensors)
        free = {name: values for name, values in tensors.items() if name not in frozen}
        loss = sum((out * up).sum() for out, up in zip((kept, last), self.upstream, strict=True))
        gradients = torch.autograd.grad(loss, list(free.values()), allow_unused=True, materialize_grads=True)
        return {"kept": kept.detach(), "last": last.detach()}, dict(zip(free, gradients, strict=True))


class _Run(torch.autograd.Function):
    @staticmethod
    def forward(ctx, case, lanes, span, p, x, dt, state, initial):
        from wormnet.engine.gpu import launch

        tables, sizes = launch.encode(case.layout, DEVICE)
        head = (p, tables, sizes, x, dt, case.lengths, case.starts)
        tail = (initial, case.drop, case.keep)
        kept, last, saved = launch.forward(*head, state, *tail, case.program.name, span)
        (batch, time, _), n = x.shape, case.wiring.n_neurons
        given = {"padded": case.lengths is not None, "starts": case.starts is not None}
        assert saved.shape == (launch.saved_size(case.program, n, batch, time, span, **given),)
        ctx.call, ctx.saved, ctx.span, ctx.lanes = (head, tail, case.program.name), saved, span, lanes
        ctx.shapes = kept.shape, last.shape
        return kept, last

    @staticmethod
    def backward(ctx, g_kept, g_last):
        from wormnet.engine.gpu import call, launch

        head, tail, name = ctx.call
        wanted = list(ctx.needs_input_grad[3:])
        plain = call.lanes_of
        call.lanes_of = lambda *_: ctx.lanes
        try:
            found = launch.backward(*head, *tail, ctx.saved, g_kept, g_last, name, ctx.span, wanted)
        finally:
            call.lanes_of = plain
        for one, asked, given in zip(found, wanted, (head[0], *head[3:5], g_last, g_last), strict=True):
            assert one.shape == (given.shape if asked else (0,))
        return None, None, None, *(one if asked else None for one, asked in zip(found, wanted, strict=True))


def assert_equal_to_the_reference(case, lanes=2, dtype=torch.float64, *, span=None, **options):
    """In `dtype` against the reference in double precision."""
    # What single precision cannot hold of the drawn numbers is no error of the kernels.
    case = case.to(dtype)
    got = case.outputs_and_gradients(lambda tensors: case.kernels(tensors, lanes, span=span), **options)
    double = case.to(torch.float64)
    expected = double.outputs_and_gradients(double.reference, **options)
    for gradient in (False, True):
        for name, values in expected[gradient].items():
            try:
                close(got[gradient][name], values.to(dtype), backend="gpu", gradient=gradient)
            except AssertionError as error:
                raise AssertionError(f"{'gradient of ' * gradient}{name}: {error}") from None
