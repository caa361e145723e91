"""`wormnet export`: a saved layer as a file of another program."""

from pathlib import Path
from typing import Annotated, Any

import typer

from wormnet.errors import ArgumentError, unknown

__all__ = ["export"]


def export(
    file: Annotated[Path, typer.Argument(help="A layer that wormnet.save wrote.")],
    to: Annotated[str, typer.Option(help="The format: onnx, c or js.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The new file; by default beside the layer's.")
    ] = None,
    number: Annotated[str | None, typer.Option(help="c: the kind of numbers, float or double.")] = None,
    name: Annotated[str | None, typer.Option(help="c: what all names begin with.")] = None,
    form: Annotated[str | None, typer.Option(help="onnx: sequence or step.")] = None,
    lengths: Annotated[bool, typer.Option("--lengths", help="onnx: the graph takes lengths.")] = False,
    starts: Annotated[bool, typer.Option("--starts", help="onnx: the graph takes starts.")] = False,
) -> None:
    """Write a saved layer for another program: ONNX, C for a microcontroller, JavaScript for a page."""
    from wormnet import nn
    from wormnet.export.formats import FORMATS

    if to not in FORMATS:
        raise ArgumentError(unknown("format", to, FORMATS))
    chosen = FORMATS[to]
    given: dict[str, Any] = {"number": number, "name": name, "form": form, "lengths": lengths, "starts": starts}
    given = {option: value for option, value in given.items() if value not in (None, False)}
    for option in given:
        if option not in chosen.options:
            takes = ", ".join(f"--{one}" for one in chosen.options) or "no options"
            raise ArgumentError(f"--to {to} takes {takes}; --{option} is none of them.")
    made = chosen.write(nn.load(file, backend="reference"), out or file.with_suffix(chosen.suffix), **given)
    typer.echo(f"wrote {chosen.told(made)}")
