"""Time the Triton kernels on a CUDA device beside ncps and cuDNN's LSTM: python benchmarks/gpu.py [--quick].

A case is a batch of 256 sequences of 1000 samples, forward and backward. The contract of the kernels runs first, and
nothing is timed while it fails. Runs of all networks alternate (A B C A B C ...), after warm-up, and the clock is the
device's own, read after it has finished. The LTC of ncps runs a tenth of the samples, since it keeps tensors of
(batch, neurons, neurons) for every sub-step; its row says so.
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

import wormnet

ROOT = Path(__file__).parents[1]
INPUTS = 32


@dataclass(frozen=True)
class Case:
    """A network and its peer, and how much of them to run."""

    name: str
    ours: Callable[[], torch.nn.Module]
    peer: Callable[[], torch.nn.Module]
    batch: int = 256
    time: int = 1000
    peer_time: int = 1000


def _ncp() -> wormnet.Wiring:
    return wormnet.ncp(
        inputs=INPUTS,
        inter=12,
        command=6,
        motor=1,
        sensory_fanout=6,
        inter_fanout=4,
        recurrent_command=4,
        motor_fanin=4,
    )


def _worm() -> wormnet.Wiring:
    return wormnet.random(inputs=INPUTS, neurons=302, outputs=1, sparsity=1 - 3700 / (302 * (INPUTS + 302)))


def _ours(wiring: wormnet.Wiring) -> torch.nn.Module:
    return wormnet.LTC(wiring, backend="gpu", device="cuda")


def _peer(wiring: wormnet.Wiring) -> torch.nn.Module:
    """The same number of inputs, neurons and synapses in ncps: its cost does not depend on which."""
    from ncps.torch import LTC
    from ncps.wirings import Random

    n = wiring.n_neurons
    return LTC(INPUTS, Random(n, 1, sparsity_level=1 - 3700 / n**2 if n > 100 else 0.8))


def _our_cfc() -> torch.nn.Module:
    wiring = wormnet.dense(INPUTS, 64)
    return wormnet.CfC(wiring, backbone_layers=1, backbone_units=128, backend="gpu", device="cuda")


def _peer_cfc() -> torch.nn.Module:
    from ncps.torch import CfC

    return CfC(INPUTS, 64, backbone_layers=1, backbone_units=128, backbone_dropout=0.0)


CASES = (
    Case("ncp-12-6-1", lambda: _ours(_ncp()), lambda: _peer(_ncp()), peer_time=100),
    Case("302-neurons-3700-synapses", lambda: _ours(_worm()), lambda: _peer(_worm()), peer_time=100),
    Case("cfc-dense-64-backbone-128", _our_cfc, _peer_cfc),
)


def _training_step(network: torch.nn.Module, x: Tensor) -> Callable[[], None]:
    def step() -> None:
        network.zero_grad(set_to_none=True)
        network(x)[0].sum().backward()

    return step


def _milliseconds(step: Callable[[], None]) -> float:
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    start.record()
    step()
    end.record()
    torch.cuda.synchronize()
    return start.elapsed_time(end)


def measure(case: Case, runs: int) -> list[dict[str, object]]:
    """One row for each network: median, least and most milliseconds, and the peak of memory in bytes."""
    torch.manual_seed(0)
    networks = {
        "wormnet": (case.ours(), case.time),
        "cudnn-lstm-64": (torch.nn.LSTM(INPUTS, 64, batch_first=True).cuda(), case.time),
        "ncps": (case.peer().cuda(), case.peer_time),
    }
    x = torch.randn(case.batch, case.time, INPUTS, device="cuda")
    steps = {name: _training_step(network, x[:, :time].contiguous()) for name, (network, time) in networks.items()}
    peaks, times = {}, {name: [] for name in steps}
    for name, step in steps.items():
        for _ in range(2):
            step()
        torch.cuda.reset_peak_memory_stats()
        step()
        peaks[name] = torch.cuda.max_memory_allocated()
    for _ in range(runs):
        for name, step in steps.items():
            times[name].append(_milliseconds(step))
    return [
        {
            "case": case.name,
            "network": name,
            "batch": case.batch,
            "time": networks[name][1],
            "median_ms": statistics.median(found),
            "least_ms": min(found),
            "most_ms": max(found),
            "peak_bytes": peaks[name],
        }
        for name, found in times.items()
    ]


def _contract_holds() -> bool:
    files = [str(file) for file in sorted((ROOT / "tests" / "engine" / "gpu").glob("test_contract*.py"))]
    command = [sys.executable, "-m", "pytest", "-q", "-x", *files]
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=11, help="timed runs of each network")
    parser.add_argument("--quick", action="store_true", help="a tenth of the samples and three runs")
    parser.add_argument("--out", type=Path, help="a JSON file for the rows")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        print("There is no CUDA device, so nothing can be timed.", file=sys.stderr)
        return 1
    if not _contract_holds():
        print("The kernels' contract fails, so nothing is timed.", file=sys.stderr)
        return 1
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True)
    rows = []
    for case in CASES:
        shorter = {"time": case.time // 10, "peer_time": case.peer_time // 10}
        chosen = replace(case, **shorter) if options.quick else case
        for row in measure(chosen, 3 if options.quick else options.runs):
            rows.append(row)
            print("{case:28} {network:14} {time:5} samples {median_ms:10.2f} ms".format(**row), flush=True)
    found = {"device": torch.cuda.get_device_name(), "torch": torch.__version__, "commit": commit.stdout.strip()}
    if options.out:
        options.out.write_text(json.dumps({**found, "rows": rows}, indent=1) + "\n")
    print(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
