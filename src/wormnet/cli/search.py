"""`wormnet search`: the numbers of a circuit that earn most in an environment."""

from pathlib import Path
from tempfile import TemporaryFile
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from wormnet.atomic import make_folder
from wormnet.cli.replay import policy_in
from wormnet.cli.stopping import stopping
from wormnet.errors import ArgumentError, DataError

__all__ = ["search"]


def search(
    env: Annotated[str, typer.Option(help="The id of a Gymnasium environment.")],
    out: Annotated[Path, typer.Option(help="The file that the best policy is written into, .safetensors.")],
    circuit: Annotated[
        Path | None, typer.Option(help="A .bnn file or a saved policy; none for the tap withdrawal circuit.")
    ] = None,
    task: Annotated[
        str | None, typer.Option(help="The task with the circuit's maps; by default that of --env.")
    ] = None,
    mode: Annotated[str | None, typer.Option(help="Maps: paper or code; by default paper.")] = None,
    method: Annotated[str, typer.Option(help="cma, ars, or filtered as published.")] = "cma",
    episodes: Annotated[int, typer.Option(min=1, help="Episodes of each vector.")] = 10,
    worst: Annotated[int, typer.Option(min=1, help="The objective is the mean of so many worst of them.")] = 5,
    budget: Annotated[int, typer.Option(min=1, help="Vectors to be tried; the last generation is finished.")] = 1000,
    start: Annotated[str, typer.Option(help="policy, the circuit's own numbers, or random, within bounds.")] = "random",
    target: Annotated[float | None, typer.Option(help="Stop when the best earns so much in 50 more episodes.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same search.")] = 0,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    log: Annotated[
        Path | None, typer.Option(help="A file that the search is kept in, and goes on from if it is there.")
    ] = None,
    figure: Annotated[Path | None, typer.Option(help="A drawing of objectives over evaluations, .svg or .png.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bar.")] = False,
) -> None:
    """Search the numbers of a circuit that earn most; killed, it goes on from its --log."""
    from wormnet import control
    from wormnet.paths import checked, printable
    from wormnet.wiring import tap

    if circuit is None:
        try:
            found_task = control.task(task or env, mode or "paper")
        except ArgumentError as error:
            hint = "" if task else " For another environment give --circuit a policy that Policy.save wrote, or --task."
            raise ArgumentError(f"{error}{hint}") from None
        policy = control.Policy(tap.tw_pure(), **found_task.maps)
    else:
        policy = policy_in(circuit, env, task, mode, "paper")
    # Before minutes of searching, not after.
    make_folder(checked(out).parent)
    if out.is_dir():
        raise DataError(f"cannot write {printable(out)}: it is a folder; --out takes a file.")
    try:
        with TemporaryFile(dir=out.parent):
            pass
    except OSError as error:
        raise DataError(f"cannot write {printable(out)}: {error.strerror}.") from None
    console = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    again = (
        f"the same command goes on, from {printable(log)}." if log else "nothing is kept; --log FILE keeps a search."
    )
    with stopping(again), Progress(*columns, console=Console(stderr=True), disable=quiet) as bar:
        shown = bar.add_task("search", total=budget)

        def told(tried: int, best: float, mean: float) -> None:
            bar.update(shown, completed=tried, description=f"best {best:8.2f}, mean {mean:8.2f}")

        found = control.search(
            policy, env, method, episodes=episodes, worst=worst, budget=budget, start=start, target=target, seed=seed,
            resume=log, workers=workers, told=told,
        )  # fmt: skip
    found.policy.save(out)
    if figure is not None:
        from wormnet import plot

        plot.save(plot.search(found), figure)
    console.print(
        f"{found.evaluations[-1]} vectors, {found.episodes} episodes: objective {found.objective:.2f}"
        + ("" if target is None else f", {'solved' if found.solved else 'not solved'}, trial {found.trial:.2f}")
    )
    console.print(f"wrote {printable(checked(out))}")
