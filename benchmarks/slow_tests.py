"""Which test files take how long, by pytest's JUnit file (`make slow`): python -m benchmarks.slow_tests FILE."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path


def seconds_by_file(report: Path) -> list[tuple[str, float, int]]:
    """File, seconds and number of its tests, the longest first."""
    seconds, tests = Counter[str](), Counter[str]()
    for case in ET.parse(report).iter("testcase"):
        name = case.get("classname", "")
        seconds[name] += float(case.get("time", 0))
        tests[name] += 1
    return [(name, total, tests[name]) for name, total in seconds.most_common()]


def main() -> None:
    rows = seconds_by_file(Path(sys.argv[1]))
    print(f"{sum(row[1] for row in rows):8.0f} s in {sum(row[2] for row in rows)} tests of {len(rows)} files")
    for name, total, count in rows[: int(sys.argv[2]) if len(sys.argv) > 2 else 40]:
        print(f"{total:8.1f} s {count:5} tests  {name}")


if __name__ == "__main__":
    main()
