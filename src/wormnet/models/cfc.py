"""Closed-form continuous-time neurons: a gate in time instead of a solver."""

from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
import torch
from torch import Tensor

from wormnet.errors import ArgumentError, WiringError
from wormnet.models.elementary import absolute, exp, sigmoid, tanh, where_less
from wormnet.models.equation import DenseUpdate, Edge, Model, State, Sum, Update
from wormnet.models.formulas import (
    affine,
    d_decayed,
    d_gated,
    d_mix,
    d_sigmoid,
    d_tanh,
    decayed,
    gated,
    mix,
    sign,
)
from wormnet.models.spec import ParamSpec, Values, check_choice, check_count, check_flag, connections
from wormnet.wiring.core import Wiring

__all__ = ["ACTIVATIONS", "CfC"]

# -- edges: one weight for each head -----------------------------------------------------------------------------------


def heads(u, g, h, a, b):
    """The contributions of a connection to the four heads."""
    return u * g, u * h, u * a, u * b


def d_heads(u, g, h, a, b, by_g, by_h, by_a, by_b):
    """Adjoints of u and the weights."""
    by_u = by_g * g + by_h * h + by_a * a + by_b * b
    return by_u, by_g * u, by_h * u, by_a * u, by_b * u


def head(u, g):
    """The contribution of a connection to the single head of the mode "pure"."""
    return u * g


def d_head(u, g, by_g):
    """Adjoints of u and the weight."""
    return by_g * g, by_g * u


# -- nodes -------------------------------------------------------------------------------------------------------------


def default(v, g, h, a, b, dt):
    """From tanh(g) to tanh(h) as the gate opens."""
    early, late, gate = tanh(g), tanh(h), sigmoid(affine(a, b, dt))
    return mix(early, late, gate), early, late, gate, a


def d_default(v, early, late, gate, a, dt, by_new):
    """Adjoints of v, the heads and log dt."""
    by_early, by_late, by_gate = d_mix(early, late, gate)
    by_b = by_new * by_gate * d_sigmoid(gate)
    by_a = by_b * dt
    return 0.0, by_new * by_early * d_tanh(early), by_new * by_late * d_tanh(late), by_a, by_b, by_a * a


def uniform_default(v, g, h, gate, dt):
    """The same from a dt + b, which is one head if dt is one number."""
    early, late, gate = tanh(g), tanh(h), sigmoid(gate)
    return mix(early, late, gate), early, late, gate


def d_uniform_default(v, early, late, gate, dt, by_new):
    """Adjoints of v, the heads and log dt."""
    by_early, by_late, by_gate = d_mix(early, late, gate)
    by_g, by_h = by_new * by_early * d_tanh(early), by_new * by_late * d_tanh(late)
    return 0.0, by_g, by_h, by_new * by_gate * d_sigmoid(gate), 0.0


def no_gate(v, g, h, a, b, dt):
    """The late state is added, and the early one stays."""
    early, late, gate = tanh(g), tanh(h), sigmoid(affine(a, b, dt))
    return gated(early, late, gate), early, late, gate, a


def d_no_gate(v, early, late, gate, a, dt, by_new):
    """Adjoints of v, the heads and log dt."""
    _, by_late, by_gate = d_gated(early, late, gate)
    by_b = by_new * by_gate * d_sigmoid(gate)
    by_a = by_b * dt
    return 0.0, by_new * d_tanh(early), by_new * by_late * d_tanh(late), by_a, by_b, by_a * a


def uniform_no_gate(v, g, h, gate, dt):
    """The same from a dt + b."""
    early, late, gate = tanh(g), tanh(h), sigmoid(gate)
    return gated(early, late, gate), early, late, gate


def d_uniform_no_gate(v, early, late, gate, dt, by_new):
    """Adjoints of v, the heads and log dt."""
    _, by_late, by_gate = d_gated(early, late, gate)
    by_g, by_h = by_new * d_tanh(early), by_new * by_late * d_tanh(late)
    return 0.0, by_g, by_h, by_new * by_gate * d_sigmoid(gate), 0.0


def pure(v, g, w_tau, rest, dt):
    """The closed form itself."""
    decay = exp(-(dt * (absolute(g) + absolute(w_tau))))
    return decayed(rest, g, decay), g, decay


def d_pure(v, w_tau, rest, g, decay, dt, by_new):
    """Adjoints of v, the head, the coefficients and log dt."""
    by_rest, by_g, by_decay = d_decayed(rest, g, decay)
    by_exponent = by_new * by_decay * decay
    by_rate = -(by_exponent * dt)
    by_log_dt = by_rate * (absolute(g) + absolute(w_tau))
    return 0.0, by_new * by_g + by_rate * sign(g), by_rate * sign(w_tau), by_new * by_rest, by_log_dt


# -- activations of a backbone: value and derivative -------------------------------------------------------------------


def lecun_tanh(s):
    """1.7159 tanh(0.666 s)"""
    y = tanh(s * 0.666)
    return y * 1.7159, d_tanh(y) * (1.7159 * 0.666)


def plain_tanh(s):
    """tanh(s)"""
    y = tanh(s)
    return y, d_tanh(y)


def relu(s):
    """max(s, 0); its derivative at 0 is 0."""
    return where_less(0.0, s, s, 0.0), where_less(0.0, s, 1.0, 0.0)


def silu(s):
    """s sigmoid(s)"""
    y = sigmoid(s)
    return s * y, y + s * d_sigmoid(y)


def gelu(s):
    """s Phi(s), Phi the normal distribution, exact to double precision.

    exp(z^2) erfc(z) is a ratio of polynomials on 0..28, past which exp(-z^2) is 0. It was fitted to the relative error
    by linear least squares with the denominator of the round before (Sanathanan & Koerner) and Lawson's weights, in 60
    digits: 5.3e-17. All coefficients are positive, so that no digits cancel.
    """
    z = absolute(s) * 0.7071067811865476
    z = where_less(z, 28.0, z, 28.0)
    p = 0.564189583546178472 * z + 10.7170801217328008
    p = ((p * z + 99.6945971755255192) * z + 587.484012869726331) * z + 2398.47334381586114
    p = ((p * z + 7011.07680526017459) * z + 14675.246500348369) * z + 21296.572126538528
    p = (p * z + 19634.5225491244774) * z + 8954.39913403474586
    q = (z + 18.9955299318155392) * z + 177.204072705672206
    q = ((q * z + 1050.78606482644023) * z + 4339.03538051457408) * z + 12937.9558881264281
    q = ((q * z + 28049.6953695854637) * z + 43463.5977385923012) * z + 45898.4542696040521
    q = (q * z + 29738.4799858272518) * z + 8954.39913403474633
    bell = exp(-(z * z))
    tail = 0.5 * bell * p / q
    below = where_less(s, 0.0, tail, 1.0 - tail)
    return s * below, below + s * bell * 0.3989422804014327


ACTIVATIONS = {"lecun_tanh": lecun_tanh, "tanh": plain_tanh, "relu": relu, "silu": silu, "gelu": gelu}
"""What a backbone may use between its layers."""

NODES = {"default": (default, d_default, 4), "pure": (pure, d_pure, 2), "no_gate": (no_gate, d_no_gate, 4)}
UNIFORM = {
    "default": (uniform_default, d_uniform_default, 3),
    "no_gate": (uniform_no_gate, d_uniform_no_gate, 3),
}
"""Of calls in which dt is one number."""


@final
@dataclass(frozen=True)
class CfC(Model):
    r"""Closed-form continuous-time neurons.

    Every neuron reads z = its senders' inputs and states, and its own state. With linear heads over z,

        default:  v <- tanh(g(z)) (1 - gate) + tanh(h(z)) gate,   gate = sigma(a(z) dt + b(z))
        no_gate:  v <- tanh(g(z)) + tanh(h(z)) gate
        pure:     v <- A - A exp(-dt (|w_tau| + |g(z)|)) g(z)

    The recurrent part is sparse too: a head has one weight for each ordered pair of cells connected by a synapse (a gap
    junction joins both ways) and one for the neuron's own state. Neurons are updated layer by layer in the order of
    `Wiring.layers`, so that a neuron sees the new states of earlier layers and the old ones of its own and later ones.
    The weights of the heads g and h start with the sign of their synapse.

    Args:
        mode: "default", "no_gate" or "pure".
        fixed_polarity: the weights of g and h keep the sign of their synapse.
        fixed_zeros: weights of g and h that are exactly 0 stay 0 in training; their connection acts on the gate alone.
        backbone_layers: 0, or the number of layers that all heads share on a wiring where every cell sends to every
            neuron (`dense`); z then is the last layer's output.
        backbone_units, backbone_activation, backbone_dropout: of each backbone layer; the activation is one of
            lecun_tanh, tanh, relu, silu, gelu, the dropout (0 to below 1) follows every layer and acts in training.

    Units: dimensionless.
    Source: Hasani et al. 2022, Nat. Mach. Intell. 4, 992-1003, equation 4, in the form of the authors' code: the gate's
    argument is a dt + b (the paper has -f dt), g and h pass through tanh.

    >>> CfC(mode="pure").options["backbone_layers"]
    0
    """

    name: ClassVar[str] = "cfc"
    states: ClassVar[tuple[State, ...]] = (State("v", "1", "activity"),)

    mode: str = "default"
    fixed_polarity: bool = False
    fixed_zeros: bool = False
    backbone_layers: int = 0
    backbone_units: int = 128
    backbone_activation: str = "lecun_tanh"
    backbone_dropout: float = 0.0

    def __post_init__(self):
        check_choice("mode", self.mode, ("default", "pure", "no_gate"))
        check_flag("fixed_polarity", self.fixed_polarity)
        check_flag("fixed_zeros", self.fixed_zeros)
        check_count("backbone_layers", self.backbone_layers, 0)
        check_count("backbone_units", self.backbone_units, 1)
        check_choice("backbone_activation", self.backbone_activation, tuple(ACTIVATIONS))
        if not isinstance(self.backbone_dropout, (int, float, np.number)) or not 0 <= self.backbone_dropout < 1:
            raise ArgumentError(f"backbone_dropout is {self.backbone_dropout!r}; it takes 0 to below 1.")
        if self.backbone_layers and self.fixed_polarity:
            raise ArgumentError("fixed_polarity has no meaning after a backbone, which mixes all cells; take one.")

    def check(self, wiring: Wiring) -> None:
        """A backbone mixes all cells, so every cell has to send to every neuron."""
        if not self.backbone_layers:
            return
        missing = (wiring.n_inputs + wiring.n_neurons) * wiring.n_neurons - len(connections(wiring, own=True).pre)
        if missing or np.any(wiring.layers):
            what = f"lacks {missing} of them" if missing else "updates its neurons in several layers"
            raise WiringError(
                f"a backbone takes a wiring in which every cell sends to every neuron at once; this one {what}. "
                "Use dense(inputs, neurons), or backbone_layers=0."
            )

    @property
    def heads(self) -> tuple[str, ...]:
        """The names of the heads."""
        return ("g",) if self.mode == "pure" else ("g", "h", "a", "b")

    def params(self, wiring: Wiring) -> tuple[ParamSpec, ...]:
        """The parameters; the docstring of the class has the equation."""
        links, n = connections(wiring, own=True), wiring.n_neurons
        specs = []
        width = wiring.n_inputs + n
        for layer in range(self.backbone_layers):
            reach, units = np.sqrt(6.0 / (width + self.backbone_units)), self.backbone_units
            meaning = f"of backbone layer {layer}"
            specs.append(ParamSpec(f"backbone_weight{layer}", (units, width), (-reach, reach), "1", meaning))
            reach = 1.0 / np.sqrt(width)
            specs.append(ParamSpec(f"backbone_bias{layer}", (units,), (-reach, reach), "1", meaning))
            width = units
        # Uniform with variance 1 / fan-in, so that the sum's variance does not depend on the wiring.
        fan_in = np.bincount(links.post, minlength=n) if not self.backbone_layers else np.full(n, width)
        reach = np.sqrt(3.0 / np.maximum(fan_in, 1))
        for head in self.heads:
            meaning = {
                "g": "of the early state",
                "h": "of the late state",
                "a": "of the gate's rate",
                "b": "of the gate's offset",
            }[head]
            if self.backbone_layers:
                start = (np.broadcast_to(-reach[:, None], (n, width)), np.broadcast_to(reach[:, None], (n, width)))
                specs.append(ParamSpec(f"{head}_weight", ("neuron", width), start, "1", meaning))
            elif head in "gh":
                polarity = "polarity" if self.fixed_polarity else None
                start = (np.zeros(len(links.post)), reach[links.post])
                specs.append(
                    ParamSpec(f"{head}_weight", "connection", start, "1", meaning, polarity, signed=True, counted=True)
                )
            else:
                start = (-reach[links.post], reach[links.post])
                specs.append(
                    ParamSpec(f"{head}_weight", "connection", start, "1" if head == "b" else "1 / time", meaning)
                )
            bias = 1.0 / np.sqrt(np.maximum(fan_in, 1))
            specs.append(ParamSpec(f"{head}_bias", "neuron", (-bias, bias), "1", meaning))
        if self.mode == "pure":
            specs.append(ParamSpec("w_tau", "neuron", (0.0, 0.0), "1 / time", "slowest rate of decay"))
            specs.append(ParamSpec("A", "neuron", (1.0, 1.0), "1", "state at rest"))
        return tuple(specs)

    def updates(self) -> tuple[Update | DenseUpdate, ...]:
        """One: the heads over connections, or over a backbone, and the closed form."""
        node, d_node, keeps = NODES[self.mode]
        coefficients = ("w_tau", "A") if self.mode == "pure" else ()
        if self.backbone_layers:
            return (self._after_backbone(self.heads, node, d_node, keeps, coefficients),)
        weights = tuple(f"{one}_weight" for one in self.heads)
        functions = (head, d_head) if self.mode == "pure" else (heads, d_heads)
        return (
            Update(
                edges=(Edge("connection", weights, self.heads, *functions, linear=True),),
                sums=tuple(Sum(one, f"{one}_bias") for one in self.heads),
                node=node,
                d_node=d_node,
                coefficients=coefficients,
                keeps=keeps,
                own_state=True,
                layered=True,
            ),
        )

    def _after_backbone(self, heads: tuple[str, ...], node: Any, d_node: Any, keeps: int, own: tuple[str, ...] = ()):
        return DenseUpdate(
            sums=heads,
            weight="heads_weight",
            bias="heads_bias",
            node=node,
            d_node=d_node,
            coefficients=own,
            keeps=keeps,
            hidden=tuple((f"backbone_weight{i}", f"backbone_bias{i}") for i in range(self.backbone_layers)),
            units=self.backbone_units,
            activation=ACTIVATIONS[self.backbone_activation],
            dropout=float(self.backbone_dropout),
        )

    def uniform_updates(self) -> tuple[DenseUpdate] | None:
        """After a backbone the gate needs one head, a dt + b: a quarter of the heads' products less."""
        if self.mode not in UNIFORM or not self.backbone_layers:
            return None
        return (self._after_backbone(("g", "h", "gate"), *UNIFORM[self.mode]),)

    def uniform_coefficients(self, p: Values, dt: Tensor) -> dict[str, Tensor]:
        """The weights of the gate's two heads in one."""
        gate = {f"gate_{what}": p[f"a_{what}"] * dt + p[f"b_{what}"] for what in ("weight", "bias")}
        return self._stacked({**p, **gate}, ("g", "h", "gate"))

    def coefficients(self, p: Values) -> dict[str, Tensor]:
        """After a backbone, the weights of all heads in one matrix."""
        return self._stacked(p, self.heads)

    def _stacked(self, p: Values, heads: tuple[str, ...]) -> dict[str, Tensor]:
        if self.fixed_zeros:
            # With a width of 0 this changes no number, and passes no gradient on to a 0: no optimizer moves it.
            held = [name for name in ("g_weight", "h_weight") if name in p]
            p = {**p, **{name: torch.nn.functional.hardshrink(p[name], 0.0) for name in held}}
        if not self.backbone_layers:
            return dict(p)
        stacked = {f"heads_{what}": torch.cat([p[f"{one}_{what}"] for one in heads]) for what in ("weight", "bias")}
        return {**p, **stacked}
