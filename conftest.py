"""What holds for every test: fixed draws, one thread, and a folder of its own for each documentation example."""

import importlib.util
import os
import re
import signal
import sys

import hypothesis
import pytest

# Before anything imports matplotlib or torch: no window, and workers that do not fight for the cores.
os.environ.setdefault("MPLBACKEND", "agg")
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Keras decides once for a process, and takes TensorFlow unless it is told otherwise.
os.environ.setdefault("KERAS_BACKEND", "torch")

# A shell that starts the tests in the background ignores Ctrl-C for them, and for all that they start; some test it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The examples of the GPU kernels' modules are only looked for where Triton exists.
collect_ignore_glob = [] if importlib.util.find_spec("triton") else ["src/wormnet/engine/gpu/*"]
# So are those of the layers for Keras, which decide on its back end once for the whole process.
collect_ignore_glob += [] if importlib.util.find_spec("keras") else ["src/wormnet/compat/keras/*"]
# What the documentation site is built by, and into.
collect_ignore_glob += ["docs/conf.py", "docs/examples/*", "docs/_build/*"]
# A program that a test runs, in a process for each back end.
collect_ignore_glob += ["tests/compat/keras_program.py"]

hypothesis.settings.register_profile("wormnet", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("wormnet")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Every test draws the same numbers, whichever tests ran before it in its process."""
    if torch := sys.modules.get("torch"):
        torch.manual_seed(0)
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed(0)


FILE_BLOCK = re.compile(r'^```python title="([\w.]+)"\n(.*?)^```$', re.MULTILINE | re.DOTALL)
"""A part of a file that a page of the documentation writes."""


@pytest.fixture(autouse=True)
def _own_folder_for_examples(request, tmp_path_factory, monkeypatch):
    if not isinstance(request.node, pytest.DoctestItem):
        yield
        return
    folder = tmp_path_factory.mktemp("example")
    monkeypatch.chdir(folder)
    written = {}
    if request.node.path.suffix == ".md":
        for name, text in FILE_BLOCK.findall(request.node.path.read_text()):
            written[name] = written.get(name, "") + text
    if not written:
        yield
        return
    from wormnet.models import MODELS

    for name, text in written.items():
        (folder / name).write_text(text)
    monkeypatch.syspath_prepend(folder)
    known = dict(MODELS)
    yield
    for name in written:
        sys.modules.pop(name.removesuffix(".py"), None)
    MODELS.clear()
    MODELS.update(known)
