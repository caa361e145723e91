"""Many parameter vectors, each in many environments, through one call of the engine."""

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wormnet.control.maps import make, sense
from wormnet.control.parameters import CircuitNumbers, LayerNumbers, Rows, proved
from wormnet.engine.cpu.stepper import Stepper
from wormnet.engine.layout import layout_of
from wormnet.engine.program import program_of
from wormnet.errors import ArgumentError, ShapeError, shown
from wormnet.wiring.core import Wiring

if TYPE_CHECKING:
    from wormnet.control.policy import Policy

__all__ = ["Population", "Runner", "observed"]

Array = NDArray[Any]


class Population:
    """P parameter vectors of one policy, each in E environments of its own.

    The P networks lie side by side in one wiring without a synapse between them, and the environments are the rows of
    its stepper, so a step is one call of the engine that every policy runs on.

    Args:
        policy: a `Policy`; all vectors are its own until `set`.
        vectors: P.   environments: E.

    Raises: ArgumentError.

    >>> from wormnet.control import Policy, task
    >>> from wormnet.wiring import tap
    >>> policy = Policy(tap.tw_pure(), **task("mountain_car").maps)
    >>> crowd = Population(policy, 3, environments=2)
    >>> crowd.set(np.stack([policy.vector()] * 3))
    >>> crowd.act(np.zeros((3, 2, 2))).shape
    (3, 2, 1)
    """

    def __init__(self, policy: "Policy", vectors: int, environments: int = 1):
        for name, n in (("vectors", vectors), ("environments", environments)):
            if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
                raise ArgumentError(f"{name} is {shown(n)}; it takes 1 or more.")
        self.vectors, self.environments = int(vectors), int(environments)
        self._numbers = policy.numbers
        self._runner = Runner(policy.numbers, self.vectors, self.environments, policy.warmup)
        self.set(np.repeat(policy.vector()[None], self.vectors, axis=0))

    def set(self, theta: ArrayLike) -> None:
        """Take the vectors theta (P, K), and start over.

        Raises: ShapeError, ArgumentError for a number outside of the policy's bounds; nothing is changed then.
        """
        self._runner.take(self._numbers.rows(proved(theta, self._numbers, self.vectors)))

    def act(self, observation: ArrayLike) -> Array:
        """Actions (P, E, m) for observations (P, E, n).

        Raises: ShapeError; ArgumentError for a number that is not finite. No network moves then.
        """
        return self._runner.act(observed(observation, (self.vectors, self.environments), self._numbers))

    def reset(self, mask: ArrayLike | None = None) -> None:
        """Start over: all, or where mask (P, E) is true."""
        self._runner.reset(mask)


class Runner:
    """The networks of P vectors in E environments, and their maps; what is given has been checked."""

    def __init__(self, numbers: CircuitNumbers | LayerNumbers, vectors: int, environments: int, warmup: int):
        self.shape, self.warmup, self._numbers = (vectors, environments), warmup, numbers
        wiring, motors = numbers.layout.wiring, numbers.motors
        self._x = np.zeros((environments, vectors * wiring.n_inputs))
        self._felt = self._x.reshape(environments, vectors, wiring.n_inputs)
        self._action = np.zeros((vectors, environments, motors.actions))
        self._steppers: list[Stepper] = []
        self.starting, self.fresh = np.ones((vectors, environments), bool), True

    def take(self, rows: Rows) -> None:
        """Other numbers; everything starts over."""
        self._rows = rows
        apart = any(part.dense for part in self._numbers.layout.program.parts)
        chosen = [slice(i, i + 1) for i in range(self.shape[0])] if apart else [slice(None)]
        for k, one in enumerate(chosen):
            given = _flat(rows, one)
            if len(self._steppers) == len(chosen):
                self._steppers[k].update(given.pop("coefficients"), **given)
            else:
                self._steppers.append(self._stepper(given, 1 if apart else self.shape[0]))
        self.reset()

    def reset(self, mask: ArrayLike | None = None) -> None:
        """Start over where mask is true, or everywhere."""
        if mask is None:
            for one in self._steppers:
                one.reset()
            self.starting[:] = self.fresh = True
            return
        which = np.asarray(mask)
        if which.dtype != bool or which.shape != self.shape:
            raise ShapeError(f"mask has shape {which.shape} of {which.dtype}; it takes booleans {self.shape}.")
        if which.any():
            # Of the stepper's rows all vectors share one; the states are put together from old and new ones.
            old = self._states()
            for one in self._steppers:
                one.reset()
            self._mix(which, self._states(), old)
            self.starting |= which
            self.fresh = True

    def act(self, observation: Array) -> Array:
        """Actions (P, E, m), a fresh array."""
        numbers = self._numbers
        place = sense(observation, numbers.senses.table, numbers.senses.pick, self._rows.sense, self._felt)
        if place >= 0:
            index = tuple(int(i) for i in np.unravel_index(place, observation.shape))
            where = index[-1:] if self.shape == (1, 1) else index
            raise ArgumentError(
                f"observation[{', '.join(map(str, where))}] is {observation[index]}; a policy takes finite numbers. "
                "Nothing has moved."
            )
        if self.fresh:
            self._warm()
        y = self._step()
        action = np.empty_like(self._action)
        make(y, numbers.motors.table, self._rows.move, action)
        return action

    def _warm(self) -> None:
        """Let networks that start see their first observation for some steps; others wait."""
        waiting = None if not self.warmup or self.starting.all() else self._states()
        for _ in range(self.warmup):
            self._step()
        if waiting is not None:
            self._mix(self.starting, self._states(), waiting)
        self.starting[:] = self.fresh = False

    def _step(self) -> Array:
        """Outputs (P, E, outputs) after a step with the potentials that are felt."""
        environments = self.shape[1]
        if len(self._steppers) == 1:
            x = self._x if environments > 1 else self._x[0]
            y = self._steppers[0].step(x, self._numbers.dt)
            y = y.reshape(environments, self.shape[0], -1).transpose(1, 0, 2)
        else:
            felt = self._felt if environments > 1 else self._felt[0]
            y = np.stack([one.step(felt[..., p, :], self._numbers.dt) for p, one in enumerate(self._steppers)])
            y = y.reshape(*self.shape, -1)
        if self._rows.projection is not None:
            weight, bias = self._rows.projection
            y = np.einsum("peo,pso->pes", y, weight) + bias[:, None]
        return y

    # -- states (states, P, E, neurons) --------------------------------------------------------------------------------

    def _states(self) -> Array:
        vectors, environments = self.shape
        parts = []
        for one in self._steppers:
            state = one.state if isinstance(one.state, tuple) else (one.state,)
            found = np.stack(state).reshape(len(state), environments, vectors // len(self._steppers), -1)
            parts.append(found.transpose(0, 2, 1, 3))
        return np.concatenate(parts, axis=1)

    def _mix(self, which: Array, new: Array, old: Array) -> None:
        mixed = np.where(which[None, :, :, None], new, old)
        each = self.shape[0] // len(self._steppers)
        for k, one in enumerate(self._steppers):
            part = mixed[:, k * each : (k + 1) * each].transpose(0, 2, 1, 3)
            part = part.reshape(len(mixed), self.shape[1], -1)
            part = part if self.shape[1] > 1 else part[:, 0]
            one.state = tuple(part) if len(part) > 1 else part[0]

    def _stepper(self, given: dict[str, Any], copies: int) -> Stepper:
        layout, environments = self._numbers.layout, self.shape[1]
        if copies > 1:
            program = program_of(layout.program.model, memory=layout.program.memory)
            layout = layout_of(program, beside(layout.wiring, copies))
        unit = self._numbers.layer.time_unit if isinstance(self._numbers, LayerNumbers) else 1.0
        first = next(iter(given["coefficients"].values()))
        return Stepper(
            layout,
            given["coefficients"],
            given["initial"],
            dtype=first.dtype,
            batch=environments if environments > 1 else None,
            input_map=given["input_map"],
            output_map=given["output_map"],
            time_unit=unit,
        )

    def __deepcopy__(self, memo: dict[int, Any]) -> "Runner":
        new = copy.copy(self)
        new._x = self._x.copy()
        new._felt = new._x.reshape(self._felt.shape)
        new._steppers, new.starting = copy.deepcopy(self._steppers), self.starting.copy()
        return new


def beside(wiring: Wiring, copies: int) -> Wiring:
    """Copies of a wiring in one, cell after cell: all numbers of the first come before those of the second.

    >>> beside(Wiring(1, 1, pre=[0], post=[1]), 2).cells
    ('0 in0', '1 in0', '0 n0', '1 n0')
    """
    inputs, neurons = wiring.n_inputs, wiring.n_neurons
    shift = np.arange(copies)[:, None]

    def moved(cell: Array) -> Array:
        there = copies * inputs - inputs + shift * neurons
        return np.where(cell[None] < inputs, cell[None] + shift * inputs, cell[None] + there).reshape(-1)

    return Wiring(
        [f"{i} {name}" for i in range(copies) for name in wiring.inputs],
        [f"{i} {name}" for i in range(copies) for name in wiring.neurons],
        roles=wiring.roles * copies,
        outputs=[f"{i} {name}" for i in range(copies) for name in wiring.outputs],
        layers=np.tile(wiring.layers, copies),
        pre=moved(wiring.pre),
        post=moved(wiring.post),
        kind=np.tile(wiring.kind, copies),
        sign=np.tile(wiring.sign, copies),
        count=np.tile(wiring.count, copies),
    )


def _flat(rows: Rows, chosen: slice) -> dict[str, Any]:
    """Rows as the numbers of networks side by side."""

    def flat(value: Array) -> Array:
        value = value[chosen]
        return value[0] if len(value) == 1 else value.reshape(-1)

    def pair(both: tuple[Array, Array] | None) -> Any:
        return None if both is None else tuple(flat(one) for one in both)

    return {
        "coefficients": {name: flat(value) for name, value in rows.coefficients.items()},
        "initial": tuple(flat(one) for one in rows.initial),
        "input_map": pair(rows.input_map),
        "output_map": pair(rows.output_map),
    }


def observed(observation: Any, shape: tuple[int, ...], numbers: CircuitNumbers | LayerNumbers) -> Array:
    """Observations (*shape, n) as numbers, the policy's n."""
    found = observation
    if type(found) is not np.ndarray or found.dtype != np.float64:
        try:
            found = np.asarray(observation, np.float64)
        except (TypeError, ValueError):
            raise ArgumentError(f"observation is {shown(observation)}; it takes numbers.") from None
    n, least = numbers.senses.observations, int(numbers.senses.pick.max(initial=-1)) + 1
    given = found.shape[-1] if found.ndim == len(shape) + 1 else -1
    if found.shape[:-1] != shape or given < 0 or (given != n if n is not None else given < least):
        takes = f"{n}" if n is not None else f"at least {least}"
        axes = "".join(f"{one}, " for one in shape)
        raise ShapeError(
            f"observation has shape {found.shape}; this policy takes ({axes}observations), of which it reads {takes}."
        )
    return found
