"""The data sets by name."""

import inspect
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from wormnet.data import (
    archive,
    digits,
    download,
    gesture,
    halfcheetah,
    japanese_vowels,
    lidar,
    occupancy,
    traffic,
    walker2d,
    xor,
)
from wormnet.data.about import About
from wormnet.data.dataset import Dataset
from wormnet.data.download import Checked
from wormnet.errors import ArgumentError, unknown

__all__ = ["fetch", "info", "load", "names", "register", "verify"]

_SETS: MappingProxyType[str, tuple[About, Callable[..., Dataset]]] = MappingProxyType(
    {
        about.name: (about, loader)
        for about, loader in (
            (archive.BASIC_MOTIONS, partial(archive.load, archive.BASIC_MOTIONS)),
            (digits.ABOUT, digits.load),
            (gesture.ABOUT, gesture.load),
            (halfcheetah.ABOUT, halfcheetah.load),
            (archive.ITALY_POWER_DEMAND, partial(archive.load, archive.ITALY_POWER_DEMAND)),
            (japanese_vowels.ABOUT, japanese_vowels.load),
            (lidar.ABOUT, lidar.load),
            (occupancy.ABOUT, occupancy.load),
            (traffic.ABOUT, traffic.load),
            (walker2d.ABOUT, walker2d.load),
            (xor.DENSE, partial(xor.xor, encoding="dense")),
            (xor.EVENT, partial(xor.xor, encoding="event")),
        )
    }
)
_OWN: dict[str, tuple[About, Callable[..., Dataset]]] = {}


def _sets() -> dict[str, tuple[About, Callable[..., Dataset]]]:
    return {**_SETS, **_OWN}


def register(about: About, loader: Callable[..., Dataset]) -> None:
    """Make a data set of one's own known by its name to `load`, and to studies, within this process.

    Args:
        about: its name, split, source, licence, and `Files` if it has to be downloaded.
        loader: takes protocol and seed, and options of its own as keywords with defaults (`fold`, if `about.folds`);
            gives a Dataset, best by `about.dataset(parts, protocol, measure)`.

    Raises:
        ArgumentError: for a name that is taken, or a loader that does not take protocol and seed.

    >>> import numpy as np
    >>> from wormnet.data import About, Sequences
    >>> about = About("noise", "noise", split="by seed", source="generated", licence="none", citation="", seed="all")
    >>> def load_noise(protocol="clean", seed=0, *, n=10):
    ...     rng = np.random.default_rng(seed)
    ...     parts = [Sequences(rng.normal(size=(n, 5, 1)), rng.integers(0, 2, n)) for _ in range(3)]
    ...     return about.dataset(parts, protocol)
    >>> register(about, load_noise)
    >>> load("noise", n=4)
    Dataset('noise', 4/4/4 sequences, 1 inputs, 2 outputs, classify per sequence, clean)
    """
    if not isinstance(about, About) or not callable(loader):
        raise ArgumentError(f"register was given {about!r} and {loader!r}; it takes an About and a function.")
    if about.name in _sets():
        raise ArgumentError(f"there is a data set {about.name!r} already; give yours another name.")
    taken = inspect.signature(loader).parameters
    for name in ("protocol", "seed", *(["fold"] if about.folds else [])):
        if name not in taken:
            raise ArgumentError(
                f"the loader of {about.name!r} has no {name}; it takes {', '.join(taken) or 'nothing'}."
            )
    _OWN[about.name] = (about, loader)


def names() -> list[str]:
    """All data sets.

    >>> names()
    ['basic_motions', 'digits', 'gesture', 'halfcheetah', 'italy_power_demand', 'japanese_vowels', 'lidar', ...]
    """
    return list(_sets())


def info(name: str) -> About:
    """What is known of a data set before it is loaded: source, licence, citation, split, protocols, files.

    Raises:
        ArgumentError: for an unknown name.

    >>> info("xor").protocols
    ('clean', 'published')
    """
    if not isinstance(name, str) or name not in _sets():
        raise ArgumentError(unknown("data set", name, _sets()))
    return _sets()[name][0]


def load(name: str, *, protocol: str = "clean", seed: int = 0, **options: Any) -> Dataset:
    """A data set in its three parts.

    Args:
        name: one of `names()`.
        protocol: "clean", or "published" where the published split is another one; see `info(name).split`.
        seed: 0 to 2**32 - 1; what it decides is said in `info(name).seed`. The test set never depends on it, unless
            the data are generated.
        options: of this data set, for example the `length` of "xor".

    Raises:
        ArgumentError: for an unknown name, protocol or option.
        DataError: if its files or an optional package cannot be had.

    >>> load("xor", length=8, n_train=100, n_valid=20, n_test=20)
    Dataset('xor', 100/20/20 sequences, 1 inputs, 2 outputs, classify per sequence, clean)
    >>> load("digit")
    Traceback (most recent call last):
    wormnet.errors.ArgumentError: unknown data set 'digit'; did you mean 'digits'? Known: basic_motions, ...
    """
    about = info(name)
    if protocol not in about.protocols:
        raise ArgumentError(unknown(f"protocol of {name}", protocol, about.protocols))
    if isinstance(seed, bool) or not hasattr(seed, "__index__") or not 0 <= seed < 2**32:
        raise ArgumentError(f"seed is {seed!r}; it takes a whole number from 0 to {2**32 - 1}.")
    loader = _sets()[name][1]
    fixed = {"protocol", "seed", *(loader.keywords if isinstance(loader, partial) else ())}
    taken = [option for option in inspect.signature(loader).parameters if option not in fixed]
    for option in options:
        if option not in taken:
            raise ArgumentError(unknown(f"option of {name}", option, taken))
    return loader(protocol=protocol, seed=int(seed), **options)


def fetch(
    name: str, *, mirror: str | None = None, progress: bool | None = None, time_limit: float | None = None
) -> list[Path]:
    """Download what a data set needs, if it needs anything, and tell where it lies.

    Args:
        name: one of `names()`.
        mirror: take `mirror`/folder/file instead of the source; None: $WORMNET_MIRROR if that is set.
        progress: show a bar on stderr; None: if stderr is a terminal.
        time_limit: seconds that it may take in all; None: $WORMNET_TIME_LIMIT if that is set, else an hour.

    Raises:
        ArgumentError: for an unknown name or a time limit that is none.
        DataError: naming the URL or file, what is wrong with it, and what to do.

    >>> fetch("digits")
    []
    """
    files = info(name).files
    if files is None:
        return []
    return list(download.fetch(files, mirror=mirror, progress=progress, time_limit=time_limit).values())


def verify(name: str) -> list[Checked]:
    """Compare the files of a data set on this machine with their sha256; downloads nothing.

    Raises:
        ArgumentError: for an unknown name.

    >>> verify("digits")
    []
    """
    files = info(name).files
    return [] if files is None else download.verify(files)
