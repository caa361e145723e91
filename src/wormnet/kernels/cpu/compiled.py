"""How kernels are compiled: without the interpreter's lock, once per machine, and not in silence."""

import hashlib
import logging
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numba
from numba.core.caching import CompileResultCacheImpl, FunctionCache, _CacheLocator

__all__ = ["Kernel", "device", "inlined", "kernel"]

PATIENCE = 2.0
"""Seconds of compilation that pass without a word."""

log = logging.getLogger("wormnet")
# Nothing is allocated, so no references are counted: in loops of many small functions that takes a quarter of the time.
FLAGS: dict[str, Any] = {"_nrt": False, "nogil": True, "error_model": "numpy", "fastmath": {"contract"}}


def inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a formula into each kernel that uses it."""
    return numba.njit(inline="always", **FLAGS)(function)


def device(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a part of a kernel, for kernels to call."""
    return numba.njit(**FLAGS)(function)


@cache
def _sources() -> str:
    """A digest of all that kernels are made of; Numba itself looks at no file but the kernel's own."""
    package = Path(__file__).parents[2]
    files = [*sorted((package / "kernels" / "cpu").glob("*.py")), package / "models" / "formulas.py"]
    return hashlib.sha256(b"".join(one.read_bytes() for one in files)).hexdigest()


@cache
def _directory() -> Path | None:
    """Where compiled kernels are kept: NUMBA_CACHE_DIR, or beside the source, or the user's cache; None if nowhere."""
    user = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wormnet" / "kernels"
    named = os.environ.get("NUMBA_CACHE_DIR")
    for one in [Path(named) / "wormnet"] if named else [Path(__file__).parent / "__pycache__", user]:
        try:
            one.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=one):
                return one
        except OSError:
            continue
    return None


class _Locator(_CacheLocator):
    def __init__(self, function, file):
        self._line = function.__code__.co_firstlineno

    @classmethod
    def from_function(cls, py_func, py_file):
        return cls(py_func, py_file)

    def get_cache_path(self):  # pyright: ignore
        return str(_directory())

    def get_source_stamp(self):  # pyright: ignore
        return _sources()

    def get_disambiguator(self):  # pyright: ignore
        return str(self._line)


class _Files(CompileResultCacheImpl):
    _locator_classes: ClassVar = [_Locator]


class _Cache(FunctionCache):
    _impl_class = _Files

    def load_overload(self, sig, target_context):
        try:
            return super().load_overload(sig, target_context)
        except Exception as broken:  # whatever a damaged file raises, compiling anew mends it
            log.info("compiled code in %s cannot be read (%s); compiling again", self.cache_path, broken)
            with suppress(OSError):
                self.flush()
            return None

    def save_overload(self, sig, data):
        try:
            super().save_overload(sig, data)
        except OSError as full:
            log.info("compiled code cannot be kept in %s (%s); the next process compiles again", self.cache_path, full)


class Kernel:
    """A compiled function. The first call with new types compiles it, or takes it from the disk."""

    def __init__(self, function: Callable[..., Any]):
        self.name = function.__name__
        self.dispatcher: Any = numba.njit(**FLAGS)(function)
        if _directory() is not None:
            self.dispatcher._cache = _Cache(function)
        self._lock = threading.RLock()
        self._known: set[Any] = set()

    def __call__(self, *arguments: Any) -> Any:
        """Run it; the type of the first argument's numbers decides the code."""
        if self._known and arguments[0].dtype in self._known:
            return self.dispatcher(*arguments)
        with self._lock, _announced(self.name):
            result = self.dispatcher(*arguments)
        self._known.add(arguments[0].dtype)
        return result


@contextmanager
def _announced(name: str) -> Iterator[None]:
    """Tell the user what takes so long, if it does."""
    timer = threading.Timer(PATIENCE, log.warning, ("compiling wormnet's %s kernel for this machine, once ...", name))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def kernel(function: Callable[..., Any]) -> Kernel:
    """Compile a function whose first argument is an array of the type that it computes in."""
    return Kernel(function)
