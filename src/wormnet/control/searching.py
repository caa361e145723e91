"""Search of a policy's numbers by what it earns in an environment: reproducible, and it survives being killed."""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wormnet.atomic import write_whole
from wormnet.control.methods import Method, Scale, check_method
from wormnet.control.policy import Policy
from wormnet.control.policy_files import described
from wormnet.control.worlds import Env, episodes, prove_fit, seeds_of, world_of
from wormnet.errors import ArgumentError, DataError, need, shown
from wormnet.paths import checked, printable, read_text

__all__ = ["Search", "replay", "search", "worst_of"]

Array = NDArray[np.float64]
STARTS = ("policy", "random")
TRIAL, FINAL = 1, 2
"""What a seed's episodes are for, besides the search: a trial of what it found, and `replay`. None are the same."""


@dataclass(frozen=True, eq=False)
class Search:
    """What a search found.

    Attributes:
        policy: the best that was found, by the trial if there was one, else by the objective.
        objective: what it earned when it was found.
        solved: whether a trial reached `target`.   trial: the mean return of the last trial, NaN without one.
        evaluations: (generations,) how many vectors had been tried after each.
        best, mean: (generations,) the largest and the mean objective of each.
        episodes: how many were run.
    """

    policy: Any
    objective: float
    solved: bool
    trial: float
    evaluations: NDArray[np.int64]
    best: Array
    mean: Array
    episodes: int


def worst_of(returns: Array, worst: int) -> Array:
    """The published objective: the mean of the worst of a vector's returns.

    >>> worst_of(np.array([[3.0, 1.0, 2.0]]), 2)
    array([1.5])
    """
    return np.sort(returns, axis=-1)[..., :worst].mean(-1)


def replay(policy: Any, env: Env, *, episodes: int = 10, seed: int = 0, exact: bool = True) -> Array:
    """The returns (episodes,) of a policy in an environment.

    Args:
        policy: a `Policy`, or anything with `numbers`, `vector()` and `population(vectors, environments)`.
        env: a Gymnasium id, a subclass of `World`, or a function without arguments that makes an environment.
        seed: episode after episode is reset with a seed that follows from it.
        exact: run Gymnasium's own environment, also where `WORLDS` computes it; the same to 1e-6, but slower.

    Raises: ArgumentError if observations or actions do not fit, before anything moves.

    >>> from wormnet.control import Policy, task
    >>> from wormnet.wiring import tap
    >>> policy = Policy(tap.tw_pure(), **task("mountain_car").maps)
    >>> replay(policy, "MountainCarContinuous-v0", episodes=2, exact=False).shape
    (2,)
    """
    n = _count("episodes", episodes, 1)
    _count("seed", seed, 0)
    world = world_of(env, n, exact=exact)
    prove_fit(policy, world)
    return returns_of(policy, world, policy.vector()[None], seeds_of(seed, FINAL, n=n))[0]


def search(
    policy: Any,
    env: Env,
    method: str = "cma",
    *,
    episodes: int = 10,
    worst: int = 5,
    budget: int = 1000,
    candidates: int | None = None,
    start: str = "policy",
    spread: float | None = None,
    target: float | None = None,
    trial: int = 50,
    seed: int = 0,
    resume: str | os.PathLike[str] | None = None,
    workers: int = 1,
    told: Callable[[int, float, float], None] | None = None,
) -> Search:
    """Search the numbers of a policy that earn most.

        objective(theta) = mean of the `worst` lowest of `episodes` returns

    All vectors of a generation meet the same episodes, the next generation meets others.

    Args:
        policy: see `replay`; it is not changed.
        env: a Gymnasium id (`WORLDS` run fast), a subclass of `World`, or a function that makes an environment.
        method: "cma", "ars", or "filtered", as published.
        budget: how many vectors are tried, besides those of trials; the generation that reaches it is finished.
        candidates: of one generation; None for the method's own: 4 + 3 log K of "cma", 16 of "ars", 1 of "filtered".
        start: "policy", its own vector; "random", uniform within bounds, where a number has them.
        spread: of the first generation of "cma", as a share of the bounds; None for .08.
        target: stop as soon as the best of a generation earns so much in the mean of `trial` more episodes.
        seed: same seed, same search, whatever `workers` is.
        resume: a file that the search is written into as it goes, and goes on from if it is there. What was killed and
            goes on finds what an undisturbed search finds, to the bit.
        workers: processes that share the vectors of a generation.
        told: called after each generation with evaluations, best and mean.

    Raises: ArgumentError for other values, if the policy does not fit the environment, or a file is of another search;
        DataError if the file is damaged.
    Source: the objective, Hasani, Lechner, Amini, Rus & Grosu 2020, ICML.

    >>> from wormnet.control import Policy, World
    >>> import wormnet
    >>> class Home(World):  # be at 1
    ...     name, observations, actions, limit = "home", 1, 1, 5
    ...     def reset(self, seeds):
    ...         return np.zeros((self.rows, 1))
    ...     def step(self, action):
    ...         return np.zeros((self.rows, 1)), -abs(action[:, 0] - 1), np.zeros(self.rows, bool)
    >>> policy = Policy(wormnet.LTC(wormnet.dense(1, 1)))
    >>> found = search(policy, Home, episodes=1, worst=1, budget=80)
    >>> bool(found.objective > -0.5)
    True
    """
    options = {"episodes": _count("episodes", episodes, 1), "worst": _count("worst", worst, 1)}
    options |= {"candidates": candidates, "start": start, "target": target, "trial": _count("trial", trial, 1)}
    if worst > episodes:
        raise ArgumentError(f"worst is {worst} of {episodes} episodes; it takes {episodes} at most.")
    if not isinstance(start, str) or start not in STARTS:
        raise ArgumentError(f"start is {shown(start)}; it takes 'policy' or 'random'.")
    if target is not None and not (isinstance(target, (int, float, np.number)) and np.isfinite(target)):
        raise ArgumentError(f"target is {shown(target)}; it takes a finite number, or None.")
    if candidates is not None:
        _count("candidates", candidates, 2)
    _count("budget", budget, 1)
    world = world_of(env, episodes)
    prove_fit(policy, world)
    scale = Scale(*policy.bounds)
    first = policy.vector()
    if start == "random":
        drawn = scale.vectors(np.random.default_rng([_count("seed", seed, 0), 0]).uniform(size=len(first)))
        first = np.where(scale.bounded, drawn, first)
    more = {} if spread is None else {"spread": _share_of("spread", spread, method)}
    made: Any = check_method(method)
    way = made(first, scale, policy.numbers.blocks, candidates, _count("seed", seed, 0) + 1, **more)
    digest = hashlib.sha256(first.tobytes() + repr(policy.numbers.blocks).encode()).hexdigest()
    head = {"env": world.name, "method": method, "seed": seed, "policy": digest, "spread": spread, **options}
    if isinstance(policy, Policy):
        head["network"] = hashlib.sha256(described(policy).encode()).hexdigest()
    log = _Log(resume, head)
    with _Crew(policy, env, workers, episodes) as crew:
        return _run(policy, way, log, crew, budget, seed, worst, target, trial, told)


def _run(
    policy: Any, way: Method, log: "_Log", crew: "_Crew", budget: int, seed: int, worst: int, target: float | None,
    trial: int, told: Callable[[int, float, float], None] | None,
) -> Search:  # fmt: skip
    """Generation after generation; those that the log holds are told again, not run again."""
    champion, value, tried, solved, last, n_episodes = policy.vector(), -np.inf, 0, False, float("nan"), 0
    evaluations, best, mean = [], [], []
    while tried < budget and not solved:
        vectors, generation = way.ask(), len(best)
        entry = log.entry(generation)
        if entry is None:
            objective = worst_of(crew.returns(vectors, seeds_of(seed, 0, generation, n=crew.episodes)), worst)
            entry = {"objective": objective.tolist(), "trial": None}
            k = int(np.argmax(objective))
            if target is not None and objective[k] >= target:
                entry["trial"] = float(
                    crew.returns(vectors[k : k + 1], seeds_of(seed, TRIAL, generation, n=trial)).mean()
                )
            log.add(entry)
        objective = np.array(entry["objective"], np.float64)
        if objective.shape != (len(vectors),):
            raise DataError(f"{log.name} does not hold what this search tells of its generation {generation}.")
        k = int(np.argmax(objective))
        n_episodes += len(vectors) * crew.episodes
        if entry["trial"] is not None:
            last, n_episodes = entry["trial"], n_episodes + trial
            solved = last >= target  # pyright: ignore[reportOperatorIssue]
        if solved or objective[k] > value:
            champion, value = vectors[k].copy(), float(objective[k])
        way.tell(objective)
        tried += len(vectors)
        evaluations.append(tried)
        best.append(float(objective[k]))
        mean.append(float(objective.mean()))
        if told is not None:
            told(tried, best[-1], mean[-1])
    log.write()
    found = policy.with_vector(champion)
    curves = (np.array(evaluations, np.int64), np.array(best), np.array(mean))
    return Search(found, value, solved, last, *curves, n_episodes)


class _Log:
    """What the generations earned, in a file that is whole at any time."""

    def __init__(self, path: str | os.PathLike[str] | None, head: dict[str, Any]):
        self.path: Path | None = None if path is None else checked(path)
        self.name = "" if self.path is None else printable(self.path)
        self._head, self._entries, self._unwritten = head, [], 0
        if self.path is not None and self.path.exists():
            self._read(self.path)

    def _read(self, path: Path) -> None:
        try:
            held = json.loads(read_text(path, 2**28))
            head, self._entries = held["search"], list(held["generations"])
            for one in self._entries:
                np.array([*one["objective"], one["trial"] or 0.0], np.float64)
        except (ValueError, KeyError, TypeError, RecursionError):
            raise DataError(f"{self.name} holds no search; give another file, or delete it.") from None
        for key, value in self._head.items():
            # Files of before it was told have no network.
            if head.get(key, value if key == "network" else None) != value:
                told = f"{key} {shown(head.get(key))}, this one has {shown(value)}"
                if key in ("policy", "network"):  # digests, which tell a reader nothing
                    told = "other numbers to start from" if key == "policy" else "another wiring, other maps or options"
                raise ArgumentError(f"{self.name} is of a search with {told}; give it a file of its own.")

    def entry(self, generation: int) -> dict[str, Any] | None:
        return self._entries[generation] if generation < len(self._entries) else None

    def add(self, entry: dict[str, Any]) -> None:
        self._entries.append(entry)
        self._unwritten += 1
        # Rewritten whole, so ever more seldom, and never more than a tenth of the work behind.
        if self._unwritten * 10 >= len(self._entries):
            self.write()

    def write(self) -> None:
        if self.path is not None and self._unwritten:
            write_whole(self.path, json.dumps({"search": self._head, "generations": self._entries}) + "\n")
            self._unwritten = 0


class _Crew:
    """Who runs the episodes: this process, or some that share the vectors."""

    def __init__(self, policy: Any, env: Env, workers: int, episodes: int):
        self.policy, self.env, self.episodes = policy, env, episodes
        self.workers = _count("workers", workers, 1)
        self._worlds: dict[int, Any] = {}
        self._pool: Any = None

    def __enter__(self) -> "_Crew":
        if self.workers > 1:
            joblib = need("joblib", "joblib", "a search with workers", extra="control")
            self._pool = joblib.Parallel(n_jobs=self.workers)
            self._pool.__enter__()
            self._call = joblib.delayed(_share)
        return self

    def __exit__(self, *error: object) -> None:
        if self._pool is not None:
            self._pool.__exit__(*error)

    def returns(self, vectors: Array, seeds: Any) -> Array:
        """Returns (vectors, seeds)."""
        if self._pool is None:
            rows = len(vectors) * len(seeds)
            if rows not in self._worlds:
                self._worlds[rows] = world_of(self.env, rows)
            return returns_of(self.policy, self._worlds[rows], vectors, seeds)
        parts = [one for one in np.array_split(vectors, self.workers) if len(one)]
        return np.concatenate(self._pool(self._call(self.policy, self.env, part, seeds) for part in parts))


def _share(policy: Any, env: Env, vectors: Array, seeds: Any) -> Array:
    return returns_of(policy, world_of(env, len(vectors) * len(seeds)), vectors, seeds)


def returns_of(policy: Any, world: Any, vectors: Array, seeds: Any) -> Array:
    """What vectors of a policy's numbers earn in the episodes of seeds, (vectors, seeds); the world has a row for each.

    Raises: ArgumentError if the policy does not fit the environment.
    """
    prove_fit(policy, world)
    shape = (len(vectors), len(seeds))
    crowd = policy.population(*shape)
    crowd.set(vectors)
    return episodes(crowd.act, world, shape, seeds)


def _share_of(name: str, given: Any, method: str) -> float:
    number = isinstance(given, (int, float, np.number)) and not isinstance(given, bool)
    if method != "cma" or not number or not 0 < given <= 1:
        raise ArgumentError(
            f"{name} is {shown(given)} for {shown(method)}; it takes a share of 1, > 0, and is of 'cma'."
        )
    return float(given)


def _count(name: str, given: Any, least: int) -> int:
    if isinstance(given, bool) or not isinstance(given, (int, np.integer)) or given < least:
        raise ArgumentError(f"{name} is {shown(given)}; it takes a whole number, {least} or more.")
    return int(given)
