"""What is learned, against the best that can be: bounds of Bayes, closed forms, persistence."""

import numpy as np
import pytest
from scipy.stats import norm

import wormnet
from wormnet import WormClassifier, WormForecaster, WormRegressor
from wormnet.data import Sequences
from wormnet.study import wired

QUICK = {"epochs": 25, "learning_rate": 0.02, "random_state": 0}
STEPS, SHIFT = 6, 0.5


def shifted(n, seed):
    """Noise of variance 1 whose mean is SHIFT in one class and -SHIFT in the other."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    return rng.normal(size=(n, 1, STEPS)) + SHIFT * (2 * y - 1)[:, None, None], np.array(["low", "high"])[y]


@pytest.mark.parametrize("kind", ["gru-6", "worm"])
def test_a_classifier_comes_near_the_rate_of_bayes_which_no_single_sample_gives(kind):
    """With equal shifts the best rule is the sign of the mean: it is right with probability Phi(shift sqrt(steps))."""
    worm = wired("w", wormnet.auto_ncp(inputs=1, neurons=8, outputs=2), unfolds=3)
    model = WormClassifier(worm if kind == "worm" else kind, **QUICK | {"epochs": 12}).fit(*shifted(400, 0))
    found, bayes, one_sample = model.score(*shifted(4000, 1)), norm.cdf(SHIFT * STEPS**0.5), norm.cdf(SHIFT)
    assert one_sample + 0.1 < found < bayes + 3 * (bayes * (1 - bayes) / 4000) ** 0.5


def test_probabilities_are_about_as_often_right_as_they_say():
    """Of a calibrated classifier the mean of the largest probability is its accuracy."""
    model = WormClassifier("gru-6", **QUICK).fit(*shifted(400, 0))
    x, y = shifted(4000, 1)
    p = model.predict_proba(x)
    assert p.max(1).mean() == pytest.approx(model.score(x, y), abs=0.08)
    assert np.array_equal(model.classes_[p.argmax(1)], model.predict(x))
    assert np.allclose(np.log(p[:, 1] / p[:, 0]), model.decision_function(x))


def test_a_regressor_explains_more_than_the_best_single_sample_can():
    """y is the mean of six equal shares plus noise of a quarter of its variance: R2 is .8 at most, .8 / 6 for one."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2400, STEPS))
    y = 1000 + 3 * (x.sum(1) / STEPS**0.5 + 0.5 * rng.normal(size=2400))
    model = WormRegressor("gru-6", **QUICK).fit(x[:400], y[:400])
    assert 0.5 < model.score(x[400:], y[400:]) < 0.83


def test_several_outputs_are_learned_at_once():
    x = np.random.default_rng(0).normal(size=(300, 2, 4))
    y = np.stack([x[:, 0].sum(1), 100 - x[:, 1, -1]], 1)
    model = WormRegressor("gru-6", **QUICK).fit(x[:240], y[:240])
    assert model.predict(x).shape == (300, 2)
    assert model.score(x[240:], y[240:]) > 0.5


def test_classes_that_differ_in_nothing_but_the_time_between_samples_are_told_apart():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 200)
    x, dt = np.zeros((200, 5, 1)), rng.uniform(1, 2, (200, 5)) * np.where(y, 2, 1)[:, None]
    model = WormClassifier("gru-6", **QUICK).fit(Sequences(x[:120], y[:120], dt=dt[:120]))
    assert model.score(Sequences(x[120:], y[120:], dt=dt[120:])) > 0.95
    with pytest.raises(ValueError, match="X comes without dt"):
        model.predict(Sequences(x, y))


def test_the_unit_of_time_is_that_of_the_data():
    """Seconds or milliseconds, the answers are the same; the unit is the median dt, or what it is said to be."""
    rng = np.random.default_rng(0)
    x, y, dt = rng.normal(size=(40, 5, 1)), rng.integers(0, 2, 40), rng.uniform(0.5, 2, (40, 5)).round(3)
    in_seconds, in_ms = Sequences(x, y, dt=dt), Sequences(x, y, dt=1000 * dt)
    network = wired("w", wormnet.auto_ncp(inputs=3, neurons=8, outputs=2), unfolds=3)
    models = [WormClassifier(network, epochs=2).fit(part) for part in (in_seconds, in_ms)]
    assert models[1].rnn_.time_unit == pytest.approx(1000 * models[0].rnn_.time_unit)
    p, q = (model.predict_proba(part) for model, part in zip(models, (in_seconds, in_ms)))
    assert np.allclose(p, q, atol=1e-5)
    assert WormClassifier(network, epochs=1, time_unit=0.02).fit(in_seconds).rnn_.time_unit == 0.02


def test_rare_classes_count_as_much_as_common_ones_if_balanced():
    """5 % of the cases are of one class: about so probable it is on average, or, balanced, about as any other."""
    rng = np.random.default_rng(0)
    y = (rng.random(400) < 0.05).astype(int)
    x = rng.normal(size=(400, 1, 4)) + 0.25 * y[:, None, None]
    plain, balanced = (WormClassifier("gru-4", **QUICK | {"epochs": 8}, balanced=b).fit(x, y) for b in (False, True))
    assert plain.predict_proba(x)[:, 1].mean() == pytest.approx(0.05, abs=0.05)
    assert balanced.predict_proba(x)[:, 1].mean() == pytest.approx(0.5, abs=0.15)


def test_a_forecaster_is_nearer_to_the_best_forecast_than_to_persistence():
    """Of x(t+1) = x(t) / 2 + noise the best forecast is x(t) / 2; persistence errs by 4 / 3 of its square."""
    rng = np.random.default_rng(0)
    x = np.zeros(500)
    for t in range(1, 500):
        x[t] = x[t - 1] / 2 + rng.normal()
    model = WormForecaster("gru-4", window=4, epochs=10, learning_rate=0.02).fit(x[:350])
    said = np.array([model.predict(x[:t]) for t in range(350, 500)])
    error, best, persistence = (np.mean((x[350:] - f) ** 2) for f in (said, x[349:499] / 2, x[349:499]))
    assert error < (best + persistence) / 2


def test_a_trend_goes_on():
    """A bounded network cannot leave the range that it saw; what it adds to the last value can."""
    y = np.arange(120.0)
    model = WormForecaster("gru-4", window=4, epochs=10, horizon=2).fit(y)
    assert model.predict(np.arange(500.0)) == pytest.approx(501, abs=0.5)
    one = WormForecaster("gru-4", window=4, epochs=10)
    assert one.iterative_forecast(y, 3) == pytest.approx([120, 121, 122], abs=0.5)
    assert one.direct_forecast(y, 2) == pytest.approx([120, 121], abs=0.5)


@pytest.mark.parametrize(
    ("arguments", "n", "match"),
    [
        ({"window": 8}, 9, "y has 9 points; window=8 and horizon=1 take 10 or more"),
        ({"window": 0}, 50, "window is 0"),
        ({"horizon": 1.5}, 50, "horizon is 1.5"),
    ],
)
def test_a_series_that_is_too_short_is_refused(arguments, n, match):
    with pytest.raises(ValueError, match=match):
        WormForecaster("gru-4", epochs=1, **arguments).fit(np.arange(float(n)))
