"""How commands run and end: one sentence for the user's mistakes (exit code 2) or for faults (1), no traceback."""

from __future__ import annotations

import errno
import gc
import logging
import os
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from isamap.gee_export.base import ending
from isamap.gee_export.base.errors import FAULT, INTERRUPTED, TERMINATED, USER_MISTAKE, Fault
from isamap.gee_export.command_line import command_words, help_page
from isamap.gee_export.command_line.choice_tables import ChoiceTables, SettingNames
from isamap.gee_export.command_line.command_words import HELP, OptionNames
from isamap.gee_export.command_line.global_options import GlobalOptions

CONTINUE = "run the same command again to continue"  # of commands that keep what they have done
START_OVER = "nothing was kept, run the same command again to start over"


def run(command: Callable[[], object], *, interrupted: str = START_OVER) -> int:
    """The exit code of a command, its error printed as one sentence; ISAMAP_TRACEBACK=1 shows where it was raised.

    SIGTERM ends it as Ctrl-C does, with exit code 143. interrupted: what the user can do after either.
    """
    with _sigterm() as signals:
        try:
            command()
        except (Exception, KeyboardInterrupt) as error:
            if os.environ.get("ISAMAP_TRACEBACK"):
                raise
            if isinstance(error, KeyboardInterrupt):
                if signals:
                    gc.freeze()  # the last collection of a process goes through millions of objects for seconds
                print(f"error: {'ended by SIGTERM' if signals else 'interrupted'}; {interrupted}", file=sys.stderr)
                return TERMINATED if signals else INTERRUPTED
            print(f"error: {_sentence(error)}", file=sys.stderr)
            return _code(error)
    return TERMINATED if signals else 0  # a server ends in order and raises nothing


@contextmanager
def _sigterm() -> Iterator[list[int]]:
    """SIGTERM raises KeyboardInterrupt in the block, and the list holds it then."""
    signals: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield signals
        return
    owner = os.getpid()

    def handle(signal_number: int, _: object) -> None:
        if os.getpid() != owner:  # a worker that was forked off has nothing to save and just ends
            os._exit(TERMINATED)
        signals.append(signal_number)
        ending.begin()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, handle)
    try:
        yield signals
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)
        ending.cancel()


def run_command(
    load: Callable[[], Callable],
    argv: Sequence[str],
    *,
    prog: str,
    interrupted: str = START_OVER,
    tables: ChoiceTables | None = None,
) -> int:
    """The exit code of a typed function called with command-line words; tables: the values of its options."""
    exit_code = 0

    def call() -> None:
        nonlocal exit_code
        command, name = click_command(load()), prog.removeprefix("isamap ")
        choices = tables or ChoiceTables()
        names = OptionNames.of(command)
        options, words = GlobalOptions.split(argv, names.declared)
        if any(word in HELP for word in words):
            print(help_page.page(command, prog, lambda option: choices.of_option(name, option)), end="")
            return
        with options.applied(), _logged(prog, words):
            prepared = command_words.prepared(words, names, prog=prog, settings=SettingNames(choices, name))
            exit_code = _invoked(command, prepared, prog)

    return run(call, interrupted=interrupted) or exit_code


def click_command(function: Callable) -> Any:
    """The click command of a typed function."""
    import typer

    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command()(function)
    return typer.main.get_command(app)


def _invoked(command: Any, words: Sequence[str], prog: str) -> int:
    try:
        returned = command.main(args=list(words), prog_name=prog, standalone_mode=False)
    except Exception as error:
        if not hasattr(error, "format_message"):  # only click's own errors (missing values, wrong types) have it
            raise
        message = error.format_message().strip().rstrip(".").replace("'", "")
        raise ValueError(f"{message[:1].lower()}{message[1:]}; `{prog} --help` describes the options") from error
    if returned == INTERRUPTED:  # what typer makes of Ctrl-C
        raise KeyboardInterrupt
    return returned if isinstance(returned, int) else 0


@contextmanager
def _logged(prog: str, words: Sequence[str]) -> Iterator[None]:
    """A log record at the begin and at the end of a command, with the error where there is one."""
    log = logging.getLogger("isamap")
    log.debug("%s", shlex.join([*prog.split(), *words]))
    try:
        yield
    except BaseException as error:
        interrupted = isinstance(error, KeyboardInterrupt)
        log.debug("ended: %s", "interrupted" if interrupted else _sentence(error), exc_info=not interrupted)
        raise
    log.debug("done")


def _code(error: BaseException) -> int:
    mistake = isinstance(error, ValueError) or _is_out_of_memory(error) or _is_without_engine(error)
    return USER_MISTAKE if mistake else FAULT


def _is_without_engine(error: BaseException) -> bool:
    """Whether isamap was installed without its engine, or editable before the engine was a distribution."""
    return isinstance(error, ImportError) and str(error.name).partition(".")[0] == "local_ee"


def _is_out_of_memory(error: BaseException) -> bool:
    """Whether Python, or torch on a GPU or on the CPU, could not get memory; torch itself is not loaded for this."""
    return (
        isinstance(error, MemoryError) or "OutOfMemory" in type(error).__name__ or "DefaultCPUAllocator" in str(error)
    )


def _limit(error: BaseException) -> str:
    """What the system refuses to give more of, and how to raise that limit; empty where it is not that."""
    if isinstance(error, RuntimeError) and "can't start new thread" in str(error):
        return "threads or memory for them: raise the limits `ulimit -u` and `ulimit -v`"
    if isinstance(error, BlockingIOError) and error.errno == errno.EAGAIN:  # of fork
        return "processes: raise the limit `ulimit -u`"
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        return "open files: raise the limit `ulimit -n`"
    return ""


def _sentence(error: BaseException) -> str:
    if _is_out_of_memory(error):
        return "out of memory; give fewer workers or a smaller area"
    if limit := _limit(error):
        return f"out of resources: the system allows this process no more {limit}, or give fewer workers"
    if _is_without_engine(error):
        return "the local engine is not installed; run `pip install ./local_ee .` in the folder of the clone"
    words = " ".join(str(error).split())
    if isinstance(error, (ValueError, Fault, OSError)):
        return words or type(error).__name__
    return f"unexpected {type(error).__name__}: {words} (a fault of isamap; ISAMAP_TRACEBACK=1 shows where)"
