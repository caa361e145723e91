"""The whole worm
==============

The whole worm as a recurrent layer: 302 neurons, 3,709 synapses and 1,091 gap junctions learn to predict a runner.

The next state of a simulated runner (17 numbers) is to be told from those so far. Its state is injected into the
worm's sensory neurons, and a linear map reads the motor neurons. Beside it are trained: the same number of neurons and
synapses wired at random (every neuron keeps how many it sends and receives), and an LSTM with as many parameters.

    python examples/whole_worm.py [--quick]

It takes some minutes on two cores. One seed shows that the worm's wiring learns the task, not which wiring is better:
for that, give many seeds to `wormnet study`. The data (4 MB) is downloaded once; without a network, put the files of
halfcheetah into a folder and set WORMNET_DATA to the folder above it.
"""

import sys
import time

import torch
from torch import nn

import wormnet


class Standard(nn.Module):
    """An LSTM with a linear read-out."""

    def __init__(self, n: int, units: int):
        super().__init__()
        self.lstm, self.read_out = nn.LSTM(n, units, batch_first=True), nn.Linear(units, n)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, None]:
        """x (batch, time, n) -> (batch, time, n), and no state, as the worm's layers return one."""
        return self.read_out(self.lstm(x)[0]), None


def worm(n: int) -> wormnet.Wiring:
    """The connectome with n inputs, dealt over the sensory neurons in turn; its outputs are the motor neurons."""
    wiring = wormnet.connectome("cook2019")
    sensory = [name for name, role in zip(wiring.neurons, wiring.roles, strict=True) if role == "sensory"]
    return wiring.drive({f"state{i}": sensory[i::n] for i in range(n)}, sign=0)


def equal_lstm(n: int, parameters: int) -> Standard:
    """The largest LSTM with no more parameters than that."""
    units = 1
    while 4 * (n + units + 3) * (units + 1) + n * (units + 2) <= parameters:
        units += 1
    return Standard(n, units)


def train(network: nn.Module, data: wormnet.data.Dataset, epochs: int) -> float:
    """Mean squared error on the test recordings, after the epoch that was best on the validation recordings."""
    parts = [(torch.tensor(part.x), torch.tensor(part.y)) for part in (data.train, data.valid, data.test)]
    x, y = parts[0]
    mean, scale = x.mean((0, 1)), x.std((0, 1))

    def predict(x: torch.Tensor) -> torch.Tensor:
        return mean + scale * network((x - mean) / scale)[0]

    def error(x: torch.Tensor, y: torch.Tensor) -> float:
        with torch.no_grad():
            return float(torch.cat([(predict(a) - b) ** 2 for a, b in zip(x.split(128), y.split(128))]).mean())

    optimiser = torch.optim.Adam(network.parameters(), lr=0.005)
    found = []
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(32):
            loss = nn.functional.mse_loss(predict(x[rows]), y[rows]) / y.var()
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
        found.append((error(*parts[1]), error(*parts[2])))
    return min(found)[1]


def main(quick: bool) -> None:
    try:
        data = wormnet.data.load("halfcheetah")
    except wormnet.DataError as error:
        sys.exit(str(error))
    baselines = sorted(data.baselines.items(), key=lambda named: -named[1])
    if quick:
        data = wormnet.data.Dataset(data.name, *(part.take(slice(8)) for part in (data.train, data.valid, data.test)))
    n = data.n_inputs
    wiring = worm(n)
    rewired = next(wormnet.nulls(wiring, "rewire", 1, seed=0))
    torch.manual_seed(0)
    layers = {name: wormnet.LTC(its, proj_size=n) for name, its in (("worm", wiring), ("rewired worm", rewired))}
    size = sum(p.numel() for p in layers["worm"].parameters())
    networks = {**layers, "LSTM": equal_lstm(n, size)}
    backend = layers["worm"].backend
    fast = backend.name != "reference"
    epochs = 1 if quick else 15 if fast else 2
    print(f"{wiring}\nengine: {backend}\n{epochs} epochs of {len(data.train)} sequences\n")
    for name, score in baselines:
        print(f"{name:20} test MSE {score:.4f}")
    for name, network in networks.items():
        began = time.perf_counter()
        score = train(network, data, epochs)
        parameters = sum(p.numel() for p in network.parameters())
        print(
            f"{name:20} test MSE {score:.4f}   {parameters:,} parameters, {time.perf_counter() - began:.0f} s",
            flush=True,
        )


if __name__ == "__main__":
    main("--quick" in sys.argv)
