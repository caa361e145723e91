"""How much each input contributed to an output: integrated gradients."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from wormnet.audit.frozen import frozen
from wormnet.errors import ArgumentError, ShapeError
from wormnet.models.spec import check_count

__all__ = ["Attribution", "integrated_gradients"]

ROWS = 256
"""At most so many rows are in memory at once."""


@dataclass(frozen=True, eq=False)
class Attribution:
    """What each input contributed to an output.

    Args:
        values: like x: contributions, in units of the output; over an example they sum to `change`.
        change: (batch,) output at x minus output at the baseline.
        gap: (batch,) the sum of the values minus `change`: 0 but for the numerical error of the integral. If it is
            not small, take more steps.

    >>> Attribution(np.ones((1, 2)), [2.0], [0.0]).change.item()
    2.0
    """

    values: NDArray[np.float64]
    change: NDArray[np.float64]
    gap: NDArray[np.float64]

    def __post_init__(self):
        for name in ("values", "change", "gap"):
            object.__setattr__(self, name, frozen(getattr(self, name)))


def integrated_gradients(
    function: Callable[[Tensor], Any],
    x: Tensor | ArrayLike,
    baseline: Tensor | ArrayLike | None = None,
    *,
    target: int | None = None,
    steps: int = 50,
) -> Attribution:
    r"""Integrated gradients of an output by all inputs.

        values_i = (x_i - b_i) integral_0^1 dF/dx_i (b + a (x - b)) da

    by Gauss-Legendre quadrature. They sum to F(x) - F(b) (completeness), whatever F, where gradients by themselves
    vanish on everything that is saturated.

    Args:
        function: x (batch, ...) -> (batch,), or (batch, outputs); a module is run in evaluation mode, and stays as it
            is. Rows must not depend on each other. Of a layer: `lambda x: rnn(x)[0][:, -1]`.
        x: (batch, ...) a tensor or an array.
        baseline: b, what stands for no information: like x, or one for all rows; None for zeros.
        target: which output; None if there is one only.
        steps: evaluations along the way, 1 or more.

    Returns: an Attribution.
    Raises: ShapeError for an output or a baseline of another shape, ArgumentError for a wrong value, or an output that
        does not depend on x.
    Source: Sundararajan, Taly & Yan 2017, ICML, arXiv 1703.01365.

    >>> found = integrated_gradients(lambda x: (x**2).sum(1), torch.tensor([[1.0, 2.0]]))
    >>> found.values.round(6).tolist(), found.change.tolist()
    ([[1.0, 4.0]], [5.0])
    """
    check_count("steps", steps, 1)
    if target is not None:
        check_count("target", target, 0)
    x, baseline = _given(function, x, baseline)
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    nodes, weights = (nodes + 1) / 2, weights / 2
    modules = list(function.modules()) if isinstance(function, nn.Module) else []
    training = [(module, module.training) for module in modules]
    for module in modules:
        module.training = False
    total = torch.zeros(x.shape, dtype=torch.float64, device=x.device)
    try:
        with torch.no_grad():
            ends = [_output(function, one, target).double() for one in (x, baseline)]
        at_once = max(1, ROWS // max(len(x), 1))
        for first in range(0, steps, at_once):
            some = torch.as_tensor(nodes[first : first + at_once]).to(x)
            points = baseline + some.reshape(-1, *[1] * x.dim()) * (x - baseline)
            gradient = _gradient(function, points.flatten(0, 1), target).reshape(points.shape)
            total += torch.tensordot(torch.as_tensor(weights[first : first + at_once]).to(total), gradient.double(), 1)
    finally:
        for module, flag in training:
            module.training = flag
    values = (total * (x - baseline).double()).cpu().numpy()
    change = (ends[0] - ends[1]).cpu().numpy()
    return Attribution(values, change, values.reshape(len(values), -1).sum(1) - change)


def _given(function: Any, x: Any, baseline: Any) -> tuple[Tensor, Tensor]:
    """x and the baseline as tensors of one shape, in the module's dtype and on its device."""
    if not callable(function):
        raise ArgumentError(f"function is {function!r}; it takes a module, or a function of a tensor.")
    parameter = next(function.parameters(), None) if isinstance(function, nn.Module) else None
    x = torch.as_tensor(x).detach()
    x = x.to(parameter) if parameter is not None else x if x.is_floating_point() else x.to(torch.get_default_dtype())
    if x.dim() < 1 or not x.shape[0]:
        raise ShapeError(f"x has shape {tuple(x.shape)}; it takes (batch, ...), at least one example.")
    base = torch.zeros_like(x) if baseline is None else torch.as_tensor(baseline).detach().to(x)
    if base.shape not in (x.shape, x.shape[1:], (1, *x.shape[1:])):
        takes = f"{tuple(x.shape)}, or {tuple(x.shape[1:])} for all rows"
        raise ShapeError(f"the baseline has shape {tuple(base.shape)}; it takes {takes}.")
    if not (x.isfinite().all() and base.isfinite().all()):
        raise ArgumentError("x or the baseline is not finite everywhere; there is no way from one to the other.")
    return x, base.expand(x.shape)


def _output(function: Callable[[Tensor], Any], x: Tensor, target: int | None) -> Tensor:
    """(batch,) the output that is looked at."""
    y = function(x)
    if not isinstance(y, Tensor) or y.shape[:1] != x.shape[:1] or y.dim() > 2:
        given = f"shape {tuple(y.shape)}" if isinstance(y, Tensor) else "no tensor"
        raise ShapeError(
            f"the function gives {given} for {len(x)} rows; it takes ({len(x)},) or ({len(x)}, outputs). Of what "
            "a layer returns take one sample: lambda x: rnn(x)[0][:, -1]."
        )
    if y.dim() == 1:
        if target not in (None, 0):
            raise ArgumentError(f"target is {target}, and the function has one output; leave it out.")
        return y
    n = y.shape[1]
    if target is None and n != 1:
        raise ArgumentError(f"the function has {n} outputs; say which one: target=0 to {n - 1}.")
    if target is not None and target >= n:
        raise ArgumentError(f"target is {target}; the function has {n} outputs, 0 to {n - 1}.")
    return y[:, target or 0]


def _gradient(function: Callable[[Tensor], Any], x: Tensor, target: int | None) -> Tensor:
    x = x.detach().requires_grad_()
    with torch.enable_grad():
        y = _output(function, x, target)
        found = torch.autograd.grad(y.sum(), x, allow_unused=True)[0] if y.requires_grad else None
    if found is None:
        raise ArgumentError("the output does not depend on x through torch; is it detached, or does it ignore x?")
    return found
