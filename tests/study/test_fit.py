import copy
import math
import signal
import warnings

import numpy as np
import pytest
import torch

from wormnet.data import Dataset, Sequences
from wormnet.study import fit
from wormnet.study.fit import rate_at
from wormnet.study.metrics import all_of, usual
from wormnet.study.network import build
from wormnet.study.plan import Training
from wormnet.study.prepared import Prepared, prepare


def prepared(dataset: Dataset, training: Training | None = None, metrics=()) -> Prepared:
    training = training or Training()
    return prepare(
        dataset, 0, all_of(metrics or usual(dataset.task), dataset.task), training.neurons, training.residual
    )


def trained(dataset: Dataset, training: Training, name: str = "gru-6", seed: int = 0, metrics=(), share: float = 1.0):
    data = prepared(dataset, training, metrics)
    torch.manual_seed(seed)
    network = build(name, data.shape, seed)
    return network, fit.fit(network, data, training, seed, share=share), data


def score(network, data: Prepared, part: Sequences):
    return fit.scores_of(network, data.view.told(part), data.metrics)[data.metrics[0].name]


def test_the_best_validation_epoch_is_the_one_that_is_kept(dataset):
    training = Training(epochs=8, batch=8, learning_rate=0.3, schedule="constant", warm_up=0)
    network, history, data = trained(dataset, training)
    assert score(network, data, data.valid) == pytest.approx(history.valid_score[history.best])
    assert history.valid_score[history.best] == max(history.valid_score)
    assert len(history.loss) == len(history.valid_loss) == len(history.valid_score) == len(history.seconds) == 8
    assert history.seconds == sorted(history.seconds)
    # Of epochs with that score it is the one with the smallest loss.
    ties = [loss for loss, score in zip(history.valid_loss, history.valid_score) if score == max(history.valid_score)]
    assert history.valid_loss[history.best] == min(ties)


def test_the_metric_of_the_plan_chooses_the_epoch(dataset):
    training = Training(epochs=6, batch=8, learning_rate=0.1)
    network, history, data = trained(dataset, training, metrics=["log_loss", "accuracy"])
    assert history.valid_score == pytest.approx(history.valid_loss, rel=1e-5)
    assert history.valid_score[history.best] == min(history.valid_score)
    assert score(network, data, data.valid) == pytest.approx(min(history.valid_score), rel=1e-5)


def test_recordings_have_one_vote_each():
    """Two of three recordings say that epoch 2 is better; the third one, of far larger errors, does not decide."""
    x = np.zeros((6, 2, 1))
    part = Sequences(x, np.zeros((6, 1)))
    dataset = Dataset("d", part, part, part, recordings=[0, 0, 1, 1, 2, 2])
    data = prepared(dataset)
    module = fit.Fit(build("gru-2", data.shape), data, Training(), 1, None)
    errors = np.array([1.0, 1.0, 2.0, 2.0, 50.0, 50.0])[:, None]
    assert module._score(errors, np.zeros((6, 1))) == 4.0


def test_the_steps_of_an_epoch_are_those_of_plain_torch(dataset):
    """Two epochs by Lightning against the same loop written out."""
    training = Training(epochs=2, batch=16, learning_rate=0.01, clip=0.5, weight_decay=0.1, warm_up=0.3)
    data = prepared(dataset)
    torch.manual_seed(0)
    network = build("gru-6", data.shape)
    twin = copy.deepcopy(network)
    history = fit.fit(network, data, training, 3)
    optimiser = torch.optim.Adam(twin.parameters(), lr=0.01, weight_decay=0.1)
    rng, step, part, best = np.random.default_rng(3), 0, data.view.told(data.train), None
    for epoch in range(2):
        order = rng.permutation(len(part))
        for start in range(0, len(order), 16):
            rows = order[start : start + 16]
            x, dt = (torch.tensor(values[rows]) for values in (part.x, part.dt))
            loss = torch.nn.functional.cross_entropy(
                twin(x, dt, torch.tensor(part.lengths[rows])), torch.tensor(part.y[rows])
            )
            for group in optimiser.param_groups:
                group["lr"] = 0.01 * ((step + 1) / 2 if step < 2 else 0.5 * (1 + math.cos(math.pi * (step - 2) / 4)))
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(twin.parameters(), 0.5)
            optimiser.step()
            step += 1
        best = copy.deepcopy(twin.state_dict()) if epoch == history.best else best
    for name, value in network.state_dict().items():
        if name in dict(network.named_parameters()):
            torch.testing.assert_close(value, best[name], rtol=1e-4, atol=1e-6)


def test_the_rate_rises_and_falls_as_half_a_cosine():
    rates = [rate_at(Training(warm_up=0.1), step, 100) for step in range(100)]
    assert rates[:10] == pytest.approx(np.arange(1, 11) / 10)
    assert rates[10:] == pytest.approx(0.5 * (1 + np.cos(np.pi * np.arange(90) / 90)))
    assert [rate_at(Training(schedule="constant", warm_up=0), step, 5) for step in range(5)] == [1.0] * 5


def test_training_ends_when_patience_does(dataset):
    training = Training(epochs=60, batch=48, learning_rate=1e-6, patience=3)
    _, history, _ = trained(dataset, training, metrics=["accuracy"])
    assert len(history.loss) < 60
    assert len(history.loss) == history.best + 4


def test_regression_starts_at_the_mean_of_the_targets():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((60, 5, 2))
    parts = [Sequences(x[rows], 1000 + 10 * x[rows, :, :1]) for rows in (slice(40), slice(40, 50), slice(50, 60))]
    dataset = Dataset("d", *parts)
    network, history, data = trained(dataset, Training(epochs=15, batch=8, learning_rate=0.03))
    # Without the targets' mean in the read-out a thousand would be far out of reach.
    assert score(network, data, data.test) < 0.5 * dataset.baselines["mean"]
    assert history.valid_score[history.best] == min(history.valid_score)
    assert history.loss[0] == pytest.approx(1, rel=0.5)  # in units of the variance


def walk(n: int, seed: int) -> Sequences:
    """A slow random walk of two numbers, far from 0; the target is the next step."""
    steps = np.cumsum(np.random.default_rng(seed).standard_normal((n, 9, 2)) * [1, 20], axis=1) + 500
    return Sequences(steps[:, :-1], steps[:, 1:])


def test_the_change_is_learned_where_the_target_is_the_next_input():
    dataset = Dataset("walk", walk(40, 0), walk(10, 1), walk(20, 2), residual=True)
    persistence = float(np.mean((dataset.test.y - dataset.test.x) ** 2))
    network, _, data = trained(dataset, Training(epochs=1, learning_rate=1e-9))
    assert score(network, data, data.test) == pytest.approx(persistence, rel=0.3)
    network, _, data = trained(dataset, Training(epochs=1, learning_rate=1e-9, residual=False))
    assert score(network, data, data.test) > 3 * persistence


def test_windows_are_drawn_anew_for_every_epoch_if_wanted():
    epochs = []

    def redraw(epoch: int) -> Sequences:
        epochs.append(epoch)
        return walk(7 if epoch else 40, epoch)

    dataset = Dataset("walk", walk(40, 0), walk(10, 1), walk(20, 2), redraw=redraw)
    _, history, _ = trained(dataset, Training(epochs=3, batch=8))
    assert [epoch for epoch in epochs if epoch > 1] == [2]
    assert len(history.loss) == 3
    epochs.clear()
    trained(dataset, Training(epochs=3, batch=8, redraw=False))
    trained(dataset, Training(epochs=3, batch=8), share=0.5)
    assert epochs == [1, 1]  # by the digest of the data alone


def test_a_share_of_the_data_takes_about_as_many_steps(dataset):
    _, history, _ = trained(dataset, Training(epochs=4, batch=4), share=0.25)
    assert len(history.loss) == 4  # looked at as often
    _, whole, _ = trained(dataset, Training(epochs=4, batch=4))
    assert len(whole.loss) == 4


def test_per_step_targets_learn_and_padding_does_not_count():
    rng = np.random.default_rng(0)
    x, lengths = rng.standard_normal((80, 6, 1)), rng.integers(1, 7, 80)
    y = (x[:, :, 0] > 0).astype(int)
    parts = [Sequences(x[rows], y[rows], lengths[rows]) for rows in (slice(48), slice(48, 64), slice(64, 80))]
    network, _, data = trained(Dataset("d", *parts), Training(epochs=12, batch=8, learning_rate=0.03))
    assert score(network, data, data.test) > 0.9


def test_class_weights_make_the_rare_class_weigh_as_much():
    """With nothing to tell the classes apart, a network says their shares; weighted, one half each."""
    rng = np.random.default_rng(0)
    y = (rng.random(400) < 0.1).astype(int)
    x = 0.01 * rng.standard_normal((400, 4, 1))
    parts = [Sequences(x[rows], y[rows]) for rows in (slice(200), slice(200, 300), slice(300, 400))]
    dataset = Dataset("rare", *parts)
    for weighted, expected in ((False, np.mean(y[:200])), (True, 0.5)):
        training = Training(epochs=8, batch=200, learning_rate=0.1, class_weights=weighted)
        data = prepared(dataset, training)
        network = build("gru-2", data.shape)
        with torch.no_grad():
            network.read_out.bias.copy_(torch.tensor([1.0, 0.0]))
        module = fit.Fit(network, data, training, 8, fit._class_weights(data, training))
        optimiser = torch.optim.Adam(network.read_out.parameters(), lr=0.2)
        for _ in range(80):
            optimiser.zero_grad()
            module._loss(*fit.targets(network, fit.batch_of(data.train, slice(None)))).backward()
            optimiser.step()
        said = torch.softmax(network(torch.tensor(data.train.x)), 1)[:, 1]
        assert float(said.mean()) == pytest.approx(expected, abs=0.05)
    weights = fit._class_weights(prepared(dataset), Training(class_weights=True))
    count = np.bincount(parts[0].y)
    np.testing.assert_allclose(weights * torch.tensor(count), [100.0, 100.0], rtol=1e-5)


def test_a_loss_that_is_not_a_number_ends_the_training(dataset):
    # The error is what the user sees in the report.
    with pytest.raises(FloatingPointError, match=r"training diverged: the (validation )?loss .* is (nan|inf)"):
        trained(dataset, Training(batch=8, learning_rate=1e30, weight_decay=1.0, clip=0, optimiser="sgd", warm_up=0))


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


def _share_of_two(rank: int, folder: str, dataset: Dataset) -> None:
    import os

    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0", "RANK": str(rank), "WORLD_SIZE": "2"}
    torch.distributed.init_process_group("gloo", f"file://{folder}/store", rank=rank, world_size=2)
    batches = fit.Batches(lambda _: dataset.train, 7, seed=1)
    torch.save([(batch.x, batch.share) for batch in batches], f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_two_processes_share_every_batch_and_weigh_their_parts(dataset, tmp_path):
    torch.multiprocessing.spawn(_share_of_two, (str(tmp_path), dataset), nprocs=2)
    whole = list(fit.Batches(lambda _: dataset.train, 7, seed=1))
    halves = [torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1)]
    for batch, *parts in zip(whole, *halves):
        rows = sorted(x.sum().item() for part, _ in parts for x in part)
        assert rows == pytest.approx(sorted(x.sum().item() for x in batch.x), abs=1e-5)
        assert sum(share for _, share in parts) == pytest.approx(2)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lstm-64", "gru-64"])
def test_standard_networks_are_not_starved(name):
    """Forty epochs of Adam on JapaneseVowels, which these networks are known to learn."""
    from wormnet import data

    dataset = data.load("japanese_vowels")
    training = Training(epochs=40, batch=16, learning_rate=0.005, clip=0)
    found = []
    for seed in range(3):
        network, _, ready = trained(dataset, training, name, seed)
        found.append(score(network, ready, ready.test))
    assert np.mean(found) > 0.94
    assert min(found) > 0.92
