"""Who is compared with whom, what is tested, and that all tests of a report are corrected together."""

import numpy as np
import pytest
import studies
from simulated import most

from wormnet.study import stats
from wormnet.study import summary as summaries
from wormnet.study.compare import equal_sized, run_tests
from wormnet.study.scale import POOLED, SHARE


@pytest.fixture(scope="module")
def summary():
    return summaries.summarise(*studies.study())


@pytest.fixture(scope="module")
def tests(summary):
    return run_tests(summary)


def rows(mean: float, folds: int = 5, spread: float = 0.01, seed: int = 0) -> list[list[float]]:
    return [[value] for value in np.random.default_rng(seed).normal(mean, spread, folds)]


def test_every_p_value_of_the_report_is_in_one_family(tests):
    everything = (*tests.comparisons, *tests.effects)
    p = [one.test.p for one in everything if one.p_holm is not None]
    assert [one.p_holm for one in everything if one.p_holm is not None] == stats.holm(p)
    assert tests.n == len(p)
    assert {one.dataset for one in tests.comparisons} == {"vowels", "traffic", "parity", ""}
    assert any(one.p_holm for one in tests.effects)


def test_planned_pairs_equal_sizes_and_the_best_are_compared_once_each(tests):
    pairs = [(one.network, one.against) for one in tests.pairs("vowels")]
    assert len(pairs) == len(set(pairs))
    assert {("ncp-ltc", "lstm"), ("ncp-ltc-repaired", "ncp-ltc-repaired/rewire"), ("ncp-ltc", "ctrnn")} <= {*pairs}
    both = next(one for one in tests.pairs("traffic") if len(one.reasons) == 2)
    assert both.reasons == ("equal size", "best")


def test_pairs_without_a_worm_network_cost_no_test(tests):
    worms = {name for name, row in studies.NETWORKS.items() if row[0] == "worm"}
    assert all({one.network, one.against} & worms for one in tests.comparisons)


def test_without_worm_networks_the_planned_pairs_are_compared():
    found = run_tests(studies.of_scores({"lstm": rows(0.8), "gru": rows(0.9, seed=1)}))
    assert [(one.network, one.against) for one in found.comparisons] == [("gru", "lstm")]


def test_networks_of_equal_size_are_those_within_a_fifth_and_the_best_on_validation_comes_first():
    found = studies.of_scores(
        {"ncp": rows(0.8), "lstm": rows(0.7), "gru": rows(0.9), "big": rows(0.95), "small": rows(0.95)},
        parameters={"ncp": 1000, "lstm": 834, "gru": 1200, "big": 1201, "small": 833},
    )
    assert equal_sized(found, "d", "ncp") == ["gru", "lstm"]


def test_a_gain_is_above_0_where_the_first_network_is_the_better_one_also_for_errors():
    more = run_tests(studies.of_scores({"ncp": rows(0.9), "lstm": rows(0.8, seed=1)})).comparisons[0]
    less = run_tests(studies.of_scores({"ncp": rows(0.8), "lstm": rows(0.9, seed=1)}, task="regress")).comparisons[0]
    for one in (more, less):
        assert one.test.mean > 0.05
        assert one.verdict == "better"
    assert less.margin == pytest.approx(0.05 * 0.9, rel=0.02)
    assert more.margin == 0.01


def test_only_folds_that_both_have_are_paired():
    found = studies.of_scores({"ncp": [[0.8], [0.7], [0.9]], "lstm": [[0.5], [0.6], [0.4]]})
    some = [one for one in found.runs if (one["network"], one["fold"]) != ("lstm", 1)]
    (one,) = run_tests(summaries.summarise(found.about, some, [], {})).comparisons
    assert one.test.n == 2
    assert one.test.mean == pytest.approx((0.3 + 0.5) / 2)


def test_overlapping_training_parts_are_told_to_the_test():
    scores = {"ncp": rows(0.82), "lstm": rows(0.8, seed=1)}
    apart = run_tests(studies.of_scores(scores)).comparisons[0].test
    shared = run_tests(studies.of_scores(scores, overlap=True)).comparisons[0].test
    assert shared.p > apart.p
    assert shared.high > apart.high


def test_on_one_split_nothing_is_tested():
    found = run_tests(studies.of_scores({"ncp": [[0.9, 0.8]], "lstm": [[0.5, 0.6]]}))
    assert found.n == 0
    assert found.comparisons[0].verdict == "higher"


def test_where_outcomes_have_two_humps_shares_of_runs_are_compared():
    ours, theirs = [[True] * 3] * 4 + [[True, True, False]], [[False] * 3] * 4 + [[True, False, False]]
    score = {True: 0.97, False: 0.5}
    scores = {name: [[score[one] for one in fold] for fold in all_] for name, all_ in (("ncp", ours), ("lstm", theirs))}
    (one,) = run_tests(studies.of_scores(scores, learned={"ncp": ours, "lstm": theirs})).comparisons
    assert one.scale is SHARE
    assert one.test == stats.shares_differ(14, 15, 1, 15)
    assert one.verdict == "better"


def test_one_bad_run_of_thirty_makes_no_two_humps():
    learned = {"ncp": [[True] * 3] * 5, "lstm": [[True] * 3] * 4 + [[True, True, False]]}
    scores = {"ncp": [[0.9] * 3] * 5, "lstm": [[0.8] * 3] * 5}
    (one,) = run_tests(studies.of_scores(scores, learned=learned)).comparisons
    assert not one.of_shares


def test_over_all_data_sets_gains_are_averaged_in_parts_of_the_error(summary, tests):
    one = next(one for one in tests.pairs("") if (one.network, one.against) == ("ncp-cfc-repaired", "lstm"))
    wanted = []
    for dataset, perfect in (("vowels", 1.0), ("traffic", 0.0), ("parity", 1.0)):
        ours, theirs = (np.array(list(summary.folds(dataset, name).values())) for name in ("ncp-cfc-repaired", "lstm"))
        a, b = abs(perfect - ours), abs(perfect - theirs)
        wanted.append(((b - a) / np.concatenate([a, b]).mean()).mean())
    assert one.scale is POOLED
    assert one.test.mean == pytest.approx(np.mean(wanted))
    assert one.reasons == ("reference",)


def test_nothing_is_pooled_over_a_single_data_set():
    assert run_tests(studies.of_scores({"ncp": rows(0.9), "lstm": rows(0.8)})).pairs("") == []


# -- ingredients -------------------------------------------------------------------------------------------------------


def test_of_the_design_each_effect_has_a_row_on_each_data_set_and_over_all(tests):
    names = {(one.dataset, one.name) for one in tests.effects}
    effects = {*studies.FACTORS, "synapses \u00d7 tau", "synapses \u00d7 density", "tau \u00d7 density"}
    assert names == {(dataset, name) for dataset in ("", "vowels", "traffic", "parity") for name in effects}


def test_interactions_are_tested_over_all_data_sets_only(tests):
    for one in tests.effects:
        assert (one.p_holm is None) == (len(one.factors) == 2 and one.dataset != "")


def test_the_ingredient_that_was_planted_is_found_and_the_others_are_not_called_needed(tests):
    found = {one.name: one for one in tests.effects if not one.dataset}
    assert found["synapses"].verdict == "helps"
    assert found["synapses"].levels == ("conductance", "additive")
    assert found["density"].verdict in ("not decided", "no effect seen")
    vowels = next(one for one in tests.effects if (one.dataset, one.name) == ("vowels", "synapses"))
    assert vowels.with_it > vowels.without_it
    # Majority has 13 %.
    assert vowels.gap == pytest.approx(vowels.with_it - 0.13)


def test_an_ingredient_without_which_more_than_half_is_lost_is_needed():
    found = designed(lambda cell: 0.95 if cell["synapses"] == "conductance" else 0.35)
    one = next(one for one in run_tests(found).effects if one.name == "synapses")
    assert (one.verdict, one.levels) == ("needed", ("conductance", "additive"))
    assert one.with_it == pytest.approx(0.95, abs=0.01)


def designed(score_of, folds: int = 5, spread: float = 0.005, seed: int = 0, cells=studies.CELLS):
    """A study of the design's cells alone, with these mean scores."""
    rng = np.random.default_rng(seed)
    scores = {
        name: [[score_of(cell) + value] for value in rng.normal(0, spread, folds)] for name, cell in cells.items()
    }
    found = studies.of_scores(scores, reference="ncp(worm)")
    found.about["factorial"] = {"factors": studies.FACTORS, "cells": cells}
    return found


def test_interactions_are_tested_on_the_data_set_if_there_is_one_only():
    found = run_tests(designed(lambda cell: 0.9 if cell["synapses"] == cell["tau"] == "x" else 0.8))
    assert all(one.p_holm is not None for one in found.effects)


def test_aliases_are_named():
    half = {name: cell for i, (name, cell) in enumerate(studies.CELLS.items()) if i in (0, 3, 5, 6)}
    found = {one.name: one.aliases for one in run_tests(designed(lambda _: 0.9, cells=half)).effects}
    assert found["synapses"] == ("tau \u00d7 density",)


def test_without_a_design_there_are_no_effects():
    assert run_tests(studies.of_scores({"ncp": rows(0.9), "lstm": rows(0.8)})).effects == []


def test_in_studies_without_any_difference_one_in_twenty_claims_one():
    """Worm, two nulls and two standard networks on two data sets, all equal on the population, everything corrected."""
    rng, n, loud = np.random.default_rng(5), 80, 0
    names = ["ncp", "ncp/random", "ncp/rewire", "lstm", "gru"]
    for _ in range(n):
        folds = 0.8 + 0.03 * rng.standard_normal((2, 1, 5, 1)) + 0.02 * rng.standard_normal((2, 5, 5, 2))
        parts = [
            studies.of_scores({name: folds[d, i].tolist() for i, name in enumerate(names)}, dataset=f"d{d}")
            for d in range(2)
        ]
        about = {**parts[0].about, "datasets": parts[0].datasets | parts[1].datasets}
        found = run_tests(summaries.summarise(about, parts[0].runs + parts[1].runs, [], {}))
        loud += any(one.verdict in ("better", "worse") for one in found.comparisons)
    assert loud / n < most(n)
