"""How far single passes of Sentinel-1 lie off, on made-up pairs whose shift is known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from local_ee.catalog.folder import write_image

from isamap.gee_export.base.regions import Period, Region
from isamap.gee_export.earth_engine.session import connect
from isamap.gee_export.export.coregister_region import Registration, register
from isamap.gee_export.export.scene_shifts import PassShift
from isamap.gee_export.sentinel.composite import Settings
from tests.support.ground_pairs import LEFT, SHIFT_PX, STEP, TOP, grid, pair

SIDE = 192
NONE_PX = ((0.0,), (0.0,))
REGION = Region("pairs", 32650, (LEFT, TOP - STEP * SIDE, LEFT + STEP * SIDE, TOP), (LEFT, TOP))
JUNE = Period.parse("2019-06")
DAYS = {"20190605": NONE_PX, "20190617": SHIFT_PX}  # one orbit; the second day has jumped


@pytest.fixture(scope="module")
def registration(tmp_path_factory: pytest.TempPathFactory, engine_home: Path, reconnected) -> Iterator[Registration]:
    folder = tmp_path_factory.mktemp("passes")
    optical, _ = pair(SIDE, NONE_PX)
    numbers = (optical.values_BHW * 1e4).astype(np.uint16)
    bands = dict(zip(("B2", "B3", "B4", "B8"), (numbers[0], numbers[1], numbers[0], numbers[1]), strict=True))
    index = "20190610T025551_20190610T030602_T50RKU"
    properties = {"PRODUCT_ID": "S2A_MSIL2A_20190610T025551_N0213_R032_T50RKU_20190610T063512"}
    write_image(folder, f"COPERNICUS/S2_SR_HARMONIZED/{index}", bands, grid(SIDE), properties=properties)
    for seed, (day, shift_px) in enumerate(DAYS.items()):
        power = 10 ** (pair(SIDE, shift_px)[1].values_BHW[0] / 10)
        facts = {
            "instrumentMode": "IW", "transmitterReceiverPolarisation": ["VV", "VH"],
            "orbitProperties_pass": "ASCENDING", "relativeOrbitNumber_start": 40,
        }  # fmt: skip
        name = f"S1A_IW_GRDH_1SDV_{day}T100000_{day}T100025_02748{seed}_0319C4_AAAA"
        image = {"VV": power.astype(np.float32), "VH": (power / 5).astype(np.float32)}
        write_image(folder, f"COPERNICUS/S1_GRD_FLOAT/{name}", image, grid(SIDE), properties=facts)
    with connect(catalog=folder, home=engine_home):
        yield register(REGION, JUNE, Settings.of(clouds="none", level="l2a"), by_scene=True)


@pytest.mark.long
def test_each_day_has_its_own_shift(registration):
    """The mean of the orbit would hide that one scene lies right and the other does not."""
    still, jumped = registration.passes
    assert (still.day, jumped.day) == ("2019-06-05", "2019-06-17") and still.orbit == jumped.orbit == 40
    assert still.metres is None or still.metres < 4
    (right_px,), (up_px,) = SHIFT_PX
    assert jumped.east_m == pytest.approx(STEP * right_px, abs=4)
    assert jumped.north_m == pytest.approx(STEP * up_px, abs=4)


@pytest.mark.long
def test_a_jump_is_printed_beside_its_scene(registration):
    lines = str(registration).splitlines()
    (line,) = (line for line in lines if line.startswith("2019-06-17"))
    assert "S1A_IW_GRDH_1SDV_20190617T100000" in line and line.endswith("MORE THAN A PIXEL")


@pytest.mark.long
def test_the_report_holds_the_passes(registration):
    document = registration.to_json()["passes"]
    assert [each["day"] for each in document] == ["2019-06-05", "2019-06-17"]


def test_what_could_not_be_measured_says_why():
    shift = PassShift("2019-06-05", 40, ("S1A",), None, None, "too few tie points")
    assert str(shift) == "2019-06-05 orbit 40 (S1A): no shift was made out: too few tie points"
