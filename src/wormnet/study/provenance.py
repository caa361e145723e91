"""What a report has to tell of where its numbers come from: source, versions, machine, commit."""

import ast
import functools
import hashlib
import inspect
import os
import platform
import secrets
import subprocess
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import packages_distributions, version
from pathlib import Path
from types import ModuleType
from typing import Any

from wormnet._version import __version__

__all__ = ["environment", "machine", "source"]

PACKAGE = Path(__file__).parents[1]

WITHOUT = (
    *("cli/", "compat/", "control/", "estimators/", "export/", "live/", "plot/", "testing/", "zoo/"),
    *("statistics.py", "study/default.toml"),
    *("study/claims.py", "study/cluster.py", "study/provenance.py", "study/runner.py", "study/schedule.py"),
    *("study/progress.py", "study/store.py", "study/weights.py", "study/whole.py"),
    *("study/compare.py", "study/effects.py", "study/figures.py", "study/findings.py", "study/gains.py"),
    *("study/report", "study/scale.py", "study/stats.py", "study/summary.py", "study/words.py", "study/tap_"),
)
"""What cannot change a number of a run: showing, scheduling, keeping. A new file counts until it is named here."""


def machine() -> dict[str, Any]:
    """The processor and the system."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        model = names[0] if names else model
    return {"processor": model, "cores": os.cpu_count(), "system": platform.platform()}


def environment(workers: int) -> dict[str, Any]:
    """Versions, machine, commit."""

    packages = ("torch", "numpy", "pytorch-lightning", "scipy", "joblib", "optuna")
    versions = {"wormnet": __version__, "python": platform.python_version()} | {p: version(p) for p in packages}
    return {"versions": versions, "machine": machine(), "workers": workers, "commit": _commit()}


def _commit() -> str:
    """The commit of the package's own working copy, if it runs from one."""
    try:
        if _git("ls-files", "--error-unmatch", __file__) is None:
            return ""
        changed = " with changes" if _git("status", "--porcelain", "--", str(Path(__file__).parents[1])) else ""
        return f"{_git('rev-parse', '--short=12', 'HEAD')}{changed}"
    except OSError:
        return ""


def _git(*words: str) -> str | None:
    asked = subprocess.run(
        ["git", "-C", str(Path(__file__).parent), *words], capture_output=True, text=True, check=False
    )
    return None if asked.returncode else asked.stdout.strip()


# -- source ------------------------------------------------------------------------------------------------------------


def source(*things: Any) -> dict[str, str]:
    """A digest of wormnet's own source, and one for each module that things of the user's own come from.

    Of wormnet counts every file but those of the command line, of drawing, of scheduling and of the report. Of a module
    outside of it count its file and what that imports from beside or below it; of an installed package its version.
    What has no source, as a function that was typed in, gets a digest that no other one equals.

    Args: things: modules, or functions, classes and objects, of which the module is taken.

    >>> sorted(source()), source() == source(len)
    (['wormnet'], True)
    """
    found = {"wormnet": _package(PACKAGE)}
    for thing in things:
        while isinstance(thing, functools.partial):
            thing = thing.func
        owner = thing if isinstance(thing, ModuleType | type) or callable(thing) else type(thing)
        name = owner.__name__ if isinstance(owner, ModuleType) else str(getattr(owner, "__module__", None))
        if name.partition(".")[0] in sys.stdlib_module_names - {"__main__"}:
            continue
        if (file := _file(owner)) is None:
            found[name] = _typed_in(thing)
        elif not file.is_relative_to(PACKAGE):
            found[name] = _installed(name, file) or _digest(_root(file), _with_imports(file))
        elif file not in set(_counted()):
            found[name] = _digest(PACKAGE, [file])
    return found


@functools.cache
def _package(root: Path) -> str:
    # What this process has loaded is what was there at the first look.
    return _digest(root, _counted())


def _counted() -> Iterator[Path]:
    for path in sorted(PACKAGE.rglob("*")):
        within = path.relative_to(PACKAGE).as_posix()
        if path.is_file() and "__pycache__" not in within and not within.startswith(WITHOUT):
            yield path


def _digest(root: Path, files: Iterable[Path]) -> str:
    found = hashlib.sha256()
    for path in files:
        content = path.read_bytes()
        found.update(f"{path.relative_to(root).as_posix()} {len(content)}\n".encode() + content)
    return found.hexdigest()[:16]


def _file(thing: Any) -> Path | None:
    try:
        file = inspect.getsourcefile(inspect.getmodule(thing) or thing)
    except TypeError:
        return None
    return Path(file).resolve() if file and Path(file).is_file() else None


def _typed_in(thing: Any) -> str:
    try:
        return hashlib.sha256(inspect.getsource(thing).encode()).hexdigest()[:16]
    except (OSError, TypeError):
        return secrets.token_hex(8)


def _installed(name: str, file: Path) -> str:
    """Name and version of the distribution that a module was installed with; "" for one that was not."""
    if not {"site-packages", "dist-packages"} & set(file.parts):
        return ""
    return ", ".join(f"{one} {version(one)}" for one in packages_distributions().get(name.partition(".")[0], []))


def _root(file: Path) -> Path:
    """The folder that absolute imports of a file's neighbours start from."""
    root = file.parent
    while (root / "__init__.py").exists():
        root = root.parent
    return root


def _with_imports(file: Path) -> list[Path]:
    """A file, and all below its root that it imports, directly or by others."""
    root, seen, left = _root(file), {file}, [file]
    while left:
        path = left.pop()
        for place in _imported(path, root):
            for one in (place.with_suffix(".py"), place / "__init__.py"):
                if one not in seen and one.is_file():
                    seen.add(one)
                    left.append(one)
    return sorted(seen)


def _imported(path: Path, root: Path) -> Iterator[Path]:
    """Where modules that a file imports would lie: a.b.c at a, a/b and a/b/c."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names, base = [alias.name for alias in node.names], root
        elif isinstance(node, ast.ImportFrom):
            names = [".".join(filter(None, (node.module, alias.name))) for alias in node.names]
            base = path.parents[node.level - 1] if node.level else root
        else:
            continue
        for name in names:
            place = base
            for part in name.split("."):
                place = place / part
                yield place
