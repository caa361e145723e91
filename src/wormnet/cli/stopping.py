"""What a command says when Ctrl-C ends it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

__all__ = ["stopping"]


@contextmanager
def stopping(again: str) -> Iterator[None]:
    """On Ctrl-C say how to go on, and end with status 130."""
    try:
        yield
    except KeyboardInterrupt:
        print(f"wormnet: stopped; {again}", file=sys.stderr)
        raise typer.Exit(130) from None
