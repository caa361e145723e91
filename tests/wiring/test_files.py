import json
import os
import re
import stat
import tracemalloc
from pathlib import Path

import networkx as nx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import wirings

from wormnet import ArgumentError, DataError, WiringError
from wormnet.wiring import CHEMICAL, CURRENT, GAP, Wiring, formats
from wormnet.wiring.files import from_json, load, save, to_json
from wormnet.wiring.graphml import from_graphml, to_graphml
from wormnet.wiring.graphs import from_networkx, to_networkx

SMALL = Wiring(["a"], ["b", "c"], pre=[0, 1], post=[1, 2], sign=[1, -1])
ALL_KINDS = Wiring(
    ["a"],
    ["b", "c", "d"],
    roles=["inter", "command", "motor"],
    outputs=["d", "b"],
    layers=[0, 1, 2],
    pre=[0, 0, 1, 1, 3],
    post=[1, 2, 2, 2, 3],
    kind=[CHEMICAL, CURRENT, CHEMICAL, GAP, CHEMICAL],
    sign=[1, 0, -1, 0, 1],
    count=[1, 2.5, 1 / 3, 1e-300, 7],
    source='<White> & "others" 1986',
)
ODD = Wiring(
    ["\x00", "\r\n", " ", "<&'\">"],
    ["\\u0041", "A", "]]>", "\ufffe", "\x85", "\ud800", "日本", "🪱"],
    [*["motor"] * 8],
    [],
)
FORMATS = [(to_json, from_json), (to_networkx, from_networkx), (to_graphml, from_graphml)]


# -- round trips -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("write", "read"), FORMATS, ids=["json", "networkx", "graphml"])
@given(wiring=wirings(names=True, neurons=(0, 7)))
@example(wiring=ODD)
@example(wiring=ALL_KINDS)
@example(wiring=Wiring(0, 0))
@example(wiring=Wiring(3, 0, source="\r\\"))
@example(wiring=Wiring(0, 3, outputs=[]))
def test_every_format_gives_back_the_same_wiring(write, read, wiring):
    again = read(write(wiring))
    assert again.to_dict() == wiring.to_dict()
    assert again == wiring


@given(wirings(names=True))
@example(ODD)
def test_files_give_back_the_same_wiring(tmp_path_factory, wiring):
    folder = tmp_path_factory.getbasetemp()
    for name in ("wiring.json", "wiring.GraphML"):
        save(wiring, folder / name)
        assert load(str(folder / name)) == wiring


@given(wirings())
def test_networkx_reads_our_graphml_and_we_read_its(wiring):
    assert from_networkx(nx.parse_graphml(to_graphml(wiring))) == wiring
    assert from_graphml("\n".join(nx.generate_graphml(to_networkx(wiring)))) == wiring


def test_the_graph_has_the_degrees_that_were_drawn_by_hand():
    graph = to_networkx(ALL_KINDS)
    assert list(graph) == ["a", "b", "c", "d"]
    assert dict(graph.in_degree()) == {"a": 0, "b": 1, "c": 3, "d": 1}
    assert dict(graph.out_degree()) == {"a": 2, "b": 2, "c": 0, "d": 1}
    assert graph.nodes["a"] == {"cell": "input", "role": "input", "layer": -1, "output": -1}
    assert graph.nodes["c"] == {"cell": "neuron", "role": "command", "layer": 1, "output": -1}
    assert graph.nodes["b"] == {"cell": "neuron", "role": "inter", "layer": 0, "output": 1}
    assert graph.nodes["d"] == {"cell": "neuron", "role": "motor", "layer": 2, "output": 0}
    assert sorted(data["kind"] for data in graph["b"]["c"].values()) == ["chemical", "gap"]


# -- graphs of users ---------------------------------------------------------------------------------------------------


def test_a_plain_directed_graph_is_a_wiring_of_neurons_that_are_all_read_out():
    found = from_networkx(nx.DiGraph([(5, 3), (3, 3)]))
    assert found == Wiring(0, ["5", "3"], "unknown", pre=[0, 1], post=[1, 1])


def test_an_undirected_chemical_edge_leads_both_ways_and_every_other_one_way():
    graph = nx.Graph()
    graph.add_node("n")
    graph.add_node("m")
    graph.add_node("in", cell="input")
    graph.add_edge("n", "in", sign=1)
    graph.add_edge("n", "n")
    graph.add_edge("n", "m", weight=4, sign=-1)
    graph.add_edge("m", "x", kind="gap")
    chemical = Wiring(
        ["in"],
        ["n", "m", "x"],
        pre=[0, 1, 1, 2, 2],
        post=[1, 1, 2, 1, 3],
        kind=[CHEMICAL] * 4 + [GAP],
        sign=[1, 0, -1, -1, 0],
        count=[1, 1, 4, 4, 1],
    )
    assert from_networkx(graph) == chemical


def test_a_count_beats_a_weight():
    graph = nx.DiGraph()
    graph.add_edge("a", "b", count=3, weight=-9)
    with pytest.warns(UserWarning, match="were not read: of edges 'weight'"):
        assert from_networkx(graph).count.tolist() == [3.0]


def test_outputs_follow_their_ranks_whatever_the_numbers():
    graph = nx.DiGraph()
    for name, rank in (("a", 40), ("b", None), ("c", 7)):
        graph.add_node(name, **({} if rank is None else {"output": rank}))
    assert from_networkx(graph).outputs == ("c", "a")


def test_a_node_that_an_edit_added_takes_the_defaults():
    graph = to_networkx(ALL_KINDS)
    graph.add_edge("d", "e")
    assert from_networkx(graph).outputs == ("d", "b")
    assert from_networkx(graph).neurons == ("b", "c", "d", "e")


@pytest.mark.parametrize(
    ("node", "edge", "message"),
    [
        ({"cell": "neurone"}, {}, "node 'a': cell is 'neurone'; it takes input, neuron."),
        ({"role": 3}, {}, "node 'a': role is 3; it takes sensory, inter, command, motor, unknown."),
        ({"role": ["motor"]}, {}, "node 'a': role is ['motor']; it takes sensory"),
        ({"layer": True}, {}, "node 'a': layer is True; it takes a whole number."),
        ({"layer": -1}, {}, "node 'a': layer is -1; it takes 0 to"),
        ({"layer": 10**30}, {}, f"node 'a': layer is {10**30}; it takes 0 to"),
        ({"output": 1}, {}, "node 'b': output is 1, and so is that of 'a'."),
        ({"cell": "input", "role": "motor"}, {}, "node 'a': it is an input and has role; only neurons do."),
        ({}, {"kind": "chemicla"}, "edge 'a' -> 'b': kind is 'chemicla'; it takes chemical (send, S, Sp), gap ("),
        ({}, {"kind": 1}, "edge 'a' -> 'b': kind is 1; it takes chemical (send, S, Sp), gap ("),
        ({}, {"sign": 2}, "edge 'a' -> 'b': sign is 2; it takes -1, 0 or 1, or excitatory, inhibitory."),
        ({}, {"sign": 0.5}, "edge 'a' -> 'b': sign is 0.5; it takes -1, 0 or 1, or excitatory, inhibitory."),
        ({}, {"sign": "acetylcholine"}, "edge 'a' -> 'b': sign is 'acetylcholine'; it takes -1, 0 or 1"),
        ({}, {"sign": True}, "edge 'a' -> 'b': sign is True; it takes -1, 0 or 1"),
        ({}, {"kind": "gap", "sign": 1}, "edge 'a' -> 'b': sign is 1; a gap junction has none."),
        ({}, {"kind": "exc", "sign": -1}, "edge 'a' -> 'b': sign is -1, and kind is 'exc'."),
        ({}, {"kind": "Rp"}, "edge 'a' -> 'b': kind is 'Rp': the first cell receives"),
        (
            {},
            {"weight": 1, "Weight": 2},
            "edge 'a' -> 'b': weight is 1 and Weight is 2, and both mean count; say which",
        ),
        ({}, {"count": None}, "edge 'a' -> 'b': count is None; it takes a finite number > 0."),
        ({}, {"count": 10**5000}, "edge 'a' -> 'b': count is <int>; it takes a finite number > 0."),
        ({"layer": 10**5000}, {}, "node 'a': layer is <int>; it takes"),
        ({"layer": 0.5}, {}, "node 'a': layer is 0.5; it takes a whole number."),
        (
            {},
            {"weight": -0.5},
            "edge 'a' -> 'b': weight is -0.5; it takes a finite number > 0. Polarity goes into sign",
        ),
        ({}, {"count": 0}, "edge 'a' -> 'b': count is 0; it takes a finite number > 0."),
        ({}, {"count": float("nan")}, "edge 'a' -> 'b': count is nan; it takes a finite number > 0."),
        ({}, {"count": float("inf")}, "edge 'a' -> 'b': count is inf; it takes a finite number > 0."),
        ({}, {"count": 10**400}, "edge 'a' -> 'b': count is 1000"),
        ({}, {"count": True}, "edge 'a' -> 'b': count is True; it takes a finite number > 0."),
        ({}, {"count": "two"}, "edge 'a' -> 'b': count is 'two'; it takes a finite number > 0."),
        ({}, {"kind": "current"}, "is a current from cell 0 ('a'), a neuron"),
    ],
)
def test_a_graph_that_is_no_wiring_is_refused_with_its_node_or_edge(node, edge, message):
    graph = nx.DiGraph()
    graph.add_node("a", **node)
    graph.add_node("b", output=1)
    graph.add_edge("a", "b", **edge)
    with pytest.raises(WiringError, match=re.escape(message)):
        from_networkx(graph)


def test_nodes_that_read_the_same_are_refused():
    with pytest.raises(WiringError, match="two cells are named '1'"):
        from_networkx(nx.DiGraph([(1, "1")]))


def test_what_is_no_graph_is_refused():
    with pytest.raises(WiringError, match=re.escape("graph is [1]; it takes a graph of networkx.")):
        from_networkx([1])


# -- damaged JSON ------------------------------------------------------------------------------------------------------


def changed(**columns):
    return json.dumps({"format": "wormnet-wiring", "version": 1, **SMALL.to_dict(), **columns})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"{}", "text is of type bytes; it takes the text of a JSON file."),
        ("", "line 1, column 1: this is no JSON: Expecting value."),
        ('{\n "format": }', "line 2, column 12: this is no JSON: Expecting value."),
        ("\ufeff{}", "line 1, column 1: this is no JSON: Expecting value."),
        (to_json(SMALL)[:-20], "this is no JSON"),
        (to_json(SMALL) * 2, "line 16, column 1: this is no JSON: Extra data."),
        ("[" * 100_000, "the JSON holds a list; a wiring is an object."),
        ('{"a":' * 100_000, "unknown key 'a'"),
        ('{"format":' * 100_000, "format is an object; it takes 'wormnet-wiring'."),
        ('{"pre": [{"a": ' * 100_000, "pre[0] is an object; it takes a whole number."),
        ('{"pre": [1 2', "line 1, column 12: this is no JSON: Expecting ',' delimiter."),
        ('{"pre": ["a" 2', "line 1, column 14: this is no JSON: Expecting ',' delimiter."),
        ('{"pre": [1,]}', "this is no JSON"),
        ('{"inputs": ["a",]}', "line 1, column 17: this is no JSON: Expecting value."),
        ('{"inputs" ["a"]}', "line 1, column 11: this is no JSON: Expecting ':' delimiter."),
        ('{"inputs": ["a"] "pre"', "line 1, column 18: this is no JSON: Expecting ',' delimiter."),
        (
            '{"inputs": ["a"], pre',
            "line 1, column 19: this is no JSON: Expecting property name enclosed in double quotes.",
        ),
        (changed(pre=0).replace('"pre": 0', '"pre": ' + "[" * 500 + "]" * 500), "pre[0] is a list; it takes a whole"),
        ("[]", "the JSON holds a list; a wiring is an object."),
        ("NaN", "the JSON holds nan; a wiring is an object."),
        ("{}", "format is null; it takes 'wormnet-wiring'."),
        (changed(format=["wormnet-wiring"]), "format is a list; it takes 'wormnet-wiring'."),
        (changed(format="gml"), "format is 'gml'; it takes 'wormnet-wiring'."),
        (changed(version=2), "version is 2; this release reads version 1."),
        (changed(version=True), "version is True; this release reads version 1."),
        (changed(version=1.0), "version is 1.0; this release reads version 1."),
        (changed(prae=[]), "unknown key 'prae'; did you mean 'pre'"),
        (changed()[:-1] + ', "pre": [0, 1]}', "key 'pre' is given twice; each is given once."),
        ('{"format": "wormnet-wiring", "version": 1, "pre": []}', "the JSON lacks inputs, neurons, roles, outputs,"),
        (changed(inputs=3), "inputs is 3; it takes a list."),
        (changed(inputs="a"), "inputs is 'a'; it takes a list."),
        (changed(neurons={"b": 1}), "neurons is an object; it takes a list."),
        (changed(neurons=["b", None]), "neurons[1] is null; it takes text."),
        (changed(neurons=["b", ""], outputs=[]), "neurons holds ''; a cell's name is text and not empty."),
        (changed(neurons=["b", "a"], outputs=[]), "two cells are named 'a'"),
        (changed(roles=["motor", "moter"]), "roles[1] is 'moter'; it takes a role: sensory, inter, command, motor"),
        (changed(roles=["motor"]), "roles holds 1 for 2 neurons"),
        (changed(outputs=["b", "a"]), "outputs[1] is 'a'; it takes the name of a neuron."),
        (changed(outputs=["c", 0]), "outputs[1] is 0; it takes text."),
        (changed(outputs=["c", "c"]), "outputs names a neuron twice"),
        (changed(layers=[0, 0.5]), "layers[1] is 0.5; it takes a whole number."),
        (changed(layers=[0, -1]), "layers holds -1; layers are numbered from 0."),
        (changed(layers=[0]), "layers has shape (1,); it takes one number for each of the 2 neurons."),
        (changed(pre=[0, True]), "pre[1] is True; it takes a whole number."),
        (changed(pre=[0, 1.0]), "pre[1] is 1.0; it takes a whole number."),
        (changed(pre=["0", 1]), "pre[0] is '0'; it takes a whole number."),
        (changed(pre=[0, 9]), "synapse 1 starts on cell 9; cells are numbered 0 to 2."),
        (changed(pre=[0, 10**25]), "pre[1] is 1e+25; it takes a whole number."),
        (changed(pre=[0, 0]).replace('"pre": [0, 0]', f'"pre": [0, {"9" * 9999}]'), "pre[1] is inf; it takes a whole"),
        (changed(pre=[0]), "pre has shape (1,) and post (2,)"),
        (changed(post=[0, 1]), "synapse 0 ends on cell 0 ('a'), which is not a neuron"),
        (changed(kind=[0, 3]), "synapse 1 has kind 3"),
        (changed(sign=[0, 2]), "synapse 1 has sign 2"),
        (changed(sign=[0]), "sign has shape (1,); it takes one for each of the 2 synapses"),
        (changed(count=[1, float("nan")]), "synapse 1 has count nan; a count is finite and > 0."),
        (changed(count=[1, -float("inf")]), "synapse 1 has count -inf; a count is finite and > 0."),
        (changed(count=[1, 2]).replace('"count": [1, 2]', '"count": [1, 1e400]'), "synapse 1 has count inf"),
        (changed(count=[1, "2"]), "count[1] is '2'; it takes a number."),
        (changed(count=[False, 2]), "count[0] is False; it takes a number."),
        (changed(source=None), "source is null; it takes text."),
    ],
)
def test_damaged_json_is_refused_with_its_place(text, message):
    with pytest.raises(WiringError, match=re.escape(message)):
        from_json(text)


def test_whole_counts_are_taken():
    assert from_json(changed(count=[1, 2])).count.tolist() == [1.0, 2.0]


def test_a_message_stays_short_whatever_the_file_holds():
    name = "x" * 100_000
    for columns in ({"neurons": [name, name]}, {name: 1}, {"roles": ["motor", name]}, {"format": name}):
        with pytest.raises(WiringError) as caught:
            from_json(changed(**columns))
        assert len(str(caught.value)) <= 1000


@pytest.mark.parametrize(
    ("start", "again", "message"),
    [
        ('{"pre": [', "[],", "pre[0] is a list"),
        ('{"pre": [', "{},", "pre[0] is an object"),
        ("", "[],", "the JSON holds a list"),
        ('{"pre": [', "300,", "a file holds at most 2,000,000"),
        ('{"neurons": [', '"ab",', "neurons holds more than 20,000"),
        ('{"neurons": {', '"ab":1,', "neurons is an object"),
        ('{"format": [', '"ab",', "format is a list"),
        ("{", '"ab":[],', "unknown key 'ab'"),
    ],
)
def test_what_is_no_wiring_is_refused_in_no_more_memory_than_its_length(monkeypatch, start, again, message):
    monkeypatch.setattr(formats, "MAX_CELLS", 20_000)
    text = start + again * (9_000_000 // len(again))
    tracemalloc.start()
    try:
        with pytest.raises(WiringError, match=re.escape(message)):
            from_json(text)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_numbers_of_every_length_are_read_as_they_stand():
    long = 123456789012345678
    found = changed(count=[long, 0.1]).replace(str(long), str(long) + "9")  # 19 digits
    assert from_json(found).count.tolist() == [1234567890123456789.0, 0.1]
    with pytest.raises(WiringError, match=r"layers\[1\] is 1\.23"):
        from_json(changed(layers=[0, long]).replace(str(long), str(long) + "9"))


# -- damaged GraphML ---------------------------------------------------------------------------------------------------

BOMB = """<?xml version="1.0"?>
<!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c SYSTEM "file:///etc/passwd">]>
<graphml><graph edgedefault="directed"><node id="&b;&c;"/></graph></graphml>"""


def graphml(inside, keys="", edgedefault="directed"):
    return f'<graphml>{keys}<graph edgedefault="{edgedefault}">{inside}</graph></graphml>'


NODES = '<node id="a"/><node id="b"/>'
COUNT = '<key id="c" for="edge" attr.name="count" attr.type="double"/>'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "text is of type NoneType; it takes the text of a GraphML file."),
        ("", "line 1, column 1: this is no XML: no element found."),
        ("<graphml>\n<graph", "line 2, column 1: this is no XML: unclosed token."),
        (BOMB, "line 2, column 16: a DOCTYPE, and with it every entity, is refused; delete it."),
        ("<!DOCTYPE graphml>" + graphml(""), "a DOCTYPE, and with it every entity, is refused"),
        (graphml('<node id="&x;"/>'), "this is no XML: undefined entity."),
        (graphml('\n<node id="\ud800"/>'), "line 2: '\\ud800' is half a character."),
        ("<graphml>" * 100_000, "column 10: <graphml> in <graphml> is not read"),
        ("<html/>", "line 1, column 1: <html> at the top is not read; taken are graphml,"),
        ("<graphml/>", "there is no <graph>."),
        (graphml("<hyperedge/>"), "<hyperedge> in <graph> is not read"),
        (graphml('<node id="a"><graph edgedefault="directed"/></node>'), "<graph> in <node> is not read"),
        ('<graphml><graph edgedefault="directed"/><graph edgedefault="directed"/></graphml>', "this is a second graph"),
        ("<graphml><graph/></graphml>", "<graph> has no edgedefault."),
        (graphml("", edgedefault="both"), "edgedefault is 'both'; it takes directed or undirected."),
        (graphml("<node/>"), "<node> has no id."),
        (graphml('<node id=""/>'), "neurons holds ''; a cell's name is text and not empty."),
        (graphml(NODES + '\n<node id="a"/>'), "line 2, column 1: node 'a' is given twice."),
        (graphml(NODES + '<edge source="a"/>'), "<edge> has no target."),
        (
            graphml('\n<edge source="a" target="z"/>' + NODES),
            "line 2: the edge has end 'z'; there is no such",
        ),
        (graphml(NODES + '<edge source="a" target="b"/>' * 2), "two chemical synapses go from 'a' to 'b'"),
        (graphml(NODES + '<edge source="a" target="b" directed="no"/>'), "directed is 'no'; it takes true or false."),
        (graphml("words"), "'words' in <graph> is not read; text stands in <data>."),
        (graphml('<node id="a"><data key="c">1</data></node>'), "key 'c' is not defined by a <key> before."),
        (graphml("", COUNT * 2), "key 'c' is given twice."),
        (
            graphml(NODES + '\n<edge source="a" target="b"><data key="c">x</data></edge>', COUNT),
            "edge 'a' -> 'b': count is 'x'; it takes a finite number > 0.",
        ),
        (
            graphml(NODES + '<edge source="a" target="b"><data key="c">nan</data></edge>', COUNT),
            "edge 'a' -> 'b': count is 'nan'; it takes a finite number > 0.",
        ),
        (
            graphml(NODES + '<edge source="a" target="b"><data key="c">1</data><data key="c">1</data></edge>', COUNT),
            "'count' is given twice.",
        ),
        (to_graphml(SMALL).replace(">1<", ">7<", 1), "version is 7; this release reads version 1."),
        (to_graphml(SMALL)[:-12], "this is no XML: no element found."),
    ],
)
def test_damaged_graphml_is_refused_with_its_place(text, message):
    with pytest.raises(WiringError, match=re.escape(message)):
        from_graphml(text)


def test_names_that_only_the_escape_makes_equal_are_refused():
    text = (
        to_graphml(Wiring(0, ["\x01", "A"])).replace('id="A"', 'id="\\u0001"').replace('id="\\u0001"', 'id="\x41"', 1)
    )
    text = text.replace('id="\\u0001"', 'id="\\u0041"')
    with pytest.raises(WiringError, match=re.escape("two nodes have one name, one of them written with \\uXXXX.")):
        from_graphml(text)


def test_graphml_of_other_programs_is_read_with_its_defaults_and_prefixes():
    text = (
        '<g:graphml xmlns:g="http://graphml.graphdrawing.org/xmlns"><g:desc>a <![CDATA[graph]]></g:desc>'
        '<g:key id="s" for="edge" attr.name="sign" attr.type="int"><g:default>-1</g:default></g:key>'
        '<g:key id="l" for="node" attr.name="label"/><g:graph edgedefault="directed">'
        '<g:edge source="a" target="b"/><g:edge source="b" target="a"><g:data key="s"> 1 </g:data></g:edge>'
        '<g:node id="a"><g:data key="l">any</g:data></g:node><g:node id="b"/></g:graph></g:graphml>'
    )
    with pytest.warns(UserWarning, match="were not read: of nodes 'label'"):
        found = from_graphml(text)
    assert found == Wiring(0, ["a", "b"], pre=[0, 1], post=[1, 0], sign=[-1, 1])
    assert from_graphml(text, attributes={"label": None}) == found


def test_undirected_graphml_is_read_as_an_undirected_graph():
    found = from_graphml(graphml(NODES + '<edge source="a" target="b"/>', edgedefault="undirected"))
    assert found == Wiring(0, ["a", "b"], pre=[0, 1], post=[1, 0])


# -- limits ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("write", "read"), FORMATS, ids=["json", "networkx", "graphml"])
@pytest.mark.parametrize(("name", "limit", "what"), [("MAX_CELLS", 2, "3 cells"), ("MAX_SYNAPSES", 1, "2 synapses")])
def test_more_than_the_limits_is_neither_written_nor_read(monkeypatch, write, read, name, limit, what):
    written = write(SMALL)
    monkeypatch.setattr(formats, name, limit + 1)
    assert read(written) == SMALL
    monkeypatch.setattr(formats, name, limit)
    for refused in (lambda: read(written), lambda: write(SMALL)):
        with pytest.raises(WiringError, match=f"(there are {what}|pre holds 2); a file holds at most {limit}"):
            refused()


def test_no_wiring_is_built_from_more_than_the_limits(monkeypatch):
    written = to_json(SMALL)
    monkeypatch.setattr(formats, "MAX_CELLS", 2)
    monkeypatch.setattr(formats, "Wiring", lambda **_: pytest.fail("it was built"))
    with pytest.raises(WiringError, match="there are 3 cells"):
        from_json(written)


@pytest.mark.parametrize(("write", "read"), [FORMATS[0], FORMATS[2]], ids=["json", "graphml"])
def test_longer_text_than_the_limit_is_neither_written_nor_read(monkeypatch, write, read):
    written = write(SMALL)
    monkeypatch.setattr(formats, "MAX_BYTES", len(written))
    assert read(write(SMALL)) == SMALL
    monkeypatch.setattr(formats, "MAX_BYTES", len(written) - 1)
    for refused in (lambda: read(written), lambda: write(SMALL)):
        with pytest.raises(WiringError, match=f"a file holds at most {len(written) - 1:,}"):
            refused()


@pytest.mark.parametrize("write", [write for write, _ in FORMATS])
def test_what_is_no_wiring_is_not_written(write):
    with pytest.raises(WiringError, match="wiring is 3; it takes a Wiring"):
        write(3)


# -- files -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["wiring.txt", "wiring", "json"])
def test_another_ending_is_refused(tmp_path, name):
    for refused in (lambda: save(SMALL, tmp_path / name), lambda: load(tmp_path / name)):
        with pytest.raises(ArgumentError, match=r"a wiring's file ends in \.json or \.graphml"):
            refused()
    assert not list(tmp_path.iterdir())


def test_a_path_that_is_none_is_refused():
    with pytest.raises(ArgumentError, match="path is of type int; it takes the name of a file"):
        load(3)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"there is no file .*wiring\.json"):
        load(tmp_path / "wiring.json")
    with pytest.raises(DataError, match=r"cannot write .*none/wiring\.json: No such file or directory"):
        save(SMALL, tmp_path / "none" / "wiring.json")
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(DataError, match=r"cannot read .*folder\.json: it is a folder; it takes a file"):
        load(tmp_path / "folder.json")
    with pytest.raises(ArgumentError, match=r"'wi.x00ring\.json', which holds a null byte; no file has it"):
        load("wi\0ring.json")


@pytest.mark.parametrize("name", ["wiring.json", "wiring.graphml"])
@pytest.mark.parametrize("fault", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path, monkeypatch, name, fault):
    save(ALL_KINDS, tmp_path / name)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(*{"fsync": (os, "fsync"), "replace": (Path, "replace")}[fault], full)
    with pytest.raises(DataError, match=rf"cannot write .*{name}: No space left on device"):
        save(SMALL, tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert load(tmp_path / name) == ALL_KINDS


def test_a_wiring_that_cannot_be_written_leaves_the_old_file(tmp_path, monkeypatch):
    save(ALL_KINDS, tmp_path / "wiring.json")
    monkeypatch.setattr(formats, "MAX_SYNAPSES", 1)
    with pytest.raises(WiringError, match="there are 2 synapses"):
        save(SMALL, tmp_path / "wiring.json")
    monkeypatch.undo()
    assert load(tmp_path / "wiring.json") == ALL_KINDS


def test_a_file_may_be_read_by_whom_the_umask_lets(tmp_path):
    (tmp_path / "plain").touch()
    save(SMALL, tmp_path / "wiring.json")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "wiring.json")]
    assert modes[0] == modes[1]


def test_a_saved_link_stays_a_link(tmp_path):
    (tmp_path / "link.json").symlink_to(tmp_path / "wiring.json")
    save(SMALL, tmp_path / "link.json")
    assert (tmp_path / "link.json").is_symlink()
    assert load(tmp_path / "wiring.json") == SMALL


@pytest.mark.parametrize("name", ["wiring.json", "wiring.graphml"])
def test_a_damaged_file_is_named_with_its_place(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"<\n\xff>")
    with pytest.raises(DataError, match=rf"{name}, line 2: byte 2 is not UTF-8"):
        load(path)
    path.write_bytes(b"<>")
    with pytest.raises(WiringError, match=rf"{name}: line 1, column \d: this is no"):
        load(path)


def test_a_byte_order_mark_is_passed_over(tmp_path):
    for name, write in (("wiring.json", to_json), ("wiring.graphml", to_graphml)):
        (tmp_path / name).write_text(write(SMALL), encoding="utf-8-sig")
        assert load(tmp_path / name) == SMALL


def test_a_file_of_more_bytes_than_the_limit_is_refused_unread(tmp_path):
    path = tmp_path / "wiring.json"
    with path.open("wb") as file:
        file.truncate(formats.MAX_BYTES + 1)  # a hole: it takes no room
    with pytest.raises(DataError, match=r"wiring\.json is longer than 67,108,864 bytes"):
        load(path)


# -- random damage -----------------------------------------------------------------------------------------------------

PIECES = [
    *("", "0", "-1", "1e400", "NaN", "Infinity", "true", "null", '""', "[", "]", "{", "}", ",", ":", '"', "\\u0000"),
    *("9" * 30, "[" * 2000, '"pre": [],', "<", ">", "&", "/>", "<!DOCTYPE x>", "<!--", "<![CDATA[", "&lt;", "<?x?>"),
    *("\x00", "\xff", "\ud7ff", "node", "edge", "input", "gap", "undirected", "count", "escaped"),
]


@st.composite
def damaged(draw, text):
    content = text.encode()
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        stop = draw(st.integers(start, min(len(content), start + draw(st.sampled_from([0, 1, 5, 40, 10**6])))))
        new = draw(st.sampled_from(PIECES).map(str.encode) | st.binary(max_size=4))
        content = content[:start] + new + content[stop:]
    return content


@st.composite
def with_a_value_replaced(draw):
    anything = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    )
    content = json.loads(to_json(ALL_KINDS))
    key = draw(st.sampled_from(sorted(content)))
    if isinstance(content[key], list) and draw(st.booleans()):
        content[key][draw(st.integers(0, len(content[key]) - 1))] = draw(anything)
    else:
        content[key] = draw(anything)
    return json.dumps(content).encode()


def check_it_is_whole_or_refused(path, content):
    path.write_bytes(content)
    message, found = path.name, None
    try:
        found = load(path)
    except (WiringError, DataError) as error:
        message = str(error)
    assert path.name in message
    assert len(message) < 2000
    assert found is None or found == Wiring(**found.to_dict())


@given(damaged(to_json(ALL_KINDS)) | with_a_value_replaced())
def test_damaged_json_gives_a_wiring_or_one_clear_error(tmp_path_factory, content):
    check_it_is_whole_or_refused(tmp_path_factory.getbasetemp() / "damaged.json", content)


@given(damaged(to_graphml(ALL_KINDS)) | damaged(to_graphml(ODD)))
def test_damaged_graphml_gives_a_wiring_or_one_clear_error(tmp_path_factory, content):
    check_it_is_whole_or_refused(tmp_path_factory.getbasetemp() / "damaged.graphml", content)
