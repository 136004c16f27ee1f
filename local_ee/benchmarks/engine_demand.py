"""Which of the algorithms that the local engine lacks Google's own scripts use most (local_ee/docs/coverage.md).

    python local_ee/benchmarks/engine_demand.py --samples REPOSITORY [--most 40]

REPOSITORY is a clone of github.com/google/earthengine-community, with or without a work tree. A script counts once
for each algorithm whose call it holds: `.reduceToVectors(` for methods of images, collections, features, geometries
and values, the whole name for the others. Methods of one name in several classes count as one.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from local_ee.evaluation import registry, signatures

SCRIPTS = (".py", ".js", ".ipynb")
METHODS = ("Image", "Collection", "FeatureCollection", "ImageCollection", "Feature", "Geometry", "Element", "List")
METHODS += ("Dictionary", "Number")


def call_of(name: str) -> re.Pattern[str]:
    """What a call of an algorithm looks like in a script."""
    owner, _, method = name.rpartition(".")
    return re.compile(rf"\.{re.escape(method)}\(" if owner in METHODS else rf"\b{re.escape(name)}\(")


def scripts(repository: str) -> Iterator[str]:
    """The texts of all scripts of a repository's newest commit."""
    git = ["git", "-C", repository]
    listed = subprocess.run([*git, "ls-tree", "-r", "--name-only", "HEAD"], check=True, capture_output=True, text=True)
    for path in listed.stdout.splitlines():
        if path.endswith(SCRIPTS):
            yield subprocess.run([*git, "show", f"HEAD:{path}"], check=True, capture_output=True).stdout.decode()


def demand(texts: Sequence[str], names: Sequence[str]) -> Counter[str]:
    """How many texts call each of the names."""
    patterns = {name: call_of(name) for name in names}
    return Counter(name for text in texts for name, pattern in patterns.items() if pattern.search(text))


def missing() -> list[str]:
    """The algorithms of Google's list that the engine lacks."""
    return sorted(set(signatures.signatures()) - set(registry.names()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", required=True, help="a clone of google/earthengine-community")
    parser.add_argument("--most", type=int, default=40, help="rows")
    options = parser.parse_args()
    texts = list(scripts(options.samples))
    print(f"Of {len(texts)} scripts, so many call an algorithm that the engine lacks:\n")
    print("| algorithm | scripts |\n|---|---:|")
    for name, count in demand(texts, missing()).most_common(options.most):
        print(f"| `{name}` | {count} |")


if __name__ == "__main__":
    main()
