"""Hand damaged files to every reader of wormnet, and tell of whatever is neither read nor refused by a WormnetError.

    python scripts/fuzz_readers.py --files 20000 --keep found
    python scripts/fuzz_readers.py --files 20000 --readers wiring.json layer

Valid files are damaged by flipped bits, cut ends, pieces left out, repeated and moved, tokens swapped and replaced,
numbers made huge, values of JSON exchanged, deep nesting and pieces of other files. File number i of a reader depends
on the seed and i alone, so that every finding can be made again. Each file is read in a child process that may take
1 GiB of addresses more than it had before; a file that takes more than 5 s of the processor, more memory or the process
itself is a finding. Exit status 1 if there are any.
"""

import argparse
import json
import mmap
import os
import random
import resource
import signal
import struct
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import torch
from damage import damaged

import wormnet
import wormnet.zoo
from wormnet.control import Policy, task
from wormnet.control.driver import Driver
from wormnet.errors import WormnetError
from wormnet.study import Plan
from wormnet.wiring import (
    CHEMICAL,
    CURRENT,
    GAP,
    Wiring,
    bnn,
    read_edges,
    tap,
    to_csv,
    to_graphml,
    to_json,
    to_networkx,
)
from wormnet.zoo.card import read as read_card

SECONDS, PATIENCE, MEMORY = 5.0, 30.0, 2**30
"""Of the processor, of the clock (others use the machine too), and bytes, for each file."""

FOREIGN = Path(__file__).parents[1] / "tests" / "wiring" / "foreign"

# -- readers and their valid files -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reader:
    """A reader: the ending of its files, valid ones, the call that reads one; framed: a header follows its length."""

    ending: str
    valid: list[bytes]
    read: Callable[[Path], Any]
    framed: bool = False
    only_json: bool = False
    """Whether damage that is no JSON any more would meet another reader than ours."""


WIRING = Wiring(
    ["touch", "in 1"],
    ["AVAL", "AVAR", "DA1", "日本"],
    roles=["inter", "command", "motor", "unknown"],
    outputs=["DA1", "AVAL"],
    layers=[0, 1, 2, 2],
    pre=[0, 1, 2, 2, 3, 4],
    post=[2, 2, 3, 3, 4, 5],
    kind=[CHEMICAL, CURRENT, CHEMICAL, GAP, CHEMICAL, CHEMICAL],
    sign=[1, 0, -1, 0, 1, 0],
    count=[1, 2.5, 1 / 3, 4, 7, 1e-300],
    source='a <paper> & "more", 1986',
)
ESCAPED = Wiring(0, ["\x01", "back\\slash"], pre=[0], post=[1])
BNN = b"""# a circuit
size 4
def strong 1.5
cm 1 0.2
gleak 1 strong
vleak 2 -65.5
const 3 -20
ex 0 1 strong 0.25
inh 1 2 .5
gj 0 3 2
gj 2 1 0.25
gj 1 2 0.25
"""
TABLE = b"""Source;Target;Type;Weight;Polarity
touch;AVAL;chemical;3;+
AVAL;"AVAR";gap junction;2;
AVAR;AVAL;EJ;2;
AVAR;DA1;send;7.5;inhibitory
"""
PLAN = b"""name = "mine"
datasets = ["digits"]
networks = ["ncp-ltc", "lstm-8"]
seeds = [0, 1, 2]
accelerator = "cpu"
[training]
epochs = 3
learning_rate = 1e-3
[training.digits]
optimiser = "adamw"
[tuning]
trials = 2
[tuning.space]
learning_rate = [0.001, 0.1]
[measures]
noise = [0.5]
drop = []
[data.digits]
"""


def graph_of(path: Path) -> Wiring | None:
    """A graph of networkx from its node-link JSON; what networkx does not take is not ours."""
    try:
        graph = nx.node_link_graph(json.loads(path.read_bytes()), edges="edges")
    except Exception:
        return None
    return wormnet.wiring.from_networkx(graph)


def foreign() -> list[bytes]:
    """Files that other programs wrote."""
    return [path.read_bytes() for path in sorted(FOREIGN.glob("*.graphml"))]


def layers() -> list[bytes]:
    """Layers as files."""
    torch.manual_seed(0)
    made = [
        wormnet.LTC(WIRING.lesion("DA1")),
        wormnet.CfC(wormnet.dense(2, 3), backbone_layers=1, backbone_units=4),
        wormnet.MixedMemory(wormnet.dense(2, 3), "ctrnn"),
        wormnet.WiredLinear(Wiring(2, 2, pre=[0, 1], post=[2, 3])),
    ]
    with tempfile.TemporaryDirectory() as folder:
        for i, layer in enumerate(made):
            wormnet.save(layer, Path(folder) / str(i))
        return [(Path(folder) / str(i)).read_bytes() for i in range(len(made))]


def written(made: list[Any]) -> list[bytes]:
    """What each of some objects writes as its file."""
    with tempfile.TemporaryDirectory() as folder:
        for i, one in enumerate(made):
            one.save(Path(folder) / str(i))
        return [(Path(folder) / str(i)).read_bytes() for i in range(len(made))]


def policies() -> list[Any]:
    """Of a circuit with maps, and of a layer."""
    torch.manual_seed(0)
    circuit = Policy(tap.tw_pure(), **task("inverted_pendulum").maps)
    return [circuit, Policy(wormnet.LTC(wormnet.dense(2, 3)), warmup=1)]


def drivers() -> list[Any]:
    """A small one."""
    torch.manual_seed(0)
    core = wormnet.LTC(wormnet.auto_ncp(inputs=8, neurons=5, outputs=1))
    return [Driver(core, rows=12, columns=40, filters=(2, 2, 2, 2, 2))]


def estimators() -> list[Any]:
    """Two cases are enough for a file."""
    x = np.linspace(-1, 1, 32, dtype=np.float32).reshape(4, 1, 8)
    own = wormnet.WormClassifier(network=wormnet.dense(1, 3), epochs=1, random_state=0, validation=0)
    return [own.fit(x, np.array(["a", "b", "a", "b"]))]


def cards() -> list[bytes]:
    """Those of the zoo."""
    return [path.read_bytes() for path in sorted((Path(wormnet.zoo.__file__).parent / "networks").glob("*.json"))]


def node_link(graph: nx.Graph) -> dict[str, Any]:
    """A graph as networkx writes it for JSON, whose edges older releases call links."""
    with warnings.catch_warnings(action="ignore"):
        made = nx.node_link_data(graph)
    return {"edges" if name == "links" else name: value for name, value in made.items()}


@cache
def readers() -> dict[str, Reader]:
    """All readers of files by name, with what they read before it is damaged."""
    graph = node_link(to_networkx(WIRING))
    plain = node_link(nx.Graph([(0, 1, {"Weight": 3}), (1, 2, {"Type": "EJ"})]))
    plan = json.dumps(Plan(["digits"], ["ncp-ltc", "lstm"], seeds=2).to_dict(), indent=1).encode()
    tables = [to_csv(WIRING.lesion("in 1")).encode(), TABLE]
    return {
        "wiring.json": Reader(".json", [to_json(WIRING).encode(), to_json(ESCAPED).encode()], wormnet.wiring.load),
        "graphml": Reader(
            ".graphml", [to_graphml(WIRING).encode(), to_graphml(ESCAPED).encode(), *foreign()], wormnet.wiring.load
        ),
        "networkx": Reader(".json", [json.dumps(one).encode() for one in (graph, plain)], graph_of, only_json=True),
        "edges": Reader(".csv", tables, read_edges),
        "bnn": Reader(".bnn", [BNN], bnn.read_bnn),
        "layer": Reader(".safetensors", layers(), wormnet.load, framed=True),
        "policy": Reader(".safetensors", written(policies()), Policy.load, framed=True),
        "driver": Reader(".safetensors", written(drivers()), Driver.load, framed=True),
        "estimator": Reader(".safetensors", written(estimators()), wormnet.WormClassifier.load, framed=True),
        "card": Reader(".json", cards(), read_card),
        "plan.toml": Reader(".toml", [PLAN], Plan.from_toml),
        "plan.json": Reader(".json", [plan], Plan.from_json),
    }


# -- one file, and many ------------------------------------------------------------------------------------------------


def attempt(reader: Reader, path: Path) -> tuple[bool, str]:
    """Whether the file was read, and what is wrong with how it was refused; "" if nothing is."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", UserWarning)  # names what was not read of a graph
            reader.read(path)
    except WormnetError as error:
        message = str(error)
        if not message.strip() or len(message) > 1200 or not _is_encodable(message):
            return False, f"{type(error).__name__} with a message of {len(message)} characters: {message[:100]!a}"
        return False, ""
    except BaseException as error:
        return False, f"{type(error).__module__}.{type(error).__name__}: {str(error)[:300]!a}"
    return True, ""


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


STATE = struct.Struct("qdqqdq")  # file, when it was begun, read, refused, slowest, most memory; shared with the child


def fuzz(name: str, reader: Reader, files: int, seed: int, keep: Path | None = None) -> tuple[list[str], str]:
    """Findings, a line each, and a line that sums up."""
    findings: list[str] = []
    begun = time.monotonic()
    state = mmap.mmap(-1, STATE.size)
    state[:] = STATE.pack(0, 0.0, 0, 0, 0.0, 0)
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "findings"
        told.touch()
        while (first := STATE.unpack(state[:])[0]) < files:
            child = os.fork()
            if not child:
                _read_all(name, reader, first, files, seed, state, Path(folder))
            ended = _watch(child, state)
            number, _, *rest = STATE.unpack(state[:])
            if ended:
                findings.append(f"{name} {number}: {ended}")
                state[:] = STATE.pack(number + 1, 0.0, *rest)
        findings += told.read_text().splitlines()
    _, _, read, refused, slowest, most = STATE.unpack(state[:])
    for number in {int(line.split()[1][:-1]) for line in findings} if keep else ():
        keep.mkdir(parents=True, exist_ok=True)
        (keep / f"{name}-{number}{reader.ending}").write_bytes(content(name, reader, number, seed))
    line = (
        f"{name}: {files} files, {read} read, {refused} refused, {len(findings)} findings; slowest {slowest:.2f} s, "
        f"most memory {most / 2**20:.0f} MiB more, {time.monotonic() - begun:.0f} s in all"
    )
    return findings, line


def content(name: str, reader: Reader, number: int, seed: int) -> bytes:
    """File number i of a reader."""
    draw = random.Random(f"{seed} {name} {number}")
    return damaged(draw, reader.valid, framed=reader.framed, only_json=reader.only_json)


def _watch(child: int, state: mmap.mmap) -> str:
    """Wait for the child; how it ended, if not well. One that reads a file for too long is ended."""
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            return f"the process ended with {code}" if code else ""
        begun = STATE.unpack(state[:])[1]
        if begun and time.monotonic() - begun > PATIENCE:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return f"took more than {PATIENCE:.0f} s"
        time.sleep(0.01)


def _read_all(name: str, reader: Reader, first: int, files: int, seed: int, state: mmap.mmap, folder: Path) -> None:
    """In the child: read the files from `first` on, and end."""
    path = folder / f"file{reader.ending}"
    path.write_bytes(reader.valid[0])
    attempt(reader, path)  # what is loaded once is no file's fault
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    _, _, read, refused, slowest, most = STATE.unpack(state[:])
    for number in range(first, files):
        path.write_bytes(content(name, reader, number, seed))
        state[:] = STATE.pack(number, time.monotonic(), read, refused, slowest, most)
        start = time.process_time()
        was_read, wrong = attempt(reader, path)
        took = time.process_time() - start
        if not wrong and took > SECONDS:
            wrong = f"took {took:.1f} s of the processor"
        if wrong:
            with (folder / "findings").open("a") as out:
                out.write(f"{name} {number}: {wrong}\n")
        read, refused = read + (was_read and not wrong), refused + (not was_read and not wrong)
        slowest = max(slowest, took)
        most = max(most, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
        state[:] = STATE.pack(number + 1, 0.0, read, refused, slowest, most)
    os._exit(0)


def main(arguments: list[str] | None = None) -> int:
    """Run it; 1 if there is a finding."""
    known = readers()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=20_000, help="of each reader")
    parser.add_argument("--readers", nargs="+", choices=list(known), default=list(known))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="a folder for the files of findings")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    n = 0
    for name in given.readers:
        findings, line = fuzz(name, known[name], given.files, given.seed, given.keep)
        n += len(findings)
        print(*findings, line, sep="\n", flush=True)
    return 1 if n else 0


if __name__ == "__main__":
    sys.exit(main())
