"""Many parameter vectors, each in many environments, through one call of the engine."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wormnet.control.maps import make, sense
from wormnet.control.parameters import CircuitNumbers, LayerNumbers, Rows, proved
from wormnet.engine.cpu.stepper import Stepper
from wormnet.errors import ArgumentError, ShapeError, shown

if TYPE_CHECKING:
    from wormnet.control.policy import Policy

__all__ = ["Population", "Runner", "observed"]

Array = NDArray[Any]


class Population:
    """P parameter vectors of one policy, each in E environments of its own.

    They are the rows of one stepper, each with parameters of its own, so a step is one call of the engine.

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

    def __init__(
        self, numbers: CircuitNumbers | LayerNumbers, vectors: int, environments: int, warmup: int, axes: int = 3
    ):
        self._axes = axes  # of observations as the caller gives them, for messages
        self.shape, self.warmup, self._numbers = (vectors, environments), warmup, numbers
        wiring, rows = numbers.layout.wiring, vectors * environments
        self._felt = np.zeros((vectors, environments, wiring.n_inputs))
        self._x = self._felt[0, 0] if rows == 1 else self._felt.reshape(rows, wiring.n_inputs)
        self._stepper: Stepper | None = None
        self.starting, self.fresh = np.ones((vectors, environments), bool), True

    def take(self, rows: Rows) -> None:
        """Other numbers; everything starts over."""
        self._rows = rows
        given = {
            "coefficients": {name: self._of_rows(value) for name, value in rows.coefficients.items()},
            "initial": tuple(self._of_rows(value) for value in rows.initial),
        }
        for name in ("input_map", "output_map", "projection"):
            pair = getattr(rows, name)
            given[name] = None if pair is None else tuple(self._of_rows(value) for value in pair)
        if self._stepper is None:
            vectors, n = self.shape[0], self.starting.size
            unit = self._numbers.layer.time_unit if isinstance(self._numbers, LayerNumbers) else 1.0
            more: dict[str, Any] = {"dtype": next(iter(rows.coefficients.values())).dtype, "time_unit": unit}
            more |= {"batch": n, "per_row": vectors > 1} if n > 1 else {}
            self._stepper = Stepper(self._numbers.layout, **given, **more)
        else:
            self._stepper.update(given.pop("coefficients"), **given)
        self.reset()

    def _of_rows(self, value: Array) -> Array:
        """Numbers of the vectors as those of the stepper's rows."""
        return value[0] if self.shape[0] == 1 else np.repeat(value, self.shape[1], axis=0)

    def reset(self, mask: ArrayLike | None = None) -> None:
        """Start over where mask is true, or everywhere."""
        assert self._stepper is not None
        if mask is None:
            self._stepper.reset()
            self.starting[:] = self.fresh = True
            return
        which = np.asarray(mask)
        if which.dtype != bool or which.shape != self.shape:
            raise ShapeError(f"mask has shape {which.shape} of {which.dtype}; it takes booleans {self.shape}.")
        if which.any():
            self._stepper.reset(None if self.starting.size == 1 else which.reshape(-1))
            self.starting |= which
            self.fresh = True

    def act(self, observation: Array) -> Array:
        """Actions (P, E, m), a fresh array."""
        numbers = self._numbers
        place = sense(observation, numbers.senses.table, numbers.senses.pick, self._rows.sense, self._felt)
        if place >= 0:
            index = tuple(int(i) for i in np.unravel_index(place, observation.shape))
            where = index[3 - self._axes :]
            raise ArgumentError(
                f"observation[{', '.join(map(str, where))}] is {observation[index]}; a policy takes finite numbers. "
                "Nothing has moved."
            )
        stepper: Any = self._stepper
        if self.fresh:
            self._warm(stepper)
        y = stepper.step(self._x, numbers.dt)
        motors = numbers.motors
        action = np.empty((*self.shape, motors.actions))
        ends = (motors.table, self._rows.move, motors.limits, motors.first is not None, motors.first or 0)
        make(y.reshape(*self.shape, -1), *ends, action)
        return action

    def _warm(self, stepper: Any) -> None:
        """Let networks that start see their first observation for some steps; the others wait."""
        others = ~self.starting.reshape(-1)
        before = stepper.state if self.warmup and others.any() else None
        for _ in range(self.warmup):
            stepper.step(self._x, self._numbers.dt)
        if before is not None:
            several = isinstance(before, tuple)
            after = stepper.state if several else (stepper.state,)
            waited = before if several else (before,)
            mixed = tuple(np.where(others[:, None], old, new) for old, new in zip(waited, after))
            stepper.state = mixed if several else mixed[0]
        self.starting[:] = self.fresh = False


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
