"""Exports from public archives that fail, wait or are killed: the same command ends with the undisturbed bytes."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from local_ee.open import hosts
from local_ee.testing import archive as archives
from local_ee.testing.archive import Asked, Fault

import isamap
from tests.support import open_town
from tests.support.open_town import OpenTown

BBOX = (114.118, 30.508, 114.128, 30.516)
WORDS = ("export", "--bbox", *map(str, BBOX), "--month", "2023-06", "--catalog", "open", "--label", "none",
         "--size", "32", "--stride", "32")  # fmt: skip


@pytest.fixture(scope="module")
def town(reconnected) -> Iterator[OpenTown]:
    with pytest.MonkeyPatch.context() as patch, open_town.standing() as standing:
        patch.setattr(hosts, "FIRST_PAUSE_S", 0.002)
        yield standing


@pytest.fixture
def struck(town: OpenTown, monkeypatch) -> OpenTown:
    """The town's archives, whose faults end with the test."""
    monkeypatch.setattr(town.archive, "faults", town.archive.faults)
    return town


@pytest.fixture(scope="module")
def first(town: OpenTown, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, bytes], int]:
    """The files of an undisturbed export, and how many requests it sent."""
    folder, before = tmp_path_factory.mktemp("undisturbed"), len(town.archive.asked)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ISAMAP_HOME", str(folder / "home"))
        assert isamap.main([*WORDS, "--out", str(folder / "data")]) == 0
    return files(folder / "data"), len(town.archive.asked) - before


@pytest.fixture
def undisturbed(first: tuple[dict[str, bytes], int]) -> dict[str, bytes]:
    return first[0]


@pytest.fixture
def requests(first: tuple[dict[str, bytes], int]) -> int:
    return first[1]


def files(folder: Path) -> dict[str, bytes]:
    """The dataset's files; not those of `.run`, which hold times."""
    paths = (path for path in folder.rglob("*") if path.is_file() and ".run" not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(2, 51))])
def test_faults_change_no_byte(seed, struck, undisturbed, tmp_path, monkeypatch):
    """A third of all requests is throttled, refused, cut short or dropped, by the seed."""
    monkeypatch.setenv("ISAMAP_HOME", str(tmp_path / "home"))
    struck.archive.faults = archives.schedule(seed, share=0.33)
    assert isamap.main([*WORDS, "--out", str(tmp_path / "data")]) == 0
    assert files(tmp_path / "data") == undisturbed


@pytest.mark.long
def test_a_killed_export_is_resumed_from_what_was_kept(struck, undisturbed, requests, tmp_path):
    """Killed when two fifths of all requests came; the second run asks for less than the first would have."""
    command = [sys.executable, str(open_town.program(struck, tmp_path)), *WORDS, "--out", str(tmp_path / "data")]
    environment = os.environ | {"ISAMAP_HOME": str(tmp_path / "home")}
    counted = itertools.count()
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, start_new_session=True)

    def kill(asked: Asked) -> Fault | None:
        if next(counted) == int(0.4 * requests):
            os.killpg(process.pid, signal.SIGKILL)
        return None

    struck.archive.faults = kill
    assert process.wait() == -signal.SIGKILL
    struck.archive.faults, again = lambda asked: None, len(struck.archive.asked)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert files(tmp_path / "data") == undisturbed
    assert len(struck.archive.asked) - again < requests


KILLER = """
import itertools, json, os, random, signal, sys
sys.path.insert(0, sys.argv[1])
from local_ee.open import hosts
import isamap
import isamap.gee_export.cli, isamap.gee_export.export.export
hosts.LOOPBACK.update(json.loads(sys.argv[2]))
kills, words, folder = int(sys.argv[3]), json.loads(sys.argv[4]), sys.argv[5]

def export(out, seed):
    drawn, real = random.Random(seed), os.replace
    last, is_after, calls = drawn.randrange(1, 12), drawn.random() < 0.5, itertools.count(1)
    def replace(*names, **options):
        is_last = next(calls) == last  # of this thread's own call: others write meanwhile
        if is_last and not is_after:
            os.kill(os.getpid(), signal.SIGKILL)
        real(*names, **options)
        if is_last:
            os.kill(os.getpid(), signal.SIGKILL)
    if seed is not None:
        os.replace = replace
    os._exit(isamap.main([*words, "--out", out]))

def begun(out, seed):
    child = os.fork()
    return child or export(out, seed)

outs, ended, killed = [f"{folder}/0", f"{folder}/1"], [], 0
for seed in itertools.count():
    seeds = (2 * seed, 2 * seed + 1) if killed < kills else (None, None)
    children = [begun(*pair) for pair in zip(outs, seeds)]
    statuses = [os.waitpid(child, 0)[1] for child in children]
    killed += sum(status == 9 for status in statuses)
    print(statuses, killed, file=sys.stderr, flush=True)
    for lane, status in enumerate(statuses):
        assert status in (0, 9), status
        if status == 0:
            ended.append(outs[lane])
            outs[lane] = f"{folder}/{len(ended) + 1}"
    if seeds == (None, None):
        break
print(json.dumps({"killed": killed, "ended": ended}))
"""
KILLS = 20


@pytest.mark.long
def test_exports_that_share_a_cache_and_are_killed_lose_nothing(struck, undisturbed, tmp_path, monkeypatch):
    """Two at a time, each killed at a drawn write, before or after it; the next ones go on with what is kept."""
    monkeypatch.setenv("ISAMAP_HOME", str(tmp_path / "home"))
    root, loopback = str(Path(__file__).parents[3]), json.dumps(struck.archive.loopback)
    arguments = [root, loopback, str(KILLS), json.dumps(WORDS), str(tmp_path)]
    done = subprocess.run([sys.executable, "-c", KILLER, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout.splitlines()[-1])
    assert printed["killed"] >= KILLS
    for folder in printed["ended"]:
        assert files(Path(folder)) == undisturbed
    before = len(struck.archive.asked)
    assert isamap.main([*WORDS, "--offline", "--out", str(tmp_path / "offline")]) == 0
    assert files(tmp_path / "offline") == undisturbed
    assert len(struck.archive.asked) == before


@pytest.mark.long
def test_a_closed_door_says_that_an_account_is_asked_for(struck, tmp_path, monkeypatch, capsys):
    """Planetary Computer's collection has said for years that it might."""
    monkeypatch.setenv("ISAMAP_HOME", str(tmp_path / "home"))
    struck.archive.faults = archives.always(Fault("status", 401), lambda asked: "/api/sas/" in asked.path)
    assert isamap.main([*WORDS, "--out", str(tmp_path / "data")]) == 1
    sentence = " ".join(capsys.readouterr().err.split())
    assert "asks for an account now" in sentence and "leave Sentinel-1 out" in sentence
    assert isamap.main([*WORDS, "--sensors", "s2", "--out", str(tmp_path / "s2")]) == 0


@pytest.mark.long
def test_a_month_of_clouds_alone_says_what_to_choose(struck, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ISAMAP_HOME", str(tmp_path / "home"))
    cloudy = open_town.as_tiff(np.full((open_town.SIDE // 2,) * 2, 9, np.uint8), 20, 0)
    for address in [name for name in struck.archive.files if name.endswith("SCL.tif")]:
        monkeypatch.setitem(struck.archive.files, address, cloudy)
    assert isamap.main([*WORDS, "--sensors", "s2", "--out", str(tmp_path / "data")]) == 0
    sentence = " ".join("".join(capsys.readouterr()).split())
    assert "no valid pixel of B2 B3 B4 B8" in sentence and "choose another month or a longer --period" in sentence


@pytest.mark.long
def test_an_archive_that_is_down_is_one_sentence_and_the_command_continues(struck, undisturbed, tmp_path, monkeypatch):
    monkeypatch.setenv("ISAMAP_HOME", str(tmp_path / "home"))
    struck.archive.faults = archives.always(Fault("status", 503), lambda asked: asked.is_file)
    assert isamap.main([*WORDS, "--out", str(tmp_path / "data")]) == 1
    struck.archive.faults = lambda asked: None
    assert isamap.main([*WORDS, "--out", str(tmp_path / "data")]) == 0
    assert files(tmp_path / "data") == undisturbed


@pytest.mark.long
def test_progress_shows_the_bytes_that_were_fetched(town, undisturbed):
    """The session of the last export is this process's: bars speak of its archives."""
    from isamap.gee_export.base.progress_bar import ProgressBar

    assert ProgressBar.beside is not None and ProgressBar.beside().endswith(" MB fetched")
    bar = ProgressBar(total=2, desc="town")
    bar.update()
    assert "MB fetched" in str(bar)
    bar.close()
