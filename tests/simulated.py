"""Worlds in which the truth about networks is known: scores drawn item by item, learners equal by symmetry."""

import math

import numpy as np
from numpy.typing import NDArray


def most(n: int, rate: float = 0.05) -> float:
    """Four standard errors above a rate over n draws."""
    return rate + 4 * math.sqrt(rate * (1 - rate) / n)


def least(n: int, rate: float = 0.05) -> float:
    """Four standard errors below a rate over n draws."""
    return rate - 4 * math.sqrt(rate * (1 - rate) / n)


def by_items(
    rng: np.random.Generator,
    worlds: int,
    networks: int = 2,
    folds: int = 5,
    items: int = 74,
    seeds: int = 3,
    ahead: float = 0.0,
) -> NDArray[np.float64]:
    """Accuracies (worlds, networks, folds, seeds) of networks that are equally good on the population of items.

    An item has a difficulty for all (deviation 1), one more for each network (.5), and each run has a noise of its own
    on it (.6). Every run of a fold meets the same items. The first network is better by `ahead`.
    """
    shape = (worlds, 1, folds, 1, items)
    margin = 1.5 + rng.standard_normal(shape) + 0.5 * rng.standard_normal((worlds, networks, folds, 1, items))
    margin[:, 0] += ahead
    return (margin + 0.6 * rng.standard_normal((worlds, networks, folds, seeds, items)) > 0).mean(-1)


def by_symmetry(rng: np.random.Generator, worlds: int, n: int = 100, folds: int = 5, width: int = 10) -> NDArray:
    """Differences (worlds, folds) of accuracy between two ridge classifiers, cross-validated on n sequences.

    The label depends on two blocks of features alike, and each learner sees one block; so they are equally good on the
    population, whatever one sample of n says.
    """
    x = rng.standard_normal((worlds, n, 2 * width))
    y = np.sign(x.sum(-1) / math.sqrt(2 * width) + 0.7 * rng.standard_normal((worlds, n)))
    fold, found = np.arange(n) % folds, []
    for one in range(folds):
        correct = []
        for block in (x[..., :width], x[..., width:]):
            train, test = block[:, fold != one], block[:, fold == one]
            gram = train.swapaxes(1, 2) @ train + np.eye(width)
            weights = np.linalg.solve(gram, train.swapaxes(1, 2) @ y[:, fold != one, None])
            correct.append((np.sign(test @ weights)[..., 0] == y[:, fold == one]).mean(-1))
        found.append(correct[0] - correct[1])
    return np.stack(found, -1)


def factorial(
    rng: np.random.Generator, worlds: int, cells: NDArray, effects: NDArray, folds: int = 5, items: int = 74
) -> NDArray[np.float64]:
    """Accuracies (worlds, cells, folds), means of three seeds, of a design: cells (cells, factors) of 1 and -1.

    A factor moves all items by half of its effect, and each item by a number of its own besides (deviation .4 over all
    factors), so a factor without an effect on the population has one on any finite set of items.
    """
    own = rng.standard_normal((worlds, cells.shape[1], folds, items)) * 0.4 / math.sqrt(cells.shape[1])
    moved = np.einsum("cf,wfki->wcki", cells, own + (effects / 2)[:, None, None])
    margin = 1.0 + rng.standard_normal((worlds, 1, folds, items)) + moved
    noise = 0.6 * rng.standard_normal((3, *margin.shape))
    return (margin + noise > 0).mean((0, -1))
