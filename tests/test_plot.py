"""Drawings leave nothing out and change nothing."""

import sys
from collections import Counter

import numpy as np
import pytest
from matplotlib.collections import EllipseCollection, LineCollection, PatchCollection
from matplotlib.figure import Figure

import wormnet
from wormnet import plot
from wormnet.errors import ArgumentError, DataError, WiringError, WormnetError
from wormnet.wiring import GAP, Wiring, atlas
from wormnet.wiring.ganglia import GANGLIA, ganglion_of
from wormnet.wiring.layout import groups


def circuit() -> Wiring:
    """Every kind of line: excitatory, inhibitory, unsigned, gap junction, self-synapse."""
    return Wiring(
        ["touch", "smell"],
        ["AVA", "AVB", "M"],
        roles=["command", "command", "motor"],
        outputs=["M"],
        pre=[0, 1, 2, 3, 2, 4],
        post=[2, 3, 4, 4, 3, 4],
        sign=[1, -1, 0, 1, 0, -1],
        kind=[0, 0, 0, 0, GAP, 0],
    )


def drawn(axes):
    lines = [c for c in axes.collections if isinstance(c, LineCollection)]
    ellipses = [c for c in axes.collections if isinstance(c, EllipseCollection)]
    return sum(len(c.get_segments()) for c in lines), sorted(len(c.get_offsets()) for c in ellipses)


@pytest.mark.parametrize("layout", sorted(plot.LAYOUTS))
def test_every_cell_and_synapse_is_drawn(layout):
    n_lines, n_rings_and_cells = drawn(plot.wiring(circuit(), layout=layout))
    assert n_lines == 5
    assert n_rings_and_cells == [1, 5]


def test_three_hundred_neurons_are_all_drawn_and_none_stands_on_another():
    rng = np.random.default_rng(0)
    pairs = rng.choice(302 * 302, 3700, replace=False)
    wiring = Wiring(0, 302, roles=rng.choice(["sensory", "inter", "motor"], 302), pre=pairs // 302, post=pairs % 302)
    axes = plot.wiring(wiring)
    own = int((wiring.pre == wiring.post).sum())
    assert drawn(axes) == (3700 - own, sorted([own, 302]))
    cells = next(c for c in axes.collections if isinstance(c, EllipseCollection) and len(c.get_offsets()) == 302)
    at = np.asarray(cells.get_offsets())
    gaps = np.hypot(*(at[:, None] - at[None]).transpose(2, 0, 1)) + np.eye(302) * 9
    assert gaps.min() > cells.get_widths().max()


def test_cells_of_a_class_stand_side_by_side_left_before_right_and_in_the_order_of_their_numbers():
    wiring = wormnet.connectome("cook2019")
    at, radius = plot.LAYOUTS["classes"](wiring, np.array(wiring.roles, dtype=object))
    place = dict(zip(wiring.neurons, at.tolist()))
    for left, right in (("AVAL", "AVAR"), ("VA1", "VA2"), ("VA9", "VA10"), ("ALML", "ALMR")):
        (x, y), (beside, level) = place[left], place[right]
        assert (beside - x, level - y) == pytest.approx((1, 0)), left
    gaps = np.hypot(*(at[:, None] - at[None]).transpose(2, 0, 1)) + np.eye(302) * 9
    assert gaps.min() > 2 * radius.max()
    rights = [
        max(place[n][0] for n, r in zip(wiring.neurons, wiring.roles) if r == role) for role in ("sensory", "inter")
    ]
    lefts = [
        min(place[n][0] for n, r in zip(wiring.neurons, wiring.roles) if r == role) for role in ("inter", "command")
    ]
    assert all(right < left for right, left in zip(rights, lefts))


def test_the_body_has_the_ganglia_from_head_to_tail_and_the_cord_in_the_order_of_its_numbers():
    wiring = Wiring(["touch"], [*wormnet.connectome("cook2019").neurons, "robot"], pre=[0], post=[303])
    at, radius = plot.LAYOUTS["body"](wiring, groups(wiring))
    place = dict(zip(wiring.cells, at.tolist()))
    gaps = np.hypot(*(at[:, None] - at[None]).transpose(2, 0, 1)) + np.eye(len(at)) * 9
    assert gaps.min() > 2 * radius.max()
    # From before the head to behind the tail: the anterior, lateral, retrovesicular, preanal and lumbar ganglia.
    walk = [place[name][0] for name in ("touch", "IL1L", "AVAL", "AVG", "PVPL", "PHAL", "robot")]
    assert walk == sorted(walk)
    for family, most in {"AS": 11, "DA": 9, "DB": 7, "DD": 6, "VA": 12, "VB": 11, "VC": 6, "VD": 13}.items():
        row = [place[f"{family}{k}"] for k in range(1, most + 1)]
        assert (np.diff([x for x, _ in row]) > 0).all()
        assert len({y for _, y in row}) == 1
    assert place["RID"][1] > place["AVAL"][1] > place["SMBDL"][1]  # dorsal, lateral and ventral ganglion
    assert place["ALML"][0] < place["CANL"][0] < place["PVDL"][0]


def test_every_neuron_of_the_worm_lies_in_one_part_of_the_body():
    neurons = [cell.name for cell in atlas.cells().values() if cell.kind == "neuron"]
    found = Counter(ganglion_of(name) for name in neurons)
    assert None not in found
    # Counted in another list, that of NeuroPAL (Yemini et al. 2021, Cell 184, 272-288).
    known = {
        "pharynx": 20,
        "anterior ganglion": 38,
        "dorsal ganglion": 6,
        "lateral ganglion": 73,
        "ventral ganglion": 32,
    }
    known |= {"retrovesicular ganglion": 20, "ventral cord": 58, "preanal ganglion": 12, "dorsorectal ganglion": 3}
    known |= {"lumbar ganglion": 24, "anterior body": 6, "middle of the body": 4, "posterior body": 6}
    assert found == known
    assert set(known) == set(GANGLIA)
    assert ganglion_of("RMDDL") == "ventral ganglion"
    assert ganglion_of("VB") == "ventral cord"
    assert ganglion_of("MDL08") is None


def test_a_connectome_is_drawn_by_class_and_the_title_says_what_was_left_out():
    worm = wormnet.connectome("cook2019")
    classes = worm.group_by("class", within="drop")
    axes = plot.wiring(worm, layout="classes", by_class=True, least=20)
    n_lines, n_cells = drawn(axes)
    assert n_cells == [118]
    assert n_lines == (classes.count >= 20).sum()
    assert axes.get_title("left").endswith(f"those of 20 contacts or more, {n_lines} of {classes.n_synapses:,}")
    assert len({text.get_text() for text in axes.texts} & set(classes.neurons)) > 110  # their names can be read
    widths = np.concatenate([c.get_linewidths() for c in axes.collections if isinstance(c, LineCollection)])
    assert widths.max() > 2 * widths.min()


def test_roles_stand_in_the_order_of_the_flow():
    axes = plot.wiring(circuit())
    at = {text.get_text(): text.get_position()[0] for text in axes.texts}
    assert at["inputs"] < at["command"] < at["motor"]


def test_arrows_end_on_the_receivers_rim():
    wiring = Wiring(1, 1, pre=[0], post=[1], sign=1)
    axes = plot.wiring(wiring)
    cells = np.asarray(next(c for c in axes.collections if isinstance(c, EllipseCollection)).get_offsets())
    tip = next(c for c in axes.collections if isinstance(c, PatchCollection)).get_paths()[0].vertices[0]
    assert np.hypot(*(tip - cells[1])) < np.hypot(*(tip - cells[0]))
    assert tip[1] == pytest.approx(cells[1, 1])


def test_gap_junctions_have_no_arrow_and_the_legend_names_what_is_there():
    axes = plot.wiring(circuit())
    assert sum(len(c.get_paths()) for c in axes.collections if isinstance(c, PatchCollection)) == 4
    names = {text.get_text() for text in axes.get_legend().get_texts()}
    assert names == {
        "input", "command", "motor", "output", "excitatory", "inhibitory", "unsigned", "gap junction",
    }  # fmt: skip


def test_labels_can_be_changed_left_out_and_forced():
    assert "AVAL" in {t.get_text() for t in plot.wiring(circuit(), labels={"AVA": "AVAL"}).texts}
    assert "AVA" not in {t.get_text() for t in plot.wiring(circuit(), labels=False).texts}
    crowd = wormnet.dense(3, 80)
    assert "n7" not in {t.get_text() for t in plot.wiring(crowd).texts}
    assert "n7" in {t.get_text() for t in plot.wiring(crowd, labels=True).texts}


@pytest.mark.parametrize("layout", sorted(plot.LAYOUTS))
@pytest.mark.parametrize(
    "wiring",
    [
        circuit(),
        wormnet.auto_ncp(inputs=32, neurons=19, outputs=1),
        wormnet.random(inputs=20, neurons=300, outputs=10, synapses=3700),
    ],
    ids=["circuit", "policy", "300"],
)
def test_no_name_meets_another_one(wiring, layout):
    axes = plot.wiring(wiring, layout=layout)
    axes.figure.canvas.draw()
    boxes = [t.get_window_extent() for t in axes.texts if t.get_text() in wiring.cells and not t.get_rotation() % 360]
    for i, one in enumerate(boxes):
        # Half a pixel of halo does not make letters meet.
        assert not any(one.shrunk(0.97, 0.8).overlaps(other.shrunk(0.97, 0.8)) for other in boxes[:i])


def test_the_policy_of_19_neurons_has_all_names():
    wiring = wormnet.auto_ncp(inputs=32, neurons=19, outputs=1)
    for layout in ("columns", "circle"):
        assert set(wiring.cells) <= {t.get_text() for t in plot.wiring(wiring, layout=layout).texts}


def test_a_synapse_that_skips_a_column_does_not_run_through_it():
    wiring = Wiring(1, 2, roles=["inter", "motor"], pre=[0, 1, 0], post=[1, 2, 2], sign=[1, 1, -1])
    axes = plot.wiring(wiring)
    at = np.asarray(next(c for c in axes.collections if isinstance(c, EllipseCollection)).get_offsets())
    radius = next(c for c in axes.collections if isinstance(c, EllipseCollection)).get_heights()[1] / 2
    lines = {tuple(np.round(c.get_color()[0][:3], 3)): c for c in axes.collections if isinstance(c, LineCollection)}
    [skips] = [line for c in lines.values() for line in c.get_segments() if np.ptp(line[:, 0]) > at[1, 0] + radius]
    assert np.hypot(*(skips - at[1]).T).min() > radius


def test_currents_are_dotted_and_counted():
    axes = plot.wiring(circuit().drive({"electrode": "AVA"}))
    assert axes.get_title("left") == "3 inputs, 3 neurons, 5 synapses, 1 gap junction, 1 current"
    assert "current" in {text.get_text() for text in axes.get_legend().get_texts()}
    assert drawn(axes)[0] == 6


@pytest.mark.parametrize("empty", [Wiring(0, 0), Wiring(2, 0), Wiring(0, 3), Wiring(1, 1)])
def test_wirings_of_next_to_nothing_can_be_drawn(empty, tmp_path):
    for draw in (plot.wiring, plot.adjacency):
        draw(empty).figure.savefig(tmp_path / "empty.png")


def test_the_adjacency_matrix_has_a_square_for_every_synapse_and_two_for_a_gap_junction():
    image = plot.adjacency(circuit()).images[0].get_array()
    assert int((image[..., 3] > 0).sum()) == 5 + 2
    # touch (row 0) to AVA (column 2), by the order of the roles.
    assert image[0, 2, 3] == 1
    assert image[2, 0, 3] == 0


def test_drawing_on_given_axes_leaves_other_figures_alone():
    axes = Figure().subplots()
    assert plot.wiring(circuit(), axes) is axes
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layout": "colums"}, "unknown layout 'colums'; did you mean 'columns'"),
        ({"role_colours": {"moto": "red"}}, "unknown role to colour 'moto'; did you mean 'motor'"),
        ({"layout": ["columns"]}, r"unknown layout \['columns'\]"),
        ({"labels": {"AVX": "x"}}, "unknown cell to label 'AVX'; did you mean 'AVB' or 'AVA'"),
        ({"least": -1}, "least is -1; it takes a number of contacts, 0 or more"),
        ({"labels": "all"}, "labels is 'all'; it takes True, False, None or a mapping from names to what to write"),
        ({"role_colours": {"motor": "reddd"}}, "'reddd' is no colour for 'motor'; matplotlib takes 'red'"),
        ({"sign_colours": "red"}, "sign colours are given as 'red'; they take a mapping from names to colours"),
        ({"sign_colours": {"exitatory": "red"}}, "unknown sign to colour 'exitatory'; did you mean 'excitatory'"),
    ],
)
def test_unknown_names_are_told_with_near_ones(options, message):
    with pytest.raises(ArgumentError, match=message):
        plot.wiring(circuit(), **options)


@pytest.mark.parametrize("draw", [plot.wiring, plot.adjacency, plot.degrees])
def test_what_is_no_wiring_is_not_drawn(draw):
    with pytest.raises(WiringError, match="wiring is 'cook2019'; it takes a Wiring"):
        draw("cook2019")


def test_a_wiring_in_place_of_nulls_is_told():
    with pytest.raises(ArgumentError, match=r"nulls is Wiring\(.*\); it takes several wirings: wormnet.nulls\(wiring"):
        plot.degrees(circuit(), circuit())


def test_a_drawing_that_cannot_be_finished_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "circuit.png"
    path.write_bytes(b"old")

    def full(file):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(DataError, match="No space left"):
        plot.save(plot.wiring(circuit()), path)
    assert path.read_bytes() == b"old"


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(WormnetError, match=r'pip install "wormnet\[plot\]"'):
        plot.wiring(circuit())


def test_degrees_are_drawn_beside_those_of_every_null():
    wiring = wormnet.random(inputs=4, neurons=30, outputs=2, sparsity=0.8)
    ax = plot.degrees(wiring, wormnet.nulls(wiring, "erdos_renyi", 5))
    assert len(ax.lines) == 2 * 6
    received = np.bincount(wiring.post, minlength=34)[4:]
    line = next(line for line in ax.lines if line.get_label() == "received")
    at_least = dict(zip(*np.asarray(line.get_data()), strict=True))  # of equal degrees, the last holds
    k = received.max()
    assert at_least[k] == pytest.approx(1 / 30)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "received null", "sent null", "received", "sent",
    ]  # fmt: skip


def test_a_drawing_is_saved_by_the_ending_of_its_name(tmp_path):
    ax = plot.wiring(circuit())
    plot.save(ax, tmp_path / "circuit.svg")
    assert "<svg" in (tmp_path / "circuit.svg").read_text(encoding="utf-8")
    with pytest.raises(ArgumentError, match=r"ends in '\.jpge'; a drawing ends in one of .*\.png"):
        plot.save(ax, tmp_path / "circuit.jpge")
    with pytest.raises(DataError, match=r"cannot write .*No such file"):
        plot.save(ax, tmp_path / "nowhere" / "circuit.png")
