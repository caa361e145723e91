"""Look inside
===========

What does a network look at, why does it act, what does it need, and how far can noise push it?

A convolution and a neural circuit policy of ten neurons learn to steer towards a bright spot; then they are opened.

    python examples/look_inside.py [--quick]
"""

import sys

import torch
from torch import nn

import wormnet
from wormnet import audit

torch.manual_seed(0)
steps = 3 if "--quick" in sys.argv else 300


# %%
# Films of a spot that drifts to the left or to the right; right is to steer to +1, left to -1.
def films(n, frames=8):
    place = 8 * torch.rand(n, 1) - 4 + torch.arange(frames) * (torch.rand(n, 1) - 0.5)
    columns = torch.arange(24.0) - 11.5
    spot = (-((columns - place[..., None]) ** 2) / 4).exp()
    rows = (-((torch.arange(12.0) - 5.5) ** 2) / 6).exp()
    return (rows[:, None] * spot[:, :, None])[:, :, None], (place / 6)[..., None]


eye = nn.Sequential(
    nn.Conv2d(1, 6, 3, stride=2), nn.ReLU(), nn.Conv2d(6, 6, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.LazyLinear(6)
)
brain = wormnet.LTC(wormnet.auto_ncp(inputs=6, neurons=10, outputs=1), backend="reference")


def drive(pictures, brain=brain):
    return brain(eye(pictures.flatten(0, 1)).unflatten(0, pictures.shape[:2]))[0]


drive(films(1)[0])  # tells the lazy layer its size
optimiser = torch.optim.Adam([*eye.parameters(), *brain.parameters()], lr=0.01)
for _ in range(steps):
    pictures, wanted = films(16)
    loss = nn.functional.mse_loss(drive(pictures), wanted)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
print(f"squared error after {steps} steps: {loss.item():.3f}")

# %%
# Where it looks: VisualBackProp, and how much of that noise in the picture changes. 1 is not at all.
film, wanted = films(1)
noisy = (film + 0.1 * torch.randn_like(film)).clamp(0, 1)
clean_map, noisy_map = (audit.visual_backprop(eye, one[0]) for one in (film, noisy))
likeness = audit.ssim(clean_map.map, noisy_map.map, peak=1.0).index.mean()
print(f"attention, clean against noisy: SSIM {likeness:.2f}")
clean_map.plot(film[0, -1, 0])

# %%
# What moved the wheel: integrated gradients sum to the change of the output from a black film to this one.
found = audit.integrated_gradients(lambda film: drive(film)[:, -1, 0], film, steps=100)
print(f"contributions sum to {found.values.sum():.4f}, the output changed by {found.change[0]:.4f}")

# %%
# What every neuron does, and how fast it is at that moment.
features = eye(film[0]).detach()
activity = audit.activity(brain, features)
activity.plot()

# %%
activity.plot_time_constants()

# %%
# Why the motor neuron is where it is after the last picture: every synapse's share, which sum to its potential.
motor = brain.wiring.outputs[0]
why = audit.why(brain, features, motor, since=0)
print(why)
why.plot()

# %%
# What the network needs: the error without each neuron and each synapse.
pictures, wanted = films(32)
seen = eye(pictures.flatten(0, 1)).unflatten(0, pictures.shape[:2]).detach()
table = audit.lesions(brain, lambda layer: nn.functional.mse_loss(layer(seen)[0], wanted))
print(f"most needed: {', '.join(table.names[:3])}")
table.plot()

# %%
# The fewest synapses without which it would steer to the other side.
sign = 1.0 if brain(features[None])[0][0, -1, 0] > 0 else -1.0
print(audit.smallest_lesion(brain, lambda layer: sign * layer(features[None])[0][0, -1, 0], most=2, budget=200))

# %%
# How far the potentials can be pushed if every feature may be off by 0.1: certified, whatever the noise.
bounds = audit.bounds(brain, features - 0.1, features + 0.1)
print(f"the output stays between {bounds.y_low[-1, 0]:.3f} and {bounds.y_high[-1, 0]:.3f}")
wormnet.plot.bounds(bounds, motor, inside=brain.trace(features).detach())
