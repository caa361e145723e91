"""Tables as cases: one row per sample or per measured value, read by `wormnet.data.tables`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from wormnet.data import Sequences
from wormnet.data.stamps import are_dates
from wormnet.data.tables import from_long, from_wide, groups_of, labels_of, names_of
from wormnet.errors import ArgumentError, ShapeError, shown, unknown

__all__ = ["Columns", "is_table"]

DATES_IN = "s"
"""What dt is counted in where time stamps are dates; networks count in its median, so it changes nothing."""


def is_table(X: Any) -> bool:
    """Whether X has named columns: a DataFrame, or a mapping (scipy has sparse matrices that are one)."""
    return (isinstance(X, Mapping) and not issparse(X)) or (hasattr(X, "columns") and hasattr(X, "__getitem__"))


@dataclass(frozen=True)
class Columns:
    """Which column of a table plays which part."""

    series: str | None = None
    time: str | None = None
    label: str | Sequence[str] | None = None
    inputs: str | Sequence[str] | None = None
    variable: str | None = None
    value: str | None = None
    per: Literal["sequence", "step"] = "sequence"
    missing: Any = None
    indicators: bool = True

    def __post_init__(self):
        if self.per not in ("sequence", "step"):
            raise ArgumentError(unknown("per", self.per, ("sequence", "step")))
        if (self.variable is None) != (self.value is None):
            raise ArgumentError("variable and value go together: what was measured, and how much.")
        if self.label is not None and not self.labels:
            raise ArgumentError(f"label is {self.label!r}; it takes the name of a column, or several.")
        if self.is_long and (self.series is None or self.time is None or self.per == "step"):
            raise ArgumentError("a table with a row per measured value takes series=, time= and per='sequence'.")

    def dated(self, table: Any) -> bool:
        """Whether time stamps are dates."""
        self.prove(table, self.time)
        return self.time is not None and are_dates(np.asarray(table[self.time]))

    @property
    def any(self) -> bool:
        """Whether a table is expected: some column has a part."""
        parts = (self.series, self.time, self.label, self.inputs, self.variable)
        return self.per == "step" or any(one is not None for one in parts)

    @property
    def is_long(self) -> bool:
        """Whether there is a row per measured value."""
        return self.variable is not None

    @property
    def labels(self) -> list[str]:
        """The columns of the label."""
        return [] if self.label is None else [self.label] if isinstance(self.label, str) else list(self.label)

    def found_inputs(self, table: Any) -> list[str]:
        """The names of what is learned from, in order. Raises ArgumentError for one that has another part."""
        parts = {self.series, self.time, *self.labels}
        if self.inputs is not None:
            chosen = [self.inputs] if isinstance(self.inputs, str) else list(self.inputs)
            both = [name for name in chosen if name in parts and not self.is_long]
            if both:
                raise ArgumentError(f"column {both[0]!r} is to be an input, and it is named as series, time or label.")
            return chosen
        if self.is_long:
            return sorted(set(np.asarray(table[self.variable]).tolist()), key=str)
        return [name for name in names_of(table) if name not in parts]

    def cases(self, table: Any, inputs: Sequence[str], first_dt: float | None) -> tuple[Sequences, float | None]:
        """The table as cases whose y is the row of each answer: the number of the sequence, or of the table's row.

        Args: first_dt: dt of the first samples, if there is a column of time; None for the median of all others.
        Returns: the cases, and that dt.
        """
        options: dict[str, Any] = {"series": self.series, "time": self.time, "inputs": list(inputs)}
        options |= {"missing": self.missing, "indicators": self.indicators}
        if self.time is not None:
            options |= {"first_dt": 1.0 if first_dt is None else first_dt, "time_unit": self._unit(table)}
        ids, rows = self._groups(table)
        if self.per == "step":
            name, table = _with(table, np.arange(sum(map(len, rows))))
            found = from_wide(table, label=name, per="step", **options)
        else:
            numbers = {who: i for i, who in enumerate(ids)}
            read = from_long if self.is_long else from_wide
            more = {"variable": self.variable, "value": self.value} if self.is_long else {}
            found = read(table, label=numbers, **more, **options)
        return (found, first_dt) if first_dt is not None or self.time is None else _begun(found)

    def targets(self, table: Any, y: Any = None) -> NDArray[Any] | None:
        """(cases,) or (cases, outputs) targets: those given, or those of the table; None if there are none.

        Args: y: a target for each row, for each series in the order in which they first occur, or by their ids.
        """
        ids, rows = self._groups(table)
        n = sum(map(len, rows))
        label, columns = self.label, self.labels
        if y is not None:
            if not hasattr(y, "__len__") or getattr(y, "ndim", 1) == 0:
                raise ShapeError(f"y is {shown(y)}; it takes targets, {n}, one for each row.")
            if self.per == "sequence" and (isinstance(y, Mapping) or (hasattr(y, "items") and len(y) != n)):
                label, columns = y, []
            elif len(y) == n:
                name, table = _with(table, np.asarray(y))
                label, columns = name, [name]
            elif self.per == "sequence" and len(y) == len(ids):
                return np.asarray(y)
            else:
                takes = f"{n}, one for each row" + ("" if self.per == "step" else f", or {len(ids)}, one per series")
                raise ShapeError(f"X and y are of different length: y has {len(y)} targets; it takes {takes}.")
        elif label is None:
            return None
        self.prove(table, *columns)
        found = labels_of(table, label, columns, ids, rows, self.per)
        if self.per == "step":
            placed = np.empty((n, *found[0].shape[1:]), np.result_type(*found))
            for values, where in zip(found, rows):
                placed[where] = values
            found = placed
        found = np.asarray(found)
        return found[:, 0] if found.ndim == 2 and found.shape[-1] == 1 else found

    def _groups(self, table: Any) -> tuple[list[Any], list[NDArray[np.int64]]]:
        """The ids, and the rows of each in the order of time."""
        self.prove(table, self.series, self.time, self.variable, self.value)
        n = len(np.asarray(table[names_of(table)[0]])) if names_of(table) else 0
        ids, rows, _ = groups_of(table, self.series, self.time, n, self._unit(table))
        return ids, rows

    @staticmethod
    def prove(table: Any, *columns: str | None) -> None:
        """Raise ArgumentError for a column that there is not."""
        for name in columns:
            if name is not None and name not in names_of(table):
                raise ArgumentError(unknown("column", name, map(str, names_of(table))))

    def _unit(self, table: Any) -> str | None:
        """What dt is counted in, if time stamps are dates."""
        return DATES_IN if self.dated(table) else None


def _with(table: Any, values: NDArray[Any]) -> tuple[str, dict[str, Any]]:
    """The table with one more column, under a name that is free."""
    names, name = names_of(table), "y"
    while name in names:
        name += "_"
    return name, {**{one: table[one] for one in names}, name: values}


def _begun(cases: Sequences) -> tuple[Sequences, float]:
    """Cases whose first samples come the usual time after the state that they start from, and that time."""
    assert cases.dt is not None
    gaps = cases.dt[:, 1:][cases.mask[:, 1:]]
    usual = float(np.median(gaps)) if len(gaps) else 1.0
    dt = np.array(cases.dt)
    dt[:, 0] = usual
    return Sequences(cases.x, cases.y, cases.lengths, dt), usual
