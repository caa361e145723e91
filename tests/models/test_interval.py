"""Interval arithmetic holds every number that it should."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wormnet.models import elementary, interval
from wormnet.models.interval import Interval, Unbounded

ENDS = st.floats(-30, 30)
SHARES = st.floats(0, 1)


def inside(a, share):
    """A number of the interval, exactly."""
    low, high = Fraction(float(a.lo)), Fraction(float(a.hi))
    return low + Fraction(share) * (high - low)


def pair(p, q):
    return Interval.of(min(p, q), max(p, q))


@given(ENDS, ENDS, ENDS, ENDS, SHARES, SHARES)
def test_the_exact_result_lies_within(a, b, c, d, s, t):
    """In rational numbers, so that no rounding hides a bound that is a hair too narrow."""
    left, right = pair(a, b), pair(c, d)
    x, y = inside(left, s), inside(right, t)
    exact = [(left + right, x + y), (left - right, x - y), (left * right, x * y), (-left, -x), (abs(left), abs(x))]
    exact += [(left * left, x * x), (2.0 - left, 2 - x), (left * 0.1, x * Fraction(0.1))]
    if not right.lo <= 0 <= right.hi:
        exact.append((left / right, x / y))
    for found, value in exact:
        assert Fraction(float(found.lo)) <= value <= Fraction(float(found.hi))


@given(ENDS, ENDS, SHARES)
def test_functions_hold_their_values(a, b, s):
    argument = pair(a, b)
    x = float(inside(argument, s))
    for name in ("exp", "tanh", "sigmoid", "absolute"):
        found = interval.FUNCTIONS[name](argument)
        value = getattr(elementary, name)(x)
        assert found.lo <= value <= found.hi
    assert interval.sigmoid(argument).lo >= 0
    assert interval.sigmoid(argument).hi <= 1


def test_sums_are_those_of_exact_summation():
    rng = np.random.default_rng(0)
    values, post = rng.standard_normal(1000) * 10.0 ** rng.integers(-8, 8, 1000), rng.integers(0, 3, 1000)
    found = Interval.of(values).summed(post, 3)
    for k in range(3):
        exact = math.fsum(values[post == k])
        assert found.lo[k] <= exact <= found.hi[k]


def test_a_choice_that_cannot_be_told_holds_both():
    a = Interval.of([-2.0, -1.0, 1.0], [-1.0, 1.0, 2.0])
    found = interval.where_less(a, 0.0, 10.0, 20.0)
    assert found.lo.tolist() == [10.0, 10.0, 20.0]
    assert found.hi.tolist() == [10.0, 20.0, 20.0]


def test_what_has_no_bound_is_said():
    with pytest.raises(Unbounded, match="may be 0"):
        1.0 / Interval.of(-1.0, 1.0)
    with pytest.raises(Unbounded, match="large"):
        interval.exp(Interval.of(0.0, 1e4))
