"""The threads that kernels run on: those of the OpenMP that torch brought along, where it has them.

Torch's threads keep their cores busy for milliseconds after each of its operators, waiting for the next. A thread of
our own gets no core until they give up; they themselves take a task at once. On two cores a training step of a
layer is 1.2 to 1.8 times as fast for it. GNU's OpenMP does not survive a fork, and some systems have none: there,
threads of our own do the work. Numba's own would abort the process when two Python threads enter at once.
"""

import ctypes
import itertools
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch

__all__ = ["run_tasks", "workers"]

_Team = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


def _find_openmp() -> Any:
    """GOMP_parallel(function, its argument, threads, flags), which Intel's and LLVM's OpenMP have too; None if none."""
    try:
        # Torch loads what it links, so the whole process sees it.
        parallel = ctypes.CDLL(None).GOMP_parallel
    except (AttributeError, OSError, TypeError):
        return None
    parallel.argtypes, parallel.restype = (_Team, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint), None
    return parallel


_openmp = _find_openmp()
_lock = threading.Lock()
_own: ThreadPoolExecutor | None = None


def workers(tasks: int) -> int:
    """How many of torch's threads have something to do."""
    return max(1, min(torch.get_num_threads(), tasks))


def run_tasks(tasks: int, n_workers: int, one: Callable[[int, int], None]) -> None:
    """Call one(task, worker) for every task, from at most so many workers. Which worker takes which task is open."""
    if n_workers == 1:
        for task in range(tasks):
            one(task, 0)
        return
    left, numbers, errors = itertools.count(), itertools.count(), []

    def work(_: Any = None) -> None:
        try:
            if (worker := next(numbers)) < n_workers:
                while (task := next(left)) < tasks:
                    one(task, worker)
        except BaseException as error:  # it cannot pass through C
            errors.append(error)

    if _openmp is not None:
        # As many threads as torch takes, though some find nothing to do: to change their number ends or starts threads.
        _openmp(_Team(work), None, max(torch.get_num_threads(), n_workers), 0)
    else:
        others = [_threads().submit(work) for _ in range(1, n_workers)]
        work()
        # A helper that has not started finds no task left; one that has, must end before its arrays may go.
        for other in others:
            if not other.cancel():
                other.result()
    if errors:
        raise errors[0]


def _threads() -> ThreadPoolExecutor:
    global _own
    with _lock:
        if _own is None:
            _own = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="wormnet")
        return _own


def _after_fork() -> None:
    """A child has inherited the memory of all threads and none of them, and a lock perhaps that one of them held."""
    global _openmp, _lock, _own
    _openmp, _lock, _own = None, threading.Lock(), None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
