# pyright: reportCallIssue=false, reportOperatorIssue=false
"""Continuous-time recurrent neurons under the semi-implicit solver: the kernels, called as those of `ltc` are.

p       time_constant, bias (neurons each), weight (connections)
edges   the number of connections, their bounds and senders, see `plans`
"""

from wormnet.kernels.cpu import LANES
from wormnet.kernels.cpu.compiled import device, inlined, kernel
from wormnet.kernels.cpu.elementary import d_semi_implicit, d_tanh, semi_implicit, tanh
from wormnet.kernels.cpu.folds import total
from wormnet.kernels.cpu.lanes import all_lanes, entry, load, same, select_less, store
from wormnet.kernels.cpu.rows import (
    add_to,
    clear,
    copy,
    ends,
    gather,
    hold_ended,
    per_lane,
    scatter,
    take_kept,
    write_kept,
)

__all__ = ["backward", "finish", "forward"]


@inlined
def add_sent(p, weight, first, last, pre, u, at, total_so_far):
    """Add what the connections first..last bring from the cells of row u."""
    for e in range(first, last):
        total_so_far = total_so_far + load(u, at + entry(pre, e) * LANES) * same(p, weight + e)
    return total_so_far


@device
def run_sample(p, edges, sizes, x, dt, lengths, shortest, block, t, v, v_at, drive_at, now, ring, row):
    """Run sample t of a block from row `now` of v; returns the number of the row that it ends in.

    Rows follow each other, each with a row of drives (the tanh) from drive_at on; or two take turns in a ring, without
    drives. `row` is room for inputs, held states and sums over inputs.
    """
    n, inputs, batch, time, _, unfolds, _ = sizes
    bounds, pre = edges[1 : 2 * n + 2], edges[2 * n + 2 :]
    wide, held, from_inputs = n * LANES, inputs * LANES, (inputs + n) * LANES
    gather(x, block, batch, time, inputs, t, row, 0)
    h = per_lane(dt, block, batch, time, t) / p.dtype.type(unfolds)
    one = all_lanes(p, p.dtype.type(1))
    for i in range(n):
        summed = add_sent(p, 2 * n, bounds[2 * i], bounds[2 * i + 1], pre, row, 0, same(p, n + i))
        store(row, from_inputs + i * LANES, summed)
    if t >= shortest:
        copy(v, v_at + now * wide, row, held, n)
    for _ in range(unfolds):
        after = 1 - now if ring else now + 1
        old, new = v_at + now * wide, v_at + after * wide
        for i in range(n):
            at = i * LANES
            summed = load(row, from_inputs + at)
            drive = tanh(add_sent(p, 2 * n, bounds[2 * i + 1], bounds[2 * i + 2], pre, v, old, summed))
            store(v, new + at, semi_implicit(load(v, old + at), same(p, i), drive, one, h))
            if not ring:
                store(v, drive_at + now * wide + at, drive)
        now = after
    if t >= shortest:
        here = all_lanes(p, p.dtype.type(t))
        for i in range(n):
            at = v_at + now * wide + i * LANES
            store(v, at, select_less(here, lengths, load(v, at), load(row, held + i * LANES)))
    return now


@kernel
def forward(p, edges, sizes, x, dt, lengths, v0, keep, kept, last, saved, block, scratch):
    """Run one block, as `ltc.forward` does. A history holds time x unfolds + 1 rows of states, then those of drives."""
    n, _, batch, time, _, unfolds, span = sizes
    wide = n * LANES
    ended, shortest, longest = ends(lengths, block, batch, time)
    whole = span == time
    v, ring = (saved, 0) if whole else (scratch, 1)
    v_at = block * (2 * time * unfolds + 1) * wide if whole else 0
    drive_at = v_at + (time * unfolds + 1) * wide
    row = scratch[2 * wide :]
    gather(v0, block, batch, 1, n, 0, v, v_at)
    now = 0
    for t in range(longest):
        if not whole and span > 0 and t % span == 0:
            mark = (block * ((time + span - 1) // span) + t // span) * wide
            copy(v, v_at + now * wide, saved, mark, n)
        now = run_sample(p, edges, sizes, x, dt, ended, shortest, block, t, v, v_at, drive_at, now, ring, row)
        write_kept(v, v_at + now * wide, keep, kept, sizes, ended, shortest, block, t)
    scatter(v, v_at + now * wide, block, batch, 1, n, 0, last)


@inlined
def pass_back(p, weight, first, last, pre, u, at, g, to, to_at, sums):
    """Pass the gradient of one neuron's sum on to its senders, in `to`, and to its weights' lanes, from `sums` on."""
    for e in range(first, last):
        sender = entry(pre, e) * LANES
        add_to(to, sums + e * LANES, g * load(u, at + sender))
        add_to(to, to_at + sender, g * same(p, weight + e))


@kernel
def backward(
    p, edges, sizes, x, dt, lengths, keep, saved, g_kept, g_last, g_x, g_dt, g_v0, sums, group, groups, scratch
):
    """Run every `groups`-th block back, as `ltc.backward` does. sums: in the order of p."""
    n, inputs, batch, time, _, unfolds, span = sizes
    bounds, pre = edges[1 : 2 * n + 2], edges[2 * n + 2 :]
    wide, whole = n * LANES, span == time
    rows = 0 if whole else (2 * span * unfolds + 1) * wide
    row, room = scratch[rows : rows + inputs * LANES + 2 * wide], scratch[rows + inputs * LANES + 2 * wide :]
    g, g_old, g_held, g_sum = 0, wide, 2 * wide, 3 * wide
    g_row, lanes = 4 * wide, 4 * wide + inputs * LANES
    weights = lanes + 2 * wide
    clear(room, lanes, len(p))
    v = saved if whole else scratch
    none, one = all_lanes(p, p.dtype.type(0)), all_lanes(p, p.dtype.type(1))
    for block in range(group, (batch + LANES - 1) // LANES, groups):
        ended, shortest, longest = ends(lengths, block, batch, time)
        v_at = block * (2 * time * unfolds + 1) * wide if whole else 0
        drive_at = v_at + (span * unfolds + 1) * wide
        gather(g_last, block, batch, 1, n, 0, room, g)
        for back in range(longest):
            t = longest - 1 - back
            begin = 0 if whole else t // span * span
            if not whole and (back == 0 or (t + 1) % span == 0):
                copy(saved, (block * ((time + span - 1) // span) + t // span) * wide, v, 0, n)
                now = 0
                for again in range(begin, t + 1):
                    now = run_sample(p, edges, sizes, x, dt, ended, shortest, block, again, v, 0, drive_at, now, 0, row)
            take_kept(g_kept, room, g, keep, sizes, ended, shortest, block, t)
            if t >= shortest:
                hold_ended(room, g, g_held, n, ended, t)
            h = per_lane(dt, block, batch, time, t) / p.dtype.type(unfolds)
            gather(x, block, batch, time, inputs, t, row, 0)
            clear(room, g_sum, n + inputs)
            by_dt = none
            for unfold in range(unfolds):
                k = (t - begin + 1) * unfolds - 1 - unfold
                old = v_at + k * wide
                clear(room, g_old, n)
                for i in range(n - 1, -1, -1):
                    at, constant = i * LANES, same(p, i)
                    drive = load(v, drive_at + k * wide + at)
                    by_v, by_constant, by_drive, _, by_h = d_semi_implicit(
                        load(v, old + at), constant, load(v, old + wide + at), one / (constant + h), one, drive, h
                    )
                    g_new = load(room, g + at)
                    g_net = g_new * by_drive * d_tanh(drive)
                    by_dt = by_dt + g_new * by_h
                    add_to(room, g_old + at, g_new * by_v)
                    add_to(room, lanes + at, g_new * by_constant)
                    add_to(room, g_sum + at, g_net)
                    pass_back(p, 2 * n, bounds[2 * i + 1], bounds[2 * i + 2], pre, v, old, g_net, room, g_old, weights)
                g, g_old = g_old, g
            for i in range(n):
                g_net = load(room, g_sum + i * LANES)
                add_to(room, lanes + wide + i * LANES, g_net)
                pass_back(p, 2 * n, bounds[2 * i], bounds[2 * i + 1], pre, row, 0, g_net, room, g_row, weights)
                if t >= shortest:
                    add_to(room, g + i * LANES, load(room, g_held + i * LANES))
            if len(g_x) > 0:
                scatter(room, g_row, block, batch, time, inputs, t, g_x)
            store(row, 0, by_dt / p.dtype.type(unfolds))
            if len(g_dt) > 0:
                scatter(row, 0, block, batch, time, 1, t, g_dt)
        scatter(room, g, block, batch, 1, n, 0, g_v0)
    for i in range(len(p)):
        sums[i] = total(load(room, lanes + i * LANES))


@kernel
def finish(p, edges, n, sums, g_p):
    """Sum the groups' sums, (groups, parameters), in a fixed order."""
    for i in range(len(p)):
        number = p.dtype.type(0)
        for group in range(len(sums)):
            number += sums[group, i]
        g_p[i] = number
