"""Which sequences run in which lane: laid end to end, so that no lane waits for the longest of its block.

A block's loop counts ticks. A lane runs its sequences one after the other and then idles. Lanes that idle first come
last, so that at every tick those in use are the first of their block.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from wormnet.engine.cpu import LANES
from wormnet.engine.cpu.compiled import inlined, kernel
from wormnet.engine.cpu.frame import blocks_of

__all__ = ["SWITCH", "Schedule", "schedule_of"]

SWITCH = 6
"""Numbers of a switch."""

STRETCH = 1.25
"""How much longer than the longest sequence a lane may be: fewer and longer blocks keep fewer threads busy."""

WORTH = 0.95
"""Lanes with several sequences are used only if they take at most this share of the ticks of one sequence in each lane:
switches cost too."""


REMEMBERED = 4096
"""Sequences of the largest batch whose schedule is kept: those of larger ones would take much memory."""


class Schedule(NamedTuple):
    """What the kernels read, all of it flat and whole numbers. Lanes are counted over all blocks, LANES in each but the
    last. Tensors, because `data_ptr` is ten times as fast as its equivalent in NumPy."""

    first: Tensor
    """(3, lanes): each lane's first sequence; the sample that it would be at in tick 0, among all samples of the batch;
    and the tick from which it idles. Forward kernels change what stands here where a lane switches; see `own`."""
    last: Tensor
    """The same with each lane's last sequence, and the sample that this would have been at in tick 0. Backward kernels
    change it likewise."""
    blocks: Tensor
    """(blocks + 1, 2): how many ticks all blocks before have, and how many switches"""
    switches: Tensor
    """(switches, SWITCH): before a tick a lane of the block goes from one sequence to another: the tick, the lane, the
    sequence that ends and where it would be at tick 0, the one that begins and where it would be"""
    n_blocks: int

    def own(self, lanes: Tensor) -> Tensor:
        """First or last for one call, in memory that kernels may change."""
        return lanes.clone() if self.switches.numel() else lanes


def schedule_of(lengths: Tensor | None, batch: int, time: int, *, refill: bool) -> Schedule:
    """The schedule of a batch. It does not depend on the number of threads, and its ticks never exceed those of blocks
    in which each lane has one sequence.

    Args: lengths: (batch,), or None if all have `time` samples.   refill: whether a lane may have several sequences.
    """
    if lengths is None:
        return _full(batch, time) if batch <= REMEMBERED else _full.__wrapped__(batch, time)
    return (_remembered if batch <= REMEMBERED else _laid_out)(
        lengths.numpy().astype(np.int64, copy=False).tobytes(), time, refill
    )


@lru_cache(maxsize=32)
def _full(batch: int, time: int) -> Schedule:
    return _laid_out(np.full(batch, time, np.int64).tobytes(), time, False)


def _laid_out(lengths: bytes, time: int, refill: bool) -> Schedule:
    given = np.frombuffer(lengths, np.int64)
    batch = len(given)
    made = np.empty((6 + SWITCH) * batch + 2 * blocks_of(batch) + 2, np.int64)
    room = np.empty(8 * batch + 2 * time + 2, np.int64)
    lanes = _lay_out(given, time, refill, made, room)
    sizes = (3 * lanes, 3 * lanes, 2 * blocks_of(lanes) + 2, SWITCH * (batch - lanes))
    first, last, blocks, switches = torch.from_numpy(made[: sum(sizes)]).split(sizes)
    return Schedule(first, last, blocks, switches, blocks_of(lanes))


_remembered = lru_cache(maxsize=32)(_laid_out)
"""By the lengths themselves: the backward pass has those of the forward pass, and many a batch comes again."""


@inlined
def sort_down(values, most, count, order):
    """Write to order where the largest of values, 0 to `most`, stands, then the next; equal ones as they come."""
    for value in range(most + 1):
        count[value] = 0
    for i in range(len(values)):
        count[values[i]] += 1
    before = 0
    for value in range(most, -1, -1):
        count[value], before = before, before + count[value]
    for i in range(len(values)):
        order[count[values[i]]] = i
        count[values[i]] += 1


@inlined
def deal(lengths, order, lane, begin, loads, several, heap):
    """Give each sequence of the order to the lane that has least. A heap has it at its top: fewest ticks, then fewest
    sequences, so that no lane stays empty where lengths are 0. First ticks rise from one sequence to the next. Returns
    the ticks of the lane that has most."""
    most = 0
    for k in range(len(loads)):
        loads[k], several[k], heap[k] = 0, 0, k
    for i in range(len(order)):
        top = heap[0]
        lane[i], begin[i] = top, loads[top]
        loads[top] += lengths[order[i]]
        most = max(most, loads[top])
        several[top] += 1
        place = 0
        while True:
            least = place
            for child in range(2 * place + 1, min(2 * place + 3, len(loads))):
                a, b = heap[child], heap[least]
                if loads[a] < loads[b] or (loads[a] == loads[b] and several[a] < several[b]):
                    least = child
            if least == place:
                break
            heap[place], heap[least] = heap[least], heap[place]
            place = least
    return most


@inlined
def ticks_of(values, order):
    """The ticks of all blocks; each runs as long as its first lane."""
    total = 0
    for i in range(0, len(order), LANES):
        total += values[order[i]]
    return total


@inlined
def write_schedule(order, lane, begin, loads, time, made):
    """Write what `Schedule` holds, for lanes that are in order."""
    batch, lanes = len(order), len(loads)
    first, last, blocks = made, made[3 * lanes :], made[6 * lanes :]
    n_blocks = (lanes + LANES - 1) // LANES
    switches = blocks[2 * n_blocks + 2 :]
    for k in range(2 * n_blocks + 2):
        blocks[k] = 0
    for k in range(lanes):
        last[k] = -1
        first[2 * lanes + k] = last[2 * lanes + k] = loads[k]
    # How many switches the blocks up to each have, then where the next one of each goes.
    for i in range(batch):
        if last[lane[i]] == 0:
            blocks[2 * (lane[i] // LANES) + 3] += 1
        last[lane[i]] = 0
    for k in range(n_blocks):
        blocks[2 * k + 2] = blocks[2 * k] + loads[k * LANES]
        blocks[2 * k + 3] += blocks[2 * k + 1]
    for k in range(lanes):
        last[k] = -1
    for i in range(batch):
        here, sequence, origin = lane[i], order[i], order[i] * time - begin[i]
        if last[here] < 0:
            first[here], first[lanes + here] = sequence, origin
        else:
            at = SWITCH * blocks[2 * (here // LANES) + 1]
            blocks[2 * (here // LANES) + 1] += 1
            switches[at], switches[at + 1] = begin[i], here % LANES
            switches[at + 2], switches[at + 3] = last[here], last[lanes + here]
            switches[at + 4], switches[at + 5] = sequence, origin
        last[here], last[lanes + here] = sequence, origin
    # Each block's count has run on to where the next one's began.
    for k in range(n_blocks, 0, -1):
        blocks[2 * k + 1] = blocks[2 * k - 1]
    blocks[1] = 0


def lay_out(given, time, refill, made, room):
    """Write a schedule, first to switches, and return the number of its lanes. room: 8 batch + 2 time + 2 numbers."""
    batch, total = len(given), 0
    lengths, order, lane, begin = room[:batch], room[batch : 2 * batch], room[2 * batch :], room[3 * batch :]
    loads, several, heap, by_load = room[4 * batch :], room[5 * batch :], room[6 * batch :], room[7 * batch :]
    count = room[8 * batch :]
    for i in range(batch):
        # Not checked while a call is traced; there is no memory past the time axis.
        lengths[i] = min(max(given[i], 0), time)
        total += lengths[i]
    sort_down(lengths, time, count, order)
    lanes, longest = batch, lengths[order[0]] if batch else 0
    if refill and batch > LANES and longest:
        # As many blocks as all samples fill, rounded either way.
        least, few = WORTH * ticks_of(lengths, order), max(1, total // (LANES * longest))
        for blocks in range(few, min(few + 2, (batch + LANES - 1) // LANES)):
            n = blocks * LANES
            most = deal(lengths, order, lane, begin, loads[:n], several[:n], heap[:n])
            if most <= min(STRETCH * longest, 2 * time):
                sort_down(loads[:n], most, count, by_load)
                ticks = ticks_of(loads, by_load[:n])
                if ticks <= least:
                    lanes, least = n, ticks
    if lanes < batch:
        most = deal(lengths, order, lane, begin, loads[:lanes], several[:lanes], heap[:lanes])
        sort_down(loads[:lanes], most, count, by_load)
        for k in range(lanes):
            heap[by_load[k]], several[k] = k, loads[by_load[k]]
        for i in range(batch):
            lane[i] = heap[lane[i]]
        write_schedule(order, lane, begin, several[:lanes], time, made)
    else:
        for i in range(batch):
            lane[i], begin[i], loads[i] = i, 0, lengths[order[i]]
        write_schedule(order, lane, begin, loads[:batch], time, made)
    return lanes


_lay_out = kernel(lay_out, "lay_out")
