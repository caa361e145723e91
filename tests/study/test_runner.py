import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
import torch

from wormnet.errors import ArgumentError, BackendError, DataError, WiringError
from wormnet.study import Plan, Robustness, Training, Tuning, fit, jobs, run, runner
from wormnet.study.networks import build


def records(out) -> dict[str, dict]:
    """The records of a study by file name, without what a clock decided."""
    found = {}
    for file in (out / "runs").iterdir():
        record = json.loads(file.read_text())
        record.pop("seconds", None)
        found[file.name] = record
    return found


def times(out) -> dict[str, int]:
    return {file.name: file.stat().st_mtime_ns for file in (out / "runs").iterdir()}


def quiet(plan: Plan, out, **options) -> runner.Outcome:
    return run(plan, out, **{"workers": 1, "progress": False, **options})


def test_two_studies_of_one_plan_agree_to_the_last_bit(plan, tmp_path):
    torch.manual_seed(1)
    first = quiet(plan, tmp_path / "a")
    torch.manual_seed(2)
    quiet(plan, tmp_path / "b")
    assert (first.done, first.reused, first.failed) == (8, 0, 0)
    assert records(tmp_path / "a") == records(tmp_path / "b")


def test_a_study_leaves_torch_as_it_was(plan, tmp_path):
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    quiet(dataclasses.replace(plan, networks=["lstm"], seeds=1), tmp_path)
    assert torch.equal(before, torch.get_rng_state())
    assert torch.get_num_threads() == threads


def test_workers_give_the_bits_of_one_process(plan, tmp_path):
    plan = dataclasses.replace(plan, networks=["ncp-ltc", "gru-5"])
    quiet(plan, tmp_path / "one")
    assert quiet(plan, tmp_path / "two", workers=2).done == 4
    assert records(tmp_path / "one") == records(tmp_path / "two")


def test_resuming_repeats_nothing_and_a_changed_plan_reuses_what_is_valid(plan, tmp_path):
    quiet(dataclasses.replace(plan, networks=["lstm", "gru-5"]), tmp_path)
    before = times(tmp_path)
    more = quiet(dataclasses.replace(plan, networks=["gru-5", "ncp-ltc"], seeds=3), tmp_path, resume=True)
    assert (more.done, more.reused) == (4, 2)
    after = times(tmp_path)
    assert {name: after[name] for name in before} == before
    again = quiet(dataclasses.replace(plan, networks=["gru-5", "ncp-ltc"], seeds=3), tmp_path, resume=True)
    assert (again.done, again.reused) == (0, 6)
    # The report speaks of the plan at hand, not of all that lies there.
    assert len(json.loads((tmp_path / "study.json").read_text())["runs"]) == 6


@pytest.mark.parametrize(
    "change",
    [
        {"training": Training(epochs=3, batch=16, neurons=8)},
        {"training": Training(epochs=2, batch=16, neurons=9)},
        {"robustness": Robustness(noise=[0.4], drop=[0.3])},
        {"seeds": [5]},
    ],
)
def test_what_determines_a_result_is_in_its_id(plan, change):
    def ids(plan: Plan) -> set[str]:
        data = [jobs.prepare(d, plan.training_on(name)) for name, d in plan.load().items()]
        return {job.id for one in data for job in jobs.trainings(plan, one, {})}

    assert not ids(plan) & ids(dataclasses.replace(plan, **change))
    assert ids(plan) == ids(dataclasses.replace(plan, name="another", reference="gru-5"))


def test_other_data_under_the_same_name_are_other_runs(plan, dataset):
    def digest(dataset) -> str:
        return jobs.prepare(dataset, Training()).digest

    relabelled = dataclasses.replace(dataset, test=dataset.valid)
    assert digest(dataset) != digest(relabelled)
    assert digest(dataset) == digest(dataclasses.replace(dataset, source="elsewhere"))


def test_a_run_that_fails_is_recorded_and_the_rest_goes_on(plan, tmp_path, monkeypatch):
    def broken(name, *args):
        if name == "gru-5":
            raise RuntimeError("no such <cell>")
        return build(name, *args)

    with monkeypatch.context() as patch:
        patch.setattr("wormnet.study.networks.build", broken)
        outcome = quiet(plan, tmp_path)
    assert (outcome.done, outcome.failed) == (8, 2)
    errors = [record["error"] for record in records(tmp_path).values() if "error" in record]
    assert errors == ["RuntimeError: no such <cell>"] * 2
    page = outcome.report.read_text()
    assert "2 runs failed" in page
    assert "no such &lt;cell&gt;" in page
    # What failed is tried again, the rest is not.
    again = quiet(plan, tmp_path, resume=True)
    assert (again.done, again.reused, again.failed) == (2, 6, 0)


def test_a_plan_that_diverges_everywhere_still_gets_a_report(plan, tmp_path):
    training = Training(epochs=1, batch=8, learning_rate=1e30, weight_decay=1.0, optimiser="sgd", clip=0, neurons=8)
    outcome = quiet(dataclasses.replace(plan, training=training, networks=["lstm"]), tmp_path)
    assert outcome.failed == 2
    assert "training diverged" in outcome.report.read_text()


def test_a_spoiled_record_is_done_again(plan, tmp_path):
    plan = dataclasses.replace(plan, networks=["lstm"])
    quiet(plan, tmp_path)
    before = records(tmp_path)
    first, second = sorted((tmp_path / "runs").iterdir())
    first.write_text('{"id": ')
    second.write_text("[]")
    (tmp_path / "runs" / f".{'0' * 16}.part").write_text("{")
    assert quiet(plan, tmp_path, resume=True).done == 2
    assert records(tmp_path) == before


def test_ctrl_c_keeps_what_is_finished(plan, tmp_path, monkeypatch):
    done = []

    def interrupted(job):
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
    assert (quiet(plan, tmp_path, resume=True).reused) == 3


def test_tuning_gives_every_network_the_same_budget_and_the_best_rate(plan, tmp_path):
    tuning = Tuning(trials=3, learning_rate=[1e-4, 0.1])
    plan = dataclasses.replace(plan, networks=["ncp-ltc", "lstm"], tuning=tuning)
    quiet(plan, tmp_path)
    found = records(tmp_path).values()
    searches = {record["network"]: record for record in found if record["kind"] == "tuning"}
    assert set(searches) == {"ncp-ltc", "lstm"}
    for record in searches.values():
        assert len(record["trials"]) == 3
        assert record["trials"][0]["learning_rate"] == pytest.approx(Training().learning_rate)
        best = max(trial["valid_score"] for trial in record["trials"])
        assert record["learning_rate"] in [t["learning_rate"] for t in record["trials"] if t["valid_score"] == best]
    for record in found:
        if record["kind"] == "run":
            assert record["spec"]["training"]["learning_rate"] == searches[record["network"]]["learning_rate"]


def test_the_noise_and_the_dropped_samples_are_the_same_for_all_networks(plan, tmp_path, monkeypatch):
    seen: dict[str, list[bytes]] = {}

    def score(network, part):
        seen.setdefault(type(network.core).__name__, []).append(part.x.tobytes())
        return 0.5

    monkeypatch.setattr(fit, "score", score)
    quiet(dataclasses.replace(plan, networks=["ncp-ltc", "gru-5"]), tmp_path)
    # Clean, noisy and thinned for two seeds; the clean one is the same for both.
    worm, gated = (set(parts) for parts in seen.values())
    assert worm == gated
    assert len(worm) == 5


def test_a_directory_in_use_is_left_alone(plan, tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(ArgumentError, match=r"which is not empty; resume \(--resume\) to go on .* or name another"):
        quiet(plan, tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.tex"]
    with pytest.raises(ArgumentError, match="which is a file; name a directory"):
        quiet(plan, tmp_path / "thesis.tex")


def test_a_directory_that_cannot_be_made_is_told(plan, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot write into .*out: Not a directory"):
        quiet(plan, tmp_path / "file" / "out")


@pytest.mark.parametrize("workers", [0, -1, 1.5, True])
def test_an_impossible_number_of_workers_is_refused(plan, tmp_path, workers):
    with pytest.raises(ArgumentError, match=r"workers is .*; it takes a whole number, 1 or more"):
        quiet(plan, tmp_path, workers=workers)


def test_a_wiring_that_cannot_be_is_told_before_training(plan, tmp_path):
    plan = dataclasses.replace(plan, training=Training(neurons=2))
    with pytest.raises(WiringError, match=r"training.mine: no ncp-ltc can be wired: neurons is 2; it takes 3 or more"):
        quiet(plan, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(torch.accelerator.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_told_before_training(plan, tmp_path):
    with pytest.raises(BackendError, match='accelerator is "gpu", and torch finds none here; use "cpu", or "auto"'):
        quiet(dataclasses.replace(plan, accelerator="gpu"), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_worker_ends_with_the_process_that_started_it():
    """A worker that outlived a killed study would go on training for nobody."""
    code = (
        "import subprocess, sys, time\n"
        "child = 'import os, time; from wormnet.study.runner import _die_with; _die_with(os.getppid()); "
        "print(os.getpid(), flush=True); time.sleep(60)'\n"
        "subprocess.Popen([sys.executable, '-c', child])\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    # The child holds the other end of the pipe; reading ends when it does.
    ended = threading.Thread(target=parent.stdout.read)
    ended.start()
    ended.join(30)
    alive = ended.is_alive()
    if alive:
        os.kill(child, signal.SIGKILL)
    parent.stdout.close()
    assert not alive


def test_three_lines_are_enough_for_ones_own_data(dataset, tmp_path):
    plan = Plan(datasets=[dataset], networks=["lstm"], seeds=1, training=Training(epochs=1))
    outcome = run(plan, tmp_path, workers=1, progress=False)
    assert outcome.report.exists()
    assert time.time() - outcome.report.stat().st_mtime < 3600
