"""WormForecaster: a series in, what it will be in some steps out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from aeon.forecasting.base import (
    BaseForecaster,
    DirectForecastingMixin,
    IterativeForecastingMixin,
    SeriesToSeriesForecastingMixin,
)
from numpy.typing import NDArray

from wormnet.data import Sequences
from wormnet.errors import ArgumentError, ShapeError, shown
from wormnet.estimators.settings import plain
from wormnet.estimators.trained import Trained

__all__ = ["WormForecaster"]

Array = NDArray[np.float64]


@dataclass(eq=False, repr=False)
class WormForecaster(
    Trained, DirectForecastingMixin, IterativeForecastingMixin, SeriesToSeriesForecastingMixin, BaseForecaster
):
    """Tell what a series of one channel, sampled at equal distances, will be in some steps.

        y(t + horizon) = y(t) + answer(y(t - window + 1), ..., y(t), exog(t + horizon))

    so that an answer of 0 is persistence, the forecast that is hard to beat. The network is trained on all windows of
    the series; the last share of them is held out. Which networks do better on which data stands in docs/results.

    Args: as `WormClassifier` takes them, up to random_state, and
        horizon: how many steps ahead.   window: how many samples it looks at.

    `fit(y, exog)`, `predict(y, exog)` and `forecast(y)` are those of aeon's BaseForecaster: exog are numbers that are
    known beforehand, a row for each point of y, and in predict the one of the time that is forecast. So are
    `iterative_forecast` (one step again and again), `direct_forecast` (one network for each step) and
    `series_to_series_forecast` (one network with an output for each step).

    Raises: ArgumentError or ShapeError, which are ValueErrors, for what does not fit.

    >>> y = np.sin(np.arange(200) / 4)
    >>> model = WormForecaster("gru-8", window=8, epochs=60).fit(y[:160])
    >>> abs(model.predict(y[:180]) - y[180]) < abs(y[179] - y[180]) / 2  # half the error of persistence, or less
    True
    """

    horizon: int = 1
    window: int = 24

    _kept = (*Trained._kept, "_n_exog")
    _tags: ClassVar[dict[str, Any]] = {
        "capability:exogenous": True,
        "capability:horizon": True,
        "y_inner_type": "np.ndarray",
    }

    def __post_init__(self):
        super().__init__(horizon=self.horizon, axis=1)

    def _fit(self, y: Array, exog: Array | None) -> "WormForecaster":
        self._learn(y[0], exog, [_whole("horizon", self.horizon)])
        return self

    def _predict(self, y: Array, exog: Array | None = None) -> float:
        return float(self._ahead(y[0], exog)[0])

    def _forecast(self, y: Array, exog: Array | None = None) -> float:
        if exog is not None:
            raise ArgumentError(
                "forecast(y, exog) does not tell exog at the time that is forecast; fit(y, exog), then "
                "predict(y, exog=row of that time)."
            )
        return self._fit(y, None)._predict(y)

    def _series_to_series_forecast(self, y: Any, prediction_horizon: int, exog: Any) -> Array:
        """All steps up to the horizon by one network with as many outputs."""
        if exog is not None:
            raise ArgumentError("series_to_series_forecast takes no exog: it is not told exog of the steps to come.")
        series = self._preprocess_forecasting_input(y, None, 1, False)[0][0]
        fresh = self.clone()
        fresh._learn(series, None, range(1, _whole("prediction_horizon", prediction_horizon) + 1))
        return fresh._ahead(series, None)

    def _learn(self, series: Array, exog: Array | None, ahead: Sequence[int]) -> None:
        """Train on all windows of a series, to tell how far it will have moved `ahead` steps after each."""
        window, last = _whole("window", self.window), max(ahead)
        n = len(series) - window - last + 1
        if n < 2:
            raise ShapeError(
                f"y has {len(series)} points; window={window} and a horizon of {last} take {window + last + 1} or more."
            )
        now = np.arange(n) + window - 1
        then = now[:, None] + np.asarray(ahead)
        x = np.lib.stride_tricks.sliding_window_view(series, window)[:n, :, None]
        self._n_exog = 0
        if exog is not None:
            rows = _rows(exog, len(series))
            self._n_exog = rows.shape[1]
            x = _beside(x, rows[then[:, 0]])
        cases = Sequences(x, series[then] - series[now, None])
        held = round(plain(self.validation) * n)
        # What is trained on ends before the first value that is to be foretold in validation.
        train = cases.take(slice(0, max(1, n - held - (last - min(ahead)))))
        self._train(train, cases.take(slice(n - held, None)) if held else train, self._seed())

    def _ahead(self, series: Array, exog: Array | None) -> Array:
        """(outputs,) the values to come."""
        window = plain(self.window)
        if len(series) < window:
            raise ShapeError(f"y has {len(series)} points; this forecaster looks at the last {window}.")
        x = series[None, -window:, None]
        rows = np.zeros((1, 0)) if exog is None else np.asarray(exog, np.float64)
        if rows.shape != (1, self._n_exog):
            raise ShapeError(
                f"exog has shape {rows.shape if exog is not None else None}; it takes the row of the time that is "
                f"forecast, (1, {self._n_exog}){'' if self._n_exog else ', which is none: it was fitted without'}."
            )
        x = _beside(x, rows) if self._n_exog else x
        return series[-1] + self._answers(Sequences(x, np.zeros(1, np.int64)))[0]

    @classmethod
    def _get_test_params(cls, parameter_set: str = "default") -> Any:
        """Settings of aeon's checks: a network that compiles nothing, and few epochs."""
        return {"network": "gru-4", "epochs": 2, "window": 4}


def _whole(name: str, given: Any) -> int:
    value = plain(given)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ArgumentError(f"{name} is {shown(value)}; it takes a whole number of steps, 1 or more.")
    return value


def _rows(exog: Any, n: int) -> Array:
    """(time, features), of that or of (1, time)."""
    rows = np.asarray(exog, np.float64)
    rows = rows.T if rows.shape == (1, n) else rows
    if rows.ndim != 2 or len(rows) != n:
        raise ShapeError(f"exog has shape {np.shape(exog)}; it takes a row for each of the {n} points of y.")
    return rows


def _beside(x: Array, rows: Array) -> Array:
    """Windows (n, window, 1) that are told the row (n, features) of their target at every step."""
    return np.concatenate([x, np.repeat(rows[:, None], x.shape[1], axis=1)], axis=2)
