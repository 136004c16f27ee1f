"""Objects of Cloud Storage in graphs: Blob and Image.loadGeoTIFF; the buckets are the engine's own."""

from __future__ import annotations

from typing import Any

from local_ee.errors import EngineError
from local_ee.evaluation.blobs import Blob
from local_ee.evaluation.coerce import accept
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.sources import image_of
from local_ee.evaluation.values import Image

accept("Blob", Blob)


def _reader(catalog: Any, method: str, uri: str) -> Any:
    reader = getattr(catalog, method, None)
    if reader is None:
        raise EngineError(f"Cannot read {uri}: this catalog has no buckets; start a server of the engine.")
    return reader


@algorithm("Blob")
def blob(url: str) -> Blob:
    """An object of Cloud Storage, which is read when its contents are asked for."""
    return Blob(url)


@algorithm("Blob.url")
def blob_url(blob: Blob) -> str:
    """Its address."""
    return blob.url


@algorithm("Blob.string")
def blob_string(blob: Blob, encoding: str | None, catalog: Any) -> str:
    """Its contents as a text, UTF-8 where no encoding is named (assumption)."""
    content: bytes = _reader(catalog, "content", blob.url)(blob.url)
    try:
        return content.decode(encoding or "UTF-8")
    except LookupError as error:
        raise EngineError(f"Blob.string: Unknown encoding '{encoding}', expected such as US-ASCII or UTF-8.") from error
    except UnicodeDecodeError as error:
        raise EngineError(f"Blob.string: {blob.url} is no text in {encoding or 'UTF-8'}.") from error


@algorithm("Image.loadGeoTIFF")
def load_geotiff(uri: str, catalog: Any) -> Image:
    """The image of a GeoTIFF in a bucket."""
    return image_of(_reader(catalog, "geotiff", uri)(uri))
