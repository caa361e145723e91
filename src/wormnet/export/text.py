"""Text of programs: tables, comments, templates."""

import textwrap
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from wormnet.errors import need

__all__ = ["array", "commented", "render", "wrapped"]

WIDTH = 110


def array(values: NDArray[Any], number: Callable[[Any], str]) -> str:
    """An array as it stands in a C program, in lines."""
    if values.ndim > 1:
        rows = ",\n".join(array(one, number) for one in values)
        return f"{{\n{textwrap.indent(rows, '    ')}\n}}"
    text = ", ".join(map(number, values.tolist()))
    return f"{{{text}}}" if len(text) < 60 else f"{{\n{wrapped(text)}\n}}"


def wrapped(text: str, indent: str = "    ") -> str:
    """Text in lines, words and numbers whole."""
    return textwrap.fill(
        text, WIDTH, initial_indent=indent, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def commented(texts: Iterable[str]) -> list[str]:
    """Lines that may stand in a comment, whatever the names in them hold."""
    lines = []
    for text in texts:
        plain = text.encode("ascii", "backslashreplace").decode().replace("*/", "* /").replace("/*", "/ *")
        plain = "".join(one if one.isprintable() else " " for one in plain).replace("??", "? ?")
        lines += textwrap.wrap(plain, WIDTH, break_on_hyphens=False) or [""]
    return lines


def render(template: str, what: str, values: dict[str, Any]) -> str:
    """A template of this folder, filled in; a name that is missing is an error."""
    jinja2 = need("jinja2", "Jinja2", what, extra="export")
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(loader=loader, undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    return environment.get_template(template).render(values)
