"""A layer as C99 for a microcontroller: no malloc, constant tables, one state per instance."""

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from wormnet.atomic import write_whole
from wormnet.errors import ArgumentError, unknown
from wormnet.export.c_fixed import BITS, fixed, limits_of
from wormnet.export.c_floating import floating
from wormnet.export.c_template import filled
from wormnet.export.ends import Ends, WithEnds, act_trial
from wormnet.export.fixed_error import Bound
from wormnet.export.network import Network, network_of
from wormnet.export.program import Cost, cost_of, identifier, room
from wormnet.export.samples import SAMPLES, Trial, trial
from wormnet.models.interval import Interval
from wormnet.models.spec import check_count
from wormnet.nn.recurrent import Recurrent
from wormnet.paths import checked

__all__ = ["CSource", "c"]

NUMBERS = ("float", "double", *BITS)
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
        measured: over the samples of the self-test, the largest difference to the outputs of the layer in double
            precision: of the layer in its own precision, or of the program in fixed point.
        proved: in fixed point, the bound on that difference for all inputs and times within their ranges.
    """

    files: tuple[Path, Path]
    cost: Cost
    table_bytes: int
    state_bytes: int
    measured: float
    proved: Bound | None = None


def c(
    rnn: Recurrent | WithEnds,
    path: str | os.PathLike[str],
    *,
    name: str | None = None,
    number: str = "float",
    head: Any = None,
    x: ArrayLike | None = None,
    dt: ArrayLike | None = None,
    x_range: Any = None,
    dt_range: Any = None,
    horizon: int = 1000,
) -> CSource:
    """Write a layer as one C99 source and its header, which need the standard library and nothing else.

    The program holds the layer's wiring and numbers as constant tables and runs its edges, nodes and solver:
    `NAME_reset(state)` and `NAME_step(state, dt, x, y)`. It computes what the layer computes in evaluation mode, with
    the maps of inputs and outputs and the projection. Built with -DNAME_SELF_TEST it is a program that compares itself
    with the layer.

    Fixed point ("q15", "q31") computes with integers of 16 or 32 bits, and twice as many on the way; no floating number
    is left. Each quantity has a format of its own, and the ranges of all are proved, so nothing overflows. Inputs
    beyond x_range count as its end, longer times than dt_range are refused. The step's error is bounded for every
    sequence within these ranges: where a sample contracts, for ever; else over the horizon, where the bound of a
    network that may amplify small differences soon is as large as its range.

    Of a policy (`wormnet.control.Policy`) the program has the maps too: `NAME_act(state, observation, action)` feels,
    steps and acts as `policy.act` does, warm-up included, and the self-test compares actions.

    Args:
        rnn: any recurrent layer, or a policy, which takes floating numbers. In fixed point a layer with a bounded
            semi-implicit solver or without a solver, and without matrices (no backbone, no mixed memory).
        path: the source, ending in .c; the header stands beside it.
        name: what all names begin with, a C identifier; None for the file's name.
        number: "float", "double", "q15" or "q31".
        head: None, or a linear map after the outputs: a torch.nn.Linear, or weight (size, outputs) and bias (size,).
        x, dt: samples (time, inputs) and (time,) for the self-test; None for random ones. Of a policy x are
            observations, and dt is its own.
        x_range: in fixed point, (low, high) of the inputs: numbers, or arrays (inputs,); None for that of x.
        dt_range: in fixed point, (shortest, longest); None for that of dt, or 0.1 to 1 `time_unit`.
        horizon: in fixed point, how many samples the error is bounded for if it is not bounded for ever.

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
    ends = rnn.ends if isinstance(rnn, WithEnds) else None
    network = network_of(rnn.layer() if isinstance(rnn, WithEnds) else rnn, head)
    if ends is not None:
        _prove_ends(ends, number, head=head, dt=dt, x_range=x_range, dt_range=dt_range)
        program, proved = floating(network, name, number, act_trial(network, ends, x), ends), None
    elif number in BITS:
        check_count("horizon", horizon, 1)
        limits = limits_of(network, x_range, dt_range, x, dt)
        program, proved = fixed(network, name, number, _within(network, limits, x, dt), limits, horizon)
    else:
        if x_range is not None or dt_range is not None:
            raise ArgumentError(f'x_range and dt_range are of fixed point (number="q15" or "q31"), not of {number}.')
        program, proved = floating(network, name, number, trial(network, x, dt)), None
    source, header, table_bytes = filled(network, name, file.stem, program, room(program.updates))
    files = file, file.with_suffix(".h")
    write_whole(files[1], header)
    write_whole(files[0], source)
    return CSource(files, cost_of(network), table_bytes, program.state_bytes, program.measured, proved)


def _prove_ends(ends: Ends, number: str, **given: Any) -> None:
    if number in BITS:
        raise ArgumentError(f"a policy is exported in float or double, not in {number}; its layer() in {number} too.")
    for name, value in given.items():
        if value is not None:
            raise ArgumentError(f"{name} is given with a policy, which has its own; export its layer() to use {name}.")
    if not ends.observations or not len(ends.of):
        raise ArgumentError("this policy takes no observations, so it cannot act by them; export its layer().")


def _within(
    network: Network, limits: tuple[Interval, tuple[float, float]], x: ArrayLike | None, dt: ArrayLike | None
) -> Trial:
    """Samples of one's own, which have to be within limits, or random ones that are."""
    rng, (inputs, (low, high)) = np.random.default_rng(0), limits
    given = rng.uniform(inputs.lo, inputs.hi, (SAMPLES, len(inputs.lo))) if x is None else x
    times = rng.uniform(low, high, np.shape(given)[:1]) if dt is None else dt
    made = trial(network, given, times)
    # They are rounded to single precision there.
    room = 1e-6 * np.maximum(inputs.most, 1.0)
    if np.any(made.x < inputs.lo - room) or np.any(made.x > inputs.hi + room):
        raise ArgumentError("x holds inputs beyond x_range.")
    if made.dt.min() < low * (1 - 1e-6) or made.dt.max() > high * (1 + 1e-6):
        raise ArgumentError("dt holds times beyond dt_range.")
    return replace(made, x=np.clip(made.x, inputs.lo, inputs.hi), dt=np.clip(made.dt, low, high))


def _name(given: str | None, stem: str) -> str:
    name = identifier(stem) if given is None else given
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) or re.fullmatch(KEYWORDS, name):
        raise ArgumentError(f"name is {name!r}; it takes a C identifier, such as 'policy'.")
    return name
