"""A network of a study with its card: what the study measured, and nothing else."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from wormnet.atomic import make_folder, write_whole
from wormnet.errors import ArgumentError, DataError, unknown
from wormnet.paths import checked, printable, read_bytes
from wormnet.zoo.card import Card

__all__ = ["pack"]

PRICES = {
    "parameters": "parameters",
    "synapses": "synapses",
    "multiply_adds": "multiply-adds for each sample",
    "functions": "elementary functions for each sample",
}
"""Of a run's record what the network costs on any machine, and what the card calls it."""


def pack(
    study: str | os.PathLike[str],
    dataset: str,
    folder: str | os.PathLike[str],
    *,
    name: str,
    network: str | None = None,
    licence: str = "",
    limits: str = "",
) -> Path:
    """Take a trained network out of a study: NAME.safetensors, and NAME.json with what the study measured.

    Of the network's runs the one with the best validation score is taken; its test score, and the mean of all its runs,
    stand in the card, beside the study's other networks and the data set's trivial baselines.

    Args:
        study: the study's directory.   dataset: of the study.   folder: where the two files go.
        name: of the network: small letters, digits, - and _.
        network: of the study; None for the one with the largest mean validation score.
        licence: of the weights.   limits: what the numbers do not show, besides what the card says by itself.

    Returns: the path of the card, which `load` takes.
    Raises: ArgumentError for a data set or network that is not in the study, DataError if it holds no finished study,
        or the files cannot be written.
    """
    from wormnet.study.store import Store

    store = Store(checked(study, "study"))
    about = store.about()
    if dataset not in about["datasets"]:
        raise ArgumentError(unknown("data set of this study", dataset, about["datasets"]))
    told = about["datasets"][dataset]
    metric, better = told["metric"], about["metrics"][told["metric"]]["better"]
    runs = _runs(store, about, dataset, metric)
    if not runs:
        raise DataError(f"{printable(store.out)} has no finished run on {dataset}.")
    if network is None:
        network = max(runs, key=lambda one: np.mean([better * run["valid_scores"][metric] for run in runs[one]]))
    if network not in runs:
        raise ArgumentError(unknown("network of this study", network, runs))
    chosen = max(runs[network], key=lambda run: better * run["valid_scores"][metric])
    weights = read_bytes(store.weights(chosen["id"]), 2**30)
    card = Card(
        name=name,
        what=f"{network} trained on {dataset}: {about['networks'][network]['about'] or 'a network of your own'}.",
        kind="run",
        sha256=hashlib.sha256(weights).hexdigest(),
        data=f"{dataset}: {told['source']}; {told['licence']}",
        split=_split(told, about["plan"]),
        metric=f"{metric}, {'higher' if better > 0 else 'lower'} is better",
        scores={
            "test": chosen["scores"][metric],
            "validation": chosen["valid_scores"][metric],
            f"mean test of {len(runs[network])} runs": _mean(runs[network], metric),
        },
        baselines=told["baselines"],
        beside={
            f"{other}, mean of {len(its)} runs": _mean(its, metric) for other, its in runs.items() if other != network
        },
        price={what: chosen[key] for key, what in PRICES.items() if chosen.get(key) is not None},
        made_by="wormnet study: " + ", ".join(f"{key} = {value}" for key, value in _training(chosen).items()),
        versions={**about["environment"]["versions"], "commit": about["environment"]["commit"] or "unknown"},
        source="trained by wormnet.study",
        licence=licence or "none stated",
        limits=limits
        or "Chosen by its validation score among its own runs; the mean over runs says more than one test score.",
    )
    path = checked(folder, "folder") / f"{name}.json"
    make_folder(path.parent)
    write_whole(path.with_suffix(".safetensors"), weights)
    write_whole(path, card.to_json())
    return path


def _runs(store: Any, about: Mapping[str, Any], dataset: str, metric: str) -> dict[str, list[dict[str, Any]]]:
    """{network: its finished runs on all of the train part}"""
    found: dict[str, list[dict[str, Any]]] = {}
    for run in store.records(about["runs"]):
        whole = "error" not in run and run["spec"].get("share", 1.0) == 1 and run["dataset"] == dataset
        if whole and None not in (run["scores"].get(metric), run["valid_scores"].get(metric)):
            found.setdefault(run["network"], []).append(run)
    return found


def _mean(runs: list[dict[str, Any]], metric: str) -> float:
    return float(np.mean([run["scores"][metric] for run in runs]))


def _split(told: Mapping[str, Any], plan: Mapping[str, Any]) -> str:
    sizes = ", ".join(f"{n:,} {part}" for part, n in told["sequences"].items())
    folds = f"{told['folds']} folds" if told["folds"] > 1 else f"its own split ({told['protocol']})"
    return f"{folds}; sequences: {sizes}; seeds: {plan['seeds']}"


def _training(run: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("epochs", "batch", "learning_rate", "optimiser")
    return {key: one for key, one in run["spec"].get("training", {}).items() if key in kept}
