"""The equations of every model written out neuron by neuron in plain Python loops, from the papers and docstrings.

Nothing here is shared with the package but the wiring's arrays. `p` holds each parameter's values in the order of the
wiring's synapses (of the kind they belong to), or of the ordered pairs of cells that synapses join.
"""

import math

import numpy as np

from wormnet.wiring import CHEMICAL, CURRENT, GAP


def sigmoid(z):
    return 1.0 / (1.0 + math.exp(-z)) if z > -700 else 0.0


def ltc_pull(wiring, p, x, v):
    """For each neuron the sum of what pulls it times where to, and the sum of what pulls it."""
    u = [*x, *v]
    drive = [p["leak"][i] * p["v_leak"][i] for i in range(wiring.n_neurons)]
    pull = [p["leak"][i] for i in range(wiring.n_neurons)]
    seen = {CHEMICAL: 0, GAP: 0, CURRENT: 0}
    for s in range(wiring.n_synapses):
        kind, pre, post = int(wiring.kind[s]), int(wiring.pre[s]), int(wiring.post[s])
        k, i = seen[kind], post - wiring.n_inputs
        seen[kind] += 1
        if kind == CHEMICAL:
            g = p["conductance"][k] * sigmoid(p["slope"][k] * (u[pre] - p["midpoint"][k]))
            drive[i] += g * p["reversal"][k]
            pull[i] += g
        elif kind == GAP:
            w = p["gap_conductance"][k]
            drive[i] += w * u[pre]
            pull[i] += w
            if pre >= wiring.n_inputs:
                drive[pre - wiring.n_inputs] += w * u[post]
                pull[pre - wiring.n_inputs] += w
        else:
            drive[i] += p["current"][k] * u[pre]
    return np.array(drive), np.array(pull)


def ltc_velocity(wiring, p, x, v):
    drive, pull = ltc_pull(wiring, p, x, v)
    return (drive - pull * v) / p["capacitance"]


def ltc_step(wiring, p, x, v, dt, unfolds):
    """Lechner et al. 2020, equation 3: x(t + h) = (c / h x + g e + sum w sigma E) / (c / h + g + sum w sigma)."""
    h = dt / unfolds
    for _ in range(unfolds):
        drive, pull = ltc_pull(wiring, p, x, v)
        v = (p["capacitance"] / h * v + drive) / (p["capacitance"] / h + pull)
    return v


def joined(wiring, own):
    """(post, pre) of all pairs that synapses join, gap junctions both ways, in order; with a neuron's own state."""
    found = {(int(post), int(pre)) for pre, post in zip(wiring.pre, wiring.post, strict=True)}
    for s in range(wiring.n_synapses):
        if wiring.kind[s] == GAP and wiring.pre[s] >= wiring.n_inputs:
            found.add((int(wiring.pre[s]), int(wiring.post[s])))
    if own:
        found |= {(i, i) for i in range(wiring.n_inputs, wiring.n_inputs + wiring.n_neurons)}
    return sorted(found)


def ctrnn_velocity(wiring, p, x, v):
    """tau dv/dt = -v + tanh(sum w u + b)."""
    u, total = [*x, *v], [float(b) for b in p["bias"]]
    for k, (post, pre) in enumerate(joined(wiring, own=False)):
        total[post - wiring.n_inputs] += p["weight"][k] * u[pre]
    return (np.tanh(total) - v) / p["time_constant"]


def ctrnn_step(wiring, p, x, v, dt, unfolds):
    """Semi-implicit: tau (v' - v) / h = -v' + tanh(sum w u + b)."""
    h = dt / unfolds
    for _ in range(unfolds):
        target = ctrnn_velocity(wiring, p, x, v) * p["time_constant"] + v
        v = (p["time_constant"] * v + h * target) / (p["time_constant"] + h)
    return v


def cfc_step(wiring, p, x, v, dt, mode):
    """Hasani et al. 2022, equation 4 as in the authors' code, layer by layer."""
    v, links = [float(value) for value in v], joined(wiring, own=True)
    for layer in range(max(wiring.layers) + 1):
        u, new = [*x, *v], list(v)
        for i in range(wiring.n_neurons):
            if wiring.layers[i] != layer:
                continue
            heads = {}
            for head in "g" if mode == "pure" else "ghab":
                heads[head] = float(p[f"{head}_bias"][i])
                for k, (post, pre) in enumerate(links):
                    if post - wiring.n_inputs == i:
                        heads[head] += p[f"{head}_weight"][k] * u[pre]
            new[i] = cfc_neuron(heads, dt, mode, p, i)
        v = new
    return np.array(v)


def cfc_neuron(heads, dt, mode, p, i):
    if mode == "pure":
        rest = p["A"][i]
        return rest - rest * math.exp(-dt * (abs(p["w_tau"][i]) + abs(heads["g"]))) * heads["g"]
    gate, g, h = sigmoid(heads["a"] * dt + heads["b"]), math.tanh(heads["g"]), math.tanh(heads["h"])
    return g + h * gate if mode == "no_gate" else g * (1 - gate) + h * gate


def lstm_step(p, x, h, c):
    """torch.nn.LSTMCell as its documentation writes it: gates in the order input, forget, candidate, output."""
    z = p["weight_ih"] @ x + p["bias_ih"] + p["weight_hh"] @ h + p["bias_hh"]
    i, f, g, o = np.split(z, 4)
    sig = np.vectorize(sigmoid)
    c = sig(f) * c + sig(i) * np.tanh(g)
    return sig(o) * np.tanh(c), c


def saturated_sums(wiring, p, x, v):
    """f and z of the LRC paper: sums over y = [x, v], own state included, through every pair that a synapse joins."""
    y, f, z = [*x, *v], [float(g) for g in p["leak"]], [float(g) for g in p["leak"]]
    for k, (post, pre) in enumerate(joined(wiring, own=True)):
        gate, i = sigmoid(p["slope"][k] * (y[pre] - p["midpoint"][k])), post - wiring.n_inputs
        f[i] += p["conductance"][k] * gate
        z[i] += p["weight"][k] * gate
    return f, z


def stc_velocity(wiring, p, x, v):
    """dx/dt = -sigma(f) x + tanh(z) e_leak."""
    f, z = saturated_sums(wiring, p, x, v)
    return np.array([-sigmoid(f[i]) * v[i] + math.tanh(z[i]) * p["v_leak"][i] for i in range(len(v))])


def lrc_velocity(wiring, p, x, v):
    """The same times sigma(e), or sigma(e + k) - sigma(e - k), with e = sum w y + b."""
    y, e = [*x, *v], [float(b) for b in p["elastance_bias"]]
    for k, (post, pre) in enumerate(joined(wiring, own=True)):
        e[post - wiring.n_inputs] += p["elastance_weight"][k] * y[pre]
    if "elastance_shift" in p:
        open_ = [sigmoid(one + k) - sigmoid(one - k) for one, k in zip(e, p["elastance_shift"], strict=True)]
    else:
        open_ = [sigmoid(one) for one in e]
    return np.array(open_) * stc_velocity(wiring, p, x, v)


def graded_velocity(wiring, p, x, v, s):
    """dv/dt and ds/dt of the graded-transmission model, synapse by synapse."""
    potential, active = [*x, *v], [*x, *s]
    current = [p["leak"][i] * (p["v_leak"][i] - v[i]) for i in range(wiring.n_neurons)]
    seen = {CHEMICAL: 0, GAP: 0, CURRENT: 0}
    for one in range(wiring.n_synapses):
        kind, pre, post = int(wiring.kind[one]), int(wiring.pre[one]), int(wiring.post[one])
        k, i = seen[kind], post - wiring.n_inputs
        seen[kind] += 1
        if kind == CHEMICAL:
            current[i] += p["conductance"][k] * active[pre] * (p["reversal"][k] - v[i])
        elif kind == GAP:
            across = p["gap_conductance"][k] * (potential[pre] - v[i])
            current[i] += across
            if pre >= wiring.n_inputs:
                current[pre - wiring.n_inputs] -= across
        else:
            current[i] += p["current"][k] * x[pre]
    gate = np.array([sigmoid(p["steepness"][i] * (v[i] - p["threshold"][i])) for i in range(wiring.n_neurons)])
    return np.array(current) / p["capacitance"], p["rise"] * gate * (1 - s) - p["decay"] * s
