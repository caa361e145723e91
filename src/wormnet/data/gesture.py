"""Gesture phases: what the hands of three people do while they tell a story, frame by frame."""

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wormnet.data.about import About, Files, need
from wormnet.data.dataset import Dataset, guess
from wormnet.data.download import fetch
from wormnet.data.files import columns, matrix
from wormnet.data.sequences import Sequences
from wormnet.data.windows import cuts, fold_of, read_length, windowed
from wormnet.errors import ArgumentError, DataError

__all__ = ["ABOUT", "baselines", "load"]

_COMMIT = "78dd0d6ce1050740faf3252d6af81a9714d1dbe1"
_PEOPLE = ("a", "b", "c")
ABOUT = About(
    name="gesture",
    summary="32 velocities and accelerations of hands and wrists; which of 5 phases of a gesture, per frame",
    split="leave one person out: `fold` 0, 1, 2 tests a, b, c; one recording of the two others is for validation",
    source=f"UCI Gesture Phase Segmentation (id 302), from github.com/Fmelle/Gesture-Phase-Segmentation, {_COMMIT[:7]}",
    licence="CC BY 4.0",
    citation="Madeo, Wagner & Peres 2014, Gesture Phase Segmentation, UCI Machine Learning Repository; Wagner, Peres, "
    "Madeo, de Moraes Lima & de Almeida Freitas 2014, FLAIRS",
    seed="nothing",
    protocols=("clean", "published"),
    files=Files(
        folder="gesture",
        url=f"https://raw.githubusercontent.com/Fmelle/Gesture-Phase-Segmentation/{_COMMIT}/data_files/processed",
        sha256={
            "a1_va3.csv": "a9caf290dbf9c0ba112b273a3af2377c2ba061d25ba7eeab835e32552f66747d",
            "a2_va3.csv": "3f921cab6fc8395b26ec772874583fe4eb211e15f856b6bfb45627cf4620fa48",
            "a3_va3.csv": "0ef1ae696b179eccfdfc85cdaf6abcf83ff95209060e94185d0b9dfbbed765d3",
            "b1_va3.csv": "fc530377ccf5da9fb8d82df04806d853afe988cc3dfead00608696a4a321875b",
            "b3_va3.csv": "011a99aa42d984a9ad5f31e191fd6b9f6c4e72ae75c63e804c5e8905b896d115",
            "c1_va3.csv": "4f4fe22b7839f696ee0fa8cd50aa6ae8082224db6ddb0767c5d405aa3d98ea42",
            "c3_va3.csv": "032dd63b2a5ca1a0b21bfa3feae06cc09bb9f9cf2d4254c621f87cfff3186c42",
        },
    ),
    folds=len(_PEOPLE),
)

# Validation is a recording of someone in train; a2 was recorded in one session with a1, so it is no stranger to it.
_VALID = ("b3", "a2", "a2")
_PHASES = ("D", "P", "S", "H", "R")
_CLASSES = ("rest", "preparation", "stroke", "hold", "retraction")
_INPUTS = 32
_LENGTH = 32
_PUBLISHED_ORDER = ("a3", "b1", "b3", "c1", "c3", "a2", "a1")
_PUBLISHED_SEED = 23_489


def load(protocol: str = "clean", seed: int = 0, *, length: int = _LENGTH, fold: int | None = None) -> Dataset:
    """Seven recordings of 1069 to 1830 frames x 32 numbers; the phase of each frame, set by a specialist.

    The numbers are the files' own: velocities and accelerations of both hands and wrists, as vectors and as scalars.

    Clean: one person is left out. Train is cut into windows that begin every length / 2 frames; valid and test into
    windows side by side, the last of a recording as short as it has to be, so that each frame counts once.

    Published: windows of 32 frames that begin every 16, shuffled over train, valid and test, each input standardised
    over all of them, as in the authors' code. So most frames to test are in a window of train as well:
    76.1 % of them.

    Args:
        protocol: "clean" or "published".
        seed: changes nothing; nothing here is random.
        length: frames in a window, 1 to 1000; published 32.
        fold: 0, 1 or 2: the person to test; None: 2, person c.

    Raises:
        ArgumentError: for a length or fold that cannot be.
        DataError: if the files cannot be had.

    Source: Hasani et al. 2021, AAAI 35, 7657-7666, Table 3, for the published split.
    """
    published = protocol == "published"
    length = read_length(length, 1000, _LENGTH if published else None)
    fold = fold_of(fold, len(_PEOPLE))
    if published and fold is not None:
        raise ArgumentError(f"fold is {fold}; the published split has no folds.")
    files = ABOUT.files
    assert files is not None
    recordings = {name.partition("_")[0]: _read(path) for name, path in fetch(files).items()}
    if published:
        return ABOUT.dataset(_published(recordings), protocol, baselines, _CLASSES)
    fold = 2 if fold is None else fold
    test = [name for name in recordings if name[0] == _PEOPLE[fold]]
    train = [name for name in recordings if name not in (*test, _VALID[fold])]
    parts = []
    for names, stride in ((train, max(1, length // 2)), ([_VALID[fold]], None), (test, None)):
        windows = [(recordings[name], one) for name in names for one in cuts(len(recordings[name][1]), length, stride)]
        parts.append(Sequences.from_list([x[one] for (x, _), one in windows], [y[one] for (_, y), one in windows]))
    redraw = partial(windowed, [recordings[name] for name in train], length, max(1, length // 2))
    return ABOUT.dataset(parts, protocol, baselines, _CLASSES, redraw=redraw)


def _read(path: Path) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """(frames, 32) numbers and (frames,) phases."""
    names = [str(i + 1) for i in range(_INPUTS)]
    read = columns(path, [*names, "Phase"])
    odd = sorted(set(read["Phase"]) - set(_PHASES))
    if odd:
        raise DataError(f"{path} has a phase {odd[0][:40]!r}; its phases are {', '.join(_PHASES)}.")
    return matrix(path, names, read), np.array([_PHASES.index(phase) for phase in read["Phase"]])


def _published(recordings: dict[str, tuple[NDArray[np.float64], NDArray[np.int64]]]) -> list[Sequences]:
    xs, ys = [], []
    for name in _PUBLISHED_ORDER:
        x, y = recordings[name]
        whole = len(y) // _LENGTH * _LENGTH
        for one in cuts(whole, _LENGTH, _LENGTH // 2):
            xs.append(x[one].astype(np.float32))
            ys.append(y[one])
    x, y = np.stack(xs), np.stack(ys)
    steps = x.reshape(-1, _INPUTS)
    x = (x - steps.mean(0)) / steps.std(0)
    order = np.random.RandomState(_PUBLISHED_SEED).permutation(len(x))
    valid, test = int(0.1 * len(x)), int(0.15 * len(x))
    rows = (order[valid + test :], order[:valid], order[valid : valid + test])
    return [Sequences(x[part], y[part]) for part in rows]


def baselines(dataset: Dataset) -> dict[str, float]:
    """Accuracy of the commonest phase, and of gradient boosting on single frames."""
    ensemble = need("sklearn.ensemble", "scikit-learn", f"the baseline of {ABOUT.name!r}")
    train, test = dataset.train, dataset.test
    model = ensemble.HistGradientBoostingClassifier(
        max_iter=30, learning_rate=0.3, random_state=0, early_stopping=False
    )
    x, first = np.unique(train.x[train.mask], axis=0, return_index=True)  # windows overlap
    model.fit(x, train.targets[first])
    return {**guess(dataset), "gradient boosting on frames": float(model.score(test.x[test.mask], test.targets))}
