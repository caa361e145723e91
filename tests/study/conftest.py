import numpy as np
import pytest

from wormnet.data import Dataset, Sequences
from wormnet.study import Measures, Plan, Training, jobs


def part(n: int, seed: int, uneven: bool = True) -> Sequences:
    """Is the first input positive on average? Sequences of 3 to 6 steps of 2 inputs."""
    rng = np.random.default_rng(seed)
    x, lengths = rng.standard_normal((n, 6, 2)), rng.integers(3, 7, n)
    y = np.array([row[:length, 0].mean() > 0 for row, length in zip(x, lengths)]).astype(int)
    return Sequences(x, y, lengths, rng.uniform(0.5, 2, (n, 6)) if uneven else None)


@pytest.fixture
def dataset() -> Dataset:
    return Dataset("mine", part(48, 0), part(24, 1), part(32, 2))


@pytest.fixture
def even_dataset() -> Dataset:
    return Dataset("even", *(part(n, n, uneven=False) for n in (48, 24, 32)))


@pytest.fixture
def plan(dataset) -> Plan:
    return Plan(
        datasets=[dataset],
        networks=["lstm", "gru-5"],
        folds=0,
        seeds=2,
        training=Training(epochs=2, batch=16, neurons=8),
        measures=Measures(noise=[0.5], drop=[0.3], rate=[], dynamics=False, prices=False),
    )


@pytest.fixture
def ready():
    """The folds of a plan on one data set, as the workers get them: ready(dataset, networks, **fields of the plan)."""

    def ready(dataset, networks=("gru-6",), **fields):
        plan = Plan([dataset], list(networks), **fields)
        return plan, list(jobs.preparations(plan))

    return ready
