"""What is kept of a request and its answer: enough to read, no secret, and nothing where nobody records."""

from __future__ import annotations

import json

import pytest

from isamap.gee_export.base import exchanges

UPLOAD = "https://storage.googleapis.com/upload/storage/v1/b/maps/o?uploadType=resumable&upload_id=SECRET"


@pytest.fixture
def kept(tmp_path):
    """The rows of what is told in the block."""

    def record(*told) -> list[dict]:
        path = tmp_path / "exchanges.jsonl"
        with exchanges.recorded(path, lambda: "step.probe"):
            for each in told:
                exchanges.told(*each)
        exchanges.told("GET", "https://earthengine.googleapis.com/v1/late", None, 200, "", b"")
        return [json.loads(line) for line in path.read_text().splitlines()]

    return record


def test_a_row_says_what_was_asked_and_answered_and_hides_addresses_of_uploads(kept):
    (row,) = kept(("PUT", UPLOAD, b"abc", 200, "application/json; charset=UTF-8", b'{"etag": 1}'))
    assert row["of"] == "step.probe" and row["media_type"] == "application/json" and row["received"] == '{"etag": 1}'
    assert row["query"] == {"uploadType": "resumable", "upload_id": "..."} and "googleapis" not in json.dumps(row)


def test_logins_and_addresses_of_people_are_not_kept(kept):
    rows = kept(
        ("POST", "https://oauth2.googleapis.com/token", b"refresh_token=1", 200, "", b'{"access_token": "x"}'),
        ("GET", "https://earthengine.googleapis.com/v1/a", None, 200, "", b'"user:ann.b@example.org"'),
    )
    assert [row["received"] for row in rows] == ['"user:EMAIL"']


def test_large_and_binary_bodies_are_their_digest_and_base64(kept):
    rows = kept(("GET", "https://x/v1/a", b"\xff\x00", 200, "", b"0" * (exchanges.LARGEST + 1)))
    assert rows[0]["sent"] == {"base64": "/wA="} and rows[0]["received"]["bytes"] == exchanges.LARGEST + 1
