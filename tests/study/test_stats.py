import itertools
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from simulated import by_items, by_symmetry, least, most
from statsmodels.stats.multitest import multipletests

from wormnet.errors import ArgumentError
from wormnet.study import stats

SCORES = hnp.arrays(np.float64, st.integers(2, 5), elements=st.floats(-100, 100, width=32))
P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=8)


def rejected(differences, overlap=0.0) -> float:
    """Share of worlds (rows) in which the test rejects at 5 %."""
    return float(np.mean([(stats.difference(d, overlap=overlap).p or 0) < 0.05 for d in differences]))


def called_different(counts, n=15) -> float:
    """Share of worlds in which two numbers of runs that learned, of n each, are told apart at 5 %."""
    kinds, times = np.unique(counts, axis=0, return_counts=True)
    return float(np.average([stats.shares_differ(int(a), n, int(b), n).p < 0.05 for a, b in kinds], weights=times))


# -- intervals ---------------------------------------------------------------------------------------------------------


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
    assert least(4000, 0.9) < held / 4000 < most(4000, 0.9)


def test_overlap_widens_by_nadeau_and_bengio():
    # Their corrected variance: (1 / J + n_test / n_train) s^2; five folds of all data: n_test / n_train = 1 / 4.
    plain = stats.mean_interval([1.0, 2.0, 3.0, 4.0, 6.0])
    wide = stats.mean_interval([1.0, 2.0, 3.0, 4.0, 6.0], overlap=0.25)
    assert wide.high - wide.mean == pytest.approx((plain.high - plain.mean) * math.sqrt((1 / 5 + 1 / 4) / (1 / 5)))
    # Disjoint test folds cannot overlap by more, however small the train parts were made.
    assert stats.mean_interval([1.0, 2.0, 3.0, 4.0, 6.0], overlap=9.0) == wide


@given(hnp.arrays(np.float64, st.integers(1, 5), elements=st.floats(0, 1)), st.floats(0, 1))
def test_no_interval_leaves_the_bounds(values, overlap):
    found = stats.mean_interval(values, overlap=overlap, bounds=(0, 1))
    assert found.low is None or 0 <= found.low <= found.mean <= found.high <= 1


def test_no_interval_of_a_gain_leaves_what_two_shares_can_differ_by():
    found, bounded = (stats.difference([0.4, -0.1], most=most) for most in (math.inf, 1.0))
    assert found.low is not None
    assert found.low < -1 < 1 < found.high
    assert (bounded.low, bounded.high) == (-1, 1)
    assert (bounded.p, bounded.effect_low) == (found.p, found.effect_low)


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


@pytest.mark.parametrize("true", [0.02, 0.3, 0.5, 0.9])
def test_the_exact_interval_holds_the_share_at_least_as_often_as_it_says(true):
    n = 15
    held = [found.low <= true <= found.high for found in (stats.exact_share(count, n) for count in range(n + 1))]
    assert scipy.stats.binom.pmf(np.arange(n + 1), n, true)[held].sum() >= 0.95


# -- tests of differences ----------------------------------------------------------------------------------------------


@given(SCORES)
def test_the_paired_test_is_the_one_sample_test_of_the_differences(values):
    other = values[::-1] * 0.5 + np.arange(len(values))
    found, d = stats.paired(values, other), values - other
    if d.std() > 1e-3:
        assert found.p == pytest.approx(scipy.stats.ttest_1samp(d, 0).pvalue, rel=1e-6)
        assert found.effect == pytest.approx(d.mean() / d.std(ddof=1), rel=1e-6)
    assert found.mean == pytest.approx(d.mean(), abs=1e-9)


@given(SCORES, st.floats(0, 0.5))
def test_interval_effect_size_and_p_value_say_the_same_of_0(values, overlap):
    found = stats.difference(values, overlap=overlap)
    if found.p not in (None, 1.0) and abs(found.p - 0.05) > 1e-6:
        assert (found.low > 0 or found.high < 0) == (found.p < 0.05)
        if found.effect_low is not None:
            assert (found.effect_low > 0 or found.effect_high < 0) == (found.p < 0.05)


def test_the_interval_of_an_effect_size_holds_it_as_often_as_it_says():
    draws = np.random.default_rng(2).normal(1.5, 1.0, (1500, 5))
    held = [found.effect_low <= 1.5 <= found.effect_high for found in map(stats.difference, draws)]
    assert least(1500, 0.95) < np.mean(held) < most(1500, 0.95)


@settings(max_examples=10)
@given(hnp.arrays(np.float64, 6, elements=st.integers(-4, 4)))
def test_the_sign_flip_test_counts_all_flips(d):
    flips = itertools.product((-1, 1), repeat=len(d))
    as_far = [abs(np.dot(signs, d)) >= abs(d.sum()) - 1e-9 for signs in flips]
    assert stats.difference(d).p_sign_flip == pytest.approx(np.mean(as_far))


def test_there_is_no_sign_flip_test_that_cannot_reach_five_percent():
    assert stats.difference([1.0, 1.1, 1.2, 1.3, 1.4]).p_sign_flip is None
    assert stats.difference([1.0, 1.1, 1.2, 1.3, 1.4, 1.5]).p_sign_flip == 2 / 2**6


def test_differences_that_are_one_number_have_no_t_test():
    # scipy's t test would say p = 0 of three equal differences.
    found = stats.paired([0.5, 0.75, 0.25], [0.25, 0.5, 0.0])
    assert (found.mean, found.p, found.low, found.effect) == (0.25, None, None, None)


def test_the_same_scores_are_no_difference():
    found = stats.paired([0.5, 0.7], [0.5, 0.7])
    assert (found.mean, found.low, found.high, found.p, found.effect) == (0.0, 0.0, 0.0, 1.0, 0.0)


def test_one_pair_tests_nothing():
    found = stats.paired([0.5], [0.7])
    assert (found.p, found.low, found.high, found.p_sign_flip) == (None, None, None, None)


def test_two_data_sets_are_pooled_as_welch_tells_two_groups_apart():
    rng = np.random.default_rng(3)
    a, b = rng.normal(1.0, 1.0, 5), rng.normal(0.5, 4.0, 8)
    truth = scipy.stats.ttest_ind(a, -b, equal_var=False)
    found = stats.pooled([a, b], [0.0, 0.0])
    assert found.p == pytest.approx(truth.pvalue)
    ends = truth.confidence_interval()
    assert (found.low, found.high) == pytest.approx((ends.low / 2, ends.high / 2))


def test_one_data_set_is_pooled_to_its_own_test():
    d = [0.1, 0.4, 0.2, 0.9, 0.3]
    one, alone = stats.pooled([d], [0.25]), stats.difference(d, overlap=0.25)
    assert (one.mean, one.low, one.high, one.p) == pytest.approx((alone.mean, alone.low, alone.high, alone.p))


def test_pooled_differences_without_spread_are_not_tested():
    assert stats.pooled([[0.0, 0.0], [0.0, 0.0]], [0.0, 0.0]).p == 1.0
    assert stats.pooled([[0.1, 0.1]], [0.0]).p is None


# -- what the tests do under no difference, and under one --------------------------------------------------------------


def test_under_no_difference_one_test_in_twenty_rejects():
    draws = np.random.default_rng(1).standard_normal((1500, 5))
    assert least(1500) < rejected(draws) < most(1500)


def test_two_networks_equal_on_the_population_are_called_different_in_one_test_of_twenty():
    folds = by_items(np.random.default_rng(4), 1200).mean(-1)
    assert least(1200) < rejected(folds[:, 0] - folds[:, 1]) < most(1200)


def test_seeds_on_one_test_part_would_call_them_different_more_often():
    """Why tests are over folds: every seed meets the same items."""
    seeds = by_items(np.random.default_rng(5), 800, folds=1, items=370, seeds=5)[:, :, 0]
    assert rejected(seeds[:, 0] - seeds[:, 1]) > most(800)


def test_learners_equal_by_symmetry_are_called_different_too_often_unless_overlap_is_told():
    """Why Nadeau and Bengio: train parts of folds overlap, and the plain test takes them for independent."""
    differences = by_symmetry(np.random.default_rng(6), 1500)
    assert rejected(differences) > most(1500)
    assert rejected(differences, overlap=1 / 4) < most(1500)


def test_over_a_whole_report_one_study_in_twenty_has_a_false_finding():
    """Seven networks against a reference on three data sets; Holm inside of each data set would allow 14 %."""
    studies, false = 250, 0
    for folds in np.split(by_items(np.random.default_rng(7), 3 * studies, networks=8, items=30).mean(-1), studies):
        p = [stats.difference(folds[d, 0] - folds[d, i]).p or 1.0 for d in range(3) for i in range(1, 8)]
        false += min(stats.holm(p)) < 0.05
    assert false / studies < most(studies)


@pytest.mark.parametrize(("overlap", "effect", "power"), [(0.0, 2.0, 0.91), (0.25, 2.0, 0.61), (0.25, 3.0, 0.91)])
def test_a_planted_difference_is_found_with_the_power_that_the_noncentral_t_states(overlap, effect, power):
    """Five folds, difference in deviations of a fold's; with overlap folds vary together as the test assumes."""
    rng, n = np.random.default_rng(8), 800
    shared = overlap / (1 + overlap)
    # Variance of the mean of folds that correlate by rho: (1 + 4 rho) / 5, that is (1 - rho)(1/5 + rho / (1 - rho)).
    draws = rng.normal(0, math.sqrt(shared), (n, 1)) + rng.normal(0, math.sqrt(1 - shared), (n, 5))
    draws += effect * math.sqrt(1 - shared)
    widening, critical = math.sqrt(1 / 5 + overlap), scipy.stats.t.ppf(0.975, 4)
    stated = scipy.stats.nct.sf(critical, 4, effect / widening)
    assert stated == pytest.approx(power, abs=0.01)
    assert least(n, stated) < rejected(draws, overlap) < most(n, stated)


def test_the_pooled_test_keeps_its_level_where_data_sets_vary_unequally():
    rng, n = np.random.default_rng(9), 1500
    draws = [rng.normal(0, deviation, (n, 5)) for deviation in (0.2, 1.0, 5.0)]
    found = [stats.pooled(list(one), [0.0] * 3).p < 0.05 for one in zip(*draws)]
    assert np.mean(found) < most(n)


def test_pooling_finds_what_one_data_set_cannot():
    rng, n = np.random.default_rng(10), 400
    draws = rng.normal(1.0, 1.0, (n, 4, 5))
    alone = np.mean([stats.difference(one[0], overlap=0.25).p < 0.05 for one in draws])
    together = np.mean([stats.pooled(list(one), [0.25] * 4).p < 0.05 for one in draws])
    assert alone < 0.3
    assert together > 0.7


@pytest.mark.parametrize("learned", [0.5, 0.9])
def test_shares_of_runs_that_learned_are_called_different_in_less_than_one_test_of_twenty(learned):
    """Five folds of three runs; folds, and a network's luck with a fold, differ by a logit of 1 each."""
    rng, n = np.random.default_rng(11), 3000
    logit = math.log(learned / (1 - learned)) + rng.standard_normal((n, 1, 5)) + rng.standard_normal((n, 2, 5))
    counts = (rng.random((n, 2, 5, 3)) < scipy.special.expit(logit)[..., None]).sum((2, 3))
    assert called_different(counts) < most(n)


def test_a_network_that_learns_three_times_as_often_is_found():
    """90 % against 30 % of fifteen runs: power .90 by Fisher's exact test; .83 by the t test over fold means."""
    counts = np.random.default_rng(12).binomial(15, [0.9, 0.3], (3000, 2))
    assert least(3000, 0.9) < called_different(counts) < most(3000, 0.9)


@pytest.mark.parametrize("counts", [(0, 15, 0, 15), (15, 15, 15, 15), (0, 1, 1, 1), (0, 15, 15, 15)])
def test_shares_at_the_ends_are_compared_without_warnings(counts):
    found = stats.shares_differ(*counts)
    assert -1 <= found.low <= found.mean <= found.high <= 1
    assert 0 < found.p <= 1


# -- many tests --------------------------------------------------------------------------------------------------------


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


def test_holm_is_that_of_statsmodels():
    p = [0.04, 0.001, 0.2, 0.013, 0.013, 0.7]
    assert stats.holm(p) == pytest.approx(multipletests(p, method="holm")[1].tolist())


@given(P_VALUES)
def test_holm_lies_between_the_raw_value_and_bonferroni(p):
    for raw, corrected in zip(p, stats.holm(p)):
        assert raw <= corrected <= min(1.0, raw * len(p)) + 1e-12


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: stats.mean_interval([]), "values is .*at least one"),
        (lambda: stats.mean_interval([1.0, math.nan]), "finite numbers"),
        (lambda: stats.mean_interval([1.0, 2.0], 95), "level is 95; it takes a share between 0 and 1"),
        (lambda: stats.mean_interval([1.0, 2.0], overlap=-1), "overlap is -1; it takes test sequences"),
        (lambda: stats.wilson(5, 4), "a share was asked for 5 of 4"),
        (lambda: stats.exact_share(0, 0), "n at least 1"),
        (lambda: stats.shares_differ(1, 2, 3, 2), "a share was asked for 3 of 2"),
        (lambda: stats.paired([1.0, 2.0], [1.0]), "first has 2 scores and second 1; they are paired fold by fold"),
        (lambda: stats.pooled([[1.0]], [0.0]), "two or more of each"),
        (lambda: stats.pooled([], []), "at least one data set"),
        (lambda: stats.holm([0.1, 1.1]), "p values are 0 to 1"),
    ],
)
def test_what_cannot_be_computed_is_refused(call, text):
    with pytest.raises(ArgumentError, match=text):
        call()
