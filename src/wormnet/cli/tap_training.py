"""`wormnet tap-training`: train the touch circuit of the connectome and its null models to withdraw from taps."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from wormnet.atomic import write_whole

__all__ = ["tap_training"]


def tap_training(
    out: Annotated[Path, typer.Option(help="Directory for results and all records; new or empty.")] = Path("tap"),
    starts: Annotated[int, typer.Option(min=1, help="Random starts of each wiring.")] = 20,
    nulls: Annotated[int, typer.Option(min=1, help="Wirings of each null model.")] = 20,
    steps: Annotated[int, typer.Option(min=1, help="Steps of training.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same result.")] = 0,
    quick: Annotated[bool, typer.Option("--quick", help="2 starts, 1 null, 3 steps: to see that it runs.")] = False,
    workers: Annotated[int | None, typer.Option(help="Processes; one per core if left out.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with what is in --out.")] = False,
    ray: Annotated[str, typer.Option(help="Address of a Ray cluster that does the trainings, or auto.")] = "",
) -> None:
    """Train the worm's touch circuit and its null models to withdraw from taps; takes minutes."""
    from wormnet.study import tap_report, tap_study

    if quick:
        starts, nulls, steps = 2, 1, 3
    results = tap_study.run(
        out, starts=starts, nulls=nulls, steps=steps, seed=seed, workers=workers, resume=resume, ray=ray
    )
    write_whole(out / "tap_withdrawal.json", json.dumps(results, separators=(",", ":")) + "\n")
    for panel in tap_report.figures(results):
        write_whole(out / f"{panel.name}.svg", panel.svg)
    console = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)
    console.print(tap_report.tables(results))
    console.print(f"wrote tap_withdrawal.json and figures into {out}, after {results['seconds']:.0f} s of training")
