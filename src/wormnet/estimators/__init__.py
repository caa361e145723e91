"""Estimators of scikit-learn and aeon: fit, predict, score, with a worm's network inside.

model = wormnet.WormClassifier().fit(x, y)
"""

from wormnet.errors import WormnetError

try:
    from wormnet.estimators.classifier import WormClassifier
    from wormnet.estimators.forecaster import WormForecaster
    from wormnet.estimators.regressor import WormRegressor
except ModuleNotFoundError as error:
    package = str(error.name).partition(".")[0]
    if package == "wormnet":
        raise
    raise WormnetError(f'wormnet.estimators needs {package}: pip install "wormnet[study]"') from None

__all__ = ["WormClassifier", "WormForecaster", "WormRegressor"]
