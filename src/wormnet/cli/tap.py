"""`wormnet tap`: the tap withdrawal test."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from wormnet.wiring import tap as test
from wormnet.wiring.bnn import read_bnn
from wormnet.wiring.circuits import TAP_SENSORY

__all__ = ["tap"]


def tap(
    circuit: Annotated[
        Path | None,
        typer.Argument(help="A .bnn file with the eleven cells in published order; none for the published circuit."),
    ] = None,
    nulls: Annotated[int, typer.Option(min=1, help="Random circuits of each kind to compare with.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same random circuits.")] = 0,
) -> None:
    """Touch a circuit as the worm was touched, whole and with cells removed, and compare it with random circuits."""
    if circuit is None:
        found = test.tw_pure()
    else:
        found = read_bnn(circuit, names=test.CELLS, inputs=TAP_SENSORY, outputs=("FWD", "REV"))
    outcome = test.run(found)
    mv = {"justify": "right", "no_wrap": True}
    table = Table(
        "stimulus", "removed", "the worm", "judged", Column("response, mV", **mv), Column("margin, mV", **mv), "holds"
    )
    for row, response, margin in zip(test.ROWS, outcome.responses, outcome.margins):
        removed = ", ".join(row.removed) or "nothing"
        table.add_row(
            row.name,
            removed,
            row.behaviour,
            row.judged,
            f"{response:+.1f}",
            f"{margin:+.1f}",
            "yes" if margin > 0 else "NO",
        )
    console = Console()
    console.print(table)
    console.print(
        "The response is the change of V(forward) - V(reverse) by the touch: + forward, - backward. The margin is by "
        "how much the response holds to what is judged; a row holds if it is above 0.",
        highlight=False,
    )
    passed = int(outcome.passed)
    console.print(f"{passed} of {len(test.ROWS)} rows hold. As many or more hold in")
    for kind in test.DRAWN:
        share = float((test.drawn(found, kind, nulls, seed=seed).passed >= passed).mean())
        console.print(f"  {share:.1%} of {nulls} circuits with random {kind}", highlight=False)
