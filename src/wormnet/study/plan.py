"""What a study runs: the `Plan`, frozen and checked when built, from Python or from TOML."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from wormnet.data import Dataset
from wormnet.errors import ArgumentError, shown, unknown
from wormnet.paths import checked, printable
from wormnet.study import metrics as metric_registry
from wormnet.study import network as network_registry
from wormnet.study import plan_files
from wormnet.study.checks import at, check, is_real, list_of, one_of, plain, real, takes, truth, whole
from wormnet.study.factorial import Factorial
from wormnet.study.metrics import Metric
from wormnet.study.network import Network
from wormnet.study.sources import Source, source_of

__all__ = ["ACCELERATORS", "OPTIMISERS", "Measures", "Plan", "Training", "Tuning"]

OPTIMISERS = ("adam", "adamw", "rmsprop", "sgd")
SCHEDULES = ("cosine", "constant")
ACCELERATORS = ("cpu", "auto", "gpu")
MAX_SEEDS = 10_000
"""The most seeds of a plan, and the most data sets, networks and folds."""

_ABOVE_0 = real("a number > 0", lambda value: value > 0)
_FROM_0 = real("a number, 0 or more", lambda value: value >= 0)
_SHARE = real("a share, 0 or more and less than 1", lambda value: 0 <= value < 1)


@dataclass(frozen=True)
class Training:
    """How every network is trained on a data set; the best validation epoch is kept.

    Args:
        epochs: passes over the train part.   batch: sequences in a step.
        learning_rate: > 0.   optimiser: "adam", "adamw", "rmsprop" or "sgd".   weight_decay: 0 or more.
        clip: largest norm of the gradient; 0 does not clip.
        schedule: "cosine", the learning rate falls to 0 as half a cosine; or "constant".
        warm_up: the share of the steps in which it rises first.
        patience: stop after so many epochs without a better one on the validation part; 0: never.
        class_weights: whether each class weighs the same in the loss, however rare it is.
        residual: whether networks learn the change from one input to the next where that is the target.
        redraw: whether windows and lost samples are drawn anew for each epoch, where the data set offers it.
        neurons: of `ncp-ltc-repaired`, after whose parameters all networks are sized that have no size of their own;
            0 for 32.
        strategy, devices: of Lightning's Trainer, to train one network on several devices ("ddp").

    Raises: ArgumentError that names the field.

    >>> Training(epochs=0)
    Traceback (most recent call last):
    wormnet.errors.ArgumentError: epochs is 0; it takes a whole number, 1 or more.
    """

    epochs: int = takes(whole(1), 40)
    batch: int = takes(whole(1), 32)
    learning_rate: float = takes(_ABOVE_0, 0.01)
    optimiser: str = takes(one_of(OPTIMISERS), "adam")
    weight_decay: float = takes(_FROM_0, 0.0)
    clip: float = takes(_FROM_0, 1.0)
    schedule: str = takes(one_of(SCHEDULES), "cosine")
    warm_up: float = takes(_SHARE, 0.05)
    patience: int = takes(whole(0, " (0: never stop early)"), 0)
    class_weights: bool = takes(truth, False)
    residual: bool = takes(truth, True)
    redraw: bool = takes(truth, True)
    neurons: int = takes(whole(0, " (0: the usual number)"), 0)
    strategy: str = takes(("a strategy of Lightning, such as ddp", lambda value: isinstance(value, str)), "auto")
    devices: int = takes(whole(1), 1)

    def __post_init__(self):
        check(self)


_TUNABLE = tuple(
    one.name for one in dataclasses.fields(Training) if one.name not in ("neurons", "strategy", "devices", "epochs")
)


def _is_space(given: Any) -> bool:
    return isinstance(given, Mapping) and all(
        name in _TUNABLE
        and isinstance(values, (list, tuple))
        and len(values) > 1
        and (not _is_range(values) or values[0] < values[1])
        for name, values in given.items()
    )


def _is_range(values: Sequence[Any]) -> bool:
    return len(values) == 2 and all(map(is_real, values))


@dataclass(frozen=True)
class Tuning:
    """The search for each network's settings on the validation part, the same budget and space for all networks.

    Args:
        trials: trainings per network, data set and fold; 0 takes the plan's settings for all. The plan's own settings
            are the first trial.
        space: what is searched, fields of `Training`: two numbers are a range, log-uniform if both are above 0; a list
            of anything else, or of more, are choices.

    >>> Tuning(trials=20, space={"learning_rate": [0.001, 0.1], "optimiser": ["adam", "rmsprop"]}).trials
    20
    """

    trials: int = takes(whole(0), 0)
    space: Mapping[str, Sequence[Any]] = takes(
        (
            f"fields of training ({', '.join(_TUNABLE)}), with two numbers, the smaller first, or a list of choices",
            _is_space,
        ),
        {"learning_rate": (0.001, 0.05), "weight_decay": (1e-6, 1e-2)},
    )

    def __post_init__(self):
        check(self)
        object.__setattr__(self, "space", {name: tuple(values) for name, values in self.space.items()})

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return {"trials": self.trials, "space": {name: list(values) for name, values in self.space.items()}}


def _is_rate(value: Any) -> bool:
    if not is_real(value) or value <= 0:
        return False
    times = value if value >= 1 else 1 / value
    return abs(times - round(times)) < 1e-9 and round(times) > 1


@dataclass(frozen=True)
class Measures:
    """What is measured of trained networks beside their score.

    Args:
        noise: standard deviations of Gaussian noise added to each channel, in that channel's own (train part).
        drop: shares of the samples that are left out at random; once the time they took goes to the next sample's dt,
            and once no network is told.
        rate: factors of the sampling rate: whole numbers, or one over them. .5 keeps every second sample.
        unfamiliar: whether parts that are unlike all training data are scored, where the data set has them.
        dynamics: whether PC1 and L_max of the states are measured.
        shares: of the training sequences: how much data a network needs.
        sizes: numbers of neurons or units in which each network runs too, if it has no size of its own, to find the
            smallest that will do.
        prices: whether time, memory and multiplications are measured.
    """

    noise: Sequence[float] = takes(
        list_of("a list of numbers > 0", lambda value: is_real(value) and value > 0), (0.1, 0.25, 0.5)
    )
    drop: Sequence[float] = takes(
        list_of("a list of shares, more than 0 and less than 1", lambda value: is_real(value) and 0 < value < 1),
        (0.1, 0.3, 0.5, 0.7),
    )
    rate: Sequence[float] = takes(list_of("a list of whole numbers, or of one over them, not 1", _is_rate), (0.5, 2))
    unfamiliar: bool = takes(truth, True)
    dynamics: bool = takes(truth, True)
    shares: Sequence[float] = takes(
        list_of("a list of shares, more than 0 and at most 1", lambda v: is_real(v) and 0 < v <= 1), (1.0,)
    )
    sizes: Sequence[int] = takes(list_of("a list of whole numbers, 1 or more", whole(1)[1]), ())
    prices: bool = takes(truth, True)

    def __post_init__(self):
        check(self)
        # Conditions and comparisons are those of all the data.
        object.__setattr__(self, "shares", tuple(sorted({1.0, *map(float, self.shares)}, reverse=True)))


@dataclass(frozen=True)
class Plan:
    """Which networks are compared on which data, and how: all runs are the data sets x folds x networks x seeds.

    Args:
        datasets: names of `wormnet.data.names()`, Datasets of your own, lists of Datasets, one for each fold, or
            functions (fold) -> Dataset; see `wormnet.study.sources.source_of`.
        networks: names (`wormnet.study.network.known()` lists them, `named` tells how they are put together), or
            Networks of your own.
        folds: into how many disjoint test parts a data set is divided; of one that offers fewer as many as it offers,
            which is told before anything is run; 0: its own split.
        seeds: how many (0, 1, ...), or a list of them, at most 10,000. A seed decides the wiring drawn, the start and
            the order of the training sequences, the noise and the samples dropped; never the data.
        reference: the network that the others are tested against; "" for the first standard one.
        training: how to train; training_of: the same for one data set by its name.
        options: what a data set's loader is given, by the data set's name; of a name that is not registered, where its
            table lies and what its columns are (`wormnet.study.tables.Table`).
        metrics: by the data set's name, metrics by name or as they are; the first one is what is compared.
        tuning, measures: see `Tuning`, `Measures`; measures_of: the same for one data set by its name.
        factorial: None, or a `Factorial` whose cells are networks of the plan too.
        accelerator: "cpu", "gpu" or "auto".
        name: heads the report.

    Raises:
        ArgumentError: one line with the place and what is known. DataError: for a file that cannot be read.

    >>> plan = Plan(datasets=["digits"], networks=["ncp-ltc", "ncp-ltc/rewire", "lstm"], seeds=2)
    >>> plan.seeds, plan.reference_network
    ((0, 1), 'lstm')
    >>> Plan(datasets=["digits"], networks=["ncp-ltk"])
    Traceback (most recent call last):
    wormnet.errors.ArgumentError: networks: unknown network 'ncp-ltk'; did you mean 'ncp-ltc'...
    """

    datasets: Sequence[Any]
    networks: Sequence[str | Network]
    folds: int = 5
    seeds: int | Sequence[int] = 3
    reference: str = ""
    training: Training = Training()
    training_of: Mapping[str, Training] = field(default_factory=dict)
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    metrics: Mapping[str, Sequence[str | Metric]] = field(default_factory=dict)
    tuning: Tuning = Tuning()
    measures: Measures = Measures()
    measures_of: Mapping[str, Measures] = field(default_factory=dict)
    factorial: Factorial | None = None
    accelerator: str = "cpu"
    name: str = "Worm networks against standard networks"
    is_quick: bool = False
    sources: tuple[Source, ...] = field(init=False, repr=False, compare=False)
    all_networks: tuple[Network, ...] = field(init=False, repr=False, compare=False)
    """Those named, the cells of the factorial, and the sizes of the measures, in this order."""

    def __post_init__(self):
        object.__setattr__(self, "seeds", _seeds(self.seeds))
        if not whole(0)[1](self.folds) or self.folds > MAX_SEEDS:
            raise ArgumentError(f"folds is {shown(self.folds)}; it takes a whole number, 0 (the own split) or more.")
        for what, kind in (("training", Training), ("tuning", Tuning), ("measures", Measures)):
            if not isinstance(getattr(self, what), kind):
                raise ArgumentError(f"{what} is {shown(getattr(self, what))}; it takes a {kind.__name__}.")
        if self.factorial is not None and not isinstance(self.factorial, Factorial):
            raise ArgumentError(f"factorial is {shown(self.factorial)}; it takes a Factorial, or None.")
        self._take_datasets()
        self._take_networks()
        for what in ("training_of", "options", "metrics", "measures_of"):
            for name in getattr(self, what):
                if name not in self.dataset_names:
                    place = {"options": "data"}.get(what, what.removesuffix("_of"))
                    raise ArgumentError(f"{place}: {unknown('data set of this plan', name, self.dataset_names)}")
        for name, given in self.metrics.items():
            with at(f"metrics.{name}"):
                for one in _distinct("metrics", given, "metrics"):
                    metric_registry.metric(one)
        if self.accelerator not in ACCELERATORS:
            raise ArgumentError(unknown("accelerator", self.accelerator, ACCELERATORS))
        if not isinstance(self.name, str):
            raise ArgumentError(f"name is {shown(self.name)}; it takes text.")
        if not isinstance(self.is_quick, bool):
            raise ArgumentError(f"is_quick is {shown(self.is_quick)}; it takes True or False.")
        if self.reference != "" and self.reference not in self.network_names:
            raise ArgumentError(f"reference: {unknown('network of this plan', self.reference, self.network_names)}")

    def _take_datasets(self) -> None:
        given = _distinct("datasets", self.datasets, "data sets")
        found = []
        for one in given:
            with at("datasets"):
                options = self.options.get(one) if isinstance(one, str) else None
                found.append(source_of(one, options))
        names = [source.name for source in found]
        _distinct("datasets", names, "data sets")
        for name in self.options:
            if name in names and name not in given:
                raise ArgumentError(f"data: {name} is given as a Dataset; a loader's options do not apply to it.")
        object.__setattr__(self, "datasets", given)
        object.__setattr__(self, "sources", tuple(found))

    def _take_networks(self) -> None:
        given = _distinct("networks", self.networks, "networks")
        with at("networks"):
            found = [network_registry.named(one) for one in given]
        _distinct("networks", [one.name for one in found], "networks")
        if self.factorial is not None:
            there = {one.name for one in found}
            found += [network_registry.named(name) for name in self.factorial.cells if name not in there]
        sizable = [one for one in found if one.sized and not one.size and one.origin is None]
        sizes = sorted({size for one in (self.measures, *self.measures_of.values()) for size in one.sizes})
        there = {one.name for one in found}
        for one in sizable:
            if self.factorial is None or one.name not in self.factorial.cells:
                more = [one.of_size(size) for size in sizes if size >= one.least]
                found += [sized for sized in more if sized.name not in there]
        object.__setattr__(self, "networks", given)
        object.__setattr__(self, "all_networks", tuple(found))

    @property
    def network_names(self) -> tuple[str, ...]:
        """Names of all networks, in order."""
        return tuple(one.name for one in self.all_networks)

    @property
    def reference_network(self) -> str:
        """The network that the others are tested against."""
        standard = [one.name for one in self.all_networks if one.family == "standard"]
        return self.reference or (standard or self.network_names)[0]

    @property
    def dataset_names(self) -> tuple[str, ...]:
        """Names of the data sets, in order."""
        return tuple(source.name for source in self.sources)

    def folds_of(self, source: Source) -> tuple[int | None, ...]:
        """The folds of a data set that are run; (None,) is its own split."""
        n = min(self.folds, source.folds)
        return tuple(range(n)) if n else (None,)

    def short_of_folds(self) -> list[str]:
        """What is to be told of data sets that offer fewer folds than the plan asks for."""
        short = [source for source in self.sources if max(source.folds, 1) < self.folds]
        runs = [f"{one.folds} are run" if one.folds > 1 else "its own split is run" for one in short]
        return [
            f"the plan asks for {self.folds} folds; {one.name} offers {one.folds or 'none'}, so {told}."
            for one, told in zip(short, runs)
        ]

    def training_on(self, dataset: str) -> Training:
        """How to train on a data set."""
        return self.training_of.get(dataset, self.training)

    def measures_on(self, dataset: str) -> Measures:
        """What is measured on a data set."""
        return self.measures_of.get(dataset, self.measures)

    def metrics_on(self, dataset: str, task: str) -> tuple[Metric, ...]:
        """The metrics of a data set, the one that is compared first."""
        with at(f"metrics.{dataset}"):
            return metric_registry.all_of(self.metrics.get(dataset) or metric_registry.usual(task), task)

    def networks_on(self, dataset: str) -> tuple[Network, ...]:
        """The networks that run on a data set: all but those of sizes that it does not ask for."""
        sizes, named = self.measures_on(dataset).sizes, self.named
        return tuple(one for one in self.all_networks if not one.size or one.name in named or one.size in sizes)

    @property
    def named(self) -> frozenset[str]:
        """Names of the networks that the plan names, without cells of the factorial and sizes."""
        return frozenset(one.name if isinstance(one, Network) else one for one in self.networks)

    def load(self, source: Source, fold: int | None) -> Dataset:
        """A fold of a data set. Raises ArgumentError or DataError that names the data set at fault."""
        with at(f"data.{source.name}"):
            try:
                return source.load(fold)
            except TypeError as error:  # an option of the wrong type that the loader did not look at
                given = dict(self.options.get(source.name, {}))
                raise ArgumentError(f"the options {given} do not fit: {error}.") from None

    def comparisons(self) -> tuple[tuple[str, str], ...]:
        """Which pairs are tested: every network with the reference, and every network with its nulls.

        Cells of a factorial and sizes are analysed in other ways.
        """
        reference = self.reference_network
        design = set(self.factorial.cells) if self.factorial else set()
        named = [one for one in self.all_networks if one.name in self.named and one.name not in design]
        pairs = [(one.name, reference) for one in named if one.name != reference]
        pairs += [(one.null_of, one.name) for one in named if one.null_of in self.network_names]
        return tuple(dict.fromkeys(pairs))

    def quick(self) -> "Plan":
        """The same plan as a quick look: the first fold and seed, a quarter of the epochs, every second disturbance."""
        if self.is_quick:
            return self

        def short(training: Training) -> Training:
            return dataclasses.replace(training, epochs=max(1, training.epochs // 4))

        def few(measures: Measures) -> Measures:
            fewer = {name: tuple(getattr(measures, name))[::2] for name in ("noise", "drop", "rate")}
            return dataclasses.replace(measures, shares=(1.0,), sizes=(), **fewer)

        return self.changed(
            folds=min(self.folds, 1),
            seeds=self.seeds[:1],  # pyright: ignore[reportIndexIssue]
            training=short(self.training),
            training_of={name: short(training) for name, training in self.training_of.items()},
            measures=few(self.measures),
            measures_of={name: few(measures) for name, measures in self.measures_of.items()},
            is_quick=True,
        )

    def changed(self, **changes: Any) -> "Plan":
        """The same plan with other values for some of its fields."""
        return dataclasses.replace(self, **changes)

    @classmethod
    def default(cls) -> "Plan":
        """The plan that ships with the package."""
        return cls.from_toml(Path(str(resources.files("wormnet.study").joinpath("default.toml"))))

    @classmethod
    def from_toml(cls, path: str | os.PathLike[str]) -> "Plan":
        """Read a plan from a TOML file; `default.toml` beside this file is an example.

        Raises:
            DataError: if the file is missing, longer than 256 KiB or no TOML.
            ArgumentError: for what is no path, and for anything that a plan does not take; the message names the file
                and the place in it.
        """
        content = plan_files.from_toml(path)
        with at(printable(checked(path))):
            return cls.from_dict(content, beside=checked(path).parent)

    @classmethod
    def from_json(cls, path: str | os.PathLike[str]) -> "Plan":
        """The plan that a study keeps in its directory, as plan.json. Raises as `from_toml` does."""
        content = plan_files.from_json(path)
        with at(printable(checked(path))):
            return cls.from_dict(content)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], beside: Path | None = None) -> "Plan":
        """A plan from plain values, as a TOML file holds them; the opposite of `to_dict`.

        Args: beside: the folder that names of files are relative to; None for the working directory.

        >>> Plan.from_dict({"datasets": ["digits"], "networks": ["lstm"], "training": {"epochs": 2}}).training.epochs
        2
        """
        return cls(**plan_files.arguments(content, beside))

    def to_dict(self) -> dict[str, Any]:
        """The plan as plain values that JSON and TOML can hold; data sets and networks of your own by their names."""

        def all_of(shared: Any, own: Mapping[str, Any]) -> dict[str, Any]:
            return plain(shared) | {name: plain(one) for name, one in own.items()}

        return {
            "name": self.name,
            "datasets": list(self.dataset_names),
            "networks": [one.name if isinstance(one, Network) else one for one in self.networks],
            "folds": self.folds,
            "seeds": list(self.seeds),  # pyright: ignore[reportArgumentType]
            "reference": self.reference,
            "accelerator": self.accelerator,
            "is_quick": self.is_quick,
            "training": all_of(self.training, self.training_of),
            "data": {name: dict(options) for name, options in self.options.items()},
            "metrics": {
                name: [one.name if isinstance(one, Metric) else one for one in given]
                for name, given in self.metrics.items()
            },
            "tuning": self.tuning.to_dict(),
            "measures": all_of(self.measures, self.measures_of),
        } | ({} if self.factorial is None else {"factorial": self.factorial.to_dict()})


def _distinct(what: str, given: Any, words: str) -> tuple[Any, ...]:
    if isinstance(given, (str, Dataset)) or not isinstance(given, Sequence) or not given:
        raise ArgumentError(f"{what} is {shown(given)}; it takes a list of {words}, at least one.")
    if len(given) > MAX_SEEDS:
        raise ArgumentError(f"{what} holds {len(given):,}; it takes at most {MAX_SEEDS:,} {words}.")
    seen: set[Any] = set()
    for one in given:
        # By identity where there is no hash; what is neither a name nor a number is refused after this.
        key = one if isinstance(one, (str, int)) else id(one)
        if key in seen:
            raise ArgumentError(f"{what} names {shown(one)} twice.")
        seen.add(key)
    return tuple(given)


def _seeds(given: Any) -> tuple[int, ...]:
    if whole(1)[1](given):
        if given > MAX_SEEDS:
            raise ArgumentError(f"seeds is {shown(given)}; it takes how many, 1 to {MAX_SEEDS:,}, or a list of them.")
        return tuple(range(given))
    fits = list_of("", lambda seed: whole(0)[1](seed) and seed < 2**31, least=1)[1]
    if not fits(given):
        raise ArgumentError(
            f"seeds is {shown(given)}; it takes how many, 1 or more, or a list of different whole numbers, 0 or more."
        )
    return _distinct("seeds", given, "seeds")
