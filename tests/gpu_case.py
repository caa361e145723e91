"""A call of the Triton kernels beside the reference, on a CUDA device or in Triton's interpreter on the CPU.

The interpreter is chosen before Triton is imported, so tests/kernels/gpu/test_interpreter.py runs these tests in a
process of its own.
"""

import os

import numpy as np
import pytest
import torch
from tolerances import close

from wormnet import Recurrent
from wormnet.models.scan import arrange, scan

# cuBLAS multiplies in a fixed order only if this is set before it starts.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cpu" if INTERPRETED else "cuda"
MARKS = [
    pytest.mark.gpu,
    pytest.mark.skipif(not (INTERPRETED or torch.cuda.is_available()), reason="no CUDA device"),
    pytest.mark.usefixtures("nothing_is_left_to_chance"),
    # The sigmoid lets exp overflow to infinity; NumPy, on which the interpreter computes, says so.
    pytest.mark.filterwarnings("ignore:overflow encountered in exp"),
]


class Case:
    """The numbers of a call: every tensor that may take a gradient, by name, and the rest."""

    def __init__(self, wiring, model, batch, time, seed, *, dtype=torch.float64, dt="sample", lengths=True, keep=True):
        self.wiring, self.model = wiring, model
        random = np.random.default_rng(seed)

        def put(values):
            return torch.tensor(values, dtype=dtype, device=DEVICE)

        shape_of_dt = {"one": (), "sample": (batch, time)}[dt]
        self.tensors = {
            "x": put(random.normal(size=(batch, time, wiring.n_inputs))),
            "dt": put(random.uniform(0.05, 1.5, shape_of_dt)),
            "v0": put(random.normal(size=(batch, wiring.n_neurons))),
        }
        layer = Recurrent(wiring, model, dtype=dtype)
        for spec in model.params(wiring):
            if spec.over in ("input", "output"):
                continue
            shape = layer.values()[spec.name].shape
            drawn = random.uniform(0.1, 1.5, shape) if spec.constraint == "positive" else random.normal(size=shape)
            self.tensors[spec.name] = put(drawn * (3.0 if spec.name == "slope" else 1.0))
        self.lengths = torch.tensor(random.integers(0, time + 1, batch), device=DEVICE) if lengths else None
        self.keep = torch.tensor(wiring.output_index, device=DEVICE) if keep else None
        width = wiring.n_outputs if keep else wiring.n_neurons
        self.upstream = [
            put(random.normal(size=(batch, time, width))),
            put(random.normal(size=self.tensors["v0"].shape)),
        ]

    def to(self, dtype):
        """The same numbers in another dtype."""
        other = object.__new__(Case)
        other.__dict__ = {**self.__dict__, "upstream": [values.to(dtype) for values in self.upstream]}
        other.tensors = {name: values.to(dtype) for name, values in self.tensors.items()}
        return other

    def kernels(self, tensors, lanes, **options):
        from wormnet.kernels.gpu.engine import engine_of

        s = arrange(tensors["x"], tensors["dt"], self.lengths, self.wiring.n_inputs)
        run = engine_of(self.model, self.wiring, s.x.device, lanes=lanes, **options)
        return run(self.model, self.wiring, tensors, s.x, s.dt, s.lengths, tensors["v0"], self.keep)

    def reference(self, tensors):
        at = {name: torch.tensor(i, device=DEVICE) for name, i in self.model.indices(self.wiring).items()}
        ready = self.model.prepare(tensors, at)
        samples = arrange(tensors["x"], tensors["dt"], self.lengths, self.wiring.n_inputs)

        def step(state, x, dt):
            return (self.model.step(ready, at, state[0], x, dt),)

        kept, (final,) = scan(step, (tensors["v0"],), samples, self.keep)
        return kept, final

    def outputs_and_gradients(self, run, *, frozen=()):
        """By name; a gradient that nothing depends on is zero."""
        tensors = {name: values.clone().requires_grad_(name not in frozen) for name, values in self.tensors.items()}
        kept, final = run(tensors)
        free = {name: values for name, values in tensors.items() if name not in frozen}
        loss = sum((out * up).sum() for out, up in zip((kept, final), self.upstream, strict=True))
        gradients = torch.autograd.grad(loss, list(free.values()), allow_unused=True, materialize_grads=True)
        return {"kept": kept.detach(), "final": final.detach()}, dict(zip(free, gradients, strict=True))


def assert_equal_to_the_reference(case, lanes=2, dtype=torch.float64, **options):
    """In `dtype` against the reference in double precision."""
    # What single precision cannot hold of the drawn numbers is no error of the kernels.
    case = case.to(dtype)
    got = case.outputs_and_gradients(lambda tensors: case.kernels(tensors, lanes), **options)
    double = case.to(torch.float64)
    expected = double.outputs_and_gradients(double.reference, **options)
    for gradient in (False, True):
        for name, values in expected[gradient].items():
            try:
                close(got[gradient][name], values.to(dtype), backend="gpu", gradient=gradient)
            except AssertionError as error:
                raise AssertionError(f"{'gradient of ' * gradient}{name}: {error}") from None
