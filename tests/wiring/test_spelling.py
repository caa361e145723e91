"""Names of the worm's cells are found in whatever spelling, and a class is all of its cells."""

import re
import warnings
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import wormnet
from wormnet import WiringError
from wormnet.wiring import CURRENT, SpellingWarning, Wiring, atlas, connectome, nulls, reachable, spelling
from wormnet.wiring.biophysics import Biophysical

VA = [f"VA{i:02d}" for i in range(1, 13)]
CELLS = sorted(atlas.cells())

said = pytest.warns(SpellingWarning)


# What tables of the field write, and the name here; by hand, not by the rules.
SAME = [
    ("VA01", "VA1"),
    ("VA12", "VA12"),
    ("DB07", "DB7"),
    ("AS01", "AS1"),
    ("as1", "AS1"),
    ("aval", "AVAL"),
    ("Dva", "DVA"),
    ("saadl", "SAADL"),
    ("MDL8", "MDL08"),
    ("dBWML8", "MDL08"),
    ("dBWML08", "MDL08"),
    ("dBWML18", "MDL18"),
    ("vBWMR24", "MVR24"),
    ("BWM-DL08", "MDL08"),
    ("BWM-VR12", "MVR12"),
    ("pm3vl", "pm3VL"),
    ("pm2d", "pm2D"),
    ("g1p", "g1P"),
    ("mc2dl", "mc2DL"),
    ("M1", "M1"),
    ("MI", "MI"),
]
OTHERS = [
    "VA13",
    "VA0",
    "VA",
    "VA001x",
    "MDL25",
    "dBWML25",
    "dBWMX8",
    "vBWML24",
    "m1",
    "i5",
    "mi",
    "AWCON",
    "AVFL/R",
    "n0",
    "",
]


@pytest.mark.parametrize(("spelled", "name"), SAME)
def test_a_spelling_of_the_field_is_the_cell_it_means(spelled, name):
    assert atlas.canonical(spelled) == name


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_cell_of_the_worm_is_none(name):
    assert atlas.canonical(name) is None


def test_no_two_cells_and_no_two_classes_of_the_worm_spell_alike():
    for names in (atlas.cells(), atlas.cells_of_class()):
        assert max(Counter(map(spelling.key, names)).values()) == 1
    cells = {spelling.key(name): name for name in atlas.cells()}
    for of_name, members in atlas.cells_of_class().items():
        if spelling.key(of_name) in cells:
            assert members == (cells[spelling.key(of_name)],)  # DVA is a cell and a class of one


def test_the_rules_hold_for_their_own_examples():
    for rule in spelling.RULES:
        assert atlas.canonical(rule.example[0]) == rule.example[1]
        assert rule.source


@given(st.sampled_from(CELLS), st.data())
def test_every_cell_is_itself_and_found_padded_and_in_any_case(name, data):
    assert atlas.canonical(name) == name
    padded = re.sub(r"(?<=[A-Za-z])([1-9])(?![0-9])", r"0\1", name)
    assert atlas.canonical(padded) == name
    if len(name) > 2:
        assert atlas.canonical(data.draw(st.sampled_from([name.lower(), name.upper(), name.swapcase()]))) == name


# -- classes -----------------------------------------------------------------------------------------------------------


def test_a_class_is_all_of_its_cells_however_they_are_spelled():
    wiring = Wiring(0, ["VA01", "VA02", "VA10"], pre=[0, 1], post=[1, 2])
    assert wiring.read_out("VA").outputs == ("VA01", "VA02", "VA10")
    assert wiring.keep("VA") == wiring
    assert wiring.lesion("VA").cells == ()
    assert wiring.clamp("VA").inputs == ("VA01", "VA02", "VA10")
    assert wiring.drive({"touch": "VA"}).n_synapses == 2 + 3
    assert wiring.group_by("class").neurons == ("VA",)


@given(st.permutations(VA), st.integers(1, 12), st.data())
def test_mixed_spellings_are_one_class(names, n, data):
    spellings = [data.draw(st.sampled_from([name, name.lower(), name.replace("A0", "A")])) for name in names[:n]]
    wiring = Wiring(0, spellings)
    assert wiring.read_out("VA").outputs == tuple(spellings)
    assert wiring.group_by("class").neurons == ("VA",)


def test_cells_whose_side_is_not_told_belong_to_their_class():
    wiring = Wiring(0, ["AWCON", "AWCOFF", "AVFL/R", "AVJL"])
    assert wiring.read_out("AWC").outputs == ("AWCON", "AWCOFF")
    assert wiring.read_out("AVF").outputs == ("AVFL/R",)
    assert wiring.group_by("class").neurons == ("AWC", "AVF", "AVJ")


def test_a_pair_is_both_of_its_cells():
    wiring = Wiring(0, ["SAADL", "SAADR", "SAAVL", "SAAVR", "AVFR", "AVFL"])
    assert wiring.read_out("SAADL/R").outputs == ("SAADL", "SAADR")
    assert wiring.read_out("AVFL/R").outputs == ("AVFR", "AVFL")
    with pytest.raises(WiringError, match="unknown neuron or class 'AVL/R'"):
        wiring.read_out("AVL/R")


def test_null_models_of_classes_know_the_spellings():
    worm = connectome("white1986")
    padded = worm.rename(lambda name: re.sub(r"(?<=[A-Z])([1-9])$", r"0\1", name))
    assert padded != worm
    there, here = next(nulls(padded, "rewire_classes", 1)), next(nulls(worm, "rewire_classes", 1))
    assert np.array_equal(there.pre, here.pre)
    assert np.array_equal(there.post, here.post)


# -- single cells ------------------------------------------------------------------------------------------------------

PADDED = Wiring(
    ["PLML"], ["VA01", "VA02", "DB01"], pre=[0, 1, 2], post=[1, 2, 3], kind=[CURRENT, 0, 0], source="padded"
)
ONE = [
    (lambda w: w.cell("VA1"), lambda w: w.cell("VA01")),
    (lambda w: w.lesion("VA1"), lambda w: w.lesion("VA01")),
    (lambda w: w.lesion("plml"), lambda w: w.lesion("PLML")),
    (lambda w: w.lesion(synapses=[("VA1", "VA02")]), lambda w: w.lesion(synapses=[("VA01", "VA02")])),
    (lambda w: w.keep("VA1"), lambda w: w.keep("VA01")),
    (lambda w: w.clamp("VA1"), lambda w: w.clamp("VA01")),
    (lambda w: w.drive({"light": "VA1"}), lambda w: w.drive({"light": "VA01"})),
    (lambda w: w.read_out("va1"), lambda w: w.read_out("VA01")),
    (lambda w: w.add("PLML", "DB1"), lambda w: w.add("PLML", "DB01")),
    (lambda w: w.rename({"VA1": "x"}), lambda w: w.rename({"VA01": "x"})),
    (lambda w: w.reorder(["DB1", "VA02", "VA01"]), lambda w: w.reorder(["DB01", "VA02", "VA01"])),
    (lambda w: w.group_by({"VA1": "x", "VA02": "x"}), lambda w: w.group_by({"VA01": "x", "VA02": "x"})),
    (lambda w: w.replace(outputs=["VA1"]), lambda w: w.replace(outputs=["VA01"])),
    (
        lambda w: w.join(Wiring(["s"], ["x"], pre=[0], post=[1]), connect={"s": "VA1"}),
        lambda w: w.join(Wiring(["s"], ["x"], pre=[0], post=[1]), connect={"s": "VA01"}),
    ),
    (
        lambda w: w.join(Wiring(["plml"], ["x"], pre=[0], post=[1])),
        lambda w: w.join(Wiring(["PLML"], ["x"], pre=[0], post=[1])),
    ),
    (lambda w: reachable(w, ["VA1"]).tolist(), lambda w: reachable(w, ["VA01"]).tolist()),
]


@pytest.mark.parametrize(("other", "own"), ONE)
def test_a_cell_is_found_in_another_spelling_and_the_user_is_told(other, own):
    with said as told:
        found = other(PADDED)
    assert found == own(PADDED)
    assert len(told) == 1
    assert re.search(
        r"^'(VA1|va1|plml|DB1)' is taken for '(VA01|PLML|DB01)', another spelling of it\.$", str(told[0].message)
    )
    assert told[0].filename == __file__


def test_a_wiring_keeps_the_spellings_it_was_built_with():
    with said:
        assert PADDED.read_out("VA1").cells == ("PLML", "VA01", "VA02", "DB01")


def test_a_class_in_another_case_is_told_too():
    with pytest.warns(SpellingWarning, match="'ava' is taken for the class 'AVA', another spelling of it"):
        assert Wiring(0, ["AVAL", "AVAR"]).read_out("ava").n_outputs == 2


def test_an_exact_name_goes_before_all_spellings():
    wiring = Wiring(0, ["VA1", "VA01", "va1"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [wiring.cell(name) for name in wiring.cells] == [0, 1, 2]
    for look_up in (wiring.cell, wiring.lesion, wiring.read_out):
        with pytest.raises(WiringError, match="'Va1' could be 'VA1' and 'VA01' and 'va1', spellings of one cell"):
            look_up("Va1")
    assert wiring.read_out("VA").n_outputs == 3


def test_units_that_are_no_cells_of_the_worm_are_never_aliased():
    wiring = Wiring(["in0"], ["m1", "i5", "n01", "n1"], pre=[0], post=[1])
    for name in ("M1", "I5", "N1", "n001", "IN0"):
        with pytest.raises(WiringError, match="unknown cell"):
            wiring.cell(name)
    assert wiring.group_by("class") == wiring


REFUSED = [
    (lambda: PADDED.join(Wiring(0, ["VA1"])), "1 cell(s), the first 'VA01' ('VA1' in the other), are in both wirings"),
    (
        lambda: PADDED.drive({"VA1": "DB01"}),
        "there already is a cell 'VA01', as 'VA1' is spelled here; drive makes new",
    ),
    (lambda: PADDED.rename({"VA1": "x", "VA01": "y"}), "'VA01' and 'VA1' are spellings of one cell; it takes one"),
    (lambda: PADDED.read_out("plml"), "'plml' is an input; this takes a neuron."),
    (lambda: PADDED.add("VA01", "plml"), "'plml' is an input; this takes a neuron."),
    (lambda: PADDED.lesion("dBWML8"), "unknown cell or class 'dBWML8'. Known: PLML, VA01"),
    (lambda: Wiring(0, ["AWCON"]).cell("AWCL"), "Which cell of the class AWC it is, a name like AWCON does not tell."),
    (lambda: Wiring(0, ["AWCL"]).cell("AWCON"), "Which cell of the class AWC it is, a name like AWCON does not tell."),
    (
        lambda: Wiring(0, ["AVFL/R"]).cell("AVFL"),
        "Which cell of the class AVF it is, a name like AVFL/R does not tell.",
    ),
    (lambda: Wiring(0, ["VA01"]).cell("VA"), "unknown cell 'VA'; did you mean 'VA01'?"),
    (
        lambda: connectome("cook2019", polarity={"VA1": 1, "VA01": -1}),
        "polarity names 'VA1' in two spellings, one of them 'VA01'; it takes one.",
    ),
]


@pytest.mark.parametrize(("call", "message"), REFUSED)
@pytest.mark.filterwarnings("ignore::wormnet.wiring.SpellingWarning")
def test_what_is_in_doubt_is_refused(call, message):
    with pytest.raises(WiringError, match=re.escape(message)):
        call()


# -- muscles -----------------------------------------------------------------------------------------------------------


def test_a_muscle_is_found_by_its_other_name_and_never_taken_for_another():
    worm = connectome("cook2019", cells="all")
    with pytest.warns(SpellingWarning, match="'dBWML8' is taken for 'MDL08'"):
        assert worm.read_out("dBWML8").outputs == ("MDL08",)
    for name in ("dBWML8", "MDL08", "MDL8", "BWM-DL8", "MDL88", "dBWML88"):
        with pytest.raises(WiringError) as error:
            worm.lesion("MDL08").cell(name)
        proposed = re.search("did you mean (.*?)\\?", str(error.value))
        assert not proposed or not re.search(r"'M[DV][LR]|BWM", proposed[1])


@given(st.sampled_from(CELLS), st.sampled_from(CELLS))
def test_no_muscle_is_ever_proposed(name, gone):
    there = [cell for cell in CELLS if cell not in (name, gone)]
    message = str(atlas.no_such("cell", name, there))
    for proposed in re.findall(r"'([^']*)'", message.partition("did you mean")[2].partition("?")[0]):
        assert atlas.cells()[proposed].kind != "muscle" if proposed in atlas.cells() else True


# -- the rest of the library -------------------------------------------------------------------------------------------


def test_connectomes_take_cells_and_signs_in_any_spelling():
    with said:
        assert connectome("cook2019", cells=["VA01", "AVA"]) == connectome("cook2019", cells=["VA1", "AVA"])
    assert connectome("cook2019", cells=["AVFL/R"]).neurons == ("AVFL", "AVFR")
    with said:
        other = connectome("cook2019", polarity={("AVAL", "VA01"): -1, "ava": 1})
    assert other == connectome("cook2019", polarity={("AVAL", "VA1"): -1, "AVA": 1})


def test_parameters_labels_and_held_inputs_are_named_in_any_spelling():
    rnn = wormnet.LTC(PADDED)
    with said:
        assert rnn.parameters_of("VA1") == rnn.parameters_of("VA01")
    lone = Wiring(["PLML"], 1)
    values = {"capacitance": [1.0], "leak": [1.0], "v_leak": [0.0]}
    values |= {name: [] for name in ("conductance", "slope", "midpoint", "reversal")}
    with said:
        assert dict(Biophysical(lone, values, held={"plml": -40.0}).held) == {"PLML": -40.0}


def test_a_drawing_takes_labels_in_any_spelling():
    pytest.importorskip("matplotlib")
    with said:
        ax = wormnet.plot.wiring(PADDED, labels={"VA1": "first"})
    assert "first" in {text.get_text() for text in ax.texts}
