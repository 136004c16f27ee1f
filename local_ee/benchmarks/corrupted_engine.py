"""Does the suite notice one wrong algorithm in each class of Earth Engine (docs/wrong-answers.md)?

    python -m benchmarks.corrupted_engine [--seed 1 2] [--classes NAME ...] [--out FILE] [TESTS ...]

For every class an algorithm is drawn by the seed, and answers a little wrongly (corruption/values.py) while
the tests that call it run once more. Prints a table: class, algorithm, the first test that failed. Exit code 1 where
one was not caught. With --out, what was caught is written there, and a later run tries only the others.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from benchmarks.corruption.plugin import Corruption, Trial, watched  # noqa: E402
from local_ee.evaluation import registry  # noqa: E402

TESTS = "tests"
# Long tests catch, too; the test of this program would try itself.
WORDS = ("-q", "-p", "no:cacheprovider", "--no-header", "--tb=no", "-m", "", "--ignore", "tests/test_corruption.py")


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
        pytest.main([*WORDS, *tests], plugins=[corruption])
    return corruption.trials


def table(algorithms: Mapping[str, str], caught: Mapping[str, str]) -> str:
    """class | wrong algorithm | caught by."""
    lines = ["| class | wrong algorithm | caught by |", "|---|---|---|"]
    for each, name in algorithms.items():
        test = caught.get(name, "")
        lines.append(f"| {each} | {name} | {f'`{test}`' if test else '**nothing**'} |")
    return "\n".join(lines)


def chosen(words: argparse.Namespace) -> dict[int, dict[str, str]]:
    """By seed: the algorithm of each class that is asked for; those that are named, if any."""
    if words.algorithms:
        return {0: {name: name for name in words.algorithms}}
    wanted = set(words.classes or ())
    return {
        seed: {each: name for each, name in drawn(seed).items() if not wanted or each in wanted} for seed in words.seed
    }


def main(words: Sequence[str] | None = None) -> int:
    """The exit code: 1 where a wrong algorithm was not caught."""
    parser = argparse.ArgumentParser(description="Wrong algorithms, and the tests that notice them.")
    parser.add_argument("tests", nargs="*", default=[TESTS], help=f"files or folders of tests ({TESTS})")
    parser.add_argument("--seed", type=int, nargs="+", default=[1], help="each draws one algorithm a class")
    parser.add_argument("--classes", nargs="+", metavar="NAME", help="these classes only")
    parser.add_argument("--algorithms", nargs="+", metavar="NAME", help="these algorithms instead of drawn ones")
    parser.add_argument("--out", type=Path, metavar="FILE", help="JSON of what is caught; a later run goes on from it")
    options = parser.parse_args(words)
    tables = chosen(options)
    names = sorted({name for algorithms in tables.values() for name in algorithms.values()})
    caught = json.loads(options.out.read_text("utf-8")) if options.out and options.out.exists() else {}
    if waiting := [name for name in names if name not in caught]:
        trials = tried(waiting, options.tests)
        caught |= {name: trial.caught_by for name, trial in trials.items() if trial.caught_by}
    if options.out:
        options.out.write_text(json.dumps(caught, indent=1, sort_keys=True) + "\n", "utf-8")
    for seed, algorithms in tables.items():
        print(f"seed {seed}\n\n{table(algorithms, caught)}\n")
    return int(any(name not in caught for name in names))


if __name__ == "__main__":
    sys.exit(main())
