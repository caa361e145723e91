"""What every format of a wiring shares: its name and version, limits, and the proofs of what was read."""

from typing import Any

from wormnet import errors
from wormnet.errors import WiringError
from wormnet.wiring.core import Wiring, prove_wiring

FORMAT, VERSION = "wormnet-wiring", 1

MAX_BYTES = 64 * 2**20
"""The longest file that is read or written, in bytes."""
MAX_CELLS = 200_000
"""The most inputs and neurons that a file may hold."""
MAX_SYNAPSES = 2_000_000
"""The most synapses that a file may hold."""


def shown(value: object) -> str:
    """A value from a file, for a message."""
    # The repr of a list is avoided: one nested as deeply as the reader can bear has none.
    names = {list: "a list", dict: "an object", type(None): "null"}
    return names.get(type(value)) or errors.shown(value)


def prove_to_fit(wiring: Wiring) -> None:
    """It is a wiring, and no larger than is read back."""
    prove_wiring(wiring)
    small_enough(len(wiring.cells), wiring.n_synapses)


def prove_format(found: dict[str, Any]) -> None:
    """The content says that it is a wiring, in a version known here."""
    if found.get("format") != FORMAT:
        raise WiringError(f"format is {shown(found.get('format'))}; it takes {FORMAT!r}.")
    version = found.get("version")
    if type(version) is not int or version != VERSION:
        raise WiringError(f"version is {shown(version)}; this release reads version {VERSION}.")


def small_enough(n_cells: int, n_synapses: int) -> None:
    """No more cells and synapses than are read."""
    for given, most, what in ((n_cells, MAX_CELLS, "cells"), (n_synapses, MAX_SYNAPSES, "synapses")):
        if given > most:
            raise WiringError(f"there are {given:,} {what}; a file holds at most {most:,}.")


def short_enough(text: str) -> str:
    """The text, if it is no longer than is read."""
    if len(text) > MAX_BYTES:
        raise WiringError(f"the text is {len(text):,} bytes long or longer; a file holds at most {MAX_BYTES:,}.")
    return text


def built(**columns: Any) -> Wiring:
    """The wiring with these columns."""
    try:
        return Wiring(**columns)
    except WiringError as error:
        # Messages quote names, and a hostile name is as long as the file.
        raise WiringError(message if len(message := str(error)) <= 1000 else message[:997] + "...") from None
