"""Searches solve what can be solved, go on after being killed as if nothing had been, and count what they say."""

import functools
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import wormnet
from wormnet.control import WORLDS, Choice, Policy, World, replay, search, task
from wormnet.control.methods import METHODS
from wormnet.control.plain import Lstm, Mlp
from wormnet.control.searching import worst_of
from wormnet.control.worlds import MountainCar, world_of
from wormnet.errors import ArgumentError, DataError
from wormnet.wiring import tap

pytest.importorskip("cma")
gymnasium = pytest.importorskip("gymnasium")
Box, Discrete, MultiBinary, MultiDiscrete = (
    getattr(gymnasium.spaces, name) for name in ("Box", "Discrete", "MultiBinary", "MultiDiscrete")
)


class Home(World):
    """Be at the place that is seen, 0.5 to the right: solved by a bias."""

    name, observations, actions, limit = "home", 1, 1, 4

    def reset(self, seeds):
        self._place = np.array([np.random.default_rng(int(seed)).uniform(-0.2, 0.2) for seed in seeds])
        return self._place[:, None]

    def step(self, action):
        return self._place[:, None], -((action[:, 0] - self._place - 0.5) ** 2), np.zeros(self.rows, bool)


class Episode(gymnasium.Env):
    """The same as Gymnasium has environments."""

    observation_space = gymnasium.spaces.Box(-1, 1, (1,))
    action_space = gymnasium.spaces.Box(-100, 100, (1,), np.float64)

    def reset(self, *, seed=None, options=None):
        self.place, self.n = np.random.default_rng(seed).uniform(-0.2, 0.2), 0
        return np.array([self.place]), {}

    def step(self, action):
        self.n += 1
        return np.array([self.place]), -((action[0] - self.place - 0.5) ** 2), False, self.n == 4, {}


@functools.cache
def policy():
    torch.manual_seed(0)
    return Policy(wormnet.LTC(wormnet.dense(1, 1)))


FEW = {"episodes": 3, "worst": 2, "candidates": 6, "seed": 3}


@pytest.mark.parametrize("method", METHODS)
def test_every_method_solves_a_tiny_task(method):
    found = search(policy(), Home, method, budget=600, target=-0.05, trial=20, **FEW)
    assert found.solved
    assert replay(found.policy, Home, episodes=20).mean() >= -0.06
    assert replay(policy(), Home, episodes=20).mean() < -0.2  # it was not solved before


@pytest.mark.parametrize("method", METHODS)
def test_same_seed_same_search_and_another_seed_another(method):
    one, two = (search(policy(), Home, method, budget=60, **FEW) for _ in range(2))
    other = search(policy(), Home, method, budget=60, **{**FEW, "seed": 4})
    assert np.array_equal(one.best, two.best)
    assert np.array_equal(one.policy.vector(), two.policy.vector())
    assert not np.array_equal(one.best, other.best)


@pytest.mark.parametrize("method", METHODS)
def test_a_search_that_goes_on_finds_what_an_undisturbed_one_finds(method, tmp_path):
    whole = search(policy(), Home, method, budget=90, target=0.0, **FEW)
    search(policy(), Home, method, budget=40, target=0.0, resume=tmp_path / "log", **FEW)
    on = search(policy(), Home, method, budget=90, target=0.0, resume=tmp_path / "log", **FEW)
    assert np.array_equal(on.best, whole.best)
    assert np.array_equal(on.policy.vector(), whole.policy.vector())
    assert (on.objective, on.episodes) == (whole.objective, whole.episodes)


def test_what_is_in_the_file_is_not_run_again(tmp_path):
    search(policy(), Home, budget=30, resume=tmp_path / "log", **FEW)

    class Counting(Home):
        steps = 0

        def step(self, action):
            Counting.steps += 1
            return super().step(action)

    search(policy(), Counting, budget=30, resume=tmp_path / "log", **FEW)
    assert Counting.steps == 0
    search(policy(), Counting, budget=36, resume=tmp_path / "log", **FEW)
    assert Counting.steps == Home.limit


KILLED = """
import sys, torch
sys.path.insert(0, sys.argv[2])
from test_search import FEW, Home, policy
from wormnet.control import search
search(policy(), Home, budget=10**6, resume=sys.argv[1], **FEW)
"""


def test_a_killed_search_leaves_a_whole_file_and_goes_on(tmp_path):
    log = tmp_path / "log"
    running = subprocess.Popen([sys.executable, "-c", KILLED, log, Path(__file__).parent], env=os.environ)
    while running.poll() is None and not (log.exists() and len(json.loads(log.read_text())["generations"]) >= 5):
        time.sleep(0.05)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    kept = len(json.loads(log.read_text())["generations"])
    budget = 6 * (kept + 3)
    on = search(policy(), Home, budget=budget, resume=log, **FEW)
    whole = search(policy(), Home, budget=budget, **FEW)
    assert np.array_equal(on.best, whole.best)
    assert np.array_equal(on.policy.vector(), whole.policy.vector())


@pytest.mark.slow  # two processes import torch
def test_workers_change_nothing():
    alone = search(policy(), Home, budget=36, **FEW)
    shared = search(policy(), Home, budget=36, workers=2, **FEW)
    assert np.array_equal(alone.best, shared.best)
    assert np.array_equal(alone.policy.vector(), shared.policy.vector())


def test_a_gymnasium_environment_of_ones_own_is_searched_alike():
    one, other = (search(policy(), env, budget=24, **FEW) for env in (Home, Episode))
    assert one.best == pytest.approx(other.best, rel=1e-12)


def test_a_random_start_is_within_bounds_and_follows_the_seed():
    circuit = Policy(tap.tw_pure(), **task("mountain_car").maps)

    class Short(MountainCar):
        limit = 2

    options = {"method": "filtered", "episodes": 1, "worst": 1, "budget": 1, "start": "random"}
    one, two, other = (search(circuit, Short, seed=seed, **options).policy.vector() for seed in (0, 0, 1))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)
    low, high = circuit.bounds
    assert ((one > low) & (one < high)).all()


def test_the_objective_is_the_mean_of_the_worst():
    returns = np.array([[5.0, 1.0, 3.0], [0.0, 0.0, 9.0]])
    assert worst_of(returns, 2).tolist() == [2.0, 0.0]
    assert worst_of(returns, 3) == pytest.approx(returns.mean(1))


def test_evaluations_and_episodes_are_counted():
    found = search(policy(), Home, budget=20, target=100.0, **FEW)
    assert found.evaluations.tolist() == [6, 12, 18, 24]
    assert found.episodes == 24 * 3
    assert not found.solved
    assert np.isnan(found.trial)


# -- environments ------------------------------------------------------------------------------------------------------


def test_the_mountain_car_is_gymnasiums():
    ours, rng = WORLDS["MountainCarContinuous-v0"](2), np.random.default_rng(0)
    theirs = [gymnasium.make("MountainCarContinuous-v0") for _ in range(2)]
    assert ours.reset(np.array([4, 5])) == pytest.approx(
        np.stack([one.reset(seed=4 + i)[0] for i, one in enumerate(theirs)])
    )
    ended = np.zeros(2, bool)
    for k in range(400):
        action = np.sign(np.sin(k / 18.0)) + rng.normal(size=(2, 1)) * 0.3
        seen, reward, done = ours.step(action)
        for i, one in enumerate(theirs):
            if not ended[i]:
                there, earned, over, _, _ = one.step(action[i])
                assert seen[i] == pytest.approx(there, abs=1e-5)
                assert (reward[i], done[i]) == (pytest.approx(earned), over)
                ended[i] = over
    assert ended.any()


def test_progress_adds_fifty_on_the_way_to_the_goal_and_nothing_else():
    plain, told = WORLDS["MountainCarContinuous-v0"](1), WORLDS["MountainCarContinuous-v0 with progress"](1)
    seen, _ = plain.reset(np.array([1])), told.reset(np.array([1]))
    more = 0.0
    for _ in range(300):
        action = np.sign(seen[:, 1:] + 1e-9)
        (seen, reward, ended), (_, other, _) = plain.step(action), told.step(action)
        assert other >= reward - 1e-12
        more += (other - reward)[0]
        if ended[0]:
            break
    assert ended[0]
    assert more == pytest.approx(50.0)


# Places, angles and their speeds by MuJoCo 4.0.0, InvertedPendulum-v5, from set_state((0.97, 0), (1.5, 0)) under .2:
# the cart runs into the end of its rail. And the first two states of reset(seed=0) under 0 and .3.
RAIL = [[1.01590394, 0.0328201, 0.39159727, 2.56138193], [1.01747444, 0.16579098, -0.14348737, 3.69682075]]


def test_the_pendulum_is_mujocos_at_the_end_of_its_rail_too():
    ours = WORLDS["InvertedPendulum-v5"](1)
    assert ours.reset(np.array([0]))[0] == pytest.approx([0.00273923, -0.00460427, -0.00918053, -0.00966945], abs=1e-8)
    ours._state[0] = 0.97, 0.0, 1.5, 0.0
    for expected in RAIL:
        assert ours.step(np.array([[0.2]]))[0][0] == pytest.approx(expected, abs=1e-6)


def test_the_pendulum_is_mujocos_where_it_is_installed():
    pytest.importorskip("mujoco")
    try:
        theirs = gymnasium.make("InvertedPendulum-v5")
    except gymnasium.error.DependencyNotInstalled as missing:
        pytest.skip(str(missing))
    ours, rng = WORLDS["InvertedPendulum-v5"](1), np.random.default_rng(0)
    assert ours.reset(np.array([7]))[0] == pytest.approx(theirs.reset(seed=7)[0], abs=1e-12)
    for _ in range(50):
        action = rng.uniform(-0.1, 0.1, (1, 1))
        seen, reward, ended = ours.step(action)
        there, earned, over, _, _ = theirs.step(action[0])
        assert (bool(ended[0]), reward[0]) == (over, earned)
        if over:
            break
        assert seen[0] == pytest.approx(there, abs=1e-6)


@pytest.mark.parametrize("network", [Mlp(18, (0, 1), (1, 1), 2, 1.0), Lstm(3, (1, 0), (0.3, 2), 2, 1.0)])
def test_plain_networks_are_torchs(network):
    rng = np.random.default_rng(0)
    theta, seen = rng.normal(size=(2, network.numbers.size)), rng.normal(size=(5, 2, 3, 2))
    crowd = network.population(2, 3)
    crowd.set(theta)
    found = np.stack([crowd.act(x) for x in seen])
    for p, vector in enumerate(theta):
        parts = dict(
            zip(
                [one.name for one in network.numbers.blocks],
                np.split(vector, np.cumsum([one.size for one in network.numbers.blocks])[:-1]),
            )
        )
        x = torch.from_numpy(seen[:, p][..., network.observe] / network.scale)
        n, h = 2, network.hidden
        with torch.no_grad():
            if network.kind == "mlp":
                hidden = torch.tanh(
                    x @ torch.from_numpy(parts["weight"].reshape(h, n)).T + torch.from_numpy(parts["bias"])
                )
            else:
                lstm = torch.nn.LSTM(n, h).double()
                order = np.r_[0 : 2 * h, 3 * h : 4 * h, 2 * h : 3 * h]  # torch has i, f, g, o
                weight, bias = parts["weight"].reshape(4 * h, n + h)[order], parts["bias"][order]
                for name, value in (
                    ("weight_ih_l0", weight[:, :n]),
                    ("weight_hh_l0", weight[:, n:]),
                    ("bias_ih_l0", bias),
                ):
                    getattr(lstm, name).copy_(torch.from_numpy(value.copy()))
                lstm.bias_hh_l0.zero_()
                hidden = lstm(x)[0]
            y = (hidden @ torch.from_numpy(parts["out"]))[..., None] + torch.from_numpy(parts["out_bias"])
        assert found[:, p] == pytest.approx(y.clamp(-1, 1).numpy(), abs=1e-9)


# -- what is refused ---------------------------------------------------------------------------------------------------


class Brief(gymnasium.Env):
    """Ends after `length` steps, of which each earns 1, and may not be stepped on."""

    observation_space, action_space = Box(-1, 1, (1,)), Discrete(2, start=3)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.left = int(self.np_random.integers(1, 6))
        return np.zeros(1, np.float32), {}

    def step(self, action):
        assert self.left > 0
        assert self.action_space.contains(action)
        self.left -= 1
        return np.zeros(1, np.float32), 1.0, not self.left, False, {}


def test_an_environment_that_has_ended_is_not_stepped_on_and_gets_whole_numbers_that_are_its_actions():
    layer = wormnet.CfC(wormnet.dense(1, 2))
    returns = replay(Policy(layer, move=[Choice(3)]), Brief, episodes=9)
    assert 1 == min(returns) < max(returns) <= 5


def spaces(seen, acted):
    """What has these spaces."""
    return SimpleNamespace(observation_space=seen, action_space=acted)


REFUSED = [
    (lambda: search(policy(), Home, "cmaes"), "unknown method 'cmaes'; did you mean 'cma' or 'ars'?"),
    (lambda: search(policy(), Home, episodes=3, worst=4), "worst is 4 of 3 episodes; it takes 3 at most."),
    (lambda: search(policy(), Home, start="zero"), "start is 'zero'; it takes 'policy' or 'random'."),
    (lambda: search(policy(), Home, budget=0), "budget is 0; it takes a whole number, 1 or more."),
    (lambda: search(policy(), Home, workers=0), "workers is 0; it takes a whole number, 1 or more."),
    (
        lambda: search(policy(), "MountainCarContinuous-v0"),
        "gives 2 observations and takes 1 actions; this policy takes 1",
    ),
    (lambda: search(policy(), Home, start=np.zeros(2)), "start is array([0., 0.]); it takes 'policy' or 'random'."),
    (lambda: search(policy(), Home, target=float("nan")), "target is nan; it takes a finite number, or None."),
    (lambda: search(policy(), World), "it takes an id of Gymnasium, a subclass of World"),
    (lambda: search(policy().network, Home), "it takes a Policy. Of a layer or a circuit it is Policy(...)."),
    (lambda: replay("policy.safetensors", Home), "policy is 'policy.safetensors'; it takes a Policy."),
    (lambda: replay(policy(), Home, seed=-1), "seed is -1; it takes a whole number, 0 or more."),
    (lambda: replay(policy(), "NoSuchCar-v0"), "env is 'NoSuchCar-v0': "),
    (lambda: replay(policy(), 3), "env is 3; it takes an id of Gymnasium, a subclass of World, or a function"),
    (lambda: replay(policy(), lambda: object()), "has no flat observations and actions"),
    (lambda: replay(Policy(tap.tw_pure(), **task("inverted_pendulum").maps), Home), "this policy takes 4 and gives 1."),
    (lambda: world_of(lambda: spaces(Discrete(3), Box(-1, 1, (1,))), 1), "has no flat observations and actions"),
    (lambda: world_of(lambda: spaces(Box(-1, 1, (2,)), MultiBinary(2)), 1), "has no flat observations and actions"),
    (
        lambda: world_of(lambda: spaces(Box(-1, 1, (2,)), MultiDiscrete([2, 2])), 1),
        "is a Box of shape (m,) of floating numbers, or",
    ),
]


@pytest.mark.parametrize(("call", "message"), REFUSED)
def test_what_cannot_be_is_refused(call, message):
    with pytest.raises(ArgumentError, match=re.escape(message)):
        call()


def test_a_file_of_another_search_or_of_none_is_left_alone(tmp_path):
    log = tmp_path / "log"
    search(policy(), Home, budget=12, resume=log, **FEW)
    before = log.read_bytes()
    with pytest.raises(ArgumentError, match="is of a search with seed 3, this one has 5; give it a file of its own"):
        search(policy(), Home, budget=12, resume=log, **{**FEW, "seed": 5})
    assert log.read_bytes() == before
    # The same numbers, which act otherwise.
    slow, other = Policy(policy().network, dt=5.0), Policy(policy().network, observe=[0], observations=1)
    for changed in (slow, other):
        with pytest.raises(ArgumentError, match="with another wiring, other maps or options; give it a file of its"):
            search(changed, Home, budget=12, resume=log, **FEW)
    assert log.read_bytes() == before
    held = json.loads(before)
    del held["search"]["network"]  # as files were before it was told
    log.write_text(json.dumps(held))
    assert search(policy(), Home, budget=12, resume=log, **FEW).episodes > 0
    for content in ("", "{}", '{"search": {}, "generations": [{}]}', "[1, 2]"):
        log.write_text(content)
        with pytest.raises(DataError, match="holds no search"):
            search(policy(), Home, budget=12, resume=log, **FEW)
