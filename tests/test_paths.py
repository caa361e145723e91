"""Whatever takes a path takes text or a Path, and says in one line what else it was given."""

import os
import socket
from pathlib import Path

import numpy as np
import pytest
import torch

import wormnet
from wormnet import paths, plot, study
from wormnet.atomic import make_folder, write_whole
from wormnet.errors import ArgumentError, DataError
from wormnet.wiring.bnn import parse_bnn, read_bnn, write_bnn

WIRING = wormnet.auto_ncp(inputs=2, neurons=5, outputs=1)

READERS = {
    "wiring.load": wormnet.wiring.load,
    "read_bnn": read_bnn,
    "load": wormnet.load,
    "Plan.from_toml": study.Plan.from_toml,
    "Plan.from_json": study.Plan.from_json,
}
WRITERS = {
    "wiring.save": lambda path: wormnet.wiring.save(WIRING, path),
    "write_bnn": lambda path: write_bnn(parse_bnn("size 1"), path),
    "save": lambda path: wormnet.save(wormnet.LTC(WIRING), path),
    "plot.save": lambda path: plot.save(plot.wiring(WIRING), path),
    "make_folder": make_folder,
    "write_whole": lambda path: write_whole(path, "text"),
    "report": study.report,
    "run": lambda path: study.run(study.Plan(["digits"], ["lstm"]), path, progress=False),
}
ENDING = {"wiring.load": ".json", "wiring.save": ".json", "plot.save": ".svg"}


@pytest.mark.parametrize("name", [*READERS, *WRITERS])
@pytest.mark.parametrize(
    ("given", "text"),
    [
        (None, "is of type NoneType; it takes the name of a file or folder"),
        (b"a.json", "is of type bytes; it takes"),
        (3, "is of type int; it takes"),
        (0.5, "is of type float; it takes"),
        (["a.json"], "is of type list; it takes"),
        ("", "is empty; it takes"),
        ("a\0.json", r"is 'a\\x00.json', which holds a null byte"),
        ("\ud800.json", r"is '\\ud800.json', which holds half a character"),
        (Path("a\0.json"), r"is 'a\\x00.json', which holds a null byte"),
    ],
    ids=lambda value: ascii(value)[:20],
)
def test_what_names_no_file_is_told_in_one_line(name, given, text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ArgumentError, match=text) as caught:
        (READERS | WRITERS)[name](given)
    assert "\n" not in str(caught.value)
    str(caught.value).encode()  # can be printed
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", READERS)
def test_what_is_no_file_is_not_read(name, tmp_path):
    ending = ENDING.get(name, ".x")
    folder, pipe, absent = (tmp_path / f"{what}{ending}" for what in ("folder", "pipe", "absent"))
    folder.mkdir()
    os.mkfifo(pipe)
    with pytest.raises(DataError, match=r"cannot read .*folder.*: it is a folder; it takes a file"):
        READERS[name](folder)
    with pytest.raises(DataError, match=r"cannot read .*pipe.*: it is a pipe, socket or device; it takes a file"):
        READERS[name](pipe)
    with pytest.raises(DataError, match=r"there is no file .*absent"):
        READERS[name](absent)
    with pytest.raises(DataError, match=r"cannot read .*: File name too long"):
        READERS[name](str(tmp_path / ("x" * 5000 + ending)))


@pytest.mark.parametrize("name", sorted(set(WRITERS) - {"report", "run", "make_folder"}))
def test_a_pipe_is_not_written_over(name, tmp_path):
    pipe = tmp_path / f"pipe{ENDING.get(name, '.x')}"
    os.mkfifo(pipe)
    with pytest.raises(DataError, match="it is a pipe, socket or device; it takes a file"):
        WRITERS[name](pipe)
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]


def test_a_path_of_any_kind_names_its_file(tmp_path):
    class Entry:
        def __fspath__(self):
            return str(tmp_path / "wiring.json")

    wormnet.wiring.save(WIRING, Entry())
    assert wormnet.wiring.load(Entry()) == WIRING
    assert wormnet.wiring.load(str(tmp_path / "wiring.json")) == WIRING


def test_a_name_of_bytes_that_are_no_text_is_a_name(tmp_path):
    name = os.fsdecode(b"\xff.json")
    wormnet.wiring.save(WIRING, tmp_path / name)
    assert wormnet.wiring.load(tmp_path / name) == WIRING
    with pytest.raises(DataError) as caught:
        paths.read_text(tmp_path / os.fsdecode(b"\xfe.json"), 10)
    str(caught.value).encode()


def test_a_socket_and_a_link_to_nothing_are_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s.json")
        with pytest.raises(DataError, match=r"cannot read s\.json: "):
            wormnet.wiring.load("s.json")
    Path("loop.json").symlink_to("loop.json")
    with pytest.raises(DataError, match=r"cannot read loop\.json: Too many levels of symbolic links"):
        wormnet.wiring.load("loop.json")


def test_text_that_is_too_long_or_no_utf_8_is_told_with_its_line(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"\xef\xbb\xbfa\nb")
    assert paths.read_text(path, 6) == "a\nb"
    with pytest.raises(DataError, match=r"is longer than 5 bytes, the most that is read"):
        paths.read_text(path, 5)
    path.write_bytes(b"\xef\xbb\xbfa\n\xff")
    with pytest.raises(DataError, match=r"line 2: byte 5 is not UTF-8"):
        paths.read_text(path, 10)


def test_no_file_is_left_open(tmp_path):
    (tmp_path / "a.json").mkdir()
    with pytest.raises(DataError):
        wormnet.wiring.load(tmp_path / "a.json")
    free = os.open(tmp_path, os.O_RDONLY)  # the lowest number that is not in use
    os.close(free)
    with pytest.raises(DataError):
        wormnet.wiring.load(tmp_path / "a.json")
    again = os.open(tmp_path, os.O_RDONLY)
    os.close(again)
    assert again == free


# -- plans -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2", "plan.json: the plan is 2; it takes a table with at least datasets and networks"),
        ("null", "plan.json: the plan is None; it takes a table"),
        ("[" * 100_000, "plan.json is nested too deeply"),
        ('{"a":' * 50_000, "plan.json is nested too deeply"),
        ("[" * 300_000, "plan.json is longer than 262,144 bytes"),
        ("{", "plan.json is no JSON: "),
        ('{"datasets": ["digits"], "networks": ["lstm"], "seeds": 100000000}', "seeds is 100000000; it takes how many"),
        ('{"datasets": ["digits"], "networks": ["lstm"], "seeds": ' + "9" * 5000 + "}", "plan.json is no JSON"),
        ('{"datasets": ["digits"], "networks": ["lstm"], "name": ' + "[" * 400 + "]" * 400 + "}", "name is "),
        (
            '{"datasets": ["digits"], "networks": ["lstm"], "is_quick": "no"}',
            "is_quick is 'no'; it takes True or False",
        ),
        ('{"datasets": [["digits"]], "networks": ["lstm"]}', "is no data set; it takes a name"),
        (
            '{"datasets": ["digits"], "networks": ["lstm"], "training": {"learning_rate": 1' + "0" * 400 + "}}",
            "it takes a number > 0",
        ),
    ],
    ids=lambda value: value[:30],
)
def test_a_plan_of_json_that_is_none_is_one_line(tmp_path, text, message):
    path = tmp_path / "plan.json"
    path.write_text(text)
    with pytest.raises((ArgumentError, DataError), match=message) as caught:
        study.Plan.from_json(path)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = " + "[" * 2000 + "]" * 2000, "plan.toml is nested too deeply"),
        ("x = " + "9" * 5000, "plan.toml is no TOML"),
        ("a" + ".a" * 60_000 + " = 1", "plan.toml is no TOML: the key in line 1 has more than 16 parts"),
        ("\n['a'." + '"a" . ' * 20 + "a]", "the key in line 2 has more than 16 parts"),
        ('datasets = ["digits"]\nnetworks = ["lstm"]\nseeds = 0x' + "F" * 60_000, "seeds is <int>; it takes how many"),
        ('datasets = ["digits"]\nnetworks = ["lstm"]\nname = 0x' + "F" * 60_000, "name is <int>; it takes text"),
    ],
    ids=lambda value: value[:30],
)
def test_a_plan_of_toml_that_is_none_is_one_line(tmp_path, text, message):
    path = tmp_path / "plan.toml"
    path.write_text(text)
    with pytest.raises((ArgumentError, DataError), match=message) as caught:
        study.Plan.from_toml(path)
    assert len(str(caught.value)) < 1000


def test_a_plan_has_at_most_ten_thousand_seeds():
    assert len(study.Plan(["digits"], ["lstm"], seeds=10_000).seeds) == 10_000
    assert len(study.Plan(["digits"], ["lstm"], seeds=list(range(10_000))).seeds) == 10_000
    for seeds in (10_001, list(range(10_001)), 10**8, 10**5000):
        with pytest.raises(ArgumentError, match=r"seeds .*10,000"):
            study.Plan(["digits"], ["lstm"], seeds=seeds)


# -- layers ------------------------------------------------------------------------------------------------------------


def test_tied_weights_are_not_saved_as_two(tmp_path):
    layer = wormnet.LTC(WIRING)
    layer.slope = layer.midpoint
    with pytest.raises(ArgumentError, match=r"(midpoint and slope|slope and midpoint) are tied: they share memory"):
        wormnet.save(layer, tmp_path / "a")
    assert not list(tmp_path.iterdir())


def test_weights_that_lie_side_by_side_in_one_block_are_saved(tmp_path):
    layer = wormnet.LTC(WIRING)
    n = layer.v_leak.numel()
    block = torch.arange(3.0 * n)
    layer.v_leak = torch.nn.Parameter(block[:n])
    layer.leak_raw = torch.nn.Parameter(block[n : 2 * n])
    wormnet.save(layer, tmp_path / "a")
    again = wormnet.load(tmp_path / "a")
    assert torch.equal(again.v_leak, block[:n])
    assert torch.equal(again.leak_raw, block[n : 2 * n])
    layer.leak_raw = torch.nn.Parameter(block[n - 1 : 2 * n - 1])
    with pytest.raises(ArgumentError, match="v_leak and leak_raw are tied"):
        wormnet.save(layer, tmp_path / "b")


def test_a_layer_without_values_is_not_saved(tmp_path):
    with pytest.raises(ArgumentError, match="has no values: the layer is on the device 'meta'"):
        wormnet.save(wormnet.LTC(WIRING).to("meta"), tmp_path / "a")


def test_errors_in_a_terminal_are_printable(tmp_path):
    name = "\x1b[31m\u202e.json"
    with pytest.raises(DataError) as caught:
        wormnet.wiring.load(tmp_path / name)
    assert str(caught.value).isprintable()


def test_numbers_of_any_size_are_shown():
    assert wormnet.errors.shown(10**5000) == "<int>"
    assert wormnet.errors.unknown("name", 10**5000, ["a"]) == "unknown name <int>. Known: a."
    assert len(wormnet.errors.unknown("name", "a" * 10**6, ["a"])) < 200
    assert wormnet.errors.shown(np.arange(10**6)).startswith("array(")
    assert wormnet.errors.shown(np.zeros((2, 2))) == "array([[0., 0.], [0., 0.]])"
