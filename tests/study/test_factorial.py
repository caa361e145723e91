from itertools import combinations

import numpy as np
import pytest

from wormnet.errors import ArgumentError
from wormnet.study import Factorial, Plan
from wormnet.study.networks.ablation import BASES, FACTORS

SEVEN = BASES["ncp"]


def matrix(design: Factorial) -> np.ndarray:
    """(cells, factors) +1 for the worm's level, -1 for the other."""
    return np.array(
        [[1 if levels[f] == FACTORS[f][0] else -1 for f in design.factors] for levels in design.cells.values()]
    )


def test_a_full_design_has_every_combination_once():
    design = Factorial(SEVEN[:4])
    assert len(design.cells) == len({tuple(row) for row in matrix(design)}) == 16
    assert design.words == ()


# Resolutions of the best regular fractions: Box, Hunter & Hunter 2005, Statistics for Experimenters, table 6.22.
@pytest.mark.parametrize(
    ("k", "p", "resolution"),
    [(3, 1, 3), (4, 1, 4), (5, 1, 5), (5, 2, 3), (6, 1, 6), (6, 2, 4), (7, 1, 7), (7, 2, 4), (7, 3, 4)],
)
def test_fractions_reach_the_resolutions_of_the_books(k, p, resolution):
    design = Factorial(SEVEN[:k], fraction=p)
    signs = matrix(design)
    assert len(design.cells) == 2 ** (k - p)
    assert design.resolution == resolution
    assert next(iter(design.cells)) == "ncp(worm)"
    # Orthogonal: every product of fewer than `resolution` factors is +1 as often as -1.
    for size in range(1, resolution):
        for chosen in combinations(range(k), size):
            assert signs[:, chosen].prod(1).sum() == 0
    # The words of the defining relation are the products that are always +1, and there are no others.
    always = {
        " ".join(design.factors[i] for i in chosen)
        for size in range(1, k + 1)
        for chosen in combinations(range(k), size)
        if abs(signs[:, chosen].prod(1).sum()) == len(signs)
    }
    assert set(design.words) == always


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"factors": []}, "it takes a list of synapses, tau"),
        ({"factors": "tau"}, "it takes a list of synapses, tau"),
        ({"factors": ["tua"]}, "unknown factor of ncp 'tua'; did you mean 'tau'"),
        ({"factors": ["tau", "tau"]}, "some twice"),
        ({"factors": ["gaps"]}, "unknown factor of ncp 'gaps'"),
        ({"factors": ["tau"], "base": "cook"}, "unknown base 'cook'; did you mean 'cook2019'"),
        ({"factors": ["tau", "signs"], "fraction": 2}, "it takes a whole number, 0 to 1"),
        ({"factors": SEVEN[:4], "fraction": 3}, r"a 2\^\(4 - 3\) design confounds factors with each other"),
    ],
)
def test_designs_that_cannot_be_are_refused(fields, text):
    with pytest.raises(ArgumentError, match=text):
        Factorial(**fields)


def test_the_cells_are_networks_of_the_plan():
    plan = Plan(["digits"], ["lstm", "ncp(worm)"], factorial=Factorial(["synapses", "tau"]))
    assert plan.network_names == ("lstm", "ncp(worm)", "ncp(fixed)", "ncp(additive)", "ncp(additive,fixed)")
    assert Plan.from_dict(plan.to_dict()) == plan
