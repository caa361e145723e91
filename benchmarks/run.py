"""Time wormnet beside its peers: python benchmarks/run.py [--case NAME ...] [--base REV] [--rounds N] [--quick].

Each case first runs its correctness tests, and is not timed while they fail. Then all networks of a case take turns
(A B C A B C ...), each timed right after an untimed run of its own, and what counts is the median over the rounds of
the ratio within a round: whatever else the machine does then hits both. With --base, the same case of another revision,
in a throw-away worktree, takes turns with this one, each in a process of its own. Prints a table in Markdown and writes
its numbers, with machine and commit, to benchmarks/results/; --table FILE prints the table of such a file.
"""

import argparse
import ctypes
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"


def main() -> None:
    """Read the command line and run."""
    arguments = _arguments()
    if arguments.table:
        print(table(json.loads(arguments.table.read_text())))
        return
    if arguments.worker:
        print(json.dumps(_worker(arguments)))
        return
    import torch

    torch.set_num_threads(arguments.threads)
    from cases import all_cases

    cases = all_cases()
    names = arguments.case or list(cases)
    if unknown := [name for name in names if name not in cases]:
        sys.exit(f"unknown case {unknown[0]!r}; known: {', '.join(cases)}.")
    record: dict[str, Any] = {"machine": _machine(arguments), "commit": _commit(ROOT), "cases": {}}
    passed: dict[tuple[str, ...], bool] = {}
    for name in names:
        case = cases[name]
        if case.gate not in passed:
            passed[case.gate] = arguments.ungated or _gate(case.gate)
        if not passed[case.gate]:
            print(f"{name}: not timed, {' '.join(case.gate)} fails", file=sys.stderr)
            record["cases"][name] = {"refused": list(case.gate)}
            continue
        record["cases"][name] = found = _measure(case, arguments)
        if arguments.base and not case.since:
            found["base"] = _against(arguments.base, name, arguments)
        print(_row(case, found), file=sys.stderr, flush=True)
        if not arguments.quick:
            _write(record)
    print(table(record))
    if not all(passed.values()):
        sys.exit(1)


def _write(record: dict[str, Any]) -> None:
    """After every case, since all of them take their time."""
    from wormnet.atomic import write_whole

    RESULTS.mkdir(exist_ok=True)
    threads = "" if record["machine"]["threads"] == os.cpu_count() else f"-threads-{record['machine']['threads']}"
    path = RESULTS / f"cpu-{record['commit'][:12]}{threads}.json"
    write_whole(path, json.dumps(record, indent=1) + "\n")
    print(f"written to {path.relative_to(ROOT)}", file=sys.stderr)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--case", nargs="+", help="only these")
    parser.add_argument("--base", metavar="REV", help="a revision to compare with")
    parser.add_argument("--table", metavar="FILE", type=Path, help="print the table of these results, time nothing")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--quick", action="store_true", help="three rounds, nothing written")
    parser.add_argument("--compiled", action="store_true", help="ncps under torch.compile too (minutes)")
    parser.add_argument("--ungated", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--worker", choices=("time", "memory"), help=argparse.SUPPRESS)
    parser.add_argument("--run", default="wormnet", help=argparse.SUPPRESS)
    given = parser.parse_args()
    given.rounds = 3 if given.quick else given.rounds
    return given


# -- measuring ---------------------------------------------------------------------------------------------------------


def _gate(tests: tuple[str, ...]) -> bool:
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stdout[-3000:], file=sys.stderr)
    return done.returncode == 0


def _measure(case: Any, arguments: argparse.Namespace) -> dict[str, Any]:
    import cases

    runs = case.build()
    refused = None
    if arguments.compiled and "ncps" in runs:
        try:
            runs["ncps compiled"] = _compiled(case)
        except Exception as error:  # whatever it is, it is the peer's own, and is told
            refused = f"{type(error).__name__}: {str(error).partition(chr(10))[0][:200]}"
    if case.sigmoids:
        runs["ceiling"] = cases.ceiling()
    for run in runs.values():
        for _ in range(2):
            cases.seconds(run, 1)
    times: dict[str, list[float]] = {name: [] for name in runs}
    slow: set[str] = set()
    for i in range(arguments.rounds):
        for name, run in runs.items():
            # A peer that takes seconds for a call takes part in five rounds.
            if name in slow and i >= 5:
                continue
            if name not in slow:
                cases.seconds(run, 1)  # what the run before left in the caches, and spinning on the cores, is not ours
            times[name].append(cases.seconds(run, case.calls))
            if times[name][-1] > 2:
                slow.add(name)
    found: dict[str, Any] = {"times": {name: _spread(all_of) for name, all_of in times.items()}}
    if refused:
        found["ncps compiled"] = refused
    ours = times["wormnet"]
    found["ratios"] = {
        name: statistics.median(other / own for own, other in zip(ours, theirs, strict=False))
        for name, theirs in times.items()
        if name not in ("wormnet", "ceiling")
    }
    found["bounds"] = {name: _kept_to(name, most, times) for name, most in case.bounds.items()}
    if case.sigmoids:
        import torch

        evaluated = 2**22 * torch.get_num_threads()
        count = case.sigmoids()
        shares = [count / own / (evaluated / top) for own, top in zip(ours, times["ceiling"], strict=True)]
        found["share of the sigmoid ceiling"] = statistics.median(shares)
        found["sigmoids per second, ceiling"] = evaluated / statistics.median(times["ceiling"])
    if case.per:
        found["nanoseconds per synapse, sub-step and sequence"] = statistics.median(ours) / case.per * 1e9
    if case.memory:
        apart = {name: _apart(case.name, arguments, name) for name in case.memory}
        found["memory"] = {name: one["bytes"] for name, one in apart.items()}
        found["memory to build"] = {name: one["built"] for name, one in apart.items()}
    return found


def _kept_to(name: str, most: float, times: dict[str, list[float]]) -> dict[str, Any]:
    """What share of a peer's time ours takes, round by round, and whether that is within its bound."""
    ours = times["wormnet"]
    shares = ours if name == "seconds" else [own / other for own, other in zip(ours, times[name], strict=True)]
    return {"most": most, **_spread(shares), "holds": statistics.median(shares) <= most}


def _compiled(case: Any) -> Any:
    """The peer under torch.compile; what it cannot compile it says."""
    import networks
    import torch

    peer = networks.peer_cfc if case.name.startswith("cfc") else networks.peer_ltc
    wiring = case.name.split("-")[1]
    module = torch.compile(peer(wiring))
    batch, steps = (32, 10) if wiring == "302" else (64, 100)
    what = networks.FORWARD if "forward" in case.name else networks.ALL
    run = networks.sequences(module, batch, steps, what=what)  # pyright: ignore
    run()
    return run


def _spread(times: list[float]) -> dict[str, Any]:
    low, _, high = (statistics.quantiles(times, n=4) if len(times) > 1 else times * 3)[:3]
    return {"median": statistics.median(times), "quartiles": [low, high], "best": min(times), "rounds": len(times)}


def _worker(arguments: argparse.Namespace) -> dict[str, Any]:
    """In a process of its own: seconds of a case's own run for every line that comes in, or its peak memory above that
    of the process before, and that of building it."""
    import torch

    torch.set_num_threads(arguments.threads)
    import cases

    case = cases.all_cases()[arguments.case[0]]
    if arguments.worker == "time":
        run = case.build()["wormnet"]
        cases.seconds(run, 1)
        print("ready", flush=True)
        for _ in sys.stdin:
            cases.seconds(run, 1)
            print(_least(lambda: cases.seconds(run, case.calls)), flush=True)
        return {}
    bare = _peak()
    runs = case.build()
    built = _peak() - bare
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")  # what building took is not what running takes
    before = _peak()
    cases.seconds(runs[arguments.run], 1)
    return {"bytes": _peak() - before, "built": built}


def _least(timed: Any) -> float:
    """The least of what a fifth of a second has room for, 3 to 25 times: of two processes only one is in the caches."""
    begun, found = time.perf_counter(), []
    while len(found) < 3 or (len(found) < 25 and time.perf_counter() - begun < 0.2):
        found.append(timed())
    return min(found)


def _peak() -> int:
    """Bytes. Linux hands ru_maxrss on to a new program, so there it is read from the program's own memory."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _command(case: str, what: str, tree: Path, arguments: argparse.Namespace, run: str) -> dict[str, Any]:
    words = [sys.executable, __file__, "--worker", what, "--case", case, "--run", run]
    words += ["--threads", str(arguments.threads)]
    return {"args": words, "env": {**os.environ, "PYTHONPATH": str(tree / "src")}, "text": True}


def _apart(case: str, arguments: argparse.Namespace, run: str) -> dict[str, Any]:
    done = subprocess.run(**_command(case, "memory", ROOT, arguments, run), capture_output=True, check=False)
    if done.returncode:
        sys.exit(f"{case}:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def _against(revision: str, case: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Two processes, this tree's and the revision's, that run in turns."""
    pairs = []
    with _worktree(revision) as tree:
        both = [
            subprocess.Popen(
                **_command(case, "time", one, arguments, "wormnet"), stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            for one in (ROOT, tree)
        ]
        for one in both:
            if one.stdout.readline() != "ready\n":
                sys.exit(f"{case} does not run in one of this tree and {revision}.")
        for _ in range(arguments.rounds):
            pairs.append([_asked(one) for one in both])
        for one in both:
            one.communicate()
    slower = [own / base for own, base in pairs]
    return {"revision": revision, "pairs": pairs, "most": 1.05, **_spread(slower)}


def _asked(process: Any) -> float:
    process.stdin.write("\n")
    process.stdin.flush()
    return float(process.stdout.readline())


@contextmanager
def _worktree(revision: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        subprocess.run(["git", "worktree", "add", "--detach", "-q", tree, revision], cwd=ROOT, check=True)
        try:
            yield tree
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", tree], cwd=ROOT, check=True)


# -- telling -----------------------------------------------------------------------------------------------------------


def _machine(arguments: argparse.Namespace) -> dict[str, Any]:
    import numba
    import torch

    info = Path("/proc/cpuinfo")
    names = (
        [line.split(":")[1].strip() for line in info.read_text().splitlines() if "model name" in line]
        if info.exists()
        else []
    )
    return {
        "cpu": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "threads": arguments.threads,
        "load before": os.getloadavg()[0],
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numba": numba.__version__,
        "date": time.strftime("%Y-%m-%d"),
    }


def _commit(tree: Path) -> str:
    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=tree, capture_output=True, text=True, check=False).stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "--", "src", "benchmarks/cases.py")
    return git("rev-parse", "HEAD") + ("+changes" if changed else "")


def _time(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def _size(size: float) -> str:
    return f"{size / 1e9:.3g} GB" if size >= 1e9 else f"{size / 1e6:.3g} MB"


def _row(case: Any, found: dict[str, Any]) -> str:
    if "refused" in found:
        return f"| {case.what} | refused: its tests fail | | | |"
    times, ratios = found["times"], found["ratios"]

    def peer(names: dict[str, str]) -> str:
        cells = [
            f"{shown}{_time(times[name]['median'])} ({ratios[name]:.3g}x)"
            for name, shown in names.items()
            if name in times
        ]
        return "<br>".join(cells)

    own = times["wormnet"]
    low, high = own["quartiles"]
    ours = f"{_time(own['median'])} ({_time(low)} - {_time(high)})"
    notes = []
    if "share of the sigmoid ceiling" in found:
        notes.append(f"{100 * found['share of the sigmoid ceiling']:.2g}% of the sigmoid ceiling")
    if case.per:
        notes.append(f"{found['nanoseconds per synapse, sub-step and sequence']:.3g} ns each")
    if "ncps compiled" in found:
        notes.append(f"ncps does not compile ({found['ncps compiled'].partition(':')[0]})")
    for name, size in found.get("memory", {}).items():
        notes.append(f"{name} {_size(size)}")
    for name, kept in found.get("bounds", {}).items():
        took = f"{_time(kept['median'])} of {_time(kept['most'])}"
        if name != "seconds":
            took = f"{kept['median']:.3g} ({kept['quartiles'][0]:.3g} - {kept['quartiles'][1]:.3g}) of {name}"
            took += f", at most {kept['most']:g}"
        notes.append(took + ("" if kept["holds"] else ": missed"))
    if "base" in found:
        base = found["base"]
        took = f"{base['median']:.3g} ({base['quartiles'][0]:.3g} - {base['quartiles'][1]:.3g})"
        notes.append(f"{took} of the time at {base['revision']}")
    ncps = peer({"ncps": "", "ncps compiled": "compiled "})
    ours_too = ("ncps", "ncps compiled", "wormnet", "ceiling")
    standard = peer({name: f"{name.removeprefix('wormnet, ')} " for name in times if name not in ours_too})
    return f"| {case.what} | {ours} | {ncps} | {standard} | {', '.join(notes)} |"


def table(record: dict[str, Any]) -> str:
    """What a file of results holds, in Markdown."""
    from cases import all_cases

    cases, machine = all_cases(), record["machine"]
    head = (
        "Forward and backward unless it says otherwise; median (quartiles) of our time, and how many times as "
        f"long the peers take. {machine['cpu']}, {machine['threads']} threads, torch {machine['torch']}, "
        f"commit {record['commit'][:12]}."
    )
    rows = [_row(cases[name], found) for name, found in record["cases"].items()]
    return "\n".join([head, "", "| case | wormnet | ncps 1.0.1 | others | |", "|---|---|---|---|---|", *rows])


if __name__ == "__main__":
    main()
