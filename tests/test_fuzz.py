"""The fuzzing script at a small scale: damaged files end in WormnetErrors alone, and it finds what it should."""

import importlib.util
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "fuzz_readers.py"


@pytest.fixture(scope="module")
def script():
    pytest.importorskip("resource")  # not on Windows
    spec = importlib.util.spec_from_file_location("fuzz_readers", SCRIPT)
    module = sys.modules["fuzz_readers"] = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SCRIPT.parent)
        spec.loader.exec_module(module)
        yield module
    del sys.modules["fuzz_readers"], sys.modules["damage"]


NAMES = [
    "wiring.json",
    "graphml",
    "networkx",
    "edges",
    "bnn",
    "layer",
    "policy",
    "driver",
    "estimator",
    "card",
    "plan.toml",
    "plan.json",
]


def test_every_reader_of_the_script_is_tried_here(script):
    assert list(script.readers()) == NAMES


def test_damaged_files_are_read_or_refused_by_an_error_of_the_library():
    """In a process of its own, which sets limits on its children."""
    pytest.importorskip("resource")
    done = subprocess.run(
        [sys.executable, "-W", "error", str(SCRIPT), "--files", "200"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.split(":")[0] for line in done.stdout.splitlines() if " files, " in line] == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_damaged_is_read(script, name, tmp_path):
    reader = script.readers()[name]
    for i, content in enumerate(reader.valid):
        path = tmp_path / f"{i}{reader.ending}"
        path.write_bytes(content)
        assert script.attempt(reader, path) == (True, "")


@pytest.mark.parametrize("name", ["wiring.json", "layer"])
def test_a_file_is_the_same_whenever_it_is_made(script, name):
    reader = script.readers()[name]
    made = [script.content(name, reader, number, 0) for number in range(50)]
    random.seed(1)
    assert made == [script.content(name, reader, number, 0) for number in range(50)]
    assert len(set(made)) > 25
    assert made != [script.content(name, reader, number, 1) for number in range(50)]


def test_the_script_finds_faults_of_every_kind(tmp_path):
    """A reader that fails on purpose: errors from inside, too much memory or time, a dead process, no text."""
    code = f"""
import importlib.util, os, sys, time
sys.path.insert(0, {str(SCRIPT.parent)!r})
spec = importlib.util.spec_from_file_location("fuzz_readers", {str(SCRIPT)!r})
fuzz = sys.modules["fuzz_readers"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fuzz)
fuzz.SECONDS, fuzz.PATIENCE = 0.2, 8.0
from pathlib import Path

def read(path):
    text = path.read_bytes()
    if b"k" in text: raise KeyError("k")
    if b"m" in text: return bytearray(3 * 2**30)
    if b"t" in text:
        end = time.process_time() + 0.3
        while time.process_time() < end: pass
    if b"w" in text: time.sleep(60)
    if b"d" in text: os.abort()
    if b"e" in text: raise fuzz.WormnetError("\\ud800")

contents = [b"", b"k", b"m", b"t", b"w", b"d", b"e"]
fuzz.content = lambda name, reader, number, seed: contents[number]
findings, line = fuzz.fuzz("x", fuzz.Reader(".x", [b""], read), 7, 0, Path({str(tmp_path)!r}))
print(*sorted(findings), line, sep="\\n")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = done.stdout.splitlines()
    assert [re.sub(r"[0-9.]+ s of", "x s of", line.split(": ")[1]) for line in found[:-1]] == [
        "builtins.KeyError",
        "builtins.MemoryError",
        "took x s of the processor",
        "took more than 8 s",
        "the process ended with -6",
        "WormnetError with a message of 1 characters",
    ]
    assert "x: 7 files, 1 read, 0 refused, 6 findings" in found[-1]
    assert (tmp_path / "x-2.x").read_bytes() == b"m"
