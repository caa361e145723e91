import pytest

from wormnet.cli import main


def test_a_folder_that_cannot_be_made_is_told_before_anything_is_trained(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("wormnet.study.tap_study.execute", lambda *_: pytest.fail("trained for nothing"))
    file, within = tmp_path / "file", tmp_path / "file" / "out"
    for out, told in (
        (file, f"out is {str(file)!r}, which is a file; name a directory."),
        (within, f"cannot write into {within}: Not a directory."),
    ):
        with pytest.raises(SystemExit) as ended:
            main(["tap-training", "--quick", "--out", str(out)])
        assert ended.value.code == 2
        assert capsys.readouterr().err.strip() == f"wormnet: {told}"
