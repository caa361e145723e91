"""Populations: many vectors in many environments are each as a policy of its own."""

import numpy as np
import pytest
import torch

import wormnet
from wormnet.control import Policy, Population, Projection, task
from wormnet.errors import ArgumentError, ShapeError
from wormnet.wiring import tap

MAPS = task("inverted_pendulum").maps


def circuit():
    return Policy(tap.tw_pure(), **MAPS)


def projected():
    return Policy(tap.tw_pure(), [Projection(4), *MAPS["sense"]], [*MAPS["move"], Projection(2)], warmup=2)


def layer(kind):
    def made():
        torch.manual_seed(0)
        return Policy(kind(wormnet.auto_ncp(inputs=4, neurons=7, outputs=2)))

    return made


# Models of other kinds compile kernels of their own.
POLICIES = [circuit, projected, layer(wormnet.LTC), pytest.param(layer(wormnet.CfC), marks=pytest.mark.slow)]


@pytest.mark.parametrize("made", POLICIES)
@pytest.mark.parametrize(("vectors", "environments"), [(1, 1), (3, 1), (1, 2), (4, 3)])  # 4 observations too
def test_each_vector_in_each_environment_is_as_if_alone(made, vectors, environments):
    policy, rng = made(), np.random.default_rng(0)
    low, high = policy.bounds
    start = np.repeat(policy.vector()[None], vectors, 0)
    theta = np.clip(start + rng.normal(size=start.shape) * 0.02, low, high)
    crowd = Population(policy, vectors, environments)
    crowd.set(theta)
    alone = [[policy.with_vector(one) for _ in range(environments)] for one in theta]
    for k in range(6):
        if k in (2, 4):
            mask = rng.random((vectors, environments)) < 0.5
            crowd.reset(mask)
            for p, e in np.argwhere(mask):
                alone[p][e].reset()
        seen = rng.normal(size=(vectors, environments, 4)) * 0.2
        expected = [[alone[p][e].act(seen[p, e]) for e in range(environments)] for p in range(vectors)]
        assert crowd.act(seen) == pytest.approx(np.array(expected), rel=1e-4, abs=1e-5)


def test_other_vectors_start_over():
    policy, seen = circuit(), np.full((2, 1, 4), 0.05)
    crowd = Population(policy, 2)
    first = crowd.act(seen)
    assert not np.array_equal(crowd.act(seen), first)
    crowd.set(np.stack([policy.vector()] * 2))
    assert np.array_equal(crowd.act(seen), first)


def test_nothing_moves_on_what_does_not_fit():
    crowd = Population(circuit(), 2, 3)
    seen = np.zeros((2, 3, 4))
    first = crowd.act(seen)
    crowd.reset()
    with pytest.raises(ShapeError, match=r"observation has shape \(3, 2, 4\); this policy takes \(2, 3, observations"):
        crowd.act(seen.reshape(3, 2, 4))
    bad = seen.copy()
    bad[1, 2, 3] = np.nan
    with pytest.raises(ArgumentError, match=r"observation\[1, 2, 3\] is nan"):
        crowd.act(bad)
    with pytest.raises(ShapeError, match=r"mask has shape \(2,\) of bool; it takes booleans \(2, 3\)"):
        crowd.reset(np.array([True, False]))
    with pytest.raises(ShapeError, match=r"theta has shape \(75,\); it takes \(2, 75\)"):
        crowd.set(np.zeros(75))
    with pytest.raises(ArgumentError, match=r"it takes 0\.001 to 1, finite"):
        crowd.set(np.zeros((2, 75)))
    with pytest.raises(ArgumentError, match="vectors is 0; it takes 1 or more"):
        Population(circuit(), 0)
    assert np.array_equal(crowd.act(seen), first)
