"""Facts of collections: zones of scenes and embeddings, grids of label products, on the simulated world."""

from __future__ import annotations

from dataclasses import replace

import pytest
from local_ee.evaluation import registry

from isamap.gee_export.earth_engine.session import connect
from isamap.gee_export.labelling import label_products
from isamap.inference.prove import facts
from isamap.inference.prove.facts import _is_near
from isamap.inference.prove.place import ProofPlace
from isamap.inference.prove.probe import CONFIRMED, REFUTED, UNTRIED, judged

PROBES = {probe.name: probe for probe in facts.PROBES}


@pytest.fixture
def place(session, tmp_path) -> ProofPlace:
    return ProofPlace(connect(None), None, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize(("name", "zones"), [("facts.zones", 2), ("facts.embedding-zones", 2)])
def test_pixels_in_another_zone_than_the_property_says_are_found(place, name, zones, monkeypatch):
    """The wide box holds the border of zones 49 and 50."""
    sound = judged(PROBES[name], place)
    assert sound.status == CONFIRMED and len(sound.answer.get("zones", range(sound.answer.get("images", 0)))) == zones
    projection = registry._ALGORITHMS["Projection.crs"]
    wrong = replace(projection, function=lambda **given: "EPSG:32601")
    monkeypatch.setitem(registry._ALGORITHMS, "Projection.crs", wrong)
    assert judged(PROBES[name], place).status == REFUTED


def test_a_product_tells_type_grid_and_codes_of_its_stored_band(place):
    answer = judged(PROBES["facts.codes-ghs_built_s_10m"], place).answer
    facts_of_band = {name: answer[name] for name in ("band", "type", "limits", "crs", "step")}
    assert facts_of_band == {
        "band": "built_surface", "type": "int", "limits": [0, 65535], "crs": "ESRI:54009", "step": 10.0
    }  # fmt: skip
    assert answer["step as listed"] and sum(answer["codes"]["built_surface"].values()) > 10_000


def test_of_a_product_with_its_years_in_bands_the_years_own_is_told(place):
    """GLC_FCS30D's bands of 2000 to 2022: the twentieth is that of 2019."""
    assert judged(PROBES["facts.codes-glc_fcs30d"], place).answer["band"] == "b20"


def test_a_product_on_another_grid_than_listed_is_refuted(place, monkeypatch):
    finer = replace(label_products.product_named("ghs_built_s_10m"), scale_m=30)
    monkeypatch.setattr(label_products, "product_named", lambda name: finer)
    assert judged(PROBES["facts.codes-ghs_built_s_10m"], place).status == REFUTED


def test_a_product_without_an_image_of_the_place_is_not_tried(place, monkeypatch):
    product = label_products.product_named("dynamicworld")
    before = replace(product, editions=(replace(product.editions[0], year=1990),))
    monkeypatch.setattr(label_products, "product_named", lambda name: before)
    verdict = judged(PROBES["facts.codes-dynamicworld"], place)
    assert verdict.status == UNTRIED and "no image of Wuchang" in verdict.words


@pytest.mark.parametrize(
    ("crs", "step", "scale_m", "same"),
    [("EPSG:4326", 1 / 3600, 30, True), ("EPSG:4326", 1 / 3600, 10, False), ("EPSG:32650", -10, 10, True)],
)
def test_steps_of_degrees_are_metres_at_the_equator(crs, step, scale_m, same):
    """An arc second is 30.9 m there."""
    assert _is_near({"crs": crs, "crs_transform": [step, 0, 0, 0, step, 0]}, scale_m) is same
