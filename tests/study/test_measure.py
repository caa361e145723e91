import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from wormnet.data import Dataset, Sequences
from wormnet.errors import ArgumentError
from wormnet.study import fit, measure
from wormnet.study.networks import Network, Shape
from wormnet.study.plan import Training

SEEDS = st.integers(0, 2**31 - 1)


@st.composite
def parts(draw) -> Sequences:
    n, steps, inputs = draw(st.integers(1, 5)), draw(st.integers(1, 6)), draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(SEEDS))
    lengths = rng.integers(1, steps + 1, n) if draw(st.booleans()) else None
    dt = draw(st.sampled_from([None, rng.uniform(0.1, 3, n), rng.uniform(0.1, 3, (n, steps))]))
    y = rng.integers(0, 3, draw(st.sampled_from([(n,), (n, steps)])))
    return Sequences(rng.standard_normal((n, steps, inputs)), y, lengths, dt)


def clock(part: Sequences) -> np.ndarray:
    n, steps = part.x.shape[:2]
    dt = np.ones((n, 1)) if part.dt is None else part.dt.reshape(n, -1)
    return np.cumsum(np.where(part.mask, np.broadcast_to(dt, (n, steps)), 0), 1)


@settings(max_examples=60)
@given(parts(), st.floats(0, 0.95), SEEDS)
def test_dropped_samples_keep_the_time_of_every_other_sample(part, rate, seed):
    found = measure.drop_samples(part, rate, seed)
    before, after = clock(part), clock(found)
    for i in range(len(part)):
        length = int(found.mask[i].sum())
        np.testing.assert_allclose(after[i, length - 1], before[i, part.mask[i]][-1], rtol=1e-5)
        # Each sample that is left is one of before, with the time stamp and the label it had.
        at = [int(np.flatnonzero((part.x[i] == x).all(1) & part.mask[i])[0]) for x in found.x[i, :length]]
        assert at == sorted(set(at))
        np.testing.assert_allclose(after[i, :length], before[i, at], rtol=1e-5)
        if part.per == "step":
            assert found.y[i, :length].tolist() == part.y[i, at].tolist()
    if part.per == "sequence":
        assert found.y.tolist() == part.y.tolist()


def test_the_share_dropped_is_the_share_asked_for():
    part = Sequences(np.zeros((400, 51, 1)), np.zeros(400, int))
    found = measure.drop_samples(part, 0.3, 0)
    # All but the last of 51 may go: a binomial with 20,000 draws, four standard errors.
    assert abs(1 - (found.lengths.sum() - 400) / 20_000 - 0.3) < 4 * np.sqrt(0.3 * 0.7 / 20_000)


def test_nothing_dropped_is_the_same_data():
    part = Sequences(np.random.default_rng(0).standard_normal((3, 4, 2)), [0, 1, 2], [4, 2, 3])
    found = measure.drop_samples(part, 0.0, 0)
    assert np.array_equal(found.x, part.x)
    assert np.array_equal(found.dt[part.mask], np.ones(9))


@pytest.mark.parametrize("rate", [1.0, -0.1, float("nan")])
def test_all_samples_cannot_be_dropped(rate):
    with pytest.raises(ArgumentError, match=r"rate is .*0 <= rate < 1"):
        measure.drop_samples(Sequences(np.zeros((1, 2, 1)), [0]), rate, 0)


def test_noise_has_the_deviation_asked_for_and_follows_the_seed():
    part = Sequences(np.zeros((100, 50, 4)), np.zeros(100, int))
    noise = measure.add_noise(part, 0.5, 7).x
    assert abs(noise.std() - 0.5) < 4 * 0.5 / np.sqrt(2 * noise.size)
    assert abs(noise.mean()) < 4 * 0.5 / np.sqrt(noise.size)
    assert np.array_equal(noise, measure.add_noise(part, 0.5, 7).x)
    assert not np.array_equal(noise, measure.add_noise(part, 0.5, 8).x)
    # Levels differ in size alone, so that a curve over them is smooth.
    np.testing.assert_allclose(measure.add_noise(part, 1.0, 7).x, 2 * noise, rtol=1e-6)


def test_channels_are_standardised_by_the_real_steps_of_the_train_part():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((30, 6, 2)) * [2, 5] + [1, -3]
    x[:, :, 1] = 4.0  # a constant channel has no deviation to divide by
    train = Sequences(x, np.zeros(30, int), rng.integers(1, 7, 30))
    test = Sequences(np.ones((2, 6, 2)), [0, 1])
    scaled, _, other = measure.standardised(Dataset("d", train, test, test))
    real = scaled.x[scaled.mask]
    np.testing.assert_allclose(real.mean(0), [0, 0], atol=1e-6)
    np.testing.assert_allclose(real.std(0), [1, 0], atol=1e-6)
    inside = x[train.mask][:, 0]
    np.testing.assert_allclose(other.x[0, 0, 0], (1 - inside.mean()) / inside.std(), rtol=1e-5)


class Constant(nn.Module):
    def forward(self, x, state=None, dt=None, lengths=None):
        return torch.zeros(*x.shape[:2], 1), None


@pytest.mark.parametrize("per", ["sequence", "step"])
def test_a_constant_network_scores_as_the_commonest_class(per):
    rng = np.random.default_rng(0)
    size = (300,) if per == "sequence" else (300, 4)
    part = Sequences(rng.standard_normal((300, 4, 2)), rng.choice(3, size, p=[0.2, 0.5, 0.3]), rng.integers(1, 5, 300))
    dataset = Dataset("d", part, part, part)
    network = Network(Constant(), 1, measure.shape_of(dataset))
    with torch.no_grad():
        network.read_out.bias.copy_(torch.tensor([0.0, 1.0, 0.5]))
    assert fit.score(network, part) == pytest.approx(dataset.baselines["majority"])


def test_a_constant_network_scores_as_the_mean():
    rng = np.random.default_rng(0)
    part = Sequences(rng.standard_normal((300, 4, 2)), rng.normal(5, 3, (300, 2)))
    dataset = Dataset("d", part, part, part)
    network = Network(Constant(), 1, measure.shape_of(dataset))
    with torch.no_grad():
        network.read_out.bias.copy_(torch.tensor(part.y.mean(0)))
    assert fit.score(network, part) == pytest.approx(dataset.baselines["mean"], rel=1e-5)


def test_one_class_alone_is_always_right():
    part = Sequences(np.zeros((5, 3, 1)), [0] * 5)
    dataset = Dataset("d", part, part, part)
    network = Network(Constant(), 1, measure.shape_of(dataset))
    with torch.no_grad():
        network.read_out.bias.copy_(torch.tensor([1.0, 0.0]))
    assert fit.score(network, part) == 1.0


def test_saved_bytes_are_those_that_the_formulas_need():
    x = torch.randn(10, 7, requires_grad=True)
    # sigmoid saves its result; the second product saves both its factors, one of which is that result.
    assert measure.saved_bytes(lambda: torch.sigmoid(x).sum()) == 4 * 70
    assert measure.saved_bytes(lambda: (torch.sigmoid(x) * x).sum()) == 4 * 140
    # A view shares the storage of what it looks at.
    assert measure.saved_bytes(lambda: (x[0] * x[1]).sum()) == 4 * 70
    assert measure.saved_bytes(lambda: x.sum()) == 0


@pytest.mark.parametrize("name", ["ncp-ltc", "gru"])
def test_memory_grows_with_the_steps(name):
    def memory(steps: int) -> float:
        part = Sequences(np.zeros((8, steps, 2)), np.zeros(8, int))
        shape = Shape(2, 2, neurons=8)
        return measure.prices([name], shape, part, Training(batch=8), repeats=1)[name]["memory_bytes"]

    short, middle, long = (memory(steps) for steps in (10, 20, 40))
    assert long - middle == pytest.approx(2 * (middle - short), rel=0.05)


def test_prices_are_measured_of_every_network_and_change_nothing_global():
    part = Sequences(np.random.default_rng(0).standard_normal((6, 4, 2)), [0, 1] * 3, dt=np.full((6, 4), 2.0))
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    found = measure.prices(["ncp-cfc", "lstm-4"], Shape(2, 2, irregular=True, neurons=8), part, Training(), repeats=3)
    assert list(found) == ["ncp-cfc", "lstm-4"]
    for row in found.values():
        assert 0 < row["step_low_ms"] <= row["step_ms"] <= row["step_high_ms"]
        assert 0 < row["latency_low_ms"] <= row["latency_ms"] <= row["latency_high_ms"]
        assert row["parameters"] == row["core"] + row["read_out"]
    assert torch.equal(before, torch.get_rng_state())
    assert torch.get_num_threads() == threads


def test_dt_that_never_varies_is_not_irregular():
    y = [0, 1]
    for dt, irregular in ((None, False), ([2.0, 2.0], False), ([2.0, 1.0], True)):
        part = Sequences(np.zeros((2, 3, 1)), y, dt=dt)
        assert measure.shape_of(Dataset("d", part, part, part)).irregular is irregular


def test_a_sequence_of_length_0_stays_one_when_samples_are_dropped():
    part = Sequences.from_list([np.zeros((0, 1)), np.ones((5, 1))], y=[0, 1])
    short = measure.drop_samples(part, 0.5, seed=0)
    assert short.lengths is not None
    assert short.lengths[0] == 0
    assert short.lengths[1] >= 1
