"""What every layer asks of the tensors it is called with."""

import torch
from torch import Tensor

from wormnet.errors import ArgumentError, ShapeError

__all__ = ["check_input", "check_state"]


def check_input(x: object, stored: Tensor, takes: str, width: int) -> None:
    """Raise ArgumentError unless x is a tensor in the dtype and on the device of a layer's parameters.

    Under autocast any floating dtype will do. `takes` is the shape, with a place for the width.
    """
    if not isinstance(x, Tensor):
        raise ArgumentError(f"x is {type(x).__name__}; it takes a tensor {takes.format(width)}.")
    if x.device != stored.device:
        raise ArgumentError(f"x is on {x.device} and the layer on {stored.device}; move one with .to(...).")
    if x.dtype == stored.dtype:
        return
    kind = x.device.type
    autocast = torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)
    if not (x.is_floating_point() and autocast):
        raise ArgumentError(f"x holds {x.dtype} and the layer {stored.dtype}; convert one: x.to({stored.dtype}).")


def check_state(state: object, stored: Tensor, shape: tuple[int, int], *, pair: bool) -> tuple[Tensor, ...]:
    """The state as a tuple of tensors (batch, neurons) in the dtype of a layer's parameters; None is zeros.

    Raises ShapeError for another shape, or a pair where one is taken; ArgumentError for no tensor, whole numbers or
    another device.
    """
    if state is None:
        zeros = stored.new_zeros(shape)
        return (zeros, zeros) if pair else (zeros,)
    if pair != isinstance(state, tuple) or (isinstance(state, tuple) and len(state) != 2):
        what = "a pair (state, memory)" if pair else "one tensor"
        given = f"a tuple of {len(state)}" if isinstance(state, tuple) else f"one {type(state).__name__}"
        raise ShapeError(f"state is {given}; this layer takes {what}, or None for zeros.")
    states = state if isinstance(state, tuple) else (state,)
    for one in states:
        if not isinstance(one, Tensor):
            raise ArgumentError(f"state is {type(one).__name__}; it takes a tensor (batch, neurons): {shape}.")
        if tuple(one.shape) != shape:
            raise ShapeError(f"state has shape {tuple(one.shape)}; it takes (batch, neurons): {shape}.")
        if one.device != stored.device:
            raise ArgumentError(f"state is on {one.device} and the layer on {stored.device}; move one with .to(...).")
        if not one.is_floating_point():
            raise ArgumentError(f"state holds {one.dtype}; convert it: state.to({stored.dtype}).")
    return tuple(one if one.dtype == stored.dtype else one.to(stored.dtype) for one in states)  # pyright: ignore
