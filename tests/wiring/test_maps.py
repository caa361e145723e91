"""Circuits in the world: maps of quantities and actions, and the policy between them."""

import re

import pytest

import wormnet.wiring
from wormnet import WiringError
from wormnet.wiring import (
    MotorMap,
    SensoryMap,
)

ANGLE, PLACE = SensoryMap("PLM", "AVM", -0.12, 0.12), SensoryMap("ALM", "PVD", -1.0, 1.0)
PUSH = MotorMap("FWD", "REV", -0.3, 0.3)


@pytest.mark.parametrize(
    ("x", "mode", "potentials"),
    [
        (0.0, "paper", [-70, -70]),
        (0.06, "paper", [-45, -70]),
        (-0.03, "paper", [-70, -57.5]),
        (5.0, "paper", [-20, -70]),
        (0.24, "code", [30, -70]),
    ],
)
def test_a_sensory_map_is_that_of_the_paper_and_of_its_code(x, mode, potentials):
    assert SensoryMap("PLM", "AVM", -0.12, 0.12, mode)(x) == pytest.approx(potentials, abs=1e-9)


@pytest.mark.parametrize(
    ("v", "mode", "action"),
    [
        ([-70, -70], "paper", 0.0),
        ([-20, -70], "paper", 0.3),
        ([-70, 0], "paper", -0.3),
        ([-45, -20], "paper", -0.15),
        ([-60, -60], "code", 0.0),
        ([-40, -90], "code", 0.15),
    ],
)
def test_a_motor_map_is_that_of_the_paper_and_of_its_code(v, mode, action):
    assert MotorMap("FWD", "REV", -0.3, 0.3, mode)(v) == pytest.approx(action, abs=1e-12)


REFUSED = [
    (lambda: SensoryMap("A", "A", -1, 1), "positive and negative are both 'A'; a map takes two cells."),
    (lambda: SensoryMap(3, "A", -1, 1), "positive is 3; it takes the name of a cell."),
    (lambda: SensoryMap("A", "B", 1, -1), "low is 1 and high -1; it takes low < 0 < high."),
    (lambda: SensoryMap("A", "B", "x", 1), "low is 'x' and high 1; it takes numbers, low < 0 < high."),
    (lambda: MotorMap("A", "B", -1, float("inf")), "low is -1 and high inf; it takes low < 0 < high."),
    (lambda: MotorMap("A", "B", -1, 1, "papr"), "unknown mode 'papr'; did you mean 'paper'?"),
    (lambda: MotorMap("A", "B", -1, 1, ["paper"]), "unknown mode ['paper']"),
]


@pytest.mark.parametrize(("call", "message"), REFUSED)
def test_what_cannot_be_is_refused(call, message):
    with pytest.raises(WiringError, match=re.escape(message)):
        call()


def test_what_the_field_needs_is_exported():
    wanted = {
        "read_bnn",
        "write_bnn",
        "Biophysical",
        "Units",
        "SensoryMap",
        "MotorMap",
        "SpellingWarning",
    }
    assert wanted <= set(wormnet.wiring.__all__)
