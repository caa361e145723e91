import numpy as np
import pytest
import torch

import wormnet
from wormnet import Wiring
from wormnet.audit import dealt, stimulate
from wormnet.errors import ArgumentError, ShapeError, WiringError
from wormnet.wiring.core import GAP


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def lone(**values):
    """One neuron without synapses."""
    rnn = wormnet.LTC(Wiring(0, ["a"]), input_map=None, output_map=None, unfolds=200, dtype=torch.float64)
    rnn.set_values(**{"capacitance": 1.0, "leak": 0.5, "v_leak": 0.0, **values})
    return rnn


def test_a_neuron_without_synapses_charges_as_a_capacitor():
    recording = stimulate(lone(), {"a": 0.3}, samples=8)
    charged = 0.3 / 0.5 * (1 - np.exp(-0.5 * recording.time))
    np.testing.assert_allclose(recording["a"], charged, rtol=2e-3)


def test_time_goes_by_dt_and_by_time_unit():
    assert stimulate(lone(), {"a": 0.3}, samples=3, dt=0.5).time.tolist() == [0.5, 1.0, 1.5]
    rnn = wormnet.LTC(Wiring(0, ["a"]), time_unit=0.02)
    assert stimulate(rnn, {"a": 0.3}, samples=2).time.tolist() == [0.02, 0.04]


def test_an_input_cell_is_given_the_stimulus_as_its_input():
    rnn = wormnet.CfC(wormnet.auto_ncp(inputs=3, neurons=8, outputs=2))
    wave = np.linspace(-1, 1, 7)
    recording = stimulate(rnn, {rnn.wiring.inputs[1]: wave}, samples=7)
    x = torch.zeros(7, 3)
    x[:, 1] = torch.tensor(wave)
    np.testing.assert_allclose(recording.potential, rnn.trace(x).detach().numpy(), atol=1e-6)


def test_a_class_is_stimulated_in_all_of_its_cells_and_read_as_their_mean():
    rnn = wormnet.LTC(wormnet.circuits.touch(), unfolds=2)
    together = stimulate(rnn, {"ALM": 0.5}, samples=5)
    apart = stimulate(rnn, {"ALML": 0.5, "ALMR": 0.5}, samples=5)
    np.testing.assert_allclose(together.potential, apart.potential, atol=1e-6)
    np.testing.assert_allclose(together["AVA"], (together["AVAL"] + together["AVAR"]) / 2)


def test_the_layer_stays_as_it_is():
    rnn = wormnet.LTC(wormnet.circuits.touch())
    before = {name: value.clone() for name, value in rnn.state_dict().items()}
    stimulate(rnn, {"ALM": 0.5}, samples=3, lesion="AVA", nulls="rewire", n=2)
    assert all((value == before[name]).all() for name, value in rnn.state_dict().items())


def test_no_stimulus_is_what_the_layer_does_by_itself():
    rnn = wormnet.LTC(wormnet.circuits.touch())
    recording = stimulate(rnn, {"ALM": 0.0}, samples=4)
    np.testing.assert_allclose(recording.potential, rnn.trace(torch.zeros(4, 0)).detach().numpy(), atol=1e-6)


def test_what_is_lesioned_is_neither_recorded_nor_felt():
    wiring = Wiring(1, ["a", "b"], pre=[0, 1], post=[1, 2], sign=1)
    rnn = wormnet.LTC(wiring)
    name = wiring.inputs[0]
    cut = stimulate(rnn, {name: 2.0}, samples=5, lesion="a")
    still = stimulate(rnn, {name: 0.0}, samples=5, lesion="a")
    assert cut.neurons == ("b",)
    np.testing.assert_array_equal(cut["b"], still["b"])


@pytest.mark.parametrize("kind", ["rewire", "signs", "erdos_renyi"])
def test_a_null_network_has_the_parameters_of_the_layer_in_other_places(kind):
    rnn = wormnet.LTC(wormnet.circuits.touch())
    null = dealt(rnn, next(wormnet.nulls(rnn.wiring, kind, 1)), seed=1)
    for name, value in rnn.values().items():
        theirs = null.values()[name]
        np.testing.assert_allclose(
            np.sort(theirs.detach().numpy()), np.sort(value.detach().numpy()), atol=1e-6, err_msg=name
        )
    # All parameters of a synapse travel together.
    rows = [torch.stack([layer.values()[n] for n in ("conductance", "slope", "reversal")], 1) for layer in (rnn, null)]
    ours, other = (np.sort(row.detach().numpy().round(4), axis=0) for row in rows)
    np.testing.assert_allclose(ours, other, atol=2e-4)


def test_a_dealt_reversal_has_the_sign_of_its_synapse():
    rnn = wormnet.LTC(wormnet.auto_ncp(inputs=4, neurons=12, outputs=2))
    wiring = next(wormnet.nulls(rnn.wiring, "signs", 1, seed=3))
    null = dealt(rnn, wiring)
    assert (np.sign(null.values()["reversal"].detach().numpy()) == wiring.sign[wiring.of_kind(0)]).all()


def test_bands_are_quantiles_over_the_null_networks():
    rnn = wormnet.LTC(wormnet.circuits.touch(), unfolds=2)
    recording = stimulate(rnn, {"ALM": 0.5}, samples=4, nulls="rewire", n=5)
    low, high = recording.band("AVAL", level=1.0)
    of_nulls = recording.null[:, :, recording.neurons.index("AVAL")]
    np.testing.assert_allclose([low, high], [of_nulls.min(0), of_nulls.max(0)])


def test_same_seed_same_nulls():
    rnn = wormnet.LTC(wormnet.circuits.touch(), unfolds=2)
    one, two = (stimulate(rnn, {"ALM": 0.5}, samples=2, nulls="rewire", n=2, seed=4) for _ in range(2))
    np.testing.assert_array_equal(one.null, two.null)


@pytest.mark.parametrize(
    ("stimuli", "error", "says"),
    [
        ({"AVX": 1.0}, WiringError, "AVX"),
        ({"AVA": [1.0, 2.0]}, ShapeError, r"shape \(2,\); it takes a number or \(5,\)"),
        ({"AVA": np.nan}, ArgumentError, "not finite"),
        ({"AVA": "strong"}, ArgumentError, "it takes numbers"),
        ({}, ArgumentError, "cell or class"),
    ],
)
def test_a_stimulus_that_cannot_be_is_one_clear_error(stimuli, error, says):
    rnn = wormnet.LTC(wormnet.circuits.touch())
    with pytest.raises(error, match=says):
        stimulate(rnn, stimuli, samples=5)


def test_a_model_without_currents_says_what_to_stimulate_instead():
    rnn = wormnet.CfC(wormnet.auto_ncp(inputs=2, neurons=6, outputs=1))
    with pytest.raises(WiringError, match=r"'cfc' has no current synapses .* stimulate an input cell"):
        stimulate(rnn, {rnn.wiring.neurons[0]: 1.0})


def test_a_cell_is_stimulated_or_taken_out_and_not_both():
    rnn = wormnet.LTC(wormnet.circuits.touch(), backend="reference")
    with pytest.raises(WiringError, match="'ALM' is stimulated, and taken out by lesion="):
        stimulate(rnn, {"ALM": 1.0}, samples=3, lesion="ALM")
    # One of the class is left.
    assert stimulate(rnn, {"ALM": 1.0}, samples=3, lesion="ALML")["ALM"].any()


def test_null_layers_of_other_cells_are_refused():
    rnn = wormnet.LTC(wormnet.circuits.touch())
    with pytest.raises(ArgumentError, match="same cells"):
        stimulate(rnn, {"ALM": 1.0}, nulls=[wormnet.LTC(Wiring(1, 2))])


def test_parameters_are_dealt_among_as_many_synapses_only():
    rnn = wormnet.LTC(Wiring(1, 2, pre=[0, 1], post=[1, 2], sign=1))
    with pytest.raises(WiringError, match="dealt among as many"):
        dealt(rnn, rnn.wiring.replace(sign=[1, -1]))


def test_gap_junctions_are_dealt_too():
    wiring = Wiring(0, 4, pre=[0, 1, 2], post=[1, 2, 3], kind=GAP)
    rnn = wormnet.LTC(wiring)
    null = dealt(rnn, wiring.replace(pre=[0, 0, 0], post=[1, 2, 3]))
    ours, theirs = (layer.values()["gap_conductance"].detach().numpy() for layer in (rnn, null))
    np.testing.assert_allclose(np.sort(ours), np.sort(theirs), atol=1e-6)
