"""The trained networks of a study: one small safetensors file for each run, and finding and loading the best."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from wormnet.engine.samples import numbers
from wormnet.errors import ArgumentError, DataError, WormnetError, unknown
from wormnet.nn.files import of_another_form
from wormnet.paths import checked, printable, prove_file
from wormnet.study import jobs, network
from wormnet.study.network import Network, Predictor, Shape
from wormnet.study.store import Store
from wormnet.wiring.plain_json import few_values

__all__ = ["Best", "Trained", "best", "check_sizes", "execute", "load", "load_best"]

FORMAT = "wormnet-run 1"
LARGEST = 2**20
"""The most inputs, outputs, samples and units that a file may ask for."""


def execute(job: jobs.Job, journal: Path | None = None) -> tuple[dict[str, Any], bytes | None]:
    """Do a job in this process: its record, and for a run the content of the file of its weights."""
    record, network = jobs.execute(job, journal)
    return record, None if network is None else _packed(job, network)


def _packed(job: jobs.Job, trained: Predictor) -> bytes:
    head = {
        "format": FORMAT,
        "run": job.id,
        "network": job.networks[0].name,
        "seed": job.spec["fold"] * jobs.STRIDE + job.spec["seed"],
        "shape": asdict(trained.shape),
        "wiring": "" if trained.wiring is None else trained.wiring.digest,
    }
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in trained.state_dict().items()}
    return safetensors.torch.save(tensors, metadata={"wormnet": json.dumps(head)})


class Trained(nn.Module):
    """A trained network that takes data as they were recorded.

        forward(x, dt, lengths) -> scores

    Args: network: what was trained; it takes inputs as it was trained to see them.   record: of the run that did it.

    x is (batch, time, channels) in the units of the data set, dt a number, (batch, 1) or (batch, time), lengths
    (batch,). Scores are (batch, outputs), or (batch, time, outputs) of a data set with a target per step: logits of
    classes, or predictions in the units of the target.
    """

    def __init__(self, network: Predictor, record: Mapping[str, Any]):
        super().__init__()
        self.network, self.record = network, dict(record)

    def forward(self, x: Tensor, dt: Tensor | float | None = None, lengths: Tensor | None = None) -> Tensor:
        """Scores of sequences."""
        found = numbers(dt, x)
        found = None if found is None else found.expand(x.shape[:2])
        return self.network(self.network.seen(x, found), found, lengths)


def load(
    path: str | os.PathLike[str], record: Mapping[str, Any] | None = None, *, given: Network | None = None
) -> Trained:
    """Read the network that a run of a study trained.

    Args:
        path: its file, ID.safetensors.   record: of the run, kept with the network.
        given: the network, if it is one of your own that is not registered.

    Raises: DataError if there is no such file, or it holds no network or a damaged one; ArgumentError for a network of
        your own that is neither given nor known here.
    """
    path = prove_file(path)
    name = printable(path)
    try:
        with safetensors.safe_open(str(path), framework="pt") as file:
            text = (file.metadata() or {}).get("wormnet", "")
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        head = json.loads(few_values(text))
        if head["format"] != FORMAT:
            raise ValueError(of_another_form(head, FORMAT))
        shape = Shape(**head["shape"])
        check_sizes(shape)
        seed = int(head["seed"])
    except (OSError, safetensors.SafetensorError, ValueError, TypeError, KeyError, RecursionError) as error:
        told = str(error)[:300].rstrip(".")
        raise DataError(f"{name} holds no network of a study, or a damaged one: {told}.") from None
    one = _known(head["network"]) if given is None else given
    try:
        with torch.random.fork_rng(devices=[]):
            found = network.build(one, shape, seed)
        if (found.wiring.digest if found.wiring is not None else "") != head["wiring"]:
            raise ValueError("its wiring is not the one that this version of wormnet draws for it")
        found.load_state_dict(tensors)
    except (WormnetError, RuntimeError, ValueError, TypeError) as error:
        raise DataError(f"{name} does not fit {head['network']}: {str(error).partition(chr(10))[0][:300]}.") from None
    return Trained(found.eval(), record or {"id": head["run"]})


def check_sizes(shape: Shape) -> None:
    """Raise ValueError for a shape of a file that asks for more than any machine has."""
    sizes = shape.n_inputs, shape.n_outputs, shape.steps, shape.neurons, shape.size
    if not all(isinstance(n, int) and 0 <= n <= LARGEST for n in sizes):
        raise ValueError(f"its sizes are {sizes}; they are at most {LARGEST}")


def _known(name: str) -> Network:
    try:
        return network.named(name)
    except ArgumentError as error:
        raise ArgumentError(f"{error} If it is one of your own, give it: load_best(..., network=...).") from None


@dataclass(frozen=True)
class Best:
    """The best network of a data set, by validation, and its best run."""

    dataset: str
    network: str
    metric: str
    valid: float
    """Mean validation score over its folds and seeds."""
    test: float | None
    """Mean test score of the same runs, which did not choose it."""
    runs: int
    run: dict[str, Any]
    """The record of the run with the best validation score: the network that `load_best` loads."""


def best(out: str | os.PathLike[str]) -> dict[str, Best]:
    """The best network of each data set in a study's directory: the largest mean validation score over folds and seeds.

    A choice by validation is no estimate of how good the network is; that is the test score.

    Raises: DataError if `out` holds no finished study. A data set without a finished run is left out.
    """
    store = Store(checked(out, "out"))
    about, found = store.about(), {}
    runs = [run for run in store.records(about["runs"]) if "error" not in run and run["spec"].get("share", 1.0) == 1]
    for dataset, told in about["datasets"].items():
        metric = told["metric"]
        better = about["metrics"][metric]["better"]
        scores: dict[str, list[tuple[float, dict[str, Any]]]] = {}
        for run in runs:
            if run["dataset"] == dataset and run["valid_scores"].get(metric) is not None:
                scores.setdefault(run["network"], []).append((better * run["valid_scores"][metric], run))
        if not scores:
            continue
        name = max(scores, key=lambda one: np.mean([score for score, _ in scores[one]]))
        tests = [run["scores"].get(metric) for _, run in scores[name]]
        found[dataset] = Best(
            dataset,
            name,
            metric,
            better * float(np.mean([score for score, _ in scores[name]])),
            None if None in tests else float(np.mean(tests)),
            len(tests),
            max(scores[name], key=lambda one: one[0])[1],
        )
    return found


def load_best(out: str | os.PathLike[str], dataset: str, *, network: Network | None = None) -> Trained:
    """The trained network that is the best of a study on a data set, by validation; it takes data as recorded.

    Of the network with the largest mean validation score, the run with the largest one.

    Args: out: the study's directory.   network: the network, if it is one of your own that has no `module:name`.
    Raises: DataError if `out` holds no finished study or not the weights; ArgumentError for another data set.
    """
    found, store = best(out), Store(checked(out, "out"))
    if dataset not in found:
        raise ArgumentError(unknown("data set of this study", dataset, found))
    run = found[dataset].run
    return load(store.weights(run["id"]), run, given=network)
