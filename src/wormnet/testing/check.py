"""`check_model`: the claims, one after the other, on every engine that can run here."""

from collections.abc import Sequence
from dataclasses import FrozenInstanceError, is_dataclass
from typing import Any

import numpy as np
import torch

from wormnet.engine import cpu, gpu
from wormnet.engine.dispatch import BACKENDS, check_backend
from wormnet.engine.program import program_of
from wormnet.engine.prove import prove
from wormnet.errors import ArgumentError, BackendError, WiringError, WormnetError, unknown
from wormnet.models import Model
from wormnet.nn.parameters import Table
from wormnet.nn.recurrent import Recurrent
from wormnet.testing.claims import CLAIMS
from wormnet.testing.samples import N, mixed_wiring
from wormnet.testing.subject import Subject, expect
from wormnet.wiring.chance import dense
from wormnet.wiring.core import CURRENT, GAP, Wiring

__all__ = ["BrokenClaim", "check_model"]


class BrokenClaim(AssertionError):
    """A claim that does not hold for a model.

    Attributes:
        claim: in words.
        engine: on which it fails; None if the model itself is at fault.
    """

    def __init__(self, model: str, claim: str, engine: str | None, why: str):
        self.claim, self.engine = claim, engine
        where = "" if engine is None else f" on the {engine} engine"
        super().__init__(f"{model}{where} breaks the claim that {claim}: {why}")


def check_model(
    model: Model,
    wiring: Wiring | None = None,
    *,
    engines: Sequence[str] | None = None,
    dtype: torch.dtype = torch.float64,
) -> None:
    """Check all that wormnet promises of a neuron model, for a model of anyone's own.

    The model is data that fits together (options, parameters, states, functions, derivatives); sequences of a batch are
    independent, keep their lengths, start anew, resume, and come packed or sample by sample; padding is not read; time
    has a unit; gradients are those of the reference engine and of finite differences; layers load, save (if the model
    is registered), copy and pickle; and the stepper computes what the layer computes.

    Args:
        model: an instance, with the options that are to be checked.
        wiring: on which; by default five inputs and five neurons with synapses of every kind that the model takes, or
            each connected with all if it refuses that.
        engines: names out of "reference", "cpu" and "gpu"; by default all that can run here. The stepper is checked
            with "cpu", whose compiler it uses.
        dtype: torch.float64, or torch.float32, for which finite differences are taken on the reference engine, in
            float64.

    Times between samples are drawn from 0.05 to 0.8, inputs and states are around 1: choose options with which the
    model's solver is stable there. The first call for a model compiles its kernels, which takes up to a minute.

    Raises: BrokenClaim, an AssertionError that names the first claim that does not hold; ArgumentError for what is no
        model, wiring, engine or dtype; BackendError if a named engine cannot run here.

    >>> import wormnet
    >>> check_model(wormnet.models.CTRNN(unfolds=1), engines=["reference"])
    """
    _check_arguments(model, wiring, dtype)
    name = getattr(model, "name", type(model).__name__)
    wiring = _on(model, wiring)
    for words, one in ((DATA, _is_data), (FITS, _fits_together), (SIZES, _has_sizes)):
        _claim(str(name), words, None, lambda one=one: one(model, wiring))
    for engine in _engines(model, engines, dtype):
        subject = Subject(model, wiring, engine, dtype)
        for one in CLAIMS:
            _claim(model.name, (one.__doc__ or "").strip(), engine, lambda one=one, subject=subject: one(subject))


def _claim(model: str, claim: str, engine: str | None, check: Any) -> None:
    try:
        check()
    except BrokenClaim:
        raise
    except Exception as error:  # whatever a model's own code raises breaks the claim
        kind = "" if isinstance(error, (AssertionError, WormnetError)) else f"{type(error).__name__}: "
        raise BrokenClaim(model, claim, engine, f"{kind}{error}") from error


def _check_arguments(model: Any, wiring: Any, dtype: Any) -> None:
    if not isinstance(model, Model):
        hint = "; make one: check_model(Mine())" if isinstance(model, type) else ""
        raise ArgumentError(f"model is {model!r}; it takes an instance of a class derived from Model{hint}.")
    if wiring is not None and not isinstance(wiring, Wiring):
        raise ArgumentError(f"wiring is {type(wiring).__name__}; it takes a Wiring, or None.")
    if dtype not in (torch.float32, torch.float64):
        raise ArgumentError(unknown("dtype", dtype, [torch.float32, torch.float64]))


def _on(model: Model, wiring: Wiring | None) -> Wiring:
    """The wiring to check on. Raises WiringError if the model refuses the one that is asked for."""
    if wiring is not None:
        model.check(wiring)
        return wiring
    mixed = mixed_wiring()
    for without in ((), (GAP,), (CURRENT,), (GAP, CURRENT)):
        candidate = mixed.lesion(synapses=np.flatnonzero(np.isin(mixed.kind, without)))
        try:
            model.check(candidate)
        except WiringError:
            continue
        return candidate
    return dense(N, N)


def _engines(model: Model, engines: Sequence[str] | None, dtype: torch.dtype) -> list[str]:
    """Those that are asked for, or all that can run here."""
    if isinstance(engines, str):
        raise ArgumentError(f"engines is {engines!r}; it takes a list of names: [{engines!r}].")
    program, found = program_of(model), []
    for name in BACKENDS[1:] if engines is None else engines:
        if check_backend(name) == "auto":
            raise ArgumentError(unknown("engine to check", name, BACKENDS[1:]))
        reason = None
        if name != "reference":
            module, device = (gpu, "cuda") if name == "gpu" else (cpu, "cpu")
            reason = module.unable(program, torch.device(device), dtype)
        if reason is None:
            found.append(name)
        elif engines is not None:
            raise BackendError(f"not {name}: {reason}.")
    return sorted(found, key=lambda name: name != "reference")


# -- the model itself --------------------------------------------------------------------------------------------------

DATA = "it is data: a frozen data class that its name and options make again"
FITS = "its functions fit together, and its derivatives are the derivatives"
SIZES = "parameters, coefficients and open conductances have the sizes of the wiring"


def _is_data(model: Model, wiring: Wiring) -> None:
    expect(is_dataclass(model), f"{type(model).__name__} is no data class; decorate it with @dataclass(frozen=True)")
    expect(isinstance(getattr(model, "name", None), str), "it has no `name`")
    again = type(model)(**model.options)
    expect(again == model, f"its options make {again}, which is not equal to {model}")
    expect(hash(again) == hash(model), "two equal models have different hashes")
    for name in model.options:
        try:
            setattr(again, name, getattr(again, name))
        except FrozenInstanceError:
            continue
        raise AssertionError(
            f"its option {name} can be set after it was made; decorate it with @dataclass(frozen=True)"
        )


def _fits_together(model: Model, wiring: Wiring) -> None:
    prove(program_of(model))


def _has_sizes(model: Model, wiring: Wiring) -> None:
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        layer = Recurrent(wiring, model, backend="reference", dtype=torch.float64, device="cpu")
        table: Table = layer._table
        drawn = {name: table.draw(spec) for name, spec in table.specs.items()}
    layer._layout.pack(layer._coefficients(layer.values()))
    for state in model.states:
        if isinstance(state.start, str):
            shape = layer._table.shapes.get(state.start)
            expect(shape == (wiring.n_neurons,), f"state {state.name} starts at {state.start!r}, no neuron parameter")
    found = model.open_conductance(drawn, wiring)
    expect(isinstance(found, torch.Tensor), f"open_conductance gives {type(found).__name__}; it takes a tensor")
    takes = (wiring.n_neurons,)
    expect(found.shape == takes, f"open_conductance has shape {tuple(found.shape)}; on this wiring it takes {takes}")
    positive = bool(torch.isfinite(found).all() and (found > 0).all())
    expect(positive, "open_conductance is not finite and > 0 everywhere")
