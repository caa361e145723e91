import copy
import hashlib
import json
import pickle
import pickletools
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import SEEDS, wirings

from wormnet import WiringError
from wormnet.wiring import CHEMICAL, CURRENT, GAP, KINDS, Biophysical, Wiring, tap

ARRAYS = ("layers", "pre", "post", "kind", "sign", "count")
FIELDS = ("inputs", "neurons", "roles", "outputs", "source", *ARRAYS)


def of(**arguments):
    return arguments


IMPOSSIBLE = [
    (of(inputs=-1, neurons=1), "inputs is -1; it takes a number of cells, 0 or more, or their names."),
    (of(inputs=True, neurons=1), "inputs is True; it takes a number of cells, or a list of their names."),
    (of(inputs="abc", neurons=1), "inputs is 'abc'; it takes a number of cells, or a list of their names."),
    (of(inputs=1, neurons=2.0), "neurons is 2.0; it takes a number of cells, or a list of their names."),
    (of(inputs=1, neurons=["a", ""]), "neurons holds ''; a cell's name is text and not empty."),
    (of(inputs=1, neurons=["a", 3]), "neurons holds 3; a cell's name is text and not empty."),
    (of(inputs=["a"], neurons=["b", "a"]), "two cells are named 'a'; names are unique over inputs and neurons."),
    (of(inputs=1, neurons=2, roles="moter"), "unknown role 'moter'; did you mean 'motor' or 'inter'?"),
    (of(inputs=1, neurons=0, roles="moter"), "unknown role 'moter'; did you mean 'motor' or 'inter'?"),
    (of(inputs=1, neurons=2, roles=["motor"]), "roles holds 1 for 2 neurons; it takes one for each neuron"),
    (of(inputs=1, neurons=2, roles=["motor", 3]), "unknown role 3."),
    (of(inputs=1, neurons=2, roles=7), "roles is 7; it takes one role for each neuron, or one for all."),
    (of(inputs=1, neurons=2, outputs="n0"), "outputs is 'n0'; it takes a list of neurons, by name or number"),
    (of(inputs=1, neurons=2, outputs=[2]), "outputs holds 2; neurons are numbered 0 to 1."),
    (of(inputs=1, neurons=0, outputs=[0]), "outputs holds 0; there are no neurons."),
    (of(inputs=1, neurons=2, outputs=["in0"]), "unknown output neuron 'in0'; did you mean 'n0'?"),
    (of(inputs=1, neurons=2, outputs=[["n0"]]), "unknown output neuron ['n0']"),
    (of(inputs=1, neurons=2, outputs=["n1", 1]), "outputs names a neuron twice: n1, n1."),
    (of(inputs=1, neurons=2, layers=[0]), "layers has shape (1,); it takes one number for each of the 2 neurons."),
    (of(inputs=1, neurons=2, layers=[0, -1]), "layers holds -1; layers are numbered from 0."),
    (of(inputs=1, neurons=2, layers=[0, 0.5]), "layers is [0, 0.5]; it takes whole numbers."),
    (of(inputs=1, neurons=2, source=3), "source is 3; it takes text."),
    (of(inputs=1, neurons=2, pre=[0], post=[1, 2]), "pre has shape (1,) and post (2,); they take one cell number"),
    (of(inputs=1, neurons=2, pre=[[0]], post=[[1]]), "pre has shape (1, 1) and post (1, 1); they take one cell"),
    (of(inputs=1, neurons=2, pre=[0.5], post=[1]), "pre is [0.5]; it takes whole numbers."),
    (of(inputs=1, neurons=2, pre=[True], post=[1]), "pre is [True]; it takes whole numbers."),
    (of(inputs=1, neurons=2, pre=["0"], post=[1]), "pre is ['0']; it takes whole numbers."),
    (of(inputs=1, neurons=2, pre=[10**30], post=[1]), "it takes whole numbers."),
    (of(inputs=1, neurons=2, pre=[float("nan")], post=[1]), "pre is [nan]; it takes whole numbers."),
    (of(inputs=1, neurons=2, pre=[3], post=[1]), "synapse 0 starts on cell 3; cells are numbered 0 to 2."),
    (of(inputs=1, neurons=2, pre=[0], post=[-1]), "synapse 0 ends on cell -1; cells are numbered 0 to 2."),
    (of(inputs=0, neurons=0, pre=[0], post=[0]), "synapse 0 starts on cell 0; there are no cells."),
    (
        of(inputs=2, neurons=3, pre=[2, 2], post=[3, 0]),
        "synapse 1 ends on cell 0 ('in0'), which is not a neuron: cells 0-1 are inputs, 2-4 are neurons. "
        "Inputs only send.",
    ),
    (of(inputs=1, neurons=1, pre=[1], post=[0]), "cell 0 is an input, 1 is the neuron. Inputs only send."),
    (of(inputs=1, neurons=0, pre=[0], post=[0]), "cell 0 is an input, there are no neurons. Inputs only send."),
    (of(inputs=1, neurons=2, pre=[0], post=[1], kind=3), "synapse 0 has kind 3; kinds are 0 (chemical), 1 (gap)"),
    (of(inputs=1, neurons=2, pre=[0], post=[1], sign=2), "synapse 0 has sign 2; signs are +1 (excitatory)"),
    (of(inputs=1, neurons=2, pre=[0], post=[1], sign=-(2**63)), "synapse 0 has sign -9223372036854775808"),
    (of(inputs=1, neurons=2, pre=[0], post=[1], sign=[1, 1]), "sign has shape (2,); it takes one for each of the 1"),
    (of(inputs=1, neurons=2, pre=[0], post=[1], kind=GAP, sign=1), "is a gap junction with sign 1; a gap junction"),
    (
        of(inputs=1, neurons=2, pre=[2], post=[2], kind=GAP),
        "synapse 0 is a gap junction of cell 2 ('n1') with itself",
    ),
    (of(inputs=1, neurons=2, pre=[1], post=[2], kind=CURRENT), "synapse 0 is a current from cell 1 ('n0'), a neuron"),
    (of(inputs=1, neurons=2, pre=[0], post=[1], count=0), "synapse 0 has count 0.0; a count is finite and > 0."),
    (of(inputs=1, neurons=2, pre=[0], post=[1], count=float("inf")), "synapse 0 has count inf; a count is finite"),
    (of(inputs=1, neurons=2, pre=[0], post=[1], count="1"), "count is '1'; it takes numbers > 0."),
    (of(inputs=1, neurons=2, pre=[0], post=[1], count=[True]), "count is [True]; it takes numbers > 0."),
    (of(inputs=1, neurons=2, pre=[0], post=[1], count=10**400), "it takes numbers > 0."),
    (
        of(inputs=1, neurons=2, pre=[0], post=[1], count=[1, 2]),
        "count has shape (2,); it takes one for each of the 1",
    ),
    (
        of(inputs=1, neurons=2, pre=[0, 0], post=[1, 1]),
        "two chemical synapses go from 'in0' to 'n0'; a pair has at most one of each kind. Put several contacts into",
    ),
    (
        of(inputs=1, neurons=2, pre=[1, 1], post=[2, 2], kind=GAP),
        "the gap junction of 'n0' and 'n1' is listed twice from 'n0' to 'n1'; it takes one entry, or one from either",
    ),
    (
        of(inputs=1, neurons=2, pre=[2, 2], post=[1, 1], kind=GAP),
        "the gap junction of 'n0' and 'n1' is listed twice from 'n1' to 'n0'; it takes one entry",
    ),
    (
        of(inputs=1, neurons=2, pre=[2, 1, 2], post=[1, 2, 1], kind=GAP),
        "the gap junction of 'n0' and 'n1' is listed twice from 'n1' to 'n0'; it takes one entry",
    ),
    (
        of(inputs=1, neurons=3, pre=[3, 2, 2, 1], post=[2, 1, 3, 2], kind=GAP, count=[5, 2, 0.1, 2]),
        "the gap junction of 'n1' and 'n2' is listed from both ends with unequal counts: 0.1 from 'n1' and 5.0 from "
        "'n2'. A junction is one: list it once, or with the same count from both ends.",
    ),
    (of(inputs=2, neurons=1, pre=[1], post=[0], kind=GAP), "synapse 0 ends on cell 1 ('in1'), which is not a neuron"),
]


@pytest.mark.parametrize(("arguments", "message"), IMPOSSIBLE)
def test_what_cannot_be_is_refused_by_name(arguments, message):
    with pytest.raises(WiringError, match=re.escape(message)):
        Wiring(**arguments)


@given(wirings())
def test_no_array_of_a_wiring_can_be_written(wiring):
    for name in ARRAYS:
        values = getattr(wiring, name)
        with pytest.raises(ValueError, match="read-only"):
            values[...] = 0
        with pytest.raises(ValueError, match="WRITEABLE"):
            values.flags.writeable = True


@pytest.mark.parametrize("name", [*FIELDS, "new"])
def test_no_attribute_of_a_wiring_can_be_set_or_deleted(name):
    wiring = Wiring(1, 2)
    with pytest.raises(AttributeError, match=f"a Wiring is immutable; '{name}' cannot be set"):
        setattr(wiring, name, 1)
    with pytest.raises(AttributeError, match=f"a Wiring is immutable; '{name}' cannot be deleted"):
        delattr(wiring, name)


def test_the_callers_arrays_are_copied_and_stay_writable():
    pre, post, count = np.array([0, 1]), np.array([1, 2]), np.array([1.0, 2.0])
    wiring = Wiring(1, 2, pre=pre, post=post, count=count)
    before = wiring.digest, wiring.pre.copy()
    pre[0], post[0], count[0] = 1, 2, 9.0
    assert Wiring(**wiring.to_dict()).digest == before[0]
    assert np.array_equal(wiring.pre, before[1])


@given(wirings(), SEEDS)
def test_the_order_in_which_synapses_are_given_does_not_matter(wiring, seed):
    order = np.random.default_rng(seed).permutation(wiring.n_synapses)
    content = wiring.to_dict()
    for name in ("pre", "post", "kind", "sign", "count"):
        content[name] = getattr(wiring, name)[order]
    assert Wiring(**content) == wiring
    keys = list(zip(wiring.post, wiring.pre, wiring.kind))
    assert keys == sorted(keys)


@given(wirings())
def test_a_gap_junction_is_one_synapse_whichever_end_is_named_first(wiring):
    content, gap = wiring.to_dict(), (wiring.kind == GAP) & (wiring.pre >= wiring.n_inputs)
    content["pre"] = np.where(gap, wiring.post, wiring.pre)
    content["post"] = np.where(gap, wiring.pre, wiring.post)
    assert Wiring(**content) == wiring
    assert np.all(wiring.pre[wiring.kind == GAP] < wiring.post[wiring.kind == GAP])


@given(wirings(), SEEDS)
def test_gap_junctions_listed_from_both_ends_are_one_each(wiring, seed):
    twice = np.concatenate([np.arange(wiring.n_synapses), wiring.of_kind(GAP)])
    pre, post = wiring.pre[twice], wiring.post[twice]
    pre[wiring.n_synapses :], post[wiring.n_synapses :] = (
        wiring.post[wiring.of_kind(GAP)],
        wiring.pre[wiring.of_kind(GAP)],
    )
    order = np.random.default_rng(seed).permutation(len(twice))
    of_synapses = {name: getattr(wiring, name)[twice][order] for name in ("kind", "sign", "count")}
    assert wiring.replace(pre=pre[order], post=post[order], **of_synapses) == wiring


def test_a_gap_junction_listed_from_both_ends_keeps_its_count():
    wiring = Wiring(["in"], ["a", "b"], pre=[1, 2, 1], post=[2, 1, 0], kind=GAP, count=[3, 3, 2])
    assert (wiring.n_synapses, wiring.count.tolist()) == (2, [2.0, 3.0])
    assert wiring.csr(GAP).pre.tolist() == [0, 2, 1]


@given(wirings())
def test_the_digest_is_that_of_the_whole_content_as_json(wiring):
    text = json.dumps(wiring.to_dict(), sort_keys=True)
    assert wiring.digest == hashlib.sha256(text.encode()).hexdigest()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("wormnet.wiring.core.PIECE", 2)
        assert Wiring(**wiring.to_dict()).digest == wiring.digest


@given(wirings(names=True))
def test_content_makes_equality_hash_digest_copies_and_pickles(wiring):
    for same in (
        Wiring(**wiring.to_dict()),
        pickle.loads(pickle.dumps(wiring)),
        copy.copy(wiring),
        copy.deepcopy(wiring),
    ):
        assert same == wiring
        assert hash(same) == hash(wiring)
        assert same.digest == wiring.digest
        for name in FIELDS:
            assert np.array_equal(getattr(same, name), getattr(wiring, name)), name
    assert wiring != wiring.to_dict()


@given(wirings(inputs=(1, 4), neurons=(2, 5)), st.sampled_from(["name", "role", "outputs", "sign", "count", "source"]))
def test_any_change_of_content_makes_another_wiring(wiring, what):
    content = wiring.to_dict()
    if what == "name":
        content["inputs"][0] += "x"
    elif what == "role":
        content["roles"][-1] = "motor" if wiring.roles[-1] != "motor" else "inter"
    elif what == "outputs":
        content["outputs"] = [name for name in wiring.neurons if name not in wiring.outputs] or ["n1"]
    elif what == "source":
        content["source"] += "x"
    elif not wiring.n_synapses or (what == "sign" and wiring.kind[0] == GAP):
        return
    elif what == "sign":
        content["sign"][0] = 1 if wiring.sign[0] != 1 else -1
    else:
        content["count"][0] = np.nextafter(wiring.count[0], np.inf)
    other = Wiring(**content)
    assert other != wiring
    assert other.digest != wiring.digest


@given(wirings(), st.sampled_from([CHEMICAL, GAP, CURRENT]))
def test_csr_lists_the_edges_a_plain_loop_finds(wiring, kind):
    edges = []
    place = 0
    for pre, post, its_kind in zip(wiring.pre, wiring.post, wiring.kind):
        if its_kind == kind:
            edges.append((post - wiring.n_inputs, pre, place))
            if kind == GAP and pre >= wiring.n_inputs:
                edges.append((pre - wiring.n_inputs, post, place))
            place += 1
    csr = wiring.csr(kind)
    assert list(zip(csr.post, csr.pre, csr.synapse)) == sorted(edges)
    assert csr.start[0] == 0
    assert csr.start[-1] == len(edges)
    for neuron in range(wiring.n_neurons):
        mine = csr.post[csr.start[neuron] : csr.start[neuron + 1]]
        assert len(mine) == sum(post == neuron for post, _, _ in edges)
        assert np.all(mine == neuron)


def test_layers_are_numbered_without_holes():
    assert Wiring(0, 3, layers=[7, 3, 7]).layers.tolist() == [1, 0, 1]


def test_cells_and_outputs_are_found_by_name():
    wiring = Wiring(["touch"], ["AVAL", "AVAR"], outputs=["AVAR", 0])
    assert [wiring.cell(name) for name in wiring.cells] == [0, 1, 2]
    assert wiring.outputs == ("AVAR", "AVAL")
    assert wiring.output_index.tolist() == [1, 0]
    with pytest.raises(WiringError, match="unknown cell 'AVAK'; did you mean 'AVAR' or 'AVAL'"):
        wiring.cell("AVAK")
    with pytest.raises(WiringError, match=r"unknown cell \['AVAL'\]"):
        wiring.cell(["AVAL"])


@given(wirings(), wirings())
def test_replace_changes_the_fields_it_is_given_and_no_other(wiring, other):
    assert wiring.replace() == wiring
    assert wiring.replace(**other.to_dict()) == other
    changed = wiring.replace(source="elsewhere", count=2.0)
    assert changed.to_dict() == {**wiring.to_dict(), "source": "elsewhere", "count": [2.0] * wiring.n_synapses}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (of(synapses=[]), "unknown field of a wiring 'synapses'. Known: inputs, neurons"),
        (of(sings=0), "unknown field of a wiring 'sings'; did you mean 'sign'"),
        (of(pre=[0]), "pre has shape (1,) and post (2,)"),
        (of(neurons=["a", "b"]), "unknown output neuron 'n0'"),
        (of(sign=2), "synapse 0 has sign 2"),
    ],
)
def test_replace_proves_what_it_makes(changes, message):
    with pytest.raises(WiringError, match=re.escape(message)):
        Wiring(1, 2, pre=[0, 1], post=[1, 2]).replace(**changes)


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_names_the_class_and_nothing_else(protocol):
    wiring = Wiring(1, ["a", "b"], pre=[0, 1], post=[1, 2], kind=[CURRENT, GAP], count=[0.1, 3])
    content = pickle.dumps(wiring, protocol)
    strings, named = [], set()
    for opcode, argument, _ in pickletools.genops(content):
        strings += [argument] * isinstance(argument, str)
        if opcode.name == "GLOBAL":
            named.add(argument)
        elif opcode.name == "STACK_GLOBAL":
            named.add(" ".join(strings[-2:]))
    assert named == {"wormnet.wiring.core Wiring"}
    assert pickle.loads(content) == wiring


def test_torch_reads_a_wiring_by_the_name_of_its_class_alone(tmp_path):
    torch = pytest.importorskip("torch")
    wiring = Wiring(1, ["a", "b"], roles="motor", pre=[0, 1], post=[1, 2], kind=[CURRENT, GAP], count=[0.1, 3])
    torch.save({"hyper_parameters": {"wiring": wiring}}, tmp_path / "file.pt")
    with pytest.raises(pickle.UnpicklingError, match=r"wormnet\.wiring\.core\.Wiring"):
        torch.load(tmp_path / "file.pt", weights_only=True)
    with torch.serialization.safe_globals([Wiring]):
        found = torch.load(tmp_path / "file.pt", weights_only=True)
    assert found["hyper_parameters"]["wiring"] == wiring


def test_a_circuit_with_parameters_is_copied_pickled_and_read_by_torch(tmp_path):
    torch = pytest.importorskip("torch")
    circuit = Biophysical(tap.tw_pure().wiring, tap.tw_pure().values, held={"PLM": -20.0})
    torch.save(circuit, tmp_path / "file.pt")
    with torch.serialization.safe_globals([Wiring, Biophysical]):
        read = torch.load(tmp_path / "file.pt", weights_only=True)
    for same in (read, pickle.loads(pickle.dumps(circuit)), copy.deepcopy(circuit), copy.copy(circuit)):
        assert same.wiring == circuit.wiring
        assert dict(same.held) == {"PLM": -20.0}
        assert same.values.keys() == circuit.values.keys()
        for name, value in circuit.values.items():
            assert np.array_equal(same.values[name], value)
            assert not same.values[name].flags.writeable


def test_kinds_are_numbered_by_their_place_in_the_list():
    assert (KINDS[CHEMICAL], KINDS[GAP], KINDS[CURRENT]) == ("chemical", "gap", "current")


@pytest.mark.parametrize("kind", ["gap", 3, -1, True, None, [GAP]])
def test_what_is_no_kind_is_refused_and_not_taken_for_one_without_synapses(kind):
    wiring = Wiring(1, 2, pre=[0, 1], post=[1, 2], kind=[CHEMICAL, GAP])
    for look_up in (wiring.of_kind, wiring.csr):
        with pytest.raises(WiringError, match=r"kind is .*; kinds are 0 \(chemical\), 1 \(gap\) and 2 \(current\)"):
            look_up(kind)


def test_repr_counts_every_kind():
    wiring = Wiring(1, 2, outputs=[0], pre=[0, 0, 1], post=[1, 1, 2], kind=[CHEMICAL, CURRENT, GAP])
    assert repr(wiring) == "Wiring(1 input, 2 neurons, 1 output, 1 synapse, 1 gap junction, 1 current)"
