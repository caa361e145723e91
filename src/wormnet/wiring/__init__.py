"""Who is connected to whom. NumPy only."""

from wormnet.wiring import atlas, biophysics, bnn, catalogue, circuits, maps, spelling, tap
from wormnet.wiring.biophysics import Biophysical, Units
from wormnet.wiring.bnn import read_bnn, write_bnn
from wormnet.wiring.chance import dense, random, small_world
from wormnet.wiring.connectome import connectome, coverage, from_cect
from wormnet.wiring.core import CHEMICAL, CURRENT, GAP, KINDS, ROLES, Csr, Wiring
from wormnet.wiring.edges import read_edges
from wormnet.wiring.files import from_json, load, save, to_csv, to_json
from wormnet.wiring.graphml import from_graphml, to_graphml
from wormnet.wiring.graphs import from_networkx, to_networkx
from wormnet.wiring.maps import MotorMap, SensoryMap
from wormnet.wiring.measure import (
    Degree,
    clustering,
    degree,
    density,
    motifs,
    path_length,
    reachable,
    reciprocity,
    small_worldness,
    to_adjacency,
)
from wormnet.wiring.ncp import auto_ncp, ncp
from wormnet.wiring.null import (
    erdos_renyi,
    nulls,
    permute_neurons,
    register_null,
    rewire,
    rewire_classes,
    shuffle_counts,
    shuffle_signs,
)
from wormnet.wiring.spelling import SpellingWarning

__all__ = [
    "CHEMICAL",
    "CURRENT",
    "GAP",
    "KINDS",
    "ROLES",
    "Biophysical",
    "Csr",
    "Degree",
    "MotorMap",
    "SensoryMap",
    "SpellingWarning",
    "Units",
    "Wiring",
    "atlas",
    "auto_ncp",
    "biophysics",
    "bnn",
    "catalogue",
    "circuits",
    "clustering",
    "connectome",
    "coverage",
    "degree",
    "dense",
    "density",
    "erdos_renyi",
    "from_cect",
    "from_graphml",
    "from_json",
    "from_networkx",
    "load",
    "maps",
    "motifs",
    "ncp",
    "nulls",
    "path_length",
    "permute_neurons",
    "random",
    "reachable",
    "read_bnn",
    "read_edges",
    "reciprocity",
    "register_null",
    "rewire",
    "rewire_classes",
    "save",
    "shuffle_counts",
    "shuffle_signs",
    "small_world",
    "small_worldness",
    "spelling",
    "tap",
    "to_adjacency",
    "to_csv",
    "to_graphml",
    "to_json",
    "to_networkx",
    "write_bnn",
]
