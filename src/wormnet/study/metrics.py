"""How well a network does: the metrics by name, computed by scikit-learn from a network's scores."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from wormnet.errors import ArgumentError, unknown

__all__ = ["METRICS", "Metric", "all_of", "metric", "register_metric", "usual"]

Array = NDArray[np.float64]
Task = Literal["classify", "regress"]


@dataclass(frozen=True)
class Metric:
    """A score of predictions.

    Args:
        name: in plans, records and reports.
        better: +1 where more is better, -1 where less is.
        bounds: the least and the largest value that there is.
        of: (scores (n, outputs), y) -> float, or NaN where it is not defined. Of a classification scores are logits
            and y (n,) classes; of a regression predictions and y (n, outputs).
        task: what it is for.
        unit: "%" if it is a share that is shown in percent; "" for a number.
        about: what it is, for the report.

    Raises: ArgumentError for a field that cannot be.

    >>> METRICS["accuracy"].of(np.array([[2.0, 1.0], [0.0, 3.0]]), np.array([0, 0]))
    0.5
    """

    name: str
    better: Literal[1, -1]
    bounds: tuple[float, float]
    of: Callable[[Array, NDArray[np.generic]], float]
    task: Task
    unit: Literal["%", ""] = ""
    about: str = ""

    def __post_init__(self):
        if not isinstance(self.name, str) or not self.name or not callable(self.of):
            raise ArgumentError(f"a metric was given name {self.name!r}, of {self.of!r}; it takes both.")
        if self.better not in (1, -1) or self.task not in ("classify", "regress"):
            raise ArgumentError(
                f"{self.name}: better is {self.better!r}, task {self.task!r}; they take 1 or -1, classify or regress."
            )

    def __call__(self, scores: Array, y: NDArray[np.generic]) -> float:
        """The value, as a number; NaN where it is not defined."""
        return float(self.of(scores, y))


def _probabilities(scores: Array) -> Array:
    shifted = np.exp(scores - scores.max(1, keepdims=True))
    return shifted / shifted.sum(1, keepdims=True)


def accuracy(scores: Array, y: NDArray[np.generic]) -> float:
    """The share of cases whose largest score is that of their class."""
    from sklearn.metrics import accuracy_score

    return float(accuracy_score(y, scores.argmax(1)))


def balanced_accuracy(scores: Array, y: NDArray[np.generic]) -> float:
    """The mean over the classes that occur of the share of their cases that are recognised."""
    from sklearn.metrics import recall_score

    return float(recall_score(y, scores.argmax(1), labels=np.unique(y), average="macro"))


def roc_auc(scores: Array, y: NDArray[np.generic]) -> float:
    """Area under the ROC curve, one class against the rest, mean over the classes that occur."""
    from sklearn.metrics import roc_auc_score

    return _one_against_rest(roc_auc_score, scores, y)


def average_precision(scores: Array, y: NDArray[np.generic]) -> float:
    """Average precision: of two classes that of class 1, of more the mean over the classes that occur."""
    from sklearn.metrics import average_precision_score

    if scores.shape[1] == 2:
        return float(average_precision_score(y == 1, _probabilities(scores)[:, 1])) if np.any(y == 1) else float("nan")
    return _one_against_rest(average_precision_score, scores, y)


def _one_against_rest(of: Callable[..., Any], scores: Array, y: NDArray[np.generic]) -> float:
    classes, found = np.unique(y), _probabilities(scores)
    if len(classes) < 2:
        return float("nan")
    return float(np.mean([of(y == k, found[:, k]) for k in classes]))


def log_loss(scores: Array, y: NDArray[np.generic]) -> float:
    """The mean of -log p of the true class, in nats."""
    shifted = scores - scores.max(1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    return float(-log_p[np.arange(len(y)), y.astype(np.int64)].mean())


def mse(scores: Array, y: NDArray[np.generic]) -> float:
    """The mean squared error, over all outputs alike."""
    from sklearn.metrics import mean_squared_error

    return float(mean_squared_error(y, scores))


def mae(scores: Array, y: NDArray[np.generic]) -> float:
    """The mean absolute error, over all outputs alike."""
    from sklearn.metrics import mean_absolute_error

    return float(mean_absolute_error(y, scores))


_INF = float("inf")

METRICS: dict[str, Metric] = {
    one.name: one
    for one in (
        Metric("accuracy", 1, (0.0, 1.0), accuracy, "classify", "%", "share of cases that are right"),
        Metric("balanced_accuracy", 1, (0.0, 1.0), balanced_accuracy, "classify", "%", "accuracy, mean over classes"),
        Metric("roc_auc", 1, (0.0, 1.0), roc_auc, "classify", "", "area under the ROC curve, mean over classes"),
        Metric("average_precision", 1, (0.0, 1.0), average_precision, "classify", "", "area under precision by recall"),
        Metric("log_loss", -1, (0.0, _INF), log_loss, "classify", "", "cross entropy, nats"),
        Metric("mse", -1, (0.0, _INF), mse, "regress", "", "mean squared error"),
        Metric("mae", -1, (0.0, _INF), mae, "regress", "", "mean absolute error"),
    )
}
"""The metrics by name. `register_metric` adds one."""

_USUAL: dict[str, tuple[str, ...]] = {
    "classify": ("accuracy", "balanced_accuracy", "log_loss"),
    "regress": ("mse", "mae"),
}


def register_metric(one: Metric) -> Metric:
    """Make a metric known by its name in this process. Raises ArgumentError for a name that is taken."""
    if not isinstance(one, Metric) or one.name in METRICS:
        raise ArgumentError(f"register_metric was given {one!r}; it takes a Metric with a name of its own.")
    METRICS[one.name] = one
    return one


def usual(task: str) -> tuple[str, ...]:
    """The metrics of a task where a plan names none; the first one is what networks are chosen and compared by.

    >>> usual("regress")
    ('mse', 'mae')
    """
    return _USUAL[task]


def metric(given: object) -> Metric:
    """A metric by its name, by `module:name`, or as it is.

    Raises: ArgumentError for a name that does not exist, with those that do.

    >>> metric("roc_auc").better
    1
    >>> metric("acuracy")
    Traceback (most recent call last):
    wormnet.errors.ArgumentError: unknown metric 'acuracy'; did you mean 'accuracy' or 'balanced_accuracy'? Known: ...
    """
    if isinstance(given, Metric):
        return given
    if isinstance(given, str) and given in METRICS:
        return METRICS[given]
    if isinstance(given, str) and ":" in given:
        from wormnet.study.network import imported

        found = imported("metric", given)
        if not isinstance(found, Metric):
            raise ArgumentError(f"metric {given!r} is {found!r}; it takes a Metric.")
        return found
    raise ArgumentError(unknown("metric", given, METRICS))


def all_of(given: Sequence[object], task: str) -> tuple[Metric, ...]:
    """Metrics by their names. Raises ArgumentError for one of another task."""
    found = tuple(metric(one) for one in given)
    for one in found:
        if one.task != task:
            raise ArgumentError(f"metric {one.name} is for {one.task!r}; the data set's task is {task!r}.")
    return found
