import numpy as np
import pandas as pd
import pytest

from wormnet.errors import ArgumentError, DataError
from wormnet.study import Plan, jobs
from wormnet.study.tables import Split, Table, load, table

COLUMNS = {"series": "who", "time": "hour", "label": "ill", "inputs": ["pulse", "temp"], "first_dt": 1.0}


@pytest.fixture
def people(tmp_path) -> str:
    """40 people of 4 wards, each measured 5 to 9 times."""
    rng, rows = np.random.default_rng(0), []
    for i in range(40):
        for k, hour in enumerate(np.cumsum(rng.exponential(1, rng.integers(5, 10)))):
            row = {"who": f"p{i}", "hour": i + hour, "pulse": 60 + 9 * (i % 2) + k, "temp": rng.normal(37)}
            rows.append(
                {**row, "ill": ["no", "yes"][i % 2], "ward": f"w{i % 4}", "part": ["train", "valid", "test"][i % 3]}
            )
    path = tmp_path / "people.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return str(path)


@pytest.fixture
def hours(tmp_path) -> str:
    """400 hours of one series."""
    when = pd.date_range("2024-03-01", periods=400, freq="h")
    path = tmp_path / "hours.csv"
    pd.DataFrame({"when": when, "x": np.arange(400.0), "y": np.arange(400.0) + 1}).to_csv(path, index=False)
    return str(path)


def who(part) -> set[float]:
    """People by their first temperature."""
    return {float(x[0, 1]) for x in part.x}


def test_series_are_dealt_into_disjoint_folds_with_the_classes_in_proportion(people):
    given = Table(people, **COLUMNS)
    folds = [load("people", given, fold) for fold in range(given.folds)]
    tested = [one for dataset in folds for one in who(dataset.test)]
    assert len(tested) == len(set(tested)) == 40
    for dataset in folds:
        assert not who(dataset.train) & who(dataset.test)
        assert not who(dataset.train) & who(dataset.valid)
        assert not who(dataset.valid) & who(dataset.test)
        assert [len(part) for part in dataset.parts.values()] == [25, 7, 8] or len(dataset.valid) in (6, 7)
        assert np.bincount(dataset.test.y).tolist() == [4, 4]
        assert dataset.classes == ("no", "yes")
        assert set(dataset.baselines) == {"majority", "logistic regression on mean and std"}
    again = load("people", Table(people, **COLUMNS), 1)
    assert who(again.test) == who(folds[1].test)
    other = load("people", Table(people, **COLUMNS, split=Split(seed=1)), 1)
    assert who(other.test) != who(folds[1].test)


def test_groups_are_left_out_one_after_the_other(people):
    given = Table(people, **COLUMNS, split={"kind": "by column", "column": "ward"})
    assert given.folds == 4
    frame = pd.read_csv(people).groupby("who").first()
    for fold in range(4):
        dataset = load("people", given, fold)
        wards = [
            set(frame[frame.temp.round(4).isin([round(x, 4) for x in who(part)])].ward)
            for part in dataset.parts.values()
        ]
        assert [len(one) for one in wards] == [2, 1, 1]
        assert not wards[0] & wards[1]
        assert not (wards[0] | wards[1]) & wards[2]


def test_a_column_may_tell_the_parts(people):
    given = Table(people, **COLUMNS, split="part")
    assert given.folds == 0
    assert [len(part) for part in load("people", given, None).parts.values()] == [14, 13, 13]


def test_time_is_split_so_that_nothing_is_trained_on_that_comes_after_the_test(hours):
    given = Table(hours, "y", time="when", per="step", first_dt=1, time_unit="h", window=10, split={"kind": "by time"})
    ends = []
    for fold in range(5):
        dataset = load("hours", given, fold)
        first, last = ([part.x[part.mask].min(), part.x[part.mask].max()] for part in (dataset.train, dataset.test))
        valid = dataset.valid.x[dataset.valid.mask]
        assert first[1] < valid.min() <= valid.max() < last[0]
        ends += [last]
        assert len(dataset.test.x[dataset.test.mask]) == 40  # every hour once
        assert dataset.train.x.shape[1] == 10
        assert dataset.redraw(1).x.tobytes() != dataset.train.x.tobytes()
    assert [low for low, _ in ends] == [200, 240, 280, 320, 360]
    assert (dataset.task, dataset.per) == ("regress", "step")


def test_whole_series_are_placed_by_when_they_begin(people):
    dataset = load("people", Table(people, **COLUMNS, split={"kind": "by time", "folds": 2}), 1)
    frame = pd.read_csv(people).groupby("who", sort=False).agg({"hour": "min", "temp": "first"}).sort_values("hour")
    order = frame.temp.to_numpy()
    place = [sorted(int(np.abs(order - temp).argmin()) for temp in who(part)) for part in dataset.parts.values()]
    assert place == [list(range(24)), list(range(24, 30)), list(range(30, 40))]


def test_a_variable_that_a_part_lacks_is_missing_there_and_no_other_takes_its_place(people, tmp_path):
    frame = pd.read_csv(people)
    long = frame.melt(["who", "hour", "ill", "part"], ["pulse", "temp"], "what", "much")
    long.loc[(long.part == "test") & (long.what == "pulse"), "what"] = "weight"
    long.to_csv(tmp_path / "long.csv", index=False)
    columns = {**COLUMNS, "inputs": (), "variable": "what", "value": "much", "split": "part", "indicators": False}
    dataset = load("people", Table(str(tmp_path / "long.csv"), **columns, missing="zero"), None)
    pulse, temp, weight = (dataset.test.x[..., k] for k in range(3))
    assert not pulse.any()
    assert temp.max() < 50 < weight.max()
    assert not dataset.train.x[..., 2].any()


@pytest.mark.parametrize("first", ["01/02/2024", "1.2.2024 12:00", "12-11-24"])
def test_a_date_whose_month_cannot_be_told_is_refused(hours, tmp_path, first):
    frame = pd.read_csv(hours).head(3).assign(when=[first, "02/03/2024", "03/04/2024"])
    frame.to_csv(tmp_path / "short.csv", index=False)
    given = Table(str(tmp_path / "short.csv"), "y", time="when", time_unit="D", first_dt=1.0, split=Split("by time"))
    with pytest.raises(DataError, match=f"column 'when' holds '{first}', whose month may be the first or the second"):
        load("hours", given, 0)


def test_inputs_are_what_plays_no_other_part(people):
    columns = {**COLUMNS, "inputs": ()}
    with pytest.raises(ArgumentError, match="column 'ward' holds 'w0' in row 0; an input takes numbers"):
        load("people", Table(people, **columns, split="part"), None)
    numbers = pd.read_csv(people).drop(columns=["ward", "part"])
    numbers.to_csv(people, index=False)
    assert load("people", Table(people, **columns), 0).n_inputs == 2


def test_a_table_of_single_values_is_read_too(people, tmp_path):
    long = pd.read_csv(people).melt(["who", "hour", "ill"], ["pulse", "temp"], "what", "much")
    long.to_csv(tmp_path / "long.csv.gz", index=False)
    columns = {**COLUMNS, "variable": "what", "value": "much"}
    first, other = (
        load("people", Table(path, **more), 0)
        for path, more in ((people, COLUMNS), (str(tmp_path / "long.csv.gz"), columns))
    )
    for part in first.parts:
        assert first.parts[part].x.sum() == pytest.approx(other.parts[part].x.sum(), rel=1e-5)


def test_parquet_is_read_by_pandas_or_named_with_the_command(people, tmp_path, monkeypatch):
    path = tmp_path / "people.parquet"
    path.write_bytes(b"PAR1")
    given = Table(str(path), **COLUMNS)

    def missing(path):
        raise ImportError("no engine")

    monkeypatch.setattr(pd, "read_parquet", missing)
    with pytest.raises(
        DataError, match=r"people.parquet is Parquet, which pandas reads by pyarrow: pip install pyarrow"
    ):
        load("people", given, 0)
    path.write_bytes(b"PAR1 ")
    monkeypatch.setattr(pd, "read_parquet", lambda path: pd.read_csv(people))
    assert len(load("people", given, 0).test) == 8


def test_a_plan_reads_a_table_beside_its_own_file(people, tmp_path):
    (tmp_path / "plan.toml").write_text(
        """
datasets = ["people"]
networks = ["gru-3"]
folds = 2
[data.people]
file = "people.csv"
series = "who"
time = "hour"
label = "ill"
inputs = ["pulse", "temp"]
first_dt = 1
split = { kind = "by series", folds = 4 }
"""
    )
    plan = Plan.from_toml(tmp_path / "plan.toml")
    folds = list(jobs.preparations(plan))
    assert [data.fold for data in folds] == [0, 1]
    assert len(folds[0].test) == 10
    assert Plan.from_dict(plan.to_dict()) == plan


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"series": "whom"}, "unknown column 'whom'"),
        ({"label": "il"}, "unknown column 'il'"),
        ({"time": "when"}, "unknown column 'when'"),
        ({"split": {"kind": "by column", "column": "wards"}}, "unknown column 'wards'; did you mean 'ward'"),
        ({"split": "ward"}, "column 'ward' holds 'w0'; it takes train, valid and test"),
        ({"split": {"kind": "by series", "folds": 40}}, "40 series cannot be dealt into 40 folds"),
        ({"split": {"kind": "by time"}, "time": ""}, 'split "by time" takes the column of the time stamps'),
        ({"series": "", "label": "pulse", "per": "step", "inputs": ["temp"]}, 'for one long series split "by time"'),
        ({"first_dt": None}, r"pass first_dt=.*The median interval"),
    ],
)
def test_columns_that_do_not_fit_are_told(people, change, text):
    given = Table(people, **{**COLUMNS, **change})
    with pytest.raises((ArgumentError, DataError), match=text):
        load("people", given, given.folds and 0)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"split": 3}, "split is 3; it takes a rule"),
        ({"split": {"kind": "by person"}}, "split: kind is 'by person'; it takes one of by series, by time, by column"),
        ({"split": {"kind": "by column"}}, "split: split 'by column' takes a column"),
        ({"split": {"column": "ward"}}, "split: split 'by series' takes no column"),
        ({"split": {"fold": 3}}, "split: unknown key 'fold'; did you mean 'folds'"),
        ({"per": "row"}, "unknown per 'row'"),
        ({"window": 5}, "window is 5; it takes a number of samples, with per = 'step'"),
        ({"variable": "what"}, "variable and value go together"),
        ({"label": 3}, "label is 3; it takes the name of a column, or a list of several"),
        ({"label": ""}, "label is ''; it takes the name of a column"),
        ({"inputs": "pulse"}, "inputs is 'pulse'; it takes a list of names of columns"),
        ({"indicators": "no"}, "indicators is 'no'; it takes true or false"),
        ({"series": 3}, "series is 3; it takes text"),
        ({"colour": "red"}, "table: unknown key 'colour'"),
    ],
)
def test_sections_that_cannot_be_are_refused(people, change, text):
    with pytest.raises(ArgumentError, match=text):
        table({"file": people, **COLUMNS, **change})


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("no.csv", None, "there is no file"),
        ("empty.csv", "", "is no table"),
        ("odd.xlsx", "x", r"it takes \.csv, \.tsv \(also \.gz\) or \.parquet"),
        ("odd.csv", 'a,b\n1,"', "is no table"),
    ],
)
def test_files_that_hold_no_table_are_named(tmp_path, name, content, text):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises((DataError, ArgumentError), match=text):
        load("x", table({"file": str(tmp_path / name), "label": "b", "series": "a"}), 0)


def test_file_and_label_are_asked_for():
    with pytest.raises(ArgumentError, match="file is missing; a table takes at least file and label"):
        table({"label": "y"})
