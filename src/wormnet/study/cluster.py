"""A study on many machines: a Ray cluster, or an array of SLURM jobs that share the study's folder."""

import dataclasses
import logging
import shlex
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wormnet.errors import ArgumentError, BackendError, shown
from wormnet.study import schedule
from wormnet.study.schedule import Execute
from wormnet.study.store import Store

__all__ = ["attempts", "slurm"]

RETRIES = 3
"""How often Ray repeats a run whose process or machine went."""


def attempts(left: list[Any], store: Store, address: str, execute: Execute) -> Iterator[str]:
    """Do pieces of work as tasks of a Ray cluster; yields the id of each when its record is written, here.

    The machines of the cluster need wormnet, of the same source, and no access to the study's folder: data are sent
    once to each, records and weights come back. A task whose process or machine goes is repeated elsewhere.

    Raises: BackendError if Ray is not installed, no cluster answers, or it goes meanwhile.
    """
    ray = _ray()
    with _connected(ray, address):
        task = ray.remote(num_cpus=1, max_retries=RETRIES)(_remote)
        sent: dict[int, Any] = {}
        going: dict[Any, Any] = {}
        queue = list(reversed(left))
        most = 2 * int(ray.cluster_resources().get("CPU", 1)) + 2
        try:
            while queue or going:
                while queue and len(going) < most:
                    job = queue.pop()
                    if store.claims.take(job.id) is not None:
                        continue
                    if id(job.data) not in sent:
                        sent[id(job.data)] = ray.put(job.data)
                    going[task.remote(dataclasses.replace(job, data=None), sent[id(job.data)], execute)] = job
                for ref in ray.wait(list(going), num_returns=1)[0]:
                    job = going.pop(ref)
                    store.keep(*_result(ray, ref, job))
                    store.claims.release(job.id)
                    yield job.id
        finally:
            for job in going.values():
                store.claims.release(job.id)


def _remote(job: Any, data: Any, execute: Execute) -> tuple[dict[str, Any], bytes | None]:
    """What a task does, on the machine where it runs."""
    schedule.check_source(job.spec)
    return schedule.outcome(dataclasses.replace(job, data=data), execute, None)


def _result(ray: Any, ref: Any, job: Any) -> tuple[dict[str, Any], bytes | None]:
    try:
        return ray.get(ref)
    except ray.exceptions.RayTaskError as error:
        # Of the task's own errors only that of another source gets here; all others are records by now.
        raise BackendError(f"a machine of the cluster cannot take part: {error.cause}") from None
    except ray.exceptions.RayError as error:
        text = " ".join(str(error).split())
        return schedule.failed(job, f"{type(error).__name__}: {text[:500]}"), None


def _ray() -> Any:
    try:
        import ray
    except ModuleNotFoundError:
        raise BackendError('a Ray cluster needs ray: pip install "wormnet[cluster]"') from None
    return ray


class _connected:
    """Connected to a cluster for as long as the block runs, unless the process is connected already."""

    def __init__(self, ray: Any, address: str):
        self.ray, self.address = ray, address
        self.is_ours = not ray.is_initialized()

    def __enter__(self) -> None:
        if not self.is_ours:
            return
        here = threading.current_thread() is threading.main_thread()
        handler = signal.getsignal(signal.SIGTERM)
        try:
            self.ray.init(address=self.address, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, RuntimeError, ValueError) as error:
            text = " ".join(str(error).split())
            raise BackendError(
                f"no Ray cluster can be reached at {self.address!r} ({text[:200]}); start one with `ray start --head`, "
                "and name its host:port, or auto for the one of this machine."
            ) from None
        finally:
            if here:
                signal.signal(signal.SIGTERM, handler)  # Ray puts its own in its place

    def __exit__(self, *_: object) -> None:
        if self.is_ours:
            self.ray.shutdown()


def slurm(plan: Path, out: Path, *, tasks: int, cpus: int = 1, hours: float = 4.0, lines: tuple[str, ...] = ()) -> str:
    """The script of an array of SLURM jobs that do a plan together, each as one shard.

    All take the study's folder, which has to be on a disk that they share. Jobs that run out of time lose no finished
    run: submit the script again and it goes on.

    Args:
        plan: the plan's file.   out: the study's folder.   tasks: how many jobs.   cpus: processes of each.
        hours: the most that a job may take.   lines: further options of sbatch, such as "--partition=short".

    >>> print(slurm(Path("plan.toml"), Path("study"), tasks=20).splitlines()[-1])
    srun wormnet study run plan.toml --out study --shard "$SLURM_ARRAY_TASK_ID/20" --workers "$SLURM_CPUS_PER_TASK"
    """
    for name, value in (("tasks", tasks), ("cpus", cpus)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ArgumentError(f"{name} is {shown(value)}; it takes a whole number, 1 or more.")
    if not 0 < hours < 10_000:
        raise ArgumentError(f"hours is {shown(hours)}; it takes a number > 0.")
    for line in lines:
        if not line.startswith("-") or not line.isprintable():
            raise ArgumentError(f"an option of sbatch is {shown(line)}; it takes text such as --partition=short.")
    minutes = max(1, round(hours * 60))
    options = [
        "--job-name=wormnet",
        f"--array=1-{tasks}",
        f"--cpus-per-task={cpus}",
        f"--time={minutes // 60}:{minutes % 60:02d}:00",
        f"--output={shlex.quote(f'{out}-%A-%a.log')}",
        *lines,
    ]
    return "\n".join(
        [
            "#!/bin/bash",
            *(f"#SBATCH {option}" for option in options),
            "# One thread for each process, and kernels compiled once for each machine, not on the shared disk.",
            "export OMP_NUM_THREADS=1",
            'export NUMBA_CACHE_DIR="${NUMBA_CACHE_DIR:-/tmp/wormnet-kernels-$USER}"',
            f"srun wormnet study run {shlex.quote(str(plan))} --out {shlex.quote(str(out))} "
            f'--shard "$SLURM_ARRAY_TASK_ID/{tasks}" --workers "$SLURM_CPUS_PER_TASK"',
        ]
    )
