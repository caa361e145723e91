"""JapaneseVowels: nine speakers say two vowels; who speaks? 12 cepstrum coefficients, 7 to 29 steps."""

import numpy as np
from numpy.typing import NDArray

from wormnet.data.about import About, need
from wormnet.data.dataset import Dataset, guess
from wormnet.data.sequences import Sequences
from wormnet.data.windows import deal, fold_of

__all__ = ["ABOUT", "baselines", "load"]

ABOUT = About(
    name="japanese_vowels",
    summary="12 cepstrum coefficients of spoken vowels; which of 9 speakers",
    split="the archive's 270 train and 370 test sequences, or 5 folds of all of them, `fold` to test; a fifth of "
    "train, stratified, is held out for validation",
    source="UEA archive, as shipped in the wheel of aeon (offline)",
    licence="BSD-3-Clause, as distributed by aeon",
    citation="Kudo, Toyama & Shimbo 1999, Pattern Recognition Letters 20, 1103-1111",
    seed="which sequences of train are held out for validation",
    folds=5,
)

_FOLDS = 5


def load(protocol: str = "clean", seed: int = 0, *, fold: int | None = None) -> Dataset:
    """270 / 370 sequences of 12 channels, standardised by the mean and deviation of the train part alone.

    Args:
        protocol: "clean".
        seed: which sequences of train are held out for validation.
        fold: None: the archive's test part; 0 to 4: a stratified fifth of all 640 sequences to test.

    Raises:
        ArgumentError: for a fold that there is not.
        DataError: if aeon is not installed.

    Source: Kudo, Toyama & Shimbo 1999, Pattern Recognition Letters 20, 1103-1111.

    >>> load()
    Dataset('japanese_vowels', 216/54/370 sequences, 12 inputs, 9 outputs, classify per sequence, clean)
    """
    archive = need("aeon.datasets", "aeon", f"data set {ABOUT.name!r}")
    split = need("sklearn.model_selection", "scikit-learn", f"data set {ABOUT.name!r}").train_test_split
    x, labels = archive.load_japanese_vowels(split="train")
    test_x, test_labels = archive.load_japanese_vowels(split="test")
    fold = fold_of(fold, _FOLDS)
    if fold is not None:
        x, labels = [*x, *test_x], np.concatenate([labels, test_labels])
        held = deal(labels, _FOLDS)[fold]
        left = np.setdiff1d(np.arange(len(labels)), held)
        test_x, test_labels = [x[i] for i in held], labels[held]
        x, labels = [x[i] for i in left], labels[left]
    classes = tuple(str(name) for name in np.unique(labels))
    rows = split(np.arange(len(x)), test_size=0.2, stratify=labels, random_state=seed)
    train, valid = (([x[i].T for i in part], labels[part]) for part in map(np.sort, rows))
    steps = np.concatenate(train[0])
    mean, deviation = steps.mean(0), steps.std(0)
    parts = [
        Sequences.from_list([(a - mean) / deviation for a in arrays], np.searchsorted(classes, names))
        for arrays, names in (train, valid, ([a.T for a in test_x], test_labels))
    ]
    return ABOUT.dataset(parts, protocol, baselines, classes)


def _summary(part: Sequences) -> NDArray[np.float64]:
    real = part.mask[:, :, None]
    return np.concatenate([part.x.mean(1, np.float64, where=real), part.x.std(1, np.float64, where=real)], axis=1)


def baselines(dataset: Dataset) -> dict[str, float]:
    """Accuracy of the commonest class, and of a linear model that forgets the order of the samples."""
    linear_model = need("sklearn.linear_model", "scikit-learn", f"the baseline of {ABOUT.name!r}")
    model = linear_model.LogisticRegression(max_iter=10_000).fit(_summary(dataset.train), dataset.train.y)
    score = float(model.score(_summary(dataset.test), dataset.test.y))
    return {**guess(dataset), "logistic regression on mean and std": score}
