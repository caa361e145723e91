"""Help texts are read as marked up text, where a word in brackets is a colour and vanishes."""

import re

import pytest
import typer
from rich.text import Text

from wormnet.cli import app, main


def commands(command, name="wormnet"):
    yield name, command
    for word, one in getattr(command, "commands", {}).items():
        yield from commands(one, f"{name} {word}")


COMMANDS = dict(commands(typer.main.get_command(app)))


@pytest.mark.parametrize("name", COMMANDS)
def test_no_word_of_a_help_text_is_lost(name):
    command = COMMANDS[name]
    for text in [command.help, *(getattr(one, "help", None) for one in command.params)]:
        shown = Text.from_markup(text or "").plain
        assert re.findall(r"\w+", shown) == re.findall(r"\w+", text or "")


def test_help_names_the_extra_that_a_course_needs(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit):
        main(["drive", "--help"])
    assert "by wormnet[outside]" in " ".join(capsys.readouterr().out.split())
