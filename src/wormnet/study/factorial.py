"""Factorial designs over the worm's ingredients: which networks are run, and what is confounded with what."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, product

from wormnet.errors import ArgumentError, unknown
from wormnet.study.networks.ablation import BASES, FACTORS, cell_name

__all__ = ["Factorial"]

MOST = 8


@dataclass(frozen=True)
class Factorial:
    """All combinations of the levels of some factors, or a regular fraction 2^(k - p) of them.

    Args:
        factors: names of ingredients; `wormnet.study.networks.ablation.FACTORS` tells their levels.
        base: "ncp" or "cook2019": what they are ingredients of.
        fraction: p, how often the design is halved. The factors beyond the first k - p take the products of others that
            give the design the highest resolution, and of those the fewest shortest words.

    Resolution III confounds main effects with interactions of two factors, IV those with each other, V neither.
    Source: Box & Hunter 1961, Technometrics 3, 311-351.
    Raises: ArgumentError for what is no factor of the base, or for a fraction that cannot be.

    >>> design = Factorial(["synapses", "tau", "density", "hierarchy", "recurrence"], fraction=1)
    >>> len(design.cells), design.resolution, design.words
    (16, 5, ('synapses tau density hierarchy recurrence',))
    >>> list(design.cells)[0]
    'ncp(worm)'
    """

    factors: Sequence[str]
    base: str = "ncp"
    fraction: int = 0

    def __post_init__(self):
        if self.base not in BASES:
            raise ArgumentError(unknown("base", self.base, BASES))
        if isinstance(self.factors, str) or not isinstance(self.factors, Sequence) or not self.factors:
            raise ArgumentError(f"factors is {self.factors!r}; it takes a list of {', '.join(BASES[self.base])}.")
        object.__setattr__(self, "factors", tuple(self.factors))
        for factor in self.factors:
            if factor not in BASES[self.base]:
                raise ArgumentError(unknown(f"factor of {self.base}", factor, BASES[self.base]))
        k = len(self.factors)
        if len(set(self.factors)) < k or k > MOST:
            raise ArgumentError(f"factors holds {k}, some twice or more than {MOST}; it takes each once.")
        if isinstance(self.fraction, bool) or not isinstance(self.fraction, int) or not 0 <= self.fraction < k:
            raise ArgumentError(f"fraction is {self.fraction!r}; it takes a whole number, 0 to {k - 1}.")
        if self.fraction and len(self._generators) < self.fraction:
            raise ArgumentError(
                f"a 2^({k} - {self.fraction}) design confounds factors with each other; take a smaller fraction."
            )

    @cached_property
    def _words(self) -> tuple[int, ...]:
        """The defining relation as bit sets of factors, shortest first; () for a full design."""
        return tuple(sorted(_span(self._generators), key=lambda word: (word.bit_count(), word)))

    @cached_property
    def _generators(self) -> tuple[int, ...]:
        """For each factor beyond the first k - p the word that is 1: it times those that it is the product of."""
        k, p = len(self.factors), self.fraction
        free = k - p
        possible = [word for word in range(1, 2**free) if word.bit_count() > 1]
        best: tuple[tuple[int, ...], tuple[int, ...]] | None = None
        for chosen in combinations(possible, p):
            words = tuple(word | 1 << (free + i) for i, word in enumerate(chosen))
            # By the lengths of its words, shortest first: the larger the better (minimum aberration).
            lengths = tuple(sorted(word.bit_count() for word in _span(words)))
            if best is None or lengths > best[0]:
                best = lengths, words
        return best[1] if best else ()

    @property
    def resolution(self) -> int:
        """The length of the shortest word of the defining relation; one more than the factors for a full design."""
        return self._words[0].bit_count() if self._words else len(self.factors) + 1

    @property
    def words(self) -> tuple[str, ...]:
        """The defining relation: products of factors that are the same in all cells."""
        return tuple(" ".join(name for i, name in enumerate(self.factors) if word >> i & 1) for word in self._words)

    @cached_property
    def cells(self) -> dict[str, dict[str, str]]:
        """The levels of each cell, by the name of its network. The first has all of the worm's levels."""
        k, p = len(self.factors), self.fraction
        found = {}
        for signs in product((0, 1), repeat=k - p):
            every: list[int] = list(signs)
            for word in self._generators:
                every.append(sum(sign for i, sign in enumerate(signs) if word >> i & 1) % 2)
            levels = {factor: FACTORS[factor][sign] for factor, sign in zip(self.factors, every)}
            found[cell_name(self.base, levels)] = levels
        return found

    def to_dict(self) -> dict[str, object]:
        """As plain values."""
        return {"factors": list(self.factors), "base": self.base, "fraction": self.fraction}


def _span(words: Sequence[int]) -> set[int]:
    """All products of the words."""
    found = {0}
    for word in words:
        found |= {one ^ word for one in found}
    return found - {0}
