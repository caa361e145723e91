"""The two Triton kernels of CfC: one launch runs all samples and layers of a batch, or goes back.

Laid out as kernels.gpu.sequence, with the neurons in the order of their layers (see kernels.gpu.layers): every layer
first sums its rows, each row once for every head, then updates its neurons. Inputs are a layer that is only read.
"""

# Triton reads annotations and names as they stand here.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOperatorIssue=false

import triton
import triton.language as tl

from wormnet.kernels.gpu.scalar import part, settle, unsettle
from wormnet.kernels.gpu.sequence import add_rows

__all__ = ["cfc_backward", "cfc_forward"]


@part
def _sum_rows(
    sums,  # out (HEADS, rows, LANES)
    values,  # head h reads at (other + h head_stride) LANES
    other,
    weight,
    begin,  # these rows
    end,
    low,  # edges whose `other` is outside of low to high - 1 bring nothing
    high,
    n_rows,
    head_stride,
    HEADS: tl.constexpr,
    LANES: tl.constexpr,
    ROW_TILE: tl.constexpr,
    WIDTH: tl.constexpr,
):
    """Sum rows of weight x value, each for every head."""
    place = tl.arange(0, ROW_TILE)
    lane = place % LANES
    count = end - begin
    for r0 in range(0, HEADS * count * LANES, ROW_TILE):
        item = (r0 + place) // LANES
        real = item < HEADS * count
        head, row = item // count, begin + item % count
        total = tl.zeros([ROW_TILE], values.dtype.element_ty)
        for k in tl.static_range(WIDTH):
            cell = tl.load(other + k * n_rows + row, mask=real, other=-1)
            is_edge = (cell >= low) & (cell < high)
            w = tl.load(weight + (head * WIDTH + k) * n_rows + row, mask=is_edge, other=0.0)
            total += w * tl.load(values + (head * head_stride + cell) * LANES + lane, mask=is_edge, other=0.0)
        tl.store(sums + (head * n_rows + row) * LANES + lane, total, mask=real)


@triton.jit
def cfc_forward(
    states,  # (blocks, time + 1, cells, LANES): holds the inputs and slot 0; out: the neurons of the others
    heads,  # out (blocks, time, HEADS, neurons, LANES), if SAVE
    sums,  # scratch (blocks, HEADS, rows, LANES)
    dt,
    lengths,  # (batch,), if HAS_LENGTHS
    alone,  # (4, neurons) biases of the heads; PURE: (3, neurons) that of g, state at rest, slowest rate
    start,  # see layers.Layers
    other,  # rows by receiver
    weight,  # (HEADS, WIDTH, rows)
    first,
    batch,
    time,
    n_inputs,
    n_neurons,
    n_layers,
    n_rows,
    longest,
    dt_sequence,  # strides of dt
    dt_sample,
    HEADS: tl.constexpr,
    LANES: tl.constexpr,
    NEURON_TILE: tl.constexpr,
    ROW_TILE: tl.constexpr,
    WIDTH: tl.constexpr,
    HAS_LENGTHS: tl.constexpr,
    PURE: tl.constexpr,
    NO_GATE: tl.constexpr,
    SAVE: tl.constexpr,
):
    """Run every sample; the equations are those of models.cfc."""
    block = tl.program_id(0).to(tl.int64)
    place = tl.arange(0, NEURON_TILE)
    lane = place % LANES
    sequence = block * LANES + lane
    here = sequence < batch
    n_cells = n_inputs + n_neurons
    each = n_rows * LANES
    sums += block * HEADS * each
    length = tl.zeros([NEURON_TILE], tl.int32) + time
    if HAS_LENGTHS:
        length = tl.load(lengths + sequence, mask=here, other=0)
    for t in range(time):
        elapsed = tl.load(dt + sequence * dt_sequence + t * dt_sample, mask=here, other=1.0)
        valid = t < length
        before = states + (block * (time + 1) + t) * n_cells * LANES
        after = before + n_cells * LANES
        out = heads + (block * time + t) * HEADS * n_neurons * LANES
        for layer in range(1, n_layers):
            begin, end = tl.load(start + layer), tl.load(start + layer + 1)
            row_begin, row_end = tl.load(first + begin), tl.load(first + end)
            _sum_rows(
                sums,
                before,
                other,
                weight,
                row_begin,
                row_end,
                0,
                2 * n_cells,
                n_rows,
                0,
                HEADS,
                LANES,
                ROW_TILE,
                WIDTH,
            )
            tl.debug_barrier()
            for n0 in range(0, (end - begin) * LANES, NEURON_TILE):
                cell = begin + (n0 + place) // LANES
                own = cell < end
                i = cell - n_inputs
                at = i * LANES + lane
                g = tl.load(alone + i, mask=own, other=0.0)
                g = add_rows(g, sums, first, cell, own, lane, longest, LANES)
                h = tl.load(alone + n_neurons + i, mask=own, other=0.0)
                a = tl.load(alone + 2 * n_neurons + i, mask=own, other=0.0)
                b = g
                if not PURE:
                    h = add_rows(h, sums + each, first, cell, own, lane, longest, LANES)
                    a = add_rows(a, sums + 2 * each, first, cell, own, lane, longest, LANES)
                    b = tl.load(alone + 3 * n_neurons + i, mask=own, other=0.0)
                    b = add_rows(b, sums + 3 * each, first, cell, own, lane, longest, LANES)
                    if SAVE:
                        tl.store(out + n_neurons * LANES + at, h, mask=own)
                        tl.store(out + 2 * n_neurons * LANES + at, a, mask=own)
                        tl.store(out + 3 * n_neurons * LANES + at, b, mask=own)
                new = settle(g, h, a, b, elapsed, PURE, NO_GATE)
                if SAVE:
                    tl.store(out + at, g, mask=own)
                old = tl.load(before + cell * LANES + lane, mask=own, other=0.0)
                tl.store(after + cell * LANES + lane, tl.where(valid, new, old), mask=own)
            tl.debug_barrier()


@triton.jit
def cfc_backward(
    d_states,  # (blocks, time + 1, cells, LANES): holds what comes from outside; out: the adjoint of states
    adjoints,  # out (blocks, time, 4, neurons, LANES): of the heads; PURE: of g, rest, slowest rate, log of the decay
    sums,  # scratch (blocks, HEADS, rows, LANES)
    heads,
    dt,
    lengths,
    alone,
    start,
    other,  # rows by sender
    weight,
    first,
    batch,
    time,
    n_inputs,
    n_neurons,
    n_layers,
    n_rows,
    longest,
    dt_sequence,
    dt_sample,
    HEADS: tl.constexpr,
    LANES: tl.constexpr,
    NEURON_TILE: tl.constexpr,
    ROW_TILE: tl.constexpr,
    WIDTH: tl.constexpr,
    HAS_LENGTHS: tl.constexpr,
    PURE: tl.constexpr,
    NO_GATE: tl.constexpr,
):
    """Carry the adjoint from the last layer of the last sample to the state before the first.

    Each cell collects it from the heads that read it: those of later layers in this sample, the others in the next one.
    """
    block = tl.program_id(0).to(tl.int64)
    place = tl.arange(0, NEURON_TILE)
    lane = place % LANES
    sequence = block * LANES + lane
    here = sequence < batch
    n_cells = n_inputs + n_neurons
    size = n_neurons * LANES
    sums += block * HEADS * n_rows * LANES
    length = tl.zeros([NEURON_TILE], tl.int32) + time
    if HAS_LENGTHS:
        length = tl.load(lengths + sequence, mask=here, other=0)
    for t_back in range(time + 1):
        t = time - 1 - t_back  # -1 stands for the state before the first sample, which no head has made
        elapsed = tl.load(dt + sequence * dt_sequence + t * dt_sample, mask=here & (t >= 0), other=1.0)
        valid = (t < length) & (t >= 0)
        passed = (t + 1 >= length) & (t + 1 < time)
        # There are adjoints of samples 0 to time - 1 only.
        low = tl.where(t < 0, n_neurons, 0)
        high = tl.where(t + 1 < time, 5 * n_neurons, n_neurons)
        now = d_states + (block * (time + 1) + t + 1) * n_cells * LANES
        out = adjoints + (block * time + t) * 4 * size
        saved = heads + (block * time + t) * HEADS * size
        for layer_back in range(n_layers):
            layer = n_layers - 1 - layer_back
            begin, end = tl.load(start + layer), tl.load(start + layer + 1)
            row_begin, row_end = tl.load(first + begin), tl.load(first + end)
            _sum_rows(
                sums,
                out,
                other,
                weight,
                row_begin,
                row_end,
                low,
                high,
                n_rows,
                n_neurons,
                HEADS,
                LANES,
                ROW_TILE,
                WIDTH,
            )
            tl.debug_barrier()
            for n0 in range(0, (end - begin) * LANES, NEURON_TILE):
                cell = begin + (n0 + place) // LANES
                own = cell < end
                i = cell - n_inputs
                at = i * LANES + lane
                v = now + cell * LANES + lane
                to_next = own & passed & (i >= 0)
                g_new = tl.load(v, mask=own, other=0.0) + tl.load(v + n_cells * LANES, mask=to_next, other=0.0)
                for head in tl.static_range(HEADS):
                    g_new = add_rows(g_new, sums + head * n_rows * LANES, first, cell, own, lane, longest, LANES)
                tl.store(v, g_new, mask=own)
                g_new = tl.where(valid, g_new, 0.0)
                own = own & (i >= 0) & (t >= 0)
                g = tl.load(saved + at, mask=own, other=0.0)
                if PURE:
                    h = tl.load(alone + n_neurons + i, mask=own, other=0.0)
                    a = tl.load(alone + 2 * n_neurons + i, mask=own, other=0.0)
                    b = g
                else:
                    h = tl.load(saved + size + at, mask=own, other=0.0)
                    a = tl.load(saved + 2 * size + at, mask=own, other=0.0)
                    b = tl.load(saved + 3 * size + at, mask=own, other=0.0)
                d_g, d_h, d_a, d_b = unsettle(g_new, g, h, a, b, elapsed, PURE, NO_GATE)
                tl.store(out + at, d_g, mask=own)
                tl.store(out + size + at, d_h, mask=own)
                tl.store(out + 2 * size + at, d_a, mask=own)
                tl.store(out + 3 * size + at, d_b, mask=own)
            tl.debug_barrier()
