"""A layer in one safetensors file: wiring, model and weights. Nothing is ever unpickled."""

import itertools
import json
import os
from typing import Any

import safetensors
import safetensors.torch
import torch

from wormnet import models
from wormnet.atomic import write_whole
from wormnet.engine.dispatch import check_backend
from wormnet.errors import ArgumentError, DataError, WormnetError, shown
from wormnet.models.spec import check_flag
from wormnet.nn.layers import layer_of
from wormnet.nn.parameters import OLD_KEY, prove_plain
from wormnet.nn.recurrent import Recurrent
from wormnet.nn.wired_linear import WiredLinear
from wormnet.paths import checked, printable, prove_file
from wormnet.wiring.files import from_json, to_json
from wormnet.wiring.plain_json import few_values

__all__ = ["built", "fill", "head_of", "load", "number", "of_another_form", "read", "save", "tensors_of"]

FORMAT, VERSION = "wormnet-layer", 2
"""Version 1, of releases before 0.2, stored non-negative numbers without the shift of `constraints`."""

READ_BY = {
    FORMAT: " A layer is read by wormnet.load, and a policy is made of it by Policy(layer).",
    "wormnet-policy": " A policy is read by wormnet.control.Policy.load.",
    "wormnet-driver": " A driver is read by wormnet.control.Driver.load.",
    "wormnet-estimator": " An estimator is read by load of its class, and its layer() is a layer to save.",
    "wormnet-run 1": " A network of a study is read by wormnet.study.weights.load.",
}
"""What to do with the package's files of other things."""

DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16)
"""What a layer computes in; torch has other floating dtypes that it only stores."""


def save(layer: Recurrent | WiredLinear, path: str | os.PathLike[str]) -> None:
    """Write a layer into one safetensors file that holds its wiring, model, options and weights.

    The file appears whole or not at all. Whether the layer is in training, on which device it is, which engine was
    asked for and whether it is to checkpoint is not kept.

    Args: layer: any layer of wormnet.   path: the file, by custom ending in .safetensors.
    Raises: ArgumentError if it is no layer of wormnet, has no values (device "meta"), tied weights, which `load` would
        untie, or pruned or parametrized ones, which it could not compute, or for what is no path; DataError if the file
        cannot be written.

    >>> import tempfile, wormnet
    >>> layer = wormnet.LTC(wormnet.auto_ncp(inputs=4, neurons=8, outputs=1))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(layer, f"{folder}/layer.safetensors")
    ...     again = load(f"{folder}/layer.safetensors")
    >>> again.wiring == layer.wiring and torch.equal(again.v_leak, layer.v_leak)
    True
    """
    head = head_of(layer)
    content = safetensors.torch.save(tensors_of(layer), metadata={"wormnet": json.dumps(head, default=number)})
    write_whole(path, content)


def head_of(layer: Recurrent | WiredLinear) -> dict[str, Any]:
    """What a file tells of a layer beside its weights. Raises ArgumentError for what `load` could not build again."""
    if isinstance(layer, Recurrent):
        if models.MODELS.get(layer.model.name) is not type(layer.model):
            raise ArgumentError(
                f"the model {type(layer.model).__name__} is not registered, so `load` could not find it by the name "
                f"{layer.model.name!r}; decorate its class with wormnet.models.register."
            )
        options: dict[str, Any] = {
            "model": layer.model.name,
            "model_options": layer.model.options,
            "mixed_memory": layer.mixed_memory,
            "proj_size": layer.proj_size,
            "batch_first": layer.batch_first,
            "return_sequences": layer.return_sequences,
            "time_unit": layer.time_unit,
            "time_constants": layer.time_constants,
        }
    elif isinstance(layer, WiredLinear):
        options = {"model": "linear", "bias": layer.bias is not None}
    else:
        raise ArgumentError(
            f"save takes a layer of wormnet, not {type(layer).__name__}; a whole model: its state_dict."
        )
    return {"format": FORMAT, "version": VERSION, "wiring": to_json(layer.wiring), **options}


def load(
    path: str | os.PathLike[str], *, device: torch.device | str | None = None, backend: str = "auto"
) -> Recurrent | WiredLinear:
    """Read a layer that `save` wrote: an LTC, CfC, CTRNN, MixedMemory or WiredLinear with the same bits.

    Args: path: the file.   device: where to put it.   backend: as for Recurrent.
    Raises: DataError if there is no such file, or it holds no layer or a damaged one; nothing in it is executed.
        ArgumentError for what is no path.
    """
    check_backend(backend)
    tensors, head = read(path)
    name = printable(checked(path))
    if head is None:
        raise DataError(f"{name} holds tensors but no wormnet layer; it takes a file that wormnet.save wrote.")
    try:
        head = json.loads(few_values(head))
        layer = built(head, backend)
        fill(layer, tensors, old=head["version"] == 1)
    except (WormnetError, KeyError, TypeError, ValueError, RecursionError, RuntimeError) as error:
        reason = f"it lacks {error}" if isinstance(error, KeyError) else str(error).partition("\n")[0]
        raise DataError(f"{name} does not hold a valid layer: {reason[:1000]}") from None
    return layer.to(device) if device is not None else layer


def built(head: dict[str, Any], backend: str = "auto") -> Recurrent | WiredLinear:
    """The layer that a head tells of, without memory for its weights: it is on the device "meta"."""
    if not isinstance(head, dict):
        raise TypeError(f"its head is {shown(head)}; it takes an object.")
    if head["format"] != FORMAT or head["version"] not in range(1, VERSION + 1):
        raise ValueError(of_another_form(head, FORMAT, f"1 to {VERSION}"))
    wiring = from_json(head["wiring"])
    if head["model"] == "linear":
        return WiredLinear(wiring, bias=head["bias"], device="meta")
    model = models.named(head["model"], **head["model_options"])
    # Without memory for the weights yet: the file may ask for any size, and nothing is drawn at random.
    options: dict[str, Any] = {name: head[name] for name in ("proj_size", "batch_first", "return_sequences")}
    options |= {name: head[name] for name in ("time_unit", "time_constants") if name in head}
    options["device"] = "meta"
    check_flag("mixed_memory", head["mixed_memory"])
    return layer_of(wiring, model, mixed_memory=head["mixed_memory"], backend=backend, **options)


def of_another_form(head: dict[str, Any], form: str, versions: object = "") -> str:
    """What an error says of a head of another form or version: what it is, what is read here, and who reads it."""
    found, number = head["format"], head.get("version")
    told = repr(found) if number is None else f"{found!r} version {number!r}"
    takes = f"{form!r} version {versions}" if versions else repr(form)
    reader = "" if found == form else READ_BY.get(str(found), "")
    return f"it is {told}; this reads {takes}.{reader}"


def read(path: str | os.PathLike[str]) -> tuple[dict[str, torch.Tensor], str | None]:
    """The tensors of a safetensors file, and what wormnet wrote beside them.

    Raises: ArgumentError for what is no path, DataError for what is no such file.
    """
    path = prove_file(path)
    try:
        with safetensors.safe_open(str(path), framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, (file.metadata() or {}).get("wormnet")  # noqa: SIM118
    except (OSError, safetensors.SafetensorError, UnicodeDecodeError, ValueError) as error:
        raise DataError(
            f"{printable(path)} cannot be read as a safetensors file: {shown(str(error), 300)[1:-1]}."
        ) from None


def fill(layer: torch.nn.Module, tensors: dict[str, torch.Tensor], *, old: bool = False) -> None:
    """Give a module its tensors, all of them and no others. Raises ValueError for what does not fit."""
    wanted = layer.state_dict()
    if old and OLD_KEY not in tensors:
        raise ValueError(f"tensor {OLD_KEY!r} is missing.")
    own = {name: value for name, value in tensors.items() if not old or name != OLD_KEY}
    for name in sorted({*wanted, *own}):
        if name not in own or name not in wanted:
            raise ValueError(f"tensor {name!r} is {'missing' if name not in own else 'unknown'}.")
        if tensors[name].shape != wanted[name].shape:
            given, takes = tuple(tensors[name].shape), tuple(wanted[name].shape)
            raise ValueError(f"tensor {name!r} has shape {given}; this layer takes {takes}.")
    floating = {value.dtype for value in own.values()}
    if len(floating) > 1 or not floating <= set(DTYPES):
        takes = ", ".join(map(str, DTYPES))
        raise ValueError(
            f"its weights are of {', '.join(sorted(map(str, floating)))}; it takes one floating dtype of {takes}."
        )
    layer.load_state_dict(tensors, assign=True)


def tensors_of(layer: torch.nn.Module) -> dict[str, torch.Tensor]:
    """What is saved: a copy of each tensor of the layer, of which no two may be one, and none computed from others."""
    prove_plain(layer)
    found: dict[str, torch.Tensor] = {}
    lying: list[tuple[int, int, str]] = []  # first byte, byte past the last, name
    for name, value in layer.state_dict().items():
        if value.is_meta:
            raise ArgumentError(
                f"{name} has no values: the layer is on the device 'meta'; layer.to_empty(...) and fill it."
            )
        value = value.detach()
        found[name] = value.cpu().contiguous().clone()
        if value.numel():
            extent = 1 + sum((n - 1) * step for n, step in zip(value.shape, value.stride()))
            lying.append((value.data_ptr(), value.data_ptr() + extent * value.element_size(), name))
    lying.sort()
    for (_, stop, name), (start, _, other) in itertools.pairwise(lying):
        if start < stop:
            raise ArgumentError(
                f"{name} and {other} are tied: they share memory, and the file would hold them twice and load them "
                f"apart. Give one its own: layer.{other} = torch.nn.Parameter(layer.{other}.detach().clone())."
            )
    return found


def number(value: Any) -> int | float:
    """An option given as a NumPy number."""
    return value.item()
