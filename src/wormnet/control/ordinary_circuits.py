"""The tap withdrawal circuit in the tasks of its paper, beside null circuits and plain networks of equal size.

Every run begins at a random start: a search by CMA-ES, or imitation of a teacher by gradient, each with the same budget
for all. Runs are recorded one by one, and those that a file holds are not run again.
"""

import itertools
import json
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from wormnet.atomic import make_folder, write_whole
from wormnet.control.imitation import imitate
from wormnet.control.plain import Lstm, Mlp
from wormnet.control.policy import Policy
from wormnet.control.searching import replay, search
from wormnet.control.tasks import task
from wormnet.errors import ArgumentError, DataError, WormnetError, unknown
from wormnet.paths import checked, printable, read_text
from wormnet.statistics import wilson_interval
from wormnet.wiring import nulls, tap
from wormnet.wiring.biophysics import Biophysical
from wormnet.wiring.circuits import tap_withdrawal
from wormnet.wiring.core import CHEMICAL, GAP, Wiring

__all__ = ["KINDS", "TEACHERS", "TESTS", "WAYS", "Test", "balance", "run", "swing", "table"]


@dataclass(frozen=True)
class Test:
    """A task as it is searched and judged.

    Attributes:
        task: a name of `TASKS`.   world: what is searched in.   target: the mean return there that counts as solved.
        needed: the mean return that it takes in the environment itself.   budget: vectors.
        episodes, worst: of the objective.   start, spread, candidates: of the search.
    """

    task: str
    world: str
    target: float
    needed: float
    budget: int
    episodes: int
    worst: int
    start: str
    spread: float
    candidates: int | None


TESTS = {
    "mountain_car": Test(
        "mountain_car", "MountainCarContinuous-v0 with progress", 140.0, 90.0, 640, 4, 2, "random", 0.25, 32
    ),
    "inverted_pendulum": Test(
        "inverted_pendulum", "InvertedPendulum-v5", 1000.0, 1000.0, 2500, 6, 3, "policy", 0.08, None
    ),
}
KINDS = ("worm", "rewired", "signs", "mlp", "lstm")
"""The circuit; another one of equal degrees for each start; the circuit with shuffled signs; plain networks."""
HIDDEN = {"mlp": 18, "lstm": 3}
"""Units that give 73 and 76 numbers; the circuit has 75."""
TRIAL, SAMPLES = 50, 500
"""Episodes of a trial; samples that a taught circuit takes in an episode at most."""
WAYS = ("search", "imitation")

GAIN = np.array([0.2519, 4.2526, 0.3930, 0.6842])
"""Of the linear-quadratic regulator of `InvertedPendulum` about its upright rest, with costs diag(1, 1, .1, .1) of a
state, which is place, angle and their speeds, and 10 of an action."""


def swing(seen: Any) -> Any:
    """A teacher of the mountain car: push where it moves, the harder the faster. It earns 94.5."""
    return np.clip(30.0 * seen[:, 1:2], -1.0, 1.0)


def balance(seen: Any) -> Any:
    """A teacher of the pendulum, which sees speeds too and can do no more than the circuit. It earns 1000."""
    return np.clip(seen @ GAIN[:, None], -0.3, 0.3)


TEACHERS = {"mountain_car": swing, "inverted_pendulum": balance}


def run(
    path: str | os.PathLike[str],
    *,
    tests: Iterable[str] = tuple(TESTS),
    kinds: Iterable[str] = KINDS,
    by: str = "search",
    starts: int = 12,
    seconds: float = float("inf"),
    keep: str | os.PathLike[str] | None = None,
    tell: Callable[[str], None] = print,
) -> list[dict[str, Any]]:
    """Run what the file lacks, start after start over all kinds, and return all rows.

    Args:
        path: a JSON file of rows.   seconds: begin no run after so many.
        by: "search", or "imitation" of `TEACHERS`, of which plain networks, which have no gradient here, are left out.
        keep: a folder for the circuits that are solved, TEST-KIND-START.safetensors as `Policy.save` writes, with
            "taught" before the start where they were; plain networks are not kept.
    Raises: ArgumentError for an unknown test or kind; DataError if the file holds something else.
    """
    tests, kinds = list(tests), list(kinds)
    for what, given, known in (("test", tests, TESTS), ("kind", kinds, KINDS), ("way", [by], WAYS)):
        for one in given:
            if one not in known:
                raise ArgumentError(unknown(what, one, known))
    rows, began = _read(path), time.monotonic()
    if by == "imitation":
        kinds = [one for one in kinds if one not in HIDDEN]
    done = {(row["test"], row["kind"], row.get("by", "search"), row["start"]) for row in rows}
    for start in range(starts):
        for name in tests:
            for kind in kinds:
                if (name, kind, by, start) in done or time.monotonic() - began > seconds:
                    continue
                row, policy = one_run(name, kind, start, by)
                if keep is not None and row["solved"] and isinstance(policy, Policy):
                    # Before the row, so that a run that is in the file is not missing here.
                    make_folder(keep)
                    policy.save(
                        checked(keep) / f"{name}-{kind}{'' if by == 'search' else '-taught'}-{start}.safetensors"
                    )
                rows = [*_read(path), row]
                write_whole(path, "[\n" + ",\n".join(json.dumps(one) for one in rows) + "\n]\n")
                took = f"{row['evaluations']} {'vectors' if by == 'search' else 'rounds'}"
                tell(f"{name} {kind} {start}: {'solved' if row['solved'] else 'not solved'} after {took}")
    return rows


def one_run(name: str, kind: str, start: int, by: str = "search") -> tuple[dict[str, Any], Any]:
    """One run: its row, and the policy that it found."""
    test = TESTS[name]
    policy, environment, began = _network(kind, test.task, start), task(test.task).environment, time.process_time()
    row: dict[str, Any] = {"test": name, "kind": kind, "by": by, "start": start}
    if by == "imitation":
        taught = imitate(
            policy, TEACHERS[name], environment, samples=SAMPLES, target=test.needed, trial=TRIAL, seed=start
        )
        found, spent = taught.policy, {"evaluations": len(taught.losses), "samples": taught.samples}
    else:
        searched = search(
            policy, test.world, start=test.start, spread=test.spread if kind not in HIDDEN else None,
            candidates=test.candidates, seed=start, target=test.target, budget=test.budget,
            episodes=test.episodes, worst=test.worst, trial=TRIAL,
        )  # fmt: skip
        found, spent = searched.policy, {"evaluations": int(searched.evaluations[-1]), "episodes": searched.episodes}
    seconds = round(time.process_time() - began, 2)
    earned = replay(found, environment, episodes=TRIAL, seed=1, exact=False)
    row |= {"solved": bool(earned.mean() >= test.needed), "mean": round(float(earned.mean()), 3)}
    row |= {"least": round(float(earned.min()), 3), **spent, "cpu_seconds": seconds}
    try:
        exact = round(float(replay(found, environment, episodes=5, seed=2).mean()), 3) if row["solved"] else None
    except WormnetError:  # no MuJoCo here
        exact = None
    return {**row, "numbers": policy.numbers.size, "gymnasium_mean_of_5": exact}, found


def table(rows: list[dict[str, Any]]) -> str:
    """A Markdown table: how many starts were solved, and after how many vectors of a search, or rounds of imitation."""
    lines = [
        "| test | network | by | numbers | starts | solved | 95 % interval | vectors or rounds until solved, median "
        "| CPU-s a run |"
    ]
    lines += ["|---|---|---|---|---|---|---|---|---|"]
    for name, by, kind in itertools.product(TESTS, WAYS, KINDS):
        some = [row for row in rows if (row["test"], row["kind"], row.get("by", "search")) == (name, kind, by)]
        if some:
            solved = [row["evaluations"] for row in some if row["solved"]]
            low, high = wilson_interval(len(solved), len(some))
            median = f"{np.median(solved):.0f}" if solved else "-"
            cost = np.mean([row["cpu_seconds"] for row in some])
            lines.append(
                f"| {name} | {kind} | {by} | {some[0]['numbers']} | {len(some)} | {len(solved)} "
                f"| {low:.0%} to {high:.0%} | {median} | {cost:.1f} |"
            )
    return "\n".join(lines) + "\n"


def _network(kind: str, of: str, start: int) -> Any:
    found = task(of)
    if kind in HIDDEN:
        scale = [one.high for one in found.sense]  # pyright: ignore[reportAttributeAccessIssue]
        size = found.move[0].high  # pyright: ignore[reportAttributeAccessIssue]
        made = {"mlp": Mlp, "lstm": Lstm}[kind]
        return made(HIDDEN[kind], found.observe or (), scale, found.observations, size, seed=start)
    wiring = tap_withdrawal()
    if kind != "worm":
        wiring = next(iter(nulls(wiring, {"rewired": "rewire", "signs": "signs"}[kind], 1, seed=start)))
    return Policy(random_circuit(wiring, start), **found.maps)


def random_circuit(wiring: Wiring, seed: int) -> Biophysical:
    """A circuit on a wiring with the signs of its synapses: conductances uniform between 0 and 2 S, as the published
    random circuits have them, and the published default membranes and slopes."""
    plain, rng = tap.tw_pure().values, np.random.default_rng(seed)
    like = {name: np.full(wiring.n_neurons, plain[name][0]) for name in ("capacitance", "leak", "v_leak")}
    sign = wiring.sign[wiring.of_kind(CHEMICAL)]
    like |= {name: np.full(len(sign), plain[name][0]) for name in ("slope", "midpoint")}
    like |= {"reversal": np.where(sign > 0, 0.0, -90.0), "conductance": rng.uniform(0.0, 2.0, len(sign))}
    like |= {"gap_conductance": rng.uniform(0.0, 2.0, len(wiring.of_kind(GAP)))}
    return Biophysical(wiring, like)


_KEYS = {"test", "kind", "start"}


def _read(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    if not checked(path).exists():
        return []
    try:
        rows = json.loads(read_text(path, 2**26))
    except (ValueError, RecursionError):
        rows = None
    if not isinstance(rows, list) or not all(isinstance(row, dict) and row.keys() >= _KEYS for row in rows):
        raise DataError(f"{printable(checked(path))} holds no rows of these runs; give another file.")
    return rows
