"""Running a plan: many trainings side by side, each kept as soon as it is done, so that a killed study resumes."""

import json
import os
import random
import signal
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from wormnet.atomic import make_folder, sweep, write_whole
from wormnet.errors import ArgumentError, BackendError
from wormnet.paths import checked
from wormnet.study import jobs
from wormnet.study.jobs import Job
from wormnet.study.plan import Plan
from wormnet.study.prepared import Prepared
from wormnet.study.provenance import environment, machine, source

__all__ = ["Outcome", "run"]


@dataclass(frozen=True)
class Outcome:
    """What a study did: where it lies, how many runs were done now, how many were there, and how many failed."""

    out: Path
    done: int
    reused: int
    failed: int

    @property
    def report(self) -> Path:
        """The report's file."""
        return self.out / "report.html"


def run(
    plan: Plan, out: str | os.PathLike[str], *, workers: int | None = None, resume: bool = False, progress: bool = True
) -> Outcome:
    """Run a plan and write its report.

    Every finished run is one file under `out`/runs, named by a digest of all that determines its result (data, network,
    seed, training, disturbances, versions). A study that is stopped at any time, even killed, goes on where it was
    with resume=True and repeats no finished run; a plan that has changed reuses what is still valid. A run that fails
    is kept with its error and tried again on the next resume; the others go on.

    Training runs side by side, one torch thread each. Time, memory and latency are measured afterwards, one after the
    other, with nothing else of the study running.

    Args:
        plan: what to run.   out: a directory, new or empty unless `resume`.
        workers: processes; None: one per core. With 1 all is done in this process.
        resume: go on with what is in `out`.   progress: show a bar on stderr.

    Returns: an Outcome. `out` then holds runs/, prices/, plan.json, study.json (what was run), results.json (one long
    table) and report.html.
    Raises: ArgumentError if `out` holds something and resume is False, or for an impossible number of workers;
    BackendError for a GPU that is not there; what `Plan.load` raises.
    """
    out, begin = checked(out, "out"), time.perf_counter()
    workers = _workers(workers)
    if plan.accelerator == "gpu" and not torch.accelerator.is_available():
        raise BackendError(
            'accelerator is "gpu", and torch finds none here; use "cpu", or "auto" to take what there is.'
        )
    _check_free(out, resume)
    folder = out / "runs"
    with _bar(progress) as bar:
        prepared, about = _ready(plan, workers, bar)
        _open(out)
        _write(out / "plan.json", about["plan"])
        digest = source()
        searches = [job for data in prepared for job in jobs.tunings(plan, data, digest)]
        counts = [_do(searches, folder, workers, bar, "tuning")]
        tuned = _tuned(searches, folder)
        trainings = [
            job
            for data in prepared
            for job in jobs.trainings(plan, data, tuned.get((data.name, data.fold), {}), digest)
        ]
        counts.append(_do(trainings, folder, workers, bar, "training"))
        priced = _price_all(plan, prepared, _trained(trainings, folder), out / "prices", bar)
    done, reused = (sum(count) for count in zip(*counts))
    about |= {
        "runs": [job.id for job in trainings],
        "tuning": [job.id for job in searches],
        "prices": priced,
        "seconds": time.perf_counter() - begin,
        "done": done,
        "reused": reused,
    }
    _write(out / "study.json", about)
    failed = sum((_read(folder, job) or {"error": ""}).keys() >= {"error"} for job in (*searches, *trainings))
    return Outcome(out, done, reused, failed)


def _ready(plan: Plan, workers: int, bar: "Bar") -> tuple[list[Prepared], dict[str, Any]]:
    """The folds for the workers, and what is told of the study; raises for a plan that cannot be run."""
    bar.start("loading", sum(len(plan.folds_of(source)) for source in plan.sources))
    prepared = []
    for data in jobs.preparations(plan):
        prepared.append(data)
        bar.tick()
    began = datetime.now(UTC).isoformat(timespec="seconds")
    return prepared, {**jobs.about_study(plan, prepared), "environment": environment(workers), "began": began}


def _tuned(searches: list[Job], folder: Path) -> dict[tuple[str, int], dict[str, dict[str, Any]]]:
    """The settings found, by data set, fold and network; a search that failed leaves the plan's."""
    found: dict[tuple[str, int], dict[str, dict[str, Any]]] = {}
    for job in searches:
        record = _read(folder, job)
        if record and "error" not in record:
            found.setdefault((record["dataset"], record["fold"]), {})[record["network"]] = record["best"]
    return found


def _attempt(job: Job, folder: Path, parent: int) -> str:
    """Do a job and write its record; an error is a record too."""
    if os.getpid() != parent:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        _die_with(parent)
    try:
        record, _ = jobs.execute(job)
    except Exception as error:  # a failed run must not end the study
        last = traceback.format_exc(limit=-4)
        record = {**jobs.head(job), "error": f"{type(error).__name__}: {error}", "traceback": last}
    _write(folder / f"{job.id}.json", record)
    return job.id


_watched: set[int] = set()


def _die_with(parent: int) -> None:
    """End this worker soon after the process that started it has ended, however it ended."""
    if parent in _watched:
        return
    _watched.add(parent)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _do(wanted: list[Job], folder: Path, workers: int, bar: "Bar", what: str) -> tuple[int, int]:
    """Do what is not done yet; how many were done, and how many were there."""
    left = [job for job in wanted if (record := _read(folder, job)) is None or "error" in record]
    # In random order, so that the time left is guessed from a fair sample of long and short runs.
    random.Random(0).shuffle(left)
    bar.start(what, len(left))
    for _ in _attempts(left, folder, workers):
        bar.tick()
    return len(left), len(wanted) - len(left)


def _attempts(left: list[Job], folder: Path, workers: int) -> Iterator[object]:
    parent = os.getpid()
    if workers == 1 or len(left) < 2:
        for job in left:
            yield _attempt(job, folder, parent)
        return
    import joblib
    from joblib.externals.loky import get_reusable_executor

    try:
        with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
            yield from joblib.Parallel(n_jobs=min(workers, len(left)), return_as="generator_unordered")(
                joblib.delayed(_attempt)(job, folder, parent) for job in left
            )
    finally:
        # Gone before anything is timed.
        get_reusable_executor().shutdown(wait=True, kill_workers=True)


def _trained(trainings: list[Job], folder: Path) -> dict[str, list[str]]:
    """The networks that finished a run, by data set; one that cannot be trained cannot be timed either."""
    found: dict[str, list[str]] = {}
    for job in trainings:
        record, names = _read(folder, job), found.setdefault(job.data.name, [])
        if record and "error" not in record and record["network"] not in names:
            names.append(record["network"])
    return found


def _price_all(
    plan: Plan, prepared: list[Prepared], networks: dict[str, list[str]], folder: Path, bar: "Bar"
) -> dict[str, str]:
    """Measure what the networks cost, data set by data set; the ids of the records by data set."""
    rounds, seconds = (5, 4.0) if plan.is_quick else (15, 10.0)
    here = machine()
    first = {data.name: data for data in reversed(prepared) if plan.measures_on(data.name).prices}
    wanted = [jobs.pricing(plan, data, networks[data.name], rounds, seconds, here) for data in first.values()]
    left = [job for job in wanted if _read(folder, job) is None]
    bar.start("timing", len(left))
    for job in left:
        _write(folder / f"{job.id}.json", jobs.execute(job)[0])
        bar.tick()
    return {job.data.name: job.id for job in wanted}


class Bar:
    """Progress over everything, shown on stderr."""

    def __init__(self, shown: bool):
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
        from rich.progress import TimeRemainingColumn as Remaining

        columns = (TextColumn("{task.description:>9}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self.progress = Progress(
            *columns, TextColumn("left"), Remaining(), console=Console(stderr=True), disable=not shown
        )
        self.task: Any = None

    def start(self, what: str, total: int) -> None:
        """Begin another phase."""
        if total:
            self.task = self.progress.add_task(what, total=total)

    def tick(self) -> None:
        """One more is done."""
        self.progress.advance(self.task)


@contextmanager
def _bar(shown: bool) -> Iterator[Bar]:
    bar = Bar(shown)
    with bar.progress:
        yield bar


# -- the directory -----------------------------------------------------------------------------------------------------


def _check_free(out: Path, resume: bool) -> None:
    if out.exists() and not out.is_dir():
        raise ArgumentError(f"out is {str(out)!r}, which is a file; name a directory.")
    if out.exists() and any(out.iterdir()) and not resume:
        raise ArgumentError(
            f"out is {str(out)!r}, which is not empty; resume (--resume) to go on with the study in it, "
            "or name another directory."
        )


def _open(out: Path) -> None:
    for folder in (out, out / "runs", out / "prices"):
        make_folder(folder)
        sweep(folder)


def _write(path: Path, content: dict[str, Any]) -> None:
    write_whole(path, json.dumps(content, indent=1))


def _read(folder: Path, job: Job) -> dict[str, Any] | None:
    """The record of a job; None if there is none, or none that can be read."""
    try:
        record = json.loads((folder / f"{job.id}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) and record.get("spec") == json.loads(json.dumps(job.spec)) else None


def _workers(given: int | None) -> int:
    import joblib

    if given is None:
        return joblib.cpu_count()
    if isinstance(given, bool) or not isinstance(given, int) or given < 1:
        raise ArgumentError(f"workers is {given!r}; it takes a whole number, 1 or more.")
    return given
