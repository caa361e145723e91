"""A study repeats nothing, mixes nothing up, and says what it did."""

import dataclasses
import json
import os
import sys
from pathlib import Path
from unittest import mock

import pytest
import torch

import wormnet
from wormnet.errors import ArgumentError, BackendError, DataError, WiringError
from wormnet.study import Measures, Plan, Training, Tuning, jobs, run, runner, wired
from wormnet.study.network import build
from wormnet.study.store import Store


def records(out) -> dict[str, dict]:
    """The records of a study by file name, without what a clock decided."""
    found = {}
    for file in (out / "runs").iterdir():
        record = json.loads(file.read_text())
        record.pop("seconds", None)
        record.get("history", {}).pop("seconds", None)
        found[file.name] = record
    return found


def times(out) -> dict[str, int]:
    return {file.name: file.stat().st_mtime_ns for folder in ("runs", "weights") for file in (out / folder).iterdir()}


def quiet(plan: Plan, out, **options) -> runner.Outcome:
    """Without the report, which takes longer than the runs."""
    with mock.patch.object(sys.modules["wormnet.study.report"], "report"):
        return run(plan, out, **{"workers": 1, "progress": False, **options})


def test_two_studies_of_one_plan_agree_to_the_last_bit(plan, tmp_path):
    plan = plan.changed(networks=["lstm", "gru-5"])
    torch.manual_seed(1)
    first = quiet(plan, tmp_path / "a")
    torch.manual_seed(2)
    quiet(plan, tmp_path / "b")
    assert (first.done, first.reused, first.failed) == (4, 0, 0)
    assert records(tmp_path / "a") == records(tmp_path / "b")
    for file in (tmp_path / "a" / "weights").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / "weights" / file.name).read_bytes()


def test_folds_that_a_data_set_does_not_offer_are_told_of_before_anything_is_run(plan, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(runner, "_run", lambda *given: print("runs", file=sys.stderr))
    own = plan.sources[0].load(None)
    for folds, told in (
        (5, [f"wormnet: the plan asks for 5 folds; {own.name} offers none, so its own split is run."]),
        (1, []),
        (0, []),
    ):
        run(plan.changed(datasets=[own], folds=folds), tmp_path / str(folds), workers=1, progress=False)
        assert capsys.readouterr().err.splitlines() == [*told, "runs"]


def test_a_study_leaves_torch_as_it_was(plan, tmp_path):
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    quiet(plan.changed(networks=["lstm"], seeds=1), tmp_path)
    assert torch.equal(before, torch.get_rng_state())
    assert torch.get_num_threads() == threads


def test_workers_give_the_bits_of_one_process(plan, tmp_path):
    plan = plan.changed(networks=["lstm", "gru-5"])
    quiet(plan, tmp_path / "one")
    assert quiet(plan, tmp_path / "two", workers=2).done == 4
    assert records(tmp_path / "one") == records(tmp_path / "two")


def test_resuming_repeats_nothing_and_a_changed_plan_reuses_what_is_valid(plan, tmp_path):
    quiet(plan.changed(networks=["lstm", "gru-5"]), tmp_path)
    before = times(tmp_path)
    more = quiet(plan.changed(networks=["gru-5", "gru-7"], seeds=3), tmp_path, resume=True)
    assert (more.done, more.reused) == (4, 2)
    after = times(tmp_path)
    assert {name: after[name] for name in before} == before
    again = quiet(plan.changed(networks=["gru-5", "gru-7"], seeds=3), tmp_path, resume=True)
    assert (again.done, again.reused) == (0, 6)
    # The report speaks of the plan at hand, not of all that lies there.
    assert len(Store(tmp_path).about()["runs"]) == 6


@pytest.mark.parametrize(
    "change",
    [
        {"training": Training(epochs=3, batch=16, neurons=8)},
        {"training": Training(epochs=2, batch=16, neurons=9)},
        {"measures": Measures(noise=[0.4], drop=[0.3], rate=[], dynamics=False)},
        {"seeds": [5]},
    ],
)
def test_what_determines_a_result_is_in_its_id(plan, change):
    def ids(plan: Plan) -> set[str]:
        return {job.id for one in jobs.preparations(plan) for job in jobs.trainings(plan, one)}

    assert not ids(plan) & ids(plan.changed(**change))
    assert ids(plan) == ids(plan.changed(name="another", reference="gru-5"))


def test_a_run_that_fails_is_recorded_and_the_rest_goes_on(plan, tmp_path, monkeypatch):
    plan = plan.changed(networks=["lstm", "gru-5"])

    def broken(network, *args):
        if network.name == "gru-5":
            raise RuntimeError("no such <cell>")
        return build(network, *args)

    with monkeypatch.context() as patch:
        patch.setattr("wormnet.study.network.build", broken)
        outcome = quiet(plan, tmp_path)
    assert (outcome.done, outcome.failed) == (4, 2)
    errors = [record["error"] for record in records(tmp_path).values() if "error" in record]
    assert errors == ["RuntimeError: no such <cell>"] * 2
    # What failed is tried again, the rest is not.
    again = quiet(plan, tmp_path, resume=True)
    assert (again.done, again.reused, again.failed) == (2, 2, 0)


def test_runs_of_changed_source_are_repeated_and_counted_or_kept_if_asked(plan, tmp_path, monkeypatch, capsys):
    plan = plan.changed(networks=["lstm"])
    quiet(plan, tmp_path)
    capsys.readouterr()
    monkeypatch.setattr("wormnet.study.provenance._package", lambda root: "of tomorrow")
    kept = quiet(plan, tmp_path, resume=True, keep_old_source=True)
    assert (kept.done, kept.reused) == (0, 2)
    again = quiet(plan, tmp_path, resume=True)
    assert (again.done, again.reused) == (2, 0)
    assert "2 trainings are repeated, since the source of wormnet has changed; --keep-old" in capsys.readouterr().err
    assert len(records(tmp_path)) == 2


def test_ctrl_c_keeps_what_is_finished(plan, tmp_path, monkeypatch):
    plan, done = plan.changed(networks=["lstm", "gru-5"]), []

    def interrupted(job, journal=None):
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(job.id)
        return execute(job)

    execute = jobs.execute
    with monkeypatch.context() as patch:
        patch.setattr(jobs, "execute", interrupted)
        with pytest.raises(KeyboardInterrupt):
            quiet(plan, tmp_path)
    assert sorted(records(tmp_path)) == sorted(f"{one}.json" for one in done)
    assert Store(tmp_path).claims.owners() == {}
    assert quiet(plan, tmp_path, resume=True).reused == 3


def test_tuning_gives_every_network_the_same_budget_and_the_best_rate(plan, tmp_path):
    tuning = Tuning(trials=3, space={"learning_rate": [1e-4, 0.1]})
    quiet(plan.changed(networks=["gru-5", "lstm"], tuning=tuning), tmp_path)
    found = records(tmp_path).values()
    searches = {record["network"]: record for record in found if record["kind"] == "tuning"}
    assert set(searches) == {"gru-5", "lstm"}
    for record in searches.values():
        assert len(record["trials"]) == 3
        assert record["trials"][0]["parameters"]["learning_rate"] == pytest.approx(Training().learning_rate)
        best = max(trial["valid_score"] for trial in record["trials"])
        assert record["best"] in [trial["parameters"] for trial in record["trials"] if trial["valid_score"] == best]
    for record in found:
        if record["kind"] == "run":
            assert record["spec"]["training"]["learning_rate"] == searches[record["network"]]["best"]["learning_rate"]
    assert list((tmp_path / "trials").iterdir()) == []


def test_a_search_that_is_killed_goes_on_as_if_it_had_not_been(plan, tmp_path, monkeypatch):
    plan = plan.changed(networks=["gru-5"], tuning=Tuning(trials=13, space={"learning_rate": [1e-4, 0.1]}))
    (data,) = jobs.preparations(plan)
    (search,) = jobs.tunings(plan, data)
    fitted, tried = jobs._fitted, []

    def killed(job, training):
        tried.append(training)
        if len(tried) == 12:
            raise KeyboardInterrupt
        return fitted(job, training)

    with monkeypatch.context() as patch:
        patch.setattr(jobs, "_fitted", killed)
        with pytest.raises(KeyboardInterrupt):
            jobs.execute(search, tmp_path / "trials.log")
    # Half a line, and a lock that nobody holds, as kill -9 and a full disk leave them.
    with (tmp_path / "trials.log").open("a") as file:
        file.write('{"op_code": 4, "wor')
    Path(f"{tmp_path / 'trials.log'}.lock").symlink_to(tmp_path / "trials.log")
    resumed = jobs.execute(search, tmp_path / "trials.log")[0]
    whole = jobs.execute(search)[0]
    assert [resumed["best"], resumed["trials"]] == [whole["best"], whole["trials"]]
    # A journal that is no journal is begun again.
    (tmp_path / "trials.log").write_text("[]\n{}\n")
    assert jobs.execute(search, tmp_path / "trials.log")[0]["trials"] == whole["trials"]


def test_a_directory_in_use_is_left_alone(plan, tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    for options in ({}, {"shard": "1/2"}, {"resume": True}):
        with pytest.raises(ArgumentError, match=r"which holds no study, but 'thesis\.tex'; name another directory"):
            quiet(plan, tmp_path, **options)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.tex"]
    (tmp_path / "plan.json").write_text("{}")
    with pytest.raises(ArgumentError, match=r"which holds something else than this plan; resume \(--resume\)"):
        quiet(plan, tmp_path, shard="1/2")


def test_two_processes_in_one_directory_are_one_error_unless_they_share_it(plan, tmp_path):
    """The other is the process of the tests' own parent, which lives."""
    plan, store = plan.changed(networks=["lstm"]), Store(tmp_path)
    store.open()
    claim = {"host": os.uname().nodename, "pid": os.getppid(), "since": "noon"}
    (tmp_path / "claims" / "study.claim").write_text(json.dumps(claim))
    for options in ({"resume": True}, {"shard": "1/2"}):
        with pytest.raises(ArgumentError, match=r"where process \d+ on \S+, since noon is at work; wait .*--shard 1/2"):
            quiet(plan, tmp_path, **options)
    (tmp_path / "claims" / "study.claim").rename(tmp_path / "claims" / "run.claim")
    with pytest.raises(ArgumentError, match=r"where process \d+ on \S+, since noon is at work"):
        quiet(plan, tmp_path, resume=True)
    assert quiet(plan, tmp_path, shard="1/2").is_ended


def test_shards_do_a_plan_together_and_the_last_one_ends_it(plan, tmp_path):
    plan = plan.changed(networks=["lstm", "gru-5"])
    quiet(plan, tmp_path / "one")
    first = quiet(plan, tmp_path / "two", shard="1/2")
    second = quiet(plan, tmp_path / "two", shard="2/2")
    assert (first.done, second.done, second.reused, second.is_ended) == (4, 0, 4, True)
    assert records(tmp_path / "one") == records(tmp_path / "two")
    assert Store(tmp_path / "two").about()["reused"] == 4
    with pytest.raises(ArgumentError, match="holds something else than this plan"):
        quiet(plan.changed(seeds=3), tmp_path / "two", shard="1/2")
    with pytest.raises(ArgumentError, match="ray and shard were both given"):
        quiet(plan, tmp_path / "two", shard="1/2", ray="auto")


def test_prices_are_measured_once_of_what_could_be_trained(plan, tmp_path):
    measures = Measures(noise=[], drop=[], rate=[], dynamics=False)
    plan = plan.quick().changed(networks=["lstm", "gru-5"], measures=measures)
    quiet(plan, tmp_path)
    about = Store(tmp_path).about()
    (name,) = about["prices"].values()
    record = Store(tmp_path).record(name, "prices")
    assert set(record["prices"]) == {"lstm", "gru-5"}
    before = (tmp_path / "prices" / f"{name}.json").stat().st_mtime_ns
    quiet(plan, tmp_path, resume=True)
    assert (tmp_path / "prices" / f"{name}.json").stat().st_mtime_ns == before


def test_a_directory_that_cannot_be_made_is_told(plan, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot write into .*out: Not a directory"):
        quiet(plan, tmp_path / "file" / "out")


def test_a_wiring_that_cannot_be_is_told_before_training(plan, tmp_path):
    mine = wired("mine-alone", wormnet.random(inputs=5, neurons=9, sparsity=0.5))
    with pytest.raises(WiringError, match="the wiring has 5 inputs; the data set has 2"):
        quiet(plan.changed(networks=[mine, "lstm"]), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(torch.accelerator.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_told_before_training(plan, tmp_path):
    with pytest.raises(BackendError, match='accelerator is "gpu", and torch finds none here; use "cpu", or "auto"'):
        quiet(plan.changed(accelerator="gpu"), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_three_lines_are_enough_for_ones_own_data(dataset, tmp_path):
    plan = Plan(datasets=[dataset], networks=["lstm"], folds=0, seeds=1, training=Training(epochs=1))
    plan = dataclasses.replace(plan, measures=Measures(prices=False))
    outcome = run(plan, tmp_path, workers=1, progress=False)
    assert outcome.report == tmp_path / "report.html"
    assert "lstm" in outcome.report.read_text(encoding="utf-8")
