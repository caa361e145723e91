import csv
import re
import sys

import numpy as np
import pytest
import torch
from torch import nn

import wormnet
from wormnet.control import PPO, Agent, Choice, Policy, Projection, imitate, ppo, replay
from wormnet.control.agent import Moments
from wormnet.control.cells import Memoryless
from wormnet.control.policy_gradient import Collector, Rollout, advantages, evaluate, improve, only
from wormnet.control.searching import FINAL
from wormnet.control.worlds import seeds_of
from wormnet.errors import ArgumentError, WormnetError

gymnasium = pytest.importorskip("gymnasium")
Box, Discrete = gymnasium.spaces.Box, gymnasium.spaces.Discrete


def cartpole():
    return gymnasium.make("CartPole-v1")


class Cue(gymnasium.Env):
    """Shows +1 or -1 once, then nothing; the last of `length` actions earns 1 if it is what was shown."""

    observation_space, action_space = Box(-1, 1, (2,), np.float32), Discrete(2)

    def __init__(self, length=1):
        self.length = length

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.cue, self.t = int(self.np_random.integers(2)), 0
        return np.array([2 * self.cue - 1, 0], np.float32), {}

    def step(self, action):
        self.t += 1
        over = self.t == self.length
        return np.array([0, self.t / self.length], np.float32), float(over and action == self.cue), over, False, {}


class Reach(gymnasium.Env):
    """One action a; the return is -(a - x)^2."""

    observation_space, action_space = Box(-1, 1, (1,), np.float32), Box(-1, 1, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.x = self.np_random.uniform(-1, 1, 1).astype(np.float32)
        return self.x, {}

    def step(self, action):
        return self.x, -float((action - self.x)[0] ** 2), True, False, {}


class Wage(gymnasium.Env):
    """Pays 1 for every sample, and is cut off (or ends) after three of them."""

    observation_space, action_space = Box(-1, 1, (1,), np.float32), Discrete(2)

    def __init__(self, ends=False):
        self.ends = ends

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.t += 1
        over = self.t == 3
        return np.zeros(1, np.float32), 1.0, over and self.ends, over and not self.ends, {}


def agent_of(core, environment, observations=2, seed=0):
    torch.manual_seed(seed)
    return Agent(core(), observations, environment.action_space)


def test_with_lambda_one_advantages_are_discounted_returns_less_the_values():
    rng = np.random.default_rng(0)
    rewards, values, last = rng.normal(size=(5, 3)), rng.normal(size=(5, 3)), rng.normal(size=3)
    ends = np.zeros((5, 3), bool)
    ends[1, 0], ends[4, 2] = True, True
    found = advantages(rewards, values, ends, last, discount=0.9, trace=1.0)
    for column in range(3):
        for t in range(5):
            over = next((k for k in range(t, 5) if ends[k, column]), None)
            until = 4 if over is None else over
            earned = sum(0.9 ** (k - t) * rewards[k, column] for k in range(t, until + 1))
            earned += 0.0 if over is not None else 0.9 ** (5 - t) * last[column]
            assert found[t, column] == pytest.approx(earned - values[t, column])


def test_with_lambda_zero_advantages_are_the_errors_of_one_step():
    found = advantages([[1.0], [2.0]], [[0.5], [4.0]], [[False], [False]], [8.0], discount=0.5, trace=0.0)
    assert found.ravel().tolist() == [1 + 2 - 0.5, 2 + 4 - 4.0]


@pytest.mark.parametrize(("ends", "wanted"), [(False, 0.0), (True, None)])
def test_an_episode_that_is_cut_off_is_worth_what_it_promises_and_one_that_ends_is_not(ends, wanted):
    # A wage of 1 for ever is worth 1 / (1 - .9) = 10: an agent that says so has nothing to learn where it is cut off.
    agent = agent_of(lambda: Memoryless(1, 2), Wage(), 1)
    nn.init.zeros_(agent.value.weight)
    nn.init.constant_(agent.value.bias, 10.0)
    plan = PPO(steps=16, environments=2, length=8, minibatches=1, epochs=1, rate=1e-9, discount=0.9)
    (row,) = ppo(agent, lambda: Wage(ends), plan)
    assert row["value_loss"] == pytest.approx(0.0, abs=1e-8) if wanted == 0 else row["value_loss"] > 1


def test_what_is_shown_is_learned():
    agent = agent_of(lambda: Memoryless(2, 16), Cue())
    ppo(agent, Cue, PPO(steps=2560, environments=8, length=32, rate=1e-2))
    assert evaluate(agent, Cue, episodes=40).mean() == 1.0


def test_what_has_to_be_remembered_is_learned_by_cells_with_a_memory_alone():
    def make():
        return Cue(3)

    plan = PPO(steps=6144, environments=8, length=48, epochs=6, rate=1e-2)
    remembers = agent_of(lambda: nn.GRU(2, 12, batch_first=True), make())
    ppo(remembers, make, plan)
    assert evaluate(remembers, make, episodes=60).mean() > 0.95
    forgets = agent_of(lambda: Memoryless(2, 12), make())
    ppo(forgets, make, PPO(steps=768, environments=8, length=48, epochs=2, rate=1e-2))
    assert evaluate(forgets, make, episodes=60).mean() < 0.7


def test_continuous_actions_are_learned():
    agent = agent_of(lambda: Memoryless(1, 16), Reach(), 1)
    ppo(agent, Reach, PPO(steps=5120, environments=8, length=32, rate=1e-2, entropy=0.0))
    assert evaluate(agent, Reach, episodes=40).mean() > -0.03


def test_a_layer_learns_and_the_log_is_a_whole_table_of_it(tmp_path):
    agent = agent_of(lambda: wormnet.LTC(wormnet.dense(2, 5), backend="reference"), Cue(2))
    before = {name: value.clone() for name, value in agent.core.named_parameters()}
    plan = PPO(steps=64, environments=2, length=16, minibatches=2, epochs=1)
    rows = ppo(agent, lambda: Cue(2), plan, log=tmp_path / "log.csv")
    with (tmp_path / "log.csv").open() as file:
        told = list(csv.DictReader(file))
    assert [float(row["steps"]) for row in told] == [row["steps"] for row in rows] == [32, 64]
    assert any(not torch.equal(value, before[name]) for name, value in agent.core.named_parameters())


def test_a_board_shows_the_numbers_of_the_log_over_steps(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    agent = agent_of(lambda: Memoryless(2, 5), Cue())
    plan = PPO(steps=64, environments=2, length=16, minibatches=2, epochs=1)
    rows = ppo(agent, Cue, plan, board=tmp_path)
    shown = EventAccumulator(str(tmp_path)).Reload()
    assert set(shown.Tags()["scalars"]) == set(rows[0]) - {"steps"}
    for name in shown.Tags()["scalars"]:
        told = [(event.step, event.value) for event in shown.Scalars(name)]
        assert told == [(row["steps"], pytest.approx(row[name])) for row in rows]


def test_without_tensorboard_a_board_is_one_sentence_and_nothing_is_begun(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(WormnetError, match=r'a board needs TensorBoard.*pip install "wormnet\[tensorboard\]"'):
        ppo(agent_of(lambda: Memoryless(2, 5), Cue()), pytest.fail, board="board")


def test_the_same_seed_gives_the_same_agent_and_leaves_torch_alone():
    found = []
    for _ in range(2):
        agent = agent_of(lambda: nn.LSTM(2, 4, batch_first=True), Cue(2))
        before = torch.get_rng_state()
        ppo(agent, lambda: Cue(2), PPO(steps=64, environments=2, length=16, minibatches=2), seed=3)
        assert torch.equal(before, torch.get_rng_state())
        found.append(torch.cat([p.detach().flatten() for p in agent.parameters()]))
    assert torch.equal(*found)


CORES = {
    "lstm": lambda: nn.LSTM(2, 5, batch_first=True),
    "gru": lambda: nn.GRU(2, 5, batch_first=True),
    "ltc": lambda: wormnet.LTC(wormnet.dense(2, 5), backend="reference"),
    "cfc with memory": lambda: wormnet.CfC(wormnet.dense(2, 5), mixed_memory=True, backend="reference"),
    "memoryless": lambda: Memoryless(2, 5),
}


@pytest.mark.parametrize("core", CORES)
def test_a_sequence_learned_from_is_what_was_lived_through_sample_by_sample(core):
    # Episodes of three samples in rollouts of eight: they begin within rollouts, and reach over from one to the next.
    agent = agent_of(CORES[core], Cue(3))
    nn.init.normal_(agent.policy.weight)
    lived = Collector(lambda: Cue(3), agent, PPO(environments=5, length=8, minibatches=2), 0)
    for rollout in (lived.collect(), lived.collect()):
        assert rollout.starts.any(1).all()
        for rows in (torch.arange(5), torch.tensor([3, 1])):
            part = rollout.of(rows)
            odds, values, _ = agent(part.observations, part.state, part.starts)
            torch.testing.assert_close(odds.log_prob(part.actions), part.log_odds)
            torch.testing.assert_close(values, part.returns - part.advantages)
    assert rollout.state is not None or core == "memoryless"


def test_an_episode_cut_off_is_valued_with_the_memory_that_it_ended_with():
    # A cell that counts samples, valued by its count: after three of them the last observation is the fourth.
    class Count(nn.Module):
        width = 1

        def forward(self, x, state=None):
            first = x.new_zeros(len(x), 1) if state is None else state
            y = first[:, None] + torch.ones_like(x[..., :1]).cumsum(1)
            return y, y[:, -1]

    agent = agent_of(Count, Wage(), 1)
    nn.init.ones_(agent.value.weight)
    lived = Collector(Wage, agent, PPO(environments=2, length=3, minibatches=1, discount=0.5, trace=1.0), 0)
    returns = lived.collect().returns
    # 1 + 1/2 + 1/4 + 1/8 of the value 4, and so on: what follows in the new episode is worth nothing here.
    torch.testing.assert_close(returns, torch.tensor([[2.25, 2.5, 3.0]]).expand(2, 3))


@pytest.mark.parametrize("unit", [2.0**-10, 2.0**10])
def test_the_unit_of_the_reward_changes_nothing_that_is_learned(unit):
    found = []
    for scale in (1.0, unit):
        agent = agent_of(lambda: nn.GRU(2, 6, batch_first=True), Cue())
        nn.init.zeros_(agent.value.weight)

        def make(scale=scale):
            return gymnasium.wrappers.TransformReward(Cue(2), lambda reward: scale * reward)

        ppo(agent, make, PPO(steps=512, environments=4, length=16, minibatches=2, epochs=3))
        found.append(torch.cat([p.detach().flatten() for p in agent.parameters()]))
    torch.testing.assert_close(found[1], found[0])


def test_a_sequence_in_which_all_went_equally_well_is_compared_with_the_others():
    # One environment did action 0 all the time, and did better than the other, which did action 1.
    agent = agent_of(lambda: Memoryless(2, 3), Cue())
    actions = torch.tensor([0, 1])[:, None].expand(2, 5)
    x, zeros = torch.ones(2, 5, 2), torch.zeros(2, 5)
    odds = agent(x)[0].log_prob(actions).detach()
    rollout = Rollout(x, actions, odds, 1.0 - 2.0 * actions, zeros, zeros.bool(), None)
    optimiser = torch.optim.Adam(agent.parameters(), lr=1e-2)
    before = agent(x)[0].probs[0, 0, 0].item()
    plan = PPO(environments=2, minibatches=2, epochs=5)
    improve(agent, optimiser, rollout, plan, np.random.default_rng(0))
    assert agent(x)[0].probs[0, 0, 0] > before + 0.01


def test_moments_are_those_of_all_that_was_seen():
    seen, x = Moments((2,)), torch.randn(3, 50, 2) * torch.tensor([5.0, 0.1]) + 7
    for part in x:
        seen.notice(part)
    torch.testing.assert_close(seen.mean, x.flatten(0, 1).double().mean(0))
    torch.testing.assert_close(seen.variance, x.flatten(0, 1).double().var(0, correction=0))


def test_what_never_varied_is_not_magnified():
    agent = agent_of(lambda: Memoryless(2, 2), Cue())
    agent.observed.notice(torch.tensor([[0.1, 1.0], [0.1, 3.0], [0.1, 5.0]]))
    assert agent.observed.scale.tolist() == [1.0, pytest.approx((8 / 3) ** 0.5)]


def test_new_returns_change_what_values_are_standardised_by_and_no_value():
    agent, x = agent_of(lambda: nn.GRU(2, 4, batch_first=True), Cue()), torch.randn(3, 5, 2)
    for returns in (torch.tensor([100.0, 300.0]), torch.tensor([-1e4, 0.0, 0.0])):
        before = agent(x)[1]
        agent.expect(returns)
        torch.testing.assert_close(agent(x)[1], before, atol=1e-3, rtol=1e-5)
    assert agent.returned.mean == pytest.approx((400 - 1e4) / 5)


@pytest.mark.parametrize("core", CORES.values(), ids=CORES)
def test_new_outputs_of_the_cell_change_what_the_maps_read_and_nothing_that_the_agent_does(core):
    agent, shown = Agent(core(), 2, Discrete(3)), torch.randn(5, 40, 2)
    nn.init.normal_(agent.policy.weight)
    before = agent(shown)
    for seen in (shown, 3 * torch.randn(7, 40, 2) + 1):
        agent.feel(seen)
        for one, other in zip(agent(shown)[:2], before[:2], strict=True):
            one, other = (getattr(given, "logits", given) for given in (one, other))
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("core", CORES.values(), ids=CORES)
def test_what_the_maps_read_has_mean_0_and_deviation_1(core):
    agent, shown, read = Agent(core(), 2, Discrete(3)), torch.randn(5, 40, 2), []
    agent.feel(shown)
    agent.policy.register_forward_pre_hook(lambda _, given: read.append(given[0].flatten(0, 1)))
    agent(shown)
    torch.testing.assert_close(read[0].mean(0), torch.zeros_like(read[0][0]), rtol=0, atol=1e-4)
    torch.testing.assert_close(read[0].std(0, correction=0), torch.ones_like(read[0][0]), rtol=0, atol=1e-3)


@pytest.mark.parametrize("case", ["choice", "numbers", "projected"])
def test_a_trained_agent_is_a_policy_that_acts_alike_alone_and_from_its_file(case, tmp_path):
    environment = Reach() if case == "numbers" else Cue(3)
    cores = {
        "choice": lambda: wormnet.LTC(wormnet.auto_ncp(inputs=2, neurons=9, outputs=4)),
        "numbers": lambda: wormnet.CfC(wormnet.dense(1, 5), time_unit=0.1),
        "projected": lambda: wormnet.CTRNN(wormnet.dense(2, 5), proj_size=3, mixed_memory=True),
    }
    agent = agent_of(cores[case], environment, environment.observation_space.shape[0])
    plan = PPO(steps=512, environments=4, length=16, minibatches=2, epochs=3)
    ppo(agent, Reach if case == "numbers" else lambda: Cue(3), plan)
    policy = agent.to_policy()
    policy.save(tmp_path / "policy")
    again = Policy.load(tmp_path / "policy")
    seen = np.random.default_rng(0).normal(size=(80, len(policy.sense))) * 4  # some beyond ten deviations
    state, expected = None, []
    for one in seen:
        action, state = agent.act(one[None], state)
        expected.append(np.ravel(action))
    for made in (policy, again):
        found = np.array([made.act(one) for one in seen])
        np.testing.assert_allclose(found, np.array(expected, float), atol=1e-5)
    assert len(np.unique(np.round(expected, 3))) > 1
    before = policy.vector()
    with torch.no_grad():
        agent.policy.weight.zero_()
    assert np.array_equal(policy.vector(), before)


def test_an_agent_in_double_precision_becomes_a_policy_in_double_precision_and_nothing_is_drawn():
    agent = agent_of(lambda: wormnet.CTRNN(wormnet.dense(2, 3), dtype=torch.float64), Reach(), 2)
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    policy, state, seen = agent.to_policy(), None, np.random.default_rng(0).normal(size=(20, 2))
    assert torch.equal(torch.rand(1), expected)
    for one in seen.astype(np.float32).astype(float):
        action, state = agent.act(one[None], state)
        np.testing.assert_allclose(policy.act(one), action[0], atol=1e-7)
    assert policy.layer().projection.weight.dtype == torch.float64


def test_a_policy_earns_in_the_environment_what_its_agent_earns_and_fits_no_other():
    agent = agent_of(lambda: wormnet.CfC(wormnet.auto_ncp(inputs=4, neurons=12, outputs=4)), cartpole(), 4)
    ppo(agent, cartpole, PPO(steps=4096, environments=8, length=64, minibatches=4))
    policy = agent.to_policy()
    seeds = seeds_of(0, FINAL, n=5)
    earned = [evaluate(agent, cartpole, episodes=1, seed=int(seed))[0] for seed in seeds]
    assert replay(policy, "CartPole-v1", episodes=5).tolist() == earned
    assert max(earned) > 30
    agent.core = wormnet.CfC(wormnet.auto_ncp(inputs=2, neurons=12, outputs=4))
    agent.observed = Moments((2,)).notice(torch.tensor([[1.0, 0.1], [-1.0, 0.2]]))
    some = agent.to_policy(observe=[0, 2], observations=4)
    expected = replay(agent.to_policy(), lambda: only(cartpole(), [0, 2]), episodes=5)
    assert (replay(some, "CartPole-v1", episodes=5) == expected).all()
    for move, message in (
        ([Choice(1)], "CartPole-v1 takes one of 2 actions from 0 on, and this policy gives one of 2 from 1 on. Which"),
        (None, "gives 4 observations and takes 1 actions; this policy takes 4 and gives 2"),
        ([Projection(1)], "takes one of 2 actions from 0 on, and this policy gives numbers"),
        ([Projection(3), Choice()], "takes one of 2 actions from 0 on, and this policy gives one of 3 from 0 on"),
    ):
        with pytest.raises(ArgumentError, match=message):
            replay(Policy(policy.layer(), move=move), "CartPole-v1", episodes=1)
    with pytest.raises(ArgumentError, match="Pendulum-v1 takes numbers, and this policy gives one of 2 from 0 on"):
        replay(Policy(wormnet.CfC(wormnet.dense(3, 2)), move=[Choice()]), "Pendulum-v1", episodes=1)
    for core, size, match in (
        (wormnet.CfC(wormnet.dense(4, 2), return_sequences=False), 4, "return_sequences=False; it takes True of both"),
        (wormnet.CfC(wormnet.dense(4, 2), batch_first=False), 4, "batch_first=False"),
        (wormnet.CfC(wormnet.dense(4, 2)), 3, "observations is 3; the cell takes 4 inputs"),
        (nn.LSTM(4, 2, batch_first=True), 5, "observations is 5; the cell takes 4 inputs"),
    ):
        with pytest.raises(ArgumentError, match=match):
            Agent(core, size, Discrete(2))
    for space in (Box(0, 9, (2,), np.int64), Box(0, 1, (0,))):
        with pytest.raises(ArgumentError, match="or Box with one axis of floating numbers"):
            Agent(wormnet.CfC(wormnet.dense(4, 2)), 4, space)
    hooked = Agent(wormnet.CfC(wormnet.dense(4, 2)), 4, Discrete(2))
    hooked.core.register_forward_hook(lambda *_: None)
    with pytest.raises(ArgumentError, match="the layer has forward hooks, which a policy, running without torch"):
        hooked.to_policy()
    with pytest.raises(ArgumentError, match="the agent's cell is a LSTM; it takes a layer of wormnet"):
        agent_of(lambda: nn.LSTM(4, 8, batch_first=True), cartpole(), 4).to_policy()
    with pytest.raises(ArgumentError, match="ends in a Choice, through which no gradient passes"):
        imitate(policy, lambda seen: np.zeros((len(seen), 1)), "CartPole-v1", rounds=1)


def test_what_cannot_be_is_one_clear_error_before_anything_moves():
    agent = agent_of(lambda: Memoryless(2, 2), Cue())
    with pytest.raises(ArgumentError, match="an observation holds nan"):
        agent.act([[0.0, np.nan]])
    with pytest.raises(ArgumentError, match="the agent takes 2 numbers"):
        ppo(agent, Reach)
    for call in (ppo, evaluate):
        with pytest.raises(ArgumentError, match=re.escape("env is 3; it takes an id of Gymnasium, or a function")):
            call(agent, 3)
        with pytest.raises(ArgumentError, match=re.escape("env is 'CartPole-v11'")):
            call(agent, "CartPole-v11")
        with pytest.raises(ArgumentError, match=re.escape("agent is 'CartPole-v1'; it takes an Agent")):
            call("CartPole-v1", Reach)
    with pytest.raises(ArgumentError, match="it takes Discrete"):
        Agent(Memoryless(2, 2), 2, gymnasium.spaces.MultiBinary(3))
    with pytest.raises(ArgumentError, match="at most one for each of the 2 environments"):
        PPO(environments=2, minibatches=4)
    for wrong, says in (({"trace": 1.5}, "0 to 1"), ({"rate": 0.0}, "a number > 0"), ({"entropy": np.nan}, ">= 0")):
        with pytest.raises(ArgumentError, match=says):
            PPO(**wrong)
    with pytest.raises(ArgumentError, match="places of the 4 numbers"):
        only(gymnasium.make("CartPole-v1"), [0, 4])


def test_cartpole_without_velocities_shows_position_and_angle():
    whole, part = gymnasium.make("CartPole-v1"), only(gymnasium.make("CartPole-v1"), [0, 2])
    assert whole.reset(seed=1)[0][[0, 2]].tolist() == part.reset(seed=1)[0].tolist()
