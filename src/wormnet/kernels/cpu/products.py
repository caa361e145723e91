# pyright: reportCallIssue=false, reportOperatorIssue=false
"""Products of rows with matrices: what BLAS would do, in the order of the lanes."""

from wormnet.kernels.cpu import LANES
from wormnet.kernels.cpu.compiled import inlined
from wormnet.kernels.cpu.lanes import all_lanes, load, store
from wormnet.kernels.cpu.rows import clear
from wormnet.kernels.cpu.tiles import (
    add_folded,
    dot_numbers,
    load_rows,
    no_outer,
    no_sums,
    plus_numbers,
    plus_outer,
    rows_from,
    sources_from,
    store_rows,
)

__all__ = ["add_outer", "dense", "dense_back"]

TILE = 16
"""How many sources all outputs have before the next ones come, so that they stay in the nearest cache."""


@inlined
def dense(p, weight, bias, outs, width, source, source_at, to, to_at):
    """outs rows from width rows: bias + weight (outs, width) source. Behind the last output it is computed again."""
    one, o = all_lanes(p, p.dtype.type(1)), 0
    while o < outs:
        rows, places = rows_from(p, o, outs - 1, width), rows_from(p, o, outs - 1, LANES)
        sums = plus_numbers(no_sums(p, rows), p, rows_from(p, o, outs - 1, 1), bias, one)
        for j in range(width):
            sums = plus_numbers(sums, p, rows, weight + j, load(source, source_at + j * LANES))
        store_rows(to, to_at, places, sums)
        o += len(rows)


@inlined
def dense_back(p, weight, outs, width, begin, g, g_at, to_at):
    """Set width rows of g from to_at on to weight^T times the outs rows from g_at on; those before `begin` to 0."""
    clear(g, to_at, width)
    o = 0
    while o < outs:
        rows, given = rows_from(p, o, outs - 1, width), load_rows(g, g_at, o, outs)
        for j in range(begin, width):
            at = to_at + j * LANES
            store(g, at, dot_numbers(load(g, at), given, p, rows, weight + j))
        o += len(rows)


@inlined
def add_outer(g, g_at, g_stride, outs, width, u, u_at, u_stride, samples, parts, parts_at):
    """Add the sum over samples of g (outs rows) times u (width rows) to parts, four outputs to a block (see fold4)."""
    for tile in range(0, width, TILE):
        end = min(tile + TILE, width)
        for o in range(0, outs, 4):
            last = outs - 1
            from_g = (o * LANES, min(o + 1, last) * LANES, min(o + 2, last) * LANES, min(o + 3, last) * LANES)
            at, j = parts_at + o // 4 * width * LANES, tile
            while j < end:
                from_u = sources_from(u, j, end - 1, LANES)
                sums = no_outer(u, from_u)
                for k in range(samples):
                    sums = plus_outer(sums, g, from_g, g_at + k * g_stride, u, from_u, u_at + k * u_stride)
                add_folded(parts, at, from_u, sums)
                j += len(from_u)
