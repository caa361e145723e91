"""Statistics of small samples, by scipy's."""

import numpy as np
import pytest

from wormnet.errors import ArgumentError
from wormnet.statistics import holm, sign_flip_p, wilson_interval

stats = pytest.importorskip("scipy.stats")


def test_the_p_of_paired_differences_is_that_of_all_sign_flips():
    """scipy's exact permutation test of the mean, over the same flips."""
    for n in (2, 3, 6, 9):
        values = np.random.default_rng(n).normal(0.4, 1.0, n)
        one = {"permutation_type": "samples", "n_resamples": np.inf, "vectorized": True}
        expected = stats.permutation_test((values,), lambda x, axis: x.mean(axis), **one).pvalue
        assert sign_flip_p(values) == pytest.approx(expected)
    assert sign_flip_p([1.0]) == sign_flip_p([0.0, 0.0]) == 1
    assert sign_flip_p(np.full(20, 1.0)) < 1e-3


def test_drawn_flips_are_as_good_as_all_of_them():
    values = np.random.default_rng(3).normal(0.45, 1.0, 18)
    signs = 1 - 2 * (np.arange(2**18)[:, None] >> np.arange(18) & 1)
    exact = np.mean(np.abs(signs @ values) >= abs(values.sum()) * (1 - 1e-12))
    assert sign_flip_p(values) == pytest.approx(exact, abs=3 * np.sqrt(exact / 2**16))


@pytest.mark.parametrize(("count", "n"), [(0, 1), (0, 12), (3, 12), (12, 12), (269, 370)])
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_wilsons_interval_is_scipys(count, n, level):
    expected = stats.binomtest(count, n).proportion_ci(level, method="wilson")
    assert wilson_interval(count, n, level) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_no_share_has_no_interval():
    with pytest.raises(ArgumentError, match="5 of 4 is no share"):
        wilson_interval(5, 4)
    with pytest.raises(ArgumentError, match="p values are 0 to 1"):
        holm([0.1, 1.2])
