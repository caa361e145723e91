"""Worlds of others. Truth is the environments' own: what they say of a place, and what their step() does."""

import dataclasses
import math
import sys

import numpy as np
import pytest

from wormnet.control import Camera, Drive
from wormnet.control.cells import Memoryless
from wormnet.control.drive_data import record
from wormnet.control.lane_test import Course, LaneTest, drive
from wormnet.control.outside import OUTSIDE, cars_on, centre_line, faster, resized
from wormnet.errors import ArgumentError, WormnetError

LENGTH = {"CarRacing-v3": 1300.0, "racetrack-v1": 420.0}
"""m: more than a lap."""


@pytest.fixture(params=OUTSIDE)
def name(request):
    try:
        OUTSIDE[request.param].needed()
    except WormnetError as missing:
        pytest.skip(str(missing))
    return request.param


def some(name, *, seeds=(1, 2), length=200.0, rows=24, columns=80, channels=1):
    return cars_on(name, seeds=seeds, length=length, camera=Camera(rows=rows, columns=columns, channels=channels))


def test_areas_are_averaged():
    picture = np.random.default_rng(0).random((84, 96, 3))
    np.testing.assert_allclose(resized(picture, 12, 24), picture.reshape(12, 7, 24, 4, 3).mean((1, 3)))
    np.testing.assert_allclose(resized(picture, 84, 96), picture)
    # Whatever the sizes, nothing of the light is lost.
    np.testing.assert_allclose(resized(picture, 25, 31).mean((0, 1)), picture.mean((0, 1)))


@pytest.mark.parametrize("way", [1, -1])
def test_a_ring_has_its_radius_and_goes_on_lap_after_lap(way):
    angle = way * np.linspace(0, 2 * np.pi, 90, endpoint=False)
    road = centre_line(30 * np.stack([np.cos(angle), np.sin(angle)], 1), smooth=4.0, start=0.25, length=450, width=8.0)
    np.testing.assert_allclose(np.hypot(road.x, road.y), 30, atol=0.1)
    np.testing.assert_allclose(road.curvature, way / 30, rtol=0.1)
    np.testing.assert_allclose(np.hypot(np.diff(road.x), np.diff(road.y)), 0.5, atol=0.01)
    assert (road.x[0], road.y[0]) == pytest.approx((0, way * 30), abs=0.5)
    assert road.heading[-1] - road.heading[0] == pytest.approx(way * 450 / 30, rel=0.01)
    tangent = np.unwrap(np.arctan2(np.diff(road.y), np.diff(road.x)))
    np.testing.assert_allclose(np.exp(1j * (tangent - road.heading[:-1])), 1, atol=0.03)


def test_the_expert_completes_a_lap_without_a_crash_and_a_driver_that_never_steers_crashes(name):
    cars = some(name, seeds=[1], length=LENGTH[name])
    passed = set()
    while not cars.done.all():
        cars.step(cars.expert())
        if name == "racetrack-v1":
            passed.add(cars.worlds[0].vehicle.lane_index[0])
    assert cars.crashes.tolist() == [0]
    assert cars.km[0] == pytest.approx((LENGTH[name] - 25) / 1000, rel=0.04)
    if name == "CarRacing-v3":
        # Gymnasium's own count of the tiles of the track that a wheel has touched.
        world = cars.worlds[0]
        assert world.tile_visited_count == len(world.track)
    else:
        assert passed == set(cars.worlds[0].road.network.graph)
    straight = some(name, seeds=[1], length=200.0)
    while not straight.done.all():
        straight.step([0.0])
    assert straight.crashes[0] > 0


def test_the_centre_line_is_the_environments_own(name):
    cars = some(name, seeds=[4], length=LENGTH[name])
    world, road = cars.worlds[0], cars.roads[0]
    line = np.stack([road.x, road.y], 1)
    if name == "CarRacing-v3":
        track = np.array(world.track)[:, 2:]
        far = np.hypot(*(track[:, None] - line).T).min(0)
        assert far.max() < 0.67  # a tenth of the half width
        assert road.width / 2 == pytest.approx(40 / 6)
    else:
        for x, y in line:
            places = [(lane.local_coordinates(np.array([x, -y])), lane) for lane in world.road.network.lanes_list()]
            beside = [abs(left) for (along, left), lane in places if -1 <= along <= lane.length + 1]
            assert min(beside) < 0.3  # of a half width of 2.5


@pytest.mark.parametrize("side", [1, -1])
def test_a_command_to_the_left_goes_left_and_a_crash_puts_the_car_back_onto_the_track(name, side):
    cars = some(name)
    before = cars.offset
    for _ in range(8):
        cars.step(np.full(2, 0.04 * side))
    assert ((cars.offset - before) * side > 0.05).all()
    while not (cars.crashes > 0).any():
        cars.step(np.full(2, 0.04 * side))
        assert max(abs(cars.offset)) < 8
    i = int(np.argmax(cars.crashes))
    assert abs(cars.offset[i]) < 0.1
    assert abs(cars.turned[i]) < 0.05
    world = cars.worlds[i]
    if name == "CarRacing-v3":
        assert math.dist(world.car.hull.position, (cars.x[i], cars.y[i])) < 1e-3
        assert world.car.hull.linearVelocity.length == pytest.approx(20)
    else:
        assert world.vehicle.on_road
        assert abs(world.vehicle.lane_offset[1]) < 0.3
        assert abs(world.vehicle.lane_offset[2]) < 0.1


def test_a_wheel_off_the_road_is_a_crash_and_not_before(name):
    cars = some(name)
    middle = cars.roads[0].width / 2
    # CarRacing: the outer edge of a wheel, 1.38 m aside. racetrack: the middle of the car, on the outside of its lane.
    edge = middle - 1.38 if name == "CarRacing-v3" else middle
    for i, car in enumerate(cars.worlds):
        outer = 1.0
        if name == "racetrack-v1":
            outer = -1.0 if car.vehicle.lane_index[2] == 1 else 1.0
        for aside, crashed in ((edge - 0.5, False), (edge + 0.5, True)):
            cars.place(i, 20, outer * aside, 0.0, None)
            assert cars.left_its_road(i) == crashed


def test_the_car_moves_as_by_the_environments_own_step(name):
    cars, twin = some(name, seeds=[3]), some(name, seeds=[3])
    world, rng = twin.worlds[0], np.random.default_rng(0)
    for _ in range(20):
        command = float(cars.expert()[0] + rng.uniform(-0.03, 0.03))
        cars.step([command])
        if name == "CarRacing-v3":
            for _ in range(3):
                missing = 20 - world.car.hull.linearVelocity.length
                pedals = min(max(0.2 * missing, 0), 1), min(max(-0.1 * missing, 0), 0.5)
                world.step(np.array([-math.atan(command * 3.24), *pedals]))
            found = (*world.car.hull.position, world.car.hull.angle + math.pi / 2)
        else:
            world.step(np.array([math.atan(2 * math.tan(math.asin(-command * 2.5))) / (math.pi / 4)]))
            found = (world.vehicle.position[0], -world.vehicle.position[1], -world.vehicle.heading)
        np.testing.assert_allclose(found, (cars.x[0], cars.y[0], cars.heading[0]), rtol=1e-5)
    assert not cars.crashes.any()


def test_pictures_show_the_track_ahead_is_up_and_left_is_left(name):
    cars = some(name, seeds=[1], rows=42, columns=64)
    for _ in range(10):
        cars.step(cars.expert())
    (middle,) = cars.pictures()[..., 0]
    assert middle.shape == (42, 64)
    assert 0 <= middle.min() < middle.max() <= 1
    assert middle.std() > 0.02

    def shifted(aside):
        cars.disturb(aside, 0.0)
        return cars.pictures()[0, 12:30, :, 0]

    # A car further left sees everything further right: one whole column, or some, makes the pictures alike.
    left, right = shifted(0.8), shifted(-0.8)
    errors = {by: np.abs(left[:, 8 + by : 56 + by] - right[:, 8:56]).mean() for by in range(-8, 9)}
    assert 1 <= min(errors, key=errors.get) <= 4


def test_colours_are_those_of_the_environment(name):
    cars = some(name, seeds=[1], channels=3)
    (picture,) = cars.pictures()
    assert picture.shape == (24, 80, 3)
    grass = picture[:, :8].reshape(-1, 3).mean(0)
    if name == "CarRacing-v3":
        assert grass[1] > 1.5 * grass[0]
        (grey,) = some(name, seeds=[1]).pictures()
        np.testing.assert_allclose(picture @ [0.299, 0.587, 0.114], grey[..., 0], atol=1e-6)
    else:
        assert (picture == picture[..., :1]).all()


def test_the_same_seed_gives_the_same_pictures_and_another_another_drive(name):
    one, two, other = (some(name, seeds=seeds, rows=12, columns=24) for seeds in ([5, 6], [5, 6], [7, 8]))
    for cars in (one, two, other):
        for _ in range(5):
            cars.step(cars.expert())
    assert (one.pictures() == two.pictures()).all()
    assert (one.x == two.x).all()
    assert (one.pictures() != other.pictures()).any()
    assert (one.pictures()[0] != one.pictures()[1]).any()


def test_pictures_are_drawn_where_there_is_no_display(name, monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.delenv("DISPLAY", raising=False)
    assert some(name, rows=12, columns=24).pictures().std() > 0.02


def test_the_lane_keeping_test_runs_there(name):
    course = Course(
        12, 24, (2, 2, 2, 2, 2), roads=2, folds=2, length=20.0, epochs=1, cars=2, kilometre=0.02, noise=(0, 0.1)
    )
    course = course.on(name)
    assert course.length == pytest.approx(20 * faster(name), abs=1e-3)
    found, _ = LaneTest({"cnn": lambda inputs, seed: Memoryless(inputs, 3)}, course).run("cnn", seed=1)
    assert list(found["active"]) == [name]
    assert np.shape(found["active"][name]["crashes"]) == (2, 2)
    assert not drive("expert", name, dataclasses.replace(course, noise=(0.0,)), run=1).crashes.any()


def test_recordings_show_how_to_come_back_from_both_sides_without_a_crash(name):
    found = record(name, seeds=[0, 1], length=150.0, camera=Camera(rows=6, columns=8))
    assert not found.jumps.any()
    assert abs(found.steering).max() <= 1
    assert found.steering.min() < -0.05 < 0.05 < found.steering.max()


def test_our_own_road_is_found_by_its_difficulty_and_an_unknown_world_is_one_clear_error():
    assert isinstance(cars_on("hard", seeds=[0], length=60), Drive)
    with pytest.raises(ArgumentError, match="did you mean 'racetrack-v1'"):
        cars_on("racetrack-v0", seeds=[0])
    with pytest.raises(ArgumentError, match="did you mean 'CarRacing-v3'"):
        Course().on("CarRacing-v2")


@pytest.mark.parametrize(("world", "module", "package"), [
    ("CarRacing-v3", "Box2D", "gymnasium[box2d]"), ("racetrack-v1", "highway_env", "highway-env"),
])  # fmt: skip
def test_what_is_missing_is_told_in_one_sentence(world, module, package, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(WormnetError) as told:
        Course().on(world)
    assert f"{world} needs {package}" in str(told.value)
    assert 'pip install "wormnet[outside]"' in str(told.value)
    assert "\n" not in str(told.value)
