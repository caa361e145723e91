"""What a report has to tell of where its numbers come from: data, versions, machine, commit."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

from wormnet._version import __version__
from wormnet.data import Dataset
from wormnet.study.networks import Shape

__all__ = ["describe", "environment", "machine"]


def describe(dataset: Dataset, shape: Shape) -> dict[str, Any]:
    """A data set without its numbers."""
    parts = {"train": dataset.train, "valid": dataset.valid, "test": dataset.test}
    return {
        "task": dataset.task,
        "per": dataset.per,
        "n_inputs": dataset.n_inputs,
        "n_outputs": dataset.n_outputs,
        "steps": int(dataset.train.x.shape[1]),
        "sequences": {part: len(content) for part, content in parts.items()},
        "targets": {part: len(content.targets) for part, content in parts.items()},
        "irregular": shape.irregular,
        "time_unit": shape.time_unit,
        "source": dataset.source,
        "licence": dataset.licence,
        "citation": dataset.citation,
        "protocol": dataset.protocol,
        "baselines": {name: float(value) for name, value in dataset.baselines.items()},
    }


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

    packages = ("torch", "numpy", "pytorch-lightning", "torchmetrics", "scipy", "joblib", "optuna")
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
