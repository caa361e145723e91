"""The kernels as operators: what torch asks of them, and where they must refuse."""

import copy
import io
import pickle

import pytest
import torch
from tolerances import close
from torch._subclasses import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx

import wormnet
from wormnet.engine.cpu.launch import encode
from wormnet.engine.dispatch import choose
from wormnet.engine.layout import layout_of
from wormnet.engine.program import program_of
from wormnet.errors import ArgumentError, BackendError
from wormnet.models import CTRNN, LTC, CfC

WIRING = wormnet.auto_ncp(inputs=4, neurons=8, outputs=2)
MODELS = [LTC(unfolds=3), CTRNN(unfolds=3), CfC()]
each_model = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)


def layer(model, **options):
    torch.manual_seed(0)
    return wormnet.Recurrent(WIRING, model, **{"backend": "cpu", **options})


def gradients(rnn, y):
    rnn.zero_grad()
    y.square().sum().backward()
    return {name: p.grad.clone() for name, p in rnn.named_parameters()}


@each_model
@pytest.mark.parametrize("span", [-1, 2, 5])
@pytest.mark.parametrize("lengths", [None, torch.tensor([5, 0, 2])])
@pytest.mark.parametrize("anew", [False, True])
def test_the_operators_keep_torchs_rules(model, span, lengths, anew):
    # Without a history, span -1, there is no backward pass.
    layout = layout_of(program_of(model), WIRING)
    tables, sizes = encode(layout, torch.device("cpu"))
    rnn = layer(model)
    p = layout.pack(rnn._coefficients(rnn.values())).detach()
    given = [p, torch.randn(3, 5, 4), torch.rand(3, 5) + 0.1, torch.randn(1, 3, 8), torch.randn(1, 3, 8)]
    p, x, dt, state, initial = (one.requires_grad_(span != -1) for one in given)
    starts = torch.rand(3, 5) < 0.3 if anew else None
    keep = torch.tensor([7, 0])
    torch.library.opcheck(
        torch.ops.wormnet.forward.default,
        (
            *(p, tables, sizes, x, dt, lengths, starts, state, initial if anew else None, None, keep),
            *(layout.program.name, span),
        ),
        test_utils=("test_schema", "test_autograd_registration", "test_faketensor"),
    )


@each_model
def test_a_layer_compiles_into_one_graph_with_the_same_gradients(model):
    torch.compiler.reset()
    rnn = layer(model)
    compiled = torch.compile(rnn, fullgraph=True, backend="aot_eager")
    x, dt, lengths = torch.randn(5, 6, 4), torch.rand(5, 6) + 0.1, torch.tensor([6, 0, 3, 1, 6])
    for given in ((x, None, None, None), (x, torch.randn(5, 8), dt, lengths)):
        y, last = compiled(*given)
        expected, expected_last = rnn(*given)
        close(y, expected, backend="cpu")
        close(last, expected_last, backend="cpu")
        for one, other in zip(gradients(rnn, y).values(), gradients(rnn, expected).values(), strict=True):
            close(one, other, backend="cpu", gradient=True)


@each_model
def test_an_exported_layer_computes_the_same_after_saving(model):
    rnn, x = layer(model).eval(), torch.randn(5, 6, 4)
    file = io.BytesIO()
    torch.export.save(torch.export.export(rnn, (x,)), file)
    file.seek(0)
    again = torch.export.load(file).module()
    for one, other in zip(again(x), rnn(x), strict=True):
        close(one, other.detach(), backend="cpu")


@each_model
def test_gradients_by_function_transforms_are_those_of_backward(model):
    rnn, x = layer(model, dtype=torch.float64), torch.randn(5, 6, 4).double()

    def loss(p, x):
        return torch.func.functional_call(rnn, p, (x,))[0].square().sum()

    p = dict(rnn.named_parameters())
    found = torch.func.grad(loss)(p, x)
    for name, expected in gradients(rnn, rnn(x)[0]).items():
        close(found[name], expected, backend="cpu", gradient=True)
    one_by_one = torch.func.vmap(torch.func.grad(loss), (None, 0))(p, x[:, None])
    for name, expected in found.items():
        close(one_by_one[name].sum(0), expected, backend="cpu", gradient=True)


@each_model
def test_an_ensemble_of_stacked_parameters_has_the_gradients_of_each_of_its_layers(model):
    layers = [wormnet.Recurrent(WIRING, model, backend="cpu", dtype=torch.float64) for _ in range(3)]
    x = torch.ones(5, 6, 4).double()
    stacked, _ = torch.func.stack_module_state(layers)
    stacked = {name: one.detach().requires_grad_() for name, one in stacked.items()}

    def loss(p):
        return torch.func.functional_call(layers[0], p, (x,))[0].square().sum()

    torch.func.vmap(loss)(stacked).sum().backward()
    transformed = torch.func.grad(lambda p: torch.func.vmap(loss)(p).sum())(stacked)
    for i, rnn in enumerate(layers):
        for name, expected in gradients(rnn, rnn(x)[0]).items():
            close(stacked[name].grad[i], expected, backend="cpu", gradient=True)
            close(transformed[name][i], expected, backend="cpu", gradient=True)


@each_model
def test_what_was_exported_without_gradients_says_so_when_they_are_asked_for(model):
    rnn, x = layer(model), torch.randn(5, 6, 4)
    with torch.no_grad():
        exported = torch.export.export(rnn, (x,)).module()
    with pytest.raises(BackendError, match=r"without gradients.*export with gradients enabled"):
        exported(x)[0].sum().backward()


@each_model
@pytest.mark.filterwarnings("ignore:`torch.jit.:DeprecationWarning", "ignore::torch.jit.TracerWarning")
def test_whoever_follows_operators_sees_the_kernels(model):
    rnn, x = layer(model), torch.randn(5, 6, 4)
    other = torch.randn(5, 6, 4)
    with torch.no_grad():
        graph = make_fx(lambda x: rnn(x)[0])(x)
        traced = torch.jit.trace(rnn, x)
        close(graph(other), rnn(other)[0], backend="cpu")
        close(traced(other)[0], rnn(other)[0], backend="cpu")
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        assert rnn(mode.from_tensor(x))[0].shape == (5, 6, 2)


@each_model
@pytest.mark.filterwarnings("ignore:`torch.jit.:DeprecationWarning")
def test_forward_derivatives_are_refused_not_lost(model):
    rnn, x = layer(model), torch.randn(5, 6, 4)
    for gradients in (False, True):
        with torch.set_grad_enabled(gradients), torch.autograd.forward_ad.dual_level():
            assert rnn(x)[0].shape == (5, 6, 2)
            with pytest.raises(BackendError, match=r'no forward derivatives.*backend="reference"'):
                rnn(torch.autograd.forward_ad.make_dual(x, torch.ones_like(x)))


@each_model
def test_a_default_device_is_not_where_a_layer_computes(model):
    rnn, x = wormnet.Recurrent(wormnet.dense(4, 3), model, backend="cpu"), torch.randn(5, 6, 4)
    expected = rnn(x)[0]
    with torch.device("meta"):
        found, grown = rnn(x)[0], rnn.trace(x)
    assert torch.equal(found, expected)
    assert torch.equal(grown, expected)


@each_model
def test_lengths_that_a_traced_call_cannot_check_reach_no_memory_past_the_samples(model):
    torch.compiler.reset()
    rnn, x = layer(model), torch.randn(4, 5, 4)
    compiled = torch.compile(rnn, fullgraph=True, backend="aot_eager")
    y, last = compiled(x, lengths=torch.tensor([5, 2, 4000, -7]))
    expected, expected_last = rnn(x, lengths=torch.tensor([5, 2, 5, 0]))
    assert torch.equal(y, expected)
    assert torch.equal(last, expected_last)


@each_model
def test_a_gradient_has_no_gradient_and_the_error_says_what_to_do(model):
    rnn = layer(model)
    x = torch.randn(2, 3, 4, requires_grad=True)
    (g,) = torch.autograd.grad(rnn(x)[0].square().sum(), x, create_graph=True)
    with pytest.raises(BackendError, match=r'first derivatives only.*backend="reference"'):
        g.sum().backward()


@each_model
@pytest.mark.parametrize("way", [copy.deepcopy, lambda rnn: pickle.loads(pickle.dumps(rnn))], ids=["copy", "pickle"])
def test_copies_run_on_the_same_back_end(model, way):
    rnn, x = layer(model), torch.randn(3, 5, 4)
    twin = way(rnn)
    assert twin.backend == rnn.backend
    assert torch.equal(twin(x)[0], rnn(x)[0])


@pytest.mark.parametrize(
    ("dtype", "variable", "reason"),
    [
        (torch.complex64, None, "it takes a floating dtype, not torch.complex64"),
        (torch.float32, "NUMBA_DISABLE_JIT", "NUMBA_DISABLE_JIT is set"),
    ],
    ids=["dtype", "interpreter"],
)
def test_a_named_back_end_never_falls_back_and_auto_says_why_it_does(dtype, variable, reason, monkeypatch):
    if variable:
        monkeypatch.setenv(variable, "1")
    layout = layout_of(program_of(MODELS[0]), WIRING)
    with pytest.raises(BackendError, match=f'not cpu: .*{reason}.*Use backend="auto"'):
        choose("cpu", layout, torch.device("cpu"), dtype)
    auto = choose("auto", layout, torch.device("cpu"), dtype)
    assert auto.name == "reference"
    assert reason in auto.reason


@pytest.mark.parametrize(
    ("model", "options"),
    [
        (LTC(solver="rk4"), {}),
        (CTRNN(solver="euler"), {}),
        (LTC(), {"mixed_memory": True}),
        (CfC(backbone_layers=1, backbone_activation="gelu"), {}),
        (CfC(backbone_layers=1, backbone_dropout=0.5), {}),
    ],
)
def test_the_kernels_take_every_solver_activation_memory_and_dropout(model, options):
    wiring = wormnet.dense(4, 8) if isinstance(model, CfC) else WIRING
    assert wormnet.Recurrent(wiring, model, **options).backend.name == "cpu"


def test_dropout_acts_in_training_only_and_in_gradients_too():
    """One hidden layer and one sample: both engines then draw the same units from one seed."""
    model, x, found = CfC(backbone_layers=1, backbone_units=64, backbone_dropout=0.5), torch.randn(20, 1, 4), {}
    for backend in ("cpu", "reference"):
        torch.manual_seed(0)
        rnn = wormnet.Recurrent(wormnet.dense(4, 8), model, backend=backend)
        torch.manual_seed(1)
        y = rnn(x)[0]
        assert not torch.equal(rnn(x)[0], y)
        found[backend] = [y, *gradients(rnn, y).values()]
        rnn.eval()
        found[backend].append(rnn(x)[0])
        assert torch.equal(rnn(x)[0], found[backend][-1])
    for one, other in zip(found["cpu"], found["reference"], strict=True):
        close(one.detach(), other.detach(), backend="cpu", gradient=True)


def test_auto_takes_the_kernels_where_they_can_run():
    assert str(layer(LTC(), backend="auto").backend) == "cpu: the layer is on cpu, in torch.float32"


def test_only_the_kernels_compute_states_anew(monkeypatch):
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    for backend in ("reference", "auto"):
        with pytest.raises(BackendError, match=r"checkpoint=True.*checkpoint=False"):
            layer(LTC(), checkpoint=True, backend=backend)(torch.randn(1, 1, 4))
    with pytest.raises(ArgumentError, match="checkpoint"):
        layer(LTC(), checkpoint="yes")


@each_model
def test_history_grows_with_time_and_checkpointed_with_its_root(model):
    def elements(time, **options):
        saved = []
        rnn = layer(model, **options)
        with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t) or t, lambda t: t):
            rnn(torch.zeros(16, time, 4))[0].sum()
        # What is kept of the inputs is the caller's own.
        return sum(t.numel() for t in saved if t.dim() == 1 and t.numel() > 8 * 16)

    whole, rooted = [elements(time) for time in (25, 100)], [elements(time, checkpoint=True) for time in (25, 100)]
    assert whole[1] == pytest.approx(4 * whole[0], rel=0.05)
    assert rooted[1] == pytest.approx(2 * rooted[0], rel=0.35)
    assert rooted[1] < whole[1] / 5


@pytest.mark.parametrize("model", ["cfc", "ltc"])
def test_a_checkpoint_of_a_layer_without_inputs_keeps_its_initial_state_while_dt_takes_gradients(model):
    x, state = torch.zeros(1, 9, 0, dtype=torch.float64), torch.full((1, 3), 0.8, dtype=torch.float64)
    starts = torch.arange(9)[None] == 4
    found = []
    for options in ({"backend": "reference"}, {"backend": "cpu"}, {"backend": "cpu", "checkpoint": True}):
        torch.manual_seed(0)
        rnn = wormnet.Recurrent(wormnet.dense(0, 3), model, dtype=torch.float64, **options)
        dt, initial = torch.ones(1, 9, dtype=torch.float64, requires_grad=True), state.clone().requires_grad_()
        y, _ = rnn(x, state, dt, starts=starts, initial=initial)
        found.append(
            torch.autograd.grad(
                y.square().sum(), [dt, initial, *rnn.parameters()], materialize_grads=True, allow_unused=True
            )
        )
    for one in found[1:]:
        for got, expected in zip(one, found[0], strict=True):
            torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-11)
