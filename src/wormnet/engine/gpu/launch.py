"""Launches a program's kernels, and turns what they leave into gradients; see `engine.operator` for what they take.

The history in `saved` is (states of all slots, kept numbers, sums of hidden layers), as `sequence` lays them out; or,
with a span shorter than time, the states before each span, from which the backward pass runs the span again.
"""

# Triton's launches take numbers where the kernels' annotations speak of tl.constexpr, and options besides.
# pyright: reportArgumentType=false, reportCallIssue=false

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from wormnet.engine.gpu.call import (
    Call,
    History,
    arguments,
    call_of,
    cdiv,
    kernel,
    n_starts,
    sizes_of,
    tile_size,
    unblocked,
    views,
    warps,
)
from wormnet.engine.gpu.dense import drive
from wormnet.engine.gpu.gradients import gradient_of_p, gradient_of_x
from wormnet.engine.gpu.sequence import ring
from wormnet.engine.gpu.tables import encode
from wormnet.engine.program import Program

__all__ = ["backward", "encode", "forward", "saved_size"]


def saved_size(program: Program, n: int, batch: int, time: int, span: int, *, padded: bool, starts: bool) -> int:
    """How many numbers the forward pass saves, of n neurons, as many with padding as without.

    Args: padded: whether lengths are given.   starts: whether sequences may start anew.
    """
    if span < 0:
        return 0
    if span < time:
        return cdiv(time, span) * len(program.states) * batch * n
    return sum(sizes_of(program, n, batch, time, starts=starts))


def forward(
    p: Tensor, tables: Tensor, sizes: Sequence[int], x: Tensor, dt: Tensor, lengths: Tensor | None,
    starts: Tensor | None, state: Tensor, initial: Tensor | None, drop: Tensor | None, keep: Tensor, program: str,
    span: int,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """Kept, last, saved."""
    with _surroundings(p):
        call = call_of(p, tables, sizes, x, dt, lengths, starts, initial, drop, keep, program)
        (batch, time), state = call.shape, state.contiguous()
        given = {"padded": lengths is not None, "starts": starts is not None}
        saved = p.new_empty(saved_size(call.program, call.n, batch, time, span, **given))
        if span < 0 or span >= time:
            kept, last = _forward(call, state, views(call, saved) if span >= 0 else None)
            return kept, last, saved
        kept, before = p.new_empty(batch, time, call.n_kept), saved.view(cdiv(time, span), *state.shape)
        for number, begin in enumerate(range(0, time, span)):
            before[number] = state
            end = min(begin + span, time)
            kept[:, begin:end], state = _forward(call.span(begin, end), state, None)
        return kept, state, saved


def backward(
    p: Tensor, tables: Tensor, sizes: Sequence[int], x: Tensor, dt: Tensor, lengths: Tensor | None,
    starts: Tensor | None, initial: Tensor | None, drop: Tensor | None, keep: Tensor, saved: Tensor, g_kept: Tensor,
    g_last: Tensor, program: str, span: int, wanted: Sequence[bool],
) -> tuple[Tensor, ...]:  # fmt: skip
    """Adjoints of p, x, dt, state, initial; empty where not requested."""
    with _surroundings(p):
        call = call_of(p, tables, sizes, x, dt, lengths, starts, initial, drop, keep, program)
        time, g_last, g_kept = call.shape[1], g_last.contiguous(), g_kept.contiguous()
        if span >= time:
            found = _backward(call, views(call, saved), g_kept, g_last, wanted)
            return tuple(one if asked else p.new_empty(0) for one, asked in zip(found, wanted, strict=True))
        g_p, g_initial = torch.zeros_like(call.p), torch.zeros_like(g_last)
        g_x, g_dt = torch.empty_like(call.x), p.new_empty(call.shape)
        before = saved.view(cdiv(time, span), *g_last.shape)
        for number in reversed(range(len(before))):
            begin, end = number * span, min((number + 1) * span, time)
            some = call.span(begin, end)
            given = {"padded": lengths is not None, "starts": starts is not None}
            size = saved_size(call.program, call.n, *some.shape, end - begin, **given)
            history = views(some, p.new_empty(size))
            _forward(some, before[number], history)
            found = _backward(some, history, g_kept[:, begin:end].contiguous(), g_last, wanted)
            g_last = found[3]
            for total, one, asked in zip((g_p, g_initial), (found[0], found[4]), (wanted[0], wanted[4]), strict=True):
                total += one if asked else 0.0
            for total, one, asked in zip((g_x, g_dt), found[1:3], wanted[1:3], strict=True):
                if asked:
                    total[:, begin:end] = one
        found = (g_p, g_x, g_dt, g_last, g_initial)
        return tuple(one if asked else p.new_empty(0) for one, asked in zip(found, wanted, strict=True))


@contextmanager
def _surroundings(p: Tensor) -> Iterator[None]:
    # Triton launches on the current device, which need not be that of the tensors; under autocast the matrix products
    # would be in half precision.
    with torch.cuda.device_of(p), torch.autocast(p.device.type, enabled=False):
        yield


# -- a span ------------------------------------------------------------------------------------------------------------


def _forward(call: Call, state: Tensor, history: History | None) -> tuple[Tensor, Tensor]:
    (batch, time), program = call.shape, call.program
    kept, last = call.p.new_empty(batch, time, call.n_kept), torch.empty_like(state)
    if not batch * call.n:
        return kept, last
    save = history is not None
    if history is None:
        n_slots = ring(program) + (call.starts is not None)
        slots = call.p.new_empty(batch * n_slots * len(program.states) * call.n)
        history = History(slots, slots[:0], slots[:0])
    kernel(program, "forward")[(call.blocks,)](
        states=history.states,
        keeps=history.keeps,
        hidden=history.hidden,
        kept=kept,
        last=last,
        brought=_brought(call),
        drive=drive(call),
        state=state,
        **arguments(call, "post"),
        SAVE=save,
    )
    return kept, last


def _backward(
    call: Call, history: History, g_kept: Tensor, g_last: Tensor, wanted: Sequence[bool]
) -> tuple[Tensor, ...]:
    (batch, time), program, n, lanes = call.shape, call.program, call.n, call.lanes
    new, blocks = call.p.new_empty, call.blocks
    g_state, g_initial = torch.empty_like(g_last), torch.zeros_like(g_last)
    if not batch * n:
        zeros = torch.zeros_like(call.p), torch.zeros_like(call.x), call.p.new_zeros(batch, time)
        return *zeros, g_state, g_initial
    n_coefficients = sum(len(part.node_numbers) - n_starts(part) for part in program.parts)
    shapes = [(blocks, time, call.evaluations(k), len(part.sums), n, lanes) for k, part in enumerate(program.parts)]
    sizes = [torch.Size(shape).numel() for shape in shapes]
    flat = new(sum(sizes))
    node_sums = call.p.new_zeros(blocks, n_coefficients, n, lanes)
    by_log_dt = call.p.new_zeros((blocks, time, n, lanes) if wanted[2] else 0)
    g_hidden = torch.empty_like(history.hidden)
    kernel(program, "backward")[(blocks,)](
        adjoints=flat,
        node_sums=node_sums,
        by_log_dt=by_log_dt,
        g_hidden=g_hidden,
        g_state=g_state,
        g_initial=g_initial,
        carried=new(blocks, ring(program), len(program.states), n, lanes),
        states=history.states,
        keeps=history.keeps,
        hidden=history.hidden,
        g_kept=g_kept,
        g_last=g_last,
        **arguments(call, "pre"),
        FLUSH=len(program.parts) > 1 or call.starts is not None,
        SAVE=True,
        NEEDS_P=bool(wanted[0]),
        NEEDS_DT=bool(wanted[2]),
    )
    adjoints = [one.view(shape) for one, shape in zip(flat.split(sizes), shapes, strict=True)]
    # Of sums in a sample; a copy only where there is something to add.
    sampled = [one.sum(2) if one.shape[2] > 1 else one[:, :, 0] for one in adjoints]
    g_p = g_x = call.p
    if wanted[0]:
        g_p = gradient_of_p(call, history, adjoints, sampled, node_sums.sum((0, 3)), g_hidden)
    if wanted[1]:
        g_x = gradient_of_x(call, sampled, g_hidden)
    g_dt = unblocked(by_log_dt.sum(2)[:, :, None], batch)[:, :, 0] / call.dt if wanted[2] else call.p
    return g_p, g_x, g_dt, g_state, g_initial


def _brought(call: Call) -> Tensor:
    (batch, time), n, lanes = call.shape, call.n, call.lanes
    numbers = [k for k, part in enumerate(call.program.parts) if not part.dense]
    sizes = [call.blocks * time * len(call.program.parts[k].sums) * n * lanes for k in numbers]
    brought, tile = call.p.new_empty(sum(sizes)), tile_size(n, lanes)
    for k, out in zip(numbers, brought.split(sizes), strict=True):
        if time:
            kernel(call.program, "from_inputs", k)[(call.blocks * time, cdiv(n * lanes, tile))](
                out, call.x, call.p, call.tables, batch, time, call.x.shape[2], LANES=lanes, TILE=tile,
                num_warps=warps(tile),
            )  # fmt: skip
    return brought
