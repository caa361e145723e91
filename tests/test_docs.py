"""The documentation site builds without a warning and without a network, and its links lead somewhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_the_site_builds_without_a_warning_and_its_pages_link_to_pages(tmp_path):
    pytest.importorskip("sphinx", reason="needs Sphinx: pip install 'wormnet[docs]'")
    source = tmp_path / "docs"
    # A copy: the examples' pages are written beside the sources.
    parts = [ROOT / name for name in ("docs", "examples", "benchmarks", "CHANGELOG.md", "SECURITY.md", "README.md")]
    subprocess.run(["cp", "-r", *map(str, parts), str(tmp_path)], check=True)
    command = [sys.executable, "-m", "sphinx", "-W", "-q", "-b", "html", "-D", "plot_gallery=0", str(source)]
    done = subprocess.run([*command, str(tmp_path / "site")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    pages = list((tmp_path / "site").rglob("*.html"))
    assert len(pages) > 20
    lost = []
    for page in pages:
        for link in re.findall(r'href="([^"#?:]+)(?:#[^"]*)?"', page.read_text(encoding="utf-8")):
            if not (page.parent / link).exists():
                lost.append((page.name, link))
    assert lost == []
