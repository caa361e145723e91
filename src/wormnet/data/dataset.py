"""A data set in three parts, with what a trivial method reaches on it: `Dataset`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from wormnet.data.sequences import Sequences
from wormnet.errors import ArgumentError, DataError

__all__ = ["Dataset", "guess"]


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """A data set in its three parts, with where it comes from and what a trivial method reaches on it.

    Args:
        name: what it is called in tables.
        train, valid, test: of one task, with the same inputs and outputs.
        classes: names of the classes, by number; empty: those of the parts, sorted if they differ, or "0", "1", ...
            up to the largest label in any part.
        source, licence, citation: where it comes from, on what terms, and whom to name.
        protocol: "clean" or "published": how it was split.
        measure: computes `baselines`; None: `guess`.
        residual: whether the target is the input one sample later, in its units, so that a network may learn the
            change instead.
        redraw: (number of an epoch) -> train anew: other windows of the same recordings, other lost samples.
        apart: further parts, by name, that are scored and reported apart.
        unfamiliar: likewise, of a regime that is unlike everything in train.
        recordings: (sequences of valid,) from which recording each is, so that the best epoch can be chosen by the
            median over the recordings.

    Raises:
        ArgumentError: if a part is no Sequences.
        DataError: if the parts do not fit together.

    >>> part = Sequences(np.zeros((4, 5, 2)), y=[0, 1, 1, 1])
    >>> mine = Dataset("mine", train=part, valid=part, test=part)
    >>> mine
    Dataset('mine', 4/4/4 sequences, 2 inputs, 2 outputs, classify per sequence, clean)
    >>> mine.baselines
    {'majority': 0.75}
    """

    name: str
    train: Sequences
    valid: Sequences
    test: Sequences
    classes: Sequence[str] = ()
    source: str = ""
    licence: str = ""
    citation: str = ""
    protocol: str = "clean"
    measure: Callable[["Dataset"], dict[str, float]] | None = None
    residual: bool = False
    redraw: Callable[[int], Sequences] | None = None
    apart: Mapping[str, Sequences] = field(default_factory=dict)
    unfamiliar: Mapping[str, Sequences] = field(default_factory=dict)
    recordings: Sequence[int] | None = None

    def __post_init__(self):
        for extra in ("apart", "unfamiliar"):
            object.__setattr__(self, extra, dict(getattr(self, extra)))
        self._check_extras()
        for part, given in self.parts.items():
            if not isinstance(given, Sequences):
                raise ArgumentError(f"{self.name}: {part} is {given!r}; it takes Sequences.")
            for what in ("n_inputs", "task", "per"):
                mine, theirs = getattr(given, what), getattr(self.train, what)
                if mine != theirs:
                    raise DataError(f"{self.name}: {what} is {mine} in {part} and {theirs} in train; they must agree.")
            if self.train.task == "regress" and given.y.shape[-1] != self.train.y.shape[-1]:
                raise DataError(
                    f"{self.name}: {part} has {given.y.shape[-1]} outputs and train {self.train.y.shape[-1]}; "
                    "they must agree."
                )
            if not len(given.targets):
                raise DataError(
                    f"{self.name}: all sequences of {part} have length 0; there is nothing to learn or score."
                )
        if self.task == "regress":
            if self.classes:
                raise DataError(f"{self.name}: {len(self.classes)} classes are named, but y holds floats (regression).")
            object.__setattr__(self, "classes", ())
            return
        self._share_classes()
        largest = max(int(part.y.max()) for part in self.parts.values())
        classes = tuple(self.classes) or tuple(str(label) for label in range(largest + 1))
        if largest >= len(classes):
            raise DataError(f"{self.name}: label {largest} occurs, but there are {len(classes)} classes.")
        object.__setattr__(self, "classes", classes)

    def _check_extras(self) -> None:
        if self.recordings is not None and len(self.recordings) != len(self.valid):
            raise DataError(
                f"{self.name}: recordings has {len(self.recordings)} numbers; valid has {len(self.valid)} sequences."
            )
        if self.residual and (self.train.task != "regress" or self.train.y.shape[-1] > self.train.n_inputs):
            raise DataError(
                f"{self.name}: residual is for a target that is the next input; y has shape {self.train.y.shape}, "
                f"x {self.train.x.shape}."
            )

    def _share_classes(self) -> None:
        """Give the parts, whose names were numbered one by one, the same numbers for the same names."""
        parts = {part: getattr(self, part) for part in ("train", "valid", "test")}
        bare = [part for part, given in parts.items() if not given.classes]
        if len(bare) == len(parts):
            return
        if bare and not self.classes:
            there = next(part for part in parts if part not in bare)
            raise DataError(
                f"{self.name}: classes have names in {there} and numbers in {bare[0]}; name them in classes=."
            )
        union = tuple(self.classes)
        if not union:
            kinds = {given.classes for given in parts.values()}
            union = kinds.pop() if len(kinds) == 1 else tuple(sorted({name for names in kinds for name in names}))
        for part, given in parts.items():
            try:
                object.__setattr__(self, part, given.named(union))
            except ArgumentError as error:
                raise DataError(f"{self.name}: {part}: {error}") from None
        object.__setattr__(self, "classes", union)

    def __repr__(self) -> str:
        parts = "/".join(str(len(part)) for part in (self.train, self.valid, self.test))
        return (
            f"Dataset({self.name!r}, {parts} sequences, {self.n_inputs} inputs, {self.n_outputs} outputs, "
            f"{self.task} per {self.per}, {self.protocol})"
        )

    @property
    def parts(self) -> dict[str, Sequences]:
        """All parts by name: train, valid, test, and those that are reported apart."""
        return {"train": self.train, "valid": self.valid, "test": self.test, **self.apart, **self.unfamiliar}

    @property
    def task(self) -> Literal["classify", "regress"]:
        """What is asked for; it is scored by accuracy (0 to 1) or by the mean squared error."""
        return self.train.task

    @property
    def per(self) -> Literal["sequence", "step"]:
        """What one target belongs to."""
        return self.train.per

    @property
    def n_inputs(self) -> int:
        """Numbers per sample."""
        return self.train.n_inputs

    @property
    def n_outputs(self) -> int:
        """Number of classes, or width of the target."""
        return len(self.classes) if self.task == "classify" else self.train.y.shape[-1]

    @cached_property
    def baselines(self) -> dict[str, float]:
        """Test score of trivial methods, measured when first asked for: accuracy (0 to 1) or mean squared error."""
        return (self.measure or guess)(self)


def guess(dataset: Dataset) -> dict[str, float]:
    """The score of a method that never looks at the input: the commonest class of train, or the mean of train."""
    train, test = dataset.train.targets, dataset.test.targets
    if dataset.task == "classify":
        return {"majority": float(np.mean(test == np.bincount(train).argmax()))}
    return {"mean": float(np.mean((test - train.mean(0, dtype=np.float64)) ** 2))}
