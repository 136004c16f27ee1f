"""Filter pruning by LandCover3m: which filters a network can do without, silenced in training, then removed."""

from __future__ import annotations
