"""Step 6: Export tasks: names, the same request twice, descriptions, no-data, EECU of a task."""

from __future__ import annotations

from typing import Any

import numpy as np

from isamap.gee_export.base.rasters import open_bytes
from isamap.gee_export.composites.writing import packed_whole
from isamap.gee_export.earth_engine.assets import info_or_none
from isamap.gee_export.requests import pixels
from isamap.inference.prove.pattern import EPSG, column, grid_of, numbers
from isamap.inference.prove.place import NAME, NotHere, ProofPlace
from isamap.inference.prove.probe import Probe
from isamap.inference.publishing.manifest import TEXT_LIMIT

SIDE = 64
NODATA = -9999
DOTTED = ".tasks/map"  # as isamap.gee_export.tasks names its files


def started(place: ProofPlace, request: str, image: Any, prefix: str, **options: Any) -> dict[str, Any]:
    """The operation of an export of the pattern's grid to the bucket; its names are noted first."""
    import ee

    place.storage.listed(prefix)  # NotHere without a bucket, a Fault where it cannot be used
    description = f"{NAME}-{prefix.strip('.').replace('/', '-')}"
    place.note(f"task {description}, objects {NAME}/{prefix}")
    return dict(ee.data.exportImage(request, asked(image, place.bucket, prefix, description, **options)))


def asked(image: Any, bucket: str | None, prefix: str, description: str, **options: Any) -> dict[str, Any]:
    """The body of an export of the pattern's grid to a bucket."""
    import ee

    grid = grid_of(SIDE, SIDE)
    task = ee.batch.Export.image.toCloudStorage(
        image=image,
        description=description,
        bucket=bucket,
        fileNamePrefix=f"{NAME}/{prefix}",
        crs=f"EPSG:{EPSG}",
        crsTransform=list(grid.affine)[:6],
        dimensions=f"{SIDE}x{SIDE}",
        maxPixels=SIDE * SIDE,
        **options,
    )
    return dict(task.config or {})


def _started(place: ProofPlace, request: str, prefix: str) -> dict[str, Any]:
    """Two bands, masked in the first column."""
    import ee

    image = column(ee).toFloat().addBands(column(ee).add(100).rename("w").toFloat())
    masked = image.updateMask(column(ee).gt(0))
    return started(place, request, masked, prefix, formatOptions={"noData": NODATA})


def _written(place: ProofPlace) -> Any:
    import ee

    operation = place.finished(_started(place, ee.data.newTaskId(1)[0], DOTTED)["name"])
    if "error" in operation:
        return {"failed": operation["error"].get("message", "")}
    name = next((stored.name for stored in place.storage.listed(DOTTED) if stored.name.endswith(".tif")), None)
    if name is None:
        return {"failed": "the bucket lists no file"}
    with open_bytes(place.storage.read(name), name) as file:
        first = file.read(1)
        return {
            "name": name,
            "descriptions": list(file.descriptions),
            "nodata": file.nodata,
            "type": file.dtypes[0],
            "masked": float(first[0, 0]),
            "next": float(first[0, 1]),
            "corner": [file.transform.c, file.transform.f],
            "eecu": "batchEecuUsageSeconds" in operation.get("metadata", {}),
        }


def _asset(place: ProofPlace) -> Any:
    """Halves rounded as a stored composite rounds them, masked in the first column, with a property of full length."""
    import ee

    halves = column(ee).subtract(21).divide(2).rename("v").updateMask(column(ee).gt(0))
    name, failure = _stored(place, "stored", packed_whole(halves).set({"facts": "f" * TEXT_LIMIT}))
    if failure:
        return {"failed": failure}
    raster = pixels.fetch(ee.Image(name), grid_of(SIDE, SIDE), ["v"])
    expected = np.broadcast_to(np.rint((np.arange(SIDE) - 21) / 2), (SIDE, SIDE))
    inside = raster.valid_BHW[0]
    return {
        "pixels": bool((raster.values_BHW[0] == expected)[inside].all()),
        "masks": bool(inside[:, 1:].all() and not inside[:, 0].any()),
        "property": len(str((info_or_none(name) or {}).get("properties", {}).get("facts", ""))),
    }


def _stored(place: ProofPlace, name: str, image: Any) -> tuple[str, str]:
    """The id of an asset of the pattern's grid, and why it could not be written, if so."""
    import ee

    asset = place.asset(name)
    place.note(f"task {NAME}-{name}")
    task = ee.batch.Export.image.toAsset(
        image=image,
        description=f"{NAME}-{name}",
        assetId=asset,
        crs=f"EPSG:{EPSG}",
        crsTransform=list(grid_of(SIDE, SIDE).affine)[:6],
        dimensions=f"{SIDE}x{SIDE}",
        maxPixels=SIDE * SIDE,
    )
    operation = place.finished(ee.data.exportImage(ee.data.newTaskId(1)[0], dict(task.config or {}))["name"])
    failed = "error" in operation and info_or_none(asset) is None
    return asset, operation["error"].get("message", "") if failed else ""


def _half_mask(place: ProofPlace) -> Any:
    """The mask of a stored pixel that was half masked, and its value."""
    import ee

    name, failure = _stored(place, "half", column(ee).add(8).toFloat().updateMask(0.5))
    if failure:
        return {"failed": failure}
    image = ee.Image(name)
    return {"mask": numbers(image.mask().toFloat(), 1, 1)[0][0], "value": numbers(image, 1, 1)[0][0]}


def _twice(place: ProofPlace) -> Any:
    """Whether the same request id starts one task only."""
    import ee

    request = ee.data.newTaskId(1)[0]
    first = _started(place, request, "twice")
    try:
        second = _started(place, request, "twice")
    except ee.EEException as error:
        place.finished(first["name"])
        return {"one task": True, "second": " ".join(str(error).split())[:160]}
    place.finished(first["name"])
    return {"one task": first["name"] == second["name"], "second": "accepted"}


def _usage(place: ProofPlace) -> Any:
    """EECU seconds of every task of the proof that is over."""
    import ee

    counted = [
        float(operation["metadata"]["batchEecuUsageSeconds"])
        for operation in ee.data.listOperations()
        if str(operation.get("metadata", {}).get("description", "")).startswith(NAME)
        and "batchEecuUsageSeconds" in operation.get("metadata", {})
    ]
    if not counted:
        raise NotHere("no task of this run says its EECU")
    return {"tasks": len(counted), "EECU seconds": round(sum(counted), 3)}


PROBES = (
    Probe(
        "exports.file",
        "an export's name may begin with a dot; bands have descriptions, no-data and type as asked",
        _written,
        {
            "name": f"{DOTTED}.tif",
            "descriptions": ["v", "w"],
            "nodata": NODATA,
            "type": "float32",
            "masked": NODATA,
            "next": 1.0,
            "corner": [240_000, 3_390_000],
            "eecu": True,
        },
        "batch",
        60,
    ),
    Probe(
        "exports.asset",
        "an image asset keeps int16 pixels, masks and a property of 1,000 characters",
        _asset,
        {"pixels": True, "masks": True, "property": TEXT_LIMIT},
        "batch",
        60,
    ),
    Probe(
        "exports.half-mask",
        "stored masks are 0 or 1: a half masked pixel becomes a whole one",
        _half_mask,
        {"mask": 1, "value": 8},
        eecu_s=60,
    ),
    Probe("exports.twice", "the same request id starts one task", _twice, {"one task": True}, "batch", 60),
    Probe("exports.usage", "tasks say what they cost", _usage, None, "plan"),
)
