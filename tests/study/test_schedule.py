"""Work is done once, whoever is killed meanwhile, and whoever helps."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import study_fakes
from study_fakes import do, fakes, record_of

from wormnet.errors import ArgumentError, WormnetError
from wormnet.study import schedule
from wormnet.study.progress import Bar
from wormnet.study.provenance import source
from wormnet.study.schedule import Hands, Shard, Terminated
from wormnet.study.store import Store


def records(out) -> dict[str, dict]:
    return {path.stem: json.loads(path.read_text()) for path in (out / "runs").glob("*.json")}


@pytest.fixture
def deaths(tmp_path):
    folder = tmp_path / "deaths"
    folder.mkdir()
    return str(folder)


def begun(folder: str, job) -> int:
    return len(list(Path(folder).glob(f"{job.id}.*")))


def test_a_worker_that_is_killed_costs_nothing_but_a_repetition(tmp_path, capsys, deaths):
    jobs = [*fakes(12, sleep=0.02), *fakes(1, dies=deaths, deaths=1)]
    assert do(jobs, tmp_path / "out", workers=2) == (13, 0, 0)
    assert records(tmp_path / "out") == {job.id: record_of(job) for job in jobs}
    assert begun(deaths, jobs[-1]) == 2
    assert re.fullmatch(
        r"wormnet: a worker process was killed \(by the system, if memory ran out\); "
        r"(its run is repeated|2 runs that were going are repeated) at the end\.\n",
        capsys.readouterr().err,
    )


def test_a_run_that_kills_its_process_again_when_alone_is_a_failure_and_the_others_are_done(tmp_path, deaths):
    jobs = [*fakes(8, sleep=0.02), *fakes(1, dies=deaths, deaths=9)]
    assert do(jobs, tmp_path / "out", workers=2) == (9, 0, 0)
    found = records(tmp_path / "out")
    assert re.match(r"WorkerKilled: .* killed, and again when nothing ran beside it", found.pop(jobs[-1].id)["error"])
    assert found == {job.id: record_of(job) for job in jobs[:-1]}
    assert list((tmp_path / "out" / "claims").iterdir()) == []
    assert begun(deaths, jobs[-1]) == 2
    assert Store(tmp_path / "out").waiting(jobs).left == jobs[-1:]


def test_shards_share_the_work_and_do_nothing_twice(tmp_path, monkeypatch):
    jobs, done = fakes(40), []

    def noted(job, journal):
        done.append((threading.current_thread().name, job.id))
        time.sleep(0.002)
        return record_of(job), None

    store = Store(tmp_path)
    store.open()

    def shard(number: int) -> None:
        schedule.do(jobs, store, noted, Hands(shard=Shard(number, 3)), Bar(shown=False), "run", needed=True)

    monkeypatch.setattr(schedule, "POLL", 0.01)
    threads = [threading.Thread(target=shard, args=(number,), name=str(number)) for number in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(records(tmp_path)) == {job.id for job in jobs}
    assert {name for name, _ in done} == {"1", "2", "3"}
    assert len(done) == len(jobs)


def test_one_shard_alone_does_the_work_of_all(tmp_path):
    jobs = [*fakes(12), *fakes(1, error="broken")]
    assert do(jobs, tmp_path, shard=Shard(2, 3)) == (13, 0, 0)
    assert len(records(tmp_path)) == 13


def test_a_failure_of_a_helper_is_tried_again_by_the_shard_whose_run_it_is_and_by_no_other(tmp_path):
    jobs = fakes(9, error="broken")
    do(jobs, tmp_path, shard=Shard(1, 1))
    times = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "runs").iterdir()}
    do(jobs, tmp_path, shard=Shard(1, 3))
    again = {path.stem for path in (tmp_path / "runs").iterdir() if path.stat().st_mtime_ns != times[path.name]}
    assert again == {job.id for job in jobs if int(job.id, 16) % 3 == 0}
    assert 0 < len(again) < 9


def test_what_another_shard_does_is_left_to_it_or_waited_for(tmp_path, monkeypatch):
    jobs = fakes(3)
    monkeypatch.setattr(schedule, "POLL", 0.01)
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    store = Store(tmp_path)
    store.open()
    store.claims.take(jobs[0].id)
    claim = store.claims.folder / f"{jobs[0].id}.claim"
    claim.write_text(claim.read_text().replace(f'"pid": {os.getpid()}', f'"pid": {other.pid}'))
    from wormnet.study import claims

    claims._held.clear()
    assert do(jobs, tmp_path, shard=Shard(1, 2)) == (2, 0, 1)
    # It goes without having done it: whoever waits takes it over.
    found = []

    def wait():
        found.append(schedule.do(jobs, store, study_fakes.execute, Hands(), Bar(False), "run", needed=True))

    waiting = threading.Thread(target=wait)
    waiting.start()
    waiting.join(0.1)
    assert waiting.is_alive()
    other.communicate(b"\n")
    waiting.join(30)
    assert found == [(1, 2, 0)]
    assert set(records(tmp_path)) == {job.id for job in jobs}


@pytest.mark.parametrize("text", ["", "3", "0/4", "5/4", "1/0", "-1/4", "1/4/2", "a/b", "1.5/4", None])
def test_a_shard_is_one_of_several(text):
    with pytest.raises(ArgumentError, match=r"it takes i/n with 1 <= i <= n, for example 3/8"):
        Shard.parse(text)
    assert Shard.parse("4/4") == (4, 4)


@pytest.mark.parametrize("workers", [0, -1, 1.5, True])
def test_an_impossible_number_of_workers_is_refused(workers):
    with pytest.raises(ArgumentError, match=r"workers is .*; it takes a whole number, 1 or more"):
        schedule.checked_workers(workers)


def test_workers_of_other_source_do_nothing(tmp_path):
    """The package was edited while the study ran: a process that starts now would not do what was asked."""
    jobs = fakes(3, source="a")
    jobs = [study_fakes.FakeJob({**job.spec, "source": {"wormnet": "of yesterday"}}, job.data) for job in jobs]
    with pytest.raises(WormnetError, match=r"the source of wormnet is another one here .* again with resume \(--resu"):
        do(jobs, tmp_path, workers=2)
    assert records(tmp_path) == {}
    schedule.check_source({"source": source()})
    schedule.check_source({"source": {"no_such_module_here": "0"}})


@pytest.mark.parametrize(
    ("number", "error", "workers"),
    [(signal.SIGINT, KeyboardInterrupt, 1), (signal.SIGTERM, Terminated, 1), (signal.SIGTERM, Terminated, 2)],
)
def test_a_signal_ends_the_work_and_what_is_finished_stays(tmp_path, number, error, workers):
    jobs = fakes(200, sleep=0.01)

    def stop() -> None:
        until = time.monotonic() + 60
        while len(list(tmp_path.glob("runs/*.json"))) < 3 and time.monotonic() < until:
            time.sleep(0.01)
        os.kill(os.getpid(), number)

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=stop)
    thread.start()
    with pytest.raises(KeyboardInterrupt) as ended, schedule.stoppable():
        do(jobs, tmp_path, workers=workers)
    thread.join()
    assert ended.type is error
    assert signal.getsignal(signal.SIGTERM) is before
    found = records(tmp_path)
    assert 3 <= len(found) < 200
    assert all(found[job.id] == record_of(job) for job in jobs if job.id in found)
    assert Store(tmp_path).claims.owners() == {}


def test_a_worker_ends_with_the_process_that_started_it():
    """A worker that outlived a killed study would go on training for nobody."""
    code = (
        "import subprocess, sys, time\n"
        "child = 'import os, time; from wormnet.study.schedule import _die_with; _die_with(os.getppid()); "
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
