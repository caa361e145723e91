# pyright: reportCallIssue=false, reportOperatorIssue=false
"""Liquid time-constant neurons under the semi-implicit solver: the kernels.

A task is a block of sequences, computed from its first sample to its last, and back. All arrays are flat; a block's
row holds LANES numbers for each neuron or input. Arguments that the kernels share:

    p       parameters, one behind the other: capacitance, leak, v_leak (neurons each); conductance, slope, midpoint,
            reversal (chemical synapses each); gap_conductance (gap junctions); current (currents)
    edges   the wiring, whole numbers one behind the other, see `plans`
    sizes   (neurons, inputs, batch, time, kept, unfolds, span): span is -1 to keep no history, `time` to keep all of
            it, or the samples between two states that are kept, from which the way back recomputes the rest
"""

from wormnet.kernels.cpu import LANES
from wormnet.kernels.cpu.compiled import device, inlined, kernel
from wormnet.kernels.cpu.elementary import (
    d_gate_argument,
    d_semi_implicit,
    d_sigmoid,
    gate_argument,
    semi_implicit,
    sigmoid,
)
from wormnet.kernels.cpu.folds import add_four, four_by_four, halves, join, pair, total, turned
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


@device
def split(edges, n):
    """The three kinds of edges: for each, where a neuron's begin and where those from neurons begin; then the edges."""
    n_chemical, n_gap, n_current = edges[0], edges[1], edges[2]
    at = 3
    chemical = edges[at : at + 2 * n + 1]
    at += 2 * n + 1
    gap = edges[at : at + 2 * n + 1]
    at += 2 * n + 1
    current = edges[at : at + 2 * n + 1]
    at += 2 * n + 1
    pre = edges[at : at + n_chemical]
    at += n_chemical
    gap_pre = edges[at : at + n_gap]
    at += n_gap
    gap_synapse = edges[at : at + n_gap]
    at += n_gap
    current_pre = edges[at : at + n_current]
    return chemical, pre, gap, gap_pre, gap_synapse, current, current_pre


@inlined
def multiply(p, n, s, row, products):
    """Write conductance x reversal of all chemical synapses, and behind them conductance x slope, once for a call."""
    conductance, slope, reversal = 3 * n, 3 * n + s, 3 * n + 3 * s
    for e in range(s):
        row[products + e] = p[conductance + e] * p[reversal + e]
        row[products + s + e] = p[conductance + e] * p[slope + e]


@inlined
def sums(p, n, s, first, last, pre, row, products, u, at, drive, pull):
    """Add to drive and pull of one neuron what its chemical synapses first..last bring from the cells of row u."""
    conductance, slope, midpoint = 3 * n, 3 * n + s, 3 * n + 2 * s
    for e in range(first, last):
        u_pre = load(u, at + entry(pre, e) * LANES)
        gate = sigmoid(gate_argument(u_pre, same(p, slope + e), same(p, midpoint + e)))
        drive = drive + gate * same(row, products + e)
        pull = pull + gate * same(p, conductance + e)
    return drive, pull


@inlined
def gap_sums(p, base, first, last, pre, synapse, u, at, drive, pull):
    """The same for gap junctions."""
    for e in range(first, last):
        conductance = same(p, base + entry(synapse, e))
        drive = drive + load(u, at + entry(pre, e) * LANES) * conductance
        pull = pull + conductance
    return drive, pull


@device
def run_sample(p, edges, sizes, x, dt, lengths, shortest, block, t, v, v_at, inverse_at, now, ring, row):
    """Run sample t of a block from row `now` of v; returns the number of the row that it ends in.

    Rows follow each other, each with a row of inverse denominators from inverse_at on; or two take turns in a ring,
    without inverses. `row` is room for inputs, held states, drive and pull; behind them it holds what multiply wrote.
    """
    n, inputs, batch, time, _, unfolds, _ = sizes
    chemical, pre, gap, gap_pre, gap_synapse, current, current_pre = split(edges, n)
    s, wide = len(pre), n * LANES
    gaps, currents = 3 * n + 4 * s, len(p) - len(current_pre)
    held, drives, pulls = inputs * LANES, inputs * LANES + wide, inputs * LANES + 2 * wide
    products = pulls + wide
    gather(x, block, batch, time, inputs, t, row, 0)
    h = per_lane(dt, block, batch, time, t) / p.dtype.type(unfolds)
    for i in range(n):
        drive, pull = all_lanes(p, p[n + i] * p[2 * n + i]), same(p, n + i)
        first, last = chemical[2 * i], chemical[2 * i + 1]
        drive, pull = sums(p, n, s, first, last, pre, row, products, row, 0, drive, pull)
        drive, pull = gap_sums(p, gaps, gap[2 * i], gap[2 * i + 1], gap_pre, gap_synapse, row, 0, drive, pull)
        for e in range(current[2 * i], current[2 * i + 1]):
            drive = drive + load(row, current_pre[e] * LANES) * same(p, currents + e)
        store(row, drives + i * LANES, drive)
        store(row, pulls + i * LANES, pull)
        if t >= shortest:
            store(row, held + i * LANES, load(v, v_at + now * wide + i * LANES))
    for _ in range(unfolds):
        after = 1 - now if ring else now + 1
        old, new, inverse = v_at + now * wide, v_at + after * wide, inverse_at + now * wide
        for i in range(n):
            at = i * LANES
            drive, pull = load(row, drives + at), load(row, pulls + at)
            first, last = chemical[2 * i + 1], chemical[2 * i + 2]
            drive, pull = sums(p, n, s, first, last, pre, row, products, v, old, drive, pull)
            drive, pull = gap_sums(p, gaps, gap[2 * i + 1], gap[2 * i + 2], gap_pre, gap_synapse, v, old, drive, pull)
            capacitance = same(p, i)
            store(v, new + at, semi_implicit(load(v, old + at), capacitance, drive, pull, h))
            if not ring:
                store(v, inverse + at, 1.0 / (capacitance + h * pull))
        now = after
    if t >= shortest:
        here = all_lanes(p, p.dtype.type(t))
        for i in range(n):
            at = v_at + now * wide + i * LANES
            store(v, at, select_less(here, lengths, load(v, at), load(row, held + i * LANES)))
    return now


@kernel
def forward(p, edges, sizes, x, dt, lengths, v0, keep, kept, last, saved, block, scratch):
    """Run one block: writes kept (batch, time, kept), last (batch, neurons) and, unless span is -1, saved.

    A history holds time x unfolds + 1 rows of states, then time x unfolds rows of inverse denominators.
    """
    n, inputs, batch, time, _, unfolds, span = sizes
    wide = n * LANES
    ended, shortest, longest = ends(lengths, block, batch, time)
    # Rows of v: the block's history in `saved`, or two in turn at the front of scratch.
    whole = span == time
    v, ring = (saved, 0) if whole else (scratch, 1)
    v_at = block * history(time, unfolds) * wide if whole else 0
    inverse_at = v_at + (time * unfolds + 1) * wide
    row = scratch[2 * wide :]
    multiply(p, n, edges[0], row, inputs * LANES + 3 * wide)
    gather(v0, block, batch, 1, n, 0, v, v_at)
    now = 0
    for t in range(longest):
        if not whole and span > 0 and t % span == 0:
            mark = (block * ((time + span - 1) // span) + t // span) * wide
            copy(v, v_at + now * wide, saved, mark, n)
        now = run_sample(p, edges, sizes, x, dt, ended, shortest, block, t, v, v_at, inverse_at, now, ring, row)
        write_kept(v, v_at + now * wide, keep, kept, sizes, ended, shortest, block, t)
    scatter(v, v_at + now * wide, block, batch, 1, n, 0, last)


@device
def history(time, unfolds):
    """How many rows a history of `time` samples has."""
    return 2 * time * unfolds + 1


@inlined
def synapse_back(p, n, s, e, pre, row, products, u, at, q, q_new, straight, crossed, to, to_at):
    """Pass the gradient of a neuron's drive and pull on through its chemical synapse e, as chemical_back says.

    Returns the synapse's sums, folded into a block (see folds), and the gradient of its conductance.
    """
    slope, midpoint, reversal = 3 * n + s, 3 * n + 2 * s, 3 * n + 3 * s
    sender = entry(pre, e) * LANES
    u_pre = load(u, at + sender)
    gate = sigmoid(gate_argument(u_pre, same(p, slope + e), same(p, midpoint + e)))
    _, by_slope, _ = d_gate_argument(u_pre, same(p, slope + e), same(p, midpoint + e))
    opened = q * same(p, reversal + e) - q_new
    argument = opened * d_sigmoid(gate)
    store(to, to_at + sender, load(to, to_at + sender) + argument * same(row, products + s + e))
    by_gate = gate * straight + turned(gate) * crossed
    return join(by_gate, pair(argument, argument * by_slope)), opened * gate


@inlined
def chemical_back(
    p, n, s, first, last, pre, row, products, u, at, q, q_new, to, to_at, parts, parts_at, by_dt, work
):  # fmt: skip
    """Pass the gradient of one neuron's drive (q) and pull (q_new, sign turned) on to its chemical synapses.

    Adds to the senders' gradients in `to`, and to four sums of each synapse in `parts`: q x gate, q_new x gate,
    gradient of the gate's argument / conductance, that x (u - midpoint). Returns, if by_dt, the work: the sum of
    conductance x its gradient.
    """
    straight, crossed, g = halves(q, q_new), turned(halves(q_new, q)), 3 * n
    alone = last - (last - first) % 4
    for e in range(first, alone, 4):
        # Sums of four synapses fill a block: a quarter of the memory, and of the loads and stores, of one for each.
        a, g_a = synapse_back(p, n, s, e, pre, row, products, u, at, q, q_new, straight, crossed, to, to_at)
        b, g_b = synapse_back(p, n, s, e + 1, pre, row, products, u, at, q, q_new, straight, crossed, to, to_at)
        c, g_c = synapse_back(p, n, s, e + 2, pre, row, products, u, at, q, q_new, straight, crossed, to, to_at)
        d, g_d = synapse_back(p, n, s, e + 3, pre, row, products, u, at, q, q_new, straight, crossed, to, to_at)
        add_to(parts, parts_at + 4 * e, four_by_four(a, b, c, d))
        if by_dt:
            work = work + g_a * same(p, g + e) + g_b * same(p, g + e + 1)
            work = work + g_c * same(p, g + e + 2) + g_d * same(p, g + e + 3)
    for e in range(alone, last):
        a, g_a = synapse_back(p, n, s, e, pre, row, products, u, at, q, q_new, straight, crossed, to, to_at)
        add_four(parts, parts_at + 4 * e, a)
        if by_dt:
            work = work + g_a * same(p, g + e)
    return work


@inlined
def gap_back(p, base, first, last, pre, synapse, u, at, q, q_new, to, to_at, lanes, lanes_at, work):
    """The same for gap junctions, whose gradients are summed lane by lane."""
    for e in range(first, last):
        sender, own = entry(pre, e) * LANES, lanes_at + entry(synapse, e) * LANES
        g, conductance = q * load(u, at + sender) - q_new, same(p, base + entry(synapse, e))
        work = work + g * conductance
        store(lanes, own, load(lanes, own) + g)
        store(to, to_at + sender, load(to, to_at + sender) + q * conductance)
    return work


@kernel
def backward(
    p, edges, sizes, x, dt, lengths, keep, saved, g_kept, g_last, g_x, g_dt, g_v0, sums, group, groups, scratch
):
    """Run every `groups`-th block back, from number `group` on: writes g_x, g_dt, g_v0 and this group's sums.

    sums: (4 x chemical synapses + 3 neurons + gap junctions + currents,), the first as chemical_back says.
    """
    n, inputs, batch, time, _, unfolds, span = sizes
    chemical, pre, gap, gap_pre, gap_synapse, current, current_pre = split(edges, n)
    s, wide = len(pre), n * LANES
    gaps, currents = 3 * n + 4 * s, len(p) - len(current_pre)
    whole, by_dt = span == time, len(g_dt) > 0
    rows, products = 0 if whole else history(span, unfolds) * wide, inputs * LANES + 3 * wide
    end = rows + products + (2 * s + LANES - 1) // LANES * LANES
    row, room = scratch[rows:end], scratch[end:]
    multiply(p, n, s, row, products)
    g, g_old, g_held, q_sum, q_new_sum = 0, wide, 2 * wide, 3 * wide, 4 * wide
    g_row, lanes = 5 * wide, 5 * wide + inputs * LANES
    parts = lanes + (len(p) - 4 * s) * LANES
    clear(room, lanes, len(p) - 4 * s + (4 * s + LANES - 1) // LANES)
    v = saved if whole else scratch
    for block in range(group, (batch + LANES - 1) // LANES, groups):
        ended, shortest, longest = ends(lengths, block, batch, time)
        v_at = block * history(time, unfolds) * wide if whole else 0
        inverse_at = v_at + (span * unfolds + 1) * wide
        gather(g_last, block, batch, 1, n, 0, room, g)
        for back in range(longest):
            t = longest - 1 - back
            begin = 0 if whole else t // span * span
            if not whole and (back == 0 or (t + 1) % span == 0):
                mark = (block * ((time + span - 1) // span) + t // span) * wide
                copy(saved, mark, v, 0, n)
                now = 0
                for again in range(begin, t + 1):
                    now = run_sample(
                        p, edges, sizes, x, dt, ended, shortest, block, again, v, 0, inverse_at, now, 0, row
                    )
            none = all_lanes(p, p.dtype.type(0))
            take_kept(g_kept, room, g, keep, sizes, ended, shortest, block, t)
            if t >= shortest:
                hold_ended(room, g, g_held, n, ended, t)
            h = per_lane(dt, block, batch, time, t) / p.dtype.type(unfolds)
            gather(x, block, batch, time, inputs, t, row, 0)
            clear(room, q_sum, 2 * n + inputs)
            work = none
            for unfold in range(unfolds):
                k = (t - begin + 1) * unfolds - 1 - unfold
                old = v_at + k * wide
                clear(room, g_old, n)
                # From the last row and neuron to the first: memory is read in one direction.
                for i in range(n - 1, -1, -1):
                    at = i * LANES
                    capacitance = same(p, i)
                    by_v, by_capacitance, by_drive, by_pull, _ = d_semi_implicit(
                        load(v, old + at),
                        capacitance,
                        load(v, old + wide + at),
                        load(v, inverse_at + k * wide + at),
                        none,
                        none,
                        h,
                    )
                    g_new = load(room, g + at)
                    q, q_new = g_new * by_drive, -(g_new * by_pull)
                    add_to(room, g_old + at, g_new * by_v)
                    add_to(room, lanes + at, g_new * by_capacitance)
                    add_to(room, q_sum + at, q)
                    add_to(room, q_new_sum + at, q_new)
                    first, last = chemical[2 * i + 1], chemical[2 * i + 2]
                    work = chemical_back(
                        p, n, s, first, last, pre, row, products,
                        v, old, q, q_new, room, g_old, room, parts, by_dt, work,
                    )  # fmt: skip
                    first, last, own = gap[2 * i + 1], gap[2 * i + 2], lanes + 3 * wide
                    work = gap_back(
                        p, gaps, first, last, gap_pre, gap_synapse, v, old, q, q_new, room, g_old, room, own, work
                    )
                g, g_old = g_old, g
            for i in range(n):
                at = i * LANES
                q, q_new = load(room, q_sum + at), load(room, q_new_sum + at)
                by_leak = q * p[2 * n + i] - q_new
                work = work + by_leak * p[n + i]
                add_to(room, lanes + wide + at, by_leak)
                add_to(room, lanes + 2 * wide + at, q * p[n + i])
                first, last = chemical[2 * i], chemical[2 * i + 1]
                work = chemical_back(
                    p, n, s, first, last, pre, row, products, row, 0, q, q_new, room, g_row, room, parts, by_dt, work
                )  # fmt: skip
                first, last, own = gap[2 * i], gap[2 * i + 1], lanes + 3 * wide
                work = gap_back(
                    p, gaps, first, last, gap_pre, gap_synapse, row, 0, q, q_new, room, g_row, room, own, work
                )
                own = lanes + (3 * n + currents - gaps) * LANES
                for e in range(current[2 * i], current[2 * i + 1]):
                    by_current = q * load(row, current_pre[e] * LANES)
                    work = work + by_current * same(p, currents + e)
                    add_to(room, own + e * LANES, by_current)
                    add_to(room, g_row + current_pre[e] * LANES, q * same(p, currents + e))
                if t >= shortest:
                    add_to(room, g + at, load(room, g_held + at))
            if len(g_x) > 0:
                scatter(room, g_row, block, batch, time, inputs, t, g_x)
            if by_dt:
                store(row, 0, work / (h * p.dtype.type(unfolds)))
                scatter(row, 0, block, batch, time, 1, t, g_dt)
        scatter(room, g, block, batch, 1, n, 0, g_v0)
    for i in range(4 * s):
        sums[i] = room[parts + i]
    for i in range(len(p) - 4 * s):
        sums[4 * s + i] = total(load(room, lanes + i * LANES))


@kernel
def finish(p, edges, n, sums, g_p):
    """Turn the groups' sums, (groups, ...), into the parameters' gradients, in a fixed order."""
    s = edges[0]
    conductance, slope, midpoint, reversal = 3 * n, 3 * n + s, 3 * n + 2 * s, 3 * n + 3 * s
    for i in range(sums.shape[1]):
        number = p.dtype.type(0)
        for group in range(len(sums)):
            number += sums[group, i]
        e = i // 4
        if i >= 4 * s:
            g_p[i - 4 * s if i < 4 * s + 3 * n else i] = number
        elif i % 4 == 0:
            g_p[conductance + e] = number * p[reversal + e]
            g_p[reversal + e] = number * p[conductance + e]
        elif i % 4 == 1:
            g_p[conductance + e] -= number
        elif i % 4 == 2:
            g_p[midpoint + e] = -number * p[conductance + e] * p[slope + e]
        else:
            g_p[slope + e] = number * p[conductance + e]
