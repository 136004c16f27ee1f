"""What archives sent, on disk: whole or absent, bounded, shared by processes, and one sentence where it cannot be."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from local_ee.errors import EngineFault
from local_ee.open import blocks as blocks_module
from local_ee.open.blocks import Blocks, key_of


def files(folder: Path) -> list[Path]:
    return [path for path in folder.glob("??/*") if path.is_file()]


def test_a_content_is_kept_for_another_process(tmp_path: Path):
    Blocks(tmp_path).put(key_of("a", 1), b"content")
    assert Blocks(tmp_path).get(key_of("a", 1)) == b"content"
    assert Blocks(tmp_path).get(key_of("a", 2)) is None


def test_keys_differ_by_every_part():
    assert len({key_of("a", 1), key_of("a", 2), key_of("b", 1), key_of("a", 1, 2)}) == 4


@pytest.mark.parametrize(
    "damage", [lambda stored: stored[:-1], lambda stored: stored[:20] + b"x" + stored[21:], lambda _: b""]
)
def test_a_damaged_file_counts_as_absent_and_is_removed(tmp_path: Path, damage):
    blocks = Blocks(tmp_path)
    blocks.put(key := key_of("tile"), b"0123456789" * 10)
    (path,) = files(tmp_path)
    path.write_bytes(damage(path.read_bytes()))
    assert blocks.get(key) is None
    assert not blocks.holds(key)


def test_the_least_recently_used_are_removed_beyond_the_bound(tmp_path: Path):
    blocks = Blocks(tmp_path, bound_bytes=5_000)
    for number in range(4):
        blocks.put(key_of(number), bytes(1_000))
        os.utime(blocks._path(key_of(number)), (1_000 * number,) * 2)
    assert blocks.get(key_of(0)) is not None  # so it is used now
    for number in range(4, 7):
        blocks.put(key_of(number), bytes(1_000))
    assert blocks.holds(key_of(0)) and blocks.holds(key_of(6))
    assert not blocks.holds(key_of(1))
    assert sum(path.stat().st_size for path in files(tmp_path)) <= 5_000


def test_what_a_killed_process_left_is_removed_when_it_is_old(tmp_path: Path):
    blocks = Blocks(tmp_path)
    blocks.put(key := key_of("a"), b"1")
    left, fresh = (blocks._path(key).with_name(f".{name}.tmp") for name in ("1-old", "2-new"))
    for path in (left, fresh):
        path.write_bytes(b"half")
    os.utime(left, (0, 0))
    blocks.trim()
    assert (left.exists(), fresh.exists(), blocks.holds(key)) == (False, True, True)


@pytest.mark.parametrize(
    ("code", "sentence"), [(errno.ENOSPC, "is full: free space"), (errno.EROFS, "set ISAMAP_HOME")]
)
def test_a_disk_that_takes_nothing_is_one_sentence(tmp_path: Path, monkeypatch, code: int, sentence: str):
    def full(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    blocks = Blocks(tmp_path)
    blocks.put(kept := key_of("kept"), b"1")
    monkeypatch.setattr(blocks_module, "_write", full)
    with pytest.raises(EngineFault, match=sentence):
        blocks.put(key_of("lost"), b"2")
    assert blocks.get(kept) == b"1"
    assert len(files(tmp_path)) == 1


def test_two_processes_that_write_and_trim_one_folder_lose_nothing_whole(tmp_path: Path):
    program = (
        "import sys; from pathlib import Path; from local_ee.open.blocks import Blocks, key_of\n"
        "blocks = Blocks(Path(sys.argv[1]), bound_bytes=200_000)\n"
        "for number in range(300):\n"
        "    content = str(number).encode() * 500\n"
        "    blocks.put(key_of(number), content)\n"
        "    assert blocks.get(key_of(number)) in (content, None)\n"
    )
    children = [subprocess.Popen([sys.executable, "-c", program, str(tmp_path)]) for _ in range(2)]
    assert [child.wait(timeout=300) for child in children] == [0, 0]
    assert not list(tmp_path.glob("??/.*.tmp"))
    assert sum(path.stat().st_size for path in files(tmp_path)) <= 220_000  # looked at after each fiftieth of it
