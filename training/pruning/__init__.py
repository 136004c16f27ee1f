"""Filter pruning by S003: which filters a network can do without, taken out while it trains and then for good."""

from __future__ import annotations
