"""A plan on a cluster of Ray, of which a machine is killed; and as an array of SLURM jobs."""

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from study_program import PLAN, PROGRAM, finished, records, start, wait_for_a_record

from wormnet.cli import main
from wormnet.errors import BackendError
from wormnet.study import Plan, run

SMALL = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_memory_monitor_refresh_ms": "0",  # it would kill the runs if the machine is full of other things
    "RAY_worker_niceness": "0",  # by itself 15: with other tests beside it a run would hardly begin
    "OMP_NUM_THREADS": "1",
}


needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason='needs ray: pip install "wormnet[cluster]"'
)


@pytest.fixture
def plan(tmp_path):
    path = tmp_path / "my plan.toml"
    path.write_text(PLAN)
    return path


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Cluster:
    """A head of Ray that runs nothing, and machines of one core each: groups of processes of this machine."""

    def __init__(self) -> None:
        # The paths of Ray's sockets have to be short; pytest's folders are not.
        self.folder = Path(tempfile.mkdtemp(prefix="ray"))
        self.port = _free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.nodes: list[subprocess.Popen] = []

    def __enter__(self) -> "Cluster":
        try:
            options = ("--num-cpus=0", "--include-dashboard=false", f"--temp-dir={self.folder}")
            head = self._node("--head", f"--port={self.port}", *options)
            until = time.monotonic() + 120
            while not self._answers():
                assert head.poll() is None, (self.folder / "0.log").read_text()
                assert time.monotonic() < until, "Ray's head does not answer"
                time.sleep(0.1)
        except BaseException:
            self.__exit__()
            raise
        return self

    def add(self) -> subprocess.Popen:
        """A machine more, which joins in some seconds."""
        return self._node(f"--address={self.address}", "--num-cpus=1")

    def _node(self, *options: str) -> subprocess.Popen:
        program = "from ray.scripts.scripts import main; main()"
        each = ["start", "--block", "--node-ip-address=127.0.0.1", "--num-gpus=0", "--object-store-memory=80000000"]
        with (self.folder / f"{len(self.nodes)}.log").open("w") as log:
            command = [sys.executable, "-c", program, *each, *options]
            where = {"stdout": log, "stderr": log, "env": {**os.environ, **SMALL}}
            self.nodes.append(subprocess.Popen(command, start_new_session=True, **where))
        return self.nodes[-1]

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def __exit__(self, *_: object) -> None:
        for node in self.nodes:
            kill(node)
        shutil.rmtree(self.folder, ignore_errors=True)


def kill(node: subprocess.Popen) -> None:
    """End a machine of the cluster with all that runs on it, as if its power had gone."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(node.pid, signal.SIGKILL)
    node.wait()


@pytest.mark.slow
@needs_ray
def test_a_machine_of_a_cluster_that_is_killed_half_way_costs_nothing_but_repetitions(plan, tmp_path):
    out = tmp_path / "out"
    with Cluster() as cluster:
        first = cluster.add()
        process = start(str(plan), "--out", str(out), "--ray", cluster.address)
        try:
            wait_for_a_record(process, out)
            kill(first)
            before = finished(out)
            assert 2 <= len(before) < 6, "killed too late to show anything"
            cluster.add()
            said, errors = process.communicate(timeout=400)
        finally:
            process.kill()
            process.wait()
    assert process.returncode == 0, errors
    assert "6 runs done, 0 reused:" in said
    after = finished(out)
    assert {name: after[name] for name in before} == before
    assert (out / "report.html").exists()
    assert not list((out / "claims").iterdir())
    run(Plan.from_toml(plan), tmp_path / "here", workers=1, progress=False)
    assert records(out) == records(tmp_path / "here")
    for file in (tmp_path / "here" / "weights").iterdir():
        assert file.read_bytes() == (out / "weights" / file.name).read_bytes()


@needs_ray
def test_a_cluster_that_is_not_there_is_told(plan, tmp_path):
    address = f"127.0.0.1:{_free_port()}"
    with pytest.raises(BackendError, match=f"no Ray cluster can be reached at '{address}' .*`ray start --head`"):
        run(Plan.from_toml(plan), tmp_path / "out", ray=address, progress=False)


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """Programs that do what those of SLURM do: sbatch runs its script once for each job of the array, side by side."""
    programs = {
        "wormnet": f"exec {sys.executable} -c '{PROGRAM}' \"$@\"",
        "srun": 'exec "$@"',
        "sbatch": """script=$(cat)
array=$(sed -n 's/^#SBATCH --array=1-//p' <<<"$script")
export SLURM_CPUS_PER_TASK=$(sed -n 's/^#SBATCH --cpus-per-task=//p' <<<"$script")
export SLURM_NTASKS=1 SLURM_JOB_NAME=wormnet SLURM_ARRAY_JOB_ID=7
for i in $(seq "$array"); do
    SLURM_ARRAY_TASK_ID=$i SLURM_JOB_ID=$((7 + i)) bash <<<"$script" >"job-$i.log" 2>&1 & jobs+=($!)
done
for job in "${jobs[@]}"; do wait "$job" || exit 1; done""",
    }
    (tmp_path / "bin").mkdir()
    for name, lines in programs.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/bash\n{lines}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)


@pytest.mark.slow
@pytest.mark.usefixtures("slurm")
def test_the_jobs_of_a_slurm_array_do_a_plan_together_and_write_one_report(plan, tmp_path, capsys):
    plan.write_text(PLAN + "[tuning]\ntrials = 2\n[tuning.space]\nlearning_rate = [0.001, 0.1]\n")
    with pytest.raises(SystemExit) as ended:
        main(["study", "slurm", plan.name, "--out", "my study", "--tasks", "2", "--sbatch=--partition=short"])
    assert not ended.value.code
    script = capsys.readouterr().out
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0
    assert "#SBATCH --partition=short\n" in script
    logs = [tmp_path / "job-1.log", tmp_path / "job-2.log"]
    try:
        done = subprocess.run(["sbatch"], input=script, text=True, check=False, timeout=300)
    finally:
        said = "\n".join(log.read_text() for log in logs)
    assert done.returncode == 0, said
    out = tmp_path / "my study"
    assert (out / "report.html").read_text().rstrip().endswith("</html>")
    assert said.count(f"{Path('my study') / 'report.html'}") >= 1
    # 3 searches, and 3 networks from 2 seeds; by whom is chance.
    run(Plan.from_toml(plan), tmp_path / "alone", workers=1, progress=False)
    assert len(records(out)) == 9
    assert records(out) == records(tmp_path / "alone")
    for folder in ("claims", "trials"):
        assert not list((out / folder).iterdir())
