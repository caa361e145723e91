"""PPO on CartPole without velocities: how far each cell comes within a budget of steps.

    python benchmarks/cartpole.py --cells ncp-ltc,ncp-cfc,lstm --seeds 5 --out cartpole

Each run leaves a log (CSV) and, when it is over, its record (JSON); runs that have one are not repeated.
"""

import argparse
import json
import time
from pathlib import Path

import gymnasium
import torch
from torch import nn

import wormnet
from wormnet.atomic import make_folder, write_whole
from wormnet.control.policy_gradient import PPO, Agent, evaluate, only, ppo

NEURONS = 24
CELLS = {
    "ncp-ltc": lambda seed: wormnet.LTC(policy(seed)),
    "ncp-cfc": lambda seed: wormnet.CfC(policy(seed)),
    "lstm": lambda seed: nn.LSTM(2, NEURONS, batch_first=True),
    "lstm-64": lambda seed: nn.LSTM(2, 64, batch_first=True),
}


def policy(seed):
    """A neural circuit policy; the agent's two linear maps read all of its neurons."""
    wiring = wormnet.auto_ncp(inputs=2, neurons=NEURONS, outputs=2, seed=seed)
    return wiring.read_out(*wiring.neurons)


def make():
    return only(gymnasium.make("CartPole-v1"), [0, 2])


def run(cell, seed, steps, out):
    began = time.process_time()
    torch.manual_seed(seed)
    agent = Agent(CELLS[cell](seed), 2, gymnasium.spaces.Discrete(2))
    rows = ppo(agent, make, PPO(steps=steps), seed=seed, log=out / f"{cell}_{seed}.csv")
    reached = next((row["steps"] for row in rows if row["return"] >= 450), None)
    return {
        "cell": cell,
        "seed": seed,
        "steps": rows[-1]["steps"],
        "parameters": sum(p.numel() for p in agent.parameters()),
        "first_at_450": reached,
        "last_return": rows[-1]["return"],
        "evaluated": float(evaluate(agent, make, episodes=20, seed=1000).mean()),
        "cpu_seconds": time.process_time() - began,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", default="ncp-ltc,ncp-cfc,lstm")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=200_000)
    parser.add_argument("--out", type=Path, default=Path("cartpole"))
    asked = parser.parse_args()
    make_folder(asked.out)
    for seed in range(asked.seeds):
        for cell in asked.cells.split(","):
            record = asked.out / f"{cell}_{seed}.json"
            if not record.exists():
                write_whole(record, json.dumps(run(cell, seed, asked.steps, asked.out)) + "\n")
            print(record.read_text().strip(), flush=True)
