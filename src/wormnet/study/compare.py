"""Every test of a report: pairs of networks and ingredients of the worm, corrected together."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wormnet.study import effects, stats
from wormnet.study.scale import POOLED, SHARE, Scale
from wormnet.study.stats import Difference
from wormnet.study.summary import Summary
from wormnet.study.words import MARGIN_PERCENT, MARGIN_POINTS, MARGIN_SHARE, Verdict, ingredient, interaction, verdict

__all__ = ["EQUAL_SIZE", "Comparison", "Effect", "Results", "compared", "equal_sized", "run_tests"]

EQUAL_SIZE = 0.2
"""Two networks are of equal size if the larger one has at most a fifth more parameters."""

_PLANNED = {"reference", "null", "study"}

LEAST_MINORITY = 0.1
"""Of the runs of two networks at least so many have learned, and so many have not: then the outcome has two humps."""


@dataclass(frozen=True)
class Comparison:
    """Two networks on a data set; dataset "" is over all data sets. Gains are > 0 where the first is the better one."""

    dataset: str
    network: str
    against: str
    reasons: tuple[str, ...]
    """Why they are compared: "reference", "null", "equal size", "best"; of several studies "study"."""
    test: Difference
    """Of the gain: of scores; of shares of runs that learned; over all data sets in percent of the error."""
    scale: Scale
    """How the gain is printed."""
    margin: float
    """Gains smaller than this do not matter."""
    p_holm: float | None = None

    @property
    def verdict(self) -> Verdict:
        """What the numbers allow to say of the first network."""
        return verdict(self.test, self.p_holm, self.margin)

    @property
    def of_shares(self) -> bool:
        """Whether shares of runs that learned are compared, and not scores."""
        return self.scale is SHARE


@dataclass(frozen=True)
class Effect:
    """What an ingredient does, or two together: the gain with it over without it, mean over the other ingredients."""

    dataset: str
    factors: tuple[str, ...]
    name: str
    levels: tuple[str, str] | None
    """Of one ingredient: the worm's, and what takes its place."""
    aliases: tuple[str, ...]
    test: Difference
    scale: Scale
    margin: float
    tested: bool
    """Whether it is one of the report's tests; interactions are tested over all data sets only."""
    with_it: float | None = None
    without_it: float | None = None
    """The score at the two levels of one ingredient, mean over the others."""
    gap: float | None = None
    """By how much the score with it is better than the best trivial baseline."""
    needed_on: tuple[str, ...] = ()
    """Over all data sets: those on which it is needed."""
    n_datasets: int = 1
    p_holm: float | None = None

    @property
    def verdict(self) -> str:
        """What the numbers allow to say."""
        if len(self.factors) > 1:
            return interaction(self.test, self.p_holm, self.margin)
        most = 2 * len(self.needed_on) > self.n_datasets
        return ingredient(self.test, self.p_holm, self.margin, self.gap, needed=most)


@dataclass(frozen=True)
class Results:
    """All tests of a report."""

    comparisons: list[Comparison]
    effects: list[Effect]

    @property
    def n(self) -> int:
        """How many tests were corrected together."""
        return sum(one.p_holm is not None for one in (*self.comparisons, *self.effects))

    def pairs(self, dataset: str, reason: str = "") -> list[Comparison]:
        """The comparisons on a data set ("" for those over all) that were made for a reason."""
        return [one for one in self.comparisons if one.dataset == dataset and (not reason or reason in one.reasons)]


def run_tests(summary: Summary) -> Results:
    """Compare what the plan names, and what the report picks on the validation parts; correct all by Holm at once."""
    comparisons = [one for dataset in summary.datasets for one in _on(summary, dataset)]
    comparisons = _over_all(summary, comparisons) + comparisons
    found = _effects(summary)
    p = [one.test.p for one in comparisons] + [one.test.p if one.tested else None for one in found]
    corrected = iter(stats.holm([value for value in p if value is not None]))
    holm = [None if value is None else next(corrected) for value in p]
    comparisons = [replace(one, p_holm=value) for one, value in zip(comparisons, holm)]
    found = [replace(one, p_holm=value) for one, value in zip(found, holm[len(comparisons) :])]
    # Whether an ingredient is needed over all data sets follows from whether it is on each.
    for i, one in enumerate(found):
        if not one.dataset and len(one.factors) == 1:
            needed = [e.dataset for e in found if e.dataset and e.factors == one.factors and e.verdict == "needed"]
            found[i] = replace(one, needed_on=tuple(needed))
    return Results(comparisons, found)


# -- pairs of networks -------------------------------------------------------------------------------------------------


def equal_sized(summary: Summary, dataset: str, network: str) -> list[str]:
    """The standard networks of about the same number of parameters, best on the validation parts first."""
    size = summary.size(dataset, network)
    found = [
        name
        for name in summary.main
        if summary.family(name) == "standard"
        and summary.has(dataset, name)
        and max(size, summary.size(dataset, name)) <= (1 + EQUAL_SIZE) * min(size, summary.size(dataset, name))
    ]
    return sorted(found, key=lambda name: -summary.rank(dataset, name))


def _pairs(summary: Summary, dataset: str) -> dict[tuple[str, str], list[str]]:
    """Who is compared with whom, and why; equal sizes first."""
    found: dict[tuple[str, str], list[str]] = {}
    if summary.about.get("studies"):
        return {(network, against): ["study"] for network, against in summary.about["comparisons"]}
    worms = [name for name in summary.main if summary.family(name) == "worm" and summary.has(dataset, name)]
    for name in worms:
        for partner in equal_sized(summary, dataset, name)[:1]:
            found.setdefault((name, partner), []).append("equal size")
    worm, standard = summary.best(dataset, "worm"), summary.best(dataset, "standard")
    if worm and standard:
        found.setdefault((worm, standard), []).append("best")
    for network, against in summary.about["comparisons"]:
        # Each test costs all others some power, and the question is about worms.
        if worms and not {network, against} & {*worms}:
            continue
        is_null = summary.networks.get(against, {}).get("family") == "null"
        if network != against:
            found.setdefault((network, against), []).append("null" if is_null else "reference")
    return found


def _on(summary: Summary, dataset: str) -> Iterable[Comparison]:
    for (network, against), reasons in _pairs(summary, dataset).items():
        one = compared(summary, dataset, network, against)
        if one is not None:
            yield replace(one, reasons=tuple(dict.fromkeys(reasons)))


def compared(summary: Summary, dataset: str, network: str, against: str) -> Comparison | None:
    """Two networks over the folds that both have, for itself and uncorrected; None if they have none in common."""
    ours, theirs = summary.folds(dataset, network), summary.folds(dataset, against)
    folds = sorted(ours.keys() & theirs.keys())
    if not folds:
        return None
    scale = summary.scales[dataset]
    gain = scale.better * np.array([ours[fold] - theirs[fold] for fold in folds])
    margin = _margin(scale, [theirs[fold] for fold in folds])
    test = stats.difference(gain, overlap=summary.overlap(dataset), most=scale.high - scale.low)
    one = Comparison(dataset, network, against, (), test, scale, margin)
    return _of_shares(summary, one) if len(folds) > 1 else one


def _of_shares(summary: Summary, one: Comparison) -> Comparison:
    """The same pair by how often its runs learned, if some did and some did not."""
    counts = [
        (sum(bool(run["learned"]) for run in runs), len(runs))
        for runs in (summary.of(one.dataset, name) for name in (one.network, one.against))
    ]
    learned, n = (sum(part) for part in zip(*counts))
    if min(learned, n - learned) < LEAST_MINORITY * n:
        return one
    return replace(one, test=stats.shares_differ(*counts[0], *counts[1]), scale=SHARE, margin=MARGIN_SHARE)


def _margin(scale: Scale, scores: Sequence[float]) -> float:
    """A gain that matters to nobody: 1 point of a share, and 5 % of any other score."""
    return MARGIN_POINTS if scale.unit == "%" else MARGIN_PERCENT * abs(float(np.mean(scores)))


def _relative(summary: Summary, dataset: str, gain: NDArray[np.float64], scores: Sequence[float]) -> Any:
    """Gains in parts of the mean error; None where the metric has no best value, or too few folds to be tested."""
    errors = [summary.scales[dataset].error(score) for score in scores]
    if len(gain) < 2 or any(error is None for error in errors):
        return None
    mean = float(np.mean(errors))  # pyright: ignore[reportArgumentType, reportCallIssue]
    return gain / mean if mean > 0 else np.zeros_like(gain)


def _over_all(summary: Summary, comparisons: Sequence[Comparison]) -> list[Comparison]:
    """The planned pairs that several data sets have, over all of these."""
    found: list[Comparison] = []
    planned = {(one.network, one.against): one.reasons for one in comparisons if _PLANNED & {*one.reasons}}
    for (network, against), reasons in planned.items():
        values, overlaps = [], []
        for dataset, scale in summary.scales.items():
            ours, theirs = summary.folds(dataset, network), summary.folds(dataset, against)
            folds = sorted(ours.keys() & theirs.keys())
            gain = scale.better * np.array([ours[fold] - theirs[fold] for fold in folds])
            relative = _relative(summary, dataset, gain, [part[fold] for part in (ours, theirs) for fold in folds])
            if relative is not None:
                values.append(relative)
                overlaps.append(summary.overlap(dataset))
        if len(values) > 1:
            test = stats.pooled(values, overlaps)
            why = tuple(reason for reason in reasons if reason in _PLANNED)
            found.append(Comparison("", network, against, why, test, POOLED, MARGIN_PERCENT))
    return found


# -- ingredients -------------------------------------------------------------------------------------------------------


def _effects(summary: Summary) -> list[Effect]:
    factorial = summary.about["factorial"]
    if not factorial:
        return []
    found: list[Effect] = []
    relative: dict[tuple[tuple[str, ...], tuple[str, ...]], list[tuple[Any, float]]] = {}
    for dataset, scale in summary.scales.items():
        scores = {name: summary.folds(dataset, name) for name in factorial["cells"] if summary.has(dataset, name)}
        everything = [score for by_fold in scores.values() for score in by_fold.values()]
        for term in effects.terms(factorial, scores):
            gain = scale.better * effects.by_fold(term, scores)
            if len(gain):
                found.append(_effect(summary, dataset, term, gain, everything))
                part = _relative(summary, dataset, gain, everything)
                if part is not None:
                    relative.setdefault((term.factors, found[-1].aliases), []).append((part, summary.overlap(dataset)))
    return _effects_over_all(found, {key: parts for key, parts in relative.items() if len(parts) > 1})


def _effect(
    summary: Summary, dataset: str, term: effects.Term, gain: NDArray[np.float64], scores: Sequence[float]
) -> Effect:
    scale, baseline = summary.scales[dataset], summary.baseline(dataset)
    one = Effect(
        dataset,
        term.factors,
        term.name,
        None,
        tuple(effects.Term(other, {}, ()).name for other in term.aliases),
        stats.difference(gain, overlap=summary.overlap(dataset)),
        scale,
        _margin(scale, scores),
        tested=True,
    )
    if len(term.factors) > 1:
        return one
    middle, half = float(np.mean(scores)), scale.better * one.test.mean / 2
    gap = None if baseline is None else scale.better * (middle + half - baseline[1])
    levels = tuple(summary.about["factorial"]["factors"][term.name])
    return replace(one, levels=levels, with_it=middle + half, without_it=middle - half, gap=gap)


def _effects_over_all(found: list[Effect], relative: dict[Any, list[tuple[Any, float]]]) -> list[Effect]:
    """Those on each data set, and over all of them; interactions are tested over all, where they can be."""
    pooled: list[Effect] = []
    for (factors, aliases), parts in relative.items():
        alike = next(one for one in found if one.factors == factors)
        test = stats.pooled([part for part, _ in parts], [overlap for _, overlap in parts])
        over_all = Effect("", factors, alike.name, alike.levels, aliases, test, POOLED, MARGIN_PERCENT, tested=True)
        pooled.append(replace(over_all, n_datasets=len(parts)))
    apart = [replace(one, tested=len(one.factors) == 1 or (one.factors, one.aliases) not in relative) for one in found]
    return pooled + apart
