import os
import re
import signal

import pytest
from study_program import PLAN, finished, records, start, wait_for_a_record

from wormnet.cli import main
from wormnet.study import Plan, run


@pytest.fixture
def plan(tmp_path):
    path = tmp_path / "plan.toml"
    path.write_text(PLAN)
    return path


def test_a_killed_study_resumes_repeats_nothing_and_ends_as_if_never_killed(plan, tmp_path):
    out = tmp_path / "out"
    process = start(str(plan), "--out", str(out), "--workers", "1")
    wait_for_a_record(process, out)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    before = finished(out)
    assert 2 <= len(before) < 6, "killed too late to show anything"
    assert not (out / "report.html").exists()

    # Without a plan it goes on with its own.
    process = start("--out", str(out), "--workers", "1", "--resume")
    said, errors = process.communicate(timeout=400)
    assert process.returncode == 0, errors
    assert f"{6 - len(before)} runs done, {len(before)} reused" in said
    after = finished(out)
    assert {name: after[name] for name in before} == before
    assert (out / "report.html").exists()

    run(Plan.from_toml(plan), tmp_path / "whole", workers=1, progress=False)
    assert records(out) == records(tmp_path / "whole")


def test_ctrl_c_ends_with_one_line_and_a_directory_to_go_on_with(plan, tmp_path):
    out = tmp_path / "out"
    process = start(str(plan), "--out", str(out), "--workers", "1")
    wait_for_a_record(process, out, 1)
    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=400)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert re.search(r"wormnet: stopped; go on with --out \S+ --resume\.", errors)
    before = finished(out)
    assert before
    assert run(Plan.from_json(out / "plan.json"), out, workers=1, resume=True, progress=False).reused == len(before)


def status(capsys, *arguments: str) -> tuple[int, str, str]:
    try:
        main(["study", *arguments])
    except SystemExit as stop:
        code = stop.code
    else:
        code = 0
    said = capsys.readouterr()
    return int(code or 0), said.out, said.err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("networks = 3", r"wormnet: \S+plan.toml: networks is 3; it takes a list of networks, at least one\."),
        ('networks = ["lstn"]', r"wormnet: \S+plan.toml: networks: unknown network 'lstn'; did you mean 'lstm'"),
        ("networks = [", r"wormnet: \S+plan.toml is no TOML: .*(line \d|end of document)"),
    ],
)
def test_a_bad_plan_is_one_line_and_status_2(capsys, tmp_path, text, message):
    path = tmp_path / "plan.toml"
    path.write_text(f'datasets = ["digits"]\n{text}\n')
    code, out, err = status(capsys, str(path), "--out", str(tmp_path / "out"))
    assert (code, out) == (2, "")
    assert re.fullmatch(message + r".*\n", err)
    assert not (tmp_path / "out").exists()


def test_a_missing_plan_a_used_directory_and_no_seeds_are_one_line_and_status_2(capsys, tmp_path, plan):
    out = ("--out", str(tmp_path))
    assert status(capsys, "no.toml")[::2] == (
        2,
        "wormnet: there is no file no.toml.\n",
    )
    code, _, err = status(capsys, str(plan), *out)
    assert code == 2
    assert "which holds no study, but 'plan.toml'; name another directory" in err
    code, _, err = status(capsys, str(plan), *out, "--seeds", "0")
    assert code == 2
    assert err.startswith("wormnet: seeds is 0; it takes how many, 1 or more")


def test_a_failed_run_is_status_1_and_quick_says_so(capsys, tmp_path, plan):
    plan.write_text(
        PLAN.replace("epochs = 12", 'epochs = 4\nlearning_rate = 1e30\nweight_decay = 1.0\nclip = 0\noptimiser = "sgd"')
    )
    out = tmp_path / "out"
    code, said, _ = status(capsys, str(plan), "--out", str(out), "--workers", "1", "--quick")
    assert code == 1
    assert "3 runs done, 0 reused, 3 failed" in said
    page = (out / "report.html").read_text()
    assert "A quick look:" in page
    assert "3 runs failed" in page


def test_seeds_on_the_command_line_go_before_the_plan(capsys, tmp_path, plan):
    plan.write_text(PLAN.replace("epochs = 12", "epochs = 1").replace('"gru-7", "lstm", ', ""))
    code, said, _ = status(capsys, str(plan), "--out", str(tmp_path / "out"), "--workers", "1", "--seeds", "3")
    assert (code, said.startswith("3 runs done")) == (0, True)
