import math

import numpy as np
import pytest

from wormnet.control import Camera, Looks, Road, random_looks, random_road, render
from wormnet.control.road import SPACING
from wormnet.errors import ArgumentError

PLAIN = Looks(texture=0.0)


def straight(width: float = 4.0, length: float = 200.0) -> Road:
    n = round(length / SPACING) + 1
    return Road(np.arange(n) * SPACING, np.zeros(n), np.zeros(n), np.zeros(n), width)


def turned_over(road: Road) -> Road:
    return Road(road.x, -road.y, -road.heading, -road.curvature, road.width)


def test_rays_meet_the_ground_where_trigonometry_says():
    camera = Camera(height=1.5, pitch=0.2, view=1.0, rows=41, columns=81)
    # The middle pixel looks along the axis: down by the pitch.
    assert camera.rays[20, 40] == pytest.approx([1.5 / math.tan(0.2), 0.0])
    focal = 81 / 2 / math.tan(0.5)
    angle = 0.2 + math.atan(10 / focal)  # ten rows further down
    assert camera.rays[30, 40] == pytest.approx([1.5 / math.tan(angle), 0.0])


def test_rays_above_the_horizon_meet_nothing():
    camera = Camera(pitch=0.0, rows=40)
    assert np.isinf(camera.rays[:20]).all()
    assert np.isfinite(camera.rays[20:]).all()


def test_yaw_and_shift_turn_and_move_what_is_seen():
    plain, moved = Camera(), Camera(yaw=0.1, shift=0.3)
    low = plain.rays[-1]
    turned = low @ np.array([[math.cos(0.1), math.sin(0.1)], [-math.sin(0.1), math.cos(0.1)]]) + [0.0, 0.3]
    np.testing.assert_allclose(moved.rays[-1], turned, rtol=1e-12)


@pytest.mark.parametrize("aside", [0.0, 0.8, -0.8])
def test_the_left_line_is_where_perspective_puts_it(aside):
    camera, road = Camera(columns=640, rows=192), straight(width=4.0)
    picture = render(road, PLAIN, camera, 50.0, aside, 0.0, near=50.0)[..., 0]
    row = 180
    ahead = camera.rays[row, 320, 0]
    middle = 2.0 - 0.15 - aside  # the unbroken line, m to the left of the car
    # Left of the image's middle by focal * left / depth, with the depth along the camera's axis.
    focal = 640 / 2 / math.tan(camera.view / 2)
    depth = ahead * math.cos(camera.pitch) + camera.height * math.sin(camera.pitch)
    column = 639 / 2 - focal * middle / depth
    bright = np.flatnonzero(picture[row, :320] > 0.85)
    assert bright.mean() == pytest.approx(column, abs=1.0)


def test_a_mirrored_road_without_its_dashes_is_a_mirrored_picture():
    road = random_road(length=150, radius=(15.0, 60.0), seed=4)
    same = Looks(line=(0.36, 0.36, 0.38), texture=0.0)  # lines of the road's own colour: both sides are alike
    k = 120
    one = render(road, same, Camera(), road.x[k], road.y[k], road.heading[k], near=60.0)
    other = turned_over(road)
    two = render(other, same, Camera(), other.x[k], other.y[k], other.heading[k], near=60.0)
    # Far to the side a pixel may lie on two stretches of road at once, and is told of the one that it is reached from.
    assert abs(one - two[:, ::-1]).max() < 0.002
    assert (abs(one - two[:, ::-1]) > 1e-6).mean() < 0.002


def test_moving_the_whole_world_changes_no_picture_but_its_grain():
    road, turn = random_road(length=150, seed=5), 0.7
    c, s = math.cos(turn), math.sin(turn)
    moved = Road(c * road.x - s * road.y + 9, s * road.x + c * road.y - 4, road.heading + turn, road.curvature)
    k = 100
    one = render(road, PLAIN, Camera(), road.x[k], road.y[k], road.heading[k], near=50.0)
    two = render(moved, PLAIN, Camera(), moved.x[k], moved.y[k], moved.heading[k], near=50.0)
    np.testing.assert_allclose(one, two, atol=1e-5)


def test_looks_in_between_are_drawn_from_ranges_in_between():
    names = ("texture", "wear", "shadow", "glare", "haze")
    means = {hard: np.mean([[getattr(random_looks(hard=hard, seed=seed), name) for name in names]
                            for seed in range(200)], axis=0) for hard in (0, 0.5, 1)}  # fmt: skip
    np.testing.assert_allclose(means[0.5], (means[0] + means[1]) / 2, rtol=0.1)
    assert (means[1] > 2 * means[0]).all()
    with pytest.raises(ArgumentError, match=r"hard is 1.5; it takes 0, gentle, to 1"):
        random_looks(hard=1.5)


@pytest.mark.parametrize("hard", [0, 0.5, 1])
@pytest.mark.parametrize("channels", [1, 3])
def test_brightness_stays_within_0_and_1_whatever_the_light(hard, channels):
    road = random_road(length=150, seed=6)
    for seed in range(5):
        looks = random_looks(hard=hard, seed=seed)
        picture = render(road, looks, Camera(channels=channels), 10.0, 0.5, 0.1, near=10.0)
        assert picture.dtype == np.float32
        assert 0 <= picture.min() <= picture.max() <= 1
        assert picture.std() > 0.01


def test_grey_is_the_luma_of_the_colours():
    road, looks = random_road(length=150, seed=6), random_looks(seed=1)
    grey = render(road, looks, Camera(), 10.0, 0.0, 0.0, near=10.0)
    rgb = render(road, looks, Camera(channels=3), 10.0, 0.0, 0.0, near=10.0)
    inside = rgb.max(-1) < 1  # where nothing is cut off
    np.testing.assert_allclose(grey[inside, 0], (rgb @ np.array([0.299, 0.587, 0.114]))[inside], atol=1e-5)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Camera(height=0.0), "height is 0.0; it takes 0.1 to 100.0"),
        (lambda: Camera(view=math.nan), "view is nan"),
        (lambda: Looks(road=(1.0, 1.0)), "road is .* three numbers"),
        (lambda: Looks(wear=-1.0), "wear is -1.0; it takes a number of 0 or more"),
    ],
)
def test_a_camera_or_looks_that_cannot_be_are_one_clear_error(make, says):
    with pytest.raises(ArgumentError, match=says):
        make()
