"""Assets of a project: names that Earth Engine takes, what is there, and the folders above."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# letters, digits and -, and of old ones a domain before a colon: https://cloud.google.com/resource-manager/docs
PROJECT = re.compile(r"([A-Za-z0-9][A-Za-z0-9.-]{0,60}:)?[A-Za-z0-9_][A-Za-z0-9_-]{0,60}")
NAME_PART = re.compile(r"[A-Za-z0-9_-]+")
LOCAL_PROJECT = "local"
NOT_FOUND = 404
FOLDER, COLLECTION = "FOLDER", "IMAGE_COLLECTION"


def check_asset_name(asset: str) -> None:
    """ValueError for names that Earth Engine refuses: not under assets, or with periods and other characters."""
    parts = asset.split("/")
    if len(parts) < 4 or parts[0] != "projects" or parts[2] != "assets":
        raise ValueError(f"asset {asset!r}: expected projects/PROJECT/assets/NAME, with folders before NAME if wanted")
    if not PROJECT.fullmatch(parts[1]):
        raise ValueError(f"asset {asset[:100]!r}: {parts[1][:50]!r} is no name of a Google Cloud project")
    wrong = [component for component in parts[3:] if not NAME_PART.fullmatch(component)]
    if wrong:
        better = "/".join(parts[:3] + [plain_part(component) for component in parts[3:]])
        raise ValueError(
            f"asset {asset!r}: {wrong[0]!r} may hold only letters, digits, _ and - (periods are refused); try {better}"
        )


def check_composite_asset(asset: str | None, *, instead: str | None = None) -> None:
    """ValueError for what is no asset's name, and where another image takes the composite's place."""
    if asset is None:
        return
    check_asset_name(asset)
    if instead is not None:
        raise ValueError(f"--composite-asset {asset} is Sentinel's composite, and {instead} is another image: give one")


def plain_part(text: str) -> str:
    """A text as one part of an asset's name."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", text).strip("_") or "map"


def is_local(asset: str) -> bool:
    """Whether the asset is the local engine's, of which Google knows nothing."""
    return asset.split("/")[1] == LOCAL_PROJECT


def check_server(asset: str, project: str | None, further: str = " --bucket NAME") -> None:
    """ValueError where the asset belongs to another server than the one that is connected (None: the local engine).

    further: options that Google's server needs beside --project.
    """
    connects_google = project not in (None, "", LOCAL_PROJECT)
    if is_local(asset) == (not connects_google):
        return
    owner = asset.split("/")[1]
    if connects_google:
        raise ValueError(f"asset {asset!r} is the local engine's: leave --project {project} out, or name your own")
    raise ValueError(
        f"asset {asset!r} is of the project {owner}, but without --project nothing goes to Google: add --project "
        f"{owner}{further}, or try it in the local engine as {asset.replace(owner, LOCAL_PROJECT, 1)}"
    )


def info_or_none(asset: str) -> Mapping[str, Any] | None:
    """The asset's description, or None where there is none."""
    import ee

    try:
        info: Mapping[str, Any] = ee.data.getAsset(asset)
        return info
    except ee.EEException as error:
        if getattr(getattr(error.__context__, "resp", None), "status", None) == NOT_FOUND:
            return None
        raise


def make_parents(asset: str) -> None:
    """Folders above the asset; ValueError where an image stands in their place."""
    parts = asset.split("/")
    # From the top down: Earth Engine makes no folder whose parent is missing. projects/P/assets is there already.
    for depth in range(4, len(parts)):
        parent = "/".join(parts[:depth])
        info = info_or_none(parent)
        if info is None:
            _make_container(FOLDER, parent)
        elif info.get("type") not in (FOLDER, COLLECTION):
            raise ValueError(f"asset {parent} is of type {info.get('type')}, no folder: choose another --asset")


def make_collection(asset: str) -> None:
    """An empty image collection of that name, unless it is there; ValueError where something else is."""
    make_parents(asset)
    if info_or_none(asset) is None:
        _make_container(COLLECTION, asset)
    if (info_or_none(asset) or {}).get("type") != COLLECTION:
        raise ValueError(f"asset {asset} is there and no image collection: choose another --asset")


def _make_container(asset_type: str, asset: str) -> None:
    import ee

    try:
        ee.data.createAsset({"type": asset_type}, asset)
    except ee.EEException:
        if info_or_none(asset) is None:  # unless another process made it in between
            raise
