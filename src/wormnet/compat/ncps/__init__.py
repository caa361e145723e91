"""The package `ncps` 1.0.1 on top of wormnet: one changed import.

    import wormnet.compat.ncps as ncps               # import ncps
    from wormnet.compat.ncps.torch import CfC        # from ncps.torch import CfC
    from wormnet.compat.ncps.wirings import AutoNCP  # from ncps.wirings import AutoNCP

Names, arguments, shapes, seeds and checkpoints are those of ncps, and so are the numbers, where ncps is right. Where it
is not, what was meant is computed, and a DifferenceWarning says so once; docs/ncps.md lists all of it.

>>> import torch
>>> rnn = LTC(20, AutoNCP(28, 4))
>>> output, hx = rnn(torch.zeros(2, 3, 20))
>>> output.shape
torch.Size([2, 3, 4])
"""

from wormnet.compat.ncps import torch, wirings
from wormnet.compat.ncps.checkpoint import wiring_of
from wormnet.compat.ncps.notices import DifferenceWarning
from wormnet.compat.ncps.torch import LTC, CfC, CfCCell, LTCCell, WiredCfCCell
from wormnet.compat.ncps.wirings import NCP, AutoNCP, FullyConnected, Random, Wiring

__all__ = [
    "LTC",
    "NCP",
    "AutoNCP",
    "CfC",
    "CfCCell",
    "DifferenceWarning",
    "FullyConnected",
    "LTCCell",
    "Random",
    "WiredCfCCell",
    "Wiring",
    "torch",
    "wiring_of",
    "wirings",
]
