"""Ids that Google has retired, and the ids of today that answer for them here, with a note.

Only ids whose successor has bands of the same names, or nearly: scripts written for them go on. Landsat's surface
reflectance of Collection 1 (T1_SR) has other bands today and stays refused.
"""

from __future__ import annotations

import logging
import re
from functools import lru_cache

NOTE = "note"  # the property that tells which id answered
_LOGGER = logging.getLogger(__name__)
_RULES = (
    (re.compile(r"^MODIS/(?:005|006|051|055)/(?=M)"), "MODIS/061/"),
    (re.compile(r"^MODIS/(M[A-Z]D\d\w*)_(?:005|051|055)(?=/|$)"), r"MODIS/061/\1"),
    (re.compile(r"^(M[A-Z]D\d\w*)_(?:005|051|055)(?=/|$)"), r"MODIS/061/\1"),
    (re.compile(r"^(LANDSAT/L[A-Z]\d\d)/C01/((?:T1|T1_RT|T2)(?:_TOA)?)(?=/|$)"), r"\1/C02/\2"),
    (re.compile(r"^srtm90_v4$", re.I), "CGIAR/SRTM90_V4"),
)


def successor(asset_id: str) -> str | None:
    """The id of today that answers for a retired one, or None."""
    return next((rule.sub(today, asset_id) for rule, today in _RULES if rule.match(asset_id)), None)


@lru_cache(256)
def note_of(asset_id: str, today: str) -> str:
    """What is said of an alias; it is logged once."""
    text = f"{asset_id} is retired: {today} answers for it in the local engine."
    _LOGGER.warning("%s", text)
    return text
