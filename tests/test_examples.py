"""Every example runs, as a user would run it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))


# The files that an example reads; what is not named brings its data along.
NEEDS = {"whole_worm": "halfcheetah"}


def run(example, folder, **environment):
    command = [sys.executable, "-W", "error", str(example), "--quick"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, env=environment)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_the_example_runs_and_prints_something(example, tmp_path, request):
    needs = NEEDS.get(example.stem)
    found = {"WORMNET_DATA": str(request.getfixturevalue("offline")(needs))} if needs else {}
    done = run(example, tmp_path, **found)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    # What it leaves behind is named in what it prints.
    assert all(path.name in done.stdout for path in tmp_path.iterdir())


def test_an_example_without_its_data_says_in_one_line_what_to_do(tmp_path):
    example = next(path for path in EXAMPLES if path.stem == "whole_worm")
    # Nothing listens on that port.
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    done = run(example, tmp_path, WORMNET_DATA=str(tmp_path), **nowhere)
    assert done.returncode == 1
    assert "WORMNET_DATA" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_does_not_read_its_docstring_which_the_gallery_takes_away(example):
    assert "__doc__" not in example.read_text()
