"""What a neuron computes: equations as scalar functions that every engine compiles, and parameters as data."""

from wormnet.models.cfc import CfC
from wormnet.models.ctrnn import CTRNN
from wormnet.models.equation import DenseUpdate, Edge, Model, State, Sum, Update
from wormnet.models.graded import GradedWorm
from wormnet.models.lrc import LRC, STC
from wormnet.models.ltc import LTC
from wormnet.models.registry import MODELS, named, register
from wormnet.models.solvers import SOLVERS
from wormnet.models.spec import ParamSpec, connections

__all__ = [
    "CTRNN",
    "LRC",
    "LTC",
    "MODELS",
    "SOLVERS",
    "STC",
    "CfC",
    "DenseUpdate",
    "Edge",
    "GradedWorm",
    "Model",
    "ParamSpec",
    "State",
    "Sum",
    "Update",
    "connections",
    "named",
    "register",
]
