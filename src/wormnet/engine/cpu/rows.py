# pyright: reportCallIssue=false, reportOperatorIssue=false
"""The layout of a block: a row holds LANES numbers, one for each sequence, for each of many cells."""

from wormnet.engine.cpu import LANES
from wormnet.engine.cpu.compiled import device, inlined
from wormnet.engine.cpu.lanes import all_lanes, load, only, store
from wormnet.engine.cpu.transfer import collect, collect4, spread, spread4

__all__ = [
    "add_to",
    "clear",
    "clear_rest",
    "copy",
    "gather",
    "load_lane",
    "load_states",
    "scatter",
    "store_lane",
    "store_states",
    "take_kept",
    "write_kept",
]


@device
def gather(x, rows, first, count, stride, base, width, row, at):
    """Gather `width` values of each of a block's rows, starting at `base`, into a row of lanes."""
    for i in range(0, width - 3, 4):
        a, b, c, d = collect4(x, rows, first, stride, base + i, count)
        store(row, at + i * LANES, a)
        store(row, at + (i + 1) * LANES, b)
        store(row, at + (i + 2) * LANES, c)
        store(row, at + (i + 3) * LANES, d)
    for i in range(width // 4 * 4, width):
        store(row, at + i * LANES, collect(x, rows, first, stride, base + i, count))


@device
def scatter(row, at, rows, first, count, stride, base, width, out):
    """Scatter a row of lanes to `width` values of each of a block's rows, starting at `base`."""
    for i in range(0, width - 3, 4):
        a, b = load(row, at + i * LANES), load(row, at + (i + 1) * LANES)
        c, d = load(row, at + (i + 2) * LANES), load(row, at + (i + 3) * LANES)
        spread4(out, rows, first, stride, base + i, count, a, b, c, d)
    for i in range(width // 4 * 4, width):
        spread(out, rows, first, stride, base + i, count, load(row, at + i * LANES))


@inlined
def load_states(values, sequences, first, count, batch, n, states, row, at):
    """Turn (states, batch, neurons) of a block's sequences into a row of states."""
    for state in range(states):
        gather(values, sequences, first, count, n, state * batch * n, n, row, at + state * n * LANES)


@inlined
def store_states(row, at, sequences, first, count, batch, n, states, values):
    """Turn a row of states into (states, batch, neurons) of a block's sequences."""
    for state in range(states):
        scatter(row, at + state * n * LANES, sequences, first, count, n, state * batch * n, n, values)


@device
def load_lane(values, sequence, batch, n, states, row, at, lane):
    """Turn (states, batch, neurons) of one sequence into one lane of a row of states."""
    for state in range(states):
        for i in range(n):
            row[at + (state * n + i) * LANES + lane] = values[(state * batch + sequence) * n + i]


@device
def store_lane(row, at, lane, sequence, batch, n, states, values):
    """Turn one lane of a row of states into (states, batch, neurons) of one sequence."""
    for state in range(states):
        for i in range(n):
            values[(state * batch + sequence) * n + i] = row[at + (state * n + i) * LANES + lane]


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


@device
def clear_rest(values, sequence, end, time, width):
    """Set what lies past a sequence's end, a sample of the batch, in (batch, time, width) to 0, if there is any."""
    if len(values):
        for i in range(end * width, (sequence + 1) * time * width):
            values[i] = 0


@device
def write_kept(row, at, samples, first, count, t, keep, kept):
    """Copy the kept neurons of a row out to (batch, time, kept)."""
    width = len(keep)
    for i in range(width):
        spread(kept, samples, first, width, t * width + i, count, load(row, at + keep[i] * LANES))


@inlined
def add_to(row, at, value):
    """Add a block to a place in a row."""
    store(row, at, load(row, at) + value)


@device
def take_kept(g_kept, samples, first, count, t, keep, row, at):
    """Add the adjoints of what write_kept wrote to a row."""
    width = len(keep)
    for i in range(width):
        given = collect(g_kept, samples, first, width, t * width + i, count)
        add_to(row, at + keep[i] * LANES, only(given, count))
