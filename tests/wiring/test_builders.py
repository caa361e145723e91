import inspect
import random as python_random
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wormnet import WiringError, auto_ncp, dense, ncp, random, small_world

DRIVING = {
    "inputs": 32,
    "inter": 12,
    "command": 6,
    "motor": 1,
    "sensory_fanout": 6,
    "inter_fanout": 4,
    "recurrent_command": 6,
    "motor_fanin": 6,
}
BUILDERS = {
    "ncp": lambda seed: ncp(**DRIVING, seed=seed),
    "ncp sparse": lambda seed: ncp(
        inputs=2, inter=9, command=7, motor=3, sensory_fanout=1, inter_fanout=1, recurrent_command=0, motor_fanin=1,
        seed=seed,
    ),
    "auto_ncp": lambda seed: auto_ncp(inputs=4, neurons=19, outputs=2, seed=seed),
    "auto_ncp sparse": lambda seed: auto_ncp(inputs=3, neurons=25, outputs=4, sparsity=0.9, seed=seed),
    "dense": lambda seed: dense(3, 5, outputs=2, seed=seed),
    "dense forward": lambda seed: dense(3, 5, recurrent=False, seed=seed),
    "random": lambda seed: random(inputs=4, neurons=20, outputs=3, sparsity=0.9, seed=seed),
    "random tree": lambda seed: random(inputs=2, neurons=12, outputs=3, synapses=12, seed=seed),
    "random forward": lambda seed: random(inputs=6, neurons=12, synapses=12, recurrent=False, seed=seed),
    "small_world": lambda seed: small_world(inputs=1, neurons=12, neighbours=2, sensory_fanout=1, seed=seed),
    "small_world rewired": lambda seed: small_world(
        inputs=1, neurons=12, outputs=2, neighbours=2, rewiring=1.0, sensory_fanout=1, seed=seed
    ),
}  # fmt: skip


def reached(wiring):
    """Neurons that a path from an input leads to, by a plain search."""
    seen, todo = set(), list(range(wiring.n_inputs))
    while todo:
        cell = todo.pop()
        new = {int(post) for pre, post in zip(wiring.pre, wiring.post) if pre == cell} - seen
        seen |= new
        todo += new
    return len(seen)


@pytest.mark.parametrize(
    ("ours", "theirs", "renamed"),
    [
        (auto_ncp, "AutoNCP", {"units", "output_size", "sparsity_level"}),
        (ncp, "NCP", {"inter_neurons", "command_neurons", "motor_neurons", "recurrent_command_synapses"}),
        (random, "Random", {"units", "output_dim", "sparsity_level", "random_seed"}),
        (dense, "FullyConnected", {"units", "output_dim", "erev_init_seed"}),
    ],
)
def test_every_argument_of_ncps_is_told_what_it_is_called_here(ours, theirs, renamed):
    wirings = pytest.importorskip("ncps.wirings")
    taken = set(inspect.signature(getattr(wirings, theirs)).parameters)
    assert renamed == taken - set(inspect.signature(ours).parameters) - {"self_connections"}
    for name in renamed:
        with pytest.raises(WiringError, match=f"takes no argument '{name}'; that of ncps is called [a-z_]+ here"):
            ours(**{name: 1})


@pytest.mark.parametrize("builder", BUILDERS)
def test_an_input_reaches_every_neuron(builder):
    for seed in range(200):
        wiring = BUILDERS[builder](seed)
        assert reached(wiring) == wiring.n_neurons, f"seed {seed}"


@pytest.mark.parametrize("builder", BUILDERS)
def test_same_seed_same_wiring_and_other_seed_another(builder):
    assert BUILDERS[builder](3) == BUILDERS[builder](3)
    assert len({BUILDERS[builder](seed) for seed in range(20)}) == 20


# Digests of seed 3, recorded when the builders still went through tables of all pairs.
RECORDED = {
    "ncp": "99fcd498bcf55d2b",
    "ncp sparse": "729fbc37895aa75d",
    "auto_ncp sparse": "7c6eb62d9ed5914a",
    "dense": "3b0b40bd28f7cb33",
    "dense forward": "1c0a5e5f53f62b80",
    "random": "b894080869e2c118",
    "random tree": "d2994eb79cb3f5be",
    "random forward": "2779a8a30bec3ed8",
    "small_world": "0c56715e442ff854",
    "small_world rewired": "e247bdb9d0f9c775",
}


@pytest.mark.parametrize("builder", RECORDED)
def test_a_seed_gives_the_wiring_that_it_gave_before(builder):
    assert BUILDERS[builder](3).digest.startswith(RECORDED[builder])


@pytest.mark.parametrize("builder", BUILDERS)
def test_the_global_generators_are_not_touched(builder):
    before, python_before = np.random.get_state()[1].copy(), python_random.getstate()  # noqa: NPY002
    BUILDERS[builder](0)
    assert np.array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    assert python_random.getstate() == python_before


@pytest.mark.parametrize("builder", BUILDERS)
def test_signs_are_fair_coins(builder):
    signs = np.concatenate([BUILDERS[builder](seed).sign for seed in range(100)])
    assert set(signs) == {-1, 1}
    assert abs(signs.mean()) < 4 / np.sqrt(len(signs))


@pytest.mark.parametrize("builder", ["dense", "random", "small_world rewired", "auto_ncp"])
def test_the_last_neurons_are_the_motor_neurons_and_the_outputs(builder):
    wiring = BUILDERS[builder](0)
    assert wiring.outputs == wiring.neurons[-wiring.n_outputs :]
    assert set(wiring.roles[-wiring.n_outputs :]) == {"motor"}
    assert "motor" not in wiring.roles[: -wiring.n_outputs]


def test_the_driving_network_has_19_neurons():
    assert ncp(**DRIVING).n_neurons == 19


@given(st.integers(1, 6), st.integers(1, 12), st.floats(0, 1, exclude_max=True), st.booleans(), st.integers(0, 2**31))
def test_random_has_exactly_the_promised_number_of_synapses(inputs, neurons, sparsity, recurrent, seed):
    pairs = (inputs + neurons if recurrent else inputs) * neurons
    number = round((1 - sparsity) * pairs)
    if number < neurons:
        with pytest.raises(WiringError, match=f"leaves {number} of {pairs} synapses, but {neurons} neurons take at"):
            random(inputs=inputs, neurons=neurons, sparsity=sparsity, recurrent=recurrent, seed=seed)
        return
    wiring = random(inputs=inputs, neurons=neurons, sparsity=sparsity, recurrent=recurrent, seed=seed)
    assert wiring.n_synapses == number
    assert reached(wiring) == neurons
    assert recurrent or np.all(wiring.pre < inputs)


@pytest.mark.parametrize("recurrent", [True, False])
def test_random_draws_every_pair_equally_often(recurrent):
    # Three pairs short of dense: hardly any draw is repaired, so pairs stay alike.
    inputs, neurons, draws = 3, 4, 3000
    cells = inputs + neurons if recurrent else inputs
    synapses = cells * neurons - 3
    hits = np.zeros((cells, neurons))
    for seed in range(draws):
        wiring = random(inputs=inputs, neurons=neurons, synapses=synapses, recurrent=recurrent, seed=seed)
        hits[wiring.pre, wiring.post - inputs] += 1
    share = synapses / (cells * neurons)
    deviation = (hits - draws * share) / np.sqrt(draws * share * (1 - share))
    assert np.abs(deviation).max() < 4.5


def test_dense_joins_every_pair_once():
    wiring = dense(3, 4)
    assert sorted(zip(wiring.pre, wiring.post)) == [(pre, post) for pre in range(7) for post in range(3, 7)]
    forward = dense(3, 4, recurrent=False)
    assert sorted(zip(forward.pre, forward.post)) == [(pre, post) for pre in range(3) for post in range(3, 7)]


@pytest.mark.parametrize("rewiring", [0.0, 0.3, 1.0])
def test_small_world_keeps_every_fan_out(rewiring):
    wiring = small_world(inputs=3, neurons=11, outputs=2, neighbours=4, rewiring=rewiring, sensory_fanout=5, seed=1)
    assert np.bincount(wiring.pre).tolist() == [5] * 3 + [4] * 11
    inner = wiring.pre >= 3
    assert not np.any(wiring.pre[inner] == wiring.post[inner])


def test_small_world_without_rewiring_is_the_ring():
    wiring = small_world(inputs=1, neurons=9, neighbours=4, rewiring=0)
    inner = wiring.pre >= 1
    distance = (wiring.post[inner] - wiring.pre[inner]) % 9
    assert set(distance) == {1, 2, 7, 8}


def test_small_world_rewires_the_share_it_is_told():
    neurons, neighbours, rewiring = 200, 6, 0.25
    wiring = small_world(inputs=1, neurons=neurons, neighbours=neighbours, rewiring=rewiring, seed=2)
    inner = wiring.pre >= 1
    distance = (wiring.post[inner] - wiring.pre[inner]) % neurons
    far = np.mean(np.minimum(distance, neurons - distance) > neighbours // 2)
    assert abs(far - rewiring) < 4 * np.sqrt(rewiring * (1 - rewiring) / (neurons * neighbours))


OUT_OF_RANGE = [
    (lambda: dense(-1, 3), "inputs is -1; it takes 0 or more."),
    (lambda: dense(0, 3, recurrent=False), "inputs is 0; it takes 1 or more."),
    (lambda: dense(1, 0), "neurons is 0; it takes 1 or more."),
    (lambda: dense(1, 3, 4), "outputs is 4; it takes 1 to 3, the number of neurons."),
    (lambda: dense(1, 3, 0), "outputs is 0; it takes 1 to 3, the number of neurons."),
    (lambda: dense(1, 3, True), "outputs is True; it takes a whole number."),
    (lambda: dense(1, 3, seed=-1), "seed is -1; it takes 0 or more."),
    (lambda: dense(1, 3, seed=None), "seed is None; it takes a whole number."),
    (lambda: random(inputs=0, neurons=3, sparsity=0), "inputs is 0; it takes 1 or more."),
    (lambda: random(inputs=1, neurons=3), "random is given sparsity=None and synapses=None; it takes one of the two."),
    (lambda: random(inputs=1, neurons=3, sparsity=0, synapses=3), "given sparsity=0 and synapses=3; it takes one"),
    (lambda: random(inputs=1, neurons=3, sparsity=1.0), "sparsity is 1.0; it takes the share of synapses left out"),
    (lambda: random(inputs=1, neurons=3, sparsity=float("nan")), "sparsity is nan; it takes the share"),
    (lambda: random(inputs=1, neurons=3, sparsity="0.5"), "sparsity is '0.5'; it takes the share"),
    (lambda: random(inputs=1, neurons=3, synapses=2), "synapses is 2; it takes 3 to 12, from one per neuron to all 12"),
    (
        lambda: random(inputs=8, neurons=20, sparsity=0.99),
        "sparsity 0.99 leaves 6 of 560 synapses, but 20 neurons take at least 20 to be reached by an input. "
        "Use sparsity <= 0.9642.",
    ),
    (lambda: small_world(inputs=1, neurons=2), "neurons is 2; it takes 3 or more."),
    (lambda: small_world(inputs=1, neurons=4), "neighbours is 4; it takes 2 to 3, one less than the neurons."),
    (lambda: small_world(inputs=1, neurons=9, neighbours=3), "neighbours is 3; it takes an even number"),
    (lambda: small_world(inputs=1, neurons=9, rewiring=1.1), "rewiring is 1.1; it takes a number from 0 to 1."),
    (lambda: small_world(inputs=1, neurons=9, sensory_fanout=10), "sensory_fanout is 10; it takes 1 to 9, the number"),
    (lambda: ncp(**{**DRIVING, "inter_fanout": 7}), "inter_fanout is 7; it takes 1 to 6, the number of command"),
    (lambda: auto_ncp(inputs=1, neurons=3, outputs=2), "neurons is 3; it takes 4 or more."),
]


BY_PLACE_OR_UNKNOWN = [
    (lambda: auto_ncp(19, 2), "auto_ncp is given 19, 2; it takes its arguments by name. The inputs are part of the wi"),
    (lambda: auto_ncp(units=19, output_size=2), "auto_ncp takes no argument 'units'; that of ncps is called neurons"),
    (lambda: auto_ncp(neurons=19, outputs=2), "auto_ncp lacks inputs. The inputs are part of the wiring"),
    (lambda: auto_ncp(19, outputs=2), "For example: auto_ncp(inputs=8, neurons=19, outputs=2)."),
    (lambda: ncp(12, 6, 1, 6, 4, 6, 6), "ncp is given 12, 6, 1, 6, 4, 6, 6; it takes its arguments by name."),
    (lambda: ncp(**DRIVING, recurrent_command_synapses=6), "that of ncps is called recurrent_command here."),
    (lambda: random(19, 2), "random is given 19, 2; it takes its arguments by name."),
    (lambda: random(inputs=1, neurons=3, sparcity=0.5), "random takes no argument 'sparcity'; did you mean sparsity?"),
    (lambda: dense(units=19), "dense takes no argument 'units'; that of ncps is called neurons here."),
    (lambda: dense(1, 2, 3, 4), "dense is given 1, 2, 3, 4; it takes at most 3 arguments by place."),
    (lambda: dense(1, 2, inputs=3), "dense is given inputs twice, by place and by name."),
    (
        lambda: small_world(inputs=1, neurons=9, x=1),
        "small_world takes no argument 'x'; it takes inputs, neurons, outp",
    ),
]


@pytest.mark.parametrize(("build", "message"), OUT_OF_RANGE + BY_PLACE_OR_UNKNOWN)
def test_a_number_out_of_range_is_refused_with_the_range(build, message):
    with pytest.raises(WiringError, match=re.escape(message)):
        build()
