"""The program `wormnet`: one file per command, which parses, calls one library function and prints.

To add a command, write its file and name it below: `app.add_typer(...)` for a group, `app.command()(...)` for one.
"""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from wormnet._version import __version__
from wormnet.cli import data, export, report, study, tap, tap_training, wiring
from wormnet.errors import WormnetError

__all__ = ["app", "main"]

app = typer.Typer(name="wormnet", no_args_is_help=True, pretty_exceptions_enable=False)
app.add_typer(data.app, name="data")
app.add_typer(wiring.app, name="wiring")
app.add_typer(study.app, name="study")
app.command()(report.report)
app.command()(export.export)
app.command()(tap.tap)
app.command()(tap_training.tap_training)


def _print_version(asked: bool) -> None:
    if asked:
        print(__version__)
        raise typer.Exit


@app.callback()
def _wormnet(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Machine-learning models built the way the worm C. elegans builds its nervous system."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program; an error that wormnet raises on purpose ends it with status 2 and one line on stderr."""
    try:
        app(args=arguments)
    except WormnetError as error:
        print(f"wormnet: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
