"""Published connectomes: counts, sources, signs. The counts are those of the data sets' own readers and papers."""

import hashlib
import importlib.util
import re
import subprocess
import sys
import types
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wormnet.errors import DataError, WiringError
from wormnet.wiring import CHEMICAL, GAP, atlas
from wormnet.wiring.connectome import Coverage, connectome, coverage, from_cect, names

ROOT = Path(__file__).parents[2]

# name: cells (neuron, muscle, other); chemical synapses (sum of weights), all and between neurons; gap pairs likewise.
# Counted in what the readers of cect 0.3.5 deliver, before this package's tables existed. Gap junctions of a cell with
# itself are among the pairs; the last number says how many of those are neurons'.
COUNTS = {
    "white1986": ((300, 3, 6), (2386, 7943), (2266, 6509), (575, 971), (569, 965), 6),
    "varshney2011": ((280, 1, 0), (2309, 7804), (2194, 6394), (517, 890), (517, 890), 3),
    "cook2019": ((302, 135, 36), (4879, 28113), (3709, 20965), (1450, 11680), (1105, 5779), 14),
    "witvliet1": ((161, 17, 9), (775, 1296), (675, 1152), (83, 104), (83, 104), 2),
    "witvliet2": ((162, 21, 11), (986, 1895), (865, 1687), (124, 133), (121, 130), 2),
    "witvliet3": ((162, 27, 9), (1012, 2128), (887, 1884), (94, 109), (94, 109), 2),
    "witvliet4": ((168, 26, 10), (1136, 2777), (1011, 2521), (209, 243), (205, 239), 3),
    "witvliet5": ((174, 28, 9), (1515, 4116), (1324, 3644), (292, 419), (289, 415), 6),
    "witvliet6": ((175, 32, 9), (1525, 4456), (1315, 3894), (214, 267), (212, 265), 2),
    "witvliet7": ((181, 32, 9), (2202, 7467), (1944, 6587), (291, 400), (267, 369), 6),
    "witvliet8": ((180, 32, 7), (2186, 7970), (1933, 7099), (310, 430), (304, 424), 8),
}


def counted(edges):
    return len(edges), sum(edge.weight for edge in edges)


def is_neuron(name):
    return atlas.cells()[name].kind == "neuron"


def between_neurons(edges):
    return [edge for edge in edges if is_neuron(edge.pre) and is_neuron(edge.post)]


# -- the tables --------------------------------------------------------------------------------------------------------


def test_every_bundled_connectome_has_published_counts():
    assert set(names()) == set(COUNTS)


@pytest.mark.parametrize("name", COUNTS)
def test_cells_and_synapses_are_as_many_as_published(name):
    kinds, chemical, chemical_neurons, gap, gap_neurons, own = COUNTS[name]
    edges = atlas.edges(name)
    found = Counter(atlas.cells()[cell].kind for cell in {end for edge in edges for end in (edge.pre, edge.post)})
    assert (found["neuron"], found["muscle"], found["other"]) == kinds
    of_kind = [[edge for edge in edges if edge.gap == gap] for gap in (False, True)]
    assert counted(of_kind[0]) == chemical
    assert counted(of_kind[1]) == gap
    assert counted(between_neurons(of_kind[0])) == chemical_neurons
    assert counted(between_neurons(of_kind[1])) == gap_neurons
    assert sum(edge.pre == edge.post for edge in between_neurons(of_kind[1])) == own


@pytest.mark.parametrize("name", COUNTS)
def test_a_wiring_has_the_counts_of_its_table(name):
    kinds, _, (n_chemical, sum_chemical), _, (n_gap, _), own = COUNTS[name]
    wiring = connectome(name)
    assert (wiring.n_inputs, wiring.n_neurons) == (0, kinds[0])
    assert len(wiring.of_kind(CHEMICAL)) == n_chemical
    assert wiring.count[wiring.of_kind(CHEMICAL)].sum() == sum_chemical
    assert len(wiring.of_kind(GAP)) == n_gap - own
    assert connectome(name, cells="all").n_neurons == sum(kinds)


def test_white_with_muscles_and_gap_junctions_is_the_nine_thousand_synapses():
    edges = atlas.edges("white1986")
    assert sum(edge.weight for edge in edges) == 8914
    onto_others = sum(e.weight for e in edges if not e.gap and not is_neuron(e.post))
    assert onto_others == 7943 - 6509 == 1434


def test_no_pair_is_listed_twice_and_gap_junctions_once():
    for name in names():
        keys = [(e.gap, *(sorted((e.pre, e.post)) if e.gap else (e.pre, e.post))) for e in atlas.edges(name)]
        assert len(keys) == len(set(keys))


def test_cook_has_38_synapses_of_a_cell_with_itself_and_they_stay():
    wiring = connectome("cook2019")
    chemical = wiring.of_kind(CHEMICAL)
    assert (wiring.pre[chemical] == wiring.post[chemical]).sum() == 38


def test_378_synapses_are_in_all_eight_witvliet_animals():
    sets = [{(e.pre, e.post) for e in between_neurons(atlas.edges(f"witvliet{i}")) if not e.gap} for i in range(1, 9)]
    assert len(set.intersection(*sets)) == 378


def test_files_are_those_of_the_source_list_and_fit_in_200_kb():
    files = {path.name for path in atlas.TABLES.iterdir()}
    listed = [atlas.source(name) for name in (*names(), "cells", "fenyves2020")]
    assert files == {source.file for source in listed} | {"SOURCES.toml"}
    for source in listed:
        assert hashlib.sha256((atlas.TABLES / source.file).read_bytes()).hexdigest() == source.sha256
        assert source.paper
        assert source.licence
        assert source.origin
        assert source.cect == "0.3.5"
    assert sum(path.stat().st_size for path in atlas.TABLES.iterdir()) < 200_000


def test_rebuilding_the_tables_gives_the_same_bytes(tmp_path):
    if importlib.util.find_spec("cect") is None:
        pytest.skip("cect is not installed")
    subprocess.run([sys.executable, ROOT / "scripts/build_tables.py", tmp_path], check=True, timeout=300)
    for path in atlas.TABLES.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


def test_loading_needs_neither_cect_nor_pandas_nor_torch():
    code = (
        "import sys; from wormnet.wiring.connectome import connectome; connectome('cook2019', polarity='fenyves'); "
        "print(*({'cect', 'pandas', 'torch', 'openpyxl', 'networkx'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == ""


# -- cells -------------------------------------------------------------------------------------------------------------


def test_the_302_neurons_fall_into_the_118_classes_of_white():
    neurons = [cell for cell in atlas.cells().values() if cell.kind == "neuron"]
    assert len(neurons) == 302
    assert len({cell.cell_class for cell in neurons}) == 118
    assert sum(cell.pharyngeal for cell in neurons) == 20


def test_roles_are_126_motor_85_sensory_and_10_command_of_89_inter():
    roles = Counter(cell.role for cell in atlas.cells().values() if cell.kind == "neuron")
    assert roles == {"motor": 126, "sensory": 85, "inter": 79, "command": 10, "unknown": 2}


def test_a_partner_has_this_cell_as_its_partner_and_shares_its_class():
    cells = atlas.cells()
    for cell in cells.values():
        if cell.partner:
            assert cells[cell.partner].partner == cell.name
            assert cells[cell.partner].cell_class == cell.cell_class
    assert cells["AVAL"].partner == "AVAR"
    assert cells["SMDDL"].partner == "SMDDR"
    assert all(not cells[name].partner for name in ("AVL", "PVR", "AQR", "DVA", "RMED", "VD10"))


def test_transmitters_are_those_of_wang():
    first = Counter(c.transmitters[0] if c.transmitters else "" for c in atlas.cells().values() if c.kind == "neuron")
    assert first["Acetylcholine"] == 161
    assert first["Glutamate"] == 76
    assert first["GABA"] == 31
    assert first["Dopamine"] == 8
    assert first[""] == 2
    assert atlas.cells()["DVA"].transmitters == ("Acetylcholine", "Glutamate")


# -- choosing cells ----------------------------------------------------------------------------------------------------


def test_classes_and_names_choose_cells_in_the_order_given_each_once():
    wiring = connectome("cook2019", cells=["PVC", "AVAR", "AVA"])
    assert wiring.neurons == ("PVCL", "PVCR", "AVAR", "AVAL")
    assert set(wiring.roles) == {"command"}


def test_a_sub_circuit_has_the_synapses_between_its_cells_and_no_others():
    whole, part = connectome("cook2019"), connectome("cook2019", cells=["AVA", "AVB", "RIM", "DA"])
    inside = {
        (whole.cells[i], whole.cells[j], int(k), int(s), float(c))
        for i, j, k, s, c in zip(whole.pre, whole.post, whole.kind, whole.sign, whole.count)
        if {whole.cells[i], whole.cells[j]} <= set(part.neurons) and k == CHEMICAL
    }
    found = {
        (part.cells[i], part.cells[j], int(k), int(s), float(c))
        for i, j, k, s, c in zip(part.pre, part.post, part.kind, part.sign, part.count)
        if k == CHEMICAL
    }
    assert found == inside


def test_outputs_are_the_motor_neurons_or_all_neurons_without_any():
    wiring = connectome("cook2019")
    motor = {cell.name for cell in atlas.cells().values() if cell.role == "motor"}
    assert set(wiring.outputs) == motor
    assert connectome("cook2019", cells=["AVA"]).outputs == ("AVAL", "AVAR")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "cook2018"}, "unknown connectome 'cook2018'; did you mean 'cook2019'"),
        ({"name": ["cook2019"]}, r"unknown connectome \['cook2019'\]"),
        ({"cells": "neurones"}, "cells is 'neurones'; it takes 'neurons', 'all', or a list of names and classes."),
        ({"cells": 7}, "cells is 7; it takes"),
        ({"cells": ["AVAL", "AWX"]}, "unknown cell or class 'AWX'; did you mean 'AW"),
        ({"cells": [3]}, "unknown cell or class 3"),
        ({"name": "white1986", "cells": ["CANL"]}, "'CANL' is not among the 309 cells of white1986; leave it out."),
        ({"name": "witvliet1", "cells": ["DD"], "weights": "counts"}, "unknown weights 'counts'; did you mean 'count'"),
        ({"weights": ["count"]}, "unknown weights"),
        ({"polarity": "gabba"}, "unknown polarity 'gabba'; did you mean 'gaba'"),
        ({"polarity": 1}, "unknown polarity 1"),
        ({"polarity": {"AVL2": 1}}, "unknown cell or class 'AVL2'; did you mean 'AVL'"),
        ({"polarity": {("AVA", "AVB", "PVC"): 1}}, "polarity has the key .*; it takes a sender or a pair"),
        ({"polarity": {"AVA": 2}}, "polarity gives 'AVA' the sign 2; it takes"),
        ({"polarity": {"AVA": True}}, "polarity gives 'AVA' the sign True; it takes"),
    ],
)
def test_what_is_not_there_gets_a_clear_error(arguments, message):
    with pytest.raises(WiringError, match=message):
        connectome(**{"name": "cook2019", **arguments})


# -- signs -------------------------------------------------------------------------------------------------------------


def signs_of(wiring):
    chemical = wiring.of_kind(CHEMICAL)
    ends = zip(wiring.pre[chemical], wiring.post[chemical], wiring.sign[chemical])
    return {(wiring.cells[i], wiring.cells[j]): int(sign) for i, j, sign in ends}


def test_gaba_makes_what_31_cells_send_inhibitory_and_all_else_excitatory():
    wiring = connectome("cook2019", polarity="gaba")
    inhibitory = {wiring.cells[i] for i in wiring.pre[wiring.sign == -1]}
    sends = {wiring.cells[i] for i in wiring.pre[wiring.kind == CHEMICAL]}
    gabaergic = {name for name, cell in atlas.cells().items() if cell.transmitters[:1] == ("GABA",)}
    assert len(gabaergic) == 31
    assert inhibitory == gabaergic & sends
    assert {pair for pair, sign in signs_of(wiring).items() if sign == -1} == {
        pair for pair in signs_of(wiring) if pair[0] in gabaergic
    }


def test_the_predicted_signs_are_as_many_as_published():
    assert Counter(atlas.predicted_signs().values()) == {1: 1327, -1: 425, 0: 471 + 1415}


def test_fenyves_is_the_prediction_where_there_is_one_and_gaba_elsewhere():
    predicted = atlas.predicted_signs()
    by_gaba = signs_of(connectome("cook2019", polarity="gaba"))
    found = signs_of(connectome("cook2019", polarity="fenyves"))
    assert found == {pair: predicted.get(pair, 0) or by_gaba[pair] for pair in found}
    # 193 synapses of the corrected Cook connectome are not in the release that the prediction used.
    assert len(set(found) - set(predicted)) == 193
    assert len(set(predicted) - set(found)) == 122


def test_the_predictions_as_a_mapping_leave_the_undecided_to_be_learned():
    found = signs_of(connectome("cook2019", polarity=atlas.predicted_signs()))
    assert found == {pair: atlas.predicted_signs().get(pair, 0) for pair in found}


@pytest.mark.parametrize("name", ["cook2019", "white1986", "witvliet8"])
def test_coverage_adds_up_and_counts_what_the_rule_decides_alone(name):
    n = len(connectome(name).of_kind(CHEMICAL))
    predicted = atlas.predicted_signs()
    ends = [pair for pair in signs_of(connectome(name)) if predicted.get(pair, 0)]
    found = coverage(name, "fenyves")
    assert sum(found) == n
    assert n - found.undecided == len(ends)
    assert coverage(name, "learned") == Coverage(0, 0, n)
    assert coverage(name, "learned").share_undecided == 1.0
    assert coverage(name, "gaba").share_undecided == 0.0
    assert coverage(name, "learned", cells=["CANL"] if name == "cook2019" else ["DVA"]).share_undecided == 0.0


def test_learned_leaves_every_sign_open():
    assert not connectome("cook2019", polarity="learned").sign.any()


def test_the_more_special_key_of_a_mapping_decides():
    cells = ["AVA", "AVB", "PVC"]
    rule = {"AVA": 1, "AVAL": -1, ("AVA", "AVB"): 1, ("AVAL", "AVBL"): -1, ("AVB", "AVAL"): -1}
    found = signs_of(connectome("cook2019", cells=cells, polarity=rule))
    assert found["AVAR", "PVCL"] == 1
    assert found["AVAL", "PVCL"] == -1
    assert found["AVAL", "AVBL"] == -1
    assert found["AVAR", "AVBL"] == 1
    assert found["AVBR", "AVAL"] == -1
    assert found["AVBR", "AVAR"] == 0
    assert found["PVCL", "AVAL"] == 0


# -- weights -----------------------------------------------------------------------------------------------------------


def test_binary_weights_are_one():
    assert set(connectome("cook2019", weights="binary").count) == {1.0}


def test_scaled_sections_sum_to_contacts_over_the_shared_neurons():
    shared = [name for name in connectome("varshney2011").neurons if name in connectome("cook2019").neurons]
    assert len(shared) == 280
    cook = connectome("cook2019", cells=shared, weights="scaled")
    contacts = connectome("varshney2011", cells=shared)
    for kind in (CHEMICAL, GAP):
        assert cook.count[cook.of_kind(kind)].sum() == pytest.approx(contacts.count[contacts.of_kind(kind)].sum())


def test_scaling_divides_each_kind_by_the_one_number_stated():
    sections, scaled = connectome("cook2019"), connectome("cook2019", weights="scaled")
    for kind, factor in ((CHEMICAL, 3.17), (GAP, 5.27)):
        of_kind = sections.of_kind(kind)
        ratio = sections.count[of_kind] / scaled.count[of_kind]
        assert ratio == pytest.approx(ratio[0])
        assert ratio[0] == pytest.approx(factor, abs=0.005)


def test_counts_of_contacts_are_not_scaled():
    for name in ("white1986", "varshney2011", "witvliet5"):
        assert connectome(name, weights="scaled") == connectome(name)


# -- sources -----------------------------------------------------------------------------------------------------------


@given(st.sampled_from([*COUNTS, "cells", "fenyves2020"]))
def test_a_source_says_paper_and_doi_is_a_doi(name):
    source = atlas.source(name)
    assert re.search(r"\b(19|20)\d\d\b", source.paper)
    assert source.doi == "" or re.fullmatch(r"10\.\d{4}/\S+", source.doi)


def test_a_wiring_names_its_paper():
    assert connectome("cook2019").source.startswith("Cook et al. 2019, Nature 571, 63-71")
    assert "10.1038/s41586-019-1352-7" in connectome("cook2019").source


@pytest.mark.parametrize(
    ("polarity", "papers"), [("gaba", ["Wang"]), ("fenyves", ["Fenyves", "Wang"]), ("learned", []), ({"AVA": 1}, [])]
)
def test_a_wiring_names_the_papers_of_its_signs(polarity, papers):
    found = connectome("white1986", polarity=polarity).source
    assert [name for name in ("Fenyves", "Wang") if name in found] == papers


def test_an_unknown_table_gets_near_names():
    with pytest.raises(WiringError, match="unknown table 'cell'; did you mean 'cells'"):
        atlas.source("cell")


# -- cect --------------------------------------------------------------------------------------------------------------


def test_a_missing_cect_is_one_sentence_with_the_pip_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "cect", None)
    with pytest.raises(DataError, match=r'from_cect needs cect .*: pip install "wormnet\[cect\]"'):
        from_cect("Cook2019MaleReader")


@pytest.fixture
def fake_cect(monkeypatch, tmp_path):
    """A package with cect's interface and one tiny data set, so that the reading is tested where cect is missing."""
    (tmp_path / "cect/readers").mkdir(parents=True)
    (tmp_path / "cect/__init__.py").write_text("")
    (tmp_path / "cect/readers/__init__.py").write_text("")
    (tmp_path / "cect/readers/TinyReader.py").write_text("get_instance = None\n")
    (tmp_path / "cect/readers/BaseReader.py").write_text("")
    (tmp_path / "cect/ConnectomeDataset.py").write_text(
        f"get_cache_filename = lambda name: {str(tmp_path)!r} + '/copy'"
    )
    (tmp_path / "cect/Cells.py").write_text(
        "is_any_neuron = lambda name: name.startswith('R')\n"
        "is_known_muscle = is_pharyngeal_cell = lambda name: False\n"
        "get_SIM_class = lambda name: 'Motorneuron'\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [name for name in sys.modules if name.partition(".")[0] == "cect"]:
        monkeypatch.delitem(sys.modules, name)

    def load(nodes, cached=False, **connections):
        if cached:
            (tmp_path / "copy").touch()
        data = types.SimpleNamespace(nodes=nodes, connections={k: np.array(v, float) for k, v in connections.items()})
        module = importlib.import_module("cect.readers.TinyReader")

        def get_instance(from_cache):
            assert from_cache is cached
            print("noise")
            return data

        monkeypatch.setattr(module, "get_instance", get_instance)

    yield load
    for name in [name for name in sys.modules if name.partition(".")[0] == "cect"]:
        del sys.modules[name]


def test_a_reader_gives_signed_synapses_and_gap_junctions_once(fake_cect, capsys):
    fake_cect(
        ["AVAL", "R1A", "gonad"],
        ExcitatoryChem=[[0, 2, 0], [0, 0, 0], [0, 0, 0]],
        InhibitoryChem=[[0, 0, 0], [3, 0, 0], [0, 0, 0]],
        Generic_GJ=[[4, 5, 0], [5, 0, 0], [0, 0, 0]],
    )
    wiring = from_cect("TinyReader")
    assert wiring.neurons == ("AVAL", "R1A")
    assert wiring.roles == ("command", "motor")
    found = list(zip(wiring.pre, wiring.post, wiring.kind, wiring.sign, wiring.count))
    assert found == [(1, 0, CHEMICAL, -1, 3), (0, 1, CHEMICAL, 1, 2), (0, 1, GAP, 0, 5)]
    assert from_cect("TinyReader", cells="all").n_neurons == 3
    assert from_cect("TinyReader", cells=["R1A"], weights="binary").n_synapses == 0
    assert capsys.readouterr().out == ""


def test_classes_of_one_pair_are_summed_and_the_polarity_decides(fake_cect):
    fake_cect(["RMEL", "AVAL"], Acetylcholine=[[0, 2], [0, 0]], GABA=[[0, 3], [1, 0]])
    wiring = from_cect("TinyReader")
    assert wiring.neurons == ("AVAL", "RMEL")
    assert list(zip(wiring.pre, wiring.post, wiring.sign, wiring.count)) == [(1, 0, -1, 5), (0, 1, 1, 1)]


def test_responses_below_zero_are_inhibitory(fake_cect):
    fake_cect(["RMEL", "AVAL"], cached=True, Functional=[[0, 0.5], [-0.25, 0]])
    wiring = from_cect("TinyReader", polarity="learned")
    assert list(zip(wiring.pre, wiring.post, wiring.sign, wiring.count)) == [(1, 0, 1, 0.5), (0, 1, -1, 0.25)]


def test_a_reader_that_reads_nothing_is_an_error(fake_cect):
    fake_cect([])
    with pytest.raises(DataError, match="TinyReader read no cells"):
        from_cect("TinyReader")


def test_a_reader_of_a_bundled_connectome_gives_the_bundled_wiring():
    if importlib.util.find_spec("cect") is None:
        pytest.skip("cect is not installed")
    for reader, name in (("Cook2019HermReader", "cook2019"), ("White_whole", "white1986")):
        live, ours = from_cect(reader, cells="all").to_dict(), connectome(name, cells="all").to_dict()
        assert {**live, "source": ""} == {**ours, "source": ""}


def test_an_unknown_reader_gets_near_names(fake_cect):
    with pytest.raises(WiringError, match="unknown reader of cect 'TinyRaeder'; did you mean 'TinyReader'"):
        from_cect("TinyRaeder")
    with pytest.raises(WiringError, match=r"cect.readers.BaseReader reads no data set by itself"):
        from_cect("BaseReader")
    with pytest.raises(WiringError, match="unknown weights 'scaled'"):
        from_cect("TinyReader", weights="scaled")
