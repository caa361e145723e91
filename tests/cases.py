"""The layers that every contract test runs on: each model, every option, wirings with every kind of synapse."""

import pytest
import torch

import wormnet
from wormnet import models
from wormnet.engine.dispatch import BACKENDS
from wormnet.errors import BackendError
from wormnet.testing.samples import N, at, draw, mixed_wiring, parts, start, times

__all__ = ["CASES", "DENSE", "ENGINES", "MIXED", "N", "at", "build", "draw", "mixed_wiring", "parts", "start", "times"]

ENGINES = [name for name in BACKENDS if name != "auto"]


MIXED = mixed_wiring()
DENSE = wormnet.dense(N, N)

CASES = {
    "ltc": (MIXED, models.LTC(unfolds=3), {}),
    "ltc-euler": (MIXED, models.LTC(solver="euler", unfolds=8, input_map=None, output_map="linear"), {}),
    "ltc-exponential": (MIXED, models.LTC(solver="exponential_euler", unfolds=2, fixed_polarity=True), {}),
    "ltc-rk4": (MIXED, models.LTC(solver="rk4", unfolds=3, input_map="linear", output_map=None), {}),
    "ltc-midpoint": (MIXED, models.LTC(solver="exponential_midpoint", unfolds=2), {}),
    "ltc-ncp": (wormnet.auto_ncp(inputs=N, neurons=N, outputs=2), models.LTC(), {"proj_size": N}),
    "cfc": (MIXED, models.CfC(), {}),
    "cfc-pure": (MIXED, models.CfC(mode="pure"), {}),
    "cfc-no-gate": (MIXED, models.CfC(mode="no_gate", fixed_polarity=True), {}),
    "cfc-dense": (DENSE, models.CfC(), {}),
    "cfc-backbone": (
        DENSE,
        models.CfC(backbone_layers=2, backbone_units=N, backbone_activation="silu"),
        {"proj_size": 3},
    ),
    "ctrnn": (MIXED, models.CTRNN(unfolds=2), {}),
    "ctrnn-euler": (MIXED, models.CTRNN(solver="euler", fixed_polarity=True), {}),
    "ctrnn-exponential": (DENSE, models.CTRNN(solver="exponential_euler"), {}),
    "ctrnn-rk4": (DENSE, models.CTRNN(solver="rk4", unfolds=2), {}),
    "ltc-memory": (MIXED, models.LTC(unfolds=2), {"mixed_memory": True}),
    "cfc-memory": (MIXED, models.CfC(mode="no_gate"), {"mixed_memory": True, "proj_size": 2}),
    "ctrnn-memory": (DENSE, models.CTRNN(unfolds=2), {"mixed_memory": True}),
}


IN_DOUBLE = {"ltc", "ltc-midpoint", "cfc", "cfc-pure", "cfc-backbone", "ctrnn-rk4", "cfc-memory"}
"""Those that the compiled engines run in double precision too; each has code of its own there, which takes its time to
compile, and every edge, node, solver and part of a sample occurs in one of them."""


def build(case, backend="reference", dtype=torch.float32, **options):
    """The layer of a case with the parameters of seed 0, or a skip where the back end does not take it."""
    wiring, model, own = CASES[case]
    if dtype == torch.float64 and backend != "reference" and case not in IN_DOUBLE:
        pytest.skip("other cases run in double precision")
    torch.manual_seed(0)
    try:
        layer = wormnet.Recurrent(wiring, model, backend=backend, dtype=dtype, **{**own, **options})
        name = layer.backend.name
    except BackendError as error:
        pytest.skip(str(error))
    assert name == backend
    return layer
