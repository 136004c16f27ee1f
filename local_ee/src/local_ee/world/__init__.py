"""The simulated world: imagery of any place and date, drawn by rule, so that the first command works anywhere."""

from __future__ import annotations

from local_ee.world.world import World

__all__ = ["World"]
