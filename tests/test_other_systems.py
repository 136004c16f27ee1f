"""isamap on macOS and Windows, as far as Linux can show it: the whole way without what only POSIX, or Linux, has."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
WAY = (
    "export --region wuhan --month 2019-06 --size 32 --max-patches 24 --out data",
    "inspect data",
    "train --data data --recipe unet-tiny --out run --set epochs=1",
    "evaluate --checkpoint run --data data --split val",
    "map --checkpoint run --region wuhan --month 2019-06 --bbox 114.25 30.54 114.27 30.56 --out map.tif",
    "publish map.tif --asset projects/local/assets/map",
    "view map.tif --out map.png",
    "area map.tif",
)


def run(folder: Path, *commands: str) -> subprocess.CompletedProcess[str]:
    """The commands in one process from which POSIX was taken away."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "local_ee" / "src")))}
    words = [sys.executable, "-m", "tests.support.other_system", *" -- ".join(commands).split()]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, env=environment)


@pytest.mark.long
def test_the_whole_way_without_posix(tmp_path):
    done = run(tmp_path, *WAY)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "map.tif").exists() and (tmp_path / "map.png").stat().st_size > 1000


def test_our_modules_meet_the_other_system(tmp_path):
    """Else the test above would show nothing."""
    code = (
        "from tests.support import other_system as o; import types; o.take_away(); ours = types.ModuleType('isamap.x');"
        "\nfor line in ('import fcntl', 'import resource', 'import os; os.fork()', 'open(\"/proc/cpuinfo\")',"
        " 'import signal; signal.SIGKILL'):"
        "\n    try: exec(line, ours.__dict__)"
        "\n    except (ImportError, AttributeError, OSError): continue"
        "\n    raise SystemExit(line)"
        "\nimport fcntl"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
