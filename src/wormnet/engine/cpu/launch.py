"""The CPU engine as `operator` calls it: arrays, memory and threads around the kernels."""

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wormnet.engine.cpu import LANES
from wormnet.engine.cpu.frame import blocks_of, frame_of, history_blocks, names_of
from wormnet.engine.cpu.memory import empty
from wormnet.engine.cpu.threads import run_tasks, workers
from wormnet.engine.layout import Layout
from wormnet.engine.program import Program, program_named

__all__ = ["backward", "encode", "forward", "saved_size"]

NONE = {kind: np.empty(0, kind) for kind in "fd"}
"""No numbers, in single and double precision."""

GROUPS = 32
"""At most so many partial sums of gradients. A constant, so that results do not depend on the number of threads."""


@lru_cache(maxsize=64)
def encode(layout: Layout, device: torch.device) -> tuple[Tensor, list[int]]:
    """The wiring as the kernels read it: index tables, and the numbers of `frame`."""
    frame = frame_of(layout)
    # Kept for later calls too, which may need gradients even if this one does not.
    with torch.inference_mode(False):
        return torch.tensor(frame.tables, device="cpu"), list(frame.sizes)


def saved_size(program: Program, n: int, batch: int, time: int, span: int, *, starts: bool) -> int:
    """How many numbers the forward pass keeps for the backward pass."""
    if span < 0:
        return 0
    rows = len(program.states) * n
    each = history_blocks(program, n, time, int(starts)) if span == time else (time + span - 1) // span * rows
    return blocks_of(batch) * each * LANES


def forward(
    p: Tensor,
    tables: Tensor,
    sizes: list[int],
    x: Tensor,
    dt: Tensor,
    lengths: Tensor | None,
    starts: Tensor | None,
    state: Tensor,
    initial: Tensor | None,
    drop: Tensor | None,
    keep: Tensor,
    program: str,
    span: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Kept, last, saved; see `operator`."""
    what = program_named(program)
    (batch, time, _), n, width = x.shape, state.shape[2], keep.shape[0]
    kernel, numbers, blocks = _kernels(what)[0].forward, _flat(p), blocks_of(batch)
    history, forward_room, _ = _sizes(what, n)
    kept = _padded(x.new_empty(batch, time, width), lengths)
    last, size = _like(state), saved_size(what, n, batch, time, span, starts=starts is not None)
    saved, frame = empty(x, size), tuple(sizes)
    room = _room(blocks, history + frame[forward_room], x)
    shared = (
        *(numbers, tables.numpy(), frame, (batch, time, span, int(starts is not None)), _flat(x), _flat(dt)),
        *(_real(lengths, numbers), _real(starts, numbers), _flat(state), _real(initial, numbers)),
        *(_real(drop, numbers), _order(lengths, batch), keep.numpy(), _flat(kept), _flat(last), saved),
    )
    run_tasks(blocks, len(room), lambda block, worker: kernel(*shared, block, room[worker], history))
    return kept, last, torch.from_numpy(saved)


def backward(
    p: Tensor,
    tables: Tensor,
    sizes: list[int],
    x: Tensor,
    dt: Tensor,
    lengths: Tensor | None,
    starts: Tensor | None,
    initial: Tensor | None,
    drop: Tensor | None,
    keep: Tensor,
    saved: Tensor,
    g_kept: Tensor,
    g_last: Tensor,
    program: str,
    span: int,
    wanted: list[bool],
) -> tuple[Tensor, ...]:
    """The adjoints of p, x, dt, state, initial; see `operator`."""
    what = program_named(program)
    (batch, time, _), n = x.shape, g_last.shape[2]
    by_p, by_x, by_dt, _, by_initial = wanted
    g_x = _padded(_like(x), lengths) if by_x else x.new_empty(0)
    g_dt = _padded(_like(dt), lengths) if by_dt else dt.new_empty(0)
    g_state, g_initial = _like(g_last), _like(g_last) if by_initial else g_last.new_empty(0)
    groups, numbers, frame = min(blocks_of(batch), GROUPS), _flat(p), tuple(sizes)
    sums = empty(x, groups, len(numbers))
    history = history_blocks(what, n, 0 if span == time else span, int(starts is not None)) * LANES
    room = _room(groups, history + frame[_sizes(what, n)[2]], x)
    shared = (
        *(numbers, tables.numpy(), frame, (batch, time, span, int(starts is not None)), _flat(x), _flat(dt)),
        *(_real(lengths, numbers), _real(starts, numbers), _real(initial, numbers), _real(drop, numbers)),
        *(_order(lengths, batch), keep.numpy(), saved.numpy(), _flat(g_kept), _flat(g_last)),
        *(_flat(one) for one in (g_x, g_dt, g_state, g_initial)),
    )
    (_, kernel), finish_sums = _kernels(what)
    run_tasks(
        groups, len(room), lambda group, worker: kernel(*shared, sums[group], group, groups, room[worker], history)
    )
    g_p = p.new_empty(0)
    if by_p:
        g_p = _like(p, None if groups else 0.0)
        if groups:
            finish_sums(sums, g_p.numpy())
    return g_p, g_x, g_dt, g_state, g_initial


@lru_cache(maxsize=256)
def _kernels(program: Program) -> tuple[Any, Any]:
    """The kernels of a program, and the one that adds up its gradients."""
    # Imported when first called: that takes as long as many calls.
    from wormnet.engine.cpu.sequence import finish_sums, kernels_of

    return kernels_of(program), finish_sums


@lru_cache(maxsize=256)
def _sizes(program: Program, n: int) -> tuple[int, int, int]:
    """Numbers of one sample's history, and where a frame holds the sizes of the rooms forward and backward."""
    names = names_of(program)
    return history_blocks(program, n, 1) * LANES, names.index("forward_room"), names.index("backward_room")


def _order(lengths: Tensor | None, batch: int) -> np.ndarray:
    """The order in which sequences fill blocks: longest first, so that those of a block end at about the same time."""
    if lengths is None:
        return _in_order(batch)
    return np.argsort(-lengths.numpy().astype(np.int64), kind="stable").astype(np.int32)


@lru_cache(maxsize=32)
def _in_order(batch: int) -> np.ndarray:
    return np.arange(batch, dtype=np.int32)


def _flat(values: Tensor) -> np.ndarray:
    # Each of these is half a microsecond, and one sample takes not many of them.
    values = values.detach() if values.requires_grad else values
    numbers = (values if values.is_contiguous() else values.contiguous()).numpy()
    return numbers if numbers.ndim == 1 else numbers.reshape(-1)


def _real(values: Tensor | None, like: np.ndarray) -> np.ndarray:
    """Flat, in the type of the numbers; empty if there are none."""
    return NONE[like.dtype.char] if values is None else _flat(values).astype(like.dtype, copy=False)


def _room(tasks: int, size: int, like: Tensor) -> np.ndarray:
    return empty(like, workers(tasks), max(size, LANES))


def _padded(made: Tensor, lengths: Tensor | None) -> Tensor:
    """Memory of (batch, time, ...), with 0 past each sequence's end, where a kernel may write nothing."""
    if lengths is not None:
        for row, length in zip(made.numpy(), lengths.tolist(), strict=True):
            row[max(length, 0) :] = 0
    return made


def _like(values: Tensor, fill: float | None = None) -> Tensor:
    made = torch.empty_like(values, memory_format=torch.contiguous_format)
    return made if fill is None else made.fill_(fill)
