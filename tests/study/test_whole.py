"""One layer that takes samples as they were recorded computes what the trained network does."""

import numpy as np
import pytest
import torch

import wormnet
from wormnet import WormClassifier, WormRegressor
from wormnet.data import Sequences
from wormnet.engine import dispatch
from wormnet.study import wired


@pytest.fixture(autouse=True)
def _compiles_nothing(monkeypatch):
    monkeypatch.setattr(dispatch, "BACKENDS", ("auto", "reference"))


@pytest.fixture
def cases():
    rng = np.random.default_rng(0)
    return rng.normal(5, 3, (10, 6, 2)), rng.integers(0, 3, 10), rng.uniform(1, 4, (10, 6)).astype(np.float32)


def test_regular_samples_in_scores_out(cases, tmp_path):
    x, y, _ = cases
    model = WormRegressor("ncp-ltc-repaired-8", epochs=1).fit(Sequences(x, 100 + 7.0 * y[:, None]))
    layer = model.layer()
    with torch.no_grad():
        said = layer(torch.tensor(x, dtype=torch.float32))[0][:, -1, 0]
    assert np.allclose(said, model.predict(Sequences(x, y))[:, 0], rtol=1e-5)
    wormnet.save(layer, tmp_path / "layer.safetensors")
    assert torch.equal(wormnet.load(tmp_path / "layer.safetensors").projection.weight, layer.projection.weight)


@pytest.mark.parametrize("told", [True, False])
def test_irregular_samples_bring_dt_along(cases, told):
    """dt and its logarithm are the last inputs of a wiring that has room for them; a wiring without hears dt alone."""
    x, y, dt = cases
    part = Sequences(x, y, dt=dt)
    model = WormClassifier(wired("w", wormnet.dense(4 if told else 2, 5), unfolds=2), epochs=1, validation=0).fit(part)
    layer, seen = model.layer(), torch.tensor(x, dtype=torch.float32)
    units = torch.tensor(dt / layer.time_unit)
    if told:
        seen = torch.cat([seen, torch.stack([units, units.log()], -1)], -1)
    with torch.no_grad():
        said = layer(seen, dt=torch.tensor(dt))[0][:, -1]
    assert layer.time_unit == pytest.approx(np.median(dt))
    assert np.allclose(said, model.decision_function(part), atol=1e-5)


@pytest.mark.parametrize(
    ("network", "match"),
    [
        ("gru-3", "this network is a Gated"),
        ("ncp-cfc-8", "have no affine map that could standardise them"),
        ("ncp-ltc-8+skip", "adds its newest input"),
    ],
)
def test_a_network_that_is_no_such_layer_is_refused(cases, network, match):
    x, y, _ = cases
    with pytest.raises(ValueError, match=match):
        WormClassifier(network, epochs=1).fit(Sequences(x, y)).layer()
