import numpy as np
import pytest
import torch
from torch import nn

import wormnet
from wormnet.data import Dataset, Sequences
from wormnet.study import prices as costs
from wormnet.study.metrics import all_of, usual
from wormnet.study.network import Network, Predictor, Shape, build, named, wired
from wormnet.study.plan import Training
from wormnet.study.prepared import prepare
from wormnet.study.prices import operations, saved_bytes


def prices(names, part: Sequences, training: Training, **options):
    data = prepare(Dataset("d", part, part, part), 0, all_of(usual("classify"), "classify"), neurons=8)
    return costs.prices([named(name) for name in names], data, training, **options)


def test_saved_bytes_are_those_that_the_formulas_need():
    x = torch.randn(10, 7, requires_grad=True)
    # sigmoid saves its result; the second product saves both its factors, one of which is that result.
    assert saved_bytes(lambda: torch.sigmoid(x).sum()) == 4 * 70
    assert saved_bytes(lambda: (torch.sigmoid(x) * x).sum()) == 4 * 140
    # A view shares the storage of what it looks at.
    assert saved_bytes(lambda: (x[0] * x[1]).sum()) == 4 * 70
    assert saved_bytes(lambda: x.sum()) == 0


@pytest.mark.parametrize("name", ["ncp-ltc", "gru"])
def test_memory_grows_with_the_steps(name):
    def memory(steps: int) -> float:
        part = Sequences(np.zeros((8, steps, 2)), np.zeros(8, int))
        return prices([name], part, Training(batch=8), repeats=1)[name]["memory_bytes"]

    short, middle, long = (memory(steps) for steps in (10, 20, 40))
    assert long - middle == pytest.approx(2 * (middle - short), rel=0.05)


def test_prices_are_measured_of_every_network_and_change_nothing_global():
    part = Sequences(np.random.default_rng(0).standard_normal((6, 4, 2)), [0, 1] * 3, dt=np.full((6, 4), 2.0))
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    found = prices(["ncp-cfc", "lstm-4"], part, Training(), repeats=3)
    assert list(found) == ["ncp-cfc", "lstm-4"]
    for row in found.values():
        assert 0 < row["step_low_ms"] <= row["step_ms"] <= row["step_high_ms"]
        assert 0 < row["latency_low_ms"] <= row["latency_ms"] <= row["latency_high_ms"]
        assert row["parameters"] == row["core"] + row["read_out"]
    assert torch.equal(before, torch.get_rng_state())
    assert torch.get_num_threads() == threads
    assert 0 < found["ncp-cfc"]["stepper_low_us"] <= found["ncp-cfc"]["stepper_us"]
    assert "stepper_us" not in found["lstm-4"]


def test_products_of_standard_networks_are_those_of_their_formulas():
    n, m, out = 12, 7, 9
    shape = Shape(n, out)
    read_out = m * out + out
    assert operations(build(f"lstm-{m}", shape)) == (4 * (n + m) * m + 3 * m + read_out, 5 * m)
    assert operations(build(f"gru-{m}", shape)) == (3 * (n + m) * m + 3 * m + read_out, 3 * m)
    # Two layers: encoder; gate and candidate, mixing, normalising, the gated output.
    assert operations(build(f"mingru-{m}", shape))[0] == n * m + 2 * (2 * m * m + 2 * m + m * m + 5 * m) + read_out


@pytest.mark.parametrize("unfolds", [3, 6])
def test_products_of_an_ltc_are_counted_synapse_by_synapse(unfolds):
    wiring = wormnet.auto_ncp(inputs=5, neurons=19, outputs=2)
    network = build(wired("w", wiring, unfolds=unfolds), Shape(5, 3))
    products, functions = operations(network)
    inputs = int(np.sum(wiring.pre < 5))
    inner = wiring.n_synapses - inputs
    # One sigmoid for each synapse, those from inputs once a sample.
    assert functions == inputs + unfolds * inner
    # slope (u - mid), gate driven, gate conductance; and the semi-implicit step's own.
    per_step = (products - (19 * 3 + 3) - 3 * (inputs + unfolds * inner)) / (19 * unfolds)
    assert per_step == int(per_step)
    assert 3 <= per_step <= 10


def test_products_of_a_backbone_are_its_matrices():
    network = build("cfc-6", Shape(4, 2))
    products, functions = operations(network)
    matrices = (4 + 6) * 12 + 12 * 4 * 6
    assert matrices + 14 < products < matrices + 14 + 6 * 12 + 12 * 8
    assert functions == 12 + 3 * 6  # silu; two tanh and the gate


def test_a_module_of_ones_own_uses_every_weight_once():
    class Own(nn.Module):
        width = 3

        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(4, 3)

        def forward(self, x, state=None, dt=None, lengths=None):
            return self.linear(x), None

    network = build(Network("own", lambda shape, seed: Own()), Shape(4, 2))
    assert isinstance(network, Predictor)
    assert operations(network) == (12 + 8, 0)
