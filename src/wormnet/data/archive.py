"""Sets of the UEA and UCR archives that come in the wheel of aeon: whole series, and a class for each."""

import numpy as np
from numpy.typing import NDArray

from wormnet.data.about import About, need
from wormnet.data.dataset import Dataset, guess
from wormnet.data.sequences import Sequences
from wormnet.data.windows import deal, fold_of

__all__ = ["BASIC_MOTIONS", "ITALY_POWER_DEMAND", "about", "baselines", "load"]

_FOLDS = 5


def about(name: str, summary: str, sizes: str, citation: str, archive: str) -> About:
    """What is known of a set; `sizes` are those of the archive's own split."""
    return About(
        name=name,
        summary=summary,
        split=f"the archive's {sizes} sequences, or 5 folds of all of them, `fold` to test; a fifth of train, "
        "stratified, is held out for validation",
        source=f"{archive} archive, as shipped in the wheel of aeon (offline)",
        licence="BSD-3-Clause, as distributed by aeon",
        citation=citation,
        seed="which sequences of train are held out for validation",
        folds=_FOLDS,
    )


BASIC_MOTIONS = about(
    "basic_motions",
    "3 accelerations and 3 rates of rotation of a smart watch, ten a second; which of 4 motions",
    "40 train and 40 test",
    "Bagnall et al. 2018, The UEA multivariate time series classification archive, arXiv:1811.00075",
    "UEA",
)
ITALY_POWER_DEMAND = about(
    "italy_power_demand",
    "24 hours of Italy's demand for electrical power; October to March, or April to September",
    "67 train and 1029 test",
    "Keogh et al. 2006, Intelligent Icons, ICDM; Dau et al. 2019, The UCR archive, IEEE/CAA J. Autom. Sinica "
    "6, 1293-1305",
    "UCR",
)


def load(of: About, protocol: str = "clean", seed: int = 0, *, fold: int | None = None) -> Dataset:
    """The sequences of a set, standardised by the mean and deviation of the train part alone.

    Args:
        of: which one.   protocol: "clean".
        seed: which sequences of train are held out for validation.
        fold: None: the archive's test part; 0 to 4: a stratified fifth of all sequences to test.

    Raises:
        ArgumentError: for a fold that there is not.
        DataError: if aeon is not installed.

    >>> load(BASIC_MOTIONS)
    Dataset('basic_motions', 32/8/40 sequences, 6 inputs, 4 outputs, classify per sequence, clean)
    """
    archive = need("aeon.datasets", "aeon", f"data set {of.name!r}")
    split = need("sklearn.model_selection", "scikit-learn", f"data set {of.name!r}").train_test_split
    read = getattr(archive, f"load_{of.name}")
    x, labels = read(split="train")
    test_x, test_labels = read(split="test")
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
    return of.dataset(parts, protocol, baselines, classes)


def _summary(part: Sequences) -> NDArray[np.float64]:
    real = part.mask[:, :, None]
    return np.concatenate([part.x.mean(1, np.float64, where=real), part.x.std(1, np.float64, where=real)], axis=1)


def _values(part: Sequences) -> NDArray[np.float64]:
    return part.x.reshape(len(part), -1).astype(np.float64)


def baselines(dataset: Dataset) -> dict[str, float]:
    """Accuracy of the commonest class, and of linear models of channels that are standardised by train.

    One forgets the order of the samples; where all sequences are of one length, one sees all samples at once.
    """
    linear_model = need("sklearn.linear_model", "scikit-learn", f"the baseline of {dataset.name!r}")
    scores, train, test = guess(dataset), dataset.train, dataset.test
    if len(np.unique(train.y)) < 2:
        return scores
    real = train.x[train.mask].astype(np.float64)
    deviation = real.std(0)
    scaled = [
        Sequences((part.x - real.mean(0)) / np.where(deviation > 0, deviation, 1), part.y, part.lengths)
        for part in (train, test)
    ]
    ways = {"logistic regression on mean and std": _summary}
    if train.mask.all() and test.mask.all() and train.x.shape[1] == test.x.shape[1]:
        ways["logistic regression on all samples"] = _values
    for name, features in ways.items():
        model = linear_model.LogisticRegression(max_iter=10_000).fit(features(scaled[0]), train.y)
        scores[name] = float(model.score(features(scaled[1]), test.y))
    return scores
