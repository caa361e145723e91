"""The worm in ten lines
=====================

Touch the worm at the head, watch what its command neurons do, take AVA out, and open the circuit in a browser.

    python examples/touch_the_worm.py [--quick]
"""

import numpy as np

import wormnet

# %%
# Sixteen cells of the connectome that a touch runs through, with their contacts; synapses of a published circuit have
# the signs of that circuit. Nothing is trained: parameters are drawn at random, those that count by the contacts.
touch = wormnet.LTC(wormnet.circuits.touch())
pulse = np.zeros(100)
pulse[20:60] = 1.0

# %%
# ALM feels a touch at the head. AVA commands backward, AVB forward. The bands are circuits with the same neurons and
# the same synapses, joined at random.
whole = wormnet.stimulate(touch, {"ALM": pulse}, samples=100, nulls="rewire", n=20)
axes = whole.plot("AVA", "AVB")

# %%
# The same touch without AVA.
cut = wormnet.stimulate(touch, {"ALM": pulse}, samples=100, lesion="AVA")
for name, recording in (("whole", whole), ("without AVA", cut)):
    print(f"{name}: AVB moves by {np.ptp(recording['AVB'][20:]):.3f} after the touch")

# %%
# The circuit as one page that runs in a browser: click AVAL there to take it out.
driven = touch.on(touch.wiring.drive({"touch at the head": "ALM"}))
print(f"open {wormnet.page(driven, pulse[:, None], 'touch.html', title='The touch circuit')}")
