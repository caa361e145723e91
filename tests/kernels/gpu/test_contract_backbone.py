"""The Triton kernels of a CfC behind a backbone against the reference engine: on a CUDA device, or interpreted."""

import pytest
import torch
from gpu_case import DEVICE, MARKS, Case, assert_equal_to_the_reference
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from strategies import SEEDS
from tolerances import close

from wormnet import dense
from wormnet.models import CfC

pytestmark = MARKS
MODES = ["default", "no_gate", "pure"]
ACTIVATIONS = ["lecun_tanh", "tanh", "relu", "silu"]
DTYPES = [torch.float64, torch.float32]
WIRING = dense(2, 4).read_out("n2", "n0")


def cfc(mode="default", layers=2, units=5, activation="lecun_tanh"):
    return CfC(mode=mode, backbone_layers=layers, backbone_units=units, backbone_activation=activation)


def mild(case):
    """With weights as small as a layer starts with, so that many units do not drive each other into saturation."""
    for name, values in case.tensors.items():
        if name.endswith("_weight") or name.startswith("backbone_weight"):
            values.div_(max(1, values.shape[1]) ** 0.5)
    return case


# To shrink a case in the interpreter takes minutes.
@settings(max_examples=60, deadline=None, phases=[Phase.explicit, Phase.generate], derandomize=True)
@given(
    sizes=st.tuples(st.integers(0, 3), st.integers(1, 5)),
    mode=st.sampled_from(MODES),
    layers=st.integers(1, 3),
    units=st.sampled_from([1, 2, 3, 5, 17]),
    activation=st.sampled_from(ACTIVATIONS),
    batch=st.sampled_from([1, 3]),
    time=st.integers(0, 3),
    seed=SEEDS,
    dt=st.sampled_from(["one", "sample"]),
    lengths=st.booleans(),
    keep=st.booleans(),
    lanes=st.sampled_from([1, 2, 4]),
    dtype=st.sampled_from(DTYPES),
)
def test_outputs_and_all_gradients_equal_the_reference(
    sizes, mode, layers, units, activation, batch, time, seed, dt, lengths, keep, lanes, dtype
):
    case = Case(
        dense(*sizes), cfc(mode, layers, units, activation), batch, time, seed, dt=dt, lengths=lengths, keep=keep
    )
    assert_equal_to_the_reference(mild(case), lanes, dtype)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("mode", MODES)
def test_every_mode_and_activation_equals_the_reference(mode, activation, layers):
    case = Case(WIRING, cfc(mode, layers, 5, activation), 3, 2, seed=1)
    for dtype in DTYPES:
        assert_equal_to_the_reference(mild(case), 2, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("neurons", "units", "columns"), [(18, 33, 16), (33, 16, 16), (16, 32, 16), (40, 130, 128)], ids=str
)
def test_widths_of_several_tiles_and_of_parts_of_one_are_multiplied_in_full(
    neurons, units, columns, dtype, monkeypatch
):
    from wormnet.kernels.gpu import cfc_backbone_operator

    monkeypatch.setattr(cfc_backbone_operator, "COLUMNS", columns)
    case = Case(dense(3, neurons), cfc(units=units, mode="pure" if neurons == 33 else "default"), 3, 2, seed=2)
    assert_equal_to_the_reference(mild(case), 4, dtype)


@pytest.mark.parametrize(("batch", "lanes"), [(33, 16), (16, 16), (4, 1)])
def test_a_batch_that_fills_its_blocks_and_one_that_does_not(batch, lanes):
    assert_equal_to_the_reference(mild(Case(WIRING, cfc(), batch, 2, seed=3)), lanes)


@pytest.mark.parametrize("mode", MODES)
def test_no_inputs_no_sequences_and_no_samples(mode):
    assert_equal_to_the_reference(Case(dense(0, 3), cfc(mode), 3, 2, seed=4))
    assert_equal_to_the_reference(Case(WIRING, cfc(mode), 0, 3, seed=4))
    assert_equal_to_the_reference(Case(WIRING, cfc(mode), 3, 0, seed=4))
    assert_equal_to_the_reference(Case(WIRING, cfc(mode, layers=1), 3, 0, seed=4, lengths=False, dt="one"))


@pytest.mark.parametrize("lengths", [[0, 0, 0], [0, 1, 3], [3, 3, 3]], ids=str)
@pytest.mark.parametrize("mode", MODES)
def test_ended_sequences_hold_their_state_and_its_gradient(mode, lengths):
    case = Case(WIRING, cfc(mode), 3, 3, seed=5)
    case.lengths = torch.tensor(lengths, device=DEVICE)
    assert_equal_to_the_reference(mild(case), 2)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("mode", ["default", "pure"])
@pytest.mark.parametrize("activation", ["relu", "silu"])
def test_derivatives_where_a_sum_is_zero_are_those_of_torch(activation, mode, dtype):
    # Everything is zero but what the loss passes down: relu' (0), and |g|' (0) of the mode "pure".
    case = Case(WIRING, cfc(mode, 2, 5, activation), 2, 2, seed=6, lengths=False)
    for name, values in case.tensors.items():
        if name in ("x", "v0") or "bias" in name:
            values.zero_()
    assert_equal_to_the_reference(case, 2, dtype)


@pytest.mark.parametrize(
    "free", [("x",), ("dt",), ("v0",), ("backbone_weight1",), ("A", "g_bias"), ("w_tau", "backbone_bias0")], ids=str
)
def test_frozen_tensors_leave_the_other_gradients_as_they_are(free):
    case = mild(Case(WIRING, cfc("pure"), 3, 2, seed=7))
    assert_equal_to_the_reference(case, frozen=tuple(set(case.tensors) - set(free)))


@pytest.mark.parametrize("mode", MODES)
def test_the_same_call_gives_the_same_bits_with_or_without_gradients(mode):
    case = Case(WIRING, cfc(mode), 3, 2, seed=8)
    first = case.outputs_and_gradients(lambda tensors: case.kernels(tensors, 2))
    second = case.outputs_and_gradients(lambda tensors: case.kernels(tensors, 2))
    for gradient in (False, True):
        assert all(torch.equal(first[gradient][name], values) for name, values in second[gradient].items())
    kept, final = case.kernels(case.tensors, 2)
    assert torch.equal(kept, first[0]["kept"])
    assert torch.equal(final, first[0]["final"])


def test_tensors_that_are_not_contiguous_are_read_by_their_strides():
    case = mild(Case(WIRING, cfc(), 4, 4, seed=9, lengths=False))
    for name, values in case.tensors.items():
        if values.dim() > 1:
            case.tensors[name] = values.transpose(0, -1).contiguous().transpose(0, -1)
    assert_equal_to_the_reference(case, 2)
    one_per_sequence = {"dt": case.tensors["dt"][:, :1].expand(4, 4), "g_bias": case.tensors["g_bias"][:1].expand(4)}
    case.tensors.update({name: values.contiguous() for name, values in one_per_sequence.items()})
    plain = case.kernels(case.tensors, 2)
    assert all(torch.equal(a, b) for a, b in zip(plain, case.kernels({**case.tensors, **one_per_sequence}, 2)))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("activation", ["tanh", "silu"])
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.filterwarnings("ignore:invalid value encountered in")
def test_nan_and_infinity_come_out_where_the_reference_has_them_and_in_no_other_sequence(mode, activation, bad):
    case = Case(WIRING, cfc(mode, 2, 5, activation), 3, 2, seed=10, lengths=False, keep=False)
    case.tensors["x"][1, 0, 0] = bad
    for got, expected in zip(case.kernels(case.tensors, 4), case.reference(case.tensors), strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12, equal_nan=True)
        assert torch.isfinite(got[[0, 2]]).all()


def test_a_second_backward_pass_through_the_gradient_is_refused():
    case = Case(WIRING, cfc(), 1, 1, seed=11)
    tensors = {name: values.requires_grad_() for name, values in case.tensors.items()}
    kept, _ = case.kernels(tensors, 1)
    (gradient,) = torch.autograd.grad((kept**2).sum(), tensors["v0"], create_graph=True)
    with pytest.raises(RuntimeError, match="no autograd formula"):
        gradient.sum().backward()


@pytest.mark.parametrize("mode", ["default", "pure"])
def test_a_traced_call_gives_the_same_bits_without_a_break_in_its_graph(mode):
    from wormnet.kernels.gpu.engine import engine_of

    case = Case(WIRING, cfc(mode), 3, 2, seed=12)
    run = engine_of(case.model, WIRING, case.tensors["x"].device, lanes=2)

    def call(tensors):
        x, dt, v0 = (tensors[name] for name in ("x", "dt", "v0"))
        return run(case.model, WIRING, tensors, x, dt, case.lengths, v0, case.keep)

    eager = case.outputs_and_gradients(call)
    traced = case.outputs_and_gradients(torch.compile(call, fullgraph=True, backend="aot_eager"))
    for gradient in (False, True):
        assert all(torch.equal(traced[gradient][name], values) for name, values in eager[gradient].items())


@pytest.mark.parametrize("dt", ["one", "sample"])
def test_checkpoints_change_no_result(dt):
    case = mild(Case(WIRING, cfc(), 3, 5, seed=13, dt=dt))
    expected = case.outputs_and_gradients(lambda tensors: case.kernels(tensors, 4))
    got = case.outputs_and_gradients(lambda tensors: case.kernels(tensors, 4, checkpoint=True))
    assert all(torch.equal(got[0][name], values) for name, values in expected[0].items())
    for name, values in expected[1].items():
        close(got[1][name], values, backend="gpu", gradient=True)


def test_a_backward_pass_under_autocast_keeps_its_precision():
    case = Case(WIRING, cfc(), 3, 2, seed=14, dtype=torch.float32)
    tensors = {name: values.clone().requires_grad_() for name, values in case.tensors.items()}
    kept, _ = case.kernels(tensors, 2)
    plain = torch.autograd.grad(kept.sum(), list(tensors.values()), retain_graph=True)
    with torch.autocast(DEVICE, torch.bfloat16):
        cast = torch.autograd.grad(kept.sum(), list(tensors.values()))
    assert all(torch.equal(a, b) for a, b in zip(plain, cast, strict=True))
