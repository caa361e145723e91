"""`wormnet tap-training`: train the touch circuit of the connectome and its null models to withdraw from taps."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from wormnet.atomic import make_folder, write_whole

__all__ = ["tap_training"]


def tap_training(
    out: Annotated[Path, typer.Option(help="The folder for tap_withdrawal.json and .svg.")] = Path(),
    starts: Annotated[int, typer.Option(min=1, help="Random starts of each wiring.")] = 20,
    nulls: Annotated[int, typer.Option(min=1, help="Wirings of each null model.")] = 20,
    steps: Annotated[int, typer.Option(min=1, help="Steps of training.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same result.")] = 0,
    quick: Annotated[bool, typer.Option("--quick", help="2 starts, 1 null, 3 steps: to see that it runs.")] = False,
) -> None:
    """Train the worm's touch circuit and its null models to withdraw from taps; takes minutes."""
    from wormnet.study import tap_report
    from wormnet.study import tap_training as study

    console = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)
    if quick:
        starts, nulls, steps = 2, 1, 3
    make_folder(out)  # before minutes of training, not after
    results = study.run(starts=starts, nulls=nulls, steps=steps, seed=seed, tell=Console(stderr=True).print)
    write_whole(out / "tap_withdrawal.json", json.dumps(results, separators=(",", ":")) + "\n")
    write_whole(out / "tap_withdrawal.svg", tap_report.figure(results))
    console.print(tap_report.tables(results))
    console.print(f"wrote tap_withdrawal.json and .svg into {out}, after {results['seconds']:.0f} s")
