"""WormForecaster: a series in, what it will be in some steps out."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from aeon.forecasting.base import BaseForecaster, DirectForecastingMixin, IterativeForecastingMixin
from numpy.typing import NDArray

from wormnet.data import Sequences
from wormnet.errors import ShapeError
from wormnet.estimators.settings import count, plain
from wormnet.estimators.trained import Trained

__all__ = ["WormForecaster"]

Array = NDArray[np.float64]


@dataclass(eq=False, repr=False)
class WormForecaster(Trained, DirectForecastingMixin, IterativeForecastingMixin, BaseForecaster):
    """Tell what a series of one channel, sampled at equal distances, will be in some steps.

        y(t + horizon) = y(t) + answer(y(t - window + 1), ..., y(t))

    so that an answer of 0 is persistence, the forecast that is hard to beat. The network is trained on all windows of
    the series; the last share of them is held out.

    Args:
        network: and all up to random_state, as `WormClassifier` takes them.
        horizon: how many steps ahead.   window: how many samples it looks at.

    `fit(y)`, `predict(y)` and `forecast(y)` are those of aeon's BaseForecaster; so are `iterative_forecast`, one step
    again and again, and `direct_forecast`, one network for each step.

    Raises: ArgumentError or ShapeError, which are ValueErrors, for what does not fit.

    >>> y = np.sin(np.arange(200) / 4)
    >>> model = WormForecaster("gru-8", window=8, epochs=60).fit(y[:160])
    >>> bool(abs(model.predict(y[:180]) - y[180]) < abs(y[179] - y[180]) / 2)  # at most half the error of persistence
    True
    """

    horizon: int = 1
    window: int = 24

    _tags: ClassVar[dict[str, Any]] = {"capability:horizon": True, "y_inner_type": "np.ndarray"}

    def __post_init__(self):
        super().__init__(horizon=self.horizon, axis=1)

    def _fit(self, y: Array, exog: None) -> "WormForecaster":
        series, window, ahead = y[0], count("window", self.window), count("horizon", self.horizon)
        n = len(series) - window - ahead + 1
        if n < 2:
            raise ShapeError(
                f"y has {len(series)} points; window={window} and horizon={ahead} take {window + ahead + 1} or more."
            )
        now = np.arange(n) + window - 1
        x = np.lib.stride_tricks.sliding_window_view(series, window)[:n, :, None]
        cases = Sequences(x, (series[now + ahead] - series[now])[:, None])
        held = round(plain(self.validation) * n)
        # What is trained on ends before the first value that is to be foretold in validation.
        train = cases.take(slice(0, max(1, n - held - (ahead - 1))))
        self._train(train, cases.take(slice(n - held, None)) if held else train, self._seed())
        return self

    def _predict(self, y: Array, exog: None = None) -> float:  # pyright: ignore[reportIncompatibleMethodOverride]
        series, window = y[0], plain(self.window)
        if len(series) < window:
            raise ShapeError(f"y has {len(series)} points; this forecaster looks at the last {window}.")
        cases = Sequences(series[None, -window:, None], np.zeros(1, np.int64))
        return float(series[-1] + self._answers(cases)[0, 0])

    @classmethod
    def _get_test_params(cls, parameter_set: str = "default") -> Any:
        """Settings of aeon's checks: a network that compiles nothing, and few epochs."""
        return {"network": "gru-4", "epochs": 2, "window": 4}
