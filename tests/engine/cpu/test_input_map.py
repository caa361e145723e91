# pyright: reportIndexIssue=false, reportOptionalSubscript=false
"""Inputs that the kernels map themselves: against inputs that are mapped before the call."""

import pytest
import torch

import wormnet

WIRING = wormnet.auto_ncp(inputs=5, neurons=19, outputs=2, seed=1)
BATCH, TIME = 21, 9
SCALE, SHIFT = torch.linspace(-1.5, 2.0, 5).double(), torch.linspace(-1.0, 1.0, 5).double()


def layers(input_map, **options):
    """One that maps its inputs, and one with the same numbers that does not."""
    torch.manual_seed(0)
    plain = wormnet.LTC(WIRING, input_map=None, dtype=torch.float64, **options)
    ours = wormnet.LTC(WIRING, input_map=input_map, dtype=torch.float64, **options)
    ours.load_state_dict(plain.state_dict(), strict=False)
    ours.set_values(input_scale=SCALE, **({"input_shift": SHIFT} if input_map == "affine" else {}))
    return ours, plain


def by_hand(x, ours):
    """What a layer without a map is given."""
    shift = ours.input_shift if hasattr(ours, "input_shift") else 0.0
    return x * ours.input_scale + shift


def of_map(layer):
    """The parameters of a map."""
    return [parameter for name, parameter in layer.named_parameters() if name.startswith("input_")]


def samples():
    torch.manual_seed(1)
    x = torch.randn(BATCH, TIME, 5, dtype=torch.float64)
    lengths = torch.randint(0, TIME + 1, (BATCH,))
    starts = torch.rand(BATCH, TIME) < 0.2
    padding = torch.arange(TIME) >= lengths[:, None]
    return x, {"lengths": lengths, "starts": starts, "dt": torch.rand(BATCH, TIME).double() + 0.5}, padding


@pytest.mark.parametrize("checkpoint", [False, True])
@pytest.mark.parametrize("input_map", ["affine", "linear"])
def test_a_map_in_the_kernel_is_that_of_inputs_mapped_before(input_map, checkpoint):
    x, given, padding = samples()
    ours, plain = layers(input_map, checkpoint=checkpoint)
    assert ours.backend.name == "cpu"
    assert ours.backend.maps
    assert not plain.backend.maps
    there = x.clone().requires_grad_()
    here = x.masked_fill(padding[:, :, None], torch.nan).requires_grad_()
    expected = plain(by_hand(there, ours), **given)[0]
    wanted = torch.autograd.grad(expected.sin().sum(), [there, *of_map(ours)])
    y = ours(here, **given)[0]
    found = torch.autograd.grad(y.sin().sum(), [here, *of_map(ours)])
    torch.testing.assert_close(y, expected, rtol=0, atol=1e-13)
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


def test_an_lstm_cell_in_front_reads_inputs_as_they_are_given():
    x, given, _ = samples()
    ours = wormnet.MixedMemory(WIRING, "ltc", dtype=torch.float64)
    ours.set_values(input_scale=SCALE, input_shift=SHIFT)
    torch.manual_seed(3)
    reference = wormnet.MixedMemory(WIRING, "ltc", dtype=torch.float64, backend="reference")
    reference.load_state_dict(ours.state_dict())
    found = []
    for layer in (ours, reference):
        z = x.clone().requires_grad_()
        y = layer(z, **given)[0]
        y.sin().sum().backward()
        found.append([y, z.grad, layer.input_scale.grad, layer.input_shift.grad])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


def test_gradients_of_the_map_alone():
    """Everything else frozen, and x without a gradient: the kernel still passes them on."""
    x, given, _ = samples()
    ours, _ = layers("affine")
    for name, parameter in ours.named_parameters():
        parameter.requires_grad_(name.startswith("input_"))
    ours(x, **given)[0].sum().backward()
    step = 1e-6
    for parameter in (ours.input_scale, ours.input_shift):
        with torch.no_grad():
            parameter[2] += step
            above = ours(x, **given)[0].sum()
            parameter[2] -= 2 * step
            below = ours(x, **given)[0].sum()
            parameter[2] += step
        assert parameter.grad[2].item() == pytest.approx((above - below).item() / (2 * step), rel=1e-5)
