"""Records to scores by fold: what counts, what is left out, what is refused."""

import json

import numpy as np
import pytest
import scipy.stats
import studies

from wormnet.errors import DataError
from wormnet.study import summary as summaries


@pytest.fixture(scope="module")
def made():
    return studies.study()


@pytest.fixture(scope="module")
def summary(made):
    return summaries.summarise(*made)


def test_a_score_is_the_mean_over_folds_of_the_mean_over_seeds():
    # Fold 1 lost a seed: pooled over runs the mean would be (.9 + .7 + .6) / 3.
    found = studies.of_scores({"lstm": [[0.9, 0.7], [0.6]]})
    assert found.folds("d", "lstm") == pytest.approx({0: 0.8, 1: 0.6})
    assert found.score("d", "lstm").mean == pytest.approx(0.7)


def test_the_interval_is_over_folds_and_wider_where_folds_overlap():
    folds = [[0.8], [0.7], [0.75], [0.72], [0.78]]
    apart = studies.of_scores({"lstm": folds}).score("d", "lstm")
    low, high = scipy.stats.t.interval(0.95, 4, np.mean(folds), scipy.stats.sem(np.ravel(folds)))
    assert (apart.low, apart.high) == pytest.approx((low, high))
    # 125 test sequences for 500 others, as in five folds of all data.
    shared = studies.of_scores({"lstm": folds}, overlap=True).score("d", "lstm")
    assert (shared.high - shared.mean) / (apart.high - apart.mean) == pytest.approx(np.sqrt(0.45 / 0.2))


def test_no_interval_of_an_accuracy_leaves_0_to_100_percent():
    found = studies.of_scores({"lstm": [[0.99], [1.0], [0.7]], "gru": [[0.02], [0.0], [0.3]]})
    assert found.score("d", "lstm").high == 1.0
    assert found.score("d", "gru").low == 0.0


def test_no_interval_of_an_error_goes_below_0():
    assert studies.of_scores({"lstm": [[0.1], [3.0]]}, task="regress").score("d", "lstm").low == 0.0


def test_on_one_split_the_interval_is_over_seeds_and_of_one_run_that_of_one_accuracy():
    seeds = studies.of_scores({"lstm": [[0.8, 0.7, 0.9]]})
    assert seeds.one_split("d")
    assert seeds.score("d", "lstm").n == 3
    # Wilson for 100 of 125.
    one = studies.of_scores({"lstm": [[0.8]]}).score("d", "lstm")
    assert (one.low, one.n) == (pytest.approx(0.7214, abs=1e-4), 125)
    assert studies.of_scores({"lstm": [[0.8]]}, task="regress").score("d", "lstm").low is None


def test_the_best_is_picked_on_the_validation_part():
    found = studies.of_scores({"ncp-a": [[0.9]], "ncp-b": [[0.7]], "lstm": [[0.8]]}, valid={"ncp-a": 0.6, "ncp-b": 0.8})
    assert found.best("d", "worm") == "ncp-b"
    assert found.best("d", "null") is None


def test_the_best_of_errors_is_the_smallest():
    found = studies.of_scores({"ncp-a": [[0.9]], "ncp-b": [[0.7]], "lstm": [[0.8]]}, task="regress", baseline=0.75)
    assert found.best("d", "worm") == "ncp-b"
    assert found.baseline("d") == ("dull", 0.75)


def test_a_validation_score_that_is_not_defined_is_never_the_best():
    found = studies.of_scores({"ncp-a": [[0.9]], "ncp-b": [[0.7]]}, reference="ncp-b")
    for run in found.runs:
        if run["network"] == "ncp-a":
            run["valid_scores"]["accuracy"] = None
    assert found.best("d", "worm") == "ncp-b"


def test_cells_of_the_design_and_other_sizes_are_not_among_the_networks_that_are_compared(summary):
    assert summary.main == list(studies.NETWORKS)


def test_a_network_of_a_size_that_the_plan_names_is_compared():
    found = studies.of_scores({"lstm-7": [[0.9]], "lstm": [[0.8]]})
    found.networks["lstm-7"]["size_of"] = "lstm"
    assert found.main == ["lstm-7", "lstm"]
    found.about["plan"]["networks"] = ["lstm"]
    assert summaries.summarise(found.about, found.runs, [], {}).main == ["lstm"]


def test_shares_of_the_data_are_apart_from_the_whole(summary):
    assert summary.shares("vowels", "lstm") == [0.25, 1.0]
    assert {run["share"] for run in summary.of("vowels", "lstm")} == {1.0}
    assert summary.score("vowels", "lstm", 0.25).mean < summary.score("vowels", "lstm").mean


def test_failed_runs_and_undefined_scores_are_counted_and_left_out(made):
    about, runs, searches, prices = made
    changed = [dict(run) for run in runs]
    changed[0]["scores"] = {"accuracy": None, "balanced_accuracy": 0.3}
    found = summaries.summarise(about, changed, searches, prices)
    failed = sum("error" in run for run in runs)
    assert (len(found.failed), found.undefined) == (failed, 1)
    assert len(found.runs) == len(runs) - failed - 1


def test_a_directory_is_read_as_its_records(tmp_path):
    made = studies.study(folds=2, seeds=1)
    found, summary = summaries.read(studies.write(tmp_path, *made)), summaries.summarise(*made)
    assert found.about == json.loads(json.dumps(summary.about))
    assert len(found.runs) == len(summary.runs)
    assert found.score("traffic", "gru") == summary.score("traffic", "gru")
    assert found.prices["traffic"] == summary.prices["traffic"]


def test_a_run_that_is_not_there_is_left_out(tmp_path):
    made = studies.study(folds=1, seeds=1)
    studies.write(tmp_path, *made)
    (tmp_path / "runs" / f"{made[1][0]['id']}.json").unlink()
    assert len(summaries.read(tmp_path).runs) == len(summaries.summarise(*made).runs) - 1


def test_a_study_without_folds_is_told_to_be_an_old_one(made, tmp_path):
    about = {key: value for key, value in made[0].items() if key not in ("networks", "metrics", "factorial")}
    (tmp_path / "study.json").write_text(json.dumps(about))
    with pytest.raises(DataError, match="holds a study of an older wormnet, whose records know no folds; run its plan"):
        summaries.read(tmp_path)


def test_a_directory_without_a_study_is_told(tmp_path):
    with pytest.raises(DataError, match=r"holds no finished study \(study.json\); run one: wormnet study PLAN.toml"):
        summaries.read(tmp_path)
    (tmp_path / "plan.json").write_text("{}")
    with pytest.raises(DataError, match=r"\(study.json\); it was stopped before its end; go on: wormnet study --out "):
        summaries.read(tmp_path)


@pytest.mark.parametrize("text", ["", "2", "{}", "[" * 100_000, '{"runs": 3}', "\ud800"])
def test_a_directory_with_something_else_in_its_place_is_told(tmp_path, text):
    (tmp_path / "study.json").write_bytes(text.encode(errors="surrogatepass"))
    with pytest.raises(DataError, match=r"holds no finished study \(study.json\)"):
        summaries.read(tmp_path)
