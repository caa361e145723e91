"""What Triton makes of the kernels for cards that need not be there: the launches of real calls, compiled."""

import re
from types import SimpleNamespace

import gpu_case
import pytest
import torch
from gpu_case import Case
from gpu_toys import TwoParts, TwoStates

from wormnet import Wiring, dense
from wormnet.engine.program import program_of
from wormnet.models import CTRNN, LTC, CfC
from wormnet.wiring import CHEMICAL, CURRENT, GAP

triton = pytest.importorskip("triton", reason="triton is not installed")
if triton.knobs.runtime.interpret:
    pytest.skip("Triton's interpreter compiles nothing", allow_module_level=True)

from triton.backends.compiler import GPUTarget  # noqa: E402
from triton.compiler import ASTSource  # noqa: E402

from wormnet.engine.gpu import call  # noqa: E402
from wormnet.engine.gpu.source import Source  # noqa: E402

TYPES = {
    torch.float32: "*fp32",
    torch.float64: "*fp64",
    torch.int32: "*i32",
    torch.int64: "*i64",
    torch.uint8: "*u8",
}
WIRING = Wiring(
    2,
    40,
    outputs=[1, 0],
    pre=[*range(42), 3, 0, 1],
    post=[2] * 42 + [4, 2, 3],
    kind=[CHEMICAL] * 42 + [GAP, CURRENT, GAP],
)
BACKBONE = CfC(backbone_layers=2, backbone_dropout=0.4)
SPARSE = {"from_inputs", "forward", "backward", "edge_sums", "to_inputs"}


class Recorder:
    def __init__(self, kernel, launches):
        self.kernel, self.launches = kernel, launches

    def __getitem__(self, grid):
        return lambda *args, **kwargs: self.launches.append((self.kernel, args, kwargs))


@pytest.fixture
def launched(monkeypatch, tmp_path):
    """launched(model, dtype, lanes, ...) -> the launches of a training step."""
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(gpu_case, "DEVICE", "cpu")
    plain = Source.kernel

    def launched(model, dtype, lanes, *, wiring=None, batch=3, time=2, **options):
        launches = []
        monkeypatch.setattr(call, "_KERNELS", {})
        monkeypatch.setattr(Source, "kernel", lambda self: Recorder(plain(self), launches))
        wiring = wiring or (dense(2, 40) if getattr(model, "backbone_layers", 0) else WIRING)
        case = Case(wiring, model, batch, time, seed=1, dtype=dtype, **options)
        case.outputs_and_gradients(lambda tensors: case.kernels(tensors, lanes))
        return launches

    return launched


def compiled_for(launch, capability):
    """As the launch would compile it."""
    kernel, args, kwargs = launch
    given = {**dict(zip(kernel.arg_names, args, strict=False)), **kwargs}
    signature, constants = {}, {}
    for param in kernel.params:
        value = given[param.name]
        assert param.is_constexpr or isinstance(value, torch.Tensor) or param.do_not_specialize
        if param.is_constexpr:
            signature[param.name], constants[param.name] = "constexpr", value
        else:
            signature[param.name] = TYPES[value.dtype] if isinstance(value, torch.Tensor) else "i32"
    target, options = GPUTarget("cuda", capability, 32), {"num_warps": kwargs["num_warps"]}
    compiled = triton.compile(ASTSource(kernel, signature, constants), target=target, options=options)
    assert compiled.asm["cubin"]
    return compiled


@pytest.mark.parametrize(
    ("model", "dtype", "lanes", "capability", "options"),
    [
        (LTC(), torch.float32, 1, 80, {}),
        (LTC(solver="rk4"), torch.float64, 4, 90, {"starts": True}),
        (CfC(mode="pure"), torch.float32, 4, 120, {}),
        (TwoStates(), torch.float32, 4, 80, {"lengths": False}),
        (TwoParts(), torch.float64, 1, 90, {}),
        (BACKBONE, torch.float32, 16, 80, {"drop": 0.4, "memory": True, "starts": True}),
        (CTRNN(), torch.float64, 4, 90, {"memory": True}),
    ],
    ids=["ltc-32", "rk4-64", "cfc-32", "two-states-32", "two-parts-64", "backbone-32", "memory-64"],
)
def test_every_launch_of_a_training_step_compiles_for_the_card(model, dtype, lanes, capability, options, launched):
    launches = launched(model, dtype, lanes, **options)
    sparse = not getattr(model, "backbone_layers", 0)
    assert {kernel.__name__ for kernel, _, _ in launches} == (SPARSE if sparse else {"forward", "backward"})
    for launch in launches:
        compiled = compiled_for(launch, capability)
        ptx = compiled.asm["ptx"]
        assert re.search(rf"\.target sm_{capability}", ptx)
        # ld.global.nc reads through a cache that writes of the same launch do not reach; an atomic sum has no order.
        assert "ld.global.nc" not in ptx
        assert not re.search(r"^\s*(atom|red)\.", ptx, re.MULTILINE)
        assert "tf32" not in ptx
        assert compiled.metadata.shared <= 99 << 10


@pytest.mark.parametrize("model", [LTC(), CfC()], ids=["ltc", "cfc"])
def test_an_evaluation_has_two_barriers(model, launched):
    # One after the start, and backward two more at the end; others would mean that tiles change their layout.
    barriers = {"forward": 3, "backward": 5}
    for launch in launched(model, torch.float32, 4):
        if launch[0].__name__ in barriers:
            assert launch[2]["num_warps"] > 1
            ptx = compiled_for(launch, 90).asm["ptx"]
            assert len(re.findall(r"bar\.sync|barrier\.sync", ptx)) == barriers[launch[0].__name__]


@pytest.mark.parametrize("model", [LTC(unfolds=1), CfC(mode="no_gate")], ids=["ltc", "cfc"])
def test_a_call_whose_sizes_are_all_one_compiles_too(model, launched):
    one = Wiring(1, 1, pre=[0, 1, 0, 0], post=[1, 1, 1, 1], kind=[CHEMICAL, CHEMICAL, GAP, CURRENT])
    for launch in launched(model, torch.float32, 1, wiring=one, batch=1, time=1, dt="one", lengths=False):
        assert ".target sm_90" in compiled_for(launch, 90).asm["ptx"]


@pytest.mark.parametrize(
    "model", [LTC(), CTRNN(solver="rk4"), CfC(), BACKBONE], ids=["ltc", "ctrnn", "cfc", "backbone"]
)
def test_a_training_step_is_a_fixed_number_of_launches_whatever_its_length(model, launched):
    names = [
        [kernel.__name__ for kernel, _, _ in launched(model, torch.float32, 1, time=time, memory=True)]
        for time in (1, 50)
    ]
    assert names[0] == names[1]
    assert names[0].count("forward") == names[0].count("backward") == 1


def test_one_kernel_serves_any_number_of_sub_steps_and_of_units():
    assert call.kernel(program_of(LTC(unfolds=1)), "forward") is call.kernel(program_of(LTC(unfolds=6)), "forward")
    small, large = (CfC(backbone_layers=1, backbone_units=units) for units in (3, 200))
    assert call.kernel(program_of(small), "backward") is call.kernel(program_of(large), "backward")
    other = call.kernel(program_of(LTC(solver="euler")), "forward")
    assert call.kernel(program_of(LTC()), "forward") is not other


@pytest.mark.parametrize(
    ("model", "batch", "lanes"),
    [(LTC(), 264, 1), (LTC(), 265, 2), (CfC(), 1, 1), (BACKBONE, 1, 4), (BACKBONE, 529, 8), (BACKBONE, 10**6, 16)],
)
def test_sequences_share_a_program_when_there_are_more_than_run_at_once_or_weights_to_share(
    model, batch, lanes, monkeypatch
):
    card = SimpleNamespace(multi_processor_count=132)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: card)
    assert call.lanes_of(program_of(model), batch, torch.device("cuda")) == lanes
