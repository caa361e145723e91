"""Ways to search a vector without gradients: each asks for candidates and is told how good they were.

All work in shares of the bounds, z = (theta - low) / (high - low), where a number has bounds, and in theta itself where
it has none. What a method does follows from its seed and what it is told alone, so telling it again repeats it.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wormnet.control.parameters import Block
from wormnet.errors import ArgumentError, need

__all__ = ["METHODS", "Method", "Scale"]

Array = NDArray[np.float64]


class Scale:
    """Between vectors and shares of their bounds."""

    def __init__(self, low: Array, high: Array):
        self.bounded = np.isfinite(low) & np.isfinite(high)
        self._low = np.where(self.bounded, low, 0.0)
        self._width = np.where(self.bounded, high - self._low, 1.0)

    def shares(self, theta: Array) -> Array:
        """z of theta."""
        return (theta - self._low) / self._width

    def vectors(self, z: Array) -> Array:
        """theta of z, moved to the nearest within bounds."""
        return self._low + self._width * np.where(self.bounded, np.clip(z, 0.0, 1.0), z)


class Method(ABC):
    """A search for the vector with the largest objective."""

    def __init__(self, start: Array, scale: Scale, blocks: Sequence[Block], candidates: int | None, seed: int):
        self.scale, self.blocks, self.rng = scale, list(blocks), np.random.default_rng(seed)
        self.start, self.candidates = start, candidates

    @abstractmethod
    def ask(self) -> Array:
        """The next vectors to be tried, (n, K)."""

    @abstractmethod
    def tell(self, objective: Array) -> None:
        """How good those were, (n,)."""


class Cma(Method):
    """The covariance matrix adaptation evolution strategy of the package `cma`; boundaries by its transformation.

    Its first generation is spread by a share of the bounds, and by .25 where a number has none.

    Source: Hansen & Ostermeier 2001, Evol. Comput. 9, 159; `cma` 4.
    """

    def __init__(self, *arguments: Any, spread: float = 0.08):
        super().__init__(*arguments)
        cma = need("cma", "cma", "the search by CMA-ES", extra="control")
        low = [0.0 if bounded else None for bounded in self.scale.bounded]
        high = [1.0 if bounded else None for bounded in self.scale.bounded]
        options: dict[str, Any] = {"seed": np.nan, "verbose": -9, "verb_log": 0, "verb_disp": 0}
        options["CMA_stds"] = np.where(self.scale.bounded, spread, 0.25)
        options["randn"] = lambda *shape: self.rng.standard_normal(shape)
        if self.scale.bounded.any():
            options["bounds"] = [low, high]
        if self.candidates is not None:
            options["popsize"] = self.candidates
        # It starts on no boundary, where its transformation has no slope.
        z = self.scale.shares(self.start)
        z = np.where(self.scale.bounded, np.clip(z, 0.01, 0.99), z)
        self._strategy = cma.CMAEvolutionStrategy(z, 1.0, options)
        self._asked: list[Any] = []

    def ask(self) -> Array:
        """A generation."""
        self._asked = self._strategy.ask()
        return self.scale.vectors(np.array(self._asked))

    def tell(self, objective: Array) -> None:
        """It minimizes."""
        self._strategy.tell(self._asked, (-objective).tolist())


class Ars(Method):
    """Augmented random search, V1-t: a step along the best of some random directions, each tried both ways.

        z <- z + step / (b sd) sum over the best b directions of (f(z + noise d) - f(z - noise d)) d

    with sd the standard deviation of the 2b objectives. Source: Mania, Guy & Recht 2018, NeurIPS.
    """

    def __init__(self, *arguments: Any, step: float = 0.05, noise: float = 0.1):
        super().__init__(*arguments)
        self.step, self.noise, self.n = step, noise, max(1, (self.candidates or 16) // 2)
        self._z = self.scale.shares(self.start)

    def ask(self) -> Array:
        """Both ways along each direction."""
        self._directions = self.rng.standard_normal((self.n, len(self._z)))
        moved = self.noise * self._directions
        return self.scale.vectors(np.concatenate([self._z + moved, self._z - moved]))

    def tell(self, objective: Array) -> None:
        """One step."""
        both = objective.reshape(2, self.n)
        best = np.argsort(-both.max(0), kind="stable")[: max(1, self.n // 2)]
        spread = both[:, best].std()
        if spread > 0:
            gain = (both[0, best] - both[1, best]) @ self._directions[best]
            self._z = self._z + self.step / (len(best) * spread) * gain
            self._z = np.where(self.scale.bounded, np.clip(self._z, 0.0, 1.0), self._z)


NOISE: Mapping[str, tuple[int, int, float, float]] = MappingProxyType(
    {
        "conductance": (4, 12, 0.01, 0.4),
        "gap_conductance": (4, 12, 0.01, 0.4),
        "slope": (3, 8, 0.01, 0.05),
        "capacitance": (2, 4, 0.01, 0.1),
        "leak": (2, 6, 0.05, 0.5),
        "v_leak": (2, 6, 0.1, 3.0),
    }
)
"""For each parameter how many numbers of it are moved at most, at first and at last, and the range of their spread."""
OTHERS = (4, 12, 0.01, 0.4)
PATIENCE = 50


class Filtered(Method):
    """The published search: a few numbers of the best vector are moved; what is better than it is kept.

    After 50 failures in a row the best is measured again, by other episodes, and more numbers are moved at a time.
    With one candidate at a time it is as published; of several, the best is compared. "Filtered" is the objective, the
    mean of the worst of some episodes.

    Source: Hasani, Lechner, Amini, Rus & Grosu 2020, ICML, supplement, and the published program.
    """

    def __init__(self, *arguments: Any):
        super().__init__(*arguments)
        self._best, self._value, self._failures = self.start.copy(), -np.inf, 0
        self._measuring, self._wide = True, 0

    def ask(self) -> Array:
        """Moved copies of the best, or itself to be measured."""
        if self._measuring:
            self._asked = self._best[None].copy()
            return self._asked
        asked = np.repeat(self._best[None], self.candidates or 1, axis=0)
        for vector in asked:
            at = 0
            for one in self.blocks:
                first, last, low, high = NOISE.get(one.name, OTHERS)
                n = int(self.rng.integers(0, min(first + self._wide, last), endpoint=True))
                spread = self.rng.uniform(low, high)
                for place in self.rng.integers(0, one.size, n):
                    vector[at + place] += self.rng.normal(0.0, spread)
                at += one.size
        self._asked = self.scale.vectors(self.scale.shares(asked))
        return self._asked

    def tell(self, objective: Array) -> None:
        """Keep the best, or have it measured again."""
        if self._measuring:
            self._value, self._measuring = float(objective[0]), False
            return
        k = int(np.argmax(objective))
        if objective[k] > self._value:
            self._best, self._value, self._failures = self._asked[k].copy(), float(objective[k]), 0
            self._wide = max(0, self._wide - 1)
        else:
            self._failures += len(objective)
            if self._failures > PATIENCE:
                self._failures, self._measuring, self._wide = 0, True, self._wide + 1


METHODS: Mapping[str, type[Method]] = MappingProxyType({"cma": Cma, "ars": Ars, "filtered": Filtered})
"""Methods of `search` by name."""


def check_method(method: object) -> type[Method]:
    """The method of a name."""
    from wormnet.errors import unknown

    if not isinstance(method, str) or method not in METHODS:
        raise ArgumentError(unknown("method", method, METHODS))
    return METHODS[method]
