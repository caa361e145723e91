"""The matrix products of dense parts that need not wait for each other: over whole sequences, by torch."""

from typing import Any

import torch
from torch import Tensor

from wormnet.engine.gpu.call import Call, History, by_sequence, unblocked

__all__ = ["by_layers", "drive", "inputs_of", "outputs_of_layers", "weights_of"]


def drive(call: Call) -> Tensor:
    """What inputs and the bias bring to the first layer of each dense part: (batch, time, units) one after another."""
    found = [
        torch.nn.functional.linear(inputs_of(call, k), weights[0][0][:, : call.word("n_inputs")], weights[0][1])
        for k, weights in weights_of(call, call.p)
    ]
    return torch.cat([one.reshape(-1) for one in found]) if found else call.p


def weights_of(call: Call, p: Tensor) -> list[tuple[int, list[tuple[Tensor, Tensor]]]]:
    """For each dense part, views of every layer's weight and bias in p."""
    found = []
    for k, part in enumerate(call.program.parts):
        if not part.dense:
            continue
        update: Any = part.update
        columns, layers = call.word("n_inputs") + call.n, []
        for layer in range(len(update.hidden) + 1):
            rows = update.units if layer < len(update.hidden) else len(update.sums) * call.n
            bias = call.word("bias", k, layer)
            weight = p[bias - rows * columns : bias].view(rows, columns)
            layers.append((weight, p[bias : bias + rows]))
            columns = rows
        found.append((k, layers))
    return found


def inputs_of(call: Call, number: int, x: Tensor | None = None) -> Tensor:
    """The inputs that a dense part takes: mapped, or as they are."""
    x, inputs, update = call.x if x is None else x, call.word("n_inputs"), call.program.parts[number].update
    return x[:, :, :inputs] if getattr(update, "mapped", True) else x[:, :, x.shape[2] - inputs :]


def hidden_of(call: Call, number: int, hidden: Tensor) -> Tensor:
    """(batch, time, hidden layers, units) of a part."""
    sizes = []
    for part in call.program.parts:
        update: Any = part.update
        sizes.append(call.x.shape[0] * call.x.shape[1] * len(update.hidden) * update.units if part.dense else 0)
    update = call.program.parts[number].update
    return hidden.split(sizes)[number].view(*call.shape, len(update.hidden), update.units)


def by_layers(call: Call, number: int, sampled: Tensor, g_hidden: Tensor) -> list[Tensor]:
    """(batch, time, rows) adjoints of what each layer's weights are added up to, the sums last."""
    sums = unblocked(sampled.flatten(2, 3), call.x.shape[0])
    return [*hidden_of(call, number, g_hidden).unbind(2), sums]


def outputs_of_layers(call: Call, number: int, history: History) -> list[Tensor]:
    """(batch, time, columns) what each layer's weights are multiplied with."""
    time, part, program = call.shape[1], call.program.parts[number], call.program
    update: Any = part.update
    slots, slot = call.word("slots"), sum(call.evaluations(k) for k in range(number))
    n_slots = time * slots + 1 + (call.starts is not None)
    states = by_sequence(call, history.states, (n_slots, len(program.states), call.n))
    before = states[:, : time * slots].unflatten(1, (time, slots))[:, :, slot, part.reads[0]]
    if call.starts is not None and slot == 0:
        initial = 0.0 if call.initial is None else call.initial[part.reads[0], :, None]
        before = torch.where(call.starts[:, :, None] > 0, initial, before)
    found = [torch.cat([inputs_of(call, number), before], 2)]
    past = sum(len(getattr(one.update, "hidden", ())) for one in program.parts[:number] if _drops(one))
    for layer, sums in enumerate(hidden_of(call, number, history.hidden).unbind(2)):
        value = update.activation(sums)[0] if update.activation else sums
        dropped = call.drop is not None and _drops(part)
        found.append(value * call.drop[past + layer] if dropped else value)  # pyright: ignore[reportOptionalSubscript]
    return found


def _drops(part: Any) -> bool:
    return bool(getattr(part.update, "dropout", 0.0))
