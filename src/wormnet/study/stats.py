"""Intervals and tests of studies: over folds, since runs that share a test part are no independent witnesses.

Those that need NumPy alone are in `wormnet.statistics`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special
from scipy import stats as scipy_stats

from wormnet.errors import ArgumentError
from wormnet.statistics import holm, sign_flip_p, wilson_interval

__all__ = [
    "Difference",
    "Interval",
    "detectable",
    "difference",
    "exact_share",
    "holm",
    "mean_interval",
    "paired",
    "pooled",
    "shares_differ",
    "wilson",
]

LEAST_FLIPS = 6
"""With fewer pairs no sign-flip test can reach 5 %: its least p is 2 / 2^pairs."""


@dataclass(frozen=True)
class Interval:
    """A mean or a share with its confidence interval; the ends are None where the data cannot tell (one value)."""

    mean: float
    low: float | None
    high: float | None
    n: int


def mean_interval(
    values: ArrayLike,
    level: float = 0.95,
    *,
    overlap: float = 0.0,
    bounds: tuple[float, float] = (-math.inf, math.inf),
) -> Interval:
    """The mean of fold means and its t interval, mean +- t(level, n - 1) s sqrt(1 / n + overlap).

    Folds that share training sequences vary together, which s cannot show. `overlap` widens for it by the correction of
    Nadeau and Bengio. The interval ends at the bounds, which the true mean cannot pass either.

    Args:
        values: (n,) finite numbers, at least one.   level: 0 to 1, share of such intervals that hold the true mean.
        overlap: test sequences for each training sequence, of folds that share training sequences; k disjoint test
            folds of all data have 1 / (k - 1), and no more is taken. 0: folds with nothing in common.
        bounds: the least and the largest value that there can be.

    Raises: ArgumentError for no values, values that are not finite, or a level outside of 0 to 1.
    Source: Nadeau and Bengio 2003, Machine Learning 52, 239-281.

    >>> mean_interval([1.0, 2.0, 3.0])  # 2 +- 4.303 / sqrt(3)
    Interval(mean=2.0, low=-0.484..., high=4.484..., n=3)
    >>> mean_interval([0.9, 1.0, 0.98], bounds=(0.0, 1.0)).high
    1.0
    """
    x = _values("values", values)
    _check_level(level)
    mean = float(x.mean())
    if len(x) < 2:
        return Interval(mean, None, None, 1)
    half = float(scipy_stats.t.ppf((1 + level) / 2, len(x) - 1) * x.std(ddof=1) * _widening(len(x), overlap))
    return Interval(mean, max(mean - half, bounds[0]), min(mean + half, bounds[1]), len(x))


def wilson(correct: int, n: int, level: float = 0.95) -> Interval:
    """The share `correct / n` and its Wilson score interval: what one accuracy on n test cases says.

    Source: Wilson 1927, J. Am. Stat. Assoc. 22, 209-212.
    Raises: ArgumentError unless 0 <= correct <= n and n >= 1.

    >>> wilson(9, 10)
    Interval(mean=0.9, low=0.595..., high=0.982..., n=10)
    """
    _check_level(level)
    _check_count(correct, n)
    return Interval(correct / n, *wilson_interval(int(correct), int(n), level), int(n))


def exact_share(count: int, n: int, level: float = 0.95) -> Interval:
    """The share `count / n` and its exact interval, which never holds the true share less often than it says.

    Source: Clopper and Pearson 1934, Biometrika 26, 404-413.
    Raises: ArgumentError unless 0 <= count <= n and n >= 1.

    >>> exact_share(15, 15)
    Interval(mean=1.0, low=0.781..., high=1.0, n=15)
    """
    _check_level(level)
    _check_count(count, n)
    found = scipy_stats.binomtest(int(count), int(n)).proportion_ci(level, method="exact")
    return Interval(count / n, float(found.low), float(found.high), int(n))


@dataclass(frozen=True)
class Difference:
    """The mean of n differences, tested against 0."""

    mean: float
    low: float | None
    high: float | None
    """t interval of the mean; None with one difference, or where all are one number other than 0."""
    p: float | None
    """Two-sided t test, None as the interval is; of shares, Fisher's exact test."""
    effect: float | None
    """Mean in standard deviations of the differences (Cohen's d_z), with its interval."""
    effect_low: float | None
    effect_high: float | None
    p_sign_flip: float | None
    """Two-sided exact sign-flip test; None below 6 differences, where it cannot reach 5 %."""
    n: int


def paired(first: ArrayLike, second: ArrayLike, level: float = 0.95, *, overlap: float = 0.0) -> Difference:
    """Compare two networks over the same folds: `difference` of first - second.

    Args:
        first, second: (n,) fold means; entry i of both is of fold i.   level, overlap: as in `mean_interval`.

    Raises: ArgumentError if they do not pair up, or hold anything but finite numbers.

    >>> paired([0.9, 0.8, 0.9], [0.7, 0.7, 0.6]).mean
    0.2
    """
    a, b = _values("first", first), _values("second", second)
    if a.shape != b.shape:
        raise ArgumentError(f"first has {len(a)} scores and second {len(b)}; they are paired fold by fold.")
    return difference(a - b, level, overlap=overlap)


def difference(values: ArrayLike, level: float = 0.95, *, overlap: float = 0.0, most: float = math.inf) -> Difference:
    """Test the mean of differences against 0: t = mean / (s sqrt(1 / n + overlap)) with n - 1 degrees of freedom.

    Without `overlap` this is the paired t test. It calls two networks that are equally good on the population different
    in 5 to 15 % of cases where folds share training sequences (ridge regression, random features, neighbours and trees
    on 100 and 370 sequences in 5 and 10 folds), and in 1 to 5 % with it, which is why it is used there.

    Args:
        values: (n,) one difference for each fold.   level, overlap: as in `mean_interval`.
        most: the largest difference that there can be, either way; the interval ends there.

    >>> difference([1.0, 2.0, 3.0]).p, difference([1.0, 2.0, 3.0], overlap=1 / 2).p
    (0.0741..., 0.1598...)
    """
    d = _values("values", values)
    interval = mean_interval(d, level, overlap=overlap, bounds=(-most, most))
    mean, n = round(interval.mean, 15), len(d)
    spread = float(d.std(ddof=1)) if n > 1 else 0.0
    if spread <= 1e-12 * max(float(np.abs(d).max()), 1e-300):
        same = n > 1 and not d.any()
        nought, sure = (0.0, 1.0) if same else (None, None)
        return Difference(mean, nought, nought, sure, nought, None, None, _sign_flip(d), n)
    widening = _widening(n, overlap)
    t = mean / (spread * widening)
    p = float(2 * scipy_stats.t.sf(abs(t), n - 1))
    low, high = (None if end is None else end * widening for end in _noncentral(t, n - 1, level))
    return Difference(mean, interval.low, interval.high, p, mean / spread, low, high, _sign_flip(d), n)


def _noncentral(t: float, df: int, level: float) -> tuple[float | None, float | None]:
    """Which noncentralities make a t as small, and as large, as this one no surprise: the interval of an effect size.

    Source: Steiger and Fouladi 1997, in Harlow et al., What if there were no significance tests?, 221-257.
    """
    if abs(t) > 1e3:  # scipy's series takes for ever
        return None, None
    return float(special.nctdtrinc(df, (1 + level) / 2, t)), float(special.nctdtrinc(df, (1 - level) / 2, t))


def pooled(of_datasets: Sequence[ArrayLike], overlaps: Sequence[float], level: float = 0.95) -> Difference:
    """Test the mean over data sets of the mean over folds: every data set weighs the same.

        t = mean_d(m_d) / sqrt(sum_d v_d) D,  v_d = s_d^2 (1 / n_d + overlap_d)

    with Satterthwaite's degrees of freedom, (sum v_d)^2 / sum(v_d^2 / (n_d - 1)). The answer is about these D data
    sets, each on its population; nothing is said of other data sets.

    Args:
        of_datasets: for each data set (n_d,) differences, at least two, all in one unit.   overlaps: one for each.

    Source: Satterthwaite 1946, Biometrics Bull. 2, 110-114.
    """
    arrays = [_values("of_datasets", values) for values in of_datasets]
    if not arrays or len(arrays) != len(overlaps) or min(map(len, arrays)) < 2:
        raise ArgumentError("pooled takes the differences of at least one data set, two or more of each, and overlaps.")
    _check_level(level)
    mean = float(np.mean([d.mean() for d in arrays]))
    parts = np.array([d.var(ddof=1) * _widening(len(d), one) ** 2 for d, one in zip(arrays, overlaps)])
    n = sum(map(len, arrays))
    if parts.sum() <= 1e-24 * max(mean * mean, 1e-300):
        nought, sure = (0.0, 1.0) if mean == 0 else (None, None)
        return Difference(mean, nought, nought, sure, nought, None, None, None, n)
    error = math.sqrt(parts.sum()) / len(arrays)
    df = parts.sum() ** 2 / sum(part**2 / (len(d) - 1) for part, d in zip(parts, arrays))
    half = float(scipy_stats.t.ppf((1 + level) / 2, df)) * error
    p = float(2 * scipy_stats.t.sf(abs(mean / error), df))
    return Difference(mean, mean - half, mean + half, p, None, None, None, None, n)


def shares_differ(first: int, n_first: int, second: int, n_second: int, level: float = 0.95) -> Difference:
    """Compare two shares of runs that learned: Fisher's exact test, and Newcombe's interval of the difference.

    For outcomes with two humps, such as parity, where a run has learned all or nothing and a mean hides which. Runs of
    a fold share their data; simulated with folds that differ widely, 1 to 3 % of tests reject under no difference.

    Sources: Fisher 1935, J. R. Stat. Soc. 98, 39-54; Newcombe 1998, Statist. Med. 17, 873-890.

    >>> shares_differ(14, 15, 5, 15).p
    0.0016...
    """
    from statsmodels.stats.proportion import confint_proportions_2indep

    _check_count(first, n_first)
    _check_count(second, n_second)
    _check_level(level)
    table = [[first, n_first - first], [second, n_second - second]]
    low, high = confint_proportions_2indep(first, n_first, second, n_second, method="newcomb", alpha=1 - level)
    mean = first / n_first - second / n_second
    p = min(float(scipy_stats.fisher_exact(table)[1]), 1.0)  # pyright: ignore[reportArgumentType, reportIndexIssue]
    return Difference(mean, float(low), float(high), p, None, None, None, None, min(n_first, n_second))


def detectable(n: int, overlap: float = 0.0, alpha: float = 0.05, power: float = 0.8) -> float:
    """The effect size d_z that a test over n folds finds with this power: what a report could have seen, and what not.

    >>> round(detectable(5), 2), round(detectable(5, overlap=1 / 4), 2), round(detectable(10, overlap=1 / 9), 2)
    (1.68, 2.52, 1.45)
    """
    critical = float(scipy_stats.t.ppf(1 - alpha / 2, n - 1))
    return float(special.nctdtrinc(n - 1, 1 - power, critical)) * _widening(n, overlap)


def _sign_flip(d: NDArray[np.float64]) -> float | None:
    return sign_flip_p(d) if len(d) >= LEAST_FLIPS else None


def _widening(n: int, overlap: float) -> float:
    """Standard error of a mean over n folds, in standard deviations of a fold."""
    if not overlap >= 0:
        raise ArgumentError(f"overlap is {overlap!r}; it takes test sequences for each training sequence, 0 or more.")
    return math.sqrt(1 / n + min(overlap, 1 / (n - 1)))


def _values(name: str, given: Any) -> NDArray[np.float64]:
    values = np.asarray(given, np.float64)
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
        raise ArgumentError(f"{name} is {given!r}; it takes a list of finite numbers, at least one.")
    return values


def _check_count(count: int, n: int) -> None:
    if n < 1 or not 0 <= count <= n:
        raise ArgumentError(f"a share was asked for {count} of {n}; it takes 0 <= count <= n, n at least 1.")


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise ArgumentError(f"level is {level!r}; it takes a share between 0 and 1, for example 0.95.")
