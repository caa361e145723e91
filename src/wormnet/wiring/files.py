"""Wirings as JSON: to text and back, proved before anything is built.

What is read may come from anywhere: it gives a whole wiring or a WiringError that names the place, nothing else.
"""

import json
from collections.abc import Iterable
from typing import Any

from wormnet.errors import WiringError, unknown
from wormnet.wiring.check import ROLES, shortened
from wormnet.wiring.core import Wiring

__all__ = ["MAX_BYTES", "MAX_CELLS", "MAX_SYNAPSES", "from_json", "to_json"]

FORMAT, VERSION = "wormnet-wiring", 1

MAX_BYTES = 64 * 2**20
"""The longest file that is read or written, in bytes."""
MAX_CELLS = 200_000
"""The most inputs and neurons that a file may hold."""
MAX_SYNAPSES = 2_000_000
"""The most synapses that a file may hold."""

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
    _prove_wiring(wiring)
    content = {"format": FORMAT, "version": VERSION, **wiring.to_dict()}
    lines = ",\n".join(f' "{key}": {json.dumps(value)}' for key, value in content.items())
    return _short_enough(f"{{\n{lines}\n}}\n")


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
    _short_enough(text)
    try:
        # The stock reader takes NaN, 1e400 and any number of digits; all of them end as floats, which columns refuse.
        found = json.loads(text, object_pairs_hook=_without_repeats, parse_int=_whole, parse_constant=float)
    except json.JSONDecodeError as error:
        raise WiringError(f"line {error.lineno}, column {error.colno}: this is no JSON: {error.msg}.") from None
    except RecursionError:
        raise WiringError("the JSON is nested too deeply; a wiring is one object of plain lists.") from None
    if not isinstance(found, dict):
        raise WiringError(f"the JSON holds {_shown(found)}; a wiring is an object.")
    _prove_format(found)
    for key in found:
        if key not in _KEYS:
            raise WiringError(unknown("key", key[:80], _KEYS))
    if missing := [key for key in _KEYS if key not in found]:
        raise WiringError(f"the JSON lacks {', '.join(missing)}; it takes the keys {', '.join(_KEYS)}.")
    columns = {key: _column(key, found[key]) for key in _COLUMNS}
    n_synapses = max(len(columns[key]) for key in ("pre", "post", "kind", "sign", "count"))
    _small_enough(len(columns["inputs"]) + len(columns["neurons"]), n_synapses)
    _prove_members("roles", columns["roles"], ROLES, "a role: " + ", ".join(ROLES))
    _prove_members("outputs", columns["outputs"], columns["neurons"], "the name of a neuron")
    if not isinstance(found["source"], str):
        raise WiringError(f"source is {_shown(found['source'])}; it takes text.")
    return _built(**columns, source=found["source"])


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise WiringError(f"key {shortened(key)} is given twice; each is given once.")
            seen.add(key)
    return found


def _whole(digits: str) -> int | float:
    # 18 digits always fit 64 bits; what is longer is no cell, layer or sign.
    return int(digits) if len(digits) <= 18 else float(digits)


def _column(key: str, values: object) -> list[Any]:
    types, takes = _COLUMNS[key]
    if not isinstance(values, list):
        raise WiringError(f"{key} is {_shown(values)}; it takes a list.")
    if not set(map(type, values)) <= set(types):
        place, value = next((i, value) for i, value in enumerate(values) if type(value) not in types)
        raise WiringError(f"{key}[{place}] is {_shown(value)}; it takes {takes}.")
    return values


def _prove_members(key: str, values: list[str], known: Iterable[str], takes: str) -> None:
    known = set(known)
    for place, value in enumerate(values):
        if value not in known:
            raise WiringError(f"{key}[{place}] is {shortened(value)}; it takes {takes}.")


# -- what all formats share --------------------------------------------------------------------------------------------


def _shown(value: object) -> str:
    # The repr of a list is avoided: one nested as deeply as the reader can bear has none.
    names = {list: "a list", dict: "an object", type(None): "null"}
    return names.get(type(value)) or shortened(value)


def _prove_wiring(wiring: object) -> None:
    if not isinstance(wiring, Wiring):
        raise WiringError(f"wiring is {shortened(wiring)}; it takes a Wiring.")
    _small_enough(len(wiring.cells), wiring.n_synapses)


def _prove_format(found: dict[str, Any]) -> None:
    if found.get("format") != FORMAT:
        raise WiringError(f"format is {_shown(found.get('format'))}; it takes {FORMAT!r}.")
    version = found.get("version")
    if type(version) is not int or version != VERSION:
        raise WiringError(f"version is {_shown(version)}; this release reads version {VERSION}.")


def _small_enough(n_cells: int, n_synapses: int) -> None:
    for given, most, what in ((n_cells, MAX_CELLS, "cells"), (n_synapses, MAX_SYNAPSES, "synapses")):
        if given > most:
            raise WiringError(f"there are {given:,} {what}; a file holds at most {most:,}.")


def _short_enough(text: str) -> str:
    if len(text) > MAX_BYTES:
        raise WiringError(f"the text is {len(text):,} bytes long or longer; a file holds at most {MAX_BYTES:,}.")
    return text


def _built(**columns: Any) -> Wiring:
    try:
        return Wiring(**columns)
    except WiringError as error:
        # Messages quote names, and a hostile name is as long as the file.
        raise WiringError(message if len(message := str(error)) <= 1000 else message[:997] + "...") from None
