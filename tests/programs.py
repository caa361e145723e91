"""Programs without a layer around them: parameters by name, run on the reference engine or compiled for the CPU."""

import numpy as np
import torch
from tolerances import close

from wormnet.engine import operator
from wormnet.engine.cpu import launch
from wormnet.engine.layout import layout_of
from wormnet.engine.program import program_of
from wormnet.engine.reference import Reference
from wormnet.engine.samples import Samples
from wormnet.models.spec import connections, shape_of
from wormnet.wiring import CHEMICAL, CURRENT, GAP

ENGINES = ("reference", "cpu")
KINDS = {"chemical": CHEMICAL, "gap": GAP, "current": CURRENT}


def owns(model):
    """Whether connections include one from a neuron's own state."""
    return any(getattr(update, "own_state", False) for update in model.updates())


def shapes(model, wiring):
    """The shape of each parameter."""
    n = len(connections(wiring, own=owns(model)).post)
    return {spec.name: shape_of(spec, wiring, n) for spec in model.params(wiring)}


def started(model, wiring, seed=0):
    """Parameters as they start, float64: within their range, by count and sign; a sign to be learned is drawn."""
    draw, found = np.random.default_rng(seed), {}
    for spec in model.params(wiring):
        low, high = (np.broadcast_to(bound, shapes(model, wiring)[spec.name]) for bound in spec.start)
        value = draw.uniform(low, high)
        synapse = synapses(model, wiring, spec.over) if spec.counted or spec.signed else None
        if spec.counted:
            kinds, count = wiring.kind[synapse], np.where(synapse < 0, 1.0, wiring.count[synapse])
            for kind in np.unique(kinds[synapse >= 0]):
                of_kind = (kinds == kind) & (synapse >= 0)
                count[of_kind] /= count[of_kind].mean()
            value = value * count
        if spec.signed:
            sign = np.where(synapse < 0, 0, wiring.sign[synapse])
            value = value * np.where(sign == 0, draw.choice([-1, 1], len(sign)), sign)
        found[spec.name] = torch.tensor(np.array(value))
    return found


def synapses(model, wiring, over):
    """The synapse of each value, -1 for a neuron's own state."""
    return connections(wiring, own=owns(model)).synapse if over == "connection" else wiring.of_kind(KINDS[over])


def drawn(model, wiring, seed=0):
    """Parameters far from their start: normal numbers, magnitudes where the equation takes no sign."""
    generator = torch.Generator().manual_seed(seed)
    found = {}
    for spec in model.params(wiring):
        value = torch.randn(shapes(model, wiring)[spec.name], generator=generator, dtype=torch.float64)
        found[spec.name] = value.abs() + 0.05 if spec.constraint in ("positive", "non_negative") else value
    return found


def run(model, wiring, p, x, states, dt, *, engine="reference"):
    """(first states after every sample, states at the end); x (batch, time, inputs), states one (batch, neurons) each.

    Inputs are not mapped; dt is a number, or (batch, time).
    """
    program = program_of(model)
    layout, batch, time = layout_of(program, wiring), *x.shape[:2]
    coefficients = model.coefficients(p)
    if engine == "reference":
        dt = torch.as_tensor(dt, dtype=x.dtype)
        return Reference(layout)(coefficients, Samples(x, dt.expand(batch, time)), tuple(states), None, None)
    tables, sizes = launch.encode(layout, torch.device("cpu"))
    dt = torch.as_tensor(dt, dtype=x.dtype).expand(batch, time).contiguous()
    keep = torch.arange(wiring.n_neurons)
    call = (layout.pack(coefficients), tables, sizes, x, dt, None, None, torch.stack(tuple(states)), None, None, keep)
    kept, last = operator.run(*call, program.name, time)
    return kept, tuple(last)


def engines_agree(model, wiring, p, *, states, scale=1.0, dt=0.3):
    """Assert that the program compiled for the CPU gives the reference's outputs, and all of its gradients."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    batch, time, n = 19, 4, wiring.n_neurons  # more sequences than two blocks of lanes hold
    x, start = draw(batch, time, wiring.n_inputs), [draw(batch, n) * scale for _ in range(states)]
    dt = dt * (0.2 + torch.rand(batch, time, generator=generator, dtype=torch.float64))
    weight, last_weight = draw(batch, time, n), draw(states, batch, n)
    found = {}
    for engine in ENGINES:
        leaves = {**p, "x": x, "dt": dt, **{f"state {i}": one for i, one in enumerate(start)}}
        leaves = {name: one.detach().clone().requires_grad_() for name, one in leaves.items()}
        own = {name: leaves[name] for name in p}
        first = [leaves[f"state {i}"] for i in range(states)]
        kept, last = run(model, wiring, own, leaves["x"], first, leaves["dt"], engine=engine)
        last = torch.stack(last)
        loss = (kept * weight).sum() + (last * last_weight).sum()
        gradients = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True, materialize_grads=True)
        found[engine] = kept.detach(), last.detach(), dict(zip(leaves, gradients, strict=True))
    kept, last, gradients = found["cpu"]
    expected, expected_last, expected_gradients = found["reference"]
    close(kept, expected, backend="cpu")
    close(last, expected_last, backend="cpu")
    for name, gradient in gradients.items():
        largest = expected_gradients[name].abs().max().clamp(min=1e-9) if gradient.numel() else 1.0
        close(gradient / largest, expected_gradients[name] / largest, backend="cpu", gradient=True)
