"""Wirings as GraphML, the graph format that most programs read."""

import re
from collections.abc import Callable
from typing import Any, NoReturn

from wormnet.errors import WiringError
from wormnet.wiring.check import shortened
from wormnet.wiring.core import Wiring
from wormnet.wiring.formats import short_enough, small_enough
from wormnet.wiring.graphs import from_networkx, to_networkx

__all__ = ["from_graphml", "to_graphml"]

_KEYS = {
    "graph": {"format": "string", "version": "int", "source": "string", "escaped": "boolean"},
    "node": {"cell": "string", "role": "string", "layer": "long", "output": "long"},
    "edge": {"kind": "string", "sign": "int", "count": "double"},
}
_UNFIT = re.compile(r"[\\\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]")
"""Characters that XML cannot hold, or reads as others, and the backslash that stands for them."""


def to_graphml(wiring: Wiring) -> str:
    """The wiring as GraphML text, the graph of `to_networkx`, for Gephi, Cytoscape, igraph and others.

    Cells are the nodes' ids. If a name or the source holds a backslash or a character that XML has not, all are written
    with those as \\uXXXX, and the graph has escaped = true.

    Raises: WiringError if it is no wiring, or larger than files may be: MAX_CELLS, MAX_SYNAPSES, MAX_BYTES.

    >>> print(to_graphml(Wiring(0, ["AVAL"], "command")))  # doctest: +ELLIPSIS
    <?xml version="1.0" encoding="UTF-8"?>
    ...
    <node id="AVAL"><data key="node.cell">neuron</data><data key="node.role">command</data>...</node>
    </graph>
    </graphml>
    <BLANKLINE>
    """
    from xml.sax.saxutils import escape, quoteattr

    graph = to_networkx(wiring)
    if any(map(_UNFIT.search, (*wiring.cells, wiring.source))):
        graph.graph["escaped"] = "true"

    def fit(value: object) -> str:
        return _UNFIT.sub(lambda found: f"\\u{ord(found[0]):04x}", str(value))

    def data(scope: str, attributes: dict[str, Any]) -> str:
        return "".join(f'<data key="{scope}.{key}">{escape(fit(value))}</data>' for key, value in attributes.items())

    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">',
    ]
    for scope, keys in _KEYS.items():
        for key, kind in keys.items():
            lines.append(f'<key id="{scope}.{key}" for="{scope}" attr.name="{key}" attr.type="{kind}"/>')
    lines.append(f'<graph edgedefault="directed">{data("graph", graph.graph)}')
    for name, found in graph.nodes(data=True):
        lines.append(f"<node id={quoteattr(fit(name))}>{data('node', found)}</node>")
    for pre, post, found in graph.edges(data=True):
        ends = f"source={quoteattr(fit(pre))} target={quoteattr(fit(post))}"
        lines.append(f"<edge {ends}>{data('edge', found)}</edge>")
    return short_enough("\n".join([*lines, "</graph>", "</graphml>", ""]))


def from_graphml(text: str) -> Wiring:
    """The wiring that `to_graphml` wrote, or one from GraphML of another program, read as by `from_networkx`.

    Taken are graphml, key, default, desc, graph, node, edge and data; a DOCTYPE, and with it every entity, is refused.

    Args: text: at most MAX_BYTES (64 MiB) long, with at most MAX_CELLS (200,000) nodes and MAX_SYNAPSES (2,000,000)
        edges, counted while reading.
    Raises: WiringError for anything else, naming the line and column, or the node or edge.

    >>> wiring = Wiring(1, ["AVAL", "AVAR"], pre=[0, 1], post=[1, 2], sign=[1, -1])
    >>> from_graphml(to_graphml(wiring)) == wiring
    True
    """
    import networkx as nx

    if not isinstance(text, str):
        raise WiringError(f"text is of type {type(text).__name__}; it takes the text of a GraphML file.")
    found = _Reader(short_enough(text))
    graph = nx.MultiDiGraph() if found.directed else nx.MultiGraph()
    graph.graph.update(found.attributes)
    graph.add_nodes_from(found.nodes.items())
    graph.add_edges_from(found.edges)
    return from_networkx(graph)


_PARENTS = {
    "graphml": ("",),
    "key": ("graphml",),
    "graph": ("graphml",),
    "default": ("key",),
    "node": ("graph",),
    "edge": ("graph",),
    "data": ("graph", "node", "edge"),
    "desc": ("graphml", "key", "graph", "node", "edge"),
}

_TYPES: dict[str, Callable[[str], Any]] = {
    "string": str,
    "boolean": lambda text: {"true": True, "1": True, "false": False, "0": False}[text.strip()],
    "int": int,
    "long": int,
    "float": float,
    "double": float,
}


class _Reader:
    """What a GraphML text holds: whether it is directed, the graph's attributes, its nodes and edges."""

    def __init__(self, text: str):
        from xml.parsers import expat

        self.directed: bool | None = None
        self.attributes: dict[str, Any] = {}
        self.nodes: dict[str, dict[str, Any]] = {}
        self.edges: list[tuple[str, str, dict[str, Any]]] = []
        self._places: list[str] = []  # of the edges
        self._keys: dict[str, tuple[str, str, str]] = {}  # id: scope, name, type
        self._defaults: dict[str, dict[str, Any]] = {"node": {}, "edge": {}}
        self._open = [""]  # tags from the root to the current element
        self._key = ""  # id of the open key or data
        self._text: list[str] = []  # of the open data, default or desc
        self._bag = self.attributes  # where data of the open graph, node or edge go
        parser = self._parser = expat.ParserCreate("utf-8")
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._doctype
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        try:
            parser.Parse(text.encode(), True)
        except expat.ExpatError as error:
            self._fail(f"this is no XML: {expat.ErrorString(error.code)}")
        except UnicodeEncodeError as error:
            line = text.count("\n", 0, error.start) + 1
            raise WiringError(f"line {line}: {shortened(text[error.start])} is half a character.") from None
        self._finish()

    def _place(self) -> str:
        return f"line {self._parser.CurrentLineNumber}, column {self._parser.CurrentColumnNumber + 1}"

    def _fail(self, message: str) -> NoReturn:
        raise WiringError(f"{self._place()}: {message}.") from None

    def _take(self, given: dict[str, str], name: str) -> str:
        if name not in given:
            self._fail(f"<{self._open[-1]}> has no {name}")
        return given[name]

    def _doctype(self, *_: object) -> None:
        self._fail("a DOCTYPE, and with it every entity, is refused; delete it")

    def _start(self, tag: str, given: dict[str, str]) -> None:
        tag = tag.rpartition(":")[2]
        if self._open[-1] not in _PARENTS.get(tag, ()):
            inside = f"in <{self._open[-1]}>" if self._open[-1] else "at the top"
            self._fail(f"<{tag[:40]}> {inside} is not read; taken are {', '.join(_PARENTS)}, each in its place")
        self._open.append(tag)
        self._text = []
        if tag == "key":
            self._key = self._take(given, "id")
            if self._key in self._keys:
                self._fail(f"key {shortened(self._key)} is given twice")
            name, kind = given.get("attr.name", self._key), given.get("attr.type", "string")
            self._keys[self._key] = given.get("for", "all"), name, kind
        elif tag == "graph":
            if self.directed is not None:
                self._fail("this is a second graph; a file holds one")
            self.directed = self._yes_no(given, "edgedefault", "directed", "undirected")
        elif tag == "node":
            name = self._take(given, "id")
            if name in self.nodes:
                self._fail(f"node {shortened(name)} is given twice")
            self._bag = self.nodes[name] = {}
        elif tag == "edge":
            if "directed" in given and self._yes_no(given, "directed", "true", "false") is not self.directed:
                self._fail("this edge is directed and others are not; a graph is one or the other")
            self._bag = {}
            self.edges.append((self._take(given, "source"), self._take(given, "target"), self._bag))
            self._places.append(self._place())
        elif tag == "data":
            self._key = self._take(given, "key")
            if self._key not in self._keys:
                self._fail(f"key {shortened(self._key)} is not defined by a <key> before")
        small_enough(len(self.nodes), len(self.edges))

    def _end(self, tag: str) -> None:
        tag = self._open.pop()
        if tag in ("data", "default"):
            scope, name, kind = self._keys[self._key]
            value = self._value(name, kind, "".join(self._text))
            bags = [self._bag]
            if tag == "default":
                bags = [bag for key, bag in self._defaults.items() if scope in (key, "all")]
            for bag in bags:
                if name in bag:
                    self._fail(f"{shortened(name)} is given twice")
                bag[name] = value
        elif tag in ("node", "edge"):
            self._bag = self.attributes
        self._text = []

    def _characters(self, text: str) -> None:
        if self._open[-1] in ("data", "default", "desc"):
            self._text.append(text)
        elif text.strip():
            self._fail(f"{shortened(text.strip())} in <{self._open[-1]}> is not read; text stands in <data>")

    def _yes_no(self, given: dict[str, str], name: str, yes: str, no: str) -> bool:
        value = self._take(given, name)
        if value not in (yes, no):
            self._fail(f"{name} is {shortened(value)}; it takes {yes} or {no}")
        return value == yes

    def _value(self, name: str, kind: str, text: str) -> Any:
        if kind not in _TYPES:
            self._fail(f"{shortened(name)} has type {shortened(kind)}; it takes {', '.join(_TYPES)}")
        try:
            return _TYPES[kind](text)
        except (KeyError, ValueError):
            self._fail(f"{shortened(name)} is {shortened(text)}; its key says {kind}")

    def _finish(self) -> None:
        if self.directed is None:
            self._fail("there is no <graph>")
        for (*ends, _), place in zip(self.edges, self._places):
            for end in ends:
                if end not in self.nodes:
                    raise WiringError(f"{place}: the edge has end {shortened(end)}; there is no such node.")
        plain = _unescaped if self.attributes.pop("escaped", False) is True else str
        if isinstance(source := self.attributes.get("source"), str):
            self.attributes["source"] = plain(source)
        nodes = {plain(name): {**self._defaults["node"], **found} for name, found in self.nodes.items()}
        if len(nodes) < len(self.nodes):
            raise WiringError("two nodes have one name, one of them written with \\uXXXX.")
        self.nodes = nodes
        self.edges = [(plain(a), plain(b), {**self._defaults["edge"], **found}) for a, b, found in self.edges]


def _unescaped(text: str) -> str:
    return re.sub(r"\\u([0-9a-f]{4})", lambda found: chr(int(found[1], 16)), text)
