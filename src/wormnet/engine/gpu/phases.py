"""The phases of an evaluation, as lines of the two kernels of `sequence`: over rows of edges, and over neurons."""

# Only parts that are not dense have edges, solvers and layers.
# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from wormnet.engine.gpu.source import BARRIER, Source, named, numbered
from wormnet.engine.program import Part

__all__ = [
    "before_at_slot",
    "each_stage",
    "edges_vjp",
    "flush",
    "layers",
    "n_capacitances",
    "neurons",
    "slot_at",
    "step",
    "step_vjp",
    "sum_edges",
]


def slot_at(number: str) -> str:
    """The offset of a slot."""
    return f"(({number}) if SAVE else ({number}) % RING) * size"


def before_at_slot(number: str) -> str:
    """The offset of the states before an evaluation, those of the slot unless it is a sequence's first."""
    return f"tl.where(({number}) == t * slots, first_at, {slot_at(number)})"


def n_capacitances(part: Part) -> int:
    """How many of a part's coefficients of neurons are capacitances."""
    return len(getattr(part.update, "capacitances", ()))


@contextmanager
def neurons(src: Source, part: Part | None = None) -> Iterator[None]:
    """A loop over tiles of neurons, those of a layer if the part has layers."""
    layered = getattr(getattr(part, "update", None), "layered", False)
    with src.block(f"for n0 in range(0, {'(end - begin)' if layered else 'n'} * LANES, TILE)"):
        if layered:
            src("k = begin + (n0 + place) // LANES", "own = k < end")
            src("i = tl.load(order + k, mask=own, other=0)", "at = i * LANES + lane")
        else:
            src("at = n0 + place", "i = at // LANES", "own, k = i < n, i")
        src("inside = at if WHOLE else i * width + lane", "mine = own & here")
        yield


@contextmanager
def layers(src: Source, part: Part, *, reverse: bool = False) -> Iterator[None]:
    """A loop over the layers of a part that has them."""
    if not getattr(part.update, "layered", False):
        yield
        return
    with src.block("for l in range(n_layers)"):
        src(f"layer = {'n_layers - 1 - l' if reverse else 'l'}")
        src("begin, end = tl.load(layers + layer), tl.load(layers + layer + 1)")
        yield


def each_stage(src: Source, part: Part, write: Callable[[int], None]) -> None:
    """What each evaluation of a sub-step does after its sums."""
    for j in range(part.stages):
        if part.stages == 1:
            write(j)
            continue
        with src.block(f"if e % {part.stages} == {j}"):
            write(j)


@contextmanager
def rows(src: Source, side: str, number: int, kind: int, part: Part, *, live: str = "") -> Iterator[None]:
    """A loop over tiles of rows, those of a layer if the part has layers."""
    first, rows = f"tables + post_first_{number}_{kind}".replace("post", side), f"{side}_rows_{number}_{kind}"
    if part.update.layered and not live:
        src(f"row_begin, row_end = tl.load({first} + begin), tl.load({first} + end)")
        head, begin, end = "(row_end - row_begin)", "row_begin + ", "row_end"
    else:
        head, begin, end = f"{live}{rows}", "", rows
    with src.block(f"for r0 in range(0, {head} * LANES, TILE)"):
        src(f"row = {begin}(r0 + place) // LANES", f"real = row < {end}")
        yield


def _add_rows(src: Source, side: str, number: int, kind: int, longest: str, totals: list[str]) -> None:
    """Add up the rows of each neuron, in their order."""
    first, rows = f"tables + {side}_first_{number}_{kind} + k", f"{side}_rows_{number}_{kind}"
    src(f"first, past = tl.load({first}, mask=own, other=0), tl.load({first} + 1, mask=own, other=0)")
    with src.block(f"for j in range({longest})"):
        src("row = first + j")
        for m, total in enumerate(totals):
            place = f"scratch + base_{number}_{kind} + ({m} * {rows} + row) * LANES + lane"
            src(f"{total} += tl.load({place}, mask=own & (row < past), other=0.0)")


def _edge_values(src: Source, side: str, number: int, kind: int, count: int) -> list[str]:
    """Load the coefficients of the c-th edges of rows."""
    names, rows = numbered("c", count), f"{side}_rows_{number}_{kind}"
    for m, name in enumerate(names):
        place = f"q + {side}_values_{number}_{kind} + ({m} * ROW + c) * {rows} + row"
        src(f"{name} = tl.load({place}, mask=is_edge, other=0.0)")
    return names


def _node_values(src: Source, number: int, part: Part) -> tuple[list[str], list[str]]:
    """Load capacitances and coefficients of neurons."""
    names = numbered("w", n_capacitances(part) + len(part.update.coefficients))
    for m, name in enumerate(names):
        src(f"{name} = tl.load(p + nodes_{number} + {m} * n + i, mask=own, other=1.0)")
    return names[: n_capacitances(part)], names[n_capacitances(part) :]


def sum_edges(src: Source, number: int, part: Part) -> None:
    """Sum every row of edges between neurons."""
    n_states = len(src.program.states)
    for kind, edge in enumerate(part.update.edges):
        sums, added = numbered("s", len(edge.adds)), numbered("a", len(edge.adds))
        with rows(src, "post", number, kind, part):
            src(*(f"{name} = zero" for name in sums))
            with src.block("for c in tl.static_range(ROW)"):
                other = f"tables + post_other_{number}_{kind} + c * post_rows_{number}_{kind} + row"
                src(f"pre = tl.load({other}, mask=real, other=-1)")
                src("is_edge = here & (pre >= 0)")
                if part.update.layered:
                    # A place of the next slot: a neuron of an earlier layer, whose new state is there already.
                    src(f"slot = tl.where(pre < {n_states} * n, before_at, after_at - size)")
                    src("u = tl.load(states + slot + pre * width + lane, mask=is_edge, other=0.0)")
                else:
                    src("u = tl.load(before + pre * width + lane, mask=is_edge, other=0.0)")
                values = _edge_values(src, "post", number, kind, len(edge.coefficients))
                src.call(added, named("edge", number, kind), edge.edge, ["u", *values], "zero")
                src(*(f"{name} += tl.where(is_edge, {one}, zero)" for name, one in zip(sums, added, strict=True)))
            for m, name in enumerate(sums):
                place = f"scratch + base_{number}_{kind} + ({m} * post_rows_{number}_{kind} + row) * LANES + lane"
                src(f"tl.store({place}, {name}, mask=real)")


def step(src: Source, number: int, part: Part, j: int) -> None:
    """Step every neuron."""
    program, update, sums = src.program, part.update, numbered("s", len(part.sums))
    all_states, last = numbered("v", len(program.states)), part is program.parts[-1] and j == part.stages - 1
    with neurons(src, part):
        for k, name in enumerate(all_states):
            src(f"{name} = tl.load(before + {k} * n * width + inside, mask=mine, other=0.0)")
        if part.dense:
            for m, name in enumerate(sums):
                src(f"{name} = tl.load(scratch + ({m} * n + i) * LANES + lane, mask=own, other=0.0)")
        else:
            past = sum(len(one.sums) for one in program.parts[:number] if not one.dense)
            src(f"given = brought + ({past} * blocks * time + (block * time + t) * {len(sums)}) * n * LANES + at")
            for m, name in enumerate(sums):
                src(f"{name} = tl.load(given + {m} * n * LANES, mask=own, other=0.0)")
            for kind, edge in enumerate(part.update.edges):
                totals = [sums[m] for m in part.added(edge)]
                _add_rows(src, "post", number, kind, f"post_longest_{number}_{kind}", totals)
        capacitances, coefficients = _node_values(src, number, part)
        own = [all_states[k] for k in part.states]
        kept = numbered("z", part.kept[j])
        time = ["elapsed"] if getattr(update, "solver", None) is None else []
        given = [*own, *sums, *coefficients, *time]
        new, made = [f"new_{name}" for name in all_states], numbered("d", 2 * len(own))
        src(*(f"new_{name} = {name}" for name in all_states))
        mine = [new[k] for k in part.states]
        src.call([*(mine if time else made), *kept[: update.keeps]], f"node_{number}", update.node, given, "zero")
        if not time:
            _advance(src, number, part, j, [own, capacitances, made, kept[update.keeps :], mine])
        for k, name in enumerate(all_states):
            src(f"new_{name} = tl.where(valid, new_{name}, {name})")
            src(f"tl.store(after + {k} * n * width + inside, new_{name}, mask=mine)")
        if kept:
            with src.block("if SAVE"):
                src(f"keep = keeps + {_keep(number, part, j)} * keep_size + inside")
                src(*(f"tl.store(keep + {m} * keep_size, {name}, mask=mine)" for m, name in enumerate(kept)))
        if last:
            src(f"column = tl.load(column_of + i, mask=mine & (e == evaluations_{number} - 1), other=-1)")
            to = "kept + (sequence * time + t) * n_kept + column"
            src(f"tl.store({to}, tl.where(valid, new_v0, zero), mask=column >= 0)")


def _advance(src: Source, number: int, part: Part, j: int, names: list[list[str]]) -> None:
    """A stage of the solver, for each state."""
    (own, capacitances, made, kept, new), stage = names, part.update.solver.stages[j]
    src(f"h = elapsed / unfolds_{number}")
    for a, k in enumerate(part.states):
        for i in range(j):
            place = f"states + {before_at_slot(f's - {j - i}')} + {k} * n * width + inside"
            src(f"y{i} = tl.load({place}, mask=mine, other=0.0)")
        values = [*numbered("y", j), own[a], capacitances[a], made[2 * a], made[2 * a + 1], "h"]
        results = [new[a], *kept[a * stage.keeps : (a + 1) * stage.keeps]]
        src.call(results, f"advance_{number}_{j}", stage.advance, values, "zero")


def _keep(number: int, part: Part, j: int) -> str:
    """The place of the first number that an evaluation keeps."""
    sub_step = f"(e // {part.stages}) * {sum(part.kept)}"
    return f"(t * n_keeps + keep_base_{number} + {sub_step} + {sum(part.kept[:j])})"


def edges_vjp(src: Source, number: int, part: Part, *, flush: bool = False, once: bool = False) -> None:
    """Sum, for every row of a sender, the adjoints of the states that the row's edges read after this evaluation.

    Of edges that read them in this very evaluation (new states, in a part with layers) and in the one after it, if
    there is one (live); in a flush, only of the latter.
    """
    layered = part.update.layered
    each = f"each_{number}"
    for kind, edge in enumerate(part.update.edges):
        live = "" if layered and not flush else "1 * " if flush else "live * "
        with rows(src, "pre", number, kind, part, live=live):
            src(f"sender = tl.load(tables + pre_owner_{number}_{kind} + row, mask=real, other=0)")
            u = f"after + ({part.reads[kind]} * n + sender) * width + lane"
            src(f"u = tl.load({u}, mask=real & here, other=0.0)", "total = zero")
            with src.block(f"for c in {'range' if once else 'tl.static_range'}(ROW)"):
                other = f"tables + pre_other_{number}_{kind} + c * pre_rows_{number}_{kind} + row"
                src(f"post = tl.load({other}, mask=real, other=-1)")
                if layered:
                    src(f"is_edge = here & (post >= {'n' if flush else '0'})")
                    if not flush:
                        src("is_edge = is_edge & ((post < n) | (live > 0))")
                    src(f"place_of = tl.where(post < n, post * LANES, (post - n) * LANES + {each}) + lane")
                else:
                    src("is_edge = here & (post >= 0)", f"place_of = post * LANES + {each} + lane")
                values = _edge_values(src, "pre", number, kind, len(edge.coefficients))
                given = numbered("a", len(edge.adds))
                for name, m in zip(given, part.added(edge), strict=True):
                    src(f"{name} = tl.load(received + {m} * n * LANES + place_of, mask=is_edge, other=0.0)")
                results = ["by_u", *numbered("by_c", len(values))]
                src.call(results, named("d_edge", number, kind), edge.d_edge, ["u", *values, *given], "zero")
                src("total += tl.where(is_edge, by_u, zero)")
            src(f"tl.store(scratch + base_{number}_{kind} + row * LANES + lane, total, mask=real)")


def flush(src: Source, number: int, part: Part, slot: str, *, once: bool) -> None:
    """Add to the slot before a part's first evaluation, which stands at an offset, what that sends to it."""
    each = f"each_{number}"
    src(f"s = t * slots + base_{number}", f"after = states + {slot}")
    # As if the evaluation after it were the part's first.
    src(f"received = adjoints_{number} + (t * evaluations_{number}).to(tl.int64) * {each} - {each}")
    edges_vjp(src, number, part, flush=True, once=once)
    src(BARRIER)
    src("slot = carried + (s % RING) * each")
    with neurons(src):
        if part.update.layered:
            src("k = tl.load(rank + i, mask=own, other=0)")
        for state in sorted(set(part.reads)):
            src(f"g = tl.load(slot + {state} * n * LANES + at, mask=own, other=0.0)")
            for kind, reads in enumerate(part.reads):
                if reads == state:
                    _add_rows(src, "pre", number, kind, f"pre_longest_{number}_{kind}", ["g"])
            src(f"tl.store(slot + {state} * n * LANES + at, g, mask=own)")
    src(BARRIER)


def step_vjp(src: Source, number: int, part: Part, j: int) -> None:
    """The vector-Jacobian product of a step of every neuron."""
    program, update, n_states = src.program, part.update, len(src.program.states)
    adjoints, solver = numbered("g", n_states), getattr(part.update, "solver", None)
    by_sums = numbered("by_s", len(part.sums))
    with neurons(src, part):
        _collected(src, number, part, j, adjoints)
        capacitances, coefficients = _node_values(src, number, part)
        kept = numbered("z", part.kept[j])
        src(f"keep = keeps + {_keep(number, part, j)} * keep_size + inside")
        src(*(f"{one} = tl.load(keep + {m} * keep_size, mask=mine, other=0.0)" for m, one in enumerate(kept)))
        own = [f"y{j}_{a}" for a in range(len(part.states))]
        for a, k in enumerate(part.states):
            # Without a solver nothing needs the new states again.
            for i in range(j + 2 if solver else 1):
                slot = before_at_slot(f"s - {j - i}") if i <= j else slot_at("s + 1")
                place = f"states + {slot} + {k} * n * width + inside"
                src(f"y{i}_{a} = tl.load({place}, mask=mine, other=0.0)")
        by_states = [f"by_v{a}" for a in range(len(part.states))]
        by_w = numbered("by_w", len(capacitances) + len(coefficients))
        by_node = [*by_states, *by_sums, *by_w[len(capacitances) :]]
        given = [*own, *coefficients, *kept[: update.keeps]]
        if solver is None:
            given += ["elapsed", *(adjoints[k] for k in part.states)]
            src.call([*by_node, "by_log"], f"d_node_{number}", update.d_node, given, "zero")
        else:
            _advance_vjp(src, number, part, j, [capacitances, kept[update.keeps :], adjoints, by_w])
            given += numbered("by_d", 2 * len(own))
            src.call(by_node, f"d_node_{number}", update.d_node, given, "zero")
            src(*(f"{name} += by_y{j}_{a}" for a, name in enumerate(by_states)))
        for m, name in enumerate(by_sums):
            src(f"tl.store(received + {m} * n * LANES + at, tl.where(valid, {name}, zero), mask=own)")
        past = sum(len(one.update.coefficients) + n_capacitances(one) for one in program.parts[:number])
        if by_w:
            with src.block("if NEEDS_P"):
                for m, name in enumerate(by_w):
                    _accumulate(src, f"node_sums + {past + m} * n * LANES + at", name)
        with src.block("if NEEDS_DT"):
            _accumulate(src, "by_log_dt + (block * time + t) * n * LANES + at", "by_log")
        _hand_on(src, part, j, adjoints, by_states)


def _advance_vjp(src: Source, number: int, part: Part, j: int, names: list[list[str]]) -> None:
    """The vector-Jacobian product of a stage of the solver, for each state."""
    (capacitances, kept, adjoints, by_w), stage = names, part.update.solver.stages[j]
    src(f"h = elapsed / unfolds_{number}", "by_log = zero")
    for a, k in enumerate(part.states):
        ys, of_state = [f"y{i}_{a}" for i in range(j + 2)], kept[a * stage.keeps : (a + 1) * stage.keeps]
        values = [*ys, capacitances[a], *of_state, "h", adjoints[k]]
        results = [*(f"by_y{i}_{a}" for i in range(j + 1)), by_w[a], f"by_d{2 * a}", f"by_d{2 * a + 1}", "by_h"]
        src.call(results, f"d_advance_{number}_{j}", stage.d_advance, values, "zero")
        src("by_log += by_h")


def _collected(src: Source, number: int, part: Part, j: int, adjoints: list[str]) -> None:
    """The adjoints of the slot after an evaluation."""
    src("next_at = carried + ((s + 1) % RING) * each + at")
    for k, name in enumerate(adjoints):
        src(f"{name} = tl.load(next_at + {k} * n * LANES, mask=own, other=0.0)")
    if not part.dense:
        live = "" if part.update.layered else "live * "
        for kind, reads in enumerate(part.reads):
            _add_rows(src, "pre", number, kind, f"{live}pre_longest_{number}_{kind}", [adjoints[reads]])
    if part is src.program.parts[-1] and j == part.stages - 1:
        is_last = f"mine & valid & (e == evaluations_{number} - 1)"
        src(f"column = tl.load(column_of + i, mask={is_last}, other=-1)")
        src("g0 += tl.load(g_kept + (sequence * time + t) * n_kept + column, mask=column >= 0, other=0.0)")


def _hand_on(src: Source, part: Part, j: int, adjoints: list[str], by_states: list[str]) -> None:
    """Carry the adjoints to the slots that an evaluation reads; a sequence that has ended hands them on as they are."""
    for k, name in enumerate(adjoints):
        a = part.states.index(k) if k in part.states else -1
        for i in range(j + 1):
            if i == j:
                value = f"tl.where(valid, {by_states[a]}, {name})" if a >= 0 else name
            else:
                value = f"tl.where(valid, by_y{i}_{a}, zero)" if a >= 0 else "zero"
            src(f"to = carried + ((s - {j - i}) % RING) * each + {k} * n * LANES + at")
            # The last evaluation of a sub-step is the first to write to its slots.
            if j < part.stages - 1:
                src(f"tl.store(to, tl.load(to, mask=own, other=0.0) + {value}, mask=own)")
            else:
                src(f"tl.store(to, {value}, mask=own)")


def _accumulate(src: Source, place: str, name: str) -> None:
    src(f"to = {place}", f"tl.store(to, tl.load(to, mask=own, other=0.0) + tl.where(valid, {name}, zero), mask=own)")
