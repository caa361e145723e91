"""One sample after another without torch, for control loops: NumPy and compiled kernels."""

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wormnet.engine.cpu.stepping import Array, Engine, Maps, Refused, engine_for
from wormnet.engine.layout import Layout, layout_of
from wormnet.engine.program import program_of
from wormnet.errors import ArgumentError, ShapeError, unknown

__all__ = ["Stepper"]

Pair = tuple[ArrayLike, ArrayLike]
FLOATS = np.dtype(np.float32), np.dtype(np.float64)


class Stepper:
    """Runs a program sample by sample, with numbers of its own: they are those it was made with until `update`.

    Args:
        layout: a program on a wiring.
        coefficients: what the program's edges and nodes take, by name; they are copied.
        initial: for each state of the program (neurons,) what it is before the first sample.
        dtype: of y, the state and all numbers: float32 or float64.
        batch: None for one sequence, x (inputs,) and y (outputs,); or the number of sequences that advance at once, row
            by row, x (batch, inputs) and y (batch, outputs).
        per_row: whether each row of the batch may have numbers of its own: then coefficients, initial states, maps and
            projection are taken with an axis (batch, ...) in front as well; without it they are those of all rows.
        input_map, output_map: None, or scale and shift of inputs and of the outputs.
        projection: None, or weight and bias of a linear map after the outputs.
        time_unit: how much of dt is one unit of the equation's time.

    Everything that has to be compiled is compiled here, so no step waits for it. Where the CPU engine cannot run the
    program (without Numba, or with NUMBA_DISABLE_JIT=1) the reference engine does: slow, and with torch in every step.

    It copies and pickles; a copy goes on from the same state, by itself. One stepper is not for two threads at once.

    Raises: ShapeError, ArgumentError, which names what does not fit.

    >>> import wormnet
    >>> stepper = wormnet.LTC(wormnet.auto_ncp(inputs=4, neurons=8, outputs=2)).stepper()
    >>> stepper.step([0.0, 0.5, 1.0, 0.5], dt=0.1).shape
    (2,)
    """

    def __init__(
        self,
        layout: Layout,
        coefficients: Mapping[str, Array],
        initial: Sequence[ArrayLike],
        *,
        dtype: Any,
        batch: int | None = None,
        per_row: bool = False,
        input_map: Pair | None = None,
        output_map: Pair | None = None,
        projection: Pair | None = None,
        time_unit: float = 1.0,
    ):
        self._dtype = np.dtype(dtype)
        if self._dtype not in FLOATS:
            raise ArgumentError(f"dtype is {self._dtype}; the stepper takes float32 or float64.")
        if batch is not None and (isinstance(batch, bool) or not isinstance(batch, (int, np.integer)) or batch < 1):
            raise ArgumentError(f"batch is {batch!r}; it takes None, or how many sequences advance at once, 1 or more.")
        if not isinstance(per_row, bool) or (per_row and batch is None):
            raise ArgumentError(
                f"per_row is {per_row!r} with batch={batch}; it takes True or False, True with a batch."
            )
        self.batch, self.per_row, self._layout = None if batch is None else int(batch), per_row, layout
        wiring = layout.wiring
        rows = () if self.batch is None else (self.batch,)
        self._shape, self._state_shape = (*rows, wiring.n_inputs), (*rows, wiring.n_neurons)
        self._time_unit = _number("time_unit", time_unit, "it takes one number")
        if not 0 < self._time_unit < math.inf:
            raise ArgumentError(f"time_unit is {time_unit!r}; it takes one number, finite and > 0.")
        self._engine: Engine = engine_for(layout, self._dtype, self.batch, per_row=per_row)
        self._coefficients: dict[str, Array] = {}
        self._maps: dict[str, tuple[Array, Array] | None] = dict.fromkeys(("input_map", "output_map", "projection"))
        self._initial: tuple[Array, ...] = ()
        given = {name: self._coefficient(name, value) for name, value in coefficients.items()}
        self._set(given, initial, {"input_map": input_map, "output_map": output_map, "projection": projection})
        self.reset()

    def update(
        self,
        coefficients: Mapping[str, Array] | None = None,
        *,
        initial: Sequence[ArrayLike] | None = None,
        input_map: Pair | None = None,
        output_map: Pair | None = None,
        projection: Pair | None = None,
    ) -> None:
        """Take new numbers, and go on from the state that it has.

        Index tables and compiled code stay. What is not given stays as it is, single coefficients too.

        Raises: what the constructor raises; nothing is changed then.
        """
        new = dict(self._coefficients)
        for name, value in (coefficients or {}).items():
            if name not in new:
                raise ArgumentError(unknown("coefficient of the stepper", name, new))
            new[name] = self._coefficient(name, value)
        maps = {"input_map": input_map, "output_map": output_map, "projection": projection}
        maps = {name: self._maps[name] if pair is None else pair for name, pair in maps.items()}
        self._set(new, self._initial if initial is None else initial, maps)

    @property
    def numbers(self) -> dict[str, Any]:
        """A copy of its numbers, as `update` takes them: stepper.update(**other.numbers).

        >>> import wormnet
        >>> rnn, other = (wormnet.LTC(wormnet.auto_ncp(inputs=4, neurons=8, outputs=2)) for _ in range(2))
        >>> stepper = rnn.stepper()
        >>> stepper.update(**other.stepper().numbers)
        >>> bool((stepper.step(np.ones(4)) == other.stepper().step(np.ones(4))).all())
        True
        """
        return copy.deepcopy({"coefficients": self._coefficients, "initial": self._initial, **self._maps})

    def _set(self, coefficients: dict[str, Array], initial: Sequence[ArrayLike], maps: dict[str, Any]) -> None:
        """Check everything, then change everything."""
        import torch

        program, wiring = self._layout.program, self._layout.wiring
        if not isinstance(initial, (tuple, list)) or len(initial) != len(program.states):
            raise ShapeError(
                f"initial is {_shown(initial)}; it takes {len(program.states)} arrays, one for each state."
            )
        shape = (wiring.n_neurons,)
        starts = tuple(
            self._of_rows(f"initial {state.name}", one, shape)
            for state, one in zip(program.states, initial, strict=True)
        )
        pairs = {
            "input_map": self._pair("input_map", maps["input_map"], (wiring.n_inputs,)),
            "output_map": self._pair("output_map", maps["output_map"], (wiring.n_outputs,)),
            "projection": self._weight_and_bias(maps["projection"]),
        }
        with torch.no_grad():
            p = self._packed({name: torch.from_numpy(value) for name, value in coefficients.items()})
        one, zero = self._dtype.type(1), self._dtype.type(0)
        sides = {"input_map": wiring.n_inputs, "output_map": wiring.n_outputs}
        self._engine.take(
            p.numpy(), Maps(*(pairs[side] or (np.full(n, one), np.full(n, zero)) for side, n in sides.items()))
        )
        self._coefficients, self._initial, self._maps = coefficients, starts, pairs
        self._projection = pairs["projection"] and (
            np.ascontiguousarray(pairs["projection"][0].swapaxes(-1, -2)),
            pairs["projection"][1],
        )

    def _packed(self, coefficients: dict[str, Any]) -> Any:
        """p, or with numbers of their own for each row (batch, p)."""
        import torch

        if self.batch is None or not self.per_row:
            return self._layout.pack(coefficients)
        axes = self._layout.axes
        rows = {
            name: value if value.dim() > axes.get(name, 0) else value.expand(self.batch, *value.shape)
            for name, value in coefficients.items()
            if name in axes
        }
        return torch.vmap(self._layout.pack)(rows)

    def _coefficient(self, name: str, given: Any) -> Array:
        """A copy of a coefficient; the layout looks at the rest of its shape."""
        values = np.array(self._numbers(f"coefficient {name}", given))
        _check_finite(f"coefficient {name}", values)
        if self.per_row and values.ndim > self._layout.axes.get(name, values.ndim) and len(values) != self.batch:
            raise ShapeError(f"coefficient {name} has shape {values.shape}; the rows in front are {self.batch}.")
        return values

    def _pair(self, what: str, pair: Any, shape: tuple[int, ...]) -> tuple[Array, Array] | None:
        if pair is None:
            return None
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise ArgumentError(f"{what} is {_shown(pair)}; it takes None, or a pair of arrays: scale and shift.")
        return self._of_rows(f"scale of {what}", pair[0], shape), self._of_rows(f"shift of {what}", pair[1], shape)

    def _weight_and_bias(self, pair: Any) -> tuple[Array, Array] | None:
        if pair is None:
            return None
        outputs = self._layout.wiring.n_outputs
        axes = (2, 3) if self.per_row else (2,)
        if not isinstance(pair, (tuple, list)) or len(pair) != 2 or np.ndim(pair[0]) not in axes:
            raise ArgumentError(
                f"projection is {_shown(pair)}; it takes None, or weight (size, {outputs}) and bias (size,)."
            )
        size = np.shape(pair[0])[-2]
        weight = self._of_rows("weight of projection", pair[0], (size, outputs))
        return weight, self._of_rows("bias of projection", pair[1], (size,))

    # -- the state -----------------------------------------------------------------------------------------------------

    def reset(self, rows: ArrayLike | None = None) -> None:
        """Start over from the initial state.

        Args: rows: None for all; with a batch also a row's number, several, or a boolean for each row (batch,): those
            rows alone start over.

        Raises: ArgumentError, ShapeError; nothing is reset then.
        """
        states = self._engine.read()
        chosen = self._rows(rows)
        states[:, chosen] = np.stack([np.broadcast_to(one, states.shape[1:])[chosen] for one in self._initial])
        self._engine.write(states)

    def _rows(self, rows: Any) -> Any:
        if rows is None:
            return slice(None)
        if self.batch is None:
            raise ArgumentError("this stepper runs one sequence, so reset() takes no rows.")
        takes = f"it takes rows 0 to {self.batch - 1}, or a boolean for each: ({self.batch},)"
        try:
            chosen = np.asarray(rows)
        except Exception:
            raise ArgumentError(f"rows is {_shown(rows)}; {takes}.") from None
        if chosen.dtype == bool:
            if chosen.shape != (self.batch,):
                raise ShapeError(f"rows has shape {chosen.shape}; {takes}.")
            return chosen
        chosen = chosen.astype(np.int64) if chosen.size == 0 else chosen
        if chosen.dtype.kind not in "iu" or chosen.ndim > 1:
            raise ArgumentError(f"rows is {_shown(rows)}; {takes}.")
        for row in chosen.reshape(-1):
            if not 0 <= row < self.batch:
                raise ArgumentError(f"rows holds {row}; {takes}.")
        return chosen.reshape(-1)

    @property
    def state(self) -> Any:
        """A copy of the state: (neurons,) or (batch, neurons), a tuple of them if there are several states.

        Setting it resumes from there. Raises: ShapeError, ArgumentError; the state is what it was then.
        """
        parts = [np.array(one.reshape(self._state_shape)) for one in self._engine.read()]
        return tuple(parts) if len(parts) > 1 else parts[0]

    @state.setter
    def state(self, given: Any) -> None:
        states = self._layout.program.states
        several = len(states) > 1
        takes = f"a tuple of {len(states)} arrays {self._state_shape}" if several else f"{self._state_shape}"
        if several and not (isinstance(given, (tuple, list)) and len(given) == len(states)):
            raise ShapeError(f"state is {_shown(given)}; it takes {takes}.")
        parts = [self._array("state", one, self._state_shape, takes) for one in (given if several else (given,))]
        self._engine.write(np.stack(parts).reshape(len(states), self.batch or 1, -1))

    # -- a step --------------------------------------------------------------------------------------------------------

    def step(self, x: ArrayLike, dt: float | ArrayLike = 1.0) -> Array:
        """Advance by one sample that lasted dt, and return the outputs.

        Args:
            x: (inputs,), or (batch, inputs); finite.
            dt: time since the previous sample, finite and > 0: a number, or with a batch one for each row (batch,).

        Returns: (outputs,) or (batch, outputs), in the stepper's dtype.
        Raises: ShapeError, ArgumentError, also if a state would leave what the dtype holds; the state is kept.
        """
        given = x if type(x) is np.ndarray and x.dtype in FLOATS else self._numbers("x", x, FLOATS[1])
        if given.shape != self._shape:
            raise ShapeError(f"x has shape {given.shape}; the stepper takes one sample: {self._shape}.")
        elapsed = dt if type(dt) is float else self._elapsed(dt)
        try:
            y = self._engine.step(given, elapsed / self._time_unit)
        except Refused as refused:
            raise self._refusal(refused, x, dt) from None
        if self._projection is not None:
            weight, bias = self._projection
            y = (y @ weight if weight.ndim == 2 else (y[:, None] @ weight)[:, 0]) + bias
        return y

    def _elapsed(self, dt: Any) -> Any:
        """dt as a number, or one for each row."""
        per_row = "" if self.batch is None else f", or one for each row: ({self.batch},)"
        takes = f"it is the time since the previous sample, one number{per_row}, finite and > 0"
        if self.batch is None or isinstance(dt, (int, float)) or not np.ndim(self._numbers("dt", dt, FLOATS[1])):
            return _number("dt", dt, takes)
        values = self._numbers("dt", dt, FLOATS[1])
        if values.shape != (self.batch,):
            raise ShapeError(f"dt has shape {values.shape}; {takes}.")
        return values

    def _refusal(self, refused: Refused, x: Any, dt: Any) -> ArgumentError:
        """The error for a sample that an engine has refused."""
        row, place = refused.row, refused.place
        here = f" (row {row})" if self.batch is not None else ""
        if refused.what == "dt":
            which, one = ("", dt) if np.ndim(dt) == 0 else (f"[{row}]", np.asarray(dt)[row])
            return ArgumentError(
                f"dt{which} is {one}; it is the time since the previous sample, one number, finite and > 0, in "
                f"{self._dtype} too. The state is what it was."
            )
        if refused.what == "x":
            index = (place,) if self.batch is None else (row, place)
            return ArgumentError(
                f"x[{', '.join(map(str, index))}] is {np.asarray(x)[index]}; the stepper takes numbers that are finite "
                f"in {self._dtype}. The state is what it was: skip the sample, or put another number there."
            )
        return ArgumentError(
            f"with this sample the state of neuron {place}{here} leaves what {self._dtype} holds: x or dt is too large "
            "for these parameters and this solver. The state is what it was."
        )

    def _numbers(self, what: str, given: Any, dtype: Any = None) -> Array:
        dtype = self._dtype if dtype is None else dtype
        try:
            values = np.asarray(given)
        except Exception:  # whatever an object raises that cannot be an array
            values = None
        if values is None or (values.dtype.kind not in "biuf" and values.size):
            raise ArgumentError(f"{what} is {_shown(given)}; it takes numbers.")
        if values.dtype == dtype:
            return values
        with np.errstate(over="ignore"):  # what becomes infinite is refused as such
            return values.astype(dtype)

    def _of_rows(self, what: str, given: Any, shape: tuple[int, ...]) -> Array:
        """A copy of finite numbers of a shape, or if rows have their own of that shape for each row."""
        if self.batch is None or not self.per_row:
            return self._array(what, given, shape)
        values, rows = self._numbers(what, given), (self.batch, *shape)
        return self._array(what, values, rows if values.ndim == len(rows) else shape, f"{shape}, or {rows}")

    def _array(self, what: str, given: Any, shape: tuple[int, ...], takes: str | None = None) -> Array:
        """A copy of finite numbers of a shape."""
        values = self._numbers(what, given)
        if values.shape != shape:
            raise ShapeError(f"{what} has shape {values.shape}; it takes {takes or shape}.")
        _check_finite(what, values)
        return np.array(values)

    # -- copies --------------------------------------------------------------------------------------------------------

    def __reduce__(self) -> tuple[Any, ...]:
        layout = self._layout
        options = {"dtype": self._dtype.str, "batch": self.batch, "per_row": self.per_row, "time_unit": self._time_unit}
        what = (layout.program.model, layout.program.memory, layout.wiring)
        return _rebuilt, (*what, self._coefficients, self._initial, options | self._maps, self.state)

    def __copy__(self) -> "Stepper":
        made, arguments = self.__reduce__()
        return made(*arguments)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Stepper":
        return self.__copy__()


def _rebuilt(
    model: Any, memory: bool, wiring: Any, coefficients: Any, initial: Any, options: Any, state: Any
) -> Stepper:
    made = Stepper(layout_of(program_of(model, memory=memory), wiring), coefficients, initial, **options)
    made.state = state
    return made


def _number(what: str, given: Any, takes: str) -> float:
    """A number as float."""
    try:
        if isinstance(given, (str, bytes, bytearray, np.complexfloating)) or np.ndim(given):
            raise TypeError
        return float(given)
    except Exception:  # whatever an object raises that is no number
        raise ArgumentError(f"{what} is {_shown(given)}; {takes}.") from None


def _check_finite(what: str, values: NDArray[Any]) -> None:
    if np.isfinite(values).all():
        return
    index = tuple(int(i) for i in np.argwhere(~np.isfinite(values))[0])
    raise ArgumentError(f"{what} holds {values[index]} at {index}; it takes finite numbers.")


def _shown(given: Any) -> str:
    """A value in a message, cut off where it is long."""
    try:
        text = " ".join(repr(given).split())
    except Exception:  # a number of more digits than Python prints
        text = f"of type {type(given).__name__}"
    return text if len(text) <= 60 else f"{text[:57]}..."
