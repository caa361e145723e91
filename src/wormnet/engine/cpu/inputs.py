# pyright: reportCallIssue=false, reportOperatorIssue=false, reportIndexIssue=false
"""One sample's inputs for a block, forward and backward: gathered as they are given, and mapped if the layout says so.

A row of inputs holds what synapses see; after it, where they are mapped or an LSTM cell reads them too, what was given.
"""

from wormnet.engine.cpu import LANES
from wormnet.engine.cpu.compiled import inlined
from wormnet.engine.cpu.lanes import load, same, store
from wormnet.engine.cpu.rows import add_to, clear, gather, scatter
from wormnet.engine.cpu.sparse import Code

__all__ = ["inputs_back", "read_inputs"]

PLACES = ("x", "width", "given", "raw", "scale", "shift")


def read_inputs(names: tuple[str, ...]) -> Code:
    """(p, sizes, x, samples, first, count, t, room): the inputs of tick t."""
    X, _, GIVEN, RAW, SCALE, SHIFT = (names.index(name) for name in PLACES)

    @inlined
    def read(p, sizes, x, samples, first, count, t, room):
        given, seen, raw = sizes[GIVEN], sizes[X], sizes[X] + sizes[RAW]
        gather(x, samples, first, count, given, t * given, given, room, raw)
        if sizes[SCALE] >= 0:
            for i in range(given):
                store(room, seen + i * LANES, load(room, raw + i * LANES) * same(p, sizes[SCALE] + i))
        if sizes[SHIFT] >= 0:
            for i in range(given):
                add_to(room, seen + i * LANES, same(p, sizes[SHIFT] + i))

    return read


def inputs_back(names: tuple[str, ...]) -> tuple[Code, Code]:
    """Clear the adjoints of a sample's inputs: (sizes, room). Pass them on: (p, sizes, samples, first, count, t, room,
    g_x), which adds to the sums of the map, and writes those of x if they are wanted."""
    X, WIDTH, GIVEN, RAW, SCALE, SHIFT = (names.index(name) for name in PLACES)
    G_X, SUMS, MAP_SUMS = (names.index(name) for name in ("g_x", "sums", "map_sums"))

    @inlined
    def begin(sizes, room):
        clear(room, sizes[G_X], sizes[WIDTH])

    @inlined
    def finish(p, sizes, samples, first, count, t, room, g_x):
        given, raw, sums = sizes[GIVEN], sizes[RAW], sizes[SUMS] + sizes[MAP_SUMS]
        if sizes[SHIFT] >= 0:
            for i in range(given):
                add_to(room, sums + (given + i) * LANES, load(room, sizes[G_X] + i * LANES))
        if sizes[SCALE] >= 0:
            for i in range(given):
                adjoint, u = load(room, sizes[G_X] + i * LANES), load(room, sizes[X] + raw + i * LANES)
                add_to(room, sums + i * LANES, adjoint * u)
                add_to(room, sizes[G_X] + raw + i * LANES, adjoint * same(p, sizes[SCALE] + i))
        if len(g_x):
            scatter(room, sizes[G_X] + raw, samples, first, count, given, t * given, given, g_x)

    return begin, finish
