"""The CPU engine as `operator` calls it: arrays, memory and threads around the kernels."""

from functools import lru_cache
from typing import Any, NamedTuple, overload

import torch
from torch import Tensor

from wormnet.engine.cpu import LANES
from wormnet.engine.cpu.frame import blocks_of, frame_of, history_blocks, names_of
from wormnet.engine.cpu.memory import empty
from wormnet.engine.cpu.schedule import schedule_of
from wormnet.engine.cpu.threads import run_team, words_of, workers
from wormnet.engine.layout import Layout
from wormnet.engine.program import Program, program_named

__all__ = ["backward", "encode", "forward", "saved_size"]

KINDS = {torch.float32: "f", torch.float64: "d"}
"""What NumPy calls the types that kernels compute in."""

GROUPS = 32
"""The most partial sums of gradients. Constant, so that results do not depend on the number of threads."""


@lru_cache(maxsize=64)
def encode(layout: Layout, device: torch.device) -> tuple[Tensor, list[int]]:
    """The wiring as the kernels read it: index tables, and the numbers of `frame`."""
    frame = frame_of(layout)
    # Kept for later calls too, which may need gradients even if this one does not.
    with torch.inference_mode(False):
        return torch.tensor(frame.tables, device="cpu"), list(frame.sizes)


def saved_size(program: Program, n: int, batch: int, time: int, span: int, *, padded: bool, starts: bool) -> int:
    """How many numbers the forward pass keeps for the backward pass.

    Args: padded: whether lengths are given.   starts: whether sequences may start anew.
    """
    if span < 0:
        return 0
    rows = len(program.states) * n
    if span != time:
        return blocks_of(batch) * ((time + span - 1) // span * rows) * LANES
    # A row more for each sequence that follows another in its lane.
    return (blocks_of(batch) * history_blocks(program, n, time, int(starts)) + int(padded) * batch * rows) * LANES


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
    plan, (batch, time, _) = _plan(program, state.shape[2], x.dtype), x.shape
    padded, anew = lengths is not None, starts is not None
    order, like = schedule_of(lengths, batch, time, refill=_refills(span, time)), x.dtype
    kept, state = x.new_empty(batch, time, keep.shape[0]), _real(state, like)
    size = saved_size(plan.program, state.shape[2], batch, time, span, padded=padded, starts=anew)
    last, saved = _like(state), empty(x, size)
    own = plan.history + sizes[plan.forward_room]
    team, room = _room(order.n_blocks, own, x)
    arrays = (
        *(_real(p, like), tables, *(_real(one, like) for one in (x, dt, starts, state, initial, drop))),
        *(order.own(order.first), order.blocks, order.switches, _whole(keep), kept, last, saved, room),
    )
    numbers = (batch, time, span, int(anew), plan.history, own, order.n_blocks, *sizes)
    run_team(plan.forward.address, words_of(order.n_blocks, team, arrays, numbers), team)
    return kept, last, saved


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
    n, (batch, time, _), extra = g_last.shape[2], x.shape, int(starts is not None)
    plan, like, none = _plan(program, n, x.dtype), x.dtype, x.new_empty(0)
    by_p, by_x, by_dt, _, by_initial = wanted
    p, x, dt, g_last = (_real(one, like) for one in (p, x, dt, g_last))
    g_x, g_dt = _like(x) if by_x else none, _like(dt) if by_dt else none
    g_state, g_initial = _like(g_last), _like(g_last) if by_initial else none
    order, history = schedule_of(lengths, batch, time, refill=_refills(span, time)), plan.history
    groups = min(order.n_blocks, GROUPS)
    if span != time:
        history = history_blocks(plan.program, n, span, extra) * LANES
    own, sums = history + sizes[plan.backward_room], empty(x, groups * p.numel())
    team, room = _room(groups, own, x)
    arrays = (
        *(p, tables, x, dt, *(_real(one, like) for one in (starts, initial, drop))),
        *(order.own(order.last), order.blocks, order.switches, _whole(keep)),
        *(_real(one, like) for one in (saved, g_kept, g_last)),
        *(g_x, g_dt, g_state, g_initial, sums, room),
    )
    numbers = (batch, time, span, extra, history, own, groups, *sizes)
    run_team(plan.backward.address, words_of(groups, team, arrays, numbers), team)
    # In an order that does not depend on the number of threads either.
    g_p = sums.view(groups, p.numel()).sum(0) if by_p else none
    return g_p, g_x, g_dt, g_state, g_initial


class _Plan(NamedTuple):
    """What all calls of a program on a number of neurons share."""

    program: Program
    forward: Any
    backward: Any
    history: int
    """numbers of one sample's history"""
    forward_room: int
    """where a frame holds the size of the room forward"""
    backward_room: int


@lru_cache(maxsize=256)
def _plan(program: str, n: int, dtype: torch.dtype) -> _Plan:
    # Imported when first called: that takes as long as many calls.
    from wormnet.engine.cpu.sequence import backward_of, forward_of

    what, kind = program_named(program), KINDS[dtype]
    names = names_of(what)
    return _Plan(
        *(what, forward_of(what, kind), backward_of(what, kind), history_blocks(what, n, 1) * LANES),
        *(names.index("forward_room"), names.index("backward_room")),
    )


def _refills(span: int, time: int) -> bool:
    """Whether a lane may have several sequences: not if the backward pass computes states anew, from few of them."""
    return span in (-1, time)


@overload
def _real(values: None, like: torch.dtype) -> None: ...
@overload
def _real(values: Tensor, like: torch.dtype) -> Tensor: ...
def _real(values: Tensor | None, like: torch.dtype) -> Tensor | None:
    """Numbers as kernels read them from memory, whatever view of them is given: one after the other, in one type."""
    if values is None:
        return None
    if values.dtype == like and values.is_contiguous() and not values.is_neg():
        return values
    return values.to(like).contiguous().resolve_neg()


def _whole(values: Tensor) -> Tensor:
    """The same as contiguous int64."""
    return values if values.dtype == torch.int64 and values.is_contiguous() else values.to(torch.int64).contiguous()


def _room(tasks: int, own: int, like: Tensor) -> tuple[int, Tensor]:
    """How many workers there are, and scratch for them."""
    team = workers(tasks)
    return team, empty(like, team * max(own, LANES))


def _like(values: Tensor) -> Tensor:
    return torch.empty_like(values, memory_format=torch.contiguous_format)
