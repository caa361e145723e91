"""PPO on CartPole, with and without velocities: how far each cell comes within a budget of steps.

    python benchmarks/cartpole.py --seeds 5 --out docs/results/cartpole            # trains what is not there yet
    python benchmarks/cartpole.py --out docs/results/cartpole --report             # prints the table, draws the curves

Each run leaves a log (CSV: steps, the mean return of the last 20 episodes), of a layer the policy that it became
(safetensors) and, when it is over, its record (JSON); runs that have one are not repeated. All cells learn by the same
plan. `ncp-ltc-rewired` has the circuit's synapses rewired, each cell keeping how many it sends and receives. `sb3-mlp`
and `sb3-lstm` are PPO of stable-baselines3 and RecurrentPPO of sb3-contrib with the settings of rl-baselines3-zoo:
`pip install sb3-contrib`.
"""

import argparse
import csv
import json
import time
from pathlib import Path

import gymnasium
import numpy as np
import torch
from torch import nn

import wormnet
from wormnet.atomic import make_folder, write_whole
from wormnet.control import PPO, Agent, ppo
from wormnet.control.cells import Memoryless
from wormnet.control.policy_gradient import evaluate, only

NEURONS, GOAL = 24, 450
WHOLE, PLACES = [0, 1, 2, 3], [0, 2]
PLAN = PPO()
CELLS = {
    "ncp-ltc": (PLACES, lambda seed: ltc(policy(seed))),
    "ncp-ltc-rewired": (PLACES, lambda seed: ltc(wormnet.wiring.rewire(policy(seed), seed))),
    "ncp-cfc": (PLACES, lambda seed: wormnet.CfC(policy(seed))),
    "lstm": (PLACES, lambda seed: nn.LSTM(2, NEURONS, batch_first=True)),
    "memoryless": (PLACES, lambda seed: Memoryless(2, 64)),
    "mlp": (WHOLE, lambda seed: Memoryless(4, 64)),
}
PEERS = {"sb3-lstm": PLACES, "sb3-mlp": WHOLE}


def policy(seed):
    """A neural circuit policy; the agent's two linear maps read all of its neurons."""
    wiring = wormnet.auto_ncp(inputs=2, neurons=NEURONS, outputs=2, seed=seed)
    return wiring.read_out(*wiring.neurons)


def ltc(wiring):
    """Slower than the published start, and with the mean observation amid the synapses' midpoints."""
    core = wormnet.LTC(wiring, time_constants=(0.1, 2.0))
    core.set_values(input_scale=2.0, input_shift=0.5)
    return core


def maker(shown):
    return lambda: only(gymnasium.make("CartPole-v1", disable_env_checker=True), shown)


def ours(name, seed, steps, log):
    shown, core = CELLS[name]
    torch.manual_seed(seed)
    agent = Agent(core(seed), len(shown), gymnasium.spaces.Discrete(2))
    plan = PPO(**{**vars(PLAN), "steps": steps})
    rows = ppo(agent, maker(shown), plan, seed=seed)
    write_log(log, [(row["steps"], row["return"]) for row in rows])
    if isinstance(agent.core, wormnet.Recurrent):
        agent.to_policy(observe=shown, observations=len(WHOLE)).save(log.with_suffix(".safetensors"))
    return agent, evaluate(agent, maker(shown), episodes=100)


def peer(name, seed, steps, log):
    """The zoo's settings for CartPole-v1 and CartPoleNoVel-v1; observations and units as in its published agent."""
    from sb3_contrib import RecurrentPPO
    from stable_baselines3 import PPO as PlainPPO
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.env_util import make_vec_env
    from stable_baselines3.common.evaluation import evaluate_policy
    from stable_baselines3.common.vec_env import VecNormalize

    class Log(BaseCallback):
        def __init__(self):
            super().__init__()
            self.rows, self.finished = [], []

        def _on_step(self):
            self.finished += [info["episode"]["r"] for info in self.locals["infos"] if "episode" in info]
            return True

        def _on_rollout_end(self):
            self.rows.append((self.num_timesteps, float(np.mean(self.finished[-20:] or [np.nan]))))

    def falling(start):
        return lambda left: start * left

    envs = VecNormalize(make_vec_env(maker(PEERS[name]), 8, seed=seed), norm_reward=False)
    settings = {
        "n_steps": 32,
        "batch_size": 256,
        "gae_lambda": 0.8,
        "gamma": 0.98,
        "n_epochs": 20,
        "ent_coef": 0.0,
        "learning_rate": falling(1e-3),
        "clip_range": falling(0.2),
        "seed": seed,
        "device": "cpu",
    }
    if name == "sb3-lstm":
        net = {"lstm_hidden_size": 64, "net_arch": {"pi": [64], "vf": [64]}, "activation_fn": nn.ReLU}
        model = RecurrentPPO("MlpLstmPolicy", envs, policy_kwargs={**net, "ortho_init": False}, **settings)
    else:
        model = PlainPPO("MlpPolicy", envs, **settings)
    told = Log()
    model.learn(steps, callback=told)
    write_log(log, told.rows)
    envs.training = False
    fresh = VecNormalize(make_vec_env(maker(PEERS[name]), 1, seed=1_000_000), norm_reward=False, training=False)
    fresh.obs_rms = envs.obs_rms
    return model.policy, np.array(evaluate_policy(model, fresh, 100, return_episode_rewards=True)[0])


def write_log(path, rows):
    write_whole(path, "steps,return\n" + "".join(f"{steps},{value:.4g}\n" for steps, value in rows))


def read_log(path):
    with path.open() as file:
        rows = [(int(row["steps"]), float(row["return"])) for row in csv.DictReader(file)]
    return np.array(rows).T


def run(name, seed, steps, out):
    began, log = time.process_time(), out / f"{name}_{seed}.csv"
    network, returns = (peer if name in PEERS else ours)(name, seed, steps, log)
    at, mean = read_log(log)
    reached = at[mean >= GOAL]
    return {
        "cell": name,
        "seed": seed,
        "steps": int(at[-1]),
        "parameters": sum(p.numel() for p in network.parameters()),
        "first_at_450": int(reached[0]) if len(reached) else None,
        "last_return": float(mean[-1]),
        "evaluated": float(returns.mean()),
        "cpu_seconds": round(time.process_time() - began, 1),
    }


def report(out):
    """The table of all records, and the curves as cartpole.svg beside the folder."""
    from wormnet.plot import save
    from wormnet.plot.style import new_axes
    from wormnet.plot.traces import LINES
    from wormnet.study.stats import mean_interval

    records = [json.loads(path.read_text()) for path in sorted(out.glob("*_*.json"))]
    axes = new_axes((7.2, 4.2))
    print("| cell | sees | numbers | seeds | first at 450, steps | return once trained | each seed | CPU-s a run |")
    print("|---|---|---|---|---|---|---|---|")
    names = [name for name in (*CELLS, *PEERS) if any(one["cell"] == name for one in records)]
    for colour, name in zip(LINES, names):
        mine = sorted((one for one in records if one["cell"] == name), key=lambda one: one["seed"])
        print(f"| {' | '.join(row(name, mine, mean_interval))} |")
        curves = [read_log(out / f"{name}_{one['seed']}.csv") for one in mine]
        at = curves[0][0]
        levels = np.stack([np.interp(at, *curve) for curve in curves])
        axes.plot(at, levels.mean(0), color=colour, linewidth=1.6, label=name)
        if len(levels) > 1:
            axes.fill_between(at, levels.min(0), levels.max(0), color=colour, alpha=0.12, linewidth=0)
    axes.axhline(GOAL, color="#7A828C", linewidth=0.8, linestyle="--")
    axes.set(xlabel="steps of all environments", ylabel="return, last 20 episodes", xlim=(0, None), ylim=(0, 505))
    axes.legend(frameon=False, loc="lower right")
    axes.spines[["top", "right"]].set_visible(False)
    save(axes, out.with_suffix(".svg"))


def row(name, records, mean_interval):
    reached = [one["first_at_450"] for one in records if one["first_at_450"] is not None]
    first = f"{np.median(reached):,.0f} ({min(reached):,} to {max(reached):,})" if reached else "never"
    share = "" if len(reached) == len(records) else f", {len(reached)} of {len(records)}"
    found = mean_interval([one["evaluated"] for one in records], bounds=(0.0, 500.0))
    ends = "" if found.low is None else f" ({found.low:.0f} to {found.high:.0f})"
    shown = {**{cell: shown for cell, (shown, _) in CELLS.items()}, **PEERS}[name]
    return (
        name,
        "all" if shown == WHOLE else "position, angle",
        f"{records[0]['parameters']:,}" if len({one["parameters"] for one in records}) == 1
        else f"{min(one['parameters'] for one in records):,} to {max(one['parameters'] for one in records):,}",
        str(len(records)),
        first + share,
        f"{found.mean:.0f}{ends}",
        ", ".join(f"{one['evaluated']:.0f}" for one in records),
        f"{np.median([one['cpu_seconds'] for one in records]):.0f}",
    )  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", default=",".join(CELLS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=200_000)
    parser.add_argument("--out", type=Path, default=Path("cartpole"))
    parser.add_argument("--report", action="store_true", help="train nothing; print the table and draw the curves")
    asked = parser.parse_args()
    make_folder(asked.out)
    if asked.report:
        report(asked.out)
    else:
        torch.set_num_threads(1)
        for seed in range(asked.first_seed, asked.first_seed + asked.seeds):
            for cell in asked.cells.split(","):
                record = asked.out / f"{cell}_{seed}.json"
                if not record.exists():
                    write_whole(record, json.dumps(run(cell, seed, asked.steps, asked.out)) + "\n")
                print(record.read_text().strip(), flush=True)
