"""How published tables spell the names of the worm's cells: one table of rules, each with its source.

The names of `atlas.cells` are the ones that this library writes. Whoever names a cell in another spelling means the
same cell, if the spelling leaves no doubt which.
"""

import re
import sys
import warnings
from typing import NamedTuple

__all__ = ["RULES", "SIDELESS", "Rule", "SpellingWarning", "key", "note", "pair"]


class SpellingWarning(UserWarning):
    """A name was taken for a cell, or a class, that is spelled otherwise. The message says which.

    Turn it off with `warnings.simplefilter("ignore", wormnet.wiring.SpellingWarning)`.
    """


class Rule(NamedTuple):
    """One way in which spellings of a cell differ."""

    what: str
    pattern: re.Pattern[str]
    becomes: str
    example: tuple[str, str]
    """as some table spells it, and as `atlas.cells` does"""
    source: str


RULES = (
    Rule(
        "a body wall muscle by quadrant and number",
        re.compile(r"([dv])bwm([lr])([0-9]+)", re.IGNORECASE),
        r"M\1\2\3",
        ("dBWML8", "MDL08"),
        "cect, whose readers made the tables here (cect.Cells.convert_to_preferred_muscle_name)",
    ),
    Rule(
        "a body wall muscle by quadrant and number, with a dash",
        re.compile(r"bwm-([dv])([lr])([0-9]+)", re.IGNORECASE),
        r"M\1\2\3",
        ("BWM-DL08", "MDL08"),
        "as above",
    ),
    Rule(
        "zeros in front of a number",
        re.compile(r"(?<=[A-Za-z])0+(?=[1-9])"),
        "",
        ("VA01", "VA1"),
        "neurons without them in cect and in the tables here, with them in Fenyves et al. 2020; muscles with them here",
    ),
)
"""What is evened out before two names are compared. After these, names of three characters or more are compared in any
case (cect reads pm3vl as pm3VL, and g1p as g1P); shorter ones are not, since m1 and i5 are common names of units that
have nothing to do with the worm."""

SIDELESS = {"AWCON": "AWC", "AWCOFF": "AWC", "AWCOF": "AWC"}
"""Names of cells whose class is known and whose side is not, {name: class}: ON and OFF do not determine left and right.
Source: the functional atlas of Randi et al. 2023, whose table cuts the second one short."""


def key(name: str) -> str:
    """What is the same for all spellings of a cell's name, and of a class's.

    >>> key("dBWML8") == key("MDL08") == key("mdl8"), key("VA01") == key("VA1"), key("VA10") == key("VA1")
    (True, True, False)
    >>> key("M1") == key("m1")
    False
    """
    for rule in RULES[:-1]:
        if found := rule.pattern.fullmatch(name):
            name = found.expand(rule.becomes)
    name = RULES[-1].pattern.sub(RULES[-1].becomes, name)
    return name.casefold() if len(name) > 2 else name


def pair(name: str) -> tuple[str, str] | None:
    """The two cells that a name such as AVFL/R stands for, or None.

    >>> pair("AVFL/R"), pair("AVFL")
    (('AVFL', 'AVFR'), None)
    """
    stem = name[:-3]
    return (stem + name[-3], stem + name[-1]) if stem and name[-3:].upper() == "L/R" else None


def note(given: str, meant: str) -> None:
    """Tell the user, at their own line, that a name was taken for another one."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "wormnet":
        level, frame = level + 1, frame.f_back
    warnings.warn(f"{given!r} is taken for {meant}, another spelling of it.", SpellingWarning, stacklevel=level)
