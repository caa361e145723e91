"""What a report has to tell of where its numbers come from: data, versions, machine, commit."""

import functools
import hashlib
import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

from wormnet._version import __version__

__all__ = ["environment", "machine", "source"]


@functools.cache
def source() -> str:
    """A digest of the package's source, by which records of changed source are told apart."""
    found, folder = hashlib.sha256(), Path(__file__).parents[1]
    for path in sorted(folder.rglob("*.py")):
        found.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return found.hexdigest()[:16]


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
