"""An agent: a cell between standardised observations and two linear maps, one for actions and one for values."""

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from wormnet.control.cells import run, width_of
from wormnet.control.maps import Choice, Standardised, Within
from wormnet.errors import ArgumentError, need
from wormnet.models.spec import check_count
from wormnet.nn import Recurrent
from wormnet.nn.parameters import prove_plain

if TYPE_CHECKING:
    from wormnet.control.policy import Policy

__all__ = ["Agent", "Moments", "finite"]

CLIP = 10.0
"""Deviations from the mean that an observation has at most."""


class Moments(nn.Module):
    """Mean and variance of all numbers that were seen so far, by column.

    Args: shape: of one of what is seen; () for single numbers.

    >>> seen = Moments(())
    >>> seen.notice(torch.tensor([1.0, 3.0])).notice(torch.tensor([5.0, 7.0])).mean.item(), seen.scale.item() ** 2
    (4.0, 5.000...)
    """

    seen: Tensor
    mean: Tensor
    variance: Tensor

    def __init__(self, shape: tuple[int, ...]):
        super().__init__()
        self.register_buffer("seen", torch.zeros((), dtype=torch.float64))
        self.register_buffer("mean", torch.zeros(shape, dtype=torch.float64))
        self.register_buffer("variance", torch.ones(shape, dtype=torch.float64))

    @property
    def scale(self) -> Tensor:
        """The standard deviation, and 1 of what has not varied."""
        # Below this what varies is rounding.
        varies = self.variance > 1e-12 * (1 + self.mean**2)
        return torch.where(varies, self.variance, 1.0).sqrt()

    def notice(self, values: Tensor) -> "Moments":
        """Count values (..., *shape)."""
        new = values.reshape(-1, *self.mean.shape).double()
        share = len(new) / (self.seen + len(new))
        apart = new.mean(0) - self.mean
        spread = (1 - share) * self.variance + share * new.var(0, correction=0)
        self.variance.copy_(spread + share * (1 - share) * apart**2)
        self.mean.add_(share * apart)
        self.seen.add_(len(new))
        return self


class Agent(nn.Module):
    """A cell that acts: observations are standardised by what has been seen, then the cell, then two linear maps.

    The map to values computes standardised ones, and is set anew as returns grow so that the values themselves stay
    (PopArt): policy and values share the cell, and errors in the unit of the reward would drown the policy's gradient.
    What the maps read is standardised likewise: outputs that are small, or far from 0 beside what they vary by, as
    potentials between reversal potentials are, make a linear map learn slowly.

    Args:
        core: (x (batch, time, observations), state) -> (y (batch, time, width), state): a layer of wormnet, torch's
            LSTM or GRU with the batch first, or a module with the attribute `width`.
        observations: numbers in one.   actions: a Gymnasium space, Discrete or Box of one axis.

    Source: van Hasselt et al. 2016, arXiv 1602.07714, of the values; LeCun, Bottou, Orr & Müller 1998, Efficient
        BackProp, section 4.3, of why inputs are standardised.

    >>> from gymnasium.spaces import Discrete
    >>> agent = Agent(nn.LSTM(2, 8, batch_first=True), 2, Discrete(3))
    >>> actions, state = agent.act(torch.zeros(5, 2))
    >>> actions.shape
    (5,)
    """

    def __init__(self, core: nn.Module, observations: int, actions: Any):
        super().__init__()
        spaces = need("gymnasium.spaces", "gymnasium", "an agent", extra="control")
        self.discrete = isinstance(actions, spaces.Discrete)
        if not self.discrete and not (
            isinstance(actions, spaces.Box)
            and len(actions.shape) == 1
            and actions.shape[0]
            and np.issubdtype(actions.dtype, np.floating)
        ):
            raise ArgumentError(
                f"actions is {actions}; it takes Discrete(n), or Box with one axis of floating numbers."
            )
        check_count("observations", observations, 1)
        told = (getattr(core, name, None) for name in ("n_inputs", "input_size", "inputs"))
        takes = next((one for one in told if isinstance(one, int)), observations)
        if takes != observations:
            raise ArgumentError(f"observations is {observations}; the cell takes {takes} inputs.")
        self.core, self.space = core, actions
        n, width = int(actions.n) if self.discrete else actions.shape[0], width_of(core)
        dtype = next((one.dtype for one in core.parameters()), None)
        self.policy, self.value = nn.Linear(width, n, dtype=dtype), nn.Linear(width, 1, dtype=dtype)
        self.spread = None if self.discrete else nn.Parameter(torch.full((n,), -0.5, dtype=dtype))
        # Nearly even odds at the start: what is tried first does not hang on how wide the cell is.
        for layer, gain in ((self.policy, 0.01), (self.value, 1.0)):
            nn.init.orthogonal_(layer.weight, gain)
            nn.init.zeros_(layer.bias)
        self.observed, self.felt, self.returned = Moments((observations,)), Moments((width,)), Moments(())

    def forward(
        self, observations: Tensor, state: Any = None, starts: Tensor | None = None
    ) -> tuple[torch.distributions.Distribution, Tensor, Any]:
        """Observations (batch, time, n) -> the distribution of actions, values (batch, time), and the last state."""
        y, state = self._core(observations, state, starts)
        y = (y - self.felt.mean.to(y.dtype)) / self.felt.scale.to(y.dtype)
        means = self.policy(y)
        if self.spread is None:
            spread: Any = torch.distributions.Categorical(logits=means, validate_args=False)
        else:
            normal = torch.distributions.Normal(means, self.spread.exp(), validate_args=False)
            spread = torch.distributions.Independent(normal, 1)
        return spread, self.value(y)[..., 0] * self.returned.scale + self.returned.mean, state

    def _core(self, observations: Tensor, state: Any, starts: Tensor | None) -> tuple[Tensor, Any]:
        x = (observations - self.observed.mean) / self.observed.scale
        return run(self.core, x.clamp(-CLIP, CLIP).to(self.policy.weight.dtype), state, starts)

    def act(self, observations: Any, state: Any = None, starts: Any = None) -> tuple[NDArray[Any], Any]:
        """The likeliest actions of (batch, n) observations; `starts` (batch,) tells whose episode begins.

        Raises: ArgumentError if an observation is not finite.
        """
        with torch.no_grad():
            x = finite(observations)[:, None]
            begun = None if starts is None else torch.as_tensor(starts)[:, None]
            spread, _, state = self(x, state, begun)
        chosen = spread.logits[:, 0].argmax(-1) if self.discrete else spread.mean[:, 0]
        return self.acted(chosen), state

    def acted(self, actions: Tensor) -> NDArray[Any]:
        """Actions as an environment takes them: within the bounds of its space."""
        if self.discrete:
            return actions.numpy() + int(self.space.start)
        return np.clip(actions.double().numpy(), self.space.low, self.space.high).astype(self.space.dtype)

    @torch.no_grad()
    def to_policy(self, *, observe: Sequence[int] | None = None, observations: int | None = None) -> "Policy":
        """What the agent does, as a `Policy`: without torch in a step, in one file, and in C by `wormnet.export.c`.

        It acts as `act` does, one dt of the layer for each action. Later training does not reach it.

        Args:
            observe: which numbers of an environment's observation the agent's are, if it learned by some alone
                (`policy_gradient.only`).   observations: how many the environment has.

        Raises: ArgumentError if the cell is no recurrent layer of wormnet as it is (a subclass with a `forward` of its
            own, hooks, pruned or parametrized numbers), or for places that cannot be.

        >>> import wormnet
        >>> from gymnasium.spaces import Discrete
        >>> agent = Agent(wormnet.CfC(wormnet.auto_ncp(inputs=2, neurons=8, outputs=4)), 2, Discrete(3))
        >>> agent.to_policy().act([0.1, -0.2]).shape
        (1,)
        """
        from wormnet.control.policy import Policy

        if not isinstance(self.core, Recurrent):
            raise ArgumentError(f"the agent's cell is a {type(self.core).__name__}; it takes a layer of wormnet.")
        own = type(self.core).forward is not Recurrent.forward
        if own or self.core._forward_hooks or self.core._forward_pre_hooks:
            what = f"{type(self.core).__name__} has a `forward` of its own" if own else "the layer has forward hooks"
            raise ArgumentError(f"{what}, which a policy, running without torch, would leave out.")
        prove_plain(self.core)
        layer, like = copy.deepcopy(self.core), self.policy.weight
        # The map of what is felt and what stands before it, in one.
        weight = self.policy.weight.double() / self.felt.scale
        bias = self.policy.bias.double() - weight @ self.felt.mean
        if layer.projection is not None:
            bias = bias + weight @ layer.projection.bias.double()
            weight = weight @ layer.projection.weight.double()
        # Not drawn at random first, which would move torch's generator.
        sizes: dict[str, Any] = {"in_features": weight.shape[1], "out_features": weight.shape[0]}
        made: Any = nn.utils.skip_init(nn.Linear, **sizes, dtype=like.dtype, device=like.device)
        made.weight.copy_(weight)
        made.bias.copy_(bias)
        layer.projection, layer.proj_size = made, weight.shape[0]
        mean, scale = self.observed.mean.tolist(), self.observed.scale.tolist()
        sense = [Standardised(*one, most=CLIP) for one in zip(layer.wiring.inputs, mean, scale, strict=True)]
        last = Choice(int(self.space.start)) if self.discrete else Within(self.space.low, self.space.high)
        return Policy(layer, sense, [last], observe=observe, observations=observations)

    @torch.no_grad()
    def feel(self, observations: Tensor, state: Any = None, starts: Tensor | None = None) -> None:
        """Count what the cell puts out in what the maps' inputs are standardised by; what the agent does stays."""
        mean, scale = self.felt.mean.clone(), self.felt.scale
        self.felt.notice(self._core(observations, state, starts)[0])
        shift, ratio = ((self.felt.mean - mean) / scale, self.felt.scale / scale)
        for head in (self.policy, self.value):
            head.bias.add_(head.weight @ shift.to(head.weight.dtype))
            head.weight.mul_(ratio.to(head.weight.dtype))

    @torch.no_grad()
    def expect(self, returns: Tensor) -> None:
        """Count returns in what values are standardised by; the values that the agent tells stay what they were."""
        mean, scale = self.returned.mean.clone(), self.returned.scale
        self.returned.notice(returns)
        self.value.weight.mul_(scale / self.returned.scale)
        self.value.bias.copy_((self.value.bias * scale + mean - self.returned.mean) / self.returned.scale)


def finite(observations: Any) -> Tensor:
    """Observations as a tensor, or ArgumentError."""
    x = torch.as_tensor(np.asarray(observations, np.float32))
    if not torch.isfinite(x).all():
        raise ArgumentError(f"an observation holds {x[~torch.isfinite(x)][0]:g}; it takes finite numbers.")
    return x
