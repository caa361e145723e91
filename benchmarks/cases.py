"""The frozen cases: who runs what. A case's numbers compare over the years only while it stays as it is."""

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

import wormnet

INPUTS = 32
REFERENCE_TEST = "tests/engine/cpu/test_against_reference.py"
BOTH_WAYS = 2
"""A sigmoid of a synapse is computed on the way there and again on the way back."""

Runs = dict[str, Callable[[], object]]
"""What is timed, by name: "wormnet ..." is ours, the others are the peers."""


@dataclass(frozen=True)
class Case:
    """One row of the table."""

    name: str
    what: str
    build: Callable[[], Runs]
    gate: tuple[str, ...] = (f"{REFERENCE_TEST}::test_a_network_of_302_neurons_is_computed_like_the_reference",)
    """the tests that must pass before anything is timed"""
    sigmoids: Callable[[], int] | None = None
    """how many sigmoids, tanhs and exps ours evaluates in a call, for its share of the ceiling"""
    per: int = 0
    """synapse-steps, where the cost of one is what counts"""
    memory: tuple[str, ...] = ()
    """runs whose peak memory is measured, each in a process of its own"""
    calls: int = 1
    """calls per timing: as many as make up for the clock"""


def _seeded(make: Callable[[], nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    return make()


def peer_ltc(wiring: str) -> nn.Module:
    """An LTC of ncps on the wiring of a case."""
    from ncps import wirings
    from ncps.torch import LTC

    made = {
        "ncp": lambda: wirings.NCP(12, 6, 1, 6, 4, 6, 6, seed=0),
        "dense": lambda: wirings.FullyConnected(64, 64),
        "302": lambda: wirings.Random(302, 10, sparsity_level=1 - 3700 / 302**2, random_seed=0),
    }[wiring]()
    return _seeded(lambda: LTC(INPUTS, made, batch_first=True))


def peer_cfc(wiring: str) -> nn.Module:
    """A CfC of ncps."""
    from ncps import wirings
    from ncps.torch import CfC

    if wiring == "ncp":
        return _seeded(lambda: CfC(INPUTS, wirings.NCP(12, 6, 1, 6, 4, 6, 6, seed=0)))
    return _seeded(lambda: CfC(INPUTS, 64, backbone_layers=1, backbone_units=128, backbone_dropout=0.0))


def sigmoids(rnn: wormnet.Recurrent, batch: int, steps: int, *, ways: int = 1) -> int:
    """How many sigmoids, tanhs and exps a call evaluates.

    An LTC's: of inputs' synapses once a sample, of neurons' in every sub-step, anew on the way back. A CfC's: two tanhs
    and a gate for each neuron, and its backbone's units, which the way back finds in the history.
    """
    if isinstance(rnn, wormnet.CfC):
        options = rnn.model.options
        return batch * steps * (3 * rnn.wiring.n_neurons + options["backbone_layers"] * options["backbone_units"])
    from_inputs = int((rnn.wiring.pre < rnn.n_inputs).sum())
    return ways * batch * steps * (from_inputs + rnn.model.options["unfolds"] * (rnn.wiring.n_synapses - from_inputs))


def sequences(layer: nn.Module, batch: int, steps: int, *, backward: bool) -> Callable[[], object]:
    """One call over a batch, and the way back unless it is forward only."""
    x = torch.randn(batch, steps, INPUTS, generator=torch.Generator().manual_seed(0))
    layer(x[:1, :1])[0].sum().backward()  # what a first call loads is not what a call costs

    def both() -> None:
        layer.zero_grad(set_to_none=True)
        layer(x)[0].sum().backward()

    def forward() -> None:
        with torch.no_grad():
            layer(x)

    return both if backward else forward


def beside(
    peer: Callable[[], nn.Module], batch: int, steps: int, *, backward: bool = True, standard: bool = False
) -> Runs:
    """Ours made from the peer's, the peer, and torch's recurrent layers of 64 units."""
    theirs = peer()
    ours = wormnet.from_ncps(theirs)
    theirs_y, ours_y = (one(torch.ones(2, 3, INPUTS))[0] for one in (theirs, ours))
    torch.testing.assert_close(ours_y, theirs_y, rtol=1e-3, atol=1e-4)
    layers = {"wormnet": ours, "ncps": theirs}
    if standard:
        layers["LSTM(64)"] = _seeded(lambda: nn.LSTM(INPUTS, 64, batch_first=True))
        layers["GRU(64)"] = _seeded(lambda: nn.GRU(INPUTS, 64, batch_first=True))
    return {name: sequences(layer, batch, steps, backward=backward) for name, layer in layers.items()}


def alone(name: str) -> Runs:
    """One sample after another, as in a control loop."""
    ours = wormnet.from_ncps(peer_ltc("ncp"))
    cell, lstm = _seeded(lambda: nn.LSTMCell(INPUTS, 64)), _seeded(lambda: nn.LSTM(INPUTS, 64, batch_first=True))
    stepper, x = ours.stepper(), np.ones(INPUTS, np.float32)
    row = torch.ones(1, INPUTS)

    def without_gradients(call: Callable[[Tensor], object], sample: Tensor) -> Callable[[], None]:
        def run() -> None:
            with torch.no_grad():
                call(sample)

        return run

    return {
        "wormnet": (lambda: stepper.step(x)) if name == "stepper" else without_gradients(ours.step, row),
        "LSTMCell(64)": without_gradients(cell, row),
        "LSTM(64)": without_gradients(lstm, row[None]),
    }


def random_layer(n: int) -> wormnet.LTC:
    """A random network of n synapses between neurons."""
    neurons = max(32, int(np.sqrt(n / 0.1)))
    chosen = np.random.default_rng(0).choice(neurons * neurons, n, replace=False)
    wiring = wormnet.Wiring(
        INPUTS, neurons, outputs=[0], pre=chosen % neurons + INPUTS, post=chosen // neurons + INPUTS
    )
    return _seeded(lambda: wormnet.LTC(wiring))  # pyright: ignore


def first_call() -> Runs:
    """A layer's first call in a new process whose code lies on the disk, without importing torch."""
    code = (
        "import time, torch, wormnet; rnn = wormnet.LTC(wormnet.auto_ncp(inputs=4, neurons=8, outputs=1));"
        "x = torch.zeros(2, 3, 4); a = time.perf_counter(); rnn(x)[0].sum().backward(); print(time.perf_counter() - a)"
    )

    def run() -> float:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        return float(done.stdout)

    return {"wormnet": run}


def _ltc(wiring: str, batch: int, steps: int, ways: int = BOTH_WAYS) -> Callable[[], int]:
    return lambda: sigmoids(wormnet.from_ncps(peer_ltc(wiring)), batch, steps, ways=ways)


def _cfc(wiring: str) -> Callable[[], int]:
    return lambda: sigmoids(wormnet.from_ncps(peer_cfc(wiring)), 64, 100)


def all_cases() -> dict[str, Case]:
    """By name, in the order of the table."""
    cases = [
        Case(
            "ltc-ncp",
            "LTC, NCP 12-6-1, 32 inputs, batch 64, 100 steps",
            lambda: beside(lambda: peer_ltc("ncp"), 64, 100, standard=True),
            sigmoids=_ltc("ncp", 64, 100),
        ),
        Case(
            "ltc-ncp-forward",
            "the same, forward only",
            lambda: beside(lambda: peer_ltc("ncp"), 64, 100, backward=False, standard=True),
            sigmoids=_ltc("ncp", 64, 100, 1),
        ),
        Case(
            "ltc-dense-64",
            "LTC, dense 64, batch 64, 100 steps",
            lambda: beside(lambda: peer_ltc("dense"), 64, 100),
            sigmoids=_ltc("dense", 64, 100),
        ),
        Case(
            "ltc-302",
            "LTC, 302 neurons, 3,700 synapses, batch 32, 10 steps",
            lambda: beside(lambda: peer_ltc("302"), 32, 10),
            sigmoids=_ltc("302", 32, 10),
            memory=("wormnet", "ncps"),
        ),
        Case(
            "ltc-302-forward",
            "the same, forward only",
            lambda: {"wormnet": sequences(wormnet.from_ncps(peer_ltc("302")), 32, 10, backward=False)},
            sigmoids=_ltc("302", 32, 10, 1),
        ),
        Case(
            "ltc-302-long",
            "LTC, 302 neurons, 3,700 synapses, batch 32, 100 steps",
            lambda: {"wormnet": sequences(wormnet.from_ncps(peer_ltc("302")), 32, 100, backward=True)},
            sigmoids=_ltc("302", 32, 100),
            memory=("wormnet",),
        ),
        Case(
            "cfc-ncp",
            "CfC, NCP 12-6-1, batch 64, 100 steps",
            lambda: beside(lambda: peer_cfc("ncp"), 64, 100, standard=True),
            sigmoids=_cfc("ncp"),
        ),
        Case(
            "cfc-dense",
            "CfC, dense 64, backbone of 128, batch 64, 100 steps",
            lambda: beside(lambda: peer_cfc("dense"), 64, 100, standard=True),
            gate=(f"{REFERENCE_TEST}::test_a_wide_backbone_is_computed_like_the_reference",),
            sigmoids=_cfc("dense"),
        ),
        Case(
            "stepper",
            "one sample, LTC on the NCP, rnn.stepper()",
            lambda: alone("stepper"),
            gate=("tests/engine/cpu/test_stepper.py",),
            sigmoids=_ltc("ncp", 1, 1, 1),
            calls=200,
        ),
        Case(
            "one-sample",
            "one sample, LTC on the NCP, the layer without gradients",
            lambda: alone("layer"),
            sigmoids=_ltc("ncp", 1, 1, 1),
            calls=50,
        ),
        Case("first-call", "first call in a new process, code on the disk", first_call),
    ]
    for n in (10**3, 10**4, 10**5, 10**6):
        steps = max(1, 30_000 // n)
        cases.append(
            Case(
                f"synapses-1e{len(str(n)) - 1}",
                f"LTC, {n:,} synapses, batch 32: time per synapse, sub-step and sequence",
                lambda n=n, steps=steps: {"wormnet": sequences(random_layer(n), 32, steps, backward=True)},
                sigmoids=lambda n=n, steps=steps: sigmoids(random_layer(n), 32, steps, ways=BOTH_WAYS),
                per=n * 6 * steps * 32,
            )
        )
    return {case.name: case for case in cases}


def ceiling() -> Callable[[], object]:
    """Sigmoids in a loop that stays in the cache, on all of torch's threads: 2^22 for each thread."""
    from wormnet.engine.cpu import LANES
    from wormnet.engine.cpu.compiled import kernel
    from wormnet.engine.cpu.elementary import sigmoid
    from wormnet.engine.cpu.lanes import load, store
    from wormnet.engine.cpu.threads import run_tasks

    @kernel
    def pure(x, y, times):
        for _ in range(times):
            for i in range(0, len(x), LANES):
                store(y, i, sigmoid(load(x, i)))

    threads = torch.get_num_threads()
    x = np.linspace(-3, 3, 4096, dtype=np.float32)
    y = np.empty((threads, 4096), np.float32)
    pure(x, y[0], 1)
    return lambda: run_tasks(threads, threads, lambda task, _: pure(x, y[task], 1024))


def seconds(run: Callable[[], object], calls: int) -> float:
    """Seconds for one call; a run that measures itself returns them."""
    start = time.perf_counter()
    for _ in range(calls):
        result = run()
    return result if isinstance(result, float) else (time.perf_counter() - start) / calls  # pyright: ignore
