import pytest
import torch
from torch import nn

import wormnet
from wormnet.control.cells import Memoryless, run, width_of
from wormnet.errors import ArgumentError, ShapeError

CELLS = {
    "lstm": lambda: nn.LSTM(2, 3, batch_first=True),
    "gru": lambda: nn.GRU(2, 3, num_layers=2, batch_first=True),
    "ltc": lambda: wormnet.LTC(wormnet.dense(2, 3), backend="reference"),
    "memoryless": lambda: Memoryless(2, 3),
}


@pytest.mark.parametrize("cell", CELLS)
def test_episodes_in_a_row_are_computed_and_learned_from_as_if_each_were_alone(cell):
    torch.manual_seed(0)
    core = CELLS[cell]().double()
    x = torch.randn(3, 6, 2, dtype=torch.float64)
    with torch.no_grad():
        _, state = core(torch.randn(3, 4, 2, dtype=torch.float64))
    starts = torch.zeros(3, 6, dtype=torch.bool)
    starts[0, 2], starts[1, 0], starts[2, 1], starts[2, 5] = True, True, True, True

    def alone(row, first, end, state):
        mine = None if state is None else one_row(state, row)
        return core(x[row : row + 1, first:end], mine)

    def one_row(state, row):
        if isinstance(state, tuple):
            return tuple(one_row(part, row) for part in state)
        return state[:, row : row + 1].contiguous() if state.dim() == 3 else state[row : row + 1]

    pieces = [(0, 0, 2, state), (0, 2, 6, None), (1, 0, 6, None), (2, 0, 1, state), (2, 1, 5, None), (2, 5, 6, None)]
    found, last = run(core, x, state, starts)
    wanted = torch.cat([alone(*piece)[0][0] for piece in pieces]).reshape(3, 6, -1)
    torch.testing.assert_close(found, wanted)
    weight = torch.randn_like(wanted)
    gradients = [torch.autograd.grad((weight * y).sum(), list(core.parameters())) for y in (found, wanted)]
    for one, other in zip(*gradients):
        torch.testing.assert_close(one, other)
    if state is not None:
        for row, piece in ((0, pieces[1]), (1, pieces[2]), (2, pieces[5])):
            torch.testing.assert_close(one_row(last, row), alone(*piece)[1])


def test_a_cell_that_cannot_be_told_where_episodes_begin_is_refused():
    class Sums(nn.Module):
        width = 2

        def forward(self, x, state=None):
            y = x.cumsum(1) + (0 if state is None else state)
            return y, y[:, -1]

    starts = torch.tensor([[False, True, False]])
    with pytest.raises(ArgumentError, match="Sums has a state and no `starts`"):
        run(Sums(), torch.ones(1, 3, 2), None, starts)


def test_starts_of_another_shape_are_refused():
    with pytest.raises(ShapeError, match=r"takes \(batch, time\), here \(2, 5\)"):
        run(nn.GRU(3, 4, batch_first=True), torch.zeros(2, 5, 3), starts=torch.zeros(5, 2, dtype=torch.bool))


@pytest.mark.parametrize(
    ("core", "says"),
    [(nn.LSTM(2, 3), "batch_first=True"), (nn.LSTM(2, 3, batch_first=True, bidirectional=True), "one direction")],
)
def test_cells_of_another_layout_are_refused(core, says):
    with pytest.raises(ArgumentError, match=says):
        width_of(core)


def test_a_module_without_a_width_is_refused():
    with pytest.raises(ArgumentError, match="attribute `width`"):
        width_of(nn.Tanh())
