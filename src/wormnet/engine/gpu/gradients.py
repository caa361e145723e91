"""Gradients from the adjoints that the backward pass stores: reductions over samples, parallel over time."""

# Triton's launches take numbers where the kernels' annotations speak of tl.constexpr, and options besides.
# pyright: reportArgumentType=false, reportCallIssue=false

from typing import Any

import torch
from torch import Tensor

from wormnet.engine.gpu import call as calls
from wormnet.engine.gpu.call import Call, History, cdiv, kernel, n_starts, tile_size, warps
from wormnet.engine.gpu.dense import by_layers, inputs_of, outputs_of_layers, weights_of

__all__ = ["gradient_of_p", "gradient_of_x"]


def gradient_of_x(call: Call, sampled: list[Tensor], g_hidden: Tensor) -> Tensor:
    """What each part's receivers, or the first layer of a dense part, send back to the inputs."""
    (batch, time), inputs, lanes = call.shape, call.word("n_inputs"), call.lanes
    g_x, tile = torch.zeros_like(call.x), tile_size(inputs, lanes)
    weights = dict(weights_of(call, call.p))
    for k in range(len(call.program.parts) if inputs * time else 0):
        if k in weights:
            by_first = by_layers(call, k, sampled[k], g_hidden)[0]
            inputs_of(call, k, g_x).add_(by_first @ weights[k][0][0][:, :inputs])
            continue
        out = call.p.new_empty(batch, time, inputs)
        kernel(call.program, "to_inputs", k)[(call.blocks * time, cdiv(inputs * lanes, tile))](
            out, call.x, sampled[k].contiguous(), call.p, call.tables, batch, time, call.x.shape[2],
            LANES=lanes, TILE=tile, num_warps=warps(tile),
        )  # fmt: skip
        g_x[:, :, :inputs] += out
    return g_x


def gradient_of_p(
    call: Call, history: History, adjoints: list[Tensor], sampled: list[Tensor], node_sums: Tensor, g_hidden: Tensor
) -> Tensor:
    """In the order of p; node_sums: those of capacitances and coefficients of the neurons, (coefficients, neurons)."""
    g_p, n, used = torch.zeros_like(call.p), call.n, 0
    dense = dict(weights_of(call, g_p))
    for k, part in enumerate(call.program.parts):
        count = len(part.node_numbers) - n_starts(part)
        at = call.word("nodes", k)
        g_p[at : at + count * n] = node_sums[used : used + count].reshape(-1)
        used += count
        if k in dense:
            given = outputs_of_layers(call, k, history)
            sums = by_layers(call, k, sampled[k], g_hidden)
            for (weight, bias), by, one in zip(dense[k], sums, given, strict=True):
                weight.copy_(by.flatten(0, 1).t() @ one.flatten(0, 1))
                bias.copy_(by.sum((0, 1)))
            continue
        at += count * n
        g_p[at : at + n_starts(part) * n] = sampled[k].sum((0, 1, 4)).reshape(-1)
        for kind in range(len(part.reads)):
            for from_input in (True, False):
                _edge_gradients(call, k, kind, from_input, history, (sampled if from_input else adjoints)[k], g_p)
    return g_p


def _edge_gradients(
    call: Call, number: int, kind: int, from_input: bool, history: History, adjoints: Tensor, g_p: Tensor
) -> None:
    (batch, time), lanes, key = call.shape, call.lanes, (number, kind)
    which = "from_input" if from_input else "from_neuron"
    update: Any = call.program.parts[number].update
    count, n_coefficients = call.word(f"n_{which}", *key), len(update.edges[kind].coefficients)
    items = call.blocks * time * (1 if from_input else call.evaluations(number))
    if not count * items * n_coefficients:
        return
    tile = tile_size(count, lanes)
    chunk = cdiv(items, max(1, calls.PROGRAMS // cdiv(count * lanes, tile)))
    sums = call.p.new_empty(cdiv(items, chunk), n_coefficients, count)
    kernel(call.program, "edge_sums", number, kind)[(len(sums), cdiv(count * lanes, tile))](
        sums, call.x if from_input else history.states, adjoints.contiguous(), call.p, call.tables,
        call.tables if call.starts is None else call.starts, call.p if call.initial is None else call.initial, batch,
        time, call.x.shape[2], items, chunk, LANES=lanes, TILE=tile, WHOLE=batch % lanes == 0, FROM_INPUT=from_input,
        HAS_STARTS=call.starts is not None, HAS_INITIAL=call.initial is not None, num_warps=warps(tile),
    )  # fmt: skip
    at, edges, chosen = call.word("coefficients", *key), call.word("edges", *key), call.word(which, *key)
    block = g_p[at : at + n_coefficients * edges].view(n_coefficients, edges)
    block.index_copy_(1, call.tables[chosen : chosen + count].long(), sums.sum(0))
