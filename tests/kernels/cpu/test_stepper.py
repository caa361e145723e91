"""rnn.stepper(): one sample after another without torch, with the layer's own numbers."""

import numpy as np
import pytest
import torch
from cases import CASES, N, build
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import SEEDS, wirings

import wormnet
from wormnet.errors import ArgumentError, ShapeError
from wormnet.models import LTC

TOLERANCE = {torch.float64: 1e-12, torch.float32: 5e-6}


def assert_same_steps(rnn, batch, samples, dt):
    stepper = rnn.eval().stepper(batch)
    x = samples if batch is not None else samples[:1]
    y, last = rnn(x, dt=dt)
    rows = slice(None) if batch is not None else 0
    got = np.stack([stepper.step(x[rows, t].numpy(), dt) for t in range(x.shape[1])], axis=-2)
    tolerance = TOLERANCE[x.dtype]
    np.testing.assert_allclose(got, y[rows].detach().numpy(), rtol=tolerance, atol=tolerance)
    states = stepper.state if isinstance(last, tuple) else (stepper.state,)
    for one, other in zip(states, last if isinstance(last, tuple) else (last,), strict=True):
        np.testing.assert_allclose(one, other[rows].detach().numpy(), rtol=tolerance, atol=tolerance)
    assert got.dtype == y.detach().numpy().dtype


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("batch", [None, 1, N, 17])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_steps_are_those_of_the_layer(case, batch, dtype):
    samples = torch.randn(batch or 1, 4, N, dtype=dtype, generator=torch.Generator().manual_seed(0))
    assert_same_steps(build(case, dtype=dtype), batch, samples, 0.3)


@settings(max_examples=40)
@given(wirings(), SEEDS, st.sampled_from([1e-3, 0.5, 100.0]))
def test_an_ltc_steps_as_its_layer_does_on_any_wiring(wiring, seed, dt):
    torch.manual_seed(seed % 2**31)
    rnn = wormnet.Recurrent(wiring, LTC(unfolds=2), dtype=torch.float64, backend="reference")
    with torch.no_grad():
        for name, p in rnn.named_parameters():
            if "scale" in name or "shift" in name:
                p.add_(torch.randn_like(p))
    assert_same_steps(rnn, None, torch.randn(1, 3, wiring.n_inputs, dtype=torch.float64), dt)


@pytest.mark.parametrize("case", ["ltc", "cfc", "ltc-rk4", "ltc-memory"])
def test_reset_starts_over_and_a_state_resumes(case):
    stepper = build(case).eval().stepper()
    x = np.random.default_rng(0).normal(size=(6, N)).astype(np.float32)
    first = [stepper.step(one) for one in x[:3]]
    middle, rest = stepper.state, [stepper.step(one) for one in x[3:]]
    stepper.reset()
    np.testing.assert_array_equal([stepper.step(one) for one in x[:3]], first)
    stepper.state = middle
    np.testing.assert_array_equal([stepper.step(one) for one in x[3:]], rest)


def test_outputs_and_states_that_were_handed_out_do_not_change():
    stepper = build("ltc").stepper()
    y, state = stepper.step(np.ones(N)), stepper.state
    kept = y.copy(), state.copy()
    stepper.step(-np.ones(N))
    np.testing.assert_array_equal(y, kept[0])
    np.testing.assert_array_equal(state, kept[1])


def test_later_changes_of_the_layer_do_not_reach_a_stepper():
    rnn = build("ctrnn-memory").eval()
    stepper, same = rnn.stepper(), rnn.stepper()
    with torch.no_grad():
        for p in rnn.parameters():
            p.mul_(2)
    np.testing.assert_array_equal(stepper.step(np.ones(N)), same.step(np.ones(N)))
    assert not np.array_equal(rnn.stepper().step(np.ones(N)), stepper.step(np.ones(N)))


@pytest.mark.parametrize("case", ["ltc", "cfc"])
def test_bad_samples_are_refused_and_the_state_stays(case):
    stepper = build(case).stepper()
    stepper.step(np.ones(N))
    before = stepper.state
    with pytest.raises(ShapeError, match=r"x has shape \(4,\); the stepper takes one sample: \(5,\)"):
        stepper.step(np.ones(4))
    for dt in (0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ArgumentError, match=r"dt is .*; it is the time since the previous sample"):
            stepper.step(np.ones(N), dt)
    with pytest.raises(ShapeError, match=r"state has shape .*; it takes \(5,\)"):
        stepper.state = np.zeros(4)
    with pytest.raises(ArgumentError, match="batch"):
        build(case).stepper(0)
    np.testing.assert_array_equal(stepper.state, before)


def test_a_network_without_inputs_steps():
    rnn = wormnet.CTRNN(wormnet.Wiring(0, 3, pre=[0, 1], post=[1, 2]))
    assert rnn.stepper().step([]).shape == (3,)
