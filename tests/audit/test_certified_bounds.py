import cases
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import wormnet
from wormnet import Wiring, models
from wormnet.audit import bounds
from wormnet.errors import ArgumentError, ShapeError

OTHERS = {"stc": models.STC(), "lrc": models.LRC(elastance="symmetric"), "graded": models.GradedWorm(unfolds=1)}


def layer(name):
    if name in cases.CASES:
        return cases.build(name, dtype=torch.float64)
    torch.manual_seed(0)
    return wormnet.Recurrent(cases.MIXED, OTHERS[name], backend="reference", dtype=torch.float64)


def farthest_out(rnn, middle, radius, dt, n=100):
    """By how much potentials and outputs of random inputs and corners of the box leave their bounds; below 0 inside."""
    found = bounds(rnn, middle - radius, middle + radius, dt=dt)
    where = torch.rand(n, *middle.shape, dtype=torch.float64) * 2 - 1
    where[n // 2 :] = where[n // 2 :].sign()
    with torch.no_grad():
        x = middle + radius * where
        v, y = rnn.trace(x, dt=dt).numpy(), rnn(x, dt=dt)[0].numpy()
    assert found.low.shape == v.shape[1:]
    assert found.y_low.shape == y.shape[1:]
    return max(*[(found.low - v).max(), (v - found.high).max()], *[(found.y_low - y).max(), (y - found.y_high).max()])


@pytest.mark.parametrize("name", [*cases.CASES, *OTHERS])
def test_no_input_of_the_box_leaves_the_bounds(name):
    rnn = layer(name)
    for radius in (0.0, 0.3):
        middle = torch.randn(2, rnn.n_inputs, dtype=torch.float64)
        assert farthest_out(rnn, middle, radius, 0.7) <= 1e-12


@settings(max_examples=8)
@given(seed=st.integers(0, 10_000), dt=st.floats(0.01, 50), radius=st.floats(0, 30), model=st.sampled_from("LC"))
def test_whatever_the_parameters_the_step_and_the_box(seed, dt, radius, model):
    torch.manual_seed(seed)
    model = models.LTC(unfolds=2) if model == "L" else models.CTRNN(unfolds=1)
    rnn = wormnet.Recurrent(cases.MIXED, model, backend="reference", dtype=torch.float64)
    middle = torch.randn(2, rnn.n_inputs, dtype=torch.float64)
    assert farthest_out(rnn, middle, radius, dt, n=40) <= 1e-12 * (1 + radius)


def one_synapse(**values):
    wiring = Wiring(1, ["n"], pre=[0], post=[1], sign=1)
    rnn = wormnet.LTC(wiring, unfolds=1, input_map=None, output_map=None, backend="reference", dtype=torch.float64)
    rnn.set_values(**{"capacitance": 1.0, "leak": 0.5, "v_leak": 0.1, "conductance": 2.0, "slope": 3.0,
                      "midpoint": 0.5, "reversal": 1.0, **values})  # fmt: skip
    return rnn


@pytest.mark.parametrize("reversal", [1.0, -1.0])
def test_the_bounds_of_one_synapse_are_the_values_at_the_ends_of_its_input(reversal):
    rnn = one_synapse(reversal=reversal)
    found = bounds(rnn, [[-0.3]], [[0.8]], dt=0.9)
    with torch.no_grad():
        ends = [rnn.trace(torch.tensor([[u]], dtype=torch.float64), dt=0.9).item() for u in (-0.3, 0.8)]
    assert found.low.item() == pytest.approx(min(ends), abs=1e-12)
    assert found.high.item() == pytest.approx(max(ends), abs=1e-12)


def test_bounds_of_independent_senders_are_reached():
    torch.manual_seed(3)
    wiring = Wiring(4, ["n"], pre=[0, 1, 2, 3], post=[4] * 4, sign=[1, -1, 1, -1])
    rnn = wormnet.LTC(wiring, unfolds=1, backend="reference", dtype=torch.float64)
    found = bounds(rnn, -torch.ones(1, 4), torch.ones(1, 4), dt=2.0)
    corners = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0], dtype=torch.float64)] * 4)[:, None]
    with torch.no_grad():
        v = rnn.trace(corners, dt=2.0).numpy()
    assert found.low.item() == pytest.approx(v.min(), abs=1e-11)
    assert found.high.item() == pytest.approx(v.max(), abs=1e-11)


def test_potentials_stay_between_what_pulls_on_them_however_large_the_box():
    torch.manual_seed(0)
    rnn = wormnet.LTC(wormnet.auto_ncp(inputs=4, neurons=8, outputs=1), backend="reference", dtype=torch.float64)
    found = bounds(rnn, torch.full((3, 4), -1e6), torch.full((3, 4), 1e6), dt=1e3)
    assert (found.low >= -1 - 1e-9).all()
    assert (found.high <= 1 + 1e-9).all()


def test_a_box_of_one_point_gives_the_potentials_themselves():
    rnn = cases.build("ltc-ncp", dtype=torch.float64)
    x = torch.randn(4, rnn.n_inputs, dtype=torch.float64)
    found = bounds(rnn, x, x, dt=torch.tensor([0.3, 1.0, 2.0, 0.1]))
    with torch.no_grad():
        v = rnn.trace(x, dt=torch.tensor([0.3, 1.0, 2.0, 0.1])).numpy()
    np.testing.assert_allclose(found.low, v, atol=1e-12)
    np.testing.assert_allclose(found.high, v, atol=1e-12)


def test_smaller_boxes_have_narrower_bounds_and_states_may_be_boxes_too():
    rnn = cases.build("ltc", dtype=torch.float64)
    x, n = torch.zeros(3, rnn.n_inputs), rnn.wiring.n_neurons
    small, large = (bounds(rnn, x - r, x + r) for r in (0.1, 0.5))
    assert (small.low >= large.low - 1e-12).all()
    assert (small.high <= large.high + 1e-12).all()
    start = torch.full((n,), -0.5, dtype=torch.float64), torch.full((n,), 0.5, dtype=torch.float64)
    found = bounds(rnn, x, x, start=start)
    for _ in range(20):
        state = torch.rand(n, dtype=torch.float64) - 0.5
        v = rnn.trace(x.double(), state).detach().numpy()
        assert (found.low <= v).all()
        assert (v <= found.high).all()


def test_a_neuron_is_asked_for_by_name():
    rnn = cases.build("ctrnn")
    found = bounds(rnn, torch.zeros(2, rnn.n_inputs), torch.ones(2, rnn.n_inputs))
    np.testing.assert_array_equal(found.of("n1"), [found.low[:, 1], found.high[:, 1]])
    with pytest.raises(ValueError, match="n99"):
        found.of("n99")


def test_what_is_no_box_is_refused():
    rnn = cases.build("ctrnn")
    x = torch.zeros(2, rnn.n_inputs)
    with pytest.raises(ShapeError, match=r"they take \(time, \d+\) both"):
        bounds(rnn, x, x[:, 1:])
    with pytest.raises(ArgumentError, match="low is above high for 1 inputs"):
        bounds(rnn, x.index_fill(1, torch.tensor([0]), 1)[:1], x[:1])
    for wrong in ("low", np.zeros(rnn.n_inputs, complex)):
        with pytest.raises(ArgumentError, match="they take real numbers"):
            bounds(rnn, wrong, wrong)
    with pytest.raises(ArgumentError, match="not finite"):
        bounds(rnn, x, x + np.inf)
    ones = torch.ones(rnn.wiring.n_neurons)
    with pytest.raises(ArgumentError, match="a low state above the high one"):
        bounds(rnn, x, x, start=(ones, -ones))
