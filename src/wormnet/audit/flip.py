"""The smallest lesion that turns a decision into another one."""

import itertools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from wormnet.audit.lesion_tables import Cut, cuts, scored
from wormnet.errors import ArgumentError
from wormnet.models.spec import check_count
from wormnet.nn.recurrent import Recurrent

__all__ = ["Flip", "smallest_lesion"]


@dataclass(frozen=True)
class Flip:
    """What `smallest_lesion` found.

    Args:
        lesion: the names of what is cut; None if nothing was found that flips the decision.
        intact, margin: of the whole layer, and of what the lesion leaves.
        smallest: whether it is proved that no smaller lesion flips the decision.
        excluded: all lesions of up to so many parts were tried, and none flips it.
        tried: how many layers were looked at.

    >>> Flip(("a -> b",), 0.5, -0.1, True, 0, 4).smallest
    True
    """

    lesion: tuple[str, ...] | None
    intact: float
    margin: float
    smallest: bool
    excluded: int
    tried: int

    def __str__(self) -> str:
        if self.lesion is None:
            return f"no lesion found; none of up to {self.excluded} flips the decision ({self.tried} tried)"
        proof = "the smallest" if self.smallest else f"perhaps not the smallest; none of up to {self.excluded} does"
        return f"without {', '.join(self.lesion)}: {self.intact:.4g} -> {self.margin:.4g} ({proof})"


def smallest_lesion(
    rnn: Recurrent,
    margin: Callable[[Recurrent], Any],
    *,
    of: str = "synapses",
    cells: Iterable[str] | None = None,
    most: int = 8,
    budget: int = 2000,
) -> Flip:
    """The smallest set of synapses, or of neurons, without which a decision is another one.

    First greedily: what lowers the margin most is cut, again and again, until the decision flips, and then what turns
    out not to be needed is put back. Then all smaller sets are tried, by size, as far as the budget goes. Only what has
    been tried is called proved: networks are not monotone.

    Args:
        rnn: a layer, which stays as it is.
        margin: layer -> a number, above 0 as long as the decision stands: for steering to the left
            `lambda layer: layer(x)[0][0, -1, 0]`; for a choice the score of the chosen minus the largest of the others.
        of: "synapses" or "neurons", as `lesions` cuts them.
        cells: only these neurons or classes, and synapses into them; None for all.
        most: the largest set that is looked for.
        budget: at most so many layers are looked at.

    Returns: a Flip.
    Raises: ArgumentError if the decision does not stand to begin with, or the margin is no number; else as `lesions`.

    >>> import torch, wormnet
    >>> wiring = wormnet.Wiring(2, ["m"], pre=[0, 1], post=[2, 2], sign=[1, -1])
    >>> rnn = wormnet.CTRNN(wiring, backend="reference")
    >>> rnn.set_values(weight=[2.0, -1.0])
    >>> x = torch.ones(1, 30, 2)
    >>> print(smallest_lesion(rnn, lambda layer: layer(x)[0][0, -1, 0]).lesion)
    ('in0 -> m',)
    """
    check_count("most", most, 1)
    check_count("budget", budget, 1)
    if not isinstance(rnn, Recurrent):
        raise ArgumentError(f"smallest_lesion takes a recurrent layer of wormnet, not {type(rnn).__name__}.")
    if not callable(margin):
        raise ArgumentError(f"margin is {margin!r}; it takes a function of a layer that gives a number.")
    search = _Search(rnn, margin, cuts(rnn.wiring, of, cells), budget)
    intact = scored(rnn, margin, ())
    if not intact > 0:
        raise ArgumentError(f"the margin of the whole layer is {intact:.4g}; nothing can flip that is not above 0.")
    found = search.greedy(min(most, len(search.cuts)))
    largest = min(most, len(search.cuts)) if found is None else len(found) - 1
    excluded = 0
    for size in range(1, largest + 1):
        better, complete = search.every(size)
        if better is not None:
            found = better
            break
        if not complete:
            break
        excluded = size
    if found is None:
        return Flip(None, intact, intact, False, excluded, len(search.seen))
    names = tuple(search.cuts[i].name for i in sorted(found))
    return Flip(names, intact, search.seen[found], excluded == len(found) - 1, excluded, len(search.seen))


class _Search:
    """Margins of sets of lesions, each computed once."""

    def __init__(self, rnn: Recurrent, margin: Callable[[Recurrent], Any], cuts: list[Cut], budget: int):
        self.rnn, self.margin, self.cuts, self.budget = rnn, margin, cuts, budget
        self.seen: dict[frozenset[int], float] = {}

    def of(self, chosen: frozenset[int]) -> float | None:
        """The margin without some parts; None if the budget is spent."""
        if chosen not in self.seen:
            if len(self.seen) >= self.budget:
                return None
            value = scored(self.rnn, self.margin, [self.cuts[i] for i in sorted(chosen)])
            if math.isnan(value):
                names = ", ".join(self.cuts[i].name for i in sorted(chosen))
                raise ArgumentError(f"the margin without {names} is NaN; it takes a number.")
            self.seen[chosen] = value
        return self.seen[chosen]

    def greedy(self, most: int) -> frozenset[int] | None:
        """A set that flips the decision, of which no part is superfluous."""
        chosen: frozenset[int] = frozenset()
        while len(chosen) < most:
            options = [(self.of(chosen | {i}), i) for i in range(len(self.cuts)) if i not in chosen]
            known = [(value, i) for value, i in options if value is not None]
            if not known:
                return None
            value, best = min(known)
            chosen |= {best}
            if value <= 0:
                return self._needed(chosen)
        return None

    def _needed(self, chosen: frozenset[int]) -> frozenset[int]:
        for i in sorted(chosen):
            value = self.of(chosen - {i}) if len(chosen) > 1 else None
            if value is not None and value <= 0:
                chosen -= {i}
        return chosen

    def every(self, size: int) -> tuple[frozenset[int] | None, bool]:
        """A set of this size that flips the decision, or None; and whether all were tried."""
        new = math.comb(len(self.cuts), size) - sum(len(one) == size for one in self.seen)
        if new > self.budget - len(self.seen):
            return None, False
        # What weakens the decision most by itself comes first.
        order = sorted(range(len(self.cuts)), key=lambda i: self.seen.get(frozenset({i}), 0.0))
        for some in itertools.combinations(order, size):
            value = self.of(frozenset(some))
            if value is not None and value <= 0:
                return frozenset(some), True
        return None, True
