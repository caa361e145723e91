"""A file that is not what save wrote is one sentence, whatever is wrong with it; nothing in it is executed."""

import json
import os
import pickle
import random
import struct

import numpy as np
import pytest
import safetensors.torch
import torch

import wormnet
from wormnet import models
from wormnet.errors import ArgumentError, DataError
from wormnet.wiring import Wiring

WIRING = wormnet.auto_ncp(inputs=3, neurons=5, outputs=2)


@pytest.fixture
def path(tmp_path):
    torch.manual_seed(0)
    wormnet.save(wormnet.LTC(WIRING), tmp_path / "layer.safetensors")
    return tmp_path / "layer.safetensors"


def refused(path, text="cannot be read"):
    with pytest.raises(DataError, match=text) as caught:
        wormnet.load(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    assert caught.value.__cause__ is None


def edited(path, change_head=None, change_tensors=None):
    """Write the file anew with another head or other tensors."""
    with safetensors.safe_open(path, "pt") as file:
        head, tensors = json.loads(file.metadata()["wormnet"]), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    head = change_head(head) if change_head else head
    tensors = change_tensors(tensors) if change_tensors else tensors
    path.write_bytes(safetensors.torch.save(tensors, {"wormnet": head if isinstance(head, str) else json.dumps(head)}))


class Bomb:
    def __reduce__(self):
        return pytest.fail, ("a file was unpickled",)


def test_a_pickle_is_refused_and_not_executed(path):
    path.write_bytes(pickle.dumps(Bomb()))
    refused(path, "cannot be read as a safetensors file")
    torch.save({"x": torch.zeros(1)}, path)
    refused(path, "cannot be read as a safetensors file")


def test_no_file_and_a_directory_are_refused(tmp_path):
    refused(tmp_path / "none.safetensors", "there is no file")
    refused(tmp_path, "it is a folder; it takes a file")


def test_every_truncation_is_refused(path):
    whole = path.read_bytes()
    for length in [*range(24), len(whole) // 2, len(whole) - 1]:
        path.write_bytes(whole[:length])
        refused(path, "cannot be read as a safetensors file")


def test_a_header_longer_than_the_file_is_refused(path):
    path.write_bytes(struct.pack("<Q", 2**60) + path.read_bytes()[8:])
    refused(path, "cannot be read as a safetensors file")


def test_changed_bytes_load_a_layer_or_are_refused(path):
    whole, draw = path.read_bytes(), random.Random(0)
    for _ in range(300):
        damaged = bytearray(whole)
        damaged[draw.randrange(len(damaged))] = draw.randrange(256)
        path.write_bytes(damaged)
        try:
            assert isinstance(wormnet.load(path), wormnet.LTC)
        except DataError as error:
            assert "\n" not in str(error)  # noqa: PT017


def test_tensors_of_someone_else_are_refused(path):
    path.write_bytes(safetensors.torch.save({"x": torch.zeros(1)}))
    refused(path, "holds tensors but no wormnet layer; it takes a file that wormnet.save wrote")


@pytest.mark.parametrize(
    ("head", "text"),
    [
        ("{", "does not hold a valid layer"),
        ("[1]", "does not hold a valid layer"),
        ("null", "does not hold a valid layer"),
        ("[" * 100_000, "does not hold a valid layer: it holds more than 10,000 values"),
        ("[" * 5_000, "does not hold a valid layer"),
        ("3", "does not hold a valid layer: its head is 3; it takes an object"),
        ('{"format": ' + "9" * 5_000 + "}", "does not hold a valid layer"),
        ({"format": "other"}, "it is 'other' version 2; this reads 'wormnet-layer' version 1 to 2"),
        ({"version": 3}, "it is 'wormnet-layer' version 3; this reads"),
        ({"version": 1}, "tensor 'wiring_digest' is missing"),
        ({"model": "lstm"}, "unknown model 'lstm'"),
        ({"model": ["ltc"]}, "does not hold a valid layer"),
        ({"model": "cfc"}, "unknown option of cfc"),
        ({"model_options": {"unfold": 3}}, "unknown option of ltc 'unfold'"),
        ({"model_options": {"unfolds": 0}}, "unfolds is 0"),
        ({"model_options": {"unfolds": "3"}}, "unfolds is '3'"),
        ({"model_options": {"solver": ["rk4"]}}, "unknown solver"),
        ({"model_options": [1]}, "does not hold a valid layer"),
        ({"model_options": None}, "does not hold a valid layer"),
        ({"wiring": "{}"}, "does not hold a valid layer"),
        ({"wiring": 5}, "does not hold a valid layer"),
        ({"proj_size": 10**15}, "does not hold a valid layer"),
        ({"proj_size": 10**40}, "does not hold a valid layer"),
        ({"proj_size": "3"}, "proj_size is '3'"),
        ({"mixed_memory": True}, "tensor 'lstm.bias_hh' is missing"),
        ({"batch_first": None}, "batch_first is None"),
        ({"return_sequences": "yes"}, "return_sequences is 'yes'"),
        ({"mixed_memory": "no"}, "mixed_memory is 'no'"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_head_that_says_something_else_is_refused(path, head, text):
    edited(path, lambda old: head if isinstance(head, str) else {**old, **head})
    refused(path, text)


@pytest.mark.parametrize("key", ["format", "version", "wiring", "model", "model_options", "proj_size", "mixed_memory"])
def test_a_head_that_lacks_something_is_refused(path, key):
    edited(path, lambda old: {name: value for name, value in old.items() if name != key})
    refused(path, f"it lacks '{key}'")


def test_a_file_that_asks_for_much_memory_is_refused_without_taking_it(tmp_path):
    layer = wormnet.CfC(wormnet.dense(2, 3), backbone_layers=1, backbone_units=4)
    path = tmp_path / "layer.safetensors"
    wormnet.save(layer, path)
    edited(path, lambda old: old | {"model_options": old["model_options"] | {"backbone_units": 10**12}})
    refused(path, r"tensor 'a_weight' has shape \(3, 4\); this layer takes \(3, 1000000000000\)")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda t: t | {"more": torch.zeros(1)}, "tensor 'more' is unknown"),
        (lambda t: {k: v for k, v in t.items() if k != "slope"}, "tensor 'slope' is missing"),
        (lambda t: t | {"wiring_digest": digest_of(WIRING)}, "tensor 'wiring_digest' is unknown"),
        (lambda t: t | {"v_leak": torch.zeros(6)}, r"tensor 'v_leak' has shape \(6,\); this layer takes \(5,\)"),
        (lambda t: t | {"v_leak": torch.zeros(5, dtype=torch.int64)}, "it takes one floating dtype"),
        (lambda t: t | {"v_leak": torch.zeros(5, dtype=torch.complex64)}, "it takes one floating dtype"),
        (
            lambda t: {k: v.to(torch.float8_e4m3fn) for k, v in t.items()},
            "its weights are of torch.float8_e4m3fn; it takes one floating dtype of torch.float32, torch.float64",
        ),
        (
            lambda t: t | {"v_leak": t["v_leak"].double()},
            r"torch.float32, torch.float64; it takes one floating dtype of",
        ),
    ],
    ids=["more", "slope", "digest", "shape", "int", "complex", "float8", "mixed"],
)
def test_tensors_that_do_not_fit_are_refused(path, change, text):
    edited(path, change_tensors=change)
    refused(path, text)


def digest_of(wiring):
    """As version 1 of the file held it, among the weights."""
    return torch.tensor(list(bytes.fromhex(wiring.digest)), dtype=torch.uint8)


@pytest.mark.parametrize(
    ("digest", "text"),
    [
        (digest_of(WIRING) + 1, "these weights belong to another wiring"),
        (torch.full((32,), 999), "does not hold a valid layer"),
        (torch.zeros(32), "does not hold a valid layer"),
        (torch.zeros(32, 2, dtype=torch.uint8), "does not hold a valid layer"),
    ],
    ids=["wrong digest", "no bytes", "floats", "two axes"],
)
def test_a_file_of_version_1_with_another_digest_is_refused(path, digest, text):
    edited(path, lambda head: head | {"version": 1}, lambda t: t | {"wiring_digest": digest})
    refused(path, text)


def test_an_unknown_back_end_is_the_callers_mistake_and_not_the_files(path):
    with pytest.raises(ArgumentError, match="unknown backend 'gpux'"):
        wormnet.load(path, backend="gpux")


def test_what_is_no_layer_or_no_place_is_refused(path, tmp_path):
    with pytest.raises(ArgumentError, match="save takes a layer of wormnet, not Linear; a whole model: its state_dict"):
        wormnet.save(torch.nn.Linear(1, 1), path)
    before = path.read_bytes()
    with pytest.raises(DataError, match=r"cannot write .*: No such file or directory"):
        wormnet.save(wormnet.LTC(WIRING), tmp_path / "no" / "layer.safetensors")
    with pytest.raises(DataError, match="cannot write"):
        wormnet.save(wormnet.LTC(WIRING), tmp_path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_a_saved_file_can_be_read_by_whoever_may_read_new_files(tmp_path):
    before = os.umask(0o022)
    try:
        wormnet.save(wormnet.LTC(WIRING), tmp_path / "layer.safetensors")
    finally:
        os.umask(before)
    assert (tmp_path / "layer.safetensors").stat().st_mode & 0o777 == 0o644


def test_options_given_as_numpy_numbers_are_kept(tmp_path):
    layer = wormnet.CfC(
        wormnet.dense(2, 3),
        backbone_layers=np.int64(1),
        backbone_units=np.int32(4),
        backbone_dropout=np.float32(0.5),
        proj_size=np.int64(2),
    )
    wormnet.save(layer, tmp_path / "layer.safetensors")
    assert wormnet.load(tmp_path / "layer.safetensors").model.options == layer.model.options


@pytest.mark.parametrize("bias", [True, False])
def test_a_wired_linear_layer_comes_back_with_the_same_bits(tmp_path, bias):
    wiring = Wiring(5, 5, outputs=[4, 0, 2], pre=[0, 1, 4, 4, 3], post=[5, 9, 9, 7, 6], sign=[1, -1, 0, 1, 1])
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        layer = wormnet.WiredLinear(wiring, bias=bias, dtype=dtype)
        wormnet.save(layer, tmp_path / "layer.safetensors")
        again = wormnet.load(tmp_path / "layer.safetensors")
        assert isinstance(again, wormnet.WiredLinear)
        x = torch.randn(7, 5).to(dtype)
        assert torch.equal(again(x), layer(x))
        assert again(x).dtype == dtype


def test_a_layer_of_each_name_comes_back_as_itself(tmp_path):
    for layer in (
        wormnet.LTC(WIRING),
        wormnet.CfC(WIRING, mode="pure", batch_first=False),
        wormnet.CTRNN(WIRING, proj_size=4),
        wormnet.MixedMemory(WIRING, models.LTC(solver="rk4")),
    ):
        wormnet.save(layer, tmp_path / "layer.safetensors")
        again = wormnet.load(tmp_path / "layer.safetensors", device="cpu")
        assert type(again) is type(layer)
        for name in ("model", "wiring", "batch_first", "return_sequences", "mixed_memory", "proj_size", "training"):
            assert getattr(again, name) == getattr(layer, name)
