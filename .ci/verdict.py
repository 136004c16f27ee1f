"""Runs pytest; what failed is run once more, alone, so that red means broken.

    python .ci/verdict.py [pytest's own words]

A test that fails twice fails the run. One that passes the second time, in a fresh process without a second worker, is
printed at the end as `flaky: FILE::NAME` and does not. More than MOST failures are no accident: nothing is run again.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

MOST = 20


class Failures:
    """A plug-in that collects what failed, also what killed its worker (xdist reports that as a failure)."""

    def __init__(self) -> None:
        self.tests: dict[str, None] = {}  # in their order, each once
        self.chosen: set[str] = set()
        self.run: set[str] = set()
        self.collected = True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.run.add(report.nodeid)
        if report.failed:
            self.tests[report.nodeid] = None

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self.collected = self.collected and not report.failed

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        self.chosen.update(ids)


def run_alone(test: str) -> subprocess.CompletedProcess[str]:
    """A test in a process of its own, whatever mark had chosen it."""
    words = [sys.executable, "-m", "pytest", "-n", "0", "-m", "", test]
    return subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


def fails_again(test: str) -> bool:
    """Shows what it printed where it does. No test that passed, for example as none was found, is a failure too."""
    second = run_alone(test)
    if second.returncode == 0:
        return False
    print(second.stdout, f"failed twice: {test}", sep="\n", flush=True)
    return True


def judge(code: int, failures: Failures) -> int:
    """pytest's exit code, or 0 where each failure was an accident."""
    if code != pytest.ExitCode.TESTS_FAILED or not failures.tests or not failures.collected:
        return code
    if left_out := failures.chosen - failures.run:  # xdist gives up where too many workers were killed
        print(f"{len(left_out)} tests never ran, for example {min(left_out)}")
        return code
    if len(failures.tests) > MOST:
        print(f"{len(failures.tests)} tests failed, more than {MOST}: none is run again")
        return code
    broken = {test for test in failures.tests if fails_again(test)}
    for test in failures.tests:
        if test not in broken:
            print(f"flaky: {test}")
    return code if broken else 0


def main(words: list[str]) -> int:
    failures = Failures()
    return judge(int(pytest.main(words, plugins=[failures])), failures)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
