"""A saved estimator answers with the same bits, holds no pickle, and a file that is none is refused."""

import json

import numpy as np
import pandas as pd
import pytest
import safetensors.torch
from sklearn.exceptions import NotFittedError

import wormnet
from wormnet import WormClassifier, WormForecaster, WormRegressor
from wormnet.study import wired


@pytest.fixture(scope="module")
def cases():
    rng = np.random.default_rng(0)
    return rng.normal(size=(12, 2, 5)), np.array(["b", "a"] * 6)


@pytest.mark.parametrize(
    "network", ["gru-3", "gru-3+skip", "ncp-cfc-repaired-8", "ncp-ltc-8/rewire", wormnet.dense(2, 4)], ids=str
)
def test_answers_are_the_same_bits(cases, tmp_path, network):
    model = WormClassifier(network, epochs=1, learning_rate=np.float64(0.02)).fit(*cases)
    model.save(tmp_path / "one.safetensors")
    again = WormClassifier.load(tmp_path / "one.safetensors")
    assert np.array_equal(again.predict_proba(cases[0]), model.predict_proba(cases[0]))
    assert again.get_params() == model.get_params()
    assert again.history_ == model.history_
    again.save(tmp_path / "two.safetensors")
    assert (tmp_path / "one.safetensors").read_bytes() == (tmp_path / "two.safetensors").read_bytes()


def test_estimators_of_tables_numbers_and_series_come_back(cases, tmp_path):
    table = pd.DataFrame({"who": np.repeat(range(6), 4), "t": np.tile([0.0, 1, 3, 4], 6), "v": np.arange(24.0)})
    told = pd.Series([0, 1] * 3)
    for model, x in (
        (WormClassifier("gru-3", epochs=1, series="who", time="t").fit(table, told), table),
        (WormRegressor("gru-3", epochs=1, missing="zero").fit(cases[0], np.arange(12.0)), cases[0]),
        (WormForecaster("gru-3", epochs=1, window=4).fit(np.arange(20.0)), np.arange(20.0)),
    ):
        model.save(tmp_path / "model.safetensors")
        assert np.array_equal(type(model).load(tmp_path / "model.safetensors").predict(x), model.predict(x))


def test_code_is_not_in_a_file_and_has_to_be_given_again(cases, tmp_path):
    network = wired("mine", wormnet.dense(2, 4), unfolds=2)
    model = WormClassifier(network, epochs=1).fit(*cases)
    model.save(tmp_path / "model.safetensors")
    with pytest.raises(OSError, match=r"its network is code of one's own.*load\(path, network=...\)"):
        WormClassifier.load(tmp_path / "model.safetensors")
    again = WormClassifier.load(tmp_path / "model.safetensors", network=network)
    assert np.array_equal(again.predict_proba(cases[0]), model.predict_proba(cases[0]))


def test_what_cannot_be_kept_is_refused_before_anything_is_written(cases, tmp_path):
    with pytest.raises(NotFittedError):
        WormClassifier("gru-3").save(tmp_path / "no.safetensors")
    with pytest.raises(ValueError, match=r"random_state is RandomState.*set_params"):
        WormClassifier("gru-3", epochs=1, random_state=np.random.RandomState(0)).fit(*cases).save(tmp_path / "no")
    assert not list(tmp_path.iterdir())


def changed(path, **fields):
    tensors = safetensors.torch.load_file(path)
    with safetensors.safe_open(str(path), "pt") as file:
        head = json.loads(file.metadata()["wormnet"])
    for name, value in fields.items():
        head[name] = value(head[name]) if callable(value) else value
    return safetensors.torch.save(tensors, {"wormnet": json.dumps(head)})


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"kind": "WormRegressor"}, "it holds a 'WormRegressor'"),
        ({"version": 2}, "this reads 'wormnet-estimator' version 1"),
        ({"network": "os:system"}, "its network is 'os:system'; it takes a name"),
        ({"network": "gru-4"}, "has shape"),
        ({"shape": lambda shape: shape | {"n_outputs": 2**40}}, "they are at most"),
        ({"arguments": {"fit": 1}}, "argument 'fit' is unknown"),
        ({"attributes": {"fit": 1}}, "attribute 'fit' is unknown"),
    ],
)
def test_a_damaged_file_is_refused(cases, tmp_path, fields, match):
    path = tmp_path / "model.safetensors"
    WormClassifier("gru-3", epochs=1).fit(*cases).save(path)
    path.write_bytes(changed(path, **fields))
    with pytest.raises(OSError, match=match):
        WormClassifier.load(path)


def test_a_layer_is_no_estimator_and_an_estimator_no_layer(cases, tmp_path):
    wormnet.save(wormnet.CTRNN(wormnet.dense(2, 3)), tmp_path / "layer.safetensors")
    with pytest.raises(OSError, match="this reads 'wormnet-estimator' version 1"):
        WormClassifier.load(tmp_path / "layer.safetensors")
    WormClassifier("gru-3", epochs=1).fit(*cases).save(tmp_path / "model.safetensors")
    with pytest.raises(
        OSError, match=r"this reads 'wormnet-layer'.* An estimator is read by load of its class, and its layer\(\) is"
    ):
        wormnet.load(tmp_path / "model.safetensors")
