"""LTC, CfC and CT-RNN as layers of Keras."""

import sys
import warnings
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from wormnet import models
from wormnet.compat.keras.cell import Cell, keras
from wormnet.errors import ArgumentError, ShapeError
from wormnet.models.equation import Model
from wormnet.nn.recurrent import Recurrent
from wormnet.wiring.core import Wiring
from wormnet.wiring.files import from_json, to_json

__all__ = ["CTRNN", "LTC", "CfC", "from_torch", "to_torch"]

ops = keras.ops
OF_RNN = ("return_sequences", "return_state", "go_backwards", "stateful", "unroll", "zero_output_for_mask")


class _Wired(keras.layers.RNN):
    """A wired layer; see LTC."""

    MODEL: ClassVar[type[Model]]

    def __init__(self, wiring: Wiring, *, time_unit: float = 1.0, proj_size: int | None = None, **options: Any):
        if not isinstance(wiring, Wiring):
            raise ArgumentError(f"wiring is {type(wiring).__name__}; it takes a Wiring, for example auto_ncp(...).")
        chosen = {name: options.pop(name) for name in self.MODEL.option_names() if name in options}
        model = self.MODEL(**chosen)
        model.check(wiring)
        self._config = {"wiring": to_json(wiring), "time_unit": time_unit, "proj_size": proj_size, **model.options}
        dtype = options.get("dtype")
        super().__init__(Cell(wiring, model, time_unit, proj_size, dtype=dtype), **options)

    @property
    def wiring(self) -> Wiring:
        """Who is connected to whom."""
        return self.cell.wiring

    def build(self, sequences_shape: Any, dt_shape: Any = None, initial_state_shape: Any = None) -> None:
        """Make the weights for x (batch, time, inputs)."""
        self._check(sequences_shape)
        super().build((*sequences_shape[:-1], self.wiring.n_inputs + 1))

    def _check(self, shape: Any) -> None:
        n = self.wiring.n_inputs
        if len(shape) != 3 or shape[-1] != n or not n:
            raise ShapeError(f"x has shape {tuple(shape)}; on this wiring it takes (batch, time, {n or '1 or more'}).")

    def compute_output_shape(self, sequences_shape: Any, dt_shape: Any = None, initial_state_shape: Any = None) -> Any:
        """The shape of y, and of the states if they are returned."""
        return super().compute_output_shape(sequences_shape, initial_state_shape)

    def call(
        self, sequences: Any, dt: Any = None, initial_state: Any = None, mask: Any = None, training: bool = False
    ) -> Any:
        """Run x (batch, time, inputs), with dt (batch, time), a number, or None for one `time_unit`.

        Raises: ShapeError for x or dt of other shapes; ArgumentError for a dt that is not finite and > 0 where the mask
            is true. Inside a compiled function (`fit` and `predict` on JAX, `jax.jit`, `torch.compile`, a graph of
            TensorFlow) there are no numbers to look at; a wrong dt makes the sequence NaN from there on.
        """
        self._check(sequences.shape)
        first = ops.zeros_like(sequences[:, :, :1])
        if dt is None:
            times = first + self.cell.time_unit
        else:
            given = ops.cast(ops.convert_to_tensor(dt), self.compute_dtype)
            if given.shape and not _fits(given.shape, sequences.shape[:2]):
                raise ShapeError(
                    f"dt has shape {tuple(given.shape)}; it takes a number, or (batch, time), (batch, 1) or (1, time) "
                    f"of x, which is {tuple(sequences.shape)}."
                )
            times = first + (given if len(given.shape) == 0 else given[:, :, None])
            times = _proved_times(times[:, :, 0], mask, self.cell.time_unit)[:, :, None]
        x = ops.concatenate([sequences, times], axis=2)
        return super().call(x, initial_state=initial_state, mask=mask, training=training)

    def get_config(self) -> dict[str, Any]:
        """What `from_config` takes: plain values, the wiring as text."""
        base = keras.layers.Layer.get_config(self)
        return {**base, **{name: getattr(self, name) for name in OF_RNN}, **self._config}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "_Wired":
        """The layer of a config."""
        config = dict(config)
        return cls(from_json(config.pop("wiring")), **config)


@keras.saving.register_keras_serializable(package="wormnet")
class LTC(_Wired):
    """Liquid time-constant neurons on a wiring, as a layer of Keras; the equation is that of `wormnet.models.LTC`.

    Args:
        wiring: who is connected to whom.
        time_unit: how much of dt is one unit of the equation's time.
        proj_size: None, or the width of a linear map after the outputs.
        **options: of the model (unfolds, solver, ...), and of keras.layers.RNN (return_sequences, return_state, ...).

    Call: layer(x, dt=None, initial_state=None, mask=None) with x (batch, time, inputs) and dt (batch, time), a number
        or None for one `time_unit`.

    Raises: ArgumentError, ShapeError for what does not fit.

    >>> import wormnet
    >>> layer = LTC(wormnet.auto_ncp(inputs=4, neurons=8, outputs=1), return_sequences=True)
    >>> layer(keras.ops.zeros((2, 5, 4))).shape == (2, 5, 1)
    True
    """

    MODEL = models.LTC


@keras.saving.register_keras_serializable(package="wormnet")
class CfC(_Wired):
    """Closed-form continuous-time neurons on a wiring, as a layer of Keras; see `wormnet.models.CfC` and LTC.

    Without backbone and fixed_zeros.
    """

    MODEL = models.CfC


@keras.saving.register_keras_serializable(package="wormnet")
class CTRNN(_Wired):
    """Leaky rate neurons on a wiring, as a layer of Keras; see `wormnet.models.CTRNN` and LTC."""

    MODEL = models.CTRNN


def _fits(shape: Any, takes: Any) -> bool:
    """Whether dt goes with (batch, time); None is a size that is not known yet."""
    pairs = zip(shape, takes)
    return len(shape) == 2 and all(None in (one, other) or one in (1, other) for one, other in pairs)


def _proved_times(times: Any, mask: Any, time_unit: float) -> Any:
    """(batch, time) times that are right, or NaN where nobody can look; what the mask leaves out is one unit."""
    if mask is not None:
        # Padding is often 0 or NaN, in dt too. The sample is not kept, but its derivative is multiplied by 0.
        times = ops.where(ops.cast(ops.convert_to_tensor(mask), "bool"), times, time_unit)
    good = ops.logical_and(times > 0, ops.isfinite(times))
    known = _seen(good)
    if known is None:
        return ops.where(good, times, float("nan"))
    if not known.all():
        wrong = _seen(times)[~known][0]  # pyright: ignore[reportOptionalSubscript]
        raise ArgumentError(f"dt holds {wrong:g}; it is the time since the previous sample, finite and > 0.")
    return times


def _seen(one: Any) -> NDArray[Any] | None:
    """The numbers of a tensor of Keras' back end; None while it is traced, and has none."""
    if isinstance(one, torch.Tensor):
        return None if one.is_meta or torch.compiler.is_compiling() else one.detach().cpu().numpy()
    if keras.backend.backend() == "jax":
        return None if isinstance(one, sys.modules["jax"].core.Tracer) else np.asarray(one)
    return np.asarray(one) if hasattr(one, "numpy") else None  # TensorFlow


LAYERS: dict[type[Model], type[_Wired]] = {one.MODEL: one for one in (LTC, CfC, CTRNN)}


def from_torch(rnn: Recurrent, **options: Any) -> Any:
    """The layer of Keras with the wiring, options and weights of a torch layer.

    Args: rnn: LTC, CfC or CTRNN.   **options: of keras.layers.RNN; return_sequences is that of rnn.
    Raises: ArgumentError for a layer that Keras has no counterpart of.

    >>> import wormnet
    >>> rnn = wormnet.CTRNN(wormnet.auto_ncp(inputs=4, neurons=8, outputs=1))
    >>> layer = from_torch(rnn)
    >>> bool((to_torch(layer).bias == rnn.bias).all())
    True
    """
    if not isinstance(rnn, Recurrent):
        raise ArgumentError(f"from_torch takes a recurrent layer of wormnet, not {type(rnn).__name__}.")
    kind = LAYERS.get(type(rnn.model))
    if kind is None or rnn.mixed_memory:
        what = "mixed memory" if rnn.mixed_memory else f"the model {rnn.model.name!r}"
        raise ArgumentError(f"in Keras there are LTC, CfC and CTRNN, without mixed memory; this layer has {what}.")
    chosen = {"return_sequences": rnn.return_sequences, **options}
    made = kind(rnn.wiring, time_unit=rnn.time_unit, proj_size=rnn.proj_size, **rnn.model.options, **chosen)
    made.build((None, None, rnn.wiring.n_inputs))
    for name, value in rnn.state_dict().items():
        made.cell.stored[name].assign(value.detach().cpu().float().numpy())
    return made


def to_torch(layer: Any, *, backend: str = "auto") -> Recurrent:
    """The torch layer with the wiring, options and weights of a layer of Keras, batch first.

    Args: layer: one of this module that has weights.   backend: as for Recurrent.
    Raises: ArgumentError if it is none, or has no weights yet.
    """
    if not isinstance(layer, _Wired) or not layer.built:
        raise ArgumentError("to_torch takes an LTC, CfC or CTRNN of wormnet.compat.keras that was built or called.")
    import torch

    cell = layer.cell
    rnn = Recurrent(
        *(cell.wiring, cell.model),
        proj_size=cell.proj_size,
        return_sequences=layer.return_sequences,
        time_unit=cell.time_unit,
        backend=backend,
    )
    with warnings.catch_warnings():
        # Keras 3.15 asks tensors for arrays in a way that NumPy 2 warns of.
        warnings.simplefilter("ignore", DeprecationWarning)
        values = {name: torch.tensor(ops.convert_to_numpy(one)) for name, one in cell.stored.items()}
    rnn.load_state_dict(values)
    return rnn
