"""The report: report.html for people, results.json and CSV for programs, every figure in a file of its own."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wormnet.atomic import make_folder, write_whole
from wormnet.paths import checked
from wormnet.study import rows, stats
from wormnet.study import summary as summaries
from wormnet.study.beside import beside
from wormnet.study.compare import EQUAL_SIZE, Results, run_tests
from wormnet.study.findings import in_short, on_dataset
from wormnet.study.scale import POOLED, SHARE, Scale, number
from wormnet.study.summary import Summary
from wormnet.study.words import MARGIN_PERCENT, MARGIN_POINTS, MARGIN_SHARE, NEEDED

__all__ = ["report"]

_GROUPS = ("svg", "png", "csv")


def report(
    out: str | os.PathLike[str], *others: str | os.PathLike[str], into: str | os.PathLike[str] | None = None
) -> Path:
    """Write the report of a study from its records, or of several studies beside each other.

    report.html is one file without scripts, and needs no network. results.json and results.csv hold every number of
    every run in one long table; tables/ holds the report's tables as CSV, figures/ its figures as SVG, PNG and CSV.
    Others of such files in these two folders are deleted.

    Args:
        out: the directory that `run` wrote.   others: of more studies; all stand beside each other then, as A, B, ...
        into: where the report is written; None: into `out`, or of several studies into `out`/beside.

    Returns: the path of report.html.
    Raises: ArgumentError for what is no path, DataError if a directory holds no study, one of a wormnet whose records
        know no folds, or if the report cannot be written.
    """
    folders = [checked(one, "out") for one in (out, *others)]
    found = [summaries.read(folder) for folder in folders]
    summary = beside(found) if others else found[0]
    place = checked(into, "into") if into is not None else folders[0] / "beside" if others else folders[0]
    tests = run_tests(summary)
    tables = rows.tables(summary, tests)
    page, files = _page(summary, tests, tables)
    table = rows.long_table(summary)
    results = {**summary.about, "tables": tables, "table": table}
    make_folder(place)
    _write_folder(place / "tables", {f"{name}.csv": rows.as_csv(found) for name, found in tables.items()})
    _write_folder(place / "figures", files)
    write_whole(place / "results.csv", rows.as_csv(table))
    write_whole(place / "results.json", json.dumps(results, indent=1))
    write_whole(place / "report.html", page)
    return place / "report.html"


def _write_folder(folder: Path, files: Mapping[str, str | bytes]) -> None:
    make_folder(folder)
    for name, content in files.items():
        write_whole(folder / name, content)
    for path in folder.iterdir():
        # Left by a report with other data sets; beside the new ones it would be taken for one of them.
        if path.suffix.lstrip(".") in _GROUPS and path.name not in files:
            path.unlink()


def _page(summary: Summary, tests: Results, tables: dict[str, list[dict[str, Any]]]) -> tuple[str, dict[str, Any]]:
    """report.html, and the files of its figures."""
    import jinja2

    from wormnet.study import figures, panels

    drawn = panels.draw(summary, tests)
    files: dict[str, str | bytes] = {}
    groups: dict[str, list[Any]] = {}
    for one in drawn:
        files |= {f"{one.name}.svg": one.svg, f"{one.name}.png": one.png, f"{one.name}.csv": rows.as_csv(one.rows)}
        groups.setdefault(one.group, []).append(one)
    loader = jinja2.PackageLoader("wormnet.study", ".")
    pages = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    about = summary.about
    text = pages.get_template("report.html.j2").render(
        about=about,
        plan=about["plan"],
        datasets=summary.datasets,
        networks={name: summary.networks[name] for name in summary.main},
        n_extra=len(summary.networks) - len(summary.main),
        scales=summary.scales | {"": POOLED},
        scale_of=lambda row: SHARE if row.get("of", row.get("gain_of")) == SHARE.name else _scale(summary, row),
        number=number,
        tables={name: _by_dataset(found) for name, found in tables.items()},
        short=in_short(summary, tests),
        findings={name: on_dataset(summary, tests, name) for name in summary.datasets},
        tests=tests,
        groups=groups,
        stylesheet=figures.stylesheet(),
        one_split=[name for name in summary.datasets if summary.one_split(name)],
        detectable=_detectable(summary, tests),
        settings={key: _settings(about["plan"].get(key), summary) for key in ("training", "measures")},
        studies=about.get("studies", {}),
        seconds=sum(float(run["seconds"]) for run in summary.runs),
        n_done=len(summary.runs) + summary.undefined,
        n_failed=len(summary.failed),
        undefined=summary.undefined,
        rules={"equal": EQUAL_SIZE, "points": MARGIN_POINTS, "percent": MARGIN_PERCENT, "share": MARGIN_SHARE}
        | {"needed": NEEDED},
    )
    return text, files


def _scale(summary: Summary, row: Mapping[str, Any]) -> Scale:
    return summary.scales[row["dataset"]] if row["dataset"] else POOLED


def _by_dataset(found: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Rows by data set, with what all of them have, so that a template can ask each for each column."""
    columns = dict.fromkeys(column for row in found for column in row)
    by_name: dict[str, list[dict[str, Any]]] = {}
    for row in found:
        by_name.setdefault(row["dataset"], []).append({**columns, **row})
    return by_name


def _detectable(summary: Summary, tests: Results) -> list[dict[str, Any]]:
    """What the tests could have seen: by folds and overlap, the effect size that one test finds, and one of all."""
    kinds: dict[tuple[int, bool], list[str]] = {}
    for name in summary.datasets:
        folds = {run["fold"] for run in summary.runs if run["dataset"] == name}
        if len(folds) > 1:
            kinds.setdefault((len(folds), summary.overlap(name) > 0), []).append(name)
    return [
        {"datasets": names, "folds": folds, "overlap": overlapping}
        | {"alone": stats.detectable(folds, overlap := summary.overlap(names[0]))}
        | {"corrected": stats.detectable(folds, overlap, 0.05 / max(tests.n, 1))}
        for (folds, overlapping), names in kinds.items()
    ]


def _settings(given: Mapping[str, Any] | None, summary: Summary) -> dict[str, dict[str, Any]]:
    """Settings by data set: "" for those shared, and of a data set those of its own that differ."""
    given = given or {}
    own = {name: given[name] for name in summary.datasets if isinstance(given.get(name), Mapping)}
    shared = {key: value for key, value in given.items() if key not in own and not isinstance(value, Mapping)}
    differing = {name: {k: v for k, v in one.items() if shared.get(k) != v} for name, one in own.items()}
    return {"": shared, **{name: one for name, one in differing.items() if one}}
