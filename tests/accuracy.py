"""How far a sample's sub-steps are from the exact solution: two circuits, each with its truth from scipy.

The tables of docs/tutorials/time.md and of `GradedWorm` hold these numbers; run this file to print them anew.
"""

from functools import lru_cache

import numpy as np
import torch
from equations import ltc_velocity
from programs import run, started
from scipy.integrate import solve_ivp

import wormnet
from wormnet import models
from wormnet.wiring import CHEMICAL, CURRENT, GAP, Wiring

UNFOLDS = (1, 6, 24)

CELLS = Wiring(
    1,
    ["a", "b", "c"],
    pre=[0, 1, 2, 3, 1],
    post=[1, 2, 3, 1, 3],
    kind=[CURRENT, CHEMICAL, CHEMICAL, CHEMICAL, GAP],
    sign=[1, 1, -1, -1, 0],
)
"""x drives a, a excites b, b inhibits c, c inhibits a; a and c are joined by a gap junction."""


def cells_parameters():
    """In mV, ms, nS, pF, pA: 10 pF and 1 nS to -70 mV; synapses of 3 nS to 0 or -90 mV, half open at -40 mV."""
    sign = CELLS.sign[CELLS.of_kind(CHEMICAL)]
    same = {"capacitance": (10.0, 3), "leak": (1.0, 3), "v_leak": (-70.0, 3), "current": (1.0, 1)}
    same |= {"conductance": (3.0, 3), "slope": (0.2, 3), "midpoint": (-40.0, 3), "gap_conductance": (2.0, 1)}
    p = {name: np.full(n, value) for name, (value, n) in same.items()}
    return {**p, "reversal": np.where(sign > 0, 0.0, -90.0)}


@lru_cache(maxsize=1)
def cells_truth():
    """(currents, times, states after every sample): 30 samples of 2 to 8 ms, currents of 0 to 150 pA, by Radau."""
    draw = np.random.default_rng(0)
    dt, x, p = draw.uniform(2, 8, 30), draw.uniform(0, 150, 30), cells_parameters()
    v, found = np.full(3, -70.0), []
    for now, lasts in zip(x, dt, strict=True):

        def rate(_, v, now=now):
            return ltc_velocity(CELLS, p, [now], v)

        v = solve_ivp(rate, (0, lasts), v, method="Radau", rtol=1e-10, atol=1e-10).y[:, -1]
        found.append(v)
    return x, dt, np.array(found)


def cells_error(solver, unfolds):
    """The largest error of the three cells, in mV."""
    x, dt, truth = cells_truth()
    p = {name: torch.tensor(value) for name, value in cells_parameters().items()}
    model = models.LTC(solver=solver, unfolds=unfolds)
    start = torch.full((1, 3), -70.0, dtype=torch.float64)
    kept, _ = run(model, CELLS, p, torch.tensor(x)[None, :, None], [start], torch.tensor(dt)[None])
    return np.abs(kept[0].numpy() - truth).max()


WORM_PA, WORM_DT, WORM_SAMPLES = 2.0, 5.0, 20


@lru_cache(maxsize=1)
def worm():
    """The connectome with an electrode in PLM, and the parameters it starts with."""
    wiring = wormnet.connectome("varshney2011").drive({"electrode": "PLM"})
    return wiring, started(models.GradedWorm(), wiring)


def worm_rates(wiring, p, x):
    """The right-hand side and its Jacobian for (v, s), over arrays of synapses."""
    n, inputs = wiring.n_neurons, wiring.n_inputs
    ends = {k: (wiring.pre[wiring.of_kind(k)] - inputs, wiring.post[wiring.of_kind(k)] - inputs) for k in range(3)}
    (pre, post), (one, other), (_, driven) = ends[CHEMICAL], ends[GAP], ends[CURRENT]
    g, gap, c = p["conductance"], p["gap_conductance"], p["capacitance"]

    def gates(v):
        return 1 / (1 + np.exp(-p["steepness"] * (v - p["threshold"])))

    def rate(_, y):
        v, s = y[:n], y[n:]
        i = p["leak"] * (p["v_leak"] - v) + np.bincount(post, g * s[pre] * (p["reversal"] - v[post]), n)
        across = gap * (v[one] - v[other])
        i += np.bincount(other, across, n) - np.bincount(one, across, n) + np.bincount(driven, p["current"] * x, n)
        return np.concatenate([i / c, p["rise"] * gates(v) * (1 - s) - p["decay"] * s])

    def jacobian(_, y):
        v, s, gate, full = y[:n], y[n:], gates(y[:n]), np.zeros((2 * n, 2 * n))
        pull = p["leak"] + np.bincount(post, g * s[pre], n) + np.bincount(one, gap, n) + np.bincount(other, gap, n)
        at = np.arange(n)
        full[at, at] = -pull / c
        np.add.at(full, (one, other), gap / c[one])
        np.add.at(full, (other, one), gap / c[other])
        np.add.at(full, (post, pre + n), g * (p["reversal"] - v[post]) / c[post])
        full[at + n, at] = p["rise"] * p["steepness"] * gate * (1 - gate) * (1 - s)
        full[at + n, at + n] = -(p["rise"] * gate + p["decay"])
        return full

    return rate, jacobian


@lru_cache(maxsize=2)
def worm_truth(method="Radau"):
    """Potentials (samples, neurons) while 2 pA flow into PLM from rest on."""
    wiring, p = worm()
    p = {name: value.numpy() for name, value in p.items()}
    rate, jacobian = worm_rates(wiring, p, WORM_PA)
    at = WORM_DT * np.arange(1, WORM_SAMPLES + 1)
    rest = np.concatenate([p["threshold"], p["activation"]])
    options = {"t_eval": at, "jac": jacobian, "rtol": 1e-8, "atol": 1e-9}
    return solve_ivp(rate, (0, at[-1]), rest, method=method, **options).y[: wiring.n_neurons].T


def worm_error(solver, unfolds):
    """The largest error of all neurons, in mV; inf where it diverges."""
    wiring, p = worm()
    x = torch.full((1, WORM_SAMPLES, 1), WORM_PA, dtype=torch.float64)
    start = [p["threshold"][None], p["activation"][None]]
    with torch.no_grad():
        kept, _ = run(models.GradedWorm(solver=solver, unfolds=unfolds), wiring, p, x, start, WORM_DT)
    error = np.abs(kept[0].numpy() - worm_truth()).max()
    return error if error < 1e3 else np.inf


def shown(error):
    """An error as the tables show it: two digits."""
    return "diverges" if not error < 1e3 else f"{error:.1e}" if error < 1e-3 else f"{float(f'{error:.1e}'):g}"


def rows(text):
    """{solver: the errors} of a table in Markdown or in columns whose last three numbers are the errors."""
    found = {}
    for line in text.splitlines():
        cells = line.replace("|", " ").replace("`", " ").split()
        if cells and cells[0] in models.SOLVERS and len(cells) >= 4:
            found[cells[0]] = cells[-3:]
    return found


if __name__ == "__main__":
    for name, error in (("three cells", cells_error), ("worm", worm_error)):
        print(name)
        for solver in models.SOLVERS:
            print(solver.ljust(22), *(shown(error(solver, unfolds)).ljust(10) for unfolds in UNFOLDS), flush=True)
