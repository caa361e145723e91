"""What a study trained can be had again: the same network, from its file alone, on data as they were recorded."""

import json
import re
import sys

import numpy as np
import pytest
import safetensors.torch
import torch

from wormnet.cli import main
from wormnet.errors import ArgumentError, DataError
from wormnet.study import best, load_best, run
from wormnet.study.store import Store
from wormnet.study.weights import load


@pytest.fixture
def study(plan, tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules["wormnet.study.report"], "report", lambda out: out / "report.html")
    run(plan, tmp_path / "out", workers=1, progress=False)
    return tmp_path / "out"


def test_every_stored_network_gives_the_score_of_its_record(study, dataset):
    store, part = Store(study), dataset.test
    for record in store.records(store.about()["runs"]):
        network = load(store.weights(record["id"]))
        x, dt, lengths = torch.tensor(part.x), torch.tensor(part.dt), torch.tensor(part.lengths)
        with torch.no_grad():
            scores = network(x, dt, lengths)
        assert float((scores.argmax(1).numpy() == part.y).mean()) == pytest.approx(record["scores"]["accuracy"])


def test_the_best_network_is_chosen_by_validation(study, capsys):
    store = Store(study)
    records = store.records(store.about()["runs"])
    means = {
        name: np.mean([one["valid_scores"]["accuracy"] for one in records if one["network"] == name])
        for name in ("lstm", "gru-5")
    }
    found = best(study)["mine"]
    assert means[found.network] == max(means.values()) == pytest.approx(found.valid)
    loaded = load_best(study, "mine")
    assert loaded.record["id"] == found.run["id"]
    assert loaded.record["valid_scores"]["accuracy"] == max(
        one["valid_scores"]["accuracy"] for one in records if one["network"] == found.network
    )
    with pytest.raises(SystemExit) as stop:
        main(["study", "best", str(study)])
    assert not stop.value.code
    said = capsys.readouterr().out
    assert re.match(rf"mine: {found.network} \(accuracy over 2 runs: validation \S+, test \S+\)\n", said)
    assert f"wormnet.study.load_best('{study}', 'mine')" in said
    with pytest.raises(ArgumentError, match="unknown data set of this study 'other'"):
        load_best(study, "other")
    with pytest.raises(DataError, match="holds no finished study"):
        best(study / "runs")


def test_loading_draws_nothing_from_the_global_generator(study):
    before = torch.get_rng_state()
    load_best(study, "mine")
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda head, tensors: head.update(format="x"), "it is 'x'; this reads"),
        (lambda head, tensors: head.pop("shape"), "'shape'"),
        (lambda head, tensors: head["shape"].update(n_inputs=10**9), "they are at most"),
        (lambda head, tensors: head["shape"].update(n_outputs=3), "does not fit"),
        (lambda head, tensors: head.update(wiring="0" * 8), "its wiring is not the one"),
        (lambda head, tensors: tensors.popitem(), "does not fit"),
    ],
)
def test_a_damaged_file_is_one_line(study, change, message):
    path = Store(study).weights(best(study)["mine"].run["id"])
    with safetensors.safe_open(str(path), framework="pt") as file:
        head = json.loads(file.metadata()["wormnet"])
    tensors = safetensors.torch.load_file(path)
    change(head, tensors)
    safetensors.torch.save_file(tensors, path, metadata={"wormnet": json.dumps(head)})
    with pytest.raises(DataError) as error:
        load(path)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    path.write_bytes(b"x")
    with pytest.raises(DataError, match="holds no network of a study, or a damaged one"):
        load_best(study, "mine")
    path.unlink()
    with pytest.raises(DataError, match="there is no file"):
        load_best(study, "mine")
