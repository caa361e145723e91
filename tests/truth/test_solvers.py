"""Neurons against exact solutions of their equations, and solvers against the order that they claim."""

import math

import numpy as np
import pytest
import torch
from cases import MIXED, draw

import wormnet
from wormnet import models
from wormnet.models import ORDER, SOLVERS
from wormnet.wiring import CURRENT, GAP, Wiring

UNFOLDS = np.array([8, 16, 32, 64])


def layer(wiring, **options):
    """An LTC in float64 without maps, so that x and y are potentials."""
    return wormnet.LTC(wiring, input_map=None, output_map=None, dtype=torch.float64, **options)


def measured_order(error_of):
    """How the error falls with the number of sub-steps: the slope of a log-log fit."""
    errors = np.array([error_of(int(unfolds)) for unfolds in UNFOLDS])
    assert (errors > 1e-15).all(), "too exact to measure an order"
    return -np.polyfit(np.log(UNFOLDS), np.log(errors), 1)[0]


def leak_only(unfolds, solver, v, dt):
    rnn = layer(Wiring(0, 1), unfolds=unfolds, solver=solver)
    rnn.set_values(capacitance=0.5, leak=0.8, v_leak=-0.3)
    return rnn(torch.zeros(1, 1, 0, dtype=torch.float64), torch.full((1, 1), v, dtype=torch.float64), dt)[1].item()


def relaxed(v, dt, capacitance=0.5, leak=0.8, v_leak=-0.3):
    return v_leak + (v - v_leak) * math.exp(-dt * leak / capacitance)


@pytest.mark.parametrize("solver", ["semi_implicit", "euler", "rk4"])
def test_a_neuron_with_a_leak_alone_converges_to_the_exact_exponential_at_the_claimed_order(solver):
    order = measured_order(lambda unfolds: abs(leak_only(unfolds, solver, 1.7, 1.3) - relaxed(1.7, 1.3)))
    assert order == pytest.approx(ORDER[solver], abs=0.1)


def test_the_exponential_solver_is_exact_for_a_leak_alone():
    for dt in (1e-6, 0.3, 1.3, 40.0):
        assert leak_only(1, "exponential_euler", 1.7, dt) == pytest.approx(relaxed(1.7, dt), rel=1e-14)


def test_the_semi_implicit_step_of_a_leak_alone_is_the_published_formula():
    h = 1.3 / 6
    v = 1.7
    for _ in range(6):
        v = (0.5 / h * v + 0.8 * -0.3) / (0.5 / h + 0.8)
    assert leak_only(6, "semi_implicit", 1.7, 1.3) == pytest.approx(v, rel=1e-14)


def fine_truth(rnn, x, v, dt, steps=4096):
    """Runge-Kutta on the written-out right-hand side of test_equations, in plain NumPy."""
    from equations import ctrnn_velocity, ltc_velocity

    rate = {"ltc": ltc_velocity, "ctrnn": ctrnn_velocity}[rnn.model.name]
    p = {name: value.detach().numpy() for name, value in rnn.values().items()}
    h = dt / steps
    for _ in range(steps):
        k1 = rate(rnn.wiring, p, x, v)
        k2 = rate(rnn.wiring, p, x, v + h / 2 * k1)
        k3 = rate(rnn.wiring, p, x, v + h / 2 * k2)
        k4 = rate(rnn.wiring, p, x, v + h * k3)
        v = v + h * (k1 + 2 * k2 + 2 * k3 + k4) / 6
    return v


@pytest.mark.parametrize("model", [models.LTC, models.CTRNN])
def test_every_solver_converges_at_the_order_it_claims(model):
    assert set(ORDER) == set(SOLVERS)
    torch.manual_seed(0)
    options = {"input_map": None, "output_map": None} if model is models.LTC else {}
    x, v = draw(1, 1, 5, dtype=torch.float64), draw(1, 5, seed=4, dtype=torch.float64)
    base = wormnet.Recurrent(MIXED, model(**options), dtype=torch.float64)
    expected = fine_truth(base, x[0, 0].numpy(), v[0].numpy(), 1.0, steps=300)
    for solver, order in ORDER.items():

        def error_of(unfolds, solver=solver):
            rnn = wormnet.Recurrent(MIXED, model(solver=solver, unfolds=unfolds, **options), dtype=torch.float64)
            rnn.load_state_dict(base.state_dict())
            return np.abs(rnn(x, v, 1.0)[1][0].detach().numpy() - expected).max()

        assert measured_order(error_of) == pytest.approx(order, abs=0.2), solver


def test_the_fine_truth_is_itself_true_where_there_is_a_closed_form():
    rnn = layer(Wiring(0, 1))
    rnn.set_values(capacitance=0.5, leak=0.8, v_leak=-0.3)
    got = fine_truth(rnn, np.zeros(0), np.array([1.7]), 1.3, steps=300)
    assert got[0] == pytest.approx(relaxed(1.7, 1.3), rel=1e-9)


def gap_pair(leak, **options):
    rnn = layer(Wiring(0, 2, pre=[0], post=[1], kind=GAP), **options)
    rnn.set_values(capacitance=[0.5, 2.0], leak=leak, v_leak=0.0, gap_conductance=0.7)
    return rnn


@pytest.mark.parametrize("solver", SOLVERS)
def test_two_neurons_joined_by_a_gap_junction_converge_to_their_closed_form(solver):
    """Without leak the difference decays at w (1 / c1 + 1 / c2), and the charge c1 v1 + c2 v2 stands still."""
    v, dt, decay = np.array([1.0, -0.5]), 0.9, math.exp(-0.9 * 0.7 * (1 / 0.5 + 1 / 2.0))
    mean = (0.5 * v[0] + 2.0 * v[1]) / 2.5
    expected = mean + (v[0] - v[1]) * decay * np.array([2.0, -0.5]) / 2.5

    def error_of(unfolds):
        rnn = gap_pair(1e-14, solver=solver, unfolds=unfolds)
        state = rnn(torch.zeros(1, 1, 0).double(), torch.tensor(v)[None], dt)[1]
        return np.abs(state[0].detach().numpy() - expected).max()

    assert measured_order(error_of) == pytest.approx(ORDER[solver], abs=0.2)


@pytest.mark.parametrize("solver", ["euler", "rk4"])
def test_a_gap_junction_moves_charge_and_makes_none(solver):
    """Explicit solvers conserve it exactly; the others treat the two ends unalike and do so in the limit alone."""
    rnn = gap_pair(1e-14, solver=solver, unfolds=2)
    v = torch.tensor([[1.0, -0.5]]).double()
    moved = rnn(torch.zeros(1, 1, 0).double(), v, 0.9)[1]
    assert not torch.allclose(moved, v, atol=0.1)
    capacitance = torch.tensor([0.5, 2.0]).double()
    assert ((moved - v) * capacitance).sum().item() == pytest.approx(0.0, abs=1e-12)


def test_charge_leaks_at_first_order_alone_under_the_semi_implicit_solver():
    v, capacitance = torch.tensor([[1.0, -0.5]]).double(), torch.tensor([0.5, 2.0]).double()

    def error_of(unfolds):
        moved = gap_pair(1e-14, unfolds=unfolds)(torch.zeros(1, 1, 0).double(), v, 0.9)[1]
        return abs(((moved - v) * capacitance).sum().item())

    assert measured_order(error_of) == pytest.approx(1.0, abs=0.1)


def test_a_gap_junction_from_an_input_pulls_to_the_input_and_pushes_nothing_back():
    rnn = layer(Wiring(1, 1, pre=[0], post=[1], kind=GAP), unfolds=1, solver="exponential_euler")
    rnn.set_values(capacitance=0.5, leak=0.2, v_leak=-0.3, gap_conductance=0.6)
    rest, rate = (0.2 * -0.3 + 0.6 * 4.0) / 0.8, 0.8 / 0.5
    y, _ = rnn(torch.full((1, 1, 1), 4.0).double(), torch.ones(1, 1).double(), 1.3)
    assert y.item() == pytest.approx(rest + (1.0 - rest) * math.exp(-1.3 * rate), rel=1e-13)


@pytest.mark.parametrize("solver", SOLVERS)
def test_an_injected_current_charges_a_neuron_as_its_closed_form_says(solver):
    """c dv/dt = g (e - v) + k x: v(t) = e + k x / g + (v0 - e - k x / g) exp(-g t / c)."""
    rest = -0.3 + -1.5 * 2.0 / 0.8
    expected = rest + (1.7 - rest) * math.exp(-1.3 * 0.8 / 0.5)

    def error_of(unfolds):
        rnn = layer(Wiring(1, 1, pre=[0], post=[1], kind=CURRENT, sign=-1), solver=solver, unfolds=unfolds)
        rnn.set_values(capacitance=0.5, leak=0.8, v_leak=-0.3, current=-1.5)
        return abs(
            rnn(torch.full((1, 1, 1), 2.0).double(), torch.full((1, 1), 1.7, dtype=torch.float64), 1.3)[1].item()
            - expected
        )

    if solver == "exponential_euler":
        assert error_of(1) < 1e-14
    else:
        assert measured_order(error_of) == pytest.approx(ORDER[solver], abs=0.1)


def test_a_saturated_synapse_is_a_conductance_to_its_reversal_potential():
    """Far above its midpoint the gate is 1, so the neuron relaxes to (g e + w E) / (g + w) at (g + w) / c."""
    rnn = layer(Wiring(1, 1, pre=[0], post=[1], sign=1), solver="exponential_euler", unfolds=1)
    rnn.set_values(capacitance=0.5, leak=0.8, v_leak=-0.3, conductance=0.4, slope=5.0, midpoint=0.5, reversal=2.0)
    rest = (0.8 * -0.3 + 0.4 * 2.0) / 1.2
    y, _ = rnn(torch.full((1, 1, 1), 100.0).double(), torch.ones(1, 1).double(), 1.3)
    assert y.item() == pytest.approx(rest + (1 - rest) * math.exp(-1.3 * 1.2 / 0.5), rel=1e-13)
    y, _ = rnn(torch.full((1, 1, 1), -100.0).double(), torch.ones(1, 1).double(), 1.3)
    assert y.item() == pytest.approx(relaxed(1.0, 1.3), rel=1e-13)
