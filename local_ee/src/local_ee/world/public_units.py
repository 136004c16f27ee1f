"""Countries, their first-level units and smaller ones: about where they are, in shapes that do not overlap.

Boxes were written down for this project from general knowledge. Outlines are rounded boxes that neighbours cut from
each other: a town usually lies in its own country, and no line is a boundary of anything.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from local_ee.world.cities import CITIES
from local_ee.world.places import TOWNS

_COUNTRIES = Path(__file__).with_name("countries.txt")
_STATES = Path(__file__).with_name("states.txt")
_SQUARENESS, _CORNERS = 5.0, 48
_MUCH_SMALLER = 0.35  # a box of less than this share of another is cut out of it; else a line parts the two
_FAR = 1000.0
_LEAST_AREA = 1e-6  # square degrees
_WHOLE = "US"  # a country that is as large as all of its states, Alaska and Hawaii too
_QUARTERS = (("South-West", 0, 0), ("South-East", 1, 0), ("North-West", 0, 1), ("North-East", 1, 1))
_CELLS = 4  # along a side, of the smallest units


@dataclass(frozen=True)
class Unit:
    """A unit: its names and codes from the country down, the region of its country, and its outline in EPSG:4326.

    iso2 and iso3 are the country's; census and postal are codes of the states of the US, else empty.
    """

    names: tuple[str, ...]
    codes: tuple[int, ...]
    iso2: str
    iso3: str
    region: str
    outline: BaseGeometry
    census: str = ""
    postal: str = ""


@cache
def countries() -> tuple[Unit, ...]:
    """Every country of the list."""
    rows = [line.split("|") for line in _lines(_COUNTRIES)]
    shapes = _parted([_rounded(row[4]) for row in rows])
    home = shapely.unary_union(_parted([_rounded(row[4]) for row in _listed()[_WHOLE]]))
    shapes = [
        home if row[1] == _WHOLE else _polygons(shape.difference(home)) for row, shape in zip(rows, shapes, strict=True)
    ]
    return tuple(
        Unit((name,), (code,), iso2, iso3, region, outline)
        for code, ((name, iso2, iso3, region, _), outline) in enumerate(zip(rows, shapes, strict=True), 1)
    )


@cache
def states() -> tuple[Unit, ...]:
    """The first-level units: real names for China and the US, quarters by their direction elsewhere."""
    return tuple(unit for country in countries() for unit in _states_of(country, _listed().get(country.iso2, [])))


@cache
def counties() -> tuple[Unit, ...]:
    """The second-level units: cells of the first-level ones, named after a town of the world where one lies in them."""
    return tuple(cell for state in states() for cell in _cells_of(state))


@cache
def _listed() -> dict[str, list[list[str]]]:
    """The rows of the list of states, by country."""
    listed: dict[str, list[list[str]]] = {}
    for line in _lines(_STATES):
        listed.setdefault(line.split("|")[0], []).append(line.split("|"))
    return listed


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]


def _states_of(country: Unit, rows: Sequence[Sequence[str]]) -> Iterator[Unit]:
    if rows:
        shapes = _parted([_rounded(row[4]) for row in rows])
        for code, (row, outline) in enumerate(zip(rows, shapes, strict=True), 1):
            yield _below(country, row[1], code, outline, row[2], row[3])
        return
    west, south, east, north = country.outline.bounds
    width, height = (east - west) / 2, (north - south) / 2
    for code, (direction, column, up) in enumerate(_QUARTERS, 1):
        left, bottom = west + column * width, south + up * height
        quarter = _polygons(country.outline.intersection(shapely.box(left, bottom, left + width, bottom + height)))
        if quarter.area > 0:
            yield _below(country, f"{country.names[0]} {direction}", code, quarter)


def _below(unit: Unit, name: str, number: int, outline: BaseGeometry, census: str = "", postal: str = "") -> Unit:
    code = unit.codes[-1] * 100 + number
    return Unit(
        (*unit.names, name), (*unit.codes, code), unit.iso2, unit.iso3, unit.region, outline,
        census or unit.census, postal or unit.postal,
    )  # fmt: skip


def _cells_of(state: Unit) -> Iterator[Unit]:
    west, south, east, north = state.outline.bounds
    width, height = (east - west) / _CELLS, (north - south) / _CELLS
    towns = _towns()
    used: set[str] = set()
    for index in range(_CELLS * _CELLS):
        row, column = divmod(index, _CELLS)
        left, bottom = west + column * width, south + row * height
        cell = _polygons(state.outline.intersection(shapely.box(left, bottom, left + width, bottom + height)))
        if cell.area <= 0:
            continue
        inside = (
            name
            for name, lon, lat in towns
            if left <= lon < left + width and bottom <= lat < bottom + height and name not in used
        )
        name = next(inside, f"{state.names[-1]} {index + 1}")
        used.add(name)
        yield _below(state, name, index + 1, cell)


@cache
def _towns() -> tuple[tuple[str, float, float], ...]:
    """Names and places, the larger lists' first: cities, then the towns of the shipped regions."""
    named = [("Wuhan", 114.3, 30.58), *((town[0], town[1], town[2]) for town in (*CITIES, *TOWNS))]
    return tuple((str(name), float(lon), float(lat)) for name, lon, lat in named)


def _rounded(text: str) -> shapely.Polygon:
    """A box with rounded corners."""
    west, south, east, north = (float(side) for side in text.split(","))
    turns = np.arange(_CORNERS) * 2 * math.pi / _CORNERS
    bend = (np.abs(np.cos(turns)) ** _SQUARENESS + np.abs(np.sin(turns)) ** _SQUARENESS) ** (-1 / _SQUARENESS)
    x = (west + east) / 2 + bend * np.cos(turns) * (east - west) / 2
    y = (south + north) / 2 + bend * np.sin(turns) * (north - south) / 2
    return shapely.Polygon(np.column_stack([x, y]))


def _polygons(shape: BaseGeometry) -> BaseGeometry:
    """The parts of a shape that have an area."""
    return shapely.unary_union([polygon for polygon in shapely.get_parts(shape) if polygon.area > _LEAST_AREA])


def _parted(shapes: Sequence[shapely.Polygon]) -> list[BaseGeometry]:
    """Shapes of which none overlaps another."""
    results: list[BaseGeometry] = list(shapes)
    tree = shapely.STRtree(shapes)
    for i, shape in enumerate(shapes):
        for j in tree.query(shape, predicate="intersects"):
            if i < j:
                _part(results, shapes, i, int(j))
    return results


def _part(results: list[BaseGeometry], shapes: Sequence[shapely.Polygon], i: int, j: int) -> None:
    small, large = sorted((i, j), key=lambda number: shapes[number].area)
    if shapes[small].area < _MUCH_SMALLER * shapes[large].area:
        results[large] = results[large].difference(results[small])
        return
    line = _line_between(shapes[i], shapes[j])
    results[i], results[j] = results[i].intersection(line[0]), results[j].intersection(line[1])


def _line_between(left: shapely.Polygon, right: shapely.Polygon) -> tuple[shapely.Polygon, shapely.Polygon]:
    """The half-planes of two shapes, parted where their sizes along the line of their centres say."""
    (x, y), (end_x, end_y) = ((shape.envelope.centroid.x, shape.envelope.centroid.y) for shape in (left, right))
    distance = math.hypot(end_x - x, end_y - y) or 1.0
    ux, uy = (end_x - x) / distance, (end_y - y) / distance
    reaches = []
    for shape in (left, right):
        west, south, east, north = shape.bounds
        reaches.append((east - west) / 2 * abs(ux) + (north - south) / 2 * abs(uy))
    at = distance * reaches[0] / sum(reaches)
    mx, my = x + ux * at, y + uy * at
    along = [(mx - uy * _FAR, my + ux * _FAR), (mx + uy * _FAR, my - ux * _FAR)]
    back = [(px - ux * _FAR, py - uy * _FAR) for px, py in reversed(along)]
    ahead = [(px + ux * _FAR, py + uy * _FAR) for px, py in reversed(along)]
    return shapely.Polygon([*along, *back]), shapely.Polygon([*along, *ahead])
