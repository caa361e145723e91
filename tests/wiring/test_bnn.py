"""Ordinary neural circuits: the .bnn format, units, bounds, maps, and the published solver."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import wormnet
from wormnet.errors import DataError, WiringError
from wormnet.wiring import CHEMICAL, GAP, Wiring
from wormnet.wiring.biophysics import (
    BOUNDS,
    Biophysical,
    Units,
    check_bounds,
    clip_to_bounds,
    motor,
    sensory,
    simulate,
)
from wormnet.wiring.bnn import MAX_BYTES, parse_bnn, read_bnn, to_bnn, write_bnn

SMALL = """# a comment
size 4
def strong 1.5
  # another
cm 1 0.2
gleak 1 strong
vleak 2 -65.5
ex 0 1 strong 0.25\r
inh 1 2 .5
ex 2 2 1e-3
gj 0 3 2

gj 2 1 0.25
"""


@st.composite
def circuits(draw, inputs=(0, 2)):
    """Circuits as the format can say them: zero weights, self-synapses, junctions, held inputs."""
    n_inputs, n = draw(st.integers(*inputs)), draw(st.integers(1, 4))
    cells = n_inputs + n
    pairs = [(i, j) for i in range(cells) for j in range(n_inputs, cells)]
    chemical = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=8))
    junctions = [(i, j) for i, j in pairs if i < j]
    gap = draw(st.lists(st.sampled_from(junctions), unique=True, max_size=4)) if junctions else []
    ends = chemical + gap
    sign = [draw(st.sampled_from([-1, 1])) for _ in chemical] + [0] * len(gap)
    kind = [CHEMICAL] * len(chemical) + [GAP] * len(gap)
    wiring = Wiring(n_inputs, n, pre=[i for i, _ in ends], post=[j for _, j in ends], kind=kind, sign=sign)

    def numbers(size, low, high):
        return np.array(draw(st.lists(st.floats(low, high), min_size=size, max_size=size)))

    values = {
        "capacitance": numbers(n, 0.001, 1),
        "leak": numbers(n, 0.05, 5),
        "v_leak": numbers(n, -90, 0),
        "conductance": numbers(len(chemical), 0, 3),
        "slope": numbers(len(chemical), 0.05, 0.5),
        "midpoint": np.full(len(chemical), -40.0),
        "reversal": np.where(wiring.sign[wiring.of_kind(CHEMICAL)] > 0, 0.0, -90.0),
    }
    if gap:
        values["gap_conductance"] = numbers(len(gap), 0, 3)
    held = {name: draw(st.floats(-90, 0)) for name in wiring.inputs if draw(st.booleans())}
    return Biophysical(wiring, values, held)


def same(a, b):
    assert a.wiring.lesion().to_dict() | {"source": ""} == b.wiring.to_dict() | {"source": ""}
    assert a.held == b.held
    assert a.values.keys() == b.values.keys()
    for name in a.values:
        assert np.array_equal(a.values[name], b.values[name]), name


# -- reading -----------------------------------------------------------------------------------------------------------


def test_every_record_is_read():
    circuit = parse_bnn(SMALL, names=["a", "b", "c", "d"], inputs=["a"], outputs=["d"])
    wiring, values = circuit.wiring, circuit.values
    assert (wiring.inputs, wiring.neurons, wiring.outputs) == (("a",), ("b", "c", "d"), ("d",))
    found = list(zip(wiring.pre, wiring.post, wiring.kind, wiring.sign))
    assert found == [(0, 1, CHEMICAL, 1), (1, 2, CHEMICAL, -1), (1, 2, GAP, 0), (2, 2, CHEMICAL, 1), (0, 3, GAP, 0)]
    assert values["capacitance"].tolist() == [0.2, 0.05, 0.05]
    assert values["leak"].tolist() == [1.5, 1, 1]
    assert values["v_leak"].tolist() == [-70, -65.5, -70]
    assert values["conductance"].tolist() == [1.5, 0.5, 0.001]
    assert values["slope"].tolist() == [0.25, 0.1, 0.1]
    assert values["reversal"].tolist() == [0, -90, 0]
    assert values["midpoint"].tolist() == [-40, -40, -40]
    assert values["gap_conductance"].tolist() == [0.25, 2]


def test_a_constant_neuron_is_a_held_input_behind_the_named_ones():
    circuit = parse_bnn("size 3\nconst 0 -20\nex 0 1 1\nex 2 1 1\nex 1 0 1\n", inputs=["n2"])
    assert circuit.wiring.inputs == ("n2", "n0")
    assert circuit.held == {"n0": -20.0}
    assert circuit.wiring.n_synapses == 2


def test_a_one_way_junction_acts_from_its_sender_alone():
    text = "size 3\ngj 0 1 2\ngj 1 0 3\ngj 1 2 0.5\ngj 2 1 0.5\n"
    circuit = parse_bnn(text, inputs=["n0"], gaps="one_way")
    wiring = circuit.wiring
    assert [(wiring.cells[i], wiring.cells[j]) for i, j in zip(wiring.pre, wiring.post)] == [("n0", "n1"), ("n1", "n2")]
    assert circuit.values["gap_conductance"].tolist() == [2, 0.5]


@pytest.mark.parametrize("inputs", [[], ["n0"], ["n1"]])
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_junction_listed_from_both_ends_with_one_weight_is_one(inputs, order):
    i, j = order
    twice, once = (f"size 3\ngj {i} {j} 2\nex 0 2 1\n", f"gj {j} {i} 2\n")
    same(parse_bnn(twice + once, inputs=inputs), parse_bnn(twice, inputs=inputs))


def test_between_inputs_there_is_nothing():
    circuit = parse_bnn("size 3\ngj 0 1 2\nex 0 1 1\n", inputs=["n0", "n1"])
    assert circuit.wiring.n_synapses == 0
    assert "gap_conductance" not in circuit.values


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "bnn has no record size N; it takes one, first."),
        ("size 0", "line 1: size is '0'; it takes a whole number from 1 to 10000."),
        ("size 10001", "line 1: size is '10001'"),
        ("size -3", "line 1: size is '-3'"),
        ("size ٣", "line 1: size is"),
        ("size 1e3", "line 1: size is '1e3'"),
        ("size " + "9" * 5000, "line 1: size is '9{40}'"),
        ("size 2 3", "line 1: size has 2 arguments; it takes 1."),
        ("size 2\n\nsize 2", "line 3: size is given twice; it was 2."),
        ("cm 0 1\nsize 2", "line 1: cm stands before size"),
        ("size 2\nexx 0 1 1", "line 2: unknown record 'exx'; did you mean 'ex'"),
        ("size 2\nex 0 1", "line 2: ex has 2 arguments; it takes 3 or 4."),
        ("size 2\nex 0 1 1 .1 2", "line 2: ex has 5 arguments; it takes 3 or 4."),
        ("size 2\nex 0 2 1", "line 2: there is no neuron '2'; they are numbered 0 to 1."),
        ("size 2\nex -1 0 1", "line 2: there is no neuron '-1'"),
        ("size 2\nex 0 1 -0.5", "line 2: the weight is -0.5; it takes 0 or more."),
        ("size 2\nex 0 1 nan", "line 2: 'nan' is no finite number, or a name that def gave a value"),
        ("size 2\nex 0 1 1_0", "line 2: '1_0' is no finite number"),
        ("size 2\nex 0 1 1e999", "line 2: '1e999' is no finite number"),
        ("size 2\nex 0 1 x\ndef x 1", "line 2: 'x' is no finite number"),
        ("size 2\ndef x y", "line 2: 'y' is no finite number."),
        ("size 2\ndef 3 1", "line 2: def gives a value to '3'; a name starts with a letter."),
        ("size 2\ndef x 1\ndef x 1", "line 3: def x is given twice."),
        ("size 2\nex 0 1 1 0", "line 2: the slope is 0; it takes a number > 0."),
        ("size 2\ncm 0 0", "line 2: cm is 0; it takes a number > 0."),
        ("size 2\ngleak 0 -1", "line 2: gleak is -1; it takes a number > 0."),
        ("size 2\nvleak 0 -1\nvleak 0 -1", "line 3: vleak 0 is given twice."),
        ("size 2\nconst 0 -1\nconst 0 -1", "line 3: const 0 is given twice."),
        ("size 2\nex 0 1 1\n#\ninh 0 1 1", "line 4: a chemical synapse from 0 to 1 is given twice."),
        ("size 2\ngj 0 0 1", "line 2: a gap junction of neuron 0 with itself"),
        ("size 2\ngj 0 1 1\ngj 0 1 1", "line 3: gj 0 1 is given twice."),
        (
            "size 2\ngj 0 1 1\ngj 1 0 2",
            "line 2: the gap junction of 0 and 1 has weight 1, and 2 in line 3 from its other end",
        ),
        ("size 2\n\x00", "line 2: unknown record '.x00'"),
    ],
)
def test_a_hostile_file_gets_an_error_with_the_number_of_the_line(text, message):
    with pytest.raises(WiringError, match=message):
        parse_bnn(text)


def test_a_one_way_junction_between_neurons_is_an_error_with_its_line():
    for text in ("size 2\ngj 0 1 1", "size 2\ngj 0 1 1\ngj 1 0 2"):
        with pytest.raises(
            WiringError, match=r"line 2: the gap junction acts one way, from neuron 0 on 1; .*symmetric"
        ):
            parse_bnn(text, gaps="one_way")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gaps": "oneway"}, "unknown gaps 'oneway'; did you mean 'one_way'"),
        ({"inputs": ["n5"]}, "unknown input 'n5'"),
        ({"names": ["a"]}, "names holds 1 different names; bnn has 2 neurons."),
        ({"names": ["a", "a"]}, "names holds 1 different names; bnn has 2 neurons."),
        ({"names": 2}, "names is 2; it takes a list of names"),
        ({"names": "ab"}, "names is 'ab'; it takes a list of names"),
        ({"inputs": "n0"}, "inputs is 'n0'; it takes a list of names"),
        ({"outputs": ["n7"]}, "unknown output neuron 'n7'"),
    ],
)
def test_options_that_fit_nothing_are_named(options, message):
    with pytest.raises(WiringError, match=message):
        parse_bnn("size 2", **options)


WORDS = ["size", "def", "cm", "gleak", "vleak", "const", "ex", "inh", "gj", "#", "x"]
WORDS += ["0", "1", "2", "3", "-1", ".5", "1e3", "nan", "\x00", "\x85", "é"]


@given(st.lists(st.lists(st.sampled_from(WORDS), max_size=5).map(" ".join), max_size=6).map("\n".join))
def test_any_text_is_a_circuit_or_an_error_that_names_a_line(text):
    try:
        assert parse_bnn("size 3\n" + text).wiring.n_neurons <= 3
    except WiringError as error:
        message = str(error)
        assert "line " in message


def test_files_too_long_or_not_text_are_refused(tmp_path):
    path = tmp_path / "long.bnn"
    path.write_bytes(b"size 1\n" + b"#" * MAX_BYTES)
    with pytest.raises(DataError, match=f"is longer than {MAX_BYTES:,} bytes"):
        read_bnn(path)
    with pytest.raises(WiringError, match="is the most that is read"):
        parse_bnn("#" * (MAX_BYTES + 1))
    path.write_bytes(b"size 1\n\n\xff")
    with pytest.raises(DataError, match="line 3: byte 8 is not UTF-8"):
        read_bnn(path)
    with pytest.raises(DataError, match=r"there is no file .*none\.bnn"):
        read_bnn(tmp_path / "none.bnn")
    with pytest.raises(DataError, match=r"cannot write .*x\.bnn: No such file"):
        write_bnn(parse_bnn("size 1"), tmp_path / "no" / "x.bnn")
    with pytest.raises(WiringError, match="text is 5; it takes the text of a"):
        parse_bnn(5)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"leak": "a"}, r"leak is 'a'; it takes numbers, shape \(1,\)"),
        ({"leak": [[1.0], [1.0, 2.0]]}, "leak is .*; it takes numbers"),
        (5, "values is 5; it takes a mapping from the names of parameters to numbers"),
    ],
)
def test_values_that_are_no_numbers_are_named(values, message):
    circuit = parse_bnn("size 1")
    with pytest.raises(WiringError, match=message):
        Biophysical(circuit.wiring, {**circuit.values, **values} if isinstance(values, dict) else values)


def test_what_a_simulation_cannot_take_is_told():
    circuit = parse_bnn("size 2\nex 0 1 1", inputs=["n0"])
    with pytest.raises(WiringError, match=r"inputs has shape \(3,\); it takes a potential for each input last: 1"):
        simulate(circuit.wiring, circuit.values, np.zeros(3), 1.0)
    with pytest.raises(WiringError, match=r"seconds is 1\.0 and dt 0; it takes a whole number of steps dt > 0"):
        simulate(circuit.wiring, circuit.values, np.zeros(1), 1.0, dt=0)
    with pytest.raises(WiringError, match="held at 'x' mV; it takes a finite potential"):
        Biophysical(circuit.wiring, circuit.values, {"n0": "x"})


def test_a_circuit_that_cannot_be_written_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "x.bnn"
    write_bnn(parse_bnn("size 1"), path)
    before = path.read_bytes()

    def full(file):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(DataError, match="No space left"):
        write_bnn(parse_bnn("size 3"), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


# -- writing -----------------------------------------------------------------------------------------------------------


@given(circuits(), st.sampled_from(["symmetric", "one_way"]))
def test_what_is_written_is_read_back_to_the_last_bit(circuit, gaps):
    wiring = circuit.wiring
    back = parse_bnn(to_bnn(circuit, gaps=gaps), names=wiring.cells, inputs=wiring.inputs, gaps=gaps)
    same(circuit, back)


def test_a_file_is_written_and_read_back(tmp_path):
    circuit = parse_bnn(SMALL)
    write_bnn(circuit, tmp_path / "small.bnn")
    same(circuit, read_bnn(tmp_path / "small.bnn"))
    assert read_bnn(tmp_path / "small.bnn").wiring.source == "small.bnn"


def test_what_the_format_cannot_say_is_refused():
    circuit = parse_bnn("size 2\nex 0 1 1")
    values = {**circuit.values, "reversal": np.array([-10.0])}
    with pytest.raises(WiringError, match=r"n0 -> n1 has reversal -10 and midpoint -40 mV; the format .bnn can say"):
        to_bnn(Biophysical(circuit.wiring, values))
    with pytest.raises(WiringError, match="unknown gaps"):
        to_bnn(circuit, gaps="both")


# -- the circuit -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"leak": np.ones(3)}, r"leak has shape \(3,\); it takes \(2,\)."),
        ({"leak": np.array([1, 0])}, "leak of n1 is 0; it takes a number > 0."),
        ({"v_leak": np.array([1, np.nan])}, "v_leak of n1 is nan; it takes a finite number."),
        ({"conductance": np.array([-1.0])}, "conductance of n0 -> n1 is -1; it takes a finite number, 0 or more."),
        ({"gap_conductance": np.array([-1.0])}, "gap_conductance of n0 -> n1 is -1; it takes a finite number, 0"),
        ({"slop": np.ones(1)}, "unknown parameter 'slop'; did you mean 'slope'"),
    ],
)
def test_values_that_fit_nothing_are_named(change, message):
    circuit = parse_bnn("size 2\nex 0 1 1\ngj 0 1 1")
    with pytest.raises(WiringError, match=message):
        Biophysical(circuit.wiring, {**circuit.values, **change})


def test_a_circuit_has_no_currents_no_holes_and_holds_only_inputs():
    circuit = parse_bnn("size 2\nex 0 1 1")
    with pytest.raises(WiringError, match="the wiring has current synapses"):
        Biophysical(circuit.wiring.drive({"x": "n0"}), circuit.values)
    with pytest.raises(WiringError, match="slope is missing; the circuit takes capacitance"):
        Biophysical(circuit.wiring, {k: v for k, v in circuit.values.items() if k != "slope"})
    with pytest.raises(WiringError, match="unknown held input 'n0'"):
        Biophysical(circuit.wiring, circuit.values, {"n0": 1.0})
    with pytest.raises(ValueError, match="read-only"):
        circuit.values["leak"][0] = 3


# -- units -------------------------------------------------------------------------------------------------------------

UNITS = st.builds(Units, st.floats(-100, 10), st.floats(0.1, 100), st.floats(1e-3, 1e3), st.floats(1e-3, 1e3))


@given(circuits(), UNITS)
def test_a_change_of_units_and_back_is_the_same(circuit, units):
    back = units.to_biophysical(units.to_model(circuit.values))
    for name, value in circuit.values.items():
        assert back[name] == pytest.approx(value, rel=1e-12, abs=1e-11), name
    there = units.to_model(units.to_biophysical(circuit.values))
    for name, value in circuit.values.items():
        assert there[name] == pytest.approx(value, rel=1e-12, abs=1e-11), name


@pytest.mark.filterwarnings("ignore::wormnet.errors.BlindOutputWarning")
@given(circuits(inputs=(1, 2)), st.sampled_from([Units(), Units(-40, 10, 0.5, 0.25)]))
def test_the_ltc_layer_computes_the_same_potentials_in_its_own_units(circuit, units):
    wiring = circuit.wiring
    # A layer's conductances are above zero; so little is nothing.
    values = {k: np.maximum(v, 1e-12) if k.endswith("conductance") else v for k, v in circuit.values.items()}
    layer = wormnet.LTC(wiring, unfolds=1, input_map=None, output_map=None, backend="reference").double()
    layer.set_values(**{name: torch.as_tensor(value) for name, value in units.to_model(values).items()})
    inputs, steps, dt = np.linspace(-70, -20, wiring.n_inputs), 7, 0.01
    x = torch.as_tensor(units.potential(np.tile(inputs, (1, steps, 1))))
    start = torch.full((1, wiring.n_neurons), float(units.potential(-70.0)), dtype=torch.float64)
    with torch.no_grad():
        _, state = layer(x, start, dt=dt / units.time)
    expected = simulate(wiring, values, inputs, steps * dt, dt=dt)
    assert units.millivolts(state[0].numpy()) == pytest.approx(expected, abs=1e-6)


def test_units_that_are_none_are_refused():
    with pytest.raises(WiringError, match="not > 0; scale, conductance and time take numbers > 0"):
        Units(scale=0)
    with pytest.raises(WiringError, match="not finite"):
        Units(zero=np.nan)
    with pytest.raises(WiringError, match="unknown parameter 'tau'"):
        Units().to_model({"tau": np.ones(1)})


# -- bounds ------------------------------------------------------------------------------------------------------------


def test_bounds_are_those_of_table_s2():
    assert BOUNDS == {
        "capacitance": (0.001, 1),
        "leak": (0.05, 5),
        "v_leak": (-90, 0),
        "conductance": (0, 3),
        "gap_conductance": (0, 3),
        "slope": (0.05, 0.5),
    }


def test_a_value_out_of_bounds_is_named_and_clipped_away():
    circuit = parse_bnn("size 2\nex 0 1 3.5\ncm 1 0.0001\ngj 0 1 4")
    with pytest.raises(
        WiringError, match=r"capacitance of n1 is 0\.0001; published circuits have 0\.001 to 1\. clip_to"
    ):
        check_bounds(circuit)
    clipped = clip_to_bounds(circuit)
    check_bounds(clipped)
    assert clipped.values["capacitance"].tolist() == [0.05, 0.001]
    assert clipped.values["conductance"].tolist() == [3]
    assert clipped.values["gap_conductance"].tolist() == [3]


@given(circuits())
def test_a_circuit_within_bounds_is_not_changed_by_clipping(circuit):
    check_bounds(circuit)
    same(circuit, clip_to_bounds(circuit))


# -- maps to the world -------------------------------------------------------------------------------------------------


def test_the_two_sensory_maps_differ_above_full_feeling_only():
    x = [-3.0, -2.0, -1.0, 0.0, 0.25, 0.5, 1.0]
    paper, code = sensory(x, -2.0, 0.5), sensory(x, -2.0, 0.5, mode="code")
    assert paper[:, 0].tolist() == [-70, -70, -70, -70, -45, -20, -20]
    assert paper[:, 1].tolist() == [-20, -20, -45, -70, -70, -70, -70]
    assert code[:, 0].tolist() == [-70, -70, -70, -70, -45, -20, 30]
    assert code[:, 1].tolist() == [5, -20, -45, -70, -70, -70, -70]


def test_the_two_motor_maps_start_at_minus_70_and_minus_60():
    v = [[-70, -70], [-60, -70], [-45, -70], [-40, -70], [-20, -70], [0, -70], [-70, -20], [-20, -20], [-90, -90]]
    paper, code = motor(v, -0.5, 2.0), motor(v, -0.5, 2.0, mode="code")
    assert paper == pytest.approx([0, 0.4, 1.0, 1.2, 2, 2, -0.5, 1.5, 0])
    assert code == pytest.approx([0, 0, 0.75, 1.0, 2, 2, -0.5, 1.5, 0])


@pytest.mark.parametrize("mapping", [sensory, motor])
def test_maps_refuse_what_is_no_range_or_mode(mapping):
    with pytest.raises(WiringError, match="unknown mode 'papers'; did you mean 'paper'"):
        mapping([0.0, 0.0], -1, 1, mode="papers")
    with pytest.raises(WiringError, match="it takes low < 0 < high"):
        mapping([0.0, 0.0], 0, 1)
    with pytest.raises(WiringError, match=r"v has shape \(3,\); it takes the potentials of two motor neurons"):
        motor([1.0, 2.0, 3.0], -1, 1)


# -- the solver --------------------------------------------------------------------------------------------------------


def by_the_book(circuit, inputs, steps, dt):
    """Equation 6 of the supplement, cell by cell."""
    wiring, p = circuit.wiring, circuit.values
    chemical, gap = list(wiring.of_kind(CHEMICAL)), list(wiring.of_kind(GAP))
    v = [*inputs, *[-70.0] * wiring.n_neurons]
    for _ in range(steps):
        new = list(v)
        for i in range(wiring.n_neurons):
            cell = i + wiring.n_inputs
            above = p["capacitance"][i] / dt * v[cell] + p["leak"][i] * p["v_leak"][i]
            below = p["capacitance"][i] / dt + p["leak"][i]
            for k, s in enumerate(chemical):
                if wiring.post[s] == cell:
                    u = v[wiring.pre[s]]
                    w = p["conductance"][k] / (1 + np.exp(-p["slope"][k] * (u - p["midpoint"][k])))
                    above, below = above + w * p["reversal"][k], below + w
            for k, s in enumerate(gap):
                ends = {int(wiring.pre[s]), int(wiring.post[s])}
                if cell in ends:
                    (other,) = ends - {cell}
                    above, below = above + p["gap_conductance"][k] * v[other], below + p["gap_conductance"][k]
            new[cell] = above / below
        v = new
    return v[wiring.n_inputs :]


@given(circuits(), st.integers(0, 5), st.sampled_from([0.01, 0.5]))
def test_the_solver_is_equation_6(circuit, steps, dt):
    inputs = np.linspace(-20, -70, circuit.wiring.n_inputs)
    found = simulate(circuit.wiring, circuit.values, inputs, steps * dt, dt=dt)
    assert found == pytest.approx(np.array(by_the_book(circuit, inputs, steps, dt)), rel=1e-9)


@pytest.mark.parametrize("name", ["capacitance", "leak", "v_leak", "conductance", "slope", "midpoint", "reversal"])
@given(circuit=circuits(), n=st.integers(1, 3))
def test_many_circuits_at_once_are_each_as_if_alone(name, circuit, n):
    wiring, inputs = circuit.wiring, np.full(circuit.wiring.n_inputs, -20.0)
    shares = np.linspace(0.2, 1, n)
    together = simulate(wiring, {**circuit.values, name: circuit.values[name] * shares[:, None]}, inputs, 0.05)
    assert together.shape == (n, wiring.n_neurons)
    for found, share in zip(together, shares):
        alone = {**circuit.values, name: circuit.values[name] * share}
        assert found == pytest.approx(simulate(wiring, alone, inputs, 0.05), rel=1e-12)


def test_two_neurons_joined_by_a_gap_junction_settle_at_the_closed_form():
    circuit = parse_bnn("size 2\nvleak 0 -10\nvleak 1 -60\ngleak 0 2\ngj 0 1 0.7")
    # 2 (-10 - a) + 0.7 (b - a) = 0 and 1 (-60 - b) + 0.7 (a - b) = 0
    a, b = np.linalg.solve([[2.7, -0.7], [-0.7, 1.7]], [-20, -60])
    found = simulate(circuit.wiring, circuit.values, np.zeros(0), 20.0)
    assert found == pytest.approx([a, b])
    # What flows out of one flows into the other, so both leaks together carry nothing.
    assert 2 * (-10 - found[0]) + (-60 - found[1]) == pytest.approx(0)


def test_the_solver_refuses_half_a_step():
    circuit = parse_bnn("size 1")
    for seconds, dt in ((0.015, 0.01), (-1, 0.01), (1, -0.01)):
        with pytest.raises(WiringError, match="it takes a whole number of steps dt > 0"):
            simulate(circuit.wiring, circuit.values, np.zeros(0), seconds, dt=dt)
