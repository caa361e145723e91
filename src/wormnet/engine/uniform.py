"""The program of calls in which dt is one number, for models that have less to do then."""

import torch
from torch import Tensor

from wormnet.engine.constants import plainly
from wormnet.engine.layout import Layout, layout_of
from wormnet.engine.program import Program, program_of
from wormnet.engine.reference import Reference
from wormnet.errors import ArgumentError, WormnetError
from wormnet.models import Model
from wormnet.models.spec import ParamSpec, connections, shape_of
from wormnet.wiring.core import Wiring

__all__ = ["uniform_of"]

ROWS = 5
"""At how many random samples the two are compared."""
TIMES = (0.3, 1.7)


def uniform_of(layout: Layout, model: Model) -> Program | None:
    """The program of calls in which dt is one number, if the model has another one for them.

    Args: model: the layer's own; that of the program is the first that computes the same, which may be another class.
    Raises: ArgumentError if it computes something else than the model does at that dt, or fails.
    """
    try:
        if model.uniform_updates() is None:
            return None
        found = program_of(model, memory=layout.program.memory, uniform=True)
        key = type(model), found.name
        if key not in _proved:
            with plainly(), torch.no_grad(), torch.device("cpu"):
                _prove(model, layout.wiring)
            _proved.add(key)
    except WormnetError:
        raise
    except Exception as error:  # a model of one's own may do anything; its layer would say that it lacks a backend
        told = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise ArgumentError(f"{model.name}: uniform_updates or uniform_coefficients failed with {told}") from error
    return found


_proved: set[tuple[type[Model], str]] = set()


def _prove(model: Model, wiring: Wiring) -> None:
    """Compare one sample of both, in double precision, without the memory in front, which is the same."""
    generator = torch.Generator("cpu").manual_seed(0)
    plain, other = (layout_of(program_of(model, uniform=one), wiring) for one in (False, True))
    links = len(connections(wiring, own=plain.program.own_state).post)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(shape, dtype=torch.float64, generator=generator)

    p = {spec.name: _value(spec, drawn(*shape_of(spec, wiring, links))) for spec in model.params(wiring)}
    x, states = drawn(ROWS, wiring.n_inputs), tuple(drawn(ROWS, wiring.n_neurons) for _ in model.states)
    for time in TIMES:
        dt = torch.tensor(time, dtype=torch.float64)
        expected, got = (
            Reference(one).step(one.unpack(one.pack(coefficients)), states, x, dt.reshape(1, 1))
            for one, coefficients in ((plain, model.coefficients(p)), (other, model.uniform_coefficients(p, dt)))
        )
        for state, one, same in zip(model.states, got, expected, strict=True):
            if not torch.allclose(one, same, rtol=1e-9, atol=1e-9):
                k = int((one - same).abs().nan_to_num(torch.inf).argmax())
                raise ArgumentError(
                    f"{model.name}: uniform_updates with uniform_coefficients take {state.name} to "
                    f"{one.flatten()[k].item():.6g} at dt={time:g}, where updates take it to "
                    f"{same.flatten()[k].item():.6g}; both have to compute the same."
                )


def _value(spec: ParamSpec, drawn: Tensor) -> Tensor:
    """A value within the constraint."""
    return drawn if spec.constraint is None else drawn.abs() + 0.1
