# pyright: reportCallIssue=false, reportOperatorIssue=false, reportIndexIssue=false, reportArgumentType=false
"""The loop over time, forward and backward, for one block of sequences.

A kernel is what a thread runs, see `team`. All arrays but p are flat. Arguments that the kernels share:

    p, tables, sizes   the coefficients, (coefficients, LANES) if each sequence of the block has its own, which forward
                       takes as well; and the numbers of `frame`
    call               (batch, time, span, extra): span is -1 to keep no history, `time` to keep all of it, or the
                       samples between two rows of states that are kept, from which the backward pass computes the rest
                       again; extra is 1 if a sample's first row is not the last of the sample before, since a sequence
                       may start anew there, else 0
    lanes, blocks, switches   which sequences run where, see `schedule`. Time of a block is counted in ticks; `samples`
                       is where in lanes it says which sample each lane of the block would be at in tick 0
    starts             (batch, time) 1 where the state is the initial one before a sample, 0 elsewhere; empty if nowhere
    scratch            memory of the worker: a history, then the room that `frame` divides
"""

from functools import cache

from wormnet.engine.cpu import LANES
from wormnet.engine.cpu.compiled import Kernel, device, inlined
from wormnet.engine.cpu.denormals import flush_denormals, restore
from wormnet.engine.cpu.dense import dense_sums, dense_update
from wormnet.engine.cpu.frame import names_of
from wormnet.engine.cpu.inputs import inputs_back, read_inputs
from wormnet.engine.cpu.lane_sums import grouped, total
from wormnet.engine.cpu.lanes import all_lanes, load, only, select_less, store
from wormnet.engine.cpu.rows import (
    add_to,
    clear,
    clear_rest,
    copy,
    load_lane,
    load_states,
    scatter,
    store_lane,
    store_states,
    take_kept,
    write_kept,
)
from wormnet.engine.cpu.schedule import SWITCH
from wormnet.engine.cpu.sparse import Code, room_row, sparse_update
from wormnet.engine.cpu.team import team_kernel
from wormnet.engine.cpu.transfer import collect
from wormnet.engine.program import Program

__all__ = ["BACKWARD", "FORWARD", "backward_of", "forward_of"]

FORWARD = ("f", "int32", *("f",) * 6, *("int64",) * 4, *("f",) * 4)
"""The arrays of the forward kernel: p, tables, x, dt, starts, the states before, initial, drop, lanes, blocks,
switches, keep, kept, last, saved, scratch; then come the numbers batch, time, span, extra, history, the size of a
worker's scratch, how many tasks there are, and those of the frame. A task is a block; p by lane holds that of one block
after the other."""

BACKWARD = ("f", "int32", *("f",) * 5, *("int64",) * 4, *("f",) * 9)
"""The arrays of the backward kernel: p, tables, x, dt, starts, initial, drop, lanes, blocks, switches, keep, saved; the
adjoints of kept and last; those of x, dt, the states before, initial; sums of p's for each task, scratch; then the same
numbers. Task k is the blocks k, k + tasks, ..."""

OTHERS = 7
"""Numbers before those of the frame."""


_BY_CODE: dict[str, Program] = {}
"""The first of all programs that have the same code: the others share its kernels."""


@cache
def forward_of(program: Program, dtype: str, *, by_lane: bool = False) -> Kernel:
    """The forward kernel of a program, compiled when its address is first asked for.

    Args: dtype: a character of NumPy's.   by_lane: whether each lane has coefficients of its own.
    """
    first = _BY_CODE.setdefault(program.code, program)
    if first is not program:
        return forward_of(first, dtype, by_lane=by_lane)
    names = names_of(program)
    run = _forward(names, _advance_of(program), by_lane=by_lane)
    return team_kernel(f"forward_{program.code}", run, FORWARD, OTHERS + len(names), dtype, by_lane=by_lane)


@cache
def backward_of(program: Program, dtype: str) -> Kernel:
    """The backward kernel, likewise."""
    first = _BY_CODE.setdefault(program.code, program)
    if first is not program:
        return backward_of(first, dtype)
    run = _backward(program, _advance_of(program), [one[1] for one in _parts_of(program)])
    return team_kernel(f"backward_{program.code}", run, BACKWARD, OTHERS + len(names_of(program)), dtype)


@cache
def _parts_of(program: Program) -> list[tuple[Code, Code]]:
    return [(dense_update if part.dense else sparse_update)(program, i) for i, part in enumerate(program.parts)]


@cache
def _advance_of(program: Program) -> Code:
    return _advance(names_of(program), _run_sample(program, [one[0] for one in _parts_of(program)]))


def _run_sample(program: Program, parts: list[Code]) -> Code:
    """(p, tables, sizes, v, at, kept_at, room, dt, save, drop, here): all parts of a sample, from row `at` on."""
    names = names_of(program)
    WIDE = names.index("wide")

    @inlined
    def run(p, tables, sizes, v, at, kept_at, room, dt, save, drop, here):
        return

    for i in reversed(range(len(parts))):
        run = _part_forward(names.index(f"{i}.row"), WIDE, parts[i], run)

    @inlined
    def sample(p, tables, sizes, v, at, kept_at, room, dt, save, drop, here):
        run(p, tables, sizes, v, at, kept_at, room, dt, save, drop, here)

    return sample


def _part_forward(ROW, WIDE, part, following) -> Code:
    @inlined
    def run(p, tables, sizes, v, at, kept_at, room, dt, save, drop, here):
        part(p, tables, sizes, v, at + sizes[ROW] * sizes[WIDE], kept_at, room, dt, save, drop, here)
        following(p, tables, sizes, v, at, kept_at, room, dt, save, drop, here)

    return run


@inlined
def beginning(p, starts, samples, first, count, t):
    """1 in lanes whose sequence starts anew at tick t, 0 elsewhere."""
    return only(collect(starts, samples, first, 1, t, count), count)


def _advance(names: tuple[str, ...], run_sample: Code) -> Code:
    """One tick of a block, from the row at `at` on: starts, then all parts."""
    INITIAL, WIDE = names.index("initial"), names.index("wide")
    read = read_inputs(names)

    @inlined
    def advance(p, tables, sizes, call, x, dt, starts, drop, samples, first, count, t, v, at, kept_at, room, save):
        batch, time, _, _ = call
        read(p, sizes, x, samples, first, count, t, room)
        if len(starts):
            half, begins = all_lanes(p, p.dtype.type(0.5)), beginning(p, starts, samples, first, count, t)
            for i in range(sizes[WIDE] // LANES):
                new, old = load(room, sizes[INITIAL] + i * LANES), load(v, at + i * LANES)
                store(v, at + i * LANES, select_less(half, begins, new, old))
        elapsed = collect(dt, samples, first, 1, t, count)
        here = samples, first, count, batch * time, t
        run_sample(p, tables, sizes, v, at, kept_at, room, elapsed, save, drop, here)

    return advance


def _forward(names: tuple[str, ...], advance: Code, *, by_lane: bool) -> Code:
    NEURONS, STATES, WIDE, ROWS, KEPT, INITIAL, HISTORY_KEPT, P = (
        names.index(name) for name in ("neurons", "states", "wide", "rows", "kept", "initial", "history_kept", "p")
    )

    @device
    def switch(change, lanes, first, samples, tick, call, shape, v0, initial, v, at, room, kept, last):
        """A lane goes from one sequence to another."""
        (batch, time, _, _), (n, states, initial_at, width) = call, shape
        lane, old, new = change[1], change[2], change[4]
        store_lane(v, at, lane, old, batch, n, states, last)
        clear_rest(kept, old, change[3] + tick, time, width)
        load_lane(v0, new, batch, n, states, v, at, lane)
        if len(initial):
            load_lane(initial, new, batch, n, states, room, initial_at, lane)
        lanes[first + lane], lanes[samples + lane] = new, change[5]

    @device
    def leave(lanes, first, samples, idle, tick, count, held, call, shape, v, at, kept, last):
        """Sequences that are the last of their lanes end; returns how many lanes are in use still."""
        (batch, time, _, _), (n, states, _, width) = call, shape
        if count == held and count and lanes[idle + count - 1] == lanes[idle] == tick:
            store_states(v, at, lanes, first, count, batch, n, states, last)
        while count and lanes[idle + count - 1] == tick:
            count -= 1
            if lanes[idle] != lanes[idle + held - 1]:
                store_lane(v, at, count, lanes[first + count], batch, n, states, last)
            clear_rest(kept, lanes[first + count], lanes[samples + count] + tick, time, width)
        return count

    @inlined
    def run(
        p, tables, sizes, call, x, dt, starts, v0, initial, drop, lanes, blocks, switches, keep, kept, last, saved,
        block, scratch, history,
    ):  # fmt: skip
        batch, time, span, extra = call
        n, states, wide, rows = sizes[NEURONS], sizes[STATES], sizes[WIDE], sizes[ROWS]
        first, samples, idle = block * LANES, block * LANES + len(lanes) // 3, block * LANES + len(lanes) // 3 * 2
        held = count = min(LANES, len(lanes) // 3 - first)
        before, change = blocks[2 * block], blocks[2 * block + 1]
        ticks, changes = blocks[2 * block + 2] - before, blocks[2 * block + 3]
        shape = n, states, sizes[INITIAL], len(keep)
        room, whole = scratch[history:], span == time
        # Rows are contiguous in the block's history; without one, each tick reuses the front of scratch.
        v = saved if whole else scratch
        at = before * ((rows + extra) * wide + sizes[KEPT]) + (change + block) * wide if whole else 0
        kept_at = at + (ticks * (rows + extra) + changes - change + 1) * wide if whole else sizes[HISTORY_KEPT]
        load_states(v0, lanes, first, count, batch, n, states, v, at)
        if len(initial):
            load_states(initial, lanes, first, count, batch, n, states, room, sizes[INITIAL])
        else:
            clear(room, sizes[INITIAL], wide // LANES)
        for t in range(ticks + 1):
            while change < changes and switches[SWITCH * change] == t:
                if whole:  # the row that the sample before ended with stays
                    copy(v, at, v, at + wide, wide // LANES)
                    at += wide
                switch(
                    switches[SWITCH * change :], lanes, first, samples, t, call, shape, v0, initial, v, at, room, kept,
                    last,
                )  # fmt: skip
                change += 1
            count = leave(lanes, first, samples, idle, t, count, held, call, shape, v, at, kept, last)
            if t == ticks:
                break
            if not whole and span > 0 and t % span == 0:
                copy(v, at, saved, (block * ((time + span - 1) // span) + t // span) * wide, wide // LANES)
            advance(p, tables, sizes, call, x, dt, starts, drop, lanes, samples, count, t, v, at, kept_at, room, whole)
            after = at + rows * wide
            write_kept(v, after, lanes, samples, count, t, keep, kept)
            at = at + (rows + extra) * wide if whole else at
            if at != after:
                copy(v, after, v, at, wide // LANES)
            kept_at += sizes[KEPT] if whole else 0

    @inlined
    def forward(arrays, numbers, block, worker):
        """Run one block: writes kept (batch, time, kept), last (states, batch, neurons), saved unless span is -1."""
        p, tables, x, dt, starts, v0, initial, drop, lanes, blocks, switches, keep, kept, last, saved, scratch = arrays
        call, history, own, sizes = numbers[:4], numbers[4], numbers[5], numbers[7:]
        p = p[block * sizes[P] :] if by_lane else p
        before = flush_denormals()
        run(
            p, tables, sizes, call, x, dt, starts, v0, initial, drop, lanes, blocks, switches, keep, kept, last, saved,
            block, scratch[worker * own :], history,
        )  # fmt: skip
        restore(before)

    return forward


def _backward(program: Program, advance: Code, parts: list[Code]) -> Code:
    names, stages = names_of(program), max(part.stages for part in program.parts)
    NEURONS, STATES, WIDE, ROWS, KEPT, INITIAL, X, GIVEN, SCALE = (
        names.index(name) for name in ("neurons", "states", "wide", "rows", "kept", "initial", "x", "given", "scale")
    )
    G, G_INITIAL, SUMS, ROOM = (names.index(name) for name in ("g", "g_initial", "sums", "backward_room"))
    read, (begin_inputs, finish_inputs) = read_inputs(names), inputs_back(names)
    write_sums = _write_sums(program)

    @inlined
    def parts_back(p, tables, sizes, v, at, kept_at, room, dt, by_x, by_time, k, last):
        return by_time

    for i, part in enumerate(parts):
        parts_back = _part_backward(names.index(f"{i}.row"), WIDE, stages, part, parts_back)

    @device
    def join(g_last, lanes, first, samples, idle, tick, count, held, call, shape, room, g, g_x, g_dt):
        """Sequences that end here are the last of their lanes; returns how many lanes are in use before."""
        (batch, time, _, _), (n, states, width) = call, shape
        together = lanes[idle] == lanes[idle + held - 1]
        if together and count == 0 and lanes[idle] == tick:
            load_states(g_last, lanes, first, held, batch, n, states, room, g)
            if held < LANES:
                for i in range(states * n):
                    store(room, g + i * LANES, only(load(room, g + i * LANES), held))
        while count < held and lanes[idle + count] == tick:
            sequence, end = lanes[first + count], lanes[samples + count] + tick
            if not together:
                load_lane(g_last, sequence, batch, n, states, room, g, count)
            clear_rest(g_x, sequence, end, time, width)
            clear_rest(g_dt, sequence, end, time, 1)
            count += 1
        return count

    @device
    def switch(change, lanes, first, samples, tick, call, shape, g_last, room, g, g_start, g_v0, g_initial, g_x, g_dt):
        """A lane goes back from one sequence to the one before."""
        (batch, time, _, _), (n, states, width) = call, shape
        lane, old, new = change[1], change[2], change[4]
        store_lane(room, g, lane, new, batch, n, states, g_v0)
        load_lane(g_last, old, batch, n, states, room, g, lane)
        if len(g_initial):
            store_lane(room, g_start, lane, new, batch, n, states, g_initial)
            for i in range(states * n):
                room[g_start + i * LANES + lane] = 0
        clear_rest(g_x, old, change[3] + tick, time, width)
        clear_rest(g_dt, old, change[3] + tick, time, 1)
        lanes[first + lane], lanes[samples + lane] = old, change[3]

    @inlined
    def run_block(
        p, tables, sizes, call, x, dt, starts, initial, drop, lanes, blocks, switches, keep, saved, g_kept, g_last, g_x,
        g_dt, g_v0, g_initial, block, scratch, history,
    ):  # fmt: skip
        batch, time, span, extra = call
        n, states, wide, rows = sizes[NEURONS], sizes[STATES], sizes[WIDE], sizes[ROWS]
        each, wide_blocks, shape = (rows + extra) * wide, wide // LANES, (n, states, sizes[GIVEN])
        first, samples, idle = block * LANES, block * LANES + len(lanes) // 3, block * LANES + len(lanes) // 3 * 2
        held, count = min(LANES, len(lanes) // 3 - first), 0
        before, changes = blocks[2 * block], blocks[2 * block + 1]
        ticks, change = blocks[2 * block + 2] - before, blocks[2 * block + 3]
        room, whole = scratch[history:], span == time
        v = saved if whole else scratch
        # Where the row lies that a sample begins with, and what is kept of the first.
        at = before * (each + sizes[KEPT]) + (changes + block) * wide + ticks * each + (change - changes) * wide
        kept_from = at + wide if whole else span * each + wide
        none, by_x = all_lanes(p, p.dtype.type(0)), len(g_x) > 0 or sizes[SCALE] >= 0
        g = room_row(sizes[G], stages, wide)
        if len(initial):
            load_states(initial, lanes, first, held, batch, n, states, room, sizes[INITIAL])
        else:
            clear(room, sizes[INITIAL], wide_blocks)
        clear(room, sizes[G_INITIAL], wide_blocks)
        clear(room, g, wide_blocks)  # lanes that idle have no adjoints
        last = 0
        for back in range(ticks + 1):
            count = join(
                g_last, lanes, first, samples, idle, ticks - back, count, held, call, shape, room, g, g_x, g_dt
            )
            while change > changes and switches[SWITCH * (change - 1)] == ticks - back:
                change -= 1
                at -= wide
                switch(
                    switches[SWITCH * change :], lanes, first, samples, ticks - back, call, shape, g_last, room, g,
                    sizes[G_INITIAL], g_v0, g_initial, g_x, g_dt,
                )  # fmt: skip
            if back == ticks:
                break
            t = ticks - 1 - back
            begin = 0 if whole else t // span * span
            if back == 0 or (not whole and (t + 1) % span == 0):
                last = t - begin
                if not whole:
                    copy(saved, (block * ((time + span - 1) // span) + t // span) * wide, v, 0, wide_blocks)
                    in_use = held
                    for again in range(begin, t + 1):
                        place = again - begin
                        while lanes[idle + in_use - 1] <= again:
                            in_use -= 1
                        advance(
                            p, tables, sizes, call, x, dt, starts, drop, lanes, samples, in_use, again, v, place * each,
                            kept_from + place * sizes[KEPT], room, True,
                        )  # fmt: skip
                        if extra:
                            copy(v, place * each + rows * wide, v, (place + 1) * each, wide_blocks)
            k = t - begin
            at = at - each if whole else k * each
            take_kept(g_kept, lanes, samples, count, t, keep, room, g)
            elapsed = collect(dt, lanes, samples, 1, t, count)
            read(p, sizes, x, lanes, samples, count, t, room)
            begin_inputs(sizes, room)
            by_time = parts_back(
                p, tables, sizes, v, at, kept_from + k * sizes[KEPT], room, elapsed, by_x, none, k, last
            )
            if len(starts):
                half, begins = all_lanes(p, p.dtype.type(0.5)), beginning(p, starts, lanes, samples, count, t)
                for i in range(wide_blocks):
                    value = load(room, g + i * LANES)
                    add_to(room, sizes[G_INITIAL] + i * LANES, select_less(half, begins, value, none))
                    store(room, g + i * LANES, select_less(half, begins, none, value))
            finish_inputs(p, sizes, lanes, samples, count, t, room, g_x)
            if len(g_dt):
                store(room, sizes[X], by_time / elapsed)
                scatter(room, sizes[X], lanes, samples, count, 1, t, 1, g_dt)
        store_states(room, g, lanes, first, held, batch, n, states, g_v0)
        if len(g_initial):
            store_states(room, sizes[G_INITIAL], lanes, first, held, batch, n, states, g_initial)

    @inlined
    def backward(arrays, numbers, group, worker):
        """Backward pass of blocks group, group + groups, ...: writes the adjoints of x, dt, v0, initial of their
        sequences, and this group's sums of the adjoints of p."""
        p, tables, x, dt, starts, initial, drop, lanes, blocks, switches, keep, saved, g_kept, g_last = arrays[:14]
        g_x, g_dt, g_v0, g_initial, sums, scratch = arrays[14:]
        call, history, own, groups, sizes = numbers[:4], numbers[4], numbers[5], numbers[6], numbers[7:]
        scratch = scratch[worker * own :]
        before = flush_denormals()
        room = scratch[history:]
        clear(room, sizes[SUMS], (sizes[ROOM] - sizes[SUMS]) // LANES)
        for block in range(group, len(blocks) // 2 - 1, groups):
            run_block(
                p, tables, sizes, call, x, dt, starts, initial, drop, lanes, blocks, switches, keep, saved, g_kept,
                g_last, g_x, g_dt, g_v0, g_initial, block, scratch, history,
            )  # fmt: skip
        write_sums(sizes, room, sums[group * len(p) :])
        restore(before)

    return backward


def _part_backward(ROW: int, WIDE: int, stages: int, part: Code, following: Code) -> Code:
    @inlined
    def run(p, tables, sizes, v, at, kept_at, room, dt, by_x, by_time, k, last):
        here = at + sizes[ROW] * sizes[WIDE]
        by_time = part(p, tables, sizes, v, here, kept_at, room, dt, stages, by_x, by_time, k, last)
        return following(p, tables, sizes, v, at, kept_at, room, dt, by_x, by_time, k, last)

    return run


def _write_sums(program: Program) -> Code:
    """(sizes, room, sums): reduce the adjoints of all coefficients to one number each, in the order of p."""
    names = names_of(program)
    NEURONS, SUMS = names.index("neurons"), names.index("sums")

    @inlined
    def write(sizes, room, sums):
        return

    for i, part in enumerate(program.parts):
        if part.dense:
            write = _both(dense_sums(program, i), write)
        else:
            for k, edge in enumerate(part.update.edges):  # pyright: ignore[reportAttributeAccessIssue]
                places = tuple(names.index(f"{i}.{k}.{name}") for name in ("p", "count", "sums", "group"))
                write = _both(_edge_totals(places, SUMS, len(edge.coefficients)), write)
        nodes, node_sums = names.index(f"{i}.nodes"), names.index(f"{i}.node_sums")
        write = _both(_node_totals(nodes, node_sums, NEURONS, SUMS, len(part.node_numbers)), write)
    write = _both(_map_totals(names), write)

    @inlined
    def run(sizes, room, sums):
        write(sizes, room, sums)

    return run


def _both(first: Code, second: Code) -> Code:
    @inlined
    def run(sizes, room, sums):
        first(sizes, room, sums)
        second(sizes, room, sums)

    return run


def _node_totals(NODES: int, NODE_SUMS: int, NEURONS: int, SUMS: int, numbers: int) -> Code:
    @inlined
    def run(sizes, room, sums):
        for i in range(numbers * sizes[NEURONS]):
            sums[sizes[NODES] + i] = total(load(room, sizes[SUMS] + sizes[NODE_SUMS] + i * LANES))

    return run


def _map_totals(names: tuple[str, ...]) -> Code:
    places = ("given", "scale", "shift", "map_sums", "sums")
    GIVEN, SCALE, SHIFT, MAP_SUMS, SUMS = (names.index(name) for name in places)

    @inlined
    def run(sizes, room, sums):
        # Scale, then shift, if there is one.
        for i in range((sizes[SCALE] >= 0) * sizes[GIVEN] + (sizes[SHIFT] >= 0) * sizes[GIVEN]):
            sums[sizes[SCALE] + i] = total(load(room, sizes[SUMS] + sizes[MAP_SUMS] + i * LANES))

    return run


def _edge_totals(places: tuple[int, ...], SUMS: int, n: int) -> Code:
    P, COUNT, AT, GROUP = places
    groups, alone = grouped(n)
    in_groups, n_groups, n_alone = n - len(alone), len(groups), len(alone)

    @inlined
    def run(sizes, room, sums):
        count, at = sizes[COUNT], sizes[SUMS] + sizes[AT]
        for k in range(in_groups):
            for e in range(count):
                sums[sizes[P] + k * count + e] = room[at + k // 4 * sizes[GROUP] + 4 * e + k % 4]
        if n_alone:
            for e in range(count):
                value = total(load(room, at + n_groups * sizes[GROUP] + e * LANES))
                sums[sizes[P] + in_groups * count + e] = value

    return run
