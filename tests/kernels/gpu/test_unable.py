import subprocess
import sys

import pytest
import torch

from wormnet import Wiring, dense
from wormnet.errors import BackendError
from wormnet.kernels import gpu
from wormnet.kernels.dispatch import choose
from wormnet.models import CTRNN, LTC, CfC

CUDA, CPU = torch.device("cuda"), torch.device("cpu")


@pytest.fixture
def card(monkeypatch):
    monkeypatch.setattr(gpu, "find_spec", lambda name: object())
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (8, 0))
    monkeypatch.setattr(gpu, "_triton_release", lambda: (3, 5))


@pytest.mark.parametrize(
    "model", [LTC(), LTC(unfolds=1), CTRNN(), CfC(), CfC(backbone_layers=40, backbone_dropout=0.1)]
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.usefixtures("card")
def test_nothing_is_said_against_a_model_that_has_kernels_on_a_card(model, dtype):
    assert gpu.unable(model, CUDA, dtype) is None


@pytest.mark.parametrize(
    ("model", "device", "dtype", "reason"),
    [
        (
            CfC(backbone_layers=2, backbone_activation="gelu"),
            CUDA,
            torch.float32,
            "a backbone of gelu runs on the reference engine only",
        ),
        (LTC(solver="rk4"), CUDA, torch.float32, "solver 'rk4' runs on the reference engine only"),
        (LTC(), CUDA, torch.bfloat16, "the GPU kernels take torch.float32 and torch.float64, not torch.bfloat16"),
        (LTC(), CPU, torch.float32, "the layer is on cpu, not on a CUDA device"),
    ],
)
@pytest.mark.usefixtures("card")
def test_the_reason_names_what_the_kernels_do_not_take(model, device, dtype, reason):
    assert gpu.unable(model, device, dtype) == reason


@pytest.mark.usefixtures("card")
def test_a_backbone_that_drops_out_runs_on_a_card_but_for_training():
    pytest.importorskip("triton", reason="triton is not installed")
    model, wiring = CfC(backbone_layers=1, backbone_dropout=0.1), dense(2, 3)
    assert choose("gpu", model, wiring, CUDA, torch.float32).name == "gpu"
    reason = "dropout in a backbone runs, in training mode, on the reference engine only"
    with pytest.raises(BackendError, match=f"not gpu: {reason}"):
        choose("gpu", model, wiring, CUDA, torch.float32, training=True)
    assert gpu.unable(CfC(backbone_dropout=0.1), CUDA, torch.float32, training=True) is None


@pytest.mark.usefixtures("card")
def test_the_reason_names_what_the_machine_lacks(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    assert gpu.unable(LTC(), CUDA, torch.float32) == "the CUDA device has compute capability 7.5; the kernels need 8.0"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu.unable(LTC(), CUDA, torch.float32) == "no CUDA device"
    monkeypatch.setattr(gpu, "find_spec", lambda name: None)
    assert gpu.unable(LTC(), CUDA, torch.float32) == "triton is not installed"


@pytest.mark.usefixtures("card")
def test_the_reason_names_a_triton_that_is_too_old(monkeypatch):
    backbone = CfC(backbone_layers=1)
    monkeypatch.setattr(gpu, "_triton_release", lambda: (3, 4))
    reason = "triton 3.4 is installed; the kernels of this model need 3.5"
    assert gpu.unable(CfC(), CUDA, torch.float32) is None
    assert gpu.unable(backbone, CUDA, torch.float32) == reason
    monkeypatch.setattr(gpu, "_triton_release", lambda: (3, 3))
    assert gpu.unable(LTC(), CUDA, torch.float32) == "triton 3.3 is installed; the kernels of this model need 3.4"


def test_the_release_of_triton_is_read():
    triton = pytest.importorskip("triton", reason="triton is not installed")
    assert triton.__version__.startswith("{}.{}.".format(*gpu._triton_release()))


def test_asking_imports_no_triton():
    code = "import sys, wormnet.kernels.gpu; sys.exit('triton' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("checkpoint", [False, True])
def test_a_layer_that_asks_for_checkpoints_gets_them_from_the_gpu_engine(checkpoint, monkeypatch):
    pytest.importorskip("triton", reason="triton is not installed")
    monkeypatch.setattr(gpu, "unable", lambda model, device, dtype, training: None)
    choice = choose("gpu", CfC(), Wiring(1, 1), CPU, torch.float32, checkpoint=checkpoint)
    assert choice.name == "gpu"
    assert getattr(choice.run, "checkpoint") is checkpoint  # noqa: B009 - Run is any callable
