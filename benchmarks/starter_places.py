"""Where the starter networks' simulated patches lie: in towns of six continents, at their edges and in the country.

Left out are Leipzig, Slovenia, Chile and Denmark, whose real samples judge the networks (docs/starter.md), and Para.
Some winters have snow, which is no roof.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import atan2, cos, degrees, hypot, radians, sin

LEVELS = ("l2a", "l1c")
SPECKLE = ("lee", "none")  # filters: archives other than Earth Engine's have none
PROCESSINGS = tuple(f"{speckle}-{level}" for level in LEVELS for speckle in SPECKLE)
# from the town's centre to that of a box
NEAR_KM, NEAR_DEG = hypot(3.5, 1.75), degrees(atan2(3.5, 1.75))
RINGS_KM = {"near": NEAR_KM, "edge": 13.0, "country": 32.0}
BOX_KM, KM_OF_DEGREE = 6.6, 111.2
GOLDEN_DEG = 137.5  # from one place's bearing to the next, so that all directions come


@dataclass(frozen=True)
class Place:
    """A town's centre in degrees and the months of its L2A and L1C patches."""

    name: str
    lon: float
    lat: float
    months: tuple[str, str]

    def month(self, level: str) -> str:
        """The month of a level's patches."""
        return self.months[LEVELS.index(level)]


@dataclass(frozen=True)
class Box:
    """Ground of a place's ring on one level."""

    town: Place
    ring: str
    level: str
    speckle: str
    bearing_deg: float

    @property
    def name(self) -> str:
        """Of the export; no other box has it."""
        return f"{self.ring}-{self.town.name}"

    @property
    def processing(self) -> str:
        """Level and filter in a word, one of PROCESSINGS: exports of another one cannot be read together."""
        return f"{self.speckle}-{self.level}"

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north in degrees."""
        east, north = 1 / (KM_OF_DEGREE * cos(radians(self.town.lat))), 1 / KM_OF_DEGREE
        distance, half = RINGS_KM[self.ring], BOX_KM / 2
        lon = self.town.lon + distance * sin(radians(self.bearing_deg)) * east
        lat = self.town.lat + distance * cos(radians(self.bearing_deg)) * north
        return (lon - half * east, lat - half * north, lon + half * east, lat + half * north)


def _place(words: str) -> Place:
    name, lon, lat, first, second = words.split()
    return Place(name, float(lon), float(lat), (f"2019-{first}", f"2019-{second}"))


PLACES = tuple(
    _place(line)
    for line in """
warsaw 21.01 52.23 06 09
wuhan 114.30 30.60 06 10
saopaulo -46.63 -23.55 07 01
cairo 31.24 30.05 03 08
sydney 151.00 -33.85 01 08
chicago -87.75 41.88 07 10
lyon 4.85 45.76 04 08
lagos 3.38 6.55 01 12
delhi 77.20 28.65 11 04
phoenix -112.07 33.45 05 10
madrid -3.70 40.42 08 05
jakarta 106.85 -6.25 08 06
kyiv 30.52 50.45 05 07
lima -77.04 -12.05 02 09
nairobi 36.82 -1.30 02 07
tokyo 139.60 35.70 05 11
hamburg 10.00 53.57 07 04
johannesburg 28.05 -26.20 03 08
bogota -74.10 4.68 01 08
bangkok 100.52 13.75 12 02
bucharest 26.10 44.43 09 06
houston -95.40 29.76 04 11
tehran 51.40 35.70 06 10
rome 12.50 41.90 06 03
auckland 174.77 -36.88 12 03
stockholm 18.00 59.32 07 05
buenosaires -58.45 -34.60 11 04
moscow 37.62 55.75 01 07
helsinki 24.94 60.17 03 08
oslo 10.75 59.91 02 06
harbin 126.65 45.75 12 05
calgary -114.07 51.05 01 09
montreal -73.60 45.52 04 02
minneapolis -93.27 44.98 10 12
seattle -122.33 47.61 08 05
losangeles -118.24 34.05 06 11
mexicocity -99.13 19.43 03 10
havana -82.38 23.11 02 07
caracas -66.90 10.48 05 12
quito -78.50 -0.20 09 04
manaus -60.02 -3.10 07 11
recife -34.95 -8.05 10 03
brasilia -47.90 -15.80 06 12
cordoba -64.18 -31.40 09 02
dakar -17.40 14.75 04 10
accra -0.20 5.65 01 08
kinshasa 15.30 -4.35 07 02
addisababa 38.75 9.02 11 05
khartoum 32.55 15.55 06 12
antananarivo 47.52 -18.90 05 09
capetown 18.55 -33.95 02 08
casablanca -7.55 33.55 04 09
istanbul 28.85 41.03 05 01
baghdad 44.40 33.33 03 07
riyadh 46.70 24.70 10 05
karachi 67.05 24.90 12 04
kolkata 88.36 22.57 02 11
colombo 79.90 6.90 03 08
hanoi 105.85 21.03 10 04
manila 121.03 14.62 02 06
kualalumpur 101.70 3.14 06 01
chengdu 104.07 30.66 05 09
urumqi 87.60 43.82 08 03
ulaanbaatar 106.90 47.92 07 10
brisbane 153.00 -27.47 09 04
perth 115.90 -31.95 11 06
""".strip().splitlines()
)


def boxes(places: Sequence[Place] = PLACES) -> list[Box]:
    """Two boxes a place: one near its centre, and on the other level one at its edge or in the country, in turn.

    Radar's speckle is filtered at four places, then at four it is not.
    """
    made = []
    for index, town in enumerate(places):
        level, other_level = LEVELS[index % 2], LEVELS[1 - index % 2]
        outer, speckle = ("edge", "country")[index // 2 % 2], SPECKLE[index // 4 % 2]
        made.append(Box(town, "near", level, speckle, NEAR_DEG + 180 * (index % 2)))
        made.append(Box(town, outer, other_level, speckle, index * GOLDEN_DEG % 360))
    return made
