"""What a study says, in sentences: in short for the first screen, and data set by data set."""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from wormnet.study import gains, stats
from wormnet.study.compare import EQUAL_SIZE, Comparison, Effect, Results
from wormnet.study.scale import Scale, number
from wormnet.study.stats import Interval
from wormnet.study.summary import Summary
from wormnet.study.words import clear, listed, phrase

__all__ = ["in_short", "on_dataset", "sentence"]

_SPLIT = "on this split; with one split nothing is tested"


def in_short(summary: Summary, tests: Results) -> list[tuple[str, list[str]]]:
    """The answers for the first screen, by question."""
    if summary.about.get("studies"):
        questions = [
            ("From study to study", _studies(summary, tests)),
            ("What differs", [f"{len(summary.about['differences'])} settings, versions or parts of the machine."]),
            ("Trainings that came to nothing", _failures(summary)),
        ]
        return [(question, found) for question, found in questions if found]
    questions = [
        ("At equal size", _equal_size(summary, tests)),
        ("Best against best", _best(summary, tests)),
        ("Does the wiring matter?", _wiring(summary, tests)),
        ("What is necessary", _necessary(tests)),
        ("Price", _prices(summary)),
        ("Beside a trivial rule", _trivial(summary)),
        ("Trainings that came to nothing", _failures(summary)),
    ]
    return [(question, found) for question, found in questions if found]


def on_dataset(summary: Summary, tests: Results, dataset: str) -> list[str]:
    """What was found on one data set: equal sizes first, then the best ones, nulls, price, and the rest."""
    pairs = tests.pairs(dataset)
    ordered = [
        *(one for one in pairs if "equal size" in one.reasons),
        *(one for one in pairs if "best" in one.reasons and "equal size" not in one.reasons),
        *(one for one in pairs if "null" in one.reasons),
    ]
    return [
        *(sentence(summary, one) for one in ordered),
        *_beside_baseline(summary, dataset),
        *_costs(summary, dataset),
        *_small(summary, dataset),
        *_robust(summary, dataset),
        *_little_data(summary, dataset),
    ]


# -- one comparison ----------------------------------------------------------------------------------------------------


def sentence(summary: Summary, one: Comparison) -> str:
    """A comparison in words that its numbers allow.

    "Better" and "worse" stand for a difference that holds among all tests of the report, "ahead" and "behind" for one
    whose interval does not hold 0, and nothing of the kind for one whose interval does.
    """
    who = _who(one)
    ours, theirs = (_with_score(summary, one, name) for name in (one.network, one.against))
    said = f"{who}{ours} {phrase(one.verdict)} {theirs}"
    gain, test = one.scale.with_unit(one.test.mean, signed=True), one.test
    if one.verdict in ("higher", "lower", "equal"):
        return f"{said} {_SPLIT}."
    if one.verdict == "the same":
        return f"{said}, fold by fold."
    if test.low is None or test.high is None:
        return f"{said}: all folds differ by the same {gain}, which no test can judge."
    ends = f"{gain}, 95 % interval {_ends(one.scale, test.low, test.high)}"
    margin = one.scale.with_unit(one.margin, signed=True).lstrip("+")
    if one.verdict == "equivalent":
        return f"{said} within {margin} (difference {ends})."
    if one.verdict == "not decided":
        return f"{said} (difference {ends}, which holds 0)."
    small = f" by less than {margin}" if max(abs(test.low), abs(test.high)) <= one.margin else ""
    if one.verdict in ("ahead", "behind"):
        return f"{said} (difference {ends}; not after Holm's correction, so not decided)."
    return f"{said}{small} (difference {ends})."


def _who(one: Comparison) -> str:
    if "best" in one.reasons and "equal size" in one.reasons:
        return "Best against best, both picked on validation, and of equal size: "
    if "best" in one.reasons:
        return "Best against best, both picked on validation, whatever their sizes: "
    if "equal size" in one.reasons:
        return "At equal size: "
    return "Its wiring against a null of it: " if "null" in one.reasons else ""


def _with_score(summary: Summary, one: Comparison, name: str) -> str:
    size = f"{summary.size(one.dataset, name):,.0f} parameters"
    if one.of_shares:
        runs = summary.of(one.dataset, name)
        return f"{name} (learned in {sum(bool(run['learned']) for run in runs)} of {len(runs)} runs, {size})"
    found = summary.score(one.dataset, name)
    return f"{name} ({one.scale.with_unit(None if found is None else found.mean)}, {size})"


def _ends(scale: Scale, low: float, high: float) -> str:
    return f"{scale.shown(low, signed=True)} to {scale.shown(high, signed=True)}"


# -- in short ----------------------------------------------------------------------------------------------------------


def _equal_size(summary: Summary, tests: Results) -> list[str]:
    """Of each data set the pair whose worm network is best on validation; the others stand in the tables."""
    found, without = [], []
    for dataset in summary.datasets:
        pairs = [one for one in tests.pairs(dataset, "equal size") if summary.family(one.network) == "worm"]
        if pairs:
            found.append(max(pairs, key=lambda one: summary.rank(dataset, one.network)))
        else:
            without.append(dataset)
    if not found:
        return []
    told = [
        f"A worm network against the standard one of its size (parameters within {100 * EQUAL_SIZE:.0f} %), both the "
        f"best of their kind on validation: {_counted(found)}."
    ]
    if all(one.verdict == "not decided" for one in found):
        told.append("So few folds and seeds find large differences only; more of them decide more.")
    if without:
        told.append(f"No pair of equal size on {listed(without)}.")
    return told


def _best(summary: Summary, tests: Results) -> list[str]:
    found = [one for dataset in summary.datasets for one in tests.pairs(dataset, "best")]
    return [f"Picked on validation, whatever the size: {_counted(found)}."] if found else []


def _counted(found: Sequence[Comparison]) -> str:
    """Comparisons by verdict, with the data sets of each."""
    words = {
        "better": "the worm network is better on",
        "worse": "it is worse on",
        "ahead": "ahead, but not after Holm's correction, on",
        "behind": "behind, but not after Holm's correction, on",
        "equivalent": "equivalent on",
        "the same": "the same on",
        "not decided": "too close to tell on",
        "higher": "ahead on the one split of",
        "lower": "behind on the one split of",
        "equal": "equal on the one split of",
    }
    told = []
    for verdict, says in words.items():
        chosen = [f"{one.dataset} ({one.network} against {one.against})" for one in found if one.verdict == verdict]
        if chosen:
            told.append(f"{says} {listed(chosen)}")
    if told[0].startswith(("the worm network", "too close")):
        return "; ".join(told)
    return "; ".join([f"the worm network is {told[0].removeprefix('it is ')}", *told[1:]])


def _wiring(summary: Summary, tests: Results) -> list[str]:
    """Every wiring against its nulls, over all data sets at once where there are several."""
    told = _over_and_apart(summary, tests, "null", "Against nulls of their wirings the worm networks are")
    everything = [one for one in tests.comparisons if "null" in one.reasons]
    found = [
        f"{word.capitalize()} than a null: {listed(_named(chosen))}."
        for word in ("better", "worse")
        if (chosen := [one for one in everything if one.verdict == word])
    ]
    if found or not told:
        return [*told, *found]
    if all(one.verdict in ("equivalent", "the same") for one in everything):
        return [*told, "Here the wiring makes no difference that matters."]
    return [*told, "There is no evidence here that the wiring matters."]


def _studies(summary: Summary, tests: Results) -> list[str]:
    """Each network of the first study against itself in the others."""
    told = _over_and_apart(summary, tests, "study", "In A, networks against themselves in the other studies are")
    pairs = [one for one in tests.comparisons if "study" in one.reasons]
    found = [
        f"{word.capitalize()}: {listed(_named(chosen))}."
        for word in ("better", "worse")
        if (chosen := [one for one in pairs if one.verdict == word])
    ]
    return [*told, *found] or ["They have no network on the same data in common."]


def _over_and_apart(summary: Summary, tests: Results, reason: str, says: str) -> list[str]:
    over = tests.pairs("", reason)
    apart = [one for dataset in summary.datasets for one in tests.pairs(dataset, reason)]
    if not over:
        return [f"{says}, data set by data set: {_verdicts(apart)}."] if apart else []
    return [f"{says}, over all data sets: {_verdicts(over)}.", f"Data set by data set: {_verdicts(apart)}."]


def _verdicts(found: Sequence[Comparison]) -> str:
    counts = Counter(one.verdict for one in found)
    return ", ".join(f"{verdict} in {count} of {len(found)}" for verdict, count in counts.most_common())


def _named(found: Iterable[Comparison]) -> list[str]:
    return [
        f"{one.network} than {one.against} {f'on {one.dataset}' if one.dataset else 'over all data sets'}"
        for one in found
    ]


def _necessary(tests: Results) -> list[str]:
    mains = [one for one in tests.effects if len(one.factors) == 1]
    over = [one for one in mains if not one.dataset] or mains
    return [
        f"{word.capitalize()}: {listed([_effect(one) for one in chosen])}."
        for word in ("needed", "helps", "no effect seen", "harms", "not decided")
        if (chosen := [one for one in over if one.verdict == word])
    ]


def _effect(one: Effect) -> str:
    name = f"{one.name} ({one.levels[0]}, not {one.levels[1]})" if one.levels else one.name
    return f"{name} on {one.dataset}" if one.dataset else name


def _prices(summary: Summary) -> list[str]:
    """Of the best worm networks, in those of the reference: the median over data sets."""
    reference, columns = summary.about["reference"], ("parameters", "multiply_adds", "step_ms", "latency_ms")
    says = {
        "parameters": "parameters",
        "multiply_adds": "multiply-adds",
        "step_ms": "time of a training step",
        "latency_ms": "time of a sample",
    }
    ratios: dict[str, list[float]] = {column: [] for column in columns}
    stepper, names = [], set()
    for dataset in summary.datasets:
        worm = summary.best(dataset, "worm")
        if worm is None or worm == reference:
            continue
        ours, theirs = gains.price(summary, dataset, worm), gains.price(summary, dataset, reference)
        for column in columns:
            if ours.get(column) and theirs.get(column):
                ratios[column].append(ours[column] / theirs[column])
                names.add(worm)
        if "stepper_us" in ours:
            stepper.append(ours["stepper_us"])
    told = [f"{_rough(values)} times the {says[column]}" for column, values in ratios.items() if values]
    if not told:
        return []
    tail = f" By the stepper, a sample takes {_rough(stepper)} microseconds." if stepper else ""
    return [f"The best worm network on validation ({listed(sorted(names))}) has {listed(told)} of {reference}.{tail}"]


def _rough(values: list[float]) -> str:
    """The median with two digits, never as a power of ten.

    >>> _rough([208.4]), _rough([0.0123, 0.0123, 4.0]), _rough([20273.0])
    ('210', '0.012', '20,000')
    """
    return f"{float(f'{np.median(values):.2g}'):,g}"


def _trivial(summary: Summary) -> list[str]:
    """Where no network is above a rule that needs no network; nothing if all data sets are well."""
    told = []
    for dataset in summary.datasets:
        found = _above(summary, dataset)
        if found and not found["above"]:
            name, value = summary.baseline(dataset) or ("", 0.0)
            told.append(f"On {dataset} no network beats {name} ({summary.scales[dataset].with_unit(value)}).")
    return told


def _failures(summary: Summary) -> list[str]:
    failed = [record for record in summary.failed if record.get("kind", "run") == "run"]
    told = []
    if failed:
        by_network = Counter(record["network"] for record in failed)
        most = [f"{name} ({count})" for name, count in by_network.most_common(3)]
        told.append(
            f"{len(failed):,} of {len(failed) + len(summary.runs) + summary.undefined:,} trainings failed, most often "
            f"those of {listed(most)}; they are missing from the scores."
        )
    return told


# -- one data set ------------------------------------------------------------------------------------------------------


def _above(summary: Summary, dataset: str) -> dict[str, list[str]]:
    """The networks whose mean is above the best trivial baseline, those whose whole interval is, and the others."""
    baseline, better = summary.baseline(dataset), summary.scales[dataset].better
    found: dict[str, list[str]] = {"clearly": [], "above": [], "not": []}
    for name in summary.main if baseline else ():
        score = summary.score(dataset, name)
        if score is None or baseline is None:
            continue
        worst = score.low if better > 0 else score.high
        above = better * score.mean > better * baseline[1]
        found["above" if above else "not"].append(name)
        if above and worst is not None and better * worst > better * baseline[1]:
            found["clearly"].append(name)
    return found if found["above"] or found["not"] else {}


def _beside_baseline(summary: Summary, dataset: str) -> list[str]:
    baseline, found = summary.baseline(dataset), _above(summary, dataset)
    if baseline is None or not found:
        return []
    rule = f"{baseline[0]} ({summary.scales[dataset].with_unit(baseline[1])})"
    if not found["above"]:
        return [f"No network beats the trivial baseline, {rule}."]
    doubtful = [name for name in found["above"] if name not in found["clearly"]]
    told = []
    if found["not"]:
        told.append(f"Not above the trivial baseline, {rule}: {listed(found['not'])}.")
    if doubtful and not summary.one_split(dataset):
        told.append(f"Above it, with an interval that holds it: {listed(doubtful)}.")
    return told if found["not"] else [text.replace("it,", f"the trivial baseline, {rule},", 1) for text in told]


def _costs(summary: Summary, dataset: str) -> list[str]:
    """The time of a training step beside the reference's."""
    reference = summary.about["reference"]
    theirs = gains.price(summary, dataset, reference).get("step_ms")
    if not theirs:
        return []
    ours = [
        f"{name} {number(gains.price(summary, dataset, name)['step_ms'] / theirs, '.1f')}"
        for name in summary.main
        if summary.family(name) == "worm" and name != reference and "step_ms" in gains.price(summary, dataset, name)
    ]
    return [f"Time of a training step, in steps of {reference} ({theirs:.1f} ms): {', '.join(ours)}."] if ours else []


def _small(summary: Summary, dataset: str) -> list[str]:
    told = []
    for family in ("worm", "standard"):
        one = gains.smallest(summary, dataset, family)
        if one:
            score = summary.scales[dataset].with_unit(one.score.mean)
            told.append(f"{one.network} ({one.parameters:,.0f} parameters, {score}) among {family} networks")
    return [f"Smallest within 5 % of the best of its kind, on validation: {'; '.join(told)}."] if told else []


def _robust(summary: Summary, dataset: str) -> list[str]:
    """What the best worm and the best standard network keep under each disturbance, if both have anything to lose."""
    says = {
        "noise": "noise",
        "drop": "lost samples with dt told",
        "drop_blind": "lost samples with dt not told",
        "rate": "another sampling rate",
    }
    names = [name for family in ("worm", "standard") if (name := summary.best(dataset, family))]
    if len(names) < 2 or not {*names} <= {*_above(summary, dataset).get("clearly", names)}:
        return []
    told = []
    for kind in gains.kinds(summary, dataset):
        ours, theirs = (gains.curve(summary, dataset, name, kind) for name in names)
        folds = sorted(ours.areas.keys() & theirs.areas.keys()) if ours and theirs else []
        if ours and theirs and len(folds) > 1:
            kept = [ours.areas[fold] - theirs.areas[fold] for fold in folds]
            test = stats.difference(kept, overlap=summary.overlap(dataset))
            word = ("more than" if test.mean > 0 else "less than") if clear(test) else "not told apart from"
            told.append(
                f"Under {says[kind]} {names[0]} keeps {_kept(ours.area)} of its clean score, {word} {names[1]} with "
                f"{_kept(theirs.area)}."
            )
    return told


def _kept(area: Interval | None) -> str:
    if area is None or area.low is None or area.high is None:
        return "?" if area is None else f"{100 * area.mean:.0f} %"
    return f"{100 * area.mean:.0f} % ({100 * area.low:.0f} to {100 * area.high:.0f})"


def _little_data(summary: Summary, dataset: str) -> list[str]:
    """The score with the smallest share of the data."""
    told = []
    for family in ("worm", "standard"):
        name = summary.best(dataset, family)
        found = gains.efficiency(summary, dataset, name) if name else {}
        if found:
            share = min(found)
            told.append(f"{name} {summary.scales[dataset].with_unit(found[share].mean)} with {100 * share:.0f} %")
    return [f"With part of the training sequences: {', '.join(told)}."] if told else []
