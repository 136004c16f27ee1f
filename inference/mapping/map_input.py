"""What a map is made of: the checkpoint, and the pixels of a file, of an image of the server, or of a composite."""

from __future__ import annotations

import os
from contextlib import closing
from typing import Any

from isamap.gee_export.base.storage import is_remote
from isamap.inference.inputs.source import InputSource, open_geotiff, period_tags
from isamap.inference.mapping.request import MapOptions
from isamap.inference.postprocessing.postprocess import POSTPROCESSING
from isamap.training.checkpoints.checkpoint import Checkpoint, load


def loaded(checkpoint: str | os.PathLike[str], project: str | None) -> Checkpoint:
    """The checkpoint, from Google's bucket or the local engine's where it lies under gs://."""
    if not is_remote(checkpoint):
        return load(checkpoint)
    from isamap.gee_export.earth_engine.session import connect

    with closing(connect(project)) as session:
        return load(checkpoint, session)


def opened(options: MapOptions, trained: Checkpoint) -> InputSource:
    """What the options ask for: a file, an image of the server, or a composite; ValueError for what does not fit."""
    where, when, pixels = options.where, options.when, options.pixels
    if pixels.input is None:
        from isamap.inference.inputs.composite import open_composite

        area, period = where.area, when.composite  # mistakes are refused before a server is asked
        block_px = POSTPROCESSING[options.computing.post].block_px
        server: dict[str, Any] = {"project": pixels.project, "catalog": pixels.catalog, "block_px": block_px}
        if pixels.image is None:
            return open_composite(area, period, trained, asset=pixels.composite_asset, **server)
        from isamap.inference.inputs.image_source import MapImage, open_image

        return open_image(area, period, trained, MapImage(pixels.image, pixels.unit), **server)
    if not where.is_open or where.epsg is not None or where.buffer_m is not None:
        raise ValueError("--input maps a file as it is: leave --region, --bbox, --geometry, --buffer and --epsg out")
    if trained.frames:
        raise ValueError(
            f"the checkpoint looks at {trained.frames} dates, --input is one image: map a region with a --period, "
            "or take a checkpoint of composites (frames=0)"
        )
    own = trained.bands, trained.backscatter, trained.learned_levels
    source = open_geotiff(pixels.input, *own, may_lack=trained.may_lack)
    if not when.is_open:
        source.tags |= period_tags(when.composite)
    return source
