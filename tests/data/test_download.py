import contextlib
import errno
import gzip
import hashlib
import http.server
import io
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from wormnet.data import download
from wormnet.data.about import Files
from wormnet.data.download import fetch, verify
from wormnet.data.files import content
from wormnet.errors import ArgumentError, DataError


def npy(seed, size=4000):
    buffer = io.BytesIO()
    np.save(buffer, np.random.default_rng(seed).normal(size=size))
    return buffer.getvalue()


CONTENT = {"a.npy": npy(0), "b.npy": npy(1, 10)}
SHA = {name: hashlib.sha256(content).hexdigest() for name, content in CONTENT.items()}


class Server:
    """Serves CONTENT under /set on loopback. Each request takes the next of `faults`; without one it is served well.

    Faults: a number = that status; ("cut", n) = only n bytes; ("hold", n) = n bytes, then wait for `go`;
    "corrupt" = one bit wrong; "no range" = the whole file whatever is asked; "other range" = a range not asked for;
    ("chunked cut", n) = chunked, ended without its last chunk; ("length", text) = the file under a Content-Length of
    that text; ("raw", bytes) = these bytes instead of an answer; ("trickle", bytes) = these bytes one by one, for ever
    the last of them again.
    """

    def __init__(self):
        self.faults, self.seen = [], []
        self.holding, self.go = threading.Event(), threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                outer.serve(self)

            def log_message(self, *args):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.01,))
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"

    def serve(self, handler):
        asked = handler.headers.get("Range")
        self.seen.append((handler.path, asked))
        handler.close_connection = True
        fault = self.faults.pop(0) if self.faults else None
        body = CONTENT.get(handler.path.removeprefix("/set/"))
        if isinstance(fault, int) or body is None:
            handler.send_error(fault if isinstance(fault, int) else 404)
            return
        if isinstance(fault, tuple) and fault[0] in ("raw", "trickle"):
            handler.wfile.write(fault[1])
            with contextlib.suppress(OSError):
                while fault[0] == "trickle" and not self.go.wait(0.02):
                    handler.wfile.write(fault[1][-1:])
                    handler.wfile.flush()
            return
        start = 0
        if asked and fault != "no range":
            start = int(asked.removeprefix("bytes=").removesuffix("-")) + (fault == "other range")
            if start >= len(body):
                handler.send_error(416)
                return
        handler.send_response(206 if start else 200)
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        body = body[start:]
        if fault == "corrupt":
            body = body[:-1] + bytes([body[-1] ^ 1])
        kind, n = fault if isinstance(fault, tuple) else (None, len(body))
        if kind == "chunked cut":
            handler.send_header("Transfer-Encoding", "chunked")
            handler.end_headers()
            handler.wfile.write(b"%x\r\n" % n + body[:n] + b"\r\n")
            return
        if kind == "length":
            n = len(body)
        handler.send_header("Content-Length", fault[1] if kind == "length" else str(len(body)))
        handler.end_headers()
        handler.wfile.write(body[:n])
        if kind == "hold":
            handler.wfile.flush()
            self.holding.set()
            self.go.wait(60)
            with contextlib.suppress(OSError):  # the client was killed
                handler.wfile.write(body[n:])

    def close(self):
        self.go.set()
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


@pytest.fixture
def server(monkeypatch, tmp_path):
    monkeypatch.setenv("WORMNET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    for name in ("WORMNET_DATA", "WORMNET_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    server = Server()
    yield server
    server.close()


@pytest.fixture
def files(server):
    return Files("set", f"{server.url}/set", SHA)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache" / "set"


def assert_good(paths):
    assert list(paths) == list(CONTENT)
    for name, path in paths.items():
        assert path.read_bytes() == CONTENT[name]


def get(files, **options):
    return fetch(files, pause=0, **options)


def test_files_are_downloaded_once(files, server, folder):
    assert_good(get(files))
    assert_good(get(files))
    assert server.seen == [("/set/a.npy", None), ("/set/b.npy", None)]
    assert sorted(path.name for path in folder.iterdir()) == [".lock", "a.npy", "b.npy"]


def test_the_progress_goes_to_stderr_and_only_if_asked_for(files, folder, monkeypatch, capfd):
    monkeypatch.setenv("FORCE_COLOR", "1")  # for rich, stderr is a terminal
    monkeypatch.setenv("COLUMNS", "200")
    assert_good(get(files))
    assert capfd.readouterr() == ("", "")
    (folder / "a.npy").unlink()
    assert_good(get(files, progress=True))
    out, err = capfd.readouterr()
    assert out == ""
    assert "set/a.npy (1 of 1)" in err


@pytest.mark.parametrize("cuts", [[100], [1, 31_000], [0], [100, 100, 100, 100, 100, 100]])
def test_a_download_that_is_cut_off_goes_on_where_it_stopped(files, server, cuts):
    server.faults = [("cut", n) for n in cuts]
    assert_good(get(files))
    ranges = [asked for path, asked in server.seen if path == "/set/a.npy"]
    sums = np.cumsum(cuts)
    assert ranges == [None, *(f"bytes={total}-" if total else None for total in sums)]


def test_a_chunked_answer_that_is_cut_off_goes_on_where_it_stopped(files, server):
    server.faults = [("chunked cut", 100)]
    assert_good(get(files))
    assert server.seen[1] == ("/set/a.npy", "bytes=100-")


def test_a_server_that_ignores_range_is_started_over(files, server):
    server.faults = [("cut", 100), "no range"]
    assert_good(get(files))
    assert [path for path, _ in server.seen] == ["/set/a.npy", "/set/a.npy", "/set/b.npy"]


def test_a_range_that_was_not_asked_for_is_not_used(files, server):
    server.faults = [("cut", 100), "other range"]
    assert_good(get(files))


@pytest.mark.parametrize("status", [500, 503, 429])
def test_an_error_of_the_server_is_tried_again(files, server, status):
    server.faults = [status, status]
    assert_good(get(files))


@pytest.mark.parametrize(
    ("faults", "requests", "text"),
    [
        (
            [404],
            1,
            r"^http://127.0.0.1:\d+/set/a.npy could not be had: the server answers 404 Not Found. .*WORMNET_DATA",
        ),
        ([403], 1, "the server answers 403 Forbidden"),
        ([500] * 4, 4, "the server answers 500 Internal Server Error"),
        ([("cut", 0)] * 4, 4, rf"cut off after 0 of {len(CONTENT['a.npy'])} bytes"),
        (["corrupt"], 1, rf"its sha256 is [0-9a-f]{{64}} instead of {SHA['a.npy']}"),
    ],
)
def test_what_stays_wrong_is_one_line_that_names_the_url_and_leaves_no_file(
    files, server, folder, faults, requests, text
):
    server.faults = list(faults)
    with pytest.raises(DataError, match=text) as error:
        get(files)
    assert "\n" not in str(error.value)
    assert len(server.seen) == requests
    assert not (folder / "a.npy").exists()
    assert_good(get(files))  # and the next call is not the worse for it


@pytest.mark.parametrize("length", ["abc", "\u00b2", "9" * 5000, "-5", "", "1e3", "0x10"])
def test_a_length_that_is_none_leaves_the_word_to_the_sha256(files, server, length):
    server.faults = [("length", length)]
    assert_good(get(files))
    assert server.seen == [("/set/a.npy", None), ("/set/b.npy", None)]


@pytest.mark.parametrize(
    ("where", "text"),
    [
        ("http://[::1", "an address that is none"),
        ("http://a b/", "none|no connection"),
        ("http://" + "a" * 70 + "./x", "none|no connection"),
        ("file:///etc/passwd", "the server answers 302"),
    ],
)
def test_a_redirect_to_what_is_no_address_is_one_line(files, server, where, text):
    answer = f"HTTP/1.1 302 Found\r\nLocation: {where}\r\nContent-Length: 0\r\n\r\n".encode()
    server.faults = [("raw", answer)] * 4
    with pytest.raises(DataError, match=text) as error:
        get(files)
    assert "\n" not in str(error.value)
    server.faults = []
    assert_good(get(files))


@pytest.mark.parametrize("status", ["206 Partial Content", "416 Range Not Satisfiable"])
def test_a_range_at_the_first_request_that_asked_for_none_is_not_used(files, server, status):
    answer = f"HTTP/1.1 {status}\r\nContent-Range: bytes 7-9/10\r\nContent-Length: 3\r\n\r\nxyz".encode()
    server.faults = [("raw", answer)]
    assert_good(get(files))


@pytest.mark.parametrize(
    "start",
    [
        b"H",
        b"HTTP/1.1 200 OK\r\nX: a",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x",
    ],
    ids=["status", "header", "body", "chunk"],
)
def test_an_answer_that_trickles_for_ever_ends_at_the_time_limit(files, server, start):
    server.faults = [("trickle", start)] * 100
    with pytest.raises(DataError, match=r"a.npy could not be had: it took longer than 0.3 seconds") as error:
        get(files, time_limit=0.3)
    assert "\n" not in str(error.value)
    server.faults = []
    assert_good(get(files))


def test_the_time_limit_may_come_from_the_environment(files, server, monkeypatch):
    server.faults = [("trickle", b"H")] * 100
    monkeypatch.setenv("WORMNET_TIME_LIMIT", "0.2")
    with pytest.raises(DataError, match=r"it took longer than 0.2 seconds"):
        get(files)
    monkeypatch.setenv("WORMNET_TIME_LIMIT", "soon")
    with pytest.raises(ArgumentError, match="WORMNET_TIME_LIMIT is 'soon'; it takes a number of seconds > 0"):
        get(files)
    for limit in (0, -1, float("nan"), "x", True):
        with pytest.raises(ArgumentError, match="time_limit is"):
            get(files, time_limit=limit)


def test_another_process_that_writes_for_too_long_is_told(files, folder):
    filelock = pytest.importorskip("filelock")
    folder.mkdir(parents=True)
    with (
        filelock.FileLock(folder / ".lock"),
        pytest.raises(DataError, match=r"is being written by another process, for longer than 0.1 seconds"),
    ):
        get(files, time_limit=0.1)


def test_what_a_server_says_is_printed_without_its_escapes_and_not_whole(files, server):
    answer = b"HTTP/1.1 404 \x1b[31mNo\x07\x9b" + b"x" * 60_000 + b"\r\nContent-Length: 0\r\n\r\n"
    server.faults = [("raw", answer)]
    with pytest.raises(
        DataError, match=r"the server answers 404 \?\[31mNo\?\?xxx.*\.\.\.\. Get it another way"
    ) as error:
        get(files)
    assert len(str(error.value)) < 1000
    assert str(error.value).isprintable()


def test_the_users_directory_may_hold_a_file_as_gz_and_its_content_counts(files, server, monkeypatch, tmp_path):
    own = tmp_path / "own" / "set"
    own.mkdir(parents=True)
    (own / "a.npy.gz").write_bytes(gzip.compress(CONTENT["a.npy"]))
    monkeypatch.setenv("WORMNET_DATA", str(own.parent))
    paths = get(files)
    assert paths["a.npy"] == own / "a.npy.gz"
    assert content(paths["a.npy"]) == CONTENT["a.npy"]
    assert server.seen == [("/set/b.npy", None)]
    assert [checked.state for checked in verify(files)] == ["ok", "ok"]
    for wrong, text in ((gzip.compress(b"else"), "unpacked, but .*/set/a.npy has"), (b"no gzip", "cannot be read")):
        (own / "a.npy.gz").write_bytes(wrong)
        with pytest.raises(DataError, match=rf"a.npy.gz .*{text}"):
            get(files)


def test_the_users_directory_may_hold_one_archive_instead_of_the_files(server, monkeypatch, tmp_path):
    own = tmp_path / "own" / "set"
    own.mkdir(parents=True)
    (own / "all.npz").write_bytes(b"all of it")
    files = Files("set", f"{server.url}/set", SHA, packed=("all.npz", hashlib.sha256(b"all of it").hexdigest()))
    monkeypatch.setenv("WORMNET_DATA", str(own.parent))
    assert get(files) == {"all.npz": own / "all.npz"}
    assert [(checked.name, checked.state) for checked in verify(files)] == [("all.npz", "ok")]
    assert server.seen == []
    (own / "all.npz").write_bytes(b"part of it")
    with pytest.raises(DataError, match=r"all.npz has sha256 .*, but the archive made of the source has"):
        get(files)
    assert [checked.state for checked in verify(files)] == ["wrong"]
    for name, whole in CONTENT.items():
        (own / name).write_bytes(whole)
    assert_good(get(files))  # the files themselves come first


def test_a_server_that_brings_nothing_new_is_given_up(files, server):
    server.faults = [("cut", 100), *[("cut", 0)] * 3]
    with pytest.raises(DataError, match="cut off after 100 of"):
        get(files)
    assert len(server.seen) == 4


def test_no_server_is_one_line(server, files):
    server.close()
    with pytest.raises(DataError, match=r"set/a.npy could not be had: no connection \(.*refused"):
        get(files, attempts=2)


def test_a_part_file_that_does_not_belong_is_thrown_away(files, server, folder):
    folder.mkdir(parents=True)
    part = folder / f".a.npy.{SHA['a.npy'][:12]}.part"
    part.write_bytes(b"x" * 100)
    assert_good(get(files))
    assert server.seen[:2] == [("/set/a.npy", "bytes=100-"), ("/set/a.npy", None)]
    (folder / "a.npy").unlink()
    part.write_bytes(b"x" * 100_000)  # longer than the file: the server answers 416
    assert_good(get(files))


def test_a_part_file_that_is_complete_is_used_without_a_request(files, server, folder):
    folder.mkdir(parents=True)
    for name, whole in CONTENT.items():
        (folder / f".{name}.{SHA[name][:12]}.part").write_bytes(whole)
    assert_good(get(files))
    assert server.seen == []


def test_a_cached_file_that_has_gone_bad_is_replaced(files, server, folder):
    get(files)
    (folder / "a.npy").write_bytes(b"gone bad")
    assert [checked.state for checked in verify(files)] == ["wrong", "ok"]
    assert_good(get(files))
    assert [checked.state for checked in verify(files)] == ["ok", "ok"]


def test_a_mirror_is_asked_instead_of_the_source(server, monkeypatch):
    files = Files("set", "http://127.0.0.1:1/nowhere", SHA)
    assert_good(get(files, mirror=server.url + "/"))
    (download.cache() / "set" / "a.npy").unlink()
    monkeypatch.setenv("WORMNET_MIRROR", server.url)
    assert_good(get(files))


def test_a_mirror_must_be_an_http_address(files):
    with pytest.raises(DataError, match=r"^/tmp/x/set/a.npy is no http or https address; .*WORMNET_DATA"):
        get(files, mirror="/tmp/x")


def test_the_users_own_directory_comes_first_and_is_not_written_to(files, server, monkeypatch, tmp_path):
    own = tmp_path / "own"
    (own / "set").mkdir(parents=True)
    (own / "set" / "a.npy").write_bytes(CONTENT["a.npy"])
    monkeypatch.setenv("WORMNET_DATA", str(own))
    paths = get(files)
    assert_good(paths)
    assert paths["a.npy"] == own / "set" / "a.npy"
    assert server.seen == [("/set/b.npy", None)]
    assert [path.name for path in (own / "set").iterdir()] == ["a.npy"]
    assert [checked.path.parent.parent.name for checked in verify(files)] == ["own", "cache"]


def test_a_wrong_file_in_the_users_own_directory_is_an_error_that_names_it(files, server, monkeypatch, tmp_path):
    wrong = tmp_path / "own" / "set" / "a.npy"
    wrong.parent.mkdir(parents=True)
    wrong.write_bytes(b"something else")
    monkeypatch.setenv("WORMNET_DATA", str(tmp_path / "own"))
    got = hashlib.sha256(b"something else").hexdigest()
    with pytest.raises(
        DataError, match=rf"{wrong} has sha256 {got}, but .*/set/a.npy has {SHA['a.npy']}; replace or remove"
    ):
        get(files)
    assert server.seen == []
    assert verify(files)[0].state == "wrong"


def test_a_directory_that_is_not_there_is_an_error(files, monkeypatch, tmp_path):
    monkeypatch.setenv("WORMNET_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match=r"WORMNET_DATA names .*nowhere, which is no directory"):
        get(files)


def test_a_cache_that_cannot_be_made_is_one_line(files, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("WORMNET_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError, match=r"file/set cannot be written: Not a directory. Set \$WORMNET_CACHE"):
        get(files)


def test_a_full_disk_is_one_line_and_leaves_no_file(files, monkeypatch, folder):
    class Full(io.RawIOBase):
        def write(self, block):
            raise OSError(errno.ENOSPC, "No space left on device")

    real = Path.open
    monkeypatch.setattr(Path, "open", lambda self, *a, **k: Full() if self.suffix == ".part" else real(self, *a, **k))
    with pytest.raises(DataError, match=r"cannot be written: there is no space left. Set \$WORMNET_CACHE"):
        get(files)
    monkeypatch.undo()
    assert not (folder / "a.npy").exists()


SCRIPT = """
import sys
from wormnet.data.about import Files
from wormnet.data.download import fetch
sha = dict(pair.split("=") for pair in sys.argv[2:])
print("ready", flush=True)
print(*fetch(Files("set", sys.argv[1] + "/set", sha)).values(), sep="\\n")
"""


def start(server):
    arguments = [f"{name}={sha}" for name, sha in SHA.items()]
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, server.url, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_processes_at_once_download_each_file_once(server, folder):
    server.faults = [("hold", 100)]
    both = [start(server), start(server)]
    for process in both:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    assert server.holding.wait(60)
    server.go.set()
    for process in both:
        out, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (0, "")
        assert out.split() == [str(folder / name) for name in CONTENT]
    assert len(server.seen) == len(CONTENT)
    assert_good({name: folder / name for name in CONTENT})


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_killed_process_leaves_no_bad_file_and_no_lock(server, files, folder):
    server.faults = [("hold", 20_000)]
    process = start(server)
    assert server.holding.wait(60)
    part = folder / f".a.npy.{SHA['a.npy'][:12]}.part"
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    server.go.set()
    assert not (folder / "a.npy").exists()
    kept = part.stat().st_size if part.exists() else 0
    assert_good(get(files))
    assert server.seen[1] == ("/set/a.npy", f"bytes={kept}-" if kept else None)
