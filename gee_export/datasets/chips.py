"""`isamap chips`: images and labels that say no place on the ground, from two folders to a patch dataset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox

from isamap.gee_export.base.errors import Fault, notice
from isamap.gee_export.base.fill import Fill
from isamap.gee_export.base.rasters import open_picture
from isamap.gee_export.base.scheme import UNKNOWN
from isamap.gee_export.datasets.chip_options import ChipOptions
from isamap.gee_export.datasets.dataset import SPLITS, DatasetManifest, Grid, Sample, write
from isamap.gee_export.datasets.packing import Numbers, Packing, Unit

ENDINGS = (".tif", ".tiff", ".png", ".npy")
RADAR = ("VV", "VH")
RATIOS = (8, 1, 1)
LOOKED_AT = 64  # chips in which pixels of 0 in all bands are counted
BLOCK_M = 1280.0  # each chip has a block of ground of its own, so that intervals draw whole chips
# The middle of a zone, where a metre of the grid is nearest to one of the ground; which zone does not matter.
CRS, LEFT, TOP = "EPSG:32650", 500_000, 3_400_000
PERIOD = {"label": "201906", "start": "2019-06-01", "end": "2019-07-01"}
INVENTED = "chips have no place on the ground: their grid and month are invented"


@dataclass(frozen=True)
class ChipsReport:
    """The dataset's folder and its patches by split."""

    folder: Path
    patches: Mapping[str, int]

    def __str__(self) -> str:
        counts = ", ".join(f"{self.patches.get(split, 0)} {split}" for split in SPLITS)
        return f"{sum(self.patches.values())} chips ({counts}). {INVENTED}.\ndataset: {self.folder}"


def import_chips(images: str | Path, labels: str | Path, out: str | Path, options: ChipOptions) -> ChipsReport:
    """A patch dataset of pairs of files of one name (GeoTIFF, PNG or .npy), in folders below each other or none.

    Folders train, val and test below `images` divide them; without, 8:1:1 at random. ValueError: files without a
    partner, other sizes or pixel types, labels of one class. Fault: a damaged file.
    """
    pairs = _pairs(Path(images).expanduser(), Path(labels).expanduser())
    splits = splits_of([name for name, *_ in pairs], options.seed)
    first = pictured(pairs[0][1])
    if first.shape[0] != len(options.bands) or first.shape[1] != first.shape[2]:
        raise ValueError(f"{pairs[0][1]} has {first.shape[0]} bands of {first.shape[1]} x {first.shape[2]} pixels: "
                         "expected squares and one name in --bands for each band")  # fmt: skip
    packing = Packing.of(Numbers.of_dtype(first.dtype.name), Unit.parse(options.unit), small=False)
    fill = Fill.of_units([packing.unit] * len(options.bands))
    looked_at = pairs[:: -(-len(pairs) // LOOKED_AT)]
    # What a file masks is no fill, whatever number lies there.
    if told := fill.sentence(f"the chips in {images}", (pictured(path).filled(1) for _, path, _ in looked_at)):
        notice(f"note: {told}")
    head = _manifest(packing, options, len(pairs), first.shape[1], Path(images).expanduser().name)
    written = write(Path(out), head, _samples(pairs, splits, packing, options, first))
    return ChipsReport(Path(out), Counter(patch.split for patch in written.patches))


def pictured(path: Path) -> np.ma.MaskedArray:
    """Numbers of a file (bands, rows, columns), masked where they are its no-data value. Fault: damaged."""
    try:
        if path.suffix.lower() == ".npy":
            values = np.ma.MaskedArray(np.load(path, allow_pickle=False))
        else:
            with open_picture(path) as file:
                values = file.read(masked=True)
    except (ValueError, OSError) as error:
        raise Fault(f"{path} cannot be read ({error}): copy it again") from error
    if values.ndim == 2:
        return values[None]
    return values if values.shape[0] <= 8 < values.shape[-1] or path.suffix != ".npy" else values.transpose(2, 0, 1)


def _check_rows(*pair: Path) -> None:
    """ValueError where one of a pair is turned north up and the other does not say which of its rows is the first."""
    turned, places = zip(*(_is_turned(path) for path in pair), strict=True)
    if any(turned) and not all(places):
        south, other = pair if turned[0] else pair[::-1]
        raise ValueError(
            f"{south} has rows from south to north, and {other} does not say where its rows lie: give both with their "
            "place as GeoTIFFs, or neither (gdal_translate -a_srs EPSG:...)"
        )


def _is_turned(path: Path) -> tuple[bool, bool]:
    """Whether a file is read the other way round than it is stored, and whether it says where it lies."""
    from isamap.gee_export.base.north_up import NorthUp

    if path.suffix.lower() == ".npy":
        return False, False
    with open_picture(path) as file:
        return isinstance(file, NorthUp), file.crs is not None


def splits_of(names: Sequence[str], seed: int = 0) -> list[str]:
    """The split of each name by the folder it begins with, or of none at random, 8:1:1 (CroFuseNet section II-B).

    ValueError: folders for some and not for others, an empty split.
    """
    folders = [name.partition("/")[0] if "/" in name else "" for name in names]
    divided = [folder if folder in SPLITS else "" for folder in folders]
    if any(divided) and not all(divided):
        raise ValueError("some chips lie in folders train, val or test and some do not: sort all of them, or none")
    if not any(divided):
        divided = at_random(len(names), seed)
    if lacking := [split for split in SPLITS if split not in divided]:
        raise ValueError(f"no chip of the {lacking[0]} split among {len(names)}: give folders train, val, test")
    return divided


def at_random(count: int, seed: int = 0) -> list[str]:
    """The splits of so many chips, in RATIOS to the nearest chip."""
    order = np.random.default_rng(seed).permutation(count)
    edges = np.rint(np.cumsum(RATIOS) / sum(RATIOS) * count).astype(int)
    return [SPLITS[split] for split in np.searchsorted(edges, np.argsort(order), side="right")]


def _pairs(images: Path, labels: Path) -> list[tuple[str, Path, Path]]:
    """Name, image and label of every chip, by name."""
    image_of, label_of = _files(images), _files(labels)
    if not image_of:
        raise ValueError(f"{images} holds no image: expected files that end in {', '.join(ENDINGS)}")
    if alone := sorted(image_of.keys() ^ label_of.keys()):
        raise ValueError(f"{len(alone)} chips have no image or no label of their name, such as {alone[0]}: give both")
    return [(name, image_of[name], label_of[name]) for name in sorted(image_of)]


def _files(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder: name one of images and one of labels")
    paths = [path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS and path.is_file()]
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in paths}


def _spacing(size: int, step_m: float) -> int:
    """Pixels from one chip to the next: a block of ground at least."""
    return max(size, round(BLOCK_M / step_m))


def _manifest(packing: Packing, options: ChipOptions, count: int, size: int, name: str) -> DatasetManifest:
    step, spacing = options.step_m, _spacing(size, options.step_m)
    grid = GeoBox((count * spacing, size), Affine(step, 0, LEFT, 0, -step, TOP), CRS)
    optical = [band for band in options.bands if band not in RADAR]
    return DatasetManifest(
        name=name,
        simulated=False,
        source={"server": "files", "catalog": name, "assumed": [INVENTED]},
        image={},
        bands=tuple(packing.band(band) for band in options.bands),
        label={"product": f"labels beside {name}", "classes": {"0": "pervious", "1": "impervious"}},
        periods=(PERIOD,),
        settings={"bands": optical, "reducer": "mean"},
        backscatter="sigma0" if len(optical) < len(options.bands) else None,
        grids={"chips": Grid.of(grid)},
        size=size,
        stride=size,
        split={"kind": "chips", "ratios": list(RATIOS), "seed": options.seed},
    )


def _samples(
    pairs: Sequence[tuple[str, Path, Path]],
    splits: Sequence[str],
    packing: Packing,
    options: ChipOptions,
    first: np.ma.MaskedArray,
) -> Iterator[Sample]:
    spacing = _spacing(first.shape[1], options.step_m)
    fill = Fill.of_units([packing.unit] * len(options.bands))
    for at, ((_, image, label), split) in enumerate(zip(pairs, splits, strict=True)):
        _check_rows(image, label)
        values, classes = pictured(image), pictured(label)[0]
        if (values.shape, values.dtype, classes.shape) != (first.shape, first.dtype, first.shape[1:]):
            raise ValueError(
                f"{image} has {values.dtype} of {values.shape} and a label of {classes.shape}, the first chip "
                f"{first.dtype} of {first.shape}: chips are of one size and type"
            )
        label_HW = np.isin(classes.data, options.impervious).astype(np.uint8)
        label_HW[np.isin(classes.data, options.unknown) | np.ma.getmaskarray(classes)] = UNKNOWN
        valid_BHW = ~np.ma.getmaskarray(values)
        # Chips are cut from scenes, whose rim is 0 in all bands, and most formats of chips cannot say that.
        stored_BHW = packing.stored(values.data, fill.without(values.data, valid_BHW))
        yield Sample("chips", PERIOD["label"], at * spacing, 0, split, stored_BHW, label_HW)
