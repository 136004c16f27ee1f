"""The index of a zone's tiles, made in batches."""

from __future__ import annotations

from affine import Affine
from odc.geo.geobox import GeoBox

from isamap.gee_export.base import feature_table
from isamap.gee_export.base.grid import Window
from isamap.inference.tiles import index as tile_index


def test_a_tile_index_made_in_batches_holds_each_tile_once_and_its_metadata(monkeypatch, tmp_path):
    """Of a hundred thousand tiles not all shapes are in memory at once."""
    monkeypatch.setattr(tile_index, "BATCH", 3)
    places = {f"t{at}": Window(0, 16 * at, 16, 16) for at in range(8)}
    geobox = GeoBox((16, 128), Affine(10, 0, 500_000, 0, -10, 3_400_000), "EPSG:32650")
    zone = tile_index.Zone(tile_index.ZoneGrid(geobox, places), {"period": "2019-06"})
    content = tile_index.tile_index(zone, {name: f"tiles/{name}.tif" for name in places})
    (tmp_path / "i.gpkg").write_bytes(content)
    table = feature_table.read_table(tmp_path / "i.gpkg")
    assert table.columns["location"].tolist() == [f"tiles/t{at}.tif" for at in range(8)]
    assert [shape.bounds[0] for shape in table.shapes] == [500_000 + 160 * at for at in range(8)]
    assert b"2019-06" in content and b"RESX" in content
