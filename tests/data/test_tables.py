import numpy as np
import pytest

from wormnet.data import Sequences
from wormnet.errors import ArgumentError, DataError

pd = pytest.importorskip("pandas")

# Rows out of order, two people, one value missing.
WIDE = {
    "who": ["bob", "ann", "bob", "ann", "ann"],
    "hour": [5, 2, 3, 0, 7],
    "pulse": [80, 66, 82, 60, np.nan],
    "temp": [38.5, 37.5, 39.0, 36.5, 37.0],
    "ill": ["yes", "no", "yes", "no", "no"],
}
KEYS = {"series": "who", "time": "hour", "first_dt": 1}


@pytest.mark.parametrize("kind", [dict, pd.DataFrame, lambda t: pd.DataFrame(t).convert_dtypes()])
def test_a_wide_table_gives_the_samples_of_each_series_by_time(kind):
    part = Sequences.from_wide(kind(WIDE), **KEYS, label="ill", missing="forward")
    assert part.lengths is not None
    assert part.lengths.tolist() == [2, 3]  # bob comes first
    np.testing.assert_array_equal(part.x[0, :2, :2], np.float32([[82, 39], [80, 38.5]]))
    np.testing.assert_array_equal(part.x[1, :, :2], np.float32([[60, 36.5], [66, 37.5], [66, 37]]))
    np.testing.assert_array_equal(part.x[1, :, 2:4], [[1, 1], [1, 1], [0, 1]])
    np.testing.assert_array_equal(part.dt, [[1, 2, 1], [1, 2, 5]])
    assert (part.classes, part.y.tolist()) == (("no", "yes"), [1, 0])


@pytest.mark.parametrize("kind", [dict, pd.DataFrame])
def test_a_long_table_gives_a_sample_for_each_time(kind):
    long = {"who": [], "hour": [], "what": [], "much": []}
    for i in (3, 0, 4, 2, 1):
        for what in ("temp", "pulse"):
            if WIDE[what][i] == WIDE[what][i]:
                for name, cell in zip(long, (WIDE["who"][i], WIDE["hour"][i], what, WIDE[what][i])):
                    long[name].append(cell)
    part = Sequences.from_long(
        kind(long), **KEYS, variable="what", value="much", label={"ann": "no", "bob": "yes"}, missing="forward"
    )
    wide = Sequences.from_wide(WIDE, **KEYS, label="ill", missing="forward")
    order = [1, 0]  # ann comes first here
    np.testing.assert_array_equal(part.x, wide.x[order])
    np.testing.assert_array_equal(part.dt, wide.dt[order])  # pyright: ignore[reportOptionalSubscript]
    assert part.y.tolist() == wide.y[order].tolist()
    chosen = Sequences.from_long(
        kind(long),
        **KEYS,
        variable="what",
        value="much",
        label=pd.Series({"ann": 0.5, "bob": 1.5}),
        inputs=["temp", "o2"],
        missing="zero",
        indicators=False,
    )
    np.testing.assert_array_equal(chosen.x[1, :2], [[39, 0], [38.5, 0]])
    assert (chosen.task, chosen.y.tolist()) == ("regress", [[0.5], [1.5]])


def test_a_table_may_be_one_sequence_with_a_label_on_every_row():
    part = Sequences.from_wide({"a": [1, 2, 3], "b": [3.0, 4, 5], "y": [0, 1, 1]}, label="y", per="step")
    assert (len(part), part.per, part.dt) == (1, "step", None)
    np.testing.assert_array_equal(part.y, [[0, 1, 1]])
    part = Sequences.from_wide({"a": [1, 2], "u": [3.0, 4], "v": [0, 1]}, label=["u", "v"], per="step")
    np.testing.assert_array_equal(part.y, [[[3, 0], [4, 1]]])


def test_dates_of_pandas_are_counted_in_the_unit_that_is_told():
    table = pd.DataFrame({**WIDE, "hour": pd.Timestamp("2021-03-01") + pd.to_timedelta(WIDE["hour"], "h")})
    options = {**KEYS, "label": "ill", "missing": "zero"}
    part, known = Sequences.from_wide(table, **options, time_unit="h"), Sequences.from_wide(WIDE, **options)
    np.testing.assert_array_equal(part.dt, known.dt)
    with pytest.raises(ArgumentError, match=r"column 'hour' holds dates; .*time_unit="):
        Sequences.from_wide(table, **options)
    table["hour"] = table["hour"].dt.tz_localize("Europe/Berlin")
    np.testing.assert_array_equal(Sequences.from_wide(table, **options, time_unit="h").dt, known.dt)


@pytest.mark.parametrize("kind", [list, lambda cells: np.array(cells, object), lambda cells: pd.Series(cells)])
def test_dates_as_text_are_dates_and_numbers_as_text_are_nothing(kind):
    days = ["2021-03-05", "2021-03-02", "2021-03-03", "2021-02-28T12:00Z", "2021-03-07"]
    options = {"series": "who", "time": "day", "label": "ill", "inputs": ["temp"], "first_dt": 1, "time_unit": "D"}
    table = {**WIDE, "day": kind(days)}
    np.testing.assert_array_equal(
        Sequences.from_wide(table, **options).dt,
        Sequences.from_wide(
            {**WIDE, "day": np.array([d.removesuffix("Z") for d in days], "datetime64[m]")}, **options
        ).dt,
    )
    with pytest.raises(ArgumentError, match="column 'day' holds '7'; it takes numbers, or dates, as text such as"):
        Sequences.from_wide({**WIDE, "day": kind(["7", "8", "9", "1", "2"])}, **options)
    mixed = np.array([pd.Timestamp(days[0]), *range(4)], object)
    with pytest.raises(ArgumentError, match="column 'day' holds 0; it takes numbers, or dates"):
        Sequences.from_wide({**WIDE, "day": mixed}, **options)


@pytest.mark.parametrize("unit", ["ns", "s", "D"])
@pytest.mark.parametrize("kind", "mM")
def test_a_date_is_no_input_and_no_label(unit, kind):
    table = {**WIDE, "seen": np.arange(5).astype(f"{kind}8[{unit}]")}
    with pytest.raises(ArgumentError, match="column 'seen' holds dates; name it in time="):
        Sequences.from_wide(table, **KEYS, label="ill", missing="zero")
    with pytest.raises(ArgumentError, match="column 'seen' holds dates; a label is a name or a number"):
        Sequences.from_wide(table, **KEYS, inputs=["temp"], label="seen", per="step")


def changed(**columns):
    return {**WIDE, **columns}


@pytest.mark.parametrize(
    ("table", "options", "error", "text"),
    [
        (WIDE, {"label": "il"}, ArgumentError, "unknown column 'il'; did you mean 'ill'"),
        (WIDE, {"label": "ill", "per": "row"}, ArgumentError, "unknown per 'row'"),
        (WIDE, {"label": "ill", "inputs": ["hour"]}, ArgumentError, "column 'hour' is to be an input and a key"),
        (WIDE, {"label": "ill", "inputs": []}, ArgumentError, "inputs is"),
        (WIDE, {"label": "ill"}, ArgumentError, r'is nan; .*missing="forward"'),
        (WIDE, {"label": {"ann": 1}, "inputs": ["temp"]}, DataError, "series 'bob' has no label; 1 in all"),
        (
            WIDE,
            {"label": {"ann": 1, "bob": 0}, "per": "step", "inputs": ["temp"]},
            ArgumentError,
            "one label per sequence",
        ),
        (changed(ill=list("abcde")), {"label": "ill"}, DataError, "series 'bob' has several labels.*per=\"step\""),
        (changed(ill=["a", "b", None, "b", "b"]), {"label": "ill"}, DataError, "column 'ill' is missing in row 2"),
        (changed(ill=[np.nan, 2, 1.0, 2, 2]), {"label": "ill"}, DataError, "series 'bob' has several labels"),
        (changed(ill=[1.0, np.nan, 1, np.nan, np.nan]), {"label": "ill"}, DataError, "series 'ann' has no label"),
        (changed(hour=[5, 2, 3, 2, 7]), {"label": "ill"}, ArgumentError, "sequence 1 is 2, after 2; .*merge them"),
        (changed(hour=[5, 2, 3, np.nan, 7]), {"label": "ill"}, DataError, "column 'hour' is missing in row 3"),
        (changed(who=["bob", None, "bob", "a", "a"]), {"label": "ill"}, DataError, "column 'who' is missing in row 1"),
        (changed(temp=list("abcde")), {"label": "ill"}, ArgumentError, "column 'temp' holds 'a' in row 0; .*inputs="),
        ({name: [] for name in WIDE}, {"label": "ill"}, DataError, "the table has no rows"),
        ([1, 2], {"label": "ill"}, ArgumentError, "table is a list; it takes a DataFrame"),
    ],
)
def test_what_does_not_fit_is_told_by_column_or_series(table, options, error, text):
    with pytest.raises(error, match=text):
        Sequences.from_wide(table, **{**KEYS, **options})


def test_two_values_of_one_variable_at_one_time_are_refused():
    long = {"who": ["ann"] * 3, "hour": [0, 1, 1], "what": ["t"] * 3, "much": [1.0, 2, 3]}
    with pytest.raises(DataError, match=r"series 'ann' has 2 values of 't' at hour 1; merge them"):
        Sequences.from_long(long, **KEYS, variable="what", value="much", label={"ann": 1})
