"""A policy in one safetensors file. Nothing is ever unpickled."""

import dataclasses
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from wormnet import nn
from wormnet.atomic import write_whole
from wormnet.control.maps import FEELS, MOVES, Projection
from wormnet.errors import DataError, WormnetError
from wormnet.nn.files import number, of_another_form, read
from wormnet.nn.recurrent import Recurrent
from wormnet.paths import checked, printable, prove_file
from wormnet.wiring.biophysics import Biophysical
from wormnet.wiring.files import from_json, to_json
from wormnet.wiring.plain_json import few_values

if TYPE_CHECKING:
    from wormnet.control.policy import Policy

__all__ = ["described", "headed", "is_policy", "load", "packed", "save", "unpacked"]

FORMAT, VERSION = "wormnet-policy", 1
OPTIONS = ("observe", "observations", "dt", "steps", "warmup")


def save(policy: "Policy", path: str | os.PathLike[str]) -> None:
    """Write a policy; see `Policy.save`."""
    network: Any = policy.network
    tensors: dict[str, Any] = {"theta": policy.vector()}
    head: dict[str, Any] = {"format": FORMAT, "version": VERSION}
    if isinstance(network, Biophysical):
        head |= {"wiring": to_json(network.wiring), "held": {k: float(v) for k, v in network.held.items()}}
        tensors |= {f"circuit.{name}": np.array(value) for name, value in network.values.items()}
    else:
        tensors["layer"] = packed(network)
    head |= _maps_of(policy)
    content = safetensors.numpy.save(tensors, metadata={"wormnet": json.dumps(head, default=number)})
    write_whole(path, content)


def described(policy: "Policy") -> str:
    """What a policy is besides its numbers, as text: equal where the same numbers act alike."""
    network: Any = policy.network
    if isinstance(network, Biophysical):
        made: dict[str, Any] = {"held": {k: float(v) for k, v in network.held.items()}}
    else:
        made = {"model": [network.model.name, network.model.options, network.mixed_memory, network.time_unit]}
    return json.dumps({"wiring": to_json(network.wiring), **made, **_maps_of(policy)}, default=str)


def load(path: str | os.PathLike[str]) -> "Policy":
    """Read a policy; see `Policy.load`."""
    from wormnet.control.policy import Policy

    read_tensors, text = read(path)
    try:
        head = headed(text, FORMAT, VERSION)
        tensors = {key: one.numpy() for key, one in read_tensors.items()}
        if "wiring" in head:
            values = {key.partition(".")[2]: value for key, value in tensors.items() if key.startswith("circuit.")}
            network: Any = Biophysical(from_json(head["wiring"]), values, head["held"])
        else:
            network = unpacked(tensors["layer"])
        maps = {"sense": _read(head["sense"], FEELS), "move": _read(head["move"], MOVES)}
        policy = Policy(network, **maps, **{name: head[name] for name in OPTIONS})
        policy.set_vector(tensors["theta"])
    except (WormnetError, KeyError, TypeError, ValueError, RecursionError, AttributeError, OverflowError) as error:
        reason = f"it lacks {error}" if isinstance(error, KeyError) else str(error).partition("\n")[0]
        raise DataError(f"{printable(checked(path))} holds no valid policy: {reason[:1000]}") from None
    return policy


def packed(layer: Recurrent) -> NDArray[np.uint8]:
    """A layer's own file, whole, as one array: one reader proves it, here and alone."""
    with tempfile.TemporaryDirectory() as folder:
        nn.save(layer, Path(folder) / "layer")
        return np.frombuffer((Path(folder) / "layer").read_bytes(), np.uint8)


def unpacked(content: NDArray[np.uint8]) -> Recurrent:
    """The layer that was packed. Raises: DataError, or ValueError for another kind of layer."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "layer").write_bytes(content.tobytes())
        layer = nn.load(Path(folder) / "layer")
    if not isinstance(layer, Recurrent):
        raise ValueError("its layer is not recurrent")
    return layer


def headed(text: str | None, form: str, version: int) -> dict[str, Any]:
    """The head of a file of a form. Raises: ValueError, KeyError, TypeError, RecursionError for anything else."""
    head = json.loads(few_values(text or ""))
    if head["format"] != form or head["version"] != version:
        raise ValueError(of_another_form(head, form, version))
    return head


def is_policy(path: str | os.PathLike[str]) -> bool:
    """Whether a file says that it holds a policy; `load` proves it.

    Raises: DataError if there is no such file.
    """
    path = prove_file(path)
    try:
        with safetensors.safe_open(str(path), framework="np") as file:
            head = json.loads(few_values((file.metadata() or {}).get("wormnet", "")))
    except (OSError, safetensors.SafetensorError, WormnetError, ValueError, RecursionError):
        return False
    return isinstance(head, dict) and head.get("format") == FORMAT


def _maps_of(policy: "Policy") -> dict[str, Any]:
    maps = {"sense": _written(policy.sense), "move": _written(policy.move)}
    return maps | {name: getattr(policy, name) for name in OPTIONS}


def _written(maps: tuple[Any, ...] | None) -> Any:
    if maps is None:
        return None
    return [[type(one).__name__, {"width": one.width} if isinstance(one, Projection) else dataclasses.asdict(one)]
            for one in maps]  # fmt: skip


def _read(maps: Any, kinds: Any) -> Any:
    return None if maps is None else [kinds[kind](**values) for kind, values in maps]
