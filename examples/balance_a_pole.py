"""Balance a pole
==============

A neural circuit policy of 12 neurons learns by imitation to push a cart so that its pole stays up, with time in
seconds, and then balances alone, one sample at a time as on a robot.

    python examples/balance_a_pole.py [--quick]
"""

import sys

import gymnasium
import numpy as np
import torch

import wormnet

world, dt, steps = gymnasium.make("CartPole-v1"), 0.02, 25 if "--quick" in sys.argv else 150
teacher = np.array([0.1, 0.3, 3.0, 1.0])  # pushes to where position, speed, angle and turning point

# %%
# The teacher drives 32 times, with a push at random in one step of five, so that there is something to recover from.
rng, episodes = np.random.default_rng(0), []
for seed in range(32):
    seen, told = [world.reset(seed=seed)[0]], []
    for _ in range(100):
        told.append(int(seen[-1] @ teacher > 0))
        seen.append(world.step(int(rng.integers(2)) if rng.random() < 0.2 else told[-1])[0])
    episodes.append((np.array(seen[:-1]), np.array(told)))
x, y = (torch.tensor(np.stack(part)) for part in zip(*episodes, strict=True))

# %%
# One sample is one unit of time: without `time_unit` a network told of seconds would hardly move within a sample.
torch.manual_seed(0)
policy = wormnet.LTC(wormnet.auto_ncp(inputs=4, neurons=12, outputs=1), time_unit=dt)
optimiser = torch.optim.Adam(policy.parameters(), lr=0.02)
for step in range(steps):
    pushes = 8 * policy(x / 0.1, dt=dt)[0][..., 0]
    loss = torch.nn.functional.binary_cross_entropy_with_logits(pushes, y.float())
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    if step % 25 == 24:
        print(f"step {step + 1}: loss {loss.item():.3f}")

# %%
# On its own: a stepper needs no torch, and keeps the state from sample to sample.
stepper, lasted = policy.stepper(), []
for seed in range(100, 105):
    stepper.reset()
    now, over, n = world.reset(seed=seed)[0], False, 0
    while not over:
        push = stepper.step(np.asarray(now / 0.1, np.float32), dt=dt)[0]
        now, _, fallen, late, _ = world.step(int(push > 0))
        over, n = fallen or late, n + 1
    lasted.append(n)
print(f"balanced for {lasted} of 500 steps")

# %%
# What its neurons do, as one page for a browser.
page = wormnet.page(policy, x[0] / 0.1, "balance.html", dt=dt, title="Twelve neurons that balance a pole")
print(f"open {page}")
