"""`wormnet replay` and `wormnet search` do what the library does, and say in one line what is wrong."""

import pytest

from wormnet.cli import main
from wormnet.control import Policy, replay, task
from wormnet.wiring import tap

pytest.importorskip("cma")
pytest.importorskip("gymnasium")
CAR = "MountainCarContinuous-v0"


def ended(arguments, capsys):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    return end.value.code, capsys.readouterr()


def test_a_search_writes_its_policy_and_figure_goes_on_and_is_replayed(tmp_path, capsys):
    out, log, figure = tmp_path / "policy.safetensors", tmp_path / "log.json", tmp_path / "search.svg"
    arguments = [
        "search",
        "--env",
        "InvertedPendulum-v5",
        "--out",
        str(out),
        "--log",
        str(log),
        "--figure",
        str(figure),
    ]
    arguments += ["--episodes", "2", "--worst", "1", "--method", "filtered", "--quiet", "--budget"]
    for budget in ("5", "9"):
        code, said = ended([*arguments, budget], capsys)
        assert code == 0, said.err
        assert f"{budget} vectors, {2 * int(budget)} episodes: objective" in said.out
    assert figure.read_text().startswith("<?xml")
    policy = Policy.load(out)
    assert replay(policy, "InvertedPendulum-v5", episodes=2, exact=False).min() >= 1
    before = out.read_bytes()
    code, said = ended([*arguments[:-1], "--seed", "4", "--budget", "5"], capsys)
    assert code == 2
    assert "is of a search with seed 0, this one has 4; give it a file of its own." in said.err
    assert len(out.read_bytes()) == len(before)


def test_what_a_command_would_leave_unread_is_refused(tmp_path, capsys):
    saved = tmp_path / "car.safetensors"
    Policy(tap.tw_pure(), **task(CAR).maps).save(saved)
    for option in (["--task", "parking"], ["--mode", "code"]):
        code, said = ended(["replay", str(saved), "--env", CAR, *option], capsys)
        assert code == 2
        assert "--task and --mode choose maps of a .bnn file; " in said.err
    code, said = ended(["search", "--env", CAR, "--out", str(tmp_path), "--quiet"], capsys)
    assert code == 2
    assert "it is a folder; --out takes a file." in said.err


def test_replay_prints_what_the_library_returns(tmp_path, capsys):
    policy = Policy(tap.tw_pure(), **task(CAR).maps)
    policy.save(tmp_path / "car.safetensors")
    code, said = ended(["replay", str(tmp_path / "car.safetensors"), "--env", CAR, "--episodes", "2"], capsys)
    assert code == 0, said.err
    returns = replay(policy, CAR, episodes=2)
    assert said.out.splitlines() == [
        f"episode 0: {returns[0]:.2f}",
        f"episode 1: {returns[1]:.2f}",
        f"{CAR}, 2 episodes: mean {returns.mean():.2f}, sd {returns.std():.2f}, {returns.min():.2f} to "
        f"{returns.max():.2f}",
    ]


def test_what_is_wrong_is_one_line(tmp_path, capsys):
    Policy(tap.tw_pure(), **task("inverted_pendulum").maps).save(tmp_path / "pole.safetensors")
    for arguments, message in (
        (["replay", str(tmp_path / "pole.safetensors"), "--env", CAR], "gives 2 observations and takes 1 actions"),
        (["replay", str(tmp_path / "none.bnn"), "--env", CAR], "there is no file"),
        (["replay", str(tmp_path / "none.bnn"), "--env", "Pong-v0"], "unknown task 'Pong-v0'"),
        (["search", "--env", "CartPole-v1", "--out", str(tmp_path / "new")], "give --circuit a policy"),
        (
            ["search", "--env", CAR, "--out", str(tmp_path / "o"), "--method", "cmaes", "--quiet"],
            "did you mean 'cma' or 'ars'?",
        ),
    ):
        code, said = ended(arguments, capsys)
        assert code == 2
        assert message.lower() in said.err.lower()
        assert said.err.count("\n") == 1


def test_a_search_that_ctrl_c_ends_says_how_to_go_on(tmp_path, capsys, monkeypatch):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("wormnet.control.search", stopped)
    arguments = ["search", "--env", CAR, "--out", str(tmp_path / "policy.safetensors"), "--quiet"]
    for more, says in (
        ([], "wormnet: stopped; nothing is kept; --log FILE keeps a search.\n"),
        (["--log", str(tmp_path / "k.json")], f"wormnet: stopped; the same command goes on, from {tmp_path}/k.json.\n"),
    ):
        code, said = ended(arguments + more, capsys)
        assert (code, said.err) == (130, says)


def test_a_file_that_cannot_be_written_is_told_before_a_search(capsys, monkeypatch):
    monkeypatch.setattr("wormnet.control.search", lambda *_, **__: pytest.fail("searched"))
    code, said = ended(["search", "--env", CAR, "--out", "/proc/policy.safetensors", "--quiet"], capsys)
    assert code == 2
    assert "cannot write /proc/policy.safetensors: " in said.err
