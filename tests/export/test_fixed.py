"""Fixed point: no floating number, integers that are told before, and errors below what is proved."""

import platform
import re
from fractions import Fraction

import numpy as np
import pytest
import torch
from exports import STRICT, Driven, compiler, layer, on_cortex_m4, ran, self_test
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import SEEDS, wirings

import wormnet
from wormnet import export, models
from wormnet.errors import ArgumentError, ShapeError
from wormnet.export.c_fixed import BITS
from wormnet.export.fixed import Word, halved, quotient
from wormnet.export.fixed_error import bound_of
from wormnet.export.fixed_step import Integers, formats_of
from wormnet.export.network import network_of
from wormnet.models.interval import Interval
from wormnet.wiring import CHEMICAL

CASES = ("ltc", "ltc-ncp", "cfc", "cfc-no-gate", "cfc-dense", "ctrnn", "graded-semi_implicit")
KINDS = {16: ("int16_t", np.int16), 32: ("int32_t", np.int32)}
INTEGERS = st.integers(-(2**40), 2**40)


@given(INTEGERS, st.integers(-8, 20), st.integers(1, 2**15))
def test_rounding_is_to_nearest(v, by, d):
    assert halved(v, by) == (Fraction(v) / Fraction(2) ** by + Fraction(1, 2)).__floor__()
    exact = Fraction(v, d)
    found = int(quotient(np.int64(v), np.int64(d), 0, -(2**41), 2**41))
    assert abs(found - exact) <= Fraction(1, 2)
    assert found == -int(quotient(np.int64(-v), np.int64(d), 0, -(2**41), 2**41))
    limited = int(quotient(np.int64(v), np.int64(d), 2, -5, 7))
    assert abs(limited - min(max(4 * exact, Fraction(-5)), Fraction(7))) <= Fraction(1, 2) + Fraction(4, d)


@pytest.mark.parametrize("op", ["sigmoid", "tanh", "exp"])
def test_every_value_of_the_short_tables_is_within_its_bound(op):
    """All arguments there are."""
    word = Word(16)
    end = (word.span + 1) << word.fraction
    x = np.arange(-end, 1 if op == "exp" else end + 1)
    assert np.abs(looked_up(word, op, x)[1]).max() <= word.table_error(op)


@pytest.mark.parametrize("op", ["sigmoid", "tanh", "exp"])
def test_the_long_tables_are_within_their_bound(op):
    """Everywhere, and densely around the points half way between two entries, where the series is worst."""
    word, rng = Word(32), np.random.default_rng(0)
    end = (word.span + 1) << word.fraction
    half = ((np.arange(-8 << word.steps, 8 << word.steps) << (word.bits - 1)) + (1 << (word.bits - 2)))[:, None]
    x = np.concatenate([rng.integers(-end, end, 300_000), (half + np.arange(-50, 50)).ravel()])
    x = -np.abs(x) if op == "exp" else x
    assert np.abs(looked_up(word, op, x)[1]).max() <= word.table_error(op)


def looked_up(word, op, x):
    """What the table gives, and how far it errs."""
    by = 0
    value = word.looked_up(op, x, by) * 2.0 ** -(word.bits - (op == "exp"))
    at = x * 2.0**-word.fraction
    if op == "tanh":
        at = at / 2  # the table takes 2 x
    exact = {"sigmoid": lambda u: 1 / (1 + np.exp(-u)), "tanh": np.tanh, "exp": np.exp}[op](at)
    return value, value - exact


def exported(network, bits, x_range, dt_range):
    formats = formats_of(network, bits, Interval.of(*x_range), dt_range)
    return formats, Integers(network, formats)


MODELS = (
    models.LTC(unfolds=2),
    models.LTC(unfolds=1, input_map=None, output_map="linear"),
    models.CTRNN(unfolds=3),
    models.CfC(),
    models.CfC(mode="no_gate"),
)


@pytest.mark.filterwarnings("ignore::wormnet.errors.BlindOutputWarning")
@settings(max_examples=15)
@given(
    wirings(inputs=(1, 3), neurons=(1, 5), kinds=(CHEMICAL,), outputs=(1, None)),
    st.sampled_from(MODELS),
    st.sampled_from([16, 32]),
    SEEDS,
)
def test_the_error_is_below_the_bound_after_every_sample(wiring, model, bits, seed):
    """Random circuits, parameters, inputs at the ends of their range as often as within, and irregular times."""
    torch.manual_seed(seed % 2**31)
    rng = np.random.default_rng(seed)
    rnn = wormnet.Recurrent(wiring, model, backend="reference", dtype=torch.float64, time_unit=0.5)
    with torch.no_grad():
        for value in rnn.parameters():
            value.mul_(1 + 0.3 * torch.randn_like(value))
    network, times = network_of(rnn), (0.05, 0.4)
    low = -rng.uniform(0.1, 3, wiring.n_inputs)
    high = rng.uniform(0.1, 3, wiring.n_inputs)
    formats, integers = exported(network, bits, (low, high), times)
    bound = bound_of(network, formats, times, 40)
    x = np.clip(rng.uniform(low - 1, high + 1, (40, wiring.n_inputs)), low, high)
    dt = np.clip(rng.uniform(0.0, 0.5, 40), *times)
    expected, states = network.run(x, dt)
    error = np.abs(integers.run(integers.given(x), integers.times(dt)) * 2.0**-formats.y.f - expected)
    assert (error <= bound.steps + 1e-12).all()
    if bound.ever is not None:
        assert (bound.steps <= bound.ever * (1 + 1e-6)).all()
    for state, fix in zip(states, formats.states, strict=True):
        assert (state >= fix.range.lo).all()
        assert (state <= fix.range.hi).all()


@pytest.mark.parametrize("number", ["q15", "q31"])
def test_a_circuit_without_loops_is_bounded_for_ever_and_tightly(number, tmp_path):
    """Its potentials relax, so that errors fade: the bound does not grow with the samples."""
    wiring = wormnet.Wiring(["a", "b"], ["n0", "n1"], pre=[0, 1, 2], post=[2, 2, 3])
    torch.manual_seed(0)
    rnn = wormnet.LTC(wiring, backend="reference", unfolds=2)
    rnn.set_values(leak=0.5)
    made = export.c(rnn, tmp_path / "net.c", number=number, x_range=(-1, 1), dt_range=(0.5, 1.0), horizon=300)
    assert made.proved.ever is not None
    assert made.measured <= made.proved.largest <= 300 * 2.0 ** -(BITS[number] - 2)
    assert "after any number of samples" in " ".join((tmp_path / "net.c").read_text().replace(" * ", " ").split())


@pytest.mark.parametrize("number", ["q15", "q31"])
@pytest.mark.parametrize("case", CASES)
def test_the_program_is_the_integers_bit_for_bit(case, number, tmp_path):
    """Inputs beyond their range too, which count as its end."""
    bits = BITS[number]
    rnn = layer(case)
    times = (0.1 * rnn.time_unit, 1.0 * rnn.time_unit)
    made = export.c(rnn, tmp_path / "net.c", number=number, x_range=(-1, 1), horizon=3)
    kind = KINDS[bits]
    net = Driven(tmp_path, x=kind, dt=KINDS[32], y=kind)
    assert net.size == made.state_bytes
    ends = np.full((2, rnn.n_inputs), [[-1.0], [1.0]])
    _, integers = exported(network_of(rnn), bits, ends, times)
    rng = np.random.default_rng(1)
    x = integers.given(rng.uniform(-1.3, 1.3, (200, rnn.n_inputs))).clip(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    dt = integers.times(rng.uniform(*times, 200))
    assert np.array_equal(net(x, dt, rnn.n_outputs), integers.run(x, dt))


def test_no_floating_number_is_left(tmp_path):
    """Nor a register for one: the compiler is not allowed any."""
    compiler()
    export.c(layer("ltc-ncp"), tmp_path / "net.c", number="q31", x_range=(-1, 1), horizon=3)
    step = (tmp_path / "net.c").read_text().split("#ifdef NET_SELF_TEST")[0]
    assert not re.search(r"\b(float|double)\b|\d\.\d|math\.h|malloc", re.sub(r"/\*.*?\*/", "", step, flags=re.S))
    if platform.machine() in ("x86_64", "aarch64"):
        ran("gcc", *STRICT, "-mgeneral-regs-only", "-c", tmp_path / "net.c", "-o", tmp_path / "net.o")


@pytest.mark.parametrize("number", ["q15", "q31"])
@pytest.mark.parametrize("case", ["ltc-ncp", "cfc"])
def test_the_self_test_passes_without_undefined_behaviour(case, number, tmp_path):
    compiler()
    export.c(layer(case), tmp_path / "net.c", number=number, x_range=(-1, 1), horizon=3)
    checked = ("-fsanitize=undefined", "-fno-sanitize-recover=all")
    assert "allowed" in ran(self_test(tmp_path / "net.c", tmp_path, *checked))


@pytest.mark.parametrize("number", ["q15", "q31"])
@pytest.mark.parametrize("case", ["ltc-ncp", "cfc", "ctrnn"])
def test_it_passes_its_self_test_on_a_cortex_m4(case, number, tmp_path):
    """To the last bit: the error allowed is the one that the integers have."""
    export.c(layer(case), tmp_path / "net.c", number=number, x_range=(-1, 1), horizon=3)
    on_cortex_m4(tmp_path)


def test_a_head_and_samples_of_ones_own(tmp_path):
    rnn = layer("ltc-ncp")
    rng = np.random.default_rng(0)
    x, dt = rng.uniform(0, 2, (30, rnn.n_inputs)), np.full(30, 0.25)
    made = export.c(rnn, tmp_path / "net.c", number="q31", head=torch.nn.Linear(rnn.n_outputs, 3), x=x, dt=dt)
    assert made.measured <= made.proved.steps[:30].max()
    assert made.measured <= 1e-6
    assert "allowed" in ran(self_test(tmp_path / "net.c", tmp_path))


def test_times_beyond_their_range_are_refused(tmp_path):
    rnn = layer("ctrnn")
    export.c(rnn, tmp_path / "net.c", number="q15", x_range=(-1, 1), dt_range=(0.1, 0.2), horizon=3)
    net = Driven(tmp_path, x=KINDS[16], dt=KINDS[32], y=KINDS[16])
    longest = int(re.search(r"NET_DT_MAX (\d+)", (tmp_path / "net.h").read_text())[1])
    x = np.zeros((1, rnn.n_inputs))
    net(x, np.array([longest]), rnn.n_outputs)
    for wrong in (longest + 1, 0, -1):
        with pytest.raises(AssertionError, match="code 1"):
            net(x, np.array([wrong]), rnn.n_outputs)


def test_what_cannot_be_bounded_is_refused_in_one_sentence_and_writes_nothing(tmp_path):
    rnn = layer("ltc")
    ends = {"number": "q15", "x_range": (-1, 1)}
    for given_layer, options, match in (
        (rnn, {"number": "q15"}, r"needs to know how large inputs get; give x_range=\(low, high\)"),
        (rnn, {"number": "float", "x_range": (-1, 1)}, "are of fixed point"),
        (rnn, {"number": "q15", "x_range": (1, -1)}, "finite numbers low <= high"),
        (rnn, {**ends, "dt_range": (0.0, 1.0)}, "0 < shortest <= longest"),
        (rnn, {**ends, "x": np.full((3, rnn.n_inputs), 2.0)}, "x holds inputs beyond x_range"),
        (rnn, {**ends, "horizon": 0}, "horizon is 0"),
        (layer("ltc-euler"), ends, "a solver whose steps have no bound"),
        (layer("ltc-midpoint"), ends, "fixed point has no where_less"),
        (layer("cfc-backbone"), ends, "this one has matrices"),
        (layer("ltc-memory"), ends, "this one has matrices"),
    ):
        with pytest.raises(ArgumentError, match=match):
            export.c(given_layer, tmp_path / "net.c", **options)
    takes = r"it takes \(low, high\): numbers, or arrays \(5,\)"
    for options, match in (
        ({"x_range": ([0.0, 1.0], 3.0)}, takes),
        ({"x_range": (-1, 0, 1)}, takes),
        ({"x": np.zeros((5, 4))}, r"x has shape \(5, 4\); it takes one sequence: \(time, 5\)"),
        ({"x": np.zeros((0, 5))}, r"x has shape \(0, 5\); it takes one sequence: \(time, 5\)"),
        ({"x": np.zeros((3, 5)), "dt": []}, r"dt has shape \(0,\)"),
    ):
        with pytest.raises(ShapeError, match=match):
            export.c(rnn, tmp_path / "net.c", number="q31", **options)
    with pytest.raises(ArgumentError, match="x holds nan; it takes finite numbers"):
        export.c(rnn, tmp_path / "net.c", number="q31", x=np.full((3, 5), np.nan))
    assert list(tmp_path.iterdir()) == []
