"""Co-registration of regions of the world, whose shifts are known, and of raster files; the command."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import rasterio

import isamap
from isamap.gee_export.base.grid import Raster, grid_of
from isamap.gee_export.base.regions import Month, Period
from isamap.gee_export.coregistration.coregister import coregister, warped
from isamap.gee_export.coregistration.displacement import Displacement
from isamap.gee_export.export import coregister_region
from isamap.gee_export.export.box import box_name
from isamap.gee_export.export.places import where
from isamap.gee_export.requests import pixels
from isamap.gee_export.sentinel import sentinel1
from isamap.gee_export.sentinel.composite import NoScenes
from isamap.gee_export.sentinel.sentinel1 import Radar
from tests.support import world_shifts
from tests.support.ground_pairs import SHIFT_PX, noise, pair, polynomial

JUNE = Month(2019, 6).period
BBOX = (113.73, 30.23, 113.757, 30.254)  # fields west of Wuhan, 268 x 274 pixels
FIELDS = where(None, bbox=BBOX, epsg=32650)
pytestmark = pytest.mark.usefixtures("session")


@pytest.fixture(scope="module")
def found(session):
    return coregister_region.register(FIELDS, JUNE)


@pytest.fixture(scope="module")
def truths(session):
    return world_shifts.truths(FIELDS, JUNE)


@pytest.mark.long
def test_each_orbit_is_brought_onto_sentinel2(found, truths):
    """local_ee/docs/world.md, "Shift of Sentinel-1": a steady shift per orbit and a slow part; less than 0.4
    px (an axis) at every pixel.
    """
    for orbit, truth in truths.items():
        left, right, down = truth.left_px(found.by_orbit[orbit].polynomial)
        assert found.by_orbit[orbit].applied and max(right, down) < 0.4 and left < 0.4 * truth.before_px
    assert found.scenes == {47: 1, 113: 3} and found.simulated


@pytest.mark.long
def test_the_composite_of_a_displaced_collection_lies_right(found, truths):
    """In the graph, scene by scene before the mean: what a second look finds is a fraction of what the first found."""
    radar = Radar(speckle="none", orbits=(113,), displacement=found.displacement)
    sensed = sentinel1.sensed(FIELDS.bounds_wsen, JUNE, radar)
    moved = pixels.fetch(sensed.image, grid_of(FIELDS), list(sentinel1.POLARISATIONS))
    again, first = coregister([(truths[113].fixed, moved)]), found.by_orbit[113]
    assert sensed.info["registered"] == 3
    assert not again.applied or np.hypot(*vectors_of(again)) < 0.3 * np.hypot(*vectors_of(first))


def vectors_of(one) -> np.ndarray:
    """The mean vector of the points, metres."""
    return np.array([one.points.dx[one.used].mean(), one.points.dy[one.used].mean()])


@pytest.mark.long
def test_slopes_flattened_and_scenes_moved_go_together(found):
    radar = Radar(speckle="none", terrain="volume", displacement=found.displacement)
    grid = grid_of(FIELDS)[100:140, 100:140]
    image = sentinel1.sensed(FIELDS.bounds_wsen, JUNE, radar).image
    assert pixels.fetch(image, grid, ["VV"]).valid_BHW.mean() > 0.9


@pytest.mark.long
def test_the_report_is_a_displacement_for_exports(found):
    document = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert Displacement.from_json(document) == found.displacement
    assert document["reports"]["113"]["scenes"] == 3 and document["simulated"]
    assert "orbit 47 (1 scenes) corrected" in str(found)


def test_a_period_without_scenes_is_refused(session):
    with pytest.raises(NoScenes, match="longer period"):
        coregister_region.register(FIELDS, Period.between("2019-06-02", "2019-06-02"))


@pytest.mark.parametrize(("shape", "count"), [((300, 300), 1), ((1536, 1536), 1), ((1537, 200), 3), ((6000, 9000), 9)])
def test_large_regions_are_looked_at_from_edge_to_edge(shape, count):
    tiles = coregister_region.tiles_of(shape)
    assert len(tiles) == count
    assert (min(t.row for t in tiles), min(t.col for t in tiles)) == (0, 0)
    assert (max(t.row_end for t in tiles), max(t.col_end for t in tiles)) == shape


@pytest.mark.long
def test_tiles_are_put_together_from_requests(truths, monkeypatch):
    """The same pixels, however they are asked for."""
    monkeypatch.setattr(coregister_region, "_REQUEST_PX", 90)
    grid = grid_of(FIELDS)[:200, :190]
    image = sentinel1.sensed(FIELDS.bounds_wsen, JUNE, Radar(speckle="none", orbits=(113,))).image
    read = coregister_region._fetched(image, grid, ["VV", "VH"])
    assert (read.values_BHW == truths[113].moving.values_BHW[:, :200, :190]).all()


# --- files and the command --------------------------------------------------------------------------------------------


def write(path, one: Raster, **options) -> str:
    height, width = one.geobox.shape
    grid = {"crs": str(one.geobox.crs), "transform": one.geobox.affine, "height": height, "width": width}
    settings = {"driver": "GTiff", "dtype": one.values_BHW.dtype.name, "count": len(one.bands), **grid, **options}
    with rasterio.open(path, "w", **settings) as target:
        target.write(one.values_BHW.astype(settings["dtype"]))
        target.descriptions = one.bands
    return str(path)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs")
    fixed, moving = pair(192, SHIFT_PX, 1)
    scaled = Raster(moving.geobox, moving.bands, np.rint(moving.values_BHW * 100).astype(np.int16), moving.valid_BHW)
    return write(folder / "optical.tif", fixed), write(folder / "radar.tif", scaled, nodata=-32768), folder


def run(capsys, *words: str) -> tuple[int, str, str]:
    code = isamap.main(["coregister", *words])
    return code, *capsys.readouterr()


@pytest.mark.long
def test_the_command_moves_a_raster(files, capsys):
    fixed, moving, folder = files
    code, out, _ = run(capsys, "--fixed", fixed, "--moving", moving, "--out", str(folder / "moved.tif"), "--plot",
                       str(folder / "moved.png"))  # fmt: skip
    assert code == 0 and "corrected" in out and "RMSE" in out
    report = json.loads((folder / "moved.tif.json").read_text())
    assert report["polynomial"]["dx"][0] == pytest.approx(23, abs=1.5)
    with rasterio.open(folder / "moved.tif") as moved, rasterio.open(fixed) as still, rasterio.open(moving) as before:
        assert (moved.transform, moved.shape, moved.crs) == (still.transform, still.shape, still.crs)
        assert (moved.dtypes, moved.nodata, moved.descriptions) == (before.dtypes, before.nodata, before.descriptions)
        expected = warped(pair(192, SHIFT_PX, 1)[1], polynomial(192, SHIFT_PX)).values_BHW[0]
        inner = slice(10, -10), slice(10, -10)
        assert np.abs(moved.read(1)[inner] / 100 - expected[inner]).mean() < 0.35  # dB; a tenth of a pixel is left
    assert (folder / "moved.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.long
def test_a_raster_on_other_pixels_is_laid_on_the_fixed_ones(files, capsys):
    fixed, moving, folder = files
    with rasterio.open(moving) as source:
        values, transform = source.read(), source.transform
    cut = transform * transform.translation(12.5, 8.25)
    shifted = folder / "other.tif"
    with rasterio.open(shifted, "w", driver="GTiff", dtype="int16", count=1, height=170, width=172, crs="EPSG:32650",
                       transform=cut, nodata=-32768) as target:  # fmt: skip
        target.write(values[:, 8:178, 12:184])
    code, _, _ = run(capsys, "--fixed", fixed, "--moving", str(shifted), "--out", str(folder / "laid.tif"))
    report = json.loads((folder / "laid.tif.json").read_text())
    # the pixels' places were falsified by (.5, .25) px right and down: that much farther lies what they show
    assert code == 0 and report["polynomial"]["dx"][0] == pytest.approx(23 + 5, abs=1.5)
    assert report["polynomial"]["dy"][0] == pytest.approx(-16 - 2.5, abs=1.5)


def test_nothing_is_written_where_nothing_was_corrected(files, capsys):
    fixed, _, folder = files
    stray = write(folder / "noise.tif", noise(3, 192))
    code, out, err = run(capsys, "--fixed", fixed, "--moving", stray, "--out", str(folder / "no.tif"))
    assert code == 1 and "not corrected" in out and err.count("\n") == 1
    assert not (folder / "no.tif").exists() and not json.loads((folder / "no.tif.json").read_text())["applied"]


def far_away(folder) -> str:
    raster = noise(0, 64)
    shifted = Raster(raster.geobox.translate_pix(90_000, 0), raster.bands, raster.values_BHW, raster.valid_BHW)
    return write(folder / "far.tif", shifted)


def text(folder) -> str:
    (folder / "text.tif").write_text("no raster")
    return str(folder / "text.tif")


def nowhere(folder) -> str:
    plain = {"driver": "GTiff", "dtype": "uint8", "count": 1, "height": 64, "width": 64}
    with rasterio.open(folder / "nowhere.tif", "w", **plain) as target:
        target.write(np.ones((1, 64, 64), np.uint8))
    return str(folder / "nowhere.tif")


def all_missing(folder) -> str:
    raster = noise(0, 192)
    blank = Raster(raster.geobox, raster.bands, np.full((1, 192, 192), -1, np.int16), raster.valid_BHW)
    return write(folder / "empty.tif", blank, nodata=-1)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (far_away, "does not touch"),
        (text, "no raster that can be read"),
        (nowhere, "does not say where it lies"),
        (all_missing, "moving raster has no pixel"),
        (lambda folder: str(folder / "missing.tif"), "was not found"),
    ],
)
def test_rasters_that_cannot_be_compared_are_refused(files, capsys, make, words):
    code, _, err = run(capsys, "--fixed", files[0], "--moving", make(files[2]))
    assert code == 2 and words in err and err.count("\n") == 1


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--fixed", "a.tif"], "give --moving, too"),
        (["--moving", "a.tif"], "give --fixed, too"),
        (["--fixed", "a.tif", "--moving", "b.tif", "--region", "wuhan"], "leave out --region and --bbox"),
        ([], "nothing says where"),
        (["--region", "nanjing"], "nothing says when"),
        (["--region", "wuhan", "--month", "2019-06", "--month", "2019-07"], "month"),
    ],
)
def test_contradictions_are_refused(capsys, given, words):
    code, _, err = run(capsys, *given)
    assert code == 2 and words in err


@pytest.mark.long
def test_the_command_writes_what_an_export_takes(found, tmp_path, capsys, monkeypatch):
    """The command's own words; what `register` finds is tested above."""
    asked = []
    monkeypatch.setattr(
        coregister_region, "register", lambda place, days, *_, **__: asked.append((place, days)) or found
    )
    words = ["--bbox", *map(str, BBOX), "--epsg", "32650", "--month", "2019-06", "--out", str(tmp_path / "move.json")]
    code, out, _ = run(capsys, *words)
    assert code == 0 and "orbit 113 (3 scenes)" in out and asked == [(replace(FIELDS, name=box_name(BBOX)), JUNE)]
    assert set(Displacement.read(tmp_path / "move.json").orbits) == {47, 113}
