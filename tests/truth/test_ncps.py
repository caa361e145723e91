"""Networks of ncps 1.0.1 compute the same here: outputs and states, live where it is installed, and as recorded."""

import copy
import json

import numpy as np
import pytest
import torch
from truth.record_ncps import DRAWS, FILE, draw

import wormnet
from wormnet import models
from wormnet.errors import ArgumentError
from wormnet.wiring.files import from_json

pytestmark = pytest.mark.filterwarnings("ignore::wormnet.errors.BlindOutputWarning")  # as some networks of ncps are
LIMIT = 1e-5
"""Both compute in float32; at most eight sub-steps for each of six samples."""


def same(got, expected):
    got, expected = (one if isinstance(one, tuple) else (one,) for one in (got, expected))
    for one, other in zip(got, expected, strict=True):
        assert one.numel() == other.numel()
        torch.testing.assert_close(one.reshape(other.shape), other, rtol=LIMIT, atol=LIMIT)


@pytest.mark.parametrize("seed", range(DRAWS))
def test_a_converted_network_computes_the_same(seed):
    pytest.importorskip("ncps")
    _, module, x, state, dt = draw(seed)
    before, given = copy.deepcopy(module.state_dict()), [one.clone() for one in module.parameters()]
    ours = wormnet.from_ncps(module)
    with torch.no_grad():
        y, last = module(x, state, dt)
        got, got_last = ours(x, state, dt)
    same(got, y)
    same(got_last, last)
    # Nothing is shared and nothing there has changed.
    with torch.no_grad():
        for p in ours.parameters():
            p.fill_(7.0)
    assert all(torch.equal(a, b) for a, b in zip(given, module.parameters(), strict=True))
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())


@pytest.mark.parametrize("seed", range(DRAWS))
def test_a_layer_computes_what_was_recorded(seed):
    with np.load(FILE) as file:
        head = json.loads(str(file[f"{seed}/head"]))
        found = {kind: {} for kind in ("value", "child", "given", "result")}
        for key in file.files:
            owner, _, rest = key.partition("/")
            if owner == str(seed) and rest != "head":
                kind, _, name = rest.partition("/")
                found[kind][name] = torch.tensor(file[key])
    rnn = wormnet.Recurrent(
        from_json(head["wiring"]), models.named(head["model"], **head["model_options"]), **head["options"]
    )
    rnn.set_values(**found["value"])
    with torch.no_grad():
        for name, p in rnn.named_parameters():
            if "." in name:
                p.copy_(found["child"][name])
        given, result = found["given"], found["result"]
        state = given.get("state")
        if rnn.mixed_memory and state is not None:
            state = state, given["memory"]
        y, last = rnn(given["x"], state, given.get("dt"))
    same(y, result["y"])
    same(last, (result["state"], result["memory"]) if rnn.mixed_memory else result["state"])


def test_the_draws_hold_every_kind_of_network():
    with np.load(FILE) as file:
        heads = [json.loads(str(file[f"{seed}/head"])) for seed in range(DRAWS)]
        clocks = sum(f"{seed}/given/dt" in file for seed in range(DRAWS))
    assert clocks > DRAWS / 5
    for kind in ("LTC", "CfC"):
        for wiring in ("full", "no self", "random", "auto", "ncp", "units"):
            assert any(f" {kind} " in h["name"] and wiring in h["name"].split("{")[0] for h in heads), (kind, wiring)
    for option in ("mixed_memory", "batch_first", "return_sequences"):
        for value in (True, False):
            assert sum(head["options"][option] is value for head in heads) >= 5
    for mode in ("default", "pure", "no_gate"):
        assert sum(head["model_options"].get("mode") == mode for head in heads) >= 5
    assert sum(head["options"]["proj_size"] is not None for head in heads) >= 5
    assert sum("'implicit_param_constraints': False" in head["name"] for head in heads) >= 5
    assert sum(head["model_options"].get("backbone_layers", 0) > 1 for head in heads) >= 3


def test_anything_else_is_refused():
    for other in (torch.nn.LSTM(2, 3), torch.nn.Linear(2, 3), wormnet.LTC(wormnet.dense(2, 3)), 5, None):
        with pytest.raises(ArgumentError, match=r"from_ncps takes an ncps\.torch\.LTC or CfC, not "):
            wormnet.from_ncps(other)


def test_a_network_whose_constraints_were_not_applied_is_refused():
    ncps = pytest.importorskip("ncps.torch")
    module = ncps.LTC(2, 4, implicit_param_constraints=False)
    with torch.no_grad():
        module.rnn_cell.w[1, 2] = -0.5
    with pytest.raises(ArgumentError, match=r"the module's w holds -0\.5; apply its constraints first"):
        wormnet.from_ncps(module)


def test_conductances_of_zero_are_kept_as_good_as_zero():
    ncps = pytest.importorskip("ncps.torch")
    torch.manual_seed(0)
    module = ncps.LTC(2, 4, implicit_param_constraints=False)
    with torch.no_grad():
        module.rnn_cell.w[:] = 0.0
        module.rnn_cell.gleak[:] = 0.0
    x = torch.randn(2, 3, 2)
    same(wormnet.from_ncps(module)(x), module(x))


def test_dtype_mode_and_subclasses_are_kept():
    ncps = pytest.importorskip("ncps.torch")

    class Mine(ncps.CfC):
        pass

    module = Mine(3, 4).double().eval()
    ours = wormnet.from_ncps(module)
    assert not ours.training
    x = torch.randn(2, 3, 3, dtype=torch.float64)
    state = torch.zeros(2, 4, dtype=torch.float64)
    torch.testing.assert_close(ours(x)[0], module(x, state)[0], rtol=1e-12, atol=1e-12)


def test_a_converted_network_saves_loads_and_trains():
    ncps = pytest.importorskip("ncps.torch")
    from ncps.wirings import AutoNCP

    module = ncps.CfC(3, AutoNCP(8, 2))
    ours = wormnet.from_ncps(module)
    x = torch.randn(2, 3, 3)
    ours(x)[0].sum().backward()
    assert all(p.grad is not None for p in ours.parameters())
    assert ours.wiring.outputs == tuple(f"motor{i}" for i in range(2))


# -- training ----------------------------------------------------------------------------------------------------------

TRAINED = {
    "LTC": lambda n, w: n.LTC(3, w.AutoNCP(9, 2), ode_unfolds=2),
    "LTC, memory": lambda n, w: n.LTC(3, w.Random(6, 2, 0.5), mixed_memory=True, ode_unfolds=2),
    "CfC": lambda n, w: n.CfC(3, 6, backbone_units=8),
    "CfC, memory": lambda n, w: n.CfC(3, 6, backbone_units=8, mixed_memory=True),
    "CfC, wired": lambda n, w: n.CfC(3, w.AutoNCP(12, 2)),
    "CfC, wired, memory": lambda n, w: n.CfC(3, w.NCP(4, 3, 2, 2, 2, 3, 2), mixed_memory=True, mode="pure"),
}


def made(case, **options):
    """(a network of ncps, ours), in float64, ours on the reference engine."""
    torch.manual_seed(0)
    module = TRAINED[case](pytest.importorskip("ncps.torch"), pytest.importorskip("ncps.wirings")).double()
    cell = module.rnn_cell
    if hasattr(cell, "_params"):
        cell._params = {name: getattr(cell, name) for name in cell._params}  # double() does not reach them there
    ours = wormnet.from_ncps(module, **options)
    ours._backend, ours._choice = "reference", None
    return module, ours


def losses(module, n, memory, steps=100, decay=0.0):
    """Of so many steps of Adam."""
    g = torch.Generator().manual_seed(0)
    x = torch.randn(4, 3, 3, generator=g).double()
    y, zeros = x.cumsum(1)[:, :, 0].tanh(), x.new_zeros(4, n)
    state = (zeros, zeros) if memory else zeros  # ncps makes its own in float32
    trained = [p for p in module.parameters() if p.requires_grad]
    optimizer, found = torch.optim.Adam(trained, 0.02, weight_decay=decay), []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = (module(x, state)[0].mean(-1) - y).square().mean()
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    return np.array(found)


@pytest.mark.parametrize("case", TRAINED)
def test_a_converted_network_learns_the_same(case):
    """A wired CfC was freed of its mask, and a mixed memory had a second bias: both then learned something else."""
    module, ours = made(case)
    n, memory = ours.wiring.n_neurons, ours.mixed_memory
    expected = losses(module, n, memory)
    assert expected[-1] < 0.9 * expected[0]
    np.testing.assert_allclose(losses(ours, n, memory), expected, rtol=1e-7)


@pytest.mark.parametrize("case", ["CfC, memory", "CfC, wired"])
def test_what_ncps_holds_may_be_trained(case):
    module, ours = made(case, hold=False)
    assert all(p.requires_grad for p in ours.parameters())
    n, memory = ours.wiring.n_neurons, ours.mixed_memory
    first, second = losses(module, n, memory, 20), losses(ours, n, memory, 20)
    assert first[0] == pytest.approx(second[0], rel=1e-12)
    assert abs(first[-1] / second[-1] - 1) > 1e-3


def test_weights_that_are_held_stay_absent_through_decay_edits_and_files(tmp_path):
    _, ours = made("CfC, wired")
    assert ours.model.options["fixed_zeros"]
    absent = ours.values()["g_weight"] == 0
    assert 0 < absent.sum() < absent.numel()
    losses(ours, 12, False, 5, decay=0.1)
    wormnet.save(ours, tmp_path / "held.safetensors")
    again = wormnet.load(tmp_path / "held.safetensors", backend="reference")
    losses(again, 12, False, 5, decay=0.1)
    for layer in (ours, again, again.on(again.wiring)):
        for name in ("g_weight", "h_weight"):
            assert torch.equal(layer.values()[name] == 0, absent)
        assert (layer.values()["a_weight"] != 0).all()


@pytest.mark.parametrize("implicit", [True, False])
def test_a_large_epsilon_is_converted_too(implicit):
    ncps = pytest.importorskip("ncps.torch")
    torch.manual_seed(0)
    module = ncps.LTC(2, 4, epsilon=0.3, implicit_param_constraints=implicit)
    x = torch.randn(2, 3, 2)
    same(wormnet.from_ncps(module)(x), module(x))
