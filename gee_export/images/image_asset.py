"""An image on the server: an asset, or a collection's images of a region in or about a period's year."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox

from isamap.gee_export.base.band_globs import expanded
from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.grid import north_up_affine
from isamap.gee_export.base.regions import Period, Region
from isamap.gee_export.datasets.packing import Numbers, Packing
from isamap.gee_export.earth_engine import archives, session
from isamap.gee_export.images.imagery import COARSER, Imagery, is_aligned, step_ratio
from isamap.gee_export.sentinel.scenes import ask, nearest_year

if TYPE_CHECKING:
    import ee

# percent of the scene, as Sentinel-2, Landsat, Planet and STAC call it
CLOUD_PROPERTIES = ("CLOUDY_PIXEL_PERCENTAGE", "CLOUD_COVER", "cloud_percent", "eo:cloud_cover")
_UNBOUNDED = 1  # side of the grid of an image that does not say its size


@dataclass(frozen=True)
class ImagePiece:
    """One image: its id, its own pixels and, where the server says so, that it is simulated."""

    id: str
    bands: tuple[str, ...]
    grid: GeoBox
    simulated: bool


@dataclass(frozen=True)
class ImageAsset:
    """Images on the server, the last one on top; grid: the top one's. asked: the server's names of the bands.

    bounded: whether there is nothing outside the grid (a collection has more images beside the one).
    """

    pieces: tuple[ImagePiece, ...]
    server_bands: tuple[str, ...]
    bands: tuple[str, ...]
    packing: Packing
    info: Mapping[str, Any]
    bounded: bool

    @property
    def grid(self) -> GeoBox | None:
        """Its own pixels; None where they are rotated."""
        own = self.pieces[-1].grid
        return None if own.affine.b or own.affine.d else own

    @property
    def simulated(self) -> bool:
        return any(piece.simulated for piece in self.pieces)

    def onto(self, grid: GeoBox) -> AssetOnGrid:
        """The asset on a grid: its own pixels where grids agree, else bilinear; the server's pyramid where coarser."""
        import ee

        methods = [_method(piece, grid) for piece in self.pieces]
        laid = [self._laid(piece, method) for piece, method in zip(self.pieces, methods, strict=True)]
        mosaic = laid[0] if len(laid) == 1 else ee.ImageCollection(laid).mosaic()
        return AssetOnGrid(mosaic, " and ".join(sorted(set(methods))))

    def _laid(self, piece: ImagePiece, method: str) -> ee.Image:
        import ee

        image = ee.Image(piece.id).select(list(self.server_bands), list(self.bands))
        if method != "bilinear":
            return self.packing.on_server(image)
        # Interpolated before it is packed: the other order would interpolate numbers that were limited to int16.
        smooth = self.packing.on_server(image.resample("bilinear"))
        return smooth.round() if self.packing.integer else smooth


@dataclass(frozen=True)
class AssetOnGrid:
    """A lazy image in stored numbers; resampling: none, bilinear, or the server's pyramid."""

    image: ee.Image
    resampling: str


def open_asset(imagery: Imagery, region: Region, period: Period, *, small: bool) -> ImageAsset:
    """An asset's image over a region; of a collection, its images of the period's year or the nearest that has some.

    ValueError where it is not there, holds nothing of the region or lacks a band; Fault where the server refuses.
    """
    asset_type = _kind(imagery)
    documents, year = _documents(imagery, asset_type, region, period)
    documents = _clear(imagery, documents)
    pieces = sorted((_piece(document) for document in documents), key=lambda piece: _order(piece, region))
    server_bands = _bands(imagery, pieces)
    numbers = _numbers(documents, server_bands)
    info = {"name": imagery.source, "year": year, "images": [piece.id.rpartition("/")[2] for piece in pieces]}
    return ImageAsset(
        pieces=tuple(pieces),
        server_bands=server_bands,
        bands=imagery.called(server_bands),
        packing=Packing.of(numbers, imagery.told, small=small),
        info=info if asset_type == "IMAGE_COLLECTION" else {"name": imagery.source},
        bounded=asset_type == "IMAGE" and max(pieces[-1].grid.shape) > _UNBOUNDED,
    )


def _kind(imagery: Imagery) -> str:
    import ee

    connected = session.current()
    if connected is not None and connected.is_open and (reason := archives.refusal(imagery.source)):
        raise ValueError(f"--catalog open: image {reason}")
    try:
        asset_type = ee.data.getAsset(imagery.source)["type"]
    except ee.EEException as error:
        if "not found" in str(error):
            raise ValueError(
                f"image {imagery.source!r} is neither a file on this machine nor an asset that this account may read"
            ) from error
        raise Fault(f"Earth Engine refused to describe {imagery.source!r}: {error}") from error
    if asset_type not in ("IMAGE", "IMAGE_COLLECTION"):
        raise ValueError(f"asset {imagery.source!r} is a {asset_type}: expected an image or a collection of images")
    return asset_type


def _documents(
    imagery: Imagery, asset_type: str, region: Region, period: Period
) -> tuple[list[dict[str, Any]], int | None]:
    """What the server says of the images, and of which year they are (None: they say no date)."""
    import ee

    if asset_type == "IMAGE":
        return [ask(ee.Image(imagery.source))], None
    images = ee.ImageCollection(imagery.source).filterBounds(ee.Geometry.BBox(*region.bounds_wsen))
    if (year := nearest_year(images, period.start.year)) is not None:
        images = images.filterDate(f"{year}-01-01", f"{year + 1}-01-01")
    documents = ask(images).get("features", [])
    if not documents:
        raise ValueError(f"{imagery.source} has no image over region {region.name!r}: choose another source or region")
    for document in documents:
        document["id"] = document.get("id") or f"{imagery.source}/{document['properties']['system:index']}"
    return documents, year


def _clear(imagery: Imagery, documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The images that say of themselves at most so much cloud; ValueError where there is none."""
    if imagery.most_cloud is None:
        return documents
    percents = [_cloud_percent(document.get("properties", {})) for document in documents]
    stated = [percent for percent in percents if percent is not None]
    if not stated:
        raise ValueError(
            f"{imagery.source} says no cloud cover ({', '.join(CLOUD_PROPERTIES)}): leave --image-clouds out"
        )
    if min(stated) > imagery.most_cloud:
        raise ValueError(
            f"--image-clouds {imagery.most_cloud:g}: the clearest of {len(documents)} images of {imagery.source} has "
            f"{min(stated):.3g} % cloud; give more, or another period"
        )
    return [
        document
        for document, percent in zip(documents, percents, strict=True)
        if percent is not None and percent <= imagery.most_cloud
    ]


def _cloud_percent(properties: Mapping[str, Any]) -> float | None:
    return next((float(properties[name]) for name in CLOUD_PROPERTIES if properties.get(name) is not None), None)


def _piece(document: Mapping[str, Any]) -> ImagePiece:
    bands = document.get("bands", [])
    if not bands:
        raise ValueError(f"image {document.get('id')} has no bands")
    first = bands[0]
    width, height = first.get("dimensions", (_UNBOUNDED, _UNBOUNDED))
    affine = north_up_affine(Affine(*first["crs_transform"]), (height, width))  # some assets' rows begin in the south
    grid = GeoBox((height, width), affine, first["crs"])
    simulated = bool(document.get("properties", {}).get("simulated"))
    return ImagePiece(document["id"], tuple(band["id"] for band in bands), grid, simulated)


def _method(piece: ImagePiece, grid: GeoBox) -> str:
    """How an image's pixels become the grid's."""
    if is_aligned(piece.grid, grid):
        return "none"
    return "pyramid" if step_ratio(piece.grid, grid) >= COARSER else "bilinear"


def _order(piece: ImagePiece, region: Region) -> tuple[bool, str]:
    """Images of the region's own zone on top, then by id."""
    return str(piece.grid.crs) == f"EPSG:{region.epsg}", piece.id


def _bands(imagery: Imagery, pieces: Sequence[ImagePiece]) -> tuple[str, ...]:
    shared = [band for band in pieces[-1].bands if all(band in piece.bands for piece in pieces)]
    names = expanded(imagery.asked, shared) or tuple(shared)
    if missing := [band for band in names if band not in shared]:
        raise ValueError(f"{imagery.source} has no band {', '.join(missing)}: expected some of {', '.join(shared)}")
    return names


def _numbers(documents: Sequence[Mapping[str, Any]], bands: Sequence[str]) -> Numbers:
    """What all the bands together can hold."""
    types = [band["data_type"] for document in documents for band in document["bands"] if band["id"] in bands]
    all_integers = all(number_type["precision"] == "int" for number_type in types)
    if not all_integers:
        return Numbers(False, -np.inf, np.inf)
    return Numbers(
        True,
        float(min(number_type["min"] for number_type in types)),
        float(max(number_type["max"] for number_type in types)),
    )
