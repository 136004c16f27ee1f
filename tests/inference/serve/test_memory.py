"""Threads of a server share few heaps, counted by glibc itself."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.long  # each is a process that loads the server

HEAPS = """\
import ctypes, sys, threading
from isamap.inference.serve.server import bound_memory
c = ctypes.CDLL(None)
if sys.argv[1] == "bounded":
    bound_memory()
c.malloc.restype = ctypes.c_void_p
ready = threading.Barrier(9)
def allocate():
    c.malloc(ctypes.c_size_t(1000))
    ready.wait()
threads = [threading.Thread(target=allocate) for _ in range(8)]
[thread.start() for thread in threads]
ready.wait()
c.fopen.restype = ctypes.c_void_p
file = ctypes.c_void_p(c.fopen(sys.argv[2].encode(), b"w"))
c.malloc_info(0, file)
c.fclose(file)
"""


def heaps(how: str, folder, **environment: str) -> int:
    out = folder / f"{how}.xml"
    subprocess.run(
        [sys.executable, "-c", HEAPS, how, str(out)], check=True, env={"PYTHONPATH": ":".join(sys.path)} | environment
    )
    return out.read_text().count("<heap nr=")


@pytest.fixture(scope="module", autouse=True)
def _glibc():
    import platform

    if platform.libc_ver()[0] != "glibc":
        pytest.skip("another C library")


def test_threads_share_two_heaps(tmp_path):
    assert heaps("bounded", tmp_path) <= 2 < heaps("free", tmp_path)


def test_what_the_user_says_stays(tmp_path):
    assert heaps("bounded", tmp_path, MALLOC_ARENA_MAX="4") == 4


def test_the_cache_of_gdal_is_bounded_unless_the_user_says_otherwise(monkeypatch):
    import os

    from isamap.inference.serve.server import GDAL_CACHE_MB

    code = "import os; from isamap.inference.serve.server import bound_memory as bound"
    code += "; bound(); print(os.environ['GDAL_CACHEMAX'])"
    base = {name: value for name, value in os.environ.items() if name != "GDAL_CACHEMAX"}
    for further, expected in (({}, GDAL_CACHE_MB), ({"GDAL_CACHEMAX": "8"}, "8")):
        done = subprocess.run(
            [sys.executable, "-c", code], env=base | further, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == expected
