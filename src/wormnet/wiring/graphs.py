"""Wirings as graphs of networkx, and graphs of networkx as wirings."""

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from wormnet.errors import WiringError
from wormnet.wiring import check
from wormnet.wiring.check import GAP, KINDS, ROLES, shortened
from wormnet.wiring.core import Wiring
from wormnet.wiring.formats import FORMAT, VERSION, built, prove_format, prove_to_fit, shown, small_enough

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["from_networkx", "to_networkx"]


def to_networkx(wiring: Wiring) -> "nx.MultiDiGraph":
    """The wiring as a graph of networkx, one node for each cell in order, one edge pre -> post for each synapse.

    Nodes have cell ("input" or "neuron"), neurons also role, layer and, if read out, output: their place among the
    outputs from 0. Edges have kind ("chemical", "gap" or "current"), sign and count. The graph has format, version and
    source.

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
    graph.add_nodes_from(wiring.inputs, cell="input")
    for name, role, layer in zip(wiring.neurons, wiring.roles, wiring.layers.tolist()):
        graph.add_node(name, cell="neuron", role=role, layer=layer)
    for rank, name in enumerate(wiring.outputs):
        graph.nodes[name]["output"] = rank
    columns = (column.tolist() for column in (wiring.pre, wiring.post, wiring.kind, wiring.sign, wiring.count))
    for pre, post, kind, sign, count in zip(*columns):
        graph.add_edge(wiring.cells[pre], wiring.cells[post], kind=KINDS[kind], sign=sign, count=count)
    return graph


def from_networkx(graph: "nx.Graph") -> Wiring:
    """The wiring that `to_networkx` wrote, or one from any graph of networkx, directed or not.

    What an attribute says is explained at `to_networkx`. Missing ones are: cell "neuron", role "unknown", layer 0; kind
    "chemical", sign 0 (to be learned), count the edge's weight or else 1. Outputs are the neurons with an output, in
    its order; without any, all neurons (none, if `to_networkx` wrote the graph). Nodes that are no text are named by
    str(). In an undirected graph a chemical edge between two neurons is two synapses, one each way, and an edge of
    an input leads from it. Other attributes are ignored.

    Args: graph: with at most MAX_CELLS (200,000) nodes and MAX_SYNAPSES (2,000,000) edges.
    Raises: WiringError for anything that cannot be, naming the node or edge.

    >>> import networkx as nx
    >>> from_networkx(nx.DiGraph([("AVAL", "AVAR"), ("AVAR", "PVCL")]))
    Wiring(0 inputs, 3 neurons, 3 outputs, 2 synapses)
    """
    import networkx as nx

    if not isinstance(graph, nx.Graph):
        raise WiringError(f"graph is {shortened(graph)}; it takes a graph of networkx.")
    small_enough(graph.number_of_nodes(), graph.number_of_edges())
    ours = isinstance(graph.graph.get("format"), str) and graph.graph["format"] == FORMAT
    if ours:
        prove_format(graph.graph)
    names = {node: str(node) for node in graph}
    check.unique(list(names.values()))
    inputs: list[str] = []
    neurons: dict[str, tuple[str, int]] = {}
    outputs: dict[int, str] = {}
    for node, found in graph.nodes(data=True):
        place, name = f"node {shortened(node)}", names[node]
        if _one_of(f"{place}: cell", found.get("cell", "neuron"), ("input", "neuron")) == "input":
            if extra := [key for key in ("role", "layer", "output") if key in found]:
                raise WiringError(f"{place} is an input and has {', '.join(extra)}; only neurons do.")
            inputs.append(name)
            continue
        layer = check.number(f"{place}: layer", found.get("layer", 0), 0, 2**62)
        neurons[name] = _one_of(f"{place}: role", found.get("role", "unknown"), ROLES), layer
        if "output" in found:
            rank = check.number(f"{place}: output", found["output"], 0)
            if rank in outputs:
                raise WiringError(f"{place}: output is {rank}, and so is that of {shortened(outputs[rank])}.")
            outputs[rank] = name
    number = {name: place for place, name in enumerate([*inputs, *neurons])}
    synapses = list(_synapses(graph, {node: number[name] for node, name in names.items()}, len(inputs)))
    small_enough(len(number), len(synapses))
    source = graph.graph.get("source", "")
    return built(
        inputs=inputs,
        neurons=list(neurons),
        roles=[role for role, _ in neurons.values()],
        layers=[layer for _, layer in neurons.values()],
        outputs=[outputs[rank] for rank in sorted(outputs)] if outputs or ours else None,
        source=source if ours or isinstance(source, str) else "",
        **{key: [synapse[i] for synapse in synapses] for i, key in enumerate(("pre", "post", "kind", "sign", "count"))},
    )


def _synapses(graph: "nx.Graph", number: dict[Any, int], n_inputs: int) -> Iterable[tuple[int, int, int, int, float]]:
    for one, other, found in graph.edges(data=True):
        place = f"edge {shortened(one)} -> {shortened(other)}"
        kind = KINDS.index(_one_of(f"{place}: kind", found.get("kind", "chemical"), KINDS))
        sign = check.number(f"{place}: sign", found.get("sign", 0), -1, 1)
        key = "count" if "count" in found or "weight" not in found else "weight"
        count = found.get(key, 1.0)
        # NaN compares as false, and a whole number may be too large for a float.
        if isinstance(count, bool) or not (
            isinstance(count, (int, float, np.integer, np.floating)) and 0 < count <= sys.float_info.max
        ):
            raise WiringError(
                f"{place}: {key} is {shown(count)}; it takes a finite number > 0. Polarity goes into sign."
            )
        pre, post = number[one], number[other]
        if not graph.is_directed() and post < n_inputs:
            pre, post = post, pre
        yield pre, post, kind, sign, float(count)
        if not graph.is_directed() and kind != GAP and pre >= n_inputs and pre != post:
            yield post, pre, kind, sign, float(count)


def _one_of(what: str, value: object, known: tuple[str, ...]) -> str:
    if not isinstance(value, str) or value not in known:
        raise WiringError(f"{what} is {shown(value)}; it takes {', '.join(known)}.")
    return str(value)
