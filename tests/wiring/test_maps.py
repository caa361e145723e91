"""Circuits in the world: maps of quantities and actions, and the policy between them."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import wormnet.wiring
from wormnet import WiringError
from wormnet.wiring import (
    Biophysical,
    CircuitPolicy,
    MotorMap,
    SensoryMap,
    SpellingWarning,
    Wiring,
    read_bnn,
    tap,
    write_bnn,
)
from wormnet.wiring.bnn import parse_bnn

ANGLE, PLACE = SensoryMap("PLM", "AVM", -0.12, 0.12), SensoryMap("ALM", "PVD", -1.0, 1.0)
PUSH = MotorMap("FWD", "REV", -0.3, 0.3)


def policy(**options):
    return CircuitPolicy(tap.tw_pure(), [ANGLE, PLACE], [PUSH], **options)


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


@given(st.floats(-90, 0), st.floats(-90, 0), st.integers(1, 20), st.sampled_from([0.001, 0.01, 0.5]))
def test_neurons_without_synapses_relax_as_the_implicit_step_says(ahead, back, steps, dt):
    wiring = Wiring(["a", "b"], ["FWD", "REV"])
    values = {"capacitance": [0.05] * 2, "leak": [1.0] * 2, "v_leak": [ahead, back]}
    values |= {name: [] for name in ("conductance", "slope", "midpoint", "reversal")}
    lone = CircuitPolicy(Biophysical(wiring, values), [SensoryMap("a", "b", -1, 1)], [PUSH], dt=dt, steps=steps)
    left = (1 + dt / 0.05) ** -steps  # of the way from -70 mV
    v = np.array([ahead, back]) + (-70 - np.array([ahead, back])) * left
    share = np.clip((v + 70) / 50, 0, 1)
    assert lone.step([0.3]) == pytest.approx([0.3 * share[0] - 0.3 * share[1]], abs=1e-9)


def test_a_touch_at_the_head_makes_the_worm_go_back_and_one_at_the_tail_forward():
    head = CircuitPolicy(tap.tw_pure(), [SensoryMap("AVM", "PLM", -1, 1), SensoryMap("ALM", "PVD", -1, 1)], [PUSH])
    moved = {}
    for place in (1.0, 0.0, -1.0):
        head.reset()
        moved[place] = [float(head.step([place, max(place, 0.0)])[0]) for _ in range(20)][-1]
    assert moved[1.0] < moved[0.0] < moved[-1.0]


def test_potentials_go_on_from_step_to_step_and_reset_forgets_them():
    one, two = policy(steps=10), policy(steps=5)
    observation = [0.1, -0.5]
    first = one.step(observation)
    two.step(observation)
    assert two.step(observation) == pytest.approx(first, abs=1e-12)
    assert one.step(observation) != pytest.approx(first)
    one.reset()
    assert np.array_equal(one.step(observation), first)


@pytest.mark.parametrize("n", [1, 2, 4])  # 2 is also the number of quantities, 4 that of inputs
def test_environments_side_by_side_are_as_if_alone(n):
    rng = np.random.default_rng(0)
    observations = rng.normal(size=(3, n, 2))
    together = policy()
    found = [together.step(observation) for observation in observations]
    for i in range(n):
        alone = policy()
        for k, observation in enumerate(observations):
            assert alone.step(observation[i]) == pytest.approx(found[k][i], abs=1e-12)


def test_a_held_input_needs_no_map_and_names_may_be_spelled_otherwise(tmp_path):
    held = parse_bnn(
        "size 4\nconst 3 -20\nex 3 2 1\nex 0 2 1\n", names=["AVAL", "AVAR", "AVBL", "PLML"], inputs=["AVAL", "AVAR"]
    )
    with pytest.warns(SpellingWarning, match="'avbl' is taken for 'AVBL'"), pytest.raises(WiringError, match="'AVBR'"):
        CircuitPolicy(held, [SensoryMap("AVAL", "AVAR", -1, 1)], [MotorMap("avbl", "AVBR", -1, 1)])
    assert CircuitPolicy(held, [SensoryMap("AVAL", "AVAR", -1, 1)], []).step([0.5]).shape == (0,)
    write_bnn(tap.tw_pure(), tmp_path / "tap.bnn")
    cells, inputs = tap.tw_pure().wiring.cells, tap.tw_pure().wiring.inputs
    again = CircuitPolicy(read_bnn(tmp_path / "tap.bnn", names=cells, inputs=inputs), [ANGLE, PLACE], [PUSH])
    assert again.step([0.1, 0.2]) == pytest.approx(policy().step([0.1, 0.2]), abs=1e-12)


REFUSED = [
    (lambda: SensoryMap("A", "A", -1, 1), "positive and negative are both 'A'; a map takes two cells."),
    (lambda: SensoryMap(3, "A", -1, 1), "positive is 3; it takes the name of a cell."),
    (lambda: SensoryMap("A", "B", 1, -1), "low is 1 and high -1; it takes low < 0 < high."),
    (lambda: SensoryMap("A", "B", "x", 1), "low is 'x' and high 1; it takes numbers, low < 0 < high."),
    (lambda: MotorMap("A", "B", -1, float("inf")), "low is -1 and high inf; it takes low < 0 < high."),
    (lambda: MotorMap("A", "B", -1, 1, "papr"), "unknown mode 'papr'; did you mean 'paper'?"),
    (lambda: MotorMap("A", "B", -1, 1, ["paper"]), "unknown mode ['paper']"),
    (lambda: CircuitPolicy("tap", [], []), "circuit is 'tap'; it takes a Biophysical, as read_bnn gives."),
    (lambda: CircuitPolicy(tap.tw_pure(), [ANGLE, PLACE], PUSH), "motor is MotorMap("),
    (lambda: CircuitPolicy(tap.tw_pure(), [ANGLE, PUSH], []), "sensory holds MotorMap("),
    (lambda: CircuitPolicy(tap.tw_pure(), [ANGLE], [PUSH]), "has no one potential: no sensory map feeds it."),
    (lambda: CircuitPolicy(tap.tw_pure(), [ANGLE, PLACE, ANGLE], []), "it is fed more than once. Each takes one map"),
    (lambda: CircuitPolicy(tap.tw_pure(), [ANGLE, PLACE], [MotorMap("FWD", "REW", -1, 1)]), "unknown neuron 'REW'"),
    (lambda: CircuitPolicy(tap.tw_pure(), [SensoryMap("AVA", "PLM", -1, 1)], []), "unknown input 'AVA'"),
    (lambda: policy(dt=0), "dt is 0; it takes seconds, a number > 0."),
    (lambda: policy(steps=0), "steps is 0; it takes 1 or more."),
    (lambda: policy().step([0.1]), "the observation has shape (1,); it takes 2 quantities last: (..., 2)."),
    (lambda: policy().step([0.1, np.nan]), "the observation holds a number that is not finite."),
]


@pytest.mark.parametrize(("call", "message"), REFUSED)
def test_what_cannot_be_is_refused(call, message):
    with pytest.raises(WiringError, match=re.escape(message)):
        call()


def test_other_environments_take_a_reset():
    some = policy()
    some.step(np.zeros((3, 2)))
    with pytest.raises(WiringError, match=r"shape \(4, 2\) and the potentials are of \(3,\) environments"):
        some.step(np.zeros((4, 2)))
    some.reset()
    assert some.step(np.zeros((4, 2))).shape == (4, 1)


def test_what_the_field_needs_is_exported():
    wanted = {
        "read_bnn",
        "write_bnn",
        "Biophysical",
        "Units",
        "SensoryMap",
        "MotorMap",
        "CircuitPolicy",
        "SpellingWarning",
    }
    assert wanted <= set(wormnet.wiring.__all__)
