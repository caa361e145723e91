"""What a lane-keeping test has found: tables of crashes and errors, with intervals."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wormnet.control.lane_test import WITHOUT_EYES, Course, drive
from wormnet.statistics import sign_flip_p

__all__ = [
    "COLUMNS",
    "crash_rows",
    "csv_of",
    "difference_rows",
    "interval",
    "passive_rows",
    "without_learning",
]

COLUMNS = ("network", "difficulty", "noise", "seeds", "crashes", "km", "per_km", "low", "high")


def interval(crashes: NDArray[Any], km: NDArray[Any], *, draws: int = 2000) -> tuple[float, float, float]:
    """Crashes per km with a 95 % bootstrap interval: low, estimate, high.

    Args: crashes, km: (runs, cars). Each run has roads of its own: runs are drawn with replacement, with their roads;
        of a single run the roads are. Where nothing crashed, high is Poisson's bound, 3.69 / km.

    >>> interval(np.array([[2, 0]]), np.array([[1.0, 1.0]]))
    (0.0, 1.0, 2.0)
    """
    crashes, km = np.atleast_2d(np.asarray(crashes, float)), np.atleast_2d(np.asarray(km, float))
    rng = np.random.default_rng(0)
    units, ways = (x.sum(1) if len(x) > 1 else x[0] for x in (crashes, km))
    rows = rng.integers(len(units), size=(draws, len(units)))
    drawn = units[rows].sum(1) / ways[rows].sum(1)
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


def without_learning(course: Course, seeds: Iterable[int] = (0,)) -> list[dict[str, Any]]:
    """Rows for the expert and for a driver that never steers, on the roads of these runs.

    To them noise is nothing: they look at no picture.
    """
    still = replace(course, noise=(0.0,))
    runs = []
    for name, seed in product(WITHOUT_EYES, seeds):
        active = {}
        for difficulty in course.difficulties:
            outcome = drive(name, difficulty, still, run=seed)
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


def difference_rows(runs: Iterable[dict[str, Any]], first: str, course: Course) -> list[dict[str, Any]]:
    """How far other networks are from `first`, run by run with the same seed, fold, roads and noise.

    A row holds both means, their difference (other minus first), its 95 % bootstrap interval over runs, the p of
    `wormnet.statistics.sign_flip_p`, and in how many of the runs the other's number is larger. Rows are of the passive
    error, of crashes per km for each difficulty and noise and over all noise above 0, and of SSIM, PC1 and L_max.
    """
    runs, rows = list(runs), []
    of = {name: {run["seed"]: _numbers(run, course) for run in runs if run["network"] == name}
          for name in dict.fromkeys(run["network"] for run in runs)}  # fmt: skip
    for other in of:
        seeds = sorted(set(of[first]) & set(of[other]))
        for what in of[first][seeds[0]] if other != first and seeds else ():
            pairs = np.array([[of[name][seed].get(what, np.nan) for name in (first, other)] for seed in seeds])
            if not np.isfinite(pairs).all():  # a network without a state has no dynamics
                continue
            change = pairs[:, 1] - pairs[:, 0]
            drawn = change[np.random.default_rng(0).integers(len(seeds), size=(10_000, len(seeds)))].mean(1)
            low, high = np.percentile(drawn, [2.5, 97.5])
            row = {"network": other, "beside": first, "number": what, "seeds": len(seeds)}
            row |= {"mean": float(pairs[:, 1].mean()), "mean_beside": float(pairs[:, 0].mean())}
            row |= {"difference": float(change.mean()), "low": float(low), "high": float(high)}
            rows.append({**row, "p": sign_flip_p(change), "larger": int((change > 0).sum())})
    return rows


def _numbers(run: dict[str, Any], course: Course) -> dict[str, float]:
    """What a run found, number by number."""
    found = {"test_error": run["test_error"]}
    for difficulty in course.difficulties:
        active = run["active"][difficulty]
        crashes, km = (np.array(active[one], float).sum(1) for one in ("crashes", "km"))
        found |= {f"crashes/km {difficulty} {noise:g}": one for noise, one in zip(course.noise, crashes / km)}
        noisy = np.array(course.noise) > 0
        if noisy.any():
            found[f"crashes/km {difficulty} all noise"] = crashes[noisy].sum() / km[noisy].sum()
        found |= {f"{name} {difficulty}": active[name] for name in ("pc1", "l_max") if name in active}
    found |= {f"ssim {noise:g}": one for noise, one in zip(course.noise, run["attention"]) if noise > 0}
    return found


def csv_of(rows: Sequence[dict[str, Any]]) -> str:
    """Rows as CSV; what is not known is empty."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = [",".join(names)]
    for row in rows:
        values = [row.get(name) for name in names]
        text.append(",".join("" if v is None else f"{v:.6g}" if isinstance(v, float) else str(v) for v in values))
    return "\n".join(text) + "\n"
