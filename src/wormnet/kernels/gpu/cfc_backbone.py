"""The two Triton kernels of CfC behind a backbone: one launch runs all samples of a batch, or goes back.

A program has LANES sequences to itself, so no two programs ever meet. Its tiles are sequences x units, or x neurons,
and a layer is a product of what all lanes send with the layer's weights, which every sample reads anew from a cache:
they are too many for registers. What a layer hands to the next one goes through global memory that only this program
touches, with a barrier in between. Arrays are (batch, time, ...), so that the products that need not wait for each
other (what inputs send; all gradients of weights) are made over whole sequences, outside of the kernels.
"""

# Triton reads annotations and names as they stand here.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOperatorIssue=false

import triton
import triton.language as tl

from wormnet.kernels.gpu.scalar import activated, d_activated, part, settle, unsettle

__all__ = ["backbone_backward", "backbone_forward"]


@part
def _add_product(
    total,  # (LANES, columns of the tile)
    source,  # (LANES,) where each lane's row begins
    here,  # lanes that are sequences of the batch
    width,
    weight,  # (width, n_columns)
    column,  # those of the tile
    n_columns,
    DEPTH: tl.constexpr,
):
    """Add what the lanes' rows times a weight matrix come to in some columns."""
    is_column = (column < n_columns)[None, :]
    for k0 in range(0, width, DEPTH):
        k = k0 + tl.arange(0, DEPTH)
        sent = tl.load(source[:, None] + k[None, :], mask=here[:, None] & (k < width)[None, :], other=0.0)
        at = weight + k[:, None] * n_columns + column[None, :]
        w = tl.load(at, mask=(k < width)[:, None] & is_column, other=0.0)
        # Tensor cores would round float32 to ten bits.
        total = tl.dot(sent, w, total, input_precision="ieee", out_dtype=total.dtype)
    return total


@part
def _finish_layer(s, hidden, sums, unit, own, ACTIVATION: tl.constexpr, SAVE: tl.constexpr):
    """Hand a tile of a layer to the next one, and save its sums."""
    tl.store(hidden[:, None] + unit[None, :], activated(s, ACTIVATION), mask=own)
    if SAVE:
        tl.store(sums[:, None] + unit[None, :], s, mask=own)


@part
def _heads_of(heads, alone, i, own, n_neurons, PURE: tl.constexpr):
    """What `settle` takes for neurons i."""
    at = heads[:, None] + i[None, :]
    g = tl.load(at, mask=own, other=0.0)
    if PURE:
        h = tl.load(alone + n_neurons + i, mask=i < n_neurons, other=0.0)[None, :]
        a = tl.load(alone + 2 * n_neurons + i, mask=i < n_neurons, other=0.0)[None, :]
        b = g
    else:
        h = tl.load(at + n_neurons, mask=own, other=0.0)
        a = tl.load(at + 2 * n_neurons, mask=own, other=0.0)
        b = tl.load(at + 3 * n_neurons, mask=own, other=0.0)
    return g, h, a, b


@triton.jit
def backbone_forward(
    states,  # (batch, time + 1, neurons): holds slot 0; out: the others
    sums,  # out (batch, time, layers, units), if SAVE: what each unit makes its output of
    heads,  # out (batch, time, HEADS, neurons); scratch (batch, HEADS, neurons) if not SAVE
    hidden,  # scratch (batch, layers, units)
    drive,  # (batch, time, units) what inputs and the bias bring to the first layer
    dt,
    lengths,  # (batch,), if HAS_LENGTHS
    first,  # (neurons, units) weights of the first layer, by sender
    inner,  # (layers - 1, units, units), likewise
    inner_bias,  # (layers - 1, units)
    outer,  # (units, HEADS neurons), likewise
    alone,  # (4, neurons) biases of the heads; PURE: (3, neurons) that of g, state at rest, slowest rate
    batch,
    time,
    n_neurons,
    n_units,
    n_layers,
    dt_sequence,  # strides of dt
    dt_sample,
    HEADS: tl.constexpr,
    LANES: tl.constexpr,
    NEURON_TILE: tl.constexpr,
    UNIT_TILE: tl.constexpr,
    HEAD_TILE: tl.constexpr,  # heads x neurons
    DEPTH: tl.constexpr,  # how much of a sum a product takes at once
    ACTIVATION: tl.constexpr,
    HAS_LENGTHS: tl.constexpr,
    PURE: tl.constexpr,
    NO_GATE: tl.constexpr,
    SAVE: tl.constexpr,
):
    """Run every sample; the equations are those of models.cfc."""
    sequence = tl.program_id(0).to(tl.int64) * LANES + tl.arange(0, LANES)
    here = sequence < batch
    hidden += sequence * n_layers * n_units
    last = hidden + (n_layers - 1) * n_units
    length = tl.zeros([LANES], tl.int32) + time
    if HAS_LENGTHS:
        length = tl.load(lengths + sequence, mask=here, other=0)
    for t in range(time):
        sample = sequence * time + t
        elapsed = tl.load(dt + sequence * dt_sequence + t * dt_sample, mask=here, other=1.0)[:, None]
        valid = (t < length)[:, None]
        before = states + (sequence * (time + 1) + t) * n_neurons
        kept = sums + sample * n_layers * n_units
        for u0 in range(0, n_units, UNIT_TILE):
            unit = u0 + tl.arange(0, UNIT_TILE)
            own = here[:, None] & (unit < n_units)[None, :]
            s = tl.load(drive + (sample * n_units)[:, None] + unit[None, :], mask=own, other=0.0)
            s = _add_product(s, before, here, n_neurons, first, unit, n_units, DEPTH)
            _finish_layer(s, hidden, kept, unit, own, ACTIVATION, SAVE)
        tl.debug_barrier()
        for layer in range(1, n_layers):
            weight = inner + (layer - 1) * n_units * n_units
            for u0 in range(0, n_units, UNIT_TILE):
                unit = u0 + tl.arange(0, UNIT_TILE)
                own = here[:, None] & (unit < n_units)[None, :]
                bias = tl.load(inner_bias + (layer - 1) * n_units + unit, mask=unit < n_units, other=0.0)
                s = tl.zeros([LANES, UNIT_TILE], states.dtype.element_ty) + bias[None, :]
                s = _add_product(s, hidden + (layer - 1) * n_units, here, n_units, weight, unit, n_units, DEPTH)
                _finish_layer(s, hidden + layer * n_units, kept + layer * n_units, unit, own, ACTIVATION, SAVE)
            tl.debug_barrier()
        to = heads + (sample if SAVE else sequence) * HEADS * n_neurons
        for c0 in range(0, HEADS * n_neurons, HEAD_TILE):
            column = c0 + tl.arange(0, HEAD_TILE)
            real = column < HEADS * n_neurons
            bias = tl.load(alone + column, mask=real, other=0.0)
            s = tl.zeros([LANES, HEAD_TILE], states.dtype.element_ty) + bias[None, :]
            s = _add_product(s, last, here, n_units, outer, column, HEADS * n_neurons, DEPTH)
            tl.store(to[:, None] + column[None, :], s, mask=here[:, None] & real[None, :])
        tl.debug_barrier()
        for n0 in range(0, n_neurons, NEURON_TILE):
            i = n0 + tl.arange(0, NEURON_TILE)
            own = here[:, None] & (i < n_neurons)[None, :]
            g, h, a, b = _heads_of(to, alone, i, own, n_neurons, PURE)
            v = before[:, None] + i[None, :]
            new = tl.where(valid, settle(g, h, a, b, elapsed, PURE, NO_GATE), tl.load(v, mask=own, other=0.0))
            tl.store(v + n_neurons, new, mask=own)
        tl.debug_barrier()


@triton.jit
def backbone_backward(
    d_states,  # (batch, time + 1, neurons): holds what comes from outside; out: the adjoint of states
    d_sums,  # out (batch, time, layers, units)
    adjoints,  # out (batch, time, 4, neurons): of the heads; PURE: of g, rest, slowest rate, log of the decay
    sums,
    heads,
    dt,
    lengths,
    first,  # (units, neurons) weights of the first layer, by receiver
    inner,  # (layers - 1, units, units), likewise
    outer,  # (HEADS neurons, units), likewise
    alone,
    batch,
    time,
    n_neurons,
    n_units,
    n_layers,
    dt_sequence,
    dt_sample,
    HEADS: tl.constexpr,
    LANES: tl.constexpr,
    NEURON_TILE: tl.constexpr,
    UNIT_TILE: tl.constexpr,
    DEPTH: tl.constexpr,
    ACTIVATION: tl.constexpr,
    HAS_LENGTHS: tl.constexpr,
    PURE: tl.constexpr,
    NO_GATE: tl.constexpr,
):
    """Carry the adjoint from the heads of the last sample to the state before the first."""
    sequence = tl.program_id(0).to(tl.int64) * LANES + tl.arange(0, LANES)
    here = sequence < batch
    length = tl.zeros([LANES], tl.int32) + time
    if HAS_LENGTHS:
        length = tl.load(lengths + sequence, mask=here, other=0)
    for t_back in range(time):
        t = time - 1 - t_back
        sample = sequence * time + t
        elapsed = tl.load(dt + sequence * dt_sequence + t * dt_sample, mask=here, other=1.0)[:, None]
        valid = (t < length)[:, None]
        before = d_states + (sequence * (time + 1) + t) * n_neurons
        saved, to_heads = heads + sample * HEADS * n_neurons, adjoints + sample * 4 * n_neurons
        units = sample * n_layers * n_units
        for n0 in range(0, n_neurons, NEURON_TILE):
            i = n0 + tl.arange(0, NEURON_TILE)
            own = here[:, None] & (i < n_neurons)[None, :]
            g, h, a, b = _heads_of(saved, alone, i, own, n_neurons, PURE)
            g_new = tl.load((before + n_neurons)[:, None] + i[None, :], mask=own & valid, other=0.0)
            d_g, d_h, d_a, d_b = unsettle(g_new, g, h, a, b, elapsed, PURE, NO_GATE)
            out = to_heads[:, None] + i[None, :]
            tl.store(out, d_g, mask=own)
            tl.store(out + n_neurons, d_h, mask=own)
            tl.store(out + 2 * n_neurons, d_a, mask=own)
            tl.store(out + 3 * n_neurons, d_b, mask=own)
        tl.debug_barrier()
        top = units + (n_layers - 1) * n_units
        for u0 in range(0, n_units, UNIT_TILE):
            unit = u0 + tl.arange(0, UNIT_TILE)
            own = here[:, None] & (unit < n_units)[None, :]
            d = tl.zeros([LANES, UNIT_TILE], d_states.dtype.element_ty)
            d = _add_product(d, to_heads, here, HEADS * n_neurons, outer, unit, n_units, DEPTH)
            at = top[:, None] + unit[None, :]
            tl.store(d_sums + at, d * d_activated(tl.load(sums + at, mask=own, other=0.0), ACTIVATION), mask=own)
        tl.debug_barrier()
        for layer_back in range(1, n_layers):
            layer = n_layers - 1 - layer_back
            now = units + layer * n_units
            weight = inner + layer * n_units * n_units
            for u0 in range(0, n_units, UNIT_TILE):
                unit = u0 + tl.arange(0, UNIT_TILE)
                own = here[:, None] & (unit < n_units)[None, :]
                d = tl.zeros([LANES, UNIT_TILE], d_states.dtype.element_ty)
                d = _add_product(d, d_sums + now + n_units, here, n_units, weight, unit, n_units, DEPTH)
                at = now[:, None] + unit[None, :]
                tl.store(d_sums + at, d * d_activated(tl.load(sums + at, mask=own, other=0.0), ACTIVATION), mask=own)
            tl.debug_barrier()
        for n0 in range(0, n_neurons, NEURON_TILE):
            i = n0 + tl.arange(0, NEURON_TILE)
            own = here[:, None] & (i < n_neurons)[None, :]
            v = before[:, None] + i[None, :]
            # A sequence that has ended holds its state.
            d = tl.load(v, mask=own, other=0.0) + tl.load(v + n_neurons, mask=own & (t >= length)[:, None], other=0.0)
            d = _add_product(d, d_sums + units, here, n_units, first, i, n_neurons, DEPTH)
            tl.store(v, d, mask=own)
        tl.debug_barrier()
