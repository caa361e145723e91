"""JapaneseVowels: nine speakers say two vowels; who speaks? 12 cepstrum coefficients, 7 to 29 steps."""

import numpy as np
from numpy.typing import NDArray

from wormnet.data.about import About, need
from wormnet.data.dataset import Dataset, guess
from wormnet.data.sequences import Sequences

__all__ = ["ABOUT", "baselines", "load"]

ABOUT = About(
    name="japanese_vowels",
    summary="12 cepstrum coefficients of spoken vowels; which of 9 speakers",
    split="the archive's 270 train and 370 test sequences; a fifth of train, stratified, is held out for validation",
    source="UEA archive, as shipped in the wheel of aeon (offline)",
    licence="BSD-3-Clause, as distributed by aeon",
    citation="Kudo, Toyama & Shimbo 1999, Pattern Recognition Letters 20, 1103-1111",
    seed="which sequences of train are held out for validation",
)


def load(protocol: str = "clean", seed: int = 0) -> Dataset:
    """270 / 370 sequences of 12 channels, standardised by the mean and deviation of the train part alone.

    Raises:
        DataError: if aeon is not installed.

    Source: Kudo, Toyama & Shimbo 1999, Pattern Recognition Letters 20, 1103-1111.

    >>> load()
    Dataset('japanese_vowels', 216/54/370 sequences, 12 inputs, 9 outputs, classify per sequence, clean)
    """
    archive = need("aeon.datasets", "aeon", f"data set {ABOUT.name!r}")
    split = need("sklearn.model_selection", "scikit-learn", f"data set {ABOUT.name!r}").train_test_split
    x, labels = archive.load_japanese_vowels(split="train")
    test_x, test_labels = archive.load_japanese_vowels(split="test")
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
