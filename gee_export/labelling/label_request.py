"""What an export's labels are made of: sources, their fusion, and the classes and shares that come out."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from odc.geo.geobox import GeoBox

from isamap.gee_export.base.regions import STEP_M, Period, Region
from isamap.gee_export.base.scheme import UNKNOWN, Scheme, scheme_of
from isamap.gee_export.labelling import fusion as fusing
from isamap.gee_export.labelling import label_products, local_file, shares, tables
from isamap.gee_export.labelling.fusion import FUSIONS
from isamap.gee_export.labelling.label_source import FILES, LabelSource
from isamap.gee_export.labelling.rules import BuiltArea
from isamap.gee_export.labelling.undeclared import codes_in_words
from isamap.gee_export.requests.pixels import Channel

if TYPE_CHECKING:
    import ee

# Finer pixels that one request may average: how many fit the server's memory is not documented ("too large will cause
# out-of-memory", apidocs ee-image-reduceresolution); a block of 900 px would read 324 million of half a metre.
SOURCE_PX = 25_000_000


@dataclass(frozen=True)
class LabelRequest:
    """The requested labels; label_source.py says how a source is written.

    scheme: isa (0, 1, 255) or landcover3m (seven classes, 255). share: also the impervious percent of each pixel.
    No sources: images without labels.
    """

    sources: tuple[str, ...] = ("worldcover",)
    fusion: str = "single"
    scheme: str = "isa"
    share: bool = False

    def __post_init__(self) -> None:
        scheme = scheme_of(self.scheme)
        object.__setattr__(self, "scheme", scheme.name)
        fusing.check(self.fusion, len(self.sources), scheme)
        if len(set(self.sources)) < len(self.sources):
            raise ValueError(f"--label names a source twice: {' '.join(self.sources)}")
        if self.share and not self.sources:
            raise ValueError("--share needs a --label to take shares of")
        for source in map(LabelSource.parse, self.sources):
            _check_source(source, self.scheme, len(self.sources))

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"sources": list(self.sources)}

    def named(self) -> dict[str, Any]:
        """`to_json` without the folders of this machine, for manifests."""
        return self.to_json() | {"sources": [LabelSource.parse(text).name for text in self.sources]}

    def asked(self) -> dict[str, Any]:
        """`named` with the digests of files of this machine: another file of one name asks for another dataset.

        ValueError where a file is missing.
        """
        files = [source for source in map(LabelSource.parse, self.sources) if source.source_type in FILES]
        digests = [local_file.fingerprint(local_file.found(source))["sha256"] for source in files]
        return self.named() | ({"sha256": digests} if digests else {})

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> LabelRequest:
        """The request of a `to_json` document; ValueError for fields that this version does not know."""
        try:
            return cls(**{**document, "sources": tuple(document["sources"])})
        except (KeyError, TypeError) as error:
            raise ValueError(f"labels {dict(document)} are not what this version writes: {error}") from error

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The server's bands that OpenTruth will ask for, in order; asks no server."""
        names: list[str] = []
        for source_index, source in enumerate(map(LabelSource.parse, self.sources)):
            if source.source_type in ("product", "asset"):
                names += [f"label_{source_index}"] + [f"share_{source_index}"] * (self.share and _holds_shares(source))
        return tuple(Channel(name, "uint8", UNKNOWN) for name in names)

    @property
    def most_px(self) -> int:
        """The largest side, in pixels of 10 m, of requests whose shares average at most SOURCE_PX finer pixels."""
        parsed = map(LabelSource.parse, self.sources) if self.share else ()
        finest_m = min((_finest_m(source) for source in parsed), default=float(STEP_M))
        return int(math.sqrt(SOURCE_PX) * finest_m / STEP_M)

    def check_period(self, period: Period) -> None:
        """ValueError where a product has no edition for the period's year; asks no server."""
        for source in map(LabelSource.parse, self.sources):
            if source.source_type == "product":
                label_products.product_named(source.address).edition(source.year or period.start.year)


class OpenLabelSource(Protocol):
    """A source that was found. `label` and `share` are lazy images where it lies on the server, else None."""

    @property
    def info(self) -> Mapping[str, Any]: ...

    @property
    def label(self) -> ee.Image | None: ...

    @property
    def share(self) -> ee.Image | None: ...

    @property
    def touches(self) -> bool:
        """Whether it may know any ground of the region; one on the server always may."""
        ...

    def read(self, geobox: GeoBox) -> tuple[np.ndarray, np.ndarray]:
        """Label and share (uint8, 255 unknown) of a source on this machine; never asked of one on the server."""
        ...


@dataclass(frozen=True)
class OpenLabels:
    """Opened labels: the bands to request from the server, and how to make labels of their pixels."""

    label_request: LabelRequest
    opened: tuple[OpenLabelSource, ...] = field(repr=False)
    info: Mapping[str, Any] | None

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The server's bands, in order: label_0, share_0, label_1 ... of the sources that lie there."""
        return self.label_request.channels

    @property
    def image(self) -> ee.Image | None:
        """The channels as one uint8 image, 255 unknown; None where every source lies on this machine."""
        import ee

        bands = [band.unmask(UNKNOWN, False).toUint8().rename(name) for name, band in self._bands()]
        if not bands:
            return None
        return bands[0].addBands(ee.Image(bands[1:])) if len(bands) > 1 else bands[0]

    @property
    def lies_elsewhere(self) -> bool:
        """Whether no source can know any ground of the region."""
        return bool(self.opened) and not any(source.touches for source in self.opened)

    def fuse(self, fetched: Mapping[str, np.ndarray], geobox: GeoBox) -> tuple[np.ndarray, np.ndarray | None]:
        """Label (uint8, rows x columns) on the grid, and share (percent, 255 unknown) where shares are asked.

        fetched: the channels on the same grid, by name. Sources on this machine are read here, on any grid.
        """
        scheme = scheme_of(self.label_request.scheme)
        pairs = [self._pair(source_index, source, fetched, geobox) for source_index, source in enumerate(self.opened)]
        label = FUSIONS[self.label_request.fusion](np.stack([label for label, _ in pairs]), scheme)
        if not self.label_request.share:
            return label, None
        fuse = shares.most if self.label_request.fusion == "union" else shares.mean
        return label, fuse(np.stack([share for _, share in pairs]))

    def _bands(self) -> list[tuple[str, ee.Image]]:
        named_images = []
        for source_index, source in enumerate(self.opened):
            if source.label is not None:
                named_images.append((f"label_{source_index}", source.label))
            if source.share is not None and self.label_request.share:
                named_images.append((f"share_{source_index}", source.share.round()))
        return named_images

    def _pair(self, source_index: int, source: OpenLabelSource, fetched: Mapping[str, np.ndarray], geobox: GeoBox):
        if source.label is None:
            return source.read(geobox)
        label = fetched[f"label_{source_index}"]
        share = (
            fetched[f"share_{source_index}"]
            if f"share_{source_index}" in fetched
            else shares.of_classes(label, self._scheme)
        )
        return label, share

    @property
    def _scheme(self) -> Scheme:
        return scheme_of(self.label_request.scheme)


def open_labels(label_request: LabelRequest, region: Region, period: Period) -> OpenLabels:
    """The labels of a region and period, opened: asks the server what lies there, reads the files' heads.

    ValueError for years, files and assets that cannot serve; Fault where the server refuses. Prints what is not
    verified about a product to the standard error.
    """
    from isamap.gee_export.labelling import label_asset, label_points, label_raster, label_vectors

    openers: dict[str, Callable[[LabelSource, Scheme, Region, Period], OpenLabelSource]] = {
        "product": label_asset.product,
        "asset": label_asset.asset,
        "raster": label_raster.open_raster,
        "vectors": label_vectors.open_vectors,
        "points": label_points.open_classed,
    }
    sources = [LabelSource.parse(text) for text in label_request.sources]
    scheme = scheme_of(label_request.scheme)
    opened = tuple(openers[source.source_type](source, scheme, region, period) for source in sources)
    for source, open_source in zip(sources, opened, strict=True):
        if caution := open_source.info.get("unverified"):
            print(f"warning: label {source.name}: {caution}", file=sys.stderr)
        if not open_source.touches:
            print(f"note: label {source.name} lies elsewhere: it knows no ground of {region.name}", file=sys.stderr)
        if undeclared := open_source.info.get("undeclared_codes"):
            print(f"note: label {source.name}: {codes_in_words(undeclared)}: counted as unknown", file=sys.stderr)
    return OpenLabels(
        label_request,
        opened,
        _info(label_request, scheme, [open_source.info for open_source in opened]) if opened else None,
    )


def _info(label_request: LabelRequest, scheme: Scheme, infos: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the manifest says: of one source its own facts, of several theirs under `sources`."""
    shared = {
        "scheme": label_request.scheme,
        "classes": {str(value): name for value, name in scheme.classes.items()},
        "share": label_request.share,
    }
    if len(infos) == 1:
        return {**infos[0], **shared}
    return {
        "product": f"{label_request.fusion} of {', '.join(str(info['product']) for info in infos)}",
        "fusion": label_request.fusion,
        "sources": list(infos),
        **shared,
    }


def _finest_m(source: LabelSource) -> float:
    """Metres of the pixels that the server averages for a share; of tables those that features are painted on."""
    if source.source_type == "product":
        return min(label_products.product_named(source.address).scale_m, float(STEP_M))
    return 1.0 if source.source_type == "asset" and tables.asset_of(source.text.partition("#")[0]) else float(STEP_M)


def _holds_shares(source: LabelSource) -> bool:
    """Whether the server gives the share of a source there: of assets, of products of shares, and of finer ones."""
    if source.source_type == "asset":
        return True
    product = label_products.product_named(source.address)
    return isinstance(product.rule, BuiltArea) or product.scale_m < STEP_M


def _check_source(source: LabelSource, scheme: str, count: int) -> None:
    if source.address == "none":
        raise ValueError(
            "label none stands alone: leave the others out" if count > 1 else "label none is written as no sources"
        )
    rule = label_products.product_named(source.address).rule if source.source_type == "product" else None
    schemes = ("isa",) if source.source_type == "vectors" else rule.schemes if rule else (scheme,)
    if scheme not in schemes:
        able = ", ".join(n for n, p in label_products.LABELS.items() if p is not None and scheme in p.rule.schemes)
        raise ValueError(
            f"label {source.name!r} tells only impervious from other ground, scheme {scheme} needs classes: take {able}"
        )
