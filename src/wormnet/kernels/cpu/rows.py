# pyright: reportCallIssue=false, reportOperatorIssue=false
"""Rows: LANES numbers for each of many cells, and the way of a block's sequences into rows and out of them."""

from wormnet.kernels.cpu import LANES
from wormnet.kernels.cpu.compiled import device, inlined
from wormnet.kernels.cpu.lanes import all_lanes, load, select_less, store
from wormnet.kernels.cpu.transfer import collect, collect4, spread, spread4

__all__ = ["add_to", "clear", "copy", "ends", "gather", "hold_ended", "per_lane", "scatter", "take_kept", "write_kept"]


@device
def gather(x, block, batch, time, width, t, row, at):
    """Turn one sample of a block's sequences into a row; lanes without a sequence hold 0."""
    count = min(LANES, batch - block * LANES)
    base = (block * LANES * time + t) * width
    for i in range(0, width - 3, 4):
        first, second, third, fourth = collect4(x, base + i, time * width, count)
        store(row, at + i * LANES, first)
        store(row, at + (i + 1) * LANES, second)
        store(row, at + (i + 2) * LANES, third)
        store(row, at + (i + 3) * LANES, fourth)
    for i in range(width // 4 * 4, width):
        store(row, at + i * LANES, collect(x, base + i, time * width, count))


@device
def scatter(row, at, block, batch, time, width, t, out):
    """Turn a row into one sample of a block's sequences."""
    count = min(LANES, batch - block * LANES)
    base = (block * LANES * time + t) * width
    for i in range(0, width - 3, 4):
        first, second = load(row, at + i * LANES), load(row, at + (i + 1) * LANES)
        third, fourth = load(row, at + (i + 2) * LANES), load(row, at + (i + 3) * LANES)
        spread4(out, base + i, time * width, count, first, second, third, fourth)
    for i in range(width // 4 * 4, width):
        spread(out, base + i, time * width, count, load(row, at + i * LANES))


@inlined
def copy(row, at, to, to_at, width):
    """Copy a row."""
    for i in range(width):
        store(to, to_at + i * LANES, load(row, at + i * LANES))


@inlined
def clear(row, at, width):
    """Set a row to 0."""
    none = all_lanes(row, row.dtype.type(0))
    for i in range(width):
        store(row, at + i * LANES, none)


@inlined
def per_lane(values, block, batch, time, t):
    """One number for each sequence of a block from (batch, time); 1 in lanes without a sequence."""
    count = min(LANES, batch - block * LANES)
    found = collect(values, block * LANES * time + t, time, count)
    none = all_lanes(values, values.dtype.type(0))
    return select_less(none, found, found, all_lanes(values, values.dtype.type(1)))


@inlined
def ends(lengths, block, batch, time):
    """The lengths of a block's sequences (batch,), the shortest, and the longest."""
    count = min(LANES, batch - block * LANES)
    shortest = longest = time
    if len(lengths):
        shortest, longest = time, 0
        for lane in range(count):
            # While a call is traced nobody looks at its lengths; beyond the time axis is no memory.
            length = min(int(lengths[block * LANES + lane]), time)
            shortest, longest = min(shortest, length), max(longest, length)
        return collect(lengths, block * LANES, 1, count), shortest, longest
    return all_lanes(lengths, lengths.dtype.type(time)), shortest, longest


@device
def write_kept(row, at, keep, kept, sizes, ended, shortest, block, t):
    """Copy the kept neurons of a row out to (batch, time, kept); 0 behind a sequence's end."""
    _, _, batch, time, width, _, _ = sizes
    count = min(LANES, batch - block * LANES)
    base = (block * LANES * time + t) * width
    here, none = all_lanes(row, row.dtype.type(t)), all_lanes(row, row.dtype.type(0))
    for i in range(width):
        value = load(row, at + keep[i] * LANES)
        if t >= shortest:
            value = select_less(here, ended, value, none)
        spread(kept, base + i, time * width, count, value)


@inlined
def add_to(row, at, value):
    """Add a block to a place in a row."""
    store(row, at, load(row, at) + value)


@inlined
def take_kept(g_kept, row, at, keep, sizes, ended, shortest, block, t):
    """Add the gradients of what write_kept wrote to a row."""
    _, _, batch, time, width, _, _ = sizes
    count = min(LANES, batch - block * LANES)
    base = (block * LANES * time + t) * width
    here, none = all_lanes(row, row.dtype.type(t)), all_lanes(row, row.dtype.type(0))
    for i in range(width):
        given = collect(g_kept, base + i, time * width, count)
        if t >= shortest:
            given = select_less(here, ended, given, none)
        add_to(row, at + keep[i] * LANES, given)


@inlined
def hold_ended(row, at, held_at, n, ended, t):
    """Move the gradients of sequences that have ended out of a row; they pass a sample by."""
    here, none = all_lanes(row, row.dtype.type(t)), all_lanes(row, row.dtype.type(0))
    for i in range(n):
        value = load(row, at + i * LANES)
        store(row, held_at + i * LANES, select_less(here, ended, none, value))
        store(row, at + i * LANES, select_less(here, ended, value, none))
