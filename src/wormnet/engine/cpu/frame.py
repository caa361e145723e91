"""Where everything lies in the memory of the kernels: all offsets, computed once from a layout.

A kernel takes one tuple of whole numbers, and code that is compiled for a program knows by `names_of` which of them is
which. Offsets are in numbers; rows and room are made of blocks of LANES.

    history of a block   rows of states, one before the first sample, one after each evaluation, and one more wherever
                         a lane goes on to its next sequence; then, for each sample, the values kept for the derivatives
                         (`kept`)
    room forward         one sample's rows and kept; the sample's inputs; initial states; a part's sums over inputs
    room backward        the same; adjoints of the rows of a sub-step, of a part's sums, of inputs, of initial states;
                         then the adjoints of all coefficients, summed over samples
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from wormnet.engine.cpu import LANES
from wormnet.engine.cpu.lane_sums import grouped
from wormnet.engine.layout import Layout
from wormnet.engine.program import Part, Program
from wormnet.models.equation import DenseUpdate, Update

__all__ = ["CHUNK", "Frame", "blocks_of", "frame_of", "history_blocks", "kept_blocks", "kept_of", "names_of"]

CHUNK = 8
"""Samples per batch of weight-gradient products of a dense part."""


def blocks_of(numbers: int) -> int:
    """The number of blocks of LANES that hold so many numbers or sequences; symbolic while a call is traced."""
    return (numbers + LANES - 1) // LANES


def hidden_units(part: Part) -> int:
    """Hidden units of a dense part, all layers together."""
    return len(part.update.hidden) * part.update.units if isinstance(part.update, DenseUpdate) else 0


def kept_of(part: Part) -> tuple[int, ...]:
    """`Part.kept`, or the node's alone where the rest follows from it: a long history costs more than a division."""
    again = isinstance(part.update, Update) and part.update.terms is not None
    return (part.update.keeps,) * part.stages if again else part.kept


def kept_blocks(program: Program, n: int) -> int:
    """Blocks kept for the derivatives of one sample: of neurons, of hidden units and their derivatives."""
    return sum(part.unfolds * sum(kept_of(part)) * n + 2 * hidden_units(part) for part in program.parts)


def history_blocks(program: Program, n: int, time: int, extra: int = 0) -> int:
    """Blocks of the history of `time` samples, each with `extra` rows more than it has evaluations."""
    return (time * (program.rows + extra) + 1) * len(program.states) * n + time * kept_blocks(program, n)


def names_of(program: Program) -> tuple[str, ...]:
    """The names of a frame's numbers, in order."""
    common = ("neurons", "states", "width", "inputs", "order", "rows", "wide", "kept", "history_kept")
    given = ("given", "raw", "scale", "shift", "map_sums")
    room = ("x", "initial", "brought", "cells", "forward_room", "g", "q", "g_x", "g_initial", "sums", "backward_room")
    names = [*common, *given, *room, "p"]
    for i, part in enumerate(program.parts):
        names += [f"{i}.{name}" for name in ("nodes", "unfolds", "kept", "row", "node_sums")]
        if isinstance(part.update, DenseUpdate):
            names += [f"{i}.{name}" for name in ("from", "units", "hidden", "per_sample", "unit_sums", "chunk")]
            for k in range(len(part.update.hidden) + 1):
                names += [f"{i}.{k}.{name}" for name in ("weight", "bias", "parts")]
            continue
        for k in range(len(part.update.edges)):
            names += [f"{i}.{k}.{name}" for name in ("p", "count", "bounds", "pre", "sums", "group")]
    return tuple(names)


@dataclass(frozen=True, eq=False)
class Frame:
    """The numbers and the index tables of a layout.

    Attributes:
        sizes: the numbers, in the order of `names_of`.
        tables: the order of the neurons; for each kind of edge 2 neurons + 1 bounds (neuron i receives edges [2 i] up
            to [2 i + 1] from inputs, then up to [2 i + 2] from neurons), then the blocks that the senders have in a
            row of inputs, or of states.
    """

    sizes: tuple[int, ...]
    tables: NDArray[np.int32]


@lru_cache(maxsize=64)
def frame_of(layout: Layout) -> Frame:
    """The frame of a layout."""
    program, wiring = layout.program, layout.wiring
    n, states, inputs = wiring.n_neurons, len(program.states), wiring.n_inputs
    value: dict[str, int] = {"neurons": n, "states": states, "inputs": inputs, "rows": program.rows}
    value["width"] = width = width_of(layout)
    # A sample is gathered to the end of its row, and mapped from there to the front.
    value["given"] = inputs if layout.maps else width
    value["raw"], (value["scale"], value["shift"]) = (width - value["given"]) * LANES, layout.map_places
    value["wide"], value["kept"], value["p"] = states * n * LANES, kept_blocks(program, n) * LANES, layout.size
    tables: list[NDArray[np.int64]] = [layout.order]
    value["order"], at_table = 0, n
    kept = row = 0
    sums = 0  # in numbers, from value["sums"] on
    for i, (part, edges, place) in enumerate(zip(program.parts, layout.tables, layout.places, strict=True)):
        value |= {f"{i}.nodes": place.nodes, f"{i}.unfolds": part.unfolds, f"{i}.kept": kept, f"{i}.row": row}
        value[f"{i}.node_sums"], sums = sums, sums + len(part.node_numbers) * n * LANES
        if isinstance(part.update, DenseUpdate):
            sums = _dense(value, i, part, layout, kept, sums)
        else:
            for k, (edge, table) in enumerate(zip(part.update.edges, edges, strict=True)):
                bounds = np.append(np.stack([table.start[:-1], table.middle], 1), table.start[-1])
                of_state = part.reads[k] * n + table.pre + table.new * states * n
                pre = np.where(table.from_input, table.pre, of_state)
                count, groups = len(pre), grouped(len(edge.coefficients))
                size = blocks_of(4 * count) * LANES
                value |= {f"{i}.{k}.p": place.edges[k], f"{i}.{k}.count": count, f"{i}.{k}.bounds": at_table}
                value |= {f"{i}.{k}.pre": at_table + len(bounds), f"{i}.{k}.sums": sums, f"{i}.{k}.group": size}
                sums += len(groups[0]) * size + len(groups[1]) * count * LANES
                tables += [bounds, pre]
                at_table += len(bounds) + count
        kept += (part.unfolds * sum(kept_of(part)) * n + 2 * hidden_units(part)) * LANES
        row += part.unfolds * part.stages
    value["map_sums"], sums = sums, sums + len(layout.maps) * inputs * LANES
    _room(value, layout, sums)
    names = names_of(program)
    return Frame(tuple(int(value[name]) for name in names), np.concatenate(tables).astype(np.int32))


def width_of(layout: Layout) -> int:
    """How many numbers a sample has: the inputs, and once more as they are given if those are read too, or mapped."""
    mapped = {part.update.mapped for part in layout.program.parts if isinstance(part.update, DenseUpdate)}
    return layout.wiring.n_inputs * (2 if False in mapped or layout.maps else 1)


def _dense(value: dict[str, int], i: int, part: Part, layout: Layout, kept: int, sums: int) -> int:
    """The numbers of a dense part; returns where the sums of what comes after it begin."""
    update, n, inputs = part.update, layout.wiring.n_neurons, layout.wiring.n_inputs
    assert isinstance(update, DenseUpdate)
    outs = len(update.sums) * n + hidden_units(part)
    value[f"{i}.from"] = 0 if update.mapped else (width_of(layout) - inputs) * LANES
    value[f"{i}.units"] = update.units
    value[f"{i}.hidden"] = kept + sum(part.kept) * n * LANES
    # A row more than needed: addresses that are a power of two apart share few places of a cache.
    value[f"{i}.per_sample"] = (outs + 1) * LANES
    value[f"{i}.unit_sums"], sums = sums, sums + outs * LANES
    for k, (rows, columns) in enumerate(layout.widths(part)):
        places = layout.places[layout.program.parts.index(part)].edges
        value |= {f"{i}.{k}.weight": places[2 * k], f"{i}.{k}.bias": places[2 * k + 1], f"{i}.{k}.parts": sums}
        sums += rows * blocks_of(columns) * LANES
    return sums


def _room(value: dict[str, int], layout: Layout, sums: int) -> None:
    """The offsets of the room. The front of it, on both passes, is one sample's history."""
    program, n, inputs = layout.program, layout.wiring.n_neurons, layout.wiring.n_inputs
    states, width = len(program.states), value["width"]
    value["history_kept"] = (program.rows + 1) * value["wide"]
    sparse = [part for part in program.parts if not part.dense]
    dense = [part for part in program.parts if part.dense]
    most_sums = max((len(part.sums) for part in sparse), default=0)
    at = 0

    def put(name: str, blocks: int) -> None:
        nonlocal at
        value[name] = at
        at += blocks * LANES

    put("x", max(width, 1))  # the adjoint of dt passes through it, inputs or not
    put("initial", states * n)
    put("brought", most_sums * n)
    put("cells", max(((inputs + n) + len(part.sums) * n for part in dense), default=0))
    value["forward_room"] = at
    put("g", (max((part.stages for part in program.parts), default=1) + 1) * states * n)
    put("q", most_sums * n)
    put("g_x", width)
    put("g_initial", states * n)
    for i, part in enumerate(program.parts):
        if part.dense:
            # A chunk's adjoints of sums and units, its cells, those transposed; the adjoints of one sample's cells.
            blocks = value[f"{i}.per_sample"] // LANES
            put(f"{i}.chunk", CHUNK * (blocks + inputs + n + 1 + LANES) + inputs + n)
    put("sums", 0)
    value["backward_room"] = at + sums
