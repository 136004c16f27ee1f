"""The world's pixels stay what they are while its code changes: datasets drawn from it can be drawn again.

pixels.json was written by local_ee/tests/support/world_pixels.py with world 4 of local_ee/catalogs.py.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest

from local_ee.world import World
from tests.support.world_pixels import pixels_of


@cache
def kept_pixels() -> dict[str, list]:
    return json.loads(Path(__file__).with_name("pixels.json").read_text())


def test_every_asset_is_kept(world):
    assert {key.partition(":")[0] for key in kept_pixels()} >= {i for i in world.ids if world.image(i) is not None}


@pytest.mark.parametrize("asset_id", World().ids)
def test_pixels_stay_as_they_are(world, asset_id):
    pixels = pixels_of(world, asset_id)
    assert pixels
    for key, windows in pixels.items():
        for window, kept in zip(windows, kept_pixels()[key], strict=True):
            assert window == (kept if isinstance(kept, str) else pytest.approx(kept, rel=1e-5)), key
