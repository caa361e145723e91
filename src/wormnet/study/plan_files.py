"""The plain values in a plan's file, TOML or JSON. The file may come from anywhere; work is bounded by its length."""

import json
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from wormnet.errors import ArgumentError, DataError, shown, unknown
from wormnet.paths import checked, printable, read_text
from wormnet.study.checks import section

__all__ = ["MAX_BYTES", "arguments", "from_json", "from_toml"]

MAX_BYTES = 2**18
"""The longest file of a plan that is read."""

_DEEP = re.compile(r"""(?:(?:(?<![\w-])[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){16}""")
"""A key of TOML with more parts than any plan has: reading one takes time in the square of its parts."""

_PLAIN = ("name", "datasets", "networks", "folds", "seeds", "reference", "accelerator", "is_quick")
_SECTIONS = ("training", "data", "metrics", "tuning", "measures", "factorial")


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


def arguments(content: Any, beside: Path | None = None) -> dict[str, Any]:
    """The arguments of `Plan` from what a file holds. Raises ArgumentError for a key that a plan does not take."""
    from wormnet.study.factorial import Factorial
    from wormnet.study.plan import Measures, Training, Tuning

    if not isinstance(content, Mapping):
        raise ArgumentError(f"the plan is {shown(content)}; it takes a table with at least datasets and networks.")
    for key, value in content.items():
        if key not in _PLAIN + _SECTIONS:
            raise ArgumentError(unknown("key", key, _PLAIN + _SECTIONS))
        if key in _SECTIONS and not isinstance(value, Mapping):
            raise ArgumentError(f"{key} is {shown(value)}; it takes a section, [{key}].")
    for key in ("datasets", "networks"):
        if key not in content:
            raise ArgumentError(f"{key} is missing; a plan takes at least datasets and networks.")
    found: dict[str, Any] = {key: content[key] for key in _PLAIN if key in content}
    for key, kind in (("training", Training), ("measures", Measures)):
        found[key], found[f"{key}_of"] = _with_own(kind, key, content.get(key, {}))
    found["tuning"] = section(Tuning, "tuning", content.get("tuning", {}))
    if content.get("factorial"):
        if "factors" not in content["factorial"]:
            raise ArgumentError("factorial: factors is missing; it takes a list of the ingredients that are varied.")
        found["factorial"] = section(Factorial, "factorial", content["factorial"])
    found["metrics"] = dict(content.get("metrics", {}))
    for name, options in content.get("data", {}).items():
        if not isinstance(options, Mapping):
            raise ArgumentError(f"data.{name} is {shown(options)}; it takes a section, [data.{name}].")
    found["options"] = {name: _placed(options, beside) for name, options in content.get("data", {}).items()}
    return found


def _placed(options: Mapping[str, Any], beside: Path | None) -> dict[str, Any]:
    """The options of a data set; a file is named from the folder of the plan, and from then on in full."""
    if not isinstance(options.get("file"), str):
        return dict(options)
    return {**options, "file": str((beside or Path()).absolute() / options["file"])}


def _with_own(kind: type[Any], place: str, content: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """A section, and those of single data sets, which start from it."""
    shared = {key: value for key, value in content.items() if not isinstance(value, Mapping)}
    own = {
        name: section(kind, f"{place}.{name}", {**shared, **one})
        for name, one in content.items()
        if isinstance(one, Mapping)
    }
    return section(kind, place, shared), own
