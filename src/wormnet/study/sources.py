"""Where the data sets of a plan come from: registered ones, Datasets of one's own, functions, tables."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from wormnet import data
from wormnet.data import Dataset
from wormnet.errors import ArgumentError, shown, unknown
from wormnet.study.checks import at
from wormnet.study.network import imported

__all__ = ["Source", "source_of"]

MOST_FOLDS = 1000


@dataclass(frozen=True)
class Source:
    """A data set by fold.

    Args:
        name: in plans, records and reports.
        folds: how many disjoint test parts it offers; 0: its own split alone.
        load: (fold, or None for the own split) -> Dataset.
        overlap: whether the train parts of two folds share sequences, so that scores of folds depend on each other.
    """

    name: str
    folds: int
    load: Callable[[int | None], Dataset]
    overlap: bool = True


def source_of(given: Any, options: Mapping[str, Any] | None = None) -> Source:
    """What a plan may name as a data set.

    Args:
        given: a name of `wormnet.data.names()`; a Dataset, which is one fold; a list of Datasets of one name with
            disjoint test parts, one for each fold; a function (fold) -> Dataset, with as many folds as the plan asks
            for; `module:name` of one of these; or a Source.
        options: of the loader of a registered data set; or, for any other name, of a table in a file: see
            `wormnet.study.tables.Table`. Of a generated one every fold is a seed of its own.

    Raises: ArgumentError for anything else.

    >>> source_of("gesture").folds, source_of("xor_event").folds
    (3, 1000)
    """
    if isinstance(given, Source):
        return given
    if isinstance(given, str):
        if given in data.names():
            return _registered(given, dict(options or {}))
        if options and "file" in options:
            return _table(given, options)
        if ":" in given:
            found = source_of(imported("data set", given))
            return Source(given, found.folds, found.load, found.overlap)
        known = unknown("data set", given, data.names())
        section = shown(given).strip("'")
        raise ArgumentError(f"{known} For a table of your own give its file in [data.{section}].")
    if isinstance(given, Dataset):
        return Source(given.name, 0, partial(_one, given))
    if isinstance(given, Sequence) and given and all(isinstance(one, Dataset) for one in given):
        names = {one.name for one in given}
        if len(names) > 1:
            raise ArgumentError(f"a list of Datasets is the folds of one data set; these are called {sorted(names)}.")
        return Source(names.pop(), len(given), partial(_nth, tuple(given)))
    if callable(given):
        load = cast(Callable[[int], Dataset], given)
        first = load(0)
        if not isinstance(first, Dataset):
            raise ArgumentError(
                f"{shown(given)} gave {shown(first)} for fold 0; it takes a function of a fold -> Dataset."
            )
        return Source(first.name, MOST_FOLDS, partial(_by_fold, load))
    raise ArgumentError(f"{shown(given)} is no data set; it takes a name, a Dataset, or one for each fold.")


def _registered(name: str, options: dict[str, Any]) -> Source:
    about = data.info(name)
    if about.folds and "fold" not in options and options.get("protocol", "clean") == "clean":
        return Source(name, about.folds, partial(_fold, name, options))
    if about.source == "generated" and "seed" not in options and options.get("protocol", "clean") == "clean":
        return Source(name, MOST_FOLDS, partial(_seed, name, options), overlap=False)
    return Source(name, 0, partial(_own_split, name, options))


def _table(name: str, options: Mapping[str, Any]) -> Source:
    from wormnet.study import tables

    with at(f"data.{name}"):
        given = tables.table(options)
        return Source(name, given.folds, partial(tables.load, name, given))


def _own_split(name: str, options: dict[str, Any], fold: int | None) -> Dataset:
    return data.load(name, **options)


def _fold(name: str, options: dict[str, Any], fold: int | None) -> Dataset:
    return data.load(name, **options) if fold is None else data.load(name, **options, fold=fold)


def _seed(name: str, options: dict[str, Any], fold: int | None) -> Dataset:
    return data.load(name, **options, seed=fold or 0)


def _one(dataset: Dataset, fold: int | None) -> Dataset:
    return dataset


def _nth(datasets: tuple[Dataset, ...], fold: int | None) -> Dataset:
    return datasets[fold or 0]


def _by_fold(load: Callable[[int], Dataset], fold: int | None) -> Dataset:
    return load(fold or 0)
