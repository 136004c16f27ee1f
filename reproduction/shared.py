"""What several sections of the page of reports say alike: taken out of them and printed once above them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from isamap.reproduction.report import LEGEND

HEAD = "What several reports share:"
_ALL = "all studies"


def once(sections: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """The list of what two or more sections say alike with the sections that say it, and the sections without that."""
    speakers: dict[str, list[str]] = {}
    for name, text in sections.items():
        for line in dict.fromkeys(_remarks(text)):
            speakers.setdefault(line, []).append(name)
    alike = {line: names for line, names in speakers.items() if len(names) > 1}
    listed = "".join(f"- {_names(names, len(sections))}: {line.removeprefix('- ')}\n" for line, names in alike.items())
    return f"{HEAD}\n\n- tables: {' '.join(LEGEND)}\n{listed}", {n: _without(t, alike) for n, t in sections.items()}


def restored(before: str, sections: Mapping[str, str]) -> dict[str, str]:
    """The sections with their own copy of each line of the list before them, so that any of them can be replaced."""
    updated = dict(sections)
    for names, line in re.findall(r"^- (.+?): (.+)$", before.partition(HEAD)[2], flags=re.MULTILINE):
        for name in updated if names == _ALL else names.split(", "):
            if name in updated:
                body, picture, remainder = updated[name].partition("\n![")
                updated[name] = f"{body}- {line}\n{picture}{remainder}"
    return updated


def _remarks(section: str) -> list[str]:
    return [line for line in section.splitlines() if line.startswith("- ")]


def _names(names: list[str], studies: int) -> str:
    return _ALL if len(names) == studies else ", ".join(names)


def _without(section: str, alike: Mapping[str, list[str]]) -> str:
    """The section without lines that others say too, and without the legend that all tables share."""
    for sentence in LEGEND:
        section = section.replace(f" {sentence}", "").replace(f"{sentence} ", "").replace(f"{sentence}\n", "")
    lines = [line for line in section.split("\n") if line not in alike]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines).rstrip("\n")) + "\n\n"
