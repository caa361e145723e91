"""From the same seed, modules hold, compute and learn what those of ncps 1.0.1 do, to the last digits."""

import numpy as np
import pytest
import torch

import wormnet
from wormnet.compat.ncps import network
from wormnet.compat.ncps import torch as ours
from wormnet.compat.ncps import wirings as our_wirings

theirs = pytest.importorskip("ncps.torch")
their_wirings = pytest.importorskip("ncps.wirings")

pytestmark = pytest.mark.filterwarnings("ignore::wormnet.compat.ncps.DifferenceWarning")  # told elsewhere

LIMIT = 1e-10
"""Both compute in float64; at most six sub-steps for each of four samples."""
DRAWS = 60

WIRINGS = {
    "auto": lambda w, seed: w.AutoNCP(10, 3, seed=seed),
    "random": lambda w, seed: w.Random(8, 8, sparsity_level=0.5, random_seed=seed),
    "full": lambda w, seed: w.FullyConnected(7, 7, erev_init_seed=seed, self_connections=False),
    "read": lambda w, seed: w.FullyConnected(7, 2, erev_init_seed=seed),
    "ncp": lambda w, seed: w.NCP(4, 3, 2, 2, 2, 3, 2, seed=seed),
    "units": lambda w, seed: 6,
}


def pair(seed, kind, wiring, n_inputs, **options):
    """The same network of both, in float64."""
    made = []
    for home, wirings in ((theirs, their_wirings), (ours, our_wirings)):
        torch.manual_seed(seed)
        more = {"synapses": "layers"} if home is ours and kind == "CfC" and wiring != "units" else {}
        made.append(getattr(home, kind)(n_inputs, WIRINGS[wiring](wirings, seed), **options, **more))
    first, second = (module.state_dict() for module in made)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    peer, own = made[0].double(), made[1].double()
    if kind == "LTC":
        # Their cell computes with this dict, which double() does not reach.
        peer.rnn_cell._params = {name: getattr(peer.rnn_cell, name) for name in peer.rnn_cell._params}
    return peer, own


def draw(seed):
    """(kind, wiring, inputs, options, one sequence, dt) of everything that ncps computes without failing."""
    r = np.random.default_rng(seed)
    kind = ("LTC", "CfC")[seed % 2]
    wiring = str(r.choice([one for one in WIRINGS if kind == "LTC" or one != "read"]))  # B20
    single = bool(r.random() < 0.3)
    batch_first, sequences = bool(r.integers(2)), bool(r.integers(2))
    options = {
        "batch_first": batch_first or (single and not sequences),  # B22
        "return_sequences": sequences,
        "mixed_memory": bool(r.random() < 0.3),
    }
    maps = [None, "affine", "linear"]
    if kind == "LTC":
        options |= {
            "input_mapping": maps[r.integers(3)],
            "output_mapping": maps[r.integers(3)],
            "ode_unfolds": int(r.integers(1, 7)),
            "epsilon": float(r.choice([0.0, 1e-8, 0.1])),
            "implicit_param_constraints": bool(r.integers(2)),
        }
    else:
        options |= {"mode": str(r.choice(["default", "pure", "no_gate"])), "proj_size": [None, 4][r.integers(2)]}
        if wiring == "units":
            options |= {
                "activation": str(r.choice(["lecun_tanh", "tanh", "relu", "silu", "gelu"])),
                "backbone_layers": int(r.integers(0, 3)),
                "backbone_units": 6,
            }
    return kind, wiring, int(r.integers(1, 5)), options, single, bool(r.integers(2))


def arguments(seed, module, n_inputs, options, single, dt):
    """x, hx, timespans in the shapes of both."""
    g = torch.Generator().manual_seed(seed)
    batch, time = 1 if single or dt else 3, 4
    x = torch.randn(batch, time, n_inputs, generator=g).double()
    hx = tuple(torch.randn(2, batch, module.state_size, generator=g).double())
    timespans = torch.rand(batch, time, generator=g).double() + 0.1 if dt else None
    if single:
        x, hx, timespans = x[0], tuple(one[0] for one in hx), timespans[0] if dt else None
    elif not options["batch_first"]:
        x, timespans = x.transpose(0, 1), timespans.T if dt else None
    return x, hx if options["mixed_memory"] else hx[0], timespans


def same(one, other, limit=LIMIT):
    for a, b in zip(*(both if isinstance(both, tuple) else (both,) for both in (one, other)), strict=True):
        torch.testing.assert_close(a, b, rtol=limit, atol=limit)


@pytest.mark.parametrize("seed", range(DRAWS))
def test_outputs_states_and_gradients_are_those_of_ncps(seed):
    kind, wiring, n_inputs, options, single, dt = draw(seed)
    peer, own = pair(seed, kind, wiring, n_inputs, **options)
    given = arguments(seed, peer, n_inputs, options, single, dt)
    results = []
    for module in (peer, own):
        y, hx = module(*given)
        (y.square().sum() + sum(one.sin().sum() for one in (hx if isinstance(hx, tuple) else (hx,)))).backward()
        results.append((y.detach(), hx, {name: p.grad for name, p in module.named_parameters()}))
    same(results[1][0], results[0][0])
    same(results[1][1], results[0][1])
    for name, grad in results[1][2].items():
        expected = results[0][2][name]
        same(grad, torch.zeros_like(grad) if expected is None else expected)


def test_the_draws_hold_every_kind_of_network():
    drawn = [draw(seed) for seed in range(DRAWS)]
    for wiring in WIRINGS:
        assert sum(one[1] == wiring for one in drawn) >= 3
    for name in ("batch_first", "return_sequences", "mixed_memory", "implicit_param_constraints"):
        for value in (True, False):
            assert sum(one[3].get(name) is value for one in drawn) >= 3, (name, value)
    for mode in ("default", "pure", "no_gate"):
        assert sum(one[3].get("mode") == mode for one in drawn) >= 3
    assert sum(one[4] for one in drawn) >= 5
    assert sum(one[5] for one in drawn) >= 5


TRAINED = {
    "LTC": ("LTC", "auto", {"ode_unfolds": 3}),
    "LTC, explicit": ("LTC", "random", {"implicit_param_constraints": False, "ode_unfolds": 2}),
    "LTC, memory": ("LTC", "ncp", {"mixed_memory": True, "ode_unfolds": 1}),
    "CfC": ("CfC", "units", {"backbone_units": 8}),
    "CfC, wired": ("CfC", "auto", {"proj_size": 2}),
    "CfC, wired, memory": ("CfC", "random", {"mixed_memory": True, "mode": "no_gate"}),
}


def train(module, x, y, steps=100):
    """The losses of so many steps of Adam."""
    optimizer, losses = torch.optim.Adam([p for p in module.parameters() if p.requires_grad], 0.01), []
    # Their own zeros are float32.
    n = module.state_size if hasattr(module, "state_size") else module.wiring.n_neurons
    zeros = x.new_zeros(len(x), n)
    hx = (zeros, zeros) if hasattr(module, "lstm") and module.lstm is not None else zeros
    for _ in range(steps):
        optimizer.zero_grad()
        loss = (module(x, hx)[0].mean(-1) - y).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if hasattr(getattr(module, "rnn_cell", None), "apply_weight_constraints"):
            module.rnn_cell.apply_weight_constraints()
    return np.array(losses)


def task(n_inputs=3):
    g = torch.Generator().manual_seed(0)
    x = torch.randn(4, 3, n_inputs, generator=g).double()
    return x, x.cumsum(1)[:, :, 0].tanh()


@pytest.mark.parametrize("case", TRAINED)
def test_a_hundred_steps_of_adam_are_those_of_ncps(case):
    kind, wiring, options = TRAINED[case]
    losses = [train(module, *task()) for module in pair(0, kind, wiring, 3, **options)]
    assert losses[0][-1] < 0.9 * losses[0][0], "something was learned"
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-9)


CELLS = {
    "LTCCell": lambda home, wirings: home.LTCCell(wirings.AutoNCP(9, 2), 3),
    "LTCCell, read": lambda home, wirings: home.LTCCell(wirings.FullyConnected(6, 2), 3, "linear", None, 4, 1e-3, True),
    "CfCCell": lambda home, wirings: home.CfCCell(3, 5, backbone_units=7),
    "CfCCell, masked": lambda home, wirings: home.CfCCell(
        3, 5, "pure", backbone_layers=0, sparsity_mask=np.tri(8, 5) * 2.0
    ),
    "CfCCell, gated": lambda home, wirings: home.CfCCell(
        *(3, 5, "default"),
        backbone_layers=0,
        sparsity_mask=-np.tri(8, 5),
        **({} if home is theirs else {"masks_gate": False}),
    ),
    "CfCCell, backbone": lambda home, wirings: home.CfCCell(
        *(3, 5, "no_gate", "silu", 4, 2, 0.0),
        sparsity_mask=np.tri(4, 5),
        **({} if home is theirs else {"masks_gate": False}),
    ),
    "WiredCfCCell": lambda home, wirings: home.WiredCfCCell(
        3, wirings.NCP(4, 3, 2, 2, 2, 3, 2), **({} if home is theirs else {"synapses": "layers"})
    ),
}


@pytest.mark.parametrize("elapsed", [1.0, 0.3, "tensor"])
@pytest.mark.parametrize("name", CELLS)
def test_cells_compute_what_those_of_ncps_do(name, elapsed):
    made = []
    for home, wirings in ((theirs, their_wirings), (ours, our_wirings)):
        torch.manual_seed(0)
        made.append(CELLS[name](home, wirings))
    first, second = (one.state_dict() for one in made)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    n = made[1].state_size
    x, h = torch.randn(4, 3), torch.randn(4, n)
    elapsed = torch.rand(4, 1) + 0.2 if elapsed == "tensor" else elapsed
    results = [one(x, h, elapsed) for one in made]
    same(results[1], results[0], 1e-5)
    for one in made:
        (one(x, h, elapsed)[0] ** 2).sum().backward()
    grads = [{name: p.grad for name, p in one.named_parameters() if p.requires_grad} for one in made]
    for key, grad in grads[1].items():
        same(grad, grads[0][key], 1e-4)


def test_an_lstm_cell_computes_what_that_of_ncps_does():
    from ncps.torch.lstm import LSTMCell

    from wormnet.compat.ncps.sequence import LSTMCell as Ours

    made = []
    for kind in (LSTMCell, Ours):
        torch.manual_seed(0)
        made.append(kind(3, 5))
    x, h, c = torch.randn(2, 3), torch.randn(2, 5), torch.randn(2, 5)
    same(made[1](x, (h, c)), made[0](x, (h, c)), 1e-6)


@pytest.mark.fastest
@pytest.mark.parametrize("case", ["LTC", "CfC, wired", "CfC"])
def test_the_fastest_engine_computes_what_the_reference_does(case, monkeypatch):
    kind, wiring, options = TRAINED[case]
    torch.manual_seed(0)
    module = getattr(ours, kind)(3, WIRINGS[wiring](our_wirings, 0), **options)
    x = torch.randn(3, 7, 3)
    y, hx = module(x)
    monkeypatch.setattr(network, "BACKEND", "reference")
    same((y, hx), module(x), 1e-5)


@pytest.mark.parametrize("case", TRAINED)
def test_a_module_becomes_a_layer_that_computes_and_trains_the_same(case):
    kind, wiring, options = TRAINED[case]
    torch.manual_seed(0)
    module = getattr(ours, kind)(3, WIRINGS[wiring](our_wirings, 0), **options).double()
    layer = wormnet.from_ncps(module)
    layer._backend, layer._choice = "reference", None
    x, y = task()
    same(layer(x), module(x))
    if "explicit" not in case:
        np.testing.assert_allclose(train(layer, x, y, 30), train(module, x, y, 30), rtol=1e-6)
