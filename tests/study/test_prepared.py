import pickle

import numpy as np
import pytest
import torch
from torch import nn

from wormnet.data import Dataset, Sequences
from wormnet.study import fit
from wormnet.study.metrics import all_of, usual
from wormnet.study.network import Predictor
from wormnet.study.prepared import Prepared, dt_of, prepare, shape_of, share_of


def prepared(dataset: Dataset) -> Prepared:
    return prepare(dataset, 0, all_of(usual(dataset.task), dataset.task))


def score(network: Predictor, dataset: Dataset) -> float:
    (first, *_) = fit.scores_of(network, dataset.test, all_of(usual(dataset.task), dataset.task)).values()
    return first


def test_channels_are_standardised_by_the_real_steps_of_the_train_part():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((30, 6, 2)) * [2, 5] + [1, -3]
    x[:, :, 1] = 4.0  # a constant channel has no deviation to divide by
    train = Sequences(x, np.zeros(30, int), rng.integers(1, 7, 30))
    test = Sequences(np.ones((2, 6, 2)), [0, 1])
    data = prepared(Dataset("d", train, test, test))
    scaled, other = data.train, data.test
    real = scaled.x[scaled.mask]
    np.testing.assert_allclose(real.mean(0), [0, 0], atol=1e-6)
    np.testing.assert_allclose(real.std(0), [1, 0], atol=1e-6)
    inside = x[train.mask][:, 0]
    np.testing.assert_allclose(other.x[0, 0, 0], (1 - inside.mean()) / inside.std(), rtol=1e-5)


def test_dt_and_its_logarithm_are_told_standardised_in_units_of_the_usual_dt(dataset):
    data = prepared(dataset)
    told = data.view.told(data.train)
    assert (data.shape.n_inputs, data.shape.channels, told.n_inputs) == (4, 2, 4)
    real = told.x[told.mask][:, 2:].astype(float)
    np.testing.assert_allclose(real.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(real.std(0), 1, atol=1e-6)
    dt = dt_of(dataset.train)[dataset.train.mask]
    assert data.shape.time_unit == pytest.approx(np.median(dt))
    assert np.corrcoef(real[:, 0], dt)[0, 1] == pytest.approx(1)
    assert np.corrcoef(real[:, 1], np.log(dt))[0, 1] == pytest.approx(1)


def test_an_even_clock_adds_no_input(even_dataset):
    data = prepared(even_dataset)
    assert data.view.told(data.train) is data.train
    assert data.shape.n_inputs == 2


class Constant(nn.Module):
    def forward(self, x, state=None, dt=None, lengths=None):
        return torch.zeros(*x.shape[:2], 1), None


@pytest.mark.parametrize("per", ["sequence", "step"])
def test_a_constant_network_scores_as_the_commonest_class(per):
    rng = np.random.default_rng(0)
    size = (300,) if per == "sequence" else (300, 4)
    part = Sequences(rng.standard_normal((300, 4, 2)), rng.choice(3, size, p=[0.2, 0.5, 0.3]), rng.integers(1, 5, 300))
    dataset = Dataset("d", part, part, part)
    network = Predictor(Constant(), 1, shape_of(dataset))
    with torch.no_grad():
        network.read_out.bias.copy_(torch.tensor([0.0, 1.0, 0.5]))
    assert score(network, dataset) == pytest.approx(dataset.baselines["majority"])


def test_a_constant_network_scores_as_the_mean():
    rng = np.random.default_rng(0)
    part = Sequences(rng.standard_normal((300, 4, 2)), rng.normal(5, 3, (300, 2)))
    dataset = Dataset("d", part, part, part)
    network = Predictor(Constant(), 1, shape_of(dataset))
    with torch.no_grad():
        network.read_out.bias.copy_(torch.tensor(part.y.mean(0)))
    assert score(network, dataset) == pytest.approx(dataset.baselines["mean"], rel=1e-5)


def test_one_class_alone_is_always_right():
    part = Sequences(np.zeros((5, 3, 1)), [0] * 5)
    dataset = Dataset("d", part, part, part)
    network = Predictor(Constant(), 1, shape_of(dataset))
    with torch.no_grad():
        network.read_out.bias.copy_(torch.tensor([1.0, 0.0]))
    assert score(network, dataset) == 1.0


def test_dt_that_never_varies_is_not_irregular():
    y = [0, 1]
    for dt, irregular in ((None, False), ([2.0, 2.0], False), ([2.0, 1.0], True)):
        part = Sequences(np.zeros((2, 3, 1)), y, dt=dt)
        assert shape_of(Dataset("d", part, part, part)).irregular is irregular


def test_a_smaller_share_is_within_a_larger_one():
    part = Sequences(np.arange(50.0).reshape(50, 1, 1), np.zeros(50, int))
    shares = [set(share_of(part, share, 3).x.ravel().tolist()) for share in (0.1, 0.3, 1.0)]
    assert [len(share) for share in shares] == [5, 15, 50]
    assert shares[0] < shares[1] < shares[2]
    assert share_of(part, 0.001, 0).x.shape == (1, 1, 1)
    assert set(share_of(part, 0.1, 4).x.ravel().tolist()) != shares[0]


def test_the_digest_tells_data_apart(dataset):
    other = Dataset("mine", dataset.train, dataset.valid, dataset.test.take(slice(31)))
    assert prepared(dataset).digest == prepared(dataset).digest != prepared(other).digest


def test_it_can_be_sent_to_another_process(dataset):
    again = pickle.loads(pickle.dumps(prepared(dataset)))
    assert again.digest == prepared(dataset).digest
    assert np.array_equal(again.train.x, prepared(dataset).train.x)


def test_a_trained_network_takes_recorded_samples(dataset):
    data = prepared(dataset)
    torch.manual_seed(0)
    network = Predictor(nn.GRU(4, 3, batch_first=True), 3, data.shape)
    network.core.forward = lambda x, state, dt, lengths, run=network.core.forward: run(x)
    fit.set_view(network, data)
    seen = network.seen(torch.tensor(dataset.test.x), torch.tensor(dataset.test.dt))
    mask = dataset.test.mask
    np.testing.assert_allclose(seen.numpy()[mask], data.view.told(data.test).x[mask], atol=1e-5)


def test_trivial_baselines_are_scored_by_the_metric_that_networks_are_chosen_by():
    x, y = np.zeros((10, 3, 1)), np.array([0, 1] * 5)
    train, test = Sequences(x, y * 0 + (np.arange(10) > 6)), Sequences(x[:6], [0, 0, 0, 0, 1, 1])
    found = {
        name: prepare(Dataset("d", train, test, test), 0, all_of((name,), "classify")).about["baselines"]
        for name in ("accuracy", "roc_auc", "balanced_accuracy", "average_precision", "log_loss")
    }
    assert found["accuracy"] == {"majority": pytest.approx(2 / 3)}
    assert found["roc_auc"] == found["balanced_accuracy"] == {"class shares": 0.5}
    assert found["average_precision"] == {"class shares": pytest.approx(1 / 3)}
    expected = -(4 * np.log(0.7) + 2 * np.log(0.3)) / 6
    assert found["log_loss"] == {"class shares": pytest.approx(expected)}
    numbers = Sequences(x, np.arange(10.0)[:, None]), Sequences(x[:2], np.array([[0.0], [9.0]]))
    regress = prepare(Dataset("d", numbers[0], numbers[1], numbers[1]), 0, all_of(("mae",), "regress"))
    assert regress.about["baselines"] == {"mean": pytest.approx(4.5)}
