"""C from a layer: strict compilers take it, and it computes what the layer computes, on a microcontroller too."""

import re

import numpy as np
import pytest
import torch
from exports import LAYERS, Driven, compiler, layer, on_cortex_m4, outputs, ran, self_test, sequence
from gpu_toys import TwoParts, TwoStates

import wormnet
from wormnet import export
from wormnet.errors import ArgumentError, ShapeError
from wormnet.wiring import GAP

DOUBLE = dict.fromkeys(("x", "dt", "y"), ("double", np.float64))


@pytest.mark.parametrize("case", LAYERS)
def test_the_program_computes_what_the_layer_computes(case, tmp_path):
    """Over 1,000 irregular samples, within 1e-6 of the largest output in single precision."""
    rnn = layer(case)
    x, dt = sequence(rnn)
    expected = outputs(rnn, x, dt)
    written = export.c(rnn, tmp_path / "net.c")
    net = Driven(tmp_path)
    error = np.abs(net(x, dt, rnn.n_outputs) - expected).max()
    assert error <= 1e-6 * max(1.0, np.abs(expected).max())
    assert net.size == written.state_bytes


@pytest.mark.parametrize("case", LAYERS)
def test_in_double_precision_it_is_the_layer_to_the_last_digits(case, tmp_path):
    rnn = layer(case, torch.float64)
    x, dt = sequence(rnn, 50)
    expected = outputs(rnn, x, dt)
    written = export.c(rnn, tmp_path / "net.c", number="double")
    net = Driven(tmp_path, **DOUBLE)
    assert np.abs(net(x, dt, rnn.n_outputs) - expected).max() <= 1e-11 * max(1.0, np.abs(expected).max())
    assert net.size == written.state_bytes


@pytest.mark.parametrize("case", ["ltc", "cfc", "cfc-backbone", "ltc-memory", "graded-exponential_midpoint", "lrc"])
def test_the_self_test_passes_without_undefined_behaviour(case, tmp_path):
    compiler()
    export.c(layer(case), tmp_path / "net.c")
    checked = ("-fsanitize=undefined,float-divide-by-zero", "-fno-sanitize-recover=all")
    assert "allowed" in ran(self_test(tmp_path / "net.c", tmp_path, *checked))


def test_the_self_test_finds_a_wrong_number(tmp_path):
    compiler()
    export.c(layer("ltc"), tmp_path / "net.c")
    text = (tmp_path / "net.c").read_text()
    found = re.search(r"k_leak\[5\] = \{\s+(\d+\.\d+)f", text)
    (tmp_path / "net.c").write_text(text[: found.start(1)] + "1.5" + text[found.end(1) :])
    made = self_test(tmp_path / "net.c", tmp_path)
    with pytest.raises(AssertionError, match="largest error"):
        ran(made)


@pytest.mark.parametrize("case", ["ltc", "cfc", "ltc-memory", "graded-exponential_midpoint"])
def test_it_passes_its_self_test_on_a_cortex_m4(case, tmp_path):
    """Compiled for the processor with hardware floats, and run on the emulated board."""
    export.c(layer(case), tmp_path / "net.c")
    on_cortex_m4(tmp_path)


def test_a_model_of_ones_own_is_exported_without_a_word_about_it(tmp_path):
    for model in (TwoStates(), TwoParts()):
        folder = tmp_path / model.name
        folder.mkdir()
        torch.manual_seed(0)
        rnn = wormnet.Recurrent(wormnet.dense(3, 4).add("n0", "n2", GAP), model, backend="reference")
        x, dt = sequence(rnn, 100)
        expected = outputs(rnn, x, dt)
        export.c(rnn, folder / "net.c")
        error = np.abs(Driven(folder)(x, dt, rnn.n_outputs) - expected).max()
        assert error <= 1e-6 * max(1.0, np.abs(expected).max()), model.name


def test_a_head_comes_after_maps_and_projection(tmp_path):
    rnn = layer("ltc-ncp")
    rnn.set_values(output_scale=[2.0, 0.5], output_shift=[1.0, -1.0])
    head = torch.nn.Linear(rnn.n_outputs, 7)
    x, dt = sequence(rnn, 100)
    with torch.no_grad():
        expected = head(torch.tensor(outputs(rnn, x, dt), dtype=torch.float32)).numpy()
    export.c(rnn, tmp_path / "net.c", head=head)
    assert np.abs(Driven(tmp_path)(x, dt, 7) - expected).max() <= 2e-6
    with pytest.raises(
        ShapeError, match=r"head has weight \(7, 2\) and bias \(7,\); on this layer it takes \(size, 5\)"
    ):
        export.c(rnn, tmp_path / "net.c", head=torch.nn.Linear(2, 7))


def test_what_the_layer_refuses_is_refused_and_leaves_the_state(tmp_path):
    rnn = layer("ltc")
    export.c(rnn, tmp_path / "net.c")
    net = Driven(tmp_path)
    x, dt = sequence(rnn, 3)
    for wrong, code in ((0.0, 1), (-1.0, 1), (np.nan, 1), (np.inf, 1)):
        with pytest.raises(AssertionError, match=f"code {code}"):
            net(x, np.array([dt[0], wrong, dt[2]]), rnn.n_outputs)
    x[1, 2] = np.nan
    with pytest.raises(AssertionError, match="code 2"):
        net(x, dt, rnn.n_outputs)


def test_a_state_that_leaves_the_numbers_is_told(tmp_path):
    rnn = layer("ltc-euler")
    rnn.set_values(capacitance=1e-3)
    with pytest.raises(ArgumentError, match="leave what numbers hold"):
        export.c(rnn, tmp_path / "net.c", x=np.ones((200, 5)), dt=100.0)
    assert list(tmp_path.iterdir()) == []
    export.c(rnn, tmp_path / "net.c", x=np.zeros((1, 5)), dt=1e-3)
    with pytest.raises(AssertionError, match="code 3"):
        Driven(tmp_path)(np.ones((200, 5)), np.full(200, 100.0), rnn.n_outputs)


def test_names_that_would_end_a_comment_do_not(tmp_path):
    odd = wormnet.Wiring(["*/ int x = 1; /*"], ["??/", "a\nb\\"], pre=[0, 1], post=[1, 2], source="*/")
    export.c(wormnet.LTC(odd, backend="reference", unfolds=2), tmp_path / "net.c")
    assert Driven(tmp_path).size


def test_a_wiring_without_inputs_steps(tmp_path):
    rnn = wormnet.CTRNN(wormnet.dense(0, 4), backend="reference")
    rnn.set_values(bias=0.3)
    x, dt = sequence(rnn, 50)
    export.c(rnn, tmp_path / "net.c")
    assert np.abs(Driven(tmp_path)(x, dt, 4) - outputs(rnn, x, dt)).max() <= 1e-6


def test_source_and_header_of_two_exports_do_not_compile_together(tmp_path):
    compiler()
    export.c(layer("ltc"), tmp_path / "net.c")
    header = (tmp_path / "net.h").read_text()
    export.c(layer("cfc"), tmp_path / "net.c")
    (tmp_path / "net.h").write_text(header)
    with pytest.raises(AssertionError, match="are of two exports"):
        Driven(tmp_path)


def test_what_cannot_be_exported_is_refused_in_one_sentence_and_writes_nothing(tmp_path):
    rnn = layer("ltc")
    for given, options, match in (
        (torch.nn.LSTM(2, 3), {}, "takes a recurrent layer of wormnet, not LSTM"),
        (rnn, {"number": "int8"}, "unknown number 'int8'"),
        (rnn, {"name": "while"}, "name is 'while'; it takes a C identifier"),
        (rnn, {"name": "my net"}, "it takes a C identifier"),
        (rnn, {"dt": -1.0}, "dt holds -1"),
        (wormnet.LTC(wormnet.dense(2, 3), device="meta"), {}, "has no values"),
    ):
        with pytest.raises(ArgumentError, match=match):
            export.c(given, tmp_path / "net.c", **options)
    with pytest.raises(ArgumentError, match=r"it takes a name that ends in \.c"):
        export.c(rnn, tmp_path / "net.txt")
    with pytest.raises(ShapeError, match=r"x has shape \(3, 4\); it takes one sequence: \(time, 5\)"):
        export.c(rnn, tmp_path / "net.c", x=np.zeros((3, 4)))
    with torch.no_grad():
        rnn.v_leak[1] = torch.nan
    with pytest.raises(ArgumentError, match="holds nan; it takes finite numbers"):
        export.c(rnn, tmp_path / "net.c")
    assert list(tmp_path.iterdir()) == []


def test_a_second_export_is_the_same_and_the_layer_is_as_before(tmp_path):
    rnn = layer("ltc").train()
    before = {name: value.clone() for name, value in rnn.state_dict().items()}
    first = export.c(rnn, tmp_path / "net.c").files[0].read_bytes()
    assert export.c(rnn, tmp_path / "net.c").files[0].read_bytes() == first
    assert rnn.training
    assert all(torch.equal(value, before[name]) for name, value in rnn.state_dict().items())
