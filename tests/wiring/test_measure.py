import math
import re

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import wirings

from wormnet import WiringError, random, small_world
from wormnet.wiring import (
    CHEMICAL,
    CURRENT,
    GAP,
    Wiring,
    clustering,
    degree,
    density,
    motifs,
    nulls,
    path_length,
    reachable,
    reciprocity,
    small_worldness,
    to_adjacency,
)

SMALL = wirings(inputs=(0, 4), neurons=(1, 8))
ANY_KIND = st.sampled_from([None, CHEMICAL, GAP, CURRENT])


def graph_of(wiring, kind=None, *, neurons_only=False, loops=True, multi=False):
    """The wiring as a graph of networkx, by a plain loop."""
    graph = nx.MultiDiGraph() if multi else nx.DiGraph()
    graph.add_nodes_from(range(wiring.n_inputs if neurons_only else 0, len(wiring.cells)))
    for pre, post, its_kind in zip(wiring.pre.tolist(), wiring.post.tolist(), wiring.kind.tolist()):
        skip = (kind is not None and its_kind != kind) or (neurons_only and pre < wiring.n_inputs)
        if not skip and (loops or pre != post):
            graph.add_edge(pre, post)
            if its_kind == GAP and pre >= wiring.n_inputs:
                graph.add_edge(post, pre)
    return graph


def same(one, other):
    return one == pytest.approx(other, rel=1e-12, nan_ok=True)


@given(SMALL, ANY_KIND)
def test_degrees_are_those_of_networkx(wiring, kind):
    graph = graph_of(wiring, kind, multi=True)
    received, sent = degree(wiring, kind)
    assert received.tolist() == [n for _, n in sorted(graph.in_degree())]
    assert sent.tolist() == [n for _, n in sorted(graph.out_degree())]


@given(SMALL)
def test_degrees_add_up_over_the_kinds(wiring):
    for total, *parts in zip(degree(wiring), *(degree(wiring, kind) for kind in (CHEMICAL, GAP, CURRENT))):
        assert np.array_equal(total, sum(parts))


@given(SMALL, ANY_KIND)
def test_density_is_edges_over_pairs(wiring, kind):
    pairs = len(wiring.cells) * wiring.n_neurons
    assert same(density(wiring, kind), graph_of(wiring, kind).number_of_edges() / pairs)


@pytest.mark.parametrize("sparsity", [0.0, 0.25, 0.5])
def test_density_is_what_random_was_asked_for(sparsity):
    assert density(random(inputs=4, neurons=12, sparsity=sparsity)) == 1 - sparsity


@given(SMALL, ANY_KIND)
def test_reciprocity_is_that_of_networkx(wiring, kind):
    graph = graph_of(wiring, kind, neurons_only=True, loops=False)
    expected = nx.overall_reciprocity(graph) if graph.number_of_edges() else math.nan
    assert same(reciprocity(wiring, kind), expected)


@given(SMALL, ANY_KIND)
def test_motifs_are_the_triad_census_of_networkx(wiring, kind):
    census = motifs(wiring, kind)
    assert census == nx.triadic_census(graph_of(wiring, kind, neurons_only=True, loops=False))
    assert sum(census.values()) == math.comb(wiring.n_neurons, 3)


def test_motifs_of_302_neurons_are_those_of_networkx():
    wiring = random(inputs=1, neurons=302, synapses=3700)
    assert motifs(wiring) == nx.triadic_census(graph_of(wiring, neurons_only=True, loops=False))


@given(st.data(), SMALL)
def test_reachable_is_what_networkx_reaches(data, wiring):
    graph = graph_of(wiring)

    def expected(cells):
        found = set()
        for cell in cells:
            found |= {post for first in graph.successors(cell) for post in (first, *nx.descendants(graph, first))}
        return [neuron in found for neuron in range(wiring.n_inputs, len(wiring.cells))]

    assert reachable(wiring).tolist() == expected(range(wiring.n_inputs))
    start = data.draw(st.lists(st.sampled_from(wiring.cells), unique=True))
    assert reachable(wiring, start).tolist() == expected(map(wiring.cell, start))


@given(SMALL, ANY_KIND, st.booleans())
def test_path_length_is_the_mean_over_the_pairs_networkx_joins(wiring, kind, directed):
    graph = graph_of(wiring, kind, neurons_only=True)
    lengths = [
        steps
        for one, others in nx.all_pairs_shortest_path_length(graph if directed else graph.to_undirected())
        for other, steps in others.items()
        if other != one
    ]
    assert same(path_length(wiring, kind, directed=directed), np.mean(lengths) if lengths else math.nan)


@given(SMALL, ANY_KIND)
def test_clustering_is_that_of_networkx(wiring, kind):
    graph = graph_of(wiring, kind, neurons_only=True, loops=False).to_undirected()
    assert same(clustering(wiring, kind), nx.average_clustering(graph))


@pytest.mark.parametrize(("neurons", "neighbours"), [(30, 4), (40, 6), (51, 10)])
def test_clustering_of_a_ring_is_the_closed_form(neurons, neighbours):
    # Watts & Strogatz 1998: 3 (k - 2) / (4 (k - 1)); Newman 2000 for the path length of a long ring.
    ring = small_world(inputs=1, neurons=neurons, neighbours=neighbours, rewiring=0)
    assert same(clustering(ring), 3 * (neighbours - 2) / (4 * (neighbours - 1)))
    steps = [math.ceil(min(d, neurons - d) / (neighbours // 2)) for d in range(1, neurons)]
    assert same(path_length(ring), np.mean(steps))


@pytest.mark.parametrize("null", ["erdos_renyi", "rewire"])
def test_small_worldness_is_the_ratio_of_ratios(null):
    wiring = small_world(inputs=2, neurons=50, neighbours=6, rewiring=0.1)

    def of(wiring):
        graph = graph_of(wiring, neurons_only=True, loops=False).to_undirected()
        pairs = dict(nx.all_pairs_shortest_path_length(graph))
        return nx.average_clustering(graph), np.mean([n for ends in pairs.values() for n in ends.values() if n])

    c, length = of(wiring)
    c_null, length_null = np.mean([of(w) for w in nulls(wiring, null, 7, seed=5)], axis=0)
    assert same(small_worldness(wiring, n=7, null=null, seed=5), c / c_null / (length / length_null))


def test_a_small_world_is_one_and_a_random_wiring_is_none():
    assert small_worldness(small_world(inputs=1, neurons=100, neighbours=8, rewiring=0.1)) > 2
    assert 0.8 < small_worldness(random(inputs=1, neurons=100, synapses=900)) < 1.2


def test_what_is_not_defined_is_nan():
    empty = Wiring(2, 3)
    assert math.isnan(path_length(empty))
    assert math.isnan(reciprocity(empty))
    assert math.isnan(small_worldness(empty, n=2))
    assert math.isnan(density(Wiring(2, 0)))
    assert math.isnan(clustering(Wiring(2, 0)))


@given(SMALL, ANY_KIND)
def test_adjacency_holds_every_synapse_and_no_other(wiring, kind):
    graph = graph_of(wiring, kind, multi=True)
    assert np.array_equal(
        to_adjacency(wiring, kind, value="number"), nx.to_numpy_array(graph, nodelist=range(len(wiring.cells)))
    )
    counts, signed, sign = (np.zeros((len(wiring.cells),) * 2) for _ in range(3))
    for pre, post, its_kind, its_sign, count in zip(wiring.pre, wiring.post, wiring.kind, wiring.sign, wiring.count):
        if kind in (None, its_kind):
            for ends in {(pre, post), (post, pre)} if its_kind == GAP and pre >= wiring.n_inputs else {(pre, post)}:
                counts[ends] += count
                signed[ends] += its_sign * count
                sign[ends] += its_sign
    assert np.allclose(to_adjacency(wiring, kind), counts, rtol=1e-12)
    assert np.allclose(to_adjacency(wiring, kind, value="signed"), signed, rtol=1e-12)
    assert np.array_equal(to_adjacency(wiring, kind, value="sign"), sign)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda w: degree(w, 3), "kind is 3; kinds are 0 (chemical), 1 (gap), 2 (current), None (all)."),
        (lambda w: density(w, "gap"), "kind is 'gap'; kinds are 0 (chemical), 1 (gap), 2 (current), None (all)."),
        (lambda w: motifs(w, True), "kind is True; kinds are"),
        (lambda w: reachable(w, "in0"), "start is 'in0'; it takes a list of names: ['in0']."),
        (lambda w: reachable(w, 5), "start is 5; it takes a list of names, or None for all inputs."),
        (lambda w: reachable(w, ["in1"]), "unknown cell 'in1'; did you mean 'n1' or 'in0'?"),
        (lambda w: to_adjacency(w, value="weight"), "unknown value 'weight'"),
        (lambda w: small_worldness(w, n=0), "n is 0; it takes 1 or more."),
        (lambda w: small_worldness(w, null="shuffle"), "unknown null model 'shuffle'"),
    ],
)
def test_what_cannot_be_measured_is_refused(call, message):
    with pytest.raises(WiringError, match=re.escape(message)):
        call(Wiring(1, 2))
