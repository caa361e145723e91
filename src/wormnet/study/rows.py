"""The report's tables as rows of plain values: what its CSV files hold, and what its page shows."""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

from wormnet.study import gains
from wormnet.study.compare import Comparison, Results, compared
from wormnet.study.stats import Interval
from wormnet.study.summary import Summary

__all__ = ["as_csv", "long_table", "tables"]

Row = dict[str, Any]

_COUNTED = ("parameters", "core", "read_out", "synapses", "multiply_adds", "functions", "memory_bytes")
_TIMED = ("step_ms", "latency_ms", "stepper_us")
_RATIOS = ("parameters", "multiply_adds", *_TIMED)


def tables(summary: Summary, tests: Results) -> dict[str, list[Row]]:
    """Every table of the report by name."""
    by_name = {
        "networks": list(_networks(summary, tests)),
        "tests": [_comparison(one) for one in tests.comparisons],
        "ingredients": list(_effects(tests)),
        "robustness": list(_robustness(summary)),
        "unfamiliar": list(_unfamiliar(summary)),
        "efficiency": list(_efficiency(summary)),
        "smallest": list(_smallest(summary)),
        "learning": list(_learning(summary)),
        "dynamics": list(_dynamics(summary)),
        "baselines": [
            {"dataset": dataset, "baseline": name, "value": value}
            for dataset, about in summary.datasets.items()
            for name, value in about["baselines"].items()
        ],
        "failed": [
            {"dataset": one["dataset"], "network": one["network"], "fold": one.get("fold"), "seed": one.get("seed")}
            | {"share": one.get("share"), "kind": one.get("kind", "run"), "error": one["error"]}
            for one in summary.failed
        ],
        "tuned": [
            {"dataset": one["dataset"], "network": one["network"], "fold": one["fold"], "trials": len(one["trials"])}
            | one["best"]
            for one in summary.searches
        ],
    }
    return {name: rows for name, rows in by_name.items() if rows}


def _ends(found: Interval | None, name: str = "") -> Row:
    keys = (name or "mean", f"{name}_low" if name else "low", f"{name}_high" if name else "high")
    return dict(zip(keys, (None,) * 3 if found is None else (found.mean, found.low, found.high)))


def _networks(summary: Summary, tests: Results) -> Iterator[Row]:
    """Score, gain over the reference and price of each network on each data set."""
    reference = summary.about["reference"]
    for dataset in summary.datasets:
        gain = {one.network: one for one in tests.pairs(dataset) if one.against == reference}
        theirs = gains.price(summary, dataset, reference)
        best = {summary.best(dataset, family) for family in ("worm", "standard")}
        for name in summary.main:
            score, price = summary.score(dataset, name), gains.price(summary, dataset, name)
            # Each has a gain to be read; those that are not among the tests have no verdict.
            over = gain.get(name) or (None if name == reference else compared(summary, dataset, name, reference))
            yield {
                "dataset": dataset,
                "network": name,
                "family": summary.family(name),
                **_ends(score, "score"),
                "folds": len(summary.folds(dataset, name)),
                "runs": len(summary.of(dataset, name)),
                "picked": name in best,
                "gain": over and over.test.mean,
                "gain_low": over and over.test.low,
                "gain_high": over and over.test.high,
                "gain_of": over and over.scale.name,
                "verdict": gain[name].verdict if name in gain else None,
                **dict.fromkeys((*_COUNTED, *_TIMED)),
                **price,
                **{f"times_{column}": _ratio(price.get(column), theirs.get(column)) for column in _RATIOS},
            }


def _ratio(ours: float | None, theirs: float | None) -> float | None:
    return ours / theirs if ours and theirs else None


def _comparison(one: Comparison) -> Row:
    test = one.test
    return {
        "dataset": one.dataset,
        "network": one.network,
        "against": one.against,
        "why": ", ".join(one.reasons),
        "of": one.scale.name,
        "gain": test.mean,
        "low": test.low,
        "high": test.high,
        "p": test.p,
        "p_holm": one.p_holm,
        "effect": test.effect,
        "effect_low": test.effect_low,
        "effect_high": test.effect_high,
        "p_sign_flip": test.p_sign_flip,
        "n": test.n,
        "margin": one.margin,
        "verdict": one.verdict,
    }


def _effects(tests: Results) -> Iterator[Row]:
    for one in tests.effects:
        yield {
            "dataset": one.dataset,
            "ingredient": one.name,
            "level": one.levels and one.levels[0],
            "instead": one.levels and one.levels[1],
            "gain": one.test.mean,
            "low": one.test.low,
            "high": one.test.high,
            "p": one.test.p if one.tested else None,
            "p_holm": one.p_holm,
            "n": one.test.n,
            "margin": one.margin,
            "with": one.with_it,
            "without": one.without_it,
            "gap": one.gap,
            "aliases": "; ".join(one.aliases),
            "needed_on": "; ".join(one.needed_on),
            "verdict": one.verdict,
        }


def _robustness(summary: Summary) -> Iterator[Row]:
    for dataset in summary.datasets:
        for kind in gains.kinds(summary, dataset):
            for name in summary.main:
                found = gains.curve(summary, dataset, name, kind)
                if found is not None:
                    row = {"dataset": dataset, "network": name, "family": summary.family(name), "kind": kind}
                    yield (
                        row | _ends(found.area, "area") | {"level": found.levels[-1]} | _ends(found.scores[-1], "score")
                    )


def _unfamiliar(summary: Summary) -> Iterator[Row]:
    for dataset in summary.datasets:
        for part, found in gains.unfamiliar(summary, dataset).items():
            for name, score in found.items():
                row = {"dataset": dataset, "part": part, "network": name, "family": summary.family(name)}
                yield row | _ends(score, "score")


def _efficiency(summary: Summary) -> Iterator[Row]:
    for dataset in summary.datasets:
        for name in summary.main:
            for share, score in gains.efficiency(summary, dataset, name).items():
                row = {"dataset": dataset, "network": name, "family": summary.family(name), "share": share}
                yield row | _ends(score, "score")


def _smallest(summary: Summary) -> Iterator[Row]:
    for dataset in summary.datasets:
        for family in ("worm", "standard"):
            one = gains.smallest(summary, dataset, family)
            if one is not None:
                row = {"dataset": dataset, "family": family, "network": one.network, "parameters": one.parameters}
                yield row | _ends(one.score, "score") | {"best": one.best}


def _learning(summary: Summary) -> Iterator[Row]:
    """How many trainings learned, failed, and how long they took to a score."""
    for dataset in summary.datasets:
        timed = gains.time_to_score(summary, dataset)
        for name in summary.main:
            found = gains.learned(summary, dataset, name)
            if found is not None:
                row: Row = {"dataset": dataset, "network": name, "family": summary.family(name), "trainings": found.n}
                row |= _ends(found.learned, "learned") | {"failed": found.failed}
                row |= {"target": None, "reached": None, "seconds": None}
                if timed is not None and name in timed[1]:
                    time = timed[1][name]
                    row |= {"target": timed[0], "reached": time.reached, "seconds": time.median}
                yield row


def _dynamics(summary: Summary) -> Iterator[Row]:
    for dataset in summary.datasets:
        for name in summary.main:
            for measure, found in gains.dynamics(summary, dataset, name).items():
                row = {"dataset": dataset, "network": name, "family": summary.family(name), "measure": measure}
                yield row | _ends(found)


def long_table(summary: Summary) -> list[Row]:
    """One row for each number of each run: dataset, network, fold, seed, share, measure, metric, level, value."""
    rows: list[Row] = []

    def put(key: Sequence[Any], measure: str, value: Any, metric: str = "", level: Any = None) -> None:
        columns = ("dataset", "network", "fold", "seed", "share")
        rows.append(dict(zip(columns, key)) | {"measure": measure, "metric": metric, "level": level, "value": value})

    for run in summary.runs:
        key = [run[name] for name in ("dataset", "network", "fold", "seed", "share")]
        for part in ("scores", "valid_scores"):
            for metric, value in run[part].items():
                put(key, part, value, metric)
        for measure in (
            "parameters",
            "core",
            "read_out",
            "synapses",
            "multiply_adds",
            "functions",
            "learned",
            "seconds",
        ):
            if measure in run:
                put(key, measure, run[measure])
        put(key, "best_epoch", run["history"]["best"])
        for one in run["conditions"]:
            for metric, value in one["scores"].items():
                put(key, one["kind"], value, metric, one["level"])
        for measure, value in run["dynamics"].items():
            if isinstance(value, (int, float)):
                put(key, measure, value)
        for setting, value in run["spec"].get("training", {}).items():
            put(key, f"training.{setting}", value)
    for dataset, networks in summary.prices.items():
        for network, prices in networks.items():
            for measure, value in prices.items():
                put([dataset, network, None, None, None], measure, value)
    for dataset, about in summary.datasets.items():
        for name, value in about["baselines"].items():
            put([dataset, name, None, None, None], "baseline", value, about["metric"])
    return rows


def as_csv(rows: Sequence[Row]) -> str:
    """Rows as CSV; what a row lacks is empty.

    >>> as_csv([{"a": 1}, {"a": None, "b": "x, y"}])
    'a,b\\r\\n1,\\r\\n,"x, y"\\r\\n'
    """
    text = io.StringIO(newline="")
    columns = list(dict.fromkeys(column for row in rows for column in row))
    writer = csv.DictWriter(text, columns, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
