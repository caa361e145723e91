"""The two kernels that run along time: one launch does all samples and sub-steps of a batch, forward or backward.

Each program has its own block of LANES sequences, so programs never communicate. Within a program the work is shared
by rows of at most ROW edges: first every row sums its edges, then every neuron sums its rows and steps. What one
thread hands to another lies in global memory that only this program touches (the cache nearest to it), with a barrier
in between. A tile is one axis of rows (or neurons) times lanes, so that a thread keeps its place from load to store
and nothing else has to be exchanged.

The state before each evaluation of an update's sums, and after the last one, has a slot: (states, neurons, lanes).
With a history (SAVE) every slot is kept; otherwise, and for the adjoints, RING slots take turns. After these there is
one more if sequences may start anew, for the states before a sample at which some do. What is handed from the forward
to the backward pass holds no lanes of absent sequences, so its last axis is `width`, not LANES.
"""

from wormnet.engine.gpu import products
from wormnet.engine.gpu.phases import (
    before_at_slot,
    each_stage,
    edges_vjp,
    flush,
    layers,
    n_capacitances,
    neurons,
    slot_at,
    step,
    step_vjp,
    sum_edges,
)
from wormnet.engine.gpu.source import BARRIER, Source
from wormnet.engine.gpu.tables import OF_EDGES
from wormnet.engine.program import Program

__all__ = ["backward_source", "forward_source", "ring"]

FORWARD = """
    states keeps hidden
    kept last
    brought drive
    state
"""
# states, keeps, hidden: out, the history: blocks x slots x states x neurons x width, blocks x time x kept numbers
#     x neurons x width, (batch, time, hidden layers, units)
# kept, last: out (batch, time, kept), (states, batch, neurons)
# brought, drive: what inputs bring, see timewise.from_inputs_source and dense.drive
# state: (states, batch, neurons)
BACKWARD = """
    adjoints node_sums by_log_dt g_hidden
    g_state g_initial
    carried
    states keeps hidden
    g_kept g_last
"""
# adjoints: out, for each part blocks x time x evaluations x sums x neurons x LANES
# node_sums: holds zeros; out, blocks x capacitances and coefficients of the neurons x neurons x LANES
# by_log_dt: holds zeros; out, blocks x time x neurons x LANES
# g_hidden: out, as hidden
# g_state, g_initial: out (states, batch, neurons); g_initial holds zeros
# carried: scratch, blocks x RING x states x neurons x LANES: the adjoints of slots
BOTH = """
    scratch
    p q tables
    dt lengths starts initial drop column_of
    batch time n_kept n_scratch
    dt_sequence dt_sample
"""
# scratch: blocks x n_scratch
# column_of: (neurons,) the place of a neuron in kept, -1 for none
# dt_sequence, dt_sample: strides of dt; the others are what the operator is given
CONSTANTS = "LANES ROW TILE COLUMNS DEPTH WHOLE SAVE HAS_LENGTHS HAS_STARTS HAS_INITIAL HAS_DROP"


def ring(program: Program) -> int:
    """How many slots a step looks at."""
    return 1 + max(part.stages for part in program.parts)


def forward_source(program: Program) -> Source:
    """Run every sample."""
    src = Source(program, "forward", FORWARD + BOTH, CONSTANTS)
    _begin(src)
    n_states, parts = len(program.states), program.parts
    with neurons(src):
        for k in range(n_states):
            src(f"v{k} = tl.load(state + ({k} * batch + sequence) * n + i, mask=mine, other=0.0)")
            src(f"tl.store(states + {k} * n * width + inside, v{k}, mask=mine)")
    src(BARRIER)
    with src.block("for t in range(time)"):
        _sample(src)
        for number, part in enumerate(parts):
            with src.block(f"for e in range(evaluations_{number})"):
                src(f"s = t * slots + base_{number} + e")
                src(f"before_at, after_at = {before_at_slot('s')}, {slot_at('s + 1')}")
                src("before, after = states + before_at, states + after_at")
                with layers(src, part):
                    if part.dense:
                        products.forward(src, number, part)
                    else:
                        sum_edges(src, number, part)
                    src(BARRIER)
                    each_stage(src, part, lambda j, number=number, part=part: step(src, number, part, j))
                    src(BARRIER)
    src(f"slot = states + {slot_at('time * slots')}")
    with neurons(src):
        for k in range(n_states):
            src(f"v{k} = tl.load(slot + {k} * n * width + inside, mask=mine, other=0.0)")
            src(f"tl.store(last + ({k} * batch + sequence) * n + i, v{k}, mask=mine)")
    return src


def backward_source(program: Program) -> Source:
    """Carry the adjoint from the last evaluation to the first; each neuron collects it from those that it sends to.

    What is left in `adjoints` is all that the gradients of edges and inputs need; they are summed afterwards by the
    kernels of `timewise`, for which no evaluation has to wait. What later evaluations send to a slot is added up when
    the slot's turn comes, so that an evaluation has two barriers, as forward; where that cannot be (between two parts,
    and before states are set anew) it is collected at the end of the part (FLUSH).
    """
    src = Source(program, "backward", BACKWARD + BOTH, CONSTANTS + " FLUSH NEEDS_P NEEDS_DT")
    _begin(src)
    n_states, parts = len(program.states), program.parts
    _begin_backward(src)
    with src.block("for t_back in range(time)"):
        src("t = time - 1 - t_back")
        _sample(src)
        for number, part in reversed(list(enumerate(parts))):
            with src.block(f"for e_back in range(evaluations_{number})"):
                src(f"e = evaluations_{number} - 1 - e_back", f"s = t * slots + base_{number} + e")
                src("after = states + (s + 1) * size")
                src(f"received = adjoints_{number} + (t * evaluations_{number} + e).to(tl.int64) * each_{number}")
                if part.dense:
                    step_vjp(src, number, part, 0)
                    src(BARRIER)
                    products.backward(src, number, part)
                    src(BARRIER)
                    continue
                src("live = min(e_back + (0 if FLUSH else t_back), 1)")
                with layers(src, part, reverse=True):
                    edges_vjp(src, number, part)
                    src(BARRIER)
                    each_stage(src, part, lambda j, number=number, part=part: step_vjp(src, number, part, j))
                    src(BARRIER)
            if not part.dense:
                with src.block("if FLUSH"):
                    flush(src, number, part, before_at_slot("s"), once=False)
        with src.block("if HAS_STARTS"):
            _hand_to_initial(src)
    if len(parts) == 1 and not parts[0].dense:
        with src.block("if not FLUSH"), src.block("if time > 0"):
            src("t = 0")
            flush(src, 0, parts[0], "0", once=True)
    with neurons(src):
        for k in range(n_states):
            src(f"g{k} = tl.load(carried + {k} * n * LANES + at, mask=own, other=0.0)")
            src(f"tl.store(g_state + ({k} * batch + sequence) * n + i, g{k}, mask=mine)")
    return src


def _begin_backward(src: Source) -> None:
    """Names for the places of adjoints; those of the last slot are given."""
    n_states, parts = len(src.program.states), src.program.parts
    src(f"each = {n_states} * n * LANES", "carried += block * RING * each")
    n_coefficients = sum(len(part.update.coefficients) + n_capacitances(part) for part in parts)
    src(f"node_sums += block * {n_coefficients} * n * LANES")
    for number, part in enumerate(parts):
        past = [f"evaluations_{i} * each_{i}" for i in range(number)] or ["0"]
        src(f"each_{number} = {len(part.sums)} * n * LANES")
        src(f"adjoints_{number} = adjoints + blocks * time * ({' + '.join(past)})")
        src(f"adjoints_{number} += block * time * evaluations_{number} * each_{number}")
    with neurons(src):
        for k in range(n_states):
            src(f"g{k} = tl.load(g_last + ({k} * batch + sequence) * n + i, mask=mine, other=0.0)")
            src(f"tl.store(carried + (time * slots % RING) * each + {k} * n * LANES + at, g{k}, mask=own)")
    src(BARRIER)


def _hand_to_initial(src: Source) -> None:
    """The adjoints of the states before a sample are those of the initial ones, where a sequence starts anew."""
    src("slot = carried + (t * slots % RING) * each")
    with neurons(src):
        for k in range(len(src.program.states)):
            src(f"g = tl.load(slot + {k} * n * LANES + at, mask=own, other=0.0)")
            with src.block("if HAS_INITIAL"):
                src(f"to = g_initial + ({k} * batch + sequence) * n + i")
                src("g_sum = tl.load(to, mask=mine & begins, other=0.0) + g")
                src("tl.store(to, g_sum, mask=mine & begins)")
            src(f"tl.store(slot + {k} * n * LANES + at, zero, mask=own & begins)")
    src(BARRIER)


def _begin(src: Source) -> None:
    """Names for places and sizes."""
    program = src.program
    src(f"RING: tl.constexpr = {ring(program)}")
    src("block, blocks = tl.program_id(0).to(tl.int64), tl.num_programs(0).to(tl.int64)")
    src(f"n, slots = {src.word('n_neurons')}, {src.word('slots')}")
    src("steps = slots.to(tl.int64) * time", "place = tl.arange(0, TILE)", "lane = place % LANES")
    src("sequence = block * LANES + lane", "here = sequence < batch")
    src("width = LANES if WHOLE else tl.minimum(batch - block * LANES, LANES).to(tl.int32)")
    src(f"size = (n * {len(program.states)} * width).to(tl.int64)")
    src("zero = tl.zeros([TILE], p.dtype.element_ty)")
    src("length = tl.zeros([TILE], tl.int32) + time")
    with src.block("if HAS_LENGTHS"):
        src("length = tl.load(lengths + sequence, mask=here, other=0)")
    src("more = 1 if HAS_STARTS else 0")
    src(f"states += block * LANES * {len(program.states)} * n * (more + (steps + 1 if SAVE else RING))")
    src("scratch += block * n_scratch")
    if any(getattr(part.update, "layered", False) for part in program.parts):
        src(f"order, layers = tables + {src.word('order')}, tables + {src.word('layers')}")
        src(f"rank = tables + {src.word('rank')}")
        src.read("n_layers")
    keeps = ["0"]
    for number, part in enumerate(program.parts):
        src.read("nodes", "unfolds", "units", key=(number,))
        src(f"evaluations_{number} = unfolds_{number} * {part.stages}")
        src(f"base_{number} = {f'base_{number - 1} + evaluations_{number - 1}' if number else '0'}")
        src(f"keep_base_{number} = {' + '.join(keeps)}")
        keeps.append(f"unfolds_{number} * {sum(part.kept)}")
        if part.dense:
            products.begin(src, number, part)
            continue
        side, taken = "post" if src.name == "forward" else "pre", ["0"]
        fields = [field for field in OF_EDGES if field.startswith(f"{side}_")]
        for kind, edge in enumerate(part.update.edges):  # pyright: ignore[reportAttributeAccessIssue]
            src.read(*fields, key=(number, kind))
            src(f"base_{number}_{kind} = {taken[-1]}")
            rows = f"{side}_rows_{number}_{kind}" + (f" * {len(edge.adds)}" if side == "post" else "")
            taken.append(f"base_{number}_{kind} + {rows} * LANES")
    src(f"n_keeps = {' + '.join(keeps)}")
    src("keeps += block * LANES * n * n_keeps * time", "keep_size = (n * width).to(tl.int64)")


def _sample(src: Source) -> None:
    """What an evaluation has to know of its sample; where a sequence starts anew, the states before have their slot."""
    src("elapsed = tl.load(dt + sequence * dt_sequence + t * dt_sample, mask=here, other=1.0)")
    src("valid = here & (t < length)", f"first_at = {slot_at('t * slots')}")
    with src.block("if HAS_STARTS"):
        src("begins = valid & (tl.load(starts + sequence * time + t, mask=here, other=0) != 0)")
        src("last_at, first_at = first_at, ((steps + 1) if SAVE else RING) * size")
        with neurons(src):
            for k in range(len(src.program.states)):
                src(f"v = tl.load(states + last_at + {k} * n * width + inside, mask=mine, other=0.0)", "w = zero")
                with src.block("if HAS_INITIAL"):
                    src(f"w = tl.load(initial + ({k} * batch + sequence) * n + i, mask=mine, other=0.0)")
                src(f"tl.store(states + first_at + {k} * n * width + inside, tl.where(begins, w, v), mask=mine)")
        src(BARRIER)
