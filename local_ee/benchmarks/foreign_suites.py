"""Which tests of other people's Earth Engine packages pass with the local engine (local_ee/docs/coverage.md).

    python local_ee/benchmarks/foreign_suites.py FOLDER --python ENVIRONMENT/bin/python [--only Xee] [--failures FILE]
        [--page local_ee/docs/coverage.md]

FOLDER holds a checkout of each project (Xee, geedim, geemap, geetools, eemont, wxee, the four openet-*, gee_s1_ard)
with its release or commit in a file .commit, ENVIRONMENT has their packages and those of this project. Each suite runs
unmodified in a process of its own, led to one engine over the simulated world by foreign_plugin.py. The table that it
prints last is that of the page: --page writes it there, and keeps the rows of suites that were not run. FILE gets a
line of JSON for each failed test: its suite, name, cause, and the end of what it said.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FIRST_STEPS = Path(__file__).resolve().parent / "first_steps"  # of what has no suite of its own
sys.path.insert(0, str(ROOT))

from benchmarks.page_marks import write_between  # noqa: E402
from local_ee.catalogs import open_catalog  # noqa: E402
from local_ee.rest.server import LocalEngine  # noqa: E402

MARKS = ("<!-- suites: local_ee/benchmarks/foreign_suites.py -->", "<!-- /suites -->")
_HEAD = (
    "| suite | release or checkout | date | passed | failed | skipped | not run | causes of the failures |",
    "|---|---|---|---:|---:|---:|---:|---|",
)
_TEST_SECONDS = 60
_END = 600  # characters of a failure's text
# What a failure says, and whose it is; the first that matches counts.
CAUSES = (
    ("Landsat's Collection 1, which Google does not have any more", re.compile(r"asset 'LANDSAT/\w+/C01/")),
    (
        "values and pictures of Google's own pixels",
        re.compile(r"Values are not sufficiently close|Difference between images too high"),
    ),
    ("no such asset in the simulated world", re.compile(r"not found \(does not exist|Asset '.*' not found|is not in")),
    (
        "a collection of the simulated world without dates",
        re.compile(r"of the simulated world has no end|too many scenes there"),
    ),
    (
        "an algorithm that the engine refuses",
        re.compile(r"the local engine (?:does not have|has no|writes no|does not)"),
    ),
    (
        "the network",
        re.compile(
            r"ConnectionError|Max retries exceeded|NameResolution|Name or service not known|ProxyError|URLError"
        ),
    ),
    (
        "a package or a file that is not there",
        re.compile(r"ModuleNotFoundError|ImportError|FileNotFoundError|File not found in data directory|No such file"),
    ),
    ("an account or a project", re.compile(r"[Cc]redentials|PROJECT|project_number|authenticat|service.account")),
    ("time", re.compile(r"Timeout|[Tt]imed out")),
    ("a refusal of the engine", re.compile(r"EEException|HttpError")),
    ("another value", re.compile(r"AssertionError|assert |does not match|Mismatch|DataRegression|ImageRegression")),
)
OTHER = "an error of the client or of the test"


@dataclass(frozen=True)
class Suite:
    """A project's tests: the folder of its checkout, and what pytest is given there."""

    name: str
    folder: str
    tests: tuple[str, ...]


SUITES = (
    Suite("Xee", "Xee", ("xee/ext_test.py", "xee/ext_integration_test.py")),
    Suite("geedim", "geedim", ("tests",)),
    Suite("geemap", "geemap", ("tests",)),
    Suite("geetools", "geetools", ("tests",)),
    Suite("eemont", "eemont", ("tests",)),
    Suite("wxee", "wxee", ("test",)),
    Suite("openet-refet-gee", "openet-refet-gee", ("openet/refetgee/tests",)),
    Suite("openet-core", "openet-core", ("openet/core/tests",)),
    Suite("openet-sims", "openet-sims", ("openet/sims/tests",)),
    Suite("openet-ssebop", "openet-ssebop", ("openet/ssebop/tests",)),
    Suite("gee_s1_ard", "gee_s1_ard/python-api", (str(FIRST_STEPS / "s1_ard.py"),)),
    Suite("earthengine command line", ".", (str(FIRST_STEPS / "command_line.py"),)),
)


@dataclass(frozen=True)
class Failure:
    """A test that failed, why, and the end of what it said."""

    suite: str
    test: str
    cause: str
    text: str


@dataclass(frozen=True)
class Result:
    """Counts of a suite's tests, and the causes of those that failed; not_run: those that the time did not reach."""

    suite: str
    passed: int
    failed: int
    skipped: int
    not_run: int
    failures: tuple[Failure, ...] = ()
    release: str = "-"

    @property
    def causes(self) -> Counter[str]:
        """How many failures each cause has."""
        return Counter(failure.cause for failure in self.failures)

    @property
    def row(self) -> str:
        """A line of the page's table."""
        causes = ", ".join(f"{cause} ({count})" for cause, count in self.causes.most_common()) or "-"
        counts = f"{self.passed} | {self.failed} | {self.skipped} | {self.not_run}"
        return f"| {self.suite} | {self.release} | {datetime.now(UTC):%Y-%m-%d} | {counts} | {causes} |"


def cause_of(text: str) -> str:
    """Why a test failed, by pytest's lines of its error (E ...), or by all that it says where there are none."""
    errors = "\n".join(line for line in text.splitlines() if line.startswith("E ")) or text
    return next((name for name, pattern in CAUSES if pattern.search(errors)), OTHER)


def read_report(suite: str, report: Path) -> Result:
    """The counts of a plugin's report."""
    counts: Counter[str] = Counter()
    failures = []
    for line in report.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        counts[record["outcome"]] += record.get("count", 1)
        if record["outcome"] == "failed":
            text = record["text"]
            failures.append(Failure(suite, record.get("test", "collection"), cause_of(text), text[-_END:]))
    done = counts["passed"] + counts["failed"] + counts["skipped"]
    not_run = max(counts["collected"] - done, 0)
    return Result(suite, counts["passed"], counts["failed"], counts["skipped"], not_run, tuple(failures))


def run(suite: Suite, folder: Path, python: str, url: str, seconds: int) -> Result | None:
    """The result of a suite; None where its checkout is not there or its tests did not start."""
    checkout = folder / suite.folder
    if not checkout.is_dir():
        return None
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch, "report.jsonl")
        plugin = Path(__file__).parent
        environment = os.environ | {
            "ISAMAP_ENGINE_URL": url,
            "ISAMAP_SUITE_REPORT": str(report),
            "STORAGE_EMULATOR_HOST": url,
            "EARTHENGINE_PROJECT": "local",
            "MPLBACKEND": "Agg",
            "PYTHONPATH": os.pathsep.join((str(plugin), str(checkout), str(ROOT))),
        }
        command = [python, "-m", "pytest", "-p", "foreign_plugin", "-q", "--no-header", "-p", "no:cacheprovider"]
        command += ["-o", "addopts=", "--continue-on-collection-errors", "--timeout", str(_TEST_SECONDS), *suite.tests]
        try:
            subprocess.run(command, cwd=checkout, env=environment, timeout=seconds, check=False)
        except subprocess.TimeoutExpired:
            print(f"{suite.name}: stopped after {seconds} s", file=sys.stderr)
        if not report.is_file():
            return None
        note = checkout / ".commit"
        release = note.read_text(encoding="utf-8").strip() if note.is_file() else "-"
        return replace(read_report(suite.name, report), release=release)


def results(folder: Path, python: str, names: Sequence[str], seconds: int) -> Iterator[Result]:
    """The suites that could be run, one after the other, with one engine."""
    with tempfile.TemporaryDirectory() as home, LocalEngine(open_catalog("world"), Path(home)) as engine:
        for suite in SUITES:
            if names and suite.name not in names:
                continue
            result = run(suite, folder, python, engine.url, seconds)
            if result is None:
                print(f"{suite.name}: no tests could be run", file=sys.stderr)
            else:
                yield result


def table(rows: Sequence[str]) -> str:
    """The page's table of rows."""
    return "\n".join([*_HEAD, *rows])


def merged(page: Path, rows: Sequence[str]) -> list[str]:
    """The rows of a page, those of suites that ran replaced, in the order of SUITES."""
    _, _, after = page.read_text(encoding="utf-8").partition(MARKS[0])
    body, _, _ = after.partition(MARKS[1])
    by_suite = {_suite_of(row): row for row in (*body.splitlines(), *rows) if row.startswith("| ")}
    return [by_suite[suite.name] for suite in SUITES if suite.name in by_suite]


def _suite_of(row: str) -> str:
    return row.split("|")[1].strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--seconds", type=int, default=3600, help="of one suite")
    parser.add_argument("--failures", type=Path, help="a file for every failed test")
    parser.add_argument("--page", type=Path, help="a page whose table gets the rows of the suites that ran")
    options = parser.parse_args()
    rows: list[Result] = []
    for result in results(options.folder, options.python, options.only, options.seconds):
        rows.append(result)
        print(result.row, flush=True)
        if options.failures:
            lines = [json.dumps(asdict(failure)) + "\n" for row in rows for failure in row.failures]
            options.failures.write_text("".join(lines), encoding="utf-8")
        if options.page:
            lines = merged(options.page, [each.row for each in rows])
            write_between(options.page, *MARKS, lambda lines=lines: f"\n{table(lines)}\n")
    print(f"\n{table([row.row for row in rows])}")


if __name__ == "__main__":
    main()
