"""What a policy has on both ends of its network: observations become inputs, outputs become actions."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

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
        input_i = min(max(scale_i quantity_of(i) + shift_i, least_i), most_i)
        number_a = base_a + high_a s(y_up(a)) + low_a s(y_down(a)),   s(y) = min(max((y - zero) / (1 - zero), 0), 1)
        action = weight numbers, or the numbers themselves

    Args:
        observations: how many numbers an observation has.
        of: (inputs,) the quantity that each input feels; one that feels none has scale 0.
        scale, shift, least, most: (inputs,).
        pick: (quantities,) places of an observation; not read with a projection.
        sense: (quantities, observations) the projection of observations; (0, 0) without.
        up, down: (numbers,) places of outputs.   high, low, base: (numbers,).
        zero: (numbers,), or None where actions are the outputs as they are.
        move: (actions, numbers) the projection to actions; (0, 0) without.
        dt: what an action lasts.   warmup: steps with the first observation before the first action.
    """

    observations: int
    of: NDArray[np.int64]
    scale: Array
    shift: Array
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
    dt: float
    warmup: int

    @property
    def actions(self) -> int:
        """How many numbers an action has."""
        return len(self.move) or len(self.up)

    def felt(self, observations: ArrayLike) -> Array:
        """What the inputs are: (time, inputs) of observations (time, n). Raises: ShapeError for another n."""
        given = np.asarray(observations, np.float64)
        if given.ndim != 2 or given.shape[1] != self.observations:
            raise ShapeError(f"observations have shape {given.shape}; this policy takes (time, {self.observations}).")
        quantities = given @ self.sense.T if self.sense.size else given[:, self.pick]
        if not quantities.shape[1]:
            quantities = np.zeros((len(given), 1))
        return np.clip(quantities[:, self.of] * self.scale + self.shift, self.least, self.most)

    def made(self, y: ArrayLike) -> Array:
        """Actions (time, m) of outputs (time, outputs)."""
        return self.decoded(torch.from_numpy(np.array(y, np.float64))).numpy()

    def decoded(self, y: Tensor, *, clip: Callable[[Tensor], Tensor] = lambda share: share.clamp(0, 1)) -> Tensor:
        """Actions (..., m) of outputs (..., outputs).

        Args: clip: keeps a motor neuron's share between 0 and 1; another one may let gradients pass.
        """
        base, high, low, move = (
            torch.as_tensor(one, dtype=y.dtype) for one in (self.base, self.high, self.low, self.move)
        )
        numbers = y[..., self.up]
        if self.zero is not None:
            zero = torch.as_tensor(self.zero, dtype=y.dtype)
            one, other = (clip((y[..., k] - zero) / (1 - zero)) for k in (self.up, self.down))
            numbers = base + high * one + low * other
        return numbers @ move.T if self.move.size else numbers


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
            feel = np.array([np.abs(ends.scale[ends.of == q]).max(initial=0.0) for q in range(len(ends.pick))])
            given[:, ends.pick] /= np.where(feel > 0, feel, 1.0)
    else:
        given = np.asarray(observations, np.float64)
        if not np.isfinite(given).all():
            raise ArgumentError("x holds observations that are not finite.")
    given = given.astype(np.float32).astype(np.float64)
    felt = ends.felt(given)
    if not len(felt):
        raise ShapeError(f"x has shape {given.shape}; it takes observations: (time, {ends.observations}).")
    felt = np.concatenate([np.repeat(felt[:1], ends.warmup, 0), felt])
    dt = np.full(len(felt), ends.dt)
    exact, single = (
        ends.made(network.run(felt, dt, dtype)[0])[ends.warmup :] for dtype in (torch.float64, torch.float32)
    )
    if not np.isfinite(exact).all():
        raise ArgumentError("the policy's actions are not finite for these observations; give others: x=.")
    return Trial(given, np.full(len(given), ends.dt), exact, float(np.abs(single - exact).max()))


def tables(ends: Ends, kind: str, text: Callable[[float], str]) -> list[Table]:
    """The maps as tables of a C program; kind: "float" or "double", with its way of writing numbers."""
    size, most = (4, np.finfo(np.float32).max) if kind == "float" else (8, np.finfo(np.float64).max)

    def numbers(name: str, values: Array) -> Table:
        kept = np.clip(values.ravel(), -most, most)  # what has no bound
        return Table(name, f"static const {kind} {name}[{kept.size}]", array(kept, text), kept.size * size)

    of = ends.of if ends.sense.size or not len(ends.pick) else ends.pick[ends.of]
    found = [integers("sense_of", of)]
    found += [numbers(f"sense_{name}", getattr(ends, name)) for name in ("scale", "shift", "least", "most")]
    found += [integers("move_up", ends.up), integers("move_down", ends.down)]
    found += [numbers(f"move_{name}", getattr(ends, name)) for name in ("high", "low", "base")]
    if ends.zero is not None:
        found.append(numbers("move_zero", ends.zero))
    found += [numbers(f"{name}_weight", getattr(ends, name)) for name in ("sense", "move") if getattr(ends, name).size]
    return found
