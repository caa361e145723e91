"""Edge lists from CSV files and data frames, with the columns of published tables."""

import re
import warnings

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import wirings

from wormnet import ArgumentError, DataError, WiringError
from wormnet.wiring import CHEMICAL, CURRENT, GAP, Wiring, formats, read_edges, to_csv, to_networkx

TABLE = """Source,Target,Type,Weight
touch,AVAL,chemical,3
AVAL,AVAR,electrical,2
AVAR,AVAL,electrical,2
AVAR,DA1,inhibitory,7.5
"""
WIRING = Wiring(
    ["touch"],
    ["AVAL", "AVAR", "DA1"],
    outputs=["DA1"],
    pre=[0, 1, 2],
    post=[1, 2, 3],
    kind=[CHEMICAL, GAP, CHEMICAL],
    sign=[0, 0, -1],
    count=[3, 2, 7.5],
    source="here",
)
OPTIONS = {"inputs": ["touch"], "outputs": ["DA1"], "source": "here"}


def written(tmp_path, text, name="edges.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def rows(*given, columns=("pre", "post", "kind", "sign", "count")):
    return {name: [row[i] for row in given] for i, name in enumerate(columns[: len(given[0])])}


def test_a_file_a_data_frame_and_a_mapping_are_read_alike(tmp_path):
    path = written(tmp_path, TABLE)
    frame = pd.read_csv(path)
    for table in (path, str(path), frame, frame.to_dict("list")):
        assert read_edges(table, **OPTIONS) == WIRING


@pytest.mark.parametrize(
    ("mark", "name"), [(",", "a.csv"), (";", "a.csv"), ("\t", "a.tsv"), ("\t", "a.csv"), (" ", "a.txt")]
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_columns_are_told_apart_by_any_usual_mark(tmp_path, mark, name, end):
    text = "\ufeff" + TABLE.replace(",", mark).replace("\n", end) + end
    assert read_edges(written(tmp_path, text, name), **OPTIONS) == WIRING


@pytest.mark.parametrize(
    ("pre", "post"),
    [
        ("pre", "post"),
        ("Source", "Target"),
        ("source", "target"),
        ("SOURCE", "TARGET"),
        ("From", "To"),
        ("Origin", "Target"),
        ("Neuron 1", "Neuron 2"),
        ("N1", "N2"),
        ("Presynaptic", "postsynaptic"),
    ],
)
def test_ends_are_known_by_their_usual_names(pre, post):
    found = read_edges({pre: ["b", "a"], post: ["a", "c"]})
    assert found == Wiring(0, ["b", "a", "c"], pre=[0, 1], post=[1, 2])


def test_the_table_of_wormatlas_is_read_by_its_own_words(tmp_path):
    # N1, N2, Type, Nbr; S and Sp are sent, EJ is listed from both ends. Made up rows in that layout.
    text = "Neuron 1,Neuron 2,Type,Nbr\nADAL,AVAL,Sp,1\nADAL,AVAL,S,2\nADAL,ADAR,EJ,1\nADAR,ADAL,EJ,1\n"
    path = written(tmp_path, text)
    with pytest.raises(WiringError, match=r"edges\.csv, line 3: two chemical synapses go from 'ADAL' to 'AVAL'"):
        read_edges(path)
    found = read_edges(path, repeated="add", source="")
    assert found == Wiring(0, ["ADAL", "AVAL", "ADAR"], pre=[0, 0], post=[1, 2], kind=[CHEMICAL, GAP], count=[3, 1])
    with pytest.raises(WiringError, match=r"line 6: Type is 'R': the first cell receives"):
        read_edges(written(tmp_path, text + "AVAL,ADAL,R,3\n"), repeated="add")


def test_the_table_of_gephi_says_in_type_which_way_an_edge_leads():
    table = {"Source": [1, 2], "Target": [2, 3], "Type": ["Directed", "Undirected"], "Weight": [1.5, 2.0]}
    assert read_edges(table) == Wiring(0, ["1", "2", "3"], pre=[0, 1, 2], post=[1, 2, 1], count=[1.5, 2, 2])


def test_what_networkx_writes_as_a_table_is_read():
    graph = to_networkx(WIRING)
    found = read_edges(nx.to_pandas_edgelist(graph), **OPTIONS)
    assert found.to_dict() | {"roles": WIRING.roles} == WIRING.to_dict() | {"roles": WIRING.roles}


@given(wirings(neurons=(1, 7)))
def test_what_is_written_as_csv_is_read_back(tmp_path_factory, wiring):
    path = tmp_path_factory.getbasetemp() / "round.csv"
    path.write_text(to_csv(wiring))
    if not wiring.n_synapses:
        assert read_edges(path).n_neurons == 0
        return
    there = {wiring.cells[i] for i in (*wiring.pre, *wiring.post)}
    found = read_edges(path, inputs=[name for name in wiring.inputs if name in there])
    assert synapses(found) == synapses(wiring)
    assert found.n_synapses == wiring.n_synapses


def synapses(wiring):
    """Each by its cells' names; a gap junction by both at once, since they are numbered anew."""
    columns = zip(wiring.pre, wiring.post, wiring.kind, wiring.sign, wiring.count)
    named = [(wiring.cells[pre], wiring.cells[post], *rest) for pre, post, *rest in columns]
    return {(frozenset(row[:2]) if row[2] == GAP else row[:2], *row[2:]) for row in named}


def test_names_with_marks_quotes_and_new_lines_are_read(tmp_path):
    odd = Wiring(0, ["a,b", 'say "hi"', "two\nlines", "AVA;left"], pre=[0, 1, 2], post=[1, 2, 3])
    assert read_edges(written(tmp_path, to_csv(odd)), source="") == odd


def test_columns_that_are_not_read_are_named_in_one_warning(tmp_path):
    path = written(tmp_path, "pre,post,transmitter,Weight,note\na,b,GABA,2,x\n")
    with pytest.warns(
        UserWarning, match=r"edges\.csv has attributes that were not read: of columns 'transmitter', 'note'"
    ) as caught:
        found = read_edges(path)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert found.sign.tolist() == [0]
    assert read_edges(path, attributes={"transmitter": None, "note": None}) == found


def test_columns_of_the_callers_own_are_read():
    table = {"a": ["x"], "b": ["y"], "how": ["EJ"], "n": [4], "source": ["a paper"]}
    found = read_edges(table, attributes={"a": "pre", "b": "post", "how": "kind", "n": "count", "source": None})
    assert found == Wiring(0, ["x", "y"], pre=[0], post=[1], kind=GAP, count=4)


def test_a_column_of_ours_is_taken_before_a_usual_one():
    table = {"pre": ["x"], "post": ["y"], "source": ["White 1986"], "count": [2], "weight": [9]}
    with pytest.warns(UserWarning, match="of columns 'source', 'weight'"):
        assert read_edges(table).count.tolist() == [2]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            {"x": ["a"], "post": ["b"]},
            "the table has no column pre (source, from); its columns are 'x', 'post'. Name it",
        ),
        ({"pre": ["a"], "y": ["b"]}, "the table has no column post (target, to)"),
        ({"AVAL": [], "AVAR": [], "7": []}, "attributes={'AVAL': 'pre'}; a file takes a head line."),
        ({}, "its columns are none"),
        ({"source": ["a"], "From": ["b"], "to": ["c"]}, "columns 'source' and 'From', and both mean pre; say which"),
        (rows(("a", "b"), ("", "b")), "row 1: pre is ''; it takes the name of a cell."),
        (rows(("a", None)), "row 0: post is None; it takes the name of a cell."),
        (rows(("a", float("nan"))), "row 0: post is nan; it takes the name of a cell."),
        (rows((True, "b")), "row 0: pre is True; it takes the name of a cell."),
        (rows((["a"], "b")), "row 0: pre is ['a']; it takes the name of a cell."),
        (rows((0.5, "b")), "row 0: pre is 0.5; it takes the name of a cell."),
        (rows(("a", "b", "chemical"), ("b", "a", "")), "row 1: kind is ''; it takes a kind in every row."),
        (rows(("a", "b", None)), "row 0: kind is None; it takes a kind in every row."),
        (rows(("a", "b", "chem", 0, float("nan"))), "row 0: count is nan; it takes a finite number > 0."),
        (rows(("a", "b", "chem", 0, "1_0")), "row 0: count is '1_0'; it takes a finite number > 0."),
        (rows(("a", "b", "chem", 0, "3,5")), "row 0: count is '3,5'; it takes a finite number > 0."),
        (rows(("a", "b", "chem", 0, -3)), "row 0: count is -3; it takes a finite number > 0. Polarity goes into sign."),
        (rows(("a", "b", "gap", -1)), "row 0: sign is -1; a gap junction has none."),
        (
            rows(("a", "b", "gap", 0, 1), ("b", "a", "gap", 0, 2)),
            "the gap junction of 'a' and 'b' has count 1 from 'a'",
        ),
        (rows(("a", "b"), ("a", "b")), "row 1: two chemical synapses go from 'a' to 'b'"),
        ({"pre": ["a"], "post": ["b", "c"]}, "the table's columns hold 1, 2 rows; they take equally many."),
        ({"pre": "a", "post": ["b"]}, "column 'pre' is 'a'; it takes a list with a value for each row."),
        (pd.DataFrame([["a", "b", "c"]], columns=["pre", "post", "pre"]), "the table has two columns 'pre'"),
    ],
)
def test_a_table_that_is_no_wiring_is_refused_with_its_row(table, message):
    with pytest.raises(WiringError, match=re.escape(message)):
        read_edges(table)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "edges.csv is empty; it takes a head line"),
        ("\n\n", "edges.csv is empty; it takes a head line"),
        ("AVAL,AVAR,7\nAVAR,DA1,3\n", "has no column pre (source, from); its columns are 'AVAL', 'AVAR', '7'"),
        ("pre,post\na\n", "edges.csv, line 2: there are 1 values for 2 columns."),
        ("pre,post\na,b\n\na,b,c\n", "edges.csv, line 4: there are 3 values for 2 columns."),
        ("pre,post,pre\na,b,c\n", "edges.csv, line 1: two columns are named 'pre'"),
        ('pre,post\n"a,b\n', "edges.csv, line 2: this is no CSV: unexpected end of data."),
        ('pre,post\n"a"b,c\n', "edges.csv, line 2: this is no CSV: "),
        ("pre,post\n" + "a" * 200_000 + ",b\n", "edges.csv, line 2: this is no CSV: field larger than field limit"),
        ("pre,post\n" + "a," * 600_000, "edges.csv has a row of more than 1,048,576 characters; is a quote left open?"),
        (
            "pre,post\n" + '"a\n",' * 300_000,
            "edges.csv has a row of more than 1,048,576 characters; is a quote left open?",
        ),
        ("pre,post,count\na,b,1\nb,c,0\n", "edges.csv, line 3: count is '0'; it takes a finite number > 0."),
    ],
    ids=lambda value: value[:25],
)
def test_a_file_that_is_no_table_is_refused_with_its_line(tmp_path, text, message):
    with pytest.raises(WiringError, match=re.escape(message)):
        read_edges(written(tmp_path, text))


def test_a_table_without_rows_is_a_wiring_without_cells(tmp_path):
    assert read_edges(written(tmp_path, "pre,post\n"), source="") == Wiring(0, 0) == read_edges({"pre": [], "post": []})


def test_no_more_is_read_than_a_wiring_holds(tmp_path, monkeypatch):
    monkeypatch.setattr(formats, "MAX_SYNAPSES", 3)
    with pytest.raises(WiringError, match="there are 4 synapses; a file holds at most 3"):
        read_edges({"pre": ["a"] * 4, "post": list("abcd")})
    with pytest.raises(WiringError, match="there are 4 synapses; a file holds at most 3"):
        read_edges(written(tmp_path, "pre,post\na,a\na,b\na,c\na,d\na,e\n"))
    with pytest.raises(WiringError, match=r"edges\.csv has more than 6 lines"):
        read_edges(written(tmp_path, "pre,post\na,b\n" + "\n" * 20 + "b,c\n"))
    monkeypatch.setattr(formats, "MAX_CELLS", 2)
    with pytest.raises(WiringError, match="there are 3 cells; a file holds at most 2"):
        read_edges({"pre": ["a", "b"], "post": ["b", "c"]})


@pytest.mark.parametrize(
    ("table", "error", "message"),
    [
        (None, ArgumentError, "table is None; it takes the path of a CSV file, a data frame, or a mapping"),
        (3, ArgumentError, "table is 3; it takes"),
        ([["a", "b"]], ArgumentError, "table is [['a', 'b']]; it takes"),
        (b"a.csv", ArgumentError, "table is of type bytes; it takes the name of a file"),
        ("no/where.csv", DataError, "there is no file no/where.csv"),
    ],
)
def test_what_is_no_table_is_told(table, error, message):
    with pytest.raises(error, match=re.escape(message)):
        read_edges(table)


def test_numbers_of_cells_are_names_whatever_their_type():
    for numbers in ([1, 2], np.array([1, 2]), [1.0, 2.0], np.array([1, 2], np.float32), pd.Series([1, 2])):
        found = read_edges({"pre": numbers, "post": pd.Series([2, 1], dtype="Int64")})
        assert found == Wiring(0, ["1", "2"], pre=[0, 1], post=[1, 0])
    with pytest.raises(WiringError, match="row 0: pre is <NA>; it takes the name of a cell"):
        read_edges({"pre": pd.array([None], dtype="Int64"), "post": ["a"]})


def test_categories_and_currents_are_read():
    frame = pd.DataFrame({"pre": ["light", "a"], "post": ["a", "b"], "Type": ["current", "S"]}).astype("category")
    found = read_edges(frame, inputs=["light"])
    assert found.kind.tolist() == [CURRENT, CHEMICAL]


VALUES = st.sampled_from(["a", "b", "", "gap", "EJ", "exc", "-1", "1", "nan", "1e400", " ", '"', "\x00", "é", "R"])
HEADS = st.sampled_from(["pre,post", "Source,Target,Type,Weight", "from,to,sign", "a,b", "pre,post,post"])


@given(HEADS, st.lists(st.lists(VALUES, max_size=5), max_size=4), st.sampled_from([",", ";", "\t"]))
def test_any_text_is_a_wiring_or_one_clear_error(tmp_path_factory, head, body, mark):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_text("\n".join([head, *(mark.join(row) for row in body)]), encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            assert isinstance(read_edges(path), Wiring)
        except WiringError as error:
            assert len(str(error)) < 1000  # noqa: PT017
