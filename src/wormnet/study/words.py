"""Words that follow numbers: which word a test allows, and the sentences of a report that are made of them."""

from typing import Literal

from wormnet.study.stats import Difference

__all__ = [
    "MARGIN_PERCENT",
    "MARGIN_POINTS",
    "MARGIN_SHARE",
    "NEEDED",
    "Ingredient",
    "Verdict",
    "ingredient",
    "interaction",
    "listed",
    "phrase",
    "verdict",
]

MARGIN_POINTS, MARGIN_PERCENT, MARGIN_SHARE = 0.01, 0.05, 0.1
"""Differences that do not matter: 1 point of a score in percent, 5 % of another score or of the error, 10 points of a
share of runs."""

NEEDED = 0.5
"""An ingredient is needed if without it more than this share of what is gained over the trivial baseline is lost."""

Verdict = Literal[
    "better", "worse", "ahead", "behind", "equivalent", "the same", "not decided", "higher", "lower", "equal"
]
Ingredient = Literal["needed", "helps", "no effect seen", "harms", "not decided"]
Interaction = Literal["reinforce each other", "replace each other", "no interaction seen", "not decided"]

_PHRASES: dict[Verdict, str] = {
    "better": "is better than",
    "worse": "is worse than",
    "ahead": "is ahead of",
    "behind": "is behind",
    "equivalent": "is equivalent to",
    "the same": "does the same as",
    "not decided": "is not told apart from",
    "higher": "is ahead of",
    "lower": "is behind",
    "equal": "does the same as",
}


def clear(test: Difference) -> bool:
    """Whether the interval does not hold 0."""
    return test.low is not None and test.high is not None and (test.low > 0 or test.high < 0)


def verdict(test: Difference, p_holm: float | None, margin: float) -> Verdict:
    """What a test of a gain, first over second, allows to say of the first.

    On one split, with a single difference: "higher", "lower" or "equal" there, and nothing is tested. Else
        better, worse: the p value is below 5 % after Holm's correction, and the interval does not hold 0;
        ahead, behind: the interval does not hold 0, but among so many tests that can happen by chance;
        equivalent: the whole interval lies within the margin;
        the same: all differences are 0;
        not decided: anything else.

    >>> from wormnet.study.stats import difference
    >>> verdict(difference([0.02, 0.03, 0.025]), p_holm=0.03, margin=0.01)
    'better'
    >>> verdict(difference([0.02, 0.03, 0.025]), p_holm=0.3, margin=0.01)
    'ahead'
    >>> verdict(difference([-0.02, 0.03, 0.025]), p_holm=1.0, margin=0.01)
    'not decided'
    """
    if test.n < 2:
        return "higher" if test.mean > 0 else "lower" if test.mean < 0 else "equal"
    if test.mean == 0 and test.low == test.high == 0:
        return "the same"
    if clear(test):
        if p_holm is not None and p_holm < 0.05:
            return "better" if test.mean > 0 else "worse"
        if not _within(test, margin):
            return "ahead" if test.mean > 0 else "behind"
    return "equivalent" if _within(test, margin) else "not decided"


def _within(test: Difference, margin: float) -> bool:
    return test.low is not None and test.high is not None and -margin <= test.low and test.high <= margin


def ingredient(
    test: Difference, p_holm: float | None, margin: float, gap: float | None = None, *, needed: bool = False
) -> Ingredient:
    """What a test of the gain with an ingredient over without it allows to say of the ingredient.

    Args:
        gap: by how much the score with it is better than the best trivial baseline, in the unit of the gain. It is
            needed if it helps and the whole interval of its gain is beyond half of the gap.
        needed: that it is needed is known from elsewhere, if it helps.

    >>> from wormnet.study.stats import difference
    >>> ingredient(difference([0.3, 0.32, 0.31]), p_holm=0.001, margin=0.01, gap=0.4)
    'needed'
    """
    found = verdict(test, p_holm, margin)
    if found == "better":
        beyond = gap is not None and gap > 0 and test.low is not None and test.low > NEEDED * gap
        return "needed" if needed or beyond else "helps"
    if found == "worse":
        return "harms"
    return "no effect seen" if found in ("equivalent", "the same") else "not decided"


def interaction(test: Difference, p_holm: float | None, margin: float) -> Interaction:
    """What a test of an interaction allows to say of two ingredients: is their gain together more than their sum?"""
    found = verdict(test, p_holm, margin)
    if found in ("better", "worse"):
        return "reinforce each other" if found == "better" else "replace each other"
    return "no interaction seen" if found in ("equivalent", "the same") else "not decided"


def phrase(found: Verdict) -> str:
    """A verdict as the verb between two names.

    >>> phrase("not decided")
    'is not told apart from'
    """
    return _PHRASES[found]


def listed(names: list[str]) -> str:
    """Names in a sentence.

    >>> listed(["a"]), listed(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else "none"
