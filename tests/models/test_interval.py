"""Interval arithmetic holds every number that it should."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mpmath import mp, mpf

from wormnet.models import elementary, interval
from wormnet.models.interval import Interval, Unbounded, product

NUMBERS = st.floats(-1e6, 1e6)
ENDS = st.floats(-40, 40)
SHARES = st.floats(0, 1)
FAR = (-800.0, -745.2, -745.0, -708.5, -40.0, -36.5, -1e-320, 0.0, 1e-320, 36.5, 709.7, 709.8, 800.0)


def inside(a, share):
    """A number of the interval, exactly."""
    low, high = Fraction(float(a.lo)), Fraction(float(a.hi))
    return low + Fraction(share) * (high - low)


def pair(p, q):
    return Interval.of(min(p, q), max(p, q))


def exactly(x):
    """The functions of a number, far beyond double precision."""
    mp.prec = 1500
    x = mpf(x)
    return {"exp": mp.exp(x), "tanh": mp.tanh(x), "sigmoid": 1 / (1 + mp.exp(-x)), "absolute": abs(x)}


@given(*[st.one_of(NUMBERS, ENDS)] * 4, SHARES, SHARES)
def test_the_exact_result_lies_within(a, b, c, d, s, t):
    """In rational numbers, so that no rounding hides a bound that is a hair too narrow."""
    left, right = pair(a, b), pair(c, d)
    x, y = inside(left, s), inside(right, t)
    exact = [(left + right, x + y), (left - right, x - y), (left * right, x * y), (-left, -x), (abs(left), abs(x))]
    exact += [(left * left, x * x), (2.5 - left, Fraction(2.5) - x), (left * 0.1, x * Fraction(0.1))]
    if y:
        exact += [(left / right, x / y), (2.5 / right, Fraction(2.5) / y)]
    for found, value in exact:
        # Python compares a fraction with a float, or infinity, without rounding.
        assert float(found.lo) <= value <= float(found.hi)


@given(ENDS, ENDS, SHARES)
def test_functions_hold_their_values(a, b, s):
    argument = pair(a, b)
    x = min(max(float(inside(argument, s)), min(a, b)), max(a, b))
    for name, exact in exactly(x).items():
        found = interval.FUNCTIONS[name](argument)
        assert found.lo <= getattr(elementary, name)(x) <= found.hi, name
        assert mpf(float(found.lo)) <= exact <= mpf(float(found.hi)), name
        largest = float(mp.exp(max(a, b))) if name == "exp" else 2 + 80
        assert found.hi - found.lo <= 1.01 * largest, name
    assert interval.sigmoid(argument).lo >= 0
    assert interval.sigmoid(argument).hi <= 1


@pytest.mark.parametrize("name", ["exp", "tanh", "sigmoid", "absolute"])
def test_functions_of_one_number_are_right_to_few_units_of_the_last_place_however_large(name):
    found = interval.FUNCTIONS[name](Interval.of(FAR))
    for low, high, x in zip(found.lo, found.hi, FAR):
        exact = exactly(x)[name]
        assert mpf(float(low)) <= exact <= mpf(float(high))
        if high < math.inf:
            assert high - low <= 20 * np.spacing(np.abs(high))


@pytest.mark.parametrize("width", [0.0, 1.0])
def test_sums_and_products_hold_what_is_summed_in_any_order(width):
    rng = np.random.default_rng(0)
    low = rng.standard_normal(1000) * 10.0 ** rng.integers(-8, 8, 1000)
    x, post = Interval.of(low, low + width * rng.random(1000)), rng.integers(0, 5, 1000)
    values = x.lo + rng.random(1000) * (x.hi - x.lo)
    found = x.summed(post, 6)
    exact = [math.fsum(values[post == i]) for i in range(6)]
    assert (found.lo <= exact).all()
    assert (exact <= found.hi).all()
    weight = rng.standard_normal((4, 1000))
    found = product(weight, x)
    exact = [math.fsum(weight[i] * values) for i in range(4)]
    assert (found.lo <= exact).all()
    assert (exact <= found.hi).all()


def test_signs_that_are_certain_stay_certain():
    """Monotony is read from them."""
    share, tiny = Interval.of(0.0, 1.0), Interval.of(0.0, 1e-200)
    for found in (1.0 - share, share - 0.0, share + share, share * (1.0 - share), tiny * tiny, share * -tiny * -1.0):
        assert found.lo >= 0
    assert (share - 1.0).hi <= 0
    assert (-tiny * tiny).hi <= 0
    assert (tiny * tiny).hi > 0


@given(NUMBERS, NUMBERS, SHARES)
def test_a_choice_that_is_not_certain_holds_both(a, b, s):
    x = pair(a, b)
    p = min(max(float(inside(x, s)), min(a, b)), max(a, b))
    found = interval.where_less(x, 1.0, x * 2.0, 7.0)
    assert (2 * p if p < 1 else 7.0) in found


def test_a_choice_that_can_be_told_is_told():
    a = Interval.of([-2.0, -1.0, 1.0], [-1.0, 1.0, 2.0])
    found = interval.where_less(a, 0.0, 10.0, 20.0)
    assert found.lo.tolist() == [10.0, 10.0, 20.0]
    assert found.hi.tolist() == [10.0, 20.0, 20.0]


def test_division_by_what_may_be_zero_gives_everything():
    found = 1.0 / Interval.of([-1.0, 0.0, 0.0, 1.0], [1.0, 1.0, 0.0, 2.0])
    assert found.lo[:3].tolist() == [-math.inf] * 3
    assert found.hi[:3].tolist() == [math.inf] * 3
    assert found.lo[3] == pytest.approx(0.5)


def test_what_leaves_double_precision_is_infinite_and_never_no_number():
    large, any_number = Interval.of(-1e308, 1e308), Interval.of(-math.inf, math.inf)
    post = np.zeros(2, np.int64)
    for found in (
        large + large, large * 1e10, any_number - any_number, any_number * Interval.of(0.0, 1.0),
        any_number / Interval.of(1.0, math.inf), any_number.full(2).summed(post, 1),
        product(np.array([[0.0, 1.0]]), any_number.full(2)),
    ):  # fmt: skip
        assert found.lo == -math.inf
        assert found.hi == math.inf


def test_what_has_no_bound_is_said():
    with pytest.raises(Unbounded, match="leave what double precision holds"):
        (1.0 / Interval.of(-1.0, 1.0)).bounded()
    with pytest.raises(Unbounded, match="large"):
        interval.exp(Interval.of(0.0, 1e4)).bounded("large")
    found = Interval.of(0.0, 1.0)
    assert found.bounded() is found


def test_arrays_on_the_left_leave_it_to_the_interval():
    found = np.array([1.0, 2.0]) * Interval.of([0.0, 1.0], [1.0, 3.0])
    assert isinstance(found, Interval)
    np.testing.assert_allclose(found.hi, [1, 6])


def test_the_hull_is_around_both():
    assert 2.0 in Interval.of(1.0).hull(Interval.of(3.0))
    assert 3.5 not in Interval.of(1.0).hull(Interval.of(3.0))
