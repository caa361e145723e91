"""The pieces of work that a plan asks for, and how one of them is done."""

import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch

from wormnet._version import __version__
from wormnet.data import Dataset, Sequences
from wormnet.errors import WiringError
from wormnet.study.networks import Shape, parse, wiring_of
from wormnet.study.plan import Plan, Training

__all__ = ["FORMAT", "Job", "Prepared", "check", "execute", "head", "prepare", "pricing", "trainings", "tunings"]

FORMAT = 1
"""Of the records; a record of another format is never reused."""


class Prepared(NamedTuple):
    """A data set as the workers get it: standardised, with a digest of its content."""

    name: str
    shape: Shape
    train: Sequences
    valid: Sequences
    test: Sequences
    digest: str


@dataclass(frozen=True)
class Job:
    """One piece of work. Its `spec` determines its result, and so names its file."""

    spec: dict[str, Any]
    data: Prepared

    @property
    def id(self) -> str:
        """Same spec, same id."""
        return hashlib.sha256(json.dumps(self.spec, sort_keys=True).encode()).hexdigest()[:20]


def prepare(dataset: Dataset, training: Training) -> Prepared:
    """A data set as the workers get it."""
    from wormnet.study.measure import shape_of, standardised

    content = hashlib.sha256(f"{dataset.task} {dataset.n_outputs}".encode())
    for part in (dataset.train, dataset.valid, dataset.test):
        for array in (part.x, part.y, part.lengths, part.dt):
            content.update(b"-" if array is None else f"{array.dtype}{array.shape}".encode() + array.tobytes())
    shape = shape_of(dataset, training.neurons)
    return Prepared(dataset.name, shape, *standardised(dataset), content.hexdigest())


def check(plan: Plan, data: Prepared) -> None:
    """Raises the WiringError of a wiring that the plan asks for and that cannot be, with its place."""
    for recipe in map(parse, plan.networks):
        if recipe.family != "standard":
            try:
                wiring_of(recipe, data.shape)
            except WiringError as error:
                raise WiringError(f"training.{data.name}: no {recipe.name} can be wired: {error}") from None


def _spec(kind: str, plan: Plan, data: Prepared, network: str, training: Training) -> dict[str, Any]:
    return {
        "kind": kind,
        "format": FORMAT,
        "wormnet": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "dataset": data.name,
        "data": data.digest,
        "network": network,
        "training": asdict(training),
        "accelerator": plan.accelerator,
    }


def tunings(plan: Plan, data: Prepared) -> Iterator[Job]:
    """A search for each network's learning rate, if the plan has a budget for it."""
    if plan.tuning.trials:
        for network in plan.networks:
            spec = _spec("tuning", plan, data, network, plan.training_on(data.name))
            yield Job({**spec, "seed": 0, "tuning": asdict(plan.tuning)}, data)


def trainings(plan: Plan, data: Prepared, rates: Mapping[str, float]) -> Iterator[Job]:
    """A training for each network and seed; `rates` holds the learning rates found, by network."""
    for network in plan.networks:
        training = plan.training_on(data.name)
        training = replace(training, learning_rate=rates.get(network, training.learning_rate))
        for seed in plan.seeds:  # pyright: ignore[reportGeneralTypeIssues]
            spec = _spec("run", plan, data, network, training)
            yield Job({**spec, "seed": seed, "robustness": asdict(plan.robustness)}, data)


def pricing(plan: Plan, data: Prepared, networks: Sequence[str], repeats: int, machine: Mapping[str, Any]) -> Job:
    """The measurement of what the networks cost on this machine."""
    spec = _spec("prices", plan, data, " ".join(networks), plan.training_on(data.name))
    return Job({**spec, "seed": 0, "repeats": repeats, "machine": dict(machine)}, data)


def execute(job: Job) -> dict[str, Any]:
    """Do a job in this process: the record of a run, or of a search. The global random state stays as it was."""
    from wormnet.study import fit  # noqa: F401  # pyright: ignore[reportUnusedImport] - its import is not the run's time

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng():
            begin = time.perf_counter()
            found = _train(job) if job.spec["kind"] == "run" else _search(job)
            return {**head(job), **found, "seconds": time.perf_counter() - begin}
    finally:
        torch.set_num_threads(threads)


def head(job: Job) -> dict[str, Any]:
    """How every record begins."""
    return {"id": job.id, "spec": job.spec} | {key: job.spec[key] for key in ("kind", "dataset", "network", "seed")}


def _fitted(job: Job, training: Training, seed: int) -> tuple[Any, Any]:
    from wormnet.study import fit
    from wormnet.study.networks import build

    torch.manual_seed(seed)
    network = build(job.spec["network"], job.data.shape, seed)
    history = fit.fit(network, job.data.train, job.data.valid, training, seed, job.spec["accelerator"])
    return network, history


def _train(job: Job) -> dict[str, Any]:
    from wormnet.study import fit, measure

    data, seed, robustness = job.data, job.spec["seed"], job.spec["robustness"]
    network, history = _fitted(job, Training(**job.spec["training"]), seed)
    noisy = {level: measure.add_noise(data.test, level, seed) for level in robustness["noise"]}
    thinned = {level: measure.drop_samples(data.test, level, seed) for level in robustness["drop"]}
    return {
        "score": fit.score(network, data.test),
        "valid_score": history.valid_score[history.best],
        "noise": [[level, fit.score(network, part)] for level, part in noisy.items()],
        "drop": [[level, fit.score(network, part)] for level, part in thinned.items()],
        "history": asdict(history),
        **network.size(),
    }


def _search(job: Job) -> dict[str, Any]:
    import optuna

    from wormnet.study import stats

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    training, tuning = Training(**job.spec["training"]), job.spec["tuning"]
    low, high = tuning["learning_rate"]
    sign = stats.better(job.data.train.task)
    tried: list[dict[str, Any]] = []

    def objective(trial: "optuna.Trial") -> float:
        rate = trial.suggest_float("learning_rate", low, high, log=True)
        try:
            _, history = _fitted(job, replace(training, learning_rate=rate), job.spec["seed"])
            value = history.valid_score[history.best]
        except FloatingPointError:
            value = None
        tried.append({"learning_rate": rate, "valid_score": value})
        return -sign * np.inf if value is None else value

    study = optuna.create_study(
        direction="maximize" if sign > 0 else "minimize", sampler=optuna.samplers.TPESampler(seed=job.spec["seed"])
    )
    # The plan's own rate is among those tried, so that tuning never ends below it on the validation part.
    study.enqueue_trial({"learning_rate": min(max(training.learning_rate, low), high)})
    study.optimize(objective, n_trials=tuning["trials"])
    return {"learning_rate": study.best_params["learning_rate"], "trials": tried}
