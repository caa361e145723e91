"""Sections of a plan: frozen dataclasses whose fields carry their rule."""

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from wormnet.errors import ArgumentError, DataError, WiringError, shown, unknown

__all__ = ["at", "check", "is_real", "list_of", "one_of", "plain", "real", "section", "takes", "truth", "whole"]

T = TypeVar("T")
Rule = tuple[str, Callable[[Any], bool]]


def takes(rule: Rule, default: Any) -> Any:
    """A field with its rule: what it takes in words, and whether a value fits."""
    if isinstance(default, dict):
        return dataclasses.field(default_factory=lambda: default, metadata={"rule": rule})
    return dataclasses.field(default=default, metadata={"rule": rule})


def check(section: Any) -> None:
    """Every field of a section against its rule; lists become tuples."""
    for one in dataclasses.fields(section):
        value = getattr(section, one.name)
        words, fits = one.metadata["rule"]
        if not fits(value):
            raise ArgumentError(f"{one.name} is {shown(value)}; it takes {words}.")
        if isinstance(value, list):
            object.__setattr__(section, one.name, tuple(value))


def whole(least: int, otherwise: str = "") -> Rule:
    """A whole number."""

    def fits(value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and value >= least

    return f"a whole number, {least} or more{otherwise}", fits


def is_real(value: Any) -> bool:
    """Whether it is a finite number."""
    if isinstance(value, int) and not isinstance(value, bool):
        return -(2**63) <= value < 2**63  # the larger ones are no floats
    return isinstance(value, float) and math.isfinite(value)


def real(words: str, fits: Callable[[Any], bool]) -> Rule:
    """A finite number for which `fits` holds."""
    return words, lambda value: is_real(value) and fits(value)


def list_of(words: str, fits: Callable[[Any], bool], least: int = 0) -> Rule:
    """A list of things that fit."""
    return words, lambda value: isinstance(value, (list, tuple)) and len(value) >= least and all(map(fits, value))


def one_of(names: tuple[str, ...]) -> Rule:
    """One of some words."""
    return f"one of {', '.join(names)}", lambda value: isinstance(value, str) and value in names


truth: Rule = ("true or false", lambda value: isinstance(value, bool))


def section(kind: type[T], place: str, content: Mapping[str, Any]) -> T:
    """A section from plain values. Raises ArgumentError with the place for a key that there is not."""
    known = [one.name for one in dataclasses.fields(kind)]  # pyright: ignore[reportArgumentType]
    for key in content:
        if key not in known:
            raise ArgumentError(f"{place}: {unknown('key', key, known)}")
    with at(place):
        return kind(**content)


def plain(section: Any) -> dict[str, Any]:
    """A section as plain values that JSON and TOML can hold."""
    values = {one.name: getattr(section, one.name) for one in dataclasses.fields(section)}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


@contextmanager
def at(place: str) -> Iterator[None]:
    """Put the place in front of what goes wrong inside."""
    try:
        yield
    except (ArgumentError, DataError, WiringError) as error:
        raise type(error)(f"{place}: {error}") from None
