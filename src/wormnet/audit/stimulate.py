"""Stimulate cells of a layer and record all of them, as with electrodes, beside layers on null wirings."""

import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from wormnet.errors import ArgumentError, BlindOutputWarning, ShapeError, WiringError
from wormnet.nn import Recurrent
from wormnet.wiring import Wiring, atlas, check, naming
from wormnet.wiring.null import nulls as null_wirings

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Recording", "dealt", "stimulate"]

Stimuli = Mapping[str, ArrayLike]


@dataclass(frozen=True, eq=False)
class Recording:
    """Potentials of neurons over time, and those of the same neurons in null networks.

    Args:
        time: (samples,) after each sample, in the unit of dt.   neurons: their names.
        potential: (samples, neurons), the first state of each.
        null: (networks, samples, neurons); no networks if none were asked for.
        stimuli: {stimulated cell or class: (samples,) what it was given}.

    `recording["AVAL"]` is (samples,) of a neuron, `recording["AVA"]` the mean over a class.

    >>> r = Recording(np.arange(2.0), ("AVAL", "AVAR"), np.array([[0.0, 2.0], [1.0, 3.0]]), np.zeros((0, 2, 2)), {})
    >>> r["AVAR"], r["AVA"]
    (array([2., 3.]), array([1., 2.]))
    """

    time: NDArray[np.float64]
    neurons: tuple[str, ...]
    potential: NDArray[np.float64]
    null: NDArray[np.float64]
    stimuli: Mapping[str, NDArray[np.float64]]

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        return self.potential[:, self._places(name)].mean(-1)

    def band(self, name: str, level: float = 0.9) -> tuple[NDArray[Any], NDArray[Any]]:
        """(samples,) twice: between which potentials the middle share `level` of the null networks lies.

        Raises: ArgumentError without null networks, or for a level outside of 0 to 1.
        """
        if not len(self.null):
            raise ArgumentError("this recording has no null networks; call stimulate(..., nulls='rewire').")
        if not 0 < level <= 1:
            raise ArgumentError(f"level is {level!r}; it takes a share, more than 0 and at most 1.")
        low, high = np.quantile(
            self.null[:, :, self._places(name)].mean(-1), (0.5 - level / 2, 0.5 + level / 2), axis=0
        )
        return low, high

    def table(self) -> dict[str, NDArray[np.float64]]:
        """{"time": ..., neuron: ...}, columns of equal length: pandas.DataFrame(recording.table())."""
        return {"time": self.time, **dict(zip(self.neurons, self.potential.T))}

    def plot(self, *names: str, ax: "Axes | None" = None) -> "Axes":
        """Draw neurons or classes over time, the middle 90 % of null networks as a band; see `wormnet.plot.traces`."""
        from wormnet import plot

        return plot.traces(self, *names, ax=ax)

    def _places(self, name: str) -> list[int]:
        found = atlas.named(name, self.neurons)
        if not found:
            raise atlas.no_such("neuron", name, self.neurons)
        return [self.neurons.index(one) for one in found]


def stimulate(
    rnn: Recurrent,
    stimuli: Stimuli,
    *,
    samples: int = 100,
    dt: float | None = None,
    lesion: str | Iterable[str] = (),
    nulls: str | Iterable[Recurrent] = (),
    n: int = 20,
    seed: int = 0,
) -> Recording:
    """Stimulate cells of a layer and record the potential of every neuron.

    An input cell is given the stimulus as its input, in place of 0. A neuron, or each neuron of a class, gets it as an
    injected current: its drive grows by the stimulus, whatever the capacitance. The layer starts from its initial state
    and is left as it is.

    Args:
        rnn: a layer, trained or not.
        stimuli: {cell or class: a number that lasts all the time, or (samples,)}.
        samples, dt: how many, and how far apart; None for one time unit.
        lesion: cells or classes that are removed before.
        nulls: the name of a null model: layers on n null wirings, with the layer's own parameters dealt anew
            (`dealt`); or layers of your own on wirings with the same cells.   n, seed: of the null model.

    Returns: a Recording.
    Raises:
        WiringError: for a cell that is not there, or a neuron that cannot be injected with a current because the model
            has no current synapses.
        ShapeError, ArgumentError: for a stimulus of another length, or that is not finite.

    >>> import wormnet
    >>> _ = torch.manual_seed(0)
    >>> rnn = wormnet.LTC(wormnet.circuits.touch())
    >>> recording = stimulate(rnn, {"ALM": 1.0}, samples=50)
    >>> recording["AVA"].shape, recording["AVB"].shape
    ((50,), (50,))
    """
    if not isinstance(rnn, Recurrent):
        raise ArgumentError(f"stimulate is given {type(rnn).__name__}; it takes a layer of wormnet (LTC, CfC, ...).")
    samples = check.number("samples", samples, 1)
    if dt is not None and (isinstance(dt, bool) or not isinstance(dt, (int, float)) or not 0 < dt < math.inf):
        raise ArgumentError(f"dt is {dt!r}; it takes a number > 0, the time from one sample to the next.")
    given = _stimuli(stimuli, samples)
    cut = [lesion] if isinstance(lesion, str) else list(lesion)
    layers = [rnn, *_null_layers(rnn, nulls, n, seed)]
    left = rnn.wiring.lesion(*cut) if cut else rnn.wiring
    for name in given:
        if atlas.named(name, rnn.wiring.cells) and not atlas.named(name, left.cells):
            raise WiringError(f"{name!r} is stimulated, and taken out by lesion=; choose one.")
    with warnings.catch_warnings():
        # Whether outputs see the newest sample decides nothing here: nothing is learned.
        warnings.simplefilter("ignore", BlindOutputWarning)
        recorded = [_record(one.on(one.wiring.lesion(*cut)) if cut else one, given, samples, dt) for one in layers]
    step = rnn.time_unit if dt is None else float(dt)
    null = np.stack(recorded[1:]) if len(recorded) > 1 else np.zeros((0, *recorded[0].shape))
    return Recording(np.arange(1.0, samples + 1) * np.float64(step), left.neurons, recorded[0], null, given)


def dealt(rnn: Recurrent, wiring: Wiring, *, seed: int = 0) -> Recurrent:
    """A layer like this one on a null wiring of the same cells: its synapses are dealt the parameters of the old ones.

    Each synapse of the new wiring takes all parameters of one of the old, drawn at random without replacement among
    those of the same kind, of the same sign, and from an input if it comes from one. So the null network has the old
    one's parameters, and differs in who is connected to whom.

    Raises: WiringError if the wirings differ in cells, or in how many synapses there are of each sort.

    >>> import wormnet
    >>> rnn = wormnet.LTC(wormnet.auto_ncp(inputs=3, neurons=10, outputs=1))
    >>> null = dealt(rnn, next(wormnet.nulls(rnn.wiring, "rewire", 1)))
    >>> rnn.values()["slope"].sum().isclose(null.values()["slope"].sum()).item()
    True
    """
    if wiring.cells != rnn.wiring.cells:
        raise WiringError("the null wiring has other cells than the layer; parameters are dealt among the same cells.")
    rng = check.generator(seed)
    new = rnn.on(wiring)
    old_values, values = rnn.values(), dict(new.values())
    order = _dealing(rnn.wiring, wiring, rng)
    for name, spec in new._table.specs.items():
        if spec.over in ("chemical", "gap", "current", "connection"):
            before, after = rnn._table.synapse[str(spec.over)], new._table.synapse[str(spec.over)]
            place = {int(synapse): i for i, synapse in enumerate(before) if synapse >= 0}
            old_rows = [place[int(order[synapse])] if synapse >= 0 else -1 for synapse in after]
            rows = torch.tensor(old_rows, dtype=torch.long)
            taken = values[name].detach().clone()
            taken[rows >= 0] = old_values[name].detach()[rows[rows >= 0]]
            values[name] = taken
    new.set_values(**{name: value.detach() for name, value in values.items()})
    return new


def _dealing(old: Wiring, new: Wiring, rng: np.random.Generator) -> NDArray[np.int64]:
    """(synapses of the new,) the synapse of the old whose parameters each takes."""
    sorts = [np.stack([w.kind, w.sign, w.pre < w.n_inputs]) for w in (old, new)]
    order = np.zeros(new.n_synapses, np.int64)
    for one in np.unique(np.concatenate(sorts, axis=1), axis=1).T:
        theirs, ours = (np.flatnonzero((sort == one[:, None]).all(0)) for sort in sorts)
        if len(theirs) != len(ours):
            raise WiringError(
                f"the null wiring has {len(ours)} synapses of a sort of which the layer's has {len(theirs)} (kind "
                f"{one[0]}, sign {one[1]:+d}); parameters are dealt among as many."
            )
        order[ours] = rng.permutation(theirs)
    return order


def _stimuli(stimuli: Any, samples: int) -> dict[str, NDArray[np.float64]]:
    if not isinstance(stimuli, Mapping) or not stimuli:
        raise ArgumentError(f"stimuli is {stimuli!r}; it takes {{cell or class: a number, or one for each sample}}.")
    found = {}
    for name, value in stimuli.items():
        try:
            wave = np.asarray(value, np.float64)
        except (TypeError, ValueError):
            raise ArgumentError(f"the stimulus of {name!r} is {value!r}; it takes numbers.") from None
        if wave.shape not in ((), (samples,)):
            raise ShapeError(f"the stimulus of {name!r} has shape {wave.shape}; it takes a number or ({samples},).")
        if not np.isfinite(wave).all():
            raise ArgumentError(f"the stimulus of {name!r} is not finite everywhere.")
        found[name] = np.broadcast_to(wave, (samples,)).copy()
    return found


def _null_layers(rnn: Recurrent, nulls: Any, n: int, seed: int) -> Sequence[Recurrent]:
    if isinstance(nulls, str):
        return [dealt(rnn, one, seed=seed + i) for i, one in enumerate(null_wirings(rnn.wiring, nulls, n, seed))]
    layers = list(nulls)
    for one in layers:
        if not isinstance(one, Recurrent) or one.wiring.cells != rnn.wiring.cells:
            raise ArgumentError("nulls takes the name of a null model, or layers with the same cells as the layer.")
    return layers


def _record(
    rnn: Recurrent, stimuli: Mapping[str, NDArray[np.float64]], samples: int, dt: float | None
) -> NDArray[np.float64]:
    wiring = rnn.wiring
    injected: dict[str, NDArray[np.float64]] = {}
    x = np.zeros((samples, wiring.n_inputs))
    for name, wave in stimuli.items():
        cells = atlas.named(name, wiring.cells)
        if not cells:
            raise atlas.no_such("cell", name, wiring.cells)
        for cell in cells:
            if cell in wiring.inputs:
                x[:, wiring.inputs.index(cell)] += wave
            else:
                injected[cell] = injected.get(cell, 0.0) + wave
    if injected:
        rnn = _with_electrodes(rnn, list(injected))
        x = np.concatenate([x, np.stack(list(injected.values()), 1)], 1)
    like = next(rnn.parameters())
    with torch.no_grad():
        trace = rnn.trace(torch.as_tensor(x, dtype=like.dtype, device=like.device), dt=dt)
    return trace.double().cpu().numpy()


def _with_electrodes(rnn: Recurrent, neurons: list[str]) -> Recurrent:
    """The layer with an input for each of these neurons that injects its current, with gain 1."""
    wiring = rnn.wiring
    if not any(edge.over == "current" for update in rnn.model.updates() for edge in getattr(update, "edges", ())):
        there = ", ".join(map(repr, wiring.inputs[:5])) or "this wiring has none, wiring.clamp(...) makes some"
        raise WiringError(
            f"{neurons[0]!r} is a neuron, and the model {rnn.model.name!r} has no current synapses to stimulate it "
            f"with; stimulate an input cell: {there}."
        )
    names = {f"electrode in {one}": one for one in neurons}
    driven = rnn.on(wiring.drive({name: naming.neurons(wiring, "stimulate", [one]) for name, one in names.items()}))
    for spec in driven._table.specs.values():
        if spec.over == "current":
            gain = driven.values()[spec.name].detach().clone()
            gain[torch.tensor([key[0] in names for key in driven._table.keys(spec)])] = 1.0  # pyright: ignore
            driven.set_values(**{spec.name: gain})
    return driven
