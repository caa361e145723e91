"""The ways to advance capacitance dv/dt = drive - pull v by a step h, each as stages that one loop runs.

A step goes from y_0, the states before it, over intermediate states y_1, ... to the new ones. Stage j evaluates drive
and pull at y_j and has two functions, for each state of each neuron:

    advance(y_0, ..., y_j, capacitance, drive, pull, h) -> y_j+1, and the values kept for the derivative
    d_advance(y_0, ..., y_j, y_j+1, capacitance, *what was kept, h, by_next)
        -> this stage's share of the adjoints of y_0, ..., y_j, then those of capacitance, drive, pull and log h

where by_next is the adjoint of y_j+1. The derivative by log h, h d/dh, costs no division and is what dt needs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from wormnet.models.elementary import exp
from wormnet.models.formulas import d_relaxation, explicit_euler, relaxation, semi_implicit

__all__ = ["SOLVERS", "Solver", "Stage"]


@dataclass(frozen=True)
class Stage:
    """One evaluation of drive and pull; see the module."""

    advance: Callable[..., Any]
    d_advance: Callable[..., Any]
    keeps: int
    """how many values `advance` returns besides the state"""


@dataclass(frozen=True)
class Solver:
    """A method of one step.

    Attributes:
        stages: in their order.
        order: of convergence, as it claims and the tests measure.
        bounded: whether a step of any size stays between the potentials that pull on a neuron.
    """

    stages: tuple[Stage, ...]
    order: int
    bounded: bool


# -- semi-implicit -----------------------------------------------------------------------------------------------------


def semi_implicit_step(v, capacitance, drive, pull, h):
    """v implicit, its partners explicit (Lechner et al. 2020, equation 3)."""
    inverse = 1.0 / (capacitance + h * pull)
    # The change by itself: as the difference of two states it would lose its digits where h is small.
    return semi_implicit(v, capacitance, drive, pull, h), inverse, h * (drive - pull * v) * inverse


def d_semi_implicit_step(v, new, capacitance, inverse, change, h, by_new):
    """Since drive - pull new = c (new - v) / h, neither is needed again."""
    share = by_new * inverse
    by_v, by_drive = share * capacitance, share * h
    return by_v, -(share * change), by_drive, -(by_drive * new), by_v * change


# -- explicit Euler ----------------------------------------------------------------------------------------------------


def euler_step(v, capacitance, drive, pull, h):
    """Explicit Euler."""
    return explicit_euler(v, capacitance, drive, pull, h), pull, h * (drive - pull * v) / capacitance


def d_euler_step(v, new, capacitance, pull, change, h, by_new):
    """The derivatives of explicit Euler."""
    by_drive = by_new * (h / capacitance)
    by_change = by_new * change
    return by_new - by_drive * pull, -(by_change / capacitance), by_drive, -(by_drive * v), by_change


# -- exponential -------------------------------------------------------------------------------------------------------


def relax(start, capacitance, drive, pull, h):
    """The exact solution after h with drive and pull held constant; explicit Euler where pull is 0."""
    share = h / capacitance
    return start + (drive - pull * start) * share * relaxation(share * pull)


def d_relax(start, capacitance, drive, pull, h, by_new):
    """Adjoints of start, capacitance, drive, pull and log h."""
    share = h / capacitance
    z = share * pull
    decay, part = exp(-z), relaxation(z)
    rate = (drive - pull * start) * share
    by_drive = by_new * share * part
    by_share = by_new * rate * decay
    by_pull = by_new * rate * share * d_relaxation(z, decay, part) - by_drive * start
    return by_new * decay, -(by_share / capacitance), by_drive, by_pull, by_share


def exponential_step(v, capacitance, drive, pull, h):
    """Exponential Euler."""
    return relax(v, capacitance, drive, pull, h), drive, pull


def d_exponential_step(v, new, capacitance, drive, pull, h, by_new):
    """The derivatives of exponential Euler."""
    return d_relax(v, capacitance, drive, pull, h, by_new)


def exponential_half(v, capacitance, drive, pull, h):
    """Exponential Euler over half of the step."""
    return relax(v, capacitance, drive, pull, 0.5 * h), drive, pull


def d_exponential_half(v, new, capacitance, drive, pull, h, by_new):
    """The derivatives over half of the step; those by log h are the same."""
    return d_relax(v, capacitance, drive, pull, 0.5 * h, by_new)


def exponential_whole(v, middle, capacitance, drive, pull, h):
    """The whole step with drive and pull of its middle."""
    return relax(v, capacitance, drive, pull, h), drive, pull


def d_exponential_whole(v, middle, new, capacitance, drive, pull, h, by_new):
    """The middle state acts only through drive and pull."""
    by_v, by_capacitance, by_drive, by_pull, by_log_h = d_relax(v, capacitance, drive, pull, h, by_new)
    return by_v, 0.0 * by_v, by_capacitance, by_drive, by_pull, by_log_h


# -- the classical Runge-Kutta method ----------------------------------------------------------------------------------


def rk4_first(v, capacitance, drive, pull, h):
    """v + h/2 k1"""
    return euler_step(v, capacitance, drive, pull, 0.5 * h)


def d_rk4_first(v, new, capacitance, pull, change, h, by_new):
    """The derivatives of half an Euler step."""
    return d_euler_step(v, new, capacitance, pull, change, 0.5 * h, by_new)


def rk4_second(v, a, capacitance, drive, pull, h):
    """v + h/2 k2, with k2 at a"""
    change = (0.5 * h) * (drive - pull * a) / capacitance
    return v + change, pull, change


def d_rk4_second(v, a, new, capacitance, pull, change, h, by_new):
    """Adjoints of v, a, capacitance, drive, pull, log h."""
    by_drive, by_change = by_new * ((0.5 * h) / capacitance), by_new * change
    return by_new, -(by_drive * pull), -(by_change / capacitance), by_drive, -(by_drive * a), by_change


def rk4_third(v, a, b, capacitance, drive, pull, h):
    """v + h k3, with k3 at b"""
    change = h * (drive - pull * b) / capacitance
    return v + change, pull, change


def d_rk4_third(v, a, b, new, capacitance, pull, change, h, by_new):
    """Adjoints of v, a, b, capacitance, drive, pull, log h."""
    by_drive, by_change = by_new * (h / capacitance), by_new * change
    return by_new, 0.0, -(by_drive * pull), -(by_change / capacitance), by_drive, -(by_drive * b), by_change


def rk4_last(v, a, b, c, capacitance, drive, pull, h):
    """v + h/6 (k1 + 2 k2 + 2 k3 + k4), in terms of a = v + h/2 k1, b = v + h/2 k2, c = v + h k3, and k4 at c."""
    change = (h * (1.0 / 6.0)) * (drive - pull * c) / capacitance
    return (a + 2.0 * b + c - v) * (1.0 / 3.0) + change, pull, change


def d_rk4_last(v, a, b, c, new, capacitance, pull, change, h, by_new):
    """Adjoints of v, a, b, c, capacitance, drive, pull, log h."""
    third, by_change = by_new * (1.0 / 3.0), by_new * change
    by_drive = by_new * ((h * (1.0 / 6.0)) / capacitance)
    by_c = third - by_drive * pull
    return -third, third, 2.0 * third, by_c, -(by_change / capacitance), by_drive, -(by_drive * c), by_change


SOLVERS: dict[str, Solver] = {
    "semi_implicit": Solver((Stage(semi_implicit_step, d_semi_implicit_step, 2),), 1, bounded=True),
    "euler": Solver((Stage(euler_step, d_euler_step, 2),), 1, bounded=False),
    "exponential_euler": Solver((Stage(exponential_step, d_exponential_step, 2),), 1, bounded=True),
    "exponential_midpoint": Solver(
        (Stage(exponential_half, d_exponential_half, 2), Stage(exponential_whole, d_exponential_whole, 2)),
        2,
        bounded=True,
    ),
    "rk4": Solver(
        (
            Stage(rk4_first, d_rk4_first, 2),
            Stage(rk4_second, d_rk4_second, 2),
            Stage(rk4_third, d_rk4_third, 2),
            Stage(rk4_last, d_rk4_last, 2),
        ),
        4,
        bounded=False,
    ),
}
"""The solvers by name. exponential_midpoint keeps the bound of the semi-implicit step at second order, for twice its
evaluations: both of its stages are weighted means of a state and drive / pull."""
