"""A trained estimator in one safetensors file: arguments, network, weights. Nothing is ever unpickled."""

import json
import os
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from wormnet.atomic import write_whole
from wormnet.errors import ArgumentError, DataError, WormnetError, shown
from wormnet.estimators.settings import network_of
from wormnet.nn import Recurrent
from wormnet.nn.files import built, fill, head_of, of_another_form, read, tensors_of
from wormnet.paths import checked, printable
from wormnet.study.fit import History
from wormnet.study.network import Predictor, Shape, assembled, build
from wormnet.study.weights import check_sizes
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


def save(model: "Trained", path: str | os.PathLike[str]) -> None:
    """Write a trained estimator. See `Trained.save`."""
    predictor, core = model.predictor_, model.rnn_
    arguments = model.get_params(deep=False)
    head = {
        "format": FORMAT,
        "version": VERSION,
        "kind": type(model).__name__,
        "network": _network(arguments.pop("network")),
        "arguments": {name: _argument(name, value) for name, value in arguments.items()},
        "attributes": {name: _attribute(vars(model)[name]) for name in model._kept if name in vars(model)},
        "shape": asdict(predictor.shape),
        "history": asdict(model.history_),
        # As `wormnet.save` tells of a layer; another network is built anew from its name.
        "layer": head_of(core) if type(predictor) is Predictor and isinstance(core, Recurrent) else None,
        "skip": predictor.skip is not None,
    }
    write_whole(path, safetensors.torch.save(tensors_of(predictor), metadata={"wormnet": json.dumps(head)}))


def _network(network: Any) -> Any:
    """The argument as JSON; None for a network that is code, which a file does not hold."""
    if isinstance(network, Wiring):
        return {"wiring": to_json(network)}
    return network if isinstance(network, str) and ":" not in network else None


def _argument(name: str, value: Any) -> Any:
    value = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        raise ArgumentError(
            f"{name} is {shown(value)}; a file holds numbers, texts and lists of them. Change it first: "
            f"set_params({name}=...)."
        ) from None
    return value


def _attribute(value: Any) -> Any:
    if not isinstance(value, np.ndarray):
        return value
    if value.dtype.kind not in _KINDS or not all(isinstance(one, bool | int | float | str) for one in value.tolist()):
        raise ArgumentError(
            f"a file holds classes that are numbers or text; these are of {value.dtype}: {shown(value.tolist())}."
        )
    return {"dtype": value.dtype.str, "values": value.tolist()}


def load(kind: type["Trained"], path: str | os.PathLike[str], network: Any = None) -> Any:
    """Read a trained estimator. See `Trained.load`."""
    tensors, text = read(path)
    name = printable(checked(path))
    if text is None:
        raise DataError(f"{name} holds tensors but no estimator; it takes a file that {kind.__name__}.save wrote.")
    try:
        head = json.loads(few_values(text, MOST_VALUES))
        if head["format"] != FORMAT or head["version"] != VERSION:
            raise ValueError(of_another_form(head, FORMAT, VERSION))
        if head["kind"] != kind.__name__:
            raise ValueError(f"it holds a {shown(head['kind'])}; read it by its own `load`.")
        model = _restored(kind, head, tensors, network)
    except (WormnetError, KeyError, TypeError, ValueError, RecursionError, RuntimeError, AttributeError) as error:
        reason = f"it lacks {error}" if isinstance(error, KeyError) else str(error).partition("\n")[0]
        raise DataError(f"{name} does not hold a valid estimator: {reason[:1000]}") from None
    return model


def _restored(kind: type["Trained"], head: dict[str, Any], tensors: dict[str, Tensor], network: Any) -> "Trained":
    given = head["network"] if network is None else network
    if given is None:
        raise ValueError("its network is code of one's own, which no file holds; say it: load(path, network=...).")
    if isinstance(given, dict):
        given = from_json(given["wiring"])
    elif network is None and not (isinstance(given, str) and ":" not in given):
        raise ValueError(f"its network is {shown(given)}; it takes a name.")
    for what, names, known in (
        ("argument", head["arguments"], {one.name for one in fields(kind)} - {"network"}),
        ("attribute", head["attributes"], kind._kept),
    ):
        for name in names:
            if name not in known:
                raise ValueError(f"{what} {shown(name)} is unknown.")
    model = kind(network=given, **head["arguments"])  # pyright: ignore[reportCallIssue]
    for name, value in head["attributes"].items():
        setattr(model, name, _value(value))
    model.history_ = History(**head["history"])
    predictor = _predictor(model, head)
    fill(predictor, tensors)
    model.predictor_ = predictor.eval()
    model.is_fitted = True
    return model


def _value(given: Any) -> Any:
    if not isinstance(given, dict):
        return given
    dtype = np.dtype(given["dtype"])
    if dtype.kind not in _KINDS:
        raise ValueError(f"dtype is {shown(given['dtype'])}; classes are numbers or text.")
    return np.array(given["values"], dtype)


def _predictor(model: "Trained", head: dict[str, Any]) -> Predictor:
    """The network without its weights."""
    network, shape = network_of(model.network), Shape(**head["shape"])
    check_sizes(shape)
    if head["layer"] is None:
        with torch.random.fork_rng():
            return build(network, shape, model._drawn)
    layer = built(head["layer"])
    if not isinstance(layer, Recurrent):
        raise ValueError("its layer is not recurrent.")
    with torch.device("meta"):
        return assembled(network.name, layer, shape, layer.wiring, skip=head["skip"])
