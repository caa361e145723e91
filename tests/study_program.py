"""The program `wormnet study` in a process of its own, on a plan of seconds."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

PLAN = """
datasets = ["xor_event"]
networks = ["gru-7", "lstm", "gru-5"]
folds = 1
seeds = 2
[training]
epochs = 12
batch = 16
neurons = 6
[data.xor_event]
length = 6
n_train = 32
n_valid = 12
n_test = 12
[measures]
noise = [0.5]
drop = []
rate = []
dynamics = false
prices = false
"""

PROGRAM = "import sys; from wormnet.cli import main; main(sys.argv[1:])"
"""What the installed program does."""


def finished(out: Path) -> dict[str, tuple[int, dict[str, Any]]]:
    """For each record when it was written, and what it holds but for what a clock decided."""
    found = {}
    for file in (out / "runs").glob("*.json"):
        record = json.loads(file.read_text())
        record.pop("seconds", None)
        record.get("history", {}).pop("seconds", None)
        found[file.name] = (file.stat().st_mtime_ns, record)
    return found


def records(out: Path) -> dict[str, dict[str, Any]]:
    """What the records hold but for what a clock decided."""
    return {name: record for name, (_, record) in finished(out).items()}


def start(*arguments: str, **options: Any) -> subprocess.Popen:
    quiet = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    return subprocess.Popen([sys.executable, "-c", PROGRAM, "study", *arguments], **{**quiet, **options})


def wait_for_a_record(process: subprocess.Popen, out: Path, n: int = 2, seconds: float = 400) -> None:
    until = time.monotonic() + seconds
    while len(list((out / "runs").glob("*.json"))) < n:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until, "no run finished"
        time.sleep(0.02)
