"""What a study measures of a network: disturbed input, size, time, memory, latency."""

import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wormnet.data import Dataset, Sequences
from wormnet.errors import ArgumentError
from wormnet.study.networks import Network, Shape, build
from wormnet.study.plan import Training

__all__ = ["add_noise", "drop_samples", "prices", "saved_bytes", "shape_of", "standardised"]


def shape_of(dataset: Dataset, neurons: int = 0) -> Shape:
    """What a network has to know of a data set. The unit of time is the median dt of the train part."""
    train, irregular, unit = dataset.train, False, 1.0
    if train.dt is not None and train.mask.any():
        dt = np.broadcast_to(train.dt.reshape(len(train), -1), train.mask.shape)[train.mask]
        irregular, unit = bool(dt.max() > dt.min()), float(np.median(dt))
    # One class alone still takes two scores to compare.
    n_outputs = max(dataset.n_outputs, 2) if dataset.task == "classify" else dataset.n_outputs
    return Shape(dataset.n_inputs, n_outputs, dataset.per, irregular, neurons, unit)


def standardised(dataset: Dataset) -> tuple[Sequences, Sequences, Sequences]:
    """The three parts, every channel with mean 0 and deviation 1 over the real steps of the train part."""
    real = dataset.train.x[dataset.train.mask].astype(np.float64)
    mean, deviation = real.mean(0), real.std(0)
    deviation = np.where(deviation > 0, deviation, 1.0)

    def scaled(part: Sequences) -> Sequences:
        return Sequences((part.x - mean) / deviation, part.y, part.lengths, part.dt)

    return scaled(dataset.train), scaled(dataset.valid), scaled(dataset.test)


def add_noise(part: Sequences, sigma: float, seed: int) -> Sequences:
    """Add Gaussian noise of deviation `sigma` to every number of x; same part and seed, same noise.

    >>> part = Sequences(np.zeros((2, 3, 1)), y=[0, 1])
    >>> bool((add_noise(part, 0.5, seed=1).x == add_noise(part, 0.5, seed=1).x).all())
    True
    """
    noise = np.random.default_rng(seed).standard_normal(part.x.shape)
    return Sequences(part.x + sigma * noise, part.y, part.lengths, part.dt)


def drop_samples(part: Sequences, rate: float, seed: int) -> Sequences:
    """Leave out each sample with probability `rate`, the last one of a sequence never.

    The time that a dropped sample took is added to the dt of the next one, so that each sequence lasts as long as
    before. Labels stay with their samples.

    Raises: ArgumentError unless 0 <= rate < 1.

    >>> part = Sequences(np.arange(4.0).reshape(1, 4, 1), y=[1])
    >>> short = drop_samples(part, 0.5, seed=0)
    >>> short.x[0, :, 0], short.dt[0]
    (array([0., 3.], dtype=float32), array([1., 3.], dtype=float32))
    """
    if not 0 <= rate < 1:
        raise ArgumentError(f"rate is {rate!r}; it takes a share of the samples, 0 <= rate < 1.")
    n, steps = part.x.shape[:2]
    keep = part.mask & (np.random.default_rng(seed).random((n, steps)) >= rate)
    last = np.full(n, steps - 1) if part.lengths is None else part.lengths - 1
    keep[np.arange(n), np.maximum(last, 0)] = last >= 0  # a sequence of length 0 stays one
    dt = np.ones((n, steps)) if part.dt is None else np.broadcast_to(part.dt.reshape(n, -1), (n, steps))
    clock = np.cumsum(dt, axis=1, dtype=np.float64)
    y = [labels[kept] for labels, kept in zip(part.y, keep)] if part.per == "step" else part.y
    stamps = [np.diff(now[kept], prepend=0.0) for now, kept in zip(clock, keep)]
    return Sequences.from_list([x[kept] for x, kept in zip(part.x, keep)], y, stamps)


def saved_bytes(run: Callable[[], Tensor]) -> int:
    """Bytes that autograd keeps from a forward pass for the backward pass: every saved storage counted once.

    Args:
        run: the forward pass; it returns what backward starts from.

    Parameters and inputs that are saved count too: they are kept. What a kernel holds outside of torch does not.

    >>> x = torch.ones(100, requires_grad=True)
    >>> saved_bytes(lambda: x.exp().sum())  # exp saves its 100 results, 4 bytes each
    400
    """
    storages: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        storages[storage.data_ptr()] = storage.nbytes()
        # Detached, since a result that keeps itself would never be freed.
        return tensor.detach()

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        # Held until counted, so that no storage's address is used twice.
        result = run()
    del result
    return sum(storages.values())


def prices(
    names: Sequence[str],
    shape: Shape,
    train: Sequences,
    training: Training,
    seed: int = 0,
    repeats: int = 15,
    seconds: float = 20.0,
) -> dict[str, dict[str, float]]:
    """Size, time, memory and latency of fresh networks; to be called with nothing else running.

    The networks take turns, round by round, so that a slow moment of the machine meets all of them alike. One torch
    thread.

    Args:
        names: of the networks.   shape, train, training: of the data set; a step is one batch of it.
        repeats: rounds; fewer, but at least 3, if they would take more than about `seconds`.

    Returns: for each name
        parameters, core, read_out, synapses: numbers;
        step_ms, step_low_ms, step_high_ms: forward, loss, backward and optimiser step of one batch, median and
            quartiles;
        memory_bytes: kept by autograd from forward to backward, for one batch (`saved_bytes`);
        latency_ms, latency_low_ms, latency_high_ms: one sample of one sequence, state kept, no gradient, likewise.
    """
    from wormnet.study.fit import batch_of, loss_of, optimiser_of, targets

    batch = batch_of(train, np.arange(min(training.batch, len(train))))
    found: dict[str, dict[str, float]] = {}
    steps: dict[str, Callable[[], None]] = {}
    samples: dict[str, Callable[[], None]] = {}

    def prepare(name: str) -> None:
        torch.manual_seed(seed)
        network = build(name, shape, seed)
        optimiser = optimiser_of(network, training)

        def step() -> None:
            optimiser.zero_grad()
            loss_of(*targets(network, batch)).backward()
            optimiser.step()

        found[name] = {
            **network.size(),
            "memory_bytes": saved_bytes(lambda: loss_of(*targets(network, batch))),
        }
        steps[name], samples[name] = step, _sampler(network, batch.x[:1, :1], shape.irregular)

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            for name in names:
                prepare(name)
            for what, calls, inner in (("step", steps, 1), ("latency", samples, 10)):
                for name, times in _in_turns(calls, repeats, seconds, inner).items():
                    low, median, high = np.quantile(times, (0.25, 0.5, 0.75)) * 1e3
                    found[name] |= {f"{what}_ms": median, f"{what}_low_ms": low, f"{what}_high_ms": high}
    finally:
        torch.set_num_threads(threads)
    return {name: {key: float(value) for key, value in row.items()} for name, row in found.items()}


def _sampler(network: Network, x: Tensor, irregular: bool) -> Callable[[], None]:
    dt = torch.full((1, 1), network.shape.time_unit) if irregular else None
    kept = None

    def sample() -> None:
        nonlocal kept
        with torch.no_grad():
            y, kept = network.core(x, kept, dt, None)
            network.scores(y)

    return sample


def _in_turns(
    calls: Mapping[str, Callable[[], None]], repeats: int, seconds: float, inner: int
) -> dict[str, NDArray[np.float64]]:
    """Seconds of each call, in rounds; the first round warms up and is not counted."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    begin = time.perf_counter()
    for turn in range(repeats + 1):
        if turn > 3 and time.perf_counter() - begin > seconds:
            break
        for name, call in calls.items():
            start = time.perf_counter()
            for _ in range(inner):
                call()
            times[name].append((time.perf_counter() - start) / inner)
    return {name: np.array(found[1:]) for name, found in times.items()}
