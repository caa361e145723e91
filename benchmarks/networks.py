"""What the cases run: our layers and their peers, made alike and called alike."""

import itertools
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import wormnet

INPUTS = 32

Runs = dict[str, Callable[[], object]]
"""What is timed, by name: "wormnet ..." is ours, the others are the peers."""


def seeded(make: Callable[[], nn.Module]) -> nn.Module:
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
    return seeded(lambda: LTC(INPUTS, made, batch_first=True))


def peer_cfc(wiring: str) -> nn.Module:
    """A CfC of ncps."""
    from ncps import wirings
    from ncps.torch import CfC

    if wiring == "ncp":
        return seeded(lambda: CfC(INPUTS, wirings.NCP(12, 6, 1, 6, 4, 6, 6, seed=0)))
    return seeded(lambda: CfC(INPUTS, 64, backbone_layers=1, backbone_units=128, backbone_dropout=0.0))


def sigmoids(rnn: wormnet.Recurrent, batch: int, steps: int, *, ways: int = 1) -> int:
    """How many sigmoids, tanhs and exps a call evaluates.

    An LTC's: of inputs' synapses once a sample, of neurons' in every sub-step, anew in the backward pass. A CfC's: two
    tanhs and a gate for each neuron, and its backbone's units, which the backward pass finds in the history.
    """
    if isinstance(rnn, wormnet.CfC):
        options = rnn.model.options
        return batch * steps * (3 * rnn.wiring.n_neurons + options["backbone_layers"] * options["backbone_units"])
    from_inputs = int((rnn.wiring.pre < rnn.n_inputs).sum())
    return ways * batch * steps * (from_inputs + rnn.model.options["unfolds"] * (rnn.wiring.n_synapses - from_inputs))


ALL, LAST, FORWARD = "all", "last", "forward"
"""What a call does: a training step with the loss on every output, on the last output only, or forward only."""


def sequences(
    layer: nn.Module, batch: int, steps: int, *, what: str = ALL, lengths: list[Tensor] | None = None
) -> Callable[[], object]:
    """One call over a batch; the lengths take turns."""
    given = itertools.cycle([{"lengths": one} for one in lengths] if lengths else [{}])
    x = torch.randn(batch, steps, INPUTS, generator=torch.Generator().manual_seed(0))
    layer(x[:1, :1])[0].sum().backward()  # what a first call loads is not what a call costs

    def train() -> None:
        layer.zero_grad(set_to_none=True)
        y = layer(x, **next(given))[0]
        (y[:, -1] if what == LAST else y).sum().backward()

    def forward() -> None:
        with torch.no_grad():
            layer(x, **next(given))

    return forward if what == FORWARD else train


def trained(layer: nn.Module, batch: int, steps: int) -> Runs:
    """A training step with the loss on every output, and on the last one only."""
    made = {"wormnet": ALL, "wormnet, last output": LAST}
    return {name: sequences(layer, batch, steps, what=what) for name, what in made.items()}


def lstm(units: int) -> nn.Module:
    """Torch's own, the peer that users think of."""
    return seeded(lambda: nn.LSTM(INPUTS, units, batch_first=True))


def beside(
    peer: Callable[[], nn.Module], batch: int, steps: int, *, backward: bool = True, standard: tuple[int, ...] = ()
) -> Runs:
    """Ours made from the peer's, the peer, and torch's recurrent layers of some numbers of units."""
    theirs = peer()
    ours = wormnet.from_ncps(theirs)
    theirs_y, ours_y = (one(torch.ones(2, 3, INPUTS))[0] for one in (theirs, ours))
    torch.testing.assert_close(ours_y, theirs_y, rtol=1e-3, atol=1e-4)
    layers = {"ncps": theirs} | {f"LSTM({units})": lstm(units) for units in standard}
    if standard:
        layers["GRU(64)"] = seeded(lambda: nn.GRU(INPUTS, 64, batch_first=True))
    what = ALL if backward else FORWARD
    runs = trained(ours, batch, steps) if backward else {"wormnet": sequences(ours, batch, steps, what=FORWARD)}
    return runs | {name: sequences(layer, batch, steps, what=what) for name, layer in layers.items()}


def ncp(**options: Any) -> wormnet.LTC:
    """An LTC on the NCP of most cases."""
    return seeded(lambda: wormnet.LTC(wormnet.from_ncps(peer_ltc("ncp")).wiring, **options))  # pyright: ignore


def mixed(model: str) -> Runs:
    """A layer with an LSTM cell in front, and an LSTM."""
    layer = seeded(lambda: wormnet.MixedMemory(ncp().wiring, model))
    return trained(layer, 64, 100) | {"LSTM(64)": sequences(lstm(64), 64, 100)}


def solver(name: str) -> Runs:
    """A solver beside the semi-implicit one, with as many sub-steps."""
    return {
        "wormnet": sequences(ncp(solver=name), 64, 100),
        "semi-implicit": sequences(ncp(), 64, 100),
    }


def lrc() -> Runs:
    """LRC beside LTC on one wiring, with as many sub-steps."""
    layer = seeded(lambda: wormnet.Recurrent(ncp().wiring, wormnet.models.LRC(unfolds=6)))
    return trained(layer, 64, 100) | {"LTC": sequences(ncp(), 64, 100)}


def padded(layer: Callable[[], nn.Module]) -> Runs:
    """Sequences whose mean length is half of the longest, as they come and sorted, and all of full length."""
    rng, network = np.random.default_rng(0), layer()
    # Of a batch that came shortly before, layers remember how it is laid out; those of an epoch are all new.
    lengths = [torch.from_numpy(rng.permutation(np.linspace(1, 100, 64).round().astype(np.int64))) for _ in range(99)]
    return {
        "wormnet": sequences(network, 64, 100, lengths=lengths),
        "sorted": sequences(network, 64, 100, lengths=[lengths[0].sort(descending=True).values]),
        "full batch": sequences(network, 64, 100),
    }


def vanishing(layer: Callable[[], nn.Module]) -> Runs:
    """The loss on the last of 150 outputs, whose gradients vanish over time, and on all of them."""
    network = layer()
    return {"wormnet": sequences(network, 64, 150, what=LAST), "all outputs": sequences(network, 64, 150)}


def fly() -> Runs:
    """As many neurons as a fruit fly's brain, with 5 million synapses."""
    wiring = wormnet.random(inputs=INPUTS, neurons=139_000, synapses=5_000_000, outputs=16)
    return {"wormnet": sequences(seeded(lambda: wormnet.LTC(wiring)), 16, 5)}


def alone(name: str) -> Runs:
    """One sample after another, as in a control loop."""
    ours = wormnet.from_ncps(peer_ltc("ncp"))
    cell, standard = seeded(lambda: nn.LSTMCell(INPUTS, 64)), lstm(64)
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
        "LSTM(64)": without_gradients(standard, row[None]),
    }


def random_layer(n: int) -> wormnet.LTC:
    """A random network of n synapses between neurons."""
    neurons = max(32, int(np.sqrt(n / 0.1)))
    chosen = np.random.default_rng(0).choice(neurons * neurons, n, replace=False)
    wiring = wormnet.Wiring(
        INPUTS, neurons, outputs=[0], pre=chosen % neurons + INPUTS, post=chosen // neurons + INPUTS
    )
    return seeded(lambda: wormnet.LTC(wiring))  # pyright: ignore


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
