import pytest
import torch

import wormnet
from wormnet.errors import ArgumentError

gymnasium = pytest.importorskip("gymnasium")
contrib = pytest.importorskip("sb3_contrib")

from wormnet.control.sb3 import recurrent_policy  # noqa: E402


def layer(inputs):
    return wormnet.LTC(wormnet.dense(inputs, 5), mixed_memory=True, backend="reference")


def model_of(core):
    options = {"n_steps": 8, "batch_size": 8, "n_epochs": 1, "seed": 0, "policy_kwargs": {"core": core}}
    return contrib.RecurrentPPO(recurrent_policy(), gymnasium.make("CartPole-v1"), device="cpu", **options)


def test_a_layer_with_a_memory_learns_in_recurrent_ppo():
    model = model_of(layer)
    before = [p.clone() for p in model.policy.lstm_actor.parameters()]
    model.learn(16)
    assert any(not torch.equal(p, old) for p, old in zip(model.policy.lstm_actor.parameters(), before))
    action, state = model.predict(model.env.reset(), episode_start=[True])
    assert action.shape == (1,)
    assert state[0].shape == (1, 1, 10)


def test_a_sequence_with_an_episode_inside_is_that_of_the_layer():
    policy = model_of(layer).policy
    cell, x = policy.lstm_actor, torch.randn(2, 6, 4)
    h = torch.randn(1, 2, cell.hidden_size)
    starts = torch.zeros(2, 6)
    starts[1, 3] = 1.0
    y, _ = policy._process_sequence(x.flatten(0, 1), (h, h), starts.flatten(), cell)
    wanted, _ = cell.core(x, cell.states(h[0]), starts=starts.bool())
    torch.testing.assert_close(y, wanted.flatten(0, 1))


def test_what_is_no_layer_is_refused():
    with pytest.raises(ArgumentError, match="core built a LSTM"):
        model_of(lambda inputs: torch.nn.LSTM(inputs, 3))
