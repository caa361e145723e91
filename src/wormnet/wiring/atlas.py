"""The bundled tables of published connectomes, as they are: cells, synapses, predicted signs, sources."""

import csv
import functools
import gzip
import io
import tomllib
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from wormnet.errors import WiringError, unknown

__all__ = [
    "Cell",
    "Edge",
    "Source",
    "cells",
    "edges",
    "find",
    "members",
    "names",
    "no_such",
    "predicted_signs",
    "source",
]

TABLES = Path(__file__).parent / "tables"

COMMAND = frozenset({"AVA", "AVB", "AVD", "AVE", "PVC"})
"""The five premotor classes that this library calls command neurons; a convention, the tables know them as inter."""


class Cell(NamedTuple):
    """A cell of the hermaphrodite."""

    name: str
    kind: str
    """"neuron", "muscle" or "other" """
    cell_class: str
    """AVA for AVAL and AVAR; of cells that are no neurons their tissue"""
    role: str
    """"sensory", "inter", "command", "motor", "unknown" """
    pharyngeal: bool
    partner: str
    """the cell on the other side, "" if it has none"""
    transmitters: tuple[str, ...]
    """first what it is known for; may end in what it only takes up"""


class Edge(NamedTuple):
    """A synapse of a published connectome. A gap junction is listed once, and has no direction."""

    gap: bool
    pre: str
    post: str
    weight: float
    """as published, see `Source.counts`"""


class Source(NamedTuple):
    """Where a bundled table comes from, and on what terms."""

    file: str
    paper: str
    doi: str
    counts: str
    """what a count is"""
    origin: str
    licence: str
    cect: str
    sha256: str


def names() -> tuple[str, ...]:
    """The bundled connectomes.

    >>> names()[:4]
    ('cook2019', 'varshney2011', 'white1986', 'witvliet1')
    """
    return tuple(name for name in _sources() if name not in ("cells", "fenyves2020"))


def source(name: str) -> Source:
    """Paper, DOI (where known), origin, licence and sha256 of a bundled table.

    Args: name: of a connectome (see `names`), "cells" or "fenyves2020".
    Raises: WiringError if there is no such table.

    >>> source("cook2019").doi
    '10.1038/s41586-019-1352-7'
    """
    try:
        return _sources()[name]
    except (KeyError, TypeError):
        raise WiringError(unknown("table", name, _sources())) from None


@functools.cache
def cells() -> Mapping[str, Cell]:
    """All cells of the bundled connectomes by name: neurons, then muscles, then others.

    Classes, roles and partners are those of `cect` 0.3.5 (MI, MC and NSM of the pharynx, which are several things at
    once, count as motor and sensory), except that AVA, AVB, AVD, AVE and PVC are "command", by our convention.
    Transmitters: Wang et al. 2024, eLife 13, RP95402.

    >>> cells()["AVAL"]
    Cell(name='AVAL', kind='neuron', cell_class='AVA', role='command', pharyngeal=False, partner='AVAR', \
transmitters=('Acetylcholine',))
    """
    table = {}
    for name, kind, cell_class, role, pharyngeal, partner, transmitters in _rows("cells"):
        role = "command" if cell_class in COMMAND else role
        found = tuple(transmitters.split(";")) if transmitters else ()
        table[name] = Cell(name, kind, cell_class, role, pharyngeal == "1", partner, found)
    return MappingProxyType(table)


def edges(name: str) -> tuple[Edge, ...]:
    """All synapses of a bundled connectome, with muscles and other cells.

    Raises: WiringError if there is none of that name.

    >>> edges("white1986")[0]
    Edge(gap=False, pre='ADEL', post='ADAL', weight=1.0)
    >>> sum(edge.weight for edge in edges("white1986"))  # "302 neurons and about 9,000 synapses"
    8914.0
    """
    if name not in names():
        raise WiringError(unknown("connectome", name, names()))
    return _edges(name)


@functools.cache
def predicted_signs() -> Mapping[tuple[str, str], int]:
    """The signs predicted from transmitters and receptors: {(pre, post): +1, -1, or 0 if undecided}.

    Predicted for 3,638 synapses between neurons, of which 1,327 are +, 425 are -; 471 are complex (receptors of both
    signs) and 1,415 have no matching receptor: undecided. It covers no neuromuscular junction, and rests on an earlier
    release of the Cook connectome. In the tap withdrawal circuit the predictions contradict models fitted to behaviour.
    A mapping for `connectome(polarity=...)`, where undecided synapses are then to be learned.
    Source: Fenyves et al. 2020, PLoS Comput. Biol. 16, e1007974, S3 data.

    >>> predicted_signs()["AVAL", "PVCL"], predicted_signs()["ASHL", "AVAL"]
    (0, 1)
    """
    sign = {"+": 1, "-": -1}
    return MappingProxyType({(pre, post): sign.get(word, 0) for pre, post, _, _, word in _rows("fenyves2020")})


def find(wanted: Iterable[str], among: Iterable[str], where: str = "the cell table") -> tuple[str, ...]:
    """The cells of these names and classes, in the order given, each once.

    Args: wanted: names (AVAL), classes (AVA = AVAL, AVAR).   among: the cells there are.   where: for the message.
    Raises: WiringError with near names if something is neither, or is not among them.

    >>> find(["AVA", "DVA"], cells())
    ('AVAL', 'AVAR', 'DVA')
    """
    there = dict.fromkeys(among)
    found: dict[str, None] = {}
    for one in wanted:
        cells_of_one = members(one, there)
        if not cells_of_one:
            if members(one, cells()):
                raise WiringError(f"{one!r} is not among the {len(there)} cells of {where}; leave it out.")
            raise no_such("cell", one, there)
        found.update(dict.fromkeys(cells_of_one))
    return tuple(found)


def members(name: object, among: Collection[str]) -> tuple[str, ...]:
    """The cells that a name stands for: the one of exactly that name, or else those of that class; () if none.

    A cell that is not in the cell table has no class.
    Args: name: of a cell (AVAL) or a class (AVA).   among: the names of the cells there are; theirs is the order.

    >>> members("AVA", ["AVAR", "DA1", "AVAL"]), members("AVA", ["AVA", "AVAL"]), members("AVA", ["n0"])
    (('AVAR', 'AVAL'), ('AVA',), ())
    """
    if not isinstance(name, str):
        return ()
    if name in among:
        return (name,)
    table = cells()
    return tuple(cell for cell in among if cell in table and table[cell].cell_class == name)


def no_such(what: str, name: object, among: Collection[str]) -> WiringError:
    """The error for a name that stands for none of the cells there are, with near names and classes.

    >>> no_such("neuron", "AVX", ["AVAL", "AVAR"])
    WiringError("unknown neuron or class 'AVX'; did you mean 'AVA' or 'AVAR' or 'AVAL'? Known: AVAL, AVAR, AVA.")
    """
    table = cells()
    known = dict.fromkeys([*among, *(table[cell].cell_class for cell in among if cell in table)])
    with_classes = any(cell in table for cell in among)
    return WiringError(unknown(f"{what} or class" if with_classes else what, name, known))


@functools.cache
def _sources() -> Mapping[str, Source]:
    table = tomllib.loads((TABLES / "SOURCES.toml").read_text(encoding="utf-8"))
    return {name: Source(**{"doi": "", **entry}) for name, entry in table.items()}


@functools.cache
def _edges(name: str) -> tuple[Edge, ...]:
    return tuple(Edge(kind == "gap", pre, post, float(count)) for kind, pre, post, count in _rows(name))


def _rows(name: str) -> list[list[str]]:
    """The rows of a bundled table, without its head."""
    path = TABLES / source(name).file
    content = path.read_bytes()
    text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode()
    return list(csv.reader(io.StringIO(text)))[1:]
