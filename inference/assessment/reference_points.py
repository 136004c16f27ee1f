"""Reference points that somebody else collected: placed on the map, and taken for the sample that they are.

What nobody drew by chance (field campaigns, points where access was easy, those that active learning picked) is no
probability sample: it says how the map does at those points, and nothing of areas (Stehman 2009, International Journal
of Remote Sensing 30, 5243-5272, section 2).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely
from pyproj import CRS

from isamap.gee_export.base import exchanged, sheet_text
from isamap.gee_export.base.feature_table import read_table
from isamap.gee_export.base.scheme import UNKNOWN
from isamap.inference.assessment import answers as answering
from isamap.inference.assessment.answers import Interpretation
from isamap.inference.assessment.class_map import ClassMap
from isamap.inference.assessment.frame import SamplingFrame, survey
from isamap.inference.assessment.sample import DrawnSample, Point, Stratum
from isamap.inference.assessment.strata import MapClasses, WholeMap
from isamap.inference.assessment.tables import listed

CLAIMS = ("purposive", "simple", "stratified")  # stratified: by the map's own classes
INCLUSION = "inclusion"
SAMPLING, CHOSEN = "sampling", "chosen"  # the column by which `isamap ask` marks its points, and its value
LON, LAT = ("lon", "longitude", "xcoordinate"), ("lat", "latitude", "ycoordinate")
FLAW = (
    "its points have no inclusion probabilities, so nobody knows what ground they stand for; draw one with `isamap "
    "assess sample`, or say with --design how these were drawn at random"
)
PLACE_DIGITS = 7  # of a degree: 1 cm
_SHOWN = 5


@dataclass(frozen=True)
class ReferencePoints:
    """A file of points with classes, and how they were drawn (CLAIMS): purposive unless the user says more.

    column: of the class. A column `inclusion` with inclusion probabilities makes them a probability sample.
    """

    path: str
    column: str = answering.CLASS_COLUMN
    design: str = "purposive"

    def __post_init__(self) -> None:
        if self.design not in CLAIMS:
            raise ValueError(f"--design {self.design!r}: expected {', '.join(CLAIMS)}")


def place_points(reference: ReferencePoints, class_map: ClassMap) -> tuple[DrawnSample, tuple[Interpretation, ...]]:
    """The points as a sample of the map, and their classes.

    ValueError: points outside the map, places that are no degrees, ids that come twice, unknown classes.
    """
    path = Path(reference.path)
    _check_claim(path, reference.design)
    read = answering.read_answers(path, class_map.classes, reference.column)
    plotids, lon, lat, inclusion = _places(path)
    _check_places(path, plotids, lon, lat)
    class_N = class_map.at(lon, lat)
    if exchanged.look_exchanged(lon, lat, lambda x, y: class_map.at(x, y) != UNKNOWN):
        raise ValueError(f"the points of {path} lie off the map {class_map.name}, and {exchanged.WORDS}")
    if (off := np.flatnonzero(class_N == UNKNOWN)).size:
        raise ValueError(
            f"{off.size} of {len(lon)} points of {path} lie outside the map {class_map.name} or where it knows no "
            f"class (plotids {listed(plotids[off].tolist())}): leave them out, or check the coordinate system of the "
            "points"
        )
    by_class = reference.design == "stratified"
    frame = survey(class_map, MapClasses(class_map.classes) if by_class else WholeMap())
    names = [class_map.classes[value] for value in class_N]
    strata_N = names if by_class else [frame.strata.names[0]] * len(names)
    shares_N = np.zeros(len(names)) if inclusion is None else inclusion
    rows = zip(plotids.tolist(), lon.tolist(), lat.tolist(), strata_N, names, shares_N.tolist(), strict=True)
    points = tuple(Point(int(plotid), x, y, stratum, name, float(share)) for plotid, x, y, stratum, name, share in rows)
    design = "weighted" if inclusion is not None and not by_class else reference.design
    sample = DrawnSample(
        design=design,
        points=points,
        strata=_strata(frame),
        class_km2=dict(zip(class_map.classes, (frame.class_m2 / 1e6).tolist(), strict=True)),
        maps=tuple(str(sheet.path) for sheet in class_map.sheets),
        settings={"reference": path.name},
        flaw=FLAW if design == "purposive" else "",
        simulated=class_map.simulated,
        notes=(f"the design ({design}) is what the user says of {path.name}",) if design != "purposive" else (),
    )
    return sample, read


def _strata(frame: SamplingFrame) -> tuple[Stratum, ...]:
    """The strata of a surveyed map."""
    return tuple(
        Stratum(name, float(m2) / 1e6, int(pixels), frame.strata.class_of.get(name, ""))
        for name, m2, pixels in zip(frame.strata.names, frame.strata_m2, frame.pixels_BH.sum(axis=0), strict=True)
    )


def _check_places(path: Path, plotids: np.ndarray, lon: np.ndarray, lat: np.ndarray) -> None:
    """ValueError where one place comes twice: counted twice, a point feigns certainty that nobody has."""
    places = np.round(np.stack([lon, lat], axis=1), PLACE_DIGITS)
    _, first, times = np.unique(places, axis=0, return_index=True, return_counts=True)
    if (times > 1).any():
        at = int(first[times > 1].min())
        same = plotids[(places == places[at]).all(axis=1)]
        raise ValueError(
            f"{int((times > 1).sum())} places of {path} come more than once (plotids "
            f"{', '.join(map(str, same[:_SHOWN]))} are one): keep one row of each place"
        )


def _check_claim(path: Path, design: str) -> None:
    """ValueError where `isamap ask` chose the points and they are claimed to be drawn at random."""
    columns = {name.lower(): values for name, values in answering.columns_of(path).items()}
    if design != "purposive" and CHOSEN in {str(value) for value in columns.get(SAMPLING, ())}:
        raise ValueError(
            f"--design {design}: {path} holds points that `isamap ask` chose where the network is unsure, which are no "
            "probability sample; draw one with `isamap assess sample`"
        )


def columns_and_places(path: Path) -> tuple[dict[str, list], np.ndarray, np.ndarray]:
    """Columns by name, longitudes and latitudes of a CSV (LON, LAT in degrees) or a vector file of points.

    ValueError: no such file, no points, places that are no degrees.
    """
    if path.suffix.lower() in sheet_text.ENDINGS:
        columns = answering.columns_of(path)
        lon, lat = (_numbers(columns, names, path) for names in (LON, LAT))
    else:
        table = read_table(path, "reference points")
        columns = {name: list(values) for name, values in table.columns.items()}
        lon, lat = _of_shapes(table.in_system(CRS.from_epsg(4326)), path)
    if not exchanged.are_degrees(lon, lat).all():
        if exchanged.look_exchanged(lon, lat, exchanged.are_degrees):
            raise ValueError(f"{path} holds places such as {lon[0]:g} {lat[0]:g}: {exchanged.WORDS}")
        raise ValueError(
            f"{path} holds places such as {lon[0]:g} {lat[0]:g}, which are no degrees: a CSV is in EPSG:4326; save "
            "other systems as a GeoPackage, which says its own"
        )
    return columns, lon, lat


def _places(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    """Ids, longitudes, latitudes, and inclusion probabilities where there are any."""
    columns, lon, lat = columns_and_places(path)
    lower = {name.lower(): name for name in columns}
    ids = np.array([answering.plotid(value, path) for value in columns[answering.id_column(lower, columns, path)]])
    if INCLUSION not in lower:
        return ids, lon, lat, None
    chances = _numbers(columns, (INCLUSION,), path)
    if not ((chances > 0) & (chances <= 1)).all():
        raise ValueError(f"{path}, column {INCLUSION}: expected probabilities above 0 and at most 1")
    return ids, lon, lat, chances


def _of_shapes(shapes: np.ndarray, path: Path) -> tuple[np.ndarray, np.ndarray]:
    if (shapely.get_type_id(shapes) != shapely.GeometryType.POINT).any():
        raise ValueError(f"{path} holds geometries that are no points: give the points that were interpreted")
    return shapely.get_x(shapes), shapely.get_y(shapes)


def _numbers(columns: dict[str, list], names: tuple[str, ...], path: Path) -> np.ndarray:
    lower = {name.lower(): name for name in columns}
    column = next((lower[name] for name in names if name in lower), None)
    if column is None:
        raise ValueError(f"{path} has no column {names[0].upper()}: a CSV of points needs LON and LAT in degrees")
    try:
        return np.array([sheet_text.number(value) for value in columns[column]])
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}, column {column}: {error}; expected numbers") from error
