import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wormnet.data import Sequences
from wormnet.errors import ArgumentError


def by_the_book(x, dt, how):
    """Equations of Che et al. 2018 for one channel of one sequence, value by value: values, mask, time since."""
    values, mask, since = [], [], []
    last = 0.0
    for t, value in enumerate(x):
        mask.append(0.0 if math.isnan(value) else 1.0)
        if mask[-1]:
            last = value
        values.append(value if mask[-1] else (last if how == "forward" else 0.0))
        since.append(0.0 if t == 0 else dt[t] if mask[t - 1] else dt[t] + since[t - 1])
    return values, mask, since


VALUES = st.one_of(st.just(math.nan), st.integers(-9, 9).map(float))


@given(
    st.lists(st.lists(st.tuples(VALUES, VALUES), max_size=6), min_size=1, max_size=4),
    st.sampled_from(["forward", "zero"]),
    st.booleans(),
    st.integers(0, 9),
)
def test_missing_values_are_filled_and_marked_as_gru_d_has_it(rows, how, timed, seed):
    xs = [np.array(row, float).reshape(-1, 2) for row in rows]
    dts = [np.random.default_rng(seed).integers(1, 5, len(x)).astype(float) for x in xs]
    y = np.zeros(len(xs), int)
    part = Sequences.from_list(xs, y, dts if timed else None, missing=how)
    plain = Sequences.from_list(xs, y, dts if timed else None, missing=how, indicators=False)
    assert part.n_inputs == 6
    for i, (x, dt) in enumerate(zip(xs, dts)):
        k = len(x)
        for channel in range(2):
            known = by_the_book(x[:, channel].tolist(), dt.tolist() if timed else [1.0] * k, how)
            for block, expected in enumerate(known):
                np.testing.assert_array_equal(part.x[i, :k, 2 * block + channel], expected)
        np.testing.assert_array_equal(plain.x[i], part.x[i, :, :2])
        assert not part.x[i, k:].any()


def test_nan_is_an_error_with_the_way_out_unless_one_is_chosen():
    x = np.zeros((2, 3, 1))
    x[1, 2, 0] = np.nan
    with pytest.raises(ArgumentError, match=r'x\[1, 2, 0\] of sequence 1 is nan.*missing="forward" or missing="zero"'):
        Sequences(x, [0, 1])
    x[1, 1, 0] = np.inf
    with pytest.raises(ArgumentError, match=r"x\[1, 1, 0\] of sequence 1 is inf"):
        Sequences(x, [0, 1], missing="zero")
    with pytest.raises(ArgumentError, match="missing is 'mean'; it takes 'forward' or 'zero'"):
        Sequences(x, [0, 1], missing="mean")  # pyright: ignore[reportArgumentType]
