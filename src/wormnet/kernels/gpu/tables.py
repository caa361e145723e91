"""Index arrays that the Triton kernels read: a model's edges on a wiring, listed by who receives and by who sends."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wormnet.models.spec import Model, connections
from wormnet.wiring.core import CHEMICAL, CURRENT, GAP, Wiring

__all__ = ["WIDTH", "By", "Edges", "Rows", "Tables", "build", "put", "rows"]

WIDTH = 8
"""Most edges in a row. A neuron with more has several rows, so that a hub does not make all others wait."""

Ints = NDArray[np.int64]


class By(NamedTuple):
    """Edges sorted by an owner: owner i has `order[start[i]:start[i + 1]]`, which lead to `other`."""

    start: Tensor
    """(owners + 1,)"""
    order: Tensor
    """(edges,) edge numbers"""
    other: Tensor
    """(edges,) the cell at the other end, in this order"""
    longest: int
    """the most edges of one owner"""


class Rows(NamedTuple):
    """Edges in rows of at most `WIDTH` that share an owner: owner i has the rows first[i] to first[i + 1] - 1."""

    edge: Tensor
    """(WIDTH, rows) edge numbers; behind a row's end one more than the last edge"""
    other: Tensor
    """(WIDTH, rows) the cell at the other end; -1 behind a row's end"""
    owner: Tensor
    """(rows,)"""
    first: Tensor
    """(owners + 1,)"""
    longest: int
    """the most rows of one owner"""


class Edges(NamedTuple):
    """Directed edges of one form (chemical or linear) from one kind of sender (inputs or neurons)."""

    pre: Tensor
    """(edges,) the input or neuron that sends"""
    post: Tensor
    """(edges,) the neuron that receives"""
    parameter: Tensor
    """(edges,) the synapse or connection whose parameters it has"""
    by_post: By
    by_pre: By
    rows_by_post: Rows
    rows_by_pre: Rows


class Tables(NamedTuple):
    """All edges of a model on a wiring."""

    n_inputs: int
    n_neurons: int
    chemical_input: Edges
    chemical_neuron: Edges
    linear_input: Edges
    linear_neuron: Edges
    chemical_slot: Tensor
    """(chemical synapses,) the place of each in the input edges followed by the neuron edges"""
    linear_slot: Tensor
    """(linear parameters, 2) likewise; a gap junction is up to two edges, a missing one is one more than the last"""
    gap: Tensor
    """(neurons, most gap junctions of a neuron) linear parameters that pull on it; one more than the last for none"""
    gap_post: Tensor
    """(linear parameters, 2) neurons on which it pulls; n_neurons for none"""


def build(model: Model, wiring: Wiring, device: torch.device | str) -> Tables:
    """The tables of an "ltc" or "ctrnn" on a wiring. Linear parameters of an LTC: gap junctions, then currents."""
    none = np.zeros(0, np.int64)
    if model.name == "ltc":
        chemical, gap, current = (wiring.csr(kind) for kind in (CHEMICAL, GAP, CURRENT))
        n_gap = len(wiring.of_kind(GAP))
        linear = [np.concatenate([a, b]) for a, b in ((gap.pre, current.pre), (gap.post, current.post))]
        linear.append(np.concatenate([gap.synapse, current.synapse + n_gap]))
        pulls = (gap.post, gap.synapse)
        chemical = [chemical.pre, chemical.post, chemical.synapse]
    else:
        links = connections(wiring, own=False)
        chemical, linear = [none, none, none], [links.pre, links.post, np.arange(len(links.pre))]
        pulls = (none, none)
    halves = [_halves(edges, wiring, device) for edges in (chemical, linear)]
    n_linear = int(linear[2].max()) + 1 if len(linear[2]) else 0
    slots = [_slots(pair, n, places, device) for pair, n, places in zip(halves, (len(chemical[2]), n_linear), (1, 2))]
    post_of = _by_number(pulls[1], pulls[0], n_linear, 2, wiring.n_neurons)
    pulled = _by_number(pulls[0], pulls[1], wiring.n_neurons, None, n_linear)
    return Tables(
        wiring.n_inputs,
        wiring.n_neurons,
        *halves[0],
        *halves[1],
        slots[0].flatten(),
        slots[1],
        put(pulled, device, torch.int64),
        put(post_of, device, torch.int64),
    )


def _halves(edges: list[Ints], wiring: Wiring, device: torch.device | str) -> tuple[Edges, Edges]:
    pre, post, parameter = edges
    from_input = pre < wiring.n_inputs
    found = []
    for chosen, shift, senders in (
        (from_input, 0, wiring.n_inputs),
        (~from_input, wiring.n_inputs, wiring.n_neurons),
    ):
        a, b = pre[chosen] - shift, post[chosen]
        found.append(
            Edges(
                put(a, device),
                put(b, device),
                put(parameter[chosen], device, torch.int64),
                _by(b, a, wiring.n_neurons, device),
                _by(a, b, senders, device),
                rows(b, a, wiring.n_neurons, device),
                rows(a, b, senders, device),
            )
        )
    return found[0], found[1]


def _by(owner: Ints, other: Ints, n: int, device: torch.device | str) -> By:
    order = np.argsort(owner, kind="stable")
    count = np.bincount(owner, minlength=n)
    start = np.concatenate([[0], np.cumsum(count)])
    return By(put(start, device), put(order, device), put(other[order], device), int(count.max(initial=0)))


def rows(owner: Ints, other: Ints, n: int, device: torch.device | str) -> Rows:
    """Edges in rows by owner, of n owners."""
    order = np.argsort(owner, kind="stable")
    count = np.bincount(owner, minlength=n)
    start = np.concatenate([[0], np.cumsum(count)])[:-1]
    n_rows = -(-count // WIDTH)
    first = np.concatenate([[0], np.cumsum(n_rows)])
    edge = np.full((WIDTH, first[-1]), len(owner))
    place = np.arange(len(owner)) - start[owner[order]]
    edge[place % WIDTH, first[owner[order]] + place // WIDTH] = order
    ends = np.append(other, -1)[edge]
    of_row = np.repeat(np.arange(n), n_rows)
    tensors = (put(edge, device, torch.int64), put(ends, device), put(of_row, device), put(first, device))
    return Rows(*tensors, int(n_rows.max(initial=0)))


def _slots(halves: tuple[Edges, Edges], n: int, places: int, device: torch.device | str) -> Tensor:
    parameter = torch.cat([half.parameter for half in halves]).cpu().numpy()
    slots = _by_number(parameter, np.arange(len(parameter)), n, places, len(parameter))
    return put(slots, device, torch.int64)


def _by_number(number: Ints, value: Ints, n: int, width: int | None, none: int) -> Ints:
    """(n, width) the values listed under each number, filled up with `none`."""
    count = np.bincount(number, minlength=n)
    start = np.concatenate([[0], np.cumsum(count)])
    order = np.argsort(number, kind="stable")
    table = np.full((n, int(count.max(initial=0)) if width is None else width), none)
    table[number[order], np.arange(len(number)) - start[number[order]]] = value[order]
    return table


def put(values: Ints, device: torch.device | str, dtype: torch.dtype = torch.int32) -> Tensor:
    """The numbers on a device."""
    return torch.tensor(values, dtype=dtype, device=device)
