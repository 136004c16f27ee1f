"""Who may use the engine: not other users of the machine, not web pages; programs with the token, as they are."""

from __future__ import annotations

import json
import logging
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import ee
import pytest
import requests
from google.api_core.exceptions import Forbidden
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from google.oauth2.credentials import Credentials
from googleapiclient.errors import HttpError

from local_ee import LocalEngine
from local_ee.faults import Faults
from local_ee.home import Home, private_folder, write_secret
from local_ee.testing.small import catalog, storage_client
from local_ee.token import credentials, fresh_token
from tests.support.raw_http import Answer, exchange, request

pytestmark = pytest.mark.usefixtures("reconnected")
BUCKET = "guarded"
CONFIG = "/v1/projects/local/config"
SHORT_TOKEN = "x" * 19


@pytest.fixture(scope="module")
def engine(reconnected, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEngine]:
    with LocalEngine(catalog(8, 8), tmp_path_factory.mktemp("door")) as running:
        storage_client(running.url).create_bucket(BUCKET).blob("kept").upload_from_string(b"kept")
        yield running


@pytest.fixture(scope="module")
def bucket(engine: LocalEngine) -> storage.Bucket:
    return storage_client(engine.url).bucket(BUCKET)


def bearer(engine: LocalEngine) -> dict[str, str]:
    return {"Authorization": f"Bearer {engine.token}"}


def send(engine: LocalEngine, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> Answer:
    return exchange(engine, request(method, path, headers, body, port=engine.port))


def words(answer: Answer) -> str:
    return json.loads(answer.body)["error"]["message"]


# Every request that a stranger may try: (method, path, content type, body)
BATCH = (
    b"--x\r\nContent-Type: application/http\r\nContent-ID: <1>\r\n\r\n"
    b"DELETE /storage/v1/b/guarded/o/kept HTTP/1.1\r\n\r\n\r\n--x--\r\n"
)
RELATED = (
    b'--x\r\nContent-Type: application/json\r\n\r\n{"name":"p.html","contentType":"text/html"}\r\n'
    b"--x\r\nContent-Type: text/html\r\n\r\n<script>1</script>\r\n--x--\r\n"
)
ATTACKS = {
    "create a bucket": ("POST", "/storage/v1/b?project=local", "application/json", b'{"name":"evil-bucket"}'),
    "overwrite an object": ("POST", f"/upload/storage/v1/b/{BUCKET}/o?uploadType=media&name=kept", "text/plain", b"x"),
    "store a page": (
        "POST", f"/upload/storage/v1/b/{BUCKET}/o?uploadType=multipart", "multipart/related; boundary=x", RELATED,
    ),
    "delete by batch": ("POST", "/batch/storage/v1", "multipart/mixed; boundary=x", BATCH),
    "compute": ("POST", "/v1/projects/local/value:compute", "application/json", b'{"expression":{}}'),
    "create a folder": ("POST", "/v1/projects/local/assets?assetId=evil", "application/json", b'{"type":"FOLDER"}'),
    "export": ("POST", "/v1/projects/local/image:export", "application/json", b"{}"),
    "read an object": ("GET", f"/storage/v1/b/{BUCKET}/o/kept?alt=media", "", b""),
    "read the discovery": ("GET", "/$discovery/rest?version=v1", "", b""),
    "read the faults": ("GET", "/faults", "", b""),
    "make a thumbnail": ("POST", "/v1/projects/local/thumbnails", "application/json", b"{}"),
    "anything": ("GET", "/", "", b""),
    "a preflight": ("OPTIONS", "/storage/v1/b", "", b""),
    "get the token": ("POST", "/token", "application/x-www-form-urlencoded", b"grant_type=refresh_token"),
}  # fmt: skip


def attack(engine: LocalEngine, name: str, headers: dict[str, str], base: str = "") -> Answer:
    method, path, content_type, body = ATTACKS[name]
    typed = {"Content-Type": content_type} if content_type else {}
    return send(engine, method, base + path, {**typed, **headers}, body)


@pytest.mark.parametrize("name", ATTACKS)
def test_without_the_token_nothing_is_answered(engine, bucket, name):
    answer = attack(engine, name, {})
    assert answer.status == 403 and "wants its token" in words(answer)
    assert [blob.name for blob in bucket.list_blobs()] == ["kept"]
    assert bucket.blob("kept").download_as_bytes() == b"kept"


@pytest.mark.parametrize("sent", ["", "x", SHORT_TOKEN, "é" * 43])
def test_a_wrong_token_is_refused_in_header_and_path(engine, sent):
    assert send(engine, "GET", CONFIG, {"Authorization": f"Bearer {sent}"}).status == 403
    assert send(engine, "GET", f"/t/{sent.encode().hex()}{CONFIG}", {}).status == 403


def test_a_wrong_token_in_the_path_is_not_helped_by_a_right_header(engine):
    assert send(engine, "GET", f"/t/{SHORT_TOKEN}{CONFIG}", bearer(engine)).status == 403


def test_a_part_of_the_token_is_not_enough(engine):
    for sent in (engine.token[:-1], engine.token + "x", engine.token.swapcase()):
        assert send(engine, "GET", CONFIG, {"Authorization": f"Bearer {sent}"}).status == 403


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_the_token_opens_as_a_header_and_as_a_path(engine, scheme):
    assert send(engine, "GET", CONFIG, {"Authorization": f"{scheme} {engine.token}"}).status == 200
    assert send(engine, "GET", f"/t/{engine.token}{CONFIG}", {}).status == 200


def test_a_refused_connection_is_closed(engine):
    assert attack(engine, "anything", {}).headers["connection"] == "close"


# What browsers add to requests of a page at https://evil.example, of another port, of a sandboxed frame or a file
PAGES = [
    {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:1"},
    {"Origin": "http://localhost:8888", "Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
    {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"},
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: " ".join(page.values())[:40])
@pytest.mark.parametrize("name", ATTACKS)
def test_a_web_page_is_refused_even_with_the_token(engine, bucket, name, page):
    answer = attack(engine, name, {**bearer(engine), **page})
    assert answer.status == 403 and "no requests from web pages" in words(answer)
    assert bucket.blob("kept").download_as_bytes() == b"kept"


def test_no_reply_lets_another_page_read_it(engine):
    answer = send(engine, "GET", CONFIG, bearer(engine))
    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"


def test_the_engines_own_origin_is_let_in(engine):
    own = {"Origin": engine.origin, "Sec-Fetch-Site": "same-origin", **bearer(engine)}
    assert send(engine, "GET", CONFIG, own).status == 200


def test_a_stranger_with_a_foreign_host_name_keeps_no_connection(engine):
    """1,000 connections that idle for 10 minutes each would keep everybody else outside."""
    assert send(engine, "GET", CONFIG, {"Host": "evil.example"}).headers["connection"] == "close"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:80", "[::1]", ""])
def test_a_foreign_host_name_stays_outside_with_the_token(engine, host):
    assert send(engine, "GET", CONFIG, {**bearer(engine), "Host": host}).status == 400


# The media types of HTML forms and of fetch() without a preflight, and of a Blob that has none
SIMPLE = ["text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "", "text/plain;json"]


@pytest.mark.parametrize("content_type", SIMPLE)
@pytest.mark.parametrize(
    "path",
    [
        "/v1/projects/local/value:compute",
        "/v1/projects/local/assets?assetId=evil",
        "/storage/v1/b?project=local",
        f"/storage/v1/b/{BUCKET}/o/kept/copyTo/b/{BUCKET}/o/copy",
        f"/upload/storage/v1/b/{BUCKET}/o?uploadType=resumable&name=kept",
        f"/upload/storage/v1/b/{BUCKET}/o?uploadType=multipart&name=kept",
        "/batch/storage/v1",
    ],
)
def test_a_form_is_no_request(engine, bucket, path, content_type):
    typed = {"Content-Type": content_type} if content_type else {}
    answer = send(engine, "POST", path, {**bearer(engine), **typed}, b'{"name":"evil-bucket"}')
    assert answer.status == 415 and "expected" in words(answer)
    assert [blob.name for blob in bucket.list_blobs()] == ["kept"]


def test_without_a_token_on_demand_pages_still_stay_outside(tmp_path):
    with LocalEngine(catalog(8, 8), tmp_path, token="") as opened:
        assert opened.url == opened.origin
        assert send(opened, "GET", CONFIG, {}).status == 200
        assert send(opened, "GET", CONFIG, PAGES[0]).status == 403
        assert send(opened, "POST", "/batch/storage/v1", {"Content-Type": "text/plain"}, BATCH).status == 415


def test_every_engine_has_a_token_of_its_own(engine, tmp_path):
    with LocalEngine(catalog(8, 8), tmp_path) as other:
        assert other.token != engine.token and len(other.token) >= 43  # 32 random bytes
        assert send(other, "GET", CONFIG, bearer(engine)).status == 403


def test_a_token_that_no_path_can_hold_is_refused(tmp_path):
    with pytest.raises(ValueError, match="token holds 24 characters"):
        LocalEngine(catalog(8, 8), tmp_path, token="a/b/" * 6)


def test_a_variable_fixes_the_token(monkeypatch):
    monkeypatch.setenv("ISAMAP_ENGINE_TOKEN", "a-token-of-my-own-choice")
    assert fresh_token() == "a-token-of-my-own-choice"
    monkeypatch.setenv("ISAMAP_ENGINE_TOKEN", SHORT_TOKEN)
    with pytest.raises(ValueError, match="ISAMAP_ENGINE_TOKEN holds 19 characters: expected 20 to 200") as error:
        fresh_token()
    assert SHORT_TOKEN not in str(error.value)


# Map tiles and thumbnails: addresses for browsers, whose id is the secret


@pytest.fixture
def image(engine: LocalEngine) -> ee.Image:
    ee.Initialize(credentials=Credentials(engine.token), project="local", url=engine.origin)
    return ee.Image("SMALL/ONE")


def test_a_tile_is_drawn_in_a_notebooks_page_without_token(engine, image):
    """A notebook at http://localhost:8888 shows tiles: its browser sends neither header nor token."""
    address = image.select("B2").getMapId({"min": 0, "max": 9})["tile_fetcher"].format_tile_url(0, 0, 12)
    assert engine.token not in address
    shown = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "image", "Origin": "http://localhost:8888"}
    reply = requests.get(address, headers=shown, timeout=300)
    assert reply.status_code == 200 and reply.headers["cross-origin-resource-policy"] == "cross-origin"


def test_a_guessed_id_is_not_found_and_costs_the_connection(engine, image):
    address = image.getThumbURL({"bands": ["VV"], "min": -20, "max": 0, "dimensions": 4})
    assert requests.get(address, timeout=300).status_code == 200
    answer = send(engine, "GET", "/v1/projects/local/thumbnails/" + "0" * 32 + ":getPixels", {})
    assert (answer.status, answer.headers["connection"]) == (404, "close")


def test_a_download_of_any_name_comes_whole(image):
    """A name of other letters is no header; it once ended in a broken reply."""
    reply = requests.get(image.select("B2").getDownloadURL({"name": "图"}), timeout=300)
    assert reply.status_code == 200 and reply.content.startswith(b"PK")


def test_only_reading_is_open_to_those_who_know_an_id(engine, image):
    path = image.getThumbURL({"bands": ["VV"], "dimensions": 4}).removeprefix(engine.origin)
    assert send(engine, "POST", path, {"Content-Type": "application/json"}).status == 403
    assert send(engine, "GET", path.replace(":getPixels", ""), {}).status == 403


def test_an_id_does_not_help_a_wrong_token(engine, image):
    path = image.getThumbURL({"bands": ["VV"], "dimensions": 4}).removeprefix(engine.origin)
    assert send(engine, "GET", f"/t/{SHORT_TOKEN}{path}", {}).status == 403


# Unmodified clients


def test_ee_with_credentials_needs_no_token_in_the_address(image):
    assert image.bandNames().getInfo() == ["B2", "B3", "VV"]


def test_ee_without_the_token_is_told_what_to_do(engine):
    with pytest.raises((ee.EEException, HttpError), match=r"wants its token: send .*Authorization: Bearer"):
        ee.Initialize(credentials=AnonymousCredentials(), project="local", url=engine.origin)


def test_the_storage_client_without_the_token_is_told_what_to_do(engine):
    with pytest.raises(Forbidden, match="wants its token"):
        storage_client(engine.origin).get_bucket(BUCKET)


def test_every_transfer_of_the_storage_client_works_with_the_token_as_a_header(engine):
    options = {"api_endpoint": engine.origin}
    client = storage.Client(project="local", credentials=Credentials(engine.token), client_options=options)
    _transfers(client, "by-header")


def test_every_transfer_of_the_storage_client_works_with_the_token_in_its_address(engine, monkeypatch):
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", engine.url)
    _transfers(storage.Client(project="local"), "by-address")


def _transfers(client: storage.Client, name: str) -> None:
    """Simple, chunked, ranged, copied, composed and batched: each makes addresses in a way of its own."""
    bucket = client.create_bucket(name)
    bucket.blob("small").upload_from_string(b"abc")
    bucket.blob("large", chunk_size=1 << 18).upload_from_string(bytes(700_000))
    large = bucket.get_blob("large")
    assert len(large.download_as_bytes()) == 700_000  # by the mediaLink that the engine gave
    assert bucket.blob("small").download_as_bytes(start=1, end=1) == b"b"
    bucket.copy_blob(bucket.blob("small"), bucket, "copy")
    bucket.blob("sum").compose([bucket.blob("small"), bucket.blob("copy")])
    with client.batch():
        bucket.blob("small").delete()
        bucket.blob("copy").delete()
    assert [blob.name for blob in bucket.list_blobs()] == ["large", "sum"]


def test_addresses_hold_the_token_only_for_those_who_sent_it_there(engine):
    path = f"/storage/v1/b/{BUCKET}/o/kept"
    assert engine.token not in send(engine, "GET", path, bearer(engine)).body.decode()
    link = json.loads(send(engine, "GET", f"/t/{engine.token}{path}", {}).body)["mediaLink"]
    assert link.startswith(engine.url) and requests.get(link, timeout=300).content == b"kept"


def test_a_credentials_file_lets_googles_libraries_log_in_by_themselves(engine, tmp_path, monkeypatch):
    """google.auth.default() finds the file by GOOGLE_APPLICATION_CREDENTIALS and fetches the token itself."""
    _logged_in(monkeypatch, tmp_path, engine)
    ee.Initialize(project="local", url=engine.origin)
    assert ee.Number(1).add(1).getInfo() == 2
    client = storage.Client(project="local", client_options={"api_endpoint": engine.origin})
    assert client.bucket(BUCKET).blob("kept").download_as_bytes() == b"kept"


def test_the_earthengine_command_works_with_a_credentials_file(engine, tmp_path, monkeypatch):
    ee.Initialize(credentials=Credentials(engine.token), project="local", url=engine.origin)
    ee.data.createAsset({"type": "FOLDER"}, "projects/local/assets/by-command")
    _logged_in(monkeypatch, tmp_path, engine)
    (tmp_path / "config.json").write_text(json.dumps({"url": engine.origin}))
    command = [Path(sys.executable).with_name("earthengine"), "--ee_config", tmp_path / "config.json"]
    done = subprocess.run(
        [*command, "--project", "local", "ls", "projects/local/assets"], capture_output=True, text=True, timeout=300
    )
    assert (done.returncode, done.stdout.split()) == (0, ["projects/local/assets/by-command"]), done.stderr


def _logged_in(monkeypatch: pytest.MonkeyPatch, folder: Path, engine: LocalEngine) -> None:
    """A user of no Google account who has the engine's credentials file."""
    (folder / "credentials.json").write_text(json.dumps(credentials(engine.url)))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(folder / "credentials.json"))
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(folder / "gcloud"))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)


# Where the token must not be


def test_the_log_of_calls_does_not_hold_the_token(tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    with LocalEngine(catalog(8, 8), tmp_path, faults=Faults.of()) as running:
        assert requests.get(f"{running.url}{CONFIG}", timeout=300).status_code == 200
        requests.get(f"{running.url}/nowhere", timeout=300)
        written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
        assert b"/config" in written and running.token.encode() not in written
        mine = [record for record in caplog.records if not record.name.startswith(("urllib3", "asyncio"))]
        assert not any(running.token in record.getMessage() for record in mine)


# The files of a home


def test_a_home_is_made_for_its_user_alone(tmp_path):
    before = os.umask(0)
    try:
        with LocalEngine(catalog(8, 8), tmp_path / "new" / "home"):
            pass
    finally:
        os.umask(before)
    for folder in ("new/home", "new/home/engine"):
        assert stat.S_IMODE((tmp_path / folder).stat().st_mode) == 0o700


def test_an_older_home_loses_the_rights_of_others_and_its_surroundings_do_not(tmp_path):
    home = Home(tmp_path / "home")
    home.engine.mkdir(parents=True, mode=0o755)
    for folder in (home.root, home.engine):
        folder.chmod(0o755)
    private_folder(home.engine)
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in (home.root, home.engine)] == [0o755, 0o700]


def test_a_secret_file_is_never_readable_by_others(tmp_path):
    before = os.umask(0)
    try:
        write_secret(tmp_path / "secret", b"1")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600 and os.listdir(tmp_path) == ["secret"]
