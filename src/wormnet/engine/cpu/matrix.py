# pyright: reportCallIssue=false, reportOperatorIssue=false
"""Products of rows with matrices: what BLAS would do, in the order of the lanes."""

from wormnet.engine.cpu import LANES
from wormnet.engine.cpu.compiled import device, inlined
from wormnet.engine.cpu.lanes import all_lanes, load
from wormnet.engine.cpu.register_blocks import (
    add_rows,
    full_rows,
    no_sums,
    plus_numbers,
    rows_from,
    store_rows,
    transpose,
)
from wormnet.engine.cpu.rows import clear

__all__ = ["add_outer", "dense", "dense_back"]


@device
def dense(p, weight, bias, outs, width, source, source_at, to, to_at):
    """outs rows from width rows: bias + weight (outs, width) source. Past the last output, it is computed again."""
    one, o = all_lanes(p, p.dtype.type(1)), 0
    while o < outs:
        rows, places = rows_from(p, o, outs - 1, width), rows_from(p, o, outs - 1, LANES)
        sums = plus_numbers(no_sums(p, rows), p, rows_from(p, o, outs - 1, 1), bias, one)
        for j in range(width):
            sums = plus_numbers(sums, p, rows, weight + j, load(source, source_at + j * LANES))
        store_rows(to, to_at, places, sums)
        o += len(rows)


@device
def dense_back(p, weight, outs, width, begin, g, g_at, to_at):
    """Set width rows of g from to_at on to weight^T times the outs rows from g_at on; those before `begin` to 0."""
    clear(g, to_at, begin)
    j = begin
    while j + len(full_rows(p, j, 1)) <= width:
        columns = full_rows(p, j, 1)
        store_rows(g, to_at, full_rows(p, j, LANES), columns_back(p, weight, outs, width, columns, g, g_at))
        j += len(columns)
    while j < width:
        columns = rows_from(p, j, width - 1, 1)
        places = rows_from(p, j, width - 1, LANES)
        store_rows(g, to_at, places, columns_back(p, weight, outs, width, columns, g, g_at))
        j += len(columns)


@inlined
def columns_back(p, weight, outs, width, columns, g, g_at):
    """Some columns of weight times the outs rows of g."""
    sums = no_sums(p, columns)
    for o in range(outs):
        sums = plus_numbers(sums, p, columns, weight + o * width, load(g, g_at + o * LANES))
    return sums


@device
def add_outer(g, g_at, g_stride, outs, width, u, u_at, u_stride, samples, turned, turned_at, parts, parts_at):
    """Add the sum over samples and lanes of g (outs rows) times u (width rows) to parts: (outs, width) in whole blocks.

    Transposed (`turned`), sixteen sources fill the lanes, and sequences follow one another like samples: no reduction
    over lanes is needed. What follows the last row of g, which must be memory too, is read and left out of parts.
    """
    blocks = (width + LANES - 1) // LANES
    for block in range(blocks):
        first = block * LANES
        for k in range(samples):
            from_u = u_at + k * u_stride + first * LANES
            transpose(u, from_u, min(width - first, LANES) - 1, turned, turned_at + k * LANES * LANES)
        o = 0
        while o < outs:
            rows = full_rows(g, o, LANES)
            sums = no_sums(g, rows)
            for k in range(samples):
                for lane in range(LANES):
                    sent = load(turned, turned_at + (k * LANES + lane) * LANES)
                    sums = plus_numbers(sums, g, rows, g_at + k * g_stride + lane, sent)
            add_rows(parts, parts_at + first, o, outs - 1, blocks * LANES, sums)
            o += len(rows)
