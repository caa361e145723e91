"""A layer as a file of Keras 3 that holds its wiring."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from wormnet.atomic import write_whole
from wormnet.errors import ArgumentError, DataError
from wormnet.export.network import network_of, on_reference
from wormnet.export.samples import trial
from wormnet.nn.recurrent import Recurrent
from wormnet.paths import checked

__all__ = ["KerasFile", "keras"]


@dataclass(frozen=True)
class KerasFile:
    """What was written.

    Attributes:
        path: the file.
        measured: largest difference to the layer, over twenty random samples, of the model that Keras reads back.
    """

    path: Path
    measured: float


def keras(rnn: Recurrent, path: str | os.PathLike[str]) -> KerasFile:
    """Write a layer as a model of Keras 3 with the inputs x (batch, time, inputs) and dt (batch, time).

    The file holds wiring, options and weights, and is read by `keras.saving.load_model` on any back end once
    `wormnet.compat.keras` is imported. It is read back and compared with the layer before it is kept.

    Args: rnn: LTC, CfC or CTRNN, without mixed memory and backbone.   path: the file, ending in .keras.
    Raises: ArgumentError for what does not fit; DataError if the file cannot be written, or computes something else.
    """
    file = checked(path)
    if file.suffix != ".keras":
        raise ArgumentError(f"path is {file.name!r}; it takes a name that ends in .keras.")
    plain = on_reference(rnn)
    from wormnet.compat.keras import from_torch
    from wormnet.compat.keras.cell import keras as k

    made = from_torch(plain, return_sequences=rnn.return_sequences)
    x, dt = k.Input((None, plain.wiring.n_inputs), name="x"), k.Input((None,), name="dt")
    model = k.Model([x, dt], made(x, dt=dt))
    with tempfile.TemporaryDirectory() as folder:
        model.save(f"{folder}/model.keras")
        again = k.saving.load_model(f"{folder}/model.keras")
        content = Path(folder, "model.keras").read_bytes()
    samples = trial(network_of(plain))
    given = [torch.tensor(one[None], dtype=torch.float32).numpy() for one in (samples.x, samples.dt)]
    got = k.ops.convert_to_numpy(again(given))[0]
    measured = float(np.abs(got - (samples.y if rnn.return_sequences else samples.y[-1])).max())
    if not measured <= 1e-5 * samples.scale:
        raise DataError(f"what Keras reads back differs from the layer by {measured:.2g}, so nothing was written.")
    write_whole(file, content)
    return KerasFile(file, measured)
