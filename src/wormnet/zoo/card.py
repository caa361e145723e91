"""What a network of the zoo is, what it was measured to do, and where its weights lie."""

import json
import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, get_args

from wormnet.errors import DataError, shown, unknown
from wormnet.paths import printable, read_text
from wormnet.wiring.plain_json import few_values

__all__ = ["Card", "Kind", "read"]

Kind = Literal["layer", "run", "policy", "driver"]
"""What the weights are: a layer of `wormnet.save`; the network of a run of a study, which takes data as recorded; a
`wormnet.control.Policy`, observations in and actions out; a `wormnet.control.Driver`, pictures in and steering out."""

MAX_BYTES = 2**20
"""The longest card that is read."""


@dataclass(frozen=True)
class Card:
    """A model card: a JSON file beside the weights, NAME.json beside NAME.safetensors.

    >>> import wormnet
    >>> card = wormnet.zoo.card("tap_withdrawal")
    >>> card.kind, card.licence
    ('layer', 'Apache-2.0; the numbers are facts of the paper, typed anew')
    """

    name: str
    what: str
    """One sentence."""
    kind: Kind
    sha256: str
    """Of the weights."""
    data: str
    """What it was trained on, with source and licence."""
    split: str
    metric: str
    """What the numbers of `scores`, `baselines` and `beside` are, and which way is better."""
    scores: Mapping[str, float]
    """Of this network, and of its kind over seeds and folds."""
    baselines: Mapping[str, float]
    """Of methods that need no network."""
    beside: Mapping[str, float]
    """Of other networks in the same study, nulls of the wiring among them."""
    price: Mapping[str, float]
    """What it costs on any machine."""
    made_by: str
    """The command."""
    versions: Mapping[str, str]
    source: str
    licence: str
    """Of the weights."""
    limits: str
    """What its numbers do not show."""
    url: str = ""
    """The folder on the web that the weights lie in; "" if they come with wormnet, or lie beside the card."""

    def __post_init__(self):
        for field in fields(self):
            value, wanted = getattr(self, field.name), str(field.type)
            kinds = (int, float) if "float" in wanted else str
            if "Mapping" in wanted:
                good = isinstance(value, Mapping) and all(
                    isinstance(key, str) and isinstance(one, kinds) and not isinstance(one, bool)
                    for key, one in value.items()
                )
                if good:
                    object.__setattr__(self, field.name, MappingProxyType(dict(value)))
            else:
                good = isinstance(value, str)
            if not good:
                raise DataError(f"the card's {field.name} is {shown(value)}; it takes {wanted}.")
        if self.kind not in get_args(Kind):
            raise DataError(f"the card has an {unknown('kind', self.kind, get_args(Kind))}")
        if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", self.name):
            raise DataError(f"the card's name is {shown(self.name)}; it takes small letters, digits, - and _.")
        if not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            raise DataError(f"the card's sha256 is {shown(self.sha256)}; it takes 64 hexadecimal digits.")
        if self.url and not self.url.startswith("https://"):
            raise DataError(f"the card's url is {shown(self.url)}; it takes one that begins with https://.")

    def to_json(self) -> str:
        """The card as text; `read` gives it back."""
        values = {name: dict(value) if isinstance(value, Mapping) else value for name, value in vars(self).items()}
        return json.dumps(values, indent=1, ensure_ascii=False) + "\n"


def read(path: str | Path) -> Card:
    """The card in a file.

    Raises: DataError if there is no such file, or it holds no card, or one with fields missing or unknown.
    """
    text = read_text(path, MAX_BYTES)
    name = printable(path)
    try:
        values: Any = json.loads(few_values(text))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{name} is no JSON: {str(error)[:200]}.") from None
    if not isinstance(values, dict):
        raise DataError(f"{name} holds {shown(values)}; a card is a JSON object.")
    known = {field.name: field.default is MISSING for field in fields(Card)}
    for key in values:
        if key not in known:
            raise DataError(f"{name}: {unknown('field', key, known)}")
    for key, needed in known.items():
        if needed and key not in values:
            raise DataError(f"{name} lacks {key!r}; a card has {', '.join(known)}.")
    try:
        return Card(**values)
    except DataError as error:
        raise DataError(f"{name}: {error}") from None
