"""Checkpoints of ncps 1.0.1 load, compute and go on learning as there; ours load there; wrong ones are refused."""

import numpy as np
import pytest
import torch

import wormnet.compat.ncps as ncps
from wormnet.compat.ncps import torch as ours
from wormnet.compat.ncps import wirings as our_wirings
from wormnet.errors import WiringError

theirs = pytest.importorskip("ncps.torch")
their_wirings = pytest.importorskip("ncps.wirings")
pytestmark = pytest.mark.filterwarnings("ignore::wormnet.compat.ncps.DifferenceWarning")

CASES = {
    "LTC": (
        lambda t, w: t.LTC(3, w.AutoNCP(12, 2)),
        lambda t, w: t.LTC(3, w.Random(9, 2, 0.5), mixed_memory=True, batch_first=False),
    ),
    "CfC": (
        lambda t, w: t.CfC(3, 7, backbone_units=5, backbone_layers=2, proj_size=2),
        lambda t, w: t.CfC(3, 7, backbone_units=5, backbone_layers=3, backbone_dropout=0.5, mode="pure"),
    ),
    "wired": (
        lambda t, w: t.CfC(3, w.AutoNCP(12, 2)),
        lambda t, w: t.CfC(3, w.NCP(4, 3, 2, 2, 2, 3, 2), mixed_memory=True, mode="no_gate", proj_size=4),
        lambda t, w: t.CfC(3, w.Random(9, 9, 0.5), mode="pure"),
    ),
}
ALL = [(name, i) for name, cases in CASES.items() for i in range(len(cases))]


def trained(module, x):
    """A module after some steps, in evaluation mode."""
    optimizer = torch.optim.Adam(module.parameters(), 0.02)
    for _ in range(5):
        optimizer.zero_grad()
        module(x)[0].sub(0.3).square().mean().backward()
        optimizer.step()
    return module.eval()


@pytest.mark.parametrize(("name", "i"), ALL)
def test_a_checkpoint_of_ncps_loads_and_computes_and_learns_the_same(name, i, tmp_path, told):
    make = CASES[name][i]
    torch.manual_seed(0)
    x = torch.randn(4, 5, 3)
    peer = trained(make(theirs, their_wirings), x)
    torch.save(peer.state_dict(), tmp_path / "theirs.pt")
    own = make(ours, our_wirings).eval()
    own.load_state_dict(torch.load(tmp_path / "theirs.pt", weights_only=True))
    torch.testing.assert_close(own(x), peer(x), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(trained(own, x)(x), trained(peer, x)(x), rtol=1e-3, atol=1e-4)
    assert ("checkpoint" in told()) == (name == "wired")


@pytest.mark.parametrize(("name", "i"), ALL)
def test_our_checkpoints_load_in_ncps_and_compute_the_same(name, i):
    make = CASES[name][i]
    torch.manual_seed(0)
    x = torch.randn(4, 5, 3)
    own = trained(make(ours, our_wirings), x)
    peer = make(theirs, their_wirings).eval()
    peer.load_state_dict(own.state_dict())
    torch.testing.assert_close(own(x), peer(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("name", "i"), ALL)
def test_our_own_checkpoints_come_back_as_they_were(name, i, told):
    make = CASES[name][i]
    x = torch.randn(4, 5, 3)
    own, again = trained(make(ours, our_wirings), x), make(ours, our_wirings).eval()
    again.load_state_dict(own.state_dict())
    torch.testing.assert_close(again(x), own(x))
    assert "checkpoint" not in told()
    if name == "wired":
        assert again.rnn_cell.synapses == own.rnn_cell.synapses == "wiring"


def test_a_module_goes_back_to_the_synapses_of_its_wiring_with_weights_that_have_them():
    wiring = our_wirings.AutoNCP(12, 2)
    x = torch.randn(2, 3, 3)
    own = ours.CfC(3, wiring)
    peer = theirs.CfC(3, their_wirings.AutoNCP(12, 2))
    there_and_back = ours.CfC(3, wiring, synapses="layers")
    there_and_back.load_state_dict(peer.state_dict())
    assert there_and_back.rnn_cell.synapses == "layers"
    torch.testing.assert_close(there_and_back(x), peer(x), rtol=1e-5, atol=1e-5)
    there_and_back.load_state_dict(own.state_dict())
    assert there_and_back.rnn_cell.synapses == "wiring"
    torch.testing.assert_close(there_and_back(x), own(x))


def test_where_the_masks_do_not_tell_the_weights_of_the_gate_do():
    """With one neuron in each layer, ncps's masks are those of the wiring, and its gate reads absent synapses."""
    calls = [w.NCP(1, 1, 1, 1, 1, 1, 1) for w in (their_wirings, our_wirings)]
    for wiring in calls:
        wiring.build(3)
        wiring.sensory_adjacency_matrix[0, :] = 0
        wiring.build = lambda n: None
    x = torch.randn(2, 3, 3)
    peer, own = theirs.CfC(3, calls[0]), ours.CfC(3, calls[1])
    assert torch.equal(peer.rnn_cell.layer_1.sparsity_mask, own.rnn_cell.layer_1.sparsity_mask)
    again = ours.CfC(3, calls[1], synapses="layers")
    again.load_state_dict(own.state_dict())
    own.load_state_dict(peer.state_dict())
    assert own.rnn_cell.synapses == "layers"
    torch.testing.assert_close(own(x), peer(x), rtol=1e-5, atol=1e-5)


def test_synapses_that_skip_layers_rest_when_a_checkpoint_of_ncps_is_loaded():
    made = []
    for t, w in ((theirs, their_wirings), (ours, our_wirings)):
        wiring = w.AutoNCP(12, 2)
        wiring.build(3)
        wiring.add_synapse(11, 0, 1)
        wiring.build = lambda n: None  # or ncps would add to it
        made.append(t.CfC(3, wiring))
    peer, own = made
    own.load_state_dict(peer.state_dict())
    x = torch.randn(2, 3, 3)
    torch.testing.assert_close(own(x), peer(x), rtol=1e-5, atol=1e-5)


def test_a_module_with_the_synapses_of_ncps_takes_weights_of_synapses_that_skip_layers():
    wiring = our_wirings.AutoNCP(12, 2)
    wiring.build(3)
    wiring.add_synapse(11, 0, 1)
    own, other = ours.CfC(3, wiring), ours.CfC(3, wiring, synapses="layers").double()
    other.load_state_dict(own.state_dict())
    x = torch.randn(2, 3, 3)
    torch.testing.assert_close(other(x.double())[0].float(), own(x)[0], rtol=1e-5, atol=1e-5)


def test_edits_after_a_module_is_made_leave_it_as_it_is():
    wiring = our_wirings.AutoNCP(12, 2)
    for kind in ("LTC", "CfC"):
        module = getattr(ours, kind)(3, wiring)
        before = module.rnn_cell.synapse_count, module.rnn_cell.network.wiring.digest
        wiring.add_synapse(11, 0, 1)
        assert (module.rnn_cell.synapse_count, module.rnn_cell.network.wiring.digest) == before
        module.load_state_dict(module.state_dict())
        wiring.adjacency_matrix[11, 0] = 0


def test_a_masked_cell_takes_the_weights_of_ncps_and_computes_as_there(told):
    mask = np.tri(8, 5)
    peer = theirs.CfCCell(3, 5, backbone_layers=0, sparsity_mask=mask)
    own = ours.CfCCell(3, 5, backbone_layers=0, sparsity_mask=mask)
    x, h = torch.randn(2, 3), torch.randn(2, 5)
    again = ours.CfCCell(3, 5, backbone_layers=0, sparsity_mask=mask)
    again.load_state_dict(own.state_dict())
    assert again.masks_gate
    assert told() == []
    torch.testing.assert_close(again(x, h, 1.0), own(x, h, 1.0))
    own.load_state_dict(peer.state_dict())
    assert told() == ["masked cell"]
    torch.testing.assert_close(own(x, h, 1.0), peer(x, h, 1.0), rtol=1e-5, atol=1e-5)
    full = theirs.CfCCell(3, 5, backbone_layers=0, sparsity_mask=np.ones((8, 5)))
    with pytest.raises(WiringError, match="belong to another mask, of 40 connections; this cell's has 30"):
        own.load_state_dict(full.state_dict())


@pytest.mark.parametrize("kind", ["LTC", "CfC"])
def test_weights_of_another_wiring_are_refused(kind):
    """B6: loading them overwrote the wiring."""
    sparse = getattr(ours, kind)(4, our_wirings.Random(8, 8, 0.8))
    before = [p.clone() for p in sparse.parameters()]
    full = getattr(theirs, kind)(4, their_wirings.Random(8, 8, 0.5))
    with pytest.raises(WiringError, match=r"these weights belong to another wiring: .*wiring_of\(state_dict, like="):
        sparse.load_state_dict(full.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(before, sparse.parameters(), strict=True))


@pytest.mark.parametrize("kind", ["LTC", "CfC"])
def test_what_ncps_trained_on_a_wiring_that_it_built_twice_can_be_taken_from_its_checkpoint(kind):
    """B8: as the README of ncps does, one wiring for two layers."""
    wiring = their_wirings.AutoNCP(28, 4)
    theirs.CfC(20, wiring)
    peer = getattr(theirs, kind)(20, wiring)
    state = {f"policy.rnn.{name}": value for name, value in peer.state_dict().items()}
    like = our_wirings.AutoNCP(28, 4)
    own = ncps.wiring_of(state, like)
    np.testing.assert_array_equal(own.sensory_adjacency_matrix != 0, wiring.sensory_adjacency_matrix != 0)
    if kind == "LTC":
        np.testing.assert_array_equal(own.adjacency_matrix, wiring.adjacency_matrix)
    assert not like.is_built()
    module = getattr(ours, kind)(20, own)
    module.load_state_dict(peer.state_dict())
    x = torch.randn(2, 3, 20)
    torch.testing.assert_close(module(x), peer(x), rtol=1e-5, atol=1e-5)


def test_a_checkpoint_without_a_fitting_mask_is_refused():
    like = our_wirings.AutoNCP(12, 2)
    for state, text in (
        ({"weight": torch.zeros(2)}, "it holds none"),
        (theirs.CfC(3, 8).state_dict(), "it holds none"),
        (theirs.LTC(3, 8).state_dict(), r"the checkpoint's masks are \(3, 8\) and \(8, 8\); the wiring has 12 neurons"),
        (
            theirs.CfC(3, their_wirings.AutoNCP(14, 2)).state_dict(),
            r"the checkpoint's masks are .*; the layers of the wiring have \[6, 4, 2\] neurons",
        ),
    ):
        with pytest.raises(WiringError, match=text):
            ncps.wiring_of(state, like)
