"""Draw the worm
=============

A drawing of 302 neurons and 4,800 connections is a hairball. One cell for each class, and connections of ten contacts
or more: that can be followed by eye.

    python examples/draw_the_worm.py [--quick]
"""

import wormnet

# %%
# Sensory neurons to the left, motor neurons to the right. This is not where they lie in the body.
worm = wormnet.connectome("cook2019")
axes = wormnet.plot.wiring(worm, layout="classes", by_class=True, least=10)
print(axes.get_title("left"))

# %%
# From head to tail: each ganglion a block, and the motor neurons of the ventral cord in the order of their numbers. An
# order, and no map.
body = wormnet.plot.wiring(worm, layout="body", least=20)
print(body.get_title("left"))

# %%
# The sixteen cells of the touch circuit, with all that joins them.
touch = wormnet.plot.wiring(wormnet.circuits.touch())
print(touch.get_title("left"))

# %%
# A neural circuit policy is drawn in the same way; `wormnet.plot.save(axes, "policy.svg")` makes a file of it.
policy = wormnet.plot.wiring(wormnet.auto_ncp(inputs=8, neurons=19, outputs=1, seed=3))
print(policy.get_title("left"))
