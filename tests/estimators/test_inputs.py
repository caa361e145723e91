"""Every form of cases gives the same answers, and what does not fit is said."""

import numpy as np
import pandas as pd
import pytest

from wormnet import WormClassifier, WormRegressor
from wormnet.data import Sequences

QUICK = {"network": "gru-3", "epochs": 2}


@pytest.fixture(scope="module")
def cases():
    """7 cases of 3 channels and 5 samples."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(14, 3, 5)), np.array(["b", "a"] * 7)


@pytest.fixture(scope="module")
def model(cases):
    return WormClassifier(**QUICK).fit(*cases)


@pytest.mark.parametrize(
    "form",
    [
        list,
        lambda x: [pd.DataFrame(case) for case in x],
        lambda x: Sequences.from_channels(x, np.zeros(len(x), int)),
        lambda x: list(Sequences.from_channels(x, np.zeros(len(x), int))),
        lambda x: pd.concat({i: pd.DataFrame(case.T) for i, case in enumerate(x)}),
    ],
    ids=["list", "df-list", "Sequences", "items", "multiindex"],
)
def test_each_form_of_a_collection_is_the_same_cases(cases, model, form):
    assert np.array_equal(model.predict_proba(form(cases[0])), model.predict_proba(cases[0]))


def test_one_channel_may_be_a_table_of_cases_and_times(cases):
    x, y = cases[0][:, 0], cases[1]
    model = WormClassifier(**QUICK).fit(x, y)
    assert np.array_equal(model.predict_proba(x), WormClassifier(**QUICK).fit(x[:, None], y).predict_proba(x[:, None]))
    assert np.array_equal(model.predict_proba(x), model.predict_proba(list(x)))


def test_each_case_of_unequal_length_is_answered_as_if_alone(cases):
    x = [case[:, : 1 + i % 5] for i, case in enumerate(cases[0])]
    model = WormClassifier(**QUICK).fit(x, cases[1])
    p = model.predict_proba(x)
    # torch's products of matrices round as the number of rows has it.
    np.testing.assert_allclose(p, np.concatenate([model.predict_proba([one]) for one in x]), rtol=0, atol=1e-6)
    np.testing.assert_allclose(p[::-1], model.predict_proba(x[::-1]), rtol=0, atol=1e-6)


def test_missing_values_are_filled_and_told_of(cases):
    x = cases[0].copy()
    x[2, 1, 3] = np.nan
    with pytest.raises(ValueError, match=r"x\[2, 3, 1\] of sequence 2 is nan"):
        WormClassifier(**QUICK).fit(x, cases[1])
    told = WormClassifier(**QUICK, missing="forward").fit(x, cases[1])
    assert told.predictor_.shape.channels == 9
    assert told.n_features_in_ == 3
    filled, before = x.copy(), x.copy()
    filled[2, 1, 3] = x[2, 1, 2]
    silent = WormClassifier(**QUICK, missing="forward", indicators=False).fit(x, cases[1])
    assert np.array_equal(silent.predict_proba(x), silent.predict_proba(filled))
    assert not np.array_equal(told.predict_proba(x), told.predict_proba(filled))
    assert np.array_equal(x, before, equal_nan=True)


@pytest.mark.parametrize("labels", [[3, 7], [True, False], ["no", "yes"], [-1.0, 1.0]])
def test_answers_are_the_labels_that_were_given(cases, labels):
    y = np.array(labels * 7)
    found = WormClassifier(**QUICK).fit(cases[0], y).predict(cases[0])
    assert found.dtype == y.dtype
    assert set(found) <= set(labels)


def test_sequences_bring_their_labels_and_their_steps(cases):
    x = Sequences.from_channels(*cases)
    model = WormClassifier(**QUICK).fit(x)
    assert list(model.classes_) == ["a", "b"]
    assert model.score(x) == model.score(*cases)
    steps = Sequences(x.x, np.tile([0, 1, 0, 1, 1], (14, 1)), lengths=[5, 3] * 7)
    found = WormClassifier(**QUICK, per="step", window=3).fit(steps).predict_proba(steps)
    assert found.shape == (56, 2)


@pytest.mark.parametrize(
    ("X", "y", "match"),
    [
        (np.zeros((3, 2, 5)), ["a", "b"], "X and y are of different length: X has 3 cases, y 2 targets"),
        (np.zeros((3, 2, 5)), ["a", "a", "a"], "y holds one class, 'a'"),
        (np.zeros((3, 2, 5)), None, "requires y to be passed"),
        (np.zeros((3, 2, 5, 1)), ["a", "b", "a"], r"X has shape \(3, 2, 5, 1\); it takes \(cases, channels, time\)"),
        ([np.zeros((2, 5)), np.zeros((3, 5))], ["a", "b"], r"X has cases of \[2, 3\] channels"),
        ([np.zeros((2, 5)), np.zeros((2, 0))], ["a", "b"], "case 1 of X has no sample"),
        ({"a": [1, 2]}, ["a", "b"], "X is a table; say which column plays which part"),
        (np.zeros((3, 5)), [0.5, 1.5, 2.5], "Unknown label type"),
    ],
)
def test_what_does_not_fit_is_refused(X, y, match):
    with pytest.raises(ValueError, match=match):
        WormClassifier(**QUICK).fit(X, y)


def test_cases_of_other_channels_are_refused(cases, model):
    with pytest.raises(ValueError, match="X has 2 channels; this WormClassifier was fitted on 3"):
        model.predict(cases[0][:, :2])


def test_a_regressor_takes_no_names(cases):
    with pytest.raises(ValueError, match="could not convert string to float"):
        WormRegressor(**QUICK).fit(*cases)
