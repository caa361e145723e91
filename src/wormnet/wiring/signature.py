"""Calls that fit no signature, answered in words: builders take keywords, which users of other packages do not know."""

import difflib
import functools
import inspect
from collections.abc import Callable, Mapping
from typing import ParamSpec, TypeVar

from wormnet.errors import WiringError
from wormnet.wiring.check import shortened

__all__ = ["by_keyword"]

P = ParamSpec("P")
R = TypeVar("R")


def by_keyword(*, example: str, ncps: Mapping[str, str] | None = None) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A decorator: a call whose arguments fit no parameters is a WiringError that says how to call.

    Args:
        example: a call that works.
        ncps: {name of an argument in the package `ncps`: what it is called here}.

    >>> @by_keyword(example="grow(neurons=19)", ncps={"units": "neurons"})
    ... def grow(*, neurons, seed=0):
    ...     return neurons
    >>> grow(neurons=3)
    3
    >>> grow(units=3)
    Traceback (most recent call last):
    wormnet.errors.WiringError: grow takes no argument 'units'; that of ncps is called neurons here. For example: \
grow(neurons=19).
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def called(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                signature.bind(*args, **kwargs)
            except TypeError:
                message = _misfit(function.__name__, signature, args, kwargs, ncps or {})
                raise WiringError(f"{message} For example: {example}.") from None
            return function(*args, **kwargs)

        return called

    return decorate


def _misfit(
    name: str,
    signature: inspect.Signature,
    args: tuple[object, ...],
    kwargs: Mapping[str, object],
    ncps: Mapping[str, str],
) -> str:
    """Why the arguments do not fit."""
    parameters = signature.parameters.values()
    by_place = [p.name for p in parameters if p.kind is not inspect.Parameter.KEYWORD_ONLY]
    for given in kwargs:
        if given in signature.parameters:
            continue
        near = difflib.get_close_matches(given, signature.parameters, n=1, cutoff=0.6)
        if given in ncps:
            hint = f"; that of ncps is called {ncps[given]} here."
        else:
            hint = f"; did you mean {near[0]}?" if near else f"; it takes {', '.join(signature.parameters)}."
        return f"{name} takes no argument {given!r}{hint}"
    if len(args) > len(by_place):
        most = f"at most {len(by_place)} arguments by place" if by_place else "its arguments by name"
        sizes = " The inputs are part of the wiring, unlike in ncps." if ncps else ""
        return f"{name} is given {', '.join(map(shortened, args))}; it takes {most}.{sizes}"
    for twice in [p for p in by_place[: len(args)] if p in kwargs]:
        return f"{name} is given {twice} twice, by place and by name."
    taken = {*by_place[: len(args)], *kwargs}
    missing = [p.name for p in parameters if p.default is inspect.Parameter.empty and p.name not in taken]
    sizes = " The inputs are part of the wiring, unlike in ncps." if ncps and "inputs" in missing else ""
    return f"{name} lacks {', '.join(missing)}.{sizes}"
