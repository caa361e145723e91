import cases
import numpy as np
import pytest
import torch

import wormnet
from wormnet import Wiring, models
from wormnet.audit import why
from wormnet.errors import ArgumentError, WiringError

OTHERS = {
    "graded": models.GradedWorm(unfolds=2),
    "stc": models.STC(),
    "lrc": models.LRC(elastance="symmetric", solver="exponential_euler"),
}
NAMES = [name for name in cases.CASES if name != "cfc-backbone"] + list(OTHERS)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def layer(name):
    if name in cases.CASES:
        return cases.build(name, dtype=torch.float64)
    return wormnet.Recurrent(cases.MIXED, OTHERS[name], backend="reference", dtype=torch.float64)


@pytest.mark.parametrize("name", NAMES)
def test_the_terms_sum_to_what_the_model_computed(name):
    rnn = layer(name)
    x = torch.randn(5, rnn.n_inputs, dtype=torch.float64)
    truth = rnn.trace(x, dt=0.7).detach().numpy()
    for since in (None, 0):
        for i in (0, rnn.wiring.n_neurons - 1):
            found = why(rnn, x, rnn.wiring.neurons[i], since=since, dt=0.7)
            scale = max(1.0, abs(truth[-1, i]))
            assert found.after == pytest.approx(truth[-1, i], abs=1e-9 * scale)
            assert found.potential.sum() == pytest.approx(truth[-1, i], abs=1e-9 * scale)
            if since is None:
                assert found.before == pytest.approx(truth[-2, i], abs=1e-9 * scale) or "memory" in name


@pytest.mark.parametrize("name", ["ltc", "ctrnn", "cfc"])
def test_a_layer_in_single_precision_is_explained_within_its_rounding(name):
    rnn = cases.build(name)
    x = torch.randn(5, rnn.n_inputs)
    truth = rnn.trace(x).detach().numpy()[-1]
    found = [why(rnn, x, neuron).potential.sum() for neuron in rnn.wiring.neurons]
    np.testing.assert_allclose(found, truth, atol=1e-6)


def test_each_synapse_adds_its_conductance_and_its_conductance_times_reversal():
    rnn = cases.build("ltc-ncp", dtype=torch.float64)
    wiring, p = rnn.wiring, {name: value.detach().numpy() for name, value in rnn.values().items()}
    x = torch.randn(4, rnn.n_inputs, dtype=torch.float64)
    found = why(rnn, x, wiring.outputs[0], 2, dt=0.3)
    cell = wiring.cell(wiring.outputs[0])
    post = cell - wiring.n_inputs
    v = rnn.trace(x, dt=0.3).detach().numpy()[1]
    # By hand: the first of the six sub-steps starts from the potentials after sample 1.
    senders = np.concatenate([x[2].numpy() * p["input_scale"] + p["input_shift"], v])
    drive, pull = [0.0, p["leak"][post] * p["v_leak"][post]], [0.0, p["leak"][post]]
    for s in np.flatnonzero(wiring.post == cell):
        gate = 1 / (1 + np.exp(-p["slope"][s] * (senders[wiring.pre[s]] - p["midpoint"][s])))
        drive.append(p["conductance"][s] * gate * p["reversal"][s])
        pull.append(p["conductance"][s] * gate)
    np.testing.assert_allclose(found.added["drive"][0], drive, atol=1e-12)
    np.testing.assert_allclose(found.drive[0], drive, atol=1e-12)
    np.testing.assert_allclose(found.pull[0], pull, atol=1e-12)
    assert found.drive.shape == (6, len(drive))
    assert found.senders[2:] == tuple(wiring.cells[wiring.pre[s]] for s in np.flatnonzero(wiring.post == cell))


def test_a_capacitor_is_charged_by_each_current_as_if_it_were_alone():
    """Without gates the neuron is linear: every current's share is the closed form of charging."""
    wiring = Wiring(["a", "b"], ["n"], pre=[0, 1], post=[2, 2], kind=2, sign=[1, -1])
    rnn = wormnet.LTC(
        wiring, input_map=None, output_map=None, solver="exponential_euler", backend="reference", dtype=torch.float64
    )
    rnn.set_values(capacitance=2.0, leak=0.5, v_leak=0.3, current=[1.0, -0.25])
    x = torch.tensor([[1.0, 2.0]], dtype=torch.float64).repeat(7, 1)
    found = why(rnn, x, "n", since=0)
    charged = 1 - np.exp(-0.5 * 7 / 2.0)
    np.testing.assert_allclose(found.potential, [0, 0.3 * charged, 1 / 0.5 * charged, -0.5 / 0.5 * charged], rtol=1e-9)


def test_the_drive_of_a_rate_neuron_is_shared_by_what_was_added_to_its_argument():
    wiring = Wiring(["a", "b"], ["n"], pre=[0, 1], post=[2, 2])
    rnn = wormnet.CTRNN(wiring, backend="reference", dtype=torch.float64)
    rnn.set_values(weight=[0.75, -0.25], bias=0.5)
    found = why(rnn, torch.ones(1, 2, dtype=torch.float64), "n")
    np.testing.assert_allclose(found.added["total"][0], [0, 0.5, 0.75, -0.25])
    rise = np.tanh(1.0) - np.tanh(0.5)
    np.testing.assert_allclose(found.drive[0], [0, np.tanh(0.5), 1.5 * rise, -0.5 * rise], rtol=1e-12)
    np.testing.assert_allclose(found.pull[0], [0, 1, 0, 0])


def test_a_cut_synapse_carries_nothing_and_memory_fades():
    rnn = cases.build("ltc", dtype=torch.float64)
    rnn.set_values(conductance=0.0)
    x = torch.randn(30, rnn.n_inputs, dtype=torch.float64)
    found = why(rnn, x, "n0", since=0)
    assert all(found.potential[i] == 0 for i, kind in enumerate(found.kinds) if kind == "chemical")
    short, long = (abs(why(rnn, x, "n0", since=since).potential[0]) for since in (29, 10))
    assert long < short


def test_what_went_before_is_carried_by_the_state_that_is_given():
    rnn = cases.build("ltc", dtype=torch.float64)
    x = torch.randn(6, rnn.n_inputs, dtype=torch.float64)
    with torch.no_grad():
        _, state = rnn(x[:3])
    whole, resumed = why(rnn, x, "n1", 4, since=3), why(rnn, x[3:], "n1", 1, since=0, state=state)
    np.testing.assert_allclose(whole.potential, resumed.potential, atol=1e-13)


def test_a_table_has_the_largest_first_and_can_be_written():
    rnn = cases.build("ltc")
    found = why(rnn, torch.randn(3, rnn.n_inputs), "n2")
    sizes = [abs(row["potential"]) for row in found.rows()]
    assert sizes == sorted(sizes, reverse=True)
    assert found.to_csv().splitlines()[0] == "sender,kind,potential,drive,pull"
    assert found.to_csv().count("\n") == len(found.senders) + 1
    assert str(found).startswith("n2 after sample 2: ")
    assert list(found.to_frame().columns) == ["sender", "kind", "potential", "drive", "pull"]
    with pytest.raises(ValueError, match="read-only"):
        found.potential[0] = 1


def test_what_it_cannot_explain_is_refused():
    rnn = cases.build("cfc-backbone")
    with pytest.raises(ArgumentError, match="mixes all cells in hidden layers here"):
        why(rnn, torch.zeros(3, rnn.n_inputs), "n0")
    rnn = cases.build("ltc")
    x = torch.zeros(3, rnn.n_inputs)
    with pytest.raises(WiringError, match="n77"):
        why(rnn, x, "n77")
    with pytest.raises(ArgumentError, match="sample is 3; it takes 0 to 2, or -3 to -1"):
        why(rnn, x, "n0", 3)
    with pytest.raises(ArgumentError, match=r"given as shape \(1, 3, .*\); one sequence is looked at"):
        why(rnn, x[None], "n0")
    with pytest.raises(ArgumentError, match="is looked into, not Linear"):
        why(torch.nn.Linear(2, 2), x, "n0")
