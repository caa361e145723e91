import csv
import dataclasses
import json
import sys

import pytest
from safetensors.torch import load_file, save_file

from wormnet.cli import drive as command
from wormnet.cli import main
from wormnet.control import lane_test
from wormnet.control.cells import Memoryless
from wormnet.control.driver import Driver

TINY = dataclasses.replace(
    *(lane_test.QUICK,), rows=12, columns=24, filters=(2, 2, 2, 2, 2), roads=2, folds=2, length=60.0, epochs=1, cars=1,
    kilometre=0.04, noise=(0.0, 0.3), difficulties=("hard",),
)  # fmt: skip


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setattr(lane_test, "QUICK", TINY)
    monkeypatch.setenv("COLUMNS", "120")


def run(*arguments):
    """The status that the program ends with."""
    with pytest.raises(SystemExit) as ended:
        main(["drive", "--quick", *map(str, arguments)])
    return ended.value.code


def test_drive_leaves_a_film_a_crash_table_and_a_figure_and_goes_on_where_it_was_stopped(tiny, tmp_path, capsys):
    pytest.importorskip("PIL")
    out = tmp_path / "out"
    assert run("--out", out, "--networks", "cnn,lstm", "--seeds", 2) == 0
    assert {one.name for one in out.iterdir()} == {
        *("runs", "settings.json", "crashes.csv", "passive.csv", "differences.csv"),
        *("crashes-hard.png", "film.gif", "strip.png"),
    }
    with (out / "crashes.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["network"], row["noise"], row["seeds"]) for row in rows[:4]] == [
        *(("cnn", "0", "2"), ("cnn", "0.3", "2"), ("lstm", "0", "2"), ("lstm", "0.3", "2")),
    ]
    assert [row["network"] for row in rows[4:]] == ["expert", "straight"]
    printed = capsys.readouterr().out
    assert "Passive test" in printed
    assert "per km" in printed

    # As if it had been killed in the last run.
    records = {path: path.read_text() for path in (out / "runs").glob("*.json")}
    assert len(records) == 4
    lost = out / "runs" / "lstm_1.json"
    lost.unlink()
    (out / ".0123.part").write_text("half")
    assert run("--out", out, "--networks", "cnn,lstm", "--seeds", 2, "--resume") == 0
    assert not (out / ".0123.part").exists()
    for path, text in records.items():
        once, again = json.loads(text), json.loads(path.read_text())
        assert {**once, "cpu_seconds": 0} == {**again, "cpu_seconds": 0}
        assert (once == again) == (path != lost)


def test_a_folder_with_a_test_in_it_is_not_written_over(tiny, tmp_path, capsys):
    (tmp_path / "settings.json").write_text("{}")
    assert run("--out", tmp_path, "--networks", "cnn") == 2
    assert "resume (--resume) to go on with the lane-keeping test in it" in " ".join(capsys.readouterr().err.split())
    assert run("--out", tmp_path, "--networks", "cnn", "--resume") == 2
    assert "is of another test" in capsys.readouterr().err
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [("settings.json", "{}")]


@pytest.mark.parametrize("more", [(), ("--resume",)])
def test_a_folder_of_something_else_is_left_alone(tiny, tmp_path, capsys, more):
    (tmp_path / "thesis.tex").write_text("x")
    (tmp_path / ".mine.part").write_text("x")
    assert run("--out", tmp_path, "--networks", "cnn", *more) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert "which holds no lane-keeping test, but 'thesis.tex'; name another directory" in told
    assert {one.name for one in tmp_path.iterdir()} == {"thesis.tex", ".mine.part"}
    assert run("--out", tmp_path / "thesis.tex", "--networks", "cnn", *more) == 2
    assert "which is a file; name a directory" in " ".join(capsys.readouterr().err.split())


def test_noise_and_passes_are_those_asked_for(tiny, tmp_path, capsys):
    assert run("--out", tmp_path / "out", "--networks", "cnn", "--noise", "0,0.02", "--epochs", 2) == 0
    settings = json.loads((tmp_path / "out" / "settings.json").read_text())
    assert (settings["noise"], settings["epochs"]) == ([0, 0.02], 2)
    more = ("--first", 1, "--resume", "--noise", "0,0.02", "--epochs", 2)
    assert run("--out", tmp_path / "out", "--networks", "cnn", *more) == 0
    assert sorted(path.name for path in (tmp_path / "out" / "runs").glob("*.json")) == ["cnn_0.json", "cnn_1.json"]
    assert run("--out", tmp_path / "other", "--networks", "cnn", "--noise", "0;0.02") == 2
    assert "--noise is '0;0.02'; it takes numbers with commas between" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


def test_unknown_networks_are_refused_before_anything_is_written(tiny, tmp_path, capsys):
    assert run("--out", tmp_path / "out", "--networks", "cnn,lstn") == 2
    assert "did you mean 'lstm'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_networks_of_the_whole_test_can_be_built():
    course = lane_test.Course()
    for name in command.NETWORKS:
        core = command._core_of(name, course)(course.features, 0)
        assert sum(p.numel() for p in core.parameters()) > 0


def test_a_world_that_does_not_exist_is_refused_before_anything_is_written(tiny, tmp_path, capsys):
    assert run("--out", tmp_path / "out", "--networks", "cnn", "--on", "racetrack") == 2
    assert "did you mean 'racetrack-v1'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_world_whose_package_is_missing_says_what_to_install(tiny, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "highway_env", None)
    assert run("--out", tmp_path / "out", "--networks", "cnn", "--on", "racetrack-v1") == 2
    assert 'racetrack-v1 needs highway-env: pip install "wormnet[outside]"' in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out").exists()


def test_a_test_that_was_begun_before_there_were_other_worlds_goes_on(tiny, tmp_path):
    assert run("--out", tmp_path, "--networks", "cnn") == 0
    settings = json.loads((tmp_path / "settings.json").read_text())
    assert settings.pop("recorded") == "easy"
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    assert run("--out", tmp_path, "--networks", "cnn", "--resume") == 0
    (tmp_path / "settings.json").write_text(json.dumps({**settings, "recorded": "hard"}))
    assert run("--out", tmp_path, "--networks", "cnn", "--resume") == 2


def test_trained_drivers_lie_in_files_that_their_reader_reads_and_older_files_go_on(tiny, tmp_path):
    assert run("--out", tmp_path, "--networks", "ncp-ltc-19,cnn") == 0
    kept, frames = tmp_path / "runs" / "ncp-ltc-19_0.safetensors", (tmp_path / "film.gif").read_bytes()
    driver, test = Driver.load(kept), lane_test.LaneTest({"cnn": lambda inputs, seed: Memoryless(inputs, 64)}, TINY)
    assert driver.pictures == (12, 24, 1)
    assert type(Driver.load(tmp_path / "runs" / "cnn_0.safetensors").core) is Memoryless
    test.make("cnn", 0).load_state_dict(load_file(tmp_path / "runs" / "cnn_0.safetensors"))
    save_file(driver.state_dict(), kept)  # as releases before did
    (tmp_path / "film.gif").unlink()
    assert run("--out", tmp_path, "--networks", "ncp-ltc-19,cnn", "--resume") == 0
    assert (tmp_path / "film.gif").read_bytes() == frames
