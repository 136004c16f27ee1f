"""Which scripts of Google's Python developer guide run with the local engine (local_ee/docs/coverage.md).

    python local_ee/benchmarks/guide_scripts.py --samples REPOSITORY [--only reducers05] [--results FILE] [--page FILE]

REPOSITORY is a clone of github.com/google/earthengine-community, with or without a work tree. A script runs as its
page does in a notebook: statement by statement, with geemap's own map. Every value that it displays is asked for,
every layer of its map gives the tile at the map's centre, and its exports run until they end. A script runs where
nothing of that is refused. --results FILE keeps a line of JSON for each script; what ran whole there is not run
again.
"""

from __future__ import annotations

import argparse
import ast
import json
import math
import re
import sys
import time
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import ee
from geemap import core as geemap
from google.auth.credentials import AnonymousCredentials

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.clone import commit_of, sources
from benchmarks.page_marks import write_between
from local_ee import LocalEngine
from local_ee.catalogs import open_catalog
from local_ee.limits import Limits

FOLDER = "samples/python/guides"
MARKS = ("<!-- guide: local_ee/benchmarks/guide_scripts.py -->", "<!-- /guide -->")
_SECONDS = 300.0  # of a computation, as with Google (guides/processing_environments)
_TASK_SECONDS = 60.0  # that an export is waited for
_MESSAGE = 130  # characters of a refusal
_MAGIC = re.compile(r"^\s*[%!].*$", re.MULTILINE)  # commands of a notebook, which are no Python


@dataclass(frozen=True)
class Refusal:
    """A statement of a script that failed, and what was said."""

    line: int
    message: str


@dataclass(frozen=True)
class Script:
    """A script that was run: how many values, tiles and exports it asked for, and which it did not get."""

    name: str
    values: int
    tiles: int
    exports: int
    refusals: tuple[Refusal, ...]

    @classmethod
    def read(cls, results: Path | None) -> dict[str, Script]:
        """Those of a file of results, by name."""
        lines = results.read_text(encoding="utf-8").splitlines() if results and results.is_file() else []
        records = map(json.loads, lines)
        return {
            each["name"]: cls(**{**each, "refusals": tuple(Refusal(**part) for part in each["refusals"])})
            for each in records
        }

    @property
    def row(self) -> str:
        """A line of the page's table: what was refused first, and how much more."""
        said = "-"
        if self.refusals:
            first, more = self.refusals[0], len(self.refusals) - 1
            said = f"line {first.line}: {first.message}{f' (and {more} more)' if more else ''}".replace("|", "")
        return f"| {self.name} | {self.values} | {self.tiles} | {self.exports} | {said} |"


class Notebook:
    """The cells of one script, and what they ask of the engine."""

    def __init__(self) -> None:
        self.values = self.tiles = 0
        self.tasks: list[tuple[int, Any]] = []
        self.refusals: list[Refusal] = []
        self.line = 0
        self.space: dict[str, Any] = {"ee": ee, "geemap": geemap, "display": self.display, "print": self.display}

    def run(self, source: str) -> None:
        """Runs a script, statement by statement: one that fails does not keep the next from running."""
        for statement in ast.parse(_MAGIC.sub("", source)).body:
            self.line = statement.lineno
            try:
                self._run(statement)
            except Exception as error:
                self._refused(error)
        for shown in [value for value in self.space.values() if isinstance(value, geemap.Map)]:
            self._ask_tiles(shown)
        for line, task in self.tasks:
            self._wait(line, task)

    def display(self, *values: Any, **options: Any) -> None:
        """Asks for every value that is computed; a chart is drawn as JSON."""
        for value in values:
            if isinstance(value, ee.ComputedObject):
                self.values += 1
                value.getInfo()
            elif hasattr(value, "to_json") and not isinstance(value, geemap.Map):
                self.values += 1
                value.to_json()

    def _run(self, statement: ast.stmt) -> None:
        if not isinstance(statement, ast.Expr):
            exec(compile(ast.Module([statement], []), "script", "exec"), self.space)
            self._note_tasks()
            return
        self.display(eval(compile(ast.Expression(statement.value), "script", "eval"), self.space))

    def _note_tasks(self) -> None:
        known = {id(task) for _, task in self.tasks}
        for value in self.space.values():
            if isinstance(value, ee.batch.Task) and id(value) not in known:
                self.tasks.append((self.line, value))

    def _ask_tiles(self, shown: geemap.Map) -> None:
        for name, layer in shown.ee_layers.items():
            self.tiles += 1
            try:
                with urlopen(_tile_of(shown, layer["ee_layer"].url)) as answer:
                    answer.read()
            except HTTPError as error:
                message = json.loads(error.read())["error"]["message"]
                self.refusals.append(Refusal(self.line, f"layer {name}: {message[:_MESSAGE]}"))

    def _wait(self, line: int, task: Any) -> None:
        end = time.monotonic() + _TASK_SECONDS
        while task.id and task.active() and time.monotonic() < end:
            time.sleep(0.2)
        state = task.status()
        if task.id and state["state"] != "COMPLETED":
            self.refusals.append(Refusal(line, f"export {state['state']}: {state.get('error_message', '')}"))

    def _refused(self, error: Exception) -> None:
        message = " ".join(f"{type(error).__name__}: {error}".split())
        self.refusals.append(Refusal(self.line, message[:_MESSAGE]))


def _tile_of(shown: geemap.Map, url: str) -> str:
    """The address of the tile at a map's centre, at its zoom."""
    latitude, longitude = (float(degrees) for degrees in shown.center)
    zoom = int(shown.zoom)
    row = math.asinh(math.tan(math.radians(latitude))) / math.pi
    x, y = ((longitude + 180) / 360, (1 - row) / 2)
    return url.format(z=zoom, x=int(x * 2**zoom), y=int(y * 2**zoom))


def scripts(repository: str, only: str) -> Iterator[tuple[str, str]]:
    """Names and sources of the guide's scripts."""
    return ((path.stem, source) for path, source in sources(repository, FOLDER, ".py") if only in ("", path.stem))


def script_of(name: str, source: str) -> Script:
    """A script that was run."""
    notebook = Notebook()
    notebook.run(source)
    tasks = sum(bool(task.id) for _, task in notebook.tasks)
    return Script(name, notebook.values, notebook.tiles, tasks, tuple(notebook.refusals))


def table(rows: list[Script]) -> str:
    """A line for each script that was refused something, in Markdown."""
    head = "| script | values | tiles | exports | refused |\n|---|---:|---:|---:|---|"
    return "\n".join([head, *(row.row for row in rows if row.refusals)])


def connect(url: str) -> None:
    """Leads `ee` to the engine, whatever a script passes to ee.Initialize."""
    ee.Initialize(credentials=AnonymousCredentials(), project="local", url=url)
    ee.Initialize = ee.Authenticate = lambda *args, **kwargs: None
    ee.data.setMaxRetries(0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", required=True, help="a clone of google/earthengine-community")
    parser.add_argument("--only", default="", help="one script, such as reducers05")
    parser.add_argument("--results", type=Path, help="a file for a line of JSON of each script")
    parser.add_argument("--page", type=Path, help="a page with marks for the table, such as local_ee/docs/coverage.md")
    options = parser.parse_args()
    results = options.results and options.results.resolve()  # scripts run in a folder of their own
    chosen = list(scripts(options.samples, options.only))
    commit = commit_of(options.samples)
    rows = Script.read(results)
    chosen = [(name, source) for name, source in chosen if name not in rows or rows[name].refusals]
    with (
        TemporaryDirectory() as folder,
        chdir(folder),  # some scripts write files
        LocalEngine(open_catalog("world"), Path(folder, "home"), limits=Limits(computation_seconds=_SECONDS)) as engine,
    ):
        connect(engine.url)
        for name, source in chosen:
            rows[name] = script_of(name, source)
            print(rows[name].row, flush=True)
            _keep(results, rows)
    report(options.page, [rows[name] for name in sorted(rows)], commit)


def _keep(results: Path | None, rows: dict[str, Script]) -> None:
    if results:
        results.write_text("".join(json.dumps(asdict(row)) + "\n" for row in rows.values()), encoding="utf-8")


def report(page: Path | None, rows: list[Script], commit: str) -> None:
    """Prints the counts, and writes them with the table into a page."""
    whole = sum(not row.refusals for row in rows)
    head = f"{datetime.now(UTC):%Y-%m-%d}, scripts of commit {commit}: {whole} of {len(rows)} run whole, with "
    head += f"{sum(row.values for row in rows)} values, {sum(row.tiles for row in rows)} tiles and "
    head += f"{sum(row.exports for row in rows)} exports."
    print(f"\n{head}")
    if page:
        write_between(page, *MARKS, lambda: f"{head}\n\n{table(rows)}")


if __name__ == "__main__":
    main()
