"""The command line: exit codes, sentences, options with several values."""

from __future__ import annotations

from typing import Annotated

import pytest
import typer

import isamap
from gee_export import console
from gee_export.sentinel import clouds, sentinel2, speckle


def echo(
    bands: Annotated[list[str] | None, typer.Option()] = None,
    bbox: Annotated[tuple[float, float, float, float] | None, typer.Option()] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run")] = False,
) -> None:
    print(bands, bbox, dry_run)


def run(*words: str) -> int:
    return console.run_command(lambda: echo, words, prog="echo")


def test_an_option_takes_several_words(capsys):
    assert run("--bands", "B2", "B3", "--dry-run") == 0
    assert capsys.readouterr().out == "['B2', 'B3'] None True\n"


def test_a_box_may_have_negative_degrees(capsys):
    assert run("--bbox", "-72.5", "-38.9", "-72.4", "-38.8") == 0
    assert capsys.readouterr().out == "None (-72.5, -38.9, -72.4, -38.8) False\n"


@pytest.mark.parametrize("words", [("--dry-run", "--dry-run"), ("--bbox=1", "--bands", "B2", "--bbox", "1", "2")])
def test_an_option_of_one_value_is_not_silently_taken_from_its_last_place(words, capsys):
    assert run(*words) == console.USER_MISTAKE
    assert "is given 2 times" in capsys.readouterr().err


def test_an_option_of_several_values_may_come_twice(capsys):
    assert run("--bands", "B2", "--bands", "B3") == 0
    assert capsys.readouterr().out == "['B2', 'B3'] None False\n"


def test_an_unknown_option_is_the_users_mistake(capsys):
    assert run("--bnds", "B2") == console.USER_MISTAKE
    assert "--bnds" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (ValueError("region is empty"), 2, "error: region is empty\n"),
        (console.Fault("disk\nfull"), 1, "error: disk full\n"),
        (OSError(28, "No space left on device"), 1, "error: [Errno 28] No space left on device\n"),
        (KeyboardInterrupt(), 130, "error: interrupted; the same command goes on where it was\n"),
    ],
)
def test_errors_end_in_one_sentence(error, code, words, capsys):
    def fail() -> None:
        raise error

    assert console.run(fail) == code
    assert capsys.readouterr().err == words


def test_an_unexpected_error_says_how_to_see_where(capsys):
    assert console.run(lambda: {}["missing"]) == console.FAULT
    assert "ISAMAP_TRACEBACK=1" in capsys.readouterr().err


def test_an_unknown_command_names_the_known_ones(capsys):
    assert isamap.main(["exprot"]) == console.USER_MISTAKE
    assert "expected export, " in capsys.readouterr().err


def test_half_a_command_names_its_other_half(capsys):
    assert isamap.main(["engine"]) == console.USER_MISTAKE
    assert "isamap engine serve" in capsys.readouterr().err


def test_the_choices_of_export_are_those_of_the_registries(capsys):
    """A filter or mask is added by one entry of its registry, which the command line reads."""
    assert isamap.main(["export", "--help"]) == 0
    words = capsys.readouterr().out.replace(",", " ").replace(".", " ").split()
    assert {*clouds.CLOUDS, *speckle.SPECKLE, *sentinel2.REDUCERS} <= set(words)


@pytest.mark.parametrize("command", isamap.COMMANDS)
def test_every_command_has_help(command, capsys):
    assert isamap.main([*command.split(), "--help"]) == 0
    assert f"Usage: isamap {command}" in capsys.readouterr().out


def test_ctrl_c_is_told_and_is_no_success(capsys):
    def interrupted() -> None:
        raise KeyboardInterrupt

    assert console.run_command(lambda: interrupted, [], prog="isamap") == console.INTERRUPTED
    assert "the same command goes on" in capsys.readouterr().err
