import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wormnet.data import Dataset, Sequences
from wormnet.errors import ArgumentError
from wormnet.study import Measures, measure
from wormnet.study.network import build

SEEDS = st.integers(0, 2**31 - 1)


@st.composite
def parts(draw) -> Sequences:
    n, steps, inputs = draw(st.integers(1, 5)), draw(st.integers(2, 6)), draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(SEEDS))
    lengths = rng.integers(1, steps + 1, n) if draw(st.booleans()) else None
    dt = draw(st.sampled_from([None, rng.uniform(0.1, 3, n), rng.uniform(0.1, 3, (n, steps))]))
    y = rng.integers(0, 3, draw(st.sampled_from([(n,), (n, steps)])))
    return Sequences(rng.standard_normal((n, steps, inputs)), y, lengths, dt)


def clock(part: Sequences) -> np.ndarray:
    n, steps = part.x.shape[:2]
    dt = np.ones((n, 1)) if part.dt is None else part.dt.reshape(n, -1)
    return np.cumsum(np.where(part.mask, np.broadcast_to(dt, (n, steps)), 0), 1)


@given(parts(), st.floats(0, 0.95), SEEDS)
def test_what_nobody_is_told_of_loses_the_same_samples_and_no_time(part, rate, seed):
    told, blind = (measure.drop_samples(part, rate, seed, told=one) for one in (True, False))
    assert np.array_equal(told.x, blind.x)
    assert (blind.dt is None) == (part.dt is None)
    if blind.dt is not None and blind.dt.ndim == 2:
        known = {float(value) for value in part.dt[part.mask]}
        assert {float(value) for value in blind.dt[blind.mask]} <= known


@given(parts(), st.sampled_from([1 / 3, 0.5, 2, 3]))
def test_another_rate_keeps_the_time_and_the_newest_sample(part, factor):
    found = measure.at_rate(part, factor)
    before, after = clock(part), clock(found)
    for i in range(len(part)):
        n, m = int(part.mask[i].sum()), int(found.mask[i].sum())
        assert m == (-(-n // round(1 / factor)) if factor < 1 else round(factor) * (n - 1) + 1)
        np.testing.assert_array_equal(found.x[i, m - 1], part.x[i, n - 1])
        np.testing.assert_allclose(after[i, m - 1], before[i, n - 1], rtol=1e-5)
        if part.per == "step":
            assert found.y[i, m - 1] == part.y[i, n - 1]


def test_a_straight_line_is_the_same_line_at_twice_the_rate():
    part = Sequences(np.arange(5.0).reshape(1, 5, 1), y=np.arange(5.0).reshape(1, 5, 1), dt=np.full((1, 5), 0.2))
    found = measure.at_rate(part, 2)
    np.testing.assert_allclose(found.x[0, :, 0], np.arange(9) / 2)
    np.testing.assert_allclose(found.dt[0], [0.2] + [0.1] * 8)
    np.testing.assert_allclose(found.y[0, :, 0], np.ceil(np.arange(9) / 2))
    np.testing.assert_allclose(measure.at_rate(found, 0.5).x, part.x)


@pytest.mark.parametrize("factor", [0, -1, 0.3, 1.5, float("nan")])
def test_rates_that_are_no_whole_number_are_refused(factor):
    with pytest.raises(ArgumentError, match="it takes a whole number, or one over a whole number"):
        measure.at_rate(Sequences(np.zeros((1, 3, 1)), [0]), factor)


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


def test_a_sequence_of_length_0_stays_one_when_samples_are_dropped():
    part = Sequences.from_list([np.zeros((0, 1)), np.ones((5, 1))], y=[0, 1])
    short = measure.drop_samples(part, 0.5, seed=0)
    assert short.lengths is not None
    assert short.lengths[0] == 0
    assert short.lengths[1] >= 1


def test_each_condition_of_a_plan_is_a_score_of_the_disturbed_test_part(dataset, ready):
    apart = {"short": dataset.test.take([0, 1, 2])}
    extra = Dataset("mine", dataset.train, dataset.valid, dataset.test, apart=apart, unfamiliar={"a": dataset.test})
    _, (data,) = ready(extra, folds=0)
    torch.manual_seed(0)
    network = build("gru-4", data.shape)
    wanted = Measures(noise=[0.5], drop=[0.3], rate=[0.5, 2])
    found = measure.conditions(network, data, wanted, seed=3)
    kinds = [(one["kind"], one["level"]) for one in found]
    assert kinds == [
        *(("noise", 0.5), ("drop", 0.3), ("drop_blind", 0.3), ("rate", 0.5), ("rate", 2)),
        *(("apart", "short"), ("unfamiliar", "a")),
    ]
    from wormnet.study import fit

    noisy = data.view.told(measure.add_noise(data.test, 0.5, 3))
    assert found[0]["scores"] == fit.scores_of(network, noisy, data.metrics)
    assert np.array_equal(noisy.x[..., 2:], data.view.told(data.test).x[..., 2:])  # no noise on dt
    assert found[-1]["scores"] == fit.scores_of(network, data.view.told(data.test), data.metrics)
    assert measure.conditions(network, data, Measures(noise=[], drop=[], rate=[], unfamiliar=False), 3) == found[5:6]


def test_dynamics_are_those_of_all_neurons_but_the_motor_ones(dataset, ready):
    _, (data,) = ready(dataset, folds=0)
    torch.manual_seed(0)
    for name in ("ncp-ltc", "gru-4"):
        network = build(name, data.shape)
        part = data.view.told(data.test)
        states = measure.hidden_states(network, torch.tensor(part.x), torch.tensor(part.dt), torch.tensor(part.lengths))
        width = 4 if name == "gru-4" else network.wiring.n_neurons - network.wiring.n_outputs
        assert states.shape == (32, 6, width)
        found = measure.states_of(network, data)
        assert 0 < found["pc1"] <= 1
        assert len(found["l_max_sorted"]) == width
        assert found["l_max"] == pytest.approx(np.mean(found["l_max_sorted"]), rel=1e-4)
