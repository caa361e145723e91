"""Edge lists: a row for each synapse, in a CSV file or a data frame, as most connectomes are published."""

import csv
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np

from wormnet.errors import ArgumentError, WiringError, shown
from wormnet.paths import checked, printable, read_text
from wormnet.wiring import formats
from wormnet.wiring.assembly import Cells, assembled
from wormnet.wiring.attributes import EDGE, Reading, is_missing, proven, warn_of
from wormnet.wiring.core import Wiring

__all__ = ["read_edges"]

_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_LONGEST = 2**20
"""The longest row that is read, in characters."""


def read_edges(
    table: Any,
    *,
    inputs: Iterable[str] = (),
    outputs: Iterable[str] | None = None,
    attributes: Mapping[str, str | None] | None = None,
    repeated: str = "refuse",
    source: str | None = None,
) -> Wiring:
    """The wiring of an edge list: a CSV file or a data frame with a row for each synapse.

    Columns are understood by their usual names, in any case: pre or source, from, origin; post or target, to; and, if
    there, kind or type, sign or polarity, count or weight, with values as for `from_networkx`. Other columns are named
    in one warning. Cells are the names in pre and post, without white space around them, in the order in which they
    first stand there. Rows for the two ends of one gap junction with equal counts are one junction.

    Args:
        table: the path of a CSV file with a head line, in UTF-8, with commas, semicolons, tabs or spaces between
            columns; or a data frame of pandas or polars, or a mapping from columns to lists.
        inputs: names of the cells that are inputs (sensors, not neurons): they only send. All others are neurons.
        outputs: names of the neurons that are read out; None for all.
        attributes: {column: pre, post, kind, sign or count}, where the table has names of its own; None in place of
            the field passes over a column without a warning.
        repeated: a second row of one kind from one cell to another is an error ("refuse"), or its count is added
            ("add"; signs that differ become 0).
        source: the wiring's source, for example the paper; the file's name if it is left out.

    Raises: WiringError with the row for whatever is no synapse; ArgumentError for other arguments that fit nothing;
        DataError for a file that cannot be read.

    >>> read_edges({"Source": ["touch", "AVA"], "Target": ["AVA", "DA1"], "Weight": [3, 7]}, inputs=["touch"])
    Wiring(1 input, 2 neurons, 2 outputs, 2 synapses)
    """
    given = proven(attributes, ("pre", "post", *EDGE))
    if isinstance(table, (str, bytes, os.PathLike)):
        path = checked(table, "table")
        text = read_text(path, formats.MAX_BYTES)
        what, name = printable(path), path.name
        names, rows = _csv(text, what, path.suffix.lower())
    else:
        what, name = "the table", ""
        names, rows = _frame(table)
    reading = Reading("columns", ("pre", "post", *EDGE), given)
    ends = [_end(reading, names, field, what) for field in ("pre", "post")]
    others = [(place, name) for place, name in enumerate(names) if place not in ends and reading.of(name)]
    kinds = [(place, name) for place, name in others if (reading.of(name) or ("",))[0] == "kind"]
    (first, first_name), (second, second_name) = [(end, names[end]) for end in ends]
    cells, edges = Cells(), []
    kept: dict[str, str] = {}  # one text for all equal ones: tables repeat themselves
    for where, row in rows:
        try:
            pre, post = _cell(first_name, row[first]), _cell(second_name, row[second])
            for place, column in kinds:
                if is_missing(row[place]):
                    raise WiringError(f"{column} is {shown(row[place])}; it takes a kind in every row.")
        except WiringError as error:
            raise WiringError(f"{_place(what, where)}: {error}") from None
        for one in (pre, post):
            if one not in cells.neurons:
                cells.neurons[one] = "unknown", 0
        pre, post = kept.setdefault(pre, pre), kept.setdefault(post, post)
        values = [row[place] for place, _ in others]
        edges.append((pre, post, where, tuple(kept.setdefault(v, v) if type(v) is str else v for v in values)))
        formats.small_enough(len(cells.neurons), len(edges))
    cells.make_inputs(inputs)
    columns = [column for _, column in others]
    wiring = assembled(
        cells,
        (
            # Called, if at all, before the next row takes its place.
            (pre, post, True, lambda: _place(what, where), zip(columns, values))  # noqa: B023
            for pre, post, where, values in edges
        ),
        reading,
        repeated=repeated,
        outputs=outputs,
        source=name if source is None else source,
    )
    warn_of(what, [reading], given, stacklevel=2)
    return wiring


Rows = Iterator[tuple[int, Sequence[Any]]]


def _place(what: str, where: int) -> str:
    return f"row {where}" if what == "the table" else f"{what}, line {where}"


def _end(reading: Reading, names: Sequence[str], field: str, what: str) -> int:
    """The column that holds one end of the synapses."""
    found = [(reading.of(name), place) for place, name in enumerate(names)]
    ranked = sorted((meaning[1], place) for meaning, place in found if meaning and meaning[0] == field)
    if not ranked:
        listed = ", ".join(shown(name, 40) for name in names[:12])
        usual = "source, from" if field == "pre" else "target, to"
        raise WiringError(
            f"{what} has no column {field} ({usual}); its columns are {listed or 'none'}. Name it, for example "
            f"attributes={{{names[0][:40] if names else 'mine'!r}: {field!r}}}; a file takes a head line."
        )
    if len(ranked) > 1 and ranked[0][0] == ranked[1][0]:
        one, other = (names[place] for _, place in ranked[:2])
        raise WiringError(
            f"{what} has columns {shown(one)} and {shown(other)}, and both mean {field}; say which one does: "
            f"attributes={{{one!r}: {field!r}, {other!r}: None}}."
        )
    for _, place in ranked[1:]:
        reading.pass_over(names[place])
    return ranked[0][1]


def _cell(column: str, value: Any) -> str:
    """The name of a cell, which tables may hold as a whole number."""
    if isinstance(value, str) and (name := value.strip()):
        return name
    name = ""
    if isinstance(value, (float, np.floating)):
        value = int(value) if float(value).is_integer() else value
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        name = shown(int(value), 400)
    if not name:
        raise WiringError(f"{column} is {shown(value)}; it takes the name of a cell.")
    return name


# -- data frames -------------------------------------------------------------------------------------------------------


def _frame(table: Any) -> tuple[list[str], Rows]:
    """Names of the columns, and the rows by number from 0, of whatever has columns."""
    keys = list(table) if isinstance(table, Mapping) else getattr(table, "columns", None)
    if keys is None or not hasattr(table, "__getitem__"):
        raise ArgumentError(
            f"table is {shown(table)}; it takes the path of a CSV file, a data frame, or a mapping from columns to "
            "lists."
        )
    keys = list(keys)
    names = [str(key) for key in keys]
    for place, name in enumerate(names):
        if name in names[:place]:
            raise WiringError(f"the table has two columns {shown(name)}; names of columns are unique.")
    columns = [_column(name, table[key]) for name, key in zip(names, keys)]
    lengths = {len(column) for column in columns}
    if len(lengths) > 1:
        raise WiringError(
            f"the table's columns hold {', '.join(map(str, sorted(lengths)))} rows; they take equally many."
        )
    formats.small_enough(0, max(lengths, default=0))
    return names, enumerate(zip(*columns))


def _column(name: str, column: Any) -> list[Any]:
    if isinstance(column, (str, bytes)) or not isinstance(column, Iterable):
        raise WiringError(f"column {shown(name)} is {shown(column)}; it takes a list with a value for each row.")
    return list(cast(Iterable[Any], column))


# -- CSV ---------------------------------------------------------------------------------------------------------------


def _csv(text: str, what: str, ending: str) -> tuple[list[str], Rows]:
    """Names of the columns, and the rows by line."""
    head = text[: max(0, text.find("\n"))] or text
    head = head[:_LONGEST]
    marks = [mark for mark in "\t;," if mark in head] or [" "]
    mark = "\t" if ending in (".tsv", ".tab") else max(marks, key=head.count)
    rows = _lines(text, what, mark)
    line, names = next(rows, (0, []))
    if not names:
        raise WiringError(f"{what} is empty; it takes a head line with the names of the columns, and a row a synapse.")
    names = [name.strip() for name in names]
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise WiringError(f"{what}, line {line}: two columns are named {shown(name)}; names of columns are unique.")
        seen.add(name)

    def checked_rows() -> Rows:
        for line, row in rows:
            if len(row) != len(names):
                raise WiringError(f"{what}, line {line}: there are {len(row)} values for {len(names)} columns.")
            yield line, row

    return names, checked_rows()


def _lines(text: str, what: str, mark: str) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not empty, with the line in which each ends."""
    since = 0  # characters read of the open row

    def parts() -> Iterator[str]:
        nonlocal since
        for found in _LINE.finditer(text):
            since += found.end() - found.start()
            if since > _LONGEST:
                raise WiringError(f"{what} has a row of more than {_LONGEST:,} characters; is a quote left open?")
            yield found[0]

    reader = csv.reader(parts(), delimiter=mark, skipinitialspace=True, strict=True)
    most = 2 * formats.MAX_SYNAPSES
    try:
        for row in reader:
            since = 0
            if reader.line_num > most:
                raise WiringError(f"{what} has more than {most:,} lines, the most that are read.")
            if row and any(value and not value.isspace() for value in row):
                yield reader.line_num, row
    except csv.Error as error:
        raise WiringError(f"{what}, line {reader.line_num}: this is no CSV: {error}.") from None
