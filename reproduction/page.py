"""The page of all reports: Markdown between two marks of a page, with the panels beside it as small pictures."""

from __future__ import annotations

import json
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

    ValueError: no such page, no marks in it, no report. Fault: a damaged report.
    """
    path = Path(page)
    if not path.is_file():
        raise ValueError(f"{path} is not there: make it with the lines {BEGIN} and {END}")
    before, begun, tail = path.read_text().partition(BEGIN)
    _, ended, after = tail.partition(END)
    if not begun or not ended:
        raise ValueError(f"{path} lacks the lines {BEGIN} and {END}, between which the reports go")
    finished = reports(Path(out))
    if not finished:
        raise ValueError(f"{out} holds no report: run `isamap reproduce NAME --out {out}` first")
    parts = [_section(report, Path(out), path.parent) for report in finished]
    missing = [name for name in STUDIES if name not in {report.name for report in finished}]
    for name in missing:  # a picture of a report that is no longer there would be of another world
        _picture(path.parent, name).unlink(missing_ok=True)
    waiting = f"not run yet: {', '.join(missing)}" if missing else ""
    state = f"{waiting[0].upper()}{waiting[1:]}." if waiting else "All studies have been run."
    write_whole(path, f"{before}{BEGIN}\n\n{state}\n\n{_contents(finished)}\n{''.join(parts)}{END}{after}".encode())
    return f"{path}: {len(finished)} of {len(STUDIES)} studies" + (f"; {waiting}" if waiting else "")


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


def _contents(finished: list[StudyReport]) -> str:
    """A line a study, leading to its section."""
    return "".join(f"- [{report.name}](#{_anchor(report)}): {report.title} ({report.paper})\n" for report in finished)


def _anchor(report: StudyReport) -> str:
    """The anchor that GitHub gives the report's heading."""
    text = f"{report.name}: {report.title}".lower()
    return "".join(letter for letter in text.replace(" ", "-") if letter.isalnum() or letter in "-_")


def _section(report: StudyReport, out: Path, beside: Path) -> str:
    picture = _picture(beside, report.name)
    panels.compressed(out / report.name / PANEL, picture, PICTURE_MOST_BYTES)
    return f"{markdown(report, level=2)}\n![{report.name}: {report.title}](img/{picture.name})\n\n"


def _picture(beside: Path, name: str) -> Path:
    """The panel of a study as the page shows it."""
    return beside / "img" / f"{name}.jpg"
