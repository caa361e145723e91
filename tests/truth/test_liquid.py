"""STC and LRC against the paper's equations written out, against each other, and compiled against the reference."""

import numpy as np
import pytest
import torch
from cases import MIXED
from equations import lrc_velocity, ltc_pull, stc_velocity
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import drawn, engines_agree, run, started
from strategies import wirings
from tolerances import close

from wormnet import models
from wormnet.wiring import CHEMICAL, Wiring, dense

MODELS = {
    "stc": (models.STC(unfolds=2), stc_velocity),
    "lrc": (models.LRC(unfolds=2), lrc_velocity),
    "lrc-symmetric": (models.LRC(elastance="symmetric", unfolds=2), lrc_velocity),
}


def given_to(wiring, seed, batch=2, time=3):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(batch, time, wiring.n_inputs, generator=generator, dtype=torch.float64)
    v = torch.randn(batch, wiring.n_neurons, generator=generator, dtype=torch.float64)
    return x, v, torch.rand(batch, time, generator=generator, dtype=torch.float64) + 0.05


@settings(max_examples=25)
@given(wirings(inputs=(0, 3), neurons=(1, 5)), st.sampled_from(sorted(MODELS)), st.integers(0, 99))
def test_a_sample_is_explicit_euler_of_the_equation_written_out(wiring, name, seed):
    model, velocity = MODELS[name]
    p, (x, v, dt) = drawn(model, wiring, seed), given_to(wiring, seed)
    kept, last = run(model, wiring, p, x, [v], dt)
    plain = {key: value.numpy() for key, value in p.items()}
    for i in range(2):
        state = v[i].numpy()
        for t in range(3):
            for _ in range(2):
                state = state + float(dt[i, t]) / 2 * velocity(wiring, plain, x[i, t].numpy(), state)
            close(kept[i, t], torch.tensor(state))
        close(last[0][i], torch.tensor(state))


@pytest.mark.parametrize("solver", models.SOLVERS)
def test_an_elastance_saturated_at_one_makes_lrc_an_stc(solver):
    stc, lrc = models.STC(solver=solver), models.LRC(solver=solver)
    p, (x, v, dt) = drawn(stc, MIXED), given_to(MIXED, 1)
    zero = torch.zeros_like(p["conductance"])
    full = {**p, "elastance_weight": zero, "elastance_bias": torch.full_like(p["leak"], 40.0)}
    close(run(lrc, MIXED, full, x, [v], dt)[0], run(stc, MIXED, p, x, [v], dt)[0])


@pytest.mark.parametrize("solver", models.SOLVERS)
@pytest.mark.parametrize("elastance", models.lrc.ELASTANCES)
def test_a_constant_elastance_slows_the_clock_of_an_stc(solver, elastance):
    """sigma(0) is one half, and sigma(k) - sigma(-k) is tanh(k / 2)."""
    stc, lrc = models.STC(solver=solver), models.LRC(solver=solver, elastance=elastance)
    p, (x, v, dt) = drawn(stc, MIXED), given_to(MIXED, 1)
    still = {**p, "elastance_weight": torch.zeros_like(p["conductance"]), "elastance_bias": torch.zeros_like(p["leak"])}
    still["elastance_shift"] = torch.full_like(p["leak"], 1.7)
    pace = 0.5 if elastance == "asymmetric" else np.tanh(1.7 / 2)
    close(run(lrc, MIXED, still, x, [v], dt)[0], run(stc, MIXED, p, x, [v], dt * pace)[0])


def test_stc_is_ltc_with_its_pull_and_drive_saturated():
    """As the paper derives it: f is LTC's pull, and z LTC's drive over v_leak, since weight = g reversal / v_leak."""
    wiring = dense(3, 4)
    ltc, stc = models.LTC(), models.STC(solver="euler", unfolds=1)
    p, (x, v, _) = drawn(ltc, wiring, 4), given_to(wiring, 5, time=1)
    post = torch.tensor(wiring.post[wiring.of_kind(CHEMICAL)] - wiring.n_inputs)
    shared = {name: p[name] for name in ("leak", "v_leak", "conductance", "slope", "midpoint")}
    weight = p["conductance"] * p["reversal"] / p["v_leak"][post]
    got = run(stc, wiring, {**shared, "weight": weight}, x, [v], 0.3)[1][0]
    plain = {name: value.numpy() for name, value in p.items()}
    for i in range(2):
        drive, pull = (torch.tensor(one) for one in ltc_pull(wiring, plain, x[i, 0].numpy(), v[i].numpy()))
        rate = torch.tanh(drive / p["v_leak"]) * p["v_leak"] - torch.sigmoid(pull) * v[i]
        close(got[i], v[i] + 0.3 * rate)


@settings(max_examples=40)
@given(
    wirings(inputs=(0, 3), neurons=(1, 5)),
    st.sampled_from(sorted(MODELS)),
    st.sampled_from(["semi_implicit", "exponential_euler", "exponential_midpoint"]),
    st.sampled_from([1e-3, 1.0, 1e6]),
    st.integers(0, 99),
)
def test_states_stay_within_twice_the_potential_of_the_leak(wiring, name, solver, dt, seed):
    """sigma(f) is at least one half, since f is not negative; for any dt if bounded, for dt <= 1 under Euler."""
    kind, options = type(MODELS[name][0]), MODELS[name][0].options
    for one, step in ((solver, dt), ("euler", min(dt, 1.0))):
        model = kind(**{**options, "solver": one, "unfolds": 1})
        p, (x, _, _) = drawn(model, wiring, seed), given_to(wiring, seed)
        reach = 2 * p["v_leak"].abs()
        kept, _ = run(model, wiring, p, 100 * x, [reach.expand(2, -1).clone()], step)
        assert (kept.abs() <= reach * (1 + 1e-12)).all()


@pytest.mark.parametrize("name", MODELS)
def test_parameters_start_where_the_paper_starts_them(name):
    model = MODELS[name][0]
    p = started(model, dense(6, 20))
    ranges = {
        "leak": (0.001, 1),
        "v_leak": (-0.2, 0.2),
        "conductance": (0.001, 1),
        "slope": (3, 8),
        "midpoint": (0.3, 0.8),
    }
    for key, (low, high) in ranges.items():
        assert low <= p[key].min(), key
        assert p[key].max() <= high, key
    assert p["weight"].pow(2).mean().item() == pytest.approx(1 / 26, rel=0.2)  # an orthogonal 26 x 26 matrix's
    if name != "stc":
        limit = (6 / (26 + 20)) ** 0.5  # Glorot's, of a dense layer from 26 to 20
        assert limit * 0.95 < p["elastance_weight"].abs().max().item() < limit
        assert not p["elastance_bias"].any()


def test_weights_start_with_the_sign_of_their_synapse():
    wiring = Wiring(2, 1, pre=[0, 1], post=[2, 2], sign=[1, -1])
    weight = started(models.STC(), wiring)["weight"]
    assert weight[0] > 0 > weight[1]


@pytest.mark.parametrize("name", MODELS)
def test_compiled_it_is_the_reference(name):
    model, _ = MODELS[name]
    if name == "lrc-symmetric":
        model = models.LRC(elastance="symmetric", unfolds=2, solver="semi_implicit")
    engines_agree(model, MIXED, drawn(model, MIXED, 7), states=1)
