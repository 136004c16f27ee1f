"""NAME_share.tif beside the map of a network that learned shares: percent of impervious ground in each pixel.

Such a network's numbers are no probabilities: 50 is half a pixel of roofs, no chance of one half. The class beside it
says which pixels are impervious by more than half, and counts of that are no area: the sum of the shares is.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from isamap.gee_export.base.scheme import UNKNOWN
from isamap.inference.map_files.cog import LayerInfo, MapInfo, RowsFile, counts_of, write_layer
from isamap.inference.map_files.layer_file import LayerFile
from isamap.inference.map_files.legend import PROB_STEPS, ShareLegend
from isamap.inference.map_files.map_file import SHARE, TARGET_TAG, holds_shares, share_of
from isamap.training.checkpoints.checkpoint import Checkpoint

UNIT = "%"
ROWS = "shares.u8"


def tags_of(trained: Checkpoint) -> dict[str, str]:
    """What a map says of a network that learned shares."""
    return {TARGET_TAG: SHARE} if trained.target == SHARE else {}


def layer_of(out: Path) -> LayerFile:
    """The file of a map's shares."""
    return LayerFile(share_of(out), "shares", lambda raster: raster.units == (UNIT,))


def settle_shares(rows: RowsFile, info: MapInfo, out: Path) -> None:
    """Writes the map's shares where its network learned them; else removes those of a map that is replaced."""
    if holds_shares(info.tags):
        _write(rows, info, share_of(out))
    else:
        layer_of(out).remove()


def mean_share(out: Path) -> float:
    """Of the known pixels, 0 to 1, by the sidecar of the shares."""
    counts = counts_of(share_of(out))[: PROB_STEPS // 2]
    return float(counts @ np.arange(len(counts)) / max(int(counts.sum()), 1) / 100)


def _write(rows: RowsFile, info: MapInfo, path: Path) -> None:
    """uint8 percent, rounded, 255 unknown, with overviews of means."""
    percents = RowsFile(rows.path.with_name(ROWS), rows.width)
    percents.path.unlink(missing_ok=True)
    for values_NHW in rows.read():
        step_HW = values_NHW[1].astype(np.float64)
        percent_HW = np.where(step_HW == UNKNOWN, UNKNOWN, np.rint(step_HW * 100 / PROB_STEPS)).astype(np.uint8)
        percents.append(np.stack([percent_HW, percent_HW]))
    write_layer(percents, LayerInfo(info.geobox, ShareLegend(), info.tags, UNIT), path)
