"""Statistics of small samples that need NumPy alone; what needs scipy is in `wormnet.study.stats`."""

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from wormnet.errors import ArgumentError

__all__ = ["holm", "sign_flip_p", "wilson_interval"]

EXACT, DRAWS = 16, 2**16
"""Pairs of which all sign flips are counted, and how many flips are drawn of more."""


def sign_flip_p(differences: ArrayLike) -> float:
    """The two-sided p of paired differences (n,) that are as likely to be negative as positive.

        p = share of all 2^n sign flips whose |sum| is not smaller than the one seen

    With n pairs it is never below 2 / 2^n, so fewer than six decide nothing at 5 %. Of more than 16 pairs 65,536 flips
    are drawn, and the one seen is counted among them. Source: Fisher 1935, The Design of Experiments, section 21.

    >>> sign_flip_p([1.0, 2.0, 3.0])
    0.25
    """
    values = np.asarray(differences, np.float64)
    n = len(values)
    if n <= EXACT:
        signs = 1.0 - 2.0 * (np.arange(2**n)[:, None] >> np.arange(n) & 1)
    else:
        signs = np.random.default_rng(0).choice([-1.0, 1.0], (DRAWS, n))
    as_far = int(np.sum(np.abs(signs @ values) >= np.abs(values.sum()) * (1 - 1e-12)))
    return as_far / len(signs) if n <= EXACT else (as_far + 1) / (len(signs) + 1)


def wilson_interval(count: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of the share `count / n`.

        (k + z^2 / 2 -+ z sqrt(k (n - k) / n + z^2 / 4)) / (n + z^2)

    Source: Wilson 1927, J. Am. Stat. Assoc. 22, 209-212.   Raises: ArgumentError unless 0 <= count <= n, n >= 1.

    >>> wilson_interval(9, 10)
    (0.595..., 0.982...)
    """
    if not 0 <= count <= n or n < 1:
        raise ArgumentError(f"{count} of {n} is no share; it takes 0 <= count <= n and n >= 1.")
    z = NormalDist().inv_cdf((1 + level) / 2)
    middle, half = count + z * z / 2, z * np.sqrt(count * (n - count) / n + z * z / 4)
    low, high = ((middle + side * half) / (n + z * z) for side in (-1, 1))
    # Rounding; at the ends Wilson's interval ends there too.
    return (0.0 if count == 0 else max(float(low), 0.0)), (1.0 if count == n else min(float(high), 1.0))


def holm(p: Sequence[float]) -> list[float]:
    """Holm's correction: p values that hold for the whole family of tests at once.

    The k-th smallest of m is multiplied by m - k + 1; none is made smaller than the one before it, or larger than 1.
    Source: Holm 1979, Scand. J. Stat. 6, 65-70.   Raises: ArgumentError if a value is not in 0 to 1.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    # statsmodels has it too, and collects all garbage at every call, which takes a tenth of a second.
    values = np.asarray(p, np.float64).reshape(-1)
    if not ((values >= 0) & (values <= 1)).all():
        raise ArgumentError(f"holm was given {list(p)}; p values are 0 to 1.")
    order = np.argsort(values, kind="stable")
    corrected = np.minimum(1.0, np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1)))
    return corrected[np.argsort(order, kind="stable")].tolist()
