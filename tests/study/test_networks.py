import numpy as np
import pytest
import torch

import wormnet
from wormnet.errors import ArgumentError
from wormnet.study.networks import Shape, build, known, parse, wiring_of

EVEN = Shape(n_inputs=3, n_outputs=2, neurons=9)
UNEVEN = Shape(n_inputs=3, n_outputs=2, irregular=True, neurons=9)
STEPS = Shape(n_inputs=3, n_outputs=2, per="step", neurons=9)
NAMES = ["ncp-ltc", "ncp-cfc", "random-ltc", "dense-cfc", "ctrnn", "lstm", "gru", "lstm-5", "gru-5"]


def made(name: str, shape: Shape):
    torch.manual_seed(0)
    return build(name, shape).eval()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [EVEN, UNEVEN, STEPS], ids=["even", "uneven", "steps"])
def test_each_sequence_is_scored_as_if_alone(name, shape):
    network = made(name, shape)
    x, dt = torch.randn(4, 4, 3), 0.5 + torch.rand(4, 4)  # as many sequences as steps
    lengths = torch.tensor([4, 2, 1, 3])
    together = network(x, dt, lengths)
    for i, length in enumerate(lengths.tolist()):
        alone = network(x[i : i + 1, :length], dt[i : i + 1, :length])
        seen = together[i : i + 1, :length] if shape.per == "step" else together[i : i + 1]
        torch.testing.assert_close(seen, alone)


@pytest.mark.parametrize("name", NAMES)
def test_where_time_is_uneven_every_network_is_told(name):
    network, x = made(name, UNEVEN), torch.randn(2, 5, 3)
    assert not torch.equal(network(x, torch.full((2, 5), 0.3)), network(x, torch.full((2, 5), 2.0)))


@pytest.mark.parametrize("name", ["lstm", "gru-5"])
def test_gated_networks_see_the_logarithm_of_dt(name):
    network, x, dt = made(name, UNEVEN), torch.randn(2, 5, 3), 0.5 + torch.rand(2, 5)
    by_hand, _ = network.core.rnn(torch.cat([x, dt.log()[..., None]], 2))
    torch.testing.assert_close(network(x, dt), network.scores(by_hand[:, -1]))
    per_sequence = torch.tensor([[0.7], [2.0]])
    torch.testing.assert_close(network(x, per_sequence), network(x, per_sequence.expand(2, 5)))


@pytest.mark.parametrize("width", [1, 7, 64])
def test_sizes_are_those_of_the_closed_forms(width):
    for kind, gates in (("lstm", 4), ("gru", 3)):
        size = build(f"{kind}-{width}", Shape(12, 9)).size()
        assert size["synapses"] == gates * (12 * width + width * width)
        assert size["core"] == size["synapses"] + 2 * gates * width  # torch keeps two biases
        assert size["read_out"] == 9 * width + 9
        assert size["parameters"] == size["core"] + size["read_out"]


@pytest.mark.parametrize("shape", [Shape(12, 9), Shape(1, 2, irregular=True), Shape(40, 3), EVEN])
@pytest.mark.parametrize("name", ["lstm", "gru", "ctrnn"])
def test_matched_networks_come_as_near_to_the_circuit_policy_as_one_unit_allows(name, shape):
    target = build("ncp-ltc", shape, seed=3).size()["parameters"]
    network = build(name, shape, seed=3)
    width, found = network.read_out.in_features, network.size()["parameters"]
    if name == "ctrnn":
        neighbours = [build_ctrnn(shape, width + step) for step in (-1, 1) if width + step > 0]
    else:
        neighbours = [build(f"{name}-{width + step}", shape).size()["parameters"] for step in (-1, 1) if width + step]
    assert all(abs(np.log(found / target)) <= abs(np.log(other / target)) for other in neighbours)


def build_ctrnn(shape: Shape, width: int) -> int:
    core = wormnet.CTRNN(wormnet.dense(shape.n_inputs, width))
    return sum(p.numel() for p in core.parameters()) + (width + 1) * shape.n_outputs


@pytest.mark.parametrize("seed", [0, 1])
def test_the_random_null_has_the_cells_and_the_synapse_count_of_the_policy(seed):
    shape = Shape(5, 4)
    policy, null = (wiring_of(parse(name), shape, seed) for name in ("ncp-ltc", "random-ltc"))
    assert null.n_synapses == policy.n_synapses
    assert [null.n_inputs, null.n_neurons, null.n_outputs] == [policy.n_inputs, policy.n_neurons, policy.n_outputs]
    assert null != policy


def test_the_rewired_null_keeps_what_every_cell_sends_and_receives():
    shape = Shape(5, 4)
    policy, null = (wiring_of(parse(name), shape) for name in ("ncp-ltc", "rewired-ltc"))
    assert sorted(null.pre) == sorted(policy.pre)
    assert sorted(null.post) == sorted(policy.post)
    assert null != policy


def test_another_seed_draws_another_wiring():
    for name in ("ncp-ltc", "random-ltc"):
        assert wiring_of(parse(name), EVEN, 0) != wiring_of(parse(name), EVEN, 1)


@pytest.mark.parametrize(("outputs", "neurons", "motor"), [(2, 32, 2), (10, 32, 10), (30, 90, 30)])
def test_classes_are_motor_neurons_while_they_fit(outputs, neurons, motor):
    wiring = wiring_of(parse("ncp-ltc"), Shape(3, outputs))
    assert (wiring.n_neurons, wiring.n_outputs) == (neurons, motor)


def test_few_neurons_keep_two_thirds_for_themselves():
    assert wiring_of(parse("ncp-ltc"), Shape(3, 10, neurons=12)).n_outputs == 4


@pytest.mark.parametrize("name", known())
def test_every_known_name_builds(name):
    assert made(name, EVEN)(torch.zeros(2, 4, 3)).shape == (2, 2)


@pytest.mark.parametrize("name", ["lstm-", "lstm-064", "lstm64", "ncp", "ncp-lstm", "-ltc", "LSTM", "", None])
def test_other_names_are_refused_with_the_list(name):
    with pytest.raises(ArgumentError, match=r"unknown network .*Known: ncp-ltc, ncp-cfc.*gru-64, ctrnn"):
        parse(name)


def test_building_leaves_the_random_state_as_the_seed_would():
    torch.manual_seed(0)
    direct = build("lstm-5", EVEN)
    torch.manual_seed(0)
    # The search for a width must not use up random numbers.
    width = build("lstm", EVEN).read_out.in_features
    torch.manual_seed(0)
    assert torch.equal(build(f"lstm-{width}", EVEN).read_out.weight, made("lstm", EVEN).read_out.weight)
    assert direct.read_out.in_features == 5
