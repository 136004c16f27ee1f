"""The whole head of an export's manifest: as asked, as planned, and what the server said of each part."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from isamap.gee_export.datasets.manifest import DatasetManifest, StoredLayer
from isamap.gee_export.export.job import ExportJob
from isamap.gee_export.export.open_part import OpenPart
from isamap.gee_export.export.plan import ExportPlan


def whole(
    job: ExportJob, plan: ExportPlan, opened: Mapping[int, OpenPart], skipped: Mapping[int, str]
) -> DatasetManifest:
    """The head; ValueError where the parts hold what one model could not read together."""
    open_of = {
        region_period.name: opened[region_period.index] for region_period in job.parts if region_period.index in opened
    }
    backscatter = _one_kind("kind of backscatter", {name: open_part.backscatter for name, open_part in open_of.items()})
    levels = {name: open_part.scenes.get("sentinel2", {}).get("level") for name, open_part in open_of.items()}
    _one_kind("Sentinel-2 level", levels)
    scenes: dict[str, dict[str, Any]] = {}
    reasons: dict[str, dict[str, str]] = {}
    for region_period in job.parts:
        region, period = region_period.region_grid.name, region_period.period.label
        if region_period.index in opened:
            scenes.setdefault(region, {})[period] = dict(opened[region_period.index].scenes)
        else:
            reasons.setdefault(region, {})[period] = skipped[region_period.index]
    request_head = job.head()
    return replace(
        request_head,
        split=dict(request_head.split) | plan.info,
        image=_image(request_head, opened.values()),
        layers=_dated(
            request_head.layers, {(p.region_grid.name, p.period.label): opened.get(p.index) for p in job.parts}
        ),
        label=_label({name: open_part.label_request.info for name, open_part in open_of.items()}),
        scenes=scenes,
        skipped=reasons,
        backscatter=backscatter,
        simulated=any(open_part.simulated for open_part in opened.values()),
    )


def _one_kind(noun: str, value_of_part: Mapping[str, str | None]) -> str | None:
    """The one kind that all parts have; ValueError where they differ, since one model could not read them."""
    parts: dict[str, list[str]] = {}
    for part_name, value in value_of_part.items():
        if value is not None:
            parts.setdefault(value, []).append(part_name)
    if len(parts) > 1:
        listing = " and ".join(f"{value} in {', '.join(names[:3])}" for value, names in sorted(parts.items()))
        raise ValueError(
            f"one dataset needs one {noun}, and there is {listing}: export them apart, or choose it, such as by "
            "--set level=l1c"
        )
    return next(iter(parts), None)


def _image(request_head: DatasetManifest, opened: Iterable[OpenPart]) -> Mapping[str, Any]:
    """The image's products, with the Sentinel-2 level that was used: L1C may replace a requested L2A."""
    collections = {
        open_part.scenes["sentinel2"]["collection"] for open_part in opened if "sentinel2" in open_part.scenes
    }
    if len(collections) != 1:
        return request_head.image
    product = dict(request_head.image["product"]) | {"sentinel2": collections.pop()}
    return dict(request_head.image) | {"product": product}


def _dated(
    layers: Mapping[str, StoredLayer], opened: Mapping[tuple[str, str], OpenPart | None]
) -> dict[str, StoredLayer]:
    """The layers, frames with their dates by region and period."""
    if "frames" not in layers:
        return dict(layers)
    dates: dict[str, dict[str, Any]] = {}
    for (region, period), open_part in opened.items():
        if open_part is not None:
            dates.setdefault(region, {})[period] = {day: dict(facts) for day, facts in open_part.dates.items()}
    return dict(layers) | {"frames": replace(layers["frames"], dates=dates)}


def _label(infos: Mapping[str, Mapping[str, Any] | None]) -> dict[str, Any] | None:
    """The first part's labels; those of parts that differ (another year's edition) under `parts`."""
    first, *others = infos.values()
    if first is None or all(info == first for info in others):
        return None if first is None else dict(first)
    return dict(first) | {"parts": {name: info for name, info in infos.items() if info != first}}
