"""Memory follows the number of synapses, not neurons squared: a fruit fly's brain (139,000 neurons) fits."""

import tracemalloc

import numpy as np
import pytest

from wormnet import Wiring, ncp, nulls, random, small_world
from wormnet.wiring import CHEMICAL, GAP, density, reachable, reciprocity

NEURONS, SYNAPSES = 20_000, 100_000  # a truth value for every pair of neurons would take 400 MB
PER_SYNAPSE = 250
"""The most bytes a synapse or cell may take while something is made; a table of all pairs takes 2,000 and more."""


@pytest.fixture(scope="module")
def brain():
    return random(inputs=100, neurons=NEURONS, synapses=SYNAPSES, outputs=10, seed=1)


@pytest.fixture(scope="module")
def coupled(brain):
    """The same with gap junctions between neurons."""
    between = (brain.pre >= brain.n_inputs) & (brain.pre != brain.post)
    ends = np.unique(np.sort(np.stack([brain.pre, brain.post])[:, between], axis=0), axis=1)
    return Wiring(brain.inputs, brain.neurons, pre=ends[0], post=ends[1], kind=GAP)


BUILT = {
    "random": lambda: random(inputs=100, neurons=NEURONS, synapses=SYNAPSES),
    "random, hardly reached": lambda: random(inputs=1, neurons=NEURONS // 4, synapses=NEURONS // 4, seed=2),
    "small_world": lambda: small_world(inputs=100, neurons=NEURONS),
    "ncp": lambda: ncp(
        inputs=100, inter=NEURONS, command=NEURONS, motor=100, sensory_fanout=50, inter_fanout=2,
        recurrent_command=NEURONS, motor_fanin=50,
    ),
}  # fmt: skip
MADE = {
    "digest": lambda w: Wiring(w.inputs, w.neurons, pre=w.pre, post=w.post, kind=w.kind).digest,
    "csr": lambda w: w.csr(CHEMICAL),
    "lesion": lambda w: w.lesion("n1"),
    "drive": lambda w: w.drive({"light": w.neurons[:100]}),
    "reachable": reachable,
    "density": density,
    "reciprocity": reciprocity,
    "rewire": lambda w: next(nulls(w, "rewire", 1)),
    "erdos_renyi": lambda w: next(nulls(w, "erdos_renyi", 1)),
    "permute": lambda w: next(nulls(w, "permute", 1)),
}


def peak(make, *args):
    """The most bytes that were in use at once while something is made, and the thing."""
    tracemalloc.start()
    try:
        made = make(*args)
        return tracemalloc.get_traced_memory()[1], made
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("how", BUILT)
def test_building_takes_memory_by_the_synapse(how):
    used, wiring = peak(BUILT[how])
    assert used < PER_SYNAPSE * (wiring.n_synapses + len(wiring.cells))
    assert reachable(wiring).all()


@pytest.mark.parametrize("what", MADE)
@pytest.mark.parametrize("which", ["brain", "coupled"])
def test_what_is_made_of_a_wiring_takes_memory_by_the_synapse(what, which, request):
    wiring = request.getfixturevalue(which)
    used, _ = peak(MADE[what], wiring)
    assert used < PER_SYNAPSE * (wiring.n_synapses + len(wiring.cells))
