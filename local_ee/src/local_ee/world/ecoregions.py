"""The three ecoregions of Google's examples of charts, with climate normals by rule (guides/charts_feature).

Places, names and the names of the properties are those of the page ("See how the example data were created"). The
numbers are a year's wave around a mean that suits each place: those of PRISM are not here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import shapely

from local_ee.catalog.table import INDEX, SourceFeature

EXAMPLE = "projects/google/charts_feature_example"
# label, box, then means and halves of the yearly range: temperature (deg C), rain (mm a month), and the month of most
_REGIONS = (
    ("Desert", (-109.21, 31.42, -108.3, 32.03), (15.5, 10.0), (26.0, 22.0, 8)),
    ("Forest", (-122.73, 43.45, -122.28, 43.91), (9.5, 7.5), (125.0, 100.0, 12)),
    ("Grassland", (-101.81, 41.7, -100.53, 42.51), (9.0, 13.5), (42.0, 36.0, 6)),
)
_WARMEST_MONTH = 7
_DAY_HALF = 8.0  # deg C between the mean and the least or greatest of a day


def ecoregions() -> tuple[SourceFeature, ...]:
    """The features, each with simulated = 1."""
    return tuple(_feature(index, *region) for index, region in enumerate(_REGIONS))


def _feature(
    number: int,
    label: str,
    box: tuple[float, float, float, float],
    warmth: tuple[float, float],
    rain: tuple[float, float, int],
) -> SourceFeature:
    values = dict(_normals(warmth, rain))
    named = {"label": label, "value": number, "warm": int(values["01_tmean"] > 0), "simulated": 1}
    return SourceFeature(shapely.box(*box), {INDEX: f"{number:020x}", **values, **named})


def _normals(warmth: tuple[float, float], rain: tuple[float, float, int]) -> Iterator[tuple[str, float]]:
    """The properties 01_ppt to 12_vpdmin: millimetres, degrees Celsius and hectopascals."""
    for month in range(1, 13):
        mean = warmth[0] + warmth[1] * _wave(month, _WARMEST_MONTH)
        dew = mean - 6.0
        least, most = mean - _DAY_HALF, mean + _DAY_HALF
        values = {
            "ppt": rain[0] + rain[1] * _wave(month, rain[2]),
            "tdmean": dew,
            "tmax": most,
            "tmean": mean,
            "tmin": least,
            "vpdmax": max(_saturated_hpa(most) - _saturated_hpa(dew), 0.0),
            "vpdmin": max(_saturated_hpa(least) - _saturated_hpa(dew), 0.0),
        }
        yield from ((f"{month:02d}_{name}", round(value, 4)) for name, value in values.items())


def _wave(month: int, peak: int) -> float:
    return math.cos(2 * math.pi * (month - peak) / 12)


def _saturated_hpa(celsius: float) -> float:
    """Pressure of saturated vapour (Tetens, Zeitschrift fuer Geophysik 6, 1930)."""
    return 6.1078 * math.exp(17.27 * celsius / (celsius + 237.3))
