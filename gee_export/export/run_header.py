"""The whole head of an export's manifest: as asked, as planned, and what the server said of each part."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from gee_export.datasets.manifest import DatasetManifest, StoredLayer
from gee_export.export.job import Job
from gee_export.export.open_part import OpenPart
from gee_export.export.plan import Plan


def whole(job: Job, plan: Plan, opened: Mapping[int, OpenPart], skipped: Mapping[int, str]) -> DatasetManifest:
    """The head; ValueError where the parts hold what one model could not read together."""
    found = {part.name: opened[part.number] for part in job.parts if part.number in opened}
    backscatter = _one_kind("kind of backscatter", {name: one.backscatter for name, one in found.items()})
    _one_kind("Sentinel-2 level", {name: one.scenes.get("sentinel2", {}).get("level") for name, one in found.items()})
    scenes: dict[str, dict[str, Any]] = {}
    reasons: dict[str, dict[str, str]] = {}
    for part in job.parts:
        if part.number in opened:
            scenes.setdefault(part.region_grid.name, {})[part.period.label] = dict(opened[part.number].scenes)
        else:
            reasons.setdefault(part.region_grid.name, {})[part.period.label] = skipped[part.number]
    asked = job.head()
    return replace(
        asked,
        split=dict(asked.split) | plan.info,
        image=_image(asked, opened.values()),
        layers=_dated(asked.layers, {(p.region_grid.name, p.period.label): opened.get(p.number) for p in job.parts}),
        label=_label({name: one.label_request.info for name, one in found.items()}),
        scenes=scenes,
        skipped=reasons,
        backscatter=backscatter,
        simulated=any(one.simulated for one in opened.values()),
    )


def _one_kind(what: str, found: Mapping[str, str | None]) -> str | None:
    """The one kind that all parts have; ValueError where they differ, since one model could not read them."""
    parts: dict[str, list[str]] = {}
    for part, kind in found.items():
        if kind is not None:
            parts.setdefault(kind, []).append(part)
    if len(parts) > 1:
        held = " and ".join(f"{kind} in {', '.join(names[:3])}" for kind, names in sorted(parts.items()))
        raise ValueError(
            f"one dataset needs one {what}, and there is {held}: export them apart, or choose it, such as by "
            "--set level=l1c"
        )
    return next(iter(parts), None)


def _image(asked: DatasetManifest, opened: Iterable[OpenPart]) -> Mapping[str, Any]:
    """The products as they were found: Sentinel-2's may be L1C where L2A was asked for first."""
    found = {one.scenes["sentinel2"]["collection"] for one in opened if "sentinel2" in one.scenes}
    if len(found) != 1:
        return asked.image
    return dict(asked.image) | {"product": dict(asked.image["product"]) | {"sentinel2": found.pop()}}


def _dated(
    layers: Mapping[str, StoredLayer], opened: Mapping[tuple[str, str], OpenPart | None]
) -> dict[str, StoredLayer]:
    """The layers, frames with their dates by region and period."""
    if "frames" not in layers:
        return dict(layers)
    dates: dict[str, dict[str, Any]] = {}
    for (region, period), one in opened.items():
        if one is not None:
            dates.setdefault(region, {})[period] = {day: dict(facts) for day, facts in one.dates.items()}
    return dict(layers) | {"frames": replace(layers["frames"], dates=dates)}


def _label(infos: Mapping[str, Mapping[str, Any] | None]) -> dict[str, Any] | None:
    """The first part's labels; those of parts that differ (another year's edition) under `parts`."""
    first, *others = infos.values()
    if first is None or all(info == first for info in others):
        return None if first is None else dict(first)
    return dict(first) | {"parts": {name: info for name, info in infos.items() if info != first}}
