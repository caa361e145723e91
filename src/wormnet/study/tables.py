"""Data sets of a plan from a user's own CSV or Parquet files: which column is what, and how the rows are split."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wormnet.data import Dataset, Sequences, archive
from wormnet.data.dataset import guess
from wormnet.data.tables import from_long, from_wide
from wormnet.data.windows import cuts, deal, windowed
from wormnet.errors import ArgumentError, DataError, need, shown, unknown
from wormnet.paths import printable, prove_file
from wormnet.study.checks import check, one_of, real, section, takes, whole

__all__ = ["Split", "Table", "load", "table"]

PARTS = ("train", "valid", "test")
KINDS = ("by series", "by time", "by column")
SHORT_DATE = re.compile(r"\s*(\d\d?)[/.-](\d\d?)[/.-]\d")
"""Day and month, or month and day."""


@dataclass(frozen=True)
class Split:
    """Which rows of a table are to train, to choose the best epoch, and to test.

    Args:
        kind: "by series": series are dealt into folds, with as nearly as possible the same share of every class;
            "by time": a fold is a stretch of the second half of the time, and is trained on what lies before it;
            "by column": groups, such as persons or sites, are left out one after the other.
        column: of "by column".
        folds: how many disjoint test parts.
        valid: share of what is not to test that is held out to choose the best epoch: of the series, of the time just
            before the test, or of the groups (at least one).
        seed: of the dealing.

    Raises: ArgumentError for values that cannot be.
    """

    kind: str = takes(one_of(KINDS), "by series")
    column: str = takes(("the name of a column", lambda value: isinstance(value, str)), "")
    folds: int = takes(whole(2), 5)
    valid: float = takes(real("a share, more than 0 and less than 1", lambda value: 0 < value < 1), 0.2)
    seed: int = takes(whole(0), 0)

    def __post_init__(self):
        check(self)
        if bool(self.column) != (self.kind == "by column"):
            raise ArgumentError(f"split {self.kind!r} {'takes a' if not self.column else 'takes no'} column.")


@dataclass(frozen=True)
class Table:
    """A table in a file, and what its columns are.

    Args:
        file: a .csv (.csv.gz) or .parquet file.
        label: the column of the class, or of the number, to predict; several columns for several numbers.
        series: the column that tells which sequence a row belongs to; "": all rows are one sequence.
        time: the column of the time stamps; "": samples are 1 apart.
        inputs: the columns to learn from; (): all that play no other part.
        variable, value: the columns of a table with one row per measured value; then all else is as `from_long`.
        per: "sequence" or "step": whether a label belongs to a sequence or to each of its rows.
        split: a `Split`; or the name of a column that holds train, valid and test.
        window: with per = "step", cut sequences into windows of so many samples; 0: leave them whole.
        first_dt, time_unit, missing, indicators: as in `wormnet.data.Sequences`.
        classes: names of the classes, in order.
    """

    file: str
    label: Any
    series: str = ""
    time: str = ""
    inputs: Sequence[str] = ()
    variable: str = ""
    value: str = ""
    per: str = "sequence"
    split: Split | str = Split()
    window: int = 0
    first_dt: float | None = None
    time_unit: str | None = None
    missing: str | None = None
    indicators: bool = True
    classes: Sequence[str] = ()

    def __post_init__(self):
        for name in ("series", "time", "variable", "value", "per", "file"):
            if not isinstance(getattr(self, name), str):
                raise ArgumentError(f"{name} is {shown(getattr(self, name))}; it takes text.")
        labels = [self.label] if isinstance(self.label, str) else self.label
        if not isinstance(labels, (list, tuple)) or not all(labels) or not all(isinstance(one, str) for one in labels):
            raise ArgumentError(f"label is {shown(self.label)}; it takes the name of a column, or a list of several.")
        if not isinstance(self.inputs, (list, tuple)):
            raise ArgumentError(f"inputs is {shown(self.inputs)}; it takes a list of names of columns.")
        if not isinstance(self.indicators, bool):
            raise ArgumentError(f"indicators is {shown(self.indicators)}; it takes true or false.")
        if self.per not in ("sequence", "step"):
            raise ArgumentError(unknown("per", self.per, ("sequence", "step")))
        if not whole(0)[1](self.window) or (self.window and self.per == "sequence"):
            raise ArgumentError(f"window is {shown(self.window)}; it takes a number of samples, with per = 'step'.")
        if bool(self.variable) != bool(self.value):
            raise ArgumentError("variable and value go together: one row for each measured value.")
        if isinstance(self.split, Mapping):
            object.__setattr__(self, "split", section(Split, "split", self.split))
        if not isinstance(self.split, (Split, str)):
            raise ArgumentError(
                f"split is {shown(self.split)}; it takes a rule such as {{kind = 'by series'}}, or text."
            )

    @property
    def folds(self) -> int:
        """How many disjoint test parts there are; 0 for a column that tells the parts."""
        if isinstance(self.split, str):
            return 0
        if self.split.kind != "by column":
            return self.split.folds
        return min(self.split.folds, len(np.unique(_column(self, self.split.column).astype(str))))


def table(options: Mapping[str, Any]) -> Table:
    """A table from what a section of a plan holds. Raises ArgumentError for a key that it does not take."""
    for key in ("file", "label"):
        if key not in options:
            raise ArgumentError(f"{key} is missing; a table takes at least file and label.")
    found = section(Table, "table", options)
    prove_file(found.file)
    return found


def load(name: str, given: Table, fold: int | None) -> Dataset:
    """A fold of a table as a data set.

    Raises:
        DataError: for a file that cannot be read, or a part without a sequence.
        ArgumentError: for a column that there is not.
    """
    frame = _read(given)
    for column in _columns(given):
        if column not in frame.columns:
            raise ArgumentError(unknown("column", column, map(str, frame.columns)))
    inputs = list(given.inputs) or None
    if given.variable and inputs is None:
        # Those of the whole table: a part may lack one that another part has.
        inputs = sorted(frame[given.variable].dropna().unique().tolist(), key=str)
    part_of = _parts(given, frame, fold or 0)
    parts = {}
    for part in PARTS:
        rows = frame[part_of == part]
        if not len(rows):
            raise DataError(f"{printable(given.file)}: no row is in {part}; split it in another way.")
        parts[part] = _sequences(given, rows, inputs)
    redraw = None
    if given.window:
        recordings = [_recording(parts["train"], i) for i in range(len(parts["train"]))]
        stride = max(1, given.window // 2)
        redraw = partial(windowed, recordings, given.window, stride)
        parts = {part: _cut(parts[part], given.window, stride if part == "train" else None) for part in PARTS}
    per_sequence = parts["train"].per == "sequence" and parts["train"].task == "classify"
    measure = archive.baselines if per_sequence and given.missing is None else guess
    return Dataset(
        *(name, parts["train"], parts["valid"], parts["test"], given.classes),
        source=printable(given.file),
        measure=measure,
        redraw=redraw,
    )


# -- files -------------------------------------------------------------------------------------------------------------


def _read(given: Table) -> Any:
    path = prove_file(given.file)
    state = path.stat()
    return _frame(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=4)
def _frame(path: Path, changed: int, size: int) -> Any:
    """The table as a DataFrame; kept for the next fold."""
    pandas = need("pandas", "pandas", "a table of a plan", extra="study")
    shown_path = printable(path)
    if path.suffix == ".parquet":
        try:
            return pandas.read_parquet(path)
        except ImportError:
            raise DataError(f"{shown_path} is Parquet, which pandas reads by pyarrow: pip install pyarrow") from None
        except Exception as error:  # pyarrow has errors of its own for what is no Parquet
            raise DataError(f"{shown_path} is no Parquet file: {str(error)[:200]}.") from None
    if not path.name.removesuffix(".gz").endswith((".csv", ".tsv", ".txt")):
        raise ArgumentError(f"file is {shown_path}; it takes .csv, .tsv (also .gz) or .parquet.")
    try:
        return pandas.read_csv(path, sep="\t" if ".tsv" in path.name else ",")
    except (ValueError, OSError) as error:
        raise DataError(f"{shown_path} is no table: {str(error)[:200]}.") from None


def _columns(given: Table) -> list[str]:
    """The columns that a table is said to have."""
    labels = [given.label] if isinstance(given.label, str) else list(given.label)
    split = given.split if isinstance(given.split, str) else given.split.column
    inputs = () if given.variable else given.inputs
    return [one for one in (given.series, given.time, given.variable, given.value, split, *labels, *inputs) if one]


def _column(given: Table, name: str) -> NDArray[Any]:
    frame = _read(given)
    if name not in frame.columns:
        raise ArgumentError(unknown("column", name, map(str, frame.columns)))
    return np.asarray(frame[name])


# -- sequences ---------------------------------------------------------------------------------------------------------


def _sequences(given: Table, rows: Any, inputs: list[Any] | None) -> Sequences:
    options: dict[str, Any] = {"missing": given.missing, "indicators": given.indicators}
    if given.time:
        rows = rows.assign(**{given.time: _stamps(rows[given.time])})
        options |= {"time": given.time, "first_dt": given.first_dt, "time_unit": given.time_unit}
    label = list(given.label) if isinstance(given.label, (list, tuple)) else given.label
    if given.variable:
        if not isinstance(label, str):
            raise ArgumentError(f"label is {shown(label)}; a table with a row for each value takes one column.")
        columns = {"series": given.series, "variable": given.variable, "value": given.value, "label": label}
        return from_long(rows, **columns, inputs=inputs, **options)
    if inputs is None:
        split = given.split if isinstance(given.split, str) else given.split.column
        taken = {given.series, given.time, split, *([label] if isinstance(label, str) else label)}
        inputs = [name for name in rows.columns if name not in taken]
    return from_wide(rows, series=given.series or None, label=label, inputs=inputs, per=given.per, **options)  # pyright: ignore[reportArgumentType]


def _stamps(column: Any) -> Any:
    """Numbers as they are, text as dates."""
    if column.dtype.kind in "iufM":
        return column
    import pandas

    first = next(iter(column.dropna().astype(str)), "")
    short = SHORT_DATE.match(first)
    if short and max(int(short[1]), int(short[2])) <= 12:
        raise DataError(
            f"column {column.name!r} holds {first[:40]!r}, whose month may be the first or the second number; write "
            "dates as 2024-05-31."
        )
    try:
        return pandas.to_datetime(column, utc=True).dt.tz_localize(None)
    except (ValueError, TypeError) as error:
        raise DataError(f"column {column.name!r} holds no dates: {str(error)[:150]}.") from None


def _recording(part: Sequences, i: int) -> tuple[NDArray[Any], ...]:
    item = part[i]
    return (item.x, item.y) if item.dt is None else (item.x, item.y, item.dt)


def _cut(part: Sequences, length: int, stride: int | None) -> Sequences:
    """Windows of the sequences; without a stride side by side."""
    if stride is not None:
        return windowed([_recording(part, i) for i in range(len(part))], length, stride)
    pieces = []
    for i in range(len(part)):
        arrays = _recording(part, i)
        pieces += [tuple(array[one] for array in arrays) for one in cuts(len(arrays[0]), length)]
    return (
        Sequences.from_list(*zip(*pieces), classes=part.classes) if part.classes else Sequences.from_list(*zip(*pieces))
    )


# -- splits ------------------------------------------------------------------------------------------------------------


def _parts(given: Table, frame: Any, fold: int) -> NDArray[Any]:
    """(rows,) train, valid or test."""
    split = given.split
    if isinstance(split, str):
        found = _column(given, split).astype(str)
        other = sorted(set(found) - set(PARTS))
        if other:
            raise DataError(f"column {split!r} holds {other[0][:40]!r}; it takes train, valid and test.")
        return found
    codes = _codes(frame[given.series]) if given.series else np.zeros(len(frame), np.int64)
    if split.kind == "by time":
        return _by_time(given, frame, codes, split, fold)
    if split.kind == "by column":
        groups = _codes(_column(given, split.column).astype(str))
        test = deal(np.zeros(groups.max() + 1), given.folds, split.seed)[fold]
        return _held(groups, test, split, fold, np.zeros(groups.max() + 1))
    if not given.series:
        raise ArgumentError('split "by series" takes the column of the series; for one long series split "by time".')
    first = np.unique(codes, return_index=True)[1]
    labels = np.asarray(frame[given.label])[first] if isinstance(given.label, str) else np.zeros(len(first))
    if given.per == "step" or labels.dtype.kind == "f":
        labels = np.zeros(len(first))
    labels = labels.astype(str)
    if len(first) < split.folds + 1:
        raise DataError(
            f"{len(first)} series cannot be dealt into {split.folds} folds and validation; take fewer folds."
        )
    return _held(codes, deal(labels, split.folds, split.seed)[fold], split, fold, labels)


def _codes(column: Any) -> NDArray[np.int64]:
    """(rows,) numbers of what a column holds, in the order of their first occurrence."""
    values, first, codes = np.unique(np.asarray(column).astype(str), return_index=True, return_inverse=True)
    order = np.empty(len(values), np.int64)
    order[np.argsort(first)] = np.arange(len(values))
    return order[codes]


def _held(codes: NDArray[np.int64], test: NDArray[np.int64], split: Split, fold: int, labels: Any) -> NDArray[Any]:
    """Parts of the rows, where these series or groups are to test and a share of the others for validation."""
    rest = np.setdiff1d(np.arange(len(labels)), test)
    pieces = min(max(2, round(1 / split.valid)), len(rest))
    if pieces < 2:
        raise DataError(f"of {len(labels)} series or groups {len(rest)} are left to train and to validate; it takes 2.")
    valid = rest[deal(np.asarray(labels)[rest], pieces, split.seed + fold + 1)[0]]
    part = np.full(len(labels), "train", "<U5")
    part[valid], part[test] = "valid", "test"
    return part[codes]


def _by_time(given: Table, frame: Any, codes: NDArray[np.int64], split: Split, fold: int) -> NDArray[Any]:
    """Fold k is the k-th stretch of the second half of the rows in order of time, trained on what lies before it."""
    if not given.time:
        raise ArgumentError('split "by time" takes the column of the time stamps.')
    stamps = np.asarray(_stamps(frame[given.time]))
    order = np.argsort(stamps, kind="stable")
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    if given.per == "sequence":  # a series is where it begins
        start = np.full(codes.max() + 1, len(frame))
        np.minimum.at(start, codes, rank)
        rank = np.argsort(np.argsort(start))[codes]
    n = int(rank.max()) + 1
    test, end = (n // 2 + (n - n // 2) * (fold + k) // split.folds for k in (0, 1))
    valid = test - max(1, round(split.valid * test))
    part = np.full(len(frame), "", "<U5")
    for name, low, high in (("train", 0, valid), ("valid", valid, test), ("test", test, end)):
        part[(rank >= low) & (rank < high)] = name
    return part
