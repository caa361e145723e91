import socket
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wormnet import data
from wormnet.data import digits, halfcheetah, japanese_vowels, lidar, registry
from wormnet.data.about import Files
from wormnet.data.xor import xor
from wormnet.errors import ArgumentError, DataError, WormnetError

SMALL = {"n_train": 40, "n_valid": 10, "n_test": 14}


@given(st.integers(3, 63), st.integers(0, 5))
def test_the_label_of_a_dense_stream_is_the_parity_of_its_bits(length, seed):
    sizes = {"n_train": 1, "n_valid": 1, "n_test": 2} if length < 7 else SMALL
    dataset = xor(length, "dense", **sizes, seed=seed, shortest=length)
    for part in (dataset.train, dataset.valid, dataset.test):
        assert part.x.shape[1:] == (length, 1)
        assert set(np.unique(part.x)) <= {0, 1}
        np.testing.assert_array_equal(part.x.sum((1, 2)) % 2, part.y)
        assert abs(2 * part.y.sum() - len(part)) <= 1


@given(st.integers(7, 63), st.integers(0, 5))
def test_event_coded_streams_are_the_dense_ones_written_in_runs(length, seed):
    dense, event = (xor(length, code, **SMALL, seed=seed, shortest=length) for code in ("dense", "event"))
    for bits, runs in ((dense.train, event.train), (dense.test, event.test)):
        np.testing.assert_array_equal(bits.y, runs.y)
        assert runs.dt is not None
        assert runs.lengths is not None
        for i, k in enumerate(runs.lengths):
            values, durations = runs.x[i, :k, 0], runs.dt[i, :k].astype(int)
            np.testing.assert_array_equal(np.repeat(values, durations), bits.x[i, :, 0])
            assert np.all(np.diff(values) != 0)  # a run ends where the bit changes


def test_the_example_of_the_docstring_is_coded_as_it_says():
    dataset = xor(6, "event", n_train=60, n_valid=2, n_test=2, shortest=6)  # all 64 streams
    parts = (dataset.train, dataset.valid, dataset.test)
    coded = {
        tuple(zip(part.x[i, :k, 0].tolist(), part.dt[i, :k].tolist()))
        for part in parts
        if part.lengths is not None and part.dt is not None
        for i, k in enumerate(part.lengths)
    }
    assert len(coded) == 64
    assert ((1, 3), (0, 2), (1, 1)) in coded


@pytest.mark.parametrize("length", [3, 8])
def test_all_streams_of_a_length_can_be_asked_for_and_not_one_more(length):
    n = 2**length - 4
    dataset = xor(length, n_train=n, n_valid=2, n_test=2, shortest=length)
    rows = np.concatenate([dataset.train.x, dataset.valid.x, dataset.test.x])[:, :, 0]
    assert len(np.unique(rows, axis=0)) == 2**length
    with pytest.raises(ArgumentError, match=f"there are only {2**length} different streams of {length} bits"):
        xor(length, n_train=n + 1, n_valid=2, n_test=2, shortest=length)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"length": 1}, "length is 1; it takes 2 to 63 bits"),
        ({"length": 64}, "length is 64"),
        ({"n_test": 0}, "each takes at least 1"),
        ({"n_train": 0}, "n_train, n_valid, n_test are 0, 2000, 2000; each takes at least 1"),
        ({"length": 4, "n_train": 9}, "ask for .* different streams of 4 bits; there are only 16"),
        ({"shortest": 1}, "shortest is 1; it takes 2 to 32 bits"),
        ({"shortest": 33}, "shortest is 33; it takes 2 to 32 bits"),
        ({"protocol": "published", "shortest": 3}, r"leave length, n_\* and shortest out"),
        ({"encoding": "sparse"}, r"unknown encoding 'sparse'\. Known: dense, event"),
        ({"protocol": "published", "length": 16}, "the published streams have sizes of their own"),
    ],
)
def test_sizes_that_cannot_be_are_refused(options, text):
    with pytest.raises(ArgumentError, match=text):
        xor(**options)


@given(st.integers(8, 20), st.integers(2, 8), st.integers(0, 5))
def test_streams_have_all_lengths_and_none_to_test_is_in_train(length, shortest, seed):
    shortest = min(shortest, length - 1)
    dense, event = (xor(length, code, **SMALL, seed=seed, shortest=shortest) for code in ("dense", "event"))
    assert list(dense.apart) == [f"exactly {length} bits"]
    assert {name: len(part) for name, part in dense.parts.items()} == dict(zip(dense.parts, (40, 10, 14, 14)))
    counts = np.bincount(dense.train.lengths, minlength=length + 1)[shortest:]
    assert np.ptp(counts) <= 1
    streams = {}
    for name, part in dense.parts.items():
        lengths = np.full(len(part), length) if part.lengths is None else part.lengths
        np.testing.assert_array_equal(part.x.sum((1, 2)) % 2, part.y)
        assert abs(2 * part.y.sum() - len(part)) <= 1
        assert lengths.min() >= shortest
        streams[name] = [part.x[i, :k].tobytes() for i, k in enumerate(lengths)]
        runs = event.parts[name]
        for i, (k, m) in enumerate(zip(lengths, runs.lengths)):
            bits = np.repeat(runs.x[i, :m, 0], runs.dt[i, :m].astype(int))
            np.testing.assert_array_equal(bits, part.x[i, :k, 0])
    (exact,) = dense.apart
    assert set(map(len, streams[exact])) == {4 * length}
    held = [*streams["valid"], *streams["test"], *streams[exact]]
    assert len(held) == len(set(held)) == 38
    assert not set(held) & set(streams["train"])


def test_an_eighth_of_the_short_streams_is_held_out_for_each_of_valid_and_test():
    dataset = xor(12, n_train=3000, n_valid=600, n_test=600)
    for part in (dataset.valid, dataset.test):
        counts = np.bincount(part.lengths)
        assert counts[:8].tolist() == [0, 0, 0, 1, 2, 4, 8, 16]
        assert counts.sum() == 600


def published_by_the_book(n, seed):
    """The sampling of the published code, bit by bit: (events, stamps) of each stream, and its bits."""
    rng = np.random.RandomState(seed)
    for _ in range(n):
        bits, events, stamps, last, waited = [], [], [], -1, 0
        for _ in range(rng.randint(low=2, high=32)):
            waited += 1
            bits.append(int(rng.randint(low=0, high=2)))
            if bits[-1] != last:
                events.append(bits[-1])
                stamps.append(waited)
                waited = 0
            last = bits[-1]
        if waited > 0:
            events.append(last)
            stamps.append(waited)
        yield bits, events, stamps


def test_published_streams_are_those_of_the_published_code():
    dense, event = xor(protocol="published"), xor(encoding="event", protocol="published")
    assert (len(event.train), len(event.valid), len(event.test)) == (90_000, 10_000, 10_000)
    for part, seed, n in (("test", 48_736, 10_000), ("train", 1_234_984, 300)):
        bits_part, part = getattr(dense, part), getattr(event, part)
        for i, (bits, events, stamps) in enumerate(published_by_the_book(n, seed)):
            k = part.lengths[i]
            assert bits_part.x[i, : bits_part.lengths[i], 0].tolist() == bits
            assert part.x[i, :k, 0].tolist() == events
            assert (part.dt[i, :k] * 32).tolist() == stamps
            assert part.y[i] == bits_part.y[i] == sum(bits) % 2


def test_a_network_that_learns_nothing_scores_what_was_published_for_one():
    # Hasani et al. 2022: LTC 49.11 +- 0.00 % on event-coded streams, the score of always answering "even".
    dataset = xor(encoding="event", protocol="published")
    assert np.mean(dataset.test.y == 0) == pytest.approx(0.4911, abs=1e-9)
    assert dataset.baselines == {"majority": pytest.approx(0.5089)}


def test_short_published_streams_come_again_in_the_test_as_the_docstring_says():
    dataset = xor(protocol="published")

    def keys(part):
        return [tuple(part.x[i, :k, 0]) for i, k in enumerate(part.lengths)]

    known = {*keys(dataset.train), *keys(dataset.valid)}
    assert np.mean([key in known for key in keys(dataset.test)]) == pytest.approx(0.3605, abs=1e-9)


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.parametrize("seed", [0, 7])
def test_japanese_vowels_comes_from_the_wheel_and_is_standardised_by_train_alone(no_network, seed):
    pytest.importorskip("aeon")
    dataset = japanese_vowels.load(seed=seed)
    assert [len(part) for part in (dataset.train, dataset.valid, dataset.test)] == [216, 54, 370]
    assert dataset.classes == tuple("123456789")
    np.testing.assert_array_equal(np.bincount(dataset.train.y), [24] * 9)
    np.testing.assert_array_equal(np.bincount(dataset.valid.y), [6] * 9)
    steps = dataset.train.x[dataset.train.mask].astype(float)
    np.testing.assert_allclose(steps.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(steps.std(0), 1, atol=1e-6)
    both = np.concatenate([part.x[part.mask] for part in (dataset.train, dataset.valid, dataset.test)])
    assert np.abs(both.mean(0, dtype=float)).max() > 0.01  # the other parts had no say


def test_japanese_vowels_is_the_archive_up_to_one_shift_and_scale_per_channel(no_network):
    archive = pytest.importorskip("aeon.datasets")
    x, labels = archive.load_japanese_vowels(split="test")
    part = japanese_vowels.load().test
    np.testing.assert_array_equal(part.lengths, [a.shape[1] for a in x])
    np.testing.assert_array_equal(part.y + 1, labels.astype(int))
    raw, mine = np.concatenate([a.T for a in x]), part.x[part.mask]
    for channel in range(12):
        assert np.corrcoef(raw[:, channel], mine[:, channel])[0, 1] == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize(("name", "inputs", "classes"), [("basic_motions", 6, 4), ("italy_power_demand", 1, 2)])
def test_sets_of_the_archive_come_from_the_wheel_in_disjoint_folds(no_network, name, inputs, classes):
    pytest.importorskip("aeon")
    folds = [data.load(name, fold=fold) for fold in range(5)]
    every = [len(part) for part in (folds[0].train, folds[0].valid, folds[0].test)]
    assert sum(every) == sum(len(one.test) for one in folds) == {"basic_motions": 80, "italy_power_demand": 1096}[name]
    assert (folds[0].n_inputs, folds[0].n_outputs) == (inputs, classes)
    shares = np.array([np.bincount(one.test.y) / len(one.test) for one in folds])
    assert np.ptp(shares, 0).max() < 0.02
    # Counting which of all sequences are tested: up to the scale of their fold, no two are the same.
    shapes = [tuple(np.argsort(x[:, 0])) for one in folds for x in one.test.x]
    assert len(set(shapes)) > 0.9 * len(shapes)


def test_the_motions_are_told_by_a_linear_model_and_the_months_by_the_shape_of_the_day():
    motions, power = data.load("basic_motions").baselines, data.load("italy_power_demand").baselines
    assert motions["logistic regression on mean and std"] > 0.9
    assert power["logistic regression on mean and std"] < 0.6  # each day has mean 0 and deviation 1
    assert power["logistic regression on all samples"] > 0.9


def test_digits_are_the_images_row_by_row_and_the_test_set_is_always_the_same():
    sklearn_datasets = pytest.importorskip("sklearn.datasets")
    images = sklearn_datasets.load_digits()
    first, second = digits.load(seed=0), digits.load(seed=1)
    np.testing.assert_array_equal(first.test.x, second.test.x)
    assert not np.array_equal(first.valid.x, second.valid.x)
    known = {(image / 16).astype(np.float32).tobytes(): label for image, label in zip(images.images, images.target)}
    for part in (first.train, first.valid, first.test):
        assert [known[x.tobytes()] for x in part.x] == part.y.tolist()
        assert np.ptp(np.bincount(part.y) / len(part)) < 0.02


def fake_recordings(monkeypatch, tmp_path, shape=(1000, 17)):
    """31 recordings whose numbers tell file and step: file + step / 1000."""
    files = halfcheetah.ABOUT.files
    assert files is not None
    paths = {}
    for i, name in enumerate(files.sha256):
        paths[name] = tmp_path / name
        np.save(paths[name], np.broadcast_to(i + np.arange(shape[0])[:, None] / 1000, shape))
    monkeypatch.setattr(halfcheetah, "fetch", lambda files: paths)


FILES = {
    "clean": {"train": range(15, 25), "valid": [0, 3, 4], "test": range(5, 15)},
    "published": {"train": range(15, 25), "valid": range(5), "test": range(5, 15)},
}


@pytest.mark.parametrize("protocol", ["clean", "published"])
def test_halfcheetah_is_split_by_file_and_asks_for_the_next_step(monkeypatch, tmp_path, protocol):
    fake_recordings(monkeypatch, tmp_path)
    dataset = halfcheetah.load(protocol)
    for name, numbers in FILES[protocol].items():
        part = getattr(dataset, name)
        np.testing.assert_array_equal(np.unique(part.x.astype(float).round(3) // 1), numbers)
        np.testing.assert_allclose(part.y - part.x, 0.001, atol=1e-5)
        np.testing.assert_array_equal(part.x[:, 1:], part.y[:, :-1])


def test_clean_windows_of_halfcheetah_count_each_step_once(monkeypatch, tmp_path):
    fake_recordings(monkeypatch, tmp_path)
    for part in (halfcheetah.load().test, halfcheetah.load().valid):
        targets = part.y[:, :, 0].ravel()
        assert len(np.unique(targets)) == len(targets) == len(part) * 32
        assert len(part) == len(np.unique(targets // 1)) * (999 // 32)
    assert len(halfcheetah.load(length=999).test) == 10  # one window takes a whole recording


def recordings(part):
    return np.unique(part.x.astype(float).round(3) // 1).astype(int).tolist()


def test_the_folds_of_halfcheetah_test_each_running_runner_once_and_the_fallen_one_apart(monkeypatch, tmp_path):
    fake_recordings(monkeypatch, tmp_path)
    sets = [halfcheetah.load(fold=fold) for fold in range(5)]
    assert sorted(i for one in sets for i in recordings(one.test)) == [0, *range(3, 31)]
    for one in sets:
        parts = [recordings(part) for part in (one.train, one.valid, one.test)]
        assert sorted(i for part in parts for i in part) == [0, *range(3, 31)]
        assert len(parts[1]) == 3
    assert recordings(halfcheetah.load(fallen=True).test) == [1, 2]
    with pytest.raises(ArgumentError, match="the published split has no folds"):
        halfcheetah.load("published", fold=1)
    with pytest.raises(ArgumentError, match="fallen is 1; it takes True or False"):
        halfcheetah.load(fallen=1)  # pyright: ignore[reportArgumentType]


def test_published_windows_of_halfcheetah_begin_where_the_published_code_begins_them(monkeypatch, tmp_path):
    fake_recordings(monkeypatch, tmp_path)
    dataset = halfcheetah.load("published")
    assert [len(part) for part in (dataset.train, dataset.valid, dataset.test)] == [970, 485, 970]
    begins = np.round((dataset.test.x[:97, 0, 0].astype(float) - 5) * 1000)
    np.testing.assert_array_equal(begins, np.arange(0, 1000 - 32 - 1, 10))
    with pytest.raises(ArgumentError, match="length is 31; the published windows have 32 steps"):
        halfcheetah.load("published", length=31)


def test_recordings_of_another_shape_are_refused(monkeypatch, tmp_path):
    fake_recordings(monkeypatch, tmp_path, (999, 17))
    with pytest.raises(
        DataError, match=r"trace_0000.npy holds an array of shape \(999, 17\); a recording has \(1000, 17\)"
    ):
        halfcheetah.load()


@pytest.mark.parametrize("length", [0, 1000])
def test_windows_that_fit_no_recording_are_refused(length):
    with pytest.raises(ArgumentError, match=f"length is {length}; it takes 1 to 999 steps"):
        data.load("halfcheetah", length=length)


def test_least_squares_finds_the_law_of_a_linear_system(monkeypatch):
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    x = np.empty((40, 20, 3))
    x[:, 0] = rng.normal(size=(40, 3))
    for t in range(1, 20):
        x[:, t] = x[:, t - 1] @ turn
    part = data.Sequences(x[:, :-1], x[:, 1:])
    scores = halfcheetah.baselines(data.Dataset("turn", part, part, part))
    assert scores["linear on 1 lag"] < 1e-12
    assert scores["persistence"] == pytest.approx(np.mean((x[:, 1:] - x[:, :-1]) ** 2), rel=1e-5)
    assert scores["mean"] == pytest.approx(part.y.astype(float).var((0, 1)).mean(), rel=1e-5)


def test_baselines_on_the_real_recordings_agree_with_earlier_measurements(offline, monkeypatch):
    monkeypatch.setenv("WORMNET_DATA", str(offline("halfcheetah")))
    scores = data.load("halfcheetah", protocol="published").baselines
    # Measured before, by other code, rounded: mean 17.5, persistence 62.9, linear on 1, 2, 4 lags 3.42, 3.19, 3.13.
    assert scores == {
        "mean": pytest.approx(17.5, abs=0.05),
        "persistence": pytest.approx(62.9, abs=0.05),
        "linear on 1 lag": pytest.approx(3.42, abs=0.02),
        "linear on 2 lags": pytest.approx(3.19, abs=0.02),
        "linear on 4 lags": pytest.approx(3.13, abs=0.02),
    }


@pytest.fixture
def drives(offline, monkeypatch):
    monkeypatch.setenv("WORMNET_DATA", str(offline("lidar_icra2020")))


def keys(part, mirrored=False):
    """Each drive as bytes, its rays and commands; or its mirror image."""
    turn = -1 if mirrored else 1
    return [(x[:k, ::turn].tobytes(), (turn * y[:k] + 0.0).tobytes()) for x, y, k in zip(part.x, part.y, part.lengths)]


def test_the_folds_of_the_drives_test_each_of_them_once(drives):
    parts = [data.load("lidar", fold=fold, mirror=False) for fold in range(5)]
    tested = [key for dataset in parts for key in keys(dataset.test)]
    assert len(set(tested)) == len(tested) == 29
    assert sum(int(dataset.test.lengths.sum()) for dataset in parts) == 8113
    for dataset in parts:
        everything = keys(dataset.train) + keys(dataset.valid) + keys(dataset.test)
        assert set(everything) == set(tested)
        assert len(everything) == 29


def test_only_the_training_drives_are_mirrored(drives):
    plain, mirrored = data.load("lidar", mirror=False), data.load("lidar")
    assert keys(mirrored.valid) == keys(plain.valid)
    assert keys(mirrored.test) == keys(plain.test)
    half = len(plain.train)
    assert keys(mirrored.train)[:half] == keys(plain.train)
    assert keys(mirrored.train, mirrored=True)[half:] == keys(plain.train)


def test_the_drives_of_the_packed_copy_are_those_of_the_source(drives, data_directory, monkeypatch, tmp_path):
    packed = data_directory / "lidar_icra2020" / "icra2020_lidar_repacked.npz"
    if not packed.exists():
        pytest.skip(f"there is no {packed}")
    from_packed = data.load("lidar", mirror=False)
    assert [checked.name for checked in data.verify("lidar")] == [packed.name]
    folder = tmp_path / "lidar_icra2020"
    folder.mkdir()
    with np.load(packed) as held:  # written as the source has them, byte for byte: their sha256 is compared
        for i in range(29):
            rows = np.column_stack([held[f"state_{i}"], held[f"x_{i}"], held[f"y_{i}"]])
            lines = [f"{k:.2f}," + ",".join(f"{v:.5f}" for v in row) + "\n" for k, row in enumerate(rows)]
            (folder / f"trace_{i + 1:04d}.csv").write_text("".join(lines), newline="\n")
    monkeypatch.setenv("WORMNET_DATA", str(tmp_path))
    from_source = data.load("lidar", mirror=False)
    assert len(data.verify("lidar")) == 29
    for name in ("train", "valid", "test"):
        one, other = getattr(from_packed, name), getattr(from_source, name)
        assert (one.x.tobytes(), one.y.tobytes()) == (other.x.tobytes(), other.y.tobytes())


def test_ridge_finds_the_ray_that_steers():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(8, 30, 5))
    part = data.Sequences(x, 0.5 * x[:, :, 1:2] + 3)
    scores = lidar.baselines(data.Dataset("ray", part, part, part))
    assert scores["mean"] == pytest.approx(0.25, rel=0.2)
    assert scores["ridge on single frames"] < 1e-6


def test_a_drive_with_other_columns_is_refused(monkeypatch, tmp_path):
    (tmp_path / "a.csv").write_text("0.00,1,2,3\n")
    monkeypatch.setattr(lidar, "fetch", lambda files: {"a.csv": tmp_path / "a.csv"})
    with pytest.raises(DataError, match=r"a.csv has 4 columns; a drive has 545"):
        data.load("lidar")


@pytest.mark.parametrize(
    ("name", "options", "text"),
    [
        ("lidar", {"fold": 5}, "fold is 5; it takes 0 to 4"),
        ("digits", {"fold": 5}, "fold is 5; it takes 0 to 4, or None for the standard split"),
        ("lidar", {"fold": 1.0}, "fold is 1.0; it takes a whole number"),
        ("halfcheetah", {"length": 8.5}, "length is 8.5; it takes a whole number"),
        ("halfcheetah", {"length": "8"}, "length is '8'; it takes a whole number"),
        ("xor", {"length": 8.0}, "length is 8.0; it takes a whole number"),
        ("xor_event", {"n_train": 1.5}, "n_train is 1.5; it takes a whole number"),
        ("xor", {"n_test": "9"}, "n_test is '9'; it takes a whole number"),
        (["digits"], {}, r"unknown data set \['digits'\]; did you mean 'digits'\?"),
        ("vowels", {}, r"unknown data set 'vowels'; did you mean 'japanese_vowels'\?"),
        ("digits", {"protocol": "publishd"}, "unknown protocol of digits 'publishd'. Known: clean"),
        ("xor", {"protocol": "publishd"}, "did you mean 'published'"),
        ("xor", {"lenght": 4}, "unknown option of xor 'lenght'; did you mean 'length'"),
        ("xor_event", {"encoding": "dense"}, "unknown option of xor_event 'encoding'"),
        ("digits", {"length": 4}, "unknown option of digits 'length'. Known: fold"),
        ("digits", {"seed": -1}, "seed is -1; it takes a whole number from 0 to 4294967295"),
        ("digits", {"seed": 1.5}, "seed is 1.5"),
        ("digits", {"seed": True}, "seed is True"),
    ],
)
def test_what_does_not_exist_is_refused_by_name(name, options, text):
    with pytest.raises(ArgumentError, match=text):
        data.load(name, **options)


@pytest.mark.parametrize(
    ("name", "module", "package"), [("digits", "sklearn", "scikit-learn"), ("japanese_vowels", "aeon", "aeon")]
)
def test_a_missing_extra_is_one_sentence_with_the_command(monkeypatch, name, module, package):
    for loaded in [m for m in sys.modules if m.partition(".")[0] == module]:
        monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(WormnetError) as error:
        data.load(name)
    assert str(error.value) == f"""data set '{name}' needs {package}: pip install "wormnet[study]\""""


def test_fetch_and_verify_go_by_the_files_of_the_data_set(offline, monkeypatch):
    monkeypatch.setenv("WORMNET_DATA", str(offline("halfcheetah")))
    paths = data.fetch("halfcheetah")
    assert [path.name for path in paths] == [f"trace_{i:04d}.npy" for i in range(31)]
    assert {checked.state for checked in data.verify("halfcheetah")} == {"ok"}


def test_the_list_of_files_cannot_be_changed():
    files = Files("set", "http://127.0.0.1", {"a": "0"})
    with pytest.raises(TypeError):
        files.sha256["a"] = "1"  # pyright: ignore[reportIndexIssue]
    assert registry.info("xor").files is None
