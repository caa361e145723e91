"""Layers that release 0.1 saved, with what they computed there: files of version 1, state_dicts with a digest.

Recorded with `save` and `state_dict` of that release: LTC and CfC with fixed_polarity on a wiring with all
kinds of synapses, parameters of seed 0, x = linspace(-1, 1, 24) as (2, 6, 2).
"""

from pathlib import Path

import pytest
import safetensors.torch
import torch
from tolerances import close

import wormnet
from wormnet.errors import WiringError

RECORDED = Path(__file__).parent / "recorded"

# The CfC was built before layers warned of outputs that cannot see the newest sample.
pytestmark = pytest.mark.filterwarnings("ignore::wormnet.errors.BlindOutputWarning")


def recorded(name):
    found = safetensors.torch.load_file(RECORDED / f"version_1_{name}_expected.safetensors")
    weights = {key.removeprefix("state_dict."): value for key, value in found.items() if key.startswith("state_dict.")}
    return found["y"], found["state"], weights


@pytest.mark.parametrize("name", ["LTC", "CfC"])
def test_they_compute_what_they_did(name):
    y, state, weights = recorded(name)
    x = torch.linspace(-1, 1, 24).reshape(2, 6, 2)
    loaded = wormnet.load(RECORDED / f"version_1_{name}.safetensors", backend="reference")
    fresh = getattr(wormnet, name)(loaded.wiring, fixed_polarity=True, backend="reference")
    whole = torch.nn.Sequential(fresh)
    assert "wiring_digest" in weights
    whole.load_state_dict({f"0.{key}": value for key, value in weights.items()})
    for layer in (loaded, fresh):
        close(layer(x)[0], y)
        close(layer(x)[1], state)
        assert "wiring_digest" not in layer.state_dict()


def test_saved_again_they_are_of_the_new_version_and_compute_the_same(tmp_path):
    loaded = wormnet.load(RECORDED / "version_1_LTC.safetensors", backend="reference")
    wormnet.save(loaded, tmp_path / "again.safetensors")
    again = wormnet.load(tmp_path / "again.safetensors", backend="reference")
    assert all(torch.equal(p, q) for p, q in zip(loaded.parameters(), again.parameters(), strict=True))


def test_those_of_another_wiring_are_refused():
    _, _, weights = recorded("LTC")
    wiring = wormnet.load(RECORDED / "version_1_LTC.safetensors", backend="reference").wiring
    other = wormnet.LTC(wiring.replace(source="another"), fixed_polarity=True, backend="reference")
    with pytest.raises(WiringError, match="these weights belong to another wiring"):
        other.load_state_dict(weights)
