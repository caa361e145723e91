"""The recorded data sets, on their real files: walker2d, gesture, occupancy, traffic."""

import numpy as np
import pytest

from wormnet import data
from wormnet.data import gesture, halfcheetah, lidar, occupancy, registry, traffic, walker2d
from wormnet.data.windows import cuts, deal
from wormnet.errors import ArgumentError, DataError


@pytest.fixture
def load(offline, monkeypatch):
    def load(name, **options):
        files = data.info(name).files
        assert files is not None
        monkeypatch.setenv("WORMNET_DATA", str(offline(files.folder)))
        return data.load(name, **options)

    return load


def frames(part):
    """Each step with its target, as bytes."""
    x, y = part.x[part.mask], part.y[part.mask]
    return [a.tobytes() + b.tobytes() for a, b in zip(x, y)]


def leak(dataset, part="test"):
    """Share of the steps of a part that train holds, too."""
    known = set(frames(dataset.train))
    return np.mean([frame in known for frame in frames(getattr(dataset, part))])


def near(**scores):
    return {name.replace("_", " "): pytest.approx(score, abs=5e-4) for name, score in scores.items()}


def test_walker2d_has_the_windows_and_the_scores_of_the_published_code(load):
    dataset = load("walker2d", protocol="published")
    assert [len(part) for part in (dataset.train, dataset.valid, dataset.test)] == [9684, 1272, 1937]
    # Measured before, by other code: mean 9.46, persistence 4.54, linear on 1, 2, 4 lags 3.13, 3.00, 2.94.
    assert dataset.baselines == {
        **near(mean=9.4578, persistence=4.5375),
        **near(linear_on_1_lag=3.1307, linear_on_2_lags=2.9986, linear_on_4_lags=2.9361),
    }
    assert leak(dataset) == 0


def walk(rollouts, rng):
    """The published loop over the steps of a rollout, one by one: (x, y, dt) of those that are kept."""
    for rollout in rollouts:
        kept, skip = [], 0
        for t in range(len(rollout) - 1):
            skip += 1
            if rng.rand() < 0.9:
                kept.append((rollout[t], rollout[t + 1], skip))
                skip = 0
        yield kept


def test_the_published_loop_of_walker2d_is_followed_step_by_step(load, data_directory):
    dataset = load("walker2d", protocol="published")
    with np.load(data_directory / "walker2d" / "walker2d.npz") as packed:
        order = list(range(400))
        np.random.RandomState(125487).shuffle(order)
        rollouts = [packed[f"rollout_{i:03d}"] for i in (*order[100:], *order[60:100], *order[:60])]
    known = walk(rollouts, np.random.RandomState(891374))
    for part, n in ((dataset.train, 300), (dataset.valid, 40), (dataset.test, 60)):
        i = 0
        for _ in range(n):
            kept = next(known)
            for start in range(0, len(kept) - 64, 16):
                if i % 97 == 0:
                    x, y, dt = zip(*kept[start : start + 64])
                    np.testing.assert_array_equal(part.x[i], x)
                    np.testing.assert_array_equal(part.y[i], y)
                    np.testing.assert_array_equal(part.dt[i], dt)
                i += 1
        assert i == len(part)


def test_clean_walker2d_loses_other_samples_of_train_for_each_seed_and_counts_the_others_once(load):
    first, second = load("walker2d", seed=1), load("walker2d", seed=2)
    assert first.train.x.tobytes() != second.train.x.tobytes()
    for name in ("valid", "test"):
        assert getattr(first, name).x.tobytes() == getattr(second, name).x.tobytes()
        assert len(set(frames(getattr(first, name)))) == int(getattr(first, name).mask.sum())
    assert leak(first) == 0
    assert np.mean(first.train.dt[first.train.mask] == 1) == pytest.approx(0.9, abs=0.01)
    assert first.baselines == near(
        mean=9.2354, persistence=4.3272, linear_on_1_lag=3.0484, linear_on_2_lags=2.9213, linear_on_4_lags=2.8623
    )


def test_gesture_leaves_one_person_out(load):
    sets = [load("gesture", fold=fold) for fold in range(3)]
    tested = [frame for one in sets for frame in frames(one.test)]
    assert len(tested) == len(set(tested)) == 9873
    assert [int(one.test.mask.sum()) for one in sets] == [1743 + 1260 + 1830, 1069 + 1420, 1107 + 1444]
    for one in sets:
        assert leak(one) == leak(one, "valid") == 0
        # Windows of full length leave fewer than 16 frames of a recording out, of train alone.
        assert len({*frames(one.train), *frames(one.valid), *frames(one.test)}) > 9873 - 5 * 16
    assert frames(load("gesture").test) == frames(sets[2].test)
    counts = sum(np.bincount(one.test.targets, minlength=5) for one in sets)
    assert counts.tolist() == [2741, 2097, 2950, 998, 1087]  # rest, preparation, stroke, hold, retraction


def test_the_published_windows_of_gesture_leak_as_the_docstring_says(load):
    dataset = load("gesture", protocol="published")
    assert [len(part) for part in (dataset.train, dataset.valid, dataset.test)] == [455, 60, 90]
    assert leak(dataset) == pytest.approx(0.7611, abs=1e-4)
    every = np.concatenate([part.x for part in (dataset.train, dataset.valid, dataset.test)]).astype(float)
    np.testing.assert_allclose(every.mean((0, 1)), 0, atol=1e-5)
    np.testing.assert_allclose(every.std((0, 1)), 1, atol=1e-4)


def test_frames_of_unseen_people_are_far_harder_than_the_published_ones(load):
    honest = [load("gesture", fold=fold).baselines["gradient boosting on frames"] for fold in range(3)]
    leaky = load("gesture", protocol="published").baselines["gradient boosting on frames"]
    assert np.mean(honest) == pytest.approx(0.402, abs=0.02)
    assert leaky == pytest.approx(0.882, abs=0.02)


def test_one_threshold_tells_whether_the_office_is_occupied(load):
    dataset = load("occupancy")
    assert [int(part.mask.sum()) for part in (dataset.valid, dataset.test)] == [1440, 2665 + 9752]
    assert dataset.baselines == near(majority=0.7567, threshold_on_light=0.9900, logistic_regression_on_minutes=0.9890)
    x, y = dataset.test.x[dataset.test.mask], dataset.test.targets
    assert np.mean((x[:, 2] > 365) == y) == pytest.approx(0.990, abs=1e-3)
    halves = [load("occupancy", fold=fold) for fold in (0, 1)]
    assert [int(one.test.mask.sum()) for one in halves] == [2665, 9752]
    assert [one.baselines["threshold on light"] for one in halves] == [
        pytest.approx(0.9786, abs=5e-4),
        pytest.approx(0.9931, abs=5e-4),
    ]


def test_the_published_windows_of_occupancy_leak_into_validation_alone(load):
    dataset = load("occupancy", protocol="published")
    assert [len(part) for part in (dataset.train, dataset.valid, dataset.test)] == [7315, 812, 1549]
    assert leak(dataset, "valid") == 1
    assert leak(dataset) < 0.001  # minutes at night that happen to be alike
    assert dataset.baselines["threshold on light"] == pytest.approx(0.990, abs=1e-3)


def test_a_table_by_hour_of_the_week_is_the_bar_of_traffic(load):
    dataset = load("traffic")
    assert traffic._bounds(40_575, None) == (25_360, 30_431, 40_575)
    assert [int(part.mask.sum()) for part in (dataset.valid, dataset.test)] == [30_431 - 25_360, 40_575 - 30_431]
    assert dataset.n_inputs == 15
    assert dataset.baselines == {
        "mean": pytest.approx(1.0003, abs=5e-4),
        # Measured before, by other code, with the deviation of all hours: .0586.
        "hour-of-week table": pytest.approx(0.0584, abs=1e-4),
        "hour-of-week table, holidays as Sundays": pytest.approx(0.0506, abs=1e-4),
    }
    real = dataset.train.targets.astype(float)
    assert abs(real.mean()) < 0.01
    assert real.std() == pytest.approx(1, abs=0.01)


def test_the_folds_of_traffic_are_disjoint_and_follow_their_train(load):
    bounds = [traffic._bounds(40_575, fold) for fold in range(5)]
    assert bounds[0][1] == 40_575 // 2
    assert [end for _, _, end in bounds] == [*(test for _, test, _ in bounds[1:]), 40_575]
    assert all(0 < valid < test < end for valid, test, end in bounds)
    sets = [load("traffic", fold=fold) for fold in range(5)]
    for one, (valid, test, end) in zip(sets, bounds):
        assert [int(part.mask.sum()) for part in (one.valid, one.test)] == [test - valid, end - test]
    bars = [one.baselines["hour-of-week table, holidays as Sundays"] for one in sets]
    assert bars == pytest.approx([0.0763, 0.0516, 0.0394, 0.0670, 0.0335], abs=1e-4)


def test_all_published_rows_of_traffic_to_test_are_in_train(load):
    dataset = load("traffic", protocol="published")
    assert [len(part) for part in (dataset.train, dataset.valid, dataset.test)] == [9033, 1204, 1806]
    assert leak(dataset) == 1
    assert not dataset.train.x[:, :, 0].any()  # "holiday == None"


def test_the_calendar_of_traffic_is_the_calendar(load):
    part = load("traffic").test
    x, dt = part.x[part.mask], part.dt[part.mask]
    assert np.all(dt[1:] >= 1)
    assert dt.max() <= 24
    hour = np.round(np.arctan2(x[:, 0], x[:, 1]) * 12 / np.pi) % 24
    day = x[:, 4:11].argmax(1)
    one_on = dt[1:] == 1
    clock = 24 * day + hour
    assert np.all((clock[1:] - clock[:-1])[one_on] % 168 == 1)
    assert x[-1, 4:11].argmax() == 6  # it ends on Sunday, 30 September 2018, at 23
    assert hour[-1] == 23


@pytest.mark.parametrize("name", ["walker2d", "gesture", "occupancy", "traffic"])
@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"fold": 9}, "fold is 9; it takes 0 to"),
        ({"fold": "a"}, "fold is 'a'; it takes a whole number"),
        ({"length": 0}, "length is 0; it takes 1 to 1000 steps"),
        ({"length": 8, "protocol": "published"}, "length is 8; the published windows have"),
        ({"fold": 0, "protocol": "published"}, "fold is 0; the published split has no folds"),
    ],
)
def test_options_that_cannot_be_are_told(name, options, text):
    with pytest.raises(ArgumentError, match=text):
        data.load(name, **options)


@pytest.mark.parametrize(
    ("reader", "name", "content", "text"),
    [
        (gesture._read, "a.csv", "1,2\n3,4\n", "has 0 columns '3'"),
        (occupancy._read, "a.txt", "date\nx\n", "has 0 columns 'Temperature'"),
        (
            occupancy._read,
            "a.txt",
            '"date","Temperature","Humidity","Light","CO2","HumidityRatio","Occupancy"\n"1","x",1,2,3,4,5,1\n',
            "a date that is none",
        ),
        (traffic._read, "a.csv", "holiday\n", "holds 1 rows"),
        (
            traffic._read,
            "a.csv",
            "holiday,temp,rain_1h,snow_1h,clouds_all,date_time,traffic_volume\nNone,1,2,x,4,2012-10-02 09:00:00,5\n",
            "column snow_1h, row 2 holds 'x'; it takes a finite number",
        ),
    ],
)
def test_a_file_that_holds_something_else_is_told(reader, name, content, text, tmp_path):
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=text):
        reader(tmp_path / name)


def test_a_rollout_of_another_shape_is_told(tmp_path):
    with pytest.raises(DataError, match=r"holds an array of shape \(5, 3\); a rollout has \(steps, 17\)"):
        walker2d._checked(np.zeros((5, 3)), tmp_path)


def test_windows_side_by_side_hold_each_step_once_and_others_overlap():
    for steps in range(1, 30):
        for length in range(1, 12):
            places = [i for one in cuts(steps, length) for i in range(one.start, one.stop)]
            assert places == list(range(steps))
            for stride in (1, 3, 20):
                windows = cuts(steps, length, stride)
                assert all(one.stop - one.start == min(length, steps) for one in windows)
                assert [one.start for one in windows] == list(range(0, max(1, steps - length + 1), stride))


def test_dealt_parts_are_disjoint_and_alike():
    labels = np.repeat([0, 1, 2], [50, 23, 7])
    parts = deal(labels, 5)
    assert sorted(np.concatenate(parts).tolist()) == list(range(80))
    for label, n in ((0, 50), (1, 23), (2, 7)):
        assert np.ptp([(labels[part] == label).sum() for part in parts]) <= 1, n
    assert [part.tolist() for part in deal(labels, 5)] == [part.tolist() for part in parts]


def test_the_folds_of_digits_and_vowels_test_each_sequence_once():
    pytest.importorskip("sklearn")
    pytest.importorskip("aeon")
    digits = [data.load("digits", fold=fold) for fold in range(5)]
    assert sum(len(one.test) for one in digits) == 1797
    assert len({x.tobytes() for one in digits for x in one.test.x}) == len(
        {x.tobytes() for p in (digits[0].train, digits[0].valid, digits[0].test) for x in p.x}
    )
    vowels = [data.load("japanese_vowels", fold=fold) for fold in range(5)]
    assert sum(len(one.test) for one in vowels) == 640
    for one in vowels:
        assert len(one.train) + len(one.valid) + len(one.test) == 640
        np.testing.assert_allclose(one.train.x[one.train.mask].mean(0), 0, atol=1e-5)


def test_a_data_set_of_ones_own_is_loaded_by_name(monkeypatch):
    monkeypatch.setattr(registry, "_OWN", {})
    about = data.About("mine", "s", split="p", source="o", licence="l", citation="c", seed="all", folds=2)

    def loader(protocol="clean", seed=0, *, fold=0):
        part = data.Sequences(np.full((2, 3, 1), fold + seed), [0, 1])
        return about.dataset([part] * 3, protocol)

    with pytest.raises(ArgumentError, match="unknown data set 'mine'"):
        data.load("mine")
    data.register(about, loader)
    assert data.names()[-1] == "mine"
    assert data.info("mine") is about
    assert data.load("mine", seed=3, fold=1).test.x[0, 0, 0] == 4
    with pytest.raises(ArgumentError, match="there is a data set 'mine' already"):
        data.register(about, loader)
    monkeypatch.setattr(registry, "_OWN", {})
    with pytest.raises(ArgumentError, match="has no fold; it takes protocol, seed"):
        data.register(about, lambda protocol, seed: None)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ArgumentError, match="it takes an About and a function"):
        data.register("mine", loader)  # pyright: ignore[reportArgumentType]


def test_a_hash_in_a_drive_hides_no_numbers(tmp_path):
    (tmp_path / "a.csv").write_text("#0.00,1,2\n" + ",".join(["1"] * 545) + "\n")
    with pytest.raises(DataError, match=r"a.csv is no table of numbers"):
        lidar._read(tmp_path / "a.csv")


@pytest.mark.parametrize(("number", "told"), [(np.nan, "nan"), (1e39, r"1e\+39"), (np.inf, "inf")])
def test_a_number_that_float32_cannot_hold_is_told(number, told, tmp_path):
    recording = np.zeros((1000, 17))
    recording[3, 4] = number
    np.save(tmp_path / "a.npy", recording)
    with pytest.raises(DataError, match=f"a.npy holds {told}; it takes numbers that are finite in float32"):
        halfcheetah._read(tmp_path / "a.npy")
