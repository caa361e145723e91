"""What wormnet raises. Each error is also the builtin it refines, so `except ValueError` keeps working.

Every message says what was given, what is taken (with the real numbers) and what to do.
"""

import difflib
import importlib
import warnings
from collections.abc import Iterable
from types import ModuleType
from typing import TypeGuard

__all__ = [
    "ArgumentError",
    "BackendError",
    "BlindOutputWarning",
    "DataError",
    "ShapeError",
    "WiringError",
    "WormnetError",
    "need",
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


class BlindOutputWarning(UserWarning):
    """Outputs of a layer that the newest sample cannot reach in time."""


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
    text, proposed = shown(given), list(map(str, names)) if near is None else list(near)
    if len(names) < len(known) and isinstance(given, str) and given.strip().lower() in ("none", "null", ""):
        hint = "; did you mean None, without quotes?"
    else:
        # Comparing with all of a long list, or a long text with any, takes longer than a message is worth.
        close: list[str] = []
        word = given if isinstance(given, str) else text
        if _is_short(word) and len(proposed) <= 5_000:
            alike = [one for one in proposed if one.casefold() == word.casefold()]
            close = alike[:3] or difflib.get_close_matches(word, proposed, n=3, cutoff=0.5)
        hint = f"; did you mean {' or '.join(map(repr, close))}?" if close else "."
    listed = ["None (the object, without quotes)" if one is None else str(one) for one in known[:40]]
    all_of_them = ", ".join(listed) + (f", ... ({len(known)} in all)" if len(known) > 40 else "")
    return f"unknown {what} {text}{hint} Known: {all_of_them or 'none'}."


def need(module: str, package: str, what: str, *, extra: str) -> ModuleType:
    """Import a module of an optional package, or raise WormnetError: one sentence with the pip command.

    What it warns of as it is imported is kept away from the user.

    >>> need("no_such_module", "no-such-package", "this export", extra="export")
    Traceback (most recent call last):
    wormnet.errors.WormnetError: this export needs no-such-package: pip install "wormnet[export]"
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(module)
    except ImportError as error:
        missing = error.name and error.name.partition(".")[0] == module.partition(".")[0]
        why = "" if missing else f", which does not import here ({error})"
        raise WormnetError(f'{what} needs {package}{why}: pip install "wormnet[{extra}]"') from error


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
