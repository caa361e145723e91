"""`wormnet replay`: a policy in its environment, episode after episode."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from wormnet.errors import ArgumentError
from wormnet.paths import printable

if TYPE_CHECKING:
    from wormnet.control import Policy

__all__ = ["policy_in", "replay"]


def replay(
    file: Annotated[Path, typer.Argument(help="A published circuit (.bnn), or a policy that Policy.save wrote.")],
    env: Annotated[str, typer.Option(help="The id of a Gymnasium environment.")],
    task: Annotated[
        str | None, typer.Option(help="The task whose maps a .bnn file was trained with; by default that of --env.")
    ] = None,
    mode: Annotated[
        str | None, typer.Option(help="Maps of a .bnn file: code, as it was trained, or paper; by default code.")
    ] = None,
    episodes: Annotated[int, typer.Option(min=1, help="How many.")] = 10,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same episodes.")] = 0,
) -> None:
    """Replay a policy in an environment and print what it earns."""
    from wormnet.control import replay as run

    returns = run(policy_in(file, env, task, mode, "code"), env, episodes=episodes, seed=seed)
    console = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)
    for k, one in enumerate(returns):
        console.print(f"episode {k}: {one:.2f}")
    console.print(
        f"{env}, {episodes} episodes: mean {returns.mean():.2f}, sd {returns.std():.2f}, "
        f"{returns.min():.2f} to {returns.max():.2f}"
    )


def policy_in(file: Path, env: str, task: str | None, mode: str | None, usual: str) -> "Policy":
    """The policy of a file: a published circuit with the maps of a task, or what Policy.save wrote.

    Args: usual: the mode of a circuit's maps where none is told.
    Raises: ArgumentError for a task or a mode of a saved policy, which has its own maps.
    """
    from wormnet.control import Policy

    if file.suffix.lower() == ".bnn":
        return Policy.from_bnn(file, task or env, mode=mode or usual)
    if task is not None or mode is not None:
        raise ArgumentError(f"--task and --mode choose maps of a .bnn file; {printable(file)} holds its own.")
    return Policy.load(file)
