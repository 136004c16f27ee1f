"""How commands run and end: one sentence for the user's mistakes (exit code 2) or for faults (1), no traceback."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from gee_export.base.errors import FAULT, INTERRUPTED, TERMINATED, USER_MISTAKE, Fault

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

    def handle(number: int, _: object) -> None:
        if os.getpid() != owner:  # a worker that was forked off has nothing to save and just ends
            os._exit(TERMINATED)
        signals.append(number)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, handle)
    try:
        yield signals
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


def run_command(load: Callable[[], Callable], argv: Sequence[str], *, prog: str, interrupted: str = START_OVER) -> int:
    """The exit code of a typed function called with command-line words; options with several values may be spread."""
    import typer

    exit_code = 0

    def call() -> None:
        nonlocal exit_code
        app = typer.Typer(add_completion=False, rich_markup_mode=None)
        app.command()(load())
        command = typer.main.get_command(app)
        repeatable = _repeatable(command)
        _refuse_repeated(argv, repeatable)
        try:
            returned = command.main(args=_spread(argv, repeatable), prog_name=prog, standalone_mode=False)
        except Exception as error:
            if not hasattr(error, "show"):  # only click's own errors (wrong options, missing values) know how to show
                raise
            error.show()
            returned = getattr(error, "exit_code", 1)
        if returned == INTERRUPTED:  # what typer makes of Ctrl-C
            raise KeyboardInterrupt
        exit_code = returned or 0

    return run(call, interrupted=interrupted) or exit_code


def _repeatable(command) -> set[str]:
    return {word for parameter in command.params if getattr(parameter, "multiple", False) for word in parameter.opts}


def _refuse_repeated(argv: Sequence[str], repeatable: set[str]) -> None:
    """ValueError for an option given twice, of which click would silently take the last."""
    options = [word.partition("=")[0] for word in argv if word.startswith("--")]
    for option in options:
        if option not in repeatable and options.count(option) > 1:
            raise ValueError(f"{option} is given {options.count(option)} times, it takes one value: run once for each")


def _spread(argv: Sequence[str], repeatable: set[str]) -> list[str]:
    """`--bands B2 B3` as click wants it: `--bands B2 --bands B3`."""
    words: list[str] = []
    current: str | None = None
    for word, following in zip(argv, [*argv[1:], "-"], strict=False):
        if word.startswith("-"):
            current = word if word in repeatable else None
            if current is not None and following.startswith("-"):
                raise ValueError(f"{word} needs at least one value, or leave it out")
            if current is None:
                words.append(word)
        elif current is not None:
            words += [current, word]
        else:
            words.append(word)
    return words


def _code(error: BaseException) -> int:
    return USER_MISTAKE if isinstance(error, ValueError) or _is_out_of_memory(error) else FAULT


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
    words = " ".join(str(error).split())
    if isinstance(error, (ValueError, Fault, OSError)):
        return words or type(error).__name__
    return f"unexpected {type(error).__name__}: {words} (a fault of isamap; ISAMAP_TRACEBACK=1 shows where)"
