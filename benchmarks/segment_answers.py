"""The engine's segments of time beside the test data that the public programs come with.

    python -m benchmarks.segment_answers --lcms CLONE --c2c CLONE

CLONE: clones of github.com/c11/lcms (VeRDET, VCT) and github.com/saveriofrancini/C2C-GEE. Prints a row for each set:
its series, and how many are answered otherwise (docs/engine-algorithms.md, "Segments of time"). Nothing is kept of it.
"""

from __future__ import annotations

import argparse
import csv
import io
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rasterio.io import MemoryFile

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from local_ee.raster import c2c, vct, verdet  # noqa: E402

SCORE = (0.10414045959466088 / 65535, -0.092938733186154518)  # of VeRDET's stored results, from their readme
COVERS = {0: 0, 254: 1, 255: 1, 5: 1, 4: 2, 2: 3, 3: 4, 7: 5, 1: 6, 8: 7, 9: 8, 10: 9, 11: 10, 21: 11, 22: 12}
VCT = "test/test_vct/{}/{}_tsa_45030_{}.tif"
CSV = "javatests/it/unibo/c2c/testdata/{}.csv"
LARGE: dict[str, Any] = {"error": 75.0, "spike_size": 100.0}  # of values times 1,000
C2C: dict[str, tuple[str, dict[str, Any]]] = {
    "output": ("input", {**LARGE, "is_interpolated": False}),
    "output-filtered": ("input", {**LARGE, "losses_only": True}),
    "output-regrowth-negonly": ("input", {**LARGE, "losses_only": True, "is_interpolated": False}),
    "output-regrowth-negonly-interp": ("input", {**LARGE, "losses_only": True}),
    "output-nbr-regrowth": ("input-nbr", {"is_interpolated": False}),
    "output-nbr-regrowth-interp": ("input-nbr", {}),
}

Row = tuple[str, int, int]


def stored(clone: Path, path: str) -> bytes:
    """A file of the newest commit."""
    git = ["git", "-C", str(clone), "show", f"HEAD:{path}"]
    return subprocess.run(git, check=True, capture_output=True).stdout


def series_of(clone: Path, path: str) -> np.ndarray:
    """[pixel, year] of a GeoTIFF with a band for each year."""
    with MemoryFile(stored(clone, path)) as memory, memory.open(driver="GTiff") as file:
        years = file.read()
    return years.reshape(len(years), -1).T.astype(float)


def verdet_row(clone: Path) -> Row:
    """VeRDET: pixels that differ by more than one step of the stored 16 bits."""
    values = series_of(clone, "test/test_verdet/NDMI_Z_Stack.tif") / 65535 * 2 - 1
    expected = series_of(clone, "test/test_verdet/verdet_ndmi_output.tif")
    own = np.stack([verdet.slopes(each, alpha=1 / 30, tolerance=1e-4, rounds=100)[1:] for each in values])
    steps = np.trunc((own - SCORE[1]) / SCORE[0])
    return "Verdet", len(own), int((np.abs(steps - expected).max(axis=1) > 1).sum())


def vct_row(clone: Path) -> Row:
    """VCT: pixels whose classes or sizes differ. Its test gives thermal scores as B7 and the other way round."""

    def years_of(name: str) -> np.ndarray:
        return series_of(clone, VCT.format("inputs", "input", name))

    bands = [years_of(f"udist_b{number}") / 100 for number in (3, 4, 5, 6, 7)]
    greens = [(years_of(f"udist_{name}") - 100.5) / 100 for name in ("ndvi", "dnbr")]
    parts = [np.where(bands[k] < 0, bands[k] / 2.5, bands[k]) ** 2 for k in (0, 2, 3)]
    scores = np.stack([*bands, *greens, np.sqrt(sum(parts) / 3)], axis=1)
    covers = np.vectorize(COVERS.__getitem__)(years_of("mask").astype(int))
    own = np.stack([vct.tracked(score, cover, vct.Rules()) for score, cover in zip(scores, covers, strict=True)])
    scales = {"mask": (0, 1, 0), "magn": (1, 0.1, 0), "magn_b4": (2, 0.1, 100.5), "magn_vi": (3, 0.01, 100.5)}
    differs = np.zeros(len(own), bool)
    for name, (row, step, offset) in {**scales, "magn_br": (4, 0.01, 100.5)}.items():
        expected = series_of(clone, VCT.format("outputs", "output", f"dist_{name}"))
        shown = np.where((row > 0) & (own[:, row] == vct.NO_MAGNITUDE), 0, np.trunc(own[:, row] / step + offset))
        differs |= (np.abs(shown - expected) > (row > 0)).any(axis=1)
    return "VCT", len(own), int(differs.sum())


def c2c_rows(clone: Path) -> Iterator[Row]:
    """C2C: series of each set of options whose changes differ by more than 1e-9."""
    for name, (source, options) in C2C.items():
        head, *rows = table_of(clone, source)
        times, rules = np.array(head[1:], float), c2c.Rules(**options)
        answers = table_of(clone, name)
        columns = {"changeDate" if word == "year" else word: i for i, word in enumerate(answers[0]) if word != "id"}
        wanted: dict[int, list[list[float]]] = {i: [] for i in range(len(rows))}
        for answer in answers[1:]:
            numbers = [float(answer[i]) for i in columns.values()]
            if not np.isnan(numbers[0]):
                wanted[int(float(answer[0]))].append(numbers)
        chosen = [c2c.METRICS.index(metric) for metric in columns]
        wrong = sum(
            not _same(c2c.changes(times, np.array(row[1:], float), rules), wanted[i], chosen)
            for i, row in enumerate(rows)
        )
        yield f"C2c, {name}", len(rows), wrong


def table_of(clone: Path, name: str) -> list[list[str]]:
    """The rows of a CSV file, the head first."""
    return [row for row in csv.reader(io.StringIO(stored(clone, CSV.format(name)).decode())) if row]


def _same(changes: np.ndarray | None, expected: list[list[float]], chosen: list[int]) -> bool:
    own = np.zeros((0, len(chosen))) if changes is None else changes[chosen].T
    numbers = np.array(expected).reshape(-1, len(chosen))
    return own.shape == numbers.shape and np.allclose(own, numbers, rtol=1e-9, atol=1e-9, equal_nan=True)


def main(words: Sequence[str] | None = None) -> int:
    """The exit code: 1 where an answer differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lcms", type=Path, required=True, metavar="CLONE")
    parser.add_argument("--c2c", type=Path, required=True, metavar="CLONE")
    options = parser.parse_args(words)
    rows = [verdet_row(options.lcms), vct_row(options.lcms), *c2c_rows(options.c2c)]
    print("| set | series | answered otherwise |\n|---|---:|---:|")
    for name, count, wrong in rows:
        print(f"| {name} | {count:,} | {wrong:,} |")
    return int(any(wrong for *_, wrong in rows))


if __name__ == "__main__":
    raise SystemExit(main())
