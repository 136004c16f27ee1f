"""The page of all reports: Markdown between two marks of a page, with the panels beside it as small pictures."""

from __future__ import annotations

import json
import re
from pathlib import Path

from gee_export.base.atomic import write_whole
from gee_export.base.errors import Fault
from reproduction import STUDIES, panels
from reproduction.report import StudyReport, markdown
from reproduction.reproduce import PANEL, REPORT

BEGIN, END = "<!-- studies: isamap reproduce --page docs/reproduction.md -->", "<!-- /studies -->"
PICTURE_MOST_BYTES = 100_000


def write(page: str | Path, out: str | Path) -> str:
    """Put every report of <out> into the page, its panel into img/ beside it; what was done in a sentence.

    Sections of studies that <out> has no report of stay as they are: each says when it was run and with which version.
    ValueError: no such page, no marks in it, no report. Fault: a damaged report.
    """
    path = Path(page)
    if not path.is_file():
        raise ValueError(f"{path} is not there: make it with the lines {BEGIN} and {END}")
    before, begun, tail = path.read_text().partition(BEGIN)
    former, ended, after = tail.partition(END)
    if not begun or not ended:
        raise ValueError(f"{path} lacks the lines {BEGIN} and {END}, between which the reports go")
    finished = reports(Path(out))
    if not finished:
        raise ValueError(f"{out} holds no report: run `isamap reproduce NAME --out {out}` first")
    written = {report.name: _section(report, Path(out), path.parent) for report in finished}
    sections = {name: text for name, text in (_sections(former) | written).items() if name in STUDIES}
    missing = [name for name in STUDIES if name not in sections]
    for name in missing:  # a picture without a report would be of another world
        _picture(path.parent, name).unlink(missing_ok=True)
    waiting = f"not run yet: {', '.join(missing)}" if missing else ""
    state = f"{waiting[0].upper()}{waiting[1:]}." if waiting else "All studies have been run."
    shown = [sections[name] for name in STUDIES if name in sections]
    contents = "".join(map(_entry, shown))
    write_whole(path, f"{before}{BEGIN}\n\n{state}\n\n{contents}\n{''.join(shown)}{END}{after}".encode())
    return f"{path}: {len(finished)} of {len(shown)} sections written" + (f"; {waiting}" if waiting else "")


def _sections(text: str) -> dict[str, str]:
    """The sections of a page by study."""
    return {part.partition(":")[0]: f"## {part}" for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:]}


def _entry(section: str) -> str:
    """A line that leads to a section and says where the study stands in its paper."""
    head, _, rest = section.removeprefix("## ").partition("\n\n")
    name, _, title = head.partition(": ")
    return f"- [{name}](#{_anchor(head)}): {title} ({rest.partition('. Preset')[0]})\n"


def reports(out: Path) -> list[StudyReport]:
    """The finished reports in the order of STUDIES."""
    finished = []
    for name in STUDIES:
        path = out / name / REPORT
        if path.exists():
            try:
                document = json.loads(path.read_text())
            except ValueError as error:
                raise Fault(f"{path} is damaged: run `isamap reproduce {name}` again") from error
            finished.append(StudyReport.from_json(document, str(path)))
    return finished


def _anchor(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    return "".join(letter for letter in heading.lower().replace(" ", "-") if letter.isalnum() or letter in "-_")


def _section(report: StudyReport, out: Path, beside: Path) -> str:
    picture = _picture(beside, report.name)
    panels.compressed(out / report.name / PANEL, picture, PICTURE_MOST_BYTES)
    return f"{markdown(report, level=2)}\n![{report.name}: {report.title}](img/{picture.name})\n\n"


def _picture(beside: Path, name: str) -> Path:
    """The panel of a study as the page shows it."""
    return beside / "img" / f"{name}.jpg"
