"""What is wrong in ncps 1.0.1 is right here, and where its users would notice, they are told once.

Ids are those of the project's list of defects.
"""

import copy
import pickle
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.utils import parametrize, prune
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import wormnet.compat.ncps as ncps
from wormnet.compat.ncps import notices
from wormnet.compat.ncps.torch import LTC, CfC, CfCCell, LTCCell, WiredCfCCell
from wormnet.compat.ncps.wirings import AutoNCP, FullyConnected, Random, Wiring
from wormnet.errors import ArgumentError, ShapeError

pytestmark = pytest.mark.filterwarnings("ignore::wormnet.compat.ncps.DifferenceWarning")

MAKE = {
    "LTC": lambda **o: LTC(4, AutoNCP(12, 2), **o),
    "CfC": lambda **o: CfC(4, 8, **o),
    "wired": lambda **o: CfC(4, AutoNCP(12, 2), **o),
}


@pytest.fixture
def x():
    return torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))


def make(name, **options):
    torch.manual_seed(0)
    return MAKE[name](**options)


# -- what is told ------------------------------------------------------------------------------------------------------


def test_a_difference_is_told_once_naming_it(recwarn):
    for _ in range(2):
        make("wired")
    (one,) = [w for w in recwarn if issubclass(w.category, ncps.DifferenceWarning)]
    assert 'synapses="layers" computes as ncps does' in str(one.message)
    assert "docs/ncps.md" in str(one.message)


def test_who_makes_warnings_errors_is_told_every_time():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            with pytest.raises(ncps.DifferenceWarning):
                make("wired")
        CfC(4, AutoNCP(12, 2), synapses="wiring")  # chosen, so nothing to tell


def test_every_difference_is_told_somewhere_and_stands_in_the_documentation():
    root = Path(__file__).parents[2]
    source = "".join(path.read_text() for path in (root / "src/wormnet/compat/ncps").glob("*.py"))
    told = set(re.findall(r'tell\("([^"]+)"\)', source))
    assert told == set(notices.DIFFERENCES)
    rows = re.findall(r"^\| ([\w ]+) \|", (root / "docs/ncps.md").read_text(), re.MULTILINE)
    assert [row for row in rows if row in told] == list(notices.DIFFERENCES)
    with pytest.raises(ArgumentError, match="unknown difference from ncps 'timespan'; did you mean 'timespans'"):
        notices.tell("timespan")


# -- silently wrong ----------------------------------------------------------------------------------------------------


def test_times_of_as_many_sequences_as_neurons_belong_to_the_sequences(told):
    """B1"""
    x, times = torch.randn(2, 3, 4), torch.rand(2, 3) * 3
    for rnn in (CfC(4, 2), LTC(4, 2)):
        y = rnn(x, timespans=times)[0]
        for i in range(2):
            torch.testing.assert_close(y[i : i + 1], rnn(x[i : i + 1], timespans=times[i : i + 1])[0])
    assert told() == ["timespans"]


def reads(rnn, n_inputs):
    """(senders, neurons) whether a sender has an effect on a neuron's next state, in double precision."""
    rnn = rnn.double()
    x, h = torch.randn(1, 1, n_inputs).double(), torch.randn(1, rnn.state_size).double()
    by_x, by_h = torch.autograd.functional.jacobian(lambda x, h: rnn(x, h)[1][0], (x, h))
    return torch.cat([by_x[:, 0, 0].T, by_h[:, 0].T]) != 0


def test_a_wired_cfc_is_as_sparse_as_its_wiring_and_nothing_leaks(told):
    """B2, B3"""
    wiring = Random(20, 20, 0.9)
    rnn = CfC(8, wiring)
    expected = torch.tensor(np.concatenate([wiring.sensory_adjacency_matrix, wiring.adjacency_matrix])) != 0
    expected[range(8, 28), range(20)] = True  # everyone has its own state
    assert torch.equal(reads(rnn, 8), expected)
    assert told() == ["wired CfC"]


def test_polarity_matters_to_a_wired_cfc(x):
    """B4: flipping every sign left the output bit-identical."""
    outputs = []
    for sign in (1, -1):
        wiring = AutoNCP(12, 2)
        wiring.build(4)
        wiring.adjacency_matrix *= sign
        wiring.sensory_adjacency_matrix *= sign
        torch.manual_seed(0)
        outputs.append(CfC(4, wiring)(x)[0])
    assert not torch.allclose(*outputs, atol=1e-3)


def test_weights_of_a_wired_cfc_start_with_the_sign_of_their_synapse():
    """B4"""
    wiring = FullyConnected(6, 2)
    rnn = CfC(3, wiring)
    for name in ("ff1", "ff2"):
        weight = getattr(rnn.rnn_cell.layer_0, name).weight.detach().numpy()
        np.testing.assert_array_equal(np.sign(weight[:, :3].T), wiring.sensory_adjacency_matrix)
        np.testing.assert_array_equal(np.sign(weight[:, 3:].T), wiring.adjacency_matrix)


@pytest.mark.parametrize("mode", ["default", "pure"])
def test_a_synapse_that_skips_a_layer_acts_learns_and_is_saved(x, mode):
    """B4: inter -> motor synapses had no effect on a wired CfC."""
    wiring = AutoNCP(12, 2)
    wiring.build(4)
    assert wiring.adjacency_matrix[11, 0] == 0
    wiring.add_synapse(11, 0, -1)  # inter -> motor
    torch.manual_seed(0)
    rnn = CfC(4, wiring, mode=mode)
    assert set(rnn.rnn_cell.skip) == ({"ff1"} if mode == "pure" else {"ff1", "ff2", "time_a", "time_b"})
    assert rnn.rnn_cell.skip["ff1"].item() < 0
    y = rnn(x)[0]
    y.sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in rnn.rnn_cell.skip.values())
    other = CfC(4, wiring, mode=mode)
    other.load_state_dict(rnn.state_dict())
    torch.testing.assert_close(other(x)[0], y)
    with torch.no_grad():
        for p in rnn.rnn_cell.skip.values():
            p.zero_()
    assert not torch.equal(rnn(x)[0], y)


@pytest.mark.parametrize("name", MAKE)
def test_parameters_are_those_that_are_registered(name, x):
    """B5: an LTC read a private dict, so functional_call, pruning, parametrising and assigning had no effect."""
    rnn = make(name)
    y = rnn(x)[0]
    for key in dict(rnn.named_parameters()):
        if not key.endswith(("input_b", "output_b")):
            changed = torch.func.functional_call(rnn, {key: rnn.get_parameter(key) + 1}, (x,))[0]
            assert not torch.equal(y, changed), key
    grads = torch.func.grad(lambda p: torch.func.functional_call(rnn, p, (x,))[0].sum())(dict(rnn.named_parameters()))
    assert all(grad.abs().sum() > 0 for grad in grads.values())
    owner, weight = {
        "LTC": ("rnn_cell", "w"),
        "CfC": ("rnn_cell.ff1", "weight"),
        "wired": ("rnn_cell.layer_1.ff1", "weight"),
    }[name]

    pruned = copy.deepcopy(rnn)
    prune.random_unstructured(pruned.get_submodule(owner), weight, 0.99)
    assert not torch.equal(pruned(x)[0], y)

    class Nothing(torch.nn.Module):
        def forward(self, value):
            return torch.zeros_like(value)

    bound = copy.deepcopy(rnn)
    parametrize.register_parametrization(bound.get_submodule(owner), weight, Nothing())
    assert not torch.equal(bound(x)[0], y)

    assigned = copy.deepcopy(rnn)
    module = assigned.get_submodule(owner)
    setattr(module, weight, torch.nn.Parameter(torch.zeros_like(getattr(module, weight))))
    torch.testing.assert_close(assigned(x)[0], bound(x)[0])


@pytest.mark.parametrize("name", MAKE)
def test_weights_may_be_assigned_also_to_a_module_on_the_meta_device(name, x):
    """B5b"""
    rnn = make(name)
    with torch.device("meta"):
        empty = MAKE[name]()
    for other in (MAKE[name](), empty):
        other.load_state_dict(rnn.state_dict(), assign=True)
        assert torch.equal(other(x)[0], rnn(x)[0])


def test_training_every_parameter_makes_no_synapse():
    """B7: requires_grad_(True) trained the masks."""
    rnn = LTC(3, Random(6, 6, 0.7), ode_unfolds=1).requires_grad_(True)
    before = reads(rnn, 3)
    optimizer = torch.optim.SGD(rnn.parameters(), 0.1)
    for _ in range(3):
        optimizer.zero_grad()
        rnn(torch.randn(4, 5, 3).double())[0].square().sum().backward()
        optimizer.step()
    assert torch.equal(reads(rnn, 3), before)
    assert not any("mask" in name for name, _ in rnn.named_parameters())


def test_a_second_layer_on_a_wiring_has_the_synapses_of_the_first(told):
    """B8: the README's own block gave the second layer 137 synapses instead of 84."""
    wiring = AutoNCP(28, 4)
    CfC(20, wiring, synapses="wiring")
    drawn = len(wiring.get_graph().edges)
    rnn = LTC(20, wiring)
    assert int(rnn.rnn_cell.sparsity_mask.sum()) == wiring.synapse_count == 84
    assert len(wiring.get_graph().edges) == drawn
    assert told() == ["build"]


def test_synapses_from_inputs_are_counted(told):
    """B10"""
    wiring = AutoNCP(16, 4)
    for module in (LTC(8, wiring), LTCCell(wiring), WiredCfCCell(8, wiring)):
        assert (module.synapse_count, module.sensory_synapse_count) == (28, 32)
    assert "sensory_synapse_count" in told()


def test_dropout_acts_behind_a_single_backbone_layer(x, told):
    """B11"""
    for depth in (1, 2):
        rnn = CfC(4, 8, backbone_dropout=0.5, backbone_layers=depth)
        assert not torch.equal(rnn(x)[0], rnn(x)[0])
        rnn.eval()
        assert torch.equal(rnn(x)[0], rnn(x)[0])
    assert told() == ["dropout"]


@pytest.mark.parametrize("name", MAKE)
@pytest.mark.parametrize("width", [1, 5])
def test_a_wrong_number_of_features_is_refused(name, width):
    """B13"""
    with pytest.raises(ShapeError, match=rf"x has shape \(2, 3, {width}\); the layer takes \(batch, time, 4\)"):
        MAKE[name]()(torch.randn(2, 3, width))
    cell = MAKE[name]().rnn_cell
    with pytest.raises(ShapeError, match=rf"input has shape \(2, {width}\); a cell takes \(batch, 4\)"):
        cell(torch.randn(2, width), torch.zeros(2, cell.state_size), 1.0)


# -- crashes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MAKE)
def test_no_time_at_all_is_taken_and_less_is_refused(name, x):
    """B18: a timespan of 0 made an LTC NaN. Its potentials stay where they are; a gate has its offset."""
    rnn = make(name)
    times = torch.rand(2, 3)
    times[:, 1] = 0.0
    hx = torch.randn(2, rnn.state_size)
    y, after = rnn(x[:, :1], hx, torch.zeros(2, 1))
    assert torch.isfinite(rnn(x, hx, times)[0]).all()
    if name == "LTC":
        torch.testing.assert_close(after, hx, rtol=0, atol=1e-6)
    else:
        limit = rnn(x[:, :1], hx, torch.full((2, 1), 1e-7))[0]
        torch.testing.assert_close(y, limit, rtol=1e-5, atol=1e-6)
    assert rnn.rnn_cell(x[:, 0], hx, 0.0)[0].isfinite().all()
    with pytest.raises(ArgumentError, match=r"timespans holds -1 \(sequence 1, sample 2\)"):
        rnn(x, timespans=torch.tensor([[1.0, 1.0, 1.0], [1.0, 1.0, -1.0]]))
    for shape in ((3, 2), (2,), (2, 3, rnn.state_size)):
        with pytest.raises(ShapeError, match="timespans has shape"):
            rnn(x, timespans=torch.ones(shape))


@pytest.mark.parametrize("proj_size", [None, 3])
@pytest.mark.parametrize("wiring", [lambda: FullyConnected(16, 4), lambda: Random(16, 4, 0.5), lambda: AutoNCP(16, 4)])
def test_the_output_is_as_wide_as_the_wiring_says(wiring, proj_size, told):
    """B20"""
    wiring = wiring()
    rnn = CfC(4, wiring, proj_size=proj_size)
    y, hx = rnn(torch.randn(2, 3, 4))
    assert y.shape[-1] == rnn.output_size == (proj_size or 4)
    if proj_size is None:
        at = slice(-4, None) if isinstance(wiring, AutoNCP) else slice(4)
        assert torch.equal(y[:, -1], hx[:, at])
        assert ("outputs" in told()) == (not isinstance(wiring, AutoNCP))
    else:
        assert "output_size" in told()


def test_one_sequence_without_a_batch_axis_gives_none_back():
    """B22"""
    for name in MAKE:
        for batch_first in (True, False):
            rnn = make(name, batch_first=batch_first, return_sequences=False)
            y, hx = rnn(torch.randn(5, 4))
            assert y.dim() == hx.dim() == 1


@pytest.mark.parametrize("memory", [False, True])
@pytest.mark.parametrize("name", MAKE)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64], ids=str)
def test_every_dtype_runs_and_is_kept(name, memory, dtype, x):
    """B23"""
    rnn = make(name, mixed_memory=memory).to(dtype)
    y, hx = rnn(x.to(dtype))
    for one in (y, *(hx if memory else (hx,))):
        assert one.dtype == dtype
        assert torch.isfinite(one).all()
    y.sum().backward()
    with torch.autocast("cpu"):
        assert rnn(x.bfloat16())[0].dtype == dtype


@pytest.mark.parametrize("sequences", [True, False])
@pytest.mark.parametrize("name", MAKE)
def test_packed_sequences_and_no_samples_at_all_work(name, x, sequences):
    """B24"""
    rnn = make(name, return_sequences=sequences)
    packed = pack_padded_sequence(x, [2, 3], batch_first=True, enforce_sorted=False)
    y, hx = rnn(packed)
    one, last = rnn(x[:1, :2])
    if sequences:
        assert y.batch_sizes.tolist() == packed.batch_sizes.tolist()
        y, lengths = pad_packed_sequence(y, batch_first=True)
        assert lengths.tolist() == [2, 3]
        torch.testing.assert_close(y[:1, :2], one)
    else:
        torch.testing.assert_close(y[:1], one)
    torch.testing.assert_close(hx[:1], last)
    y, hx = rnn(x[:, :0])
    assert y.shape[:2] == ((2, 0) if sequences else (2, y.shape[1]))
    assert torch.equal(hx, torch.zeros_like(hx))


def test_a_module_says_whether_it_is_wired():
    """B24: `wired_mode` was an attribute of wired ones only."""
    assert CfC(4, AutoNCP(12, 2)).wired_mode is True
    assert CfC(4, 8).wired_mode is False


@pytest.mark.fastest
@pytest.mark.parametrize("name", MAKE)
def test_torch_export_keeps_a_batch_of_any_size_and_compile_the_graph(name, x):
    """B25, as far as today's code goes."""
    rnn = make(name).eval()
    batch = torch.export.Dim("batch", min=2, max=64)
    exported = torch.export.export(rnn, (x,), dynamic_shapes={"input": {0: batch}})
    more = torch.randn(7, 3, 4)
    torch.testing.assert_close(exported.module()(more)[0], rnn(more)[0])
    times = torch.rand(2, 3) + 0.1
    compiled = torch.compile(rnn, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(x, timespans=times)[0], rnn(x, timespans=times)[0])


# -- constraints, masks, copies ----------------------------------------------------------------------------------------


def test_forgotten_constraints_are_applied(told):
    """Their training ended in NaN at step 19."""
    torch.manual_seed(0)
    rnn = LTC(2, 8, implicit_param_constraints=False)
    optimizer = torch.optim.Adam(rnn.parameters(), 0.05)
    x = torch.randn(4, 6, 2)
    for _ in range(40):
        optimizer.zero_grad()
        loss = (rnn(x)[0] - x.cumsum(1)[:, :, :1]).square().mean()
        loss.backward()
        optimizer.step()
    assert torch.isfinite(loss)
    rnn(x)
    assert bool((rnn.rnn_cell.w >= 0).all())
    assert told() == ["constraints"]


@pytest.mark.parametrize("name", MAKE)
@pytest.mark.parametrize("memory", [False, True])
def test_modules_are_copied_pickled_and_moved(name, memory, x, tmp_path):
    rnn = make(name, mixed_memory=memory)
    y = rnn(x)[0]
    torch.save(rnn, tmp_path / "module.pt")
    for again in (
        copy.deepcopy(rnn),
        pickle.loads(pickle.dumps(rnn)),
        torch.load(tmp_path / "module.pt", weights_only=False),
    ):
        torch.testing.assert_close(again(x)[0], y)
    again = copy.deepcopy(rnn).double()
    torch.testing.assert_close(again(x.double())[0].float(), y)
    torch.testing.assert_close(rnn(x)[0], y)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: CfC(4, AutoNCP(12, 2), backbone_units=8), "Cannot use backbone_units in wired mode"),
        (lambda: CfC(4, 8, mode="pur"), "unknown mode 'pur'; did you mean 'pure'"),
        (lambda: CfC(4, 8, activation="lecun"), "unknown backbone_activation 'lecun'; did you mean 'lecun_tanh'"),
        (lambda: CfC(4, 8, synapses="layers"), "synapses is 'layers', and units no wiring"),
        (lambda: CfC(4, AutoNCP(12, 2), synapses="all"), "unknown synapses 'all'"),
        (lambda: CfC(None, 8), "input_size is None"),
        (lambda: LTC(4, 8, input_mapping="afine"), "unknown input_mapping 'afine'; did you mean 'affine'"),
        (lambda: LTC(4, 8, ode_unfolds=0), "ode_unfolds is 0; it takes a whole number of 1 or more"),
        (lambda: LTC(4, 8, epsilon=-1.0), "epsilon is -1.0; it takes a number of 0 or more"),
        (lambda: LTC(4, 8.0), "units is 8.0; it takes a whole number"),
        (lambda: LTCCell(8, 4), "wiring is 8; a cell takes a wiring, for example FullyConnected"),
        (lambda: LTCCell(AutoNCP(12, 2)), "the number of inputs is unknown"),
        (lambda: LTC(4, Wiring(3)), "the wiring has no motor neurons"),
        (lambda: WiredCfCCell(4, 8), "wiring is 8; a wired cell takes a wiring"),
        (lambda: CfCCell(2, 3, backbone_layers=0, sparsity_mask=np.ones((3, 5))), r"\(3, 5\); it takes .*: \(5, 3\)"),
    ],
)
def test_wrong_arguments_are_value_errors_that_say_what_is_taken(call, text):
    with pytest.raises(ValueError, match=text):
        call()


def test_wirings_of_other_packages_are_told_apart():
    import wormnet

    with pytest.raises(ArgumentError, match=r"units is wormnet\.wiring\.core\.Wiring; it takes a wiring of "):
        LTC(4, wormnet.dense(4, 8))
    wirings = pytest.importorskip("ncps.wirings")
    with pytest.raises(ArgumentError, match=r"ncps\.wirings\.wirings\.AutoNCP; .* Import the wirings from there too"):
        CfC(4, wirings.AutoNCP(12, 2))


def test_a_masked_cell_reads_nothing_through_absent_synapses():
    """B3, for a cell of one's own."""
    mask = np.tri(8, 5)
    cell = CfCCell(3, 5, backbone_layers=0, sparsity_mask=mask).double()
    x, h = torch.randn(1, 3).double(), torch.randn(1, 5).double()
    by = torch.autograd.functional.jacobian(lambda x, h: cell(x, h, 1.0)[0][0], (x, h))
    assert torch.equal(torch.cat([one[:, 0].T for one in by]) != 0, torch.tensor(mask != 0))
