"""The documentation site builds without a warning and without a network, and its links lead somewhere."""

import fnmatch
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted(path for path in (ROOT / "docs").rglob("*.md") if "_build" not in path.parts)

FIRST = "## The first five minutes"


@pytest.mark.parametrize("path", [path for path in PAGES if FIRST in path.read_text()], ids=lambda path: path.stem)
def test_the_first_five_minutes_take_at_most_twenty_lines(path):
    """The lines themselves are run with all other examples."""
    part = path.read_text().split(FIRST, 1)[1].split("\n## ", 1)[0]
    lines = [line for line in part.splitlines() if line.startswith((">>> ", "... "))]
    assert 5 < len(lines) <= 20


def test_the_guide_trains_on_its_first_screen_and_shows_a_curve():
    first = (ROOT / "docs" / "guide.md").read_text().split("\n## ", 1)[0]
    assert "loss.backward()" in first
    assert (ROOT / "docs" / re.findall(r"!\[.*?\]\((.*?)\)", first, re.DOTALL)[0]).exists()


def test_every_tutorial_is_in_the_list_and_every_example_in_the_index_of_the_readme():
    index = (ROOT / "docs" / "tutorials" / "index.md").read_text()
    listed = index.split("maxdepth: 1", 1)[1].split("```", 1)[0].split()
    for path in (ROOT / "docs" / "tutorials").glob("*.md"):
        assert path.stem == "index" or any(fnmatch.fnmatch(path.stem, one) for one in listed), path.stem
    readme = (ROOT / "README.md").read_text()
    for path in (ROOT / "examples").glob("*.py"):
        assert f"(examples/{path.name})" in readme


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_pages_lead_to_pages_and_to_headings(path):
    text = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    for link, heading in re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)", text):
        if "://" in link:
            continue
        page = (path.parent / link).resolve() if link else path
        if page.parent == ROOT / "docs" / "examples":  # written by the gallery
            page = ROOT / "examples" / f"{page.stem}.py"
            page = ROOT / "examples" / "GALLERY_HEADER.rst" if page.stem == "index" else page
        assert page.exists(), link
        if heading:
            heads = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
            assert heading in [re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads], heading


def test_the_faq_names_no_number_that_no_result_has():
    said = (ROOT / "docs" / "faq.md").read_text().split("## What does it cost?", 1)[1].split("\n## ", 1)[0]
    known = " ".join(
        [(ROOT / "README.md").read_text()] + [one.read_text() for one in (ROOT / "docs" / "results").glob("*.md")]
    )
    for number in re.findall(r"(?<![\w.(/-])\d+(?:\.\d+)?(?![\w.]*[)_])", said):
        assert re.search(rf"(?<![\d.]){re.escape(number)}(?![\d])", known), number


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
