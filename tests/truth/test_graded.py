"""The graded-transmission model against its equations written out, scipy's stiff solvers, and its own rest."""

import numpy as np
import pytest
import torch
from accuracy import UNFOLDS, rows, shown, worm, worm_error, worm_rates, worm_truth
from cases import MIXED
from equations import graded_velocity
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import drawn, engines_agree, run, started
from scipy.integrate import solve_ivp
from strategies import wirings
from tolerances import close

from wormnet import models
from wormnet.errors import ArgumentError
from wormnet.models import GradedWorm
from wormnet.wiring import CHEMICAL, GAP, Wiring

ORDERS = {name: solver.order for name, solver in models.SOLVERS.items()}


def plain(p):
    return {name: value.numpy() for name, value in p.items()}


def rest_of(p):
    return [p["threshold"][None], p["activation"][None]]


@settings(max_examples=30)
@given(wirings(inputs=(0, 3), neurons=(1, 5)), st.integers(0, 99))
def test_a_sample_is_the_equation_written_out(wiring, seed):
    model = GradedWorm(solver="euler", unfolds=2)
    p, generator = drawn(model, wiring, seed), torch.Generator().manual_seed(seed)
    x = torch.randn(1, 2, wiring.n_inputs, generator=generator, dtype=torch.float64)
    start = torch.randn(2, 1, wiring.n_neurons, generator=generator, dtype=torch.float64)
    kept, last = run(model, wiring, p, x, list(start), 0.3)
    v, s = start[0, 0].numpy(), start[1, 0].numpy()
    for t in range(2):
        for _ in range(2):
            dv, ds = graded_velocity(wiring, plain(p), x[0, t].numpy(), v, s)
            v, s = v + 0.15 * dv, s + 0.15 * ds
        close(kept[0, t], torch.tensor(v))
    close(last[1][0], torch.tensor(s))


@settings(max_examples=30)
@given(wirings(inputs=(0, 0), neurons=(1, 7), kinds=(CHEMICAL, GAP)), st.sampled_from([1.0, 1.5]))
def test_it_starts_at_rest(wiring, capacitance):
    p = plain(started(GradedWorm(capacitance=capacitance), wiring))
    dv, ds = graded_velocity(wiring, p, np.zeros(0), p["threshold"], p["activation"])
    flowing = p["leak"].max() * 100 + 100 * p["conductance"].sum() + 100 * p["gap_conductance"].sum()
    assert np.abs(dv * p["capacitance"]).max() <= 1e-11 * flowing
    assert np.abs(ds).max() < 1e-16


@pytest.mark.parametrize("solver", models.SOLVERS)
def test_without_an_input_the_worm_stays_at_rest(solver):
    wiring, p = worm()
    kept, last = run(GradedWorm(solver=solver), wiring, p, torch.zeros(1, 2, 1).double(), rest_of(p), 0.1)
    assert (kept - p["threshold"]).abs().max() < 1e-9
    assert (last[1] - 1 / 11).abs().max() < 1e-9


def test_constants_start_as_published():
    wiring = Wiring(1, 3, pre=[0, 1, 2, 3, 1], post=[1, 2, 3, 1, 3], kind=[2, 0, 0, 0, 1], sign=[1, 1, -1, 0, 0],
                    count=[1, 2, 7, 3, 4])  # fmt: skip
    p = started(GradedWorm(), wiring)
    at = [(int(a), int(b)) for a, b in zip(wiring.pre, wiring.post, strict=True) if (a, b) in {(1, 2), (2, 3), (3, 1)}]
    expected = {(1, 2): (0.2, 0.0), (2, 3): (0.7, -48.0), (3, 1): (0.3, 0.0)}  # nS: 0.1 a contact; mV
    close(p["conductance"], torch.tensor([expected[pair][0] for pair in at], dtype=torch.float64))
    close(p["reversal"], torch.tensor([expected[pair][1] for pair in at], dtype=torch.float64))
    assert p["gap_conductance"].tolist() == pytest.approx([0.4])
    constants = {"capacitance": 1.0, "leak": 0.01, "v_leak": -35.0, "steepness": 0.125, "rise": 0.001, "decay": 0.005}
    for name, value in constants.items():
        assert p[name].tolist() == [value] * 3
    assert p["activation"].tolist() == pytest.approx([1 / 11] * 3)
    names = {spec.name for spec in GradedWorm().params(wiring) if spec.over == "neuron"}
    assert {state.start for state in GradedWorm.states} <= names


def test_the_authors_code_runs_the_published_model_half_as_slow_again():
    """1.5 pF, 1 / 1.5 and 5 / 1.5 per s, and the same conductances: all takes 1.5 times as long."""
    slow = GradedWorm(capacitance=1.5, rise=0.001 / 1.5, decay=0.005 / 1.5, solver="rk4", unfolds=50)
    p, q = (started(model, MIXED) for model in (GradedWorm(), slow))
    x, start = torch.full((1, 1, 5), 2.0).double(), [p["threshold"][None] + 3, p["activation"][None] + 0.1]
    fast = run(GradedWorm(solver="rk4", unfolds=50), MIXED, p, x, start, 10.0)
    close(run(slow, MIXED, q, x, start, 15.0)[0], fast[0])


@pytest.mark.parametrize(("given", "said"), [({"rise": 0.0}, "above 0"), ({"v_leak": float("nan")}, "finite"),
                                             ({"leak": True}, "finite"), ({"decay": "5"}, "finite")])  # fmt: skip
def test_a_constant_that_cannot_be_is_refused(given, said):
    with pytest.raises(ArgumentError, match=said):
        GradedWorm(**given)


def small():
    wiring = Wiring(1, 3, pre=[0, 1, 2, 3, 1], post=[1, 2, 3, 1, 3], kind=[2, 0, 0, 0, 1], sign=[1, 1, -1, 1, 0],
                    count=[1, 2, 7, 3, 4])  # fmt: skip
    return wiring, started(GradedWorm(rise=0.1, decay=0.2), wiring)


# LTC is compiled with every solver in test_solvers.
COMPILED = [("semi_implicit", "cpu"), ("exponential_midpoint", "cpu")]


@pytest.mark.parametrize(("solver", "engine"), [*((name, "reference") for name in models.SOLVERS), *COMPILED])
def test_every_solver_converges_to_scipys_solution_at_its_order(solver, engine):
    wiring, p = small()

    def rate(_, y):
        return np.concatenate(graded_velocity(wiring, plain(p), [5.0], y[:3], y[3:]))

    rest = np.concatenate([p["threshold"], p["activation"]])
    truth = solve_ivp(rate, (0, 8.0), rest, method="DOP853", rtol=1e-13, atol=1e-13).y[:, -1]
    unfolds, errors = np.array([32, 64, 128]), []
    for n in unfolds:
        x = torch.full((1, 1, 1), 5.0).double()
        _, last = run(GradedWorm(solver=solver, unfolds=int(n)), wiring, p, x, rest_of(p), 8.0, engine=engine)
        got = torch.cat([one[0] for one in last]).numpy()
        errors.append([np.abs(got - truth)[:3].max(), np.abs(got - truth)[3:].max()])
    for state in range(2):
        slope = -np.polyfit(np.log(unfolds), np.log(np.array(errors)[:, state]), 1)[0]
        assert slope == pytest.approx(ORDERS[solver], abs=0.25)


@settings(max_examples=40)
@given(
    wirings(inputs=(0, 3), neurons=(1, 5), kinds=(CHEMICAL, GAP)),
    st.sampled_from([name for name, solver in models.SOLVERS.items() if solver.bounded]),
    st.sampled_from([1e-3, 1.0, 1e3, 1e6]),
    st.integers(0, 99),
)
def test_under_a_bounded_solver_potentials_and_activations_stay_in_their_range(wiring, solver, dt, seed):
    model, draw = GradedWorm(solver=solver, unfolds=2), np.random.default_rng(seed)
    p = started(model, wiring)
    p["threshold"] = torch.tensor(draw.uniform(-60, 10, wiring.n_neurons))
    x = torch.tensor(draw.uniform(0, 1, (1, 4, wiring.n_inputs)))  # activations, and potentials within the range
    start = [
        torch.tensor(draw.uniform(-48, 1, (1, wiring.n_neurons))),
        torch.tensor(draw.uniform(0, 1, (1, wiring.n_neurons))),
    ]
    kept, last = run(model, wiring, p, x, start, dt)
    assert -48 - 1e-9 <= kept.min() <= kept.max() <= 1 + 1e-9
    assert 0 <= last[1].min() <= last[1].max() <= 1


@pytest.mark.slow  # minutes where linear algebra shares its cores with other work, else seconds
def test_the_whole_worm_errs_by_what_its_docstring_says():
    """Against Radau, which agrees with BDF; right-hand side and Jacobian are those of the equation written out."""
    wiring, p = worm()
    rate, jacobian = worm_rates(wiring, plain(p), 2.0)
    draw, n = np.random.default_rng(0), wiring.n_neurons
    y = np.concatenate([draw.uniform(-40, 0, n), draw.uniform(0, 1, n)])
    np.testing.assert_allclose(
        rate(0, y), np.concatenate(graded_velocity(wiring, plain(p), [2.0], y[:n], y[n:])), atol=1e-9
    )
    way, step = draw.normal(size=2 * n), 1e-5
    along = (rate(0, y + step * way) - rate(0, y - step * way)) / (2 * step)
    np.testing.assert_allclose(jacobian(0, y) @ way, along, atol=1e-4)
    assert np.abs(worm_truth() - worm_truth("BDF")).max() < 1e-5
    told = rows(GradedWorm.__doc__)
    assert told == {solver: [shown(worm_error(solver, n)) for n in UNFOLDS] for solver in models.SOLVERS}


@pytest.mark.parametrize("solver", ["semi_implicit", "exponential_midpoint"])
def test_compiled_it_is_the_reference(solver):
    engines_agree(GradedWorm(solver=solver, unfolds=2), MIXED, drawn(GradedWorm(), MIXED, 7), states=2)


def test_compiled_the_worm_is_the_reference():
    wiring, p = worm()
    x = torch.full((1, 3, 1), 2.0).double()
    model = GradedWorm(solver="semi_implicit")
    expected = run(model, wiring, p, x, rest_of(p), 5.0)
    got = run(model, wiring, p, x, rest_of(p), 5.0, engine="cpu")
    for one, other in zip((got[0], *got[1]), (expected[0], *expected[1]), strict=True):
        close(one, other, backend="cpu")
    assert (got[0] - p["threshold"]).abs().max() > 1
