"""Stepper: one sample after another without torch, against the reference engine."""

import copy
import pickle
import re
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from strategies import SEEDS, wirings

import wormnet
from wormnet import models
from wormnet.engine.cpu.stepper import Stepper
from wormnet.engine.layout import layout_of
from wormnet.engine.program import program_of
from wormnet.engine.reference import Reference
from wormnet.errors import ArgumentError, ShapeError, WormnetError
from wormnet.models import SOLVERS, Edge, Model, ParamSpec, State, Sum, Update
from wormnet.models.elementary import exp, tanh
from wormnet.models.spec import connections, shape_of
from wormnet.wiring import CHEMICAL, CURRENT, GAP, Wiring

N = 5
"""Inputs and neurons: the same number, so that a mixed-up axis is not found by its size."""


# -- a model of several states and updates -----------------------------------------------------------------------------


def open_(u, conductance):
    """A conductance to the sender."""
    return conductance * u, conductance


def d_open(u, conductance, by_drive, by_pull):
    """Its adjoints."""
    return by_drive * conductance, by_drive * u + by_pull


def weighted(u, weight):
    """A weighted sender."""
    return u * weight


def d_weighted(u, weight, by_total):
    """Its adjoints."""
    return by_total * weight, by_total * u


def coupled(v, w, drive, pull, slope):
    """A fast state and one that recovers."""
    return drive - w, pull, slope * v, 1.0


def d_coupled(v, w, slope, by_drive, by_pull, by_drive_w, by_pull_w):
    """Its adjoints."""
    return by_drive_w * slope, -by_drive, by_drive, by_pull, by_drive_w * v


def follow(s, total, rate, dt):
    """A trace of tanh(total)."""
    aim, decay = tanh(total), exp(-(rate * dt))
    return aim + decay * (s - aim), aim, decay


def d_follow(s, rate, aim, decay, dt, by_new):
    """Its adjoints."""
    by_rate = -(by_new * (s - aim) * decay * dt)
    by_total = by_new * (1.0 - decay) * (1.0 - aim * aim)
    return by_new * decay, by_total, by_rate, by_rate * rate


@dataclass(frozen=True)
class Recovering(Model):
    """v and w under a solver, all neurons at once; then s, layer by layer."""

    name: ClassVar[str] = "recovering"
    states: ClassVar[tuple[State, ...]] = (
        State("v", "1", "fast"),
        State("w", "1", "recovers"),
        State("s", "1", "trace", 0.5),
    )

    def params(self, wiring):
        """Positive, all of them, but the weights."""
        positive = {"leak": "neuron", "capacitance": "neuron", "capacitance_w": "neuron", "slope": "neuron",
                    "rate": "neuron", "conductance": "chemical", "gap_conductance": "gap"}  # fmt: skip
        specs = [ParamSpec(name, over, (0.2, 1.0), "1", "of the test", "positive") for name, over in positive.items()]
        return (*specs, ParamSpec("weight", "connection", (-1.0, 1.0), "1", "of the test"))

    def updates(self):
        """Two, of which each reads what the other sets."""
        return (
            Update(
                edges=(
                    Edge("chemical", ("conductance",), ("drive", "pull"), open_, d_open, reads="s"),
                    Edge("gap", ("gap_conductance",), ("drive", "pull"), open_, d_open),
                ),
                sums=(Sum("drive"), Sum("pull", "leak")),
                node=coupled,
                d_node=d_coupled,
                coefficients=("slope",),
                solver=SOLVERS["exponential_midpoint"],
                capacitances=("capacitance", "capacitance_w"),
                unfolds=2,
                states=("v", "w"),
            ),
            Update(
                edges=(Edge("connection", ("weight",), ("total",), weighted, d_weighted, reads="s"),),
                sums=(Sum("total"),),
                node=follow,
                d_node=d_follow,
                coefficients=("rate",),
                keeps=2,
                layered=True,
                states=("s",),
            ),
        )


# -- cases -------------------------------------------------------------------------------------------------------------


def mixed_wiring():
    """Three layers, synapses of all kinds and signs, a self-synapse; two neurons are read out."""
    rows = [
        # pre, post, kind, sign, count
        (0, 5, CHEMICAL, 1, 1), (1, 5, CHEMICAL, -1, 2), (1, 6, CHEMICAL, 0, 1), (5, 7, CHEMICAL, 1, 3),
        (6, 7, CHEMICAL, -1, 1), (7, 7, CHEMICAL, 1, 1), (7, 8, CHEMICAL, 0, 1), (8, 5, CHEMICAL, -1, 1),
        (5, 6, GAP, 0, 2), (7, 9, GAP, 0, 1), (2, 9, GAP, 0, 1), (5, 7, GAP, 0, 1),
        (3, 6, CURRENT, 1, 1), (4, 8, CURRENT, -1, 2), (0, 5, CURRENT, 0, 1),
    ]  # fmt: skip
    pre, post, kind, sign, count = zip(*rows, strict=True)
    return Wiring(N, N, outputs=[3, 0], layers=[1, 0, 2, 0, 2], pre=pre, post=post, kind=kind, sign=sign, count=count)


MIXED, DENSE = mixed_wiring(), wormnet.dense(N, N)
# More neurons and edges than fit a block, in layers that fill none.
NCP = wormnet.ncp(
    inputs=9, inter=18, command=7, motor=2, sensory_fanout=5, inter_fanout=4, recurrent_command=9, motor_fanin=4
)

CASES = {
    **{f"ltc-{solver}": (MIXED, models.LTC(unfolds=2, solver=solver), False) for solver in SOLVERS},
    "ltc-ncp": (NCP, models.LTC(unfolds=3), False),
    "ctrnn": (NCP, models.CTRNN(unfolds=2), False),
    "cfc": (NCP, models.CfC(), False),
    "cfc-pure": (MIXED, models.CfC(mode="pure"), False),
    "cfc-no-gate": (MIXED, models.CfC(mode="no_gate"), False),
    "recovering": (NCP, Recovering(), False),
    "recovering-mixed": (MIXED, Recovering(), False),
    "cfc-backbone": (DENSE, models.CfC(backbone_layers=1, backbone_units=6), False),
    "cfc-memory": (MIXED, models.CfC(mode="pure"), True),
}
TOLERANCE = {np.float32: 5e-6, np.float64: 1e-12}


@cache
def made(case, dtype=np.float32):
    """The layout of a case, and what a stepper takes beside it."""
    return drawn_for(*CASES[case], dtype)


def drawn_for(wiring, model, memory, dtype):
    """The layout of a program on a wiring, and what a stepper takes beside it."""
    generator, n = np.random.default_rng(0), wiring.n_neurons
    layout = layout_of(program_of(model, memory=memory), wiring)
    links, p = len(connections(wiring, own=model.name == "cfc").pre), {}
    for spec in model.params(wiring):
        shape = shape_of(spec, wiring, links)
        drawn = generator.random(shape) + 0.2 if spec.constraint else generator.normal(size=shape) / len(shape)
        p[spec.name] = torch.tensor(drawn.astype(dtype))
    values = {name: value.numpy() for name, value in model.coefficients(p).items()}
    if memory:
        values["lstm_weight"] = 0.4 * generator.normal(size=(4 * n, wiring.n_inputs + n)).astype(dtype)
        values["lstm_bias"] = generator.normal(size=4 * n).astype(dtype)
    initial = tuple(generator.normal(size=n).astype(dtype) for _ in layout.program.states)
    maps = {
        f"{side}_map": tuple(generator.normal(size=width).astype(dtype) for _ in range(2))
        for side, width in (("input", wiring.n_inputs), ("output", wiring.n_outputs))
    }
    return layout, values, initial, maps


def build(case, batch=None, dtype=np.float32, **options):
    """A stepper of a case."""
    layout, values, initial, maps = made(case, dtype)
    return Stepper(layout, values, initial, dtype=dtype, batch=batch, **{**maps, **options})


def samples(case, time, batch=None, dtype=np.float32):
    """x of some samples."""
    inputs = CASES[case][0].n_inputs
    rows = () if batch is None else (batch,)
    return np.random.default_rng(1).normal(size=(time, *rows, inputs)).astype(dtype)


def expected(made_of, xs, dts, dtype=np.float32):
    """Outputs (time, rows, outputs) and last states of the reference engine, xs (time, rows, inputs)."""
    layout, values, initial, maps = made_of
    (scale, shift), (out_scale, out_shift) = maps["input_map"], maps["output_map"]
    p = layout.unpack(layout.pack({name: torch.tensor(value) for name, value in values.items()}))
    states = tuple(torch.tensor(np.tile(one, (xs.shape[1], 1))) for one in initial)
    ys = []
    for x, dt in zip(xs, dts, strict=True):
        given = torch.tensor(np.concatenate([x * scale + shift, x], 1))
        times = torch.tensor(np.broadcast_to(np.asarray(dt, dtype).reshape(-1, 1), (len(x), 1)).copy())
        states = Reference(layout).step(p, states, given, times)
        ys.append(states[0].numpy()[:, layout.wiring.output_index] * out_scale + out_shift)
    return np.array(ys), [one.numpy() for one in states]


def parts(state):
    """The arrays of a state."""
    return state if isinstance(state, tuple) else (state,)


def assert_same(stepper, made_of, xs, dts, dtype=np.float32):
    """A stepper gives what the reference engine gives."""
    alone = stepper.batch is None
    y, last = expected(made_of, xs[:, None] if alone else xs, dts, dtype)
    got = np.array([stepper.step(x, dt) for x, dt in zip(xs, dts, strict=True)])
    tolerance = TOLERANCE[dtype]
    np.testing.assert_allclose(got, y[:, 0] if alone else y, rtol=tolerance, atol=tolerance)
    for one, other in zip(parts(stepper.state), last, strict=True):
        np.testing.assert_allclose(one, other[0] if alone else other, rtol=tolerance, atol=tolerance)
    assert got.dtype == dtype


# -- values ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
def test_steps_are_those_of_the_reference_engine(case):
    assert_same(build(case), made(case), samples(case, 4), [0.3, 0.05, 0.7, 0.3])


def test_in_float64_they_agree_to_its_last_digits():
    xs = samples("ltc-ncp", 3, dtype=np.float64)
    assert_same(build("ltc-ncp", dtype=np.float64), made("ltc-ncp", np.float64), xs, [0.3, 0.5, 1.0], np.float64)


@settings(max_examples=30)
@given(wirings(), SEEDS)
def test_one_sequence_steps_as_the_reference_engine_does_on_any_wiring(wiring, seed):
    made_of = drawn_for(wiring, Recovering(), False, np.float32)
    layout, values, initial, maps = made_of
    stepper = Stepper(layout, values, initial, dtype=np.float32, **maps)
    xs = np.random.default_rng(seed).normal(size=(2, wiring.n_inputs)).astype(np.float32)
    assert_same(stepper, made_of, xs, [0.4, 0.2])


@pytest.mark.parametrize(
    ("case", "batch"), [("ltc-semi_implicit", N), ("recovering-mixed", 17), ("cfc-backbone", 1), ("cfc-memory", 3)]
)
def test_rows_advance_each_by_its_own_dt(case, batch):
    dts = [np.linspace(0.1, 0.9, batch), 0.4, np.linspace(1.0, 0.2, batch)]
    assert_same(build(case, batch), made(case), samples(case, 3, batch), dts)


@pytest.mark.parametrize(("case", "batch"), [("cfc", None), ("ltc-rk4", 2), ("cfc-memory", None), ("recovering", 2)])
def test_without_numba_the_reference_engine_steps(case, batch, monkeypatch):
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    stepper = build(case, batch)
    assert_same(stepper, made(case), samples(case, 3, batch), [0.3, 0.1, 0.2])
    with pytest.raises(ArgumentError, match="finite"):
        stepper.step(np.full(stepper._shape, np.nan))


def test_a_projection_follows_the_outputs():
    weight, bias = np.arange(6.0).reshape(3, 2), np.array([1.0, 2.0, 3.0])
    stepper, plain, (x,) = build("cfc-pure", projection=(weight, bias)), build("cfc-pure"), samples("cfc-pure", 1)
    y = stepper.step(x)
    assert (y.shape, y.dtype) == ((3,), np.float32)
    np.testing.assert_allclose(y, weight @ plain.step(x) + bias, rtol=1e-5)


def test_without_maps_inputs_and_outputs_are_as_they_are():
    layout, values, initial, _ = made("cfc-pure")
    stepper = Stepper(layout, values, initial, dtype=np.float32)
    assert stepper.step(np.ones(N)).tolist() == stepper.state[[3, 0]].tolist()


def test_time_unit_divides_dt():
    stepper, plain, (x,) = (
        build("ltc-semi_implicit", time_unit=0.02),
        build("ltc-semi_implicit"),
        samples("cfc-pure", 1),
    )
    np.testing.assert_array_equal(stepper.step(x, 0.02), plain.step(x, 1.0))
    np.testing.assert_array_equal(stepper.step(x, 0.04), plain.step(x, 2.0))


def test_whole_numbers_lists_and_float64_are_taken():
    stepper, x = build("cfc-pure"), [1, 0, -2, 3, 1]
    y = stepper.step(x, 1)
    for one in (np.array(x), np.array(x, np.float64), torch.tensor(x), tuple(x), np.array(x, np.float32)[::-1][::-1]):
        stepper.reset()
        np.testing.assert_array_equal(stepper.step(one, np.float32(1)), y)


def test_a_network_without_inputs_steps():
    wiring = Wiring(0, 3, pre=[0, 1], post=[1, 2])
    model = models.CTRNN(unfolds=2)
    layout = layout_of(program_of(model), wiring)
    values = {"time_constant": np.ones(3), "bias": np.ones(3), "weight": np.ones(2)}
    assert Stepper(layout, values, (np.zeros(3),), dtype=np.float32).step([]).shape == (3,)


# -- the state ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", ["ltc-semi_implicit", "cfc", "recovering", "cfc-memory"])
def test_reset_starts_over_and_a_state_resumes(case):
    stepper, xs = build(case), samples(case, 6)
    first = [stepper.step(x) for x in xs[:3]]
    middle, rest = stepper.state, [stepper.step(x) for x in xs[3:]]
    stepper.reset()
    for one, start in zip(parts(stepper.state), made(case)[2], strict=True):
        np.testing.assert_array_equal(one, start)
    np.testing.assert_array_equal([stepper.step(x) for x in xs[:3]], first)
    stepper.state = middle
    np.testing.assert_array_equal([stepper.step(x) for x in xs[3:]], rest)


@pytest.mark.parametrize("rows", [1, [1], np.array([False, True, False]), np.array([1], np.uint8)], ids=str)
def test_single_rows_start_over(rows):
    case = "cfc-memory"
    stepper = build(case, 3)
    stepper.step(samples(case, 1, 3)[0])
    before = stepper.state
    stepper.reset(rows)
    for now, then, start in zip(stepper.state, before, made(case)[2], strict=True):
        np.testing.assert_array_equal(now[1], start)
        np.testing.assert_array_equal(now[[0, 2]], then[[0, 2]])


def test_rows_that_are_none_are_refused_and_nothing_is_reset():
    stepper = build("cfc-memory", 3)
    stepper.step(samples("cfc-memory", 1, 3)[0])
    before = stepper.state
    for rows in (3, -1, [0, 5], "abc", [[0]], 0.5, np.ones(2, bool)):
        with pytest.raises(WormnetError, match=r"rows .*; it takes rows 0 to 2"):
            stepper.reset(rows)
    stepper.reset([])
    np.testing.assert_array_equal(stepper.state, before)
    with pytest.raises(ArgumentError, match="one sequence"):
        build("cfc-pure").reset(0)


@pytest.mark.parametrize("case", ["ltc-semi_implicit", "cfc-memory"])
def test_outputs_and_states_that_were_handed_out_do_not_change(case):
    stepper, (x, other) = build(case), samples(case, 2)
    y, state = stepper.step(x), stepper.state
    kept = y.copy(), [one.copy() for one in parts(state)]
    stepper.step(other)
    np.testing.assert_array_equal(y, kept[0])
    for one, then in zip(parts(state), kept[1], strict=True):
        np.testing.assert_array_equal(one, then)


@pytest.mark.parametrize(
    "copied",
    [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))],
    ids=["copy", "deepcopy", "pickle"],
)
@pytest.mark.parametrize(("case", "batch"), [("recovering", None), ("cfc-memory", 3)])
def test_a_copy_goes_on_by_itself(copied, case, batch):
    size = len(made(case)[0].wiring.output_index)
    projection = (np.ones((4, size)), np.arange(4.0))
    stepper, xs = build(case, batch, time_unit=0.5, projection=projection), samples(case, 3, batch)
    stepper.step(xs[0])
    other, before = copied(stepper), stepper.state
    y = [other.step(x, 0.3) for x in xs[1:]]
    np.testing.assert_array_equal(stepper.state, before)
    np.testing.assert_array_equal([stepper.step(x, 0.3) for x in xs[1:]], y)
    other.reset()
    np.testing.assert_array_equal(parts(other.state)[0], np.broadcast_to(made(case)[2][0], parts(before)[0].shape))


# -- new numbers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("case", "batch"), [("cfc", None), ("cfc-memory", 3)])
def test_update_takes_new_numbers_and_keeps_the_state(case, batch):
    layout, values, initial, maps = made(case)
    doubled = {name: value * 2 for name, value in values.items()}
    scale = tuple(one + 1 for one in maps["output_map"])
    stepper, (x, other) = build(case, batch), samples(case, 2, batch)
    stepper.step(x)
    state = stepper.state
    stepper.update(doubled, output_map=scale, initial=tuple(one + 1 for one in initial))
    np.testing.assert_array_equal(stepper.state, state)
    fresh = Stepper(layout, doubled, initial, dtype=np.float32, batch=batch, **{**maps, "output_map": scale})
    fresh.state = state
    np.testing.assert_array_equal(stepper.step(other), fresh.step(other))
    stepper.reset()
    np.testing.assert_array_equal(parts(stepper.state)[0], np.broadcast_to(initial[0] + 1, parts(state)[0].shape))


def test_update_of_one_coefficient_leaves_the_others():
    _, values, _, _ = made("cfc-pure")
    one, other, (x,) = build("cfc-pure"), build("cfc-pure"), samples("cfc-pure", 1)
    one.update({"A": values["A"] + 1})
    other.update({**values, "A": values["A"] + 1})
    np.testing.assert_array_equal(one.step(x), other.step(x))
    assert not np.array_equal(one.step(x), build("cfc-pure").step(x))


@pytest.mark.parametrize(("case", "batch"), [("cfc", None), ("cfc-memory", 3)])
def test_numbers_are_a_copy_that_makes_another_stepper_the_same(case, batch):
    layout, values, initial, maps = made(case)
    given = {name: value * 2 for name, value in values.items()}
    doubled = Stepper(layout, given, initial, dtype=np.float32, batch=batch, **maps)
    other, (x,) = build(case, batch), samples(case, 1, batch)
    numbers = doubled.numbers
    other.update(**numbers)
    other.reset()
    for one in numbers["coefficients"].values():
        one[:] = 0
    y = doubled.step(x)
    np.testing.assert_array_equal(other.step(x), y)
    assert not np.array_equal(y, build(case, batch).step(x))


def test_a_stepper_holds_numbers_of_its_own():
    layout, values, initial, maps = made("cfc-pure")
    given = {name: value.copy() for name, value in values.items()}
    stepper, (x,) = Stepper(layout, given, initial, dtype=np.float32, **maps), samples("cfc-pure", 1)
    for value in given.values():
        value *= 2
    np.testing.assert_array_equal(stepper.step(x), build("cfc-pure").step(x))


def test_numbers_that_do_not_fit_are_refused_and_nothing_changes():
    stepper, same, (x,) = build("cfc-pure"), build("cfc-pure"), samples("cfc-pure", 1)
    _, values, initial, _ = made("cfc-pure")
    for wrong, text in (
        ({"coefficients": {"AA": np.ones(N)}}, "unknown coefficient of the stepper 'AA'"),
        ({"coefficients": {"A": np.ones(4)}}, r"coefficient A as \(4,\); on this wiring it takes \(5,\)"),
        ({"coefficients": {"A": np.array([1, 2, np.nan, 4, 5])}}, r"coefficient A holds nan at \(2,\)"),
        ({"coefficients": {"A": "abc"}}, "coefficient A is 'abc'; it takes numbers"),
        ({"initial": initial[0]}, "one for each state"),
        ({"initial": (np.ones(4),)}, r"initial v has shape \(4,\); it takes \(5,\)"),
        ({"input_map": np.ones(N)}, "a pair of arrays: scale and shift"),
        ({"output_map": (np.ones(2), np.ones(3))}, r"shift of output_map has shape \(3,\); it takes \(2,\)"),
        ({"projection": (np.ones(2), np.ones(2))}, "projection is"),
    ):
        with pytest.raises(WormnetError, match=text):
            stepper.update(**{"coefficients": {"A": values["A"] * 2}, **wrong})
    np.testing.assert_array_equal(stepper.step(x), same.step(x))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"batch": 0}, "batch is 0"),
        ({"batch": 1.5}, "batch is 1.5"),
        ({"time_unit": 0}, "time_unit is 0; it takes one number, finite and > 0"),
        ({"time_unit": "abc"}, "time_unit is 'abc'"),
        ({"dtype": np.float16}, "dtype is float16; the stepper takes float32 or float64"),
    ],
)
def test_options_that_do_not_exist_are_refused(options, text):
    layout, values, initial, _ = made("cfc-pure")
    with pytest.raises(ArgumentError, match=text):
        Stepper(layout, values, initial, **{"dtype": np.float32, **options})


# -- numbers of their own for each row ---------------------------------------------------------------------------------


def of_each_row(case, rows, dtype=np.float32):
    """Coefficients, initial states and maps with an axis of rows in front, all different."""
    _, values, initial, maps = made(case, dtype)
    generator = np.random.default_rng(2)

    def varied(value):
        return value * generator.uniform(0.5, 1.5, (rows, *value.shape)).astype(dtype)

    coefficients = {name: varied(value) for name, value in values.items()}
    own_maps = {name: tuple(varied(one) for one in pair) for name, pair in maps.items()}
    outputs = len(maps["output_map"][0])
    own_maps["projection"] = varied(np.ones((3, outputs), dtype)), varied(np.ones(3, dtype))
    return coefficients, tuple(varied(one) for one in initial), own_maps


def one_by_one(case, given, dtype=np.float32):
    """A stepper for each row."""
    coefficients, initial, maps = given
    layout = made(case, dtype)[0]
    return [
        Stepper(
            layout,
            {name: value[row] for name, value in coefficients.items()},
            tuple(one[row] for one in initial),
            dtype=dtype,
            **{name: tuple(one[row] for one in pair) for name, pair in maps.items()},
        )
        for row in range(len(initial[0]))
    ]


def per_row(case, given, dtype=np.float32):
    """A stepper of all rows that has taken them by `update`."""
    coefficients, initial, maps = given
    stepper = build(
        case,
        len(initial[0]),
        dtype,
        per_row=True,
        projection=(np.ones((3, maps["projection"][0].shape[-1])), np.zeros(3)),
    )
    stepper.update(coefficients, initial=initial, **maps)
    stepper.reset()
    return stepper


def assert_rows_are(stepper, singles, xs, dts, tolerance):
    """Every row does what a stepper of its own does."""
    for x, dt in zip(xs, dts, strict=True):
        y = stepper.step(x, dt)
        wanted = [one.step(*given) for one, *given in zip(singles, x, dt, strict=True)]
        np.testing.assert_allclose(y, wanted, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    ("case", "rows", "dtype"),
    [
        ("ltc-semi_implicit", 19, np.float32),
        ("ctrnn", 16, np.float32),
        ("cfc", 5, np.float32),
        ("cfc-backbone", 17, np.float32),
        ("cfc-memory", 18, np.float32),
    ],
)  # fmt: skip
def test_rows_with_numbers_of_their_own_step_as_steppers_of_their_own(case, rows, dtype):
    given = of_each_row(case, rows, dtype)
    stepper, singles, xs = per_row(case, given, dtype), one_by_one(case, given, dtype), samples(case, 4, rows, dtype)
    dts = np.random.default_rng(3).uniform(0.1, 0.9, (4, rows))
    assert_rows_are(stepper, singles, xs[:2], dts[:2], TOLERANCE[dtype])
    stepper.reset([1])
    singles[1].reset()
    assert_rows_are(stepper, singles, xs[2:], dts[2:], TOLERANCE[dtype])


@pytest.mark.parametrize("case", ["cfc", "ltc-semi_implicit", "cfc-backbone", "cfc-memory"])
def test_without_numba_too_rows_have_numbers_of_their_own(case, monkeypatch):
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    given = of_each_row(case, 3)
    dts = np.random.default_rng(3).uniform(0.1, 0.9, (2, 3))
    assert_rows_are(per_row(case, given), one_by_one(case, given), samples(case, 2, 3), dts, TOLERANCE[np.float32])


@pytest.mark.parametrize("case", ["ltc-semi_implicit", "cfc-memory"])
def test_numbers_without_an_axis_of_rows_are_those_of_all_rows(case):
    own, shared, (x, other) = build(case, 18, per_row=True), build(case, 18), samples(case, 2, 18)
    np.testing.assert_array_equal(own.step(x), shared.step(x))
    doubled = {name: value * 2 for name, value in made(case)[1].items()}
    own.update(doubled), shared.update(doubled)
    np.testing.assert_array_equal(own.step(other), shared.step(other))


def test_some_coefficients_of_each_row_leave_the_others_and_the_state():
    case, rows = "ltc-semi_implicit", 3
    _, values, _, _ = made(case)
    leaks = np.stack([values["leak"] * (1 + row) for row in range(rows)])
    stepper, (x, other) = build(case, rows, per_row=True), samples(case, 2, rows)
    singles = [build(case) for _ in range(rows)]
    for one, row in zip(singles, x, strict=True):
        one.step(row)
    stepper.step(x)
    stepper.update({"leak": leaks})
    for one, leak in zip(singles, leaks, strict=True):
        one.update({"leak": leak})
    assert_rows_are(stepper, singles, [other], [[1.0] * rows], TOLERANCE[np.float32])


def test_a_pickled_copy_keeps_the_numbers_of_each_row():
    case = "cfc-memory"
    stepper, xs = per_row(case, of_each_row(case, 3)), samples(case, 2, 3)
    stepper.step(xs[0])
    other = pickle.loads(pickle.dumps(stepper))
    np.testing.assert_array_equal(other.step(xs[1]), stepper.step(xs[1]))
    other.reset(), stepper.reset()
    np.testing.assert_array_equal(other.state, stepper.state)


def test_a_layer_gives_a_stepper_for_a_population():
    rnn = wormnet.LTC(MIXED)
    stepper, x = rnn.stepper(3, per_row=True), np.ones((3, N), np.float32)
    np.testing.assert_allclose(stepper.step(x)[1], rnn.stepper().step(x[1]), rtol=5e-6)
    with pytest.raises(ArgumentError, match="per_row is True with batch=None"):
        rnn.stepper(per_row=True)


def test_numbers_that_fit_no_rows_are_refused_and_nothing_changes():
    case, rows = "cfc-pure", 3
    stepper, same, (x,) = build(case, rows, per_row=True), build(case, rows), samples(case, 1, rows)
    for wrong, text in (
        ({"coefficients": {"A": np.ones((4, N))}}, r"coefficient A has shape \(4, 5\); .* rows in front are 3"),
        ({"coefficients": {"A": np.ones((3, 4))}}, r"coefficient A as \(4,\); on this wiring it takes \(5,\)"),
        ({"coefficients": {"A": np.ones((1, 3, N))}}, "coefficient A"),
        ({"coefficients": {"A": 1.0}}, "coefficient A"),
        ({"initial": (np.ones((4, N)),)}, r"initial v has shape \(4, 5\); it takes \(5,\), or \(3, 5\)"),
        ({"input_map": (np.ones(N), np.ones((2, N)))}, r"it takes \(5,\), or \(3, 5\)"),
        ({"projection": (np.ones((3, 1, 2)), np.ones((2, 1)))}, r"it takes \(1,\), or \(3, 1\)"),
    ):
        with pytest.raises(WormnetError, match=text):
            stepper.update(**wrong)
    np.testing.assert_array_equal(stepper.step(x), same.step(x))
    with pytest.raises(ArgumentError, match=r"coefficient A as \(3, 5\); on this wiring it takes \(5,\)"):
        same.update({"A": np.ones((3, N))})


# -- what is refused ---------------------------------------------------------------------------------------------------


class Odd:
    """Breaks wherever it is used."""

    def __array__(self, *_, **__):
        raise RuntimeError

    def __repr__(self):
        raise RuntimeError


@pytest.mark.parametrize(("case", "batch"), [("ltc-semi_implicit", None), ("cfc-backbone", None), ("cfc-memory", 3)])
def test_what_is_no_sample_is_refused_and_the_state_stays(case, batch):
    stepper, (x, _) = build(case, batch), samples(case, 2, batch)
    same = build(case, batch)
    stepper.step(x), same.step(x)
    before, shape = stepper.state, x.shape
    where = "0" if batch is None else "0, 0"
    for wrong in ("abc", None, Odd(), {}, [[1], [1, 2]], x * 1j, np.full(shape, None), [10**400] * N):
        with pytest.raises(ArgumentError, match=r"x is .*; it takes numbers"):
            stepper.step(wrong)
    for wrong in (np.ones(4), 1.0, x[..., None], np.ones((7, *shape)), []):
        with pytest.raises(ShapeError, match=r"x has shape .*; the stepper takes one sample"):
            stepper.step(wrong)
    for number in (np.nan, np.inf, -np.inf, 1e300):
        wrong = x.astype(np.float64)
        wrong[(0,) * x.ndim] = number
        with pytest.raises(ArgumentError, match=rf"x\[{where}\] is {re.escape(str(number))}; .* finite in float32"):
            stepper.step(wrong)
    for dt in (0, -1.0, float("nan"), float("inf"), 1e-300, 1e300):
        with pytest.raises(ArgumentError, match=r"dt is .*; it is the time since the previous sample"):
            stepper.step(x, dt)
    for dt in (None, "abc", "1.0", 10**400, 10**5000, 1j, [], [1.0, 2.0], Odd(), np.ones((3, 1)), [[1], [1, 2]]):
        with pytest.raises(WormnetError, match=r"dt (is|has) "):
            stepper.step(x, dt)
    for one, then in zip(parts(stepper.state), parts(before), strict=True):
        np.testing.assert_array_equal(one, then)
    np.testing.assert_array_equal(stepper.step(x), same.step(x))


def test_a_wrong_place_among_rows_is_named():
    stepper = build("cfc-memory", 3)
    x = samples("cfc-memory", 1, 3)[0]
    with pytest.raises(ArgumentError, match=r"dt\[1\] is -2.0"):
        stepper.step(x, [1.0, -2.0, 1.0])
    x[2, 4] = np.inf
    with pytest.raises(ArgumentError, match=r"x\[2, 4\] is inf"):
        stepper.step(x)


@pytest.mark.parametrize(("case", "batch"), [("ltc-euler", None), ("ltc-semi_implicit", N)])
def test_a_sample_that_would_make_a_state_infinite_is_refused_and_the_state_stays(case, batch):
    layout, values, initial, _ = made(case)
    # Neuron 1 takes a current from input 3, and neuron 0 has a gap junction with it.
    stepper = Stepper(layout, values, initial, dtype=np.float32, batch=batch, input_map=(np.full(N, 3e38), np.zeros(N)))
    x = np.zeros(stepper._shape, np.float32)
    stepper.step(x)
    before = stepper.state
    x[..., 3] = 3.0
    with pytest.raises(ArgumentError, match=r"the state of neuron [01]( \(row 0\))? leaves what float32 holds"):
        stepper.step(x)
    np.testing.assert_array_equal(stepper.state, before)
    x[:] = 0
    assert np.isfinite(stepper.step(x)).all()


@pytest.mark.parametrize("case", ["cfc-pure", "cfc-memory"])
def test_what_is_no_state_is_refused_and_the_state_stays(case):
    stepper = build(case)
    before = stepper.state
    good = np.zeros(N)
    for wrong in (np.zeros(4), None, "abc", np.full(N, np.nan), (good,) * 3, (good, np.full(N, np.inf)), Odd()):
        with pytest.raises(WormnetError, match="state"):
            stepper.state = wrong
    for one, then in zip(parts(stepper.state), parts(before), strict=True):
        np.testing.assert_array_equal(one, then)
