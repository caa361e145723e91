import pytest

from wormnet.export.expressions import traced
from wormnet.export.ranges import values
from wormnet.models.elementary import exp
from wormnet.models.interval import Interval, Unbounded


def inverse(x):
    return 1.0 / x


def exponential(x):
    return exp(x)


def added(x):
    return x + x


@pytest.mark.parametrize(
    ("function", "ends", "match"),
    [
        (inverse, (-1.0, 1.0), "may be 0"),
        (inverse, (0.0, 0.0), "may be 0"),
        (exponential, (0.0, 1e4), "large"),
        (added, (0.0, 1e308), "leave what double precision holds"),
    ],
)
def test_what_has_no_bound_is_said(function, ends, match):
    with pytest.raises(Unbounded, match=match):
        values(traced(function, 1, 1), [Interval.of(*ends)])
