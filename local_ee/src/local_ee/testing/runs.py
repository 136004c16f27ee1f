"""A run of tests whose Earth Engine is recorded, or replayed from a file."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from local_ee.testing.answer_server import AnswerServer, Recorder, Replayer
from local_ee.testing.answers import Answers
from local_ee.testing.client import GOOGLE, redirected, without_network


class Run:
    """From its making to `close`, ee.Initialize leads to the answers; `report` says how it went."""

    def __init__(self, report: Callable[[], Sequence[str]], stack: ExitStack) -> None:
        self.report = report
        self._stack = stack

    def close(self) -> None:
        """Leads ee.Initialize back."""
        self._stack.close()

    @classmethod
    def recording(cls, file: Path) -> Run:
        """Writes what the servers answer that tests connect to; an existing file is replaced at the end."""
        answers, stack = Answers(), ExitStack()
        if not file.absolute().parent.is_dir():
            raise ValueError(f"--ee-record {file}: its folder does not exist")
        recorder = Recorder(answers)
        server = AnswerServer(recorder)
        stack.callback(server.stop)

        def redirection(arguments: dict[str, Any]) -> dict[str, Any]:
            recorder.upstream = (arguments["url"] or GOOGLE).rstrip("/")
            return {**arguments, "url": server.url}

        def report() -> Sequence[str]:
            answers.write(file)
            return [f"{len(answers)} answers recorded in {file}"]

        stack.enter_context(redirected(redirection))
        return cls(report, stack)

    @classmethod
    def replaying(cls, file: Path, *, compare: bool) -> Run:
        """Answers from a file; with `compare` the report says where the local engine (the world) answers otherwise."""
        answers, stack = Answers.read(file), ExitStack()
        server = AnswerServer(Replayer(answers, file))
        stack.callback(server.stop)

        def redirection(arguments: dict[str, Any]) -> dict[str, Any]:
            from google.auth.credentials import AnonymousCredentials

            project = arguments["project"] or "local"
            return {**arguments, "credentials": AnonymousCredentials(), "project": project, "url": server.url}

        def report() -> Sequence[str]:
            used = answers.replayed
            lines = [f"{len(used)} of {len(answers)} answers of {file} replayed"]
            return [*lines, *_compared(used)] if compare else lines

        stack.enter_context(redirected(redirection))
        stack.enter_context(without_network())
        return cls(report, stack)


def _compared(answers: Answers) -> Sequence[str]:
    from local_ee import LocalEngine
    from local_ee.catalogs import open_catalog
    from local_ee.testing.drift import drift

    with tempfile.TemporaryDirectory() as home, LocalEngine(open_catalog("world"), Path(home)) as engine:
        return drift(answers, engine).lines()
