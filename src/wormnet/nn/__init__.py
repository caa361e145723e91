"""Thin torch modules: a wiring times a model."""

from wormnet.nn.convert import from_ncps
from wormnet.nn.describe import Description
from wormnet.nn.diagnose import Diagnosis, diagnose
from wormnet.nn.files import load, save
from wormnet.nn.layers import CTRNN, LTC, CfC, MixedMemory
from wormnet.nn.pruning import prune
from wormnet.nn.recurrent import Recurrent
from wormnet.nn.wired_linear import WiredLinear

__all__ = [
    "CTRNN",
    "LTC",
    "CfC",
    "Description",
    "Diagnosis",
    "MixedMemory",
    "Recurrent",
    "WiredLinear",
    "diagnose",
    "from_ncps",
    "load",
    "prune",
    "save",
]
