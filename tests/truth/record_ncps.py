"""Draws networks of the `ncps` package and records what they compute, so that the truth outlives the package.

    python tests/truth/record_ncps.py      writes tests/truth/ncps_1_0_1.npz; needs ncps 1.0.1 and wormnet

Each entry holds inputs, start and result of an ncps network, and its parameters as a layer of ours has them: wiring,
model and values. The test builds the layer from these and compares with the recorded result.
"""

import json
import random
from pathlib import Path

import numpy as np
import torch

FILE = Path(__file__).with_name("ncps_1_0_1.npz")
DRAWS = 72


def draw(seed):
    """(description, an ncps network, x, state, dt): a random wiring, shape, clock and set of options."""
    choice = random.Random(seed)
    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - what ncps draws from
    n_inputs = choice.randint(1, 5)
    kind, wired = choice.choice(["LTC", "CfC"]), seed % 3 != 0
    options = {
        "return_sequences": choice.random() < 0.7,
        "batch_first": choice.random() < 0.7,
        "mixed_memory": choice.random() < 0.3,
    }
    units, wiring = _units(choice, wired, kind, seed)
    options |= _ltc(choice) if kind == "LTC" else _cfc(choice, wired)
    import ncps.torch

    module = getattr(ncps.torch, kind)(n_inputs, units, **options)
    n = units.units if wired else units
    # Two sequences at once know no time stamps there.
    shape = choice.choice(["one", "batch of one", "batch"])
    batch, time = (3 if shape == "batch" else 1), choice.randint(1, 6)
    x, state = torch.randn(batch, time, n_inputs), torch.randn(2, batch, n) * 0.5
    dt = torch.rand(1, time) * 2 + 0.05 if shape != "batch" and choice.random() < 0.7 else None
    state = None if choice.random() < 0.3 else tuple(state) if options["mixed_memory"] else state[0]
    if shape == "one":
        x, dt = x[0], None if dt is None else dt[0]
        state = tuple(s[0] for s in state) if isinstance(state, tuple) else None if state is None else state[0]
    elif not options["batch_first"]:
        x, dt = x.transpose(0, 1), None if dt is None else dt.T
    if choice.random() < 0.5:
        _train(module, x, state, dt)
    name = f"{seed} {kind} {wiring} {shape} {options}"
    return name, module, x, state, dt


def _units(choice, wired, kind, seed):
    from ncps import wirings

    n = choice.randint(4, 9)
    if not wired:
        return n, f"{n} units"
    out = choice.randint(1, n - 2)
    read = choice.choice([None, out]) if kind == "LTC" else None  # a wired CfC there reads out all of one layer
    made = choice.choice(["full", "no self", "random", "auto", "ncp"])
    if made == "full":
        return wirings.FullyConnected(n, read, erev_init_seed=seed), made
    if made == "no self":
        return wirings.FullyConnected(n, read, erev_init_seed=seed, self_connections=False), made
    if made == "random":
        return wirings.Random(n, read, sparsity_level=choice.choice([0.2, 0.5, 0.8]), random_seed=seed), made
    if made == "auto":
        return wirings.AutoNCP(n, min(out, n - 3), sparsity_level=choice.choice([0.2, 0.5, 0.8]), seed=seed), made
    inter, command, motor = choice.randint(2, 5), choice.randint(2, 4), choice.randint(1, 3)
    return wirings.NCP(inter, command, motor, min(2, inter), min(2, command), 2, min(2, command), seed=seed), made


def _ltc(choice):
    maps = ["affine", "linear", None]
    return {
        "input_mapping": choice.choice(maps),
        "output_mapping": choice.choice(maps),
        "ode_unfolds": choice.randint(1, 8),
        "implicit_param_constraints": choice.random() < 0.5,
    }


def _cfc(choice, wired):
    options = {"mode": choice.choice(["default", "no_gate", "pure"]), "proj_size": choice.choice([None, 1, 4])}
    if not wired:
        options |= {
            "backbone_layers": choice.randint(0, 3),
            "backbone_units": choice.randint(3, 8),
            "activation": choice.choice(["lecun_tanh", "tanh", "relu", "silu", "gelu"]),
        }
    return options


def _train(module, x, state, dt):
    optimizer = torch.optim.SGD(module.parameters(), 0.05)
    for _ in range(4):
        optimizer.zero_grad()
        module(x, state, dt)[0].sub(0.3).square().mean().backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()
        if hasattr(module.rnn_cell, "apply_weight_constraints"):
            module.rnn_cell.apply_weight_constraints()


def record():
    """Write the file."""
    import wormnet
    from wormnet.wiring.files import to_json

    arrays = {}
    for seed in range(DRAWS):
        name, module, x, state, dt = draw(seed)
        with torch.no_grad():
            y, last = module(x, state, dt)
        ours = wormnet.from_ncps(module)
        head = {
            "name": name,
            "wiring": to_json(ours.wiring),
            "model": ours.model.name,
            "model_options": ours.model.options,
            "options": {
                "mixed_memory": ours.mixed_memory,
                "proj_size": ours.proj_size,
                "batch_first": ours.batch_first,
                "return_sequences": ours.return_sequences,
            },
        }
        arrays[f"{seed}/head"] = np.array(json.dumps(head))
        for kind, values in (
            ("value", ours.values()),
            ("child", {n: p for n, p in ours.named_parameters() if "." in n}),
            ("given", {"x": x, "dt": dt, **_states(state)}),
            ("result", {"y": y, **_states(last)}),
        ):
            for key, value in values.items():
                if value is not None:
                    arrays[f"{seed}/{kind}/{key}"] = value.detach().numpy()
    np.savez_compressed(FILE, **arrays)


def _states(state):
    return dict(zip(("state", "memory"), state if isinstance(state, tuple) else (state,), strict=False))


if __name__ == "__main__":
    record()
