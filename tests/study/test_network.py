import sys
import types

import numpy as np
import pytest
import torch
from torch import nn

import wormnet
from wormnet.errors import ArgumentError, WiringError
from wormnet.study import network as networks
from wormnet.study.network import Network, Predictor, Shape, build, known, named, register_network, wired, wiring_of
from wormnet.wiring.null import NULLS

EVEN = Shape(n_inputs=3, n_outputs=2, steps=4, neurons=9)
UNEVEN = Shape(n_inputs=5, n_outputs=2, irregular=True, steps=4, neurons=9)
STEPS = Shape(n_inputs=3, n_outputs=2, per="step", steps=4, neurons=9)
RUN = ["ncp-ltc", "ncp-ltc-repaired", "ncp-cfc-repaired", "ctrnn", "lstm", "gru-5", "mingru", "lru-4", "gru+skip"]
WORMS = [name for name in known() if named(name).family == "worm"]


def made(name, shape: Shape) -> Predictor:
    torch.manual_seed(0)
    return build(name, shape).eval()


@pytest.mark.parametrize("name", RUN)
@pytest.mark.parametrize("shape", [EVEN, UNEVEN, STEPS], ids=["even", "uneven", "steps"])
def test_each_sequence_is_scored_as_if_alone(name, shape):
    network = made(name, shape)
    x, dt = torch.randn(4, 4, shape.n_inputs), 0.5 + torch.rand(4, 4)  # as many sequences as steps
    lengths = torch.tensor([4, 2, 1, 3])
    together = network(x, dt, lengths)
    for i, length in enumerate(lengths.tolist()):
        alone = network(x[i : i + 1, :length], dt[i : i + 1, :length])
        seen = together[i : i + 1, :length] if shape.per == "step" else together[i : i + 1]
        torch.testing.assert_close(seen, alone)


@pytest.mark.parametrize("name", RUN)
def test_recorded_samples_are_seen_standardised_and_with_dt_told_twice(name):
    network, recorded, dt = made(name, UNEVEN), torch.randn(2, 5, 3), 0.3 + torch.rand(2, 5)
    network.input_shift.copy_(torch.tensor([1.0, 2.0, 3.0]))
    network.input_scale.copy_(torch.tensor([2.0, 4.0, 5.0]))
    network.time_shift.copy_(torch.tensor([1.5, 0.5]))
    seen = network.seen(recorded, dt)
    torch.testing.assert_close(seen[..., 1], (recorded[..., 1] - 2) / 4)
    torch.testing.assert_close(seen[..., 3:], torch.stack([dt - 1.5, dt.log() - 0.5], -1))
    assert not torch.equal(network(seen, dt), network(network.seen(recorded, 2 * dt), 2 * dt))


def test_an_even_clock_is_told_to_nobody():
    network, x = made("gru-5", EVEN), torch.randn(2, 5, 3)
    assert torch.equal(network.seen(x, torch.ones(2, 5)), x)


def test_a_residual_network_that_says_nothing_predicts_the_newest_sample_as_it_was_recorded():
    network = build("gru-5", Shape(3, 3, "step", residual=True))
    network.input_shift.copy_(torch.tensor([1.0, 2.0, 3.0]))
    network.input_scale.copy_(torch.tensor([2.0, 4.0, 5.0]))
    for p in network.read_out.parameters():
        nn.init.zeros_(p)
    recorded = torch.randn(2, 7, 3)
    torch.testing.assert_close(network(network.seen(recorded)), recorded)


@pytest.mark.parametrize("width", [1, 7, 64])
def test_sizes_are_those_of_the_closed_forms(width):
    for kind, gates in (("lstm", 4), ("gru", 3)):
        size = build(f"{kind}-{width}", Shape(12, 9)).size()
        assert size["synapses"] == gates * (12 * width + width * width)
        assert size["core"] == size["synapses"] + 2 * gates * width  # torch keeps two biases
        assert size["read_out"] == 9 * width + 9
        assert size["parameters"] == size["core"] + size["read_out"]


@pytest.mark.parametrize("shape", [Shape(12, 9), Shape(3, 2, irregular=True), Shape(40, 3)])
@pytest.mark.parametrize("name", [name for name in known() if named(name).sized])
def test_networks_come_as_near_to_the_repaired_policy_as_one_unit_allows(name, shape):
    target = build("ncp-ltc-repaired", shape, seed=3).size()["parameters"]
    network = named(name)
    size = networks._sized(network, shape, 3).size
    found = build(name, shape, seed=3).size()["parameters"]
    others = [build(f"{name}-{other}", shape, seed=3) for other in (size - 1, size + 1) if other >= network.least]
    for other in others:
        assert abs(np.log(found / target)) <= abs(np.log(other.size()["parameters"] / target)) + 1e-9


def test_the_repaired_policy_has_two_motor_neurons_and_reads_all():
    wiring = wiring_of("ncp-ltc-repaired", Shape(12, 9))
    assert (wiring.n_neurons, wiring.n_outputs) == (32, 2)
    assert build("ncp-ltc-repaired", Shape(12, 9)).read_out.in_features == 32
    published = build("ncp-ltc", Shape(12, 9))
    assert published.read_out.in_features == published.wiring.n_outputs == 9


def test_repaired_time_constants_start_between_a_tenth_of_a_sample_and_the_length():
    torch.manual_seed(0)
    rnn = build("ncp-ltc-repaired", Shape(12, 9, steps=26)).core
    p = rnn.values()
    effective = (p["capacitance"] / rnn.model.open_conductance(p, rnn.wiring)).detach().numpy()
    assert 0.1 <= effective.min() < 1 < effective.max() <= 26


@pytest.mark.parametrize("name", ["cook2019-ltc", "cook2019-cfc", "cook2019-ctrnn"])
def test_the_whole_worm_is_driven_through_its_sensory_neurons_and_sees_the_newest_sample(name):
    # A blind output would warn, which is an error here.
    network = build(name, Shape(12, 9))
    wiring = network.core.wiring
    assert (wiring.n_neurons, wiring.n_inputs, wiring.n_outputs) == (302, 12, 302)
    driven = wiring.post[wiring.pre < 12]
    roles = [wiring.roles[i - 12] for i in driven]
    assert set(roles) == {"sensory"}
    assert len(set(driven)) == len(driven) == wiring.roles.count("sensory")


def test_more_inputs_than_sensory_neurons_share_them():
    wiring = wiring_of("cook2019-ltc", Shape(541, 1))
    assert set(wiring.pre[wiring.pre < 541]) == set(range(541))


@pytest.mark.parametrize("kind", NULLS)
def test_each_null_is_that_of_the_registry_on_the_wiring_of_the_network(kind):
    shape = Shape(5, 4)
    policy, null = wiring_of("ncp-ltc-repaired", shape, 3), wiring_of(f"ncp-ltc-repaired/{kind}", shape, 3)
    assert null == NULLS[kind](policy, 3)
    network = named(f"ncp-ltc-repaired/{kind}")
    assert (network.family, network.null_of) == ("null", "ncp-ltc-repaired")
    assert build(network, shape, 3).core.wiring.n_inputs == 5


def test_a_null_and_a_skip_have_the_size_of_what_they_are_made_of():
    shape = Shape(12, 9)
    assert build("ctrnn/signs", shape).wiring.n_neurons == build("ctrnn", shape).wiring.n_neurons
    assert build("lstm+skip", shape).read_out.in_features == build("lstm", shape).read_out.in_features
    assert build("ncp-cfc-repaired-20/rewire", shape).wiring.n_neurons == 20
    assert named("ncp-ltc-repaired+skip").family == "null"
    assert named("lstm+skip").family == "standard"


def test_another_seed_draws_another_wiring():
    for name in ("ncp-ltc", "ncp-ltc/random"):
        assert wiring_of(name, EVEN, 0) != wiring_of(name, EVEN, 1)


@pytest.mark.parametrize("name", WORMS)
def test_every_worm_network_builds_and_has_its_nulls(name):
    network = build(name, Shape(4, 3, steps=5))
    assert network.wiring.n_inputs == 4
    assert set(named(name).nulls) == set(NULLS)


@pytest.mark.parametrize("name", ["lstm-", "lstm-064", "lstm-0", "lstm64", "ncp", "ncp-lstm", "-ltc", "LSTM", "", None])
def test_other_names_are_refused_with_the_list(name):
    with pytest.raises(ArgumentError, match=r"unknown network .*Known: ncp-ltc, ncp-ltc-repaired"):
        named(name)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ncp-ltc/rewird", "unknown null of ncp-ltc 'rewird'; did you mean 'rewire'"),
        ("lstm/rewire", "lstm has no wiring, so there is no lstm/rewire"),
        ("cook2019-ltc-30", "cook2019-ltc has a size of its own"),
        ("ncp-ltc-3", "ncp-ltc-3: it takes 4 to 4096 units"),
        ("nomodule:thing", "network 'nomodule:thing' cannot be imported"),
        ("math:pi", "math:pi is 3.14.*; it takes a Network, a Wiring, or a function"),
        ("torch.nn:LSTM", "it takes a Network, a Wiring, or a function"),
    ],
)
def test_names_that_cannot_be_say_why(name, text):
    with pytest.raises(ArgumentError, match=text):
        named(name)


# -- one's own ---------------------------------------------------------------------------------------------------------


class Mean(nn.Module):
    """The mean of all samples so far."""

    def __init__(self, width):
        super().__init__()
        self.width = width

    def forward(self, x, state=None, dt=None, lengths=None):
        return x.cumsum(1) / torch.arange(1, x.shape[1] + 1)[:, None], None


@pytest.fixture
def mine(monkeypatch):
    """A module of one's own with a network, a wiring, a factory and a null."""
    module = types.ModuleType("mine")
    module.wiring = wormnet.random(inputs=3, neurons=9, outputs=2, sparsity=0.5)
    module.factory = lambda shape, seed: Mean(shape.n_inputs)
    module.network = Network("mean", module.factory, about="the mean")
    module.flipped = lambda wiring, seed: wiring.replace(sign=-wiring.sign)
    monkeypatch.setitem(sys.modules, "mine", module)
    return module


def test_a_wiring_a_module_and_a_null_of_ones_own_are_named_by_module(mine):
    assert build("mine:wiring", EVEN).wiring == mine.wiring
    assert build("mine:factory", EVEN)(torch.zeros(2, 4, 3)).shape == (2, 2)
    assert named("mine:network") is mine.network
    policy, flipped = wiring_of("ncp-ltc", EVEN), wiring_of("ncp-ltc/mine:flipped", EVEN)
    assert np.array_equal(flipped.sign, -policy.sign)
    assert wiring_of("mine:wiring/rewire", EVEN).n_synapses == mine.wiring.n_synapses


def test_a_wiring_without_inputs_for_dt_gets_the_channels_alone(mine):
    network = made(wired("w", mine.wiring, backend="reference"), UNEVEN)
    x, dt = torch.randn(2, 4, 5), torch.rand(2, 4) + 0.5
    other = torch.cat([x[..., :3], torch.randn(2, 4, 2)], 2)
    assert torch.equal(network(x, dt), network(other, dt))
    assert not torch.equal(network(x, dt), network(x, 2 * dt))


def test_a_wiring_of_another_width_is_told_what_the_data_have(mine):
    with pytest.raises(WiringError, match="the wiring has 3 inputs; the data set has 4"):
        build("mine:wiring", Shape(4, 2))


def test_a_wiring_without_inputs_is_driven():
    chain = wormnet.Wiring(0, ["a", "b"], roles=["sensory", "motor"], pre=[0], post=[1])
    assert wiring_of(wired("chain", chain), Shape(2, 1)).inputs == ("x0", "x1")


def test_a_module_without_a_width_is_told_what_is_missing():
    with pytest.raises(ArgumentError, match="network plain built a Linear without `width`"):
        build(Network("plain", lambda shape, seed: nn.Linear(3, 2)), EVEN)


def test_a_registered_network_has_its_name_and_no_second_one(mine):
    try:
        assert register_network(mine.network) is named("mean")
        assert "mean" in known()
        with pytest.raises(ArgumentError, match="the name 'mean' is taken"):
            register_network(mine.network)
    finally:
        networks.NETWORKS.pop("mean", None)
    for name in ("a/b", "a-3", "a:b", "a+skip"):
        with pytest.raises(ArgumentError, match="holds one of"):
            register_network(Network(name, mine.factory))


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"name": ""}, "it takes both"),
        ({"build": 3}, "it takes both"),
        ({"family": "wurm"}, "unknown family 'wurm'; did you mean 'worm'"),
        ({"nulls": ["rewire"]}, "has nulls and no wiring"),
        ({"nulls": ["rewird"]}, "unknown null model 'rewird'"),
    ],
)
def test_a_network_that_cannot_be_is_refused(fields, text):
    with pytest.raises(ArgumentError, match=text):
        Network(**{"name": "n", "build": lambda shape, seed: Mean(3), **fields})


def test_the_digest_of_a_network_is_that_of_the_wiring_it_was_given(mine):
    assert wired("w", mine.wiring).digest() == wired("w", mine.wiring).null("rewire").digest() == mine.wiring.digest
    assert named("ncp-ltc/rewire").digest() == named("lstm").digest() == ""


def test_building_leaves_the_random_state_as_the_seed_would():
    torch.manual_seed(0)
    direct = build("lstm-5", EVEN)
    # The search for a width must not use up random numbers.
    networks._matched.cache_clear()
    torch.manual_seed(0)
    width = build("lstm", EVEN).read_out.in_features
    torch.manual_seed(0)
    assert torch.equal(build(f"lstm-{width}", EVEN).read_out.weight, made("lstm", EVEN).read_out.weight)
    assert direct.read_out.in_features == 5
