import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from wormnet.control.cells import Memoryless
from wormnet.control.drive_data import record
from wormnet.control.lane_report import (
    crash_rows,
    csv_of,
    difference_rows,
    interval,
    passive_rows,
    without_learning,
)
from wormnet.control.lane_test import Course, LaneTest, attention, drive, learn, squared_error, weighted_loss
from wormnet.errors import ArgumentError

TINY = Course(
    *(12, 24, (2, 2, 2, 2, 2)), roads=3, folds=3, length=60.0, epochs=2, cars=2, kilometre=0.05, noise=(0.0, 0.3)
)


LONG = dataclasses.replace(TINY, kilometre=0.15)


class Blind(nn.Module):
    """A core that says nothing."""

    width = 1

    def forward(self, x, state=None):
        return torch.zeros_like(x[..., :1]), None


def test_the_loss_weighs_each_sample_by_the_exponential_of_its_curvature():
    said, wanted = torch.tensor([0.0, 0.0]), torch.tensor([1.0, -0.5])
    weights = np.exp([2.0, 1.0])
    assert weighted_loss(said, wanted, 2.0).item() == pytest.approx(weights @ [1, 0.25] / weights.sum())


def test_recordings_are_reproducible_and_show_how_to_come_back_from_both_sides():
    found, again = (record("easy", seeds=range(4), length=60.0, camera=TINY.camera) for _ in range(2))
    assert (found.pictures == again.pictures).all()
    assert (found.steering == again.steering).all()
    # Sway makes it come back from both sides although the road's first 20 m are straight.
    assert found.steering[:, :100].min() < -0.02 < 0.02 < found.steering[:, :100].max()


def test_no_window_holds_a_jump():
    found = record("easy", seeds=[0, 1], length=60.0, camera=TINY.camera)
    jumps = np.zeros_like(found.jumps)
    jumps[0, 20], jumps[1, 16] = True, True
    windows = dataclasses.replace(found, jumps=jumps).windows(16)
    # A jump in a window's first frame is where it begins.
    assert [0, 16] not in windows.tolist()
    assert [1, 16] in windows.tolist()
    with pytest.raises(ArgumentError, match="no window of 300 frames"):
        found.windows(300)


def test_the_noise_of_a_car_is_the_same_for_all_drivers_and_its_variance_is_as_asked_for():
    course = dataclasses.replace(TINY, noise=(0.0, 0.001), rows=24, columns=80)
    seen = []
    for width in (3, 5):
        torch.manual_seed(width)
        driver = LaneTest({"one": lambda inputs, seed, w=width: Memoryless(inputs, w)}, course).make("one", 0)
        first = []
        drive(driver, "easy", course, watch=lambda cars, pictures, commands, first=first: first.append(pictures.copy()))
        seen.append(first[0])
    assert (seen[0] == seen[1]).all()
    clean, noisy = seen[0][:2], seen[0][2:]
    inside = (clean > 0.2) & (clean < 0.8)
    assert np.var((noisy - clean)[inside]) == pytest.approx(0.001, rel=0.1)


def test_a_driver_that_steers_nothing_crashes_as_often_as_one_that_drives_straight_on():
    driver = LaneTest({"blind": lambda inputs, seed: Blind()}, LONG).make("blind", 0)
    nn.init.zeros_(driver.read_out.bias)
    still, blind = drive("straight", "hard", LONG), drive(driver, "hard", LONG)
    assert still.crashes.tolist() == blind.crashes.tolist()
    assert still.crashes.sum() > 0
    assert not drive("expert", "hard", LONG).crashes.any()


def test_learning_beats_driving_straight_on():
    course = dataclasses.replace(
        TINY, rows=12, columns=40, filters=(6, 6, 6, 6, 8), roads=4, folds=2, length=120.0, epochs=8, head_rate=5e-3
    )
    test = LaneTest({"gru": lambda inputs, seed: nn.GRU(inputs, 16, batch_first=True)}, course)
    learned, tested = test.fold(0)
    assert not set(learned) & set(tested)
    driver = test.make("gru", 0)
    losses = learn(driver, test.recording, learned, course, seed=0)
    straight = np.square(test.recording.cut(test.recording.windows(16, learned), 16)[1]).mean()
    assert losses[-1] < losses[0]
    assert squared_error(driver, test.recording, learned, course) < 0.7 * straight


def test_the_same_seed_gives_the_same_run():
    test = LaneTest({"gru": lambda inputs, seed: nn.GRU(inputs, 4, batch_first=True)}, TINY)
    one, two = (test.run("gru", seed=1)[0] for _ in range(2))
    assert {**one, "cpu_seconds": 0} == {**two, "cpu_seconds": 0}
    assert (one["fold"], one["seed"]) == (1, 1)
    assert 0 < one["active"]["easy"]["pc1"] <= 1


def test_intervals_hold_the_rate_and_widen_with_differences_between_runs():
    even = interval(np.array([[2, 2, 2]]), np.array([[1.0, 1.0, 1.0]]))
    assert even == (2.0, 2.0, 2.0)
    low, rate, high = interval(np.array([[0, 6, 0]]), np.ones((1, 3)))
    assert low < rate == 2.0 < high
    # A run is drawn with its roads.
    assert interval(np.array([[0, 6, 0], [6, 0, 0]]), np.ones((2, 3))) == (2.0, 2.0, 2.0)
    low, rate, high = interval(np.array([[6, 6, 6], [0, 0, 0]]), np.ones((2, 3)))
    assert (low, rate, high) == (0.0, 3.0, 6.0)


def test_the_interval_holds_the_true_rate_as_often_as_it_says():
    """Runs that differ from each other, as networks of one kind do: nearly 95 of 100, a little less with 20 runs."""
    rng, held = np.random.default_rng(0), 0
    for _ in range(400):
        rates = rng.gamma(2.0, 1.5, size=(20, 1))  # mean 3
        low, _, high = interval(rng.poisson(rates, size=(20, 8)), np.ones((20, 8)), draws=500)
        held += low <= 3.0 <= high
    assert 0.88 < held / 400 < 0.97


def test_each_run_drives_on_roads_of_its_own_that_are_the_same_for_all_drivers():
    one, again, other = (drive("straight", "hard", LONG, run=run) for run in (7, 7, 8))
    assert (one.km == again.km).all()
    assert (one.km != other.km).any()


def test_no_crash_in_few_km_is_no_proof_of_none():
    # With a true rate r, no crash in 2 km has the probability exp(-2 r).
    low, rate, high = interval(np.zeros((1, 2)), np.ones((1, 2)))
    assert (low, rate) == (0, 0)
    assert np.exp(-2 * high) == pytest.approx(0.025)


def a_run(seed, crashes, network="a", pc1=None):
    more = {} if pc1 is None else {"pc1": pc1, "l_max": 0.1}
    active = {
        one: {"crashes": [[crashes, 0], [3, 3]], "km": [[0.5, 0.5], [0.5, 0.5]], **more} for one in ("easy", "hard")
    }
    errors = {"train_error": 0.1, "test_error": 0.2 * seed, "straight_error": 0.3}
    sizes = {"parameters": 7, "behind_the_head": 2}
    return {"network": network, "seed": seed, **sizes, "attention": [1.0, seed / 4], "active": active, **errors}


def test_tables_count_what_the_runs_hold():
    runs = [a_run(1, 4), a_run(2, 0)]
    rows = crash_rows(runs, TINY)
    assert [(row["noise"], row["crashes"], row["km"], row["per_km"]) for row in rows[:2]] == [
        *((0.0, 4, 2.0, 2.0), (0.3, 12, 2.0, 6.0)),
    ]
    (passive,) = passive_rows(runs, TINY)
    assert passive["test_error"] == pytest.approx(0.3)
    assert passive["ssim_0.3"] == pytest.approx(0.375)
    assert passive["test_error_sd"] == pytest.approx(0.2 / np.sqrt(2))
    table = csv_of(rows).splitlines()
    assert table[0] == "network,difficulty,noise,seeds,crashes,km,per_km,low,high"
    assert table[1].startswith("a,easy,0,2,4,2,2,")


def test_networks_are_compared_run_by_run_with_the_same_seed():
    runs = [a_run(seed, 4 - seed, "a", pc1=0.5) for seed in range(3)]
    runs += [a_run(seed, 6 - seed, "b", pc1=0.25) for seed in (2, 1)] + [a_run(0, 1, "cnn")]
    rows = {(row["network"], row["number"]): row for row in difference_rows(runs, "a", TINY)}
    row = rows["b", "crashes/km easy 0"]
    # Two crashes more in 1 km, with either seed.
    assert (row["seeds"], row["mean_beside"], row["mean"], row["larger"]) == (2, 2.5, 4.5, 2)
    assert (row["low"], row["difference"], row["high"], row["p"]) == (2, 2, 2, 0.5)
    assert rows["b", "crashes/km hard all noise"]["difference"] == 0
    assert rows["b", "pc1 hard"]["difference"] == -0.25
    assert rows["cnn", "test_error"]["seeds"] == 1
    assert ("cnn", "pc1 hard") not in rows
    assert not any(network == "a" for network, _ in rows)
    assert csv_of(list(rows.values())).count(",") == 11 * (len(rows) + 1) - len(rows) - 1


def test_the_expert_and_a_driver_that_never_steers_are_in_the_table():
    rows = without_learning(LONG, (3, 4))
    assert [row["seeds"] for row in rows] == [2, 2, 2, 2]
    assert [row["crashes"] for row in rows if row["network"] == "expert"] == [0, 0]
    assert sum(row["crashes"] for row in rows if row["network"] == "straight") > 0


def test_attention_to_pictures_without_noise_is_the_same_and_noise_changes_it():
    course = dataclasses.replace(TINY, filters=(6, 6, 6, 6, 8))
    test = LaneTest({"one": lambda inputs, seed: Memoryless(inputs, 3)}, course)
    clean, noisy = attention(test.make("one", 0), test.recording, [0], course)
    assert clean == pytest.approx(1.0)
    assert noisy < 0.9


def test_a_course_that_cannot_be_is_refused():
    with pytest.raises(ArgumentError, match="folds is 4; it takes 2 to as many as there are roads, 3"):
        dataclasses.replace(TINY, folds=4)
    with pytest.raises(ArgumentError, match="variances of 0 or more"):
        dataclasses.replace(TINY, noise=(-1.0,))
    with pytest.raises(ArgumentError, match="cars is 0; it takes a whole number of 1 or more"):
        dataclasses.replace(TINY, cars=0)
    with pytest.raises(ArgumentError, match="cars is 1001; it takes 1 to 1000"):
        dataclasses.replace(TINY, cars=1001)
    with pytest.raises(ArgumentError, match="did you mean 'expert'"):
        drive("exprt", "easy", TINY)
