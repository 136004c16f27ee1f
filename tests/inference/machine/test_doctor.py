"""`isamap doctor`: it describes any machine, tells no secret, and names a remedy beside what is wrong."""

from __future__ import annotations

import fcntl
from urllib.error import URLError

import pytest

import isamap
from isamap.inference.machine import doctor as doctors
from isamap.inference.machine.doctor import SERVERS, doctor


def unreachable(address: str) -> str:
    raise URLError(ConnectionRefusedError(111, "Connection refused"))


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.setenv("ISAMAP_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


def rows(report) -> dict[str, object]:
    return {row.name: row for row in report.rows}


def test_it_names_versions_gdal_memory_disk_locks_gpu_login_and_servers():
    asked: list[str] = []
    report = doctor(reach=lambda address: asked.append(address) or "answers")
    names = rows(report)
    assert {"isamap", "system", "packages", "GDAL", "processors", "memory", "this folder", "GPU", "login"} <= set(names)
    assert sorted(asked) == sorted(SERVERS.values()) and report.ok
    assert "torch" in names["packages"].detail and str(report).startswith("```\n")


def test_it_tells_no_secret_and_no_folder_of_the_user(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HTTPS_PROXY", "http://user:hunter2@proxy:3128")
    monkeypatch.setenv("EARTHENGINE_TOKEN", "s3cr3t")
    text = str(doctor(offline=True))
    assert "HTTPS_PROXY set" in text and "EARTHENGINE_TOKEN set" in text
    assert not [word for word in ("hunter2", "s3cr3t", str(tmp_path)) if word in text]


def test_servers_that_do_not_answer_are_told_and_nothing_needed_is_wrong():
    report = doctor(reach=unreachable)
    assert "not reached: it refuses connections" in str(report) and "check the network" in str(report)
    assert report.ok


def test_a_drive_without_locks_is_told(monkeypatch):
    def refuse(file, operation):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert "no file can be written and locked (Operation not supported)" in str(doctor(offline=True))


def test_a_look_that_fails_does_not_end_the_others(monkeypatch):
    def broken():
        raise RuntimeError("CUDA driver is too old")

    monkeypatch.setattr(doctors, "_gpu", broken)
    names = rows(doctor(offline=True))
    assert names["GPU"].detail == "RuntimeError: CUDA driver is too old" and "login" in names


def test_files_of_another_gdal_are_told(monkeypatch):
    monkeypatch.setenv("PROJ_LIB", "/usr/share/proj")
    row = rows(doctor(offline=True))["GDAL files"]
    assert row.ok is False and "unset PROJ_LIB" in row.remedy


def test_the_command_ends_well(capsys):
    assert isamap.main(["doctor", "--offline"]) == 0
    assert "Earth Search" not in capsys.readouterr().out
