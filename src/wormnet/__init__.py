"""Machine-learning models built the way the worm C. elegans builds its nervous system.

A network is a wiring (who is connected to whom) times a neuron model (what a neuron computes):

    rnn = wormnet.LTC(wormnet.auto_ncp(inputs=32, neurons=19, outputs=1))
    y, state = rnn(x)

Importing wormnet is cheap and changes nothing; torch is imported with the first name that needs it.
"""

import importlib
from typing import TYPE_CHECKING, Any

from wormnet._version import __version__
from wormnet.errors import (
    ArgumentError,
    BackendError,
    BlindOutputWarning,
    DataError,
    ShapeError,
    WiringError,
    WormnetError,
)
from wormnet.wiring import Wiring, auto_ncp, circuits, connectome, dense, ncp, nulls, random, small_world

if TYPE_CHECKING:
    from wormnet import audit, control, data, estimators, export, live, models, nn, plot, study, testing, wiring
    from wormnet.audit import stimulate
    from wormnet.estimators import WormClassifier, WormForecaster, WormRegressor
    from wormnet.live import page
    from wormnet.nn import CTRNN, LTC, CfC, MixedMemory, Recurrent, WiredLinear, diagnose, from_ncps, load, prune, save

__all__ = [
    "CTRNN",
    "LTC",
    "ArgumentError",
    "BackendError",
    "BlindOutputWarning",
    "CfC",
    "DataError",
    "MixedMemory",
    "Recurrent",
    "ShapeError",
    "WiredLinear",
    "Wiring",
    "WiringError",
    "WormClassifier",
    "WormForecaster",
    "WormRegressor",
    "WormnetError",
    "__version__",
    "audit",
    "auto_ncp",
    "circuits",
    "connectome",
    "control",
    "data",
    "dense",
    "diagnose",
    "estimators",
    "export",
    "from_ncps",
    "live",
    "load",
    "models",
    "ncp",
    "nn",
    "nulls",
    "page",
    "plot",
    "prune",
    "random",
    "save",
    "small_world",
    "stimulate",
    "study",
    "testing",
    "wiring",
]

_MODULES = ("audit", "control", "data", "estimators", "export", "live", "models", "nn", "plot", "study", "testing")
_HOMES = {
    "page": "live",
    "stimulate": "audit",
    **dict.fromkeys(("CTRNN", "LTC", "CfC", "MixedMemory", "Recurrent", "WiredLinear"), "nn"),
    **dict.fromkeys(("WormClassifier", "WormForecaster", "WormRegressor"), "estimators"),
    **dict.fromkeys(("diagnose", "from_ncps", "load", "prune", "save"), "nn"),
}
"""Where names live whose modules import torch."""


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"wormnet.{name}")
    if name in _HOMES:
        return getattr(importlib.import_module(f"wormnet.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'wormnet' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
