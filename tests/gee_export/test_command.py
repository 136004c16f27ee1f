"""Commands made of option records."""

from __future__ import annotations

from dataclasses import dataclass, make_dataclass
from typing import Annotated, ClassVar

import pytest

from isamap.gee_export.base.options import Option
from isamap.gee_export.command import command, command_with_file
from isamap.gee_export.command_line import console
from tests.support.toy_request import Cut, Toy


def run(words: list[str], record: type = Toy) -> tuple[int, list]:
    """The exit code, and the requests that the command was called with."""
    requests: list = []

    def cut(request) -> None:
        """Cut toys."""
        requests.append(request)

    cut.__annotations__["request"] = record
    return console.run_command(lambda: command_with_file()(cut), words, prog="isamap cut"), requests


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

    def cut(toy: Toy) -> None: ...

    app = typer.Typer()
    app.command()(command(cut))
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


def test_parameters_are_options_beside_records(capsys):
    made: list = []

    def cut(
        from_: Annotated[str, Option("A folder.")], toy: Toy, seeds: Annotated[tuple[int, ...], Option("Of.")] = ()
    ):
        made.append((from_, toy.cut.size, seeds))

    words = ["--from", "a", "--size", "64", "--seeds", "1", "2"]
    assert console.run_command(lambda: command(cut), words, prog="isamap cut") == 0 and made == [("a", 64, (1, 2))]
    assert console.run_command(lambda: command(cut), [], prog="isamap cut") == console.USER_MISTAKE
    assert "missing option --from" in capsys.readouterr().err


def test_a_command_without_a_file_offers_none(capsys):
    def cut(toy: Toy) -> None: ...

    console.run_command(lambda: command(cut), ["-h"], prog="isamap cut")
    assert "--config" not in capsys.readouterr().out


def test_a_record_names_the_panel_of_its_options(capsys):
    @dataclass(frozen=True)
    class Grounds:
        GROUP: ClassVar[str] = "Grounds"
        side: Annotated[int, Option("Of a ground.")] = 3

    def cut(grounds: Grounds) -> None: ...

    cut.__annotations__["grounds"] = Grounds
    console.run_command(lambda: command(cut), ["-h"], prog="isamap cut")
    assert "Grounds:\n  --side N" in capsys.readouterr().out
