# pyright: reportCallIssue=false, reportOperatorIssue=false
"""Closed-form continuous-time neurons behind a backbone: the kernels, called as those of `ltc` are.

    p       weight (units, width) and bias of each backbone layer, weights of the heads (neurons, units) and their
            biases, and w_tau and A of the mode "pure"
    option  four numbers, see `plans.backbone_option`: mode as in `cfc`, activation, layers, units

The gradients of the weights are sums over samples and sequences of outer products. They wait until CHUNK samples are
together, so that most of a sum is made in registers.
"""

from wormnet.kernels.cpu import LANES
from wormnet.kernels.cpu.cfc import PURE, settle, unsettle
from wormnet.kernels.cpu.compiled import device, inlined, kernel
from wormnet.kernels.cpu.elementary import d_sigmoid, d_tanh, sigmoid, tanh
from wormnet.kernels.cpu.folds import total
from wormnet.kernels.cpu.lanes import all_lanes, load, select_less, store
from wormnet.kernels.cpu.plans import CHUNK
from wormnet.kernels.cpu.products import add_outer, dense, dense_back
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

TANH, RELU, SILU = 1, 2, 3
"""Numbers of the activations; 0 is lecun_tanh."""


@inlined
def decode(option):
    """Mode, activation, layers and units."""
    return option % 4, option // 4 % 8, option // 32 % 32, option // 1024


@inlined
def act(p, kind, s):
    """The activation of a block, and its derivative."""
    none = all_lanes(p, p.dtype.type(0))
    if kind == TANH:
        y = tanh(s)
        return y, d_tanh(y)
    if kind == RELU:
        return select_less(s, none, none, s), select_less(none, s, none + 1.0, none)
    if kind == SILU:
        y = sigmoid(s)
        return s * y, y + s * d_sigmoid(y)
    y = tanh(s * 0.666)
    return y * 1.7159, d_tanh(y) * (1.7159 * 0.666)


@device
def run_sample(p, sizes, x, dt, lengths, shortest, block, t, v, v_at, heads_at, hidden_at, now, ring, cells):
    """Run sample t of a block from row `now` of v; returns the number of the row that it ends in.

    Rows follow each other, each with four rows of heads from heads_at on and, from hidden_at on, a row of each layer's
    units and one of their derivatives; or two take turns in a ring, without heads, the hidden rows being the same for
    all samples. `cells` is room for inputs and states, and the heads.
    """
    n, inputs, batch, time, _, option, _ = sizes
    mode, kind, layers, units = decode(option)
    wide, after, count = n * LANES, 1 - now if ring else now + 1, 1 if mode == PURE else 4
    hidden = hidden_at + (0 if ring else now) * 2 * layers * units * LANES
    gather(x, block, batch, time, inputs, t, cells, 0)
    copy(v, v_at + now * wide, cells, inputs * LANES, n)
    at, width, source, source_at = 0, inputs + n, cells, 0
    for layer in range(layers):
        to = hidden + 2 * layer * units * LANES
        dense(p, at, at + width * units, units, width, source, source_at, v, to)
        for i in range(units):
            y, derivative = act(p, kind, load(v, to + i * LANES))
            store(v, to + i * LANES, y)
            store(v, to + (units + i) * LANES, derivative)
        at, width, source, source_at = at + (width + 1) * units, units, v, to
    heads = (inputs + n) * LANES
    dense(p, at, at + width * count * n, count * n, width, source, source_at, cells, heads)
    step, here = per_lane(dt, block, batch, time, t), all_lanes(p, p.dtype.type(t))
    for i in range(n):
        own = heads + i * LANES
        g = load(cells, own)
        h, a, b = g, g, g
        if mode != PURE:
            h, a, b = load(cells, own + wide), load(cells, own + 2 * wide), load(cells, own + 3 * wide)
        result, first, second, third, fourth = settle(p, n, mode, i, step, g, h, a, b)
        if not ring:
            saved = heads_at + (4 * now * n + i) * LANES
            store(v, saved, first)
            store(v, saved + wide, second)
            store(v, saved + 2 * wide, third)
            store(v, saved + 3 * wide, fourth)
        if t >= shortest:
            result = select_less(here, lengths, result, load(v, v_at + now * wide + i * LANES))
        store(v, v_at + after * wide + i * LANES, result)
    return after


@inlined
def rows_of(n, time, layers, units):
    """How many rows a history of `time` samples has: states, heads, hidden units."""
    return (5 * time + 1) * n + 2 * time * layers * units


@kernel
def forward(p, edges, sizes, x, dt, lengths, v0, keep, kept, last, saved, block, scratch):
    """Run one block, as `ltc.forward` does."""
    n, _, batch, time, _, option, span = sizes
    _, _, layers, units = decode(option)
    wide = n * LANES
    ended, shortest, longest = ends(lengths, block, batch, time)
    whole = span == time
    v, ring = (saved, 0) if whole else (scratch, 1)
    v_at = block * rows_of(n, time, layers, units) * LANES if whole else 0
    heads_at = v_at + (time + 1) * wide
    hidden_at = heads_at + 4 * time * wide if whole else 2 * wide
    cells = scratch[2 * wide + 2 * layers * units * LANES :]
    gather(v0, block, batch, 1, n, 0, v, v_at)
    now = 0
    for t in range(longest):
        if not whole and span > 0 and t % span == 0:
            mark = (block * ((time + span - 1) // span) + t // span) * wide
            copy(v, v_at + now * wide, saved, mark, n)
        now = run_sample(
            p, sizes, x, dt, ended, shortest, block, t, v, v_at, heads_at, hidden_at, now, ring, cells
        )  # fmt: skip
        write_kept(v, v_at + now * wide, keep, kept, sizes, ended, shortest, block, t)
    scatter(v, v_at + now * wide, block, batch, 1, n, 0, last)


@inlined
def in_blocks(width):
    """As many numbers, in whole blocks."""
    return (width + LANES - 1) // LANES * LANES


@device
def sample_back(p, sizes, v, heads_at, hidden, step, g_new, own, room, tail, by_x):
    """Gradients of one sample's heads and units, one behind the other from `own` on, and of its cells behind g_new.

    Adds w_tau's and A's to the lanes from `tail` on; inputs get theirs only if by_x. Returns the gradient of dt.
    """
    n, inputs, _, _, _, option, _ = sizes
    mode, _, layers, units = decode(option)
    wide, count = n * LANES, 1 if mode == PURE else 4
    by_dt = step - step
    for i in range(n):
        at = heads_at + i * LANES
        g, h, gate, a = load(v, at), load(v, at + wide), load(v, at + 2 * wide), load(v, at + 3 * wide)
        g_g, g_h, g_a, g_b, by_step = unsettle(p, n, mode, i, step, g, h, gate, a, load(room, g_new + i * LANES))
        by_dt = by_dt + by_step
        store(room, own + i * LANES, g_g)
        if mode == PURE:
            add_to(room, tail + i * LANES, g_h)
            add_to(room, tail + wide + i * LANES, g_a)
        else:
            store(room, own + wide + i * LANES, g_h)
            store(room, own + 2 * wide + i * LANES, g_a)
            store(room, own + 3 * wide + i * LANES, g_b)
    weight = (inputs + n + 1) * units + (layers - 1) * (units + 1) * units
    outs, g_at = count * n, own
    for layer in range(layers - 1, -1, -1):
        to = own + (count * n + layer * units) * LANES
        dense_back(p, weight, outs, units, 0, room, g_at, to)
        for i in range(units):
            derivative = load(v, hidden + ((2 * layer + 1) * units + i) * LANES)
            store(room, to + i * LANES, load(room, to + i * LANES) * derivative)
        width = inputs + n if layer == 0 else units
        weight, outs, g_at = weight - (width + 1) * units, units, to
    dense_back(p, 0, units, inputs + n, 0 if by_x else inputs, room, g_at, g_new + wide)
    return by_dt


@device
def weights_back(sizes, v, hidden_at, own, per_sample, z, samples, room, turned, lanes, parts):
    """Add the gradients of all weights and biases over a chunk of samples; hidden_at is that of the chunk's first."""
    n, inputs, _, _, _, option, _ = sizes
    mode, _, layers, units = decode(option)
    count, stride = 1 if mode == PURE else 4, 2 * layers * units * LANES
    for i in range(count * n + layers * units):
        summed = load(room, own + i * LANES)
        for k in range(1, samples):
            summed = summed + load(room, own + k * per_sample + i * LANES)
        add_to(room, lanes + i * LANES, summed)
    for layer in range(layers):
        g_at = own + (count * n + layer * units) * LANES
        if layer == 0:
            width, to_next = inputs + n, (inputs + n + 1) * LANES
            add_outer(room, g_at, per_sample, units, width, room, z, to_next, samples, room, turned, room, parts)
        else:
            width, u_at = units, hidden_at + 2 * (layer - 1) * units * LANES
            add_outer(room, g_at, per_sample, units, units, v, u_at, stride, samples, room, turned, room, parts)
        parts += units * in_blocks(width)
    u_at = hidden_at + 2 * (layers - 1) * units * LANES
    add_outer(room, own, per_sample, count * n, units, v, u_at, stride, samples, room, turned, room, parts)


@kernel
def backward(
    p, edges, sizes, x, dt, lengths, keep, saved, g_kept, g_last, g_x, g_dt, g_v0, sums, group, groups, scratch
):
    """Run every `groups`-th block back, as `ltc.backward` does. sums: in the order of p."""
    n, inputs, batch, time, _, option, span = sizes
    mode, _, layers, units = decode(option)
    count, cells_n, whole, wide = 1 if mode == PURE else 4, inputs + n, span == time, n * LANES
    by_x = len(g_x) > 0
    at = 0 if whole else rows_of(n, span, layers, units) * LANES
    cells, room = scratch[at : at + (cells_n + 4 * n) * LANES], scratch[at + (cells_n + 4 * n) * LANES :]
    # New states' gradients, those of inputs and old states behind them, held ones; a chunk's gradients and cells; sums.
    g_new, g_held = 0, (n + cells_n) * LANES
    # A row more than needed: addresses that are a power of two apart share few places of a cache.
    per_sample, z_sample = (count * n + layers * units + 1) * LANES, (cells_n + 1) * LANES
    chunk = g_held + wide
    z = chunk + CHUNK * per_sample
    turned = z + CHUNK * z_sample
    lanes = turned + CHUNK * LANES * LANES
    tail = lanes + per_sample
    parts = tail + 2 * wide
    n_parts = units * (in_blocks(cells_n) + (layers - 1) * in_blocks(units)) + count * n * in_blocks(units)
    clear(room, lanes, (parts - lanes + n_parts) // LANES)
    v = saved if whole else scratch
    for block in range(group, (batch + LANES - 1) // LANES, groups):
        ended, shortest, longest = ends(lengths, block, batch, time)
        v_at = block * rows_of(n, time, layers, units) * LANES if whole else 0
        heads_at = v_at + (span + 1) * wide
        hidden_at, filled = heads_at + 4 * span * wide, 0
        gather(g_last, block, batch, 1, n, 0, room, g_new)
        for back in range(longest):
            t = longest - 1 - back
            begin = 0 if whole else t // span * span
            if not whole and (back == 0 or (t + 1) % span == 0):
                copy(saved, (block * ((time + span - 1) // span) + t // span) * wide, v, 0, n)
                now = 0
                for again in range(begin, t + 1):
                    now = run_sample(
                        p, sizes, x, dt, ended, shortest, block, again, v, 0, heads_at, hidden_at, now, 0, cells
                    )  # fmt: skip
            take_kept(g_kept, room, g_new, keep, sizes, ended, shortest, block, t)
            if t >= shortest:
                hold_ended(room, g_new, g_held, n, ended, t)
            # Chunks are filled from their end, so that samples stand in the order of time.
            filled += 1
            place = CHUNK - filled
            k, step = t - begin, per_lane(dt, block, batch, time, t)
            gather(x, block, batch, time, inputs, t, room, z + place * z_sample)
            copy(v, v_at + k * wide, room, z + place * z_sample + inputs * LANES, n)
            hidden = hidden_at + 2 * k * layers * units * LANES
            own = chunk + place * per_sample
            by_dt = sample_back(p, sizes, v, heads_at + 4 * k * wide, hidden, step, g_new, own, room, tail, by_x)
            if filled == CHUNK or t == begin:
                z_at = z + place * z_sample
                weights_back(sizes, v, hidden, own, per_sample, z_at, filled, room, turned, lanes, parts)
                filled = 0
            if by_x:
                scatter(room, g_new + wide, block, batch, time, inputs, t, g_x)
            copy(room, g_new + wide + inputs * LANES, room, g_new, n)
            if t >= shortest:
                for i in range(n):
                    add_to(room, g_new + i * LANES, load(room, g_held + i * LANES))
            store(cells, 0, by_dt)
            if len(g_dt) > 0:
                scatter(cells, 0, block, batch, time, 1, t, g_dt)
        scatter(room, g_new, block, batch, 1, n, 0, g_v0)
    write_sums(sizes, len(p), room, lanes, tail, parts, sums)


@device
def write_sums(sizes, n_parameters, room, lanes, tail, parts, sums):
    """Reduce lanes and parts to one number for each parameter."""
    n, inputs, _, _, _, option, _ = sizes
    mode, _, layers, units = decode(option)
    count, to = 1 if mode == PURE else 4, 0
    for layer in range(layers + 1):
        outs, width = units if layer < layers else count * n, inputs + n if layer == 0 else units
        for o in range(outs):
            for j in range(width):
                sums[to + o * width + j] = room[parts + o * in_blocks(width) + j]
        parts += outs * in_blocks(width)
        to += outs * width
        bias = lanes + (count * n + layer * units if layer < layers else 0) * LANES
        for o in range(outs):
            sums[to + o] = total(load(room, bias + o * LANES))
        to += outs
    for i in range(n_parameters - to):
        sums[to + i] = total(load(room, tail + i * LANES))


@kernel
def finish(p, edges, n, sums, g_p):
    """Sum the groups' sums, (groups, parameters), in a fixed order."""
    for i in range(len(p)):
        number = p.dtype.type(0)
        for group in range(len(sums)):
            number += sums[group, i]
        g_p[i] = number
