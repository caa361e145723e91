"""From records to what a report says: one long table, scores with intervals, tests, and findings in words."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wormnet.errors import DataError
from wormnet.paths import printable, read_text
from wormnet.study import stats
from wormnet.study.networks import Recipe, parse
from wormnet.study.stats import Difference, Interval

__all__ = ["Comparison", "Summary", "findings", "long_table", "read", "shown", "summarise"]

MAX_BYTES = 2**28
"""The longest record of a study that is read."""
_ABOUT = {"plan", "reference", "comparisons", "datasets", "environment", "runs", "tuning", "prices"}


@dataclass(frozen=True)
class Comparison:
    """A paired test of two networks on one data set. `gain` is > 0 where the first is the better one."""

    dataset: str
    network: str
    against: str
    test: Difference
    gain: float
    p_holm: float | None

    @property
    def verdict(self) -> str:
        """In words, at the 5 % level after Holm's correction."""
        if self.gain == 0:
            return "the same"
        word = "better" if self.gain > 0 else "worse"
        return word if self.p_holm is not None and self.p_holm < 0.05 else f"{word}, not significant"


@dataclass(frozen=True)
class Summary:
    """A study, read back from its directory."""

    about: dict[str, Any]
    runs: list[dict[str, Any]]
    failed: list[dict[str, Any]]
    searches: list[dict[str, Any]]
    prices: dict[str, dict[str, dict[str, float]]]
    scores: dict[str, dict[str, Interval]]
    comparisons: list[Comparison]

    @property
    def datasets(self) -> dict[str, dict[str, Any]]:
        """What is told of each data set, by name."""
        return self.about["datasets"]

    @property
    def recipes(self) -> list[Recipe]:
        """The networks, in the order of the plan."""
        return [parse(name) for name in self.about["plan"]["networks"]]

    def of(self, dataset: str, network: str) -> list[dict[str, Any]]:
        """The finished runs of a network on a data set, by seed."""
        found = [run for run in self.runs if (run["dataset"], run["network"]) == (dataset, network)]
        return sorted(found, key=lambda run: run["seed"])

    def better(self, dataset: str) -> int:
        """+1 where more is better."""
        return stats.better(self.datasets[dataset]["task"])

    def baseline(self, dataset: str) -> tuple[str, float]:
        """The best of the trivial baselines."""
        return max(self.datasets[dataset]["baselines"].items(), key=lambda item: self.better(dataset) * item[1])


def read(out: Path) -> Summary:
    """Read a study's directory. Raises DataError if there is no study in it."""
    try:
        about = _content(out / "study.json")
    except DataError:
        about = {}
    if not about.keys() >= _ABOUT:
        raise DataError(f"{str(out)!r} holds no finished study (study.json); run one with wormnet.study.run.")

    def records(folder: str, ids: Iterable[str]) -> list[dict[str, Any]]:
        files = (out / folder / f"{one}.json" for one in ids)
        return [_content(file) for file in files if file.exists()]

    done = records("runs", about["runs"])
    searches = records("runs", about["tuning"])
    prices = {record["dataset"]: record["prices"] for record in records("prices", about["prices"].values())}
    return summarise(about, done, searches, prices)


def _content(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(read_text(path, MAX_BYTES))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise DataError(f"{printable(path)} is no record of a study; delete it and go on with resume (--resume).")
    return found


def summarise(
    about: dict[str, Any],
    done: list[dict[str, Any]],
    searches: list[dict[str, Any]],
    prices: dict[str, dict[str, dict[str, float]]],
) -> Summary:
    """Intervals and tests from the records."""
    runs = [run for run in done if "error" not in run]
    failed = [record for record in (*searches, *done) if "error" in record]
    scores: dict[str, dict[str, Interval]] = {}
    comparisons: list[Comparison] = []
    for name, dataset in about["datasets"].items():
        by_seed: dict[str, dict[int, float]] = {}
        for run in runs:
            if run["dataset"] == name:
                by_seed.setdefault(run["network"], {})[run["seed"]] = run["score"]
        scores[name] = {network: _interval(list(found.values()), dataset) for network, found in by_seed.items()}
        comparisons += _compare(name, about["comparisons"], by_seed, stats.better(dataset["task"]))
    return Summary(about, runs, failed, searches, prices, scores, comparisons)


def _interval(scores: list[float], dataset: Mapping[str, Any]) -> Interval:
    """Over the seeds; with one seed, of one accuracy over the test targets."""
    n = dataset["targets"]["test"]
    if len(scores) == 1 and dataset["task"] == "classify" and dataset["per"] == "sequence":
        return stats.wilson(round(scores[0] * n), n)
    return stats.mean_interval(scores)


def _compare(
    dataset: str, pairs: Iterable[tuple[str, str]], by_seed: dict[str, dict[int, float]], better: int
) -> list[Comparison]:
    """The pairs that have a seed in common, corrected together."""
    found: list[tuple[str, str, Difference]] = []
    for network, against in pairs:
        seeds = sorted(by_seed.get(network, {}).keys() & by_seed.get(against, {}).keys())
        if seeds:
            ours, theirs = ([by_seed[name][seed] for seed in seeds] for name in (network, against))
            found.append((network, against, stats.paired(ours, theirs)))
    tested = [test.p for _, _, test in found if test.p is not None]
    corrected = iter(stats.holm(tested))
    return [
        Comparison(dataset, network, against, test, better * test.mean, None if test.p is None else next(corrected))
        for network, against, test in found
    ]


def long_table(summary: Summary) -> list[dict[str, Any]]:
    """One row per number: dataset, network, seed, measure, level, value. Prices and baselines have no seed."""
    rows: list[dict[str, Any]] = []

    def put(dataset: str, network: str, seed: int | None, measure: str, value: Any, level: float | None = None) -> None:
        rows.append(
            {"dataset": dataset, "network": network, "seed": seed, "measure": measure, "level": level, "value": value}
        )

    for run in summary.runs:
        key = (run["dataset"], run["network"], run["seed"])
        for measure in ("score", "valid_score", "parameters", "core", "read_out", "synapses", "seconds"):
            put(*key, measure, run[measure])
        put(*key, "best_epoch", run["history"]["best"])
        put(*key, "learning_rate", run["spec"]["training"]["learning_rate"])
        for measure in ("noise", "drop"):
            for level, value in run[measure]:
                put(*key, measure, value, level)
    for dataset, networks in summary.prices.items():
        for network, prices in networks.items():
            for measure, value in prices.items():
                if measure.endswith(("_ms", "_bytes")):
                    put(dataset, network, None, measure, value)
    for dataset, about in summary.datasets.items():
        for name, value in about["baselines"].items():
            put(dataset, name, None, "baseline", value)
    return rows


def shown(value: float | None, task: str) -> str:
    """A score as it is printed: accuracy in percent, an error with three digits.

    >>> shown(0.9541, "classify"), shown(2.3081, "regress"), shown(None, "regress")
    ('95.4', '2.31', '?')
    >>> shown(-0.0462, "classify"), shown(-0.0001, "classify")
    ('\u22124.6', '0.0')
    """
    if value is None:
        return "?"
    text = f"{100 * value:.1f}" if task == "classify" else f"{value:.3g}"
    # Rounded to nothing it has no sign; else the sign is a minus, not a hyphen.
    return text.lstrip("-") if float(text) == 0 else text.replace("-", "\N{MINUS SIGN}", 1)


def findings(summary: Summary) -> list[tuple[str, list[str]]]:
    """For each data set, in plain words, who is ahead: worm or standard, wiring or null, network or baseline."""
    return [
        (
            dataset,
            [
                *_worm_or_standard(summary, dataset),
                *_price(summary, dataset),
                *_nulls(summary, dataset),
                *_trivial(summary, dataset),
            ],
        )
        for dataset in summary.datasets
    ]


def _worm_or_standard(summary: Summary, dataset: str) -> list[str]:
    task, sign = summary.datasets[dataset]["task"], summary.better(dataset)
    best: dict[str, str] = {}
    for family in ("worm", "standard"):
        names = [r.name for r in summary.recipes if r.family == family and r.name in summary.scores[dataset]]
        if not names:
            return []
        # Chosen on the validation part, so that the test part does not choose its own winner.
        best[family] = max(
            names, key=lambda name: sign * np.mean([run["valid_score"] for run in summary.of(dataset, name)])
        )
    worm, standard = best["worm"], best["standard"]
    ours, theirs = (_with_size(summary, dataset, name) for name in (worm, standard))
    by_seed = {name: {run["seed"]: run["score"] for run in summary.of(dataset, name)} for name in (worm, standard)}
    seeds = sorted(by_seed[worm].keys() & by_seed[standard].keys())
    if not seeds:
        return [f"{ours}; {theirs}; they have no seed in common, so nothing is tested."]
    test = stats.paired([by_seed[worm][seed] for seed in seeds], [by_seed[standard][seed] for seed in seeds])
    gain = sign * test.mean
    clear = test.low is not None and test.high is not None and (test.low > 0 or test.high < 0)
    verb = "ties with" if gain == 0 else "loses to" if gain < 0 else "beats" if clear else "is ahead of"
    sentence = f"The best worm network, {ours}, {verb} the best standard one, {theirs}"
    if test.low is None:
        return [f"{sentence}; with one seed nothing is tested."]
    unit = " points" if task == "classify" else ""
    ends = f"{shown(test.low, task)} to {shown(test.high, task)}"
    tail = "" if clear else ", which holds 0: seeds alone can do this"
    return [f"{sentence}. Difference {shown(test.mean, task)}{unit}, 95 % interval {ends}{tail}."]


def _price(summary: Summary, dataset: str) -> list[str]:
    """What the worm networks cost beside the reference."""
    prices, reference = summary.prices.get(dataset, {}), summary.about["reference"]
    worms = [recipe.name for recipe in summary.recipes if recipe.family == "worm" and recipe.name in prices]
    if reference not in prices or not worms:
        return []
    theirs = prices[reference]["step_ms"]
    ours = [f"{name} {prices[name]['step_ms'] / theirs:.1f}" for name in worms if name != reference]
    return [f"Time of a training step, in steps of {reference} ({theirs:.1f} ms): {', '.join(ours)}."] if ours else []


def _with_size(summary: Summary, dataset: str, name: str) -> str:
    task, size = summary.datasets[dataset]["task"], summary.of(dataset, name)[0]["parameters"]
    unit = " %" if task == "classify" else ""
    return f"{name} ({shown(summary.scores[dataset][name].mean, task)}{unit}, {size:,} parameters)"


def _nulls(summary: Summary, dataset: str) -> list[str]:
    task, sentences = summary.datasets[dataset]["task"], []
    for one in summary.comparisons:
        if one.dataset == dataset and parse(one.against).family == "null":
            word = "as good as" if one.gain == 0 else "better than" if one.gain > 0 else "worse than"
            clear = one.test.low is not None and one.test.high is not None and (one.test.low > 0 or one.test.high < 0)
            tail = "" if clear else ", within what seeds alone can do: no evidence that the wiring matters here"
            ours, null = (shown(summary.scores[dataset][name].mean, task) for name in (one.network, one.against))
            sentences.append(f"{one.network} ({ours}) is {word} its null {one.against} ({null}){tail}.")
    return sentences


def _trivial(summary: Summary, dataset: str) -> list[str]:
    task, sign = summary.datasets[dataset]["task"], summary.better(dataset)
    name, value = summary.baseline(dataset)
    behind = [n for n, score in summary.scores[dataset].items() if sign * score.mean <= sign * value]
    if not behind:
        return []
    all_of_them = "No network" if len(behind) == len(summary.scores[dataset]) else ""
    who = f"{all_of_them} beats" if all_of_them else f"Not above the trivial baseline: {', '.join(behind)};"
    return [f"{who} {name}: {shown(value, task)}{' %' if task == 'classify' else ''}."]
