"""Kernels that are parallel over time: contributions of inputs, and the reductions that give gradients.

All sums run in a fixed order without atomic additions, so that a gradient has the same bits every time. Tiles, and the
adjoints that the backward pass leaves, are laid out as in `sequence`.
"""

from wormnet.engine.gpu.source import Source, named, numbered
from wormnet.engine.program import Part, Program
from wormnet.models.equation import Edge

__all__ = ["edge_sums_source", "from_inputs_source", "to_inputs_source"]


def from_inputs_source(program: Program, number: int) -> Source:
    """The sums of a part as far as the neurons' states have no part in them.

    One program for a sample of a block and a tile of neurons. brought: out (blocks, time, sums, neurons, LANES).
    """
    arguments = "brought x p tables batch time x_width"
    src, part = Source(program, "from_inputs", arguments, "LANES TILE"), program.parts[number]
    update, sums = part.update, numbered("s", len(part.sums))
    _begin(src, "n_neurons", "sender = x + (sequence * time + t) * x_width")
    src.read("nodes", key=(number,))
    first = len(part.node_numbers) - len(sums)
    for m, name in enumerate(sums):
        src(f"{name} = tl.load(p + nodes_{number} + {first + m} * count + i, mask=own, other=0.0)")
    for kind, edge in enumerate(update.edges):  # pyright: ignore[reportAttributeAccessIssue]
        key = number, kind
        src.read("edges", "coefficients", "sent", "input_start", "input_end", "input_longest", key=key)
        src(f"start = tl.load(tables + {named('input_start', *key)} + i, mask=own, other=0)")
        src(f"end = tl.load(tables + {named('input_end', *key)} + i, mask=own, other=0)")
        with src.block(f"for j in range({named('input_longest', *key)})"):
            src("edge = start + j", "real = here & (edge < end)")
            src(f"pre = tl.load(tables + {named('sent', *key)} + edge, mask=real, other=0)")
            src("u = tl.load(sender + pre, mask=real, other=0.0)")
            values = _values(src, key, len(edge.coefficients))
            added = numbered("a", len(edge.adds))
            src.call(added, named("edge", *key), edge.edge, ["u", *values], "zero")
            for m, one in zip(part.added(edge), added, strict=True):
                src(f"s{m} += tl.where(real, {one}, zero)")
    for m, name in enumerate(sums):
        src(f"tl.store(brought + (sample * {len(sums)} + {m}) * count * LANES + place, {name}, mask=own)")
    return src


def to_inputs_source(program: Program, number: int) -> Source:
    """What each input's receivers send back through a part: one program for a sample of a block and a tile of inputs.

    g_x: out (batch, time, inputs); adjoints: (blocks, time, sums, neurons, LANES), sums over each sample.
    """
    arguments = "g_x x adjoints p tables batch time x_width"
    src, part = Source(program, "to_inputs", arguments, "LANES TILE"), program.parts[number]
    _begin(src, "n_inputs", f"n = {src.word('n_neurons')}")
    src("u = tl.load(x + (sequence * time + t) * x_width + i, mask=here, other=0.0)", "total = zero")
    src(f"received = adjoints + sample * {len(part.sums)} * n * LANES + lane")
    for kind, edge in enumerate(part.update.edges):  # pyright: ignore[reportAttributeAccessIssue]
        key = number, kind
        src.read("edges", "coefficients", "post", "send_start", "send_edge", "send_longest", key=key)
        starts = f"tables + {named('send_start', *key)} + i"
        src(f"start, end = tl.load({starts}, mask=own, other=0), tl.load({starts} + 1, mask=own, other=0)")
        with src.block(f"for j in range({named('send_longest', *key)})"):
            src("real = here & (start + j < end)")
            src(f"edge = tl.load(tables + {named('send_edge', *key)} + start + j, mask=real, other=0)")
            _back(src, key, edge, part, "n")
            src("total += tl.where(real, by_u, zero)")
    src("tl.store(g_x + (sequence * time + t) * count + i, total, mask=here)")
    return src


def edge_sums_source(program: Program, number: int, kind: int) -> Source:
    """Sum the gradients of a kind's edges over samples, evaluations and sequences.

    One program for a tile of edges, which come from inputs (FROM_INPUT) or from neurons, and a share of the sums.
    sums: out (shares, coefficients, edges of these); adjoints: (blocks, slots, sums, neurons, LANES), over each sample
    if FROM_INPUT; u: x, or the states of all slots.
    """
    arguments = "sums u adjoints p tables starts initial batch time x_width items chunk"
    constants = "LANES TILE WHOLE FROM_INPUT HAS_STARTS HAS_INITIAL"
    src = Source(program, "edge_sums", arguments, constants)
    part, key = program.parts[number], (number, kind)
    edge, n_states = part.update.edges[kind], len(program.states)  # pyright: ignore[reportAttributeAccessIssue]
    src(f"n, slots = {src.word('n_neurons')}, {src.word('slots')}")
    src("place = tl.program_id(1) * TILE + tl.arange(0, TILE)", "lane = place % LANES")
    src("zero = tl.zeros([TILE], p.dtype.element_ty)")
    src.read("edges", "coefficients", "sent", "post", "from_input", "from_neuron", key=key)
    src(f"count = {src.word('n_from_input', *key)} if FROM_INPUT else {src.word('n_from_neuron', *key)}")
    src(f"chosen = {named('from_input', *key)} if FROM_INPUT else {named('from_neuron', *key)}")
    src("own = place // LANES < count")
    src("edge = tl.load(tables + chosen + place // LANES, mask=own, other=0)", "real = own")
    src(f"pre = tl.load(tables + {named('sent', *key)} + edge, mask=own, other=0)")
    src(f"post = tl.load(tables + {named('post', *key)} + edge, mask=own, other=0)")
    past = [f"{src.word('unfolds', q)} * {one.stages}" for q, one in enumerate(program.parts[:number])]
    src(f"base = {' + '.join(past) or '0'}", f"evaluations = {src.word('unfolds', number)} * {part.stages}")
    values = _values(src, key, len(edge.coefficients))
    totals = numbered("total", len(values))
    src(*(f"{name} = zero" for name in totals))
    src("begin = tl.program_id(0).to(tl.int64) * chunk")
    with src.block("for item in range(begin, tl.minimum(begin + chunk, items))"):
        _sent(src, n_states)
        src(f"received = adjoints + item * {len(part.sums)} * n * LANES + post * LANES + lane")
        given = numbered("a", len(edge.adds))
        for name, m in zip(given, part.added(edge), strict=True):
            src(f"{name} = tl.load(received + {m} * n * LANES, mask=real, other=0.0)")
        results = ["by_u", *numbered("by_c", len(values))]
        src.call(results, named("d_edge", *key), edge.d_edge, ["sent", *values, *given], "zero")
        for name, one in zip(totals, results[1:], strict=True):
            src(f"{name} += tl.where(real, {one}, zero)")
    src("row = tl.program_id(1) * (TILE // LANES) + tl.arange(0, TILE // LANES)")
    for m, name in enumerate(totals):
        src(f"summed = tl.sum(tl.reshape({name}, [TILE // LANES, LANES]), 1)")
        src(f"to = sums + (tl.program_id(0) * {len(totals)} + {m}).to(tl.int64) * count + row")
        src("tl.store(to, summed, mask=row < count)")
    return src


def _sent(src: Source, n_states: int) -> None:
    """What an edge's sender has sent in an item: a sample of a block, or an evaluation."""
    with src.block("if FROM_INPUT"):
        src("block, t = item // time, item % time")
        src("sequence = block * LANES + lane", "real = own & (sequence < batch)")
        src("at = (sequence * time + t) * x_width + pre")
    with src.block("else"):
        src("block, slot = item // (time * evaluations), item % (time * evaluations)")
        src("sequence = block * LANES + lane", "real = own & (sequence < batch)")
        src("width = LANES if WHOLE else tl.minimum(batch - block * LANES, LANES)")
        src("s = slot // evaluations * slots + base + slot % evaluations")
        src("first_slot = block * LANES * (time * slots + (2 if HAS_STARTS else 1))")
        src(f"at = (first_slot + s * width) * ({n_states} * n) + pre * width + lane")
    src("sent = tl.load(u + at, mask=real, other=0.0)")
    with src.block("if HAS_STARTS and not FROM_INPUT"):
        # The slot holds what the sequence that has ended there has come to.
        src(f"old = real & (pre < {n_states} * n) & (s % slots == 0)")
        src("begins = old & (tl.load(starts + sequence * time + s // slots, mask=old, other=0) != 0)")
        src("first = zero")
        with src.block("if HAS_INITIAL"):
            src("at = (pre // n * batch + sequence) * n + pre % n")
            src("first = tl.load(initial + at, mask=begins, other=0.0)")
        src("sent = tl.where(begins, first, sent)")


def _begin(src: Source, count: str, *lines: str) -> None:
    src("sample = tl.program_id(0).to(tl.int64)", f"count = {src.word(count)}")
    src("place = tl.program_id(1) * TILE + tl.arange(0, TILE)", "i, lane = place // LANES, place % LANES")
    src("sequence = (sample // time) * LANES + lane", "t = sample % time")
    src("own = i < count", "here = own & (sequence < batch)", "zero = tl.zeros([TILE], p.dtype.element_ty)", *lines)


def _values(src: Source, key: tuple[int, int], count: int) -> list[str]:
    """Load the coefficients of edges."""
    names = numbered("c", count)
    for m, name in enumerate(names):
        place = f"p + {named('coefficients', *key)} + {m} * {named('edges', *key)} + edge"
        src(f"{name} = tl.load({place}, mask=real, other=0.0)")
    return names


def _back(src: Source, key: tuple[int, int], edge: Edge, part: Part, n: str) -> None:
    src(f"post = tl.load(tables + {named('post', *key)} + edge, mask=real, other=0)")
    values = _values(src, key, len(edge.coefficients))
    given = numbered("a", len(edge.adds))
    for name, m in zip(given, part.added(edge), strict=True):
        src(f"{name} = tl.load(received + ({m} * {n} + post) * LANES, mask=real, other=0.0)")
    src.call(
        ["by_u", *numbered("by_c", len(values))], named("d_edge", *key), edge.d_edge, ["u", *values, *given], "zero"
    )
