"""What `isamap inspect` says of a dataset: facts and checks, printed, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from isamap.gee_export.base.scheme import UNKNOWN
from isamap.gee_export.card.finding import FAIL, PASS, WARN, Finding
from isamap.gee_export.card.survey import CardSurvey
from isamap.gee_export.datasets.dataset import Dataset
from isamap.gee_export.datasets.index import SPLITS
from isamap.gee_export.datasets.manifest import Grid

VERSION = 1
CARD = "card.json"


@dataclass(frozen=True)
class BandFacts:
    """A band over all splits: physical quantiles by percent, mean, deviation, share of valid pixels."""

    layer: str
    name: str
    unit: str
    valid_share: float
    mean: float | None
    std: float | None
    quantiles: Mapping[str, float]


@dataclass(frozen=True)
class Card:
    """A dataset's card. counts: patches by region, period and split. classes: label pixels by split and class name.

    sensors: by region and period, each sensor's scenes, days and clear observations per pixel. facts: title and value,
    as the page shows them. written: where the card's files lie (empty where none were asked for).
    """

    url: str
    name: str
    simulated: bool
    fingerprint: str
    counts: Sequence[Mapping[str, Any]]
    classes: Mapping[str, Mapping[str, int]]
    bands: tuple[BandFacts, ...]
    sensors: Sequence[Mapping[str, Any]]
    facts: Mapping[str, str]
    findings: tuple[Finding, ...]
    written: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """The worst of the findings'."""
        verdicts = {finding.verdict for finding in self.findings}
        return next((verdict for verdict in (FAIL, WARN) if verdict in verdicts), PASS)

    def to_json(self) -> dict[str, Any]:
        """The JSON document, without where the data or the card lie."""
        document = {"version": VERSION} | asdict(self) | {"verdict": self.verdict}
        del document["url"], document["written"]
        return json.loads(json.dumps(document))

    def __str__(self) -> str:
        title = f"{self.name}: {self.url}" + ("   SIMULATED, not measured by satellites" if self.simulated else "")
        lines = [title, *(f"  {key:<12} {value}" for key, value in self.facts.items()), ""]
        lines += [f"  {'split':<7}{'patches':>9}   classes"]
        for split in SPLITS:
            patch_count = sum(row["patches"] for row in self.counts if row["split"] == split)
            lines.append(f"  {split:<7}{patch_count:>9,}   {_classes(self.classes.get(split, {}))}".rstrip())
        lines += ["", f"  {'band':<14} {'unit':<13}{'valid':>8}{'mean':>10}{'std':>10}{'1 %':>10}{'99 %':>10}"]
        lines += [_band(band) for band in self.bands]
        lines += ["", *(f"  {finding}" for finding in self.findings)]
        return "\n".join(lines + [f"  written: {address}" for address in self.written])


def card(data: Dataset, survey: CardSurvey, findings: tuple[Finding, ...]) -> Card:
    """The card of a surveyed dataset."""
    head = data.manifest
    return Card(
        data.storage.url,
        head.name,
        head.simulated,
        data.fingerprint,
        _counts(data),
        {split: _named(head.label, survey.class_counts(split)) for split in SPLITS},
        tuple(_band_facts(data, survey)),
        _sensors(data),
        _facts(data),
        findings,
    )


def _counts(data: Dataset) -> list[dict[str, Any]]:
    rows: dict[tuple[str, str, str], int] = {}
    for patch in data.patches:
        key = patch.region, patch.period, patch.split
        rows[key] = rows.get(key, 0) + 1
    return [
        {"region": region, "period": period, "split": split, "patches": count}
        for (region, period, split), count in sorted(rows.items())
    ]


def class_names(label: Mapping[str, Any] | None) -> dict[int, str]:
    """Names of the label's numbers; pervious and impervious where the manifest names none."""
    stated = (label or {}).get("classes") or {"0": "pervious", "1": "impervious"}
    return {int(value): name for value, name in stated.items()} | {UNKNOWN: "unknown"}


def _named(label: Mapping[str, Any] | None, classes: Mapping[int, int]) -> dict[str, int]:
    names = class_names(label)
    return {names.get(value, str(value)): count for value, count in classes.items()}


def _band_facts(data: Dataset, survey: CardSurvey) -> Iterator[BandFacts]:
    seen = dict.fromkeys((layer, name) for layer, name, _ in survey.histograms)
    for layer, name in seen:
        histogram = survey.histogram(layer, name)
        if histogram is None:
            continue
        quantiles = {f"{percent:g}": histogram.quantile(percent / 100) for percent in (1, 5, 25, 50, 75, 95, 99)}
        mean, std = histogram.moments() or (None, None)
        defined = {percent: value for percent, value in quantiles.items() if value is not None}
        yield BandFacts(layer, name, histogram.band.unit, histogram.valid_share, mean, std, defined)


def _sensors(data: Dataset) -> list[dict[str, Any]]:
    return [
        {"region": region, "period": period, "sensor": sensor} | _scene_facts(facts)
        for region, periods in data.manifest.scenes.items()
        for period, sensors in periods.items()
        for sensor, facts in sensors.items()
        if isinstance(facts, Mapping)
    ]


def _scene_facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    ids = [str(scene_id) for scene_id in facts.get("ids", ())]
    days = sorted({day for scene_id in ids if (day := _day(scene_id))})
    more = {key: facts[key] for key in ("level", "observations_per_pixel") if facts.get(key)}
    return {"scenes": facts.get("scenes", len(ids)), "days": days} | more


def _day(scene: str) -> str | None:
    """YYYYMMDD in a scene's id: what stands before the first time of day."""
    for word in scene.replace("/", "_").split("_"):
        if len(word) >= 9 and word[8] == "T" and word[:8].isdigit():
            return word[:8]
    return None


def _facts(data: Dataset) -> dict[str, str]:
    head = data.manifest
    layers = ", ".join(f"{name} ({', '.join(layer.band_names)})" for name, layer in head.layers.items())
    facts: dict[str, str | None] = {
        "source": ", ".join(f"{key} {value}" for key, value in head.source.items()),
        "image": _joined(dict(head.image.get("product", {}))),
        "periods": ", ".join(f"{period['start']} to {period['end']}" for period in head.periods),
        "grid": ", ".join(_grid(name, grid) for name, grid in head.grids.items()),
        "patches": f"{len(data):,} of {head.size} x {head.size} pixels, stride {head.stride}",
        "split": _joined({key: value for key, value in head.split.items() if _is_short(value)}),
        "backscatter": head.backscatter,
        "level": head.level,
        "settings": _joined({key: value for key, value in head.settings.items() if value not in (None, [], ())}),
        **_label_facts(head.label),
        "layers": layers,
        "frames": ", ".join(_dates(data)),
        "skipped": _skipped(head.skipped),
    }
    return {key: value for key, value in facts.items() if value}


def _dates(data: Dataset) -> list[str]:
    frames = data.manifest.layers.get("frames")
    days = frames.dates if frames else {}
    return sorted({day for periods in days.values() for dates in periods.values() for day in dates})


def _is_short(value: Any) -> bool:
    return isinstance(value, str | int | float) or (isinstance(value, list) and 0 < len(value) <= 5)


def _grid(name: str, grid: Grid) -> str:
    return f"{name} {grid.crs} {abs(grid.affine[0]):g} m" if grid.crs.startswith("EPSG") else name


def _skipped(reasons: Mapping[str, Mapping[str, str]]) -> str:
    return "; ".join(f"{name} {period}: {why}" for name, periods in reasons.items() for period, why in periods.items())


def _label_facts(label: Mapping[str, Any] | None) -> dict[str, str]:
    if label is None:
        return {"label": "none"}
    facts = {"label": label.get("title") or label.get("product") or ""}
    return facts | {
        title: str(label.get(key, ""))
        for title, key in (("label year", "year"), ("licence", "licence"), ("citation", "citation"))
    }


def _joined(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {_plain(value)}" for key, value in values.items())


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return " ".join(f"{key} {_plain(item)}" for key, item in value.items())
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _classes(classes: Mapping[str, int]) -> str:
    total = sum(classes.values())
    return ", ".join(f"{name} {count / total:.1%}" for name, count in classes.items()) if total else ""


def _band(band: BandFacts) -> str:
    name = band.name if band.layer == "image" else f"{band.layer} {band.name}"
    values = (band.mean, band.std, band.quantiles.get("1"), band.quantiles.get("99"))
    columns = "".join(f"{value:>10.4g}" if value is not None else f"{'-':>10}" for value in values)
    return f"  {name:<14} {band.unit:<13}{band.valid_share:>8.1%}{columns}"
