"""What may be passed to a wiring and its builders: each check returns the value it proved, or raises WiringError."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wormnet.errors import WiringError, unknown
from wormnet.wiring import atlas

CHEMICAL, GAP, CURRENT = 0, 1, 2
KINDS = ("chemical", "gap", "current")
"""Names of the kinds of synapse; a kind's number is its place here."""

ROLES = ("sensory", "inter", "command", "motor", "unknown")
"""What a neuron can be in the animal, or in a circuit policy."""


# -- single values -----------------------------------------------------------------------------------------------------


def shortened(given: object) -> str:
    """What was given, for a message: at most 80 characters.

    >>> shortened("word" * 100)[-10:]
    'ordword...'
    """
    text = repr(given)
    return text if len(text) <= 80 else text[:77] + "..."


def number(name: str, value: object, least: int, most: int | None = None, why: str = "") -> int:
    """A whole number from `least` to `most` (None: without limit)."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise WiringError(f"{name} is {shortened(value)}; it takes a whole number.")
    if value < least or (most is not None and value > most):
        reach = f"{least} or more" if most is None else f"{least} to {most}" + (f", {why}" if why else "")
        raise WiringError(f"{name} is {value}; it takes {reach}.")
    return int(value)


def share(name: str, value: object) -> float:
    """A number from 0 to 1."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)) or not 0 <= value <= 1:
        raise WiringError(f"{name} is {shortened(value)}; it takes a number from 0 to 1.")
    return float(value)


def sparsity(value: object) -> float:
    """The share of possible synapses that is left out."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)) or not 0 <= value < 1:
        raise WiringError(
            f"sparsity is {shortened(value)}; it takes the share of synapses left out, 0 <= sparsity < 1."
        )
    return float(value)


def generator(seed: object) -> np.random.Generator:
    """A generator of one's own; the global one is never touched."""
    return np.random.default_rng(number("seed", seed, 0))


def text(what: str, value: object) -> str:
    """Text."""
    if not isinstance(value, str):
        raise WiringError(f"{what} is {shortened(value)}; it takes text.")
    return str(value)


# -- cells -------------------------------------------------------------------------------------------------------------


def names(what: str, prefix: str, given: int | Iterable[str]) -> tuple[str, ...]:
    """The names of cells, or of that many."""
    if isinstance(given, (int, np.integer)) and not isinstance(given, bool):
        if given < 0:
            raise WiringError(f"{what} is {given}; it takes a number of cells, 0 or more, or their names.")
        return tuple(f"{prefix}{i}" for i in range(given))
    if isinstance(given, (str, bool)) or not isinstance(given, Iterable):
        raise WiringError(f"{what} is {shortened(given)}; it takes a number of cells, or a list of their names.")
    found = tuple(given)
    for name in found:
        if not isinstance(name, str) or not name:
            raise WiringError(f"{what} holds {shortened(name)}; a cell's name is text and not empty.")
    return tuple(map(str, found))


def unique(cells: Sequence[str]) -> None:
    """No two cells of one name."""
    seen: set[str] = set()
    for name in cells:
        if name in seen:
            raise WiringError(f"two cells are named {name!r}; names are unique over inputs and neurons.")
        seen.add(name)


def roles(given: str | Iterable[str], n: int) -> tuple[str, ...]:
    """One role for each of n neurons."""
    if not isinstance(given, Iterable):
        raise WiringError(f"roles is {shortened(given)}; it takes one role for each neuron, or one for all.")
    found = (given,) * max(n, 1) if isinstance(given, str) else tuple(given)
    for role in found:
        if not isinstance(role, str) or role not in ROLES:
            raise WiringError(unknown("role", role, ROLES))
    if isinstance(given, str):
        return found[:n]
    if len(found) != n:
        raise WiringError(
            f"roles holds {len(found)} for {n} neurons; it takes one for each neuron, or one string for all."
        )
    return tuple(map(str, found))


def outputs(given: Iterable[str | int] | None, neurons: tuple[str, ...]) -> tuple[str, ...]:
    """The names of the neurons that are read out."""
    if given is None:
        return neurons
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise WiringError(
            f"outputs is {shortened(given)}; it takes a list of neurons, by name or number, or None for all."
        )
    known, found = set(neurons), []
    for output in given:
        if isinstance(output, (int, np.integer)) and not isinstance(output, bool):
            if not 0 <= output < len(neurons):
                those = f"neurons are numbered 0 to {len(neurons) - 1}" if neurons else "there are no neurons"
                raise WiringError(f"outputs holds {output}; {those}.")
            found.append(neurons[output])
        elif isinstance(output, str) and output in known:
            found.append(str(output))
        else:
            found.append(atlas.one_of("output neuron", output, neurons))
    if len(set(found)) != len(found):
        raise WiringError(f"outputs names a neuron twice: {', '.join(found)}.")
    return tuple(found)


def layers(given: ArrayLike | None, n: int) -> NDArray[np.int64]:
    """(n,) places in the update order, numbered without holes, so that equal orders are equal wirings."""
    if given is None:
        return np.zeros(n, np.int64)
    found = whole("layers", given)
    if found.shape != (n,):
        raise WiringError(f"layers has shape {found.shape}; it takes one number for each of the {n} neurons.")
    if n and found.min() < 0:
        raise WiringError(f"layers holds {found.min()}; layers are numbered from 0.")
    return np.unique(found, return_inverse=True)[1].astype(np.int64).reshape(n)


# -- synapses ----------------------------------------------------------------------------------------------------------


def whole(what: str, given: ArrayLike) -> NDArray[np.int64]:
    """Whole numbers, as a new array."""
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
        raise WiringError(f"{what} is {shortened(given)}; it takes whole numbers.") from None


def one_kind(given: object) -> int:
    """The number of a kind of synapse."""
    if isinstance(given, bool) or not isinstance(given, (int, np.integer)) or not 0 <= given < len(KINDS):
        raise WiringError(f"kind is {shortened(given)}; kinds are 0 (chemical), 1 (gap) and 2 (current).")
    return int(given)


def per_synapse(what: str, given: ArrayLike, n: int) -> NDArray[np.int64]:
    """(n,) whole numbers, from as many or from one."""
    values = whole(what, given)
    if values.ndim == 0:
        values = np.full(n, values)
    if values.shape != (n,):
        raise WiringError(
            f"{what} has shape {values.shape}; it takes one for each of the {n} synapses, or one for all."
        )
    return values


def counts(given: ArrayLike, n: int) -> NDArray[np.float64]:
    """(n,) finite numbers > 0, from as many or from one."""
    try:
        values = np.asarray(given)
        if values.size and values.dtype.kind not in "iuf":
            raise TypeError
        values = values.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        raise WiringError(f"count is {shortened(given)}; it takes numbers > 0.") from None
    if values.ndim == 0:
        values = np.full(n, values)
    if values.shape != (n,):
        raise WiringError(f"count has shape {values.shape}; it takes one for each of the {n} synapses, or one for all.")
    for s in np.flatnonzero(~(np.isfinite(values) & (values > 0)))[:1]:
        raise WiringError(f"synapse {s} has count {values[s]}; a count is finite and > 0. Leave absent synapses out.")
    return values


def ends(pre: ArrayLike, post: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Senders and receivers, equally many."""
    senders, receivers = whole("pre", pre), whole("post", post)
    if senders.ndim != 1 or senders.shape != receivers.shape:
        raise WiringError(
            f"pre has shape {senders.shape} and post {receivers.shape}; "
            "they take one cell number per synapse, equally many."
        )
    return senders, receivers


def synapses(
    cells: tuple[str, ...],
    n_inputs: int,
    pre: NDArray[np.int64],
    post: NDArray[np.int64],
    kind: NDArray[np.int64],
    sign: NDArray[np.int64],
) -> None:
    """Every synapse can be. The first that cannot is named."""
    last = len(cells) - 1

    def first(wrong: NDArray[np.bool_]) -> list[int]:
        return np.flatnonzero(wrong)[:1].tolist()

    for word, end in (("starts", pre), ("ends", post)):
        for s in first((end < 0) | (end > last)):
            those = f"cells are numbered 0 to {last}" if cells else "there are no cells"
            raise WiringError(f"synapse {s} {word} on cell {end[s]}; {those}.")
    for s in first(post < n_inputs):
        what = "cell 0 is an input" if n_inputs == 1 else f"cells 0-{n_inputs - 1} are inputs"
        those = f"{n_inputs}-{last} are neurons" if last > n_inputs else f"{last} is the neuron"
        raise WiringError(
            f"synapse {s} ends on cell {post[s]} ({cells[post[s]]!r}), which is not a neuron: "
            f"{what}, {those if last >= n_inputs else 'there are no neurons'}. Inputs only send."
        )
    for s in first((kind < 0) | (kind >= len(KINDS))):
        raise WiringError(f"synapse {s} has kind {kind[s]}; kinds are 0 (chemical), 1 (gap) and 2 (current).")
    for s in first((sign < -1) | (sign > 1)):
        raise WiringError(
            f"synapse {s} has sign {sign[s]}; signs are +1 (excitatory), -1 (inhibitory) and 0 (to be learned)."
        )
    for s in first((kind == GAP) & (sign != 0)):
        raise WiringError(f"synapse {s} is a gap junction with sign {sign[s]}; a gap junction has no sign, it takes 0.")
    for s in first((kind == GAP) & (pre == post)):
        raise WiringError(
            f"synapse {s} is a gap junction of cell {pre[s]} ({cells[pre[s]]!r}) with itself; "
            "it would carry no current. Leave it out."
        )
    for s in first((kind == CURRENT) & (pre >= n_inputs)):
        raise WiringError(
            f"synapse {s} is a current from cell {pre[s]} ({cells[pre[s]]!r}), a neuron; "
            "a current is injected by an input. Use CHEMICAL or GAP between neurons."
        )


def listed_once(
    cells: tuple[str, ...],
    pre: NDArray[np.int64],
    post: NDArray[np.int64],
    kind: NDArray[np.int64],
    count: NDArray[np.float64],
    turned: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Which synapses stay: all, but of a gap junction listed from both ends, with equal counts, one.

    Args: synapses in the order of (post, pre, kind, turned); `turned`: whether a gap junction was given from its other
        end. Raises: WiringError for two synapses of a kind from one cell to another.
    """
    same = (np.diff(pre) == 0) & (np.diff(post) == 0) & (np.diff(kind) == 0)
    both_ends = same & np.diff(turned)  # only of gap junctions is one turned
    for s in np.flatnonzero(same & ~both_ends)[:1]:
        from_, to = cells[pre[s]], cells[post[s]]
        if kind[s] == GAP:
            end, other = (to, from_) if turned[s] else (from_, to)
            raise WiringError(
                f"the gap junction of {from_!r} and {to!r} is listed twice from {end!r} to {other!r}; it takes "
                "one entry, or one from either end with equal counts. Add up what are several contacts in one `count`."
            )
        raise WiringError(
            f"two {KINDS[kind[s]]} synapses go from {from_!r} to {to!r}; "
            "a pair has at most one of each kind. Put several contacts into `count`."
        )
    for s in np.flatnonzero(both_ends & (np.diff(count) != 0))[:1]:
        from_, to = cells[pre[s]], cells[post[s]]
        raise WiringError(
            f"the gap junction of {from_!r} and {to!r} is listed from both ends with unequal counts: "
            f"{float(count[s])!r} from {from_!r} and {float(count[s + 1])!r} from {to!r}. A junction is one: "
            "list it once, or with the same count from both ends."
        )
    return np.concatenate([np.ones(min(len(pre), 1), bool), ~both_ends])
