"""Walker2d: the next state of a simulated walker, of which every tenth sample is lost."""

from functools import partial
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wormnet.data import halfcheetah
from wormnet.data.about import About, Files
from wormnet.data.dataset import Dataset
from wormnet.data.download import fetch
from wormnet.data.files import array, arrays_of, float32
from wormnet.data.sequences import Sequences
from wormnet.data.windows import cuts, deal, fold_of, read_length
from wormnet.errors import ArgumentError, DataError

__all__ = ["ABOUT", "baselines", "load"]

_COMMIT = "59f6e01fd4809331f6dd3ddf0f8bf5890c9e71a7"


def _sha256() -> dict[str, str]:
    lines = resources.files("wormnet.data").joinpath("checksums/walker2d.sha256").read_text().splitlines()
    return {name: digest for digest, name in map(str.split, lines)}


ABOUT = About(
    name="walker2d",
    summary="17 positions and velocities of a simulated walker, a tenth of the samples lost; those of the next step",
    split="by rollout, as published: 60 of 400 to test, 40 for validation; or 5 folds of the rollouts, `fold` to test",
    source=f"github.com/raminmh/CfC, commit {_COMMIT[:7]}",
    licence="MIT",
    citation="Lechner & Hasani 2020, Learning Long-Term Dependencies in Irregularly-Sampled Time Series, "
    "arXiv:2006.04418; Hasani et al. 2022, Nat. Mach. Intell. 4, 992-1003",
    seed="which samples of train are lost",
    protocols=("clean", "published"),
    files=Files(
        folder="walker2d",
        url=f"https://raw.githubusercontent.com/raminmh/CfC/{_COMMIT}/data/walker",
        sha256=_sha256(),
        packed=("walker2d.npz", "0f87a2c592afae084f1fbc4cc11d5d3cb97da359781d38ec002e1f0e19db136c"),
    ),
    folds=5,
    residual=True,
)

_INPUTS, _ROLLOUTS, _KEPT = 17, 400, 0.9
_LENGTH, _FOLDS = 64, 5
_FILES_SEED, _LOST_SEED = 125_487, 891_374  # of the published code


def load(protocol: str = "clean", seed: int = 0, *, length: int = _LENGTH, fold: int | None = None) -> Dataset:
    """Windows of 400 rollouts of 131 to 1000 steps x 17 numbers; the target of a sample is the state one step later.

    A tenth of the samples is lost, dt is the number of steps since the last one that is not, and the target is always
    the state of the next step, lost or not. Numbers are those of the simulator, neither scaled nor shifted.

    Clean: train is cut into windows that begin every length / 4 samples; valid and test into windows side by side,
    the last of a rollout as short as it has to be, so that each sample counts once. What is lost of valid and test is
    always the same; of train it follows from `seed`, so that each epoch can have losses of its own.

    Published: all three parts are cut every 16 samples and lose what they lose in the authors' code: 9684, 1272 and
    1937 windows of 64. It is split by rollout, too: no step of a test rollout is in train.

    Args:
        protocol: "clean" or "published".
        seed: which samples of train are lost.
        length: samples in a window, 1 to 1000; published 64.
        fold: None: the published rollouts; 0 to 4: a fifth of the rollouts to test, half as many for validation.

    Raises:
        ArgumentError: for a length or fold that cannot be.
        DataError: if the files cannot be had.

    Source: Lechner & Hasani 2020, arXiv:2006.04418, Table 5; Hasani et al. 2022, Nat. Mach. Intell. 4, 992.
    """
    published = protocol == "published"
    length = read_length(length, 1000, _LENGTH if published else None)
    fold = fold_of(fold, _FOLDS)
    if published and fold is not None:
        raise ArgumentError(f"fold is {fold}; the published split has no folds.")
    rollouts, parts = _rollouts(), _split(fold)
    lost = np.random.RandomState(_LOST_SEED)
    if published:
        return ABOUT.dataset(
            [_cut(rollouts, rows, lost, length, length // 4, published=True) for rows in parts], protocol, baselines
        )
    train = _train([rollouts[row] for row in parts[0]], length, seed)
    valid, test = (_cut(rollouts, rows, lost, length, None) for rows in parts[1:])
    redraw = partial(_train, [rollouts[row] for row in parts[0]], length, seed)
    return ABOUT.dataset([train, valid, test], protocol, baselines, redraw=redraw)


def _train(rollouts: list[NDArray[np.float32]], length: int, seed: int, epoch: int = 0) -> Sequences:
    """The train part; each epoch has losses of its own, and windows that begin elsewhere."""
    stride, rng = max(1, length // 4), np.random.default_rng([seed, epoch] if epoch else seed)
    offset = int(rng.integers(stride)) if epoch else 0
    return _cut(rollouts, np.arange(len(rollouts)), rng, length, stride, offset=offset)


def _rollouts() -> list[NDArray[np.float32]]:
    files = ABOUT.files
    assert files is not None
    names, paths = list(files.sha256), fetch(files)
    if files.packed and files.packed[0] in paths:
        packed = paths[files.packed[0]]
        held = arrays_of(packed, [name.removesuffix(".npy") for name in names])
        return [_checked(rollout, packed) for rollout in held.values()]
    return [_checked(array(paths[name]), paths[name]) for name in names]


def _checked(rollout: NDArray[np.generic], path: Path) -> NDArray[np.float32]:
    if rollout.ndim != 2 or rollout.shape[1] != _INPUTS or len(rollout) < 2:
        raise DataError(f"{path} holds an array of shape {rollout.shape}; a rollout has (steps, {_INPUTS}).")
    return float32(rollout, path)


def _split(fold: int | None) -> list[NDArray[np.int64]]:
    """Numbers of the rollouts to train, for validation and to test."""
    if fold is None:
        order = np.arange(_ROLLOUTS)
        np.random.RandomState(_FILES_SEED).shuffle(order)
        return [order[100:], order[60:100], order[:60]]
    folds = deal(np.zeros(_ROLLOUTS), _FOLDS)
    rest = np.random.default_rng(0).permutation(np.concatenate([f for k, f in enumerate(folds) if k != fold]))
    held = len(folds[fold]) // 2
    return [np.sort(rest[held:]), np.sort(rest[:held]), folds[fold]]


def _cut(
    rollouts: list[NDArray[np.float32]],
    rows: NDArray[np.int64],
    lost: np.random.RandomState | np.random.Generator,
    length: int,
    stride: int | None,
    published: bool = False,
    offset: int = 0,
) -> Sequences:
    x, y, dt = [], [], []
    for row in rows:
        rollout = rollouts[row]
        steps = len(rollout) - 1
        kept = np.flatnonzero(lost.random(steps) < _KEPT)
        waited = np.diff(kept, prepend=-1)
        # The published loop leaves the window out that ends with the rollout.
        for one in cuts(len(kept) - published, length, stride, offset):
            at = kept[one]
            x.append(rollout[at])
            y.append(rollout[at + 1])
            dt.append(waited[one])
    return Sequences.from_list(x, y, dt)


def baselines(dataset: Dataset) -> dict[str, float]:
    """As of "halfcheetah": the mean, "all stays as it is", least squares on the last 1, 2 and 4 samples (dt unseen)."""
    return halfcheetah.baselines(dataset)
