"""What the attributes of other people's graphs and tables mean: usual names and values, in any case.

Names are those that programs and published tables of the field write: networkx and pandas (source, target, weight),
Gephi (Source, Target, Type, Weight, Label), igraph (name, from, to), Cytoscape (interaction); N1, N2, Type and Nbr,
with values S, Sp, R, Rp and EJ, in WormAtlas's NeuronConnect table, and G in its pharyngeal one; Origin, Target, Number
of Connections, Send, GapJunction, Generic_CS and Generic_GJ in the tables of OpenWorm. A transmitter is no sign, and is
not read as one.
"""

import math
import re
import sys
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from wormnet.errors import ArgumentError, WiringError, shown, unknown
from wormnet.wiring.check import CHEMICAL, CURRENT, GAP

__all__ = ["EDGE", "NODE", "Reading", "count", "kind_and_sign", "one_of", "warn_of", "whole", "word"]

NODE = ("cell", "role", "layer", "output", "name")
EDGE = ("kind", "sign", "count")
_NAMES: dict[str, tuple[str, ...]] = {
    "pre": ("pre", "presynaptic", "source", "from", "origin", "n1", "neuron 1", "neuron1"),
    "post": ("post", "postsynaptic", "target", "to", "n2", "neuron 2", "neuron2"),
    "kind": ("kind", "type", "synapse type", "edge type", "connection type", "interaction"),
    "sign": ("sign", "polarity"),
    "count": ("count", "weight", "nbr", "number of connections", "number of synapses", "synapses", "contacts"),
    "cell": ("cell",),
    "role": ("role",),
    "layer": ("layer",),
    "output": ("output",),
    "name": ("name", "label", "nx name", "id"),
}
"""Of each field the names that are understood, after `word`; ours first."""

_KINDS = {
    CHEMICAL: ("chemical", "chemical synapse", "chem", "send", "s", "sp", "generic cs"),
    GAP: (
        *("gap", "gap junction", "gapjunction", "gj", "electrical", "electrical synapse", "electric", "ej", "g"),
        "generic gj",
    ),
    CURRENT: ("current",),
}
_SIGNS = {1: ("excitatory", "exc", "ex", "+"), -1: ("inhibitory", "inh", "-")}
_KIND_OF = {name: kind for kind, names in _KINDS.items() for name in names}
_SIGN_OF = {name: sign for sign, names in _SIGNS.items() for name in names}
_DIRECTED = {"directed": True, "undirected": False}
_RECEIVED = ("r", "rp", "receive", "receive poly")

_NUMBERS = ("id", "nx name", "nx multiedge key", "igraph index")
"""What networkx and igraph number nodes and edges by: nothing that anybody wrote, so nothing to warn of."""
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_MOST_NAMED = 12


def word(text: object) -> str:
    """A name or value as it is compared: in lower case, with single spaces.

    >>> word(" Gap_Junction")
    'gap junction'
    """
    said = str(text).strip().casefold()
    return " ".join(re.split(r"[\s_-]+", said)).strip() or said


class Reading:
    """Which attribute means which field, in one graph or table, and which attributes were passed over.

    Args:
        what: whose attributes, for messages: "nodes", "edges", "columns".
        fields: those that are read.
        attributes: the caller's own {attribute: field or None}; None passes over it without a warning.
    """

    def __init__(self, what: str, fields: Iterable[str], attributes: Mapping[str, str | None]):
        self.what = what
        self.ignored: dict[str, None] = {}
        self.seen: dict[str, None] = {}
        self._given, self._fields = attributes, set(fields)
        self._usual = {
            name: (field, rank if field == "name" else min(rank, 1))
            for field in self._fields
            for rank, name in enumerate(_NAMES[field])
        }
        self._known: dict[str, tuple[str, int] | None] = {}

    def of(self, name: object) -> tuple[str, int] | None:
        """The field that an attribute means, and its rank: the lowest is taken first. None if it is passed over."""
        name = name if isinstance(name, str) else str(name)
        if name not in self._known:
            self.seen[name] = None
            found = self._usual.get(word(name)) if len(name) <= 80 else None
            if name in self._given and (field := self._given[name]) not in self._fields:
                found = None if field is None else found  # a field of nodes changes nothing for edges
            elif name in self._given:
                found = str(self._given[name]), -1
            if found is None:
                self.pass_over(name)
            self._known[name] = found
        return self._known[name]

    def is_given(self, name: str) -> bool:
        """Whether the caller said what an attribute means here."""
        return self._given.get(name) in self._fields

    def pass_over(self, name: str) -> None:
        """Remember an attribute for the warning, unless the caller knows, or it is but a number that a program gave."""
        if self._given.get(name, "") is not None and word(name[:80]) not in _NUMBERS:
            self.ignored[name] = None

    def take(self, pairs: Iterable[tuple[object, Any]]) -> dict[str, tuple[str, Any]]:
        """{field: (attribute, value)} of one node, edge or row.

        Of two attributes that mean one field, the caller's own is taken before ours, and ours before the usual ones; of
        two that are alike in this, the values have to agree.
        """
        found: dict[str, tuple[str, Any]] = {}
        ranks: dict[str, int] = {}
        for key, value in pairs:
            meaning = self.of(key)
            if meaning is None or (meaning[0] != "count" and is_missing(value)):
                continue
            (field, rank), name = meaning, str(key)
            if field in ("layer", "output") and isinstance(value, str) and value.strip().lower() == "nan":
                continue  # a number that is missing, written as text
            if field == "kind" and isinstance(value, str) and (way := _DIRECTED.get(word(value[:80]))) is not None:
                field, value = "directed", way
            if field not in found:
                found[field], ranks[field] = (name, value), rank
                continue
            (other, its), before = found[field], ranks[field]
            if rank < before:
                found[field], ranks[field] = (name, value), rank
            if not _same(its, value):
                if rank == before:
                    raise WiringError(
                        f"{other} is {shown(its)} and {name} is {shown(value)}, and both mean {field}; say which one "
                        f"does: attributes={{{other!r}: {field!r}, {name!r}: None}}."
                    )
                self.pass_over(other if rank < before else name)
        return found


def proven(attributes: object, fields: Iterable[str]) -> Mapping[str, str | None]:
    """The caller's own names, each for a field that exists."""
    if attributes is None:
        return {}
    if not isinstance(attributes, Mapping):
        raise ArgumentError(
            f"attributes is {shown(attributes)}; it takes {{attribute of yours: one of ours, or None}}."
        )
    fields = list(fields)
    for name, field in attributes.items():
        if not isinstance(name, str):
            raise ArgumentError(f"attributes names {shown(name)}; the name of an attribute is text.")
        if field is not None and field not in fields:
            raise ArgumentError(f"attributes: {unknown('field', field, fields)}")
    return attributes


def warn_of(what: str, readings: Iterable[Reading], attributes: Mapping[str, str | None], stacklevel: int) -> None:
    """Name what was passed over in one warning; refuse names of the caller's that are nowhere."""
    readings = list(readings)
    seen = {name for reading in readings for name in reading.seen}
    for name in attributes:
        if name not in seen:
            raise ArgumentError(f"attributes: {unknown('attribute', name, sorted(seen))}")
    told = []
    for reading in readings:
        if names := list(reading.ignored):
            more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
            told.append(f"of {reading.what} {', '.join(shown(name, 40) for name in names[:_MOST_NAMED])}{more}")
    if told:
        warnings.warn(
            f"{what} has attributes that were not read: {'; '.join(told)}. To have one read, or passed over in "
            "silence, name it: attributes={'mine': 'count', 'other': None}.",
            UserWarning,
            stacklevel=stacklevel + 1,
        )


# -- values ------------------------------------------------------------------------------------------------------------


def is_missing(value: object) -> bool:
    """Whether an attribute is there and says nothing: None, "", NaN, pandas' NA."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return True
    if isinstance(value, (float, np.floating)):
        return math.isnan(value)
    return type(value).__name__ in ("NAType", "NaTType")


def kind_and_sign(found: Mapping[str, tuple[str, Any]]) -> tuple[int, int]:
    """The kind and sign of a synapse; a kind may be said by its sign ("excitatory")."""
    kind, sign = CHEMICAL, None
    if "kind" in found:
        name, value = found["kind"]
        said = word(value) if isinstance(value, str) and len(value) <= 80 else None
        if said in _KIND_OF:
            kind = _KIND_OF[said]
        elif said in _SIGN_OF:
            sign = _SIGN_OF[said]
        elif said in _RECEIVED:
            raise WiringError(
                f"{name} is {value!r}: the first cell receives, and the same synapse is listed from its sender as S or "
                "Sp. Leave these rows out."
            )
        else:
            raise WiringError(
                f"{name} is {shown(value)}; it takes chemical (send, S, Sp), gap (gap junction, electrical, EJ), "
                "current, or excitatory, inhibitory."
            )
    if "sign" in found:
        name, value = found["sign"]
        given = _sign(name, value)
        if sign is not None and given not in (0, sign):
            raise WiringError(f"{name} is {shown(value)}, and {found['kind'][0]} is {shown(found['kind'][1])}.")
        sign = sign if given == 0 else given
    if kind == GAP and sign:
        raise WiringError(f"{found['sign'][0]} is {shown(found['sign'][1])}; a gap junction has none.")
    return kind, sign or 0


def _sign(name: str, value: Any) -> int:
    if isinstance(value, str) and len(value) <= 80 and (sign := _SIGN_OF.get(word(value))) is not None:
        return sign
    number = _number(value)
    if number not in (-1, 0, 1):
        raise WiringError(f"{name} is {shown(value)}; it takes -1, 0 or 1, or excitatory, inhibitory.")
    return int(number)


def count(found: Mapping[str, tuple[str, Any]]) -> float:
    """The count of a synapse, 1 without one."""
    if "count" not in found:
        return 1.0
    name, value = found["count"]
    number = _number(value)
    if number is None or not 0 < number <= sys.float_info.max:
        raise WiringError(f"{name} is {shown(value)}; it takes a finite number > 0. Polarity goes into sign.")
    return float(number)


def whole(name: str, value: Any, least: int, most: int) -> int:
    """A whole number, which other programs write as 2.0 or "2" too."""
    number = _number(value)
    if number is None or number != number or abs(number) > 2**1023 or number != int(number):
        raise WiringError(f"{name} is {shown(value)}; it takes a whole number.")
    if not least <= number <= most:
        raise WiringError(f"{name} is {shown(value)}; it takes {least} to {most}.")
    return int(number)


def one_of(name: str, value: object, known: Iterable[str]) -> str:
    """One of the known words, in any case."""
    known = tuple(known)
    said = word(value) if isinstance(value, str) and len(value) <= 80 else None
    if said not in known:
        raise WiringError(f"{name} is {shown(value)}; it takes {', '.join(known)}.")
    return said


def _number(value: Any) -> int | float | None:
    """A number, or the number that a text is."""
    if isinstance(value, str):
        text = value.strip()
        return float(text) if len(text) <= 400 and _NUMBER.fullmatch(text) else None
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        return None
    return int(value) if isinstance(value, (int, np.integer)) else float(value)


def _same(one: object, other: object) -> bool:
    if type(one) is type(other):
        return bool(one == other) if isinstance(one, (str, int, float)) else one is other
    numbers = _number(one), _number(other)
    return None not in numbers and numbers[0] == numbers[1]
