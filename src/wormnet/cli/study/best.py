"""`wormnet study best`: the best trained network of each data set."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["best"]


def best(directory: Annotated[Path, typer.Argument(metavar="DIR", help="A study's directory.")]) -> None:
    """Name the best network of each data set, chosen by validation, and how to load it."""
    from wormnet.study import best as found

    for dataset, one in found(directory).items():
        test = "" if one.test is None else f", test {one.test:.4g}"
        typer.echo(f"{dataset}: {one.network} ({one.metric} over {one.runs} runs: validation {one.valid:.4g}{test})")
        typer.echo(f"  wormnet.study.load_best({str(directory)!r}, {dataset!r})")
