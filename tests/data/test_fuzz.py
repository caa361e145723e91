"""Files that are broken at random end in data or in one error of the library; scripts/fuzz_data.py tries many more."""

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "fuzz_data.py"
READERS = ("ts", "ts.gz", "occupancy", "traffic", "gesture", "lidar", "csv.gz", "npy", "halfcheetah", "npz")


@pytest.fixture(scope="module")
def fuzz():
    spec = importlib.util.spec_from_file_location("fuzz_data", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_reader_is_tried(fuzz):
    assert tuple(fuzz.readers()) == READERS


@pytest.mark.parametrize("name", READERS)
def test_a_broken_file_ends_in_data_or_in_an_error_of_the_library(fuzz, name):
    ends, wrong = fuzz.fuzz(name, 200)
    assert not wrong
    assert ends["read"] > 0
    assert ends["DataError"] > 0


@pytest.mark.parametrize("name", READERS)
def test_the_seeds_that_are_broken_are_good_files(fuzz, name, tmp_path):
    reader = fuzz.readers()[name]
    path = tmp_path / f"file{reader.suffix}"
    path.write_bytes(reader.seeds[0])
    reader.read(path)
