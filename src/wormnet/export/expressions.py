"""A model's functions as expressions: each runs once, on terms that record the arithmetic that is done to them."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from wormnet.engine.bind import bind
from wormnet.errors import ArgumentError
from wormnet.models import elementary

__all__ = ["Term", "Traced", "traced"]

BINARY = ("add", "subtract", "multiply", "divide")
Number = float


@dataclass(eq=False, repr=False)
class Term:
    """A number that is not known yet: an argument, a constant, or what an operation makes of other terms.

    Attributes:
        op: "argument", "constant", one of BINARY, "negative", or a name of `elementary.NAMES`.
        of: the terms that the operation takes.
        value: of a constant its number, of an argument its place.
        made: every term of its function by what it is, so that what is computed twice is one term.
    """

    op: str
    of: tuple["Term", ...]
    value: float
    made: dict[Any, "Term"] = field(repr=False)

    def _with(self, op: str, *others: Any, turned: bool = False) -> Any:
        terms = [_term(self.made, one) for one in others]
        if any(one is None for one in terms):
            return NotImplemented
        pair = (*terms, self) if turned else (self, *terms)
        return _make(self.made, op, *pair)  # pyright: ignore[reportArgumentType]

    def __add__(self, other: Any) -> Any:
        return self._with("add", other)

    def __radd__(self, other: Any) -> Any:
        return self._with("add", other, turned=True)

    def __sub__(self, other: Any) -> Any:
        return self._with("subtract", other)

    def __rsub__(self, other: Any) -> Any:
        return self._with("subtract", other, turned=True)

    def __mul__(self, other: Any) -> Any:
        return self._with("multiply", other)

    def __rmul__(self, other: Any) -> Any:
        return self._with("multiply", other, turned=True)

    def __truediv__(self, other: Any) -> Any:
        return self._with("divide", other)

    def __rtruediv__(self, other: Any) -> Any:
        return self._with("divide", other, turned=True)

    def __neg__(self) -> Any:
        return self._with("negative")

    def __abs__(self) -> Any:
        return self._with("absolute")

    def __bool__(self) -> bool:
        raise TypeError("it asks whether a number is true; where_less chooses between numbers")

    __hash__ = object.__hash__


def _make(made: dict[Any, Term], op: str, *of: Term, value: float = 0.0) -> Term:
    key = (op, *map(id, of), value, str(value))
    if key not in made:
        made[key] = Term(op, of, value, made)
    return made[key]


def _term(made: dict[Any, Term], value: Any) -> Term | None:
    if isinstance(value, Term):
        return value
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    if not math.isfinite(number):
        raise ValueError(f"it holds the constant {number}")
    return _make(made, "constant", value=number)


def _recorded(name: str) -> Callable[..., Any]:
    """The elementary function of that name, on terms; on plain numbers it is what it was."""
    plain = getattr(elementary, name)

    def call(*given: Any) -> Any:
        made = next((one.made for one in given if isinstance(one, Term)), None)
        if made is None:
            return plain(*given)
        terms = [_term(made, one) for one in given]
        if any(one is None for one in terms):
            raise TypeError(f"{name} takes numbers")
        return _make(made, name, *terms)  # pyright: ignore[reportArgumentType]

    return call


OWN = {name: _recorded(name) for name in elementary.NAMES}


@dataclass(frozen=True, eq=False)
class Traced:
    """A function as expressions.

    Attributes:
        name: of the function.
        n_arguments: how many it takes.
        results: one term each.
    """

    name: str
    n_arguments: int
    results: tuple[Term, ...]

    @property
    def order(self) -> list[Term]:
        """All terms that the results need, each after those that it takes."""
        found: dict[int, Term] = {}

        def visit(term: Term) -> None:
            if id(term) not in found:
                for one in term.of:
                    visit(one)
                found[id(term)] = term

        for result in self.results:
            visit(result)
        return list(found.values())

    def takes(self, place: int) -> bool:
        """Whether the results depend on an argument."""
        return any(one.op == "argument" and one.value == place for one in self.order)

    @property
    def uses(self) -> dict[int, int]:
        """How often each term is needed, by its id; a result counts as one."""
        count: dict[int, int] = {}
        for one in [*self.results, *(taken for term in self.order for taken in term.of)]:
            count[id(one)] = count.get(id(one), 0) + 1
        return count

    def evaluate(
        self, arguments: Sequence[Any], ops: Mapping[str, Callable[..., Any]], constant: Callable[[float], Any] = float
    ) -> list[Any]:
        """The results where every operation is that of `ops`, by name."""
        values: dict[int, Any] = {}
        for term in self.order:
            if term.op == "argument":
                values[id(term)] = arguments[int(term.value)]
            elif term.op == "constant":
                values[id(term)] = constant(term.value)
            else:
                values[id(term)] = ops[term.op](*(values[id(one)] for one in term.of))
        return [values[id(one)] for one in self.results]

    @property
    def cost(self) -> tuple[int, int, int]:
        """Multiply-adds, divisions, and calls of exp, tanh and sigmoid.

        An addition to a product that nothing else needs is one multiply-add with it.
        """
        multiply_adds = divisions = calls = 0
        uses = self.uses
        for term in self.order:
            if term.op in ("multiply", "add", "subtract"):
                joined = term.op != "multiply" and any(one.op == "multiply" and uses[id(one)] == 1 for one in term.of)
                multiply_adds += not joined
            divisions += term.op == "divide"
            calls += term.op in ("exp", "tanh", "sigmoid")
        return multiply_adds, divisions, calls


def traced(function: Callable[..., Any], n_arguments: int, n_results: int) -> Traced:
    """A function of plain numbers as expressions.

    Args: function: of a model or solver.   n_arguments: how many it takes.   n_results: how many of its results are
        wanted; those after them, kept for derivatives, are left away with all that only they need.
    Raises: ArgumentError, naming the function, if it does something else than arithmetic and `models.elementary`.

    >>> from wormnet.models.formulas import semi_implicit
    >>> [term.op for term in traced(semi_implicit, 5, 1).order if term.of]
    ['multiply', 'multiply', 'add', 'multiply', 'add', 'divide']
    """
    made: dict[Any, Term] = {}
    arguments = [_make(made, "argument", value=float(place)) for place in range(n_arguments)]
    try:
        found = bind(function, OWN, lambda bound: bound)(*arguments)
        found = found if isinstance(found, tuple) else (found,)
        results = [_term(made, one) for one in found[:n_results]]
        if any(one is None for one in results):
            raise TypeError("it gives something else than numbers")
    except (TypeError, ValueError, AttributeError) as error:
        raise ArgumentError(
            f"{function.__name__} cannot be written in another language: {error}. A model's function uses + - * / and "
            f"the functions of wormnet.models.elementary: {', '.join(elementary.NAMES)}."
        ) from None
    return Traced(function.__name__, n_arguments, tuple(results))  # pyright: ignore[reportArgumentType]
