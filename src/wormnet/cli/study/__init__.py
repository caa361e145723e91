"""`wormnet study`: running plans, alone or in shards, and what came out. `wormnet study PLAN.toml` is `... run ...`."""

from typing import Any

import typer
from typer.core import TyperGroup

from wormnet.cli.study import best, run, slurm

__all__ = ["app"]


class _RunsByDefault(TyperGroup):
    """What is no name of a command is what `run` takes."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] not in ("--help", "-h")):
            args = ["run", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_RunsByDefault,
    help="Compare worm networks with standard networks; `wormnet study PLAN.toml` means `wormnet study run PLAN.toml`.",
)
app.command("run")(run.run)
app.command("slurm")(slurm.slurm)
app.command("best")(best.best)
