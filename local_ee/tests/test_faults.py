"""Faults on demand: what was asked for happens, when it was asked for, and is told of."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import ee
import numpy as np
import pytest
import requests
from google.auth.credentials import AnonymousCredentials

from local_ee import LocalEngine, injector
from local_ee.faults import KINDS, FaultRule, Faults
from local_ee.injector import Injector, Seen
from local_ee.rest.faulty import route_of
from local_ee.testing.small import CRS, TRANSFORM, catalog, ended, request_grid, storage_client

pytestmark = pytest.mark.usefixtures("reconnected")
PIXELS = Seen("pixels", "POST /v1/projects/local/image:computePixels", 100 * 100)


@contextmanager
def serving(home: Path, *rules, seed: int = 0):
    with LocalEngine(catalog(200, 200), home, faults=Faults.of(*rules, seed=seed)) as engine:
        yield engine


def compute(engine: LocalEngine, side: int = 8) -> requests.Response:
    load = {"functionName": "Image.load", "arguments": {"id": {"constantValue": "SMALL/ONE"}}}
    body = {
        "expression": {"result": "0", "values": {"0": {"functionInvocationValue": load}}},
        "bandIds": ["B2"],
        "fileFormat": "NPY",
        "grid": request_grid(0, 0, side, side),
    }
    return requests.post(f"{engine.url}/v1/projects/local/image:computePixels", json=body, timeout=300)


def answers(engine: LocalEngine, count: int) -> list[int]:
    return [compute(engine).status_code for _ in range(count)]


@pytest.mark.parametrize(
    ("kind", "status", "name"),
    [("429", 429, "RESOURCE_EXHAUSTED"), ("500", 500, "INTERNAL"), ("503", 503, "UNAVAILABLE")],
)
def test_refusals_have_googles_form(tmp_path, kind, status, name):
    """https://cloud.google.com/apis/design/errors: code, message, status."""
    with serving(tmp_path, {"on": "pixels", "kind": kind, "nth": 1}) as engine:
        refused = compute(engine)
        assert refused.status_code == status
        assert refused.json()["error"] == {"code": status, "message": KINDS[kind].message, "status": name}
        assert compute(engine).ok


def test_a_reset_comes_before_the_work_and_a_loss_after_it(tmp_path):
    with serving(
        tmp_path, {"on": "upload", "kind": "reset", "nth": 1}, {"on": "upload", "kind": "lost", "nth": 2}
    ) as engine:
        storage_client(engine.url).create_bucket("faults")
        upload = f"{engine.url}/upload/storage/v1/b/faults/o?uploadType=media&name=a"
        stored = f"{engine.url}/storage/v1/b/faults/o/a"
        with pytest.raises(requests.ConnectionError):
            requests.post(upload, data=b"1", timeout=300)
        assert requests.get(stored, timeout=300).status_code == 404
        with pytest.raises(requests.ConnectionError):
            requests.post(upload, data=b"2", timeout=300)
        assert requests.get(stored, timeout=300).json()["size"] == "1"


def test_a_body_ends_before_its_announced_length(tmp_path):
    with serving(tmp_path, {"on": "pixels", "kind": "truncate", "nth": 1}) as engine:
        with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
            compute(engine)
        assert np.load(io.BytesIO(compute(engine).content)).shape == (8, 8)


def test_delays_are_drawn_around_their_median():
    rule = FaultRule(("pixels",), "delay", seconds=2.0, spread=0.5)
    made = Injector(Faults((rule,)), Path("unused"))
    waits = []
    for _ in range(2000):
        with made.verdict(PIXELS) as verdict:
            waits.append(verdict.delay_s)
    assert np.median(waits) == pytest.approx(2.0, rel=0.05)
    assert np.std(np.log(waits)) == pytest.approx(0.5, rel=0.05)


def test_memory_runs_out_above_a_size_in_earth_engines_words(tmp_path):
    with serving(tmp_path, {"on": "pixels", "kind": "memory", "above_px": 64}) as engine:
        assert compute(engine, side=8).ok
        refused = compute(engine, side=9)
        assert (refused.status_code, refused.json()["error"]["message"]) == (400, "User memory limit exceeded.")


def test_a_quota_lets_so_many_in_at_once_and_a_second(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(injector, "time", SimpleNamespace(monotonic=lambda: now[0], time=time.time))
    made = Injector(Faults.of({"on": "pixels", "kind": "quota", "at_once": 2}), Path("unused"))
    with made.verdict(PIXELS) as first, made.verdict(PIXELS) as second, made.verdict(PIXELS) as third:
        assert (first.kind, second.kind, third.kind) == ("", "", "quota")
    with made.verdict(PIXELS) as later:
        assert later.kind == ""
    rate = Injector(Faults.of({"on": "pixels", "kind": "quota", "per_second": 3}), Path("unused"))
    kinds = []
    for _ in range(5):
        with rate.verdict(PIXELS) as verdict:
            kinds.append(verdict.kind)
        now[0] += 0.125
    now[0] += 0.5
    with rate.verdict(PIXELS) as verdict:
        kinds.append(verdict.kind)
    assert kinds == ["", "", "", "quota", "quota", ""]


def test_chance_is_seeded_and_as_frequent_as_asked():
    def struck(seed):
        made = Injector(Faults.of({"on": "pixels", "kind": "503", "probability": 0.3}, seed=seed), Path("unused"))
        found = []
        for _ in range(1000):
            with made.verdict(PIXELS) as verdict:
                found.append(bool(verdict.rule))
        return found

    assert struck(1) == struck(1) != struck(2)
    assert 250 < sum(struck(1)) < 350


def test_calls_are_chosen_by_number_window_and_count(tmp_path):
    with serving(tmp_path / "a", {"on": "pixels", "kind": "500", "nth": [2, 4]}) as engine:
        assert answers(engine, 5) == [200, 500, 200, 500, 200]
    with serving(tmp_path / "b", {"on": "any", "kind": "503", "first": 2, "last": 3}) as engine:
        assert answers(engine, 4) == [200, 503, 503, 200]
    with serving(tmp_path / "c", {"on": "pixels", "kind": "429", "count": 2}) as engine:
        assert answers(engine, 4) == [429, 429, 200, 200]


def test_only_addresses_that_match_go_wrong(tmp_path):
    with serving(tmp_path, {"on": "object", "kind": "503", "matching": r"images/b\.tif"}) as engine:
        storage_client(engine.url).create_bucket("faults")
        about = f"{engine.url}/storage/v1/b/faults/o/images%2F"
        statuses = [requests.get(f"{about}{name}.tif", timeout=300).status_code for name in "abc"]
        assert statuses == [404, 503, 404]


def test_a_corrupt_download_does_not_fit_its_checksum(tmp_path):
    from google.cloud.storage.exceptions import DataCorruption

    with serving(tmp_path, {"on": "download", "kind": "corrupt", "nth": 1}) as engine:
        bucket = storage_client(engine.url).create_bucket("faults")
        bucket.blob("a").upload_from_string(b"content")
        with pytest.raises(DataCorruption):
            bucket.blob("a").download_as_bytes()
        assert bucket.blob("a").download_as_bytes() == b"content"


def test_a_corrupt_upload_is_refused_by_its_checksum(tmp_path):
    """https://cloud.google.com/storage/docs/data-validation: the server refuses what does not fit the checksum sent."""
    from google.api_core.exceptions import BadRequest

    with serving(tmp_path, {"on": "upload", "kind": "corrupt", "nth": 1}) as engine:
        bucket = storage_client(engine.url).create_bucket("faults")
        with pytest.raises(BadRequest, match="doesn't match calculated"):
            bucket.blob("a").upload_from_string(b"content", checksum="crc32c")
        assert not bucket.blob("a").exists()


def test_a_list_lags_behind_by_so_many_lists(tmp_path):
    with serving(tmp_path, {"on": "list", "kind": "lag", "lists": 2, "matching": "^late"}) as engine:
        bucket = storage_client(engine.url).create_bucket("faults")
        for name in ("early", "late/a"):
            bucket.blob(name).upload_from_string(b"")
        seen = [[blob.name for blob in bucket.list_blobs()] for _ in range(3)]
        assert seen == [["early"], ["early"], ["early", "late/a"]]
        assert bucket.blob("late/a").exists()


def export(engine: LocalEngine, description: str) -> dict:
    ee.Initialize(credentials=AnonymousCredentials(), project="local", url=engine.url)
    task = ee.batch.Export.image.toCloudStorage(
        image=ee.Image("SMALL/ONE").select("B2"),
        description=description,
        bucket="faults",
        fileNamePrefix=description,
        crs=CRS,
        crsTransform=list(TRANSFORM)[:6],
        dimensions="200x200",
        fileDimensions=128,
        shardSize=128,
    )
    task.start()
    return ended(task.name)


def test_tasks_fail_or_lose_a_file(tmp_path):
    rules = [
        {"on": "task", "kind": "fail", "nth": 1},
        {"on": "task", "kind": "missing", "nth": 2},
        {"on": "task", "kind": "memory", "matching": "hungry"},
    ]
    with serving(tmp_path, *rules) as engine:
        bucket = storage_client(engine.url).create_bucket("faults")
        failed, short, whole, hungry = (export(engine, name) for name in ("failed", "short", "whole", "hungry"))
        assert failed["metadata"]["state"] == "FAILED"
        assert failed["error"]["message"] == "Execution failed; out of memory."
        assert short["metadata"]["state"] == whole["metadata"]["state"] == "SUCCEEDED"
        assert hungry["error"]["message"] == "User memory limit exceeded."
        counts = {name: len(list(bucket.list_blobs(prefix=name))) for name in ("failed", "short", "whole")}
        assert counts == {"failed": 0, "short": 3, "whole": 4}


def test_every_call_is_told_at_faults_and_in_the_home(tmp_path):
    with serving(tmp_path, {"on": "pixels", "kind": "503", "nth": 2}, seed=5) as engine:
        assert answers(engine, 3) == [200, 503, 200]
        told = requests.get(f"{engine.url}/faults", timeout=300).json()
    assert told["seed"] == 5 and [(rule["looked"], rule["struck"]) for rule in told["rules"]] == [(3, 1)]
    assert [(row["route"], row["fault"], row["status"]) for row in told["calls"]] == [
        ("pixels", None, 200),
        ("pixels", "503", 503),
        ("pixels", None, 200),
    ]
    assert told["calls"][0]["grid"] == [CRS, *list(TRANSFORM)[:6], 8, 8]
    assert injector.calls(tmp_path) == told["calls"]


def test_the_command_serves_faults_from_a_file(tmp_path):
    (tmp_path / "faults.json").write_text('{"rules": [{"on": "other", "kind": "503", "nth": 1}]}')
    command = [sys.executable, "-m", "local_ee", "serve", "--port", "0", "--faults", str(tmp_path / "faults.json")]
    environment = {**os.environ, "ISAMAP_HOME": str(tmp_path)}
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root, env=environment) as process:
        try:
            url = process.stdout.readline().split(" at ")[1].split(" ")[0]
            statuses = [requests.get(f"{url}/v1/projects/local/config", timeout=300).status_code for _ in range(2)]
            assert statuses == [503, 200]
            assert requests.get(f"{url}/faults", timeout=300).json()["rules"][0]["struck"] == 1
        finally:
            process.terminate()


def test_without_faults_nothing_is_logged(tmp_path):
    with LocalEngine(catalog(20, 20), tmp_path) as engine:
        assert requests.get(f"{engine.url}/faults", timeout=300).status_code == 404
    assert injector.calls(tmp_path) == []


@pytest.mark.parametrize(
    ("method", "path", "query", "route"),
    [
        ("POST", "/v1/projects/p/value:compute", "", "value"),
        ("POST", "/v1/projects/p/image:computePixels", "", "pixels"),
        ("POST", "/v1/projects/p/assets/a/b:getPixels", "", "pixels"),
        ("GET", "/v1/projects/p/thumbnails/x:getPixels", "", "thumbnails"),
        ("POST", "/v1/projects/p/videoThumbnails", "", "thumbnails"),
        ("GET", "/v1/projects/p/filmstripThumbnails/x:getPixels", "", "thumbnails"),
        ("GET", "/v1/projects/p/maps/m/tiles/1/0/0", "", "maps"),
        ("POST", "/v1/projects/p/image:export", "", "export"),
        ("GET", "/v1/projects/p/operations/O", "", "operations"),
        ("POST", "/v1/projects/p/operations/O:cancel", "", "operations"),
        ("GET", "/v1/projects/p/assets/a", "", "assets"),
        ("GET", "/v1/projects/p/algorithms", "", "other"),
        ("POST", "/upload/storage/v1/b/B/o", "uploadType=multipart", "upload"),
        ("GET", "/download/storage/v1/b/B/o/a%2Fb", "alt=media", "download"),
        ("GET", "/storage/v1/b/B/o/a%2Fb", "alt=media", "download"),
        ("GET", "/storage/v1/b/B/o", "prefix=a", "list"),
        ("GET", "/storage/v1/b/B/o/a%2Fb", "", "object"),
        ("DELETE", "/storage/v1/b/B/o/a%2Fb", "", "delete"),
        ("POST", "/storage/v1/b/B/o/a/compose", "", "copy"),
        ("POST", "/storage/v1/b", "", "bucket"),
        ("POST", "/batch/storage/v1", "", "batch"),
        ("PUT", "/bucket/a%2Fb", "partNumber=1&uploadId=2", "upload"),
        ("POST", "/bucket/a", "uploads", "upload"),
    ],
)
def test_routes_are_known_by_their_addresses(method, path, query, route):
    assert route_of(method, path, query) == route


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"on": "pixels", "kind": "505"}, "expected one of 429, 500"),
        ({"on": "pixel", "kind": "503"}, "cannot happen on 'pixel'"),
        ({"on": "upload", "kind": "memory"}, "memory cannot happen on 'upload'"),
        ({"on": "any", "kind": "fail"}, "happens to tasks"),
        ({"on": "pixels", "kind": "503", "often": 1}, "unknown key 'often'"),
        ({"on": "pixels", "kind": "503", "seconds": 1}, "503 has no seconds"),
        ({"on": "pixels", "kind": "delay"}, "needs seconds"),
        ({"on": "pixels", "kind": "quota"}, "needs at_once or per_second"),
        ({"on": "list", "kind": "lag"}, "needs lists"),
        ({"on": "pixels", "kind": "503", "probability": 2}, "0 to 1"),
        ({"on": "pixels", "kind": "503", "nth": 0}, "call number from 1"),
        ({"on": "pixels", "kind": "503", "nth": 3, "last": 4}, "give one of them"),
        ({"on": "pixels", "kind": "503", "matching": "("}, "no regular expression"),
        ({"on": "pixels", "kind": "delay", "seconds": "long"}, "must be a number"),
        ({"on": "pixels", "kind": "quota", "at_once": 0}, "lets nothing through"),
        ({"kind": "503"}, 'expected an object with "on"'),
        ({"on": [], "kind": "503"}, "names no route"),
        ({"on": 5, "kind": "503"}, "names no route"),
        ({"on": ["pixels", 5], "kind": "503"}, "cannot happen on 5"),
    ],
)
def test_rules_that_mean_nothing_are_refused(rule, words):
    with pytest.raises(ValueError, match=words):
        Faults.from_json({"rules": [rule]})


def test_a_file_of_faults_comes_back_as_it_was(tmp_path):
    rules = [
        {"on": ["pixels", "value"], "kind": "503", "probability": 0.1, "matching": "x"},
        {"on": "pixels", "kind": "delay", "seconds": 0.5, "spread": 1.0},
        {"on": "list", "kind": "lag", "lists": 3},
    ]
    asked = Faults.of(*rules, seed=3)
    file = tmp_path / "faults.json"
    file.write_text(json.dumps(asked.to_json()))
    assert Faults.from_file(file) == asked and hash(asked) == hash(Faults.from_file(file))


@pytest.mark.parametrize(
    ("content", "words"), [("[]", 'list of "rules"'), ("{", "is no JSON"), (None, "cannot be read")]
)
def test_a_file_that_is_none_is_a_sentence(tmp_path, content, words):
    file = tmp_path / "faults.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ValueError, match=words):
        Faults.from_file(file)
