"""Real Sentinel-1 and Sentinel-2 pixels through the whole client path: folder, engine, composite, export, dataset.

The six pairs of the package bigearthnet-common, and samples in ../shared/data where that folder is there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.enums import Resampling
from rasterio.warp import reproject

from benchmarks import real_catalogs
from benchmarks.real_catalogs import Sample
from isamap import gee_export
from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.regions import Region
from isamap.gee_export.datasets.dataset import Dataset
from isamap.gee_export.earth_engine.session import connect
from isamap.gee_export.export.report import ExportReport
from tests.support import bigearthnet
from tests.support.bigearthnet import Pair
from tests.support.shared_data import SHARED, needs_shared

# Half of the stored step of 0.01 dB, and the rounding of float32 (power, its logarithm, the hundredfold of that)
HALF_STEP_DB = 0.005 + 0.01 * 2 * float(np.spacing(np.float32(3500)))
TEN_METRES = ("B2", "B3", "B4", "B8")
NAMES = ("36_85", "4_55", "56_35", "57_38", "69_24", "87_48")


@pytest.fixture(scope="module")
def pairs() -> dict[str, Pair]:
    return {pair.name: pair for pair in bigearthnet.pairs()}


@pytest.fixture(scope="module")
def root(pairs: dict[str, Pair], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the pairs as a catalog."""
    root = tmp_path_factory.mktemp("bigearthnet")
    bigearthnet.write_catalog(root / "catalog", tuple(pairs.values()))
    return root


@pytest.fixture(scope="module")
def datasets(pairs: dict[str, Pair], root: Path, engine_home: Path) -> Iterator[dict[str, Dataset]]:
    """Each pair exported by itself: its month, and its footprint in the zone of its tile (two lie in a neighbour's)."""
    with connected_elsewhere(engine_home):
        yield {name: export(pair, root)[1] for name, pair in pairs.items()}


@contextmanager
def connected_elsewhere(engine_home: Path) -> Iterator[None]:
    """Lets exports connect the client to engines over folders, and leads it back to the world for later suites."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ISAMAP_HOME", str(engine_home))
        try:
            yield
        finally:
            connect(catalog="world", home=engine_home)


def export(pair: Pair, root: Path, *, bands: tuple[str, ...] = TEN_METRES) -> tuple[ExportReport, Dataset]:
    bounds = tuple(pair.grid.boundingbox)
    out = root / f"{pair.name}-{'-'.join(bands)}"
    report = gee_export.export_patches(
        region=Region(f"pair-{pair.name}", pair.grid.crs.epsg, bounds, (bounds[0], bounds[3])),
        month=pair.month,
        size=120,
        stride=120,
        speckle="none",
        clouds="none",
        label="none",
        bands=bands,
        catalog=root / "catalog",
        out=out,
        progress=False,
    )
    return report, Dataset.open(out)


@pytest.mark.long
def test_all_six_pairs_are_there(pairs: dict[str, Pair]) -> None:
    assert sorted(pairs) == sorted(NAMES)


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_the_patch_lies_where_the_source_lies(datasets, pairs, name: str) -> None:
    dataset = datasets[name]
    (patch,) = dataset.patches
    assert dataset.geobox(patch) == pairs[name].grid
    assert patch.valid_share == 1
    assert dataset.manifest.simulated is False


@pytest.mark.parametrize("name", NAMES)
def test_sentinel2_equals_the_source(datasets, pairs, name: str) -> None:
    """Reflectance x 10,000 is what the source stores, so nothing may change on the way: exact."""
    dataset = datasets[name]
    image = dataset.read_image(dataset.patches[0])
    for band in TEN_METRES:
        stored = image[dataset.manifest.band_names.index(band)]
        np.testing.assert_array_equal(stored, pairs[name].s2[band])


def test_coarser_bands_are_bilinear_on_the_grid_of_ten_metres(pairs, root: Path, engine_home: Path) -> None:
    """rasterio's warp is the oracle, away from the edge, where Earth Engine has no neighbours and masks."""
    pair = pairs["87_48"]
    with connected_elsewhere(engine_home):
        _, dataset = export(pair, root, bands=("B1", "B5", "B11"))
    image = dataset.read_image(dataset.patches[0])
    for band, stored in zip(("B1", "B5", "B11"), image, strict=False):
        native = pair.grid.zoom_to(pair.s2[band].shape)
        places = {"src_transform": native.affine, "dst_transform": pair.grid.affine}
        codes = {"src_crs": str(native.crs), "dst_crs": str(pair.grid.crs)}
        expected = np.zeros(pair.grid.shape, np.float32)
        reproject(pair.s2[band].astype(np.float32), expected, resampling=Resampling.bilinear, **places, **codes)
        inner = np.s_[6:-6, 6:-6]
        assert np.abs(stored[inner] - expected[inner]).max() <= 0.5 + 1e-3
        assert (
            stored[inner] != pair.s2[band].repeat(120 // native.shape[0], 0).repeat(120 // native.shape[0], 1)[inner]
        ).any()


@pytest.mark.parametrize("name", NAMES)
def test_sentinel1_is_within_half_a_step_of_the_source(datasets, pairs, name: str) -> None:
    """Stored in steps of 0.01 dB, so within half a step."""
    dataset = datasets[name]
    image = dataset.read_image(dataset.patches[0])
    for band in ("VV", "VH"):
        db = image[dataset.manifest.band_names.index(band)] * 0.01
        assert np.abs(db - pairs[name].s1_db[band]).max() <= HALF_STEP_DB


@pytest.mark.parametrize("name", NAMES)
def test_the_manifest_names_the_scenes(datasets, pairs, name: str) -> None:
    text = str(datasets[name].manifest.scenes)
    assert pairs[name].s1_index in text
    assert pairs[name].s2_index in text


@pytest.mark.long
def test_scenes_without_a_valid_pixel_are_told(pairs, tmp_path: Path, engine_home: Path) -> None:
    """A month that has scenes, all of them covered: the report says so instead of counting patches only."""
    pair = pairs["87_48"]
    hidden = {band: np.ma.masked_all(values.shape, values.dtype) for band, values in pair.s2.items()}
    bigearthnet.write_catalog(tmp_path / "catalog", (replace(pair, s2=hidden),))
    with connected_elsewhere(engine_home):
        report, dataset = export(pair, tmp_path)
    assert any("no valid pixel of B2 B3 B4 B8" in note for note in report.notes)
    assert dataset.patches[0].valid_share == 0


def test_a_damaged_scene_is_named_in_one_sentence(pairs, tmp_path: Path, engine_home: Path, caplog) -> None:
    """The engine passes on what the catalog says of the file; no traceback is logged."""
    pair = pairs["87_48"]
    bigearthnet.write_catalog(tmp_path / "catalog", (pair,))
    scene = tmp_path / "catalog" / bigearthnet.S2 / f"{pair.s2_index}.B3.tif"
    scene.write_bytes(scene.read_bytes()[:3000])
    with connected_elsewhere(engine_home), pytest.raises(Fault, match=r"B3\.tif cannot be") as refused:
        export(pair, tmp_path)
    assert "Internal error" not in str(refused.value)
    assert not [record for record in caplog.records if record.exc_info]


@pytest.fixture(scope="module")
def terramind(engine_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sample, Dataset]]:
    """Patch 433D, whose own grid is off the 10-m lattice, as one patch of 224 px."""
    root = tmp_path_factory.mktemp("terramind")
    sample = real_catalogs.terramind(SHARED, root / "catalog")
    with connected_elsewhere(engine_home):
        gee_export.export_patches(
            bbox=real_catalogs.box_of(sample.grid),
            month="2020-04",
            size=224,
            stride=224,
            speckle="none",
            clouds="none",
            catalog=sample.catalog,
            out=root / "patch",
            progress=False,
        )
        yield sample, Dataset.open(root / "patch")


@needs_shared
def test_an_image_off_the_lattice_moves_by_less_than_half_a_pixel(terramind) -> None:
    sample, dataset = terramind
    lattice, own = dataset.geobox(dataset.patches[0]).affine, sample.grid.affine
    assert lattice.c % 10 == 0 and lattice.f % 10 == 0
    assert abs(lattice.c - own.c) < 5 and abs(lattice.f - own.f) < 5


@needs_shared
def test_an_image_off_the_lattice_keeps_its_pixels(terramind) -> None:
    """Nearest pixels from a grid of the same step: every stored value is the source's, whatever the half pixel."""
    _, dataset = terramind
    stored = dict(zip(dataset.manifest.band_names, dataset.read_image(dataset.patches[0]), strict=True))
    s2, s1_db = real_catalogs.terramind_source(SHARED)
    for band, expected in s2.items():
        np.testing.assert_array_equal(stored[band], expected)
    for band, expected in s1_db.items():
        assert np.abs(stored[band] * 0.01 - expected).max() <= HALF_STEP_DB


@needs_shared
def test_labels_of_a_folder_are_recoded_by_the_products_rule(terramind) -> None:
    _, dataset = terramind
    with rasterio.open(SHARED / "terramind" / "LULC" / f"{real_catalogs.TERRAMIND}.tif") as source:
        lulc = source.read(1)
    np.testing.assert_array_equal(dataset.read_label(dataset.patches[0]), lulc == 5)


@needs_shared
def test_gamma0_is_told_from_sigma0(terramind) -> None:
    assert terramind[1].manifest.backscatter == "gamma0"


@needs_shared
def test_months_with_and_without_pixels(engine_home: Path, tmp_path: Path) -> None:
    """WorldCereal 2021-02 equals the source; 2021-01, which has no Sentinel-2 at all, is refused and says so."""
    sample = real_catalogs.worldcereal(SHARED, tmp_path / "catalog")
    ask = {
        "bbox": real_catalogs.box_of(sample.grid),
        "size": 100,
        "stride": 100,
        "speckle": "none",
        "clouds": "none",
        "label": "none",
        "catalog": sample.catalog,
        "progress": False,
    }
    with connected_elsewhere(engine_home):
        gee_export.export_patches(month="2021-02", out=tmp_path / "2021-02", **ask)
        with pytest.raises(ValueError, match=r"2021-01: found Sentinel-2 0 scenes and Sentinel-1 1 scenes"):
            gee_export.export_patches(month="2021-01", out=tmp_path / "2021-01", **ask)
    dataset = Dataset.open(tmp_path / "2021-02")
    stored = dict(zip(dataset.manifest.band_names, dataset.read_image(dataset.patches[0]), strict=True))
    s2, s1_db = real_catalogs.worldcereal_source(SHARED, sample.months.index("2021-02"))
    for band, expected in s2.items():
        np.testing.assert_array_equal(stored[band], expected)
    for band, expected in s1_db.items():
        assert np.abs(stored[band] * 0.01 - expected).max() <= HALF_STEP_DB
