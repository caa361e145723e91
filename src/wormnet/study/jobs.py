"""The pieces of work that a plan asks for, and how one of them is done.

plan -> preparations(plan) -> Prepared, one for each data set and fold
     -> tunings, trainings, pricing(plan, prepared) -> Job, whose spec determines its result
     -> execute(job) -> a record (plain values for JSON), and the network as it was in its best epoch
"""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from wormnet._version import __version__
from wormnet.errors import ArgumentError, WiringError, unknown
from wormnet.study import network as networks
from wormnet.study.checks import at, plain
from wormnet.study.metrics import Metric
from wormnet.study.network import Network, Predictor, Shape
from wormnet.study.plan import Measures, Plan, Training
from wormnet.study.prepared import Prepared, prepare
from wormnet.study.sources import Source
from wormnet.study.store import identity

__all__ = [
    "FORMAT",
    "Job",
    "about_study",
    "check",
    "execute",
    "head",
    "preparations",
    "pricing",
    "rebuild",
    "trainings",
    "tunings",
]

FORMAT = 2
"""Of the records; a record of another format is never reused."""

STRIDE = 10_000
"""Seeds of fold k are k STRIDE + seed, so that folds do not share wirings and starts."""


@dataclass(frozen=True, eq=False)
class Job:
    """One piece of work. Its `spec` determines its result, and so names its file.

    It can be pickled (cloudpickle, for networks and metrics of one's own) and so done in another process.
    """

    spec: dict[str, Any]
    data: Prepared
    networks: tuple[Network, ...]

    @property
    def id(self) -> str:
        """Same spec, same id, whatever the source: what changed source gives takes the place of what was there."""
        return identity(self.spec)


def preparations(plan: Plan) -> Iterator[Prepared]:
    """Each fold of each data set, once. Raises as `Plan.load`, and WiringError for what cannot be wired on it."""
    for one in plan.sources:
        for fold in plan.folds_of(one):
            dataset = plan.load(one, fold)
            training = plan.training_on(one.name)
            ready = prepare(
                replace(dataset, name=one.name) if dataset.name != one.name else dataset,
                fold or 0,
                plan.metrics_on(one.name, dataset.task),
                training.neurons,
                training.residual,
            )
            if not fold:
                check(plan, ready)
            yield ready


def check(plan: Plan, data: Prepared) -> None:
    """Raises the WiringError of a wiring that the plan asks for and that cannot be, with its place."""
    for network in plan.networks_on(data.name):
        try:
            networks.wiring_of(network, data.shape)
        except WiringError as error:
            raise WiringError(f"training.{data.name}: no {network.name} can be wired: {error}") from None


def _spec(kind: str, plan: Plan, data: Prepared, chosen: Sequence[Network], training: Training) -> dict[str, Any]:
    return {
        "kind": kind,
        "format": FORMAT,
        "wormnet": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "dataset": data.name,
        "fold": data.fold,
        "data": data.digest,
        "metrics": [one.name for one in data.metrics],
        "network": " ".join(one.name for one in chosen),
        "wirings": [digest for one in chosen if (digest := one.digest())],
        "shape": asdict(data.shape),
        "training": plain(training),
        "accelerator": plan.accelerator,
    }


def tunings(plan: Plan, data: Prepared) -> Iterator[Job]:
    """A search for each network's settings on this fold, if the plan has a budget for it."""
    if plan.tuning.trials:
        for network in plan.networks_on(data.name):
            spec = _spec("tuning", plan, data, [network], plan.training_on(data.name))
            yield Job({**spec, "seed": 0, "share": 1.0, "tuning": plan.tuning.to_dict()}, data, (network,))


def trainings(plan: Plan, data: Prepared, tuned: Mapping[str, Mapping[str, Any]] | None = None) -> Iterator[Job]:
    """A training on this fold for each network, seed and share of the data.

    Args: tuned: the settings found, by network: the `best` of the records of `tunings`.
    """
    measures = plan.measures_on(data.name)
    for network in plan.networks_on(data.name):
        training = replace(plan.training_on(data.name), **(tuned or {}).get(network.name, {}))
        for share in measures.shares if network.name in plan.named else (1.0,):
            wanted = plain(measures) if share == 1 else None
            for seed in plan.seeds:  # pyright: ignore[reportGeneralTypeIssues]
                spec = _spec("run", plan, data, [network], training)
                yield Job({**spec, "seed": seed, "share": share, "measures": _kept(wanted)}, data, (network,))


def _kept(measures: dict[str, Any] | None) -> dict[str, Any] | None:
    """Of the measures those that a run's record depends on."""
    return measures and {k: v for k, v in measures.items() if k in ("noise", "drop", "rate", "unfamiliar", "dynamics")}


def pricing(
    plan: Plan, data: Prepared, names: Sequence[str], repeats: int, seconds: float, machine: Mapping[str, Any]
) -> Job:
    """The measurement of what the networks of these names cost on this machine, on this fold's sizes."""
    chosen = [one for one in plan.networks_on(data.name) if one.name in names]
    spec = _spec("prices", plan, data, chosen, plan.training_on(data.name))
    more = {"seed": 0, "share": 1.0, "repeats": repeats, "seconds": seconds, "machine": dict(machine)}
    return Job({**spec, **more}, data, tuple(chosen))


def head(job: Job) -> dict[str, Any]:
    """How every record begins, that of a failed job too."""
    keys = ("kind", "dataset", "network", "fold", "seed", "share")
    return {"id": job.id, "spec": job.spec} | {key: job.spec[key] for key in keys}


def execute(job: Job, journal: Path | None = None) -> tuple[dict[str, Any], Predictor | None]:
    """Do a job in this process. The global random state stays as it was.

    Args: journal: where a search keeps its trials, so that one that was stopped goes on; None: in memory.
    Returns: its record; and of a run the network, on the CPU, as it was in its best validation epoch, else None.
    """
    from wormnet.study import fit  # noqa: F401  # pyright: ignore[reportUnusedImport] - its import is not the run's time

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng():
            begin = time.perf_counter()
            network = None
            if job.spec["kind"] == "run":
                found, network = _train(job)
            else:
                found = _search(job, journal) if job.spec["kind"] == "tuning" else _price(job)
            return {**head(job), **found, "seconds": time.perf_counter() - begin}, network
    finally:
        torch.set_num_threads(threads)


def rebuild(plan: Plan, record: Mapping[str, Any]) -> Predictor:
    """The network of a run as it was before training, for its weights to be loaded into.

    Raises: ArgumentError if the plan has no such network.
    """
    spec = record["spec"]
    found = [one for one in plan.all_networks if one.name == spec["network"]]
    if not found:
        raise ArgumentError(unknown("network of this plan", spec["network"], plan.network_names))
    with torch.random.fork_rng(devices=[]):
        return _fresh(found[0], Shape(**spec["shape"]), spec)


def _fresh(network: Network, shape: Shape, spec: Mapping[str, Any]) -> Predictor:
    seed = _drawn(spec)
    torch.manual_seed(seed)
    return networks.build(network, shape, seed)


def _drawn(spec: Mapping[str, Any]) -> int:
    """The seed of what is drawn: another one in every fold."""
    return spec["fold"] * STRIDE + spec["seed"]


def _fitted(job: Job, training: Training) -> tuple[Predictor, Any]:
    from wormnet.study import fit

    seed, network = _drawn(job.spec), _fresh(job.networks[0], job.data.shape, job.spec)
    return network, fit.fit(network, job.data, training, seed, job.spec["accelerator"], job.spec["share"])


def _train(job: Job) -> tuple[dict[str, Any], Predictor]:
    from wormnet.study import fit, measure
    from wormnet.study.prices import operations

    data, seed, wanted = job.data, _drawn(job.spec), job.spec["measures"]
    network, history = _fitted(job, Training(**job.spec["training"]))
    conditions, dynamics = [], {}
    if wanted is not None:
        measures = Measures(**wanted)
        conditions = measure.conditions(network, data, measures, seed)
        dynamics = measure.states_of(network, data) if measures.dynamics else {}
    valid = fit.scores_of(network, data.view.told(data.valid), data.metrics)
    products, functions = operations(network)
    record = {
        "scores": fit.scores_of(network, data.view.told(data.test), data.metrics),
        "valid_scores": valid,
        "conditions": conditions,
        "dynamics": dynamics,
        "history": asdict(history),
        **network.size(),
        "multiply_adds": products,
        "functions": functions,
        "learned": _learned(data, history.valid_score[history.best]),
    }
    return record, network.eval()


def _learned(data: Prepared, score: float | None) -> bool:
    """Whether a score on the validation part is above that of the best guess: the commonest class, or the mean."""
    y, valid, metric = data.train.targets, data.valid.targets, data.metrics[0]
    if data.train.task == "classify":
        share = (np.bincount(y, minlength=data.shape.n_outputs) + 1e-9) / len(y)
        guess = np.tile(np.log(share), (len(valid), 1))
    else:
        guess = np.tile(y.mean(0, dtype=np.float64), (len(valid), 1))
    least = metric(guess, valid)
    if score is None:
        return False
    return not math.isfinite(least) or metric.better * score > metric.better * least


def _search(job: Job, journal: Path | None) -> dict[str, Any]:
    import optuna
    from optuna.trial import TrialState

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    training, tuning, seed = Training(**job.spec["training"]), job.spec["tuning"], job.spec["seed"]
    better, space = job.data.metrics[0].better, tuning["space"]
    study = optuna.create_study(
        storage=None if journal is None else _journal(journal),
        study_name=job.id,
        load_if_exists=True,
        direction="maximize" if better > 0 else "minimize",
    )
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)  # it was killed
    # The plan's own settings are among those tried, so that tuning never ends below them on the validation part.
    own = {name: _within(getattr(training, name), values) for name, values in space.items()}

    def done() -> list[Any]:
        return [t for t in study.get_trials() if t.state == TrialState.COMPLETE or t.user_attrs.get("diverged")]

    while (n := len(done())) < tuning["trials"]:
        if n == 0 and not study.get_trials(states=(TrialState.WAITING,)):
            study.enqueue_trial(own)
        # A sampler for each trial, so that a search that goes on proposes what it would have proposed.
        study.sampler = optuna.samplers.TPESampler(seed=int(np.random.SeedSequence((seed, n)).generate_state(1)[0]))
        trial = study.ask()
        chosen = {name: _suggest(trial, name, values) for name, values in space.items()}
        try:
            history = _fitted(job, replace(training, **chosen))[1]
            value = history.valid_score[history.best]
        except FloatingPointError:
            value = None
        if value is None:
            trial.set_user_attr("diverged", True)
        study.tell(trial, value, state=TrialState.FAIL if value is None else None)
    tried = [{"parameters": dict(t.params), "valid_score": t.value} for t in done()]
    if all(one["valid_score"] is None for one in tried):
        raise FloatingPointError(f"none of {len(tried)} trials has a finite score; narrow the space of the tuning")
    return {"best": dict(study.best_params), "trials": tried}


def _journal(path: Path) -> Any:
    """A journal of trials, of which a process that was killed may have left half a line and a lock."""
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    Path(f"{path}.lock").unlink(missing_ok=True)
    if path.exists():
        content = path.read_bytes()
        path.write_bytes(content[: content.rfind(b"\n") + 1])
    try:
        return JournalStorage(JournalFileBackend(str(path)))
    except (ValueError, KeyError, TypeError):  # damaged
        path.unlink()
        return JournalStorage(JournalFileBackend(str(path)))


def _is_range(values: Sequence[Any]) -> bool:
    return len(values) == 2 and all(isinstance(one, (int, float)) and not isinstance(one, bool) for one in values)


def _suggest(trial: Any, name: str, values: Sequence[Any]) -> Any:
    if not _is_range(values):
        return trial.suggest_categorical(name, list(values))
    if all(isinstance(one, int) for one in values):
        return trial.suggest_int(name, *values, log=values[0] > 0)
    return trial.suggest_float(name, *values, log=values[0] > 0)


def _within(value: Any, values: Sequence[Any]) -> Any:
    if _is_range(values):
        return min(max(value, values[0]), values[1])
    return value if value in values else values[0]


def _price(job: Job) -> dict[str, Any]:
    from wormnet.study.prices import prices

    training, spec = Training(**job.spec["training"]), job.spec
    found = prices(job.networks, job.data, training, repeats=spec["repeats"], seconds=spec["seconds"])
    return {"prices": found}


# -- what is told of a study -------------------------------------------------------------------------------------------


def about_study(plan: Plan, ready: Sequence[Prepared]) -> dict[str, Any]:
    """The parts of study.json that follow from the plan and its data: plan, reference, comparisons, networks, datasets,
    metrics, factorial."""
    return {
        "plan": plan.to_dict(),
        "reference": plan.reference_network,
        "comparisons": [list(pair) for pair in plan.comparisons()],
        "networks": {one.name: _about_network(one, ready[0]) for one in plan.all_networks},
        "datasets": {one.name: _about_dataset(one, ready) for one in plan.sources},
        "metrics": {one.name: _about_metric(one) for data in ready for one in data.metrics},
        "factorial": None if plan.factorial is None else _about_factorial(plan),
    }


def _about_network(network: Network, data: Prepared) -> dict[str, Any]:
    with at(network.name):
        wiring = networks.wiring_of(network, data.shape)
    return {
        "family": network.family,
        "about": network.about,
        "null_of": network.null_of or None,
        "size_of": network.base or None,
        "size": network.size or None,
        "wiring": "" if wiring is None else repr(wiring),
    }


def _about_metric(metric: Metric) -> dict[str, Any]:
    bounds = [end if math.isfinite(end) else None for end in metric.bounds]
    return {"better": metric.better, "bounds": bounds, "unit": metric.unit, "about": metric.about}


def _about_dataset(one: Source, ready: Sequence[Prepared]) -> dict[str, Any]:
    """That of the first fold, with the means over the folds of what differs."""
    folds = [data for data in ready if data.name == one.name]
    first = dict(folds[0].about)
    every = [one.about["baselines"] for one in folds]
    first["baselines"] = {name: float(np.mean([one[name] for one in every])) for name in every[0]}
    for key in ("sequences", "targets"):
        first[key] = {part: round(float(np.mean([one.about[key][part] for one in folds]))) for part in first[key]}
    return {**first, "folds": len(folds), "overlap": one.overlap and len(folds) > 1}


def _about_factorial(plan: Plan) -> dict[str, Any]:
    from wormnet.study.networks.ablation import FACTORS

    design = plan.factorial
    assert design is not None
    return {
        "factors": {factor: list(FACTORS[factor]) for factor in design.factors},
        "cells": {name: dict(levels) for name, levels in design.cells.items()},
        "base": design.base,
        "resolution": design.resolution,
        "words": list(design.words),
    }
