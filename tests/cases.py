"""The layers that every contract test runs on: each model, every option, wirings with every kind of synapse."""

import pytest
import torch

import wormnet
from wormnet import models
from wormnet.errors import BackendError
from wormnet.kernels.dispatch import BACKENDS
from wormnet.wiring import CHEMICAL, CURRENT, GAP, Wiring

N = 5
"""Inputs, neurons, sequences and samples: all the same number, so that a mixed-up axis is not found by its size."""

ENGINES = [name for name in BACKENDS if name != "auto"]


def mixed_wiring():
    """Five inputs and five neurons, three layers, synapses of all kinds and signs, a self-synapse; two are read out."""
    rows = [
        # pre, post, kind, sign, count
        (0, 5, CHEMICAL, 1, 1),
        (1, 5, CHEMICAL, -1, 2),
        (1, 6, CHEMICAL, 0, 1),
        (5, 7, CHEMICAL, 1, 3),
        (6, 7, CHEMICAL, -1, 1),
        (7, 7, CHEMICAL, 1, 1),
        (7, 8, CHEMICAL, 0, 1),
        (8, 5, CHEMICAL, -1, 1),
        (5, 6, GAP, 0, 2),
        (7, 9, GAP, 0, 1),
        (2, 9, GAP, 0, 1),
        (5, 7, GAP, 0, 1),
        (3, 6, CURRENT, 1, 1),
        (4, 8, CURRENT, -1, 2),
        (0, 5, CURRENT, 0, 1),
    ]
    pre, post, kind, sign, count = zip(*rows, strict=True)
    return Wiring(N, N, outputs=[3, 0], layers=[0, 0, 1, 2, 2], pre=pre, post=post, kind=kind, sign=sign, count=count)


MIXED = mixed_wiring()
DENSE = wormnet.dense(N, N)

CASES = {
    "ltc": (MIXED, models.LTC(unfolds=3), {}),
    "ltc-euler": (MIXED, models.LTC(solver="euler", unfolds=8, input_map=None, output_map="linear"), {}),
    "ltc-exponential": (MIXED, models.LTC(solver="exponential_euler", unfolds=2, fixed_polarity=True), {}),
    "ltc-rk4": (MIXED, models.LTC(solver="rk4", unfolds=3, input_map="linear", output_map=None), {}),
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


def build(case, backend="reference", dtype=torch.float32, **options):
    """The layer of a case with the parameters of seed 0, or a skip where the back end does not take it."""
    wiring, model, own = CASES[case]
    torch.manual_seed(0)
    try:
        layer = wormnet.Recurrent(wiring, model, backend=backend, dtype=dtype, **{**own, **options})
        name = layer.backend.name
    except BackendError as error:
        pytest.skip(str(error))
    assert name == backend
    return layer


def draw(*shape, seed=1, dtype=torch.float32):
    """Standard normal numbers."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def times(*shape, seed=2, dtype=torch.float32):
    """Times since the previous sample, 0.05 to 0.8: short enough for the explicit solvers."""
    drawn = torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (0.05 + 0.75 * drawn).to(dtype)


def start(layer, batch, seed=3):
    """A state that is not zero."""
    drawn = [draw(batch, layer.wiring.n_neurons, seed=seed + i, dtype=layer._stored().dtype) * 0.5 for i in range(2)]
    return tuple(drawn) if layer.mixed_memory else drawn[0]


def parts(state):
    """The tensors of a state."""
    return state if isinstance(state, tuple) else (state,)


def at(state, chosen):
    """The state of some of the sequences."""
    return tuple(one[chosen] for one in state) if isinstance(state, tuple) else state[chosen]
