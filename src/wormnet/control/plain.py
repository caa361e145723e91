"""Small plain networks that a circuit is put beside: an MLP and an LSTM, searched as policies are."""

import math
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wormnet.control.parameters import Block
from wormnet.errors import ArgumentError, shown

__all__ = ["Lstm", "Mlp", "Plain"]

Array = NDArray[np.float64]


class Plain:
    """What `search` and `replay` take of a policy, for a plain network of some hidden units.

    It sees `quantities` of the observations, each divided by its scale, and its actions are its outputs times a size,
    kept between plus and minus that size. Weights start normal with variance 1 / fan-in, biases at 0.

    Args:
        hidden: units.   observe: which observations.   scale: of each.   observations: how many there are.
        action: the size of its one action.   seed: of the start.
    """

    kind: ClassVar[str] = ""

    def __init__(
        self, hidden: int, observe: Sequence[int], scale: Sequence[float], observations: int, action: float, *,
        seed: int = 0,
    ):  # fmt: skip
        if isinstance(hidden, bool) or not isinstance(hidden, int) or hidden < 1:
            raise ArgumentError(f"hidden is {shown(hidden)}; it takes 1 or more units.")
        self.hidden, self.observe, self.scale = hidden, np.array(observe), np.array(scale, np.float64)
        self.action, self.observations = action, observations
        rng, blocks = np.random.default_rng(seed), self._blocks(len(observe), hidden)
        senses = SimpleNamespace(observations=observations, pick=self.observe)
        size = sum(one.size for one in blocks)
        motors = SimpleNamespace(actions=1, choices=0, first=None)
        self.numbers = SimpleNamespace(blocks=blocks, senses=senses, motors=motors, size=size)
        drawn = [rng.normal(size=one.size) / math.sqrt(one.shape[-1]) if len(one.shape) > 1 else np.zeros(one.size)
                 for one in blocks]  # fmt: skip
        self._theta = np.concatenate(drawn)

    def _blocks(self, n: int, hidden: int) -> list[Block]:
        raise NotImplementedError

    def _step(self, p: dict[str, Array], x: Array, state: Any) -> tuple[Array, Any]:
        """Outputs (P, E) and the new state, of x (P, E, n)."""
        raise NotImplementedError

    @property
    def bounds(self) -> tuple[Array, Array]:
        """None."""
        return np.full(self.numbers.size, -np.inf), np.full(self.numbers.size, np.inf)

    def vector(self) -> Array:
        """A copy of all weights and biases."""
        return self._theta.copy()

    def with_vector(self, theta: ArrayLike) -> "Plain":
        """The network with other numbers."""
        new = type(self)(self.hidden, self.observe, self.scale, self.observations, self.action)  # pyright: ignore
        new._theta = np.array(theta, np.float64)
        return new

    def population(self, vectors: int, environments: int = 1) -> "_Crowd":
        """Many vectors, each in some environments."""
        return _Crowd(self)


class _Crowd:
    def __init__(self, network: Plain):
        self.network = network

    def set(self, theta: Array) -> None:
        """Take vectors (P, K), and start over."""
        blocks = self.network.numbers.blocks
        parts = np.split(theta, np.cumsum([one.size for one in blocks])[:-1], axis=1)
        self._p = {one.name: part.reshape(-1, *one.shape) for one, part in zip(blocks, parts)}
        self._state: Any = None

    def act(self, observation: Array) -> Array:
        """Actions (P, E, 1) of observations (P, E, n)."""
        y, self._state = self.network._step(
            self._p, observation[..., self.network.observe] / self.network.scale, self._state
        )
        return self.network.action * np.clip(y, -1.0, 1.0)[..., None]


class Mlp(Plain):
    """One hidden layer of tanh units, and a linear output.

    >>> Mlp(18, (0, 1), (1.0, 1.0), 2, 1.0).numbers.size
    73
    """

    kind = "mlp"

    def _blocks(self, n: int, hidden: int) -> list[Block]:
        shapes = {"weight": (hidden, n), "bias": (hidden,), "out": (1, hidden), "out_bias": (1,)}
        return [Block(name, shape, -math.inf, math.inf) for name, shape in shapes.items()]

    def _step(self, p: dict[str, Array], x: Array, state: Any) -> tuple[Array, Any]:
        h = np.tanh(x @ p["weight"].transpose(0, 2, 1) + p["bias"][:, None])
        return (h @ p["out"].transpose(0, 2, 1))[..., 0] + p["out_bias"], None


class Lstm(Plain):
    """An LSTM and a linear output.

    >>> Lstm(3, (0, 1), (1.0, 1.0), 2, 1.0).numbers.size
    76
    """

    kind = "lstm"

    def _blocks(self, n: int, hidden: int) -> list[Block]:
        shapes = {"weight": (4 * hidden, n + hidden), "bias": (4 * hidden,), "out": (1, hidden), "out_bias": (1,)}
        return [Block(name, shape, -math.inf, math.inf) for name, shape in shapes.items()]

    def _step(self, p: dict[str, Array], x: Array, state: Any) -> tuple[Array, Any]:
        if state is None:
            state = (np.zeros((*x.shape[:2], self.hidden)),) * 2
        h, c = state
        gates = np.concatenate([x, h], -1) @ p["weight"].transpose(0, 2, 1) + p["bias"][:, None]
        i, f, o, g = np.split(gates, 4, axis=-1)
        with np.errstate(over="ignore"):  # a gate of exp(1000) is shut
            i, f, o = (1.0 / (1.0 + np.exp(-one)) for one in (i, f, o))
        c = f * c + i * np.tanh(g)
        h = o * np.tanh(c)
        return (h @ p["out"].transpose(0, 2, 1))[..., 0] + p["out_bias"], (h, c)
