"""What users of torch do with layers works on every engine as it does with torch's own."""

import inspect
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from tolerances import close
from torch._subclasses import FakeTensorMode

import wormnet
from wormnet.errors import ArgumentError, BackendError
from wormnet.models import CTRNN, CfC

WIRING = wormnet.auto_ncp(inputs=4, neurons=8, outputs=2)
LAYERS = {"ctrnn": (CTRNN(unfolds=3), {}), "cfc with memory": (CfC(), {"mixed_memory": True})}
each_layer = pytest.mark.parametrize("name", LAYERS)
each_engine = pytest.mark.parametrize("backend", ["cpu", "reference"])
tracing = pytest.mark.filterwarnings("ignore:`torch.jit.:DeprecationWarning", "ignore::torch.jit.TracerWarning")


def layer(name="ctrnn", backend="cpu", seed=0, **options):
    torch.manual_seed(seed)
    model, own = LAYERS[name]
    return wormnet.Recurrent(WIRING, model, backend=backend, **own, **options)


def draw(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def parts(state):
    return state if isinstance(state, tuple) else (state,)


def gradients(rnn, loss, *given):
    return torch.autograd.grad(loss, [*rnn.parameters(), *given], allow_unused=True, materialize_grads=True)


def assert_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        close(one.detach(), other.detach(), backend="cpu", gradient=True)


# -- checkpoints and batches of gradients ------------------------------------------------------------------------------


@each_layer
@each_engine
def test_a_checkpoint_recomputes_the_layer_and_gives_the_same_bits(name, backend):
    rnn, x = layer(name, backend), draw(3, 5, 4).requires_grad_()
    expected = gradients(rnn, rnn(x)[0].square().sum(), x)
    y = torch.utils.checkpoint.checkpoint(lambda z: rnn(z)[0], x, use_reentrant=False)
    found = gradients(rnn, y.square().sum(), x)
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


@each_layer
@each_engine
def test_a_jacobian_may_be_found_all_at_once(name, backend):
    rnn, x = layer(name, backend), draw(2, 3, 4)
    one_by_one = torch.autograd.functional.jacobian(lambda z: rnn(z)[0], x)
    close(torch.autograd.functional.jacobian(lambda z: rnn(z)[0], x, vectorize=True), one_by_one, gradient=True)
    x = x.requires_grad_()
    y, _ = rnn(x)
    weights = draw(6, *y.shape)
    found = torch.autograd.grad(y, [x, *rnn.parameters()], weights, is_grads_batched=True, retain_graph=True)
    for i, weight in enumerate(weights):
        assert_same(
            [one[i] for one in found], torch.autograd.grad(y, [x, *rnn.parameters()], weight, retain_graph=True)
        )


# -- torch.func --------------------------------------------------------------------------------------------------------


@each_layer
@each_engine
def test_vmap_maps_over_times_and_lengths_too(name, backend):
    rnn, x, dt = layer(name, backend), draw(3, 2, 5, 4), draw(3, 2, 5).abs() + 0.1
    lengths = torch.tensor([[5, 2], [0, 3], [1, 5]])
    y, state = torch.func.vmap(lambda a, b, c: rnn(a, dt=b, lengths=c))(x, dt, lengths)
    for i in range(3):
        expected, last = rnn(x[i], dt=dt[i], lengths=lengths[i])
        assert_same([y[i], *(one[i] for one in parts(state))], [expected, *parts(last)])
    number = torch.func.vmap(lambda a, b: rnn(a, dt=b)[0])(x, torch.tensor([0.1, 0.2, 0.3]))
    assert_same(number, [rnn(x[i], dt=dt)[0] for i, dt in enumerate((0.1, 0.2, 0.3))])


@each_engine
def test_what_vmap_maps_over_is_still_checked(backend):
    rnn, x = layer(backend=backend), draw(3, 2, 5, 4)
    with pytest.raises(ArgumentError, match=r"lengths holds 6; x has 5 samples"):
        torch.func.vmap(lambda a, b: rnn(a, lengths=b))(x, torch.tensor([[5, 2], [0, 3], [1, 6]]))
    dt = torch.ones(3, 2, 5)
    dt[2, 1, 4] = 0.0
    with pytest.raises(ArgumentError, match=r"dt holds 0 \(sequence 1, sample 4\)"):
        torch.func.vmap(lambda a, b: rnn(a, dt=b))(x, dt)


@each_engine
def test_an_ensemble_with_memory_computes_like_each_of_its_layers(backend):
    layers = [layer("cfc with memory", backend, seed=i) for i in range(3)]
    stacked, _ = torch.func.stack_module_state(layers)
    x = draw(2, 5, 4)
    found = torch.func.vmap(lambda p: torch.func.functional_call(layers[0], p, (x,))[0])(stacked)
    found.square().sum().backward()
    for i, rnn in enumerate(layers):
        y = rnn(x)[0]
        close(found[i].detach(), y.detach(), backend="cpu")
        assert_same([stacked[key].grad[i] for key, _ in rnn.named_parameters()], gradients(rnn, y.square().sum()))


@each_engine
def test_gradients_per_sample_with_memory_are_those_of_each_sample(backend):
    rnn, x = layer("cfc with memory", backend), draw(3, 5, 4)
    p = {key: one.detach() for key, one in rnn.named_parameters()}

    def loss(p, one):
        return torch.func.functional_call(rnn, p, (one[None],))[0].square().sum()

    found = torch.func.vmap(torch.func.grad(loss), (None, 0))(p, x)
    for i in range(3):
        expected = gradients(rnn, rnn(x[i : i + 1])[0].square().sum())
        assert_same([found[key][i] for key in p], expected)


# -- shapes without numbers --------------------------------------------------------------------------------------------


@each_layer
@each_engine
def test_a_layer_runs_on_fake_tensors_and_then_on_real_ones(name, backend):
    rnn, x = layer(name, backend), draw(3, 5, 4)
    expected = rnn(x)[0]
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        y = rnn(mode.from_tensor(x), lengths=mode.from_tensor(torch.tensor([5, 0, 2])))[0]
        assert y.shape == (3, 5, 2)
        y.sum().backward()
    rnn.zero_grad()
    assert torch.equal(rnn(x)[0], expected)


@each_layer
@each_engine
def test_a_layer_built_of_fake_tensors_runs_there_and_spoils_no_other(name, backend):
    # A wiring that no other test has: all that is kept of a wiring is made here for the first time.
    wiring = wormnet.auto_ncp(inputs=4, neurons=9, outputs=2, seed=len(name + backend))
    model, own = LAYERS[name]
    with FakeTensorMode() as mode:
        rnn = wormnet.Recurrent(wiring, model, backend=backend, **own)
        assert all(isinstance(p, torch._subclasses.FakeTensor) for p in rnn.parameters())
        y, state = rnn(torch.empty(3, 5, 4), dt=torch.empty(3, 5), lengths=torch.empty(3, dtype=torch.int64))
        assert y.shape == (3, 5, 2)
        assert [one.shape for one in parts(state)] == [(3, 9)] * len(parts(state))
        (y.sum() + sum(one.sum() for one in parts(state))).backward()
    assert all(p.grad.shape == p.shape for p in rnn.parameters())
    assert mode is not None
    real = wormnet.Recurrent(wiring, model, backend=backend, **own)
    y = real(draw(3, 5, 4))[0]
    y.sum().backward()
    assert bool(y.isfinite().all())


@each_layer
@each_engine
@pytest.mark.parametrize("one", [False, True])
def test_arrays_that_are_used_again_before_the_backward_pass_change_nothing(name, backend, one):
    rnn, x = layer(name, backend), draw(6, 4) if one else draw(3, 6, 4)
    rng = np.random.default_rng(0)
    given = {
        "dt": rng.uniform(0.5, 2.0, x.shape[:-1]).astype(np.float32),
        "starts": rng.random(x.shape[:-1]) < 0.3,
        "lengths": np.array([6, 2, 4]),
    }
    if one:
        del given["lengths"]
    expected = gradients(rnn, rnn(x, **given)[0].square().sum())
    loss = rnn(x, **given)[0].square().sum()
    for array in given.values():
        array[...] = 1
    assert all(map(torch.equal, gradients(rnn, loss), expected))


def test_arrays_may_be_views_backwards():
    rnn, x = layer(), draw(3, 6, 4)
    dt, lengths = np.random.default_rng(0).uniform(0.5, 2.0, (3, 6)), np.array([6, 2, 4])
    y, _ = rnn(x, dt=dt[:, ::-1], lengths=lengths[::-1])
    expected, _ = rnn(x, dt=torch.from_numpy(dt).flip(1), lengths=torch.tensor([4, 2, 6]))
    assert torch.equal(y, expected)


@pytest.mark.parametrize("kind", ["LTC", "CfC", "CTRNN", "MixedMemory", "Recurrent", "WiredLinear"])
def test_a_layer_can_be_made_without_drawing_its_start(kind):
    wiring = wormnet.dense(4, 8) if kind != "WiredLinear" else wormnet.random(
        inputs=4, neurons=8, outputs=8, sparsity=0.5, recurrent=False
    )  # fmt: skip
    given = {"MixedMemory": ["cfc"], "Recurrent": ["ctrnn"]}.get(kind, [])
    made = getattr(wormnet, kind)
    assert "device" in inspect.signature(made).parameters
    before = torch.get_rng_state()
    rnn = torch.nn.utils.skip_init(made, wiring, *given)
    assert torch.equal(torch.get_rng_state(), before)
    assert {p.device.type for p in rnn.parameters()} == {"cpu"}
    usual = made(wiring, *given)
    for layer in (rnn, usual):
        torch.manual_seed(0)
        layer.reset_parameters()
    for one, other in zip(rnn.parameters(), usual.parameters(), strict=True):
        assert torch.equal(one, other)


# -- graphs ------------------------------------------------------------------------------------------------------------


@each_layer
def test_one_graph_serves_any_number_of_sequences_and_samples(name):
    torch.compiler.reset()
    rnn, graphs = layer(name), []

    def backend(graph, _):
        graphs.append(len(graph.graph.nodes))
        return graph.forward

    compiled = torch.compile(rnn, dynamic=True, fullgraph=True, backend=backend)
    for batch, time in ((3, 5), (4, 7), (2, 9), (17, 6)):
        x = draw(batch, time, 4).requires_grad_()
        y, expected = compiled(x)[0], rnn(x)[0]
        close(y.detach(), expected.detach(), backend="cpu")
        assert_same(gradients(rnn, y.square().sum(), x), gradients(rnn, expected.square().sum(), x))
    assert len(graphs) == 1
    assert graphs[0] < 150  # nothing is unrolled over samples


@each_layer
def test_a_compiled_layer_with_dynamic_shapes_is_differentiated_ahead_of_time(name):
    torch.compiler.reset()
    rnn = layer(name)
    compiled = torch.compile(rnn, dynamic=True, fullgraph=True, backend="aot_eager")
    for batch, time in ((3, 5), (4, 7)):
        x = draw(batch, time, 4).requires_grad_()
        y, expected = compiled(x)[0], rnn(x)[0]
        close(y.detach(), expected.detach(), backend="cpu")
        assert_same(gradients(rnn, y.square().sum(), x), gradients(rnn, expected.square().sum(), x))


@each_layer
@pytest.mark.parametrize("cast", [False, True])
def test_steps_in_a_scan_of_torch_are_a_call(name, cast):
    from torch._higher_order_ops.scan import scan

    torch.compiler.reset()
    rnn = layer(name).eval()
    rnn = rnn.double().float() if cast else rnn  # what is kept of the device and the dtype is made anew
    x, n = draw(5, 3, 4), len(LAYERS[name][1]) + 1
    first = tuple(torch.zeros(3, 8) for _ in range(n)) if n > 1 else torch.zeros(3, 8)

    def step(state, sample):
        y, state = rnn.step(sample, state)
        return state, y

    with torch.no_grad():
        last, y = scan(step, first, x)
        expected, expected_last = rnn(x.transpose(0, 1))
    assert_same([y.transpose(0, 1), *parts(last)], [expected, *parts(expected_last)])


@each_layer
@tracing
def test_a_trace_computes_the_same_for_other_sequences_of_any_number_and_length(name):
    rnn = layer(name)
    traced = torch.jit.trace(rnn, draw(3, 5, 4))
    for shape in ((3, 5, 4), (6, 5, 4), (3, 9, 4), (20, 2, 4)):
        x = draw(*shape).requires_grad_()
        y, expected = traced(x)[0], rnn(x)[0]
        close(y.detach(), expected.detach(), backend="cpu")
        assert_same(gradients(rnn, y.square().sum(), x), gradients(rnn, expected.square().sum(), x))


@each_layer
@tracing
def test_a_trace_through_the_reference_is_refused_with_what_to_do(name):
    for backend in ("reference", "auto"):
        rnn, x = layer(name, backend), draw(3, 5, 4)
        if backend == "auto":
            assert torch.jit.trace(rnn, x) is not None  # auto takes the kernels
            continue
        with torch.no_grad(), pytest.raises(BackendError, match=r'jit\.trace.*Trace a layer with backend="cpu"'):
            torch.jit.trace(rnn, x)


TRACES = """
import warnings
warnings.simplefilter("ignore")
import torch, wormnet
from wormnet.models import CTRNN, CfC
wiring, x = wormnet.auto_ncp(inputs=4, neurons=8, outputs=2), torch.ones(3, 5, 4)
for backend in ("cpu", "reference"):
    for options in ({}, {"mixed_memory": True}):
        m = wormnet.Recurrent(wiring, CfC() if options else CTRNN(unfolds=3), backend=backend, **options)
        expected = m(x)[0]
        for more in ({}, {"check_trace": False}, {"check_trace": False}):
            try:
                torch.jit.trace(lambda z: m(z), (x,), **more)
            except RuntimeError as error:
                assert "INTERNAL ASSERT" not in str(error) and "setposattr" not in str(error), error
            else:
                raise AssertionError("traced parameters as constants")
            try:
                torch.jit.trace(m, x)
            except RuntimeError as error:
                assert backend == "reference", error
        assert torch.equal(m(x)[0], expected)
print("alive")
"""


def test_a_trace_after_a_refused_one_neither_fails_in_torch_nor_ends_the_process():
    assert _printed(TRACES) == "alive"


# -- environment -------------------------------------------------------------------------------------------------------

INTERPRETED = """
import json, torch, wormnet
rnn = wormnet.LTC(wormnet.dense(2, 3))
y = rnn(torch.ones(2, 4, 2))[0]
y.sum().backward()
try:
    wormnet.LTC(wormnet.dense(2, 3), backend="cpu")(torch.ones(2, 4, 2))
    refused = ""
except wormnet.errors.BackendError as error:
    refused = str(error)
print(json.dumps([rnn.backend.name, rnn.backend.reason, refused, y.isfinite().all().item()]))
"""


def test_without_numbas_compiler_auto_takes_the_reference_and_says_why():
    name, reason, refused, finite = json.loads(_printed(INTERPRETED, NUMBA_DISABLE_JIT="1"))
    assert name == "reference"
    assert "not cpu: NUMBA_DISABLE_JIT is set" in reason
    assert "NUMBA_DISABLE_JIT is set" in refused
    assert finite


def _printed(code, **environment):
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip().splitlines()[-1]


# -- no samples --------------------------------------------------------------------------------------------------------


@each_layer
@each_engine
def test_no_samples_give_no_outputs_and_the_state_as_it_was_differentiable(name, backend):
    """torch.nn.LSTM refuses a sequence of no samples; where we take one, its results hang together with the rest."""
    rnn, x = layer(name, backend), torch.zeros(3, 0, 4)
    first = tuple(draw(3, 8).requires_grad_() for _ in range(len(LAYERS[name][1]) + 1))
    y, last = rnn(x, first if len(first) > 1 else first[0])
    assert y.shape == (3, 0, 2)
    assert y.requires_grad
    assert all(one.requires_grad and torch.equal(one, given) for one, given in zip(parts(last), first, strict=True))
    found = gradients(rnn, y.sum() + sum(one.sum() for one in parts(last)), *first)
    n = len(first)
    assert all((one == 0).all() for one in found[:-n])
    assert all((one == 1).all() for one in found[-n:])
    with torch.no_grad():
        assert not rnn(x)[0].requires_grad
    rnn.requires_grad_(False)
    assert not rnn(x)[0].requires_grad
    assert rnn(x.requires_grad_())[0].requires_grad


# -- denormal numbers --------------------------------------------------------------------------------------------------


def denormals_live():
    """Whether this thread, and torch's others, compute with denormal numbers."""
    tiny = torch.full((2**20,), 1e-39)
    return bool(((tiny * 0.5) > 0).all()) and bool(((tiny + tiny) > tiny).all())


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)
    torch.set_flush_denormal(False)


@each_layer
def test_a_call_leaves_the_processors_treatment_of_denormal_numbers_as_it_was(name, two_threads):
    rnn, x = layer(name), draw(70, 5, 4)
    assert denormals_live()
    rnn(x)[0].sum().backward()
    assert denormals_live()
    with torch.no_grad():
        rnn(x[:1, :1])
    assert denormals_live()
    alone = torch.full((8,), 1e-39)  # too few for another thread
    if torch.set_flush_denormal(True):
        assert ((alone * 0.5) == 0).all()
        rnn(x)[0].sum().backward()
        assert ((alone * 0.5) == 0).all()
        torch.set_flush_denormal(False)
        assert ((alone * 0.5) > 0).all()


@each_layer
def test_gradients_that_vanish_over_time_are_right_where_they_are_not_denormal(name):
    """The loss is on the last state alone, 200 samples on: adjoints fall below what float32 holds on the way."""
    rnn, x = layer(name), draw(3, 200, 4)
    other = layer(name, "reference").double()
    other.load_state_dict({key: one.double() for key, one in rnn.state_dict().items()})
    found = []
    for one, given in ((rnn, x), (other, x.double())):
        given = given.clone().requires_grad_()
        last = parts(one(given, dt=4.0)[1])[0]
        found.append(gradients(one, last.square().sum(), given))
    smallest = torch.finfo(torch.float32).tiny
    by_x = found[1][-1]
    assert bool(((by_x != 0) & (by_x.abs() < smallest)).any())  # the test is one
    for one, expected in zip(*found, strict=True):
        assert torch.isfinite(one).all()
        torch.testing.assert_close(one.double(), expected, rtol=2e-3, atol=1e-5 * float(expected.abs().max()) + 1e-37)
