"""Named circuits: sizes as counted in the data sets, the tap withdrawal circuit as published."""

import re
from collections import Counter

import numpy as np
import pytest

from wormnet.errors import WiringError
from wormnet.wiring import CHEMICAL, GAP, atlas, circuits
from wormnet.wiring.connectome import connectome

# name: neurons; chemical synapses (sum), gap junctions (sum) in Cook; the same in White. Synapses of a cell with itself
# are not counted. Counted with cect 0.3.5, apart from this package.
SIZES = {
    "touch": (16, (90, 892), (34, 289), (71, 328), (14, 32)),
    "command": (10, (68, 639), (17, 208), (54, 261), (7, 24)),
    "locomotion": (81, (613, 3681), (230, 1078), (407, 1677), (167, 365)),
    "klinotaxis": (10, (25, 346), (3, 24), (11, 83), (2, 3)),
    "chemotaxis": (20, (89, 1132), (17, 95), (57, 241), (11, 19)),
    "navigation": (32, (225, 2336), (42, 194), (137, 532), (26, 40)),
    "thermotaxis": (28, (171, 2396), (36, 97), (96, 501), (20, 21)),
    "nociception": (20, (125, 1231), (31, 189), (89, 396), (18, 35)),
    "social_hub": (18, (31, 94), (19, 77), (16, 24), (17, 17)),
    "oxygen": (18, (61, 542), (10, 56), (40, 122), (8, 12)),
    "egg_laying": (8, (19, 57), (7, 35), (18, 36), (7, 15)),
    "pharynx": (20, (140, 622), (32, 63), (72, 115), (45, 60)),
    "nictation": (31, (167, 1382), (39, 107), (105, 332), (23, 24)),
}


def counted(wiring, kind):
    chosen = wiring.of_kind(kind)
    chosen = chosen[wiring.pre[chosen] != wiring.post[chosen]]
    return len(chosen), wiring.count[chosen].sum()


def test_every_circuit_has_a_known_size():
    assert set(circuits.__all__) == {*SIZES, "tap_withdrawal"}


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("dataset", ["cook2019", "white1986"])
def test_a_circuit_is_as_large_as_counted(name, dataset):
    n, *sizes = SIZES[name]
    chemical, gap = sizes[:2] if dataset == "cook2019" else sizes[2:]
    wiring = getattr(circuits, name)(dataset)
    assert (wiring.n_inputs, wiring.n_neurons) == (0, n)
    assert counted(wiring, CHEMICAL) == chemical
    assert counted(wiring, GAP) == gap


@pytest.mark.parametrize("name", SIZES)
def test_options_reach_the_connectome(name):
    wiring = getattr(circuits, name)("cook2019", polarity="learned", weights="binary")
    assert not wiring.sign.any()
    assert set(wiring.count) == {1.0}
    same = connectome("cook2019", cells=wiring.neurons, polarity="learned", weights="binary")
    papers = " ".join(re.search(r"Source: (.*?)\.?\n\n", getattr(circuits, name).__doc__, re.S)[1].split())
    assert wiring.source == f"{papers}; {same.source}"
    assert {**wiring.to_dict(), "source": ""} == {**same.to_dict(), "source": ""}


@pytest.mark.parametrize("name", SIZES)
def test_the_docstring_names_the_classes_of_its_cells(name):
    function = getattr(circuits, name)
    words = set(function.__doc__.replace(",", " ").replace(".", " ").split())
    classes = {atlas.cells()[cell].cell_class for cell in function().neurons}
    assert classes <= words | {"I2", "I3", "I4", "I5", "M2", "M3", "M4"}
    assert "Source:" in function.__doc__


def test_a_circuit_of_the_body_is_an_error_where_only_the_brain_was_read():
    with pytest.raises(WiringError, match="'HSN' is not among the 187 cells of witvliet1; leave it out"):
        circuits.egg_laying("witvliet1")


def test_a_circuit_of_the_brain_is_there_from_birth():
    assert [circuits.klinotaxis(f"witvliet{i}").n_neurons for i in range(1, 9)] == [10] * 8


# -- tap withdrawal ----------------------------------------------------------------------------------------------------


def test_tap_withdrawal_has_the_published_synapses():
    wiring = circuits.tap_withdrawal(clamped=False)
    chemical = wiring.of_kind(CHEMICAL)
    assert Counter(wiring.sign[chemical].tolist()) == {1: 9, -1: 17}
    excites = {(wiring.cells[wiring.pre[s]], wiring.cells[wiring.post[s]]) for s in np.flatnonzero(wiring.sign == 1)}
    of_pvc, of_avd = (
        (("PVC", post) for post in ("AVA", "AVD", "AVB", "DVA")),
        (("AVD", post) for post in ("AVA", "PVC", "AVB")),
    )
    assert excites == {*of_pvc, *of_avd, ("AVB", "FWD"), ("AVA", "REV")}
    gap = wiring.of_kind(GAP)
    pairs = {frozenset((wiring.cells[wiring.pre[s]], wiring.cells[wiring.post[s]])) for s in gap}
    assert pairs == {frozenset(("AVM", "AVD")), frozenset(("PLM", "PVC"))}
    assert wiring.outputs == ("FWD", "REV")


@pytest.mark.parametrize("dataset", ["cook2019", "white1986"])
def test_all_24_synapses_between_its_cells_are_in_the_connectome(dataset):
    wiring = circuits.tap_withdrawal(clamped=False)
    anatomy = circuits.touch(dataset)
    classes = [atlas.cells()[name].cell_class for name in anatomy.neurons]
    for kind, n in ((CHEMICAL, 24), (GAP, 2)):
        there = {
            frozenset((classes[i], classes[j])) if kind == GAP else (classes[i], classes[j])
            for i, j in zip(anatomy.pre[anatomy.of_kind(kind)], anatomy.post[anatomy.of_kind(kind)])
        }
        ours = [
            (wiring.cells[wiring.pre[s]], wiring.cells[wiring.post[s]])
            for s in wiring.of_kind(kind)
            if wiring.cells[wiring.post[s]] not in ("FWD", "REV")
        ]
        assert len(ours) == n
        assert {frozenset(pair) if kind == GAP else pair for pair in ours} <= there


def test_clamped_touch_cells_are_inputs_and_the_junctions_start_at_them():
    wiring = circuits.tap_withdrawal()
    assert wiring.inputs == ("PVD", "PLM", "AVM", "ALM")
    assert wiring.n_synapses == 28
    assert (wiring.pre[wiring.of_kind(GAP)] < wiring.n_inputs).all()
    assert np.array_equal(wiring.csr(GAP).pre, [2, 1])
    assert wiring == circuits.tap_withdrawal(clamped=False).clamp("PVD", "PLM", "AVM", "ALM")


def test_free_touch_cells_feel_their_junctions_too():
    wiring = circuits.tap_withdrawal(clamped=False)
    csr = wiring.csr(GAP)
    ends = {(wiring.cells[i], wiring.neurons[j]) for i, j in zip(csr.pre, csr.post)}
    assert ends == {("AVM", "AVD"), ("AVD", "AVM"), ("PLM", "PVC"), ("PVC", "PLM")}
