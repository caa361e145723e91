import re
from collections import Counter
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import SEEDS, wirings

from wormnet import WiringError, auto_ncp, connectome, nulls, random
from wormnet.wiring import (
    CHEMICAL,
    CURRENT,
    GAP,
    KINDS,
    Wiring,
    erdos_renyi,
    permute_neurons,
    reachable,
    reciprocity,
    register_null,
    rewire,
    shuffle_counts,
    shuffle_signs,
)
from wormnet.wiring.null import NULLS

ALL = [rewire, shuffle_signs, shuffle_counts, erdos_renyi, permute_neurons]
SMALL = wirings(inputs=(0, 5), neurons=(1, 9))


def ends(wiring):
    return set(zip(wiring.pre.tolist(), wiring.post.tolist(), wiring.kind.tolist()))


def degrees(wiring):
    """Per kind and sort of sender: how many synapses each cell sends and receives, gap junctions both ways."""
    table = Counter()
    for pre, post, kind in ends(wiring):
        block = kind, pre < wiring.n_inputs
        if kind == GAP and pre >= wiring.n_inputs:
            table[block, pre] += 1
            table[block, post] += 1
        else:
            table[block, pre, "sent"] += 1
            table[block, post, "received"] += 1
    return table


@given(SMALL, SEEDS)
def test_rewiring_never_changes_a_degree(wiring, seed):
    assert degrees(rewire(wiring, seed)) == degrees(wiring)


@given(SMALL, SEEDS)
def test_rewiring_leaves_each_sender_its_signs_and_counts(wiring, seed):
    def carried(wiring):
        table = {}
        for pre, kind, sign, count in zip(wiring.pre, wiring.kind, wiring.sign, wiring.count):
            owner = "all" if kind == GAP and pre >= wiring.n_inputs else int(pre)
            table.setdefault((owner, int(kind)), []).append((int(sign), float(count)))
        return {owner: sorted(values) for owner, values in table.items()}

    assert carried(rewire(wiring, seed)) == carried(wiring)


@given(SMALL, SEEDS)
def test_rewiring_leaves_self_synapses_in_place(wiring, seed):
    def of_self(wiring):
        on_itself = wiring.pre == wiring.post
        return list(zip(wiring.pre[on_itself], wiring.sign[on_itself], wiring.count[on_itself]))

    assert of_self(rewire(wiring, seed)) == of_self(wiring)


@given(SMALL, SEEDS, st.sampled_from(ALL))
def test_every_null_keeps_cells_outputs_and_the_signs_and_counts_of_each_kind(wiring, seed, null):
    before = wiring.to_dict()
    other = null(wiring, seed)
    assert wiring.to_dict() == before
    for name in ("inputs", "neurons", "roles", "outputs"):
        assert getattr(other, name) == getattr(wiring, name)
    assert np.array_equal(other.layers, wiring.layers)
    for kind in range(len(KINDS)):
        for name in ("sign", "count"):
            mine, its = (np.sort(getattr(w, name)[w.kind == kind]) for w in (wiring, other))
            assert np.array_equal(mine, its)
    assert other == null(wiring, seed)


@given(SMALL, SEEDS)
def test_erdos_renyi_keeps_the_number_per_kind_and_block(wiring, seed):
    def blocks(wiring):
        return Counter((kind, pre < wiring.n_inputs, pre == post) for pre, post, kind in ends(wiring))

    assert blocks(erdos_renyi(wiring, seed)) == blocks(wiring)


@given(SMALL, SEEDS, st.sampled_from([shuffle_signs, shuffle_counts]))
def test_shuffles_move_no_synapse(wiring, seed, null):
    assert ends(null(wiring, seed)) == ends(wiring)


@given(SMALL, SEEDS)
def test_signs_to_be_learned_stay_to_be_learned(wiring, seed):
    assert np.array_equal(shuffle_signs(wiring, seed).sign == 0, wiring.sign == 0)


@given(SMALL, SEEDS)
def test_permuting_neurons_gives_an_isomorphic_network(wiring, seed):
    import networkx

    def inner(wiring):
        graph = networkx.MultiDiGraph()
        graph.add_nodes_from(range(wiring.n_neurons))
        for pre, post, kind, sign, count in zip(wiring.pre, wiring.post, wiring.kind, wiring.sign, wiring.count):
            if pre >= wiring.n_inputs:
                label = (int(kind), int(sign), float(count))
                graph.add_edge(pre - wiring.n_inputs, post - wiring.n_inputs, label=label)
                if kind == GAP:
                    graph.add_edge(post - wiring.n_inputs, pre - wiring.n_inputs, label=label)
        return graph

    moved = permute_neurons(wiring, seed)
    same = networkx.algorithms.isomorphism.categorical_multiedge_match("label", None)
    assert networkx.is_isomorphic(inner(wiring), inner(moved), edge_match=same)
    from_inputs, moved_inputs = wiring.pre < wiring.n_inputs, moved.pre < moved.n_inputs
    assert np.array_equal(wiring.post[from_inputs], moved.post[moved_inputs])


def connectome_like(seed=0):
    """302 neurons with a few hubs: 3,700 chemical synapses, 30 of them on the sender itself, and 600 gap junctions."""
    rng = np.random.default_rng(seed)
    weight = rng.pareto(2.5, 302) + 0.3
    chance = np.outer(weight, rng.permutation(weight))
    np.fill_diagonal(chance, 0)
    pairs = rng.choice(302 * 302, 3670, replace=False, p=(chance / chance.sum()).ravel())
    own = rng.choice(302, 30, replace=False)
    low, high = np.triu_indices(302, 1)
    gaps = rng.choice(len(low), 600, replace=False)
    pre = np.concatenate([pairs // 302, own, low[gaps]])
    post = np.concatenate([pairs % 302, own, high[gaps]])
    kind = np.repeat([CHEMICAL, GAP], [3700, 600])
    return Wiring(0, 302, pre=pre, post=post, kind=kind, sign=np.where(kind == GAP, 0, rng.choice([-1, 1], 4300)))


def share_in_common(one, other):
    return len(ends(one) & ends(other)) / len(ends(one))


@pytest.mark.parametrize(
    "wiring",
    [
        connectome_like(),
        auto_ncp(inputs=16, neurons=40, outputs=4, sparsity=0.4),
        random(inputs=10, neurons=30, outputs=2, sparsity=0.2),  # denser than half: absences are swapped
        Wiring(6, 6, pre=np.repeat(range(6), 3), post=[6 + (i + j) % 6 for i in range(6) for j in (0, 1, 2)], kind=2),
    ],
    ids=["connectome", "ncp", "dense", "inputs"],
)  # fmt: skip
def test_what_rewiring_leaves_of_the_old_wiring_is_chance(wiring):
    drawn = list(nulls(wiring, "rewire", 60))
    with_old = np.array([share_in_common(wiring, other) for other in drawn])
    among = np.array([share_in_common(one, other) for one, other in zip(drawn[:30], drawn[30:])])
    error = np.hypot(with_old.std() / np.sqrt(60), among.std() / np.sqrt(30))
    assert abs(with_old.mean() - among.mean()) < 4 * error + 1e-9


def test_rewiring_draws_every_wiring_of_the_same_degrees_equally_often():
    # Two synapses from each of 3 senders to 4 receivers: count all bipartite wirings with these degrees by brute force.
    wiring = Wiring(3, 4, pre=[0, 0, 1, 1, 2, 2], post=[3, 4, 4, 5, 5, 6])
    draws = Counter(frozenset(ends(rewire(wiring, seed, 6))) for seed in range(1200))
    possible = 0
    received = np.bincount(wiring.post - 3)
    for rows in product(combinations(range(4), 2), repeat=3):
        possible += np.array_equal(np.bincount(np.ravel(rows), minlength=4), received)
    assert len(draws) == possible
    expected = 1200 / possible
    chi_squared = sum((n - expected) ** 2 / expected for n in draws.values())
    assert chi_squared < possible - 1 + 5 * np.sqrt(2 * (possible - 1))


def test_rewiring_draws_directed_wirings_without_self_synapses_equally_often():
    wiring = Wiring(0, 4, pre=[0, 1, 2, 3, 0, 1], post=[1, 2, 3, 0, 2, 3])
    draws = Counter(frozenset(ends(rewire(wiring, seed, 8))) for seed in range(800))
    pairs = [(pre, post) for pre in range(4) for post in range(4) if pre != post]
    possible = [
        drawn
        for drawn in combinations(pairs, 6)
        if degrees(Wiring(0, 4, pre=(e := np.array(drawn))[:, 0], post=e[:, 1])) == degrees(wiring)
    ]
    assert draws.keys() == {frozenset((pre, post, CHEMICAL) for pre, post in drawn) for drawn in possible}
    expected = 800 / len(draws)
    chi_squared = sum((n - expected) ** 2 / expected for n in draws.values())
    assert chi_squared < len(draws) - 1 + 5 * np.sqrt(2 * (len(draws) - 1))


def test_rewiring_draws_gap_junctions_of_the_same_degrees_equally_often():
    wiring = Wiring(0, 6, pre=[0, 1, 2, 3, 4, 0], post=[1, 2, 3, 4, 5, 5], kind=GAP)  # a ring of six
    draws = Counter(frozenset(ends(rewire(wiring, seed, 6))) for seed in range(1400))
    assert len(draws) == 70  # 60 rings of six and 10 pairs of triangles
    expected = 1400 / 70
    chi_squared = sum((n - expected) ** 2 / expected for n in draws.values())
    assert chi_squared < 69 + 5 * np.sqrt(2 * 69)


@pytest.mark.parametrize("kind", NULLS)
def test_nulls_differ_and_are_the_same_for_any_number(kind):
    wiring = connectome_like() if kind == "counts" else auto_ncp(inputs=8, neurons=19, outputs=1)
    if kind == "counts":
        content = wiring.to_dict()
        content["count"] = np.arange(1, wiring.n_synapses + 1)
        wiring = Wiring(**content)
    drawn = list(nulls(wiring, kind, 6, seed=3))
    assert len(set(drawn)) == 6
    assert list(nulls(wiring, kind, 4, seed=3)) == drawn[:4]
    assert not set(nulls(wiring, kind, 6, seed=4)) & set(drawn)


@pytest.mark.parametrize("inputs", [1, 8, 60])
def test_the_dense_null_connects_all_with_as_nearly_the_number_of_synapses_as_whole_neurons_allow(inputs):
    wiring = auto_ncp(inputs=inputs, neurons=40, outputs=3)
    dense = next(nulls(wiring, "dense", 1))
    n = dense.n_neurons
    assert dense.n_synapses == (inputs + n) * n
    assert dense.inputs == wiring.inputs
    assert dense.n_outputs == min(n, 3)
    for other in (n - 1, n + 1):
        assert abs(dense.n_synapses - wiring.n_synapses) <= abs((inputs + other) * other - wiring.n_synapses)


def test_the_dense_null_of_a_driven_worm_has_its_currents_and_its_junctions_twice():
    worm = connectome("cook2019").drive({"a": ["ASEL", "ASER", "AWCL"], "b": "ASHL"})
    dense = next(nulls(worm, "dense", 1))
    assert len(dense.of_kind(CURRENT)) == 4
    assert len(dense.of_kind(CHEMICAL)) == dense.n_neurons**2
    assert dense.n_neurons == round((3709 + 2 * 1091) ** 0.5)


def test_the_random_null_has_the_count_and_no_neuron_without_input():
    wiring = auto_ncp(inputs=3, neurons=60, outputs=3, sparsity=0.9)
    for null in nulls(wiring, "random", 5):
        assert null.n_synapses == wiring.n_synapses
        assert reachable(null).all()
        assert (null.cells, null.outputs) == (wiring.cells, wiring.outputs)
    with pytest.raises(WiringError, match="random draws chemical synapses alone; erdos_renyi keeps"):
        list(nulls(connectome_like(), "random", 1))


def test_a_null_of_ones_own_is_known_everywhere_under_its_name():
    try:
        register_null("turned", lambda wiring, seed: wiring.replace(sign=-wiring.sign))
        wiring = auto_ncp(inputs=3, neurons=9, outputs=1)
        assert np.array_equal(next(nulls(wiring, "turned", 1)).sign, -wiring.sign)
        with pytest.raises(WiringError, match="there is a null model 'turned' already"):
            register_null("turned", rewire)
    finally:
        NULLS.pop("turned")
    for name, null in (("a b", rewire), (3, rewire), ("mine", 3)):
        with pytest.raises(WiringError, match="it takes a Python name and a function"):
            register_null(name, null)


def test_nulls_name_their_origin():
    wiring = auto_ncp(inputs=8, neurons=19, outputs=1)
    assert rewire(wiring, 7).source == wiring.source + "; rewired, seed 7"


def test_nulls_do_not_touch_the_global_generator():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    for kind in NULLS:
        list(nulls(auto_ncp(inputs=8, neurons=19, outputs=1), kind, 2))
    assert np.array_equal(np.random.get_state()[1], before)  # noqa: NPY002


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda w: nulls(w, "rewired", 3),
            "unknown null model 'rewired'; did you mean 'rewire' or 'rewire_classes'? Known: rewire, signs,",
        ),
        (
            lambda w: nulls(w, ["rewire"], 3),
            "unknown null model ['rewire']; did you mean 'rewire' or 'rewire_classes'?",
        ),
        (lambda w: nulls("cook2019", "rewire", 3), "wiring is 'cook2019'; it takes a Wiring."),
        (lambda w: nulls(w, "rewire", -1), "n is -1; it takes 0 or more."),
        (lambda w: nulls(w, "rewire", 3, seed=0.5), "seed is 0.5; it takes a whole number."),
        (lambda w: rewire(w, swaps_per_synapse=-1), "swaps_per_synapse is -1; it takes 0 to 1000000."),
        (lambda w: rewire(w, swaps_per_synapse="10"), "swaps_per_synapse is '10'; it takes a number >= 0."),
        (lambda w: rewire(w, seed=-1), "seed is -1; it takes 0 or more."),
    ],
)
def test_what_is_no_null_model_is_refused_at_the_call(call, message):
    with pytest.raises(WiringError, match=re.escape(message)):
        call(auto_ncp(inputs=8, neurons=19, outputs=1))


def test_rewiring_the_worm_keeps_degrees_and_loses_its_reciprocal_pairs():
    # 0.62 of the joined pairs are joined both ways in the worm; chance, given the degrees, is far below.
    worm = connectome("cook2019")
    rewired = [reciprocity(null) for null in nulls(worm, "rewire", 5)]
    assert reciprocity(worm) == pytest.approx(0.6205, abs=5e-4)
    assert max(rewired) < 0.45
