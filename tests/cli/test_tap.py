import pytest

from wormnet.cli import main
from wormnet.wiring import tap
from wormnet.wiring.bnn import write_bnn


def run(*arguments):
    """The status that the program ends with."""
    with pytest.raises(SystemExit) as ended:
        main(["tap", *map(str, arguments)])
    return ended.value.code


def test_tap_prints_six_rows_margins_and_the_nulls(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    assert run("--nulls", 200) == 0
    printed = capsys.readouterr().out
    outcome = tap.run(tap.tw_pure())
    for response, margin in zip(outcome.responses, outcome.margins):
        assert f"{response:+.1f}" in printed
        assert f"{margin:+.1f}" in printed
    assert "6 of 6 rows hold" in printed
    for kind in tap.DRAWN:
        share = (tap.drawn(tap.tw_pure(), kind, 200).passed >= 6).mean()
        assert f"{share:.1%} of 200 circuits with random {kind}" in printed


def test_tap_says_what_is_meant_and_judged_where_less_reversal_is_forward(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert run("--nulls", 5) == 0
    printed = capsys.readouterr().out
    (row,) = [line for line in printed.splitlines() if "AVD" in line]
    words = (
        "tap",
        "AVD",
        "reverses less",
        "less backward than intact, which is backward",
        "+0.7",
        "+3.1",
        "yes",
    )
    assert [word.strip() for word in row.strip("│ ").split("│")] == list(words)
    assert "+ forward, - backward" in printed


def test_tap_reads_a_circuit_in_published_order(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    # Nothing but PLM exciting AVB: what holds is the tail, the tap without head cells, and less forward without PLM.
    (tmp_path / "one.bnn").write_text("size 11\nex 1 5 2\nex 5 9 2\n")
    assert run(tmp_path / "one.bnn", "--nulls", 5) == 0
    printed = capsys.readouterr().out
    assert "3 of 6 rows hold" in printed
    assert printed.count("NO") == 3


def test_tap_says_what_is_wrong_with_a_file(capsys, tmp_path):
    (tmp_path / "bad.bnn").write_text("size 11\nex 1 50 2\n")
    assert run(tmp_path / "bad.bnn") == 2
    assert "bad.bnn, line 2: there is no neuron '50'; they are numbered 0 to 10." in capsys.readouterr().err
    write_bnn(tap.tw_pure(), tmp_path / "good.bnn")
    (tmp_path / "small.bnn").write_text("size 3\n")
    assert run(tmp_path / "small.bnn") == 2
    assert "names holds 11 different names; small.bnn has 3 neurons" in capsys.readouterr().err
