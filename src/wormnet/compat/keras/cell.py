"""One sample of a wired layer in `keras.ops`: the cell that `keras.layers.RNN` runs."""

import importlib.util
import os
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from wormnet.engine.bind import bind
from wormnet.engine.layout import layout_of
from wormnet.engine.program import Part, program_of
from wormnet.errors import ArgumentError, need
from wormnet.models.equation import DenseUpdate, Model, Update
from wormnet.models.spec import ParamSpec
from wormnet.nn.constraints import SHIFT
from wormnet.nn.recurrent import Recurrent
from wormnet.wiring.core import Wiring

__all__ = ["Cell", "keras"]

if "keras" not in sys.modules and importlib.util.find_spec("tensorflow") is None:
    # Without a choice Keras takes TensorFlow, and writes that into its file of settings; torch is here in any case.
    chosen = Path.home() / ".keras" / "keras.json"
    if not chosen.exists() or '"tensorflow"' in chosen.read_text(errors="replace"):
        os.environ.setdefault("KERAS_BACKEND", "torch")
keras: Any = need("keras", "Keras 3", "wormnet.compat.keras", extra="keras")
ops = keras.ops

OPS = {
    "exp": ops.exp,
    "tanh": ops.tanh,
    "sigmoid": ops.sigmoid,
    "absolute": ops.abs,
    "where_less": lambda a, b, then, otherwise: ops.where(ops.less(a, b), then, otherwise),
}


def bound(function: Any) -> Any:
    """A model's function on Keras' tensors."""
    return bind(function, OPS, lambda one: one)


class Cell(keras.layers.Layer):
    """The neurons of a wiring, for one sample; the last input is the time since the previous one.

    Inside, states are (neurons, batch) and coefficients (neurons, 1) or (edges, 1).
    """

    def __init__(self, wiring: Wiring, model: Model, time_unit: float, proj_size: int | None, **options: Any):
        super().__init__(**options)
        self.wiring, self.model, self.time_unit, self.proj_size = wiring, model, time_unit, proj_size
        self.layout = layout_of(program_of(model), wiring)
        if any(isinstance(part.update, DenseUpdate) for part in self.layout.program.parts):
            raise ArgumentError("in Keras a CfC has no backbone; use backbone_layers=0.")
        if model.options.get("fixed_zeros"):
            raise ArgumentError("in Keras a CfC has no fixed_zeros; use fixed_zeros=False.")
        self.state_size = [wiring.n_neurons] * len(self.layout.program.states)
        self.output_size = proj_size or wiring.n_outputs
        self.stored: dict[str, Any] = {}

    def build(self, input_shape: Any = None) -> None:
        """Make the weights, drawn as the torch layer draws them; keras.utils.set_random_seed makes them repeat."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(random.getrandbits(31))
            drawn = Recurrent(self.wiring, self.model, backend="reference", proj_size=self.proj_size)
        self._table = drawn._table
        for name, value in drawn.state_dict().items():
            first = keras.initializers.Constant(0.0)
            weight = self.add_weight(name=name.replace(".", "_"), shape=tuple(value.shape), initializer=first)
            weight.assign(value.numpy())
            self.stored[name] = weight
        self.built = True

    def get_initial_state(self, batch_size: Any = None) -> list[Any]:
        """Zeros, as all three models start."""
        return [ops.zeros((batch_size, n), dtype=self.compute_dtype) for n in self.state_size]

    def call(self, inputs: Any, states: Any, training: bool = False) -> tuple[Any, list[Any]]:
        """Advance states (batch, neurons) by one sample (batch, inputs + 1)."""
        n = self.wiring.n_inputs
        p = {name: self._value(spec) for name, spec in self._table.specs.items()}
        x, dt = ops.transpose(inputs[:, :n]), ops.transpose(inputs[:, n:]) / self.time_unit
        if "input_scale" in p:
            x = x * p["input_scale"][:, None]
        if "input_shift" in p:
            x = x + p["input_shift"][:, None]
        coefficients = {name: value[:, None] for name, value in self.model.coefficients(p).items()}
        now = [ops.transpose(one) for one in states]
        for part in self.layout.program.parts:
            advance = _directed if part.update.solver is None else _solved  # pyright: ignore
            now = advance(self, part, coefficients, now, x, dt)
        return self._read(p, now[0]), [ops.transpose(one) for one in now]

    def _read(self, p: dict[str, Any], state: Any) -> Any:
        """(batch, outputs)"""
        y = ops.transpose(ops.take(state, self.wiring.output_index, axis=0))
        if "output_scale" in p:
            y = y * p["output_scale"]
        if "output_shift" in p:
            y = y + p["output_shift"]
        if self.proj_size is None:
            return y
        weight, bias = self.stored["projection.weight"], self.stored["projection.bias"]
        return ops.matmul(y, ops.transpose(weight)) + bias

    def _value(self, spec: ParamSpec) -> Any:
        """A parameter as it enters the equation; see `nn.constraints`."""
        stored = ops.convert_to_tensor(self.stored[spec.stored_as])
        if spec.constraint == "positive":
            return ops.softplus(stored)
        if spec.constraint == "non_negative":
            return _non_negative(stored)
        if spec.constraint == "polarity":
            sign = ops.convert_to_tensor(self._table.sign(spec), dtype=stored.dtype)
            return ops.where(ops.equal(sign, 0), stored, sign * _non_negative(stored))
        return stored

    def sums(
        self, part: Part, p: dict[str, Any], sums: list[Any], states: list[Any], x: Any, senders: str
    ) -> list[Any]:
        """Sums (neurons, batch) with what inputs, or neurons, send."""
        update, n = part.update, self.wiring.n_neurons
        assert isinstance(update, Update)
        found = list(sums)
        for kind, (edge, table) in enumerate(zip(update.edges, self.layout.tables[part.number], strict=True)):
            chosen = np.flatnonzero(table.from_input if senders == "inputs" else ~table.from_input)
            if not len(chosen):
                continue
            u = ops.take(x if senders == "inputs" else states[part.reads[kind]], table.pre[chosen], axis=0)
            place = chosen if table.synapse is None else table.synapse[chosen]
            added = bound(edge.edge)(u, *(ops.take(p[name], place, axis=0) for name in edge.coefficients))
            for number, value in zip(part.added(edge), added if isinstance(added, tuple) else (added,), strict=False):
                full = value + ops.zeros_like(u)
                found[number] = found[number] + ops.segment_sum(full, table.post[chosen], num_segments=n, sorted=True)
        return found

    def begun(self, part: Part, p: dict[str, Any], like: Any) -> list[Any]:
        """What the sums (neurons, batch) begin with."""
        nothing = ops.zeros_like(like)
        starts = part.update.sums
        return [nothing if one.start is None else nothing + p[one.start] for one in starts]  # pyright: ignore


def _non_negative(stored: Any) -> Any:
    # What is stored as 0 is absent, and stays so: it has no gradient.
    return ops.where(ops.equal(stored, 0), ops.zeros_like(stored), ops.softplus(stored + SHIFT))


def _own(part: Part, states: list[Any]) -> list[Any]:
    return [states[number] for number in part.states]


def _with(part: Part, states: list[Any], new: Any, chosen: NDArray[np.float32] | None = None) -> list[Any]:
    """The states with those of a part replaced, of all neurons or of those where chosen is 1."""
    found = list(states)
    for number, value in zip(part.states, new if isinstance(new, tuple) else (new,), strict=False):
        full = value + ops.zeros_like(states[number])
        found[number] = full if chosen is None else ops.where(chosen > 0, full, states[number])
    return found


def _solved(cell: Cell, part: Part, p: dict[str, Any], states: list[Any], x: Any, dt: Any) -> list[Any]:
    update = part.update
    assert isinstance(update, Update)
    assert update.solver is not None
    h, coefficients = dt / update.unfolds, [p[name] for name in update.coefficients]
    brought = cell.sums(part, p, cell.begun(part, p, states[0]), states, x, "inputs")
    node = bound(update.node)
    for _ in range(update.unfolds):
        ys = [states]
        for stage in update.solver.stages:
            now = ys[-1]
            terms = node(*_own(part, now), *cell.sums(part, p, brought, now, x, "neurons"), *coefficients)
            new = []
            for k, state in enumerate(part.states):
                before = (y[state] for y in ys)
                capacitance, (drive, pull) = p[update.capacitances[k]], terms[2 * k : 2 * k + 2]
                new.append(bound(stage.advance)(*before, capacitance, drive, pull, h)[0])
            ys.append(_with(part, now, tuple(new)))
        states = ys[-1]
    return states


def _directed(cell: Cell, part: Part, p: dict[str, Any], states: list[Any], x: Any, dt: Any) -> list[Any]:
    """Layer by layer: all neurons are computed, and those of the layer are kept."""
    update, layout = part.update, cell.layout
    assert isinstance(update, Update)
    coefficients = [p[name] for name in update.coefficients]
    brought = cell.sums(part, p, cell.begun(part, p, states[0]), states, x, "inputs")
    count = len(layout.layers) - 1 if update.layered else 1
    for layer in range(count):
        chosen = None
        if count > 1:
            chosen = np.zeros((cell.wiring.n_neurons, 1), np.float32)
            chosen[layout.order[layout.layers[layer] : layout.layers[layer + 1]]] = 1.0
        sums = cell.sums(part, p, brought, states, x, "neurons")
        states = _with(part, states, bound(update.node)(*_own(part, states), *sums, *coefficients, dt), chosen)
    return states
