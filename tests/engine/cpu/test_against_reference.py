"""The compiled kernels against the reference engine: outputs, final states and every gradient."""

import numpy as np
import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from strategies import SEEDS, wirings
from tolerances import close

import wormnet
from wormnet import Recurrent
from wormnet.engine.layout import layout_of
from wormnet.engine.program import program_named, program_of
from wormnet.engine.uniform import uniform_of
from wormnet.errors import ArgumentError
from wormnet.models import CTRNN, LTC, CfC

MODELS = [
    LTC(unfolds=1),
    LTC(unfolds=3),
    CTRNN(unfolds=1),
    CTRNN(unfolds=2),
    CfC(),
    CfC(mode="pure"),
    CfC(mode="no_gate"),
]
BATCHES = [1, 3, 15, 16, 17, 63, 65]
DTYPES = [torch.float64, torch.float32]
# To compile a program takes its time, so all run in one dtype and a few in the other.
RUNS = st.one_of(
    st.tuples(st.sampled_from(MODELS), st.just(torch.float32)),
    st.tuples(st.sampled_from(MODELS[:2]), st.just(torch.float64)),
)
pytestmark = pytest.mark.filterwarnings("ignore::wormnet.errors.BlindOutputWarning")  # drawn wirings have blind outputs


@pytest.fixture(autouse=True)
def _empty_memory_is_filled_with_nan():
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


class Case:
    """A layer's parameters and a call, drawn from a seed; each engine starts from its own copies of them."""

    def __init__(self, wiring, model, batch, time, seed, *, dtype=torch.float32, lengths=True, dt=None):
        self.wiring, self.model, self.dtype = wiring, model, dtype
        self.random = random = np.random.default_rng(seed)
        torch.manual_seed(seed % 2**31)
        layer = Recurrent(wiring, model, dtype=torch.float64, backend="reference")
        self.numbers = {name: value.detach() for name, value in layer.values().items()}
        for name in self.numbers:
            # Around the start's range, so that no parameter hides behind a zero or a one.
            noise = torch.as_tensor(random.uniform(0.8, 1.2, self.numbers[name].shape))
            self.numbers[name] = (self.numbers[name].clamp(-3, 3) * noise).to(dtype)
        self.numbers["x"] = torch.as_tensor(random.normal(size=(batch, time, wiring.n_inputs))).to(dtype)
        self.numbers["v0"] = torch.as_tensor(random.normal(size=(batch, wiring.n_neurons)) * 0.5).to(dtype)
        times = random.uniform(0.05, 1.5, (batch, time)) if dt is None else np.full((batch, time), dt)
        self.numbers["dt"] = torch.as_tensor(times).to(dtype)
        self.lengths = torch.as_tensor(random.integers(0, time + 1, batch)) if lengths else None
        self.g = {}

    def run(self, backend, *, frozen=(), **options):
        """Outputs and gradients by name. Both engines get the same gradients of outputs."""
        layer = Recurrent(self.wiring, self.model, dtype=self.dtype, backend=backend, **options)
        assert layer.backend.name == backend
        leaves = {name: value.clone().requires_grad_(name not in frozen) for name, value in self.numbers.items()}
        p = {name: leaf for name, leaf in leaves.items() if name not in ("x", "v0", "dt")}
        layer.values = lambda: p
        y, last = layer(leaves["x"], leaves["v0"], leaves["dt"], self.lengths)
        results = {"y": y, "last": last}
        total = 0.0
        for name, value in results.items():
            if name not in self.g:
                self.g[name] = torch.as_tensor(self.random.normal(size=value.shape)).to(self.dtype)
            total = total + (value * self.g[name]).sum()
        wanted = {name: leaf for name, leaf in leaves.items() if leaf.requires_grad}
        found = torch.autograd.grad(total, list(wanted.values()), allow_unused=True)
        for (name, leaf), gradient in zip(wanted.items(), found, strict=True):
            results[f"gradient of {name}"] = torch.zeros_like(leaf) if gradient is None else gradient
        return {name: value.detach() for name, value in results.items()}


def assert_same(got, expected, dtype):
    assert got.keys() == expected.keys()
    for name, value in expected.items():
        try:
            close(got[name], value.to(dtype), backend="cpu", gradient=name.startswith("gradient"))
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from None


@settings(max_examples=80, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(wirings(), RUNS, st.sampled_from(BATCHES), st.integers(0, 5), SEEDS, st.booleans())
def test_outputs_and_all_gradients_are_those_of_the_reference(wiring, run, batch, time, seed, lengths):
    model, dtype = run
    case = Case(wiring, model, batch, time, seed, dtype=dtype, lengths=lengths)
    assert_same(case.run("cpu"), case.run("reference"), dtype)


# Each mode, activation and number of layers at least once.
BACKBONES = [
    ("default", 1, "lecun_tanh", torch.float32),
    ("pure", 2, "tanh", torch.float32),
    ("no_gate", 3, "silu", torch.float32),
    ("default", 2, "relu", torch.float32),
    ("default", 2, "lecun_tanh", torch.float32),
    ("no_gate", 1, "gelu", torch.float32),
    ("default", 2, "lecun_tanh", torch.float64),
]


@pytest.mark.parametrize(("mode", "layers", "activation", "dtype"), BACKBONES)
@settings(max_examples=12, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(
    st.integers(0, 5), st.integers(1, 7), st.integers(1, 9), st.sampled_from(BATCHES), st.integers(0, 19), SEEDS,
    st.booleans(),
)  # fmt: skip
def test_a_backbone_is_computed_like_the_reference(
    mode, layers, activation, dtype, inputs, neurons, units, batch, time, seed, anew
):
    model = CfC(mode=mode, backbone_layers=layers, backbone_units=units, backbone_activation=activation)
    case = Case(wormnet.dense(inputs, neurons), model, batch, time, seed, dtype=dtype)
    assert_same(case.run("cpu", checkpoint=anew), case.run("reference"), dtype)


# Whole tiles of rows, sources and samples; one more than that; one less.
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(
    ("inputs", "neurons", "units", "time"), [(32, 64, 128, 16), (8, 9, 33, 9), (10, 21, 31, 7)], ids=str
)
def test_a_wide_backbone_is_computed_like_the_reference(inputs, neurons, units, time, dtype):
    model = CfC(backbone_layers=2, backbone_units=units)
    case = Case(wormnet.dense(inputs, neurons), model, 17, time, 0, dtype=dtype)
    assert_same(case.run("cpu"), case.run("reference"), dtype)


@pytest.mark.parametrize("model", [LTC(unfolds=1), CfC()], ids=str)
@pytest.mark.parametrize("batch", [18, 300])  # the map of inputs has a backward pass of its own for many
@pytest.mark.parametrize("checkpoint", [False, True])
def test_nothing_that_stands_in_the_padding_reaches_a_result(model, batch, checkpoint):
    layer = Recurrent(wormnet.auto_ncp(inputs=7, neurons=12, outputs=2), model, backend="cpu", checkpoint=checkpoint)
    generator = torch.Generator().manual_seed(0)
    given, lengths = torch.randn(batch, 20, 7, generator=generator), torch.randint(0, 21, (batch,), generator=generator)
    past = (torch.arange(20) >= lengths[:, None])[:, :, None]
    expected = None
    for fill in (0.0, 1e30, float("nan"), float("inf")):
        x = given.masked_fill(past, fill).requires_grad_()
        y, last = layer(x, None, 0.7, lengths)
        weighted = (y * y).sum() + last.sum()
        found = [y.detach(), last.detach(), *torch.autograd.grad(weighted, [x, *layer.parameters()])]
        expected = expected or found
        assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))
        assert not found[2].masked_select(past).any()


@pytest.mark.parametrize(("mode", "layers", "dtype"), [("default", 1, torch.float32), ("no_gate", 2, torch.float64)])
def test_samples_that_last_equally_long_are_computed_like_the_reference(mode, layers, dtype, monkeypatch):
    """One number for dt makes one head of the gate's two; the reference computes both, for every sample."""
    calls, uniform = [], CfC.uniform_coefficients
    model = CfC(mode=mode, backbone_layers=layers, backbone_units=9, fixed_zeros=True)
    wormnet.Recurrent(wormnet.dense(3, 5), model)  # a model's first layer proves it
    monkeypatch.setattr(CfC, "uniform_coefficients", lambda *given: calls.append(given) or uniform(*given))
    case = Case(wormnet.dense(3, 5), model, 17, 16, 0, dtype=dtype)
    case.numbers["g_weight"][0, :4] = 0.0
    of_each, case.numbers["dt"] = case.numbers["dt"], torch.tensor(0.7, dtype=dtype)
    expected = case.run("reference")
    assert not calls
    assert_same(case.run("cpu", time_unit=2.0), case.run("reference", time_unit=2.0), dtype)
    assert_same(case.run("cpu", checkpoint=True), expected, dtype)
    assert len(calls) == 2
    case.numbers["dt"] = of_each
    assert_same(case.run("cpu"), case.run("reference"), dtype)
    assert len(calls) == 2


def test_a_program_of_samples_that_last_equally_long_is_found_by_its_name(monkeypatch):
    def found(model):
        return uniform_of(layout_of(program_of(model), wormnet.dense(2, 3)), model)

    program = found(CfC(backbone_layers=1))
    assert program is not None
    monkeypatch.setattr(wormnet.engine.program, "_BY_NAME", {})
    monkeypatch.setattr(wormnet.engine.program, "_BY_MODEL", {})
    assert program_named(program.name).code == program.code != program_of(program.model).code
    assert found(CfC(mode="pure", backbone_layers=1)) is found(CfC()) is None


@pytest.mark.parametrize("memory", [False, True])
def test_a_model_that_computes_something_else_where_dt_is_one_number_is_refused_when_a_layer_is_built(memory):
    class Late(CfC):
        name = "late CfC of a test"

        def uniform_coefficients(self, p, dt):
            return super().uniform_coefficients(p, dt + 0.5)

    with pytest.raises(ArgumentError, match=r"late CfC of a test: uniform_updates .* take v to .* at dt=0\.3, where"):
        Recurrent(wormnet.dense(3, 5), Late(backbone_layers=1), backend="cpu", mixed_memory=memory)
    Recurrent(wormnet.dense(3, 5), Late(backbone_layers=1), backend="reference")  # which has no use for it

    # As where a cell of a notebook is changed and run again: another class with the same name and updates.
    class Right(CfC):
        name = Late.name

    layer = Recurrent(wormnet.dense(3, 5), Right(backbone_layers=1), backend="cpu", mixed_memory=memory)
    assert layer(torch.randn(64, 32, 3), dt=0.7)[0].isfinite().all()
    with pytest.raises(ArgumentError, match="late CfC of a test: uniform_updates"):
        Recurrent(wormnet.dense(3, 5), Late(backbone_layers=1), backend="cpu", mixed_memory=memory)
    Recurrent(wormnet.dense(3, 5), Late(backbone_layers=0))


@pytest.mark.parametrize("given", [{}, None, "float32", "raise"])
def test_uniform_coefficients_that_fail_are_named_where_a_layer_is_built(given):
    class Failing(CfC):
        name = f"failing CfC of a test, {given}"

        def uniform_coefficients(self, p, dt):
            if given == "raise":
                raise ZeroDivisionError("of one's own")
            found = super().uniform_coefficients(p, dt)
            return {k: v.float() for k, v in found.items()} if given == "float32" else given

    with pytest.raises(ArgumentError, match=r"failing CfC of a test, .*: uniform_updates or uniform_coeff"):
        Recurrent(wormnet.dense(3, 5), Failing(backbone_layers=1), backend="cpu")


@settings(max_examples=25, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(wirings(), st.sampled_from(MODELS), st.integers(1, 20), st.integers(0, 9), SEEDS)
def test_computing_states_anew_gives_the_same_results(wiring, model, batch, time, seed):
    case = Case(wiring, model, batch, time, seed)
    kept, anew = case.run("cpu"), case.run("cpu", checkpoint=True)
    # Products and sums are fused in another way where samples are computed within the backward pass.
    assert_same(anew, kept, torch.float32)


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_a_network_of_302_neurons_is_computed_like_the_reference(model):
    wiring = wormnet.random(inputs=20, neurons=302, outputs=10, sparsity=0.97)
    case = Case(wiring, model, 17, 6, 0)
    assert_same(case.run("cpu"), case.run("reference"), torch.float32)


@pytest.mark.parametrize(
    "model", [LTC(unfolds=2), CTRNN(unfolds=2), CfC(), CfC(mode="pure"), CfC(backbone_layers=1)], ids=str
)
@pytest.mark.parametrize("frozen", ["x", "dt", "x and dt", "v0", "parameters", "all but x", "all but dt"])
def test_what_is_frozen_gets_no_gradient_and_changes_no_other(model, frozen):
    backbone = getattr(model, "backbone_layers", 0)
    wiring = wormnet.dense(4, 8) if backbone else wormnet.auto_ncp(inputs=4, neurons=8, outputs=2)
    case = Case(wiring, model, 5, 4, 1)
    parameters = [name for name in case.numbers if name not in ("x", "v0", "dt")]
    names = {
        "parameters": parameters,
        "x and dt": ["x", "dt"],
        "all but x": [*parameters, "v0", "dt"],
        "all but dt": [*parameters, "v0", "x"],
    }.get(frozen, [frozen])
    got, expected = case.run("cpu", frozen=names), case.run("reference", frozen=names)
    assert not any(f"gradient of {name}" in got for name in names)
    assert_same(got, expected, torch.float32)


@pytest.mark.parametrize("dt", [1e-6, 1e6])
@pytest.mark.parametrize("slope", [1e-6, 1e-3, 1e3, -1e3, 1e6, -1e6])
def test_extreme_slopes_and_times_are_computed_like_the_reference(dt, slope):
    wiring = wormnet.auto_ncp(inputs=4, neurons=9, outputs=3, seed=1)
    for dtype in DTYPES:
        case = Case(wiring, LTC(unfolds=4), 19, 5, 2, dtype=dtype, dt=dt)
        case.numbers["slope"] = torch.full_like(case.numbers["slope"], slope)
        got, expected = case.run("cpu"), case.run("reference")
        low = torch.stack([case.numbers[name].min() for name in ("v0", "v_leak", "reversal")]).min()
        high = torch.stack([case.numbers[name].max() for name in ("v0", "v_leak", "reversal")]).max()
        slack = 4 * torch.finfo(dtype).eps
        assert bool((got["last"] >= low - slack).all())
        assert bool((got["last"] <= high + slack).all())
        if dtype == torch.float64:
            assert_same(got, expected, dtype)


@pytest.mark.parametrize(
    ("model", "dtype"),
    [
        *((model, torch.float32) for model in (*MODELS, CfC(backbone_layers=1, backbone_units=11))),
        *((model, torch.float64) for model in (MODELS[1], CfC(backbone_layers=2, backbone_units=11))),
    ],
    ids=str,
)
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_nan_and_infinity_in_one_sequence_come_out_as_in_the_reference_and_stay_in_it(model, bad, dtype):
    case = Case(wormnet.dense(3, 4), model, 18, 4, 3, dtype=dtype, lengths=False)
    case.numbers["x"][5, 1, 2] = bad
    got, expected = case.run("cpu"), case.run("reference")
    for name in ("y", "last", "gradient of x", "gradient of v0"):
        others = torch.arange(18) != 5
        close(got[name][others], expected[name][others], backend="cpu", gradient=name.startswith("gradient"))
        assert torch.equal(torch.isnan(got[name][5]), torch.isnan(expected[name][5])), name
        finite = torch.isfinite(expected[name][5])
        assert torch.equal(torch.isinf(got[name][5]), torch.isinf(expected[name][5])), name
        relative = 1e-10 if dtype == torch.float64 else 1e-4
        torch.testing.assert_close(got[name][5][finite], expected[name][5][finite], rtol=relative, atol=relative)


@pytest.mark.parametrize("model", [LTC(unfolds=3), CTRNN(), CfC()], ids=lambda model: model.name)
def test_tensors_that_lie_anyhow_in_memory_are_read_right(model):
    rnn = Recurrent(wormnet.auto_ncp(inputs=4, neurons=8, outputs=2), model, backend="cpu")
    x = torch.randn(4, 6, 5).permute(2, 1, 0)
    same = torch.randn(1, 1, 4).expand(5, 6, 4)
    dt = torch.rand(6, 5).T + 0.1
    state = torch.randn(8, 5).T
    for given_x, given_dt in ((x, dt), (same, dt), (x[:, ::2], dt[:, ::2]), (x.flip(1), 0.5)):
        plain = given_dt if isinstance(given_dt, float) else given_dt.contiguous()
        contiguous = rnn(given_x.contiguous(), state.contiguous(), plain)
        for one, other in zip(rnn(given_x, state, given_dt), contiguous, strict=True):
            assert torch.equal(one, other)


def test_views_that_are_negated_only_when_they_are_read_are_read_so():
    """torch keeps the imaginary part of a conjugate as the numbers of before, and a bit."""
    rnn = Recurrent(wormnet.auto_ncp(inputs=4, neurons=8, outputs=2), LTC(unfolds=3), backend="cpu")
    for shape in ((5, 7, 4), (1, 1, 4)):
        x = torch.randn(shape, dtype=torch.complex64).conj().imag
        assert x.is_neg()
        assert torch.equal(rnn(x)[0], rnn(x.resolve_neg())[0])
        y, _ = rnn(x)
        g = torch.randn(*y.shape, dtype=torch.complex64).conj().imag
        found = [torch.autograd.grad(y, rnn.slope, by, retain_graph=True)[0] for by in (g, g.resolve_neg())]
        assert torch.equal(*found)


def test_a_parameter_of_another_type_is_computed_in_that_of_the_inputs():
    rnn = Recurrent(wormnet.auto_ncp(inputs=4, neurons=8, outputs=2), LTC(unfolds=3), backend="cpu")
    x = torch.randn(5, 7, 4)
    y, _ = rnn(x)
    g = torch.autograd.grad(y.sum(), rnn.slope)[0]
    rnn.slope = torch.nn.Parameter(rnn.slope.detach().double())
    again, _ = rnn(x)
    assert torch.equal(again, y)
    torch.testing.assert_close(torch.autograd.grad(again.sum(), rnn.slope)[0], g.double(), rtol=0, atol=0)


@pytest.mark.parametrize("solver", ["euler", "rk4"])
@pytest.mark.parametrize("lengths", [None, [40, 3, 17]])
def test_lanes_without_a_sequence_stay_finite_where_a_solver_is_stable_for_short_samples_only(solver, lengths):
    """A NaN in such a lane would reach all gradients, since they are sums over lanes."""
    layer = wormnet.LTC(wormnet.auto_ncp(inputs=2, neurons=12, outputs=2, seed=0), solver=solver, backend="cpu")
    layer.set_values(leak=300.0)
    x = torch.randn(3, 40, 2)
    y, _ = layer(x, None, 0.001, None if lengths is None else torch.tensor(lengths))
    y.sum().backward()
    assert all(torch.isfinite(one.grad).all() for one in layer.parameters())


@pytest.mark.parametrize(
    "make", [wormnet.LTC, lambda *a, **o: wormnet.MixedMemory(*a, "cfc", **o)], ids=["ltc", "mixed"]
)
@pytest.mark.parametrize("checkpoint", [False, True])
def test_sequences_that_share_lanes_keep_their_states_starts_and_gradients_apart(make, checkpoint):
    """Forty sequences in sixteen or thirty-two lanes, each with a state to begin with and one that its starts set."""
    batch, time, found = 40, 9, []
    random = torch.Generator().manual_seed(0)
    lengths = torch.randint(0, time + 1, (batch,), generator=random)
    starts = torch.rand(batch, time, generator=random) < 0.2
    wiring = wormnet.auto_ncp(inputs=3, neurons=12, outputs=2, seed=0)
    x, dt = torch.randn(batch, time, 3, generator=random), torch.rand(batch, time, generator=random) + 0.1
    before, anew = (torch.randn(3, batch, 12, generator=random) for _ in range(2))
    for backend in ("cpu", "reference"):
        torch.manual_seed(0)
        layer = make(wiring, backend=backend, checkpoint=checkpoint and backend == "cpu")
        leaves = [one.clone().requires_grad_() for one in (x, dt, before, anew)]
        n = len(layer._state_names)
        state, initial = (tuple(one[:n]) if n > 1 else one[0] for one in leaves[2:])
        y, last = layer(leaves[0], state, leaves[1], lengths, starts=starts, initial=initial)
        ends = torch.stack(last) if n > 1 else last
        weights = [torch.randn(one.shape, generator=torch.Generator().manual_seed(1)) for one in (y, ends)]
        total = (y * weights[0]).sum() + (ends * weights[1]).sum()
        gradients = torch.autograd.grad(total, [*leaves, *layer.parameters()])
        names = ["x", "dt", "state", "initial", *(name for name, _ in layer.named_parameters())]
        found.append({"y": y.detach(), "last": ends.detach()})
        found[-1] |= {f"gradient of {name}": one for name, one in zip(names, gradients, strict=True)}
    assert_same(*found, torch.float32)
