"""Networks by name, all with one contract: sequences in, scores out."""

import math
import re
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

import wormnet
from wormnet.errors import ArgumentError, unknown
from wormnet.models import MODELS, Model, named
from wormnet.nn import Recurrent
from wormnet.wiring import Wiring, rewire, shuffle_signs

__all__ = ["Network", "Recipe", "Shape", "build", "known", "parse", "wiring_of"]

UNFOLDS = 6
"""Sub-steps that a network takes at least, as many as the published LTC."""

_GATED = {"lstm": nn.LSTM, "gru": nn.GRU}
_NULLS: dict[str, Callable[[Wiring, int], Wiring]] = {
    "random": lambda policy, seed: wormnet.random(
        inputs=policy.n_inputs,
        neurons=policy.n_neurons,
        outputs=policy.n_outputs,
        synapses=policy.n_synapses,
        seed=seed,
    ),
    "dense": lambda policy, seed: wormnet.dense(policy.n_inputs, policy.n_neurons, policy.n_outputs, seed=seed),
    "rewired": rewire,
    "signs": shuffle_signs,
}
WIDEST = 4096


@dataclass(frozen=True)
class Shape:
    """What a network has to know of a data set."""

    n_inputs: int
    n_outputs: int
    per: Literal["sequence", "step"] = "sequence"
    irregular: bool = False
    """Whether the time between samples varies."""
    neurons: int = 0
    """Of wired networks; 0 for 32, or three times the outputs if that is more."""
    time_unit: float = 1.0
    """How much of dt is one unit of time for the networks: the usual time between samples."""


@dataclass(frozen=True)
class Recipe:
    """A network's name, taken apart."""

    name: str
    family: Literal["worm", "null", "standard"]
    model: str
    wiring: str = ""
    width: int = 0
    """Units, if the name tells; else as many as give about the parameters of ncp-ltc."""


def known() -> list[str]:
    """The names that exist; lstm and gru take any number of units.

    >>> known()[:3], known()[-5:]
    (['ncp-ltc', 'ncp-cfc', 'ncp-ctrnn'], ['lstm', 'lstm-64', 'gru', 'gru-64', 'ctrnn'])
    """
    wired = [f"{wiring}-{model}" for wiring in ("ncp", *_NULLS) for model in MODELS]
    return [*wired, *(name for gated in _GATED for name in (gated, f"{gated}-64")), "ctrnn"]


def parse(name: object) -> Recipe:
    """Take a name apart.

    "ncp-ltc" is a wiring and a model; "random-", "dense-", "rewired-" and "signs-" are its nulls; "lstm", "gru" and
    "ctrnn" have about as many parameters as ncp-ltc; "lstm-64" has 64 units.

    Raises: ArgumentError for a name that does not exist, with those that do.

    >>> parse("random-ltc").family, parse("gru-64").width
    ('null', 64)
    """
    if isinstance(name, str):
        if match := re.fullmatch(r"(lstm|gru)(?:-([1-9]\d{0,3}))?", name):
            return Recipe(name, "standard", match[1], width=int(match[2] or 0))
        if name == "ctrnn":
            return Recipe(name, "standard", "ctrnn", wiring="dense")
        wiring, _, model = name.partition("-")
        if wiring in ("ncp", *_NULLS) and model in MODELS:
            return Recipe(name, "worm" if wiring == "ncp" else "null", model, wiring)
    raise ArgumentError(unknown("network", name, known()))


class Gated(nn.Module):
    """torch's LSTM or GRU under the contract of wormnet's layers.

    It takes no dt. Where the time between samples varies, log(dt / time_unit) is one more input, so that it is told
    what the continuous-time networks are told.
    """

    def __init__(self, kind: str, shape: Shape, width: int):
        super().__init__()
        self.sees_dt, self.time_unit = shape.irregular, shape.time_unit
        self.rnn = _GATED[kind](shape.n_inputs + shape.irregular, width, batch_first=True)

    def forward(
        self, x: Tensor, state: Any = None, dt: Tensor | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, Any]:
        """As wormnet's layers; what lies behind a sequence's end is left to the caller."""
        if self.sees_dt:
            units = x.new_ones(1, 1) if dt is None else dt.to(x) / self.time_unit
            x = torch.cat([x, torch.log(units.expand(x.shape[:2]))[..., None]], 2)
        return self.rnn(x, state)


class Network(nn.Module):
    """A recurrent core and a linear read-out, the same for all networks.

        forward(x, dt, lengths) -> scores

    Args:
        core: (x, state, dt, lengths) -> (y (batch, time, width), state).
        width: of the core's outputs.   shape: of the data set.
        wiring: of the core, if it has one.

    The scores are (batch, outputs), read at the last sample of each sequence, or (batch, time, outputs) where the data
    set has a target per step.
    """

    def __init__(self, core: nn.Module, width: int, shape: Shape, wiring: Wiring | None = None):
        super().__init__()
        self.core, self.shape, self.wiring = core, shape, wiring
        self.read_out = nn.Linear(width, shape.n_outputs)
        self.register_buffer("shift", torch.zeros(shape.n_outputs))
        self.register_buffer("scale", torch.ones(shape.n_outputs))

    def forward(self, x: Tensor, dt: Tensor | None = None, lengths: Tensor | None = None) -> Tensor:
        """Scores of sequences x (batch, time, inputs)."""
        y, _ = self.core(x, None, dt, lengths)
        if self.shape.per == "sequence":
            y = y[:, -1] if lengths is None else y[torch.arange(len(y), device=y.device), lengths - 1]
        return self.scores(y)

    def scores(self, y: Tensor) -> Tensor:
        """The read-out, in the units of the target."""
        return self.shift + self.scale * self.read_out(y)  # pyright: ignore[reportOperatorIssue]

    def size(self) -> dict[str, int]:
        """How many trained numbers, in the core and in the read-out, and how many synapses.

        A gated network has no synapses; its weights without the biases are counted instead, as published.
        """
        core = sum(p.numel() for p in self.core.parameters() if p.requires_grad)
        read_out = sum(p.numel() for p in self.read_out.parameters())
        if self.wiring is not None:
            synapses = self.wiring.n_synapses
        else:
            synapses = sum(p.numel() for name, p in self.core.named_parameters() if "weight" in name)
        return {"parameters": core + read_out, "core": core, "read_out": read_out, "synapses": synapses}


def wiring_of(recipe: Recipe, shape: Shape, seed: int = 0) -> Wiring:
    """The wiring of a wired network: the circuit policy of this seed, or its null.

    Motor neurons are as many as the outputs, at most a third of the neurons. The nulls have the neurons of that policy,
    and: "random", its number of synapses, anywhere; "dense", all synapses; "rewired", how many each cell sends and
    receives; "signs", its synapses, the signs dealt anew.
    """
    neurons = shape.neurons or max(32, 3 * shape.n_outputs)
    motor = max(1, min(shape.n_outputs, neurons // 3))
    policy = wormnet.auto_ncp(inputs=shape.n_inputs, neurons=neurons, outputs=motor, seed=seed)
    return _NULLS[recipe.wiring](policy, seed) if recipe.wiring in _NULLS else policy


def _in_sub_steps(name: str) -> Model:
    """A model in as many sub-steps as an LTC takes: in one, an input reaches no motor neuron of a layered wiring."""
    model = named(name)
    return named(name, unfolds=UNFOLDS) if model.options.get("unfolds", UNFOLDS) < UNFOLDS else model


def build(name: str, shape: Shape, seed: int = 0) -> Network:
    """A fresh network; its parameters are drawn from torch's global generator, its wiring from the seed.

    Raises: ArgumentError for an unknown name, WiringError for a wiring that cannot be.

    >>> network = build("lstm-64", Shape(n_inputs=12, n_outputs=9))
    >>> network(torch.zeros(4, 7, 12)).shape, network.size()["core"]  # 4 (12 + 64) 64 + 8 * 64
    (torch.Size([4, 9]), 19968)
    """
    recipe = parse(name)
    if recipe.family != "standard":
        wiring = wiring_of(recipe, shape, seed)
        rnn = Recurrent(wiring, _in_sub_steps(recipe.model), time_unit=shape.time_unit)
        return Network(rnn, wiring.n_outputs, shape, wiring)
    if recipe.width:
        return _standard(recipe, shape, recipe.width, seed)
    with torch.random.fork_rng(devices=[]):
        target = build("ncp-ltc", shape, seed).size()["parameters"]
        width = _nearest(lambda width: _standard(recipe, shape, width, seed).size()["parameters"], target)
    return _standard(recipe, shape, width, seed)


def _standard(recipe: Recipe, shape: Shape, width: int, seed: int) -> Network:
    if recipe.model in _GATED:
        return Network(Gated(recipe.model, shape, width), width, shape)
    wiring = wormnet.dense(shape.n_inputs, width, seed=seed)
    return Network(Recurrent(wiring, recipe.model, time_unit=shape.time_unit), width, shape, wiring)


def _nearest(size: Callable[[int], int], target: int) -> int:
    """The width whose network comes nearest to the target; `size` grows with the width."""
    top = 1
    while size(top) < target and top < WIDEST:
        top *= 2
    above = 1 + bisect_left(range(1, top + 1), target, key=size)
    below = max(above - 1, 1)
    return min((below, above), key=lambda width: abs(math.log(size(width) / target)))
