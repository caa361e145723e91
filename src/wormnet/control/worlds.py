"""Environments, many at once: some by their equations in compiled loops, all others as Gymnasium has them."""

import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from wormnet.errors import ArgumentError, need, shown

__all__ = ["WORLDS", "InvertedPendulum", "MountainCar", "MountainCarProgress", "World", "world_of"]

Array = NDArray[Any]


class World(ABC):
    """Rows of one environment that advance together; subclass it to search in an environment of your own, fast.

    A row starts as the environment does with that row's seed, whatever the others do. Rows that have ended are stepped
    on, and what they give then is not read.

    Attributes:
        name: for messages and files.   observations, actions: how many numbers of each.
        limit: after how many steps an episode ends at the latest.
        choices: 0, or how many actions there are to choose from, whose numbers begin with `first`; an action is one
            number then.
    """

    name: str
    observations: int
    actions: int
    limit: int
    choices: int = 0
    first: int = 0

    def __init__(self, rows: int):
        self.rows = rows

    @abstractmethod
    def reset(self, seeds: Array) -> Array:
        """Start all rows by their seeds (rows,); the first observations (rows, n)."""

    @abstractmethod
    def step(self, action: Array) -> tuple[Array, Array, Array]:
        """Take actions (rows, m): observations (rows, n), rewards (rows,), and which rows have ended (rows,)."""


class MountainCar(World):
    """Gymnasium's MountainCarContinuous-v0, number for number.

    >>> MountainCar(2).reset(np.array([0, 0]))[:, 1]
    array([0., 0.])
    """

    name = "MountainCarContinuous-v0"
    observations, actions, limit = 2, 1, 999

    def reset(self, seeds: Array) -> Array:
        """As Gymnasium's with these seeds."""
        place = [np.random.default_rng(int(seed)).uniform(-0.6, -0.4) for seed in seeds]
        self._state = np.stack([np.array(place), np.zeros(len(seeds))], axis=1)
        return self._state.astype(np.float32).astype(np.float64)

    def step(self, action: Array) -> tuple[Array, Array, Array]:
        """As Gymnasium's, for actions in float64."""
        place, speed = self._state.T
        a = action[:, 0]
        speed = speed + np.clip(a, -1.0, 1.0) * 0.0015 - 0.0025 * np.cos(3 * place)
        speed = np.clip(speed, -0.07, 0.07)
        place = np.clip(place + speed, -1.2, 0.6)
        speed = np.where((place == -1.2) & (speed < 0), 0.0, speed)
        ended = (place >= 0.45) & (speed >= 0.0)
        # The state is kept in single precision there.
        self._state = np.stack([place, speed], axis=1).astype(np.float32).astype(np.float64)
        return self._state, 100.0 * ended - 0.1 * a**2, ended


class MountainCarProgress(MountainCar):
    """MountainCar whose reward also tells how far a search has come: 50 times the share of the energy still missing
    for the goal at the start that the car has had at its best.

        energy = speed^2 / 2 + 0.0025 / 3 sin(3 place)

    Without it nothing is earned short of the goal, and standing still earns most.
    """

    name = "MountainCarContinuous-v0 with progress"

    def reset(self, seeds: Array) -> Array:
        """As `MountainCar`."""
        seen = super().reset(seeds)
        self._first = self._best = self._energy()
        return seen

    def step(self, action: Array) -> tuple[Array, Array, Array]:
        """As `MountainCar`, with its reward and that for progress."""
        seen, reward, ended = super().step(action)
        best = np.maximum(self._best, self._energy())
        missing = 0.0025 / 3 * math.sin(3 * 0.45) - self._first
        progress = (np.minimum(best - self._first, missing) - np.minimum(self._best - self._first, missing)) / missing
        self._best = best
        return seen, reward + 50.0 * progress, ended

    def _energy(self) -> Array:
        return self._state[:, 1] ** 2 / 2 + 0.0025 / 3 * np.sin(3 * self._state[:, 0])


class InvertedPendulum(World):
    """The plant of Gymnasium's InvertedPendulum-v5, MuJoCo's equations of this one cart and pole written out.

        (M + m) x'' + m l cos q q'' = F + m l sin q q'^2 - x' + rail
        m l cos q x'' + (I + m l^2) q'' = m g l sin q - q'

    by the classical Runge-Kutta step of .02 s, two for each action; the rail ends softly at -1 and 1, as MuJoCo's
    limits of joints do. It needs no MuJoCo, and agrees with it to 1e-6 over an episode's first 50 steps.

    >>> InvertedPendulum(1).reset(np.array([0])).shape
    (1, 4)
    """

    name = "InvertedPendulum-v5"
    observations, actions, limit = 4, 1, 1000

    def reset(self, seeds: Array) -> Array:
        """As Gymnasium's with these seeds."""
        self._state = np.zeros((len(seeds), 4))
        for row, seed in zip(self._state, seeds):
            rng = np.random.default_rng(int(seed))
            row[:2], row[2:] = rng.uniform(-0.01, 0.01, 2), rng.uniform(-0.01, 0.01, 2)
        return self._state.copy()

    def step(self, action: Array) -> tuple[Array, Array, Array]:
        """Two steps of .02 s with a force of 100 N times the action, which is at most 3."""
        _swing(self._state, np.ascontiguousarray(action[:, 0]))
        healthy = np.isfinite(self._state).all(1) & (np.abs(self._state[:, 1]) <= 0.2)
        self._state[~healthy] = 0.0  # ended, and never to overflow
        return self._state.copy(), healthy.astype(np.float64), ~healthy


# Masses and inertia of capsules of 1000 kg/m^3 as MuJoCo computes them from inverted_pendulum.xml.
CART, POLE, INERTIA, GRAVITY = 10.471975511965978, 5.018591635246, 0.18874977, 9.81
LENGTH, TILT = math.hypot(0.0005, 0.3), math.atan2(0.0005, 0.3)


@njit(cache=True, nogil=True)
def _accelerations(x, q, dx, dq, force):
    """x'' and q'' of the cart and pole, the rail's end included."""
    cos, sin = math.cos(q + TILT), math.sin(q + TILT)
    a, b, d = CART + POLE, POLE * LENGTH * cos, INERTIA + POLE * LENGTH * LENGTH
    e = force + POLE * LENGTH * sin * dq * dq - dx
    f = POLE * GRAVITY * LENGTH * sin - dq
    det = a * d - b * b
    ddx, ddq = (d * e - b * f) / det, (a * f - b * e) / det
    if abs(x) > 1.0:
        # MuJoCo's soft limit: a spring and damper of .04 s (twice the step), that gives way by the impedance .9 to .95.
        side = 1.0 if x < 0 else -1.0
        deep = abs(x) - 1.0
        share = min(deep / 0.001, 1.0)
        smooth = 2.0 * share * share if share < 0.5 else 1.0 - 2.0 * (1.0 - share) * (1.0 - share)
        impedance = 0.9 + 0.05 * smooth
        inverse, at_rest = d / det, LENGTH * POLE
        free = d / (a * d - at_rest * at_rest)
        stiffness, damping = 1.0 / (0.95 * 0.95 * 0.04 * 0.04), 2.0 / (0.95 * 0.04)
        wanted = -damping * side * dx + stiffness * impedance * deep
        push = (wanted - side * ddx) / (inverse + (1.0 - impedance) / impedance * free)
        if push > 0.0:
            ddx += side * push * inverse
            ddq -= side * push * b / det
    return ddx, ddq


@njit(cache=True, nogil=True)
def _swing(state, action):
    """Advance states (rows, 4) of place, angle and their speeds by .04 s."""
    h = 0.02
    for r in range(state.shape[0]):
        force = 100.0 * min(max(action[r], -3.0), 3.0)
        x, q, dx, dq = state[r]
        for _ in range(2):
            a1, b1 = _accelerations(x, q, dx, dq, force)
            x2, q2, dx2, dq2 = x + h / 2 * dx, q + h / 2 * dq, dx + h / 2 * a1, dq + h / 2 * b1
            a2, b2 = _accelerations(x2, q2, dx2, dq2, force)
            x3, q3, dx3, dq3 = x + h / 2 * dx2, q + h / 2 * dq2, dx + h / 2 * a2, dq + h / 2 * b2
            a3, b3 = _accelerations(x3, q3, dx3, dq3, force)
            x4, q4, dx4, dq4 = x + h * dx3, q + h * dq3, dx + h * a3, dq + h * b3
            a4, b4 = _accelerations(x4, q4, dx4, dq4, force)
            x, q = x + h / 6 * (dx + 2 * dx2 + 2 * dx3 + dx4), q + h / 6 * (dq + 2 * dq2 + 2 * dq3 + dq4)
            dx, dq = dx + h / 6 * (a1 + 2 * a2 + 2 * a3 + a4), dq + h / 6 * (b1 + 2 * b2 + 2 * b3 + b4)
        state[r, 0], state[r, 1], state[r, 2], state[r, 3] = x, q, dx, dq


WORLDS: Mapping[str, type[World]] = MappingProxyType(
    {one.name: one for one in (MountainCar, MountainCarProgress, InvertedPendulum)}
)
"""Environments of Gymnasium that are computed here, by their ids."""


class _Gymnasium(World):
    """Environments of Gymnasium, one after the other."""

    def __init__(self, rows: int, made: Callable[[], Any], name: str):
        super().__init__(rows)
        self.name = name
        self.environments = [made() for _ in range(rows)]
        first = self.environments[0]
        try:
            seen, acted = first.observation_space, first.action_space
            discrete = acted.shape == () and hasattr(acted, "n")
            self.choices, self.first = (int(acted.n), int(acted.start)) if discrete else (0, 0)
            shape = (1,) if discrete else acted.low.shape
            if not discrete and not np.issubdtype(acted.dtype, np.floating):
                raise ValueError
            (self.observations,), (self.actions,) = seen.shape, shape
        except (AttributeError, TypeError, ValueError):
            raise ArgumentError(
                f"{name} has no flat observations and actions; a policy takes an environment whose observation_space "
                "is of shape (n,), and whose action_space is a Box of shape (m,) of floating numbers, or Discrete."
            ) from None
        if not discrete:
            self.low, self.high = (np.asarray(one, np.float64) for one in (acted.low, acted.high))
            self.kind = acted.dtype
        spec = getattr(first, "spec", None)
        self.limit = getattr(spec, "max_episode_steps", None) or 100_000

    def reset(self, seeds: Array) -> Array:
        self._seen = [one.reset(seed=int(seed))[0] for one, seed in zip(self.environments, seeds)]
        self._over = np.zeros(self.rows, bool)
        return np.stack(self._seen).astype(float)

    def step(self, action: Array) -> tuple[Array, Array, Array]:
        rewards = np.zeros(self.rows)
        actions = action[:, 0].astype(int) if self.choices else np.clip(action, self.low, self.high).astype(self.kind)
        for row in np.flatnonzero(~self._over):  # what steps after an end do, Gymnasium leaves open
            self._seen[row], rewards[row], terminated, truncated, _ = self.environments[row].step(actions[row])
            self._over[row] = terminated or truncated
        return np.stack(self._seen).astype(float), rewards, self._over.copy()


Env = str | type[World] | Callable[[], Any]


def world_of(env: Env, rows: int, *, exact: bool = False) -> World:
    """Rows of an environment.

    Args:
        env: an id: one of `WORLDS`, which run fast, or of Gymnasium; a subclass of `World`; or a function without
            arguments that makes a Gymnasium environment.
        rows: how many.   exact: Gymnasium's own also where `WORLDS` has its equations.

    Raises: ArgumentError for an id that Gymnasium does not know, or what is none of these.
    """
    if isinstance(env, str):
        return WORLDS[env](rows) if env in WORLDS and not exact else _Gymnasium(rows, maker_of(env), env)
    if inspect.isclass(env) and issubclass(env, World) and not inspect.isabstract(env):
        return env(rows)
    if not callable(env) or inspect.isabstract(env):
        raise ArgumentError(
            f"env is {shown(env)}; it takes an id of Gymnasium, a subclass of World, or a function that makes one."
        )
    return _Gymnasium(rows, env, getattr(env, "__name__", "the environment"))


def maker_of(env: str) -> Callable[[], Any]:
    """A function that makes an environment of Gymnasium.

    Raises: ArgumentError for an id that Gymnasium does not know; when it is called, for an environment that lacks a
        package.
    """
    gymnasium = need("gymnasium", "gymnasium", f"the environment {env!r}", extra="control")
    try:
        gymnasium.spec(env)
    except gymnasium.error.Error as error:
        raise ArgumentError(f"env is {env!r}: {' '.join(str(error).split())}") from None

    def made() -> Any:
        try:
            return gymnasium.make(env)
        except gymnasium.error.DependencyNotInstalled as error:
            raise ArgumentError(f"{env} cannot be made here: {' '.join(str(error).split())}") from None

    return made


def prove_fit(policy: Any, world: World) -> None:
    """Raise ArgumentError unless a policy's observations and actions are those of an environment."""
    if getattr(policy, "numbers", None) is None:
        raise ArgumentError(f"policy is {shown(policy)}; it takes a Policy. Of a layer or a circuit it is Policy(...).")
    senses, motors = policy.numbers.senses, policy.numbers.motors
    least = int(senses.pick.max(initial=-1)) + 1
    fits = world.observations == senses.observations if senses.observations is not None else world.observations >= least
    if not fits or world.actions != motors.actions:
        takes = senses.observations if senses.observations is not None else f"at least {least}"
        raise ArgumentError(
            f"{world.name} gives {world.observations} observations and takes {world.actions} actions; this policy "
            f"takes {takes} and gives {motors.actions}. Give it maps for this environment, or another environment."
        )
    if (world.choices, world.first) != (motors.choices, motors.first or 0):
        wants = "numbers" if not world.choices else f"one of {world.choices} actions from {world.first} on"
        gives = "numbers" if not motors.choices else f"one of {motors.choices} from {motors.first} on"
        raise ArgumentError(
            f"{world.name} takes {wants}, and this policy gives {gives}. Which of several numbers is largest is "
            f"move=[..., Choice(first={world.first})]."
        )


def seeds_of(seed: int, *numbers: int, n: int) -> NDArray[np.int64]:
    """n seeds of episodes that follow from a seed and numbers."""
    return np.random.SeedSequence([seed, *numbers]).generate_state(n).astype(np.int64)


def episodes(act: Callable[[ArrayLike], Array], world: World, shape: tuple[int, int], seeds: Array) -> Array:
    """Returns (P, E) of one episode each; every vector has the same E seeds.

    Args: act: observations (P, E, n) -> actions (P, E, m), which has started over.
    """
    vectors, environments = shape
    seen = world.reset(np.tile(seeds, vectors))
    total, running = np.zeros(vectors * environments), np.ones(vectors * environments, bool)
    for _ in range(world.limit):
        action = act(seen.reshape(vectors, environments, -1))
        seen, reward, ended = world.step(action.reshape(vectors * environments, -1))
        total += np.where(running, reward, 0.0)
        running &= ~ended
        if not running.any():
            break
        if not running.all():
            seen = np.where(running[:, None], seen, 0.0)
    return total.reshape(shape)
