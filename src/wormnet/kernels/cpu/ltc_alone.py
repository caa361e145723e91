# pyright: reportCallIssue=false, reportOperatorIssue=false
"""One sample of one sequence of liquid time-constant neurons: the lanes are sixteen synapses, not sixteen sequences."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wormnet.kernels.cpu import LANES
from wormnet.kernels.cpu.compiled import inlined, kernel
from wormnet.kernels.cpu.elementary import gate_argument, semi_implicit, sigmoid
from wormnet.kernels.cpu.lanes import load, store
from wormnet.kernels.cpu.transfer import pick
from wormnet.wiring.core import CHEMICAL, CURRENT, GAP, Wiring

__all__ = ["Tables", "step"]


class Tables:
    """A network's numbers in the order that the kernel reads them.

    Whole numbers: for each table (chemical synapses from inputs, from neurons, gap junctions from inputs, from neurons,
    currents) n + 1 bounds, then the senders; then the output neurons. Numbers: capacitance, leak, leak v_leak
    (neurons each); scale and shift of inputs and outputs; for each table of chemical synapses conductance,
    conductance x reversal, slope, midpoint; the others' conductances. Senders and synapses' numbers are filled up to
    whole blocks.
    """

    def __init__(self, wiring: Wiring, values: dict[str, NDArray[Any]], dtype: Any):
        n, inputs = wiring.n_neurons, wiring.n_inputs
        whole: list[NDArray[Any]] = []
        numbers = [values["capacitance"], values["leak"], values["leak"] * values["v_leak"]]
        for word, width in (("input", inputs), ("output", wiring.n_outputs)):
            numbers.append(values.get(f"{word}_scale", np.ones(width)))
            numbers.append(values.get(f"{word}_shift", np.zeros(width)))
        linear, lengths = [], []
        for kind in (CHEMICAL, GAP, CURRENT):
            csr = wiring.csr(kind)
            for from_input in (True, False) if kind != CURRENT else (True,):
                chosen = np.flatnonzero((csr.pre < inputs) == from_input)
                counts = np.bincount(csr.post[chosen], minlength=n)
                size = -(-len(chosen) // LANES) * LANES
                senders = csr.pre[chosen] - (0 if from_input else inputs)
                whole += [np.append(0, np.cumsum(counts)), np.pad(senders, (0, size - len(chosen)))]
                lengths.append(size)
                synapse = csr.synapse[chosen]
                if kind == CHEMICAL:
                    conductance = values["conductance"][synapse]
                    columns = (conductance, conductance * values["reversal"][synapse])
                    columns += (values["slope"][synapse], values["midpoint"][synapse])
                    numbers += [np.pad(one, (0, size - len(chosen))) for one in columns]
                else:
                    word = "gap_conductance" if kind == GAP else "current"
                    linear.append(np.pad(values[word][synapse] if len(chosen) else [], (0, size - len(chosen))))
        self.whole = np.concatenate([*whole, wiring.output_index]).astype(np.int32)
        self.numbers = np.concatenate([*numbers, *linear]).astype(dtype)
        self.sizes = (n, inputs, wiring.n_outputs, *lengths)
        # The state; mapped inputs; drive and pull by inputs; the next state; what synapses bring to drive and to pull.
        self.room = np.zeros(4 * n + inputs + 2 * max(lengths[:2]), dtype)


@inlined
def chemical(p, at, size, whole, senders, cells, u, room, brought):
    """What each of `size` chemical synapses brings to its receiver's drive and, behind all of these, to its pull."""
    for e in range(0, size, LANES):
        u_pre = pick(cells, u, whole, senders + e)
        gate = sigmoid(gate_argument(u_pre, load(p, at + 2 * size + e), load(p, at + 3 * size + e)))
        store(room, brought + e, gate * load(p, at + size + e))
        store(room, brought + size + e, gate * load(p, at + e))


@inlined
def add_range(values, first, last, start):
    """start + values[first] + ... + values[last - 1]"""
    for e in range(first, last):
        start += values[e]
    return start


@inlined
def add_gaps(p, at, whole, senders, first, last, room, u, drive, pull):
    """What gap junctions first..last bring to drive and pull."""
    for e in range(first, last):
        drive += p[at + e] * room[u + whole[senders + e]]
        pull += p[at + e]
    return drive, pull


@kernel
def step(p, whole, room, x, y, sizes, dt, unfolds):
    """Advance the state, the first numbers of room, by one sample x of length dt; write the outputs y."""
    n, inputs, outputs, by_input, by_neuron, gap_input, gap_neuron, currents = sizes
    scale, out_scale = 3 * n, 3 * n + 2 * inputs
    synapses = out_scale + 2 * outputs
    synapses_n = synapses + 4 * by_input
    gaps = synapses_n + 4 * by_neuron
    gaps_n, current = gaps + gap_input, gaps + gap_input + gap_neuron
    bounds_n = n + 1 + by_input
    bounds_gap = bounds_n + n + 1 + by_neuron
    bounds_gap_n = bounds_gap + n + 1 + gap_input
    bounds_current = bounds_gap_n + n + 1 + gap_neuron
    read = bounds_current + n + 1 + currents
    u, drives, pulls, after, brought = n, n + inputs, 2 * n + inputs, 3 * n + inputs, 4 * n + inputs
    h = p.dtype.type(dt) / p.dtype.type(unfolds)
    for i in range(inputs):
        room[u + i] = x[i] * p[scale + i] + p[scale + inputs + i]
    chemical(p, synapses, by_input, whole, n + 1, room, u, room, brought)
    for i in range(n):
        first, last = whole[i] + brought, whole[i + 1] + brought
        drive = add_range(room, first, last, p[2 * n + i])
        pull = add_range(room, first + by_input, last + by_input, p[n + i])
        first, last = whole[bounds_gap + i], whole[bounds_gap + i + 1]
        drive, pull = add_gaps(p, gaps, whole, bounds_gap + n + 1, first, last, room, u, drive, pull)
        for e in range(whole[bounds_current + i], whole[bounds_current + i + 1]):
            drive += p[current + e] * room[u + whole[bounds_current + n + 1 + e]]
        room[drives + i], room[pulls + i] = drive, pull
    for _ in range(unfolds):
        chemical(p, synapses_n, by_neuron, whole, bounds_n + n + 1, room, 0, room, brought)
        for i in range(n):
            first, last = whole[bounds_n + i] + brought, whole[bounds_n + i + 1] + brought
            drive = add_range(room, first, last, room[drives + i])
            pull = add_range(room, first + by_neuron, last + by_neuron, room[pulls + i])
            first, last = whole[bounds_gap_n + i], whole[bounds_gap_n + i + 1]
            drive, pull = add_gaps(p, gaps_n, whole, bounds_gap_n + n + 1, first, last, room, 0, drive, pull)
            room[after + i] = semi_implicit(room[i], p[i], drive, pull, h)
        # Only now, since the gap junctions of all neurons read the states before.
        for i in range(n):
            room[i] = room[after + i]
    for i in range(outputs):
        y[i] = room[whole[read + i]] * p[out_scale + i] + p[out_scale + outputs + i]
