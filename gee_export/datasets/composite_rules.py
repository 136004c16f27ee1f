"""The rules by which scenes become a composite, by version: datasets and checkpoints keep the one they were made by."""

from __future__ import annotations

# 2: Sentinel-2 without its noisy edges, an acquisition in two tiles counted once, tiles of another zone interpolated;
# Sentinel-1 without scenes of 40 m, slopes flattened to the rim. 3: Sentinel-1's power of 0, which no ground gives, is
# missing.
COMPOSITE_VERSION = 3
# What each version changed, in the words of a user.
CHANGES = {
    2: "noisy edges of Sentinel-2 left out, ground in two tiles counted once, slopes flattened to the rim",
    3: "Sentinel-1's power of 0 missing",
}
