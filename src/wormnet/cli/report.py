"""`wormnet report`: writing the report of a study again, or of several beside each other."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["report"]


def report(
    directories: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Directories of studies.")],
) -> None:
    """Write the report of a finished study from its records, or one report of several studies."""
    from wormnet.study import report as write

    typer.echo(str(write(*directories)))
