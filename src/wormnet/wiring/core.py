"""Who is connected to whom: the `Wiring`, frozen data that proves itself when it is built."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wormnet.errors import WiringError
from wormnet.wiring import check, edit, merge, naming
from wormnet.wiring.check import CHEMICAL, CURRENT, GAP, KINDS, ROLES

__all__ = ["CHEMICAL", "CURRENT", "GAP", "KINDS", "ROLES", "Csr", "Wiring"]

PIECE = 2**16
"""How many numbers of a wiring are written as text at once."""


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
            injected linearly. A junction may be listed from both ends, as published tables do: with equal counts
            that is one junction, with unequal ones an error.
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

        put("inputs", check.names("inputs", "in", inputs))
        put("neurons", check.names("neurons", "n", neurons))
        check.unique(self.cells)
        put("roles", check.roles(roles, self.n_neurons))
        put("outputs", check.outputs(outputs, self.neurons))
        put("layers", _frozen(check.layers(layers, self.n_neurons)))
        put("source", check.text("source", source))

        pre, post = check.ends(pre, post)
        kind, sign = check.per_synapse("kind", kind, len(pre)), check.per_synapse("sign", sign, len(pre))
        count = check.counts(count, len(pre))
        # Both ends of a gap junction are alike: the lower cell number is `pre`.
        turned = (kind == GAP) & (pre > post)
        pre, post = np.where(turned, post, pre), np.where(turned, pre, post)
        check.synapses(self.cells, self.n_inputs, pre, post, kind, sign)
        order = np.lexsort((turned, kind, pre, post))
        order = order[check.listed_once(self.cells, pre[order], post[order], kind[order], count[order], turned[order])]
        for name, values, dtype in (
            ("pre", pre, np.int64),
            ("post", post, np.int64),
            ("kind", kind, np.int8),
            ("sign", sign, np.int8),
            ("count", count, np.float64),
        ):
            put(name, _frozen(values[order].astype(dtype)))

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a Wiring is immutable; {name!r} cannot be set. Its edits return a new one.")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a Wiring is immutable; {name!r} cannot be deleted. Its edits return a new one.")

    # -- sizes ---------------------------------------------------------------------------------------------------------

    @property
    def n_inputs(self) -> int:
        """Number of inputs."""
        return len(self.inputs)

    @property
    def n_neurons(self) -> int:
        """Number of neurons."""
        return len(self.neurons)

    @property
    def n_outputs(self) -> int:
        """Number of neurons that are read out."""
        return len(self.outputs)

    @property
    def n_synapses(self) -> int:
        """Number of synapses of all kinds; a gap junction is one."""
        return len(self.pre)

    @cached_property
    def cells(self) -> tuple[str, ...]:
        """Names of all cells in the order of their numbers: inputs, then neurons."""
        return self.inputs + self.neurons

    # -- look-ups ------------------------------------------------------------------------------------------------------

    @cached_property
    def numbers(self) -> Mapping[str, int]:
        """{name: number} of all cells, in the order of their numbers. For one name see `cell`."""
        return MappingProxyType({name: number for number, name in enumerate(self.cells)})

    def cell(self, name: str) -> int:
        """The number of a cell; one named in another spelling is found with a SpellingWarning.

        Raises: WiringError with near names if there is none.

        >>> Wiring(1, ["AVAL", "AVAR"]).cell("AVAR")
        2
        """
        if isinstance(name, str) and name in self.numbers:
            return self.numbers[name]
        return naming.cell(self, name)

    @cached_property
    def output_index(self) -> NDArray[np.int64]:
        """(outputs,) neuron numbers of the outputs."""
        return _frozen(np.array([self.numbers[name] - self.n_inputs for name in self.outputs], np.int64))

    def of_kind(self, kind: int) -> NDArray[np.int64]:
        """(synapses of that kind,) their places in `pre`, `post`, `sign`, `count`.

        Raises: WiringError if it is neither CHEMICAL, GAP nor CURRENT.
        """
        return np.flatnonzero(self.kind == check.one_kind(kind))

    def csr(self, kind: int) -> Csr:
        """The directed edges of one kind in the order of their receivers. The only home of that order.

        Gap junctions between two neurons are listed in both directions.
        Raises: as `of_kind` does.

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

    # -- edits: each returns a new wiring, so they chain --------------------------------------------------------------

    lesion = edit.lesion
    keep = edit.keep
    rename = edit.rename
    reorder = edit.reorder
    clamp = edit.clamp
    drive = edit.drive
    read_out = edit.read_out
    add = edit.add
    replace = edit.replace
    join = merge.join
    group_by = merge.group_by

    # -- identity ------------------------------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Everything that makes the wiring, as plain lists and strings; `Wiring(**wiring.to_dict())` equals it."""
        return {name: self._plain(name) for name in edit.FIELDS}

    def _plain(self, name: str) -> Any:
        values = getattr(self, name)
        return values.tolist() if isinstance(values, np.ndarray) else list(values) if name != "source" else values

    @cached_property
    def digest(self) -> str:
        """sha256 of the content, hexadecimal. Equal wirings have equal digests, on every machine."""
        # That of json.dumps(self.to_dict(), sort_keys=True), written piece by piece: whole, the text and its numbers
        # take 30 times the memory of the arrays.
        text = hashlib.sha256(b"{")
        for i, name in enumerate(sorted(edit.FIELDS)):
            text.update((", " * bool(i) + json.dumps(name) + ": ").encode())
            values = getattr(self, name)
            if not isinstance(values, np.ndarray):
                text.update(json.dumps(values).encode())
                continue
            text.update(b"[")
            for start in range(0, len(values), PIECE):
                piece = json.dumps(values[start : start + PIECE].tolist())[1:-1]
                text.update((", " * bool(start) + piece).encode())
            text.update(b"]")
        text.update(b"}")
        return text.hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Wiring) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __reduce__(self) -> tuple[Any, ...]:
        # The class and plain lists, nothing else: what reads with an allow list (torch.load with weights_only=True
        # under torch.serialization.safe_globals([Wiring])) reads it, and the constructor proves what it is given.
        return type(self), tuple(self.to_dict().values())

    def __copy__(self) -> "Wiring":
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "Wiring":
        return self

    def __repr__(self) -> str:
        def some(n: int, word: str) -> str:
            return f"{n} {word}" + ("" if n == 1 else "s")

        parts = [some(self.n_inputs, "input"), some(self.n_neurons, "neuron"), some(self.n_outputs, "output")]
        n_gap, n_current = int((self.kind == GAP).sum()), int((self.kind == CURRENT).sum())
        parts.append(some(self.n_synapses - n_gap - n_current, "synapse"))
        parts += [some(n_gap, "gap junction")] * bool(n_gap) + [some(n_current, "current")] * bool(n_current)
        return f"Wiring({', '.join(parts)})"


def prove_wiring(wiring: object) -> None:
    """It is a wiring."""
    if not isinstance(wiring, Wiring):
        raise WiringError(f"wiring is {check.shortened(wiring)}; it takes a Wiring.")


def _rebuild(content: dict[str, Any]) -> Wiring:
    """What pickles written before `Wiring.replace` existed call."""
    return Wiring(**content)


def _frozen(values: NDArray[Any]) -> NDArray[Any]:
    values = np.array(values)
    values.flags.writeable = False
    return values.view()  # of a view, unlike of its base, nobody can lift the flag
