"""Wirings that tests of programs share; without layers, so that they need nothing but models and engines."""

from wormnet.wiring import CHEMICAL, CURRENT, GAP, Wiring

N = 5
"""Inputs and neurons: the same number, so that a mixed-up axis is not found by its size."""


def mixed_wiring():
    """Five inputs and five neurons, three layers, synapses of all kinds and signs, a self-synapse; two are read out."""
    rows = [
        # pre, post, kind, sign, count
        (0, 5, CHEMICAL, 1, 1),
        (1, 5, CHEMICAL, -1, 2),
        (1, 6, CHEMICAL, 0, 1),
        (5, 7, CHEMICAL, 1, 3),
        (6, 7, CHEMICAL, -1, 1),
        (7, 7, CHEMICAL, 1, 1),
        (7, 8, CHEMICAL, 0, 1),
        (8, 5, CHEMICAL, -1, 1),
        (5, 6, GAP, 0, 2),
        (7, 9, GAP, 0, 1),
        (2, 9, GAP, 0, 1),
        (5, 7, GAP, 0, 1),
        (3, 6, CURRENT, 1, 1),
        (4, 8, CURRENT, -1, 2),
        (0, 5, CURRENT, 0, 1),
    ]
    pre, post, kind, sign, count = zip(*rows, strict=True)
    return Wiring(N, N, outputs=[3, 0], layers=[0, 0, 1, 2, 2], pre=pre, post=post, kind=kind, sign=sign, count=count)


MIXED = mixed_wiring()
