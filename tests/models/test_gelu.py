"""The normal distribution of `gelu`, which is a polynomial ratio of our own, against torch and against many digits."""

import mpmath
import pytest
import torch
from programs import drawn, engines_agree

from wormnet.models import CfC
from wormnet.models.cfc import gelu
from wormnet.wiring import dense


def test_gelu_and_its_derivative_are_torchs_in_double_precision():
    s = torch.linspace(-12, 12, 4801, dtype=torch.float64).requires_grad_()
    value, derivative = gelu(s)
    expected = torch.nn.functional.gelu(s)
    (slope,) = torch.autograd.grad(expected.sum(), s)
    torch.testing.assert_close(value, expected, rtol=1e-15, atol=5e-16)
    torch.testing.assert_close(derivative, slope, rtol=1e-15, atol=5e-16)
    (own,) = torch.autograd.grad(value.sum(), s)
    torch.testing.assert_close(derivative, own, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("s", [-37.0, -20.0, -8.0, -3.3, -1.0, -1e-9, 1e-9, 0.7, 2.0, 5.9, 8.0])
def test_far_tails_keep_their_relative_accuracy(s):
    """torch's own loses it below about -5, where 1 + erf cancels; exp(-z^2) costs z^2 roundings."""
    expected = mpmath.mpf(s) * mpmath.ncdf(mpmath.mpf(s))
    assert abs(float(gelu(s)[0] / expected) - 1) < 4e-16 * (2 + s * s)


def test_numbers_beyond_all_tails_are_the_identity_or_nothing():
    for dtype in (torch.float32, torch.float64):
        far = torch.tensor([-3e38, -1e6, -60.0, 60.0, 1e6, 3e38], dtype=dtype)
        value, derivative = gelu(far)
        assert value.tolist() == torch.relu(far).tolist()
        assert derivative.tolist() == [0, 0, 0, 1, 1, 1]


def test_compiled_it_is_the_reference():
    model = CfC(backbone_layers=1, backbone_units=6, backbone_activation="gelu")
    engines_agree(model, dense(5, 5), drawn(model, dense(5, 5)), states=1)
