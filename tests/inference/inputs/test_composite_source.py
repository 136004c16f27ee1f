"""Composites as input, on a plot of known pixels behind the real engine: fetched once, kept, released, mapped."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
import rasterio
import torch
from pyproj import Transformer

from isamap import inference
from isamap.gee_export.base import outline
from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.geometry_file import from_geometry
from isamap.gee_export.base.grid import Window, crop
from isamap.gee_export.base.regions import Month, Period, Region
from isamap.gee_export.base.scheme import UNKNOWN
from isamap.gee_export.datasets.manifest import NODATA
from isamap.gee_export.export.compose import compose
from isamap.gee_export.requests import pixels
from isamap.gee_export.sentinel import composite as composites
from isamap.inference.cutting.cut import WindowGrid
from isamap.inference.cutting.lattice import offset_from_crs_origin
from isamap.inference.cutting.windows import lattice_of
from isamap.inference.inputs import composite
from isamap.inference.inputs.blocks import packed
from isamap.inference.inputs.composite import open_composite
from isamap.inference.inputs.ground import Ground
from isamap.inference.mapping import job
from isamap.inference.mapping import map as map_module
from isamap.inference.mapping.predict import Predictor, predict
from isamap.inference.postprocessing import postprocess
from isamap.training.checkpoints import checkpoint as checkpoints
from isamap.training.checkpoints.checkpoint import load, normalise
from isamap.training.runtimes.probabilities import probabilities_of
from tests.inference.conftest import BANDS, LEGEND, NAMES, small_network
from tests.support import plot as plots
from tests.support import skies as skyplots
from tests.support.map_files import read_map

SETTINGS = composites.Settings.of(speckle="none", clouds="none")
JUNE = Month(2019, 6).period


@pytest.fixture(scope="module")
def plot(tmp_path_factory) -> plots.Plot:
    return plots.write(tmp_path_factory.mktemp("plot"))


@pytest.fixture
def trained(make_checkpoint):
    """A checkpoint of composites, its folder and itself."""
    folder = make_checkpoint(composite=SETTINGS.to_json())
    return folder, load(folder)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """The plot takes four by four requests."""
    monkeypatch.setattr(composite, "BLOCK_PX", 50)


@pytest.fixture
def opened(plot, trained, home, reconnected, tmp_path):
    """Opens the plot's composite without ground around it; blocks are kept in one folder."""

    def open_it(region: Region = plots.REGION):
        source = open_composite(region, JUNE, trained[1], project=None, catalog=str(plot.folder))
        source.ground = Ground.of_file(*source.geobox.shape)
        source.keep_in(tmp_path / "blocks")
        return source

    return open_it


def read_all(source, step: int = 37) -> tuple[np.ndarray, np.ndarray]:
    height, width = source.geobox.shape
    rasters = [source.read(Window(row, 0, min(step, height - row), width)) for row in range(0, height, step)]
    joined = [np.concatenate([getattr(r, name) for r in rasters], axis=1) for name in ("values_BHW", "valid_BHW")]
    return joined[0], joined[1]


@pytest.mark.long
def test_blocks_hold_what_one_request_would(opened):
    source = opened()
    values_BHW, valid_BHW = read_all(source)
    raster = pixels.fetch(source.made.packed, source.geobox, NAMES)
    scales = np.array([1e-4] * 4 + [0.01] * 2)[:, None, None]
    np.testing.assert_array_equal(valid_BHW, raster.valid_BHW)
    expected = np.where(valid_BHW, np.rint(raster.values_BHW) * scales, 0).astype(np.float32)
    np.testing.assert_array_equal(values_BHW, expected)
    assert 0 < valid_BHW.mean() < 1


@pytest.mark.long
def test_reflectance_is_the_mean_of_the_scenes(opened, plot):
    """CroFuseNet: mean of the month; no clouds are masked here, so numpy can tell."""
    values_BHW, _ = read_all(opened())
    mean = np.rint(np.mean([scene["B4"].astype(np.float64) for scene in plot.dn.values()], axis=0)) * 1e-4
    np.testing.assert_allclose(values_BHW[NAMES.index("B4")], mean, atol=1e-7)


@pytest.mark.long
def test_nothing_is_fetched_twice(opened):
    """An interrupted map has read 80 rows; the next one asks only for the rest."""
    first = opened()
    half = [first.read(Window(row, 0, 40, plots.WIDTH)).values_BHW for row in (0, 40)]
    first.close()
    second = opened()
    values_BHW, _ = read_all(second)
    np.testing.assert_array_equal(values_BHW[:, :80], np.concatenate(half, axis=1))
    assert first.client.tally.requests + second.client.tally.requests == 16
    assert second.client.tally.requests < 16


def test_a_window_above_the_last_one_is_read_again_without_a_request(opened):
    source = opened()
    windows = [Window(row, 0, 40, plots.WIDTH) for row in (0, 80, 110)]
    read = [source.read(window).values_BHW for window in windows]
    asked = source.client.tally.requests
    for window, values_BHW in zip(windows, read, strict=True):
        np.testing.assert_array_equal(source.read(window).values_BHW, values_BHW)
    assert source.client.tally.requests == asked > 0


@pytest.mark.long
def test_a_damaged_block_is_fetched_again(opened, tmp_path):
    expected, _ = read_all(opened())
    damaged = sorted((tmp_path / "blocks").iterdir())[5]
    damaged.write_bytes(damaged.read_bytes()[:-9])
    again = opened()
    values_BHW, _ = read_all(again)
    np.testing.assert_array_equal(values_BHW, expected)
    assert again.client.tally.requests == 1


@pytest.mark.long
def test_blocks_that_the_map_has_passed_are_removed(opened, tmp_path):
    source = opened()
    read_all(source)
    source.release(119)
    rows = {int(path.name[1:7]) for path in (tmp_path / "blocks").iterdir()}
    assert rows == {80, 120}


def test_only_pixels_inside_the_outline_are_wanted_and_only_their_blocks_fetched(opened, tmp_path, monkeypatch):
    """A right triangle of 900 m; blocks without a pixel of it are not asked for."""
    to_degrees = Transformer.from_crs(32650, 4326, always_xy=True)
    left, top = 212953, 3416157
    corners = [(left, top), (left + 900, top), (left, top - 900), (left, top)]
    ring = [list(to_degrees.transform(*corner)) for corner in corners]
    file = tmp_path / "triangle.geojson"
    file.write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))
    monkeypatch.setattr(composite, "BLOCK_PX", 24)
    source = opened(from_geometry(file, within=plots.REGION))
    _, valid_BHW = read_all(source)
    inside = outline.inside(source.outline_m, source.geobox)
    assert (source.wanted(Window(0, 0, *inside.shape)) == inside).all() and valid_BHW[0, inside].all()
    rows, cols = np.indices(inside.shape)
    x, y = source.geobox.affine * (cols + 0.5, rows + 0.5)
    expected = (x > left) & (y < top) & (x - left + top - y < 900)
    assert (inside != expected).sum() <= 3  # centres within centimetres of an edge
    blocks = pixels.plan(source.geobox.shape, pixels.channels(NAMES), side=24)
    assert source.client.tally.requests == sum(inside[block.slices].any() for block in blocks) < len(blocks)


def test_stored_numbers_are_rounded_half_to_even_and_kept_in_range():
    """docs/reference/formats.md, "Patch dataset"."""
    from isamap.gee_export.base.grid import Raster

    values = np.array([[[0.5, 1.5, -2.5, 70000.0, -90000.0, 3.0]]])
    valid = np.array([[[True, True, True, True, True, False]]])
    box = crop(plots.GRID, Window(0, 0, 1, 6))
    stored = packed(Raster(box, ("B2",), values, valid))
    assert stored.ravel().tolist() == [0, 2, -2, 32767, -32767, NODATA]


@pytest.mark.long
def test_the_map_of_a_composite_is_the_map_of_its_pixels(opened, trained, plot, tmp_path, monkeypatch):
    monkeypatch.setattr(map_module, "INT8", "fp32")  # judged before, as 8 bits are
    folder, checkpoint = trained
    out = tmp_path / "map.tif"
    report = inference.map_region(
        folder, region=plots.REGION, month="2019-06", catalog=str(plot.folder), out=out, progress=False
    )
    values_BHW, valid_BHW = read_all(opened())
    x_BHW, known_HW = normalise(values_BHW, valid_BHW, BANDS), valid_BHW.all(axis=0)
    predictor = Predictor(probabilities_of(checkpoint.build()), len(NAMES), 1, LEGEND)
    lattice = lattice_of(checkpoint)
    side = lattice.side  # the plot ends at its edges, so the ground beyond them has no data
    x_BHW, known_HW = np.pad(x_BHW, ((0, 0), (side, side), (side, side))), np.pad(known_HW, side)
    row, col = offset_from_crs_origin(plots.GRID.affine)
    grid = WindowGrid(*known_HW.shape, lattice.at(row - side, col - side))
    rows, cols = range(side, side + plots.HEIGHT), range(side, side + plots.WIDTH)
    read = lambda w: (x_BHW[:, w.slices[0], w.slices[1]], known_HW[w.slices])  # noqa: E731
    pieces = predict(predictor, read, grid, rows=rows, cols=cols)
    expected = np.concatenate([piece.values_NHW for piece in pieces], axis=1)
    with rasterio.open(out) as mapped:
        np.testing.assert_array_equal(read_map(out), expected)
        tags = mapped.tags()
    assert tags["period"] == "2019-06" and "sentinel1: S1A_IW" in tags["scenes"] and tags["region"] == "plot"
    assert not report.simulated and "Copernicus" in tags["licence"] and report.change.changed == 0


@pytest.mark.parametrize("corner", [plots.REGION.origin_m, (213050, 3416000)])
def test_regions_of_a_zone_share_their_windows(opened, corner):
    """Windows lie where those of a GeoTIFF of the same ground do, whatever lattice the region counts patches on."""
    region = Region("plot", 32650, (213050, 3415000, 214000, 3416000), corner)
    assert opened(region).origin == (-341600, 21305)


PART = Region("part", 32650, (213050, 3415210, 213870, 3416000), (213050, 3416000))  # from row 36 and column 30


def of_part(values_2HW: np.ndarray) -> np.ndarray:
    return values_2HW[:, 36:115, 30:112]


@pytest.fixture
def map_of(plot, home, reconnected, tmp_path, monkeypatch):
    """Maps a region with a network that is hardly sure of any pixel; the classes and probabilities."""
    monkeypatch.setattr(composite, "BLOCK_PX", 512)
    network = small_network("hrnet")
    with torch.no_grad():
        list(network.parameters())[-1][1] += 1.4
    facts = {"classes": LEGEND.names, "thresholds": {"impervious": 0.5, "clahe": 0.4}, "simulated": False}
    facts |= {"composite": SETTINGS.to_json(), "backscatter": "sigma0", "window": 32, "lattice": 24}
    folder = tmp_path / "run"
    checkpoints.save(checkpoints.of_network(network, "hrnet", BANDS, **facts), network, folder)

    def map_it(region: Region, **how) -> np.ndarray:
        where = {"region": region, "month": "2019-06", "catalog": str(plot.folder)}
        out = tmp_path / f"{len(list(tmp_path.glob('*.tif')))}.tif"
        return read_map(inference.map_region(folder, **where, out=out, progress=False, **how).path)

    return map_it


@pytest.mark.long
def test_the_map_of_a_part_is_that_part_of_the_regions_map(map_of):
    """docs/reference/performance.md, "P3"; instance normalisation sees whole windows, so all of them must be equal."""
    np.testing.assert_array_equal(map_of(PART), of_part(map_of(plots.REGION)))


@pytest.mark.long
def test_clahe_of_a_part_is_that_part_of_the_regions(map_of, monkeypatch):
    """Blocks lie on the ground too; here they are smaller, so that the plot holds several."""
    monkeypatch.setattr(postprocess, "BLOCK_PX", 24)
    step = postprocess.Postprocessing(postprocess.clahe, "clahe", 24)
    monkeypatch.setitem(postprocess.POSTPROCESSING, "clahe", step)
    region = map_of(plots.REGION, post="clahe")
    np.testing.assert_array_equal(map_of(PART, post="clahe"), of_part(region))
    assert (region != map_of(plots.REGION)).any()


@pytest.mark.long
def test_an_outlines_map_is_the_regions_inside_it(map_of, tmp_path):
    """The network sees the ground beyond the outline, so neighbours' maps fit together."""
    to_degrees = Transformer.from_crs(32650, 4326, always_xy=True)
    corners = [(213100, 3415900), (213800, 3415900), (213100, 3415300), (213100, 3415900)]
    file = tmp_path / "triangle.geojson"
    ring = [list(to_degrees.transform(*corner)) for corner in corners]
    file.write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))
    triangle = from_geometry(file, within=plots.REGION)
    left, _, _, top = triangle.bounds_m
    row, col = round((plots.TOP - top) / 10), round((left - plots.LEFT) / 10)
    outlined = map_of(triangle)
    inside = outlined[0] != UNKNOWN
    region = map_of(plots.REGION)[:, row : row + inside.shape[0], col : col + inside.shape[1]]
    assert 0.3 < inside.mean() < 0.7
    np.testing.assert_array_equal(outlined[:, inside], region[:, inside])


@pytest.mark.long
def test_an_interrupted_map_of_a_composite_goes_on(opened, make_checkpoint, plot, tmp_path, monkeypatch):
    """The disk fills up while rows are written; the next command maps the rest and leaves the same file."""
    folder = make_checkpoint(composite=SETTINGS.to_json(), halo=None)  # windows of 128 px: some are done by row 100
    options = {"region": plots.REGION, "month": "2019-06", "catalog": str(plot.folder), "progress": False}
    inference.map_region(folder, out=tmp_path / "whole.tif", **options)
    from isamap.inference.map_files.cog import RowsFile

    append = RowsFile.append

    def full(rows, values_2HW):
        if rows.rows + values_2HW.shape[1] > 100:
            raise Fault("the disk is full")
        append(rows, values_2HW)

    monkeypatch.setattr(RowsFile, "append", full)
    with pytest.raises(Fault, match="disk is full"):
        inference.map_region(folder, out=tmp_path / "map.tif", **options)
    monkeypatch.undo()
    monkeypatch.setattr(composite, "BLOCK_PX", 50)
    assert list((tmp_path / "map.tif.run" / job.BLOCKS).iterdir())
    report = inference.map_region(folder, out=tmp_path / "map.tif", **options)
    assert report.resumed_rows > 0
    assert (tmp_path / "map.tif").read_bytes() == (tmp_path / "whole.tif").read_bytes()


def test_a_network_of_other_bands_is_refused(plot, make_checkpoint, opened):
    from dataclasses import replace

    checkpoint = load(make_checkpoint(composite=SETTINGS.to_json()))
    swir = replace(checkpoint, bands=(*checkpoint.bands[:-1], replace(checkpoint.bands[0], name="B11")))
    with pytest.raises(ValueError, match="needs B11, which composites of its settings lack"):
        open_composite(plots.REGION, JUNE, swir, project=None, catalog=str(plot.folder))


def test_backscatter_of_the_other_kind_is_refused(plot, make_checkpoint, opened):
    gamma = load(make_checkpoint(composite=SETTINGS.to_json(), backscatter="gamma0"))
    with pytest.raises(ValueError, match="holds sigma0 backscatter, the checkpoint was trained on gamma0"):
        open_composite(plots.REGION, JUNE, gamma, project=None, catalog=str(plot.folder))


@pytest.fixture
def skies(tmp_path, home, reconnected):
    """2018, when L1C had three acquisitions; of L2A one, which is taken away where a test says so."""
    return skyplots.write(tmp_path / "skies")


def mapped(skies, checkpoint, month: str = "2018-06"):
    period = Month.parse(month).period
    return open_composite(skyplots.REGION, period, checkpoint, project=None, catalog=str(skies.folder)).made


@pytest.mark.long
@pytest.mark.parametrize("wanted", ["l2a", "l1c"])
def test_composites_have_the_level_that_the_checkpoint_was_trained_on(skies, make_checkpoint, wanted):
    """docs/reference/earth-engine.md, "Sentinel-2": L1C is another reflectance, so the fallback of exports is none for
    a model.
    """
    trained = load(make_checkpoint(composite=SETTINGS.to_json() | {"level": wanted}))
    assert trained.level == wanted.upper() == mapped(skies, trained).level


def test_a_checkpoint_of_l2a_refuses_l1c(skies, make_checkpoint):
    for file in (skies.folder / skyplots.L2A).glob("2018*"):
        file.unlink()
    with pytest.raises(ValueError, match=r"Sentinel-2 0 scenes.*the checkpoint was trained on Sentinel-2 L2A"):
        mapped(skies, load(make_checkpoint(composite=SETTINGS.to_json() | {"level": "l2a"})))


@pytest.mark.parametrize(
    ("days", "years"),
    [(("2019-12-01", "2019-12-31"), "2019"), (("2018-06-01", "2019-12-31"), "2018-2019")],
)
def test_the_licence_names_the_years_of_the_scenes(days, years):
    """Copernicus asks for the year of the data; the period's end is the day after its last."""
    made = SimpleNamespace(simulated=False, scenes={"sentinel2": ()}, info={"sentinel2": {}})
    connected = SimpleNamespace(server="earth-engine")
    tags = composite._tags(made, plots.REGION, (Period.between(*days), composites.Settings()), connected)
    assert tags["licence"] == f"contains modified Copernicus Sentinel data {years}"


def test_a_month_without_scenes_is_one_sentence(plot, trained, opened, tmp_path):
    with pytest.raises(ValueError, match="'plot' cannot be composed for 2019-09: found"):
        inference.map_region(
            trained[0], region=plots.REGION, month="2019-09", catalog=str(plot.folder), out=tmp_path / "map.tif"
        )


def test_a_checkpoint_of_older_composites_says_so_and_keeps_its_settings(capsys):
    """Trained on other pixels, it is mapped on those."""
    present = composites.Settings().to_json()
    former = {name: value for name, value in present.items() if name != "composite_version"}
    assert composite.composite_settings(SimpleNamespace(composite=former)).composite_version == 1
    assert "composites of version 1, the present one is 3 (noisy edges" in capsys.readouterr().err
    composite.composite_settings(SimpleNamespace(composite=present))
    assert capsys.readouterr().err == ""


STORED = "projects/local/assets/composites"


@pytest.mark.long
def test_a_map_reads_the_asset_of_the_composite_and_no_scene(plot, trained, home, reconnected, monkeypatch):
    """The default margin holds all the ground that the plot's map depends on."""
    options = {"region": plots.REGION, "month": "2019-06", "settings": {"speckle": "none", "clouds": "none"}}
    compose(**options, asset=STORED, catalog=str(plot.folder))
    server = {"project": None, "catalog": str(plot.folder)}
    direct = open_composite(plots.REGION, JUNE, trained[1], **server)
    monkeypatch.setattr(composites, "build", lambda *_: pytest.fail("composed again"))
    read = open_composite(plots.REGION, JUNE, trained[1], **server, asset=STORED)
    for source in (direct, read):
        source.ground = Ground.of_file(*source.geobox.shape)
        source.keep_in(home / ("direct" if source is direct else "read"))
    for left, right in zip(read_all(direct), read_all(read), strict=True):
        np.testing.assert_array_equal(left, right)
    assert {**read.tags} == {**direct.tags} and read.identity != direct.identity


def test_a_margin_that_is_too_small_for_the_network_is_told(plot, trained, home, reconnected):
    options = {"region": plots.REGION, "month": "2019-06", "settings": {"speckle": "none", "clouds": "none"}}
    asset = "projects/local/assets/narrow"
    compose(**options, asset=asset, catalog=str(plot.folder), margin=0)
    with pytest.raises(ValueError, match=r"\d m of the ground that is read lie beyond it.*--margin"):
        open_composite(plots.REGION, JUNE, trained[1], project=None, catalog=str(plot.folder), asset=asset)
