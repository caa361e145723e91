"""The few threads that kernels run on.

Numba's own threads abort the process when two Python threads enter them at once, and OpenMP's workers of two runtimes
spin against each other; kernels that release the interpreter's lock and are called task by task avoid both.
"""

import itertools
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch

__all__ = ["run_tasks", "workers"]

_lock = threading.Lock()
_pools: dict[int, ThreadPoolExecutor] = {}
"""By process, since a fork inherits the pool's memory but none of its threads."""


def workers(tasks: int) -> int:
    """How many of torch's threads have something to do."""
    return max(1, min(torch.get_num_threads(), tasks))


def run_tasks(tasks: int, one: Callable[[int, int], None]) -> None:
    """Call one(task, worker) for every task, the caller being worker 0. Which worker takes which task is open."""
    n = workers(tasks)
    if n == 1:
        for task in range(tasks):
            one(task, 0)
        return
    left = itertools.count()

    def work(worker: int) -> None:
        while (task := next(left)) < tasks:
            one(task, worker)

    others = [_pool().submit(work, worker) for worker in range(1, n)]
    try:
        work(0)
    finally:
        # A helper that has not started finds no task left; one that has, must end before its arrays may go.
        for other in others:
            if not other.cancel():
                other.result()


def _pool() -> ThreadPoolExecutor:
    process = os.getpid()
    pool = _pools.get(process)
    if pool is None:
        global _lock
        with _lock:
            pool = _pools.get(process)
            if pool is None:
                _pools.clear()
                pool = _pools[process] = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="wormnet")
    return pool


def _new_lock() -> None:
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    # A fork while another thread holds the lock would leave it held for ever.
    os.register_at_fork(after_in_child=_new_lock)
