"""What every command has: --json, --quiet, --verbose, --log-file, help, nearest names, progress."""

from __future__ import annotations

import ast
import io
import json
import logging
import subprocess
import sys
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

import numpy as np
import pytest
import typer

import isamap
from isamap.gee_export.base import progress_bar, quiet
from isamap.gee_export.base.errors import Fault, notice
from isamap.gee_export.command_line import command_words, console
from isamap.gee_export.command_line.choice_tables import ChoiceTables
from isamap.gee_export.command_line.report_output import plain, show, show_list
from isamap.gee_export.datasets.progress_log import ProgressLog
from isamap.gee_export.earth_engine.check import _bucket_remedy
from isamap.gee_export.export.modes import Means

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Report:
    path: Path
    shares: tuple[float, ...]
    counts: dict[Any, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"wrote {self.path}\n  {len(self.shares)} shares"


def measure(
    bbox: Annotated[tuple[float, float, float, float] | None, typer.Option("--bbox", help="The place.")] = None,
    month: Annotated[str | None, typer.Option("--month", help="When.")] = None,
    size: Annotated[int, typer.Option("--size", help="Pixels.", rich_help_panel="How")] = 3,
    speckle: Annotated[str, typer.Option("--speckle", help="Filter.", rich_help_panel="How")] = "lee",
    fails: Annotated[bool, typer.Option("--fails", help="Fails after the report.")] = False,
) -> None:
    """Measure a place."""
    logging.getLogger("isamap.training.example").info("measured %s", month)
    notice("a note")
    print("a stray line")
    show(Report(Path("maps/a.tif"), (0.5, float("nan")), {1: np.float32(0.25)}))
    if fails:
        raise Fault("not sound")


def written(
    json_: Annotated[str | None, typer.Option("--json", help="A file for the figures.")] = None,
) -> None:
    """A command with a --json FILE of its own."""
    show({"file": json_})


def run(*words: str, command: Any = measure, **options: Any) -> int:
    return console.run_command(lambda: command, words, prog="isamap measure", **options)


# --json, --quiet, --verbose, --log-file


def test_json_prints_one_document_and_nothing_else(capsys):
    assert run("--json") == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out) == {"path": "maps/a.tif", "shares": [0.5, None], "counts": {"1": 0.25}}
    assert "a stray line" in printed.err


def test_json_is_printed_by_a_command_that_fails_after_its_report(capsys):
    """`check` and `inspect` report what they saw, then fail."""
    assert run("--json", "--fails") == 1
    printed = capsys.readouterr()
    assert json.loads(printed.out)["path"] == "maps/a.tif" and "error: not sound" in printed.err


def test_several_reports_are_one_document(capsys):
    def twice() -> None:
        show({"a": 1})
        show({"a": 2})

    assert run("--json", command=twice) == 0
    assert json.loads(capsys.readouterr().out) == [{"a": 1}, {"a": 2}]


def test_a_list_is_made_in_the_form_that_is_asked_for(capsys):
    def listed() -> None:
        show_list(lambda: [{"name": "wuhan"}], lambda: "wuhan")

    assert run(command=listed) == 0 and capsys.readouterr().out == "wuhan\n"
    assert run("--json", command=listed) == 0 and json.loads(capsys.readouterr().out) == [{"name": "wuhan"}]


def test_a_command_keeps_its_own_json_file(capsys):
    assert run("--json", "x.json", command=written) == 0
    assert capsys.readouterr().out == "{'file': 'x.json'}\n"


@pytest.mark.parametrize("words", [("--json",), ("--json", "--quiet")])
def test_json_without_a_file_is_the_document(words, capsys):
    assert run(*words, command=written) == 0
    assert json.loads(capsys.readouterr().out) == {"file": None}


def test_a_report_with_a_json_form_of_its_own_keeps_it():
    class Scores:
        def to_json(self) -> dict[str, Any]:
            return {"oa": np.float64("inf"), "blocks": np.arange(2)}

    assert plain([Scores()]) == [{"oa": None, "blocks": [0, 1]}]


def test_quiet_prints_the_result_line_only(capsys):
    def calm() -> None:
        notice("a note")
        progress_bar.ProgressBar.write("epoch 1/2")
        show(Report(Path("a.tif"), ()))

    assert run("--quiet", command=calm) == 0
    assert capsys.readouterr() == ("wrote a.tif\n", "")


def test_quiet_does_not_outlive_its_command():
    assert run("--quiet", command=written) == 0
    assert not quiet.is_quiet()


def test_verbose_prints_the_log_records_of_our_packages(capsys):
    assert run("--verbose", "--month", "2019-06") == 0
    assert "isamap.training.example: measured 2019-06" in capsys.readouterr().err


def test_without_verbose_records_are_not_printed(capsys):
    assert run("--month", "2019-06") == 0
    assert "measured" not in capsys.readouterr().err


def test_a_log_file_holds_records_and_the_error_with_times(tmp_path):
    assert run("--fails", "--log-file", str(tmp_path / "run.log")) == 1
    lines = (tmp_path / "run.log").read_text(encoding="utf-8").splitlines()
    assert any(line[:2] == "20" and line.endswith("isamap.training.example: measured None") for line in lines)
    assert any("ended: not sound" in line for line in lines)


def test_a_log_file_that_cannot_be_written_is_the_users_mistake(tmp_path, capsys):
    assert run("--log-file", str(tmp_path)) == console.USER_MISTAKE
    assert "expected the name of a file" in capsys.readouterr().err


def test_quiet_and_verbose_exclude_each_other(capsys):
    assert run("--quiet", "--verbose") == console.USER_MISTAKE
    assert "exclude each other" in capsys.readouterr().err


def test_common_options_may_lead_the_command(capsys):
    assert isamap.main(["--json", "regions"]) == 0
    assert {"wuhan", "hunan"} <= {row["name"] for row in json.loads(capsys.readouterr().out)}


@pytest.mark.parametrize("command", ["labels", "labels gaia", "reproduce --list"])
def test_lists_have_a_json_form(command, capsys):
    assert isamap.main([*command.split(), "--json"]) == 0
    assert all(row["name"] for row in json.loads(capsys.readouterr().out))


@pytest.mark.parametrize("module", sorted({address.partition(":")[0] for address, _ in isamap.COMMANDS.values()}))
def test_commands_show_their_reports(module):
    """A report that is printed would not be there under --json."""
    tree = ast.parse(Path(import_module(module).__file__).read_text(encoding="utf-8"))
    calls = [node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    assert "print" not in calls


def test_a_reader_that_stops_is_no_error(tmp_path):
    """`isamap labels | head -1`"""
    line = f"{sys.executable} -m isamap labels | head -n 1"
    done = subprocess.run(["sh", "-c", line], cwd=ROOT, capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) == 1 and done.stderr == ""


def test_the_run_log_of_an_export_is_a_log_record(tmp_path, caplog):
    (tmp_path / ".run").mkdir()
    with caplog.at_level(logging.INFO, "isamap"):
        ProgressLog(tmp_path / ".run").log("429: slowed down")
    assert caplog.messages == ["429: slowed down"]


def test_no_workers_is_the_default_of_an_export():
    """As for `map`, 0 leaves the number to isamap."""
    assert not Means(workers=0).workers


def test_a_missing_bucket_of_the_local_engine_has_a_remedy_that_helps():
    remedy = _bucket_remedy(SimpleNamespace(is_local=True, project="local"), "no_such")
    assert "check the name" in remedy and "nothing to do" not in remedy


# words


@pytest.mark.parametrize(
    "words", [("1", "2", "3", "4"), ("1,2,3,4",), ("1,", "2,", "3,", "4"), ("-1.5,2,3,4",), ("-1.5", "2", "3", "4")]
)
def test_a_box_is_four_numbers_with_or_without_commas(words):
    names = command_words.OptionNames.of(console.click_command(measure))
    prepared = command_words.prepared(["--bbox", *words, "--fails"], names, prog="p")
    assert prepared[0] == "--bbox" and [float(word) for word in prepared[1:5]][1:] == [2, 3, 4]
    assert command_words.prepared([f"--bbox={words[0]}", *words[1:], "--fails"], names, prog="p") == prepared


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--bbox", "1", "2", "3"), "--bbox takes 4 numbers, 3 are given: 1 2 3"),
        (("--bbox", "1,2,3,4,5"), "--bbox takes 4 numbers, 5 are given: 1 2 3 4 5"),
        (("--bbox", "1", "2", "3", "north"), "'north' is not a number"),
        (("--month", "2019-06", "2019-07"), "--month takes one value, 2 are given: 2019-06 2019-07"),
        (("--month", "2019-06", "--month", "2019-07"), "--month is given 2 times"),
        (("--month",), "--month needs a value"),
        (("--quite",), "did you mean --quiet?"),
        (("--mnth", "2019-06"), "has no option --mnth: did you mean --month?"),
        (("--zzz",), "`isamap measure --help` lists its options"),
        (("--size", "many"), "`isamap measure --help` describes the options"),
        (("--log-file",), "--log-file needs the name of a file"),
    ],
)
def test_a_wrong_word_is_one_sentence(words, message, capsys):
    assert run(*words) == console.USER_MISTAKE
    printed = capsys.readouterr().err
    assert message in printed and printed.startswith("error: ") and printed.count("\n") == 1


@pytest.mark.parametrize(
    ("line", "remedy"),
    [
        ("train --epochs 3", "give --set epochs=3"),
        ("train --lr=1e-4", "give --set lr=1e-4"),
        ("export --kernel-px 5", "give --set kernel_px=5"),
        ("export --regoin wuhan", "did you mean --region?"),
        ("map --composite month --period 2020", "the checkpoint decides it, give one that was trained so"),
        ("run --share --dry-run", "the checkpoint decides it, give one that was trained so"),
    ],
)
def test_a_setting_given_as_an_option_names_set(line, remedy, capsys):
    assert isamap.main(line.split()) == console.USER_MISTAKE
    assert remedy in capsys.readouterr().err


# help


@pytest.mark.parametrize("words", [["export", "-h"], ["help", "export"], ["engine", "serve", "-h"]])
def test_help_has_three_spellings(words, capsys):
    assert isamap.main(words) == 0
    short = capsys.readouterr().out
    command = [word for word in words if word not in ("-h", "help")]
    assert isamap.main([*command, "--help"]) == 0
    assert capsys.readouterr().out == short


def test_help_shows_choices_values_and_groups(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    tables = ChoiceTables({"--speckle": "isamap.gee_export.sentinel.speckle:SPECKLE"})
    assert run("--help", tables=tables) == 0
    page = capsys.readouterr().out
    assert "--bbox W S E N" in page and "--month YYYY-MM" in page and "--speckle [none|boxcar|lee|" in page
    assert "\nHow:\n" in page and "--size N" in page and "[default: 3]" in page


@pytest.mark.parametrize("command", isamap.COMMANDS)
def test_help_shows_no_types_of_python(command, capsys):
    assert isamap.main([*command.split(), "--help"]) == 0
    page = capsys.readouterr().out
    assert f"Usage: isamap {command}" in page
    assert not [word for word in ("<", "list[", "float", "{") if word in page]


@pytest.mark.parametrize("columns", [60, 110])
def test_help_has_the_width_of_the_terminal(columns, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    assert isamap.main(["export", "--help"]) == 0
    widths = [len(line) for line in capsys.readouterr().out.splitlines()]
    assert max(columns - 25, 40) < max(widths) <= columns


@pytest.mark.parametrize("address", sorted({*isamap.CHOICES.values(), *isamap.SETTINGS.values()}))
def test_the_tables_of_choices_are_there(address):
    assert ChoiceTables({"--x": address}).of_option("any", "--x")


# start-up


@pytest.mark.parametrize("words", ["regions", "labels", "view --help", "export --help", "train --help"])
def test_lists_and_help_load_no_machinery(words):
    code = f"import isamap, sys; isamap.main({words.split()!r}); print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    heavy = {"torch", "ee", "aiohttp", "scipy", "sklearn", "pandas", "geopandas", "pyarrow", "matplotlib", "numba"}
    assert not heavy & set(done.stdout.splitlines()[-1].split())


# progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def bar_text(monkeypatch, stream: io.StringIO, seconds: float) -> str:
    """What a bar prints whose five steps take that long each."""
    clock = iter(range(1000))
    monkeypatch.setattr(sys, "stderr", stream)
    with progress_bar.ProgressBar(total=5, desc="map") as bar:
        if not bar.disable:
            monkeypatch.setattr(bar, "_time", lambda: bar.start_t + seconds * next(clock))
        for _ in range(5):
            bar.update()
    return stream.getvalue()


def test_a_terminal_shows_a_bar(monkeypatch):
    assert "\r" in bar_text(monkeypatch, Terminal(), 1)


def test_a_log_gets_whole_lines_once_a_minute(monkeypatch):
    printed = bar_text(monkeypatch, io.StringIO(), 40)
    assert "\r" not in printed and "map:" in printed
    assert 1 <= len(printed.splitlines()) <= 3  # 200 s


def test_a_log_gets_nothing_of_what_is_quick(monkeypatch):
    assert bar_text(monkeypatch, io.StringIO(), 1) == ""


def test_quiet_hides_bars(monkeypatch):
    with quiet.silence():
        assert bar_text(monkeypatch, Terminal(), 1) == ""
