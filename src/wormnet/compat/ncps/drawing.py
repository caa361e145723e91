"""The graph and the drawing of a wiring in the manner of ncps; `wormnet.plot.wiring` draws more clearly."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from wormnet.compat.ncps.notices import tell
from wormnet.errors import ArgumentError, WiringError, need, unknown

if TYPE_CHECKING:
    import networkx

COLOURS = {"command": "tab:cyan", "inter": "tab:blue", "motor": "tab:orange", "sensory": "tab:olive"}
LAYOUTS = {
    "kamada": "kamada_kawai_layout",
    **{name: f"{name}_layout" for name in ("circular", "random", "shell", "spring", "spectral", "spiral")},
}


def get_graph(self: Any, include_sensory_neurons: bool = True) -> "networkx.DiGraph":
    """The wiring as a graph of networkx.

    Nodes are neuron_0, ... and sensory_0, ... with a `neuron_type`; edges have a `polarity`, excitatory or inhibitory.
    """
    import networkx

    if not self.is_built():
        raise WiringError("the wiring is not built yet: its number of inputs is unknown. Call build(inputs).")
    graph = networkx.DiGraph()
    for i in range(self.units):
        graph.add_node(f"neuron_{i}", neuron_type=self.get_type_of_neuron(i))
    blocks = [("neuron", self.adjacency_matrix)]
    if include_sensory_neurons:
        graph.add_nodes_from((f"sensory_{i}" for i in range(self.input_dim)), neuron_type="sensory")
        blocks.insert(0, ("sensory", self.sensory_adjacency_matrix))
    else:
        tell("sensory nodes")
    for sender, matrix in blocks:
        for src, dest in zip(*matrix.nonzero(), strict=True):
            polarity = "excitatory" if matrix[src, dest] > 0 else "inhibitory"
            graph.add_edge(f"{sender}_{src}", f"neuron_{dest}", polarity=polarity)
    return graph


def draw_graph(
    self: Any,
    layout: str = "shell",
    neuron_colors: Mapping[str, Any] | None = None,
    synapse_colors: str | Mapping[str, Any] | None = None,
    draw_labels: bool = False,
) -> list[Any]:
    """Draw the wiring on matplotlib's current axes.

    Args:
        layout: kamada, circular, random, shell, spring, spectral or spiral.
        neuron_colors: by type of neuron: inter, command, motor, sensory.
        synapse_colors: one for all, or by polarity: excitatory, inhibitory.
        draw_labels: whether to write the neurons' names.

    Returns: handles for matplotlib's legend.
    Raises: ArgumentError for another layout, WormnetError without matplotlib.
    """
    import networkx

    patches = need("matplotlib.patches", "matplotlib", "drawing", extra="plot")
    if layout not in LAYOUTS:
        raise ArgumentError(unknown("layout", layout, LAYOUTS))
    if synapse_colors is None:
        synapse_colors = {"excitatory": "tab:green", "inhibitory": "tab:red"}
    elif isinstance(synapse_colors, str):
        synapse_colors = dict.fromkeys(("excitatory", "inhibitory"), synapse_colors)
    graph = get_graph(self)
    at = getattr(networkx, LAYOUTS[layout])(graph)
    types = networkx.get_node_attributes(graph, "neuron_type")
    present = [kind for kind in COLOURS if kind in types.values()]
    colours = {**{kind: COLOURS[kind] for kind in present}, **(neuron_colors or {})}
    for kind in sorted(set(types.values())):
        nodes = [node for node in graph if types[node] == kind]
        networkx.draw_networkx_nodes(graph, at, nodes, node_color=colours.get(kind, "tab:blue"))
    if draw_labels:
        networkx.draw_networkx_labels(graph, at)
    for polarity, colour in synapse_colors.items():
        edges = [(pre, post) for pre, post, sign in graph.edges(data="polarity") if sign == polarity]
        networkx.draw_networkx_edges(graph, at, edges, edge_color=colour)
    return [patches.Patch(color=colour, label=f"{kind.capitalize()} neurons") for kind, colour in colours.items()]
