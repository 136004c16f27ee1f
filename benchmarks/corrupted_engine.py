"""Does the suite notice one wrong algorithm in each class of Earth Engine (docs/reliability.md)?

    python -m benchmarks.corrupted_engine [--seed 1] [--classes NAME ...] [--out FILE] [TESTS ...]

For every class an algorithm is drawn by the seed, and answers a little wrongly (benchmarks/corruption/values.py) while
the tests that call it run once more. Prints a table: class, algorithm, the first test that failed. Exit code 1 where
one was not caught. With --out, what was caught is written there, and a later run tries only the others.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from benchmarks.corruption.plugin import Corruption, Trial, watched  # noqa: E402
from local_ee.evaluation import registry  # noqa: E402

TESTS = "tests/local_ee"


def drawn(seed: int) -> dict[str, str]:
    """An algorithm of each class that the engine has, by class."""
    members: dict[str, list[str]] = defaultdict(list)
    for name in registry.names():
        members[name.partition(".")[0]].append(name)
    return {each: random.Random(f"{seed}/{each}").choice(own) for each, own in sorted(members.items())}


def tried(algorithms: Sequence[str], tests: Sequence[str], *, fresh: bool = False) -> dict[str, Trial]:
    """What the tests make of each algorithm when it is wrong."""
    corruption = Corruption(algorithms, fresh=fresh)
    with watched(corruption):
        pytest.main(["-q", "-p", "no:cacheprovider", "--no-header", "--tb=no", *tests], plugins=[corruption])
    return corruption.trials


def table(algorithms: dict[str, str], caught: dict[str, str]) -> str:
    """class | wrong algorithm | caught by."""
    lines = ["| class | wrong algorithm | caught by |", "|---|---|---|"]
    for each, name in algorithms.items():
        test = caught.get(name, "")
        lines.append(f"| {each} | {name} | {f'`{test}`' if test else '**nothing**'} |")
    return "\n".join(lines)


def main(words: Sequence[str] | None = None) -> int:
    """The exit code: 1 where a wrong algorithm was not caught."""
    parser = argparse.ArgumentParser(description="Wrong algorithms, and the tests that notice them.")
    parser.add_argument("tests", nargs="*", default=[TESTS], help=f"files or folders of tests ({TESTS})")
    parser.add_argument("--seed", type=int, default=1, help="draws one algorithm a class")
    parser.add_argument("--classes", nargs="+", metavar="NAME", help="these classes only")
    parser.add_argument("--out", type=Path, metavar="FILE", help="JSON of what is caught; a later run goes on from it")
    options = parser.parse_args(words)
    algorithms = {
        each: name for each, name in drawn(options.seed).items() if not options.classes or each in options.classes
    }
    caught = json.loads(options.out.read_text()) if options.out and options.out.exists() else {}
    waiting = [name for name in algorithms.values() if name not in caught]
    if waiting:
        trials = tried(waiting, options.tests)
        caught |= {name: trial.caught_by for name, trial in trials.items() if trial.caught_by}
    if options.out:
        options.out.write_text(json.dumps(caught, indent=1, sort_keys=True) + "\n")
    print(f"seed {options.seed}\n\n{table(algorithms, caught)}")
    return int(any(name not in caught for name in algorithms.values()))


if __name__ == "__main__":
    sys.exit(main())
