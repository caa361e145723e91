import cases
import numpy as np
import pytest
import torch

import wormnet
from wormnet import Wiring
from wormnet.audit import lesions, smallest_lesion
from wormnet.errors import ArgumentError, WiringError
from wormnet.wiring.core import GAP


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def last_output(x):
    return lambda layer: layer(x)[0][0, -1, 0]


def small():
    wiring = wormnet.auto_ncp(inputs=3, neurons=8, outputs=2)
    rnn = wormnet.LTC(wiring, unfolds=3, backend="reference", dtype=torch.float64)
    return rnn, torch.randn(1, 4, 3, dtype=torch.float64)


def test_every_neuron_and_synapse_is_lesioned_and_the_largest_change_comes_first():
    rnn, x = small()
    found = lesions(rnn, last_output(x))
    assert len(found.names) == len(set(found.names)) == rnn.wiring.n_neurons + rnn.wiring.n_synapses
    assert (np.diff(np.abs(found.changes)) <= 0).all()
    assert found.intact == pytest.approx(last_output(x)(rnn).item())
    np.testing.assert_allclose(found.scores, found.intact + found.changes)
    for row in found.rows()[:3] + found.rows()[-3:]:
        pair = row["lesion"].split(" -> ")
        if len(pair) == 2:
            cut = rnn.on(rnn.wiring.lesion(synapses=[(pair[0], pair[1])]))
            assert last_output(x)(cut).item() == pytest.approx(row["score"], abs=1e-12)


def test_a_neuron_without_synapses_does_to_others_what_taking_it_out_does():
    rnn, x = small()
    found = lesions(rnn, last_output(x), of="neurons")
    for row in found.rows():
        if row["lesion"] not in rnn.wiring.outputs:
            gone = rnn.on(rnn.wiring.lesion(row["lesion"])).eval()
            assert row["score"] == pytest.approx(last_output(x)(gone).item(), abs=1e-12)


def test_an_output_that_is_lesioned_is_still_read_out():
    rnn, x = small()
    shapes = set()

    def score(layer):
        shapes.add(layer(x)[0].shape)
        return 0.0

    lesions(rnn, score, of="neurons")
    assert shapes == {(1, 4, 2)}


def test_all_kinds_of_synapse_have_names_of_their_own():
    rnn = cases.build("ltc")
    found = lesions(rnn, last_output(torch.randn(1, 3, rnn.n_inputs)), of="synapses")
    kinds = dict(zip(found.names, found.kinds))
    assert set(kinds.values()) == {"chemical", "gap", "current"}
    assert all((" -- " in name) == (kind == "gap") for name, kind in kinds.items())
    assert all(name.endswith("(current)") == (kind == "current") for name, kind in kinds.items())


def test_only_some_cells_and_synapses_into_them_on_request():
    wiring = Wiring(1, ["AVAL", "AVAR", "DA1"], pre=[0, 1, 2, 1], post=[1, 2, 3, 3], kind=[0, 0, 0, GAP])
    rnn = wormnet.LTC(wiring, backend="reference")
    found = lesions(rnn, lambda layer: 0.0, cells=["AVA"])
    assert set(found.names) == {"AVAL", "AVAR", "in0 -> AVAL", "AVAL -> AVAR", "AVAL -- DA1"}


def test_the_layer_and_the_global_generator_stay_as_they_are():
    rnn, x = small()
    before = {name: value.clone() for name, value in rnn.state_dict().items()}
    state = torch.random.get_rng_state()
    lesions(rnn, last_output(x), of="neurons")
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all((value == before[name]).all() for name, value in rnn.state_dict().items())


@pytest.mark.slow
def test_two_processes_give_what_one_gives():
    pytest.importorskip("joblib")
    rnn, x = small()
    one, two = (lesions(rnn, last_output(x), of="neurons", jobs=jobs) for jobs in (1, 2))
    assert one.names == two.names
    np.testing.assert_array_equal(one.scores, two.scores)


def test_a_table_can_be_written():
    rnn, x = small()
    found = lesions(rnn, last_output(x), of="neurons")
    lines = found.to_csv().splitlines()
    assert lines[0] == "lesion,kind,score,change"
    assert float(lines[1].split(",")[3]) == found.changes[0]
    assert found.to_frame().lesion[0] == found.names[0]
    with pytest.raises(ValueError, match="read-only"):
        found.scores[0] = 1


def test_a_score_that_diverges_is_the_largest_change():
    rnn, _ = small()
    n = rnn.wiring.n_synapses
    found = lesions(rnn, lambda layer: np.nan if layer.wiring.n_synapses == n - 1 else 5.0, cells="motor1")
    assert np.isnan(found.changes[0])


def test_what_is_no_score_or_no_lesion_is_refused():
    rnn, x = small()
    with pytest.raises(ArgumentError, match=r"the score is a Tensor of shape \(1, 4, 2\); it takes one number"):
        lesions(rnn, lambda layer: layer(x)[0])
    with pytest.raises(ArgumentError, match="the score of the whole layer is nan"):
        lesions(rnn, lambda layer: float("nan"))
    with pytest.raises(ArgumentError, match="margin is 'steer'; it takes a function of a layer"):
        smallest_lesion(rnn, "steer")
    with pytest.raises(ArgumentError, match="unknown kind of lesion 'cells'"):
        lesions(rnn, last_output(x), of="cells")
    with pytest.raises(WiringError, match="nobody"):
        lesions(rnn, last_output(x), cells=["nobody"])
    with pytest.raises(WiringError, match="backbone"):
        lesions(cases.build("cfc-backbone"), lambda layer: 0.0)


def rates(weights):
    """A motor neuron whose decision is the sign of a sum of inputs."""
    n = len(weights)
    rnn = wormnet.CTRNN(Wiring(n, ["m"], pre=range(n), post=[n] * n), backend="reference", dtype=torch.float64)
    rnn.set_values(weight=weights, bias=0.0)
    x = torch.ones(1, 2, n, dtype=torch.float64)
    return rnn, last_output(x)


@pytest.mark.parametrize(
    ("weights", "smallest"),
    [
        ([3.0, -1.0, -1.0], {"in0 -> m"}),
        ([2.0, 2.0, 2.0, -1.0], {"in0 -> m", "in1 -> m", "in2 -> m"}),
        ([1.0, 2.0, -2.5], {"in0 -> m"}),
    ],
)
def test_the_smallest_lesion_is_found_and_proved(weights, smallest):
    found = smallest_lesion(*rates(weights))
    assert len(found.lesion) == len(smallest)
    assert found.smallest
    assert found.excluded == len(smallest) - 1
    assert found.margin <= 0 < found.intact
    assert "the smallest" in str(found)


def test_a_pair_that_greed_misses_is_found_by_trying_all():
    """Cutting the strongest alone is the greedy start, but only two others together flip."""
    rnn, _ = rates([1.0, 1.0, 1.0, 1.0])

    def margin(layer):
        left = {int(layer.wiring.pre[i]) for i in range(layer.wiring.n_synapses)}
        table = {frozenset({1, 2, 3}): 0.1, frozenset({0, 1}): -1.0}
        return table.get(frozenset(left), 0.5 if len(left) > 1 else -0.5)

    found = smallest_lesion(rnn, margin)
    assert found.lesion == ("in2 -> m", "in3 -> m")
    assert found.smallest


def test_what_was_not_tried_is_not_called_proved():
    rnn, margin = rates([1.0] * 6 + [-0.5])
    found = smallest_lesion(rnn, margin, budget=40)
    assert len(found.lesion) == 6
    assert not found.smallest
    assert "perhaps not the smallest" in str(found)
    none = smallest_lesion(rnn, margin, most=2)
    assert none.lesion is None
    assert none.excluded == 2
    assert "none of up to 2 flips" in str(none)


def test_a_decision_that_does_not_stand_cannot_flip():
    rnn, margin = rates([-1.0])
    with pytest.raises(ArgumentError, match="margin of the whole layer is -"):
        smallest_lesion(rnn, margin)
    rnn, margin = rates([1.0, 1.0])
    with pytest.raises(ArgumentError, match="margin without in0 -> m is NaN"):
        smallest_lesion(rnn, lambda layer: 1.0 if layer.wiring.n_synapses == 2 else np.nan)
