"""The text of a GraphML file, parsed: work and memory are bounded by its length; data that nobody reads is skipped."""

import re
from collections.abc import Mapping
from typing import Any, NoReturn

from wormnet.errors import WiringError, shown
from wormnet.wiring.attributes import EDGE, NODE, Reading
from wormnet.wiring.formats import small_enough

__all__ = ["GraphmlText"]

_PARENTS = {
    "graphml": ("",),
    "key": ("graphml",),
    "graph": ("graphml",),
    "default": ("key",),
    "node": ("graph",),
    "edge": ("graph",),
    "data": ("graphml", "graph", "node", "edge"),
    "desc": ("graphml", "key", "graph", "node", "edge"),
}
_GRAPH = ("format", "version", "source", "escaped")
"""Attributes of the graph that are read."""
_OWN = {"node": ("id",), "edge": ("id", "source", "target", "directed", "sourceport", "targetport")}
"""Attributes of the elements that say what they are; further ones are data of theirs."""

_CHUNK, _LONGEST, _DEEPEST, _NAMES = 2**16, 2**22, 100, 10_000
"""Characters handed to the parser at once; the longest tag, the deepest element and the most different names of
elements and attributes: the parser itself keeps tens of bytes for each of them."""


class GraphmlText:
    """What a GraphML text holds: the graph's attributes, its nodes and edges, and defaults; values are text.

    Only attributes that mean something to `from_networkx` are kept; the names of others go to the node or edge with an
    empty value, once each, for the warning.

    Args: attributes: the caller's own, see `Reading`.
    Raises: WiringError with the line and column for what is no GraphML.
    """

    def __init__(self, text: str, attributes: Mapping[str, str | None]):
        from xml.parsers import expat

        self.directed: bool | None = None
        self.attributes: dict[str, Any] = {}
        self.nodes: dict[str, dict[str, str] | None] = {}
        self.edges: list[tuple[str, str, bool, dict[str, str] | None]] = []
        self.defaults: dict[str, dict[str, str]] = {"node": {}, "edge": {}}
        self._readings = {
            "node": Reading("nodes", NODE, attributes),
            "edge": Reading("edges", EDGE, attributes),
        }
        self._told: set[tuple[str, str]] = set()  # (scope, name) of attributes that are not read, kept once
        self._lines: list[int] = []  # of the edges
        self._ids: dict[str, str] = {}  # one text for each id, however often it is written
        self._keys: dict[str, tuple[str, str]] = {}  # id: scope, name
        self._open = [""]  # tags from the root to the current element
        self._key = ""  # id of the open key or data
        self._text: list[str] | None = None  # of the open data or default, if it is read
        self._skipped = 0  # depth inside of data that is not read
        self._bag: dict[str, str] | None = None  # of the open node or edge
        self._edge: tuple[str, str, bool] | None = None
        self._parser = expat.ParserCreate("utf-8")
        self._parser.buffer_text = True
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        try:
            self._parse(text)
        except expat.ExpatError as error:
            self._fail(f"this is no XML: {expat.ErrorString(error.code)}")
        finally:
            for name in ("StartDoctypeDecl", "StartElement", "EndElement", "CharacterData"):
                setattr(self._parser, f"{name}Handler", None)  # they hold this object, and it the parser
        self._finish()

    def _parse(self, text: str) -> None:
        fed = 0
        for start in range(0, len(text), _CHUNK):
            try:
                part = text[start : start + _CHUNK].encode()
            except UnicodeEncodeError as error:
                at = start + error.start
                line = text.count("\n", 0, at) + 1
                raise WiringError(f"line {line}: {shown(text[at])} is half a character.") from None
            fed += len(part)
            self._parser.Parse(part, False)
            if fed - self._parser.CurrentByteIndex > _LONGEST:
                self._fail(f"a tag or comment is longer than {_LONGEST:,} bytes")
            if len(self._parser.intern) > _NAMES:
                self._fail(f"elements and attributes have more than {_NAMES:,} different names")
        self._parser.Parse(b"", True)

    def _fail(self, message: str) -> NoReturn:
        place = f"line {self._parser.CurrentLineNumber}, column {self._parser.CurrentColumnNumber + 1}"
        raise WiringError(f"{place}: {message}.") from None

    def _take(self, given: dict[str, str], name: str) -> str:
        if name not in given:
            self._fail(f"<{self._open[-1]}> has no {name}")
        return given[name]

    def _doctype(self, *_: object) -> None:
        self._fail("a DOCTYPE, and with it every entity, is refused; delete it")

    # -- elements ------------------------------------------------------------------------------------------------------

    def _start(self, tag: str, given: dict[str, str]) -> None:
        if self._skipped or (self._open[-1] in ("data", "default", "desc") and self._text is None):
            self._skipped += 1
            if self._skipped > _DEEPEST:
                self._fail(f"elements are nested more than {_DEEPEST} deep")
            return
        tag = tag.rpartition(":")[2]
        if self._open[-1] not in _PARENTS.get(tag, ()):
            inside = f"in <{self._open[-1]}>" if self._open[-1] else "at the top"
            self._fail(f"<{tag[:40]}> {inside} is not read; taken are {', '.join(_PARENTS)}, each in its place")
        self._open.append(tag)
        if tag == "key":
            self._key = self._take(given, "id")
            if self._key in self._keys:
                self._fail(f"key {shown(self._key)} is given twice")
            self._keys[self._key] = given.get("for", "all"), given.get("attr.name", self._key)
        elif tag == "graph":
            if self.directed is not None:
                self._fail("this is a second graph; a file holds one")
            self.directed = self._yes_no(given, "edgedefault", "directed", "undirected")
        elif tag == "node":
            name = self._id(self._take(given, "id"))
            if name in self.nodes:
                self._fail(f"node {shown(name)} is given twice")
            self._bag = self.nodes[name] = {}
            self._own_data(tag, given)
        elif tag == "edge":
            directed = bool(self.directed)
            if "directed" in given:
                directed = self._yes_no(given, "directed", "true", "false")
            self._edge = self._id(self._take(given, "source")), self._id(self._take(given, "target")), directed
            self._bag = {}
            self._lines.append(self._parser.CurrentLineNumber)
            self._own_data(tag, given)
        elif tag == "data":
            self._key = self._take(given, "key")
            if self._key not in self._keys:
                self._fail(f"key {shown(self._key)} is not defined by a <key> before")
            self._text = [] if self._wants(self._open[-2], self._keys[self._key][1]) else None
        elif tag == "default":
            scope, name = self._keys[self._key]
            wanted = [self._wants(one, name, default=True) for one in ("node", "edge") if scope in (one, "all")]
            self._text = [] if any(wanted) else None
        small_enough(len(self.nodes), len(self.edges))

    def _end(self, _: str) -> None:
        if self._skipped:
            self._skipped -= 1
            return
        tag = self._open.pop()
        if tag in ("data", "default") and self._text is not None:
            scope, name = self._keys[self._key]
            value = "".join(self._text)
            if tag == "default":
                for one in ("node", "edge"):
                    if scope in (one, "all") and self._readings[one].of(name):
                        self._put(self.defaults[one], name, value)
            else:
                self._put(self.attributes if self._open[-1] == "graph" else self._bag, name, value)
        elif tag in ("node", "edge"):
            if tag == "edge" and self._edge:
                self.edges.append((*self._edge, self._bag or None))
            self._bag = self._edge = None
        self._text = None

    def _characters(self, text: str) -> None:
        if self._text is not None:
            self._text.append(text)
        elif not self._skipped and self._open[-1] not in ("data", "default", "desc") and text.strip():
            self._fail(f"{shown(text.strip())} in <{self._open[-1]}> is not read; text stands in <data>")

    # -- attributes ----------------------------------------------------------------------------------------------------

    def _wants(self, scope: str, name: str, default: bool = False) -> bool:
        """Whether an attribute is read. Of one that is not, the name is kept for the warning, once."""
        if scope not in self._readings:
            return scope == "graph" and name in _GRAPH
        if self._readings[scope].of(name):
            return True
        if (scope, name) not in self._told:
            self._told.add((scope, name))
            bag = self.defaults[scope] if default else self._bag
            if bag is not None:
                bag.setdefault(name, "")
        return False

    def _own_data(self, tag: str, given: dict[str, str]) -> None:
        """Attributes that stand in the tag itself, as Gephi writes the kind of an edge into `label`."""
        for name, value in given.items():
            if name not in _OWN[tag] and ":" not in name and self._wants(tag, name):
                self._put(self._bag, name, value)

    def _put(self, bag: dict[str, str] | None, name: str, value: str) -> None:
        if bag is None:
            return
        if name in bag:
            self._fail(f"{shown(name)} is given twice")
        bag[name] = value

    def _id(self, text: str) -> str:
        return self._ids.setdefault(text, text)

    def _yes_no(self, given: dict[str, str], name: str, yes: str, no: str) -> bool:
        value = self._take(given, name)
        if value not in (yes, no):
            self._fail(f"{name} is {shown(value)}; it takes {yes} or {no}")
        return value == yes

    def _finish(self) -> None:
        if self.directed is None:
            self._fail("there is no <graph>")
        for (*ends, _, _), line in zip(self.edges, self._lines):
            for end in ends:
                if end not in self.nodes:
                    raise WiringError(f"line {line}: the edge has end {shown(end)}; there is no such node.")
        if str(self.attributes.pop("escaped", "")).strip() not in ("true", "1"):
            return
        self.attributes = {key: unescaped(value) for key, value in self.attributes.items()}
        nodes = {unescaped(name): found for name, found in self.nodes.items()}
        if len(nodes) < len(self.nodes):
            raise WiringError("two nodes have one name, one of them written with \\uXXXX.")
        self.nodes = {
            name: found and {key: unescaped(value) for key, value in found.items()} for name, found in nodes.items()
        }
        self.edges = [(unescaped(a), unescaped(b), directed, found) for a, b, directed, found in self.edges]


def unescaped(text: str) -> str:
    """The text that was written with \\uXXXX for what XML cannot hold."""
    return re.sub(r"\\u([0-9a-f]{4})", lambda found: chr(int(found[1], 16)), text)
