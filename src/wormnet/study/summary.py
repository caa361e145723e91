"""A study, read back: scores by fold, with intervals, and who is who."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from wormnet.errors import DataError
from wormnet.study import stats
from wormnet.study.scale import Scale
from wormnet.study.stats import Interval
from wormnet.study.store import Store

__all__ = ["FAMILIES", "Summary", "read", "summarise"]

FAMILIES = ("worm", "null", "standard")
_ABOUT_FOLDS = {"networks", "metrics", "factorial"}


@dataclass(frozen=True)
class Summary:
    """A study, read back from its directory. A score is the mean over folds of the mean over a fold's seeds."""

    about: dict[str, Any]
    runs: list[dict[str, Any]]
    """Finished runs whose score is defined, at every share of the training data."""
    failed: list[dict[str, Any]]
    searches: list[dict[str, Any]]
    prices: dict[str, dict[str, dict[str, float]]]
    undefined: int = 0
    """Runs that finished with a score that is not defined on their test part."""

    @property
    def datasets(self) -> dict[str, dict[str, Any]]:
        """What is told of each data set, by name."""
        return self.about["datasets"]

    @property
    def networks(self) -> dict[str, dict[str, Any]]:
        """What is told of each network, by name."""
        return self.about["networks"]

    @cached_property
    def main(self) -> list[str]:
        """The networks that a reader compares: without cells of the factorial design and other sizes of a network."""
        cells = (self.about["factorial"] or {}).get("cells", {})
        named = self.about["plan"].get("networks", ())
        return [
            name
            for name, about in self.networks.items()
            if name in named or (name not in cells and not about.get("size_of"))
        ]

    def family(self, network: str) -> str:
        """Of a network: "worm", "null" or "standard"."""
        return self.networks[network]["family"]

    @cached_property
    def scales(self) -> dict[str, Scale]:
        """By data set: how the metric is read that networks are compared by."""
        return {
            name: Scale.of(about["metric"], self.about["metrics"][about["metric"]])
            for name, about in self.datasets.items()
        }

    @cached_property
    def _by_key(self) -> dict[tuple[str, str, float], list[dict[str, Any]]]:
        found: dict[tuple[str, str, float], list[dict[str, Any]]] = {}
        for run in sorted(self.runs, key=lambda run: (run["fold"], run["seed"])):
            found.setdefault((run["dataset"], run["network"], float(run["share"])), []).append(run)
        return found

    def of(self, dataset: str, network: str, share: float = 1.0) -> list[dict[str, Any]]:
        """The finished runs of a network on a data set, by fold and seed."""
        return self._by_key.get((dataset, network, share), [])

    def has(self, dataset: str, network: str) -> bool:
        """Whether a network finished a run on a data set."""
        return bool(self.of(dataset, network))

    def shares(self, dataset: str, network: str) -> list[float]:
        """The shares of the training data that a network was trained with, rising."""
        return sorted(share for one, name, share in self._by_key if (one, name) == (dataset, network))

    def value(self, run: dict[str, Any], part: str = "scores") -> float:
        """The score that networks are compared by, of a run."""
        return float(run[part][self.scales[run["dataset"]].name])

    def folds(self, dataset: str, network: str, share: float = 1.0) -> dict[int, float]:
        """By fold, the mean score of the seeds that finished."""
        return by_fold((run["fold"], self.value(run)) for run in self.of(dataset, network, share))

    def valid(self, dataset: str, network: str) -> float:
        """Mean score on the validation parts: what networks are picked by. NaN if it is not defined."""
        name = self.scales[dataset].name
        scores = [(run["fold"], run["valid_scores"].get(name)) for run in self.of(dataset, network)]
        defined = by_fold((fold, float(score)) for fold, score in scores if score is not None)
        return float(np.mean(list(defined.values()))) if defined else float("nan")

    def rank(self, dataset: str, network: str) -> float:
        """The larger, the better on the validation parts; what is not defined there comes last."""
        found = self.scales[dataset].better * self.valid(dataset, network)
        return found if np.isfinite(found) else -np.inf

    def one_split(self, dataset: str) -> bool:
        """Whether there is one test part only, so that nothing can be said of others."""
        return len({run["fold"] for run in self.runs if run["dataset"] == dataset}) < 2

    def overlap(self, dataset: str) -> float:
        """Test sequences for each training sequence, where the folds share training sequences; else 0."""
        about = self.datasets[dataset]
        n = about["sequences"]
        return n["test"] / max(n["train"] + n["valid"], 1) if about["overlap"] else 0.0

    def interval(self, dataset: str, by_fold: dict[int, float], bounds: tuple[float, float] | None = None) -> Interval:
        """Of fold means of anything; a score unless bounds are given."""
        bounds = self.scales[dataset].bounds if bounds is None else bounds
        return stats.mean_interval(list(by_fold.values()), overlap=self.overlap(dataset), bounds=bounds)

    def score(self, dataset: str, network: str, share: float = 1.0) -> Interval | None:
        """The score with its interval over folds; on one split over seeds, or of one accuracy. None without runs."""
        folds = self.folds(dataset, network, share)
        if not folds:
            return None
        if len(folds) > 1:
            return self.interval(dataset, folds)
        scale, about = self.scales[dataset], self.datasets[dataset]
        seeds = [self.value(run) for run in self.of(dataset, network, share)]
        if len(seeds) == 1 and scale.name == "accuracy" and about["per"] == "sequence":
            n = about["targets"]["test"]
            return replace(stats.wilson(round(seeds[0] * n), n), mean=seeds[0])
        return stats.mean_interval(seeds, bounds=scale.bounds)

    def size(self, dataset: str, network: str) -> float:
        """Trained parameters, the median over the runs: a wiring that is drawn anew can differ by a few."""
        return float(np.median([run["parameters"] for run in self.of(dataset, network)]))

    def baseline(self, dataset: str) -> tuple[str, float] | None:
        """The best of the trivial baselines; None if the data set has none."""
        better, found = self.scales[dataset].better, self.datasets[dataset]["baselines"]
        return max(found.items(), key=lambda item: better * item[1]) if found else None

    def best(self, dataset: str, family: str) -> str | None:
        """The network of a family with the best mean on the validation parts; the test parts choose nothing."""
        names = [name for name in self.main if self.family(name) == family and self.has(dataset, name)]
        return max(names, key=lambda name: self.rank(dataset, name), default=None)


def by_fold(values: Iterable[tuple[int, float]]) -> dict[int, float]:
    """Means by fold, in the order of the folds."""
    found: dict[int, list[float]] = {}
    for fold, value in values:
        found.setdefault(fold, []).append(value)
    return {fold: float(np.mean(found[fold])) for fold in sorted(found)}


def read(out: Path) -> Summary:
    """Read a study's directory. Raises DataError if there is no study in it, or one of a wormnet without folds."""
    store = Store(out)
    about = store.about()
    if not about.keys() >= _ABOUT_FOLDS:
        raise DataError(
            f"{str(out)!r} holds a study of an older wormnet, whose records know no folds; run its plan again."
        )
    done, searches = store.records(about["runs"]), store.records(about["tuning"], "tuning")
    priced = store.records(about["prices"].values(), "prices")
    return summarise(about, done, searches, {record["dataset"]: record["prices"] for record in priced})


def summarise(
    about: dict[str, Any],
    done: list[dict[str, Any]],
    searches: list[dict[str, Any]],
    prices: dict[str, dict[str, dict[str, float]]],
) -> Summary:
    """A study from its records."""
    finished = [run for run in done if "error" not in run]
    metric = {name: one["metric"] for name, one in about["datasets"].items()}
    defined = [run for run in finished if run["scores"].get(metric[run["dataset"]]) is not None]
    failed = [record for record in (*searches, *done) if "error" in record]
    found = [search for search in searches if "error" not in search]
    return Summary(about, defined, failed, found, prices, len(finished) - len(defined))
