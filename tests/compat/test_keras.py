"""The layers for Keras compute what the torch layers compute, on torch and on JAX, and their files hold the wiring.

Keras decides on its back end once for a process, so everything runs in one process for each.
"""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("keras_program.py")


@pytest.fixture(scope="module", params=["torch", "jax"])
def told(request, tmp_path_factory):
    """What `keras_program` has found on a back end."""
    for needed in ("keras", request.param):
        if importlib.util.find_spec(needed) is None:
            pytest.skip(f"needs {needed}")
    environment = {**os.environ, "KERAS_BACKEND": request.param, "JAX_PLATFORMS": "cpu", "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment["PYTHONPATH"] = os.pathsep.join([str(PROGRAM.parents[1]), environment.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(tmp_path_factory.mktemp("keras"))],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert not done.returncode, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["backend"] == request.param
    return found


def test_outputs_are_those_of_the_torch_layers(told):
    """Within 1e-5, with irregular times and a time unit."""
    assert len(told["errors"]) == 7
    assert max(told["errors"].values()) <= 1e-5


def test_weights_go_both_ways_unchanged(told):
    assert told["weights_equal"] == 7


def test_a_file_holds_the_wiring_and_computes_the_same(told):
    assert told["file_error"] == 0
    assert told["file_wiring_equal"]
    assert told["exported"] <= 1e-5
    assert told["from_command_line"] <= 1e-5


def test_a_sequence_resumes_from_its_state(told):
    assert told["resumed"] <= 1e-6


def test_masked_samples_leave_the_state(told):
    assert told["masked"] <= 1e-6


def test_gradients_are_those_of_torch(told):
    """Of the mean square of the outputs, by every weight."""
    assert told["gradients"] <= 1e-5


def test_it_learns(told):
    assert told["losses"][-1] < 0.5 * told["losses"][0]


def test_a_seed_makes_the_draw_repeat(told):
    assert told["same_draw"]


def test_what_cannot_be_is_refused_in_one_sentence(told):
    assert "without mixed memory; this layer has mixed memory" in told["refused"][0]
    assert "no backbone" in told["refused"][1]
    assert "it takes (batch, time, 5)" in told["refused"][2]
    assert "dt has shape (4, 3); it takes a number, or (batch, time)" in told["refused"][5]
    assert "dt has shape (4,); it takes a number, or (batch, time)" in told["refused"][6]
    for place, number in enumerate(["0", "-1", "nan", "inf"], 7):
        assert f"dt holds {number}; it is the time since the previous sample, finite and > 0." in told["refused"][place]
    assert told["padded"] == ["nothing", "nothing"]
    assert "wiring is int; it takes a Wiring" in told["refused"][3]
    assert "that was built or called" in told["refused"][4]


def test_a_wrong_dt_is_never_a_number_where_the_call_is_compiled(told):
    if told["backend"] == "torch":  # Keras does not compile there
        assert "dt holds 0" in told["compiled"]
    else:
        assert told["compiled"] == [[False] * 2 + [True] * 3, [False] * 4 + [True], [False] * 5]
