"""A file of jobs that may be read and not written: a disk after an error, and a full one."""

from __future__ import annotations

import sqlite3

from tests.inference.serve.conftest import TOWN


def test_a_file_of_jobs_that_may_not_be_written_is_503_and_loses_nothing(client, asked, monkeypatch, caplog):
    """The reason is in the log, since it names a folder of the machine; strangers are told to come back."""
    kept = client.post("/processes/map/execution", json=asked()).json()["jobID"]
    connect = sqlite3.connect

    def read_only(path, **how):
        return connect(f"file:{path}?mode=ro", uri=True, **how)

    with monkeypatch.context() as patch:
        patch.setattr(sqlite3, "connect", read_only)
        reply = client.post("/processes/map/execution", json=asked(period="2019-07"))
        assert (reply.status_code, reply.headers["content-type"]) == (503, "application/problem+json")
        assert "readonly database" in caplog.text and "try again later" in reply.json()["detail"]
        assert client.get(f"/jobs/{kept}").status_code == 200
    assert client.post("/processes/map/execution", json=asked(period="2019-07")).status_code == 201
    assert client.get("/jobs").json()["jobs"][-1]["jobID"] == kept


def test_a_full_disk_is_503_and_loses_nothing(client, town, asked, monkeypatch, caplog):
    """SQLite ends a transaction that finds no room for a page, so that there is none to roll back."""
    kept = client.post("/processes/map/execution", json=asked()).json()["jobID"]
    large = {"inputs": {"map": TOWN, "answers": "id,class\n" * 50_000}}
    connect = sqlite3.connect

    def full(path, **how):
        base = connect(path, **how)
        base.execute("PRAGMA max_page_count = 1")  # as many as there are, since no file becomes smaller
        return base

    with monkeypatch.context() as patch:
        patch.setattr(sqlite3, "connect", full)
        reply = client.post("/processes/assess/execution", json=large)
        assert (reply.status_code, reply.headers["content-type"]) == (503, "application/problem+json")
        assert "disk is full" in caplog.text and client.get(f"/jobs/{kept}").status_code == 200
    assert client.post("/processes/assess/execution", json=large).status_code == 201
