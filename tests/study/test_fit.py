import copy
import signal
import warnings

import numpy as np
import pytest
import torch

from wormnet.data import Dataset, Sequences
from wormnet.study import fit, measure
from wormnet.study.networks import build
from wormnet.study.plan import Training


def trained(dataset: Dataset, training: Training, name: str = "gru-6", seed: int = 0):
    parts = measure.standardised(dataset)
    torch.manual_seed(seed)
    network = build(name, measure.shape_of(dataset, training.neurons), seed)
    return network, fit.fit(network, parts[0], parts[1], training, seed), parts


def test_the_best_validation_epoch_is_the_one_that_is_kept(dataset):
    network, history, parts = trained(dataset, Training(epochs=8, batch=8, learning_rate=0.3))
    assert fit.score(network, parts[1]) == pytest.approx(history.valid_score[history.best])
    assert history.valid_score[history.best] == max(history.valid_score)
    assert len(history.loss) == len(history.valid_loss) == len(history.valid_score) == 8
    # Of epochs with that score it is the one with the smallest loss.
    ties = [loss for loss, score in zip(history.valid_loss, history.valid_score) if score == max(history.valid_score)]
    assert history.valid_loss[history.best] == min(ties)


def test_a_training_step_is_that_of_plain_torch(dataset):
    """One epoch by Lightning against the same loop written out."""
    training = Training(epochs=1, batch=16, learning_rate=0.01, clip=0.5, weight_decay=0.1)
    parts = measure.standardised(dataset)
    torch.manual_seed(0)
    network = build("gru-6", measure.shape_of(dataset))
    twin = copy.deepcopy(network)
    fit.fit(network, parts[0], parts[1], training, 3)
    optimiser = torch.optim.Adam(twin.parameters(), lr=0.01, weight_decay=0.1)
    order = np.random.default_rng(3).permutation(len(parts[0]))
    for start in range(0, len(order), 16):
        rows = order[start : start + 16]
        x, dt = (torch.tensor(values[rows]) for values in (parts[0].x, parts[0].dt))
        loss = torch.nn.functional.cross_entropy(
            twin(x, dt, torch.tensor(parts[0].lengths[rows])), torch.tensor(parts[0].y[rows])
        )
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(twin.parameters(), 0.5)
        optimiser.step()
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, twin.state_dict()[name], rtol=1e-4, atol=1e-6)


def test_regression_starts_at_the_mean_of_the_targets():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((60, 5, 2))
    parts = [Sequences(x[rows], 1000 + 10 * x[rows, :, :1]) for rows in (slice(40), slice(40, 50), slice(50, 60))]
    dataset = Dataset("d", *parts)
    network, history, scaled = trained(dataset, Training(epochs=15, batch=8, learning_rate=0.03))
    # Without the targets' mean in the read-out a thousand would be far out of reach.
    assert fit.score(network, scaled[2]) < 0.5 * dataset.baselines["mean"]
    assert history.valid_score[history.best] == min(history.valid_score)


def test_per_step_targets_learn_and_padding_does_not_count():
    rng = np.random.default_rng(0)
    x, lengths = rng.standard_normal((80, 6, 1)), rng.integers(1, 7, 80)
    y = (x[:, :, 0] > 0).astype(int)
    parts = [Sequences(x[rows], y[rows], lengths[rows]) for rows in (slice(48), slice(48, 64), slice(64, 80))]
    network, _, scaled = trained(Dataset("d", *parts), Training(epochs=12, batch=8, learning_rate=0.03))
    assert fit.score(network, scaled[2]) > 0.9


def test_a_loss_that_is_not_a_number_ends_the_training(dataset):
    # The error is what the user sees in the report.
    with pytest.raises(FloatingPointError, match=r"training diverged: the (validation )?loss .* is (nan|inf)"):
        trained(dataset, Training(batch=8, learning_rate=1e30, weight_decay=1.0, clip=0, optimiser="sgd"))


def test_nothing_is_printed_or_written(dataset, capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trained(dataset, Training(epochs=1))
    assert capfd.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_stays_ctrl_c(dataset, monkeypatch):
    """Lightning would turn it into an exit, and leave the signal ignored."""

    def press(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(fit.Fit, "validation_step", press)
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        trained(dataset, Training(epochs=1))
    assert signal.getsignal(signal.SIGINT) is handler


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lstm-64", "gru-64"])
def test_standard_networks_are_not_starved(name):
    """Forty epochs of Adam on JapaneseVowels, which these networks are known to learn."""
    from wormnet import data

    dataset = data.load("japanese_vowels")
    training = Training(epochs=40, batch=16, learning_rate=0.005, clip=0)
    found = []
    for seed in range(3):
        network, _, parts = trained(dataset, training, name, seed)
        found.append(fit.score(network, parts[2]))
    assert np.mean(found) > 0.94
    assert min(found) > 0.92
