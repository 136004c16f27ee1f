"""The command reference: every command's own help as one Markdown page.

    python docs/generate.py PAGE

docs/conf.py calls `write` whenever the site is built, so the page cannot differ from the commands.
"""

from __future__ import annotations

import contextlib
import io
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def write(path: Path) -> None:
    """Writes the page, unless it has that text already (Sphinx rereads what is newer)."""
    text = markdown()
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def markdown() -> str:
    """A section for each command of `isamap.COMMANDS`: what it does, and its help as printed."""
    import isamap

    return "\n".join(
        f"## isamap {name}\n\n{_sentence(summary)}\n\n```text\n{help_text(name)}```\n"
        for name, (_, summary) in isamap.COMMANDS.items()
    )


def help_text(name: str) -> str:
    """What `isamap NAME --help` prints. RuntimeError where that fails."""
    import isamap

    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        code = isamap.main([*name.split(), "--help"])
    if code != 0:
        raise RuntimeError(f"`isamap {name} --help` ended with exit code {code}")
    return printed.getvalue()


def _sentence(summary: str) -> str:
    return f"{summary[0].upper()}{summary[1:]}."


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    write(Path(sys.argv[1]))
