import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wormnet.data import Sequences
from wormnet.errors import ArgumentError, ShapeError

X = np.zeros((2, 4, 1))


def dt_of(times, **options):
    part = Sequences(X, [0, 1], times=times, **options)
    assert part.dt is not None
    return part.dt


@given(st.lists(st.integers(1, 100), min_size=3, max_size=3), st.integers(-1000, 1000), st.floats(0.25, 8))
def test_dt_is_the_time_since_the_previous_sample_and_the_first_is_as_told(gaps, start, first):
    times = start + np.cumsum([0, *gaps])
    np.testing.assert_array_equal(dt_of([times, times + 5], first_dt=first), [np.float32([first, *gaps])] * 2)


def test_stamps_of_all_sequences_alike_and_a_first_dt_for_each():
    np.testing.assert_array_equal(dt_of([0, 0.5, 1, 4], first_dt=[1, 2]), [[1, 0.5, 0.5, 3], [2, 0.5, 0.5, 3]])


def test_stamps_of_this_century_in_seconds_keep_their_milliseconds():
    times = 1.7e9 + np.array([0, 0.001, 0.003, 0.006])
    np.testing.assert_allclose(dt_of(times, first_dt=0.001)[0], [0.001, 0.001, 0.002, 0.003], atol=1e-6)


@pytest.mark.parametrize(
    "times",
    [
        np.array(["2020-02-28", "2020-02-29", "2020-03-01", "2020-03-03"], "datetime64"),
        [datetime.datetime(2020, month, day) for month, day in ((2, 28), (2, 29), (3, 1), (3, 3))],
        np.array([0, 1, 2, 4], "timedelta64[D]"),
    ],
)
@pytest.mark.parametrize(("unit", "day"), [("D", 1), ("h", 24)])
def test_dates_are_counted_in_the_unit_that_is_told(times, unit, day):
    np.testing.assert_array_equal(dt_of(times, first_dt=2, time_unit=unit)[0], [2, day, day, 2 * day])


def test_stamps_past_the_end_are_not_read():
    times = np.array([[0, 1, np.nan, -5], [3, 4, 5, 6.0]])
    part = Sequences(X, [0, 1], lengths=[2, 4], times=times, first_dt=1)
    np.testing.assert_array_equal(part.dt, [[1, 1, 1, 1], [1, 1, 1, 1]])


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        (
            {"times": [0, 2, 4, 7]},
            ArgumentError,
            r"pass first_dt=, a number > 0 .* The median interval of these data is 2\.",
        ),
        ({"times": [0, 1, 2, 3], "first_dt": 0}, ArgumentError, "> 0 even where the first stamp is 0"),
        ({"times": [0, 1, 2, 3], "first_dt": [1, np.nan]}, ArgumentError, "first_dt is "),
        ({"times": [0, 1, 2, 3], "first_dt": [1, 1, 1]}, ShapeError, r"one per sequence: \(2,\)"),
        (
            {"times": [0, 1, 1, 3], "first_dt": 1},
            ArgumentError,
            r"times\[0, 2\] of sequence 0 is 1, after 1.*merge them",
        ),
        ({"times": [0, 2, 1, 3], "first_dt": 1}, ArgumentError, r"is 1, after 2; stamps increase. Sort the samples"),
        ({"times": [0, np.nan, 1, 3], "first_dt": 1}, ArgumentError, r"times\[0, 1\] of sequence 0 is nan"),
        ({"times": [0, 1, 2], "first_dt": 1}, ShapeError, r"times has shape \(3,\); .*\(2, 4\), or \(4,\)"),
        ({"times": [0, 1, 2, 3], "first_dt": 1, "dt": [1, 1]}, ArgumentError, "both dt and times"),
        ({"first_dt": 1}, ArgumentError, "go with times="),
        ({"times": np.arange(4).astype("datetime64[D]"), "first_dt": 1}, ArgumentError, "holds dates; .*time_unit="),
        (
            {"times": [0, 1, 2, 3], "first_dt": 1, "time_unit": "s"},
            ArgumentError,
            "holds numbers, whose unit is their own",
        ),
        ({"times": np.arange(4).astype("datetime64[D]"), "time_unit": "week"}, ArgumentError, "it takes one of 'D'"),
        ({"times": ["x", "y", "z", "w"], "first_dt": 1}, ArgumentError, "times"),
        # np.diff(t, prepend=t[0]), and the first record of a clinical table, which is at time 0
        (
            {"dt": [[0, 1, 1, 1], [0, 2, 2, 2]]},
            ArgumentError,
            "No sample comes before the first one.*times= and first_dt=",
        ),
        ({"dt": [[1, 0, 1, 1], [1, 2, 2, 2]]}, ArgumentError, "Two samples of one time make one"),
        ({"dt": [[1, -1, 1, 1], [1, 2, 2, 2]]}, ArgumentError, "Sort the samples"),
    ],
)
def test_what_cannot_be_is_told_with_the_advice_that_fits(arguments, error, text):
    with pytest.raises(error, match=text):
        Sequences(X, [0, 1], **arguments)
