"""Networks by name, all with one contract: sequences in, scores out."""

import importlib
import math
import re
import warnings
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from wormnet.errors import ArgumentError, BlindOutputWarning, WiringError, unknown
from wormnet.models import Model
from wormnet.nn import Recurrent
from wormnet.wiring import Wiring
from wormnet.wiring.null import NULLS

__all__ = [
    "NETWORKS",
    "Network",
    "Predictor",
    "Shape",
    "assembled",
    "build",
    "core_of",
    "known",
    "named",
    "register_network",
    "wired",
    "wiring_of",
]

Family = Literal["worm", "null", "standard"]
FAMILIES = ("worm", "null", "standard")
NEURONS = 32
"""Of the network that the others are sized after, where a plan does not tell."""
SIZED_AFTER = "ncp-ltc-repaired"
WIDEST = 4096
SKIP = "+skip"


@dataclass(frozen=True)
class Shape:
    """What a network has to know of a data set.

    Where the time between samples varies, the last two inputs tell it, to every network alike: dt and log dt, both
    standardised. Networks in continuous time have dt in their equation besides.
    """

    n_inputs: int
    """With the two of dt."""
    n_outputs: int
    per: Literal["sequence", "step"] = "sequence"
    irregular: bool = False
    """Whether the time between samples varies."""
    time_unit: float = 1.0
    """How much of dt is one unit of time for the networks: the usual time between samples."""
    steps: int = 1
    """Samples in the longest sequence of the train part."""
    residual: bool = False
    """Whether the network learns the change from an input to the next one, which is the target."""
    neurons: int = 0
    """Of `ncp-ltc-repaired`, after which all networks are sized that can be; 0 for 32."""
    size: int = 0
    """Neurons or units, if the network's name tells them; 0 for as many as give about the same number of parameters."""

    @property
    def channels(self) -> int:
        """Inputs without the two of dt."""
        return self.n_inputs - 2 * self.irregular


class Predictor(nn.Module):
    """A recurrent core and a linear read-out, the same for all networks.

        forward(x, dt, lengths) -> scores = shift + scale (W y + b [+ S x]) [+ the newest sample as it was recorded]

    Args:
        core: (x, state, dt, lengths) -> (y (batch, time, width), state).
        width: of the core's outputs.   shape: of the data set.
        wiring: of the core, if it has one.
        skip: whether a linear map S of the newest input is added, which no bound of the core holds.

    The scores are (batch, outputs), read at the last sample of each sequence, or (batch, time, outputs) where the data
    set has a target per step. x is standardised and tells dt where that varies; `seen` makes it of what was recorded.
    """

    def __init__(self, core: nn.Module, width: int, shape: Shape, wiring: Wiring | None = None, *, skip: bool = False):
        super().__init__()
        self.core, self.shape, self.wiring = core, shape, wiring
        self.read_out = nn.Linear(width, shape.n_outputs)
        self.skip = nn.Linear(shape.n_inputs, shape.n_outputs, bias=False) if skip else None
        sizes = {"": shape.n_outputs, "input_": shape.channels, "time_": 2 * shape.irregular}
        for name, size in sizes.items():
            self.register_buffer(f"{name}shift", torch.zeros(size))
            self.register_buffer(f"{name}scale", torch.ones(size))

    def forward(self, x: Tensor, dt: Tensor | None = None, lengths: Tensor | None = None) -> Tensor:
        """Scores of sequences x (batch, time, inputs)."""
        y, _ = self.core(x, None, dt, lengths)
        if self.shape.per == "sequence":
            y, x = (_last(values, lengths) for values in (y, x))
        return self.scores(y, x)

    def scores(self, y: Tensor, x: Tensor) -> Tensor:
        """The read-out of outputs y (..., width) of the core at inputs x, in the units of the target."""
        found = self.read_out(y) if self.skip is None else self.read_out(y) + self.skip(x)
        found = self.shift + self.scale * found  # pyright: ignore[reportOperatorIssue]
        if self.shape.residual:
            n = self.shape.n_outputs
            shift, scale = self.input_shift[:n], self.input_scale[:n]  # pyright: ignore[reportIndexIssue]
            found = found + shift + scale * x[..., :n]
        return found

    def seen(self, x: Tensor, dt: Tensor | None = None) -> Tensor:
        """Recorded samples x (batch, time, channels), and dt (batch, time), as the network was trained to see them."""
        x = (x - self.input_shift) / self.input_scale  # pyright: ignore[reportOperatorIssue]
        if not self.shape.irregular:
            return x
        units = x.new_ones(1, 1) if dt is None else dt.to(x) / self.shape.time_unit
        told = torch.stack([units, units.log()], -1).expand(*x.shape[:2], 2)
        return torch.cat([x, (told - self.time_shift) / self.time_scale], 2)  # pyright: ignore[reportOperatorIssue]

    def size(self) -> dict[str, int]:
        """How many trained numbers, in the core and in the read-out, and how many synapses.

        A gated network has no synapses; its weights without the biases are counted instead, as published.
        """
        core = sum(p.numel() for p in self.core.parameters() if p.requires_grad)
        read_out = sum(p.numel() for part in (self.read_out, self.skip) if part for p in part.parameters())
        if self.wiring is not None:
            synapses = self.wiring.n_synapses
        else:
            synapses = sum(p.numel() for name, p in self.core.named_parameters() if "weight" in name)
        return {"parameters": core + read_out, "core": core, "read_out": read_out, "synapses": synapses}


def _last(values: Tensor, lengths: Tensor | None) -> Tensor:
    if lengths is None:
        return values[:, -1]
    return values[torch.arange(len(values), device=values.device), lengths - 1]


@dataclass(frozen=True)
class Network:
    """A network that a plan can name.

    Args:
        name: in plans, records and reports.
        build: (shape, seed) -> a core: a module that maps (x, state, dt, lengths) to (y (batch, time, width), state)
            and has the attribute `width` (a wormnet layer needs none); or a finished `Predictor`.
            With `wiring` it is (wiring, shape) -> a core, so that the same core is built on a null of the wiring.
        family: "worm", "null" or "standard".
        nulls: names of null models of its wiring that are of interest; any other can be asked for too.
        about: one sentence for the report.
        wiring: (shape, seed) -> Wiring, of a network that has one.
        sized: whether it has as many units as `shape.size` says.   least: the smallest such size.
        origin: the network that it is a null of.
        skip: whether a linear map of the newest input is added to the read-out.

    A network of one's own: give it to `Plan` as it is, or `register_network` it to use its name.

    Raises: ArgumentError for a field that cannot be.

    >>> named("ncp-ltc/rewire").null_of, named("lstm-64").family
    ('ncp-ltc', 'standard')
    """

    name: str
    build: Callable[..., nn.Module]
    family: Family = "standard"
    nulls: tuple[str, ...] = ()
    about: str = ""
    wiring: Callable[[Shape, int], Wiring] | None = None
    sized: bool = False
    least: int = 1
    origin: "Network | None" = field(default=None, repr=False)
    skip: bool = False
    size: int = 0
    base: str = field(default="", repr=False)
    """The name without a size."""

    def __post_init__(self):
        if not isinstance(self.name, str) or not self.name or not callable(self.build):
            raise ArgumentError(f"a network was given name {self.name!r}, build {self.build!r}; it takes both.")
        if self.family not in FAMILIES:
            raise ArgumentError(f"{self.name}: {unknown('family', self.family, FAMILIES)}")
        object.__setattr__(self, "nulls", tuple(self.nulls))
        for kind in self.nulls:
            if kind not in NULLS:
                raise ArgumentError(f"{self.name}: {unknown('null model', kind, NULLS)}")
        if self.nulls and self.wiring is None:
            raise ArgumentError(f"{self.name} has nulls and no wiring; give `wiring`, or leave `nulls` out.")

    @property
    def null_of(self) -> str:
        """The name of the network that it is a null of."""
        return self.origin.name if self.origin else ""

    def null(self, kind: str) -> "Network":
        """The same network on a null of its wiring: one of `NULLS`, or `module:name` of one's own.

        Raises: ArgumentError where it has no wiring, or for another kind.
        """
        if self.wiring is None:
            raise ArgumentError(f"{self.name} has no wiring, so there is no {self.name}/{kind}.")
        if kind not in NULLS and ":" not in kind:
            raise ArgumentError(unknown(f"null of {self.name}", kind, NULLS))
        about = f"{self.name} on another wiring: null model {kind!r}"
        wiring = _Null(self.wiring, NULLS[kind] if kind in NULLS else imported("null model", kind))
        return replace(
            self, name=f"{self.name}/{kind}", family="null", nulls=(), about=about, wiring=wiring, origin=self
        )

    def with_skip(self) -> "Network":
        """The same network with a linear map of the newest input beside its read-out, which breaks its bound."""
        about = f"{self.name} with a linear path from the newest input to the output"
        family = "null" if self.family == "worm" else self.family
        return replace(self, name=self.name + SKIP, family=family, nulls=(), about=about, origin=self, skip=True)

    def of_size(self, size: int) -> "Network":
        """The same network with so many neurons or units."""
        if not self.sized:
            raise ArgumentError(f"{self.name} has a size of its own, so there is no {self.name}-{size}.")
        if not self.least <= size <= WIDEST:
            raise ArgumentError(f"{self.name}-{size}: it takes {self.least} to {WIDEST} units.")
        return replace(self, name=f"{self.name}-{size}", size=size, base=self.name)

    def digest(self) -> str:
        """Of the wiring that it was given, which no name tells; "" where its wiring is made for each data set."""
        first = self
        while first.origin:
            first = first.origin
        return first.wiring.wiring.digest if isinstance(first.wiring, _Given) else ""


NETWORKS: dict[str, Network] = {}
"""The networks by name, without sizes and nulls. `register_network` adds one."""


def register_network(network: Network) -> Network:
    """Make a network known by its name in this process. Raises ArgumentError for a name that is taken."""
    if not isinstance(network, Network):
        raise ArgumentError(f"register_network was given {network!r}; it takes a Network.")
    if network.name in NETWORKS or re.search(r"[/+:,]|-\d+$", network.name):
        raise ArgumentError(f"the name {network.name!r} is taken, or holds one of / + : , or ends in a number.")
    NETWORKS[network.name] = network
    return network


def known() -> list[str]:
    """The names that exist. Most take a number of units (lstm-64), those with a wiring also a null (ncp-ltc/rewire).

    >>> known()[:2]
    ['ncp-ltc', 'ncp-ltc-repaired']
    """
    importlib.import_module("wormnet.study.networks")
    return list(NETWORKS)


def named(name: object) -> Network:
    """A network by its name.

    A registered name, perhaps with a number of units (`lstm-64`), a null of its wiring (`ncp-ltc/rewire`), or a linear
    path past the network (`lstm+skip`), in this order; a cell of the ablations (`ncp(additive,fixed)`); or
    `module:name` for a Network, a Wiring, or a function (shape, seed) -> module of one's own.

    Raises: ArgumentError for a name that does not exist, with those that do.

    >>> named("gru-64").size, named("ncp-cfc-48/dense+skip").null_of
    (64, 'ncp-cfc-48/dense')
    """
    if isinstance(name, Network):
        return name
    names = known()
    if isinstance(name, str):
        if name.endswith(SKIP):
            return named(name.removesuffix(SKIP)).with_skip()
        bare, slash, kind = name.partition("/")
        if slash:
            return named(bare).null(kind)
        if name in NETWORKS:
            return NETWORKS[name]
        if match := re.fullmatch(r"(.+)-([1-9]\d{0,3})", name):
            base = _unless_unknown(match[1])
            if base is not None:
                return base.of_size(int(match[2]))
        if found := _unless_unknown(name):
            return found
        if ":" in name:
            return given(name, imported("network", name))
    raise ArgumentError(unknown("network", name, names))


def _unless_unknown(name: str) -> Network | None:
    from wormnet.study.networks import ablation, worm

    return NETWORKS.get(name) or ablation.cell(name) or worm.on_connectome(name)


def imported(what: str, name: str) -> Any:
    """What `module:name` names. Raises ArgumentError if it cannot be had."""
    module, _, attribute = name.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError) as error:
        raise ArgumentError(f"{what} {name!r} cannot be imported: {error}. It takes module:name.") from None
    return found


def given(name: str, thing: Any) -> Network:
    """A network of one's own from what it may be given as: a Network, a Wiring, or a function (shape, seed) -> module.

    >>> import wormnet
    >>> given("mine", wormnet.random(inputs=3, neurons=9, sparsity=0.5)).family
    'worm'
    """
    if isinstance(thing, Network):
        return thing
    if isinstance(thing, Wiring):
        return wired(name, thing)
    if (isinstance(thing, type) and issubclass(thing, nn.Module)) or not callable(thing):
        raise ArgumentError(
            f"{name} is {thing!r}; it takes a Network, a Wiring, or a function (shape, seed) -> module."
        )
    return Network(name, cast(Any, thing), about="a module of one's own")


@dataclass(frozen=True)
class _Given:
    """A wiring that is what it is; one without inputs is driven by currents into its sensory neurons."""

    wiring: Wiring

    def __call__(self, shape: Shape, seed: int) -> Wiring:
        if not self.wiring.n_inputs:
            from wormnet.study.networks.worm import driven

            return driven(self.wiring, shape.n_inputs, seed)
        if self.wiring.n_inputs not in (shape.n_inputs, shape.channels):
            dt = f", or {shape.n_inputs} with dt and its logarithm" if shape.irregular else ""
            raise WiringError(
                f"the wiring has {self.wiring.n_inputs} inputs; the data set has {shape.channels}{dt}. A wiring "
                "without inputs is driven by currents into its sensory neurons."
            )
        return self.wiring


@dataclass(frozen=True)
class _Null:
    """A null of a wiring."""

    of: Callable[[Shape, int], Wiring]
    null: Callable[[Wiring, int], Wiring]

    def __call__(self, shape: Shape, seed: int) -> Wiring:
        return self.null(self.of(shape, seed), seed)


def wired(
    name: str,
    wiring: Wiring | Callable[[Shape, int], Wiring],
    model: str | Model = "ltc",
    *,
    read: Literal["all", "outputs"] = "all",
    spread: bool = True,
    family: Family = "worm",
    about: str = "",
    **options: Any,
) -> Network:
    """A network of a wiring of one's own.

    Args:
        wiring: a Wiring with as many inputs as the data set, or without inputs, when currents drive its sensory
            neurons (all neurons, if it has none); or (shape, seed) -> Wiring.
        model: of its neurons.
        read: what the linear read-out sees: all neurons, or the wiring's outputs.
        spread: whether time constants start log-uniformly between .1 samples and the length of the sequences.
        family, about: as in `Network`.   options: of `wormnet.nn.Recurrent`.

    >>> import wormnet
    >>> network = wired("mine", wormnet.random(inputs=3, neurons=9, sparsity=0.5))
    >>> build(network, Shape(n_inputs=3, n_outputs=2))(torch.zeros(4, 7, 3)).shape
    torch.Size([4, 2])
    """
    from wormnet.study.networks.worm import OnWiring

    maker = _Given(wiring) if isinstance(wiring, Wiring) else wiring
    core = OnWiring(model, read, spread, tuple(sorted(options.items())))
    return Network(name, core, family, tuple(NULLS), about or f"{model} neurons on a wiring of one's own", maker)


def wiring_of(network: str | Network, shape: Shape, seed: int = 0) -> Wiring | None:
    """The wiring of a network, None if it has none."""
    network = named(network)
    return None if network.wiring is None else network.wiring(_sized(network, shape, seed), seed)


def build(network: str | Network, shape: Shape, seed: int = 0) -> Predictor:
    """A fresh network; its parameters are drawn from torch's global generator, its wiring from the seed.

    A network that has no size of its own gets the one that brings it nearest to the parameters of `ncp-ltc-repaired`
    with `shape.neurons` neurons.

    Raises: ArgumentError for an unknown name, WiringError for a wiring that cannot be.

    >>> network = build("lstm-64", Shape(n_inputs=12, n_outputs=9))
    >>> network(torch.zeros(4, 7, 12)).shape, network.size()["core"]  # 4 (12 + 64) 64 + 8 * 64
    (torch.Size([4, 9]), 19968)
    """
    network = named(network)
    return _made(network, _sized(network, shape, seed), seed)


def _sized(network: Network, shape: Shape, seed: int) -> Shape:
    """The shape with the size of the network; a null, and one with a skip, have the size of what they are made of."""
    if network.size or not network.sized:
        return replace(shape, size=network.size)
    while network.origin:
        network = network.origin
    return replace(shape, size=_matched(network, replace(shape, size=0), seed))


@lru_cache(maxsize=512)
def _matched(network: Network, shape: Shape, seed: int) -> int:
    """The size whose network comes nearest to the parameters of the one that all are sized after."""
    first = NETWORKS[SIZED_AFTER]
    neurons = shape.neurons or NEURONS
    if network == first:
        return neurons

    def parameters(network: Network, size: int) -> int:
        with torch.random.fork_rng(devices=[]):
            return _made(network, replace(shape, size=size), seed).size()["parameters"]

    return _nearest(lambda size: parameters(network, size), parameters(first, neurons), network.least)


def _nearest(size: Callable[[int], int], target: int, least: int = 1) -> int:
    """The width whose network comes nearest to the target; `size` grows with the width, about."""
    top = least
    while size(top) < target and top < WIDEST:
        top *= 2
    above = least + bisect_left(range(least, top + 1), target, key=size)
    below = max(above - 1, least)
    return min((below, above), key=lambda width: abs(math.log(size(width) / target)))


def _made(network: Network, shape: Shape, seed: int) -> Predictor:
    wiring = None if network.wiring is None else network.wiring(shape, seed)
    with warnings.catch_warnings():
        if network.family == "null":
            # That its outputs see the newest sample late is a property of a null.
            warnings.simplefilter("ignore", BlindOutputWarning)
        core = network.build(shape, seed) if wiring is None else network.build(wiring, shape)
    return core if isinstance(core, Predictor) else assembled(network.name, core, shape, wiring, skip=network.skip)


def assembled(name: str, core: nn.Module, shape: Shape, wiring: Wiring | None, *, skip: bool = False) -> Predictor:
    """A core with its read-out. Raises ArgumentError for a core that does not tell the width of its outputs."""
    width = core.n_outputs if isinstance(core, Recurrent) else getattr(core, "width", None)
    if not isinstance(width, int):
        raise ArgumentError(
            f"network {name} built a {type(core).__name__} without `width`; it takes the width of its outputs."
        )
    if wiring is not None and wiring.n_inputs == shape.channels < shape.n_inputs:
        core = _Channels(core, shape.channels)
    return Predictor(core, width, shape, wiring, skip=skip)


def core_of(network: Predictor) -> nn.Module:
    """The core itself, also where it has no inputs for dt."""
    return network.core.core if isinstance(network.core, _Channels) else network.core


class _Channels(nn.Module):
    """A core on a wiring that has no inputs for dt, which it still has in its equation."""

    def __init__(self, core: nn.Module, channels: int):
        super().__init__()
        self.core, self.channels = core, channels

    def forward(self, x: Tensor, state: Any = None, dt: Any = None, lengths: Any = None) -> tuple[Tensor, Any]:
        return self.core(x[..., : self.channels], state, dt, lengths)
