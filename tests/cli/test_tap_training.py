import pytest

from wormnet.cli import main


def test_a_folder_that_cannot_be_made_is_told_before_anything_is_trained(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("wormnet.study.tap_training.run", lambda **_: pytest.fail("trained for nothing"))
    for out, why in ((tmp_path / "file", "File exists"), (tmp_path / "file" / "out", "Not a directory")):
        with pytest.raises(SystemExit) as ended:
            main(["tap-training", "--quick", "--out", str(out)])
        assert ended.value.code == 2
        assert capsys.readouterr().err == f"wormnet: cannot write into {out}: {why}.\n"
