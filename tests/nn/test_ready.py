"""What a layer keeps from call to call follows the parameters, however they are written to."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize, prune

import wormnet
from wormnet.nn.ready import MOST, Ready

X = torch.linspace(-1, 1, 12).reshape(2, 2, 3)


def _layer(model="ltc", **options):
    torch.manual_seed(0)
    return wormnet.Recurrent(wormnet.auto_ncp(inputs=3, neurons=8, outputs=2), model, **options)


def _without_gradients(rnn):
    with torch.no_grad():
        return rnn(X)[0]


class _Doubled(nn.Module):
    def forward(self, stored):
        return 2 * stored


def _by_data(rnn):
    rnn.slope.data[1] += 1


def _in_place(rnn):
    with torch.no_grad():
        rnn.leak_raw.mul_(1.5)


def _through_numpy(rnn):
    rnn.midpoint.detach().numpy()[0] += 0.5


def _by_a_new_parameter(rnn):
    rnn.output_scale = nn.Parameter(rnn.output_scale.detach() + 1)


def _by_values(rnn):
    rnn.set_values(conductance=0.0)


def _by_pruning(rnn):
    prune.l1_unstructured(rnn, "reversal", 0.5)


def _by_parametrization(rnn):
    parametrize.register_parametrization(rnn, "slope", _Doubled())


def _by_loading(rnn):
    torch.manual_seed(1)
    other = wormnet.Recurrent(rnn.wiring, rnn.model)
    rnn.load_state_dict(other.state_dict())


WRITES = [
    _by_data, _in_place, _through_numpy, _by_a_new_parameter, _by_values, _by_pruning, _by_parametrization, _by_loading
]  # fmt: skip


@pytest.mark.parametrize("write", WRITES, ids=[one.__name__[1:] for one in WRITES])
def test_whatever_is_written_to_the_parameters_is_in_the_next_call(write):
    rnn = _layer()
    before = _without_gradients(rnn)
    assert torch.equal(_without_gradients(rnn), before)
    write(rnn)
    after = _without_gradients(rnn)
    assert not torch.equal(after, before)
    assert torch.equal(after, rnn(X)[0])  # with gradients nothing is kept


@pytest.mark.parametrize("model", ["ltc", "cfc", "ctrnn"])
@pytest.mark.parametrize("mixed_memory", [False, True])
def test_a_call_without_gradients_has_the_bits_of_one_with_them(model, mixed_memory):
    rnn = _layer(model, mixed_memory=mixed_memory)
    given = rnn(X)[0]
    assert torch.equal(_without_gradients(rnn), given)
    assert torch.equal(_without_gradients(rnn), given)


def test_a_parameter_that_was_replaced_is_not_read_again():
    rnn = _layer()
    old = rnn.output_shift
    first = _without_gradients(rnn)
    rnn.output_shift = nn.Parameter(old.detach().clone())
    assert torch.equal(_without_gradients(rnn), first)
    old.data += 1
    assert torch.equal(_without_gradients(rnn), first)


def test_a_copy_and_another_dtype_remember_nothing():
    rnn = _layer()
    _without_gradients(rnn)
    other = copy.deepcopy(rnn)
    other.slope.data += 1
    assert torch.equal(_without_gradients(other), other(X)[0])
    rnn.double()
    with torch.no_grad():
        assert torch.equal(rnn(X.double())[0], rnn.requires_grad_(False)(X.double())[0])


def test_a_minus_is_a_change_and_nan_is_the_same_as_itself():
    ready, made = Ready([(2,)]), []

    def call(*numbers):
        with torch.no_grad():
            ready([torch.tensor(numbers)], made.append)
        return len(made)

    assert [call(0.0, 1.0), call(0.0, 1.0), call(-0.0, 1.0), call(float("nan"), 1.0), call(float("nan"), 1.0)] == [
        1, 1, 2, 3, 3
    ]  # fmt: skip


def test_nothing_is_kept_of_many_numbers_or_of_none():
    for size in (MOST + 1, 0):
        ready = Ready([(size,)])
        with torch.no_grad():
            first, again = (ready([torch.ones(size)], lambda stored: stored[0]) for _ in range(2))
        assert first is not again


def test_values_of_a_subclass_are_those_that_are_computed_with():
    """What they follow from is not among the stored parameters, and changes between calls."""

    class Scaled(wormnet.LTC):
        share = 1.0

        def values(self):
            found = super().values()
            return {**found, "conductance": self.share * found["conductance"]}

    torch.manual_seed(0)
    rnn, x = Scaled(wormnet.auto_ncp(inputs=2, neurons=8, outputs=1, seed=0)), torch.randn(1, 3, 2)
    with torch.no_grad():
        whole = rnn(x)[0]
        rnn.share = 0.0
        none = rnn(x)[0]
    assert not torch.allclose(whole, none)
    torch.testing.assert_close(none, rnn(x)[0].detach(), rtol=0, atol=1e-6)  # with gradients
    rnn.share = 1.0
    torch.testing.assert_close(whole, rnn(x)[0].detach(), rtol=0, atol=1e-6)
