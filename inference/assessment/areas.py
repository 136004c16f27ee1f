"""`isamap area` and `isamap change`: km2 by class and zone, corrected by a sample where there is one."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from isamap.gee_export.base.atomic import check_writable, local_path, write_whole
from isamap.gee_export.base.feature_table import FeatureTable, write_geopackage
from isamap.inference.assessment.assessment import Assessment, assess
from isamap.inference.assessment.change_map import PAIR, change_name, pair_of
from isamap.inference.assessment.class_map import ClassMap, Paths, open_class_map
from isamap.inference.assessment.estimate import check_map, facts_of, sampled
from isamap.inference.assessment.intervals import DEFAULT
from isamap.inference.assessment.report import AssessmentReport
from isamap.inference.assessment.request import AnswerSource, AreaOptions
from isamap.inference.assessment.sample import read_key
from isamap.inference.assessment.tables import Table, csv_text, listed
from isamap.inference.assessment.zonal import AreaTable, ChangeTable, class_areas, share_areas, transition_areas
from isamap.inference.assessment.zone_areas import ZoneArea
from isamap.inference.assessment.zones import Zones, read_zones
from isamap.inference.map_files.one_class import one_class_note

BIASED = (
    "these are counted pixels: where the map takes one class for another more often than the other way round, they are "
    "too many or too few, and nothing here says by how much; draw a sample (isamap assess sample) and give it with "
    "--sample to correct them and to get intervals (Olofsson et al. 2014)"
)
BIASED_CHANGE = (
    "these are counted pixels of two maps: the errors of both add up, and where little changes most of the change may "
    "be error; write the map of the changes (--map CHANGE.tif), draw a sample of it (isamap assess sample) and give it "
    "with --sample to correct them and to get intervals (Olofsson et al. 2014)"
)
BIASED_SHARES = (
    "the map holds percents: its impervious area is the sum of them, pervious ground the rest; a network's percents "
    "are biased, and nothing here says by how much: draw a sample (isamap assess sample) and give it with --sample"
)
SHARES = "the map holds percents: mapped_km2 counts pixels of more than half, which is no area; the estimates hold"
UNTIED = "the sample holds no fingerprint of its map: be sure that this is the map"
SIMULATED = "simulated: the map shows no real place"
OFF_MAP = "{} of {} zones lie off the map and are left out: {}"
PARTLY_OFF = "of {} zones more than 1 % lies off the map ({}): their figures are of the ground on the map alone"
# Less of a zone off the map is a matter of generalised outlines, not of a missing tile.
PARTLY = 0.01
FORMATS = (".csv", ".gpkg", ".json")
Row = dict[str, Any]


@dataclass(frozen=True, eq=False)
class AreaReport:
    """Rows of zone, class and km2 (with estimates and intervals where a sample exists), and sentences to mind."""

    title: str
    rows: tuple[Row, ...]
    warnings: tuple[str, ...]
    zones: Zones | None = field(default=None, repr=False)
    out: Path | None = None

    @property
    def table(self) -> Table:
        """The rows as a table."""
        header = tuple(self.rows[0])
        return Table(self.title, header, tuple(tuple(_cell(row[name]) for name in header) for row in self.rows))

    def __str__(self) -> str:
        lines = [self.table.text(), *(f"warning: {text}" for text in self.warnings)]
        return "\n".join([*([] if self.out is None else [f"{self.out}:"]), *lines])

    def to_json(self) -> dict[str, Any]:
        """Rows and warnings."""
        return {"title": self.title, "rows": list(self.rows), "warnings": list(self.warnings)}

    def write(self, path: Path) -> None:
        """Writes a CSV, a JSON document, or a GeoPackage of the zones with a column for each figure."""
        content: dict[str, Callable[[], bytes]] = {
            ".csv": lambda: csv_text(self.rows).encode(),
            ".json": lambda: (json.dumps(self.to_json(), indent=1) + "\n").encode(),
        }
        if path.suffix.lower() == ".gpkg":
            write_geopackage(path, self._features(), "areas")
        else:
            write_whole(path, content[path.suffix.lower()]())

    def _features(self) -> FeatureTable:
        """Each zone once, with its figures side by side."""
        assert self.zones is not None
        columns: dict[str, list] = {"zone": list(self.zones.names)}
        for row in self.rows:
            for name, value in row.items():
                if name not in ("zone", "class", "from", "to"):
                    key = "_".join([*(str(row[each]) for each in ("class", "from", "to") if each in row), name])
                    values = columns.setdefault(key.replace(" ", "_"), [np.nan] * len(self.zones.names))
                    values[self.zones.names.index(row["zone"])] = np.nan if value is None else value
        table = self.zones.table
        return FeatureTable(table.shapes, table.crs, {name: _column(values) for name, values in columns.items()})


def area(
    paths: Paths, options: AreaOptions | None = None, *, sample: str | Path | None = None,
    answers: AnswerSource | None = None, interval: str = DEFAULT, out: str | Path | None = None,
) -> AreaReport:  # fmt: skip
    """km2 of each class in each zone; with a sample of this map also estimates and 95 % intervals.

    out: .csv, .gpkg (needs zones) or .json. ValueError: a sample of another map, zones that all lie off the map.
    """
    options = options or AreaOptions()
    target = _target(out, options.zones)
    class_map, zones = open_class_map(paths, options.classes), _zones(options)
    counted = class_areas(class_map, zones, method=options.method)
    rows, warnings = _counted(counted), [BIASED]
    if class_map.holds_shares:
        summed = share_areas(class_map, zones, method=options.method)
        rows, warnings = _counted(counted.with_shares(summed)), [BIASED_SHARES]
    if sample is not None:
        rows, warnings = _estimated(class_map, counted, zones, (sample, answers, interval))
    one_class = (
        None
        if class_map.holds_shares
        else one_class_note(dict(zip(counted.classes, counted.km2.sum(0).tolist(), strict=True)))
    )
    content = rows, [*warnings, *([] if one_class is None else [one_class]), *_of_zones(counted, zones)]
    return _finished(f"km2 by class: {class_map.name}", content, class_map, _on_map(zones, counted), target)


def change(
    before: Paths, after: Paths, options: AreaOptions | None = None, *, sample: str | Path | None = None,
    answers: AnswerSource | None = None, out: str | Path | None = None,
) -> AreaReport:  # fmt: skip
    """km2 of every change of class from one map to another, by zone; pixels are those of the first.

    sample: drawn from the map of these changes (`write_change_map`); then estimates and 95 % intervals, too.
    ValueError: a sample of another map, or of the changes of other maps.
    """
    options = options or AreaOptions()
    target = _target(out, options.zones)
    first, second = open_class_map(before, options.classes), open_class_map(after, options.classes)
    zones = _zones(options)
    table = transition_areas(first, second, zones, method=options.method)
    rows, warnings = _changed(table), [BIASED_CHANGE]
    if sample is not None:
        rows, warnings = _estimated_change(first, second, (zones, options.method), (sample, answers, DEFAULT))
    content = rows, [*warnings, *_of_zones(table, zones)]
    return _finished(f"km2 by change: {first.name} to {second.name}", content, first, _on_map(zones, table), target)


def _estimated_change(
    first: ClassMap, second: ClassMap, counting: tuple[Zones | None, str], source: tuple
) -> tuple[list[Row], list[str]]:
    """Rows with estimates of a sample of the map of the changes."""
    folder = source[0]
    changes = open_class_map(read_key(folder).maps)
    if dict(changes.tags).get(PAIR) != pair_of(first, second):
        raise ValueError(
            f"--sample {folder} was drawn from {changes.name}, which does not show the changes from {first.name} to "
            f"{second.name}: write their map with --map CHANGE.tif and draw a sample of it"
        )
    zones, method = counting
    rows, notes = _estimated(changes, class_areas(changes, zones, method=method), zones, source)
    pairs = {change_name(a, b): {"from": a, "to": b} for a in first.classes for b in second.classes}
    return [
        {"zone": row["zone"], **pairs[row["class"]], **{k: v for k, v in row.items() if k not in ("zone", "class")}}
        for row in rows
    ], notes


def _finished(
    title: str, content: tuple[list[Row], list[str]], class_map: ClassMap, zones: Zones | None, target: Path | None
) -> AreaReport:
    rows, warnings = content
    simulated = [SIMULATED] if class_map.simulated else []
    report = AreaReport(title, tuple(rows), (*warnings, *simulated), zones, target)
    if target is not None:
        report.write(target)
    return report


def _zones(options: AreaOptions) -> Zones | None:
    return None if options.zones is None else read_zones(options.zones, options.column)


def _target(out: str | Path | None, zones: str | None) -> Path | None:
    if out is None:
        return None
    path = local_path(out)
    if path.suffix.lower() not in FORMATS:
        raise ValueError(f"--out {path}: expected a name that ends in {', '.join(FORMATS)}")
    if path.suffix.lower() == ".gpkg" and zones is None:
        raise ValueError(f"--out {path}: a GeoPackage holds zones: give --by, or write .csv or .json")
    check_writable(path)
    return path


def _on_map(zones: Zones | None, table: AreaTable | ChangeTable) -> Zones | None:
    return None if zones is None else zones.subset(table.zones)


def _of_zones(table: AreaTable | ChangeTable, zones: Zones | None) -> list[str]:
    """Sentences on names that were not clear, and on the zones that the map does not hold, or not wholly."""
    if zones is None:
        return []
    lines = list(zones.notes)
    if table.off_map:
        lines.append(OFF_MAP.format(len(table.off_map), len(zones.names), listed(table.off_map)))
    total_km2 = zones.subset(table.zones).km2
    partly = [name for name, off, km2 in zip(table.zones, table.off_km2, total_km2, strict=True) if off > PARTLY * km2]
    return [*lines, *([PARTLY_OFF.format(len(partly), listed(partly))] if partly else [])]


def _counted(table: AreaTable) -> list[Row]:
    return [
        {
            "zone": zone, "class": name, "mapped_km2": float(table.km2[z, c]),
            "share": float(table.km2[z, c] / table.known_km2[z]) if table.known_km2[z] else None,
            "unknown_km2": float(table.unknown_km2[z]), "off_map_km2": float(table.off_km2[z]),
        }
        for z, zone in enumerate(table.zones)
        for c, name in enumerate(table.classes)
    ]  # fmt: skip


def _estimated(
    class_map: ClassMap, counted: AreaTable, zones: Zones | None, source: tuple
) -> tuple[list[Row], list[str]]:
    """Rows with estimates of a sample of the same map."""
    folder, answers, interval = source
    key = read_key(folder)
    if counted.classes != key.classes:
        raise ValueError(f"--sample {folder} was drawn from {', '.join(key.maps)}, not from {class_map.name}")
    check_map(key, class_map)
    answers = answers or AnswerSource()
    sample, reference = sampled(Path(folder), answers)
    facts = None if zones is None else facts_of(zones, counted)
    assessment = assess(sample, reference, interval=interval, zones=facts, simulated_answers=answers.is_world)
    if assessment.refusal:
        raise ValueError(assessment.refusal)
    notes = _notes(assessment, class_map)
    if zones is not None:
        return [_of_zone(each) for each in assessment.zones], notes
    rows = [
        {
            "zone": counted.zones[0], "class": each.name, "mapped_km2": each.mapped_km2, "points": assessment.points,
            "km2": each.km2, "standard_error_km2": each.error_km2, **_ends(each.interval_km2),
        }
        for each in assessment.areas
        if each.estimator == "design"
    ]  # fmt: skip
    return rows, notes


def _notes(assessment: Assessment, class_map: ClassMap) -> list[str]:
    """What is to be minded of estimates."""
    lines = AssessmentReport(assessment).lines[2:]
    notes = [line for line in lines if line.startswith(("note", "simulated")) or "uncertain" in line]
    notes += [*assessment.warnings, *([] if assessment.sample.fingerprint else [UNTIED])]
    return [*notes, SHARES] if class_map.holds_shares else notes


def _of_zone(each: ZoneArea) -> Row:
    return {
        "zone": each.zone, "class": each.name, "mapped_km2": each.mapped_km2, "points": each.points,
        "km2": each.km2, "standard_error_km2": each.error_km2, **_ends(each.interval_km2), "off_map_km2": each.off_km2,
    }  # fmt: skip


def _ends(bounds) -> Row:
    low, high = (None, None) if bounds is None else bounds
    return {"low_km2": low, "high_km2": high}


def _changed(table: ChangeTable) -> list[Row]:
    return [
        {"zone": zone, "from": before, "to": after, "mapped_km2": float(table.km2[z, i, j]),
         "unknown_km2": float(table.unknown_km2[z]), "off_map_km2": float(table.off_km2[z])}
        for z, zone in enumerate(table.zones)
        for i, before in enumerate(table.before)
        for j, after in enumerate(table.after)
    ]  # fmt: skip


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:,.4f}" if isinstance(value, float) else str(value)


def _column(values: Sequence[Any]) -> np.ndarray:
    return np.array(values, dtype=object if isinstance(values[0], str) else np.float64)
