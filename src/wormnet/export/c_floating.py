"""A network in C with floating numbers."""

from collections.abc import Callable
from typing import Any

import numpy as np

from wormnet.export.c_template import PLACES, Program, Table, integers, memory
from wormnet.export.ends import Ends, tables
from wormnet.export.network import Network
from wormnet.export.program import Floats, printed, room
from wormnet.export.samples import Trial
from wormnet.export.statements import C_DOUBLE, C_FLOAT
from wormnet.export.text import array

__all__ = ["floating"]


def floating(network: Network, name: str, number: str, trial: Trial, ends: Ends | None = None) -> Program:
    """A network in numbers of type "float" or "double", with the maps of a policy around it if there are any."""
    notation, size, f = (C_FLOAT, 4, "f") if number == "float" else (C_DOUBLE, 8, "")
    writer, text = Floats(notation), notation.number
    updates = printed(network, writer, PLACES)
    own_input = network.input_map is not None and any(p.takes_input and p.mapped for p in updates)
    before, after = _before(network, writer, name.upper(), own_input), _after(network, writer, name.upper())
    reset = ["memset(s, 0, sizeof *s);"]
    for state, initial in enumerate(network.initial):
        if initial.any():
            begin = writer.table(f"initial_{state}", initial, "i").text
            reset += ["for (unsigned i = 0; i < N; ++i)", f"    s->state[{state}][i] = {begin};"]
    measured = trial.single if number == "float" else 0.0
    helpers = []
    if any("sigmoid(" in line for p in updates for line in p.lines):
        body = f"    return {text(1)} / ({text(1)} + exp{f}(-x));"
        helpers = ["", f"static {number} sigmoid({number} x)", "{", body, "}"]
    tolerance = max((1e-6 if number == "float" else 1e-9) * trial.scale, 4 * measured)
    if ends is not None and ends.first is not None:
        tolerance = 0.25  # actions are whole numbers
    return Program(
        types=dict.fromkeys(("real", "sum_type", "weight_type", "dt_type", "time_type", "y_type"), number),
        updates=updates,
        tables=[
            integers(key, values)
            if values.dtype.kind == "i"
            else Table(key, f"static const {number} {key}[{len(values)}]", array(values, text), len(values) * size)
            for key, values in writer.tables.items()
        ]
        + ([] if ends is None else tables(ends, number, text)),
        times=[f"time / {text(p.unfolds)}" if p.kind == "solved" else "time" for p in updates],
        reset=reset,
        before=before,
        after=after,
        helpers=helpers,
        product="w[k] * a[k]",
        bias="{}",
        own_input=own_input,
        about=[
            f"Numbers: {number}. The self-test allows errors up to {tolerance:.2g} beside the layer in double "
            f"precision; over its samples the layer in single precision errs by {trial.single:.2g}."
        ],
        defines=[],
        notes=[],
        test={
            "samples": len(trial.x),
            "x": array(trial.x if trial.x.shape[1] else np.zeros((len(trial.x), 1)), text),
            "dt": array(trial.dt, text),
            "y": array(trial.y, C_DOUBLE.number),
            "got": "(double)y[k]",
            "tolerance": C_DOUBLE.number(float(f"{tolerance:.2g}")),
        },
        state_bytes=memory(network, room(updates), own_input, (size, size), going=ends is not None and ends.warmup > 0),
        measured=measured,
        ends=None if ends is None else _facts(ends, text),
    )


def _facts(ends: Ends, text: Callable[[float], str]) -> dict[str, Any]:
    return {
        "observations": ends.observations,
        "actions": ends.actions,
        "quantities": len(ends.sense),
        "numbers": len(ends.up),
        "mapped": ends.zero is not None,
        "projected": bool(ends.move.size),
        "made": ends.limits.shape[1],
        "limited": bool(np.isfinite(ends.limits).any()),
        "first": ends.first,
        "warmup": ends.warmup,
        "dt": text(ends.dt),
        "one": text(1),
        "none": text(0),
    }


def _before(network: Network, writer: Floats, upper: str, own_input: bool) -> list[str]:
    """Check time and inputs, and map the inputs."""
    number = "float" if writer.notation is C_FLOAT else "double"
    unit = "" if network.time_unit == 1 else f" / {writer.notation.number(network.time_unit)}"
    lines = [
        f"const {number} time = dt{unit};",
        "",
        "if (!(time > 0) || !isfinite(time))",
        f"    return {upper}_BAD_DT;",
    ]
    if not network.layout.wiring.n_inputs:
        return [*lines, "(void)x;"]
    each = f"for (unsigned k = 0; k < {upper}_INPUTS; ++k)"
    lines += [each, "    if (!isfinite(x[k]))", f"        return {upper}_BAD_INPUT;"]
    if own_input and network.input_map is not None:
        scale, shift = (writer.table(f"input_{what}", one, "k").text for what, one in zip(PAIR, network.input_map))
        lines += [each, f"    s->input[k] = x[k] * {scale} + {shift};"]
    return lines


PAIR = ("scale", "shift")


def _after(network: Network, writer: Floats, upper: str) -> list[str]:
    """Write y, and look whether the state is finite."""
    read, m = writer.integers("read", network.read), len(network.read)
    if network.linear is not None:
        weight, bias = (writer.matrix(f"linear_{what}", one) for what, one in zip(("weight", "bias"), network.matrix))
        row = f"{weight}[k * {m}u + j]"
        sums = ["{", f"    y[k] = {bias}[k];", f"    for (unsigned j = 0; j < {m}u; ++j)"]
        sums += [f"        y[k] += {row} * s->state[0][{read}[j]];", "}"]
    elif network.output_map is not None:
        scale, shift = (writer.table(f"output_{what}", one, "k").text for what, one in zip(PAIR, network.output_map))
        sums = [f"    y[k] = s->state[0][{read}[k]] * {scale} + {shift};"]
    else:
        sums = [f"    y[k] = s->state[0][{read}[k]];"]
    infinite = " || ".join(f"!isfinite(s->state[{k}][k])" for k in range(len(network.initial)))
    return [
        f"for (unsigned k = 0; k < {upper}_OUTPUTS; ++k)",
        *sums,
        "for (unsigned k = 0; k < N; ++k)",
        f"    if ({infinite})",
        f"        return {upper}_DIVERGED;",
        f"return {upper}_OK;",
    ]
