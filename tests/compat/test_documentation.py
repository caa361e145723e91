"""Every way of use in the README, documentation, examples and tests of ncps 1.0.1, with one changed import."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils import data

import wormnet.compat.ncps as ncps
from wormnet.compat.ncps.torch import LTC, CfC, CfCCell, LTCCell, WiredCfCCell
from wormnet.compat.ncps.wirings import NCP, AutoNCP, FullyConnected, Random

pytestmark = pytest.mark.filterwarnings("ignore::wormnet.compat.ncps.DifferenceWarning")  # told elsewhere


def ncp(**changes):
    """The NCP of their examples, by keyword."""
    return NCP(
        **{
            "inter_neurons": 20,
            "command_neurons": 10,
            "motor_neurons": 1,
            "sensory_fanout": 4,
            "inter_fanout": 5,
            "recurrent_command_synapses": 6,
            "motor_fanin": 4,
            **changes,
        }
    )


# -- README, quickstart, docstrings ------------------------------------------------------------------------------------


def test_the_readme_and_the_quickstart():
    rnn = CfC(input_size=20, units=50)
    x = torch.randn(2, 3, 20)
    h0 = torch.zeros(2, 50)
    output, hn = rnn(x, h0)
    assert (output.shape, hn.shape) == ((2, 3, 50), (2, 50))
    wiring = AutoNCP(28, 4)
    for rnn in (CfC(20, wiring), LTC(20, wiring)):  # on one wiring, as their README does
        output, hn = rnn(x, torch.zeros(2, 28))
        assert (output.shape, hn.shape) == ((2, 3, 4), (2, 28))
    rnn = LTC(20, NCP(10, 10, 8, 6, 6, 4, 6))
    assert rnn(x, torch.zeros(2, 28))[0].shape == (2, 3, 8)
    assert LTC(20, 50)(x)[0].shape == (2, 3, 50)


def test_the_package_is_one_import():
    assert ncps.torch.CfC is ncps.CfC is CfC
    assert ncps.wirings.AutoNCP is ncps.AutoNCP is AutoNCP
    theirs = pytest.importorskip("ncps.torch")
    assert set(theirs.__all__) <= set(ncps.torch.__all__)
    from ncps import wirings

    assert {"Wiring", "FullyConnected", "NCP", "AutoNCP", "Random"} <= set(dir(ncps.wirings)) & set(dir(wirings))


@pytest.mark.parametrize("name", ["CfC", "LTC", "CfCCell", "LTCCell", "WiredCfCCell"])
def test_modules_take_the_arguments_of_ncps_in_its_order(name):
    import inspect

    theirs = getattr(pytest.importorskip("ncps.torch"), name)
    for function in ("__init__", "forward"):
        expected, found = (
            [(one.name, one.default) for one in inspect.signature(getattr(home, function)).parameters.values()]
            for home in (theirs, getattr(ncps.torch, name))
        )
        if name == "WiredCfCCell" and function == "forward":
            expected[-1] = ("timespans", 1.0)
        assert found[: len(expected)] == expected
    methods = {one for one in vars(theirs) if not one.startswith("_") and one not in ("init_weights", "add_weight")}
    assert methods <= set(dir(getattr(ncps.torch, name)))


@pytest.mark.parametrize("name", ["Wiring", "FullyConnected", "Random", "NCP", "AutoNCP"])
def test_wirings_take_the_arguments_and_have_the_methods_of_ncps(name):
    import inspect

    theirs, ours = getattr(pytest.importorskip("ncps.wirings"), name), getattr(ncps.wirings, name)
    expected, found = (list(inspect.signature(one).parameters.values()) for one in (theirs, ours))
    assert [(one.name, one.default) for one in found] == [(one.name, one.default) for one in expected]
    assert {one for one in dir(theirs) if not one.startswith("_")} <= set(dir(ours))


# -- their tests of torch, and what their tests of Keras ask of wirings -----------------------------------------------


def test_a_cell_on_a_fully_connected_wiring():
    wiring = ncps.wirings.FullyConnected(8, 4)
    cell = LTCCell(wiring, 8)
    output, hx = cell(torch.randn(3, 8), torch.zeros(3, wiring.units))
    assert (output.size(), hx.size()) == ((3, 4), (3, wiring.units))


@pytest.mark.parametrize(
    ("make", "shape", "output", "state"),
    [
        (lambda: CfC(8, 32), (5, 3, 8), (5, 3, 32), (5, 32)),
        (lambda: CfC(8, 32, batch_first=False), (5, 3, 8), (5, 3, 32), (3, 32)),
        (lambda: CfC(8, 32, proj_size=10), (5, 3, 8), (5, 3, 10), (5, 32)),
        (lambda: CfC(8, 32, batch_first=True), (3, 8), (3, 32), (32,)),
        (lambda: CfC(8, 32, batch_first=False), (3, 8), (3, 32), (32,)),
        (lambda: LTC(8, 32, batch_first=True), (5, 3, 8), (5, 3, 32), (5, 32)),
        (lambda: LTC(8, 32, batch_first=False), (5, 3, 8), (5, 3, 32), (3, 32)),
        (lambda: LTC(8, NCP(10, 10, 8, 6, 6, 4, 6), batch_first=True), (5, 3, 8), (5, 3, 8), (5, 28)),
        (lambda: LTC(8, NCP(10, 10, 8, 6, 6, 4, 6), batch_first=False), (5, 3, 8), (5, 3, 8), (3, 28)),
        (lambda: LTC(8, AutoNCP(16, 4), batch_first=True), (5, 3, 8), (5, 3, 4), (5, 16)),
        (lambda: CfC(8, NCP(10, 10, 8, 6, 6, 4, 6), batch_first=True), (5, 3, 8), (5, 3, 8), (5, 28)),
        (lambda: CfC(8, NCP(10, 10, 8, 6, 6, 4, 6), batch_first=False), (5, 3, 8), (5, 3, 8), (3, 28)),
        (lambda: CfC(8, AutoNCP(28, 10), batch_first=True), (5, 3, 8), (5, 3, 10), (5, 28)),
        (lambda: CfC(8, AutoNCP(28, 10), return_sequences=False), (5, 3, 8), (5, 10), (5, 28)),
    ],
)
def test_shapes(make, shape, output, state):
    y, hx = make()(torch.randn(shape))
    assert (tuple(y.shape), tuple(hx.shape)) == (output, state)


def test_a_layer_builds_the_wiring_that_it_is_given():
    wiring = NCP(10, 10, 8, 6, 6, 4, 6)
    assert not wiring.is_built()
    rnn = LTC(8, wiring, batch_first=True)
    assert wiring.synapse_count > 0
    assert wiring.sensory_synapse_count > 0
    assert (rnn.state_size, rnn.sensory_size, rnn.motor_size, rnn.output_size) == (28, 8, 8, 8)
    assert rnn.synapse_count == wiring.synapse_count


# -- first steps: Lightning, a drawing, a prediction ------------------------------------------------------------------


def sine():
    """A sine and a cosine wave, and a sine of twice the frequency."""
    n = 48
    x = np.stack([np.sin(np.linspace(0, 3 * np.pi, n)), np.cos(np.linspace(0, 3 * np.pi, n))], axis=1)
    y = np.sin(np.linspace(0, 6 * np.pi, n)).reshape([1, n, 1])
    return torch.Tensor(x[None].astype(np.float32)), torch.Tensor(y.astype(np.float32))


def learner():
    pl = pytest.importorskip("pytorch_lightning")

    class SequenceLearner(pl.LightningModule):
        def __init__(self, model, lr=0.005):
            super().__init__()
            self.model, self.lr, self.losses = model, lr, []

        def training_step(self, batch, batch_idx):
            x, y = batch
            y_hat = self.model.forward(x)
            y_hat = y_hat[0] if isinstance(y_hat, tuple) else y_hat
            loss = nn.MSELoss()(y_hat.view_as(y), y)
            self.losses.append(loss.item())
            return {"loss": loss}

        def configure_optimizers(self):
            return torch.optim.Adam(self.model.parameters(), lr=self.lr)

    return pl, SequenceLearner


def fit(model, epochs):
    pl, module = learner()
    learn = module(model, lr=0.01)
    trainer = pl.Trainer(
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        accelerator="cpu",
        max_epochs=epochs,
        gradient_clip_val=1,
    )
    trainer.fit(learn, data.DataLoader(data.TensorDataset(*sine()), batch_size=1, shuffle=True))
    return learn.losses


@pytest.mark.filterwarnings("ignore:.*(does not have many workers|LeafSpec|smaller than the logging interval)")
def test_first_steps_with_lightning():
    torch.manual_seed(0)
    model = LTC(2, AutoNCP(16, 1), batch_first=True)
    losses = fit(model, 30)
    assert losses[-1] < 0.7 * losses[0]
    with torch.no_grad():
        prediction = model(sine()[0])[0].numpy()
    assert prediction.shape == (1, 48, 1)


def test_the_drawing_of_the_first_steps():
    import matplotlib.pyplot as plt

    wiring = AutoNCP(16, 1)
    LTC(2, wiring)
    plt.figure(figsize=(6, 4))
    legend_handles = wiring.draw_graph(draw_labels=True, neuron_colors={"command": "tab:cyan"})
    plt.legend(handles=legend_handles, loc="upper center", bbox_to_anchor=(1, 1))
    plt.tight_layout()
    plt.close()
    assert len(legend_handles) == 4


# -- their example scripts ---------------------------------------------------------------------------------------------


class RNNSequence(nn.Module):
    """Their module that unfolds a cell into a sequence."""

    def __init__(self, rnn_cell):
        super().__init__()
        self.rnn_cell = rnn_cell

    def forward(self, x):
        state = torch.zeros((x.size(0), self.rnn_cell.state_size), device=x.device)
        outputs = []
        for t in range(x.size(1)):
            new_output, state = self.rnn_cell.forward(x[:, t], state)
            outputs.append(new_output)
        return torch.stack(outputs, dim=1)


@pytest.mark.parametrize("implicit", [True, False])
def test_a_cell_unfolded_by_hand_is_the_layer(implicit):
    wiring = FullyConnected(8, 1)
    cell = LTCCell(wiring, 2, implicit_param_constraints=implicit)
    sequence = RNNSequence(cell)
    x, y = sine()
    optimizer, losses = torch.optim.Adam(sequence.parameters(), 0.02), []
    for _ in range(15):
        optimizer.zero_grad()
        loss = nn.MSELoss()(sequence(x), y)
        loss.backward()
        optimizer.step()
        sequence.rnn_cell.apply_weight_constraints()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]
    assert implicit or bool((cell.w >= 0).all())
    layer = LTC(2, wiring, implicit_param_constraints=implicit)
    layer.rnn_cell.load_state_dict(cell.state_dict())
    torch.testing.assert_close(layer(x)[0], sequence(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize(
    "units",
    [lambda: 32, lambda: FullyConnected(8, 1), lambda: ncp(), lambda: Random(32, 1, sparsity_level=0.5)],
    ids=["dense", "full", "ncp", "random"],
)
def test_every_cfc_of_their_sine_example_learns(units, mixed):
    torch.manual_seed(0)
    units = units()
    model = CfC(2, units, mixed_memory=mixed, proj_size=1 if isinstance(units, int) else None)
    x, y = sine()
    optimizer, losses = torch.optim.Adam(model.parameters(), 0.01), []
    for _ in range(10):
        optimizer.zero_grad()
        out, _ = model(x)
        loss = nn.MSELoss()(out.view_as(y), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


class ConvCfC(nn.Module):
    """Their network that learns to play a game by imitation, smaller."""

    def __init__(self, n_actions):
        super().__init__()
        self.conv = nn.Conv2d(4, 16, 5, padding=2, stride=2)
        self.rnn = CfC(16, 12, batch_first=True, proj_size=n_actions)

    def forward(self, x, hx=None):
        batch, time = x.size(0), x.size(1)
        x = torch.relu(self.conv(x.view(batch * time, *x.shape[2:]))).mean((-1, -2))
        x, hx = self.rnn(x.view(batch, time, *x.shape[1:]), hx)
        return x, hx


def test_imitation_and_the_closed_loop_of_their_atari_guide():
    torch.manual_seed(0)
    model = ConvCfC(4)
    frames, actions = torch.rand(2, 5, 4, 12, 12), torch.randint(0, 4, (2, 5))
    outputs, _ = model(frames)
    nn.CrossEntropyLoss()(outputs.reshape(-1, *outputs.shape[2:]), actions.view(-1)).backward()
    assert all(p.grad is not None for p in model.parameters())
    hx, chosen = None, []
    with torch.no_grad():
        for t in range(5):
            pred, hx = model(frames[:1, t : t + 1], hx)
            chosen.append(pred.squeeze(0).squeeze(0))
    torch.testing.assert_close(torch.stack(chosen), outputs[0].detach())


def test_layers_are_stacked_each_on_a_wiring_of_its_own():
    first, second = LTC(8, AutoNCP(19, 6)), CfC(6, AutoNCP(12, 2))
    assert second(first(torch.randn(2, 3, 8))[0])[0].shape == (2, 3, 2)
    wiring = AutoNCP(19, 6)
    LTC(8, wiring)
    with pytest.raises(ValueError, match=r"built for 8 inputs and is asked for 6. Layers with different inputs take a"):
        CfC(6, wiring)


def test_states_are_carried_on_and_mixed_memory_has_two():
    x = torch.randn(2, 6, 3)
    for rnn in (LTC(3, AutoNCP(9, 2), mixed_memory=True), CfC(3, 8, mixed_memory=True)):
        whole, (h, c) = rnn(x)
        assert h.shape == c.shape == (2, rnn.state_size)
        first, hx = rnn(x[:, :2])
        second, hx = rnn(x[:, 2:], hx)
        torch.testing.assert_close(torch.cat([first, second], 1), whole)
        torch.testing.assert_close(hx, (h, c))
        rnn(x[:, 2:], [h, c])
        with pytest.raises(ValueError, match=r"hx is one Tensor; this layer takes a tuple of 2 \(h, c\)"):
            rnn(x, h)


@pytest.mark.parametrize("shape", [(2, 5), (2, 5, 1), (1, 5), (2, 1), ()])
@pytest.mark.parametrize("batch_first", [True, False])
def test_timespans_have_the_axes_of_the_input(shape, batch_first):
    torch.manual_seed(0)
    timespans = torch.rand(shape) + 0.1
    x = torch.randn(2, 5, 3)
    for make in (
        lambda **o: LTC(3, AutoNCP(9, 2), **o),
        lambda **o: CfC(3, AutoNCP(9, 2), **o),
        lambda **o: CfC(3, 8, **o),
    ):
        rnn = make(batch_first=batch_first)
        turned = timespans if batch_first or timespans.dim() < 2 else timespans.transpose(0, 1)
        y, hx = rnn(x if batch_first else x.transpose(0, 1), timespans=turned)
        y = y if batch_first else y.transpose(0, 1)
        each = timespans.reshape(timespans.shape[:2]).expand(2, 5)
        for i in range(2):
            one, last = rnn(x[i], timespans=each[i] if i else each[i, :, None])
            torch.testing.assert_close(one, y[i])
            torch.testing.assert_close(last, hx[i])


def test_cells_may_be_told_apart_by_their_sizes():
    cell = WiredCfCCell(3, AutoNCP(16, 4))
    assert (cell.state_size, cell.layer_sizes, cell.num_layers) == (16, [8, 4, 4], 3)
    assert (cell.sensory_size, cell.motor_size, cell.output_size) == (3, 4, 4)
    assert CfCCell(3, 5)(torch.zeros(1, 3), torch.zeros(1, 5), 1.0)[0].shape == (1, 5)


def test_a_built_wiring_tells_its_inputs():
    wiring = AutoNCP(16, 4)
    wiring.build(5)
    x = torch.randn(2, 3, 5)
    assert LTC(None, wiring)(x)[0].shape == CfC(None, wiring)(x)[0].shape == (2, 3, 4)
    assert LTCCell(wiring)(x[:, 0], torch.zeros(2, 16))[0].shape == (2, 4)
