"""The layers by the names of their models."""

import inspect
from typing import Any, TypedDict, Unpack

import torch

from wormnet import models
from wormnet.errors import ArgumentError, unknown
from wormnet.models import Model
from wormnet.nn.recurrent import Recurrent
from wormnet.wiring.core import Wiring

__all__ = ["CTRNN", "LTC", "CfC", "LayerOptions", "MixedMemory", "layer_of"]


class LayerOptions(TypedDict, total=False):
    """What every layer takes beside its model's options; `Recurrent` explains each."""

    mixed_memory: bool
    proj_size: int | None
    batch_first: bool
    return_sequences: bool
    backend: str
    checkpoint: bool
    time_unit: float
    time_constants: tuple[float, float] | None
    device: torch.device | str | None
    dtype: torch.dtype | None


class LTCOptions(LayerOptions, total=False):
    """Those of `models.LTC` too."""

    unfolds: int
    solver: str
    input_map: str | None
    output_map: str | None
    fixed_polarity: bool


class CfCOptions(LayerOptions, total=False):
    """Those of `models.CfC` too."""

    mode: str
    fixed_polarity: bool
    fixed_zeros: bool
    backbone_layers: int
    backbone_units: int
    backbone_activation: str
    backbone_dropout: float


class CTRNNOptions(LayerOptions, total=False):
    """Those of `models.CTRNN` too."""

    unfolds: int
    solver: str
    fixed_polarity: bool


def _keywords(function: Any) -> list[inspect.Parameter]:
    parameters = inspect.signature(function).parameters.values()
    return [one for one in parameters if one.kind is inspect.Parameter.KEYWORD_ONLY]


LAYER_KEYWORDS = _keywords(Recurrent.__init__)
LAYER_OPTIONS = tuple(one.name for one in LAYER_KEYWORDS)


def _signature(model: type[Model]) -> inspect.Signature:
    """(wiring, *, the model's options, those of every layer), with the defaults of both."""
    first = inspect.Parameter("wiring", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=Wiring)
    own = inspect.signature(model).parameters.values()
    options = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in own]
    return inspect.Signature([first, *options, *LAYER_KEYWORDS])


def _split(model: type[Model], options: dict[str, Any]) -> tuple[Model, dict[str, Any]]:
    """The model made of its own options, and what is left for the layer."""
    known = (*model.option_names(), *LAYER_OPTIONS)
    for name in options:
        if name not in known:
            raise ArgumentError(unknown(f"option of {model.name}", name, known))
    ours = {name: value for name, value in options.items() if name in model.option_names()}
    return model(**ours), {name: value for name, value in options.items() if name not in ours}


class LTC(Recurrent):
    """A layer of liquid time-constant neurons: `Recurrent(wiring, models.LTC(...))`.

    Args:
        wiring: who is connected to whom.
        options: those of `models.LTC` (unfolds, solver, input_map, output_map, fixed_polarity) and of `Recurrent`.

    Equation, units and source: `models.LTC`. Call, shapes and errors: `Recurrent`.

    >>> import torch, wormnet
    >>> rnn = LTC(wormnet.auto_ncp(inputs=32, neurons=19, outputs=1))
    >>> y, state = rnn(torch.zeros(8, 10, 32), dt=0.1)
    >>> y.shape
    torch.Size([8, 10, 1])
    """

    def __init__(self, wiring: Wiring, **options: Unpack[LTCOptions]):
        model, rest = _split(models.LTC, dict(options))
        super().__init__(wiring, model, **rest)


class CfC(Recurrent):
    """A layer of closed-form continuous-time neurons: `Recurrent(wiring, models.CfC(...))`.

    Args:
        wiring: who is connected to whom.
        options: those of `models.CfC` (mode, fixed_polarity, fixed_zeros, backbone_layers, backbone_units,
            backbone_activation, backbone_dropout) and of `Recurrent`.

    Equation, units and source: `models.CfC`. Call, shapes and errors: `Recurrent`.

    >>> import torch, wormnet
    >>> rnn = CfC(wormnet.dense(4, 8), backbone_layers=1, backbone_units=16)
    >>> y, state = rnn(torch.zeros(2, 10, 4))
    >>> y.shape
    torch.Size([2, 10, 8])
    """

    def __init__(self, wiring: Wiring, **options: Unpack[CfCOptions]):
        model, rest = _split(models.CfC, dict(options))
        super().__init__(wiring, model, **rest)


class CTRNN(Recurrent):
    """A layer of continuous-time recurrent neurons: `Recurrent(wiring, models.CTRNN(...))`.

    Args:
        wiring: who is connected to whom.
        options: those of `models.CTRNN` (unfolds, solver, fixed_polarity) and of `Recurrent`.

    Equation, units and source: `models.CTRNN`. Call, shapes and errors: `Recurrent`.

    >>> import torch, wormnet
    >>> y, state = CTRNN(wormnet.dense(4, 8, outputs=2))(torch.zeros(2, 10, 4))
    >>> y.shape
    torch.Size([2, 10, 2])
    """

    def __init__(self, wiring: Wiring, **options: Unpack[CTRNNOptions]):
        model, rest = _split(models.CTRNN, dict(options))
        super().__init__(wiring, model, **rest)


class MixedMemory(Recurrent):
    """A layer with an LSTM cell in front of its neurons: `Recurrent(wiring, model, mixed_memory=True)`.

        (h, c) <- LSTM(x, (v, c)),   v <- the model's step from h over dt

    so that the memory c crosses long gaps that the neurons' own dynamics would forget.

    Args:
        wiring: who is connected to whom.
        model: a model of `wormnet.models`, or its name.
        options: those of the model, if it is given by name, and of `Recurrent`.

    The state is the pair (v, c), each (batch, neurons). Call, shapes and errors: `Recurrent`.
    Source: Lechner & Hasani 2020, arXiv 2006.04418 (ODE-LSTM); Hasani et al. 2022, Nat. Mach. Intell. 4, 992-1003
    (CfC-mmRNN).

    >>> import torch, wormnet
    >>> y, (v, c) = MixedMemory(wormnet.dense(4, 8), "cfc", mode="no_gate")(torch.zeros(2, 10, 4))
    >>> v.shape, c.shape
    (torch.Size([2, 8]), torch.Size([2, 8]))
    """

    def __init__(self, wiring: Wiring, model: Model | str = "cfc", **options: Any):
        if isinstance(model, str):
            if model not in models.MODELS:
                raise ArgumentError(unknown("model", model, models.MODELS))
            model, options = _split(models.MODELS[model], options)
        if options.pop("mixed_memory", True) is not True:
            raise ArgumentError("mixed_memory=False leaves nothing of MixedMemory; use Recurrent.")
        super().__init__(wiring, model, mixed_memory=True, **options)


for _layer, _model in ((LTC, models.LTC), (CfC, models.CfC), (CTRNN, models.CTRNN)):
    _layer.__signature__ = _signature(_model)  # pyright: ignore[reportAttributeAccessIssue]
MixedMemory.__signature__ = inspect.Signature(  # pyright: ignore[reportAttributeAccessIssue]
    [
        *(one for one in inspect.signature(MixedMemory).parameters.values() if one.name != "options"),
        *(one for one in LAYER_KEYWORDS if one.name != "mixed_memory"),
        inspect.Parameter("options", inspect.Parameter.VAR_KEYWORD, annotation=Any),
    ]
)


def layer_of(wiring: Wiring, model: Model, *, mixed_memory: bool, **options: Any) -> Recurrent:
    """The layer that is named after a model, or after its memory; Recurrent for a model that has none of its own."""
    if mixed_memory:
        return MixedMemory(wiring, model, **options)
    named = {models.LTC: LTC, models.CfC: CfC, models.CTRNN: CTRNN}.get(type(model))
    return Recurrent(wiring, model, **options) if named is None else named(wiring, **model.options, **options)
