"""A model proves itself: its functions fit together, and its derivatives are the derivatives."""

from collections.abc import Callable, Mapping, Sequence
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from wormnet.errors import ArgumentError, WiringError, unknown
from wormnet.models import Model, elementary
from wormnet.models.equation import DenseUpdate, Edge, Sum, Update
from wormnet.models.solvers import Solver
from wormnet.models.spec import ParamSpec, check_count
from wormnet.wiring.core import KINDS, Wiring

if TYPE_CHECKING:
    from wormnet.engine.program import Part, Program

__all__ = ["prove", "prove_on"]

TAKES = (
    "It takes + - * / and the functions of wormnet.models.elementary (exp, tanh, sigmoid, absolute, where_less), "
    "imported by name; where_less instead of if"
)
POINTS = 7
"""At how many random points derivatives are compared."""


def prove(program: "Program") -> None:
    """Raise ArgumentError, naming the function, unless a model's functions fit together.

    Each is called with as many numbers as the model declares, has to give as many back, and every derivative has to
    agree with the one that torch finds, in double precision, at random points.
    """
    for part in program.parts:
        _names(program, part)
    hidden = [part.update for part in program.parts if isinstance(part.update, DenseUpdate) and part.update.hidden]
    if len(hidden) > 1 and any(one.dropout for one in hidden):
        raise ArgumentError(
            f"{program.model.name}: {len(hidden)} updates have hidden layers; with dropout a model takes one of them."
        )
    with torch.enable_grad(), torch.inference_mode(False), torch.device("cpu"):
        draw = _Draw()
        for part in program.parts:
            update, states = part.update, len(part.states)
            if isinstance(update, Update):
                for edge in update.edges:
                    at = draw(1 + len(edge.coefficients))
                    _compare(program, edge.edge, edge.d_edge, at, len(edge.adds), 0)
                    if edge.linear:
                        _linear(program, edge, at)
            if isinstance(update, DenseUpdate) or update.solver is None:
                at = draw(states + len(part.sums) + len(update.coefficients), positive=1)
                _compare(program, update.node, update.d_node, at, states, update.keeps, _sums(part), timed=True)
                if isinstance(update, DenseUpdate) and update.activation:
                    _activation(program, update.activation, draw(1)[0])
                continue
            at = draw(states + len(part.sums) + len(update.coefficients))
            _compare(program, update.node, update.d_node, at, 2 * states, update.keeps, _sums(part))
            if update.terms:
                _terms(program, update, at, states, len(part.sums))
            for j, stage in enumerate(update.solver.stages):
                # Drive and pull come last but one; of those d_advance sees only what advance keeps.
                at = draw(j + 1, positive=4)
                hidden = range(j + 2, j + 4)
                _compare(program, stage.advance, stage.d_advance, at, 1, stage.keeps, hidden, timed=True, new=j + 1)


def prove_on(program: "Program", wiring: Wiring, specs: Sequence[ParamSpec]) -> None:
    """Raise unless a model's parameters on a wiring fit what it declares.

    Raises: ArgumentError for a model without parameters, a state that starts from no parameter of the neurons, a
        capacitance that may be 0 or less, a parameter that nothing takes, or that something else takes than it belongs
        to; WiringError for synapses that the model has no edge for.
    """
    model, known = program.model.name, {spec.name: spec for spec in specs}
    if not specs:
        raise ArgumentError(f"{model} has no parameters; a layer takes a model with one or more.")
    taken = {f"{word}_{what}" for word in ("input", "output") for what in ("scale", "shift")}
    over: set[str] = set()
    for state in program.states:
        start = state.start
        if isinstance(start, str):
            if start not in known or known[start].over != "neuron":
                of_neurons = [name for name, spec in known.items() if spec.over == "neuron"]
                raise ArgumentError(
                    unknown(f"parameter of the neurons, where {model}'s {state.name} starts", start, of_neurons)
                )
            taken.add(start)
        elif not isinstance(start, (int, float, np.number)) or isinstance(start, bool) or not np.isfinite(start):
            raise ArgumentError(f"{model}: {state.name} starts at {start!r}; it takes a number or a parameter's name.")
    for part in program.parts:
        update = part.update
        taken |= {name for name in part.node_numbers if name is not None}
        if isinstance(update, DenseUpdate):
            taken |= {update.weight, update.bias, *(name for pair in update.hidden for name in pair)}
            over |= {"connection"}
            continue
        taken |= {name for edge in update.edges for name in edge.coefficients}
        over |= {edge.over for edge in update.edges}
        for name in update.capacitances:
            spec = known.get(name)
            if spec is not None and spec.constraint != "positive" and np.min(spec.start[0]) <= 0:
                raise ArgumentError(
                    f"{model}: the capacitance {name} may be 0 or less; its ParamSpec takes constraint='positive'."
                )
    plain = type(program.model).coefficients is Model.coefficients
    if plain:
        for part in program.parts:
            _scopes(program, part, known)
    if plain and (idle := [name for name in known if name not in taken]):
        raise ArgumentError(f"{model} has the parameter {idle[0]}, and no edge, node or state takes it.")
    for number, kind in enumerate(KINDS):
        count = len(wiring.of_kind(number))
        if count and not over & {kind, "connection"}:
            raise WiringError(
                f"{model} has no edge over {kind}, and the wiring has {count} of these synapses; lesion them, or give "
                "the model an Edge for them."
            )


def _scopes(program: "Program", part: "Part", known: Mapping[str, ParamSpec]) -> None:
    """Raise ArgumentError if an edge or a node takes a parameter of something else, however many values that has."""
    taken = [(name, "neuron", "nodes") for name in part.node_numbers if name is not None]
    for edge in part.update.edges if isinstance(part.update, Update) else ():
        taken += [(name, edge.over, f"{edge.over} edges") for name in edge.coefficients]
    for name, over, what in taken:
        if name in known and known[name].over != over:
            raise ArgumentError(
                f"{program.model.name}: {name} is over {known[name].over!r}, and {what} take it; its ParamSpec takes "
                f"{over!r}."
            )


def _sums(part: "Part") -> range:
    """Where the sums stand among the arguments of a node."""
    return range(len(part.states), len(part.states) + len(part.sums))


class _Draw:
    """Random numbers that take gradients, the same every time; the last `positive` of them above 0."""

    def __init__(self):
        self.generator = torch.Generator("cpu").manual_seed(0)

    def __call__(self, n: int, positive: int = 0) -> list[Tensor]:
        drawn = [torch.randn(POINTS, dtype=torch.float64, generator=self.generator) for _ in range(n)]
        drawn += [torch.rand(POINTS, dtype=torch.float64, generator=self.generator) + 0.2 for _ in range(positive)]
        return [one.requires_grad_() for one in drawn]


def _names(program: "Program", part: "Part") -> None:
    if isinstance(part.update, DenseUpdate):
        return
    update, model = part.update, program.model.name
    if not update.sums or not all(isinstance(one, Sum) for one in update.sums):
        raise ArgumentError(f"{model}: sums are {update.sums!r}; it takes a tuple of one Sum or more: (Sum(...), ).")
    if not all(isinstance(one, Edge) for one in update.edges):
        raise ArgumentError(f"{model}: edges are {update.edges!r}; it takes a tuple of Edge: (Edge(...), ).")
    if not (update.solver is None or isinstance(update.solver, Solver)):
        raise ArgumentError(f"{model}: solver is {update.solver!r}; it takes a Solver: wormnet.models.SOLVERS[...].")
    check_count(f"unfolds of {model}", update.unfolds, 1)
    for edge in update.edges:
        for name in edge.adds:
            if name not in part.sums:
                raise ArgumentError(f"{model}: {edge.over} edges add to {name!r}; the sums are {', '.join(part.sums)}.")
    if len(set(part.sums)) < len(part.sums):
        raise ArgumentError(f"{model}: the sums are {', '.join(part.sums)}; each takes a name of its own.")
    if update.solver is None and update.capacitances:
        raise ArgumentError(
            f"{model}: capacitances are {update.capacitances}; an update without a solver takes none: its node gives "
            "the new states."
        )
    if update.solver is not None and len(update.capacitances) != len(part.states):
        raise ArgumentError(
            f"{model}: capacitances are {update.capacitances}; with a solver it takes one for each of the "
            f"{len(part.states)} states."
        )
    if update.solver is not None and update.layered:
        raise ArgumentError(f"{model}: an update with a solver runs on all neurons at once; it takes no layered=True.")
    if update.solver is None and update.unfolds != 1:
        raise ArgumentError(f"{model}: an update without a solver has no sub-steps; it takes unfolds=1.")


def _compare(
    program: "Program",
    function: Callable[..., Any],
    derivative: Callable[..., Any],
    at: list[Tensor],
    n_out: int,
    keeps: int,
    hidden: Sequence[int] = (),
    *,
    timed: bool = False,
    new: int | None = None,
) -> None:
    """Compare a function and its derivative, which does not take the `hidden` arguments.

    If `timed` the last argument is a time, and its adjoint that of its logarithm. At `new` the derivative takes the
    first result of the function.
    """
    out = [_full(one) for one in _tuple(_called(program, function, at))]
    if len(out) != n_out + keeps:
        raise _wrong(program, function, f"gives {len(out)} numbers; the model says {n_out + keeps}")
    adjoints = [torch.linspace(0.5, 1.5, POINTS, dtype=torch.float64) * (k + 1) for k in range(n_out)]
    loss = sum((one * g).sum() for one, g in zip(out[:n_out], adjoints, strict=True))
    expected = list(torch.autograd.grad(loss, at, allow_unused=True, materialize_grads=True))  # pyright: ignore
    shown = [one.detach() for i, one in enumerate(at) if i not in hidden]
    kept, time = [one.detach() for one in out[n_out:]], []
    if timed:
        expected[-1] = expected[-1] * at[-1].detach()
        shown, time = shown[:-1], shown[-1:]
    if new is not None:
        shown.insert(new, out[0].detach())
    with torch.no_grad():
        got = _tuple(_called(program, derivative, [*shown, *kept, *time, *adjoints]))
    if len(got) != len(at):
        raise _wrong(program, derivative, f"gives {len(got)} adjoints; {function.__name__} takes {len(at)} numbers")
    for i, (one, other) in enumerate(zip(got, expected, strict=True)):
        if torch.allclose(_full(one), other, rtol=1e-5, atol=1e-6):
            continue
        what = "the logarithm of its time" if timed and i == len(at) - 1 else f"argument {i} of {function.__name__}"
        k = int((_full(one) - other).abs().nan_to_num(torch.inf).argmax())
        numbers = f"{_full(one)[k].item():.6g} as the adjoint of {what}, where it is {other[k].item():.6g}"
        raise _wrong(program, derivative, f"gives {numbers}")


def _terms(program: "Program", update: Update, at: list[Tensor], states: int, sums: int) -> None:
    """Drives and pulls are those of the node."""
    assert update.terms is not None
    out = [_full(one) for one in _tuple(_called(program, update.node, at))]
    found = _tuple(_called(program, update.terms, [*at[:states], *at[states + sums :], *out[2 * states :]]))
    if len(found) != 2 * states or not all(
        torch.equal(_full(one), other) for one, other in zip(found, out, strict=False)
    ):
        raise _wrong(program, update.terms, f"does not give the drives and pulls of {update.node.__name__}")


def _linear(program: "Program", edge: Edge, at: list[Tensor]) -> None:
    """Sum k of a linear edge gets u times coefficient k."""
    out = _tuple(_called(program, edge.edge, at))
    if len(edge.adds) != len(edge.coefficients) or not all(
        torch.equal(_full(one), at[0] * weight) for one, weight in zip(out, at[1:], strict=True)
    ):
        raise _wrong(program, edge.edge, "is declared linear, and does not add u times one coefficient to each sum")


def _activation(program: "Program", function: Callable[..., Any], s: Tensor) -> None:
    out = _tuple(_called(program, function, [s]))
    if len(out) != 2:
        raise _wrong(program, function, f"gives {len(out)} numbers; it takes a value and its derivative")
    (expected,) = torch.autograd.grad(out[0].sum(), s)
    if not torch.allclose(_full(out[1]), expected, rtol=1e-5, atol=1e-5):
        raise _wrong(program, function, "gives a derivative that is not that of its value")


def _called(program: "Program", function: Callable[..., Any], given: Sequence[Tensor]) -> Any:
    _own_arithmetic(program, function)
    try:
        found = function(*given)
    except TypeError as error:
        raise _wrong(program, function, f"cannot be called with {len(given)} numbers: {error}") from error
    except Exception as error:  # whatever else is done with a number
        told = str(error).partition("\n")[0].partition(". ")[0]
        raise _wrong(program, function, f"fails with {type(error).__name__}: {told}. {TAKES}") from error
    for one in _tuple(found):
        if not isinstance(one, (Tensor, float, int, np.number)) or isinstance(one, bool):
            raise _wrong(program, function, f"gives {type(one).__name__}; it takes numbers, several as a tuple")
    return found


def _own_arithmetic(program: "Program", function: Callable[..., Any]) -> None:
    """Raise ArgumentError if a function, or one that it calls, calls into a module: engines compile none of that."""
    waiting, seen = [function], set()
    while waiting:
        one = waiting.pop()
        if not isinstance(one, FunctionType):
            raise ArgumentError(f"{program.model.name}: {one!r} is no plain function. {TAKES}.")
        if one in seen or one.__module__ == elementary.__name__:
            continue
        seen.add(one)
        names = one.__code__.co_names
        used = [one.__globals__[name] for name in names if name in one.__globals__]
        for module in used:
            called = [
                name for name in names if isinstance(module, ModuleType) and callable(getattr(module, name, None))
            ]
            if called:
                raise _wrong(program, one, f"calls {module.__name__}.{called[0]}. {TAKES}")
        used += [cell.cell_contents for cell in one.__closure__ or ()]
        waiting += [value for value in used if isinstance(value, FunctionType)]


def _tuple(values: Any) -> tuple[Any, ...]:
    return values if isinstance(values, tuple) else (values,)


def _full(value: Any) -> Tensor:
    return value if isinstance(value, Tensor) else torch.full((POINTS,), float(value), dtype=torch.float64)


def _wrong(program: "Program", function: Callable[..., Any], what: str) -> ArgumentError:
    return ArgumentError(f"{program.model.name}: {function.__name__} {what}.")
