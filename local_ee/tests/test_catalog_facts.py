"""The program that writes Google's catalog down as facts: bands, properties and indices of small entries."""

from __future__ import annotations

from benchmarks import catalog_facts
from local_ee.world import public_facts


def entry(**summaries):
    """A catalog entry of a collection of one day each."""
    return {
        "id": "A/B",
        "gee:type": "image_collection",
        "license": "CC-BY-4.0",
        "gee:status": "deprecated",
        "gee:interval": {"type": "cadence", "interval": 8, "unit": "day"},
        "extent": {
            "temporal": {"interval": [["2001-02-03T00:00:00Z", None]]},
            "spatial": {"bbox": [[-180, -60, 180, 80]]},
        },
        "summaries": {"gsd": [500], **summaries},
    }


def read_back(monkeypatch, tmp_path, *entries):
    """The facts of entries as the engine reads them."""
    lines = catalog_facts.shared([catalog_facts.fields_of(each, (), "") for each in entries])
    catalog_facts.write(lines, tmp_path / "facts")
    monkeypatch.setattr(public_facts, "FACTS", tmp_path / "facts")
    public_facts._lines.cache_clear()
    try:
        return {name: public_facts.assets()[name] for name in public_facts.assets()}
    finally:
        public_facts._lines.cache_clear()


def test_what_is_written_is_what_is_read(monkeypatch, tmp_path):
    bands = [
        {"name": "red", "gee:scale": 0.0001, "gee:offset": -0.1, "gee:units": "K"},
        {"name": "fine", "gsd": 250, "gee:classes": [{"value": 3}, {"value": 1}]},
    ]
    asset = read_back(monkeypatch, tmp_path, entry(**{"eo:bands": bands, "red": {"minimum": 0, "maximum": 9000}}))[
        "A/B"
    ]
    red, fine = asset.bands
    assert (red.dtype, red.least, red.most, red.scale, red.offset, red.unit) == ("uint16", 0, 9000, 0.0001, -0.1, "K")
    assert (fine.classes, fine.pixel_m, fine.dtype) == ((1, 3), 250, "uint8")
    assert (asset.count, asset.unit, asset.status, asset.licence) == (8, "day", "deprecated", "CC-BY-4.0")
    assert asset.bounds == (-180, -60, 180, 80) and f"{asset.start:%Y-%m-%d}" == "2001-02-03" and asset.goes_on


def test_a_band_like_the_one_before_is_written_by_its_name():
    bands = [{"name": f"b{i}", "gee:units": "m"} for i in range(3)]
    assert catalog_facts.bands_of({"eo:bands": bands}, 30) == "b0:f::::m;b1~;b2~"


def test_assets_of_the_same_bands_share_them(monkeypatch, tmp_path):
    bands = [{"name": f"band_with_a_long_name_{i}", "gee:units": "m"} for i in range(9)]
    twins = [{**entry(**{"eo:bands": bands}), "id": name} for name in ("A/B", "A/C")]
    lines = catalog_facts.shared([catalog_facts.fields_of(each, (), "") for each in twins])
    assert "|@A/B|" in lines[1]
    facts = read_back(monkeypatch, tmp_path, *twins)
    assert facts["A/C"].bands == facts["A/B"].bands


def test_properties_keep_their_types(monkeypatch, tmp_path):
    schema = [{"name": "n", "type": "INT"}, {"name": "s", "type": "STRING"}, {"name": "m", "type": "INT"}]
    asset = read_back(monkeypatch, tmp_path, entry(**{"gee:schema": schema}))["A/B"]
    assert dict(asset.properties) == {"n": "i", "s": "s", "m": "i"}


def test_indices_are_those_of_images_in_collections():
    texts = ["ee.Image('A/B/2020_01')", "ee.Image('A/B')", "ee.Image('X/Y/1')", "ee.Image('A/' +\n 'B/two')"]
    assert catalog_facts.indices_in(texts, {"A/B"}) == {"A/B": {"2020_01", "two"}}
