"""The page of all reports: Markdown between two marks of a page, with the panels beside it as small pictures."""

from __future__ import annotations

import json
import re
from pathlib import Path

from isamap.gee_export.base.atomic import write_whole
from isamap.gee_export.base.errors import Fault
from isamap.reproduction import STUDIES, panels, shared
from isamap.reproduction.report import StudyReport, markdown
from isamap.reproduction.reproduce import PANEL, REPORT

BEGIN, END = "<!-- studies: isamap reproduce --page docs/reproduction.md -->", "<!-- /studies -->"
# Seventeen panels on one page: 1.7 MB at most.
PICTURE_MOST_BYTES = 100_000


def _parts(path: Path) -> tuple[str, str, str]:
    """A page's text before, between and after the marks; ValueError without them."""
    if not path.is_file():
        raise ValueError(f"{path} is not there: make it with the lines {BEGIN} and {END}")
    before, begun, tail = path.read_text().partition(BEGIN)
    former, ended, after = tail.partition(END)
    if not begun or not ended:
        raise ValueError(f"{path} lacks the lines {BEGIN} and {END}, between which the reports go")
    return before, former, after


def write(page: str | Path, out: str | Path) -> str:
    """Put every report of <out> into the page, its panel into img/ beside it; what was done in a sentence.

    Sections of studies that <out> has no report of stay as they are: each says when it was run and with which version.
    ValueError: no such page, no marks in it, no report. Fault: a damaged report.
    """
    path = Path(page)
    before, former, after = _parts(path)
    finished = reports(Path(out))
    if not finished:
        raise ValueError(f"{out} holds no report: run `isamap reproduce NAME --out {out}` first")
    written = {report.name: _section(report, Path(out), path.parent) for report in finished}
    # Studies that are no longer in the table leave the page, too.
    sections = {name: text for name, text in (_sections(former) | written).items() if name in STUDIES}
    missing = [name for name in STUDIES if name not in sections]
    for name in missing:  # a picture without a report would be of another world
        _picture(path.parent, name).unlink(missing_ok=True)
    waiting = f"not run yet: {', '.join(missing)}" if missing else ""
    state = f"{waiting[0].upper()}{waiting[1:]}." if waiting else "All studies have been run."
    alike, sections = shared.once({name: sections[name] for name in STUDIES if name in sections})
    shown = list(sections.values())
    contents = "".join(map(_entry, shown))
    write_whole(path, f"{before}{BEGIN}\n\n{state}\n\n{contents}\n{alike}\n{''.join(shown)}{END}{after}".encode())
    return f"{path}: {len(finished)} of {len(shown)} sections written" + (f"; {waiting}" if waiting else "")


def _sections(text: str) -> dict[str, str]:
    """The sections of a page by study, each with what the page says once for several."""
    before, *parts = re.split(r"^## ", text, flags=re.MULTILINE)
    return shared.restored(before, {section.partition(":")[0]: f"## {section}" for section in parts})


def _entry(section: str) -> str:
    """A line that leads to a section and says where the study stands in its paper."""
    head, _, text = section.removeprefix("## ").partition("\n\n")
    return f"- [{head.partition(': ')[0]}](#{_anchor(head)}): {text.partition('. Preset')[0]}\n"


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
    return "".join(letter for letter in heading.lower().replace(" ", "-") if letter.isalnum() or letter in "-_")


def _section(report: StudyReport, out: Path, beside: Path) -> str:
    picture = _picture(beside, report.name)
    panels.compressed(out / report.name / PANEL, picture, PICTURE_MOST_BYTES)
    return f"{markdown(report, level=2, brief=True)}\n![{report.name}: {report.title}](img/{picture.name})\n\n"


def _picture(beside: Path, name: str) -> Path:
    return beside / "img" / f"{name}.jpg"
