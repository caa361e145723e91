"""The two Triton kernels that walk along time: one launch runs all samples and sub-steps of a batch, or goes back.

A program has a block of LANES sequences to itself, so no two programs ever meet. Within a program the work is shared
by rows of at most WIDTH edges: first every row sums its edges, then every neuron sums its rows and steps. What one
thread hands to another lies in global memory that only this program touches (the cache nearest to it), with a barrier
in between. Arrays of states are (blocks, slots, neurons, LANES). A tile is one axis of rows (or neurons) times lanes,
so that a thread keeps its place from load to store and nothing else has to be exchanged.
"""

# Triton reads annotations and names as they stand here.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOperatorIssue=false

import triton
import triton.language as tl

from wormnet.kernels.gpu.scalar import d_sigmoid, d_tanh, edge_at, gate_argument, part, semi_implicit, sigmoid, tanh

__all__ = ["add_rows", "backward", "forward"]


@part
def add_rows(total, rows, first, i, own, lane, longest, LANES: tl.constexpr):
    """Add up the rows of owners i, in their order."""
    start = tl.load(first + i, mask=own, other=0)
    end = tl.load(first + i + 1, mask=own, other=0)
    for j in range(longest):
        row = start + j
        total += tl.load(rows + row * LANES + lane, mask=row < end, other=0.0)
    return total


@triton.jit
def forward(
    states,  # out (blocks, slots, neurons, LANES); slot 0 holds the start
    inverse,  # out (blocks, time UNFOLDS, neurons, LANES): 1 / (c + h pull), if SAVE
    rate,  # out, likewise: drive - pull v, if RATE
    kept,  # out (batch, time, kept)
    final,  # out (batch, neurons)
    row_drive,  # scratch (blocks, chemical rows + linear rows, LANES)
    row_pull,  # scratch (blocks, chemical rows, LANES)
    drive_in,  # (blocks, time, neurons, LANES) what inputs and the neuron alone bring
    pull_in,
    dt,
    lengths,  # (batch,), if HAS_LENGTHS
    capacitance,  # (neurons,)
    keep,  # (kept,)
    chem_other,  # rows by receiver, see tables.Rows
    chem_params,  # (4, WIDTH, rows), see edge_at
    chem_first,
    lin_other,
    lin_weight,  # (WIDTH, rows)
    lin_first,
    batch,
    time,
    n_neurons,
    n_kept,
    chem_rows,
    lin_rows,
    chem_longest,
    lin_longest,
    dt_sequence,  # strides of dt
    dt_sample,
    UNFOLDS: tl.constexpr,
    LANES: tl.constexpr,
    NEURON_TILE: tl.constexpr,  # neurons x LANES
    ROW_TILE: tl.constexpr,  # rows x LANES
    WIDTH: tl.constexpr,
    HAS_LENGTHS: tl.constexpr,
    TANH: tl.constexpr,
    SAVE: tl.constexpr,
    RATE: tl.constexpr,
):
    """Run every sample; the equations are those of models.ltc and models.ctrnn under the semi-implicit solver."""
    block = tl.program_id(0).to(tl.int64)
    neuron_place, row_place = tl.arange(0, NEURON_TILE), tl.arange(0, ROW_TILE)
    lane, row_lane = neuron_place % LANES, row_place % LANES
    sequence = block * LANES + lane
    here = sequence < batch
    size = n_neurons * LANES
    steps = time * UNFOLDS
    slots = steps + 1 if SAVE else 2
    row_drive += block * (chem_rows + lin_rows) * LANES
    row_pull += block * chem_rows * LANES
    length = tl.zeros([NEURON_TILE], tl.int32) + time
    if HAS_LENGTHS:
        length = tl.load(lengths + sequence, mask=here, other=0)
    for t in range(time):
        h = tl.load(dt + sequence * dt_sequence + t * dt_sample, mask=here, other=1.0) / UNFOLDS
        valid = t < length
        sample = (block * time + t) * size
        for u in range(UNFOLDS):
            s = t * UNFOLDS + u
            before = states + (block * slots + (s if SAVE else s % 2)) * size
            after = states + (block * slots + (s + 1 if SAVE else (s + 1) % 2)) * size
            for r0 in range(0, chem_rows * LANES, ROW_TILE):
                row = (r0 + row_place) // LANES
                real = row < chem_rows
                drive = tl.zeros([ROW_TILE], states.dtype.element_ty)
                pull = tl.zeros([ROW_TILE], states.dtype.element_ty)
                for k in tl.static_range(WIDTH):
                    pre = tl.load(chem_other + k * chem_rows + row, mask=real, other=-1)
                    is_edge = pre >= 0
                    at = chem_params + k * chem_rows + row
                    slope, midpoint, conductance, weighted = edge_at(at, WIDTH * chem_rows, is_edge)
                    sent = tl.load(before + pre * LANES + row_lane, mask=is_edge, other=0.0)
                    y = sigmoid(gate_argument(sent, slope, midpoint))
                    drive += y * weighted
                    pull += y * conductance
                tl.store(row_drive + r0 + row_place, drive, mask=real)
                tl.store(row_pull + r0 + row_place, pull, mask=real)
            for r0 in range(0, lin_rows * LANES, ROW_TILE):
                row = (r0 + row_place) // LANES
                real = row < lin_rows
                drive = tl.zeros([ROW_TILE], states.dtype.element_ty)
                for k in tl.static_range(WIDTH):
                    pre = tl.load(lin_other + k * lin_rows + row, mask=real, other=-1)
                    is_edge = pre >= 0
                    weight = tl.load(lin_weight + k * lin_rows + row, mask=is_edge, other=0.0)
                    drive += weight * tl.load(before + pre * LANES + row_lane, mask=is_edge, other=0.0)
                tl.store(row_drive + chem_rows * LANES + r0 + row_place, drive, mask=real)
            tl.debug_barrier()
            for n0 in range(0, size, NEURON_TILE):
                at = n0 + neuron_place
                i, own = at // LANES, at < size
                c = tl.load(capacitance + i, mask=own, other=1.0)
                v = tl.load(before + at, mask=own, other=0.0)
                drive = tl.load(drive_in + sample + at, mask=own, other=0.0)
                pull = tl.load(pull_in + sample + at, mask=own, other=0.0)
                drive = add_rows(drive, row_drive, chem_first, i, own, lane, chem_longest, LANES)
                pull = add_rows(pull, row_pull, chem_first, i, own, lane, chem_longest, LANES)
                linear = row_drive + chem_rows * LANES
                drive = add_rows(drive, linear, lin_first, i, own, lane, lin_longest, LANES)
                if TANH:
                    drive = tanh(drive)
                new = tl.where(valid, semi_implicit(v, c, drive, pull, h), v)
                tl.store(after + at, new, mask=own)
                if SAVE:
                    tl.store(inverse + (block * steps + s) * size + at, 1.0 / (c + h * pull), mask=own)
                if RATE:
                    tl.store(rate + (block * steps + s) * size + at, drive - pull * new, mask=own)
            tl.debug_barrier()
        now = states + (block * slots + ((t + 1) * UNFOLDS if SAVE else ((t + 1) * UNFOLDS) % 2)) * size
        for k0 in range(0, n_kept * LANES, NEURON_TILE):
            k = (k0 + neuron_place) // LANES
            which = tl.load(keep + k, mask=k < n_kept, other=0)
            mask = here & (k < n_kept)
            v = tl.load(now + which * LANES + lane, mask=mask, other=0.0)
            tl.store(kept + (sequence * time + t) * n_kept + k, tl.where(valid, v, 0.0), mask=mask)
    last = states + (block * slots + (steps if SAVE else steps % 2)) * size
    for n0 in range(0, size, NEURON_TILE):
        at = n0 + neuron_place
        mask = here & (at < size)
        tl.store(final + sequence * n_neurons + at // LANES, tl.load(last + at, mask=mask, other=0.0), mask=mask)


@triton.jit
def backward(
    adjoint,  # out (blocks, time UNFOLDS, neurons, LANES): of drive behind any tanh; h / (c + h pull) x that of new v
    through,  # out, likewise: of the sum inside of the tanh, if TANH
    d_v0,  # out (batch, neurons)
    carried,  # scratch (blocks, 2, neurons, LANES): the adjoint of v, without what its synapses send back
    row_back,  # scratch (blocks, chemical rows + linear rows, LANES), starts as zeros
    states,
    inverse,
    rate,
    d_kept,  # (batch, time, kept)
    d_final,  # (batch, neurons)
    dt,
    lengths,
    capacitance,
    place,  # (neurons,) the neuron's column in d_kept, -1 for none
    chem_other,  # rows by sender, see tables.Rows
    chem_owner,
    chem_params,
    chem_first,
    lin_other,
    lin_weight,
    lin_first,
    batch,
    time,
    n_neurons,
    n_kept,
    chem_rows,
    lin_rows,
    chem_longest,
    lin_longest,
    dt_sequence,
    dt_sample,
    UNFOLDS: tl.constexpr,
    LANES: tl.constexpr,
    NEURON_TILE: tl.constexpr,
    ROW_TILE: tl.constexpr,
    WIDTH: tl.constexpr,
    HAS_LENGTHS: tl.constexpr,
    TANH: tl.constexpr,
):
    """Carry the adjoint from the last sub-step to the first; each neuron collects it from those that it sends to.

    What stays behind (`adjoint`) is all that the gradients of parameters, inputs and dt need; they are summed
    afterwards by kernels.gpu.samples, which no sub-step has to wait for.
    """
    block = tl.program_id(0).to(tl.int64)
    neuron_place, row_place = tl.arange(0, NEURON_TILE), tl.arange(0, ROW_TILE)
    lane, row_lane = neuron_place % LANES, row_place % LANES
    sequence = block * LANES + lane
    here = sequence < batch
    size = n_neurons * LANES
    steps = time * UNFOLDS
    row_back += block * (chem_rows + lin_rows) * LANES
    linear = row_back + chem_rows * LANES
    carried += block * 2 * size
    length = tl.zeros([NEURON_TILE], tl.int32) + time
    if HAS_LENGTHS:
        length = tl.load(lengths + sequence, mask=here, other=0)
    for n0 in range(0, size, NEURON_TILE):
        at = n0 + neuron_place
        g = tl.load(d_final + sequence * n_neurons + at // LANES, mask=here & (at < size), other=0.0)
        tl.store(carried + (steps % 2) * size + at, g, mask=at < size)
    tl.debug_barrier()
    for t_back in range(time):
        t = time - 1 - t_back
        h = tl.load(dt + sequence * dt_sequence + t * dt_sample, mask=here, other=1.0) / UNFOLDS
        valid = t < length
        for u_back in range(UNFOLDS):
            s = t * UNFOLDS + UNFOLDS - 1 - u_back
            before = states + (block * (steps + 1) + s) * size
            after = before + size
            step = (block * steps + s) * size
            received = through + step if TANH else adjoint + step
            for n0 in range(0, size, NEURON_TILE):
                at = n0 + neuron_place
                i, own = at // LANES, at < size
                g = tl.load(carried + ((s + 1) % 2) * size + at, mask=own, other=0.0)
                g = add_rows(g, row_back, chem_first, i, own, lane, chem_longest, LANES)
                g = add_rows(g, linear, lin_first, i, own, lane, lin_longest, LANES)
                column = tl.load(place + i, mask=own, other=-1)
                is_kept = (column >= 0) & valid & here & (u_back == 0)
                g += tl.load(d_kept + (sequence * time + t) * n_kept + column, mask=is_kept, other=0.0)
                share = tl.load(inverse + step + at, mask=own, other=0.0) * g
                a = tl.where(valid, h * share, 0.0)
                tl.store(adjoint + step + at, a, mask=own)
                if TANH:
                    drive = tl.load(rate + step + at, mask=own, other=0.0) + tl.load(after + at, mask=own, other=0.0)
                    tl.store(through + step + at, a * d_tanh(drive), mask=own)
                c = tl.load(capacitance + i, mask=own, other=1.0)
                tl.store(carried + (s % 2) * size + at, tl.where(valid, c * share, g), mask=own)
            tl.debug_barrier()
            for r0 in range(0, chem_rows * LANES, ROW_TILE):
                row = (r0 + row_place) // LANES
                real = row < chem_rows
                pre = tl.load(chem_owner + row, mask=real, other=0)
                sent = tl.load(before + pre * LANES + row_lane, mask=real, other=0.0)
                back = tl.zeros([ROW_TILE], states.dtype.element_ty)
                for k in tl.static_range(WIDTH):
                    post = tl.load(chem_other + k * chem_rows + row, mask=real, other=-1)
                    is_edge = post >= 0
                    at = chem_params + k * chem_rows + row
                    slope, midpoint, conductance, weighted = edge_at(at, WIDTH * chem_rows, is_edge)
                    a = tl.load(received + post * LANES + row_lane, mask=is_edge, other=0.0)
                    new = tl.load(after + post * LANES + row_lane, mask=is_edge, other=0.0)
                    y = sigmoid(gate_argument(sent, slope, midpoint))
                    d_z = a * (weighted - conductance * new) * d_sigmoid(y)
                    back += tl.where(is_edge, d_z * slope, 0.0)
                tl.store(row_back + r0 + row_place, back, mask=real)
            for r0 in range(0, lin_rows * LANES, ROW_TILE):
                row = (r0 + row_place) // LANES
                real = row < lin_rows
                back = tl.zeros([ROW_TILE], states.dtype.element_ty)
                for k in tl.static_range(WIDTH):
                    post = tl.load(lin_other + k * lin_rows + row, mask=real, other=-1)
                    is_edge = post >= 0
                    weight = tl.load(lin_weight + k * lin_rows + row, mask=is_edge, other=0.0)
                    back += weight * tl.load(received + post * LANES + row_lane, mask=is_edge, other=0.0)
                tl.store(linear + r0 + row_place, back, mask=real)
            tl.debug_barrier()
    for n0 in range(0, size, NEURON_TILE):
        at = n0 + neuron_place
        i, own = at // LANES, at < size
        g = tl.load(carried + at, mask=own, other=0.0)
        g = add_rows(g, row_back, chem_first, i, own, lane, chem_longest, LANES)
        g = add_rows(g, linear, lin_first, i, own, lane, lin_longest, LANES)
        tl.store(d_v0 + sequence * n_neurons + i, g, mask=here & own)
