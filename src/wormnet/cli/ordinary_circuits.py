"""`wormnet ordinary-circuits`: the tap withdrawal circuit in its paper's tasks, beside nulls and plain networks."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from wormnet.atomic import make_folder
from wormnet.paths import checked

__all__ = ["ordinary_circuits"]


def ordinary_circuits(
    out: Annotated[Path, typer.Option(help="The file of rows; what it holds is not run again.")] = Path(
        "ordinary_circuits.json"
    ),
    starts: Annotated[int, typer.Option(min=1, help="Random starts of each network in each task.")] = 12,
    test: Annotated[list[str] | None, typer.Option(help="mountain_car, inverted_pendulum; both by default.")] = None,
    kind: Annotated[list[str] | None, typer.Option(help="worm, rewired, signs, mlp, lstm; all by default.")] = None,
    by: Annotated[str, typer.Option(help="search, or imitation of a teacher, by gradient; circuits alone.")] = "search",
    keep: Annotated[Path | None, typer.Option(help="A folder for the circuits that are solved, as policies.")] = None,
    minutes: Annotated[float, typer.Option(min=0, help="Begin no run after so many.")] = float("inf"),
) -> None:
    """Teach mountain car and pendulum to the worm's circuit, to nulls and plain networks; takes minutes."""
    from wormnet.control import ordinary_circuits as study

    make_folder(checked(out).parent)
    console = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)
    tell = Console(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False).print
    rows = study.run(
        out, tests=test or study.TESTS, kinds=kind or study.KINDS, by=by, starts=starts, seconds=60 * minutes,
        keep=keep, tell=tell,
    )  # fmt: skip
    console.print(study.table(rows), end="")
