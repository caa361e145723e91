"""A trained estimator in one safetensors file: arguments, network, scaling, weights. Nothing is ever unpickled."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from wormnet.atomic import write_whole
from wormnet.errors import ArgumentError, DataError, WormnetError, shown
from wormnet.estimators.settings import network_of, plain
from wormnet.nn import Recurrent
from wormnet.nn.files import built, fill, head_of, read, tensors_of
from wormnet.paths import checked, printable
from wormnet.study.fit import History
from wormnet.study.network import Predictor, Shape, assembled, build
from wormnet.study.prepared import View
from wormnet.wiring import Wiring
from wormnet.wiring.files import from_json, to_json
from wormnet.wiring.plain_json import few_values

if TYPE_CHECKING:
    from wormnet.estimators.trained import Trained

__all__ = ["load", "save"]

FORMAT, VERSION = "wormnet-estimator", 1
MOST_VALUES = 1_000_000
"""In the head of a file: the wiring is one of them, the history of each epoch a handful."""
_KINDS = "biufUO"
CODE: dict[str, Any] = {}
"""In the place of an argument: code of one's own, which has to be told again."""


def save(model: "Trained", path: str | os.PathLike[str]) -> None:
    """Write a trained estimator. See `Trained.save`."""
    predictor, view = model.predictor_, model._view
    head = {
        "format": FORMAT,
        "version": VERSION,
        "kind": type(model).__name__,
        "arguments": {name: _argument(name, value) for name, value in model.get_params(deep=False).items()},
        "attributes": {name: _attribute(vars(model)[name]) for name in model._kept if name in vars(model)},
        "shape": asdict(predictor.shape),
        "time": {"pairs": view.time, "unit": view.unit},
        "history": asdict(model.history_),
        "layer": _layer(model),
        "skip": predictor.skip is not None,
    }
    tensors = {f"network.{name}": value for name, value in tensors_of(predictor).items()}
    tensors |= {f"view.{name}": torch.tensor(getattr(view, name)) for name in ("mean", "deviation")}
    write_whole(path, safetensors.torch.save(tensors, metadata={"wormnet": json.dumps(head)}))


def _argument(name: str, value: Any) -> Any:
    """An argument as JSON; CODE for a network that is code, which a file does not hold."""
    if isinstance(value, Wiring):
        return {"wiring": to_json(value)}
    value = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
    if isinstance(value, Mapping):
        # Its keys may be numbers, which JSON does not have.
        value = {"pairs": [[plain(key), plain(one)] for key, one in value.items()]}
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        if name == "network":
            return CODE
        raise ArgumentError(
            f"{name} is {shown(value)}; a file holds numbers, texts and lists of them. Change it first: "
            f"set_params({name}=...)."
        ) from None
    return CODE if name == "network" and ":" in value else value


def _attribute(value: Any) -> Any:
    if not isinstance(value, np.ndarray):
        return value
    if value.dtype.kind not in _KINDS or not all(isinstance(one, bool | int | float | str) for one in value.tolist()):
        raise ArgumentError(
            f"a file holds classes that are numbers or text; these are of {value.dtype}: {shown(value.tolist())}."
        )
    return {"dtype": value.dtype.str, "values": value.tolist()}


def _layer(model: "Trained") -> dict[str, Any] | None:
    """What the layer is, if it is one of wormnet; another network is built anew from its name."""
    is_layer = type(model.predictor_) is Predictor and isinstance(model.core_, Recurrent)
    return head_of(model.rnn_) if is_layer else None


def load(kind: type["Trained"], path: str | os.PathLike[str], network: Any = None) -> Any:
    """Read a trained estimator. See `Trained.load`."""
    tensors, text = read(path)
    name = printable(checked(path))
    if text is None:
        raise DataError(f"{name} holds tensors but no estimator; it takes a file that {kind.__name__}.save wrote.")
    try:
        head = json.loads(few_values(text, MOST_VALUES))
        if not isinstance(head, dict) or head.get("format") != FORMAT or head.get("version") != VERSION:
            raise ValueError(f"it is {shown(head)}; this reads {FORMAT!r} version {VERSION}.")
        if head["kind"] != kind.__name__:
            raise ValueError(f"it holds a {shown(head['kind'])}; read it by its own `load`.")
        model = kind(**_arguments(kind, head["arguments"], network))
        _restore(model, head, tensors)
    except (WormnetError, KeyError, TypeError, ValueError, RecursionError, RuntimeError, AttributeError) as error:
        reason = f"it lacks {error}" if isinstance(error, KeyError) else str(error).partition("\n")[0]
        raise DataError(f"{name} does not hold a valid estimator: {reason[:1000]}") from None
    return model


def _arguments(kind: type["Trained"], given: dict[str, Any], network: Any) -> dict[str, Any]:
    known, found = {one.name for one in fields(kind)}, {}
    for name, value in given.items():
        if name not in known:
            raise ValueError(f"argument {shown(name)} is unknown.")
        if isinstance(value, dict) and "wiring" in value:
            value = from_json(value["wiring"])
        elif isinstance(value, dict) and "pairs" in value:
            value = dict(value["pairs"])
        found[name] = value
    if network is not None:
        found["network"] = network
    elif found["network"] == CODE:
        raise ValueError("its network is code of one's own, which no file holds; say it: load(path, network=...).")
    return found


def _restore(model: "Trained", head: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    for name, value in head["attributes"].items():
        if name not in model._kept:
            raise ValueError(f"attribute {shown(name)} is unknown.")
        setattr(model, name, _value(value))
    shape = Shape(**head["shape"])
    mean, deviation = (tensors.pop(f"view.{name}").double().numpy() for name in ("mean", "deviation"))
    if mean.shape != (shape.channels,) or deviation.shape != mean.shape:
        raise ValueError(f"its scaling has shape {mean.shape}; it takes ({shape.channels},).")
    model._view = View(mean, deviation, tuple(map(tuple, head["time"]["pairs"])), head["time"]["unit"])
    model.history_ = History(**head["history"])
    predictor = _predictor(model, head, shape)
    fill(predictor, {name.removeprefix("network."): value for name, value in tensors.items()})
    model.predictor_ = predictor.eval()
    model.is_fitted = True


def _value(given: Any) -> Any:
    if not isinstance(given, dict):
        return given
    dtype = np.dtype(given["dtype"])
    if dtype.kind not in _KINDS:
        raise ValueError(f"dtype is {shown(given['dtype'])}; classes are numbers or text.")
    return np.array(given["values"], dtype)


def _predictor(model: "Trained", head: dict[str, Any], shape: Shape) -> Predictor:
    """The network without its weights."""
    network = network_of(model.network, model.neurons)
    if head["layer"] is None:
        with torch.random.fork_rng():
            return build(network, shape, model._drawn)
    layer = built(head["layer"])
    if not isinstance(layer, Recurrent):
        raise ValueError("its layer is not recurrent.")
    with torch.device("meta"):
        return assembled(network.name, layer, shape, layer.wiring, skip=head["skip"])
