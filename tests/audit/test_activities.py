import cases
import numpy as np
import pytest
import torch

import wormnet
from wormnet import Wiring
from wormnet.audit import activity
from wormnet.errors import ArgumentError


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def test_time_constants_are_capacitance_over_leak_and_open_conductances():
    rnn = cases.build("ltc-ncp", dtype=torch.float64, time_unit=0.5)
    wiring, p = rnn.wiring, {name: value.detach().numpy() for name, value in rnn.values().items()}
    x = torch.randn(2, 6, rnn.n_inputs, dtype=torch.float64)
    found = activity(rnn, x, dt=0.2)
    v = rnn.trace(x, dt=0.2).detach().numpy()
    np.testing.assert_allclose(found.potential, v, atol=1e-12)
    senders = np.concatenate([x.numpy() * p["input_scale"] + p["input_shift"], v], 2)
    pull = np.broadcast_to(p["leak"], v.shape).copy()
    for s in range(wiring.n_synapses):
        gate = 1 / (1 + np.exp(-p["slope"][s] * (senders[..., wiring.pre[s]] - p["midpoint"][s])))
        pull[..., wiring.post[s] - wiring.n_inputs] += p["conductance"][s] * gate
    np.testing.assert_allclose(found.time_constants, 0.5 * p["capacitance"] / pull, rtol=1e-10)
    # Theorem 1 of Hasani et al. 2021.
    most, closed = p["capacitance"] / p["leak"], np.zeros(wiring.n_neurons)
    np.add.at(closed, wiring.post - wiring.n_inputs, p["conductance"])
    assert (found.time_constants <= 0.5 * most + 1e-12).all()
    assert (found.time_constants >= 0.5 * p["capacitance"] / (p["leak"] + closed) - 1e-12).all()
    np.testing.assert_allclose(found.time, 0.2 * np.arange(1, 7))


def test_one_sequence_is_looked_at_as_in_a_batch_and_from_any_state():
    rnn = cases.build("ltc", dtype=torch.float64)
    x = torch.randn(3, 5, rnn.n_inputs, dtype=torch.float64)
    whole, one = activity(rnn, x), activity(rnn, x[1])
    np.testing.assert_allclose(one.potential, whole.potential[1])
    np.testing.assert_allclose(one.time_constants, whole.time_constants[1])
    _, state = rnn(x[1, :2])
    np.testing.assert_allclose(activity(rnn, x[1, 2:], state=state).potential, one.potential[2:], atol=1e-12)


def test_models_with_two_states_and_without_equations():
    worm = wormnet.Recurrent(cases.MIXED, "graded", backend="reference", dtype=torch.float64)
    found = activity(worm, torch.zeros(3, worm.n_inputs, dtype=torch.float64))
    assert (found.time_constants > 0).all()
    assert activity(cases.build("cfc"), torch.zeros(3, cases.N)).time_constants is None


def test_the_layer_stays_as_it_is():
    rnn = cases.build("cfc")
    rnn.train()
    activity(rnn, torch.zeros(3, cases.N))
    assert rnn.training
    assert all(one.grad is None for one in rnn.parameters())
    with pytest.raises(ArgumentError, match="activity takes a recurrent layer of wormnet, not Linear"):
        activity(torch.nn.Linear(2, 2), torch.zeros(3, 2))


def test_no_samples_have_no_activity():
    rnn = wormnet.LTC(Wiring(2, 3), backend="reference")
    found = activity(rnn, torch.zeros(0, 2))
    assert found.potential.shape == found.time_constants.shape == (0, 3)
