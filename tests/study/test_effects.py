"""The factorial analysis against designs whose effects are known, and against statsmodels."""

import itertools

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from simulated import factorial, least, most
from statsmodels.stats.anova import AnovaRM

from wormnet.errors import DataError
from wormnet.study import stats
from wormnet.study.effects import Term, by_fold, terms

FACTORS = {"synapses": ["conductance", "additive"], "time": ["liquid", "fixed"], "wiring": ["sparse", "dense"]}


def design(k: int, *generated: tuple[int, ...]) -> tuple[dict, np.ndarray]:
    """A full design of k factors, with more factors that are products of these; and its signs (cells, factors)."""
    base = np.array(list(itertools.product((1, -1), repeat=k)))
    signs = np.column_stack([base, *(base[:, list(one)].prod(1) for one in generated)])
    names = "abcdefg"[: signs.shape[1]]
    factors = {name: ["worm", "not"] for name in names}
    cells = {str(i): {n: factors[n][int(s < 0)] for n, s in zip(names, row)} for i, row in enumerate(signs)}
    return {"factors": factors, "cells": cells}, signs


def scores_of(table: np.ndarray) -> dict[str, dict[int, float]]:
    """A table (cells, folds) as the analysis takes it."""
    return {str(i): dict(enumerate(row.tolist())) for i, row in enumerate(table)}


@pytest.mark.parametrize("generated", [(), ((0, 1, 2),), ((0, 1), (0, 2))])
def test_planted_effects_come_back(generated):
    plan, signs = design(3, *generated)
    wanted = np.array([0.3, -0.1, 0.05, 0.2, -0.25])[: signs.shape[1]]
    table = 0.5 + (signs @ (wanted / 2))[:, None] + np.arange(4)
    found = {term.name: by_fold(term, scores_of(table)) for term in terms(plan, plan["cells"])}
    for name, effect in zip(plan["factors"], wanted):
        assert found[name] == pytest.approx([effect] * 4)


def test_an_interaction_is_half_the_difference_of_an_effect_between_the_levels_of_another_factor():
    plan, _ = design(2)
    table = np.array([[0.9], [0.5], [0.4], [0.3]])  # a, b: ++, +-, -+, --
    found = {term.name: by_fold(term, scores_of(table))[0] for term in terms(plan, plan["cells"])}
    assert found == pytest.approx({"a": 0.35, "b": 0.25, "a \u00d7 b": ((0.9 - 0.4) - (0.5 - 0.3)) / 2})


def test_each_effect_is_tested_as_by_an_analysis_of_variance_with_folds_as_subjects():
    plan, signs = design(3)
    table = np.random.default_rng(0).normal(0.8, 0.05, (8, 5)) + 0.02 * signs[:, :1]
    rows = [
        {"fold": fold, "score": table[cell, fold], **plan["cells"][str(cell)]} for cell in range(8) for fold in range(5)
    ]
    anova = AnovaRM(pd.DataFrame(rows), "score", "fold", within=["a", "b", "c"]).fit().anova_table
    for term in terms(plan, plan["cells"]):
        found = stats.difference(by_fold(term, scores_of(table)))
        assert found.p == pytest.approx(anova.loc[":".join(term.factors), "Pr > F"])


def test_of_a_half_design_the_aliases_are_named():
    plan, _ = design(3, (0, 1, 2))  # d = abc: resolution IV
    found = terms(plan, plan["cells"])
    assert [term.name for term in found] == ["a", "b", "c", "d", "a \u00d7 b", "a \u00d7 c", "a \u00d7 d"]
    assert [term.aliases for term in found] == [(), (), (), (), (("c", "d"),), (("b", "d"),), (("b", "c"),)]


def test_of_a_quarter_design_main_effects_are_aliased_with_interactions():
    plan, _ = design(3, (0, 1), (0, 2))  # d = ab, e = ac: resolution III
    found = {term.name: term.aliases for term in terms(plan, plan["cells"])}
    assert found["a"] == (("b", "d"), ("c", "e"))
    assert found["d"] == (("a", "b"),)
    assert found["b \u00d7 c"] == (("d", "e"),)


def test_a_cell_that_never_finished_leaves_what_can_still_be_told():
    plan, signs = design(3)
    table = 0.5 + (signs @ [0.15, 0.1, 0.0])[:, None] + np.zeros(3)
    left = [cell for cell in plan["cells"] if cell != "7"]
    found = terms(plan, left)
    scores = {cell: row for cell, row in scores_of(table).items() if cell != "7"}
    assert {term.name: by_fold(term, scores)[0] for term in found if len(term.factors) == 1} == pytest.approx(
        {"a": 0.3, "b": 0.2, "c": 0.0}
    )


def test_a_factor_that_the_finished_cells_do_not_vary_is_told_and_not_estimated():
    plan, _ = design(2)
    found = {term.name: term for term in terms(plan, ["0", "1"])}
    assert found["b"].weights
    assert not found["a"].weights
    assert by_fold(found["a"], {}).size == 0


def test_only_folds_that_all_cells_have_count():
    plan, _ = design(1)
    term = terms(plan, plan["cells"])[0]
    assert by_fold(term, {"0": {0: 0.9, 1: 0.8, 2: 0.5}, "1": {2: 0.4, 0: 0.7}}) == pytest.approx([0.2, 0.1])


def test_no_cell_at_all_estimates_nothing():
    plan, _ = design(2)
    assert [term.weights for term in terms(plan, [])] == [{}, {}]


@pytest.mark.parametrize("overlap", [0.0, 0.25])
def test_a_factor_without_effect_is_called_real_in_one_test_of_twenty(overlap):
    plan, signs = design(2, (0, 1))
    tables = factorial(np.random.default_rng(1), 500, signs, np.zeros(3), items=40)
    term = terms(plan, plan["cells"])[1]
    p = [stats.difference(by_fold(term, scores_of(table)), overlap=overlap).p for table in tables]
    share = np.mean(np.array(p) < 0.05)
    assert share < most(500)
    assert overlap or share > least(500)


def test_one_error_pooled_over_all_cells_would_reject_too_often():
    """Why fold by fold: items react to a factor in their own way, and a pooled error does not hold that."""
    worlds, factors = 120, list("abcd")
    _, signs = design(4)
    tables = factorial(np.random.default_rng(2), worlds, signs, np.zeros(4))
    frame = pd.DataFrame([{"fold": k, **dict(zip(factors, row))} for row in signs for k in range(5)])
    formula = "score ~ C(fold) + a + b + c + d"
    p = [smf.ols(formula, frame.assign(score=table.ravel())).fit().pvalues[factors] for table in tables]
    assert np.mean(np.array(p) < 0.05) > most(4 * worlds)


def test_over_all_effects_of_a_design_one_study_in_twenty_has_a_false_finding():
    plan, signs = design(3)
    tables, found = (
        factorial(np.random.default_rng(3), 200, signs, np.zeros(3), items=40),
        terms(plan, map(str, range(8))),
    )
    p = [[stats.difference(by_fold(term, scores_of(table))).p for term in found] for table in tables]
    assert np.mean([min(stats.holm(one)) < 0.05 for one in p]) < most(200)


def test_a_planted_effect_is_found_with_power_nine_tenths():
    """One of three factors moves the accuracy by about 8 points; Holm over the six effects, no overlap."""
    plan, signs = design(3)
    tables = factorial(np.random.default_rng(4), 200, signs, np.array([0.55, 0.0, 0.0]))
    found = terms(plan, plan["cells"])
    p = np.array([[stats.difference(by_fold(term, scores_of(table))).p for term in found] for table in tables])
    corrected = np.array([stats.holm(row) for row in p])
    assert np.mean(corrected[:, 0] < 0.05) > 0.9
    assert np.mean(corrected[:, 1:].min(1) < 0.05) < most(200)


def test_what_is_no_design_of_two_levels_is_refused():
    with pytest.raises(DataError, match=r"factor 'a' has the levels .*two different ones"):
        terms({"factors": {"a": ["x"]}, "cells": {}}, [])
    with pytest.raises(DataError, match="cell 'n' has 'z' as its 'a'; it takes one of"):
        terms({"factors": {"a": ["x", "y"]}, "cells": {"n": {"a": "z"}}}, [])
    assert Term(("a",), {}, ()).name == "a"
