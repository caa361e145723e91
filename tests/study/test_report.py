import dataclasses
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from wormnet.data import Dataset, Sequences
from wormnet.errors import DataError
from wormnet.study import Plan, Training, report, run, summary

EVIL = '<script>alert("$x$")</script> & Söhne'


def studied(plan: Plan, out, **options):
    run(plan, out, workers=1, progress=False, **options)
    return (out / "report.html").read_text(encoding="utf-8"), json.loads((out / "results.json").read_text())


class Strict(HTMLParser):
    """Every tag that opens closes, in order; collects the text that a reader sees."""

    VOID = {"meta", "link", "br", "img", "hr"}

    def __init__(self, page: str):
        super().__init__()
        self.open, self.text, self.tags = [], [], set()
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.add(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text.append(data)


def fake(scores: dict[str, list[float]], task: str = "classify", baseline: float = 0.3) -> summary.Summary:
    """A study with these test scores; the validation scores are the same."""
    names = list(scores)
    about = {
        "reference": names[-1],
        "plan": Plan(["digits"], names, seeds=len(scores[names[0]])).to_dict(),
        "comparisons": [list(pair) for pair in Plan(["digits"], names).comparisons()],
        "datasets": {"d": {"task": task, "per": "sequence", "targets": {"test": 100}, "baselines": {"dull": baseline}}},
    }
    done = [
        {"dataset": "d", "network": name, "seed": seed, "score": score, "valid_score": score, "parameters": 7}
        for name, values in scores.items()
        for seed, score in enumerate(values)
    ]
    return summary.summarise(about, done, [], {})


def sentences(scores, **options) -> str:
    return " ".join(summary.findings(fake(scores, **options))[0][1])


def test_a_worm_network_that_loses_is_said_to_lose():
    text = sentences({"ncp-ltc": [0.80, 0.81, 0.79], "lstm": [0.95, 0.94, 0.96]})
    assert "ncp-ltc (80.0 %, 7 parameters), loses to the best standard one, lstm (95.0 %, 7 parameters)" in text
    assert "Difference \u221215.0 points" in text
    assert "holds 0" not in text


def test_a_difference_that_seeds_explain_is_said_to_be_one():
    text = sentences({"ncp-ltc": [0.80, 0.90, 0.70], "lstm": [0.83, 0.79, 0.84]})
    assert "loses to" in text
    assert "which holds 0: seeds alone can do this" in text


def test_a_worm_network_that_is_ahead_by_luck_does_not_beat():
    text = sentences({"ncp-ltc": [0.83, 0.79, 0.84], "lstm": [0.80, 0.90, 0.70]})
    assert "is ahead of the best standard one" in text
    assert "beats" not in text


def test_a_smaller_error_is_the_better_one():
    text = sentences({"ncp-cfc": [0.2, 0.21, 0.22], "lstm": [0.4, 0.42, 0.41]}, task="regress", baseline=0.25)
    assert "ncp-cfc (0.21, 7 parameters), beats the best standard one, lstm (0.41" in text
    assert "Not above the trivial baseline: lstm; dull: 0.25." in text


def test_a_wiring_is_held_against_its_null():
    text = sentences({"ncp-ltc": [0.8, 0.7, 0.9], "random-ltc": [0.82, 0.69, 0.91], "lstm": [0.5, 0.5, 0.5]})
    assert (
        "ncp-ltc (80.0) is worse than its null random-ltc (80.7), within what seeds alone can do: no evidence" in text
    )


def test_nobody_above_the_baseline_is_told():
    assert "No network beats dull: 99.0 %." in sentences({"ncp-ltc": [0.8], "lstm": [0.9]}, baseline=0.99)


def test_one_seed_tests_nothing_and_gets_the_interval_of_one_accuracy():
    found = fake({"ncp-ltc": [0.8], "lstm": [0.9]})
    assert "with one seed nothing is tested" in summary.findings(found)[0][1][0]
    # Wilson for 80 of 100.
    assert found.scores["d"]["ncp-ltc"].low == pytest.approx(0.7112, abs=1e-4)


def test_the_winner_is_chosen_on_the_validation_part():
    found = fake({"ncp-ltc": [0.9, 0.9], "ncp-cfc": [0.7, 0.7], "lstm": [0.8, 0.8]})
    for one in found.runs:
        one["valid_score"] = 1 - one["score"]
    assert "The best worm network, ncp-cfc" in summary.findings(found)[0][1][0]


def test_only_seeds_that_both_have_are_paired():
    found = fake({"ncp-ltc": [0.8, 0.7, 0.9], "lstm": [0.5, 0.6, 0.4]})
    some = [one for one in found.runs if (one["network"], one["seed"]) != ("lstm", 1)]
    (test,) = summary.summarise(found.about, some, [], {}).comparisons
    assert test.test.n == 2
    assert test.test.difference == pytest.approx((0.3 + 0.5) / 2)


def test_the_report_holds_every_network_and_every_number_of_the_table(plan, tmp_path):
    page, results = studied(plan, tmp_path)
    text = " ".join(Strict(page).text)
    for name in plan.networks:
        assert name in text
    rows = results["table"]
    assert {(row["network"], row["seed"]) for row in rows if row["measure"] == "score"} == {
        (name, seed) for name in plan.networks for seed in plan.seeds
    }
    assert all(set(row) == {"dataset", "network", "seed", "measure", "level", "value"} for row in rows)
    for name in plan.networks:
        scores = [row["value"] for row in rows if (row["network"], row["measure"]) == (name, "score")]
        assert f"{100 * np.mean(scores):.1f}" in text
    assert {row["level"] for row in rows if row["measure"] == "noise"} == {0.5}
    assert {"step_ms", "memory_bytes", "latency_ms", "baseline", "parameters"} <= {row["measure"] for row in rows}


def test_the_report_is_one_file_without_scripts_or_network(plan, tmp_path):
    page, _ = studied(dataclasses.replace(plan, seeds=1), tmp_path)
    parsed = Strict(page)
    assert "svg" in parsed.tags
    assert not parsed.tags & {"script", "link", "iframe", "img"}
    # Links within the page, and the names of XML's vocabularies; nothing that a browser fetches.
    assert all(target.startswith("#") for target in re.findall(r'(?:href|src)="([^"]*)"', page))
    assert "@import" not in page
    assert not re.search(r"url\((?!#)", page)


def test_ids_in_the_page_are_unique_or_the_same_thing(plan, tmp_path):
    page, _ = studied(plan, tmp_path)
    ids = re.findall(r'<clipPath id="([^"]*)"', page)
    assert len(ids) == len(set(ids))


def test_what_a_plan_says_is_shown_and_never_obeyed(tmp_path, dataset):
    evil = Dataset(EVIL, dataset.train, dataset.valid, dataset.test, source=EVIL, licence=EVIL)
    plan = Plan([evil], ["ncp-cfc", "lstm"], seeds=1, training=Training(epochs=1, neurons=6), name=EVIL)
    page, _ = studied(plan, tmp_path)
    assert "<script" not in page
    # Title, heading, tables, figures: always the text as it was given.
    assert " ".join(Strict(page).text).count(EVIL) > 5


def test_one_network_alone_is_reported(tmp_path, even_dataset):
    plan = Plan([even_dataset], ["gru"], seeds=2, training=Training(epochs=1))
    page, _ = studied(plan, tmp_path)
    assert "the gated networks are told no dt" in page


def test_a_regression_is_reported(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((60, 4, 2))
    parts = [Sequences(x[rows], x[rows].cumsum(1)) for rows in (slice(40), slice(40, 50), slice(50, 60))]
    plan = Plan([Dataset("sum", *parts)], ["ncp-ltc", "lstm"], seeds=2, training=Training(epochs=1, neurons=6))
    page, results = studied(plan, tmp_path)
    assert "mean squared error" in page
    assert results["datasets"]["sum"]["task"] == "regress"


def test_the_report_can_be_made_again_from_the_records(plan, tmp_path):
    page, results = studied(dataclasses.replace(plan, networks=["lstm"]), tmp_path)
    for name in ("report.html", "results.json"):
        (tmp_path / name).unlink()
    assert report(tmp_path) == tmp_path / "report.html"
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == page
    assert json.loads((tmp_path / "results.json").read_text()) == results


def test_a_directory_without_a_study_is_told(tmp_path):
    with pytest.raises(DataError, match=r"holds no finished study \(study.json\)"):
        report(tmp_path)


@pytest.mark.parametrize("text", ["", "2", "{}", "[" * 100_000, '{"runs": 3}', "\ud800"])
def test_a_directory_with_something_else_in_its_place_is_told(tmp_path, text):
    (tmp_path / "study.json").write_bytes(text.encode(errors="surrogatepass"))
    with pytest.raises(DataError, match=r"holds no finished study \(study.json\)"):
        report(tmp_path)
