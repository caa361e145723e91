"""What runs one sample for a stepper: the single-sequence kernel, the block kernel, or the reference engine."""

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from wormnet.engine.cpu import LANES, unable
from wormnet.engine.cpu.threads import run_team, words_of
from wormnet.engine.layout import Layout
from wormnet.engine.reference import Reference, States

__all__ = ["Array", "Engine", "Maps", "Refused", "engine_for"]

Array = NDArray[Any]
CPU = torch.device("cpu")


class Maps(NamedTuple):
    """Scale and shift of inputs and of outputs."""

    inputs: tuple[Array, Array]
    outputs: tuple[Array, Array]


class Refused(Exception):
    """A sample that was not taken: "x" at a row and an input, "dt" at a row, or the "state" of a neuron of a row."""

    def __init__(self, what: str, row: int = 0, place: int = 0):
        super().__init__(what, row, place)
        self.what, self.row, self.place = what, row, place


class Engine(ABC):
    """Advances the states of some rows by one sample."""

    @abstractmethod
    def take(self, p: Array, maps: Maps) -> None:
        """Use these coefficients, packed as the layout says, and these maps from now on; all may have an axis of rows
        in front if `engine_for` was told so."""

    @abstractmethod
    def read(self) -> Array:
        """A copy of the states (states, rows, neurons)."""

    @abstractmethod
    def write(self, states: Array) -> None:
        """Set the states."""

    @abstractmethod
    def step(self, x: Array, dt: Any) -> Array:
        """Outputs after a sample: x (inputs,) or (rows, inputs) in float32 or float64, dt in the equation's time.

        Raises: Refused, also for x and dt that are not finite in the engine's dtype; the states are kept then.
        """


def engine_for(layout: Layout, dtype: Any, batch: int | None, *, per_row: bool = False) -> Engine:
    """The fastest that can run a layout, compiled; per_row: with coefficients of their own for each row."""
    kind = torch.float64 if dtype == np.float64 else torch.float32
    if unable(layout.program, CPU, kind) is not None:
        return ReferenceRows(layout, dtype, batch)
    if batch is None and not any(part.dense for part in layout.program.parts):
        return Single(layout, dtype)
    return Blocks(layout, dtype, batch, per_row=per_row)


class Single(Engine):
    """One sequence of a program whose parts are all sparse."""

    def __init__(self, layout: Layout, dtype: Any):
        from wormnet.engine.cpu.single import kernel_of
        from wormnet.engine.cpu.single_tables import tables_of

        self._tables = tables = tables_of(layout)
        self._numbers, self._whole, at = np.zeros(tables.size, dtype), tables.whole, tables.at
        # In float64 whatever the type: NumPy warns of numbers that overflow when it converts them, the kernel does not.
        self._x = np.zeros(layout.wiring.n_inputs)
        self._y = self._numbers[at["y"] :][: layout.wiring.n_outputs]
        states = len(layout.program.states)
        self._states = self._numbers[at["v"] :][: states * at["neurons"]].reshape(states, at["neurons"])
        kernel = kernel_of(layout.program)
        kernel(self._numbers, self._whole, self._x, 0.0)  # compiled here, and no sample is taken
        self._kernel = kernel.dispatcher

    def take(self, p: Array, maps: Maps) -> None:
        tables = self._tables
        given = np.concatenate([p, *maps.inputs, *maps.outputs, [0, 1]])
        self._numbers[: len(tables.source)] = given[tables.source]

    def read(self) -> Array:
        return self._states[:, None, self._tables.place]

    def write(self, states: Array) -> None:
        self._states[:, self._tables.place] = states[:, 0]

    def step(self, x: Array, dt: float) -> Array:
        self._x[...] = x
        status = self._kernel(self._numbers, self._whole, self._x, dt)
        if status != -1:
            self._refuse(status)
        return self._y.copy()

    def _refuse(self, status: int) -> None:
        from wormnet.engine.cpu.single_tables import BAD_DT, BAD_STATE

        if status == BAD_DT:
            raise Refused("dt")
        raise Refused("x", 0, status) if status >= 0 else Refused("state", 0, BAD_STATE - status)


class _Rows(Engine):
    """Rows of numbers that are checked here, and advanced by `_advance`."""

    _maps: Maps

    def __init__(self, layout: Layout, dtype: Any, batch: int | None, width: int):
        wiring, rows = layout.wiring, batch or 1
        self._alone, self._inputs, self._outputs = batch is None, wiring.n_inputs, wiring.output_index
        self._x = np.zeros((rows, width), dtype)
        self._dt = np.ones(rows, dtype)
        self._states = np.zeros((len(layout.program.states), rows, wiring.n_neurons), dtype)

    def read(self) -> Array:
        return self._states.copy()

    def write(self, states: Array) -> None:
        self._states[...] = states

    def step(self, x: Array, dt: Any) -> Array:
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            self._dt[...] = dt
            _check("dt", (self._dt > 0) & (self._dt < np.inf))
            rows = x.astype(self._x.dtype, copy=False).reshape(len(self._dt), self._inputs)
            _check("x", np.isfinite(rows))
            # Mapped, and where an LSTM cell reads them, as they are.
            self._x[:, : self._inputs] = rows * self._maps.inputs[0] + self._maps.inputs[1]
            if self._x.shape[1] > self._inputs:
                self._x[:, self._inputs :] = rows
            new = self._advance()
            _check("state", np.isfinite(new).all(0))
            self._states = new
            y = new[0][:, self._outputs] * self._maps.outputs[0] + self._maps.outputs[1]
        return y[0] if self._alone else y

    @abstractmethod
    def _advance(self) -> Array:
        """The states after a sample, in memory that is not that of the states."""


def _check(what: str, good: Any) -> None:
    if not good.all():
        where = np.argwhere(~good)[0]
        raise Refused(what, *(int(i) for i in where))


class Blocks(_Rows):
    """Rows through the kernel for whole sequences, as sequences of one sample."""

    def __init__(self, layout: Layout, dtype: Any, batch: int | None, *, per_row: bool):
        from wormnet.engine.cpu.frame import frame_of, history_blocks, names_of, width_of
        from wormnet.engine.cpu.schedule import schedule_of
        from wormnet.engine.cpu.sequence import forward_of

        super().__init__(layout, dtype, batch, width_of(layout))
        program, rows, frame = layout.program, batch or 1, frame_of(layout)
        history = history_blocks(program, layout.wiring.n_neurons, 1) * LANES
        own = max(history + frame.sizes[names_of(program).index("forward_room")], LANES)
        self._room, self._tables = np.zeros(own, dtype), frame.tables
        self._order = schedule_of(None, rows, 1, refill=False)
        self._blocks = self._order.n_blocks
        self._numbers = (rows, 1, -1, 0, history, own, self._blocks, *frame.sizes)
        self._kernel = forward_of(program, np.dtype(dtype).char, by_lane=per_row)
        self._p = np.zeros((self._blocks, layout.size, LANES) if per_row else layout.size, dtype)
        self._advance()  # compiled here

    def take(self, p: Array, maps: Maps) -> None:
        self._maps = maps
        if self._p.ndim == 1:
            self._p[...] = p
            return
        # Lanes without a row repeat the last one's numbers.
        rows = np.broadcast_to(p, (len(self._dt), p.shape[-1]))
        whole = np.pad(rows, ((0, self._blocks * LANES - len(rows)), (0, 0)), mode="edge")
        self._p[...] = whole.reshape(self._blocks, LANES, -1).transpose(0, 2, 1)

    def _advance(self) -> Array:
        last, order, none = np.empty_like(self._states), self._order, None
        arrays = (
            *(self._p, self._tables, self._x, self._dt, none, self._states, none, none),
            *(order.first, order.blocks, order.switches, none, none, last, none, self._room),
        )
        run_team(self._kernel.address, words_of(self._blocks, 1, arrays, self._numbers), 1)
        return last


class ReferenceRows(_Rows):
    """Rows on torch tensors."""

    def __init__(self, layout: Layout, dtype: Any, batch: int | None):
        super().__init__(layout, dtype, batch, 2 * layout.wiring.n_inputs)
        self._layout, self._engine = layout, Reference(layout)

    def take(self, p: Array, maps: Maps) -> None:
        self._p, self._maps = torch.from_numpy(p), maps

    def _advance(self) -> Array:
        with torch.no_grad():
            states = tuple(torch.from_numpy(one) for one in self._states)
            x, dt = torch.from_numpy(self._x), torch.from_numpy(self._dt)[:, None]
            if self._p.dim() == 1:
                new = self._run(self._p, states, x, dt)
            else:
                alone = (self._p, tuple(one[:, None] for one in states), x[:, None], dt[:, None])
                new = tuple(one[:, 0] for one in torch.vmap(self._run)(*alone))
            return np.stack([one.numpy() for one in new])

    def _run(self, p: torch.Tensor, states: States, x: torch.Tensor, dt: torch.Tensor) -> States:
        return self._engine.step(self._layout.unpack(p), states, x, dt)
