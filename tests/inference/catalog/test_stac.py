"""STAC of maps and of runs: by the schemas themselves, by the files they name, and by GDAL's reading of these."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pystac
import pytest
import rasterio

import isamap
from isamap.gee_export.base.storage import provide
from isamap.inference.catalog import stac
from isamap.inference.catalog.stac import write_stac
from isamap.inference.runs.run import run_jobs
from tests.inference.tiles.conftest import MAP, options
from tests.support.stac_schemas import errors


@pytest.fixture(scope="module")
def folder(plot, network, tmp_path_factory) -> Path:
    """A run of four tiles, which has written its catalogue."""
    out = tmp_path_factory.mktemp("catalogue") / "plots"
    run_jobs(**options(plot, network, out))
    return out


@pytest.fixture(scope="module")
def items(folder) -> dict[Path, dict]:
    return {path: json.loads(path.read_text("utf-8")) for path in sorted((folder / "stac" / "items").rglob("*.json"))}


@pytest.fixture(scope="module")
def collection(folder) -> dict:
    return json.loads((folder / "stac" / "collection.json").read_text("utf-8"))


@pytest.mark.long
def test_the_collection_follows_every_schema(collection):
    assert errors(collection) == []
    assert errors(collection | {"extent": {}}) != []


def test_every_item_follows_every_schema(items):
    assert [errors(item) for item in items.values()] == [[]] * 4
    named = {address.split("/")[3] for item in items.values() for address in item["stac_extensions"]}
    assert named == {"projection", "raster", "classification", "processing", "file"}


@pytest.mark.parametrize("field", ["file:checksum", "raster:bands"])
def test_the_schemas_see_a_wrong_field(items, field):
    item = json.loads(json.dumps(next(iter(items.values()))))
    item["assets"]["isa"][field] = ["not this"] if field == "raster:bands" else "not hexadecimal"
    assert errors(item) != []


def test_checksums_and_sizes_are_those_of_the_files(items):
    for path, item in items.items():
        for asset in item["assets"].values():
            content = (path.parent / asset["href"]).read_bytes()
            assert asset["file:size"] == len(content)
            assert asset["file:checksum"] == "1220" + hashlib.sha256(content).hexdigest()


def test_the_grid_is_that_of_the_file(items):
    for path, item in items.items():
        with rasterio.open(path.parent / item["assets"]["isa"]["href"]) as file:
            assert item["properties"]["proj:epsg"] == file.crs.to_epsg()
            assert item["properties"]["proj:transform"] == list(file.transform)[:6]
            assert item["properties"]["proj:shape"] == list(file.shape)


def test_the_collection_names_every_item_and_no_other(folder, collection, items):
    named = {(folder / "stac" / link["href"]).resolve() for link in collection["links"] if link["rel"] == "item"}
    assert named == {path.resolve() for path in items}


def test_the_collection_shows_all_tiles_as_one_raster(folder, collection):
    mosaic = folder / "stac" / collection["assets"][MAP]["href"]
    with rasterio.open(mosaic) as tiles, rasterio.open(folder / f"{MAP}.tif") as one_file:
        np.testing.assert_array_equal(tiles.read(1), one_file.read(1))


def test_the_collection_lists_probabilities_and_the_joined_map(folder, collection):
    """Of the one zone: of classes and of probabilities the file, the virtual file and the tile index."""
    shown = {Path(asset["href"]).name for asset in collection["assets"].values()}
    assert shown == {f"{MAP}{layer}{ending}" for layer in ("", "_prob") for ending in (".tif", ".vrt", ".gti.gpkg")}
    assert all((folder / name).is_file() for name in shown)


def test_with_many_tiles_the_collection_names_catalogues_and_these_the_items(folder, monkeypatch):
    before = {path: path.read_bytes() for path in (folder / "stac").rglob("*.json")}
    monkeypatch.setattr(stac, "MOST_LINKS", 3)
    write_stac(folder)
    catalogue = pystac.Collection.from_file(str(folder / "stac" / "collection.json"))
    assert len(list(catalogue.get_items(recursive=True))) == 4 and not list(catalogue.get_item_links())
    catalogs = [json.loads(path.read_text()) for path in (folder / "stac").rglob("catalog.json")]
    assert catalogs and [errors(document | {"stac_extensions": []}) for document in catalogs] == [[]] * len(catalogs)
    monkeypatch.undo()
    write_stac(folder)
    assert {path: path.read_bytes() for path in (folder / "stac").rglob("*.json")} == before


def test_what_is_simulated_says_so(items, collection):
    """The checkpoint is not simulated, the plot's images are the catalogue's own; the tags of the tiles decide."""
    for path, item in items.items():
        with rasterio.open(path.parent / item["assets"]["isa"]["href"]) as file:
            simulated = file.tags()["simulated"] == "true"
        assert item["properties"]["isamap:simulated"] is simulated
        assert ("simulated" in collection["keywords"]) is simulated


def test_the_command_writes_the_bytes_that_the_run_wrote(folder, capsys):
    before = {path: path.read_bytes() for path in (folder / "stac").rglob("*.json")}
    assert len(before) == 5 and isamap.main(["stac", str(folder)]) == 0
    assert "4 STAC items" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in (folder / "stac").rglob("*.json")} == before


def test_a_run_that_is_done_leaves_its_catalogue_and_repairs_another(folder, plot, network):
    path = folder / "stac" / "collection.json"
    before = path.read_bytes(), path.stat().st_mtime_ns
    run_jobs(**options(plot, network, folder))
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    path.write_bytes(before[0].replace(b'"isamap:content": "', b'"isamap:content": "0'))
    run_jobs(**options(plot, network, folder))
    assert path.read_bytes() == before[0]


@pytest.mark.long
def test_a_part_of_a_run_writes_no_catalogue(plot, network, tmp_path):
    run_jobs(**options(plot, network, tmp_path / "part"), part="1/2")
    assert not (tmp_path / "part" / "stac").exists()
    run_jobs(**options(plot, network, tmp_path / "part"), part="2/2")
    assert (tmp_path / "part" / "stac" / "collection.json").exists()


@pytest.fixture(scope="module")
def bucket(plot, network, session) -> Any:
    """It holds the run of `folder`, too."""
    provide("catalogue-bucket", session)
    run_jobs(**options(plot, network, Path()) | {"out": "gs://catalogue-bucket/runs/plots"})
    return session.storage_client().bucket("catalogue-bucket")


@pytest.mark.long
def test_a_run_in_a_bucket_has_the_catalogue_of_one_in_a_folder(folder, bucket):
    """Also its bytes: the collection is called by the last name of the address."""
    for path in (folder / "stac").rglob("*.json"):
        name = path.relative_to(folder).as_posix()
        assert bucket.blob(f"runs/plots/{name}").download_as_bytes() == path.read_bytes()


@pytest.mark.long
def test_the_command_writes_the_catalogue_of_a_bucket_again(bucket, capsys):
    """What is there and of no tile is removed."""
    stale = bucket.blob("runs/plots/stac/items/former.json")
    stale.upload_from_string(b"{}")
    assert isamap.main(["stac", "gs://catalogue-bucket/runs/plots"]) == 0
    assert "gs://catalogue-bucket/runs/plots/stac/collection.json: 4 STAC items" in capsys.readouterr().out
    assert not stale.exists()


def test_items_of_tiles_that_are_no_more_go_away(folder):
    stale = folder / "stac" / "items" / "former.json"
    stale.write_text("{}")
    write_stac(folder)
    assert not stale.exists()


def test_an_unfinished_run_is_refused(folder, tmp_path):
    status = json.loads((folder / "status.json").read_text("utf-8"))
    status["maps"] = {name: each | {"made": 3} for name, each in status["maps"].items()}
    (tmp_path / "status.json").write_text(json.dumps(status))
    with pytest.raises(ValueError, match="has 3 of 4 tiles: finish it"):
        write_stac(tmp_path)


def test_a_folder_without_a_run_is_refused(tmp_path, capsys):
    assert isamap.main(["stac", str(tmp_path)]) == 2
    assert "holds no run" in capsys.readouterr().err


def test_a_map_has_an_item_beside_it(finished_map, random_map, capsys):
    path = finished_map(random_map)
    assert isamap.main(["stac", str(path)]) == 0
    item = json.loads(path.with_suffix(".stac.json").read_text("utf-8"))
    assert errors(item) == [] and set(item["assets"]) == {"isa", "prob", "names"}
    assert item["properties"]["isamap:simulated"] is True and "SIMULATED" in item["properties"]["description"]
    assert item["properties"]["end_datetime"] == "2020-06-30T23:59:59Z"
