"""What scikit-learn and aeon ask of their estimators: all of their checks, and the tools that estimators meet."""

import importlib
import pickle
import sys

import numpy as np
import pytest
import torch
from aeon.testing.estimator_checking import parametrize_with_checks as parametrize_with_aeon
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import wormnet
from wormnet import WormClassifier, WormForecaster, WormRegressor
from wormnet.data import Sequences
from wormnet.errors import ArgumentError

SMALL = {"epochs": 4, "random_state": 0}


@parametrize_with_checks([WormClassifier("gru-4", epochs=10), WormRegressor("gru-4", epochs=3)])
def test_scikit_learn_finds_nothing(estimator, check):
    if check.func.__name__ == "check_regressors_train":
        # Asks for a score: that which of ten numbers in a row counts has been learned.
        estimator = clone(estimator).set_params(network="gru-16", epochs=25, batch=16, learning_rate=0.05, validation=0)
    check(estimator)


@parametrize_with_aeon([WormClassifier, WormRegressor, WormForecaster], use_first_parameter_set=True)
def test_aeon_finds_nothing(check):
    check()


@pytest.fixture(scope="module")
def walks():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(24, 2, 7)).cumsum(2)
    return x, np.where(x[:, 0, -1] > 0, "up", "down")


def test_a_grid_search_goes_over_networks_and_numbers(walks):
    grid = {"network": ["gru-2", "lstm-3"], "learning_rate": np.array([0.01, 0.03])}
    search = GridSearchCV(WormClassifier(**SMALL), grid, cv=2).fit(*walks)
    assert len(search.cv_results_["params"]) == 4
    assert search.best_estimator_.network in grid["network"]
    assert set(search.predict(walks[0])) <= {"up", "down"}


def test_a_pipeline_scales_what_has_one_channel(walks):
    x, y = walks[0][:, 0], walks[1]
    model = make_pipeline(StandardScaler(), WormClassifier("gru-2", **SMALL)).fit(x, y)
    assert model.predict_proba(x).shape == (24, 2)
    assert np.allclose(model.predict_proba(x).sum(1), 1)


def test_cross_validation_divides_sequences_with_their_dt(walks):
    x = Sequences.from_channels(walks[0], walks[1], dt=np.random.default_rng(1).uniform(0.5, 2, (24, 7)))
    assert cross_val_score(WormClassifier("gru-2", **SMALL), x, walks[1], cv=3).shape == (3,)


def test_a_clone_knows_the_arguments_only_and_a_pickle_everything(walks):
    model = WormClassifier("gru-2", **SMALL).fit(*walks)
    again = clone(model)
    assert again.get_params() == model.get_params()
    assert not hasattr(again, "classes_")
    assert not again.is_fitted
    kept = pickle.loads(pickle.dumps(model))
    assert np.array_equal(kept.predict_proba(walks[0]), model.predict_proba(walks[0]))


def test_the_seed_tells_all_and_no_global_generator_is_touched(walks):
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    one, two, other = (WormClassifier("gru-2", epochs=2, random_state=s).fit(*walks) for s in (3, 3, 4))
    torch.rand(1)
    assert np.array_equal(one.predict_proba(walks[0]), two.predict_proba(walks[0]))
    assert not np.array_equal(one.predict_proba(walks[0]), other.predict_proba(walks[0]))
    torch.set_rng_state(before[0])
    WormClassifier("gru-2", epochs=1, random_state=None).fit(*walks)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002


def test_patience_stops_early_and_the_best_epoch_is_kept(walks):
    """Labels that are drawn by lot cannot be learned for cases held out."""
    y = np.random.default_rng(2).integers(0, 2, 24)
    model = WormClassifier("gru-4", epochs=100, patience=3, learning_rate=0.1).fit(walks[0], y)
    assert len(model.history_.loss) == model.history_.best + 1 + 3 < 100


def test_a_class_that_is_missing_is_refused(walks):
    y = np.array([None if i == 7 else ("a", "b")[int(i > 3)] for i in range(24)], object)
    with pytest.raises(ArgumentError, match=r"y\[7\] is missing; every case takes a class"):
        WormClassifier("gru-2", **SMALL).fit(walks[0], y)


@pytest.mark.parametrize("name", ["WormClassifier", "WormRegressor", "WormForecaster"])
def test_public_names_are_those_of_the_package(name):
    assert getattr(wormnet, name).__module__.startswith("wormnet.estimators")


def test_without_the_extra_one_sentence_says_what_to_install(monkeypatch):
    for name in [one for one in sys.modules if one.startswith("wormnet.estimators")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "aeon.classification", None)
    with pytest.raises(wormnet.WormnetError, match=r'needs aeon: pip install "wormnet\[study\]"$'):
        importlib.import_module("wormnet.estimators")


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"network": "grue"}, "unknown network 'grue'"),
        ({"network": 3}, "network is 3; it takes one of ncp-ltc"),
        ({"epochs": 0}, "epochs is 0; it takes a whole number, 1 or more"),
        ({"validation": 0.9}, "validation is 0.9; it takes the share of the cases that is held out, 0 to 0.5"),
        ({"accelerator": "abacus"}, "unknown accelerator 'abacus'"),
        ({"random_state": "x"}, "random_state is 'x'; it takes a whole number"),
        ({"time_unit": 0}, "time_unit is 0; it takes a number > 0"),
        ({"missing": "mean"}, "unknown missing 'mean'"),
        ({"per": "row"}, "unknown per 'row'"),
        ({"window": 1}, "window is 1; it takes a whole number of steps, 2 or more"),
        ({"variable": "what"}, "variable and value go together"),
    ],
)
def test_arguments_that_cannot_be_are_refused_by_name(walks, arguments, match):
    with pytest.raises(ValueError, match=match):
        WormClassifier(**({"network": "gru-2", "epochs": 1} | arguments)).fit(*walks)
