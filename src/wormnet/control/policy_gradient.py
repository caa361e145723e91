"""Proximal policy optimisation for any cell: whole sequences, several episodes in a row, no loop over samples."""

import contextlib
import math
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from wormnet.atomic import write_whole
from wormnet.control.agent import Agent, finite
from wormnet.control.cells import rows_of
from wormnet.control.worlds import maker_of
from wormnet.errors import ArgumentError, need, shown
from wormnet.models.spec import check_count

__all__ = ["PPO", "advantages", "evaluate", "only", "ppo"]


@dataclass(frozen=True)
class PPO:
    """How an agent learns; unless said otherwise as in docs/results/cartpole.md.

    Args:
        steps: of all environments together, in whole rollouts: no more of them, and at least one.
        environments: side by side.   length: of a rollout, in samples.
        epochs: passes over a rollout.   minibatches: parts of the environments that a pass is cut into.
        rate: learning rate of Adam at the start; it falls linearly to 0.   discount, trace: gamma and lambda.
        clip: of the ratio of probabilities.   entropy, value: weights in the loss.   gradient: largest norm.

    Source: Schulman et al. 2017, arXiv 1707.06347.
    """

    steps: int = 200_000
    environments: int = 16
    length: int = 128
    epochs: int = 10
    minibatches: int = 8
    rate: float = 5e-3
    discount: float = 0.99
    trace: float = 0.95
    clip: float = 0.2
    entropy: float = 0.0
    value: float = 0.5
    gradient: float = 0.5

    def __post_init__(self):
        for name in ("steps", "environments", "length", "epochs", "minibatches"):
            check_count(name, getattr(self, name), 1)
        if self.minibatches > self.environments:
            raise ArgumentError(
                f"minibatches is {self.minibatches}; whole sequences are dealt out, so it takes at most one for each "
                f"of the {self.environments} environments."
            )
        for names, low, high, takes in (
            (("discount", "trace"), 0.0, 1.0, "0 to 1"),
            (("rate", "clip", "gradient"), math.ulp(0.0), sys.float_info.max, "a number > 0"),
            (("entropy", "value"), 0.0, sys.float_info.max, "a number >= 0"),
        ):
            for name in names:
                given = getattr(self, name)
                if not low <= given <= high:
                    raise ArgumentError(f"{name} is {given!r}; it takes {takes}.")


def advantages(
    rewards: Any, values: Any, ends: Any, last: Any, *, discount: float, trace: float
) -> NDArray[np.float64]:
    """Generalised advantage estimates.

        A_t = sum_k (gamma lambda)^k delta_{t+k},   delta_t = r_t + gamma V_{t+1} - V_t,   within an episode

    Args:
        rewards, values, ends: (time, environments); `ends` where the episode is over after that sample.
        last: (environments,) value of the observation after the last sample.
    Source: Schulman et al. 2016, arXiv 1506.02438.

    >>> advantages([[1.0], [1.0]], [[0.0], [0.0]], [[False], [True]], [7.0], discount=0.5, trace=1.0).ravel()
    array([1.5, 1. ])
    """
    rewards, values, last = (np.asarray(one, np.float64) for one in (rewards, values, last))
    going = 1.0 - np.asarray(ends, np.float64)
    after = np.concatenate([values[1:], last[None]])
    found, running = np.zeros_like(values), np.zeros_like(last)
    for t in range(len(rewards) - 1, -1, -1):
        delta = rewards[t] + discount * going[t] * after[t] - values[t]
        running = delta + discount * trace * going[t] * running
        found[t] = running
    return found


class Rollout(NamedTuple):
    """What happened in `length` samples, tensors (environments, time, ...)."""

    observations: Tensor
    actions: Tensor
    log_odds: Tensor
    advantages: Tensor
    returns: Tensor
    starts: Tensor
    state: Any
    """Before the first sample."""

    def of(self, rows: Tensor) -> "Rollout":
        """What happened in some of the environments."""
        x, actions, log_odds, gain, returns, starts, state = self
        first = rows_of(state, rows)
        return Rollout(x[rows], actions[rows], log_odds[rows], gain[rows], returns[rows], starts[rows], first)


class Collector:
    """Vector environments and where the agent is in them."""

    def __init__(self, make: Callable[[], Any], agent: Agent, plan: PPO, seed: int):
        vector = need("gymnasium.vector", "gymnasium", "ppo", extra="control")
        self.agent, self.plan, self.state = agent, plan, None
        self.begins = np.ones(plan.environments, np.bool_)
        self.returns, self.finished = np.zeros(plan.environments), []
        self.environments = vector.SyncVectorEnv(
            [make] * plan.environments, autoreset_mode=vector.AutoresetMode.SAME_STEP
        )
        try:
            self._check()
            self.observed = finite(self.environments.reset(seed=seed)[0])
        except BaseException:
            self.environments.close()
            raise
        agent.observed.notice(self.observed)

    def _check(self) -> None:
        observations, actions = self.environments.single_observation_space, self.environments.single_action_space
        takes = self.agent.observed.mean.shape
        if observations.shape != tuple(takes):
            raise ArgumentError(
                f"the environment's observations are {observations}; the agent takes {takes[0]} numbers."
            )
        if actions != self.agent.space:
            raise ArgumentError(f"the environment's actions are {actions}; the agent's {self.agent.space}.")

    def collect(self) -> Rollout:
        """Let the agent act for one rollout."""
        plan, agent, first = self.plan, self.agent, self.state
        kept: dict[str, list[Any]] = {name: [] for name in ("x", "action", "odds", "value", "reward", "end", "start")}
        with torch.no_grad():
            for _ in range(plan.length):
                starts = torch.from_numpy(self.begins.copy())
                spread, value, state = agent(self.observed[:, None], self.state, starts[:, None])
                action = spread.sample()[:, 0]
                stepped = self.environments.step(agent.acted(action))
                observed, reward, terminated, truncated, info = stepped
                end = terminated | truncated
                self._count(reward, end)
                # An episode that was cut off goes on being worth what its last observation promises.
                cut = truncated & ~terminated
                if cut.any():
                    reward = reward + plan.discount * np.where(cut, self._promised(observed, info, cut, state), 0.0)
                odds = spread.log_prob(action[:, None])[:, 0]
                for one, row in zip(kept.values(), (self.observed, action, odds, value[:, 0], reward, end, starts)):
                    one.append(row)
                self.observed, self.state, self.begins = finite(observed), state, end
            last = agent(self.observed[:, None], self.state, torch.from_numpy(self.begins)[:, None])[1][:, 0]
        values = torch.stack(kept["value"]).double().numpy()
        gain = advantages(kept["reward"], values, kept["end"], last.numpy(), discount=plan.discount, trace=plan.trace)
        x, action, odds, starts = (torch.stack(kept[name], 1) for name in ("x", "action", "odds", "start"))
        dtype = odds.dtype
        worth = torch.from_numpy((gain + values).T.copy()).to(dtype)
        return Rollout(x, action, odds, torch.from_numpy(gain.T.copy()).to(dtype), worth, starts, first)

    def _count(self, reward: Any, end: Any) -> None:
        self.returns += reward
        self.finished += self.returns[end].tolist()
        self.returns[end] = 0.0

    def _promised(self, observed: Any, info: dict[str, Any], cut: Any, state: Any) -> NDArray[np.float64]:
        final = np.array(observed, np.float32)
        for i in np.flatnonzero(cut):
            final[i] = info["final_obs"][i]
        return self.agent(finite(final)[:, None], state)[1][:, 0].double().numpy()


def improve(agent: Agent, optimiser: torch.optim.Optimizer, rollout: Rollout, plan: PPO, rng: Any) -> dict[str, float]:
    """All passes over one rollout; the mean parts of the loss."""
    told: dict[str, list[float]] = {"policy_loss": [], "value_loss": [], "entropy": [], "clipped": []}
    # Over the whole rollout: a part in which nothing went wrong would have its noise magnified.
    gains = rollout.advantages - rollout.advantages.mean()
    rollout = rollout._replace(advantages=gains / (gains.std(correction=0) + 1e-8))
    for _ in range(plan.epochs):
        for rows in np.array_split(rng.permutation(plan.environments), plan.minibatches):
            part = rollout.of(torch.from_numpy(rows))
            spread, values, _ = agent(part.observations, part.state, part.starts)
            ratio = (spread.log_prob(part.actions) - part.log_odds).exp()
            within = ratio.clamp(1 - plan.clip, 1 + plan.clip)
            policy_loss = -torch.minimum(ratio * part.advantages, within * part.advantages).mean()
            value_loss = ((values - part.returns) / agent.returned.scale).square().mean()
            entropy = spread.entropy().mean()
            loss = policy_loss + plan.value * value_loss - plan.entropy * entropy
            if not math.isfinite(loss.item()):
                raise FloatingPointError(f"training diverged: the loss is {loss.item()}; a smaller rate may help.")
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(agent.parameters(), plan.gradient)
            optimiser.step()
            for name, one in zip(
                told, (policy_loss, value_loss, entropy, ((ratio - 1).abs() > plan.clip).float().mean())
            ):
                told[name].append(one.item())
    return {name: float(np.mean(values)) for name, values in told.items()}


def ppo(
    agent: Agent,
    env: str | Callable[[], Any],
    plan: PPO | None = None,
    *,
    seed: int = 0,
    log: str | os.PathLike[str] | None = None,
    board: str | os.PathLike[str] | None = None,
    told: Callable[[dict[str, float]], None] | None = None,
) -> list[dict[str, float]]:
    """Train an agent in environments of Gymnasium.

    Sequences are learned from as they happened: each row of a rollout is one sequence in which episodes begin where
    `starts` says so, from the state in which the agent was. The same seed gives the same result on the same machine.

    Args:
        env: an id of Gymnasium, or a function without arguments that makes an environment.
        log: a CSV file, written anew, and whole, after each rollout.
        board: a folder, in which TensorBoard finds the same numbers over steps.
        told: called with each row of the log.

    Returns: a row per rollout: steps, episodes, the mean return of the last 20 episodes, and parts of the loss.
    Raises: ArgumentError for an environment that does not fit the agent, or an observation that is not finite;
        WormnetError for a board without TensorBoard: pip install "wormnet[tensorboard]".

    >>> import gymnasium
    >>> agent = Agent(nn.LSTM(4, 8, batch_first=True), 4, gymnasium.spaces.Discrete(2))
    >>> plan = PPO(steps=64, environments=2, length=16, minibatches=2)
    >>> rows = ppo(agent, "CartPole-v1", plan)
    >>> [row["steps"] for row in rows]
    [32, 64]
    """
    _check_agent(agent)
    plan = plan or PPO()
    if board is not None:
        need("tensorboard", "TensorBoard", "a board", extra="tensorboard")
    rows: list[dict[str, float]] = []
    rng, world = np.random.default_rng(seed), Collector(_maker(env), agent, plan, seed)
    optimiser = torch.optim.Adam(agent.parameters(), lr=plan.rate, eps=1e-5, fused=True)
    updates = max(1, plan.steps // (plan.environments * plan.length))
    with contextlib.ExitStack() as after, torch.random.fork_rng(devices=[]):
        after.callback(world.environments.close)
        writer = None if board is None else after.enter_context(_board(board))
        torch.manual_seed(seed)
        for update in range(updates):
            optimiser.param_groups[0]["lr"] = plan.rate * (1 - update / updates)
            rollout = world.collect()
            agent.expect(rollout.returns)
            agent.feel(rollout.observations, rollout.state, rollout.starts)
            parts = improve(agent, optimiser, rollout, plan, rng)
            agent.observed.notice(rollout.observations)
            recent = world.finished[-20:]
            row = {
                "steps": (update + 1) * plan.environments * plan.length,
                "episodes": len(world.finished),
                "return": float(np.mean(recent)) if recent else math.nan,
            } | parts
            rows.append(row)
            if log is not None:
                write_whole(log, _csv(rows))
            if writer is not None:
                for name in list(row)[1:]:
                    writer.add_scalar(name, row[name], row["steps"])
            if told:
                told(row)
    return rows


def _board(folder: str | os.PathLike[str]) -> Any:
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(os.fspath(folder))


def _csv(rows: Sequence[dict[str, float]]) -> str:
    lines = [",".join(rows[0])] + [",".join(f"{value:.6g}" for value in row.values()) for row in rows]
    return "\n".join(lines) + "\n"


def _maker(env: Any) -> Callable[[], Any]:
    if isinstance(env, str):
        return maker_of(env)
    if not callable(env):
        raise ArgumentError(f"env is {shown(env)}; it takes an id of Gymnasium, or a function that makes one.")
    return env


def _check_agent(agent: Any) -> None:
    if not isinstance(agent, Agent):
        raise ArgumentError(f"agent is {shown(agent)}; it takes an Agent: Agent(layer, observations, action_space).")


def evaluate(
    agent: Agent, env: str | Callable[[], Any], *, episodes: int = 20, seed: int = 1_000_000
) -> NDArray[np.float64]:
    """(episodes,) returns of the agent's likeliest actions, all episodes side by side.

    Args:
        env: as for `ppo`.
        seed: of the first episode, the next of the second, and so on. `ppo` begins its first episodes with its own
            seed and those after it, so an agent that learned with seed=0 has seen those of 0, 1, ....
    """
    _check_agent(agent)
    make = _maker(env)
    worlds = [make() for _ in range(episodes)]
    try:
        now = [world.reset(seed=seed + i)[0] for i, world in enumerate(worlds)]
        total, going, state = np.zeros(episodes), np.ones(episodes, np.bool_), None
        while going.any():
            actions, state = agent.act(np.stack(now), state)
            for i in np.flatnonzero(going):
                now[i], reward, terminated, truncated, _ = worlds[i].step(actions[i])
                total[i] += reward
                going[i] = not (terminated or truncated)
        return total
    finally:
        for world in worlds:
            world.close()


def only(environment: Any, keep: Sequence[int]) -> Any:
    """An environment that shows some of its numbers alone: CartPole without velocities is `only(cartpole, [0, 2])`.

    >>> import gymnasium
    >>> only(gymnasium.make("CartPole-v1"), [0, 2]).reset(seed=0)[0].shape
    (2,)
    """
    gymnasium = need("gymnasium", "gymnasium", "this wrapper", extra="control")
    space, kept = environment.observation_space, list(keep)
    if not kept or min(kept) < 0 or max(kept) >= space.shape[0]:
        raise ArgumentError(f"keep is {kept}; it takes places of the {space.shape[0]} numbers of an observation.")
    seen = gymnasium.spaces.Box(space.low[kept], space.high[kept], dtype=space.dtype)
    return gymnasium.wrappers.TransformObservation(environment, lambda observation: observation[kept], seen)
