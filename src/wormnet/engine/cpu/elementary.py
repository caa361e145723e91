# pyright: reportOperatorIssue=false, reportCallIssue=false
"""The elementary functions of a block, with which a model's functions are compiled.

exp(x) = 2^n 2^f with n whole and f in -0.5..0.5, and 2^f a polynomial that is 1 at 0: a few multiplications, no branch
and no call, so that it runs in vectors. Measured over -40..40: a sigmoid's error is below 1.0e-7 in float32 and 2.3e-16
in float64, its relative error below 2.0e-6 and 3.4e-15 (it grows with |x|), so that small gates are exact too and
saturated ones are 0 or 1. In float32 tanh is a ratio of two polynomials, relative error below 3.5e-7.
"""

from collections.abc import Callable
from typing import Any

from numba.core import types
from numba.extending import overload

from wormnet.engine.bind import bind
from wormnet.engine.cpu.compiled import inlined
from wormnet.engine.cpu.lanes import absolute, clamp, power_of_two, where_less

__all__ = ["bound", "exp", "sigmoid", "tanh"]

LOG2_E = 1.4426950408889634
# A number plus this is rounded to a whole one, which stands in its low bits, moved by the exponent's bias.
SINGLE_SHIFT, DOUBLE_SHIFT = 1.5 * 2.0**23 + 127.0, 1.5 * 2.0**52 + 1023.0
# 2^f: relative minimax fits with p(0) = 1 by the Remez exchange, errors 2.6e-9 and 1.8e-17 before rounding.
SINGLE = (1.55946783186174396e-4, 1.34066438982905935e-3, 9.61769297315968092e-3, 5.55031055107065339e-2)
SINGLE_LOW = (2.4022652782884487e-1, 6.93147214967972676e-1)
DOUBLE = (4.07808083299351659e-10, 7.07257034058684414e-9, 1.01806475915846818e-7, 1.32154426757135083e-6)
DOUBLE_MIDDLE = (1.5252727385381208e-5, 1.54035304415714747e-4, 1.33335581534397384e-3, 9.61812910760700278e-3)
DOUBLE_LOW = (5.55041086647903957e-2, 2.4022650695910098e-1, 6.93147180559945697e-1)
# tanh(x / 2) / 2 = x P(x^2) / Q(x^2) for |x| <= 17.5, of which |x| <= 16 is used: absolute minimax fit, 7.1e-9.
P = (1.3316059192802765e-11, 8.123525674363918e-8, 5.4785959946457297e-5, 8.368638344109058e-3, 2.499999850988388e-1)
Q = (3.0808158246742323e-9, 5.161903118278133e-6, 1.6198158264160156e-3, 1.1680781841278076e-1)


def exp(x):
    """e^x of each lane; 0 below and inf above what the type holds."""


def tanh(x):
    """tanh of each lane."""


@overload(exp, inline="always")
def _exp(x):
    if x.number == types.float32:

        def single(x):
            z = clamp(x * LOG2_E, -127.0, 128.0)
            shifted = z + SINGLE_SHIFT
            f = z - (shifted - SINGLE_SHIFT)
            p = SINGLE[0] * f + SINGLE[1]
            p = (p * f + SINGLE[2]) * f + SINGLE[3]
            p = (p * f + SINGLE_LOW[0]) * f + SINGLE_LOW[1]
            return (p * f + 1.0) * power_of_two(shifted)

        return single

    def double(x):
        z = clamp(x * LOG2_E, -1023.0, 1024.0)
        shifted = z + DOUBLE_SHIFT
        f = z - (shifted - DOUBLE_SHIFT)
        p = (DOUBLE[0] * f + DOUBLE[1]) * f + DOUBLE[2]
        p = ((p * f + DOUBLE[3]) * f + DOUBLE_MIDDLE[0]) * f + DOUBLE_MIDDLE[1]
        p = ((p * f + DOUBLE_MIDDLE[2]) * f + DOUBLE_MIDDLE[3]) * f + DOUBLE_LOW[0]
        p = (p * f + DOUBLE_LOW[1]) * f + DOUBLE_LOW[2]
        return (p * f + 1.0) * power_of_two(shifted)

    return double


@inlined
def sigmoid(x):
    """The logistic function of each lane."""
    return 1.0 / (1.0 + exp(-x))


@overload(tanh, inline="always")
def _tanh(x):
    if x.number == types.float32:

        def single(x):
            z = clamp(x + x, -17.0, 17.0)
            t = z * z
            p = (((P[0] * t + P[1]) * t + P[2]) * t + P[3]) * t + P[4]
            q = (((Q[0] * t + Q[1]) * t + Q[2]) * t + Q[3]) * t + 1.0
            return clamp((z + z) * p / q, -1.0, 1.0)

        return single

    def double(x):
        return 2.0 * sigmoid(x + x) - 1.0

    return double


OWN = {"absolute": absolute, "exp": exp, "sigmoid": sigmoid, "tanh": tanh, "where_less": where_less}


def bound(function: Callable[..., Any]) -> Any:
    """A model's function, compiled for blocks."""
    return bind(function, OWN, inlined)
