"""What Triton kernels call for each number or edge; the formulas are those of wormnet.models, the same source."""

from collections.abc import Callable
from typing import Any

import triton
import triton.language as tl
from triton import knobs

from wormnet.models import formulas

__all__ = [
    "affine",
    "d_decayed",
    "d_gated",
    "d_mix",
    "d_sigmoid",
    "d_tanh",
    "decayed",
    "edge_at",
    "gate_argument",
    "gated",
    "mix",
    "part",
    "semi_implicit",
    "sigmoid",
    "tanh",
]


def part(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function that kernels call. Triton's interpreter runs kernels as plain Python and calls it as it is."""
    return function if knobs.runtime.interpret else triton.jit(function)


affine = part(formulas.affine)
decayed, d_decayed = part(formulas.decayed), part(formulas.d_decayed)
gated, d_gated = part(formulas.gated), part(formulas.d_gated)
mix, d_mix = part(formulas.mix), part(formulas.d_mix)
d_sigmoid = part(formulas.d_sigmoid)
d_tanh = part(formulas.d_tanh)
gate_argument = part(formulas.gate_argument)
semi_implicit = part(formulas.semi_implicit)


@part
def sigmoid(x):
    """The logistic function; exp may overflow to infinity, and 1 / inf is the 0 that is wanted."""
    return 1.0 / (1.0 + tl.exp(-x))


@part
def tanh(x):
    """The hyperbolic tangent, to an absolute error of the dtype's epsilon; for a large x as in `sigmoid`."""
    return 1.0 - 2.0 / (tl.exp(2.0 * x) + 1.0)


@part
def edge_at(params, n, mask):
    """The slope, midpoint, conductance and conductance x reversal of edges, in a (4, n) table."""
    slope = tl.load(params, mask=mask, other=0.0)
    midpoint = tl.load(params + n, mask=mask, other=0.0)
    conductance = tl.load(params + 2 * n, mask=mask, other=0.0)
    return slope, midpoint, conductance, tl.load(params + 3 * n, mask=mask, other=0.0)
