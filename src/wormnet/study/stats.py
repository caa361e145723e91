"""The only home of scores, intervals and tests."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats as scipy_stats

from wormnet.errors import ArgumentError

if TYPE_CHECKING:
    import torchmetrics

__all__ = ["Interval", "Paired", "better", "holm", "mean_interval", "metric", "paired", "wilson"]


def metric(task: str, n_outputs: int) -> "torchmetrics.Metric":
    """The score of a task, to be fed batch by batch.

    Args:
        task: "classify", scored by accuracy (0 to 1), or "regress", scored by the mean squared error.
        n_outputs: number of classes, at least 2, or width of the target.

    Returns: a torchmetrics metric. It takes scores (samples, classes) and classes (samples,), or predictions and
        targets (samples, outputs).
    """
    from torchmetrics import MeanSquaredError
    from torchmetrics.classification import MulticlassAccuracy

    return MulticlassAccuracy(n_outputs, average="micro") if task == "classify" else MeanSquaredError()


def better(task: str) -> int:
    """+1 where a larger score is the better one (accuracy), -1 where a smaller one is (mean squared error).

    >>> better("classify"), better("regress")
    (1, -1)
    """
    return 1 if task == "classify" else -1


@dataclass(frozen=True)
class Interval:
    """A mean or a share with its confidence interval; the ends are None where the data cannot tell (one value)."""

    mean: float
    low: float | None
    high: float | None
    n: int


def mean_interval(values: ArrayLike, level: float = 0.95) -> Interval:
    """The mean and its t interval, mean +- t(level, n - 1) s / sqrt(n).

    Exact for normal values. With three values t is 4.3, so the interval is wide, as it must be.

    Args:
        values: (n,) finite numbers, at least one.   level: 0 to 1, share of such intervals that hold the true mean.

    Raises:
        ArgumentError: for no values, values that are not finite, or a level outside of 0 to 1.

    >>> mean_interval([1.0, 2.0, 3.0])  # 2 +- 4.303 / sqrt(3)
    Interval(mean=2.0, low=-0.484..., high=4.484..., n=3)
    """
    x = _values("values", values)
    _check_level(level)
    mean = float(x.mean())
    if len(x) < 2:
        return Interval(mean, None, None, 1)
    half = float(scipy_stats.t.ppf((1 + level) / 2, len(x) - 1) * x.std(ddof=1) / np.sqrt(len(x)))
    return Interval(mean, mean - half, mean + half, len(x))


def wilson(correct: int, n: int, level: float = 0.95) -> Interval:
    """The share `correct / n` and its Wilson score interval: what one accuracy on n test cases says.

    Source: Wilson 1927, J. Am. Stat. Assoc. 22, 209-212.
    Raises: ArgumentError unless 0 <= correct <= n and n >= 1.

    >>> wilson(9, 10)
    Interval(mean=0.9, low=0.595..., high=0.982..., n=10)
    """
    _check_level(level)
    if n < 1 or not 0 <= correct <= n:
        raise ArgumentError(f"wilson was given {correct} of {n}; it takes 0 <= correct <= n, n at least 1.")
    found = scipy_stats.binomtest(int(correct), int(n)).proportion_ci(level, method="wilson")
    return Interval(correct / n, float(found.low), float(found.high), int(n))


@dataclass(frozen=True)
class Paired:
    """Differences first - second over pairs."""

    difference: float
    """Mean difference."""
    low: float | None
    high: float | None
    """t interval of the mean difference."""
    p: float | None
    """Two-sided paired t test; None with fewer than two pairs, or if all differences are one number other than 0."""
    p_sign_flip: float
    """Two-sided exact sign-flip test; with n pairs never below 2 / 2^n."""
    effect: float | None
    """Mean difference in standard deviations of the differences (Cohen's d_z)."""
    n: int


def paired(first: ArrayLike, second: ArrayLike, level: float = 0.95) -> Paired:
    """Compare two networks over the same seeds.

    Args:
        first, second: (n,) scores; entry i of both is of seed i.   level: of the interval.

    Raises:
        ArgumentError: if they do not pair up, or hold anything but finite numbers.

    >>> paired([0.9, 0.8, 0.9], [0.7, 0.7, 0.6]).difference
    0.2
    """
    a, b = _values("first", first), _values("second", second)
    if a.shape != b.shape:
        raise ArgumentError(f"first has {len(a)} scores and second {len(b)}; they are paired seed by seed.")
    d = a - b
    interval = mean_interval(d, level)
    mean, spread = round(interval.mean, 15), float(d.std(ddof=1)) if len(d) > 1 else 0.0
    flat = spread <= 1e-12 * max(float(np.abs(d).max()), 1e-300)
    p = effect = None
    if not flat:
        p, effect = float(scipy_stats.ttest_rel(a, b).pvalue), mean / spread
    elif len(d) > 1 and not d.any():
        p, effect = 1.0, 0.0
    return Paired(mean, interval.low, interval.high, p, _sign_flip(d), effect, len(d))


def _sign_flip(d: NDArray[np.float64]) -> float:
    """How often flipping signs at random gives a mean at least as far from 0: all 2^n ways, or 9,999 of them."""
    if len(d) == 1:
        return 1.0
    found = scipy_stats.permutation_test(
        (d,), np.mean, permutation_type="samples", n_resamples=9999, rng=np.random.default_rng(0)
    )
    return float(found.pvalue)


def holm(p: Sequence[float]) -> list[float]:
    """Holm's correction: p values that hold for the whole family of tests at once.

    The k-th smallest of m is multiplied by m - k + 1; none is made smaller than the one before it, or larger than 1.
    Source: Holm 1979, Scand. J. Stat. 6, 65-70.   Raises: ArgumentError if a value is not in 0 to 1.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    values = np.asarray(p, np.float64).reshape(-1)
    if not ((values >= 0) & (values <= 1)).all():
        raise ArgumentError(f"holm was given {list(p)}; p values are 0 to 1.")
    order = np.argsort(values, kind="stable")
    corrected = np.minimum(1.0, np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1)))
    return corrected[np.argsort(order, kind="stable")].tolist()


def _values(name: str, given: Any) -> NDArray[np.float64]:
    values = np.asarray(given, np.float64)
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
        raise ArgumentError(f"{name} is {given!r}; it takes a list of finite numbers, at least one.")
    return values


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise ArgumentError(f"level is {level!r}; it takes a share between 0 and 1, for example 0.95.")
