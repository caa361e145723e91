"""How the documentation site is built: `make docs`. No network is needed, and a warning is an error."""

import re
import textwrap
from pathlib import Path

import wormnet

project, author = "wormnet", "the wormnet authors"
copyright = author  # noqa: A001 - Sphinx reads this name
version = release = wormnet.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode", "sphinx_gallery.gen_gallery"]
exclude_patterns = ["_build", "_build-links"]
html_theme = "pydata_sphinx_theme"
html_static_path = ["_static"]
html_title = "wormnet"
html_theme_options = {
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "show_prev_next": False,
    "header_links_before_dropdown": 7,
}
html_context = {"default_mode": "auto"}
html_show_sourcelink = False
# Pages that stand alone have no pages beside them to show there.
html_sidebars = {page: [] for page in ("index", "guide", "ncps", "extending", "faq", "architecture", "compatibility")}
myst_heading_anchors = 3
suppress_warnings = ["config.cache"]

autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_default_options = {"members": True, "imported-members": True, "show-inheritance": True}


DRAWN: list = []
"""The figures that are on the gallery's pages already."""


def drawings(block: object, variables: dict, conf: dict) -> str:
    """The figures that a part of an example has drawn. They are not pyplot's, which the gallery looks for by itself."""
    from matplotlib.axes import Axes
    from sphinx_gallery.scrapers import figure_rst

    paths = []
    for one in list(variables["example_globals"].values()):
        if isinstance(one, Axes) and one.figure not in DRAWN:
            DRAWN.append(one.figure)
            paths.append(next(variables["image_path_iterator"]))
            one.figure.savefig(paths[-1], dpi=120)
    return figure_rst(paths, conf["src_dir"])


sphinx_gallery_conf = {
    "image_scrapers": (drawings,),
    "examples_dirs": "../examples",
    "gallery_dirs": "examples",
    "filename_pattern": r"\.py$",
    "default_thumb_file": str(Path(__file__).parent / "wiring.png"),
    "reset_argv": lambda conf, script: ["--quick"],
    "show_memory": False,
    "remove_config_comments": True,
    "abort_on_example_error": True,
    "min_reported_time": 10_000,
    "copyfile_regex": r".*\.rst",
}

# -- make links --------------------------------------------------------------------------------------------------------

linkcheck_timeout, linkcheck_retries = 20, 2
# Publishers send programs away, and what a DOI leads to changes without notice: that there is an answer is enough.
linkcheck_anchors = False
linkcheck_allow_unauthorized = True

# -- docstrings, which are written to be read in an editor -------------------------------------------------------------

SECTIONS = "Args|Arguments|Attributes|Call|Returns|Yields|Raises|Source|Units"
HEAD = re.compile(rf"(?P<word>{SECTIONS})(?P<more>[^:]{{0,40}}):(?=\s|$)\s*(?P<rest>.*)")
ENTRY = re.compile(r"(?P<names>[\w`*.]+(?:, [\w`*.]+)*): (?P<text>.*)")


def docstring(app: object, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Turn a docstring of this package into reStructuredText.

    Sections become bold words with a list of their entries, what is indented a literal block, and `names` code.
    """
    found: list[str] = []
    kind = "text"
    for line in textwrap.dedent("\n".join(lines)).split("\n"):
        indent = len(line) - len(line.lstrip())
        head = HEAD.fullmatch(line)
        if not line.strip():
            found.append("")
            kind = "text" if kind == "doctest" else kind
        elif line.lstrip().startswith(">>>") or kind == "doctest":
            found += ["", line] if kind != "doctest" else [line]
            kind = "doctest"
        elif head:
            kind = "section"
            found += ["", f"**{head['word']}{head['more']}**", ""]
            found += entries(head["rest"]) if head["rest"] else []
        elif kind == "section" and indent:
            found += entries(line)
        elif kind != "section" and indent >= 4 and (kind == "literal" or not found or not found[-1].strip()):
            found += ["::", "", line] if kind != "literal" else [line]
            kind = "literal"
        else:
            found += ["", plain(line)] if kind in ("section", "literal") else [plain(line)]
            kind = "text"
    lines[:] = found


def entries(line: str) -> list[str]:
    """A line of a section: entries begin as `name: `, several of them three spaces apart; others go on."""
    found = []
    for part in re.split(r"(?<=\S) {3,}(?=\S)", line.strip()):
        entry, head = ENTRY.fullmatch(part), HEAD.fullmatch(part)
        if head:
            found += ["", f"**{head['word']}{head['more']}**", "", *entries(head["rest"])]
        elif entry:
            found += [f"- ``{entry['names'].replace('`', '')}``: {plain(entry['text'])}"]
        else:
            found += [f"  {plain(part)}"]
    return found


def plain(line: str) -> str:
    """Single backticks are code, and what reStructuredText would take for markup is not."""
    parts = re.split(r"(`[^`]+`)", line)
    return "".join(
        f"`{part}`" if part.startswith("`") else re.sub(r"([*|`])", r"\\\1", re.sub(r"(\w)_(?=\W|$)", r"\1\\_", part))
        for part in parts
    )


def setup(app: object) -> None:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", docstring)  # pyright: ignore
