"""The Triton kernels against the reference engine: on a CUDA device, or in Triton's interpreter on the CPU."""

import pytest
import torch
from gpu_case import MARKS, Case, assert_equal_to_the_reference
from gpu_toys import TwoParts, TwoStates
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from strategies import SEEDS, wirings
from tolerances import close

from wormnet import random
from wormnet.models import CTRNN, LTC, SOLVERS, CfC
from wormnet.wiring import CHEMICAL, CURRENT, GAP, Wiring

pytestmark = MARKS
CFCS = [CfC(), CfC(mode="no_gate"), CfC(mode="pure")]
ALL = [*(LTC(unfolds=2, solver=name) for name in SOLVERS), CTRNN(unfolds=2), *CFCS, TwoStates(), TwoParts()]
IDS = [*(f"ltc-{name}" for name in SOLVERS), "ctrnn", "cfc", "cfc-no-gate", "cfc-pure", "two-states", "two-parts"]
SMALL = Wiring(
    2,
    3,
    outputs=[2, 0],
    pre=[0, 1, 2, 3, 4, 4, 2, 0, 1],
    post=[2, 3, 3, 4, 4, 2, 4, 3, 2],
    kind=[CHEMICAL] * 6 + [GAP, GAP, CURRENT],
)
"""Every kind of synapse, a self-synapse, and a gap junction from an input."""
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
MODELS = [LTC(unfolds=1), LTC(unfolds=2, solver="rk4"), CTRNN(unfolds=3, solver="exponential_midpoint"), CTRNN()]


# To shrink a case in the interpreter takes minutes.
@settings(max_examples=20, deadline=None, phases=[Phase.explicit, Phase.generate], derandomize=True)
@given(
    wiring=wirings(inputs=(0, 3), neurons=(1, 5)),
    model=st.sampled_from([*MODELS, *CFCS, TwoStates(), TwoParts()]),
    batch=st.sampled_from([1, 3]),
    time=st.integers(0, 3),
    seed=SEEDS,
    dt=st.sampled_from(["one", "sample"]),
    lengths=st.booleans(),
    starts=st.booleans(),
    keep=st.booleans(),
    span=st.sampled_from([None, 1, 2]),
    lanes=st.sampled_from([1, 2, 4]),
    dtype=st.sampled_from([torch.float64, torch.float32]),
)
def test_outputs_and_all_gradients_equal_the_reference(
    wiring, model, batch, time, seed, dt, lengths, starts, keep, span, lanes, dtype
):
    case = Case(wiring, model, batch, time, seed, dt=dt, lengths=lengths, starts=starts, keep=keep)
    assert_equal_to_the_reference(case, lanes, dtype, span=span)


@pytest.mark.parametrize("model", ALL, ids=IDS)
def test_every_model_under_every_solver_equals_the_reference(model):
    case = Case(SMALL, model, 3, 2, seed=1)
    for dtype, lanes in ((torch.float64, 2), (torch.float32, 4)):
        assert_equal_to_the_reference(case, lanes, dtype)


@pytest.mark.parametrize("model", [*CFCS, TwoParts(), TwoStates()], ids=[*IDS[-5:-2], "two-parts", "two-states"])
def test_neurons_of_several_layers_see_new_states_of_earlier_ones_only(model):
    assert_equal_to_the_reference(Case(LAYERED, model, 3, 2, seed=15), 2)


@pytest.mark.parametrize("span", [None, 2])
@pytest.mark.parametrize(
    ("wiring", "model"),
    [(SMALL, LTC(unfolds=2)), (SMALL, LTC(unfolds=1, solver="rk4")), (LAYERED, CfC()), (SMALL, TwoParts())],
    ids=["ltc", "ltc-rk4", "cfc", "two-parts"],
)
def test_a_sequence_that_starts_anew_forgets_and_hands_its_adjoint_to_the_initial_state(wiring, model, span):
    assert_equal_to_the_reference(Case(wiring, model, 3, 3, seed=16, starts=True), 4, span=span)


def test_sequences_that_start_anew_at_every_sample_remember_nothing():
    case = Case(SMALL, LTC(unfolds=2), 2, 2, seed=17, starts=True, lengths=False)
    case.starts.fill_(True)
    assert_equal_to_the_reference(case, 1)


def crowd(kind=CHEMICAL):
    """Cells 1 to 20 all send to cell 3 and most hear from cell 4, so that both have several rows; cell 21 is alone."""
    pairs = [(cell, 3) for cell in range(1, 21)] + [(4, cell) for cell in range(5, 21)] + [(0, 5), (0, 6)]
    if kind == GAP:
        pairs = sorted({(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]})
    pre, post = zip(*pairs, strict=True)
    return Wiring(1, 21, outputs=[2, 20, 4], pre=pre, post=post, kind=kind)


@pytest.mark.parametrize(("tile", "row"), [(8, 3), (1024, 8)])
@pytest.mark.parametrize(
    ("wiring", "model"),
    [(crowd(), LTC(unfolds=1)), (crowd(GAP), LTC(unfolds=1)), (crowd(), CTRNN(unfolds=1)), (crowd(), CfC())],
    ids=["ltc", "ltc-gap", "ctrnn", "cfc"],
)
def test_a_hub_of_several_rows_and_neurons_of_several_tiles_are_summed_in_full(wiring, model, tile, row, monkeypatch):
    from wormnet.engine.gpu import call, tables

    monkeypatch.setattr(call, "TILE", tile)
    monkeypatch.setattr(tables, "ROW", row)
    tables.encode.cache_clear()
    assert_equal_to_the_reference(Case(wiring, model, 3, 2, seed=1), lanes=4)
    tables.encode.cache_clear()


def test_a_nervous_system_of_302_neurons_and_3700_synapses():
    wiring = random(inputs=8, neurons=302, outputs=3, sparsity=1 - 3700 / (302 * 310))
    assert wiring.n_synapses == 3700
    assert_equal_to_the_reference(Case(wiring, LTC(unfolds=1), 5, 1, seed=14), lanes=4, dtype=torch.float32)


@pytest.mark.parametrize("model", [LTC(unfolds=1), CfC()], ids=["ltc", "cfc"])
@pytest.mark.parametrize(("batch", "lanes"), [(33, 16), (16, 16), (4, 1)])
def test_a_batch_that_fills_its_blocks_and_one_that_does_not(model, batch, lanes):
    assert_equal_to_the_reference(Case(SMALL, model, batch, 1, seed=2), lanes)


@pytest.mark.parametrize("programs", [1, 6])
def test_gradients_do_not_depend_on_how_time_is_divided(programs, monkeypatch):
    from wormnet.engine.gpu import call

    monkeypatch.setattr(call, "PROGRAMS", programs)
    assert_equal_to_the_reference(Case(SMALL, LTC(unfolds=1), 3, 5, seed=3), lanes=2)


def test_no_neurons_no_sequences_and_no_samples():
    for model in (LTC(unfolds=2), CfC(), TwoParts()):
        assert_equal_to_the_reference(Case(Wiring(2, 1), model, 1, 1, seed=4))
        assert_equal_to_the_reference(Case(SMALL, model, 0, 3, seed=4))
        assert_equal_to_the_reference(Case(SMALL, model, 0, 3, seed=4), span=2)
        assert_equal_to_the_reference(Case(SMALL, model, 3, 0, seed=4, starts=True))


@pytest.mark.parametrize("free", [("x",), ("dt",), ("state",), ("initial",), ("conductance", "gap_conductance")])
def test_frozen_tensors_leave_the_other_gradients_as_they_are(free):
    case = Case(SMALL, LTC(unfolds=2), 3, 2, seed=5, starts=True)
    assert_equal_to_the_reference(case, frozen=tuple(set(case.tensors) - set(free)))


@pytest.mark.parametrize("model", [LTC(unfolds=1), CfC(), TwoStates()], ids=["ltc", "cfc", "two-states"])
def test_the_same_call_gives_the_same_bits_with_or_without_gradients_and_for_any_block(model):
    case = Case(SMALL, model, 3, 2, seed=6, starts=True)
    first = case.outputs_and_gradients(lambda tensors: case.kernels(tensors, 2))
    second = case.outputs_and_gradients(lambda tensors: case.kernels(tensors, 2))
    assert all(torch.equal(first[1][name], values) for name, values in second[1].items())
    for lanes in (1, 2, 4):
        kept, last = case.kernels(case.tensors, lanes, tracked=False)
        assert torch.equal(kept, first[0]["kept"])
        assert torch.equal(last, first[0]["last"])


def test_tensors_that_are_not_contiguous_are_read_by_their_strides():
    case = Case(SMALL, LTC(unfolds=1), 4, 4, seed=7, lengths=False)
    x, dt, state = (case.tensors[name] for name in ("x", "dt", "state"))
    plain = case.kernels({**case.tensors, "dt": dt[:, :1].expand(4, 4).contiguous()}, 2, tracked=False)
    tensors = {
        **case.tensors,
        "x": x.transpose(0, 2).contiguous().transpose(0, 2),
        "dt": dt[:, :1].expand(4, 4),
        "state": state.mT.contiguous().mT,
    }
    got = case.kernels(tensors, 2, tracked=False)
    assert all(torch.equal(a, b) for a, b in zip(plain, got, strict=True))


@pytest.mark.parametrize("dt", [1e-6, 1e6])
@pytest.mark.parametrize("solver", [name for name, solver in SOLVERS.items() if solver.bounded])
def test_extreme_times_keep_the_state_between_the_potentials_that_pull_on_it(dt, solver):
    wiring = Wiring(1, 3, pre=[0, 1, 2, 3], post=[1, 2, 3, 1], kind=[CHEMICAL, CHEMICAL, GAP, CHEMICAL])
    case = Case(wiring, LTC(unfolds=3, solver=solver), 3, 3, seed=8, dtype=torch.float32, lengths=False)
    case.tensors["dt"].fill_(dt)
    case.tensors["slope"].mul_(1e4)
    kept, last = case.kernels(case.tensors, 1, tracked=False)
    pulls = torch.cat([case.tensors[name].flatten() for name in ("state", "v_leak", "reversal", "x")])
    for values in (kept, last):
        assert values.min() >= pulls.min() - 1e-5
        assert values.max() <= pulls.max() + 1e-5


@pytest.mark.parametrize("model", [LTC(unfolds=2), CTRNN(unfolds=2), *CFCS], ids=["ltc", "ctrnn", *IDS[-5:-2]])
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.filterwarnings("ignore:invalid value encountered in")
def test_nan_and_infinity_come_out_where_the_reference_has_them_and_in_no_other_sequence(model, bad):
    case = Case(SMALL, model, 3, 2, seed=9, lengths=False, keep=False)
    case.tensors["x"][1, 0, 0] = bad
    got = case.kernels(case.tensors, 4, tracked=False)
    for one, expected in zip(got, case.reference(case.tensors), strict=True):
        torch.testing.assert_close(one, expected, rtol=1e-12, atol=1e-12, equal_nan=True)
    assert torch.isfinite(got[0][[0, 2]]).all()
    assert torch.isfinite(got[1][:, [0, 2]]).all()


def test_a_span_changes_no_result():
    case = Case(SMALL, LTC(unfolds=1), 3, 5, seed=12)
    expected = case.outputs_and_gradients(lambda tensors: case.kernels(tensors, 4))
    got = case.outputs_and_gradients(lambda tensors: case.kernels(tensors, 4, span=2))
    assert all(torch.equal(got[0][name], values) for name, values in expected[0].items())
    for name, values in expected[1].items():
        close(got[1][name], values, backend="gpu", gradient=True)
