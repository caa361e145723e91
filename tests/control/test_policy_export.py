"""A policy in C acts as the policy does, maps and warm-up included, and its layer is the network between the maps."""

import ctypes
import re
import subprocess

import numpy as np
import pytest
import torch
from exports import STRICT, compiler, layer, ran, self_test

import wormnet
from wormnet import export
from wormnet.cli import main
from wormnet.control import Choice, MotorCell, Policy, Projection, SensoryCell, Standardised, Within, task
from wormnet.errors import ArgumentError, ShapeError
from wormnet.wiring import tap

SEEN = np.random.default_rng(0).normal(size=(60, 4)) * [0.5, 0.1, 1.0, 1.0]
SIZE = '#include "net.h"\nunsigned long size(void);\nunsigned long size(void) { return sizeof(net_state); }\n'


def policies():
    circuit, maps = tap.tw_pure(), task("inverted_pendulum").maps
    inputs = circuit.wiring.inputs
    cells = [SensoryCell(name, -1.0, 1.0) for name in inputs]
    moved = [MotorCell("FWD", 0.5, -1.0), MotorCell("REV", 0.0, 2.0, mode="code")]
    torch.manual_seed(0)
    return {
        "pairs": Policy(circuit, **maps),
        "cells": Policy(circuit, cells, moved, warmup=3, dt=0.05, steps=4),
        "projections": Policy(circuit, [Projection(4), *maps["sense"]], [*moved, Projection(3, seed=1)]),
        "without a limit": Policy(circuit, task("inverted_pendulum", "code").sense, maps["move"], observe=[3, 1]),
        "layer": Policy(wormnet.LTC(wormnet.auto_ncp(inputs=4, neurons=8, outputs=1)), warmup=2),
        "within": Policy(
            wormnet.CfC(wormnet.dense(4, 3)),
            [Standardised(name, 0.1, 0.1, most=2.0) for name in wormnet.dense(4, 3).inputs],
            [Within([-0.05, -np.inf, -1.0], [0.05, 0.0, np.inf])],
        ),
        "far from 0": Policy(
            wormnet.CfC(wormnet.dense(4, 3)),
            [Standardised(name, 100.0, 0.5, most=2.0) for name in wormnet.dense(4, 3).inputs],
        ),
        "choice": Policy(wormnet.CfC(wormnet.dense(4, 3)), move=[Projection(5), Choice(-2)]),
        "choice of outputs": Policy(wormnet.CfC(wormnet.dense(4, 3)), move=[Choice()]),
    }


def acted(policy, seen):
    policy.reset()
    return np.array([policy.act(x) for x in seen])


class Acting:
    """A compiled policy: observations (time, n) -> actions (time, m)."""

    def __init__(self, folder, kind):
        (folder / "size.c").write_text(SIZE)
        ran(compiler(), *STRICT, "-fPIC", "-shared", "net.c", "size.c", "-o", "net.so", "-lm", folder=folder)
        self.library, self.kind = ctypes.CDLL(str(folder / "net.so")), kind
        self.library.size.restype = ctypes.c_ulong
        self.state = ctypes.create_string_buffer(self.library.size())
        self.library.net_reset(self.state)

    def __call__(self, seen, actions):
        found = np.zeros((len(seen), actions), self.kind)
        for x, y in zip(np.ascontiguousarray(seen, self.kind), found):
            code = self.library.net_act(self.state, *(one.ctypes.data_as(ctypes.c_void_p) for one in (x, y)))
            assert code == 0
        return found


@pytest.mark.parametrize("case", policies())
@pytest.mark.parametrize("number", ["float", "double"])
def test_the_program_acts_as_the_policy(case, number, tmp_path):
    policy = policies()[case]
    seen = (SEEN[:, : policy.ends.observations] + 100 * (case == "far from 0")).astype(np.float32).astype(float)
    expected = acted(policy, seen)
    written = export.c(policy, tmp_path / "net.c", number=number)
    program = Acting(tmp_path, {"float": np.float32, "double": np.float64}[number])
    found = program(seen, expected.shape[1])
    # The policy itself computes in single precision.
    np.testing.assert_allclose(found, expected, atol=2e-6 * max(1.0, abs(expected).max()))
    assert np.ptp(expected, axis=0).max() > 0.01
    assert program.library.size() == written.state_bytes
    checked = ("-fsanitize=undefined", "-fno-sanitize-recover=all")
    assert "actions" in ran(self_test(tmp_path / "net.c", tmp_path, *checked))
    # And from the start again, to the bit.
    program.library.net_reset(program.state)
    assert (program(seen, expected.shape[1]) == found).all()


@pytest.mark.parametrize("case", policies())
def test_the_layer_between_the_ends_is_the_policy(case):
    policy = policies()[case]
    ends, rnn = policy.ends, policy.layer()
    seen = SEEN[:, : ends.observations] + 100 * (case == "far from 0")
    felt = ends.felt(seen)
    felt = torch.tensor(np.concatenate([np.repeat(felt[:1], policy.warmup, 0), felt])).to(next(rnn.parameters()).dtype)
    with torch.no_grad():
        y = rnn(felt, dt=policy.dt)[0].numpy()[policy.warmup :]
    expected = acted(policy, seen)
    np.testing.assert_allclose(ends.made(y), expected, atol=2e-6 * max(1.0, abs(expected).max()))
    assert ends.actions == expected.shape[1]


def test_the_self_test_of_a_policy_whose_means_are_far_from_0_moves_its_inputs_and_takes_observations(tmp_path):
    policy = policies()["far from 0"]
    export.c(policy, tmp_path / "net.c")
    tested = (tmp_path / "net.c").read_text().partition("test_y")[2].partition(";")[0]
    assert len(set(re.findall(r"[-\d.e]{6,}", tested))) > 40
    assert "actions" in ran(self_test(tmp_path / "net.c", tmp_path))
    export.c(policy, tmp_path / "net.c", x=np.random.default_rng(0).normal(100, 0.5, (200, 4)))
    assert "of 600 actions" in ran(self_test(tmp_path / "net.c", tmp_path))


def test_the_self_test_tells_one_choice_from_the_next_however_large_its_number(tmp_path):
    torch.manual_seed(0)
    export.c(Policy(wormnet.CfC(wormnet.dense(4, 3)), move=[Choice(2**20)]), tmp_path / "net.c")
    assert "actions" in ran(self_test(tmp_path / "net.c", tmp_path))
    right = (tmp_path / "net.c").read_text()
    (tmp_path / "net.c").write_text(right.replace("1048576", "1048577"))
    assert "1048577" in (tmp_path / "net.c").read_text()
    assert subprocess.run(self_test(tmp_path / "net.c", tmp_path), capture_output=True).returncode


def test_limits_let_gradients_pass_where_they_are_asked_to_and_give_the_same_numbers():
    y = torch.tensor([[0.3, 1e8, -1e8], [-0.01, -0.2, 0.2]], dtype=torch.float64, requires_grad=True)
    ends = policies()["within"].ends
    numbers = ends.numbers(y, through=True)
    assert numbers.tolist() == ends.numbers(y).tolist() == [[0.05, 0.0, -1.0], [-0.01, -0.2, 0.2]]
    assert (torch.autograd.grad(numbers.sum(), y)[0] == 1).all()
    assert torch.autograd.grad(ends.numbers(y).sum(), y)[0].tolist() == [[0, 0, 0], [1, 1, 1]]


def test_an_observation_that_is_not_finite_is_refused_and_moves_nothing(tmp_path):
    policy = policies()["pairs"]
    export.c(policy, tmp_path / "net.c")
    program = Acting(tmp_path, np.float32)
    wrong, action = np.full(4, np.nan, np.float32), np.zeros(1, np.float32)
    pointers = [one.ctypes.data_as(ctypes.c_void_p) for one in (wrong, action)]
    assert program.library.net_act(program.state, *pointers) == 2
    np.testing.assert_allclose(program(SEEN, 1), acted(policy, SEEN), atol=2e-6)


def test_observations_of_ones_own_are_those_of_the_self_test(tmp_path):
    policy = policies()["pairs"]
    export.c(policy, tmp_path / "net.c", x=SEEN)
    assert "of 60 actions" in ran(self_test(tmp_path / "net.c", tmp_path))
    with pytest.raises(ShapeError, match=r"observations have shape \(60, 3\); this policy takes \(time, 4\)"):
        export.c(policy, tmp_path / "net.c", x=SEEN[:, :3])


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"number": "q15"}, "a policy is exported in float or double, not in q15"),
        ({"dt": 0.1}, "dt is given with a policy, which has its own"),
        ({"x": np.full((3, 4), np.inf)}, "not finite"),
    ],
)
def test_what_is_no_option_of_a_policy_is_one_clear_error_and_no_file(given, says, tmp_path):
    with pytest.raises(ArgumentError, match=says):
        export.c(policies()["pairs"], tmp_path / "net.c", **given)
    assert not list(tmp_path.iterdir())


def test_other_formats_say_that_they_take_the_layer(tmp_path):
    with pytest.raises(ArgumentError, match=r"not Policy; its layer\(\) is one"):
        export.javascript(policies()["pairs"], tmp_path / "net.js")


def test_the_command_line_knows_a_policy_from_a_layer(tmp_path, capsys):
    policies()["pairs"].save(tmp_path / "worm.safetensors")
    wormnet.save(layer("ltc"), tmp_path / "layer.safetensors")
    for name, has in (("worm", True), ("layer", False)):
        with pytest.raises(SystemExit) as stop:
            main(["export", str(tmp_path / f"{name}.safetensors"), "--to", "c"])
        assert not stop.value.code
        assert ("_act(" in (tmp_path / f"{name}.h").read_text()) is has
    assert "multiply-adds" in capsys.readouterr().out
