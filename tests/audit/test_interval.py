import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mpmath import mp, mpf

from wormnet.audit.interval import ON_INTERVALS, Interval, gathered, hull, product

numbers = st.floats(-1e6, 1e6, allow_subnormal=False)
shares = st.floats(0, 1)


def box(a, b):
    return Interval(min(a, b), max(a, b))


def inside(x, share):
    return min(max(float(x.low) + share * (float(x.high) - float(x.low)), float(x.low)), float(x.high))


@given(numbers, numbers, numbers, numbers, shares, shares)
def test_exact_results_of_numbers_inside_are_inside(a, b, c, d, s, t):
    mp.prec = 500
    x, y = box(a, b), box(c, d)
    p, q = mpf(inside(x, s)), mpf(inside(y, t))
    for found, exact in ((x + y, p + q), (x - y, p - q), (x * y, p * q), (2.5 - x, mpf(2.5) - p), (-x, -p)):
        assert mpf(float(found.low)) <= exact <= mpf(float(found.high))
    if q:
        found = x / y
        assert mpf(float(found.low)) <= p / q <= mpf(float(found.high))


@given(st.floats(-40, 40), st.floats(-40, 40), shares)
def test_elementary_functions_hold_their_exact_values(a, b, s):
    mp.prec = 300
    x = box(a, b)
    p = mpf(inside(x, s))
    exact = {"exp": mp.exp(p), "tanh": mp.tanh(p), "sigmoid": 1 / (1 + mp.exp(-p)), "absolute": abs(p)}
    for name, value in exact.items():
        found = ON_INTERVALS[name](x)
        assert mpf(float(found.low)) <= value <= mpf(float(found.high)), name
        assert float(found.high) - float(found.low) <= 1.01 * float(abs(mp.exp(max(a, b)) if name == "exp" else 2 + 80))


@given(numbers, numbers, shares)
def test_a_choice_that_is_not_certain_holds_both(a, b, s):
    x = box(a, b)
    p = inside(x, s)
    found = ON_INTERVALS["where_less"](x, 1.0, x * 2.0, 7.0)
    assert (2 * p if p < 1 else 7.0) in found


def test_division_by_what_may_be_zero_gives_everything():
    found = 1.0 / Interval([-1.0, 0.0, 1.0], [1.0, 1.0, 2.0])
    assert found.low[:2].tolist() == [-math.inf] * 2
    assert found.high[:2].tolist() == [math.inf] * 2
    assert found.low[2] == pytest.approx(0.5)


def test_arrays_on_the_left_leave_it_to_the_interval():
    found = np.array([1.0, 2.0]) * Interval([0.0, 1.0], [1.0, 3.0])
    assert isinstance(found, Interval)
    np.testing.assert_allclose(found.high, [1, 6])


def test_sums_and_products_hold_what_is_summed_in_any_order():
    rng = np.random.default_rng(0)
    low = rng.standard_normal(1000) * 10.0 ** rng.integers(-8, 8, 1000)
    x, post = Interval(low, low + rng.random(1000)), rng.integers(0, 5, 1000)
    values = x.low + rng.random(1000) * (x.high - x.low)
    found = gathered(x, post, 6)
    exact = [math.fsum(values[post == i]) for i in range(6)]
    assert (found.low <= exact).all()
    assert (exact <= found.high).all()
    weight = rng.standard_normal((4, 1000))
    found = product(weight, x)
    exact = [math.fsum(weight[i] * values) for i in range(4)]
    assert (found.low <= exact).all()
    assert (exact <= found.high).all()


def test_the_hull_is_around_both():
    assert 2.0 in hull(Interval(1.0), Interval(3.0))
    assert 3.5 not in hull(Interval(1.0), Interval(3.0))
