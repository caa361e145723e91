"""A layer as C99 for a microcontroller: no malloc, constant tables, one state per instance."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from wormnet.atomic import write_whole
from wormnet.errors import ArgumentError, unknown
from wormnet.export.c_floating import floating
from wormnet.export.c_template import filled
from wormnet.export.network import network_of
from wormnet.export.program import Cost, cost_of, identifier, room
from wormnet.export.samples import trial
from wormnet.nn.recurrent import Recurrent
from wormnet.paths import checked

__all__ = ["CSource", "c"]

NUMBERS = ("float", "double")
KEYWORDS = (
    "auto|break|case|char|const|continue|default|do|double|else|enum|extern|float|for|goto|if|inline|int|long|register|"
    "restrict|return|short|signed|sizeof|static|struct|switch|typedef|union|unsigned|void|volatile|while"
)


@dataclass(frozen=True)
class CSource:
    """What was written.

    Attributes:
        files: the source and its header.
        cost: multiply-adds, divisions and calls of exp, tanh and sigmoid in one sample.
        table_bytes: constants, in flash.
        state_bytes: one instance, in RAM.
        measured: largest difference between the outputs of the layer in its own precision and in double precision, over
            the samples of the self-test.
    """

    files: tuple[Path, Path]
    cost: Cost
    table_bytes: int
    state_bytes: int
    measured: float


def c(
    rnn: Recurrent,
    path: str | os.PathLike[str],
    *,
    name: str | None = None,
    number: str = "float",
    head: Any = None,
    x: ArrayLike | None = None,
    dt: ArrayLike | None = None,
) -> CSource:
    """Write a layer as one C99 source and its header, which need the standard library and nothing else.

    The program holds the layer's wiring and numbers as constant tables and runs its edges, nodes and solver:
    `NAME_reset(state)` and `NAME_step(state, dt, x, y)`. It computes what the layer computes in evaluation mode, with
    the maps of inputs and outputs and the projection. Built with -DNAME_SELF_TEST it is a program that compares itself
    with the layer.

    Args:
        rnn: any recurrent layer.
        path: the source, ending in .c; the header stands beside it.
        name: what all names begin with, a C identifier; None for the file's name.
        number: "float" or "double".
        head: None, or a linear map after the outputs: a torch.nn.Linear, or weight (size, outputs) and bias (size,).
        x, dt: samples (time, inputs) and (time,) for the self-test; None for random ones.

    Raises: ArgumentError, ShapeError for what does not fit; DataError if a file cannot be written.

    >>> import tempfile, wormnet
    >>> rnn = wormnet.LTC(wormnet.auto_ncp(inputs=4, neurons=8, outputs=1))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     written = c(rnn, f"{folder}/policy.c")
    >>> [file.name for file in written.files], written.state_bytes
    (['policy.c', 'policy.h'], 128)
    """
    if number not in NUMBERS:
        raise ArgumentError(unknown("number", number, NUMBERS))
    file = checked(path)
    if file.suffix != ".c":
        raise ArgumentError(f"path is {file.name!r}; it takes a name that ends in .c, beside which the header stands.")
    name = _name(name, file.stem)
    network = network_of(rnn, head)
    program = floating(network, name, number, trial(network, x, dt))
    source, header, table_bytes = filled(network, name, file.stem, program, room(program.updates))
    files = file, file.with_suffix(".h")
    write_whole(files[1], header)
    write_whole(files[0], source)
    return CSource(files, cost_of(network), table_bytes, program.state_bytes, program.measured)


def _name(given: str | None, stem: str) -> str:
    name = identifier(stem) if given is None else given
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) or re.fullmatch(KEYWORDS, name):
        raise ArgumentError(f"name is {name!r}; it takes a C identifier, such as 'policy'.")
    return name
