"""Compiled code on the disk: what one process compiles, another one runs, beside what a third one compiled."""

import gc
import os
import subprocess
import sys

import pytest

from wormnet.engine.cpu import compiled

RUN = """
import sys, torch, wormnet
rows = []
for solver in sys.argv[1:]:
    torch.manual_seed(0)
    wiring = wormnet.auto_ncp(inputs=2, neurons=5, outputs=1)
    layers = [wormnet.LTC(wiring, solver=solver, unfolds=2, backend=b) for b in ("cpu", "reference")]
    layers[1].load_state_dict(layers[0].state_dict())
    x = torch.linspace(-1, 1, 12).reshape(1, 6, 2)
    found = []
    for layer in layers:
        y = layer(x, dt=0.2)[0]
        y.sum().backward()
        found.append((y.detach(), layer.leak_raw.grad))
    rows.append(max((a - b).abs().max().item() for a, b in zip(*found)))
print(max(rows))
"""


def run(folder, *solvers):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", RUN, *solvers], env=environment, capture_output=True, text=True, check=False
    )
    assert not done.returncode, done.stderr[-2000:]
    return float(done.stdout.split()[-1])


def test_kernels_that_two_processes_compiled_run_side_by_side_in_a_third(tmp_path):
    assert run(tmp_path, "semi_implicit") < 1e-5
    assert run(tmp_path, "exponential_euler") < 1e-5
    assert run(tmp_path, "semi_implicit", "exponential_euler") < 1e-5
    assert run(tmp_path, "exponential_euler", "semi_implicit") < 1e-5


@pytest.mark.parametrize("on", [True, False])
def test_a_first_kernel_leaves_the_garbage_collector_as_it_was(on):
    before, ready = gc.isenabled(), compiled._load_the_rest_of_numba
    try:
        (gc.enable if on else gc.disable)()
        ready.cache_clear()
        ready()
        assert gc.isenabled() is on
    finally:
        (gc.enable if before else gc.disable)()
