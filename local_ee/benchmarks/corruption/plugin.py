"""A pytest plugin: each test that calls a chosen algorithm runs once more while that algorithm answers wrongly.

A test whose second run fails, and whose third one with the right algorithm passes, catches the wrong one. An algorithm
that was caught is left alone from then on.
Only this plugin knows of wrong answers: nothing of it is in local_ee.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

from benchmarks.corruption.values import corrupted
from local_ee.evaluation import graph, registry

_WORD = re.compile(r"\w+")
RERUN_S = 120  # of the clock; a run that takes longer is noticed by everybody


@dataclass
class Trial:
    """One wrong algorithm: the tests that called it, and the one that failed."""

    algorithm: str
    callers: list[str] = field(default_factory=list)
    caught_by: str = ""


class Corruption:
    """Runs tests with wrong algorithms; `trials` by algorithm. end_early: no test runs after the last one is caught."""

    def __init__(self, algorithms: Sequence[str], *, fresh: bool = False) -> None:
        self.trials = {name: Trial(name) for name in algorithms}
        self._called: set[str] = set()
        self._wrong: str | None = None
        self._fresh = fresh

    @property
    def waiting(self) -> list[str]:
        """The algorithms that no test has caught so far."""
        return [name for name, trial in self.trials.items() if not trial.caught_by]

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Modules that name more of the algorithms run first, so that the run ends early."""
        members = {name.rpartition(".")[2] for name in self.trials}
        words = {path: set(_WORD.findall(path.read_text(encoding="utf-8"))) for path in {item.path for item in items}}
        items.sort(key=lambda item: (-len(words[item.path] & members), str(item.path)))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
        if not self.waiting:
            item.session.shouldstop = "every wrong algorithm was caught"
            return True
        self._called.clear()
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        reports = runtestprotocol(item, nextitem=nextitem)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        if all(report.outcome == "passed" for report in reports):
            for name in sorted(self._called & set(self.waiting)):
                self._try(item, nextitem, name)
        return True

    def _try(self, item: pytest.Item, nextitem: pytest.Item | None, name: str) -> None:
        trial = self.trials[name]
        trial.callers.append(item.nodeid)
        with self._answering_wrongly(name):
            failed = self._fails(item, nextitem)
        if failed and not self._fails(item, nextitem):  # as it was: so that it is not the second run that fails
            trial.caught_by = item.nodeid
            print(f"\n{name}: caught by {item.nodeid}", flush=True)

    def _fails(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool:
        item._initrequest()  # type: ignore[attr-defined]
        reports = runtestprotocol(item, log=False, nextitem=None if self._fresh else nextitem)
        return any(report.outcome == "failed" for report in reports)

    @contextmanager
    def _answering_wrongly(self, name: str) -> Iterator[None]:
        before = signal.signal(signal.SIGALRM, _too_long)
        signal.alarm(RERUN_S)
        self._wrong = name
        try:
            yield
        finally:
            self._wrong = None
            signal.alarm(0)
            signal.signal(signal.SIGALRM, before)

    def wrap(self, name: str, algorithm: registry.Algorithm) -> registry.Algorithm:
        """The algorithm, which notes that it is called, and answers wrongly when it is its turn."""

        def function(**arguments: Any) -> Any:
            self._called.add(name)
            value = algorithm.function(**arguments)
            return corrupted(value) if self._wrong == name else value

        return replace(algorithm, function=function)

    def choosing(self, truth: Callable[[Any], bool]) -> Callable[[Any], bool]:
        """What chooses the branch of If, which graphs evaluate by themselves: the other branch when it is its turn."""

        def choose(condition: Any) -> bool:
            self._called.add("If")
            return truth(condition) != (self._wrong == "If")

        return choose


def _too_long(*_: Any) -> None:
    raise TimeoutError("the test takes too long with a wrong algorithm")


@contextmanager
def watched(corruption: Corruption) -> Iterator[None]:
    """The engine's algorithms that are to be wrong, wrapped; as they were afterwards."""
    algorithms: dict[str, registry.Algorithm] = registry._ALGORITHMS
    registry.names()  # loads them
    before: Mapping[str, registry.Algorithm] = {name: algorithms[name] for name in corruption.trials}
    truth = graph._truth
    algorithms.update({name: corruption.wrap(name, algorithm) for name, algorithm in before.items()})
    graph._truth = corruption.choosing(truth)
    try:
        yield
    finally:
        graph._truth = truth
        algorithms.update(before)
