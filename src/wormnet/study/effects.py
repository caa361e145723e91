"""Effects of a factorial design of two levels, full or fractional, fold by fold."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wormnet.errors import DataError

__all__ = ["Term", "by_fold", "terms"]


@dataclass(frozen=True)
class Term:
    """A main effect or a two-factor interaction of a design, and how it is read from the cells' scores."""

    factors: tuple[str, ...]
    """One factor, or the two that interact."""
    weights: dict[str, float]
    """effect = sum over networks of weight times score; empty if the cells at hand cannot tell it."""
    aliases: tuple[tuple[str, ...], ...]
    """Terms that the same cells cannot tell from this one: the number is of their sum (or difference)."""

    @property
    def name(self) -> str:
        """The factors, joined by a multiplication sign.

        >>> Term(("signs", "gap junctions"), {}, ()).name
        'signs × gap junctions'
        """
        return " \N{MULTIPLICATION SIGN} ".join(self.factors)


def terms(factorial: Mapping[str, Any], networks: Iterable[str]) -> list[Term]:
    r"""The main effects and two-factor interactions of a design that its finished cells can estimate.

        score(cell) = mean + sum_i effect_i x_i / 2 + sum_ij effect_ij x_i x_j / 2,  x = 1 at a factor's first level,
                                                                                    -1 at its second

    by least squares over the cells. Main effects come first, then those interactions that can still be told apart; the
    others become aliases, by Box and Wilson's alias matrix. Interactions of three factors and more are taken as nil.

    Args:
        factorial: {"factors": {factor: [first level, second level]}, "cells": {network: {factor: level}}}.
        networks: those that have scores; cells of others are left out.

    Raises: DataError for a factor without two levels, or a cell that does not name a level of each.
    Source: Box and Wilson 1951, J. R. Stat. Soc. B 13, 1-45.

    >>> half = {"factors": {"a": ["x", "-"], "b": ["x", "-"], "c": ["x", "-"]},
    ...         "cells": {"1": {"a": "x", "b": "x", "c": "x"}, "2": {"a": "x", "b": "-", "c": "-"},
    ...                   "3": {"a": "-", "b": "x", "c": "-"}, "4": {"a": "-", "b": "-", "c": "x"}}}
    >>> [(term.name, term.aliases) for term in terms(half, "1234")]
    [('a', (('b', 'c'),)), ('b', (('a', 'c'),)), ('c', (('a', 'b'),))]
    """
    signs = _signs(factorial)
    present = set(networks)
    cells = [name for name in factorial["cells"] if name in present]
    names = [(one,) for one in factorial["factors"]] + list(combinations(factorial["factors"], 2))
    columns = {
        name: np.array([np.prod([signs[cell][factor] for factor in name]) for cell in cells], float) for name in names
    }
    kept: list[tuple[str, ...]] = []
    design = np.ones((len(cells), 1))
    for name in names:
        wider = np.column_stack([design, columns[name]])
        if cells and np.linalg.matrix_rank(wider) == wider.shape[1]:
            kept.append(name)
            design = wider
    solve = np.linalg.pinv(design)[1:]
    left = [name for name in names if name not in kept]
    mixed = {name: np.abs(solve @ columns[name]) > 1e-9 for name in left}
    found = [
        Term(name, dict(zip(cells, (2 * row).tolist())), tuple(other for other in left if mixed[other][i]))
        for i, (name, row) in enumerate(zip(kept, solve))
    ]
    # A factor that the finished cells do not vary is still asked for.
    return found + [Term(name, {}, ()) for name in left if len(name) == 1]


def by_fold(term: Term, scores: Mapping[str, Mapping[int, float]]) -> NDArray[np.float64]:
    """The effect in each fold that all of the design's cells have, in the order of the folds.

    An effect's own variation from fold to fold is what its mean is then tested against, as in a repeated-measures
    analysis of variance with folds as subjects. One error pooled over all cells instead would call 7 to 20 % of
    effects real that are none (simulated, items with a difficulty of their own for each level).

    Args: scores: network -> fold -> mean over its seeds.
    """
    if not term.weights:
        return np.empty(0)
    folds = sorted(set.intersection(*(set(scores[name]) for name in term.weights)))
    table = np.array([[scores[name][fold] for name in term.weights] for fold in folds]).reshape(len(folds), -1)
    return table @ np.array(list(term.weights.values()))


def _signs(factorial: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    factors, signs = factorial["factors"], {}
    for factor, levels in factors.items():
        if len(levels) != 2 or levels[0] == levels[1]:
            raise DataError(f"factorial: factor {factor!r} has the levels {levels}; it takes two different ones.")
    for cell, chosen in factorial["cells"].items():
        for factor, levels in factors.items():
            if chosen.get(factor) not in levels:
                raise DataError(
                    f"factorial: cell {cell!r} has {chosen.get(factor)!r} as its {factor!r}; it takes one of {levels}."
                )
        signs[cell] = {factor: 1 if chosen[factor] == levels[0] else -1 for factor, levels in factors.items()}
    return signs
