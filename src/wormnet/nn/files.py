"""A layer in one safetensors file: wiring, model and weights. Nothing is ever unpickled."""

import json
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch

from wormnet import models
from wormnet.atomic import write_whole
from wormnet.errors import ArgumentError, DataError, WormnetError
from wormnet.kernels.dispatch import check_backend
from wormnet.models.spec import check_flag
from wormnet.nn.layers import layer_of
from wormnet.nn.recurrent import Recurrent
from wormnet.nn.wired_linear import WiredLinear
from wormnet.wiring.files import from_json, to_json

__all__ = ["load", "save"]

FORMAT, VERSION = "wormnet-layer", 1


def save(layer: Recurrent | WiredLinear, path: str | Path) -> None:
    """Write a layer into one safetensors file that holds its wiring, model, options and weights.

    The file appears whole or not at all. Whether the layer is in training, on which device it is, which engine was
    asked for and whether it is to checkpoint is not kept.

    Args: layer: any layer of wormnet.   path: the file, by custom ending in .safetensors.
    Raises: ArgumentError if it is no layer of wormnet, DataError if the file cannot be written.

    >>> import tempfile, wormnet
    >>> layer = wormnet.LTC(wormnet.auto_ncp(inputs=4, neurons=8, outputs=1))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(layer, f"{folder}/layer.safetensors")
    ...     again = load(f"{folder}/layer.safetensors")
    >>> again.wiring == layer.wiring and torch.equal(again.v_leak, layer.v_leak)
    True
    """
    if isinstance(layer, Recurrent):
        options: dict[str, Any] = {
            "model": layer.model.name,
            "model_options": layer.model.options,
            "mixed_memory": layer.mixed_memory,
            "proj_size": layer.proj_size,
            "batch_first": layer.batch_first,
            "return_sequences": layer.return_sequences,
        }
    elif isinstance(layer, WiredLinear):
        options = {"model": "linear", "bias": layer.bias is not None}
    else:
        raise ArgumentError(
            f"save takes a layer of wormnet, not {type(layer).__name__}; a whole model: its state_dict."
        )
    head = {"format": FORMAT, "version": VERSION, "wiring": to_json(layer.wiring), **options}
    tensors = {name: value.detach().cpu().contiguous() for name, value in layer.state_dict().items()}
    content = safetensors.torch.save(tensors, metadata={"wormnet": json.dumps(head, default=_number)})
    write_whole(path, content)


def load(
    path: str | Path, *, device: torch.device | str | None = None, backend: str = "auto"
) -> Recurrent | WiredLinear:
    """Read a layer that `save` wrote: an LTC, CfC, CTRNN, MixedMemory or WiredLinear with the same bits.

    Args: path: the file.   device: where to put it.   backend: as for Recurrent.
    Raises: DataError if there is no such file, or it holds no layer or a damaged one; nothing in it is executed.
    """
    path = Path(path)
    check_backend(backend)
    try:
        with safetensors.safe_open(str(path), framework="pt") as file:
            head = (file.metadata() or {}).get("wormnet")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise DataError(f"there is no file {path}.") from None
    except (OSError, safetensors.SafetensorError, UnicodeDecodeError, ValueError) as error:
        raise DataError(f"{path} cannot be read as a safetensors file: {error}.") from None
    if head is None:
        raise DataError(f"{path} holds tensors but no wormnet layer; it takes a file that wormnet.save wrote.")
    try:
        layer = _build(json.loads(head), backend)
        _fill(layer, tensors)
    except (WormnetError, KeyError, TypeError, ValueError, RecursionError, RuntimeError) as error:
        reason = f"it lacks {error}" if isinstance(error, KeyError) else str(error).partition("\n")[0]
        raise DataError(f"{path} does not hold a valid layer: {reason}") from None
    return layer.to(device) if device is not None else layer


def _build(head: dict[str, Any], backend: str) -> Recurrent | WiredLinear:
    if head["format"] != FORMAT or head["version"] != VERSION:
        raise ValueError(
            f"it is {head['format']!r} version {head['version']!r}; this reads {FORMAT!r} version {VERSION}."
        )
    wiring = from_json(head["wiring"])
    if head["model"] == "linear":
        return WiredLinear(wiring, bias=head["bias"], device="meta")
    model = models.named(head["model"], **head["model_options"])
    # Without memory for the weights yet: the file may ask for any size, and nothing is drawn at random.
    options: dict[str, Any] = {name: head[name] for name in ("proj_size", "batch_first", "return_sequences")}
    options["device"] = "meta"
    check_flag("mixed_memory", head["mixed_memory"])
    return layer_of(wiring, model, mixed_memory=head["mixed_memory"], backend=backend, **options)


def _fill(layer: Recurrent | WiredLinear, tensors: dict[str, torch.Tensor]) -> None:
    wanted = layer.state_dict()
    for name in sorted({*wanted, *tensors}):
        if name not in tensors or name not in wanted:
            raise ValueError(f"tensor {name!r} is {'missing' if name not in tensors else 'unknown'}.")
        if tensors[name].shape != wanted[name].shape:
            given, takes = tuple(tensors[name].shape), tuple(wanted[name].shape)
            raise ValueError(f"tensor {name!r} has shape {given}; this layer takes {takes}.")
    floating = {value.dtype for name, value in tensors.items() if name != "wiring_digest"}
    if len(floating) > 1 or not all(dtype.is_floating_point for dtype in floating):
        raise ValueError(f"its weights are of {', '.join(sorted(map(str, floating)))}; it takes one floating dtype.")
    layer.load_state_dict(tensors, assign=True)


def _number(value: Any) -> int | float:
    """An option given as a NumPy number."""
    return value.item()
