"""Hypothesis strategies that other test folders import: `from strategies import wirings`."""

import numpy as np
from hypothesis import strategies as st

from wormnet.wiring import CHEMICAL, CURRENT, GAP, ROLES, Wiring

SEEDS = st.integers(0, 2**32 - 1)

# Any text that is no lone surrogate: quotes, control characters, markup and emoji are names too.
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)


def possible_synapses(n_inputs, n_neurons, kinds=(CHEMICAL, GAP, CURRENT)):
    """All (pre, post, kind) that a wiring of that size may hold."""
    cells = range(n_inputs + n_neurons)
    for post in cells[n_inputs:]:
        for pre in cells:
            if CHEMICAL in kinds:
                yield pre, post, CHEMICAL
            if GAP in kinds and pre < post:
                yield pre, post, GAP
            if CURRENT in kinds and pre < n_inputs:
                yield pre, post, CURRENT


@st.composite
def wirings(
    draw,
    *,
    inputs=(0, 4),
    neurons=(1, 7),
    kinds=(CHEMICAL, GAP, CURRENT),
    layers=True,
    outputs=(0, None),
    names=False,
    sizes_collide=True,
):
    """Wirings of any shape: isolated neurons, self-synapses, hubs, no inputs, no synapses, all kinds, several layers.

    inputs, neurons, outputs: (least, most).   kinds: those allowed.   layers: whether there may be more than one.
    names: whether cells have any text as a name, instead of in0, n0.   sizes_collide: prefer as many inputs as neurons
    now and then, since equal sizes hide mixed-up axes.
    """
    n_inputs, n_neurons = draw(st.integers(*inputs)), draw(st.integers(*neurons))
    if sizes_collide and inputs[0] <= n_neurons <= inputs[1] and draw(st.booleans()):
        n_inputs = n_neurons
    cells = [f"in{i}" for i in range(n_inputs)] + [f"n{i}" for i in range(n_neurons)]
    if names:
        cells = draw(st.lists(NAMES, min_size=len(cells), max_size=len(cells), unique=True))

    possible = list(possible_synapses(n_inputs, n_neurons, kinds))
    shape = draw(st.sampled_from(["any", "none", "all", "hub", "sparse"]))
    if shape == "none" or not possible:
        chosen = []
    elif shape == "all":
        chosen = possible
    elif shape == "hub":
        hub = draw(st.integers(0, n_inputs + n_neurons - 1))
        chosen = [synapse for synapse in possible if hub in synapse[:2]]
    else:
        most = len(possible) if shape == "any" else min(len(possible), n_neurons)
        chosen = draw(st.lists(st.sampled_from(possible), unique=True, max_size=most))
    n = len(chosen)
    random = np.random.default_rng(draw(SEEDS))  # one draw for all signs and counts: hypothesis stays fast
    sign = random.integers(-1, 2, n) * [kind != GAP for _, _, kind in chosen]
    count = random.choice([1.0, 2.0, 0.1, 1 / 3, 17.0, 1e-9, 1e9], n)
    most_outputs = n_neurons if outputs[1] is None else min(outputs[1], n_neurons)
    n_outputs = draw(st.integers(min(outputs[0], most_outputs), most_outputs))
    return Wiring(
        cells[:n_inputs],
        cells[n_inputs:],
        roles=draw(st.lists(st.sampled_from(ROLES), min_size=n_neurons, max_size=n_neurons)),
        outputs=random.permutation(n_neurons)[:n_outputs].tolist(),
        layers=random.integers(0, 3, n_neurons) if layers and draw(st.booleans()) else None,
        pre=[pre for pre, _, _ in chosen],
        post=[post for _, post, _ in chosen],
        kind=[kind for _, _, kind in chosen],
        sign=sign,
        count=count,
        source=draw(NAMES) if names else "drawn",
    )
