"""The scalar formulas that several models share, and their derivatives.

Each function maps numbers to numbers and uses only + - * / and the functions of `elementary`, so the same source runs
elementwise on torch tensors, compiled by Numba, and compiled by Triton. A function named `d_...` returns the
derivatives of the function above it, in the order of that function's arguments.
"""

from wormnet.models.elementary import absolute, exp, where_less

__all__ = [
    "affine",
    "d_decayed",
    "d_gate_argument",
    "d_gated",
    "d_mix",
    "d_relaxation",
    "d_sigmoid",
    "d_tanh",
    "decayed",
    "explicit_euler",
    "gate_argument",
    "gated",
    "mix",
    "relaxation",
    "semi_implicit",
    "sign",
]


def gate_argument(u, slope, midpoint):
    """The argument of a chemical synapse's sigmoid: slope (u - midpoint)."""
    return slope * (u - midpoint)


def d_gate_argument(u, slope, midpoint):
    """Derivatives of gate_argument by u, slope, midpoint."""
    return slope, u - midpoint, -slope


def d_sigmoid(y):
    """Derivative of a sigmoid where its value is y."""
    return y * (1.0 - y)


def d_tanh(y):
    """Derivative of tanh where its value is y."""
    return 1.0 - y * y


def sign(x):
    """1, -1, or 0 at 0: the derivative of |x|."""
    return where_less(0.0, x, 1.0, where_less(x, 0.0, -1.0, 0.0))


def affine(a, b, dt):
    """The argument of a CfC neuron's time gate, a dt + b; linear in each."""
    return a * dt + b


def explicit_euler(v, capacitance, drive, pull, h):
    """One step h of the explicit Euler method for capacitance dv/dt = drive - pull v."""
    return v + h * (drive - pull * v) / capacitance


def semi_implicit(v, capacitance, drive, pull, h):
    """One step h with v taken implicitly and its partners explicitly: (c v + h drive) / (c + h pull).

    This is a weighted mean of v and drive / pull, so it stays between them for every h.
    """
    return (capacitance * v + h * drive) / (capacitance + h * pull)


def relaxation(z):
    """(1 - e^-z) / z, the share of the way to rest that a neuron covers in z time constants, over z; 1 at 0.

    By its series up to 0.25, where the next term is below 1e-15 and beyond which few digits cancel.
    """
    size = absolute(z)
    series = 1.0 - z * (1.0 / 9.0) * (1.0 - z * (1.0 / 10.0) * (1.0 - z * (1.0 / 11.0)))
    series = 1.0 - z * (1.0 / 6.0) * (1.0 - z * (1.0 / 7.0) * (1.0 - z * (1.0 / 8.0) * series))
    series = 1.0 - z * 0.5 * (1.0 - z * (1.0 / 3.0) * (1.0 - z * 0.25 * (1.0 - z * 0.2 * series)))
    safe = where_less(size, 0.25, 1.0, z)  # no division by 0, whose gradient would be NaN
    return where_less(size, 0.25, series, (1.0 - exp(-safe)) / safe)


def d_relaxation(z, decay, value):
    """Derivative of relaxation at z, where e^-z is `decay` and relaxation is `value`."""
    size = absolute(z)
    series = 1.0 / 45360.0 - z * (1.0 / 403200.0 - z * (1.0 / 3991680.0 - z * (1.0 / 43545600.0)))
    series = 1.0 / 30.0 - z * (1.0 / 144.0 - z * (1.0 / 840.0 - z * (1.0 / 5760.0 - z * series)))
    series = -0.5 + z * (1.0 / 3.0 - z * (0.125 - z * series))
    safe = where_less(size, 0.25, 1.0, z)  # no division by 0, whose gradient would be NaN
    return where_less(size, 0.25, series, (decay - value) / safe)


def mix(first, second, gate):
    """A CfC neuron's new state: from `first` (gate 0) to `second` (gate 1)."""
    return first + gate * (second - first)


def d_mix(first, second, gate):
    """Derivatives of mix by first, second, gate."""
    return 1.0 - gate, gate, second - first


def gated(first, second, gate):
    """A CfC neuron's new state without the opposite gate on `first`."""
    return first + gate * second


def d_gated(first, second, gate):
    """Derivatives of gated by first, second, gate."""
    return 1.0, gate, second


def decayed(rest, g, decay):
    """A CfC neuron's new state in the closed form itself: rest - rest decay g."""
    return rest - rest * decay * g


def d_decayed(rest, g, decay):
    """Derivatives of decayed by rest, g, decay."""
    return 1.0 - decay * g, -(rest * decay), -(rest * g)
