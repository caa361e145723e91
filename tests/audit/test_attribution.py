import numpy as np
import pytest
import torch
from torch import nn

import wormnet
from wormnet.audit import integrated_gradients
from wormnet.errors import ArgumentError, ShapeError


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def head():
    return nn.Sequential(
        nn.Conv2d(2, 3, 3, stride=2), nn.ReLU(), nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Flatten(), nn.LazyLinear(3)
    ).double()


def test_a_linear_function_gives_each_input_its_weight_times_its_change():
    linear = nn.Linear(4, 3).double()
    x, b = torch.randn(2, 5, 4, dtype=torch.float64)
    found = integrated_gradients(linear, x, b, target=2, steps=1)
    np.testing.assert_allclose(found.values, ((x - b) * linear.weight[2]).detach(), atol=1e-14)
    np.testing.assert_allclose(found.gap, 0, atol=1e-14)


@pytest.mark.parametrize("power", [1, 2, 3, 7])
def test_powers_are_integrated_exactly_with_half_as_many_steps(power):
    x = torch.tensor([[1.0, -2.0, 0.5]], dtype=torch.float64)
    found = integrated_gradients(lambda x: (x**power).sum(1), x, steps=(power + 1) // 2)
    np.testing.assert_allclose(found.values, x**power, rtol=1e-12)


def test_the_contributions_add_up_to_the_change_of_the_output():
    model, x, b = head(), *torch.randn(2, 4, 2, 11, 12, dtype=torch.float64)
    with torch.no_grad():
        change = (model(x) - model(b))[:, 1]
    found = integrated_gradients(model, x, b, target=1, steps=300)
    np.testing.assert_allclose(found.change, change, atol=1e-12)
    np.testing.assert_allclose(found.values.sum((1, 2, 3)), change, atol=2e-3)
    np.testing.assert_allclose(found.gap, found.values.sum((1, 2, 3)) - found.change, atol=1e-12)
    assert np.abs(found.gap).max() < np.abs(integrated_gradients(model, x, b, target=1, steps=2).gap).max()


@pytest.mark.parametrize("steps", [1, 7, 50])
def test_contributions_are_those_of_captum(steps):
    attr = pytest.importorskip("captum.attr")
    model, x = head(), torch.randn(3, 2, 11, 12, dtype=torch.float64)
    baseline = torch.full_like(x, 0.1)
    model(x)
    theirs = attr.IntegratedGradients(model).attribute(
        x, baseline, target=2, n_steps=steps, method="gausslegendre", internal_batch_size=None
    )
    ours = integrated_gradients(model, x, baseline, target=2, steps=steps)
    np.testing.assert_allclose(ours.values, theirs.detach(), atol=1e-10)


def test_whole_sequences_through_a_layer_are_attributed():
    rnn = wormnet.CTRNN(wormnet.dense(3, 4), backend="reference", dtype=torch.float64)
    x = torch.randn(2, 6, 3, dtype=torch.float64)
    found = integrated_gradients(lambda x: rnn(x)[0][:, -1], x, target=0)
    assert found.values.shape == (2, 6, 3)
    np.testing.assert_allclose(found.gap, 0, atol=1e-9)
    assert all(one.grad is None for one in rnn.parameters())


def test_rows_and_steps_do_not_mix_however_they_are_cut():
    model, x = head(), torch.randn(300, 2, 7, 7, dtype=torch.float64)
    together = integrated_gradients(model, x, target=0, steps=3)
    np.testing.assert_allclose(together.values[7:8], integrated_gradients(model, x[7:8], target=0, steps=3).values)


def test_the_module_stays_as_it_is():
    model = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 1))
    x = torch.randn(4, 3)
    one, two = (integrated_gradients(model, x) for _ in range(2))
    np.testing.assert_array_equal(one.values, two.values)
    assert model.training
    assert all(parameter.grad is None for parameter in model.parameters())
    assert x.grad is None


def test_what_it_cannot_attribute_is_refused():
    x = torch.randn(4, 3)
    with pytest.raises(ArgumentError, match="has 2 outputs; say which one: target=0 to 1"):
        integrated_gradients(nn.Linear(3, 2), x)
    with pytest.raises(ArgumentError, match="target is 2; the function has 2 outputs, 0 to 1"):
        integrated_gradients(nn.Linear(3, 2), x, target=2)
    with pytest.raises(ArgumentError, match="one output; leave it out"):
        integrated_gradients(lambda x: x.sum(1), x, target=1)
    with pytest.raises(ShapeError, match=r"baseline has shape \(2,\); it takes \(4, 3\), or \(3,\) for all rows"):
        integrated_gradients(nn.Linear(3, 1), x, torch.zeros(2))
    with pytest.raises(ShapeError, match=r"gives no tensor for 4 rows; .* lambda x: rnn\(x\)\[0\]\[:, -1\]"):
        integrated_gradients(wormnet.CTRNN(wormnet.dense(3, 4), backend="reference"), torch.zeros(4, 5, 3))
    with pytest.raises(ArgumentError, match="does not depend on x through torch"):
        integrated_gradients(lambda x: torch.ones(len(x)), x)
    with pytest.raises(ArgumentError, match="not finite everywhere"):
        integrated_gradients(nn.Linear(3, 1), x * np.nan)
    with pytest.raises(ArgumentError, match="steps is 0"):
        integrated_gradients(nn.Linear(3, 1), x, steps=0)
