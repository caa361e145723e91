"""The report's figures, as SVG text."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from wormnet.study.network import Network as Recipe
from wormnet.study.network import Shape, wiring_of
from wormnet.study.summary import Summary

__all__ = ["colour_of", "curves", "disturbed", "price", "scores", "wirings"]

COLOURS = {
    "worm": ("#0b6e4f", "#57a773", "#1f9e89", "#9acd6a"),
    "null": ("#c46210", "#e3a857", "#a0522d", "#d9822b"),
    "standard": ("#2b4c7e", "#7a9cc6", "#5b5f97", "#9d8df1", "#3f88c5", "#6c757d"),
}
"""Green for worm networks, orange for their nulls, blue for standard ones."""

MARKS = {"worm": "o", "null": "X", "standard": "s"}
MEASURED, PRINTED = "DejaVu Sans", "'Helvetica Neue', Helvetica, Arial, 'DejaVu Sans', sans-serif"
"""The font that matplotlib ships and measures with, and what the page shows in its place, the page's own."""

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.family": [MEASURED],
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#888888",
    "axes.labelcolor": "#333333",
    "xtick.color": "#555555",
    "ytick.color": "#555555",
    "axes.grid": True,
    "grid.color": "#e8e8e8",
    "axes.axisbelow": True,
    "legend.frameon": False,
}
WIDTH = 10.4
SAYS = {"noise": "noise, standard deviations", "drop": "share of samples dropped"}


def colour_of(recipes: list[Recipe]) -> dict[str, str]:
    """A colour for every network, by family."""
    found: dict[str, str] = {}
    for family, colours in COLOURS.items():
        names = [recipe.name for recipe in recipes if recipe.family == family]
        found |= {name: colours[i % len(colours)] for i, name in enumerate(names)}
    return found


@contextmanager
def _style(salt: str) -> Iterator[None]:
    # A salt of its own for each figure: several of them share one page, and so one space of ids.
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": salt}):
        yield


def _svg(figure: Figure) -> str:
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None}, bbox_inches="tight", pad_inches=0.05)
    svg = text.getvalue()
    return svg[svg.index("<svg") :].replace(f"'{MEASURED}'", PRINTED)


def _percent(summary: Summary, dataset: str) -> float:
    return 100.0 if summary.datasets[dataset]["task"] == "classify" else 1.0


def _says(summary: Summary, dataset: str) -> str:
    return "accuracy, %" if summary.datasets[dataset]["task"] == "classify" else "mean squared error"


def _grid(rows: int, columns: int, height: float, **options: Any) -> tuple[Figure, np.ndarray]:
    # Three data sets fill the page's width; fewer keep their panels' size.
    figure = Figure(
        figsize=(WIDTH * max(columns, 2) / 3 if columns < 3 else WIDTH, height * rows), layout="constrained"
    )
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def _legend(figure: Figure, axes: Axes, below: bool = True) -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center" if below else "outside upper center", ncols=min(len(labels), 8)
    )


def scores(summary: Summary) -> str:
    """Test score of every network: mean, interval and seeds, beside the trivial baselines."""
    with _style("scores"):
        names, colours = [recipe.name for recipe in summary.recipes], colour_of(summary.recipes)
        datasets = list(summary.datasets)
        figure, grid = _grid(1, len(datasets), 0.9 + 0.27 * len(names), sharey=True)
        for axes, dataset in zip(grid[0], datasets):
            unit = _percent(summary, dataset)
            for row, recipe in enumerate(summary.recipes):
                found = summary.scores[dataset].get(recipe.name)
                if found is None:
                    axes.text(0.02, row, "failed", color="#b00020", va="center", transform=axes.get_yaxis_transform())
                    continue
                colour = colours[recipe.name]
                seeds = [unit * run["score"] for run in summary.of(dataset, recipe.name)]
                axes.plot(seeds, [row] * len(seeds), "|", color=colour, alpha=0.6, markersize=9)
                if found.low is not None and found.high is not None:
                    axes.plot([unit * found.low, unit * found.high], [row, row], color=colour, linewidth=1.6)
                axes.plot([unit * found.mean], [row], MARKS[recipe.family], color=colour, markersize=6)
            for value in summary.datasets[dataset]["baselines"].values():
                axes.axvline(unit * value, color="#777777", linewidth=1, linestyle=(0, (4, 3)), zorder=0)
            axes.set(title=dataset, xlabel=_says(summary, dataset))
            _clip_to_scores(axes, summary, dataset, unit)
        grid[0, 0].set_yticks(range(len(names)), names)
        grid[0, 0].set_ylim(len(names) - 0.5, -0.5)
        return _svg(figure)


def _clip_to_scores(axes: Axes, summary: Summary, dataset: str, unit: float) -> None:
    """Accuracies end at 100 %; neither a wide interval nor a hopeless baseline may squeeze the means."""
    values = [unit * summary.baseline(dataset)[1]]
    values += [unit * run["score"] for run in summary.runs if run["dataset"] == dataset]
    low, high = min(values), max(values)
    room = 0.12 * (high - low) or 1.0
    axes.set_xlim(low - room, min(high + room, 100.8) if unit == 100 else high + room)


def disturbed(summary: Summary) -> str:
    """Test score under noise and under dropped samples: mean over seeds."""
    with _style("disturbed"):
        datasets, colours = list(summary.datasets), colour_of(summary.recipes)
        kinds = [kind for kind in ("noise", "drop") if summary.about["plan"]["robustness"][kind]]
        figure, grid = _grid(len(kinds), len(datasets), 2.5)
        for kind, line in zip(kinds, grid):
            for axes, dataset in zip(line, datasets):
                unit = _percent(summary, dataset)
                for recipe in summary.recipes:
                    runs = summary.of(dataset, recipe.name)
                    if runs:
                        levels = [0.0, *(level for level, _ in runs[0][kind])]
                        values = np.mean([[run["score"], *(value for _, value in run[kind])] for run in runs], 0)
                        axes.plot(levels, unit * values, label=recipe.name, **_line(recipe, colours))
                axes.set(title=dataset if kind == kinds[0] else "", xlabel=SAYS[kind])
                axes.set_xticks([0, *summary.about["plan"]["robustness"][kind]])
            line[0].set_ylabel(_says(summary, datasets[0]))
        _legend(figure, _fullest(grid))
        return _svg(figure)


def _line(recipe: Recipe, colours: dict[str, str]) -> dict[str, Any]:
    return {
        "color": colours[recipe.name],
        "marker": MARKS[recipe.family],
        "markersize": 4,
        "linewidth": 1.5,
        "linestyle": "--" if recipe.family == "null" else "-",
    }


def _fullest(grid: np.ndarray) -> Axes:
    return max(grid.flat, key=lambda axes: len(axes.get_legend_handles_labels()[0]))


def price(summary: Summary) -> str:
    """Test score against parameters, and against the time of a training step."""
    with _style("price"):
        datasets, colours = [name for name in summary.datasets if name in summary.prices], colour_of(summary.recipes)
        columns = (("parameters", "trained parameters"), ("step_ms", "time of a training step, ms"))
        figure, grid = _grid(len(columns), len(datasets), 2.5)
        for (column, says), line in zip(columns, grid):
            for axes, dataset in zip(line, datasets):
                unit = _percent(summary, dataset)
                for recipe in summary.recipes:
                    found = summary.scores[dataset].get(recipe.name)
                    if found is not None:
                        at = summary.prices[dataset][recipe.name][column]
                        axes.plot(
                            [at],
                            [unit * found.mean],
                            MARKS[recipe.family],
                            color=colours[recipe.name],
                            markersize=7,
                            label=recipe.name,
                            markeredgecolor="white",
                            markeredgewidth=0.6,
                        )
                axes.set_xscale("log")
                _plain_ticks(axes)
                axes.set(title=dataset if column == columns[0][0] else "", xlabel=says)
            line[0].set_ylabel(_says(summary, datasets[0]))
        _legend(figure, _fullest(grid))
        return _svg(figure)


def _plain_ticks(axes: Axes) -> None:
    """1, 2, 5, 10, ... instead of powers of ten."""
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=6))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.xaxis.set_minor_locator(NullLocator())


def curves(summary: Summary) -> str:
    """Validation score by epoch: mean over the seeds, and their range."""
    with _style("curves"):
        datasets, colours = list(summary.datasets), colour_of(summary.recipes)
        figure, grid = _grid(1, len(datasets), 2.9)
        for axes, dataset in zip(grid[0], datasets):
            unit = _percent(summary, dataset)
            for recipe in summary.recipes:
                found = [run["history"]["valid_score"] for run in summary.of(dataset, recipe.name)]
                if found:
                    values, epochs = unit * np.array(found), np.arange(1, len(found[0]) + 1)
                    look = _line(recipe, colours) | {"marker": ""}
                    axes.plot(epochs, values.mean(0), label=recipe.name, **look)
                    axes.fill_between(epochs, values.min(0), values.max(0), color=colours[recipe.name], alpha=0.1, lw=0)
            axes.set(title=dataset, xlabel="epoch")
        grid[0, 0].set_ylabel(f"validation {_says(summary, datasets[0])}")
        _legend(figure, _fullest(grid))
        return _svg(figure)


def wirings(summary: Summary) -> str:
    """The wirings of the first data set's wired networks, one for each kind, as drawn for the first seed."""
    from wormnet import plot

    dataset, about = next(iter(summary.datasets.items()))
    training = summary.about["plan"]["training"]
    neurons = training.get(dataset, training)["neurons"]
    shape = Shape(about["n_inputs"], about["n_outputs"], about["per"], about["irregular"], neurons)
    seed = summary.about["plan"]["seeds"][0]
    kinds = {recipe.wiring: recipe for recipe in summary.recipes if recipe.family != "standard"}
    if not kinds:
        return ""
    drawn = []
    for kind, recipe in kinds.items():
        with _style(f"wiring-{kind}"):
            figure = Figure(figsize=(WIDTH / 2, WIDTH / 2.2))
            axes = plot.wiring(
                cast(Any, wiring_of(recipe, shape, seed)), figure.subplots(), labels=False, legend=kind == "ncp"
            )
            axes.set_title(f"{kind}: {axes.get_title('left')}", loc="left")
            drawn.append(_svg(figure))
    return "".join(drawn)
