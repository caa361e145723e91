"""What is gained and what is paid, beside the score: robustness, sample efficiency, size, time, failures."""

import math
from dataclasses import dataclass

import numpy as np

from wormnet.study import stats
from wormnet.study.stats import Interval
from wormnet.study.summary import Summary, by_fold

__all__ = [
    "CLEAN",
    "Curve",
    "Learned",
    "Small",
    "Timed",
    "curve",
    "dynamics",
    "efficiency",
    "kinds",
    "learned",
    "price",
    "smallest",
    "time_to_score",
    "unfamiliar",
]

CLEAN = {"noise": 0.0, "drop": 0.0, "drop_blind": 0.0, "rate": 1.0}
"""The level of each kind of disturbance at which nothing is disturbed."""

NEAR = 0.05
"""A score is near another one if it is at most 5 % worse."""


@dataclass(frozen=True)
class Curve:
    """A network's score under a rising disturbance: means over folds."""

    levels: list[float]
    """Rising, with that of the clean input."""
    scores: list[Interval]
    areas: dict[int, float]
    """By fold, the area under the curve in parts of the clean score's: 1 where nothing is lost.

    {} where the metric gives that no meaning."""
    area: Interval | None
    """Their mean."""


def kinds(summary: Summary, dataset: str) -> list[str]:
    """The kinds of disturbance that were measured on a data set, without what is unfamiliar."""
    found = {one["kind"] for run in summary.runs if run["dataset"] == dataset for one in run["conditions"]}
    return [kind for kind in CLEAN if kind in found]


def _at(summary: Summary, dataset: str, network: str, kind: str) -> dict[object, dict[int, float]]:
    """By level and fold, the mean score over seeds."""
    name = summary.scales[dataset].name
    found: dict[object, list[tuple[int, float]]] = {}
    for run in summary.of(dataset, network):
        for one in run["conditions"]:
            if one["kind"] == kind and one["scores"].get(name) is not None:
                found.setdefault(one["level"], []).append((run["fold"], float(one["scores"][name])))
    return {level: by_fold(values) for level, values in found.items()}


def curve(summary: Summary, dataset: str, network: str, kind: str) -> Curve | None:
    """The degradation curve of a network; None if it was not measured.

    The area is by trapezoids over the levels (of a rate over its logarithm), and a score counts in parts of the clean
    one: score / clean where more is better, clean / score where less is.
    """
    found = _at(summary, dataset, network, kind)
    at = {float(level): folds for level, folds in found.items() if isinstance(level, (int, float))}
    if not at:
        return None
    at[CLEAN[kind]] = summary.folds(dataset, network)
    levels = sorted(at)
    scores = [summary.interval(dataset, at[level]) for level in levels]
    folds = sorted(set.intersection(*(set(at[level]) for level in levels)))
    areas = {fold: _area(summary, dataset, kind, [(level, at[level][fold]) for level in levels]) for fold in folds}
    defined = {fold: area for fold, area in areas.items() if math.isfinite(area)}
    area = summary.interval(dataset, defined, (0.0, math.inf)) if defined else None
    return Curve(levels, scores, defined, area)


def _area(summary: Summary, dataset: str, kind: str, points: list[tuple[float, float]]) -> float:
    clean = dict(points)[CLEAN[kind]]
    more = summary.scales[dataset].better > 0
    if min(clean if more else score for _, score in points) <= 0 or len(points) < 2:
        return math.nan
    parts = [score / clean if more else clean / score for _, score in points]
    x = np.array([math.log2(level) if kind == "rate" else level for level, _ in points])
    return float(np.trapezoid(parts, x) / (x[-1] - x[0]))


def unfamiliar(summary: Summary, dataset: str) -> dict[str, dict[str, Interval]]:
    """By part and network the score on what is unlike all training data, or reported apart from the test part.

    All folds meet the same part, so the interval tells of networks trained anew on this part, and not of others.
    """
    found: dict[str, dict[str, Interval]] = {}
    for network in summary.main:
        for kind in ("unfamiliar", "apart"):
            for level, folds in _at(summary, dataset, network, kind).items():
                found.setdefault(str(level), {})[network] = summary.interval(dataset, folds)
    return found


def efficiency(summary: Summary, dataset: str, network: str) -> dict[float, Interval]:
    """The score by the share of the training sequences, rising; {} if only one share was run."""
    shares = summary.shares(dataset, network)
    found = {share: summary.score(dataset, network, share) for share in shares}
    return {share: one for share, one in found.items() if one is not None} if len(shares) > 1 else {}


@dataclass(frozen=True)
class Small:
    """The smallest network that is near the best one."""

    network: str
    parameters: float
    score: Interval
    best: str


def smallest(summary: Summary, dataset: str, family: str = "") -> Small | None:
    """The smallest network within 5 % of the best one, of a family or of all; other sizes of a network count too.

    Both are picked on the validation parts; what is told of them is their test score.
    """
    names = [
        name
        for name, about in summary.networks.items()
        if summary.has(dataset, name)
        and (not family or about["family"] == family)
        and math.isfinite(summary.rank(dataset, name))
    ]
    if not names:
        return None
    best = max(names, key=lambda name: summary.rank(dataset, name))
    near = [name for name in names if _is_near(summary, dataset, summary.valid(dataset, name), best)]
    found = min(near, key=lambda name: summary.size(dataset, name))
    score = summary.score(dataset, found)
    return None if score is None else Small(found, summary.size(dataset, found), score, best)


def _is_near(summary: Summary, dataset: str, score: float, best: str) -> bool:
    better, target = summary.scales[dataset].better, summary.valid(dataset, best)
    return better * score >= better * target - NEAR * abs(target)


@dataclass(frozen=True)
class Learned:
    """How often trainings came to something."""

    learned: Interval
    """Share of all trainings that ended above the best guess on the validation part, exact interval."""
    failed: int
    """Trainings that ended in an error; they have learned nothing."""
    n: int


def learned(summary: Summary, dataset: str, network: str) -> Learned | None:
    """Counts over the runs with all training data; None if there is none. Runs of a fold share their data."""
    runs = summary.of(dataset, network)
    failed = sum(
        record.get("kind", "run") == "run"
        and (record["dataset"], record["network"], float(record.get("share", 1.0))) == (dataset, network, 1.0)
        for record in summary.failed
    )
    n = len(runs) + failed
    if not n:
        return None
    return Learned(stats.exact_share(sum(bool(run["learned"]) for run in runs), n), failed, n)


@dataclass(frozen=True)
class Timed:
    """Seconds of training until the validation score was reached for the first time."""

    median: float | None
    """Over all runs; None if half of them never reached it."""
    reached: int
    n: int


def time_to_score(summary: Summary, dataset: str) -> tuple[float, dict[str, Timed]] | None:
    """A validation score, and how long each network takes to it: within 5 % of the reference's; None without one.

    Seconds are those of training beside other runs of the study, and so comparable within a study at best.
    """
    reference = summary.about["reference"]
    if not summary.has(dataset, reference) or not math.isfinite(summary.rank(dataset, reference)):
        return None
    better, valid = summary.scales[dataset].better, summary.valid(dataset, reference)
    target = valid - better * NEAR * abs(valid)
    found: dict[str, Timed] = {}
    for network in summary.main:
        times = [_first(run["history"], target, better) for run in summary.of(dataset, network)]
        if times:
            median = float(np.median(times))
            reached = sum(map(math.isfinite, times))
            found[network] = Timed(median if math.isfinite(median) else None, reached, len(times))
    return target, found


def _first(history: dict[str, list[float | None]], target: float, better: int) -> float:
    for score, seconds in zip(history["valid_score"], history["seconds"]):
        if score is not None and seconds is not None and better * score >= better * target:
            return float(seconds)
    return math.inf


def dynamics(summary: Summary, dataset: str, network: str) -> dict[str, Interval]:
    """What was measured of a network's states that is one number: PC1's share of the variance, the largest jump, ..."""
    found: dict[str, list[tuple[int, float]]] = {}
    for run in summary.of(dataset, network):
        for name, value in run["dynamics"].items():
            if isinstance(value, (int, float)) and math.isfinite(value):
                found.setdefault(name, []).append((run["fold"], float(value)))
    return {name: summary.interval(dataset, by_fold(values), (-math.inf, math.inf)) for name, values in found.items()}


def price(summary: Summary, dataset: str, network: str) -> dict[str, float]:
    """What a network costs: the measured price, and of what was not measured what its runs know."""
    measured = summary.prices.get(dataset, {}).get(network, {})
    runs = summary.of(dataset, network)
    counted = {
        name: float(np.median([run[name] for run in runs]))
        for name in ("parameters", "core", "read_out", "synapses", "multiply_adds", "functions")
        if runs and all(run.get(name) is not None for run in runs)
    }
    return {**counted, **{name: float(value) for name, value in measured.items() if value is not None}}
