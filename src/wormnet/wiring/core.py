"""Who is connected to whom: the `Wiring`, frozen data that proves itself when it is built."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wormnet.errors import WiringError, unknown

__all__ = ["CHEMICAL", "CURRENT", "GAP", "KINDS", "ROLES", "Csr", "Wiring"]

CHEMICAL, GAP, CURRENT = 0, 1, 2
KINDS = ("chemical", "gap", "current")
"""Names of the kinds of synapse; a kind's number is its place here."""

ROLES = ("sensory", "inter", "command", "motor", "unknown")
"""What a neuron can be in the animal, or in a circuit policy."""


class Csr(NamedTuple):
    """Directed edges in the order of their receivers: neuron i receives edges `start[i]:start[i + 1]`.

    A gap junction acts both ways and so is two edges with one `synapse`.
    """

    start: NDArray[np.int64]
    """(neurons + 1,)"""
    pre: NDArray[np.int64]
    """(edges,) cell that sends"""
    post: NDArray[np.int64]
    """(edges,) neuron that receives, as a neuron number (0 is the first neuron, not the first cell)"""
    synapse: NDArray[np.int64]
    """(edges,) place of the edge's synapse among those of its kind, the order of the kind's parameters"""


class Wiring:
    """Inputs, neurons, and the synapses between them. Immutable; equal when its content is equal.

    Cells are numbered inputs first, then neurons: with I inputs, cell I is neuron 0. Inputs only send; neurons have a
    potential. Synapses are kept sorted by (post, pre, kind), whatever order they are given in; the parameters of every
    model follow that order.

    Args:
        inputs: names of the inputs, or how many (then named in0, in1, ...).
        neurons: names of the neurons, or how many (then named n0, n1, ...). Names are unique over all cells.
        roles: for each neuron one of "sensory", "inter", "command", "motor", "unknown"; one string for all of them.
        outputs: the neurons that are read out, in order, as names or neuron numbers; None for all neurons.
        layers: for each neuron its place in the update order of models without sub-steps (CfC): neurons of layer 0
            are updated first, those of layer 1 then see their new states, and so on. None: all in layer 0.
        pre, post: (synapses,) cell numbers.
        kind: (synapses,) or one for all: CHEMICAL, a conductance switched by the sender; GAP, a junction that acts
            both ways, stored once (from an input, which has no potential to change, one way); CURRENT, an input
            injected linearly.
        sign: (synapses,) or one for all: +1 excitatory, -1 inhibitory, 0 to be learned. Of chemical synapses and
            currents; a gap junction has none (0).
        count: (synapses,) or one for all: anatomical weight, for example the number of contacts; > 0, 1 if unknown.
        source: the paper or call that it comes from.

    Raises:
        WiringError: for anything that cannot be, naming the synapse or cell at fault.

    Source: the interface of neural circuit policies, Lechner et al. 2020, Nat. Mach. Intell. 2, 642-652, with the
    synapse kinds of Wicks, Roehrig & Rankin 1996, J. Neurosci. 16, 4017.

    >>> wiring = Wiring(1, 2, pre=[0, 1], post=[1, 2], sign=[1, -1])
    >>> wiring
    Wiring(1 input, 2 neurons, 2 outputs, 2 synapses)
    >>> wiring.n_synapses, wiring.cells
    (2, ('in0', 'n0', 'n1'))
    >>> Wiring(1, 2, pre=[1], post=[0])
    Traceback (most recent call last):
    wormnet.errors.WiringError: synapse 0 ends on cell 0 ('in0'), which is not a neuron: cell 0 is an input, 1-2 are \
neurons. Inputs only send.
    """

    inputs: tuple[str, ...]
    neurons: tuple[str, ...]
    roles: tuple[str, ...]
    outputs: tuple[str, ...]
    layers: NDArray[np.int64]
    pre: NDArray[np.int64]
    post: NDArray[np.int64]
    kind: NDArray[np.int8]
    sign: NDArray[np.int8]
    count: NDArray[np.float64]
    source: str

    def __init__(
        self,
        inputs: int | Iterable[str],
        neurons: int | Iterable[str],
        roles: str | Iterable[str] = "unknown",
        outputs: Iterable[str | int] | None = None,
        layers: ArrayLike | None = None,
        pre: ArrayLike = (),
        post: ArrayLike = (),
        kind: ArrayLike = CHEMICAL,
        sign: ArrayLike = 0,
        count: ArrayLike = 1.0,
        source: str = "",
    ):
        def put(name: str, value: Any) -> None:
            object.__setattr__(self, name, value)

        put("inputs", _names("inputs", "in", inputs))
        put("neurons", _names("neurons", "n", neurons))
        _check_unique(self.inputs + self.neurons)
        put("roles", _roles(roles, len(self.neurons)))
        put("outputs", _outputs(outputs, self.neurons))
        put("layers", _frozen(_layers(layers, len(self.neurons))))
        put("source", _text("source", source))

        pre, post = _whole("pre", pre), _whole("post", post)
        if pre.ndim != 1 or pre.shape != post.shape:
            raise WiringError(
                f"pre has shape {pre.shape} and post {post.shape}; they take one cell number per synapse, equally many."
            )
        kind, sign = _per_synapse("kind", kind, len(pre)), _per_synapse("sign", sign, len(pre))
        count = _counts(count, len(pre))
        _check_synapses(self, pre, post, kind, sign)
        pre, post = _gaps_once(pre, post, kind)
        order = np.lexsort((kind, pre, post))
        for name, values, dtype in (
            ("pre", pre, np.int64),
            ("post", post, np.int64),
            ("kind", kind, np.int8),
            ("sign", sign, np.int8),
            ("count", count, np.float64),
        ):
            put(name, _frozen(values[order].astype(dtype)))
        _check_duplicates(self)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a Wiring is immutable; {name!r} cannot be set. Its edits return a new one.")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a Wiring is immutable; {name!r} cannot be deleted. Its edits return a new one.")

    # -- sizes ---------------------------------------------------------------------------------------------------------

    @property
    def n_inputs(self) -> int:
        return len(self.inputs)

    @property
    def n_neurons(self) -> int:
        return len(self.neurons)

    @property
    def n_outputs(self) -> int:
        return len(self.outputs)

    @property
    def n_synapses(self) -> int:
        return len(self.pre)

    @property
    def cells(self) -> tuple[str, ...]:
        """Names of all cells in the order of their numbers: inputs, then neurons."""
        return self.inputs + self.neurons

    # -- look-ups ------------------------------------------------------------------------------------------------------

    @cached_property
    def _number(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.cells)}

    def cell(self, name: str) -> int:
        """The number of a cell. Raises WiringError with near names if there is none.

        >>> Wiring(1, ["AVAL", "AVAR"]).cell("AVAR")
        2
        """
        try:
            return self._number[name]
        except (KeyError, TypeError):
            raise WiringError(unknown("cell", name, self.cells)) from None

    @cached_property
    def output_index(self) -> NDArray[np.int64]:
        """(outputs,) neuron numbers of the outputs."""
        return _frozen(np.array([self._number[name] - self.n_inputs for name in self.outputs], np.int64))

    def of_kind(self, kind: int) -> NDArray[np.int64]:
        """(synapses of that kind,) their places in `pre`, `post`, `sign`, `count`."""
        return np.flatnonzero(self.kind == kind)

    def csr(self, kind: int) -> Csr:
        """The directed edges of one kind in the order of their receivers. The only home of that order.

        Gap junctions between two neurons are listed in both directions.

        >>> wiring = Wiring(0, 2, pre=[0], post=[1], kind=GAP)
        >>> wiring.csr(GAP).pre, wiring.csr(GAP).synapse
        (array([1, 0]), array([0, 0]))
        """
        chosen = self.of_kind(kind)
        pre, post, synapse = self.pre[chosen], self.post[chosen], np.arange(len(chosen))
        if kind == GAP:
            both = pre >= self.n_inputs
            pre, post, synapse = (
                np.concatenate([pre, post[both]]),
                np.concatenate([post, pre[both]]),
                np.concatenate([synapse, synapse[both]]),
            )
        order = np.lexsort((pre, post))
        pre, post, synapse = pre[order], post[order] - self.n_inputs, synapse[order]
        start = np.concatenate([[0], np.cumsum(np.bincount(post, minlength=self.n_neurons))])
        return Csr(start.astype(np.int64), pre, post, synapse.astype(np.int64))

    # -- identity ------------------------------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Everything that makes the wiring, as plain lists and strings; `Wiring(**wiring.to_dict())` equals it."""
        return {
            "inputs": list(self.inputs),
            "neurons": list(self.neurons),
            "roles": list(self.roles),
            "outputs": list(self.outputs),
            "layers": self.layers.tolist(),
            "pre": self.pre.tolist(),
            "post": self.post.tolist(),
            "kind": self.kind.tolist(),
            "sign": self.sign.tolist(),
            "count": self.count.tolist(),
            "source": self.source,
        }

    @cached_property
    def digest(self) -> str:
        """sha256 of the content, hexadecimal. Equal wirings have equal digests, on every machine."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Wiring) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.to_dict(),)

    def __copy__(self) -> "Wiring":
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "Wiring":
        return self

    def __repr__(self) -> str:
        def some(n: int, word: str) -> str:
            return f"{n} {word}" + ("" if n == 1 else "s")

        parts = [some(self.n_inputs, "input"), some(self.n_neurons, "neuron"), some(self.n_outputs, "output")]
        n_gap, n_current = int((self.kind == GAP).sum()), int((self.kind == CURRENT).sum())
        parts.append(
            some(self.n_synapses - n_gap - n_current, "synapse")
            if n_gap or n_current
            else some(self.n_synapses, "synapse")
        )
        parts += [some(n_gap, "gap junction")] * bool(n_gap) + [some(n_current, "current")] * bool(n_current)
        return f"Wiring({', '.join(parts)})"


def _rebuild(content: dict[str, Any]) -> Wiring:
    return Wiring(**content)


# -- what may be passed ------------------------------------------------------------------------------------------------


def _frozen(values: NDArray[Any]) -> NDArray[Any]:
    values.flags.writeable = False
    return values


def _text(what: str, value: object) -> str:
    if not isinstance(value, str):
        raise WiringError(f"{what} is {value!r}; it takes text.")
    return str(value)


def _names(what: str, prefix: str, given: int | Iterable[str]) -> tuple[str, ...]:
    if isinstance(given, (int, np.integer)) and not isinstance(given, bool):
        if given < 0:
            raise WiringError(f"{what} is {given}; it takes a number of cells, 0 or more, or their names.")
        return tuple(f"{prefix}{i}" for i in range(given))
    if isinstance(given, (str, bool)) or not isinstance(given, Iterable):
        raise WiringError(f"{what} is {given!r}; it takes a number of cells, or a list of their names.")
    names = tuple(given)
    for name in names:
        if not isinstance(name, str) or not name:
            raise WiringError(f"{what} holds {name!r}; a cell's name is text and not empty.")
    return tuple(map(str, names))


def _check_unique(names: Sequence[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise WiringError(f"two cells are named {name!r}; names are unique over inputs and neurons.")
        seen.add(name)


def _roles(given: str | Iterable[str], n: int) -> tuple[str, ...]:
    roles = (given,) * n if isinstance(given, str) else tuple(given)
    if isinstance(given, str) and given not in ROLES:
        raise WiringError(unknown("role", given, ROLES))
    if len(roles) != n:
        raise WiringError(
            f"roles holds {len(roles)} for {n} neurons; it takes one for each neuron, or one string for all."
        )
    for role in roles:
        if role not in ROLES:
            raise WiringError(unknown("role", role, ROLES))
    return roles


def _outputs(given: Iterable[str | int] | None, neurons: tuple[str, ...]) -> tuple[str, ...]:
    if given is None:
        return neurons
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise WiringError(f"outputs is {given!r}; it takes a list of neurons, by name or number, or None for all.")
    known, outputs = set(neurons), []
    for output in given:
        if isinstance(output, (int, np.integer)) and not isinstance(output, bool):
            if not 0 <= output < len(neurons):
                raise WiringError(f"outputs holds {output}; neurons are numbered 0 to {len(neurons) - 1}.")
            output = neurons[output]
        if output not in known:
            raise WiringError(unknown("output neuron", output, neurons))
        outputs.append(output)
    if len(set(outputs)) != len(outputs):
        raise WiringError(f"outputs names a neuron twice: {', '.join(outputs)}.")
    return tuple(outputs)


def _layers(given: ArrayLike | None, n: int) -> NDArray[np.int64]:
    if given is None:
        return np.zeros(n, np.int64)
    layers = _whole("layers", given)
    if layers.shape != (n,):
        raise WiringError(f"layers has shape {layers.shape}; it takes one number for each of the {n} neurons.")
    if n and layers.min() < 0:
        raise WiringError(f"layers holds {layers.min()}; layers are numbered from 0.")
    # Numbered without holes, so that equal update orders are equal wirings.
    return np.unique(layers, return_inverse=True)[1].astype(np.int64).reshape(n)


def _whole(what: str, given: ArrayLike) -> NDArray[np.int64]:
    try:
        values = np.asarray(given)
        if values.size == 0:
            values = values.astype(np.int64)
        if values.dtype.kind not in "iu" and not (
            values.dtype.kind == "f" and np.all(values == np.floor(values)) and np.all(np.abs(values) < 2**53)
        ):
            raise TypeError
        return values.astype(np.int64)
    except (TypeError, ValueError, OverflowError):
        raise WiringError(f"{what} is {_shortened(given)}; it takes whole numbers.") from None


def _shortened(given: object) -> str:
    text = repr(given)
    return text if len(text) <= 80 else text[:77] + "..."


def _per_synapse(what: str, given: ArrayLike, n: int) -> NDArray[np.int64]:
    values = _whole(what, given)
    if values.ndim == 0:
        values = np.full(n, values)
    if values.shape != (n,):
        raise WiringError(
            f"{what} has shape {values.shape}; it takes one for each of the {n} synapses, or one for all."
        )
    return values


def _counts(given: ArrayLike, n: int) -> NDArray[np.float64]:
    try:
        values = np.asarray(given, np.float64)
    except (TypeError, ValueError):
        raise WiringError(f"count is {_shortened(given)}; it takes numbers > 0.") from None
    if values.ndim == 0:
        values = np.full(n, values)
    if values.shape != (n,):
        raise WiringError(f"count has shape {values.shape}; it takes one for each of the {n} synapses, or one for all.")
    for s in np.flatnonzero(~(np.isfinite(values) & (values > 0)))[:1]:
        raise WiringError(f"synapse {s} has count {values[s]}; a count is finite and > 0. Leave absent synapses out.")
    return values


def _check_synapses(
    wiring: Wiring, pre: NDArray[np.int64], post: NDArray[np.int64], kind: NDArray[np.int64], sign: NDArray[np.int64]
) -> None:
    n_inputs, n_cells, cells = wiring.n_inputs, wiring.n_inputs + wiring.n_neurons, wiring.cells
    last = n_cells - 1

    def first(wrong: NDArray[np.bool_]) -> Iterable[int]:
        return np.flatnonzero(wrong)[:1].tolist()

    for word, ends in (("starts", pre), ("ends", post)):
        for s in first((ends < 0) | (ends >= n_cells)):
            raise WiringError(
                f"synapse {s} {word} on cell {ends[s]}; "
                + (f"cells are numbered 0 to {last}." if n_cells else "there are no cells.")
            )
    for s in first(post < n_inputs):
        what = "cell 0 is an input" if n_inputs == 1 else f"cells 0-{n_inputs - 1} are inputs"
        those = (
            f"{n_inputs}-{last} are neurons"
            if last > n_inputs
            else f"{last} is the neuron"
            if last == n_inputs
            else "there are no neurons"
        )
        raise WiringError(
            f"synapse {s} ends on cell {post[s]} ({cells[post[s]]!r}), which is not a neuron: {what}, {those}. Inputs only send."
        )
    for s in first((kind < 0) | (kind >= len(KINDS))):
        raise WiringError(f"synapse {s} has kind {kind[s]}; kinds are 0 (chemical), 1 (gap) and 2 (current).")
    for s in first(np.abs(sign) > 1):
        raise WiringError(
            f"synapse {s} has sign {sign[s]}; signs are +1 (excitatory), -1 (inhibitory) and 0 (to be learned)."
        )
    for s in first((kind == GAP) & (sign != 0)):
        raise WiringError(f"synapse {s} is a gap junction with sign {sign[s]}; a gap junction has no sign, it takes 0.")
    for s in first((kind == GAP) & (pre == post)):
        raise WiringError(
            f"synapse {s} is a gap junction of cell {pre[s]} ({cells[pre[s]]!r}) with itself; it would carry no current. Leave it out."
        )
    for s in first((kind == CURRENT) & (pre >= n_inputs)):
        raise WiringError(
            f"synapse {s} is a current from cell {pre[s]} ({cells[pre[s]]!r}), a neuron; a current is injected by an input. Use CHEMICAL or GAP between neurons."
        )


def _gaps_once(
    pre: NDArray[np.int64], post: NDArray[np.int64], kind: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Gap junctions with the lower cell number as `pre`, since both ends are alike."""
    turn = (kind == GAP) & (pre > post)
    return np.where(turn, post, pre), np.where(turn, pre, post)


def _check_duplicates(wiring: Wiring) -> None:
    same = (np.diff(wiring.pre) == 0) & (np.diff(wiring.post) == 0) & (np.diff(wiring.kind) == 0)
    for s in np.flatnonzero(same)[:1]:
        raise WiringError(
            f"two {KINDS[wiring.kind[s]]} synapses go from {wiring.cells[wiring.pre[s]]!r} to {wiring.cells[wiring.post[s]]!r}; "
            "a pair has at most one of each kind. Put several contacts into `count`."
        )
