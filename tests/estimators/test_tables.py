"""Data frames with a row per sample or per measured value: the same as the arrays that they spell out."""

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GroupKFold, cross_val_score

from wormnet import WormClassifier, WormRegressor
from wormnet.data import Sequences
from wormnet.errors import ArgumentError

QUICK = {"network": "gru-3", "epochs": 2}
ROLES = {"series": "pump", "time": "hour"}


@pytest.fixture(scope="module")
def table():
    """9 pumps, 4 or 5 samples of 2 sensors each at irregular times; rows in no order."""
    rng = np.random.default_rng(0)
    rows = [
        {"pump": f"p{i}", "hour": t + rng.uniform(0, 0.5), "heat": rng.normal(), "hum": rng.normal(), "state": s}
        for i, s in enumerate(["worn", "good", "good"] * 3)
        for t in range(4 + i % 2)
    ]
    return pd.DataFrame(rows).sample(frac=1, random_state=0, ignore_index=True)


def arrays(table):
    """The same by hand: a case for each pump in the order of the rows, dt in hours, the usual one first."""
    groups = [table[table.pump == who].sort_values("hour") for who in dict.fromkeys(table.pump)]
    gaps = [np.diff(g.hour) for g in groups]
    usual = np.median(np.concatenate(gaps).astype(np.float32))
    x = [g[["heat", "hum"]].to_numpy() for g in groups]
    return Sequences.from_list(x, [g.state.iloc[0] for g in groups], [np.r_[usual, gap] for gap in gaps])


def test_a_table_is_the_cases_that_it_spells_out(table):
    by_hand = arrays(table)
    model = WormClassifier(**QUICK, **ROLES, label="state").fit(table)
    expected = WormClassifier(**QUICK).fit(by_hand).predict_proba(by_hand)
    assert np.allclose(model.predict_proba(table), expected, atol=1e-6)
    assert list(model.feature_names_in_) == ["heat", "hum"]
    assert list(model.classes_) == ["good", "worn"]


def test_labels_may_stand_in_the_table_or_beside_it(table):
    told = table.groupby("pump", sort=False).state.first()
    bare = table.drop(columns="state")
    first = WormClassifier(**QUICK, **ROLES, label="state").fit(table)
    for y in (table.state, told.to_numpy(), told):
        other = WormClassifier(**QUICK, **ROLES).fit(bare, y)
        assert np.array_equal(other.predict_proba(bare), first.predict_proba(table))
    assert first.score(table) == np.mean(first.predict(bare) == told.to_numpy())


def test_columns_are_found_by_their_names_and_more_of_them_do_no_harm(table):
    model = WormClassifier(**QUICK, **ROLES, label="state").fit(table)
    other = table[["hum", "state", "heat", "hour", "pump"]].assign(note="x")
    assert np.array_equal(model.predict_proba(other), model.predict_proba(table))
    with pytest.raises(ValueError, match="unknown column 'hum'"):
        model.predict(table.drop(columns="hum"))


def test_dates_are_times(table):
    dated = table.assign(hour=pd.Timestamp("2026-01-01") + pd.to_timedelta(table.hour, unit="h"))
    model = WormClassifier(**QUICK, **ROLES, label="state").fit(dated)
    assert model.predictor_.shape.time_unit == pytest.approx(3600, rel=0.5)
    numbers = WormClassifier(**QUICK, **ROLES, label="state").fit(table)
    assert np.allclose(model.predict_proba(dated), numbers.predict_proba(table), atol=1e-4)


def test_dates_are_asked_with_dates_and_numbers_with_numbers(table):
    dated = table.assign(hour=pd.Timestamp("2026-01-01") + pd.to_timedelta(table.hour, unit="h"))
    arguments = {**QUICK, **ROLES, "label": "state"}
    model = WormClassifier(**arguments).fit(dated)
    as_text = dated.assign(hour=dated.hour.dt.strftime("%Y-%m-%dT%H:%M:%S.%f"))
    assert np.allclose(model.predict_proba(as_text), model.predict_proba(dated), atol=1e-6)
    with pytest.raises(ArgumentError, match="'hour' holds numbers; this WormClassifier was fitted on dates"):
        model.predict(table)
    numbers = WormClassifier(**arguments).fit(table)
    objects = table.assign(hour=table.hour.astype(object))
    assert np.array_equal(numbers.predict_proba(objects), numbers.predict_proba(table))
    with pytest.raises(ArgumentError, match="'hour' holds dates; this WormClassifier was fitted on numbers"):
        numbers.predict(dated)


def test_targets_by_id_are_so_where_each_series_has_one_row(table):
    rows = table.drop_duplicates("pump")
    told = dict(zip(rows.pump, rows.state))
    model = WormClassifier(**QUICK, series="pump", inputs="heat").fit(rows, told)
    assert list(model.classes_) == ["good", "worn"]
    assert list(model.feature_names_in_) == ["heat"]


@pytest.mark.parametrize(
    ("arguments", "y", "text"),
    [
        ({"label": "stat"}, None, "unknown column 'stat'; did you mean 'state'"),
        ({"label": []}, None, r"label is \[\]; it takes the name of a column"),
        ({"inputs": "heat"}, 3, "y is 3; it takes targets, 40, one for each row"),
        ({"inputs": ["heat"]}, np.array(3), r"y is array\(3\); it takes targets"),
    ],
)
def test_what_fits_no_table_is_told(table, arguments, y, text):
    with pytest.raises(ValueError, match=text):
        WormClassifier(**QUICK, **ROLES, **arguments).fit(table, y)


def test_a_row_per_measured_value_is_the_same_table(table):
    long = table.melt(id_vars=["pump", "hour", "state"], var_name="what", value_name="much")
    model = WormClassifier(**QUICK, **ROLES, label="state", variable="what", value="much").fit(long)
    wide = WormClassifier(**QUICK, **ROLES, label="state").fit(table)
    assert np.allclose(model.predict_proba(long), wide.predict_proba(table), atol=1e-6)


def test_missing_cells_are_filled(table):
    holes = table.copy()
    holes.loc[[3, 11], "heat"] = np.nan
    with pytest.raises(ValueError, match="nan"):
        WormClassifier(**QUICK, **ROLES, label="state").fit(holes)
    model = WormClassifier(**QUICK, **ROLES, label="state", missing="forward").fit(holes)
    assert model.predictor_.shape.channels == 6
    assert model.predict(holes).shape == (9,)


def test_an_answer_for_each_row_stands_where_its_row_stands():
    """Rows in any order; the label is the sign of the sample, so that a shuffled answer is a wrong one."""
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"t": np.arange(400.0), "x": rng.normal(size=400)})
    rows = rows.assign(y=np.where(rows.x > 0, "up", "down")).sample(frac=1, random_state=1)
    arguments = {"time": "t", "label": "y", "per": "step", "window": 20, "learning_rate": 0.05, "epochs": 15}
    model = WormClassifier("gru-3", **arguments).fit(rows)
    assert model.score(rows) > 0.85
    assert np.mean(model.predict(rows) == rows.y.to_numpy()) == model.score(rows)


def test_several_columns_are_several_outputs(table):
    target = table.assign(a=table.pump.str[1:].astype(float), b=1.0)
    model = WormRegressor(**QUICK, **ROLES, label=["a", "b"], inputs=["heat", "hum"]).fit(target)
    assert model.predict(target).shape == (9, 2)


def test_folds_keep_the_rows_of_a_series_together(table):
    model = WormClassifier(**QUICK, **ROLES, label="state")
    scores = cross_val_score(model, table, table.state, groups=table.pump, cv=GroupKFold(3), error_score="raise")
    assert scores.shape == (3,)


def test_a_mapping_of_columns_is_a_table(table):
    model = WormClassifier(**QUICK, **ROLES, label="state")
    assert np.array_equal(
        model.fit(table.to_dict("list")).predict_proba(table.to_dict("list")), model.fit(table).predict_proba(table)
    )


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"series": "pimp"}, "unknown column 'pimp'; did you mean 'pump'"),
        ({"label": None, "inputs": ["heat"]}, "say in label= which column holds it"),
        ({"inputs": ["heat", "state"]}, "column 'state' is to be an input, and it is named as series, time or label"),
        ({"series": None, "inputs": ["heat"]}, "has several labels in column 'state'"),
    ],
)
def test_columns_that_there_are_not_are_refused(table, arguments, match):
    with pytest.raises((ValueError, OSError), match=match):
        WormClassifier(**QUICK, **(ROLES | {"label": "state"} | arguments)).fit(table)


def test_a_target_for_neither_rows_nor_series_is_refused(table):
    with pytest.raises(ValueError, match="y has 8 targets; it takes 40, one for each row, or 9, one per series"):
        WormClassifier(**QUICK, **ROLES).fit(table.drop(columns="state"), ["good", "worn"] * 4)
