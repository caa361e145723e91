"""A wired linear layer is nn.Linear with zeros where the wiring has no synapse."""

import copy
import pickle

import pytest
import torch
from hypothesis import given, settings
from strategies import wirings
from tolerances import close

import wormnet
from wormnet.errors import ArgumentError, ShapeError, WiringError
from wormnet.wiring import CHEMICAL, CURRENT, Wiring

WIRING = Wiring(5, 5, outputs=[4, 0, 2], pre=[0, 1, 4, 4, 3], post=[5, 9, 9, 7, 6], sign=[1, -1, 0, 1, 1])


def dense(layer):
    """The matrix of the layer, by a loop over the synapses onto outputs."""
    w, found = layer.wiring, torch.zeros(layer.wiring.n_outputs, layer.wiring.n_inputs, dtype=layer.weight.dtype)
    place = {name: i for i, name in enumerate(w.outputs)}
    pairs = sorted({(int(post), int(pre)) for pre, post in zip(w.pre, w.post, strict=True) if w.cells[post] in place})
    assert len(pairs) == len(layer.weight)
    for (post, pre), value in zip(pairs, layer.weight, strict=True):
        found[place[w.cells[post]], pre] = value
    return found


@settings(max_examples=40)
@given(wirings(kinds=(CHEMICAL, CURRENT)))
def test_it_is_a_matrix_with_zeros(wiring):
    wiring = wiring.lesion(synapses=[s for s in range(wiring.n_synapses) if wiring.pre[s] >= wiring.n_inputs])
    layer = wormnet.WiredLinear(wiring, dtype=torch.float64)
    for shape in ((), (3,), (2, 3), (0,), (2, 0, 3)):
        x = torch.randn(*shape, wiring.n_inputs, dtype=torch.float64)
        y = layer(x)
        assert y.shape == (*shape, wiring.n_outputs)
        close(y, x @ dense(layer).T + layer.bias)


def test_its_gradients_are_those_of_finite_differences():
    layer = wormnet.WiredLinear(WIRING, dtype=torch.float64)
    x = torch.randn(2, 3, 5, dtype=torch.float64, requires_grad=True)

    def run(x, weight, bias):
        return torch.func.functional_call(layer, {"weight": weight, "bias": bias}, (x,))

    assert torch.autograd.gradcheck(run, (x, layer.weight, layer.bias))


def test_its_weights_start_with_the_sign_of_their_synapse():
    layer = wormnet.WiredLinear(wormnet.random(inputs=30, neurons=20, outputs=20, sparsity=0.5, recurrent=False))
    assert (torch.sign(layer.weight) == torch.tensor(layer.wiring.sign)).all()


def test_copies_weights_and_devices_work_as_for_any_layer():
    layer, x = wormnet.WiredLinear(WIRING), torch.randn(4, 5)
    with torch.inference_mode():
        y = layer(x)
    layer(x).sum().backward()
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert torch.equal(twin(x), y)
    assert set(layer.state_dict()) == {"weight", "bias"}
    assert layer.state_dict()._metadata[""]["wiring"] == layer.wiring.digest
    assert not list(layer.buffers())
    empty = wormnet.WiredLinear(WIRING, device="meta")
    assert empty(torch.zeros(2, 5, device="meta")).shape == (2, 3)
    empty.to_empty(device="cpu").load_state_dict(layer.state_dict())
    assert torch.equal(empty(x), y)
    with torch.device("meta"):
        other = wormnet.WiredLinear(WIRING)
    other.load_state_dict(layer.state_dict(), assign=True)
    assert torch.equal(other(x), y)
    changed = Wiring(**{**WIRING.to_dict(), "source": "another"})
    with pytest.raises(WiringError, match="these weights belong to another wiring"):
        wormnet.WiredLinear(changed).load_state_dict(layer.state_dict())
    half = copy.deepcopy(layer).bfloat16()
    assert half(x.bfloat16()).dtype == torch.bfloat16
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(x.bfloat16()).dtype == torch.float32


@pytest.mark.parametrize(
    ("x", "error", "text"),
    [
        (torch.zeros(2, 4), ShapeError, r"x has shape \(2, 4\); the layer takes \(\.\.\., 5\)\."),
        (torch.tensor(0.0), ShapeError, r"x has shape \(\); the layer takes \(\.\.\., 5\)\."),
        ([0.0] * 5, ArgumentError, r"x is list; it takes a tensor \(\.\.\., 5\)\."),
        (torch.zeros(2, 5).double(), ArgumentError, "x holds torch.float64 and the layer torch.float32"),
        (torch.zeros(2, 5, device="meta"), ArgumentError, "x is on meta and the layer on cpu"),
    ],
)
def test_a_wrong_x_is_named_with_what_is_taken(x, error, text):
    with pytest.raises(error, match=text):
        wormnet.WiredLinear(WIRING)(x)


def test_a_flag_is_true_or_false():
    with pytest.raises(ArgumentError, match="bias is 1; it takes True or False"):
        wormnet.WiredLinear(WIRING, bias=1)
