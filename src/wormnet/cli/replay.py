"""`wormnet replay`: a policy in its environment, episode after episode."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

if TYPE_CHECKING:
    from wormnet.control import Policy

__all__ = ["policy_in", "replay"]


def replay(
    file: Annotated[Path, typer.Argument(help="A published circuit (.bnn), or a policy that Policy.save wrote.")],
    env: Annotated[str, typer.Option(help="The id of a Gymnasium environment.")],
    task: Annotated[
        str | None, typer.Option(help="The task whose maps a .bnn file was trained with; by default that of --env.")
    ] = None,
    mode: Annotated[str, typer.Option(help="Maps of a .bnn file: code, as it was trained, or paper.")] = "code",
    episodes: Annotated[int, typer.Option(min=1, help="How many.")] = 10,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same episodes.")] = 0,
) -> None:
    """Replay a policy in an environment and print what it earns."""
    from wormnet.control import replay as run

    returns = run(policy_in(file, task or env, mode), env, episodes=episodes, seed=seed)
    console = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)
    for k, one in enumerate(returns):
        console.print(f"episode {k}: {one:.2f}")
    console.print(
        f"{env}, {episodes} episodes: mean {returns.mean():.2f}, sd {returns.std():.2f}, "
        f"{returns.min():.2f} to {returns.max():.2f}"
    )


def policy_in(file: Path, task: str, mode: str) -> "Policy":
    """The policy of a file: a published circuit with the maps of a task, or what Policy.save wrote."""
    from wormnet.control import Policy

    return Policy.from_bnn(file, task, mode=mode) if file.suffix.lower() == ".bnn" else Policy.load(file)
