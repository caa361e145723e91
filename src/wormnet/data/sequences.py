"""A user's own data: `Sequences`, frozen and checked when built. NumPy only; torch is imported by `collate` alone."""

import operator
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wormnet.data import arrays, labels, missing, stamps
from wormnet.data.batch import Batch, Item, collate
from wormnet.errors import ArgumentError, ShapeError

__all__ = ["Sequences"]

_FIELDS = ("x", "y", "lengths", "dt", "classes")


class _NoSequenceError(ArgumentError, IndexError):
    """An index past the end; Python's own loops need an IndexError."""


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Sequences:
    """Input sequences with what is to be learned of them, as read-only copies of the caller's arrays.

    What `y` holds tells the task. Its dtype decides, not its values: whole numbers and names are classes, floats are
    regression. What lies past the end of a sequence (`lengths`) is never read; it is stored as 0 (`dt`: 1).

    It is also a map-style data set for torch: `len`, indices, slices, and `collate` for a DataLoader.

    Args:
        x: (sequences, time, inputs) finite numbers; NaN only with `missing`. Axis 1 is time.
        y: (sequences,) whole numbers >= 0 or names: a class per sequence; (sequences, time) of them: a class per step;
            (sequences, outputs) floats: regression per sequence; (sequences, time, outputs) floats: per step.
        lengths: (sequences,) number of real steps, 0 to time; None: all of them.
        dt: (sequences,) or (sequences, time) > 0, time since the previous sample; None: 1.
        times: instead of dt, when samples were taken: (sequences, time), or (time,) for all alike; numbers in the unit
            that dt is to have, or dates, which increase within a sequence.
        first_dt: with times, the time between the state that a sequence starts from and its first sample: a number
            > 0, or one per sequence. No stamp tells it, so it has no default.
        time_unit: unit of dt where times are dates: "D", "h", "m", "s", "ms" or "us".
        missing: what stands for NaN in x: "forward", the last value seen in the channel (0 before the first), or
            "zero"; None: NaN is an error. See `indicators`.
        indicators: with missing, append to the values what tells filled from observed: (sequences, time, 3 inputs) =
            values, mask (1 observed, 0 filled), time since the channel was last seen, as GRU-D takes them.
        classes: names of the classes in the order of their numbers; (): sorted, where y holds names.

    Raises:
        ShapeError: for a shape that is none of these.
        ArgumentError: for a value that cannot be; the message names the sequence.

    Warns:
        UserWarning: if all sequences have one step and several inputs, as (sequences, 1 channel, time) would.

    >>> x = np.zeros((3, 5, 2))
    >>> Sequences(x, y=[0, 1, 1], lengths=[5, 3, 4])
    Sequences(3 sequences x 5 steps x 2 inputs, classify per sequence, lengths 3-5)
    >>> Sequences(x, y=["sick", "well", "sick"], times=[0, 0.5, 1, 4, 5], first_dt=1).dt[0]
    array([1. , 0.5, 0.5, 3. , 1. ], dtype=float32)
    >>> Sequences(x, y=[0, 1, 1], lengths=[5, 3, 6])
    Traceback (most recent call last):
    wormnet.errors.ArgumentError: lengths[2] is 6; sequence 2 has 0 to 5 steps.
    """

    x: NDArray[np.float32]
    y: NDArray[Any]
    lengths: NDArray[np.int64] | None
    dt: NDArray[np.float32] | None
    classes: tuple[str, ...]
    """Names of the classes, by number; empty where y holds no names and none were given."""

    def __init__(
        self,
        x: ArrayLike,
        y: ArrayLike,
        lengths: ArrayLike | None = None,
        dt: ArrayLike | None = None,
        *,
        times: Any = None,
        first_dt: ArrayLike | None = None,
        time_unit: str | None = None,
        missing: Literal["forward", "zero"] | None = None,
        indicators: bool = True,
        classes: Sequence[str] = (),
    ):
        given = arrays.numbers("x", x)
        if given.ndim != 3 or 0 in given.shape:
            hint = " For one input pass x[:, :, None]." if given.ndim == 2 else ""
            raise ShapeError(f"x has shape {given.shape}; it takes (sequences, time, inputs), at least 1 each.{hint}")
        n, time, inputs = given.shape
        if time == 1 and inputs > 1 and lengths is None:
            warnings.warn(
                f"x has shape {given.shape}: {n} sequences of one step.{arrays.untransposed(given.shape)}", stacklevel=2
            )
        new_lengths = None if lengths is None else arrays.lengths_of(lengths, given.shape)
        padding = np.zeros((n, time), bool) if new_lengths is None else np.arange(time) >= new_lengths[:, None]

        new_y = labels.named("y", y, padding)
        arrays.check_y_shape(new_y, given.shape)
        names = labels.class_names(classes)
        if new_y.dtype.kind != "f":
            new_y, names = labels.labels_of(new_y, padding, names)
        elif names:
            raise ArgumentError(f"classes names {len(names)} classes, but y holds floats, which are regression.")
        else:
            new_y = arrays.finite("y", new_y, padding if new_y.ndim == 3 else None)

        new_dt = _dt(dt, times, first_dt, time_unit, padding, inputs)
        new_x = _values(given, padding, missing, indicators, new_dt)
        self._set(new_x, new_y, new_lengths, new_dt, names)

    def _set(self, *values: Any) -> None:
        for name, value in zip(_FIELDS, values):
            if isinstance(value, np.ndarray):
                value.setflags(write=False)
            object.__setattr__(self, name, value)

    @classmethod
    def from_list(
        cls,
        x: Iterable[ArrayLike],
        y: ArrayLike | Iterable[ArrayLike],
        dt: ArrayLike | Iterable[ArrayLike] | None = None,
        *,
        times: Iterable[ArrayLike] | None = None,
        **options: Any,
    ) -> "Sequences":
        """Pad sequences of unequal length, of which some may have none.

        Args:
            x: one (time_i, inputs) array per sequence.
            y: as in `Sequences` if it is per sequence; else one (time_i,) array of classes or one (time_i, outputs)
                array of floats per sequence.
            dt: None, (sequences,), or one (time_i,) array per sequence.
            times: instead of dt, one (time_i,) array of time stamps per sequence.
            options: first_dt, time_unit, missing, indicators and classes, as in `Sequences`.

        >>> Sequences.from_list([np.zeros((4, 1)), np.zeros((2, 1))], y=[0, 1]).lengths
        array([4, 2])
        """
        if not isinstance(x, Iterable):
            raise ShapeError(f"x is {x!r}; it takes a list of (time, inputs) arrays.")
        parts = [arrays.numbers(f"x[{i}]", a) for i, a in enumerate(x)]
        if not parts:
            raise ShapeError("x holds no sequence; it takes at least one (time, inputs) array.")
        for i, a in enumerate(parts):
            if a.ndim != 2 or a.shape[1:] != parts[0].shape[1:] or a.shape[1] == 0:
                turned = a.ndim == 2 and len({len(part) for part in parts if part.ndim == 2}) == 1
                hint = " For (channels, time) use Sequences.from_channels." if turned else ""
                raise ShapeError(
                    f"x[{i}] has shape {a.shape}; it takes (time, inputs), the same inputs for all "
                    f"(x[0] has shape {parts[0].shape}). For one input pass a[:, None].{hint}"
                )
        lengths = [len(a) for a in parts]
        if times is not None:
            unit = options.pop("time_unit", None)
            times = arrays.pad_steps("times", times, lengths, lambda name, a: stamps.stamps(name, a, unit))
        return cls(
            arrays.pad(parts),
            arrays.pad_steps("y", y, lengths, labels.named),
            lengths,
            arrays.pad_steps("dt", dt, lengths),
            times=times,
            **options,
        )

    @classmethod
    def from_channels(cls, x: ArrayLike | Iterable[ArrayLike], y: ArrayLike, **options: Any) -> "Sequences":
        """Sequences with the channels before the time, as aeon, sktime and tslearn's cousins keep them.

        Args:
            x: (sequences, channels, time), or a list of (channels, time_i) arrays.
            y: (sequences,) classes as names or whole numbers, or (sequences, outputs) floats.
            options: lengths, dt, times, first_dt, time_unit, missing, indicators and classes, as in `Sequences`.

        >>> Sequences.from_channels(np.zeros((3, 2, 5)), y=["a", "b", "a"])
        Sequences(3 sequences x 5 steps x 2 inputs, classify per sequence, classes a, b)
        """
        if isinstance(x, list | tuple):
            parts = [arrays.numbers(f"x[{i}]", a) for i, a in enumerate(x)]
            odd = next((i for i, a in enumerate(parts) if a.ndim != 2), None)
            if odd is not None:
                raise ShapeError(f"x[{odd}] has shape {parts[odd].shape}; it takes (channels, time).")
            return cls.from_list([a.T for a in parts], y, **options)
        cases = arrays.numbers("x", x)
        if cases.ndim != 3:
            raise ShapeError(f"x has shape {cases.shape}; it takes (sequences, channels, time).")
        return cls(cases.transpose(0, 2, 1), y, **options)

    @classmethod
    def from_ts(cls, path: str | Path, **options: Any) -> "Sequences":
        """Read a `.ts` file of the UCR and UEA archives; see `wormnet.data.ts.read`."""
        from wormnet.data.ts import read

        return read(path, **options)

    @classmethod
    def from_wide(cls, table: Any, **columns: Any) -> "Sequences":
        """Read a table with one row per sample; see `wormnet.data.tables.from_wide`."""
        from wormnet.data.tables import from_wide

        return from_wide(table, **columns)

    @classmethod
    def from_long(cls, table: Any, **columns: Any) -> "Sequences":
        """Read a table with one row per measured value; see `wormnet.data.tables.from_long`."""
        from wormnet.data.tables import from_long

        return from_long(table, **columns)

    def __len__(self) -> int:
        return self.x.shape[0]

    def __getitem__(self, index: Any) -> Any:
        """One sequence without its padding (`Item`) for a number, `Sequences` for a slice, a mask or a list."""
        try:
            i = operator.index(index)
        except TypeError:
            return self.take(index)
        if isinstance(index, bool):
            raise ArgumentError(f"index {index} was asked for; it takes a whole number, a slice, a list or a mask.")
        if not -len(self) <= i < len(self):
            raise _NoSequenceError(f"index {i} was asked for; there are {len(self)} sequences.")
        k = self.x.shape[1] if self.lengths is None else int(self.lengths[i])
        dt = None if self.dt is None else np.broadcast_to(self.dt[i], (self.x.shape[1],))[:k]
        return Item(self.x[i, :k], self.y[i, :k] if self.per == "step" else self.y[i], k, dt)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        n, time, inputs = self.x.shape
        text = f"{n} sequences x {time} steps x {inputs} inputs, {self.task} per {self.per}"
        if self.lengths is not None:
            text += f", lengths {self.lengths.min()}-{self.lengths.max()}"
        if self.classes:
            shown = self.classes[:5]
            text += f", classes {', '.join(shown)}{', ...' if len(self.classes) > len(shown) else ''}"
        return f"Sequences({text}{'' if self.dt is None else ', with dt'})"

    def __reduce__(self):  # read-only again in a copy and in another process
        return (_again, (type(self), *(getattr(self, name) for name in _FIELDS)))

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
        except (IndexError, TypeError, ValueError) as error:
            raise ArgumentError(
                f"take was given what {len(self)} sequences do not have: {error}. It takes whole numbers from "
                f"{-len(self)} to {len(self) - 1}, a mask ({len(self)},), or a slice."
            ) from None
        if chosen.ndim != 1 or not chosen.size:
            raise ShapeError(f"take selects shape {chosen.shape}; it takes a list of at least one sequence.")
        picked = (None if a is None else a[chosen] for a in (self.x, self.y, self.lengths, self.dt))
        return _again(type(self), *picked, self.classes)

    def named(self, classes: Sequence[str]) -> "Sequences":
        """The same sequences with these classes; what had names keeps them under new numbers.

        Raises: ArgumentError if a class that has a name is not among them.
        """
        names = labels.class_names(classes)
        if not self.classes:
            return Sequences(self.x, self.y, self.lengths, self.dt, classes=names)
        lost = [name for name in self.classes if name not in names]
        if lost:
            raise ArgumentError(f"classes {names} lack {lost[0]!r}, which y holds.")
        y = labels.renumber(self.y, self.classes, names) * (self.mask if self.per == "step" else 1)
        return _again(type(self), self.x, y, self.lengths, self.dt, names)

    @staticmethod
    def collate(items: Sequence[Item]) -> Batch:
        """Sequences of unequal length as one padded batch of tensors: the `collate_fn` of a torch DataLoader.

        >>> from torch.utils.data import DataLoader
        >>> train = Sequences.from_list([np.zeros((4, 1)), np.zeros((2, 1))], y=[0, 1])
        >>> batch = next(iter(DataLoader(train, batch_size=2, collate_fn=train.collate)))
        >>> batch.x.shape, batch.lengths
        (torch.Size([2, 4, 1]), tensor([4, 2]))
        """
        return collate(items)


def _again(kind: type[Sequences], *values: Any) -> Sequences:
    """Sequences of arrays that have been checked before."""
    made = object.__new__(kind)
    made._set(*values)
    return made


def _dt(
    dt: Any, times: Any, first_dt: Any, time_unit: str | None, padding: NDArray[np.bool_], inputs: int
) -> NDArray[np.float32] | None:
    n, time = padding.shape
    if times is not None:
        if dt is not None:
            raise ArgumentError("both dt and times were given; they tell the same, so pass one of them.")
        dt = stamps.dt_of(stamps.stamps("times", times, time_unit), first_dt, padding, inputs)
    elif first_dt is not None or time_unit is not None:
        raise ArgumentError("first_dt and time_unit go with times=, which was not given.")
    if dt is None:
        return None
    given = arrays.numbers("dt", dt)
    if given.shape not in {(n,), (n, time)}:
        turned = arrays.untransposed((n, time, inputs)) if given.shape == (n, inputs) else ""
        raise ShapeError(
            f"dt has shape {given.shape}; it takes one number per sequence: ({n},), or one per sample: "
            f"({n}, {time}).{turned}"
        )
    found = arrays.finite("dt", given, padding if given.ndim == 2 else None, fill=1)
    arrays.positive(found)
    return found


def _values(
    given: NDArray[Any], padding: NDArray[np.bool_], how: Any, indicators: bool, dt: NDArray[np.float32] | None
) -> NDArray[np.float32]:
    if how is None:
        turned = arrays.untransposed(given.shape) if _ends_in_nan(given) else ""
        return arrays.finite("x", given, padding, hint=arrays.MISSING + turned)
    if how not in missing.FILLS:
        raise ArgumentError(f"missing is {how!r}; it takes {' or '.join(map(repr, missing.FILLS))}, or None.")
    unseen = np.isnan(given) & ~padding[:, :, None]
    x = arrays.finite("x", np.where(unseen, 0, given), padding)
    x[unseen] = np.nan
    per_step = None if dt is None else np.broadcast_to(dt.reshape(len(dt), -1), padding.shape)
    filled = arrays.own(missing.fill(x, how, per_step, indicators), np.float32)
    filled[padding] = 0
    return filled


def _ends_in_nan(x: NDArray[Any]) -> bool:
    """Whether NaN stands in the last column for all steps alike, and only at the end: padding of (channels, time)."""
    if x.dtype.kind != "f" or x.shape[2] < 2:
        return False
    unseen = np.isnan(x)
    alike = np.all(unseen == unseen[:, :1])
    return bool(alike and unseen[:, :, -1].any() and np.all(unseen[:, :, 1:] >= unseen[:, :, :-1]))
