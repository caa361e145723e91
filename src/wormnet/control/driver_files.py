"""A driver in one safetensors file. Nothing is ever unpickled."""

import json
import os
from typing import TYPE_CHECKING, Any

import safetensors.numpy
import torch

from wormnet.atomic import write_whole
from wormnet.control.policy_files import headed, packed, unpacked
from wormnet.errors import ArgumentError, DataError, WormnetError
from wormnet.nn.files import read
from wormnet.nn.recurrent import Recurrent
from wormnet.paths import checked, printable

if TYPE_CHECKING:
    from wormnet.control.driver import Driver

__all__ = ["load", "save"]

FORMAT, VERSION = "wormnet-driver", 1
PARTS = ("head.", "read_out.")


def save(driver: "Driver", path: str | os.PathLike[str]) -> None:
    """Write a driver; see `Driver.save`."""
    if not isinstance(driver.core, Recurrent):
        raise ArgumentError(
            f"the driver's core is a {type(driver.core).__name__}; its file takes a recurrent layer of wormnet. Of any "
            "other keep driver.state_dict()."
        )
    state = driver.state_dict()
    tensors: dict[str, Any] = {
        name: one.detach().cpu().contiguous().numpy() for name, one in state.items() if name.startswith(PARTS)
    }
    head = {"format": FORMAT, "version": VERSION, "pictures": driver.pictures, "filters": driver.filters}
    content = {**tensors, "core": packed(driver.core)}
    write_whole(path, safetensors.numpy.save(content, metadata={"wormnet": json.dumps(head)}))


def load(path: str | os.PathLike[str]) -> "Driver":
    """Read a driver; see `Driver.load`."""
    from wormnet.control.driver import Driver

    given, text = read(path)
    try:
        head = headed(text, FORMAT, VERSION)
        rows, columns, channels = head["pictures"]
        if not 0 < rows * columns * channels <= 2**24:
            raise ValueError(f"its pictures are {rows} x {columns} x {channels}")
        sizes = {"rows": rows, "columns": columns, "channels": channels, "filters": tuple(head["filters"])}
        core = unpacked(given.pop("core").numpy())
        # What does not fit is found before anything as large as the file says is made.
        with torch.device("meta"):
            driver = Driver(core, **sizes)
        made = {key: one for key, one in driver.state_dict().items() if key.startswith(PARTS)}
        for key in sorted(made.keys() | given.keys()):
            one = given.get(key)
            if one is None or key not in made or (one.shape, one.dtype) != (made[key].shape, made[key].dtype):
                told = "missing" if one is None else f"{tuple(one.shape)} of {one.dtype}"
                raise ValueError(f"{key} is {told}, which does not fit its pictures and filters")
        driver.load_state_dict(given, strict=False, assign=True)
    except (WormnetError, KeyError, TypeError, ValueError, RuntimeError, AttributeError, OverflowError) as error:
        reason = f"it lacks {error}" if isinstance(error, KeyError) else str(error).partition("\n")[0]
        raise DataError(f"{printable(checked(path))} holds no valid driver: {reason[:1000]}") from None
    return driver.eval()
