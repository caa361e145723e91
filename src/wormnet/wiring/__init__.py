"""Who is connected to whom. NumPy only."""

from wormnet.wiring.chance import dense, random, small_world
from wormnet.wiring.core import CHEMICAL, CURRENT, GAP, KINDS, ROLES, Csr, Wiring
from wormnet.wiring.ncp import auto_ncp, ncp

__all__ = [
    "CHEMICAL",
    "CURRENT",
    "GAP",
    "KINDS",
    "ROLES",
    "Csr",
    "Wiring",
    "auto_ncp",
    "dense",
    "ncp",
    "random",
    "small_world",
]
