"""Checks that every layer makes of the tensors it is called with."""

from typing import Any

import torch
from torch import Tensor

from wormnet.engine.samples import numbers, tensor_of
from wormnet.errors import ArgumentError, ShapeError

__all__ = ["check_input", "check_state", "lifted", "lifted_state"]


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


def check_state(
    state: object, stored: Tensor, shape: tuple[int, int], names: tuple[str, ...], word: str
) -> tuple[Tensor, ...]:
    """A state as a tuple of tensors (batch, neurons), one for each name, in the dtype of a layer's parameters.

    Raises ShapeError for another shape, or another number of tensors; ArgumentError for no tensor, whole numbers or
    another device.
    """
    several = len(names) > 1
    if several != isinstance(state, tuple) or (isinstance(state, tuple) and len(state) != len(names)):
        what = f"a tuple of {len(names)} ({', '.join(names)})" if several else "one tensor"
        given = f"a tuple of {len(state)}" if isinstance(state, tuple) else f"one {type(state).__name__}"
        raise ShapeError(f"{word} is {given}; this layer takes {what}, or None.")
    states = state if isinstance(state, tuple) else (state,)
    for one in states:
        if not isinstance(one, Tensor):
            raise ArgumentError(f"{word} is {type(one).__name__}; it takes a tensor (batch, neurons): {shape}.")
        if tuple(one.shape) != shape:
            raise ShapeError(f"{word} has shape {tuple(one.shape)}; it takes (batch, neurons): {shape}.")
        if one.device != stored.device:
            raise ArgumentError(f"{word} is on {one.device} and the layer on {stored.device}; move one with .to(...).")
        if not one.is_floating_point():
            raise ArgumentError(f"{word} holds {one.dtype}; convert it: {word}.to({stored.dtype}).")
    return tuple(one if one.dtype == stored.dtype else one.to(stored.dtype) for one in states)  # pyright: ignore


def lifted(values: Any, word: str, time: int, like: Tensor | None) -> Any:
    """What belongs to the samples of one sequence, dt or starts, as a batch of one."""
    if like is not None:
        values = numbers(values, like)
    if values is None or (isinstance(values, Tensor) and not values.dim()):
        return values
    values = tensor_of(values)
    if values.shape != (time,):
        number = "one number, or " if like is not None else ""
        raise ShapeError(
            f"{word} has shape {tuple(values.shape)}; with one sequence of {time} samples it takes {number}"
            f"one per sample: ({time},)."
        )
    return values[None]


def lifted_state(state: Any, n: int, word: str) -> Any:
    """The state of one sequence as a batch of one."""
    states = state if isinstance(state, tuple) else (state,)
    for one in states:
        if isinstance(one, Tensor) and one.dim() != 1:
            raise ShapeError(f"{word} has shape {tuple(one.shape)}; with one sequence it takes ({n},).")
    batch = tuple(one[None] if isinstance(one, Tensor) else one for one in states)
    return batch if isinstance(state, tuple) else batch[0]
