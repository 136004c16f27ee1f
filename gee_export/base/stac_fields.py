"""Fields that every STAC document of this project has, of datasets as of maps."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any

FILE = "https://stac-extensions.github.io/file/v2.1.0/schema.json"
SHA256_MULTIHASH = "1220"  # code 0x12, 0x20 bytes (https://github.com/multiformats/multicodec)
COPERNICUS = "https://sentinels.copernicus.eu/documents/247904/690755/Sentinel_Data_Legal_Notice"
OWN_LICENCE = "https://www.apache.org/licenses/LICENSE-2.0"
# pages of licences by their SPDX names (https://spdx.org/licenses)
LICENCE_PAGES = {
    "CC-BY-4.0": "https://creativecommons.org/licenses/by/4.0/",
    "CC0-1.0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "ODbL-1.0": "https://opendatacommons.org/licenses/odbl/1-0/",
}
PROCESSOR = {"name": "isamap", "roles": ["processor"]}
SIMULATOR = {"name": "isamap's local engine (simulated)", "roles": ["producer"]}


def moments(start: str, end: str) -> tuple[str, str]:
    """First and last moment of a period, RFC 3339 in UTC; `end` is the day after the last, as ISO text."""
    last = date.fromisoformat(end) - timedelta(days=1)
    return f"{start}T00:00:00Z", f"{last.isoformat()}T23:59:59Z"


def rounded(geometry: Mapping[str, Any]) -> dict[str, Any]:
    """A polygon in GeoJSON to 7 digits of a degree, which is a centimetre."""
    rings = [[[round(x, 7), round(y, 7)] for x, y in ring] for ring in geometry["coordinates"]]
    return {"type": geometry["type"], "coordinates": rings}


def file_fields(content: bytes) -> dict[str, Any]:
    """Size and checksum of a file's bytes, as the file extension has them; the checksum is a multihash."""
    return {"file:size": len(content), "file:checksum": SHA256_MULTIHASH + hashlib.sha256(content).hexdigest()}


def licence_links(licences: Iterable[str], *, simulated: bool) -> list[dict[str, str]]:
    """A link to the page of every licence that has one: those that a text names, Copernicus' of Sentinel's images.

    What is simulated also has isamap's own.
    """
    texts = [licence for licence in dict.fromkeys(licences) if licence]
    links = [
        {"rel": "license", "href": COPERNICUS, "type": "application/pdf", "title": licence}
        for licence in texts
        if "copernicus" in licence.lower()
    ][:1]
    names = [name for name in LICENCE_PAGES if any(name in licence for licence in texts)]
    links += [{"rel": "license", "href": LICENCE_PAGES[name], "type": "text/html", "title": name} for name in names]
    if simulated and not links:
        links.append({"rel": "license", "href": OWN_LICENCE, "type": "text/html"})
    return links
