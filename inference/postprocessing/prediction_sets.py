"""NAME_set.tif beside a map: which classes each pixel may have, by the limits that the checkpoint was calibrated to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rasterio.errors import RasterioError

from isamap.gee_export.base.rasters import open_raster
from isamap.gee_export.base.scheme import UNKNOWN
from isamap.inference.map_files.cog import LayerInfo, MapInfo, RowsFile, counts_of, write_layer
from isamap.inference.map_files.legend import SetLegend
from isamap.inference.map_files.map_file import SETTINGS_TAG, sidecar_of
from isamap.training.checkpoints.checkpoint import Checkpoint
from isamap.training.checkpoints.conformal import SetLimits, limits_of

SETS = "sets.u8"


def set_of(path: Path) -> Path:
    """NAME_set.tif of NAME.tif."""
    return path.with_name(f"{path.stem}_set{path.suffix}")


def is_missing(limits: SetLimits | None, out: Path) -> bool:
    """Whether the map's sets are wanted and not there."""
    return limits is not None and not set_of(out).exists()


def settle_sets(rows: RowsFile, limits: SetLimits | None, info: MapInfo, out: Path) -> None:
    """Writes the map's sets where they are wanted; else removes those of a map that is replaced."""
    if limits is not None:
        write_sets(rows, limits, info, out)
    # Those of the map before would be read as this one's.
    elif _is_ours(set_of(out)):
        set_of(out).unlink()
        sidecar_of(set_of(out)).unlink(missing_ok=True)


def limits_for(trained: Checkpoint, out: Path, *, wanted: bool) -> SetLimits | None:
    """The limits of the sets of a map where they are wanted; ValueError: the checkpoint has none, or another file has
    their name.
    """
    limits = limits_of(trained) if wanted else None
    if wanted and limits is None:
        raise ValueError(
            f"{trained.location or 'the checkpoint'} has no prediction sets: choose them on a dataset with "
            "`isamap calibrate --alpha 0.1`"
        )
    path = set_of(out)
    if wanted and path.exists() and not _is_ours(path):
        raise ValueError(f"{path} exists and is no file of this map's sets: choose another --out, or move it")
    return limits


def write_sets(rows: RowsFile, limits: SetLimits, info: MapInfo, out: Path) -> None:
    """Writes the sets of a map of two classes, `out` being the map's own name.

    They follow from the stored probabilities: a pixel that a mask changed has the set of its new probability.
    Overviews hold the most frequent set.
    """
    sets = RowsFile(rows.path.with_name(SETS), rows.width)
    sets.path.unlink(missing_ok=True)
    for values_NHW in rows.read():
        known_HW = values_NHW[1] != UNKNOWN
        set_HW = np.where(known_HW, limits.sets(values_NHW[1]), UNKNOWN).astype(np.uint8)
        sets.append(np.stack([set_HW, values_NHW[1]]))
    legend = SetLegend((info.legend.names[0], info.legend.names[1]))
    write_layer(sets, LayerInfo(info.geobox, legend, {**info.tags, "alpha": f"{limits.alpha:g}"}), set_of(out))


def undecided_share(out: Path) -> float | None:
    """Of the map's known pixels, the share whose set is not one class, 0 to 1; None where the map has no sets."""
    if not _is_ours(set_of(out)):
        return None
    none, first, second, either = counts_of(set_of(out))[:4]
    return float((none + either) / max(int(none + first + second + either), 1))


def _is_ours(path: Path) -> bool:
    try:
        with open_raster(path) as raster:
            return raster.descriptions == ("set",) and SETTINGS_TAG in raster.tags()
    except (OSError, RasterioError, ValueError):
        return False
