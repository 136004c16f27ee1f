"""GID's scenes of Gaofen-2 (LandCover3m Figure 8), from the folder as published to chips that a network is judged on.

Tong et al. 2020, doi:10.1016/j.rse.2019.111322: scenes of 7,200 x 6,800 pixels of 4 m in `image_NirRGB/NAME.tif`,
their five classes as colours in `label_5classes/NAME_label.tif`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox

from isamap.gee_export.base.rasters import open_picture
from isamap.gee_export.base.scheme import SCHEMES, UNKNOWN
from isamap.gee_export.datasets.chips import CRS, INVENTED, LEFT, PERIOD, TOP, pictured
from isamap.gee_export.datasets.dataset import MANIFEST, Band, DatasetManifest, Grid, Sample, write
from isamap.gee_export.datasets.manifest import REFLECTANCE_SCALE

IMAGES, LABELS, LABEL_END = "image_NirRGB", "label_5classes", "_label.tif"
BANDS, STEP_M, SIDE = ("N", "R", "G", "B"), 4, 512
# LandCover3m's class of each colour (its section 5.2): built-up, farmland, forest, meadow, water; black is unlabelled
CLASS_OF_COLOUR = {(255, 0, 0): 4, (0, 255, 0): 0, (0, 255, 255): 1, (255, 255, 0): 2, (0, 0, 255): 3}
STORED_OF_NUMBER = 20  # 255 is a reflectance of .51
TRAIN_EVERY = 10  # a dataset has a training split for its statistics
ASSUMED = (
    INVENTED,
    "GID's 8-bit numbers are stretched in a way that is not published: 255 is taken for a reflectance of 0.51",
)


def opened(address: str, home: Path, say: Callable[[str], None] = print) -> str:
    """The address of a patch dataset: `address` itself, or where it is GID's folder, the dataset made of it.

    ValueError: a scene without labels, or of another size than its labels.
    """
    folder = Path(address)
    if not all((folder / name).is_dir() for name in (IMAGES, LABELS)):
        return address
    scenes = sorted((folder / IMAGES).glob("*.tif"))
    facts = repr([(scene.name, scene.stat().st_size) for scene in scenes])
    target = home / f"gid-{hashlib.sha256(facts.encode()).hexdigest()[:10]}"
    if not (target / MANIFEST).exists():
        say(f"{folder}: {len(scenes)} scenes become the dataset {target}; assumed: {'; '.join(ASSUMED)}")
        for scene in scenes:
            if not (label := _label_of(scene)).is_file():
                raise ValueError(f"{scene.name} has no {LABELS}/{label.name}: copy it there")
        write(target, _manifest(max(1, sum(map(_squares, scenes)))), _samples(scenes))
    return str(target)


def classes_of(colours_CHW: np.ndarray) -> np.ndarray:
    """LandCover3m's classes, uint8 (rows, columns), of GID's colours (3, rows, columns); any other is unknown."""
    classes_HW = np.full(colours_CHW.shape[1:], UNKNOWN, np.uint8)
    for colour, class_number in CLASS_OF_COLOUR.items():
        classes_HW[(colours_CHW == np.array(colour)[:, None, None]).all(axis=0)] = class_number
    return classes_HW


def _label_of(scene: Path) -> Path:
    return scene.parents[1] / LABELS / f"{scene.stem}{LABEL_END}"


def _squares(scene: Path) -> int:
    with open_picture(scene) as file:
        return (file.height // SIDE) * (file.width // SIDE)


def _chips(scene: Path) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Image and classes of the scene's whole squares that hold a label; what is over at its edges is left out."""
    image, colours = pictured(scene).data, pictured(_label_of(scene)).data
    if image.shape[0] != len(BANDS) or image.dtype != np.uint8 or image.shape[1:] != colours.shape[1:]:
        raise ValueError(
            f"{scene.name}: {image.dtype} of {image.shape} beside labels of {colours.shape}: expected 4 bands of 8 "
            "bits and labels of as many pixels"
        )
    for top in range(0, image.shape[1] - SIDE + 1, SIDE):
        for left in range(0, image.shape[2] - SIDE + 1, SIDE):
            square = slice(top, top + SIDE), slice(left, left + SIDE)
            classes_HW = classes_of(colours[(slice(3), *square)])
            if (classes_HW != UNKNOWN).any():
                yield image[(slice(None), *square)].copy(), classes_HW


def _manifest(count: int) -> DatasetManifest:
    grid = GeoBox((SIDE, count * SIDE), Affine(STEP_M, 0, LEFT, 0, -STEP_M, TOP), CRS)
    scheme = SCHEMES["landcover3m"]
    return DatasetManifest(
        name="GID",
        simulated=False,
        source={"server": "files", "catalog": "GID", "assumed": list(ASSUMED)},
        image={},
        bands=tuple(Band(name, "reflectance", REFLECTANCE_SCALE) for name in BANDS),
        label={
            "product": "GID, five classes drawn by hand",
            "scheme": scheme.name,
            "classes": {str(class_number): name for class_number, name in scheme.classes.items()},
        },
        periods=(PERIOD,),
        settings={"bands": list(BANDS), "reducer": "mean"},
        backscatter=None,
        grids={"scenes": Grid.of(grid)},
        size=SIDE,
        stride=SIDE,
        split={"kind": "scenes", "ratios": [1, 0, TRAIN_EVERY - 1], "seed": 0},
    )


def _samples(scenes: Sequence[Path]) -> Iterator[Sample]:
    at = -1
    for at, (image_BHW, classes_HW) in enumerate(chip for scene in scenes for chip in _chips(scene)):
        split = "test" if at % TRAIN_EVERY else "train"
        stored_BHW = image_BHW.astype(np.int16) * STORED_OF_NUMBER
        yield Sample("scenes", PERIOD["label"], 0, at * SIDE, split, stored_BHW, classes_HW)
    if at < 1:
        raise ValueError(f"{at + 1} labelled chips of {SIDE} px: give whole scenes of GID")
