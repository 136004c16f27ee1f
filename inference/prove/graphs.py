"""Step 3: every setting of composites and labels, 64 x 64 pixels of each: what the server accepts, types, masks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from isamap.gee_export.base.grid import Raster, grid_of
from isamap.gee_export.base.periods import Period
from isamap.gee_export.base.scheme import scheme_of
from isamap.gee_export.coregistration.displacement import Displacement
from isamap.gee_export.coregistration.polynomial import Polynomial
from isamap.gee_export.labelling import label_products
from isamap.gee_export.labelling.label_asset import OnServer
from isamap.gee_export.requests import pixels
from isamap.gee_export.sentinel import composite
from isamap.gee_export.sentinel.composite import Settings
from isamap.inference.prove.facts import place_of
from isamap.inference.prove.place import NotHere, ProofPlace
from isamap.inference.prove.probe import Probe

SIDE = 64
MONTH, YEAR = Period.parse("2019-06"), Period.parse("2019")
COMPOSITES: dict[str, dict[str, Any]] = {
    "default": {},
    "version-1": {"composite_version": 1},
    "median": {"reducer": "median"},
    "best": {"reducer": "best"},
    "scl-best": {"clouds": "scl", "reducer": "best"},
    "s2cloudless": {"clouds": "s2cloudless"},
    "s2cloudless-extras": {"clouds": "s2cloudless", "reducer": "best", "extras": ("count", "day")},
    "none-best": {"clouds": "none", "reducer": "best"},
    "qa60": {"clouds": "qa60"},
    "ten-bands": {"bands": ("B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12")},
    "bicubic": {"bands": ("B2", "B11"), "resample": "bicubic"},
    "boxcar": {"speckle": "boxcar"},
    "lee-sigma": {"speckle": "lee_sigma"},
    "lee-sigma-15": {"speckle": "lee_sigma", "kernel_px": 15},
    "refined-lee": {"speckle": "refined_lee"},
    "gamma-map": {"speckle": "gamma_map"},
    "dates-6": {"dates": 6},
    "dates-6-refined": {"dates": 6, "speckle": "refined_lee"},
    "volume": {"terrain": "volume", "terrain_buffer_m": 50},
    "direct-srtm": {"terrain": "direct", "dem": "USGS/SRTMGL1_003"},
    "embeddings": {"sensors": ("embeddings",)},
    "displaced": {"displacement": None},  # made of the place
    "year-statistics": {"composite": "year-statistics"},
    "season": {"composite": "season"},
    "harmonic": {"composite": "harmonic"},
}
LABELS = (
    ("worldcover", 2019),
    ("dynamicworld", 2019),
    ("dynamicworld_mean", 2019),
    ("gaia", 2018),
    ("ghs_built_s_10m", 2018),
    ("ghs_built_c", 2018),
    ("esri", 2019),
    ("glc_fcs30d", 2019),
    ("gisa", 2019),
    ("wsf2019", 2019),
    ("wsf2015", 2015),
)


def _composite(name: str) -> Callable[[ProofPlace], Any]:
    def ask(place: ProofPlace) -> Any:
        options = dict(COMPOSITES[name])
        if "displacement" in options:
            options["displacement"] = _displacement()
        period = YEAR if "composite" in options or name == "embeddings" else MONTH
        made = composite.build(place_of(), period, Settings.of(**options))
        return described(_fetched(made.packed, made.bands))

    return ask


def _label(name: str, year: int) -> Callable[[ProofPlace], Any]:
    def ask(place: ProofPlace) -> Any:
        product = label_products.product_named(name)
        try:
            on_server = OnServer.of(product, scheme_of("isa"), year, place_of())
        except ValueError as error:
            raise NotHere(str(error)) from error
        return described(_fetched(on_server.label.rename("label"), ("label",)))

    return ask


def _displacement() -> Displacement:
    region = place_of()
    left, bottom, right, top = map(float, region.bounds_m)
    east, north = (3.0, 0.1) + (0.0,) * 8, (-2.0, 0.1) + (0.0,) * 8
    moved = Polynomial(f"EPSG:{region.epsg}", (left, bottom, right, top), east, north)
    return Displacement((0,), (moved,))


def _fetched(image: Any, bands: tuple[str, ...]) -> Raster:
    """64 x 64 pixels of the middle of the place."""
    grid = grid_of(place_of())
    row, col = (side // 2 - SIDE // 2 for side in grid.shape)
    return pixels.fetch(image, grid[row : row + SIDE, col : col + SIDE], bands)


def described(raster: Raster) -> dict[str, Any]:
    """The raster in plain JSON: shape, shares of valid pixels, the median of each band."""
    medians = [
        round(float(np.median(values[valid])), 3) if valid.any() else None
        for values, valid in zip(raster.values_BHW, raster.valid_BHW, strict=True)
    ]
    return {
        "shape": list(raster.values_BHW.shape),
        "finite": bool(np.isfinite(raster.values_BHW).all()),
        "valid": [round(float(valid.mean()), 4) for valid in raster.valid_BHW],
        "median": dict(zip(raster.bands, medians, strict=True)),
    }


def _bands_of(name: str) -> int:
    options = {key: value for key, value in COMPOSITES[name].items() if key != "displacement"}
    return len(Settings.of(**options).stored_bands)


PROBES: tuple[Probe, ...] = (
    *(
        Probe(
            f"graphs.{name}",
            f"a composite of {name} is accepted",
            _composite(name),
            {"shape": [_bands_of(name), SIDE, SIDE], "finite": True},
            "limits",
            15,
        )
        for name in COMPOSITES
    ),
    *(
        Probe(
            f"graphs.label-{name}",
            f"the label graph of {name} is accepted",
            _label(name, year),
            {"shape": [1, SIDE, SIDE], "finite": True},
            "labels",
            5,
        )
        for name, year in LABELS
    ),
)
