"""One step of every model and option in plain NumPy, for steppers whose model has no kernel."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wormnet.models import CTRNN, LTC, CfC, Model, formulas
from wormnet.wiring.core import Wiring

__all__ = ["advance_of", "lstm", "mapped"]

Array = NDArray[Any]
Rate = Callable[[Array], tuple[Array, Any]]
"""v (batch, neurons) -> drive and pull."""


def mapped(values: dict[str, Array], numbers: Array, word: str) -> Array:
    """Scale and shift of the inputs or outputs, where a layer has them."""
    return numbers * values.get(f"{word}_scale", 1) + values.get(f"{word}_shift", 0)


def sigmoid(x: Array) -> Array:
    """The logistic function, without overflow."""
    return 0.5 + 0.5 * np.tanh(0.5 * x)


def lstm(weights: tuple[Array, ...], x: Array, h: Array, c: Array) -> tuple[Array, Array]:
    """One step of torch.nn.LSTMCell."""
    weight_ih, weight_hh, bias_ih, bias_hh = weights
    i, f, g, o = np.split(x @ weight_ih.T + bias_ih + h @ weight_hh.T + bias_hh, 4, axis=1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def advance_of(model: Model, wiring: Wiring, p: dict[str, Array]) -> Callable[[Array, Array, float], Array]:
    """(state, mapped inputs, dt) -> new state."""
    at = model.indices(wiring)
    if isinstance(model, CfC):
        return lambda v, x, dt: _cfc(model, p, at, v, x, dt)
    if not isinstance(model, (LTC, CTRNN)):
        raise NotImplementedError(f"{model.name} has no step in plain NumPy")
    sent = _ltc if isinstance(model, LTC) else _ctrnn
    capacitance = p["capacitance" if isinstance(model, LTC) else "time_constant"]
    act = np.tanh if isinstance(model, CTRNN) else lambda drive: drive

    def advance(v: Array, x: Array, dt: float) -> Array:
        drive_x, pull_x = sent(p, at, x, "input")

        def rate(v: Array) -> tuple[Array, Any]:
            drive, pull = sent(p, at, v, "neuron")
            return act(drive_x + drive), pull_x + pull

        for _ in range(model.unfolds):
            v = _solve(model.solver, v, capacitance, rate, dt / model.unfolds)
        return v

    return advance


def _solve(solver: str, v: Array, c: Array, rate: Rate, h: float) -> Array:
    if solver == "rk4":
        k1 = formulas.velocity(v, c, *rate(v))
        k2 = formulas.velocity(v + 0.5 * h * k1, c, *rate(v + 0.5 * h * k1))
        k3 = formulas.velocity(v + 0.5 * h * k2, c, *rate(v + 0.5 * h * k2))
        k4 = formulas.velocity(v + h * k3, c, *rate(v + h * k3))
        return formulas.rk4_sum(v, k1, k2, k3, k4, h)
    drive, pull = rate(v)
    if solver == "euler":
        return formulas.explicit_euler(v, c, drive, pull, h)
    if solver == "semi_implicit":
        return formulas.semi_implicit(v, c, drive, pull, h)
    # A neuron that nothing pulls on has no rest; there dv/dt is constant and the step is Euler's.
    safe = np.where(pull == 0, 1, pull)
    relaxed = formulas.exponential_euler(v, drive / safe, np.exp(-h * safe / c))
    return np.where(pull == 0, formulas.explicit_euler(v, c, drive, pull, h), relaxed)


def _add_by(post: Array, values: Array, n: int) -> Array:
    total = np.zeros((n, len(values)), values.dtype)
    np.add.at(total, post, values.T)
    return total.T


def _ltc(p: dict[str, Array], at: dict[str, Array], u: Array, sender: str) -> tuple[Array, Array]:
    n, chosen, post = len(p["leak"]), at[f"chemical_{sender}_synapse"], at[f"chemical_{sender}_post"]
    conductance, reversal = p["conductance"][chosen], p["reversal"][chosen]
    u_pre = u[:, at[f"chemical_{sender}_pre"]]
    gate = sigmoid(formulas.gate_argument(u_pre, p["slope"][chosen], p["midpoint"][chosen]))
    drive, pull = _add_by(post, gate * (conductance * reversal), n), _add_by(post, gate * conductance, n)
    if "gap_conductance" in p:
        gap, post = p["gap_conductance"][at[f"gap_{sender}_synapse"]], at[f"gap_{sender}_post"]
        drive = drive + _add_by(post, gap * u[:, at[f"gap_{sender}_pre"]], n)
        pull = pull + _add_by(post, gap[None], n)
    if sender == "neuron":
        return drive, pull
    if "current" in p:
        current = p["current"][at["current_input_synapse"]] * u[:, at["current_input_pre"]]
        drive = drive + _add_by(at["current_input_post"], current, n)
    return drive + p["leak"] * p["v_leak"], pull + p["leak"]


def _ctrnn(p: dict[str, Array], at: dict[str, Array], u: Array, sender: str) -> tuple[Array, float]:
    sent = p["weight"][at[f"{sender}_connection"]] * u[:, at[f"{sender}_pre"]]
    total = _add_by(at[f"{sender}_post"], sent, len(p["bias"]))
    return (total + p["bias"], 1.0) if sender == "input" else (total, 0.0)


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "lecun_tanh": lambda x: 1.7159 * np.tanh(0.666 * x),
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "silu": lambda x: x * sigmoid(x),
    "gelu": lambda x: 0.5 * x * (1 + np.vectorize(math.erf, otypes=[x.dtype])(x / math.sqrt(2))),
}


def _cfc(model: CfC, p: dict[str, Array], at: dict[str, Array], v: Array, x: Array, dt: float) -> Array:
    v = v.copy()
    for layer in range(len(at) // 4):
        neurons, z = at[f"neurons{layer}"], np.concatenate([x, v], 1)
        for i in range(model.backbone_layers):
            z = ACTIVATIONS[model.backbone_activation](z @ p[f"backbone_weight{i}"].T + p[f"backbone_bias{i}"])
        outs = []
        for head in model.heads:
            weight, bias = p[f"{head}_weight"], p[f"{head}_bias"][neurons]
            if model.backbone_layers:
                outs.append(z @ weight.T + bias)
            else:
                sent = z[:, at[f"pre{layer}"]] * weight[at[f"connection{layer}"]]
                outs.append(_add_by(at[f"post{layer}"], sent, len(neurons)) + bias)
        v[:, neurons] = _update(model.mode, p, neurons, outs, dt)
    return v


def _update(mode: str, p: dict[str, Array], neurons: Array, heads: list[Array], dt: float) -> Array:
    if mode == "pure":
        rate = np.abs(p["w_tau"][neurons]) + np.abs(heads[0])
        return formulas.decayed(p["A"][neurons], heads[0], np.exp(-dt * rate))
    g, h, a, b = heads
    g, h, gate = np.tanh(g), np.tanh(h), sigmoid(formulas.affine(a, b, dt))
    return formulas.gated(g, h, gate) if mode == "no_gate" else formulas.mix(g, h, gate)
