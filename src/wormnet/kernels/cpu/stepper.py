"""One sample after another without torch, for control loops: NumPy and compiled kernels."""

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from wormnet.errors import ArgumentError, ShapeError
from wormnet.kernels.cpu import LANES, plain, unable
from wormnet.kernels.cpu.plans import PLANS, edges_of, kernels_of
from wormnet.models import LTC, Model
from wormnet.wiring.core import Wiring

__all__ = ["Stepper"]

Array = NDArray[Any]
CPU = torch.device("cpu")
Advance = Callable[[Array, Array, float], Array]
"""(state (batch, neurons), mapped inputs (batch, inputs), dt) -> new state."""


class Stepper:
    """Runs a layer sample by sample, with the numbers that the layer had when the stepper was made.

        stepper = rnn.stepper()
        y = stepper.step(x, dt)

    Args:
        wiring, model: of the layer.
        values: its parameters as they enter the equation, by name.
        dtype: of x, y and all numbers.
        batch: None for one sequence, x (inputs,) and y (outputs,); or the number of sequences that advance at once.
        lstm: None, or weight_ih, weight_hh, bias_ih, bias_hh of a cell in front of the neurons.
        projection: None, or weight and bias of a linear map behind the outputs.

    It is not safe to use one stepper in two threads at once.

    >>> import wormnet
    >>> stepper = wormnet.LTC(wormnet.auto_ncp(inputs=4, neurons=8, outputs=2)).stepper()
    >>> stepper.step([0.0, 0.5, 1.0, 0.5], dt=0.1).shape
    (2,)
    """

    def __init__(
        self,
        wiring: Wiring,
        model: Model,
        values: dict[str, Array],
        dtype: Any,
        batch: int | None = None,
        lstm: tuple[Array, ...] | None = None,
        projection: tuple[Array, Array] | None = None,
    ):
        self.batch, self._wiring, self._dtype = batch, wiring, np.dtype(dtype)
        self._shape = (wiring.n_inputs,) if batch is None else (batch, wiring.n_inputs)
        self._values, self._lstm, self._projection = values, lstm, projection
        self._run = self._alone if self._one_ltc(model) else self._any
        if self._run == self._alone:
            from wormnet.kernels.cpu import ltc_alone

            self._kernel, self._tables = ltc_alone.step, ltc_alone.Tables(wiring, values, dtype)
            self._unfolds = int(model.options["unfolds"])
        else:
            self._advance = _advance_of(model, wiring, values, self._dtype, batch or 1)
        self.reset()

    def _one_ltc(self, model: Model) -> bool:
        kernel = isinstance(model, LTC) and model.solver == "semi_implicit"
        return kernel and self.batch is None and self._lstm is None and self._wiring.n_neurons > 0

    def reset(self) -> None:
        """Start over from a state of zeros."""
        zeros = np.zeros((self.batch or 1, self._wiring.n_neurons), self._dtype)
        self._v, self._memory = zeros, zeros.copy()
        if self._run == self._alone:
            self._v = self._tables.room[: self._wiring.n_neurons]
            self._v[:] = 0

    @property
    def state(self) -> Any:
        """A copy of the state, as the layer has it: (neurons,) or (batch, neurons), a pair of them with an LSTM cell.

        Setting it resumes from there.
        """
        parts = (self._v, self._memory)[: 1 if self._lstm is None else 2]
        shape = (self._wiring.n_neurons,) if self.batch is None else (self.batch, self._wiring.n_neurons)
        copies = tuple(part.reshape(shape).copy() for part in parts)
        return copies if self._lstm is not None else copies[0]

    @state.setter
    def state(self, given: Any) -> None:
        own = (self._v, self._memory) if self._lstm is not None else (self._v,)
        parts = tuple(given) if self._lstm is not None else (given,)
        shape = (self._wiring.n_neurons,) if self.batch is None else (self.batch, self._wiring.n_neurons)
        if len(parts) != len(own) or any(np.shape(part) != shape for part in parts):
            what = f"a pair of {shape}" if len(own) == 2 else f"{shape}"
            raise ShapeError(f"state has shape {[np.shape(part) for part in parts]}; it takes {what}.")
        for mine, part in zip(own, parts, strict=True):
            mine[...] = np.asarray(part, self._dtype).reshape(mine.shape)

    def step(self, x: ArrayLike, dt: float = 1.0) -> Array:
        """Advance by one sample that lasted dt, and return the outputs.

        Args: x: (inputs,), or (batch, inputs).   dt: a number, finite and > 0.
        Returns: (outputs,) or (batch, outputs).   Raises: ShapeError, ArgumentError; the state then is what it was.
        """
        given = np.ascontiguousarray(x, self._dtype)
        if given.shape != self._shape:
            raise ShapeError(f"x has shape {given.shape}; the stepper takes one sample: {self._shape}.")
        if not 0 < dt < float("inf"):
            raise ArgumentError(f"dt is {dt!r}; it is the time since the previous sample, one number, finite and > 0.")
        y = self._run(given, dt)
        if self._projection is not None:
            y = (y @ self._projection[0].T + self._projection[1]).astype(self._dtype)
        return y

    def _alone(self, x: Array, dt: float) -> Array:
        tables, y = self._tables, np.empty(self._wiring.n_outputs, self._dtype)
        self._kernel(tables.numbers, tables.whole, tables.room, x, y, tables.sizes, float(dt), self._unfolds)
        return y

    def _any(self, x: Array, dt: float) -> Array:
        rows, v = x[None] if self.batch is None else x, self._v
        if self._lstm is not None:
            v, memory = plain.lstm(self._lstm, rows, self._v, self._memory)
            self._memory = memory.astype(self._dtype)
        self._v = self._advance(v, plain.mapped(self._values, rows, "input"), dt).astype(self._dtype, copy=False)
        y = plain.mapped(self._values, self._v[:, self._wiring.output_index], "output").astype(self._dtype, copy=False)
        return y[0] if self.batch is None else y


def _advance_of(model: Model, wiring: Wiring, values: dict[str, Array], dtype: Any, batch: int) -> Advance:
    if unable(model, CPU, torch.float32) is None:
        return _compiled(model, wiring, values, dtype, batch)
    return plain.advance_of(model, wiring, values)


def _compiled(model: Model, wiring: Wiring, values: dict[str, Array], dtype: Any, batch: int) -> Advance:
    """One sample at a time through the kernels for whole sequences."""
    kernels, n, inputs = kernels_of(model), wiring.n_neurons, wiring.n_inputs
    forward, plan = importlib.import_module(f"wormnet.kernels.cpu.{kernels}").forward, PLANS[kernels]
    p = np.concatenate([values[name].reshape(-1) for name in plan.parameters(model) if name in values]).astype(dtype)
    option = plan.option(model)
    edges, sizes = edges_of(kernels, wiring).numpy(), (n, inputs, batch, 1, 0, option, -1)
    none, keep = np.empty(0, dtype), np.empty(0, np.int64)
    room = np.empty(plan.room(n, inputs, int(edges[0]), option) * LANES, dtype)
    times = np.empty(batch, dtype)

    def advance(v: Array, x: Array, dt: float) -> Array:
        times[:] = dt
        last = np.empty((batch, n), dtype)
        x, v = np.ascontiguousarray(x, dtype).reshape(-1), np.ascontiguousarray(v, dtype).reshape(-1)
        for block in range(-(-batch // LANES)):
            forward(p, edges, sizes, x, times, none, v, keep, none, last.reshape(-1), none, block, room)
        return last

    return advance
