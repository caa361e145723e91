"""JSON of strangers, read in memory and time that its length bounds: no lists of lists, no more values than wanted.

The stock reader builds whatever a text says before anybody can refuse it: 64 MB of "[]," become 2 GB.
"""

import json
import re
from collections.abc import Callable
from typing import Any, NoReturn

from wormnet.errors import WiringError, shown

__all__ = ["few_values", "flat_object"]

_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[{,]', re.DOTALL)
_SPACE = re.compile(r"[ \t\n\r]*+")
_NO_TEXT = re.compile(r'\[[^\[\]{}"]*+')
"""A list up to its end, or to the first text, list or object in it."""
_LONG = re.compile(r"[0-9]{19}")
_NESTED: dict[str, type[list[Any]] | type[dict[str, Any]]] = {"[": list, "{": dict}


def few_values(text: str, most: int = 10_000) -> str:
    """The text, if whatever the stock reader would build of it is few values; ValueError otherwise.

    >>> few_values('{"a": "[[[,,,"}', most=3)
    '{"a": "[[[,,,"}'
    >>> few_values("[[[[[", most=3)
    Traceback (most recent call last):
    ValueError: it holds more than 3 values.
    """
    for number, _ in enumerate(_TOKEN.finditer(text)):
        if number >= most:
            raise ValueError(f"it holds more than {most:,} values.")
    return text


def flat_object(text: str, check: Callable[[str, Any], None], most: Callable[[str], int]) -> dict[str, Any]:
    """An object of plain values and of lists of them.

    Args:
        check: called with each key and value as soon as it is read, to refuse it. A value that is no plain one or list,
            or a list with such a member, comes with an empty list or object in its place, and what follows is not read.
        most: of a key: how many members its list may have.

    Raises: WiringError with the line and column, or the key, for everything else; what `check` and `most` raise.

    >>> flat_object('{"a": [1, 2], "b": "c"}', check=lambda key, value: None, most=lambda key: 2)
    {'a': [1, 2], 'b': 'c'}
    """
    try:
        return _object(text, check, most)
    except json.JSONDecodeError as error:
        raise WiringError(f"line {error.lineno}, column {error.colno}: this is no JSON: {error.msg}.") from None


def _object(text: str, check: Callable[[str, Any], None], most: Callable[[str], int]) -> dict[str, Any]:
    at = _past(text, 0)
    if text[at : at + 1] != "{":
        value = _NESTED["["]() if text[at : at + 1] == "[" else _scalar(text, at)[0]
        raise WiringError(f"the JSON holds {'a list' if value == [] else shown(value)}; a wiring is an object.")
    found: dict[str, Any] = {}
    at = _past(text, at + 1)
    while text[at : at + 1] != "}":
        if found:
            at = _past(text, _delimiter(text, at, ","))
        if text[at : at + 1] != '"':
            _fail("Expecting property name enclosed in double quotes", text, at)
        key, at = _scalar(text, at)
        if key in found:
            raise WiringError(f"key {shown(key)} is given twice; each is given once.")
        at = _past(text, _delimiter(text, _past(text, at), ":"))
        n = most(key)
        value, end = _list(text, at, n, key) if n and text[at : at + 1] == "[" else _scalar(text, at)
        check(key, value)
        if end is None:
            raise WiringError(f"{shown(key)} holds lists or objects; it takes plain values.")
        found[key] = value
        at = _past(text, end)
    if (end := _past(text, at + 1)) != len(text):
        _fail("Extra data", text, end)
    return found


def _list(text: str, at: int, most: int, key: str) -> tuple[list[Any], int | None]:
    """The list that starts there, and the place behind it; None if it has a member that is no plain value."""
    end = _NO_TEXT.match(text, at).end()  # pyright: ignore[reportOptionalMemberAccess]
    if (n := text.count(",", at, end) + 1) > most:
        raise WiringError(f"{key} holds {n:,}; a file holds at most {most:,}.")
    if text[end : end + 1] == "]":
        return (_EXACT if _LONG.search(text, at, end) else _FAST).raw_decode(text, at)
    found: list[Any] = []
    at = _past(text, at + 1)
    while text[at : at + 1] != "]":
        if found:
            at = _past(text, _delimiter(text, at, ","))
        if len(found) >= most:
            raise WiringError(f"{key} holds more than {most:,}, the most that a file holds.")
        value, end = _scalar(text, at)
        found.append(value)
        if end is None:
            return found, None
        at = _past(text, end)
    return found, at + 1


def _scalar(text: str, at: int) -> tuple[Any, int]:
    """The plain value that starts there, and the place behind it. A list or object is an empty one without a place."""
    if (nested := _NESTED.get(text[at : at + 1])) is not None:
        return nested(), None  # pyright: ignore[reportReturnType]
    return _EXACT.raw_decode(text, at)


def _delimiter(text: str, at: int, mark: str) -> int:
    if text[at : at + 1] != mark:
        _fail(f"Expecting '{mark}' delimiter", text, at)
    return at + 1


def _past(text: str, at: int) -> int:
    """The place behind white space."""
    return _SPACE.match(text, at).end()  # pyright: ignore[reportOptionalMemberAccess]


def _fail(message: str, text: str, at: int) -> NoReturn:
    raise json.JSONDecodeError(message, text, at)


def _whole(digits: str) -> int | float:
    # 18 digits always fit 64 bits; what is longer is no cell, layer or sign, and past 400 no number that is taken.
    return int(digits) if len(digits) <= 18 else float(digits[:400])


# The stock reader takes NaN, 1e400 and any number of digits; all of them end as floats, which columns refuse.
_EXACT = json.JSONDecoder(parse_int=_whole, parse_constant=float)
_FAST = json.JSONDecoder(parse_constant=float)
