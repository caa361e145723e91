"""The report of a study that nobody ran: complete, one file, in words that follow its numbers."""

import csv
import json
import re
from html.parser import HTMLParser

import pytest
import studies

from wormnet.errors import ArgumentError, DataError
from wormnet.study import summary as summaries
from wormnet.study.beside import beside
from wormnet.study.report import report

EVIL = '<script>alert("$x$")</script> & Söhne'


class Strict(HTMLParser):
    """Every tag that opens closes, in order; collects the text that a reader sees."""

    VOID = {"meta", "link", "br", "img", "hr"}

    def __init__(self, page: str):
        super().__init__()
        self.open, self.text, self.tags, self.ids = [], [], set(), []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.add(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text.append(data)


@pytest.fixture(scope="module")
def made():
    return studies.study(folds=3, seeds=2)


@pytest.fixture(scope="module")
def out(made, tmp_path_factory):
    out = studies.write(tmp_path_factory.mktemp("study"), *made)
    report(out)
    return out


@pytest.fixture(scope="module")
def page(out):
    return (out / "report.html").read_text(encoding="utf-8")


def small(folds: int = 2, **changes):
    """A study of one data set and three networks."""
    about, runs, _, prices = studies.study(folds=folds, seeds=1)
    kept, names = {"vowels"}, {"ncp-ltc", "lstm", "gru"}
    runs = [run for run in runs if run["dataset"] in kept and run["network"] in names and "error" not in run]
    about |= {
        "datasets": {name: about["datasets"][name] for name in kept},
        "networks": {name: told for name, told in about["networks"].items() if name in names},
        "comparisons": [["ncp-ltc", "lstm"]],
        "factorial": None,
        "runs": [run["id"] for run in runs],
        "tuning": [],
        "prices": {},
        **changes,
    }
    about["plan"] = {**about["plan"], "networks": sorted(names), "datasets": ["vowels"]}
    return about, runs, [], {name: prices[name] for name in kept}


def test_the_page_holds_every_network_and_every_score(made, page):
    summary = summaries.summarise(*made)
    text = " ".join(Strict(page).text)
    for dataset, scale in summary.scales.items():
        assert f"{dataset}: {scale.says}, {'more' if scale.better > 0 else 'less'} is better" in text
        for name in summary.main:
            assert name in text
            assert scale.shown(summary.score(dataset, name).mean) in text


def test_the_first_screen_comes_first_and_the_method_last(page):
    questions = ("At equal size", "Does the wiring matter?", "What is necessary", "Price")
    places = [page.index(f"<dt>{text}</dt>") for text in questions]
    places += [page.index(f'<section id="{name}"') for name in ("price", "pairs", "necessary", "robust", "data", "how")]
    assert places == sorted(places)


def test_the_report_is_one_file_without_scripts_or_network(page):
    parsed = Strict(page)
    assert "svg" in parsed.tags
    assert not parsed.tags & {"script", "link", "iframe", "img"}
    # Links within the page and to files beside it; nothing that a browser fetches by itself.
    targets = re.findall(r'(?:xlink:)?(href|src)="([^"]*)"', page)
    assert all(target.startswith(("#", "figures/", "tables/", "results.")) for _, target in targets)
    assert "@import" not in page
    assert not re.search(r"url\((?!#)", page)


def test_what_the_page_links_to_is_there(out, page):
    for target in re.findall(r'href="((?:figures|tables|results)[^"]*)"', page):
        assert (out / target).stat().st_size > 0
    anchors = set(re.findall(r'href="#([^"]*)"', re.sub(r"<svg.*?</svg>", "", page, flags=re.S)))
    assert anchors <= {*Strict(page).ids}


def test_ids_of_figures_are_their_own(page):
    ids = re.findall(r'<clipPath id="([^"]*)"', page)
    assert ids
    assert len(ids) == len(set(ids))


def test_every_figure_has_an_svg_a_png_and_its_numbers(out):
    names = {path.stem for path in (out / "figures").glob("*.svg")}
    assert {"price_parameters-vowels", "pairs-all", "ingredients-traffic", "noise-parity", "efficiency-vowels"} <= names
    for name in names:
        assert (out / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        with (out / "figures" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            assert len(list(csv.DictReader(file))) > 0


def test_figures_know_a_dark_and_a_light_ground(out, page):
    assert "prefers-color-scheme: dark" in page
    figure = (out / "figures" / "noise-vowels.svg").read_text(encoding="utf-8")
    assert "prefers-color-scheme: dark" in figure
    # Every colour that is drawn is a variable with its light value behind it.
    drawn = set(re.findall(r"(?:fill|stroke): (#[0-9a-f]{6})", re.sub(r"<style>.*?</style>", "", figure, flags=re.S)))
    assert not drawn


def test_no_letter_of_a_figure_is_smaller_than_eight_points(page):
    sizes = {float(size) for size in re.findall(r"font: (?:bold )?(?:\d+ )?([\d.]+)px", page)}
    assert sizes
    assert min(sizes) >= 8


def test_every_number_of_every_run_is_in_the_long_table(made, out):
    results = json.loads((out / "results.json").read_text())
    finished = [run for run in made[1] if "error" not in run]
    rows = [row for row in results["table"] if (row["measure"], row["metric"]) == ("scores", "mse")]
    assert {(row["network"], row["fold"], row["seed"], row["share"]): row["value"] for row in rows} == {
        (run["network"], run["fold"], run["seed"], run["share"]): run["scores"]["mse"]
        for run in finished
        if run["dataset"] == "traffic"
    }
    assert {"noise", "drop", "drop_blind", "rate", "unfamiliar", "pc1", "stepper_us", "baseline", "learned"} <= {
        row["measure"] for row in results["table"]
    }
    with (out / "results.csv").open(encoding="utf-8", newline="") as file:
        assert len(list(csv.DictReader(file))) == len(results["table"])


def test_the_tables_are_csv_files_too(out):
    results = json.loads((out / "results.json").read_text())
    assert {path.stem for path in (out / "tables").glob("*.csv")} == set(results["tables"])
    assert {"networks", "tests", "ingredients", "robustness", "efficiency", "smallest", "learning", "failed"} <= set(
        results["tables"]
    )
    assert len(results["tables"]["networks"]) == 3 * len(studies.NETWORKS)


def test_no_accuracy_and_no_interval_is_outside_of_0_to_100_percent(out):
    results = json.loads((out / "results.json").read_text())
    for row in results["tables"]["networks"]:
        if row["dataset"] != "traffic":
            assert 0 <= row["score_low"] <= row["score"] <= row["score_high"] <= 1


def test_verdicts_in_the_table_follow_their_numbers(out):
    for row in json.loads((out / "results.json").read_text())["tables"]["tests"]:
        if row["verdict"] in ("better", "worse"):
            assert row["p_holm"] < 0.05
        if row["low"] is not None and row["low"] <= 0 <= row["high"]:
            assert row["verdict"] in ("not decided", "equivalent", "the same")


def test_failed_runs_are_told_and_their_text_is_not_obeyed(page):
    assert "What failed" in page
    assert "MemoryError: &lt;out&gt; &amp; gone" in page


def test_the_same_records_make_the_same_report(tmp_path):
    out = studies.write(tmp_path, *small())
    before = report(out).read_bytes(), {path.name: path.read_bytes() for path in (out / "figures").iterdir()}
    for name in ("report.html", "results.json"):
        (out / name).unlink()
    assert report(out) == out / "report.html"
    assert ((out / "report.html").read_bytes(), {p.name: p.read_bytes() for p in (out / "figures").iterdir()}) == before


def test_figures_of_an_earlier_report_do_not_stay(tmp_path):
    out = studies.write(tmp_path, *small())
    (out / "figures").mkdir()
    (out / "figures" / "noise-gone.svg").write_text("<svg/>")
    (out / "figures" / "notes.txt").write_text("mine")
    report(out)
    assert not (out / "figures" / "noise-gone.svg").exists()
    assert (out / "figures" / "notes.txt").exists()


def test_what_a_study_says_is_shown_and_never_obeyed(tmp_path):
    about, runs, searches, prices = small()
    about["plan"]["name"] = EVIL
    about["datasets"] = {EVIL: {**about["datasets"]["vowels"], "source": EVIL, "licence": EVIL, "protocol": EVIL}}
    about["networks"] = {EVIL if name == "gru" else name: told for name, told in about["networks"].items()}
    for run in runs:
        run["dataset"] = EVIL
        run["network"] = EVIL if run["network"] == "gru" else run["network"]
    studies.write(tmp_path, about, runs, searches, prices)
    page = report(tmp_path).read_text(encoding="utf-8")
    assert "<script" not in page
    # Title, heading, tables, figures: always the text as it was given, but where a figure has no room for it.
    assert " ".join(Strict(page).text).count(EVIL) > 8


def test_a_study_on_one_split_says_so_and_tests_nothing(tmp_path):
    page = report(studies.write(tmp_path, *small(folds=1))).read_text(encoding="utf-8")
    text = " ".join(" ".join(Strict(page).text).split())
    assert "One split: on vowels there is one test part." in text
    assert "on this split; with one split nothing is tested" in text
    assert json.loads((tmp_path / "results.json").read_text())["tables"]["tests"][0]["p_holm"] is None


def test_a_study_without_prices_disturbances_and_baselines_is_reported(tmp_path):
    about, runs, searches, _ = small()
    about["datasets"]["vowels"]["baselines"] = {}
    for run in runs:
        run |= {"conditions": [], "dynamics": {}}
    page = report(studies.write(tmp_path, about, runs, searches, {})).read_text(encoding="utf-8")
    assert '<section id="robust">' not in page
    assert '<section id="necessary">' not in page
    assert "Gain against price" in page


def test_a_study_in_which_everything_failed_is_reported(tmp_path):
    about, runs, searches, prices = small()
    head = ("id", "kind", "spec", "dataset", "network", "fold", "seed", "share")
    runs = [{name: run[name] for name in head} | {"error": "ValueError: no", "traceback": ""} for run in runs]
    page = report(studies.write(tmp_path, about, runs, searches, prices)).read_text(encoding="utf-8")
    assert page.count("ValueError: no") == len(runs)
    assert "no run finished" in page


def test_a_plan_says_what_each_data_set_was_trained_with(page):
    text = " ".join(" ".join(Strict(page).text).split())
    assert "training epochs 8; batch 32; learning rate 0.01" in text
    assert "training on traffic epochs 12" in text


def test_the_statistics_are_told_with_what_they_could_have_seen(page):
    text = " ".join(" ".join(Strict(page).text).split())
    assert "Nadeau and Bengio" in text
    assert re.search(r"What could have been seen with 3 folds that share training data \(vowels, traffic\)", text)
    assert re.search(r"What could have been seen with 3 folds \(parity\)", text)


# -- several studies ---------------------------------------------------------------------------------------------------


def test_studies_stand_beside_each_other(tmp_path):
    first, second = small(), small()
    second[0]["plan"]["training"] = {**second[0]["plan"]["training"], "learning_rate": 0.5}
    second[0]["plan"]["name"] = "Another study"
    a, b = studies.write(tmp_path / "a", *first), studies.write(tmp_path / "b", *second)
    path = report(a, b)
    assert path == a / "beside" / "report.html"
    text = " ".join(" ".join(Strict(path.read_text(encoding="utf-8")).text).split())
    assert "A study of worms beside Another study" in text
    assert "From study to study" in text
    assert "training.learning_rate 0.01 0.5" in text
    rows = json.loads((path.parent / "results.json").read_text())["tables"]["tests"]
    assert {(row["network"], row["against"]) for row in rows} == {
        (f"{name} [A]", f"{name} [B]") for name in ("ncp-ltc", "lstm", "gru")
    }
    # The same records: no difference, and so none is claimed.
    assert {row["verdict"] for row in rows} == {"the same"}
    assert report(a, b, into=tmp_path / "c") == tmp_path / "c" / "report.html"
    assert not (a / "report.html").exists()


def test_data_that_is_not_the_same_is_not_compared():
    first, second = small(), small()
    for made, digest in ((first, "1"), (second, "2")):
        for run in made[1]:
            run["spec"] = {**run["spec"], "data": f"{digest}-{run['fold']}"}
    apart = beside([summaries.summarise(*first), summaries.summarise(*second)])
    assert list(apart.datasets) == ["vowels [A]", "vowels [B]"]
    same = beside([summaries.summarise(*first), summaries.summarise(*first)])
    assert list(same.datasets) == ["vowels"]


def test_more_studies_than_letters_are_refused():
    with pytest.raises(ArgumentError, match="27 studies were given; at most 26"):
        beside([summaries.summarise(*small(folds=1))] * 27)


def test_a_directory_without_a_study_is_told(tmp_path):
    with pytest.raises(DataError, match=r"holds no finished study \(study.json\)"):
        report(tmp_path)
    assert list(tmp_path.iterdir()) == []
