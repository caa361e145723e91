"""Robustness, sample efficiency, size and time, against numbers worked out by hand."""

import math

import numpy as np
import pytest
import studies

from wormnet.study import gains
from wormnet.study import summary as summaries


@pytest.fixture(scope="module")
def summary():
    return summaries.summarise(*studies.study())


def disturbed(levels: dict, *, task: str = "classify", clean: float = 0.8, kind: str = "noise"):
    """One network of three folds with the same score everywhere, and these scores by level."""
    found = studies.of_scores({"lstm": [[clean]] * 3}, task=task)
    metric = found.scales["d"].name
    for run in found.runs:
        run["conditions"] = [{"kind": kind, "level": lv, "scores": {metric: score}} for lv, score in levels.items()]
    return found


def test_the_area_under_a_curve_is_in_parts_of_the_clean_score():
    found = gains.curve(disturbed({1.0: 0.4, 0.5: 0.6}), "d", "lstm", "noise")
    assert found.levels == [0.0, 0.5, 1.0]
    assert [one.mean for one in found.scores] == pytest.approx([0.8, 0.6, 0.4])
    assert found.area.mean == pytest.approx((1 + 2 * 0.75 + 0.5) / 4)


def test_of_errors_the_area_falls_as_they_rise():
    found = gains.curve(disturbed({1.0: 0.4}, task="regress", clean=0.2), "d", "lstm", "noise")
    assert found.area.mean == pytest.approx((1 + 0.5) / 2)


def test_a_network_that_loses_nothing_has_area_1():
    assert gains.curve(disturbed({0.3: 0.8, 0.7: 0.8}, kind="drop"), "d", "lstm", "drop").area.mean == 1.0


def test_rates_are_compared_on_a_logarithm_with_1_as_the_clean_one():
    found = gains.curve(disturbed({0.5: 0.4, 2: 0.8}, kind="rate"), "d", "lstm", "rate")
    assert found.levels == [0.5, 1.0, 2.0]
    assert found.area.mean == pytest.approx((0.75 + 1.0) / 2)


def test_a_clean_score_of_0_has_no_area():
    found = gains.curve(disturbed({1.0: 0.0}, clean=0.0), "d", "lstm", "noise")
    assert (found.area, found.areas) == (None, {})


def test_levels_without_a_defined_score_are_left_out():
    found = disturbed({1.0: 0.4, 2.0: None})
    assert gains.curve(found, "d", "lstm", "noise").levels == [0.0, 1.0]
    assert gains.curve(found, "d", "lstm", "drop") is None


def test_the_kinds_are_those_that_were_measured(summary):
    assert gains.kinds(summary, "vowels") == ["noise", "drop", "drop_blind", "rate"]


def test_unfamiliar_parts_are_told_by_part_and_network(summary):
    assert list(gains.unfamiliar(summary, "traffic")) == ["holiday"]
    assert gains.unfamiliar(summary, "traffic")["holiday"]["lstm"].mean > summary.score("traffic", "lstm").mean
    assert gains.unfamiliar(summary, "vowels") == {}


def test_the_score_by_the_share_of_the_data(summary):
    found = gains.efficiency(summary, "vowels", "lstm")
    assert list(found) == [0.25, 1.0]
    assert found[0.25] == summary.score("vowels", "lstm", 0.25)
    assert gains.efficiency(summary, "vowels", "ncp(worm)") == {}


def test_the_smallest_network_within_five_percent_of_the_best_is_picked_on_validation():
    scores = {"ncp-a": 0.90, "ncp-b": 0.50, "ncp-c": 0.95, "lstm": 0.96}
    valid = {"ncp-a": 0.951, "ncp-b": 0.949, "ncp-c": 1.0, "lstm": 0.5}
    sizes = {"ncp-a": 200, "ncp-b": 100, "ncp-c": 300, "lstm": 50}
    found = studies.of_scores({name: [[score]] for name, score in scores.items()}, valid=valid, parameters=sizes)
    one = gains.smallest(found, "d", "worm")
    assert (one.network, one.best, one.parameters, one.score.mean) == ("ncp-a", "ncp-c", 200, 0.9)
    assert gains.smallest(found, "d").network == "ncp-a"
    assert gains.smallest(found, "d", "null") is None


def test_of_errors_near_means_at_most_five_percent_more():
    scores = {"ncp-a": [[1.05]], "ncp-b": [[1.06]], "ncp-c": [[1.0]]}
    sizes = {"ncp-a": 20, "ncp-b": 10, "ncp-c": 30}
    found = studies.of_scores(scores, task="regress", parameters=sizes, reference="ncp-c")
    assert gains.smallest(found, "d", "worm").network == "ncp-a"


def test_other_sizes_of_a_network_count_for_the_smallest(summary):
    assert gains.smallest(summary, "vowels", "worm").network == "ncp-ltc-repaired:12"


def test_how_often_a_network_learned_counts_failed_trainings_as_not():
    made = studies.study()
    found = summaries.summarise(*made)
    failed = next(run for run in made[1] if "error" in run and run["share"] == 1.0)
    one = gains.learned(found, failed["dataset"], failed["network"])
    assert one.n == 15
    assert one.failed >= 1
    assert one.learned.mean <= (15 - one.failed) / 15
    assert 0 <= one.learned.low <= one.learned.mean <= one.learned.high <= 1
    assert gains.learned(found, "vowels", "nobody") is None


def test_the_time_to_a_score_is_that_of_the_first_epoch_that_has_it():
    found = studies.of_scores({"lstm": [[0.8]] * 3, "gru": [[0.8]] * 3, "ncp": [[0.7]] * 3})
    histories = {
        "lstm": ([0.5, 0.78, 0.8], [1.0, 2.0, 3.0]),
        "gru": ([0.5, None, 0.77], [4.0, 8.0, 12.0]),
        "ncp": ([0.5, 0.6, 0.7], [1.0, 2.0, 3.0]),
    }
    for run in found.runs:
        run["history"] = dict(zip(("valid_score", "seconds"), histories[run["network"]]))
    found.runs[0]["history"] = {"valid_score": [0.79], "seconds": [7.0]}
    target, times = gains.time_to_score(found, "d")
    assert target == pytest.approx(0.95 * 0.8)
    assert (times["lstm"].median, times["gru"].median) == (2.0, 12.0)
    assert (times["ncp"].median, times["ncp"].reached, times["ncp"].n) == (None, 0, 3)


def test_without_the_reference_there_is_no_score_to_reach():
    assert gains.time_to_score(studies.of_scores({"gru": [[0.8]]}), "d") is None


def test_of_the_dynamics_single_numbers_are_told(summary):
    found = gains.dynamics(summary, "vowels", "lstm")
    assert set(found) == {"pc1", "l_max"}
    assert 0.6 < found["pc1"].mean < 0.7


def test_a_price_that_was_not_measured_is_what_the_runs_know(summary):
    assert gains.price(summary, "vowels", "lstm")["step_ms"] == 2.2
    assert "stepper_us" not in gains.price(summary, "vowels", "lstm")
    assert set(gains.price(summary, "vowels", "ncp(worm)")) >= {"parameters", "multiply_adds", "functions"}
    assert gains.price(summary, "vowels", "nobody") == {}
    assert math.isfinite(np.sum(list(gains.price(summary, "vowels", "gru").values())))
