import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wormnet.control import Road, random_road
from wormnet.control.road import SPACING
from wormnet.errors import ArgumentError

SEEDS = st.integers(0, 2**31)


def circle(radius: float, turn: float = 3.0) -> Road:
    """Part of a circle to the left that starts at the origin."""
    angle = np.arange(0, turn, SPACING / radius)
    return Road(radius * np.sin(angle), radius * (1 - np.cos(angle)), angle, np.full(len(angle), 1 / radius))


@given(SEEDS)
def test_points_are_as_far_apart_as_the_spacing_says(seed):
    road = random_road(length=300, seed=seed)
    apart = np.hypot(np.diff(road.x), np.diff(road.y))
    np.testing.assert_allclose(apart, SPACING, rtol=1e-9)


@given(SEEDS)
def test_the_heading_is_the_integral_of_the_curvature_and_bends_are_no_sharper_than_asked(seed):
    road = random_road(length=300, radius=(12.0, 60.0), seed=seed)
    turned = np.trapezoid(road.curvature, dx=SPACING)
    np.testing.assert_allclose(road.heading[-1] - road.heading[0], turned, rtol=1e-9, atol=1e-12)
    assert abs(road.curvature).max() <= 1 / 12 + 1e-12


@pytest.mark.parametrize("radius", [12.0, 40.0, 200.0])
@pytest.mark.parametrize("offset", [-1.5, 0.0, 1.5])
def test_a_point_beside_a_circle_is_found_where_it_is(radius, offset):
    road, along = circle(radius), 17.3
    angle = along / radius
    x, y = (radius - offset) * np.sin(angle), radius - (radius - offset) * np.cos(angle)
    place = road.locate(x, y, near=15.0)
    # A left offset is inside of the bend; the nearest point is half a spacing away at most.
    assert place.offset == pytest.approx(offset, abs=0.005)
    assert place.along == pytest.approx(along, abs=0.05)
    assert place.heading == pytest.approx(angle, abs=0.005)


def test_a_point_is_found_from_far_away_along_the_road():
    road = random_road(length=400, radius=(80.0, 200.0), seed=2)
    k = 500
    assert road.locate(road.x[k], road.y[k], near=230.0).along == pytest.approx(k * SPACING)


def test_same_seed_same_road():
    one, two, three = (random_road(length=200, seed=seed) for seed in (1, 1, 2))
    assert (one.x == two.x).all()
    assert not (one.x == three.x).all()


@pytest.mark.parametrize(
    ("given_", "says"),
    [
        ({"length": 0}, "length is 0; it takes metres"),
        ({"length": float("nan")}, "length is nan"),
        ({"radius": (5.0, 1.0)}, "smallest and the largest"),
        ({"width": -1.0}, "width is -1.0"),
    ],
)
def test_a_road_that_cannot_be_is_one_clear_error(given_, says):
    with pytest.raises(ArgumentError, match=says):
        random_road(**given_)


def test_a_road_of_arrays_that_do_not_fit_is_one_clear_error():
    with pytest.raises(ArgumentError, match=r"heading has shape \(3,\)"):
        Road(np.zeros(2), np.zeros(2), np.zeros(3), np.zeros(2))
