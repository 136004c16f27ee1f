"""Displacements of Sentinel-1 by relative orbit: kept as JSON, applied to Earth Engine images as a graph.

The shift against Sentinel-2 is steady on one orbit and differs between orbits (local_ee/docs/world.md, "Shift of
Sentinel-1"), so each orbit has its own polynomial.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isamap.gee_export.coregistration.polynomial import EXPONENTS, Polynomial, PolynomialFrame

if TYPE_CHECKING:
    import ee

# Free as a key: relative orbits are numbered from 1.
ANY_ORBIT = 0  # the polynomial of orbits that have none of their own
ORBIT = "relativeOrbitNumber_start"  # of a Sentinel-1 scene
_STEP_M = 10  # of the displacement image's nominal pixels


@dataclass(frozen=True)
class Displacement:
    """Polynomials (metres, of one frame) and the relative orbit of each, or ANY_ORBIT; other orbits stay put."""

    orbits: tuple[int, ...]
    polynomials: tuple[Polynomial, ...]

    def __post_init__(self) -> None:
        if len(self.orbits) != len(self.polynomials) or len(set(self.orbits)) != len(self.orbits):
            raise ValueError(f"displacement of orbits {self.orbits}: expected each once, with one polynomial")
        if not self.orbits:
            raise ValueError("displacement holds no polynomial: no orbit was corrected, leave it out")
        # The graph computes the powers of u and v once for all orbits, so they share one frame.
        if len({polynomial.frame for polynomial in self.polynomials}) > 1:
            raise ValueError("displacement mixes polynomials of different boxes: estimate all orbits in one run")
        if not self.frame.is_metric:
            raise ValueError(f"displacement in {self.frame.crs}: Earth Engine takes metres, estimate it on a UTM grid")

    @property
    def frame(self) -> PolynomialFrame:
        return self.polynomials[0].frame

    @property
    def most_m(self) -> float:
        """No pixel moves farther than this along either axis."""
        return max(polynomial.most for polynomial in self.polynomials)

    @property
    def by_orbit(self) -> dict[int, Polynomial]:
        return dict(zip(self.orbits, self.polynomials, strict=True))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, as manifests and files hold it."""
        return {"orbits": list(self.orbits), "polynomials": [polynomial.to_json() for polynomial in self.polynomials]}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Displacement:
        """The displacement of a `to_json` document, further fields allowed; ValueError for other documents."""
        try:
            polynomials = tuple(Polynomial.from_json(entry) for entry in document["polynomials"])
            return cls(tuple(map(int, document["orbits"])), polynomials)
        except (KeyError, TypeError) as error:
            raise ValueError("displacement has no orbits with polynomials: `isamap coregister` writes such") from error

    @classmethod
    def read(cls, path: str | Path) -> Displacement:
        """The displacement of a file that `isamap coregister` wrote; ValueError naming any other file."""
        try:
            document = json.loads(Path(path).read_text(encoding="utf-8"))
            return cls.from_json(document if isinstance(document, Mapping) else {})
        except OSError as error:
            raise ValueError(f"displacement file {path} cannot be read: {error.strerror}") from error
        except ValueError as error:
            raise ValueError(f"displacement file {path}: {error}") from error


def displaced(image: ee.Image, displacement: Displacement) -> ee.Image:
    """The image, Sentinel-1 in linear power, as it would lie without its displacement; bilinear, as floats.

    What belongs at a place is taken from the place plus the vector: Image.displace adds the vector to the pixel's
    location (apidocs ee-image-displace), and guides/register calls it the way to the matching place in the image to be
    registered. Bilinear keeps power positive, which bicubic does not beside bright points.
    """
    move = vectors(displacement, image.get(ORBIT))
    # A metre more than the bound: the server reads so far around a tile, and rounding must not cut it.
    return image.displace(move, "bilinear", displacement.most_m + 1)


def vectors(displacement: Displacement, orbit: ee.ComputedObject) -> ee.Image:
    """dx and dy in metres along the CRS's axes for a scene of a relative orbit, computed wherever pixels are requested.

    The image's projection counts rows upward, so that "Y" is north whether it is read as the CRS's or the pixels'.
    """
    import ee

    plane = ee.Projection(displacement.frame.crs, [_STEP_M, 0, 0, 0, _STEP_M, 0])
    polynomials = displacement.by_orbit
    fallback = polynomials.get(ANY_ORBIT, Polynomial.identity(displacement.frame))
    table = ee.Dictionary(
        {str(orbit_number): _coefficients(polynomial) for orbit_number, polynomial in polynomials.items()}
    )
    # Looked up in the graph, because a mapped collection knows its orbit only there.
    own = ee.List(table.get(ee.Number(orbit).toInt().format("%d"), ee.List(_coefficients(fallback))))
    terms = _terms(displacement.frame, plane)
    count = len(EXPONENTS)
    axes = [
        terms.multiply(ee.Image.constant(own.slice(k * count, (k + 1) * count))).reduce(ee.Reducer.sum())
        for k in (0, 1)
    ]
    return ee.Image.cat(axes).rename(["dx", "dy"]).setDefaultProjection(plane)


def _terms(frame: PolynomialFrame, plane: ee.Projection) -> ee.Image:
    """A band for each of EXPONENTS: u and v of the frame, held at its edges, to the exponents."""
    import ee

    places = ee.Image.pixelCoordinates(plane).multiply(_STEP_M)
    local = places.subtract(ee.Image.constant(list(frame.centre))).divide(ee.Image.constant(list(frame.half)))
    # As `Frame.local`: outside the frame no point held the cubic.
    local = local.clamp(-1, 1)
    u, v = local.select(["x"]), local.select(["y"])
    return ee.Image.cat([_product([u] * i + [v] * j) for i, j in EXPONENTS])


def _product(factors: Sequence[ee.Image]) -> ee.Image:
    import ee

    # Products instead of pow: 0 to the power 0 must be 1, and negative bases must stay real.
    out = ee.Image.constant(1).toDouble()
    for factor in factors:
        out = out.multiply(factor)
    return out


def _coefficients(polynomial: Polynomial) -> list[float]:
    return [coefficient for axis in polynomial.padded() for coefficient in axis]
