"""What Triton makes of the kernels for cards that need not be there: the launches of real calls, compiled."""

import re
from types import SimpleNamespace

import pytest
import torch

from wormnet import Recurrent, Wiring, dense
from wormnet.models import CTRNN, LTC, CfC
from wormnet.wiring import CHEMICAL, CURRENT, GAP

triton = pytest.importorskip("triton", reason="triton is not installed")
if triton.knobs.runtime.interpret:
    pytest.skip("Triton's interpreter compiles nothing", allow_module_level=True)

from triton.backends.compiler import GPUTarget  # noqa: E402
from triton.compiler import ASTSource  # noqa: E402

from wormnet.kernels.gpu import cfc, cfc_backbone, samples, sequence  # noqa: E402
from wormnet.kernels.gpu.engine import _lanes, engine_of  # noqa: E402

KERNELS = {
    "forward": sequence,
    "backward": sequence,
    "from_inputs": samples,
    "neuron_sums": samples,
    "edge_sums": samples,
    "to_inputs": samples,
}
CFC_KERNELS = {"cfc_forward": cfc, "cfc_backward": cfc, "edge_sums": samples}
BACKBONE_KERNELS = {"backbone_forward": cfc_backbone, "backbone_backward": cfc_backbone}
TYPES = {torch.float32: "*fp32", torch.float64: "*fp64", torch.int32: "*i32", torch.int64: "*i64"}
WIRING = Wiring(
    2,
    40,
    outputs=[1, 0],
    pre=[*range(42), 3, 0, 1],
    post=[2] * 42 + [4, 2, 3],
    kind=[CHEMICAL] * 42 + [GAP, CURRENT, GAP],
)


class Recorder:
    def __init__(self, kernel, launches):
        self.kernel, self.launches = kernel, launches

    def __getitem__(self, grid):
        return lambda *args, **kwargs: self.launches.append((self.kernel, args, kwargs))


DENSE = dense(2, 40)
BACKBONE = CfC(backbone_layers=2)


def kernels_of(model):
    if not isinstance(model, CfC):
        return KERNELS
    return BACKBONE_KERNELS if model.backbone_layers else CFC_KERNELS


def launches_of_a_training_step(monkeypatch, model, dtype, lanes, *, wiring=None, batch=3, time=2, simple=False):
    launches, wiring = [], wiring or (DENSE if kernels_of(model) is BACKBONE_KERNELS else WIRING)
    with monkeypatch.context() as patch:
        for name, module in {**KERNELS, **CFC_KERNELS, **BACKBONE_KERNELS}.items():
            patch.setattr(module, name, Recorder(getattr(module, name), launches))
        x = torch.zeros(batch, time, wiring.n_inputs, dtype=dtype, requires_grad=True)
        dt = torch.ones(1, 1, dtype=dtype) if simple else torch.ones(batch, time, dtype=dtype, requires_grad=True)
        lengths = None if simple else torch.arange(batch) % (time + 1)
        values = Recurrent(wiring, model, dtype=dtype).values()
        v0 = torch.zeros(batch, wiring.n_neurons, dtype=dtype)
        kept, _ = engine_of(model, wiring, x.device, lanes=lanes)(model, wiring, values, x, dt, lengths, v0, None)
        kept.sum().backward()
    return launches


def compiled_for(launch, capability):
    """As the launch would compile it: whole numbers that are 1 are constants, as Triton has it."""
    kernel, args, kwargs = launch
    options = {"num_warps": kwargs["num_warps"]}
    given = {**dict(zip(kernel.arg_names, args, strict=False)), **kwargs}
    signature, constants = {}, {}
    for param in kernel.params:
        value = given[param.name]
        if param.is_constexpr or (isinstance(value, int) and value == 1):
            signature[param.name], constants[param.name] = "constexpr", value
        else:
            signature[param.name] = TYPES[value.dtype] if isinstance(value, torch.Tensor) else "i32"
    target = GPUTarget("cuda", capability, 32)
    compiled = triton.compile(ASTSource(kernel, signature, constants), target=target, options=options)
    assert compiled.asm["cubin"]
    return compiled


def ptx_of(launch, capability):
    return compiled_for(launch, capability).asm["ptx"]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))


@pytest.mark.parametrize("capability", [80, 90, 120])
@pytest.mark.parametrize(
    ("model", "dtype", "lanes"),
    [
        (LTC(), torch.float32, 1),
        (CTRNN(), torch.float64, 4),
        (CfC(), torch.float32, 4),
        (CfC(mode="pure"), torch.float64, 1),
        (BACKBONE, torch.float32, 16),
        (BACKBONE, torch.float64, 4),
        (CfC(mode="pure", backbone_layers=1, backbone_activation="silu"), torch.float32, 1),
    ],
    ids=["ltc-32", "ctrnn-64", "cfc-32", "cfc-pure-64", "backbone-32", "backbone-64", "backbone-pure-32"],
)
def test_every_launch_of_a_training_step_compiles_for_the_card(model, dtype, lanes, capability, monkeypatch):
    launches = launches_of_a_training_step(monkeypatch, model, dtype, lanes)
    assert {kernel.__name__ for kernel, _, _ in launches} == set(kernels_of(model))
    for launch in launches:
        assert re.search(rf"\.target sm_{capability}", ptx_of(launch, capability))


@pytest.mark.parametrize("model", [LTC(), CTRNN()], ids=["ltc", "ctrnn"])
def test_a_pass_is_a_fixed_number_of_launches_whatever_its_length(model, monkeypatch):
    launched = [
        [kernel.__name__ for kernel, _, _ in launches_of_a_training_step(monkeypatch, model, torch.float32, 1)]
        for model in (model, type(model)(unfolds=50))
    ]
    assert launched[0] == launched[1]
    assert launched[0].count("forward") == launched[0].count("backward") == 1


@pytest.mark.parametrize("layers", [0, 1, 3])
@pytest.mark.parametrize("mode", ["default", "no_gate", "pure"])
def test_a_training_step_of_a_cfc_is_two_or_three_launches_whatever_its_length(mode, layers, monkeypatch):
    for time in (1, 50):
        model = CfC(mode=mode, backbone_layers=layers)
        launches = launches_of_a_training_step(monkeypatch, model, torch.float32, 1, time=time)
        assert [kernel.__name__ for kernel, _, _ in launches] == list(kernels_of(model))


@pytest.mark.parametrize(
    ("model", "barriers"),
    [
        # Two a sub-step and, backward, one after the start: more would mean that tiles change their layout on the way.
        (LTC(), {"forward": 2, "backward": 3}),
        (CfC(), {"cfc_forward": 2, "cfc_backward": 2}),
    ],
    ids=["ltc", "cfc"],
)
def test_what_threads_hand_to_each_other_is_behind_a_barrier_and_never_read_from_a_stale_cache(
    model, barriers, monkeypatch
):
    # ld.global.nc reads through a cache that writes of the same launch do not reach; an atomic sum has no order.
    for launch in launches_of_a_training_step(monkeypatch, model, torch.float32, 4):
        ptx = ptx_of(launch, 90)
        assert "ld.global.nc" not in ptx
        assert not re.search(r"^\s*(atom|red)\.", ptx, re.MULTILINE)
        if launch[0].__name__ in barriers:
            assert launch[2]["num_warps"] > 1
            assert len(re.findall(r"bar\.sync|barrier\.sync", ptx)) == barriers[launch[0].__name__]


@pytest.mark.parametrize("activation", ["lecun_tanh", "tanh", "relu", "silu"])
@pytest.mark.parametrize(("dtype", "lanes"), [(torch.float32, 4), (torch.float64, 16)], ids=["32", "64"])
def test_layers_of_a_backbone_are_behind_barriers_in_full_precision_and_fit_into_the_smallest_card(
    activation, dtype, lanes, monkeypatch
):
    model = CfC(backbone_layers=2, backbone_units=200, backbone_activation=activation)
    for launch in launches_of_a_training_step(monkeypatch, model, dtype, lanes):
        compiled = compiled_for(launch, 80)
        ptx = compiled.asm["ptx"]
        assert "ld.global.nc" not in ptx
        assert "tf32" not in ptx
        assert not re.search(r"^\s*(atom|red)\.", ptx, re.MULTILINE)
        # One each behind the first layer, the others, the heads, and the states; products have their own in PTX.
        assert len(re.findall(r"\b(?:ttg|gpu)\.barrier\b", compiled.asm["ttgir"])) == 4
        assert compiled.metadata.shared <= 99 << 10


@pytest.mark.parametrize(
    "model",
    [
        LTC(unfolds=1),
        CTRNN(unfolds=1),
        CfC(mode="no_gate"),
        CfC(backbone_layers=1, backbone_units=1, backbone_activation="relu"),
        CfC(mode="pure", backbone_layers=2, backbone_units=1),
    ],
    ids=["ltc", "ctrnn", "cfc", "backbone", "backbone-pure"],
)
def test_a_call_whose_sizes_are_all_one_compiles_too(model, monkeypatch):
    # Triton makes constants of whole numbers that are 1, and constants are not all that numbers are.
    one = Wiring(1, 1, pre=[0, 1, 0, 0], post=[1, 1, 1, 1], kind=[CHEMICAL, CHEMICAL, GAP, CURRENT])
    one = dense(1, 1) if kernels_of(model) is BACKBONE_KERNELS else one
    for simple in (False, True):
        for launch in launches_of_a_training_step(
            monkeypatch, model, torch.float32, 1, wiring=one, batch=1, time=1, simple=simple
        ):
            assert ".target sm_90" in ptx_of(launch, 90)


@pytest.mark.parametrize(
    ("model", "batch", "lanes"),
    [(LTC(), 264, 1), (LTC(), 265, 2), (CfC(), 1, 1), (BACKBONE, 1, 4), (BACKBONE, 529, 8), (BACKBONE, 10**6, 16)],
)
def test_sequences_share_a_program_when_there_are_more_than_run_at_once_or_weights_to_share(
    model, batch, lanes, monkeypatch
):
    card = SimpleNamespace(multi_processor_count=132)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: card)
    assert _lanes(model, batch, torch.device("cuda")) == lanes
