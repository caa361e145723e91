"""`wormnet export`: writes what the library writes, and refuses in one line."""

import pytest

import wormnet
from wormnet import export
from wormnet.cli import main
from wormnet.export.formats import FORMATS


@pytest.fixture
def saved(tmp_path):
    rnn = wormnet.LTC(wormnet.auto_ncp(inputs=4, neurons=8, outputs=1), backend="reference")
    wormnet.save(rnn, tmp_path / "policy.safetensors")
    return tmp_path / "policy.safetensors"


def run(*arguments):
    with pytest.raises(SystemExit) as stop:
        main(["export", *map(str, arguments)])
    return int(stop.value.code or 0)


def test_the_files_are_those_of_the_library(saved, tmp_path, capsys):
    assert run(saved, "--to", "c", "--number", "double") == 0
    assert "multiply-adds" in capsys.readouterr().out
    assert run(saved, "--to", "js", "-o", tmp_path / "mine.mjs") == 0
    rnn = wormnet.load(saved, backend="reference")
    other = tmp_path / "other"
    other.mkdir()
    export.c(rnn, other / "policy.c", number="double")
    export.javascript(rnn, other / "policy.js")
    for mine, theirs in (("policy.c", "policy.c"), ("policy.h", "policy.h"), ("mine.mjs", "policy.js")):
        assert (tmp_path / mine).read_text() == (other / theirs).read_text()


def test_onnx_is_checked_and_told(saved, tmp_path, capsys):
    pytest.importorskip("onnxruntime")
    assert run(saved, "--to", "onnx", "--form", "step") == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "takes x, dt, state_v; gives y, new_state_v; differs from the layer by" in told
    assert (tmp_path / "policy.onnx").exists()


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (("--to", "tflite"), f"unknown format 'tflite'. Known: {', '.join(FORMATS)}."),
        (("--to", "js", "--number", "float"), "--to js takes no options; --number is none of them."),
        (("--to", "onnx", "--number", "float"), "--to onnx takes --form, --lengths, --starts; --number"),
        (("--to", "c", "--number", "int8"), "unknown number 'int8'"),
    ],
)
def test_what_cannot_be_is_one_line_on_stderr(arguments, match, saved, tmp_path, capsys):
    assert run(saved, *arguments) == 2
    told = capsys.readouterr()
    assert match in told.err
    assert told.err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["policy.safetensors"]


def test_a_layer_that_is_not_recurrent_is_refused(tmp_path, capsys):
    linear = wormnet.WiredLinear(wormnet.random(inputs=4, neurons=2, outputs=2, sparsity=0.5, recurrent=False))
    wormnet.save(linear, tmp_path / "linear.safetensors")
    assert run(tmp_path / "linear.safetensors", "--to", "c") == 2
    assert "export takes a recurrent layer of wormnet, not WiredLinear" in capsys.readouterr().err
