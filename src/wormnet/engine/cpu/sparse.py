# pyright: reportCallIssue=false, reportOperatorIssue=false, reportIndexIssue=false, reportArgumentType=false
"""A sparse update of a block: sums over edges, then the node; forward, and its vector-Jacobian product.

`sparse_update` builds closures over a part's functions, which Numba compiles as one piece. Their common arguments:

    p, tables, sizes   the coefficients, and the numbers of `frame`
    v, at              an array of rows of states, and where the row lies that an evaluation starts from
    kept_at            offset in v of the sample's values kept for the backward pass
    room               memory as `frame` divides it
    save               whether a backward pass may follow
    drop, here         additional arguments of dense parts, see `dense`
    stages             of the part that has the most: the rows of adjoints end at its last
    k, last            the sample's place in the history, and that of the last one in it
"""

from collections.abc import Callable
from typing import Any

from wormnet.engine.cpu import LANES
from wormnet.engine.cpu.compiled import inlined
from wormnet.engine.cpu.elementary import bound
from wormnet.engine.cpu.frame import kept_of, names_of
from wormnet.engine.cpu.lane_sums import reductions
from wormnet.engine.cpu.lanes import entry, load, same, store
from wormnet.engine.cpu.rows import add_to, clear, copy
from wormnet.engine.cpu.tuples import adding, as_blocks, fetching, loading, repeating, storing
from wormnet.engine.program import Part, Program
from wormnet.models.equation import Edge

__all__ = ["advance_of", "node_of", "sparse_update", "taking"]

Code = Any
"""A compiled function."""


def taking(function: Callable[..., Any], gives: int) -> Code:
    """A model's function for blocks, (array, *blocks) -> a tuple of `gives` blocks."""
    own, blocks = bound(function), as_blocks(gives)

    @inlined
    def call(array, *given):
        return blocks(array, own(*given))

    return call


def _then(pieces: list[Code], make: Callable[[Any, Code], Code], last: Code) -> Code:
    """Chain functions: each one is built around the one that follows it."""
    for piece in reversed(pieces):
        last = make(piece, last)
    return last


# -- edges -------------------------------------------------------------------------------------------------------------


def edge_sums(program: Program, i: int, part: Part, sender: int) -> Code:
    """(p, tables, sizes, neuron, u, at, totals) -> totals with what all edges from inputs (0) or neurons (1) add."""
    names = names_of(program)

    def loop(piece: tuple[int, Edge], following: Code) -> Code:
        k, edge = piece
        P, COUNT, BOUNDS, PRE = (names.index(f"{i}.{k}.{name}") for name in ("p", "count", "bounds", "pre"))
        function = taking(edge.edge, len(edge.adds))
        numbers, add = repeating(len(edge.coefficients)), adding(part.added(edge))

        @inlined
        def run(p, tables, sizes, neuron, u, at, totals):
            bounds, pre, first_p, count = sizes[BOUNDS] + 2 * neuron + sender, sizes[PRE], sizes[P], sizes[COUNT]
            for e in range(entry(tables, bounds), entry(tables, bounds + 1)):
                u_pre = load(u, at + entry(tables, pre + e) * LANES)
                totals = add(totals, function(p, u_pre, *numbers(p, first_p + e, count)))
            return following(p, tables, sizes, neuron, u, at, totals)

        return run

    @inlined
    def end(p, tables, sizes, neuron, u, at, totals):
        return totals

    return _then(_sent_by(part, sender), loop, end)


def edge_adjoints(program: Program, i: int, part: Part, sender: int) -> Code:
    """(p, tables, sizes, neuron, u, at, adjoints of the sums, room, to, by_u) passes them on to the edges of a neuron.

    Adds to the adjoints of what inputs (sender 0, if by_u) or neurons (1) send, from `to` of room on, and to the sums
    of the coefficients' adjoints.
    """
    names = names_of(program)

    def loop(piece: tuple[int, Edge], following: Code) -> Code:
        k, edge = piece
        P, COUNT, BOUNDS, PRE = (names.index(f"{i}.{k}.{name}") for name in ("p", "count", "bounds", "pre"))
        SUMS, GROUP, ROOM = names.index(f"{i}.{k}.sums"), names.index(f"{i}.{k}.group"), names.index("sums")
        n, function = len(edge.coefficients), taking(edge.d_edge, 1 + len(edge.coefficients))
        numbers, choose = repeating(n), _chosen(part.added(edge))
        prepare, reduce, four, single = reductions(n, linear=edge.linear)
        # The adjoints of a product's factors are u times those of the sums: the reduction takes u, and those once. It
        # has a loop to itself, since both jobs together have more blocks to hold than there are registers.
        LINEAR = edge.linear

        @inlined
        def to_sender(p, tables, pre, first_p, count, e, u, at, mine, room, to):
            sender_at = entry(tables, pre + e) * LANES
            u_pre = load(u, at + sender_at)
            add_to(room, to + sender_at, function(p, u_pre, *numbers(p, first_p + e, count), *mine)[0])

        @inlined
        def one(p, tables, pre, first_p, count, e, u, at, mine, ready, room, to, by_u):
            sender_at = entry(tables, pre + e) * LANES
            u_pre = load(u, at + sender_at)
            if LINEAR:
                return reduce(ready, (u_pre,))
            given = function(p, u_pre, *numbers(p, first_p + e, count), *mine)
            if sender or by_u:
                add_to(room, to + sender_at, given[0])
            return reduce(ready, given)

        @inlined
        def run(p, tables, sizes, neuron, u, at, adjoints, room, to, by_u):
            bounds, pre, first_p, count = sizes[BOUNDS] + 2 * neuron + sender, sizes[PRE], sizes[P], sizes[COUNT]
            sums, group, mine = sizes[ROOM] + sizes[SUMS], sizes[GROUP], choose(adjoints)
            first, last = entry(tables, bounds), entry(tables, bounds + 1)
            rest, ready = last - (last - first) % 4, prepare(mine)
            if LINEAR and (sender or by_u):
                for e in range(first, last):
                    to_sender(p, tables, pre, first_p, count, e, u, at, mine, room, to)
            for e in range(first, rest, 4):
                # The sums of four edges share a block: a quarter of the memory, loads and stores of one block each.
                a = one(p, tables, pre, first_p, count, e, u, at, mine, ready, room, to, by_u)
                b = one(p, tables, pre, first_p, count, e + 1, u, at, mine, ready, room, to, by_u)
                c = one(p, tables, pre, first_p, count, e + 2, u, at, mine, ready, room, to, by_u)
                d = one(p, tables, pre, first_p, count, e + 3, u, at, mine, ready, room, to, by_u)
                four(room, sums, group, e, a, b, c, d)
            for e in range(rest, last):
                a = one(p, tables, pre, first_p, count, e, u, at, mine, ready, room, to, by_u)
                single(room, sums, group, e, a)
            following(p, tables, sizes, neuron, u, at, adjoints, room, to, by_u)

        return run

    @inlined
    def end(p, tables, sizes, neuron, u, at, adjoints, room, to, by_u):
        return

    return _then(_sent_by(part, sender), loop, end)


def _sent_by(part: Part, sender: int) -> list[tuple[int, Edge]]:
    """The kinds of edge that inputs (0) or neurons (1) can send, with their numbers: a current comes from an input."""
    edges = list(enumerate(part.update.edges))  # pyright: ignore[reportAttributeAccessIssue]
    return [(k, edge) for k, edge in edges if not sender or edge.over != "current"]


def _chosen(where: tuple[int, ...]) -> Code:
    """blocks -> those of some numbers."""
    if len(where) == 1:
        (A,) = where

        @inlined
        def choose(blocks):
            return (blocks[A],)

    elif len(where) == 2:
        A, B = where

        @inlined
        def choose(blocks):
            return blocks[A], blocks[B]

    else:
        A, rest = where[0], _chosen(where[1:])

        @inlined
        def choose(blocks):
            return blocks[A], *rest(blocks)

    return choose


# -- nodes -------------------------------------------------------------------------------------------------------------


def node_of(part: Part) -> tuple[Code, Code]:
    """Node and its derivative for blocks, with as many results as the part's kind has."""
    update, states = part.update, len(part.states)
    solved = getattr(update, "solver", None) is not None
    terms = 2 * states if solved else states
    back = states + len(part.sums) + len(update.coefficients) + (0 if solved else 1)
    return taking(update.node, terms + update.keeps), taking(update.d_node, back)


def advance_of(part: Part, j: int) -> tuple[Code, Code]:
    """Stage j of a part's solver and its derivative, for blocks."""
    stage = part.update.solver.stages[j]  # pyright: ignore[reportAttributeAccessIssue, reportOptionalMemberAccess]
    return taking(stage.advance, 1 + stage.keeps), taking(stage.d_advance, j + 5)


def sparse_update(program: Program, i: int) -> tuple[Code, Code]:
    """Forward pass of part i and its vector-Jacobian product; see `_solved` and `_mapped`."""
    part = program.parts[i]
    return (_mapped if part.update.solver is None else _solved)(program, i, part)  # pyright: ignore


def _others(program: Program, part: Part) -> tuple[int, ...]:
    return tuple(k for k in range(len(program.states)) if k not in part.states)


def _mapped(program: Program, i: int, part: Part) -> tuple[Code, Code]:
    """An update without a solver: one evaluation, neuron by neuron in the order of the layers."""
    names, update = names_of(program), part.update
    NEURONS, WIDE, ORDER, X, G, G_X, SUMS = (
        names.index(name) for name in ("neurons", "wide", "order", "x", "g", "g_x", "sums")
    )
    NODES, KEPT, NODE_SUMS = (names.index(f"{i}.{name}") for name in ("nodes", "kept", "node_sums"))
    n_states, n_sums, n_own = len(part.states), len(part.sums), len(update.coefficients)
    n_kept, others, ordered = update.keeps, _others(program, part), bool(update.layered)  # pyright: ignore
    node, d_node = node_of(part)
    own_states, numbers, starts = loading(part.states), repeating(n_own), repeating(n_sums)
    put_new, put_kept = storing(part.states), storing_rest(n_states, n_kept)
    get_others, put_others, get_kept = loading(others), storing(others), loading(tuple(range(n_kept)))
    from_inputs, from_neurons = (edge_sums(program, i, part, sender) for sender in (0, 1))
    to_inputs, to_neurons = (edge_adjoints(program, i, part, sender) for sender in (0, 1))
    get_adjoints, add_states = loading(part.states), adding_rows(part.states, 0)
    fetch_states, fetch_kept = fetching(part.states), fetching(tuple(range(n_kept)))
    fetch_new, fetch_new_kept = fetching(part.states, write=True), fetching(tuple(range(n_kept)), write=True)
    sums_of, add_node = taking_part(n_states, n_sums), adding_rows(tuple(range(n_own)), n_states + n_sums)
    add_starts, add_others = adding_rows(tuple(range(n_own, n_own + n_sums)), 0), adding_rows(others, 0)
    BY_TIME = n_states + n_sums + n_own

    @inlined
    def forward(p, tables, sizes, v, at, kept_at, room, dt, save, drop, here):
        n, wide, nodes = sizes[NEURONS], sizes[WIDE], sizes[NODES]
        for place in range(n):
            neuron = entry(tables, sizes[ORDER] + place) if ordered else place
            totals = starts(p, nodes + n_own * n + neuron, n)
            totals = from_inputs(p, tables, sizes, neuron, room, sizes[X], totals)
            totals = from_neurons(p, tables, sizes, neuron, v, at, totals)
            own = at + neuron * LANES
            new = node(p, *own_states(v, own, n * LANES), *totals, *numbers(p, nodes + neuron, n), dt)
            put_new(v, own + wide, n * LANES, new)
            put_others(v, own + wide, n * LANES, get_others(v, own, n * LANES))
            if save:
                fetch_new(v, own + 2 * wide, n * LANES)
                fetch_new_kept(v, kept_at + sizes[KEPT] + (n_kept * n + neuron) * LANES, n * LANES)
                put_kept(v, kept_at + sizes[KEPT] + neuron * LANES, n * LANES, new)

    @inlined
    def backward(p, tables, sizes, v, at, kept_at, room, dt, stages, by_x, by_time, k, last):
        n, wide, nodes = sizes[NEURONS], sizes[WIDE], sizes[NODES]
        g_new = room_row(sizes[G], stages, wide)
        g_old = g_new - wide
        node_sums = sizes[SUMS] + sizes[NODE_SUMS]
        clear(room, g_old, wide // LANES)
        for place in range(n - 1, -1, -1):
            neuron = entry(tables, sizes[ORDER] + place) if ordered else place
            here = neuron * LANES
            fetch_states(v, at - wide + here, n * LANES)
            fetch_kept(v, kept_at + sizes[KEPT] - n_kept * n * LANES + here, n * LANES)
            kept = get_kept(v, kept_at + sizes[KEPT] + here, n * LANES)
            own = own_states(v, at + here, n * LANES)
            back = d_node(
                p, *own, *numbers(p, nodes + neuron, n), *kept, dt, *get_adjoints(room, g_new + here, n * LANES)
            )
            add_states(room, g_old + here, n * LANES, back)
            add_others(room, g_old + here, n * LANES, get_others(room, g_new + here, n * LANES))
            add_node(room, node_sums + here, n * LANES, back)
            adjoints = sums_of(back)
            add_starts(room, node_sums + here, n * LANES, adjoints)
            by_time = by_time + back[BY_TIME]
            to_neurons(p, tables, sizes, neuron, v, at, adjoints, room, g_old, True)
            to_inputs(p, tables, sizes, neuron, room, sizes[X], adjoints, room, sizes[G_X], by_x)
        copy(room, g_old, room, g_new, wide // LANES)
        return by_time

    return forward, backward


@inlined
def room_row(g, stages, wide):
    """Where the adjoint of the newest row lies: the last of the rows of a sub-step."""
    return g + stages * wide


def storing_rest(first: int, n: int) -> Code:
    """(array, at, stride, blocks): write n blocks of a tuple from number `first` on, one stride after the other."""
    if not n:

        @inlined
        def nothing(array, at, stride, blocks):
            return

        return nothing
    choose, put = _chosen(tuple(range(first, first + n))), storing(tuple(range(n)))

    @inlined
    def run(array, at, stride, blocks):
        put(array, at, stride, choose(blocks))

    return run


def adding_rows(numbers: tuple[int, ...], first: int) -> Code:
    """(array, at, stride, blocks): add blocks first, first + 1, ... to those at `at` + number x stride."""
    if not numbers:

        @inlined
        def nothing(array, at, stride, blocks):
            return

        return nothing
    get, put, add = loading(numbers), storing(numbers), adding(tuple(range(len(numbers))))
    choose = _chosen(tuple(range(first, first + len(numbers))))

    @inlined
    def run(array, at, stride, blocks):
        put(array, at, stride, add(get(array, at, stride), choose(blocks)))

    return run


def taking_part(first: int, n: int) -> Code:
    """blocks -> n of them from number `first` on."""
    return _chosen(tuple(range(first, first + n)))


def _solved(program: Program, i: int, part: Part) -> tuple[Code, Code]:
    """An ordinary differential equation: sub-steps of one or more stages, with the inputs held."""
    names, update = names_of(program), part.update
    NEURONS, WIDE, X, BROUGHT, G, Q, G_X, SUMS = (
        names.index(name) for name in ("neurons", "wide", "x", "brought", "g", "q", "g_x", "sums")
    )
    NODES, UNFOLDS, KEPT, NODE_SUMS = (names.index(f"{i}.{name}") for name in ("nodes", "unfolds", "kept", "node_sums"))
    n_states, n_sums, n_own = len(part.states), len(part.sums), len(update.coefficients)
    own_at, n_stages, per_substep = n_states, part.stages, sum(kept_of(part))
    starts, put_sums, get_sums = repeating(n_sums), storing(tuple(range(n_sums))), loading(tuple(range(n_sums)))
    from_inputs, from_neurons = edge_sums(program, i, part, 0), edge_sums(program, i, part, 1)
    to_inputs, to_neurons = (edge_adjoints(program, i, part, sender) for sender in (0, 1))
    add_starts = adding_rows(tuple(range(own_at + n_own, own_at + n_own + n_sums)), 0)
    tools = (from_neurons, to_neurons, get_sums)

    @inlined
    def no_stage(p, tables, sizes, v, first, kept_at, room, h, save):
        return

    @inlined
    def no_stage_back(p, tables, sizes, v, first, kept_at, room, h, g_first, by_time):
        return by_time

    run_stages, run_stages_back = no_stage, no_stage_back
    for j in reversed(range(n_stages)):
        run_stages = _stage_forward(program, i, part, j, run_stages, tools)
    for j in range(n_stages):
        run_stages_back = _stage_backward(program, i, part, j, run_stages_back, tools)

    @inlined
    def forward(p, tables, sizes, v, at, kept_at, room, dt, save, drop, here):
        n, wide = sizes[NEURONS], sizes[WIDE]
        unfolds, brought, coefficients = sizes[UNFOLDS], sizes[BROUGHT], sizes[NODES] + (own_at + n_own) * n
        h = dt / p.dtype.type(unfolds)
        for neuron in range(n):
            totals = starts(p, coefficients + neuron, n)
            totals = from_inputs(p, tables, sizes, neuron, room, sizes[X], totals)
            put_sums(room, brought + neuron * LANES, n * LANES, totals)
        for k in range(unfolds):
            kept = kept_at + sizes[KEPT] + k * per_substep * n * LANES
            run_stages(p, tables, sizes, v, at + k * n_stages * wide, kept, room, h, save)

    @inlined
    def backward(p, tables, sizes, v, at, kept_at, room, dt, stages, by_x, by_time, k, last):
        n, wide = sizes[NEURONS], sizes[WIDE]
        unfolds, node_sums = sizes[UNFOLDS], sizes[SUMS] + sizes[NODE_SUMS]
        h = dt / p.dtype.type(unfolds)
        g_first = room_row(sizes[G], stages - n_stages, wide)
        clear(room, sizes[Q], n_sums * n)
        for back in range(unfolds):
            step = unfolds - 1 - back
            kept = kept_at + sizes[KEPT] + step * per_substep * n * LANES
            clear(room, g_first, n_stages * wide // LANES)
            by_time = run_stages_back(
                p, tables, sizes, v, at + step * n_stages * wide, kept, room, h, g_first, by_time
            )  # fmt: skip
            copy(room, g_first, room, g_first + n_stages * wide, wide // LANES)
        for neuron in range(n):
            adjoints = get_sums(room, sizes[Q] + neuron * LANES, n * LANES)
            add_starts(room, node_sums + neuron * LANES, n * LANES, adjoints)
            to_inputs(p, tables, sizes, neuron, room, sizes[X], adjoints, room, sizes[G_X], by_x)
        return by_time

    return forward, backward


def _stage_forward(program: Program, i: int, part: Part, j: int, following: Code, tools: tuple[Code, ...]) -> Code:
    """Evaluate stage j of a sub-step for all neurons, then the stages after it."""
    names, update = names_of(program), part.update
    NEURONS, WIDE, BROUGHT, NODES = (names.index(name) for name in ("neurons", "wide", "brought", f"{i}.nodes"))
    from_neurons, _, get_sums = tools
    n_states, n_own = len(part.states), len(update.coefficients)
    all_kept, again = kept_of(part), update.terms is not None  # pyright: ignore
    before_here = sum(all_kept[:j])
    node, _ = node_of(part)
    own_states, numbers, others = loading(part.states), repeating(n_own), _others(program, part)
    put_kept, get_others, put_others = storing_rest(2 * n_states, update.keeps), loading(others), storing(others)
    keeps, n_stages, per_substep = update.keeps, part.stages, sum(all_kept)
    fetch_new, fetch_kept = fetching(part.states, write=True), fetching(tuple(range(all_kept[j])), write=True)

    def set_state(k: int, next_state: Code) -> Code:
        STATE, DRIVE, PULL = part.states[k], 2 * k, 2 * k + 1
        advance, _ = advance_of(part, j)
        n_kept = 0 if again else part.update.solver.stages[j].keeps  # pyright: ignore
        ys, put_rest, first_kept = loading(tuple(range(j + 1))), storing_rest(1, n_kept), keeps + k * n_kept

        @inlined
        def run(p, nodes, n, wide, v, here, neuron, terms, h, kept, save):
            at = here + STATE * n * LANES
            capacitance = same(p, nodes + k * n + neuron)
            out = advance(p, *ys(v, at, wide), capacitance, terms[DRIVE], terms[PULL], h)
            store(v, at + (j + 1) * wide, out[0])
            if save:
                put_rest(v, kept + first_kept * n * LANES, n * LANES, out)
            next_state(p, nodes, n, wide, v, here, neuron, terms, h, kept, save)

        return run

    @inlined
    def all_set(p, nodes, n, wide, v, here, neuron, terms, h, kept, save):
        return

    set_states = _then(list(range(n_states)), set_state, all_set)

    @inlined
    def run(p, tables, sizes, v, first, kept_at, room, h, save):
        n, wide, nodes = sizes[NEURONS], sizes[WIDE], sizes[NODES]
        now, kept_row = first + j * wide, kept_at + before_here * n * LANES
        for neuron in range(n):
            here = neuron * LANES
            totals = get_sums(room, sizes[BROUGHT] + here, n * LANES)
            totals = from_neurons(p, tables, sizes, neuron, v, now, totals)
            own = own_states(v, now + here, n * LANES)
            terms = node(p, *own, *totals, *numbers(p, nodes + n_states * n + neuron, n))
            if save:
                fetch_new(v, now + (1 + n_stages) * wide + here, n * LANES)
                fetch_kept(v, kept_row + per_substep * n * LANES + here, n * LANES)
                put_kept(v, kept_row + here, n * LANES, terms)
            set_states(p, nodes, n, wide, v, first + here, neuron, terms, h, kept_row + here, save)
            put_others(v, now + wide + here, n * LANES, get_others(v, now + here, n * LANES))
        following(p, tables, sizes, v, first, kept_at, room, h, save)

    return run


def _terms_of(part: Part) -> Code:
    """(array, *states, *coefficients, *kept) -> drives and pulls again, or nothing if they do not follow from these."""
    update = part.update
    if update.terms is not None:  # pyright: ignore[reportAttributeAccessIssue]
        return taking(update.terms, 2 * len(part.states))  # pyright: ignore[reportAttributeAccessIssue]

    @inlined
    def nothing(array, *given):
        return ()

    return nothing


def _saved_of(part: Part, j: int, k: int) -> Code:
    """(p, v, at, wide, kept, n, capacitance, terms, h) -> what stage j's derivative needs of state k, kept or again."""
    n_kept, keeps = part.update.solver.stages[j].keeps, part.update.keeps  # pyright: ignore
    if part.update.terms is None:  # pyright: ignore[reportAttributeAccessIssue]
        kept_here, first = loading(tuple(range(n_kept))), keeps + k * n_kept

        @inlined
        def saved(p, v, at, wide, kept, n, capacitance, terms, h):
            return kept_here(v, kept + first * n * LANES, n * LANES)

        return saved
    (advance, _), ys, rest = advance_of(part, j), loading(tuple(range(j + 1))), taking_part(1, n_kept)
    DRIVE, PULL = 2 * k, 2 * k + 1

    @inlined
    def again(p, v, at, wide, kept, n, capacitance, terms, h):
        return rest(advance(p, *ys(v, at, wide), capacitance, terms[DRIVE], terms[PULL], h))

    return again


def _stage_backward(program: Program, i: int, part: Part, j: int, following: Code, tools: tuple[Code, ...]) -> Code:
    """The vector-Jacobian product of stage j for all neurons, from the last to the first, then of the stages before."""
    names, update = names_of(program), part.update
    NEURONS, WIDE, Q, SUMS = (names.index(name) for name in ("neurons", "wide", "q", "sums"))
    NODES, NODE_SUMS = names.index(f"{i}.nodes"), names.index(f"{i}.node_sums")
    _, to_neurons, _ = tools
    n_states, n_sums, n_own = len(part.states), len(part.sums), len(update.coefficients)
    all_kept, keeps = kept_of(part), update.keeps
    before_here = sum(all_kept[:j])
    _, d_node = node_of(part)
    own_states, numbers, others = loading(part.states), repeating(n_own), _others(program, part)
    get_kept, get_others = loading(tuple(range(keeps))), loading(others)
    add_states, add_others = adding_rows(part.states, 0), adding_rows(others, 0)
    sums_of, add_own = taking_part(n_states, n_sums), adding_rows(
        tuple(range(n_states, n_states + n_own)), n_states + n_sums
    )  # fmt: skip
    add_q = adding_rows(tuple(range(n_sums)), 0)
    n_stages, per_substep, terms_of = part.stages, sum(all_kept), _terms_of(part)
    fetch_states, fetch_kept = fetching(part.states), fetching(tuple(range(all_kept[j])))

    def state_back(k: int, next_state: Code) -> Code:
        STATE = part.states[k]
        _, d_advance = advance_of(part, j)
        saved_of = _saved_of(part, j, k)
        ys, add_ys = loading(tuple(range(j + 2))), adding_rows(tuple(range(j + 1)), 0)
        CAPACITANCE, DRIVE, PULL, TIME = j + 1, j + 2, j + 3, j + 4

        @inlined
        def run(p, nodes, node_sums, n, wide, v, here, neuron, kept, terms, room, g_first, h, by_time):
            at, g_at = here + STATE * n * LANES, g_first + (STATE * n + neuron) * LANES
            capacitance = same(p, nodes + k * n + neuron)
            saved = saved_of(p, v, at, wide, kept, n, capacitance, terms, h)
            by_new = load(room, g_at + (j + 1) * wide)
            back = d_advance(p, *ys(v, at, wide), capacitance, *saved, h, by_new)
            add_ys(room, g_at, wide, back)
            add_to(room, node_sums + (k * n + neuron) * LANES, back[CAPACITANCE])
            by_time = by_time + back[TIME]
            rest, by_time = next_state(
                p, nodes, node_sums, n, wide, v, here, neuron, kept, terms, room, g_first, h, by_time
            )  # fmt: skip
            return (back[DRIVE], back[PULL]) + rest, by_time  # noqa: RUF005

        return run

    @inlined
    def all_back(p, nodes, node_sums, n, wide, v, here, neuron, kept, terms, room, g_first, h, by_time):
        return (), by_time

    states_back = _then(list(range(n_states)), state_back, all_back)

    @inlined
    def run(p, tables, sizes, v, first, kept_at, room, h, g_first, by_time):
        n, wide, nodes = sizes[NEURONS], sizes[WIDE], sizes[NODES]
        now, g_now, node_sums = first + j * wide, g_first + j * wide, sizes[SUMS] + sizes[NODE_SUMS]
        kept_row = kept_at + before_here * n * LANES
        # From the last neuron to the first: memory is read in one direction.
        for neuron in range(n - 1, -1, -1):
            here = neuron * LANES
            # Prefetch what the preceding sub-step needs: a long history is not in the cache.
            fetch_states(v, now - n_stages * wide + here, n * LANES)
            fetch_kept(v, kept_row - per_substep * n * LANES + here, n * LANES)
            own = own_states(v, now + here, n * LANES)
            kept = get_kept(v, kept_row + here, n * LANES)
            terms = terms_of(p, *own, *numbers(p, nodes + n_states * n + neuron, n), *kept)
            by_terms, by_time = states_back(
                p, nodes, node_sums, n, wide, v, first + here, neuron, kept_row + here, terms, room, g_first, h, by_time
            )  # fmt: skip
            back = d_node(p, *own, *numbers(p, nodes + n_states * n + neuron, n), *kept, *by_terms)
            add_states(room, g_now + here, n * LANES, back)
            add_others(room, g_now + here, n * LANES, get_others(room, g_now + wide + here, n * LANES))
            add_own(room, node_sums + here, n * LANES, back)
            adjoints = sums_of(back)
            add_q(room, sizes[Q] + here, n * LANES, adjoints)
            to_neurons(p, tables, sizes, neuron, v, now, adjoints, room, g_now, True)
        return following(p, tables, sizes, v, first, kept_at, room, h, g_first, by_time)

    return run
