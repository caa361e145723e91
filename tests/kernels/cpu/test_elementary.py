"""The sigmoid, tanh and exp of the kernels, and the vectors they are made of, against NumPy in double precision."""

import numpy as np
import pytest

from wormnet.kernels.cpu import LANES, elementary
from wormnet.kernels.cpu.compiled import kernel
from wormnet.kernels.cpu.folds import add_four, four_by_four, join, pair, total
from wormnet.kernels.cpu.lanes import load, store

DTYPES = [np.float32, np.float64]


@kernel
def all_of(x, sigmoids, tanhs, exps):
    for i in range(0, len(x), LANES):
        store(sigmoids, i, elementary.sigmoid(load(x, i)))
        store(tanhs, i, elementary.tanh(load(x, i)))
        store(exps, i, elementary.exp(load(x, i)))


@kernel
def sums_of(x, folded, summed):
    first, second = pair(load(x, 0), load(x, LANES)), pair(load(x, 2 * LANES), load(x, 3 * LANES))
    store(folded, 0, join(first, second))
    for i in range(4):
        summed[i] = total(load(x, i * LANES))


@kernel
def fours_of(x, together, alone):
    blocks = load(x, 0), load(x, LANES), load(x, 2 * LANES), load(x, 3 * LANES)
    store(together, 0, four_by_four(blocks[0], blocks[1], blocks[2], blocks[3]))
    for i in range(4):
        add_four(alone, 4 * i, blocks[i])


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
    folded, summed = np.empty(LANES, dtype), np.empty(4, dtype)
    sums_of(x, folded, summed)
    np.testing.assert_array_equal(folded.reshape(-1, 4).sum(0), x.reshape(4, LANES).sum(1))
    np.testing.assert_array_equal(summed, x.reshape(4, LANES).sum(1))


@pytest.mark.parametrize("dtype", DTYPES)
def test_four_sums_of_each_block_are_complete_and_in_order(dtype):
    x = (2.0 ** np.arange(4 * LANES) % 251).astype(dtype)
    expected = x.reshape(4, LANES // 4, 4).sum(1).reshape(-1)
    together, alone = np.empty(LANES, dtype), np.ones(LANES + 4, dtype)
    fours_of(x, together, alone)
    np.testing.assert_array_equal(together, expected)
    np.testing.assert_array_equal(alone, [*(expected + 1), 1, 1, 1, 1])
