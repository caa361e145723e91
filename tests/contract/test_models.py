"""What every model does with sequences, on every back end: each sequence is computed as if alone."""

import itertools

import pytest
import torch
from cases import CASES, ENGINES, N, at, build, draw, parts, start, times
from tolerances import close
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

pytestmark = pytest.mark.parametrize(
    ("case", "backend"), [pytest.param(*pair, id="-".join(pair)) for pair in itertools.product(CASES, ENGINES)]
)
LENGTHS = torch.tensor([3, 0, 5, 1, 3])
double = torch.float64


def same(got, expected, backend):
    for one, other in zip(parts(got), parts(expected), strict=True):
        close(one, other, backend=backend)


@pytest.mark.parametrize("batch", [1, 2, N])
@pytest.mark.parametrize("clock", ["number", "per sequence", "per sample"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_each_sequence_is_computed_as_if_alone(case, backend, batch, clock, dtype):
    rnn = build(case, backend, dtype)
    x, state = draw(batch, N, N, dtype=dtype), start(rnn, batch)
    dt = 0.3 if clock == "number" else times(batch, 1 if clock == "per sequence" else N, dtype=dtype)
    y, last = rnn(x, state, dt)
    for i in range(batch):
        alone, alone_last = rnn(x[i], at(state, i), dt if clock == "number" else dt[i].expand(N))
        close(y[i], alone, backend=backend)
        same(at(last, i), alone_last, backend)


def test_one_number_for_dt_is_that_number_for_every_sample(case, backend):
    rnn = build(case, backend, double)
    x = draw(N, N, N, dtype=double)
    y = rnn(x, dt=0.3)[0]
    for shape in ((), (N, 1), (1, N), (N, N), (1, 1)):
        dt = torch.full(shape, 0.3, dtype=double)
        torch.testing.assert_close(rnn(x, dt=dt)[0], y, rtol=1e-6, atol=1e-7)
        torch.testing.assert_close(rnn(x, dt=dt.numpy())[0], y, rtol=1e-6, atol=1e-7)
    assert torch.equal(rnn(x)[0], rnn(x, dt=1)[0])
    assert not torch.allclose(rnn(x)[0], y)


def test_each_sequence_keeps_its_own_length(case, backend):
    rnn = build(case, backend)
    x, dt, state = draw(N, N, N), times(N, N), start(rnn, N)
    y, last = rnn(x, state, dt, LENGTHS)
    for i, n in enumerate(LENGTHS.tolist()):
        assert torch.equal(y[i, n:], torch.zeros(N - n, rnn.n_outputs))
        alone, alone_last = rnn(x[i, :n], at(state, i), dt[i, :n])
        close(y[i, :n], alone, backend=backend)
        same(at(last, i), alone_last, backend)
    none, _ = rnn(x, state, dt, torch.zeros(N, dtype=torch.long))
    assert torch.equal(none, torch.zeros(N, N, rnn.n_outputs))


def test_the_state_of_a_sequence_without_samples_is_the_one_it_began_with(case, backend):
    rnn = build(case, backend)
    state = start(rnn, N)
    for x, lengths in ((draw(N, N, N), torch.zeros(N, dtype=torch.long)), (draw(N, 0, N), None)):
        y, last = rnn(x, state, lengths=lengths)
        assert y.shape == (N, x.shape[1], rnn.n_outputs)
        assert all(torch.equal(one, other) for one, other in zip(parts(last), parts(state), strict=True))


@pytest.mark.parametrize("cut", range(N + 1))
def test_a_sequence_in_two_parts_equals_one_run(case, backend, cut):
    rnn = build(case, backend)
    x, dt, state = draw(N, N, N), times(N, N), start(rnn, N)
    y, last = rnn(x, state, dt)
    first, between = rnn(x[:, :cut], state, dt[:, :cut])
    second, end = rnn(x[:, cut:], between, dt[:, cut:])
    close(torch.cat([first, second], 1), y, backend=backend)
    same(end, last, backend)


@pytest.mark.parametrize("sort", [True, False], ids=["sorted", "unsorted"])
@pytest.mark.parametrize("batch_first", [True, False], ids=["batch-first", "time-first"])
def test_a_packed_sequence_equals_a_padded_one(case, backend, sort, batch_first):
    rnn = build(case, backend, batch_first=batch_first)
    lengths = torch.tensor([5, 3, 3, 3, 1]) if sort else torch.tensor([3, 1, 5, 3, 3])
    x, dt, state = draw(N, N, N), times(N, N), start(rnn, N)
    if not batch_first:
        dt = dt.T
    y, last = rnn(x, state, dt, lengths)
    packed = pack_padded_sequence(x, lengths, batch_first=batch_first, enforce_sorted=sort)
    got, got_last = rnn(packed, state, dt)
    assert isinstance(got, PackedSequence)
    padded, got_lengths = pad_packed_sequence(got, batch_first=batch_first)
    assert torch.equal(got_lengths, lengths)
    close(padded, y, backend=backend)
    same(got_last, last, backend)
    # y.data stands beside x.data, sample by sample, as nn.LSTM has it.
    beside = torch.nn.LSTM(N, N, batch_first=batch_first)(packed)[0]
    assert torch.equal(got.batch_sizes, packed.batch_sizes)
    for ours, theirs in ((got.sorted_indices, beside.sorted_indices), (got.unsorted_indices, beside.unsorted_indices)):
        assert (ours is None and theirs is None) or torch.equal(ours, theirs)


def test_a_sequence_that_starts_anew_goes_on_as_one_of_its_own(case, backend):
    rnn = build(case, backend)
    x, dt, state, initial = draw(N, N, N), times(N, N), start(rnn, N), start(rnn, N, seed=11)
    starts = torch.zeros(N, N, dtype=torch.bool)
    starts[0, 3] = starts[1, 0] = starts[2, 1] = starts[2, 4] = True
    for first in (initial, None):
        y, last = rnn(x, state, dt, LENGTHS, starts=starts, initial=first)
        for i, n in enumerate(LENGTHS.tolist()):
            cuts = [0, *[t for t in range(1, n) if starts[i, t]], n]
            now = at(state, i)
            for begin, end in itertools.pairwise(cuts):
                if begin < n and starts[i, begin]:
                    now = None if first is None else at(first, i)
                piece, now = rnn(x[i, begin:end], now, dt[i, begin:end])
                close(y[i, begin:end], piece, backend=backend)
            same(at(last, i), now, backend)


def test_gradients_through_starts_are_those_of_the_pieces(case, backend):
    rnn, reference = build(case, backend), build(case, "reference")
    starts, found = torch.rand(N, N, generator=torch.Generator().manual_seed(5)) < 0.3, []
    for layer in (rnn, reference):
        x, dt = draw(N, N, N).requires_grad_(), times(N, N).requires_grad_()
        given = [one.requires_grad_() for seed in (3, 11) for one in parts(start(layer, N, seed=seed))]
        half = len(given) // 2
        state, initial = (tuple(one) if half > 1 else one[0] for one in (given[:half], given[half:]))
        y, last = layer(x, state, dt, LENGTHS, starts=starts, initial=initial)
        loss = sum((one * draw(*one.shape, seed=7)).sum() for one in (y, *parts(last)))
        found.append(torch.autograd.grad(loss, [x, dt, *given, *layer.parameters()]))
    for one, other in zip(*found, strict=True):
        close(one, other, backend=backend, gradient=True)


def test_a_time_unit_is_a_change_of_the_clock_alone(case, backend):
    rnn, scaled = build(case, backend), build(case, backend, time_unit=0.02)
    x, dt, state = draw(N, N, N), times(N, N), start(rnn, N)
    y, last = rnn(x, state, dt)
    got, got_last = scaled(x, state, 0.02 * dt)
    close(got, y, backend=backend)
    same(got_last, last, backend)
    assert torch.equal(scaled(x)[0], rnn(x)[0])


@pytest.mark.parametrize("rubbish", [float("nan"), float("inf"), -1e30])
def test_padding_reaches_neither_outputs_nor_gradients(case, backend, rubbish):
    rnn = build(case, backend)
    x, dt, state = draw(N, N, N), times(N, N), start(rnn, N)
    behind = torch.arange(N) >= LENGTHS[:, None]

    def run(fill):
        here = torch.where(behind[:, :, None], fill, x).requires_grad_()
        clock = torch.where(behind, fill, dt).requires_grad_()
        rnn.zero_grad()
        y, last = rnn(here, state, clock if fill else dt, LENGTHS)
        (y.square().sum() + sum(one.square().sum() for one in parts(last))).backward()
        return y, last, here.grad, [p.grad for p in rnn.parameters()]

    y, last, dx, grads = run(torch.tensor(0.0))
    got, got_last, got_dx, got_grads = run(torch.tensor(rubbish))
    assert torch.equal(got, y)
    assert all(torch.equal(one, other) for one, other in zip(parts(got_last), parts(last), strict=True))
    assert torch.equal(got_dx, dx)
    assert torch.equal(got_dx[behind], torch.zeros_like(got_dx[behind]))
    for one, other in zip(got_grads, grads, strict=True):
        close(one, other, backend=backend, gradient=True)


def test_one_sequence_equals_a_batch_of_one(case, backend):
    for options in ({}, {"batch_first": False}, {"return_sequences": False}):
        rnn = build(case, backend, **options)
        x, dt, state = draw(N, N), times(N), start(rnn, 1)
        axis = 1 if options.get("batch_first") is False else 0
        y, last = rnn(x, at(state, 0), dt)
        lifted, lifted_last = rnn(x.unsqueeze(axis), state, dt.unsqueeze(axis))
        assert torch.equal(y, lifted.squeeze(axis if rnn.return_sequences else 0))
        assert all(torch.equal(one, other[0]) for one, other in zip(parts(last), parts(lifted_last), strict=True))
        assert y.shape == ((N, rnn.n_outputs) if rnn.return_sequences else (rnn.n_outputs,))


def test_time_first_is_batch_first_with_two_axes_turned(case, backend):
    rnn, turned = build(case, backend), build(case, backend, batch_first=False)
    x, state = draw(N, N, N), start(rnn, N)
    clocks, dt = times(N, 1), times(N, N)
    for given, other in (
        (0.3, 0.3),
        (clocks, clocks.T),
        (dt, dt.T),
        (dt.numpy(), dt.T.numpy()),
        (dt.tolist(), dt.T.tolist()),
    ):
        y, last = rnn(x, state, given, LENGTHS)
        got, got_last = turned(x.transpose(0, 1), state, other, LENGTHS)
        assert torch.equal(got, y.transpose(0, 1))
        same(got_last, last, backend)
        assert torch.equal(turned.trace(x.transpose(0, 1), state, other), rnn.trace(x, state, given).transpose(0, 1))


def test_without_sequences_y_is_that_of_each_last_sample(case, backend):
    rnn, last_only = build(case, backend), build(case, backend, return_sequences=False)
    x, dt, state = draw(N, N, N), times(N, N), start(rnn, N)
    lengths = torch.tensor([3, 2, 5, 1, 3])
    y, last = rnn(x, state, dt, lengths)
    got, got_last = last_only(x, state, dt, lengths)
    close(got, y[torch.arange(N), lengths - 1], backend=backend)
    same(got_last, last, backend)


@pytest.mark.parametrize(("batch", "time"), [(0, N), (N, 0), (0, 0)])
def test_nothing_in_is_nothing_out(case, backend, batch, time):
    rnn = build(case, backend)
    x = torch.zeros(batch, time, N, requires_grad=True)
    y, last = rnn(x, dt=torch.ones(batch, time))
    assert y.shape == (batch, time, rnn.n_outputs)
    assert all(one.shape == (batch, N) for one in parts(last))
    (y.sum() + x.sum()).backward()
    last_only = build(case, backend, return_sequences=False)
    assert last_only(torch.zeros(batch, time, N))[0].shape == (batch, rnn.n_outputs)


def test_step_by_step_equals_one_run(case, backend):
    for options in ({}, {"batch_first": False}, {"return_sequences": False}):
        rnn, whole = build(case, backend, **options), build(case, backend)
        x, dt, state = draw(N, N, N), times(N, N), start(rnn, N)
        y, last = whole(x, state, dt)
        alone = at(state, 0)
        for t in range(N):
            got, state = rnn.step(x[:, t], state, dt[:, t])
            close(got, y[:, t], backend=backend)
            got, alone = rnn.step(x[0, t], alone, dt[0, t])
            close(got, y[0, t], backend=backend)
        same(state, last, backend)


def test_trace_is_the_state_after_every_sample(case, backend):
    rnn = build(case, backend)
    x, dt, state = draw(N, N, N), times(N, N), start(rnn, N)
    trace = rnn.trace(x, state, dt)
    assert trace.shape == (N, N, N)
    for t in range(N):
        close(trace[:, t], parts(rnn(x[:, : t + 1], state, dt[:, : t + 1])[1])[0], backend=backend)
    close(rnn.trace(x[2], at(state, 2), dt[2]), trace[2], backend=backend)


def test_an_engine_computes_what_the_reference_computes(case, backend):
    rnn, reference = build(case, backend), build(case, "reference")
    results = []
    for layer in (rnn, reference):
        x, dt = draw(N, N, N).requires_grad_(), times(N, N).requires_grad_()
        state = [one.requires_grad_() for one in parts(start(layer, N))]
        y, last = layer(x, tuple(state) if layer.mixed_memory else state[0], dt, LENGTHS)
        weights = [draw(*one.shape, seed=7) for one in (y, *parts(last))]
        loss = sum((one * w).sum() for one, w in zip((y, *parts(last)), weights, strict=True))
        results.append((y, last, torch.autograd.grad(loss, [x, dt, *state, *layer.parameters()])))
    (y, last, grads), (expected, expected_last, expected_grads) = results
    close(y, expected, backend=backend)
    same(last, expected_last, backend)
    for one, other in zip(grads, expected_grads, strict=True):
        close(one, other, backend=backend, gradient=True)


def test_gradients_of_everything_are_those_of_finite_differences(case, backend):
    rnn = build(case, backend, double)
    names, values = zip(*rnn.named_parameters(), strict=True)
    x, dt, state = draw(2, 3, N, dtype=double), times(2, 3, dtype=double), parts(start(rnn, 2))

    def run(x, dt, *rest):
        state, parameters = rest[: len(parts(start(rnn, 2)))], rest[len(parts(start(rnn, 2))) :]
        named = dict(zip(names, parameters, strict=True))
        state = state if rnn.mixed_memory else state[0]
        y, last = torch.func.functional_call(rnn, named, (x, state, dt, torch.tensor([3, 2])))
        return (y, *parts(last))

    given = [one.detach().clone().requires_grad_() for one in (x, dt, *state, *values)]
    assert torch.autograd.gradcheck(run, given, fast_mode=True, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_half_precision_modules_compute_in_half_precision(case, backend, dtype):
    exact, rnn = build(case, backend), build(case, backend).to(dtype)
    x = draw(N, N, N, dtype=dtype)
    y, last = rnn(x, dt=0.25)
    assert y.dtype == dtype
    assert all(one.dtype == dtype for one in parts(last))
    relative = 40 * torch.finfo(dtype).eps  # some forty roundings deep
    torch.testing.assert_close(y.float(), exact(x.float(), dt=0.25)[0], rtol=relative, atol=relative)
    y.sum().backward()
    assert all(p.grad is not None and p.grad.dtype == dtype for p in rnn.parameters())


def test_under_autocast_the_layer_keeps_the_precision_of_its_parameters(case, backend):
    rnn = build(case, backend)
    x, state = draw(N, N, N), start(rnn, N)
    y, last = rnn(x, state, 0.3)
    with torch.autocast("cpu", torch.bfloat16):
        got, got_last = rnn(x, state, 0.3)
        low, _ = rnn(torch.nn.functional.linear(x, torch.eye(N)), state, 0.3)  # what a layer in front makes of x
    assert got.dtype == torch.float32
    assert torch.equal(got, y)
    same(got_last, last, backend)
    assert torch.equal(low, rnn(x.bfloat16().float(), state, 0.3)[0])
    got.sum().backward()
