"""Which word a test allows: the rules that keep words behind numbers."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wormnet.study import words
from wormnet.study.stats import Difference, difference

P = st.none() | st.floats(0, 1)
GAINS = st.lists(st.sampled_from([-0.3, -0.02, -0.001, 0.0, 0.001, 0.002, 0.02, 0.021, 0.3]), min_size=1, max_size=5)


def gain(low: float, high: float, n: int = 5) -> Difference:
    return Difference((low + high) / 2, low, high, 0.01, 1.0, 0.1, 2.0, None, n)


@given(GAINS, P, st.floats(0, 0.1))
def test_better_and_worse_stand_only_for_what_holds_among_all_tests(values, p_holm, margin):
    test = difference(values)
    found = words.verdict(test, p_holm, margin)
    if found in ("better", "worse"):
        assert p_holm is not None
        assert p_holm < 0.05
        assert test.low > 0 if found == "better" else test.high < 0
    if test.p == 1.0 or test.mean == 0:
        assert found in ("the same", "not decided", "equivalent", "equal")


@given(GAINS, P, st.floats(0, 0.1))
def test_where_the_interval_holds_0_nobody_is_ahead_or_behind(values, p_holm, margin):
    test = difference(values)
    if test.low is not None and test.low <= 0 <= test.high:
        assert words.verdict(test, p_holm, margin) in ("the same", "equivalent", "not decided")


@given(GAINS, P, st.floats(0, 0.1))
def test_equivalent_is_said_only_of_an_interval_within_the_margin(values, p_holm, margin):
    test = difference(values)
    if words.verdict(test, p_holm, margin) == "equivalent":
        assert -margin <= test.low <= test.high <= margin


@given(GAINS, P, st.floats(0, 0.1))
def test_what_is_said_of_the_first_network_is_the_opposite_of_what_is_said_of_the_second(values, p_holm, margin):
    mirror = {"better": "worse", "ahead": "behind", "higher": "lower"}
    mirror |= {there: here for here, there in mirror.items()}
    ours = words.verdict(difference(values), p_holm, margin)
    theirs = words.verdict(difference([-value for value in values]), p_holm, margin)
    assert mirror.get(ours, ours) == theirs


@pytest.mark.parametrize(
    ("test", "p_holm", "margin", "word"),
    [
        (gain(0.02, 0.04), 0.01, 0.01, "better"),
        (gain(-0.04, -0.02), 0.01, 0.01, "worse"),
        (gain(0.02, 0.04), 0.2, 0.01, "ahead"),
        (gain(0.02, 0.04), None, 0.01, "ahead"),
        (gain(-0.04, -0.02), 0.2, 0.01, "behind"),
        (gain(-0.004, 0.006), 1.0, 0.01, "equivalent"),
        (gain(0.001, 0.006), 0.3, 0.01, "equivalent"),
        (gain(0.001, 0.006), 0.03, 0.01, "better"),
        (gain(-0.04, 0.06), 1.0, 0.01, "not decided"),
        (difference([0.0, 0.0, 0.0]), 1.0, 0.01, "the same"),
        (difference([0.02, 0.02]), None, 0.01, "not decided"),
        (difference([0.2]), None, 0.01, "higher"),
        (difference([-0.2]), None, 0.01, "lower"),
        (difference([0.0]), None, 0.01, "equal"),
    ],
)
def test_the_rules_of_pairs(test, p_holm, margin, word):
    assert words.verdict(test, p_holm, margin) == word
    assert words.phrase(word)


@pytest.mark.parametrize(
    ("test", "p_holm", "gap", "word"),
    [
        (gain(0.25, 0.35), 0.01, 0.4, "needed"),  # the whole interval is beyond half of the gap
        (gain(0.15, 0.35), 0.01, 0.4, "helps"),
        (gain(0.25, 0.35), 0.01, None, "helps"),  # no baseline, no gap
        (gain(0.25, 0.35), 0.01, -0.1, "helps"),  # with it the network is below the baseline anyway
        (gain(0.25, 0.35), 0.2, 0.4, "not decided"),
        (gain(-0.005, 0.008), 1.0, 0.4, "no effect seen"),
        (gain(-0.35, -0.25), 0.01, 0.4, "harms"),
        (gain(-0.35, -0.25), 0.3, 0.4, "not decided"),
        (gain(-0.1, 0.3), 1.0, 0.4, "not decided"),
        (difference([0.3]), None, 0.4, "not decided"),
    ],
)
def test_the_rules_of_ingredients(test, p_holm, gap, word):
    assert words.ingredient(test, p_holm, 0.01, gap) == word


def test_what_is_needed_elsewhere_has_to_help_here():
    assert words.ingredient(gain(0.25, 0.35), 0.01, 0.01, needed=True) == "needed"
    assert words.ingredient(gain(-0.25, 0.35), 0.9, 0.01, needed=True) == "not decided"


@given(GAINS, P)
def test_interactions_follow_the_same_rules(values, p_holm):
    pairs = {"better": "reinforce each other", "worse": "replace each other", "the same": "no interaction seen"}
    pairs |= {"equivalent": "no interaction seen"}
    found = words.verdict(difference(values), p_holm, 0.01)
    assert words.interaction(difference(values), p_holm, 0.01) == pairs.get(found, "not decided")


def test_in_simulated_studies_without_a_difference_one_in_twenty_says_better_or_worse():
    """Ten pairs each, corrected together, with overlap told as for five folds."""
    from simulated import most

    from wormnet.study import stats

    rng, n, loud = np.random.default_rng(0), 150, 0
    for _ in range(n):
        shared = math.sqrt(0.2) * rng.standard_normal((10, 1))
        tests = [stats.difference(row, overlap=0.25) for row in shared + math.sqrt(0.8) * rng.standard_normal((10, 5))]
        holm = stats.holm([test.p for test in tests])
        loud += any(words.verdict(test, p, 0.01) in ("better", "worse") for test, p in zip(tests, holm))
    assert loud / n < most(n)
