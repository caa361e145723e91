"""What holds for every test: fixed draws, one thread, and a folder of its own for each documentation example."""

import importlib.util
import os

import hypothesis
import pytest

# Before anything imports matplotlib or torch: no window, and workers that do not fight for the cores.
os.environ.setdefault("MPLBACKEND", "agg")
os.environ.setdefault("OMP_NUM_THREADS", "1")

# The examples of the GPU kernels' modules are only looked for where Triton exists.
collect_ignore_glob = [] if importlib.util.find_spec("triton") else ["src/wormnet/kernels/gpu/*"]

hypothesis.settings.register_profile("wormnet", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("wormnet")


@pytest.fixture(autouse=True)
def _own_folder_for_examples(request, tmp_path_factory, monkeypatch):
    if isinstance(request.node, pytest.DoctestItem):
        monkeypatch.chdir(tmp_path_factory.mktemp("example"))
