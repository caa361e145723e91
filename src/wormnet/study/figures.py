"""How a report's figures are drawn: one panel for each data set, as SVG for the page, and as SVG, PNG and CSV in files.

Panels stand beside each other or below each other, as the screen allows, so each is readable on a telephone. Their
colours are variables of the page: one drawing serves a light and a dark one.
"""

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import quoteattr

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from wormnet.study.summary import Summary

__all__ = [
    "MARKS",
    "OTHER",
    "Look",
    "Panel",
    "colours",
    "legend",
    "looks",
    "panel",
    "plain_ticks",
    "render",
    "shortened",
    "stylesheet",
]

COLOURS: dict[str, tuple[tuple[str, str], ...]] = {
    "worm": (("#0b6e4f", "#4fd1a1"), ("#57a773", "#9be0b4"), ("#1f9e89", "#6fe3d0"), ("#7aa93c", "#c3e88d")),
    "null": (("#c46210", "#ffb067"), ("#e3a857", "#ffd89c"), ("#a0522d", "#e39a78")),
    "standard": (("#2b4c7e", "#82b1ff"), ("#7a9cc6", "#b8d4f5"), ("#5b5f97", "#b3b7f2"), ("#3f88c5", "#7fc4ff")),
}
"""By family, on light and on dark ground: green for worm networks, orange for their nulls, blue for standard ones."""

INK, SOFT, LINE, OTHER, GROUND, ALERT = "#1d2328", "#5d6871", "#dde2e7", "#b4bcc3", "#fffffe", "#b00021"
_PLAIN = {
    "ink": (INK, "#e8ebee"),
    "soft": (SOFT, "#a6b0b9"),
    "line": (LINE, "#343c45"),
    "other": (OTHER, "#5a646e"),
    "ground": (GROUND, "#15191e"),
    "alert": (ALERT, "#ff8a9a"),
}

MARKS = {"worm": "o", "null": "X", "standard": "s"}
MEASURED, PRINTED = "DejaVu Sans", "'Helvetica Neue', Helvetica, Arial, 'DejaVu Sans', sans-serif"
"""The font that matplotlib ships and measures with, and what the page shows in its place, the page's own."""

WIDTH, HEIGHT = 3.6, 2.6
"""Of a panel, inches; at 8 points its letters are 10 pixels high where a telephone shows it over its whole width."""

HIGHLIGHTS = 6
"""So many networks have a colour in figures of curves; the others are grey."""

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.family": [MEASURED],
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 8,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.facecolor": "none",
    "text.color": INK,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "axes.grid": True,
    "grid.color": LINE,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "figure.facecolor": GROUND,
}


def colours(dark: bool = False) -> dict[str, str]:
    """Names of the colours that figures use, and what they are on a light or a dark ground."""
    found = {name: pair[dark] for name, pair in _PLAIN.items()}
    return found | {f"{family}{i}": pair[dark] for family, row in COLOURS.items() for i, pair in enumerate(row)}


def stylesheet() -> str:
    """The colours as CSS variables: on a light ground, and on a dark one for readers who prefer that."""

    def variables(dark: bool) -> str:
        return " ".join(f"--{name}: {colour};" for name, colour in colours(dark).items())

    return f":root {{ {variables(False)} }} @media (prefers-color-scheme: dark) {{ :root {{ {variables(True)} }} }}"


@dataclass(frozen=True)
class Look:
    """How a network looks in every figure."""

    colour: str
    name: str
    """Of the colour, as a variable of the page."""
    mark: str
    highlighted: bool

    def line(self) -> dict[str, Any]:
        """For a curve: highlighted ones have their colour and mark, the others are thin and grey."""
        if not self.highlighted:
            return {"color": OTHER, "linewidth": 0.8, "zorder": 1}
        dashed = "--" if self.mark == MARKS["null"] else "-"
        return {"color": self.colour, "marker": self.mark, "markersize": 3.5, "linewidth": 1.4, "linestyle": dashed}


def looks(summary: Summary) -> dict[str, Look]:
    """The look of each network that is compared; of few networks all are highlighted."""
    chosen = summary.main if len(summary.main) <= HIGHLIGHTS else _chosen(summary)
    found, used = {}, dict.fromkeys(COLOURS, 0)
    # Highlighted ones first, so that no two of them share a colour of their family.
    for name in sorted(summary.main, key=lambda name: name not in chosen):
        family = summary.family(name)
        i = used[family] % len(COLOURS[family])
        used[family] += 1
        found[name] = Look(COLOURS[family][i][0], f"{family}{i}", MARKS[family], name in chosen)
    return {name: found[name] for name in summary.main}


def _chosen(summary: Summary) -> list[str]:
    """The reference, what is most often the best of its family on validation, and nulls of the best worm network."""

    def often(family: str) -> list[str]:
        best = [one for dataset in summary.datasets if (one := summary.best(dataset, family))]
        return sorted(dict.fromkeys(best), key=lambda name: -best.count(name))

    worms, standard = often("worm"), often("standard")
    nulls = [name for worm in worms for name in summary.main if summary.networks[name]["null_of"] == worm]
    wanted = [summary.about["reference"], *worms[:1], *standard[:1], *nulls[:1], *worms[1:2], *nulls[1:2], *worms[2:]]
    wanted += [*standard[1:], *summary.main]
    return [name for name in dict.fromkeys(wanted) if name in summary.main][:HIGHLIGHTS]


@dataclass(frozen=True)
class Panel:
    """A figure of one data set."""

    group: str
    """Of which figure of the report it is a part."""
    dataset: str
    name: str
    """Of its files."""
    inline: str
    """SVG for the page, as wide as its place there, in the page's colours."""
    svg: str
    png: bytes
    rows: list[dict[str, Any]] = field(default_factory=list)
    """Its numbers."""


@contextmanager
def render(title: str, height: float = HEIGHT, left: float = 0.6) -> Iterator[tuple[Figure, Axes]]:
    """An empty panel with its title, in the report's style; `height` and the room to the left are in inches.

    Places are set and not found by a layout engine, which would take most of the time of a report.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, height))
        figure.subplots_adjust(left / WIDTH, 0.46 / height, 1 - 0.1 / WIDTH, 1 - 0.28 / height)
        axes = figure.subplots()
        figure.text(0.06 / WIDTH, 1 - 0.07 / height, title, va="top", fontsize=9, fontweight="bold")
        yield figure, axes


def panel(group: str, dataset: str, figure: Figure, rows: Sequence[Mapping[str, Any]]) -> Panel:
    """A drawn figure as a panel."""
    name = "-".join(re.sub(r"[^A-Za-z0-9_.]+", "_", part) for part in (group, dataset))
    png, text = io.BytesIO(), io.StringIO()
    figure.savefig(png, format="png", dpi=180, metadata={"Software": None})
    # A salt of its own for each panel: many of them share one page, and so one space of ids.
    with matplotlib.rc_context({"svg.hashsalt": name}):
        nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
        figure.savefig(text, format="svg", metadata=nothing, facecolor="none")
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :].replace(f"'{MEASURED}'", PRINTED)
    for variable, colour in colours().items():
        svg = svg.replace(colour, f"var(--{variable}, {colour})")
    head, body = svg.split(">", 1)
    label = f"{group.replace('_', ' ')}, {dataset}"
    inline = re.sub(r' (width|height)="[^"]*"', "", head) + f' role="img" aria-label={quoteattr(label)}>' + body
    alone = f"{head}><style>{stylesheet()} svg {{ background: var(--ground); }}</style>{body}"
    return Panel(group, dataset, name, inline, alone, png.getvalue(), [dict(row) for row in rows])


def legend(figure: Figure, axes: Axes) -> None:
    """Put the legend below the axes; the panel grows by its rows."""
    handles, labels = axes.get_legend_handles_labels()
    if not handles:
        return
    height = float(figure.get_figheight())
    room = 0.17 * -(-len(labels) // 2) + 0.04
    box = axes.get_position()
    figure.set_figheight(height + room)
    for text in figure.texts:
        text.set_y((text.get_position()[1] * height + room) / (height + room))
    axes.set_position(
        (box.x0, (box.y0 * height + room) / (height + room), box.width, box.height * height / (height + room))
    )
    figure.legend(
        handles,
        [shortened(label, 27) for label in labels],
        loc="lower left",
        bbox_to_anchor=(0.0, 0.0),
        ncols=2,
        borderaxespad=0.2,
        handlelength=1.4,
        columnspacing=0.8,
        labelspacing=0.15,
        handletextpad=0.4,
    )


def shortened(text: str, most: int) -> str:
    """A long name without its middle.

    >>> shortened("my_very_long_network_name/rewire", 20)
    'my_very_l\u2026ame/rewire'
    """
    return text if len(text) <= most else f"{text[: (most - 1) // 2]}\u2026{text[-(most // 2) :]}"


def plain_ticks(axes: Axes) -> None:
    """A logarithmic axis with plain numbers instead of powers of ten."""
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    subs = (1, 2, 5) if high / low < 30 else (1, 3) if high / low < 1000 else (1,)
    axes.xaxis.set_major_locator(LogLocator(subs=subs, numticks=5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))
    axes.xaxis.set_minor_locator(NullLocator())
