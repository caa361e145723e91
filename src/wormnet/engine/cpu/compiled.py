"""How kernels are compiled: to run without the GIL, once per machine, with a message if it takes long."""

import gc
import hashlib
import logging
import os
import re
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache, cached_property
from pathlib import Path
from typing import Any, ClassVar

import numba
from llvmlite.binding import Linkage
from numba.core import types
from numba.core.caching import CompileResultCacheImpl, FunctionCache, _CacheLocator
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler
from numba.core.compiler_machinery import AnalysisPass, register_pass
from numba.core.errors import NumbaError
from numba.core.registry import cpu_target
from numba.core.typed_passes import AnnotateTypes

from wormnet.errors import BackendError

__all__ = ["Kernel", "device", "inlined", "kernel"]

PATIENCE = 2.0
"""Seconds of compilation that pass without a word."""

log = logging.getLogger("wormnet")
# Nothing is allocated, so reference counting is off: in loops over many small functions it costs a quarter of the time.
FLAGS: dict[str, Any] = {"_nrt": False, "nogil": True, "error_model": "numpy", "fastmath": {"contract"}}


class _Part(JITCodeLibrary):
    """Code that is optimized only as part of the kernel it is inlined into, not function by function on the way: for
    kernels made of many small functions, that takes a fifth of the compilation time."""

    def _optimize_final_module(self):
        pass


class _Whole(JITCodeLibrary):
    """A kernel whose parts nobody else sees.

    Numba names them by a count that every process begins anew, so that two kernels compiled in two processes have parts
    of one name; read from the disk into a third process, one would run the other's.
    """

    def _optimize_final_module(self):
        for one in self._final_module.functions:
            if not one.is_declaration and one.linkage == Linkage.linkonce_odr:
                one.linkage = Linkage.internal
        super()._optimize_final_module()


def _compiler_into(kind: type[JITCodeLibrary]) -> type[Compiler]:
    """Numba's compiler, lowering into a library of a kind."""

    @register_pass(mutates_CFG=False, analysis_only=True)
    class Library(AnalysisPass):
        _name = f"wormnet_library{kind.__name__}"

        def __init__(self):
            AnalysisPass.__init__(self)

        def run_pass(self, state):  # pyright: ignore[reportIncompatibleMethodOverride]
            if state.library is None:
                state.library = kind(state.targetctx.codegen(), state.func_id.func_qualname)
                state.library.enable_object_caching()  # as Numba does, so that it can be kept on the disk
            return False

    class Pipeline(Compiler):
        def define_pipelines(self):
            pipelines = super().define_pipelines()
            for one in pipelines:
                one.add_pass_after(Library, AnnotateTypes)
                one.finalize()
            return pipelines

    return Pipeline


PART, WHOLE = _compiler_into(_Part), _compiler_into(_Whole)


def inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function into each kernel that calls it."""
    no_wrappers = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}  # Python never calls it
    return numba.njit(forceinline=True, pipeline_class=PART, **no_wrappers, **FLAGS)(function)


def device(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a part of a kernel, for kernels to call."""
    return numba.njit(pipeline_class=PART, **FLAGS)(function)


@cache
def _sources() -> str:
    """A digest of all that kernels are made of but the model, whose digest is in their names."""
    package = Path(__file__).parents[2]
    files = [*sorted((package / "engine" / "cpu").glob("*.py")), package / "engine" / "bind.py"]
    return hashlib.sha256(b"".join(one.read_bytes() for one in files)).hexdigest()


@cache
def _directory() -> Path | None:
    """Where compiled kernels are kept: NUMBA_CACHE_DIR, or beside the source, or the user's cache; None if nowhere."""
    named, cache = os.environ.get("NUMBA_CACHE_DIR"), os.environ.get("XDG_CACHE_HOME")
    places = [Path(named) / "wormnet"] if named else [Path(__file__).parent / "__pycache__"]
    if not named:
        with suppress(RuntimeError):  # a user without a home
            places.append(Path(cache or Path.home() / ".cache") / "wormnet" / "kernels")
    for one in places:
        try:
            one.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=one):
                return one
        except OSError:
            continue
    return None


class _Locator(_CacheLocator):
    def __init__(self, function, file):
        self._name = function.__qualname__

    @classmethod
    def from_function(cls, py_func, py_file):
        return cls(py_func, py_file)

    def get_cache_path(self):  # pyright: ignore
        return str(_directory())

    def get_source_stamp(self):  # pyright: ignore
        return _sources()

    def get_disambiguator(self):  # pyright: ignore
        return hashlib.sha256(self._name.encode()).hexdigest()[:16]


class _Files(CompileResultCacheImpl):
    _locator_classes: ClassVar = [_Locator]


class _Cache(FunctionCache):
    _impl_class = _Files

    def _index_key(self, sig, codegen):
        # Numba would add what a kernel closes over, pickled, which differs from process to process. That is in the
        # digest of the sources and, for what belongs to the model, in the name.
        return sig, codegen.magic_tuple(), self._py_func.__qualname__

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
        self.dispatcher: Any = numba.njit(pipeline_class=WHOLE, **FLAGS)(function)
        if _directory() is not None:
            self.dispatcher._cache = _Cache(function)
        self._lock = threading.RLock()
        self._known: set[Any] = set()

    def __call__(self, *arguments: Any) -> Any:
        """Run it; numbers and axes of the first argument decide the code."""
        kind = arguments[0].dtype, arguments[0].ndim
        if kind in self._known:
            return self.dispatcher(*arguments)
        with self._lock, _announced(self.name):
            _load_the_rest_of_numba()
            with _told():
                result = self.dispatcher(*arguments)
        self._known.add(kind)
        return result

    @cached_property
    def address(self) -> int:
        """Where C finds it as void (*)(void *), if it takes one address; compiled then, or taken from the disk."""
        with self._lock, _announced(self.name):
            _load_the_rest_of_numba()
            with _told():
                self.dispatcher.compile((types.intp,))
            (found,) = self.dispatcher.overloads.values()
        return found.library.get_pointer_to_function(found.fndesc.llvm_cfunc_wrapper_name)


@contextmanager
def _told() -> Iterator[None]:
    """Turn Numba's page-long error into one sentence."""
    try:
        yield
    except NumbaError as error:
        raise BackendError(_uncompiled(str(error))) from error


def _uncompiled(told: str) -> str:
    telling = ("No implementation of function", "Unknown attribute", "Invalid use of", "Untyped global name", "Use of")
    lines = [line.strip() for line in told.splitlines()]
    first = next((line for line in lines if line.startswith(telling)), lines[0] if lines else "")
    first = first.removesuffix(" found for signature:")
    where = next((line for line in lines if line.startswith('File "')), "")
    return (
        f"a function of this model cannot be compiled: {_PAINT.sub('', first)} {where}".rstrip(" :.") + ". It takes "
        '+ - * / and the functions of wormnet.models.elementary, imported by name; backend="reference" runs others.'
    )


_PAINT = re.compile(r"\x1b\[[0-9;]*m")


@cache
def _load_the_rest_of_numba() -> None:
    """Import what Numba itself imports before it compiles or reads its first function.

    Meanwhile no garbage is collected: with all of torch in memory that takes as long as the imports, and finds nothing.
    """
    target: Any = cpu_target
    on = gc.isenabled()
    gc.disable()
    try:
        target.typing_context.refresh()
        target.target_context.refresh()
    finally:
        if on:
            gc.enable()


@contextmanager
def _announced(name: str) -> Iterator[None]:
    """Log a message if compilation takes long."""
    timer = threading.Timer(PATIENCE, log.warning, ("compiling wormnet's %s kernel for this machine, once ...", name))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def kernel(function: Callable[..., Any], name: str) -> Kernel:
    """Compile a function whose first argument is an array of the type that it computes in, or one of an address.

    The name has to differ for all that a function may close over.
    """
    function.__qualname__ = name
    return Kernel(function)
