"""What is known of a data set before it is loaded."""

import importlib
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType, ModuleType
from typing import Any

import numpy as np

from wormnet.data.dataset import Dataset
from wormnet.data.sequences import Sequences
from wormnet.errors import ArgumentError, DataError

__all__ = ["About", "Files", "need", "whole"]


@dataclass(frozen=True)
class Files:
    """Files that have to be downloaded: `url`/name for each name, with its sha256.

    They lie in the subfolder `folder` of the cache, and of the directory that $WORMNET_DATA names. There a file may
    also be packed by gzip (name.gz), or one archive may stand for all of them.
    """

    folder: str
    url: str
    sha256: Mapping[str, str] = field(repr=False)
    packed: tuple[str, str] | None = field(default=None, repr=False)
    """Name and sha256 of the archive that $WORMNET_DATA may hold instead of the files; never downloaded."""

    def __post_init__(self):
        object.__setattr__(self, "sha256", MappingProxyType(dict(self.sha256)))


@dataclass(frozen=True)
class About:
    """A data set: what it is, where it comes from, on what terms, how it is split, what the seed changes."""

    name: str
    summary: str
    split: str
    source: str
    licence: str
    citation: str
    seed: str
    """What `seed` decides."""
    protocols: tuple[str, ...] = ("clean",)
    files: Files | None = None
    folds: int = 0
    """How many disjoint test parts the option `fold` of the loader takes; 0: it has no such option."""
    residual: bool = False
    """Whether the target is x one step later, in its units, so that a network may learn the change instead."""

    def dataset(
        self,
        parts: Iterable[Sequences],
        protocol: str,
        measure: Callable[[Dataset], dict[str, float]] | None = None,
        classes: Sequence[str] = (),
        **extras: Any,
    ) -> Dataset:
        """The data set made of its train, valid and test part; extras: redraw, apart, unfamiliar, recordings."""
        train, valid, test = parts
        extras |= {"source": self.source, "licence": self.licence, "citation": self.citation}
        extras |= {"protocol": protocol, "measure": measure, "residual": self.residual}
        return Dataset(self.name, train, valid, test, classes, **extras)


def whole(name: str, given: object) -> int:
    """An option that is a whole number; ArgumentError for anything else.

    >>> whole("length", 8.5)
    Traceback (most recent call last):
    wormnet.errors.ArgumentError: length is 8.5; it takes a whole number.
    """
    if isinstance(given, bool) or not isinstance(given, (int, np.integer)):
        raise ArgumentError(f"{name} is {given!r}; it takes a whole number.")
    return int(given)


def need(module: str, package: str, what: str) -> ModuleType:
    """Import a module of an optional package, its import-time warnings kept away from the user.

    Raises:
        DataError: one sentence with the pip command, if it is not installed.

    >>> need("no_such_module", "no-such-package", "this data set")
    Traceback (most recent call last):
    wormnet.errors.DataError: this data set needs no-such-package: pip install "wormnet[study]"
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(module)
    except ImportError as error:
        if error.name and error.name.partition(".")[0] == module.partition(".")[0]:
            raise DataError(f'{what} needs {package}: pip install "wormnet[study]"') from None
        raise DataError(
            f'{what} needs {package}, which does not import here ({error}): pip install "wormnet[study]"'
        ) from error
