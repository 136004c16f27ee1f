"""The command line: exit codes, sentences, options with several values."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import pytest
import typer

import isamap
from isamap.gee_export.base.errors import Fault
from isamap.gee_export.command_line import console
from isamap.gee_export.sentinel import clouds, sentinel2, speckle

ROOT = Path(__file__).parents[1]


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


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (ValueError("region is empty"), 2, "error: region is empty\n"),
        (Fault("disk\nfull"), 1, "error: disk full\n"),
        (OSError(28, "No space left on device"), 1, "error: [Errno 28] No space left on device\n"),
        (
            KeyboardInterrupt(),
            130,
            "error: interrupted; nothing was kept, run the same command again to start over\n",
        ),
        (
            RuntimeError("can't start new thread"),
            1,
            "error: out of resources: the system allows this process no more threads or memory for them: "
            "raise the limits `ulimit -u` and `ulimit -v`, or give fewer workers\n",
        ),
        (
            OSError(24, "Too many open files"),
            1,
            "error: out of resources: the system allows this process no more open files: "
            "raise the limit `ulimit -n`, or give fewer workers\n",
        ),
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


def test_without_its_engine_it_says_how_to_install_both(monkeypatch, capsys):
    """As after `pip install --no-deps .`."""
    monkeypatch.setitem(sys.modules, "local_ee.catalogs", None)
    monkeypatch.setitem(sys.modules, "local_ee", None)
    command = ["map", "--checkpoint", "starter", "--catalog", "open", "--bbox", "114.24", "30.54", "114.28", "30.58"]
    assert isamap.main([*command, "--month", "2023-06", "--out", "map.tif"]) == console.USER_MISTAKE
    assert capsys.readouterr().err == (
        "error: the local engine is not installed; run `pip install ./local_ee .` in the folder of the clone\n"
    )


def test_an_unknown_command_names_the_known_ones(capsys):
    assert isamap.main(["frobnicate"]) == console.USER_MISTAKE
    assert "expected export, " in capsys.readouterr().err


def test_a_misspelt_command_names_the_nearest(capsys):
    assert isamap.main(["exprt"]) == console.USER_MISTAKE
    assert "did you mean export?" in capsys.readouterr().err


def test_half_a_command_names_its_other_half(capsys):
    assert isamap.main(["engine"]) == console.USER_MISTAKE
    assert "isamap engine serve" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["assess", "-h"], ["help", "assess"], ["assess", "--help"]], ids=" ".join)
def test_help_of_half_a_command_lists_its_other_halves(words, capsys):
    assert isamap.main(words) == 0
    shown = capsys.readouterr().out
    rows = [line.split()[1:3] for line in shown.splitlines() if line.startswith("  isamap")]
    assert rows == [["assess", "plan"], ["assess", "sample"], ["assess", "estimate"]]


def test_a_service_that_cannot_write_its_folder_says_so(capsys):
    assert isamap.main(["serve", "--folder", "/proc/nope"]) == console.FAULT
    assert "/proc/nope cannot be written: No such file or directory; correct that" in capsys.readouterr().err


def test_the_choices_of_export_are_those_of_the_registries(capsys):
    """A filter or mask is added by one entry of its registry, which the command line reads."""
    assert isamap.main(["export", "--help"]) == 0
    words = re.split(r"[\s\[\]|]+", capsys.readouterr().out)
    assert {*clouds.CLOUDS, *speckle.SPECKLE, *sentinel2.REDUCERS} <= set(words)


def test_ctrl_c_is_told_and_is_no_success(capsys):
    def interrupted() -> None:
        raise KeyboardInterrupt

    code = console.run_command(lambda: interrupted, [], prog="isamap", interrupted=console.CONTINUE)
    assert code == console.INTERRUPTED
    assert capsys.readouterr().err == "error: interrupted; run the same command again to continue\n"


@pytest.mark.parametrize("command", isamap.COMMANDS)
def test_only_commands_that_keep_their_work_are_said_to_continue(command, capsys, monkeypatch):
    """`evaluate` and `engine serve` begin again; those that go on are tested where they are (kills, strips, runs)."""
    endings = []
    monkeypatch.setattr(console, "run_command", lambda *_, interrupted, **__: endings.append(interrupted) or 0)
    isamap.main(command.split())
    continued = command in ("export", "composite", "train", "cross-validate", "prune", "reproduce", "map", "run")
    assert endings == [console.CONTINUE if continued else console.START_OVER]


def test_sigterm_ends_a_command_as_ctrl_c_does(capsys):
    """SLURM, `docker stop`, systemd: 128 + 15, and what has to be put away is put away."""
    ended = []

    def command() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(60)
        finally:
            ended.append(True)

    before = signal.getsignal(signal.SIGTERM)
    code = console.run_command(lambda: command, [], prog="isamap", interrupted=console.CONTINUE)
    assert (code, ended) == (143, [True])
    assert capsys.readouterr().err == "error: ended by SIGTERM; run the same command again to continue\n"
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_server_that_ends_in_order_after_sigterm_says_so_by_its_code():
    """`engine serve` takes the interruption itself."""

    def serve() -> None:
        with contextlib.suppress(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(60)

    assert console.run(serve) == 143


@pytest.mark.long
def test_sigterm_to_a_forked_worker_ends_the_worker_only():
    def command() -> None:
        context = multiprocessing.get_context("fork")
        receiver, sender = context.Pipe(duplex=False)
        worker = context.Process(target=lambda: (sender.send("runs"), time.sleep(60)))
        worker.start()
        assert receiver.recv() == "runs"
        worker.terminate()
        worker.join(60)
        assert worker.exitcode == 143

    assert console.run(command) == 0


@pytest.mark.long
def test_a_command_that_is_terminated_ends_with_one_sentence(tmp_path):
    """The whole way, as a job's manager sees it."""
    command = [sys.executable, "-m", "isamap", "engine", "serve", "--port", "0"]
    environment = {**os.environ, "ISAMAP_HOME": str(tmp_path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment) as process:
        assert "local Earth Engine at" in process.stdout.readline()
        process.terminate()
        assert process.wait(120) == 143
        assert process.stdout.read().splitlines()[-1] == "stopped"


def test_the_overview_has_every_command_under_its_heading(capsys):
    assert isamap.main(["--help"]) == 0
    overview = capsys.readouterr().out
    for command, heading in isamap.HEADINGS.items():
        assert f"{heading}:\n\n  isamap {command}  " in overview
    assert all(f"  isamap {command} " in overview for command in isamap.COMMANDS)
