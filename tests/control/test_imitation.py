"""Policies learn what a teacher does, from their own mistakes too, and nothing else changes."""

import json

import numpy as np
import pytest
import torch

import wormnet
from wormnet.cli import main
from wormnet.control import Policy, World, imitate, ordinary_circuits, replay, task
from wormnet.control.searching import TRIAL, returns_of
from wormnet.control.worlds import InvertedPendulum, MountainCar, seeds_of, world_of
from wormnet.errors import ArgumentError, DataError, ShapeError
from wormnet.wiring import tap
from wormnet.wiring.biophysics import BOUNDS
from wormnet.wiring.circuits import tap_withdrawal


class Walk(World):
    """A place that goes where the action pushes it; at home in the middle."""

    name, observations, actions, limit = "walk", 1, 1, 60

    def reset(self, seeds):
        self._place = np.array([np.random.default_rng(int(seed)).uniform(-0.9, 0.9) for seed in seeds])
        return self._place[:, None]

    def step(self, action):
        self._place = np.clip(self._place + 0.1 * action[:, 0], -1, 1)
        return self._place[:, None], -(self._place**2), np.zeros(self.rows, bool)


def home(seen):
    return -seen


def layered():
    torch.manual_seed(0)
    return Policy(wormnet.LTC(wormnet.auto_ncp(inputs=1, neurons=8, outputs=1)))


def circuit(seed=0):
    return Policy(ordinary_circuits.random_circuit(tap_withdrawal(), seed), **task("mountain_car").maps)


SMALL = {"rounds": 3, "episodes": 4, "samples": 60, "steps": 40, "trial": 4}


def test_a_layer_learns_what_it_is_taught_and_stays_as_it_was():
    policy = layered()
    before, given = policy.vector(), replay(policy, Walk, episodes=10)
    found = imitate(policy, home, Walk, **{**SMALL, "rounds": 6})
    assert found.losses[-1] < 0.1 * found.losses[0]
    assert replay(found.policy, Walk, episodes=10).mean() > 0.5 * given.mean()
    tried = seeds_of(0, TRIAL, n=4)
    assert found.returns.max() == returns_of(found.policy, Walk(4), found.policy.vector()[None], tried).mean()
    assert (policy.vector() == before).all()
    assert found.samples == 6 * 4 * 60
    assert not found.solved


def test_the_worms_circuit_learns_from_a_random_start_to_swing_the_car_up():
    """What no search from the same start found with 640 vectors."""
    row, policy = ordinary_circuits.one_run("mountain_car", "worm", 100, "imitation")
    assert row["solved"]
    assert replay(policy, "MountainCarContinuous-v0", episodes=5, seed=9).mean() > 90  # Gymnasium's own
    low, high = policy.bounds
    assert (low <= policy.vector()).all()
    assert (policy.vector() <= high).all()


def test_what_is_trained_is_what_acts():
    """Actions of the policy that is made of the trained numbers are those of the layer that was trained."""
    policy = circuit()
    numbers, ends = policy.numbers, policy.ends
    layer = numbers.as_layer(policy.vector(), trained=True)
    np.testing.assert_allclose(numbers.vector_of(layer), policy.vector(), rtol=1e-5, atol=1e-6)
    seen = np.random.default_rng(0).uniform(-1, 1, (30, 2)) * [0.3, 0.02]
    felt = torch.from_numpy(ends.felt(seen)).float()
    felt = torch.cat([felt[:1]] * ends.warmup + [felt])
    with torch.no_grad():
        said = ends.decoded(layer(felt[None], dt=ends.dt)[0][0, ends.warmup :])
    np.testing.assert_allclose(said.numpy(), [policy.act(one) for one in seen], atol=1e-5)


def test_numbers_come_back_within_their_bounds_and_the_rest_is_not_learned():
    policy = circuit()
    layer = policy.numbers.as_layer(policy.vector(), trained=True)
    learned = {name.removesuffix("_raw") for name, one in layer.named_parameters() if one.requires_grad}
    assert learned == set(BOUNDS)
    layer.set_values(conductance=np.full(len(layer.values()["conductance"]), 50.0))
    theta = policy.numbers.split(policy.numbers.vector_of(layer)[None])["conductance"]
    assert (theta == BOUNDS["conductance"][1]).all()
    # Float32 of a positive number that is stored behind softplus.
    np.testing.assert_allclose(layer.values()["conductance"].detach(), BOUNDS["conductance"][1], rtol=1e-5)


def test_a_saturated_motor_neuron_passes_the_gradient_of_its_potential():
    ends = circuit().ends
    y = torch.tensor([[5.0, -3.0]], requires_grad=True)
    said = ends.numbers(y, through=True)
    said.sum().backward()
    assert y.grad is not None
    assert (y.grad != 0).all()
    assert said.item() == pytest.approx(ends.made(y.detach().numpy()).item())


def test_the_same_seed_teaches_the_same():
    one, two, other = (imitate(layered(), home, Walk, **{**SMALL, "rounds": 2}, seed=seed) for seed in (1, 1, 2))
    assert (one.policy.vector() == two.policy.vector()).all()
    assert (one.policy.vector() != other.policy.vector()).any()


def test_no_round_is_chosen_by_an_episode_that_replay_judges_by_and_worlds_are_made_once():
    made, started = [], []

    class Watched(Walk):
        def __init__(self, rows):
            made.append(rows)
            super().__init__(rows)

        def reset(self, seeds):
            started.append(set(seeds.tolist()))
            return super().reset(seeds)

    found = imitate(layered(), home, Watched, **{**SMALL, "trial": 5}, seed=3)
    assert sorted(made) == [4, 5]
    rounds, trials = started[::2], started[1::2]
    assert trials == trials[:1] * 3  # rounds are told apart by the same episodes
    assert len(set.union(*rounds, trials[0])) == 3 * 4 + 5
    started.clear()
    replay(found.policy, Watched, episodes=50, seed=3)
    assert not started[0] & set.union(*rounds, *trials)


def test_the_policy_acts_from_the_second_round_and_the_teacher_judges_what_it_sees():
    asked = []

    def teacher(seen):
        asked.append(seen.copy())
        return home(seen)

    imitate(layered(), teacher, Walk, **{**SMALL, "rounds": 2, "steps": 1})
    first, second = np.stack(asked[:60])[..., 0], np.stack(asked[60:])[..., 0]
    np.testing.assert_allclose(np.diff(first, axis=0), -0.1 * first[:-1])  # goes home as the teacher goes
    assert np.abs(np.diff(second, axis=0) + 0.1 * second[:-1]).max() > 0.01


def test_the_teacher_of_the_pendulum_is_its_linear_quadratic_regulator():
    """scipy's solution of the Riccati equation, on differences of the plant about its rest."""
    linalg = pytest.importorskip("scipy.linalg")
    world, h = InvertedPendulum(1), 1e-4

    def after(state, action):
        world._state = np.array([state], float)
        world.step(np.array([[action]]))
        return world._state[0].copy()

    a = np.stack([(after(h * e, 0) - after(-h * e, 0)) / (2 * h) for e in np.eye(4)], 1)
    b = ((after(np.zeros(4), h) - after(np.zeros(4), -h)) / (2 * h))[:, None]
    p = linalg.solve_discrete_are(a, b, np.diag([1, 1, 0.1, 0.1]), np.array([[10.0]]))
    gain = np.linalg.solve(10.0 + b.T @ p @ b, b.T @ p @ a)[0]
    np.testing.assert_allclose(ordinary_circuits.GAIN, -gain, atol=2e-3)


def test_teachers_earn_what_they_say():
    for world, teacher, least in (
        (MountainCar, ordinary_circuits.swing, 94.4),
        (InvertedPendulum, ordinary_circuits.balance, 1000),
    ):
        rows = world_of(world, 20)
        seen, total, running = rows.reset(np.arange(20)), np.zeros(20), np.ones(20, bool)
        for _ in range(rows.limit):
            seen, reward, ended = rows.step(teacher(seen))
            total += np.where(running, reward, 0)
            running &= ~ended
        assert total.mean() >= least


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"rounds": 0}, ArgumentError, "rounds is 0; it takes a whole number of 1 or more"),
        ({"rate": 0.0}, ArgumentError, "rate is 0.0; it takes a finite number > 0"),
        ({"target": float("nan")}, ArgumentError, "target is nan; it takes a finite number"),
        ({"teacher": lambda seen: seen[:, 0]}, ShapeError, r"shape \(4,\) of observations \(4, 1\); it takes \(4, 1\)"),
        ({"teacher": lambda seen: seen * np.nan}, ArgumentError, "said a number that is not finite"),
        ({"policy": wormnet.LTC(wormnet.dense(1, 1))}, ArgumentError, "it takes a Policy"),
        ({"env": "MountainCarContinuous-v0"}, ArgumentError, "gives 2 observations"),
    ],
)  # fmt: skip
def test_what_cannot_be_taught_is_refused(change, kind, message):
    given = {"policy": layered(), "teacher": home, "env": Walk, **SMALL, **change}
    with pytest.raises(kind, match=message):
        imitate(given.pop("policy"), given.pop("teacher"), given.pop("env"), **given)


def test_rows_of_both_ways_lie_in_one_file_and_are_not_run_again(tmp_path, monkeypatch, capsys):
    ran = []

    def one_run(name, kind, start, by):
        ran.append((name, kind, start, by))
        row = {"test": name, "kind": kind, "by": by, "start": start, "solved": True, "evaluations": 3}
        return {**row, "numbers": 75, "cpu_seconds": 1.0}, Policy(tap.tw_pure(), **task(name).maps)

    monkeypatch.setattr(ordinary_circuits, "one_run", one_run)
    path = tmp_path / "rows.json"
    # A row of a file from before there were two ways is one of a search.
    path.write_text(json.dumps([{"test": "mountain_car", "kind": "worm", "start": 0, "solved": False, "evaluations": 9,
                                 "numbers": 75, "cpu_seconds": 2.0}]))  # fmt: skip
    for by in ("search", "imitation"):
        ordinary_circuits.run(
            path,
            tests=["mountain_car"],
            kinds=["worm", "mlp", "signs"][:: 1 if by == "imitation" else 2],
            by=by,
            starts=1,
            keep=tmp_path / "kept",
        )
    assert ran == [
        *(("mountain_car", "signs", 0, "search"),),
        *(("mountain_car", "worm", 0, "imitation"), ("mountain_car", "signs", 0, "imitation")),
    ]
    names = {one.name for one in (tmp_path / "kept").iterdir()}
    assert names == {f"mountain_car-{one}-0.safetensors" for one in ("signs", "signs-taught", "worm-taught")}
    with pytest.raises(SystemExit) as ended:
        main(["ordinary-circuits", "--out", str(path), "--starts", "1", "--test", "mountain_car", "--by", "imitation",
              "--kind", "worm"])  # fmt: skip
    assert ended.value.code == 0
    table = capsys.readouterr().out
    assert "| mountain_car | worm | search | 75 | 1 | 0 |" in table
    assert "| mountain_car | worm | imitation | 75 | 1 | 1 |" in table
    assert len(ran) == 3
    with pytest.raises(ArgumentError, match="did you mean 'imitation'"):
        ordinary_circuits.run(path, by="imitate")
    path.write_text("{}")
    with pytest.raises(DataError, match="holds no rows"):
        ordinary_circuits.run(path)
