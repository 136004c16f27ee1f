"""The options that every command has: --json, --quiet, --verbose and --log-file FILE."""

from __future__ import annotations

import logging
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from gee_export.base import quiet
from gee_export.command_line import report_output

LOGGED = ("isamap", "local_ee", "gee_export", "training", "inference", "reproduction")
FLAGS = ("--json", "--quiet", "--verbose")
WITH_VALUE = "--log-file"
HELP = (
    ("--json", "Print the report as one JSON document."),
    ("--quiet", "Print no progress and no notes: only the result line and errors."),
    ("--verbose", "Print the log records of isamap to the standard error output."),
    (f"{WITH_VALUE} FILE", "Append the log records, with times, to FILE."),
)


@dataclass(frozen=True)
class GlobalOptions:
    """As the user chose; ValueError for a command that is both quiet and verbose."""

    json: bool = False
    quiet: bool = False
    verbose: bool = False
    log_file: str | None = None

    def __post_init__(self) -> None:
        if self.quiet and self.verbose:
            raise ValueError("--quiet and --verbose exclude each other: give one of them")

    @classmethod
    def split(cls, words: Sequence[str], own: Collection[str] = ()) -> tuple[GlobalOptions, list[str]]:
        """The options among a command's words, and the other words.

        own: the command's own options. `evaluate --json FILE` is one: there --json is ours only without a value.
        """
        flags: set[str] = set()
        log_file: str | None = None
        others: list[str] = []
        queue = list(words)
        while queue:
            word = queue.pop(0)
            name, equals, value = word.partition("=")
            if word in FLAGS and not (word in own and queue and not queue[0].startswith("-")):
                flags.add(word)
            elif name == WITH_VALUE:
                log_file = value if equals else _file(queue)
            elif word == "--":
                others += [word, *queue]
                break
            else:
                others.append(word)
        options = cls(json="--json" in flags, quiet="--quiet" in flags, verbose="--verbose" in flags, log_file=log_file)
        return options, others

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Logs, progress bars and reports behave as chosen inside the block; JSON is printed when it ends well."""
        with ExitStack() as stack:
            if self.quiet:
                stack.enter_context(quiet.silence())
            if self.verbose:
                stack.enter_context(_logging_to(logging.StreamHandler(sys.stderr), "%(name)s: %(message)s"))
            if self.log_file is not None:
                stack.enter_context(
                    _logging_to(_appended(self.log_file), "%(asctime)s %(levelname)s %(name)s: %(message)s")
                )
            stack.enter_context(report_output.style(json=self.json, brief=self.quiet))
            yield


def _file(queue: list[str]) -> str:
    if not queue or queue[0].startswith("-"):
        raise ValueError(f"{WITH_VALUE} needs the name of a file")
    return queue.pop(0)


def _appended(path: str) -> logging.Handler:
    if not path or Path(path).is_dir():
        raise ValueError(f"{WITH_VALUE} {path}: expected the name of a file")
    try:
        return logging.FileHandler(Path(path).expanduser(), encoding="utf-8")
    except OSError as error:
        raise ValueError(f"{WITH_VALUE} {path} cannot be written ({error.strerror}): choose another file") from error


@contextmanager
def _logging_to(handler: logging.Handler, form: str) -> Iterator[None]:
    """Every log record of our packages goes to the handler as well."""
    handler.setFormatter(logging.Formatter(form))
    loggers = [logging.getLogger(name) for name in LOGGED]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)
        handler.close()
