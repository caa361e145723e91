"""Maps of inputs and outputs: their own backward pass against torch's, and wherever torch follows it."""

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from wormnet.nn import maps
from wormnet.nn.maps import mapped


@pytest.fixture(autouse=True)
def _however_small(monkeypatch):
    monkeypatch.setattr(maps, "MANY", 0)


def parts(dtype=torch.float64, shape=(3, 5, 2)):
    values = torch.randn(shape, dtype=dtype, requires_grad=True)
    scale, shift = (torch.randn(shape[2], dtype=dtype, requires_grad=True) for _ in range(2))
    return values, scale, shift


def run(values, scale, shift):
    return mapped({"input_scale": scale, "input_shift": shift}, values, "input")


def test_it_is_taken():
    assert "_Map" in type(run(*parts()).grad_fn).__name__


def test_first_and_second_derivatives():
    assert gradcheck(run, parts())
    assert gradgradcheck(run, parts())


def test_gradients_of_a_large_batch_keep_their_digits():
    values, scale, shift = parts(torch.float32, (64, 150, 7))
    adjoint = torch.randn(64, 150, 7)
    by_scale, by_shift = torch.autograd.grad(run(values, scale, shift), (scale, shift), adjoint)
    products = adjoint.double() * values.detach().double()
    size = products.abs().sum((0, 1))
    assert ((by_scale - products.sum((0, 1))).abs() < 1e-7 * size).all()
    assert ((by_shift - adjoint.double().sum((0, 1))).abs() < 1e-7 * adjoint.double().abs().sum((0, 1))).all()


def test_only_what_is_asked_for_is_computed():
    values, scale, shift = parts()
    run(values.detach(), scale, shift.detach()).sum().backward()
    torch.testing.assert_close(scale.grad, values.detach().sum((0, 1)))
    assert values.grad is None
    assert shift.grad is None


def test_a_batch_of_gradients():
    given = parts()
    y, basis = run(*given), torch.randn(4, 3, 5, 2, dtype=torch.float64)
    together = torch.autograd.grad(y, given, basis, is_grads_batched=True, retain_graph=True)
    for i in range(4):
        torch.testing.assert_close(
            [one[i] for one in together], list(torch.autograd.grad(y, given, basis[i], retain_graph=True))
        )


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")
def test_torch_func_and_forward_derivatives():
    values, scale, shift = (one.detach() for one in parts())
    _, tangent = torch.func.jvp(lambda s: run(values, s, shift), (scale,), (torch.ones(2, dtype=torch.float64),))
    torch.testing.assert_close(tangent, values)
    each = torch.vmap(torch.func.grad(lambda s: run(values, s, shift).sum()))(torch.stack([scale, 2 * scale]))
    torch.testing.assert_close(each, values.sum((0, 1)).expand(2, 2))


def test_strides_do_not_matter():
    values, scale, shift = parts()
    turned = values.detach().transpose(0, 1)
    run(turned, scale, shift).sum().backward()
    torch.testing.assert_close(scale.grad, turned.sum((0, 1)))


@pytest.mark.parametrize("fill", [7.0, float("nan"), float("inf")])
def test_what_stands_in_the_padding_reaches_no_gradient(fill):
    values, scale, shift = parts()
    lengths = torch.tensor([5, 0, 2])
    past = torch.arange(5) >= lengths[:, None]
    adjoints = torch.randn(4, 3, 5, 2, dtype=torch.float64).masked_fill(past[:, :, None], 0.0)
    given = (values.detach().masked_fill(past[:, :, None], fill).requires_grad_(), scale, shift)
    y = mapped({"input_scale": scale, "input_shift": shift}, given[0], "input", lengths)
    assert "_Map" in type(y.grad_fn).__name__
    clean = values.detach().masked_fill(past[:, :, None], 0.0)
    for adjoint in adjoints:
        expected = [adjoint * scale, (adjoint * clean).sum((0, 1)), adjoint.sum((0, 1))]
        for again in (False, True):
            found = torch.autograd.grad(y, given, adjoint, retain_graph=True, create_graph=again)
            torch.testing.assert_close(list(found), expected)
    together = torch.autograd.grad(y, given, adjoints, is_grads_batched=True, retain_graph=True)
    torch.testing.assert_close([one[-1] for one in together], expected)
