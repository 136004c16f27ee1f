"""The options that every command has: --json, --quiet, --verbose, --offline, --log-file, --endpoint and --trust."""

from __future__ import annotations

import logging
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from isamap.gee_export.base import quiet
from isamap.gee_export.base.endpoint import ENDPOINTS, checked, using
from isamap.gee_export.base.offline import without_network
from isamap.gee_export.base.trust import trusting
from isamap.gee_export.command_line import report_output

LOGGED = ("isamap", "local_ee")
FLAGS = ("--json", "--quiet", "--verbose", "--offline")
LOG_FILE, TRUST, ENDPOINT = "--log-file", "--trust", "--endpoint"
# those with a value, and what it is
VALUED = {
    LOG_FILE: "the name of a file",
    TRUST: "the name of a package",
    ENDPOINT: f"one of {', '.join(ENDPOINTS)}",
}
HELP = (
    ("--json", "Print the report as one JSON document."),
    ("--quiet", "Print no progress and no notes: only the result line and errors."),
    ("--verbose", "Print the log records of isamap to the standard error output."),
    ("--offline", "Ask no public archive: --catalog open reads what earlier commands have fetched."),
    (f"{LOG_FILE} FILE", "Append the log records, with times, to FILE."),
    (f"{ENDPOINT} NAME", f"Google's address: {', '.join(ENDPOINTS)} (auto: pixels on the high-volume one)."),
    (f"{TRUST} PACKAGE", "Let networks, losses and recipes of an installed package be imported; may repeat."),
)


@dataclass(frozen=True)
class GlobalOptions:
    """As the user chose; ValueError for a command that is both quiet and verbose."""

    json: bool = False
    quiet: bool = False
    verbose: bool = False
    offline: bool = False
    log_file: str | None = None
    trust: tuple[str, ...] = ()
    endpoint: str | None = None

    def __post_init__(self) -> None:
        if self.quiet and self.verbose:
            raise ValueError("--quiet and --verbose exclude each other: give one of them")
        if self.endpoint is not None:
            checked(self.endpoint)

    @classmethod
    def split(cls, words: Sequence[str], own: Collection[str] = ()) -> tuple[GlobalOptions, list[str]]:
        """The options among a command's words, and the other words.

        own: the command's own options. `evaluate --json FILE` is one: there --json is ours only without a value.
        """
        flags: set[str] = set()
        values: dict[str, list[str]] = {name: [] for name in VALUED}
        others: list[str] = []
        queue = list(words)
        while queue:
            word = queue.pop(0)
            name, equals, value = word.partition("=")
            if word in FLAGS and not (word in own and queue and not queue[0].startswith("-")):
                flags.add(word)
            elif name in VALUED:
                values[name].append(value if equals else _value(queue, f"{name} needs {VALUED[name]}"))
            elif word == "--":
                others += [word, *queue]
                queue.clear()
            else:
                others.append(word)
        switches = {flag.strip("-"): flag in flags for flag in FLAGS}
        log_file, endpoint = (next(reversed(values[name]), None) for name in (LOG_FILE, ENDPOINT))
        return cls(**switches, log_file=log_file, trust=tuple(values[TRUST]), endpoint=endpoint), others

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Logs, progress bars and reports behave as chosen inside the block; JSON is printed when it ends well."""
        with ExitStack() as stack:
            stack.enter_context(trusting(self.trust))
            stack.enter_context(using(self.endpoint))
            if self.quiet:
                stack.enter_context(quiet.silence())
            if self.offline:
                stack.enter_context(without_network())
            if self.verbose:
                stack.enter_context(_logging_to(logging.StreamHandler(sys.stderr), "%(name)s: %(message)s"))
            if self.log_file is not None:
                stack.enter_context(
                    _logging_to(_appended(self.log_file), "%(asctime)s %(levelname)s %(name)s: %(message)s")
                )
            stack.enter_context(report_output.style(json=self.json, brief=self.quiet))
            yield


def _value(queue: list[str], missing: str) -> str:
    if not queue or queue[0].startswith("-"):
        raise ValueError(missing)
    return queue.pop(0)


def _appended(path: str) -> logging.Handler:
    if not path or Path(path).is_dir():
        raise ValueError(f"{LOG_FILE} {path}: expected the name of a file")
    try:
        return logging.FileHandler(Path(path).expanduser(), encoding="utf-8")
    except OSError as error:
        raise ValueError(f"{LOG_FILE} {path} cannot be written ({error.strerror}): choose another file") from error


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
