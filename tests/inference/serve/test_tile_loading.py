"""The first tiles of a fresh service are asked for by a browser all at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("rio_tiler")
ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
import sys, threading, time
from types import SimpleNamespace
class Slow:  # a module takes its time to be found, as on a busy machine
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.startswith("rio_tiler"):
            loaders.add(threading.get_ident())
            time.sleep(0.02)
loaders = set()
sys.meta_path.insert(0, Slow)
from inference.serve import tiles
band = SimpleNamespace(path="/nowhere", number=1)
stored = SimpleNamespace(file=SimpleNamespace(classes=band), version="")
failures = []
def first(number):
    time.sleep(0.05 * number)  # some come when the first has loaded a half
    try:
        tiles.tile(stored, "class", None)
    except ImportError as error:
        failures.append(str(error))
    except Exception:
        pass
threads = [threading.Thread(target=first, args=(number,)) for number in range(24)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(len(loaders), len(failures))
"""


def test_threads_that_load_the_reader_together_all_get_it():
    """rio-tiler's modules import each other in a circle: a second thread in it met a half of it."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.stdout.strip() == "1 0", done.stderr
