"""A data set as networks get it: standardised, with dt told to all of them alike."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wormnet.data import Dataset, Sequences
from wormnet.study.metrics import Metric
from wormnet.study.network import Shape

__all__ = ["Prepared", "View", "digest_of", "dt_of", "prepare", "shape_of", "share_of"]


def dt_of(part: Sequences) -> NDArray[np.float64]:
    """(sequences, time) time since the previous sample; 1 where the part has none."""
    dt = np.ones((len(part), 1)) if part.dt is None else part.dt.reshape(len(part), -1).astype(np.float64)
    return np.broadcast_to(dt, part.x.shape[:2])


@dataclass(frozen=True)
class View:
    """What networks see of a part: channels, and dt where it varies, standardised by the train part.

    Args:
        mean, deviation: (channels,) of the real steps of train.
        time: ((mean, deviation) of dt, (mean, deviation) of log dt), in units of `unit`; () where dt does not vary.
    """

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    time: tuple[tuple[float, float], ...] = ()
    unit: float = 1.0

    @classmethod
    def of(cls, train: Sequences, shape: Shape) -> "View":
        """Fitted to a train part."""
        real = train.x[train.mask].astype(np.float64)
        time = ()
        if shape.irregular:
            dt = dt_of(train)[train.mask] / shape.time_unit
            time = tuple((float(values.mean()), float(_not_0(values.std()))) for values in (dt, np.log(dt)))
        return cls(real.mean(0), _not_0(real.std(0)), time, shape.time_unit)

    def scaled(self, part: Sequences) -> Sequences:
        """Channels of mean 0 and deviation 1 over the real steps of train."""
        return Sequences((part.x - self.mean) / self.deviation, part.y, part.lengths, part.dt)

    def told(self, part: Sequences) -> Sequences:
        """A scaled part with dt and log dt as two more inputs, where dt varies."""
        if not self.time:
            return part
        dt = dt_of(part) / self.unit
        columns = [(values - mean) / deviation for values, (mean, deviation) in zip((dt, np.log(dt)), self.time)]
        x = np.concatenate([part.x, np.stack(columns, -1)], axis=2)
        return Sequences(x, part.y, part.lengths, part.dt)


def _not_0(deviation: Any) -> Any:
    return np.where(deviation > 0, deviation, 1.0)


@dataclass(frozen=True, eq=False)
class Prepared:
    """A fold of a data set as the workers get it. Parts are scaled; `view.told` tells dt of them."""

    name: str
    fold: int
    shape: Shape
    view: View
    train: Sequences
    valid: Sequences
    test: Sequences
    metrics: tuple[Metric, ...]
    """The first one is what epochs, settings and networks are chosen by."""
    apart: Mapping[str, Sequences] = field(default_factory=dict)
    unfamiliar: Mapping[str, Sequences] = field(default_factory=dict)
    redraw: Callable[[int], Sequences] | None = None
    recordings: Sequence[int] | None = None
    about: Mapping[str, Any] = field(default_factory=dict)
    """What is told of it: task, sizes, source, licence, baselines."""
    digest: str = ""
    """Of the content of all parts."""

    def train_of(self, epoch: int) -> Sequences:
        """The train part of an epoch as networks see it, drawn anew where the data set offers that."""
        part = self.train if self.redraw is None else self.view.scaled(self.redraw(epoch))
        return self.view.told(part)


def prepare(
    dataset: Dataset,
    fold: int,
    metrics: tuple[Metric, ...],
    neurons: int = 0,
    residual: bool = True,
    time_unit: float | None = None,
) -> Prepared:
    """A fold of a data set as the workers get it.

    Args:
        fold: its number.   neurons: of the network that the others are sized after; 0 for the usual number.
        residual: whether networks learn the change from one input to the next, where that is the target.
        time_unit: how much of dt is one unit of time for the networks; None for the median dt of the train part.
    """
    shape = shape_of(dataset, neurons, residual=residual, time_unit=time_unit)
    view = View.of(dataset.train, shape)
    scaled = {name: view.scaled(part) for name, part in dataset.parts.items()}
    return Prepared(
        *(dataset.name, fold, shape, view, scaled["train"], scaled["valid"], scaled["test"], metrics),
        apart={name: scaled[name] for name in dataset.apart},
        unfamiliar={name: scaled[name] for name in dataset.unfamiliar},
        redraw=dataset.redraw,
        recordings=dataset.recordings,
        about=_about(dataset, shape, metrics),
        digest=digest_of(dataset),
    )


def shape_of(dataset: Dataset, neurons: int = 0, *, residual: bool = True, time_unit: float | None = None) -> Shape:
    """What a network has to know of a data set. The unit of time is the median dt of the train part, if not given."""
    train, irregular, unit = dataset.train, False, 1.0
    if train.dt is not None and train.mask.any():
        dt = dt_of(train)[train.mask]
        irregular, unit = bool(dt.max() > dt.min()), float(np.median(dt))
    # One class alone still takes two scores to compare.
    n_outputs = max(dataset.n_outputs, 2) if dataset.task == "classify" else dataset.n_outputs
    return Shape(
        n_inputs=dataset.n_inputs + 2 * irregular,
        n_outputs=n_outputs,
        per=dataset.per,
        irregular=irregular,
        time_unit=unit if time_unit is None else time_unit,
        steps=int(train.x.shape[1]),
        residual=residual and dataset.residual,
        neurons=neurons,
    )


def digest_of(dataset: Dataset) -> str:
    """Of all that a data set holds."""
    content = hashlib.sha256(f"{dataset.task} {dataset.n_outputs} {dataset.residual} {dataset.recordings}".encode())
    parts = list(dataset.parts.values())
    if dataset.redraw is not None:
        parts.append(dataset.redraw(1))
    for part in parts:
        for array in (part.x, part.y, part.lengths, part.dt):
            content.update(b"-" if array is None else f"{array.dtype}{array.shape}".encode() + array.tobytes())
    return content.hexdigest()


def share_of(part: Sequences, share: float, seed: int) -> Sequences:
    """A share of the sequences, at least one; with the same seed a smaller share is within a larger one.

    >>> part = Sequences(np.zeros((10, 3, 1)), y=[0] * 10)
    >>> len(share_of(part, 0.3, seed=0))
    3
    """
    if share >= 1:
        return part
    order = np.random.default_rng([seed, 17]).permutation(len(part))
    return part.take(np.sort(order[: max(1, round(share * len(part)))]))


def _about(dataset: Dataset, shape: Shape, metrics: Sequence[Metric]) -> dict[str, Any]:
    parts = {"train": dataset.train, "valid": dataset.valid, "test": dataset.test}
    return {
        "task": dataset.task,
        "per": dataset.per,
        "metric": metrics[0].name,
        "metrics": [one.name for one in metrics],
        "n_inputs": dataset.n_inputs,
        "n_outputs": dataset.n_outputs,
        "steps": shape.steps,
        "sequences": {part: len(content) for part, content in parts.items()},
        "targets": {part: len(content.targets) for part, content in parts.items()},
        "irregular": shape.irregular,
        "time_unit": shape.time_unit,
        "residual": shape.residual,
        "redrawn": dataset.redraw is not None,
        "apart": list(dataset.apart),
        "unfamiliar": list(dataset.unfamiliar),
        "source": dataset.source,
        "licence": dataset.licence,
        "citation": dataset.citation,
        "protocol": dataset.protocol,
        "baselines": _baselines(dataset, metrics[0]),
    }


def _baselines(dataset: Dataset, metric: Metric) -> dict[str, float]:
    """Test scores of trivial methods in the metric that networks are chosen by: those that the data set has in its
    usual one, in any other that of one answer to all, the shares of the classes in train or the mean of its targets."""
    if metric.name in ("accuracy", "mse"):
        return {name: float(value) for name, value in dataset.baselines.items()}
    train, test = dataset.train.targets, dataset.test.targets
    if dataset.task == "classify":
        shares = np.bincount(train, minlength=dataset.n_outputs) / len(train)
        name, answer = "class shares", np.log(np.maximum(shares, 1e-12))
    else:
        name, answer = "mean", train.mean(0, dtype=np.float64)
    value = metric(np.tile(answer, (len(test), 1)), test)
    return {name: value} if np.isfinite(value) else {}
