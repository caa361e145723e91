# pyright: reportCallIssue=false, reportOperatorIssue=false, reportIndexIssue=false, reportArgumentType=false
"""One sample of one sequence: the lanes are sixteen edges, or sixteen neurons, instead of sixteen sequences.

A program whose parts are all sparse runs here, in one call for each sample. Edges are evaluated in blocks, whatever
neurons they end on, and what they add is summed up neuron by neuron; then nodes are evaluated in blocks. `numbers`
and `whole` are the arrays that `single_tables` divides; each kernel knows by name where in them its offsets stand.
"""

from functools import cache

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from wormnet.engine.cpu import LANES
from wormnet.engine.cpu.compiled import Kernel, device, inlined, kernel
from wormnet.engine.cpu.denormals import flush_denormals, restore
from wormnet.engine.cpu.lane_sums import total
from wormnet.engine.cpu.lanes import all_lanes, entry, load, store
from wormnet.engine.cpu.single_tables import BAD_DT, BAD_STATE, FINE, names_of
from wormnet.engine.cpu.sparse import Code, advance_of, node_of, taking
from wormnet.engine.cpu.transfer import pick
from wormnet.engine.cpu.tuples import adding, loading, storing
from wormnet.engine.program import Part, Program

__all__ = ["kernel_of"]

INFINITE = float("inf")
_BY_CODE: dict[str, Kernel] = {}


def kernel_of(program: Program) -> Kernel:
    """(numbers, whole, x, dt) -> FINE, or why the sample is refused; then the state is what it was.

    Compiled when it is first called; programs of one code share it.
    """
    code = program.code
    if code not in _BY_CODE:
        _BY_CODE[code] = kernel(_step(program), f"single_{code}")
    return _BY_CODE[code]


# -- several numbers at a time -----------------------------------------------------------------------------------------


def _place(builder, array, at, stride, number):
    return builder.gep(array, [builder.add(at, builder.mul(stride, ir.Constant(stride.type, number)))])


@cache
def scalars(numbers):
    """(array, at, stride) -> a tuple of the numbers at `at` + number x stride of a flat array."""

    @intrinsic
    def several(typingctx, array, at, stride):
        kind = types.UniTuple(array.dtype, len(numbers)) if numbers else types.Tuple(())

        def generate(context, builder, sig, args):
            data = context.make_array(sig.args[0])(context, builder, args[0]).data
            found = [builder.load(_place(builder, data, args[1], args[2], number)) for number in numbers]
            return context.make_tuple(builder, sig.return_type, found)

        return kind(array, types.intp, types.intp), generate

    return several


@cache
def put_scalars(n):
    """(array, at, stride, values): write n numbers, one stride after the other."""

    @intrinsic
    def put(typingctx, array, at, stride, values):
        def generate(context, builder, sig, args):
            data = context.make_array(sig.args[0])(context, builder, args[0]).data
            for number in range(n):
                builder.store(
                    builder.extract_value(args[3], number), _place(builder, data, args[1], args[2], number)
                )  # fmt: skip
            return context.get_dummy_value()

        return types.void(array, types.intp, types.intp, values), generate

    return put


@inlined
def copy(array, at, to, size):
    """Copy whole blocks within an array."""
    for i in range(0, size, LANES):
        store(array, to + i, load(array, at + i))


@inlined
def all_finite(array, at, size):
    """Whether whole blocks hold no infinite number and no NaN."""
    zeros = all_lanes(array, array.dtype.type(0))
    for i in range(0, size, LANES):
        zeros = zeros + load(array, at + i) * array.dtype.type(0)
    return total(zeros) == 0


# -- edges -------------------------------------------------------------------------------------------------------------


def _bring(program: Program, i: int, sender: int, k: int, following: Code) -> Code:
    """What each edge of kind k adds, in blocks, to one place for each edge and sum."""
    part, names = program.parts[i], names_of(program)
    edge, states = part.update.edges[k], len(program.states)  # pyright: ignore[reportAttributeAccessIssue]
    P, SIZE, PRE, CUTS, TO = (
        names.index(f"{i}.{k}.{sender}.{name}") for name in ("p", "size", "pre", "cuts", "brought")
    )
    INPUTS, V, NEURONS = names.index("u"), names.index("v"), names.index("neurons")
    READS, FROM_NEURONS, ADVANCES = part.reads[k], sender == 1, part.reads[k] in part.states
    function = taking(edge.edge, len(edge.adds))
    coefficients, put = loading(tuple(range(len(edge.coefficients)))), storing(tuple(range(len(edge.adds))))

    @inlined
    def run(numbers, whole, row, group):
        size, p, pre, to = entry(whole, SIZE), entry(whole, P), entry(whole, PRE), entry(whole, TO)
        cuts = entry(whole, CUTS) + group
        n = entry(whole, NEURONS)
        at = entry(whole, INPUTS)
        if FROM_NEURONS:
            at = entry(whole, V) + READS * n
            if ADVANCES:
                at += row * states * n
        for e in range(entry(whole, cuts), entry(whole, cuts + 1), LANES):
            u_pre = pick(numbers, at, whole, pre + e)
            put(numbers, to + e, size, function(numbers, u_pre, *coefficients(numbers, p + e, size)))
        following(numbers, whole, row, group)

    return run


def _add_up(program: Program, i: int, sender: int, k: int, following: Code) -> Code:
    """(numbers, whole, at, totals) -> totals with what the edges of kind k add: those that `at` of whole lists."""
    part, names = program.parts[i], names_of(program)
    edge = part.update.edges[k]  # pyright: ignore[reportAttributeAccessIssue]
    SIZE, FROM = (names.index(f"{i}.{k}.{sender}.{name}") for name in ("size", "brought"))
    add, brought = adding(part.added(edge)), scalars(tuple(range(len(edge.adds))))

    @inlined
    def run(numbers, whole, at, totals):
        size, first = entry(whole, SIZE), entry(whole, FROM)
        for e in range(first + entry(whole, at), first + entry(whole, at + 1)):
            totals = add(totals, brought(numbers, e, size))
        return following(numbers, whole, at + 2, totals)

    return run


def edge_sums(program: Program, i: int, sender: int) -> Code:
    """(numbers, whole, row, group): the sums of a group's neurons over edges from inputs (0), or from neurons (1).

    Those from neurons read row `row` of the states, and begin with what the inputs have brought.
    """
    part, names = program.parts[i], names_of(program)
    NEURONS, BASE, SUMS = names.index("neurons"), names.index("base"), names.index("base" if sender == 0 else "sums")
    ROWS, ROW_CUTS = names.index(f"{i}.{sender}.rows"), names.index(f"{i}.{sender}.row_cuts")
    kinds = len(part.update.edges)  # pyright: ignore[reportAttributeAccessIssue]
    get, put, width = scalars(tuple(range(len(part.sums)))), put_scalars(len(part.sums)), 1 + 2 * kinds

    @inlined
    def nothing(numbers, whole, row, group):
        return

    @inlined
    def end(numbers, whole, at, totals):
        return totals

    bring, add_up = nothing, end
    for k in reversed(range(kinds)):
        bring, add_up = _bring(program, i, sender, k, bring), _add_up(program, i, sender, k, add_up)

    def run(numbers, whole, row, group):
        bring(numbers, whole, row, group)
        n, base, sums = entry(whole, NEURONS), entry(whole, BASE), entry(whole, SUMS)
        rows, cuts = entry(whole, ROWS), entry(whole, ROW_CUTS) + group
        for receiver in range(entry(whole, cuts), entry(whole, cuts + 1)):
            at = rows + receiver * width
            neuron = entry(whole, at)
            put(numbers, sums + neuron, n, add_up(numbers, whole, at + 1, get(numbers, base + neuron, n)))

    # Code that several stages call stands once.
    return inlined(run) if sender == 0 or part.stages == 1 else device(run)


# -- nodes -------------------------------------------------------------------------------------------------------------


def _begin(program: Program, i: int) -> Code:
    """(numbers, whole): the sums with which every evaluation of a sample begins: starts, and what inputs bring."""
    part, names = program.parts[i], names_of(program)
    NEURONS, BASE, SUMS, NODES = (names.index(name) for name in ("neurons", "base", "sums", f"{i}.nodes"))
    n_sums = len(part.sums)
    before = len(part.node_numbers) - n_sums
    from_inputs = edge_sums(program, i, 0)

    @inlined
    def run(numbers, whole):
        n, base = entry(whole, NEURONS), entry(whole, BASE)
        copy(numbers, entry(whole, NODES) + before * n, base, n_sums * n)
        from_inputs(numbers, whole, 0, 0)
        # Neurons that no neuron sends to keep these.
        copy(numbers, base, entry(whole, SUMS), n_sums * n)

    return run


def _mapped(program: Program, i: int) -> Code:
    """An update without a solver: group by group, each of which reads the new states of those before."""
    part, names = program.parts[i], names_of(program)
    NEURONS, V, SUMS, NODES, GROUPS, CUTS = (
        names.index(name) for name in ("neurons", "v", "sums", f"{i}.nodes", f"{i}.groups", f"{i}.cuts")
    )
    begin, from_neurons, (node, _) = _begin(program, i), edge_sums(program, i, 1), node_of(part)
    own, put = loading(part.states), storing(part.states)
    totals = loading(tuple(range(len(part.sums))))
    coefficients = loading(tuple(range(len(part.node_numbers) - len(part.sums))))

    @inlined
    def run(numbers, whole, dt):
        n, v, sums, nodes = entry(whole, NEURONS), entry(whole, V), entry(whole, SUMS), entry(whole, NODES)
        begin(numbers, whole)
        cuts = entry(whole, CUTS)
        for group in range(entry(whole, GROUPS)):
            from_neurons(numbers, whole, 0, group)
            for at in range(entry(whole, cuts + group), entry(whole, cuts + group + 1), LANES):
                states = own(numbers, v + at, n)
                given = coefficients(numbers, nodes + at, n)
                put(numbers, v + at, n, node(numbers, *states, *totals(numbers, sums + at, n), *given, dt))

    return run


def _solved(program: Program, i: int) -> Code:
    """An ordinary differential equation: sub-steps of one or more stages, with the inputs held."""
    part, names = program.parts[i], names_of(program)
    UNFOLDS = names.index(f"{i}.unfolds")
    begin, from_neurons = _begin(program, i), edge_sums(program, i, 1)

    @inlined
    def stages(numbers, whole, h):
        return

    for j in reversed(range(part.stages)):
        stages = _stage(program, i, j, from_neurons, stages)

    @inlined
    def run(numbers, whole, dt):
        begin(numbers, whole)
        unfolds = entry(whole, UNFOLDS)
        h = dt / numbers.dtype.type(unfolds)
        for _ in range(unfolds):
            stages(numbers, whole, h)

    return run


def _stage(program: Program, i: int, j: int, from_neurons: Code, following: Code) -> Code:
    """Stage j of a sub-step: from row j of the states to the next one, the last to the first."""
    part, names = program.parts[i], names_of(program)
    NEURONS, V, SUMS, NODES = (names.index(name) for name in ("neurons", "v", "sums", f"{i}.nodes"))
    states, n_states = len(program.states), len(part.states)
    n_own = len(part.node_numbers) - len(part.sums) - n_states
    own, totals, coefficients = (
        loading(part.states), loading(tuple(range(len(part.sums)))), loading(tuple(range(n_own))),
    )  # fmt: skip
    node, _ = node_of(part)

    @inlined
    def set_states(numbers, v, nodes, n, at, terms, h):
        return

    for k in reversed(range(n_states)):
        set_states = _set_state(part, states, j, k, set_states)

    @inlined
    def run(numbers, whole, h):
        n, v, sums, nodes = entry(whole, NEURONS), entry(whole, V), entry(whole, SUMS), entry(whole, NODES)
        from_neurons(numbers, whole, j, 0)
        for at in range(0, n, LANES):
            given = coefficients(numbers, nodes + n_states * n + at, n)
            here = own(numbers, v + j * states * n + at, n)
            terms = node(numbers, *here, *totals(numbers, sums + at, n), *given)
            set_states(numbers, v, nodes, n, at, terms, h)
        following(numbers, whole, h)

    return run


def _set_state(part: Part, states: int, j: int, k: int, following: Code) -> Code:
    """Advance the part's state number k of a block of neurons by stage j."""
    STATE, DRIVE, PULL = part.states[k], 2 * k, 2 * k + 1
    TO = j + 1 if j + 1 < part.stages else 0
    (advance, _), rows = advance_of(part, j), loading(tuple(range(j + 1)))

    @inlined
    def run(numbers, v, nodes, n, at, terms, h):
        place, wide = v + STATE * n + at, states * n
        capacitance = load(numbers, nodes + k * n + at)
        out = advance(numbers, *rows(numbers, place, wide), capacitance, terms[DRIVE], terms[PULL], h)
        store(numbers, place + TO * wide, out[0])
        following(numbers, v, nodes, n, at, terms, h)

    return run


# -- the sample --------------------------------------------------------------------------------------------------------


def _step(program: Program) -> Code:
    names, states = names_of(program), len(program.states)
    NEURONS, V, BEFORE, OWNER = (names.index(name) for name in ("neurons", "v", "before", "owner"))
    X, U, INPUTS, SCALE, SHIFT = (names.index(name) for name in ("x", "u", "inputs", "in_scale", "in_shift"))
    Y, OUTPUTS, READ, OUT_SCALE, OUT_SHIFT = (
        names.index(name) for name in ("y", "outputs", "read", "out_scale", "out_shift")
    )

    @inlined
    def parts(numbers, whole, dt):
        return

    for i in reversed(range(len(program.parts))):
        solved = getattr(program.parts[i].update, "solver", None) is not None
        parts = _then((_solved if solved else _mapped)(program, i), parts)

    @inlined
    def bad_input(numbers, whole):
        for i in range(entry(whole, INPUTS)):
            if not abs(numbers[entry(whole, X) + i]) < INFINITE:
                return i
        return FINE

    @inlined
    def settle(numbers, whole):
        """Take back a sample that left a state not finite. Lanes past the last neuron may hold anything, so they are
        set to 0."""
        n, v, owner, bad = entry(whole, NEURONS), entry(whole, V), entry(whole, OWNER), FINE
        for i in range(states * n):
            if not abs(numbers[v + i]) < INFINITE:
                neuron = entry(whole, owner + i % n)
                if neuron < 0:
                    numbers[v + i] = 0
                elif bad == FINE:
                    bad = BAD_STATE - neuron
        if bad != FINE:
            copy(numbers, entry(whole, BEFORE), v, states * n)
        return bad

    @inlined
    def run(numbers, whole, given, dt):
        elapsed = numbers.dtype.type(dt)
        if not 0 < elapsed < INFINITE:
            return BAD_DT
        n, v, inputs = entry(whole, NEURONS), entry(whole, V), entry(whole, INPUTS)
        x, u = entry(whole, X), entry(whole, U)
        for i in range(len(given)):
            numbers[x + i] = given[i]
        if not all_finite(numbers, x, inputs):
            return bad_input(numbers, whole)
        for i in range(0, inputs, LANES):
            scale, shift = load(numbers, entry(whole, SCALE) + i), load(numbers, entry(whole, SHIFT) + i)
            store(numbers, u + i, load(numbers, x + i) * scale + shift)
        copy(numbers, v, entry(whole, BEFORE), states * n)
        parts(numbers, whole, all_lanes(numbers, elapsed))
        if not all_finite(numbers, v, states * n):
            status = settle(numbers, whole)
            if status != FINE:
                return status
        outputs, y = entry(whole, OUTPUTS), entry(whole, Y)
        for i in range(0, outputs, LANES):
            scale, shift = load(numbers, entry(whole, OUT_SCALE) + i), load(numbers, entry(whole, OUT_SHIFT) + i)
            store(numbers, y + i, pick(numbers, v, whole, entry(whole, READ) + i) * scale + shift)
        return FINE

    def step(numbers, whole, given, dt):
        setting = flush_denormals()
        status = run(numbers, whole, given, dt)
        restore(setting)
        return status

    return step


def _then(first: Code, second: Code) -> Code:
    @inlined
    def run(numbers, whole, dt):
        first(numbers, whole, dt)
        second(numbers, whole, dt)

    return run
