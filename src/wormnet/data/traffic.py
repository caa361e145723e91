"""Traffic: how many cars an hour on a road into a city, from the calendar and the weather. A table knows most of it."""

from datetime import datetime
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wormnet.data.about import About, Files
from wormnet.data.dataset import Dataset, guess
from wormnet.data.download import fetch
from wormnet.data.files import columns, matrix
from wormnet.data.sequences import Sequences
from wormnet.data.windows import cuts, fold_of, read_length, windowed
from wormnet.errors import ArgumentError, DataError

__all__ = ["ABOUT", "load"]

_COMMIT = "71a5b54c34abb30e8e72fa0032d3898e3996e5f3"
_FOLDS = 5
ABOUT = About(
    name="traffic",
    summary="hour, weekday, holiday and weather; how many cars passed in that hour (standardised)",
    split="by time, distinct hours: the last quarter to test, the eighth before for validation; or 5 folds, the fifths "
    "of the second half, each after its train. A negative control: a table by hour of the week is hard to beat",
    source="UCI Metro Interstate Traffic Volume (id 492), from "
    f"github.com/CodyTheCoderPrice/Finding-Heavy-Traffic-Indicators-on-I94, commit {_COMMIT[:7]}",
    licence="CC BY 4.0",
    citation="Hogue 2019, Metro Interstate Traffic Volume, UCI Machine Learning Repository",
    seed="nothing",
    protocols=("clean", "published"),
    files=Files(
        folder="traffic",
        url="https://raw.githubusercontent.com/CodyTheCoderPrice/Finding-Heavy-Traffic-Indicators-on-I94/" + _COMMIT,
        sha256={
            "Metro_Interstate_Traffic_Volume.csv": "3ec6b8844c4e5e20904855c81079a30e4342da20b7010e78606a244e539f29f6"
        },
    ),
    folds=_FOLDS,
)

_LENGTH, _PUBLISHED_SEED = 32, 23_489
_LONGEST_GAP = 24.0  # hours; the record has a gap of ten months


class _Rows(NamedTuple):
    time: list[datetime]
    weather: NDArray[np.float64]
    """(rows, 4): temperature in K, rain and snow in mm, clouds in %"""
    holiday: NDArray[np.bool_]
    volume: NDArray[np.float64]

    def take(self, rows: NDArray[np.int64]) -> "_Rows":
        return _Rows([self.time[i] for i in rows], self.weather[rows], self.holiday[rows], self.volume[rows])


def load(protocol: str = "clean", seed: int = 0, *, length: int = _LENGTH, fold: int | None = None) -> Dataset:
    """40,575 hours from October 2012 to September 2018; cars per hour, standardised by those of train.

    Clean: of the 48,204 rows the first of each hour (an hour has a row for every kind of weather noted in it). 15
    inputs: sine and cosine of once and twice the time of day, the weekday (one of 7), whether the day is a holiday (the
    file says it at midnight only), temperature in units of 10 K around 280 K (0 K, which the file has for ten hours, is
    the value before), log(1 + rain in mm), clouds as a share. No volume of an earlier hour. dt is in hours, at most 24.
    Train is cut into windows that begin every length / 4 hours; valid and test into windows side by side, the last
    as short as it has to be, so that each hour counts once.

    Published: all rows, 7 inputs and windows of 32 rows every 4, shuffled over train, valid and test, the volume
    standardised over all, as in the authors' code: there the holiday is always 0, and the hour enters as
    sin(pi h / 24), which is the same at 11 and at 13. All of the rows to test are in windows of train as well: 100.0 %.

    Args:
        protocol: "clean" or "published".
        seed: changes nothing; nothing here is random.
        length: hours in a window, 1 to 1000; published 32.
        fold: None: the last quarter to test; 0 to 4: a fifth of the second half, after everything in train.

    Raises:
        ArgumentError: for a length or fold that cannot be.
        DataError: if the file cannot be had.

    Source: Hogue 2019; Hasani et al. 2021, AAAI 35, 7657-7666, Table 5, for the published split.
    """
    published = protocol == "published"
    length = read_length(length, 1000, _LENGTH if published else None)
    fold = fold_of(fold, _FOLDS)
    if published and fold is not None:
        raise ArgumentError(f"fold is {fold}; the published split has no folds.")
    files = ABOUT.files
    assert files is not None
    (path,) = fetch(files).values()
    rows = _read(path)
    if published:
        return ABOUT.dataset(_published(rows), protocol, guess)
    rows = rows.take(np.array([i for i, t in enumerate(rows.time) if i == 0 or t != rows.time[i - 1]]))
    valid, test, end = _bounds(len(rows.time), fold)
    mean, deviation = rows.volume[:valid].mean(), rows.volume[:valid].std()
    x, y = _inputs(rows), ((rows.volume - mean) / deviation)[:, None]
    waited = np.array([(b - a).total_seconds() / 3600 for a, b in pairwise(rows.time)])
    dt = np.minimum(np.concatenate([[1.0], waited]), _LONGEST_GAP)
    parts = []
    for first, last, stride in ((0, valid, max(1, length // 4)), (valid, test, None), (test, end, None)):
        windows = [slice(first + one.start, first + one.stop) for one in cuts(last - first, length, stride)]
        parts.append(Sequences.from_list(*([array[one] for one in windows] for array in (x, y, dt))))
    scores = _tables(rows, y[:, 0], test, end)
    redraw = partial(windowed, [(x[:valid], y[:valid], dt[:valid])], length, max(1, length // 4))
    return ABOUT.dataset(parts, protocol, partial(baselines, tables=scores), redraw=redraw)


def _bounds(hours: int, fold: int | None) -> tuple[int, int, int]:
    """Where validation begins, where the test begins, and where it ends."""
    if fold is None:
        test, end = hours * 3 // 4, hours
    else:
        test, end = (hours // 2 + (hours - hours // 2) * (fold + k) // _FOLDS for k in (0, 1))
    return test - test // 6, test, end


def _read(path: Path) -> _Rows:
    names = ["temp", "rain_1h", "snow_1h", "clouds_all", "traffic_volume"]
    read = columns(path, [*names, "holiday", "date_time"])
    numbers = matrix(path, names, read)
    try:
        times = [datetime.fromisoformat(word) for word in read["date_time"]]
        ordered = all(a <= b for a, b in pairwise(times))
    except (ValueError, TypeError) as error:
        raise DataError(f"{path} has a time that is none: {str(error)[:100]}.") from None
    if not ordered or numbers.min() < -1e6 or numbers.max() > 1e6:
        raise DataError(f"{path} holds {len(times)} rows; they are to be in order of time, numbers within 1e6.")
    return _Rows(times, numbers[:, :4], np.array([word not in ("None", "") for word in read["holiday"]]), numbers[:, 4])


def _whole_days(rows: _Rows) -> NDArray[np.bool_]:
    """(rows,) whether the day is a holiday, of which the file tells at midnight only."""
    days = {time.date() for time, holiday in zip(rows.time, rows.holiday) if holiday}
    return np.array([time.date() in days for time in rows.time])


def _inputs(rows: _Rows) -> NDArray[np.float64]:
    angle = np.array([time.hour for time in rows.time]) * (2 * np.pi / 24)
    weekday = np.eye(7)[[time.weekday() for time in rows.time]]
    temperature = rows.weather[:, 0]
    known = np.maximum.accumulate(np.where(temperature > 0, np.arange(len(temperature)), 0))
    return np.column_stack(
        [
            *(wave(k * angle) for k in (1, 2) for wave in (np.sin, np.cos)),
            weekday,
            _whole_days(rows).astype(np.float64),
            (temperature[known] - 280) / 10,
            np.log1p(np.maximum(rows.weather[:, 1], 0)),
            rows.weather[:, 3] / 100,
        ]
    )


def _tables(rows: _Rows, volume: NDArray[np.float64], test: int, end: int) -> dict[str, float]:
    """Mean squared error of the mean volume by hour of the week, of all hours before the test."""
    hour = np.array([time.hour for time in rows.time])
    weekday = np.array([time.weekday() for time in rows.time])
    scores = {}
    for name, day in (
        ("hour-of-week table", weekday),
        ("hour-of-week table, holidays as Sundays", np.where(_whole_days(rows), 6, weekday)),
    ):
        cell = day * 24 + hour
        total = np.bincount(cell[:test], volume[:test], 168)
        mean = total / np.maximum(np.bincount(cell[:test], minlength=168), 1)
        scores[name] = float(np.mean((mean[cell[test:end]] - volume[test:end]) ** 2))
    return scores


def _published(rows: _Rows) -> list[Sequences]:
    temperature, rain, snow, clouds = rows.weather.astype(np.float32).T
    hour = np.array([time.hour for time in rows.time], np.float32)
    weekday = np.array([time.weekday() for time in rows.time], np.float32)
    features = [np.zeros(len(hour)), temperature - temperature.mean(), rain, snow, clouds, weekday]
    x = np.column_stack([*features, np.sin(hour * np.pi / 24)])
    y = rows.volume.astype(np.float32)
    y = ((y - y.mean()) / y.std())[:, None]
    # Theirs leaves the window out that ends with the file.
    windows = cuts(len(y) - 1, _LENGTH, 4)
    order = np.random.RandomState(_PUBLISHED_SEED).permutation(len(windows))
    valid, test = int(0.1 * len(windows)), int(0.15 * len(windows))
    picked = (order[valid + test :], order[:valid], order[valid : valid + test])
    return [Sequences(*(np.stack([array[windows[i]] for i in part]) for array in (x, y))) for part in picked]


def baselines(dataset: Dataset, tables: dict[str, float]) -> dict[str, float]:
    """Mean squared error of the mean, and of tables by hour of the week, once with holidays as Sundays."""
    return {**guess(dataset), **tables}
