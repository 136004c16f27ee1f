"""Pictures: written, bounded, placed right. What they look like was looked at by eye; here are the facts in them."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from isamap import inference
from isamap.gee_export.datasets.dataset import Band, Dataset, DatasetManifest, Sample, write
from isamap.gee_export.datasets.manifest import Grid as DatasetGrid
from isamap.inference.map_files.map_file import open_map
from isamap.inference.web_map import static_picture as picture
from tests.inference.conftest import BANDS, NAMES, WUHAN


def pixels_of(path) -> np.ndarray:
    from matplotlib.image import imread

    return np.rint(imread(path)[:, :, :3] * 255).astype(np.uint8)


@pytest.mark.long
def test_the_picture_shows_the_maps_colours(finished_map, random_map, tmp_path):
    drawn = inference.view(finished_map(random_map), out=tmp_path / "map.png")
    colours = {tuple(colour) for colour in pixels_of(drawn.path).reshape(-1, 3)}
    assert (0xE3, 0x1A, 0x1C) in colours and (0xD9, 0xD9, 0xD9) in colours
    assert str(drawn) == str(tmp_path / "map.png")


@pytest.mark.long
def test_equal_maps_give_equal_pictures(finished_map, random_map, tmp_path):
    path = finished_map(random_map)
    first, second = (inference.view(path, out=tmp_path / name).path.read_bytes() for name in ("a.png", "b.png"))
    assert first == second


def test_a_large_map_is_read_through_its_overviews(finished_map):
    """Memory is bounded: no more than 350 px a side are decoded, and the ground stays the same."""
    large = np.zeros((2, 600, 1400), np.uint8)
    large[:, :, 700:] = 1
    values_2HW, geobox = open_map(finished_map(large)).shrunk(350)
    assert values_2HW.shape == (2, 150, 350) == (2, *geobox.shape)
    assert geobox.affine == Affine(40, 0, WUHAN.c, 0, -40, WUHAN.f)
    np.testing.assert_array_equal(values_2HW[0], np.repeat([[0] * 175 + [1] * 175], 150, axis=0))


def test_ticks_lie_at_their_longitudes(finished_map, random_map):
    """pyproj says where a round longitude crosses the lower edge."""
    from matplotlib.figure import Figure
    from pyproj import Transformer

    box = GeoBox((900, 700), WUHAN, "EPSG:32650")
    axes = Figure().subplots()
    picture._coordinates(axes, box)
    to_degrees = Transformer.from_crs(32650, 4326, always_xy=True)
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert len(labels) >= 2
    for location, label in zip(axes.get_xticks(), labels, strict=True):
        lon, _ = to_degrees.transform(*(box.affine * (location + 0.5, 900)))
        assert float(label.rstrip("°EW")) == pytest.approx(lon, abs=1e-5)


@pytest.mark.parametrize(("low", "high"), [(113.996, 114.24), (-0.3, 0.31), (30.71, 30.7123), (5, 40)])
def test_tick_values_are_round_and_inside(low, high):
    values, digits = picture._round_values(low, high)
    assert 2 <= len(values) <= 9 and low <= values.min() and values.max() <= high
    np.testing.assert_allclose(values, np.round(values, digits), atol=1e-9)


def test_a_picture_is_a_png(finished_map, random_map, tmp_path):
    with pytest.raises(ValueError, match=r"ends in \.png"):
        inference.view(finished_map(random_map), out=tmp_path / "map.jpg")


def test_the_right_panel_shows_the_probabilities(finished_map, random_map, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(picture, "_draw_probability", lambda figure, axes, share_HW: drawn.append(share_HW))
    inference.view(finished_map(random_map), out=tmp_path / "map.png")
    np.testing.assert_array_equal(drawn, random_map[1:])


@pytest.mark.parametrize("arguments", [{"path": None}, {"out": 3}])
def test_wrong_arguments_are_named(tmp_path, arguments):
    ((name, value),) = arguments.items()
    with pytest.raises(ValueError, match=f"{name}={value}: expected text"):
        inference.view(**({"path": tmp_path / "map.tif", "out": tmp_path / "map.png"} | arguments))


@pytest.fixture
def dataset(tmp_path) -> Dataset:
    """Four patches of 32 px at WUHAN's corner, the label a diagonal."""
    size = 32
    rng = np.random.default_rng(0)
    samples = []
    for row in (0, 32):
        for col in (0, 32):
            image = rng.integers(-2000, 3000, (len(NAMES), size, size)).astype(np.int16)
            rows, cols = np.indices((size, size))
            label = ((rows + row) > (cols + col)).astype(np.uint8)
            samples.append(Sample("town", "201906", row, col, "train", image, label))
    bands = tuple(Band(norm.name, norm.unit, 1e-4 if norm.unit == "reflectance" else 0.01) for norm in BANDS)
    head = DatasetManifest(
        name="town",
        simulated=True,
        source={"server": "test"},
        image={},
        bands=bands,
        label={"product": "test"},
        periods=({"label": "201906", "start": "2019-06-01", "end": "2019-07-01"},),
        settings={},
        backscatter="sigma0",
        grids={"town": DatasetGrid.of(GeoBox((2 * size, 2 * size), WUHAN, "EPSG:32650"))},
        size=size,
        stride=size,
        split={"kind": "blocks"},
    )
    return write(tmp_path / "data", head, samples)


@pytest.mark.long
def test_panels_show_the_same_ground(dataset, tmp_path, monkeypatch, finished_map):
    """The label panel and the map panel of a perfect map are the same picture."""
    rows, cols = np.indices((64, 64))
    truth = (rows > cols).astype(np.uint8)
    path = finished_map(np.stack([truth, truth * 254]), region="town")
    drawn = []
    monkeypatch.setattr(picture, "_draw_classes", lambda axes, class_HW, legend: drawn.append(class_HW))
    inference.figure_panels(tmp_path / "data", path, out=tmp_path / "panels.png")
    np.testing.assert_array_equal(drawn[0], truth)
    np.testing.assert_array_equal(drawn[1], truth)


def test_panels_of_other_ground_are_refused(dataset, tmp_path, finished_map, random_map):
    far = finished_map(random_map, "far.tif", transform=WUHAN * Affine.translation(500, 0))
    with pytest.raises(ValueError, match=r"no patch of .* lies on the map"):
        inference.figure_panels(tmp_path / "data", far, out=tmp_path / "panels.png")
    shifted = finished_map(random_map, "shifted.tif", transform=WUHAN * Affine.translation(0.5, 0))
    with pytest.raises(ValueError, match="lie on another grid"):
        inference.figure_panels(tmp_path / "data", shifted, out=tmp_path / "panels.png")


def test_panels_are_cut_to_their_middle():
    places = {"a": (0, 0), "b": (0, 100), "c": (-20, 180)}
    window = picture._shared_middle(places, 64, GeoBox((50, 200), WUHAN, "EPSG:32650"), 40)
    assert (window.row_off, window.col_off, window.height, window.width) == (5, 80, 40, 40)


def test_missing_pixels_are_white_in_true_colour():
    image_BHW = np.full((6, 4, 4), 0.1, np.float32)
    image_BHW[:, 0, 0] = np.nan
    image_BHW[:3, 2:] = 0.3
    shown = picture._true_colour(image_BHW, NAMES)
    assert (shown[0, 0] == 1).all() and (shown[1, 1] == 0).all() and np.isfinite(shown).all()


@pytest.mark.parametrize(
    ("tags", "line"),
    [
        ({"simulated": "false"}, None),
        ({"simulated_parts": "input, training"}, "simulated: says nothing about the real place"),
        ({"simulated_parts": "training"}, "by a network that learned from simulated images"),
    ],
)
def test_the_title_says_which_part_was_simulated(finished_map, random_map, tags, line):
    title = picture._title(open_map(finished_map(random_map, **tags)), random_map[0])
    assert title.splitlines()[1:] == ([line] if line else [])
