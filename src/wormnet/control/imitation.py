"""Teaching a policy by gradient: it acts, a teacher says what it would have done, and the policy learns that."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from wormnet.control.policy import Policy
from wormnet.control.searching import TRIAL, returns_of
from wormnet.control.worlds import Env, World, prove_fit, seeds_of, world_of
from wormnet.errors import ArgumentError, ShapeError, shown
from wormnet.models.spec import check_count

__all__ = ["Imitation", "imitate"]

Array = NDArray[Any]
Teacher = Callable[[Array], ArrayLike]
ROLLOUT = 7
"""What a seed's episodes are for, beside those of searches."""


@dataclass(frozen=True, eq=False)
class Imitation:
    """What imitation found.

    Attributes:
        policy: the one of the round with the largest return.
        solved: whether a round reached `target`.
        losses: (rounds,) mean loss of each.   returns: (rounds,) mean return of the policy after each.
        samples: how many observations the teacher was shown.
    """

    policy: Policy
    solved: bool
    losses: NDArray[np.float64]
    returns: NDArray[np.float64]
    samples: int


def imitate(
    policy: Policy,
    teacher: Teacher,
    env: Env,
    *,
    rounds: int = 20,
    episodes: int = 16,
    samples: int = 200,
    steps: int = 60,
    batch: int = 32,
    rate: float = 0.03,
    target: float | None = None,
    trial: int = 50,
    seed: int = 0,
    told: Callable[[int, float, float], None] | None = None,
) -> Imitation:
    """Teach a policy to do what a teacher does, by gradient through its network.

        minimise  mean (action(observations so far) - teacher(observation))^2 / max |teacher|^2

    In the first round the teacher acts, in all others the policy does; the teacher says of every observation what it
    would have done, and all rounds are learned from. So the policy meets its own mistakes. Numbers of a circuit stay
    within its bounds; projections of maps stay as they are. Where a motor neuron is at rest or saturated its action has
    no slope, and the gradient is that of the action without the limit.

    Args:
        policy: it is not changed.
        teacher: observations (n, observations) -> actions (n, actions). It may see what the policy does not.
        env: as `search` takes.
        rounds: at most.   episodes: of each round.   samples: of each episode, from its first.
        steps: of the optimiser in each round, Adam.   batch: episodes in a step.   rate: of learning.
        target: stop as soon as the mean return is so much of `trial` episodes, the same after each round, which
            `replay` has with no seed: what was found is judged by others than those it was chosen by.
        seed: same seed, same result.   told: called after each round with its number, loss and return.

    Raises: ArgumentError for other values, or if the policy does not fit the environment; ShapeError, ArgumentError for
        what a teacher says; FloatingPointError if the loss is not finite.
    Source: Ross, Gordon & Bagnell 2011, AISTATS, A Reduction of Imitation Learning and Structured Prediction to
        No-Regret Online Learning (DAgger).

    >>> from wormnet.control import Policy, task
    >>> from wormnet.wiring import tap
    >>> policy = Policy(tap.tw_pure(), **task("mountain_car").maps)
    >>> swing = lambda seen: np.clip(30 * seen[:, 1:], -1, 1)  # push where it moves
    >>> found = imitate(policy, swing, "MountainCarContinuous-v0", rounds=2, episodes=2, samples=20, steps=2, trial=1)
    >>> found.losses.shape, found.samples
    ((2,), 80)
    """
    counts = {"rounds": rounds, "episodes": episodes, "samples": samples, "steps": steps, "batch": batch}
    for name, n in {**counts, "trial": trial}.items():
        check_count(name, n, 1)
    check_count("seed", seed, 0)
    for name, one, least in (("rate", rate, 0.0), ("target", target, -math.inf)):
        if one is not None and not (_is_number(one) and least < one < math.inf):
            raise ArgumentError(f"{name} is {shown(one)}; it takes a finite number{' > 0' if name == 'rate' else ''}.")
    if not isinstance(policy, Policy):
        raise ArgumentError(f"policy is {shown(policy)}; it takes a Policy. Of a layer or a circuit it is Policy(...).")
    world, judge = world_of(env, episodes), world_of(env, trial)
    prove_fit(policy, world)
    tried = seeds_of(seed, TRIAL, n=trial)
    ends, numbers, student = policy.ends, policy.numbers, policy
    if ends.first is not None:
        raise ArgumentError("the policy ends in a Choice, through which no gradient passes; ppo or search teach it.")
    layer = numbers.as_layer(policy.vector(), trained=True)
    learned = [one for one in layer.parameters() if one.requires_grad]
    optimiser = torch.optim.Adam(learned, lr=rate)
    lessons: list[_Lesson] = []
    losses, returns, best, theta = [], [], policy.vector(), policy.vector()
    for number in range(rounds):
        seeds = seeds_of(seed, ROLLOUT, number, n=episodes)
        lessons.append(_watched(student if number else None, teacher, world, samples, seeds))
        felt, wanted, there = _taught(lessons, ends)
        largest = wanted.abs().max().clamp(min=1e-9)
        rng, total = np.random.default_rng([seed, number]), 0.0
        for _ in range(steps):
            rows = torch.from_numpy(rng.choice(len(felt), min(batch, len(felt)), replace=False))
            said = ends.numbers(layer(felt[rows], dt=ends.dt)[0][:, ends.warmup :], through=True)
            off = ((said - wanted[rows]).square().mean(-1) * there[rows]).sum() / (there[rows].sum() * largest**2)
            if not torch.isfinite(off):
                raise FloatingPointError(f"imitation diverged in round {number}: the loss is {off.item()}.")
            optimiser.zero_grad()
            off.backward()
            nn.utils.clip_grad_norm_(learned, 1.0)
            optimiser.step()
            theta = numbers.vector_of(layer)
            total += off.item() / steps
        student = policy.with_vector(theta)
        losses.append(total)
        returns.append(float(returns_of(policy, judge, theta[None], tried).mean()))
        if returns[-1] == max(returns):
            best = theta
        if told:
            told(number, losses[-1], returns[-1])
        if target is not None and returns[-1] >= target:
            break
    solved = target is not None and returns[-1] >= target
    shown_to = int(sum(one.there.sum() for one in lessons))
    return Imitation(policy.with_vector(best), solved, np.array(losses), np.array(returns), shown_to)


class _Lesson(NamedTuple):
    """A round: what was seen, what the teacher wanted, and which samples there were, (episodes, samples, ...)."""

    seen: Array
    wanted: Array
    there: NDArray[np.bool_]


def _watched(student: Policy | None, teacher: Teacher, world: World, samples: int, seeds: Array) -> _Lesson:
    """Episodes that the student acts in, or without one the teacher."""
    n = len(seeds)
    seen, running = world.reset(seeds), np.ones(n, bool)
    crowd = student.population(1, n) if student else None
    if student and crowd:
        crowd.set(student.vector()[None])
    kept, answers, there = (
        np.zeros((n, samples, *shape), kind)
        for shape, kind in (((world.observations,), float), ((world.actions,), float), ((), bool))
    )
    for t in range(min(samples, world.limit)):
        answer = _asked(teacher, seen, world.actions)
        kept[:, t], answers[:, t], there[:, t] = seen, answer, running
        seen, _, ended = world.step(crowd.act(seen[None])[0] if crowd else answer)
        running &= ~ended
        if not running.any():
            break
        seen = np.where(running[:, None], seen, 0.0)
    return _Lesson(kept, answers, there)


def _asked(teacher: Teacher, seen: Array, actions: int) -> Array:
    answer = np.asarray(teacher(seen.copy()), float)
    if answer.shape != (len(seen), actions):
        raise ShapeError(
            f"the teacher said an array of shape {answer.shape} of observations {seen.shape}; it takes "
            f"({len(seen)}, {actions})."
        )
    if not np.isfinite(answer).all():
        raise ArgumentError("the teacher said a number that is not finite.")
    return answer


def _taught(lessons: Sequence[_Lesson], ends: Any) -> tuple[Tensor, Tensor, Tensor]:
    """What the layer is given, what it is to do, and which samples count."""
    seen, wanted, there = (np.concatenate(part) for part in zip(*lessons))
    felt = np.stack([ends.felt(one) for one in seen])
    # Before it acts, a policy feels its first observation for some steps.
    felt = np.concatenate([felt[:, :1]] * ends.warmup + [felt], axis=1)
    felt, wanted, there = (torch.from_numpy(one.astype(np.float32)) for one in (felt, wanted, there))
    return felt, wanted, there


def _is_number(given: object) -> bool:
    return isinstance(given, (int, float, np.number)) and not isinstance(given, bool)
