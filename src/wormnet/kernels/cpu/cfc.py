# pyright: reportCallIssue=false, reportOperatorIssue=false
"""Closed-form continuous-time neurons without a backbone: the kernels, called as those of `ltc` are.

p       weights of the heads (connections each: g, and h, a, b unless the mode is "pure"), their biases (neurons
        each), and w_tau and A of the mode "pure" (neurons each)
edges   the number of connections and their bounds, see `plans`; the neurons in the order of their layers; each
        connection's sender in a row of inputs, old states, new states
option  0 for the mode "default", 1 for "no_gate", 2 for "pure"
"""

from wormnet.kernels.cpu import LANES
from wormnet.kernels.cpu.compiled import device, inlined, kernel
from wormnet.kernels.cpu.elementary import (
    affine,
    d_decayed,
    d_gated,
    d_mix,
    d_sigmoid,
    d_tanh,
    decayed,
    exp,
    gated,
    mix,
    sigmoid,
    tanh,
)
from wormnet.kernels.cpu.folds import add_four, four_by_four, halves, join, total, turned
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

NO_GATE, PURE = 1, 2


@inlined
def heads(p, n, c, i, first, last, pre, cells):
    """The four heads of neuron i over the row `cells`: g, h, a, b."""
    g, h = same(p, 4 * c + i), same(p, 4 * c + n + i)
    a, b = same(p, 4 * c + 2 * n + i), same(p, 4 * c + 3 * n + i)
    for e in range(first, last):
        u = load(cells, entry(pre, e) * LANES)
        g = g + u * same(p, e)
        h = h + u * same(p, c + e)
        a = a + u * same(p, 2 * c + e)
        b = b + u * same(p, 3 * c + e)
    return g, h, a, b


@inlined
def only_head(p, c, i, first, last, pre, cells):
    """The head g of neuron i in the mode "pure"."""
    g = same(p, c + i)
    for e in range(first, last):
        g = g + load(cells, entry(pre, e) * LANES) * same(p, e)
    return g


@inlined
def magnitude(x, none):
    """|x| of each lane, and its derivative, 0 at 0 as in torch; none is 0 in all lanes."""
    sign = select_less(none, x, none + 1.0, select_less(x, none, none - 1.0, none))
    return select_less(x, none, -x, x), sign


@inlined
def settle(p, n, mode, i, step, g, h, a, b):
    """Neuron i's new state from its heads, and four blocks that the way back needs. p ends with w_tau, A if pure."""
    if mode == PURE:
        tau, rest = p[len(p) - 2 * n + i], same(p, len(p) - n + i)
        decay = exp(-(step * (magnitude(g, step - step)[0] + abs(tau))))
        return decayed(rest, g, decay), g, decay, g, g
    g, h, gate = tanh(g), tanh(h), sigmoid(affine(a, b, step))
    return (gated(g, h, gate) if mode == NO_GATE else mix(g, h, gate)), g, h, gate, a


@inlined
def unsettle(p, n, mode, i, step, g, h, gate, a, g_new):
    """Gradients of neuron i's heads g, h, a, b (if pure: of g, w_tau, A and nothing), and of dt.

    Takes the four blocks that settle gave, in their order.
    """
    if mode == PURE:
        tau, rest, decay = p[len(p) - 2 * n + i], same(p, len(p) - n + i), h
        by_rest, by_g, by_decay = d_decayed(rest, g, decay)
        size, sign = magnitude(g, step - step)
        by_rate = g_new * by_decay * -(decay * step)
        sign_tau = p.dtype.type(1) if tau > 0 else p.dtype.type(-1) if tau < 0 else tau
        by_step = -(g_new * by_decay * decay * (size + abs(tau)))
        return g_new * by_g + by_rate * sign, by_rate * sign_tau, g_new * by_rest, step - step, by_step
    by_g, by_h, by_gate = d_mix(g, h, gate)
    if mode == NO_GATE:
        by_number, by_h, by_gate = d_gated(g, h, gate)
        by_g = all_lanes(p, p.dtype.type(by_number))
    g_b = g_new * by_gate * d_sigmoid(gate)
    return g_new * by_g * d_tanh(g), g_new * by_h * d_tanh(h), g_b * step, g_b, g_b * a


@device
def run_sample(p, edges, sizes, x, dt, lengths, shortest, block, t, v, v_at, heads_at, now, ring, cells):
    """Run sample t of a block from row `now` of v; returns the number of the row that it ends in.

    Rows follow each other, each with four rows of what the way back needs from heads_at on; or two take turns in a
    ring. `cells` is room for inputs, old and new states.
    """
    n, inputs, batch, time, _, mode, _ = sizes
    c, bounds, order, pre = edges[0], edges[1 : 2 * n + 2], edges[2 * n + 2 : 3 * n + 2], edges[3 * n + 2 :]
    wide, old = n * LANES, inputs * LANES
    new = old + wide
    after = 1 - now if ring else now + 1
    gather(x, block, batch, time, inputs, t, cells, 0)
    copy(v, v_at + now * wide, cells, old, n)
    step = per_lane(dt, block, batch, time, t)
    here = all_lanes(p, p.dtype.type(t))
    for place in range(n):
        i = order[place]
        at, saved = i * LANES, heads_at + (4 * now * n + i) * LANES
        if mode == PURE:
            g = only_head(p, c, i, bounds[2 * i], bounds[2 * i + 2], pre, cells)
            result, first, second, third, fourth = settle(p, n, mode, i, step, g, g, g, g)
        else:
            g, h, a, b = heads(p, n, c, i, bounds[2 * i], bounds[2 * i + 2], pre, cells)
            result, first, second, third, fourth = settle(p, n, mode, i, step, g, h, a, b)
        if not ring:
            store(v, saved, first)
            store(v, saved + wide, second)
            store(v, saved + 2 * wide, third)
            store(v, saved + 3 * wide, fourth)
        store(cells, new + at, result)
        if t >= shortest:
            result = select_less(here, lengths, result, load(cells, old + at))
        store(v, v_at + after * wide + at, result)
    return after


@kernel
def forward(p, edges, sizes, x, dt, lengths, v0, keep, kept, last, saved, block, scratch):
    """Run one block, as `ltc.forward` does. A history holds time + 1 rows of states, then time x 4 of heads."""
    n, _, batch, time, _, _, span = sizes
    wide = n * LANES
    ended, shortest, longest = ends(lengths, block, batch, time)
    whole = span == time
    v, ring = (saved, 0) if whole else (scratch, 1)
    v_at = block * (5 * time + 1) * wide if whole else 0
    heads_at = v_at + (time + 1) * wide
    cells = scratch[2 * wide :]
    gather(v0, block, batch, 1, n, 0, v, v_at)
    now = 0
    for t in range(longest):
        if not whole and span > 0 and t % span == 0:
            mark = (block * ((time + span - 1) // span) + t // span) * wide
            copy(v, v_at + now * wide, saved, mark, n)
        now = run_sample(p, edges, sizes, x, dt, ended, shortest, block, t, v, v_at, heads_at, now, ring, cells)
        write_kept(v, v_at + now * wide, keep, kept, sizes, ended, shortest, block, t)
    scatter(v, v_at + now * wide, block, batch, 1, n, 0, last)


@inlined
def pass_back(p, c, first, last, pre, room, to, g, h, a, b):
    """Pass the gradients of one neuron's heads on to its senders, from `to` on."""
    for e in range(first, last):
        sender = to + entry(pre, e) * LANES
        back = load(room, sender) + g * same(p, e) + h * same(p, c + e) + a * same(p, 2 * c + e)
        store(room, sender, back + b * same(p, 3 * c + e))


@inlined
def weight_sums(cells, pre, e, gh, gh_crossed, ab, ab_crossed):
    """The gradients of connection e's weights in the four heads, folded into a block (see folds)."""
    u = load(cells, entry(pre, e) * LANES)
    u_turned = turned(u)
    return join(u * gh + u_turned * gh_crossed, u * ab + u_turned * ab_crossed)


@inlined
def add_weights(first, last, pre, cells, room, weights, g, h, a, b):
    """Add the gradients of one neuron's weights, four numbers for each connection, given those of its heads."""
    gh, ab, gh_crossed, ab_crossed = halves(g, h), halves(a, b), turned(halves(h, g)), turned(halves(b, a))
    alone = last - (last - first) % 4
    for e in range(first, alone, 4):
        one = weight_sums(cells, pre, e, gh, gh_crossed, ab, ab_crossed)
        two = weight_sums(cells, pre, e + 1, gh, gh_crossed, ab, ab_crossed)
        three = weight_sums(cells, pre, e + 2, gh, gh_crossed, ab, ab_crossed)
        four = weight_sums(cells, pre, e + 3, gh, gh_crossed, ab, ab_crossed)
        add_to(room, weights + 4 * e, four_by_four(one, two, three, four))
    for e in range(alone, last):
        add_four(room, weights + 4 * e, weight_sums(cells, pre, e, gh, gh_crossed, ab, ab_crossed))


@inlined
def pass_only_back(p, first, last, pre, room, to, g):
    """What pass_back does for the one head of the mode "pure"."""
    for e in range(first, last):
        add_to(room, to + entry(pre, e) * LANES, g * same(p, e))


@inlined
def add_lanes(first, last, pre, cells, room, weights, g):
    """What add_weights does for the one head of the mode "pure"; each connection has lanes of its own."""
    for e in range(first, last):
        add_to(room, weights + e * LANES, g * load(cells, entry(pre, e) * LANES))


@inlined
def neuron_back(p, edges, n, mode, i, cells, history, at, step, g_new, room, lanes, weights, to, by_x, by_dt):
    """Pass the gradient of neuron i's new state back; the history holds its heads, `n` rows apart, from `at` on.

    Inputs get theirs only if by_x.
    """
    c, bounds, pre = edges[0], edges[1 : 2 * n + 2], edges[3 * n + 2 :]
    first, last, wide = bounds[2 * i], bounds[2 * i + 2], n * LANES
    first_back = first if by_x else bounds[2 * i + 1]
    own = lanes + i * LANES
    g, h = load(history, at), load(history, at + wide)
    gate, a = load(history, at + 2 * wide), load(history, at + 3 * wide)
    g_g, g_h, g_a, g_b, by_step = unsettle(p, n, mode, i, step, g, h, gate, a, g_new)
    add_to(room, own, g_g)
    add_to(room, own + wide, g_h)
    add_to(room, own + 2 * wide, g_a)
    if mode == PURE:
        add_lanes(first, last, pre, cells, room, weights, g_g)
        pass_only_back(p, first_back, last, pre, room, to, g_g)
    else:
        add_to(room, own + 3 * wide, g_b)
        add_weights(first, last, pre, cells, room, weights, g_g, g_h, g_a, g_b)
        pass_back(p, c, first_back, last, pre, room, to, g_g, g_h, g_a, g_b)
    return by_dt + by_step


@kernel
def backward(
    p, edges, sizes, x, dt, lengths, keep, saved, g_kept, g_last, g_x, g_dt, g_v0, sums, group, groups, scratch
):
    """Run every `groups`-th block back, as `ltc.backward` does.

    sums: in the order of p, but the heads' weights one behind the other for each connection.
    """
    n, inputs, batch, time, _, mode, span = sizes
    c, order, by_x = edges[0], edges[2 * n + 2 : 3 * n + 2], len(g_x) > 0
    wide, whole, count = n * LANES, span == time, 1 if mode == PURE else 4
    rows = 0 if whole else (5 * span + 1) * wide
    cells, room = scratch[rows : rows + inputs * LANES + 2 * wide], scratch[rows + inputs * LANES + 2 * wide :]
    # Gradients of inputs, old states, new states and held ones; then sums over all samples.
    g_old, g_new = inputs * LANES, inputs * LANES + wide
    g_held, lanes = inputs * LANES + 2 * wide, inputs * LANES + 3 * wide
    n_alone = len(p) - count * c
    weights = lanes + n_alone * LANES
    clear(room, lanes, n_alone + (c if mode == PURE else (4 * c + LANES - 1) // LANES))
    v = saved if whole else scratch
    for block in range(group, (batch + LANES - 1) // LANES, groups):
        ended, shortest, longest = ends(lengths, block, batch, time)
        v_at = block * (5 * time + 1) * wide if whole else 0
        heads_at = v_at + (span + 1) * wide
        gather(g_last, block, batch, 1, n, 0, room, g_new)
        for back in range(longest):
            t = longest - 1 - back
            begin = 0 if whole else t // span * span
            if not whole and (back == 0 or (t + 1) % span == 0):
                copy(saved, (block * ((time + span - 1) // span) + t // span) * wide, v, 0, n)
                now = 0
                for again in range(begin, t + 1):
                    now = run_sample(
                        p, edges, sizes, x, dt, ended, shortest, block, again, v, 0, heads_at, now, 0, cells
                    )
            k = t - begin
            take_kept(g_kept, room, g_new, keep, sizes, ended, shortest, block, t)
            if t >= shortest:
                hold_ended(room, g_new, g_held, n, ended, t)
            gather(x, block, batch, time, inputs, t, cells, 0)
            copy(v, v_at + k * wide, cells, inputs * LANES, 2 * n)
            clear(room, 0, inputs + n)
            step = per_lane(dt, block, batch, time, t)
            by_dt = step - step
            for place in range(n - 1, -1, -1):
                i = order[place]
                by_dt = neuron_back(
                    p, edges, n, mode, i, cells, v, heads_at + (4 * k * n + i) * LANES, step,
                    load(room, g_new + i * LANES), room, lanes, weights, 0, by_x, by_dt,
                )  # fmt: skip
            copy(room, g_old, room, g_new, n)
            if t >= shortest:
                for i in range(n):
                    add_to(room, g_new + i * LANES, load(room, g_held + i * LANES))
            if by_x:
                scatter(room, 0, block, batch, time, inputs, t, g_x)
            store(cells, 0, by_dt)
            if len(g_dt) > 0:
                scatter(cells, 0, block, batch, time, 1, t, g_dt)
        scatter(room, g_new, block, batch, 1, n, 0, g_v0)
    for i in range(count * c):
        sums[i] = total(load(room, weights + i * LANES)) if mode == PURE else room[weights + i]
    for i in range(n_alone):
        sums[count * c + i] = total(load(room, lanes + i * LANES))


@kernel
def finish(p, edges, n, sums, g_p):
    """Sum the groups' sums, (groups, parameters), in a fixed order."""
    c = edges[0]
    heads_weights = 4 * c if len(p) == 4 * (c + n) else c
    count = 4 if heads_weights == 4 * c else 1
    for i in range(len(p)):
        number = p.dtype.type(0)
        for group in range(len(sums)):
            number += sums[group, i]
        g_p[i % count * c + i // count if i < heads_weights else i] = number
