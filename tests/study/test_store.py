"""What lies in a study's folder is whole, whatever happened to the processes that wrote it."""

import contextlib
import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import safetensors.torch
from study_fakes import FakeJob, do, fakes, record_of

from wormnet.errors import ArgumentError, DataError
from wormnet.study import schedule
from wormnet.study.store import Store, identity

PATH = os.pathsep.join(sys.path)


def wait_for(condition) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.001)


def begun_by(pid: int, out: Path) -> bool:
    for path in out.glob("claims/*.claim"):
        with contextlib.suppress(FileNotFoundError):  # released since it was listed
            if f'"pid": {pid},' in path.read_text():
                return True
    return False


def content(out: Path) -> dict[str, tuple[dict, dict]]:
    """Record and weights of each run; fails on anything that is not whole."""
    found = {}
    for path in (out / "runs").glob("*.json"):
        tensors = safetensors.torch.load_file(out / "weights" / f"{path.stem}.safetensors")
        found[path.stem] = json.loads(path.read_text()), {name: x.tolist() for name, x in tensors.items()}
    return found


def test_a_study_killed_at_twenty_random_moments_ends_as_if_never_killed(tmp_path, monkeypatch):
    code = f"import study_fakes; study_fakes.serve({str(tmp_path)!r}, 2000, 0.001)"
    jobs, rng, seen = fakes(2000, sleep=0.001), random.Random(0), 0
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": PATH}, **pipes) as server:
        for _ in range(20):
            print(file=server.stdin, flush=True)
            pid = int(server.stdout.readline())
            # From its first claim on: sometimes before it has written anything, mostly in the middle of something.
            wait_for(lambda: begun_by(pid, tmp_path))  # noqa: B023
            time.sleep(rng.uniform(0, 0.2))
            os.kill(pid, signal.SIGKILL)
            assert server.stdout.readline() == "gone\n"
            now = len(content(tmp_path))
            assert now >= seen
            seen = now
        server.stdin.close()
    # As if the last one had been killed once more, as it made a claim: until that is taken for stale nothing is swept.
    undone = next(job.id for job in jobs if job.id not in content(tmp_path))
    (tmp_path / "claims" / f"{undone}.claim").touch()
    (tmp_path / "runs" / ".0123456789abcdef.part").touch()
    assert 10 < seen < len(jobs), "killed too early or too late to show anything"
    monkeypatch.setattr("wormnet.atomic.os.fsync", lambda descriptor: None)
    monkeypatch.setattr(schedule, "POLL", 0.1)
    assert do(jobs, tmp_path) == (len(jobs) - seen, seen, 0)
    found = content(tmp_path)
    assert len(found) == len(jobs)
    for job in jobs:
        weights = {"weight": [[float(job.spec["seed"])] * 6] * 8}
        assert found[job.id] == (record_of(job), weights)
    assert list(tmp_path.glob("claims/*")) == list(tmp_path.glob("*/.*")) == []


def test_a_full_disk_is_one_line_and_loses_nothing(tmp_path, monkeypatch):
    written = []

    def full(descriptor: int) -> None:
        written.append(descriptor)
        if len(written) == 8:  # the record of the fourth run, whose weights were written
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    jobs = fakes(6)
    with monkeypatch.context() as patch:
        patch.setattr("wormnet.atomic.os.fsync", full)
        with pytest.raises(DataError, match=r"^cannot write \S+\.json: No space left on device\.$"):
            do(jobs, tmp_path)
    assert len(content(tmp_path)) == 3
    assert list(tmp_path.glob("claims/*")) == list(tmp_path.glob("*/.*")) == []
    assert do(jobs, tmp_path) == (3, 3, 0)


def spoiled(path: Path, **changes) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (lambda path: path.write_text('{"id": '), "it is no JSON"),
        (lambda path: path.write_text("[" * 100_000), "it is no JSON"),
        (lambda path: path.write_text("[]"), "it is no JSON object"),
        (lambda path: path.write_bytes(b"\xff{}"), "byte 0 is not UTF-8"),
        (lambda path: path.write_text("{}"), "its id is missing or no str"),
        (lambda path: spoiled(path, scores=None), "its scores is missing or no dict"),
        (lambda path: spoiled(path, error=3), "its error is missing or no str"),
        (lambda path: spoiled(path, spec={"seed": 1}), "its spec is not the one that it is named by"),
        (lambda path: spoiled(path, spec=fakes(1, source=3)[0].spec | {"source": 3}), "its source is no table"),
    ],
)
def test_a_damaged_record_is_named_and_done_again(tmp_path, capsys, spoil, fault):
    jobs = fakes(3)
    do(jobs, tmp_path)
    before = content(tmp_path)
    spoil(tmp_path / "runs" / f"{jobs[0].id}.json")
    assert do(jobs, tmp_path) == (1, 2, 0)
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert f"{jobs[0].id}.json is damaged and not used: " in told
    assert fault in told
    assert content(tmp_path) == before


def test_a_folder_in_place_of_a_record_is_told_and_in_nobodys_way_until_it_is_written(tmp_path, capsys):
    (job,) = fakes(1)
    (tmp_path / "runs" / f"{job.id}.json").mkdir(parents=True)
    assert Store(tmp_path).record(job.id) is None
    assert "it is a folder" in capsys.readouterr().err
    with pytest.raises(DataError, match="cannot write"):
        do([job], tmp_path)


def test_runs_of_changed_source_are_repeated_in_their_own_place_or_kept_if_asked(tmp_path, capsys):
    old, new = fakes(4), fakes(5, source="b")
    do(old, tmp_path)
    do(new[:1], tmp_path)
    told = capsys.readouterr().err
    assert told == "wormnet: 1 runs are repeated, since the source of fake has changed; --keep-old-source keeps them.\n"
    assert do(new, tmp_path, keep_old_source=True) == (1, 4, 0)
    assert do(new, tmp_path) == (3, 2, 0)
    assert do(new, tmp_path) == (0, 5, 0)
    assert len(content(tmp_path)) == 5


def test_only_the_source_is_left_out_of_what_names_a_run():
    (job,) = fakes(1)
    for key, value in job.spec.items():
        same = identity({**job.spec, key: {"fake": "z"} if key == "source" else f"{value}!"}) == job.id
        assert same == (key == "source")


def test_a_search_is_noted_beside_the_runs_and_its_journal_goes_with_it(tmp_path):
    store = Store(tmp_path)
    store.open()
    job = FakeJob({"kind": "tuning", "dataset": "mine", "network": "lstm", "fold": 0})
    head = {"id": job.id, "spec": job.spec, "kind": "tuning", "dataset": "mine", "network": "lstm"}
    store.journal(job.id).write_text("trial")
    store.keep({**head, "error": "RuntimeError: none", "traceback": ""})
    assert store.journal(job.id).exists()
    assert store.waiting([job]).left == [job]
    store.keep({**head, "best": {"learning_rate": 0.1}, "trials": []})
    assert not store.journal(job.id).exists()
    assert store.waiting([job]).left == []


def test_a_directory_in_use_by_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    for resume in (False, True):
        with pytest.raises(ArgumentError, match=r"which holds no study, but 'thesis\.tex'; name another directory"):
            Store(tmp_path).check_free(resume=resume)
    with pytest.raises(ArgumentError, match="which is a file; name a directory"):
        Store(tmp_path / "thesis.tex").check_free(resume=True)
    Store(tmp_path / "new").check_free(resume=False)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    # Beside a study something of the user's own may lie.
    (tmp_path / "runs").mkdir()
    Store(tmp_path).check_free(resume=True)
    with pytest.raises(ArgumentError, match=r"which is not empty; resume \(--resume\) to go on .* or name another"):
        Store(tmp_path).check_free(resume=False)


def test_what_another_process_is_writing_is_not_swept(tmp_path):
    """Sweeping is for what killed processes left, and there is no telling while others work."""
    store = Store(tmp_path)
    store.open()
    partial = tmp_path / "runs" / f".{'0' * 16}.part"
    partial.write_text("{")
    store.claims.take("another")
    store.open()
    assert partial.exists()
    store.claims.release("another")
    store.open()
    assert not partial.exists()


def test_a_failure_is_a_record_with_its_error(tmp_path):
    jobs = [*fakes(1), *fakes(1, error="no such <cell>")]
    assert do(jobs, tmp_path).done == 2
    store = Store(tmp_path)
    first, second = store.records(job.id for job in jobs)
    assert first == record_of(jobs[0])
    assert second["error"] == "RuntimeError: no such <cell>"
    assert "execute" in second["traceback"]
    assert store.waiting(jobs).left == [jobs[1]]
    assert schedule.failed(jobs[1], second["error"], second["traceback"]) == second
