"""Wirings as GraphML, the graph format that most programs read."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from wormnet.errors import WiringError
from wormnet.wiring.attributes import EDGE, NODE, proven
from wormnet.wiring.core import Wiring
from wormnet.wiring.formats import short_enough
from wormnet.wiring.graphml_text import GraphmlText
from wormnet.wiring.graphs import read_graph, to_networkx

__all__ = ["OPTIONS", "from_graphml", "read_graphml", "to_graphml"]

OPTIONS: dict[str, Any] = {"inputs": (), "outputs": None, "attributes": None, "repeated": "refuse"}
"""What readers of graphs take beside the graph, if they are not told."""

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
        # What a cell has not is left out here; other programs would take -1 for a number.
        found = {key: value for key, value in found.items() if key == "cell" or value not in (-1, "input")}
        lines.append(f"<node id={quoteattr(fit(name))}>{data('node', found)}</node>")
    for pre, post, found in graph.edges(data=True):
        ends = f"source={quoteattr(fit(pre))} target={quoteattr(fit(post))}"
        lines.append(f"<edge {ends}>{data('edge', found)}</edge>")
    return short_enough("\n".join([*lines, "</graph>", "</graphml>", ""]))


def from_graphml(
    text: str,
    *,
    inputs: Iterable[str] = (),
    outputs: Iterable[str] | None = None,
    attributes: Mapping[str, str | None] | None = None,
    repeated: str = "refuse",
) -> Wiring:
    """The wiring that `to_graphml` wrote, or one from GraphML of another program, read as by `from_networkx`.

    Taken are graphml, key, default, desc, graph, node, edge and data; what stands in the data of attributes that mean
    nothing here is passed over. A DOCTYPE, and with it every entity, is refused.

    Args:
        text: at most MAX_BYTES (64 MiB) long, with at most MAX_CELLS (200,000) nodes and MAX_SYNAPSES (2,000,000)
            edges, counted while reading.
        inputs, outputs, attributes, repeated: as for `from_networkx`.

    Raises: WiringError for anything else, naming the line and column, or the node or edge; ArgumentError for other
        arguments that fit nothing.

    >>> wiring = Wiring(1, ["AVAL", "AVAR"], pre=[0, 1], post=[1, 2], sign=[1, -1])
    >>> from_graphml(to_graphml(wiring)) == wiring
    True
    """
    options = {"inputs": inputs, "outputs": outputs, "attributes": attributes, "repeated": repeated}
    return read_graphml(text, options, stacklevel=2)


def read_graphml(text: str, options: dict[str, Any], stacklevel: int) -> Wiring:
    """The wiring of a text; options are the keywords of `from_graphml`."""
    if not isinstance(text, str):
        raise WiringError(f"text is of type {type(text).__name__}; it takes the text of a GraphML file.")
    options = OPTIONS | options
    found = GraphmlText(short_enough(text), proven(options["attributes"], (*EDGE, *NODE)))
    nodes = {name: _with(pairs, found.defaults["node"]) for name, pairs in found.nodes.items()}
    edges = ((a, b, directed, _with(pairs, found.defaults["edge"])) for a, b, directed, pairs in found.edges)
    return read_graph(nodes, edges, found.attributes, options, stacklevel + 1)


def _with(pairs: dict[str, str] | None, defaults: dict[str, str]) -> Iterable[tuple[str, str]]:
    """Attributes, and the defaults of those that are not there."""
    if not pairs or not defaults:
        return (pairs or defaults).items()
    return {**defaults, **pairs}.items()
