"""The benchmarks' command line, and that the table in the README is what a committed file of results says."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RESULTS = sorted((ROOT / "benchmarks" / "results").glob("*.json"))


def run(*words):
    command = [sys.executable, str(ROOT / "benchmarks" / "run.py"), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


def test_the_table_in_the_readme_is_that_of_committed_results():
    assert RESULTS
    tables = [run("--table", str(path)).stdout.strip() for path in RESULTS]
    assert any(table and table in (ROOT / "README.md").read_text() for table in tables)


def test_a_case_that_does_not_exist_is_refused_with_those_that_do():
    done = run("--case", "ltc-npc")
    assert done.returncode == 1
    assert done.stderr.startswith("unknown case 'ltc-npc'; known: ltc-ncp, ltc-ncp-forward, ")


@pytest.mark.slow
def test_nothing_is_timed_while_the_tests_of_a_case_fail(tmp_path):
    # A copy of the benchmarks whose one case has a test that fails for its gate.
    (tmp_path / "benchmarks").mkdir()
    for name in ("run.py", "cases.py", "networks.py"):
        text = (ROOT / "benchmarks" / name).read_text()
        (tmp_path / "benchmarks" / name).write_text(text.replace("tests/engine/cpu/test_stepper.py", "test_red.py"))
    (tmp_path / "test_red.py").write_text("def test_red():\n    assert False\n")
    command = [sys.executable, str(tmp_path / "benchmarks" / "run.py"), "--quick", "--case", "stepper"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 1
    assert "stepper: not timed, test_red.py fails" in done.stderr
    assert "| one sample, LTC on the NCP, rnn.stepper() | refused: its tests fail | | | |" in done.stdout
