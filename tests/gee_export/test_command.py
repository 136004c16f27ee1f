"""Commands made of option records."""

from __future__ import annotations

from dataclasses import make_dataclass
from typing import Annotated

import pytest

from gee_export.base.options import Option
from gee_export.command import command_of
from gee_export.command_line import console
from tests.support.toy_request import Cut, Toy


def run(words: list[str], record: type = Toy) -> tuple[int, list]:
    """The exit code, and the requests that the command was called with."""
    requests: list = []

    def cut(request) -> None:
        """Cut toys."""
        requests.append(request)

    return console.run_command(lambda: command_of(record, cut), words, prog="isamap cut"), requests


def test_words_become_a_record():
    words = "--bbox -15.42 47.05 15.46 47.08 --month 2019-06 2019-07 --size 64 --mode batch --set a=1 b=2 --share"
    assert run(words.split()) == (
        0,
        [
            Toy(
                (-15.42, 47.05, 15.46, 47.08),
                ("2019-06", "2019-07"),
                Cut(64, ways="batch"),
                settings=("a=1", "b=2"),
                share=True,
            )
        ],
    )


def test_no_words_are_the_defaults():
    assert run([]) == (0, [Toy()])


def test_help_shows_forms_choices_and_defaults(capsys):
    run(["--help"])
    text = capsys.readouterr().out
    assert "--bbox W S E N" in text and "--mode [stream|batch]" in text and "[default: 128]" in text
    assert "Cut toys." in text and "--config FILE.toml" in text


def test_groups_are_panels_of_the_help():
    import typer

    app = typer.Typer()
    app.command()(command_of(Toy, lambda toy: None))
    panels = {p.name: getattr(p, "rich_help_panel", None) for p in typer.main.get_command(app).params}
    assert panels["bbox"] == "Where" and panels["size"] == "Patches"


def test_the_command_line_overrides_the_file(tmp_path):
    (tmp_path / "run.toml").write_text('size = 64\nmonth = ["2019-06"]\nlr = 0.5\n')
    code, (toy,) = run(["--config", str(tmp_path / "run.toml"), "--size", "128", "--month", "2020-01"])
    assert (code, toy.cut.size, toy.month, toy.lr) == (0, 128, ("2020-01",), 0.5)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--mode", "strem"], "error: --mode strem: expected one of stream, batch (did you mean stream?)\n"),
        (["--size", "4"], "error: --size 4: expected at least 8\n"),
        (["--config", "none.toml"], "error: none.toml cannot be read: No such file or directory; give a TOML file"),
    ],
)
def test_mistakes_are_sentences_of_the_command_line(words, sentence, capsys):
    assert run(words) == (console.USER_MISTAKE, [])
    assert capsys.readouterr().err.startswith(sentence)


def test_a_new_field_is_an_option_at_once():
    record = make_dataclass("More", [("speed", Annotated[float, Option("How fast.")], 1.0)], bases=(Toy,), frozen=True)
    assert run(["--speed", "2"], record)[1] == [record(speed=2.0)]


def test_a_positional_option_needs_no_flag():
    record = make_dataclass("Map", [("checkpoint", Annotated[str, Option("A folder.", positional=True)])], frozen=True)
    assert run(["runs/a"], record) == (0, [record("runs/a")])
