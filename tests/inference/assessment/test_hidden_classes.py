"""Pixels that a class raster hides, by whatever mark, are unknown to every command that reads classes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import geopandas
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isamap.inference.assessment.class_map import open_class_map
from isamap.inference.assessment.draw import DrawOptions, draw_sample
from isamap.inference.assessment.frame import survey
from isamap.inference.assessment.planning import plan_sample
from isamap.inference.assessment.strata import MapClasses, strata_named
from isamap.inference.assessment.zonal import class_areas, transition_areas
from isamap.inference.polygons.fractions import class_fractions
from isamap.inference.polygons.polygons import PolygonOptions, map_polygons
from tests.support.marked_rasters import MARKS, write_marked

CLASSES = ("pervious", "impervious")
TAGS = {"classes": ",".join(CLASSES)}
PIXEL_KM2 = 1e-4
SHAPE = (24, 18)


def area(path: Path) -> list[float]:
    return class_areas(path).km2[0].tolist()


def change(path: Path) -> list[float]:
    return np.diag(transition_areas(path, path).km2[0]).tolist()


def sample(path: Path) -> list[float]:
    classes = open_class_map(path)
    return (survey(classes, MapClasses(classes.classes)).class_m2 / 1e6).tolist()


def strata(path: Path) -> list[float]:
    """A map that knows everything, divided by the marked raster."""
    plain = write_marked(
        path.with_name("whole.tif"), np.zeros(SHAPE), np.zeros(SHAPE, bool), "no-data value", tags=TAGS
    )
    whole = open_class_map(plain)
    return (survey(whole, strata_named(str(path), whole)).area_BH.sum(axis=0) / 1e6).tolist()


def points(path: Path) -> list[float]:
    """Classes at the pixels' centres, as `assess estimate` reads them at answers."""
    classes = open_class_map(path)
    rows, cols = np.mgrid[: SHAPE[0], : SHAPE[1]]
    values = classes.at(*classes.sheets[0].lonlat(rows.ravel(), cols.ravel()))
    return [float((values == value).sum() * PIXEL_KM2) for value in range(2)]


def shares(path: Path) -> list[float]:
    """`area --grid`."""
    report = class_fractions(path, "60m", path.with_name("cells.tif"))
    return [mean * report.known_km2 for _, mean in report.means]


def polygons(path: Path) -> list[float]:
    target = path.with_name("polygons.gpkg")
    target.unlink(missing_ok=True)
    map_polygons(path, target, PolygonOptions(CLASSES))
    table = geopandas.read_file(target, layer="polygons")
    return [float(table[table["class"] == name].geometry.area.sum() / 1e6) for name in CLASSES]


@st.composite
def grounds(draw) -> tuple[np.ndarray, np.ndarray]:
    """Classes, and a rectangle and single pixels that are hidden; at least one pixel of each class is not."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    class_HW = rng.integers(0, 2, SHAPE)
    hidden_HW = rng.random(SHAPE) < draw(st.sampled_from([0.0, 0.1, 0.7]))
    hidden_HW[draw(st.integers(0, 20)) :, : draw(st.integers(0, 18))] = True
    class_HW[0, :2], hidden_HW[0, :2] = (0, 1), False
    return class_HW, hidden_HW


@pytest.mark.parametrize("reader", [area, change, sample, strata, points, shares])
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ground=grounds(), mark=st.sampled_from(MARKS))
def test_hidden_pixels_are_unknown_to_every_reader_of_classes(tmp_path, reader, ground, mark):
    assert_known(tmp_path, reader, ground, mark)


@pytest.mark.long
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ground=grounds(), mark=st.sampled_from(MARKS))
def test_hidden_pixels_are_no_part_of_polygons(tmp_path, ground, mark):
    assert_known(tmp_path, polygons, ground, mark)


def assert_known(folder: Path, reader: Callable[[Path], list[float]], ground, mark: str) -> None:
    """The km2 of each class that a reader finds are the pixels that NumPy counts."""
    class_HW, hidden_HW = ground
    for old in folder.glob("map.tif*"):
        old.unlink()
    path = write_marked(folder / "map.tif", class_HW, hidden_HW, mark, tags=TAGS)
    expected = [((class_HW == value) & ~hidden_HW).sum() * PIXEL_KM2 for value in range(2)]
    assert reader(path) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("mark", MARKS)
def test_no_point_is_drawn_on_a_hidden_pixel(tmp_path, mark):
    class_HW = np.zeros((20, 20), int)
    class_HW[:, 15:] = 1
    hidden_HW = np.zeros_like(class_HW, bool)
    hidden_HW[:, 3:] = np.arange(3, 20) != 16  # columns 0 to 2 and 16 are known
    path = write_marked(tmp_path / "map.tif", class_HW, hidden_HW, mark, tags=TAGS)
    drawn = draw_sample(path, tmp_path / "sample", design=DrawOptions(points=40)).sample
    _, cols = (
        open_class_map(path)
        .sheets[0]
        .rows_cols(np.array([point.lon for point in drawn.points]), np.array([point.lat for point in drawn.points]))
    )
    assert set(cols.tolist()) == {0, 1, 2, 16}


@pytest.mark.parametrize("mark", MARKS)
def test_a_plan_divides_points_by_the_ground_that_is_not_hidden(tmp_path, mark):
    class_HW, hidden_HW = np.zeros((20, 20), int), np.zeros((20, 20), bool)
    class_HW[:, 10:], hidden_HW[:, 3:10] = 1, True
    marked = write_marked(tmp_path / "map.tif", class_HW, hidden_HW, mark, tags=TAGS)
    known_HW = np.where(hidden_HW, 255, class_HW)
    plain = write_marked(tmp_path / "plain.tif", known_HW, hidden_HW & False, MARKS[0], tags=TAGS)
    assert str(plan_sample(marked)).replace("map.tif", "plain.tif") == str(plan_sample(plain))
