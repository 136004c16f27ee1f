"""OmniCloudMask's classes of a catalog's Sentinel-2 scenes, as a collection that is computed when it is read.

0 clear, 1 thick cloud, 2 thin cloud, 3 shadow. The network sees red, green and near infrared in blocks of the scene's
own lattice with a margin, so any cut of a window gives the same pixels. Its package is optional, and its weights come
from files: nothing is downloaded.
Source: N. Wright et al., Remote Sensing of Environment 322 (2025) 114694, https://doi.org/10.1016/j.rse.2025.114694;
package omnicloudmask 1.8.1 (MIT).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from odc.geo.geobox import GeoBox

from local_ee.catalog import BoundsWSEN, Reader, SourceBand, SourceImage
from local_ee.catalog.geotiff import lattice_offset
from local_ee.catalog.kept import KeptPixels
from local_ee.raster.window import Window, crop

COLLECTION, OF, BAND = "OMNICLOUDMASK/S2", "COPERNICUS/S2_SR_HARMONIZED", "classes"
WEIGHTS = "OMNICLOUDMASK_WEIGHTS"  # the environment variable that names their folder
PUBLISHED = "https://huggingface.co/NickWright/OmniCloudMask"
_INPUTS = ("B4", "B3", "B8")
_BLOCK_PX, _MARGIN_PX = 1000, 150  # 1,300 in all: the package cuts patches of 1,000 that overlap by 300
_LEAST_PX = 32  # of a side, for the network
_FROM_FILES = "files"  # no source that the package downloads from, so a file that lacks is an error
_guard = threading.Lock()
_classes = KeptPixels(64 << 20)

Images = Callable[[str, int | None, int | None, BoundsWSEN | None], Sequence[SourceImage]]


def check() -> None:
    """ValueError with the remedy where the package or its weights are not there."""
    if find_spec("omnicloudmask") is None:
        raise ValueError(
            "OmniCloudMask is not installed: run `pip install omnicloudmask`, or take another cloud mask (scl)"
        )
    folder = os.environ.get(WEIGHTS, "")
    if not folder or not any(Path(folder).glob("*.safetensors")):
        raise ValueError(
            f"OmniCloudMask's weights are not in {folder or 'a folder that is named'}: put its files *.safetensors "
            f"({PUBLISHED}) into a folder and set {WEIGHTS} to it, or take another cloud mask (scl)"
        )


def holds(asset_id: str) -> bool:
    """Whether an id is the collection's or of an image in it."""
    return asset_id == COLLECTION or asset_id.startswith(f"{COLLECTION}/")


def images(
    scenes: Images, start_ms: int | None, end_ms: int | None, bounds_wsen: BoundsWSEN | None
) -> list[SourceImage]:
    """The collection's images, of what a catalog's `images` gives of Sentinel-2; ValueError as `check`."""
    check()
    made = (image_of(scene) for scene in scenes(OF, start_ms, end_ms, bounds_wsen))
    return [image for image in made if image is not None]


def scene_id(image_id: str) -> str:
    """The id of the scene that an image of the collection is made of."""
    return f"{OF}/{image_id.rpartition('/')[2]}"


def image_of(scene: SourceImage | None) -> SourceImage | None:
    """The classes of a scene, None where it has no red, green and near infrared on one lattice."""
    bands = {} if scene is None else {band.name: band for band in scene.bands}
    if scene is None or not all(name in bands and bands[name].grid == bands["B4"].grid for name in _INPUTS):
        return None
    grid = bands["B4"].grid
    return replace(
        scene,
        id=f"{COLLECTION}/{scene.id.rpartition('/')[2]}",
        bands=(SourceBand(BAND, "uint8", grid, "MODE"),),
        read=_reader(scene.read, grid),
        prefetch=None if scene.prefetch is None else lambda names, geobox: _begin(scene, grid, geobox),
        kept=None,
    )


def _begin(scene: SourceImage, grid: GeoBox, geobox: GeoBox) -> None:
    for block in _blocks(grid, lattice_offset(grid, geobox, scene.id)):
        if scene.prefetch is not None:
            scene.prefetch(_INPUTS, crop(grid, _with_margin(grid, block)))


def _reader(read: Reader, grid: GeoBox) -> Reader:
    def classes(names: tuple[str, ...], geobox: GeoBox) -> tuple[np.ndarray, np.ndarray]:
        window = lattice_offset(grid, geobox, COLLECTION)
        values, masks = np.zeros((1, *geobox.shape), np.uint8), np.zeros((1, *geobox.shape), bool)
        for block in _blocks(grid, window):
            shared = block.overlap(window)
            if shared is not None:
                block_values, block_mask = _block(read, grid, block)
                values[(0, *shared.within(window))] = block_values[shared.within(block)]
                masks[(0, *shared.within(window))] = block_mask[shared.within(block)]
        return values, masks

    return classes


def _blocks(grid: GeoBox, window: Window) -> Iterator[Window]:
    """The blocks of the grid that a window touches; the last of a row or column may be cut."""
    extent = Window(0, 0, *grid.shape)
    inside = extent.overlap(window)
    if inside is None:
        return
    for row in range(inside.row // _BLOCK_PX * _BLOCK_PX, inside.row_end, _BLOCK_PX):
        for col in range(inside.col // _BLOCK_PX * _BLOCK_PX, inside.col_end, _BLOCK_PX):
            block = Window(row, col, _BLOCK_PX, _BLOCK_PX).overlap(extent)
            if block is not None:
                yield block


def _with_margin(grid: GeoBox, block: Window) -> Window:
    around = Window(
        block.row - _MARGIN_PX, block.col - _MARGIN_PX, block.height + 2 * _MARGIN_PX, block.width + 2 * _MARGIN_PX
    )
    return around.overlap(Window(0, 0, *grid.shape)) or block


def _block(read: Reader, grid: GeoBox, block: Window) -> tuple[np.ndarray, np.ndarray]:
    """Classes and mask of a block; kept by what the network saw, so a file that changes is looked at again."""
    around = _with_margin(grid, block)
    values, masks = read(_INPUTS, crop(grid, around))
    valid: np.ndarray = np.logical_and.reduce(masks)
    seen = np.where(valid, np.maximum(values, 1), 0).astype(np.float32)  # 0 is the network's no data
    key = os.environ.get(WEIGHTS), blake2b(seen.tobytes(), digest_size=16).digest(), seen.shape
    kept = _classes.get(key)
    classes = _predicted(seen) if kept is None else kept[0]
    if kept is None:
        _classes.put(key, (classes, valid))
    return classes[block.within(around)], valid[block.within(around)]


def _predicted(seen: np.ndarray) -> np.ndarray:
    """The class of each pixel of [red, green, near infrared]; ValueError as `check`, or in the package's words."""
    check()
    from omnicloudmask import predict_from_array

    height, width = seen.shape[1:]
    rows, cols = (max(_LEAST_PX - side, 0) for side in (height, width))
    padded = np.pad(seen, ((0, 0), (0, rows), (0, cols)))
    with _guard:
        try:
            classes = predict_from_array(
                padded, destination_model_dir=os.environ[WEIGHTS], model_download_source=_FROM_FILES
            )
        except ValueError as error:
            raise ValueError(
                f"OmniCloudMask cannot be used ({error}): does {os.environ[WEIGHTS]} hold the files of its newest "
                f"version ({PUBLISHED})?"
            ) from error
    return np.asarray(classes[0, :height, :width], np.uint8)
