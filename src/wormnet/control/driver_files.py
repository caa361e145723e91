"""A driver in one safetensors file. Nothing is ever unpickled."""

import json
import math
import os
from typing import TYPE_CHECKING, Any

import safetensors.numpy
import torch
from torch import nn

from wormnet.atomic import write_whole
from wormnet.control.cells import Memoryless
from wormnet.control.policy_files import headed, packed, unpacked
from wormnet.errors import ArgumentError, DataError, WormnetError, shown
from wormnet.nn.files import number, read, tensors_of
from wormnet.nn.recurrent import Recurrent
from wormnet.paths import checked, printable

if TYPE_CHECKING:
    from wormnet.control.driver import Driver

__all__ = ["load", "save"]

FORMAT, VERSION = "wormnet-driver", 1
OF_TORCH = ("input_size", "hidden_size", "num_layers", "bias", "dropout")
CORES: dict[str, tuple[type[nn.Module], tuple[str, ...], dict[str, Any]]] = {
    "LSTM": (nn.LSTM, (*OF_TORCH, "proj_size"), {"batch_first": True}),
    "GRU": (nn.GRU, OF_TORCH, {"batch_first": True}),
    "Memoryless": (Memoryless, ("inputs", "width"), {}),
}
"""Cores besides wormnet's layers: class, the attributes that make it anew, and what all of them are made with."""
MOST_PIXELS = 2**24
MOST_LAYERS = 64
"""Of a core of torch: a file that claims more would be built layer by layer before it was found out."""


def save(driver: "Driver", path: str | os.PathLike[str]) -> None:
    """Write a driver; see `Driver.save`."""
    core, tensors, ours = driver.core, tensors_of(driver), isinstance(driver.core, Recurrent)
    head: dict[str, Any] = {"format": FORMAT, "version": VERSION}
    head |= {"pictures": driver.pictures, "filters": driver.filters}
    if not ours:
        kind = next((kind for kind, (made, _, _) in CORES.items() if type(core) is made), None)
        if kind is None:
            raise ArgumentError(
                f"the driver's core is a {type(core).__name__}; its file takes a recurrent layer of wormnet, or "
                f"{', '.join(CORES)}. Of any other keep driver.state_dict()."
            )
        head["core"] = {"kind": kind, **{name: getattr(core, name) for name in CORES[kind][1]}}
    given = {name: one for name, one in tensors.items() if not (ours and name.startswith("core."))}
    try:
        head = json.loads(json.dumps(head, default=number))
        with torch.device("meta"):
            _prove(given, _driver_of(head, core if isinstance(core, Recurrent) else None))
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"the driver cannot be saved, since no file of it could be read: {error}.") from None
    content: dict[str, Any] = {name: one.numpy() for name, one in given.items()}
    if isinstance(core, Recurrent):
        content["core"] = packed(core)
    write_whole(path, safetensors.numpy.save(content, metadata={"wormnet": json.dumps(head)}))


def load(path: str | os.PathLike[str]) -> "Driver":
    """Read a driver; see `Driver.load`."""
    given, text = read(path)
    try:
        head = headed(text, FORMAT, VERSION)
        ours = unpacked(given.pop("core").numpy()) if "core" not in head else None
        # What does not fit is found before anything as large as the file says is made.
        with torch.device("meta"):
            driver = _driver_of(head, ours)
        _prove(given, driver)
        driver.load_state_dict(given, strict=ours is None, assign=True)
    except (WormnetError, KeyError, TypeError, ValueError, RuntimeError, AttributeError, OverflowError) as error:
        reason = f"it lacks {error}" if isinstance(error, KeyError) else str(error).partition("\n")[0]
        raise DataError(f"{printable(checked(path))} holds no valid driver: {reason[:1000]}") from None
    return driver.eval()


def _driver_of(head: dict[str, Any], ours: Recurrent | None) -> "Driver":
    """A driver of the sizes that a head tells, with numbers still to be set."""
    from wormnet.control.driver import Driver

    pictures = head["pictures"]
    if not all(type(n) is int and 0 < n <= MOST_PIXELS for n in pictures) or math.prod(pictures) > MOST_PIXELS:
        raise ValueError(f"its pictures are {shown(pictures)}")
    rows, columns, channels = pictures
    core = _core_of(head["core"]) if ours is None else ours
    return Driver(core, rows=rows, columns=columns, channels=channels, filters=head["filters"])


def _prove(given: dict[str, torch.Tensor], driver: "Driver") -> None:
    """Raise ValueError unless tensors are all of a driver's, of its shapes and in single precision; a layer of ours is
    not among them."""
    ours = isinstance(driver.core, Recurrent)
    made = {key: one for key, one in driver.state_dict().items() if not (ours and key.startswith("core."))}
    for key in sorted(made.keys() | given.keys()):
        one = given.get(key)
        if one is None or key not in made or one.shape != made[key].shape or one.dtype != torch.float32:
            told = "missing" if one is None else f"{tuple(one.shape)} of {one.dtype}"
            raise ValueError(f"{key} is {told}, which does not fit its pictures, filters and core in single precision")


def _core_of(described: dict[str, Any]) -> nn.Module:
    """A core that is none of wormnet's layers, with numbers still to be set."""
    made, names, always = CORES[described["kind"]]
    if described.get("num_layers", 1) > MOST_LAYERS:
        raise ValueError(f"its core has {described['num_layers']} layers; it takes {MOST_LAYERS} at most")
    return made(**{name: described[name] for name in names}, **always)
