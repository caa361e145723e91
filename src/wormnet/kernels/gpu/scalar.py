"""What Triton kernels call for each number or edge; the formulas are those of wormnet.models, the same source."""

from collections.abc import Callable
from typing import Any

import triton
import triton.language as tl
from triton import knobs

from wormnet.models import formulas

__all__ = [
    "activated",
    "d_activated",
    "d_sigmoid",
    "d_tanh",
    "edge_at",
    "gate_argument",
    "part",
    "semi_implicit",
    "settle",
    "sigmoid",
    "tanh",
    "unsettle",
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


@part
def settle(g, h, a, b, elapsed, PURE: tl.constexpr, NO_GATE: tl.constexpr):
    """The new state of a CfC neuron from its heads; if PURE, h is the state at rest, a the slowest rate, b nothing."""
    if PURE:
        new = decayed(h, g, tl.exp(-elapsed * (a + tl.abs(g))))
    elif NO_GATE:
        new = gated(tanh(g), tanh(h), sigmoid(affine(a, b, elapsed)))
    else:
        new = mix(tanh(g), tanh(h), sigmoid(affine(a, b, elapsed)))
    return new


@part
def unsettle(g_new, g, h, a, b, elapsed, PURE: tl.constexpr, NO_GATE: tl.constexpr):
    """Adjoints of g, h, a, b where that of `settle` is g_new; if PURE, the last is that of the decay's logarithm."""
    if PURE:
        decay = tl.exp(-elapsed * (a + tl.abs(g)))
        by_rest, by_g, by_decay = d_decayed(h, g, decay)
        d_b = g_new * by_decay * decay
        sign = tl.where(g > 0.0, 1.0, tl.where(g < 0.0, -1.0, 0.0)).to(g.dtype)
        d_g, d_h = g_new * by_g - d_b * elapsed * sign, g_new * by_rest
        d_a = -d_b * elapsed
    else:
        early, late, gate = tanh(g), tanh(h), sigmoid(affine(a, b, elapsed))
        if NO_GATE:
            by_early, by_late, by_gate = d_gated(early, late, gate)
        else:
            by_early, by_late, by_gate = d_mix(early, late, gate)
        d_g, d_h = g_new * by_early * d_tanh(early), g_new * by_late * d_tanh(late)
        d_b = g_new * by_gate * d_sigmoid(gate)
        d_a = d_b * elapsed
    return d_g, d_h, d_a, d_b


@part
def activated(s, ACTIVATION: tl.constexpr):
    """What a backbone's unit makes of its sum; models.cfc.ACTIVATIONS has the names."""
    if ACTIVATION == "lecun_tanh":
        y = 1.7159 * tanh(0.666 * s)
    elif ACTIVATION == "tanh":
        y = tanh(s)
    elif ACTIVATION == "relu":
        y = tl.where(s < 0.0, 0.0, s)
    else:
        tl.static_assert(ACTIVATION == "silu")
        y = s * sigmoid(s)
    return y


@part
def d_activated(s, ACTIVATION: tl.constexpr):
    """Derivative of `activated`; that of relu at 0 is 0, as torch has it."""
    if ACTIVATION == "lecun_tanh":
        d = 1.7159 * 0.666 * d_tanh(tanh(0.666 * s))
    elif ACTIVATION == "tanh":
        d = d_tanh(tanh(s))
    elif ACTIVATION == "relu":
        d = tl.where(s > 0.0, 1.0, 0.0).to(s.dtype)
    else:
        y = sigmoid(s)
        d = y + s * d_sigmoid(y)
    return d
