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
from wormnet.wiring import spelling

__all__ = [
    "Cell",
    "Edge",
    "Source",
    "canonical",
    "canonical_class",
    "cells",
    "cells_of_class",
    "class_of",
    "counterparts",
    "edges",
    "find",
    "is_muscle",
    "members",
    "named",
    "names",
    "no_such",
    "one_of",
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


def canonical(name: str) -> str | None:
    """The name in the cell table of the cell that a name spells, or None: see `wormnet.wiring.spelling`.

    >>> canonical("VA01"), canonical("dBWML8"), canonical("pm3vl"), canonical("aval"), canonical("n0")
    ('VA1', 'MDL08', 'pm3VL', 'AVAL', None)
    """
    return name if name in cells() else _cells_by_key().get(spelling.key(name))


def canonical_class(name: str) -> str | None:
    """The class of the cell table that a name spells, or None.

    >>> canonical_class("ava"), canonical_class("AVAL")
    ('AVA', None)
    """
    return _classes_by_key().get(spelling.key(name))


def class_of(name: str) -> str | None:
    """The class of a cell in any spelling, or None for one that the worm does not have.

    >>> class_of("VA01"), class_of("AVFL/R"), class_of("AWCON"), class_of("n0")
    ('VA', 'AVF', 'AWC', None)
    """
    known = canonical(name) or next(iter(_pair(name)), None)
    return cells()[known].cell_class if known else spelling.SIDELESS.get(name.upper())


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
        cells_of_one = named(one, there)
        if not cells_of_one:
            if members(one, cells()):
                raise WiringError(f"{one!r} is not among the {len(there)} cells of {where}; leave it out.")
            raise no_such("cell", one, there)
        found.update(dict.fromkeys(cells_of_one))
    return tuple(found)


def members(name: object, among: Collection[str]) -> tuple[str, ...]:
    """The cells that a name stands for, in whatever spelling; () if none.

    They are, whichever comes first: the one of exactly that name; the one that is the same cell in another spelling;
    all of that class; both of a pair such as AVFL/R. A cell that is not in the cell table has no class.

    Args: name: of a cell (AVAL) or a class (AVA).   among: the names of the cells there are; theirs is the order.
    Raises: WiringError if two of them are spellings of the cell, and neither is the one given.

    >>> members("AVA", ["AVAR", "DA1", "AVAL"]), members("AVA", ["AVA", "AVAL"]), members("AVA", ["n0"])
    (('AVAR', 'AVAL'), ('AVA',), ())
    >>> members("VA", ["VA01", "VA02", "VA10"]), members("VA1", ["VA01", "VA02", "VA10"])
    (('VA01', 'VA02', 'VA10'), ('VA01',))
    """
    if not isinstance(name, str):
        return ()
    if name in among:
        return (name,)
    if known := canonical(name):
        same = tuple(cell for cell in among if canonical(cell) == known)
        if len(same) > 1:
            spelled = " and ".join(map(repr, same[:3]))
            raise WiringError(f"{name!r} could be {spelled}, spellings of one cell; give the one that is meant.")
        if same:
            return same
    if its_class := canonical_class(name):
        return (its_class,) if its_class in among else tuple(cell for cell in among if class_of(cell) == its_class)
    if both := _pair(name):
        return tuple(cell for cell in among if canonical(cell) in both or _pair(cell) == both)
    return ()


def named(name: object, among: Collection[str]) -> tuple[str, ...]:
    """As `members`, and a SpellingWarning tells the user if the name is not spelled as the cell or class is."""
    found = members(name, among)
    if not isinstance(name, str) or not found or name in among or name in cells_of_class():
        return found
    if canonical(name):
        spelling.note(name, repr(found[0]))
    elif its_class := canonical_class(name):
        spelling.note(name, f"the class {its_class!r}")
    return found


def one_of(what: str, name: object, among: Collection[str]) -> str:
    """The one cell among these that a name stands for, in whatever spelling, as `named` does; no class.

    Args: what: for the message.
    Raises: WiringError with near names if there is none.

    >>> one_of("cell", "AVAL", ["AVAL", "AVAR"])
    'AVAL'
    """
    if isinstance(name, str) and (name in among or canonical(name)) and (found := named(name, among)):
        return found[0]
    raise no_such(what, name, among, classes=False)


def counterparts(names: Iterable[str], among: Iterable[str]) -> dict[str, str]:
    """{name: the one among the others that is the same cell}, in whatever spelling, for those that have one.

    >>> counterparts(["VA1", "light", "DB1"], ["light", "VA01"])
    {'VA1': 'VA01', 'light': 'light'}
    """
    there = set(among)
    spelled = {known: name for name in there if (known := canonical(name))}
    other = {name: name if name in there else spelled.get(canonical(name) or "") for name in names}
    return {name: found for name, found in other.items() if found is not None}


def no_such(what: str, name: object, among: Collection[str], *, classes: bool = True) -> WiringError:
    """The error for a name that stands for none of the cells there are, with near names and classes.

    A muscle is never proposed, nor anything for one: the names of its neighbours are as near as its own.

    >>> no_such("neuron", "AVX", ["AVAL", "AVAR"])
    WiringError("unknown neuron or class 'AVX'; did you mean 'AVA' or 'AVAR' or 'AVAL'? Known: AVAL, AVAR, AVA.")
    >>> no_such("cell", "dBWML8", ["MVL18", "AVAL"], classes=False)
    WiringError("unknown cell 'dBWML8'. Known: MVL18, AVAL. In the tables here 'dBWML8' is MDL08.")
    """
    of_class = {cell: found for cell in among if (found := class_of(cell))} if classes else {}
    known = dict.fromkeys([*among, *of_class.values()])
    near = [] if is_muscle(str(name)) else [one for one in known if not is_muscle(one)]
    message = unknown(f"{what} or class" if of_class else what, name, known, near)
    if isinstance(name, str) and (meant := canonical(name)) and meant != name:
        message += f" In the tables here {name!r} is {meant}."
    if isinstance(name, str) and (its_class := class_of(name)):
        doubtful = [cell for cell in among if class_of(cell) == its_class and canonical(cell) is None]
        if doubtful := doubtful or [name] * (name.upper() in spelling.SIDELESS):
            message += f" Which cell of the class {its_class} it is, a name like {doubtful[0]} does not tell."
    return WiringError(message)


@functools.cache
def cells_of_class() -> Mapping[str, tuple[str, ...]]:
    """{class: its cells}, classes in the order of their first cells.

    >>> cells_of_class()["AVA"]
    ('AVAL', 'AVAR')
    """
    found: dict[str, list[str]] = {}
    for cell in cells().values():
        found.setdefault(cell.cell_class, []).append(cell.name)
    return MappingProxyType({name: tuple(members) for name, members in found.items()})


@functools.cache
def _cells_by_key() -> Mapping[str, str]:
    return {spelling.key(name): name for name in cells()}


@functools.cache
def _classes_by_key() -> Mapping[str, str]:
    return {spelling.key(name): name for name in cells_of_class()}


def _pair(name: str) -> tuple[str, ...]:
    """The left and the right cell that a name such as AVFL/R stands for, if they are partners; else none."""
    left, right = (canonical(one) for one in spelling.pair(name) or ("", ""))
    return (left, right) if left and right and cells()[left].partner == right else ()


def is_muscle(name: str) -> bool:
    """Whether it is a muscle of the worm, in whatever spelling."""
    known = canonical(name)
    return known is not None and cells()[known].kind == "muscle"


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
