"""The report of a study: its table beside the paper's numbers, orderings in words, as Markdown and as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import combinations, pairwise
from statistics import fmean, stdev
from typing import Any

import numpy as np

from gee_export.base.errors import Fault
from reproduction.study import Measure
from training.accuracy import bootstrap
from training.accuracy.comparison import Sample, difference

VERSION = 2
Counts = tuple[tuple[tuple[tuple[int, ...], ...], ...], ...]
_BRACKETS = "In brackets: 95 % intervals by bootstrap over {}."
_ALIKE = (
    "≈ joins rows whose difference has zero in such an interval, the same blocks drawn for both; one seed does not "
    "tell what another would give."
)
_ALIKE_OF_SEEDS = (
    "≈ joins rows whose difference is below the seeds' spread, or has zero in its 95 % interval by bootstrap over "
    "seeds and over {}, the same blocks drawn for both."
)
_PER_RUN = "Steps and CPU seconds are of training, per seed; of a run that was interrupted no seconds are known."


@dataclass(frozen=True)
class DataUsed:
    """A dataset of the study: the name rows use, its own name, patches by split, how it was split, its periods.

    valid: by split, the share of pixels at which every band is there.
    """

    role: str
    name: str
    fingerprint: str
    simulated: bool
    split: str
    patches: Mapping[str, int]
    valid: Mapping[str, float]
    size: int
    step_m: float
    periods: tuple[str, ...]
    label: str

    def __str__(self) -> str:
        counts = ", ".join(
            f"{self.patches[split]} {split} ({self.valid[split]:.0%} of pixels seen)" for split in self.patches
        )
        origin = "simulated" if self.simulated else "real"
        return (
            f"`{self.name}` ({origin}; {', '.join(self.periods)}; {counts} patches of {self.size} px of "
            f"{self.step_m:g} m; labels {self.label}; split: {self.split})"
        )


@dataclass(frozen=True)
class Line:
    """A row of the table: per measure one value a seed; what they come from; the paper's numbers.

    blocks: confusion counts by seed and spatial block, rows reference, columns what is seen; () where there are none.
    made: what the run noted (epochs, steps, parameters, cpu_s, ...), averaged over seeds by who reads it.
    """

    label: str
    values: Mapping[str, tuple[float | None, ...]]
    paper: Mapping[str, float] = field(default_factory=dict)
    note: str = ""
    data: str = ""
    blocks: Counts = ()
    classes: tuple[str, ...] = ()
    made: tuple[Mapping[str, Any], ...] = ()

    def known(self, key: str) -> list[float]:
        """Values of the seeds that have one."""
        return [value for value in self.values.get(key, ()) if value is not None]

    def mean(self, key: str) -> float | None:
        """The mean over the seeds."""
        values = self.known(key)
        return fmean(values) if values else None

    def spread(self, key: str) -> float | None:
        """Standard deviation over two or more seeds (n - 1)."""
        values = self.known(key)
        return stdev(values) if len(values) > 1 else None

    @cached_property
    def intervals(self) -> Mapping[str, bootstrap.Interval]:
        """95 % intervals of the first seed by measure, over blocks, as far as they are defined."""
        if not self.blocks:
            return {}
        interval_of = bootstrap.intervals(np.array(self.blocks[0]), self.classes)
        return {key: pair for key, pair in interval_of.items() if pair is not None and key in self.values}


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
    measures: tuple[Measure, ...]
    order_by: str
    paper_order: tuple[str, ...]
    lines: tuple[Line, ...]
    data: tuple[DataUsed, ...]
    differs: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    revision: str = ""

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
            values["measures"] = tuple(Measure(**measure) for measure in document["measures"])
            values["lines"] = tuple(_line(line) for line in document["lines"])
            values["data"] = tuple(DataUsed(**data | {"periods": tuple(data["periods"])}) for data in document["data"])
        except (KeyError, TypeError, ValueError) as error:
            raise Fault(f"{where} lacks or garbles {error}: run the study again") from error
        for name in ("seeds", "paper_order", "differs", "notes"):
            values[name] = tuple(values[name])
        return cls(**values)


def _line(document: Mapping[str, Any]) -> Line:
    values = {name: document[name] for name in Line.__dataclass_fields__}
    values["values"] = {key: tuple(seeds) for key, seeds in document["values"].items()}
    counts = counts_of(document["blocks"])
    return Line(**values | {"made": tuple(document["made"]), "blocks": counts, "classes": tuple(document["classes"])})


def counts_of(by_seed: Any) -> Counts:
    """Nested lists, [seed][block][reference][seen], as a Line holds them."""
    return tuple(
        tuple(tuple(tuple(int(count) for count in row) for row in block) for block in blocks) for blocks in by_seed
    )


def encode(report: StudyReport) -> str:
    """The text of report.json."""
    return json.dumps(report.to_json(), indent=1, allow_nan=False) + "\n"


def markdown(report: StudyReport, level: int = 1) -> str:
    """The report as Markdown: what was run, the table, orderings in words, and what differs from the paper."""
    seeds = "1 seed" if len(report.seeds) == 1 else f"{len(report.seeds)} seeds"
    head = (
        f"{'#' * level} {report.name}: {report.title}\n\n"
        f"{report.paper}. Preset `{report.preset}`, {seeds}, run {report.date} on {report.device}"
        f"{f', isamap {report.revision}' if report.revision else ''}.\n"
    )
    several = len(report.data) > 1
    data = "".join(f"- Data{f' {used.role}' if several else ''}: {used}\n" for used in report.data)
    ordered = orderings(report)
    sentences = (*ordered, *report.differs, *report.notes, *_row_notes(report))
    return f"{head}\n{data}\n{_table(report)}\n{_legend(report, ordered=bool(ordered))}\n\n" + "".join(
        f"- {sentence}\n" for sentence in sentences
    )


def _table(report: StudyReport) -> str:
    """Per measure the paper's number, where it prints any, and ours; then what each run took."""
    printed_keys = {m.key for m in report.measures if any(m.key in line.paper for line in report.lines)}
    titles = [
        f"{m.title} {whose}"
        for m in report.measures
        for whose in ("paper", "ours")
        if whose == "ours" or m.key in printed_keys
    ]
    rows = []
    for line in report.lines:
        cells = [line.label]
        for measure in report.measures:
            if measure.key in printed_keys:
                cells.append(_number(line.paper.get(measure.key), measure.form))
            cells.append(cell(line, measure))
        rows.append([*cells, *_made(line)])
    return _rows(["", *titles, "parameters", "steps", "CPU s"], rows)


def cell(line: Line, measure: Measure) -> str:
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


def _made(line: Line) -> list[str]:
    """Parameters, steps and seconds of CPU of the runs, means over seeds."""
    cells = []
    for key in ("parameters", "steps", "cpu_s"):
        values = [made[key] for made in line.made if made.get(key) is not None]
        cells.append(f"{sum(values) / len(values):,.0f}" if values else "-")
    return cells


def _legend(report: StudyReport, *, ordered: bool) -> str:
    several, parts = len(report.seeds) > 1, []
    if several:
        parts.append("Ours: mean ± standard deviation over seeds.")
    if counts := sorted({len(line.blocks[0]) for line in report.lines if line.blocks}):
        few = ", so few that intervals are too narrow" if counts[0] < bootstrap.FEW_BLOCKS else ""
        over = f"{' or '.join(map(str, counts))} spatial blocks of the test split{few}"
        alike = (_ALIKE_OF_SEEDS.format(over) if several else _ALIKE) if ordered else ""
        parts += [alike] if several else [_BRACKETS.format(over), alike]
    return " ".join(sentence for sentence in [*parts, _PER_RUN] if sentence)


def orderings(report: StudyReport) -> tuple[str, ...]:
    """The paper's order of the rows and ours in words, and how many pairs agree; none with nothing to order."""
    measure = next(m for m in report.measures if m.key == report.order_by)
    lines = {line.label: line for line in report.lines}
    sign = {"high": 1, "low": -1, "none": 0}[measure.best]
    ours = {label: sign * mean for label, line in lines.items() if (mean := line.mean(measure.key)) is not None}
    paper = {label: sign * line.paper[measure.key] for label, line in lines.items() if measure.key in line.paper}
    paper = paper or {label: float(-at) for at, label in enumerate(report.paper_order)}
    if not sign or len(ours) < 2:
        return ()

    def alike(a: str, b: str) -> bool:
        return even(lines[a], lines[b], measure.key)

    own = f"ours: {_chain(ours, alike)}."
    if len(paper) < 2:
        return (f"By {measure.title}, {own}",)
    theirs = _chain(paper, lambda a, b: paper[a] == paper[b])
    return (f"By {measure.title}, the paper: {theirs}; {own} {_agreement(paper, ours, alike)}",)


def even(left: Line, right: Line, key: str) -> bool:
    """Whether two rows are indistinguishable: by their spreads over seeds, or by an interval of their difference."""
    a, b = left.mean(key), right.mean(key)
    if a is None or b is None:
        return False
    spreads = [spread for line in (left, right) if (spread := line.spread(key)) is not None]
    if a == b or abs(a - b) < math.hypot(*spreads):
        return True
    if not (left.blocks and right.blocks):
        return False
    left, right = sorted((left, right), key=lambda line: line.label)  # whose draws differ where blocks do
    same = left.data == right.data and len(left.blocks[0]) == len(right.blocks[0])
    bounds = difference(_sample(left), _sample(right), key, same_blocks=same)
    return bounds is not None and bounds[0] <= 0 <= bounds[1]


def _sample(line: Line) -> Sample:
    return Sample(np.array(line.blocks), line.classes)


def _chain(value_of: Mapping[str, float], alike: Callable[[str, str], bool]) -> str:
    """`A > B ≈ C`, best first."""
    ranked = sorted(value_of, key=lambda label: -value_of[label])
    text = ranked[0]
    for before, label in pairwise(ranked):
        text += f" {'≈' if alike(before, label) else '>'} {label}"
    return text


def _agreement(paper: Mapping[str, float], ours: Mapping[str, float], alike: Callable[[str, str], bool]) -> str:
    pairs = [(a, b) for a, b in combinations([label for label in paper if label in ours], 2) if paper[a] != paper[b]]
    same = [pair for pair in pairs if (paper[pair[0]] > paper[pair[1]]) == (ours[pair[0]] > ours[pair[1]])]
    unsure = sum(alike(*pair) for pair in pairs)
    doubt = f" ({unsure} {'pair' if unsure == 1 else 'pairs'} of ours cannot be told apart)" if unsure else ""
    return f"{len(same)} of {len(pairs)} pairs stand as in the paper{doubt}."


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
