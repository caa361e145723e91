"""The frozen cases: who runs what. A case's numbers compare over the years only while it stays as it is."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from networks import (
    FORWARD,
    INPUTS,
    Runs,
    alone,
    beside,
    first_call,
    fly,
    lrc,
    mixed,
    ncp,
    padded,
    peer_cfc,
    peer_ltc,
    random_layer,
    seeded,
    sequences,
    sigmoids,
    solver,
    trained,
    vanishing,
)
from torch import nn

import wormnet

REFERENCE_TEST = "tests/engine/cpu/test_against_reference.py"
BOTH_WAYS = 2
"""A sigmoid of a synapse is computed forward and again in the backward pass."""


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
    bounds: dict[str, float] = field(default_factory=dict)
    """what share of another run's time ours may take; of "seconds", how many"""
    since: bool = False
    """whether an older revision cannot run it, so that there is none to compare with"""


def _ltc(wiring: str, batch: int, steps: int, ways: int = BOTH_WAYS) -> Callable[[], int]:
    return lambda: sigmoids(wormnet.from_ncps(peer_ltc(wiring)), batch, steps, ways=ways)


def _cfc(wiring: str) -> Callable[[], int]:
    return lambda: sigmoids(wormnet.from_ncps(peer_cfc(wiring)), 64, 100)


def _later_cases() -> list[Case]:
    """What layers could not do, or did on the reference engine, before one source ran on every engine."""
    found = [
        Case(
            f"mixed-{model}",
            f"{model.upper() if model == 'ltc' else 'CfC'} with mixed memory, NCP 12-6-1, batch 64, 100 steps",
            lambda model=model: mixed(model),
            bounds={"LSTM(64)": 1.0},
            since=True,
        )
        for model in ("ltc", "cfc")
    ]
    most = {"euler": 1.2, "exponential_euler": 1.5, "rk4": 4.5, "exponential_midpoint": None}
    for name, bound in most.items():
        found.append(
            Case(
                f"solver-{name.replace('_', '-')}",
                f"LTC, NCP 12-6-1, solver {name}, beside semi-implicit",
                lambda name=name: solver(name),
                bounds={} if bound is None else {"semi-implicit": bound},
                since=True,
            )
        )
    found.append(Case("lrc-ncp", "LRC, NCP 12-6-1, batch 64, 100 steps", lrc, bounds={"LTC": 1.5}, since=True))
    layers: dict[str, tuple[str, Callable[[], nn.Module]]] = {
        "ltc": ("LTC, NCP 12-6-1", lambda: wormnet.from_ncps(peer_ltc("ncp"))),
        "cfc": ("CfC, NCP 12-6-1", lambda: wormnet.from_ncps(peer_cfc("ncp"))),
        "cfc-dense": ("CfC, dense 64, backbone of 128", lambda: wormnet.from_ncps(peer_cfc("dense"))),
        "ctrnn": ("CT-RNN, NCP 12-6-1", lambda: seeded(lambda: wormnet.CTRNN(ncp().wiring))),
        "auto-ncp-64": (
            "LTC, auto_ncp of 64",
            lambda: seeded(lambda: wormnet.LTC(wormnet.auto_ncp(inputs=INPUTS, neurons=64, outputs=8, seed=0))),
        ),
    }
    for name in ("ltc", "cfc", "cfc-dense"):
        what, layer = layers[name]
        found.append(
            Case(
                f"padded-{name}",
                f"{what}, lengths of 1 to 100, half of 100 in the mean",
                lambda layer=layer: padded(layer),
                bounds={"full batch": 0.65},
            )
        )
    for name in ("auto-ncp-64", "cfc", "cfc-dense", "ctrnn"):
        what, layer = layers[name]
        found.append(
            Case(
                f"vanishing-{name}",
                f"{what}, batch 64, 150 steps, loss on the last output",
                lambda layer=layer: vanishing(layer),
                bounds={"all outputs": 1.05},
            )
        )
    found.append(
        Case("fly", "LTC, 139,000 neurons, 5 million synapses, batch 16, 5 steps", fly, memory=("wormnet",), since=True)
    )
    return found


def all_cases() -> dict[str, Case]:
    """By name, in the order of the table."""
    cases = [
        Case(
            "ltc-ncp",
            "LTC, NCP 12-6-1, 32 inputs, batch 64, 100 steps",
            lambda: beside(lambda: peer_ltc("ncp"), 64, 100, standard=(64, 19)),
            sigmoids=_ltc("ncp", 64, 100),
            bounds={"LSTM(64)": 1.0, "LSTM(19)": 1.0},
        ),
        Case(
            "ltc-ncp-forward",
            "the same, forward only",
            lambda: beside(lambda: peer_ltc("ncp"), 64, 100, backward=False, standard=(64, 19)),
            sigmoids=_ltc("ncp", 64, 100, 1),
            bounds={"LSTM(64)": 0.8},
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
            lambda: {"wormnet": sequences(wormnet.from_ncps(peer_ltc("302")), 32, 10, what=FORWARD)},
            sigmoids=_ltc("302", 32, 10, 1),
        ),
        Case(
            "ltc-302-long",
            "LTC, 302 neurons, 3,700 synapses, batch 32, 100 steps",
            lambda: trained(wormnet.from_ncps(peer_ltc("302")), 32, 100),
            sigmoids=_ltc("302", 32, 100),
            memory=("wormnet",),
        ),
        Case(
            "cfc-ncp",
            "CfC, NCP 12-6-1, batch 64, 100 steps",
            lambda: beside(lambda: peer_cfc("ncp"), 64, 100, standard=(64, 19)),
            sigmoids=_cfc("ncp"),
        ),
        Case(
            "cfc-dense",
            "CfC, dense 64, backbone of 128, batch 64, 100 steps",
            lambda: beside(lambda: peer_cfc("dense"), 64, 100, standard=(64,)),
            bounds={"LSTM(64)": 1.0},
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
        Case("first-call", "first call in a new process, code on the disk", first_call, bounds={"seconds": 0.5}),
        *_later_cases(),
    ]
    for n in (10**3, 10**4, 10**5, 10**6):
        steps = max(1, 30_000 // n)
        cases.append(
            Case(
                f"synapses-1e{len(str(n)) - 1}",
                f"LTC, {n:,} synapses, batch 32: time per synapse, sub-step and sequence",
                lambda n=n, steps=steps: {"wormnet": sequences(random_layer(n), 32, steps)},
                sigmoids=lambda n=n, steps=steps: sigmoids(random_layer(n), 32, steps, ways=BOTH_WAYS),
                per=n * 6 * steps * 32,
            )
        )
    return {case.name: case for case in cases}


def ceiling() -> Callable[[], object]:
    """Sigmoids in a loop that stays in the cache, on all of torch's threads: 2^22 for each thread."""
    from wormnet.engine.cpu import LANES
    from wormnet.engine.cpu.compiled import inlined
    from wormnet.engine.cpu.elementary import sigmoid
    from wormnet.engine.cpu.lanes import load, store
    from wormnet.engine.cpu.team import team_kernel
    from wormnet.engine.cpu.threads import run_team, words_of

    @inlined
    def pure(arrays, numbers, task, worker):
        x, y = arrays
        for _ in range(numbers[0]):
            for i in range(0, len(x), LANES):
                store(y, task * len(x) + i, sigmoid(load(x, i)))

    threads = torch.get_num_threads()
    x, y = torch.linspace(-3, 3, 4096), torch.empty(threads, 4096)
    address = team_kernel("sigmoid_ceiling", pure, ("f", "f"), 1, "f").address
    return lambda: run_team(address, words_of(threads, threads, [x, y], [1024]), threads)


def seconds(run: Callable[[], object], calls: int) -> float:
    """Seconds for one call; a run that measures itself returns them."""
    start = time.perf_counter()
    for _ in range(calls):
        result = run()
    return result if isinstance(result, float) else (time.perf_counter() - start) / calls  # pyright: ignore
