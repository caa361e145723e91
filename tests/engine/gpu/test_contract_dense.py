"""The Triton kernels of programs with matrix products against the reference: backbones, and an LSTM cell in front."""

import pytest
import torch
from gpu_case import DEVICE, MARKS, Case, assert_equal_to_the_reference
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from strategies import SEEDS, wirings

from wormnet import dense
from wormnet.models import CTRNN, LTC, CfC
from wormnet.models.cfc import ACTIVATIONS

pytestmark = MARKS
MODES = ["default", "no_gate", "pure"]
DTYPES = [torch.float64, torch.float32]
WIRING = dense(2, 4).read_out("n2", "n0")
DROP = 0.4


def dtype_for(activation, dtype):
    """The formula of gelu is right to 1e-7, and so is its derivative, which is not that of the formula."""
    return torch.float32 if activation == "gelu" else dtype


def cfc(mode="default", layers=2, units=5, activation="lecun_tanh", drop=0.0):
    return CfC(
        mode=mode, backbone_layers=layers, backbone_units=units, backbone_activation=activation, backbone_dropout=drop
    )


# To shrink a case in the interpreter takes minutes.
@settings(max_examples=40, deadline=None, phases=[Phase.explicit, Phase.generate], derandomize=True)
@given(
    sizes=st.tuples(st.integers(0, 3), st.integers(1, 5)),
    mode=st.sampled_from(MODES),
    layers=st.integers(1, 3),
    units=st.sampled_from([1, 3, 17]),
    activation=st.sampled_from(tuple(ACTIVATIONS)),
    drop=st.booleans(),
    memory=st.booleans(),
    batch=st.sampled_from([1, 3]),
    time=st.integers(0, 3),
    seed=SEEDS,
    lengths=st.booleans(),
    starts=st.booleans(),
    span=st.sampled_from([None, 1, 2]),
    lanes=st.sampled_from([1, 2, 4]),
    dtype=st.sampled_from(DTYPES),
)
def test_backbones_equal_the_reference(
    sizes, mode, layers, units, activation, drop, memory, batch, time, seed, lengths, starts, span, lanes, dtype
):
    model = cfc(mode, layers, units, activation, DROP * drop)
    options = {"lengths": lengths, "starts": starts, "memory": memory, "drop": DROP * drop}
    case = Case(dense(*sizes), model, batch, time, seed, **options)
    assert_equal_to_the_reference(case, lanes, dtype_for(activation, dtype), span=span)


@settings(max_examples=12, deadline=None, phases=[Phase.explicit, Phase.generate], derandomize=True)
@given(
    wiring=wirings(inputs=(0, 3), neurons=(1, 4)),
    model=st.sampled_from([LTC(unfolds=1), LTC(unfolds=1, solver="rk4"), CTRNN(unfolds=2), CfC(), CfC(mode="pure")]),
    batch=st.sampled_from([1, 3]),
    time=st.integers(0, 3),
    seed=SEEDS,
    lengths=st.booleans(),
    starts=st.booleans(),
    span=st.sampled_from([None, 2]),
    lanes=st.sampled_from([1, 2, 4]),
    dtype=st.sampled_from(DTYPES),
)
def test_an_lstm_cell_in_front_equals_the_reference(
    wiring, model, batch, time, seed, lengths, starts, span, lanes, dtype
):
    case = Case(wiring, model, batch, time, seed, memory=True, lengths=lengths, starts=starts)
    assert_equal_to_the_reference(case, lanes, dtype, span=span)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("mode", MODES)
def test_every_mode_and_activation_equals_the_reference(mode, activation):
    case = Case(WIRING, cfc(mode, 2, 5, activation, DROP), 3, 2, seed=1, drop=DROP)
    for dtype in DTYPES:
        assert_equal_to_the_reference(case, 2, dtype_for(activation, dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("neurons", "units", "columns"), [(18, 33, 16), (33, 16, 16), (16, 32, 16), (40, 130, 128)], ids=str
)
def test_widths_of_several_tiles_and_of_parts_of_one_are_multiplied_in_full(
    neurons, units, columns, dtype, monkeypatch
):
    from wormnet.engine.gpu import call

    monkeypatch.setattr(call, "COLUMNS", columns)
    case = Case(dense(3, neurons), cfc(units=units, mode="pure" if neurons == 33 else "default"), 3, 2, seed=2)
    assert_equal_to_the_reference(case, 4, dtype)


@pytest.mark.parametrize(("batch", "lanes"), [(33, 16), (16, 16), (4, 1)])
def test_a_batch_that_fills_its_blocks_and_one_that_does_not(batch, lanes):
    assert_equal_to_the_reference(Case(WIRING, cfc(), batch, 2, seed=3), lanes)


@pytest.mark.parametrize("memory", [False, True], ids=["", "memory"])
def test_no_inputs_no_sequences_and_no_samples(memory):
    assert_equal_to_the_reference(Case(dense(0, 3), cfc(), 3, 2, seed=4, memory=memory))
    assert_equal_to_the_reference(Case(WIRING, cfc(), 0, 3, seed=4, memory=memory))
    assert_equal_to_the_reference(Case(WIRING, cfc(), 3, 0, seed=4, memory=memory))


@pytest.mark.parametrize("lengths", [[0, 0, 0], [0, 1, 3], [3, 3, 3]], ids=str)
def test_ended_sequences_hold_their_state_and_its_gradient(lengths):
    case = Case(WIRING, cfc(), 3, 3, seed=5, memory=True)
    case.lengths = torch.tensor(lengths, device=DEVICE)
    assert_equal_to_the_reference(case, 2)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_derivative_of_a_size_of_zero_is_zero(dtype):
    # Everything is zero but what the loss passes down.
    case = Case(WIRING, cfc("pure", 2, 5, "silu"), 2, 2, seed=6, lengths=False)
    for name, values in case.tensors.items():
        if name in ("x", "state") or "bias" in name:
            values.zero_()
    assert_equal_to_the_reference(case, 2, dtype)


@pytest.mark.parametrize("free", [("x",), ("dt",), ("state",), ("A", "g_bias"), ("weight_hh", "backbone_bias0")])
def test_frozen_tensors_leave_the_other_gradients_as_they_are(free):
    case = Case(WIRING, cfc("pure"), 3, 2, seed=7, memory=True)
    assert_equal_to_the_reference(case, frozen=tuple(set(case.tensors) - set(free)))


@pytest.mark.parametrize("mode", MODES)
def test_the_same_call_gives_the_same_bits_with_or_without_gradients(mode):
    case = Case(WIRING, cfc(mode), 3, 2, seed=8, memory=True)
    first = case.outputs_and_gradients(lambda tensors: case.kernels(tensors, 2))
    second = case.outputs_and_gradients(lambda tensors: case.kernels(tensors, 2))
    for gradient in (False, True):
        assert all(torch.equal(first[gradient][name], values) for name, values in second[gradient].items())
    kept, last = case.kernels(case.tensors, 2, tracked=False)
    assert torch.equal(kept, first[0]["kept"])
    assert torch.equal(last, first[0]["last"])


@pytest.mark.parametrize("activation", ["tanh", "silu"])
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.filterwarnings("ignore:invalid value encountered in")
def test_nan_and_infinity_come_out_where_the_reference_has_them_and_in_no_other_sequence(activation, bad):
    case = Case(WIRING, cfc("default", 2, 5, activation), 3, 2, seed=10, lengths=False, keep=False)
    case.tensors["x"][1, 0, 0] = bad
    got = case.kernels(case.tensors, 4, tracked=False)
    for one, expected in zip(got, case.reference(case.tensors), strict=True):
        torch.testing.assert_close(one, expected, rtol=1e-12, atol=1e-12, equal_nan=True)
    assert torch.isfinite(got[0][[0, 2]]).all()


def test_a_call_under_autocast_keeps_its_precision():
    case = Case(WIRING, cfc(), 3, 2, seed=14, dtype=torch.float32, memory=True)
    plain = case.outputs_and_gradients(lambda tensors: case.kernels(tensors, 2))
    with torch.autocast(DEVICE, torch.bfloat16):
        cast = case.outputs_and_gradients(lambda tensors: case.kernels(tensors, 2))
    for gradient in (False, True):
        assert all(torch.equal(cast[gradient][name], values) for name, values in plain[gradient].items())
