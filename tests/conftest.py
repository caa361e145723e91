import os
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples on every machine and run; slow machines do not fail.
settings.register_profile("wormnet", deadline=None, derandomize=True)
settings.load_profile("wormnet")


def pytest_collection_modifyitems(items):
    """Tests of one file run in one process, but those of a contract in one for each case: a case compiles its code."""
    for item in items:
        case = getattr(item, "callspec", None) and item.callspec.params.get("case")
        group = f"{item.path.name}-{case}" if isinstance(case, str) else item.path.name
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session")
def data_directory():
    """A directory with the files of the data sets: $WORMNET_DATA, or shared/data beside the repository."""
    named = os.environ.get("WORMNET_DATA")
    directory = Path(named) if named else Path(__file__).parents[2] / "shared" / "data"
    if not directory.is_dir():
        pytest.skip(f"{directory} is no directory; set WORMNET_DATA to one that holds the data sets' files")
    return directory


@pytest.fixture(scope="session")
def offline(data_directory):
    """A directory for $WORMNET_DATA that holds every file of a data set, or a skip: offline(folder)."""

    def offline(folder):
        if not (data_directory / folder).is_dir():
            pytest.skip(f"{data_directory} holds no {folder}; set WORMNET_DATA to a directory that does")
        return data_directory

    return offline
