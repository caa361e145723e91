import pytest

from wormnet.engine import dispatch


@pytest.fixture(autouse=True)
def _compiles_nothing(monkeypatch):
    """The reference engine, whose programs need no compiler."""
    monkeypatch.setattr(dispatch, "BACKENDS", ("auto", "reference"))
