"""Wirings in files: JSON or GraphML by the ending of the name.

What is read may come from anywhere: it gives a whole wiring or a WiringError that names the place, nothing else.
"""

import csv
import io
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from wormnet.atomic import write_whole
from wormnet.errors import ArgumentError, WiringError, unknown
from wormnet.paths import checked, printable, read_text
from wormnet.wiring import formats
from wormnet.wiring.check import ROLES, shortened
from wormnet.wiring.core import KINDS, Wiring
from wormnet.wiring.formats import (
    FORMAT,
    MAX_BYTES,
    VERSION,
    built,
    prove_format,
    prove_to_fit,
    short_enough,
    shown,
    small_enough,
)
from wormnet.wiring.graphml import OPTIONS, from_graphml, read_graphml, to_graphml
from wormnet.wiring.plain_json import flat_object

__all__ = ["from_json", "load", "save", "synapse_rows", "to_csv", "to_json"]

_COLUMNS: dict[str, tuple[tuple[type, ...], str]] = {
    "inputs": ((str,), "text"),
    "neurons": ((str,), "text"),
    "roles": ((str,), "text"),
    "outputs": ((str,), "text"),
    "layers": ((int,), "a whole number"),
    "pre": ((int,), "a whole number"),
    "post": ((int,), "a whole number"),
    "kind": ((int,), "a whole number"),
    "sign": ((int,), "a whole number"),
    "count": ((int, float), "a number"),
}
_KEYS = ("format", "version", *_COLUMNS, "source")


# -- files -------------------------------------------------------------------------------------------------------------


def save(wiring: Wiring, path: str | os.PathLike[str]) -> None:
    """Write a wiring into a file of JSON or GraphML, by the ending of its name: .json, .graphml.

    The file appears whole or not at all: when writing fails, an older file of that name stays as it was.

    Raises: WiringError if it is no wiring or larger than files may be, ArgumentError for another ending or what is no
        path, DataError if the file cannot be written.

    >>> import tempfile
    >>> wiring = Wiring(1, 2, pre=[0, 1], post=[1, 2])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(wiring, f"{folder}/wiring.graphml")
    ...     load(f"{folder}/wiring.graphml") == wiring
    True
    """
    path, (write, _) = _format_of(path)
    write_whole(path, write(wiring))


def load(path: str | os.PathLike[str], **options: Any) -> Wiring:
    """Read a wiring from a file of JSON or GraphML, by the ending of its name: .json, .graphml.

    A table of synapses (.csv) is read by `read_edges`.

    Args:
        path: a file of at most MAX_BYTES (64 MiB) in UTF-8; see `from_json` and `from_graphml`.
        options: of a GraphML file that another program wrote: inputs, outputs, attributes, repeated; see
            `from_networkx`.

    Raises: WiringError naming the file and the place if it holds no valid wiring, ArgumentError for another ending or
        what is no path, DataError if there is no such file, or it is longer or no text.
    """
    path, (_, read) = _format_of(path)
    if options and read is from_json:
        raise ArgumentError(f"{printable(path)} says all that a wiring has; {', '.join(options)} is for GraphML.")
    for name in options:
        if name not in OPTIONS:
            raise ArgumentError(unknown("option", name, OPTIONS))
    text = read_text(path, MAX_BYTES)
    try:
        return read(text) if read is from_json else read_graphml(text, options, stacklevel=2)
    except WiringError as error:
        raise WiringError(f"{printable(path)}: {error}") from None


def _format_of(path: str | os.PathLike[str]) -> tuple[Path, tuple[Any, Any]]:
    formats = {".json": (to_json, from_json), ".graphml": (to_graphml, from_graphml)}
    path = checked(path)
    if path.suffix.lower() not in formats:
        raise ArgumentError(
            f"{printable(path)} ends in {path.suffix!r}; a wiring's file ends in {' or '.join(formats)}."
        )
    return path, formats[path.suffix.lower()]


def to_csv(wiring: Wiring) -> str:
    """The synapses as a table with a head: pre, post, kind, sign, count. Roles and outputs are not in it.

    >>> print(to_csv(Wiring(1, 2, pre=[0, 1], post=[1, 2], sign=[1, -1])), end="")
    pre,post,kind,sign,count
    in0,n0,chemical,1,1.0
    n0,n1,chemical,-1,1.0
    """
    text = io.StringIO()
    table = csv.DictWriter(text, ["pre", "post", "kind", "sign", "count"], lineterminator="\n")
    table.writeheader()
    table.writerows(synapse_rows(wiring))
    return text.getvalue()


def synapse_rows(wiring: Wiring) -> list[dict[str, Any]]:
    """A row for every synapse: the names of its ends and its kind, its sign and count.

    >>> synapse_rows(Wiring(1, 1, pre=[0], post=[1], sign=-1))
    [{'pre': 'in0', 'post': 'n0', 'kind': 'chemical', 'sign': -1, 'count': 1.0}]
    """
    cells = wiring.cells
    columns = (wiring.pre, wiring.post, wiring.kind, wiring.sign, wiring.count)
    return [
        {"pre": cells[pre], "post": cells[post], "kind": KINDS[kind], "sign": sign, "count": count}
        for pre, post, kind, sign, count in zip(*(column.tolist() for column in columns), strict=True)
    ]


# -- JSON --------------------------------------------------------------------------------------------------------------


def to_json(wiring: Wiring) -> str:
    """The wiring as JSON text in plain ASCII, one line for each column.

    An object with "format": "wormnet-wiring", "version": 1 and the columns of `Wiring.to_dict()`.

    Raises: WiringError if it is no wiring, or larger than files may be: MAX_CELLS, MAX_SYNAPSES, MAX_BYTES.

    >>> print(to_json(Wiring(1, 2, pre=[0, 1], post=[1, 2], sign=[1, -1])))
    {
     "format": "wormnet-wiring",
     "version": 1,
     "inputs": ["in0"],
     "neurons": ["n0", "n1"],
     "roles": ["unknown", "unknown"],
     "outputs": ["n0", "n1"],
     "layers": [0, 0],
     "pre": [0, 1],
     "post": [1, 2],
     "kind": [0, 0],
     "sign": [1, -1],
     "count": [1.0, 1.0],
     "source": ""
    }
    <BLANKLINE>
    """
    prove_to_fit(wiring)
    content = {"format": FORMAT, "version": VERSION, **wiring.to_dict()}
    lines = ",\n".join(f' "{key}": {json.dumps(value)}' for key, value in content.items())
    return short_enough(f"{{\n{lines}\n}}\n")


def from_json(text: str) -> Wiring:
    """The wiring that `to_json` wrote.

    Every key is needed and no other is taken; numbers are numbers, neither text nor true nor NaN.

    Args: text: at most MAX_BYTES (64 MiB) long, with at most MAX_CELLS (200,000) cells and MAX_SYNAPSES (2,000,000)
        synapses; all three are checked before a wiring is built.
    Raises: WiringError for anything else, naming the line and column, or the place as in pre[3].

    >>> wiring = Wiring(1, 2, pre=[0, 1], post=[1, 2], sign=[1, -1])
    >>> from_json(to_json(wiring)) == wiring
    True
    >>> from_json(to_json(wiring).replace("[0, 1]", "[0, true]"))
    Traceback (most recent call last):
    wormnet.errors.WiringError: pre[1] is True; it takes a whole number.
    """
    if not isinstance(text, str):
        raise WiringError(f"text is of type {type(text).__name__}; it takes the text of a JSON file.")
    found = flat_object(short_enough(text), _check, _most)
    prove_format(found)
    if missing := [key for key in _KEYS if key not in found]:
        raise WiringError(f"the JSON lacks {', '.join(missing)}; it takes the keys {', '.join(_KEYS)}.")
    columns = {key: found[key] for key in _COLUMNS}
    n_synapses = max(len(columns[key]) for key in ("pre", "post", "kind", "sign", "count"))
    small_enough(len(columns["inputs"]) + len(columns["neurons"]), n_synapses)
    _prove_members("roles", columns["roles"], ROLES, "a role: " + ", ".join(ROLES))
    _prove_members("outputs", columns["outputs"], columns["neurons"], "the name of a neuron")
    return built(**columns, source=found["source"])


def _most(key: str) -> int:
    """How many members a key's list may have; 0 for a key without a list."""
    if key in ("inputs", "neurons", "roles", "outputs", "layers"):
        return formats.MAX_CELLS
    return formats.MAX_SYNAPSES if key in _COLUMNS else 0


def _check(key: str, value: object) -> None:
    """Refuse a key or value as soon as it is read."""
    if key not in _KEYS:
        raise WiringError(unknown("key", key[:80], _KEYS))
    if key in ("format", "version"):
        prove_format({"format": FORMAT, "version": VERSION, key: value})
    elif key == "source" and not isinstance(value, str):
        raise WiringError(f"source is {shown(value)}; it takes text.")
    elif key in _COLUMNS:
        _column(key, value)


def _column(key: str, values: object) -> None:
    types, takes = _COLUMNS[key]
    if not isinstance(values, list):
        raise WiringError(f"{key} is {shown(values)}; it takes a list.")
    if not set(map(type, values)) <= set(types):
        place, value = next((i, value) for i, value in enumerate(values) if type(value) not in types)
        raise WiringError(f"{key}[{place}] is {shown(value)}; it takes {takes}.")


def _prove_members(key: str, values: list[str], known: Iterable[str], takes: str) -> None:
    known = set(known)
    for place, value in enumerate(values):
        if value not in known:
            raise WiringError(f"{key}[{place}] is {shortened(value)}; it takes {takes}.")
