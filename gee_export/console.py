"""How commands run and end: one sentence for the user's mistakes (exit code 2) or for faults (1), no traceback."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

from gee_export.base.errors import FAULT, INTERRUPTED, USER_MISTAKE, Fault


def run(command: Callable[[], object]) -> int:
    """The exit code of a command, its error printed as one sentence; ISAMAP_TRACEBACK=1 shows where it was raised."""
    try:
        command()
    except (Exception, KeyboardInterrupt) as error:
        if os.environ.get("ISAMAP_TRACEBACK"):
            raise
        print(f"error: {_sentence(error)}", file=sys.stderr)
        return _code(error)
    return 0


def run_command(load: Callable[[], Callable], argv: Sequence[str], *, prog: str) -> int:
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
            returned = error.exit_code
        if returned == INTERRUPTED:  # what typer makes of Ctrl-C
            raise KeyboardInterrupt
        exit_code = returned or 0

    return run(call) or exit_code


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
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    return USER_MISTAKE if isinstance(error, ValueError) or _is_out_of_memory(error) else FAULT


def _is_out_of_memory(error: BaseException) -> bool:
    """Whether Python, or torch on a GPU or on the CPU, could not get memory; torch itself is not loaded for this."""
    return (
        isinstance(error, MemoryError) or "OutOfMemory" in type(error).__name__ or "DefaultCPUAllocator" in str(error)
    )


def _sentence(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "interrupted; the same command goes on where it was"
    if _is_out_of_memory(error):
        return "out of memory; give fewer workers or a smaller area"
    words = " ".join(str(error).split())
    if isinstance(error, (ValueError, Fault, OSError)):
        return words or type(error).__name__
    return f"unexpected {type(error).__name__}: {words} (a fault of isamap; ISAMAP_TRACEBACK=1 shows where)"
