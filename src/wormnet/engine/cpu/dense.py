# pyright: reportCallIssue=false, reportOperatorIssue=false, reportIndexIssue=false, reportArgumentType=false
"""A dense update of a block: hidden layers, matrix products, then the node; forward, and its vector-Jacobian product.

The gradients of the weights are sums over samples and sequences of outer products. They wait until CHUNK samples are
together, so that most of a sum is made in registers. Arguments are those of `sparse`, and

    drop   (hidden layers, batch, time, units) flat: what the units are multiplied with; empty for 1
    here   the block's place in the batch: (sequences, first, count, batch, time, t)
"""

from wormnet.engine.cpu import LANES
from wormnet.engine.cpu.compiled import device, inlined
from wormnet.engine.cpu.frame import CHUNK, names_of
from wormnet.engine.cpu.lanes import load, store
from wormnet.engine.cpu.matrix import add_outer, dense, dense_back
from wormnet.engine.cpu.rows import add_to, copy
from wormnet.engine.cpu.sparse import (
    Code,
    adding_rows,
    node_of,
    room_row,
    storing_rest,
    taking,
    taking_part,
)
from wormnet.engine.cpu.transfer import collect
from wormnet.engine.cpu.tuples import loading, repeating, storing
from wormnet.engine.program import Part, Program
from wormnet.models.equation import DenseUpdate

__all__ = ["dense_sums", "dense_update"]


def in_blocks(width):
    """As many numbers, in whole blocks."""
    return (width + LANES - 1) // LANES * LANES


in_blocks = inlined(in_blocks)


def dense_update(program: Program, i: int) -> tuple[Code, Code]:
    """Forward pass of part i, and its vector-Jacobian product."""
    part, names = program.parts[i], names_of(program)
    update = part.update
    assert isinstance(update, DenseUpdate)
    NEURONS, INPUTS, WIDE, X, CELLS, G, G_X, SUMS, ALL_KEPT = (
        names.index(name) for name in ("neurons", "inputs", "wide", "x", "cells", "g", "g_x", "sums", "kept")
    )
    NODES, KEPT, NODE_SUMS, FROM, UNITS, HIDDEN, SAMPLE, CHUNK_AT = (
        names.index(f"{i}.{name}")
        for name in ("nodes", "kept", "node_sums", "from", "units", "hidden", "per_sample", "chunk")
    )
    LAYERS = len(update.hidden)
    WEIGHTS = [names.index(f"{i}.{k}.weight") for k in range(LAYERS + 1)]
    BIASES = [names.index(f"{i}.{k}.bias") for k in range(LAYERS + 1)]
    HEADS_W, HEADS_B, READS = WEIGHTS[-1], BIASES[-1], part.reads[0]
    n_states, n_sums, n_own = len(part.states), len(part.sums), len(update.coefficients)
    others = tuple(k for k in range(len(program.states)) if k not in part.states)
    node, d_node = node_of(part)
    own_states, numbers = loading(part.states), repeating(n_own)
    get_heads = loading(tuple(range(n_sums)))
    put_new, put_kept = storing(part.states), storing_rest(n_states, update.keeps)
    get_others, put_others, get_kept = loading(others), storing(others), loading(tuple(range(update.keeps)))
    get_adjoints, add_states = loading(part.states), adding_rows(part.states, 0)
    add_others, add_node = adding_rows(others, 0), adding_rows(tuple(range(n_own)), n_states + n_sums)
    sums_of, put_sums = taking_part(n_states, n_sums), storing(tuple(range(n_sums)))
    BY_TIME = n_states + n_sums + n_own
    hidden_forward = _hidden_forward(program, i, part)
    weights = _chunk_weights(program, i, part)
    hidden_backward = _hidden_backward(program, i, part)

    @inlined
    def forward(p, tables, sizes, v, at, kept_at, room, dt, save, drop, here):
        n, inputs, wide, nodes = sizes[NEURONS], sizes[INPUTS], sizes[WIDE], sizes[NODES]
        cells, heads = sizes[CELLS], sizes[CELLS] + (inputs + n) * LANES
        copy(room, sizes[X] + sizes[FROM], room, cells, inputs)
        copy(v, at + READS * n * LANES, room, cells + inputs * LANES, n)
        if LAYERS:
            units, hidden = sizes[UNITS], kept_at + sizes[HIDDEN]
            hidden_forward(p, sizes, v, room, cells, hidden, drop, here)
            last = hidden + 2 * (LAYERS - 1) * units * LANES
            dense(p, sizes[HEADS_W], sizes[HEADS_B], n_sums * n, units, v, last, room, heads)
        else:
            dense(p, sizes[HEADS_W], sizes[HEADS_B], n_sums * n, inputs + n, room, cells, room, heads)
        for neuron in range(n):
            own = at + neuron * LANES
            sums = get_heads(room, heads + neuron * LANES, n * LANES)
            new = node(p, *own_states(v, own, n * LANES), *sums, *numbers(p, nodes + neuron, n), dt)
            put_new(v, own + wide, n * LANES, new)
            put_others(v, own + wide, n * LANES, get_others(v, own, n * LANES))
            if save:
                put_kept(v, kept_at + sizes[KEPT] + neuron * LANES, n * LANES, new)

    @inlined
    def backward(p, tables, sizes, v, at, kept_at, room, dt, stages, by_x, by_time, k, last):
        n, inputs, wide, nodes = sizes[NEURONS], sizes[INPUTS], sizes[WIDE], sizes[NODES]
        per_sample, z_sample = sizes[SAMPLE], (inputs + n + 1) * LANES
        place = k % CHUNK
        own_at = sizes[CHUNK_AT] + place * per_sample
        z = sizes[CHUNK_AT] + CHUNK * per_sample
        turned = z + CHUNK * z_sample
        g_cells = turned + CHUNK * LANES * LANES
        g_new = room_row(sizes[G], stages, wide)
        g_old, node_sums = g_new - wide, sizes[SUMS] + sizes[NODE_SUMS]
        copy(room, sizes[X] + sizes[FROM], room, z + place * z_sample, inputs)
        copy(v, at + READS * n * LANES, room, z + place * z_sample + inputs * LANES, n)
        for neuron in range(n):
            here = neuron * LANES
            kept = get_kept(v, kept_at + sizes[KEPT] + here, n * LANES)
            own = own_states(v, at + here, n * LANES)
            back = d_node(
                p, *own, *numbers(p, nodes + neuron, n), *kept, dt, *get_adjoints(room, g_new + here, n * LANES)
            )
            for state in range(wide // (n * LANES)):
                store(room, g_old + (state * n + neuron) * LANES, dt - dt)
            add_states(room, g_old + here, n * LANES, back)
            add_others(room, g_old + here, n * LANES, get_others(room, g_new + here, n * LANES))
            add_node(room, node_sums + here, n * LANES, back)
            put_sums(room, own_at + here, n * LANES, sums_of(back))
            by_time = by_time + back[BY_TIME]
        begin = 0 if by_x else inputs
        hidden_backward(p, sizes, v, room, own_at, kept_at + sizes[HIDDEN], begin, g_cells)
        if place == 0:
            samples = min(CHUNK, last - k + 1)
            weights(sizes, v, kept_at + sizes[HIDDEN], sizes[ALL_KEPT], room, z, z_sample, turned, samples)
        if by_x:
            for j in range(inputs):
                add_to(room, sizes[G_X] + sizes[FROM] + j * LANES, load(room, g_cells + j * LANES))
        for neuron in range(n):
            back = load(room, g_cells + (inputs + neuron) * LANES)
            add_to(room, g_old + (READS * n + neuron) * LANES, back)
        copy(room, g_old, room, g_new, wide // LANES)
        return by_time

    return forward, backward


def _hidden_forward(program: Program, i: int, part: Part) -> Code:
    """(p, sizes, v, room, cells, hidden, drop, here) runs the hidden layers: units and derivatives, layer by layer."""
    names, update = names_of(program), part.update
    assert isinstance(update, DenseUpdate)
    NEURONS, INPUTS, UNITS = names.index("neurons"), names.index("inputs"), names.index(f"{i}.units")
    activation = taking(update.activation, 2) if update.activation else None

    @inlined
    def run(p, sizes, v, room, cells, hidden, drop, here):
        return

    for layer in reversed(range(len(update.hidden))):
        run = _layer_forward(names, i, layer, (NEURONS, INPUTS, UNITS), activation, run)
    return run


def _layer_forward(names, i, layer, common, activation, following) -> Code:
    NEURONS, INPUTS, UNITS = common
    WEIGHT, BIAS = names.index(f"{i}.{layer}.weight"), names.index(f"{i}.{layer}.bias")

    @inlined
    def run(p, sizes, v, room, cells, hidden, drop, here):
        samples, first, count, n_samples, t = here
        units = sizes[UNITS]
        to = hidden + 2 * layer * units * LANES
        if layer == 0:
            dense(p, sizes[WEIGHT], sizes[BIAS], units, sizes[INPUTS] + sizes[NEURONS], room, cells, v, to)
        else:
            dense(p, sizes[WEIGHT], sizes[BIAS], units, units, v, to - 2 * units * LANES, v, to)
        for unit in range(units):
            y, slope = activation(p, load(v, to + unit * LANES))
            if len(drop):
                offset = (layer * n_samples + t) * units + unit
                share = collect(drop, samples, first, units, offset, count)
                y, slope = y * share, slope * share
            store(v, to + unit * LANES, y)
            store(v, to + (units + unit) * LANES, slope)
        following(p, sizes, v, room, cells, hidden, drop, here)

    return run


def _hidden_backward(program: Program, i: int, part: Part) -> Code:
    """(p, sizes, v, room, own_at, hidden, begin, g_cells): adjoints of units and cells, from those of the sums."""
    names, update = names_of(program), part.update
    assert isinstance(update, DenseUpdate)
    NEURONS, INPUTS, UNITS = names.index("neurons"), names.index("inputs"), names.index(f"{i}.units")
    LAYERS, N_SUMS = len(update.hidden), len(update.sums)
    FIRST, LAST = names.index(f"{i}.0.weight"), names.index(f"{i}.{LAYERS}.weight")
    if not LAYERS:

        @inlined
        def straight(p, sizes, v, room, own_at, hidden, begin, g_cells):
            n, inputs = sizes[NEURONS], sizes[INPUTS]
            dense_back(p, sizes[FIRST], N_SUMS * n, inputs + n, begin, room, own_at, g_cells)

        return straight

    @inlined
    def units_back(p, sizes, v, room, own_at, hidden, layer, weight, outs, g_at):
        """Adjoints of a layer's units, from those of the outs that read it; returns where they lie."""
        n, units = sizes[NEURONS], sizes[UNITS]
        to = own_at + (N_SUMS * n + layer * units) * LANES
        dense_back(p, weight, outs, units, 0, room, g_at, to)
        for unit in range(units):
            slope = load(v, hidden + ((2 * layer + 1) * units + unit) * LANES)
            store(room, to + unit * LANES, load(room, to + unit * LANES) * slope)
        return to

    @inlined
    def first_layer(p, sizes, v, room, own_at, hidden, begin, g_cells, g_at):
        dense_back(p, sizes[FIRST], sizes[UNITS], sizes[INPUTS] + sizes[NEURONS], begin, room, g_at, g_cells)

    chain = first_layer
    for layer in range(LAYERS - 1):
        chain = _layer_backward(names.index(f"{i}.{layer + 1}.weight"), UNITS, layer, units_back, chain)

    @inlined
    def run(p, sizes, v, room, own_at, hidden, begin, g_cells):
        outs = N_SUMS * sizes[NEURONS]
        g_at = units_back(p, sizes, v, room, own_at, hidden, LAYERS - 1, sizes[LAST], outs, own_at)
        chain(p, sizes, v, room, own_at, hidden, begin, g_cells, g_at)

    return run


def _layer_backward(WEIGHT, UNITS, layer, units_back, following) -> Code:
    @inlined
    def run(p, sizes, v, room, own_at, hidden, begin, g_cells, g_at):
        g_at = units_back(p, sizes, v, room, own_at, hidden, layer, sizes[WEIGHT], sizes[UNITS], g_at)
        following(p, sizes, v, room, own_at, hidden, begin, g_cells, g_at)

    return run


def _chunk_weights(program: Program, i: int, part: Part) -> Code:
    """Add the gradients of all weights and biases over the samples of a chunk, of which `hidden` is the first's."""
    names, update = names_of(program), part.update
    assert isinstance(update, DenseUpdate)
    NEURONS, INPUTS, SUMS = names.index("neurons"), names.index("inputs"), names.index("sums")
    UNITS, SAMPLE, UNIT_SUMS, CHUNK_AT = (
        names.index(f"{i}.{name}") for name in ("units", "per_sample", "unit_sums", "chunk")
    )
    LAYERS, N_SUMS = len(update.hidden), len(update.sums)
    PARTS = tuple(names.index(f"{i}.{k}.parts") for k in range(LAYERS + 1))
    FIRST, LAST = PARTS[0], PARTS[-1]

    @inlined
    def inner(sizes, v, hidden, stride, room, own, turned, samples):
        return

    for layer in range(1, LAYERS):
        inner = _inner_weights(PARTS[layer], layer, (NEURONS, UNITS, SAMPLE, SUMS), N_SUMS, inner)

    @device
    def run(sizes, v, hidden, stride, room, z, z_sample, turned, samples):
        n, inputs, own, per_sample = sizes[NEURONS], sizes[INPUTS], sizes[CHUNK_AT], sizes[SAMPLE]
        units, sums = sizes[UNITS], sizes[SUMS]
        for out in range(N_SUMS * n + LAYERS * units):
            summed = load(room, own + out * LANES)
            for k in range(1, samples):
                summed = summed + load(room, own + k * per_sample + out * LANES)
            add_to(room, sums + sizes[UNIT_SUMS] + out * LANES, summed)
        outs, g_at = (units, own + N_SUMS * n * LANES) if LAYERS else (N_SUMS * n, own)
        to = sums + sizes[FIRST]
        add_outer(room, g_at, per_sample, outs, inputs + n, room, z, z_sample, samples, room, turned, room, to)
        inner(sizes, v, hidden, stride, room, own, turned, samples)
        if LAYERS:
            u_at, to = hidden + 2 * (LAYERS - 1) * units * LANES, sums + sizes[LAST]
            add_outer(room, own, per_sample, N_SUMS * n, units, v, u_at, stride, samples, room, turned, room, to)

    return run


def _inner_weights(PARTS, layer, common, N_SUMS, following) -> Code:
    NEURONS, UNITS, SAMPLE, SUMS = common

    @inlined
    def run(sizes, v, hidden, stride, room, own, turned, samples):
        n, units = sizes[NEURONS], sizes[UNITS]
        g_at, u_at = own + (N_SUMS * n + layer * units) * LANES, hidden + 2 * (layer - 1) * units * LANES
        to = sizes[SUMS] + sizes[PARTS]
        add_outer(room, g_at, sizes[SAMPLE], units, units, v, u_at, stride, samples, room, turned, room, to)
        following(sizes, v, hidden, stride, room, own, turned, samples)

    return run


def dense_sums(program: Program, i: int) -> Code:
    """(sizes, room, sums): reduce part i's gradients of weights and biases to one number for each coefficient."""
    part, names = program.parts[i], names_of(program)
    update = part.update
    assert isinstance(update, DenseUpdate)
    NEURONS, INPUTS, SUMS = names.index("neurons"), names.index("inputs"), names.index("sums")
    UNITS, UNIT_SUMS = names.index(f"{i}.units"), names.index(f"{i}.unit_sums")
    LAYERS, N_SUMS = len(update.hidden), len(update.sums)

    @inlined
    def nothing(sizes, room, sums):
        return

    run = nothing
    for layer in range(LAYERS + 1):
        places = tuple(names.index(f"{i}.{layer}.{name}") for name in ("weight", "bias", "parts"))
        run = _layer_sums(places, layer, (NEURONS, INPUTS, SUMS, UNITS, UNIT_SUMS), LAYERS, N_SUMS, run)
    return run


def _layer_sums(places, layer, common, LAYERS, N_SUMS, following) -> Code:
    from wormnet.engine.cpu.lane_sums import total

    WEIGHT, BIAS, PARTS = places
    NEURONS, INPUTS, SUMS, UNITS, UNIT_SUMS = common

    @inlined
    def run(sizes, room, sums):
        n, units = sizes[NEURONS], sizes[UNITS]
        width = sizes[INPUTS] + n if layer == 0 else units
        outs, first = (N_SUMS * n, 0) if layer == LAYERS else (units, N_SUMS * n + layer * units)
        parts = sizes[SUMS] + sizes[PARTS]
        for out in range(outs):
            for j in range(width):
                sums[sizes[WEIGHT] + out * width + j] = room[parts + out * in_blocks(width) + j]
            sums[sizes[BIAS] + out] = total(load(room, sizes[SUMS] + sizes[UNIT_SUMS] + (first + out) * LANES))
        following(sizes, room, sums)

    return run
