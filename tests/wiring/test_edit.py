import re

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import SEEDS, wirings

from wormnet import WiringError, auto_ncp
from wormnet.wiring import CHEMICAL, CURRENT, GAP, Wiring, atlas, connectome

NAMED = wirings(inputs=(0, 4), neurons=(1, 6))


def synapse_table(wiring):
    """{(pre name, post name, kind): (sign, count)}, gap junctions between neurons under both orders."""
    table = {}
    for pre, post, kind, sign, count in zip(wiring.pre, wiring.post, wiring.kind, wiring.sign, wiring.count):
        table[wiring.cells[pre], wiring.cells[post], int(kind)] = int(sign), float(count)
        if kind == GAP and pre >= wiring.n_inputs:
            table[wiring.cells[post], wiring.cells[pre], GAP] = int(sign), float(count)
    return table


def neuron_table(wiring):
    return {name: (role, name in wiring.outputs) for name, role in zip(wiring.neurons, wiring.roles)}


@st.composite
def some_cells(draw, wiring):
    return draw(st.lists(st.sampled_from(wiring.cells), unique=True))


@given(st.data(), NAMED)
def test_lesion_leaves_exactly_what_does_not_touch_the_cells(data, wiring):
    gone = data.draw(some_cells(wiring))
    left = wiring.lesion(*gone)
    assert set(left.cells) == set(wiring.cells) - set(gone)
    assert synapse_table(left) == {
        ends: values for ends, values in synapse_table(wiring).items() if not set(ends[:2]) & set(gone)
    }
    assert neuron_table(left) == {name: is_ for name, is_ in neuron_table(wiring).items() if name not in gone}
    assert left.outputs == tuple(name for name in wiring.outputs if name not in gone)


@given(st.data(), NAMED)
def test_keep_is_the_lesion_of_the_rest(data, wiring):
    kept = data.draw(some_cells(wiring))
    assert wiring.keep(*kept) == wiring.lesion(*(set(wiring.cells) - set(kept)))
    assert wiring.keep(*wiring.cells) == wiring.lesion() == wiring


@given(st.data(), NAMED)
def test_synapses_are_lesioned_alike_by_mask_by_place_and_by_name(data, wiring):
    assume(wiring.n_synapses)
    place = data.draw(st.integers(0, wiring.n_synapses - 1))
    ends = wiring.cells[wiring.pre[place]], wiring.cells[wiring.post[place]]
    mask = np.arange(wiring.n_synapses) == place
    one = wiring.lesion(synapses=mask)
    assert one == wiring.lesion(synapses=[place]) == wiring.lesion(synapses=mask.tolist())
    assert one.n_synapses == wiring.n_synapses - 1
    by_name = wiring.lesion(synapses=[ends])
    assert by_name == wiring.lesion(synapses=ends)
    both_ways = {(*ends, CHEMICAL), (*ends, GAP), (*ends, CURRENT), (*ends[::-1], GAP)}
    assert set(synapse_table(by_name)) == set(synapse_table(wiring)) - both_ways


def test_a_gap_junction_is_lesioned_by_name_from_either_end():
    wiring = Wiring(0, ["a", "b"], pre=[0], post=[1], kind=GAP)
    assert wiring.lesion(synapses=[("b", "a")]).n_synapses == 0


@given(NAMED)
def test_lesion_of_no_synapses_changes_nothing(wiring):
    assert wiring.lesion(synapses=[]) == wiring.lesion(synapses=np.zeros(wiring.n_synapses, bool)) == wiring


@given(NAMED)
def test_rename_and_back_is_the_wiring_itself(wiring):
    renamed = wiring.rename(lambda name: name + "'")
    assert renamed.cells == tuple(name + "'" for name in wiring.cells)
    assert renamed.rename({name + "'": name for name in wiring.cells}) == wiring
    assert wiring.rename({}) == wiring


@given(NAMED, SEEDS)
def test_reorder_changes_the_numbers_and_nothing_else(wiring, seed):
    order = np.random.default_rng(seed).permutation(wiring.neurons).tolist()
    moved = wiring.reorder(order)
    assert list(moved.neurons) == order
    assert moved.outputs == wiring.outputs
    assert synapse_table(moved) == synapse_table(wiring)
    assert neuron_table(moved) == neuron_table(wiring)
    assert dict(zip(moved.neurons, moved.layers)) == dict(zip(wiring.neurons, wiring.layers))
    assert moved.reorder(wiring.neurons) == wiring


@given(st.data(), NAMED)
def test_a_clamped_neuron_receives_nothing_and_sends_what_it_sent(data, wiring):
    held = data.draw(st.lists(st.sampled_from(wiring.neurons), unique=True))
    clamped = wiring.clamp(*held)
    assert clamped.inputs == (*wiring.inputs, *held)
    assert clamped.neurons == tuple(name for name in wiring.neurons if name not in held)
    given_from_outside = set(clamped.inputs)
    assert synapse_table(clamped) == {
        ends: values
        for ends, values in synapse_table(wiring).items()
        if ends[1] not in given_from_outside and ends[0] in {*wiring.cells}
    }
    assert clamped.outputs == tuple(name for name in wiring.outputs if name not in held)


@given(st.data(), NAMED)
def test_drive_adds_currents_and_moves_no_other_synapse(data, wiring):
    driven = data.draw(st.lists(st.sampled_from(wiring.neurons), unique=True, min_size=1))
    more = wiring.drive({"electrode": driven, "second": driven[0]}, weight=2.5, sign=-1)
    assert more.inputs == (*wiring.inputs, "electrode", "second")
    new = {("electrode", name, CURRENT): (-1, 2.5) for name in driven} | {("second", driven[0], CURRENT): (-1, 2.5)}
    assert synapse_table(more) == synapse_table(wiring) | new
    assert more.lesion("electrode", "second") == wiring


@given(st.data(), NAMED)
def test_add_is_undone_by_a_lesion(data, wiring):
    pre = data.draw(st.sampled_from(wiring.cells))
    post = data.draw(st.sampled_from(wiring.neurons))
    if (pre, post, CHEMICAL) in synapse_table(wiring):
        with pytest.raises(WiringError, match=f"two chemical synapses go from {pre!r} to {post!r}"):
            wiring.add(pre, post)
        return
    more = wiring.add(pre, post, sign=-1, count=3)
    assert synapse_table(more) == synapse_table(wiring) | {(pre, post, CHEMICAL): (-1, 3.0)}


@given(NAMED)
def test_join_side_by_side_holds_both_and_shares_inputs(wiring):
    other = wiring.rename({name: "other_" + name for name in wiring.neurons})
    both = wiring.join(other)
    assert both.inputs == wiring.inputs
    assert both.neurons == wiring.neurons + other.neurons
    assert both.outputs == wiring.outputs + other.outputs
    assert synapse_table(both) == synapse_table(wiring) | synapse_table(other)
    assert both.source == wiring.source
    assert both.keep(*wiring.cells) == wiring


def test_join_stacks_one_wiring_on_the_other():
    first = auto_ncp(inputs=4, neurons=8, outputs=2, seed=0)
    second = auto_ncp(inputs=2, neurons=6, outputs=1, seed=1).rename(lambda name: "b_" + name)
    stacked = first.join(second, connect={"b_in0": "motor0", "b_in1": "motor1"}).read_out("b_motor0")
    assert stacked.inputs == first.inputs
    assert stacked.n_synapses == first.n_synapses + second.n_synapses
    stands_for = {"b_in0": "motor0", "b_in1": "motor1"}
    moved = {(stands_for.get(a, a), b, kind): values for (a, b, kind), values in synapse_table(second).items()}
    assert synapse_table(stacked) == synapse_table(first) | moved
    assert stacked.layers.tolist() == [*first.layers, *(second.layers + 3)]  # updated inter, command, motor, and again


@given(NAMED)
def test_grouping_every_cell_by_itself_changes_nothing(wiring):
    assert wiring.group_by({}) == wiring.group_by(lambda name: name) == wiring


@given(wirings(inputs=(0, 4), neurons=(2, 6)), SEEDS, st.sampled_from(["self", "drop"]))
def test_group_by_adds_up_what_a_plain_loop_adds_up(wiring, seed, within):
    random = np.random.default_rng(seed)
    classes = {name: ("I" if name in wiring.inputs else "N") + str(random.integers(3)) for name in wiring.cells}
    merged = wiring.group_by(classes, within=within)
    counts, signs = {}, {}
    for pre, post, kind, sign, count in zip(wiring.pre, wiring.post, wiring.kind, wiring.sign, wiring.count):
        ends = classes[wiring.cells[pre]], classes[wiring.cells[post]]
        if ends[0] == ends[1] and (kind == GAP or within == "drop"):
            continue
        for both in {ends, ends[::-1]} if kind == GAP and pre >= wiring.n_inputs else {ends}:
            counts[*both, kind] = counts.get((*both, kind), 0.0) + count
            signs.setdefault((*both, kind), set()).add(int(sign))
    expected = {ends: (signs[ends].pop() if len(signs[ends]) == 1 else 0, count) for ends, count in counts.items()}
    found = synapse_table(merged)
    assert {ends: sign for ends, (sign, _) in found.items()} == {ends: sign for ends, (sign, _) in expected.items()}
    for ends, (_, count) in found.items():
        assert count == pytest.approx(expected[ends][1], rel=1e-12)
    for name, role in zip(merged.neurons, merged.roles):
        members = {role for cell, role in zip(wiring.neurons, wiring.roles) if classes[cell] == name}
        assert role == (members.pop() if len(members) == 1 else "unknown")
    assert set(merged.outputs) == {classes[name] for name in wiring.outputs}


@given(NAMED)
def test_no_edit_touches_the_wiring_it_starts_from(wiring):
    before = wiring.to_dict()
    name = wiring.neurons[0]
    wiring.lesion(name)
    wiring.clamp(name)
    wiring.drive({"x": name})
    wiring.rename(str.upper)
    wiring.reorder(wiring.neurons[::-1])
    wiring.group_by(lambda cell: cell[:1])
    wiring.read_out(name)
    assert wiring.to_dict() == before


PAIR = Wiring(["touch"], ["AVAL", "AVAR", "DB1"], pre=[0, 1, 1], post=[1, 2, 3], kind=[CURRENT, GAP, CHEMICAL])
REFUSED = [
    (lambda w: w.lesion("AVAX"), "unknown cell or class 'AVAX'; did you mean 'AVA' or"),
    (lambda w: w.lesion(["AVAL"]), "lesion is given ['AVAL']; it takes names one by one: lesion('AVAL'), or lesion(*n"),
    (lambda w: w.keep(("AVAL", "DB1")), "it takes names one by one: keep('AVAL', 'DB1'), or keep(*names)."),
    (lambda w: w.clamp({"AVAL": 1}), "it takes names one by one: clamp('AVAL'), or clamp(*names)."),
    (lambda w: w.read_out(w.neurons * 9), "it takes names one by one: read_out('AVAL', 'AVAR', 'DB1', ...), or"),
    (lambda w: w.read_out(np.array(["AVAL"])), "it takes names one by one: read_out("),
    (
        lambda w: w.drive({"light": [["AVAL"]]}),
        "drive is given ['AVAL'] among the neurons; it takes names, one by one.",
    ),
    (lambda w: w.lesion(3), "unknown cell or class 3"),
    (lambda w: w.keep("tuoch"), "unknown cell or class 'tuoch'; did you mean 'touch'?"),
    (lambda w: w.lesion(synapses=[("AVAR", "DB1")]), "no synapse goes from 'AVAR' to 'DB1'; 'AVAR' sends to: none."),
    (lambda w: w.lesion(synapses=[("AVAL", "DB2")]), "unknown cell 'DB2'; did you mean 'DB1'?"),
    (lambda w: w.lesion(synapses=[("AVAL", "AVAR", "DB1")]), "it takes pairs (pre, post) of names."),
    (lambda w: w.lesion(synapses=[3]), "there is no synapse 3; they are numbered 0 to 2."),
    (lambda w: w.lesion(synapses=[-1]), "there is no synapse -1; they are numbered 0 to 2."),
    (
        lambda w: w.lesion(synapses=[True, False]),
        "the mask has shape (2,); it takes one truth value per synapse: (3,).",
    ),
    (lambda w: w.lesion(synapses=[0.5]), "it takes whole numbers."),
    (lambda w: w.lesion(synapses=7), "synapses is 7; it takes"),
    (lambda w: w.lesion(synapses=[7j]), "synapses is [7j]; it takes (pre, post) names, places, or a mask."),
    (lambda w: w.lesion(synapses=["AVAL"]), "synapses is ['AVAL']; it takes (pre, post) names, places, or a mask."),
    (lambda w: w.lesion(synapses="AVAL"), "synapses is 'AVAL'; it takes (pre, post) names, places, or a mask."),
    (lambda w: w.lesion(synapses=np.array(1)), "synapses is array(1); it takes (pre, post) names, places, or a mask."),
    (lambda w: w.lesion(synapses=np.array([[0, 1]])), "unknown cell 0."),
    (lambda w: w.lesion(synapses=[None]), "synapses holds None; it takes pairs (pre, post) of names."),
    (lambda w: w.lesion(synapses=range(3)).lesion(synapses=[0]), "there is no synapse 0; the wiring has none."),
    (lambda w: w.rename({"AVA": "x"}), "unknown cell 'AVA'; did you mean 'AVAR' or 'AVAL'?"),
    (lambda w: w.rename({"AVAL": "AVAR"}), "two cells are named 'AVAR'"),
    (lambda w: w.rename(lambda name: 3), "the new name of 'touch' is 3; it takes text."),
    (lambda w: w.rename(3), "names are given as 3; they take {old: new} or a function."),
    (lambda w: w.reorder(["AVAL", "AVAR"]), "reorder names 2 of 3 neurons; it takes each once. Missing: DB1."),
    (lambda w: w.reorder(["AVAL", "AVAL", "DB1"]), "reorder names a neuron twice"),
    (lambda w: w.reorder(3), "reorder is given 3; it takes the names of all neurons."),
    (lambda w: w.reorder("AVAL"), "reorder is given 'AVAL'; it takes the names of all neurons."),
    (lambda w: w.reorder(["AVAL", "AVAR", "touch"]), "'touch' is an input; this takes a neuron."),
    (lambda w: w.clamp("touch"), "'touch' is an input; this takes a neuron."),
    (lambda w: w.clamp("DB11"), "unknown neuron or class 'DB11'; did you mean 'DB1' or 'DB'?"),
    (lambda w: w.clamp("AVA", "AVAL"), "clamp names a neuron twice: AVAL, AVAR, AVAL."),
    (lambda w: w.clamp("AVAL", "AVAR").read_out("AVA"), "'AVA' is an input; this takes a neuron."),
    (lambda w: w.clamp("AVD"), "unknown neuron or class 'AVD'; did you mean 'AVA' or"),
    (lambda w: w.rename({"AVAL": "n0", "AVAR": "n1", "DB1": "n2"}).keep("AVA"), "unknown cell 'AVA'. Known: touch, n0"),
    (lambda w: w.clamp("DB1", "DB1"), "clamp names a neuron twice: DB1, DB1."),
    (lambda w: w.drive({"touch": "DB1"}), "there already is a cell 'touch'; drive makes new inputs."),
    (lambda w: w.drive({"light": "DC"}), "unknown neuron or class 'DC'; did you mean 'DB'"),
    (lambda w: w.drive({"light": ["AVA", "AVAR"]}), "drive, for 'light', names a neuron twice: AVAL, AVAR, AVAR."),
    (lambda w: w.drive({"light": "DB1"}, weight=0), "has count 0.0; a count is finite and > 0"),
    (lambda w: w.drive("light"), "drive is given 'light'; it takes {new input: neurons}."),
    (lambda w: w.drive({"light": []}), "drive is given no neurons for 'light'; it takes the name of a neuron"),
    (lambda w: w.drive({"light": iter(())}), "drive is given no neurons for 'light'; it takes the name of a neuron"),
    (lambda w: w.drive({"light": 3}), "drive is given 3 for 'light'; it takes the name of a neuron, or several."),
    (lambda w: w.read_out("DB2"), "unknown neuron or class 'DB2'; did you mean 'DB' or 'DB1'?"),
    (lambda w: w.read_out("DB1", "DB1"), "outputs names a neuron twice"),
    (lambda w: w.add("DB1", "touch"), "'touch' is an input; this takes a neuron. Inputs only send."),
    (lambda w: w.add("DB1", "AVAL", kind=CURRENT), "a current is injected by an input."),
    (lambda w: w.add("AVAR", "AVAL", kind=GAP), "there already is a gap junction of 'AVAR' and 'AVAL'"),
    (lambda w: w.add("AVAL", "AVAR", kind=GAP, count=2), "there already is a gap junction of 'AVAL' and 'AVAR'"),
    (lambda w: w.add("AVAL", "AVAR", kind="gap"), "kind is 'gap'; it takes whole numbers."),
    (lambda w: w.join(w), "3 cell(s), the first 'AVAL', are in both wirings, and only inputs are shared by name."),
    (lambda w: w.join("w"), "join is given 'w'; it takes a Wiring."),
    (lambda w: w.join(w, connect={"tuch": "DB1"}), "unknown input of the other wiring 'tuch'; did you mean 'touch'?"),
    (lambda w: w.join(w, connect={"touch": "DB"}), "unknown neuron of the first wiring 'DB'; did you mean 'DB1'?"),
    (
        lambda w: w.join(w.rename({name: "x_" + name for name in w.neurons}), connect={"touch": "DB1"}),
        "input 'touch' injects a current into 'x_AVAL', which a neuron cannot.",
    ),
    (lambda w: w.join(w, connect="touch"), "connect is 'touch'; it takes {input of the other: neuron of this}."),
    (lambda w: w.group_by({"AVA": "x"}), "unknown cell 'AVA'; did you mean"),
    (
        lambda w: w.group_by({"AVAL": "touch"}),
        "class 'touch' holds inputs and neurons; a class takes one or the other.",
    ),
    (lambda w: w.group_by(lambda name: 3), "the new name of 'touch' is 3; it takes text."),
    (lambda w: w.group_by({}, within="keep"), "unknown within 'keep'"),
    (lambda w: w.group_by("role"), "classes is 'role'; it takes 'class', {cell: class}, or a function."),
]


@pytest.mark.parametrize(("edit", "message"), REFUSED)
def test_what_cannot_be_edited_is_refused_by_name(edit, message):
    with pytest.raises(WiringError, match=re.escape(message)):
        edit(PAIR)


def test_a_class_stands_for_its_cells_in_every_edit():
    worm = connectome("cook2019")
    motor = [f"DA{i}" for i in range(1, 10)]
    assert worm.read_out("DA").outputs == tuple(motor)
    assert worm.keep("AVA", "DA") == worm.keep("AVAL", "AVAR", *motor)
    assert worm.lesion("AVA", "DVA") == worm.lesion("AVAL", "AVAR", "DVA")
    assert worm.clamp("PLM", "AVM") == worm.clamp("PLML", "PLMR", "AVM")
    assert worm.drive({"salt": "ASE", "touch": ["ALM", "AVM"]}) == worm.drive(
        {"salt": ["ASEL", "ASER"], "touch": ["ALML", "ALMR", "AVM"]}
    )


def test_a_cells_own_name_goes_before_a_class():
    wiring = Wiring(0, ["AVAL", "AVA", "AVAR"])
    assert wiring.keep("AVA").cells == ("AVA",)
    assert wiring.rename({"AVA": "mine"}).keep("AVA").cells == ("AVAL", "AVAR")


@pytest.mark.parametrize("verb", ["clamp", "read_out"])
def test_a_class_that_is_partly_clamped_is_refused_where_neurons_are_asked_for(verb):
    wiring = Wiring(0, ["AVAL", "AVAR", "DVA"]).clamp("AVAL")
    message = (
        "'AVA' stands for 2 cells, of which 1, the first 'AVAL', are inputs; "
        f"{verb} takes neurons. The neurons among them: 'AVAR'."
    )
    with pytest.raises(WiringError, match=re.escape(message)):
        getattr(wiring, verb)("AVA")
    assert wiring.lesion("AVA").cells == ("DVA",)


def test_cells_group_by_the_classes_of_the_worm():
    worm = connectome("cook2019").drive({"n": "AVAL"})
    merged = worm.group_by("class")
    table = atlas.cells()
    assert set(merged.neurons) == {table[name].cell_class for name in worm.neurons}
    assert merged.inputs == ("n",)
    ava = merged.keep("AVA", "PVC", "n")
    pairs = [(pre, post) for pre in ("PVCL", "PVCR") for post in ("AVAL", "AVAR")]
    total = sum(synapse_table(worm).get((*pair, CHEMICAL), (0, 0))[1] for pair in pairs)
    assert synapse_table(ava)["PVC", "AVA", CHEMICAL][1] == total > 0
    assert Wiring(0, ["x", "AVAL"]).group_by("class").neurons == ("x", "AVA")


def test_edits_chain():
    wiring = PAIR.clamp("AVAL").drive({"light": "DB1"}).read_out("DB1").rename({"DB1": "motor"})
    assert wiring.inputs == ("touch", "AVAL", "light")
    assert wiring.outputs == ("motor",)
    assert synapse_table(wiring) == {
        ("AVAL", "AVAR", GAP): (0, 1.0),
        ("AVAL", "motor", CHEMICAL): (0, 1.0),
        ("light", "motor", CURRENT): (1, 1.0),
    }
