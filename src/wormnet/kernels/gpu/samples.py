"""Triton kernels over samples that need not wait for each other: what inputs send, and the sums that make gradients.

All sums run in a fixed order without atomic additions, so that a gradient has the same bits every time.
Arrays of states and tiles are laid out as in kernels.gpu.sequence.
"""

# Triton reads annotations and names as they stand here.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOperatorIssue=false

import triton
import triton.language as tl

from wormnet.kernels.gpu.scalar import d_sigmoid, edge_at, gate_argument, sigmoid

__all__ = ["edge_sums", "from_inputs", "neuron_sums", "to_inputs"]


@triton.jit
def from_inputs(
    drive_in,  # out (blocks, time, neurons, LANES)
    pull_in,
    x,  # (batch, time, inputs)
    drive_alone,  # (neurons,) what the neuron itself brings
    pull_alone,
    chem_start,  # edges by receiver, see tables.By
    chem_other,
    chem_params,  # (4, edges) in that order: slope, midpoint, conductance, conductance x reversal
    lin_start,
    lin_other,
    lin_weight,
    batch,
    time,
    n_inputs,
    n_neurons,
    chem_edges,
    chem_longest,
    lin_longest,
    LANES: tl.constexpr,
    TILE: tl.constexpr,  # neurons x LANES
):
    """Drive and pull that do not depend on the neurons' states; one program for a sample of a block, and neurons."""
    sample = tl.program_id(0).to(tl.int64)
    place = tl.program_id(1) * TILE + tl.arange(0, TILE)
    i = place // LANES
    own = i < n_neurons
    sequence = (sample // time) * LANES + place % LANES
    here = sequence < batch
    u = x + (sequence * time + sample % time) * n_inputs
    drive = tl.load(drive_alone + i, mask=own, other=0.0)
    pull = tl.load(pull_alone + i, mask=own, other=0.0)
    start, end = tl.load(chem_start + i, mask=own, other=0), tl.load(chem_start + i + 1, mask=own, other=0)
    for k in range(chem_longest):
        e = start + k
        real = e < end
        pre = tl.load(chem_other + e, mask=real, other=0)
        slope, midpoint, conductance, weighted = edge_at(chem_params + e, chem_edges, real)
        y = sigmoid(gate_argument(tl.load(u + pre, mask=real & here, other=0.0), slope, midpoint))
        drive += y * weighted
        pull += y * conductance
    start, end = tl.load(lin_start + i, mask=own, other=0), tl.load(lin_start + i + 1, mask=own, other=0)
    for k in range(lin_longest):
        e = start + k
        real = e < end
        pre = tl.load(lin_other + e, mask=real, other=0)
        weight = tl.load(lin_weight + e, mask=real, other=0.0)
        drive += weight * tl.load(u + pre, mask=real & here, other=0.0)
    tl.store(drive_in + sample * n_neurons * LANES + place, drive, mask=own)
    tl.store(pull_in + sample * n_neurons * LANES + place, pull, mask=own)


@triton.jit
def neuron_sums(
    sum_drive,  # out (blocks, time, neurons, LANES): adjoint of drive_in
    sum_pull,  # out, likewise: minus that of pull_in
    d_capacitance,  # out (blocks, chunks, neurons, LANES)
    d_dt,  # out (tiles of neurons, batch, time), if NEEDS_DT
    adjoint,
    through,
    states,
    rate,
    dt,
    batch,
    time,
    n_neurons,
    chunk,
    dt_sequence,
    dt_sample,
    UNFOLDS: tl.constexpr,
    LANES: tl.constexpr,
    TILE: tl.constexpr,  # neurons x LANES
    TANH: tl.constexpr,
    NEEDS_DT: tl.constexpr,
):
    """Sum each neuron's adjoint over the sub-steps of each sample; one program for `chunk` samples of a block."""
    block = tl.program_id(0).to(tl.int64)
    at = tl.program_id(2) * TILE + tl.arange(0, TILE)
    sequence = block * LANES + at % LANES
    here = sequence < batch
    size = n_neurons * LANES
    own = at < size
    steps = time * UNFOLDS
    total_c = tl.zeros([TILE], states.dtype.element_ty)
    begin = tl.program_id(1) * chunk
    for t in range(begin, min(begin + chunk, time)):
        h = tl.load(dt + sequence * dt_sequence + t * dt_sample, mask=here, other=1.0) / UNFOLDS
        drive = tl.zeros([TILE], states.dtype.element_ty)
        pull = tl.zeros([TILE], states.dtype.element_ty)
        by_h = tl.zeros([TILE], states.dtype.element_ty)
        for u in range(UNFOLDS):
            s = t * UNFOLDS + u
            step = (block * steps + s) * size + at
            v = states + (block * (steps + 1) + s) * size + at
            old, new = tl.load(v, mask=own, other=0.0), tl.load(v + size, mask=own, other=0.0)
            a = tl.load(adjoint + step, mask=own, other=0.0)
            total_c += (old - new) * a / h
            drive += tl.load(through + step, mask=own, other=0.0) if TANH else a
            pull += a * new
            if NEEDS_DT:
                by_h += tl.load(rate + step, mask=own, other=0.0) * a / h
        tl.store(sum_drive + (block * time + t) * size + at, drive, mask=own)
        tl.store(sum_pull + (block * time + t) * size + at, pull, mask=own)
        if NEEDS_DT:
            each = block * LANES + tl.arange(0, LANES)
            total = tl.sum(tl.reshape(by_h, [TILE // LANES, LANES]), 0) / UNFOLDS
            tl.store(d_dt + (tl.program_id(2) * batch + each) * time + t, total, mask=each < batch)
    tl.store(d_capacitance + (block * tl.num_programs(1) + tl.program_id(1)) * size + at, total_c, mask=own)


@triton.jit
def edge_sums(
    sums,  # out (blocks, chunks, 4, edges, LANES): y x pull, y x drive, z x (u - midpoint), z; linear: drive x u
    u,  # what cells send, at the strides below
    drive,  # (blocks, slots, neurons, LANES) adjoint of the receivers' drive
    pull,  # likewise, minus that of their pull; under FROM_STATES the new states, which times drive make it
    pre,
    post,
    params,  # (4, edges): slope, midpoint, conductance, conductance x reversal
    batch,
    slots,
    n_neurons,
    n_edges,
    chunk,
    u_slots,  # u has this many slots from one block to the next, of u_slot numbers each
    u_slot,
    u_cell,
    u_lane,
    pull_slots,
    LANES: tl.constexpr,
    TILE: tl.constexpr,  # edges x LANES
    CHEMICAL: tl.constexpr,
    FROM_STATES: tl.constexpr,
):
    """Sum each edge's part of the gradients over `chunk` slots of a block."""
    block = tl.program_id(0).to(tl.int64)
    place = tl.program_id(2) * TILE + tl.arange(0, TILE)
    e, lane = place // LANES, place % LANES
    real = (e < n_edges) & (block * LANES + lane < batch)
    from_u = tl.load(pre + e, mask=real, other=0) * u_cell + lane.to(tl.int64) * u_lane
    to_v = tl.load(post + e, mask=real, other=0) * LANES + lane
    size = n_neurons * LANES
    by_pull = tl.zeros([TILE], u.dtype.element_ty)
    by_drive = tl.zeros([TILE], u.dtype.element_ty)
    by_slope = tl.zeros([TILE], u.dtype.element_ty)
    by_argument = tl.zeros([TILE], u.dtype.element_ty)
    if CHEMICAL:
        slope, midpoint, conductance, weighted = edge_at(params + e, n_edges, real)
    begin = tl.program_id(1) * chunk
    for s in range(begin, min(begin + chunk, slots)):
        sent = tl.load(u + (block * u_slots + s) * u_slot + from_u, mask=real, other=0.0)
        a = tl.load(drive + (block * slots + s) * size + to_v, mask=real, other=0.0)
        if CHEMICAL:
            b = tl.load(pull + (block * pull_slots + s) * size + to_v, mask=real, other=0.0)
            if FROM_STATES:
                b = a * b
            y = sigmoid(gate_argument(sent, slope, midpoint))
            d_z = (weighted * a - conductance * b) * d_sigmoid(y)
            by_pull += y * b
            by_drive += y * a
            by_slope += d_z * (sent - midpoint)
            by_argument += d_z
        else:
            by_drive += a * sent
    # Lanes behind the batch's end hold zeros, and they are stored too.
    edge = e < n_edges
    each = n_edges * LANES
    out = sums + (block * tl.num_programs(1) + tl.program_id(1)) * (4 if CHEMICAL else 1) * each + place
    if CHEMICAL:
        tl.store(out, by_pull, mask=edge)
        tl.store(out + each, by_drive, mask=edge)
        tl.store(out + 2 * each, by_slope, mask=edge)
        tl.store(out + 3 * each, by_argument, mask=edge)
    else:
        tl.store(out, by_drive, mask=edge)


@triton.jit
def to_inputs(
    d_x,  # out (batch, time, inputs)
    x,
    sum_drive,
    sum_pull,
    chem_start,  # edges by sender
    chem_other,
    chem_params,
    lin_start,
    lin_other,
    lin_weight,
    batch,
    time,
    n_inputs,
    n_neurons,
    chem_edges,
    chem_longest,
    lin_longest,
    LANES: tl.constexpr,
    TILE: tl.constexpr,  # inputs x LANES
):
    """What each input's receivers send back; one program for a sample of a block, and inputs."""
    sample = tl.program_id(0).to(tl.int64)
    place = tl.program_id(1) * TILE + tl.arange(0, TILE)
    i, lane = place // LANES, place % LANES
    sequence = (sample // time) * LANES + lane
    own = (i < n_inputs) & (sequence < batch)
    at = (sequence * time + sample % time) * n_inputs + i
    sent = tl.load(x + at, mask=own, other=0.0)
    back = tl.zeros([TILE], x.dtype.element_ty)
    received = sample * n_neurons * LANES + lane
    start, end = tl.load(chem_start + i, mask=own, other=0), tl.load(chem_start + i + 1, mask=own, other=0)
    for k in range(chem_longest):
        e = start + k
        real = e < end
        post = received + tl.load(chem_other + e, mask=real, other=0) * LANES
        slope, midpoint, conductance, weighted = edge_at(chem_params + e, chem_edges, real)
        a = tl.load(sum_drive + post, mask=real, other=0.0)
        b = tl.load(sum_pull + post, mask=real, other=0.0)
        y = sigmoid(gate_argument(sent, slope, midpoint))
        back += tl.where(real, (weighted * a - conductance * b) * d_sigmoid(y) * slope, 0.0)
    start, end = tl.load(lin_start + i, mask=own, other=0), tl.load(lin_start + i + 1, mask=own, other=0)
    for k in range(lin_longest):
        e = start + k
        real = e < end
        post = received + tl.load(lin_other + e, mask=real, other=0) * LANES
        weight = tl.load(lin_weight + e, mask=real, other=0.0)
        back += weight * tl.load(sum_drive + post, mask=real, other=0.0)
    tl.store(d_x + at, back, mask=own)
