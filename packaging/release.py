"""Makes a release of isamap and local-ee, and tries it where nothing else is installed.

    python packaging/release.py version 0.2.0     # writes it wherever a version stands
    python packaging/release.py try dist          # dist/ holds both wheels: README's commands from them

`make release` builds both source archives and wheels, checks them (twine) and tries them. It uploads nothing.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PLACES = (
    ("setup.cfg", r"(?m)^version = (\S+)$"),
    ("setup.cfg", r"(?m)^    local-ee\S*==([^+\s]+)"),
    ("CITATION.cff", r"(?m)^version: (\S+)$"),
    ("packaging/conda/recipe.yaml", r"(?m)^  version: (\d\S*)$"),
    ("local_ee/pyproject.toml", r'(?m)^version = "([^+"]+)'),
    ("CHANGELOG.md", r"(?m)^## (\d\S+?),? "),
    ("local_ee/CHANGELOG.md", r"(?m)^## (\d\S+?),? "),
)
FORM = re.compile(r"\d+\.\d+\.\d+((a|b|rc)\d+)?")


def versions(root: Path = ROOT) -> list[str]:
    """What each place says; ValueError where one says nothing."""
    stated = [(name, re.search(pattern, (root / name).read_text("utf-8"))) for name, pattern in PLACES]
    if silent := [name for name, match in stated if match is None]:
        raise ValueError(f"{', '.join(silent)}: no version where one is expected")
    return [match[1] for _, match in stated if match]


def set_version(new: str, root: Path = ROOT) -> None:
    """Writes a version into every file; ValueError where it is none."""
    if not FORM.fullmatch(new):
        raise ValueError(f"version {new!r}: expected MAJOR.MINOR.PATCH, with a1, b1 or rc1 behind it at most")
    versions(root)
    for name, pattern in PLACES:
        text = (root / name).read_text("utf-8")
        start, end = re.search(pattern, text).span(1)  # type: ignore[union-attr]
        (root / name).write_text(text[:start] + new + text[end:], "utf-8")


def blocks(page: str, kind: str) -> list[str]:
    """The fenced blocks of a kind on a page."""
    return re.findall(rf"^```{kind}\n(.*?)^```", (ROOT / page).read_text("utf-8"), re.MULTILINE | re.DOTALL)


def tried(dist: Path) -> None:
    """Installs both wheels into a new environment and runs the READMEs' commands in an empty folder.

    Left out: what needs a network (`--catalog open`), an account, or the clone (`python export_patches.py`).
    """
    wheels = [str(path.resolve()) for path in sorted(dist.glob("*.whl"))]
    with tempfile.TemporaryDirectory() as scratch:
        folder, programs = Path(scratch) / "empty", Path(scratch) / "venv/bin"
        folder.mkdir()
        subprocess.run([sys.executable, "-m", "venv", str(programs.parent)], check=True)
        pip = [str(programs / "python"), "-m", "pip", "install", "--quiet", "-c", str(ROOT / "constraints.txt")]
        subprocess.run([*pip, *wheels, "pytest"], check=True)
        (folder / "test_readme.py").write_text(blocks("local_ee/README.md", "python")[0])
        commands = [line for block in blocks("README.md", "bash") for line in block.splitlines()]
        commands = [line for line in commands if line.startswith("isamap ")]
        for command in [*commands, "local-ee --help", "python -m pytest -q -p local_ee.pytest_plugin test_readme.py"]:
            print("$", command, flush=True)
            program, *words = shlex.split(command)
            subprocess.run([str(programs / program), *words], cwd=folder, check=True, stdout=subprocess.DEVNULL)


def main(words: list[str]) -> None:
    match words:
        case ["version", new]:
            set_version(new)
        case ["try", dist]:
            tried(Path(dist))
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
