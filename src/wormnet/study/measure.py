"""What a study measures of a trained network beside its score: disturbed input, unfamiliar input, its dynamics."""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from wormnet.audit import dynamics
from wormnet.data import Sequences
from wormnet.errors import ArgumentError
from wormnet.nn import Recurrent
from wormnet.study.network import Predictor
from wormnet.study.prepared import Prepared, dt_of

if TYPE_CHECKING:
    from wormnet.study.plan import Measures

__all__ = ["add_noise", "at_rate", "conditions", "drop_samples", "hidden_states", "states_of"]

SEQUENCES = 200
"""How many of the test sequences the dynamics are measured on."""


def conditions(network: Predictor, data: Prepared, measures: "Measures", seed: int) -> list[dict[str, Any]]:
    """Scores of the test part under each disturbance of a plan, and of each unfamiliar part."""
    from wormnet.study.fit import scores_of

    test, found = data.test, []

    def put(kind: str, level: Any, part: Sequences) -> None:
        scores = scores_of(network, data.view.told(part), data.metrics)
        found.append({"kind": kind, "level": level, "scores": scores})

    for level in measures.noise:
        put("noise", level, add_noise(test, level, seed))
    for level in measures.drop:
        put("drop", level, drop_samples(test, level, seed))
        put("drop_blind", level, drop_samples(test, level, seed, told=False))
    for level in measures.rate:
        put("rate", level, at_rate(test, level))
    for kind, parts in (("apart", data.apart), ("unfamiliar", data.unfamiliar if measures.unfamiliar else {})):
        for name, part in parts.items():
            put(kind, name, part)
    return found


def add_noise(part: Sequences, sigma: float, seed: int) -> Sequences:
    """Add Gaussian noise of deviation `sigma` to every number of x; same part and seed, same noise.

    >>> part = Sequences(np.zeros((2, 3, 1)), y=[0, 1])
    >>> bool((add_noise(part, 0.5, seed=1).x == add_noise(part, 0.5, seed=1).x).all())
    True
    """
    noise = np.random.default_rng(seed).standard_normal(part.x.shape)
    return Sequences(part.x + sigma * noise, part.y, part.lengths, part.dt)


def drop_samples(part: Sequences, rate: float, seed: int, *, told: bool = True) -> Sequences:
    """Leave out each sample with probability `rate`, the last one of a sequence never.

    The time that a dropped sample took is added to the dt of the next one, so that each sequence lasts as long as
    before; unless the network is not `told`, when dt is as if nothing was missing. Labels stay with their samples.

    Raises: ArgumentError unless 0 <= rate < 1.

    >>> part = Sequences(np.arange(4.0).reshape(1, 4, 1), y=[1])
    >>> short = drop_samples(part, 0.5, seed=0)
    >>> short.x[0, :, 0], short.dt[0]
    (array([0., 3.], dtype=float32), array([1., 3.], dtype=float32))
    >>> drop_samples(part, 0.5, seed=0, told=False).dt is None
    True
    """
    if not 0 <= rate < 1:
        raise ArgumentError(f"rate is {rate!r}; it takes a share of the samples, 0 <= rate < 1.")
    keep = part.mask & (np.random.default_rng(seed).random(part.mask.shape) >= rate)
    keep |= _last(part)
    return _thinned(part, keep, told=told)


def at_rate(part: Sequences, factor: float) -> Sequences:
    """The sequences as if sampled `factor` times as often, with dt to match.

    Below 1, every (1 / factor)-th sample is kept, counted from the last one back. Above 1, samples are put between
    each two by linear interpolation; a target per step is that of the next sample that was there.

    Raises: ArgumentError unless the factor, or one over it, is a whole number.

    >>> part = Sequences(np.arange(4.0).reshape(1, 4, 1), y=[1])
    >>> at_rate(part, 0.5).x[0, :, 0], at_rate(part, 2).dt[0]
    (array([1., 3.], dtype=float32), array([1. , 0.5, 0.5, 0.5, 0.5, 0.5, 0.5], dtype=float32))
    """
    times = factor if factor > 1 else 1 / factor if factor > 0 else 0.5
    whole = round(times)
    if abs(times - whole) > 1e-9:
        raise ArgumentError(f"the rate is {factor!r}; it takes a whole number, or one over a whole number.")
    if factor <= 1:
        lengths = part.mask.sum(1)
        from_last = lengths[:, None] - 1 - np.arange(part.mask.shape[1])
        return _thinned(part, part.mask & (from_last % whole == 0), told=True)
    x, y, dt = [], [], []
    for i in range(len(part)):
        real, clock = part.mask[i], dt_of(part)[i]
        mine, n = part.x[i][real], int(real.sum())
        # Where the new samples lie, in numbers of the old ones.
        place = np.arange(whole * (n - 1) + 1) / whole if n else np.zeros(0)
        x.append(np.stack([np.interp(place, np.arange(n), channel) for channel in mine.T], 1) if n else mine)
        after = np.ceil(place - 1e-9).astype(int)
        dt.append(np.where(np.arange(len(place)) == 0, 1.0, 1 / whole) * clock[real][after] if n else place)
        y.append(part.y[i][real][after] if part.per == "step" else part.y[i])
    return Sequences.from_list(x, y if part.per == "step" else part.y, dt)


def _last(part: Sequences) -> NDArray[np.bool_]:
    steps = part.x.shape[1]
    last = np.full(len(part), steps) if part.lengths is None else part.lengths
    return (np.arange(steps) == last[:, None] - 1) & part.mask


def _thinned(part: Sequences, keep: NDArray[np.bool_], *, told: bool) -> Sequences:
    y = [labels[kept] for labels, kept in zip(part.y, keep)] if part.per == "step" else part.y
    x = [values[kept] for values, kept in zip(part.x, keep)]
    if told:
        clock = np.cumsum(dt_of(part), axis=1, dtype=np.float64)
        return Sequences.from_list(x, y, [np.diff(now[kept], prepend=0.0) for now, kept in zip(clock, keep)])
    dt = part.dt if part.dt is None or part.dt.ndim == 1 else [own[kept] for own, kept in zip(part.dt, keep)]
    return Sequences.from_list(x, y, dt)


def hidden_states(network: Predictor, x: torch.Tensor, dt: Any, lengths: Any) -> torch.Tensor:
    """(batch, time, neurons) what a core keeps: all neurons but motor ones, if it has others; or its outputs."""
    core = network.core
    if not isinstance(core, Recurrent):
        return core(x, None, dt, lengths)[0]
    states = core.trace(x, None, dt, lengths)
    inner = [i for i, role in enumerate(core.wiring.roles) if role != "motor"]
    return states[..., inner] if inner else states


def states_of(network: Predictor, data: Prepared) -> dict[str, Any]:
    """PC1 and L_max of a network's states on the test part; the record's `dynamics`."""
    from wormnet.study.fit import batch_of

    part = data.view.told(data.test.take(slice(SEQUENCES)))
    network.eval()
    with torch.no_grad():
        batch = batch_of(part, np.arange(len(part)))
        states = hidden_states(network, batch.x, batch.dt, batch.lengths).double().numpy()
    found = dynamics([one[: int(mask.sum())] for one, mask in zip(states, part.mask)])
    return {"pc1": found.pc1, "l_max": found.l_max, "l_max_sorted": found.per_neuron.round(6).tolist()}
