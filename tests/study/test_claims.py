"""One process does a run; what a process that has gone had claimed is free again."""

import json
import os
import subprocess
import sys
import time

import pytest

from wormnet.errors import DataError
from wormnet.study import claims
from wormnet.study.claims import Claims


def written(folder, name="run", age=0.0, **content) -> None:
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.claim"
    path.write_text(json.dumps(content) if content else "")
    then = time.time() - age
    os.utime(path, (then, then))


def here(**more):
    return {"host": claims.socket.gethostname(), "pid": os.getppid(), "since": "noon", **more}


def gone() -> int:
    """The number of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    return process.pid


def test_a_claim_is_ours_until_it_is_given_back(tmp_path):
    one = Claims(tmp_path / "claims")
    assert one.owners() == {}
    assert one.take("run") is None
    assert one.take("run").pid == Claims(tmp_path / "claims").owner("run").pid == os.getpid()
    assert one.abandoned() == []
    one.release("run")
    assert one.owners() == {}


def test_of_many_processes_one_gets_a_claim(tmp_path):
    code = """
import os, sys
from pathlib import Path
from wormnet.study.claims import Claims
start, found, end = os.pipe(), os.pipe(), os.pipe()
for _ in range(3):
    if not os.fork():
        os.read(start[0], 1)
        taken = sum(Claims(Path(sys.argv[1])).take(str(i)) is None for i in range(100))
        os.write(found[1], bytes([taken]))
        os.read(end[0], 1)  # lives, and so keeps them, until all have tried
        os._exit(0)
os.write(start[1], b"...")
taken = [os.read(found[0], 1)[0] for _ in range(3)]
os.write(end[1], b"...")
print(taken)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=environment, capture_output=True, check=True)
    taken = json.loads(done.stdout)
    assert sum(taken) == 100


@pytest.mark.parametrize(
    ("age", "content", "lives"),
    [
        (0, {}, True),  # just begun, and not signed yet
        (10, {}, False),  # killed as it began
        (10, {"host": "x"}, False),
        (0, here(), True),
        (10, here(), True),
        (400, here(), False),  # its number is another process's by now
        (0, here(pid=os.getpid()), False),  # of our number, and not ours: of a container that was started again
        (0, here(host="elsewhere", pid=1), True),
        (400, here(host="elsewhere", pid=1), False),
    ],
)
def test_a_claim_counts_while_its_owner_lives(tmp_path, age, content, lives):
    written(tmp_path, age=age, **content)
    found = Claims(tmp_path)
    assert (found.owner("run") is not None) == lives
    assert found.abandoned() == ([] if lives else ["run"])
    assert (found.take("run") is None) != lives
    found.release("run")
    assert (tmp_path / "run.claim").exists() == lives


def test_a_thread_that_looks_while_a_claim_is_signed_does_not_take_it_over(tmp_path, monkeypatch):
    write, seen = os.write, []

    def watched(descriptor, content):
        written = write(descriptor, content)
        seen.append(Claims(tmp_path).take("a"))
        return written

    monkeypatch.setattr(claims.os, "write", watched)
    assert Claims(tmp_path).take("a") is None
    assert [owner.pid for owner in seen] == [os.getpid()]


def test_a_claim_that_cannot_be_signed_is_not_held(tmp_path, monkeypatch):
    def full(descriptor, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(claims.os, "write", full)
    with pytest.raises(DataError, match="No space left"):
        Claims(tmp_path).take("a")
    assert not list(tmp_path.glob("*.claim"))
    assert not any(path.name == "a.claim" and path.parent == tmp_path for path in claims._held)


def test_what_a_killed_process_had_claimed_is_free_at_once(tmp_path):
    written(tmp_path, **here(pid=gone()))
    written(tmp_path, "other", **here())
    found = Claims(tmp_path)
    assert found.abandoned() == ["run"]
    found.forget("run")
    found.forget("other")
    assert list(found.owners()) == ["other"]


def test_an_owner_gives_signs_of_life(tmp_path, monkeypatch):
    monkeypatch.setattr(claims, "BEAT", 0.01)
    claims._beat.cache_clear()
    found = Claims(tmp_path)
    found.take("run")
    path = tmp_path / "run.claim"
    os.utime(path, (0, 0))
    until = time.monotonic() + 30
    while path.stat().st_mtime == 0:
        assert time.monotonic() < until
        time.sleep(0.01)
    found.release("run")


def test_a_folder_that_takes_no_file_is_one_line(tmp_path):
    (tmp_path / "claims").write_text("")
    with pytest.raises(DataError, match=r"cannot write into \S+claims: File exists"):
        Claims(tmp_path / "claims").take("run")
    with pytest.raises(DataError, match=r"cannot write \S+: File name too long"):
        Claims(tmp_path / "new").take("x" * 300)
