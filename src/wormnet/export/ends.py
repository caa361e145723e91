"""What a policy has on both ends of its network: observations become inputs, outputs become actions."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from wormnet.errors import ArgumentError, ShapeError
from wormnet.export.c_template import Table, integers
from wormnet.export.network import Network
from wormnet.export.samples import SAMPLES, Trial
from wormnet.export.text import array
from wormnet.nn.recurrent import Recurrent

__all__ = ["Ends", "WithEnds", "act_trial", "tables"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Ends:
    """The maps of a policy, which takes an action every dt.

        quantities = weight observation, or those observations that `pick` names
        input_i = min(max(scale_i (quantity_of(i) - middle_i), least_i), most_i)
        number_a = base_a + high_a s(y_up(a)) + low_a s(y_down(a)),   s(y) = min(max((y - zero) / (1 - zero), 0), 1)
        made = min(max(weight numbers, or the numbers themselves, least), most)
        action = made, or which number is largest, counted from `first`

    Args:
        observations: how many numbers an observation has.
        of: (inputs,) the quantity that each input feels.
        scale, middle, least, most: (inputs,); of one that feels none scale is 0, and least and most its potential.
        pick: (quantities,) places of an observation; not read with a projection.
        sense: (quantities, observations) the projection of observations; (0, 0) without.
        up, down: (numbers,) places of outputs.   high, low, base: (numbers,).
        zero: (numbers,), or None where actions are the outputs as they are.
        move: (made, numbers) the projection to actions; (0, 0) without.
        limits: (2, made) the least and the most; infinite for none.
        first: what a choice counts from; None where actions are what is made.
        dt: what an action lasts.   warmup: steps with the first observation before the first action.
    """

    observations: int
    of: NDArray[np.int64]
    scale: Array
    middle: Array
    least: Array
    most: Array
    pick: NDArray[np.int64]
    sense: Array
    up: NDArray[np.int64]
    down: NDArray[np.int64]
    high: Array
    low: Array
    base: Array
    zero: Array | None
    move: Array
    limits: Array
    first: int | None
    dt: float
    warmup: int

    @property
    def actions(self) -> int:
        """How many numbers an action has."""
        return self.limits.shape[1] if self.first is None else 1

    def felt(self, observations: ArrayLike, dtype: Any = np.float64) -> Array:
        """What the inputs are: (time, inputs) of observations (time, n), computed in a dtype.

        Raises: ShapeError for another n.
        """
        given = np.asarray(observations, dtype)
        if given.ndim != 2 or given.shape[1] != self.observations:
            raise ShapeError(f"observations have shape {given.shape}; this policy takes (time, {self.observations}).")
        sense, scale, middle, least, most = (
            one.astype(dtype) for one in (self.sense, self.scale, self.middle, self.least, self.most)
        )
        quantities = given @ sense.T if sense.size else given[:, self.pick]
        if not quantities.shape[1]:
            quantities = np.zeros((len(given), 1), dtype)
        return np.clip((quantities[:, self.of] - middle) * scale, least, most)

    def made(self, y: ArrayLike) -> Array:
        """Actions (time, m) of outputs (time, outputs)."""
        return self.decoded(torch.from_numpy(np.array(y, np.float64))).numpy()

    def decoded(self, y: Tensor) -> Tensor:
        """Actions (..., m) of outputs (..., outputs)."""
        made = self.numbers(y)
        return made if self.first is None else made.argmax(-1, keepdim=True).to(y.dtype) + self.first

    def numbers(self, y: Tensor, *, through: bool = False) -> Tensor:
        """What is made (..., made) of outputs (..., outputs); a choice is not yet made.

        Args: through: let gradients pass limits, as if there were none.
        """
        base, high, low, move, limits = (
            torch.as_tensor(one, dtype=y.dtype) for one in (self.base, self.high, self.low, self.move, self.limits)
        )

        def within(x: Tensor, least: Tensor, most: Tensor) -> Tensor:
            kept = torch.minimum(torch.maximum(x, least), most)
            return kept.detach() + (x - x.detach()) if through else kept

        found = y[..., self.up]
        if self.zero is not None:
            zero, none, one = (torch.as_tensor(k, dtype=y.dtype) for k in (self.zero, 0.0, 1.0))
            up, down = (within((y[..., k] - zero) / (1 - zero), none, one) for k in (self.up, self.down))
            found = base + high * up + low * down
        return within(found @ move.T if self.move.size else found, *limits)


@runtime_checkable
class WithEnds(Protocol):
    """A policy: a layer, and what is on its ends."""

    @property
    def ends(self) -> Ends:
        """Its maps."""
        ...

    def layer(self) -> Recurrent:
        """Its network."""
        ...


def act_trial(network: Network, ends: Ends, observations: ArrayLike | None) -> Trial:
    """Observations of one's own, or random ones that reach a little past what the inputs feel, and the actions.

    Raises: ShapeError, ArgumentError for observations that the policy does not take.
    """
    if observations is None:
        given = np.random.default_rng(0).uniform(-1.2, 1.2, (SAMPLES, ends.observations))
        if not ends.sense.size and len(ends.pick):
            # An observation of 1 is then what brings an input, of those that feel it, to 1.
            for q, place in enumerate(ends.pick):
                felt = np.flatnonzero((ends.of == q) & (ends.scale != 0))
                if len(felt):
                    most = felt[np.abs(ends.scale[felt]).argmax()]
                    given[:, place] = given[:, place] / np.abs(ends.scale[most]) + ends.middle[most]
    else:
        given = np.asarray(observations, np.float64)
        if not np.isfinite(given).all():
            raise ArgumentError("x holds observations that are not finite.")
    given = given.astype(np.float32).astype(np.float64)
    if not len(ends.felt(given)):
        raise ShapeError(f"x has shape {given.shape}; it takes observations: (time, {ends.observations}).")
    outputs = []
    for kind, dtype in ((np.float64, torch.float64), (np.float32, torch.float32)):
        felt = ends.felt(given, kind)
        felt = np.concatenate([np.repeat(felt[:1], ends.warmup, 0), felt]).astype(np.float64)
        outputs.append(network.run(felt, np.full(len(felt), ends.dt), dtype)[0][ends.warmup :])
    exact, single = (ends.made(one) for one in outputs)
    if not np.isfinite(exact).all():
        raise ArgumentError("the policy's actions are not finite for these observations; give others: x=.")
    if ends.first is not None:
        clear = _clear(ends, *outputs)
        given, exact, single = given[:clear], exact[:clear], single[:clear]
    return Trial(given, np.full(len(given), ends.dt), exact, float(np.abs(single - exact).max()))


def _clear(ends: Ends, *outputs: Array) -> int:
    """How many samples there are before one in which rounding may decide what is chosen."""
    exact, single = (np.sort(ends.numbers(torch.from_numpy(np.array(one, np.float64))).numpy()) for one in outputs)
    if exact.shape[1] < 2:
        return len(exact)
    room = 8 * np.abs(exact - single).max() + 1e-6 * np.abs(exact).max()
    close = np.flatnonzero(exact[:, -1] - exact[:, -2] <= room)
    if len(close) and not close[0]:
        raise ArgumentError(
            "rounding decides what this policy chooses in the first sample: two numbers are all but equal. Give other "
            "observations, x=, or a policy whose numbers differ."
        )
    return int(close[0]) if len(close) else len(exact)


def tables(ends: Ends, kind: str, text: Callable[[float], str]) -> list[Table]:
    """The maps as tables of a C program; kind: "float" or "double", with its way of writing numbers."""
    size, most = (4, np.finfo(np.float32).max) if kind == "float" else (8, np.finfo(np.float64).max)

    def numbers(name: str, values: Array) -> Table:
        kept = np.clip(values.ravel(), -most, most)  # what has no bound
        return Table(name, f"static const {kind} {name}[{kept.size}]", array(kept, text), kept.size * size)

    of = ends.of if ends.sense.size or not len(ends.pick) else ends.pick[ends.of]
    found = [integers("sense_of", of)]
    found += [numbers(f"sense_{name}", getattr(ends, name)) for name in ("scale", "middle", "least", "most")]
    found += [integers("move_up", ends.up), integers("move_down", ends.down)]
    found += [numbers(f"move_{name}", getattr(ends, name)) for name in ("high", "low", "base")]
    if ends.zero is not None:
        found.append(numbers("move_zero", ends.zero))
    if np.isfinite(ends.limits).any():
        found += [numbers(f"action_{name}", one) for name, one in zip(("least", "most"), ends.limits)]
    found += [numbers(f"{name}_weight", getattr(ends, name)) for name in ("sense", "move") if getattr(ends, name).size]
    return found
