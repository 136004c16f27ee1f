"""Maps in a bucket of the local engine: the same answers as of a folder, whole copies only, within their bounds."""

from __future__ import annotations

import hashlib
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import pytest
from starlette.testclient import TestClient

import isamap
from isamap.gee_export.base.cloud_storage import BucketStorage
from isamap.gee_export.base.errors import Fault
from isamap.inference.serve import bucket_maps, cache
from isamap.inference.serve.app import Service
from isamap.inference.serve.job import OPEN, Job
from isamap.inference.serve.library import Library
from isamap.inference.serve.limits import Limits
from isamap.inference.serve.map_request import MapJobRequest
from isamap.inference.serve.settings import ServiceSettings
from tests.inference.serve.conftest import BASE, BBOX, DOOR, TOWN, add_map
from tests.inference.serve.test_maps import lonlat, tile_at
from tests.inference.serve.test_server import until
from tests.support.running_service import Running, running_service

OTHER = "other-town"


@pytest.fixture
def bucket(session) -> str:
    """The name of a bucket that is there and empty."""
    name = f"maps-{uuid.uuid4().hex[:8]}"
    session.storage_client().create_bucket(name)
    return name


@pytest.fixture
def remote(settings: ServiceSettings, bucket: str, session) -> ServiceSettings:
    """Settings of a service whose maps lie in the bucket, in the folder town/maps; of the tests' engine."""
    return replace(settings, maps_at=f"gs://{bucket}/town/maps", server=replace(settings.server, catalog="world"))


@pytest.fixture
def storage(session, bucket: str) -> BucketStorage:
    """The bucket's folder, past the service."""
    return BucketStorage(session.storage_client(), bucket, "town/maps", patience_s=5.0)


@pytest.fixture
def published(remote: ServiceSettings, finished_map, random_map: np.ndarray) -> Path:
    """The file of a map that a worker has put into the bucket under the name town-2020."""
    path = finished_map(random_map)
    add_map(remote, path, TOWN)
    return path


@pytest.fixture
def client(remote: ServiceSettings) -> TestClient:
    return served(remote)


def served(settings: ServiceSettings) -> TestClient:
    return TestClient(Service(settings, DOOR).application(), base_url=BASE, raise_server_exceptions=False)


def copies_of(settings: ServiceSettings) -> list[Path]:
    return sorted(settings.maps.rglob("*.tif"))


def test_a_published_map_lies_in_the_bucket_byte_by_byte(published, storage):
    names = storage.list()
    assert names == [f"{TOWN}.json", f"{TOWN}.tif", f"{TOWN}.tif.aux.xml", f"{TOWN}_prob.tif"]
    assert storage.read(f"{TOWN}.tif") == published.read_bytes()
    assert storage.read(f"{TOWN}_prob.tif") == published.with_name("map_prob.tif").read_bytes()


def test_a_list_equals_that_of_a_folder_and_copies_nothing(published, client, remote, settings):
    (document,) = client.get("/maps").json()["maps"]
    add_map(settings, published, TOWN)
    (expected,) = served(settings).get("/maps").json()["maps"]
    assert document | {"created": ""} == expected | {"created": ""}
    assert document["created"].startswith("20") and copies_of(remote) == []


def test_points_and_areas_are_those_of_the_pixels(published, client, random_map):
    lon, lat = lonlat(20.5, 20.5)
    point = client.get(f"/maps/{TOWN}/point", params={"lon": lon, "lat": lat}).json()
    assert point["value"] == random_map[0, 20, 20]
    assert point["probability"] == pytest.approx(random_map[1, 20, 20] / 254, abs=1e-4)
    areas = client.get(f"/maps/{TOWN}").json()["area_km2"]
    assert areas["impervious"] == pytest.approx((random_map[0] == 1).sum() * 1e-4, rel=0.002)


def test_downloads_are_the_published_bytes(published, client):
    reply = client.get(f"/maps/{TOWN}/download?format=probability")
    assert reply.content == published.with_name("map_prob.tif").read_bytes()
    table = client.get(f"/maps/{TOWN}/download?format=csv")
    assert table.text.splitlines()[1].startswith(f"{TOWN},2020-06,pervious,")


def test_an_item_of_the_catalogue_has_the_checksum_of_the_bytes(published, client):
    item = client.get(f"/collections/maps/items/{TOWN}").json()
    assert item["assets"]["data"]["file:checksum"][4:] == hashlib.sha256(published.read_bytes()).hexdigest()


def test_a_map_is_brought_here_once_also_for_a_server_that_starts_again(published, client, remote, monkeypatch):
    x, y = tile_at(*lonlat(30, 30), 16)
    address = f"/maps/{TOWN}/tiles/class/16/{x}/{y}.png"
    before = client.get(address).content
    monkeypatch.setattr(BucketStorage, "download", None)
    assert served(remote).get(address).content == before
    assert client.get(f"/maps/{TOWN}/tiles/probability/16/{x}/{y}.png").status_code == 200
    assert len(copies_of(remote)) == 2


def test_a_copy_that_was_cut_short_is_never_read(published, client, remote, monkeypatch):
    """A server that is killed while it copies leaves a part, and no map."""

    def dying(self, name, path):
        path.write_bytes(b"II*\0")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(BucketStorage, "download", dying)
        patch.setattr(bucket_maps.shutil, "rmtree", lambda *_, **__: None)
        with pytest.raises(KeyboardInterrupt):
            Library(remote).map(TOWN).pixels()
    assert [path.name.startswith(".part-") for path in remote.maps.iterdir()] == [True, True]  # of the head, and this
    assert client.get(f"/maps/{TOWN}/download").content == published.read_bytes()


def test_a_copy_that_does_not_match_the_list_is_refused(published, remote, monkeypatch):
    stored = Library(remote).map(TOWN)
    monkeypatch.setattr(BucketStorage, "download", lambda self, name, path: path.write_bytes(b"something else"))
    with pytest.raises(Fault, match="was replaced while it was read: ask once more"):
        stored.pixels()
    assert copies_of(remote) == []


def test_a_map_whose_upload_was_cut_short_is_not_listed(remote, finished_map, random_map, monkeypatch):
    """The classes come last."""
    upload = BucketStorage.upload

    def dying(self, name, path):
        if name == f"{TOWN}.tif":
            raise KeyboardInterrupt
        upload(self, name, path)

    with monkeypatch.context() as patch:
        patch.setattr(BucketStorage, "upload", dying)
        with pytest.raises(KeyboardInterrupt):
            add_map(remote, finished_map(random_map), TOWN)
    maps = Library(remote).maps
    assert (maps.maps(), maps.map(TOWN)) == ([], None)


def test_a_map_that_another_machine_published_is_seen_at_once(remote, client, finished_map, random_map):
    assert client.get("/maps").json()["maps"] == []
    add_map(remote, finished_map(random_map), TOWN)
    assert client.get(f"/maps/{TOWN}").status_code == 200


@pytest.mark.long
def test_a_map_that_was_replaced_is_seen(published, remote, client, finished_map, random_map, monkeypatch):
    monkeypatch.setattr(bucket_maps, "LIST_S", 0.0)
    first = client.get(f"/maps/{TOWN}/download").content
    add_map(remote, finished_map(random_map[:, ::-1], "turned.tif"), TOWN)
    second = client.get(f"/maps/{TOWN}/download").content
    assert first == published.read_bytes() and second == published.with_name("turned.tif").read_bytes() != first


@pytest.mark.long
def test_other_objects_are_no_maps(published, client, storage):
    storage.write("note.tif", b"II*\0 nothing")
    storage.write("below/other.tif", published.read_bytes())
    storage.write("../escaped.tif", published.read_bytes())
    assert [each["id"] for each in client.get("/maps").json()["maps"]] == [TOWN]


@pytest.mark.long
@pytest.mark.parametrize("id", [f"{TOWN}_prob", f"..%2Fmaps%2F{TOWN}", f"below%2F{TOWN}"])
def test_no_other_name_is_a_map(published, client, id):
    assert client.get(f"/maps/{id}").status_code == 404


@pytest.mark.long
def test_copies_beyond_the_bytes_go_the_longest_unused_first(remote, published, finished_map, random_map, monkeypatch):
    add_map(remote, finished_map(random_map[:, ::-1], "turned.tif"), OTHER)
    monkeypatch.setattr(cache, "KEPT_S", -1.0)
    small = replace(remote, limits=Limits(cache_bytes=1.5 * size_of(published)))
    library = Library(small)
    library.map(TOWN).pixels()
    library.map(OTHER).pixels()
    assert {path.name for path in copies_of(small)} == {f"{OTHER}.tif", f"{OTHER}_prob.tif"}


def size_of(path: Path) -> int:
    return sum(file.stat().st_size for file in path.parent.glob(f"{path.stem}*.tif*"))


@pytest.mark.long
def test_a_silent_bucket_leaves_what_was_listed(published, client, monkeypatch):
    monkeypatch.setattr(bucket_maps, "LIST_S", 0.0)
    content = client.get(f"/maps/{TOWN}/download").content

    def silent(*_):
        raise Fault("gs://x: Cloud Storage failed")

    monkeypatch.setattr(BucketStorage, "listed", silent)
    assert client.get(f"/maps/{TOWN}/download").content == content


def test_a_bucket_that_cannot_be_read_stops_the_start(remote, monkeypatch):
    def refused(*_):
        raise Fault("gs://x: no permission")

    monkeypatch.setattr(BucketStorage, "listed", refused)
    with pytest.raises(Fault, match="no permission"):
        Service(remote, DOOR).application()


def test_a_new_bucket_of_the_local_engine_is_made(remote, session):
    name = f"maps-{uuid.uuid4().hex[:8]}"
    Service(replace(remote, maps_at=f"gs://{name}/maps"), DOOR).application()
    assert session.storage_client().bucket(name).exists()


def test_a_long_command_keeps_its_copy(published, remote, tmp_path):
    """A copy may be swept while `isamap assess` works: the job has a name of its own for the files."""
    path = Library(remote).map(TOWN).kept_in(tmp_path / "job" / "map")
    for copy in copies_of(remote):
        copy.unlink()
    assert path.read_bytes() == published.read_bytes()
    assert path.with_name(f"{TOWN}_prob.tif").is_file() and path.with_name(f"{TOWN}.tif.aux.xml").is_file()


def test_the_results_of_a_job_go_to_the_bucket(remote, storage, finished_map, random_map, network, tmp_path):
    (tmp_path / "job" / "run").mkdir(parents=True)
    path = finished_map(random_map)
    for file in path.parent.glob("map*.tif*"):
        if file.is_file():
            file.rename(tmp_path / "job" / "run" / file.name)
    library = Library(remote)
    request = MapJobRequest.of({"checkpoint": "run", "bbox": BBOX, "period": "2019-06", "name": "field"}, library)
    job = Job("0" * 32, "map", request.inputs, "", "running", "", 0, 1, 0.0, 0.0)
    href = request.results(job, tmp_path / "job")["map"]["href"]
    assert href == "/maps/field-2019-06-00000000" and "field-2019-06-00000000.tif" in storage.list()
    assert library.map("field-2019-06-00000000").record["checkpoint"] == "run"


@pytest.mark.long
def test_a_large_map_is_listed_by_its_first_bytes(remote, finished_map, storage, monkeypatch):
    """Its pixels are random: the file is several times larger than its head."""
    rng = np.random.default_rng(3)
    share_HW = rng.integers(0, 255, (1200, 1200))
    add_map(remote, finished_map(np.stack([share_HW >= 127, share_HW]).astype(np.uint8)), TOWN)
    monkeypatch.setattr(BucketStorage, "download", None)
    sizes = {stored.name: stored.size for stored in storage.listed()}
    assert sizes[f"{TOWN}_prob.tif"] > 4 * bucket_maps.LEAST_HEAD
    (stored,) = Library(remote).maps.maps()
    assert stored.file.geobox.shape == (1200, 1200)


@pytest.mark.parametrize(
    ("address", "sentence"),
    [("gs://", "names no bucket: expected gs://BUCKET/FOLDER"), ("gs://A/maps", "expected a bucket of 3 to 222"),
     ("gs:/maps", "on this machine only")],
)  # fmt: skip
def test_a_wrong_address_is_refused_in_one_sentence(tmp_path, capsys, address, sentence):
    assert isamap.main(["serve", "--folder", str(tmp_path / "service"), "--maps", address]) == 2
    assert sentence in capsys.readouterr().err


def test_a_folder_of_maps_may_lie_elsewhere(settings, tmp_path, finished_map, random_map):
    elsewhere = replace(settings, maps_at=str(tmp_path / "elsewhere"))
    add_map(elsewhere, finished_map(random_map), TOWN)
    assert (tmp_path / "elsewhere" / f"{TOWN}.tif").is_file()
    assert [each["id"] for each in served(elsewhere).get("/maps").json()["maps"]] == [TOWN]


def test_requests_at_once_bring_a_map_once(published, remote, monkeypatch):
    names, download = [], BucketStorage.download

    def counted(self, name, path):
        names.append(name)
        download(self, name, path)

    monkeypatch.setattr(BucketStorage, "download", counted)
    stored = Library(remote).map(TOWN)
    with ThreadPoolExecutor(8) as pool:
        paths = {file.path for file in pool.map(lambda _: stored.pixels(), range(16))}
    assert len(paths) == 1 and sorted(names) == sorted(set(names))


@pytest.mark.long
def test_a_killed_server_goes_on_with_its_job_and_its_bucket(
    tmp_path, bucket, network, plot_folder, engine_home, session
):
    """The job's map comes into the bucket once, whole, and the server after the next shows it."""
    address = f"gs://{bucket}/town/maps"
    options = ("--maps", address, "--checkpoint", str(network), "--catalog", str(plot_folder))
    inputs = {"checkpoint": "run", "bbox": BBOX, "period": "2019-06", "name": "field"}
    with running_service(tmp_path / "service", engine_home, *options) as first:
        job = first.post("/processes/map/execution", {"inputs": inputs})["jobID"]
        until(lambda: first.json(f"/jobs/{job}")["status"] != "accepted")
        first.process.kill()
    id = f"field-2019-06-{job[:8]}"
    with running_service(tmp_path / "service", engine_home, *options) as second:
        until(lambda: second.json(f"/jobs/{job}")["status"] not in OPEN)
        assert second.json(f"/jobs/{job}/results")["map"]["href"] == f"/maps/{id}"
        before = downloaded(second, id)
        second.process.kill()
    with running_service(tmp_path / "elsewhere", engine_home, *options) as third:
        assert [each["id"] for each in third.json("/maps")["maps"]] == [id]
        assert downloaded(third, id) == before
    blob = session.storage_client().bucket(bucket).blob(f"town/maps/{id}.tif")
    assert blob.download_as_bytes() == before


def downloaded(server: Running, id: str) -> bytes:
    with urlopen(f"{server.address}/maps/{id}/download", timeout=120) as reply:
        return reply.read()
