"""A user's own data, and data in three parts: `Sequences` and `Dataset`, frozen and checked when built. NumPy only."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from wormnet.errors import ArgumentError, DataError, ShapeError

__all__ = ["Dataset", "Sequences", "guess"]

_Y_TAKES = (
    "y takes whole numbers, (sequences,) = a class per sequence or (sequences, time) = a class per step, or floats, "
    "(sequences, outputs) = regression per sequence or (sequences, time, outputs) = regression per step"
)


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Sequences:
    """Input sequences with what is to be learned of them, as read-only copies of the caller's arrays.

    What `y` holds tells the task. Its dtype decides, not its values: whole numbers are classes, floats are regression.
    What lies behind the end of a sequence (`lengths`) is never read; it is stored as 0 (`dt`: 1).

    Args:
        x: (sequences, time, inputs) finite numbers.
        y: (sequences,) whole numbers >= 0: a class per sequence; (sequences, time) whole numbers: a class per step;
            (sequences, outputs) floats: regression per sequence; (sequences, time, outputs) floats: per step.
        lengths: (sequences,) number of real steps, 1 to time; None: all of them.
        dt: (sequences,) or (sequences, time) > 0, time since the previous sample; None: 1.

    Raises:
        ShapeError: for a shape that is none of these.
        ArgumentError: for a value that cannot be; the message names the sequence.

    >>> x = np.zeros((3, 5, 2))
    >>> Sequences(x, y=[0, 1, 1], lengths=[5, 3, 4])
    Sequences(3 x 5 steps x 2 inputs, classify per sequence, lengths 3-5)
    >>> Sequences(x, y=[0, 1, 1], lengths=[5, 3, 6])
    Traceback (most recent call last):
    wormnet.errors.ArgumentError: lengths[2] is 6; sequence 2 has 1 to 5 steps.
    """

    x: NDArray[np.float32]
    y: NDArray[Any]
    lengths: NDArray[np.int64] | None
    dt: NDArray[np.float32] | None

    def __init__(self, x: ArrayLike, y: ArrayLike, lengths: ArrayLike | None = None, dt: ArrayLike | None = None):
        new_x = _numbers("x", x)
        if new_x.ndim != 3 or 0 in new_x.shape:
            hint = " For one input pass x[:, :, None]." if new_x.ndim == 2 else ""
            raise ShapeError(f"x has shape {new_x.shape}; it takes (sequences, time, inputs), at least 1 each.{hint}")
        n, time = new_x.shape[:2]
        new_y = _numbers("y", y)
        _check_y_shape(new_y, n, time)
        new_lengths = None if lengths is None else _lengths(lengths, n, time)
        padding = np.zeros((n, time), bool) if new_lengths is None else np.arange(time) >= new_lengths[:, None]

        new_x = _finite("x", new_x, padding)
        if new_y.dtype.kind == "f":
            new_y = _finite("y", new_y, padding if new_y.ndim == 3 else None)
        else:
            new_y = _labels(new_y, padding)
        new_dt = None
        if dt is not None:
            new_dt = _numbers("dt", dt)
            if new_dt.shape not in {(n,), (n, time)}:
                raise ShapeError(
                    f"dt has shape {new_dt.shape}; it takes one number per sequence: ({n},), or one per sample: "
                    f"({n}, {time})."
                )
            new_dt = _finite("dt", new_dt, padding if new_dt.ndim == 2 else None, fill=1)
            _check_positive(new_dt)
        for name, value in (("x", new_x), ("y", new_y), ("lengths", new_lengths), ("dt", new_dt)):
            if value is not None:
                value.setflags(write=False)
            object.__setattr__(self, name, value)

    @classmethod
    def from_list(
        cls,
        x: Iterable[ArrayLike],
        y: ArrayLike | Iterable[ArrayLike],
        dt: ArrayLike | Iterable[ArrayLike] | None = None,
    ) -> "Sequences":
        """Pad sequences of unequal length.

        Args:
            x: one (time_i, inputs) array per sequence.
            y: as in `Sequences` if it is per sequence; else one (time_i,) array of classes or one (time_i, outputs)
                array of floats per sequence.
            dt: None, (sequences,), or one (time_i,) array per sequence.

        >>> Sequences.from_list([np.zeros((4, 1)), np.zeros((2, 1))], y=[0, 1]).lengths
        array([4, 2])
        """
        if not isinstance(x, Iterable):
            raise ShapeError(f"x is {x!r}; it takes a list of (time, inputs) arrays.")
        arrays = [_numbers(f"x[{i}]", a) for i, a in enumerate(x)]
        if not arrays:
            raise ShapeError("x holds no sequence; it takes at least one (time, inputs) array.")
        for i, a in enumerate(arrays):
            if a.ndim != 2 or a.shape[1:] != arrays[0].shape[1:] or 0 in a.shape:
                raise ShapeError(
                    f"x[{i}] has shape {a.shape}; it takes (time, inputs), the same inputs for all "
                    f"(x[0] has shape {arrays[0].shape}). For one input pass a[:, None]."
                )
        lengths = [len(a) for a in arrays]
        return cls(_pad(arrays), _pad_steps("y", y, lengths), lengths, _pad_steps("dt", dt, lengths))

    def __len__(self) -> int:
        return self.x.shape[0]

    def __repr__(self) -> str:
        n, time, inputs = self.x.shape
        text = f"{n} x {time} steps x {inputs} inputs, {self.task} per {self.per}"
        if self.lengths is not None:
            text += f", lengths {self.lengths.min()}-{self.lengths.max()}"
        return f"Sequences({text}{'' if self.dt is None else ', with dt'})"

    def __reduce__(self):  # through __init__, so that the arrays are read-only again in a copy and in another process
        return (type(self), (self.x, self.y, self.lengths, self.dt))

    @property
    def n_inputs(self) -> int:
        """Numbers per sample."""
        return self.x.shape[2]

    @property
    def task(self) -> Literal["classify", "regress"]:
        """What `y` asks for."""
        return "regress" if self.y.dtype.kind == "f" else "classify"

    @property
    def per(self) -> Literal["sequence", "step"]:
        """What one target belongs to."""
        return "step" if self.y.ndim == (2 if self.task == "classify" else 3) else "sequence"

    @property
    def mask(self) -> NDArray[np.bool_]:
        """(sequences, time), true for the steps that are real and not padding."""
        n, time = self.x.shape[:2]
        return np.ones((n, time), bool) if self.lengths is None else np.arange(time) < self.lengths[:, None]

    @property
    def targets(self) -> NDArray[Any]:
        """The real targets in a row: (targets,) classes or (targets, outputs) numbers; padding is left out."""
        return self.y[self.mask] if self.per == "step" else self.y

    def take(self, indices: ArrayLike | slice) -> "Sequences":
        """Some of the sequences: numbers (negative ones count from the end), a mask, or a slice.

        >>> len(Sequences(np.zeros((3, 5, 2)), y=[0, 1, 1]).take([2, 0]))
        2
        """
        try:
            chosen = np.arange(len(self))[indices if isinstance(indices, slice) else np.asarray(indices)]
        except IndexError as error:
            raise ArgumentError(
                f"take was given what {len(self)} sequences do not have: {error}. It takes whole numbers from "
                f"{-len(self)} to {len(self) - 1}, a mask ({len(self)},), or a slice."
            ) from None
        if chosen.ndim != 1 or not chosen.size:
            raise ShapeError(f"take selects shape {chosen.shape}; it takes a list of at least one sequence.")
        lengths, dt = self.lengths, self.dt
        return Sequences(
            self.x[chosen],
            self.y[chosen],
            None if lengths is None else lengths[chosen],
            None if dt is None else dt[chosen],
        )


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """A data set in its three parts, with where it comes from and what a trivial method reaches on it.

    Args:
        name: what it is called in tables.
        train, valid, test: of one task, with the same inputs and outputs.
        classes: names of the classes, by number; empty: "0", "1", ... up to the largest label in any part.
        source, licence, citation: where it comes from, on what terms, and whom to name.
        protocol: "clean" or "published": how it was split.
        measure: computes `baselines`; None: `guess`.

    Raises:
        ArgumentError: if a part is no Sequences.
        DataError: if the parts do not fit together.

    >>> part = Sequences(np.zeros((4, 5, 2)), y=[0, 1, 1, 1])
    >>> mine = Dataset("mine", train=part, valid=part, test=part)
    >>> mine
    Dataset('mine', 4/4/4 sequences, 2 inputs, 2 outputs, classify per sequence, clean)
    >>> mine.baselines
    {'majority': 0.75}
    """

    name: str
    train: Sequences
    valid: Sequences
    test: Sequences
    classes: Sequence[str] = ()
    source: str = ""
    licence: str = ""
    citation: str = ""
    protocol: str = "clean"
    measure: Callable[["Dataset"], dict[str, float]] | None = None

    def __post_init__(self):
        for part, given in (("train", self.train), ("valid", self.valid), ("test", self.test)):
            if not isinstance(given, Sequences):
                raise ArgumentError(f"{self.name}: {part} is {given!r}; it takes Sequences.")
            for what in ("n_inputs", "task", "per"):
                mine, theirs = getattr(given, what), getattr(self.train, what)
                if mine != theirs:
                    raise DataError(f"{self.name}: {what} is {mine} in {part} and {theirs} in train; they must agree.")
            if self.train.task == "regress" and given.y.shape[-1] != self.train.y.shape[-1]:
                raise DataError(
                    f"{self.name}: {part} has {given.y.shape[-1]} outputs and train {self.train.y.shape[-1]}; "
                    "they must agree."
                )
        if self.task == "regress":
            if self.classes:
                raise DataError(f"{self.name}: {len(self.classes)} classes are named, but y holds floats (regression).")
            object.__setattr__(self, "classes", ())
            return
        largest = max(int(part.y.max()) for part in (self.train, self.valid, self.test))
        classes = tuple(self.classes) or tuple(str(label) for label in range(largest + 1))
        if largest >= len(classes):
            raise DataError(f"{self.name}: label {largest} occurs, but there are {len(classes)} classes.")
        object.__setattr__(self, "classes", classes)

    def __repr__(self) -> str:
        parts = "/".join(str(len(part)) for part in (self.train, self.valid, self.test))
        return (
            f"Dataset({self.name!r}, {parts} sequences, {self.n_inputs} inputs, {self.n_outputs} outputs, "
            f"{self.task} per {self.per}, {self.protocol})"
        )

    @property
    def task(self) -> Literal["classify", "regress"]:
        """What is asked for; it is scored by accuracy (0 to 1) or by the mean squared error."""
        return self.train.task

    @property
    def per(self) -> Literal["sequence", "step"]:
        """What one target belongs to."""
        return self.train.per

    @property
    def n_inputs(self) -> int:
        """Numbers per sample."""
        return self.train.n_inputs

    @property
    def n_outputs(self) -> int:
        """Number of classes, or width of the target."""
        return len(self.classes) if self.task == "classify" else self.train.y.shape[-1]

    @cached_property
    def baselines(self) -> dict[str, float]:
        """Test score of trivial methods, measured when first asked for: accuracy (0 to 1) or mean squared error."""
        return (self.measure or guess)(self)


def guess(dataset: Dataset) -> dict[str, float]:
    """The score of a method that never looks at the input: the commonest class of train, or the mean of train."""
    train, test = dataset.train.targets, dataset.test.targets
    if dataset.task == "classify":
        return {"majority": float(np.mean(test == np.bincount(train).argmax()))}
    return {"mean": float(np.mean((test - train.mean(0, dtype=np.float64)) ** 2))}


def _numbers(name: str, value: Any) -> NDArray[Any]:
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, RuntimeError) as error:
        ragged = "inhomogeneous" in str(error)
        hint = "For sequences of unequal length use Sequences.from_list." if ragged else f"NumPy says: {error}"
        raise ShapeError(f"{name} is no array of numbers. {hint}") from None
    if array.dtype.kind not in "biuf":
        raise ArgumentError(f"{name} holds {array.dtype} values; it takes numbers.")
    return array


def _own(array: NDArray[Any], dtype: DTypeLike) -> NDArray[Any]:
    """A copy that shares nothing with the caller's array."""
    with np.errstate(over="ignore"):  # what overflows float32 becomes inf, and is reported as such
        return np.array(array, dtype=dtype, order="C", copy=True)


def _finite(name: str, given: NDArray[Any], padding: NDArray[np.bool_] | None, fill: float = 0) -> NDArray[np.float32]:
    array = _own(given, np.float32)
    if padding is not None:
        array[padding] = fill
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        place = tuple(int(i) for i in bad[0])
        raise ArgumentError(
            f"{name}{list(place)} of sequence {place[0]} is {given[place]}; it takes numbers that are finite in "
            f"float32. {len(bad)} such numbers in all."
        )
    return array


def _check_y_shape(y: NDArray[Any], n: int, time: int) -> None:
    if y.dtype.kind == "f":
        fits = (y.ndim == 2 and y.shape[0] == n) or (y.ndim == 3 and y.shape[:2] == (n, time))
        fits = fits and y.shape[-1] > 0
        hint = " For one number per sequence pass y[:, None]; for classes pass whole numbers." if y.ndim == 1 else ""
    else:
        fits = y.shape in {(n,), (n, time)}
        hint = " For regression pass floats." if y.ndim > 1 else ""
    if not fits:
        raise ShapeError(f"y has shape {y.shape} of {y.dtype}, beside {n} sequences of {time} steps; {_Y_TAKES}.{hint}")


def _labels(given: NDArray[Any], padding: NDArray[np.bool_]) -> NDArray[np.int64]:
    labels = _own(given, np.int64)
    if labels.ndim == 2:
        labels[padding] = 0
    bad = np.argwhere(labels < 0)
    if len(bad):
        place = tuple(int(i) for i in bad[0])
        raise ArgumentError(
            f"y{list(place)} of sequence {place[0]} is {given[place]}; classes are whole numbers from 0 on."
        )
    return labels


def _lengths(given: ArrayLike, n: int, time: int) -> NDArray[np.int64]:
    lengths = _numbers("lengths", given)
    if lengths.shape != (n,) or lengths.dtype.kind not in "iu":
        raise ShapeError(
            f"lengths has shape {lengths.shape} of {lengths.dtype}; it takes one whole number per sequence: ({n},)."
        )
    bad = np.flatnonzero((lengths < 1) | (lengths > time))
    if len(bad):
        raise ArgumentError(f"lengths[{bad[0]}] is {lengths[bad[0]]}; sequence {bad[0]} has 1 to {time} steps.")
    return _own(lengths, np.int64)


def _check_positive(dt: NDArray[np.float32]) -> None:
    bad = np.argwhere(dt <= 0)
    if len(bad):
        place = tuple(int(i) for i in bad[0])
        raise ArgumentError(
            f"dt{list(place)} of sequence {place[0]} is {dt[place]} in float32; time since the previous sample is > 0."
        )


def _pad(arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """(time_i, ...) arrays as one (sequences, longest, ...) array with zeros behind the ends."""
    padded = np.zeros((len(arrays), max(map(len, arrays)), *arrays[0].shape[1:]), np.result_type(*arrays))
    for i, a in enumerate(arrays):
        padded[i, : len(a)] = a
    return padded


def _pad_steps(name: str, given: Any, lengths: Sequence[int]) -> Any:
    """Pad what is given per step; leave what is given per sequence."""
    if given is None:
        return None
    if not isinstance(given, Iterable):
        raise ShapeError(f"{name} is {given!r}; it takes one entry for each of the {len(lengths)} sequences.")
    arrays = [_numbers(f"{name}[{i}]", a) for i, a in enumerate(given)]
    if len(arrays) != len(lengths):
        raise ShapeError(f"{name} has {len(arrays)} entries; there are {len(lengths)} sequences.")
    # A row of floats is the regression target of a whole sequence; per step it has a second axis.
    per_step = arrays[0].ndim == 2 or (arrays[0].ndim == 1 and (name == "dt" or arrays[0].dtype.kind != "f"))
    if not per_step:
        odd = [i for i, a in enumerate(arrays) if a.shape != arrays[0].shape]
        if odd:
            raise ShapeError(f"{name}[{odd[0]}] has shape {arrays[odd[0]].shape} and {name}[0] {arrays[0].shape}.")
        return np.stack(arrays)
    for i, (a, length) in enumerate(zip(arrays, lengths)):
        if a.ndim != arrays[0].ndim or len(a) != length or a.shape[1:] != arrays[0].shape[1:]:
            raise ShapeError(
                f"{name}[{i}] has shape {a.shape}; sequence {i} has {length} steps, and {name}[0] has shape "
                f"{arrays[0].shape}."
            )
        if name == "y" and (a.dtype.kind == "f") != (arrays[0].dtype.kind == "f"):
            raise ShapeError(
                f"y[{i}] holds {a.dtype} and y[0] {arrays[0].dtype}; whole numbers are classes, floats are regression."
            )
    return _pad(arrays)
