"""A network in C with fixed point numbers: integers only, of 16 or 32 bits, and twice as many on the way."""

import re
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wormnet.errors import ArgumentError, ShapeError
from wormnet.export.c_template import PLACES, Program, Table, integers, memory
from wormnet.export.expressions import Traced
from wormnet.export.fixed import Code, Instruction
from wormnet.export.fixed_error import Bound, bound_of
from wormnet.export.fixed_step import Formats, Integers, formats_of, projected
from wormnet.export.network import Network
from wormnet.export.program import Tables, Value, printed, room
from wormnet.export.samples import Trial, one_sequence, values_of
from wormnet.export.statements import C_DOUBLE
from wormnet.export.text import array, render
from wormnet.models.interval import Interval

__all__ = ["BITS", "fixed", "limits_of"]

BITS = {"q15": 16, "q31": 32}
SIGNS = {"add": "+", "subtract": "-", "multiply": "*"}
FUNCTIONS = {"sigmoid": "logistic", "tanh": "tangent", "exp": "decay"}


def limits_of(
    network: Network, x_range: Any, dt_range: Any, x: ArrayLike | None, dt: ArrayLike | None
) -> tuple[Interval, tuple[float, float]]:
    """The limits of inputs (inputs,) and times: those that are given, or else those of the samples.

    Raises: ArgumentError, ShapeError.
    """
    inputs = network.layout.wiring.n_inputs
    if x_range is None and x is None and inputs:
        raise ArgumentError(
            "fixed point needs to know how large inputs get; give x_range=(low, high), or samples x (time, inputs)."
        )
    if x_range is None:
        seen = np.zeros((1, inputs)) if x is None else one_sequence(x, inputs)
        ends = [seen.min(0), seen.max(0)]
    else:
        try:
            low, high = x_range
            ends = [np.broadcast_to(np.asarray(one, np.float64), inputs) for one in (low, high)]
        except (TypeError, ValueError):
            raise ShapeError(f"x_range is {x_range!r}; it takes (low, high): numbers, or arrays ({inputs},).") from None
    if not (np.isfinite(ends).all() and np.all(ends[0] <= ends[1])):
        raise ArgumentError(f"x_range is {x_range!r}; it takes finite numbers low <= high.")
    if dt_range is None:
        times = network.time_unit * np.array([0.1, 1.0]) if dt is None else values_of("dt", dt)
        if not times.size:
            raise ShapeError(f"dt has shape {times.shape}; it takes one number, or one per sample.")
        dt_range = float(times.min()), float(times.max())
    try:
        low, high = (float(one) for one in dt_range)
    except (TypeError, ValueError):
        raise ArgumentError(f"dt_range is {dt_range!r}; it takes (shortest, longest).") from None
    if not 0 < low <= high < np.inf:
        raise ArgumentError(f"dt_range is {dt_range!r}; it takes 0 < shortest <= longest.")
    return Interval.of(*ends), (low, high)


class Fixed(Tables):
    """Writes instructions; see `program.Writer`."""

    def __init__(self, formats: Formats):
        super().__init__()
        self.formats, self.words = formats, set()
        self.wide = f"int{2 * formats.word.bits}_t"

    def whole(self, name: str, values: NDArray[np.int64], index: str) -> str:
        """An element of a table of words."""
        if len(values) and (values == values[0]).all():
            return f"{values[0]}" if values[0] >= 0 else f"({values[0]})"
        found = self.named(name, values)
        self.words.add(found)
        return f"{found}[{index}]"

    def table(self, name: str, values: NDArray[Any], index: str) -> Value:
        """See Writer."""
        held, f = self.formats.word.held(values)
        return Value(self.whole(name, held, index), f)

    def matrix(self, name: str, values: NDArray[Any]) -> str:
        """See Writer."""
        raise AssertionError(name)

    def zero(self, what: Hashable) -> str:
        """See Writer."""
        return "0"

    def converted(self, value: Value, what: Any) -> str:
        """See Writer."""
        assert isinstance(value.what, int)
        return self._shifted(value.text, value.what - self.formats.sums[what[1], what[2]])

    def statements(
        self, where: Hashable, function: Traced, given: Sequence[Value], prefix: str, wanted: Sequence[Hashable]
    ) -> tuple[list[str], list[Value]]:
        """See Writer."""
        return self.lines(self.formats.codes[where], [one.text for one in given], prefix)

    def lines(self, code: Code, given: Sequence[str], prefix: str) -> tuple[list[str], list[Value]]:
        """Statements and results of instructions."""
        texts, lines = list(given), []
        for one in code.instructions:
            text = self._text(one, [f"({self.wide}){texts[p]}" if p < len(given) else texts[p] for p in one.of])
            if one.op != "constant":
                name = f"{prefix}{len(lines)}"
                lines.append(f"const {self.wide} {name} = {text};")
                text = name
            texts.append(text)
        return lines, [Value(texts[place]) for place in code.results]

    def _shifted(self, text: str, by: int) -> str:
        if by == 0:
            return text
        return f"rounded({text}, {by})" if by > 0 else f"({self.wide}){text} * {2**-by}"

    def _text(self, one: Instruction, of: list[str]) -> str:
        by = ", ".join(map(str, one.by))
        if one.op == "constant":
            return by if one.by[0] >= 0 else f"({by})"
        if one.op == "shift":
            return f"rounded({of[0]}, {by})" if one.by[0] > 0 else f"{of[0]} * {2 ** -one.by[0]}"
        if one.op in SIGNS:
            return f"{of[0]} {SIGNS[one.op]} {of[1]}"
        if one.op == "negative":
            return f"-{of[0]}"
        if one.op == "absolute":
            return f"{of[0]} < 0 ? -{of[0]} : {of[0]}"
        if one.op == "mix":
            return f"{of[0]} + rounded({of[1]} * ({of[2]} - {of[0]}), {by})"
        if one.op in ("divide", "clamp"):
            return f"{'quotient' if one.op == 'divide' else 'clamp'}({', '.join(of)}, {by})"
        return f"{FUNCTIONS[one.op]}({of[0]}, {by})"


def fixed(
    network: Network, name: str, number: str, trial: Trial, limits: tuple[Interval, tuple[float, float]], horizon: int
) -> tuple[Program, Bound]:
    """A network in words of 16 or 32 bits, and the bound on its error over `horizon` samples and more."""
    bits, upper = BITS[number], name.upper()
    formats = formats_of(network, bits, *limits)
    writer, machine = Fixed(formats), Integers(network, formats)
    updates = printed(network, writer, PLACES)
    low, high = machine.limits()
    before = _before(network, writer, upper, low, high)
    after, reset = _after(network, writer, upper), ["memset(s, 0, sizeof *s);"]
    for state, initial in enumerate(machine.start_states()):
        if initial.any():
            begin = writer.whole(f"initial_{state}", initial, "i")
            reset += ["for (unsigned i = 0; i < N; ++i)", f"    s->state[{state}][i] = {begin};"]
    x, dt = machine.given(trial.x), machine.times(trial.dt)
    y = machine.run(x, dt) * 2.0**-formats.y.f
    measured, bound = float(np.abs(y - trial.y).max()), bound_of(network, formats, limits[1], horizon)
    word, wide = f"int{bits}_t", f"int{2 * bits}_t"
    times = []
    for p in updates:
        m, _, by = formats.rate(network, p.piece)
        times.append(f"({wide})((((int64_t)dt * {m} >> {by - 1}) + 1) >> 1)")
    words = [
        Table(key, f"static const {word} {key}[{len(values)}]", array(values, str), len(values) * bits // 8)
        if key in writer.words
        else integers(key, values)
        for key, values in writer.tables.items()
    ]
    used = "\n".join([line for p in updates for line in [*p.lines, *(one.begin for one in p.begin)]] + before + after)
    used += "\n".join(one.begin for p in updates for stage in p.stages for one in stage.sums)
    helpers, functions = _helpers(formats, used)
    program = Program(
        types={
            "real": word,
            "sum_type": wide,
            "weight_type": word,
            "dt_type": "int32_t",
            "time_type": wide,
            "y_type": word,
        },
        updates=updates,
        tables=words + functions,
        times=times,
        reset=reset,
        before=before,
        after=after,
        helpers=helpers,
        product="",
        bias="",
        own_input=bool(len(low)),
        about=[
            f"Numbers: integers of {bits} bits, {2 * bits} on the way, all of whose ranges are proved; nothing "
            "overflows. Everything is rounded to nearest. Inputs beyond their range count as its end.",
            f"Error beside the layer: {measured:.2g} over the samples of the self-test; {bound}, "
            f"proved for dt from {limits[1][0]:g} to {limits[1][1]:g} and inputs in their range.",
        ],
        defines=[
            f"X_BITS {formats.given.f} /* an input x is the integer x * 2^{formats.given.f} */",
            f"Y_BITS {formats.y.f} /* an output y is the integer y * 2^{formats.y.f} */",
            f"DT_BITS {formats.dt.f} /* a time dt is the integer dt * 2^{formats.dt.f} */",
            f"DT_MAX {machine.times(np.array(limits[1][1]))} /* the longest dt */",
        ],
        notes=[f"All are integers: x * 2^{upper}_X_BITS, dt * 2^{upper}_DT_BITS, y * 2^{upper}_Y_BITS. "],
        test={
            "samples": len(x),
            "x": array(x if x.shape[1] else np.zeros((len(x), 1), np.int64), str),
            "dt": array(dt, str),
            "y": array(trial.y, C_DOUBLE.number),
            "got": f"y[k] * {C_DOUBLE.number(2.0**-formats.y.f)}",
            "tolerance": C_DOUBLE.number(measured * 1.000001 + 1e-15),
        },
        state_bytes=memory(network, room(updates), bool(len(low)), (bits // 8, bits // 4)),
        measured=measured,
    )
    return program, bound


def _before(network: Network, writer: Fixed, upper: str, low: NDArray[np.int64], high: NDArray[np.int64]) -> list[str]:
    """Check time, keep inputs in their range, and map them."""
    lines = [f"if (dt < 1 || dt > {upper}_DT_MAX)", f"    return {upper}_BAD_DT;"]
    if not len(low):
        return [*lines, "(void)x;"]
    value = f"clamp(x[k], {writer.whole('low', low, 'k')}, {writer.whole('high', high, 'k')})"
    body = [f"s->input[k] = {value};"]
    if network.input_map is not None:
        maps = [
            writer.table(f"input_{what}", one, "k").text for what, one in zip(("scale", "shift"), network.input_map)
        ]
        made, found = writer.lines(writer.formats.codes["input",], ["u", *maps], "a")
        body = [f"const {writer.wide} u = {value};", *made, f"s->input[k] = {found[0].text};"]
    return [*lines, f"for (unsigned k = 0; k < {upper}_INPUTS; ++k) {{", *(f"    {one}" for one in body), "}"]


def _after(network: Network, writer: Fixed, upper: str) -> list[str]:
    """Write y."""
    formats, read, m = writer.formats, writer.integers("read", network.read), len(network.read)
    body = [f"y[k] = s->state[0][{read}[k]];"]
    if network.linear is not None:
        weight, bias, _, f = projected(network, formats)
        table = writer.named("linear_weight", weight.reshape(-1))
        writer.words.add(table)
        # Biases have the format of the sum.
        start = " : ".join([*(f"k == {k} ? {value}" for k, value in enumerate(bias[:-1].tolist())), str(bias[-1])])
        body = [
            f"{writer.wide} sum = {start};",
            f"for (unsigned j = 0; j < {m}u; ++j)",
            f"    sum += ({writer.wide}){table}[k * {m}u + j] * s->state[0][{read}[j]];",
            f"y[k] = {writer._shifted('sum', f - formats.y.f)};",
        ]
    elif network.output_map is not None:
        maps = [
            writer.table(f"output_{what}", one, "k").text for what, one in zip(("scale", "shift"), network.output_map)
        ]
        made, found = writer.lines(formats.codes["output",], ["u", *maps], "a")
        body = [f"const {writer.wide} u = s->state[0][{read}[k]];", *made, f"y[k] = {found[0].text};"]
    loop = f"for (unsigned k = 0; k < {upper}_OUTPUTS; ++k) {{"
    return [loop, *(f"    {one}" for one in body), "}", f"return {upper}_OK;"]


def _helpers(formats: Formats, used: str) -> tuple[list[str], list[Table]]:
    """The functions that a program calls, and their tables."""
    word = formats.word
    found = set(re.findall(r"\b(\w+)\(", used))
    needs = {"tangent": ["tail"], "logistic": ["tail"], "tail": ["entry"], "decay": ["entry"]}
    needs |= {"entry": ["rounded", "clamp"], "quotient": ["clamp"]}
    while more := {one for name in found for one in needs.get(name, [])} - found:
        found |= more
    tables = []
    for name, key, op in (("tail", "k_logistic", "sigmoid"), ("decay", "k_decay", "exp")):
        if name in found:
            values = word.table(op)
            declared = f"static const uint{word.bits}_t {key}[{len(values)}]"
            tables.append(Table(key, declared, array(values, str), len(values) * word.bits // 8))
    told = {"w": word.bits, "wide": f"int{2 * word.bits}_t", "f": word.fraction, "third": (2**word.bits + 1) // 3}
    text = render("fixed.c.j2", "export.c", {**told, "end": word.span << word.fraction, "calls": found})
    return ["", *text.rstrip().split("\n")], tables
