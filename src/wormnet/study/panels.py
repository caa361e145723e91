"""The report's figures: what each panel shows."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from wormnet.study import gains
from wormnet.study.compare import Comparison, Effect, Results
from wormnet.study.figures import (
    ALERT,
    HEIGHT,
    LINE,
    OTHER,
    SOFT,
    Look,
    Panel,
    legend,
    looks,
    panel,
    plain_ticks,
    render,
    shortened,
)
from wormnet.study.scale import Scale
from wormnet.study.stats import Interval
from wormnet.study.summary import Summary

__all__ = ["draw"]

DISTURBED = {
    "noise": "noise, standard deviations",
    "drop": "share of samples lost, dt told",
    "drop_blind": "share of samples lost, dt not told",
    "rate": "sampling rate, times the usual one",
}
_PRICES = {"parameters": "trained parameters", "step_ms": "time of a training step, ms"}


def draw(summary: Summary, tests: Results) -> list[Panel]:
    """All panels of a report, group by group and in the order of the data sets."""
    if not summary.runs or not summary.main:
        return []
    look = looks(summary)
    found: list[Panel] = []
    for column in _PRICES:
        found += _each(summary, lambda dataset, column=column: _price(summary, look, dataset, column))
    found += [one for dataset in ("", *summary.datasets) if (one := _pairs(summary, tests, dataset))]
    found += [one for dataset in ("", *summary.datasets) if (one := _effects(tests, dataset, interactions=False))]
    found += [one for dataset in ("", *summary.datasets) if (one := _effects(tests, dataset, interactions=True))]
    found += _each(summary, lambda dataset: _scores(summary, look, dataset))
    for kind in DISTURBED:
        found += _each(summary, lambda dataset, kind=kind: _disturbed(summary, look, dataset, kind))
    found += _each(summary, lambda dataset: _unfamiliar(summary, look, dataset))
    found += _each(summary, lambda dataset: _efficiency(summary, look, dataset))
    return found + _each(summary, lambda dataset: _learning(summary, look, dataset))


def _each(summary: Summary, of: Callable[[str], Panel | None]) -> list[Panel]:
    return [one for dataset in summary.datasets if (one := of(dataset)) is not None]


def _row(dataset: str, network: str, **values: Any) -> dict[str, Any]:
    return {"dataset": dataset, "network": network, **values}


def _ends(found: Interval) -> dict[str, Any]:
    return {"mean": found.mean, "low": found.low, "high": found.high, "n": found.n}


# -- gain against price ------------------------------------------------------------------------------------------------


def _price(summary: Summary, look: dict[str, Look], dataset: str, column: str) -> Panel | None:
    """Score with its interval against a price; the networks that no other one beats in both are named."""
    scale, points = summary.scales[dataset], []
    for name in summary.main:
        score, price = summary.score(dataset, name), gains.price(summary, dataset, name).get(column)
        if score is not None and price:
            points.append((name, price, score))
    if not points:
        return None
    with render(dataset) as (figure, axes):
        for name, x, score in points:
            y, colour = scale.factor * score.mean, look[name].colour
            if score.low is not None and score.high is not None:
                ends = [scale.factor * score.low, scale.factor * score.high]
                axes.plot([x, x], ends, color=colour, linewidth=1, alpha=0.5, zorder=1)
            axes.plot([x], [y], look[name].mark, color=colour, markersize=6, zorder=2)
        _within(axes, scale, [score for _, _, score in points], summary.baseline(dataset), sideways=False)
        plain_ticks(axes)
        axes.set(xlabel=_PRICES[column], ylabel=scale.says)
        front = _front(points, scale.better)
        first = {name: (name not in front, name != summary.about["reference"]) for name, _, _ in points}
        points.sort(key=lambda point: first[point[0]])
        _label(axes, [(name, x, scale.factor * score.mean) for name, x, score in points])
        rows = [_row(dataset, name, **{column: x}, **_ends(score), front=name in front) for name, x, score in points]
        return panel(f"price_{column}", dataset, figure, rows)


def _front(points: Sequence[tuple[str, float, Interval]], better: int) -> list[str]:
    """Those that nobody beats in price and score at once."""
    return [
        name
        for name, x, score in points
        if not any(
            x2 <= x and better * s2.mean >= better * score.mean and (x2, s2.mean) != (x, score.mean)
            for _, x2, s2 in points
        )
    ]


def _label(axes: Axes, points: list[tuple[str, float, float]]) -> None:
    """Names beside points, the first of them first; one that finds no free place near its point is left out."""
    low, high = axes.get_ylim()
    left, right = np.log(axes.get_xlim())
    letter, line = 0.062 / 2.9, 0.075  # of a letter's width and a line's height, in parts of the axes
    places = [((np.log(x) - left) / (right - left), (y - low) / (high - low)) for _, x, y in points]
    taken = [(x - 0.02, x + 0.02, y - 0.03, y + 0.03) for x, y in places]
    for (name, _, _), (x, y) in zip(points, places):
        width = letter * len(name)
        for side, up in ((1, 0), (-1, 0), (1, 0.6), (-1, 0.6), (1, -0.6), (-1, -0.6), (1, 1.2), (-1, 1.2)):
            start = x + 0.03 if side > 0 else x - 0.03 - width
            box = (start, start + width, y + line * (up - 0.5), y + line * (up + 0.5))
            others = [one for i, one in enumerate(taken) if i != places.index((x, y))]
            inside = box[0] > -0.1 and box[1] < 1.02 and box[2] > -0.02 and box[3] < 1.05
            if inside and not any(_touch(box, one) for one in others):
                taken.append(box)
                axes.text(start, y + line * up, name, transform=axes.transAxes, va="center", zorder=3)
                break


def _touch(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one[0] < other[1] and other[0] < one[1] and one[2] < other[3] and other[2] < one[3]


def _within(
    axes: Axes, scale: Scale, scores: Sequence[Interval], baseline: tuple[str, float] | None, *, sideways: bool
) -> None:
    """Limits around the means: a wide interval or a hopeless baseline may leave the panel, and so may no mean."""
    means = [scale.factor * score.mean for score in scores]
    low, high = min(means), max(means)
    room = 0.25 * (high - low) or 0.1 * abs(high) or 1.0
    if baseline is not None:
        at = scale.factor * baseline[1]
        line = axes.axvline if sideways else axes.axhline
        if low - 2 * room < at < high + 2 * room:
            low, high = min(low, at), max(high, at)
            line(at, color=SOFT, linewidth=1, linestyle=(0, (4, 3)), zorder=0)
    ends = max(low - room, scale.factor * scale.low), min(high + room, scale.factor * scale.high)
    # A mark on the rim is still whole.
    pad = 0.03 * (ends[1] - ends[0])
    (axes.set_xlim if sideways else axes.set_ylim)(ends[0] - pad, ends[1] + pad)


# -- rows of gains -----------------------------------------------------------------------------------------------------


def _pairs(summary: Summary, tests: Results, dataset: str) -> Panel | None:
    """Gains of equal sizes, of the best, and over nulls; over all data sets those over the reference as well."""
    found = [one for one in tests.pairs(dataset) if not dataset or {*one.reasons} != {"reference"}]
    order = ("equal size", "best", "null", "reference", "study")
    found.sort(key=lambda one: min(order.index(reason) for reason in one.reasons))
    if dataset and found and any(one.of_shares for one in found):
        found = [one for one in found if one.of_shares]
    if not found:
        return None
    rows = [
        {"dataset": dataset or "all", "network": one.network, "against": one.against, "why": " ".join(one.reasons)}
        | {"gain": one.test.mean, "low": one.test.low, "high": one.test.high, "p": one.test.p, "p_holm": one.p_holm}
        | {"margin": one.margin, "verdict": one.verdict, "scale": one.scale.name}
        for one in found
    ]
    colour = {"worm": "#0b6e4f", "null": "#c46210", "standard": "#2b4c7e"}
    family = [summary.family(one.against) for one in found]
    labels = [f"{one.network} against {one.against}" for one in found]
    return _forest("pairs", dataset, found, labels, [colour[one] for one in family], rows)


def _effects(tests: Results, dataset: str, *, interactions: bool) -> Panel | None:
    """Gains with an ingredient over without it, or of two together beyond their sum."""
    found = [one for one in tests.effects if one.dataset == dataset and (len(one.factors) > 1) == interactions]
    if not found:
        return None
    rows = [
        {"dataset": dataset or "all", "effect": one.name, "aliases": "; ".join(one.aliases)}
        | {"gain": one.test.mean, "low": one.test.low, "high": one.test.high, "p": one.test.p, "p_holm": one.p_holm}
        | {"margin": one.margin, "verdict": one.verdict, "with": one.with_it, "without": one.without_it}
        for one in found
    ]
    labels = [f"{one.name}: {one.levels[0]}, not {one.levels[1]}" if one.levels else one.name for one in found]
    group = "interactions" if interactions else "ingredients"
    return _forest(group, dataset, found, labels, ["#0b6e4f"] * len(found), rows)


_SURE = {"better", "worse", "needed", "helps", "harms", "reinforce each other", "replace each other"}


def _forest(
    group: str,
    dataset: str,
    found: Sequence[Comparison] | Sequence[Effect],
    labels: Sequence[str],
    colour: Sequence[str],
    rows: list[dict[str, Any]],
) -> Panel:
    """A row for each gain, its name above it: interval, margin as a band, full marks for what holds among all tests."""
    scale = found[0].scale
    with render(dataset or "over all data sets", 0.85 + 0.36 * len(found), 0.1) as (figure, axes):
        factor = scale.factor
        axes.axvline(0, color=SOFT, linewidth=1, zorder=1)
        reach = [
            factor * end for one in found for end in (one.test.low, one.test.high, one.test.mean) if end is not None
        ]
        for i, (one, label, ink) in enumerate(zip(found, labels, colour)):
            margin = factor * one.margin
            axes.fill_between([-margin, margin], i - 0.2, i + 0.2, color=LINE, linewidth=0, zorder=0)
            if one.test.low is not None and one.test.high is not None:
                axes.plot([factor * one.test.low, factor * one.test.high], [i, i], color=ink, linewidth=1.5)
            full = ink if one.verdict in _SURE else "#fffffe"
            axes.plot([factor * one.test.mean], [i], "o", color=ink, markerfacecolor=full, markersize=5)
            axes.text(0, i - 0.24, shortened(label, 54), transform=axes.get_yaxis_transform(), va="bottom")
        low, high = min([0, *reach]), max([0, *reach])
        room = 0.06 * (high - low) or 1.0
        axes.set(xlim=(low - room, high + room), ylim=(len(found) - 0.6, -0.9), yticks=[])
        unit = f", {scale.step}" if scale.step else f" in {scale.says}"
        axes.set_xlabel("gain in percent of the error" if not dataset else f"gain{unit}")
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.grid(visible=False, axis="y")
        axes.spines["left"].set_visible(False)
        return panel(group, dataset or "all", figure, rows)


# -- one row for each network ------------------------------------------------------------------------------------------


def _scores(summary: Summary, look: dict[str, Look], dataset: str) -> Panel:
    """Score of every network: mean, interval and folds, beside the trivial baseline."""
    found = {name: summary.score(dataset, name) for name in summary.main}
    folds = {name: list(summary.folds(dataset, name).values()) for name in summary.main}
    rows = [_row(dataset, name, **_ends(one)) for name, one in found.items() if one]
    return _dots("scores", summary, look, dataset, dataset, found, folds, rows, summary.baseline(dataset))


def _unfamiliar(summary: Summary, look: dict[str, Look], dataset: str) -> Panel | None:
    """Scores on what is unlike all training data; of several such parts the first is drawn, all are in the table."""
    parts = gains.unfamiliar(summary, dataset)
    if not parts:
        return None
    level, found = next(iter(parts.items()))
    rows = [_row(dataset, name, part=part, **_ends(one)) for part, of in parts.items() for name, one in of.items()]
    everyone = {name: found.get(name) for name in summary.main}
    return _dots("unfamiliar", summary, look, dataset, f"{dataset}: {level}", everyone, {}, rows, None)


def _dots(
    group: str,
    summary: Summary,
    look: dict[str, Look],
    dataset: str,
    title: str,
    found: dict[str, Interval | None],
    folds: dict[str, list[float]],
    rows: list[dict[str, Any]],
    baseline: tuple[str, float] | None,
) -> Panel:
    scale, names = summary.scales[dataset], [shortened(name, 25) for name in found]
    with render(title, 0.75 + 0.19 * len(found), 0.2 + 0.063 * max(map(len, names))) as (figure, axes):
        for i, (name, one) in enumerate(found.items()):
            if one is None:
                where = axes.get_yaxis_transform()
                axes.text(0.02, i, "no score", color=ALERT, va="center", transform=where)
                continue
            colour = look[name].colour
            axes.plot(
                [scale.factor * v for v in folds.get(name, [])], [i] * len(folds.get(name, [])), "|", color=colour
            )
            if one.low is not None and one.high is not None:
                axes.plot([scale.factor * one.low, scale.factor * one.high], [i, i], color=colour, linewidth=1.4)
            axes.plot([scale.factor * one.mean], [i], look[name].mark, color=colour, markersize=5)
        _within(
            axes, scale, [one for one in found.values() if one] or [Interval(0, None, None, 0)], baseline, sideways=True
        )
        axes.set_yticks(range(len(found)), names)
        axes.set_ylim(len(found) - 0.5, -0.5)
        axes.set_xlabel(scale.says)
        return panel(group, dataset, figure, rows)


# -- curves ------------------------------------------------------------------------------------------------------------


def _lines(axes: Axes, look: dict[str, Look], lines: Iterable[tuple[str, Sequence[float], Sequence[float]]]) -> None:
    """Grey ones below; one label for all of these."""
    for name, x, y in sorted(lines, key=lambda line: look[line[0]].highlighted):
        label = name if look[name].highlighted else "_other"
        axes.plot(x, y, label=label, **look[name].line())
    if any(not one.highlighted for one in look.values()):
        axes.plot([], [], color=OTHER, linewidth=0.8, label="others")


def _disturbed(summary: Summary, look: dict[str, Look], dataset: str, kind: str) -> Panel | None:
    scale, found = summary.scales[dataset], {}
    for name in summary.main:
        if (one := gains.curve(summary, dataset, name, kind)) is not None:
            found[name] = one
    if not found:
        return None
    with render(dataset) as (figure, axes):
        _lines(axes, look, ((n, one.levels, [scale.factor * s.mean for s in one.scores]) for n, one in found.items()))
        if kind == "rate":
            axes.set_xscale("log", base=2)
        levels = sorted({level for one in found.values() for level in one.levels})
        axes.set_xticks(levels, [f"{level:g}" for level in levels], minor=False)
        axes.minorticks_off()
        axes.set(xlabel=DISTURBED[kind], ylabel=scale.says)
        legend(figure, axes)
        rows = [
            _row(dataset, name, kind=kind, level=level, **_ends(score))
            for name, one in found.items()
            for level, score in zip(one.levels, one.scores)
        ]
        return panel(kind, dataset, figure, rows)


def _efficiency(summary: Summary, look: dict[str, Look], dataset: str) -> Panel | None:
    scale = summary.scales[dataset]
    found = {name: one for name in summary.main if (one := gains.efficiency(summary, dataset, name))}
    if not found:
        return None
    with render(dataset) as (figure, axes):
        points = (
            (n, [100 * s for s in one], [scale.factor * v.mean for v in one.values()]) for n, one in found.items()
        )
        _lines(axes, look, points)
        axes.set(xlabel="training sequences used, %", ylabel=scale.says)
        legend(figure, axes)
        rows = [
            _row(dataset, n, share=share, **_ends(score)) for n, one in found.items() for share, score in one.items()
        ]
        return panel("efficiency", dataset, figure, rows)


def _learning(summary: Summary, look: dict[str, Look], dataset: str) -> Panel | None:
    """Validation score by epoch, mean over the runs; one that stopped early keeps its last score."""
    scale, found = summary.scales[dataset], {}
    for name in summary.main:
        curves = [
            c for run in summary.of(dataset, name) if (c := [v for v in run["history"]["valid_score"] if v is not None])
        ]
        if curves:
            longest = max(map(len, curves))
            found[name] = np.mean([curve + [curve[-1]] * (longest - len(curve)) for curve in curves], 0)
    if not found:
        return None
    with render(dataset, HEIGHT) as (figure, axes):
        lines = ((n, range(1, len(y) + 1), scale.factor * y) for n, y in found.items())
        _lines(axes, look, ((n, list(x), list(y)) for n, x, y in lines))
        for line in axes.get_lines():
            line.set_marker("")
        axes.set(xlabel="epoch", ylabel=f"validation {scale.says}")
        legend(figure, axes)
        return panel("learning", dataset, figure, list(_epochs(dataset, found)))


def _epochs(dataset: str, found: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for name, values in found.items():
        for epoch, value in enumerate(values, 1):
            yield _row(dataset, name, epoch=epoch, valid_score=float(value))
