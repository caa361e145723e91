"""The models by name: for files, studies and the command line."""

from typing import TypeVar

from wormnet.errors import ArgumentError, unknown
from wormnet.models.cfc import CfC
from wormnet.models.ctrnn import CTRNN
from wormnet.models.equation import Model
from wormnet.models.graded import GradedWorm
from wormnet.models.lrc import LRC, STC
from wormnet.models.ltc import LTC
from wormnet.models.spec import check_name

__all__ = ["MODELS", "named", "register"]

MODELS: dict[str, type[Model]] = {model.name: model for model in (LTC, CfC, CTRNN, LRC, STC, GradedWorm)}
"""The models by name. `register` adds one."""

Kind = TypeVar("Kind", bound=type[Model])


def register(model: Kind) -> Kind:
    """Give a model of one's own its name in files, studies and on the command line; a decorator.

    `save` refuses a layer whose model is not registered, and `load` finds the model by its name, so the module that
    registers it has to be imported first.

    Raises: ArgumentError if it is no Model, or its name is taken by another one.

    >>> from dataclasses import dataclass
    >>> @register
    ... @dataclass(frozen=True)
    ... class Mine(LTC.__bases__[0]):
    ...     name = "ltc"
    Traceback (most recent call last):
    wormnet.errors.ArgumentError: the name 'ltc' is taken by wormnet.models.ltc.LTC; give Mine another.
    """
    if not (isinstance(model, type) and issubclass(model, Model)):
        raise ArgumentError(f"register takes a class derived from Model, not {model!r}.")
    check_name("model", getattr(model, "name", None))
    taken = MODELS.get(model.name)
    if taken is not None and (taken.__module__, taken.__qualname__) != (model.__module__, model.__qualname__):
        owner = f"{taken.__module__}.{taken.__qualname__}"
        raise ArgumentError(f"the name {model.name!r} is taken by {owner}; give {model.__name__} another.")
    MODELS[model.name] = model
    return model


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
