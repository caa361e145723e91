"""Wiring -> Wiring: cells and synapses taken out, put in, renamed, clamped. Each is a method of `Wiring`.

An edit keeps `source`: what is left still comes from there. Models built on an edited wiring start with new parameters.

Where an edit takes cells it also takes classes of the worm: AVA for AVAL and AVAR, DA for DA1 to DA9, AVFL/R for both.
A cell of exactly that name goes before a class; a class stands for all of its cells that are in the wiring, however the
wiring spells them, in the wiring's order, or it is an error (where neurons are asked for and some of them are inputs).
A wiring keeps the spellings that it was built with. A cell named in another one (VA1 for VA01, dBWML8 for MDL08; see
`wormnet.wiring.spelling`) is found if there is no doubt which it is, and a `SpellingWarning` says so.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wormnet.errors import WiringError, unknown
from wormnet.wiring import atlas, check, naming
from wormnet.wiring.check import CHEMICAL, CURRENT, GAP

if TYPE_CHECKING:
    from wormnet.wiring.core import Wiring

FIELDS = ("inputs", "neurons", "roles", "outputs", "layers", "pre", "post", "kind", "sign", "count", "source")
"""What makes a wiring: the arguments of its constructor, in their order."""


def lesion(wiring: "Wiring", *cells: str, synapses: ArrayLike | Iterable[tuple[str, str]] | None = None) -> "Wiring":
    """Take out cells with all their synapses, and single synapses.

    Args:
        cells: names or classes of inputs and neurons. A lesioned output is read out no more.
        synapses: (pre, post) names, each pair with all its kinds and a gap junction from either end; or places in
            `wiring.pre`; or a boolean mask (synapses,) that is True where a synapse goes.

    Raises: WiringError for a cell or synapse that is not there.

    >>> from wormnet import Wiring
    >>> chain = Wiring(1, ["a", "b", "c"], pre=[0, 1, 2], post=[1, 2, 3])
    >>> chain.lesion("b")
    Wiring(1 input, 2 neurons, 2 outputs, 1 synapse)
    >>> Wiring(0, ["AVAL", "AVAR", "DA1"]).lesion("AVA").cells
    ('DA1',)
    >>> chain.lesion(synapses=[("a", "b")])
    Wiring(1 input, 3 neurons, 3 outputs, 2 synapses)
    """
    gone = np.zeros(len(wiring.cells), bool)
    gone[naming.cells(wiring, "lesion", cells)] = True
    stays = ~(gone[wiring.pre] | gone[wiring.post])
    if synapses is not None:
        stays &= ~_chosen(wiring, synapses)
    return _subset(wiring, ~gone, stays)


def keep(wiring: "Wiring", *cells: str) -> "Wiring":
    """Keep these inputs and neurons, with the synapses between them, and nothing else. The opposite of `lesion`.

    Args: cells: names or classes.
    Raises: WiringError for a cell that is not there.

    >>> from wormnet import Wiring
    >>> Wiring(1, ["a", "b", "c"], pre=[0, 1, 2], post=[1, 2, 3]).keep("in0", "a", "c")
    Wiring(1 input, 2 neurons, 2 outputs, 1 synapse)
    """
    stays = np.zeros(len(wiring.cells), bool)
    stays[naming.cells(wiring, "keep", cells)] = True
    return _subset(wiring, stays, stays[wiring.pre] & stays[wiring.post])


def rename(wiring: "Wiring", new: Mapping[str, str] | Callable[[str], str]) -> "Wiring":
    """Give cells other names.

    Args: new: {old name: new name}, cells left out keep theirs; or a function from old to new, applied to all cells.
    Raises: WiringError for a cell that is not there, or two cells of one name.

    >>> from wormnet import Wiring
    >>> Wiring(1, 2).rename({"n0": "AVAL", "n1": "AVAR"}).cells
    ('in0', 'AVAL', 'AVAR')
    >>> Wiring(1, 2).rename(str.upper).cells
    ('IN0', 'N0', 'N1')
    """
    renamed = renaming(wiring, new)
    return wiring.replace(
        inputs=[renamed[name] for name in wiring.inputs],
        neurons=[renamed[name] for name in wiring.neurons],
        outputs=[renamed[name] for name in wiring.outputs],
    )


def reorder(wiring: "Wiring", neurons: Iterable[str]) -> "Wiring":
    """Renumber the neurons; nothing else changes, the outputs keep their order too.

    Args: neurons: the names of all neurons, in their new order.
    Raises: WiringError if a neuron is missing, doubled or not there.

    >>> from wormnet import Wiring
    >>> Wiring(1, ["a", "b"], pre=[0], post=[1]).reorder(["b", "a"]).post
    array([2])
    """
    if isinstance(neurons, str) or not isinstance(neurons, Iterable):
        raise WiringError(f"reorder is given {check.shortened(neurons)}; it takes the names of all neurons.")
    order = [naming.neuron(wiring, name) for name in neurons]
    if len(set(order)) != len(order):
        raise WiringError("reorder names a neuron twice; it takes each of the neurons once.")
    if len(order) != wiring.n_neurons:
        missing = sorted(set(wiring.neurons) - {wiring.cells[cell] for cell in order}, key=wiring.cell)
        raise WiringError(
            f"reorder names {len(order)} of {wiring.n_neurons} neurons; it takes each once. "
            f"Missing: {', '.join(missing[:10])}{', ...' if len(missing) > 10 else ''}."
        )
    place = np.arange(len(wiring.cells))
    place[order] = np.arange(wiring.n_inputs, len(wiring.cells))
    old = np.array(order, np.int64) - wiring.n_inputs
    return wiring.replace(
        neurons=[wiring.neurons[i] for i in old],
        roles=[wiring.roles[i] for i in old],
        layers=wiring.layers[old],
        pre=place[wiring.pre],
        post=place[wiring.post],
    )


def clamp(wiring: "Wiring", *neurons: str) -> "Wiring":
    """Turn neurons into inputs, whose potential is then given from outside, as under a voltage clamp.

    Their incoming synapses go, and so do gap junctions between two of them; what they send stays, and starts from an
    input. They follow the inputs there are, in the order given. A clamped output is read out no more.

    Args: neurons: names or classes.
    Raises: WiringError for a neuron that is not there or already is an input.

    >>> from wormnet import Wiring
    >>> Wiring(1, ["a", "b"], pre=[0, 1], post=[1, 2]).clamp("a")
    Wiring(2 inputs, 1 neuron, 1 output, 1 synapse)
    >>> Wiring(0, ["ALML", "ALMR", "AVM", "AVDL"]).clamp("ALM", "AVM").inputs
    ('ALML', 'ALMR', 'AVM')
    """
    names = naming.neurons(wiring, "clamp", neurons)
    naming.check_once("clamp", names)
    held = [wiring.cell(name) for name in names]
    n_cells = len(wiring.cells)
    is_held = np.isin(np.arange(n_cells), held)
    order = [*range(wiring.n_inputs), *held, *(np.flatnonzero(~is_held[wiring.n_inputs :]) + wiring.n_inputs)]
    place = np.empty(n_cells, np.int64)
    place[order] = np.arange(n_cells)
    # Of a gap junction the clamped end, whichever it is, becomes the one that sends.
    turn = (wiring.kind == GAP) & is_held[wiring.post]
    pre, post = np.where(turn, wiring.post, wiring.pre), np.where(turn, wiring.pre, wiring.post)
    stays = ~is_held[post] & (post >= wiring.n_inputs)
    free = ~is_held[wiring.n_inputs :]
    return wiring.replace(
        inputs=[wiring.cells[i] for i in order[: wiring.n_inputs + len(held)]],
        neurons=[name for name, is_free in zip(wiring.neurons, free) if is_free],
        roles=[role for role, is_free in zip(wiring.roles, free) if is_free],
        outputs=[name for name in wiring.outputs if not is_held[wiring.numbers[name]]],
        layers=wiring.layers[free],
        pre=place[pre][stays],
        post=place[post][stays],
        **{name: getattr(wiring, name)[stays] for name in ("kind", "sign", "count")},
    )


def drive(wiring: "Wiring", inputs: Mapping[str, str | Iterable[str]], weight: float = 1.0, sign: int = 1) -> "Wiring":
    """Add inputs that inject current into neurons, like an electrode.

    Args:
        inputs: {name of the new input: the neuron, or neurons, it drives, by name or class}.
        weight: `count` of each new synapse, > 0.   sign: +1, -1, or 0 to be learned.

    Raises: WiringError if a neuron is not there, an input drives none, or its name is taken.

    >>> from wormnet import Wiring
    >>> Wiring(0, ["a", "b"]).drive({"touch": ["a", "b"], "light": "b"})
    Wiring(2 inputs, 2 neurons, 2 outputs, 0 synapses, 3 currents)
    >>> Wiring(0, ["ASEL", "ASER"]).drive({"salt": "ASE"})
    Wiring(1 input, 2 neurons, 2 outputs, 0 synapses, 2 currents)
    """
    if not isinstance(inputs, Mapping):
        raise WiringError(f"drive is given {check.shortened(inputs)}; it takes {{new input: neurons}}.")
    pre, post = [], []
    there = atlas.counterparts([name for name in inputs if isinstance(name, str)], wiring.cells)
    for i, (name, driven) in enumerate(inputs.items()):
        if name in there:
            raise WiringError(
                f"there already is a cell {there[name]!r}{f', as {name!r} is spelled here' * (there[name] != name)}; "
                f"drive makes new inputs. From an input there is: wiring.add({there[name]!r}, neuron, CURRENT)."
            )
        if not isinstance(driven, Iterable):
            raise WiringError(
                f"drive is given {check.shortened(driven)} for {name!r}; it takes the name of a neuron, or several."
            )
        targets = naming.neurons(wiring, "drive", [driven] if isinstance(driven, str) else list(driven))
        if not targets:
            raise WiringError(f"drive is given no neurons for {name!r}; it takes the name of a neuron, or several.")
        naming.check_once(f"drive, for {name!r},", targets)
        pre += [wiring.n_inputs + i] * len(targets)
        post += [wiring.cell(target) + len(inputs) for target in targets]
    moved = wiring.pre + np.where(wiring.pre >= wiring.n_inputs, len(inputs), 0)
    return appended(
        wiring.replace(inputs=[*wiring.inputs, *inputs], pre=moved, post=wiring.post + len(inputs)),
        pre,
        post,
        CURRENT,
        sign,
        weight,
    )


def read_out(wiring: "Wiring", *neurons: str) -> "Wiring":
    """Read out these neurons, in this order, instead of those read out now.

    Args: neurons: names or classes.
    Raises: WiringError for a neuron that is not there, or named twice.

    >>> from wormnet import Wiring
    >>> Wiring(1, ["a", "b"]).read_out("b").outputs
    ('b',)
    >>> Wiring(0, ["DA1", "AVAL", "AVAR"]).read_out("AVA", "DA1").outputs
    ('AVAL', 'AVAR', 'DA1')
    """
    return wiring.replace(outputs=naming.neurons(wiring, "read_out", neurons))


def add(wiring: "Wiring", pre: str, post: str, kind: int = CHEMICAL, sign: int = 0, count: float = 1.0) -> "Wiring":
    """Add one synapse between cells that are there.

    Args: pre, post: names.   kind: CHEMICAL, GAP or CURRENT.   sign: +1, -1, or 0 to be learned.   count: > 0.
    Raises: WiringError for a cell that is not there, or a synapse that cannot be or is there already.

    >>> from wormnet import Wiring
    >>> Wiring(1, ["a", "b"]).add("in0", "a", sign=1).add("a", "b", sign=-1).n_synapses
    2
    """
    ends = wiring.cell(pre), naming.neuron(wiring, post)
    # Of a junction that is there the constructor would take this for the other end's entry.
    if np.any((wiring.kind == GAP) & (kind == GAP) & (wiring.pre == min(ends)) & (wiring.post == max(ends))):
        raise WiringError(f"there already is a gap junction of {pre!r} and {post!r}; a pair has at most one.")
    return appended(wiring, [ends[0]], [ends[1]], kind, sign, count)


def replace(wiring: "Wiring", **changes: Any) -> "Wiring":
    """Give some fields other values and keep the rest, as `dataclasses.replace` does.

    The result proves itself as every wiring does. Fields hold each other to account: another number of synapses takes
    pre, post, kind, sign and count together (one value for all will do for the last three), other names of neurons
    take outputs under those names (`rename` does both).

    Args: changes: arguments of `Wiring` by name.
    Raises: WiringError for a field that there is not, or a wiring that cannot be.

    >>> from wormnet import Wiring
    >>> chain = Wiring(1, 2, pre=[0, 1], post=[1, 2], sign=[1, -1], source="by hand")
    >>> chain.replace(sign=0).sign, chain.replace(sign=0).source
    (array([0, 0], dtype=int8), 'by hand')
    >>> chain.replace(signs=0)
    Traceback (most recent call last):
    wormnet.errors.WiringError: unknown field of a wiring 'signs'; did you mean 'sign' or 'inputs'? Known: inputs, \
neurons, roles, outputs, layers, pre, post, kind, sign, count, source.
    """
    for name in changes:
        if name not in FIELDS:
            raise WiringError(unknown("field of a wiring", name, FIELDS))
    return type(wiring)(**{name: changes[name] if name in changes else getattr(wiring, name) for name in FIELDS})


# -- what the edits share ----------------------------------------------------------------------------------------------


def appended(
    wiring: "Wiring", pre: ArrayLike, post: ArrayLike, kind: ArrayLike, sign: ArrayLike, count: ArrayLike
) -> "Wiring":
    """The wiring with more synapses."""
    pre, post = check.ends(pre, post)
    n = len(pre)
    return wiring.replace(
        pre=np.concatenate([wiring.pre, pre]),
        post=np.concatenate([wiring.post, post]),
        kind=np.concatenate([wiring.kind, check.per_synapse("kind", kind, n)]),
        sign=np.concatenate([wiring.sign, check.per_synapse("sign", sign, n)]),
        count=np.concatenate([wiring.count, check.counts(count, n)]),
    )


def renaming(wiring: "Wiring", new: Mapping[str, str] | Callable[[str], str]) -> dict[str, str]:
    """{name: new name} over all cells."""
    if callable(new):
        renamed = {name: new(name) for name in wiring.cells}
    elif isinstance(new, Mapping):
        renamed = {name: name for name in wiring.cells}
        for name, to in new.items():
            of_wiring = wiring.cells[wiring.cell(name)]
            if of_wiring != name and of_wiring in new:
                raise WiringError(f"{of_wiring!r} and {name!r} are spellings of one cell; it takes one of them.")
            renamed[of_wiring] = to
    else:
        raise WiringError(f"names are given as {check.shortened(new)}; they take {{old: new}} or a function.")
    return {old: check.text(f"the new name of {old!r}", name) for old, name in renamed.items()}


def _subset(wiring: "Wiring", cells: NDArray[np.bool_], synapses: NDArray[np.bool_]) -> "Wiring":
    """Only these cells and these synapses, which have both ends among them."""
    place = np.cumsum(cells) - 1
    neurons = cells[wiring.n_inputs :]
    left = {name for name, stays in zip(wiring.cells, cells) if stays}
    return wiring.replace(
        inputs=[name for name in wiring.inputs if name in left],
        neurons=[name for name in wiring.neurons if name in left],
        roles=[role for role, stays in zip(wiring.roles, neurons) if stays],
        outputs=[name for name in wiring.outputs if name in left],
        layers=wiring.layers[neurons],
        pre=place[wiring.pre[synapses]],
        post=place[wiring.post[synapses]],
        **{name: getattr(wiring, name)[synapses] for name in ("kind", "sign", "count")},
    )


def _chosen(wiring: "Wiring", synapses: ArrayLike | Iterable[tuple[str, str]]) -> NDArray[np.bool_]:
    """(synapses,) True for those that are named, numbered or masked."""
    chosen = np.zeros(wiring.n_synapses, bool)
    other = WiringError(f"synapses is {check.shortened(synapses)}; it takes (pre, post) names, places, or a mask.")
    if (
        isinstance(synapses, str)
        or not isinstance(synapses, Iterable)
        or (isinstance(synapses, np.ndarray) and not synapses.ndim)
    ):
        raise other
    given = synapses if isinstance(synapses, np.ndarray) else list(synapses)
    if isinstance(given, np.ndarray) and given.ndim > 1 and given.dtype != bool:
        given = given.tolist()
    if len(given) == 2 and all(isinstance(end, str) for end in given):
        given = [given]
    if len(given) and not isinstance(given, np.ndarray) and not np.isscalar(given[0]):
        for pair in given:
            chosen[_between(wiring, pair)] = True
        return chosen
    places = np.asarray(given)
    if places.dtype == bool:
        if places.shape != chosen.shape:
            raise WiringError(
                f"the mask has shape {places.shape}; it takes one truth value per synapse: {chosen.shape}."
            )
        return places
    if len(places) and places.dtype.kind not in "iuf":
        raise other
    places = check.whole("synapses", places)
    for place in places[(places < 0) | (places >= len(chosen))][:1]:
        those = f"they are numbered 0 to {len(chosen) - 1}" if len(chosen) else "the wiring has none"
        raise WiringError(f"there is no synapse {place}; {those}.")
    chosen[places] = True
    return chosen


def _between(wiring: "Wiring", pair: Any) -> NDArray[np.int64]:
    """The places of the synapses from one named cell to another; of gap junctions, whichever end comes first."""
    if not isinstance(pair, (tuple, list, np.ndarray)) or len(pair) != 2:
        raise WiringError(f"synapses holds {check.shortened(pair)}; it takes pairs (pre, post) of names.")
    pre, post = (wiring.cell(name) for name in pair)
    there = (wiring.pre == pre) & (wiring.post == post)
    there |= (wiring.kind == GAP) & (wiring.pre == post) & (wiring.post == pre)
    if not there.any():
        sends = [wiring.cells[i] for i in wiring.post[wiring.pre == pre]]
        raise WiringError(
            f"no synapse goes from {pair[0]!r} to {pair[1]!r}; {pair[0]!r} sends to: {', '.join(sends[:20]) or 'none'}."
        )
    return np.flatnonzero(there)
