"""`wormnet export`: a saved layer or policy as a file of another program."""

from pathlib import Path
from typing import Annotated, Any

import typer

from wormnet.errors import ArgumentError, unknown

__all__ = ["export"]


def export(
    file: Annotated[Path, typer.Argument(help="A layer that wormnet.save wrote, or a policy.")],
    to: Annotated[str, typer.Option(help="The format: onnx, c, keras or js.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The new file; by default beside the layer's.")
    ] = None,
    number: Annotated[str | None, typer.Option(help="c: the kind of numbers: float, double, q15 or q31.")] = None,
    name: Annotated[str | None, typer.Option(help="c: what all names begin with.")] = None,
    x_range: Annotated[
        tuple[float, float] | None, typer.Option(help="c, q15 or q31: the least and the largest input.")
    ] = None,
    dt_range: Annotated[
        tuple[float, float] | None, typer.Option(help="c, q15 or q31: the shortest and the longest time of a sample.")
    ] = None,
    horizon: Annotated[
        int | None, typer.Option(help="c, q15 or q31: samples over which the error is bounded, if not for ever.")
    ] = None,
    form: Annotated[str | None, typer.Option(help="onnx: sequence or step.")] = None,
    lengths: Annotated[bool, typer.Option("--lengths", help="onnx: the graph takes lengths.")] = False,
    starts: Annotated[bool, typer.Option("--starts", help="onnx: the graph takes starts.")] = False,
) -> None:
    """Write a saved layer for another program: ONNX, Keras, C for a microcontroller, JavaScript for a page.

    A policy that Policy.save wrote becomes C with its maps: observations in, actions out.
    """
    from wormnet.export.formats import FORMATS

    if to not in FORMATS:
        raise ArgumentError(unknown("format", to, FORMATS))
    chosen = FORMATS[to]
    given: dict[str, Any] = {"number": number, "name": name, "form": form, "lengths": lengths, "starts": starts}
    given |= {"x_range": x_range, "dt_range": dt_range, "horizon": horizon}
    given = {option: value for option, value in given.items() if value not in (None, False)}
    for option in given:
        if option not in chosen.options:
            takes = ", ".join(f"--{one.replace('_', '-')}" for one in chosen.options) or "no options"
            raise ArgumentError(f"--to {to} takes {takes}; --{option.replace('_', '-')} is none of them.")
    made = chosen.write(_network_in(file), out or file.with_suffix(chosen.suffix), **given)
    typer.echo(f"wrote {chosen.told(made)}")


def _network_in(file: Path) -> Any:
    """The layer or the policy of a file."""
    from wormnet import nn
    from wormnet.control import Policy
    from wormnet.control.policy_files import is_policy

    return Policy.load(file) if is_policy(file) else nn.load(file, backend="reference")
