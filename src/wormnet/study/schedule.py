"""Doing a list of work, many pieces side by side, whatever happens to the processes that do it."""

import functools
import importlib
import os
import random
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from wormnet.errors import ArgumentError, WormnetError, shown
from wormnet.study.progress import Bar
from wormnet.study.provenance import source
from wormnet.study.store import Store, Wanted

__all__ = [
    "WHOLE",
    "Count",
    "Execute",
    "Hands",
    "Shard",
    "Terminated",
    "check_alone",
    "checked_workers",
    "die_with",
    "do",
    "opened",
    "stoppable",
    "work",
]

WHOLE = "study"
"""The claim of the process that has a study's directory to itself, or that ends the study."""

POLL = 2.0
"""Seconds between looks at what other shards do."""

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
"""Variables that say how many threads a worker takes: one."""

Execute = Callable[[Any, Path | None], tuple[dict[str, Any], bytes | None]]
"""Does a piece of work: its record, and for a run the content of the file of its weights.

Besides the work it is given the file in which a search notes its trials."""


class Terminated(KeyboardInterrupt):
    """The process was asked to end by SIGTERM."""


class Shard(NamedTuple):
    """One of `of` processes that share a study; `number` counts from 1.

    >>> Shard.parse("2/8")
    Shard(number=2, of=8)
    """

    number: int
    of: int

    @classmethod
    def parse(cls, text: object) -> "Shard":
        """From i/n. Raises ArgumentError unless 1 <= i <= n."""
        first, slash, last = str(text).partition("/")
        if not (slash and first.isdecimal() and last.isdecimal() and 1 <= int(first) <= int(last)):
            raise ArgumentError(f"shard is {shown(text)}; it takes i/n with 1 <= i <= n, for example 3/8.")
        return cls(int(first), int(last))


@dataclass(frozen=True)
class Hands:
    """Who does the work: processes here, or a Ray cluster; all of it, or as one of several shards."""

    workers: int = 1
    ray: str = ""
    shard: Shard | None = None
    keep_old_source: bool = False


class Count(NamedTuple):
    """What became of a list of work."""

    done: int
    reused: int
    elsewhere: int
    """done by other shards now"""


@dataclass(frozen=True)
class _Order:
    """A piece of work, with all that a worker has to know to do it."""

    job: Any
    out: Path
    parent: int
    execute: Execute
    retry: bool = True
    """Whether a record of a failure is to be tried again."""
    keep_old_source: bool = False


def do(
    wanted: Sequence[Wanted],
    store: Store,
    execute: Execute,
    hands: Hands,
    bar: Bar,
    what: str,
    needed: bool = False,
) -> Count:
    """Do what is not done yet of a list of work; a failure is a record too.

    Args:
        wanted: the work.   store: where it is kept.   execute: does one piece.   hands: who does it.
        bar: shows progress, under the name `what`.   needed: a shard waits for what other shards do of it.

    Raises: DataError if a record cannot be written, WormnetError if the source changes meanwhile.
    """
    waiting = store.waiting(wanted, hands.keep_old_source)
    for name, n in waiting.outdated.items():
        bar.tell(f"{n} {what}s are repeated, since the source of {name} has changed; --keep-old-source keeps them.")
    parent = os.getpid()

    def order(job: Wanted, retry: bool = True) -> _Order:
        return _Order(job, store.out, parent, execute, retry, hands.keep_old_source)

    own, others = _divided(waiting.left, hands.shard)
    orders = [*map(order, own), *(order(job, retry=False) for job in others)]
    bar.start(what, len(orders))
    for _ in _attempts(orders, store, hands, bar):
        bar.tick()
    elsewhere = 0
    while True:
        # What is left now is done by others, or was by some that have gone.
        left = [one for one in (order(job, retry=False) for job in waiting.left) if not _is_there(store, one)]
        free = [one for one in left if store.claims.owner(one.job.id) is None]
        for _ in _attempts(free, store, hands, bar):
            pass
        elsewhere = len(left) - len(free)
        if not left or (hands.shard and not needed):
            break
        if not free:
            time.sleep(POLL)
    return Count(len(waiting.left) - elsewhere, waiting.reused, elsewhere)


def check_alone(store: Store, hands: Hands) -> None:
    """Raises ArgumentError if another process is at work in the directory, and this one is not to share it."""
    owners = store.claims.owners()
    owner = owners.get(WHOLE) if hands.shard else next(iter(owners.values()), None)
    if owner is not None:
        raise ArgumentError(
            f"out is {str(store.out)!r}, where {owner} is at work; wait until it has ended, or let several processes "
            "share the work from the start: shard 1/2 (--shard 1/2) in one, 2/2 in the other."
        )


@contextmanager
def opened(store: Store, hands: Hands) -> Iterator[None]:
    """For as long as the block runs the directory is this process's, or that of the shards that share it."""
    store.open()
    if hands.shard is None and store.claims.take(WHOLE) is not None:
        check_alone(store, hands)
    try:
        yield
    finally:
        store.claims.release(WHOLE)
        store.sweep()


def work(order: _Order) -> str:
    """Do a piece of work in this process, unless another one does it or has done it."""
    job, store = order.job, Store(order.out, tell=lambda _: None)  # told by the process that looked what is left
    if os.getpid() != order.parent:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        die_with(order.parent)
        check_source(job.spec)
    is_ours = False
    try:
        is_ours = store.claims.take(job.id) is None
        if is_ours and not _is_there(store, order):
            store.keep(*outcome(job, order.execute, store.journal(job.id)))
    except SystemExit:
        # What Lightning makes of SIGTERM. A worker goes as one that was killed: what it did is repeated.
        if os.getpid() != order.parent:
            os._exit(1)
        raise
    finally:
        if is_ours:
            store.claims.release(job.id)
    return job.id


def outcome(job: Any, execute: Execute, journal: Path | None) -> tuple[dict[str, Any], bytes | None]:
    """The record of a piece of work, of its failure too, and the content of the file of its weights."""
    try:
        return execute(job, journal)
    except Exception as error:  # a failed run must not end the study
        return failed(job, f"{type(error).__name__}: {error}", traceback.format_exc(limit=-4)), None


def failed(job: Wanted, error: str, trace: str = "") -> dict[str, Any]:
    """The record of a failure."""
    head = {key: job.spec[key] for key in ("kind", "dataset", "network", "fold", "seed", "share") if key in job.spec}
    return {"id": job.id, "spec": job.spec, **head, "error": error, "traceback": trace}


def checked_workers(given: int | None) -> int:
    """How many processes; None for one per core. Raises ArgumentError for an impossible number."""
    import joblib

    if given is None:
        return joblib.cpu_count()
    if isinstance(given, bool) or not isinstance(given, int) or given < 1:
        raise ArgumentError(f"workers is {given!r}; it takes a whole number, 1 or more.")
    return given


@contextmanager
def stoppable() -> Iterator[None]:
    """Within the block SIGTERM ends a study as Ctrl-C does, by an exception, which is Terminated."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    asked = []

    def end(*_: object) -> None:
        asked.append(True)
        raise Terminated

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    except KeyboardInterrupt:
        # A training loop that was in between may have made another exception of it.
        raise (Terminated if asked else KeyboardInterrupt) from None
    finally:
        signal.signal(signal.SIGTERM, before)


# -- who does what -----------------------------------------------------------------------------------------------------


def _divided(left: Sequence[Wanted], shard: Shard | None) -> tuple[list[Wanted], list[Wanted]]:
    """The work of this process, and what it helps others with thereafter; in random order.

    So that the time left is guessed from a fair sample of long and short runs; the same order in all shards.
    """
    mixed = sorted(left, key=lambda job: job.id)
    random.Random(0).shuffle(mixed)
    if shard is None:
        return mixed, []
    # By id, not by place: what is left differs from shard to shard.
    own = [job for job in mixed if int(job.id, 16) % shard.of == shard.number - 1]
    others = [job for job in mixed if int(job.id, 16) % shard.of != shard.number - 1]
    return own, others[::-1] if shard.number % 2 else others


def _is_there(store: Store, order: _Order) -> bool:
    """Whether there is a record by now, of this source; one of a failure counts where it is not to be repeated."""
    record = store.record(order.job.id, order.job.spec["kind"])
    if record is None or ("error" in record and order.retry):
        return False
    return order.keep_old_source or record["spec"].get("source") == order.job.spec.get("source")


def _attempts(orders: list[_Order], store: Store, hands: Hands, bar: Bar) -> Iterator[str]:
    if not orders:
        return
    if hands.ray:
        from wormnet.study import cluster

        yield from cluster.attempts([order.job for order in orders], store, hands.ray, orders[0].execute)
    elif hands.workers == 1:
        yield from map(work, orders)
    else:
        yield from _pool(orders, store, hands.workers, bar)


def _pool(orders: list[_Order], store: Store, workers: int, bar: Bar) -> Iterator[str]:
    """By a pool of processes. If one is killed, all of the pool are, and what they did is repeated, one at a time."""
    from joblib.externals.loky.process_executor import BrokenProcessPool

    left, alone = {order.job.id: order for order in orders}, dict[str, _Order]()
    while left:
        try:
            for name in _in_processes(list(left.values()), workers):
                del left[name]
                yield name
        except BrokenProcessPool:
            done = [name for name, order in left.items() if _is_there(store, order)]
            going = [name for name in store.claims.abandoned() if name in left and name not in done]
            alone |= {name: left[name] for name in going}
            left = {name: order for name, order in left.items() if name not in (*done, *going)}
            yield from done
            many = f"{len(going)} runs that were going are repeated" if len(going) != 1 else "its run is repeated"
            bar.tell(f"a worker process was killed (by the system, if memory ran out); {many} at the end.")
    for name, order in alone.items():
        try:
            yield from _in_processes([order], 1)
        except BrokenProcessPool:
            store.claims.forget(name)
            twice = "the process that did it was killed, and again when nothing ran beside it; is memory short?"
            store.keep(failed(order.job, f"WorkerKilled: {twice}"))
            yield name


def _in_processes(orders: list[_Order], workers: int) -> Iterator[str]:
    from concurrent.futures import FIRST_COMPLETED, Future, wait

    # Of joblib's own pools one is kept for all, and is waited for where it should be killed.
    from joblib.externals.loky import ProcessPoolExecutor

    pool = ProcessPoolExecutor(min(workers, len(orders)), env=dict.fromkeys(THREADS, "1"))
    queue, going = orders[::-1], set[Future[str]]()
    try:
        while queue or going:
            # No more than one waits for each worker: a pool that is shut down forgets no more than it has handed out.
            going |= {pool.submit(work, queue.pop()) for _ in range(min(len(queue), 2 * workers - len(going)))}
            done, going = wait(going, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in done)
    finally:
        # Gone before anything is timed, or anything is repeated.
        pool.shutdown(wait=True, kill_workers=True)


# -- in a worker -------------------------------------------------------------------------------------------------------


_watched: set[int] = set()


def die_with(parent: int) -> None:
    """End this worker soon after the process that started it has ended, however it ended."""
    if parent in _watched:
        return
    _watched.add(parent)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@functools.cache
def _source_here(name: str) -> str:
    if name == "wormnet":
        return source()[name]
    try:
        return source(sys.modules.get(name) or importlib.import_module(name)).get(name, "")
    except ImportError:
        return ""  # typed in, and come with the work


def check_source(spec: dict[str, Any]) -> None:
    """Raises WormnetError if this process has other source than the one that asked for the work."""
    for name, digest in spec.get("source", {}).items():
        here = "" if name == "__main__" else _source_here(name)  # that came with the work
        if here and here != digest:
            raise WormnetError(
                f"the source of {name} is another one here than where the study was started; if it was edited "
                "meanwhile, start the study again with resume (--resume)."
            )
