"""What wormnet raises. Each error is also the builtin it refines, so `except ValueError` keeps working.

Every message says what was given, what is taken (with the real numbers) and what to do.
"""

import difflib
from collections.abc import Iterable

__all__ = ["ArgumentError", "BackendError", "DataError", "ShapeError", "WiringError", "WormnetError", "unknown"]


class WormnetError(Exception):
    """The root of all errors that wormnet raises on purpose."""


class WiringError(WormnetError, ValueError):
    """A wiring that cannot exist, or a name that is not in it."""


class ShapeError(WormnetError, ValueError):
    """An array or tensor whose shape fits nothing the call takes."""


class ArgumentError(WormnetError, ValueError):
    """An argument whose value or type is outside of what the call takes."""


class BackendError(WormnetError, RuntimeError):
    """A named back end that cannot run here; the message says why."""


class DataError(WormnetError, OSError):
    """A data set or file that cannot be had, or does not hold what it should."""


def unknown(what: str, given: object, known: Iterable[object], near: Iterable[str] | None = None) -> str:
    """The message for a name that is not in a list: what was given, near names, and the list.

    Args:
        known: names; None among them is the object None, which the message tells from the text.
        near: the names that may be proposed; None for all of them.

    >>> unknown("solver", "rk5", ["euler", "rk4"])
    "unknown solver 'rk5'; did you mean 'rk4'? Known: euler, rk4."
    >>> unknown("input_map", "None", [None, "affine"])
    "unknown input_map 'None'; did you mean None, without quotes? Known: None (the object, without quotes), affine."
    """
    known = list(known)
    names = [one for one in known if one is not None]
    if len(names) < len(known) and isinstance(given, str) and given.strip().lower() in ("none", "null", ""):
        hint = "; did you mean None, without quotes?"
    else:
        proposed = list(map(str, names)) if near is None else list(near)
        alike = [one for one in proposed if one.casefold() == str(given).casefold()]
        near = alike[:3] or difflib.get_close_matches(str(given), proposed, n=3, cutoff=0.5)
        hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else "."
    listed = ["None (the object, without quotes)" if one is None else str(one) for one in known[:40]]
    shown = ", ".join(listed) + (f", ... ({len(known)} in all)" if len(known) > 40 else "")
    return f"unknown {what} {given!r}{hint} Known: {shown or 'none'}."
