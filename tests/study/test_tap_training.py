"""Training to withdraw from taps: the simulation is the test's own, and the bounds hold."""

import numpy as np
import pytest
import torch

from wormnet.errors import ArgumentError
from wormnet.study import tap_training as training
from wormnet.wiring import CHEMICAL, GAP, atlas, circuits, tap
from wormnet.wiring.biophysics import BOUNDS, Biophysical, check_bounds


def test_every_class_of_the_published_circuit_sends_one_sign():
    # What lets the sign of a class stand for synapses that the published circuit lacks.
    signs = {}
    for pre, post, sign, _ in circuits.TAP_CHEMICAL:
        if post not in ("FWD", "REV"):
            signs.setdefault(pre, set()).add(sign)
    assert all(len(found) == 1 for found in signs.values())
    assert len(signs) == 9


def test_the_circuit_has_the_published_signs_where_there_are_any():
    wiring, table = next(training.circuit()), atlas.cells()
    published = {(pre, post): sign for pre, post, sign, _ in circuits.TAP_CHEMICAL}
    found = set()
    for s in wiring.of_kind(CHEMICAL):
        ends = [wiring.cells[i] for i in (wiring.pre[s], wiring.post[s])]
        pair = tuple(table[name].cell_class if name in table else name for name in ends)
        if pair in published:
            found.add(pair)
            assert wiring.sign[s] == published[pair]
    assert found == set(published)


@pytest.mark.parametrize("kind", ["rewire", "signs"])
def test_a_null_has_as_many_parameters_and_the_same_read_outs(kind):
    worm = next(training.circuit())
    wirings = list(training.circuit("cook2019", kind, 3, seed=1))
    assert len({wiring.digest for wiring in [worm, *wirings]}) == 4
    for wiring in wirings:
        assert wiring.cells == worm.cells
        for one in (CHEMICAL, GAP):
            assert len(wiring.of_kind(one)) == len(worm.of_kind(one))
        into = [{(w.pre[s], w.post[s]) for s in np.flatnonzero(w.post >= w.n_inputs + 9)} for w in (worm, wiring)]
        assert into[0] == into[1]
        assert len(into[0]) == 4


@pytest.mark.parametrize("freedom", training.FREEDOMS)
def test_training_sees_the_margins_that_the_test_measures(freedom):
    # With the published step both engines are one equation: NumPy in the test, the LTC model under vmap here.
    wiring = next(training.circuit("cook2019", "rewire", 1, seed=2))
    with torch.no_grad():
        values = training._values(wiring, training._starts(wiring, freedom, 3, 0))
        margins = training._simulator(wiring, training.PUBLISHED_SUBSTEPS)(values)
    values = {name: value.numpy() for name, value in values.items()}
    assert margins.numpy() == pytest.approx(training.judge(wiring, values)[0], abs=1e-9)
    one = Biophysical(wiring, {name: value[1] for name, value in values.items()})
    check_bounds(one)
    sourced = [i for i, row in enumerate(tap.ROWS) if row in training.TRAINED]
    assert sourced == [0, 1, 2, 3, 5]
    assert margins[1].numpy() == pytest.approx(tap.run(one).margins[sourced], abs=1e-9)


def test_training_succeeds_within_the_bounds_and_stops_looking_at_the_first_success():
    wiring = next(training.circuit())
    found = training.train(wiring, "anatomy", starts=4, steps=40, seed=0)
    margins = training.judge(wiring, found.values)[0].min(-1)
    assert (found.steps >= 0).any()
    assert (margins[found.steps >= 0] >= training.MARGIN).all()
    assert (margins[found.steps < 0] < training.MARGIN).all()
    assert (training.judge(wiring, found.best)[0].min(-1) >= margins - 1e-9).all()
    for name, (low, high) in BOUNDS.items():
        assert (found.values[name] >= low).all()
        assert (found.values[name] <= high).all()
    # Shared out by anatomy, conductances are in the ratio of the counts.
    for name, kind in (("conductance", CHEMICAL), ("gap_conductance", GAP)):
        count = wiring.count[wiring.of_kind(kind)]
        assert found.values[name] / count == pytest.approx(
            np.repeat(found.values[name][:, :1] / count[0], len(count), 1), rel=1e-9
        )
    again = training.train(wiring, "anatomy", starts=4, steps=40, seed=0)
    assert np.array_equal(found.steps, again.steps)
    fewer = training.train(wiring, "anatomy", starts=4, steps=int(found.steps.max()) - training.EVERY, seed=0)
    assert (fewer.steps >= 0).sum() == (found.steps < found.steps.max()).sum() - (found.steps < 0).sum()


@pytest.mark.parametrize(
    ("removed", "response", "intact", "holds"),
    [
        (("AVD", "AVB"), -0.9, -10.0, True),
        (("AVD", "AVB"), -1.1, -10.0, False),
        (("AVD", "AVB"), 2.0, -10.0, True),
        (("PVC",), 0.9, 10.0, True),
        (("PVC",), 4.8, 7.6, False),
        (("PLML",), -9.1, -10.0, True),
        (("PLML",), -8.9, -10.0, False),
        (("PLML",), -11.1, -10.0, False),
        (("PLMR",), -11.0, -10.0, True),
        (("AVA",), -11.0, -10.0, False),
        (("AVB",), 9.0, 10.0, True),
    ],
)
def test_held_out_rows_judge_as_they_say(removed, response, intact, holds):
    row = next(row for row in training.HELD_OUT if row.removed == removed)
    assert (row.margin(np.float64(response), np.float64(intact)) > 0) == holds


def test_what_cannot_be_trained_is_refused():
    wiring = next(training.circuit())
    with pytest.raises(ArgumentError, match="unknown freedom 'synapses'; did you mean 'synapse'"):
        training.train(wiring, "synapses")
    with pytest.raises(ArgumentError, match="starts is 0; it takes a whole number of 1 or more"):
        training.train(wiring, starts=0)
    with pytest.raises(ArgumentError, match="unknown kind of circuit 'sign'; did you mean 'signs'"):
        next(training.circuit(kind="sign"))


def test_every_row_says_what_it_judges():
    for row in (*training.TRAINED, *training.HELD_OUT):
        assert row.judged
