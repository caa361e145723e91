"""The parallel forms against the recurrences as published, sample by sample."""

import pytest
import torch

from wormnet.study.network import Shape, build
from wormnet.study.networks.parallel import LRU, MinGRU


def test_min_gru_is_its_recurrence():
    torch.manual_seed(0)
    unit = MinGRU(4).double()
    x, h = torch.randn(3, 50, 4, dtype=torch.float64), torch.rand(3, 4, dtype=torch.float64) + 0.1
    together = unit(x, h)
    for t in range(50):
        gate, candidate = unit.linear(x[:, t]).chunk(2, -1)
        z = torch.sigmoid(gate)
        g = torch.where(candidate >= 0, candidate + 0.5, torch.sigmoid(candidate))
        h = (1 - z) * h + z * g
        torch.testing.assert_close(together[:, t], h)


def test_lru_is_its_recurrence_and_starts_on_its_ring():
    torch.manual_seed(0)
    unit = LRU(6).double()
    eigenvalues = torch.exp(torch.complex(-unit.nu.exp(), unit.theta.exp()))
    assert torch.all((eigenvalues.abs() >= 0.9 - 1e-6) & (eigenvalues.abs() <= 0.999 + 1e-6))
    torch.testing.assert_close(unit.gamma.exp(), (1 - eigenvalues.abs() ** 2).sqrt(), rtol=1e-5, atol=1e-7)
    x = torch.randn(2, 77, 6, dtype=torch.float64)
    h = torch.randn(2, 6, dtype=torch.complex128)
    b, c = torch.complex(*unit.b_weight), torch.complex(*unit.c_weight)
    together = unit(x, h)
    for t in range(77):
        h = eigenvalues * h + unit.gamma.exp() * (x[:, t].to(h) @ b.T)
        torch.testing.assert_close(together[:, t], h)
    y = (h @ c.T).real + unit.d_weight * x[:, -1]
    torch.testing.assert_close(unit.read(together, x)[:, -1], y)


@pytest.mark.parametrize("name", ["mingru-5", "lru-5"])
def test_a_sequence_in_two_halves_is_one_sequence(name):
    torch.manual_seed(0)
    core = build(name, Shape(3, 2)).core.double()
    x = torch.randn(2, 20, 3, dtype=torch.float64)
    whole, _ = core(x)
    first, state = core(x[:, :7])
    second, _ = core(x[:, 7:], state)
    torch.testing.assert_close(torch.cat([first, second], 1), whole)


@pytest.mark.parametrize("name", ["mingru-5", "lru-5"])
def test_no_sample_sees_a_later_one(name):
    core = build(name, Shape(3, 2)).core
    x = torch.randn(1, 9, 3)
    later = torch.cat([x[:, :5], torch.randn(1, 4, 3)], 1)
    torch.testing.assert_close(core(x)[0][:, :5], core(later)[0][:, :5], rtol=1e-4, atol=1e-5)
