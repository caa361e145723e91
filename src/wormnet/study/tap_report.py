"""What training the tap withdrawal circuit showed, as Markdown tables and figures in the style of a study's report."""

from typing import Any

import numpy as np

from wormnet.study import stats
from wormnet.study.figures import COLOURS, Panel, legend, panel, render
from wormnet.study.tap_training import FREEDOMS, KINDS

__all__ = ["figures", "tables"]

NAMES = {"worm": "worm (Cook 2019)", "rewire": "rewired, same degrees", "signs": "signs shuffled"}
LOOKS = {"worm": COLOURS["worm"][0][0], "rewire": COLOURS["null"][0][0], "signs": COLOURS["null"][1][0]}

Results = dict[str, Any]


def tables(results: Results) -> str:
    """How many starts hold all trained rows, how soon and by how much; and what the held-out rows then do.

    Args: results: of `tap_study.run`.
    """
    return "\n\n".join([*(_successes(results, freedom) for freedom in FREEDOMS), _held_out(results)])


def _of(results: Results, freedom: str, kind: str) -> list[dict[str, Any]]:
    return [one for one in results["wirings"] if (one["freedom"], one["kind"]) == (freedom, kind)]


def _share(part: int, of: int) -> str:
    if not of:
        return "none to judge"
    found = stats.wilson(part, of)
    return f"{part} of {of}: {found.mean:.0%} ({found.low:.0%} to {found.high:.0%})"


def _successes(results: Results, freedom: str) -> str:
    lines = [
        f'Freedom "{freedom}", {results["settings"]["parameters"][freedom]} parameters:',
        "",
        "| wirings | n | same synapses | same signs | starts that succeed (95 %) | per wiring: least, median, most | "
        "as many as the worm | median step | smallest margin at its largest, mV: quartiles over starts | "
        "held-out rows with a source that hold | as many as the worm |",
        "|---" * 11 + "|",
    ]
    worm = next(sum(start["holds"] for start in one["starts"]) for one in _of(results, freedom, "worm"))
    worm_held = _sourced(results, _of(results, freedom, "worm"))
    for kind in KINDS:
        wirings = _of(results, freedom, kind)
        shares = worm_held if kind == "worm" else _sourced(results, wirings)
        starts = [start for one in wirings for start in one["starts"]]
        per = [sum(start["holds"] for start in one["starts"]) for one in wirings]
        steps = [start["step"] for start in starts if start["holds"]]
        as_many = "" if kind == "worm" else f"{sum(n >= worm for n in per)} of {len(per)}"
        best = np.percentile([start["best"] for start in starts], [25, 50, 75])
        lines.append(
            f"| {NAMES[kind]} | {len(wirings)} | {np.mean([w['same_synapses'] for w in wirings]):.0%} | "
            f"{np.mean([w['same_signs'] for w in wirings]):.0%} | {_share(sum(per), len(starts))} | "
            f"{min(per)}, {np.median(per):g}, {max(per)} | {as_many} | {np.median(steps) if steps else np.nan:.0f} | "
            f"{best[0]:.1f}, {best[1]:.1f}, {best[2]:.1f} | {_also_held(shares, worm_held)} |"
        )
    return "\n".join(lines)


def _sourced(results: Results, wirings: list[dict[str, Any]]) -> np.ndarray:
    """For each wiring with a start that succeeds, the share of the held-out rows with a source that then hold."""
    rows = [i for i, row in enumerate(results["held_out"]) if row["source"]]
    held = [[[s["held_out"][i] > 0 for i in rows] for s in one["starts"] if s["holds"]] for one in wirings]
    return np.array([np.mean(one) for one in held if one])


def _also_held(shares: np.ndarray, worm: np.ndarray) -> str:
    if not len(shares):
        return "none to judge |"
    beside = f"{(shares >= worm[0]).sum()} of {len(shares)}" if len(worm) and shares is not worm else ""
    return f"{shares.mean():.0%} | {beside}"


def _held_out(results: Results) -> str:
    """Of the starts that succeed, the share in which each held-out row holds."""
    head = [f"{freedom}: {NAMES[kind]}" for freedom in FREEDOMS for kind in KINDS]
    lines = ["| held-out row | source | " + " | ".join(head) + " |", "|---" * (len(head) + 2) + "|"]
    for i, row in enumerate(results["held_out"]):
        cells = []
        for freedom in FREEDOMS:
            for kind in KINDS:
                starts = [s for one in _of(results, freedom, kind) for s in one["starts"] if s["holds"]]
                cells.append(_share(sum(s["held_out"][i] > 0 for s in starts), len(starts)))
        name = f"{row['row']}, without {row['removed']}: {row['worm']}"
        lines.append(f"| {name} | {row['source'] or 'none at hand'} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def figures(results: Results) -> list[Panel]:
    """The share of starts that hold all trained rows against steps, for each freedom; thin lines are single nulls."""
    steps = np.arange(results["settings"]["steps"])
    margin, found = results["settings"]["margin"], []
    for freedom in FREEDOMS:
        with render(f'freedom "{freedom}": {results["settings"]["parameters"][freedom]} parameters') as (figure, axes):
            rows = []
            for kind in reversed(KINDS):
                curves = [_curve(one["starts"], steps) for one in _of(results, freedom, kind)]
                for curve in curves if len(curves) > 1 else ():
                    axes.plot(steps, curve, color=LOOKS[kind], linewidth=0.5, alpha=0.45)
                mean = np.mean(curves, 0)
                axes.plot(steps, mean, color=LOOKS[kind], linewidth=2, label=NAMES[kind])
                rows += [{"wirings": kind, "step": int(at), "share": float(y)} for at, y in zip(steps, mean)]
            axes.set(xlabel="training step", ylabel=f"share that held all rows by {margin:g} mV", ylim=(0, 1.03))
            legend(figure, axes)
            found.append(panel("tap_withdrawal", freedom, figure, rows))
    return found


def _curve(starts: list[dict[str, Any]], steps: np.ndarray) -> np.ndarray:
    reached = np.array([start["step"] if start["holds"] else np.inf for start in starts])
    return (reached[:, None] <= steps).mean(0)
