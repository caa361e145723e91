"""`wormnet study run`: worm networks against standard networks, with a report."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from wormnet.errors import DataError

__all__ = ["run"]


def run(
    plan: Annotated[
        Path | None,
        typer.Argument(metavar="PLAN.toml", help="What to run; without it the plan that ships with wormnet."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Directory for the report and all records; new or empty.")] = Path("study"),
    quick: Annotated[bool, typer.Option("--quick", help="A quick look: one seed, one fold, fewer epochs.")] = False,
    seeds: Annotated[int | None, typer.Option(help="Seeds 0, 1, ... instead of the plan's.")] = None,
    folds: Annotated[
        int | None, typer.Option(help="Folds instead of the plan's; 0: each data set's own split.")
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Processes; one per core if left out.")] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on with the study in --out; without PLAN.toml, with its own plan."),
    ] = False,
    keep_old_source: Annotated[
        bool, typer.Option("--keep-old-source", help="Take runs that were made by other source as they are.")
    ] = False,
    shard: Annotated[str, typer.Option(help="i/n: the i-th of n processes that share --out.")] = "",
    ray: Annotated[str, typer.Option(help="Address of a Ray cluster that does the runs, or auto.")] = "",
) -> None:
    """Train networks on data sets, measure what is gained and what is paid, and write one report.

    Stopped at any time it goes on with --resume and repeats no finished run. Status 1 if a run failed, 2 if the plan is
    wrong, 130 after Ctrl-C, 143 after SIGTERM.
    """
    from wormnet.study import Plan
    from wormnet.study import run as study
    from wormnet.study.schedule import Terminated

    kept = out / "plan.json"
    if plan is not None:
        chosen = Plan.from_toml(plan)
    elif resume and kept.exists():
        chosen = Plan.from_json(kept)
    else:
        chosen = Plan.default()
    chosen = chosen.quick() if quick else chosen
    changes = {name: value for name, value in (("seeds", seeds), ("folds", folds)) if value is not None}
    chosen = chosen.changed(**changes) if changes else chosen
    options = {"workers": workers, "resume": resume, "keep_old_source": keep_old_source, "shard": shard, "ray": ray}
    again = f"go on with --out {out} --resume."
    try:
        outcome = study(chosen, out, **options)
    except KeyboardInterrupt as stop:
        print(f"wormnet: stopped; {again}", file=sys.stderr)
        raise typer.Exit(143 if isinstance(stop, Terminated) else 130) from None
    except DataError as error:
        if not kept.exists():
            raise
        raise DataError(f"{error} What is finished is kept; {again}") from None
    failed = f", {outcome.failed} failed (--resume tries them again)" if outcome.failed else ""
    where = outcome.report if outcome.is_ended else "other shards are at work; the last one writes the report"
    print(f"{outcome.done} runs done, {outcome.reused} reused{failed}: {where}")
    if outcome.failed:
        raise typer.Exit(1)
