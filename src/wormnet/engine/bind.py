"""Bind a model's functions to an engine: the same source, calling the engine's elementary functions."""

import hashlib
import types
from collections.abc import Callable, Mapping
from typing import Any

from wormnet.models import elementary

__all__ = ["bind", "digest"]

Function = Callable[..., Any]


def bind(function: Function, own: Mapping[str, Any], compiled: Function) -> Any:
    """A function whose elementary functions are `own`, and which is `compiled` with all the functions that it calls.

    Args:
        function: a plain Python function of scalars, and what it calls likewise.
        own: the engine's version of every name in `elementary.NAMES`.
        compiled: function -> what the engine's code may call.
    """
    return _bind(function, own, compiled, {})


def _bind(function: Any, own: Mapping[str, Any], compiled: Function, done: dict[Any, Any]) -> Any:
    if function in done:
        return done[function]

    def replaced(value: Any) -> Any:
        if not isinstance(value, types.FunctionType):
            return value
        if getattr(elementary, value.__name__, None) is value and value.__name__ in own:
            return own[value.__name__]
        return _bind(value, own, compiled, done)

    code = function.__code__
    names = {name: replaced(function.__globals__[name]) for name in code.co_names if name in function.__globals__}
    cells = tuple(types.CellType(replaced(cell.cell_contents)) for cell in function.__closure__ or ())
    scope = {**function.__globals__, **names}
    made = types.FunctionType(code, scope, function.__name__, function.__defaults__, cells)
    made.__qualname__, made.__module__, made.__doc__ = function.__qualname__, function.__module__, function.__doc__
    done[function] = compiled(made)
    return done[function]


def digest(*functions: Function) -> str:
    """A digest of what functions compute: their code, and that of all they call."""
    found: dict[int, str] = {}
    return hashlib.sha256("".join(_text(one, found) for one in functions).encode()).hexdigest()


def _text(value: Any, found: dict[int, str]) -> str:
    if not isinstance(value, types.FunctionType):
        return repr(value)
    if id(value) not in found:
        found[id(value)] = "..."  # one that calls itself
        code = value.__code__
        used = [value.__globals__[name] for name in code.co_names if name in value.__globals__]
        used += [cell.cell_contents for cell in value.__closure__ or ()]
        constants = code.co_consts[1:] if value.__doc__ else code.co_consts
        given = (value.__defaults__, value.__kwdefaults__)
        parts = (code.co_code.hex(), constants, code.co_varnames, code.co_names, *given)
        found[id(value)] = repr(parts) + "".join(_text(one, found) for one in used)
    return found[id(value)]
