"""The formats by name, for the command line."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from wormnet.export.c_source import c
from wormnet.export.es_module import javascript
from wormnet.export.onnx_graph import onnx

__all__ = ["FORMATS", "Format"]


@dataclass(frozen=True)
class Format:
    """One way to write a layer.

    Attributes:
        suffix: of its files.
        write: (layer, path, **options) -> what was written.
        options: the names of the options that the command line offers.
        told: what was written -> a line about it.
    """

    suffix: str
    write: Callable[..., Any]
    options: tuple[str, ...]
    told: Callable[[Any], str]


FORMATS: dict[str, Format] = {
    "onnx": Format(
        ".onnx",
        onnx,
        ("form", "lengths", "starts"),
        lambda made: (
            f"{made.path}: takes {', '.join(made.inputs)}; gives {', '.join(made.outputs)}; "
            f"differs from the layer by {made.measured:.2g} in onnxruntime"
        ),
    ),
    "c": Format(
        ".c",
        c,
        ("number", "name"),
        lambda made: (
            f"{made.files[0]} and {made.files[1].name}: {made.cost.multiply_adds} multiply-adds, "
            f"{made.cost.divisions} divisions and {made.cost.calls} calls a sample, {made.table_bytes} bytes of "
            f"constants, {made.state_bytes} bytes for each instance"
        ),
    ),
    "js": Format(".js", javascript, (), lambda made: f"{made}: an ECMAScript module"),
}
"""To add a format, write its function and put it here."""
