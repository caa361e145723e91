"""What wormnet raises. Each error is also the builtin it refines, so `except ValueError` keeps working.

Every message says what was given, what is taken (with the real numbers) and what to do.
"""

import difflib
from collections.abc import Iterable
from typing import TypeGuard

__all__ = [
    "ArgumentError",
    "BackendError",
    "DataError",
    "ShapeError",
    "WiringError",
    "WormnetError",
    "shown",
    "unknown",
]


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


def unknown(what: str, given: object, known: Iterable[str]) -> str:
    """The message for a name that is not in a list: what was given, near names, and the list.

    >>> unknown("solver", "rk5", ["euler", "rk4"])
    "unknown solver 'rk5'; did you mean 'rk4'? Known: euler, rk4."
    """
    known = list(known)
    text = shown(given)
    # Comparing with all of a long list, or a long text with any, takes longer than a message is worth.
    near = difflib.get_close_matches(given, known, n=3, cutoff=0.5) if _is_short(given) and len(known) <= 5_000 else []
    hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else "."
    listed = ", ".join(known[:40]) + (f", ... ({len(known)} in all)" if len(known) > 40 else "")
    return f"unknown {what} {text}{hint} Known: {listed or 'none'}."


def shown(given: object, most: int = 80) -> str:
    """What was given, for a message: its repr in at most `most` characters, or what it is if it has none.

    >>> shown("word" * 100)[-10:], shown(10**5000)
    ('ordword...', '<int>')
    """
    try:
        text = repr(given[: most + 1] if isinstance(given, (str, bytes)) else given)
    except Exception:  # too many digits, nested too deeply, or a user's own repr that fails
        return f"<{type(given).__name__}>"
    text = " ".join(text.split()) if "\n" in text else text  # arrays and tables are shown in lines
    return text if len(text) <= most else text[: most - 3] + "..."


def _is_short(given: object) -> TypeGuard[str]:
    return isinstance(given, str) and len(given) <= 200
