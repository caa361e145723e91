import subprocess
import sys

import pytest
import torch

from wormnet.engine import gpu
from wormnet.engine.program import program_of
from wormnet.errors import BackendError
from wormnet.models import CTRNN, LTC, CfC

CUDA, CPU = torch.device("cuda"), torch.device("cpu")
GELU = CfC(backbone_layers=2, backbone_dropout=0.1, backbone_activation="gelu")


@pytest.fixture
def card(monkeypatch):
    monkeypatch.setattr(gpu, "find_spec", lambda name: object())
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (8, 0))
    monkeypatch.setattr(gpu, "_triton_release", lambda: (3, 5))


@pytest.mark.parametrize("model", [LTC(), LTC(solver="rk4"), CTRNN(), CfC(), GELU])
@pytest.mark.parametrize("memory", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.usefixtures("card")
def test_nothing_is_said_against_a_model_on_a_card(model, memory, dtype):
    assert gpu.unable(program_of(model, memory=memory), CUDA, dtype) is None


@pytest.mark.parametrize(
    ("device", "dtype", "reason"),
    [
        (CUDA, torch.bfloat16, "the GPU kernels take torch.float32 and torch.float64, not torch.bfloat16"),
        (CPU, torch.float32, "the layer is on cpu, not on a CUDA device"),
    ],
)
@pytest.mark.usefixtures("card")
def test_the_reason_names_what_the_kernels_do_not_take(device, dtype, reason):
    assert gpu.unable(program_of(LTC()), device, dtype) == reason


@pytest.mark.usefixtures("card")
def test_the_reason_names_what_the_machine_lacks(monkeypatch):
    program = program_of(LTC())
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    assert gpu.unable(program, CUDA, torch.float32) == (
        "the CUDA device has compute capability 7.5; the kernels need 8.0"
    )
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu.unable(program, CUDA, torch.float32) == "no CUDA device"
    monkeypatch.setattr(gpu, "find_spec", lambda name: None)
    assert gpu.unable(program, CUDA, torch.float32) == "triton is not installed"


@pytest.mark.usefixtures("card")
def test_the_reason_names_a_triton_that_is_too_old(monkeypatch):
    program, with_products = program_of(LTC()), program_of(LTC(), memory=True)
    monkeypatch.setattr(gpu, "_triton_release", lambda: (3, 4))
    reason = "triton 3.4 is installed; the kernels of this model need 3.5"
    assert gpu.unable(program, CUDA, torch.float32) is None
    assert gpu.unable(with_products, CUDA, torch.float32) == reason
    monkeypatch.setattr(gpu, "_triton_release", lambda: (3, 3))
    assert gpu.unable(program, CUDA, torch.float32) == "triton 3.3 is installed; the kernels of this model need 3.4"


def test_the_release_of_triton_is_read():
    triton = pytest.importorskip("triton", reason="triton is not installed")
    assert triton.__version__.startswith("{}.{}.".format(*gpu._triton_release()))


def test_asking_imports_no_triton():
    code = "import sys, wormnet.engine.gpu; sys.exit('triton' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def rounded(v):
    third = -0.3
    return v * third


def test_a_function_that_triton_cannot_read_or_would_round_is_refused():
    pytest.importorskip("triton", reason="triton is not installed")
    from wormnet.engine.gpu.functions import part

    scope = {}
    exec("def typed(v): return v", scope)
    with pytest.raises(BackendError, match="typed has no source to compile for a GPU; define it in a file"):
        part(scope["typed"])
    with pytest.raises(BackendError, match=r"rounded sets a variable to -0\.3, which Triton would round to float32"):
        part(rounded)
