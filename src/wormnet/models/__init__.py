"""What a neuron computes: equations, parameters, and the reference engine in plain torch."""

from wormnet.errors import ArgumentError, unknown
from wormnet.models.cfc import CfC
from wormnet.models.ctrnn import CTRNN
from wormnet.models.ltc import LTC
from wormnet.models.ode import ORDER, SOLVERS, OdeModel
from wormnet.models.spec import Model, ParamSpec

__all__ = ["CTRNN", "LTC", "MODELS", "ORDER", "SOLVERS", "CfC", "Model", "OdeModel", "ParamSpec", "named"]

MODELS: dict[str, type[Model]] = {model.name: model for model in (LTC, CfC, CTRNN)}
"""The models by name; a new one joins here."""


def named(name: str, **options: object) -> Model:
    """A model by its name, with options. Raises ArgumentError for a name or option that does not exist.

    >>> named("ltc", unfolds=3)
    LTC(unfolds=3, solver='semi_implicit', input_map='affine', output_map='affine', fixed_polarity=False)
    """
    if name not in MODELS:
        raise ArgumentError(unknown("model", name, MODELS))
    kind = MODELS[name]
    for option in options:
        if option not in kind.option_names():
            raise ArgumentError(unknown(f"option of {name}", option, kind.option_names()))
    return kind(**options)
