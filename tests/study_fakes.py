"""Runs of a study that take milliseconds, for tests of what becomes of them when processes are killed."""

import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from wormnet.study import schedule
from wormnet.study.progress import Bar
from wormnet.study.schedule import Hands
from wormnet.study.store import Store, identity


@dataclass(frozen=True)
class FakeJob:
    spec: dict[str, Any]
    data: Any = None

    @property
    def id(self) -> str:
        return identity(self.spec)


def fakes(n: int, source: str = "a", **more: Any) -> list[FakeJob]:
    head = {"kind": "run", "dataset": "mine", "network": "lstm", "fold": 0, "source": {"fake": source}}
    return [FakeJob({**head, "seed": seed, **more}, data=seed) for seed in range(n)]


def record_of(job: FakeJob) -> dict[str, Any]:
    head = {key: job.spec[key] for key in ("kind", "dataset", "network", "fold", "seed")}
    scores = {"accuracy": job.spec["seed"] / 1000}
    return {
        "id": job.id,
        "spec": job.spec,
        **head,
        "scores": scores,
        "valid_scores": scores,
        "conditions": [],
        "history": {"best": 0},
        "parameters": 6,
    }


def execute(job: FakeJob, journal: Path | None = None) -> tuple[dict[str, Any], bytes]:
    """The record and 48 weights, all the seed."""
    assert job.data == job.spec["seed"]
    time.sleep(job.spec.get("sleep", 0.0))
    if job.spec.get("error"):
        raise RuntimeError(job.spec["error"])
    if told := job.spec.get("dies"):
        # In the folder is noted how often it was begun; the process dies as often as told.
        times = Path(told) / f"{job.id}.{os.getpid()}.{time.monotonic_ns()}"
        times.touch()
        if len(list(Path(told).glob(f"{job.id}.*"))) <= job.spec["deaths"]:
            os.kill(os.getpid(), signal.SIGKILL)
    return record_of(job), safetensors.numpy.save({"weight": np.full((8, 6), job.spec["seed"], np.float32)})


def do(jobs: list[FakeJob], out: Path, **hands: Any) -> schedule.Count:
    bar = Bar(shown=False)
    store = Store(out, bar.tell)
    store.open()
    try:
        return schedule.do(jobs, store, execute, Hands(**hands), bar, "run")
    finally:
        store.sweep()


def serve(out: str, n: int, sleep: float) -> None:
    """For each line of stdin begin the study in a process of its own; say its number, and later that it has gone."""
    for _ in sys.stdin:
        pid = os.fork()
        if not pid:
            do(fakes(n, sleep=sleep), Path(out))
            os._exit(0)
        print(pid, flush=True)
        os.waitpid(pid, 0)
        print("gone", flush=True)
