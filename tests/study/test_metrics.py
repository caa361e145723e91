import sys
import types

import numpy as np
import pytest

from wormnet.errors import ArgumentError
from wormnet.study.metrics import METRICS, Metric, all_of, metric, register_metric, usual

rng = np.random.default_rng(0)
Y = rng.integers(0, 4, 200)
SCORES = rng.standard_normal((200, 4)) + 2 * np.eye(4)[Y]
PROBABILITIES = np.exp(SCORES) / np.exp(SCORES).sum(1, keepdims=True)


def test_classification_metrics_are_those_of_scikit_learn():
    of = pytest.importorskip("sklearn.metrics")
    expected = {
        "accuracy": of.accuracy_score(Y, SCORES.argmax(1)),
        "balanced_accuracy": of.balanced_accuracy_score(Y, SCORES.argmax(1)),
        "roc_auc": of.roc_auc_score(Y, PROBABILITIES, multi_class="ovr"),
        "average_precision": of.average_precision_score(np.eye(4)[Y], PROBABILITIES, average="macro"),
        "log_loss": of.log_loss(Y, PROBABILITIES),
    }
    for name, value in expected.items():
        assert METRICS[name](SCORES, Y) == pytest.approx(value, rel=1e-9), name


def test_a_rare_class_shows_where_accuracy_hides_it():
    y = np.array([0] * 86 + [1] * 14)
    majority = np.tile([1.0, 0.0], (100, 1))
    found = {
        name: METRICS[name](majority, y) for name in ("accuracy", "balanced_accuracy", "roc_auc", "average_precision")
    }
    assert found == {
        "accuracy": 0.86,
        "balanced_accuracy": 0.5,
        "roc_auc": 0.5,
        "average_precision": pytest.approx(0.14),
    }


def test_areas_are_those_counted_by_hand():
    y, p = np.array([0, 1, 0, 1]), np.array([0.1, 0.4, 0.35, 0.8])
    scores = np.stack([np.log(1 - p), np.log(p)], 1)
    # Of the 4 pairs of a positive and a negative all are ordered; the one of the docs has one out of order.
    assert METRICS["roc_auc"](scores, y) == 1.0
    swapped = np.array([0, 0, 1, 1])
    assert METRICS["roc_auc"](scores, swapped) == 0.75
    assert METRICS["average_precision"](scores, swapped) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)


def test_what_is_not_defined_is_nan_and_never_a_number():
    assert np.isnan(METRICS["roc_auc"](SCORES[:3], np.zeros(3, int)))
    assert np.isnan(METRICS["average_precision"](SCORES[:3, :2], np.zeros(3, int)))


def test_a_class_that_does_not_occur_counts_for_nothing():
    y = np.array([0, 0, 1])
    scores = np.eye(3)[[0, 2, 1]]
    assert METRICS["balanced_accuracy"](scores, y) == 0.75


def test_errors_are_means_over_all_outputs():
    said, true = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[0.0, 2.0], [3.0, 2.0]])
    assert METRICS["mse"](said, true) == 5 / 4
    assert METRICS["mae"](said, true) == 3 / 4


@pytest.mark.parametrize("name", METRICS)
def test_the_best_there_is_stands_at_the_better_end_of_the_bounds(name):
    one = METRICS[name]
    if one.task == "classify":
        best = one(100.0 * np.eye(4)[Y], Y)
    else:
        best = one(SCORES, SCORES)
    assert best == pytest.approx(one.bounds[0 if one.better < 0 else 1], abs=1e-9)
    assert one.about


def test_one_of_ones_own_is_known_by_name_or_by_module(monkeypatch):
    mine = Metric("worst", -1, (0.0, float("inf")), lambda scores, y: float(np.abs(scores - y).max()), "regress")
    module = types.ModuleType("mine")
    module.worst = mine
    monkeypatch.setitem(sys.modules, "mine", module)
    assert metric("mine:worst") is metric(mine) is mine
    try:
        assert register_metric(mine) is metric("worst")
        with pytest.raises(ArgumentError, match="it takes a Metric with a name of its own"):
            register_metric(mine)
    finally:
        METRICS.pop("worst")


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: metric("acc"), "unknown metric 'acc'.*Known: accuracy, balanced_accuracy"),
        (lambda: metric("math:pi"), "metric 'math:pi' is 3.14.*; it takes a Metric"),
        (lambda: metric("nomodule:m"), "cannot be imported"),
        (lambda: all_of(["mse"], "classify"), "metric mse is for 'regress'; the data set's task is 'classify'"),
        (lambda: Metric("", 1, (0, 1), METRICS["mse"].of, "regress"), "it takes both"),
        (lambda: Metric("m", 0, (0, 1), METRICS["mse"].of, "regress"), "they take 1 or -1"),
        (lambda: Metric("m", 1, (0, 1), METRICS["mse"].of, "rank"), "classify or regress"),
    ],
)
def test_what_is_no_metric_is_refused(call, text):
    with pytest.raises(ArgumentError, match=text):
        call()


def test_each_task_has_its_usual_metrics():
    for task in ("classify", "regress"):
        assert all_of(usual(task), task)
