import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_directory():
    """A directory with the files of the data sets: $WORMNET_DATA, or shared/data beside the repository."""
    named = os.environ.get("WORMNET_DATA")
    directory = Path(named) if named else Path(__file__).parents[2] / "shared" / "data"
    if not directory.is_dir():
        pytest.skip(f"{directory} is no directory; set WORMNET_DATA to one that holds the data sets' files")
    return directory
