"""`wormnet wiring`: what wirings there are, what one is made of, and writing it to a file."""

import sys
import warnings
import webbrowser
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from wormnet.atomic import write_whole
from wormnet.errors import ArgumentError
from wormnet.wiring import atlas, catalogue, files, graphml, measure
from wormnet.wiring.connectome import POLARITIES, coverage
from wormnet.wiring.core import CHEMICAL, CURRENT, GAP, ROLES, Wiring

__all__ = ["app"]

app = typer.Typer(help="List, show and export wirings.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="A connectome, a named circuit, or a .json, .graphml, .csv or .tsv file.")]
Inputs = Annotated[str, typer.Option(help="Cells of a .graphml, .csv or .tsv file that are inputs: touch,smell.")]
Attributes = Annotated[
    list[str] | None,
    typer.Option(
        "--attribute", help="What an attribute or column of such a file means: Etype=kind; Note= for nothing."
    ),
]


@app.command("list")
def list_() -> None:
    """Name the connectomes and circuits that come with wormnet."""
    table = Table(Column("name", no_wrap=True), "what")
    for name, what in catalogue.known().items():
        table.add_row(name, what)
    Console().print(table)


@app.command()
def show(
    name: Name,
    inputs: Inputs = "",
    attributes: Attributes = None,
    plot: Annotated[Path | None, typer.Option(help="Draw it into this file (.png, .svg, .pdf).")] = None,
    matrix: Annotated[Path | None, typer.Option(help="Draw its adjacency matrix into this file.")] = None,
    page: Annotated[
        Path | None, typer.Option(help="Write a page that runs it in any browser into this file (.html).")
    ] = None,
    open_: Annotated[
        bool, typer.Option("--open", help="Open that page; without --page it is written here, as NAME.html.")
    ] = False,
    drive: Annotated[
        str, typer.Option(help="Cells of the page to stimulate: ALM,PLM. By default all sensory classes.")
    ] = "",
) -> None:
    """Count a wiring's cells and synapses, name its hubs, draw it, and run it in a browser."""
    wiring = _found(name, inputs, attributes)
    # Names and sources may come from a file, and are no markup.
    console = Console(highlight=False, markup=False, emoji=False)
    console.print(Text.assemble((name, "bold"), f": {wiring}"))
    if wiring.source:
        console.print(wiring.source, style="dim")
    tables = [_counts(wiring), _hubs(wiring)]
    if name in atlas.names():
        tables.append(_polarities(name))
    for table in tables:
        console.print(table)
    if plot or matrix:
        from wormnet import plot as draw

        for path, function in ((plot, draw.wiring), (matrix, draw.adjacency)):
            if path:
                draw.save(function(wiring), path)
                console.print(f"wrote {path}")
    if page or open_:
        path = page or Path(f"{Path(name).stem}.html")
        _write_page(wiring, path, name, [one.strip() for one in drive.split(",") if one.strip()])
        console.print(f"wrote {path}")
        if open_ and not webbrowser.open(path.resolve().as_uri()):
            console.print("There is no browser here that could be started; open that file in one.")
    elif drive:
        raise ArgumentError("--drive is for a page; give --page FILE or --open too.")


@app.command()
def export(
    name: Name,
    inputs: Inputs = "",
    attributes: Attributes = None,
    to: Annotated[Literal["json", "graphml", "csv"], typer.Option(help="The format.")] = "json",
    out: Annotated[Path | None, typer.Option(help="The file; without it, standard output.")] = None,
) -> None:
    """Write a wiring as JSON, GraphML or a CSV table of its synapses."""
    write = {"json": files.to_json, "graphml": graphml.to_graphml, "csv": files.to_csv}[to]
    text = write(_found(name, inputs, attributes))
    if out is None:
        typer.echo(text, nl=not text.endswith("\n"))
    else:
        write_whole(out, text)


def _write_page(wiring: Wiring, path: Path, name: str, drive: list[str]) -> None:
    """The wiring as a living circuit."""
    from wormnet import live

    live.page(live.untrained(wiring, drive), None, path, title=f"{name}: parameters drawn at random, nothing trained")


def _found(name: str, inputs: str, attributes: list[str] | None) -> Wiring:
    """The wiring of that name; what was not read of a file is told on stderr."""
    options: dict[str, Any] = {}
    if inputs:
        options["inputs"] = [one.strip() for one in inputs.split(",") if one.strip()]
    if attributes:
        pairs = [one.partition("=") for one in attributes]
        for given, (mine, equals, _) in zip(attributes, pairs):
            if not mine or not equals:
                raise ArgumentError(f"--attribute is {given!r}; it takes MINE=FIELD, for example Etype=kind.")
        options["attributes"] = {mine: field or None for mine, _, field in pairs}
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        wiring = catalogue.find(name, **options)
    for one in told:
        print(f"wormnet: {one.message}", file=sys.stderr)
    return wiring


def _counts(wiring: Wiring) -> Table:
    table = Table(Column("what"), Column("how many", justify="right"), box=None)
    chemical = wiring.kind == CHEMICAL
    rows = [("inputs", wiring.n_inputs), ("neurons", wiring.n_neurons)]
    rows += [(f"  {role}", wiring.roles.count(role)) for role in ROLES if role in wiring.roles]
    rows += [("outputs", wiring.n_outputs), ("chemical synapses", int(chemical.sum()))]
    signs = (("excitatory", 1), ("inhibitory", -1), ("sign to be learned", 0))
    rows += [(f"  {word}", int((chemical & (wiring.sign == sign)).sum())) for word, sign in signs]
    rows += [("gap junctions", int((wiring.kind == GAP).sum())), ("currents", int((wiring.kind == CURRENT).sum()))]
    for what, number in rows:
        table.add_row(what, f"{number:,}")
    table.add_row("density", f"{measure.density(wiring):.3f}")
    table.add_row("reciprocity", f"{measure.reciprocity(wiring):.3f}")
    return table


def _polarities(name: str) -> Table:
    """What each rule for the signs decides by itself on the chemical synapses between neurons of a connectome."""
    right = {"justify": "right", "no_wrap": True}
    table = Table("polarity", *(Column(word, **right) for word in ("+", "-", "undecided", "share")), box=None)
    for rule in POLARITIES:
        found = coverage(name, rule)
        table.add_row(rule, *(f"{number:,}" for number in found), f"{found.share_undecided:.1%}")
    return table


def _hubs(wiring: Wiring, most: int = 8) -> Table:
    table = Table(
        Column("hub"), "role", Column("receives", justify="right"), Column("sends", justify="right"), box=None
    )
    degree = measure.degree(wiring)
    received, sent = degree.received[wiring.n_inputs :], degree.sent[wiring.n_inputs :]
    for i in np.argsort(-(received + sent), kind="stable")[:most]:
        table.add_row(wiring.neurons[i], wiring.roles[i], str(int(received[i])), str(int(sent[i])))
    return table
