"""What users of ncps 1.0.1 met, one test each: here every one of them gets what they expect.

Ids are those of the project's list of defects. B8, B9, B16, B19 and B21 concern wirings alone and are tested there.
"""

import copy

import numpy as np
import pytest
import torch
from torch.nn.utils import parametrize, prune

import wormnet
from wormnet.errors import ArgumentError, ShapeError
from wormnet.wiring import CHEMICAL, Wiring

LAYERS = ["LTC", "CfC", "CTRNN"]


def make(name, wiring, **options):
    torch.manual_seed(0)
    return getattr(wormnet, name)(wiring, **options)


def ncp_wiring(**changes):
    wiring = wormnet.auto_ncp(inputs=4, neurons=12, outputs=2)
    return Wiring(**{**wiring.to_dict(), **changes}) if changes else wiring


@pytest.fixture
def x():
    return torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", LAYERS)
def test_times_of_as_many_sequences_as_neurons_belong_to_the_sequences(name, x):
    """B1: timespans (batch, time) with batch == units were broadcast over the units."""
    rnn = make(name, wormnet.dense(4, 2))
    dt = torch.tensor([[0.1, 2.0, 0.5], [1.5, 0.3, 3.0]])
    y = rnn(x, dt=dt)[0]
    for i in range(2):
        torch.testing.assert_close(y[i : i + 1], rnn(x[i : i + 1], dt=dt[i : i + 1])[0])


def reads(rnn, n_inputs):
    """(senders, neurons) whether a sender's value or state has an effect on a neuron's next state."""
    x, v = torch.randn(1, 1, n_inputs).double(), torch.randn(1, rnn.wiring.n_neurons).double()

    def last(x, v):
        return rnn(x, v)[1][0]

    by_x, by_v = torch.autograd.functional.jacobian(last, (x, v))
    return torch.cat([by_x[:, 0, 0].T, by_v[:, 0].T]) != 0


@pytest.mark.filterwarnings("ignore::wormnet.errors.BlindOutputWarning")  # one evaluation shows single synapses
@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("self_synapses", [False, True])
def test_the_recurrent_part_is_as_sparse_as_the_wiring(name, self_synapses):
    """B2: a wired CfC joined every neuron of a layer with every other, whatever the wiring said."""
    random = np.random.default_rng(0)
    joined = random.random((30, 20)) < 0.1
    joined[range(10, 30), range(20)] = self_synapses
    pre, post = np.nonzero(joined)
    rnn = make(name, Wiring(10, 20, pre=pre, post=post + 10), dtype=torch.float64, **_one_step(name))
    expected = torch.tensor(joined)
    expected[range(10, 30), range(20)] = True  # every neuron has its own state
    assert torch.equal(reads(rnn, 10), expected)


def _one_step(name):
    return {} if name == "CfC" else {"unfolds": 1}


@pytest.mark.filterwarnings("ignore::wormnet.errors.BlindOutputWarning")  # one evaluation shows single synapses
@pytest.mark.parametrize("name", LAYERS)
def test_nothing_leaks_through_an_absent_synapse(name):
    """B3: a wired CfC read absent synapses through the two heads of its gate."""
    wiring = wormnet.auto_ncp(inputs=6, neurons=10, outputs=2, sparsity=0.8)
    rnn = make(name, wiring, dtype=torch.float64, **_one_step(name))
    seen = reads(rnn, 6)
    reached = np.eye(16, 10, -6, dtype=bool)
    reached[wiring.pre, wiring.post - 6] = True
    if name == "CfC":
        # Neurons of later layers see the new states of earlier ones, and through them what these read.
        for layer in range(1, wiring.layers.max() + 1):
            for neuron in np.flatnonzero(wiring.layers == layer):
                for sender in np.flatnonzero(reached[6:, neuron] & (wiring.layers < layer)):
                    reached[:, neuron] |= reached[:, sender]
                    reached[6 + sender, neuron] |= False
    assert not (seen.numpy() & ~reached).any()


@pytest.mark.filterwarnings("ignore::wormnet.errors.BlindOutputWarning")  # one evaluation shows single synapses
def test_the_effect_of_every_cfc_head_is_confined_to_synapses():
    """B3: in a single layer, exactly the synapses and the own state have an effect."""
    wiring = Wiring(3, 3, pre=[0, 1, 3, 4], post=[3, 4, 4, 5])
    expected = torch.zeros(6, 3, dtype=torch.bool)
    for pre, post in [(0, 0), (1, 1), (3, 1), (4, 2), (3, 0), (4, 1), (5, 2)]:
        expected[pre, post] = True
    assert torch.equal(reads(make("CfC", wiring, dtype=torch.float64), 3), expected)


@pytest.mark.parametrize("name", LAYERS)
def test_polarity_matters(name, x):
    """B4: flipping every sign of a wiring left a wired CfC bit-identical."""
    sign = ncp_wiring().sign
    y, flipped = (make(name, ncp_wiring(sign=s))(x)[0] for s in (sign, -sign))
    assert not torch.allclose(y, flipped, atol=1e-3)


def test_the_weights_of_a_cfc_start_with_the_sign_of_their_synapse_and_may_keep_it(x):
    """B4: there a CfC knew no signs."""
    wiring = ncp_wiring()
    for fixed in (False, True):
        rnn = make("CfC", wiring, fixed_polarity=fixed)
        optimizer = torch.optim.SGD(rnn.parameters(), 5.0)
        for step in range(20):
            for neuron in wiring.neurons:
                for row in rnn.parameters_of(neuron)["receives"]:
                    for head in ("g_weight", "h_weight"):
                        if (step == 0 or fixed) and row["kind"] == "chemical":
                            assert np.sign(row[head]) == row["sign"]
            optimizer.zero_grad()
            rnn(x)[0].sub(0.9).square().sum().backward()
            optimizer.step()
        rows = [row for neuron in wiring.neurons for row in rnn.parameters_of(neuron)["receives"] if "sign" in row]
        sign, weight = (np.array([row[key] for row in rows]) for key in ("sign", "g_weight"))
        assert (np.sign(weight) == sign).all() == fixed, "training at this rate flips free signs, and no fixed one"


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize(("pre", "post"), [("inter0", "motor0"), ("in0", "motor0"), ("motor0", "inter0")])
def test_a_synapse_that_skips_a_layer_has_an_effect(name, x, pre, post):
    """B4: inter -> motor and sensory -> motor synapses had no effect on a wired CfC."""
    wiring = ncp_wiring()
    rnn = make(name, wiring.add(pre, post, sign=1), dtype=torch.float64)
    more, less = rnn, rnn.on(wiring)
    assert not torch.allclose(more(x.double())[0], less(x.double())[0], atol=1e-6)


@pytest.mark.parametrize("name", LAYERS)
def test_parameters_are_those_that_are_registered(name, x):
    """B5: an LTC read a private dict, so functional_call, pruning, parametrising and assigning had no effect."""
    rnn = make(name, ncp_wiring())
    y = rnn(x)[0]
    for parameter in list(dict(rnn.named_parameters())):
        if parameter in ("input_shift", "output_shift"):
            continue
        changed = torch.func.functional_call(rnn, {parameter: getattr(rnn, parameter) + 1}, (x,))[0]
        assert not torch.equal(y, changed), parameter
    grads = torch.func.grad(lambda p: torch.func.functional_call(rnn, p, (x,))[0].sum())(dict(rnn.named_parameters()))
    assert all(grad.abs().sum() > 0 for grad in grads.values())
    weight = {"LTC": "conductance_raw", "CfC": "g_weight", "CTRNN": "weight"}[name]

    pruned = copy.deepcopy(rnn)
    prune.random_unstructured(pruned, weight, 0.99)
    assert not torch.equal(pruned(x)[0], y)
    prune.remove(pruned, weight)
    assert not torch.equal(pruned(x)[0], y)

    class Nothing(torch.nn.Module):
        def forward(self, value):
            return torch.zeros_like(value)

    bound = copy.deepcopy(rnn)
    parametrize.register_parametrization(bound, weight, Nothing())
    assert not torch.equal(bound(x)[0], y)

    assigned = copy.deepcopy(rnn)
    setattr(assigned, weight, torch.nn.Parameter(torch.zeros_like(getattr(rnn, weight))))
    assert torch.equal(assigned(x)[0], bound(x)[0])


class Halved(torch.nn.Module):
    def forward(self, value):
        return value / 2

    def right_inverse(self, value):
        return value * 2


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_all_of_whose_parameters_are_parametrized_is_set_drawn_and_copied_like_any(name, x):
    rnn = make(name, ncp_wiring())
    expected, values = rnn(x)[0], rnn.values()
    bound = copy.deepcopy(rnn)
    for stored in list(bound._parameters):
        parametrize.register_parametrization(bound, stored, Halved())
    torch.testing.assert_close(bound(x)[0], expected)
    bound.reset_parameters()
    assert not torch.allclose(bound(x)[0], expected)
    bound.set_values(**values)
    torch.testing.assert_close(bound(x)[0], expected)
    frozen = next(iter(values))
    getattr(bound.parametrizations, rnn._table.specs[frozen].stored_as).original.requires_grad_(False)
    carried = bound.on(bound.wiring)
    assert type(carried) is type(rnn)
    torch.testing.assert_close(carried(x)[0], expected)
    assert [name for name, p in carried.named_parameters() if not p.requires_grad] == [
        rnn._table.specs[frozen].stored_as
    ]


class OneWay(torch.nn.Module):
    def forward(self, value):
        return value / 2


@pytest.mark.parametrize("name", LAYERS)
def test_setting_what_a_pruned_layer_would_forget_is_refused_and_sets_nothing(name, x):
    rnn = make(name, ncp_wiring())
    pruned, *others = rnn.values()
    prune.random_unstructured(rnn, rnn._table.specs[pruned].stored_as, 0.5)
    y = rnn(x)[0]
    with pytest.raises(ArgumentError, match=r"computed anew in every call .*is it pruned"):
        rnn.set_values(**dict.fromkeys((*others, pruned), 0.5))
    with pytest.raises(ArgumentError, match=r"prune\.remove"):
        rnn.reset_parameters()
    assert torch.equal(rnn(x)[0], y)
    prune.remove(rnn, rnn._table.specs[pruned].stored_as)
    parametrize.register_parametrization(rnn, rnn._table.specs[pruned].stored_as, OneWay())
    y = rnn(x)[0]
    with pytest.raises(ArgumentError, match="parametrized by OneWay, which has no right_inverse"):
        rnn.set_values(**dict.fromkeys((*others, pruned), 0.5))
    assert torch.equal(rnn(x)[0], y)


@pytest.mark.parametrize("name", LAYERS)
def test_weights_may_be_assigned_also_to_a_layer_on_the_meta_device(name, x):
    """B5b: load_state_dict(assign=True) was ignored, and a network made on the meta device could not run."""
    rnn = make(name, ncp_wiring())
    for other in (getattr(wormnet, name)(rnn.wiring), getattr(wormnet, name)(rnn.wiring, device="meta")):
        other.load_state_dict(rnn.state_dict(), assign=True)
        assert torch.equal(other(x)[0], rnn(x)[0])


@pytest.mark.filterwarnings("ignore::wormnet.errors.BlindOutputWarning")
@pytest.mark.parametrize("name", LAYERS)
def test_loading_weights_never_changes_the_wiring(name):
    """B6: masks were weights, so that loading a dense network's weights made a sparse one dense."""
    sparse = make(name, wormnet.random(inputs=8, neurons=8, outputs=8, sparsity=0.8))
    before = sparse.wiring, sparse.describe().n_parameters
    with pytest.raises(ValueError, match="these weights belong to another wiring"):
        sparse.load_state_dict(make(name, wormnet.dense(8, 8)).state_dict())
    assert (sparse.wiring, sparse.describe().n_parameters) == before


@pytest.mark.filterwarnings("ignore::wormnet.errors.BlindOutputWarning")  # one evaluation shows single synapses
@pytest.mark.parametrize("name", LAYERS)
def test_training_every_parameter_makes_no_synapse(name):
    """B7: with requires_grad_(True) on the whole network, training made every absent synapse."""
    wiring = Wiring(3, 3, pre=[0, 1, 3, 4], post=[3, 4, 4, 5])
    rnn = make(name, wiring, dtype=torch.float64, **_one_step(name)).requires_grad_(True)
    before = reads(rnn, 3)
    optimizer = torch.optim.SGD(rnn.parameters(), 0.1)
    for _ in range(3):
        optimizer.zero_grad()
        rnn(torch.randn(4, 5, 3).double())[0].square().sum().backward()
        optimizer.step()
    assert torch.equal(reads(rnn, 3), before)


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_counts_the_synapses_of_its_wiring(name):
    """B10: sensory_synapse_count was that of the inner synapses."""
    wiring = ncp_wiring()
    described = make(name, wiring).describe()
    from_inputs = [row for row in described.synapses if row["pre"] in wiring.inputs]
    assert len(from_inputs) == sum(pre < 4 for pre in wiring.pre)
    assert len(described.synapses) == wiring.n_synapses != len(from_inputs)


def test_dropout_acts_behind_a_single_backbone_layer(x):
    """B11: backbone_dropout did nothing at the default depth of one layer."""
    for depth in (1, 2):
        rnn = make("CfC", wormnet.dense(4, 8), backbone_layers=depth, backbone_dropout=0.5)
        assert not torch.equal(rnn(x)[0], rnn(x)[0])
        rnn.eval()
        assert torch.equal(rnn(x)[0], rnn(x)[0])


@pytest.mark.parametrize("name", LAYERS)
def test_every_model_has_its_neurons_in_the_order_of_the_wiring(name, x):
    """B12: motor neurons came first in the state of an LTC and last in that of a wired CfC."""
    rnn = make(name, ncp_wiring(outputs=["motor1", "inter2", "motor0"]))
    if name == "LTC":
        rnn.set_values(output_scale=1.0, output_shift=0.0)
    y, state = rnn(x)
    places = [rnn.wiring.neurons.index(neuron) for neuron in ("motor1", "inter2", "motor0")]
    assert torch.equal(y[:, -1], state[:, places])


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize(("takes", "given"), [(5, 1), (1, 5), (5, 4)])
def test_a_wrong_number_of_features_is_refused(name, takes, given):
    """B13: an LTC of five inputs took one feature, and one of a single input took five."""
    rnn = make(name, wormnet.dense(takes, 8))
    with pytest.raises(ShapeError, match=rf"x has shape \(2, 3, {given}\); the layer takes \(batch, time, {takes}\)"):
        rnn(torch.randn(2, 3, given))


@pytest.mark.parametrize("name", LAYERS)
def test_times_of_any_documented_shape_work_for_any_batch(name, x):
    """B18: timespans crashed for more than one sequence, and a timespan of zero gave NaN."""
    for batch_first in (True, False):
        rnn = make(name, ncp_wiring(), batch_first=batch_first)
        given = x if batch_first else x.transpose(0, 1)
        dt = torch.rand(2, 3) + 0.1
        for clock in (0.5, dt[:, :1], dt[:1], dt):
            clock = clock if batch_first or isinstance(clock, float) else clock.T
            assert torch.isfinite(rnn(given, dt=clock)[0]).all()
        assert torch.isfinite(rnn(x[0], dt=dt[0])[0]).all()
        with pytest.raises(ArgumentError, match="dt holds 0"):
            rnn(given, dt=0.0)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("proj_size", [None, 3])
def test_y_is_as_wide_as_the_layer_says(name, x, proj_size):
    """B20 and B24: a wired CfC ignored output_dim, failed with proj_size, and output_size did not know proj_size."""
    for wiring in (
        wormnet.random(inputs=4, neurons=16, outputs=5, sparsity=0.5),
        wormnet.dense(4, 16, outputs=5),
        ncp_wiring(),
    ):
        rnn = make(name, wiring, proj_size=proj_size)
        assert rnn(x)[0].shape[-1] == rnn.n_outputs == (proj_size or wiring.n_outputs)


@pytest.mark.parametrize("name", LAYERS)
def test_one_sequence_without_a_batch_axis_gives_none_back(name):
    """B22: one sequence, time first and the last output alone came back with a batch axis."""
    for batch_first in (True, False):
        rnn = make(name, wormnet.dense(4, 8), batch_first=batch_first, return_sequences=False)
        y, state = rnn(torch.randn(5, 4))
        assert y.shape == state.shape == (8,)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("memory", [False, True])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64], ids=str)
def test_every_dtype_runs_and_is_kept(name, memory, dtype, x):
    """B23: half precision crashed or came back as float32, and mixed memory failed in float64."""
    rnn = make(name, ncp_wiring(), mixed_memory=memory).to(dtype)
    y, state = rnn(x.to(dtype))
    for one in (y, *(state if memory else (state,))):
        assert one.dtype == dtype
        assert torch.isfinite(one).all()
    y.sum().backward()


@pytest.mark.parametrize("name", LAYERS)
def test_packed_sequences_and_no_samples_at_all_work(name, x):
    """B24: a PackedSequence and T = 0 crashed."""
    rnn = make(name, ncp_wiring())
    packed = torch.nn.utils.rnn.pack_padded_sequence(x, [3, 2], batch_first=True)
    y, state = rnn(packed)
    expected, expected_state = rnn(x, lengths=torch.tensor([3, 2]))
    padded, _ = torch.nn.utils.rnn.pad_packed_sequence(y, batch_first=True)
    assert torch.equal(padded, expected)
    assert torch.equal(state, expected_state)
    assert rnn(x[:, :0])[0].shape == (2, 0, 2)


@pytest.mark.parametrize("name", LAYERS)
def test_torch_export_keeps_a_batch_of_any_size(name, x):
    """B15 and B25, as far as today's code goes: torch.export with a dynamic batch computes the same."""
    rnn = make(name, ncp_wiring()).eval()
    exported = torch.export.export(rnn, (x,), dynamic_shapes={"x": {0: torch.export.Dim("batch", min=2, max=64)}})
    more = torch.randn(7, 3, 4)
    torch.testing.assert_close(exported.module()(more)[0], rnn(more)[0])
    torch.testing.assert_close(rnn(x)[0], exported.module()(x)[0])


def test_every_kind_of_wiring_is_a_frozen_value_that_a_layer_only_reads(x):
    """B8, seen from a layer: making two layers on one wiring changes neither."""
    wiring = ncp_wiring()
    before = wiring.digest, len(wiring.of_kind(CHEMICAL))
    layers = [make(name, wiring) for name in LAYERS]
    for rnn in layers:
        rnn(x)
    assert {rnn.wiring.digest for rnn in layers} == {wiring.digest}
    assert (wiring.digest, len(wiring.of_kind(CHEMICAL))) == before


def test_the_gate_of_a_cfc_opens_with_the_sign_its_docstring_says():
    """B17: two front ends of one model differed in the sign of the gate and in a tanh. Here is one, and this is it."""
    rnn = wormnet.CfC(Wiring(0, 1), dtype=torch.float64)
    rnn.set_values(g_weight=0.0, h_weight=0.0, a_weight=0.0, b_weight=0.0)
    rnn.set_values(g_bias=-2.0, h_bias=0.5, a_bias=3.0, b_bias=0.1)
    gate = 1 / (1 + np.exp(-(3.0 * 0.7 + 0.1)))
    y, _ = rnn(torch.zeros(1, 1, 0).double(), dt=0.7)
    assert y.item() == pytest.approx(np.tanh(-2.0) * (1 - gate) + np.tanh(0.5) * gate, rel=1e-7)
