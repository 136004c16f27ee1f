"""NAME_set.tif beside a map: which classes each pixel may have, by the limits that the checkpoint was calibrated to."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from isamap.gee_export.base.scheme import UNKNOWN
from isamap.inference.map_files.cog import LayerInfo, MapInfo, RowsFile, counts_of, write_layer
from isamap.inference.map_files.layer_file import LayerFile
from isamap.inference.map_files.legend import SetLegend
from isamap.training.checkpoints.checkpoint import Checkpoint
from isamap.training.checkpoints.conformal import SetLimits, limits_of

SETS = "sets.u8"


def set_of(path: Path) -> Path:
    """NAME_set.tif of NAME.tif."""
    return path.with_name(f"{path.stem}_set{path.suffix}")


def layer_of(out: Path) -> LayerFile:
    """The file of a map's sets."""
    return LayerFile(set_of(out), "sets", lambda raster: raster.descriptions == ("set",))


def settle_sets(rows: RowsFile, limits: SetLimits | None, info: MapInfo, out: Path) -> None:
    """Writes the map's sets where they are wanted; else removes those of a map that is replaced."""
    if limits is not None:
        write_sets(rows, limits, info, out)
    else:
        layer_of(out).remove()


def limits_for(trained: Checkpoint, *, wanted: bool) -> SetLimits | None:
    """The limits of a map's sets where they are wanted; ValueError: the checkpoint has none."""
    limits = limits_of(trained) if wanted else None
    if wanted and limits is None:
        raise ValueError(
            f"{trained.location or 'the checkpoint'} has no prediction sets: choose them on a dataset with "
            "`isamap calibrate --alpha 0.1`"
        )
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
    if not layer_of(out).is_ours:
        return None
    none, first, second, either = counts_of(set_of(out))[:4]
    return float((none + either) / max(int(none + first + second + either), 1))
