"""Which labels the public archives (`--catalog open`) hold, and what to do for the others."""

from __future__ import annotations

from isamap.gee_export.earth_engine.archives import holds
from isamap.gee_export.labelling.file_products import FILE_PRODUCTS
from isamap.gee_export.labelling.label_products import LABELS, product_named
from isamap.gee_export.labelling.label_request import LabelRequest
from isamap.gee_export.labelling.label_source import LabelSource


def check(label_request: LabelRequest) -> None:
    """ValueError for a source on a server that no archive holds, with the labels that can be had."""
    for source in map(LabelSource.parse, label_request.sources):
        if source.source_type in ("product", "asset") and not all(map(holds, _assets(source))):
            download = f"{source.address}:FILE" if source.address in FILE_PRODUCTS else "FILE"
            raise ValueError(
                f"--catalog open: no public archive holds label {source.name!r}: download it and give it as --label "
                f"{download}, or take {' or '.join(there())}"
            )


def there() -> tuple[str, ...]:
    """The products that the archives hold whole."""
    return tuple(name for name, p in LABELS.items() if p and all(holds(edition.asset) for edition in p.editions))


def _assets(source: LabelSource) -> list[str]:
    if source.source_type == "asset":
        return [source.address]
    return [edition.asset for edition in product_named(source.address).editions]
