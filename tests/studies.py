"""Studies that nobody ran: directories of records as `wormnet study` keeps them, with numbers that are drawn by seed.

Three data sets (vowels: classification in five folds; traffic: regression in five folds; parity: two humps, generated
anew for each fold), networks of all three families, other sizes, shares of the data, disturbances, a factorial design
of three ingredients, prices, and some runs that failed.
"""

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np

from wormnet.study import summary as summaries
from wormnet.study.store import identity

FACTORS = {"synapses": ["conductance", "additive"], "tau": ["liquid", "fixed"], "density": ["sparse", "dense"]}
CELLS = {
    f"ncp({','.join(level for level, levels in zip(chosen, FACTORS.values()) if level == levels[1]) or 'worm'})": dict(
        zip(FACTORS, chosen)
    )
    for chosen in itertools.product(*FACTORS.values())
}

# family, null of, parameters, milliseconds of a step, skill on vowels (logit), on traffic (log error), on parity
NETWORKS: dict[str, tuple[str, str | None, int, float, float, float, float]] = {
    "ncp-ltc": ("worm", None, 968, 9.0, 2.1, -2.55, 0.1),
    "ncp-ltc-repaired": ("worm", None, 1445, 9.4, 3.1, -2.83, 0.4),
    "ncp-cfc-repaired": ("worm", None, 1505, 4.1, 2.9, -3.03, 0.5),
    "cook2019-ltc": ("worm", None, 9120, 61.0, 2.4, -2.7, 0.2),
    "ncp-ltc-repaired/random": ("null", "ncp-ltc-repaired", 1445, 9.4, 3.1, -2.82, 0.4),
    "ncp-ltc-repaired/rewire": ("null", "ncp-ltc-repaired", 1445, 9.4, 2.95, -2.83, 0.4),
    "cook2019-ltc/rewire": ("null", "cook2019-ltc", 9120, 61.0, 2.4, -2.7, 0.2),
    "lstm": ("standard", None, 1208, 2.2, 2.8, -3.04, 0.9),
    "gru": ("standard", None, 1540, 2.0, 3.0, -3.05, 0.9),
    "ctrnn": ("standard", None, 999, 1.4, 2.75, -2.9, 0.1),
    "lstm-64": ("standard", None, 20553, 6.0, 3.4, -3.04, 1.0),
}
METRICS = {
    "accuracy": {"better": 1, "bounds": [0.0, 1.0], "unit": "%", "about": "share of cases that are right"},
    "balanced_accuracy": {"better": 1, "bounds": [0.0, 1.0], "unit": "%", "about": "accuracy, mean over classes"},
    "mse": {"better": -1, "bounds": [0.0, None], "unit": "", "about": "mean squared error"},
    "mae": {"better": -1, "bounds": [0.0, None], "unit": "", "about": "mean absolute error"},
}


def about_dataset(name: str, task: str = "classify", **changes: Any) -> dict[str, Any]:
    """What study.json tells of a data set."""
    metrics = ["accuracy", "balanced_accuracy"] if task == "classify" else ["mse", "mae"]
    return {
        "task": task,
        "per": "sequence" if task == "classify" else "step",
        "metric": metrics[0],
        "metrics": metrics,
        "n_inputs": 12,
        "n_outputs": 9 if task == "classify" else 1,
        "steps": 29,
        "sequences": {"train": 400, "valid": 100, "test": 125},
        "targets": {"train": 400, "valid": 100, "test": 125},
        "irregular": name == "traffic",
        "time_unit": 1.0,
        "source": f"https://example.org/{name}",
        "licence": "CC BY 4.0",
        "citation": f"Nobody et al. 2020, {name}",
        "protocol": "five disjoint folds",
        "folds": 5,
        "overlap": True,
        "baselines": {"majority": 0.13} if task == "classify" else {"mean": 0.25, "hour of the week": 0.053},
        **changes,
    }


def study(seed: int = 0, folds: int = 5, seeds: int = 3) -> tuple[dict, list[dict], list[dict], dict]:
    """study.json, runs, searches and prices of a study on three data sets."""
    rng = np.random.default_rng(seed)
    datasets = {
        "vowels": about_dataset("vowels", folds=folds),
        "traffic": about_dataset("traffic", "regress", folds=folds, unfamiliar=["holiday"]),
        "parity": about_dataset("parity", overlap=False, folds=folds, baselines={"majority": 0.5}),
    }
    families = {name: {"family": row[0], "null_of": row[1]} for name, row in NETWORKS.items()}
    families |= {name: {"family": "worm", "null_of": None} for name in CELLS}
    families |= {f"ncp-ltc-repaired:{n}": {"family": "worm", "null_of": None} for n in (12, 20)}
    networks = {
        name: {
            "about": f"{name}, drawn by seed",
            "wiring": "",
            "size_of": name.partition(":")[0] if ":" in name else None,
        }
        | families[name]
        for name in families
    }
    runs = [
        run
        for dataset, name, fold, one in itertools.product(datasets, networks, range(folds), range(seeds))
        for run in _runs(rng, dataset, name, fold, one)
    ]
    for run, text in zip(
        runs[5::97], itertools.cycle(("FloatingPointError: loss is nan", "MemoryError: <out> & gone"))
    ):
        for key in ("scores", "valid_scores", "conditions", "dynamics", "history", "learned", "parameters"):
            run.pop(key, None)
        run |= {"error": text, "traceback": "..."}
    searches = [
        _named("tuning", dataset, name, 0, 0, 1.0)
        | {"best": {"learning_rate": 0.02}, "trials": [{"parameters": {"learning_rate": 0.02}, "valid_score": 0.9}]}
        for dataset, name in itertools.product(datasets, ("ncp-ltc", "lstm"))
    ]
    comparisons = [[name, "lstm"] for name in NETWORKS if name != "lstm"]
    comparisons += [[row[1], name] for name, row in NETWORKS.items() if row[1]]
    about = {
        "plan": _plan(list(datasets), folds, seeds),
        "reference": "lstm",
        "comparisons": comparisons,
        "networks": networks,
        "metrics": METRICS,
        "datasets": datasets,
        "factorial": {"factors": FACTORS, "cells": CELLS, "base": "ncp", "resolution": None, "words": []},
        "environment": {
            "versions": {"wormnet": "0.9", "torch": "2.13.0", "numpy": "2.3.5"},
            "machine": {"processor": "Abacus 9", "cores": 2, "system": "Linux"},
            "workers": 2,
            "commit": "0123456789ab",
        },
        "began": "2026-01-02T03:04:05+00:00",
        "seconds": 1234.5,
        "done": len(runs),
        "reused": 0,
        "runs": [run["id"] for run in runs],
        "tuning": [search["id"] for search in searches],
        "prices": {dataset: _named("prices", dataset, "all", 0, 0, 1.0)["id"] for dataset in datasets},
    }
    return about, runs, searches, {dataset: {name: _price(name) for name in NETWORKS} for dataset in datasets}


def _plan(datasets: list[str], folds: int, seeds: int) -> dict[str, Any]:
    training = {"epochs": 8, "batch": 32, "learning_rate": 0.01, "optimiser": "adam", "weight_decay": 0.0, "clip": 1.0}
    return {
        "name": "A study of worms",
        "datasets": datasets,
        "networks": list(NETWORKS),
        "folds": folds,
        "seeds": list(range(seeds)),
        "reference": "lstm",
        "accelerator": "cpu",
        "is_quick": False,
        "training": {**training, "traffic": {**training, "epochs": 12}},
        "data": {},
        "metrics": {},
        "tuning": {"trials": 1, "space": {"learning_rate": [0.001, 0.05]}},
        "measures": {"noise": [0.25, 0.5], "drop": [0.3, 0.6], "rate": [0.5], "shares": [0.25, 1.0], "sizes": [12, 20]},
    }


def _skill(dataset: str, network: str) -> float:
    column = {"vowels": 4, "traffic": 5, "parity": 6}[dataset]
    if network in CELLS:
        chosen = CELLS[network]
        lost = sum(
            cost * (chosen[factor] == FACTORS[factor][1])
            for factor, cost in (("synapses", 1.6), ("tau", 0.35), ("density", 0.0))
        )
        base = NETWORKS["ncp-ltc-repaired"][column]
        return base + 0.3 * lost if dataset == "traffic" else base - lost if dataset == "vowels" else base
    if ":" in network:
        worse = 0.6 if network.endswith("12") else 0.1
        base = NETWORKS["ncp-ltc-repaired"][column]
        return base + 0.2 * worse if dataset == "traffic" else base - worse
    return NETWORKS[network][column]


def _score(rng: np.random.Generator, dataset: str, skill: float, fold: int, lost: float = 0.0) -> float:
    """A score; the fold's own difficulty is the same for all networks."""
    own = np.random.default_rng([fold, len(dataset)]).normal(0, 0.15)
    if dataset == "traffic":
        return float(np.exp(skill + own + lost + rng.normal(0, 0.03)))
    if dataset == "parity":
        learned = rng.random() < skill
        return float(np.clip((0.97 if learned else 0.5) + rng.normal(0, 0.01) - 0.1 * lost, 0, 1))
    cases = 125
    return float(rng.binomial(cases, 1 / (1 + np.exp(-(skill + own - lost + rng.normal(0, 0.1))))) / cases)


def _runs(rng: np.random.Generator, dataset: str, network: str, fold: int, seed: int) -> list[dict[str, Any]]:
    shares = (0.25, 1.0) if network in NETWORKS else (1.0,)
    return [_run(rng, dataset, network, fold, seed, share) for share in shares]


def _run(rng: np.random.Generator, dataset: str, network: str, fold: int, seed: int, share: float) -> dict[str, Any]:
    skill = _skill(dataset, network)
    lost = 0.8 * (1 - share)
    score = _score(rng, dataset, skill, fold, lost)
    names = ("mse", "mae") if dataset == "traffic" else ("accuracy", "balanced_accuracy")
    conditions: list[dict[str, Any]] = []
    if share == 1 and network in NETWORKS:
        for kind, levels in (
            ("noise", (0.25, 0.5)),
            ("drop", (0.3, 0.6)),
            ("drop_blind", (0.3, 0.6)),
            ("rate", (0.5,)),
        ):
            for level in levels:
                worse = (1.5 if NETWORKS[network][0] == "standard" else 1.0) * level
                now = _score(rng, dataset, skill, fold, worse) if dataset != "parity" else max(0.5, score - 0.3 * worse)
                conditions.append({"kind": kind, "level": level, "scores": {names[0]: now, names[1]: None}})
        if dataset == "traffic":
            far = _score(rng, dataset, skill, fold, 1.2)
            conditions.append({"kind": "unfamiliar", "level": "holiday", "scores": {names[0]: far, names[1]: far}})
    epochs = 12 if dataset == "traffic" else 8
    sign = -1 if dataset == "traffic" else 1
    valid = [score - sign * abs(score) * 0.5 * 0.6**epoch for epoch in range(epochs)]
    size = NETWORKS["ncp-ltc-repaired"][2] if network not in NETWORKS else NETWORKS[network][2]
    size = {"12": 310, "20": 720}.get(network.partition(":")[2], size)
    return {
        **_named("run", dataset, network, fold, seed, share),
        "dataset": dataset,
        "network": network,
        "fold": fold,
        "seed": seed,
        "share": share,
        "scores": {names[0]: score, names[1]: score * 0.98},
        "valid_scores": {names[0]: valid[-1], names[1]: None},
        "conditions": conditions,
        "dynamics": {"pc1": 0.6 + 0.1 * rng.random(), "l_max": 2 * rng.random(), "l_max_sorted": [2.0, 1.0]}
        if share == 1
        else {},
        "history": {
            "loss": [0.7**epoch for epoch in range(epochs)],
            "valid_loss": [0.7**epoch + 0.05 for epoch in range(epochs)],
            "valid_score": valid,
            "best": epochs - 1,
            "seconds": [2.0 * (epoch + 1) for epoch in range(epochs)],
        },
        "parameters": size,
        "core": size - 90,
        "read_out": 90,
        "synapses": size // 4,
        "multiply_adds": 6 * size,
        "functions": size,
        "learned": bool(score > 0.75) if dataset == "parity" else True,
        "seconds": 31.4,
    }


def _named(kind: str, dataset: str, network: str, fold: int, seed: int, share: float) -> dict[str, Any]:
    """How a record begins: its name follows from its spec."""
    head = {"kind": kind, "dataset": dataset, "network": network, "fold": fold, "seed": seed, "share": share}
    spec = {**head, "training": {"learning_rate": 0.01}}
    return {"id": identity(spec), "spec": spec, **head}


def _price(network: str) -> dict[str, float]:
    family, _, parameters, step = NETWORKS[network][:4]
    found = {
        "parameters": parameters,
        "core": parameters - 90,
        "read_out": 90,
        "synapses": parameters // 4,
        "multiply_adds": 6 * parameters,
        "functions": parameters,
        "step_ms": step,
        "step_low_ms": 0.95 * step,
        "step_high_ms": 1.1 * step,
        "memory_bytes": 900 * parameters,
        "latency_ms": 0.2 * step,
        "latency_low_ms": 0.19 * step,
        "latency_high_ms": 0.25 * step,
    }
    if family != "standard":
        found |= {"stepper_us": 0.7 * step, "stepper_low_us": 0.68 * step, "stepper_high_us": 0.8 * step}
    return found


def write(out: Path, about: dict, runs: list[dict], searches: list[dict], prices: dict) -> Path:
    """A directory of these records."""
    for folder in ("runs", "prices"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    (out / "study.json").write_text(json.dumps(about), encoding="utf-8")
    for record in (*runs, *searches):
        (out / "runs" / f"{record['id']}.json").write_text(json.dumps(record), encoding="utf-8")
    for dataset, name in about["prices"].items():
        record = {**_named("prices", dataset, "all", 0, 0, 1.0), "prices": prices[dataset]}
        (out / "prices" / f"{name}.json").write_text(json.dumps(record), encoding="utf-8")
    return out


def of_scores(
    scores: dict[str, list[list[float]]],
    *,
    task: str = "classify",
    baseline: float | None = 0.3,
    parameters: dict[str, int] | None = None,
    learned: dict[str, list[list[bool]]] | None = None,
    valid: dict[str, float] | None = None,
    overlap: bool = False,
    reference: str = "lstm",
    dataset: str = "d",
) -> summaries.Summary:
    """A study of one data set with these scores, by network, fold and seed; the family follows from the name."""

    def family(name: str) -> str:
        return "null" if "/" in name else "worm" if name.startswith(("ncp", "cook")) else "standard"

    metric = "accuracy" if task == "classify" else "mse"
    about, *_ = study(folds=0, seeds=0)
    about |= {
        "reference": reference,
        "networks": {n: {"family": family(n), "null_of": n.partition("/")[0] if "/" in n else None} for n in scores},
        "comparisons": [[n, reference] for n in scores if n != reference]
        + [[n.partition("/")[0], n] for n in scores if "/" in n],
        "datasets": {
            dataset: about_dataset(
                dataset, task, overlap=overlap, baselines={} if baseline is None else {"dull": baseline}
            )
        },
        "factorial": None,
    }
    about["plan"] = {**about["plan"], "networks": list(scores)}
    runs = [
        {
            "dataset": dataset,
            "network": name,
            "fold": fold,
            "seed": seed,
            "share": 1.0,
            "scores": {metric: score},
            "valid_scores": {metric: (valid or {}).get(name, score)},
            "conditions": [],
            "dynamics": {},
            "parameters": (parameters or {}).get(name, 1000),
            "history": {"valid_score": [score], "seconds": [1.0], "best": 0},
            "learned": learned[name][fold][seed] if learned else True,
            "seconds": 1.0,
        }
        for name, folds in scores.items()
        for fold, seeds in enumerate(folds)
        for seed, score in enumerate(seeds)
    ]
    return summaries.summarise(about, runs, [], {})
