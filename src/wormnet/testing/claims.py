"""What holds for every model on every engine, claim by claim: each raises AssertionError unless it does."""

import copy
import itertools
import pickle
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from wormnet.engine import cpu
from wormnet.engine.program import program_of
from wormnet.models import MODELS
from wormnet.nn.files import load, save
from wormnet.testing.samples import N, at, parts, start
from wormnet.testing.subject import LENGTHS, Subject, expect

__all__ = ["CLAIMS", "Claim"]

Claim = Callable[[Subject], None]
CLAIMS: list[Claim] = []
"""In the order in which they are checked. The first line of a docstring is the claim in words."""


def claim(function: Claim) -> Claim:
    """Add a claim."""
    CLAIMS.append(function)
    return function


@claim
def a_call_depends_on_nothing_but_what_it_is_given(of: Subject) -> None:
    """a call depends on nothing but what it is given: repeated, it gives the same bits, and it draws nothing"""
    layer, random = of.layer(), torch.get_rng_state()
    first = of.run(layer)
    of.bits(of.run(layer), first)
    of.bits(of.run(of.layer()), first)
    expect(torch.equal(torch.get_rng_state(), random), "it draws from torch's global generator")
    before = [p.detach().clone() for p in layer.parameters()]
    of.run(layer)
    expect(all(torch.equal(a, b) for a, b in zip(before, layer.parameters())), "it changes the parameters")


# -- sequences ---------------------------------------------------------------------------------------------------------


@claim
def sequences_are_independent(of: Subject) -> None:
    """each sequence of a batch is computed by itself"""
    layer = of.layer()
    for batch in (1, 2, N):
        x, state = of.x(batch, N), start(layer, batch)
        for dt in (0.3, of.dt(batch, 1), of.dt(batch, N)):
            y, last = layer(x, state, dt)
            for i in range(batch):
                mine = dt[i].expand(N) if isinstance(dt, Tensor) else dt
                single, single_last = layer(x[i], at(state, i), mine)
                of.same(y[i], single)
                of.same(at(last, i), single_last)


@claim
def sequences_have_lengths(of: Subject) -> None:
    """each sequence keeps its own length: past its end y is 0 and the state is held"""
    layer = of.layer()
    x, dt, state = of.x(N, N), of.dt(N, N), start(layer, N)
    y, last = layer(x, state, dt, of.lengths())
    for i, n in enumerate(LENGTHS):
        expect(not y[i, n:].any(), f"y of sequence {i} is not 0 past its {n} samples")
        single, single_last = layer(x[i, :n], at(state, i), dt[i, :n])
        of.same(y[i, :n], single)
        of.same(at(last, i), single_last)


@claim
def packed_equals_padded(of: Subject) -> None:
    """a packed sequence equals a padded one"""
    layer, lengths = of.layer(), torch.tensor([3, 1, 5, 3, 3])
    x, dt, state = of.x(N, N), of.dt(N, N), start(layer, N)
    y, last = layer(x, state, dt, lengths.to(of.device))
    packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    got, got_last = layer(packed, state, dt)
    expect(isinstance(got, PackedSequence), f"y is {type(got).__name__}, not a PackedSequence")
    of.same(pad_packed_sequence(got, batch_first=True)[0], y)
    of.same(got_last, last)


@claim
def sequences_start_anew(of: Subject) -> None:
    """a sequence that starts anew goes on as one of its own, with gradients"""
    layer = of.layer()
    starts = torch.zeros(N, N, dtype=torch.bool, device=of.device)
    for i, t in ((0, 3), (1, 0), (2, 1), (2, 4)):
        starts[i, t] = True
    x, dt = of.x(N, N), of.dt(N, N)
    for with_initial in (True, False):
        given = [x.clone().requires_grad_(), *_requiring(start(layer, N)), *_requiring(start(layer, N, seed=11))]
        half = 1 + len(given) // 2
        state, initial = _state(given[1:half]), _state(given[half:]) if with_initial else None
        y, last = layer(given[0], state, dt, of.lengths(), starts=starts, initial=initial)
        expected, expected_last = _in_pieces(layer, given[0], state, dt, starts, initial)
        of.same(y, expected)
        of.same(last, expected_last)
        wanted = [*given[: None if with_initial else half], *layer.parameters()]
        got = _gradients((y, *parts(last)), wanted)
        of.same(got, _gradients((expected, *parts(expected_last)), wanted), gradient=True)


def _in_pieces(layer: Any, x: Tensor, state: Any, dt: Tensor, starts: Tensor, initial: Any) -> tuple[Tensor, Any]:
    """What runs of each sequence's pieces make of it."""
    rows, ends = [], []
    for i, n in enumerate(LENGTHS):
        cuts = [0, *[t for t in range(1, n) if starts[i, t]], n]
        now, found = at(state, i), [x.new_zeros(0, layer.n_outputs)]
        for begin, end in itertools.pairwise(cuts):
            if begin < n and starts[i, begin]:
                now = None if initial is None else at(initial, i)
            piece, now = layer(x[i, begin:end], now, dt[i, begin:end])
            found.append(piece)
        rows.append(torch.cat([*found, x.new_zeros(N - n, layer.n_outputs)]))
        ends.append(parts(now))
    return torch.stack(rows), tuple(torch.stack(one) for one in zip(*ends))


@claim
def a_state_resumes(of: Subject) -> None:
    """a sequence in two parts equals one run"""
    layer = of.layer()
    x, dt, state = of.x(N, N), of.dt(N, N), start(layer, N)
    y, last = layer(x, state, dt)
    for cut in range(N + 1):
        first, between = layer(x[:, :cut], state, dt[:, :cut])
        second, end = layer(x[:, cut:], between, dt[:, cut:])
        of.same(torch.cat([first, second], 1), y)
        of.same(end, last)


@claim
def steps_equal_a_run(of: Subject) -> None:
    """sample by sample, `step` gives what one run gives"""
    layer = of.layer()
    x, dt, state = of.x(N, N), of.dt(N, N), start(layer, N)
    y, last = layer(x, state, dt)
    for t in range(N):
        out, state = layer.step(x[:, t], state, dt[:, t])
        of.same(out, y[:, t])
    of.same(state, last)


@claim
def time_has_a_unit(of: Subject) -> None:
    """a time unit changes the clock and nothing else"""
    layer, scaled = of.layer(), of.layer(time_unit=0.02)
    x, dt, state = of.x(N, N), of.dt(N, N), start(layer, N)
    y, last = layer(x, state, dt)
    got, got_last = scaled(x, state, 0.02 * dt)
    of.same(got, y)
    of.same(got_last, last)
    of.same(scaled(x)[0], layer(x)[0])


@claim
def padding_is_not_read(of: Subject) -> None:
    """what stands in the padding reaches neither outputs nor gradients"""
    layer = of.layer()
    past = torch.arange(N, device=of.device) >= of.lengths()[:, None]
    found = []
    for fill in (0.0, float("nan")):
        x = of.x(N, N).masked_fill(past[:, :, None], fill).requires_grad_()
        dt = of.dt(N, N).masked_fill(past, fill or 1.0)
        y, last = layer(x, start(layer, N), dt, of.lengths())
        found.append((y, *parts(last), *_gradients((y, *parts(last)), [x, *layer.parameters()])))
    of.same(found[1], found[0], gradient=True)


# -- gradients ---------------------------------------------------------------------------------------------------------


@claim
def engines_agree(of: Subject) -> None:
    """outputs and gradients are those of the reference engine"""
    if of.engine == "reference":
        return
    found = []
    for one in (of, of.on("reference", of.dtype)):
        layer = one.layer()
        given = [one.x(N, N).requires_grad_(), one.dt(N, N).requires_grad_(), *_requiring(start(layer, N))]
        y, last = layer(given[0], _state(given[2:]), given[1], one.lengths())
        found.append(((y, *parts(last)), _gradients((y, *parts(last)), [*given, *layer.parameters()])))
    of.same(found[0][0], found[1][0])
    of.same(found[0][1], found[1][1], gradient=True)


@claim
def one_time_serves_all_samples(of: Subject) -> None:
    """a single dt for many samples gives what as many equal ones give, gradients included"""
    layer, many = of.layer(), 16
    found = []
    for shape in ((), (many, many)):
        x, dt = of.x(many, many).requires_grad_(), of.dt(1)[0].clone().requires_grad_()
        y, last = layer(x, start(layer, many), dt.expand(shape))
        found.append(((y, *parts(last)), _gradients((y, *parts(last)), [x, dt, *layer.parameters()])))
    of.same(found[0][0], found[1][0])
    of.same(found[0][1], found[1][1], gradient=True)


@claim
def gradients_are_those_of_finite_differences(of: Subject) -> None:
    """gradients of inputs, times, states and parameters are those of finite differences"""
    if of.dtype != torch.float64:
        of = of.on("reference", torch.float64)
    layer = of.layer()
    names, values = zip(*layer.named_parameters())
    state = parts(start(layer, 2))
    lengths = torch.tensor([3, 2], device=of.device)

    def run(x: Tensor, dt: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        named = dict(zip(names, rest[len(state) :], strict=True))
        y, last = torch.func.functional_call(layer, named, (x, _state(rest[: len(state)]), dt, lengths))
        return (y, *parts(last))

    given = [one.detach().clone().requires_grad_() for one in (of.x(2, 3), of.dt(2, 3), *state, *values)]
    try:
        torch.autograd.gradcheck(run, given, fast_mode=True, atol=1e-6)
    except RuntimeError as error:  # a GradcheckError
        raise AssertionError(str(error)) from None


# -- what is done with layers ------------------------------------------------------------------------------------------


@claim
def weights_load(of: Subject) -> None:
    """a state dict carries all weights into another layer, where they take effect"""
    layer, other = of.layer(), of.layer(seed=1)
    of.run(other)  # nothing that a call keeps may outlive the weights
    other.load_state_dict(layer.state_dict())
    of.bits(of.run(other), of.run(layer))


@claim
def layers_are_saved(of: Subject) -> None:
    """`save` and `load` give the same bits, if the model is registered"""
    if MODELS.get(of.model.name) is not type(of.model):
        return
    layer = of.layer()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "layer.safetensors"
        save(layer, path)
        again = load(path, device=of.device, backend=of.engine)
    expect(getattr(again, "model", None) == of.model, f"the model comes back as {getattr(again, 'model', None)}")
    of.bits(of.run(again), of.run(layer))  # pyright: ignore[reportArgumentType]


@claim
def layers_are_copied(of: Subject) -> None:
    """copies and pickles compute the same and share no memory"""
    layer, kind = of.layer(), type(of.model)
    expected = of.run(layer)
    twins = [copy.deepcopy(layer)]
    if getattr(sys.modules.get(kind.__module__), kind.__qualname__, None) is kind:  # pickle finds no other class
        twins.append(pickle.loads(pickle.dumps(layer)))
    for twin in twins:
        of.bits(of.run(twin), expected)
        with torch.no_grad():
            for p in twin.parameters():
                p.mul_(1.1)
        of.bits(of.run(layer), expected)


@claim
def the_stepper_computes_the_layer(of: Subject) -> None:
    """the stepper computes what the layer computes, and starts over when it is reset"""
    able = cpu.unable(program_of(of.model), torch.device("cpu"), of.dtype) is None
    if of.engine != ("cpu" if able else "reference"):
        return  # it has one engine, whatever runs the layer
    layer = of.layer()
    x, dt = of.x(N), of.dt(N)
    with torch.no_grad():
        y, last = layer(x, dt=dt)
    stepper, given = layer.stepper(), x.cpu().numpy()
    for _ in range(2):
        for t in range(N):
            out = stepper.step(given[t], dt=float(dt[t]))
            of.same(torch.from_numpy(np.array(out)), y[t])
        state = stepper.state
        of.same(tuple(torch.from_numpy(np.array(one)) for one in parts(state)), parts(last))
        stepper.reset()


def _requiring(state: Any) -> list[Tensor]:
    return [one.clone().requires_grad_() for one in parts(state)]


def _state(tensors: Any) -> Any:
    return tuple(tensors) if len(tensors) > 1 else tensors[0]


def _gradients(results: tuple[Tensor, ...], by: list[Any]) -> tuple[Tensor, ...]:
    """Of a sum of the results with weights, by each of some tensors; zeros where there is no way to one."""
    weights = (torch.linspace(0.5, 1.5, max(one.numel(), 1), dtype=one.dtype, device=one.device) for one in results)
    loss = sum((one * w[: one.numel()].reshape(one.shape)).sum() for one, w in zip(results, weights))
    return torch.autograd.grad(loss, by, allow_unused=True, materialize_grads=True)  # pyright: ignore
