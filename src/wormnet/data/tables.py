"""Sequences from tables: pandas, polars, or any mapping of names to columns."""

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from wormnet.data.missing import is_missing
from wormnet.data.sequences import Sequences
from wormnet.data.stamps import stamps
from wormnet.errors import ArgumentError, DataError, unknown

__all__ = ["from_long", "from_wide", "groups_of", "labels_of", "names_of"]


def from_wide(
    table: Any,
    *,
    label: str | Sequence[str] | Mapping[Any, Any],
    series: str | None = None,
    time: str | None = None,
    inputs: Sequence[str] | None = None,
    per: Literal["sequence", "step"] = "sequence",
    **options: Any,
) -> Sequences:
    """Sequences of a table with one row per sample and one column per input.

    The sequences stand in the order in which their ids first occur; the samples of each are sorted by time, and keep
    the order of the rows where no time is named. A label that is a float is a target of regression.

    Args:
        table: a DataFrame, or a mapping of names to columns of equal length.
        label: the column of the label; several columns for regression with several outputs; or a mapping (a dict, a
            pandas Series) of series ids to labels.
        series: the column that tells which sequence a row belongs to; None: all rows are one sequence.
        time: the column of the time stamps, numbers or dates; None: samples are 1 apart.
        inputs: the columns to learn from, in order; None: all that play no other part.
        per: "sequence": one label for each sequence, the same on all of its rows; "step": one on each row.
        options: first_dt (needed with time), time_unit (with dates), missing, indicators, classes, as in `Sequences`.

    Raises:
        ArgumentError: for a column that there is not, or holds no numbers.
        DataError: naming the sequence, if a label is missing or changes, or two samples have one time.

    >>> table = {"who": ["ann", "ann", "bob"], "hour": [0, 2, 5], "pulse": [60, 66, 80], "ill": ["no", "no", "yes"]}
    >>> part = from_wide(table, series="who", time="hour", label="ill", first_dt=1)
    >>> part
    Sequences(2 sequences x 2 steps x 1 inputs, classify per sequence, lengths 1-2, classes no, yes, with dt)
    >>> part.dt[0]
    array([1., 2.], dtype=float32)
    """
    names = names_of(table)
    if per not in ("sequence", "step"):
        raise ArgumentError(unknown("per", per, ("sequence", "step")))
    labels = [] if _is_mapping(label) else [label] if isinstance(label, str) else list(label)
    roles = [name for name in (series, time) if name is not None] + labels
    if inputs is None:
        inputs = [name for name in names if name not in roles]
    if isinstance(inputs, str) or not inputs:
        raise ArgumentError(f"inputs is {inputs!r}; it takes the names of one or more columns.")
    for name in [*roles, *inputs]:
        _known(name, names)
    both = [name for name in inputs if name in roles]
    if both:
        raise ArgumentError(f"column {both[0]!r} is to be an input and {'a label' if both[0] in labels else 'a key'}.")
    x = np.column_stack([_floats(table, name) for name in inputs])
    ids, groups, clock = groups_of(table, series, time, len(x), options.pop("time_unit", None))
    y = labels_of(table, label, labels, ids, groups, per)
    stamped = None if clock is None else [clock[rows] for rows in groups]
    return Sequences.from_list([x[rows] for rows in groups], y, times=stamped, **options)


def from_long(
    table: Any,
    *,
    series: str,
    time: str,
    variable: str,
    value: str,
    label: str | Mapping[Any, Any],
    inputs: Sequence[str] | None = None,
    **options: Any,
) -> Sequences:
    """Sequences of a table with one row per measured value: whose, when, of what, how much.

    All that was measured of a sequence at one time is one sample. What was not measured then is missing, so this mostly
    needs `missing="forward"` or `missing="zero"`.

    Args:
        table: a DataFrame, or a mapping of names to columns of equal length.
        series, time: the columns of the sequence's id and of the time stamp.
        variable, value: the columns that tell what was measured, and the number.
        label: the column of the label, the same on all rows of a sequence; or a mapping of ids to labels.
        inputs: the variables, in order; rows of others are left out. None: all, sorted. Name them where train and test
            are tables of their own, so that both have the same.
        options: first_dt (needed), time_unit (with dates), missing, indicators, classes, as in `Sequences`.

    Raises:
        ArgumentError: for a column that there is not, or holds no numbers.
        DataError: naming the sequence, if a label is missing or changes, or one variable has two values at one time.

    >>> table = {"who": ["ann"] * 3, "hour": [0, 0, 2], "what": ["pulse", "temp", "pulse"], "much": [60.0, 37.5, 66.0]}
    >>> columns = {"series": "who", "time": "hour", "variable": "what", "value": "much"}
    >>> from_long(table, **columns, label={"ann": 1}, first_dt=1, missing="forward", indicators=False).x[0]
    array([[60. , 37.5],
           [66. , 37.5]], dtype=float32)
    """
    names = names_of(table)
    labels = [label] if isinstance(label, str) else []
    for name in (series, time, variable, value, *labels):
        _known(name, names)
    numbers, kinds = _floats(table, value), _keys(table, variable)
    known = sorted(set(kinds), key=str) if inputs is None else list(inputs)
    ids, groups, clock = groups_of(table, series, time, len(numbers), options.pop("time_unit", None))
    assert clock is not None
    place = {kind: k for k, kind in enumerate(known)}
    xs, times = [], []
    for who, rows in zip(ids, groups):
        rows = rows[[kinds[i] in place for i in rows]]
        stamped, sample = np.unique(clock[rows], return_inverse=True)
        column = np.array([place[kinds[i]] for i in rows], np.int64)
        cell, count = np.unique(sample * len(known) + column, return_counts=True)
        if len(cell) and count.max() > 1:
            twice = cell[count.argmax()]
            raise DataError(
                f"series {who!r} has {count.max()} values of {known[twice % len(known)]!r} at {time} "
                f"{stamped[twice // len(known)]:.15g}; merge them, or leave all but one out."
            )
        x = np.full((len(stamped), len(known)), np.nan)
        x[sample, column] = numbers[rows]
        xs.append(x)
        times.append(stamped)
    y = labels_of(table, label, labels, ids, groups, "sequence")
    return Sequences.from_list(xs, y, times=times, **options)


def names_of(table: Any) -> list[str]:
    """The names of the columns. Raises ArgumentError for what is no table."""
    found = table if isinstance(table, Mapping) else getattr(table, "columns", None)
    if found is None or not hasattr(table, "__getitem__"):
        raise ArgumentError(
            f"table is a {type(table).__name__}; it takes a DataFrame, or a mapping of names to columns."
        )
    return list(found)


def _known(name: Any, names: list[str]) -> None:
    if name not in names:
        raise ArgumentError(unknown("column", name, map(str, names)))


def _is_mapping(label: Any) -> bool:
    return isinstance(label, Mapping) or hasattr(label, "items")


def _keys(table: Any, name: str) -> list[Any]:
    """A column as Python objects; DataError where one is missing."""
    found = list(np.asarray(table[name]).tolist())
    for i, key in enumerate(found):
        if is_missing(key):
            raise DataError(f"column {name!r} is missing in row {i}; leave that row out, or fill it in.")
    return found


def _floats(table: Any, name: str) -> NDArray[np.float64]:
    """A column of numbers; NaN where one is missing."""
    column = np.asarray(table[name])
    if column.ndim != 1:
        raise ArgumentError(f"column {name!r} has shape {column.shape}; it takes one number per row.")
    if column.dtype.kind in "biuf":
        return column.astype(np.float64)
    if column.dtype.kind in "mM":
        raise ArgumentError(f"column {name!r} holds dates; name it in time=, or write it as a number.")
    found = np.full(len(column), np.nan)
    for i, cell in enumerate(column.tolist()):
        if not is_missing(cell):
            if not isinstance(cell, Real):
                raise ArgumentError(
                    f"column {name!r} holds {cell!r} in row {i}; an input takes numbers. Name the columns to learn "
                    "from in inputs=, and write categories as numbers, for example one column of 0 and 1 for each."
                )
            found[i] = float(cell)
    return found


def groups_of(
    table: Any, series: str | None, time: str | None, n: int, unit: str | None
) -> tuple[list[Any], list[NDArray[np.int64]], NDArray[np.float64] | None]:
    """Ids, the rows of each in the order of time, and the clock of all rows."""
    if n == 0:
        raise DataError("the table has no rows.")
    keys = [None] * n if series is None else _keys(table, series)
    codes: dict[Any, int] = {}
    code = np.array([codes.setdefault(key, len(codes)) for key in keys])
    clock = None
    if time is None and unit is not None:
        raise ArgumentError(f"time_unit is {unit!r}, but no column was named in time=.")
    if time is not None:
        clock = stamps(f"column {time!r}", table[time], unit)
        bad = np.flatnonzero(~np.isfinite(clock))
        if len(bad):
            raise DataError(f"column {time!r} is missing in row {bad[0]}; leave that row out.")
    order = np.lexsort((np.zeros(n) if clock is None else clock, code))
    groups = np.split(order, np.cumsum(np.bincount(code))[:-1])
    return list(codes), groups, clock


def labels_of(
    table: Any, label: Any, columns: list[str], ids: list[Any], groups: list[NDArray[np.int64]], per: str
) -> Any:
    """(sequences,) or (sequences, outputs) labels, or a list of those of each sequence's steps.

    Args: label: a mapping of ids to labels, where there are no `columns` of labels.   ids, groups: of `groups_of`.
    Raises: ArgumentError, DataError as `from_wide`.
    """
    if not columns:
        mapping = dict(label.items())
        if per == "step":
            raise ArgumentError(
                "a mapping of ids to labels gives one label per sequence; for per='step' name a column."
            )
        lost = [who for who in ids if who not in mapping or is_missing(mapping[who])]
        if lost:
            raise DataError(f"series {lost[0]!r} has no label; {len(lost)} in all have none.")
        found = np.array([mapping[who] for who in ids])
        return found[:, None] if found.dtype.kind == "f" else found
    cells = [np.asarray(table[name]) for name in columns]
    for name, column in zip(columns, cells):
        if column.dtype.kind in "mM":  # whose nanoseconds are whole numbers
            raise ArgumentError(f"column {name!r} holds dates; a label is a name or a number.")
    if len(cells) > 1 or cells[0].dtype.kind == "f":
        wide = np.column_stack([_floats(table, name) for name in columns])
    else:
        wide = np.array(_keys(table, columns[0]))
    if per == "step":
        return [wide[rows] for rows in groups]
    for who, rows in zip(ids, groups):
        first = wide[rows[0]]
        if wide.dtype.kind == "f" and np.isnan(first).any():
            raise DataError(f"series {who!r} has no label in column {columns}; leave it out.")
        if not np.all(wide[rows] == first):
            raise DataError(
                f"series {who!r} has several labels in column {columns[0]!r}: {first!s} and others. For a label on "
                'every row pass per="step".'
            )
    return np.stack([wide[rows[0]] for rows in groups])
