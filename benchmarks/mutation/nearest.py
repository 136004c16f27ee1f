"""The test files nearest to a module: those that mirror, import or name it, else those of the modules that use it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

PACKAGES = ("gee_export", "training", "inference")
LEFT_OUT = ("cli.py", "__init__.py")


@dataclass(frozen=True)
class Tree:
    """The text of the program's modules and of its test files, by path."""

    modules: dict[str, str]
    tests: dict[str, str]

    @classmethod
    def of(cls, root: Path, packages: Sequence[str] = PACKAGES) -> Tree:
        def read(folder: str, pattern: str) -> dict[str, str]:
            return {p.relative_to(root).as_posix(): p.read_text() for p in sorted((root / folder).rglob(pattern))}

        modules = {path: text for package in packages for path, text in read(package, "*.py").items()}
        return cls(
            {path: text for path, text in modules.items() if PurePosixPath(path).name not in LEFT_OUT},
            {path: text for path, text in read("tests", "test_*.py").items() if path.count("/") > 1},
        )

    def nearest(self, module: str, most: int) -> list[str]:
        """At most so many test files, the nearest first; those at the top of tests/ judge the tree as a whole."""
        ranked = sorted(filter(None, (self._rank(module, test) for test in self.tests)))
        users = () if ranked else [user for user in self.modules if imports(self.modules[user], module)]
        for user in users:
            ranked += [(10, *rank[1:]) for rank in (self._rank(user, test) for test in self.tests) if rank]
        return list(dict.fromkeys(test for *_, test in sorted(ranked)))[:most]

    def _rank(self, module: str, test: str) -> tuple[int, int, str] | None:
        path = PurePosixPath(module)
        beside = test.startswith(f"tests/{path.parent}/")
        if test == f"tests/{path.parent}/test_{path.name}":
            return 0, 0, test
        if count := imports(self.tests[test], module):
            return (1 if beside else 2), -count, test
        named = len(re.findall(rf"\b{path.stem}\b", self.tests[test])) if beside else 0
        return (3, -named, test) if named else None


def imports(text: str, module: str) -> int:
    """How often a file names a module by its dotted path, or imports it from its package."""
    package, _, stem = module.removesuffix(".py").replace("/", ".").rpartition(".")
    dotted = rf"isamap\.{re.escape(package)}"
    wide = rf"from {dotted} import (?:\([^)]*\b{stem}\b|[^\n(]*\b{stem}\b)"
    return len(re.findall(rf"\b{dotted}\.{stem}\b", text)) + len(re.findall(wide, text))
