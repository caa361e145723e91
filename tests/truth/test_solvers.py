"""Solvers against exact solutions, the order that they claim and the bound that they keep, on every engine."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from accuracy import UNFOLDS, cells_error, rows, shown
from cases import MIXED
from equations import ctrnn_velocity, ltc_pull, ltc_velocity
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import ENGINES, drawn, run
from scipy.integrate import solve_ivp
from strategies import wirings

from wormnet import models
from wormnet.models import CTRNN, LTC, SOLVERS
from wormnet.wiring import CHEMICAL, CURRENT, GAP, Wiring

BOUNDED = [name for name, solver in SOLVERS.items() if solver.bounded]
STEPS = np.array([8, 16, 32, 64])


def measured_order(error_of, steps=STEPS):
    """How the error falls with the number of sub-steps: the slope of a log-log fit."""
    errors = np.array([error_of(int(unfolds)) for unfolds in steps])
    assert (errors > 1e-15).all(), "too exact to measure an order"
    return -np.polyfit(np.log(steps), np.log(errors), 1)[0]


def values(**p):
    return {name: torch.tensor(value, dtype=torch.float64).reshape(-1) for name, value in p.items()}


NO_SYNAPSE = values(conductance=[], slope=[], midpoint=[], reversal=[])


def after(model, wiring, p, x, v, dt, engine="reference"):
    """The states after one sample, (neurons,)."""
    x, v = (torch.tensor(one, dtype=torch.float64) for one in (x, v))
    return run(model, wiring, p, x.reshape(1, 1, -1), [v.reshape(1, -1)], dt, engine=engine)[1][0][0].numpy()


def leak_only(unfolds, solver, v, dt, engine="reference"):
    p = NO_SYNAPSE | values(capacitance=0.5, leak=0.8, v_leak=-0.3)
    return after(LTC(unfolds=unfolds, solver=solver), Wiring(0, 1), p, [], v, dt, engine)[0]


def relaxed(v, dt, capacitance=0.5, leak=0.8, v_leak=-0.3):
    return v_leak + (v - v_leak) * math.exp(-dt * leak / capacitance)


@pytest.mark.parametrize("solver", ["semi_implicit", "euler", "rk4"])
def test_a_neuron_with_a_leak_alone_converges_to_the_exact_exponential_at_the_claimed_order(solver):
    order = measured_order(lambda unfolds: abs(leak_only(unfolds, solver, 1.7, 1.3) - relaxed(1.7, 1.3)))
    assert order == pytest.approx(SOLVERS[solver].order, abs=0.1)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("solver", ["exponential_euler", "exponential_midpoint"])
def test_exponential_solvers_are_exact_for_a_leak_alone(solver, engine):
    for dt in (1e-6, 0.02, 0.15, 0.16, 0.3, 1.3, 40.0):  # on both sides of where a series takes over
        for unfolds in (1, 3):
            assert leak_only(unfolds, solver, 1.7, dt, engine) == pytest.approx(relaxed(1.7, dt), rel=1e-14)


def test_the_semi_implicit_step_of_a_leak_alone_is_the_published_formula():
    h = 1.3 / 6
    v = 1.7
    for _ in range(6):
        v = (0.5 / h * v + 0.8 * -0.3) / (0.5 / h + 0.8)
    assert leak_only(6, "semi_implicit", 1.7, 1.3) == pytest.approx(v, rel=1e-14)


def small(model):
    """Parameters and a sample for a wiring with every kind of synapse, and where they lead, to 1e-13."""
    generator = torch.Generator().manual_seed(4)
    x, v = torch.randn(2, 5, generator=generator, dtype=torch.float64).numpy()
    p = drawn(model, MIXED, 11)
    velocity = {"ltc": ltc_velocity, "ctrnn": ctrnn_velocity}[model.name]
    plain = {name: value.numpy() for name, value in p.items()}
    solved = solve_ivp(lambda _, v: velocity(MIXED, plain, x, v), (0, 0.5), v, method="DOP853", rtol=1e-13, atol=1e-14)
    return p, x, v, solved.y[:, -1]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("solver", SOLVERS)
def test_every_solver_converges_at_the_order_it_claims(solver, engine):
    p, x, v, truth = small(LTC())

    def error_of(unfolds):
        return np.abs(after(LTC(solver=solver, unfolds=unfolds), MIXED, p, x, v, 0.5, engine) - truth).max()

    steps = STEPS if solver == "rk4" else 4 * STEPS
    assert measured_order(error_of, steps) == pytest.approx(SOLVERS[solver].order, abs=0.2)


@pytest.mark.parametrize("solver", SOLVERS)
def test_every_solver_of_rate_neurons_converges_at_the_order_it_claims(solver):
    p, x, v, truth = small(CTRNN())

    def error_of(unfolds):
        return np.abs(after(CTRNN(solver=solver, unfolds=unfolds), MIXED, p, x, v, 0.5) - truth).max()

    steps = STEPS if solver == "rk4" else 4 * STEPS
    assert measured_order(error_of, steps) == pytest.approx(SOLVERS[solver].order, abs=0.2)


def gap_pair(solver, unfolds, v, dt=0.9):
    """Without leak the difference decays at w (1 / c1 + 1 / c2), and the charge c1 v1 + c2 v2 stands still."""
    p = NO_SYNAPSE | values(capacitance=[0.5, 2.0], leak=[0.0, 0.0], v_leak=[0.0, 0.0], gap_conductance=0.7)
    return after(LTC(solver=solver, unfolds=unfolds), Wiring(0, 2, pre=[0], post=[1], kind=GAP), p, [], v, dt)


@pytest.mark.parametrize("solver", SOLVERS)
def test_two_neurons_joined_by_a_gap_junction_converge_to_their_closed_form(solver):
    v, decay = np.array([1.0, -0.5]), math.exp(-0.9 * 0.7 * (1 / 0.5 + 1 / 2.0))
    mean = (0.5 * v[0] + 2.0 * v[1]) / 2.5
    expected = mean + (v[0] - v[1]) * decay * np.array([2.0, -0.5]) / 2.5
    order = measured_order(lambda unfolds: np.abs(gap_pair(solver, unfolds, v) - expected).max())
    assert order == pytest.approx(SOLVERS[solver].order, abs=0.2)


@pytest.mark.parametrize("solver", ["euler", "rk4"])
def test_a_gap_junction_moves_charge_and_makes_none(solver):
    """Explicit solvers conserve it exactly; the others treat the two ends unalike and do so in the limit alone."""
    v, capacitance = np.array([1.0, -0.5]), np.array([0.5, 2.0])
    moved = gap_pair(solver, 2, v)
    assert not np.allclose(moved, v, atol=0.1)
    assert ((moved - v) * capacitance).sum() == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("solver", BOUNDED)
def test_bounded_solvers_lose_charge_at_their_order_alone(solver):
    v, capacitance = np.array([1.0, -0.5]), np.array([0.5, 2.0])
    order = measured_order(lambda unfolds: abs(((gap_pair(solver, unfolds, v) - v) * capacitance).sum()))
    assert order == pytest.approx(SOLVERS[solver].order, abs=0.1)


def test_a_gap_junction_from_an_input_pulls_to_the_input_and_pushes_nothing_back():
    p = NO_SYNAPSE | values(capacitance=0.5, leak=0.2, v_leak=-0.3, gap_conductance=0.6)
    rest, rate = (0.2 * -0.3 + 0.6 * 4.0) / 0.8, 0.8 / 0.5
    model = LTC(unfolds=1, solver="exponential_euler")
    got = after(model, Wiring(1, 1, pre=[0], post=[1], kind=GAP), p, [4.0], [1.0], 1.3)
    assert got[0] == pytest.approx(rest + (1.0 - rest) * math.exp(-1.3 * rate), rel=1e-13)


@pytest.mark.parametrize("solver", SOLVERS)
def test_an_injected_current_charges_a_neuron_as_its_closed_form_says(solver):
    """c dv/dt = g (e - v) + k x: v(t) = e + k x / g + (v0 - e - k x / g) exp(-g t / c)."""
    rest = -0.3 + -1.5 * 2.0 / 0.8
    expected = rest + (1.7 - rest) * math.exp(-1.3 * 0.8 / 0.5)
    wiring = Wiring(1, 1, pre=[0], post=[1], kind=CURRENT, sign=-1)
    p = NO_SYNAPSE | values(capacitance=0.5, leak=0.8, v_leak=-0.3, current=-1.5)

    def error_of(unfolds):
        return abs(after(LTC(solver=solver, unfolds=unfolds), wiring, p, [2.0], [1.7], 1.3)[0] - expected)

    if solver.startswith("exponential"):
        assert error_of(1) < 1e-14
    else:
        assert measured_order(error_of) == pytest.approx(SOLVERS[solver].order, abs=0.1)


def test_a_saturated_synapse_is_a_conductance_to_its_reversal_potential():
    """Far above its midpoint the gate is 1, so the neuron relaxes to (g e + w E) / (g + w) at (g + w) / c."""
    wiring, model = Wiring(1, 1, pre=[0], post=[1], sign=1), LTC(solver="exponential_euler", unfolds=1)
    p = values(capacitance=0.5, leak=0.8, v_leak=-0.3, conductance=0.4, slope=5.0, midpoint=0.5, reversal=2.0)
    rest = (0.8 * -0.3 + 0.4 * 2.0) / 1.2
    got = after(model, wiring, p, [100.0], [1.0], 1.3)
    assert got[0] == pytest.approx(rest + (1 - rest) * math.exp(-1.3 * 1.2 / 0.5), rel=1e-13)
    got = after(model, wiring, p, [-100.0], [1.0], 1.3)
    assert got[0] == pytest.approx(relaxed(1.0, 1.3), rel=1e-13)


@settings(max_examples=60)
@given(
    wirings(kinds=(CHEMICAL, GAP), inputs=(0, 3), neurons=(1, 5)),
    st.sampled_from(BOUNDED),
    st.sampled_from([1e-6, 1e-3, 1.0, 1e3, 1e6]),
    st.sampled_from([torch.float64, torch.float32]),
    st.integers(0, 2**31),
)
def test_under_a_bounded_solver_states_stay_between_the_potentials_that_pull_on_them(wiring, solver, dt, dtype, seed):
    """With parameters over six orders of magnitude: leak, reversals, gap junctions' partners and the state before."""
    draw, model = np.random.default_rng(seed), LTC(solver=solver, unfolds=2, input_map=None, output_map=None)
    p = drawn(model, wiring)
    for name, value in p.items():
        size, free = len(value), name in ("reversal", "v_leak", "midpoint", "slope")
        magnitude = 10.0 ** draw.uniform(*((-2, 3) if free else (-3, 3)), size)
        p[name] = torch.tensor(magnitude * (draw.choice([-1, 1], size) if free else 1), dtype=dtype)
    scale = 10.0 ** draw.uniform(-2, 3)
    x = torch.tensor(draw.normal(size=(2, 4, wiring.n_inputs)) * scale, dtype=dtype)
    v = torch.tensor(draw.normal(size=(2, wiring.n_neurons)) * scale, dtype=dtype)
    pulls = [v, p["v_leak"], p["reversal"], *([x] if len(wiring.of_kind(GAP)) else [])]
    everything = torch.cat([one.reshape(-1) for one in pulls])
    low, high = everything.min().item(), everything.max().item()
    room = 1e3 * torch.finfo(dtype).eps * max(abs(low), abs(high))
    kept, _ = run(model, wiring, p, x, [v], dt)
    assert torch.isfinite(kept).all()
    assert low - room <= kept.min()
    assert kept.max() <= high + room


def test_one_step_of_the_midpoint_solver_is_two_exact_relaxations():
    """Half of the way with what pulls now, then the whole way with what pulls there."""
    model, h = LTC(solver="exponential_midpoint", unfolds=1), 0.7
    p, x, v, _ = small(model)
    plain = {name: value.numpy() for name, value in p.items()}

    def toward(start, at, lasts):
        drive, pull = ltc_pull(MIXED, plain, x, at)
        return drive / pull + (start - drive / pull) * np.exp(-lasts * pull / plain["capacitance"])

    middle = toward(v, v, h / 2)
    np.testing.assert_allclose(after(model, MIXED, p, x, v, h), toward(v, middle, h), rtol=1e-12)


def test_the_table_of_errors_in_the_documentation_is_what_three_cells_show():
    page = (Path(__file__).parents[2] / "docs" / "tutorials" / "time.md").read_text()
    assert rows(page) == {solver: [shown(cells_error(solver, n)) for n in UNFOLDS] for solver in models.SOLVERS}
