"""Rewiring within classes keeps what classes are to each other, cell by cell, and mixes the rest."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from strategies import wirings

import wormnet
from wormnet.wiring import GAP, Wiring, atlas, rewire_classes


def class_of(wiring: Wiring, cell: int) -> tuple[bool, str]:
    name, table = wiring.cells[cell], atlas.cells()
    word = "input" if cell < wiring.n_inputs else wiring.roles[cell - wiring.n_inputs]
    return cell < wiring.n_inputs, table[name].cell_class if name in table else word


def degrees_by_class(wiring: Wiring) -> Counter:
    """(cell, direction, class of the partner, kind) -> how many; gap junctions between neurons have no direction."""
    found = Counter()
    for pre, post, kind in zip(wiring.pre.tolist(), wiring.post.tolist(), wiring.kind.tolist()):
        both_ways = kind == GAP and pre >= wiring.n_inputs
        found[pre, "" if both_ways else "sends", class_of(wiring, post), kind] += 1
        found[post, "" if both_ways else "receives", class_of(wiring, pre), kind] += 1
    return found


@given(wirings())
@settings(max_examples=60)
def test_every_cell_keeps_its_degrees_to_and_from_every_class(wiring):
    mixed = rewire_classes(wiring, seed=3)
    assert degrees_by_class(mixed) == degrees_by_class(wiring)
    for kind in range(3):
        of_kind = [np.sort((w.sign * 1000.0 + w.count)[w.kind == kind]) for w in (wiring, mixed)]
        np.testing.assert_array_equal(*of_kind)


@pytest.fixture(scope="module")
def cook() -> Wiring:
    return wormnet.connectome("cook2019")


def test_the_worm_keeps_its_classes_and_changes_its_members(cook):
    mixed = rewire_classes(cook)
    assert degrees_by_class(mixed) == degrees_by_class(cook)
    assert mixed.group_by("class").n_synapses == cook.group_by("class").n_synapses
    joined = [set(zip(w.pre.tolist(), w.post.tolist(), w.kind.tolist())) for w in (cook, mixed)]
    kept = len(joined[0] & joined[1]) / len(joined[0])
    assert 0.3 < kept < 0.95


def test_within_one_large_class_it_mixes_down_to_chance():
    # All neurons are of one role, so what is left by chance is what plain rewiring leaves.
    rng = np.random.default_rng(0)
    pairs = rng.choice(40 * 40, 400, replace=False)
    pairs = pairs[pairs // 40 != pairs % 40]
    wiring = Wiring(0, 40, pre=pairs // 40, post=pairs % 40)

    def overlap(kind: str) -> float:
        own = set(zip(wiring.pre.tolist(), wiring.post.tolist()))
        mixed = [set(zip(w.pre.tolist(), w.post.tolist())) for w in wormnet.nulls(wiring, kind, 30)]
        return float(np.mean([len(own & other) / len(own) for other in mixed]))

    assert overlap("rewire_classes") == pytest.approx(overlap("rewire"), abs=0.02)


def test_left_and_right_trade_partners_and_nothing_else_moves():
    wiring = Wiring(0, ["AVAL", "AVAR", "DA1", "DA2", "VB1"], pre=[0, 1, 0], post=[2, 3, 4], sign=[1, -1, 1])
    seen = set()
    for mixed in wormnet.nulls(wiring, "rewire_classes", 20):
        assert (0, 4) in set(zip(mixed.pre.tolist(), mixed.post.tolist()))
        # The sign goes with the sender.
        assert dict(zip(zip(mixed.pre.tolist(), mixed.post.tolist()), mixed.sign.tolist()))[0, 4] == 1
        seen.add(frozenset(zip(mixed.pre.tolist(), mixed.post.tolist())))
    assert seen == {frozenset({(0, 2), (1, 3), (0, 4)}), frozenset({(0, 3), (1, 2), (0, 4)})}
