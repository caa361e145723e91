import numpy as np
import pytest
import torch
from exports import Driven
from torch import nn
from torch.nn.utils import prune

import wormnet
from wormnet import export
from wormnet.control import Policy
from wormnet.control.cells import Memoryless
from wormnet.control.driver import Driver, head, whitened
from wormnet.errors import ArgumentError, DataError, ShapeError
from wormnet.estimators import WormClassifier
from wormnet.study import weights


def test_the_head_has_the_published_number_of_parameters():
    # Lechner et al. 2020, table 2: 79,420 for pictures of 78 x 200 in three colours, 32 features.
    published = head(78, 200, channels=3)
    assert sum(p.numel() for p in published.parameters()) == 79_420
    assert published(torch.zeros(2, 3, 78, 200)).shape == (2, 32)


def test_each_feature_looks_at_one_filter_alone():
    one = head(8, 12, filters=(2, 3, 2, 3, 2))
    seen = one.look(torch.randn(1, 1, 8, 12)).detach().requires_grad_()
    one.flat(one.features(seen))[0, :4].sum().backward()
    assert seen.grad[0, 0].abs().sum() > 0
    assert not seen.grad[0, 1].any()


def test_pictures_are_whitened_one_by_one_and_an_even_one_becomes_zeros():
    pictures = torch.rand(3, 5, 7, 1) * torch.tensor([1.0, 0.8, 0.0]).reshape(3, 1, 1, 1) + 0.5
    found = whitened(pictures)
    torch.testing.assert_close(found[:2].mean((1, 2, 3)), torch.zeros(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(found[:2].std((1, 2, 3), correction=0), torch.ones(2))
    torch.testing.assert_close(found[2], torch.zeros(5, 7, 1), atol=1e-5, rtol=0)


def test_a_driver_starts_without_a_bias_to_one_side_however_few_outputs_its_core_has():
    said = [Driver(Memoryless(8, 1), rows=8, columns=12, filters=(2, 2, 2, 2, 2)).read_out.bias for _ in range(5)]
    assert not torch.stack(said).any()


@pytest.mark.parametrize("core", ["ltc", "lstm", "memoryless"])
def test_driving_picture_by_picture_is_driving_the_sequence(core):
    cores = {
        "ltc": lambda: wormnet.LTC(wormnet.auto_ncp(inputs=8, neurons=7, outputs=1), backend="reference"),
        "lstm": lambda: nn.LSTM(8, 5, batch_first=True),
        "memoryless": lambda: Memoryless(8, 5),
    }
    driver = Driver(cores[core](), rows=8, columns=12, filters=(2, 2, 2, 2, 2))
    pictures, state, said = torch.rand(3, 4, 8, 12, 1), None, []
    for t in range(4):
        steering, state = driver(pictures[:, t : t + 1], state)
        said.append(steering)
    torch.testing.assert_close(torch.cat(said, 1), driver(pictures)[0])


def test_pictures_of_another_size_and_other_filters_are_one_clear_error():
    driver = Driver(Memoryless(32, 3), rows=8, columns=12)
    with pytest.raises(ShapeError, match=r"this driver takes \(batch, time, \*\(8, 12, 1\)\)"):
        driver(torch.zeros(1, 1, 12, 8, 1))
    with pytest.raises(ArgumentError, match="it takes 5 numbers"):
        head(8, 12, filters=(2, 2))
    for filters in ((2, 2, 2.5, 2, 2), "22222"):
        with pytest.raises(ArgumentError, match=r"filters is .*; it takes a whole number of 1 or more"):
            Driver(Memoryless(8, 3), rows=8, columns=12, filters=filters)


@pytest.fixture
def kept(tmp_path):
    """A driver and its file."""
    torch.manual_seed(0)
    core = wormnet.LTC(wormnet.auto_ncp(inputs=8, neurons=7, outputs=1), backend="reference")
    driver = Driver(core, rows=8, columns=12, filters=(2, 3, 2, 2, 2))
    driver.save(tmp_path / "driver.safetensors")
    return driver, tmp_path / "driver.safetensors"


def test_a_driver_from_its_file_steers_as_before(kept):
    driver, path = kept
    again, pictures = Driver.load(path), torch.rand(2, 5, 8, 12, 1)
    with torch.no_grad():
        torch.testing.assert_close(again(pictures)[0], driver(pictures)[0])
    assert not again.training
    assert all(one.requires_grad for one in again.head.parameters())


@pytest.mark.parametrize(
    "core",
    [
        *(nn.LSTM(8, 5, batch_first=True), nn.LSTM(8, 5, 2, bias=False, batch_first=True, dropout=0.5, proj_size=3)),
        *(nn.GRU(8, 5, batch_first=True), Memoryless(8, 3)),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
def test_a_driver_without_a_layer_of_ours_steers_as_before_and_learns_on(core, tmp_path):
    driver, pictures = Driver(core, rows=8, columns=12, filters=(2, 3, 2, 2, 2)), torch.rand(2, 5, 8, 12, 1)
    driver.eval().save(tmp_path / "driver")
    again = Driver.load(tmp_path / "driver")
    assert torch.equal(again(pictures)[0], driver(pictures)[0])
    assert repr(again) == repr(driver)
    again(pictures)[0].sum().backward()
    assert all(one.grad is not None for one in again.parameters())
    with torch.no_grad():
        before = again(pictures)[0]
        for one in again.core.parameters():
            one.mul_(0.5)
        assert not torch.equal(again(pictures)[0], before)  # what it holds is what it runs


def test_a_core_that_a_file_does_not_take_is_one_clear_error(tmp_path):
    driver = Driver(nn.RNN(8, 3, batch_first=True), rows=8, columns=12, filters=(2, 2, 2, 2, 2))
    with pytest.raises(ArgumentError, match="core is a RNN; its file takes a recurrent layer of wormnet, or LSTM, GRU"):
        driver.save(tmp_path / "driver")
    lstm = nn.LSTM(8, 3, batch_first=True)
    for core, change, match in (
        (
            lstm,
            lambda driver: driver.double(),
            "cannot be saved, .*: core.bias_hh_l0 is .* of torch.float64, which does",
        ),
        (nn.LSTM(8, 2, 65, batch_first=True), lambda driver: driver, "its core has 65 layers; it takes 64 at most"),
        (Memoryless(8, 3), lambda driver: driver.bfloat16(), "of torch.bfloat16, which does not fit"),
        (
            Memoryless(8, 3),
            lambda driver: prune.identity(driver.read_out, "weight"),
            "read_out.weight is computed anew",
        ),
        (Memoryless(8, 3), lambda driver: driver.add_module("more", nn.Linear(1, 1)), "more.bias is .* does not fit"),
    ):
        driver = Driver(core, rows=8, columns=12, filters=(2, 2, 2, 2, 2))
        change(driver)
        with pytest.raises(ArgumentError, match=match):
            driver.save(tmp_path / "driver")
    assert not list(tmp_path.iterdir())
    driver = Driver(Memoryless(np.int64(8), np.int64(3)), rows=np.int64(8), columns=12, filters=np.full(5, 2))
    driver.save(tmp_path / "driver")
    assert Driver.load(tmp_path / "driver").pictures == (8, 12, 1)
    torch.set_default_dtype(torch.float64)
    try:
        assert Driver.load(tmp_path / "driver").read_out.weight.dtype == torch.float32
    finally:
        torch.set_default_dtype(torch.float32)


def test_a_file_that_claims_another_core_is_a_data_error(tmp_path):
    path = tmp_path / "driver"
    Driver(nn.LSTM(8, 5, batch_first=True), rows=8, columns=12, filters=(2, 2, 2, 2, 2)).save(path)
    whole = path.read_bytes()
    for old, new in (
        (b'"LSTM"', b'"LSTN"'),
        (b'"LSTM"', b'"GRU" '),
        (b'"hidden_size": 5', b'"hidden_size": 6'),
        (b'"num_layers": 1', b'"num_layers": 2'),
        (b'"num_layers": 1', b'"num_layers": 9e9'),
        (b'"bias": true', b'"bias": null'),
        (b'"proj_size": 0', b'"proj_size": 5'),
        (b'"kind"', b'"king"'),
    ):
        head = int.from_bytes(whole[:8], "little")
        changed = whole[8 : 8 + head].replace(old.replace(b'"', b'\\"'), new.replace(b'"', b'\\"'))
        assert changed != whole[8 : 8 + head]
        path.write_bytes(len(changed).to_bytes(8, "little") + changed + whole[8 + head :])
        with pytest.raises(DataError, match="holds no valid driver"):
            Driver.load(path)


def test_files_that_hold_no_driver_are_data_errors(kept, tmp_path):
    whole = kept[1].read_bytes()
    policy = Policy(wormnet.LTC(wormnet.dense(2, 3), backend="reference"))
    policy.save(tmp_path / "policy")
    changes = {
        "filters": whole.replace(b"[2, 3, 2, 2, 2]", b"[2, 2, 2, 2, 2]"),
        "huge": whole.replace(b"[8, 12, 1]", b"[9, 99, 9]"),
        "text": whole.replace(b"[8, 12, 1]", b"[8, 1e9,1]"),
        "lists": whole.replace(b"[8, 12, 1]", b"[9,9,[9]] "),
        "short": whole[:-9],
        "policy": (tmp_path / "policy").read_bytes(),
    }
    for name, content in changes.items():
        assert content != whole
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError):
            Driver.load(tmp_path / name)
    with pytest.raises(DataError, match="holds no valid policy"):
        Policy.load(kept[1])


def test_a_file_of_something_else_names_its_reader(kept, tmp_path):
    driver, path = kept
    wormnet.save(driver.core, tmp_path / "layer")
    Policy(wormnet.LTC(wormnet.dense(2, 3), backend="reference")).save(tmp_path / "policy")
    for reads, file, reader in (
        *((wormnet.load, path, "control.Driver.load"), (wormnet.load, tmp_path / "policy", "control.Policy.load")),
        *((Policy.load, path, "control.Driver.load"), (Policy.load, tmp_path / "layer", "wormnet.load, and a policy")),
        *((Driver.load, tmp_path / "policy", "control.Policy.load"), (Driver.load, tmp_path / "layer", "wormnet.load")),
        *((weights.load, path, "control.Driver.load"), (WormClassifier.load, path, "control.Driver.load")),
    ):
        with pytest.raises(DataError, match=f"is read by (wormnet.)?{reader}"):
            reads(file)


def test_its_core_and_read_out_are_exported_as_one(kept, tmp_path):
    driver, x = kept[0], torch.randn(20, 8)
    export.c(driver.core, tmp_path / "net.c", head=driver.read_out, number="float")
    net = Driven(tmp_path)
    with torch.no_grad():
        expected = driver.read_out(driver.core(x)[0]).numpy()
    np.testing.assert_allclose(net(x.numpy(), np.ones(20), 1), expected, atol=1e-6)
