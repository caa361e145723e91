"""What a study runs: the `Plan`, frozen and checked when built, from Python or from TOML."""

import dataclasses
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from wormnet import data
from wormnet.data import Dataset
from wormnet.errors import ArgumentError, DataError, shown, unknown
from wormnet.paths import checked, printable
from wormnet.study import networks, plan_files

__all__ = ["ACCELERATORS", "OPTIMISERS", "Plan", "Robustness", "Training", "Tuning"]

OPTIMISERS = ("adam", "adamw", "rmsprop", "sgd")
ACCELERATORS = ("cpu", "auto", "gpu")
MAX_SEEDS = 10_000
"""The most seeds of a plan."""

T = TypeVar("T")


def _whole(least: int, otherwise: str = "") -> tuple[str, Callable[[Any], bool]]:
    def fits(value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and value >= least

    return f"a whole number, {least} or more{otherwise}", fits


def _real(value: Any) -> bool:
    if isinstance(value, int) and not isinstance(value, bool):
        return -(2**63) <= value < 2**63  # the larger ones are no floats
    return isinstance(value, float) and math.isfinite(value)


def _list_of(takes: str, fits: Callable[[Any], bool], least: int = 0) -> tuple[str, Callable[[Any], bool]]:
    def all_fit(value: Any) -> bool:
        return isinstance(value, (list, tuple)) and len(value) >= least and all(map(fits, value))

    return takes, all_fit


_ABOVE_0 = ("a number > 0", lambda value: _real(value) and value > 0)
_FROM_0 = ("a number, 0 or more", lambda value: _real(value) and value >= 0)


def _takes(rule: tuple[str, Callable[[Any], bool]], default: Any) -> Any:
    return field(default=default, metadata={"rule": rule})


def _check(section: Any) -> None:
    """Every field of a section against its rule; lists become tuples."""
    for one in dataclasses.fields(section):
        value = getattr(section, one.name)
        takes, fits = one.metadata["rule"]
        if not fits(value):
            raise ArgumentError(f"{one.name} is {shown(value)}; it takes {takes}.")
        if isinstance(value, list):
            object.__setattr__(section, one.name, tuple(value))


@dataclass(frozen=True)
class Training:
    """How every network is trained on a data set; the best validation epoch is kept.

    Args:
        epochs: passes over the train part.   batch: sequences in a step.
        learning_rate: > 0.   optimiser: "adam", "adamw", "rmsprop" or "sgd".   weight_decay: 0 or more.
        clip: largest norm of the gradient; 0 does not clip.
        neurons: of the wired networks; 0 for 32, or three times the outputs if that is more.

    Raises: ArgumentError that names the field.

    >>> Training(epochs=0)
    Traceback (most recent call last):
    wormnet.errors.ArgumentError: epochs is 0; it takes a whole number, 1 or more.
    """

    epochs: int = _takes(_whole(1), 40)
    batch: int = _takes(_whole(1), 32)
    learning_rate: float = _takes(_ABOVE_0, 0.005)
    optimiser: str = _takes((f"one of {', '.join(OPTIMISERS)}", lambda value: value in OPTIMISERS), "adam")
    weight_decay: float = _takes(_FROM_0, 0.0)
    clip: float = _takes(_FROM_0, 1.0)
    neurons: int = _takes(_whole(0, " (0: as many as the outputs ask for)"), 0)

    def __post_init__(self):
        _check(self)


@dataclass(frozen=True)
class Tuning:
    """The search for each network's learning rate on the validation part, the same budget for all networks.

    Args:
        trials: trainings per network and data set; 0 takes the plan's learning rate for all.
        learning_rate: smallest and largest that is tried, log-uniform.
    """

    trials: int = _takes(_whole(0), 0)
    learning_rate: Sequence[float] = _takes(
        (
            "two numbers > 0, the smaller first",
            lambda v: isinstance(v, (list, tuple)) and len(v) == 2 and all(map(_real, v)) and 0 < v[0] < v[1],
        ),
        (0.0005, 0.03),
    )

    def __post_init__(self):
        _check(self)


@dataclass(frozen=True)
class Robustness:
    """How the test input is disturbed after training.

    Args:
        noise: standard deviations of Gaussian noise added to each channel, in that channel's own (train part).
        drop: shares of the samples that are left out at random; the time they took goes to the next sample's dt.
    """

    noise: Sequence[float] = _takes(
        _list_of("a list of numbers > 0", lambda value: _real(value) and value > 0), (0.25, 0.5, 1.0)
    )
    drop: Sequence[float] = _takes(
        _list_of("a list of shares, more than 0 and less than 1", lambda value: _real(value) and 0 < value < 1),
        (0.1, 0.25, 0.5),
    )

    def __post_init__(self):
        _check(self)


@dataclass(frozen=True)
class Plan:
    """Which networks are compared on which data, and how: all runs are the data sets x networks x seeds.

    Args:
        datasets: names of `wormnet.data.names()`, or a `wormnet.data.Dataset` of your own.
        networks: names; `wormnet.study.networks.known()` lists them.
        seeds: how many (0, 1, ...), or a list of them, at most 10,000. A seed decides the wiring drawn, the start and
            the order of the training sequences, the noise and the samples dropped; never the data.
        reference: the network that the others are tested against; "" for the first standard one.
        training: how to train; training_of: the same for one data set by its name.
        options: what a data set's loader is given, by the data set's name.
        tuning, robustness: see `Tuning`, `Robustness`.
        accelerator: "cpu", "gpu" or "auto".
        name: heads the report.

    Raises:
        ArgumentError: one line with the place and what is known. DataError: for a file that cannot be read.

    >>> plan = Plan(datasets=["digits"], networks=["ncp-ltc", "lstm"], seeds=2)
    >>> plan.seeds, plan.reference_network
    ((0, 1), 'lstm')
    >>> Plan(datasets=["digits"], networks=["ncp-ltk"])
    Traceback (most recent call last):
    wormnet.errors.ArgumentError: networks: unknown network 'ncp-ltk'; did you mean 'ncp-ltc'...
    """

    datasets: Sequence[str | Dataset]
    networks: Sequence[str]
    seeds: int | Sequence[int] = 3
    reference: str = ""
    training: Training = Training()
    training_of: Mapping[str, Training] = field(default_factory=dict)
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    tuning: Tuning = Tuning()
    robustness: Robustness = Robustness()
    accelerator: str = "cpu"
    name: str = "Worm networks against standard networks"
    is_quick: bool = False

    def __post_init__(self):
        for what, takes in (("datasets", "data sets"), ("networks", "networks")):
            object.__setattr__(self, what, _distinct(what, getattr(self, what), takes))
        object.__setattr__(self, "seeds", _seeds(self.seeds))
        for dataset in self.datasets:
            if not isinstance(dataset, Dataset) and dataset not in data.names():
                raise ArgumentError(f"datasets: {unknown('data set', dataset, data.names())}")
        for name in self.networks:
            with _at("networks"):
                networks.parse(name)
        _distinct("datasets", self.dataset_names, "data sets")
        for what, names in (("training", self.training_of), ("data", self.options)):
            for name in names:
                if name not in self.dataset_names:
                    raise ArgumentError(f"{what}: {unknown('data set of this plan', name, self.dataset_names)}")
        for name in self.options:
            if name not in self.datasets:
                raise ArgumentError(f"data: {name} is given as a Dataset; a loader's options do not apply to it.")
        if self.accelerator not in ACCELERATORS:
            raise ArgumentError(unknown("accelerator", self.accelerator, ACCELERATORS))
        if not isinstance(self.name, str):
            raise ArgumentError(f"name is {shown(self.name)}; it takes text.")
        if not isinstance(self.is_quick, bool):
            raise ArgumentError(f"is_quick is {shown(self.is_quick)}; it takes True or False.")
        if self.reference != "" and self.reference not in self.networks:
            raise ArgumentError(f"reference: {unknown('network of this plan', self.reference, self.networks)}")

    @property
    def reference_network(self) -> str:
        """The network that the others are tested against."""
        standard = [name for name in self.networks if networks.parse(name).family == "standard"]
        return self.reference or (standard or self.networks)[0]

    @property
    def dataset_names(self) -> tuple[str, ...]:
        """Names of the data sets, in order."""
        return tuple(one.name if isinstance(one, Dataset) else one for one in self.datasets)

    def training_on(self, dataset: str) -> Training:
        """How to train on a data set."""
        return self.training_of.get(dataset, self.training)

    def load(self) -> dict[str, Dataset]:
        """The data sets by name, loaded. Raises ArgumentError or DataError that names the data set at fault."""
        found = {}
        for name, given in zip(self.dataset_names, self.datasets):
            with _at(f"data.{name}"):
                try:
                    found[name] = (
                        given if isinstance(given, Dataset) else data.load(given, **self.options.get(given, {}))
                    )
                except TypeError as error:  # an option of the wrong type that the loader did not look at
                    raise ArgumentError(
                        f"the options {dict(self.options.get(name, {}))} do not fit: {error}."
                    ) from None
        return found

    def comparisons(self) -> tuple[tuple[str, str], ...]:
        """Which pairs are tested: every network with the reference, and every wiring with its nulls."""
        reference = self.reference_network
        pairs = [(name, reference) for name in self.networks if name != reference]
        recipes = [networks.parse(name) for name in self.networks]
        pairs += [
            (worm.name, null.name)
            for worm in recipes
            for null in recipes
            if worm.family == "worm" and null.family == "null" and worm.model == null.model
        ]
        return tuple(dict.fromkeys(pairs))

    def quick(self) -> "Plan":
        """The same plan as a quick look: the first seed, a quarter of the epochs, two levels of each disturbance."""
        if self.is_quick:
            return self

        def short(training: Training) -> Training:
            return dataclasses.replace(training, epochs=max(1, training.epochs // 4))

        few = Robustness(*(tuple(levels)[::2] for levels in (self.robustness.noise, self.robustness.drop)))
        return dataclasses.replace(
            self,
            seeds=self.seeds[:1],  # pyright: ignore[reportIndexIssue]
            training=short(self.training),
            training_of={name: short(training) for name, training in self.training_of.items()},
            robustness=few,
            is_quick=True,
        )

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
        with _at(printable(checked(path))):
            return cls.from_dict(content)

    @classmethod
    def from_json(cls, path: str | os.PathLike[str]) -> "Plan":
        """The plan that a study keeps in its directory, as plan.json. Raises as `from_toml` does."""
        content = plan_files.from_json(path)
        with _at(printable(checked(path))):
            return cls.from_dict(content)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "Plan":
        """A plan from plain values, as a TOML file holds them; the opposite of `to_dict`.

        >>> Plan.from_dict({"datasets": ["digits"], "networks": ["lstm"], "training": {"epochs": 2}}).training.epochs
        2
        """
        if not isinstance(content, Mapping):
            raise ArgumentError(f"the plan is {shown(content)}; it takes a table with at least datasets and networks.")
        known = ("name", "datasets", "networks", "seeds", "reference", "accelerator", "is_quick")
        sections = ("training", "data", "tuning", "robustness")
        for key, value in content.items():
            if key not in known + sections:
                raise ArgumentError(unknown("key", key, (*known, *sections)))
            if key in sections and not isinstance(value, Mapping):
                raise ArgumentError(f"{key} is {shown(value)}; it takes a section, [{key}].")
        for key in ("datasets", "networks"):
            if key not in content:
                raise ArgumentError(f"{key} is missing; a plan takes at least datasets and networks.")
        plain: dict[str, Any] = {key: content[key] for key in known if key in content}
        training = content.get("training", {})
        shared = {key: value for key, value in training.items() if not isinstance(value, Mapping)}
        plain["training"] = _section(Training, "training", shared)
        plain["training_of"] = {
            name: _section(Training, f"training.{name}", {**shared, **own})
            for name, own in training.items()
            if isinstance(own, Mapping)
        }
        plain["tuning"] = _section(Tuning, "tuning", content.get("tuning", {}))
        plain["robustness"] = _section(Robustness, "robustness", content.get("robustness", {}))
        for name, options in content.get("data", {}).items():
            if not isinstance(options, Mapping):
                raise ArgumentError(f"data.{name} is {shown(options)}; it takes a section, [data.{name}].")
        return cls(**plain, options=dict(content.get("data", {})))

    def to_dict(self) -> dict[str, Any]:
        """The plan as plain values that JSON and TOML can hold; data sets by their names."""
        return {
            "name": self.name,
            "datasets": list(self.dataset_names),
            "networks": list(self.networks),
            "seeds": list(self.seeds),  # pyright: ignore[reportArgumentType]
            "reference": self.reference,
            "accelerator": self.accelerator,
            "is_quick": self.is_quick,
            "training": dataclasses.asdict(self.training)
            | {name: dataclasses.asdict(training) for name, training in self.training_of.items()},
            "data": {name: dict(options) for name, options in self.options.items()},
            "tuning": {"trials": self.tuning.trials, "learning_rate": list(self.tuning.learning_rate)},
            "robustness": {"noise": list(self.robustness.noise), "drop": list(self.robustness.drop)},
        }


def _section(kind: type[T], place: str, content: Mapping[str, Any]) -> T:
    known = [one.name for one in dataclasses.fields(kind)]  # pyright: ignore[reportArgumentType]
    for key in content:
        if key not in known:
            raise ArgumentError(f"{place}: {unknown('key', key, known)}")
    with _at(place):
        return kind(**content)


@contextmanager
def _at(place: str) -> Iterator[None]:
    """Put the place in front of what goes wrong inside."""
    try:
        yield
    except (ArgumentError, DataError) as error:
        raise type(error)(f"{place}: {error}") from None


def _distinct(what: str, given: Any, takes: str) -> tuple[Any, ...]:
    if isinstance(given, (str, Dataset)) or not isinstance(given, Sequence) or not given:
        raise ArgumentError(f"{what} is {shown(given)}; it takes a list of {takes}, at least one.")
    if len(given) > MAX_SEEDS:
        raise ArgumentError(f"{what} holds {len(given):,}; it takes at most {MAX_SEEDS:,} {takes}.")
    seen: set[Any] = set()
    for one in given:
        # By identity where there is no hash; what is neither a name nor a number is refused after this.
        key = one if isinstance(one, (str, int)) else id(one)
        if key in seen:
            raise ArgumentError(f"{what} names {shown(one)} twice.")
        seen.add(key)
    return tuple(given)


def _seeds(given: Any) -> tuple[int, ...]:
    if _whole(1)[1](given):
        if given > MAX_SEEDS:
            raise ArgumentError(f"seeds is {shown(given)}; it takes how many, 1 to {MAX_SEEDS:,}, or a list of them.")
        return tuple(range(given))
    fits = _list_of("", lambda seed: _whole(0)[1](seed) and seed < 2**31, least=1)[1]
    if not fits(given):
        raise ArgumentError(
            f"seeds is {shown(given)}; it takes how many, 1 or more, or a list of different whole numbers, 0 or more."
        )
    return _distinct("seeds", given, "seeds")
