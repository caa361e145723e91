# pyright: reportCallIssue=false, reportOperatorIssue=false
"""The layout of a block: a row holds LANES numbers, one for each sequence, for each of many cells."""

from wormnet.engine.cpu import LANES
from wormnet.engine.cpu.compiled import device, inlined
from wormnet.engine.cpu.lanes import all_lanes, load, select_less, store
from wormnet.engine.cpu.transfer import collect, collect4, spread, spread4

__all__ = [
    "add_to",
    "clear",
    "clear_ended",
    "clear_rest",
    "copy",
    "ends",
    "gather",
    "per_lane",
    "scatter",
    "take_kept",
    "write_kept",
]


@device
def gather(x, sequences, first, count, stride, base, width, row, at):
    """Gather `width` values of each of a block's sequences, starting at `base`, into a row; unused lanes hold 0."""
    for i in range(0, width - 3, 4):
        a, b, c, d = collect4(x, sequences, first, stride, base + i, count)
        store(row, at + i * LANES, a)
        store(row, at + (i + 1) * LANES, b)
        store(row, at + (i + 2) * LANES, c)
        store(row, at + (i + 3) * LANES, d)
    for i in range(width // 4 * 4, width):
        store(row, at + i * LANES, collect(x, sequences, first, stride, base + i, count))


@device
def scatter(row, at, sequences, first, count, stride, base, width, out):
    """Scatter a row to `width` values of each of a block's sequences, starting at `base`."""
    for i in range(0, width - 3, 4):
        a, b = load(row, at + i * LANES), load(row, at + (i + 1) * LANES)
        c, d = load(row, at + (i + 2) * LANES), load(row, at + (i + 3) * LANES)
        spread4(out, sequences, first, stride, base + i, count, a, b, c, d)
    for i in range(width // 4 * 4, width):
        spread(out, sequences, first, stride, base + i, count, load(row, at + i * LANES))


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
def clear_ended(row, at, width, t, ended):
    """Set the lanes of sequences that have ended before sample t to 0 in a row."""
    here, none = all_lanes(row, row.dtype.type(t)), all_lanes(row, row.dtype.type(0))
    for i in range(width):
        value = load(row, at + i * LANES)
        store(row, at + i * LANES, select_less(here, ended, value, none))


@device
def clear_rest(values, lengths, sequences, first, count, time, width):
    """Set what lies past the end of each of a block's sequences in (batch, time, width) to 0."""
    if len(lengths):
        for lane in range(count):
            sequence = sequences[first + lane]
            length = min(max(int(lengths[sequence]), 0), time)
            for i in range((sequence * time + length) * width, (sequence + 1) * time * width):
                values[i] = 0


@inlined
def per_lane(values, sequences, first, count, time, t):
    """One number for each sequence of a block from (batch, time); 1 in lanes without a sequence."""
    found = collect(values, sequences, first, time, t, count)
    none = all_lanes(values, values.dtype.type(0))
    return select_less(none, found, found, all_lanes(values, values.dtype.type(1)))


@inlined
def ends(lengths, sequences, first, count, time):
    """The lengths of a block's sequences (batch,), the shortest, and the longest."""
    shortest = longest = time
    if len(lengths):
        shortest, longest = time, 0
        for lane in range(count):
            # Lengths are not checked while a call is traced; there is no memory past the time axis.
            length = min(int(lengths[sequences[first + lane]]), time)
            shortest, longest = min(shortest, length), max(longest, length)
        return collect(lengths, sequences, first, 1, 0, count), shortest, longest
    return all_lanes(lengths, lengths.dtype.type(time)), shortest, longest


@device
def write_kept(row, at, sequences, first, count, time, t, keep, kept, ended, shortest):
    """Copy the kept neurons of a row out to (batch, time, kept); 0 past a sequence's end."""
    width = len(keep)
    here, none = all_lanes(row, row.dtype.type(t)), all_lanes(row, row.dtype.type(0))
    for i in range(width):
        value = load(row, at + keep[i] * LANES)
        if t >= shortest:
            value = select_less(here, ended, value, none)
        spread(kept, sequences, first, time * width, t * width + i, count, value)


@inlined
def add_to(row, at, value):
    """Add a block to a place in a row."""
    store(row, at, load(row, at) + value)


@device
def take_kept(g_kept, sequences, first, count, time, t, keep, row, at, ended, shortest):
    """Add the adjoints of what write_kept wrote to a row."""
    width = len(keep)
    here, none = all_lanes(row, row.dtype.type(t)), all_lanes(row, row.dtype.type(0))
    for i in range(width):
        given = collect(g_kept, sequences, first, time * width, t * width + i, count)
        if t >= shortest:
            given = select_less(here, ended, given, none)
        add_to(row, at + keep[i] * LANES, given)
