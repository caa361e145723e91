"""What a network costs: size, multiplications, time of a training step and of a sample, memory."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from wormnet.errors import BackendError
from wormnet.models.equation import DenseUpdate
from wormnet.nn import Recurrent
from wormnet.study.network import Network, Predictor, build
from wormnet.study.plan import Training
from wormnet.study.prepared import Prepared

__all__ = ["operations", "prices", "saved_bytes"]

_PRODUCTS = {"mul", "div", "addcmul", "reciprocal", "square"}
_FUNCTIONS = {"sigmoid", "tanh", "exp", "log"}


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


# -- multiplications ---------------------------------------------------------------------------------------------------


class _Counting(TorchDispatchMode):
    """Counts products and elementary functions of numbers."""

    def __init__(self):
        super().__init__()
        self.products = self.functions = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        self.products += name in _PRODUCTS
        self.functions += name in _FUNCTIONS
        return func(*args, **(kwargs or {}))


def _count(function: Callable[..., Any], numbers: int) -> tuple[int, int]:
    """Products and elementary functions of one call with so many numbers."""
    with torch.no_grad(), _Counting() as counting:
        function(*(torch.tensor(0.5, dtype=torch.float64) for _ in range(numbers)))
    return counting.products, counting.functions


def operations(network: Predictor) -> tuple[int, int]:
    """Per sample of one sequence: multiplications, divisions included, each with its addition; and values of exp, tanh.

    Of wormnet's layers they are counted from the functions that the model declares, synapse by synapse, sub-step by
    sub-step, once a sample for synapses from inputs where a solver holds them; of other cores, `core.operations()`
    tells, and where there is none it is taken that every weight is used once. The read-out is included.
    """
    read_out = sum(p.numel() for part in (network.read_out, network.skip) if part for p in part.parameters())
    core = network.core
    if isinstance(core, Recurrent):
        products, functions = _of_layer(core)
    elif hasattr(core, "operations"):
        products, functions = core.operations()  # pyright: ignore[reportCallIssue]
    else:
        products, functions = sum(p.numel() for p in core.parameters() if p.dim() > 1), 0
    return products + read_out, functions


def _of_layer(rnn: Recurrent) -> tuple[int, int]:
    total = np.zeros(2, np.int64)
    n, width = rnn.wiring.n_neurons, rnn.wiring.n_inputs + rnn.wiring.n_neurons
    for part, tables in zip(rnn._layout.program.parts, rnn._layout.tables, strict=True):
        update = part.update
        if isinstance(update, DenseUpdate):
            sizes = [width, *[update.units] * len(update.hidden), len(update.sums) * n]
            total[0] += sum(a * b for a, b in pairwise(sizes))
            if update.activation is not None:
                total += np.array(_count(update.activation, 1)) * update.units * len(update.hidden)
            numbers = len(part.states) + len(update.sums) + len(update.coefficients) + 1
            total += n * np.array(_count(update.node, numbers))
            continue
        rounds = part.unfolds * part.stages
        for edge, table in zip(update.edges, tables, strict=False):
            each = np.array(_count(edge.edge, 1 + len(edge.coefficients)))
            from_inputs = int(np.sum(table.from_input))
            held = 1 if update.solver is not None else rounds
            total += each * (from_inputs * held + (len(table.post) - from_inputs) * rounds)
        own = len(part.states)
        numbers = own + len(update.sums) + len(update.coefficients) + (update.solver is None)
        total += n * rounds * np.array(_count(update.node, numbers))
        if update.solver is not None:
            for k, stage in enumerate(update.solver.stages):
                total += n * part.unfolds * own * np.array(_count(stage.advance, 5 + k))
    return int(total[0]), int(total[1])


# -- time and memory ---------------------------------------------------------------------------------------------------


def prices(
    networks: Sequence[Network],
    data: Prepared,
    training: Training,
    seed: int = 0,
    repeats: int = 15,
    seconds: float = 20.0,
) -> dict[str, dict[str, float]]:
    """Size, time, memory and latency of fresh networks; to be called with nothing else running.

    The networks take turns, round by round, so that a slow moment of the machine meets all of them alike. One torch
    thread.

    Args:
        networks: what to measure.   data, training: a step is one batch of the data.
        repeats: rounds; fewer, but at least 3, if they would take more than about `seconds`.

    Returns: for each name
        parameters, core, read_out, synapses, multiply_adds, functions: numbers (the last two per sample);
        step_ms, step_low_ms, step_high_ms: forward, loss, backward and optimiser step of one batch, median and
            quartiles;
        memory_bytes: kept by autograd from forward to backward, for one batch (`saved_bytes`);
        latency_ms, latency_low_ms, latency_high_ms: one sample of one sequence, state kept, no gradient, likewise;
        stepper_us, stepper_low_us, stepper_high_us: the same by the torch-free stepper, of wormnet's layers.
    """
    from wormnet.study.fit import batch_of, loss_of, optimiser_of, set_view, targets

    part = data.view.told(data.train)
    batch = batch_of(part, np.arange(min(training.batch, len(part))))
    found: dict[str, dict[str, float]] = {}
    calls: dict[str, dict[str, Callable[[], Any]]] = {"step": {}, "latency": {}, "stepper": {}}

    def prepare(one: Network) -> None:
        torch.manual_seed(seed)
        network = build(one, data.shape, seed)
        set_view(network, data)
        optimiser = optimiser_of(network, training)

        def forward() -> Tensor:
            return loss_of(network, *targets(network, batch))

        def step() -> None:
            optimiser.zero_grad()
            forward().backward()
            optimiser.step()

        products, functions = operations(network)
        found[one.name] = {
            **network.size(),
            "multiply_adds": products,
            "functions": functions,
            "memory_bytes": saved_bytes(forward),
        }
        calls["step"][one.name] = step
        calls["latency"][one.name] = _sampler(network, batch.x[:1, :1])
        if (stepping := _stepping(network, batch.x[0, 0])) is not None:
            calls["stepper"][one.name] = stepping

    with _one_thread():
        for one in networks:
            prepare(one)
        for what, inner, unit in (("step", 1, "ms"), ("latency", 10, "ms"), ("stepper", 50, "us")):
            for name, times in _in_turns(calls[what], repeats, seconds, inner).items():
                low, median, high = np.quantile(times, (0.25, 0.5, 0.75)) * (1e3 if unit == "ms" else 1e6)
                found[name] |= {f"{what}_{unit}": median, f"{what}_low_{unit}": low, f"{what}_high_{unit}": high}
    return {name: {key: float(value) for key, value in row.items()} for name, row in found.items()}


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        torch.set_num_threads(threads)


def _sampler(network: Predictor, x: Tensor) -> Callable[[], None]:
    dt = torch.full((1, 1), network.shape.time_unit) if network.shape.irregular else None
    kept = None

    def sample() -> None:
        nonlocal kept
        with torch.no_grad():
            y, kept = network.core(x, kept, dt, None)
            network.scores(y, x)

    return sample


def _stepping(network: Predictor, x: Tensor) -> Callable[[], Any] | None:
    """One sample by the stepper, read out by NumPy; None where the core has no stepper."""
    core = network.core
    if not isinstance(core, Recurrent):
        return None
    try:
        stepper = core.stepper()
    except BackendError:
        return None
    weight, bias = (p.detach().numpy() for p in network.read_out.parameters())
    past = None if network.skip is None else network.skip.weight.detach().numpy()
    sample, unit = x.numpy(), core.time_unit
    if past is None:
        return lambda: weight @ stepper.step(sample, unit) + bias
    return lambda: weight @ stepper.step(sample, unit) + past @ sample + bias


def _in_turns(
    calls: Mapping[str, Callable[[], Any]], repeats: int, seconds: float, inner: int
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
