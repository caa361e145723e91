"""`wormnet study slurm`: the script of a SLURM array that does a plan."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["slurm"]


def slurm(
    plan: Annotated[Path, typer.Argument(metavar="PLAN.toml", help="What to run.")],
    out: Annotated[Path, typer.Option(help="The study's directory, on a disk that all share.")] = Path("study"),
    tasks: Annotated[int, typer.Option(min=1, help="Jobs of the array.")] = 16,
    cpus: Annotated[int, typer.Option(min=1, help="Processes of each job.")] = 1,
    hours: Annotated[float, typer.Option(help="The most that a job may take.")] = 4.0,
    sbatch: Annotated[
        list[str] | None, typer.Option(help="A further option of sbatch: --sbatch=--partition=short.")
    ] = None,
) -> None:
    """Print the script of a SLURM array whose jobs do a plan together: wormnet study slurm plan.toml | sbatch.

    Submitted again it goes on where it was.
    """
    from wormnet.study import Plan, cluster

    Plan.from_toml(plan)  # what is wrong with it is told here, not on the cluster
    typer.echo(cluster.slurm(plan, out, tasks=tasks, cpus=cpus, hours=hours, lines=tuple(sbatch or ())))
