"""Which examples of Google's catalog pages run with the local engine (local_ee/docs/coverage.md).

    npm install --prefix FOLDER @google/earthengine
    python local_ee/benchmarks/catalog_pages.py --catalog REPOSITORY --client FOLDER [--only MODIS/] [--page FILE]

REPOSITORY is a clone of github.com/google/earthengine-catalog, with or without a work tree; its folder examples/ has
the script of each page, and that of its picture. Scripts run as in the Code Editor, with Google's JavaScript client
(catalog_examples/editor.js): what they print, the tile at the map's centre of each layer, thumbnails.
Needs Node.js 18. --results FILE keeps a line of JSON for each example; what ran whole there is not run again.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.clone import commit_of, sources
from benchmarks.page_marks import write_between
from local_ee import LocalEngine
from local_ee.catalogs import open_catalog
from local_ee.limits import Limits

EDITOR = Path(__file__).parent / "catalog_examples" / "editor.js"
MARKS = ("<!-- catalog: local_ee/benchmarks/catalog_pages.py -->", "<!-- /catalog -->")
_SECONDS = 20  # of a computation, and of an answer
# What a refusal says, and whose it is; the first that matches counts.
CAUSES = (
    ("an asset that the simulated world does not have", re.compile(r"not found|FeatureView")),
    ("time", re.compile(r"timed out|no answer within|aborted due to timeout")),
    ("a module of the Code Editor", re.compile(r"a module of the editor")),
    ("an error of the script or the editor's stand-in", re.compile(r"^script: ")),
    ("a refusal of the engine", re.compile("")),
)


@dataclass(frozen=True)
class Example:
    """A script that was run: what it asked for, how many of its tiles are empty, and what was refused."""

    name: str
    layers: int
    values: int
    pictures: int
    empty: int
    refused: tuple[str, ...]

    @classmethod
    def of(cls, record: dict[str, Any]) -> Example:
        """That of a line of the editor."""
        empty = sum(_is_empty(base64.b64decode(tile)) for tile in record["small"])
        counts = (record[key] for key in ("layers", "values", "pictures"))
        return cls(record["name"], *counts, empty, tuple(record["refused"]))

    @classmethod
    def read(cls, results: Path | None) -> dict[str, Example]:
        """Those of a file of results that ran whole, by name."""
        lines = results.read_text(encoding="utf-8").splitlines() if results and results.is_file() else []
        records = map(json.loads, lines)
        return {each["name"]: cls(**{**each, "refused": ()}) for each in records if not each["refused"]}

    @property
    def causes(self) -> tuple[str, ...]:
        """Whose each refusal is."""
        return tuple(next(name for name, words in CAUSES if words.search(text)) for text in self.refused)


def _is_empty(picture: bytes) -> bool:
    """Whether nothing is drawn: every pixel is transparent."""
    pixels = np.asarray(Image.open(io.BytesIO(picture)))
    return pixels.ndim == 3 and pixels.shape[2] == 4 and not pixels[..., 3].any()


def scripts(repository: str, only: str) -> list[dict[str, str]]:
    """Names and sources of the examples, those of the pages before those of their pictures."""
    named = [(str(path.with_suffix("")), source) for path, source in sources(repository, "examples", ".js")]
    named.sort(key=lambda pair: ("_preview" in pair[0], pair[0]))
    return [{"name": name, "source": source} for name, source in named if name.startswith(only)]


def examples(url: str, client: Path, chosen: Sequence[dict[str, str]]) -> Iterator[Example]:
    """The examples as they end."""
    environment = os.environ | {"NODE_PATH": str(client / "node_modules")}
    command = ["node", str(EDITOR), url, str(_SECONDS)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as editor:
        assert editor.stdin is not None and editor.stdout is not None
        for source in chosen:
            editor.stdin.write(json.dumps(source) + "\n")
            editor.stdin.flush()
            line = editor.stdout.readline()
            if not line:
                raise SystemExit(f"the editor ended at {source['name']}: see its message above")
            yield Example.of(json.loads(line))
        editor.stdin.close()


def summary(rows: Sequence[Example], commit: str) -> str:
    """The counts in a paragraph, and the refusals by cause in Markdown."""
    whole = sum(not row.refused for row in rows)
    layers, empty = sum(row.layers for row in rows), sum(row.empty for row in rows)
    head = f"{datetime.now(UTC):%Y-%m-%d}, examples of commit {commit}: {whole:,} of {len(rows):,} scripts run whole. "
    head += f"They ask for {layers:,} layers (on {empty:,} of their tiles nothing is drawn), "
    head += f"{sum(row.values for row in rows):,} printed values and {sum(row.pictures for row in rows):,} thumbnails."
    first: dict[str, str] = {}
    count: Counter[str] = Counter()
    for row in rows:
        for cause in dict.fromkeys(row.causes):
            count[cause] += 1
            first.setdefault(cause, row.name)
    lines = [f"| {cause} | {number} | {first[cause]} |" for cause, number in count.most_common()]
    return "\n".join([head, "", "| what was refused | scripts | such as |", "|---|---:|---|", *lines])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--catalog", required=True, help="a clone of google/earthengine-catalog")
    parser.add_argument("--client", required=True, type=Path, help="a folder with node_modules/@google/earthengine")
    parser.add_argument("--only", default="", help="what the names begin with, such as MODIS/")
    parser.add_argument("--results", type=Path, help="a file for a line of JSON of each example")
    parser.add_argument("--page", type=Path, help="a page with marks for the table, such as local_ee/docs/coverage.md")
    options = parser.parse_args()
    known = Example.read(options.results)
    rows = list(known.values())
    waiting = [script for script in scripts(options.catalog, options.only) if script["name"] not in known]
    limits = Limits(computation_seconds=_SECONDS)
    with TemporaryDirectory() as home, LocalEngine(open_catalog("world"), Path(home), limits=limits) as engine:
        for row in examples(engine.url, options.client, waiting):
            rows.append(row)
            if row.refused or row.empty:
                print(f"{row.name}: {row.empty} empty; {'; '.join(row.refused)}", flush=True)
            if options.results:
                options.results.write_text("".join(json.dumps(vars(each)) + "\n" for each in rows), encoding="utf-8")
    text = summary(rows, commit_of(options.catalog))
    print(f"\n{text}")
    if options.page:
        write_between(options.page, *MARKS, lambda: text)


if __name__ == "__main__":
    main()
