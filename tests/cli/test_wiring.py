"""`wormnet wiring`: shows and exports what the library gives, and refuses in one line."""

import csv
import io

import pytest

import wormnet
from wormnet.cli import main
from wormnet.wiring import Wiring


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(["wiring", *arguments])
    return int(stop.value.code or 0)


def test_every_name_in_the_list_can_be_found(capsys):
    assert run("list") == 0
    shown = capsys.readouterr().out
    for name in wormnet.wiring.catalogue.known():
        assert name in shown
        assert wormnet.wiring.catalogue.find(name).n_neurons


def test_show_counts_cells_synapses_and_signs(capsys):
    assert run("show", "tap_withdrawal") == 0
    shown = capsys.readouterr().out
    wiring = wormnet.wiring.circuits.tap_withdrawal()
    for word, number in (("inhibitory", (wiring.sign < 0).sum()), ("excitatory", (wiring.sign > 0).sum())):
        assert [line.split()[-1] for line in shown.splitlines() if line.strip().startswith(word)] == [str(number)]


def test_show_prints_names_and_sources_as_they_are(tmp_path, capsys):
    odd = Wiring(1, ["[red]AVA[/red]", "[/]", ":worm:"], pre=[0, 1], post=[1, 2], source="[1] a paper, see [/appendix]")
    wormnet.wiring.save(odd, tmp_path / "mine[2].json")
    assert run("show", str(tmp_path / "mine[2].json")) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for text in (*odd.neurons, odd.source):
        assert text in shown
    assert "mine[2].json" in shown.replace(" ", "")


def test_show_tells_what_each_rule_for_the_signs_leaves_undecided(capsys):
    assert run("show", "cook2019") == 0
    rows = {line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines() if line.strip()}
    # 409 + 1,296 signs of 3,709 synapses are predicted; what is left is 54.0 %.
    assert rows["polarity"] == ["+", "-", "undecided", "share"]
    assert rows["gaba"] == ["3,495", "214", "0", "0.0%"]
    assert rows["fenyves"] == ["1,296", "409", "2,004", "54.0%"]
    assert rows["learned"] == ["0", "0", "3,709", "100.0%"]
    assert run("show", "klinotaxis") == 0
    assert "undecided" not in capsys.readouterr().out


@pytest.mark.parametrize("to", ["json", "graphml"])
def test_an_exported_wiring_reads_back_equal(to, tmp_path, capsys):
    path = tmp_path / f"wiring.{to}"
    assert run("export", "klinotaxis", "--to", to, "--out", str(path)) == 0
    assert capsys.readouterr().out == ""
    assert wormnet.wiring.load(path) == wormnet.wiring.circuits.klinotaxis()
    assert run("show", str(path)) == 0


def test_csv_has_a_row_for_every_synapse_with_names_that_hold_commas(capsys):
    assert run("export", "cook2019", "--to", "csv") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    wiring = wormnet.wiring.connectome("cook2019")
    assert len(rows) == wiring.n_synapses
    assert sum(float(row["count"]) for row in rows) == wiring.count.sum()
    odd = wormnet.Wiring(["a,b"], ['say "hi"'], pre=[0], post=[1])
    assert list(csv.reader(io.StringIO(wormnet.wiring.to_csv(odd))))[1][:2] == ["a,b", 'say "hi"']


def test_a_table_is_shown_and_exported_with_its_inputs_and_what_was_not_read(tmp_path, capsys):
    path = tmp_path / "mine.csv"
    path.write_text("From,To,Etype,Weight,note\ntouch,AVA,send,3,x\nAVA,AVB,EJ,2,y\nAVB,AVA,EJ,2,z\n")
    assert (
        run("export", str(path), "--inputs", "touch", "--attribute", "Etype=kind", "--out", str(tmp_path / "a.json"))
        == 0
    )
    captured = capsys.readouterr()
    assert "mine.csv has attributes that were not read: of columns 'note'" in captured.err
    assert captured.err.count("\n") == 1
    assert wormnet.wiring.load(tmp_path / "a.json") == Wiring(
        ["touch"], ["AVA", "AVB"], pre=[0, 1], post=[1, 2], kind=[0, 1], count=[3, 2], source="mine.csv"
    )
    assert run("show", str(path), "--attribute", "Etype=kind", "--attribute", "note=") == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert ["gap", "junctions", "1"] in [line.split() for line in captured.out.splitlines()]


def test_drawings_are_written(tmp_path):
    assert run("show", "command", "--plot", str(tmp_path / "a.png"), "--matrix", str(tmp_path / "b.svg")) == 0
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (tmp_path / "b.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("show", "cook2018"), "unknown wiring 'cook2018'; did you mean 'cook2019'"),
        (("show", "no/such.csv"), "there is no file no/such.csv"),
        (("show", "command", "--inputs", "AVA"), "command comes as it is; inputs is for files"),
        (("show", "no/such.csv", "--attribute", "x"), "--attribute is 'x'; it takes MINE=FIELD"),
        (("show", "no/such.json"), "there is no file no/such.json"),
        (("show", "command", "--plot", "a.jpge"), "a.jpge ends in '.jpge'"),
        (("export", "command", "--out", "no/where.json"), "cannot write no/where.json"),
    ],
)
def test_what_cannot_be_done_ends_with_status_2_and_one_line(arguments, message, capsys):
    assert run(*arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


# -- the page ----------------------------------------------------------------------------------------------------------


def test_a_page_is_written_and_where_it_is_is_told(tmp_path, capsys):
    path = tmp_path / "touch.html"
    assert run("show", "touch", "--drive", "ALM, PLM", "--page", str(path)) == 0
    assert "touch.html" in capsys.readouterr().out.replace("\n", "")
    text = path.read_text(encoding="utf-8")
    assert "nothing trained" in text
    assert '"name":"to ALM"' in text
    assert "src=" not in text.split("<script", 1)[0]


@pytest.mark.parametrize("opens", [True, False])
def test_a_browser_is_opened_with_it_and_where_there_is_none_the_user_is_told(opens, tmp_path, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr("webbrowser.open", lambda address: asked.append(address) or opens)
    monkeypatch.chdir(tmp_path)
    wormnet.wiring.save(wormnet.auto_ncp(inputs=2, neurons=8, outputs=1), "mine.json")
    assert run("show", "mine.json", "--open") == 0
    assert asked == [(tmp_path / "mine.html").as_uri()]
    assert (tmp_path / "mine.html").stat().st_size > 100_000
    assert ("no browser" in capsys.readouterr().out) is not opens


def test_cells_to_stimulate_are_for_a_page(capsys):
    assert run("show", "touch", "--drive", "ALM") == 2
    assert "--page" in capsys.readouterr().err
