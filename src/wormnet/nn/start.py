"""How a layer starts: time constants independent of fan-in, and a warning about outputs blind to the newest sample."""

import math
import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wormnet.engine.layout import Layout
from wormnet.errors import ArgumentError, BlindOutputWarning
from wormnet.models import Model
from wormnet.models.equation import DenseUpdate, Update
from wormnet.wiring.core import Wiring

__all__ = ["blind_outputs", "check_time_constants", "spread_time_constants", "warn_if_blind"]


def check_time_constants(given: Any, model: Model) -> tuple[float, float] | None:
    """The bounds of a spread of time constants, or ArgumentError."""
    if given is None:
        return None
    try:
        low, high = (float(bound) for bound in given)
    except (TypeError, ValueError, OverflowError):
        raise ArgumentError(f"time_constants is {given!r}; it takes a pair (low, high), 0 < low <= high.") from None
    if not 0 < low <= high < math.inf:
        raise ArgumentError(f"time_constants is {given!r}; it takes 0 < low <= high.")
    if not _capacitances(model):
        raise ArgumentError(f"{model.name} is no differential equation and has no time constants; take None.")
    return low, high


def _capacitances(model: Model) -> tuple[str, ...]:
    """Names of the parameters that multiply the derivative of the first state."""
    return tuple(
        update.capacitances[0] for update in model.updates() if isinstance(update, Update) and update.capacitances
    )


def spread_time_constants(
    model: Model, wiring: Wiring, drawn: dict[str, Tensor], bounds: tuple[float, float]
) -> dict[str, Tensor]:
    """Values that give each neuron an effective time constant drawn log-uniformly between the bounds.

    Raises: ArgumentError if the model's capacitance is no parameter of its own.
    """
    low, high = bounds
    n, found = wiring.n_neurons, {}
    pull = model.open_conductance(drawn, wiring)
    for name in _capacitances(model):
        if name not in drawn:
            raise ArgumentError(f"{model.name} has no parameter {name!r}, so its time constants cannot be set.")
        share = torch.rand(n, dtype=torch.float64, device="cpu")
        found[name] = low * (high / low) ** share * pull
    return found


def blind_outputs(layout: Layout) -> list[str]:
    """Outputs that the newest sample cannot reach within its own evaluations, though it reaches them later."""
    wiring, program = layout.wiring, layout.program
    if any(isinstance(part.update, DenseUpdate) for part in program.parts) or not wiring.n_inputs:
        return []
    soon = np.zeros(wiring.n_neurons, bool)
    for part, tables in zip(program.parts, layout.tables, strict=True):
        for _ in range(part.unfolds * part.stages):
            soon = _reached(layout, tables, soon, layered=bool(part.update.layered))  # pyright: ignore
    late = soon
    while True:
        more = late.copy()
        for tables in layout.tables:
            more = _reached(layout, tables, more, layered=False)
        if np.array_equal(more, late):
            break
        late = more
    return [wiring.neurons[i] for i in wiring.output_index if late[i] and not soon[i]]


def _reached(layout: Layout, tables: Any, before: np.ndarray, *, layered: bool) -> np.ndarray:
    after = before.copy()
    for layer in range(len(layout.layers) - 1) if layered else (None,):
        mine = np.ones(len(before), bool)
        if layer is not None:
            mine = np.isin(np.arange(len(before)), layout.order[layout.layers[layer] : layout.layers[layer + 1]])
        for table in tables:
            sends = table.from_input.copy()
            inner = ~table.from_input
            sends[inner] = np.where(table.new[inner], after[table.pre[inner]], before[table.pre[inner]])
            hit = table.post[sends]
            after[hit[mine[hit]]] = True
    return after


def warn_if_blind(layout: Layout) -> None:
    """Warn if outputs cannot see the newest sample."""
    blind = blind_outputs(layout)
    if not blind:
        return
    shown = ", ".join(blind[:3]) + (", ..." if len(blind) > 3 else "")
    steps = layout.program.rows
    warnings.warn(
        f"{len(blind)} of {layout.wiring.n_outputs} outputs ({shown}) cannot see the newest sample: the shortest path "
        f"from an input is longer than the {steps} evaluation{'s' * (steps != 1)} of a sample, so their gradient by it "
        "is exactly 0. Take more unfolds, or read out neurons nearer to the inputs.",
        BlindOutputWarning,
        stacklevel=4,
    )
