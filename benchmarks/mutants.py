"""Which share of small changes of the program the nearest tests notice.

    python -m benchmarks.mutants --out FOLDER [--count 300] [--seed 1] [--minutes 60] [--workers 2] [--package NAME ...]

Each mutant changes one place: kinds in turn, places of a kind evenly. It runs against the four nearest test files
(mutation/nearest.py), their long tests where no other sees it, in a work tree of its own, and counts as killed where
they fail and pass without it. The table and every survivor go to FOLDER/mutants.md; results are kept line by line, so
that a stopped run continues.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from scipy.stats import binomtest

from benchmarks.mutation.nearest import PACKAGES, Tree
from benchmarks.mutation.places import places

ROOT = Path(__file__).parents[1]
NEAREST = 4
LIMIT_S = 240.0
NO_TESTS = 5  # pytest's exit code where no test of the files is of that kind
QUICK, LONG = "not google and not network and not long", "long and not google and not network"


@dataclass(frozen=True)
class Mutant:
    """A changed module: its path, the line, the operator, the line's text before, and the whole text after."""

    module: str
    line: int
    operator: str
    before: str
    text: str

    @property
    def key(self) -> str:
        return f"{self.module}:{self.line} {self.operator} {hash_of(self.text)}"


@dataclass(frozen=True)
class Result:
    """state: killed, survived, timeout, or untested (no test near, or they fail without the mutant)."""

    key: str
    module: str
    line: int
    kind: str
    before: str
    after: str
    state: str
    by: str

    @property
    def change(self) -> str:
        """Its line in the list of survivors."""
        return f"- `{self.module}:{self.line}` {self.kind}: `{self.before}` became `{self.after}`"


def hash_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def drawn(tree: Tree, seed: int) -> Iterator[Mutant]:
    """Mutants without end, none twice: kinds in turn, within a kind evenly over all its places."""
    rng, pools = random.Random(seed), {}
    for module, source in tree.modules.items():
        for spot in places(source):
            pools.setdefault(spot.operator, []).append((module, source, spot))
    for pool in pools.values():
        rng.shuffle(pool)
    while any(pools.values()):
        for operator, pool in pools.items():
            while pool:
                module, source, spot = pool.pop()
                if text := spot.mutated(source, rng):
                    line = spot.node.lineno
                    yield Mutant(module, line, operator, source.splitlines()[line - 1].strip(), text)
                    break


@dataclass
class WorkTree:
    """A checkout in which one mutant at a time is tried."""

    root: Path
    tree: Tree

    def tried(self, mutant: Mutant) -> Result:
        tests = self.tree.nearest(mutant.module, NEAREST)
        path = self.root / mutant.module
        before = path.read_text()
        try:
            path.write_text(mutant.text)
            state, by, suite = self._judged(tests)
        finally:
            path.write_text(before)
        # Tests that fail without the mutant, too, say nothing of it.
        if state == "killed" and self._run(tests, suite)[0] not in (0, None):
            state, by = "untested", "the tests fail without the mutant"
        after = mutant.text.splitlines()[mutant.line - 1].strip()
        return Result(mutant.key, mutant.module, mutant.line, mutant.operator, mutant.before, after, state, by)

    def _judged(self, tests: Sequence[str]) -> tuple[str, str, str]:
        """State, pytest's last line and which tests said so; long tests that do not end in time say nothing."""
        state, last = "untested", "no test near"
        for suite in (QUICK, LONG) if tests else ():
            code, last = self._run(tests, suite)
            if code is None and suite == QUICK:
                return "timeout", last, suite
            if code not in (0, None, NO_TESTS):
                return "killed", last, suite
            state = "untested" if code == NO_TESTS and state == "untested" else "survived"
        return state, last, LONG

    def _run(self, tests: Sequence[str], suite: str) -> tuple[int | None, str]:
        """pytest's exit code (None: out of time) and its last line; what it left running ends with it."""
        options = ["-x", "-q", "--tb=no", "-p", "no:cacheprovider", "-m", suite]
        command = [sys.executable, "-m", "pytest", *options, *tests]
        variables = {
            "PYTHONPATH": f"{self.root}:{self.root}/local_ee/src",
            "PYTHONDONTWRITEBYTECODE": "1",
            "OMP_NUM_THREADS": "1",
        }
        with tempfile.TemporaryDirectory() as scratch, tempfile.TemporaryFile("w+") as log:
            environment = os.environ | variables | {"TMPDIR": scratch, "ISAMAP_HOME": f"{scratch}/home"}
            process = subprocess.Popen(
                command, cwd=self.root, env=environment, stdout=log, stderr=log, start_new_session=True
            )
            try:
                code: int | None = process.wait(LIMIT_S)
            except subprocess.TimeoutExpired:
                code = None
            # The whole group: a mutant may leave a server or a worker that would take the next one's time.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            log.seek(0)
            return code, (log.read().strip().splitlines() or [""])[-1]


def _rates(name: str, judged: Sequence[Result]) -> list[str]:
    """The row of a group; none of an empty one."""
    if not judged:
        return []
    killed = sum(result.state != "survived" for result in judged)
    low, high = binomtest(killed, len(judged)).proportion_ci(method="wilson")
    return [f"| {name} | {killed} of {len(judged)} | {killed / len(judged):.0%} | {low:.0%} to {high:.0%} |"]


def report(results: Sequence[Result]) -> str:
    """Rates with 95 % intervals by package and kind, then every survivor."""
    lines = ["| | killed | rate | 95 % (Wilson) |", "|---|---|---|---|"]
    judged = [result for result in results if result.state in ("killed", "survived", "timeout")]
    lines += _rates("all", judged)
    for name, key in (("package", lambda r: r.module.split("/")[0]), ("kind", lambda r: r.kind)):
        for value in sorted({key(result) for result in judged}):
            lines += _rates(f"{name} {value}", [result for result in judged if key(result) == value])
    lines += ["", "## Survivors", "", *(result.change for result in results if result.state == "survived")]
    lines += ["", f"Untested: {sum(result.state == 'untested' for result in results)}.", ""]
    return "\n".join(lines)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--package", nargs="*", default=list(PACKAGES))
    return parser.parse_args()


@contextlib.contextmanager
def _work_trees(count: int) -> Iterator[list[Path]]:
    """So many checkouts of this repository, gone at the end."""
    with tempfile.TemporaryDirectory() as scratch:
        roots = [Path(scratch) / str(worker) for worker in range(count)]
        for root in roots:
            subprocess.run(["git", "worktree", "add", "--quiet", "--detach", str(root)], cwd=ROOT, check=True)
        try:
            yield roots
        finally:
            for root in roots:
                subprocess.run(["git", "worktree", "remove", "--force", str(root)], cwd=ROOT, check=False)


def main() -> None:
    """Tries mutants until their number or the time is reached, and prints the report."""
    options = _options()
    options.out.mkdir(parents=True, exist_ok=True)
    kept = options.out / "results.jsonl"
    results = [Result(**json.loads(line)) for line in kept.read_text().splitlines()] if kept.exists() else []
    done = {result.key for result in results}
    tree = Tree.of(ROOT, options.package)
    untried = (
        mutant for mutant in itertools.islice(drawn(tree, options.seed), options.count) if mutant.key not in done
    )
    until, lock = time.monotonic() + 60 * options.minutes, threading.Lock()

    def work(root: Path) -> None:
        checkout = WorkTree(root, tree)
        while time.monotonic() < until:
            with lock:
                mutant = next(untried, None)
            if mutant is None:
                return
            result = checkout.tried(mutant)
            with lock, kept.open("a") as lines:
                results.append(result)
                lines.write(json.dumps(asdict(result)) + "\n")
                print(f"{len(results)} {result.state:9} {result.module}:{result.line} {result.kind}", flush=True)

    with _work_trees(options.workers) as roots:
        threads = [threading.Thread(target=work, args=(root,)) for root in roots]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    (options.out / "mutants.md").write_text(report(results))
    print((options.out / "mutants.md").read_text())


if __name__ == "__main__":
    main()
