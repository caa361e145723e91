"""Kernels write to the memory that they were given for it and to nothing past it: Numba checks no bounds."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import SEEDS, wirings

import wormnet
from wormnet import Recurrent
from wormnet.engine.cpu import launch
from wormnet.models import CTRNN, LTC, CfC

GUARD, MARK = 4096, 12345.0
pytestmark = pytest.mark.filterwarnings("ignore::wormnet.errors.BlindOutputWarning")  # drawn wirings have blind outputs
MODELS = [LTC(unfolds=2), CTRNN(unfolds=2), CfC(), CfC(mode="pure")]
BACKBONES = [
    CfC(backbone_layers=layers, backbone_units=units, backbone_activation=activation, mode=mode)
    for layers, units, activation, mode in [
        (1, 1, "lecun_tanh", "default"),
        (1, 33, "lecun_tanh", "default"),
        (2, 7, "tanh", "pure"),
        (3, 8, "silu", "no_gate"),
    ]
]  # programs that the comparison with the reference has compiled


def run_between_guards(wiring, model, batch, time, seed, checkpoint):
    """A training step whose scratch, sums and history lie between numbers that must stay as they are.

    One worker has the scratch, and up to sixteen sequences are one group of sums, so that what comes after them are
    guards; of more sequences the sums of the groups are neighbours.
    """
    guarded = []

    def empty(like, size):
        memory = torch.full((size + 2 * GUARD,), MARK, dtype=like.dtype)
        guarded.append(memory)
        inside = memory[GUARD : GUARD + size]
        inside.fill_(np.nan)
        return inside

    layer = Recurrent(wiring, model, backend="cpu", checkpoint=checkpoint)
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(batch, time, wiring.n_inputs, generator=generator, requires_grad=True)
    dt = torch.rand(batch, time, generator=generator).add(0.1).requires_grad_()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(launch, "empty", empty)
        patch.setattr(launch, "workers", lambda tasks: 1)
        y, state = layer(x, None, dt)
        (y.sum() + state.sum()).backward()
    assert len(guarded) >= 4
    for memory in guarded:
        assert (memory[:GUARD] == MARK).all()
        assert (memory[-GUARD:] == MARK).all()
    for gradient in (x.grad, dt.grad, *(p.grad for p in layer.parameters())):
        assert gradient is None or bool(torch.isfinite(gradient).all())


@settings(max_examples=40)
@given(wirings(), st.sampled_from(MODELS), st.integers(1, 40), st.integers(1, 9), SEEDS, st.booleans())
def test_nothing_past_a_history_a_scratch_or_a_sum_is_touched(wiring, model, batch, time, seed, checkpoint):
    run_between_guards(wiring, model, batch, time, seed, checkpoint)


@pytest.mark.parametrize("model", MODELS)
def test_a_wiring_of_nothing_is_run_back_in_no_memory(model):
    run_between_guards(wormnet.Wiring(0, 0), model, 3, 2, 0, False)


@settings(max_examples=40)
@given(
    st.integers(0, 9),
    st.integers(1, 9),
    st.sampled_from(BACKBONES),
    st.integers(1, 40),
    st.integers(1, 19),
    SEEDS,
    st.booleans(),
)
def test_nothing_past_those_of_a_backbone_is_touched(inputs, neurons, model, batch, time, seed, checkpoint):
    run_between_guards(wormnet.dense(inputs, neurons), model, batch, time, seed, checkpoint)
