"""`wormnet study`: worm networks against standard networks, with a report."""

import dataclasses
import sys
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["study"]


def study(
    plan: Annotated[
        Path | None,
        typer.Argument(metavar="PLAN.toml", help="What to run; without it the plan that ships with wormnet."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Directory for the report and all records; new or empty.")] = Path("study"),
    quick: Annotated[bool, typer.Option("--quick", help="A quick look: one seed, a quarter of the epochs.")] = False,
    seeds: Annotated[int | None, typer.Option(help="Seeds 0, 1, ... instead of the plan's.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes; one per core if left out.")] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on with the study in --out; without PLAN.toml, with its own plan."),
    ] = False,
) -> None:
    """Train networks on data sets, measure what is gained and what is paid, and write one report.

    Stopped at any time it goes on with --resume and repeats no finished run. Status 1 if a run failed, 2 if the plan is
    wrong, 130 after Ctrl-C.
    """
    from wormnet.study import Plan, run

    kept = out / "plan.json"
    if plan is not None:
        chosen = Plan.from_toml(plan)
    elif resume and kept.exists():
        chosen = Plan.from_json(kept)
    else:
        chosen = Plan.default()
    chosen = chosen.quick() if quick else chosen
    chosen = chosen if seeds is None else dataclasses.replace(chosen, seeds=seeds)
    try:
        outcome = run(chosen, out, workers=workers, resume=resume)
    except KeyboardInterrupt:
        print(f"wormnet: stopped; go on with --out {out} --resume.", file=sys.stderr)
        raise typer.Exit(130) from None
    failed = f", {outcome.failed} failed" if outcome.failed else ""
    print(f"{outcome.done} runs done, {outcome.reused} reused{failed}: {outcome.report}")
    if outcome.failed:
        raise typer.Exit(1)
