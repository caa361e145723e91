"""What a lane-keeping test has found: tables of crashes and errors, with intervals."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wormnet.control.lane_test import WITHOUT_EYES, Course, drive

__all__ = ["COLUMNS", "crash_rows", "csv_of", "interval", "passive_rows", "without_learning"]

COLUMNS = ("network", "difficulty", "noise", "seeds", "crashes", "km", "per_km", "low", "high")


def interval(crashes: NDArray[Any], km: NDArray[Any], *, draws: int = 2000) -> tuple[float, float, float]:
    """Crashes per km with a 95 % bootstrap interval: low, estimate, high.

    Args: crashes, km: (seeds, cars). Seeds and roads are both drawn with replacement; with one seed, or one road, the
        interval holds what the other makes of it alone. Where nothing crashed, high is Poisson's bound, 3.69 / km.

    >>> interval(np.array([[2, 0]]), np.array([[1.0, 1.0]]))
    (0.0, 1.0, 2.0)
    """
    crashes, km = np.atleast_2d(np.asarray(crashes, float)), np.atleast_2d(np.asarray(km, float))
    rng = np.random.default_rng(0)
    seeds, cars = crashes.shape
    rows, columns = rng.integers(seeds, size=(draws, seeds, 1)), rng.integers(cars, size=(draws, 1, cars))
    drawn = crashes[rows, columns].sum((1, 2)) / km[rows, columns].sum((1, 2))
    low, high = np.percentile(drawn, [2.5, 97.5])
    if not crashes.any():
        high = -np.log(0.025) / km.sum()
    return float(low), float(crashes.sum() / km.sum()), float(high)


def crash_rows(runs: Iterable[dict[str, Any]], course: Course) -> list[dict[str, Any]]:
    """A row of `COLUMNS` for each network, difficulty and noise."""
    runs, rows = list(runs), []
    for network in dict.fromkeys(run["network"] for run in runs):
        mine = [run for run in runs if run["network"] == network]
        for difficulty in course.difficulties:
            for at, noise in enumerate(course.noise):
                crashes, km = (
                    np.array([run["active"][difficulty][one][at] for run in mine]) for one in ("crashes", "km")
                )
                low, rate, high = interval(crashes, km)
                values = (network, difficulty, noise, len(mine), int(crashes.sum()), float(km.sum()), rate, low, high)
                rows.append(dict(zip(COLUMNS, values)))
    return rows


def without_learning(course: Course) -> list[dict[str, Any]]:
    """Rows for the expert and for a driver that never steers, to whom noise is nothing: they look at no picture."""
    still = replace(course, noise=(0.0,))
    runs = []
    for name in WITHOUT_EYES:
        active = {}
        for difficulty in course.difficulties:
            outcome = drive(name, difficulty, still)
            active[difficulty] = {"crashes": outcome.crashes.tolist(), "km": outcome.km.tolist()}
        runs.append({"network": name, "active": active})
    return crash_rows(runs, still)


def passive_rows(runs: Iterable[dict[str, Any]], course: Course) -> list[dict[str, Any]]:
    """A row for each network: squared errors over its runs, sizes, SSIM of attention, PC1 and L_max without noise."""
    runs, rows = list(runs), []
    for network in dict.fromkeys(run["network"] for run in runs):
        mine = [run for run in runs if run["network"] == network]
        row: dict[str, Any] = {"network": network, "seeds": len(mine)}
        for name in ("train_error", "test_error", "straight_error"):
            values = [run[name] for run in mine]
            row |= {
                name: float(np.mean(values)),
                f"{name}_sd": float(np.std(values, ddof=1)) if len(mine) > 1 else None,
            }
        row |= {name: mine[0][name] for name in ("parameters", "behind_the_head")}
        for at, noise in enumerate(course.noise):
            row[f"ssim_{noise:g}"] = float(np.mean([run["attention"][at] for run in mine]))
        for difficulty in course.difficulties:
            for name in ("pc1", "l_max"):
                values = [run["active"][difficulty][name] for run in mine if name in run["active"][difficulty]]
                row[f"{name}_{difficulty}"] = float(np.mean(values)) if values else None
        rows.append(row)
    return rows


def csv_of(rows: Sequence[dict[str, Any]]) -> str:
    """Rows as CSV; what is not known is empty."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = [",".join(names)]
    for row in rows:
        values = [row.get(name) for name in names]
        text.append(",".join("" if v is None else f"{v:.6g}" if isinstance(v, float) else str(v) for v in values))
    return "\n".join(text) + "\n"
