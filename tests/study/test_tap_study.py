"""The tap experiment is a study: it goes on where it was, and what is published follows from its records."""

import json
from pathlib import Path

import pytest

from wormnet.cli import main
from wormnet.errors import ArgumentError, WormnetError
from wormnet.study import tap_report, tap_study, tap_training
from wormnet.study.tap_training import FREEDOMS, KINDS

RESULTS = Path(__file__).parents[2] / "docs" / "results"
SMALL = {"starts": 2, "nulls": 1, "steps": 3, "workers": 1, "progress": False}


def without_times(results):
    return {key: value for key, value in results.items() if key not in ("seconds", "environment")}


def test_the_command_writes_results_figures_and_tables_and_repeats_nothing(tmp_path, capsys):
    out = tmp_path / "new"
    with pytest.raises(SystemExit) as stop:
        main(["tap-training", "--quick", "--out", str(out), "--workers", "1"])
    assert not stop.value.code
    results = json.loads((out / "tap_withdrawal.json").read_text(encoding="utf-8"))
    assert len(results["wirings"]) == len(FREEDOMS) * len(KINDS)
    for freedom in FREEDOMS:
        assert (out / f"tap_withdrawal-{freedom}.svg").read_text(encoding="utf-8").count("<svg") == 1
    assert tap_report.tables(results) in capsys.readouterr().out
    with pytest.raises(ArgumentError, match="is not empty; resume"):
        tap_study.run(out, **SMALL)
    records = list((out / "runs").iterdir())
    before = {path: path.stat().st_mtime_ns for path in records}
    records[0].unlink()
    again = tap_study.run(out, **SMALL, resume=True)
    assert without_times(again) == without_times(results)
    assert [path for path in records if path.stat().st_mtime_ns != before[path]] == records[:1]


def test_a_training_that_fails_is_told_and_tried_again(tmp_path, monkeypatch):
    train = tap_training.train

    def broken(wiring, freedom, **options):
        if freedom == "anatomy":
            raise FloatingPointError("no number")
        return train(wiring, freedom, **options)

    with monkeypatch.context() as patch:
        patch.setattr(tap_training, "train", broken)
        with pytest.raises(
            WormnetError, match=r"3 of 6 trainings failed \(FloatingPointError: no number\); --resume repeats"
        ):
            tap_study.run(tmp_path, **SMALL)
    assert len(tap_study.run(tmp_path, **SMALL, resume=True)["wirings"]) == 6


def test_the_published_tables_and_figures_are_those_of_the_published_results():
    results = json.loads((RESULTS / "tap_withdrawal.json").read_text(encoding="utf-8"))
    text = (RESULTS / "tap_withdrawal.md").read_text(encoding="utf-8")
    for table in tap_report.tables(results).split("\n\n"):
        assert table in text
    for panel in tap_report.figures(results):
        assert f"({panel.name}.svg)" in text
        assert (RESULTS / f"{panel.name}.svg").read_text(encoding="utf-8").count("<path") == panel.svg.count("<path")
    settings = results["settings"]
    assert f"wormnet tap-training --seed {settings['seed']} --out " in text
    assert len(results["wirings"]) == 2 * (1 + 2 * settings["nulls"])
    for wiring in results["wirings"]:
        assert len(wiring["starts"]) == settings["starts"]
        for start in wiring["starts"]:
            assert start["holds"] == (start["step"] is not None)
            assert not start["holds"] or min(start["margins"]) >= settings["margin"]
