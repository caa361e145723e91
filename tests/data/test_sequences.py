import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wormnet.data.dataset import Dataset, guess
from wormnet.data.sequences import Sequences
from wormnet.errors import ArgumentError, DataError, ShapeError

N, TIME = 4, 4  # as many sequences as steps: shapes that collide


def kinds():
    """Every kind of y with what it means, at sizes where (n,), (n, time) and (n, outputs) look alike."""
    rng = np.random.default_rng(0)
    return {
        ("classify", "sequence"): rng.integers(0, 3, N),
        ("classify", "step"): rng.integers(0, 3, (N, TIME)),
        ("regress", "sequence"): rng.normal(size=(N, TIME)),  # TIME outputs
        ("regress", "step"): rng.normal(size=(N, TIME, TIME)),
    }


@pytest.mark.parametrize(("task", "per"), kinds())
@pytest.mark.parametrize("inputs", [1, TIME])
def test_the_dtype_and_shape_of_y_tell_the_task(task, per, inputs):
    sequences = Sequences(np.zeros((N, TIME, inputs)), kinds()[task, per])
    assert (sequences.task, sequences.per, sequences.n_inputs, len(sequences)) == (task, per, inputs, N)
    assert sequences.x.dtype == np.float32
    assert sequences.y.dtype == (np.int64 if task == "classify" else np.float32)


def test_whole_numbers_written_as_floats_stay_regression():
    assert Sequences(np.zeros((N, TIME, 1)), np.zeros((N, TIME))).task == "regress"


@pytest.mark.parametrize("dt", [np.ones(N), np.ones((N, TIME))])
def test_arrays_are_read_only_copies_and_the_callers_stay_writable(dt):
    x, y, lengths = np.ones((N, TIME, 2), np.float32), np.ones((N, TIME, 3), np.float32), np.array([1, 2, 3, 4])
    before = [a.copy() for a in (x, y, lengths, dt)]
    sequences = Sequences(x, y, lengths, dt)
    for mine, given_array, old in zip(
        (sequences.x, sequences.y, sequences.lengths, sequences.dt), (x, y, lengths, dt), before
    ):
        assert mine is not None
        assert not np.shares_memory(mine, given_array)
        np.testing.assert_array_equal(given_array, old)
        given_array[...] = 7
        assert not np.any(mine == 7)
        with pytest.raises(ValueError, match="read-only"):
            mine[0] = 0
    with pytest.raises(AttributeError):
        sequences.x = x  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(
    "remake", [copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s)), lambda s: s.take(slice(None))]
)
def test_copies_hold_the_same_and_are_read_only_too(remake):
    sequences = Sequences(np.ones((2, 3, 1)), [0, 1], [1, 3], np.full((2, 3), 0.5))
    again = remake(sequences)
    for name in ("x", "y", "lengths", "dt"):
        np.testing.assert_array_equal(getattr(again, name), getattr(sequences, name))
        assert not getattr(again, name).flags.writeable


@given(st.data())
def test_what_lies_behind_the_end_of_a_sequence_is_never_read(data):
    lengths = np.array(data.draw(st.lists(st.integers(0, TIME), min_size=N, max_size=N)))
    task, per = data.draw(st.sampled_from(list(kinds())))
    garbage = data.draw(st.sampled_from([np.nan, np.inf, -1.0, 1e300]))
    rng = np.random.default_rng(data.draw(st.integers(0, 9)))
    x, y, dt = rng.normal(size=(N, TIME, 2)), kinds()[task, per].copy(), rng.uniform(0.1, 2, (N, TIME))
    clean = Sequences(x, y, lengths, dt)
    behind = np.arange(TIME) >= lengths[:, None]
    x[behind], dt[behind] = garbage, -1
    if per == "step":
        y[behind] = -100 if task == "classify" else garbage
    dirty = Sequences(x, y, lengths, dt)
    for name in ("x", "y", "lengths", "dt"):
        np.testing.assert_array_equal(getattr(dirty, name), getattr(clean, name))
    assert len(dirty.targets) == (lengths.sum() if per == "step" else N)


@given(st.lists(st.integers(-N, N - 1), min_size=1, max_size=9))
def test_take_is_numpy_indexing_of_every_array(indices):
    x, y, dt = np.arange(N * 6.0).reshape(N, 3, 2), np.arange(N), np.arange(1.0, N + 1)
    taken = Sequences(x, y, [1, 2, 3, 3], dt).take(indices)
    np.testing.assert_array_equal(taken.y, y[indices])
    np.testing.assert_array_equal(taken.lengths, np.array([1, 2, 3, 3])[indices])
    np.testing.assert_array_equal(taken.dt, dt[indices])
    np.testing.assert_array_equal(taken.x[:, 0], x[indices][:, 0])


def test_a_mask_takes_where_it_is_true():
    sequences = Sequences(np.zeros((N, TIME, 1)), [3, 2, 1, 0])
    np.testing.assert_array_equal(sequences.take(sequences.y > 1).y, [3, 2])


@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=5), st.sampled_from(["class", "row", "class per step", "per step"])
)
def test_from_list_keeps_every_sequence_and_pads_the_rest(lengths, kind):
    rng = np.random.default_rng(1)
    xs = [rng.normal(size=(k, 2)).astype(np.float32) for k in lengths]
    dts = [rng.uniform(0.1, 1, k).astype(np.float32) for k in lengths]
    ys = {
        "class": [1 for _ in lengths],
        "row": [
            rng.normal(size=max(1, lengths[0])).astype(np.float32) for _ in lengths
        ],  # as wide as the first is long
        "class per step": [rng.integers(0, 3, k) for k in lengths],
        "per step": [rng.normal(size=(k, 3)).astype(np.float32) for k in lengths],
    }[kind]
    sequences = Sequences.from_list(xs, ys, dts)
    assert sequences.lengths is not None
    assert sequences.dt is not None
    np.testing.assert_array_equal(sequences.lengths, lengths)
    assert sequences.per == ("step" if "step" in kind else "sequence")
    for i, k in enumerate(lengths):
        np.testing.assert_array_equal(sequences.x[i, :k], xs[i])
        np.testing.assert_array_equal(sequences.dt[i, :k], dts[i])
        np.testing.assert_array_equal(sequences.y[i, :k] if "step" in kind else sequences.y[i], ys[i])
        assert not sequences.x[i, k:].any()


X = np.zeros((3, 5, 2))
BAD = {
    "x 2-d": (
        {"x": X[0], "y": [0, 1, 1]},
        ShapeError,
        r"x has shape \(5, 2\); it takes \(sequences, time, inputs\).*x\[:, :, None\]",
    ),
    "x empty": ({"x": X[:0], "y": []}, ShapeError, r"x has shape \(0, 5, 2\).*at least 1 each"),
    "x ragged": ({"x": [[[1]], [[1], [2]]], "y": [0, 1]}, ShapeError, "unequal length use Sequences.from_list"),
    "x text": ({"x": [[["a"]]], "y": [0]}, ArgumentError, "x holds <U1 values; it takes numbers"),
    "x complex": ({"x": X * 1j, "y": [0, 1, 1]}, ArgumentError, "x holds complex128 values"),
    "y floats (n,)": ({"x": X, "y": [0.5, 1, 2]}, ShapeError, r"y has shape \(3,\) of float64.*pass y\[:, None\]"),
    "y too few": ({"x": X, "y": [0, 1]}, ShapeError, r"y has shape \(2,\) of int64, beside 3 sequences of 5 steps"),
    "y whole (n, 2)": ({"x": X, "y": np.zeros((3, 2), int)}, ShapeError, "For regression pass floats"),
    "y float steps": ({"x": X, "y": np.zeros((3, 4, 1))}, ShapeError, r"y has shape \(3, 4, 1\)"),
    "y no outputs": ({"x": X, "y": np.zeros((3, 0))}, ShapeError, r"y has shape \(3, 0\)"),
    "y negative": (
        {"x": X, "y": [0, 1, -1]},
        ArgumentError,
        r"y\[2\] of sequence 2 is -1; classes are whole numbers from 0",
    ),
    "y nan": ({"x": X, "y": [[0.0], [np.nan], [1.0]]}, ArgumentError, r"y\[1, 0\] of sequence 1 is nan"),
    "lengths negative": (
        {"x": X, "y": [0, 1, 1], "lengths": [1, -1, 5]},
        ArgumentError,
        r"lengths\[1\] is -1; sequence 1 has 0 to 5 steps",
    ),
    "lengths long": ({"x": X, "y": [0, 1, 1], "lengths": [1, 2, 6]}, ArgumentError, r"lengths\[2\] is 6"),
    "lengths float": (
        {"x": X, "y": [0, 1, 1], "lengths": [1.0, 2, 3]},
        ShapeError,
        r"one whole number per sequence: \(3,\)",
    ),
    "lengths few": ({"x": X, "y": [0, 1, 1], "lengths": [1, 2]}, ShapeError, r"lengths has shape \(2,\)"),
    "dt steps": ({"x": X, "y": [0, 1, 1], "dt": np.ones(5)}, ShapeError, r"dt has shape \(5,\).*\(3,\).*\(3, 5\)"),
    "dt number": ({"x": X, "y": [0, 1, 1], "dt": 1.0}, ShapeError, r"dt has shape \(\)"),
    "dt 0": ({"x": X, "y": [0, 1, 1], "dt": [1, 0, 1]}, ArgumentError, r"dt\[1\] of sequence 1 is 0.0"),
    "dt underflows": (
        {"x": X, "y": [0, 1, 1], "dt": [1, 1, 1e-60]},
        ArgumentError,
        r"dt\[2\] of sequence 2 is 0.0 in float32",
    ),
    "dt inf": ({"x": X, "y": [0, 1, 1], "dt": [1, np.inf, 1]}, ArgumentError, r"dt\[1\] of sequence 1 is inf"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_gets_one_error_that_names_it(case):
    arguments, error, text = BAD[case]
    with pytest.raises(error, match=text):
        Sequences(**arguments)


@pytest.mark.parametrize(
    ("value", "text"), [(np.nan, "is nan"), (np.inf, "is inf"), (1e39, r"is 1e\+39.*finite in float32")]
)
def test_a_number_that_float32_cannot_hold_is_named_with_its_place(value, text):
    x = X.copy()
    x[2, 3, 1] = value
    with pytest.raises(ArgumentError, match=rf"x\[2, 3, 1\] of sequence 2 {text}"):
        Sequences(x, [0, 1, 1])


@pytest.mark.parametrize("indices", [[3], [-4], [0.5], [True, False], [], 1, [[0]]])
def test_take_refuses_what_is_not_there(indices):
    with pytest.raises((ArgumentError, ShapeError), match="take"):
        Sequences(X, [0, 1, 1]).take(indices)


@pytest.mark.parametrize(
    ("x", "y", "dt", "text"),
    [
        ([], [], None, "holds no sequence"),
        ([np.zeros(3)], [0], None, r"x\[0\] has shape \(3,\); it takes \(time, inputs\)"),
        ([np.zeros((3, 1)), np.zeros((3, 2))], [0, 1], None, r"x\[1\] has shape \(3, 2\)"),
        ([np.zeros((3, 1)), np.zeros((2, 1))], [[0, 1, 2], [0, 1, 2]], None, r"y\[1\].*sequence 1 has 2 steps"),
        ([np.zeros((3, 1)), np.zeros((2, 1))], [0], None, "y has 1 entries; there are 2 sequences"),
        (3, [0], None, "x is 3; it takes a list of \\(time, inputs\\) arrays"),
        ([np.zeros((3, 1)), np.zeros((2, 1))], 5, None, "y is 5; it takes one entry for each of the 2 sequences"),
        (
            [np.zeros((3, 1)), np.zeros((2, 1))],
            [0, 1],
            1.0,
            "dt is 1.0; it takes one entry for each of the 2 sequences",
        ),
        (
            [np.zeros((3, 1)), np.zeros((2, 1))],
            [np.zeros(3, int), np.zeros(2)],
            None,
            r"y\[1\] holds float64 and y\[0\] int64; whole numbers are classes, floats are regression",
        ),
        ([np.zeros((3, 1)), np.zeros((2, 1))], [0, 1], [np.ones(3), np.ones(3)], r"dt\[1\] has shape \(3,\)"),
        ([np.zeros((3, 1)), np.zeros((2, 1))], [[0.5], [0.5, 1.0]], None, r"y\[1\] has shape \(2,\) and y\[0\] \(1,\)"),
    ],
)
def test_from_list_says_which_sequence_does_not_fit(x, y, dt, text):
    with pytest.raises(ShapeError, match=text):
        Sequences.from_list(x, y, dt)


def test_a_repr_tells_which_axis_is_time():
    assert repr(Sequences(X, [0, 1, 1])).startswith("Sequences(3 sequences x 5 steps x 2 inputs")


CASES = np.arange(30.0).reshape(3, 2, 5)  # (sequences, channels, time), as aeon has it
TURNED = r"its axis 1 is taken for time; it looks like \(sequences, channels, time\).*from_channels"


@pytest.mark.parametrize(
    "arguments",
    [
        {"y": np.zeros((3, 5), int)},
        {"y": np.zeros((3, 5, 1))},
        {"y": [0, 1, 1], "lengths": [5, 3, 4]},
        {"y": [0, 1, 1], "dt": np.ones((3, 5))},
        {"y": [0, 1, 1], "times": np.arange(5), "first_dt": 1},
    ],
)
def test_an_array_that_must_be_untransposed_is_told_so(arguments):
    with pytest.raises((ShapeError, ArgumentError), match=TURNED):
        Sequences(CASES, **arguments)


def test_channels_before_time_that_are_padded_with_nan_are_told_so():
    padded = CASES.copy()
    padded[1, :, 3:] = np.nan
    with pytest.raises(ArgumentError, match=TURNED):
        Sequences(padded, [0, 1, 1])


def test_one_channel_before_time_gets_a_warning():
    with pytest.warns(UserWarning, match=rf"\(3, 1, 10\): 3 sequences of one step.*{TURNED}"):
        Sequences(CASES.reshape(3, 1, 10), [0, 1, 1])


def test_from_channels_exchanges_channels_and_time():
    part = Sequences.from_channels(CASES, ["b", "a", "b"], times=[0, 1, 2, 3, 5], first_dt=1)
    np.testing.assert_array_equal(part.x, CASES.transpose(0, 2, 1))
    assert part.classes == ("a", "b")
    assert part.y.tolist() == [1, 0, 1]
    ragged = Sequences.from_channels([CASES[0], CASES[1, :, :3]], [0, 1])
    assert ragged.lengths is not None
    assert ragged.lengths.tolist() == [5, 3]
    np.testing.assert_array_equal(ragged.x[1, :3], CASES[1, :, :3].T)
    with pytest.raises(ShapeError, match=r"x has shape \(2, 5\); it takes \(sequences, channels, time\)"):
        Sequences.from_channels(CASES[0], [0])


def test_names_are_classes_in_sorted_order_or_in_the_order_given():
    part = Sequences(X, ["well", "sick", "well"])
    assert (part.classes, part.y.tolist(), part.task) == (("sick", "well"), [1, 0, 1], "classify")
    part = Sequences(X, ["well", "sick", "well"], classes=("well", "sick", "dead"))
    assert (part.classes, part.y.tolist()) == (("well", "sick", "dead"), [0, 1, 0])
    assert part.take([1]).classes == ("well", "sick", "dead")
    assert pickle.loads(pickle.dumps(part)).classes == ("well", "sick", "dead")
    assert Sequences(X, np.array(["a", "b", "a"], object)).classes == ("a", "b")
    assert Sequences(X, np.array([b"a", b"b", b"a"])).classes == ("a", "b")


def test_names_past_the_end_are_not_read():
    y = np.array([["a", "b", None], ["c", None, None]], object)
    part = Sequences(np.zeros((2, 3, 1)), y, lengths=[2, 1])
    assert (part.classes, part.per) == (("a", "b", "c"), "step")
    np.testing.assert_array_equal(part.y, [[0, 1, 0], [2, 0, 0]])
    listed = Sequences.from_list([np.zeros((2, 1)), np.zeros((0, 1))], [["a", "b"], []])
    np.testing.assert_array_equal(listed.y, [[0, 1], [0, 0]])


@pytest.mark.parametrize(
    ("y", "options", "text"),
    [
        (["a", "b", "c"], {"classes": ("a", "b")}, "unknown class in y: 'c'"),
        (np.array(["a", None, "c"], object), {}, r"y\[1\] is missing"),
        (np.array(["a", np.nan, "c"], object), {}, r"y\[1\] is missing"),
        (np.array(["a", 3, "c"], object), {}, r"y\[1\] is 3; it takes names only"),
        ([0, 1, 2], {"classes": ("a", "b")}, "is 2, but there are 2 classes"),
        ([[0.5], [0.5], [1.0]], {"classes": ("a", "b")}, "y holds floats, which are regression"),
        (["a", "b", "c"], {"classes": ("a", "a")}, "all different"),
        (np.ma.masked_array([0, 1, 1], [False, True, False]), {}, "masked array that hides labels"),
    ],
)
def test_labels_that_cannot_be_are_told(y, options, text):
    with pytest.raises(ArgumentError, match=text):
        Sequences(X, y, **options)


def test_parts_of_a_data_set_share_the_numbers_of_their_classes():
    train, test = Sequences(X, ["a", "c", "a"]), Sequences(X, ["b", "c", "c"])
    mine = Dataset("d", train, train, test)
    assert mine.classes == ("a", "b", "c")
    assert (mine.train.y.tolist(), mine.test.y.tolist()) == ([0, 2, 0], [1, 2, 2])
    assert Dataset("d", train, train, test, classes=("c", "b", "a")).test.y.tolist() == [1, 0, 0]
    with pytest.raises(DataError, match=r"d: test: classes \('a', 'c'\) lack 'b'"):
        Dataset("d", train, train, test, classes=("a", "c"))
    with pytest.raises(DataError, match="classes have names in train and numbers in test"):
        Dataset("d", train, train, Sequences(X, [0, 1, 1]))


def test_sequences_of_length_0_are_kept():
    part = Sequences.from_list([np.zeros((0, 2)), np.ones((3, 2))], [0, 1], times=[[], [1, 2, 4]], first_dt=0.5)
    assert part.lengths is not None
    assert part.lengths.tolist() == [0, 3]
    assert part.dt is not None
    np.testing.assert_array_equal(part.dt, [[1, 1, 1], [0.5, 1, 2]])
    assert part[0].x.shape == (0, 2)
    assert Sequences.from_list([np.zeros((0, 2))], [0]).x.shape == (1, 1, 2)
    empty = Sequences(X, np.zeros((3, 5), int), lengths=[0, 0, 0])
    with pytest.raises(DataError, match="all sequences of train have length 0"):
        Dataset("d", empty, empty, empty)


def test_a_layer_takes_a_batch_with_a_sequence_of_length_0():
    wormnet = pytest.importorskip("wormnet")
    part = Sequences.from_list([np.zeros((0, 2)), np.ones((3, 2))], [0, 1])
    batch = part.collate(list(part))
    y, _ = wormnet.LTC(wormnet.dense(2, 3), backend="reference")(batch.x, dt=batch.dt, lengths=batch.lengths)
    assert not y[0].any()
    assert y[1].all()


def test_padding_that_would_fill_the_memory_is_refused():
    with pytest.raises(ShapeError, match="30000 sequences hold 59999 steps in all, and the longest 30000"):
        Sequences.from_list([np.zeros((1, 1))] * 29_999 + [np.zeros((30_000, 1))], np.zeros(30_000, int))


def test_what_a_masked_array_hides_is_missing():
    x = np.ma.masked_array(X, X > 1)
    x[1, 2, 0] = np.ma.masked
    with pytest.raises(ArgumentError, match=r'x\[1, 2, 0\] of sequence 1 is nan.*pass missing="forward"'):
        Sequences(x, [0, 1, 1])
    assert Sequences(x, [0, 1, 1], missing="zero").x[1, 2, 2] == 0  # the mask


def test_it_is_a_data_set_for_torch():
    torch = pytest.importorskip("torch")
    from torch.utils.data import DataLoader, Subset, random_split

    part = Sequences.from_list(
        [np.full((k, 2), k) for k in (3, 1, 2)], [[0, 1, 1], [1], [0, 0]], [np.full(k, 0.5) for k in (3, 1, 2)]
    )
    x, y, length, dt = part[1]
    assert (x.shape, y.tolist(), length, dt.tolist()) == ((1, 2), [1], 1, [0.5])
    assert [item.length for item in part] == [3, 1, 2]
    assert isinstance(part[1:], Sequences)
    assert len(part[1:]) == len(part[[0, 2]]) == len(part[np.array([True, False, True])]) == 2
    assert part[-1].length == 2
    with pytest.raises(IndexError, match="index 3 was asked for; there are 3 sequences"):
        part[3]
    (batch,) = DataLoader(part, batch_size=3, collate_fn=part.collate)  # pyright: ignore[reportArgumentType]
    assert batch.lengths.tolist() == [3, 1, 2]
    np.testing.assert_array_equal(batch.x, part.x)
    np.testing.assert_array_equal(batch.y, part.y)
    np.testing.assert_array_equal(batch.dt, part.dt)
    short = part.collate([part[1], part[2]])
    assert short.x.shape == (2, 2, 2)  # no longer than its longest
    subset = Subset(part, [2, 0])  # pyright: ignore[reportArgumentType]
    assert [b.lengths.tolist() for b in DataLoader(subset, collate_fn=part.collate)] == [[2], [3]]
    one, two = random_split(part, [1, 2], torch.Generator().manual_seed(0))  # pyright: ignore[reportArgumentType]
    assert (len(one), len(two)) == (1, 2)


@pytest.mark.parametrize("kind", kinds())
def test_collate_keeps_every_kind_of_target(kind):
    part = Sequences(np.ones((N, TIME, 2)), kinds()[kind], lengths=[4, 2, 1, 3])
    batch = part.collate(list(part))
    np.testing.assert_array_equal(batch.y, part.y)
    assert batch.dt is None
    with pytest.raises(ShapeError, match="list of items"):
        part.collate([part])  # pyright: ignore[reportArgumentType]


def part(y, inputs=2):
    return Sequences(np.zeros((len(y), 5, inputs)), y)


def test_guessing_scores_what_counting_and_the_variance_say():
    train, test = part([2, 2, 0]), part([2, 0, 0, 1])
    assert guess(Dataset("d", train, test, test)) == {"majority": 0.25}
    values = np.random.default_rng(0).normal(3, 2, (50, 1))
    same = part(values)
    assert guess(Dataset("d", same, same, same))["mean"] == pytest.approx(values.var(), rel=1e-5)


def test_guessing_leaves_the_padding_out():
    padded = Sequences(np.zeros((2, 3, 1)), [[1, 9, 9], [1, 1, 9]], lengths=[1, 2])
    assert guess(Dataset("d", padded, padded, padded)) == {"majority": 1.0}


def test_classes_are_named_and_cover_every_label():
    assert Dataset("d", part([0, 1]), part([0, 3]), part([0, 1])).classes == ("0", "1", "2", "3")
    with pytest.raises(DataError, match="d: label 3 occurs, but there are 2 classes"):
        Dataset("d", part([0, 1]), part([0, 3]), part([0, 1]), classes=("a", "b"))
    with pytest.raises(DataError, match="2 classes are named, but y holds floats"):
        Dataset("d", part([[0.5]]), part([[0.5]]), part([[0.5]]), classes=("a", "b"))


@pytest.mark.parametrize(
    ("other", "text"),
    [
        (part([0, 1], inputs=3), "n_inputs is 3 in test and 2 in train"),
        (part([[0.5], [0.5]]), "task is regress in test and classify in train"),
        (part([[0, 1, 2, 3, 4]]), "per is step in test and sequence in train"),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(other, text):
    with pytest.raises(DataError, match=text):
        Dataset("d", part([0, 1]), part([0, 1]), other)


def test_a_part_that_is_no_sequences_is_told():
    good = part([0, 1, 1])
    with pytest.raises(ArgumentError, match=r"mine: valid is array\(.*; it takes Sequences\."):
        Dataset("mine", good, np.zeros(3), good)


def test_targets_of_other_width_are_refused():
    with pytest.raises(DataError, match="test has 2 outputs and train 1"):
        Dataset("d", part([[0.5]]), part([[0.5]]), part([[0.5, 0.5]]))


def test_baselines_are_measured_when_asked_for_and_once():
    calls = []

    def measure(dataset):
        calls.append(dataset.name)
        return {"one": 1.0}

    mine = Dataset("d", part([0]), part([0]), part([0]), measure=measure)
    assert not calls
    assert mine.baselines == mine.baselines == {"one": 1.0}
    assert calls == ["d"]


def test_importing_the_data_package_imports_nothing_heavy():
    code = (
        "import sys, wormnet.data; heavy = {'torch', 'aeon', 'sklearn', 'pandas', 'scipy', 'numba', 'pooch', 'rich'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
