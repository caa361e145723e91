"""Graphs of other people and programs: what their attributes mean, and what is told of the rest."""

import re
import tracemalloc
import warnings
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wormnet import ArgumentError, WiringError
from wormnet.wiring import CHEMICAL, CURRENT, GAP, Wiring, formats
from wormnet.wiring.files import load, save
from wormnet.wiring.graphml import from_graphml, to_graphml
from wormnet.wiring.graphs import from_networkx, to_networkx

FOREIGN = Path(__file__).parent / "foreign"
OURS = Wiring(
    ["touch"],
    ["AVAL", "AVAR", "DA1"],
    roles=["command", "command", "motor"],
    outputs=["DA1"],
    layers=[0, 0, 1],
    pre=[0, 1, 1, 2, 2],
    post=[1, 2, 3, 3, 1],
    kind=[CHEMICAL, GAP, CHEMICAL, CHEMICAL, CHEMICAL],
    sign=[1, 0, 1, -1, 0],
    count=[1, 3, 2.5, 7, 2],
    source="a paper",
)


def edge(**attributes):
    graph = nx.DiGraph()
    graph.add_edge("AVAL", "AVAR", **attributes)
    return graph


def only(wiring):
    """Kind, sign and count of the one synapse."""
    assert wiring.n_synapses == 1
    return int(wiring.kind[0]), int(wiring.sign[0]), float(wiring.count[0])


# -- names and values of attributes ------------------------------------------------------------------------------------


def test_the_usual_names_of_edge_lists_are_understood():
    assert only(from_networkx(edge(Weight=7, Type="electrical"))) == (GAP, 0, 7)


@pytest.mark.parametrize(
    "name", ["count", "Count", "weight", "WEIGHT", "Nbr", "Number of Connections", "number_of_synapses"]
)
@pytest.mark.parametrize("value", [7, 7.0, "7", " 7e0 ", np.int64(7), np.float32(7)])
def test_a_count_is_a_number_under_every_usual_name(name, value):
    assert only(from_networkx(edge(**{name: value}))) == (CHEMICAL, 0, 7)


@pytest.mark.parametrize("name", ["kind", "Type", "synapse_type", "Synapse Type", "edge-type", "interaction"])
@pytest.mark.parametrize(
    ("value", "means"),
    [
        ("chemical", (CHEMICAL, 0)),
        ("Chemical", (CHEMICAL, 0)),
        ("Send", (CHEMICAL, 0)),
        ("S", (CHEMICAL, 0)),
        ("Sp", (CHEMICAL, 0)),
        ("Generic_CS", (CHEMICAL, 0)),
        ("electrical", (GAP, 0)),
        ("ELECTRICAL", (GAP, 0)),
        ("gap", (GAP, 0)),
        ("gap junction", (GAP, 0)),
        ("Gap_Junction", (GAP, 0)),
        ("GapJunction", (GAP, 0)),
        ("EJ", (GAP, 0)),
        ("G", (GAP, 0)),
        ("Generic_GJ", (GAP, 0)),
        ("excitatory", (CHEMICAL, 1)),
        ("exc", (CHEMICAL, 1)),
        ("Inhibitory", (CHEMICAL, -1)),
        ("inh", (CHEMICAL, -1)),
        (None, (CHEMICAL, 0)),
        ("", (CHEMICAL, 0)),
        (float("nan"), (CHEMICAL, 0)),
        ("Directed", (CHEMICAL, 0)),
    ],
)
def test_a_kind_is_known_by_its_usual_words(name, value, means):
    assert only(from_networkx(edge(**{name: value})))[:2] == means


@pytest.mark.parametrize("name", ["sign", "Polarity"])
@pytest.mark.parametrize(
    ("value", "sign"),
    [
        (1, 1),
        (-1.0, -1),
        ("1", 1),
        ("-1", -1),
        ("+", 1),
        ("-", -1),
        ("Excitatory", 1),
        ("inh", -1),
        ("0", 0),
        (None, 0),
    ],
)
def test_a_sign_is_a_number_or_a_word(name, value, sign):
    assert only(from_networkx(edge(**{name: value}))) == (CHEMICAL, sign, 1)


@pytest.mark.parametrize("value", ["r", "Rp", "Receive", "receive-poly"])
def test_rows_of_the_receiver_are_refused_and_not_turned_or_doubled(value):
    with pytest.raises(WiringError, match=r"the first cell receives, and the same synapse is listed from its sender"):
        from_networkx(edge(Type=value))


@pytest.mark.parametrize("value", ["NMJ", "acetylcholine", "generic", "e", 1, True, ["gap"]])
def test_a_kind_that_is_not_known_is_refused_and_not_guessed(value):
    with pytest.raises(WiringError, match=r"edge 'AVAL' -> 'AVAR': Type is .*; it takes chemical \(send, S, Sp\), gap"):
        from_networkx(edge(Type=value))


def test_what_is_not_read_is_named_in_one_warning():
    graph = edge(neurotransmitter="GABA", Weight=2, note="x", **{"\x1b[31m": 1})
    graph.nodes["AVAL"]["recorded"] = False
    with pytest.warns(UserWarning, match="the graph has attributes") as caught:
        found = from_networkx(graph)
    assert len(caught) == 1
    message = str(caught[0].message)
    assert "were not read: of nodes 'recorded'; of edges 'neurotransmitter', 'note', '\\x1b[31m'." in message
    assert message.isprintable()
    assert caught[0].filename == __file__
    assert only(found) == (CHEMICAL, 0, 2)


def test_a_warning_is_short_whatever_the_graph_holds():
    graph = edge(**{f"{i}" * 100: i for i in range(500)})
    with pytest.warns(UserWarning, match="and 488 more") as caught:
        from_networkx(graph)
    assert len(str(caught[0].message)) < 1000


def test_the_callers_own_names_are_read_and_nothing_is_told_of_what_he_passes_over():
    graph = edge(strength=7, how="gap", weight=3, note="x")
    graph.nodes["AVAL"]["layer_of"] = "motor"
    attributes = {"strength": "count", "how": "kind", "weight": None, "note": None, "layer_of": "role"}
    found = from_networkx(graph, attributes=attributes)
    assert only(found) == (GAP, 0, 7)
    assert found.roles == ("motor", "unknown")


def test_a_name_of_the_callers_own_is_taken_before_ours():
    assert only(from_networkx(edge(count=3, n=5), attributes={"n": "count", "count": None})) == (CHEMICAL, 0, 5)
    with pytest.warns(UserWarning, match="of edges 'count'"):
        assert only(from_networkx(edge(count=3, n=5), attributes={"n": "count"})) == (CHEMICAL, 0, 5)


def test_two_names_of_one_thing_have_to_agree():
    assert only(from_networkx(edge(Weight=3, nbr="3.0"))) == (CHEMICAL, 0, 3)
    with pytest.raises(WiringError, match=r"Weight is 3 and nbr is 4, and both mean count; say which one does"):
        from_networkx(edge(Weight=3, nbr=4))
    assert only(from_networkx(edge(Weight=3, nbr=4), attributes={"nbr": None})) == (CHEMICAL, 0, 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attributes": {"wieght": "count"}}, "attributes: unknown attribute 'wieght'; did you mean 'weight'"),
        ({"attributes": {"weight": "counts"}}, "attributes: unknown field 'counts'; did you mean 'count'"),
        ({"attributes": ["weight"]}, "attributes is ['weight']; it takes {attribute of yours: one of ours, or None}"),
        ({"attributes": {1: "count"}}, "attributes names 1; the name of an attribute is text"),
        ({"repeated": "sum"}, "unknown repeated 'sum'. Known: refuse, add"),
        ({"inputs": "AVAL"}, "inputs is 'AVAL'; it takes a list of names of cells"),
        ({"inputs": ["AVA"]}, "unknown input 'AVA'; did you mean"),
        ({"inputs": [None]}, "unknown input None"),
    ],
)
def test_arguments_that_fit_nothing_are_told(options, message):
    for read in (lambda: from_networkx(edge(weight=1), **options), lambda: from_graphml(WEIGHTED, **options)):
        with pytest.raises(ArgumentError, match=re.escape(message)):
            read()


WEIGHTED = "".join(nx.generate_graphml(edge(weight=1)))


# -- inputs, repeats, both ends ----------------------------------------------------------------------------------------


def test_inputs_and_outputs_can_be_named():
    graph = nx.DiGraph([("touch", "AVA"), ("AVA", "DA1"), ("smell", "AVA")])
    found = from_networkx(graph, inputs=["smell", "touch"], outputs=["DA1"])
    assert found == Wiring(["smell", "touch"], ["AVA", "DA1"], outputs=["DA1"], pre=[1, 2, 0], post=[2, 3, 2])
    with pytest.raises(WiringError, match="'AVA'"):
        from_networkx(graph, inputs=["AVA"])  # others send to it


def both_ends(one, other):
    graph = nx.DiGraph()
    graph.add_edge("AVAL", "AVAR", weight=one, kind="gap")
    graph.add_edge("AVAR", "AVAL", weight=other, kind="gap")
    return graph


def test_a_gap_junction_from_both_ends_is_one_and_its_count_is_not_doubled():
    assert only(from_networkx(both_ends(3, 3))) == (GAP, 0, 3)
    assert only(from_graphml("".join(nx.generate_graphml(both_ends(3, 3))))) == (GAP, 0, 3)


def test_a_gap_junction_with_two_counts_is_refused_with_both():
    message = "the gap junction of 'AVAL' and 'AVAR' has count 3 from 'AVAL' and 4 from 'AVAR'"
    for repeated in ("refuse", "add"):
        with pytest.raises(WiringError, match=message):
            from_networkx(both_ends(3, 4), repeated=repeated)


def test_a_gap_junction_with_an_input_acts_on_the_neuron_whichever_end_is_first():
    found = from_networkx(both_ends(3, 3), inputs=["AVAR"])
    assert (found.inputs, found.neurons) == (("AVAR",), ("AVAL",))
    assert (found.pre.tolist(), found.post.tolist(), found.kind.tolist()) == ([0], [1], [GAP])


def test_a_chemical_synapse_each_way_is_two():
    graph = nx.DiGraph([("AVAL", "AVAR"), ("AVAR", "AVAL")])
    assert from_networkx(graph).n_synapses == 2


@pytest.mark.parametrize("graph", [nx.MultiDiGraph, nx.MultiGraph])
@pytest.mark.parametrize("kind", ["chemical", "gap"])
def test_repeated_synapses_are_refused_or_added_as_the_caller_says(graph, kind):
    many = graph()
    for count, sign in ((2, 1), (3, 1), (4, -1)):
        many.add_edge("a", "b", count=count, kind=kind, sign=sign if kind == "chemical" else 0)
    with pytest.raises(WiringError, match=rf"two {kind} synapses go from 'a' to 'b'; .*repeated=\"add\""):
        from_networkx(many)
    found = from_networkx(many, repeated="add")
    n = 2 if kind == "chemical" and graph is nx.MultiGraph else 1
    assert (found.count.tolist(), found.sign.tolist()) == ([9.0] * n, [0] * n)


def test_an_undirected_type_of_an_edge_leads_both_ways():
    graph = edge(Type="Undirected", weight=2)
    assert from_networkx(graph) == Wiring(0, ["AVAL", "AVAR"], pre=[0, 1], post=[1, 0], count=2)


# -- names of nodes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ids", [["n0", "n1"], ["0", "12"], [0, 1], [np.int64(4), np.int64(3)]])
@pytest.mark.parametrize("name", ["name", "Label", "_nx_name", "id"])
def test_where_nodes_are_numbers_an_attribute_names_them(ids, name):
    graph = nx.DiGraph([ids])
    for node, cell in zip(ids, ("AVAL", "AVAR")):
        graph.nodes[node][name] = cell
    assert from_networkx(graph).neurons == ("AVAL", "AVAR")


def test_where_nodes_have_names_an_attribute_does_not_replace_them():
    graph = nx.DiGraph([("AVAL", "AVAR")])
    graph.nodes["AVAL"]["label"] = "AVA, left"
    with pytest.warns(UserWarning, match="of nodes 'label'"):
        assert from_networkx(graph).neurons == ("AVAL", "AVAR")
    assert from_networkx(graph, attributes={"label": "name"}).neurons == ("AVA, left", "AVAR")
    graph.nodes["AVAL"]["label"] = "AVAL"
    assert from_networkx(graph).neurons == ("AVAL", "AVAR")


def test_a_node_that_has_no_text_is_refused():
    with pytest.raises(WiringError, match="node <int> cannot be written as text"):
        from_networkx(nx.DiGraph([(10**5000, "b")]))


def test_labels_that_name_two_nodes_are_refused():
    graph = nx.DiGraph([(0, 1)])
    nx.set_node_attributes(graph, "AVA", "label")
    with pytest.raises(
        WiringError, match=r"nodes 0 and 1 have one label, 'AVA'; names are unique\. .*\{'label': None\}"
    ):
        from_networkx(graph)
    assert from_networkx(graph, attributes={"label": None}).neurons == ("0", "1")


# -- files that other programs wrote -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["igraph_1.0.0_of_ours", "igraph_1.0.0_of_networkx"])
def test_our_graphs_come_back_from_igraph(name):
    assert load(FOREIGN / f"{name}.graphml") == OURS


def test_a_graph_of_igraph_is_read_by_its_names():
    with pytest.warns(UserWarning, match="were not read: of edges 'colour'") as caught:
        found = load(FOREIGN / "igraph_1.0.0.graphml")
    assert caught[0].filename == __file__
    assert found == Wiring(
        ["touch"],
        ["AVAL", "AVAR", "PVCL"],
        pre=[1, 2, 1, 0],
        post=[2, 3, 3, 1],
        kind=[CHEMICAL, CHEMICAL, GAP, CHEMICAL],
        sign=[0, -1, 0, 0],
        count=[7, 2, 3, 1],
        source="a paper",
    )


def test_a_graph_of_gephi_is_read_by_its_labels():
    expected = Wiring(
        0,
        ["AVAL", "AVAR", "DA1"],
        pre=[0, 0, 1],
        post=[2, 1, 2],
        kind=[CHEMICAL, GAP, CHEMICAL],
        sign=[1, 0, -1],
        count=[4, 3, 1],
    )
    with pytest.warns(UserWarning, match=r"of nodes 'Recorded', 'Degrees', 'size', .*; of edges 'Edge Label'"):
        assert load(FOREIGN / "gephi_layout.graphml", attributes={"label": "kind"}) == expected
    ignored = dict.fromkeys(["Recorded", "Degrees", "size", "r", "g", "b", "x", "y", "Edge Label"])
    assert load(FOREIGN / "gephi_layout.graphml", attributes={"label": "kind", **ignored}) == expected
    with pytest.warns(UserWarning, match="of edges 'label', 'Edge Label'"):
        found = load(FOREIGN / "gephi_layout.graphml")
    assert found.kind.tolist() == [CHEMICAL] * 4  # the undirected edge leads both ways


def test_a_boolean_that_networkx_writes_does_not_refuse_the_file():
    with pytest.warns(UserWarning, match="of nodes 'recorded'"):
        found = load(FOREIGN / "networkx_3.6.1.graphml")
    assert found == Wiring(
        0, ["AVAL", "AVAR", "PVCL"], pre=[0, 1, 2], post=[1, 2, 0], kind=[GAP, 0, 0], sign=[0, 0, -1], count=[7, 2, 2.5]
    )


def test_options_go_to_graphml_alone(tmp_path):
    save(OURS, tmp_path / "a.json")
    save(OURS, tmp_path / "a.graphml")
    with pytest.raises(ArgumentError, match=r"a\.json says all that a wiring has; inputs is for GraphML"):
        load(tmp_path / "a.json", inputs=["AVAL"])
    with pytest.raises(ArgumentError, match="unknown option 'input'; did you mean 'inputs'"):
        load(tmp_path / "a.graphml", input=["AVAL"])
    assert load(tmp_path / "a.graphml", outputs=["AVAL"]) == OURS.read_out("AVAL")


def test_every_node_and_edge_of_our_graphs_has_every_attribute():
    graph = to_networkx(OURS)
    assert len({tuple(found) for _, found in graph.nodes(data=True)}) == 1
    assert len({tuple(found) for *_, found in graph.edges(data=True)}) == 1
    assert None not in {value for _, found in graph.nodes(data=True) for value in found.values()}


def test_our_graphs_are_read_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert from_networkx(to_networkx(OURS)) == OURS
        assert from_graphml(to_graphml(OURS)) == OURS


# -- attributes that nobody reads --------------------------------------------------------------------------------------


def graphml(inside, keys=""):
    return f'<graphml>{keys}<graph edgedefault="directed">{inside}</graph></graphml>'


PAIR = '<node id="a"/><node id="b"/><edge source="a" target="b"/>'


@pytest.mark.parametrize("kind", ["boolean", "int", "listfloat", "anything"])
@pytest.mark.parametrize("text", ["False", "x", "", "&lt;a&gt;", '<y:Shape xmlns:y="y"><y:Fill/>text</y:Shape>'])
@pytest.mark.parametrize("scope", ["node", "all"])
def test_data_that_is_not_read_is_not_judged(kind, text, scope):
    keys = f'<key id="k" for="{scope}" attr.name="recorded" attr.type="{kind}"><default>{text}</default></key>'
    inside = f'<node id="a"><data key="k">{text}</data></node><node id="b"><data key="k">{text}</data></node>'
    found = from_graphml(graphml(inside + '<edge source="a" target="b"/>', keys), attributes={"recorded": None})
    assert found == Wiring(0, ["a", "b"], pre=[0], post=[1])


def test_elements_in_data_that_is_read_are_refused():
    keys = '<key id="k" for="edge" attr.name="weight"/>'
    inside = '<node id="a"/><node id="b"/><edge source="a" target="b"><data key="k"><b>1</b></data></edge>'
    with pytest.raises(WiringError, match="<b> in <data> is not read"):
        from_graphml(graphml(inside, keys))


def peak(text, options=None):
    """Memory that reading takes at most, in times the text's length; the text is refused or read."""
    tracemalloc.start()
    try:
        from_graphml(text, attributes=options)
    except WiringError:
        pass
    finally:
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return most / len(text)


def test_a_default_is_not_copied_to_every_node():
    n = 1000
    keys = "".join(f'<key id="k{i}" for="node" attr.name="a{i}"><default>{"x" * 50}</default></key>' for i in range(n))
    keys += f'<key id="w" for="edge" attr.name="weight"><default>{"1" * 300}</default></key>'
    text = graphml("".join(f'<node id="v{i}"/>' for i in range(n)) + '<edge source="v0" target="v1"/>', keys)
    with pytest.warns(UserWarning, match="and 988 more"):
        assert peak(text) < 20
    with pytest.warns(UserWarning, match="and 988 more"):
        assert from_graphml(text).count.tolist() == [float("1" * 300)]


def test_a_default_holds_where_there_is_no_value_and_nowhere_else():
    keys = '<key id="w" for="edge" attr.name="Weight"><default>5</default></key>'
    edges = '<edge source="a" target="b"/><edge source="b" target="a"><data key="w">2</data></edge>'
    found = from_graphml(graphml('<node id="a"/><node id="b"/>' + edges, keys))
    assert found == Wiring(0, ["a", "b"], pre=[0, 1], post=[1, 0], count=[5, 2])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (graphml("<node id='a'><data key='k'>" + "<a>" * 200_000, '<key id="k"/>'), "nested more than 100 deep"),
        (
            graphml("<node id='a' " + " ".join(f"a{i}=''" for i in range(20_000)) + "/>"),
            "more than 10,000 different names",
        ),
        (graphml(f'<node id="{"a" * 9_000_000}"/>'), "a tag or comment is longer than 4,194,304 bytes"),
        ("<!--" + "a" * 9_000_000, "a tag or comment is longer than 4,194,304 bytes"),
        ("<graphml>" + "<desc>" + "<a>" * 200_000, "nested more than 100 deep"),
    ],
    ids=["nested", "names", "tag", "comment", "desc"],
)
def test_what_would_fill_the_parser_is_refused(text, message):
    with pytest.raises(WiringError, match=message):
        from_graphml(text)


def test_a_node_may_have_a_long_name():
    assert from_graphml(graphml(f'<node id="{"a" * 100_000}"/>')).n_neurons == 1


# -- any attributes at all ---------------------------------------------------------------------------------------------

VALUES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.lists(st.integers(), max_size=2)
)
WORDS = st.sampled_from(["gap", "EJ", "exc", "inh", "S", "R", "undirected", "7", "-1", "input", "nan", "motor"])
NAMES = ["kind", "Type", "sign", "count", "Weight", "cell", "role", "layer", "output", "name", "Label", "id", "x", 3]
ATTRIBUTES = st.dictionaries(st.sampled_from(NAMES), VALUES | WORDS, max_size=3)


@given(
    st.sampled_from([nx.Graph, nx.DiGraph, nx.MultiGraph, nx.MultiDiGraph]),
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from([0, 1, "a", "n1"]), ATTRIBUTES), max_size=4),
    st.lists(ATTRIBUTES, max_size=3),
)
def test_any_graph_is_a_wiring_or_one_clear_error(kind, edges, nodes):
    graph = kind()
    for node, found in enumerate(nodes):
        graph.add_node(node)
        graph.nodes[node].update(found)
    for pre, post, found in edges:
        key = graph.add_edge(pre, post)
        (graph.edges[pre, post] if key is None else graph.edges[pre, post, key]).update(found)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            wiring = from_networkx(graph)
        except WiringError as error:
            assert len(str(error)) < 1000  # noqa: PT017
        else:
            assert len(wiring.cells) == graph.number_of_nodes()


def test_the_limits_hold_for_what_is_read(monkeypatch):
    monkeypatch.setattr(formats, "MAX_SYNAPSES", 1)
    with pytest.raises(WiringError, match="there are 2 synapses"):
        from_networkx(nx.Graph([("a", "b")]))  # one edge, two synapses


def test_a_current_of_an_input_is_read():
    graph = nx.DiGraph()
    graph.add_edge("light", "a", Type="Current", weight=0.5)
    assert only(from_networkx(graph, inputs=["light"])) == (CURRENT, 0, 0.5)
