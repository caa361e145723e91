"""A layer's functions and solver steps on intervals, as narrow as monotony makes them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wormnet.audit.parts import Edges, Piece
from wormnet.models import solvers
from wormnet.models.interval import Interval, exp

__all__ = ["advanced", "cells", "chosen", "node", "summed"]

Array = NDArray[np.float64]

SHARES = {
    solvers.exponential_step: 1.0,
    solvers.exponential_half: 0.5,
    solvers.exponential_whole: 1.0,
}
"""The stages that hold drive and pull constant over a share of the step."""


def cells(x: Interval, state: Interval) -> Interval:
    """(cells,) what every cell sends."""
    return Interval(np.concatenate([x.lo, state.lo]), np.concatenate([x.hi, state.hi]))


def chosen(x: Interval, slope: Interval, way: int) -> Interval:
    """Where a function with this derivative is largest (way 1) or least (-1): at an end if the sign is certain."""
    rising, falling = (slope.lo >= 0, slope.hi <= 0) if way > 0 else (slope.hi <= 0, slope.lo >= 0)
    return Interval(np.where(rising, x.hi, x.lo), np.where(falling & ~rising, x.lo, x.hi))


def summed(piece: Piece, states: list[Interval], x: Interval) -> list[Interval]:
    """The sums (neurons,) of a part."""
    n = len(states[0].lo)
    sums = [Interval.of(start) for start in piece.starts]
    for its in piece.edges:
        if not len(its.pre):
            continue
        u = cells(x, states[its.reads])[its.pre]
        for k in range(len(its.adds)):
            ends = [_edge(its, u, {its.adds[k]: Interval.of(1.0)}, way)[0] for way in (-1, 1)]
            added = Interval(ends[0].lo, ends[1].hi)
            sums[its.adds[k]] = sums[its.adds[k]] + added.summed(its.post, n)
    return sums


def _edge(its: Edges, u: Interval, weights: dict[int, Interval], way: int) -> tuple[Interval, list[Interval]]:
    """(edges,) a weighted sum of what an edge adds, where it is largest (its high holds then) or least (its low).

    And what it adds to each sum there.
    """
    coefficients = [Interval.of(one) for one in its.coefficients]
    adjoints = [weights.get(k, Interval.of(0.0)) for k in its.adds]
    at = chosen(u, Interval.of(its.d_edge(u, *coefficients, *adjoints)[0]), way)
    results = [Interval.of(one) for one in its.edge(at, *coefficients)]
    total = Interval.of(0.0)
    for k, value in zip(its.adds, results):
        if k in weights:
            total = total + value * weights[k]
    return Interval(*(np.broadcast_to(one, u.lo.shape) for one in (total.lo, total.hi))), results


def node(piece: Piece, states: list[Interval], sums: list[Interval], last: tuple[Interval, ...] = ()) -> list[Interval]:
    """Each result of a node, with all arguments at the ends where its derivative has a certain sign."""
    own = [states[k] for k in piece.part.states]
    coefficients = [Interval.of(one) for one in piece.coefficients]
    plain = piece.node(*own, *sums, *coefficients, *last)
    n_results = len(own) * (2 if piece.has_solver else 1)
    found = []
    for k in range(n_results):
        if any(plain[k] is one for one in sums) or not isinstance(plain[k], Interval):
            found.append(plain[k] if isinstance(plain[k], Interval) else Interval.of(plain[k]))
            continue
        ones = [Interval.of(float(j == k)) for j in range(n_results)]
        slopes = piece.d_node(*own, *coefficients, *plain[n_results:], *last, *ones)
        ends = []
        for way in (-1, 1):
            given = [chosen(arg, Interval.of(slope), way) for arg, slope in zip([*own, *sums], slopes)]
            ends.append(Interval.of(piece.node(*given, *coefficients, *last)[k]))
        found.append(Interval(ends[0].lo, ends[1].hi).within(plain[k]))
    return found


def advanced(piece: Piece, states: list[Interval], x: Interval, h: Interval) -> list[Interval]:
    """One sub-step of a solver."""
    ys = [states]
    update: Any = piece.part.update
    for number, stage in enumerate(update.solver.stages):
        now = ys[-1]
        sums = summed(piece, now, x)
        terms = node(piece, now, sums)
        new = list(now)
        for k, state in enumerate(piece.part.states):
            drive, pull = terms[2 * k], terms[2 * k + 1]
            # Whether drive and pull are sums themselves, so that their edges can be taken together.
            both = [next((j for j, one in enumerate(sums) if one is term), None) for term in (drive, pull)]
            step = _Step(piece, now, x, piece.capacitances[k], (both[0], both[1]), drive, pull)
            before = [y[state] for y in ys]
            value = step.taken(stage.advance, before, h)
            if value is None:
                c = Interval.of(piece.capacitances[k])
                value = Interval.of(piece.stages[number](*before, c, drive, pull, h)[0])
            new[state] = Interval(*(np.broadcast_to(one, now[state].lo.shape) for one in (value.lo, value.hi)))
        ys.append(new)
    return ys[-1]


class _Step:
    """One stage for one state of all neurons."""

    def __init__(
        self, piece: Piece, states: list[Interval], x: Interval, capacitance: Array,
        sums: tuple[int | None, int | None], drive: Interval, pull: Interval,
    ):  # fmt: skip
        self.piece, self.states, self.x, self.capacitance = piece, states, x, Interval.of(capacitance)
        self.sums, self.drive, self.pull = sums, drive, pull
        self.together = None not in sums

    def taken(self, advance: Any, before: list[Interval], h: Interval) -> Interval | None:
        """The new state, or None where only plain intervals will do."""
        c, v = self.capacitance, before[0]
        if advance is solvers.semi_implicit_step:
            plain = (c * v + h * self.drive) / (c + h * self.pull)
            if self.together and (Interval.of(c + h * self.pull).lo > 0).all():
                return self._mean(c, v, h, plain)
            return plain
        if advance is solvers.euler_step:
            share = h / c
            stays = 1.0 - share * self.pull
            if self.together and (stays.lo >= 0).all():
                ends = [end + share * self._total(end, way)[0] for end, way in ((v.lo, -1), (v.hi, 1))]
                return Interval(ends[0].lo, ends[1].hi)
            return v * stays + share * self.drive
        if advance in SHARES and (self.pull.lo > 0).all():
            rest = self.drive / self.pull
            if self.together:
                rest = self._mean(Interval.of(0.0), v, Interval.of(1.0), rest)
            stays = exp(-(h * SHARES[advance] * self.pull / c))
            low, high = ([w * one + (1.0 - w) * other for w in (Interval.of(stays.lo), Interval.of(stays.hi))]
                         for one, other in ((v.lo, rest.lo), (v.hi, rest.hi)))  # fmt: skip
            return Interval(low[0].hull(low[1]).lo, high[0].hull(high[1]).hi)
        return None

    def _total(self, m: Array, way: int) -> tuple[Interval, Array]:
        """(neurons,) sum over edges of drive_s - m pull_s where it is largest, or least; and about the pull there."""
        drive, pull = self.sums
        assert drive is not None
        assert pull is not None
        n, starts = len(m), self.piece.starts
        total, slope = Interval.of(starts[drive]) - Interval.of(m) * starts[pull], starts[pull].copy()
        for its in self.piece.edges:
            if len(its.pre) and {drive, pull} & set(its.adds):
                u = cells(self.x, self.states[its.reads])[its.pre]
                added, results = _edge(its, u, {drive: Interval.of(1.0), pull: Interval.of(-m[its.post])}, way)
                total = total + added.summed(its.post, n)
                if pull in its.adds:
                    value = results[its.adds.index(pull)]
                    slope += np.bincount(its.post, np.broadcast_to((value.lo + value.hi) / 2, its.post.shape), n)
        return total, slope

    def _mean(self, c: Interval, v: Interval, h: Interval, plain: Interval) -> Interval:
        """The least and the largest (c v + h drive) / (c + h pull), and never more than plain intervals give."""
        ends = []
        for way, edge, limit in ((-1, v.lo, plain.lo), (1, v.hi, plain.hi)):
            m = np.array(edge)
            for _ in range(30):
                # Convex in m (from below: concave), and made of straight pieces: Newton ends after a few.
                total, slope = self._total(m, way)
                value = c * (Interval.of(edge) - m) + h * total
                change = (value.hi if way > 0 else value.lo) / (c.hi + h.hi * slope)
                m = m + change
                if (np.abs(change) <= 1e-12 * np.maximum(1.0, np.abs(m))).all():
                    break
            ends.append(self._proved(c, edge, h, m, limit, way))
        return Interval(ends[0], ends[1])

    def _proved(self, c: Interval, edge: Array, h: Interval, m: Array, limit: Array, way: int) -> Array:
        """The value if it is a bound, else the nearest beyond it that is, else the plain one."""
        size = np.maximum(np.abs(m), 1e-300)
        proved = np.full(m.shape, False)
        result = np.array(limit)
        for power in (0.0, 1e-15, 1e-14, 1e-13, 1e-12, 1e-10, 1e-8):
            tried = m + way * power * np.maximum(size, 1e-3)
            value = c * (Interval.of(edge) - tried) + h * self._total(tried, way)[0]
            holds = (value.hi <= 0 if way > 0 else value.lo >= 0) & ~proved
            result = np.where(holds, tried, result)
            proved |= holds
            if proved.all():
                break
        return np.minimum(result, limit) if way > 0 else np.maximum(result, limit)
