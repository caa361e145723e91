"""Every model against its equation written out in plain Python loops."""

import numpy as np
import pytest
import torch
from equations import cfc_step, ctrnn_step, lstm_step, ltc_step
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import wirings
from tolerances import close

import wormnet
from wormnet import models

SAMPLES = 3
WIRINGS = wirings(inputs=(0, 3), neurons=(1, 5))
pytestmark = pytest.mark.filterwarnings("ignore::wormnet.errors.BlindOutputWarning")  # drawn wirings have blind outputs


def numbers(rnn, seed):
    """The layer with parameters that are no start's, and x, v, dt."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    with torch.no_grad():
        for p in rnn.parameters():
            p.copy_(draw(*p.shape))
    n_inputs, n = rnn.wiring.n_inputs, rnn.wiring.n_neurons
    return draw(2, SAMPLES, n_inputs), draw(2, n), torch.exp(draw(2, SAMPLES))


def agrees(rnn, step, seed):
    """Compare all states, and what is read out, with `step(wiring, values, x, v, dt)` run sample by sample."""
    x, v, dt = numbers(rnn, seed)
    p = {name: value.detach().numpy() for name, value in rnn.values().items()}
    trace, (y, _) = rnn.trace(x, v, dt), rnn(x, v, dt)
    for i in range(2):
        state = v[i].numpy()
        for t in range(SAMPLES):
            read = x[i, t].numpy() * p.get("input_scale", 1.0) + p.get("input_shift", 0.0)
            state = step(rnn.wiring, p, read, state, float(dt[i, t]))
            close(trace[i, t], torch.tensor(state))
            out = [state[rnn.wiring.neurons.index(name)] for name in rnn.wiring.outputs]
            close(y[i, t], torch.tensor(np.array(out) * p.get("output_scale", 1.0) + p.get("output_shift", 0.0)))


@settings(max_examples=40)
@given(WIRINGS, st.integers(1, 4), st.sampled_from(["affine", "linear", None]), st.booleans(), st.integers(0, 99))
def test_ltc_is_its_equation_written_out(wiring, unfolds, mapped, fixed, seed):
    rnn = wormnet.LTC(
        wiring, unfolds=unfolds, input_map=mapped, output_map=mapped, fixed_polarity=fixed, dtype=torch.float64
    )
    agrees(rnn, lambda w, p, x, v, dt: ltc_step(w, p, x, v, dt, unfolds), seed)


@settings(max_examples=40)
@given(WIRINGS, st.integers(1, 4), st.booleans(), st.integers(0, 99))
def test_ctrnn_is_its_equation_written_out(wiring, unfolds, fixed, seed):
    rnn = wormnet.CTRNN(wiring, unfolds=unfolds, fixed_polarity=fixed, dtype=torch.float64)
    agrees(rnn, lambda w, p, x, v, dt: ctrnn_step(w, p, x, v, dt, unfolds), seed)


@settings(max_examples=60)
@given(WIRINGS, st.sampled_from(["default", "no_gate", "pure"]), st.booleans(), st.integers(0, 99))
def test_cfc_is_its_equation_written_out(wiring, mode, fixed, seed):
    rnn = wormnet.CfC(wiring, mode=mode, fixed_polarity=fixed, dtype=torch.float64)
    agrees(rnn, lambda w, p, x, v, dt: cfc_step(w, p, x, v, dt, mode), seed)


@pytest.mark.parametrize("activation", models.cfc.ACTIVATIONS)
@pytest.mark.parametrize("mode", ["default", "no_gate", "pure"])
def test_a_backbone_is_its_matrices_written_out(activation, mode):
    rnn = wormnet.CfC(
        wormnet.dense(3, 4),
        mode=mode,
        backbone_layers=2,
        backbone_units=4,
        backbone_activation=activation,
        dtype=torch.float64,
    )
    act = {
        "lecun_tanh": lambda z: 1.7159 * np.tanh(0.666 * z),
        "tanh": np.tanh,
        "relu": lambda z: z * (z > 0),
        "silu": lambda z: z / (1 + np.exp(-z)),
        "gelu": lambda z: z * 0.5 * (1 + torch.erf(torch.tensor(z) / 2**0.5).numpy()),
    }[activation]

    def step(wiring, p, x, v, dt):
        z = np.concatenate([x, v])
        for i in range(2):
            z = act(p[f"backbone_weight{i}"] @ z + p[f"backbone_bias{i}"])
        heads = {h: p[f"{h}_weight"] @ z + p[f"{h}_bias"] for h in ("g" if mode == "pure" else "ghab")}
        if mode == "pure":
            return p["A"] * (1 - np.exp(-dt * (abs(p["w_tau"]) + abs(heads["g"]))) * heads["g"])
        gate = 1 / (1 + np.exp(-(heads["a"] * dt + heads["b"])))
        keep = 1 if mode == "no_gate" else 1 - gate
        return np.tanh(heads["g"]) * keep + np.tanh(heads["h"]) * gate

    agrees(rnn, step, seed=5)


@pytest.mark.parametrize("model", ["ltc", "cfc", "ctrnn"])
def test_mixed_memory_is_an_lstm_cell_in_front_written_out(model):
    wiring = wormnet.auto_ncp(inputs=4, neurons=4, outputs=1)
    step = {
        "ltc": lambda *given: ltc_step(*given, unfolds=6),
        "ctrnn": lambda *given: ctrnn_step(*given, unfolds=6),
        "cfc": lambda *given: cfc_step(*given, mode="default"),
    }[model]
    rnn = wormnet.MixedMemory(wiring, model, dtype=torch.float64)
    x, v, dt = numbers(rnn, 3)
    memory = torch.randn(2, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    p = {name: value.detach().numpy() for name, value in rnn.values().items()}
    lstm = {name: value.detach().numpy() for name, value in rnn.lstm.named_parameters()}
    for i in range(2):
        _, (got, got_memory) = rnn(x[i], (v[i], memory[i]), dt[i])
        state, c = v[i].numpy(), memory[i].numpy()
        for t in range(SAMPLES):
            raw = x[i, t].numpy()
            h, c = lstm_step(lstm, raw, state, c)
            read = raw * p.get("input_scale", 1.0) + p.get("input_shift", 0.0)
            state = step(wiring, p, read, h, float(dt[i, t]))
        close(got, torch.tensor(state))
        close(got_memory, torch.tensor(c))


def test_dropout_acts_in_training_behind_a_single_backbone_layer_too():
    rnn = wormnet.CfC(wormnet.dense(3, 4), backbone_layers=1, backbone_units=64, backbone_dropout=0.5)
    x = torch.randn(2, 1, 3)
    assert not torch.equal(rnn(x)[0], rnn(x)[0])
    rnn.eval()
    assert torch.equal(rnn(x)[0], rnn(x)[0])
