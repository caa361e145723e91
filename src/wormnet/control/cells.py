"""Any recurrent cell under one contract: layers of wormnet, torch's LSTM and GRU, and networks without a memory."""

from typing import Any

import torch
from torch import Tensor, nn

from wormnet.errors import ArgumentError, ShapeError
from wormnet.models.spec import check_count
from wormnet.nn import Recurrent

__all__ = ["Memoryless", "rows_of", "run", "width_of"]


class Memoryless(nn.Module):
    """A network that sees the newest sample alone: y = tanh(W x + b).

    Args: inputs: of a sample.   width: of y.

    >>> y, state = Memoryless(3, 5)(torch.zeros(2, 7, 3))
    >>> y.shape, state
    (torch.Size([2, 7, 5]), None)
    """

    def __init__(self, inputs: int, width: int):
        super().__init__()
        for name, n, least in (("inputs", inputs, 0), ("width", width, 1)):
            check_count(name, n, least)
        self.inputs, self.width = int(inputs), int(width)
        self.layer = nn.Linear(inputs, width)

    def forward(self, x: Tensor, state: Any = None) -> tuple[Tensor, None]:
        """(batch, time, inputs) -> (batch, time, width); there is no state."""
        return torch.tanh(self.layer(x)), None


def width_of(core: nn.Module) -> int:
    """How many outputs a cell has: `n_outputs`, `width`, or the units of torch's LSTM, GRU or RNN.

    Raises: ArgumentError for a cell that tells none, or one that does not take the batch first, gives only the last
        output, or goes both ways.

    >>> width_of(nn.LSTM(3, 8, batch_first=True))
    8
    """
    if isinstance(core, nn.RNNBase):
        if not core.batch_first or core.bidirectional:
            raise ArgumentError(f"{core} is given; it takes batch_first=True and one direction.")
        return core.proj_size or core.hidden_size
    if isinstance(core, Recurrent) and not (core.batch_first and core.return_sequences):
        raise ArgumentError(
            f"the layer has batch_first={core.batch_first} and return_sequences={core.return_sequences}; it takes True "
            "of both."
        )
    for name in ("n_outputs", "width"):
        found = getattr(core, name, None)
        if isinstance(found, int):
            return found
    raise ArgumentError(f"{type(core).__name__} does not tell its outputs; it takes an attribute `width`.")


def run(core: nn.Module, x: Tensor, state: Any = None, starts: Tensor | None = None) -> tuple[Tensor, Any]:
    """Run whole sequences that may hold several episodes each, without a loop over samples.

    Args:
        core: (x (batch, time, inputs), state) -> (y (batch, time, width), state).   x: (batch, time, inputs).
        state: before the first sample; None for the cell's own start.
        starts: (batch, time) booleans: where an episode begins, so that its sample is met with the cell's own start.

    A layer of wormnet knows `starts`. For any other cell the episodes are laid beside each other as sequences of their
    own, padded at the end, and run in one call; the states of each row's last episode are returned.

    Raises: ShapeError for starts of another shape.

    >>> gru = nn.GRU(2, 3, batch_first=True)
    >>> x, starts = torch.ones(1, 4, 2), torch.tensor([[False, False, True, False]])
    >>> y, _ = run(gru, x, starts=starts)
    >>> torch.equal(y[:, 2:], y[:, :2])
    True
    """
    if starts is None:
        return core(x, state)
    if starts.shape != x.shape[:2]:
        raise ShapeError(f"starts has shape {tuple(starts.shape)}; it takes (batch, time), here {tuple(x.shape[:2])}.")
    if isinstance(core, Recurrent):
        return core(x, state, starts=starts)
    if x.shape[1] == 1:
        return core(x, _begun(state, starts[:, 0]))
    rows, times, lengths = _episodes(starts)
    first = None if state is None else _begun(rows_of(state, rows), starts[rows, times])
    samples = torch.arange(int(lengths.max()), device=x.device)
    there = samples < lengths[:, None]
    pieces = x[rows[:, None], (times[:, None] + samples).clamp(max=x.shape[1] - 1)]
    y, last = _padded(core, pieces, first, lengths)
    newest = times + lengths == x.shape[1]
    return y[there].reshape(*x.shape[:2], -1), rows_of(last, newest.nonzero()[:, 0])


def _episodes(starts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Row, first sample and length of every piece without a start inside, in order."""
    first = starts.clone()
    first[:, 0] = True
    rows, times = first.nonzero(as_tuple=True)
    begins = rows * starts.shape[1] + times
    return rows, times, torch.diff(begins, append=begins.new_tensor([starts.numel()]))


def _padded(core: nn.Module, x: Tensor, state: Any, lengths: Tensor) -> tuple[Tensor, Any]:
    full = int(lengths.min()) == x.shape[1]
    if full or not isinstance(core, nn.RNNBase):
        # What is not torch's own is either without a state or met by its padding only behind the end.
        y, last = core(x, state)
        if last is not None and not full:
            raise ArgumentError(
                f"{type(core).__name__} has a state and no `starts`; it takes a layer of wormnet, torch's LSTM or GRU, "
                "or a cell without a state."
            )
        return y, last
    packed = nn.utils.rnn.pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
    y, last = core(packed, state)
    return nn.utils.rnn.pad_packed_sequence(y, batch_first=True)[0], last


def rows_of(state: Any, rows: Tensor) -> Any:
    """Those rows of a state; torch's cells keep (layers, batch, units)."""
    if state is None:
        return None
    if isinstance(state, tuple):
        return tuple(rows_of(one, rows) for one in state)
    return state[:, rows] if state.dim() == 3 else state[rows]


def _begun(state: Any, starts: Tensor) -> Any:
    """A state of torch's cells with the zeros that they start from where an episode begins."""
    if state is None:
        return None
    if isinstance(state, tuple):
        return tuple(_begun(one, starts) for one in state)
    return torch.where(starts[:, None], torch.zeros_like(state[..., :1]), state)
