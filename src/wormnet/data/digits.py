"""Handwritten digits of 8 x 8 pixels, read row by row: 8 steps of 8 inputs."""

import numpy as np

from wormnet.data.about import About
from wormnet.data.dataset import Dataset, guess
from wormnet.data.sequences import Sequences
from wormnet.data.windows import deal, fold_of
from wormnet.errors import need

__all__ = ["ABOUT", "baselines", "load"]

ABOUT = About(
    name="digits",
    summary="8 x 8 pixels of handwritten digits, row by row; which of 10 digits",
    split="stratified 75/25, always the same test set, or 5 folds, `fold` to test; a fifth of the rest, stratified, is "
    "held out for validation",
    source="UCI Optical Recognition of Handwritten Digits (its test set), as shipped in scikit-learn (offline)",
    licence="BSD-3-Clause, as distributed by scikit-learn",
    citation="Alpaydin & Kaynak 1998, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository",
    seed="which images of the train part are held out for validation",
    folds=5,
)

_TEST_SEED, _FOLDS = 0, 5


def load(protocol: str = "clean", seed: int = 0, *, fold: int | None = None) -> Dataset:
    """1797 images as sequences of their rows, pixels scaled from 0..16 to 0..1.

    Args:
        protocol: "clean".
        seed: which images of the train part are held out for validation.
        fold: None: the standard test set; 0 to 4: a stratified fifth of all images to test.

    Raises:
        ArgumentError: for a fold that there is not.
        DataError: if scikit-learn is not installed.

    Source: Alpaydin & Kaynak 1998, UCI Machine Learning Repository.

    >>> load()
    Dataset('digits', 1077/270/450 sequences, 8 inputs, 10 outputs, classify per sequence, clean)
    """
    images, labels = need("sklearn.datasets", "scikit-learn", f"data set {ABOUT.name!r}", extra="study").load_digits(
        return_X_y=True
    )
    split = need("sklearn.model_selection", "scikit-learn", f"data set {ABOUT.name!r}", extra="study").train_test_split
    fold = fold_of(fold, _FOLDS)
    if fold is None:
        rest, test = split(np.arange(len(labels)), test_size=0.25, stratify=labels, random_state=_TEST_SEED)
    else:
        test = deal(labels, _FOLDS)[fold]
        rest = np.setdiff1d(np.arange(len(labels)), test)
    train, valid = split(rest, test_size=0.2, stratify=labels[rest], random_state=seed)
    x = images.reshape(-1, 8, 8) / 16
    parts = [Sequences(x[rows], labels[rows]) for rows in map(np.sort, (train, valid, test))]
    return ABOUT.dataset(parts, protocol, baselines)


def baselines(dataset: Dataset) -> dict[str, float]:
    """Accuracy of the commonest class, and of a linear model that sees all pixels at once."""
    linear_model = need("sklearn.linear_model", "scikit-learn", f"the baseline of {ABOUT.name!r}", extra="study")
    train, test = (part.x.reshape(len(part), -1).astype(np.float64) for part in (dataset.train, dataset.test))
    model = linear_model.LogisticRegression(max_iter=10_000).fit(train, dataset.train.y)
    return {**guess(dataset), "logistic regression on pixels": float(model.score(test, dataset.test.y))}
