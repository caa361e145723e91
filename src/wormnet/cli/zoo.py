"""`wormnet zoo`: which trained networks there are, their cards, and making one of a study."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

__all__ = ["app"]

app = typer.Typer(help="List trained networks, show their cards, make one of a study.", no_args_is_help=True)


@app.command("list")
def list_() -> None:
    """Name the networks, and what each is."""
    from wormnet import zoo

    table = Table(Column("name", no_wrap=True), "what", "licence")
    for name in zoo.names():
        card = zoo.card(name)
        table.add_row(name, card.what, card.licence)
    Console(markup=False, emoji=False).print(table)


@app.command()
def show(name: Annotated[str, typer.Argument(help="A network of the list, or the path of a card (.json).")]) -> None:
    """Print the card of a network: data, split, scores, baselines, nulls, price, versions."""
    from wormnet import zoo

    card = zoo.card(name)
    table = Table(Column("", no_wrap=True), Column("", overflow="fold"), show_header=False, box=None)
    for field in fields(card):
        value = getattr(card, field.name)
        if isinstance(value, Mapping):
            value = "\n".join(
                f"{key}: {one:.4g}" if isinstance(one, float) else f"{key}: {one}" for key, one in value.items()
            )
        if value:
            table.add_row(field.name.replace("_", " "), str(value))
    console = Console(markup=False, emoji=False, highlight=False)
    console.print(table)
    console.print(f"wormnet.zoo.load({name!r})")


@app.command()
def pack(
    study: Annotated[Path, typer.Argument(metavar="DIR", help="A study's directory.")],
    dataset: Annotated[str, typer.Argument(help="A data set of the study.")],
    folder: Annotated[Path, typer.Option("--to", help="The folder for NAME.json and NAME.safetensors.")],
    name: Annotated[str, typer.Option(help="What the network is to be called.")],
    network: Annotated[str | None, typer.Option(help="A network of the study; by default the best one.")] = None,
    licence: Annotated[str, typer.Option(help="Of the weights.")] = "",
) -> None:
    """Take a trained network out of a study, with a card of what the study measured."""
    from wormnet import zoo

    typer.echo(f"wrote {zoo.pack(study, dataset, folder, name=name, network=network, licence=licence)}")
