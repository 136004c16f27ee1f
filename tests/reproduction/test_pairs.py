"""JointSeg's ground on the simulated world, as the engine draws it."""

from __future__ import annotations

import pytest

from isamap.gee_export.datasets.dataset import Dataset
from isamap.gee_export.export.export import export_patches
from isamap.reproduction import pairs
from isamap.reproduction.worlds import TRUTH_10


@pytest.mark.long
def test_villages_have_sixty_test_patches_of_scattered_houses_and_as_many_of_hardly_any(tmp_path, reconnected):
    """A tenth of the villages' ground is 5 to 30 % built; the towns' 11 test patches of Ganzi had nothing."""
    arguments = {**pairs.village_product(TRUTH_10).arguments, "sample": pairs.SCATTERED}
    export_patches(**arguments, out=tmp_path / "villages")
    shares = [patch.impervious_share or 0.0 for patch in Dataset.open(tmp_path / "villages").in_split("test")]
    assert sum(0.05 <= share <= 0.3 for share in shares) >= 60
    assert sum(share < 0.05 for share in shares) >= 60
