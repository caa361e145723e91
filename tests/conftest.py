import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

# The same examples on every machine and run; slow machines do not fail.
settings.register_profile("wormnet", deadline=None, derandomize=True)
settings.load_profile("wormnet")


@pytest.fixture(scope="session")
def data_directory():
    """A directory with the files of the data sets: $WORMNET_DATA, or shared/data beside the repository."""
    named = os.environ.get("WORMNET_DATA")
    directory = Path(named) if named else Path(__file__).parents[2] / "shared" / "data"
    if not directory.is_dir():
        pytest.skip(f"{directory} is no directory; set WORMNET_DATA to one that holds the data sets' files")
    return directory


@pytest.fixture(scope="session")
def offline(data_directory, tmp_path_factory):
    """A directory for $WORMNET_DATA that holds every file, or a skip: offline(folder)."""
    unpacked = tmp_path_factory.mktemp("data")

    def offline(folder):
        if folder == "lidar_icra2020" and not (data_directory / folder / "trace_0001.csv").exists():
            _write_drives(data_directory / folder / "icra2020_lidar_repacked.npz", unpacked / folder)
            return unpacked
        if not (data_directory / folder).is_dir():
            pytest.skip(f"{data_directory} holds no {folder}; set WORMNET_DATA to a directory that does")
        return data_directory

    return offline


def _write_drives(packed, folder):
    """The drives as the source has them, byte for byte (the loader compares their sha256)."""
    if not packed.exists():
        pytest.skip(f"there is no {packed}; set WORMNET_DATA to a directory that holds the drives")
    if folder.exists():
        return
    folder.mkdir()
    with np.load(packed) as drives:
        for i in range(29):
            rows = np.column_stack([drives[f"state_{i}"], drives[f"x_{i}"], drives[f"y_{i}"]])
            lines = [f"{k:.2f}," + ",".join(f"{v:.5f}" for v in row) + "\n" for k, row in enumerate(rows)]
            (folder / f"trace_{i + 1:04d}.csv").write_text("".join(lines), newline="\n")
