"""The report of a study: its table beside the paper's numbers, orderings in words, as Markdown and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from isamap.gee_export.base.errors import Fault
from isamap.reproduction.convergence import RULE
from isamap.reproduction.labels import AREA
from isamap.reproduction.line import DataUsed, ReportLine, line_of
from isamap.reproduction.ranking import Pair, Ranking, sentence_of, sentences
from isamap.reproduction.study import StudyMeasure
from isamap.training.accuracy import bootstrap

# Raised when fields change: `isamap reproduce --page` refuses older reports instead of guessing.
VERSION = 3
_BRACKETS = (
    "In brackets, of one seed or of what no seed changes: 95 % intervals by bootstrap over spatial blocks of the test "
    "split."
)
_TEST = (
    "Differences have t intervals over seeds and blocks (training/accuracy/contrast.py), 95 %, each for itself; p is "
    "adjusted for all pairs that are compared (Holm), and below 0.05 a pair is decided."
)
_LETTERS = "Rows that share a letter are not shown to differ."
_PER_RUN = "Steps and CPU seconds are of training, per seed; of a run that was interrupted no seconds are known."
_OURS = "Ours: mean ± standard deviation over seeds."
# Of a page's table: with more it is wider than a screen, and F1 follows from IoU (report.md has them all)
BRIEF_MEASURES = 3
TRAINED = ("seeds", "converged")
COST = ("parameters", "steps", "CPU s")
LEGEND = (_OURS, _BRACKETS, _LETTERS, _TEST, RULE)


@dataclass(frozen=True)
class StudyReport:
    """What `isamap reproduce` found for one study; prints as the Markdown of report.md."""

    name: str
    title: str
    paper: str
    preset: str
    date: str
    device: str
    seeds: tuple[int, ...]
    measures: tuple[StudyMeasure, ...]
    order_by: str
    paper_order: tuple[str, ...]
    lines: tuple[ReportLine, ...]
    data: tuple[DataUsed, ...]
    differs: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    revision: str = ""
    teacher: str = ""
    headroom: tuple[str, ...] = ()
    contrasts: tuple[Pair, ...] = ()

    @property
    def order_measure(self) -> StudyMeasure:
        """The measure by which rows are compared."""
        return next(measure for measure in self.measures if measure.key == self.order_by)

    @property
    def ranking(self) -> Ranking:
        """The comparisons of the rows."""
        return Ranking(self.lines, self.order_measure, self.teacher, self.contrasts)

    def __str__(self) -> str:
        return markdown(self)

    def to_json(self) -> dict[str, Any]:
        """All fields, and the means and spreads, as JSON holds them."""
        document = {"version": VERSION} | asdict(self)
        for line, source_line in zip(document["lines"], self.lines, strict=True):
            line["mean"] = {key: source_line.mean(key) for key in source_line.values}
            line["sd"] = {key: source_line.spread(key) for key in source_line.values}
            line["intervals"] = source_line.intervals
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Any], where: str = "report.json") -> StudyReport:
        """The report of a `to_json` document; Fault for another version or missing fields."""
        if document.get("version") != VERSION:
            version = document.get("version")
            raise Fault(f"{where} has version {version!r}, this isamap reads {VERSION}: run the study again")
        try:
            values = {name: document[name] for name in cls.__dataclass_fields__}
            values["measures"] = tuple(StudyMeasure(**measure) for measure in document["measures"])
            values["lines"] = tuple(line_of(line) for line in document["lines"])
            values["data"] = tuple(DataUsed(**data | {"periods": tuple(data["periods"])}) for data in document["data"])
        except (KeyError, TypeError, ValueError) as error:
            raise Fault(f"{where} lacks or garbles {error}: run the study again") from error
        for name in ("seeds", "paper_order", "differs", "notes", "headroom"):
            values[name] = tuple(values[name])
        values["contrasts"] = tuple(tuple(pair) for pair in values["contrasts"])
        return cls(**values)


def encode(report: StudyReport) -> str:
    """The text of report.json."""
    return json.dumps(report.to_json(), indent=1, allow_nan=False) + "\n"


def markdown(report: StudyReport, level: int = 1, brief: bool = False) -> str:
    """The report as Markdown: what was run, the table, orderings in words, and what differs from the paper.

    brief: without the device, measures that nobody compares, and what each run took.
    """
    seeds = "1 seed" if len(report.seeds) == 1 else f"{len(report.seeds)} seeds"
    revision = report.revision.removeprefix("isamap ")  # outside a repository it is the version with the name
    head = (
        f"{'#' * level} {report.name}: {report.title}\n\n"
        f"{report.paper}. Preset `{report.preset}`, {seeds}, run {report.date}{'' if brief else f' on {report.device}'}"
        f"{f', isamap {revision}' if revision else ''}.\n"
    )
    several = len(report.data) > 1
    data = "".join(f"- Data{f' {used.role}' if several else ''}: {used}\n" for used in report.data)
    ranking = report.ranking
    compared = sentences(ranking, _paper(report))
    remarks = (
        *compared,
        *_areas(report),
        *_headroom_words(report),
        *report.differs,
        *report.notes,
        *_row_notes(report),
    )
    return f"{head}\n{data}\n{_table(report, ranking, brief)}\n{_legend(report, ranking, brief)}\n\n" + "".join(
        f"- {remark}\n" for remark in remarks
    )


def _areas(report: StudyReport) -> list[str]:
    """What the pairs that are compared say of areas, where the study measures them: too large by more or by less."""
    measures = [measure for measure in report.measures if measure.key == AREA and report.contrasts]
    rankings = [Ranking(report.lines, measure, report.teacher, report.contrasts) for measure in measures]
    return [words for ranking in rankings for words in map(sentence_of(ranking), ranking.verdicts)]


def _paper(report: StudyReport) -> dict[str, float]:
    """The paper's values by row, larger ones better; where it tells an order only, its ranks."""
    key, sign = report.order_by, report.ranking.sign
    values = {line.label: sign * line.paper[key] for line in report.lines if key in line.paper}
    return values or {label: float(-at) for at, label in enumerate(report.paper_order)}


def _table(report: StudyReport, ranking: Ranking, brief: bool) -> str:
    """Per measure the paper's number, where it prints any, and ours; letters; then what each run took."""
    printed_keys = {m.key for m in report.measures if any(m.key in line.paper for line in report.lines)}
    measures = _compared(report, printed_keys) if brief else report.measures
    letters, shares = ranking.letters, headroom_shares(report)
    titles = [title for measure in measures for title in _titles(measure, is_printed=measure.key in printed_keys)]
    titles += ["letters"] if letters else []
    titles += ["of the headroom, %"] if shares else []
    rows = []
    for line in report.lines:
        cells = [line.label, *_measured(line, measures, printed_keys)]
        cells += [letters.get(line.label, "-")] if letters else []
        cells += [_number(shares.get(line.label), ".0f")] if shares else []
        rows.append([*cells, *_trained(line), *([] if brief else _cost(line))])
    return _rows(["", *titles, *TRAINED, *(() if brief else COST)], rows)


def _titles(measure: StudyMeasure, *, is_printed: bool) -> list[str]:
    return [f"{measure.title} {side}" for side in (("paper", "ours") if is_printed else ("ours",))]


def _measured(line: ReportLine, measures: Sequence[StudyMeasure], printed_keys: set[str]) -> Iterator[str]:
    """Cells of a line: of each measure the paper's number, where it prints any, and ours."""
    for measure in measures:
        if measure.key in printed_keys:
            yield _number(line.paper.get(measure.key), measure.form)
        yield cell(line, measure)


def _compared(report: StudyReport, printed_keys: set[str]) -> list[StudyMeasure]:
    """The measure that rows are compared by, and the first of the others that the paper prints, in their order."""
    others = [measure for measure in report.measures if measure.key in printed_keys - {report.order_by}]
    return [m for m in report.measures if m.key == report.order_by or m in others[: BRIEF_MEASURES - 1]]


def headroom_shares(report: StudyReport) -> dict[str, float]:
    """By row, percent of the way from the study's baseline to its oracle, by the measure of the order.

    Empty where the study names none, or where the oracle is not above the baseline.
    """
    means = {line.label: line.mean(report.order_by) for line in report.lines}
    floor, ceiling = (means.get(label) for label in report.headroom or ("", ""))
    if floor is None or ceiling is None or ceiling <= floor:
        return {}
    return {label: 100 * (mean - floor) / (ceiling - floor) for label, mean in means.items() if mean is not None}


def _headroom_words(report: StudyReport) -> list[str]:
    if not report.headroom:
        return []
    floor, ceiling = report.headroom
    words = f"The headroom is what lies between the rows {floor} (0 %) and {ceiling} (100 %)"
    if not headroom_shares(report):
        return [f"{words}: here the second is not above the first, so no share of it is printed."]
    return [f"{words}, by {report.order_measure.title}."]


def cell(line: ReportLine, measure: StudyMeasure) -> str:
    """Mean and standard deviation over seeds; value and 95 % interval of one seed, or where seeds change nothing."""
    mean, spread, bounds = line.mean(measure.key), line.spread(measure.key), line.intervals.get(measure.key)
    text = _number(mean, measure.form)
    if mean is None:
        return text
    if spread:
        return f"{text} ± {spread:{measure.form}}"
    if bounds is not None:
        return f"{text} [{bounds[0]:{_coarser(measure.form)}}, {bounds[1]:{_coarser(measure.form)}}]"
    return text


def _coarser(form: str) -> str:
    """Intervals need one digit less."""
    return ".3f" if form == ".4f" else form


def _trained(line: ReportLine) -> list[str]:
    rise = line.late_rise
    return [
        str(len(line.made)) if line.trained else "-",
        "-" if rise is None else f"{'yes' if rise.has_ended else 'no'}, {rise}",
    ]


def _cost(line: ReportLine) -> list[str]:
    """Parameters, steps and seconds of CPU of the runs, means over seeds."""
    cells = []
    for key in ("parameters", "steps", "cpu_s"):
        values = [made[key] for made in line.made if made.get(key) is not None]
        cells.append(f"{sum(values) / len(values):,.0f}" if values else "-")
    return cells


def _legend(report: StudyReport, ranking: Ranking, brief: bool) -> str:
    parts = [_OURS] if len(report.seeds) > 1 else []
    if counts := sorted({len(line.blocks[0]) for line in report.lines if line.blocks}):
        few = ", so few that intervals are too narrow" if counts[0] < bootstrap.FEW_BLOCKS else ""
        parts += [_BRACKETS, f"Blocks: {' or '.join(map(str, counts))}{few}."]
    parts += [_LETTERS] if ranking.letters else []
    parts += [_TEST] if ranking.verdicts else []
    parts += [RULE] if any(line.late_rise is not None for line in report.lines) else []
    return " ".join(parts if brief else [*parts, _PER_RUN])


def _row_notes(report: StudyReport) -> list[str]:
    return [f"{line.label}: {line.note}" for line in report.lines if line.note]


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else f"{value:{form}}"


def _rows(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, the first column to the left, the others to the right, padded so that its text lines up."""
    widths = [max(3, *(len(row[at]) for row in (head, *rows))) for at in range(len(head))]

    def text(cells: Sequence[str]) -> str:
        padded = [f"{c:<{w}}" if at == 0 else f"{c:>{w}}" for at, (c, w) in enumerate(zip(cells, widths, strict=True))]
        return f"| {' | '.join(padded)} |"

    rule = ["-" * width if at == 0 else "-" * (width - 1) + ":" for at, width in enumerate(widths)]
    return "\n".join([text(head), text(rule), *(text(row) for row in rows)]) + "\n"
