"""`wormnet data`: what data sets there are, getting their files, checking them."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from wormnet.data import registry
from wormnet.errors import DataError

__all__ = ["app"]

app = typer.Typer(help="List, fetch and verify data sets.", no_args_is_help=True)

Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Data sets; none for all.")]


def _print(table: Table) -> None:
    Console(markup=False, emoji=False).print(table)  # a path with brackets is no markup


@app.command("list")
def list_() -> None:
    """Show all data sets: what they are, on what terms, and whether their files are on this machine."""
    table = Table(Column("name", no_wrap=True), "what", "protocols", "licence", "files")
    for name in registry.names():
        about, checked = registry.info(name), registry.verify(name)
        good = sum(file.state == "ok" for file in checked)
        state = "none needed" if not checked else f"{good} of {len(checked)} here"
        table.add_row(name, about.summary, ", ".join(about.protocols), about.licence, state)
    _print(table)


@app.command()
def fetch(
    names: Names = None,
    time_limit: Annotated[
        float | None, typer.Option(help="Seconds that one data set may take; an hour, or $WORMNET_TIME_LIMIT.")
    ] = None,
) -> None:
    """Download the files of data sets into the cache; those that are there and right are left alone."""
    table = Table(Column("name", no_wrap=True), "files", Column("directory", overflow="fold"))
    for name in names or registry.names():
        paths = registry.fetch(name, time_limit=time_limit)
        table.add_row(name, str(len(paths)) if paths else "none needed", ", ".join({str(p.parent) for p in paths}))
    _print(table)


@app.command()
def verify(names: Names = None) -> None:
    """Compare files with their sha256; status 2 if one is wrong or missing."""
    table = Table(Column("name", no_wrap=True), "file", "state", Column("path", overflow="fold"))
    bad = []
    for name in names or registry.names():
        checked = registry.verify(name)
        bad += [f"{name}/{file.name} is {file.state}" for file in checked if file.state != "ok"]
        if not checked:
            table.add_row(name, "none needed")
        for file in checked:
            table.add_row(name, file.name, file.state, str(file.path))
    _print(table)
    if bad:
        more = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
        raise DataError(f"{bad[0]}{more}; run `wormnet data fetch`.")
