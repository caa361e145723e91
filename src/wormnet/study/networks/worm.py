"""Networks built like the worm's: neural circuit policies, connectomes, and the same neurons on dense wirings."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

import wormnet
from wormnet.errors import WiringError
from wormnet.models import MODELS, Model, named
from wormnet.models.equation import Update
from wormnet.nn import Recurrent
from wormnet.nn.start import blind_outputs
from wormnet.study.network import Network, Shape, register_network
from wormnet.wiring import GAP, Wiring
from wormnet.wiring.connectome import names as connectomes
from wormnet.wiring.null import NULLS

__all__ = ["Connectome", "OnWiring", "Policy", "dense", "driven", "enough_unfolds", "on_connectome"]

UNFOLDS = 6
"""Sub-steps that a network takes at least, as many as the published LTC."""
SHORTEST = 0.1
"""Samples: the shortest time constant of a spread start. Below one sample, since slow neurons alone cannot answer."""


@dataclass(frozen=True)
class OnWiring:
    """Builds neurons of a model on a wiring.

    Args:
        model: a model, or its name.   read: "all" neurons, or the wiring's "outputs".
        spread: whether time constants start log-uniformly between .1 samples and the length of the sequences, where
            the model has any that can be set.
        options: (name, value) of `Recurrent`, or of the model where that is given by name.
        unfolds: sub-steps per sample of a model that has them.
    """

    model: str | Model
    read: Literal["all", "outputs"] = "all"
    spread: bool = True
    options: tuple[tuple[str, Any], ...] = ()
    unfolds: int = UNFOLDS

    def __call__(self, wiring: Wiring, shape: Shape) -> Recurrent:
        """The layer."""
        options = dict(self.options)
        if isinstance(self.model, str):
            own = {key: options.pop(key) for key in list(options) if key in MODELS[self.model].option_names()}
            if "unfolds" in MODELS[self.model].option_names():
                own.setdefault("unfolds", self.unfolds)
            model = named(self.model, **own)
        else:
            model = self.model
        if self.read == "all":
            wiring = wiring.read_out(*wiring.neurons)
        if any(isinstance(one, Update) and one.layered for one in model.updates()) and not np.any(wiring.layers):
            wiring = wiring.replace(layers=_steps_from_inputs(wiring))
        if self.spread and _has_time_constants(model, wiring):
            options.setdefault("time_constants", (SHORTEST, float(max(shape.steps, 1))))
        return Recurrent(wiring, model, time_unit=shape.time_unit, **options)


def _steps_from_inputs(wiring: Wiring) -> NDArray[np.int64]:
    """(neurons,) by how many synapses an input is away, so that neurons updated in this order see it at once."""
    both = wiring.kind == GAP
    pre, post = np.concatenate([wiring.pre, wiring.post[both]]), np.concatenate([wiring.post, wiring.pre[both]])
    steps = np.where(np.arange(len(wiring.cells)) < wiring.n_inputs, 0, len(wiring.cells))
    while True:
        nearer = steps.copy()
        np.minimum.at(nearer, post, steps[pre] + 1)
        if np.array_equal(nearer, steps):
            break
        steps = nearer
    inner = steps[wiring.n_inputs :] - 1
    return np.minimum(inner, inner[inner < len(wiring.cells) - 1].max(initial=0))


def _has_time_constants(model: Model, wiring: Wiring) -> bool:
    parameters = {spec.name for spec in model.params(wiring)}
    return any(isinstance(one, Update) and parameters.intersection(one.capacitances[:1]) for one in model.updates())


@dataclass(frozen=True)
class Policy:
    """A neural circuit policy: of `motor` motor neurons, or, with 0, of one for each output, at most a third of all."""

    motor: int = 0

    def __call__(self, shape: Shape, seed: int) -> Wiring:
        """The wiring."""
        motor = max(1, min(self.motor or shape.n_outputs, shape.size // 3))
        return wormnet.auto_ncp(inputs=shape.n_inputs, neurons=shape.size, outputs=motor, seed=seed)


def dense(shape: Shape, seed: int) -> Wiring:
    """Every cell to every neuron."""
    return wormnet.dense(shape.n_inputs, shape.size, seed=seed)


@dataclass(frozen=True)
class Connectome:
    """A published connectome, whose sensory neurons the inputs drive by currents."""

    name: str

    def __call__(self, shape: Shape, seed: int) -> Wiring:
        """The wiring."""
        return driven(wormnet.connectome(self.name, weights="scaled"), shape.n_inputs, seed)


def driven(wiring: Wiring, inputs: int, seed: int) -> Wiring:
    """A wiring with `inputs` inputs that inject currents into its sensory neurons, or into all if it has none.

    The neurons are dealt over the inputs at random, so that each hears one input; with fewer neurons than inputs, the
    inputs over the neurons. Whether a current excites is learned.
    """
    sensory = [name for name, role in zip(wiring.neurons, wiring.roles) if role == "sensory"] or list(wiring.neurons)
    order = [sensory[i] for i in np.random.default_rng(seed).permutation(len(sensory))]
    names = [f"x{i}" for i in range(inputs)]
    if set(names) & set(wiring.cells):
        raise WiringError("a wiring whose neurons are called x0, x1, ... cannot be driven; rename them.")
    return wiring.drive({name: order[i::inputs] or [order[i % len(order)]] for i, name in enumerate(names)}, sign=0)


@lru_cache(maxsize=16)
def enough_unfolds(name: str, model: str) -> int:
    """The fewest sub-steps in which every neuron of a driven connectome sees the newest sample that ever sees it."""
    import warnings

    wiring = Connectome(name)(Shape(1, 1), 0)
    for unfolds in range(1, 13):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            rnn = OnWiring(model, spread=False, unfolds=unfolds)(wiring, Shape(1, 1))
        if not blind_outputs(rnn._layout):
            return unfolds
    return UNFOLDS


def on_connectome(name: str) -> Network | None:
    """`<connectome>-<model>`, such as cook2019-ltc; None for any other name."""
    match = re.fullmatch(r"([a-z]+\d+)-([a-z]+)", name)
    if match is None or match[1] not in connectomes() or match[2] not in MODELS:
        return None
    about = f"{match[2]} neurons on the connectome {match[1]}, inputs as currents into sensory neurons; all are read"
    core = OnWiring(match[2], unfolds=enough_unfolds(match[1], match[2]))
    return Network(name, core, "worm", tuple(NULLS), about, Connectome(match[1]))


@dataclass(frozen=True)
class Backbone:
    """Builds CfC neurons on a dense wiring behind one hidden layer of `ratio` units for each neuron."""

    ratio: int

    def __call__(self, wiring: Wiring, shape: Shape) -> Recurrent:
        """The layer."""
        model = named(
            "cfc", backbone_layers=1, backbone_units=self.ratio * wiring.n_neurons, backbone_activation="silu"
        )
        return Recurrent(wiring, model, time_unit=shape.time_unit)


_KINDS = tuple(NULLS)
_REPAIRED = "as repaired: two motor neurons, a linear map reads all neurons"
_SPREAD = ", time constants start spread from .1 samples to the length"
_PUBLISHED = "as published: motor neurons, one for each output, are read"
_DENSE = "on a dense wiring"
_MEMORY = (("mixed_memory", True),)
# Euler's method, as published, diverges where a sample lasts longer than six units of time.
_LRC = (("solver", "semi_implicit"),)
_POLICY, _TWO = Policy(), Policy(motor=2)

for _name, _core, _wiring, _about in (
    ("ncp-ltc", OnWiring("ltc", "outputs", spread=False), _POLICY, f"LTC on a neural circuit policy {_PUBLISHED}"),
    ("ncp-ltc-repaired", OnWiring("ltc"), _TWO, f"LTC on a neural circuit policy {_REPAIRED}{_SPREAD}"),
    ("ncp-cfc", OnWiring("cfc", "outputs"), _POLICY, f"CfC on a neural circuit policy {_PUBLISHED}"),
    ("ncp-cfc-repaired", OnWiring("cfc"), _TWO, f"CfC on a neural circuit policy {_REPAIRED}"),
    ("ncp-ctrnn", OnWiring("ctrnn", spread=False), _TWO, f"CT-RNN on a neural circuit policy {_REPAIRED}"),
    ("ncp-lrc", OnWiring("lrc", options=_LRC), _TWO, f"LRC on a neural circuit policy {_REPAIRED}"),
    ("dense-ltc", OnWiring("ltc", spread=False), dense, f"LTC {_DENSE}"),
    ("dense-ltc-spread", OnWiring("ltc"), dense, f"LTC {_DENSE}{_SPREAD}"),
    ("cfc", Backbone(2), dense, f"CfC {_DENSE} behind a hidden layer of twice as many units"),
    ("cfc-wide", Backbone(4), dense, f"CfC {_DENSE} behind a hidden layer of four times as many units"),
    ("mm-cfc", OnWiring("cfc", options=_MEMORY), dense, f"CfC {_DENSE} behind an LSTM cell (mixed memory)"),
    ("mm-ltc", OnWiring("ltc", options=_MEMORY), dense, f"LTC {_DENSE} behind an LSTM cell (mixed memory){_SPREAD}"),
):
    register_network(Network(_name, _core, "worm", _KINDS, _about, _wiring, sized=True, least=4))
register_network(
    Network(
        *("ctrnn", OnWiring("ctrnn", spread=False), "standard", (), f"CT-RNN {_DENSE}", dense),
        sized=True,
    )
)
for _name in ("cook2019-ltc", "cook2019-cfc", "cook2019-ctrnn"):
    _network = on_connectome(_name)
    assert _network is not None
    register_network(_network)
