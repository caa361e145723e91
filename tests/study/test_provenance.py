"""The digest of the source changes with what can change a number, and with nothing else."""

import functools
import importlib
import shutil
import sys

import pytest

from wormnet.study import provenance as module
from wormnet.study.provenance import source


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of wormnet's files, which the digest is of."""
    copy = tmp_path / "wormnet"
    shutil.copytree(module.PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(module, "PACKAGE", copy)
    monkeypatch.setattr(module, "_package", module._package.__wrapped__)
    return copy


@pytest.mark.parametrize(
    ("file", "counts"),
    [
        ("engine/cpu/solver.py", True),
        ("models/ltc.py", True),
        ("wiring/tables/cells.csv", True),
        ("study/fit.py", True),
        ("study/new.py", True),
        ("new.py", True),
        ("cli/study.py", False),
        ("plot/new.py", False),
        ("study/report.py", False),
        ("study/report.html.j2", False),
        ("study/stats.py", False),
        ("study/store.py", False),
        ("study/__pycache__/fit.pyc", False),
    ],
)
def test_what_can_change_a_number_counts(package, file, counts):
    before = source()
    (package / file).parent.mkdir(exist_ok=True)
    with (package / file).open("ab") as opened:
        opened.write(b"\n# another line\n")
    assert (source() != before) == counts


def test_a_file_that_moves_counts(package):
    before = source()
    (package / "models/ltc.py").rename(package / "models/other.py")
    assert source() != before


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A folder with a module of one's own, what it imports, and what it does not."""
    files = {
        "mynet.py": "import json\nimport mycells.gates\nfrom mytools import f\ndef build(): return f\n",
        "mytools.py": "def f(): return 1\n",
        "mycells/__init__.py": "",
        "mycells/gates.py": "from . import inner\n",
        "mycells/inner.py": "x = 1\n",
        "mycells/aside.py": "x = 1\n",
        "script.py": "x = 1\n",
    }
    for name, text in files.items():
        path = tmp_path / "mine" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.syspath_prepend(tmp_path / "mine")
    yield tmp_path / "mine"
    for name in [name for name in sys.modules if name.startswith("my")]:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.mark.parametrize(
    ("file", "counts"),
    [
        ("mynet.py", True),
        ("mytools.py", True),
        ("mycells/__init__.py", True),
        ("mycells/gates.py", True),
        ("mycells/inner.py", True),
        ("mycells/aside.py", False),
        ("script.py", False),
    ],
)
def test_a_module_of_ones_own_counts_with_what_it_imports(mine, file, counts):
    mynet = importlib.import_module("mynet")
    before = source(mynet.build)
    assert set(before) == {"wormnet", "mynet"}
    assert before == source(mynet)
    (mine / file).write_text((mine / file).read_text() + "\ny = 2\n")
    assert (source(mynet)["mynet"] != before["mynet"]) == counts
    assert source(mynet)["wormnet"] == before["wormnet"]


def test_of_an_installed_package_the_version_counts():
    import safetensors.torch

    assert source(safetensors.torch.save)["safetensors.torch"].startswith("safetensors ")


def test_what_has_no_source_is_never_taken_for_the_same():
    space = {"__name__": "typed_in"}
    exec("def build(): return 1", space)
    first, second = (source(space["build"])["typed_in"] for _ in range(2))
    assert first != second


def test_a_module_of_wormnet_that_does_not_count_for_all_counts_where_it_is_named():
    from wormnet.study import stats

    assert set(source(stats)) == {"wormnet", "wormnet.study.stats"}
    assert source(functools.partial(stats.mean_interval)) == source(stats)
    assert set(source(module.hashlib.sha256, "text", 3)) == {"wormnet"}
