"""Longitude and latitude that were exchanged: points fall off the ground that is asked for, and on it the other way."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

WORDS = "LON and LAT look exchanged: LON is in degrees east, LAT in degrees north"
Holds = Callable[[np.ndarray, np.ndarray], np.ndarray]  # longitudes and latitudes -> which points are held, bool


def look_exchanged(lon: np.ndarray, lat: np.ndarray, holds: Holds) -> bool:
    """Whether most points are held with their coordinates exchanged, and most are not as they are."""
    can_be = are_degrees(lat, lon)
    if not len(lon) or not can_be.any() or np.mean(holds(lon, lat)) >= 0.5:
        return False
    held = np.zeros(len(lon), bool)
    held[can_be] = holds(lat[can_be], lon[can_be])
    return bool(np.mean(held) > 0.5)


def are_degrees(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Which pairs are a longitude and a latitude."""
    degrees: np.ndarray = (np.abs(lon) <= 180) & (np.abs(lat) <= 90)
    return degrees
