"""A layer on an edited wiring computes with the parameters that it was trained to."""

import pytest
import torch

import wormnet
from wormnet.errors import BackendError, WiringError
from wormnet.wiring import GAP, Wiring

WIRING = wormnet.auto_ncp(inputs=4, neurons=12, outputs=2, seed=1)
LAYERS = [
    lambda wiring: wormnet.LTC(wiring, fixed_polarity=True),
    lambda wiring: wormnet.CfC(wiring, proj_size=3),
    lambda wiring: wormnet.CTRNN(wiring),
    lambda wiring: wormnet.MixedMemory(wiring, "ltc"),
]


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.mark.parametrize("make", LAYERS)
def test_an_unchanged_wiring_computes_the_same_bits(make):
    rnn, x = make(WIRING), torch.randn(3, 5, 4)
    again = rnn.on(WIRING)
    assert type(again) is type(rnn)
    assert torch.equal(again(x)[0], rnn(x)[0])
    assert not {p.data_ptr() for p in again.parameters()} & {p.data_ptr() for p in rnn.parameters()}


@pytest.mark.parametrize("make", LAYERS)
def test_renumbered_neurons_keep_their_parameters(make):
    rnn, x = make(WIRING).double(), torch.randn(3, 5, 4, dtype=torch.float64)
    moved = rnn.on(WIRING.reorder(WIRING.neurons[::-1]))
    torch.testing.assert_close(moved(x)[0], rnn(x)[0], rtol=1e-12, atol=1e-12)


def test_a_lesioned_neuron_is_as_if_its_synapses_carried_nothing():
    rnn = wormnet.LTC(WIRING).double()
    x = torch.randn(3, 5, 4, dtype=torch.float64)
    cut = rnn.on(WIRING.lesion("command1"))
    sends = torch.tensor(WIRING.pre == WIRING.cell("command1"))
    silent = rnn.values()["conductance"].detach().clone()
    silent[sends] = 0.0
    rnn.set_values(conductance=silent)
    torch.testing.assert_close(cut(x)[0], rnn(x)[0], rtol=1e-12, atol=1e-12)


def test_gap_junctions_are_found_again_whatever_their_direction():
    wiring = Wiring(1, ["A", "B", "C"], pre=[1, 2, 0], post=[2, 3, 1], kind=[1, 1, 0])
    rnn = wormnet.LTC(wiring).double()
    turned = rnn.on(wiring.reorder(["C", "B", "A"]))
    x = torch.randn(2, 6, 1, dtype=torch.float64)
    torch.testing.assert_close(turned(x)[0], rnn(x)[0], rtol=1e-12, atol=1e-12)


def test_a_backbone_is_transferred_to_the_same_cells_only():
    rnn = wormnet.CfC(wormnet.dense(2, 5), backbone_layers=1, backbone_units=7)
    with pytest.raises(WiringError, match="mixes all cells"):
        rnn.on(wormnet.dense(2, 4))


def test_kinds_of_synapse_that_are_new_or_gone_hinder_nothing():
    wiring = Wiring(1, ["A", "B"], pre=[0, 1], post=[1, 2])
    rnn = wormnet.LTC(wiring)
    more = wiring.drive({"touch": ["A"]}).add("A", "B", kind=GAP)
    wider = rnn.on(more)
    assert wider.parameters_of("B")["leak"] == rnn.parameters_of("B")["leak"]
    assert wider.values()["gap_conductance"].shape == wider.values()["current"].shape == (1,)
    x = torch.randn(3, 5, 1)
    assert torch.equal(wider.on(wiring)(x)[0], rnn(x)[0])


@pytest.mark.parametrize("make", LAYERS)
def test_what_is_frozen_stays_frozen_and_what_saves_memory_goes_on_saving_it(make):
    rnn = make(WIRING)
    for i, p in enumerate(rnn.parameters()):
        p.requires_grad_(i % 2 == 0)
    rnn.checkpoint = not rnn.mixed_memory  # an LSTM cell in front keeps all states
    cut = rnn.on(WIRING.lesion("command1"))
    assert [p.requires_grad for p in cut.parameters()] == [p.requires_grad for p in rnn.parameters()]
    assert cut.checkpoint == rnn.checkpoint


def test_an_option_changed_later_is_heard():
    rnn = wormnet.LTC(WIRING, backend="reference")
    assert rnn.backend.name == "reference"
    rnn.checkpoint = True
    with pytest.raises(BackendError, match="takes no checkpoint=True"):
        _ = rnn.backend
