"""The sigmoid, tanh and exp of the kernels, and the vectors they are made of, against NumPy in double precision."""

import numpy as np
import pytest

from wormnet.engine.cpu import LANES, elementary
from wormnet.engine.cpu.compiled import inlined, kernel
from wormnet.engine.cpu.lane_sums import grouped, reductions, total
from wormnet.engine.cpu.lanes import load, store

DTYPES = [np.float32, np.float64]


def all_of(x, sigmoids, tanhs, exps):
    for i in range(0, len(x), LANES):
        store(sigmoids, i, elementary.sigmoid(load(x, i)))
        store(tanhs, i, elementary.tanh(load(x, i)))
        store(exps, i, elementary.exp(load(x, i)))


all_of = kernel(all_of, "test_all_of")


def sums_of(x, summed):
    for i in range(4):
        summed[i] = total(load(x, i * LANES))


sums_of = kernel(sums_of, "test_sums_of")


@inlined
def one(x, at):
    return load(x, at), load(x, at + LANES)


@inlined
def two(x, at):
    return load(x, at), load(x, at + LANES), load(x, at + 2 * LANES)


@inlined
def four(x, at):
    first = load(x, at), load(x, at + LANES), load(x, at + 2 * LANES)
    return first[0], first[1], first[2], load(x, at + 3 * LANES), load(x, at + 4 * LANES)


@inlined
def five(x, at):
    first = four(x, at)
    return first[0], first[1], first[2], first[3], first[4], load(x, at + 5 * LANES)


EDGES = {1: one, 2: two, 4: four, 5: five}
"""What d_edge gives for a number of coefficients: the adjoint of u, and one of each."""


def accumulated(n):
    """Five edges of n coefficients: the first alone, the others four at a time."""
    (prepare, reduce, together, alone), adjoints, size = reductions(n, linear=False), EDGES[n], (n + 1) * LANES

    def run(x, array, group):
        ready = prepare(adjoints(x, 0))
        alone(array, 0, group, 0, reduce(ready, adjoints(x, 0)))
        a, b = reduce(ready, adjoints(x, size)), reduce(ready, adjoints(x, 2 * size))
        c, d = reduce(ready, adjoints(x, 3 * size)), reduce(ready, adjoints(x, 4 * size))
        together(array, 0, group, 1, a, b, c, d)

    return kernel(run, f"test_accumulated_{n}")


def computed(x):
    padded = np.resize(x, -(-len(x) // LANES) * LANES)
    results = [np.full_like(padded, np.nan) for _ in range(3)]
    all_of(padded, *results)
    return [one[: len(x)].astype(np.float64) for one in results]


def exact(x):
    x = x.astype(np.float64)
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-x)), np.tanh(x), np.exp(x)


def test_errors_are_below_what_the_documentation_says():
    for dtype, sigmoid_error, sigmoid_relative, tanh_relative in (
        (np.float32, 1.0e-7, 2.0e-6, 3.5e-7),
        (np.float64, 2.3e-16, 3.4e-15, None),
    ):
        x = np.concatenate([np.linspace(-40, 40, 4_000_001), np.logspace(-6, 1, 100_000)]).astype(dtype)
        (sigmoid, tanh, _), (true_sigmoid, true_tanh, _) = computed(x), exact(x)
        assert np.abs(sigmoid - true_sigmoid).max() < sigmoid_error
        assert np.abs(sigmoid / true_sigmoid - 1).max() < sigmoid_relative
        assert np.abs(tanh - true_tanh).max() < (3.5e-7 if dtype == np.float32 else 4.5e-16)
        if tanh_relative:
            zero = x == 0
            assert np.abs(tanh[~zero] / true_tanh[~zero] - 1).max() < tanh_relative


@pytest.mark.parametrize("dtype", DTYPES)
def test_saturated_values_are_exact_and_nothing_leaves_its_range(dtype):
    big = np.finfo(dtype).max
    x = np.array([0, big, -big, np.inf, -np.inf, 1e4, -1e4, 200, -200], dtype)
    sigmoid, tanh, exp = computed(x)
    np.testing.assert_array_equal(sigmoid[:7], [0.5, 1, 0, 1, 0, 1, 0])
    np.testing.assert_allclose(tanh, np.tanh(x.astype(float)), atol=1.3e-7)
    np.testing.assert_array_equal(exp[:7], [1, np.inf, 0, np.inf, 0, np.inf, 0])
    many = np.linspace(-120, 120, 100_000).astype(dtype)
    sigmoid, tanh, exp = computed(many)
    assert 0 <= sigmoid.min() <= sigmoid.max() <= 1
    assert -1 <= tanh.min() <= tanh.max() <= 1
    assert exp.min() >= 0


@pytest.mark.parametrize("dtype", DTYPES)
def test_nan_stays_nan_and_in_its_lane(dtype):
    x = np.ones(LANES, dtype)
    x[3] = np.nan
    for result in computed(x):
        assert np.flatnonzero(np.isnan(result)).tolist() == [3]


@pytest.mark.parametrize("dtype", DTYPES)
def test_sums_over_lanes_are_complete(dtype):
    x = 2.0 ** np.arange(4 * LANES) % 251  # whole numbers: every order of summation is exact
    x = x.astype(dtype)
    summed = np.empty(4, dtype)
    sums_of(x, summed)
    np.testing.assert_array_equal(summed, x.reshape(4, LANES).sum(1))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", EDGES)
def test_sums_of_each_coefficient_of_each_edge_are_complete_and_in_order(n, dtype):
    x = (2.0 ** np.arange(5 * (n + 1) * LANES) % 251).astype(dtype)
    blocks, (groups, alone), size = x.reshape(5, n + 1, LANES), grouped(n), 2 * LANES
    array = np.ones(len(groups) * size + len(alone) * 5 * LANES + LANES, dtype)
    run = accumulated(n)
    for _ in range(2):
        run(x, array, size)
    expected = 2 * blocks[:, 1:].sum(2)
    for number, members in enumerate(groups):
        found = array[number * size : (number + 1) * size].reshape(-1, 4) - 1
        for place, k in enumerate(members):
            quarters = np.zeros(5) if k is None else expected[:, k]
            np.testing.assert_array_equal(found[:5, place], quarters)
        assert (found[5:] == 0).all()
    for number, k in enumerate(alone):
        at = len(groups) * size + number * 5 * LANES
        lanes = array[at : at + 5 * LANES].reshape(5, LANES) - 1
        np.testing.assert_array_equal(lanes, 2 * blocks[:, 1 + k])
    assert (array[-LANES:] == 1).all()
