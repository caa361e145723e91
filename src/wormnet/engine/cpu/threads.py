"""The threads that kernels run on: those of the OpenMP that torch brought along, where it has them.

Torch's threads spin on their cores for milliseconds after each operator, waiting for the next one. Threads of our own
would wait for a core until they stop, whereas torch's threads take a task at once: on two cores a training step of a
layer is 1.2 to 1.7 times as fast. GNU's OpenMP does not survive a fork, and some systems have no OpenMP; there, a
pool of our own does the work. Numba's threading layer would abort the process when two Python threads enter it at once.
"""

import ctypes
import os
import threading
from array import array
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["HEAD", "MOST_WORKERS", "TASK", "TASKS", "WORKER", "run_team", "words_of", "workers"]

TASK, TASKS, WORKER, MOST_WORKERS, HEAD = range(5)
"""The first words of a call: the next task, how many there are, the next worker, how many there may be; then come, from
HEAD on, address and size of each array, and other whole numbers."""

_ENTER = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


def _forked() -> bool:
    """Whether this process began as a fork and has not started another program since; PF_FORKNOEXEC of Linux."""
    try:
        status = Path("/proc/self/stat").read_text()
    except OSError:
        return False
    return bool(int(status.rpartition(")")[2].split()[6]) & 0x40)


def _find_openmp() -> Any:
    """GOMP_parallel(function, its argument, threads, flags), which Intel's and LLVM's OpenMP have too; None if none."""
    if _forked():  # perhaps from one that had used it before this module was imported
        return None
    try:
        # Torch loads what it links, so the whole process sees it.
        parallel = ctypes.CDLL(None).GOMP_parallel
    except (AttributeError, OSError, TypeError):
        return None
    parallel.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint)
    parallel.restype = None
    return parallel


_openmp: Any = _find_openmp()
_lock = threading.Lock()
_own: ThreadPoolExecutor | None = None


def workers(tasks: int) -> int:
    """How many of torch's threads have something to do."""
    return max(1, min(torch.get_num_threads(), tasks))


def words_of(
    tasks: int, n_workers: int, arrays: Iterable[Tensor | NDArray[Any] | None], numbers: Iterable[int]
) -> "array[int]":
    """The words of a call. The arrays, torch's or NumPy's, are contiguous and have to stay alive until it is over.

    >>> words_of(3, 2, [None], [7])
    array('q', [0, 3, 0, 2, 0, 0, 7])
    """
    words: list[int] = [0, tasks, 0, n_workers]
    for one in arrays:
        if one is None:
            words += (0, 0)
        elif isinstance(one, Tensor):
            words += (one.data_ptr(), one.numel())
        else:
            words += (one.__array_interface__["data"][0], one.size)
    words += numbers
    return array("q", words)


def run_team(address: int, words: "array[int]", n_workers: int) -> None:
    """Run a kernel of `team`, given by its address, on the words of its call, with n_workers threads at most.

    They do all tasks and none of them needs the GIL. Returns when the last task is done.
    """
    place, _ = words.buffer_info()
    if n_workers == 1:
        _ENTER(address)(place)
    elif _openmp is not None:
        # As many threads as torch takes, though some find no place: to change their number ends or starts threads.
        _openmp(address, place, max(torch.get_num_threads(), n_workers), 0)
    else:
        enter = _ENTER(address)
        others = [_threads().submit(enter, place) for _ in range(1, n_workers)]
        try:
            enter(place)
        finally:
            # A helper that has not started finds no task left; one that has, must end before its arrays may go.
            wait([other for other in others if not other.cancel()])


def _threads() -> ThreadPoolExecutor:
    global _own
    with _lock:
        if _own is None:
            _own = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="wormnet")
        return _own


def _after_fork() -> None:
    """A child inherits the memory of all threads but not the threads, and possibly a lock that one of them held."""
    global _openmp, _lock, _own
    _openmp, _lock, _own = None, threading.Lock(), None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
