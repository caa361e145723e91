"""Wirings from the same call are the same as in ncps 1.0.1, and what is wrong with them there is right here."""

import copy
import json
import pickle

import numpy as np
import pytest

from wormnet.compat.ncps import wirings
from wormnet.compat.ncps.wirings import NCP, AutoNCP, FullyConnected, Random, Wiring
from wormnet.errors import ArgumentError, WiringError

pytestmark = pytest.mark.filterwarnings("ignore::wormnet.compat.ncps.DifferenceWarning")


def calls():
    """(class, arguments, inputs) of many sizes, seeds and sparsities."""
    for seed in range(12):
        rng = np.random.default_rng(seed)
        units, inputs = int(rng.integers(4, 40)), int(rng.integers(1, 12))
        out, sparsity = int(rng.integers(1, units - 2)), float(rng.choice([0.1, 0.3, 0.5, 0.8, 0.95]))
        yield "FullyConnected", (units, out, seed, bool(seed % 2)), inputs
        yield "FullyConnected", (units,), inputs
        yield "Random", (units, out, sparsity, seed), inputs
        yield "AutoNCP", (units, out, sparsity, seed), inputs
        yield "NCP", (10, 7, 3, 4, 5, int(rng.integers(0, 20)), 6, seed), inputs
        yield "NCP", (3, 5, 8, 1, 1, 1, 1), inputs
    yield "Random", (9,), 3
    yield "AutoNCP", (28, 4), 20
    yield "AutoNCP", (9, 2, 1.0), 3


@pytest.mark.parametrize(("name", "arguments", "inputs"), list(calls()), ids=str)
def test_the_same_call_makes_the_same_wiring(name, arguments, inputs):
    theirs = getattr(pytest.importorskip("ncps.wirings"), name)(*arguments)
    ours = getattr(wirings, name)(*arguments)
    assert not ours.is_built()
    for wiring in (theirs, ours):
        wiring.build(inputs)
    for what in ("adjacency_matrix", "sensory_adjacency_matrix"):
        assert getattr(ours, what).dtype == getattr(theirs, what).dtype
        np.testing.assert_array_equal(getattr(ours, what), getattr(theirs, what))
    for what in ("erev_initializer", "sensory_erev_initializer"):
        np.testing.assert_array_equal(getattr(ours, what)(), getattr(theirs, what)())
    for what in ("units", "input_dim", "output_dim", "num_layers", "synapse_count", "sensory_synapse_count"):
        assert getattr(ours, what) == getattr(theirs, what)
    for layer in range(ours.num_layers):
        assert ours.get_neurons_of_layer(layer) == theirs.get_neurons_of_layer(layer)
    kinds = [[wiring.get_type_of_neuron(i) for i in range(wiring.units)] for wiring in (ours, theirs)]
    assert kinds[0] == kinds[1]
    graphs = [wiring.get_graph() for wiring in (ours, theirs)]
    assert list(graphs[0].nodes(data=True)) == list(graphs[1].nodes(data=True))
    assert list(graphs[0].edges(data=True)) == list(graphs[1].edges(data=True))


MADE = [
    lambda: FullyConnected(8, 3, self_connections=False),
    lambda: Random(8, 3, sparsity_level=0.4),
    lambda: NCP(10, 6, 2, 4, 4, 4, 4, seed=1),
    lambda: AutoNCP(16, 4),
]


@pytest.mark.parametrize("make", MADE, ids=["full", "random", "ncp", "auto"])
def test_building_twice_adds_nothing(make):
    """B8: every layer made on a wiring, and every call of build, added synapses."""
    wiring, other = make(), make()
    for one in (wiring, wiring, wiring, other):
        one.build(5)
    np.testing.assert_array_equal(wiring.adjacency_matrix, other.adjacency_matrix)
    np.testing.assert_array_equal(wiring.sensory_adjacency_matrix, other.sensory_adjacency_matrix)


@pytest.mark.parametrize("make", MADE, ids=["full", "random", "ncp", "auto"])
def test_a_configuration_brings_the_wiring_back_and_asking_for_it_draws_nothing(make):
    """B9, B19: get_config of an NCP drew a new seed, and from_config of it was a TypeError."""
    plain = make()
    config = plain.get_config()
    assert json.loads(json.dumps(config)) == config
    assert "adjacency_matrix" not in config, "an unedited wiring is told by its arguments, as in ncps"
    again = type(plain).from_config(config)
    for wiring in (plain, again):
        wiring.build(7)
    for one in (copy.deepcopy(plain), pickle.loads(pickle.dumps(plain)), type(plain).from_config(plain.get_config())):
        one.build(7)
        for other in (again, plain):
            np.testing.assert_array_equal(one.adjacency_matrix, other.adjacency_matrix)
            np.testing.assert_array_equal(one.sensory_adjacency_matrix, other.sensory_adjacency_matrix)
        assert type(one) is type(plain)


@pytest.mark.parametrize("make", MADE, ids=["full", "random", "ncp", "auto"])
def test_an_edited_wiring_comes_back_edited(make):
    """B16: edits were lost."""
    wiring = make()
    wiring.build(5)
    wiring.adjacency_matrix[2, :] = 0
    wiring.add_sensory_synapse(0, 1, -1)
    config = json.loads(json.dumps(wiring.get_config()))
    again = type(wiring).from_config(config)
    again.build(5)
    assert (again.adjacency_matrix[2] == 0).all()
    np.testing.assert_array_equal(again.adjacency_matrix, wiring.adjacency_matrix)
    np.testing.assert_array_equal(again.sensory_adjacency_matrix, wiring.sensory_adjacency_matrix)
    assert again.output_dim == wiring.output_dim


class Ring(Wiring):
    """A wiring of one's own, as ncps documents it."""

    def __init__(self, units, output_dim=1):
        super().__init__(units)
        self.set_output_dim(output_dim)
        for i in range(units):
            self.add_synapse(i, (i + 1) % units, 1 if i % 3 else -1)

    def build(self, input_dim):
        super().build(input_dim)
        for i in range(self.input_dim):
            self.add_sensory_synapse(i, i % self.units, 1)


def test_a_wiring_of_ones_own_is_filled_counted_and_comes_back_as_itself():
    """B16: a class without a from_config of its own came back as a plain Wiring."""
    wiring = Ring(5)
    wiring.build(3)
    assert (wiring.synapse_count, wiring.sensory_synapse_count, wiring.num_layers) == (5, 3, 1)
    again = Ring.from_config(wiring.get_config())
    assert type(again) is Ring
    np.testing.assert_array_equal(again.adjacency_matrix, wiring.adjacency_matrix)
    assert (again.input_dim, again.output_dim) == (3, 1)
    plain = Wiring.from_config(wiring.get_config())
    assert type(plain) is Wiring
    assert plain.synapse_count == 5


class Needy(Wiring):
    def __init__(self, units, weights):
        super().__init__(units)


def test_a_class_whose_configuration_lacks_an_argument_says_so():
    with pytest.raises(WiringError, match="Needy takes weights, which its configuration lacks; give the class a get_c"):
        Needy.from_config(Needy(3, []).get_config())


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: AutoNCP(16, 14), "output_size is 14; it takes 1 to 13, below the number of units - 2"),
        (lambda: AutoNCP(16, 4, sparsity_level=1.5), "sparsity_level is 1.5; it takes a number from 0 to 1"),
        (lambda: Random(8, sparsity_level=1.0), "Invalid sparsity level 1.0; it takes 0 to below 1"),
        (lambda: NCP(10, 6, 2, 11, 4, 4, 4), "sensory_fanout is 11; it takes 0 to 10, the number of inter neurons"),
        (lambda: NCP(10, 6, 2, 4, 7, 4, 4), "inter_fanout is 7; it takes 0 to 6, the number of command neurons"),
        (lambda: NCP(10, 6, 2, 4, 4, 4, 7), "motor_fanin is 7; it takes 0 to 6, the number of command neurons"),
        (lambda: NCP(10, 6, 2, 4, 4, 4, 4).get_neurons_of_layer(3), "Unknown layer 3"),
        (lambda: Wiring(4).add_synapse(4, 0, 1), "a synapse from 4 cannot be; there are 4 units: 0 to 3"),
        (lambda: Wiring(4).add_synapse(0, -1, 1), "a synapse to -1 cannot be"),
        (lambda: Wiring(4).add_synapse(0, 1, 2), "polarity is 2; it takes -1 or 1"),
        (lambda: Wiring(4).add_sensory_synapse(0, 1, 1), "not built yet"),
        (lambda: Wiring(4).get_graph(), "not built yet"),
        (lambda: Wiring(4).sensory_synapse_count, "not built yet"),
    ],
)
def test_what_cannot_be_is_a_value_error_that_says_what_can(call, text):
    with pytest.raises(ValueError, match=text):
        call()


def test_a_wiring_built_for_other_inputs_is_refused():
    wiring = AutoNCP(16, 4)
    wiring.build(5)
    with pytest.raises(ValueError, match="Conflicting input dimensions: this wiring was built for 5 inputs and i"):
        wiring.build(6)


def test_every_sparsity_that_ncps_takes_or_says_it_takes_is_taken():
    """B21: 0.0 was refused with a message that allows it."""
    counts = []
    for sparsity in (0.0, 0.05, 0.1, 0.9, 1.0):
        wiring = AutoNCP(16, 4, sparsity_level=sparsity)
        wiring.build(8)
        counts.append(wiring.synapse_count + wiring.sensory_synapse_count)
    assert counts == sorted(counts, reverse=True)


def test_a_graph_without_sensory_neurons_has_none(told):
    wiring = AutoNCP(16, 4)
    wiring.build(5)
    graph = wiring.get_graph(include_sensory_neurons=False)
    assert {kind for _, kind in graph.nodes(data="neuron_type")} == {"inter", "command", "motor"}
    assert graph.number_of_edges() == wiring.synapse_count
    assert told() == ["sensory nodes"]


@pytest.mark.parametrize("layout", ["kamada", "circular", "random", "shell", "spring", "spectral", "spiral"])
def test_a_drawing_has_every_cell_and_synapse_and_a_legend_of_what_is_there(layout):
    import matplotlib.pyplot as plt
    from matplotlib.patches import FancyArrowPatch

    wiring = AutoNCP(16, 4)
    wiring.build(5)
    figure = plt.figure(figsize=(6, 4))
    chosen = {"command": "tab:pink"}
    handles = wiring.draw_graph(layout=layout, neuron_colors=chosen, synapse_colors="black", draw_labels=True)
    plt.legend(handles=handles, loc="upper center", bbox_to_anchor=(1, 1))
    axes = figure.axes[0]
    assert (
        len([one for one in axes.patches if isinstance(one, FancyArrowPatch)]) == wiring.get_graph().number_of_edges()
    )
    assert sum(len(one.get_offsets()) for one in axes.collections) == 21
    assert {text.get_text() for text in axes.texts} >= {"neuron_0", "sensory_4"}
    labels = {handle.get_label() for handle in handles}
    assert labels == {"Command neurons", "Inter neurons", "Motor neurons", "Sensory neurons"}
    assert chosen == {"command": "tab:pink"}
    plt.close(figure)


def test_an_unknown_layout_is_refused():
    wiring = Ring(4)
    wiring.build(2)
    with pytest.raises(ArgumentError, match="unknown layout 'shel'; did you mean 'shell'"):
        wiring.draw_graph(layout="shel")
