"""The text format `.bnn` of the published ordinary neural circuits, read into a wiring and its parameters, and back.

One record a line; neurons are numbered from 0; potentials in mV, conductances in S, capacitances in F:

    size N                   number of neurons, first
    def NAME VALUE           NAME may stand for VALUE from here on
    cm I C                   capacitance, default 0.05       gleak I G     leak conductance, default 1
    vleak I V                leak potential, default -70     const I V     neuron I is held at V
    ex PRE POST W [SLOPE]    excitatory synapse: pulls to 0 mV; slope per mV, default 0.1
    inh PRE POST W [SLOPE]   inhibitory synapse: pulls to -90 mV; both half open at -40 mV
    gj PRE POST W            gap junction
    # ...                    a comment
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import Any

import numpy as np

from wormnet.atomic import write_whole
from wormnet.errors import WiringError, unknown
from wormnet.paths import checked, printable, read_text
from wormnet.wiring.biophysics import Biophysical
from wormnet.wiring.check import shortened
from wormnet.wiring.core import CHEMICAL, GAP, Wiring

__all__ = ["parse_bnn", "read_bnn", "to_bnn", "write_bnn"]

MAX_BYTES, MAX_SIZE = 2**20, 10_000
"""The longest file and the most neurons that are read."""

DEFAULTS = {"cm": 0.05, "gleak": 1.0, "vleak": -70.0}
SLOPE, MIDPOINT = 0.1, -40.0
REVERSAL = {"ex": 0.0, "inh": -90.0}
ARGUMENTS = {"size": (1, 1), "def": (2, 2), "cm": (2, 2), "gleak": (2, 2), "vleak": (2, 2), "const": (2, 2)}
ARGUMENTS |= {"ex": (3, 4), "inh": (3, 4), "gj": (3, 3)}
GAPS = ("symmetric", "one_way")
NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
NAME = re.compile(r"[A-Za-z_][A-Za-z_0-9]*")


def read_bnn(
    path: str | PathLike[str],
    *,
    names: Sequence[str] | None = None,
    inputs: Iterable[str] = (),
    outputs: Iterable[str] | None = None,
    gaps: str = "symmetric",
) -> Biophysical:
    """Read a `.bnn` file; see `parse_bnn`, which takes its text.

    Raises: ArgumentError for what is no path; DataError if there is no such file, or it is longer than MAX_BYTES
        (1 MiB) or no text; WiringError with the number of the line that is at fault.
    """
    text = read_text(path, MAX_BYTES)
    return parse_bnn(text, names=names, inputs=inputs, outputs=outputs, gaps=gaps, source=checked(path).name)


def parse_bnn(
    text: str,
    *,
    names: Sequence[str] | None = None,
    inputs: Iterable[str] = (),
    outputs: Iterable[str] | None = None,
    gaps: str = "symmetric",
    source: str = "bnn",
) -> Biophysical:
    """The circuit that a text in the format `.bnn` describes.

    Args:
        names: of the neurons in the file's order; None for n0, n1, ...
        inputs: neurons that become inputs, whose potential is then given from outside, as the published programs give
            the sensory cells'. What the file says of their membrane, and synapses onto them, are left out. Neurons
            with a `const` record become inputs too, behind these.
        outputs: neurons read out; None for all.
        gaps: "symmetric": a `gj` record is a junction that acts both ways; two records, one from either end with equal
            weights, are one junction. "one_way": it acts from PRE on POST alone,
            as in the published program. A wiring can hold such a one from an input only; between two neurons it takes
            two records with equal weights.
        source: for messages, and the wiring's `source`.

    Raises: WiringError with the number of the line that is at fault, for whatever is no circuit.

    >>> circuit = parse_bnn("size 2\\ncm 1 0.2\\nex 0 1 0.5\\ngj 1 0 2\\n", names=["a", "b"], inputs=["a"])
    >>> circuit.wiring
    Wiring(1 input, 1 neuron, 1 output, 1 synapse, 1 gap junction)
    >>> circuit.values["capacitance"], circuit.values["reversal"], circuit.values["gap_conductance"]
    (array([0.2]), array([0.]), array([2.]))
    """
    if gaps not in GAPS:
        raise WiringError(unknown("gaps", gaps, GAPS))
    if not isinstance(text, str):
        raise WiringError(f"text is {shortened(text)}; it takes the text of a .bnn file.")
    for what, given in (("names", names), ("inputs", inputs)):
        if isinstance(given, str) or not isinstance(given, (Iterable, type(None))):
            raise WiringError(f"{what} is {shortened(given)}; it takes a list of names.")
    if len(text) > MAX_BYTES:
        raise WiringError(f"{printable(source)} has {len(text)} characters; {MAX_BYTES} is the most that is read.")
    read = _Reader(source)
    for number, line in enumerate(text.split("\n"), 1):
        read.line = number
        words = line.split()
        if words and not words[0].startswith("#"):
            read.record(words[0], words[1:])
    if not read.size:
        raise WiringError(f"{printable(source)} has no record size N; it takes one, first.")
    return _circuit(read, names, list(inputs), outputs, gaps)


def to_bnn(circuit: Biophysical, *, gaps: str = "symmetric") -> str:
    """The circuit in the format `.bnn`; its cells are numbered as in the wiring, inputs first.

    Names are not part of the format: `parse_bnn(text, names=wiring.cells, inputs=wiring.inputs)` reads it back.

    Args: gaps: how whoever reads it takes a `gj` record, see `parse_bnn`; "one_way" writes both ways between neurons.
    Raises: WiringError for a reversal potential other than 0 and -90 mV or a midpoint other than -40 mV, which the
        format cannot say.

    >>> print(to_bnn(parse_bnn("size 2\\nex 0 1 0.5 0.2")), end="")
    size 2
    cm 0 0.05
    gleak 0 1.0
    vleak 0 -70.0
    cm 1 0.05
    gleak 1 1.0
    vleak 1 -70.0
    ex 0 1 0.5 0.2
    """
    if gaps not in GAPS:
        raise WiringError(unknown("gaps", gaps, GAPS))
    wiring, values = circuit.wiring, {name: value.tolist() for name, value in circuit.values.items()}
    lines = [f"size {len(wiring.cells)}"]
    for i, cell in enumerate(range(wiring.n_inputs, len(wiring.cells))):
        membrane = (("cm", "capacitance"), ("gleak", "leak"), ("vleak", "v_leak"))
        lines += [f"{word} {cell} {values[name][i]!r}" for word, name in membrane]
    lines += [f"const {wiring.cell(name)} {float(potential)!r}" for name, potential in circuit.held.items()]
    words = {reversal: word for word, reversal in REVERSAL.items()}
    for i, s in enumerate(wiring.of_kind(CHEMICAL)):
        reversal, midpoint = values["reversal"][i], values["midpoint"][i]
        if reversal not in words or midpoint != MIDPOINT:
            ends = f"{wiring.cells[wiring.pre[s]]} -> {wiring.cells[wiring.post[s]]}"
            raise WiringError(
                f"the synapse {ends} has reversal {reversal:g} and midpoint {midpoint:g} mV; "
                "the format .bnn can say 0 or -90, and -40."
            )
        lines.append(
            f"{words[reversal]} {wiring.pre[s]} {wiring.post[s]} {values['conductance'][i]!r} {values['slope'][i]!r}"
        )
    for i, s in enumerate(wiring.of_kind(GAP)):
        pre, post, weight = wiring.pre[s], wiring.post[s], values["gap_conductance"][i]
        lines.append(f"gj {pre} {post} {weight!r}")
        if gaps == "one_way" and pre >= wiring.n_inputs:
            lines.append(f"gj {post} {pre} {weight!r}")
    return "\n".join(lines) + "\n"


def write_bnn(circuit: Biophysical, path: str | PathLike[str], *, gaps: str = "symmetric") -> None:
    """Write a circuit as a `.bnn` file; see `to_bnn`.

    Raises: as `to_bnn` does; ArgumentError for what is no path; DataError if the file cannot be written, and then an
        older one stays as it was.
    """
    write_whole(path, to_bnn(circuit, gaps=gaps))


# -- reading -----------------------------------------------------------------------------------------------------------


@dataclass
class _Reader:
    """The records read so far."""

    source: str
    line: int = 0
    size: int = 0
    defined: dict[str, float] = field(default_factory=dict)
    membrane: dict[tuple[str, int], float] = field(default_factory=dict)
    held: dict[int, float] = field(default_factory=dict)
    chemical: dict[tuple[int, int], tuple[str, float, float]] = field(default_factory=dict)
    gap: dict[tuple[int, int], tuple[float, int]] = field(default_factory=dict)

    def wrong(self, message: str, line: int | None = None) -> WiringError:
        return WiringError(f"{printable(self.source)}, line {line or self.line}: {message}")

    def record(self, word: str, given: list[str]) -> None:
        if word not in ARGUMENTS:
            raise self.wrong(unknown("record", word[:40], ARGUMENTS))
        least, most = ARGUMENTS[word]
        if not least <= len(given) <= most:
            takes = f"{least}" if least == most else f"{least} or {most}"
            raise self.wrong(f"{word} has {len(given)} arguments; it takes {takes}.")
        if not self.size and word not in ("size", "def"):
            raise self.wrong(f"{word} stands before size; size N comes first.")
        if word == "size":
            self._set_size(given[0])
        elif word == "def":
            self._define(*given)
        elif word == "const":
            self._once(self.held, self._neuron(given[0]), self._value(given[1]), f"const {given[0][:40]}")
        elif word in DEFAULTS:
            value = self._value(given[1])
            if word != "vleak" and value <= 0:
                raise self.wrong(f"{word} is {value:g}; it takes a number > 0.")
            self._once(self.membrane, (word, self._neuron(given[0])), value, f"{word} {given[0][:40]}")
        else:
            self._synapse(word, given)

    def _synapse(self, word: str, given: list[str]) -> None:
        pre, post, weight = self._neuron(given[0]), self._neuron(given[1]), self._value(given[2])
        if weight < 0:
            raise self.wrong(f"the weight is {weight:g}; it takes 0 or more.")
        if word == "gj":
            if pre == post:
                raise self.wrong(f"a gap junction of neuron {pre} with itself carries no current; leave it out.")
            self._once(self.gap, (pre, post), (weight, self.line), f"gj {pre} {post}")
            return
        slope = self._value(given[3]) if len(given) == 4 else SLOPE
        if slope <= 0:
            raise self.wrong(f"the slope is {slope:g}; it takes a number > 0.")
        # A wiring has one chemical synapse from a cell to another, so ex and inh exclude each other.
        self._once(self.chemical, (pre, post), (word, weight, slope), f"a chemical synapse from {pre} to {post}")

    def _set_size(self, word: str) -> None:
        if self.size:
            raise self.wrong(f"size is given twice; it was {self.size}.")
        if not re.fullmatch("[0-9]{1,9}", word) or not 1 <= int(word) <= MAX_SIZE:
            raise self.wrong(f"size is {word[:40]!r}; it takes a whole number from 1 to {MAX_SIZE}.")
        self.size = int(word)

    def _define(self, name: str, word: str) -> None:
        if not NAME.fullmatch(name):
            raise self.wrong(f"def gives a value to {name[:40]!r}; a name starts with a letter.")
        value = self._value(word, named=False)
        self._once(self.defined, name, value, f"def {name[:40]}")

    def _neuron(self, word: str) -> int:
        if not re.fullmatch("[0-9]{1,9}", word) or int(word) >= self.size:
            raise self.wrong(f"there is no neuron {word[:40]!r}; they are numbered 0 to {self.size - 1}.")
        return int(word)

    def _value(self, word: str, *, named: bool = True) -> float:
        if named and word in self.defined:
            return self.defined[word]
        value = float(word) if NUMBER.fullmatch(word) else np.nan
        if not np.isfinite(value):
            names = ", ".join(name[:40] for name in list(self.defined)[:10]) or "none"
            known = f", or a name that def gave a value ({names})" if named else ""
            raise self.wrong(f"{word[:40]!r} is no finite number{known}.")
        return value

    def _once(self, table: dict[Any, Any], key: object, value: object, what: str) -> None:
        if key in table:
            raise self.wrong(f"{what} is given twice.")
        table[key] = value


def _circuit(
    read: _Reader, names: Sequence[str] | None, inputs: list[str], outputs: Iterable[str] | None, gaps: str
) -> Biophysical:
    cells = [f"n{i}" for i in range(read.size)] if names is None else list(names)
    if len(cells) != read.size or len(set(cells)) != len(cells):
        raise WiringError(
            f"names holds {len(set(cells))} different names; {printable(read.source)} has {read.size} neurons."
        )
    for name in inputs:
        if name not in cells:
            raise WiringError(unknown("input", name, cells))
    given = list(dict.fromkeys([*(cells.index(name) for name in inputs), *read.held]))
    order = [*given, *(i for i in range(read.size) if i not in set(given))]
    place = {old: new for new, old in enumerate(order)}
    chemical = [(pre, post, *rest) for (pre, post), rest in read.chemical.items() if place[post] >= len(given)]
    gap = _junctions(read, set(given), gaps)
    wiring = Wiring(
        [cells[i] for i in given],
        [cells[i] for i in order[len(given) :]],
        outputs=outputs,
        pre=[place[pre] for pre, *_ in chemical] + [place[pre] for pre, _, _ in gap],
        post=[place[post] for _, post, *_ in chemical] + [place[post] for _, post, _ in gap],
        kind=[CHEMICAL] * len(chemical) + [GAP] * len(gap),
        sign=[1 if word == "ex" else -1 for _, _, word, _, _ in chemical] + [0] * len(gap),
        source=read.source,
    )
    values = {
        name: np.array([read.membrane.get((word, i), DEFAULTS[word]) for i in order[len(given) :]])
        for word, name in (("cm", "capacitance"), ("gleak", "leak"), ("vleak", "v_leak"))
    }
    ends = [(order[i], order[j]) for i, j in zip(wiring.pre, wiring.post)]
    of_chemical = [read.chemical[ends[s]] for s in wiring.of_kind(CHEMICAL)]
    values["conductance"] = np.array([weight for _, weight, _ in of_chemical])
    values["slope"] = np.array([slope for _, _, slope in of_chemical])
    values["midpoint"] = np.full(len(of_chemical), MIDPOINT)
    values["reversal"] = np.array([REVERSAL[word] for word, _, _ in of_chemical])
    if gap:
        weights = {frozenset((pre, post)): weight for pre, post, weight in gap}
        values["gap_conductance"] = np.array([weights[frozenset(ends[s])] for s in wiring.of_kind(GAP)])
    return Biophysical(wiring, values, {cells[i]: potential for i, potential in read.held.items()})


def _junctions(read: _Reader, inputs: set[int], gaps: str) -> list[tuple[int, int, float]]:
    """(pre, post, weight) of every gap junction once, from an input if it has one; none between inputs."""
    found = []
    for (pre, post), (weight, line) in read.gap.items():
        back = read.gap.get((post, pre))
        if pre in inputs and post in inputs:
            continue
        if gaps == "symmetric":
            if back and back[0] != weight:
                raise read.wrong(
                    f"the gap junction of {pre} and {post} has weight {weight:g}, and {back[0]:g} in line "
                    f"{back[1]} from its other end; it takes one weight.",
                    line,
                )
            if back and back[1] < line:
                continue
            found.append((post, pre, weight) if post in inputs else (pre, post, weight))
        elif pre in inputs or post in inputs:
            # One that acts on a neuron whose potential is given does nothing.
            if post not in inputs:
                found.append((pre, post, weight))
        elif back is None or back[0] != weight:
            raise read.wrong(
                f"the gap junction acts one way, from neuron {pre} on {post}; a wiring's acts both ways unless it "
                f"starts at an input. Read it with gaps='symmetric', or name {pre} among the inputs.",
                line,
            )
        elif pre < post:
            found.append((pre, post, weight))
    return found
