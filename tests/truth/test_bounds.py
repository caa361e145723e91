"""The theorems of the LTC paper, under weights, slopes and steps that no training would reach.

Hasani et al. 2021, AAAI 35(9), 7657-7666: theorem 1 bounds the time constant, theorem 2 the state.
"""

import numpy as np
import pytest
import torch
from equations import ltc_pull
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import wirings

import wormnet
from wormnet.wiring import CHEMICAL, GAP

pytestmark = pytest.mark.filterwarnings("ignore::wormnet.errors.BlindOutputWarning")  # drawn wirings have blind outputs
SEED = st.integers(0, 2**31)
DT = st.sampled_from([1e-6, 1e-3, 1.0, 1e3, 1e6])


def extreme(wiring, seed, dtype=torch.float64, **options):
    """A layer with parameters over many orders of magnitude, and x, v."""
    rnn = wormnet.LTC(wiring, input_map=None, output_map=None, dtype=dtype, **options)
    draw = np.random.default_rng(seed)

    def spread(n, low, high):
        return 10.0 ** draw.uniform(low, high, n)

    values = {}
    for name, value in rnn.values().items():
        n = value.shape[0]
        if name in ("reversal", "v_leak", "midpoint", "slope"):
            values[name] = draw.choice([-1, 1], n) * spread(n, -2, 3)
        else:
            values[name] = spread(n, -3, 3)
    if options.get("fixed_polarity"):
        sign = wiring.sign[wiring.of_kind(CHEMICAL)]
        values["reversal"] = np.abs(values["reversal"]) * np.where(sign == 0, 1, sign)
    rnn.set_values(**values)
    scale = 10.0 ** draw.uniform(-2, 3)
    x = torch.tensor(draw.normal(size=(2, 4, wiring.n_inputs)) * scale, dtype=dtype)
    return rnn, x, torch.tensor(draw.normal(size=(2, wiring.n_neurons)) * scale, dtype=dtype)


@settings(max_examples=60)
@given(wirings(kinds=(CHEMICAL, GAP)), SEED, DT, st.integers(1, 6), st.sampled_from([torch.float64, torch.float32]))
def test_states_stay_within_the_potentials_that_pull_on_them(wiring, seed, dt, unfolds, dtype):
    """Theorem 2, with the leak and gap junctions counted among what pulls: no dt, slope or weight breaks it."""
    rnn, x, v = extreme(wiring, seed, dtype, unfolds=unfolds)
    p = rnn.values()
    pulls = [p["v_leak"], p["reversal"]] + ([x.reshape(-1)] if len(wiring.of_kind(GAP)) else [])
    low = min(v.min().item(), *(one.min().item() for one in pulls if one.numel()))
    high = max(v.max().item(), *(one.max().item() for one in pulls if one.numel()))
    room = 1e3 * torch.finfo(dtype).eps * max(abs(low), abs(high))
    trace = rnn.trace(x, v, dt)
    assert torch.isfinite(trace).all()
    assert trace.min() >= low - room
    assert trace.max() <= high + room


@settings(max_examples=40)
@given(wirings(kinds=(CHEMICAL,)), SEED, DT)
def test_each_state_stays_between_its_own_reversal_potentials_and_zero(wiring, seed, dt):
    """Theorem 2 as published: min(0, A_min) <= x_i <= max(0, A_max) for a leak to zero and a start within."""
    rnn, x, _ = extreme(wiring, seed)
    rnn.set_values(v_leak=0.0)
    reversal = rnn.values()["reversal"].detach().numpy()
    post = wiring.post[wiring.of_kind(CHEMICAL)] - wiring.n_inputs
    trace = rnn.trace(x, dt=dt).detach().numpy()
    for i in range(wiring.n_neurons):
        low, high = min(0.0, *reversal[post == i], 0.0), max(0.0, *reversal[post == i], 0.0)
        room = 1e-9 * max(abs(low), abs(high))
        assert (trace[:, :, i] >= low - room).all()
        assert (trace[:, :, i] <= high + room).all()


@settings(max_examples=40)
@given(wirings(kinds=(CHEMICAL,)), SEED)
def test_the_time_constant_lies_between_that_of_the_leak_and_that_of_all_synapses_open(wiring, seed):
    """Theorem 1: c / (g + W) <= tau_sys <= c / g, with tau_sys measured as the pace of relaxation to rest.

    With exponential Euler and one sub-step, v goes to rest as exp(-dt / tau_sys) exactly, so that a single step from
    two different own states tells tau_sys, if no neuron sends to itself.
    """
    keep = [s for s in range(wiring.n_synapses) if wiring.pre[s] < wiring.n_inputs]
    wiring = wiring.lesion(synapses=[s for s in range(wiring.n_synapses) if s not in keep])
    rnn, x, v = extreme(wiring, seed, solver="exponential_euler", unfolds=1)
    p = {name: value.detach().numpy() for name, value in rnn.values().items()}
    total = p["leak"].copy()
    np.add.at(total, wiring.post[wiring.of_kind(CHEMICAL)] - wiring.n_inputs, p["conductance"])
    shortest, longest = p["capacitance"] / total, p["capacitance"] / p["leak"]
    for i in range(2):
        _, pull = ltc_pull(wiring, p, x[i, 0].numpy(), v[i].numpy())
        for n in range(wiring.n_neurons):
            dt = float(p["capacitance"][n] / pull[n])  # where the exponential is well resolved
            other = v.clone()
            other[i, n] += 1e3
            gone = rnn(x[:, :1], other, dt)[1][i, n] - rnn(x[:, :1], v, dt)[1][i, n]
            tau = -dt / np.log(gone.item() / 1e3)
            assert shortest[n] * (1 - 1e-6) <= tau <= longest[n] * (1 + 1e-6)


@settings(max_examples=30)
@given(wirings(), SEED, DT, st.booleans())
def test_gated_neurons_stay_within_one(wiring, seed, dt, fixed):
    """CfC's default mode is a mean of two tanh; CTRNN's semi-implicit step a mean of the state and a tanh."""
    draw = np.random.default_rng(seed)
    x = torch.tensor(draw.normal(size=(2, 3, wiring.n_inputs)) * 100)
    v = torch.tensor(draw.uniform(-1, 1, (2, wiring.n_neurons)))
    for rnn in (
        wormnet.CfC(wiring, fixed_polarity=fixed, dtype=torch.float64),
        wormnet.CTRNN(wiring, fixed_polarity=fixed, dtype=torch.float64),
        wormnet.CTRNN(wiring, solver="exponential_euler", dtype=torch.float64),
    ):
        with torch.no_grad():
            for p in rnn.parameters():
                p.mul_(10.0)
        trace = rnn.trace(x, v, dt)
        assert torch.isfinite(trace).all()
        assert trace.abs().max() <= 1 + 1e-12
