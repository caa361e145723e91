"""The report: results.json for programs, report.html for people."""

import json
import os
from pathlib import Path
from typing import Any

from wormnet.atomic import write_whole
from wormnet.paths import checked
from wormnet.study import summary as summaries
from wormnet.study.summary import Summary, shown

__all__ = ["report"]


def report(out: str | os.PathLike[str]) -> Path:
    """Write results.json and report.html of a study from its records.

    report.html is one file without scripts and needs no network. results.json is one long table: a row for each number,
    with the columns dataset, network, seed, measure, level and value; beside it the plan, versions, machine and tests.

    Args:
        out: the directory that `run` wrote.

    Returns: the path of report.html.
    Raises: ArgumentError for what is no path, DataError if `out` holds no study, or cannot be written.
    """
    out = checked(out, "out")
    summary = summaries.read(out)
    results = {**summary.about, "tests": _tests(summary), "table": summaries.long_table(summary)}
    page = _page(summary)
    write_whole(out / "results.json", json.dumps(results, indent=1))
    write_whole(out / "report.html", page)
    return out / "report.html"


def _page(summary: Summary) -> str:
    import jinja2

    from wormnet.study import figures

    about = summary.about
    draw = [figures.scores, figures.price, figures.curves, figures.wirings]
    if any(about["plan"]["robustness"].values()):
        draw.append(figures.disturbed)
    loader = jinja2.PackageLoader("wormnet.study", ".")
    pages = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    return pages.get_template("report.html.j2").render(
        about=about,
        plan=about["plan"],
        datasets=about["datasets"],
        networks=[_network(summary, recipe.name) for recipe in summary.recipes],
        comparisons=_tests(summary),
        findings=[(name, found) for name, found in summaries.findings(summary) if found],
        failed=summary.failed,
        searches=[search for search in summary.searches if "error" not in search],
        n_runs=len(about["runs"]),
        n_done=len(summary.runs),
        seconds=sum(run["seconds"] for run in summary.runs),
        figures={one.__name__: one(summary) if summary.runs else "" for one in draw},
        settings=_settings(summary),
        smallest_p=2 / 2 ** len(about["plan"]["seeds"]),
    )


def _network(summary: Summary, name: str) -> dict[str, Any]:
    """A network's row in the tables, a cell for each data set."""
    recipe = next(recipe for recipe in summary.recipes if recipe.name == name)
    cells: dict[str, Any] = {}
    for dataset, about in summary.datasets.items():
        found, runs = summary.scores[dataset].get(name), summary.of(dataset, name)
        price = summary.prices.get(dataset, {}).get(name)
        cells[dataset] = (
            None
            if found is None
            else {
                "mean": shown(found.mean, about["task"]),
                "low": shown(found.low, about["task"]),
                "high": shown(found.high, about["task"]),
                "n": len(runs),
                "best": _is_best(summary, dataset, name),
                "price": price,
                "synapses": runs[0]["synapses"],
                "core": runs[0]["core"],
                "read_out": runs[0]["read_out"],
            }
        )
    return {"name": name, "family": recipe.family, "cells": cells}


def _is_best(summary: Summary, dataset: str, name: str) -> bool:
    sign, found = summary.better(dataset), summary.scores[dataset]
    return sign * found[name].mean >= max(sign * score.mean for score in found.values())


def _tests(summary: Summary) -> list[dict[str, Any]]:
    rows = []
    for one in summary.comparisons:
        task, test = summary.datasets[one.dataset]["task"], one.test
        rows.append(
            {
                "dataset": one.dataset,
                "network": one.network,
                "against": one.against,
                "n": test.n,
                "difference": test.mean,
                "low": test.low,
                "high": test.high,
                "p": test.p,
                "p_holm": one.p_holm,
                "p_sign_flip": test.p_sign_flip,
                "effect": test.effect,
                "verdict": one.verdict,
                "shown": {
                    what: shown(value, task)
                    for what, value in (("difference", test.mean), ("low", test.low), ("high", test.high))
                },
            }
        )
    return rows


def _settings(summary: Summary) -> list[dict[str, Any]]:
    """How each data set was trained on."""
    training = summary.about["plan"]["training"]
    shared = {key: value for key, value in training.items() if not isinstance(value, dict)}
    return [
        {"dataset": name, **(training[name] if isinstance(training.get(name), dict) else shared)}
        for name in summary.datasets
    ]
