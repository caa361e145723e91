import itertools
import math

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from wormnet.errors import ArgumentError
from wormnet.study import stats

SCORES = hnp.arrays(np.float64, st.integers(2, 7), elements=st.floats(-100, 100, width=32))
P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=8)


@given(SCORES, st.floats(0.5, 0.99))
def test_the_mean_interval_is_that_of_scipy(values, level):
    found = stats.mean_interval(values, level)
    if values.std() > 1e-6:
        low, high = scipy.stats.t.interval(level, len(values) - 1, values.mean(), scipy.stats.sem(values))
        assert (found.low, found.high) == pytest.approx((low, high), rel=1e-9, abs=1e-9)
    assert found.mean == pytest.approx(values.mean())
    assert found.n == len(values)


def test_ninety_percent_of_ninety_percent_intervals_hold_the_mean():
    rng = np.random.default_rng(0)
    held = 0
    for values in rng.normal(3.0, 2.0, (4000, 3)):
        found = stats.mean_interval(values, 0.9)
        held += found.low <= 3.0 <= found.high
    # Four standard errors of a share of 0.9 over 4000 draws.
    assert abs(held / 4000 - 0.9) < 4 * math.sqrt(0.9 * 0.1 / 4000)


def test_one_value_has_no_interval():
    assert stats.mean_interval([2.5]) == stats.Interval(2.5, None, None, 1)


@given(st.integers(1, 500), st.floats(0, 1))
def test_wilson_is_the_closed_form(n, share):
    correct = round(share * n)
    z, p = scipy.stats.norm.ppf(0.975), correct / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    found = stats.wilson(correct, n)
    assert (found.low, found.high) == pytest.approx((max(centre - half, 0), min(centre + half, 1)), abs=1e-9)


@given(SCORES)
def test_the_paired_test_is_the_one_sample_test_of_the_differences(values):
    other = values[::-1] * 0.5 + np.arange(len(values))
    found, d = stats.paired(values, other), values - other
    if d.std() > 1e-3:
        assert found.p == pytest.approx(scipy.stats.ttest_1samp(d, 0).pvalue, rel=1e-6)
        assert found.effect == pytest.approx(d.mean() / d.std(ddof=1), rel=1e-6)
    assert found.difference == pytest.approx(d.mean(), abs=1e-9)


@settings(max_examples=20)
@given(hnp.arrays(np.float64, st.integers(2, 6), elements=st.integers(-4, 4)))
def test_the_sign_flip_test_counts_all_flips(d):
    flips = itertools.product((-1, 1), repeat=len(d))
    as_far = [abs(np.dot(signs, d)) >= abs(d.sum()) - 1e-9 for signs in flips]
    assert stats.paired(d, np.zeros(len(d))).p_sign_flip == pytest.approx(np.mean(as_far))


def test_under_no_difference_one_test_in_twenty_rejects():
    draws = np.random.default_rng(1).standard_normal((600, 2, 3))
    rejected = np.mean([stats.paired(a, b).p < 0.05 for a, b in draws])
    assert abs(rejected - 0.05) < 4 * math.sqrt(0.05 * 0.95 / 600)


def test_differences_that_are_one_number_have_no_t_test():
    # scipy's t test would say p = 0 of three equal differences.
    found = stats.paired([0.5, 0.75, 0.25], [0.25, 0.5, 0.0])
    assert found.p is None
    assert found.effect is None
    assert found.p_sign_flip == 0.25


def test_the_same_scores_are_no_difference():
    found = stats.paired([0.5, 0.7], [0.5, 0.7])
    assert (found.difference, found.p, found.effect) == (0.0, 1.0, 0.0)


def test_one_pair_tests_nothing():
    found = stats.paired([0.5], [0.7])
    assert (found.p, found.low, found.high, found.p_sign_flip) == (None, None, None, 1.0)


@given(P_VALUES)
def test_holm_rejects_what_the_step_down_procedure_rejects(p):
    """Holm 1979: go up from the smallest p while p_(k) <= alpha / (m - k + 1)."""
    corrected = stats.holm(p)
    for alpha in (0.01, 0.05, 0.2):
        rejected = set()
        for k, i in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
            if p[i] * (len(p) - k) > alpha:
                break
            rejected.add(i)
        assert {i for i, value in enumerate(corrected) if value <= alpha} == rejected


@given(P_VALUES)
def test_holm_lies_between_the_raw_value_and_bonferroni(p):
    for raw, corrected in zip(p, stats.holm(p)):
        assert raw <= corrected <= min(1.0, raw * len(p)) + 1e-12


def test_the_metric_counts_over_batches_of_unequal_size():
    meter = stats.metric("classify", 3)
    meter.update(torch.eye(3)[[0, 1, 2]], torch.tensor([0, 1, 1]))
    meter.update(torch.eye(3)[[0]], torch.tensor([1]))
    assert float(meter.compute()) == 0.5


def test_the_error_is_the_mean_over_all_numbers():
    meter = stats.metric("regress", 2)
    meter.update(torch.zeros(3, 2), torch.tensor([[1.0, 2.0], [0.0, 0.0], [1.0, 0.0]]))
    assert float(meter.compute()) == 1.0


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: stats.mean_interval([]), "values is .*at least one"),
        (lambda: stats.mean_interval([1.0, math.nan]), "finite numbers"),
        (lambda: stats.mean_interval([1.0, 2.0], 95), "level is 95; it takes a share between 0 and 1"),
        (lambda: stats.wilson(5, 4), "wilson was given 5 of 4"),
        (lambda: stats.wilson(0, 0), "n at least 1"),
        (lambda: stats.paired([1.0, 2.0], [1.0]), "first has 2 scores and second 1"),
        (lambda: stats.holm([0.1, 1.1]), "p values are 0 to 1"),
    ],
)
def test_what_cannot_be_computed_is_refused(call, text):
    with pytest.raises(ArgumentError, match=text):
        call()
