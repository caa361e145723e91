"""The threads that kernels run on: those of the OpenMP that torch brought along, where it has them.

Torch's threads spin on their cores for milliseconds after each operator, waiting for the next one. Threads of our own
would wait for a core until they stop, whereas torch's threads take a task at once: on two cores a training step of a
layer is 1.2 to 1.7 times as fast. GNU's OpenMP does not survive a fork, and some systems have no OpenMP; there, a
pool of our own does the work. Numba's threading layer would abort the process when two Python threads enter it at once.
"""

import ctypes
import itertools
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache
from pathlib import Path
from typing import Any

import torch

__all__ = ["run_tasks", "workers"]

_Callback = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class _Places(ctypes.Structure):
    _fields_ = (("left", ctypes.c_int64), ("callback", _Callback))


FIRST_COME = """
define void @first_come(ptr %places) {
  %left = atomicrmw sub ptr %places, i64 1 monotonic
  %taken = icmp sgt i64 %left, 0
  br i1 %taken, label %work, label %end
work:
  %second = getelementptr i64, ptr %places, i64 1
  %callback = load ptr, ptr %second
  call void %callback(ptr %places)
  br label %end
end:
  ret void
}
"""
"""What each thread of a team runs. Surplus threads return without taking the GIL."""


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


@cache
def _first_come() -> tuple[int, Any]:
    """The address of its machine code, and what owns that."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine()
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(FIRST_COME), machine)
    engine.finalize_object()
    return engine.get_function_address("first_come"), engine


def _run_team(n_workers: int, work: Callable[[Any], None]) -> int:
    """Call work on at most so many threads of OpenMP. Returns how many there were."""
    places = _Places(n_workers, _Callback(work))
    # As many threads as torch takes, though some may find no place: to change their number ends or starts threads.
    team = max(torch.get_num_threads(), n_workers)
    with _lock:
        code, _ = _first_come()
    _openmp(code, ctypes.addressof(places), team, 0)
    return n_workers - max(places.left, 0)


_openmp: Any = _find_openmp()
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
    left, numbers = itertools.count(), itertools.count()
    ends: list[BaseException | None] = []

    def work(_: Any = None) -> None:
        try:
            worker = next(numbers)
            while (task := next(left)) < tasks:
                one(task, worker)
            ends.append(None)
        except BaseException as error:  # it cannot pass through C
            ends.append(error)

    if _openmp is not None:
        begun = _run_team(n_workers, work)
    else:
        others = [_threads().submit(work) for _ in range(1, n_workers)]
        try:
            work()
        finally:
            # A helper that has not started finds no task left; one that has, must end before its arrays may go.
            running = [other for other in others if not other.cancel()]
            wait(running)
        begun = 1 + len(running)
    for error in ends:
        if error is not None:
            raise error
    if len(ends) < begun:
        # Ctrl-C before the first line of a callback, where ctypes writes it to stderr and goes on.
        raise KeyboardInterrupt


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
