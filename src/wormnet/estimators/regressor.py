"""WormRegressor: sequences in, numbers out."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from aeon.regression import BaseRegressor
from numpy.typing import NDArray
from sklearn.utils.validation import check_array

from wormnet.data import Sequences
from wormnet.estimators.collection import CollectionEstimator

__all__ = ["WormRegressor"]


@dataclass(eq=False, repr=False)
class WormRegressor(CollectionEstimator, BaseRegressor):  # pyright: ignore[reportIncompatibleMethodOverride]
    """Tell a number, or several, of a sequence, by a network built like the worm's.

        answer = mean + deviation (W y(last sample) + b)

    with mean and deviation of the training targets. It is trained on the mean squared error, and scored by R2.

    Args: as `WormClassifier` takes them, without balanced; y is (cases,) or (cases, outputs) numbers, and label may
        name several columns. Cases are held out from every range of the first output alike.

    >>> x = np.random.default_rng(0).normal(size=(80, 10))  # one channel, 10 samples
    >>> model = WormRegressor("gru-8", epochs=60, patience=0).fit(x, x[:, -1])
    >>> model.score(x, x[:, -1]) > 0.9
    True
    """

    _kept = (*CollectionEstimator._kept, "_flat")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _check_y(self, y: Any, *given: Any, **options: Any) -> NDArray[np.float64]:
        return np.asarray(check_array(y, input_name="y", ensure_2d=False, dtype="float64", estimator=self))

    def _fit(self, X: Sequences, y: NDArray[Any]) -> "WormRegressor":  # pyright: ignore[reportIncompatibleMethodOverride]
        self._flat = y.ndim == 1
        self._fit_to(X, y.reshape(len(y), -1))
        return self

    def _predict(self, X: Sequences) -> NDArray[np.float64]:
        found = self._answers(X)
        return found[:, 0] if self._flat else found

    @classmethod
    def _get_test_params(cls, parameter_set: str = "default") -> Any:
        """Settings of aeon's checks: a network that compiles nothing, and few epochs."""
        return {"network": "gru-4", "epochs": 2, "missing": "forward"}
