"""Running a plan: many trainings side by side, each kept as soon as it is done, so that a stopped study goes on."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from wormnet.errors import ArgumentError, BackendError
from wormnet.models import MODELS
from wormnet.paths import checked
from wormnet.study import jobs, weights
from wormnet.study.jobs import Job
from wormnet.study.plan import Plan
from wormnet.study.prepared import Prepared
from wormnet.study.progress import Bar, shown_while
from wormnet.study.provenance import environment, machine, source
from wormnet.study.schedule import (
    WHOLE,
    Count,
    Hands,
    Shard,
    check_alone,
    checked_workers,
    do,
    opened,
    outcome,
    stoppable,
)
from wormnet.study.store import Store

__all__ = ["Outcome", "run"]


@dataclass(frozen=True)
class Outcome:
    """What a study did: where it lies, how many runs were done now, how many were there, and how many failed."""

    out: Path
    done: int
    reused: int
    failed: int
    is_ended: bool = True
    """Of a shard, whether it ended the study. Others are at work if not: the last one measures prices and reports."""

    @property
    def report(self) -> Path:
        """The report's file."""
        return self.out / "report.html"


def run(
    plan: Plan,
    out: str | os.PathLike[str],
    *,
    workers: int | None = None,
    resume: bool = False,
    ray: str = "",
    shard: str = "",
    keep_old_source: bool = False,
    progress: bool = True,
) -> Outcome:
    """Run a plan and write its report.

    Every finished run is one file under `out`/runs, named by a digest of all that determines its result (data, network,
    seed, training, disturbances, versions), and one under `out`/weights with its network. A study that is stopped at
    any time, even killed, goes on where it was with resume=True and repeats no finished run; a plan that has changed
    reuses what is still valid. A run that fails, or whose process is killed twice, is kept with its error and tried
    again on the next resume; the others go on. A run made by source that has changed since is repeated.

    Training runs side by side, one torch thread each. Time, memory and latency are measured afterwards, one after the
    other, with nothing else of the study running, on this machine.

    Args:
        plan: what to run.   out: a directory, new or empty unless `resume`.
        workers: processes; None: one per core. With 1 all is done in this process.
        resume: go on with what is in `out`.
        ray: the address of a Ray cluster that does the runs; "auto" for that of this machine.
        shard: "i/n", for the i-th of n processes, on any machines, that share `out` and do the plan together.
        keep_old_source: take runs as they are that were made by other source of wormnet or of your own modules.
        progress: show a bar on stderr.

    Returns: an Outcome. `out` then holds runs/, weights/, prices/, plan.json, study.json (what was run) and the report.
    Raises: ArgumentError if `out` holds something and resume is False, if another process is at work in it, or for an
        impossible argument; BackendError for a GPU or a cluster that is not there; DataError if a file cannot be
        written; what `Plan.load` raises. KeyboardInterrupt after Ctrl-C and SIGTERM.
    """
    out, began = checked(out, "out"), time.perf_counter()
    hands = Hands(checked_workers(workers), ray, Shard.parse(shard) if shard else None, keep_old_source)
    if ray and shard:
        raise ArgumentError("ray and shard were both given; a cluster shares out the runs by itself.")
    if plan.accelerator == "gpu" and not ray and not torch.accelerator.is_available():
        raise BackendError(
            'accelerator is "gpu", and torch finds none here; use "cpu", or "auto" to take what there is.'
        )
    with shown_while(progress) as bar, stoppable():
        store = Store(out, bar.tell)
        store.check_free(resume, plan.to_dict() if shard else None)
        check_alone(store, hands)
        prepared, about = _ready(plan, hands.workers, bar)
        with opened(store, hands):
            store.note("plan.json", about["plan"])
            return _run(plan, prepared, about, store, hands, bar, began)


def _run(
    plan: Plan, prepared: list[Prepared], about: dict[str, Any], store: Store, hands: Hands, bar: Bar, began: float
) -> Outcome:
    searches = [_signed(job) for data in prepared for job in jobs.tunings(plan, data)]
    counts = [do(searches, store, weights.execute, hands, bar, "tuning", needed=True)]
    tuned = _tuned(store, searches)
    trainings = [
        _signed(job) for data in prepared for job in jobs.trainings(plan, data, tuned.get((data.name, data.fold)))
    ]
    counts.append(do(trainings, store, weights.execute, hands, bar, "training"))
    is_ended = not counts[-1].elsewhere and not (hands.shard and store.claims.take(WHOLE))
    if is_ended:
        try:
            priced = _price_all(plan, prepared, trainings, store, hands, bar)
            _end(about, searches, trainings, priced, counts, store, began)
        finally:
            store.claims.release(WHOLE)
    done, reused = (sum(getattr(count, what) for count in counts) for what in ("done", "reused"))
    records = [store.record(job.id, job.spec["kind"]) for job in (*searches, *trainings)]
    return Outcome(store.out, done, reused, sum("error" in (record or {}) for record in records), is_ended)


def _end(
    about: dict[str, Any],
    searches: Sequence[Job],
    trainings: Sequence[Job],
    priced: dict[str, str],
    counts: Sequence[Count],
    store: Store,
    began: float,
) -> None:
    """Write study.json and the report."""
    from wormnet.study.report import report

    ended = {
        "runs": [job.id for job in trainings],
        "tuning": [job.id for job in searches],
        "prices": priced,
        "seconds": time.perf_counter() - began,
        "done": sum(count.done for count in counts),
        "reused": sum(count.reused for count in counts),
    }
    store.note("study.json", about | ended)
    report(store.out)


def _ready(plan: Plan, workers: int, bar: Bar) -> tuple[list[Prepared], dict[str, Any]]:
    """The folds for the workers, and what is told of the study; raises for a plan that cannot be run."""
    for line in plan.short_of_folds():
        bar.tell(line)
    bar.start("loading", sum(len(plan.folds_of(source)) for source in plan.sources))
    prepared = []
    for data in jobs.preparations(plan):
        prepared.append(data)
        bar.tick()
    began = datetime.now(UTC).isoformat(timespec="seconds")
    return prepared, {**jobs.about_study(plan, prepared), "environment": environment(workers), "began": began}


def _signed(job: Job) -> Job:
    """The job with the digests of the source that does it: of wormnet, and of what is the user's own in it."""
    made_by: list[Any] = [metric.of for metric in job.data.metrics]
    for network in job.networks:
        while network.origin:
            made_by.append(getattr(network.wiring, "null", None))
            network = network.origin
        model = getattr(network.build, "model", None)
        made_by += [network.build, network.wiring, MODELS.get(model) if isinstance(model, str) else model]
    return replace(job, spec={**job.spec, "source": source(*(one for one in made_by if one is not None))})


def _tuned(store: Store, searches: Sequence[Job]) -> dict[tuple[str, int], dict[str, dict[str, Any]]]:
    """The settings found, by data set, fold and network; a search that failed leaves the plan's."""
    found: dict[tuple[str, int], dict[str, dict[str, Any]]] = {}
    for job in searches:
        if record := store.done(job):
            found.setdefault((record["dataset"], record["fold"]), {})[record["network"]] = record["best"]
    return found


def _price_all(
    plan: Plan, prepared: list[Prepared], trainings: Sequence[Job], store: Store, hands: Hands, bar: Bar
) -> dict[str, str]:
    """Measure what the networks cost, data set by data set; the ids of the records by data set.

    One that cannot be trained cannot be timed either.
    """
    rounds, seconds = (5, 4.0) if plan.is_quick else (15, 10.0)
    here = machine()
    trained: dict[str, dict[str, None]] = {}
    for job in trainings:
        if store.done(job):
            trained.setdefault(job.data.name, {})[job.spec["network"]] = None
    first = {data.name: data for data in reversed(prepared) if plan.measures_on(data.name).prices}
    wanted = [
        _signed(jobs.pricing(plan, first[name], list(names), rounds, seconds, here))
        for name, names in trained.items()
        if name in first
    ]
    left = store.waiting(wanted, hands.keep_old_source).left
    bar.start("timing", len(left))
    for job in left:
        store.keep(*outcome(job, weights.execute, None))
        bar.tick()
    return {job.data.name: job.id for job in wanted if store.done(job)}
