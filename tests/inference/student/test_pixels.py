"""A student's map by `isamap map` and by its Earth Engine graph: the same pixels, masks and edges."""

from __future__ import annotations

from dataclasses import replace

import ee
import numpy as np
import pytest
import torch

from isamap import inference
from isamap.gee_export.base.grid import Window, grid_of
from isamap.gee_export.base.regions import Month
from isamap.gee_export.requests import pixels
from isamap.gee_export.requests.channel import Channel
from isamap.gee_export.requests.client import Cell, Client
from isamap.gee_export.sentinel import composite as composites
from isamap.inference.cutting.cut import WindowGrid
from isamap.inference.cutting.frame import shifted
from isamap.inference.cutting.windows import lattice_of
from isamap.inference.inputs.composite import open_composite
from isamap.inference.inputs.source import InputSource
from isamap.inference.map_files.legend import Legend
from isamap.inference.mapping.dates import view
from isamap.inference.mapping.predict import Predictor, predict
from isamap.inference.student import graph
from isamap.inference.student.parameters import Parameters
from isamap.training.checkpoints.checkpoint import load, normalise
from isamap.training.runtimes import open_forward
from isamap.training.runtimes.probabilities import probabilities_of
from tests.inference.student.conftest import SETTINGS, random_student, save_student
from tests.support import plot as plots
from tests.support.map_files import read_map

JUNE = Month(2019, 6).period
PART = replace(plots.REGION, name="inner", bounds_m=tuple(np.add(plots.REGION.bounds_m, (300, 250, -410, -330))))


def by_graph(image: ee.Image, region=plots.REGION, channel: Channel | None = None) -> pixels.Raster:
    """One band's pixels on the region's grid, asked of the engine."""
    channel = channel or Channel("prob", "float64")
    cell = Cell(0, "grid", image.select(channel.name), grid_of(region), (channel,))
    ((_, answer),) = Client()([cell])
    return pixels.raster(answer, grid_of(region), (channel,))


def by_map(trained, source: InputSource) -> np.ndarray:
    """Probabilities of impervious as a map's windows give them, before they become bytes."""
    mapped, seen = source.ground.mapped, source.ground.seen
    predictor = Predictor(
        probabilities_of(open_forward(trained)),
        len(trained.bands),
        1,
        Legend(trained.classes),
        values=lambda chance_KHW, _: chance_KHW.astype(np.float64),
    )
    first, left = mapped.row - seen.row, mapped.col - seen.col
    rows = predict(
        predictor,
        shifted(view(source, trained).read, seen.row, seen.col),
        WindowGrid(
            seen.height, seen.width, lattice_of(trained).at(source.origin[0] + seen.row, source.origin[1] + seen.col)
        ),
        rows=range(first, first + mapped.height),
        cols=range(left, left + mapped.width),
        workers=1,
    )
    return np.concatenate([piece.values_NHW[0] for piece in rows], axis=0)


def _normalised(raster, trained):
    return normalise(raster.values_BHW, raster.valid_BHW, trained.bands), raster.valid_BHW.all(axis=0)


@pytest.fixture
def opened(connected, plot, student_folder, tmp_path):
    def open_it(region=plots.REGION, folder=student_folder):
        source = open_composite(region, JUNE, load(folder), project=None, catalog=str(plot.folder))
        source.keep_in(tmp_path / "blocks")
        return source

    return open_it


def image_of(folder, region=plots.REGION, clip=None) -> ee.Image:
    packed = composites.build(region, JUNE, SETTINGS).packed
    return graph.student_image(packed if clip is None else packed.clip(clip), Parameters.of(load(folder)))


@pytest.mark.long
def test_the_graph_gives_the_maps_probabilities(opened, student_folder):
    source = opened()
    answer, mapped = by_graph(image_of(student_folder)), by_map(load(student_folder), source)
    listed = answer.valid_BHW[0]
    assert 0.3 < listed.mean() < 1 and np.ptp(mapped[listed]) > 0.1
    np.testing.assert_allclose(answer.values_BHW[0][listed], mapped[listed], rtol=0, atol=1e-6)


@pytest.mark.long
def test_the_graph_is_masked_where_the_map_is_unknown(opened, student_folder):
    source = opened()
    height, width = source.geobox.shape
    is_known = source.read(Window(0, 0, height, width)).valid_BHW.all(axis=0)
    np.testing.assert_array_equal(by_graph(image_of(student_folder)).valid_BHW[0], is_known)


@pytest.mark.long
def test_windows_give_what_the_whole_image_gives(opened, student_folder):
    """The plot takes four windows, which overlap by the network's reach."""
    source, trained = opened(), load(student_folder)
    mapped = by_map(trained, source)
    x_BHW, listed = _normalised(source_again(opened), trained)
    with torch.inference_mode():
        full = torch.softmax(trained.build()(torch.from_numpy(x_BHW)[None]).logits_BKHW[0], 0)[1].numpy()
    assert len(lattice_of(trained).at(*source.origin).windows(*listed.shape)) >= 4
    np.testing.assert_allclose(mapped[listed], full[listed], rtol=0, atol=1e-7)


def source_again(opened):
    source = opened()
    return source.read(Window(0, 0, *source.geobox.shape))


def test_windows_have_the_students_reach_around_them(student_folder):
    assert lattice_of(load(student_folder)).halo == load(student_folder).build().halo == 7


@pytest.mark.long
def test_a_part_of_the_plot_is_the_graph_of_its_pixels(opened, student_folder):
    """A map of a box reads the ground around it, as Earth Engine does: its edges are the whole plot's."""
    source = opened(PART)
    answer = by_graph(image_of(student_folder, PART), PART)
    mapped, listed = by_map(load(student_folder), source), answer.valid_BHW[0]
    assert listed[0].any() and listed[:, -1].any()
    np.testing.assert_allclose(answer.values_BHW[0][listed], mapped[listed], rtol=0, atol=1e-6)


@pytest.mark.long
def test_isamap_map_writes_the_graphs_classes(connected, plot, student_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("ISAMAP_HOME", str(connected.home))
    out = tmp_path / "map.tif"
    inference.map_region(
        student_folder, out=out, region=plots.REGION, month="2019-06", catalog=str(plot.folder), progress=False
    )
    isa = by_graph(image_of(student_folder), channel=Channel("isa", "uint8", 255))
    mapped = read_map(out)
    np.testing.assert_array_equal(mapped[0], np.where(isa.valid_BHW[0], isa.values_BHW[0], 255))
    prob = by_graph(image_of(student_folder))
    np.testing.assert_array_equal(mapped[1][prob.valid_BHW[0]], np.rint(prob.values_BHW[0] * 254)[prob.valid_BHW[0]])


@pytest.mark.long
def test_a_student_of_seven_classes_is_its_graph(opened, tmp_path):
    names = ("cropland", "woodland", "grassland", "water", "impervious", "bare", "snow_ice")
    folder = save_student(random_student(7), names, tmp_path / "seven")
    source, trained = opened(folder=folder), load(folder)
    raster = source.read(Window(0, 0, *source.geobox.shape))
    x_BHW, listed = _normalised(raster, trained)
    with torch.inference_mode():
        chance_KHW = torch.softmax(trained.build()(torch.from_numpy(x_BHW)[None]).logits_BKHW[0], 0).numpy()
    answer = by_graph(image_of(folder), channel=Channel("class", "uint8", 255))
    assert len(np.unique(chance_KHW.argmax(0)[listed])) > 2
    np.testing.assert_array_equal(answer.values_BHW[0][listed], chance_KHW.argmax(0)[listed])
