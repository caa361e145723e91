import os
from pathlib import Path

import numpy as np
import pytest

from wormnet.data import Sequences
from wormnet.errors import ArgumentError, DataError

HEAD = "@problemName x\n@timeStamps false\n@classLabel true a b\n@data\n"
STAMPED = HEAD.replace("false", "true")


@pytest.fixture
def write(tmp_path):
    def write(text, name="x.ts"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_files_of_the_archives_are_read_as_aeon_reads_them():
    aeon = pytest.importorskip("aeon.datasets")
    folder = Path(aeon.__file__).parent / "data"
    paths = [p for p in sorted(folder.rglob("*.ts")) if "@data" in p.read_text().lower()]
    read = 0
    for path in paths:
        head = path.read_text().lower().partition("@data")[0]
        if "@classlabel true" not in head and "@targetlabel true" not in head:
            continue
        x, y = aeon.load_from_ts_file(str(path))
        if "@timestamps true" in head:
            continue  # aeon drops the stamps
        part = Sequences.from_ts(path, missing="zero", indicators=False)
        assert len(part) == len(x)
        for i, case in enumerate(x):
            np.testing.assert_array_equal(part[i].x, np.nan_to_num(np.float32(case.T)))
        if part.task == "classify":
            assert [part.classes[k].lower() for k in part.y] == [str(name).lower() for name in y]
        else:
            np.testing.assert_array_equal(part.y[:, 0], np.float32(y))
        read += 1
    assert read >= 10


def test_samples_with_stamps_are_laid_on_the_times_of_all_channels(write):
    text = "@timeStamps true\n@targetLabel true\n@data\n(0,1),(2,3):(0,5),(3,6):1.5\n(1,1):(1,2):-2\n"
    part = Sequences.from_ts(write(text), first_dt=1, missing="forward", indicators=False)
    np.testing.assert_array_equal(part.x, [[[1, 5], [3, 5], [3, 6]], [[1, 2], [0, 0], [0, 0]]])
    np.testing.assert_array_equal(part.dt, [[1, 2, 1], [1, 1, 1]])
    np.testing.assert_array_equal(part.y, [[1.5], [-2]])
    dated = "@timeStamps true\n@classLabel true a\n@data\n(2020-01-01 10:00:00,1),(2020-01-01 12:30:00,3):a\n"
    np.testing.assert_array_equal(Sequences.from_ts(write(dated), first_dt=1, time_unit="h").dt, [[1, 2.5]])


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_comments_and_bytes_at_the_front_do_not_matter(write, end):
    path = write("\ufeff# words\n\n" + HEAD.replace("\n", end) + f"1,2:3,4:b{end}% words{end}?,6:7,8:a{end}")
    part = Sequences.from_ts(path, missing="zero", indicators=False)
    np.testing.assert_array_equal(part.x, [[[1, 3], [2, 4]], [[0, 7], [6, 8]]])
    assert part.y.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "has no line @data"),
        (HEAD, "holds no data past its line @data"),
        ("1,2:a\n", r"line 1 is '1,2:a'; before @data"),
        (HEAD.replace("true", "false"), "says neither @classLabel true and @targetLabel true"),
        (HEAD.replace("true", "maybe"), "@classlabel is 'maybe'; it takes true or false"),
        (HEAD.replace("a b", "a a"), "names a class twice"),
        (HEAD + "1,2\n", "line 5 holds one field"),
        (HEAD + "1,2:3:a\n", "line 5 has 2 samples in its first channel and 1 in another"),
        (HEAD + "1,2:a\n1:2:a\n", "line 6 has 2 channels; the lines before have 1"),
        (HEAD + "1,x:a\n", "line 5: could not convert string to float: 'x'; it takes numbers, or \\?"),
        (HEAD + "1,2:c\n", "line 5 ends with 'c', which is none of the classes a, b"),
        ("@targetLabel true\n@data\n1:x\n", "ends with 'x'; it takes a number to predict"),
        (STAMPED + "(0,1:a\n", "brackets that do not close"),
        (STAMPED + "(0,1),(0,2):a\n", "two samples of one time in channel 0"),
        (STAMPED + "(0,):a\n", "it takes numbers, or \\? where one is missing"),
        (STAMPED + "(monday,1):a\n", "a time stamp is a number or a date"),
        (b"\xff\xfe\x00", "is no text in UTF-8"),
    ],
)
def test_what_is_wrong_in_a_file_is_told_with_its_line(write, text, told):
    with pytest.raises(DataError, match=told):
        Sequences.from_ts(write(text))


def test_what_a_file_leaves_open_has_to_be_said(write):
    with pytest.raises(ArgumentError, match='missing="forward"'):
        Sequences.from_ts(write(HEAD + "1,?:a\n"))
    with pytest.raises(ArgumentError, match="first_dt="):
        Sequences.from_ts(write("@timeStamps true\n@targetLabel true\n@data\n(0,1):1\n"))


@pytest.mark.parametrize("path", [None, 3, b"x.ts", "a\0b"])
def test_what_is_no_path_is_told(path):
    with pytest.raises(ArgumentError, match="it takes the path of a file"):
        Sequences.from_ts(path)


def test_what_is_no_file_is_told(tmp_path):
    for path, told in (
        (tmp_path, "cannot be read"),
        (tmp_path / "none.ts", "cannot be read: No such file"),
        ("\ud800.ts", "cannot be read"),
    ):
        with pytest.raises(DataError, match=told):
            Sequences.from_ts(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes")
def test_a_pipe_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="it is no regular file"):
        Sequences.from_ts(tmp_path / "pipe")
