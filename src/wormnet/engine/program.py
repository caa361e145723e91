"""A model as engines read it: every update with its states by number, whatever the wiring."""

import json
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

from wormnet.engine.bind import digest
from wormnet.engine.constants import plainly
from wormnet.engine.prove import prove
from wormnet.errors import ArgumentError, BackendError, unknown
from wormnet.models import MODELS, Model, named
from wormnet.models.equation import DenseUpdate, Edge, State, Update
from wormnet.models.memory import MEMORY, memory_update

__all__ = ["Part", "Program", "program_named", "program_of"]


@dataclass(frozen=True, eq=False)
class Part:
    """One update of a program.

    Attributes:
        update: what the model says.
        states: numbers of the states that it takes and sets.
        reads: for each kind of edge (of a dense update, once) the number of the state that is read.
        number: its place among the parts of its program.
    """

    update: Update | DenseUpdate
    states: tuple[int, ...]
    reads: tuple[int, ...]
    number: int = 0

    @property
    def dense(self) -> bool:
        """Whether it is a `DenseUpdate`."""
        return isinstance(self.update, DenseUpdate)

    @property
    def unfolds(self) -> int:
        """How often it runs in a sample."""
        return 1 if isinstance(self.update, DenseUpdate) else self.update.unfolds

    @property
    def stages(self) -> int:
        """How many evaluations a sub-step has."""
        solver = None if isinstance(self.update, DenseUpdate) else self.update.solver
        return 1 if solver is None else len(solver.stages)

    @property
    def kept(self) -> tuple[int, ...]:
        """For each evaluation of a sub-step, how many values per neuron are kept for the derivative."""
        solver = None if isinstance(self.update, DenseUpdate) else self.update.solver
        if solver is None:
            return (self.update.keeps,)
        return tuple(self.update.keeps + len(self.states) * stage.keeps for stage in solver.stages)

    @property
    def node_numbers(self) -> tuple[str | None, ...]:
        """The coefficients of each neuron in the order in which engines hold them; None for zeros."""
        if isinstance(self.update, DenseUpdate):
            return self.update.coefficients
        return (*self.update.capacitances, *self.update.coefficients, *(one.start for one in self.update.sums))

    @property
    def sums(self) -> tuple[str, ...]:
        """The names of the sums."""
        return tuple(one if isinstance(one, str) else one.name for one in self.update.sums)

    def added(self, edge: Edge) -> tuple[int, ...]:
        """The numbers of the sums that an edge adds to."""
        return tuple(self.sums.index(name) for name in edge.adds)

    @property
    def functions(self) -> tuple[Callable[..., Any], ...]:
        """All functions of the part."""
        update, found = self.update, [self.update.node, self.update.d_node]
        if isinstance(update, DenseUpdate):
            return (*found, *([update.activation] if update.activation else []))
        for edge in update.edges:
            found += [edge.edge, edge.d_edge]
        found += [update.terms] if update.terms else []
        for stage in update.solver.stages if update.solver else ():
            found += [stage.advance, stage.d_advance]
        return tuple(found)

    @property
    def structure(self) -> tuple[Any, ...]:
        """Everything besides the functions that determines the compiled code."""
        update, sizes = self.update, (self.states, self.reads, self.kept, self.sums, len(self.node_numbers))
        if isinstance(update, DenseUpdate):
            return (*sizes, len(update.hidden), bool(update.dropout), update.mapped)
        edges = tuple((edge.over, len(edge.coefficients), self.added(edge), edge.linear) for edge in update.edges)
        return (*sizes, edges, update.solver is None, self.stages, update.layered, update.terms is None)

    @property
    def declared(self) -> tuple[Any, ...]:
        """Everything besides the functions that the model says."""
        update = self.update
        given = {one.name: getattr(update, one.name) for one in fields(update)}
        solver = given.pop("solver", None)
        edges = [(one.over, one.coefficients, one.adds, one.reads, one.linear) for one in given.pop("edges", ())]
        plain = tuple((name, value) for name, value in given.items() if not callable(value))
        return (*plain, solver is None, tuple(edges), self.states, self.reads)


@dataclass(frozen=True, eq=False)
class Program:
    """A model, with or without an LSTM cell in front, as data that engines compile.

    Attributes:
        model: whose it is.
        memory: whether an LSTM cell stands in front.
        uniform: whether it is that of calls in which dt is one number, see `Model.uniform_updates`.
        states: of each neuron, in order; the first is what outputs are.
        parts: the updates of a sample, in order.
        number: tells the programs of classes apart that have one name and declare the same.
    """

    model: Model
    memory: bool
    uniform: bool
    states: tuple[State, ...]
    parts: tuple[Part, ...]
    number: int = 0

    @cached_property
    def code(self) -> str:
        """A digest of what is computed: programs with the same one share compiled code."""
        functions = [one for part in self.parts for one in part.functions]
        structure = (len(self.states), *(part.structure for part in self.parts))
        return digest(*functions, *structure)[:16]  # pyright: ignore[reportArgumentType]

    @cached_property
    def name(self) -> str:
        """A name from which `program_named` finds it again, in another process too if the model is registered.

        It holds a digest of all that the model declares: two classes may have one name, and in a notebook often do.
        """
        options = json.dumps(self.model.options, sort_keys=True, default=_plain)
        own = f"#{self.number}" * (self.number > 0)
        said = digest(self.code, self.states, *(one.declared for one in self.parts))  # pyright: ignore
        return f"{self.model.name}|{options}|{int(self.memory)}{'u' * self.uniform}|{said[:16]}{own}"

    @property
    def own_state(self) -> bool:
        """Whether the connections include one from a neuron's own state."""
        return any(not isinstance(part.update, DenseUpdate) and part.update.own_state for part in self.parts)

    @property
    def rows(self) -> int:
        """How many evaluations a sample has."""
        return sum(part.unfolds * part.stages for part in self.parts)


_BY_NAME: dict[str, Program] = {}
_BY_MODEL: dict[Any, Program] = {}


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else repr(value)


def program_of(model: Model, *, memory: bool = False, uniform: bool = False) -> Program:
    """The program of a model. Raises ArgumentError if the model does not fit together, see `prove`."""
    try:
        key = (type(model), model, memory, uniform)
        known = _BY_MODEL.get(key)
    except TypeError:  # a model of one's own with an option that cannot be hashed
        key, known = None, None
    if known is not None:
        return known
    states = _checked(model, "states", model.states, State)
    if memory:
        states = (*states, MEMORY)
    names = [state.name for state in states]
    if len(set(names)) < len(names):
        raise ArgumentError(f"{model.name} has the states {names}; it takes one or more, each with a name of its own.")
    own = tuple(state.name for state in model.states)
    updates = (model.uniform_updates() if uniform else None) or model.updates()
    updates = _checked(model, "updates()", updates, (Update, DenseUpdate))
    updates = (memory_update(own[0]), *updates) if memory else updates
    parts = tuple(_part(model, update, own, names, number) for number, update in enumerate(updates))
    program = Program(model, memory, uniform, states, parts)
    with plainly():
        prove(program)
    while type(_BY_NAME.setdefault(program.name, program).model) is not type(model):
        program = replace(program, number=program.number + 1)
    program = _BY_NAME[program.name]
    if key is not None:
        _BY_MODEL[key] = program
    return program


def _checked(model: Model, what: str, given: Any, kinds: Any) -> tuple[Any, ...]:
    """Raise ArgumentError unless what a model gives is a tuple of so many of a kind, one or more."""
    names = " or ".join(one.__name__ for one in (kinds if isinstance(kinds, tuple) else (kinds,)))
    if not isinstance(given, (tuple, list)) or not given or not all(isinstance(one, kinds) for one in given):
        raise ArgumentError(f"{model.name}: {what} is {given!r}; it takes a tuple of one {names} or more: (..., ).")
    return tuple(given)


def _part(model: Model, update: Update | DenseUpdate, own: tuple[str, ...], names: list[str], place: int) -> Part:
    def number(name: str) -> int:
        if name not in names:
            raise ArgumentError(unknown(f"state of {model.name}", name, names))
        return names.index(name)

    edges = (update,) if isinstance(update, DenseUpdate) else update.edges
    states = tuple(number(name) for name in update.states or own)
    return Part(update, states, tuple(number(edge.reads or own[0]) for edge in edges), place)


def program_named(name: str) -> Program:
    """The program of a name, which a traced graph holds. Raises BackendError if its model is not known here."""
    if name in _BY_NAME:
        return _BY_NAME[name]
    model, options, kind, _ = name.rsplit("|", 3)
    if model in MODELS:
        found = program_of(named(model, **json.loads(options)), memory=kind[0] == "1", uniform=kind[1:] == "u")
        if found.name == name:
            return found
    raise BackendError(
        f"this graph was traced with a model {model!r} that is not known here, or computes something else now; import "
        "the module that registers it first, or trace the graph again."
    )
