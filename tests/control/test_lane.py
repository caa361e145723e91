import math

import numpy as np
import pytest

from wormnet.control import Car, Drive, Place, Road, environment, pure_pursuit
from wormnet.errors import ArgumentError, ShapeError


def test_a_car_on_a_constant_curvature_drives_a_circle():
    car = Car(lag=1e-6, rate=1e6)
    drive = Drive("easy", seeds=[0], length=400, car=car)
    curvature = 2 * math.pi / (car.distance * 400)  # once around in 400 pictures
    flat = np.zeros(900)
    drive.roads[0] = Road(np.arange(900) * 0.5, flat, flat, flat, width=1e9)  # a field
    for _ in range(400):
        drive.step([curvature])
    assert drive.heading[0] == pytest.approx(2 * math.pi, rel=1e-6)
    assert np.hypot(drive.x[0], drive.y[0]) == pytest.approx(0.0, abs=1e-3)
    assert drive.km[0] == pytest.approx(0.06)


def test_the_steering_follows_its_command_as_an_exponential_within_its_rate():
    slow = Drive("easy", seeds=[0], length=200, car=Car(lag=0.5, rate=1e6))
    for _ in range(15):  # one lag
        slow.step([0.01])
    assert slow.curvature[0] == pytest.approx(0.01 * (1 - math.exp(-1)), rel=1e-9)
    limited = Drive("easy", seeds=[0], length=200, car=Car(lag=1e-6, rate=0.3))
    limited.step([0.2])
    assert limited.curvature[0] == pytest.approx(0.3 / 30)


def test_a_delayed_command_arrives_as_many_pictures_later():
    drive = Drive("easy", seeds=[0], length=200, car=Car(lag=1e-6, rate=1e6, delay=2))
    seen = []
    for command in (0.05, 0.0, 0.0, 0.0):
        drive.step([command])
        seen.append(drive.curvature[0])
    assert np.flatnonzero(seen).tolist() == [2]


def test_pure_pursuit_meets_its_target_on_a_straight():
    # On the line and parallel: straight on. Off to the left: the arc to the target has curvature 2 left / ahead^2.
    assert pure_pursuit(Place(0.0, 0.0, 0.3, 0.0), 0.3) == 0
    assert pure_pursuit(Place(0.0, 0.9, 0.0, 0.0), 0.0, ahead=6.0) == pytest.approx(-2 * 0.9 / 36)


@pytest.mark.parametrize("difficulty", ["easy", "hard"])
def test_the_expert_keeps_the_lane_and_a_blind_driver_does_not(difficulty):
    expert, blind = (Drive(difficulty, seeds=range(4), length=250) for _ in range(2))
    while not (expert.done & blind.done).all():
        expert.step(expert.expert())
        blind.step(np.zeros(4))
    assert expert.crashes.sum() == 0
    assert blind.crashes.min() >= 1


def test_the_expert_recovers_from_a_disturbance():
    drive = Drive("easy", seeds=range(6), length=200)
    aside = np.linspace(-0.9, 0.9, 6)
    drive.disturb(aside, 0.05)
    np.testing.assert_allclose(drive.offset, aside, atol=1e-6)
    for _ in range(120):
        drive.step(drive.expert())
    assert drive.crashes.sum() == 0
    assert abs(drive.offset).max() < 0.15


def test_cars_side_by_side_drive_as_if_alone():
    together = Drive("hard", seeds=[3, 4], length=120)
    alone = Drive("hard", seeds=[4], length=120)
    rng = np.random.default_rng(0)
    for _ in range(100):
        command = rng.normal(0, 0.05, 2)
        together.step(command)
        alone.step(command[1:])
    assert (together.x[1], together.crashes[1]) == (alone.x[0], alone.crashes[0])
    assert (together.pictures()[1] == alone.pictures()[0]).all()


@pytest.mark.parametrize(
    ("commands", "error", "says"),
    [([0.0], ShapeError, r"shape \(1,\); it takes one for each car: \(2,\)"), ([0.0, np.nan], ArgumentError, "nan")],
)
def test_commands_that_cannot_be_move_no_car(commands, error, says):
    drive = Drive("easy", seeds=[0, 1], length=100)
    with pytest.raises(error, match=says):
        drive.step(commands)
    assert not drive.x.any()


def test_unknown_difficulties_name_the_known_ones():
    with pytest.raises(ArgumentError, match="did you mean 'easy'"):
        Drive("esy", seeds=[0])


def test_the_environment_is_one_that_gymnasium_accepts():
    checker = pytest.importorskip("gymnasium.utils.env_checker")
    checker.check_env(environment(length=60), skip_render_check=True)


def test_the_environment_is_reproducible_and_its_noise_has_the_variance_asked_for():
    pytest.importorskip("gymnasium")
    clean, noisy, again = environment(length=60), environment(length=60, noise=0.01), environment(length=60, noise=0.01)
    one, two, three = (world.reset(seed=5)[0] for world in (clean, noisy, again))
    assert (two == three).all()
    inside = (one > 0.35) & (one < 0.65)
    assert (two - one)[inside].std() == pytest.approx(0.1, rel=0.05)


def test_a_crash_ends_an_episode_and_costs_ten():
    pytest.importorskip("gymnasium")
    world = environment("hard", length=200)
    world.reset(seed=0)
    for _ in range(2000):
        _, reward, crashed, over, _ = world.step([1.0])
        if crashed or over:
            break
    assert crashed
    assert reward == -10


def test_stepping_before_reset_is_one_clear_error():
    pytest.importorskip("gymnasium")
    with pytest.raises(ArgumentError, match=r"call reset\(\) before step\(\)"):
        environment(length=60).step([0.0])
