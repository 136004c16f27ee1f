"""Filter pruning by LandCover3m: which filters a network can do without, taken out while it trains and then for good."""

from __future__ import annotations
