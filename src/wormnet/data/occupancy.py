"""Occupancy: is somebody in the office? One threshold on the light answers it; a control, not a contest."""

from datetime import datetime
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wormnet.data.about import About, Files
from wormnet.data.dataset import Dataset, guess
from wormnet.data.download import fetch
from wormnet.data.files import columns, matrix
from wormnet.data.sequences import Sequences
from wormnet.data.windows import cuts, fold_of, read_length, windowed
from wormnet.errors import ArgumentError, DataError, need

__all__ = ["ABOUT", "baselines", "load"]

_COMMIT = "fd5fb235d2347915c8e8a04f951ebcb2de462256"
ABOUT = About(
    name="occupancy",
    summary="temperature, humidity, light, CO2 and humidity ratio of an office, each minute; whether it is occupied",
    split="given files: test is datatest and datatest2 (`fold` 0 or 1: that one alone), valid the first day of "
    "datatraining. A negative control: one threshold is nearly perfect",
    source=f"UCI Occupancy Detection (id 357), from github.com/totoff/ML_snippets, commit {_COMMIT[:7]}",
    licence="CC BY 4.0",
    citation="Candanedo & Feldheim 2016, Energy and Buildings 112, 28-39",
    seed="nothing",
    protocols=("clean", "published"),
    files=Files(
        folder="occupancy",
        url=f"https://raw.githubusercontent.com/totoff/ML_snippets/{_COMMIT}/occupancy_data",
        sha256={
            "datatraining.txt": "b2c4d0ce2b9e4e453c476f7125ef31aeec2d1f5c7f5572d0e80de3df6521ab56",
            "datatest.txt": "1b92c7c1b2838963464fa891a610cf3c5db4becb7189189b29b330107a584c7f",
            "datatest2.txt": "d026d1bd5aeccd4aff4f3b3710d48e40613bd5fc370db7e61bbdcaa50d985095",
        },
    ),
    folds=2,
)

_INPUTS = ("Temperature", "Humidity", "Light", "CO2", "HumidityRatio")
_LIGHT, _BRIGHT = 2, 365
_DAY = 1440  # rows, one a minute
_LENGTH, _PUBLISHED_LENGTH, _PUBLISHED_SEED = 32, 16, 893_429


def load(protocol: str = "clean", seed: int = 0, *, length: int | None = None, fold: int | None = None) -> Dataset:
    """8143 / 2665 / 9752 minutes x 5 measurements, as recorded; occupied (1) or not (0) at each.

    Clean: train is the file datatraining but for its first day (1440 minutes), which is for validation, in windows that
    begin every length / 2 minutes; valid and test in windows side by side, the last as short as it has to be, so that
    each minute counts once.

    Published: windows of 16 minutes, of datatraining every minute and shuffled over train and valid, of the test files
    every 8; standardised over datatraining, as in the authors' code. The test files are clean; all of the
    minutes for validation are in windows of train as well.

    Args:
        protocol: "clean" or "published".
        seed: changes nothing; nothing here is random.
        length: minutes in a window, 1 to 1000; None: 32, published 16.
        fold: None: both test files; 0: datatest; 1: datatest2.

    Raises:
        ArgumentError: for a length or fold that cannot be.
        DataError: if the files cannot be had.

    Source: Candanedo & Feldheim 2016; Hasani et al. 2021, AAAI 35, 7657-7666, Table 3, for the published split.
    """
    published = protocol == "published"
    usual = _PUBLISHED_LENGTH if published else _LENGTH
    length = read_length(usual if length is None else length, 1000, usual if published else None)
    fold = fold_of(fold, 2)
    if published and fold is not None:
        raise ArgumentError(f"fold is {fold}; the published split has no folds.")
    files = ABOUT.files
    assert files is not None
    training, *tests = (_read(path) for path in fetch(files).values())
    if published:
        return ABOUT.dataset(_published(training, tests), protocol, baselines, ("empty", "occupied"))
    x, y = training
    parts = [
        _windows([(x[_DAY:], y[_DAY:])], length, max(1, length // 2)),
        _windows([(x[:_DAY], y[:_DAY])], length, None),
        _windows(tests if fold is None else [tests[fold]], length, None),
    ]
    redraw = partial(windowed, [(x[_DAY:], y[_DAY:])], length, max(1, length // 2))
    return ABOUT.dataset(parts, protocol, baselines, ("empty", "occupied"), redraw=redraw)


def _read(path: Path) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    read = columns(path, [*_INPUTS, "date", "Occupancy"])
    try:
        dates = [datetime.fromisoformat(word) for word in read["date"]]
        ordered = all(a < b for a, b in pairwise(dates))
    except (ValueError, TypeError) as error:
        raise DataError(f"{path} has a date that is none: {str(error)[:100]}.") from None
    if not ordered or not set(read["Occupancy"]) <= {"0", "1"}:
        raise DataError(f"{path} holds {len(dates)} rows; they are to be in order of time, Occupancy 0 or 1.")
    return matrix(path, _INPUTS, read), np.array(read["Occupancy"], np.int64)


def _windows(files: list[tuple[NDArray[np.float64], NDArray[np.int64]]], length: int, stride: int | None) -> Sequences:
    windows = [(x[one], y[one]) for x, y in files for one in cuts(len(y), length, stride)]
    return Sequences.from_list([x for x, _ in windows], [y for _, y in windows])


def _published(
    training: tuple[NDArray[np.float64], NDArray[np.int64]], tests: list[tuple[NDArray[np.float64], NDArray[np.int64]]]
) -> list[Sequences]:
    mean, deviation = training[0].mean(0), training[0].std(0)

    def cut(x: NDArray[np.float64], y: NDArray[np.int64], stride: int) -> Sequences:
        scaled = (x - mean) / deviation
        # Theirs leaves the window out that ends with the file.
        return _windows([(scaled[:-1], y[:-1])], _PUBLISHED_LENGTH, stride)

    windows, (first, second) = cut(*training, 1), (cut(*test, 8) for test in tests)
    order = np.random.RandomState(_PUBLISHED_SEED).permutation(len(windows))
    held = int(0.1 * len(windows))
    test = Sequences(np.concatenate([first.x, second.x]), np.concatenate([first.y, second.y]))
    return [windows.take(order[held:]), windows.take(order[:held]), test]


def baselines(dataset: Dataset) -> dict[str, float]:
    """Accuracy of the commonest answer, of one threshold on the light, and of logistic regression on single minutes.

    The threshold is the middle of the gap that separates train best; "light > 365" in the units of the files.
    """
    linear_model = need("sklearn.linear_model", "scikit-learn", f"the baseline of {ABOUT.name!r}", extra="study")
    train, test = dataset.train, dataset.test
    seen, asked = (part.x[part.mask].astype(np.float64) for part in (train, test))
    mean, deviation = seen.mean(0), seen.std(0)
    model = linear_model.LogisticRegression(max_iter=10_000).fit((seen - mean) / deviation, train.targets)
    bright = asked[:, _LIGHT] > _threshold(seen[:, _LIGHT], train.targets)
    return {
        **guess(dataset),
        "threshold on light": float(np.mean(bright == test.targets)),
        "logistic regression on minutes": float(model.score((asked - mean) / deviation, test.targets)),
    }


def _threshold(light: NDArray[np.float64], occupied: NDArray[np.int64]) -> float:
    """Where "brighter than this" is right most often."""
    values, place = np.unique(light, return_inverse=True)
    at = np.bincount(place, occupied * 2 - 1, len(values))  # right minus wrong of "occupied" at each value
    best = int(np.argmax(at.sum() - np.cumsum(at)))
    return float(values[best : best + 2].mean())
