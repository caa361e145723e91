"""Layers that every export is tried on, long irregular sequences for them, and the compilers that judge."""

import ctypes
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from cases import CASES, DENSE, MIXED

import wormnet
from wormnet import models
from wormnet.wiring import CHEMICAL, CURRENT, GAP

LAYERS = {
    **CASES,
    "stc": (MIXED, models.STC(unfolds=2), {}),
    "lrc": (MIXED, models.LRC(), {}),
    "lrc-semi-implicit": (MIXED, models.LRC(elastance="symmetric", solver="semi_implicit", unfolds=2), {}),
    **{
        f"graded-{solver}": (
            wormnet.Wiring(
                *(["touch"], ["A", "B", "C"]),
                pre=[0, 1, 2, 1, 3],
                post=[1, 2, 3, 3, 1],
                kind=[CURRENT, CHEMICAL, CHEMICAL, GAP, CHEMICAL],
                sign=[1, 1, -1, 0, -1],
            ),
            models.GradedWorm(solver=solver, unfolds=4),
            {"time_unit": 5.0},
        )
        for solver in models.SOLVERS
    },
    "cfc-gelu": (DENSE, models.CfC(mode="pure", backbone_layers=1, backbone_activation="gelu"), {"time_unit": 0.02}),
    "ctrnn-midpoint": (MIXED, models.CTRNN(solver="exponential_midpoint", unfolds=1), {}),
}
"""The contract's layers, and the models and solvers that are not among them."""


def layer(case, dtype=torch.float32):
    """A layer of LAYERS on the reference engine, from seed 0."""
    wiring, model, options = LAYERS[case]
    torch.manual_seed(0)
    return wormnet.Recurrent(wiring, model, backend="reference", dtype=dtype, **options)


def sequence(rnn, samples=1000, seed=0):
    """x (time, inputs) and irregular dt (time,), in single precision, as float64."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((samples, rnn.n_inputs)).astype(np.float32).astype(np.float64)
    dt = rng.uniform(0.05, 0.8, samples) * rnn.time_unit
    return x, dt.astype(np.float32).astype(np.float64)


def outputs(rnn, x, dt):
    """(time, outputs) of the layer itself."""
    stored = next(rnn.parameters())
    with torch.no_grad():
        y, _ = rnn(torch.tensor(x, dtype=stored.dtype)[None], dt=torch.tensor(dt, dtype=stored.dtype)[None])
    return y[0].double().numpy()


# -- C -----------------------------------------------------------------------------------------------------------------

STRICT = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-O2")

DRIVER = """
#include "net.h"

int drive(unsigned n, const {x} *x, const {dt} *dt, {y} *y);
unsigned long size(void);

int drive(unsigned n, const {x} *x, const {dt} *dt, {y} *y)
{{
    static net_state s;
    net_reset(&s);
    for (unsigned t = 0; t < n; ++t) {{
        const int code = net_step(&s, dt[t], x + t * NET_INPUTS, y + t * NET_OUTPUTS);
        if (code)
            return code;
    }}
    return 0;
}}

unsigned long size(void)
{{
    return sizeof(net_state);
}}
"""


def compiler(name="gcc"):
    """A program of that name, or a skip that says how to get it."""
    if shutil.which(name) is None:
        packages = {
            "gcc": "gcc",
            "arm-none-eabi-gcc": "gcc-arm-none-eabi libnewlib-arm-none-eabi",
            "qemu-system-arm": "qemu-system-arm",
            "node": "nodejs",
        }
        pytest.skip(f"needs {name}: apt-get install {packages[name]}")
    return name


def ran(*command, folder=None):
    """What a program prints; it has to end well."""
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, cwd=folder, timeout=300)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


class Driven:
    """A compiled network.

    Args: folder: which holds net.c and net.h.   x, dt, y: their types in C and NumPy.
    """

    def __init__(self, folder, x=("float", np.float32), dt=("float", np.float32), y=("float", np.float32)):
        folder = Path(folder)
        (folder / "driver.c").write_text(DRIVER.format(x=x[0], dt=dt[0], y=y[0]))
        library = folder / "net.so"
        ran(compiler(), *STRICT, "-fPIC", "-shared", "net.c", "driver.c", "-o", library, "-lm", folder=folder)
        self.library, self.types = ctypes.CDLL(str(library)), (x[1], dt[1], y[1])
        self.library.size.restype = ctypes.c_ulong

    @property
    def size(self):
        """Bytes of an instance."""
        return self.library.size()

    def __call__(self, x, dt, n_outputs):
        """(time, outputs) from a reset on."""
        given, times = (np.ascontiguousarray(one, kind) for one, kind in zip((x, dt), self.types))
        y = np.zeros((len(x), n_outputs), self.types[2])
        code = self.library.drive(len(x), *(one.ctypes.data_as(ctypes.c_void_p) for one in (given, times, y)))
        assert code == 0, f"a sample was refused with code {code}"
        return y


BOARD = Path(__file__).parent / "export" / "cortex_m4"


def self_test(source, folder, *options, compile_with=("gcc",), link=("-lm",)):
    """Build a source as the program that tests itself."""
    made = folder / "self_test"
    ran(*compile_with, *STRICT, *options, "-DNET_SELF_TEST", source, "-o", made, *link)
    return made


def on_cortex_m4(folder):
    """Build and run the self-test in folder/net.c."""
    arm, board = compiler("arm-none-eabi-gcc"), compiler("qemu-system-arm")
    processor = ("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16", "--specs=rdimon.specs")
    start = ("-T", BOARD / "mps2.ld", BOARD / "start.c", "-lm")
    made = self_test(folder / "net.c", folder, *processor, compile_with=(arm,), link=start)
    semihosting = ("-nographic", "-semihosting-config", "enable=on,target=native")
    assert "allowed" in ran(board, "-machine", "mps2-an386", *semihosting, "-kernel", made)
