"""The scalar formulas of all models and their derivatives, with nothing but arithmetic.

Every function here takes numbers and gives numbers with + - * / alone, so that the same source runs elementwise on
torch tensors, compiled by Numba and compiled by Triton. What is not arithmetic (exp, tanh, the sigmoid) is computed by
the engine and handed in. A function named `d_...` gives the derivatives of its neighbour above, in the order of its
arguments.
"""

__all__ = [
    "affine",
    "d_decayed",
    "d_explicit_euler",
    "d_exponential_euler",
    "d_gate_argument",
    "d_gated",
    "d_mix",
    "d_semi_implicit",
    "d_sigmoid",
    "d_tanh",
    "decayed",
    "explicit_euler",
    "exponential_euler",
    "gate_argument",
    "gated",
    "mix",
    "rk4_sum",
    "semi_implicit",
    "velocity",
]


def gate_argument(u, slope, midpoint):
    """What the sigmoid of a chemical synapse is taken of: slope (u - midpoint)."""
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


def affine(a, b, dt):
    """The argument of a CfC neuron's time gate, a dt + b; linear in each."""
    return a * dt + b


def velocity(v, capacitance, drive, pull):
    """dv/dt of capacitance dv/dt = drive - pull v, the form of every conductance-based neuron."""
    return (drive - pull * v) / capacitance


def explicit_euler(v, capacitance, drive, pull, h):
    """One step h of the explicit Euler method."""
    return v + h * (drive - pull * v) / capacitance


def d_explicit_euler(v, capacitance, drive, pull, h):
    """Derivatives of explicit_euler by v, capacitance, drive, pull, h."""
    rate = (drive - pull * v) / capacitance
    share = h / capacitance
    return 1.0 - share * pull, -share * rate, share, -share * v, rate


def semi_implicit(v, capacitance, drive, pull, h):
    """One step h with v taken implicitly and its partners explicitly: (c v + h drive) / (c + h pull).

    A weighted mean of v and drive / pull, so no h makes it leave the range between them.
    """
    return (capacitance * v + h * drive) / (capacitance + h * pull)


def d_semi_implicit(v, capacitance, new, inverse, pull, drive, h):
    """Derivatives of semi_implicit by v, capacitance, drive, pull, h; inverse is 1 / (c + h pull), new its value."""
    return capacitance * inverse, (v - new) * inverse, h * inverse, -h * new * inverse, (drive - pull * new) * inverse


def exponential_euler(v, rest, decay):
    """One step of the exponential Euler method: towards rest = drive / pull, with decay = exp(-h pull / c)."""
    return rest + (v - rest) * decay


def d_exponential_euler(v, rest, decay):
    """Derivatives of exponential_euler by v, rest, decay."""
    return decay, 1.0 - decay, v - rest


def rk4_sum(v, k1, k2, k3, k4, h):
    """The last line of the classical Runge-Kutta method of order four."""
    return v + h * (k1 + 2.0 * k2 + 2.0 * k3 + k4) / 6.0


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
