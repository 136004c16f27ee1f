"""The public archives (`--catalog open`) for the rest of the package: name, ids, traffic, what they leave out."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from isamap.gee_export.base.progress_bar import ProgressBar

if TYPE_CHECKING:
    from local_ee.catalog import Catalog

    from isamap.gee_export.base.regions import BoundsWSEN, Period


def is_open(catalog: str | Path) -> bool:
    """Whether a catalog is the public archives; a folder of that name is written ./open."""
    from local_ee.catalogs import OPEN

    return str(catalog) == OPEN


def reads_archives(project: str | None, catalog: str | Path) -> bool:
    """Whether a connection of these words reads the public archives."""
    return project in (None, "", "local") and is_open(catalog)


def holds(asset: str) -> bool:
    """Whether the archives answer an Earth Engine id, of a collection or of an image in it."""
    from local_ee.open.products import IDS

    return any(asset == each or asset.startswith(f"{each}/") for each in IDS)


def refusal(asset: str) -> str | None:
    """Why no archive has a public asset, with what to do instead; None where one has it, or the asset is unknown."""
    from local_ee.open import products

    return products.refusal(asset)


def check_cloud_network() -> None:
    """ValueError with the remedy where the engine has not what OmniCloudMask needs: its package, its weights."""
    from local_ee.catalog import cloud_classes

    cloud_classes.check()


def show_traffic(catalog: Catalog | None) -> None:
    """Lets progress bars say what was fetched of the archives since now; nothing of other catalogs."""
    traffic = getattr(getattr(catalog, "hosts", None), "traffic", None)
    begun = 0 if traffic is None else traffic.bytes
    ProgressBar.beside = None if traffic is None else lambda: f"{(traffic.bytes - begun) / 1e6:.1f} MB fetched"


def left_out_of(catalog: Catalog | None, collection: str, period: Period, bounds_wsen: BoundsWSEN) -> list[str]:
    """Scenes that the archives list in a box and period and do not give, `SCENE (PROVIDER): why`, in order."""
    notes = getattr(catalog, "notes", None)
    if not callable(notes):
        return []
    noted = notes(collection, start_ms=period.start_ms, end_ms=period.end_ms, bounds_wsen=bounds_wsen)
    return sorted(f"{note.scene} ({note.provider}): {note.reason}" for note in noted)


def attributions(providers: Iterable[str]) -> list[str]:
    """What the owners of the archives' files ask for, a sentence a provider, with the licence."""
    from local_ee.open.providers import SENTINEL1, SENTINEL2

    names = set(providers)
    return [f"{p.title}: {p.attribution} ({p.licence})" for p in (*SENTINEL2, *SENTINEL1) if p.name in names]
