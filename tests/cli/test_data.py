import http.server
import os
import signal
import subprocess
import sys
import threading

import pytest

import wormnet
from wormnet import data
from wormnet.cli import main


def run(*arguments):
    """The status that the program ends with."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return ended.value.code


def start(*arguments, **environment):
    """The program in a process of its own, by way of its entry point."""
    return subprocess.Popen(
        [sys.executable, "-c", "from wormnet.cli import main; main()", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "200", **environment},
    )


class Server(http.server.ThreadingHTTPServer):
    """Answers `status`; 200 sends one byte of many and then waits for `go`."""

    def __init__(self, status):
        self.asked, self.go = threading.Event(), threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                if status != 200:
                    self.send_error(status)
                    return
                self.send_response(200)
                self.send_header("Content-Length", "1000")
                self.end_headers()
                self.wfile.write(b"x")
                self.wfile.flush()
                outer.asked.set()
                outer.go.wait(60)

            def log_message(self, *args):
                pass

        super().__init__(("127.0.0.1", 0), Handler)


@pytest.fixture
def serve(monkeypatch, tmp_path):
    monkeypatch.setenv("WORMNET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("WORMNET_DATA", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    running = []

    def serve(status):
        server = Server(status)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        running.append((server, thread))
        monkeypatch.setenv("WORMNET_MIRROR", f"http://127.0.0.1:{server.server_address[1]}")
        return server

    yield serve
    for server, thread in running:
        server.go.set()
        server.shutdown()
        server.server_close()
        thread.join()


def test_the_version_is_printed(capsys):
    assert run("--version") == 0
    assert capsys.readouterr().out.strip() == wormnet.__version__


def test_the_package_is_a_program():
    done = subprocess.run([sys.executable, "-m", "wormnet", "--version"], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == wormnet.__version__, done.stderr


@pytest.mark.parametrize("arguments", [("--help",), ("data", "--help"), ("data", "fetch", "--help"), ("--version",)])
def test_help_imports_nothing_heavy(arguments):
    code = (
        "import sys\nfrom wormnet.cli import main\n"
        "try:\n    main()\nfinally:\n"
        "    heavy = {'torch', 'aeon', 'sklearn', 'pandas', 'scipy', 'numba', 'matplotlib', 'optuna', 'pooch'}\n"
        "    print('heavy:', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("heavy: []")
    assert done.stderr == ""


def test_list_names_every_data_set_with_its_licence(serve, capsys):
    assert run("data", "list") == 0
    out = capsys.readouterr().out
    for name in data.names():
        row = next(line for line in out.splitlines() if f" {name} " in line)
        assert data.info(name).licence in row
        files = data.info(name).files
        assert ("none needed" if files is None else f"0 of {len(files.sha256)} here") in row


def test_names_are_whole_in_a_narrow_terminal(serve, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "60")
    assert run("data", "list") == 0
    assert all(f" {name} " in out for out in [capsys.readouterr().out] for name in data.names())


def test_fetch_of_what_needs_no_file_says_so(capsys):
    assert run("data", "fetch", "digits", "xor") == 0
    out = capsys.readouterr().out
    assert out.count("none needed") == 2


def test_fetch_and_verify_use_the_users_own_directory(offline, monkeypatch, capsys):
    directory = offline("halfcheetah")
    monkeypatch.setenv("WORMNET_DATA", str(directory))
    monkeypatch.setenv("COLUMNS", "200")
    assert run("data", "fetch", "halfcheetah", "xor") == 0
    assert str(directory / "halfcheetah") in capsys.readouterr().out
    assert run("data", "verify", "halfcheetah", "xor") == 0
    assert capsys.readouterr().out.count(" ok ") == 31


def test_verify_ends_with_2_and_names_the_first_file_that_is_missing(serve, capsys):
    assert run("data", "verify", "halfcheetah") == 2
    captured = capsys.readouterr()
    assert captured.err == ("wormnet: halfcheetah/trace_0000.npy is missing and 30 more; run `wormnet data fetch`.\n")
    assert captured.out.count(" missing ") == 31


def test_paths_are_printed_as_they_are(serve, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("WORMNET_CACHE", str(tmp_path / "[x]"))
    monkeypatch.setenv("COLUMNS", "400")
    assert run("data", "verify", "halfcheetah") == 2
    assert f"{tmp_path}/[x]" in capsys.readouterr().out


def test_an_unknown_name_is_one_line_and_status_2():
    process = start("data", "fetch", "halfchetah")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, "")
    assert err.startswith("wormnet: unknown data set 'halfchetah'; did you mean 'halfcheetah'?")
    assert err.count("\n") == 1


def test_a_file_that_cannot_be_had_is_one_line_and_status_2(serve):
    serve(404)
    process = start("data", "fetch", "halfcheetah")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err.count("\n")) == (2, "", 1)
    assert "/halfcheetah/trace_0000.npy could not be had: the server answers 404 Not Found." in err


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
def test_ctrl_c_ends_with_130_without_a_traceback(serve):
    server = serve(200)
    process = start("data", "fetch", "halfcheetah")
    assert server.asked.wait(60)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in out + err


def test_a_wrong_option_is_status_2(capsys):
    assert run("data", "fetch", "--colour") == 2
    assert "--colour" in capsys.readouterr().err
