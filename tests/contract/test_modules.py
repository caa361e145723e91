"""What torch and its users may do with any layer: copy, save, load, call functionally, edit its wiring."""

import copy
import io
import itertools
import pickle

import numpy as np
import pytest
import torch
from cases import CASES, ENGINES, MIXED, N, build, draw, parts, start, times
from tolerances import close

import wormnet
from wormnet.errors import ArgumentError, ShapeError, WiringError
from wormnet.wiring import CHEMICAL, CURRENT, GAP, Wiring

pytestmark = pytest.mark.parametrize(
    ("case", "backend"), [pytest.param(*pair, id="-".join(pair)) for pair in itertools.product(CASES, ENGINES)]
)


def run(rnn):
    dtype = next(rnn.parameters()).dtype
    y, state = rnn(draw(3, 4, N, dtype=dtype), start(rnn, 3), times(3, 4, dtype=dtype))
    return (y, *parts(state))


def same_bits(rnn, other):
    return all(torch.equal(a, b) for a, b in zip(run(rnn), run(other), strict=True))


def other_numbers(rnn):
    """Parameters that are not those of any start, so that nothing is right by luck."""
    with torch.no_grad():
        for i, p in enumerate(rnn.parameters()):
            p.add_(0.3 * draw(*p.shape, seed=50 + i, dtype=p.dtype))
    return rnn


def test_copies_compute_the_same_and_share_no_memory(case, backend):
    rnn = other_numbers(build(case, backend))
    run(rnn)
    for twin in (copy.deepcopy(rnn), pickle.loads(pickle.dumps(rnn))):
        assert type(twin) is type(rnn)
        assert twin.wiring == rnn.wiring
        assert same_bits(twin, rnn)
        before = run(rnn)
        other_numbers(twin)
        assert not same_bits(twin, rnn)
        assert all(torch.equal(a, b) for a, b in zip(run(rnn), before, strict=True))


@pytest.mark.parametrize("assign", [False, True])
def test_weights_load_without_pickle_and_take_effect(case, backend, assign):
    rnn, file = other_numbers(build(case, backend)), io.BytesIO()
    torch.save(rnn.state_dict(), file)
    file.seek(0)
    other = build(case, backend)
    run(other)  # nothing that a call keeps may outlive the weights
    assert not same_bits(other, rnn)
    other.load_state_dict(torch.load(file, weights_only=True), assign=assign)
    assert same_bits(other, rnn)
    assert all(p.requires_grad for p in other.parameters())


def test_a_state_dict_holds_the_parameters_and_the_wirings_digest_alone(case, backend):
    rnn = build(case, backend)
    content = rnn.state_dict()
    assert set(content) == {name for name, _ in rnn.named_parameters()}
    assert content._metadata[""]["wiring"] == rnn.wiring.digest
    assert not list(rnn.buffers())
    nested = torch.nn.Sequential(rnn).state_dict()
    assert set(nested) == {f"0.{name}" for name in content}
    torch.nn.Sequential(copy.deepcopy(rnn)).load_state_dict(nested)


def test_weights_of_another_wiring_are_refused_and_nothing_is_set(case, backend):
    rnn = build(case, backend)
    changed = Wiring(**{**rnn.wiring.to_dict(), "source": "another"})
    other = other_numbers(wormnet.Recurrent(changed, rnn.model, **CASES[case][2]))
    before = run(rnn)
    for strict in (True, False):
        with pytest.raises(WiringError, match=r"these weights belong to another wiring \(digest [0-9a-f]{12}\.\.\.\)"):
            rnn.load_state_dict(other.state_dict(), strict=strict)
    assert all(torch.equal(a, b) for a, b in zip(run(rnn), before, strict=True))
    # What arithmetic leaves of a state_dict has no metadata, and is known by its names and shapes alone.
    rnn.load_state_dict(dict(other.state_dict()))
    assert all(torch.equal(a, b) for a, b in zip(rnn.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize("way", ["argument", "context"])
@pytest.mark.parametrize("filled", ["assign", "copy", "reset"])
def test_a_layer_made_on_the_meta_device_comes_alive(case, backend, way, filled):
    rnn = build(case, backend)
    if way == "argument":
        empty = build(case, "reference", device="meta")
    else:
        with torch.device("meta"):
            empty = build(case, "reference")
    assert all(p.is_meta for p in empty.parameters())
    empty(torch.zeros(2, 3, N, device="meta"))  # shapes alone
    if filled == "assign":
        empty.load_state_dict(rnn.state_dict(), assign=True)
    else:
        empty.to_empty(device="cpu")
        if filled == "copy":
            empty.load_state_dict(rnn.state_dict())
        else:
            for layer in (empty, rnn):
                torch.manual_seed(0)
                layer.reset_parameters()
    close(run(empty)[0], run(rnn)[0], backend=backend)
    rnn.load_state_dict(empty.state_dict())
    wormnet.Recurrent(rnn.wiring, rnn.model, **CASES[case][2]).load_state_dict(empty.state_dict())


def test_functional_calls_use_the_parameters_they_are_given(case, backend):
    rnn, other = build(case, backend), other_numbers(build(case, backend))
    x, state, dt = draw(3, 4, N), start(rnn, 3), times(3, 4)
    named = dict(other.named_parameters())
    y, _ = torch.func.functional_call(rnn, named, (x, state, dt))
    assert torch.equal(y, other(x, state, dt)[0])

    def loss(p):
        y, last = torch.func.functional_call(rnn, p, (x, state, dt))
        return y.sin().sum() + sum(one.cos().sum() for one in parts(last))

    before = {name: p.detach().clone() for name, p in rnn.named_parameters()}
    expected = torch.autograd.grad(loss(named), list(named.values()))
    got = torch.func.grad(loss)({name: p.detach() for name, p in named.items()})
    for (name, one), other_grad in zip(got.items(), expected, strict=True):
        close(one, other_grad, backend=backend, gradient=True)
        assert one.abs().max() > 0, f"{name} has no effect"
    assert all(torch.equal(before[name], p) for name, p in rnn.named_parameters())


def test_many_networks_at_once_by_vmap(case, backend):
    if backend != "reference" or "memory" in case:
        pytest.skip("vmap runs on plain torch, whose LSTM cell has no batching rule")
    layers = [build(case, backend), other_numbers(build(case, backend))]
    stacked, _ = torch.func.stack_module_state(layers)
    x = draw(3, 4, N)
    y = torch.vmap(lambda p: torch.func.functional_call(layers[0], p, (x,))[0])(stacked)
    for one, rnn in zip(y, layers, strict=True):
        close(one, rnn(x)[0])


def test_it_compiles_into_one_graph(case, backend):
    if case not in ("ltc", "cfc", "ctrnn-memory"):
        pytest.skip("one of each model; a loop over time takes long to trace")
    rnn = build(case, backend)
    x, dt = draw(2, 3, N), times(2, 3)
    torch.compiler.reset()
    compiled = torch.compile(rnn, backend="eager", fullgraph=True)
    for state in (None, start(rnn, 2)):
        y, last = compiled(x, state, dt)
        expected, expected_last = rnn(x, state, dt)
        close(y, expected, backend=backend)
        for one, other in zip(parts(last), parts(expected_last), strict=True):
            close(one, other, backend=backend)
    y.sum().backward()
    assert all(p.grad is not None for p in rnn.parameters())
    torch.compiler.reset()


def test_a_first_call_without_gradients_spoils_no_later_one(case, backend):
    rnn = build(case, backend)
    with torch.inference_mode():
        rnn(draw(2, 3, N))
    rnn(draw(2, 3, N))[0].sum().backward()
    assert all(p.grad is not None for p in rnn.parameters())


def test_one_call_runs_each_hook_once(case, backend):
    rnn, calls = build(case, backend), []
    rnn.register_forward_hook(lambda *_: calls.append(1))
    packed = torch.nn.utils.rnn.pack_sequence([draw(3, N), draw(2, N)])
    for x in (draw(2, 3, N), draw(3, N), packed):
        rnn(x)
    rnn.step(draw(2, N))
    assert len(calls) == 4


def test_a_call_changes_nothing_that_it_is_given_and_no_random_state(case, backend):
    rnn = build(case, backend)
    x, dt, state, lengths = draw(3, 4, N), times(3, 4), start(rnn, 3), torch.tensor([4, 2, 0])
    given = [x, dt, lengths, *parts(state), *rnn.parameters()]
    before, random = [one.detach().clone() for one in given], torch.get_rng_state()
    rnn(x, state, dt, lengths)
    assert all(torch.equal(a, b) for a, b in zip(given, before, strict=True))
    assert torch.equal(torch.get_rng_state(), random)


def test_saving_and_loading_gives_the_same_bits(case, backend, tmp_path):
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        rnn = other_numbers(build(case, backend, dtype, return_sequences=dtype == torch.float32))
        path = tmp_path / "layer.safetensors"
        wormnet.save(rnn, path)
        random = torch.get_rng_state()
        again = wormnet.load(path, backend=backend)
        assert torch.equal(torch.get_rng_state(), random)
        assert again.wiring == rnn.wiring
        assert again.model == rnn.model
        assert {n: p.dtype for n, p in again.named_parameters()} == {n: p.dtype for n, p in rnn.named_parameters()}
        assert all(p.requires_grad for p in again.parameters())
        assert same_bits(again, rnn)
        assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_renumbered_neurons_compute_the_same(case, backend):
    rnn = other_numbers(build(case, backend, torch.float64))
    if getattr(rnn.model, "backbone_layers", 0):
        pytest.skip("a backbone's columns have no names")
    order = [3, 0, 4, 1, 2]
    turned = rnn.on(rnn.wiring.reorder([rnn.wiring.neurons[i] for i in order]))
    assert turned.wiring != rnn.wiring
    x, dt, state = draw(3, 4, N, dtype=torch.float64), times(3, 4, dtype=torch.float64), start(rnn, 3)
    moved = [one[:, order] for one in parts(state)]
    y, last = rnn(x, state, dt)
    got, got_last = turned(x, tuple(moved) if rnn.mixed_memory else moved[0], dt)
    close(got, y, backend=backend)
    for one, expected in zip(parts(got_last), parts(last), strict=True):
        close(one, expected[:, order], backend=backend)


def pairs(wiring):
    """Ordered pairs of cells that any synapse joins, in the order of (post, pre)."""
    found = set()
    for pre, post, kind in zip(wiring.pre.tolist(), wiring.post.tolist(), wiring.kind.tolist(), strict=True):
        found.add((post, pre))
        if kind == GAP and pre >= wiring.n_inputs:
            found.add((pre, post))
    return sorted(found)


def closed(rnn, synapse):
    """A copy whose parameters let nothing through a synapse (of any kind) of the wiring `MIXED`."""
    rnn, w = copy.deepcopy(rnn), rnn.wiring
    with torch.no_grad():
        if rnn.model.name == "ltc":
            kind = int(w.kind[synapse])
            place = int(np.flatnonzero(w.of_kind(kind) == synapse)[0])
            name = {CHEMICAL: "conductance_raw", GAP: "gap_conductance_raw", CURRENT: "current"}[kind]
            getattr(rnn, name)[place] = 0.0
            return rnn
        gone = set(pairs(w)) - set(pairs(w.lesion(synapses=[synapse])))
        own = {(i, i) for i in range(N, 2 * N)} if rnn.model.name == "cfc" else set()
        for place, pair in enumerate(sorted({*pairs(w), *own})):
            if pair in gone - own:
                for name, p in rnn.named_parameters(recurse=False):
                    if name.removesuffix("_raw").endswith("weight"):
                        p[place] = 0.0
    return rnn


@pytest.mark.filterwarnings("ignore::wormnet.errors.BlindOutputWarning")
def test_a_lesioned_synapse_is_as_one_that_lets_nothing_through(case, backend):
    rnn = other_numbers(build(case, backend, torch.float64))
    if rnn.wiring != MIXED:
        pytest.skip("shown on the wiring with all kinds of synapses")
    changed = 0
    for synapse in range(MIXED.n_synapses):
        absent = rnn.on(MIXED.lesion(synapses=[synapse]))
        expected = run(closed(rnn, synapse))
        for one, other in zip(run(absent), expected, strict=True):
            close(one, other, backend=backend)
        changed += not torch.allclose(run(rnn)[-1], expected[-1]) or not torch.allclose(run(rnn)[0], expected[0])
    assert changed >= 8


def test_without_synapses_no_input_reaches_a_neuron_and_none_reaches_another(case, backend):
    rnn = build(case, backend, torch.float64)
    if rnn.mixed_memory or getattr(rnn.model, "backbone_layers", 0):
        pytest.skip("its LSTM or backbone joins what the wiring does not")
    cut = rnn.on(rnn.wiring.lesion(synapses=range(rnn.wiring.n_synapses)))
    unwired = Wiring(**{**rnn.wiring.to_dict(), "pre": [], "post": [], "kind": [], "sign": [], "count": []})
    assert cut.wiring == unwired
    x, state = draw(2, 3, N, dtype=torch.float64), start(rnn, 2)
    jacobian = torch.autograd.functional.jacobian(lambda v: cut(x, v, 0.3)[1].sum(0), state).sum(1)
    assert torch.equal(jacobian, torch.diag(jacobian.diag()))
    assert (jacobian.diag() != 0).all()
    assert torch.equal(cut(x, state, 0.3)[0], cut(x + 1, state, 0.3)[0])


def test_values_are_those_that_set_values_sets(case, backend):
    rnn = build(case, backend, torch.float64)
    wanted = {name: value.detach() * 0.7 + (value.detach() > 0) * 0.01 for name, value in rnn.values().items()}
    rnn.set_values(**wanted)
    for name, value in rnn.values().items():
        close(value, wanted[name])
    before = run(rnn)
    first = next(iter(wanted))
    shape = tuple(wanted[first].shape)
    wrong_shape = rf"{first} has shape \(9, 9, 9\); it takes \({shape[0]}.*\), or one number for all\."
    for given, error, match in (
        ({"leek": 1.0}, ArgumentError, "unknown parameter 'leek'.* Known: "),
        ({first: torch.zeros(9, 9, 9)}, ShapeError, wrong_shape),
        ({first: float("nan")}, ArgumentError, f"{first} holds nan; it takes finite values."),
        ({first: "much"}, ArgumentError, f"{first} is 'much'; it takes numbers."),
    ):
        last = list(wanted)[-1]
        with pytest.raises(error, match=match):
            rnn.set_values(**{last: wanted[last] * 0.5} | given)
        assert all(torch.equal(a, b) for a, b in zip(run(rnn), before, strict=True)), "a refused call set something"


def test_reset_parameters_draws_what_the_seed_says_within_the_ranges_of_the_spec(case, backend):
    rnn, other = build(case, backend, torch.float64), build(case, backend, torch.float64)
    assert same_bits(rnn, other)
    for spec in rnn._table.specs.values():
        value = rnn.values()[spec.name].detach().numpy()
        low, high = (np.broadcast_to(bound, value.shape) for bound in spec.start)
        if spec.counted or spec.signed:
            assert (np.abs(value) <= np.abs(high) * (3 if spec.counted else 1) + 1e-12).all()
        else:
            assert ((value >= low - 1e-12) & (value <= high + 1e-12)).all()
        if spec.signed:
            sign = rnn._table.sign(spec)
            assert (np.sign(value)[sign != 0] == sign[sign != 0]).all()
    torch.manual_seed(1)
    rnn.reset_parameters()
    assert not same_bits(rnn, other)
