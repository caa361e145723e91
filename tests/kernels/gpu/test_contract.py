"""The Triton kernels against the reference engine: on a CUDA device, or in Triton's interpreter on the CPU."""

import pytest
import torch
from gpu_case import MARKS, Case, assert_equal_to_the_reference
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from strategies import SEEDS, wirings
from tolerances import close

from wormnet import random
from wormnet.models import CTRNN, LTC, CfC
from wormnet.wiring import CHEMICAL, CURRENT, GAP, Wiring

pytestmark = MARKS
CFCS = [CfC(), CfC(mode="no_gate"), CfC(mode="pure")]
CFC_IDS = ["cfc", "cfc-no-gate", "cfc-pure"]
MODELS = st.sampled_from([LTC(unfolds=1), LTC(unfolds=2), CTRNN(unfolds=1), CTRNN(unfolds=3), *CFCS])


# To shrink a case in the interpreter takes minutes.
@settings(max_examples=30, deadline=None, phases=[Phase.explicit, Phase.generate], derandomize=True)
@given(
    wiring=wirings(inputs=(0, 3), neurons=(1, 5)),
    model=MODELS,
    batch=st.sampled_from([1, 3]),
    time=st.integers(0, 3),
    seed=SEEDS,
    dt=st.sampled_from(["one", "sample"]),
    lengths=st.booleans(),
    keep=st.booleans(),
    lanes=st.sampled_from([1, 2, 4]),
    dtype=st.sampled_from([torch.float64, torch.float32]),
)
def test_outputs_and_all_gradients_equal_the_reference(
    wiring, model, batch, time, seed, dt, lengths, keep, lanes, dtype
):
    case = Case(wiring, model, batch, time, seed, dt=dt, lengths=lengths, keep=keep)
    assert_equal_to_the_reference(case, lanes, dtype)


def crowd(kind=CHEMICAL):
    """Cells 1 to 20 all send to cell 3 and most hear from cell 4, so that both have three rows; cell 21 is alone."""
    pairs = [(cell, 3) for cell in range(1, 21)] + [(4, cell) for cell in range(5, 21)] + [(0, 5), (0, 6)]
    if kind == GAP:
        pairs = sorted({(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]})
    pre, post = zip(*pairs, strict=True)
    return Wiring(1, 21, outputs=[2, 20, 4], pre=pre, post=post, kind=kind)


@pytest.mark.parametrize("tile", [8, 1024])
@pytest.mark.parametrize(
    ("wiring", "model"),
    [
        (crowd(), LTC(unfolds=1)),
        (crowd(GAP), LTC(unfolds=1)),
        (crowd(), CTRNN(unfolds=1)),
        (crowd(), CfC()),
    ],
    ids=["ltc", "ltc-gap", "ctrnn", "cfc"],
)
def test_a_hub_of_several_rows_and_neurons_of_several_tiles_are_summed_in_full(wiring, model, tile, monkeypatch):
    from wormnet.kernels.gpu import arguments

    monkeypatch.setattr(arguments, "TILE", tile)
    assert_equal_to_the_reference(Case(wiring, model, 3, 2, seed=1), lanes=4)


LAYERED = Wiring(
    2,
    6,
    outputs=[4, 0, 3],
    pre=[0, 1, 6, 7, 2, 5, 3, 4, 7, 2, 1],
    post=[6, 7, 4, 4, 2, 2, 3, 6, 6, 4, 5],
    kind=[CHEMICAL] * 9 + [GAP, CURRENT],
    layers=[2, 3, 1, 2, 0, 1],
)
"""Four layers, not in the order of the neurons, with synapses forwards, backwards, within a layer and past one."""


@pytest.mark.parametrize("model", CFCS, ids=CFC_IDS)
@pytest.mark.parametrize(
    ("batch", "lanes", "dt", "dtype"), [(3, 2, "sample", torch.float64), (5, 8, "one", torch.float32)]
)
def test_neurons_of_several_layers_see_new_states_of_earlier_ones_only(model, batch, lanes, dt, dtype):
    case = Case(LAYERED, model, batch, 2, seed=15, dt=dt, lengths=dt == "sample")
    assert_equal_to_the_reference(case, lanes, dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_nervous_system_of_302_neurons_and_3700_synapses(dtype):
    wiring = random(inputs=8, neurons=302, outputs=3, sparsity=1 - 3700 / (302 * 310))
    assert wiring.n_synapses == 3700
    assert_equal_to_the_reference(Case(wiring, LTC(unfolds=1), 5, 1, seed=14), lanes=4, dtype=dtype)


SMALL = Wiring(
    2,
    3,
    outputs=[2, 0],
    pre=[0, 1, 2, 3, 4, 4, 2, 0, 1],
    post=[2, 3, 3, 4, 4, 2, 4, 3, 2],
    kind=[CHEMICAL] * 6 + [GAP, GAP, CURRENT],
)
"""Every kind of synapse, a self-synapse, and a gap junction from an input."""


@pytest.mark.parametrize("model", [LTC(unfolds=1), CTRNN(unfolds=2), CfC()], ids=["ltc", "ctrnn", "cfc"])
@pytest.mark.parametrize(("batch", "lanes"), [(33, 16), (16, 16), (4, 1)])
def test_a_batch_that_fills_its_blocks_and_one_that_does_not(model, batch, lanes):
    assert_equal_to_the_reference(Case(SMALL, model, batch, 1, seed=2), lanes)


@pytest.mark.parametrize("free", [("dt",), ("A", "g_bias")])
def test_frozen_tensors_of_a_cfc_leave_the_other_gradients_as_they_are(free):
    case = Case(LAYERED, CfC(mode="pure"), 3, 2, seed=5)
    assert_equal_to_the_reference(case, frozen=tuple(set(case.tensors) - set(free)))


@pytest.mark.parametrize("model", [LTC(unfolds=1), CfC()], ids=["ltc", "cfc"])
@pytest.mark.parametrize("programs", [1, 6])
def test_gradients_do_not_depend_on_how_time_is_divided(model, programs, monkeypatch):
    from wormnet.kernels.gpu import arguments

    monkeypatch.setattr(arguments, "PROGRAMS", programs)
    assert_equal_to_the_reference(Case(SMALL, model, 3, 5, seed=3), lanes=2)


def test_no_neurons_no_sequences_and_no_samples():
    assert_equal_to_the_reference(Case(Wiring(2, 1), LTC(unfolds=2), 1, 1, seed=4))
    assert_equal_to_the_reference(Case(SMALL, LTC(unfolds=2), 0, 3, seed=4))
    assert_equal_to_the_reference(Case(SMALL, CTRNN(unfolds=2), 3, 0, seed=4))
    assert_equal_to_the_reference(Case(Wiring(2, 1), CfC(), 1, 1, seed=4))
    assert_equal_to_the_reference(Case(SMALL, CfC(mode="pure"), 0, 3, seed=4))
    assert_equal_to_the_reference(Case(LAYERED, CfC(), 3, 0, seed=4))


@pytest.mark.parametrize("free", [("x",), ("dt",), ("v0",), ("conductance", "midpoint"), ("gap_conductance",)])
def test_frozen_tensors_leave_the_other_gradients_as_they_are(free):
    case = Case(SMALL, LTC(unfolds=2), 3, 2, seed=5)
    assert_equal_to_the_reference(case, frozen=tuple(set(case.tensors) - set(free)))


@pytest.mark.parametrize("model", [LTC(unfolds=1), CTRNN(unfolds=2), CfC()], ids=["ltc", "ctrnn", "cfc"])
def test_the_same_call_gives_the_same_bits_with_or_without_gradients_and_for_any_block(model):
    case = Case(SMALL, model, 3, 2, seed=6)
    first = case.outputs_and_gradients(lambda tensors: case.kernels(tensors, 2))
    second = case.outputs_and_gradients(lambda tensors: case.kernels(tensors, 2))
    assert all(torch.equal(first[1][name], values) for name, values in second[1].items())
    for lanes in (1, 2, 4):
        kept, final = case.kernels(case.tensors, lanes)
        assert torch.equal(kept, first[0]["kept"])
        assert torch.equal(final, first[0]["final"])


def test_tensors_that_are_not_contiguous_are_read_by_their_strides():
    case = Case(SMALL, LTC(unfolds=1), 4, 4, seed=7, lengths=False)
    x, dt, v0 = (case.tensors[name] for name in ("x", "dt", "v0"))
    plain = case.kernels({**case.tensors, "dt": dt[:, :1].expand(4, 4).contiguous()}, 2)
    tensors = {
        **case.tensors,
        "x": x.transpose(0, 2).contiguous().transpose(0, 2),
        "dt": dt[:, :1].expand(4, 4),
        "v0": v0.t().contiguous().t(),
        "slope": case.tensors["slope"].repeat_interleave(2)[::2],
    }
    assert all(torch.equal(a, b) for a, b in zip(plain, case.kernels(tensors, 2), strict=True))


@pytest.mark.parametrize("dt", [1e-6, 1e6])
@pytest.mark.parametrize("slope", [1e-3, 1e4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_extreme_times_and_slopes_keep_the_state_between_the_potentials_that_pull_on_it(dt, slope, dtype):
    wiring = Wiring(1, 3, pre=[0, 1, 2, 3], post=[1, 2, 3, 1], kind=[CHEMICAL, CHEMICAL, GAP, CHEMICAL])
    case = Case(wiring, LTC(unfolds=3), 3, 3, seed=8, dtype=dtype, lengths=False)
    case.tensors["dt"].fill_(dt)
    case.tensors["slope"].mul_(slope)
    kept, final = case.kernels(case.tensors, 1)
    pulls = torch.cat([case.tensors[name].flatten() for name in ("v0", "v_leak", "reversal", "x")])
    slack = 1e-5 if dtype == torch.float32 else 1e-12
    for values in (kept, final):
        assert values.min() >= pulls.min() - slack
        assert values.max() <= pulls.max() + slack


@pytest.mark.parametrize("model", [LTC(unfolds=2), CTRNN(unfolds=2), *CFCS], ids=["ltc", "ctrnn", *CFC_IDS])
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.filterwarnings("ignore:invalid value encountered in")
def test_nan_and_infinity_come_out_where_the_reference_has_them_and_in_no_other_sequence(model, bad):
    case = Case(SMALL, model, 3, 2, seed=9, lengths=False, keep=False)
    case.tensors["x"][1, 0, 0] = bad
    for got, expected in zip(case.kernels(case.tensors, 4), case.reference(case.tensors), strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12, equal_nan=True)
        assert torch.isfinite(got[[0, 2]]).all()


def test_a_second_backward_pass_through_the_gradient_is_refused():
    case = Case(SMALL, LTC(unfolds=1), 1, 1, seed=10)
    tensors = {name: values.requires_grad_() for name, values in case.tensors.items()}
    kept, _ = case.kernels(tensors, 1)
    (gradient,) = torch.autograd.grad((kept**2).sum(), tensors["v0"], create_graph=True)
    with pytest.raises(RuntimeError, match="no autograd formula"):
        gradient.sum().backward()


@pytest.mark.parametrize("model", [LTC(unfolds=2), CTRNN(unfolds=2), CfC()], ids=["ltc", "ctrnn", "cfc"])
def test_a_traced_call_gives_the_same_bits_without_a_break_in_its_graph(model):
    from wormnet.kernels.gpu.engine import engine_of

    case = Case(SMALL, model, 3, 2, seed=11)
    run = engine_of(model, SMALL, case.tensors["x"].device, lanes=2)

    def call(tensors):
        names = ("x", "dt", "v0")
        x, dt, v0 = (tensors[name] for name in names)
        return run(model, SMALL, tensors, x, dt, case.lengths, v0, case.keep)

    eager = case.outputs_and_gradients(call)
    traced = case.outputs_and_gradients(torch.compile(call, fullgraph=True, backend="aot_eager"))
    for gradient in (False, True):
        assert all(torch.equal(traced[gradient][name], values) for name, values in eager[gradient].items())


def test_checkpoints_of_a_cfc_change_no_result():
    case = Case(LAYERED, CfC(), 3, 4, seed=12)
    expected = case.outputs_and_gradients(lambda tensors: case.kernels(tensors, 4))
    got = case.outputs_and_gradients(lambda tensors: case.kernels(tensors, 4, checkpoint=True))
    assert all(torch.equal(got[0][name], values) for name, values in expected[0].items())
    for name, values in expected[1].items():
        close(got[1][name], values, backend="gpu", gradient=True)


@pytest.mark.parametrize("dt", ["one", "sample"])
def test_checkpoints_keep_spans_of_the_square_root_of_time_and_change_no_result(dt, monkeypatch):
    from wormnet.kernels.gpu import launch

    case = Case(SMALL, LTC(unfolds=1), 3, 5, seed=12, dt=dt)
    expected = case.outputs_and_gradients(lambda tensors: case.kernels(tensors, 4))
    plain, spans = launch.forward, []

    def recorded(plan, call):
        spans.append(call.x.shape[1])
        return plain(plan, call)

    monkeypatch.setattr(launch, "forward", recorded)
    got = case.outputs_and_gradients(lambda tensors: case.kernels(tensors, 4, checkpoint=True))
    assert spans == [3, 2, 2, 3]
    assert all(torch.equal(got[0][name], values) for name, values in expected[0].items())
    for name, values in expected[1].items():
        close(got[1][name], values, backend="gpu", gradient=True)


def test_an_engine_first_used_without_gradients_still_trains():
    wiring = Wiring(1, 2, pre=[0, 1], post=[1, 2], source="only here")
    case = Case(wiring, LTC(unfolds=1), 2, 1, seed=13)
    with torch.inference_mode():
        case.kernels(case.tensors, 1)
    assert_equal_to_the_reference(case, lanes=1)
