"""Wirings as graphs of networkx, and graphs of networkx as wirings."""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from wormnet.errors import WiringError, shown
from wormnet.wiring.assembly import Cells, Pairs, assembled, names_of
from wormnet.wiring.attributes import EDGE, NODE, Reading, proven, warn_of, whole
from wormnet.wiring.check import KINDS, shortened
from wormnet.wiring.core import Wiring
from wormnet.wiring.formats import FORMAT, VERSION, prove_format, prove_to_fit, small_enough

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["from_networkx", "read_graph", "to_networkx"]

T = TypeVar("T")


def to_networkx(wiring: Wiring) -> "nx.MultiDiGraph":
    """The wiring as a graph of networkx, one node for each cell in order, one edge pre -> post for each synapse.

    Nodes have cell ("input" or "neuron"), role, layer and output: their place among the outputs from 0, or -1 if they
    are not read out. An input has role "input" and layer -1. Edges have kind ("chemical", "gap" or "current"), sign and
    count. The graph has format, version and source. Every node and every edge has every attribute, as tables and igraph
    need it.

    Raises: WiringError if it is no wiring, or larger than MAX_CELLS, MAX_SYNAPSES.

    >>> graph = to_networkx(Wiring(1, ["AVAL", "AVAR"], "command", pre=[0, 1], post=[1, 2], sign=[1, -1]))
    >>> graph.nodes["AVAR"]
    {'cell': 'neuron', 'role': 'command', 'layer': 0, 'output': 1}
    >>> list(graph.edges(data=True))[1]
    ('AVAL', 'AVAR', {'kind': 'chemical', 'sign': -1, 'count': 1.0})
    """
    import networkx as nx

    prove_to_fit(wiring)
    graph = nx.MultiDiGraph(format=FORMAT, version=VERSION, source=wiring.source)
    graph.add_nodes_from(wiring.inputs, cell="input", role="input", layer=-1, output=-1)
    for name, role, layer in zip(wiring.neurons, wiring.roles, wiring.layers.tolist()):
        graph.add_node(name, cell="neuron", role=role, layer=layer, output=-1)
    for rank, name in enumerate(wiring.outputs):
        graph.nodes[name]["output"] = rank
    columns = (column.tolist() for column in (wiring.pre, wiring.post, wiring.kind, wiring.sign, wiring.count))
    for pre, post, kind, sign, count in zip(*columns):
        graph.add_edge(wiring.cells[pre], wiring.cells[post], kind=KINDS[kind], sign=sign, count=count)
    return graph


def from_networkx(
    graph: "nx.Graph",
    *,
    inputs: Iterable[str] = (),
    outputs: Iterable[str] | None = None,
    attributes: Mapping[str, str | None] | None = None,
    repeated: str = "refuse",
) -> Wiring:
    """The wiring that `to_networkx` wrote, or one from any graph of networkx, directed or not.

    Attributes are understood by their usual names, in any case. Of nodes: cell, role, layer, output, as explained at
    `to_networkx`; where all nodes are but numbers (3, "n3"), a name or label is the cell's name. Of edges: kind or type
    (chemical, send, S, Sp; gap, gap junction, electrical, EJ; current; also excitatory, inhibitory), sign or polarity
    (-1, 0, 1, excitatory, inhibitory), count or weight. What is not understood is named in one warning.

    Missing ones are: cell "neuron", role "unknown", layer 0; kind "chemical", sign 0 (to be learned), count 1. Outputs
    are the neurons with an output, in its order; without any, all neurons (none, if `to_networkx` wrote the graph). In
    an undirected graph a chemical edge between two neurons is two synapses, one each way, and an edge of an input leads
    from it. A gap junction that is listed from both ends with equal counts is one.

    Args:
        graph: with at most MAX_CELLS (200,000) nodes and MAX_SYNAPSES (2,000,000) edges.
        inputs: names of nodes that are inputs (sensors, not neurons), beside those whose cell is "input".
        outputs: names of the neurons that are read out, instead of what the graph says.
        attributes: {attribute of the graph: kind, sign, count, cell, role, layer, output or name}, where it has names
            of its own; None in place of the field passes over an attribute without a warning.
        repeated: a second synapse of one kind from one cell to another is an error ("refuse"), or its count is added
            ("add"; signs that differ become 0).

    Raises: WiringError for anything that cannot be, naming the node or edge; ArgumentError for other arguments that fit
        nothing.

    >>> import networkx as nx
    >>> graph = nx.DiGraph()
    >>> graph.add_edge("AVAL", "AVAR", Weight=7, Type="electrical")
    >>> graph.add_edge("AVAR", "PVCL", Weight=2, Type="chemical")
    >>> from_networkx(graph).to_dict()["kind"], from_networkx(graph).to_dict()["count"]
    ([1, 0], [7.0, 2.0])
    """
    import networkx as nx

    if not isinstance(graph, nx.Graph):
        raise WiringError(f"graph is {shortened(graph)}; it takes a graph of networkx.")
    small_enough(graph.number_of_nodes(), graph.number_of_edges())
    if not isinstance(graph.graph, Mapping):
        raise WiringError(f"graph.graph is {shown(graph.graph)}; it takes a dict.")
    directed = graph.is_directed()
    return read_graph(
        {node: found.items() for node, found in graph.nodes(data=True)},
        ((pre, post, directed, found.items()) for pre, post, found in graph.edges(data=True)),
        graph.graph,
        {"inputs": inputs, "outputs": outputs, "attributes": attributes, "repeated": repeated},
        stacklevel=2,
    )


def read_graph(
    nodes: Mapping[Any, Pairs],
    edges: Iterable[tuple[Any, Any, bool, Pairs]],
    about: Mapping[str, Any],
    options: dict[str, Any],
    stacklevel: int,
) -> Wiring:
    """The wiring of a graph: its nodes and edges with their attributes, and the graph's own.

    Args: edges: (one end, other end, whether it is directed, attributes).   options: the keywords of `from_networkx`.
    """
    ours = isinstance(about.get("format"), str) and about["format"] == FORMAT
    if ours:
        prove_format({**about, "version": _version(about.get("version"))})
    attributes = proven(options["attributes"], (*EDGE, *NODE))
    of_nodes, of_edges = Reading("nodes", NODE, attributes), Reading("edges", EDGE, attributes)
    found = {node: _at(f"node {shown(node)}", of_nodes.take, pairs) for node, pairs in nodes.items()}
    names = names_of(found, of_nodes)
    cells = Cells()
    for node, one in found.items():
        _at(f"node {shown(node)}", cells.add, names[node], one)
    cells.make_inputs(options["inputs"])
    source = about.get("source", "")
    wiring = assembled(
        cells,
        (
            # Called, if at all, before the next edge takes its place.
            (names[pre], names[post], directed, lambda: f"edge {shown(pre)} -> {shown(post)}", pairs)  # noqa: B023
            for pre, post, directed, pairs in edges
        ),
        of_edges,
        repeated=options["repeated"],
        outputs=options["outputs"],
        source=source if ours or isinstance(source, str) else "",
        is_ours=ours,
    )
    warn_of("the graph", (of_nodes, of_edges), attributes, stacklevel + 1)
    return wiring


def _version(value: Any) -> Any:
    """A version as other programs write it, 1.0 or "1"; what is none stays as it is."""
    try:
        return whole("version", value, 0, 2**31)
    except WiringError:
        return value


def _at(place: str, function: Callable[..., T], *arguments: Any) -> T:
    """Call it; put the place in front of what is wrong."""
    try:
        return function(*arguments)
    except WiringError as error:
        raise WiringError(f"{place}: {error}") from None
