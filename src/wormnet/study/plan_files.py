"""The plain values in a plan's file, TOML or JSON. The file may come from anywhere; work is bounded by its length."""

import json
import os
import re
import tomllib
from collections.abc import Callable
from typing import Any

from wormnet.errors import DataError
from wormnet.paths import checked, printable, read_text

__all__ = ["MAX_BYTES", "from_json", "from_toml"]

MAX_BYTES = 2**18
"""The longest file of a plan that is read."""

_DEEP = re.compile(r"""(?:(?:(?<![\w-])[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){16}""")
"""A key of TOML with more parts than any plan has: reading one takes time in the square of its parts."""


def from_toml(path: str | os.PathLike[str]) -> Any:
    """What a file of TOML holds. Raises DataError with the file's name, ArgumentError for what is no path."""
    return _read(path, "TOML", _parse_toml)


def from_json(path: str | os.PathLike[str]) -> Any:
    """What a file of JSON holds. Raises as `from_toml` does."""
    return _read(path, "JSON", json.loads)


def _read(path: str | os.PathLike[str], what: str, parse: Callable[[str], Any]) -> Any:
    text, name = read_text(path, MAX_BYTES), printable(checked(path))
    try:
        return parse(text)
    except RecursionError:
        raise DataError(f"{name} is nested too deeply; a plan is sections of plain values.") from None
    except ValueError as error:
        raise DataError(f"{name} is no {what}: {error}.") from None


def _parse_toml(text: str) -> dict[str, Any]:
    if found := _DEEP.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise ValueError(f"the key in line {line} has more than 16 parts")
    return tomllib.loads(text)
