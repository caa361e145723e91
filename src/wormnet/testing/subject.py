"""A model on one wiring, one engine, in one dtype, and what claims need of it."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from wormnet.models import Model
from wormnet.nn.recurrent import Recurrent
from wormnet.testing.samples import N, draw, parts, start, times
from wormnet.testing.tolerances import close
from wormnet.wiring.core import Wiring

__all__ = ["LENGTHS", "Subject", "expect"]

LENGTHS = (3, 0, 5, 1, 3)
"""Of the sequences in a batch."""


@dataclass(frozen=True)
class Subject:
    """What is checked."""

    model: Model
    wiring: Wiring
    engine: str
    dtype: torch.dtype

    @property
    def device(self) -> str:
        """Where the engine runs."""
        return "cuda" if self.engine == "gpu" else "cpu"

    def on(self, engine: str, dtype: torch.dtype) -> "Subject":
        """The same model elsewhere."""
        return replace(self, engine=engine, dtype=dtype)

    def layer(self, seed: int = 0, **options: Any) -> Recurrent:
        """A layer whose parameters depend on the seed alone, and are near those of a start but not there."""
        with torch.random.fork_rng([]):
            torch.manual_seed(seed)
            # Drawn on the CPU, since another device draws other numbers.
            made = Recurrent(self.wiring, self.model, dtype=self.dtype, device="cpu", **options)
        with torch.no_grad():
            for i, p in enumerate(made.parameters()):
                p.add_(0.1 * draw(*p.shape, seed=100 * seed + i, dtype=p.dtype))
        made._backend, made._choice = self.engine, None
        return made.to(self.device)

    def x(self, *shape: int, seed: int = 1) -> Tensor:
        """Inputs."""
        return draw(*shape, self.wiring.n_inputs, seed=seed, dtype=self.dtype).to(self.device)

    def dt(self, *shape: int) -> Tensor:
        """Times."""
        return times(*shape, dtype=self.dtype).to(self.device)

    def lengths(self) -> Tensor:
        """Of N sequences."""
        return torch.tensor(LENGTHS, device=self.device)

    def run(self, layer: Recurrent, seed: int = 3) -> tuple[Tensor, ...]:
        """What a layer makes of a batch: y and the states."""
        y, state = layer(self.x(N, N), start(layer, N, seed=seed), self.dt(N, N), self.lengths())
        return (y, *parts(state))

    def same(self, got: Any, expected: Any, *, gradient: bool = False) -> None:
        """Raise AssertionError unless tensors agree as far as the dtype allows, beside the largest of them."""
        for one, other in zip(parts(got), parts(expected), strict=True):
            one, other = one.detach().cpu(), other.detach().cpu()
            if not torch.isfinite(other).all():
                raise AssertionError("a result is not finite: is a time between samples of 0.05 to 0.8 too long?")
            size = max(1.0, other.abs().max().item() if other.numel() else 0.0)
            close(one / size, other / size, backend=self.engine, gradient=gradient)

    def bits(self, got: Any, expected: Any) -> None:
        """Raise AssertionError unless tensors are equal."""
        for one, other in zip(parts(got), parts(expected), strict=True):
            expect(
                torch.equal(one, other), f"results differ by {_difference(one, other)}; they should be the same bits"
            )


def _difference(one: Tensor, other: Tensor) -> str:
    if one.shape != other.shape:
        return f"their shapes, {tuple(one.shape)} and {tuple(other.shape)}"
    return f"{(one - other).abs().max().item():.3g}" if one.numel() else "nothing"


def expect(holds: bool, otherwise: str) -> None:
    """Raise AssertionError unless something holds; unlike assert, under python -O too."""
    if not holds:
        raise AssertionError(otherwise)
