"""Mixed memory: an LSTM cell in front of the neurons, as one more update of a sample."""

import torch
from torch import Tensor

from wormnet.models.elementary import sigmoid, tanh
from wormnet.models.equation import DenseUpdate, State
from wormnet.models.formulas import d_sigmoid, d_tanh

__all__ = ["MEMORY", "memory_coefficients", "memory_update"]

MEMORY = State("memory", "1", "of the LSTM cell in front")


def cell(v, c, i, f, g, o, dt):
    """The LSTM cell: v and c from the gates' arguments i, f, o and the input's g."""
    write, forget, value, read = sigmoid(i), sigmoid(f), tanh(g), sigmoid(o)
    new = forget * c + write * value
    shown = tanh(new)
    return read * shown, new, write, forget, value, read, shown


def d_cell(v, c, write, forget, value, read, shown, dt, by_v, by_c):
    """Adjoints of v, c and the gates' arguments."""
    total = by_c + by_v * read * d_tanh(shown)
    by_i, by_f = total * value * d_sigmoid(write), total * c * d_sigmoid(forget)
    return 0.0, total * forget, by_i, by_f, total * write * d_tanh(value), by_v * shown * d_sigmoid(read), 0.0


def memory_update(state: str) -> DenseUpdate:
    """(h, c) <- LSTM(x, (v, c)), and h is the model's first state, `state`, from which it goes on."""
    return DenseUpdate(
        sums=("i", "f", "g", "o"),
        weight="lstm_weight",
        bias="lstm_bias",
        node=cell,
        d_node=d_cell,
        keeps=5,
        reads=state,
        states=(state, MEMORY.name),
        mapped=False,
    )


def memory_coefficients(weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor, bias_hh: Tensor) -> dict[str, Tensor]:
    """The parameters of torch.nn.LSTMCell as coefficients of the update."""
    return {"lstm_weight": torch.cat([weight_ih, weight_hh], 1), "lstm_bias": bias_ih + bias_hh}
