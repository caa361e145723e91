"""What the tests of the names of ncps share: the slow and exact engine, and notices that nobody has seen yet."""

import pytest

from wormnet.compat.ncps import network, notices


@pytest.fixture(autouse=True)
def _plain(monkeypatch, request):
    """The reference engine, whose programs need no compiler, unless a test asks for the fastest one."""
    if "fastest" not in request.keywords:
        monkeypatch.setattr(network, "BACKEND", "reference")
    monkeypatch.setattr(notices, "_told", set())


@pytest.fixture
def told(recwarn):
    """Which differences were told."""

    def found():
        texts = [str(one.message) for one in recwarn if issubclass(one.category, notices.DifferenceWarning)]
        return [name for text in texts for name, said in notices.DIFFERENCES.items() if text.startswith(said)]

    return found
