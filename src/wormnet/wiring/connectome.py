"""Published connectomes of C. elegans as wirings."""

import contextlib
import functools
import importlib
import io
import pkgutil
import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from wormnet.errors import DataError, WiringError, unknown
from wormnet.wiring import atlas, spelling
from wormnet.wiring.atlas import Cell, Edge, names
from wormnet.wiring.core import CHEMICAL, GAP, Wiring

__all__ = ["Coverage", "Polarity", "connectome", "coverage", "from_cect", "names"]

Polarity = str | Mapping[str, int] | Mapping[tuple[str, str], int]
"""A rule by name, or the user's own signs by sender, or by (sender, receiver); names or classes, in any spelling."""

POLARITIES = ("gaba", "fenyves", "learned")
WEIGHTS = ("binary", "count", "scaled")

# The tables that the signs of a rule come from.
_TABLES_OF = {"gaba": ("cells",), "fenyves": ("fenyves2020", "cells")}


def connectome(
    name: str,
    *,
    cells: str | Iterable[str] = "neurons",
    polarity: Polarity = "gaba",
    weights: str = "count",
) -> Wiring:
    """The wiring diagram of the worm, as published.

    Args:
        name: "cook2019" (302 neurons, muscles; the reference), "varshney2011" (280 somatic neurons), "white1986" (300
            neurons, counts of synapses), "witvliet1" ... "witvliet8" (the brain from birth to adulthood).
        cells: "neurons", "all" (with muscles and other cells, which become neurons of the wiring), or a list of names
            (AVAL) and classes (AVA). Synapses between the chosen cells are kept, in the order of the list.
        polarity: the signs of the chemical synapses. `coverage` tells how many a rule decides.
            "gaba": what the 31 cells send whose first transmitter is GABA (Wang et al. 2024) inhibits, all else
            excites. Decides every synapse, by the sender alone.
            "fenyves": predicted from transmitters and receptors (Fenyves et al. 2020); where that is undecided
            (complex, no prediction, or a synapse that they did not have), as "gaba".
            "learned": all 0, to be learned.
            Or a mapping from senders, or from (sender, receiver), to +1, -1 or 0; names or classes. A pair goes before
            a sender, a name before a class; what no key fits is to be learned.
        weights: `count` of the synapses, which sets the start of their conductances.
            "count": as published: EM sections in cook2019, contacts in varshney2011 and white1986, active zones in
            witvliet.   "binary": 1.
            "scaled": as "count", but sections of cook2019 are divided, per kind, so that their sum is that of
            varshney2011 over the 280 neurons that both have: by 3.17 (chemical) and 5.27 (gap).

    Returns: a Wiring without inputs: `.drive(...)` or `.clamp(...)` gives it some. Roles are those of `atlas.cells`;
        its outputs are the motor neurons, or all neurons if there are none. A chemical synapse of a cell with itself
        stays, a gap junction with itself carries no current and is left out.
    Raises: WiringError for an unknown name, with near ones.
    Source: `atlas.source(name)`, and in the wiring's `source`.

    >>> connectome("cook2019")
    Wiring(0 inputs, 302 neurons, 126 outputs, 3709 synapses, 1091 gap junctions)
    >>> connectome("white1986", cells=["AVA", "AVB", "DVA"])
    Wiring(0 inputs, 5 neurons, 5 outputs, 13 synapses, 4 gap junctions)
    """
    edges = atlas.edges(name)
    if not isinstance(weights, str) or weights not in WEIGHTS:
        raise WiringError(unknown("weights", weights, WEIGHTS))
    if weights == "scaled" and name == "cook2019":
        factors = _inflation()
        edges = tuple(edge._replace(weight=edge.weight / factors[edge.gap]) for edge in edges)
    chosen = _chosen(name, edges, cells)
    tables = [name, *(_TABLES_OF.get(polarity, ()) if isinstance(polarity, str) else ())]
    papers = [f"{found.paper}, doi:{found.doi}" if found.doi else found.paper for found in map(atlas.source, tables)]
    return _wiring(edges, chosen, atlas.cells(), polarity, {}, binary=weights == "binary", source="; ".join(papers))


class Coverage(NamedTuple):
    """How many chemical synapses a polarity makes excitatory and inhibitory, and how many it leaves undecided."""

    excitatory: int
    inhibitory: int
    undecided: int

    @property
    def share_undecided(self) -> float:
        """From 0 to 1; 0 if there are no synapses."""
        return self.undecided / sum(self) if sum(self) else 0.0


def coverage(name: str, polarity: Polarity, *, cells: str | Iterable[str] = "neurons") -> Coverage:
    """What a polarity decides by itself on a connectome, before any fallback.

    >>> coverage("cook2019", "fenyves")
    Coverage(excitatory=1296, inhibitory=409, undecided=2004)
    >>> coverage("cook2019", "gaba")
    Coverage(excitatory=3495, inhibitory=214, undecided=0)
    """
    edges = atlas.edges(name)
    chosen = set(_chosen(name, edges, cells))
    rule = atlas.predicted_signs() if isinstance(polarity, str) and polarity == "fenyves" else polarity
    pairs = [(e.pre, e.post) for e in edges if not e.gap and e.pre in chosen and e.post in chosen]
    signs = _signs(pairs, rule, atlas.cells())
    return Coverage(*(signs.count(sign) for sign in (1, -1, 0)))


def from_cect(
    reader: str, *, cells: str | Iterable[str] = "neurons", polarity: Polarity = "gaba", weights: str = "count"
) -> Wiring:
    """Any connectome that a reader of the package `cect` knows, for example the male's or the peptides'.

    Args:
        reader: name of a module of `cect.readers`, such as "Cook2019MaleReader".
        cells, polarity: as of `connectome`. Signs that the data set itself has (excitatory and inhibitory classes,
            responses below zero) go before the polarity.
        weights: "count", the magnitude of the data set's weights, or "binary".

    Gap junctions, and membrane contacts, which have no direction either, become GAP; every other class of connection
    becomes CHEMICAL, several between two cells are summed.

    Returns: a Wiring as `connectome` does.
    Raises: DataError if `cect` is not installed; WiringError if it has no such reader.
    Source: the reader's documentation; `cect` 0.3.5 is what this was written for.
    """
    if weights not in ("count", "binary"):
        raise WiringError(unknown("weights", weights, ("count", "binary")))
    data, known = _read_cect(reader), _cect_cells()
    edges, signs = _cect_edges(data)
    # In the order of our own table, with the cells that it does not know behind.
    nodes = [*(name for name in atlas.cells() if name in data.nodes), *sorted(set(data.nodes) - set(atlas.cells()))]
    table = {name: atlas.cells().get(name) or known(name) for name in nodes}
    if isinstance(cells, str):
        chosen = _by_kind(cells, table.values())
    else:
        chosen = atlas.find(cells, nodes, reader)
    return _wiring(edges, chosen, table, polarity, signs, binary=weights == "binary", source=f"cect.readers.{reader}")


# -- cells -------------------------------------------------------------------------------------------------------------


def _chosen(name: str, edges: Sequence[Edge], cells: str | Iterable[str]) -> tuple[str, ...]:
    """The names of the chosen cells of a connectome; whole groups come in the order of the cell table."""
    ends = {end for edge in edges for end in (edge.pre, edge.post)}
    there = [cell for cell in atlas.cells().values() if cell.name in ends]
    if isinstance(cells, str):
        return _by_kind(cells, there)
    if not isinstance(cells, Iterable):
        raise WiringError(f"cells is {cells!r}; it takes 'neurons', 'all', or a list of names and classes.")
    return atlas.find(cells, [cell.name for cell in there], name)


def _by_kind(cells: str, there: Iterable[Cell]) -> tuple[str, ...]:
    if cells not in ("neurons", "all"):
        raise WiringError(f"cells is {cells!r}; it takes 'neurons', 'all', or a list of names and classes.")
    return tuple(cell.name for cell in there if cells == "all" or cell.kind == "neuron")


# -- synapses ----------------------------------------------------------------------------------------------------------


def _wiring(
    edges: Sequence[Edge],
    chosen: Sequence[str],
    table: Mapping[str, Cell],
    polarity: Polarity,
    own: Mapping[tuple[str, str], int],
    *,
    binary: bool,
    source: str,
) -> Wiring:
    """The synapses between the chosen cells. Signs in `own` go before the polarity."""
    place = {name: i for i, name in enumerate(chosen)}
    # A gap junction of a cell with itself carries no current.
    kept = [e for e in edges if e.pre in place and e.post in place and not (e.gap and e.pre == e.post)]
    pairs = [(edge.pre, edge.post) for edge in kept]
    signs = _with_fallback(pairs, polarity, table)
    roles = [table[name].role for name in chosen]
    motor = [name for name, role in zip(chosen, roles) if role == "motor"]
    return Wiring(
        0,
        chosen,
        roles=roles,
        outputs=motor or None,
        pre=[place[edge.pre] for edge in kept],
        post=[place[edge.post] for edge in kept],
        kind=np.array([GAP if edge.gap else CHEMICAL for edge in kept], np.int64),
        sign=np.array([0 if e.gap else own.get(p, s) for e, p, s in zip(kept, pairs, signs)], np.int64),
        count=np.array([1.0 if binary else edge.weight for edge in kept]),
        source=source,
    )


def _with_fallback(pairs: Sequence[tuple[str, str]], polarity: Polarity, table: Mapping[str, Cell]) -> list[int]:
    if not isinstance(polarity, str) or polarity != "fenyves":
        return _signs(pairs, polarity, table)
    predicted = _signs(pairs, atlas.predicted_signs(), table)
    return [sign or other for sign, other in zip(predicted, _signs(pairs, "gaba", table))]


def _signs(pairs: Sequence[tuple[str, str]], polarity: Polarity, table: Mapping[str, Cell]) -> list[int]:
    """The sign of each synapse, 0 where the rule decides nothing."""
    if isinstance(polarity, str) and polarity == "gaba":
        return [-1 if table[pre].transmitters[:1] == ("GABA",) else 1 for pre, _ in pairs]
    if isinstance(polarity, str) and polarity == "learned":
        return [0] * len(pairs)
    if not isinstance(polarity, Mapping):
        raise WiringError(unknown("polarity", polarity, POLARITIES) + " Or a mapping from senders to +1, -1, 0.")
    rule: Mapping[Any, int] = polarity if polarity is atlas.predicted_signs() else _as_spelled(polarity, table)

    def sign(pre: str, post: str) -> int:
        pre_class, post_class = table[pre].cell_class, table[post].cell_class
        keys = ((pre, post), (pre, post_class), (pre_class, post), (pre_class, post_class), pre, pre_class)
        return next((rule[key] for key in keys if key in rule), 0)

    return [sign(pre, post) for pre, post in pairs]


def _as_spelled(polarity: Mapping[Any, int], table: Mapping[str, Cell]) -> dict[Any, int]:
    """The user's signs with names and classes as the tables spell them."""
    cells = {**atlas.cells(), **table}
    known = {*cells, *(cell.cell_class for cell in cells.values())}
    rule: dict[Any, int] = {}
    for key, sign in polarity.items():
        ends = key if isinstance(key, tuple) else (key,)
        if len(ends) > 2:
            raise WiringError(f"polarity has the key {key!r}; it takes a sender or a pair (sender, receiver).")
        spelled = tuple(_spelled(end, known) for end in ends)
        if isinstance(sign, bool) or sign not in (-1, 0, 1):
            raise WiringError(f"polarity gives {key!r} the sign {sign!r}; it takes +1, -1, or 0 to be learned.")
        as_table = spelled if isinstance(key, tuple) else spelled[0]
        if as_table in rule:
            raise WiringError(f"polarity names {as_table!r} in two spellings, one of them {key!r}; it takes one.")
        rule[as_table] = sign
    return rule


def _spelled(name: object, known: Collection[str]) -> str:
    """A cell or class as the tables spell it."""
    if isinstance(name, str):
        if name in known:
            return name
        if spelled := atlas.canonical(name) or atlas.canonical_class(name):
            spelling.note(name, repr(spelled))
            return spelled
    near = [one for one in sorted(known) if not atlas.is_muscle(one)]
    raise WiringError(unknown("cell or class", name, sorted(known), near))


@functools.cache
def _inflation() -> tuple[float, float]:
    """By how much sections (Cook) outnumber contacts (Varshney) over the neurons that both have: chemical, gap."""
    neurons = {name for name, cell in atlas.cells().items() if cell.kind == "neuron"}
    shared = neurons.intersection(*({e.pre for e in atlas.edges(n)} | {e.post for e in atlas.edges(n)} for n in _PAIR))

    def total(name: str, gap: bool) -> float:
        ends_weight = ((e.pre, e.post, e.weight) for e in atlas.edges(name) if e.gap == gap)
        return sum(weight for pre, post, weight in ends_weight if {pre, post} <= shared and not (gap and pre == post))

    sections, contacts = _PAIR
    chemical, gap = (total(sections, kind) / total(contacts, kind) for kind in (False, True))
    return chemical, gap


_PAIR = ("cook2019", "varshney2011")


# -- cect --------------------------------------------------------------------------------------------------------------


def _read_cect(reader: str) -> Any:
    """What a reader of `cect` reads. It prints and warns; none of that reaches the user."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            package = importlib.import_module("cect.readers")
        except ImportError as error:
            raise DataError(f'from_cect needs cect ({error}): pip install "wormnet[cect]"') from None
        known = [module.name for module in pkgutil.iter_modules(package.__path__)]
        if reader not in known:
            raise WiringError(unknown("reader of cect", reader, known))
        module = importlib.import_module(f"cect.readers.{reader}")
        if not hasattr(module, "get_instance"):
            raise WiringError(f"cect.readers.{reader} reads no data set by itself; take one of its relatives.")
        # The copies that cect keeps ready are read in a second; the tables themselves take up to 15.
        dataset = importlib.import_module("cect.ConnectomeDataset")
        data = module.get_instance(from_cache=Path(dataset.get_cache_filename(reader)).exists())
    if not data.nodes:
        raise DataError(
            f"cect.readers.{reader} read no cells; a reader that reads files may do so only once a process."
        )
    return data


def _cect_cells() -> Any:
    """A function from a name that our own table does not have to a Cell."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        known = importlib.import_module("cect.Cells")
    roles = {"Sensory": "sensory", "Interneuron": "inter", "Motorneuron": "motor"}

    def cell(name: str) -> Cell:
        kind = "neuron" if known.is_any_neuron(name) else "muscle" if known.is_known_muscle(name) else "other"
        role = roles.get(known.get_SIM_class(name), "unknown") if kind == "neuron" else "unknown"
        return Cell(name, kind, name, role, known.is_pharyngeal_cell(name), "", ())

    return cell


def _cect_edges(data: Any) -> tuple[list[Edge], dict[tuple[str, str], int]]:
    """Synapses, and the signs that the data set itself has."""
    nodes: list[str] = list(data.nodes)
    total: dict[tuple[bool, str, str], float] = {}
    signs: dict[tuple[str, str], int] = {}
    for synclass, weights in data.connections.items():
        gap = synclass.endswith("_GJ") or synclass == "Contact"
        of_class = {"ExcitatoryChem": 1, "InhibitoryChem": -1}.get(synclass, 0)
        for i, j in zip(*np.nonzero(weights), strict=True):
            ends = (nodes[min(i, j)], nodes[max(i, j)]) if gap else (nodes[i], nodes[j])
            weight = float(weights[i, j])
            if gap:
                # Listed from both ends, or from one: the same junction.
                total[gap, *ends] = max(total.get((gap, *ends), 0.0), abs(weight))
                continue
            total[gap, *ends] = total.get((gap, *ends), 0.0) + abs(weight)
            sign = of_class or (int(np.sign(weight)) if weights.min() < 0 else 0)
            if sign:
                signs[ends] = sign if signs.get(ends, sign) == sign else 0
    return [Edge(gap, pre, post, weight) for (gap, pre, post), weight in total.items()], signs
